// A delivery reaches its receiver or is visibly dead: what is sent, when it is sent again, and what
// becomes of it in the end.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api, eventually, type Problem } from "../harness/api.ts";
import { tenant } from "../harness/command.ts";
import {
	attempted,
	fire,
	judge,
	passTo,
	passToEnd,
	reached,
	secretOf,
} from "../harness/delivery.ts";
import {
	alertsOf,
	caughtUp,
	type Delivery,
	deliveriesOf,
	getDelivery,
	listAll,
	makeRule,
	type Rule,
	sendEvent,
} from "../harness/model.ts";
import { type Answer, Receiver } from "../harness/receiver.ts";
import { Server } from "../harness/server.ts";
import { stores } from "../harness/store.ts";

const SECOND = 1000;
const HOUR = 3600 * SECOND;
/** Before attempts 2 to 8, give or take a fifth. */
const DELAYS = [5, 30, 120, 600, 1800, 3600, 3600].map((s) => s * SECOND);
const JITTER = 0.2;
/** Times are told in milliseconds, and an attempt takes a moment. */
const LEEWAY = 2 * SECOND;

const receivers: Receiver[] = [];

async function receiver(script?: Receiver["script"]): Promise<Receiver> {
	const made = await Receiver.start();
	if (script !== undefined) made.script = script;
	receivers.push(made);
	return made;
}

afterAll(() => Promise.all(receivers.map((r) => r.stop())));

