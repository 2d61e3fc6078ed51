// When events are sent, together with which, and what becomes of them when the server says no.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Call, Fake, judged, pass, problem, type Reply, stored } from "./fake.ts";

let fake: Fake;

beforeEach(() => {
	vi.useFakeTimers();
	// In the middle of the range: what is left to chance is the same each time.
	vi.spyOn(Math, "random").mockReturnValue(0.5);
	fake = new Fake();
});
afterEach(() => fake.end());

describe("batches", () => {
	it("go as one request after the interval, to the right place, with nothing of the page", async () => {
		const client = fake.client({ host: "https://tocsin.test/base//", flushInterval: 2_000 });
		client.track("a");
		await pass(1_500);
		client.track("b");
		await pass(499);
		expect(fake.calls).toEqual([]);
		await pass(1);
		expect(fake.types).toEqual([["a", "b"]]);
		const { url, init } = fake.calls[0]!;
		expect(url).toBe("https://tocsin.test/base/api/v1/events");
		expect(init).toMatchObject({
			method: "POST",
			headers: { "Content-Type": "application/json", Authorization: "Bearer sk_test" },
			keepalive: false,
			credentials: "omit",
			referrerPolicy: "no-referrer",
			redirect: "error",
		});
		await pass(60_000);
		expect(fake.calls).toHaveLength(1);
		client.track("c");
		await pass(2_000);
		expect(fake.types).toEqual([["a", "b"], ["c"]]);
		expect(client.pending).toBe(0);
	});

	it("go at once when they are full, one after the other", async () => {
		const client = fake.client({ maxBatchSize: 3 });
		let running = 0;
		fake.script = async (call) => {
			expect(++running).toBe(1);
			await new Promise((resolve) => setTimeout(resolve, 10));
			running--;
			return stored(call);
		};
		for (let i = 0; i < 8; i++) client.track(`e${i}`);
		await pass(25);
		const full = [
			["e0", "e1", "e2"],
			["e3", "e4", "e5"],
		];
		expect(fake.types).toEqual(full);
		await pass(5_020);
		expect(fake.types).toEqual([...full, ["e6", "e7"]]);
	});

	it("are at most as many bytes as they may be, but one event alone may be more", async () => {
		const client = fake.client({ maxBatchBytes: 2_000 });
		for (const length of [600, 600, 600, 5_000, 600]) client.track("e", { payload: { text: "ü".repeat(length / 2) } });
		await client.flush();
		const sizes = fake.calls.map((call) => new TextEncoder().encode(call.init.body).length);
		expect(fake.calls.map((call) => call.events.length)).toEqual([2, 1, 1, 1]);
		expect(sizes.map((size) => size > 2_000)).toEqual([false, false, true, false]);
	});

	it("with an error go at once, but not more often than once a second", async () => {
		const client = fake.client();
		client.track("before");
		client.captureError(new Error("first"));
		expect(fake.types).toEqual([["before", "error"]]);
		for (let i = 0; i < 50; i++) {
			client.captureError(new Error(`${i}`));
			await pass(10);
		}
		expect(fake.calls.map((call) => [call.at, call.events.length])).toEqual([[0, 2]]);
		await pass(500);
		expect(fake.calls.map((call) => [call.at, call.events.length])).toEqual([
			[0, 2],
			[1_000, 50],
		]);
	});

	it("are awaited by flush, but not what is added meanwhile", async () => {
		const client = fake.client({ maxBatchSize: 2 });
		let done = false;
		fake.script = async (call, n) => {
			await new Promise((resolve) => setTimeout(resolve, 100));
			if (n === 0) client.track("late");
			return stored(call);
		};
		for (const type of ["a", "b", "c"]) client.track(type);
		void client.flush().then(() => (done = true));
		await pass(199);
		expect([done, fake.types]).toEqual([false, [["a", "b"], ["c", "late"]]]);
		await pass(1);
		expect(done).toBe(true);
		client.track("d");
		done = false;
		void client.flush().then(() => (done = true));
		client.track("e");
		await pass(100);
		expect([done, client.pending]).toEqual([true, 1]);
		await pass(5_100);
		expect(fake.types.slice(2)).toEqual([["d"], ["e"]]);
	});
});

