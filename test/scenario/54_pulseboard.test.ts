// PulseBoard's documented calls, as its clients make them: the shapes here are written from its pages.
import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api, eventually } from "../harness/api.ts";
import { tenant } from "../harness/command.ts";
import { Socket, Sse } from "../harness/live.ts";
import { Person } from "../harness/person.ts";
import { alertsOf, type Event, listAll, makeRule, settled } from "../harness/model.ts";
import { Server } from "../harness/server.ts";

let server: Server;
let api: Api;
/** Its clients send the key in the body, and no header. */
let bare: Api;

beforeAll(async () => {
	server = await Server.start({ args: ["--signup", "open"] });
	api = await Api.bootstrap(server.url);
	bare = new Api(server.url);
});
afterAll(() => server.stop());

async function newest(type: string): Promise<Event> {
	return (await listAll<Event>(api, `/api/v1/events?type=${type}`))[0]!;
}

const context = { device: { platform: "ios", model: "iPhone 15" }, user: { userId: "u_1" } };

describe("POST /ingest and GET /events?apiKey=", () => {
	const sentOf = (type: string, name: string) => ({ apiKey: api.key, type, name, payload: { n: 1 } });

	it("stores an event, and the query lists the newest 20, with a warning", async () => {
		for (const type of ["error", "event", "metric"]) {
			const sent = sentOf(type, `pb.${type}`);
			const reply = await bare.post<{ success: boolean; data: Record<string, unknown> }>(
				"/ingest",
				{ ...sent, context: { app: "shop" }, sdk: "ignored" },
			);
			expect(reply.status).toBe(201);
			expect(reply.body).toEqual({
				success: true,
				data: {
					id: expect.stringMatching(/^evt_/),
					projectId: expect.any(String),
					type,
					name: `pb.${type}`,
					payload: { n: 1 },
					timestamp: expect.stringMatching(/Z$/),
					receivedAt: expect.stringMatching(/Z$/),
				},
			});
		}
		for (let i = 0; i < 20; i++) await bare.post("/ingest", sentOf("event", `older.${i}`));
		for (const type of ["error", "event", "metric"]) await bare.post("/ingest", sentOf(type, `pb.${type}`));
		const list = await bare.get<{ success: boolean; data: Record<string, unknown>[] }>(
			`/events?apiKey=${api.key}`,
		);
		expect([list.status, list.body.success]).toEqual([200, true]);
		expect(list.body.data).toHaveLength(20);
		expect(list.headers.get("deprecation")).toMatch(/^@\d+$/);
		// Where the key is, no log of ours is.
		expect(server.log.some((line) => JSON.stringify(line).includes(api.key!))).toBe(false);
		expect(list.body.data.slice(0, 3).map((e) => e.name)).toEqual([
			"pb.metric",
			"pb.event",
			"pb.error",
		]);
		const errors: [Record<string, unknown>, number, RegExp][] = [
			[{ type: "error", name: "x", payload: {} }, 400, /apiKey/],
			[{ apiKey: "sk_nobody", type: "error", name: "x", payload: {} }, 401, /API key/],
			[{ apiKey: api.key, type: "fatal", name: "x", payload: {} }, 400, /"type"/],
			[{ apiKey: api.key, type: "error", payload: {} }, 400, /"name"/],
			[{ apiKey: api.key, type: "error", name: "x", payload: 1 }, 400, /"payload"/],
			[{ apiKey: api.key, type: "error", name: "", payload: {} }, 400, /"name"/],
			[
				{ apiKey: api.key, type: "error", name: "x", payload: {}, timestamp: "soon" },
				400,
				/"timestamp"/,
			],
		];
		for (const [sent, status, message] of errors) {
			const reply = await bare.post("/ingest", sent);
			expect([sent, reply.status]).toEqual([sent, status]);
			expect(reply.body).toMatchObject({
				success: false,
				message: expect.stringMatching(message),
			});
			expect(reply.text).not.toContain(api.key);
		}
		expect((await bare.get("/events?apiKey=sk_nobody")).status).toBe(401);
		expect((await bare.get("/events")).status).toBe(401);
	});
});

