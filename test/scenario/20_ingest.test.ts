// Taking events in: one, many, again, compressed, at the limits, and the way earlier systems sent them.
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api, type Problem } from "../harness/api.ts";
import { type Event, listAll, type Verdicts } from "../harness/model.ts";
import { Sender } from "../harness/sender.ts";
import { Server } from "../harness/server.ts";
import { eventOfSize, nested, quantile, times } from "../harness/tools.ts";

const EVENT_BYTES_MAX = 262_144;
const BODY_BYTES_MAX = 10 * 1024 * 1024;
/** {"type":"packed.zstd","payload":{"a":"xxx..."}} */
const ZSTD = "KLUv/STxhQEAosIJEbC5GGAJOR5BFYIZ6JduMqACa322b2XjFYJOB+OaFDCHON1ORbsKAQAnUuAJr7dM5g==";

let server: Server;
let api: Api;

beforeAll(async () => {
	server = await Server.start();
	api = await Api.bootstrap(server.url);
});
afterAll(() => server.stop());

async function stored(type: string): Promise<Event[]> {
	return listAll<Event>(api, `/api/v1/events?type=${type}`);
}

describe("one event", () => {
	it("is stored as it was sent, and told by four members", async () => {
		const sent = {
			type: "order.placed",
			kind: "metric",
			severity: "warning",
			source: "shop",
			environment: "production",
			message: "Grüße\nund ein \"Zitat\" 🔔",
			value: 12.5,
			payload: { amount: 100, nested: { list: [1, null, true, "ü"] } },
			tags: { region: "eu" },
			occurredAt: "2026-01-31T10:30:00.123+01:00",
			fingerprint: "fp",
			idempotencyKey: "order-1",
		};
		const reply = await api.post("/api/v1/events", sent);
		expect(reply.status).toBe(201);
		expect(reply.body).toEqual({
			id: expect.stringMatching(/^evt_[0-9A-HJKMNP-TV-Z]{26}$/),
			type: "order.placed",
			receivedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
			status: "accepted",
		});
		const one = await api.get<Event>(`/api/v1/events/${String(reply.body.id)}`);
		expect(one.body).toEqual({
			...sent,
			id: reply.body.id,
			severity: "medium",
			occurredAt: "2026-01-31T09:30:00.123Z",
			receivedAt: reply.body.receivedAt,
			projectId: expect.stringMatching(/^prj_/),
			keyId: expect.stringMatching(/^key_/),
		});
	});

	it("keeps numbers as they were written", async () => {
		const payload = '{"big":12345678901234567890.10,"tiny":1e-400,"neg":-0.0,"exp":1E+2}';
		const reply = await api.post("/api/v1/events", `{"type":"exact","payload": ${payload} }`);
		const one = await api.get(`/api/v1/events/${String(reply.body.id)}`);
		expect(one.text).toContain(payload);
	});

	it("needs a type alone", async () => {
		const reply = await api.post("/api/v1/events", { type: "bare" });
		const one = await api.get<Event>(`/api/v1/events/${String(reply.body.id)}`);
		expect(one.body).toMatchObject({ kind: "event", severity: null, payload: {}, tags: {} });
		expect(one.body.occurredAt).toBe(one.body.receivedAt);
	});
});