describe("the queue", () => {
	it("drops the oldest, and the next batch says how many", async () => {
		const client = fake.client({ maxQueueSize: 5 });
		for (let i = 0; i < 12; i++) client.track(`e${i}`);
		await client.flush();
		expect(fake.types).toEqual([["sdk.dropped", "e7", "e8", "e9", "e10", "e11"]]);
		expect(fake.events[0]).toMatchObject({ kind: "metric", value: 7, payload: { overflow: 7 } });
		client.track("next");
		await client.flush();
		expect(fake.types[1]).toEqual(["next"]);
	});

	it("is bounded in bytes, too", async () => {
		const client = fake.client({ maxBatchSize: 5_000, maxBatchBytes: 10_000_000 });
		for (let i = 0; i < 20; i++) client.track(`e${i}`, { payload: { text: "x".repeat(240_000) } });
		await client.flush();
		const bytes = fake.calls.reduce((sum, call) => sum + call.init.body.length, 0);
		expect(bytes).toBeLessThan(4.1 * 1024 * 1024);
		expect(bytes).toBeGreaterThan(3.8 * 1024 * 1024);
		expect(fake.events[0]).toMatchObject({ type: "sdk.dropped", value: 20 - (fake.events.length - 1) });
		expect(fake.events.at(-1)!.type).toBe("e19");
	});

	it("loses no count when the word of it gets lost", async () => {
		const client = fake.client({ maxQueueSize: 3, maxBatchSize: 10 });
		fake.script = () => "broken";
		for (let i = 0; i < 5; i++) client.track(`a${i}`);
		await client.flush();
		expect(fake.types[0]).toEqual(["sdk.dropped", "a2", "a3", "a4"]);
		// That request came to nothing, and its entries give way to newer ones.
		for (let i = 0; i < 3; i++) client.track(`b${i}`);
		fake.script = stored;
		await client.flush();
		expect(fake.types[1]).toEqual(["sdk.dropped", "b0", "b1", "b2"]);
		expect(fake.calls[1]!.events[0]).toMatchObject({ value: 5, payload: { overflow: 5 } });
	});
});

