// What the server itself notices is told: once, to those whose affair it is, whatever ends it in
// between, and any rule can take it.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api, eventually, type Problem } from "../harness/api.ts";
import { tenant, tocsin } from "../harness/command.ts";
import { Sse } from "../harness/live.ts";
import {
	type Alert,
	caughtUp,
	type Delivery,
	type Event,
	listAll,
	makeRule,
	type Page,
	type Rule,
	sendEvent,
	settled,
	type Verdicts,
} from "../harness/model.ts";
import { Receiver } from "../harness/receiver.ts";
import { Server } from "../harness/server.ts";
import { stores } from "../harness/store.ts";
import { settledUsage } from "../harness/usage.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

interface Builtin extends Omit<Rule, "createdAt" | "updatedAt"> {
	builtin: string;
	updatedAt: string | null;
}

const builtin = async (api: Api, name: string) =>
	(await api.get<Builtin>(`/api/v1/builtin-rules/${name}`)).body;
const ours = (api: Api, type = "*") => listAll<Event>(api, `/api/v1/events?type=tocsin.${type}`);
const alertsBy = async (api: Api, name: string) => {
	const { id } = await builtin(api, name);
	return listAll<Alert>(api, `/api/v1/alerts?ruleId=${id}`);
};

/** A tenant that may store so many events a month. */
async function limited(server: Server, org: string, hard: number): Promise<Api> {
	const api = await tenant(server, org);
	const args = ["seed", "--org", org, "--key", api.key!, "--hard-limit", String(hard)];
	const ran = await tocsin([...args, ...server.stateFlags()]);
	expect([ran.code, ran.stderr]).toEqual([0, ""]);
	return api;
}

