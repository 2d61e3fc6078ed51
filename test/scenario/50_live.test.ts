// Live streams: who gets in, who sees what, and that going on where one stopped shows each thing once.
import { createHash } from "node:crypto";
import { connect, type Socket as TcpSocket } from "node:net";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { Api, eventually, type Problem } from "../harness/api.ts";
import { tenant } from "../harness/command.ts";
import { Socket, Sse } from "../harness/live.ts";
import { caughtUp, makeRule, metric, sendEvent } from "../harness/model.ts";
import { Server } from "../harness/server.ts";

let server: Server;
let api: Api;

beforeAll(async () => {
	server = await Server.start({ clock: true });
	api = await Api.bootstrap(server.url);
});
afterAll(() => server.stop());

/** Something of its own for each key, and not the key. */
const whose = (who: Api) => createHash("sha256").update(who.key!).digest("hex");
const bearer = (who: Api) => ({ authorization: `Bearer ${who.key}` });

async function openSse(who: Api, headers: Record<string, string> = {}): Promise<Sse> {
	const sse = await Sse.open(server.url, "/api/v1/stream", { ...bearer(who), ...headers });
	await sse.until(() => sse.of("connected").length === 1);
	return sse;
}

async function openSocket(path: string, headers: Record<string, string> = {}): Promise<Socket> {
	const socket = await Socket.open(server.url, path, headers);
	await socket.until((frames) => frames.length > 0);
	return socket;
}

async function ticket(who: Api = api): Promise<string> {
	const reply = await who.post<{ ticket: string }>("/api/v1/stream/tickets");
	expect(reply.status).toBe(201);
	return reply.body.ticket;
}

describe("getting in", () => {
	it("a ticket opens one stream, and no second one", async () => {
		const once = await ticket();
		const first = await openSocket(`/ws?ticket=${once}`);
		expect(first.frames[0]).toMatchObject({ type: "connected", payload: {} });
		const second = await openSocket(`/ws?ticket=${once}`);
		expect(second.frames[0]).toEqual({
			type: "error",
			payload: { message: expect.stringContaining("ticket") },
		});
		expect(await second.ended()).toBe(4401);
		await sendEvent(api, "after.refusal");
		await first.until(() => first.of("event:new").length === 1);
		expect(second.frames).toHaveLength(1);
		first.close();

		const older = await api.get<{ ticket: string }>("/auth/ws-ticket");
		const byToken = await openSocket(`/ws?token=${older.body.ticket}`);
		expect(byToken.frames[0]!.type).toBe("connected");
		byToken.close();
		const sse = await Sse.open(server.url, `/api/v1/stream?ticket=${await ticket()}`);
		expect(sse.status).toBe(200);
		sse.close();
	});

	it("a ticket is good for thirty seconds", async () => {
		const late = await ticket();
		server.advance(30_000);
		expect(await (await openSocket(`/ws?ticket=${late}`)).ended()).toBe(4401);
	});

	it("a key opens a stream as well, by header or, for older clients, by query", async () => {
		for (const socket of [
			await openSocket(`/ws?token=${api.key}`),
			await openSocket("/ws", bearer(api)),
		]) {
			expect(socket.frames[0]!.type).toBe("connected");
			socket.close();
		}
	});

	it("nobody else gets in", async () => {
		for (const path of ["/ws", "/ws?ticket=tkt_nothing", "/ws?token=sk_nobody", "/ws?token="]) {
			const socket = await openSocket(path);
			expect(socket.frames[0]!.type).toBe("error");
			expect(await socket.ended()).toBe(4401);
		}
		for (const path of ["/api/v1/stream", "/api/v1/stream?ticket=tkt_nothing"]) {
			const reply = await new Api(server.url).get<Problem>(path);
			expect([reply.status, reply.body.code]).toEqual([401, "unauthorized"]);
		}
		const plain = await api.get<Problem>("/ws");
		expect([plain.status, plain.body.code]).toEqual([426, "upgrade_required"]);
		const made = await api.post<{ key: string }>("/api-keys", {
			name: "rules",
			scopes: ["rules:read"],
		});
		const scoped = await openSocket(`/ws?token=${made.body.key}`);
		expect(await scoped.ended()).toBe(4401);
	});

	it("a revoked key ends its streams at once, and nobody else's", async () => {
		const made = await api.post<{ id: string; key: string }>("/api-keys", { name: "leaving" });
		const leaving = new Api(server.url, made.body.key);
		const byTicket = await openSocket(`/ws?ticket=${await ticket(leaving)}`);
		const byHeader = await openSocket("/ws", bearer(leaving));
		const sse = await openSse(leaving);
		const staying = await openSse(api);
		await api.delete(`/api-keys/${made.body.id}`);
		expect([await byTicket.ended(), await byHeader.ended()]).toEqual([4401, 4401]);
		await sse.ended();
		await sendEvent(api, "after.revocation");
		await staying.until(() => staying.of("event").length === 1);
		expect(sse.of("event")).toHaveLength(0);
		staying.close();
	});

	it("a ticket is worth nothing once its key is revoked", async () => {
		const made = await api.post<{ id: string; key: string }>("/api-keys", { name: "leaving" });
		const late = await ticket(new Api(server.url, made.body.key));
		await api.delete(`/api-keys/${made.body.id}`);
		expect(await (await openSocket(`/ws?ticket=${late}`)).ended()).toBe(4401);
	});

	it("a key that expires ends its streams", async () => {
		const made = await api.post<{ key: string }>("/api-keys", { name: "month", expiresIn: "30d" });
		const socket = await openSocket("/ws", bearer(new Api(server.url, made.body.key)));
		server.advance(31 * 86_400_000);
		expect(await socket.ended()).toBe(4401);
	});
});