describe("what is sent and judged", () => {
	let server: Server;
	let api: Api;

	beforeAll(async () => {
		server = await Server.start({ clock: true });
		api = await Api.bootstrap(server.url);
	});
	afterAll(() => server.stop());

	describe("a webhook", () => {
		const secret = secretOf("the first secret");
		const newer = secretOf("the second secret");

		it("tells who signed it, when, and what happened", async () => {
			const to = await receiver();
			const headers = { Authorization: "Bearer canary-token", "X-Team": "seven" };
			const { rule, event, delivery } = await fire(
				api,
				{ url: `${to.url}?team=7`, secret, headers },
				{ amount: 42, text: "Grüße\n🔔" },
			);
			const [got] = await to.until((all) => all.length > 0);
			expect(judge(secret, got!, server.now())).toEqual(got!.json);
			expect(() => judge(newer, got!, server.now())).toThrow();
			expect(() => judge(secret, { ...got!, body: `${got!.body} ` }, server.now())).toThrow();
			expect(() => judge(secret, got!, server.now() + 301 * SECOND)).toThrow(/old/);
			expect(got!.path).toBe("/hook?team=7");
			expect(got!.headers).toMatchObject({
				"content-type": "application/json",
				"webhook-id": delivery.id,
				"x-tocsin-correlation-id": event.id,
				authorization: "Bearer canary-token",
				"x-team": "seven",
			});
			expect(got!.json).toMatchObject({
				type: "alert.fired",
				deliveryId: delivery.id,
				ruleId: rule.id,
				ruleName: rule.name,
				eventId: event.id,
				eventType: rule.eventType,
				eventMetadata: { amount: 42, text: "Grüße\n🔔" },
				threshold: 1,
				windowSeconds: 60,
				count: 1,
				actionConfig: { url: `${to.url}?team=7` },
			});
			expect(String(got!.json.triggeredAt)).toMatch(/^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z$/);
			expect(got!.body).not.toContain("canary-token");
			expect(got!.body).not.toContain(secret);
		});

		it("keeps the secret and the values of headers to itself", async () => {
			const to = await receiver();
			const headers = { Authorization: "Bearer canary-token" };
			const { rule, delivery } = await fire(api, { url: to.url, secret, headers });
			await reached(api, delivery.id, "sent");
			for (const path of [
				`/api/v1/rules/${rule.id}`,
				`/api/v1/rules`,
				`/rules`,
				`/api/v1/deliveries/${delivery.id}`,
				`/notifications/${delivery.id}`,
			]) {
				const { status, text } = await api.get(path);
				expect([path, status]).toEqual([path, 200]);
				expect(text).not.toContain("canary-token");
				expect(text).not.toContain(secret);
			}
			expect(JSON.stringify(server.log)).not.toContain("canary-token");
		});

		it("is signed by both secrets while they change", async () => {
			const to = await receiver();
			await fire(api, { url: to.url, secret: `${newer} ${secret}` });
			const [got] = await to.until((all) => all.length > 0);
			expect(judge(secret, got!, server.now())).toEqual(got!.json);
			expect(judge(newer, got!, server.now())).toEqual(got!.json);
			expect(() => judge(secretOf("a third one"), got!, server.now())).toThrow();
		});

		it("has no signature without a secret, but an id and a time", async () => {
			const to = await receiver();
			const { delivery } = await fire(api, { url: to.url });
			const [got] = await to.until((all) => all.length > 0);
			expect(got!.headers["webhook-signature"]).toBeUndefined();
			expect(got!.headers["webhook-id"]).toBe(delivery.id);
			const at = Number(got!.headers["webhook-timestamp"]) * SECOND;
			expect(Math.abs(at - server.now())).toBeLessThan(10 * SECOND);
		});

		it("brings an event of 200 KiB whole", async () => {
			const to = await receiver();
			const text = "ü\"\\\n".repeat(40_000 / 2);
			const { delivery } = await fire(api, { url: to.url, secret }, { text, pad: "x".repeat(60_000) });
			const [got] = await to.until((all) => all.length > 0);
			expect(got!.body.length).toBeGreaterThan(180_000);
			expect(got!.json.eventMetadata).toEqual({ text, pad: "x".repeat(60_000) });
			expect(judge(secret, got!, server.now())).toEqual(got!.json);
			await reached(api, delivery.id, "sent");
		});

		it("needs no transport to be seen in the app", async () => {
			const rule = await makeRule(api, { eventType: "seen.inside" });
			await sendEvent(api, "seen.inside");
			const [delivery] = await eventually(
				() => deliveriesOf(api, rule),
				(all) => all.length === 1 && all[0]!.status === "sent",
			);
			expect(delivery).toMatchObject({ channel: "in_app", destination: null, error: null });
		});
	});

	describe("an answer", () => {
		const day = 24 * HOUR;
		const waits: [string, () => string, number, number][] = [
			["seconds", () => "120", 120 * SECOND, 120 * SECOND],
			["a date", () => new Date(server.now() + 5 * 60_000).toUTCString(), 298_000, 300_000],
			["fewer seconds than our own wait", () => "1", DELAYS[0]! * 0.8, DELAYS[0]!],
			["a day, which is bounded by an hour", () => "86400", HOUR, HOUR],
			["a far date, bounded too", () => new Date(server.now() + day).toUTCString(), HOUR, HOUR],
			["a date in the past", () => "Sun, 06 Nov 1994 08:49:37 GMT", DELAYS[0]! * 0.8, DELAYS[0]!],
			["words", () => "soon, please", DELAYS[0]! * 0.8, DELAYS[0]!],
			["a negative number", () => "-5", DELAYS[0]! * 0.8, DELAYS[0]!],
			["a number beyond all bounds", () => "9".repeat(40), DELAYS[0]! * 0.8, HOUR],
		];
		it.each(waits)("that says Retry-After is waited for: %s", async (_, value, least, most) => {
			const to = await receiver((_r, n) =>
				n === 0 ? { status: 429, headers: { "retry-after": value() } } : {},
			);
			const { delivery } = await fire(api, { url: to.url });
			const now = await attempted(api, delivery.id, 1);
			const wait = Date.parse(now.dueAt!) - Date.parse(now.attemptList[0]!.startedAt);
			expect(wait).toBeGreaterThanOrEqual(least - 2);
			expect(wait).toBeLessThanOrEqual(most * (1 + JITTER) + LEEWAY);
			passTo(server, now);
			await reached(api, delivery.id, "sent");
		});

		it.each([
			[400, "rejected"],
			[401, "rejected"],
			[404, "rejected"],
			[422, "rejected"],
			[410, "gone"],
			[304, "rejected"],
		])("of %i is the last: %s", async (status, outcome) => {
			const to = await receiver(() => ({ status }));
			const { delivery } = await fire(api, { url: to.url });
			const dead = await reached(api, delivery.id, "dead");
			expect(dead).toMatchObject({ attempts: 1, httpStatus: status });
			expect(dead.error).toContain(`HTTP ${status}`);
			expect(dead.attemptList.map((a) => a.outcome)).toEqual([outcome]);
			expect(to.got).toHaveLength(1);
		});

		it.each([301, 302, 303, 307, 308])("of a redirect by %i leads nowhere else", async (status) => {
			const canary = await receiver();
			const to = await receiver(() => ({ status, headers: { location: canary.url } }));
			const { delivery } = await fire(api, { url: to.url });
			const dead = await reached(api, delivery.id, "dead");
			expect(dead.error).toBe(`HTTP ${status}: redirects are not followed`);
			expect([to.got.length, canary.got.length]).toEqual([1, 0]);
		});
	});
});

