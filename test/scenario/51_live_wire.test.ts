// Live streams to the byte: what frames hold and in which order, going on while everything moves,
// and what happens to clients that break the rules of the wire.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api, eventually, type Problem } from "../harness/api.ts";
import { tenant } from "../harness/command.ts";
import { type Frame, Socket, Sse } from "../harness/live.ts";
import {
	alertsOf,
	caughtUp,
	deliveriesOf,
	type Event,
	listAll,
	makeRule,
	metric,
	sendEvent,
} from "../harness/model.ts";
import { Raw, wsFrame } from "../harness/raw.ts";
import { Receiver } from "../harness/receiver.ts";
import { Server } from "../harness/server.ts";
import { stores } from "../harness/store.ts";

const STREAM = "/api/v1/stream";
const PING_MS = 25_000;

function bearer(api: Api, more: Record<string, string> = {}): Record<string, string> {
	return { authorization: `Bearer ${api.key}`, ...more };
}

async function sse(api: Api, lastId?: string): Promise<Sse> {
	const more: Record<string, string> = lastId === undefined ? {} : { "last-event-id": lastId };
	const stream = await Sse.open(api.url, STREAM, bearer(api, more));
	await stream.until((frames) => frames.some((f) => f.event === "connected"));
	return stream;
}

async function socket(api: Api, path = `/ws?token=${api.key}`): Promise<Socket> {
	const opened = await Socket.open(api.url, path);
	await opened.until((frames) => frames.length > 0);
	return opened;
}

function idsOf(stream: Sse): string[] {
	return stream.of("event").map((f) => String(f.data.id));
}

