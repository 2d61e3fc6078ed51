// What an organization may use holds to the event, and what it used is what its log holds: through
// concurrency, months, deletions, restarts and kills.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api, eventually, type Problem } from "../harness/api.ts";
import { tenant, tocsin } from "../harness/command.ts";
import { type Delivery, type Event, listAll, makeRule, type Page, type Rule } from "../harness/model.ts";
import { Server } from "../harness/server.ts";
import { stores } from "../harness/store.ts";
import { billedLedger, ledgerOf, settledUsage, usageOf } from "../harness/usage.ts";

const DAY = 86_400_000;
const NO_LIMIT = 9007199254740991;

async function run(server: Server, ...args: string[]): Promise<string> {
	const ran = await tocsin([...args, ...server.stateFlags()]);
	expect([ran.code, ran.stderr]).toEqual([0, ""]);
	return ran.stdout;
}

/** A tenant with limits of its own. */
async function limited(server: Server, org: string, soft: number, hard: number): Promise<Api> {
	const api = await tenant(server, org);
	const limits = ["--soft-limit", String(soft), "--hard-limit", String(hard)];
	await run(server, "seed", "--org", org, "--key", api.key!, ...limits);
	return api;
}

async function send(api: Api, n: number, type = "used.up"): Promise<void> {
	const events = Array.from({ length: n }, (_, i) => ({ type, payload: { i } }));
	const got = await api.post<{ accepted: number }>("/api/v1/events", events);
	expect([got.status, got.body.accepted]).toEqual([200, n]);
}

/** So many times at once; the statuses, counted. */
async function at64(n: number, call: (i: number) => Promise<{ status: number }>) {
	const statuses: Record<number, number> = {};
	let next = 0;
	const worker = async () => {
		for (let i = next++; i < n; i = next++) {
			const { status } = await call(i);
			statuses[status] = (statuses[status] ?? 0) + 1;
		}
	};
	await Promise.all(Array.from({ length: 64 }, worker));
	return statuses;
}

