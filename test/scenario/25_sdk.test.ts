// The client for JavaScript in Node, against the real server: whatever happens on the way, what was
// said is stored once, or said to be lost.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Api, eventually } from "../harness/api.ts";
import { Gate } from "../harness/gate.ts";
import { type Event, listAll } from "../harness/model.ts";
import { type Client, Sdk, type Trouble } from "../harness/sdk.ts";
import { Server } from "../harness/server.ts";

let sdk: Sdk;
let tocsin: Awaited<ReturnType<Sdk["load"]>>;
let server: Server;
let api: Api;
let gate: Gate;
let clients: Client[];
let troubles: Trouble[];

beforeAll(async () => {
	sdk = new Sdk();
	tocsin = await sdk.load();
	server = await Server.start();
	api = await Api.bootstrap(server.url);
});
afterAll(async () => {
	await server?.stop();
	sdk?.remove();
});
beforeEach(async () => {
	gate = await Gate.start(() => server.url);
	clients = [];
	troubles = [];
});
afterEach(async () => {
	await Promise.all(clients.map((client) => client.destroy()));
	await gate.stop();
});

/** A client that goes through the gate. */
function connect(options: Record<string, unknown> = {}): Client {
	const client = new tocsin.Client({
		apiKey: api.key!,
		host: gate.url,
		autoCapture: false,
		flushInterval: 10,
		onError: (trouble) => troubles.push(trouble),
		...options,
	});
	clients.push(client);
	return client;
}

/** Until nothing waits any more, without the waits that are meant for real outages. */
async function sent(client: Client): Promise<void> {
	await eventually(
		async () => {
			await client.flush();
			return client.pending;
		},
		(pending) => pending === 0,
		60_000,
	);
}

async function stored(type: string): Promise<Event[]> {
	return (await listAll<Event>(api, `/api/v1/events?type=${type}`)).reverse();
}

/** The numbers that events of a type carry, in the order in which they were stored. */
async function numbers(type: string): Promise<number[]> {
	return (await stored(type)).map((event) => event.payload.n as number);
}

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i);
const sorted = (list: number[]) => [...list].sort((a, b) => a - b);

