// SignalDesk's documented calls, as its clients make them: the shapes here are written from its pages.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api, eventually, type Problem } from "../harness/api.ts";
import { tenant } from "../harness/command.ts";
import { Socket } from "../harness/live.ts";
import { alertsOf, settled } from "../harness/model.ts";
import { Server } from "../harness/server.ts";

let server: Server;
let api: Api;

beforeAll(async () => {
	server = await Server.start({ clock: true });
	api = await Api.bootstrap(server.url);
});
afterAll(() => server.stop());

const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as string;
const text = expect.any(String) as string;

/** Errors of all of its calls: a text, and a word for programs. */
function error(status: number, code: string): unknown {
	return expect.objectContaining({ error: text, message: text, code, status }) as unknown;
}

describe("POST /events", () => {
	it("answers 201 {id, type, timestamp}, with defaults, and ignores what it does not know", async () => {
		const got = await api.post("/events", { type: "signup", extra: "ignored" });
		expect(got.status).toBe(201);
		expect(got.body).toEqual({ id: text, type: "signup", timestamp: TIME });
		const one = await api.get(`/events/${String(got.body.id)}`);
		expect(one.body).toMatchObject({ metadata: {} });
		const timed = await api.post("/events", {
			type: "signup",
			metadata: { plan: "pro", nested: { deep: [1, "ü"] } },
			timestamp: "2026-01-31T09:30:00Z",
		});
		expect(timed.body.timestamp).toBe("2026-01-31T09:30:00.000Z");
		expect((await api.get(`/events/${String(timed.body.id)}`)).body).toMatchObject({
			metadata: { plan: "pro", nested: { deep: [1, "ü"] } },
		});
	});

	it.each([
		[{}, "type"],
		[{ type: "" }, "type"],
		[{ type: "x".repeat(256) }, "type"],
		[{ type: 7 }, "type"],
		[{ type: "a", metadata: [] }, "metadata"],
		[{ type: "a", timestamp: "soon" }, "timestamp"],
	])("%o is 400 and names the field", async (sent, field) => {
		const got = await api.post<Problem>("/events", sent);
		expect([got.status, got.body]).toEqual([400, error(400, "invalid")]);
		expect(Object.keys(got.body.details ?? {})).toEqual([field]);
	});

	it("is 402 at the plan's limit, but 400 for what is invalid, and a wrong clock counts once", async () => {
		const limited = await tenant(server, "desk", undefined, ["--hard-limit", "1"]);
		const future = { type: "late", timestamp: "2999-01-01T00:00:00Z" };
		expect((await limited.post("/events", future)).status).toBe(201);
		const over = await limited.post("/events", { type: "late" });
		expect([over.status, over.body]).toEqual([402, error(402, "LIMIT_EXCEEDED")]);
		expect((await limited.post("/events", { type: "" })).status).toBe(400);
	});

	it("holds keys to their scopes", async () => {
		const scoped = async (scopes: string[]) => {
			const made = await api.post<{ key: string }>("/api-keys", { name: "scoped", scopes });
			return new Api(server.url, made.body.key);
		};
		const reader = await scoped(["events:read"]);
		const refused = await reader.post("/events", { type: "a" });
		expect([refused.status, refused.body]).toEqual([403, error(403, "forbidden")]);
		expect((await reader.get("/events")).status).toBe(200);
		const writer = await scoped(["events:write"]);
		for (const path of ["/events", "/rules", "/notifications", "/api-keys", "/events/evt_0"]) {
			expect([path, (await writer.get(path)).status]).toEqual([path, 403]);
		}
		const nobody = await new Api(server.url).post("/events", { type: "a" });
		expect([nobody.status, nobody.body]).toEqual([401, error(401, "unauthorized")]);
	});
});

