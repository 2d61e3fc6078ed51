// What is refused, and in which words: a status, a code, a field and a sentence for each row.
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api, type Problem } from "../harness/api.ts";
import { type Event, listAll } from "../harness/model.ts";
import { Server } from "../harness/server.ts";
import { nested } from "../harness/tools.ts";

let server: Server;
let api: Api;

beforeAll(async () => {
	server = await Server.start({ clock: true });
	api = await Api.bootstrap(server.url);
});
afterAll(() => server.stop());

type Row = [what: string, body: string | Buffer, status: number, code: string, field: string, message: RegExp];

const events: Row[] = [
	["nothing", "", 400, "malformed", "", /body is empty/],
	["no JSON", "hello", 400, "malformed", "", /not valid JSON/],
	["a text", '"hello"', 400, "invalid", "", /must be an object/],
	["a number", "42", 400, "invalid", "", /must be an object/],
	["null", "null", 400, "invalid", "", /must be an object/],
	["half an object", '{"type":"x"', 400, "malformed", "type", /not valid JSON/],
	["two objects", '{"type":"x"}{"type":"y"}', 400, "malformed", "", /not valid JSON/],
	["a trailing comma", '{"type":"x",}', 400, "malformed", "type", /not valid JSON/],
	["single quotes", "{'type':'x'}", 400, "malformed", "", /not valid JSON/],
	["a comment", '{"type":"x"/**/}', 400, "malformed", "type", /not valid JSON/],
	["NaN", '{"type":"x","value":NaN}', 400, "malformed", "value", /not valid JSON/],
	["a leading zero", '{"type":"x","value":01}', 400, "malformed", "value", /not valid JSON/],
	["a byte order mark", "\ufeff{\"type\":\"x\"}", 400, "malformed", "", /not valid JSON/],
	["a member twice", '{"type":"x","type":"y"}', 400, "invalid", "type", /"type".*twice/],
	["a nested member twice", '{"type":"x","payload":{"a":1,"a":2}}', 400, "invalid", "payload.a", /twice/],
	["no type", '{"payload":{}}', 400, "invalid", "type", /"type" is required/],
	["an empty type", '{"type":""}', 400, "invalid", "type", /1 to 255 bytes/],
	["a long type", `{"type":"${"x".repeat(256)}"}`, 400, "invalid", "type", /1 to 255 bytes/],
	["a type that is a number", '{"type":1}', 400, "invalid", "type", /"type" must be a string/],
	["a type that is null", '{"type":null}', 400, "invalid", "type", /"type" must be a string/],
	["a line break in the type", '{"type":"a\\nb"}', 400, "invalid", "type", /control characters/],
	["a NUL in the type", '{"type":"a\\u0000b"}', 400, "invalid", "type", /control characters/],
	["a payload that is a list", '{"type":"x","payload":[]}', 400, "invalid", "payload", /must be an object/],
	["a payload that is a text", '{"type":"x","payload":"{}"}', 400, "invalid", "payload", /must be an object/],
	["tags that are a list", '{"type":"x","tags":["a"]}', 400, "invalid", "tags", /must be an object/],
	["payload and metadata", '{"type":"x","payload":{},"metadata":{}}', 400, "invalid", "metadata", /twice/],
	["an unknown severity", '{"type":"x","severity":"awful"}', 400, "invalid", "severity", /debug, info/],
	["an unknown kind", '{"type":"x","kind":"crash"}', 400, "invalid", "kind", /"event", "error" or "metric"/],
	["a value that is a text", '{"type":"x","value":"1"}', 400, "invalid", "value", /must be a number/],
	["a very long number", `{"type":"x","value":${"9".repeat(65)}}`, 400, "invalid", "value", /64 bytes/],
	["a long source", `{"type":"x","source":"${"s".repeat(256)}"}`, 400, "invalid", "source", /255 bytes/],
	["a long environment", `{"type":"x","environment":"${"e".repeat(101)}"}`, 400, "invalid", "environment", /100 bytes/],
	["a long message", `{"type":"x","message":"${"m".repeat(8193)}"}`, 400, "invalid", "message", /8192 bytes/],
	["a long fingerprint", `{"type":"x","fingerprint":"${"f".repeat(501)}"}`, 400, "invalid", "fingerprint", /500 bytes/],
	["a long idempotency key", `{"type":"x","idempotencyKey":"${"k".repeat(256)}"}`, 400, "invalid", "idempotencyKey", /255 bytes/],
	["an empty idempotency key", '{"type":"x","idempotencyKey":""}', 400, "invalid", "idempotencyKey", /must not be empty/],
	["no time", '{"type":"x","occurredAt":"soon"}', 400, "invalid", "occurredAt", /must be a time/],
	["a time without a zone", '{"type":"x","occurredAt":"2026-01-31T09:30:00"}', 400, "invalid", "occurredAt", /must be a time/],
	["31 February", '{"type":"x","occurredAt":"2026-02-31T09:30:00Z"}', 400, "invalid", "occurredAt", /must be a time/],
	["a day of 25 hours", '{"type":"x","occurredAt":"2026-01-31T25:30:00Z"}', 400, "invalid", "occurredAt", /must be a time/],
	["a time in seconds", '{"type":"x","occurredAt":1769852000}', 400, "invalid", "occurredAt", /must be a string/],
	["a time before 1970", '{"type":"x","occurredAt":"1969-12-31T23:59:59Z"}', 400, "invalid", "occurredAt", /must be a time/],
	["a member nobody knows", '{"type":"x","extra":1}', 400, "invalid", "extra", /"extra" is not a known field/],
	["33 levels", nested("x", 33), 400, "malformed", `payload.a${"[0]".repeat(30)}`, /32/],
	["bad UTF-8", Buffer.from([...Buffer.from('{"type":"x'), 0xff, ...Buffer.from('"}')]), 400, "malformed", "type", /UTF-8/],
	["an overlong slash", Buffer.from([...Buffer.from('{"type":"x'), 0xc0, 0xaf, ...Buffer.from('"}')]), 400, "malformed", "type", /UTF-8/],
	["half a surrogate pair", '{"type":"\\ud800"}', 400, "malformed", "type", /bad escape/],
	["a raw line break in a text", '{"type":"a\nb"}', 400, "malformed", "type", /control/],
	["an unfinished escape", '{"type":"\\u12"}', 400, "malformed", "type", /not valid JSON/],
	["a wrapper that is no list", '{"events":{}}', 400, "invalid", "events", /must be an array/],
	["a wrapper with more", '{"events":[],"more":1}', 400, "invalid", "events", /only member/],
];

