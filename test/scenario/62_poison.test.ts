// A record that crashes the rules is left out after the third time, and costs nobody else a thing.
import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Api, eventually } from "../harness/api.ts";
import { tenant } from "../harness/command.ts";
import {
	alertsOf,
	caughtUp,
	type Event,
	listAll,
	makeRule,
	metric,
	type Page,
	sendEvent,
} from "../harness/model.ts";
import { Server } from "../harness/server.ts";
import { stores } from "../harness/store.ts";

interface Quarantined {
	eventId: string | null;
	type: string;
	receivedAt: string;
	quarantinedAt: string;
}

const quarantine = async (api: Api) =>
	(await api.get<Page<Quarantined>>("/api/v1/system/quarantine")).body.data;

const crashing = { TOCSIN_TEST_CRASH_TYPE: "poison" };

/** Start until a start survives what it finds; how often it did not. */
async function livesLost(server: Server): Promise<number> {
	for (let lives = 0; lives < 10; lives++) {
		const api = new Api(server.url);
		try {
			await server.launch();
			await caughtUp(api);
			return lives;
		} catch {
			await server.end();
		}
	}
	throw new Error(`every start ended:\n${server.tail()}`);
}

describe.each(stores)("an event that crashes the rules, state in %s", (store) => {
	it("is quarantined after three times; all others count as if it were not there", async () => {
		const server = await Server.start({ store, env: crashing });
		const api = await Api.bootstrap(server.url);
		const spec = { threshold: 4, windowSeconds: 3600, cooldownSeconds: 0 };
		const good = await makeRule(api, { eventType: "good", ...spec });
		const every = await makeRule(api, { eventType: "*", ...spec, threshold: 9 });
		const told = await makeRule(api, { eventType: "tocsin.record_quarantined" });
		const stranger = await tenant(server, "stranger");
		for (let i = 0; i < 6; i++) await sendEvent(api, "good");
		await caughtUp(api);

		// The last two are in one batch with it, so they are stored in any case.
		const sent = await api.post("/api/v1/events", [
			{ type: "good" },
			{ type: "poison", payload: { secret: 1 } },
			{ type: "good" },
			{ type: "good" },
		]).catch(() => undefined);
		expect(await server.end(), "the first crash").toBe(null);
		const lost = await livesLost(server);
		expect(lost).toBe(2);

		const line = await server.waitLog((l) => l.event === "record_quarantined");
		expect(line.level).toBe("error");
		expect(await metric(api, "tocsin_quarantined_records")).toBe(1);
		const events = await listAll<Event>(api, "/api/v1/events");
		const poison = events.find((event) => event.type === "poison")!;
		expect(poison.payload).toEqual({ secret: 1 });
		if (sent !== undefined) expect(sent.status).toBe(200);
		expect(await quarantine(api)).toEqual([
			expect.objectContaining({ eventId: poison.id, type: "poison", receivedAt: poison.receivedAt }),
		]);
		expect(await quarantine(stranger)).toEqual([]);
		expect(await listAll(stranger, "/api/v1/events")).toEqual([]);

		// Nine good ones; the notice about the poison is an event of its own; the poison is none.
		expect(events.filter((event) => event.type === "good")).toHaveLength(9);
		expect(await alertsOf(api, good)).toHaveLength(6);
		const [notice] = await listAll<Event>(api, "/api/v1/events?type=tocsin.record_quarantined");
		expect(notice).toMatchObject({ severity: "critical", payload: { eventId: poison.id } });
		expect(await alertsOf(api, told)).toHaveLength(1);
		const { body: builtin } = await api.get<{ id: string }>("/api/v1/builtin-rules/quarantine");
		expect((await alertsOf(api, builtin)).map((alert) => alert.eventId)).toEqual([notice!.id]);
		expect((await alertsOf(api, every)).map((alert) => alert.count)).toEqual([9]);

		// It stays left out, from a snapshot and from the log alone, and life goes on.
		const alerts = (await listAll<{ id: string }>(api, "/api/v1/alerts")).map((alert) => alert.id);
		for (const spoil of [() => undefined, () => rmSync(join(server.data, "snapshots"), { recursive: true })]) {
			await server.kill("SIGKILL");
			spoil();
			await server.launch();
			await caughtUp(api);
			expect((await listAll<{ id: string }>(api, "/api/v1/alerts")).map((a) => a.id)).toEqual(alerts);
			expect(await quarantine(api)).toHaveLength(1);
		}
		await sendEvent(api, "good");
		await eventually(
			() => alertsOf(api, good),
			(all) => all.length === 7,
		);
		await server.stop();
	});
});

/** A state that never takes the alerts of one type, whatever is tried. */
const refuse = `create trigger never before insert on alerts when new.event_type = 'bad'
	begin select raise(abort, 'never'); end`;
const script = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.argv[2])";

describe("an event whose effects can never be committed", () => {
	it("ends the server three times, then is left out, and the rest goes on", { timeout: 60_000 }, async () => {
		const server = await Server.start();
		const api = await Api.bootstrap(server.url);
		const good = await makeRule(api, { eventType: "good" });
		const bad = await makeRule(api, { eventType: "bad" });
		await caughtUp(api);
		await server.kill("SIGTERM");
		execFileSync("python3", ["-c", script, join(server.data, "state.db"), refuse]);
		server.env = { TOCSIN_BENCH_HOLD_ENGINE: "1" };
		await server.launch();
		const types = ["good", "good", "bad", "good", "good"];
		await api.post("/api/v1/events", types.map((type) => ({ type })));
		server.env = {};
		server.signal("SIGUSR1");
		expect(await server.end(), "it gives up, and does not try for ever").toBe(1);
		expect(server.tail()).toContain("engine_commit_failed");
		// Three in a row blame the batch, which is then committed one by one: the next blames the record.
		expect(await livesLost(server)).toBe(3);
		const line = await server.waitLog((l) => l.event === "record_quarantined");
		expect(line.level).toBe("error");
		expect(await quarantine(api)).toEqual([expect.objectContaining({ type: "bad" })]);
		expect(await alertsOf(api, good)).toHaveLength(4);
		expect(await alertsOf(api, bad)).toEqual([]);
		expect((await listAll<Event>(api, "/api/v1/events")).filter((e) => e.type === "bad")).toHaveLength(1);
		await sendEvent(api, "good");
		await eventually(
			() => alertsOf(api, good),
			(all) => all.length === 5,
		);
		await server.restart("SIGKILL");
		await caughtUp(api);
		expect(await alertsOf(api, good)).toHaveLength(5);
		await server.stop();
	});
});

describe("a second event that crashes the rules", () => {
	it("is found as well, and a state made anew from the log leaves both out", async () => {
		const server = await Server.start();
		const api = await Api.bootstrap(server.url);
		const good = await makeRule(api, { eventType: "good" });
		await server.kill("SIGTERM");
		server.env = { ...crashing, TOCSIN_BENCH_HOLD_ENGINE: "1" };
		await server.launch();
		const types = ["good", "poison", "good", "poison", "good"];
		await api.post("/api/v1/events", types.map((type) => ({ type })));
		server.signal("SIGUSR1");
		expect(await server.end()).toBe(null);
		server.env = crashing;
		expect(await livesLost(server)).toBe(5);
		expect(await quarantine(api)).toHaveLength(2);
		expect(await alertsOf(api, good)).toHaveLength(3);
		await server.stop();
	});
});
