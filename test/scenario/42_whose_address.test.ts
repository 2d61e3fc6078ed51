// Whose address a call comes from: limits, guesses, the audit log and the last use of a key go by it.
// Whoever is no trusted proxy says nothing about it; what a client writes before a proxy's word is
// not read; and nobody can be locked out by somebody else's calls.
import { randomUUID } from "node:crypto";
import { request } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { Api, eventually, type Problem } from "../harness/api.ts";
import { type Page } from "../harness/model.ts";
import { PASSWORD, Person } from "../harness/person.ts";
import { Server } from "../harness/server.ts";

/** The proxy that is believed, and somebody who is not. */
const PROXY = "127.0.0.1";
const STRANGER = "127.0.0.2";
/** After so many wrong keys an address waits. */
const FREE = 50;

interface Call {
	from?: string;
	headers?: Record<string, string | string[]>;
	method?: string;
	body?: unknown;
}

/** One call from one of this machine's addresses. */
function call(url: string, path: string, { from = PROXY, headers = {}, method = "GET", body }: Call): Promise<{ status: number; text: string }> {
	return new Promise((resolve, reject) => {
		const more = body === undefined ? {} : { "content-type": "application/json" };
		const req = request(url + path, { method, headers: { ...more, ...headers }, localAddress: from, agent: false }, (res) => {
			let text = "";
			res.setEncoding("utf8");
			res.on("data", (part: string) => (text += part));
			res.on("end", () => resolve({ status: res.statusCode!, text }));
		});
		req.on("error", reject);
		req.end(body === undefined ? undefined : JSON.stringify(body));
	});
}

let server: Server;
afterEach(() => server.stop());

/** What a proxy sends, and whom it makes the client. */
const CLAIMS: [string, Record<string, string | string[]>, string][] = [
	["nothing", {}, PROXY],
	["one address", { "x-forwarded-for": "203.0.113.1" }, "203.0.113.1"],
	["what a client wrote, and the proxy's word", { "x-forwarded-for": "198.51.100.1, 203.0.113.1" }, "203.0.113.1"],
	["the same in two lines", { "x-forwarded-for": ["198.51.100.1", "203.0.113.1"] }, "203.0.113.1"],
	["two proxies", { "x-forwarded-for": "198.51.100.1, 203.0.113.1, 10.1.2.3" }, "203.0.113.1"],
	["proxies alone", { "x-forwarded-for": "10.0.0.7, 10.1.2.3" }, "10.0.0.7"],
	["a client that says it is a proxy", { "x-forwarded-for": "203.0.113.9, 10.1.2.3, 203.0.113.1" }, "203.0.113.1"],
	["a port", { "x-forwarded-for": "203.0.113.1:4711" }, "203.0.113.1"],
	["brackets", { "x-forwarded-for": "[2001:db8::1]" }, "2001:db8::1"],
	["brackets and a port", { "x-forwarded-for": "198.51.100.1, [2001:db8::1]:443" }, "2001:db8::1"],
	["six groups too many", { "x-forwarded-for": "1:2:3:4:5:6:7:8:9:a" }, PROXY],
	["a zone", { "x-forwarded-for": "fe80::1%eth0" }, PROXY],
	["no address", { "x-forwarded-for": "203.0.113.1, unknown" }, PROXY],
	["an octal address", { "x-forwarded-for": "0313.0.0161.1" }, PROXY],
	["a number", { "x-forwarded-for": "3405803777" }, PROXY],
	["nothing in the list", { "x-forwarded-for": ", ,, " }, PROXY],
	["a name", { "x-forwarded-for": "localhost" }, PROXY],
	["quotes", { "x-forwarded-for": '"203.0.113.1"' }, PROXY],
	["letters that look like digits", { "x-forwarded-for": "２０３.0.113.1" }, PROXY],
	["a very long chain", { "x-forwarded-for": `203.0.113.1${", 10.1.2.3".repeat(500)}` }, "203.0.113.1"],
	["other headers", { forwarded: "for=203.0.113.1", "x-real-ip": "203.0.113.1", "client-ip": "203.0.113.1", "cf-connecting-ip": "203.0.113.1" }, PROXY],
	["Forwarded beside it", { forwarded: "for=198.51.100.1", "x-forwarded-for": "203.0.113.1" }, "203.0.113.1"],
];

it("is what the last proxy heard, and for others who they are", async () => {
	server = await Server.start({ args: ["--trusted-proxies", `${PROXY},10.0.0.0/8`, "--log-level", "debug"] });
	for (const [i, [what, headers, behind]] of CLAIMS.entries()) {
		for (const [from, want] of [
			[PROXY, behind],
			[STRANGER, STRANGER],
		] as const) {
			const path = `/claim-${i}-${from}`;
			const latin = Object.fromEntries(Object.entries(headers).map(([n, v]) => [n, typeof v === "string" ? Buffer.from(v).toString("latin1") : v]));
			expect((await call(server.url, path, { from, headers: latin })).status).toBe(404);
			const line = await server.waitLog((one) => one.event === "request" && one.path === path);
			expect([what, from, line.client]).toEqual([what, from, want]);
		}
	}
});