describe("POST /analytics/crash", () => {
	const crash = {
		errorName: "TypeError",
		errorMessage: "x is not a function",
		stackTrace: "at a (a.js:1)\nat b (b.js:2)\nat c (c.js:3)\nat d (d.js:4)",
		isFatal: true,
		sessionId: "s_1",
		context,
	};

	it("answers 201 with the group, which is the same for crashes of one kind", async () => {
		const print = (name: string, lines: string) =>
			createHash("sha256").update(`${name}:${lines}`).digest("hex").slice(0, 16);
		const send = (change: Record<string, unknown>) =>
			bare.post<{ data: { crashGroupId: string } }>("/analytics/crash", {
				apiKey: api.key,
				...crash,
				...change,
			});
		const first = await send({});
		expect(first.status).toBe(201);
		const want = print("TypeError", crash.stackTrace.split("\n").slice(0, 3).join("\n"));
		expect(first.body).toEqual({ success: true, data: { crashGroupId: want } });
		// Neither what it says nor where it came from further up makes it another one.
		const deeper = await send({
			errorMessage: "y is not a function",
			stackTrace: `${crash.stackTrace}\nat e (e.js:5)`,
		});
		expect(deeper.body.data.crashGroupId).toBe(want);
		expect((await send({ errorName: "RangeError" })).body.data.crashGroupId).not.toBe(want);
		const short = await send({ stackTrace: "at a (a.js:1)" });
		expect(short.body.data.crashGroupId).toBe(print("TypeError", "at a (a.js:1)"));
		expect((await send({ stackTrace: "" })).body.data.crashGroupId).toBe(print("TypeError", ""));
	});

	it("stores an event that rules count, however late its own clock is", async () => {
		const rule = await makeRule(api, {
			eventType: "crash",
			threshold: 2,
			groupBy: ["fingerprint"],
			cooldownSeconds: 3600,
		});
		for (let i = 0; i < 3; i++) {
			await bare.post("/analytics/crash", { apiKey: api.key, ...crash, errorName: "Counted" });
		}
		await settled(api);
		expect(await alertsOf(api, rule)).toHaveLength(1);
		expect(await newest("crash")).toMatchObject({
			kind: "error",
			severity: "critical",
			message: "x is not a function",
			tags: context,
			payload: {
				name: "Counted",
				message: "x is not a function",
				stack: crash.stackTrace,
				isFatal: true,
				sessionId: "s_1",
			},
		});
	});
});

describe("POST /analytics/session", () => {
	it("stores beginning and end, and the end does not take back a crash", async () => {
		const session = { apiKey: api.key, sessionId: "s_2", startedAt: "2026-01-31T09:30:00.000Z" };
		const begun = await bare.post("/analytics/session", { ...session, crashed: true, context });
		expect([begun.status, begun.body]).toEqual([201, { success: true }]);
		const ended = await bare.post("/analytics/session", {
			...session,
			endedAt: "2026-01-31T09:31:00.000Z",
			duration: 60_000,
		});
		expect([ended.status, ended.body]).toEqual([201, { success: true }]);
		expect(await newest("session.start")).toMatchObject({
			occurredAt: "2026-01-31T09:30:00.000Z",
			payload: { sessionId: "s_2", crashed: true },
			tags: context,
		});
		expect(await newest("session.end")).toMatchObject({
			occurredAt: "2026-01-31T09:31:00.000Z",
			value: 60_000,
			payload: { sessionId: "s_2", duration: 60_000 },
		});
		expect((await newest("session.end")).payload).not.toHaveProperty("crashed");
	});
});

describe("POST /analytics/screen-view", () => {
	it("stores a view", async () => {
		const got = await bare.post("/analytics/screen-view", {
			apiKey: api.key,
			screenName: "Checkout",
			loadTime: 120.5,
			timeSpent: null,
			context: "anything goes",
			unknown: "is passed over",
		});
		expect([got.status, got.body]).toEqual([201, { success: true }]);
		expect(await newest("screen.view")).toMatchObject({
			kind: "event",
			value: 120.5,
			payload: { screenName: "Checkout", loadTime: 120.5 },
			tags: {},
		});
	});
});

describe("POST /analytics/api-call", () => {
	it("stores a call", async () => {
		const call = { endpoint: "/orders", httpMethod: "GET", statusCode: 503, duration: 42 };
		const got = await bare.post("/analytics/api-call", { apiKey: api.key, ...call, payloadSize: 7 });
		expect([got.status, got.body]).toEqual([201, { success: true }]);
		expect(await newest("api.call")).toMatchObject({
			kind: "metric",
			value: 42,
			payload: { ...call, payloadSize: 7 },
		});
	});
});