describe("POST /api/v1/events", () => {
	it.each(events)("%s", async (_, body, status, code, field, message) => {
		const reply = await api.post<Problem>("/api/v1/events", body);
		expect([reply.status, reply.body.code, reply.body.field ?? "", reply.body.error]).toEqual([
			status,
			code,
			field,
			expect.stringMatching(message),
		]);
		expect(reply.headers.get("content-type")).toBe("application/problem+json");
		expect(reply.body.requestId).toBe(reply.headers.get("x-request-id"));
		expect(reply.body.status).toBe(status);
		if (field !== "") expect(reply.body.details).toEqual({ [field]: reply.body.error });
	});

	it("none of these left anything behind", async () => {
		expect(await listAll<Event>(api, "/api/v1/events")).toEqual([]);
	});
});

describe("who asks", () => {
	const body = { type: "x" };
	const rows: [string, Record<string, string>, number, string, RegExp][] = [
		["no key", {}, 401, "unauthorized", /API key is needed.*Authorization: Bearer/],
		["an unknown key", { authorization: `Bearer sk_${"0".repeat(48)}` }, 401, "unauthorized", /unknown, expired or revoked/],
		["half a key", { authorization: "Bearer sk_" }, 401, "unauthorized", /unknown, expired or revoked/],
		["an empty header", { authorization: "Bearer " }, 401, "unauthorized", /must be "Bearer " and/],
		["another scheme", { authorization: "Basic c2s6" }, 401, "unauthorized", /key/],
		["a long key", { authorization: `Bearer ${"k".repeat(4000)}` }, 401, "unauthorized", /unknown, expired or revoked/],
	];
	it.each(rows)("%s", async (_, headers, status, code, message) => {
		const reply = await new Api(server.url).post<Problem>("/api/v1/events", body, headers);
		expect([reply.status, reply.body.code]).toEqual([status, code]);
		expect(reply.body.error).toMatch(message);
		expect(reply.headers.get("www-authenticate")).toBe("Bearer");
	});

	it("a revoked key", async () => {
		const made = await api.post<{ id: string; key: string }>("/api-keys", { name: "short" });
		const short = new Api(server.url, made.body.key);
		expect((await short.get("/api/v1/events")).status).toBe(200);
		expect((await api.delete(`/api-keys/${made.body.id}`)).status).toBe(204);
		const reply = await short.get<Problem>("/api/v1/events");
		expect([reply.status, reply.body.error]).toEqual([
			401,
			"this API key is unknown, expired or revoked",
		]);
		expect((await api.delete(`/api-keys/${made.body.id}`)).status).toBe(404);
		await server.restart("SIGKILL");
		expect((await short.get("/api/v1/events")).status).toBe(401);
	});

	it("an expired key", async () => {
		const made = await api.post<{ key: string; expiresAt: string }>("/api-keys", {
			name: "a month",
			expiresIn: "30d",
		});
		const month = new Api(server.url, made.body.key);
		expect((await month.get("/api/v1/events")).status).toBe(200);
		server.advance(Date.parse(made.body.expiresAt) - server.now() + 1000);
		const reply = await month.get<Problem>("/api/v1/events");
		expect([reply.status, reply.body.error]).toEqual([
			401,
			"this API key is unknown, expired or revoked",
		]);
	});

	it("a key without the scope", async () => {
		const made = await api.post<{ key: string; scopes: string[] }>("/api-keys", {
			name: "writer",
			scopes: ["events:write"],
		});
		expect(made.body.scopes).toEqual(["events:write"]);
		const writer = new Api(server.url, made.body.key);
		expect((await writer.post("/api/v1/events", body)).status).toBe(201);
		const refused: [string, string, string][] = [
			["GET", "/api/v1/events", "events:read"],
			["GET", "/events", "events:read"],
			["GET", "/api/v1/rules", "rules:read"],
			["POST", "/rules", "rules:write"],
			["GET", "/api/v1/alerts", "alerts:read"],
			["GET", "/notifications", "notifications:read"],
			["POST", "/api/v1/deliveries/replay", "notifications:write"],
			["GET", "/api-keys", "keys:read"],
			["POST", "/api-keys", "keys:write"],
			["POST", "/api/v1/stream/tickets", "events:read"],
			["GET", "/api/v1/stream", "events:read"],
		];
		for (const [method, path, scope] of refused) {
			const reply = await writer.call<Problem>(method, path, method === "POST" ? {} : undefined);
			expect([path, reply.status, reply.body.code]).toEqual([path, 403, "forbidden"]);
			expect(reply.body.error).toBe(`this API key lacks the scope "${scope}"`);
		}
		const reader = await api.post<{ key: string }>("/api-keys", {
			name: "reader",
			scopes: ["events:read"],
		});
		for (const path of ["/api/v1/events", "/events", "/api/events"]) {
			const reply = await new Api(server.url, reader.body.key).post<Problem>(path, body);
			expect([path, reply.status, reply.body.code]).toEqual([path, 403, "forbidden"]);
		}
	});

	const keys: [string, unknown, string, RegExp][] = [
		["no name", {}, "name", /"name" is required/],
		["an empty name", { name: "" }, "name", /"name" must have 1 to 255 characters/],
		["a long name", { name: "n".repeat(256) }, "name", /"name" must have 1 to 255 characters/],
		["an unknown expiry", { name: "n", expiresIn: "2d" }, "expiresIn", /never, 30d, 90d, 1y/],
		["an unknown scope", { name: "n", scopes: ["all"] }, "scopes", /"all"/],
		["scopes as a text", { name: "n", scopes: "events:read" }, "scopes", /"scopes" must be/],
	];
	it.each(keys)("a new key with %s", async (_, sent, field, message) => {
		const reply = await api.post<Problem>("/api-keys", sent);
		expect([reply.status, reply.body.code, reply.body.field]).toEqual([400, "invalid", field]);
		expect(reply.body.error).toMatch(message);
	});
});