describe("a server that cannot", () => {
	it("is asked again after longer and longer times, with the same bytes", async () => {
		const client = fake.client({ flushInterval: 0 });
		fake.script = () => "broken";
		client.track("a");
		await pass(200_000);
		// 1, 2, 4 .. 60 s, by chance 0.75 of it.
		const waits = fake.calls.slice(1).map((call, i) => call.at - fake.calls[i]!.at);
		expect(waits).toEqual([750, 1_500, 3_000, 6_000, 12_000, 24_000, 45_000, 45_000, 45_000]);
		fake.script = stored;
		await pass(45_000);
		expect(new Set(fake.calls.map((call) => call.init.body)).size).toBe(1);
		expect(client.pending).toBe(0);
		expect(fake.troubles).toEqual([]);
		// Afterwards all is as if nothing had been.
		fake.script = () => "broken";
		client.track("b");
		await pass(1_000);
		expect(fake.calls.at(-1)!.at - fake.calls.at(-2)!.at).toBe(750);
	});

	it.each<[string, Reply]>([
		["429", problem(429, "rate_limited")],
		["500", problem(500, "internal")],
		["502 of a gateway", { status: 502, body: "<html>" }],
		["503", problem(503, "overloaded")],
		["504", problem(504, "upstream_timeout")],
		["507", problem(507, "disk_full")],
		["408", problem(408, "timeout")],
		["404 before it is there", problem(404, "not_found")],
		["200 of something else", { status: 200, body: "<html>welcome" }],
		["200 without verdicts", { status: 200, body: { ok: true } }],
		["302", { status: 302, body: "" }],
	])("keeps what it was sent: %s", async (_, reply) => {
		const client = fake.client();
		fake.script = (call, n) => (n === 0 ? reply : stored(call));
		client.track("a");
		client.track("b");
		await client.flush();
		expect(client.pending).toBe(2);
		await pass(749);
		expect(fake.calls).toHaveLength(1);
		await pass(1);
		expect(fake.calls[1]!.init.body).toBe(fake.calls[0]!.init.body);
		expect(client.pending).toBe(0);
		expect(fake.troubles).toEqual([]);
	});

	it.each<[string, string, number]>([
		["seconds", "7", 7_000],
		["a date", "Fri, 02 Jan 2026 00:00:30 GMT", 30_000],
		["a date of the past", "Thu, 01 Jan 2026 00:00:00 GMT", 714],
		["nonsense", "soon", 714],
		["a year", "31536000", 3_600_000],
	])("is left alone for as long as it says: Retry-After is %s", async (_, header, ms) => {
		vi.setSystemTime(new Date("2026-01-02T00:00:00Z"));
		fake = new Fake();
		const client = fake.client();
		fake.script = (call, n) => (n === 0 ? problem(503, "overloaded", { "Retry-After": header }) : stored(call));
		client.track("a");
		await client.flush();
		// A flush, an error and a full batch are no reason to come earlier.
		const isAsked = ms > 714;
		if (isAsked) {
			await client.flush();
			client.captureError(new Error("urgent"));
			for (let i = 0; i < 200; i++) client.track("more");
		}
		await pass(ms - 1);
		expect(fake.calls).toHaveLength(1);
		// Up to a tenth later, so that not all come at once.
		await pass(ms * 0.05 + 50);
		expect(fake.calls.length).toBeGreaterThan(1);
		expect(client.pending).toBe(0);
	});

	it("that hangs is given up, and asked again", async () => {
		const client = fake.client({ requestTimeout: 4_000 });
		const hang = new Promise<Reply>(() => undefined);
		fake.script = (call, n) => (n === 0 ? hang : stored(call));
		client.track("a");
		void client.flush();
		await pass(3_999);
		expect([fake.calls.length, fake.calls[0]!.signal!.aborted]).toEqual([1, false]);
		await pass(1);
		expect(fake.calls[0]!.signal!.aborted).toBe(true);
		await pass(750);
		expect(fake.calls).toHaveLength(2);
		expect(client.pending).toBe(0);
	});

	it("keeps only what it says that it kept", async () => {
		const client = fake.client();
		fake.script = (call, n) => {
			if (n === 0) return judged(call, { 1: "disk_full", 2: "invalid" });
			if (n === 1) return { body: { data: [] } };
			return stored(call);
		};
		for (const type of ["a", "b", "c"]) client.track(type);
		await pass(5_000);
		await pass(750);
		await pass(1_500);
		// What is said again has the key that it had.
		expect(fake.types.map((types) => types.filter((type) => type !== "sdk.dropped"))).toEqual([
			["a", "b", "c"],
			["b"],
			["b"],
		]);
		expect(new Set(fake.events.filter((e) => e.type === "b").map((e) => e.idempotencyKey)).size).toBe(1);
		expect(fake.troubles).toMatchObject([
			{ reason: "refused", status: 200, code: "invalid", event: { type: "c" } },
		]);
		expect(fake.events.find((e) => e.type === "sdk.dropped")).toMatchObject({ payload: { refused: 1 } });
	});
});