describe("GET /events and GET /events/:id", () => {
	it("answers {events: [...]}, newest first, by limit, offset and type", async () => {
		const ids: string[] = [];
		for (const type of ["page", "page", "page", "other"]) {
			ids.unshift(String((await api.post("/events", { type, metadata: { n: ids.length } })).body.id));
		}
		await settled(api);
		const list = async (query: string) =>
			(await api.get<{ events: Record<string, unknown>[] }>(`/events?${query}`)).body;
		const all = await list("type=page");
		expect(all).toEqual({
			events: [2, 1, 0].map((n) => ({
				id: ids[3 - n],
				type: "page",
				metadata: { n },
				timestamp: TIME,
				processed: true,
			})),
		});
		expect((await list("type=page&limit=1&offset=1")).events).toEqual([all.events[1]]);
		expect((await list("limit=2")).events.map((e) => e.id)).toEqual(ids.slice(0, 2));
		expect((await list("type=none")).events).toEqual([]);
		for (const query of ["limit=0", "limit=101", "limit=x", "offset=-1"]) {
			expect([query, (await api.get(`/events?${query}`)).status]).toEqual([query, 400]);
		}
		const one = await api.get(`/events/${ids[1]}`);
		expect([one.status, one.body]).toEqual([200, all.events[0]]);
		for (const id of ["evt_00000000000000000000000000", "nothing", "6f1c1f0e-0000-4000-8000-000000000000"]) {
			const none = await api.get(`/events/${id}`);
			expect([none.status, none.body]).toEqual([404, error(404, "not_found")]);
		}
		const elsewhere = await tenant(server, "elsewhere");
		expect((await elsewhere.get(`/events/${ids[0]}`)).status).toBe(404);
		expect((await elsewhere.get<{ events: unknown[] }>("/events")).body.events).toEqual([]);
	});
});

const rule = {
	name: "Too many failures",
	eventType: "login_failed",
	condition: "count_gte",
	threshold: 3,
	windowSeconds: 60,
	actions: [{ channel: "in_app", config: {} }],
};

describe("POST, GET, PATCH and DELETE /rules", () => {
	it("answers the rule, with defaults, and lists {rules: [...]}, newest first", async () => {
		const made = await api.post("/rules", { ...rule, extra: "ignored" });
		expect(made.status).toBe(201);
		expect(made.body).toMatchObject({ ...rule, id: text, cooldownSeconds: 60, enabled: true, createdAt: TIME });
		const second = await api.post("/rules", { ...rule, name: "Second", cooldownSeconds: 0, enabled: false });
		expect(second.body).toMatchObject({ cooldownSeconds: 0, enabled: false });
		const list = await api.get<{ rules: unknown[] }>("/rules");
		expect(list.body.rules.slice(0, 2)).toEqual([second.body, made.body]);
		expect((await api.get(`/rules/${String(made.body.id)}`)).body).toEqual(made.body);
		const changed = await api.patch(`/rules/${String(made.body.id)}`, {
			name: "Renamed",
			enabled: false,
			threshold: 5,
			windowSeconds: 86_400,
			cooldownSeconds: 86_400,
			whatever: 1,
		});
		expect([changed.status, changed.body]).toEqual([
			200,
			expect.objectContaining({ name: "Renamed", enabled: false, threshold: 5, eventType: "login_failed" }),
		]);
		for (const one of [made, second]) {
			const gone = await api.delete(`/rules/${String(one.body.id)}`);
			expect([gone.status, gone.text]).toEqual([204, ""]);
		}
		for (const [method, body] of [["GET"], ["PATCH", {}], ["DELETE"]] as const) {
			const none = await api.call(method, `/rules/${String(made.body.id)}`, body);
			expect([method, none.status, none.body]).toEqual([method, 404, error(404, "not_found")]);
		}
	});

	it.each([
		["name", ""],
		["name", "x".repeat(256)],
		["eventType", ""],
		["condition", "count_lt"],
		["threshold", 0],
		["threshold", 1.5],
		["windowSeconds", 0],
		["windowSeconds", 86_401],
		["cooldownSeconds", -1],
		["cooldownSeconds", 86_401],
		["actions", []],
	])("%s %j is 400", async (field, value) => {
		const got = await api.post<Problem>("/rules", { ...rule, [field]: value });
		expect([got.status, got.body]).toEqual([400, error(400, "invalid")]);
		expect(got.body.field).toMatch(field);
	});

	it("a short window takes nothing from a long one of the same type", async () => {
		const other = await tenant(server, "windows");
		const type = "both";
		const make = async (name: string, threshold: number, windowSeconds: number) =>
			(await other.post<{ id: string }>("/rules", { ...rule, name, eventType: type, threshold, windowSeconds })).body;
		const short = await make("short", 2, 10);
		const long = await make("long", 3, 3600);
		for (let i = 0; i < 3; i++) {
			await other.post("/events", { type });
			server.advance(20_000);
		}
		await settled(other);
		expect(await alertsOf(other, short)).toHaveLength(0);
		expect(await alertsOf(other, long)).toHaveLength(1);
	});
});

