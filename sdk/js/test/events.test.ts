// What an event says, whatever is put into it, and what it does not say.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Client, type SentEvent, version } from "../src/tocsin.ts";
import { Fake, pass } from "./fake.ts";

let fake: Fake;
let client: Client;

beforeEach(() => {
	vi.useFakeTimers({ now: new Date("2026-01-02T03:04:05.678Z") });
	fake = new Fake();
	client = fake.client();
});
afterEach(() => fake.end());

/** The events that were sent when all that waits is sent. */
async function sent(): Promise<SentEvent[]> {
	await client.flush();
	return fake.events;
}

describe("each call makes an event", () => {
	it("track", async () => {
		client.track("order.placed", {
			payload: { order: 7 },
			severity: "low",
			message: "one\nmore",
			fingerprint: "fp",
			tags: { region: "eu" },
		});
		expect(await sent()).toEqual([
			{
				type: "order.placed",
				severity: "low",
				message: "one\nmore",
				fingerprint: "fp",
				occurredAt: "2026-01-02T03:04:05.678Z",
				idempotencyKey: expect.stringMatching(/^[0-9a-f]{32}-1$/),
				tags: {
					sdk: { name: "tocsin-js", version },
					device: { platform: "node", os: process.platform },
					network: {},
					region: "eu",
				},
				payload: { order: 7 },
			},
		]);
	});

	it("metric", async () => {
		client.metric("cart.total", 12.5, { payload: { currency: "EUR" } });
		for (const bad of [NaN, Infinity, "7", undefined]) client.metric("cart.bad", bad as number);
		expect(await sent()).toMatchObject([
			{ type: "sdk.dropped", kind: "metric", value: 4, payload: { invalid: 4 } },
			{ type: "cart.total", kind: "metric", value: 12.5, payload: { currency: "EUR" } },
		]);
		expect(fake.troubles.map((t) => t.reason)).toEqual(Array(4).fill("invalid"));
	});

	it("captureError", async () => {
		const error = new TypeError("no such thing");
		client.captureError(error, { payload: { page: 3 } });
		const [event] = await sent();
		expect(event).toMatchObject({
			type: "error",
			kind: "error",
			severity: "high",
			message: "TypeError: no such thing",
			payload: { name: "TypeError", message: "no such thing", stack: error.stack, handled: true, page: 3 },
		});
		expect(event!.fingerprint).toMatch(/^TypeError \| at .*events\.test\.ts\)? \| /);
		expect(event!.fingerprint).not.toMatch(/:\d+/);
	});

	it("trackCrash, and its session has crashed", async () => {
		client.startSession();
		client.trackCrash(new RangeError("deep"));
		vi.advanceTimersByTime(1_500);
		client.endSession();
		expect(await sent()).toMatchObject([
			{ type: "session.start" },
			{ type: "crash", kind: "error", severity: "critical", payload: { isFatal: true, handled: false } },
			{ type: "session.end", value: 1_500, payload: { duration: 1_500, crashed: true } },
		]);
	});

	it("startSession, endSession: events between carry the id", async () => {
		const first = client.startSession();
		client.track("in");
		const second = client.startSession();
		client.endSession();
		client.endSession();
		client.track("out");
		const all = await sent();
		expect(first).toMatch(/^[0-9a-f]{32}$/);
		expect(second).not.toBe(first);
		const startedAt = "2026-01-02T03:04:05.678Z";
		expect(all.map((event) => [event.type, event.tags.session])).toEqual([
			["session.start", { id: first, startedAt }],
			["in", { id: first, startedAt }],
			["session.end", { id: first, startedAt }],
			["session.start", { id: second, startedAt }],
			["session.end", { id: second, startedAt }],
			["out", undefined],
		]);
	});

	it("trackScreen and trackApiCall", async () => {
		client.trackScreen("Home", { loadTime: 40, timeSpent: 900, payload: { tab: 1 } });
		client.trackScreen("Really?");
		client.trackApiCall({ endpoint: "/users", httpMethod: "GET", statusCode: 200, duration: 31, payloadSize: 9 });
		expect(await sent()).toMatchObject([
			{ type: "screen.view", value: 40, payload: { screenName: "Home", loadTime: 40, timeSpent: 900, tab: 1 } },
			{ type: "screen.view", payload: { screenName: "Really?" } },
			{
				type: "api.call",
				kind: "metric",
				value: 31,
				payload: { endpoint: "/users", httpMethod: "GET", statusCode: 200, duration: 31, payloadSize: 9 },
			},
		]);
	});

	it("at the time that is given, if there is such a time", async () => {
		client.track("a", { timestamp: new Date(0) });
		client.track("b", { timestamp: 86_400_000 });
		client.track("c", { timestamp: "2026-01-31T10:30:00.123+01:00" });
		client.track("d", { timestamp: "yesterday" });
		client.track("e", { timestamp: -1 });
		client.track("f", { timestamp: 8.64e15 });
		const now = "2026-01-02T03:04:05.678Z";
		expect((await sent()).map((event) => event.occurredAt)).toEqual([
			"1970-01-01T00:00:00.000Z",
			"1970-01-02T00:00:00.000Z",
			"2026-01-31T09:30:00.123Z",
			now,
			now,
			now,
		]);
	});
});

