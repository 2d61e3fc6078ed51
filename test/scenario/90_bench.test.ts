// The load generator of the box: what it says it did is what the server has.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type RequestListener, request, type Server as HttpServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api } from "../harness/api.ts";
import { tenant, tocsin } from "../harness/command.ts";
import { type Event, listAll } from "../harness/model.ts";
import { Server, slower } from "../harness/server.ts";

const METRICS_TOKEN = "a-metrics-token-of-ours";

interface Latency {
	count: number;
	never: number;
	p50: number | null;
	p99: number | null;
	max: number | null;
}

interface Report {
	loop: string;
	seed: string;
	clean: boolean;
	interrupted: boolean;
	requests: Record<string, number>;
	events: Record<string, number>;
	statuses: Record<string, number>;
	latencyUs: Record<string, Latency>;
	receipts?: Record<string, number>;
	server: (Record<string, number | boolean> & { samples: Record<string, number>[] }) | null;
	serverStatus?: number;
}

async function bench(args: string[], code = 0): Promise<Report> {
	const ran = await tocsin(["bench", ...args, "--json"]);
	expect(ran.code, ran.stderr).toBe(code);
	return JSON.parse(ran.stdout) as Report;
}

async function listen(server: HttpServer): Promise<number> {
	server.listen(0, "127.0.0.1");
	await new Promise((resolve) => server.once("listening", resolve));
	return (server.address() as AddressInfo).port;
}

/** A server of a few lines, for what no real one does on demand. */
async function stub(answer: RequestListener): Promise<{ url: string; stop: () => void }> {
	const server = createServer((req, res) => {
		req.resume();
		req.on("end", () => answer(req, res));
	});
	const port = await listen(server);
	const stop = () => {
		server.closeAllConnections();
		server.close();
	};
	return { url: `http://127.0.0.1:${port}`, stop };
}

async function stored(server: Server): Promise<number> {
	const text = (await new Api(server.url).get("/metrics")).text;
	return Number(/tocsin_ingest_events_total\{outcome="stored"\} (\d+)/.exec(text)![1]);
}

