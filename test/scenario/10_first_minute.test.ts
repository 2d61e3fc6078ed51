// The first minute with a fresh server: a key, a rule, three events, and somebody hears of it once.
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api, eventually, type Problem } from "../harness/api.ts";
import { Socket, Sse } from "../harness/live.ts";
import { alertsOf, deliveriesOf, makeRule, sendEvent, settled } from "../harness/model.ts";
import { Receiver } from "../harness/receiver.ts";
import { Server } from "../harness/server.ts";
import { stores } from "../harness/store.ts";

describe.each(stores)("the first minute, state in %s", (store) => {
	let server: Server;
	let receiver: Receiver;
	let api: Api;

	beforeAll(async () => {
		[server, receiver] = await Promise.all([Server.start({ store }), Receiver.start()]);
	});
	afterAll(async () => {
		await Promise.all([server.stop(), receiver.stop()]);
	});

	it("gives the first key to who sits at the machine, once, and says what to do else", async () => {
		const first = await new Api(server.url).post("/api-keys", { name: "first" });
		expect(first.status).toBe(201);
		expect(first.body).toMatchObject({ name: "first", expiresAt: null });
		expect(first.body.key).toMatch(/^sk_[0-9a-f]{48}$/);
		expect(first.body.keyPrefix).toBe(`${String(first.body.key).slice(0, 12)}...`);
		api = new Api(server.url, String(first.body.key));

		const second = await new Api(server.url).post<Problem>("/api-keys", { name: "second" });
		expect(second.status).toBe(401);
		expect(second.body.code).toBe("unauthorized");
		expect(second.body.error).toMatch(/API key is needed/);
		expect(second.body.error).toMatch(/Authorization: Bearer/);

		const byKey = await api.post("/api-keys", { name: "second" });
		expect(byKey.status).toBe(201);
		const list = await api.get<{ apiKeys: { name: string; key?: string }[] }>("/api-keys");
		expect(list.body.apiKeys.map((key) => key.name)).toEqual(["second", "first"]);
		expect(list.text).not.toContain(String(first.body.key));
	});

	it("brings one alert of three events to a receiver and both live streams, once", async () => {
		const secret = `whsec_${Buffer.from("a signing secret of 32 bytes len").toString("base64")}`;
		const rule = await makeRule(api, {
			eventType: "checkout_failed",
			threshold: 3,
			cooldownSeconds: 120,
			actions: [
				{ channel: "webhook", config: { url: receiver.url, secret } },
				{ channel: "in_app", config: {} },
			],
		});
		const bearer = { authorization: `Bearer ${api.key}` };
		const ticket = await api.get<{ ticket: string }>("/auth/ws-ticket");
		const [sse, socket] = await Promise.all([
			Sse.open(server.url, "/api/v1/stream", bearer),
			Socket.open(server.url, `/ws?ticket=${ticket.body.ticket}`),
		]);
		await sse.until((frames) => frames.some((f) => f.event === "connected"));
		await socket.until((frames) => frames.some((f) => f.type === "connected"));

		const events = [];
		for (const amount of [10, 20, 30]) {
			events.push(await sendEvent(api, "checkout_failed", { payload: { amount } }));
		}
		const [got] = await receiver.until((all) => all.length > 0);
		const [alert] = await alertsOf(api, rule);
		expect(got!.json).toMatchObject({
			type: "alert.fired",
			alertId: alert!.id,
			ruleId: rule.id,
			ruleName: rule.name,
			eventId: events[2]!.id,
			eventType: "checkout_failed",
			eventMetadata: { amount: 30 },
			threshold: 3,
			windowSeconds: 60,
			count: 3,
		});
		// The judge is the library that receivers use; it throws when anything is wrong.
		const judge = new Webhook(secret);
		const headers = got!.headers as Record<string, string>;
		expect(judge.verify(got!.body, headers)).toMatchObject({ alertId: alert!.id });
		expect(() => judge.verify(`${got!.body} `, headers)).toThrow();
		expect(got!.body).not.toContain(secret);

		await sse.until(() => sse.of("event").length === 3 && sse.of("alert").length === 1);
		expect(sse.of("event").map((f) => f.data.id)).toEqual(events.map((e) => e.id));
		expect(sse.of("alert")[0]!.data).toMatchObject({ alertId: alert!.id, count: 3 });
		await socket.until(() => socket.of("event:new").length === 3);
		await socket.until(() => socket.of("notification:new").length === 1);
		expect(socket.of("event:new")[0]!.payload).toMatchObject({
			id: events[0]!.id,
			type: "checkout_failed",
			metadata: { amount: 10 },
		});
		expect(socket.of("notification:new")[0]!.payload).toMatchObject({ count: 3 });
		sse.close();
		socket.close();

		await settled(api);
		expect(receiver.got).toHaveLength(1);
		const deliveries = await deliveriesOf(api, rule);
		expect(deliveries.map((d) => [d.channel, d.status])).toEqual(
			expect.arrayContaining([
				["webhook", "sent"],
				["in_app", "sent"],
			]),
		);
		expect(deliveries).toHaveLength(2);
		expect(headers["webhook-id"]).toBe(deliveries.find((d) => d.channel === "webhook")!.id);
	});
});

