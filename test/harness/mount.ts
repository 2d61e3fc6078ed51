// File systems of a test's own, where that is allowed: as root, and not in every container.
import { execFile, execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmdirSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

export function mount(args: string[]): string {
	const dir = mkdtempSync(join(tmpdir(), "tocsin-mount-"));
	try {
		execFileSync("mount", [...args, dir], { stdio: "pipe" });
	} catch (error) {
		rmdirSync(dir);
		throw error;
	}
	return dir;
}

export function unmount(dir: string): void {
	// Whoever looked in there a moment ago may still hold it.
	if (spawnSync("umount", [dir]).status !== 0) execFileSync("umount", ["-l", dir]);
	rmdirSync(dir);
}

export function mountTmpfs(mebibytes: number): string {
	return mount(["-t", "tmpfs", "-o", `size=${mebibytes}m`, "tmpfs"]);
}

/** Why nothing can be mounted here, or undefined. */
export function noMount(): string | undefined {
	try {
		unmount(mountTmpfs(1));
		return undefined;
	} catch {
		return "mounting is not allowed here";
	}
}

/** A small file with a file system in it, whose copy is what a power cut leaves. */
export class Image {
	private dir: string | undefined;

	private constructor(readonly path: string) {}

	static make(path: string, mebibytes: number): Image {
		execFileSync("truncate", ["-s", `${mebibytes}M`, path]);
		// Without a lazy start nothing but the test writes; without a reserve all room is its own.
		const flags = ["-q", "-F", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0"];
		execFileSync("mkfs.ext4", [...flags, path], { stdio: "pipe" });
		return new Image(path);
	}

	mount(): string {
		this.dir = mount(["-o", "loop", this.path]);
		return this.dir;
	}

	unmount(): void {
		if (this.dir !== undefined) unmount(this.dir);
		this.dir = undefined;
	}

	/** The share of its room that is taken. */
	used(): number {
		const { bavail, blocks } = statfsSync(this.dir!);
		return 1 - bavail / blocks;
	}

	/** What a disk would hold if the power went now: only what was flushed is sure to be in it. */
	async cut(path: string): Promise<Image> {
		await promisify(execFile)("cp", ["--sparse=always", this.path, path]);
		return new Image(path);
	}
}

/** Why no file system can be mounted from a file here, or undefined. */
export function noImage(): string | undefined {
	const root = mkdtempSync(join(tmpdir(), "tocsin-image-"));
	try {
		const image = Image.make(join(root, "try"), 8);
		image.mount();
		image.unmount();
		return undefined;
	} catch {
		return "mounting a file is not allowed here";
	} finally {
		rmSync(root, { recursive: true });
	}
}