describe("against a server", () => {
	let server: Server;
	let one: Api;
	let two: Api;

	beforeAll(async () => {
		server = await Server.start();
		one = await tenant(server, "one");
		two = await tenant(server, "two");
	});
	afterAll(() => server.stop());

	const to = (...keys: Api[]) => ["--to", server.url, ...keys.flatMap((k) => ["--key", k.key!])];

	it("sends what was planned, and all of it is stored", async () => {
		const before = await stored(server);
		const r = await bench(["events", ...to(one), "--rate", "200/s", "--duration", "1s"]);
		expect(r.loop).toBe("open");
		expect(r.requests).toMatchObject({ planned: 200, sent: 200, answered: 200, unanswered: 0 });
		expect(r.requests).toMatchObject({ backlogFull: 0, leftAtEnd: 0 });
		expect(r.events).toMatchObject({ sent: 200, accepted: 200, duplicate: 0, rejected: 0 });
		expect(r.statuses).toEqual({ "201": 200 });
		expect(r.latencyUs.plannedToAnswered).toMatchObject({ count: 200, never: 0 });
		expect(r.latencyUs.sentToAnswered!.p50!).toBeGreaterThan(0);
		expect(r.server!.stored).toBe(200);
		expect(r.server!.engineApplied).toBe(200);
		expect(r.server!.caughtUpAfterUs).toBeDefined();
		expect(r.server!.samples.at(-1)!.memoryBytes).toBeGreaterThan(1 << 20);
		expect(r.server!.samples.at(-1)!.engineLag).toBe(0);
		expect(await stored(server)).toBe(before + 200);
	});

	it("sends batches of mixed events to several projects, the same ones for one seed", async () => {
		const args = ["events", ...to(one, two), "--profile", "mixed", "--batch", "20"];
		args.push("--rate", "400", "--duration", "1s", "--poisson", "--seed", "5");
		const r = await bench(args);
		expect(r.seed).toBe("5");
		expect(r.statuses).toEqual({ "200": r.requests.sent });
		expect(r.events.sent).toBe(20 * r.requests.planned!);
		expect(r.events.accepted).toBe(r.events.sent);
		expect(r.server!.stored).toBe(r.events.sent);
		for (const key of [one, two]) {
			const list = await key.get<{ data: unknown[] }>("/api/v1/events?type=http.request");
			expect(list.body.data.length).toBeGreaterThan(0);
		}
		// Its orders and payments have keys, which the server knows by now.
		const again = await bench(args);
		expect(again.requests.planned).toBe(r.requests.planned);
		expect(again.events.duplicate).toBeGreaterThan(0);
		expect(again.events.accepted! + again.events.duplicate!).toBe(again.events.sent);
		expect(again.server!.duplicate).toBe(again.events.duplicate);
		expect(again.server!.stored).toBe(again.events.accepted);
	});

	it("counts a duplicate that comes alone, and finds the address behind a name", async () => {
		const args = ["events", "--to", `http://localhost:${server.port}`, "--key", one.key!];
		args.push("--profile", "mixed", "--rate", "200", "--duration", "1s", "--seed", "11");
		const r = await bench(args);
		expect(r.events).toMatchObject({ sent: 200, accepted: 200, duplicate: 0 });
		const again = await bench(args);
		expect(again.events.duplicate).toBeGreaterThan(0);
		expect(again.events.accepted! + again.events.duplicate!).toBe(200);
		expect(again.server!.stored).toBe(again.events.accepted);
	});

	it("says that a closed loop is one, and counts it as well", async () => {
		const args = ["events", ...to(one), "--rate", "max", "--duration", "1s"];
		const r = await bench([...args, "--connections", "4"]);
		expect(r.loop).toBe("closed");
		expect(r.requests.planned).toBeUndefined();
		expect(r.latencyUs.plannedToAnswered).toBeUndefined();
		expect(r.latencyUs.sentToAnswered!.count).toBe(r.requests.sent);
		expect(r.server!.stored).toBe(r.events.sent);
		const text = (await tocsin(["bench", ...args])).stdout;
		expect(text).toContain("CLOSED LOOP");
		expect(text).not.toContain("planned to answered");
	});

	for (const mode of ["webhooks", "notifications"]) {
		it(`follows events to their ${mode}, and leaves no rule behind`, async () => {
			const r = await bench([mode, ...to(one, two), "--rate", "50", "--duration", "1s"]);
			expect(r.events.accepted).toBe(50);
			expect(r.receipts).toMatchObject({ expected: 50, received: 50, repeated: 0, unknown: 0 });
			expect(r.latencyUs.plannedToReceived).toMatchObject({ count: 50, never: 0 });
			expect(r.latencyUs.sentToReceived).toMatchObject({ count: 50, never: 0 });
			expect(r.server!.alerts).toBe(50);
			if (mode === "webhooks") expect(r.server!.delivered).toBe(50);
			for (const key of [one, two]) {
				const rules = await key.get<{ data: unknown[] }>("/api/v1/rules");
				expect(rules.body.data).toEqual([]);
			}
		});
	}

	it("counts what the server refuses, and fails", async () => {
		const args = ["events", "--to", server.url, "--key", "sk_nobody", "--rate", "20"];
		const r = await bench([...args, "--duration", "1s"], 1);
		expect(r.statuses).toEqual({ "401": 20 });
		expect(r.clean).toBe(false);
		expect(r.events.accepted).toBe(0);
		expect(r.latencyUs.sentToRefused!.count).toBe(20);
	});

	it("goes on behind a server that is killed and comes back, and loses nothing", async () => {
		const own = await tenant(server, "killed");
		// Long enough for the server to be back before the end.
		const duration = `${6 * slower}s`;
		const args = ["events", ...to(own), "--rate", "100", "--duration", duration, "--progress"];
		let back: Promise<void> | undefined;
		const ran = await tocsin(["bench", ...args, "--json"], {
			onStderr: (text) => {
				if (text.includes(" 1 s ")) back ??= server.restart("SIGKILL");
			},
		});
		await back;
		const r = JSON.parse(ran.stdout) as Report;
		expect(ran.code).toBe(1);
		expect(r.server!.restarted).toBe(true);
		expect(r.requests.unanswered).toBeGreaterThan(0);
		expect(r.requests.answered! + r.requests.unanswered!).toBe(r.requests.sent);
		expect(r.events.accepted).toBe(r.requests.answered);
		const kept = (await listAll<Event>(own, "/api/v1/events")).length;
		expect(kept).toBeGreaterThanOrEqual(r.events.accepted!);
		expect(kept).toBeLessThanOrEqual(r.events.sent!);
	});

	it("ends early with the report so far", async () => {
		const args = ["events", ...to(one), "--rate", "100", "--duration", "1h", "--progress"];
		const ran = await tocsin(["bench", ...args, "--json"], {
			onStderr: (text, child) => {
				if (text.includes("2 s ")) child.kill("SIGINT");
			},
		});
		const r = JSON.parse(ran.stdout) as Report;
		expect(r.interrupted).toBe(true);
		expect(r.requests.sent).toBeGreaterThanOrEqual(100);
		// What was under way has a second to be answered.
		expect(r.requests.answered! + r.requests.unanswered!).toBe(r.requests.sent);
		expect(r.events.accepted).toBe(r.requests.answered);
		expect(r.server!.stored).toBeGreaterThanOrEqual(r.events.accepted!);
		expect(r.server!.stored).toBeLessThanOrEqual(r.events.sent!);
		expect(ran.stderr).toMatch(/ 1 s {2}\d+ sent, /);
	});
});