describe("GET /notifications and GET /notifications/:id", () => {
	it("answers {notifications: [...]}, and one with its event and payload", async () => {
		const made = await api.post<{ id: string }>("/rules", { ...rule, eventType: "told", threshold: 1 });
		const event = await api.post("/events", { type: "told", metadata: { user: 7 } });
		interface List {
			notifications: Record<string, unknown>[];
		}
		const list = await eventually(
			() => api.get<List>("/notifications?status=sent&limit=1"),
			(got) => got.body.notifications[0]?.ruleId === made.body.id,
		);
		const shown = {
			id: text,
			ruleId: made.body.id,
			ruleName: rule.name,
			eventId: event.body.id,
			eventType: "told",
			channel: "in_app",
			status: "sent",
			sentAt: TIME,
			error: null,
			createdAt: TIME,
		};
		expect(list.body).toEqual({ notifications: [shown] });
		const one = await api.get(`/notifications/${String(list.body.notifications[0]!.id)}`);
		expect(one.body).toEqual({
			...shown,
			eventMetadata: { user: 7 },
			payload: expect.objectContaining({
				ruleName: rule.name,
				eventType: "told",
				eventMetadata: { user: 7 },
				threshold: 1,
				windowSeconds: 60,
				count: 1,
				triggeredAt: TIME,
			}),
		});
		expect((await api.get("/notifications/dlv_00000000000000000000000000")).status).toBe(404);
		expect((await api.get("/notifications?limit=101")).status).toBe(400);
	});
});

describe("POST, GET and DELETE /api-keys", () => {
	it("shows the key once, lists {apiKeys: [...]}, and revokes", async () => {
		const made = await api.post<{ id: string; key: string }>("/api-keys", {
			name: "ci",
			expiresIn: "30d",
			scopes: ["events:write", "api-keys:read"],
			extra: "ignored",
		});
		expect(made.status).toBe(201);
		expect(made.body).toMatchObject({
			id: text,
			name: "ci",
			key: expect.stringMatching(/^sk_[0-9a-f]{48}$/),
			keyPrefix: `${made.body.key.slice(0, 12)}...`,
			expiresAt: TIME,
			createdAt: TIME,
		});
		const list = await api.get<{ apiKeys: Record<string, unknown>[] }>("/api-keys");
		const mine = list.body.apiKeys.find((key) => key.id === made.body.id)!;
		expect(mine).toMatchObject({
			id: made.body.id,
			name: "ci",
			keyPrefix: `${made.body.key.slice(0, 12)}...`,
			expiresAt: TIME,
			lastUsedAt: null,
			createdAt: TIME,
		});
		expect(list.text).not.toContain(made.body.key);
		const gone = await api.delete(`/api-keys/${made.body.id}`);
		expect([gone.status, gone.text]).toEqual([204, ""]);
		expect((await new Api(server.url, made.body.key).get("/api-keys")).status).toBe(401);
		expect((await api.delete(`/api-keys/${made.body.id}`)).status).toBe(404);
		const after = await api.get<{ apiKeys: { id: string }[] }>("/api-keys");
		expect(after.body.apiKeys.map((key) => key.id)).not.toContain(made.body.id);
	});

	it("without scopes a key has those of a machine, and none of a person", async () => {
		const made = await api.post<{ key: string; scopes: string[] }>("/api-keys", { name: "all", scopes: [] });
		expect(made.body.scopes).toEqual(expect.arrayContaining(["events:write", "rules:write", "keys:write"]));
		const machine = new Api(server.url, made.body.key);
		expect((await machine.get("/rules")).status).toBe(200);
		for (const [method, path, body] of [
			["POST", "/auth/invite", { email: "ana@example.com" }],
			["DELETE", "/auth/members/usr_0000000000000", undefined],
		] as const) {
			expect([403, 501]).toContain((await machine.call(method, path, body)).status);
		}
	});

	it.each([{}, { name: "" }, { name: "x".repeat(256) }, { name: "a", expiresIn: "2d" }, { name: "a", scopes: ["all"] }])(
		"%j is 400",
		async (sent) => {
			const got = await api.post("/api-keys", sent);
			expect([got.status, got.body]).toEqual([400, error(400, "invalid")]);
		},
	);
});

