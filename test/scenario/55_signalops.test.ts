// SignalOps' documented call, as its clients make it, and the promises of its pages.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api, eventually, type Problem } from "../harness/api.ts";
import { tenant } from "../harness/command.ts";
import { type Event, listAll } from "../harness/model.ts";
import { Server } from "../harness/server.ts";

let server: Server;
let api: Api;

beforeAll(async () => {
	server = await Server.start();
	api = await Api.bootstrap(server.url);
});
afterAll(() => server.stop());

describe("POST /api/events", () => {
	it("answers 201, enqueued, and the same again under one key", async () => {
		const keyed = new Api(server.url);
		const headers = { "x-api-key": api.key!, "idempotency-key": "so-1" };
		const body = { type: "so", payload: { a: 1 }, source: "ci", unknown: true };
		const first = await keyed.post("/api/events", body, headers);
		expect(first.status).toBe(201);
		expect(first.body).toEqual({ id: expect.stringMatching(/^evt_/), status: "enqueued" });
		const again = await keyed.post("/api/events", body, headers);
		expect([again.status, again.text]).toEqual([201, first.text]);
		const only = { "x-api-key": api.key! };
		const cases: [unknown, Record<string, string>, number, string | undefined][] = [
			[{ type: "x".repeat(120), payload: {} }, only, 201, undefined],
			[{ type: "x".repeat(121), payload: {} }, only, 400, "type"],
			[{ type: "so" }, only, 400, "payload"],
			[{ payload: {} }, only, 400, "type"],
			[{ type: "so", payload: {}, source: "x".repeat(256) }, only, 400, "source"],
			[{ type: "so", payload: {} }, { ...only, "idempotency-key": "x".repeat(255) }, 201, undefined],
			[
				{ type: "so", payload: {} },
				{ ...only, "idempotency-key": "x".repeat(256) },
				400,
				"Idempotency-Key",
			],
			[{ type: "so", payload: {} }, {}, 401, undefined],
			[{ type: "so", payload: {} }, { "x-api-key": "sk_nobody" }, 401, undefined],
		];
		for (const [sent, withHeaders, status, field] of cases) {
			const reply = await keyed.post<Problem>("/api/events", sent, withHeaders);
			expect([sent, reply.status, reply.body.field]).toEqual([sent, status, field]);
		}
	});

	it("takes what nobody knows, and stores what it knows", async () => {
		const only = { "x-api-key": api.key! };
		const sent = {
			type: "deploy",
			payload: { a: 1 },
			source: "ci",
			occurredAt: "2026-01-31T09:30:00.000Z",
			unknown: true,
		};
		const got = await new Api(server.url).post("/api/events", sent, only);
		const one = await api.get<Event>(`/api/v1/events/${String(got.body.id)}`);
		const { unknown: _, ...known } = sent;
		expect(one.body).toMatchObject(known);
		const other = { ...sent, occurredAt: "yesterday" };
		expect((await new Api(server.url).post("/api/events", other, only)).status).toBe(400);
	});

	it("stores one of many that come at once under one key", async () => {
		const only = { "x-api-key": api.key!, "idempotency-key": "at-once" };
		const many = await Promise.all(
			Array.from({ length: 20 }, () =>
				new Api(server.url).post("/api/events", { type: "rush", payload: {} }, only),
			),
		);
		expect(new Set(many.map((one) => one.text)).size).toBe(1);
		expect(many.every((one) => one.status === 201)).toBe(true);
		expect(await listAll<Event>(api, "/api/v1/events?type=rush")).toHaveLength(1);
		const body = { type: "rush", payload: { other: true } };
		expect((await new Api(server.url).post("/api/events", body, only)).status).toBe(409);
	});

	it("is 429 at the hard limit, and only warns at the soft one", async () => {
		const flags = ["--soft-limit", "2", "--hard-limit", "3"];
		const limited = await tenant(server, "ops", undefined, flags);
		const send = () =>
			new Api(server.url).post<Problem & Record<string, unknown>>(
				"/api/events",
				{ type: "a", payload: {} },
				{ "x-api-key": limited.key! },
			);
		const got = [await send(), await send(), await send(), await send()];
		expect(got.map((one) => one.status)).toEqual([201, 201, 201, 429]);
		expect(got.map((one) => one.headers.get("x-usage-warning"))).toEqual([null, null, "soft_limit", null]);
		expect(got[3]!.body).toMatchObject({
			statusCode: 429,
			message: got[3]!.body.error,
			code: "quota_exceeded",
			retryAfter: expect.any(Number),
		});
		// What was refused was not counted, and an invalid event is that before anything else.
		const used = await limited.get<{ events: { used: number } }>("/api/v1/usage");
		expect(used.body.events.used).toBe(3);
		const invalid = await new Api(server.url).post(
			"/api/events",
			{ type: "a" },
			{ "x-api-key": limited.key! },
		);
		expect(invalid.status).toBe(400);
	});

	it("needs a key that may send", async () => {
		const made = await api.post<{ id: string; key: string }>("/api-keys", {
			name: "reader",
			scopes: ["events:read"],
		});
		const send = () =>
			new Api(server.url).post(
				"/api/events",
				{ type: "a", payload: {} },
				{ "x-api-key": made.body.key },
			);
		expect((await send()).status).toBe(403);
		await api.delete(`/api-keys/${made.body.id}`);
		await eventually(send, (got) => got.status === 401);
	});
});

describe("GET /api/docs", () => {
	it("is a page for people, with both ways to prove who one is", async () => {
		const page = await new Api(server.url).get("/api/docs");
		expect([page.status, page.headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"]);
		const doc = await new Api(server.url).get<{
			components: { securitySchemes: Record<string, { name?: string; scheme?: string }> };
		}>("/api/v1/openapi.json");
		const schemes = Object.values(doc.body.components.securitySchemes);
		expect(schemes.some((one) => one.name?.toLowerCase() === "x-api-key")).toBe(true);
		expect(schemes.some((one) => one.scheme === "bearer")).toBe(true);
	});
});