describe("against a server that delays each answer by 200 ms", () => {
	const delayMs = 200;
	let slow: { url: string; stop: () => void };
	let posts = 0;

	beforeAll(async () => {
		slow = await stub((req, res) => {
			if (req.url === "/metrics") {
				res.writeHead(403).end("{}");
				return;
			}
			posts++;
			setTimeout(() => res.writeHead(201).end("{}"), delayMs);
		});
	});
	afterAll(() => slow.stop());

	it("counts the waiting from the planned time, which the service time does not show", async () => {
		posts = 0;
		// One connection serves five a second, twenty are planned: the last waits for three seconds.
		const args = ["events", "--to", slow.url, "--key", "k", "--rate", "20"];
		const r = await bench([...args, "--duration", "1s", "--connections", "1"]);
		const open = r.latencyUs.plannedToAnswered!;
		const service = r.latencyUs.sentToAnswered!;
		expect(posts).toBe(20);
		expect(open.count).toBe(20);
		expect(service.count).toBe(20);
		expect(service.p50!).toBeGreaterThanOrEqual(delayMs * 1000);
		// Twenty answers take at least four seconds, of which the plan was 950 ms.
		expect(open.max!).toBeGreaterThan(3_000_000);
		expect(open.p50!).toBeGreaterThan(2 * service.p50!);
		// The client had time: what it waited for was the connection.
		expect(r.latencyUs.clientDelay!.count).toBe(20);
		expect(r.latencyUs.clientDelay!.p50!).toBeLessThan(r.latencyUs.plannedToSent!.p50! / 2);
		expect(open.max! - r.latencyUs.plannedToSent!.max!).toBeLessThan(2 * service.max!);
		expect(r.server).toBeNull();
		expect(r.serverStatus).toBe(403);
	});

	it("bounds what waits, and reports what it never sent", async () => {
		posts = 0;
		const args = ["events", "--to", slow.url, "--key", "k", "--rate", "200", "--duration", "1s"];
		const r = await bench([...args, "--connections", "1", "--backlog", "3"], 1);
		const q = r.requests;
		expect(q.planned).toBe(200);
		expect(q.waitedAtMost).toBe(3);
		expect(q.sent).toBe(posts);
		expect(q.backlogFull).toBeGreaterThan(150);
		expect(q.planned).toBe(q.sent! + q.backlogFull! + q.leftAtEnd!);
		// Most were never sent, so the median of what was planned is no time at all.
		expect(r.latencyUs.plannedToAnswered!.never).toBe(q.backlogFull! + q.leftAtEnd!);
		expect(r.latencyUs.plannedToAnswered!.p50).toBeNull();
		expect(r.latencyUs.sentToAnswered!.p50).not.toBeNull();
	});
});

describe("against servers that fail", () => {
	const args = ["--key", "k", "--duration", "1s", "--connections", "4"];

	it("tells answers by their status, and times only the good ones as such", async () => {
		let n = 0;
		const half = await stub((req, res) => {
			const status = req.method === "POST" && n++ % 2 === 0 ? 429 : 201;
			res.writeHead(status, { "retry-after": "1" }).end("{}");
		});
		const r = await bench(["events", "--to", half.url, ...args, "--rate", "40"], 1);
		half.stop();
		expect(r.statuses).toEqual({ "201": 20, "429": 20 });
		expect(r.requests.unanswered).toBe(0);
		expect(r.events.accepted).toBe(20);
		expect(r.latencyUs.sentToAnswered!.count).toBe(20);
		expect(r.latencyUs.sentToRefused!.count).toBe(20);
	});

	it("gives up on requests without an answer, and goes on", async () => {
		let n = 0;
		const silent = await stub((req, res) => {
			if (req.method !== "POST" || n++ > 0) res.writeHead(201).end("{}");
		});
		const more = ["--rate", "20", "--timeout", "4s"];
		const r = await bench(["events", "--to", silent.url, ...args, ...more], 1);
		silent.stop();
		expect(r.requests).toMatchObject({ planned: 20, sent: 20, answered: 19, unanswered: 1 });
		expect(r.latencyUs.plannedToAnswered).toMatchObject({ count: 19, never: 1, max: null });
	});

	it("goes on behind connections that break", async () => {
		let n = 0;
		const broken = await stub((req, res) => {
			if (req.method === "POST" && n++ % 5 === 4) req.socket.destroy();
			else res.writeHead(201).end("{}");
		});
		const r = await bench(["events", "--to", broken.url, ...args, "--rate", "50"], 1);
		broken.stop();
		expect(r.requests).toMatchObject({ planned: 50, sent: 50, answered: 40, unanswered: 10 });
	});
});