describe.each(stores)("on %s", (store) => {
	let server: Server;

	beforeAll(async () => {
		server = await Server.start({ store, clock: true });
		// Days and months do not end by themselves here.
		const now = Date.now();
		const noon = Math.floor(now / DAY) * DAY + DAY / 2;
		server.advance(noon > now ? noon - now : noon + DAY - now);
	});
	afterAll(() => server.stop());

	it("takes exactly as many events as the hard limit, however they come", { timeout: 120_000 }, async () => {
		const api = await limited(server, "exact", 800, 1000);
		const event = (i: number) => ({ type: "used.up", payload: { i } });
		const statuses = await at64(5000, (i) => api.post("/api/v1/events", event(i)));
		expect(statuses).toEqual({ 201: 1000, 402: 4000 });
		const usage = await settledUsage(api);
		expect(usage.events).toMatchObject({ used: 1000, softLimit: 800, hardLimit: 1000, remaining: 0 });
		expect((await listAll<Event>(api, "/api/v1/events", 1000)).length).toBe(1000);
		const outcomes = await eventually(
			() => api.get<{ total: Record<string, unknown> }>("/api/v1/outcomes?step=hour"),
			(got) => got.body.total.received === 5000,
		);
		expect(outcomes.body.total).toMatchObject({ accepted: 1000, refused: { quota: 4000 }, open: 0 });
	});

	it("says why, and when there is room again", async () => {
		const api = await limited(server, "polite", 1, 2);
		const event = { type: "a", metadata: {} };
		const first = await api.post("/events", event);
		expect([first.status, first.headers.get("x-usage-warning")]).toEqual([201, null]);
		const second = await api.post("/events", event);
		expect([second.status, second.headers.get("x-usage-warning")]).toEqual([201, "soft_limit"]);
		const third = await api.post<Problem>("/events", event);
		expect([third.status, third.body.code]).toEqual([402, "LIMIT_EXCEEDED"]);
		const { periodEnd } = await usageOf(api);
		expect(third.body.error).toContain(periodEnd.slice(0, 19));
		const older = await api.post<Problem>("/api/events", { type: "a", payload: {} });
		expect([older.status, older.body.code]).toEqual([429, "quota_exceeded"]);
		expect(Number(older.headers.get("retry-after"))).toBeGreaterThan(0);
	});

	it("checks before it counts, and lets repetitions pass", async () => {
		const api = await limited(server, "free-things", 0, 3);
		const keyed = (key: string, more = {}) =>
			api.post("/api/v1/events", { type: "a", idempotencyKey: key, ...more });
		for (const key of ["1", "2", "3"]) expect((await keyed(key)).status).toBe(201);
		const again = await keyed("2");
		expect([again.status, again.headers.get("idempotent-replayed")]).toEqual([201, "true"]);
		expect((await keyed("2", { value: 7 })).status).toBe(409);
		expect((await api.post("/api/v1/events", { type: "" })).status).toBe(400);
		expect((await keyed("4")).status).toBe(402);
		// What was refused is not known: its key is free.
		await run(server, "seed", "--org", "free-things", "--key", api.key!, "--hard-limit", "4");
		expect((await keyed("4", { value: 1 })).status).toBe(201);
		expect((await usageOf(api)).events.used).toBe(4);
	});

	it("fills up with a batch in its order", async () => {
		const api = await limited(server, "batch", 0, 3);
		await send(api, 1);
		const items = [
			{ type: "a", idempotencyKey: "a" },
			{ type: "" },
			{ type: "a", idempotencyKey: "a" },
			{ type: "b" },
			{ type: "c" },
			{ type: "a", idempotencyKey: "a" },
		];
		const got = await api.post<{ data: { status: string; code?: string }[] }>("/api/v1/events", items);
		expect(got.status).toBe(200);
		expect(got.body).toMatchObject({ accepted: 2, duplicate: 2, rejected: 2 });
		expect(got.body.data.map((item) => item.code ?? item.status)).toEqual([
			"accepted",
			"invalid",
			"duplicate",
			"accepted",
			"LIMIT_EXCEEDED",
			"duplicate",
		]);
	});

	it("shows usage as SignalDesk did", async () => {
		const api = await limited(server, "desk", 0, 200);
		await makeRule(api, { eventType: "used.up", threshold: 1 });
		await send(api, 50);
		const got = await api.get("/usage");
		const { periodStart, periodEnd } = await usageOf(api);
		expect(got.status).toBe(200);
		expect(got.body).toEqual({
			plan: { id: "unlimited", name: "unlimited", priceMonthly: 0 },
			usage: {
				events: { used: 50, limit: 200, remaining: 150, percentUsed: 25 },
				rules: { used: 1, limit: NO_LIMIT, remaining: NO_LIMIT - 1 },
				overage: { events: 0, cost: 0 },
			},
			limits: { rateLimit: NO_LIMIT, retentionDays: expect.any(Number) },
			billing: { periodStart, periodEnd },
		});
		expect([periodStart, periodEnd].map((time) => time.slice(7))).toEqual(Array(2).fill("-01T00:00:00.000Z"));
	});

	it("counts what was sent, each once, and nothing twice", async () => {
		const api = await tenant(server, "bells");
		await makeRule(api, { eventType: "ring", threshold: 1, cooldownSeconds: 0 });
		await send(api, 5, "ring");
		const sent = async () => (await usageOf(api)).notifications.sent;
		expect(await eventually(sent, (n) => n >= 5)).toBe(5);
		const listed = await listAll<Delivery>(api, "/api/v1/deliveries?status=sent");
		expect(listed.length).toBe(5);
		expect((await usageOf(api)).sent.map((day) => day.notifications)).toEqual([5]);
	});

	it("keeps what was used when it is deleted", async () => {
		const api = await limited(server, "eraser", 0, 10);
		await send(api, 10);
		const { projectId } = await settledUsage(api);
		expect((await api.delete(`/api/v1/events?confirm=${projectId}`)).status).toBe(202);
		expect((await settledUsage(api)).events).toMatchObject({ used: 10, remaining: 0 });
		expect((await api.post("/api/v1/events", { type: "a" })).status).toBe(402);
	});

	it("knows as much after stops and kills", async () => {
		const api = await limited(server, "phoenix", 0, 100);
		for (const signal of ["SIGTERM", "SIGKILL", "SIGKILL"] as const) {
			await send(api, 30);
			const before = (await usageOf(api)).events;
			await server.restart(signal);
			const after = new Api(server.url, api.key);
			expect((await usageOf(after)).events).toMatchObject({ used: before.used, remaining: before.remaining });
		}
		const last = new Api(server.url, api.key);
		const statuses = await at64(30, () => last.post("/api/v1/events", { type: "a" }));
		expect(statuses).toEqual({ 201: 10, 402: 20 });
	});

	it("begins anew with the month, and keeps the books of the last", { timeout: 60_000 }, async () => {
		const api = await limited(server, "calendar", 0, 20);
		await send(api, 15);
		server.advance(DAY);
		const { month, periodEnd } = await usageOf(api);
		await send(api, 1, "next.day");
		const events = await listAll<Event>(api, "/api/v1/events");
		expect(await billedLedger(api, events)).toEqual(ledgerOf(events));
		const newest = Date.parse(events[0]!.receivedAt);
		server.advance(Date.parse(periodEnd) - newest + 1000);
		expect((await usageOf(api)).events).toMatchObject({ used: 0, remaining: 20 });
		await send(api, 20, "next.month");
		expect((await api.post("/api/v1/events", { type: "a" })).status).toBe(402);
		await server.restart("SIGKILL");
		const again = new Api(server.url, api.key);
		expect((await again.post("/api/v1/events", { type: "a" })).status).toBe(402);
		const now = await settledUsage(again);
		expect(now.month).not.toBe(month);
		expect(now.data.map((row) => [row.type, row.events])).toEqual([["next.month", 20]]);
		const all = await listAll<Event>(again, "/api/v1/events");
		expect(await billedLedger(again, all)).toEqual(ledgerOf(all));
		expect((await again.get<Problem>("/api/v1/usage?month=2026-13")).body.field).toBe("month");
	});

	it("sells plans once they are switched on", { timeout: 60_000 }, async () => {
		const plans = async () => {
			const got = await new Api(server.url).get<{ plans: { name: string }[] }>("/plans");
			expect(got.status).toBe(200);
			return got.body.plans;
		};
		const api = await tenant(server, "customer");
		expect(await plans()).toEqual([
			{
				id: "unlimited",
				name: "unlimited",
				displayName: "Unlimited",
				priceMonthly: 0,
				eventsPerMonth: NO_LIMIT,
				rulesLimit: NO_LIMIT,
				retentionDays: NO_LIMIT,
				rateLimit: NO_LIMIT,
			},
		]);
		await send(api, 150);
		expect(await run(server, "plan", "on")).toContain("plans are on");
		expect((await plans()).map((plan) => plan.name)).toEqual(["free", "pro", "max", "enterprise"]);
		expect((await plans())[1]).toEqual({
			id: "pro",
			name: "pro",
			displayName: "Pro",
			priceMonthly: 1400,
			eventsPerMonth: 25000,
			rulesLimit: 25,
			retentionDays: 30,
			rateLimit: 120,
		});
		expect((await api.post("/api/v1/events", { type: "a" })).status).toBe(402);
		const tiny = ["--soft-limit", "100", "--overage-cents", "50", "--rules", "2", "--projects", "2"];
		await run(server, "plan", "put", "--plan", "tiny", "--price-cents", "500", ...tiny);
		await run(server, "plan", "set", "--org", "customer", "--plan", "tiny");
		expect((await api.post("/api/v1/events", { type: "a" })).status).toBe(201);
		const { usage } = (await api.get<{ usage: Record<string, unknown> }>("/usage")).body;
		expect(usage).toEqual({
			events: { used: 151, limit: 100, remaining: 0, percentUsed: 100 },
			rules: { used: 0, limit: 2, remaining: 2 },
			overage: { events: 51, cost: 0.5 },
		});
		await server.restart("SIGTERM");
		expect((await usageOf(new Api(server.url, api.key))).plan.name).toBe("tiny");
		expect(await run(server, "plan", "off")).toContain("plans are off");
		expect((await usageOf(new Api(server.url, api.key))).plan.name).toBe("unlimited");
	});

	it("holds the limits of rules and projects", { timeout: 60_000 }, async () => {
		// The free one has a rate as well, which forty calls at once are over.
		await run(server, "plan", "put", "--plan", "few", "--rules", "3", "--projects", "1");
		await run(server, "plan", "on", "--plan", "few");
		const api = new Api(server.url, (await tenant(server, "small")).key);
		const rule = {
			name: "r",
			eventType: "a",
			condition: "count_gte",
			threshold: 1,
			windowSeconds: 60,
			actions: [{ channel: "in_app", config: {} }],
		};
		const statuses = await at64(40, () => api.post("/api/v1/rules", rule));
		expect(statuses).toEqual({ 201: 3, 402: 37 });
		const rules = (await api.get<Page<Rule>>("/api/v1/rules")).body.data;
		expect((await api.delete(`/api/v1/rules/${rules[0]!.id}`)).status).toBe(204);
		expect((await api.post("/api/v1/rules", rule)).status).toBe(201);
		expect((await api.post<Problem>("/rules", rule)).body.code).toBe("LIMIT_EXCEEDED");
		const ran = await tocsin(["seed", "--org", "small", "--project", "two", ...server.stateFlags()]);
		expect([ran.code, ran.stderr]).toEqual([1, expect.stringContaining("no more than 1 projects")]);
		await run(server, "plan", "off");
		await run(server, "seed", "--org", "small", "--project", "two");
	});

	it("refuses what makes no sense", async () => {
		const wrong: [string[], string][] = [
			[["plan", "set", "--org", "nobody", "--plan", "unlimited"], "no organization"],
			[["plan", "set", "--org", "customer", "--plan", "gold"], "no plan"],
			[["plan", "on", "--plan", "gold"], "no plan"],
			[["plan", "put", "--plan", "unlimited"], "built in"],
			[["plan", "put", "--plan", "p", "--soft-limit", "5", "--hard-limit", "4"], "softLimit"],
			[["seed", "--org", "customer", "--soft-limit", "5", "--hard-limit", "4"], "softLimit"],
		];
		for (const [args, text] of wrong) {
			const ran = await tocsin([...args, ...server.stateFlags()]);
			expect([args, ran.code, ran.stderr]).toEqual([args, 1, expect.stringContaining(text)]);
		}
		expect((await tocsin(["plan", "put", ...server.stateFlags()])).code).toBe(2);
		expect((await tocsin(["plan", "sell", ...server.stateFlags()])).code).toBe(2);
	});
});