describe("who may listen", () => {
	let server: Server;
	let api: Api;

	beforeAll(async () => {
		server = await Server.start({ clock: true });
		api = await Api.bootstrap(server.url);
	});
	afterAll(() => server.stop());

	async function ticket(): Promise<string> {
		const reply = await api.post<{ ticket: string }>("/api/v1/stream/tickets");
		expect(reply.status).toBe(201);
		return reply.body.ticket;
	}

	async function refused(path: string): Promise<void> {
		const ws = await socket(api, path);
		expect(await ws.ended()).toBe(4401);
		expect(ws.frames).toEqual([
			{ type: "error", payload: { message: expect.stringMatching(/ticket is needed/) as string } },
		]);
	}

	it("is who has a ticket: both ways to get one, told when it ends", async () => {
		const ours = await api.post("/api/v1/stream/tickets");
		expect(ours.body).toEqual({
			ticket: expect.stringMatching(/^tkt_[0-9A-Z]{32}$/) as string,
			expiresAt: expect.stringMatching(/Z$/) as string,
		});
		const left = Date.parse(String(ours.body.expiresAt)) - server.now();
		expect(left).toBeGreaterThan(25_000);
		expect(left).toBeLessThanOrEqual(30_000);
		const older = await api.get("/auth/ws-ticket");
		expect([older.status, Object.keys(older.body)]).toEqual([200, ["ticket"]]);
		for (const query of [`ticket=${String(ours.body.ticket)}`, `token=${String(older.body.ticket)}`]) {
			const ws = await socket(api, `/ws?${query}`);
			expect(ws.frames[0]).toMatchObject({ type: "connected", payload: {} });
			ws.close();
		}
		expect((await new Api(server.url).post("/api/v1/stream/tickets")).status).toBe(401);
		expect((await new Api(server.url).get("/auth/ws-ticket")).status).toBe(401);
	});

	it("is no second one with the same ticket, whichever stream it is", async () => {
		const one = await ticket();
		const ws = await socket(api, `/ws?ticket=${one}`);
		await refused(`/ws?ticket=${one}`);
		await refused(`/ws?token=${one}`);
		const other = await ticket();
		const stream = await Sse.open(server.url, `${STREAM}?ticket=${other}`);
		expect(stream.status).toBe(200);
		const again = await new Api(server.url).get<Problem>(`${STREAM}?ticket=${other}`);
		expect([again.status, again.body.code]).toEqual([401, "unauthorized"]);
		// Of many who come at once with one ticket, one gets in.
		const shared = await ticket();
		const rush = await Promise.all(
			Array.from({ length: 8 }, () => socket(api, `/ws?ticket=${shared}`)),
		);
		const first = rush.map((s) => s.frames[0]!.type).sort();
		expect(first).toEqual(["connected", ...Array<string>(7).fill("error")]);
		for (const s of [ws, ...rush]) s.close();
		stream.close();
	});

	it("is nobody with a ticket from before a restart", async () => {
		const old = await ticket();
		await server.restart();
		await refused(`/ws?ticket=${old}`);
	});

	it("is nobody else", async () => {
		const wrong = `sk_${"0".repeat(48)}`;
		const one = await ticket();
		for (const path of [
			"/ws",
			"/ws?token=",
			"/ws?ticket=",
			`/ws?ticket=${api.key}`,
			`/ws?token=${wrong}`,
			`/ws?ticket=${one.toLowerCase()}`,
			`/ws?ticket=${one}0`,
			`/ws?ticket=${one.slice(0, -1)}`,
		]) {
			await refused(path);
		}
		for (const path of [STREAM, `${STREAM}?token=${wrong}`, `${STREAM}?ticket=x`]) {
			expect((await new Api(server.url).get(path)).status).toBe(401);
		}
		// A ticket opens streams, and nothing else.
		expect((await new Api(server.url, one).get("/api/v1/events")).status).toBe(401);
	});

	it("is nobody whose key may not read events", async () => {
		const made = await api.post("/api-keys", { name: "writer", scopes: ["events:write"] });
		const writer = new Api(server.url, String(made.body.key));
		expect((await writer.post("/api/v1/stream/tickets")).status).toBe(403);
		expect((await writer.get("/auth/ws-ticket")).status).toBe(403);
		expect((await writer.get<Problem>(STREAM)).status).toBe(403);
		await refused(`/ws?token=${writer.key}`);
	});

	it("is told to upgrade without a WebSocket handshake", async () => {
		const plain = await new Api(server.url).get<Problem>(`/ws?token=${api.key}`);
		expect([plain.status, plain.body.code]).toEqual([426, "upgrade_required"]);
		const shake = {
			upgrade: "websocket",
			connection: "Upgrade",
			"sec-websocket-version": "13",
			"sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
		};
		const wrong: [Record<string, string>, number][] = [
			[{ upgrade: "h2c" }, 426],
			[{ connection: "keep-alive" }, 426],
			[{ "sec-websocket-version": "8" }, 426],
			[{ "sec-websocket-key": "short" }, 400],
			[{ "sec-websocket-key": "" }, 400],
		];
		for (const [change, status] of wrong) {
			const raw = await Raw.open(server.port);
			raw.request("GET", `/ws?token=${api.key}`, { ...shake, ...change });
			await raw.until(() => raw.text.includes("\r\n\r\n"));
			expect([change, raw.text.slice(0, 12)]).toEqual([change, `HTTP/1.1 ${status}`]);
			raw.close();
		}
	});
});

