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
import { Raw } from "../harness/raw.ts";
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

	it("opens no socket for a page elsewhere with the cookie of a person who is logged in", async () => {
		const cookie = `access_token=${ana.login.accessToken}`;
		const upgrade = ["Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="];
		const open = async (lines: string[]) => {
			const raw = await Raw.open(server.port);
			raw.send(Buffer.from(["GET /ws HTTP/1.1", "Host: 127.0.0.1", "Connection: Upgrade", ...upgrade, `Cookie: ${cookie}`, ...lines, "", ""].join("\r\n")));
			await raw.until(() => raw.closed || raw.text.includes('"connected"') || /HTTP\/1\.1 [45]/.test(raw.text) || raw.closeCode !== 0);
			const got = raw.text.includes('"connected"');
			raw.close();
			return got;
		};
		for (const lines of [[], ["Origin: https://evil.example"], ["Origin: null"], ["Origin: http://127.0.0.1.evil.example"], ["Sec-Fetch-Site: cross-site"], ["Sec-Fetch-Site: same-site"]]) {
			expect([lines, await open(lines)]).toEqual([lines, false]);
		}
		expect(await open(["Origin: http://127.0.0.1"])).toBe(true);
	});

	it("is of the project of its key, whatever project it names", async () => {
		const side = await ana.api.post<{ id: string; key: { key: string } }>("/api/v1/projects", { name: "side" });
		const other = new Api(server.url, side.body.key.key);
		expect((await other.post("/api/v1/events", { type: "side", message: "of the side" })).status).toBe(201);
		const named = { "x-project-id": side.body.id };
		expect((await new Api(server.url, key).get("/api/v1/events", named)).text).not.toContain("of the side");
		expect((await new Api(server.url, key).post("/api/v1/events", { type: "mine" }, named)).status).toBe(201);
		expect((await ana.api.get<{ data: { type: string }[] }>("/api/v1/events", named)).body.data.map((one) => one.type)).toEqual(["side"]);
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

describe("nobody lifts himself", () => {
	let server: Server;
	let owner: Person;

	beforeAll(async () => {
		server = await Server.start({ args: ["--signup", "open", "--rate-auth", "0"] });
		owner = await Person.signUp(server.url, `${randomUUID()}@example.com`);
	});
	afterAll(() => server.stop());

	const roles = async () => {
		const { body } = await owner.api.get<{ data: { id: string; role: string }[] }>("/api/v1/members");
		return Object.fromEntries(body.data.map((one) => [one.id, one.role]));
	};
	const invite = async (by: Person, role: string) => {
		const made = await by.api.post<{ id: string }>("/api/v1/invites", { email: `${randomUUID()}@example.com`, role });
		expect(made.status).toBe(201);
		return made.body.id;
	};

	it.each(["admin", "member", "viewer"])("not by any call that %ss may make", async (role) => {
		const eve = await memberOf(owner, role);
		const peer = await memberOf(owner, role);
		const before = await roles();
		const [self, boss] = [eve.login.user.id, owner.login.user.id];
		const forOwner = await invite(owner, "owner");
		const forMember = await invite(owner, "member");
		const mail = () => `${randomUUID()}@example.com`;
		const tries: [string, string, object?][] = [
			["PATCH", `/api/v1/members/${self}`, { role: "owner" }],
			["PATCH", `/api/v1/members/${self}`, { role: "OWNER" }],
			["PATCH", `/workspaces/members/${self}`, { role: "OWNER" }],
			["PATCH", `/api/v1/members/${peer.login.user.id}`, { role: "owner" }],
			["PATCH", `/api/v1/members/${boss}`, { role: "viewer" }],
			["PATCH", `/workspaces/members/${boss}`, { role: "MEMBER" }],
			["DELETE", `/api/v1/members/${boss}`],
			["DELETE", `/workspaces/members/${boss}`],
			["DELETE", `/auth/members/${boss}`],
			["POST", `/api/v1/members/${self}/transfer`],
			["POST", "/api/v1/invites", { email: mail(), role: "owner" }],
			["POST", "/api/v1/invites", { email: mail(), role: "Owner" }],
			["POST", "/api/invitations", { email: mail(), role: "OWNER" }],
			["POST", "/auth/invite", { email: mail(), role: "owner" }],
			["PATCH", `/api/v1/invites/${forMember}`, { role: "owner" }],
			// Its new link would be his: whoever has it can sign up with that address.
			["POST", `/api/v1/invites/${forOwner}/resend`],
			["PATCH", `/api/v1/invites/${forOwner}`, { role: "admin" }],
			["PATCH", "/api/v1/auth/me", { role: "owner" }],
			["PATCH", "/api/v1/orgs/current", { ownerId: self }],
			["POST", "/api/v1/keys", { name: "k", scopes: ["*"] }],
			["POST", "/api/v1/keys", { name: "k", scopes: ["owner"] }],
		];
		for (const [method, path, body] of tries) {
			const got = await eve.api.call(method, path, body, { "if-match": "*" });
			expect([method, path, body, got.status]).toEqual([method, path, body, expect.toSatisfy((s: number) => s >= 400 && s < 500)]);
			expect(got.text).not.toMatch(/inv_[0-9a-f]{64}/);
		}
		expect(await roles()).toEqual(before);
	});

	it("not by a key, whatever its scopes", async () => {
		const { body } = await owner.api.post<{ key: string }>("/api/v1/keys", { name: "all" });
		const key = new Api(server.url, body.key);
		const eve = await memberOf(owner, "member");
		const before = await roles();
		for (const [method, path, sent] of [
			["POST", "/api/v1/invites", { email: "x@example.com", role: "owner" }],
			["POST", "/auth/invite", { email: "x@example.com", role: "admin" }],
			["POST", "/api/invitations", { email: "x@example.com", role: "ADMIN" }],
			["PATCH", `/api/v1/members/${eve.login.user.id}`, { role: "owner" }],
			["PATCH", `/workspaces/members/${eve.login.user.id}`, { role: "OWNER" }],
			["DELETE", `/auth/members/${eve.login.user.id}`, undefined],
			["POST", "/api/v1/auth/switch", { orgId: owner.login.org!.id }],
			["PATCH", "/api/v1/orgs/current", { name: "Mine" }],
			["GET", "/api/v1/orgs/current/export", undefined],
			["POST", "/api/v1/projects", { name: "mine" }],
		] as const) {
			expect([path, (await key.call(method, path, sent)).status]).toEqual([path, 403]);
		}
		expect(await roles()).toEqual(before);
	});
});