describe("where and how", () => {
	it("a path that is not there", async () => {
		for (const path of ["/", "/api", "/api/v1", "/api/v1/event", "/api/v1/events/", "//events"]) {
			const reply = await api.get<Problem>(path);
			expect([path, reply.status, reply.body.code]).toEqual([path, 404, "not_found"]);
			expect(reply.body.error).toBe("there is nothing at this path");
		}
	});

	it("a method that the path does not take", async () => {
		const rows: [string, string, string][] = [
			["PUT", "/api/v1/events", "GET, POST, DELETE"],
			["PATCH", "/api/v1/events", "GET, POST, DELETE"],
			["POST", "/health", "GET"],
			["PATCH", "/api-keys", "GET, POST"],
			["PUT", "/api/v1/rules/rul_1", "GET, PATCH, DELETE"],
		];
		for (const [method, path, allow] of rows) {
			const reply = await api.call<Problem>(method, path);
			expect([path, reply.status, reply.body.code]).toEqual([path, 405, "method_not_allowed"]);
			expect(reply.headers.get("allow")).toBe(allow);
		}
	});

	it("a content type that is not JSON, nor what curl says by itself", async () => {
		for (const path of ["/api/v1/events", "/events", "/api/events", "/api/v1/rules"]) {
			for (const type of ["multipart/form-data; boundary=x", "text/xml", "image/png"]) {
				const sent = JSON.stringify({ type: "typed" });
				const reply = await api.post<Problem>(path, sent, { "content-type": type });
				expect([path, type, reply.status, reply.body.code]).toEqual([
					path,
					type,
					415,
					"unsupported_media_type",
				]);
				expect(reply.body.error).toContain("application/json");
			}
		}
		for (const type of ["application/json; charset=utf-8", "application/x-www-form-urlencoded"]) {
			const reply = await api.post("/api/v1/events", '{"type":"typed"}', {
				"content-type": type,
			});
			expect([type, reply.status]).toEqual([type, 201]);
		}
	});

	it("headers that are too many, too long or not for us", async () => {
		const rows: [Record<string, string>, number, string][] = [
			[{ "x-long": "x".repeat(20_000) }, 431, "headers_too_large"],
			[
				Object.fromEntries(Array.from({ length: 120 }, (_, i) => [`x-${i}`, "1"])),
				431,
				"headers_too_large",
			],
			[{ "idempotency-key": "k".repeat(256) }, 400, "invalid"],
			[{ "content-encoding": "br" }, 415, "unsupported_media_type"],
			[{ expect: "more" }, 417, "expectation_failed"],
		];
		for (const [headers, status, code] of rows) {
			const reply = await api.post<Problem>("/api/v1/events", { type: "x" }, headers);
			expect([reply.status, reply.body.code]).toEqual([status, code]);
		}
		const long = await api.get<Problem>(`/api/v1/events?type=${"x".repeat(9000)}`);
		expect([long.status, long.body.code]).toEqual([414, "uri_too_long"]);
	});

	/** What comes back on a raw connection until the server closes it. */
	function raw(text: string): Promise<string> {
		return new Promise((resolve, reject) => {
			const socket = connect(server.port, "127.0.0.1", () => socket.write(text, "latin1"));
			let got = "";
			socket.on("data", (part) => (got += part.toString("latin1")));
			socket.on("end", () => resolve(got));
			socket.on("error", reject);
		});
	}

	const smuggled: [string, string][] = [
		["two lengths", "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"],
		["a list of lengths", "Content-Length: 2, 2\r\n\r\n{}"],
		["length and chunks", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
		["chunks that are not last", "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"],
		["an unknown coding", "Transfer-Encoding: cow\r\n\r\n"],
		["a bad chunk size", "Transfer-Encoding: chunked\r\n\r\nzz\r\n"],
		["a chunk size with a sign", "Transfer-Encoding: chunked\r\n\r\n+2\r\n{}\r\n0\r\n\r\n"],
		["a length with a sign", "Content-Length: +2\r\n\r\n{}"],
		["a folded line", "X-A: 1\r\n 2\r\nContent-Length: 2\r\n\r\n{}"],
		["a space before the colon", "Content-Length : 2\r\n\r\n{}"],
		["a bare line feed", "X-A: 1\nContent-Length: 2\r\n\r\n{}"],
		["a NUL", "X-A: \0\r\nContent-Length: 2\r\n\r\n{}"],
		["a second Host", "Host: other\r\nContent-Length: 2\r\n\r\n{}"],
	];
	it.each(smuggled)("%s is 400 and the end of the connection", async (_, rest) => {
		const head = `POST /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${api.key}\r\n`;
		const got = await raw(`${head}${rest}GET /health HTTP/1.1\r\nHost: a\r\n\r\n`);
		expect(got).toMatch(/^HTTP\/1\.1 (400|501) /);
		expect(got.match(/HTTP\/1\.1 /g)).toHaveLength(1);
		expect(got).not.toContain('"status":"ok"');
	});

	it("no Host, another version, no HTTP", async () => {
		expect(await raw("GET /health HTTP/1.1\r\n\r\n")).toMatch(/^HTTP\/1\.1 400 /);
		expect(await raw("GET /health HTTP/2.0\r\nHost: a\r\n\r\n")).toMatch(/^HTTP\/1\.1 (505|400) /);
		expect(await raw("\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n")).toMatch(/^HTTP\/1\.1 400 /);
	});
});