describe("what is said", () => {
	it("arrives as the page of the client says", async () => {
		const app = { name: "shop", appVersion: "1.2", environment: "staging" };
		const client = connect({ app, context: { device: { model: "P9" } } });
		client.identify("u1");
		const session = client.startSession();
		client.track("sdk.order", { payload: { n: 1 }, tags: { region: "eu" }, severity: "low", message: "a\nb" });
		client.metric("sdk.total", 99.5);
		client.captureError(new TypeError("no"), { type: "sdk.error" });
		client.trackCrash(new RangeError("deep"));
		client.trackScreen("Home", { loadTime: 40 });
		client.trackApiCall({ endpoint: "/u?x=1", httpMethod: "GET", statusCode: 200, duration: 31, payloadSize: 9 });
		client.endSession();
		await sent(client);
		expect(troubles).toEqual([]);
		const all = (await listAll<Event>(api, "/api/v1/events")).reverse();
		expect(all.map(({ type, kind, value, severity }) => [type, kind, value, severity])).toEqual([
			["session.start", "event", null, null],
			["sdk.order", "event", null, "low"],
			["sdk.total", "metric", 99.5, null],
			["sdk.error", "error", null, "high"],
			["crash", "error", null, "critical"],
			["screen.view", "event", 40, null],
			["api.call", "metric", 31, null],
			["session.end", "event", expect.any(Number), null],
		]);
		for (const event of all) {
			expect(event).toMatchObject({ source: "shop", environment: "staging" });
			expect(event.tags).toMatchObject({ app, user: { userId: "u1" }, session: { id: session } });
		}
		expect(all[1]).toMatchObject({ message: "a\nb", payload: { n: 1 }, tags: { region: "eu" } });
		expect(all[3]!.fingerprint).toMatch(/^TypeError \| at /);
		expect(all[6]!.payload.endpoint).toBe("/u");
	});

	it("is taken by the server, whatever was put into it", async () => {
		const client = connect({ app: { name: "\u0007".repeat(300), environment: "\ud800".repeat(200) } });
		let deep: unknown = 1;
		for (let i = 0; i < 200; i++) deep = i % 2 === 0 ? [deep] : { deep };
		const payloads: Record<string, unknown>[] = [
			{ deep },
			{ text: "x".repeat(240_000) },
			{ text: "\u0000\u0001\u007f\u2028\ud800 \udc00 🔔" },
			{ list: new Array(100_000).fill({ a: 1 }) },
			{ numbers: [1e308, -0, 1e-320, Number.MAX_SAFE_INTEGER, NaN, Infinity, 10n ** 40n] },
			{ ["k\ud800\u0000"]: 1, "": 2, ["__proto__"]: 3 },
		];
		payloads.forEach((payload, n) => {
			client.track("sdk.hostile", { payload, message: `\u0000${"é".repeat(9_000)}`, fingerprint: "\ud83d".repeat(900) });
			client.track("sdk.beside", { payload: { n } });
		});
		client.track(`sdk.${"🔔".repeat(200)}`);
		client.captureError(Object.assign(new Error("\ud800"), { stack: "\u0000".repeat(50_000) }), { type: "sdk.bad" });
		const bare = connect();
		bare.track("sdk.largest", { payload: { text: "x".repeat(257_000) } });
		await Promise.all([sent(client), sent(bare)]);
		expect(troubles).toEqual([]);
		expect(await stored("sdk.hostile")).toHaveLength(payloads.length);
		expect(await numbers("sdk.beside")).toEqual(upTo(payloads.length));
		expect(await stored("sdk.bad")).toHaveLength(1);
		expect(await stored("sdk.largest")).toHaveLength(1);
	});

	it("but for one event that the server refuses, is stored", async () => {
		const client = connect();
		for (const n of upTo(5)) {
			client.track("sdk.one_bad", { payload: { n }, severity: n === 2 ? ("awful" as never) : "low" });
		}
		await sent(client);
		expect(troubles).toMatchObject([
			{ reason: "refused", status: 200, code: "invalid", event: { type: "sdk.one_bad", payload: { n: 2 } } },
		]);
		expect(await numbers("sdk.one_bad")).toEqual([0, 1, 3, 4]);
		client.track("sdk.one_bad", { payload: { n: 5 } });
		await sent(client);
		expect(await stored("sdk.dropped")).toMatchObject([{ kind: "metric", value: 1, payload: { refused: 1 } }]);
	});
});

