// The commands beside "serve", as a person or a script runs them.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Api, eventually } from "../harness/api.ts";
import { tenant, tocsin } from "../harness/command.ts";
import { type Event, listAll } from "../harness/model.ts";
import { binary, Server } from "../harness/server.ts";
import { stores } from "../harness/store.ts";

const PRINTED_KEY = "test_api_key_8077c438f557";

/** A request over the socket in the data directory. */
function overSocket(server: Server, method: string, path: string, body: object) {
	return new Promise<{ status: number; body: Record<string, unknown> }>((resolve, reject) => {
		const socketPath = join(server.data, "tocsin.sock");
		const r = request({ socketPath, method, path }, (reply) => {
			let text = "";
			reply.on("data", (part: Buffer) => (text += part.toString()));
			reply.on("end", () => resolve({ status: reply.statusCode ?? 0, body: JSON.parse(text) }));
		});
		r.on("error", reject);
		r.end(JSON.stringify(body));
	});
}

describe("what needs no server", () => {
	it("says its version, lists commands, and helps with each", async () => {
		expect((await tocsin(["version"])).stdout).toMatch(/^tocsin \d+\.\d+\.\d+\n$/);
		const help = await tocsin(["help"]);
		expect(help.code).toBe(0);
		for (const [, name] of help.stdout.matchAll(/^ {2}(\w+) /gm)) {
			const one = await tocsin(["help", name!]);
			expect(one.code, name).toBe(0);
			expect(one.stdout, name).toMatch(new RegExp(`^usage: tocsin ${name}`));
		}
		const wrong = await tocsin(["sned"]);
		expect(wrong.code).toBe(2);
		expect(wrong.stderr).toContain('there is no command "sned"');
	});

	it("prints settings with their source and masks secrets", async () => {
		const ran = await tocsin(["config", "--drain", "3s"], {
			env: { TOCSIN_METRICS_TOKEN: "a-metrics-token-of-ours", TOCSIN_WORKERS: "2" },
		});
		expect(ran.code).toBe(0);
		expect(ran.stdout).toContain("drain = 3  # flag --drain\n");
		expect(ran.stdout).toContain("workers = 2  # TOCSIN_WORKERS\n");
		expect(ran.stdout).not.toContain("a-metrics-token-of-ours");
	});

	it("refuses what it does not know, with what may have been meant", async () => {
		const flag = await tocsin(["config", "--drian", "3s"]);
		expect(flag.code).toBe(2);
		expect(flag.stderr).toContain('did you mean "--drain"?');
		const variable = await tocsin(["config"], { env: { TOCSIN_WORKER: "2" } });
		expect(variable.code).toBe(2);
		expect(variable.stderr).toContain("did you mean TOCSIN_WORKERS?");
		const key = await tocsin(["send", "--type", "a"], { env: { TOCSIN_KEY: "" } });
		expect(key.code).toBe(2);
		expect(key.stderr).toContain("TOCSIN_KEY_FILE");
	});
});