describe("around a server", () => {
	let server: Server;
	let one: Api;

	beforeAll(async () => {
		const args = ["--metrics-token", METRICS_TOKEN];
		server = await Server.start({ privateTargets: "10.99.0.0/16", args });
		one = await tenant(server, "one");
	});
	afterAll(() => server.stop());

	it("works over https, to a certificate that it is told to trust", async () => {
		const dir = mkdtempSync(join(tmpdir(), "tocsin-bench-"));
		const [key, cert] = [join(dir, "key.pem"), join(dir, "cert.pem")];
		const name = ["-subj", "/CN=bench", "-addext", "subjectAltName=IP:127.0.0.1"];
		const make = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", ...name];
		execFileSync("openssl", [...make, "-keyout", key, "-out", cert], { stdio: "ignore" });
		const tls = { key: readFileSync(key), cert: readFileSync(cert) };
		const proxy = createTlsServer(tls, (req, res) => {
			const { method, url: path, headers } = req;
			const on = request({ host: "127.0.0.1", port: server.port, method, path, headers });
			on.on("response", (got) => got.pipe(res.writeHead(got.statusCode!, got.headers)));
			res.on("close", () => on.destroy());
			req.pipe(on);
		});
		const url = `https://127.0.0.1:${await listen(proxy)}`;
		const args = ["--to", url, "--key", one.key!, "--rate", "50", "--duration", "1s"];
		const token = ["--metrics-token", METRICS_TOKEN];
		const r = await bench(["events", ...args, "--ca-file", cert, ...token]);
		expect(r.statuses).toEqual({ "201": 50 });
		expect(r.server!.stored).toBe(50);
		const live = await bench(["notifications", ...args, "--ca-file", cert]);
		expect(live.receipts).toMatchObject({ expected: 50, received: 50, repeated: 0 });
		expect(live.server).toBeNull();
		expect(live.serverStatus).toBe(403);

		const stranger = await tocsin(["bench", "events", ...args]);
		expect(stranger.code).toBe(1);
		expect(stranger.stdout).toBe("");
		expect(stranger.stderr).toContain("certificate");
		proxy.closeAllConnections();
		proxy.close();
		rmSync(dir, { recursive: true });
	});

	it("says why there can be no webhooks, and leaves nothing behind", async () => {
		const args = ["webhooks", "--to", server.url, "--key", one.key!, "--duration", "1s"];
		const ran = await tocsin(["bench", ...args]);
		expect(ran.code).toBe(1);
		expect(ran.stdout).toBe("");
		expect(ran.stderr).toContain("allow-private-targets");
		expect((await one.get<{ data: unknown[] }>("/api/v1/rules")).body.data).toEqual([]);
	});
});

describe("without a server", () => {
	it("says so, and makes no report", async () => {
		const gone = await stub(() => undefined);
		gone.stop();
		const ran = await tocsin(["bench", "events", "--to", gone.url, "--key", "k"]);
		expect(ran.code).toBe(1);
		expect(ran.stdout).toBe("");
		expect(ran.stderr).toContain("refused");
	});

	it("says what is wrong with the words", async () => {
		for (const [args, why] of [
			[[], "comes first"],
			[["event"], "comes first"],
			[["events", "--rate", "fast"], "--rate"],
			[["webhooks", "--profile", "mixed"], "--profile"],
			[["events", "--rate", "max", "--poisson"], "--poisson"],
		] as const) {
			const ran = await tocsin(["bench", ...args, "--key", "k"]);
			expect(ran.code).toBe(2);
			expect(ran.stderr).toContain(why);
		}
	});
});