describe.each(stores)("what comes, state in %s", (store) => {
	let server: Server;
	let receiver: Receiver;
	let api: Api;

	beforeAll(async () => {
		[server, receiver] = await Promise.all([
			Server.start({ store, clock: true }),
			Receiver.start(),
		]);
		api = await Api.bootstrap(server.url);
	});
	afterAll(async () => {
		await Promise.all([server.stop(), receiver.stop()]);
	});

	it("is the event, then its alert and notification, then the deliveries", async () => {
		const rule = await makeRule(api, {
			eventType: "told",
			severity: "high",
			actions: [
				{ channel: "in_app", config: {} },
				{ channel: "webhook", config: { url: receiver.url } },
			],
		});
		const [stream, ws] = [await sse(api), await socket(api)];
		const event = await sendEvent(api, "told", { payload: { a: ["ü", 1.50] }, severity: "low" });
		await stream.until(() => stream.of("delivery").length === 1);
		await ws.until(() => ws.of("delivery:new").length === 1);
		const [alert] = await alertsOf(api, rule);
		const webhook = (await deliveriesOf(api, rule)).find((d) => d.channel === "webhook")!;
		const inApp = (await deliveriesOf(api, rule)).find((d) => d.channel === "in_app")!;

		const names = stream.frames.map((f) => f.event);
		expect(names[0]).toBe("connected");
		expect(names[1]).toBe("event");
		expect(names.slice(2, 4).sort()).toEqual(["alert", "notification"]);
		expect(names.slice(4)).toEqual(["delivery"]);
		expect(ws.frames.map((f) => f.type)).toEqual(
			names.map((name) => (name === "connected" ? name : `${name}:new`)),
		);
		const stored = await api.get<Event>(`/api/v1/events/${event.id}`);
		expect(stream.of("event")[0]!.data).toEqual(stored.body);
		expect(ws.of("event:new")[0]!.payload).toEqual({
			id: event.id,
			type: "told",
			metadata: { a: ["ü", 1.5] },
			timestamp: stored.body.occurredAt,
		});
		const told = { alertId: alert!.id, ruleId: rule.id, ruleName: rule.name, count: 1 };
		const notified = { ...told, notificationId: inApp.id, eventType: "told", threshold: 1 };
		for (const [alerts, notifications, deliveries] of [
			[stream.of("alert"), stream.of("notification"), stream.of("delivery")].map((list) =>
				list.map((f) => f.data),
			),
			[ws.of("alert:new"), ws.of("notification:new"), ws.of("delivery:new")].map((list) =>
				list.map((f) => f.payload),
			),
		]) {
			expect(alerts).toMatchObject([told]);
			expect(notifications).toMatchObject([notified]);
			expect(deliveries).toMatchObject([
				{ id: webhook.id, channel: "webhook", status: "sent", attempts: 1 },
			]);
		}
		// Every frame has an id, and no two are the same.
		const ids = stream.frames.map((f) => f.id);
		expect(new Set(ids).size).toBe(ids.length);
		for (const id of ids) expect(id).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/);
		expect(ws.frames.map((f) => f.streamId)).toEqual(ids);
		stream.close();
		ws.close();
	});

	it("is a stream of events as browsers and proxies want it", async () => {
		const raw = await Raw.open(server.port);
		raw.request("GET", STREAM, bearer(api, { accept: "text/event-stream" }));
		await raw.until(() => raw.text.includes("connected"));
		const head = raw.text.slice(0, raw.text.indexOf("\r\n\r\n")).toLowerCase();
		expect(head).toMatch(/^http\/1\.1 200 /);
		expect(head).toContain("\r\ncontent-type: text/event-stream");
		expect(head).toContain("\r\ncache-control: no-store");
		expect(head).not.toContain("content-length");
		const { id } = await sendEvent(api, "lines", { message: "one\ntwo\r\nthree\u2028" });
		await raw.until(() => raw.text.includes(id));
		const frame = /id: \S{26}\nevent: event\ndata: (\{[^\n]*\})\n\n/.exec(raw.text);
		expect(JSON.parse(frame![1]!)).toMatchObject({ id, message: "one\ntwo\r\nthree\u2028" });
		server.advance(PING_MS + 1000);
		await eventually(
			() => api.get("/health").then(() => raw.text),
			(text) => text.includes("\n: ping\n\n"),
		);
		raw.close();
	});

	it("goes on behind the last id, with what came meanwhile, once", async () => {
		const rule = await makeRule(api, { eventType: "resumed" });
		const first = await sse(api);
		const sent = [await sendEvent(api, "resumed")];
		await first.until(() => first.of("event").length > 0 && first.of("alert").length > 0);
		await first.until(() => first.of("notification").length > 0);
		first.close();
		for (let i = 0; i < 20; i++) sent.push(await sendEvent(api, "resumed"));
		await caughtUp(api);
		for (const open of [
			(id: string) => Sse.open(server.url, STREAM, bearer(api, { "last-event-id": id })),
			(id: string) => Sse.open(server.url, `${STREAM}?lastEventId=${id}`, bearer(api)),
		]) {
			const again = await open(first.lastId);
			await again.until(
				() => again.of("event").length === 20 && again.of("notification").length === 20,
			);
			expect(idsOf(again)).toEqual(sent.slice(1).map((e) => e.id));
			again.close();
		}
		const ws = await socket(api, `/ws?token=${api.key}&lastEventId=${first.lastId}`);
		await ws.until(() => ws.of("event:new").length === 20 && ws.of("alert:new").length === 20);
		expect(ws.of("event:new").map((f) => f.payload.id)).toEqual(sent.slice(1).map((e) => e.id));
		ws.close();
		expect(await alertsOf(api, rule)).toHaveLength(21);
	});

	it("goes on behind the first word, when nothing else came before the break", async () => {
		const first = await sse(api);
		first.close();
		const missed = await sendEvent(api, "missed");
		const again = await sse(api, first.lastId);
		await again.until(() => again.of("event").length > 0);
		expect(idsOf(again)).toEqual([missed.id]);
		expect(again.frames[0]).toEqual({ event: "connected", id: "", data: {} });
		again.close();
		// And behind the word that all begins anew.
		const fresh = await sse(api, "0".repeat(26));
		await fresh.until(() => fresh.of("resync").length === 1);
		fresh.close();
		const later = await sendEvent(api, "later");
		const last = await sse(api, fresh.lastId);
		await last.until(() => last.of("event").length > 0);
		expect(last.frames.map((f) => [f.event, f.data.id])).toEqual([
			["connected", undefined],
			["event", later.id],
		]);
		last.close();
	});

	it.each(["SIGTERM", "SIGKILL"] as const)(
		"has neither gap nor double while events come, over breaks and %s",
		async (signal) => {
			const type = `flows.${signal}`;
			await makeRule(api, { eventType: type, threshold: 10, cooldownSeconds: 0 });
			const frames: Frame[] = [];
			const sent = new Set<string>();
			let stop = false;
			let stream = await sse(api);
			await sendEvent(api, type).then((e) => sent.add(e.id));
			await stream.until(() => stream.of("event").length > 0);
			const sender = (async () => {
				for (let i = 0; !stop; i++) {
					const key = { "idempotency-key": `${type}-${i}` };
					// An answer that was lost is asked for again: the event is there once.
					const reply = await eventually(
						() => api.post("/api/v1/events", { type, payload: { i } }, key).catch(() => null),
						(r) => r?.status === 201,
					);
					sent.add(String(reply!.body.id));
				}
			})();
			for (let round = 0; round < 12; round++) {
				const seen = stream.frames.length;
				await stream.until((all) => all.length > seen + 10);
				if (round % 4 === 3) await server.restart(signal);
				else stream.close();
				await stream.ended();
				frames.push(...stream.frames);
				stream = await sse(api, frames.at(-1)!.id);
			}
			stop = true;
			await sender;
			await caughtUp(api);
			const stored = (await listAll<Event>(api, `/api/v1/events?type=${type}`)).reverse();
			const alerts = await listAll<{ id: string; eventType: string }>(api, "/api/v1/alerts");
			const fired = alerts.filter((a) => a.eventType === type).map((a) => a.id);
			expect([...sent].sort()).toEqual(stored.map((e) => e.id).sort());
			const all = () => [...frames, ...stream.frames];
			await stream.until(
				() =>
					all().some((f) => f.data.id === stored.at(-1)!.id) &&
					all().filter((f) => f.event === "notification").length >= fired.length,
			);
			expect(all().filter((f) => f.event === "resync")).toEqual([]);
			const events = all().filter((f) => f.event === "event");
			expect(events.map((f) => f.data.id)).toEqual(stored.map((e) => e.id));
			const told = all().filter((f) => f.event === "alert");
			expect(told.map((f) => f.data.alertId)).toEqual(fired.reverse());
			stream.close();
		},
	);

	it("starts anew after an id that says nothing here", async () => {
		const other = await tenant(server, `resyncs-${store}`);
		const theirs = await sse(other);
		await sendEvent(other, "theirs");
		await theirs.until(() => theirs.of("event").length === 1);
		theirs.close();
		for (const id of [
			"0".repeat(26),
			"Z".repeat(26),
			"7ZZZZZZZZZZZZZZZZZZZZZZZZZ",
			"17",
			"x".repeat(300),
			theirs.lastId,
			theirs.lastId.toLowerCase(),
		]) {
			const stream = await sse(api, id);
			await stream.until((frames) => frames.some((f) => f.event === "resync"));
			const event = await sendEvent(api, "after.resync");
			await stream.until(() => stream.of("event").length > 0);
			expect(idsOf(stream)).toEqual([event.id]);
			expect(stream.frames.map((f) => f.event)).toEqual(["connected", "resync", "event"]);
			stream.close();
		}
	});

	it("is of the caller's project alone", async () => {
		const apis = [
			await tenant(server, `wall-a-${store}`),
			await tenant(server, `wall-a-${store}`, "second"),
			await tenant(server, `wall-b-${store}`),
		];
		const streams = await Promise.all(apis.map((a) => sse(a)));
		const sockets = await Promise.all(apis.map((a) => socket(a)));
		for (const a of apis) await makeRule(a, { eventType: "walled" });
		const sent: string[][] = apis.map(() => []);
		for (let round = 0; round < 5; round++) {
			await Promise.all(
				apis.map(async (a, i) => {
					sent[i]!.push((await sendEvent(a, "walled", { payload: { of: i } })).id);
				}),
			);
		}
		for (const [i, stream] of streams.entries()) {
			const ws = sockets[i]!;
			await stream.until(() => stream.of("notification").length === 5);
			await ws.until(() => ws.of("notification:new").length === 5);
			await stream.until(() => stream.of("event").length === 5);
			expect(idsOf(stream)).toEqual(sent[i]);
			expect(ws.of("event:new").map((f) => f.payload.id)).toEqual(sent[i]);
			const alerts = (await alertsOf(apis[i]!, { id: String(stream.of("alert")[0]!.data.ruleId) }))
				.map((a) => a.id)
				.reverse();
			expect(stream.of("alert").map((f) => f.data.alertId)).toEqual(alerts);
			expect(ws.of("alert:new").map((f) => f.payload.alertId)).toEqual(alerts);
			stream.close();
			ws.close();
		}
		// An id of the sister project is good here, and shows only what is ours.
		const crossed = await sse(apis[0]!, streams[1]!.frames[1]!.id);
		const last = await sendEvent(apis[0]!, "last");
		await crossed.until(() => idsOf(crossed).includes(last.id));
		for (const id of idsOf(crossed)) expect([...sent[0]!, last.id]).toContain(id);
		crossed.close();
	});
});