describe("what is refused", () => {
	const cases: [string, Record<string, unknown>, number, RegExp][] = [
		["/analytics/crash", {}, 400, /errorName/],
		["/analytics/crash", { errorName: 1 }, 400, /errorName/],
		["/analytics/crash", { errorName: "E", errorMessage: "m", stackTrace: "s", isFatal: "yes" }, 400, /isFatal/],
		["/analytics/session", { sessionId: "s" }, 400, /startedAt/],
		["/analytics/session", { sessionId: "s", startedAt: "soon" }, 400, /startedAt/],
		["/analytics/session", { sessionId: "s", startedAt: "2026-01-31T09:30:00Z", endedAt: 7 }, 400, /endedAt/],
		["/analytics/screen-view", { screenName: "S", loadTime: "long" }, 400, /loadTime/],
		["/analytics/api-call", { endpoint: "/", httpMethod: "GET", statusCode: "200", duration: 1 }, 400, /statusCode/],
	];

	it.each(cases)("%s %o is %i", async (path, body, status, message) => {
		const got = await bare.post(path, { apiKey: api.key, ...body });
		expect(got.status).toBe(status);
		expect(got.body).toMatchObject({ success: false, message: expect.stringMatching(message) });
		expect(got.text).not.toContain(api.key);
	});

	it("a key that is unknown, or may not send, or is not there", async () => {
		const view = { screenName: "S" };
		for (const path of ["/analytics/screen-view", "/ingest"]) {
			const sent = { ...view, type: "event", name: "x", payload: {} };
			const unknown = await bare.post(path, { apiKey: "sk_nobody", ...sent });
			expect([unknown.status, unknown.body.success]).toEqual([401, false]);
			const reader = await api.post<{ key: string }>("/api-keys", {
				name: "reader",
				scopes: ["events:read"],
			});
			const refused = await bare.post(path, { apiKey: reader.body.key, ...sent });
			expect([refused.status, refused.body.success]).toEqual([403, false]);
			expect((await bare.post(path, sent)).status).toBe(400);
			expect((await bare.post(path, [])).status).toBe(400);
			expect((await bare.post(path, "{")).status).toBe(400);
		}
	});
});

describe("WS /realtime/:projectId", () => {
	const bearer = () => ({ authorization: `Bearer ${api.key}` });

	async function project(): Promise<string> {
		return (await api.get<{ id: string }>("/api/v1/projects/current")).body.id;
	}
	const send = (name: string) =>
		bare.post<{ data: Record<string, unknown> }>("/ingest", {
			apiKey: api.key,
			type: "error",
			name,
			payload: { n: 1 },
			timestamp: "2026-01-31T09:30:00.000Z",
		});

	it("says that it is connected, then shows each stored event as it is", async () => {
		const id = await project();
		const one = await Socket.open(server.url, `/realtime/${id}`, bearer());
		const two = await Socket.open(server.url, `/realtime/${id}`, bearer());
		for (const socket of [one, two]) {
			await socket.until((frames) => frames.length === 1);
			expect(socket.frames).toEqual([{ type: "connected", projectId: id }]);
		}
		await makeRule(api, { eventType: "live.one" });
		const first = (await send("live.one")).body.data;
		await two.until((frames) => frames.length === 2);
		// Who leaves takes nobody else along.
		two.close();
		const second = (await send("live.two")).body.data;
		await one.until((frames) => frames.length === 3);
		// No alert among them, though there was one.
		expect(one.frames.slice(1)).toEqual([first, second]);
		expect(first).toEqual({
			id: expect.stringMatching(/^evt_/),
			projectId: id,
			type: "error",
			name: "live.one",
			payload: { n: 1 },
			timestamp: "2026-01-31T09:30:00.000Z",
			receivedAt: expect.stringMatching(/Z$/),
		});
		one.close();
	});

	it("tells who may not, and closes", async () => {
		const id = await project();
		const ticket = (await api.post<{ ticket: string }>("/api/v1/stream/tickets")).body.ticket;
		const elsewhere = await tenant(server, "elsewhere");
		const cases: [string, Record<string, string>][] = [
			[`/realtime/${id}`, {}],
			[`/realtime/${id}`, { authorization: "Bearer sk_nobody" }],
			[`/realtime/${id}`, { authorization: `Bearer ${elsewhere.key}` }],
			["/realtime/prj_0000000000000", bearer()],
			["/realtime/nothing", bearer()],
		];
		for (const [path, headers] of cases) {
			const socket = await Socket.open(server.url, path, headers);
			expect(await socket.ended()).toBe(4401);
			expect(socket.frames).toEqual([{ success: false, message: expect.any(String) }]);
		}
		const byTicket = await Socket.open(server.url, `/realtime/${id}?ticket=${ticket}`);
		await byTicket.until((frames) => frames.length === 1);
		byTicket.close();
		expect((await api.get(`/realtime/${id}`)).status).toBe(426);
	});

	it("as a stream shows the same, to as many as watch, and goes on behind an id", async () => {
		const id = await project();
		const path = `/realtime/${id}/sse`;
		const one = await Sse.open(server.url, path, bearer());
		const two = await Sse.open(server.url, path, bearer());
		for (const sse of [one, two]) {
			await sse.until((frames) => frames.length === 1);
			expect(sse.frames[0]).toMatchObject({
				event: "message",
				data: { type: "connected", projectId: id },
			});
		}
		const first = (await send("sse.one")).body.data;
		for (const sse of [one, two]) await sse.until((frames) => frames.length === 2);
		expect(one.frames[1]!.data).toEqual(first);
		two.close();
		const missed = (await send("sse.two")).body.data;
		await one.until((frames) => frames.length === 3);
		const again = await Sse.open(server.url, path, { ...bearer(), "last-event-id": two.lastId });
		await again.until((frames) => frames.length === 2);
		expect(again.frames[1]!.data).toEqual(missed);
		for (const sse of [one, again]) sse.close();
		for (const [at, who, status] of [
			[path, new Api(server.url), 401],
			["/realtime/prj_0000000000000/sse", api, 404],
			[path, await tenant(server, "beyond"), 404],
		] as const) {
			const got = await who.get(at);
			expect([got.status, got.body.success]).toEqual([status, false]);
		}
	});
});