describe("the same idempotency key", () => {
	const key = { "idempotency-key": "replay-1" };
	const body = { type: "replayed", payload: { n: 1 } };

	it("gives one event and the same reply, also after a restart", async () => {
		const first = await api.post("/api/v1/events", body, key);
		const again = await api.post("/api/v1/events", { payload: { n: 1 }, type: "replayed" }, key);
		expect([first.status, again.status]).toEqual([201, 201]);
		expect(first.headers.get("idempotent-replayed")).toBeNull();
		expect(again.headers.get("idempotent-replayed")).toBe("true");
		expect(again.body).toEqual(first.body);
		await server.restart("SIGKILL");
		const later = await api.post("/api/v1/events", body, key);
		expect(later.headers.get("idempotent-replayed")).toBe("true");
		expect(later.body).toEqual(first.body);
		expect(await stored("replayed")).toHaveLength(1);
	});

	it("with another body is a conflict", async () => {
		const reply = await api.post<Problem>(
			"/api/v1/events",
			{ type: "replayed", payload: { n: 2 } },
			key,
		);
		expect(reply.status).toBe(409);
		expect(reply.body).toMatchObject({
			code: "idempotency_conflict",
			error: "this idempotency key was used with another body",
		});
	});

	it("in the body means the same as in the header", async () => {
		const first = await api.post("/api/v1/events", { ...body, idempotencyKey: "replay-2" });
		const again = await api.post("/api/v1/events", body, { "idempotency-key": "replay-2" });
		expect(again.headers.get("idempotent-replayed")).toBe("true");
		expect(again.body).toEqual(first.body);
		const differ = await api.post<Problem>(
			"/api/v1/events",
			{ ...body, idempotencyKey: "replay-2" },
			{ "idempotency-key": "replay-3" },
		);
		expect([differ.status, differ.body.field]).toEqual([400, "idempotencyKey"]);
	});

	it("sent 50 times at once is stored once", async () => {
		const replies = await Promise.all(
			Array.from({ length: 50 }, () =>
				api.post("/api/v1/events", { type: "raced", idempotencyKey: "race" }),
			),
		);
		expect(new Set(replies.map((r) => r.status))).toEqual(new Set([201]));
		expect(new Set(replies.map((r) => r.body.id)).size).toBe(1);
		const fresh = replies.filter((r) => r.headers.get("idempotent-replayed") === null);
		expect(fresh).toHaveLength(1);
		expect(await stored("raced")).toHaveLength(1);
	});
});

