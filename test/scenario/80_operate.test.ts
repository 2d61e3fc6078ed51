// Running a server: settings and where they come from, what probes and Prometheus get, an end that
// loses nothing, and a log that keeps secrets.
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api, eventually, type Problem } from "../harness/api.ts";
import { tocsin } from "../harness/command.ts";
import { Socket as LiveSocket, Sse } from "../harness/live.ts";
import { deliveriesOf, type Event, listAll, makeRule, sendEvent } from "../harness/model.ts";
import { Receiver } from "../harness/receiver.ts";
import { Server, slower } from "../harness/server.ts";

describe("settings", () => {
	let dir: string;

	beforeAll(() => {
		dir = mkdtempSync(join(tmpdir(), "tocsin-settings-"));
	});
	afterAll(() => rmSync(dir, { recursive: true }));

	function file(name: string, text: string): string {
		writeFileSync(join(dir, name), text);
		return join(dir, name);
	}

	it("come from flags, then variables, then the file, and say so", async () => {
		const config = file(
			"all.conf",
			"# ours\n\nworkers = 7\ndrain = 4s\nlog-level=warn\npublic-url = https://a.example\n",
		);
		const ran = await tocsin(["config", "--config", config, "--workers", "9"], {
			env: { TOCSIN_WORKERS: "8", TOCSIN_DRAIN: "5s", PORT: "4321" },
		});
		expect([ran.code, ran.stderr]).toEqual([0, ""]);
		for (const line of [
			"workers = 9  # flag --workers",
			"drain = 5  # TOCSIN_DRAIN",
			`log-level = warn  # ${config}:5`,
			`public-url = https://a.example  # ${config}:6`,
			"listen = 127.0.0.1:4321  # PORT",
			"courier-concurrency = 64  # default",
		]) {
			expect(ran.stdout.split("\n")).toContain(line);
		}
	});

	it("that are secrets may be in files of their own, and are not shown", async () => {
		const secret = file("token", "a-token-in-a-file-0123456789\n");
		const ran = await tocsin(["config"], { env: { TOCSIN_SETUP_TOKEN_FILE: secret } });
		expect(ran.stdout).toMatch(/^setup-token = \*+ {2}# TOCSIN_SETUP_TOKEN_FILE$/m);
		expect(ran.stdout).not.toContain("a-token-in-a-file");
		const both = await tocsin(["config"], {
			env: { TOCSIN_SETUP_TOKEN_FILE: secret, TOCSIN_SETUP_TOKEN: "b".repeat(20) },
		});
		expect([both.code, both.stderr]).toEqual([2, expect.stringContaining("both set")]);
		const missing = await tocsin(["config"], {
			env: { TOCSIN_SETUP_TOKEN_FILE: join(dir, "nothing") },
		});
		expect(missing.code).toBe(2);
		expect(missing.stderr).toContain("TOCSIN_SETUP_TOKEN_FILE");

		const server = await Server.start({ env: { TOCSIN_SETUP_TOKEN_FILE: secret } });
		const first = await new Api(server.url).post(
			"/api-keys",
			{ name: "by file" },
			{ "x-setup-token": "a-token-in-a-file-0123456789", "x-forwarded-for": "192.0.2.1" },
		);
		expect(first.status).toBe(201);
		await server.stop();
	});

	const bad: [string, string, string][] = [
		["an unknown name", "workers = 2\nwrokers = 3\n", ':2: there is no setting "wrokers"; did you mean "workers"?'],
		["a bad number", "\n\nworkers = many\n", ":3: "],
		["a number out of bounds", "workers = 65\n", ":1: "],
		["a bad word", "flush = never\n", ":1: "],
		["a bad network", "trusted-proxies = 10.0.0.0/33\n", ":1: "],
		["a line without =", "# fine\nworkers 2\n", ':2: a line must be "name = value"'],
	];
	it.each(bad)("in a file with %s stop the start and name the line", async (_, text, where) => {
		const config = file("bad.conf", text);
		for (const command of ["config", "serve"]) {
			const ran = await tocsin([command, "--config", config, "--data", join(dir, "data")]);
			expect(ran.code).toBe(2);
			expect(ran.stderr).toContain(config + where);
		}
		expect(readdirSync(dir)).not.toContain("data");
	});
});

describe("what others ask of a server", () => {
	let server: Server;
	let api: Api;

	beforeAll(async () => {
		server = await Server.start();
		api = await Api.bootstrap(server.url);
	});
	afterAll(() => server.stop());

	it("/health says only ok, and no header says what runs here", async () => {
		const reply = await new Api(server.url).get("/health");
		expect([reply.status, reply.text]).toEqual([200, '{"status":"ok"}']);
		expect(reply.headers.get("server")).toBeNull();
		expect((await new Api(server.url).get("/ready")).text).toBe('{"status":"ready"}');
	});

	it("/metrics is text that Prometheus reads, and its books balance", async () => {
		const receiver = await Receiver.start();
		const rule = await makeRule(api, {
			eventType: "metered",
			actions: [{ channel: "webhook", config: { url: receiver.url } }],
		});
		for (const key of ["a", "b", "a"]) await sendEvent(api, "metered", { idempotencyKey: key });
		await api.post("/api/v1/events", { type: "metered", idempotencyKey: "a", payload: { x: 1 } });
		await api.post("/api/v1/events", [{ type: "" }, { type: "other" }]);
		await eventually(
			() => deliveriesOf(api, rule),
			(all) => all.filter((d) => d.status === "sent").length === 2,
		);
		const reply = await new Api(server.url).get("/metrics");
		expect(reply.headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
		const values = parse(reply.text);
		const events = (outcome: string) =>
			values.get(`tocsin_ingest_events_total{outcome="${outcome}"}`);
		expect([events("stored"), events("duplicate"), events("conflict"), events("invalid")]).toEqual([
			3, 1, 1, 1,
		]);
		expect(values.get("tocsin_alerts_total")).toBe(2);
		expect(values.get('tocsin_delivery_attempts_total{result="delivered"}')).toBe(2);
		expect(values.get("tocsin_event_to_alert_seconds_count")).toBe(2);
		expect(values.get("tocsin_engine_lag_records")).toBe(0);
		for (const name of ["journal_flush", "http_request", "engine_commit"]) {
			expect(values.get(`tocsin_${name}_seconds_count`)).toBeGreaterThan(0);
		}
		await receiver.stop();
	});

	/** Every series by name; throws when a line is not of the text format. */
	function parse(text: string): Map<string, number> {
		const values = new Map<string, number>();
		const types = new Map<string, string>();
		const helped = new Set<string>();
		expect(text.endsWith("\n")).toBe(true);
		for (const line of text.slice(0, -1).split("\n")) {
			const comment = /^# (HELP|TYPE) ([a-z_]+) (.+)$/.exec(line);
			if (comment !== null) {
				if (comment[1] === "HELP") expect(helped.has(comment[2]!)).toBe(false);
				if (comment[1] === "HELP") helped.add(comment[2]!);
				else types.set(comment[2]!, comment[3]!);
				continue;
			}
			const series = /^([a-z_]+)(\{[a-z]+="[^"\\\n]*"(?:,[a-z]+="[^"\\\n]*")*\})? (\S+)$/.exec(line);
			if (series === null) throw new Error(`not a series: ${line}`);
			const family = series[1]!.replace(/_(bucket|sum|count)$/, "");
			const type = types.get(series[1]!) ?? types.get(family);
			expect([line, type]).toEqual([line, expect.stringMatching(/^(counter|gauge|histogram)$/)]);
			const value = Number(series[3]);
			expect(Number.isFinite(value)).toBe(true);
			expect(values.has(series[1]! + (series[2] ?? ""))).toBe(false);
			values.set(series[1]! + (series[2] ?? ""), value);
		}
		for (const [family, type] of types) {
			if (type !== "histogram") continue;
			const buckets = [...values].filter(([name]) => name.startsWith(`${family}_bucket{`));
			const counts = buckets.map(([, count]) => count);
			expect(counts).toEqual([...counts].sort((a, b) => a - b));
			expect(buckets.at(-1)![0]).toContain('le="+Inf"');
			expect(counts.at(-1)).toBe(values.get(`${family}_count`));
		}
		return values;
	}

	it("/metrics is for this machine, or for who has the token", async () => {
		const foreign: Record<string, string>[] = [
			{ "x-forwarded-for": "192.0.2.1" },
			{ host: "tocsin.example" },
		];
		for (const headers of foreign) {
			const reply = await api.get<Problem>("/metrics", headers);
			expect([reply.status, reply.body.code]).toEqual([403, "forbidden"]);
		}
		const token = "a-metrics-token-of-ours";
		const closed = await Server.start({ env: { TOCSIN_METRICS_TOKEN: token } });
		const ask = (headers: Record<string, string>) => new Api(closed.url).get("/metrics", headers);
		expect((await ask({})).status).toBe(403);
		expect((await ask({ authorization: `Bearer ${token}x` })).status).toBe(403);
		const scraped = await ask({ authorization: `Bearer ${token}`, host: "tocsin.example" });
		expect(scraped.status).toBe(200);
		await closed.stop();
	});
});

describe("a stop", () => {
	/** A request that is under way: its head is read, its body is not complete yet. */
	async function half(server: Server, key: string, type: string) {
		const body = JSON.stringify({ type });
		const socket: Socket = connect(server.port, "127.0.0.1");
		let got = "";
		const ended = new Promise<void>((resolve) => socket.on("close", () => resolve()));
		socket.on("error", () => undefined);
		const going = new Promise<void>((resolve) => {
			socket.on("data", (part) => {
				got += part.toString();
				if (got.includes("100 Continue")) resolve();
			});
		});
		socket.write(
			`POST /api/v1/events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${key}\r\n` +
				`Expect: 100-continue\r\nContent-Length: ${body.length}\r\n\r\n`,
		);
		await going;
		socket.write(body.slice(0, 5));
		return {
			finish: async () => {
				got = "";
				socket.write(body.slice(5));
				await ended;
				return got;
			},
			ended,
		};
	}

	/** Whether a load balancer would still send requests here. */
	async function ready(server: Server): Promise<boolean> {
		try {
			return (await new Api(server.url).get("/ready", { connection: "close" })).status === 200;
		} catch {
			return false;
		}
	}

	it("is known before it happens, and takes what is under way to its end", async () => {
		const server = await Server.start();
		const api = await Api.bootstrap(server.url);
		const waiting = await half(server, api.key!, "half.way");
		expect(await ready(server)).toBe(true);
		server.signal("SIGTERM");
		await server.waitLog((line) => line.event === "server_stopping");
		expect(await ready(server)).toBe(false);
		const answer = await waiting.finish();
		expect(answer).toMatch(/^HTTP\/1\.1 (201|503) /);
		expect(await server.end()).toBe(0);
		await server.launch();
		const kept = await listAll<Event>(api, "/api/v1/events?type=half.way");
		expect(kept).toHaveLength(answer.includes(" 201 ") ? 1 : 0);
		await server.stop();
	});

	it("under load loses nothing that was taken, and takes less than ten seconds", async () => {
		const receiver = await Receiver.start();
		const server = await Server.start();
		const api = await Api.bootstrap(server.url);
		const rule = await makeRule(api, {
			eventType: "load",
			threshold: 50,
			windowSeconds: 3600,
			actions: [{ channel: "webhook", config: { url: receiver.url } }],
		});
		const taken: string[] = [];
		const refused = new Set<number>();
		const client = async () => {
			for (;;) {
				try {
					const reply = await api.post("/api/v1/events", { type: "load" });
					if (reply.status === 201) taken.push(String(reply.body.id));
					else refused.add(reply.status);
				} catch {
					return;
				}
			}
		};
		const load = Promise.all(Array.from({ length: 8 }, client));
		await eventually(
			async () => taken.length,
			(n) => n > 300,
		);
		const start = performance.now();
		expect(await server.kill("SIGTERM")).toBe(0);
		expect(performance.now() - start).toBeLessThan(10_000 * slower);
		await load;
		expect([...refused].every((status) => status === 503)).toBe(true);
		await server.launch();
		const kept = (await listAll<Event>(api, "/api/v1/events?type=load", 1000)).map((e) => e.id);
		expect(new Set(kept).size).toBe(kept.length);
		expect(kept).toEqual(expect.arrayContaining(taken));
		const alerts = kept.length - 49;
		const sent = await eventually(
			() => deliveriesOf(api, rule),
			(all) => all.length === alerts && all.every((d) => d.status === "sent"),
			30_000,
		);
		const got = new Set(receiver.got.map((g) => g.headers["webhook-id"]));
		expect(got).toEqual(new Set(sent.map((d) => d.id)));
		await server.stop();
		await receiver.stop();
	});

	it("waits ten seconds at most, or as long as drain says", async () => {
		const server = await Server.start({ args: ["--drain", "1s"] });
		const api = await Api.bootstrap(server.url);
		const stuck = await half(server, api.key!, "stuck");
		const start = performance.now();
		expect(await server.kill("SIGTERM")).toBe(0);
		expect(performance.now() - start).toBeGreaterThan(400);
		expect(performance.now() - start).toBeLessThan(5000 * slower);
		await stuck.ended;
		await server.launch();
		expect(await listAll(api, "/api/v1/events")).toEqual([]);
		await server.stop();
	});

	it("asked for twice happens at once", async () => {
		const server = await Server.start();
		const api = await Api.bootstrap(server.url);
		const event = await sendEvent(api, "kept");
		const stuck = await half(server, api.key!, "stuck");
		server.signal("SIGTERM");
		await server.waitLog((line) => line.event === "server_stopping");
		const start = performance.now();
		expect(await server.kill("SIGTERM")).toBe(1);
		expect(performance.now() - start).toBeLessThan(2000 * slower);
		await stuck.ended;
		await server.launch();
		expect((await listAll<Event>(api, "/api/v1/events")).map((e) => e.id)).toEqual([event.id]);
		await server.stop();
	});
});

describe("the log", () => {
	it("ties request, event and delivery together, and holds no secret", async () => {
		const receiver = await Receiver.start();
		const server = await Server.start({
			args: ["--log-level", "debug"],
			env: { TOCSIN_METRICS_TOKEN: "canary-metrics-token" },
		});
		const api = await Api.bootstrap(server.url);
		const secret = `whsec_${Buffer.from("canary".padEnd(32, "-")).toString("base64")}`;
		await makeRule(api, {
			eventType: "logged",
			actions: [
				{
					channel: "webhook",
					config: {
						url: `${receiver.url}?token=canary-in-url`,
						headers: { authorization: "Bearer canary-header" },
						secret,
					},
				},
			],
		});
		const made = await api.post<{ id: string; key: string }>("/api-keys", { name: "canary" });
		const ticket = await api.get<{ ticket: string }>("/auth/ws-ticket");
		const socket = await LiveSocket.open(server.url, `/ws?ticket=${ticket.body.ticket}`);
		const again = await LiveSocket.open(server.url, `/ws?ticket=${ticket.body.ticket}`);
		await again.ended();
		const sse = await Sse.open(server.url, `/api/v1/stream?token=${api.key}`);
		await new Api(server.url).post("/ingest", {
			apiKey: api.key,
			type: "event",
			name: "logged",
			payload: { card: "canary-payload" },
		});
		await new Api(server.url).get(`/events?apiKey=${api.key}`);
		await new Api(server.url).get("/api/v1/events", { "x-api-key": "canary-wrong-key" });
		await new Api(server.url).get("/metrics", { authorization: "Bearer canary-metrics-token" });
		receiver.script = () => ({ status: 400, body: "canary-answer" });
		const event = await api.post(
			"/api/v1/events",
			{ type: "logged" },
			{ "x-request-id": "request-of-ours" },
		);
		await receiver.until((got) => got.length === 2);
		const rejected = await server.waitLog(
			(line) => line.event === "delivery_rejected" && line.cid === event.body.id,
		);
		await api.delete(`/api-keys/${made.body.id}`);
		sse.close();
		socket.close();
		await server.kill("SIGTERM");

		for (const word of [
			api.key!,
			made.body.key,
			ticket.body.ticket,
			secret,
			"canary-",
			server.setupToken,
		]) {
			const lines = server.log.filter(
				(line) => line.event !== "setup_token" && JSON.stringify(line).includes(word),
			);
			expect([word, lines]).toEqual([word, []]);
		}
		expect(server.log.filter((line) => line.event === "request").length).toBeGreaterThan(10);
		const stored = server.log.find((line) => line.cid === "request-of-ours" && line.eventId);
		expect(stored?.eventId).toBe(event.body.id);
		expect(event.headers.get("x-request-id")).toBe("request-of-ours");
		expect(receiver.got[1]!.headers["x-tocsin-correlation-id"]).toBe(event.body.id);
		expect(rejected.reason).toBe("HTTP 400");

		// Nor is a key anywhere on the disk: the store has its hash.
		for (const name of readdirSync(server.data, { recursive: true }) as string[]) {
			if (!statSync(join(server.data, name)).isFile()) continue;
			const bytes = readFileSync(join(server.data, name)).toString("latin1");
			for (const key of [api.key!, made.body.key, ticket.body.ticket]) {
				expect([name, bytes.includes(key)]).toEqual([name, false]);
			}
		}
		await server.launch();
		await server.stop();
		await receiver.stop();
	});
});
