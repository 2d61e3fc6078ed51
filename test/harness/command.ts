// The commands of the binary beside "serve", as a person types them.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { Api } from "./api.ts";
import { binary, type Server } from "./server.ts";

export interface Ran {
	code: number | null;
	stdout: string;
	stderr: string;
}

/** Run `tocsin ARGS` to its end. */
export async function tocsin(
	args: string[],
	options: {
		env?: Record<string, string>;
		input?: string;
		/** All that it said so far, whenever it says more. */
		onStderr?: (text: string, child: ChildProcess) => void;
	} = {},
): Promise<Ran> {
	const child = spawn(binary, args, { env: { ...process.env, ...options.env } });
	const ran: Ran = { code: null, stdout: "", stderr: "" };
	child.stdout.on("data", (part: Buffer) => (ran.stdout += part.toString()));
	child.stderr.on("data", (part: Buffer) => {
		ran.stderr += part.toString();
		options.onStderr?.(ran.stderr, child);
	});
	// A command may be over before it has read anything.
	child.stdin.on("error", () => undefined);
	child.stdin.end(options.input ?? "");
	[ran.code] = (await once(child, "close")) as [number | null];
	return ran;
}

/** An organization (and a project in it) of its own, with a key that may do everything; more flags of seed. */
export async function tenant(
	server: Server,
	org: string,
	project?: string,
	more: string[] = [],
): Promise<Api> {
	const key = `test_api_key_${org}_${project ?? "default"}`;
	const args = ["seed", ...server.stateFlags(), "--org", org, "--key", key, ...more];
	if (project !== undefined) args.push("--project", project);
	const ran = await tocsin(args);
	if (ran.code !== 0) throw new Error(`no tenant: ${ran.stderr}`);
	return new Api(server.url, key);
}