describe("a server that will not", () => {
	it("take one event: it is dropped and told, the others are stored", async () => {
		const client = fake.client();
		fake.script = (call) => judged(call, { 1: "invalid", 3: "idempotency_conflict", 4: "LIMIT_EXCEEDED" });
		for (let i = 0; i < 5; i++) client.track(`e${i}`);
		await client.flush();
		expect(client.pending).toBe(0);
		expect(fake.calls).toHaveLength(1);
		expect(fake.troubles.map((t) => [t.reason, t.code, t.event!.type])).toEqual([
			["refused", "invalid", "e1"],
			["refused", "idempotency_conflict", "e3"],
			["refused", "LIMIT_EXCEEDED", "e4"],
		]);
	});

	it("take a body: the event that is at fault is found, and all others are stored", async () => {
		const client = fake.client();
		const kept = new Set<string>();
		fake.script = (call) => {
			if (call.events.some((event) => event.type === "bad")) return problem(400, "malformed");
			for (const event of call.events) kept.add(event.type);
			return stored(call);
		};
		for (let i = 0; i < 20; i++) client.track(i === 13 ? "bad" : `e${i}`);
		await client.flush();
		await pass(10_000);
		const good = Array.from({ length: 20 }, (_, i) => `e${i}`).filter((type) => type !== "e13");
		expect([...kept].sort()).toEqual([...good, "sdk.dropped"].sort());
		expect(fake.troubles).toMatchObject([{ reason: "refused", status: 400, code: "malformed", event: { type: "bad" } }]);
		expect(fake.calls.length).toBeLessThan(20);
	});

	it("take so much: batches become smaller until they fit, and stay so", async () => {
		const client = fake.client({ flushInterval: 1_000 });
		const small = (call: Call) => call.init.body.length <= 3_000;
		fake.script = (call) => (small(call) ? stored(call) : problem(413, "too_large"));
		for (let i = 0; i < 40; i++) client.track(`e${i}`);
		await client.flush();
		expect(client.pending).toBe(0);
		expect(fake.calls.filter(small).flatMap((call) => call.events.map((e) => e.type))).toEqual(
			Array.from({ length: 40 }, (_, i) => `e${i}`),
		);
		const before = fake.calls.length;
		for (let i = 0; i < 40; i++) client.track(`f${i}`);
		await client.flush();
		expect(fake.calls.slice(before).every(small)).toBe(true);
		client.track("large", { payload: { text: "x".repeat(5_000) } });
		client.track("small");
		await client.flush();
		await pass(10_000);
		expect(fake.troubles).toMatchObject([{ status: 413, event: { type: "large" } }]);
		expect(client.pending).toBe(0);
	});

	it.each([401, 403])("know the key: %i ends it all", async (status) => {
		const client = fake.client({ flushInterval: 100 });
		fake.script = () => problem(status, "unauthorized");
		client.track("a");
		client.track("b");
		await client.flush();
		for (let i = 0; i < 200; i++) client.track("c");
		client.captureError(new Error("x"));
		await client.flush();
		await pass(1_000_000);
		expect(fake.calls).toHaveLength(1);
		expect(client.pending).toBe(0);
		expect(fake.troubles).toMatchObject([{ reason: "stopped", status, code: "unauthorized" }]);
		expect(fake.troubles[0]!.message).toContain("2 events are lost");
		expect(vi.getTimerCount()).toBe(0);
	});

	it("take anything, as the plan is used up: what it refused is gone, and it is asked more and more rarely", async () => {
		const client = fake.client({ flushInterval: 10 });
		fake.script = () => problem(402, "LIMIT_EXCEEDED");
		const tick = setInterval(() => client.track("a"), 1_000);
		await pass(300_000);
		clearInterval(tick);
		expect(fake.calls.length).toBeLessThan(15);
		expect(fake.troubles.length).toBeGreaterThan(100);
		expect(new Set(fake.troubles.map((t) => t.code))).toEqual(new Set(["LIMIT_EXCEEDED"]));
	});
});

describe("destroy", () => {
	it("sends what waits, then nothing more, and leaves nothing behind", async () => {
		const before = [process.listenerCount("beforeExit"), process.listenerCount("uncaughtException")];
		const client = fake.client({ autoCapture: true, maxBatchSize: 2 });
		for (let i = 0; i < 5; i++) client.track(`e${i}`);
		await client.destroy();
		client.track("late");
		client.captureError(new Error("late"));
		client.startSession();
		await client.destroy();
		await pass(100_000);
		expect(fake.types.flat()).toEqual(["e0", "e1", "e2", "e3", "e4"]);
		expect(vi.getTimerCount()).toBe(0);
		expect([process.listenerCount("beforeExit"), process.listenerCount("uncaughtException")]).toEqual(before);
	});

	it("tries once, and does not wait for a server that is not there", async () => {
		const client = fake.client();
		fake.script = () => "broken";
		client.track("a");
		await client.destroy();
		await pass(100_000);
		expect(fake.calls).toHaveLength(1);
		expect([client.pending, vi.getTimerCount()]).toEqual([0, 0]);
	});
});