describe("what a stream shows", () => {
	it("is its own project's, and no other's", async () => {
		const other = await tenant(server, "globex");
		const sibling = await tenant(server, "globex", "second");
		const all = await Promise.all([api, other, sibling].map((who) => openSse(who)));
		const socket = await openSocket("/ws", bearer(other));
		for (const who of [api, other, sibling]) {
			await makeRule(who, { eventType: "mine" });
			await sendEvent(who, "mine", { payload: { from: whose(who) } });
		}
		for (const [i, who] of [api, other, sibling].entries()) {
			const sse = all[i]!;
			await sse.until(() => sse.of("event").length > 0 && sse.of("notification").length > 0);
			expect(sse.of("event").map((f) => f.data.payload)).toEqual([{ from: whose(who) }]);
			const told = JSON.stringify([...sse.of("alert"), ...sse.of("notification")]);
			for (const stranger of [api, other, sibling].filter((a) => a !== who)) {
				expect(told).not.toContain(whose(stranger));
			}
		}
		await socket.until(() => socket.of("notification:new").length === 1);
		expect(socket.of("event:new")).toHaveLength(1);
		for (const sse of all) sse.close();
		socket.close();
	});

	it("comes in order, to 50 at once, by both ways", async () => {
		const streams = await Promise.all(Array.from({ length: 25 }, () => openSse(api)));
		const sockets = await Promise.all(
			Array.from({ length: 25 }, () => openSocket("/ws", bearer(api))),
		);
		const events = Array.from({ length: 500 }, (_, n) => ({ type: "ordered", payload: { n } }));
		await api.post("/api/v1/events", events);
		const want = events.map((e) => e.payload.n);
		for (const sse of streams) {
			await sse.until(() => sse.of("event").length === 500);
			expect(sse.of("event").map((f) => (f.data.payload as { n: number }).n)).toEqual(want);
			sse.close();
		}
		for (const socket of sockets) {
			await socket.until(() => socket.of("event:new").length === 500);
			const got = socket.of("event:new").map((f) => (f.payload.metadata as { n: number }).n);
			expect(got).toEqual(want);
			socket.close();
		}
	});
});

