// A disk that changes what was written, and what the server's own tools say about it.
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { expect } from "vitest";
import { tocsin } from "./command.ts";

export interface Damage {
	file: string;
	offset: number;
	end: number;
	recordsLost: number;
	firstRecord?: number;
	numbers?: [number, number][];
	projectId?: string;
	mendable: boolean;
	setAside: boolean;
}

/** What `tocsin journal VERB --json` prints. */
export interface Look {
	ok: boolean;
	served: boolean;
	records: number;
	lastRecord: number;
	recordsLost: number;
	sealedFiles: number;
	kinds: Record<string, number>;
	idempotency: { keys: number };
	damage: Damage[];
	setAside: number;
	mended: number;
}

export async function look(data: string, verb: string, code = 0): Promise<Look> {
	const ran = await tocsin(["journal", verb, "--json", "--data", data]);
	expect([ran.code, code === 0 ? ran.stderr : ""]).toEqual([code, ""]);
	return JSON.parse(ran.stdout) as Look;
}

/** Change one bit of a file where it lies. */
export function flipBit(path: string, at: number, bit = 3): void {
	const fd = openSync(path, "r+");
	const byte = new Uint8Array(1);
	readSync(fd, byte, 0, 1, at);
	byte[0]! ^= 1 << bit;
	writeSync(fd, byte, 0, 1, at);
	closeSync(fd);
}
