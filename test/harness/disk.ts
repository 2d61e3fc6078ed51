// A disk that fails or is slow when a test says so: test/shim/disk.c under a real server.
import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readSync, rmSync, statSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { slower } from "./server.ts";

/** A library that is loaded first does not go with sanitizers, which want to be that. */
export const noDisk = slower > 1 ? "sanitizers want to be loaded first" : undefined;

const KINDS = ["open", "write", "flush", "rename", "remove"] as const;
export type Kind = (typeof KINDS)[number];
export const kinds: readonly Kind[] = KINDS;

export const ERRNO = { EIO: 5, EMFILE: 24, ENOSPC: 28 };

/** What may go wrong with which call. */
export const faults: readonly (readonly [Kind, keyof typeof ERRNO])[] = [
	["open", "EMFILE"],
	["write", "EIO"],
	["write", "ENOSPC"],
	["flush", "EIO"],
	["rename", "EIO"],
	["remove", "EIO"],
];

/** Which of n calls fail, one after the other: all, or about `most` of them from a random one on. */
export function places(n: number, most: number, random: () => number): number[] {
	const all: number[] = [];
	const step = Math.max(1, n / most);
	for (let at = n <= most ? 1 : 1 + random() * step; at <= n; at += step) all.push(Math.floor(at));
	return all;
}

const FOLDER_AT = 64;
const BAD_AT = FOLDER_AT + 1024;
const BAD_BYTES = 24;
const BAD_MAX = 64;
const BYTES = 4096;

export class Disk {
	private readonly root = mkdtempSync(join(tmpdir(), "tocsin-disk-"));
	private readonly orders = join(this.root, "orders");
	private bad = 0;
	/** Held open, so that no other file gets the number of one that is replaced. */
	private readonly held: number[] = [];

	/** Calls below this folder count. */
	constructor(folder: string) {
		const source = join(import.meta.dirname, "../shim/disk.c");
		const flags = ["-shared", "-fPIC", "-O1", "-D_GNU_SOURCE", "-Wall", "-Werror"];
		execFileSync("cc", [...flags, "-o", join(this.root, "disk.so"), source, "-ldl"]);
		const bytes = Buffer.alloc(BYTES);
		bytes.write(folder, FOLDER_AT);
		writeFileSync(this.orders, bytes);
	}

	/** What a server on this disk needs in its environment. */
	get env(): Record<string, string> {
		return { LD_PRELOAD: join(this.root, "disk.so"), TOCSIN_TEST_DISK: this.orders };
	}

	private write(at: number, values: number[]): void {
		const fd = openSync(this.orders, "r+");
		const bytes = new Uint8Array(new BigInt64Array(values.map(BigInt)).buffer);
		writeSync(fd, bytes, 0, bytes.length, at);
		closeSync(fd);
	}

	private read(at: number): number {
		const fd = openSync(this.orders, "r");
		const bytes = Buffer.alloc(8);
		readSync(fd, bytes, 0, 8, at);
		closeSync(fd);
		return Number(bytes.readBigInt64LE());
	}

	/** Count calls of these kinds anew; with first, so many of them fail from that one on. */
	order(which: readonly Kind[], error = 0, first = 0, times = 1): void {
		const mask = which.reduce((bits, kind) => bits | (1 << KINDS.indexOf(kind)), 0);
		this.write(0, [mask, first, times, error]);
		this.write(40, [0, 0]);
	}

	/** Every flush takes so much longer. */
	slow(ms: number): void {
		this.write(32, [ms * 1000]);
	}

	/** These bytes of the file cannot be read any more, by nobody, under whatever name it then has. */
	spoil(path: string, from: number, to: number): void {
		if (this.bad === BAD_MAX) throw new Error("too many bad places");
		this.held.push(openSync(path, "r"));
		this.write(BAD_AT + 8 + this.bad * BAD_BYTES, [statSync(path).ino, from, to]);
		this.write(BAD_AT, [++this.bad]);
	}

	/** Calls that counted, since the order. */
	get calls(): number {
		return this.read(40);
	}

	get failed(): number {
		return this.read(48);
	}

	remove(): void {
		for (const fd of this.held.splice(0)) closeSync(fd);
		rmSync(this.root, { recursive: true });
	}
}