describe.each(stores)("on %s", (store) => {
	let server: Server;
	let receiver: Receiver;

	beforeAll(async () => {
		receiver = await Receiver.start();
		server = await Server.start({ store, clock: true });
		await Api.bootstrap(server.url);
		// Days and months do not end by themselves here.
		const now = Date.now();
		server.advance(Math.ceil(now / DAY) * DAY + DAY / 2 - now);
	});
	afterAll(async () => {
		await server.stop();
		await receiver.stop();
	});

	it("sends them itself, and lets nobody else", async () => {
		const api = await tenant(server, "forger");
		const reply = await api.post<Problem>("/api/v1/events", { type: "tocsin.usage.100" });
		expect([reply.status, reply.body.field]).toEqual([400, "type"]);
		expect(reply.body.error).toContain('must not begin with "tocsin."');
		const batch = await api.post<Verdicts>("/api/v1/events", [{ type: "a" }, { type: "tocsin.x" }]);
		expect([batch.body.accepted, batch.body.rejected]).toEqual([1, 1]);
		expect((await api.post("/events", { type: "tocsin.x", metadata: {} })).status).toBe(400);
		expect((await api.post("/events", { type: "tocsin", metadata: {} })).status).toBeLessThan(300);
		expect(await ours(api)).toEqual([]);
	});

	it("has rules that nobody made, beside those that somebody did", async () => {
		const api = await limited(server, "rules", 0);
		const { body } = await api.get<{ data: Builtin[] }>("/api/v1/builtin-rules");
		expect(body.data.map((rule) => rule.builtin)).toEqual([
			"usage_80",
			"usage_100",
			"dead_letters",
			"source_silent",
			"source_back",
			"payment_failed",
			"quarantine",
		]);
		for (const rule of body.data) {
			expect(rule).toMatchObject({ enabled: true, version: 1, updatedAt: null });
			expect(rule.actions).toEqual([{ channel: "in_app", config: {} }]);
			expect(await builtin(api, rule.builtin)).toEqual(rule);
		}
		expect(await listAll<Rule>(api, "/api/v1/rules")).toEqual([]);
		expect((await api.get("/rules")).text).not.toContain("tocsin.");
		expect((await api.get("/api/v1/builtin-rules/nothing")).status).toBe(404);
	});

	it("lets an org switch and set them, but not what they are", async () => {
		const api = await tenant(server, "setter");
		const other = await tenant(server, "bystander");
		const path = "/api/v1/builtin-rules/dead_letters";
		const sent = { threshold: 2, severity: "critical", actions: [{ channel: "webhook", config: { url: receiver.url } }] };
		const got = await api.patch<Builtin>(path, sent, { "if-match": '"1"' });
		expect([got.status, got.headers.get("etag")]).toEqual([200, '"2"']);
		expect(got.body).toMatchObject({ threshold: 2, severity: "critical", version: 2, windowSeconds: 3600 });
		expect(await builtin(api, "dead_letters")).toEqual(got.body);
		expect((await api.patch(path, { threshold: 3 }, { "if-match": '"1"' })).status).toBe(412);
		expect((await api.patch<Builtin>(path, { enabled: false })).body).toMatchObject({ enabled: false, version: 3 });
		for (const fixed of [{ name: "mine" }, { eventType: "a" }, { groupBy: [] }, { condition: "count_eq" }]) {
			const refused = await api.patch<Problem>(path, fixed);
			expect([refused.status, refused.body.field]).toEqual([400, Object.keys(fixed)[0]]);
			expect(refused.body.error).toContain("of a built-in rule cannot be changed");
		}
		expect((await api.patch<Problem>(path, { treshold: 1 })).body.error).toContain("threshold");
		expect((await builtin(other, "dead_letters")).version).toBe(1);
		const entries = await listAll<{ action: string; targetName: string; after: unknown }>(api, "/api/v1/audit");
		expect(entries[0]).toMatchObject({
			action: "rule.update",
			targetName: "Dead letters are growing",
			after: { enabled: false },
		});
	});

	it("keeps them to the default project, and each org's to itself", async () => {
		const api = await tenant(server, "walled");
		const sibling = await tenant(server, "walled", "sibling");
		const one = "/api/v1/builtin-rules/usage_80";
		expect((await sibling.get<{ data: unknown[] }>("/api/v1/builtin-rules")).body.data).toEqual([]);
		expect((await sibling.get(one)).status).toBe(404);
		expect((await sibling.patch(one, { enabled: false })).status).toBe(404);
		const { id } = await builtin(api, "usage_80");
		const other = await tenant(server, "unwalled");
		expect((await builtin(other, "usage_80")).id).not.toBe(id);
		expect((await other.get(`/api/v1/rules/${id}`)).status).toBe(404);
		expect((await builtin(api, "usage_80")).version).toBe(1);
	});

	it("tells at 80 and 100 % of the month's events, once, through kills", { timeout: 120_000 }, async () => {
		let api = await limited(server, "heavy", 200);
		const hook = await makeRule(api, {
			eventType: "tocsin.usage.*",
			actions: [{ channel: "webhook", config: { url: `${receiver.url}/usage` } }],
		});
		const all = await makeRule(api, { eventType: "tocsin.*", threshold: 2, windowSeconds: 3600 });
		const statuses: Record<number, number> = {};
		for (let round = 0; round < 6; round++) {
			const burst = Array.from({ length: 40 }, async () => {
				const { status } = await api.post("/api/v1/events", { type: "used.up" });
				statuses[status] = (statuses[status] ?? 0) + 1;
			});
			await Promise.all(burst);
			await server.restart(round % 2 === 0 ? "SIGKILL" : "SIGTERM");
			api = new Api(server.url, api.key);
		}
		expect(statuses).toEqual({ 201: 200, 402: 40 });
		await eventually(
			() => ours(api),
			(events) => events.length >= 2,
		);
		await settled(api);
		const [full, most] = await ours(api);
		expect(most).toMatchObject({ type: "tocsin.usage.80", severity: "medium", source: "tocsin", keyId: null });
		expect(most!.payload).toMatchObject({ percent: 80, limit: 200 });
		expect(full).toMatchObject({ type: "tocsin.usage.100", severity: "high" });
		expect(full!.payload).toMatchObject({ percent: 100, limit: 200, month: most!.payload["month"] });
		expect((await settledUsage(api)).events).toMatchObject({ used: 200, remaining: 0 });
		expect((await alertsBy(api, "usage_80")).map((alert) => alert.eventId)).toEqual([most!.id]);
		expect((await alertsBy(api, "usage_100")).map((alert) => alert.eventId)).toEqual([full!.id]);
		const told = await listAll<Delivery>(api, "/api/v1/deliveries?status=sent&channel=in_app");
		expect(told.filter((delivery) => delivery.ruleId !== all.id)).toHaveLength(2);
		const hooks = await receiver.until((got) => got.filter((g) => g.path.endsWith("/usage")).length >= 2);
		const ids = hooks.filter((g) => g.path.endsWith("/usage")).map((g) => g.headers["webhook-id"]);
		expect(new Set(ids).size).toBe(2);
		expect(await listAll(api, `/api/v1/alerts?ruleId=${hook.id}`)).toHaveLength(2);
		expect(await listAll(api, `/api/v1/alerts?ruleId=${all.id}`)).toHaveLength(1);

		// A month begins anew, and what was said before is not said again.
		server.advance(Date.parse((await settledUsage(api)).periodEnd) - server.now() + DAY);
		api = new Api(server.url, api.key);
		await sendEvent(api, "used.up");
		await server.restart("SIGKILL");
		api = new Api(server.url, api.key);
		for (let i = 0; i < 159; i++) await sendEvent(api, "used.up");
		const later = await eventually(
			() => ours(api),
			(events) => events.length >= 3,
		);
		expect(later.map((event) => event.type)).toEqual(["tocsin.usage.80", "tocsin.usage.100", "tocsin.usage.80"]);
		expect(later[0]!.payload["month"]).not.toBe(most!.payload["month"]);
	});

	it("shows them to who asks for them, and to others what was sent", async () => {
		const api = await limited(server, "asker", 5);
		const stream = await Sse.open(server.url, "/api/v1/stream", { authorization: `Bearer ${api.key}` });
		await stream.until((frames) => frames.length > 0);
		for (let i = 0; i < 5; i++) await sendEvent(api, "used.up");
		const said = await eventually(
			() => ours(api),
			(events) => events.length === 2,
		);
		await settled(api);
		const sent = await listAll<Event>(api, "/api/v1/events");
		expect(sent.map((event) => event.type)).toEqual(Array(5).fill("used.up"));
		expect((await api.get<Page<Event>>("/api/v1/events?q=type:tocsin.usage*")).body.data).toEqual(said);
		const [most] = said.filter((event) => event.type === "tocsin.usage.80");
		expect((await api.get<Page<Event>>("/api/v1/events?type=tocsin.usage.80")).body.data).toEqual([most]);
		expect((await api.get<Event>(`/api/v1/events/${said[0]!.id}`)).body).toEqual(said[0]);
		expect((await api.get("/events")).text).not.toContain("tocsin.");
		const lines = async (query: string) =>
			(await api.get<string>(`/api/v1/events/export?${query}`)).text.split("\n").filter((line) => line.includes('"type"'));
		expect(await lines("")).toHaveLength(5);
		expect(await lines("type=tocsin.*")).toHaveLength(2);
		const total = (query: string) =>
			eventually(
				() => api.get<{ total: number }>(`/api/v1/stats/events?${query}`),
				({ body }) => body.total > 0,
			).then(({ body }) => body.total);
		expect(await total("step=hour&type=tocsin.*")).toBe(2);
		expect(await total("step=hour")).toBe(5);
		const count = (frames: { event: string }[], name: string) =>
			frames.filter((frame) => frame.event === name).length;
		await stream.until((frames) => count(frames, "alert") >= 2 && count(frames, "event") >= 5);
		const events = stream.frames.filter((frame) => frame.event === "event");
		expect(events.map((frame) => frame.data["type"])).toEqual(Array(5).fill("used.up"));
		const again = await Sse.open(server.url, "/api/v1/stream", {
			authorization: `Bearer ${api.key}`,
			"last-event-id": events[0]!.id,
		});
		await again.until((frames) => count(frames, "alert") >= 2 && count(frames, "event") >= 4);
		expect(again.frames.filter((frame) => frame.event === "event")).toHaveLength(4);
		stream.close();
		again.close();
	});

	it("tells of dead letters that grow, but not of those about itself", { timeout: 60_000 }, async () => {
		let api = await tenant(server, "letters");
		receiver.script = ({ path }) => ({ status: path.includes("/gone") ? 400 : 200 });
		const actions = [{ channel: "webhook", config: { url: `${receiver.url}/gone` } }];
		await makeRule(api, { eventType: "letter", actions });
		await makeRule(api, { eventType: "tocsin.dead_letter", actions });
		const dead = (n: number) =>
			eventually(
				() => ours(api, "dead_letter"),
				(events) => events.length >= n,
			);
		for (let i = 0; i < 4; i++) await sendEvent(api, "letter");
		await dead(4);
		await settled(api);
		expect(await alertsBy(api, "dead_letters")).toEqual([]);
		for (let i = 0; i < 4; i++) await sendEvent(api, "letter");
		await server.restart("SIGKILL");
		api = new Api(server.url, api.key);
		await settled(api);
		const events = await dead(8);
		await settled(api);
		// Those of the second rule died as well, and nobody is told of them.
		const letters = await listAll<Delivery>(api, "/api/v1/deliveries?status=dead");
		expect(letters).toHaveLength(16);
		const known = letters.filter((letter) => letter.eventId !== undefined).map((letter) => letter.id);
		expect(events).toHaveLength(8);
		for (const event of events) expect(known).toContain(event.payload["deliveryId"]);
		expect(new Set(events.map((event) => event.payload["deliveryId"])).size).toBe(8);
		expect(await alertsBy(api, "dead_letters")).toHaveLength(1);
		server.advance(HOUR + 1000);
		api = new Api(server.url, api.key);
		for (let i = 0; i < 6; i++) await sendEvent(api, "letter");
		await dead(14);
		await caughtUp(api);
		await eventually(
			() => alertsBy(api, "dead_letters"),
			(alerts) => alerts.length === 2,
		);
	});

	it("misses who sent every hour, and nobody because it was away itself", { timeout: 120_000 }, async () => {
		let api = await tenant(server, "pulse");
		const beat = async (n: number) => {
			for (let i = 0; i < n; i++) {
				await sendEvent(api, "beat");
				server.advance(HOUR / 2);
				api = new Api(server.url, api.key);
			}
		};
		await beat(54);
		await server.kill("SIGTERM");
		server.advance(5 * HOUR);
		await server.launch();
		api = new Api(server.url, api.key);
		await beat(2);
		expect(await ours(api, "source.*")).toEqual([]);
		const silent = await eventually(
			async () => {
				server.advance(HOUR / 12);
				api = new Api(server.url, api.key);
				return ours(api, "source.*");
			},
			(events) => events.length > 0,
		);
		const { body: project } = await api.get<{ id: string }>("/api/v1/projects/current");
		expect(silent).toHaveLength(1);
		expect(silent[0]).toMatchObject({ type: "tocsin.source.silent", payload: { projectId: project.id } });
		expect(silent[0]!.payload["quietSeconds"]).toBeGreaterThanOrEqual(3600);
		await caughtUp(api);
		expect(await alertsBy(api, "source_silent")).toHaveLength(1);
		await server.restart("SIGKILL");
		server.advance(9 * HOUR);
		api = new Api(server.url, api.key);
		await sendEvent(api, "beat");
		const back = await eventually(
			() => ours(api, "source.*"),
			(events) => events.length > 1,
		);
		expect(back.map((event) => event.type)).toEqual(["tocsin.source.back", "tocsin.source.silent"]);
		await eventually(
			() => alertsBy(api, "source_back"),
			(alerts) => alerts.length === 1,
		);
	});

	it("is quiet about what an org has switched off", async () => {
		const api = await limited(server, "quiet", 5);
		expect((await api.patch("/api/v1/builtin-rules/usage_80", { enabled: false })).status).toBe(200);
		for (let i = 0; i < 5; i++) await sendEvent(api, "a");
		await eventually(
			() => ours(api),
			(events) => events.length === 2,
		);
		await eventually(
			() => alertsBy(api, "usage_100"),
			(alerts) => alerts.length === 1,
		);
		expect(await alertsBy(api, "usage_80")).toEqual([]);
		const page = await api.get<Page<Alert>>("/api/v1/alerts");
		expect(page.body.data.map((alert) => alert.ruleName)).toEqual(["The month's events are used up"]);
	});
});