describe("the way in before the first key", () => {
	it("takes the printed setup token from elsewhere, and no other", async () => {
		const server = await Server.start();
		const body = { name: "from afar" };
		const afar = { "x-forwarded-for": "203.0.113.7", "x-setup-token": server.setupToken };
		expect(server.setupToken).toMatch(/^[0-9a-f]{40}$/);
		const wrong = await new Api(server.url).post<Problem>("/api-keys", body, {
			...afar,
			"x-setup-token": server.setupToken.replace(/^./, (c) => (c === "0" ? "1" : "0")),
		});
		expect(wrong.status).toBe(401);
		expect(wrong.body.error).toContain("X-Setup-Token");
		expect((await new Api(server.url).post("/api-keys", body, afar)).status).toBe(201);
		expect((await new Api(server.url).post("/api-keys", body, afar)).status).toBe(401);
		await server.stop();
	});

	it("takes a setup token given as a setting, and does not print it", async () => {
		const token = "a-setup-token-of-ours-0123456789";
		const server = await Server.start({ env: { TOCSIN_SETUP_TOKEN: token } });
		expect(server.setupToken).toBe("");
		const first = await new Api(server.url).post(
			"/api/v1/keys",
			{ name: "first" },
			{ "x-setup-token": token, host: "tocsin.example" },
		);
		expect(first.status).toBe(201);
		expect(JSON.stringify(server.log)).not.toContain(token);
		await server.stop();
	});

	it("refuses what a page or a proxy could send from this machine, until somebody real asks", async () => {
		const server = await Server.start();
		const foreign: Record<string, string>[] = [
			{ origin: "http://127.0.0.1:3000" },
			{ "sec-fetch-site": "same-origin" },
			{ "sec-fetch-mode": "cors" },
			{ "sec-fetch-dest": "empty" },
			{ forwarded: "for=192.0.2.60" },
			{ "x-forwarded-for": "127.0.0.1" },
			{ "x-forwarded-host": "localhost" },
			{ "x-real-ip": "127.0.0.1" },
			{ host: "tocsin.example" },
			{ host: "127.0.0.1.example.com" },
			{ "content-type": "text/plain" },
			{ "content-type": "application/x-www-form-urlencoded" },
			{ authorization: "Bearer sk_000000000000000000000000000000000000000000000000" },
		];
		for (const headers of foreign) {
			const reply = await new Api(server.url).post<Problem>(
				"/api-keys",
				JSON.stringify({ name: "x" }),
				headers,
			);
			expect([headers, reply.status]).toEqual([headers, 401]);
			expect(reply.body.error).toContain("X-Setup-Token");
		}
		const [a, b] = await Promise.all([
			new Api(server.url).post("/api-keys", { name: "a" }),
			new Api(server.url).post("/api-keys", { name: "b" }),
		]);
		expect([a.status, b.status].sort()).toEqual([201, 401]);
		await eventually(
			() => new Api(server.url).post("/api-keys", { name: "c" }),
			(reply) => reply.status === 401,
		);
		await server.stop();
	});
});