describe.each(stores)("deliveries, state in %s", (store) => {
	let server: Server;
	let api: Api;

	beforeAll(async () => {
		server = await Server.start({ store, clock: true });
		api = await Api.bootstrap(server.url);
	});
	afterAll(() => server.stop());

	describe("a failed attempt", () => {
		it("is followed by others, later and later, until the delivery is dead", async () => {
			const secret = secretOf("signed at each attempt");
			const fails: Answer[] = [500, 502, 503, 504, 408, 425, 429].map((status) => ({ status }));
			// On a connection that was used before, a reset may also mean that it had ended by itself.
			fails[2]!.headers = { connection: "close" };
			fails.splice(3, 1, { reset: true });
			fails.push({ status: 599 });
			const to = await receiver((_, n) => fails[n] ?? {});
			const { delivery } = await fire(api, { url: to.url, secret });
			for (const [i, delay] of DELAYS.entries()) {
				const now = await attempted(api, delivery.id, i + 1);
				expect(now).toMatchObject({ status: "retrying", attempts: i + 1, doneAt: null });
				const wait = Date.parse(now.dueAt!) - Date.parse(now.attemptList[i]!.startedAt);
				expect(wait).toBeGreaterThanOrEqual(delay * (1 - JITTER) - 2);
				expect(wait).toBeLessThanOrEqual(delay * (1 + JITTER) + LEEWAY);
				expect(to.got).toHaveLength(i + 1);
				expect(judge(secret, to.got[i]!, server.now())).toEqual(to.got[i]!.json);
				passTo(server, now);
			}
			const dead = await reached(api, delivery.id, "dead");
			expect(dead).toMatchObject({ attempts: 8, error: "HTTP 599", httpStatus: 599 });
			expect(dead.doneAt).not.toBeNull();
			expect(dead.attemptList.map((a) => a.n)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
			expect(dead.attemptList.map((a) => a.outcome)).toEqual(Array(8).fill("retry"));
			expect(dead.attemptList.map((a) => a.httpStatus)).toEqual([
				500,
				502,
				503,
				null,
				408,
				425,
				429,
				599,
			]);
			expect(dead.attemptList[3]!.error).toMatch(/connection broke/);
			server.advance(24 * HOUR);
			await caughtUp(api);
			const fresh = await fire(api, { url: to.url });
			await reached(api, fresh.delivery.id, "sent");
			const mine = to.got.filter((r) => r.headers["webhook-id"] === delivery.id);
			expect(mine).toHaveLength(8);
		});

		it("ends the trying when the next one is delivered", async () => {
			const to = await receiver((_, n) => (n === 0 ? { status: 500 } : {}));
			const { delivery } = await fire(api, { url: to.url });
			const end = await passToEnd(server, api, delivery.id);
			expect(end).toMatchObject({ status: "sent", attempts: 2, error: null, httpStatus: 200 });
			expect(end.attemptList.map((a) => a.outcome)).toEqual(["retry", "delivered"]);
			expect(new Set(to.got.map((r) => r.headers["webhook-id"]))).toEqual(new Set([delivery.id]));
		});
	});

	describe("the end of the process", () => {
		it.each(["SIGTERM", "SIGKILL"] as const)("by %s keeps the schedule", async (signal) => {
			// Late enough that no restart takes as long.
			const later = { status: 503, headers: { "retry-after": "600" } };
			const to = await receiver((_, n) => (n < 2 ? later : {}));
			const { delivery } = await fire(api, { url: to.url });
			const first = await attempted(api, delivery.id, 1);
			await server.restart(signal);
			expect(await getDelivery(api, delivery.id)).toEqual(first);
			passTo(server, first);
			const second = await attempted(api, delivery.id, 2);
			expect(to.got).toHaveLength(2);
			// Due while nobody runs: sent as soon as somebody does.
			await server.kill(signal);
			passTo(server, second);
			await server.launch();
			await reached(api, delivery.id, "sent");
			expect(to.got.map((r) => r.headers["webhook-id"])).toEqual(Array(3).fill(delivery.id));
		});

		it("by SIGKILL during an attempt repeats it under the same id", async () => {
			const to = await receiver((_, n) => (n === 0 ? { hang: true } : {}));
			const { delivery } = await fire(api, { url: to.url });
			await to.until((all) => all.length === 1);
			await server.restart("SIGKILL");
			await reached(api, delivery.id, "sent");
			expect(to.got.map((r) => r.headers["webhook-id"])).toEqual(Array(2).fill(delivery.id));
		});
	});

	describe("dead letters", () => {
		let to: Receiver;
		let rule: Rule;
		let status: number;

		async function deadOnes(): Promise<Delivery[]> {
			const dead = await listAll<Delivery>(api, `/api/v1/deliveries?status=dead&ruleId=${rule.id}`);
			return dead;
		}

		beforeAll(async () => {
			// Those of the tests above are not counted here.
			await api.delete("/api/v1/deliveries/dead");
			status = 400;
			to = await receiver(() => ({ status }));
			rule = await makeRule(api, {
				eventType: "dies",
				actions: [{ channel: "webhook", config: { url: to.url } }],
			});
			for (let i = 0; i < 5; i++) await sendEvent(api, "dies", { payload: { i } });
			await eventually(deadOnes, (all) => all.length === 5);
		});

		it("are listed, newest first, with their reason", async () => {
			const dead = await deadOnes();
			expect(new Set(dead.map((d) => d.error))).toEqual(new Set(["HTTP 400"]));
			const times = dead.map((d) => Date.parse(d.createdAt));
			expect(times).toEqual([...times].sort((a, b) => b - a));
			const sent = await api.get<{ data: Delivery[] }>(`/api/v1/deliveries?status=sent&limit=200`);
			const ids = sent.body.data.map((d) => d.id);
			expect(dead.filter((d) => ids.includes(d.id))).toEqual([]);
		});

		it("are sent again one by one, under their id", async () => {
			const [one] = await deadOnes();
			const again = await api.post(`/api/v1/deliveries/${one!.id}/replay`);
			expect([again.status, again.body]).toEqual([200, { replayed: 1 }]);
			expect(await attempted(api, one!.id, 2)).toMatchObject({ status: "dead", attempts: 2 });
			status = 200;
			await api.post(`/api/v1/deliveries/${one!.id}/replay`);
			const sent = await reached(api, one!.id, "sent");
			expect(sent.attemptList.map((a) => [a.n, a.httpStatus])).toEqual([
				[1, 400],
				[2, 400],
				[3, 200],
			]);
			const mine = to.got.filter((r) => r.headers["webhook-id"] === one!.id);
			expect(mine).toHaveLength(3);
			expect(new Set(mine.map((r) => r.body)).size).toBe(1);
		});

		it("have all their attempts again after a replay", async () => {
			status = 400;
			const [one] = await deadOnes();
			status = 503;
			await api.post(`/api/v1/deliveries/${one!.id}/replay`);
			const now = await attempted(api, one!.id, 2);
			expect(now.status).toBe("retrying");
			const wait = Date.parse(now.dueAt!) - Date.parse(now.attemptList[1]!.startedAt);
			expect(wait).toBeLessThanOrEqual(DELAYS[0]! * (1 + JITTER) + LEEWAY);
			status = 400;
			passTo(server, now);
			await reached(api, one!.id, "dead");
		});

		it("are purged one by one", async () => {
			const [one] = await deadOnes();
			expect((await api.delete(`/api/v1/deliveries/${one!.id}`)).status).toBe(204);
			expect((await deadOnes()).map((d) => d.id)).not.toContain(one!.id);
			const purged = await api.get(`/api/v1/deliveries/${one!.id}`);
			expect(purged.body).toMatchObject({ id: one!.id, status: "purged", notice: null });
			expect(purged.body.attemptList).toHaveLength(one!.attempts);
			const older = await api.get(`/notifications/${one!.id}`);
			expect(older.body).toMatchObject({ status: "failed", eventMetadata: {}, payload: {} });
			for (const reply of [
				await api.delete<Problem>(`/api/v1/deliveries/${one!.id}`),
				await api.post<Problem>(`/api/v1/deliveries/${one!.id}/replay`),
			]) {
				expect([reply.status, reply.body.code]).toEqual([409, "conflict"]);
				expect(reply.body.error).toBe("this delivery is purged, not dead");
			}
		});

		it("are the only ones that are replayed or purged", async () => {
			const all = await deliveriesOf(api, rule);
			const sent = all.find((d) => d.status === "sent")!;
			for (const reply of [
				await api.delete<Problem>(`/api/v1/deliveries/${sent.id}`),
				await api.post<Problem>(`/api/v1/deliveries/${sent.id}/replay`),
			]) {
				expect([reply.status, reply.body.error]).toEqual([409, "this delivery is sent, not dead"]);
			}
			const unknown = `dlv_${"0".repeat(26)}`;
			for (const id of [unknown, "dlv_x", "x", sent.eventId]) {
				expect((await api.get(`/api/v1/deliveries/${id}`)).status).toBe(404);
				expect((await api.post(`/api/v1/deliveries/${id}/replay`)).status).toBe(404);
				expect((await api.delete(`/api/v1/deliveries/${id}`)).status).toBe(404);
			}
		});

		it("are walled off from others", async () => {
			const [one] = await deadOnes();
			for (const other of [
				await tenant(server, `walled-${store}`),
				await tenant(server, "default", `walled-${store}`),
			]) {
				expect((await other.get<{ data: [] }>("/api/v1/deliveries")).body.data).toEqual([]);
				expect((await other.get(`/api/v1/deliveries/${one!.id}`)).status).toBe(404);
				expect((await other.get(`/notifications/${one!.id}`)).status).toBe(404);
				expect((await other.post(`/api/v1/deliveries/${one!.id}/replay`)).status).toBe(404);
				expect((await other.delete(`/api/v1/deliveries/${one!.id}`)).status).toBe(404);
				expect((await other.post("/api/v1/deliveries/replay")).body).toEqual({ replayed: 0 });
				expect((await other.delete("/api/v1/deliveries/dead")).body).toEqual({ purged: 0 });
			}
			expect((await getDelivery(api, one!.id)).status).toBe("dead");
		});

		it("are sent again, or purged, all at once", async () => {
			const before = await deadOnes();
			expect(before).toHaveLength(3);
			const tries = to.got.length;
			const again = await api.post("/api/v1/deliveries/replay");
			expect([again.status, again.body]).toEqual([200, { replayed: 3 }]);
			await eventually(deadOnes, (all) => all.length === 3 && to.got.length === tries + 3);
			const gone = await api.delete("/api/v1/deliveries/dead");
			expect([gone.status, gone.body]).toEqual([200, { purged: 3 }]);
			expect(await deadOnes()).toEqual([]);
			expect((await api.post("/api/v1/deliveries/replay")).body).toEqual({ replayed: 0 });
		});
	});

	it("are notifications for older clients, in their four words", async () => {
		const answers: Record<string, Answer> = {
			"/sent": {},
			"/failed": { status: 404 },
			"/retrying": { status: 500 },
		};
		const to = await receiver((request) => answers[request.path] ?? {});
		const rule = await makeRule(api, {
			eventType: "told.older",
			name: "Older",
			actions: [
				...Object.keys(answers).map((path) => ({
					channel: "webhook",
					config: { url: to.url.replace("/hook", path) },
				})),
				{ channel: "in_app", config: {} },
			],
		});
		const event = await sendEvent(api, "told.older", { payload: { user: 7 } });
		const [alert] = await eventually(
			() => alertsOf(api, rule),
			(all) => all.length === 1,
		);
		interface Older {
			id: string;
			status: string;
			ruleId: string;
			channel: string;
			sentAt: string | null;
		}
		const mine = async (query = ""): Promise<Older[]> => {
			const reply = await api.get<{ notifications: Older[] }>(`/notifications?limit=100${query}`);
			expect(reply.status).toBe(200);
			return reply.body.notifications.filter((n) => n.ruleId === rule.id);
		};
		const all = await eventually(
			() => mine(),
			(list) => list.filter((n) => n.status !== "pending").length === 4 && to.got.length === 3,
		);
		expect(all.map((n) => n.status).sort()).toEqual(["failed", "retrying", "sent", "sent"]);
		for (const one of all) {
			expect(one).toEqual({
				id: expect.stringMatching(/^dlv_/) as string,
				ruleId: rule.id,
				ruleName: "Older",
				eventId: event.id,
				eventType: "told.older",
				channel: expect.stringMatching(/^(webhook|in_app)$/) as string,
				status: one.status,
				sentAt: one.status === "sent" ? (expect.stringMatching(/Z$/) as string) : null,
				error: { failed: "HTTP 404", retrying: "HTTP 500" }[one.status] ?? null,
				createdAt: expect.stringMatching(/Z$/) as string,
			});
			const single = await api.get(`/notifications/${one.id}`);
			expect(single.body).toMatchObject({ ...one, eventMetadata: { user: 7 } });
			expect(single.body.payload).toMatchObject({ alertId: alert!.id, ruleName: "Older", count: 1 });
		}
		for (const status of ["failed", "retrying", "sent"]) {
			const only = await mine(`&status=${status}`);
			expect(only.map((n) => n.id).sort()).toEqual(
				all
					.filter((n) => n.status === status)
					.map((n) => n.id)
					.sort(),
			);
		}
		expect(await mine("&status=pending")).toEqual([]);
		for (const query of ["limit=0", "limit=101", "limit=x", "offset=-1", "status=dead"]) {
			expect([query, (await api.get(`/notifications?${query}`)).status]).toEqual([query, 400]);
		}
	});
});

describe("a target that is not public", () => {
	const forms = (port: number) => [
		`http://127.0.0.1:${port}/`,
		`http://localhost:${port}/`,
		`http://tocsin.localhost:${port}/`,
		`http://localhost.:${port}/`,
		`http://127.9.9.9:${port}/`,
		`http://127.1:${port}/`,
		`http://2130706433:${port}/`,
		`http://0x7f000001:${port}/`,
		`http://0177.0.0.1:${port}/`,
		`http://0.0.0.0:${port}/`,
		`http://0:${port}/`,
		`http://[::1]:${port}/`,
		`http://[::]:${port}/`,
		`http://[::ffff:127.0.0.1]:${port}/`,
		`http://[::ffff:7f00:1]:${port}/`,
		`http://[64:ff9b::7f00:1]:${port}/`,
		`http://[fe80::1]:${port}/`,
		`http://[fd00::1]:${port}/`,
		`http://[ff02::1]:${port}/`,
		"http://10.0.0.1/",
		"http://172.16.0.1/",
		"http://192.168.1.1/",
		"http://100.64.0.1/",
		"http://169.254.169.254/latest/meta-data/",
		"http://224.0.0.1/",
		"http://255.255.255.255/",
		`http://me:secret@example.com:${port}/`,
		`http://127.0.0.1%00.example.com:${port}/`,
		`http://example.com\\@127.0.0.1:${port}/`,
		`http:///127.0.0.1:${port}/`,
		"ftp://example.com/",
		"file:///etc/passwd",
		"gopher://example.com/",
	];

	function write(api: Api, url: string) {
		return api.post<Problem>("/api/v1/rules", {
			name: "inward",
			eventType: "inward",
			condition: "count_gte",
			threshold: 1,
			windowSeconds: 60,
			actions: [{ channel: "webhook", config: { url } }],
		});
	}

	it("is refused when the rule is written", async () => {
		const canary = await receiver();
		const server = await Server.start({ privateTargets: "none" });
		const api = await Api.bootstrap(server.url);
		for (const url of forms(canary.port)) {
			const reply = await write(api, url);
			expect([url, reply.status]).toEqual([url, 400]);
			expect(reply.body.field).toBe("actions[0].config.url");
		}
		expect((await write(api, "https://example.com/hook")).status).toBe(201);
		expect(canary.got).toEqual([]);
		await server.stop();
	});

	it("is refused when it is sent to, by its address and by a name for it", async () => {
		const canary = await receiver();
		const names = ["127.0.0.1", "localhost", "LOCALHOST"];
		const open = await Server.prepare();
		const closed = await Server.prepare({ data: open.data, privateTargets: "none" });
		await open.launch();
		const first = await Api.bootstrap(open.url);
		const rule = await makeRule(first, {
			eventType: "turned.inward",
			actions: names.map((name) => ({
				channel: "webhook",
				config: { url: `http://${name}:${canary.port}/hook` },
			})),
		});
		await sendEvent(first, "turned.inward");
		await canary.until((all) => all.length === names.length);
		await open.kill("SIGTERM");

		await closed.launch();
		const api = new Api(closed.url, first.key);
		await sendEvent(api, "turned.inward");
		const dead = await eventually(
			() => deliveriesOf(api, rule),
			(all) => all.filter((d) => d.status === "dead").length === names.length,
		);
		for (const one of dead.filter((d) => d.status === "dead")) {
			expect(one).toMatchObject({ attempts: 1, httpStatus: null });
			expect(one.error).toMatch(/not allowed|loopback/);
		}
		expect(canary.got).toHaveLength(names.length);
		await closed.kill("SIGTERM");
		await Promise.all([open.discard(), closed.discard()]);
	});
});

describe("a receiver that is down", () => {
	it("is left alone after five failures, until one delivery finds it up again", async () => {
		const server = await Server.start({ clock: true });
		const api = await Api.bootstrap(server.url);
		let status = 500;
		const down = await receiver(() => ({ status }));
		const up = await receiver();
		const rule = await makeRule(api, {
			eventType: "breaks",
			actions: [{ channel: "webhook", config: { url: down.url } }],
		});
		const other = await makeRule(api, {
			eventType: "breaks",
			actions: [{ channel: "webhook", config: { url: up.url } }],
		});
		/** Nothing is under way, and all that is open has its time. */
		const resting = () =>
			eventually(
				() => deliveriesOf(api, rule),
				(all) =>
					all
						.filter((d) => d.status !== "sent")
						.every((d) => d.status !== "sending" && Date.parse(d.dueAt!) > server.now()),
			);
		for (let i = 1; i <= 5; i++) {
			await sendEvent(api, "breaks");
			await down.until((all) => all.length === i);
			await resting();
		}
		for (let i = 0; i < 7; i++) await sendEvent(api, "breaks");
		await caughtUp(api);
		// Those of the other host pass it all by.
		await up.until((all) => all.length === 12);
		expect((await resting()).map((d) => d.attempts).sort()).toEqual([
			...Array<number>(7).fill(0),
			...Array<number>(5).fill(1),
		]);
		expect(down.got).toHaveLength(5);

		server.advance(20 * SECOND);
		await resting();
		expect(down.got).toHaveLength(5);
		// One probe, which fails: the rest is twice as long.
		server.advance(11 * SECOND);
		await down.until((all) => all.length === 6);
		await resting();
		server.advance(31 * SECOND);
		await resting();
		expect(down.got).toHaveLength(6);

		// One that succeeds brings all of them.
		status = 200;
		server.advance(30 * SECOND);
		await down.until((all) => all.length === 7);
		await eventually(
			async () => {
				const all = await deliveriesOf(api, rule);
				if (all.some((d) => d.status !== "sent")) server.advance(SECOND);
				return all;
			},
			(all) => all.length === 12 && all.every((d) => d.status === "sent"),
		);
		expect(down.got).toHaveLength(6 + 12);
		expect(await deliveriesOf(api, other)).toHaveLength(12);
		await server.stop();
	});

	it("and hangs keeps nobody else waiting, and is given up after fifteen seconds", async () => {
		const server = await Server.start();
		const api = await Api.bootstrap(server.url);
		const others = await Promise.all(Array.from({ length: 20 }, () => receiver()));
		const hanging = await receiver(() => ({ hang: true }));
		for (const part of [others.slice(0, 10), others.slice(10)]) {
			await makeRule(api, {
				eventType: "spreads",
				actions: part.map((to) => ({ channel: "webhook", config: { url: to.url } })),
			});
		}
		const stuck = await makeRule(api, {
			eventType: "hangs",
			actions: [{ channel: "webhook", config: { url: hanging.url } }],
		});
		const spread = async (n: number) => {
			const start = performance.now();
			await sendEvent(api, "spreads");
			await Promise.all(others.map((to) => to.until((all) => all.length === n)));
			return performance.now() - start;
		};
		await spread(1);
		const before = Math.max(await spread(2), await spread(3), await spread(4));
		for (let i = 0; i < 60; i++) await sendEvent(api, "hangs");
		await hanging.until((all) => all.length >= 16);
		const during = Math.max(await spread(5), await spread(6), await spread(7));
		expect(during).toBeLessThan(5 * before + 250);
		// So many at once, and no more: the others wait their turn without a place of their own.
		expect(hanging.got).toHaveLength(16);

		const first = await eventually(
			() => deliveriesOf(api, stuck),
			(all) => all.some((d) => d.status === "retrying"),
			25_000,
		);
		const one = await getDelivery(api, first.find((d) => d.status === "retrying")!.id);
		expect(one.attemptList).toMatchObject([{ n: 1, outcome: "retry", httpStatus: null }]);
		expect(one.error).toMatch(/no complete answer in time/);
		expect(one.attemptList[0]!.durationMs).toBeGreaterThan(14 * SECOND);
		expect(one.attemptList[0]!.durationMs).toBeLessThan(20 * SECOND);
		await server.discard();
	});
});
