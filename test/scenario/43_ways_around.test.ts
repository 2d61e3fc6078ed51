// Ways around the checks of a call: its path written otherwise, another method, a method that is
// claimed, a head in an older form. What is written otherwise is nothing, or it is checked as well.
import { randomUUID } from "node:crypto";
import { connect } from "node:net";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api } from "../harness/api.ts";
import { makeRule } from "../harness/model.ts";
import { fill, operations } from "../harness/operations.ts";
import { memberOf, Person } from "../harness/person.ts";
import { Server } from "../harness/server.ts";

const MARK = "mark-of-a-9Kd";

/** The path of a call in ways that some other server would take for it. */
const VARIANTS: Record<string, (path: string) => string> = {
	"two slashes at its start": (p) => `/${p}`,
	"two slashes within": (p) => p.replace(/(.)\//, "$1//"),
	"a slash at its end": (p) => `${p}/`,
	"a dot": (p) => `/.${p}`,
	"dots up": (p) => `/health/..${p}`,
	"coded dots": (p) => `/health/%2e%2e${p}`,
	"coded slashes": (p) => `/${p.slice(1).replaceAll("/", "%2F")}`,
	"a coded letter": (p) => `/%${p.charCodeAt(1).toString(16)}${p.slice(2)}`,
	"a letter that was coded twice": (p) => `/%25${p.charCodeAt(1).toString(16)}${p.slice(2)}`,
	"capitals": (p) => p.toUpperCase(),
	"a backslash": (p) => p.replace(/(.)\//, "$1\\"),
	"a coded backslash": (p) => p.replace(/(.)\//, "$1%5c"),
	"a NUL at its end": (p) => `${p}%00`,
	"a space at its end": (p) => `${p}%20`,
	"a parameter of a part": (p) => `${p};a=b`,
	"a suffix": (p) => `${p}.json`,
	"a dot at its end": (p) => `${p}/.`,
	"another host": (p) => `http://other.example${p}`,
	"a name in it": (p) => `http://a:b@other.example${p}`,
	"a fragment": (p) => `${p}#`,
	"no slash": (p) => p.slice(1),
	"letters of two bytes": (p) => p.replace("a", "%c3%a1"),
	"a long form of a slash": (p) => p.replace(/(.)\//, "$1%c0%af"),
};
const METHODS = ["HEAD", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "QUERY", "get", "Post", "GETS", "PURGE"];

/** 426 of what speaks WebSocket alone; 501 of what has not come yet, and of CONNECT. */
const refusal: unknown = expect.toSatisfy((status: number) => [400, 401, 404, 405, 426, 501].includes(status));

interface Answer {
	status: number;
	text: string;
}

/** One head, byte by byte as it is given, and what came back until the server closed. */
async function say(port: number, head: string): Promise<Answer> {
	const tcp = connect({ port, host: "127.0.0.1" });
	const parts: Buffer[] = [];
	tcp.on("data", (part: Buffer) => parts.push(part));
	tcp.on("error", () => undefined);
	tcp.write(`${head}\r\n\r\n`);
	await once(tcp, "close");
	const text = Buffer.concat(parts).toString("latin1");
	return { status: Number(text.slice(9, 12)), text };
}

const head = (method: string, path: string, lines: string[] = []) =>
	[`${method} ${path} HTTP/1.1`, "Host: 127.0.0.1", "Connection: close", "Content-Length: 0", ...lines].join("\r\n");

describe("a call", () => {
	let server: Server;
	let ana: Person;
	let key: string;
	let b: Api;
	let viewer: Person;
	let rule: string;
	let ids: Record<string, string>;

	// Streams answer for as long as somebody listens.
	const ops = operations().filter((op) => (op.keys || op.people) && !op.later && !/[sS]tream$/.test(op.name));
	const paths = () => [...new Set(ops.map((op) => fill(op, (p) => ids[p.prefix ?? ""] ?? "nothing")))];
	const bearer = (secret: string) => [`Authorization: Bearer ${secret}`];

	beforeAll(async () => {
		server = await Server.start({ args: ["--signup", "open", "--rate-auth", "0"] });
		ana = await Person.signUp(server.url, `${randomUUID()}@a.example`, { orgName: MARK });
		const ben = await Person.signUp(server.url, `${randomUUID()}@b.example`, { orgName: "B" });
		viewer = await memberOf(ana, "viewer");
		const keyOf = async (api: Api) => (await api.post<{ key: string }>("/api/v1/keys", { name: MARK })).body.key;
		key = await keyOf(ana.api);
		b = new Api(server.url, await keyOf(ben.api));
		rule = (await makeRule(ana.api, { eventType: "x", name: MARK })).id;
		const event = await ana.api.post<{ id: string }>("/api/v1/events", { type: "x", message: MARK });
		ids = { rul: rule, evt: event.body.id, usr: ana.login.user.id, org: ana.login.org!.id };
	});
	afterAll(() => server.stop());

	it.each(Object.entries(VARIANTS))("with %s is refused, or asks who it is", async (_, variant) => {
		for (const path of paths().filter((one) => variant(one) !== one)) {
			const written = variant(path);
			const nobody = await say(server.port, head("GET", written));
			expect([written, nobody.status]).toEqual([written, refusal]);
			const other = await say(server.port, head("GET", written, bearer(b.key!)));
			expect([written, other.text.includes(MARK)]).toEqual([written, false]);
			if (other.status === 200) expect(written).toMatch(/^http:/);
		}
	});

	it.each(METHODS)("as %s gives nobody anything", async (method) => {
		for (const path of paths()) {
			const nobody = await say(server.port, head(method, path));
			expect([path, nobody.status]).toEqual([path, refusal]);
			const other = await say(server.port, head(method, path, bearer(b.key!)));
			expect([path, other.text.includes(MARK)]).toEqual([path, false]);
		}
	});

	it("as HEAD is what GET is, without its body", async () => {
		for (const op of ops.filter((one) => one.method === "GET" && one.keys)) {
			const path = fill(op, (p) => ids[p.prefix ?? ""] ?? "nothing");
			const [got, seen] = [await say(server.port, head("GET", path, bearer(key))), await say(server.port, head("HEAD", path, bearer(key)))];
			expect([op.name, seen.status]).toEqual([op.name, got.status]);
			expect(seen.text.split("\r\n\r\n")[1]).toBe("");
		}
	});

	it("is the method that it is, whatever it claims", async () => {
		const claims = ["X-HTTP-Method-Override: DELETE", "X-HTTP-Method: DELETE", "X-Method-Override: DELETE"];
		const asked = `/api/v1/rules/${rule}`;
		for (const path of [asked, `/rules/${rule}`]) {
			for (const by of [viewer.api.key!, key]) {
				const got = await say(server.port, head("GET", path, [...bearer(by), ...claims, "If-Match: *"]));
				expect(got.status).toBe(200);
			}
		}
		expect((await say(server.port, head("GET", `${asked}?_method=DELETE`, bearer(key)))).status).toBe(400);
		const paths = ["X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Path", "X-Forwarded-Prefix"];
		for (const name of paths) {
			const got = await say(server.port, head("GET", "/api/v1/no-such-path", [`${name}: ${asked}`, ...bearer(key)]));
			expect([name, got.status]).toEqual([name, 404]);
		}
		expect((await ana.api.get(asked)).status).toBe(200);
	});

	it("says who it is once: of two credentials one decides, and the better one does not mend the worse", async () => {
		const asked = `/api/v1/rules/${rule}`;
		const wrong = `sk_${"1".repeat(48)}`;
		const heads: [string, string[]][] = [
			["a wrong key beside a right one", [...bearer(wrong), `X-API-Key: ${key}`]],
			["a wrong key beside a right cookie", [...bearer(wrong), `Cookie: access_token=${ana.login.accessToken}`]],
			["another scheme beside a right cookie", ["Authorization: Basic YTpi", `Cookie: access_token=${ana.login.accessToken}`]],
			["somebody else's key", bearer(b.key!)],
		];
		for (const [what, lines] of heads) {
			const got = await say(server.port, head("GET", asked, lines));
			expect([what, got.status]).toEqual([what, expect.toSatisfy((s: number) => s === 401 || s === 404)]);
		}
		for (const twice of [[...bearer(b.key!), ...bearer(key)], [...bearer(key), ...bearer(b.key!)]]) {
			const got = await say(server.port, head("GET", asked, twice));
			expect([400, 401, 404]).toContain(got.status);
		}
	});

	it("is not of this machine because it says so", async () => {
		const lines = ["X-Forwarded-For: 192.0.2.99", "X-Real-IP: 127.0.0.1", "Forwarded: for=127.0.0.1"];
		expect((await say(server.port, head("POST", "/api-keys", lines))).status).toBe(401);
		expect((await say(server.port, head("GET", "/metrics", lines))).status).toBe(403);
		const named = (host: string) => `GET /metrics HTTP/1.1\r\nHost: ${host}\r\nConnection: close`;
		expect((await say(server.port, named("evil.example"))).status).toBe(403);
		expect((await say(server.port, named("localhost.evil.example"))).status).toBe(403);
		expect((await say(server.port, `${named("127.0.0.1")}\r\nHost: evil.example`)).status).toBe(400);
		expect((await say(server.port, "GET http://evil.example/metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close")).status).not.toBe(200);
	});
});