describe.each(stores)("seed and migrate, state in %s", (store) => {
	let server: Server;
	let made: string[];

	beforeAll(async () => {
		server = await Server.prepare({ store });
	});
	afterAll(() => server.stop());

	it("makes the demo tenants once, while nobody serves the directory", async () => {
		const first = await tocsin(["seed", ...server.stateFlags()]);
		expect(first.code, first.stderr).toBe(0);
		made = [...first.stdout.matchAll(/sk_[0-9a-f]{48}/g)].map(([key]) => key);
		expect(made).toHaveLength(2);
		expect(first.stdout).toContain("acme / default");
		expect(first.stdout.match(/rule {2}.* made/g)).toHaveLength(6);

		const again = await tocsin(["seed", ...server.stateFlags()]);
		expect(again.code).toBe(0);
		expect(again.stdout).not.toMatch(/sk_[0-9a-f]{48}| made/);
		expect(existsSync(join(server.data, "tocsin.sock"))).toBe(false);
	});

	it("makes everything once when several run at a time, each with the directory for a moment", async () => {
		const args = ["seed", ...server.stateFlags(), "--org", "many", "--demo"];
		const runs = await Promise.all(Array.from({ length: 4 }, () => tocsin(args)));
		const said = runs.map((run) => run.stdout + run.stderr).join("");
		expect(runs.map((run) => run.code), said).toEqual([0, 0, 0, 0]);
		expect(said.match(/sk_[0-9a-f]{48}/g)).toHaveLength(1);
		expect(said.match(/rule {2}.* made/g)).toHaveLength(3);
	});

	it("goes down and up again, and says the steps", async () => {
		const status = await tocsin(["migrate", ...server.stateFlags(), "--status"]);
		const newest = Number(/newest is (\d+)/.exec(status.stdout)?.[1]);
		const down = await tocsin(["migrate", ...server.stateFlags(), "--to", String(newest - 1)]);
		expect(down.code, down.stderr).toBe(0);
		expect(down.stdout).toMatch(/^down {2}\d{4} \w+\n/);
		const up = await tocsin(["migrate", ...server.stateFlags()]);
		expect(up.stdout).toMatch(/^up {4}\d{4} \w+\n/);
		expect((await tocsin(["migrate", ...server.stateFlags()])).stdout).toContain("nothing to do");
		const far = await tocsin(["migrate", ...server.stateFlags(), "--to", String(newest + 1)]);
		expect(far.code).toBe(2);
	});

	it("adds a key of a given value to a running server, so that an old call works", async () => {
		await server.launch();
		const args = ["seed", ...server.stateFlags(), "--org", "acme", "--key", PRINTED_KEY];
		for (const word of ["made", "is there"]) {
			const ran = await tocsin(args);
			expect(ran.code, ran.stderr).toBe(0);
			expect(ran.stdout).toContain(word);
			expect(ran.stdout).not.toContain(PRINTED_KEY);
		}
		const reply = await fetch(`${server.url}/api/events`, {
			method: "POST",
			headers: { "x-api-key": PRINTED_KEY, "content-type": "application/json" },
			body: JSON.stringify({ type: "user.signup", payload: { plan: "pro" } }),
		});
		expect(reply.status).toBe(201);
		expect(await reply.json()).toEqual({ id: expect.any(String), status: "enqueued" });
	});

	it("makes everything once when several ask one server at a time", async () => {
		const args = ["seed", ...server.stateFlags(), "--org", "crowd", "--demo"];
		const runs = await Promise.all(Array.from({ length: 6 }, () => tocsin(args)));
		const said = runs.map((run) => run.stdout).join("");
		expect(runs.map((run) => run.code)).toEqual([0, 0, 0, 0, 0, 0]);
		const [key] = said.match(/sk_[0-9a-f]{48}/g) ?? [];
		expect(said.match(/sk_[0-9a-f]{48}/g)).toHaveLength(1);
		expect(said.match(/rule {2}.* made/g)).toHaveLength(3);
		const rules = await fetch(`${server.url}/api/v1/rules`, { headers: { authorization: `Bearer ${key}` } });
		expect(((await rules.json()) as { data: unknown[] }).data).toHaveLength(3);
	});

	it("gives a key to one organization only", async () => {
		const other = await tocsin(["seed", ...server.stateFlags(), "--org", "globex", "--key", PRINTED_KEY]);
		expect(other.code).toBe(1);
		expect(other.stderr).toContain("belongs to another organization");
	});

	it("does not migrate what is served", async () => {
		const ran = await tocsin(["migrate", ...server.stateFlags()]);
		expect(ran.code).toBe(1);
		expect(ran.stderr).toContain("in use by another process");
	});
});