describe("nothing is lost and nothing is stored twice", () => {
	it("when the server is away and comes back", async () => {
		const client = connect({ maxBatchSize: 40 });
		await server.kill();
		for (const n of upTo(300)) client.track("sdk.away", { payload: { n } });
		await client.flush();
		expect(client.pending).toBe(300);
		await server.launch();
		await sent(client);
		expect(await numbers("sdk.away")).toEqual(upTo(300));
	});

	it("when the server is killed again and again in the middle", async () => {
		const client = connect({ maxBatchSize: 7, maxQueueSize: 5_000, host: server.url });
		const count = 1_500;
		let said = 0;
		const say = setInterval(() => {
			for (let i = 0; i < 10 && said < count; i++) client.track("sdk.killed", { payload: { n: said++ } });
			void client.flush();
		}, 5);
		for (const enough of [200, 600, 1_000]) {
			await eventually(
				async () => said - client.pending,
				(done) => done >= enough,
				60_000,
			);
			await server.restart("SIGKILL");
		}
		await eventually(
			async () => said,
			(n) => n === count,
		);
		clearInterval(say);
		await sent(client);
		expect(sorted(await numbers("sdk.killed"))).toEqual(upTo(count));
		expect(troubles).toEqual([]);
	});

	it("when answers are lost on the way", async () => {
		const client = connect({ maxBatchSize: 10 });
		gate.fate = (_, n) => (n % 3 === 2 ? "pass" : n % 3 === 1 ? "break" : "cut");
		for (const n of upTo(50)) client.track("sdk.cut", { payload: { n } });
		await sent(client);
		expect(gate.passed.length).toBeGreaterThan(10);
		expect(await numbers("sdk.cut")).toEqual(upTo(50));
	});

	it("when something on the way takes small bodies only", async () => {
		const client = connect();
		gate.fate = ({ body }) => (body.length > 5_000 ? { status: 413, body: "<html>too large" } : "pass");
		for (const n of upTo(90)) client.track("sdk.small", { payload: { n } });
		client.track("sdk.large", { payload: { text: "x".repeat(6_000) } });
		await sent(client);
		expect(await numbers("sdk.small")).toEqual(upTo(90));
		expect(troubles).toMatchObject([{ reason: "refused", status: 413, event: { type: "sdk.large" } }]);
	});

	it.each([429, 503])("when it is told to wait by a %i, and it waits", async (status) => {
		const client = connect();
		const quiet = { status, headers: { "retry-after": "2", "content-type": "application/problem+json" }, body: "{}" };
		gate.fate = (_, n) => (n === 0 ? quiet : "pass");
		for (const n of upTo(10)) client.track(`sdk.quiet${status}`, { payload: { n } });
		await client.flush();
		await client.flush();
		client.captureError(new Error("no reason to come earlier"), { type: "sdk.urgent" });
		await eventually(
			async () => client.pending,
			(pending) => pending === 0,
		);
		expect(gate.passed[1]!.at - gate.passed[0]!.at).toBeGreaterThanOrEqual(1_990);
		expect(await numbers(`sdk.quiet${status}`)).toEqual(upTo(10));
	});

	it("when a page that is not Tocsin's answers for a while", async () => {
		const client = connect();
		const portal = { status: 200, headers: { "content-type": "text/html" }, body: "<html>Welcome to our WLAN" };
		gate.fate = (_, n) => (n === 0 ? portal : n === 1 ? { ...portal, status: 302 } : "pass");
		for (const n of upTo(10)) client.track("sdk.portal", { payload: { n } });
		await sent(client);
		expect(await numbers("sdk.portal")).toEqual(upTo(10));
	});
});

describe("what is lost is counted", () => {
	it("when more is said than may wait", async () => {
		const client = connect({ maxQueueSize: 50, maxBatchSize: 20 });
		await server.kill();
		const before = (await gone()).length;
		for (const n of upTo(400)) {
			client.track("sdk.many", { payload: { n } });
			if (n % 100 === 0) await client.flush();
		}
		await server.launch();
		await sent(client);
		const kept = await numbers("sdk.many");
		const lost = (await stored("sdk.dropped")).slice(before);
		expect(kept).toEqual(upTo(400).slice(-50));
		expect(lost.reduce((sum, event) => sum + event.value!, 0)).toBe(350);
	});

	/** Words of losses until now, without a server to ask. */
	async function gone(): Promise<unknown[]> {
		await server.launch();
		const all = await stored("sdk.dropped");
		await server.kill();
		return all;
	}

	it("when the key is revoked: it is told once, and all is quiet", async () => {
		const made = await api.post<{ id: string; key: string }>("/api/v1/keys", {
			name: "sdk",
			scopes: ["events:write"],
		});
		const client = connect({ apiKey: made.body.key });
		client.track("sdk.revoked", { payload: { n: 0 } });
		await sent(client);
		expect((await api.delete(`/api/v1/keys/${made.body.id}`)).status).toBe(204);
		for (const n of [1, 2, 3]) client.track("sdk.revoked", { payload: { n } });
		await client.flush();
		const requests = gate.passed.length;
		client.track("sdk.revoked", { payload: { n: 4 } });
		await client.flush();
		expect(gate.passed.length).toBe(requests);
		expect(client.pending).toBe(0);
		expect(troubles).toMatchObject([{ reason: "stopped", status: 401, code: "unauthorized" }]);
		expect(troubles[0]!.message).toContain("3 events are lost");
		expect(await numbers("sdk.revoked")).toEqual([0]);
	});

	it("when the key may not send", async () => {
		const made = await api.post<{ key: string }>("/api/v1/keys", { name: "reader", scopes: ["events:read"] });
		const client = connect({ apiKey: made.body.key });
		client.track("sdk.reader");
		await client.flush();
		expect(troubles).toMatchObject([{ reason: "stopped", status: 403, code: "forbidden" }]);
	});
});
