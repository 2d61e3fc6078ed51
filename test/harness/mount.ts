// File systems of a test's own, where that is allowed: as root, and not in every container.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

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
