// Data that earlier programs wrote opens and means the same; data of later ones is refused as it is.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Api } from "../harness/api.ts";
import { tocsin } from "../harness/command.ts";
import { type Alert, caughtUp, type Event, listAll, type Rule } from "../harness/model.ts";
import { Server } from "../harness/server.ts";

interface Tenant {
	key: string;
	events: Event[];
	alerts: Alert[];
	deliveries: Record<string, unknown>[];
	rules: Rule[];
}

interface Golden {
	acme: Tenant;
	globex: Tenant;
	/** When its server stopped. */
	atMs: number;
}

const folder = join(import.meta.dirname, "../golden/upgrade");
const names = readdirSync(folder).filter((name) => name.endsWith(".tgz"));

function unpack(name: string, data: string): Golden {
	mkdirSync(data, { mode: 0o700 });
	execFileSync("tar", ["xzf", join(folder, name), "-C", data]);
	const golden = JSON.parse(readFileSync(join(data, "golden.json"), "utf8")) as Golden;
	rmSync(join(data, "golden.json"));
	return golden;
}

/** Name and content of all that is stored, but for the lock, which holds nothing. */
function contents(data: string): Record<string, string> {
	const all = readdirSync(data, { withFileTypes: true, recursive: true });
	const files = all.filter((e) => e.isFile() && e.name !== "lock").map((e) => join(e.parentPath, e.name));
	return Object.fromEntries(files.sort().map((path) => [path, readFileSync(path).toString("latin1")]));
}

describe.each(names)("data of %s", (name) => {
	let root: string;
	let golden: Golden;
	let server: Server;

	beforeEach(async () => {
		root = mkdtempSync(join(tmpdir(), "tocsin-upgrade-"));
		golden = unpack(name, join(root, "data"));
		server = await Server.prepare({ data: join(root, "data"), clock: true });
		// Five seconds after the end of what wrote it, so that windows and keys are still open.
		server.advance(golden.atMs + 5000 - Date.now());
	});
	afterEach(async () => {
		await server.discard();
		rmSync(root, { recursive: true });
	});

	/** Each old row with all that was said of it, in the same order; new members may have come. */
	function same(now: object[], then: object[]): void {
		expect(now).toHaveLength(then.length);
		expect(now).toMatchObject(then);
	}

	it("is in order, and everything is there as it was", { timeout: 60_000 }, async () => {
		const checked = await tocsin(["check", "--data", server.data]);
		expect([checked.code, checked.stdout]).toEqual([0, expect.stringContaining("ok    journal")]);
		await server.launch();
		for (const tenant of [golden.acme, golden.globex]) {
			const api = new Api(server.url, tenant.key);
			await caughtUp(api);
			same(await listAll(api, "/api/v1/events"), tenant.events);
			same(await listAll(api, "/api/v1/alerts"), tenant.alerts);
			same(await listAll(api, "/api/v1/deliveries"), tenant.deliveries);
			same(await listAll(api, "/api/v1/rules"), tenant.rules);
			expect(tenant.events.length).toBeGreaterThan(100);
			expect(tenant.alerts.length).toBeGreaterThan(20);
		}
	});

	it("can be backed up and restored before anything of it is changed", async () => {
		const dir = join(root, "backup");
		const saved = await tocsin(["backup", dir, "--data", server.data]);
		expect([saved.code, saved.stderr]).toEqual([0, ""]);
		rmSync(server.data, { recursive: true });
		const ran = await tocsin(["restore", dir, "--data", server.data]);
		expect([ran.code, ran.stderr]).toEqual([0, ""]);
		await server.launch();
		const api = new Api(server.url, golden.globex.key);
		same(await listAll(api, "/api/v1/events"), golden.globex.events);
		same(await listAll(api, "/api/v1/alerts"), golden.globex.alerts);
	});

	it.each([true, false])("goes on where it stopped (snapshots kept: %s)", async (kept) => {
		if (!kept) rmSync(join(server.data, "snapshots"), { recursive: true });
		await server.launch();
		const { key, events, alerts, rules } = golden.acme;
		const api = new Api(server.url, key);
		// Whole numbers were written as 19.0, which is another body.
		const known = events.find((e) => e.idempotencyKey !== null && e.value! % 1 !== 0)!;
		const { type, payload, tags, source, environment, severity, message, value } = known;
		const body = { type, payload, tags, source, environment, severity, message, value };
		const again = await api.post("/api/v1/events", { ...body, idempotencyKey: known.idempotencyKey });
		expect([again.status, again.body.id]).toEqual([201, known.id]);
		expect(again.headers.get("idempotent-replayed")).toBe("true");
		// Two of five were in the window.
		const rule = rules.find((r) => r.eventType === "half.way")!;
		const fired = async () => {
			await caughtUp(api);
			return (await listAll<Alert>(api, `/api/v1/alerts?ruleId=${rule.id}`)).length;
		};
		for (let i = 0; i < 3; i++) {
			expect(await fired()).toBe(0);
			await api.post("/api/v1/events", { type: "half.way" });
		}
		expect(await fired()).toBe(1);
		const ids = (await listAll<Alert>(api, "/api/v1/alerts")).map((alert) => alert.id);
		expect(ids.slice(1)).toEqual(alerts.map((alert) => alert.id));
		await server.restart("SIGTERM");
		expect(await fired()).toBe(1);
	});
});

describe("data of a later program", () => {
	let root: string;
	let data: string;

	beforeEach(() => {
		root = mkdtempSync(join(tmpdir(), "tocsin-upgrade-"));
		data = join(root, "data");
		unpack(names[0]!, data);
	});
	afterEach(() => rmSync(root, { recursive: true }));

	const sql = (text: string) => {
		const script = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.argv[2])";
		execFileSync("python3", ["-c", script, join(data, "state.db"), text]);
	};
	const later: [string, () => void][] = [
		[
			"the log's format",
			() => {
				const meta = join(data, "journal", "meta");
				const bytes = readFileSync(meta);
				bytes[8] = 2;
				writeFileSync(meta, bytes);
			},
		],
		["the schema", () => sql("insert into schema_migrations values (9999, 'later', 'x', 0)")],
	];
	it.each(later)("is refused by %s, says what to do, and stays as it is", async (_, change) => {
		change();
		const before = contents(data);
		const commands = [
			["serve", "--listen", "127.0.0.1:0"],
			["backup", join(root, "backup")],
			["check"],
		];
		for (const command of commands) {
			const ran = await tocsin([...command, "--data", data]);
			const said = ran.stdout + ran.stderr;
			expect([command[0], ran.code]).toEqual([command[0], 1]);
			expect(said).toContain("use a newer tocsin");
		}
		const after = contents(data);
		expect(Object.keys(after)).toEqual(Object.keys(before));
		for (const name of Object.keys(before)) expect(after[name] === before[name], name).toBe(true);
	});
});
