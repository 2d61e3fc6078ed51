// What watches the server from outside: a probe, a watcher of heartbeats, a collector of errors.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api, eventually } from "../harness/api.ts";
import { tocsin } from "../harness/command.ts";
import { Receiver } from "../harness/receiver.ts";
import { Server } from "../harness/server.ts";

describe("tocsin health", () => {
	let server: Server;

	beforeAll(async () => {
		server = await Server.start();
	});
	afterAll(() => server.discard());

	it("is content with a server that takes events, over TCP and over its socket", async () => {
		for (const to of [
			["--url", server.url],
			["--data", server.data],
		]) {
			const ran = await tocsin(["health", ...to]);
			expect([ran.code, ran.stdout, ran.stderr]).toEqual([0, "ready\n", ""]);
		}
	});

	it("fails when nobody answers, and says how it was called wrongly", async () => {
		await server.kill("SIGTERM");
		const gone = await tocsin(["health", "--url", server.url]);
		expect([gone.code, gone.stdout]).toEqual([1, ""]);
		expect(gone.stderr).toContain(`the server at ${server.url}`);
		expect((await tocsin(["health", "--url", "nowhere"])).code).toBe(2);
	});
});

/** The value of one series of the server. */
async function metric(server: Server, series: string): Promise<number> {
	const { text } = await new Api(server.url).get("/metrics");
	const line = text.split("\n").find((l) => l.startsWith(`${series} `));
	return Number(line?.slice(series.length + 1));
}

describe("heartbeats", () => {
	const CANARY = "canary-of-the-watcher";
	let watcher: Receiver;
	let server: Server;

	beforeAll(async () => {
		watcher = await Receiver.start();
		server = await Server.start({
			args: ["--heartbeat-url", `${watcher.url}?token=${CANARY}`, "--heartbeat-every", "1s"],
			env: { TOCSIN_BENCH_HOLD_ENGINE: "1" },
			// Where webhooks may go is for tenants; the watcher is the operator's.
			privateTargets: "none",
		});
	});
	afterAll(async () => {
		await server.discard();
		await watcher.stop();
	});

	it("are withheld while the rules stand still, although the server answers", async () => {
		await server.waitLog((line) => line.event === "heartbeat_withheld");
		await eventually(
			() => metric(server, 'tocsin_heartbeats_total{result="withheld"}'),
			(n) => n >= 2,
		);
		expect((await tocsin(["health", "--url", server.url])).code).toBe(0);
		expect(watcher.got).toEqual([]);
	});

	it("go out again and again once the rules advance", async () => {
		server.signal("SIGUSR1");
		await watcher.until((got) => got.length >= 3);
		expect(watcher.got[0]!.path).toBe(`/hook?token=${CANARY}`);
		await eventually(
			() => metric(server, 'tocsin_heartbeats_total{result="sent"}'),
			(n) => n >= 3,
		);
	});

	it("that fail are told in the log once, without the address", async () => {
		watcher.script = () => ({ status: 500 });
		await eventually(
			() => metric(server, 'tocsin_heartbeats_total{result="failed"}'),
			(n) => n >= 2,
		);
		const told = server.log.filter((line) => line.event === "heartbeat_failed");
		expect(told).toEqual([expect.objectContaining({ reason: "none", status: 500 })]);
		expect(server.tail(1000)).not.toContain(CANARY);
		expect(server.tail(1000)).not.toContain(watcher.url);
		expect((await tocsin(["config", "--heartbeat-url", `${watcher.url}?${CANARY}`])).stdout).toMatch(
			/^heartbeat-url = \*+ {2}#/m,
		);
	});
});

describe("errors of the server itself", () => {
	const SECRET = "canary-in-a-database-url";
	let sentry: Receiver;

	beforeAll(async () => {
		sentry = await Receiver.start();
	});
	afterAll(() => sentry.stop());

	it("become events of a Sentry project, even when the start fails, without secrets", async () => {
		const dsn = `http://key0123@127.0.0.1:${sentry.port}/7`;
		const server = await Server.prepare({
			args: ["--sentry-dsn", dsn, "--database-url", `/dev/null/${SECRET}/state.db`],
		});
		await expect(server.launch()).rejects.toThrow("exited with 1");
		await sentry.until((got) => got.length === 1);
		const [got] = sentry.got;
		expect(got!.path).toBe("/api/7/envelope/");
		expect(got!.headers["content-type"]).toBe("application/x-sentry-envelope");
		expect(got!.headers["x-sentry-auth"]).toMatch(
			/^Sentry sentry_version=7, sentry_client=tocsin\/\d+\.\d+\.\d+, sentry_key=key0123$/,
		);
		const [head, item, event, end] = got!.body.split("\n");
		expect(end).toBe("");
		const json = JSON.parse(event!) as Record<string, unknown>;
		expect(JSON.parse(head!)).toMatchObject({ event_id: json.event_id });
		expect(JSON.parse(item!)).toMatchObject({ type: "event", length: Buffer.byteLength(event!) });
		expect(json).toMatchObject({
			message: "start_failed",
			level: "error",
			fingerprint: ["start_failed"],
			extra: { error: expect.stringContaining("********") as string },
		});
		expect(got!.body).not.toContain(SECRET);
		expect(got!.body).not.toContain("key0123");
		await server.discard();
	});

	it("are no reason not to start when the project cannot be reached", async () => {
		const server = await Server.start({ args: ["--sentry-dsn", "http://k@127.0.0.1:1/7"] });
		expect((await new Api(server.url).get("/ready")).status).toBe(200);
		await server.stop();
		const ran = await tocsin(["serve", "--sentry-dsn", "https://canary-dsn"]);
		expect(ran.code).toBe(2);
		expect(ran.stderr).toContain("must be like https://KEY@HOST/PROJECT");
		expect(ran.stderr).not.toContain("canary-dsn");
	});
});