describe("going on", () => {
	it("behind the last id shows each event and alert once, over kills of the server", async () => {
		await makeRule(api, { eventType: "resumed" });
		const seen: Record<"event" | "alert", string[]> = { event: [], alert: [] };
		const ids: string[] = [];
		let last: string | undefined;
		let sse = await openSse(api);
		const collect = () => {
			for (const frame of sse.frames) {
				if (frame.event === "event") seen.event.push(String(frame.data.id));
				if (frame.event === "alert") seen.alert.push(String(frame.data.eventId));
				expect(frame.event).not.toBe("resync");
			}
			last = sse.lastId === "" ? last : sse.lastId;
		};
		for (let round = 0; round < 6; round++) {
			// Some come while the stream is there, and it is cut somewhere among them.
			for (let i = 0; i < 10; i++) {
				ids.push((await sendEvent(api, "resumed", { payload: { i } })).id);
			}
			await sse.until((frames) => frames.length > round * 2 + 1);
			sse.close();
			collect();
			for (let i = 0; i < 5; i++) ids.push((await sendEvent(api, "resumed")).id);
			if (round % 2 === 1) await server.restart(round % 4 === 1 ? "SIGKILL" : "SIGTERM");
			sse = await openSse(api, last === undefined ? {} : { "last-event-id": last });
			// And some at the very moment at which it is back.
			ids.push((await sendEvent(api, "resumed")).id);
		}
		await caughtUp(api);
		const marker = await sendEvent(api, "resumed");
		ids.push(marker.id);
		await sse.until((frames) =>
			frames.some((f) => f.event === "alert" && f.data.eventId === marker.id),
		);
		await sse.until((frames) => frames.some((f) => f.data.id === marker.id));
		collect();
		sse.close();
		expect(seen.event).toEqual(ids);
		expect(seen.alert).toEqual(ids);
	});

	it("from the first frame of a stream that came in the middle of a flood", async () => {
		await makeRule(api, { eventType: "long.ago" });
		const old = await sendEvent(api, "long.ago");
		await caughtUp(api);
		let over = false;
		const flood = (async () => {
			while (!over) await sendEvent(api, "flood");
		})();
		onTestFinished(async () => {
			over = true;
			await flood;
		});
		for (let round = 0; round < 20; round++) {
			const sse = await openSse(api);
			await sse.until(() => sse.of("event").length > 0);
			sse.close();
			const first = sse.of("event")[0]!;
			expect(first.id).not.toBe("");
			const again = await openSse(api, { "last-event-id": first.id });
			await again.until(() => again.of("event").length > 1);
			again.close();
			expect(again.of("event").map((f) => f.data.id)).not.toContain(first.data.id);
			expect(again.frames.map((f) => f.data.eventId)).not.toContain(old.id);
			expect(again.of("resync")).toEqual([]);
		}
	});

	it("by ?lastEventId= and on a socket by streamId", async () => {
		const first = await openSocket("/ws", bearer(api));
		await sendEvent(api, "socket.a");
		const [frame] = await first.until(() => first.of("event:new").length === 1);
		first.close();
		expect(frame!.type).toBe("connected");
		const id = first.of("event:new")[0]!.streamId!;
		const missed = await sendEvent(api, "socket.b");
		const again = await openSocket(`/ws?token=${api.key}&lastEventId=${id}`);
		await again.until(() => again.of("event:new").length === 1);
		expect(again.of("event:new")[0]!.payload.id).toBe(missed.id);
		again.close();
	});

	it("with an id that is forged, or of another org, starts anew and says so", async () => {
		const other = await tenant(server, "initech");
		const theirs = await openSse(other);
		await sendEvent(other, "x");
		await theirs.until(() => theirs.of("event").length === 1);
		theirs.close();
		for (const id of ["nonsense", "0".repeat(26), "7ZZZZZZZZZZZZZZZZZZZZZZZZZ", theirs.lastId]) {
			const sse = await openSse(api, { "last-event-id": id });
			await sse.until(() => sse.of("resync").length === 1);
			const fresh = await sendEvent(api, "fresh");
			await sse.until(() => sse.of("event").length === 1);
			expect(sse.of("event")[0]!.data.id).toBe(fresh.id);
			sse.close();
		}
	});

	it("after more than a stream can make up for says resync", async () => {
		const sse = await openSse(api);
		await sendEvent(api, "before");
		await sse.until(() => sse.of("event").length === 1);
		sse.close();
		const many = Array.from({ length: 10_000 }, () => ({ type: "missed" }));
		for (const _ of [1, 2]) await api.post("/api/v1/events", many);
		const again = await openSse(api, { "last-event-id": sse.lastId });
		await again.until(() => again.of("resync").length === 1);
		expect(again.of("event")).toHaveLength(0);
		again.close();
	});
});

describe("one that does not read", () => {
	/** A stream that was asked for and is never read. */
	function sleeper(): Promise<TcpSocket> {
		return new Promise((resolve, reject) => {
			const socket = connect(server.port, "127.0.0.1", () => {
				socket.pause();
				socket.write(
					`GET /api/v1/stream HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${api.key}\r\n\r\n`,
				);
				resolve(socket);
			});
			socket.on("error", reject);
		});
	}

	it("is dropped, while the others miss nothing", async () => {
		const before = await metric(api, "tocsin_live_dropped_total");
		const asleep = await Promise.all(Array.from({ length: 3 }, sleeper));
		await eventually(
			() => metric(api, "tocsin_live_clients"),
			(n) => n === 3,
		);
		const awake = await openSse(api);
		const payload = { text: "x".repeat(100_000) };
		const sent: string[] = [];
		let dropped = 0;
		while (dropped < 3 && sent.length < 400) {
			sent.push((await sendEvent(api, "heavy", { payload })).id);
			await awake.until(() => awake.of("event").length === sent.length);
			dropped = (await metric(api, "tocsin_live_dropped_total")) - before;
		}
		expect(dropped).toBe(3);
		expect(awake.of("event").map((f) => f.data.id)).toEqual(sent);
		await eventually(
			() => metric(api, "tocsin_live_clients"),
			(n) => n === 1,
		);
		awake.close();
		for (const socket of asleep) socket.destroy();
	});
});

describe("the end", () => {
	it("of the server is told: sockets close with 1001, streams end", async () => {
		const socket = await openSocket("/ws", bearer(api));
		const sse = await openSse(api);
		const restart = server.restart("SIGTERM");
		expect(await socket.ended()).toBe(1001);
		await sse.ended();
		await restart;
	});

	it("of a socket is answered, and pings as well", async () => {
		const socket = await openSocket("/ws", bearer(api));
		const pong = new Promise((resolve) => socket.ws.once("pong", resolve));
		socket.ws.ping("hello");
		expect(String(await pong)).toBe("hello");
		socket.ws.close(1000, "bye");
		expect(await socket.ended()).toBe(1000);
		// A client that breaks the rules is told which, and cut off.
		const rude = await openSocket("/ws", bearer(api));
		rude.ws.send(Buffer.from([0xff, 0xfe]), { binary: false });
		expect([1007, 1006]).toContain(await rude.ended());
	});
});