describe("the context", () => {
	it("is the app, the user that was named and the parts that were set, as they were at that moment", async () => {
		const device = { model: "P9" };
		client = fake.client({
			app: { name: "shop", appVersion: "1.2", buildNumber: "77", environment: "staging" },
			context: { device, network: { type: "wifi" } },
		});
		client.identify({ userId: "u1", plan: "pro" });
		client.track("one");
		device.model = "P10";
		client.identify("u2");
		client.setContext({ network: undefined, tenant: "t" });
		client.track("two");
		client.clearUser();
		client.track("three");
		const all = await sent();
		const app = { name: "shop", appVersion: "1.2", buildNumber: "77", environment: "staging" };
		expect(all[0]).toMatchObject({ source: "shop", environment: "staging" });
		expect(all.map(({ tags: { sdk: _, ...tags } }) => tags)).toEqual([
			{ app, device: { model: "P9" }, network: { type: "wifi" }, user: { userId: "u1", plan: "pro" } },
			{ app, device: { model: "P9" }, tenant: "t", user: { userId: "u2" } },
			{ app, device: { model: "P9" }, tenant: "t" },
		]);
	});

	it("says nothing about a person that nobody told it", async () => {
		vi.stubGlobal("document", { cookie: "id=secret", referrer: "https://secret.test/", title: "secret" });
		vi.stubGlobal("location", { href: "https://shop.test/?token=secret" });
		vi.stubGlobal("localStorage", { user: "secret" });
		vi.stubGlobal("navigator", {
			userAgent: "secret agent",
			language: "secret",
			userAgentData: { platform: "Linux" },
			connection: { effectiveType: "4g" },
		});
		client = fake.client();
		client.track("page");
		client.trackScreen("https://shop.test/cart?token=secret#secret");
		client.trackScreen("/cart?token=secret");
		client.trackApiCall({
			endpoint: "https://secret:secret@api.test/v1/users?token=secret",
			httpMethod: "GET",
			statusCode: 0,
			duration: 1,
		});
		const error = new Error("GET https://a:secret@api.test/x?token=secret failed");
		error.stack = "Error: x\n    at f (https://shop.test/app.js?key=secret:10:5)\n    at g (/srv/app.js:3:1)";
		client.captureError(error);
		const all = await sent();
		expect(JSON.stringify(all)).not.toContain("secret");
		expect(all.map((event) => event.payload.screenName ?? event.payload.endpoint ?? event.message)).toEqual([
			undefined,
			"https://shop.test/cart",
			"/cart",
			"https://api.test/v1/users",
			"Error: GET https://api.test/x failed",
		]);
		expect(all[4]!.payload.stack).toBe(
			"Error: x\n    at f (https://shop.test/app.js:10:5)\n    at g (/srv/app.js:3:1)",
		);
		expect(all[0]!.tags).toMatchObject({ device: { platform: "browser" }, network: { type: "4g" } });
	});
});