describe("many events in one body", () => {
	const good = { type: "many", payload: { n: 1 } };
	const items = [
		{ ...good, idempotencyKey: "many-0" },
		{ type: "" },
		{ ...good, idempotencyKey: "many-0" },
		{ type: "many", paylod: {} },
		{ ...good, idempotencyKey: "many-0", payload: { n: 2 } },
		42,
		{ type: "many", payload: [1] },
		{ type: "many", occurredAt: "yesterday" },
		good,
	];
	/** The verdicts; at is where item i is, as paths say it. */
	const expected = (at: (i: number) => string): [number, string, string?, string?][] => [
		[0, "accepted"],
		[1, "rejected", "invalid", `${at(1)}type`],
		[2, "duplicate"],
		[3, "rejected", "invalid", `${at(3)}paylod`],
		[4, "rejected", "idempotency_conflict"],
		[5, "rejected", "invalid", at(5).replace(/\.$/, "") || undefined],
		[6, "rejected", "invalid", `${at(6)}payload`],
		[7, "rejected", "invalid", `${at(7)}occurredAt`],
		[8, "accepted"],
	];
	const shapes: [string, (i: number) => string, string, string][] = [
		["an array", (i) => `[${i}].`, "application/json", JSON.stringify(items)],
		[
			"a wrapper",
			(i) => `events[${i}].`,
			"application/json",
			JSON.stringify({ events: items }),
		],
		[
			"lines",
			// A line is a document of its own.
			() => "",
			"application/x-ndjson",
			`${items.map((item) => JSON.stringify(item)).join("\r\n")}\n\n`,
		],
	];

	it.each(shapes)("as %s: each item has its own verdict", async (name, at, type, text) => {
		const mine = text.replaceAll("many", `many.${name.replace(/\W/g, "")}`);
		const reply = await api.post<Verdicts>("/api/v1/events", mine, { "content-type": type });
		expect(reply.status).toBe(200);
		expect(reply.body).toMatchObject({ accepted: 2, duplicate: 1, rejected: 6 });
		const got = reply.body.data.map((d) => [d.index, d.status, d.code, d.field]);
		expect(got).toEqual(expected(at).map((row) => Object.assign(Array(4), row)));
		expect(reply.body.data[2]!.id).toBe(reply.body.data[0]!.id);
		for (const item of reply.body.data) {
			expect(item.id === undefined).toBe(item.status === "rejected");
			expect(item.error === undefined).toBe(item.status !== "rejected");
		}
		const kept = await stored(`many.${name.replace(/\W/g, "")}`);
		expect(kept.map((e) => e.id).sort()).toEqual(
			[reply.body.data[0]!.id, reply.body.data[8]!.id].sort(),
		);
	});

	it("as lines: one that is no JSON spoils nobody else", async () => {
		const reply = await api.post<Verdicts>(
			"/api/v1/events",
			'{"type":"lone"}\n{"type":\n\n{"type":"lone"}',
			{ "content-type": "application/x-ndjson" },
		);
		expect(reply.body.data.map((d) => [d.status, d.code])).toEqual([
			["accepted", undefined],
			["rejected", "malformed"],
			["accepted", undefined],
		]);
	});

	it("that breaks off stores nothing", async () => {
		const reply = await api.post<Problem>("/api/v1/events", '[{"type":"broken.off"},{"type":');
		expect([reply.status, reply.body.code]).toEqual([400, "malformed"]);
		expect(await stored("broken.off")).toHaveLength(0);
	});

	it("under a header key: sent again, all are duplicates", async () => {
		const batch = [{ type: "keyed" }, { type: "keyed" }, { type: "keyed", idempotencyKey: "own" }];
		const key = { "idempotency-key": "whole-batch" };
		const first = await api.post<Verdicts>("/api/v1/events", batch, key);
		const again = await api.post<Verdicts>("/api/v1/events", batch, key);
		expect(first.body).toMatchObject({ accepted: 3, duplicate: 0 });
		expect(again.body).toMatchObject({ accepted: 0, duplicate: 3 });
		expect(again.body.data.map((d) => d.id)).toEqual(first.body.data.map((d) => d.id));
		expect(await stored("keyed")).toHaveLength(3);
	});

	it("takes 10,000 items, and none of 10,001", async () => {
		const all = Array.from({ length: 10_000 }, (_, n) => ({ type: "bulk", payload: { n } }));
		const fits = await api.post<Verdicts>("/api/v1/events", all);
		expect(fits.body).toMatchObject({ accepted: 10_000, rejected: 0 });
		expect(fits.body.data[9999]).toMatchObject({ index: 9999, status: "accepted" });
		const over = [...all, { type: "bulk" }];
		const lines = over.map((e) => JSON.stringify(e)).join("\n");
		for (const reply of [
			await api.post<Problem>("/api/v1/events", over),
			await api.post<Problem>("/api/v1/events", { events: over }),
			await api.post<Problem>("/api/v1/events", lines, {
				"content-type": "application/x-ndjson",
			}),
		]) {
			expect([reply.status, reply.body.code]).toEqual([413, "too_large"]);
			expect(reply.body.error).toContain("10000");
		}
		const kept = await listAll<Event>(api, "/api/v1/events?type=bulk", 1000);
		expect(kept).toHaveLength(10_000);
		expect(kept.map((e) => e.payload.n)).toEqual(
			Array.from({ length: 10_000 }, (_, i) => 9999 - i),
		);
	});
});

