// Whether a data directory is in order: yes when it is, and which part when it is not.
import { execFileSync } from "node:child_process";
import {
	chmodSync,
	readdirSync,
	readFileSync,
	rmSync,
	truncateSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Api } from "../harness/api.ts";
import { tocsin } from "../harness/command.ts";
import { caughtUp, makeRule, sendEvent } from "../harness/model.ts";
import { Server } from "../harness/server.ts";
import { stores } from "../harness/store.ts";

interface Check {
	ok: boolean;
	served: boolean;
	checks: { name: string; ok: boolean; text: string }[];
}

async function check(server: Server): Promise<Check> {
	const ran = await tocsin(["check", "--json", ...server.stateFlags()]);
	const got = JSON.parse(ran.stdout) as Check;
	expect([ran.code, ran.stderr]).toEqual([got.ok ? 0 : 1, ""]);
	return got;
}

/** Name and content of all that is stored in a data directory. */
function contents(data: string): Record<string, string> {
	const all = readdirSync(data, { withFileTypes: true, recursive: true });
	// The index of SQLite's log is a cache in a file.
	const files = all.filter((e) => e.isFile() && !e.name.endsWith("-shm"));
	return Object.fromEntries(
		files.map((e) => {
			const path = join(e.parentPath, e.name);
			return [path, readFileSync(path).toString("latin1")];
		}),
	);
}

describe.each(stores)("tocsin check on %s", (store) => {
	it("finds all well, before and after any end, and changes nothing", { timeout: 60_000 }, async () => {
		const server = await Server.start({ store });
		const api = await Api.bootstrap(server.url);
		await makeRule(api, { eventType: "checked", threshold: 2 });
		let over = false;
		const load = (async () => {
			while (!over) await sendEvent(api, "checked");
		})();
		for (let i = 0; i < 3; i++) {
			const got = await check(server);
			expect(got.checks.filter((c) => !c.ok)).toEqual([]);
			expect([got.ok, got.served, got.checks.length]).toEqual([true, true, 11]);
		}
		over = true;
		await load;
		await caughtUp(api);
		for (const signal of ["SIGKILL", "SIGTERM"] as const) {
			await server.kill(signal);
			const before = contents(server.data);
			const got = await check(server);
			expect(got.checks.filter((c) => !c.ok)).toEqual([]);
			expect(got.served).toBe(false);
			const after = contents(server.data);
			expect(Object.keys(after)).toEqual(Object.keys(before));
			for (const name of Object.keys(before)) expect(after[name] === before[name], name).toBe(true);
			await server.launch();
		}
		await server.stop();
	});
});

describe("tocsin check", () => {
	let server: Server;
	let data: string;

	beforeEach(async () => {
		server = await Server.start({ args: ["--segment-size", "1MiB", "--seal", "false"] });
		data = server.data;
		const api = await Api.bootstrap(server.url);
		await makeRule(api, { eventType: "checked", threshold: 1 });
		for (let i = 0; i < 10; i++) await sendEvent(api, "checked", { payload: { n: `<${i}>` } });
		await caughtUp(api);
		await server.kill("SIGTERM");
	});
	afterEach(() => server.drop());

	const segment = () => join(data, "journal", "0000000000000001.seg");
	const script = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.argv[2])";
	const state = (sql: string) => execFileSync("python3", ["-c", script, join(data, "state.db"), sql]);
	const change = (path: string, at: (bytes: Buffer) => number) => {
		const bytes = readFileSync(path);
		bytes[at(bytes)]! ^= 1;
		writeFileSync(path, bytes);
	};
	const snapshot = () => {
		const dir = join(data, "snapshots");
		return join(dir, readdirSync(dir).find((name) => name.endsWith(".snap"))!);
	};

	const wrongs: [string, string, () => void, string[]][] = [
		["a file that others may read", "go=", () => chmodSync(segment(), 0o640), ["permissions"]],
		[
			"a key file without a key",
			"must be the base64 of 32 bytes",
			() => writeFileSync(join(data, "secret.key"), "hunter2\n"),
			["secrets"],
		],
		[
			"a changed bit in the log",
			"`tocsin journal verify`",
			() => change(segment(), (bytes) => bytes.indexOf("<4>")),
			["journal"],
		],
		[
			"a newer schema",
			"use a newer tocsin",
			() => state("insert into schema_migrations values (9999, 'x', 'x', 0)"),
			["schema"],
		],
		[
			"an alert that no record led to",
			"beyond the cursor",
			() => state("update alerts set event_seq = 1000000 where number = 1"),
			["rows"],
		],
		[
			"a delivery of no alert",
			"belong to no alert",
			() => state("delete from alerts where number = 2"),
			["rows"],
		],
		["a log that is cut", "the log ends at", () => truncateSync(segment(), 4300), ["cursor"]],
		["a snapshot that is cut", "it is cut", () => truncateSync(snapshot(), 10), ["snapshots"]],
		[
			"a database with a broken page",
			"",
			() => change(join(data, "state.db"), (bytes) => bytes.length - 4096 * 3),
			["state"],
		],
	];
	it.each(wrongs)("finds %s", async (_, text, harm, names) => {
		harm();
		const got = await check(server);
		const wrong = got.checks.filter((c) => !c.ok);
		for (const name of names) expect(wrong.map((c) => c.name)).toContain(name);
		expect(wrong.map((c) => c.text).join("; ")).toContain(text);
		const plain = await tocsin(["check", "--data", data]);
		expect(plain.code).toBe(wrong.length > 0 ? 1 : 0);
		for (const { name } of wrong) expect(plain.stdout).toMatch(new RegExp(`^WRONG ${name} `, "m"));
	});

	it("says when there is nothing to check", async () => {
		rmSync(join(data, "journal"), { recursive: true });
		const ran = await tocsin(["check", "--data", data]);
		expect([ran.code, ran.stderr]).toEqual([1, expect.stringContaining("no journal in")]);
	});
});
