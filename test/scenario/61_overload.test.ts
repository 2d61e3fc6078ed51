// More than can be done is refused, early and politely, and forgotten soon after.
import { readFileSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
import { Api, eventually, type Problem } from "../harness/api.ts";
import {
	alertsOf,
	caughtUp,
	type Event,
	listAll,
	makeRule,
	metric,
	sendEvent,
	type Verdicts,
} from "../harness/model.ts";
import { Server, slower } from "../harness/server.ts";

let server: Server;

afterEach(() => server.stop());

/** Nothing is decided until SIGUSR1. */
const held = { TOCSIN_BENCH_HOLD_ENGINE: "1" };

async function start(args: string[] = []): Promise<Api> {
	// The first life makes the rules: a held engine would not answer.
	server = await Server.start({ clock: true, args });
	return Api.bootstrap(server.url);
}

async function hold(): Promise<void> {
	await server.kill("SIGTERM");
	server.env = held;
	await server.launch();
}

const refused = (reply: { status: number; headers: Headers; body: unknown }) => [
	reply.status,
	(reply.body as Problem).code,
	Number(reply.headers.get("retry-after")) > 0,
];
const lagging = [503, "engine_lag", true];

describe("rules that are behind", () => {
	it("by more records than engine-lag-max stop what comes in, until half is made up for", async () => {
		const api = await start(["--engine-lag-max", "20"]);
		const rule = await makeRule(api, { eventType: "late", threshold: 5, cooldownSeconds: 3600 });
		await hold();
		let taken = 0;
		let reply = await api.post("/api/v1/events", { type: "late" });
		for (; reply.status === 201 && taken < 100; taken++) {
			reply = await api.post("/api/v1/events", { type: "late" });
		}
		expect(refused(reply)).toEqual(lagging);
		// Records that are no events count as well: the start is one.
		expect(taken).toBeGreaterThan(15);
		expect(taken).toBeLessThanOrEqual(21);
		const forms: [string, unknown][] = [
			["/api/v1/events", [{ type: "late" }]],
			["/events", { type: "late" }],
			["/api/events", { type: "late" }],
			["/ingest", { apiKey: api.key, type: "event", name: "late", payload: {} }],
		];
		for (const [path, body] of forms) {
			expect([path, ...refused(await api.post(path, body))]).toEqual([path, ...lagging]);
		}
		const ready = await new Api(server.url).get("/ready");
		expect(refused(ready)).toEqual(lagging);
		// Reading goes on.
		expect(await listAll<Event>(api, "/api/v1/events?type=late")).toHaveLength(taken);

		server.signal("SIGUSR1");
		await caughtUp(api);
		await sendEvent(api, "late");
		expect((await new Api(server.url).get("/ready")).status).toBe(200);
		await caughtUp(api);
		expect(await alertsOf(api, rule)).toHaveLength(1);
		expect(await listAll<Event>(api, "/api/v1/events?type=late")).toHaveLength(taken + 1);
		server.env = {};
	});

	it("by more than a minute of the log stop what comes in", async () => {
		const api = await start();
		await hold();
		const begin = server.now();
		let reply = await api.post("/api/v1/events", { type: "slow" });
		while (reply.status === 201 && server.now() - begin < 100_000) {
			server.advance(990);
			reply = await api.post("/api/v1/events", { type: "slow" });
		}
		expect(refused(reply)).toEqual(lagging);
		expect(server.now() - begin).toBeGreaterThan(58_000);
		expect(server.now() - begin).toBeLessThan(75_000);
		server.signal("SIGUSR1");
		await eventually(
			() => api.post("/api/v1/events", { type: "slow" }),
			(reply) => reply.status === 201,
		);
		server.env = {};
	});

	it("are not what a quiet hour looks like", async () => {
		const api = await start();
		await sendEvent(api, "quiet");
		await caughtUp(api);
		server.advance(3_600_000);
		for (let i = 0; i < 20; i++) await sendEvent(api, "quiet");
	});
});

/** MiB that the server has in memory now. */
function resident(): number {
	const status = readFileSync(`/proc/${server.pid}/status`, "utf8");
	return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) / 1024;
}

describe("five times too much", () => {
	const LAG_MAX = 2000;
	const BATCH = 50;
	const GROUPS = 40;

	it("is refused with no more memory, and all that was taken is decided on when it ends", async () => {
		const api = await start(["--engine-lag-max", String(LAG_MAX)]);
		const rule = await makeRule(api, {
			eventType: "flood",
			condition: "count_eq",
			threshold: 10,
			windowSeconds: 3600,
			groupBy: ["payload.group"],
		});
		await hold();
		let sent = 0;
		const accepted: string[] = [];
		const refusals = new Set<string>();
		/** Nobody waits for an answer before sending the next. */
		const offer = (batches: number) =>
			Promise.all(
				Array.from({ length: batches }, async () => {
					const events = Array.from({ length: BATCH }, () => {
						const n = sent++;
						return { type: "flood", idempotencyKey: `k${n}`, payload: { group: n % GROUPS } };
					});
					const reply = await api.post<Verdicts>("/api/v1/events", events);
					if (reply.status === 200) accepted.push(...reply.body.data.map((verdict) => verdict.id!));
					else refusals.add(JSON.stringify(refused(reply)));
				}),
			);

		// As much as may wait is taken, and then nothing, however much is offered.
		await offer((LAG_MAX / BATCH) * 2);
		const taken = accepted.length;
		expect(taken).toBeGreaterThanOrEqual(LAG_MAX - BATCH);
		const memory = resident();
		await offer((LAG_MAX / BATCH) * 5);
		// What was in flight when the gate closed is one turn of the loop.
		expect(accepted.length - taken).toBeLessThan(LAG_MAX);
		expect(resident() - memory).toBeLessThan(24 * slower);
		expect([...refusals]).toEqual([JSON.stringify(lagging)]);

		// The rules go on while too much is still offered; then it ends, and is over.
		server.signal("SIGUSR1");
		await eventually(
			async () => (await offer(10), accepted.length),
			(n) => n > taken + LAG_MAX,
			30_000,
		);
		const end = Date.now();
		await caughtUp(api);
		expect(Date.now() - end).toBeLessThan(30_000 * slower);
		expect((await new Api(server.url).get("/ready")).status).toBe(200);
		expect(resident() - memory).toBeLessThan(48 * slower);
		const stored = await listAll<Event>(api, "/api/v1/events?type=flood", 1000);
		expect(new Set(stored.map((event) => event.id))).toEqual(new Set(accepted));
		expect(stored).toHaveLength(accepted.length);
		expect(await metric(api, 'tocsin_ingest_events_total{outcome="stored"}')).toBe(stored.length);
		const counts = new Map<unknown, number>();
		for (const { payload } of stored) counts.set(payload.group, (counts.get(payload.group) ?? 0) + 1);
		const due = [...counts.values()].filter((n) => n >= 10).length;
		expect(await alertsOf(api, rule)).toHaveLength(due);
		expect(due).toBe(GROUPS);
		server.env = {};
	});
});