describe("GET /usage and GET /plans", () => {
	it("says what was used of what may be, in a month of UTC", async () => {
		const fresh = await tenant(server, "meter", undefined, ["--hard-limit", "200"]);
		for (let i = 0; i < 3; i++) await fresh.post("/events", { type: "used" });
		const got = await fresh.get<{ billing: { periodStart: string; periodEnd: string } }>("/usage");
		const number = expect.any(Number) as number;
		expect(got.body).toEqual({
			plan: { id: text, name: text, priceMonthly: number },
			usage: {
				events: { used: 3, limit: 200, remaining: 197, percentUsed: 1 },
				rules: { used: 0, limit: number, remaining: number },
				overage: { events: 0, cost: 0 },
			},
			limits: { rateLimit: number, retentionDays: number },
			billing: { periodStart: TIME, periodEnd: TIME },
		});
		for (const at of Object.values(got.body.billing)) expect(at.slice(7)).toBe("-01T00:00:00.000Z");
		const plans = await new Api(server.url).get<{ plans: Record<string, unknown>[] }>("/plans");
		expect(plans.status).toBe(200);
		for (const plan of plans.body.plans) {
			expect(plan).toEqual({
				id: text,
				name: text,
				displayName: text,
				priceMonthly: number,
				eventsPerMonth: number,
				rulesLimit: number,
				retentionDays: number,
				rateLimit: number,
			});
		}
		const prices = plans.body.plans.map((plan) => plan.priceMonthly as number);
		expect(prices).toEqual([...prices].sort((a, b) => a - b));
	});
});

describe("GET /auth/ws-ticket and GET /ws", () => {
	it("opens one socket: connected, event:new, notification:new", async () => {
		const { ticket } = (await api.get<{ ticket: string }>("/auth/ws-ticket")).body;
		const socket = await Socket.open(server.url, `/ws?token=${ticket}`);
		await socket.until((frames) => frames.length > 0);
		expect(socket.frames[0]).toMatchObject({ type: "connected", payload: {} });
		await api.post("/rules", { ...rule, eventType: "seen", threshold: 1 });
		const event = await api.post("/events", { type: "seen", metadata: { a: 1 } });
		await socket.until(() => socket.of("notification:new").length === 1);
		expect(socket.of("event:new")[0]!.payload).toEqual({
			id: event.body.id,
			type: "seen",
			metadata: { a: 1 },
			timestamp: event.body.timestamp,
		});
		expect(socket.of("notification:new")[0]!.payload).toMatchObject({
			notificationId: text,
			ruleName: rule.name,
			eventType: "seen",
			eventMetadata: { a: 1 },
			threshold: 1,
			windowSeconds: 60,
			count: 1,
			triggeredAt: TIME,
		});
		socket.close();
		// It was good once, for a stream, and for nothing else.
		const again = await Socket.open(server.url, `/ws?token=${ticket}`);
		expect(await again.ended()).toBe(4401);
		expect(again.frames).toEqual([{ type: "error", payload: { message: text } }]);
		const { ticket: unused } = (await api.get<{ ticket: string }>("/auth/ws-ticket")).body;
		expect((await new Api(server.url, unused).get("/events")).status).toBe(401);
	});
});

describe("GET /health", () => {
	it("says ok to anybody, and nothing about anybody", async () => {
		const got = await new Api(server.url).get("/health");
		expect([got.status, got.body]).toEqual([200, { status: "ok" }]);
	});
});
