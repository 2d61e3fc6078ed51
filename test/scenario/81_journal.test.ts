// Looking at the log: what is in it, and what to do when a disk changed it.
import { cpSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Api } from "../harness/api.ts";
import { tocsin } from "../harness/command.ts";
import { flipBit, look as lookAt, type Look } from "../harness/damage.ts";
import { alertsOf, caughtUp, type Event, listAll, makeRule, sendEvent } from "../harness/model.ts";
import { Server } from "../harness/server.ts";
import { randomFrom } from "../harness/tools.ts";

const FIRST = "0000000000000001.seg";

/** Change one bit where this text stands in the first segment. */
function flip(data: string, text: string): void {
	const path = join(data, "journal", FIRST);
	const at = readFileSync(path).indexOf(text);
	if (at < 0) throw new Error(`${text} is not in ${FIRST}`);
	flipBit(path, at);
}

describe("tocsin journal", () => {
	let server: Server;
	let api: Api;

	beforeEach(async () => {
		server = await Server.start({ args: ["--segment-size", "1MiB", "--seal", "false"] });
		api = await Api.bootstrap(server.url);
		for (let i = 0; i < 20; i++) {
			await sendEvent(api, "looked.at", { idempotencyKey: `k${i}`, payload: { n: `<${i}>` } });
		}
	});
	afterEach(() => server.discard());

	const look = (verb: string, code = 0) => lookAt(server.data, verb, code);

	it("says what is in the log, while it is written and after", async () => {
		const served = await look("stat");
		expect(served.served).toBe(true);
		expect(served.kinds.event).toBe(20);
		expect(served.kinds.start).toBe(1);
		expect(served.records).toBe(served.lastRecord);
		expect(served.idempotency.keys).toBe(20);
		await sendEvent(api, "one.more");
		expect((await look("stat")).records).toBe(served.records + 1);
		await server.kill("SIGTERM");
		const after = await look("stat");
		expect([after.served, after.records]).toEqual([false, served.records + 1]);
		const text = await tocsin(["journal", "stat", "--data", server.data]);
		expect(text.stdout).toMatch(/^ {2}event +21$/m);
	});

	it("finds a changed bit, also under a running server, and changes nothing", async () => {
		expect(await look("verify")).toMatchObject({ ok: true, damage: [], recordsLost: 0 });
		flip(server.data, "<7>");
		for (const signal of [undefined, "SIGTERM"] as const) {
			if (signal !== undefined) await server.kill(signal);
			const before = readFileSync(join(server.data, "journal", FIRST));
			const found = await look("verify", 1);
			expect(found).toMatchObject({ ok: false, recordsLost: 1 });
			expect(found.damage).toHaveLength(1);
			expect(found.damage[0]).toMatchObject({ file: FIRST, recordsLost: 1, setAside: false });
			const text = await tocsin(["journal", "verify", "--data", server.data]);
			expect(text.stdout).toContain(`record ${found.damage[0]!.firstRecord} is lost`);
			expect(text.stderr).toContain("`tocsin journal quarantine`");
			expect(readFileSync(join(server.data, "journal", FIRST)).equals(before)).toBe(true);
		}
		await expect(server.launch()).rejects.toThrow("`tocsin journal quarantine`");
	});

	it("sets aside exactly what is damaged, and the server goes on without it", async () => {
		const rule = await makeRule(api, { eventType: "looked.at", threshold: 5 });
		for (let i = 20; i < 30; i++) {
			await sendEvent(api, "looked.at", { idempotencyKey: `k${i}`, payload: { n: `<${i}>` } });
		}
		await caughtUp(api);
		const alerts = await alertsOf(api, rule);
		expect(alerts).toHaveLength(6);
		const refused = await tocsin(["journal", "repair", "--data", server.data]);
		expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("stop it first")]);
		await server.kill("SIGKILL");
		// No snapshot: the replay goes over the hole, and counts less than the state has.
		rmSync(join(server.data, "snapshots"), { recursive: true });
		flip(server.data, "<27>");
		await expect(server.launch()).rejects.toThrow("`tocsin journal quarantine`");
		const aside = await look("quarantine");
		expect(aside).toMatchObject({ setAside: 1, recordsLost: 1 });
		expect(await look("verify")).toMatchObject({ ok: true, recordsLost: 1 });
		expect(await look("quarantine")).toMatchObject({ setAside: 0 });
		const kept = readdirSync(join(server.data, "journal")).filter((n) => n.endsWith(".damaged"));
		expect(kept).toHaveLength(1);
		expect(readFileSync(join(server.data, "journal", kept[0]!), "utf8")).toContain("looked.at");
		await server.launch();
		const events = await listAll<Event>(api, "/api/v1/events");
		const keys = events.map((event) => event.idempotencyKey).sort();
		const want = Array.from({ length: 30 }, (_, i) => `k${i}`).filter((key) => key !== "k27");
		expect(keys).toEqual(want.sort());
		expect(await alertsOf(api, rule)).toEqual(alerts);
		await sendEvent(api, "looked.at", { idempotencyKey: "after" });
		await caughtUp(api);
		await server.restart("SIGKILL");
		// No number is given twice, whatever the replay missed.
		const ids = (await alertsOf(api, rule)).map((alert) => alert.id);
		expect(ids.slice(-6)).toEqual(alerts.map((alert) => alert.id));
		expect(new Set(ids).size).toBe(ids.length);
	});

	it("helps with any one wrong bit, and then the server has all the rest", { timeout: 120_000 }, async () => {
		await makeRule(api, { eventType: "looked.at", threshold: 3 });
		for (let i = 20; i < 40; i++) {
			await sendEvent(api, "looked.at", { idempotencyKey: `k${i}`, payload: { n: `<${i}>` } });
		}
		await caughtUp(api);
		await server.kill("SIGTERM");
		const seed = Number(process.env.TOCSIN_TEST_SEED ?? 81);
		const random = randomFrom(seed);
		const whole = readFileSync(join(server.data, "journal", FIRST));
		const used = whole.length - [...whole].reverse().findIndex((byte) => byte !== 0);
		const kept = `${server.data}.kept`;
		renameSync(server.data, kept);
		const keys = Array.from({ length: 40 }, (_, i) => `k${i}`);
		const wanted = Number(process.env.TOCSIN_TEST_FLIPS ?? 1000) / 100;
		for (let i = 0; i < wanted; i++) {
			cpSync(kept, server.data, { recursive: true });
			const at = Math.floor(random() * used);
			const bad = Buffer.from(whole);
			bad[at]! ^= 1 << Math.floor(random() * 8);
			writeFileSync(join(server.data, "journal", FIRST), bad);
			if (random() < 0.5) rmSync(join(server.data, "snapshots"), { recursive: true });
			const what = `bit at ${at}, seed ${seed}`;
			const told = JSON.parse(
				(await tocsin(["journal", "verify", "--json", "--data", server.data])).stdout,
			) as Look;
			expect(told.recordsLost, what).toBeLessThanOrEqual(1);
			if (!told.ok) {
				await expect(server.launch(), what).rejects.toThrow("`tocsin journal quarantine`");
				expect(await look("quarantine"), what).toMatchObject({ setAside: 1 });
			}
			await server.launch();
			const events = await listAll<Event>(api, "/api/v1/events");
			const got = events.map((event) => event.idempotencyKey!);
			const missing = keys.filter((key) => !got.includes(key));
			expect(missing.length, what).toBeLessThanOrEqual(told.recordsLost);
			expect(got.length + missing.length, what).toBe(keys.length);
			await sendEvent(api, "looked.at");
			await caughtUp(api);
			await server.kill("SIGTERM");
			rmSync(server.data, { recursive: true });
		}
		renameSync(kept, server.data);
	});

	it("puts right one wrong byte of meta", async () => {
		await server.kill("SIGTERM");
		const meta = join(server.data, "journal", "meta");
		const good = readFileSync(meta);
		const bad = Buffer.from(good);
		bad[40]! ^= 8;
		writeFileSync(meta, bad);
		await expect(server.launch()).rejects.toThrow("`tocsin journal quarantine`");
		expect(await look("quarantine")).toMatchObject({ setAside: 1, recordsLost: 0 });
		expect(readFileSync(meta).equals(good)).toBe(true);
		await server.launch();
		expect(await listAll<Event>(api, "/api/v1/events")).toHaveLength(20);
	});

	it("refuses what it cannot do, and says why", async () => {
		const nothing = await tocsin(["journal", "verify", "--data", join(server.data, "none")]);
		expect([nothing.code, nothing.stderr]).toEqual([1, expect.stringContaining("no journal in")]);
		expect((await tocsin(["journal"])).code).toBe(2);
		expect((await tocsin(["journal", "mend"])).code).toBe(2);
	});
});
