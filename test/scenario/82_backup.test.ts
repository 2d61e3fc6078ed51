// Backups: taken while the server works, whole or none, and a server that goes on from them as if
// nothing had been.
import { spawnSync } from "node:child_process";
import {
	cpSync,
	existsSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	statSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Api, eventually } from "../harness/api.ts";
import { tocsin } from "../harness/command.ts";
import { type Alert, alertsOf, caughtUp, type Event, listAll, makeRule, sendEvent } from "../harness/model.ts";
import { binary, Server } from "../harness/server.ts";
import { stores } from "../harness/store.ts";

/** All files below a folder, by name. */
function files(dir: string, at = ""): string[] {
	return readdirSync(join(dir, at), { withFileTypes: true })
		.flatMap((e) => (e.isDirectory() ? files(dir, join(at, e.name)) : [join(at, e.name)]))
		.sort();
}

async function backup(server: Server, dir: string, ...more: string[]): Promise<string> {
	const ran = await tocsin(["backup", dir, ...server.stateFlags(), ...more]);
	expect([ran.code, ran.stderr]).toEqual([0, ""]);
	return ran.stdout;
}

async function restore(server: Server, dir: string, ...more: string[]): Promise<string> {
	const ran = await tocsin(["restore", dir, ...server.stateFlags(), ...more]);
	expect([ran.code, ran.stderr]).toEqual([0, ""]);
	return ran.stdout;
}

describe.each(stores)("on %s", (store) => {
	let root: string;
	let server: Server;

	beforeAll(() => {
		root = mkdtempSync(join(tmpdir(), "tocsin-backup-"));
	});
	afterAll(() => rmSync(root, { recursive: true }));

	it("a backup under load agrees with what was acknowledged", { timeout: 90_000 }, async () => {
		const dir = join(root, "hot");
		server = await Server.start({ store });
		const api = await Api.bootstrap(server.url);
		const rule = await makeRule(api, { eventType: "load", threshold: 20, windowSeconds: 86_400 });
		/** Keys in the order in which their answers came. */
		const acked: string[] = [];
		const sent = new Set<string>();
		let over = false;
		const client = async (name: number) => {
			for (let i = 0; !over; i++) {
				const key = `c${name}-${i}`;
				sent.add(key);
				try {
					const reply = await api.post("/api/v1/events", { type: "load", idempotencyKey: key });
					if (reply.status === 201) acked.push(key);
				} catch {
					return;
				}
			}
		};
		const load = Promise.all([1, 2, 3, 4].map(client));
		const more = (n: number) =>
			eventually(
				async () => acked.length,
				(got) => got >= n,
				30_000,
			);
		await more(150);
		await backup(server, dir);
		await more(acked.length + 50);
		const before = [...acked];
		const said = await backup(server, dir);
		await more(acked.length + 100);
		over = true;
		await load;
		await caughtUp(api);
		const alerts = (await alertsOf(api, rule)).reverse();
		await server.kill("SIGKILL");

		const other = await Server.prepare({ store, restored: true });
		const told = await restore(other, dir);
		const last = Number(/records {2}\d+ to (\d+),/.exec(said)![1]);
		expect(told).toContain(`from 1 to ${last}`);
		// What was decided comes from the log alone.
		rmSync(join(other.data, "snapshots"), { recursive: true });
		await other.launch();
		const again = new Api(other.url, api.key);
		await caughtUp(again);
		const events = await listAll<Event>(again, "/api/v1/events?type=load");
		const keys = events.map((event) => event.idempotencyKey!);
		expect(new Set(keys).size).toBe(keys.length);
		expect(keys).toEqual(expect.arrayContaining(before));
		expect(keys.filter((key) => !sent.has(key))).toEqual([]);
		const restored = (await alertsOf(again, rule)).reverse();
		expect(restored).toHaveLength(Math.max(0, keys.length - 19));
		const ids = (all: Alert[]) => all.map((alert) => alert.id);
		expect(ids(restored)).toEqual(ids(alerts).slice(0, restored.length));
		// Whoever repeats a request gets the first answer, and new ones go on.
		const repeated = await again.post("/api/v1/events", { type: "load", idempotencyKey: before[0] });
		expect(repeated.headers.get("idempotent-replayed")).toBe("true");
		await sendEvent(again, "load", { idempotencyKey: "new" });
		await other.stop();
		await server.discard();
	});

	it("a backup of a stopped server is everything", async () => {
		const dir = join(root, "cold");
		server = await Server.start({ store });
		const api = await Api.bootstrap(server.url);
		const rule = await makeRule(api, { eventType: "cold" });
		await sendEvent(api, "cold");
		await caughtUp(api);
		const alerts = await alertsOf(api, rule);
		await server.kill("SIGTERM");
		await backup(server, dir);
		const other = await Server.prepare({ store, restored: true });
		await restore(other, dir);
		await other.launch();
		expect(await alertsOf(new Api(other.url, api.key), rule)).toEqual(alerts);
		await other.stop();
		// A database that is in use is not written to.
		const flags = ["--data", join(root, "in"), ...server.stateFlags().slice(2)];
		const into = await tocsin(["restore", dir, ...flags]);
		expect(into.code).toBe(store === "postgres" ? 1 : 0);
		if (store === "postgres") expect(into.stderr).toContain("not empty");
		await server.discard();
	});
});