describe("administration", () => {
	let server: Server;

	beforeAll(async () => {
		server = await Server.start();
	});
	afterAll(() => server.stop());

	it("makes keys over the socket, which only the owner may open", async () => {
		expect(statSync(join(server.data, "tocsin.sock")).mode & 0o777).toBe(0o600);
		const made = await overSocket(server, "POST", "/admin/keys", {
			org: "initech",
			project: "web",
			name: "reader",
			scopes: ["events:read"],
		});
		expect(made.status).toBe(201);
		const key = (made.body.key as { key: string }).key;
		const reader = new Api(server.url, key);
		expect((await reader.get("/api/v1/events")).status).toBe(200);
		expect((await reader.post("/api/v1/events", { type: "a" })).status).toBe(403);

		const bad = await overSocket(server, "POST", "/admin/keys", { org: "Not A Slug" });
		expect(bad.status).toBe(400);
		expect(bad.body.field).toBe("org");
	});

	it("does not exist over TCP", async () => {
		const strip = (text: string) => text.replace(/"requestId":"\w+"/, "");
		for (const method of ["GET", "POST", "PUT", "OPTIONS"]) {
			const [admin, nothing] = await Promise.all(
				["/admin/keys", "/admin/nothing"].map((path) => fetch(server.url + path, { method })),
			);
			expect(admin!.status).toBe(404);
			expect(strip(await admin!.text())).toBe(strip(await nothing!.text()));
		}
	});
});

describe("send", () => {
	let server: Server;
	let api: Api;
	let env: Record<string, string>;

	beforeAll(async () => {
		server = await Server.start();
		api = await tenant(server, "acme");
		env = { TOCSIN_KEY: api.key!, TOCSIN_URL: server.url };
	});
	afterAll(() => server.stop());

	it("sends one event from flags and prints its id", async () => {
		const file = join(server.data, "key");
		writeFileSync(file, `${api.key}\n`);
		const args = ["send", "--type", "order.failed", "--severity", "error", "--source", "shop"];
		args.push("--environment", "production", "--message", "no stock", "--value", "2.5");
		args.push("--tag", "a=1,c=x\\,y", "--tag=b=2", "--payload", '{"n":1.50}', "--kind", "metric");
		const ran = await tocsin([...args, "--data", server.data], { env: { TOCSIN_KEY_FILE: file } });
		expect(ran.code, ran.stderr).toBe(0);
		expect(ran.stdout).toMatch(/^evt_[0-9A-Z]{26}\n$/);
		const one = await api.get<Event>(`/api/v1/events/${ran.stdout.trim()}`);
		expect(one.body).toMatchObject({
			type: "order.failed",
			kind: "metric",
			severity: "high",
			source: "shop",
			environment: "production",
			message: "no stock",
			value: 2.5,
			tags: { a: "1", b: "2", c: "x,y" },
		});
		expect(one.text).toContain('{"n":1.50}');
	});

	it("is one event under one key, however often it is sent", async () => {
		const args = ["send", "--type", "once", "--idempotency-key", "k1"];
		const [first, second] = [await tocsin(args, { env }), await tocsin(args, { env })];
		expect(second.stdout).toBe(first.stdout);
		const other = await tocsin([...args, "--value", "1"], { env });
		expect(other.code).toBe(1);
		expect(other.stderr).toContain("409");
	});

	it("takes lines, and names those that are refused", async () => {
		const lines = ['{"type":"line.a"}', "", "nonsense", '{"payload":{}}', '{"type":"line.b"}'];
		const ran = await tocsin(["send", "--stdin"], { env, input: lines.join("\n") });
		expect(ran.code).toBe(1);
		expect(ran.stdout.match(/^evt_/gm)).toHaveLength(2);
		expect(ran.stderr).toMatch(/^line 3: .*\nline 4: .*type.*\n2 accepted, 0 duplicate, 2 rejected\n$/);
	});

	it("refuses what contradicts itself, and a key that is none", async () => {
		expect((await tocsin(["send", "--stdin", "--type", "a"], { env })).code).toBe(2);
		expect((await tocsin(["send"], { env })).code).toBe(2);
		const wrong = await tocsin(["send", "--type", "a", "--key", "sk_nobody"], { env });
		expect(wrong.code).toBe(1);
		expect(wrong.stderr).toContain("401");
		expect(wrong.stderr).not.toContain("sk_nobody");
	});

	it("waits for a server that comes back, and loses and doubles nothing", async () => {
		const input = Array.from({ length: 2500 }, (_, i) => `{"type":"patient","payload":{"i":${i}}}`);
		await server.kill("SIGKILL");
		const running = tocsin(["send", "--stdin"], { env, input: input.join("\n") });
		await server.launch();
		const ran = await running;
		expect(ran.code, ran.stderr).toBe(0);
		expect(ran.stderr).toContain("2500 accepted");
		const stored = await listAll<Event>(api, "/api/v1/events?type=patient&limit=1000");
		expect(stored.map((e) => (e.payload as { i: number }).i).reverse()).toEqual(input.map((_, i) => i));
	});
});

