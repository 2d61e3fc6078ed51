// Limits to the last call: as many are let through as the bucket grants, by whatever way they come;
// what the headers say is what happens; and one class of calls takes nothing from another.
import { randomUUID } from "node:crypto";
import { connect } from "node:net";
import { once } from "node:events";
import { afterEach, describe, expect, it } from "vitest";
import { Api, type Reply } from "../harness/api.ts";
import { Person } from "../harness/person.ts";
import { Raw } from "../harness/raw.ts";
import { Server } from "../harness/server.ts";

const MINUTE = 60_000;
let server: Server;
afterEach(() => server.stop());

async function start(...args: string[]): Promise<Api> {
	server = await Server.start({ clock: true, args });
	return Api.bootstrap(server.url);
}

const head = (method: string, path: string, key: string, body = "", version = "1.1") =>
	[`${method} ${path} HTTP/${version}`, "Host: x", `Authorization: Bearer ${key}`, "Content-Type: application/json", `Content-Length: ${body.length}`, "", body].join("\r\n");

/** Many requests in one write on one connection; the statuses, as many as there were requests. */
async function inLine(requests: string[]): Promise<number[]> {
	const tcp = connect({ port: server.port, host: "127.0.0.1" });
	let text = "";
	tcp.write(requests.join(""));
	const statuses = () => [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map((found) => Number(found[1]));
	while (statuses().length < requests.length) {
		const [part] = (await once(tcp, "data")) as [Buffer];
		text += part.toString("latin1");
	}
	tcp.destroy();
	return statuses();
}

/** One request that the other side closes behind. */
async function alone(request: string): Promise<number> {
	const tcp = connect({ port: server.port, host: "127.0.0.1" });
	const parts: Buffer[] = [];
	tcp.on("data", (part: Buffer) => parts.push(part));
	tcp.write(request);
	await once(tcp, "close");
	return Number(Buffer.concat(parts).toString("latin1").slice(9, 12));
}

const EVENT = '{"type":"x"}';

describe("a crowd", () => {
	it("gets through as its bucket grants, within one in a hundred, however it comes", async () => {
		const api = await start("--rate-ingest", "1200:300");
		const key = api.key!;
		const [burst, perMs] = [300, 1200 / MINUTE];
		const ways: ((n: number) => Promise<number[]>)[] = [
			async () => [(await api.post("/api/v1/events", { type: "x" })).status],
			async () => [(await api.post("/events", { type: "x" })).status],
			async () => [(await new Api(server.url).post("/api/v1/events", { type: "x" }, { "x-api-key": key })).status],
			async () => [(await api.post("/api/v1/events", [{ type: "x" }, { type: "y" }])).status],
			async () => [(await new Api(server.url).post("/ingest", { apiKey: key, type: "event", name: "x", payload: {} })).status],
			() => inLine(Array.from({ length: 8 }, () => head("POST", "/api/v1/events", key, EVENT))),
			async () => [await alone(head("POST", "/api/v1/events", key, EVENT, "1.0"))],
		];
		const began = performance.now();
		let firstAnswer = 0;
		let through = 0;
		let over = false;
		await Promise.all(
			Array.from({ length: 21 }, async (_, i) => {
				while (!over) {
					const statuses = await ways[i % ways.length]!(i);
					firstAnswer ||= performance.now();
					for (const status of statuses) {
						expect([200, 201, 429]).toContain(status);
						if (status !== 429) through++;
					}
					over = performance.now() - began > 3000;
				}
			}),
		);
		// Until it is empty: from then on what was granted is what got through.
		let asked = 0;
		for (let empty = false; !empty; ) {
			asked = performance.now();
			const statuses = await inLine(Array.from({ length: 50 }, () => head("POST", "/api/v1/events", key, EVENT)));
			through += statuses.filter((status) => status === 201).length;
			empty = statuses.includes(429);
		}
		const least = burst + perMs * (asked - firstAnswer);
		const most = burst + perMs * (performance.now() - began);
		console.log(`${through} got through, of ${least.toFixed(0)} to ${most.toFixed(0)}`);
		expect(through).toBeGreaterThanOrEqual(least * 0.99 - 1);
		expect(through).toBeLessThanOrEqual(most * 1.01 + 1);
	});

	it("on one connection, in one write, gets exactly what there is", async () => {
		const api = await start("--rate-api", "1:40", "--rate-ingest", "1:30");
		const asks = Array.from({ length: 200 }, () => head("GET", "/api/v1/rules", api.key!));
		const asked = await inLine(asks);
		expect([asked.slice(0, 40).every((s) => s === 200), asked.slice(40).every((s) => s === 429)]).toEqual([true, true]);
		const sent = await inLine(Array.from({ length: 100 }, () => head("POST", "/api/v1/events", api.key!, EVENT)));
		expect(sent.filter((s) => s === 201).length).toBe(30);
		expect(await alone(head("POST", "/api/v1/events", api.key!, EVENT, "1.0"))).toBe(429);
	});

	it("of keys and people has one budget where it is their organization's", async () => {
		await start("--rate-org", "1:20", "--signup", "open", "--rate-auth", "0");
		const ana = await Person.signUp(server.url, `${randomUUID()}@example.com`);
		const keys = await Promise.all([1, 2, 3].map(async (i) => (await ana.api.post<{ key: string }>("/api/v1/keys", { name: `k${i}` })).body.key));
		const all = [ana.api, ...keys.map((key) => new Api(server.url, key))];
		const replies = await Promise.all(
			Array.from({ length: 60 }, (_, i) => (i % 2 === 0 ? all[i % all.length]!.get("/api/v1/rules") : all[i % all.length]!.post("/api/v1/events", { type: "x" }))),
		);
		// Three were spent on the keys.
		expect(replies.filter((reply) => reply.status < 300).length).toBe(17);
		const ben = await Person.signUp(server.url, `${randomUUID()}@example.com`);
		expect((await ben.api.get("/api/v1/rules")).status).toBe(200);
	});
});

describe("what the headers say", () => {
	const numbers = (reply: Reply<unknown>) =>
		["limit", "remaining", "reset"].map((name) => {
			const value = Number(reply.headers.get(`ratelimit-${name}`));
			expect(Number(reply.headers.get(`x-ratelimit-${name}`))).toBe(value);
			return value;
		});

	it("is what happens: who waits so long gets in, and not before", async () => {
		const api = await start("--rate-api", "1:5");
		const ask = () => api.get("/api/v1/rules");
		for (let left = 4; left >= 0; left--) {
			const reply = await ask();
			expect([reply.status, reply.headers.get("ratelimit-policy"), reply.headers.has("retry-after")]).toEqual([200, "1;w=60;burst=5", false]);
			const [limit, remaining, reset] = numbers(reply);
			expect([limit, remaining]).toEqual([5, left]);
			expect(reset! / 60).toBeCloseTo(5 - left, 0);
		}
		for (let wait = 1; wait <= 3; wait++) {
			const refused = await ask();
			expect([refused.status, ...numbers(refused).slice(0, 2)]).toEqual([429, 5, 0]);
			const seconds = Number(refused.headers.get("retry-after"));
			expect(refused.body.retryAfter ?? seconds).toBe(seconds);
			expect(seconds).toBeGreaterThan(20);
			expect(seconds).toBeLessThanOrEqual(60);
			server.advance((seconds - 20) * 1000);
			const early = await ask();
			expect(early.status).toBe(429);
			server.advance(Number(early.headers.get("retry-after")) * 1000);
			expect((await ask()).status).toBe(200);
		}
		// After the reset it is as if nobody had ever asked.
		server.advance(numbers(await ask())[2]! * 1000);
		const anew = await Promise.all([1, 2, 3, 4, 5, 6].map(ask));
		expect(anew.map((reply) => reply.status).sort()).toEqual([200, 200, 200, 200, 200, 429]);
	});

	it("a month of asking as told is a month of answers", async () => {
		const api = await start("--rate-api", "2:2");
		let through = 0;
		for (let i = 0; i < 60; i++) {
			const reply = await api.get("/api/v1/rules");
			if (reply.status === 200) through++;
			else server.advance(Number(reply.headers.get("retry-after")) * 1000);
		}
		// Two at once, then every second try is told to wait, and the next one gets in.
		expect(through).toBe(31);
	});
});

describe("classes", () => {
	it("take nothing from each other: events, other calls, who one is, and calls without a key", async () => {
		await start("--rate-ingest", "1:5", "--rate-api", "1:10", "--rate-auth", "1", "--rate-address", "1:7", "--signup", "open");
		const ana = await Person.signUp(server.url, `${randomUUID()}@example.com`);
		const api = new Api(server.url, (await ana.api.post<{ key: string }>("/api/v1/keys", { name: "k" })).body.key);
		const nobody = new Api(server.url);
		const until429 = async (ask: () => Promise<{ status: number }>) => {
			let n = 0;
			while ((await ask()).status !== 429) n++;
			return n;
		};
		expect(await until429(() => api.post("/api/v1/events", { type: "x" }))).toBe(5);
		expect(await until429(() => api.get("/api/v1/rules"))).toBe(10);
		// One made the first key; of ten at an address one was the sign-up.
		expect(await until429(() => nobody.get("/api/v1/rules"))).toBe(6);
		const login = (email: string) => nobody.post("/api/v1/auth/login", { email, password: "not the password" });
		expect(await until429(() => login(`${randomUUID()}@example.com`))).toBe(9);
		// A session is one of its own; what anybody may see is for anybody still.
		expect((await ana.api.get("/api/v1/rules")).status).toBe(200);
		expect((await nobody.get("/health")).status).toBe(200);
		expect((await nobody.get("/api/v1/openapi.json")).status).toBe(200);
		server.advance(MINUTE);
		expect([(await api.post("/api/v1/events", { type: "x" })).status, (await api.get("/api/v1/rules")).status]).toEqual([201, 200]);
	});

	it("streams and their tickets are calls like others", async () => {
		const api = await start("--rate-api", "1:4");
		const upgrade = { upgrade: "websocket", connection: "Upgrade", "sec-websocket-version": "13", "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==" };
		const statuses: string[] = [];
		const ticket = await api.post("/api/v1/stream/tickets");
		expect(ticket.status).toBe(201);
		for (let i = 0; i < 6; i++) {
			const raw = await Raw.open(server.port);
			raw.request("GET", "/ws", { ...upgrade, authorization: `Bearer ${api.key!}` });
			await raw.until(() => raw.text.includes("\r\n"));
			statuses.push(raw.text.slice(9, 12));
			raw.close();
		}
		expect(statuses).toEqual(["101", "101", "101", "429", "429", "429"]);
		expect((await api.get("/api/v1/rules")).status).toBe(429);
	});
});