describe("how it ends", () => {
	let server: Server;
	let api: Api;

	beforeAll(async () => {
		server = await Server.start({ clock: true });
		api = await Api.bootstrap(server.url);
	});
	afterAll(() => server.stop());

	const protocol: [string, Buffer[], number][] = [
		["a binary message", [wsFrame(2, "abc")], 1003],
		["a text that is not UTF-8", [wsFrame(1, Buffer.from([0xc3, 0x28]))], 1007],
		["a text with half a surrogate", [wsFrame(1, Buffer.from([0xed, 0xa0, 0x80]))], 1007],
		["a message that is too long", [wsFrame(1, "x".repeat(65_537))], 1009],
		["a message said to be too long", [wsFrame(1, "x", { length: 0x7fffffff })], 1009],
		["a frame without a mask", [wsFrame(1, "hello", { masked: false })], 1002],
		["a reserved bit", [wsFrame(1, "hello", { bits: 0x40 })], 1002],
		["an unknown kind of frame", [wsFrame(3, "hello")], 1002],
		["an unknown kind of control frame", [wsFrame(11)], 1002],
		["a ping in parts", [wsFrame(9, "a", { final: false })], 1002],
		["a ping that is too long", [wsFrame(9, "x".repeat(126))], 1002],
		["a continuation of nothing", [wsFrame(0, "hello")], 1002],
		["a new message inside another", [wsFrame(1, "a", { final: false }), wsFrame(1, "b")], 1002],
		["a close with half a code, which is none", [wsFrame(8, Buffer.from([3]))], 0],
		["a close with a code of no meaning", [wsFrame(8, Buffer.from([0x03, 0xed]))], 1002],
		["a good bye", [wsFrame(8, Buffer.from([0x03, 0xe8]))], 1000],
	];
	it.each(protocol)("with a code that says why: %s", async (_, frames, code) => {
		const raw = await Raw.socket(server.port, `/ws?token=${api.key}`);
		raw.send(Buffer.concat(frames));
		await raw.until(() => raw.closed || raw.frames().some((f) => f.opcode === 8));
		// Where frames still mean something the server waits for the other half of the farewell.
		raw.send(wsFrame(8, Buffer.from([code >> 8, code & 255])));
		await raw.until(() => raw.closed);
		expect(raw.closeCode).toBe(code);
	});

	it("not by what a client may say: texts in parts, pings, bytes one by one", async () => {
		const raw = await Raw.socket(server.port, `/ws?token=${api.key}`);
		const [head, tail] = [Buffer.from("Grü").subarray(0, 3), Buffer.from("Grü").subarray(3)];
		raw.send(wsFrame(1, head, { final: false }));
		raw.send(wsFrame(9, "between"));
		raw.send(wsFrame(0, tail));
		raw.send(wsFrame(1, "x".repeat(65_536)));
		for (const byte of wsFrame(9, "one by one")) raw.send(Buffer.from([byte]));
		await raw.until(() => raw.frames().filter((f) => f.opcode === 10).length === 2);
		const pongs = raw.frames().filter((f) => f.opcode === 10);
		expect(pongs.map((f) => f.payload.toString())).toEqual(["between", "one by one"]);
		await sendEvent(api, "still.there");
		await raw.until(() => raw.text.includes("still.there"));
		expect(raw.closeCode).toBe(0);
		raw.close();
	});

	it("when a client does not answer pings, and not when it does", async () => {
		const silent = await Raw.socket(server.port, `/ws?token=${api.key}`);
		const ws = await socket(api);
		let pings = 0;
		ws.ws.on("ping", () => pings++);
		for (let n = 1; n <= 3; n++) {
			server.advance(PING_MS + 1000);
			await eventually(
				() => api.get("/health").then(() => pings),
				(count) => count >= n,
			);
			// The answer is there before the next one is sent.
			await eventually(
				() => metric(api, "tocsin_live_clients"),
				(clients) => clients === (n === 1 ? 2 : 1),
			);
		}
		await silent.until(() => silent.closed);
		expect(silent.frames().filter((f) => f.opcode === 9)).toHaveLength(1);
		await sendEvent(api, "still.here");
		await ws.until(() => ws.of("event:new").length > 0);
		expect(ws.code).toBe(0);
		ws.close();
	});

	it("for a reader that stops reading, while fifty others get every frame", async () => {
		const others = await Promise.all(
			Array.from({ length: 25 }, () => Promise.all([sse(api), socket(api)])),
		);
		const stalled = await Raw.open(server.port);
		stalled.request("GET", STREAM, bearer(api));
		await stalled.until(() => stalled.text.includes("connected"));
		stalled.tcp.pause();
		const before = await metric(api, "tocsin_live_dropped_total");
		const sent: string[] = [];
		const message = "x".repeat(8000);
		const payload = { pad: "x".repeat(120_000) };
		while ((await metric(api, "tocsin_live_dropped_total")) === before) {
			if (sent.length > 200) throw new Error("25 MB wait for a reader that does not read");
			sent.push((await sendEvent(api, "flood", { message, payload })).id);
			for (const [stream, ws] of others) {
				await stream.until(() => stream.of("event").length === sent.length);
				await ws.until(() => ws.of("event:new").length === sent.length);
			}
		}
		expect(await metric(api, "tocsin_live_dropped_total")).toBe(before + 1);
		sent.push((await sendEvent(api, "flood")).id);
		for (const [stream, ws] of others) {
			await stream.until(() => stream.of("event").length === sent.length);
			await ws.until(() => ws.of("event:new").length === sent.length);
			expect(idsOf(stream)).toEqual(sent);
			expect(ws.of("event:new").map((f) => f.payload.id)).toEqual(sent);
			stream.close();
			ws.close();
		}
		stalled.close();
	});
});
