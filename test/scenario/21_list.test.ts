// Looking at events: filters, times, pages that lose and repeat nothing, and walls between tenants.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api, type Problem } from "../harness/api.ts";
import { tenant } from "../harness/command.ts";
import { type Event, listAll, makeRule, type Page, sendEvent, settled } from "../harness/model.ts";
import { Server } from "../harness/server.ts";

let server: Server;
let api: Api;

beforeAll(async () => {
	server = await Server.start();
	api = await Api.bootstrap(server.url);
});
afterAll(() => server.stop());

const types = (events: Event[]) => events.map((e) => e.type);

async function list(query: string): Promise<Event[]> {
	return listAll<Event>(api, `/api/v1/events?${query}`);
}

describe("filters", () => {
	const sent = [
		{ type: "f.a", kind: "error", severity: "high", source: "shop", environment: "prod" },
		{ type: "f.a.b", kind: "metric", severity: "info", source: "shop", environment: "test" },
		{ type: "f", kind: "event", source: "ci" },
		{ type: "fx", kind: "error", severity: "fatal", environment: "prod" },
	];
	let ids: string[];

	beforeAll(async () => {
		ids = [];
		for (const event of sent) ids.push((await sendEvent(api, event.type, event)).id);
	});

	const rows: [string, number[]][] = [
		["type=f.a", [0]],
		["type=f.*", [1, 0]],
		["type=f", [2]],
		["kind=error", [3, 0]],
		["severity=high", [0]],
		["severity=critical", [3]],
		["severity=fatal", [3]],
		["source=shop", [1, 0]],
		["source=sho", []],
		["environment=prod", [3, 0]],
		["environment=prod&kind=error&type=f.*", [0]],
		["type=F.A", []],
		["type=f%2Ea", [0]],
		["", [3, 2, 1, 0]],
	];
	it.each(rows)("%s finds what it says, newest first", async (query, want) => {
		expect((await list(query)).map((e) => e.id)).toEqual(want.map((i) => ids[i]));
	});

	it("from is in, to is out", async () => {
		const all = await list("");
		const at = (i: number) => all.find((e) => e.id === ids[i])!.receivedAt;
		// Times have milliseconds here; a pause makes the two sides of the cut differ.
		const before = at(3);
		let later: { id: string; receivedAt: string };
		do {
			later = await sendEvent(api, "f.later");
		} while (later.receivedAt === before);
		const from = encodeURIComponent(later.receivedAt);
		expect(types(await list(`from=${from}`))).toContain("f.later");
		expect(types(await list(`from=${from}`))).not.toContain("fx");
		expect(types(await list(`to=${from}`))).not.toContain("f.later");
		expect(types(await list(`to=${from}`))).toContain("fx");
		expect(await list(`from=${from}&to=${from}`)).toEqual([]);
		const zoned = encodeURIComponent(later.receivedAt.replace("Z", "+00:00"));
		expect(await list(`from=${zoned}`)).toEqual(await list(`from=${from}`));
	});

	const bad: [string, string][] = [
		["limit=0", "limit"],
		["limit=1001", "limit"],
		["limit=ten", "limit"],
		["kind=crash", "kind"],
		["severity=awful", "severity"],
		["from=yesterday", "from"],
		["to=2026-13-01T00:00:00Z", "to"],
		["cursor=abc", "cursor"],
		["cursor=evt_00000000000000000000000000", "cursor"],
	];
	it.each(bad)("%s is refused by name", async (query, field) => {
		const reply = await api.get<Problem>(`/api/v1/events?${query}`);
		expect([reply.status, reply.body.code, reply.body.field]).toEqual([400, "invalid", field]);
		expect(reply.body.error).toContain(`"${field}"`);
	});
});

