// Behind the proxies of deploy/: live streams, large bodies, who the client is, and kept connections.
import { Agent, request } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { afterAll, beforeAll, describe, expect, it, type TestContext } from "vitest";
import { Api, eventually } from "../harness/api.ts";
import { Socket, Sse } from "../harness/live.ts";
import { metric, sendEvent } from "../harness/model.ts";
import { hasProxy, Proxy, type ProxyKind } from "../harness/proxy.ts";
import { Server } from "../harness/server.ts";

const SETUP_TOKEN = "setup-token-of-the-proxy-test";
const MIB = 1 << 20;

/** One request from another address of this machine. */
function from(localAddress: string, url: string, headers: Record<string, string>): Promise<number> {
	return new Promise((resolve, reject) => {
		const req = request(url, { headers, localAddress, agent: false }, (res) => {
			res.resume();
			res.on("end", () => resolve(res.statusCode!));
		});
		req.on("error", reject);
		req.end();
	});
}

/** A batch of this many bytes, of events that are small enough each. */
function batchOf(bytes: number): string {
	const item = JSON.stringify({ type: "bulk", payload: { a: "x".repeat(100_000) } });
	const n = Math.floor((bytes - 2) / (item.length + 1));
	const batch = `[${Array.from({ length: n }, () => item).join(",")}]`;
	return batch + " ".repeat(bytes - batch.length);
}

describe.each<ProxyKind>(["nginx", "caddy"])("behind %s", (kind) => {
	let server: Server;
	let proxy: Proxy;
	let api: Api;
	let direct: Api;

	beforeAll(async () => {
		if (!hasProxy(kind)) return;
		server = await Server.start({
			args: ["--trusted-proxies", "127.0.0.1", "--setup-token", SETUP_TOKEN, "--log-level", "debug"],
		});
		proxy = await Proxy.start(kind, server.port);
		direct = await Api.bootstrap(server.url);
		api = new Api(proxy.url, direct.key, true);
	});
	afterAll(async () => {
		await proxy?.stop();
		await server?.stop();
	});

	function scenario(name: string, run: () => Promise<void>): void {
		it(name, async (ctx: TestContext) => {
			if (!hasProxy(kind)) ctx.skip(`there is no ${kind} here`);
			await run();
		});
	}

	scenario("WebSockets open, show what happens, and close with their code", async () => {
		const reply = await api.post<{ ticket: string }>("/api/v1/stream/tickets");
		const socket = await Socket.open(proxy.url, `/ws?ticket=${reply.body.ticket}`);
		await socket.until((frames) => frames.length === 1);
		await sendEvent(direct, "by.socket");
		await socket.until(() => socket.of("event:new").length === 1);
		const refused = await Socket.open(proxy.url, "/ws?ticket=no-such-ticket");
		expect(await refused.ended()).toBe(4401);
		socket.close();
	});

	scenario("SSE frames come at once, and Last-Event-ID goes on where one stopped", async () => {
		const headers = { authorization: `Bearer ${api.key}` };
		const first = await Sse.open(proxy.url, "/api/v1/stream", headers);
		await first.until(() => first.of("connected").length === 1);
		for (const n of [1, 2]) {
			await sendEvent(direct, "by.sse", { payload: { n } });
			await first.until(() => first.of("event").length === n);
		}
		first.close();
		for (const n of [3, 4, 5]) await sendEvent(direct, "by.sse", { payload: { n } });
		const second = await Sse.open(proxy.url, "/api/v1/stream", {
			...headers,
			"last-event-id": first.lastId,
		});
		await second.until(() => second.of("event").length === 3);
		const numbers = second.of("event").map((f) => (f.data.payload as { n: number }).n);
		expect(numbers).toEqual([3, 4, 5]);
		second.close();
	});

	scenario("the client is who it is, whatever it claims", async () => {
		const seen = (path: string) =>
			server.waitLog((line) => line.event === "request" && line.path === path);
		const claims = { "x-forwarded-for": "192.0.2.66", forwarded: "for=192.0.2.66" };
		expect(await from("127.0.0.2", `${proxy.url}/seen-by-proxy`, claims)).toBe(404);
		expect((await seen("/seen-by-proxy")).client).toBe("127.0.0.2");
		// Who is not the proxy is not believed.
		expect(await from("127.0.0.3", `${server.url}/seen-directly`, claims)).toBe(404);
		expect((await seen("/seen-directly")).client).toBe("127.0.0.3");
	});

	scenario("nobody is taken for this machine because the proxy runs on it", async () => {
		const stranger = new Api(proxy.url, undefined, true);
		const name = { name: "from afar" };
		expect((await stranger.get("/metrics")).status).toBe(403);
		const denied = await stranger.post("/api-keys", name);
		expect([denied.status, denied.body.key]).toEqual([401, undefined]);
	});

	scenario("bodies pass up to the limit, and no further", async () => {
		const full = await api.post<{ accepted: number }>("/api/v1/events", batchOf(10 * MIB));
		expect(full.status).toBe(200);
		expect(full.body.accepted).toBeGreaterThan(100);
		const refused = await api
			.post("/api/v1/events", batchOf(10 * MIB + 1))
			.then((reply) => reply.status)
			.catch((error: NodeJS.ErrnoException) => error.code);
		// A proxy may close while the client still sends.
		expect([413, "EPIPE", "ECONNRESET"]).toContain(refused);
	});

	scenario("connections are kept on both sides", async () => {
		const accepted = () => metric(direct, "tocsin_http_connections_accepted_total");
		const before = await accepted();
		const agent = new Agent({ keepAlive: true, maxSockets: 1 });
		const ports = new Set<number>();
		for (let i = 0; i < 50; i++) {
			await new Promise<void>((resolve, reject) => {
				const req = request(`${proxy.url}/health`, { agent }, (res) => {
					ports.add(res.socket.localPort!);
					res.resume();
					res.on("end", resolve);
				});
				req.on("error", reject);
				req.end();
			});
		}
		agent.destroy();
		expect(ports.size).toBe(1);
		expect((await accepted()) - before).toBeLessThan(10);
	});

	scenario("a restart is over when the server is back", async () => {
		await server.kill("SIGTERM");
		expect((await api.get("/health")).status).toBe(502);
		await server.launch();
		await eventually(
			() => api.get("/health"),
			(reply) => reply.status === 200,
		);
	});

	if (kind === "nginx") {
		scenario("HTTP/2 with TLS reaches it, too", async () => {
			const session = connectHttp2(`https://127.0.0.1:${proxy.tlsPort}`, { rejectUnauthorized: false });
			const stream = session.request({ ":path": "/api/v1/events", authorization: `Bearer ${api.key}` });
			const status = await new Promise<number>((resolve, reject) => {
				stream.on("response", (headers) => resolve(Number(headers[":status"])));
				stream.on("error", reject);
			});
			expect(status).toBe(200);
			stream.close();
			await new Promise<void>((resolve) => session.close(resolve));
		});
	}
});