describe("GET, POST and DELETE /projects", () => {
	const ID = expect.stringMatching(/^prj_/) as string;
	const TIME = expect.stringMatching(/Z$/) as string;

	it("makes a project, shows its key once, counts its events, empties and deletes it", async () => {
		const person = await Person.signUp(server.url, "ana@example.com", { orgName: "Boards" });
		const own = person.api;
		const made = await own.post<{ data: { id: string; apiKey: string } }>("/projects", { name: "App", extra: 1 });
		expect(made.status).toBe(201);
		const shown = { id: ID, name: "App", apiKey: made.body.data.apiKey, userId: person.login.user.id };
		expect(made.body).toEqual({ success: true, data: { ...shown, createdAt: TIME, updatedAt: TIME } });
		expect(shown.apiKey).toMatch(/^sk_/);
		const id = made.body.data.id;
		for (let i = 0; i < 3; i++) {
			const sent = { apiKey: shown.apiKey, type: "event", name: "counted", payload: {} };
			expect((await bare.post("/ingest", sent)).status).toBe(201);
		}
		interface Shown {
			id: string;
			apiKey: string;
			_count: { events: number };
		}
		const list = await eventually(
			() => own.get<{ success: boolean; data: Shown[] }>("/projects"),
			(got) => got.body.data[0]!._count.events === 3,
		);
		// The newest first, besides the default one.
		expect(list.body).toEqual({
			success: true,
			data: [
				{ ...made.body.data, apiKey: `${shown.apiKey.slice(0, 12)}...`, _count: { events: 3 } },
				expect.objectContaining({ name: "Default", userId: null }),
			],
		});
		expect(list.text).not.toContain(shown.apiKey);
		const one = await own.get(`/projects/${id}`);
		expect(one.body).toEqual({ success: true, data: list.body.data[0] });
		const emptied = await own.delete(`/projects/${id}/events`);
		expect([emptied.status, emptied.body]).toEqual([200, { success: true, data: { deletedCount: 3 } }]);
		expect((await bare.get<{ data: unknown[] }>(`/events?apiKey=${shown.apiKey}`)).body.data).toEqual([]);
		const gone = await own.delete(`/projects/${id}`);
		expect([gone.status, gone.body]).toEqual([200, { success: true, message: expect.any(String) }]);
		for (const [method, path] of [
			["GET", `/projects/${id}`],
			["DELETE", `/projects/${id}`],
			["DELETE", `/projects/${id}/events`],
			["GET", "/projects/prj_0000000000000"],
		] as const) {
			const none = await own.call(method, path);
			expect([path, none.status, none.body.success]).toEqual([path, 404, false]);
		}
		expect((await bare.get(`/events?apiKey=${shown.apiKey}`)).status).toBe(401);
	});

	it("shows nobody what is somebody else's, and a key its own alone", async () => {
		const mine = await api.get<{ data: { id: string }[] }>("/projects");
		expect(mine.body.data).toHaveLength(1);
		const other = await tenant(server, "boarder");
		for (const path of [`/projects/${mine.body.data[0]!.id}`, `/projects/${mine.body.data[0]!.id}/events`]) {
			expect([path, (await other.call(path.endsWith("events") ? "DELETE" : "GET", path)).status]).toEqual([path, 404]);
		}
		const asKey = await api.post("/projects", { name: "By a key" });
		expect([asKey.status, asKey.body.success]).toEqual([403, false]);
		expect((await bare.get("/projects")).status).toBe(401);
	});
});