describe("pages", () => {
	it("show each event once, also while others come in", async () => {
		const ids: string[] = [];
		for (let i = 0; i < 60; i++) ids.push((await sendEvent(api, "walk")).id);
		const seen: string[] = [];
		let cursor: string | null = "";
		let round = 0;
		while (cursor !== null) {
			const at: string = cursor === "" ? "" : `&cursor=${cursor}`;
			const path = `/api/v1/events?type=walk&limit=7${at}`;
			const reply: { body: Page<Event> } = await api.get<Page<Event>>(path);
			expect(reply.body.data.length).toBeLessThanOrEqual(7);
			seen.push(...reply.body.data.map((e) => e.id));
			cursor = reply.body.nextCursor;
			for (let i = 0; i < 3; i++) await sendEvent(api, round % 2 === 0 ? "walk" : "other");
			round++;
		}
		expect(seen).toEqual([...ids].reverse());
		expect(round).toBeGreaterThanOrEqual(9);
	});

	it("are the same after a restart", async () => {
		const first = await api.get<Page<Event>>("/api/v1/events?type=walk&limit=10");
		const rest = `/api/v1/events?type=walk&limit=10&cursor=${first.body.nextCursor}`;
		const before = await api.get(rest);
		await server.restart("SIGKILL");
		expect((await api.get(rest)).text).toBe(before.text);
	});

	it("receivedAt and ids never go back", async () => {
		const all = await list("");
		const sorted = [...all].sort((a, b) => (a.id < b.id ? 1 : -1));
		const times = all.map((e) => e.receivedAt);
		expect(times).toEqual([...times].sort().reverse());
		expect(sorted.map((e) => e.receivedAt)).toEqual(times);
	});
});

describe("walls", () => {
	let other: Api;
	let sibling: Api;

	beforeAll(async () => {
		other = await tenant(server, "other");
		sibling = await tenant(server, "other", "second");
	});

	it("somebody else's event, rule, alert and delivery are as good as none", async () => {
		const rule = await makeRule(api, { eventType: "walled" });
		const event = await sendEvent(api, "walled");
		await settled(api);
		const first = async (path: string) =>
			(await api.get<Page<{ id: string }>>(path)).body.data[0]!.id;
		const ids: [string, string][] = [
			["/api/v1/events", event.id],
			["/events", event.id],
			["/api/v1/rules", rule.id],
			["/rules", rule.id],
			["/api/v1/alerts", await first("/api/v1/alerts")],
			["/api/v1/deliveries", await first("/api/v1/deliveries")],
			["/notifications", await first("/api/v1/deliveries")],
		];
		const scrub = (text: string) => text.replace(/"requestId":"[^"]*"/, "");
		for (const [path, id] of ids) {
			expect((await api.get(`${path}/${id}`)).status).toBe(200);
			// The same form, but of nothing that is there.
			const none = id.replace(/.{4}$/, (end) => (end === "0000" ? "0001" : "0000"));
			const missing = await api.get(`${path}/${none}`);
			expect([path, missing.status]).toEqual([path, 404]);
			for (const stranger of [other, sibling]) {
				const reply = await stranger.get(`${path}/${id}`);
				expect([path, reply.status]).toEqual([path, 404]);
				expect(scrub(reply.text)).toBe(scrub(missing.text));
			}
		}
		for (const stranger of [other, sibling]) {
			const patched = await stranger.patch(`/api/v1/rules/${rule.id}`, { name: "mine" });
			const deleted = await stranger.delete(`/api/v1/rules/${rule.id}`);
			expect([patched.status, deleted.status]).toEqual([404, 404]);
			for (const path of ["events", "rules", "alerts", "deliveries"]) {
				expect(await listAll(stranger, `/api/v1/${path}`)).toEqual([]);
			}
		}
	});

	it("an event of one project fires no rule of another", async () => {
		await makeRule(sibling, { eventType: "*" });
		await sendEvent(api, "leaky");
		await sendEvent(other, "leaky");
		await settled(api);
		expect(await listAll(sibling, "/api/v1/alerts")).toEqual([]);
		await sendEvent(sibling, "own");
		await settled(api);
		expect(await listAll(sibling, "/api/v1/alerts")).toHaveLength(1);
	});

	it("two orgs may use one idempotency key", async () => {
		const body = { type: "keyed", idempotencyKey: "shared" };
		const mine = await api.post("/api/v1/events", body);
		const theirs = await other.post("/api/v1/events", { ...body, type: "differs" });
		expect([mine.status, theirs.status]).toEqual([201, 201]);
		expect(theirs.headers.get("idempotent-replayed")).toBeNull();
		expect(theirs.body.id).not.toBe(mine.body.id);
	});

	it("a cursor is good for its own list", async () => {
		await makeRule(api, { eventType: "second.rule" });
		const rules = await api.get<Page<unknown>>("/api/v1/rules?limit=1");
		const cursor = rules.body.nextCursor!;
		expect((await api.get(`/api/v1/rules?cursor=${cursor}`)).status).toBe(200);
		const crossed = await api.get<Problem>(`/api/v1/alerts?cursor=${cursor}`);
		expect([crossed.status, crossed.body.field]).toEqual([400, "cursor"]);
		const stranger = await other.get<Problem>(`/api/v1/rules?cursor=${cursor}`);
		expect([stranger.status, stranger.body.field]).toEqual([400, "cursor"]);
	});
});