describe("limits, crossed both ways", () => {
	it("an event of 256 KiB is stored, one byte more is not", async () => {
		const fits = await api.post("/api/v1/events", eventOfSize("size", EVENT_BYTES_MAX));
		expect(fits.status).toBe(201);
		const one = await api.get(`/api/v1/events/${String(fits.body.id)}`);
		expect(one.text.length).toBeGreaterThan(EVENT_BYTES_MAX);
		const over = await api.post<Problem>(
			"/api/v1/events",
			eventOfSize("size", EVENT_BYTES_MAX + 1),
		);
		expect([over.status, over.body.code]).toEqual([413, "too_large"]);
		expect(over.body.error).toContain("262144");
		const mixed = `[${eventOfSize("size", EVENT_BYTES_MAX + 1)},{"type":"size"}]`;
		const batch = await api.post<Verdicts>("/api/v1/events", mixed);
		expect(batch.body.data.map((d) => [d.status, d.code])).toEqual([
			["rejected", "too_large"],
			["accepted", undefined],
		]);
	});

	it("a body of 10 MiB is read, one byte more is not", async () => {
		const body = `[{"type":"body"}]`;
		const fits = await api.post<Verdicts>("/api/v1/events", body.padEnd(BODY_BYTES_MAX));
		expect([fits.status, fits.body.accepted]).toEqual([200, 1]);
		const over = await api.post<Problem>("/api/v1/events", body.padEnd(BODY_BYTES_MAX + 1));
		expect([over.status, over.body.code]).toEqual([413, "too_large"]);
	});

	it("32 levels are read, 33 are not", async () => {
		const fits = await api.post("/api/v1/events", nested("deep", 32));
		expect(fits.status).toBe(201);
		const over = await api.post<Problem>("/api/v1/events", nested("deep", 33));
		expect(over.status).toBe(400);
		expect(over.body.error).toContain("32");
		const bottomless = await api.post("/api/v1/events", nested("deep", 100_000));
		expect(bottomless.status).toBe(400);
	});

	it("a compressed body counts by what it decodes to", async () => {
		const text = JSON.stringify({ type: "packed.gzip", payload: { a: "x".repeat(200) } });
		const gzip = await api.post("/api/v1/events", gzipSync(text), {
			"content-encoding": "gzip",
		});
		expect([gzip.status, gzip.body.type]).toEqual([201, "packed.gzip"]);
		const zstd = await api.post("/api/v1/events", Buffer.from(ZSTD, "base64"), {
			"content-encoding": "zstd",
		});
		expect([zstd.status, zstd.body.type]).toEqual([201, "packed.zstd"]);
		const one = await api.get<Event>(`/api/v1/events/${String(zstd.body.id)}`);
		expect(one.body.payload.a).toBe("x".repeat(200));

		const bomb = gzipSync(`[${" ".repeat(BODY_BYTES_MAX)}]`);
		expect(bomb.length).toBeLessThan(20_000);
		const burst = await api.post<Problem>("/api/v1/events", bomb, {
			"content-encoding": "gzip",
		});
		expect([burst.status, burst.body.code]).toEqual([413, "too_large"]);
		const lie = await api.post<Problem>("/api/v1/events", text, { "content-encoding": "gzip" });
		expect([lie.status, lie.body.code]).toEqual([400, "malformed"]);
		const unknown = await api.post<Problem>("/api/v1/events", text, {
			"content-encoding": "br",
		});
		expect([unknown.status, unknown.body.code]).toEqual([415, "unsupported_media_type"]);
	});

	it("a member that nobody knows is refused by name", async () => {
		const reply = await api.post<Problem>("/api/v1/events", { type: "x", paylaod: {} });
		expect(reply.status).toBe(400);
		expect(reply.body).toMatchObject({
			code: "invalid",
			field: "paylaod",
			error: '"paylaod" is not a known field',
		});
	});

	it("a body of 10 MiB keeps nobody else waiting", async () => {
		const item = JSON.stringify({ type: "heavy", payload: { a: "x".repeat(950) } });
		const heavy = Buffer.from(`[${Array.from({ length: 10_000 }, () => item).join(",")}]`);
		const ping = () => api.post("/api/v1/events", { type: "light" });
		await times(50, ping);
		// Another process sends, so that this one measures the server and not itself.
		const sender = new Sender(server.url, api.key!, heavy);
		const waits: number[] = [];
		const sent = sender.send(10).finally(() => sender.close());
		let busy = true;
		void sent.finally(() => (busy = false));
		while (busy) waits.push(...(await times(1, ping)));
		const each = quantile(await sent, 0.5);
		// Were a body read in one go, most light requests would wait for about all of it.
		expect(waits.length).toBeGreaterThan(20);
		expect(quantile(waits, 0.9)).toBeLessThan(each / 2);
	});
});
