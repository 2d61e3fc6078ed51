// What the platform does with a program: pages that go away, networks that come and go, errors that nobody caught.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Client } from "../src/tocsin.ts";
import { type Call, Emitter, Fake, pass, problem, type Reply, stored } from "./fake.ts";

let fake: Fake;
let page: Emitter;
let doc: Emitter & { visibilityState: string };
let navigator: { onLine: boolean };

/** A page with as much of a browser as is used. */
function browser(): void {
	page = new Emitter();
	doc = Object.assign(new Emitter(), { visibilityState: "visible" });
	navigator = { onLine: true };
	vi.stubGlobal("addEventListener", page.addEventListener);
	vi.stubGlobal("removeEventListener", page.removeEventListener);
	vi.stubGlobal("document", doc);
	vi.stubGlobal("navigator", navigator);
}

function hide(): void {
	doc.visibilityState = "hidden";
	doc.emit("visibilitychange");
}

const bytes = (call: Call) => new TextEncoder().encode(call.init.body).length;

beforeEach(() => {
	vi.useFakeTimers();
	vi.spyOn(Math, "random").mockReturnValue(0.5);
	fake = new Fake();
	browser();
});
afterEach(() => fake.end());

describe("a page that goes away", () => {
	it("sends what waits so that it outlives the page", async () => {
		const client = fake.client();
		client.track("a");
		hide();
		expect(fake.types).toEqual([["a"]]);
		expect(fake.calls[0]!.init.keepalive).toBe(true);
		// And what is added while it goes, but nothing twice.
		client.track("b");
		page.emit("pagehide");
		page.emit("pagehide");
		expect(fake.types).toEqual([["a"], ["b"]]);
		await pass();
		expect(client.pending).toBe(0);
	});

	it("takes what is under way along, with the same keys", async () => {
		const client = fake.client();
		fake.script = (call, n) => (n === 0 ? new Promise<Reply>(() => undefined) : stored(call));
		client.captureError(new Error("just now"));
		client.track("after");
		expect(fake.types).toEqual([["error"]]);
		hide();
		expect(fake.types).toEqual([["error"], ["error", "after"]]);
		expect(fake.calls[0]!.signal!.aborted).toBe(true);
		expect(fake.calls[1]!.events[0]!.idempotencyKey).toBe(fake.calls[0]!.events[0]!.idempotencyKey);
		await pass(100_000);
		expect([fake.calls.length, client.pending]).toEqual([2, 0]);
	});

	it("sends no more at once than browsers let it, the rest if it stays", async () => {
		const client = fake.client();
		const hold = (call: Call) => new Promise<Reply>((resolve) => setTimeout(() => resolve(stored(call)), 10));
		fake.script = hold;
		client.track("large", { payload: { text: "x".repeat(100_000) } });
		for (let i = 0; i < 40; i++) client.track(`e${i}`, { payload: { text: "ü".repeat(1_000) } });
		hide();
		page.emit("pagehide");
		const atOnce = fake.calls.filter((call) => call.at === 0);
		const total = atOnce.reduce((sum, call) => sum + bytes(call), 0);
		expect(total).toBeLessThanOrEqual(60 * 1024);
		expect(total).toBeGreaterThan(55 * 1024);
		expect(atOnce.every((call) => call.init.keepalive)).toBe(true);
		expect(fake.types.flat()).not.toContain("large");
		await pass(20_000);
		expect(fake.calls.slice(atOnce.length).every((call) => !call.init.keepalive)).toBe(true);
		expect([client.pending, fake.keys.size]).toEqual([0, 41]);
	});

	it("does not come back at a server that asked for quiet", async () => {
		const client = fake.client();
		fake.script = () => problem(429, "rate_limited", { "Retry-After": "60" });
		client.track("a");
		await client.flush();
		hide();
		page.emit("pagehide");
		expect(fake.calls).toHaveLength(1);
	});

	it("does nothing when it is shown again", async () => {
		const client = fake.client();
		client.track("a");
		doc.emit("visibilitychange");
		expect(fake.calls).toEqual([]);
	});
});

