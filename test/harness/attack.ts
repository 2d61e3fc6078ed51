// slowhttptest: clients that take as long as they can, to keep the places of others.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";

export const hasSlowhttptest = spawnSync("slowhttptest", ["-h"]).error === undefined;

export interface Attack {
	name: string;
	/** Flags beside how many, how fast and how long. */
	flags: string[];
	path: string;
}

/** Run an attack to its end; what it printed. */
export async function attack(
	url: string,
	{ flags, path }: Attack,
	connections: number,
	seconds: number,
): Promise<string> {
	const args = ["-c", String(connections), "-r", String(connections), "-l", String(seconds)];
	const child = spawn("slowhttptest", [...flags, ...args, "-v", "1", "-p", "5", "-u", url + path]);
	let out = "";
	child.stdout.on("data", (part: Buffer) => (out += part.toString()));
	child.stderr.on("data", (part: Buffer) => (out += part.toString()));
	await once(child, "close");
	return out.replace(/\u001b\[[0-9;]*m/g, "");
}