describe("tail", () => {
	let server: Server;
	let api: Api;
	const children: ChildProcess[] = [];

	beforeAll(async () => {
		server = await Server.start();
		api = await tenant(server, "acme");
	});
	afterEach(() => children.splice(0).forEach((child) => child.kill()));
	afterAll(() => server.stop());

	async function liveClients(): Promise<number> {
		const { text } = await new Api(server.url).get("/metrics");
		return Number(/^tocsin_live_clients (\d+)/m.exec(text)?.[1] ?? 0);
	}

	/** Follow with these flags; resolves when the stream is open. */
	async function follow(args: string[]) {
		const env = { ...process.env, TOCSIN_KEY: api.key!, TOCSIN_URL: server.url };
		await eventually(liveClients, (n) => n === 0);
		const child = spawn(binary, ["tail", ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
		const lines: string[] = [];
		const notices: string[] = [];
		children.push(child);
		createInterface({ input: child.stdout }).on("line", (line) => lines.push(line));
		createInterface({ input: child.stderr }).on("line", (line) => notices.push(line));
		const end = once(child, "close").then(([code]) => code as number | null);
		await eventually(liveClients, (n) => n === 1);
		return { lines, notices, end };
	}

	it("shows what is asked for, a line each, and ends after --count", async () => {
		const types = await follow(["--type", "pay.*", "--severity", "warning", "--count", "2"]);
		for (const type of ["other", "pay.a", "payment", "pay.b"]) {
			await api.post("/api/v1/events", { type, severity: "high", source: "shop" });
			await api.post("/api/v1/events", { type, severity: "low" });
		}
		expect(await types.end).toBe(0);
		expect(types.lines).toEqual([
			expect.stringMatching(/^now +high +pay\.a +shop$/),
			expect.stringMatching(/^now +high +pay\.b +shop$/),
		]);
	});

	it("tells of an alert as JSON", async () => {
		await api.post("/api/v1/rules", {
			name: "Boom",
			eventType: "boom",
			condition: "count_gte",
			threshold: 1,
			windowSeconds: 60,
			actions: [{ channel: "in_app", config: {} }],
		});
		const alerts = await follow(["--json", "--only", "alerts", "--count", "1"]);
		// The count of clients rises before the stream says that nothing is missed from here on.
		const more = async () => {
			await api.post("/api/v1/events", { type: "boom" });
			return alerts.lines.length;
		};
		await eventually(more, (n) => n > 0);
		expect(await alerts.end).toBe(0);
		expect(JSON.parse(alerts.lines[0]!)).toMatchObject({
			event: "alert",
			data: { ruleName: "Boom", eventType: "boom" },
		});
	});

	it("goes on behind what it has shown when the server was killed", async () => {
		const tail = await follow(["--json", "--only", "events", "--type", "n", "--count", "60"]);
		const send = async (from: number) => {
			for (let i = from; i < from + 20; i++) {
				await api.post("/api/v1/events", { type: "n", payload: { i } });
			}
		};
		await send(0);
		await eventually(async () => tail.lines.length, (n) => n >= 1);
		await server.restart("SIGKILL");
		await send(20);
		await eventually(liveClients, (n) => n === 1);
		await send(40);
		expect(await tail.end).toBe(0);
		const seen = tail.lines.map((line) => (JSON.parse(line) as { data: Event }).data.payload);
		expect(seen).toEqual(Array.from({ length: 60 }, (_, i) => ({ i })));
		expect(tail.notices.join("\n")).toContain("connecting again");
	});

	it("gives up at once where trying again is no use", async () => {
		const env = { TOCSIN_KEY: "sk_nobody", TOCSIN_URL: server.url };
		const ran = await tocsin(["tail"], { env });
		expect(ran.code).toBe(1);
		expect(ran.stderr).toContain("401");
	});
});