describe("without a network", () => {
	it("events wait until there is one", async () => {
		const client = fake.client();
		navigator.onLine = false;
		for (let i = 0; i < 250; i++) client.track(`e${i}`);
		client.captureError(new Error("x"));
		await client.flush();
		hide();
		await pass(600_000);
		expect(fake.calls).toEqual([]);
		navigator.onLine = true;
		page.emit("online");
		await pass();
		expect(fake.events).toHaveLength(251);
		expect(client.pending).toBe(0);
	});

	it("that was not known to be gone, a return ends the wait at once", async () => {
		const client = fake.client();
		fake.script = () => "broken";
		client.track("a");
		await pass(100_000);
		fake.script = stored;
		page.emit("online");
		await pass();
		expect(client.pending).toBe(0);
	});

	it("a return is no reason to come earlier than the server asked", async () => {
		const client = fake.client();
		fake.script = () => problem(503, "overloaded", { "Retry-After": "30" });
		client.track("a");
		await client.flush();
		page.emit("online");
		await pass(29_000);
		expect(fake.calls).toHaveLength(1);
	});
});

describe("errors that nobody caught", () => {
	it("are sent from a page", async () => {
		const client = fake.client({ autoCapture: true });
		const error = new TypeError("thrown");
		page.emit("error", { error, message: "Uncaught TypeError: thrown" });
		page.emit("error", { error: null, message: "Script error." });
		page.emit("unhandledrejection", { reason: "rejected" });
		// Once in a handler of the page and once in ours, and told before it was thrown on.
		page.emit("error", { error });
		const told = new Error("told");
		client.captureError(told);
		page.emit("error", { error: told });
		await client.flush();
		expect(fake.events.map((event) => [event.type, event.message, event.payload.handled])).toEqual([
			["error", "TypeError: thrown", false],
			["error", "Error: Script error.", false],
			["error", "Error: rejected", false],
			["error", "Error: told", true],
		]);
		await client.destroy();
		expect([page.count, doc.count]).toEqual([0, 0]);
	});

	it("are not, when that is not wanted", async () => {
		const client = fake.client();
		page.emit("error", { error: new Error("x") });
		await client.flush();
		expect(fake.events).toEqual([]);
	});

	it("go through React Native's handler, which is still called", async () => {
		const seen: unknown[] = [];
		let handler = (error: unknown, isFatal?: boolean) => void seen.push([error, isFatal]);
		vi.stubGlobal("ErrorUtils", {
			getGlobalHandler: () => handler,
			setGlobalHandler: (next: typeof handler) => (handler = next),
		});
		vi.stubGlobal("document", undefined);
		vi.stubGlobal("navigator", { product: "ReactNative" });
		const client = fake.client({ autoCapture: true });
		const [fatal, soft, late] = [new Error("fatal"), new Error("soft"), new Error("late")];
		handler(fatal, true);
		handler(soft, false);
		await client.destroy();
		handler(late, true);
		expect(seen).toEqual([
			[fatal, true],
			[soft, false],
			[late, true],
		]);
		expect(fake.events.map((event) => [event.type, event.payload.message])).toEqual([
			["crash", "fatal"],
			["error", "soft"],
		]);
		expect(fake.events[0]!.tags.device).toMatchObject({ platform: "react-native" });
	});
});

describe("the functions of the module", () => {
	it("speak to the client that init made last, and do nothing without one", async () => {
		const tocsin = await import("../src/tocsin.ts");
		tocsin.track("nobody");
		tocsin.captureError(new Error("nobody"));
		expect(tocsin.startSession()).toBe("");
		await tocsin.flush();
		const options = { apiKey: "sk_1", host: "https://one.test", autoCapture: false, fetch: fake.fetch };
		const first: Client = tocsin.init(options);
		tocsin.track("to one");
		tocsin.init({ ...options, host: "https://two.test" });
		tocsin.identify("u");
		tocsin.setContext({ device: { model: "m" } });
		tocsin.track("to two");
		tocsin.metric("m", 1);
		tocsin.clearUser();
		tocsin.startSession();
		tocsin.trackScreen("s");
		tocsin.trackApiCall({ endpoint: "/", httpMethod: "GET", statusCode: 200, duration: 1 });
		tocsin.endSession();
		tocsin.trackCrash(new Error("c"));
		tocsin.captureError(new Error("e"));
		await tocsin.flush();
		await tocsin.destroy();
		tocsin.track("nobody");
		await tocsin.destroy();
		expect(first.pending).toBe(0);
		const by = (url: string) => fake.calls.filter((c) => c.url.startsWith(url)).flatMap((c) => c.events);
		expect(by("https://one.test").map((event) => event.type)).toEqual(["to one"]);
		expect(by("https://two.test").map((event) => event.type)).toEqual([
			"to two",
			"m",
			"session.start",
			"screen.view",
			"api.call",
			"session.end",
			"crash",
			"error",
		]);
		expect(by("https://two.test")[0]!.tags).toMatchObject({ user: { userId: "u" }, device: { model: "m" } });
		expect(by("https://two.test")[2]!.tags.user).toBeUndefined();
	});
});