describe("somebody who is no proxy", () => {
	it("cannot choose where his calls are counted", async () => {
		server = await Server.start({ args: ["--trusted-proxies", PROXY, "--rate-address", "1:5", "--rate-auth", "1"] });
		const seen: number[] = [];
		for (let i = 0; i < 20; i++) {
			const headers = { "x-forwarded-for": `203.0.113.${i}`, forwarded: `for=203.0.113.${i}` };
			seen.push((await call(server.url, "/api/v1/rules", { from: STRANGER, headers })).status);
		}
		expect([seen.filter((s) => s === 401).length, seen.filter((s) => s === 429).length]).toEqual([5, 15]);
		// Those whom he claimed to be have all that is theirs.
		const headers = { "x-forwarded-for": "203.0.113.3" };
		for (let i = 0; i < 5; i++) expect((await call(server.url, "/api/v1/rules", { headers })).status).toBe(401);
		expect((await call(server.url, "/api/v1/rules", { headers })).status).toBe(429);
	});

	it("locks nobody out but himself by guessing, whoever he says he is", async () => {
		server = await Server.start({ args: ["--trusted-proxies", PROXY, "--signup", "open", "--rate-auth", "0"] });
		const email = `${randomUUID()}@example.com`;
		const victim = { "x-forwarded-for": "203.0.113.3" };
		const person = await Person.signUp(server.url, email);
		const key = (await person.api.post<{ key: string }>("/api/v1/keys", { name: "k" })).body.key;
		const statuses = new Set<number>();
		for (let i = 0; i < FREE + 5; i++) {
			const headers = { ...victim, authorization: `Bearer sk_${String(i).padStart(48, "0")}` };
			statuses.add((await call(server.url, "/api/v1/rules", { from: STRANGER, headers })).status);
		}
		expect(statuses).toEqual(new Set([401, 429]));
		// The victim's first call ever from there, with a key and with a password.
		expect((await call(server.url, "/api/v1/rules", { headers: { ...victim, authorization: `Bearer ${key}` } })).status).toBe(200);
		const login = { method: "POST", body: { email, password: PASSWORD } };
		expect((await call(server.url, "/api/v1/auth/login", { ...login, headers: victim })).status).toBe(200);
		// And the one who guessed waits, as whoever he comes.
		for (const claim of ["203.0.113.3", "203.0.113.77", "127.0.0.1", ""]) {
			const headers = { "x-forwarded-for": claim, authorization: `Bearer ${key}` };
			expect((await call(server.url, "/api/v1/rules", { from: STRANGER, headers })).status).toBe(429);
		}
	});

	it("is in the audit log, the sessions and the last use of a key as who he is", async () => {
		server = await Server.start({ clock: true, args: ["--trusted-proxies", PROXY, "--signup", "open", "--rate-auth", "0"] });
		const email = `${randomUUID()}@example.com`;
		const person = await Person.signUp(server.url, email);
		const { key, id } = (await person.api.post<{ key: string; id: string }>("/api/v1/keys", { name: "k" })).body;
		const forged = { "x-forwarded-for": "203.0.113.66", forwarded: "for=203.0.113.66", "x-real-ip": "203.0.113.66" };
		const auth = { ...forged, authorization: `Bearer ${key}` };
		const rule = { name: "r", eventType: "x", condition: "count_gte", threshold: 1, windowSeconds: 60, actions: [{ channel: "in_app", config: {} }] };
		const made = await call(server.url, "/rules", { from: STRANGER, headers: auth, method: "POST", body: rule });
		expect(made.status).toBe(201);
		const login = await call(server.url, "/api/v1/auth/login", { from: STRANGER, headers: forged, method: "POST", body: { email, password: PASSWORD } });
		expect(login.status).toBe(200);
		const audit = await person.api.get<Page<{ action: string; address: string | null }>>("/api/v1/audit");
		expect(audit.body.data.find((one) => one.action === "rule.create")).toMatchObject({ address: STRANGER });
		expect(audit.text).not.toContain("203.0.113.66");
		const sessions = await person.api.get<Page<{ address: string }>>("/api/v1/auth/sessions");
		expect(sessions.body.data.map((one) => one.address).sort()).toEqual([PROXY, STRANGER]);
		server.advance(31_000);
		const shown = await eventually(
			() => person.api.get<{ lastUsedFrom: string | null } & Problem>(`/api/v1/keys/${id}`),
			(got) => got.body.lastUsedFrom !== null,
		);
		expect(shown.body.lastUsedFrom).toBe(STRANGER);
	});
});

describe("somebody behind a proxy", () => {
	it("cannot spend, or lock, what his neighbour has", async () => {
		server = await Server.start({ args: ["--trusted-proxies", `${PROXY},10.0.0.0/8`, "--rate-address", "1:5"] });
		// He writes his neighbour's address before what the proxy writes.
		const forged = { "x-forwarded-for": "203.0.113.3, 198.51.100.9:1234, 10.1.1.1" };
		const mine = { "x-forwarded-for": "203.0.113.3" };
		for (let i = 0; i < 10; i++) await call(server.url, "/api/v1/rules", { headers: forged });
		expect((await call(server.url, "/api/v1/rules", { headers: forged })).status).toBe(429);
		for (let i = 0; i < 5; i++) expect((await call(server.url, "/api/v1/rules", { headers: mine })).status).toBe(401);
	});

	it("of a household of IPv6 has one budget, whatever address it takes", async () => {
		server = await Server.start({ args: ["--trusted-proxies", PROXY, "--rate-address", "1:5", "--signup", "open"] });
		const from = (i: number) => ({ "x-forwarded-for": `[2001:db8:1:2:${i.toString(16)}::${i}]:${1000 + i}` });
		const seen = [];
		for (let i = 1; i <= 20; i++) seen.push((await call(server.url, "/api/v1/rules", { headers: from(i) })).status);
		expect(seen.filter((s) => s === 401).length).toBe(5);
		expect((await call(server.url, "/api/v1/rules", { headers: { "x-forwarded-for": "2001:db8:1:3::1" } })).status).toBe(401);
		expect((await new Api(server.url).get("/health")).status).toBe(200);
	});
});