describe("a backup", () => {
	let root: string;
	let dir: string;
	let server: Server;
	let api: Api;

	beforeEach(async () => {
		root = mkdtempSync(join(tmpdir(), "tocsin-backup-"));
		dir = join(root, "b");
		server = await Server.start({ args: ["--segment-size", "1MiB", "--seal", "false"] });
		api = await Api.bootstrap(server.url);
		await fill(0, 60);
	});
	afterEach(async () => {
		await server.discard();
		rmSync(root, { recursive: true });
	});

	/** 60 of these are more than one segment. */
	async function fill(from: number, n: number): Promise<void> {
		for (let i = from; i < from + n; i++) {
			await sendEvent(api, "big", { idempotencyKey: `k${i}`, payload: { canary: "x".repeat(25_000) } });
		}
	}

	async function keysOf(url: string): Promise<string[]> {
		const events = await listAll<Event>(new Api(url, api.key), "/api/v1/events");
		return events.map((event) => event.idempotencyKey!).reverse();
	}
	const keys = (n: number) => Array.from({ length: n }, (_, i) => `k${i}`);

	it("copies only what is new, and is private", async () => {
		await backup(server, dir);
		const first = files(dir);
		expect(first.filter((name) => /seg/.test(name)).length).toBeGreaterThan(1);
		for (const name of first) expect(statSync(join(dir, name)).mode & 0o777).toBe(0o600);
		expect(statSync(dir).mode & 0o777).toBe(0o700);
		const closed = first.find((name) => name.startsWith("journal/0000000000000001.seg"))!;
		const made = statSync(join(dir, closed));
		await fill(60, 30);
		const said = await backup(server, dir);
		const [, n, fresh] = /files {4}(\d+), of which (\d+) with/.exec(said)!;
		expect(Number(fresh)).toBeLessThan(Number(n));
		expect(statSync(join(dir, closed)).mtimeMs).toBe(made.mtimeMs);
		expect(files(dir).filter((name) => name.startsWith("state/"))).toHaveLength(2);
		const other = await Server.prepare({ restored: true });
		await restore(other, dir);
		await other.launch();
		expect(await keysOf(other.url)).toEqual(keys(90));
		await other.stop();
	});

	it("has the key of stored secrets, unless a setting has it", async () => {
		const key = readFileSync(join(server.data, "secret.key"));
		expect(key.toString()).toMatch(/^[A-Za-z0-9+/]{43}=\n$/);
		expect(statSync(join(server.data, "secret.key")).mode & 0o777).toBe(0o600);
		expect(await backup(server, dir)).not.toContain("secret-key");
		const other = await Server.prepare({ restored: true });
		await restore(other, dir);
		const restored = join(other.data, "secret.key");
		expect(readFileSync(restored).equals(key)).toBe(true);
		expect(statSync(restored).mode & 0o777).toBe(0o600);
		// A later start takes what is there, and never makes another.
		await other.launch();
		await other.kill("SIGTERM");
		expect(readFileSync(restored).equals(key)).toBe(true);
		rmSync(restored);
		other.env = { TOCSIN_SECRET_KEY: key.toString().trim() };
		await other.launch();
		expect(existsSync(restored)).toBe(false);
		const said = await tocsin(["backup", join(root, "c"), "--data", other.data], { env: other.env });
		expect([said.code, said.stdout]).toEqual([0, expect.stringContaining("secret-key, which is not in it")]);
		for (const name of files(join(root, "c"))) {
			expect(readFileSync(join(root, "c", name)).includes(key.toString().trim()), name).toBe(false);
		}
		await other.stop();
	});

	it("with a key holds nothing that can be read or changed", async () => {
		const key = join(root, "key");
		const wrong = join(root, "wrong");
		writeFileSync(key, `${"a1".repeat(32)}\n`);
		writeFileSync(wrong, `${"a2".repeat(32)}\n`);
		await backup(server, dir, "--encrypt-key-file", key);
		await backup(server, dir, "--encrypt-key-file", key);
		const secret = readFileSync(join(server.data, "secret.key"), "utf8").trim();
		for (const name of files(dir)) {
			const bytes = readFileSync(join(dir, name));
			expect(bytes.includes(secret)).toBe(false);
			expect(bytes.includes("xxxxxxxx")).toBe(false);
			expect(bytes.includes("SQLite format")).toBe(false);
		}
		expect(existsSync(join(server.data, "state.backup.tmp"))).toBe(false);
		const other = await Server.prepare({ restored: true });
		const refused: [string[], string][] = [
			[[], "encrypt-key-file"],
			[["--encrypt-key-file", wrong], "another key"],
			[["--encrypt-key-file", join(root, "none")], "key file"],
		];
		for (const [flags, why] of refused) {
			const ran = await tocsin(["restore", dir, "--data", other.data, ...flags]);
			expect([ran.code, ran.stderr]).toEqual([1, expect.stringContaining(why)]);
			expect(existsSync(other.data)).toBe(false);
		}
		await restore(other, dir, "--encrypt-key-file", key);
		await other.launch();
		expect(await keysOf(other.url)).toEqual(keys(60));
		await other.stop();
	});

	it("that is interrupted leaves the one before, or says that there is none", async () => {
		// No file may grow beyond 256 KiB: in the middle of the first segment it is over.
		const cut = (to: string) =>
			spawnSync("bash", ["-c", 'ulimit -f 256; exec "$@"', "-", binary, "backup", to, "--data", server.data]);
		expect(cut(dir).signal).toBe("SIGXFSZ");
		const other = await Server.prepare({ restored: true });
		const none = await tocsin(["restore", dir, "--data", other.data]);
		expect([none.code, none.stderr]).toEqual([1, expect.stringContaining("interrupted")]);
		await backup(server, dir);
		await fill(60, 60);
		expect(cut(dir).signal).toBe("SIGXFSZ");
		const told = await restore(other, dir);
		expect(told).toContain("interrupted");
		await other.launch();
		expect(await keysOf(other.url)).toEqual(keys(60));
		await other.stop();
		await backup(server, dir);
		expect(existsSync(join(dir, "unfinished"))).toBe(false);
	});

	it("with one changed byte anywhere is refused, and nothing is written", async () => {
		await backup(server, dir);
		const data = join(root, "new");
		for (const name of files(dir).filter((n) => n !== "lock")) {
			const copy = join(root, "copy");
			cpSync(dir, copy, { recursive: true });
			const bytes = readFileSync(join(copy, name));
			bytes[Math.floor(bytes.length / 2)]! ^= 1;
			writeFileSync(join(copy, name), bytes);
			const ran = await tocsin(["restore", copy, "--data", data]);
			expect([name, ran.code]).toEqual([name, 1]);
			rmSync(join(copy, name));
			expect((await tocsin(["restore", copy, "--data", data])).code).toBe(1);
			expect(existsSync(data)).toBe(false);
			rmSync(copy, { recursive: true });
		}
	});

	it("copies a damaged log as it is, and says so", async () => {
		await server.kill("SIGTERM");
		const path = join(server.data, "journal", "0000000000000001.seg");
		const bytes = readFileSync(path);
		bytes[bytes.indexOf("xxxxxxxx") + 100]! ^= 1;
		writeFileSync(path, bytes);
		expect(await backup(server, dir)).toContain("damaged (places: 1)");
		const other = await Server.prepare();
		expect(await restore(other, dir)).toMatch(/^0000000000000001\.seg: .* record \d+ is lost$/m);
		const aside = await tocsin(["journal", "quarantine", "--data", other.data]);
		expect(aside.code).toBe(0);
		await other.launch();
		expect(await keysOf(other.url)).toHaveLength(59);
		await other.stop();
	});

	it("goes to no place where something else is", async () => {
		await backup(server, dir);
		const full = join(root, "full");
		mkdirSync(full);
		writeFileSync(join(full, "letter"), "dear");
		const into = await tocsin(["restore", dir, "--data", full]);
		expect([into.code, into.stderr]).toEqual([1, expect.stringContaining("not empty")]);
		expect(files(full)).toEqual(["letter"]);
		const other = await Server.start();
		const mixed = await tocsin(["backup", dir, "--data", other.data]);
		expect([mixed.code, mixed.stderr]).toEqual([1, expect.stringContaining("another installation")]);
		await other.stop();
		expect((await tocsin(["backup"])).code).toBe(2);
		expect((await tocsin(["restore"])).code).toBe(2);
		const nothing = await tocsin(["backup", join(root, "x"), "--data", join(root, "none")]);
		expect([nothing.code, existsSync(join(root, "x"))]).toEqual([1, false]);
	});
});