describe("whatever is put into it", () => {
	it("becomes JSON that the server takes", async () => {
		const circle: Record<string, unknown> = { n: 1 };
		circle.self = circle;
		const trap = Object.defineProperty({ ok: 1 }, "bad", {
			enumerable: true,
			get: () => {
				throw new Error("no");
			},
		});
		client.track("odd", {
			payload: {
				circle,
				trap,
				big: 12345678901234567890n,
				nan: NaN,
				fn: () => 1,
				sym: Symbol("x"),
				none: undefined,
				date: new Date(0),
				error: new TypeError("t"),
				list: [undefined, () => 1, "\ud800x\udc00", "🔔"],
				["__proto__"]: { polluted: 1 },
				["k\udfff"]: 1,
				url: new URL("https://a.test/"),
				sameTwice: [trap, trap],
			},
		});
		const [event] = await sent();
		expect(event!.payload).toEqual({
			circle: { n: 1, self: "(circular)" },
			trap: { ok: 1, bad: "(unreadable)" },
			big: "12345678901234567890",
			nan: "NaN",
			date: "1970-01-01T00:00:00.000Z",
			error: { name: "TypeError", message: "t" },
			list: [null, null, "\ufffdx\ufffd", "🔔"],
			["__proto__"]: { polluted: 1 },
			["k\ufffd"]: 1,
			url: "https://a.test/",
			sameTwice: [
				{ ok: 1, bad: "(unreadable)" },
				{ ok: 1, bad: "(unreadable)" },
			],
		});
		expect(fake.troubles).toEqual([]);
	});

	it("is cut where it is too deep, and where there is too much of it", async () => {
		let deep: unknown = "end";
		for (let i = 0; i < 100; i++) deep = [deep];
		const wide = Array.from({ length: 300 }, () => Array.from({ length: 300 }, () => 1));
		client.track("deep", { payload: { deep } });
		client.track("wide", { payload: { wide } });
		const [first, second] = await sent();
		expect(JSON.stringify(first!.payload).match(/\[/g)!.length).toBeLessThan(28);
		expect(JSON.stringify(first!.payload)).toContain("(cut)");
		const ones = (second!.payload.wide as unknown[]).flat().filter((item) => item === 1).length;
		expect(ones).toBeGreaterThan(9_000);
		expect(ones).toBeLessThanOrEqual(10_000);
	});

	it("anything thrown is an error", async () => {
		const hostile = new Proxy(
			{},
			{
				get: () => {
					throw new Error("no");
				},
			},
		);
		for (const thrown of ["text", 7, null, undefined, { message: "like one" }, hostile]) client.captureError(thrown);
		expect((await sent()).map((event) => event.message)).toEqual([
			"Error: text",
			"Error: 7",
			"Error: null",
			"Error: undefined",
			"Error: like one",
			"Error: ",
		]);
	});

	it("texts are cut at the server's limits, between characters", async () => {
		client = fake.client({ app: { name: "s".repeat(300), environment: "é".repeat(80) } });
		client.track("🔔".repeat(100), { message: "m\u0000".repeat(9_000), fingerprint: "ü".repeat(400) });
		const [event] = await sent();
		expect(event!.type).toBe("🔔".repeat(63));
		expect(event!.source).toBe("s".repeat(255));
		expect(event!.environment).toBe("é".repeat(50));
		expect(event!.message).toBe("m ".repeat(4_096));
		expect(event!.fingerprint).toBe("ü".repeat(250));
	});

	it("what cannot be sent is told and counted, and harms nothing else", async () => {
		client.track("");
		client.track(undefined as unknown as string);
		client.track("huge", { payload: { text: "x".repeat(300_000) } });
		client.track("huge too", { payload: { a: "ü".repeat(70_000), b: "ü".repeat(70_000) } });
		client.track("null", null as unknown as undefined);
		client.trackApiCall(undefined as never);
		client.setContext(null as never);
		client.track("good");
		const all = await sent();
		expect(fake.troubles.map((t) => t.reason)).toEqual([
			"invalid",
			"invalid",
			"invalid",
			"invalid",
			"internal",
			"internal",
			"internal",
		]);
		expect(fake.troubles[2]!.message).toBe('event "huge" is too large');
		expect(all).toMatchObject([{ type: "sdk.dropped", value: 4 }, { type: "good" }]);
	});
});

describe("nothing gets out", () => {
	it("of a hook that throws", async () => {
		client = fake.client({
			onError: () => {
				throw new Error("hook");
			},
		});
		client.track("");
		client.metric("m", NaN);
		await client.flush();
	});

	it("of options that cannot work", async () => {
		const hopeless: unknown[] = [
			undefined,
			null,
			{},
			{ apiKey: "k", host: "ftp://x" },
			{ apiKey: "a b", host: "https://x" },
			{ apiKey: "k\r\nX: y", host: "https://x" },
			{ apiKey: 7, host: "https://x" },
		];
		for (const options of hopeless) {
			const seen: string[] = [];
			const onError = (trouble: { reason: string }) => seen.push(trouble.reason);
			const given = options === undefined || options === null ? options : { onError, fetch: fake.fetch, ...options };
			const dead = new Client(given as never);
			dead.track("x");
			dead.captureError(new Error("x"));
			await dead.flush();
			if (given) expect(seen).toEqual(["invalid"]);
		}
		await pass(100_000);
		expect(fake.calls).toEqual([]);
	});

	it("of a fetch that throws at once", async () => {
		client = fake.client({
			fetch: () => {
				throw new Error("at once");
			},
		});
		client.track("x");
		await client.flush();
		expect(client.pending).toBe(1);
	});
});
