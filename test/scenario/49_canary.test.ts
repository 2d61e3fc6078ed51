// Secrets on a walk through everything: what was used to prove who somebody is, or to open something,
// rightly or wrongly, is in no log, error, address, stored reply, export or backup afterwards.
import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { URI } from "otpauth";
import { Api, type Reply } from "../harness/api.ts";
import { lookInto } from "../harness/canary.ts";
import { tocsin } from "../harness/command.ts";
import { Socket } from "../harness/live.ts";
import { makeRule } from "../harness/model.ts";
import { Person, tryLogin } from "../harness/person.ts";
import { Server } from "../harness/server.ts";
import { everyRow, stores } from "../harness/store.ts";

const random = () => randomUUID().replaceAll("-", "");
const mail = () => `${randomUUID()}@example.com`;

/** Every secret that was used, and every error that was told. */
class Walk {
	readonly secrets = new Set<string>();
	readonly told: string[] = [];
	/** A header of a webhook: a part of its rule, whose body log and state keep; nobody is shown it. */
	readonly hook = random();
	constructor(readonly server: Server) {}

	/** Something made up, which is secret from now on. */
	secret(start = ""): string {
		const text = start + random();
		this.secrets.add(text);
		return text;
	}
	keep(text: string): string {
		if (typeof text !== "string" || text.length < 8) throw new Error(`no secret: ${JSON.stringify(text)}`);
		this.secrets.add(text);
		return text;
	}
	async wrong(reply: Promise<Reply<unknown>>): Promise<void> {
		const got = await reply;
		expect(got.status).toBeGreaterThanOrEqual(400);
		this.told.push(got.text, JSON.stringify([...got.headers]));
	}
	nobody(): Api {
		return new Api(this.server.url);
	}
}

async function people(w: Walk): Promise<Person> {
	const { url } = w.server;
	const email = mail();
	const password = w.secret("pass word ");
	const ana = await Person.signUp(url, email, { password });
	w.keep(ana.login.accessToken);
	w.keep(ana.login.refreshToken);
	await w.wrong(tryLogin(url, email, w.secret("wrong ")));
	await w.wrong(tryLogin(url, w.secret("not-a-mail-"), w.secret()));
	await w.wrong(w.nobody().post("/api/v1/auth/login", `{"email": "${email}", "password": "${w.secret()}`));
	await w.wrong(w.nobody().post("/api/v1/auth/login", { email, passwort: w.secret() }));
	await w.wrong(w.nobody().post("/api/v1/auth/refresh", { refreshToken: w.secret("rt_") }));
	await w.wrong(w.nobody().get("/api/v1/auth/me", { authorization: `Bearer eyJ${w.secret()}.e30.${w.secret()}` }));
	await w.wrong(w.nobody().get("/api/v1/auth/me", { cookie: `access_token=${w.secret()}` }));
	await w.wrong(w.nobody().get("/api/v1/auth/me", { authorization: `Basic ${Buffer.from(`a:${w.secret()}`).toString("base64")}` }));
	await w.wrong(w.nobody().post("/api/v1/auth/reset-password", { token: w.secret("rst_"), password: w.secret() }));
	await w.wrong(ana.api.post("/api/v1/auth/password", { currentPassword: w.secret(), password: w.secret() }));
	const refreshed = await w.nobody().post<{ accessToken: string; refreshToken: string }>("/api/v1/auth/refresh", { refreshToken: ana.login.refreshToken });
	w.keep(refreshed.body.accessToken);
	w.keep(refreshed.body.refreshToken);
	const invited = mail();
	const invite = await ana.api.post<{ inviteUrl: string }>("/api/v1/invites", { email: invited });
	const inviteToken = w.keep(invite.body.inviteUrl.split("#token=")[1]!);
	const ben = await Person.signUp(url, invited, { inviteToken, password });
	w.keep(ben.login.accessToken);
	const begun = await ben.api.post<{ uri: string; secret: string }>("/api/v1/auth/totp");
	w.keep(begun.body.secret);
	const code = (URI.parse(begun.body.uri) as unknown as { generate: () => string }).generate();
	const on = await ben.api.post<{ recoveryCodes: string[] }>("/api/v1/auth/totp/confirm", { code });
	for (const one of on.body.recoveryCodes) w.keep(one);
	expect((await tryLogin(url, invited, password, { code: on.body.recoveryCodes[0] })).status).toBe(200);
	for (const word of ["reset-link", "mail-link"]) {
		const ran = await tocsin(["user", word, email, "--json", ...w.server.stateFlags()]);
		w.keep((JSON.parse(ran.stdout) as { link: string }).link.split("=")[1]!);
	}
	return ana;
}

async function machines(w: Walk, ana: Person): Promise<Api> {
	const { url } = w.server;
	const once = { "idempotency-key": randomUUID() };
	const make = () => ana.api.post<{ id: string; key: string }>("/api/v1/keys", { name: "k" }, once);
	const made = await make();
	const key = new Api(url, w.keep(made.body.key));
	await w.wrong(make());
	const rotated = await ana.api.post<{ key: { key: string } }>(`/api/v1/keys/${made.body.id}/rotate`, {});
	w.keep(rotated.body.key.key);
	const project = await ana.api.post<{ key: { key: string } }>("/api/v1/projects", { name: "shop" });
	w.keep(project.body.key.key);
	await w.wrong(new Api(url, w.secret("sk_")).get("/api/v1/rules"));
	await w.wrong(w.nobody().get("/api/v1/rules", { "x-api-key": w.secret("sk_") }));
	await w.wrong(w.nobody().post("/ingest", { apiKey: w.secret("sk_"), type: "event", name: "x", payload: {} }));
	await w.wrong(w.nobody().get(`/events?apiKey=${w.secret("sk_")}`));
	await w.wrong(w.nobody().get(`/api/v1/stream?ticket=${w.secret("tkt_")}`));
	await w.wrong(w.nobody().post("/api-keys", { name: "x" }, { "x-setup-token": w.secret() }));
	expect((await w.nobody().get(`/events?apiKey=${key.key!}`)).status).toBe(200);
	expect((await w.nobody().post("/ingest", { apiKey: key.key!, type: "event", name: "x", payload: {} })).status).toBe(201);
	const ticket = await key.post<{ ticket: string }>("/api/v1/stream/tickets");
	const sockets = [await Socket.open(url, `/ws?ticket=${w.keep(ticket.body.ticket)}`), await Socket.open(url, `/ws?token=${key.key!}`)];
	for (const socket of sockets) socket.close();
	// A receiver that is not there: its address and what it is sent are in errors and attempts.
	await makeRule(key, {
		eventType: "canary.*",
		actions: [{ channel: "webhook", config: { url: "http://127.0.0.1:1025/nobody-listens", headers: { authorization: w.hook } } }],
	});
	expect((await key.post("/api/v1/events", { type: "canary.a" })).status).toBe(201);
	return key;
}

/** What people can take out of a server, in every way there is. */
async function takenOut(w: Walk, ana: Person, key: Api, dir: string): Promise<Map<string, string>> {
	const { server } = w;
	const out = new Map<string, string>();
	for (const [who, api, paths] of [
		["a person", ana.api, ["/api/v1/orgs/current/export", "/api/v1/audit?limit=100", "/api/v1/audit/export", "/api/v1/members", "/api/v1/invites", "/api/v1/auth/sessions", "/api/v1/keys", "/api/v1/projects"]],
		["a key", key, ["/api/v1/events/export", "/api/v1/events?limit=100", "/api/v1/deliveries", "/api/v1/rules", "/rules", "/notifications", "/api-keys", "/metrics"]],
	] as const) {
		for (const path of paths) {
			const got = await api.get(path);
			expect([path, got.status]).toEqual([path, 200]);
			out.set(`${path} of ${who}`, got.text);
		}
	}
	const commands: [string, string[]][] = [
		["tocsin audit export", ["audit", "export", "--org", ana.login.org!.slug]],
		["tocsin audit export --installation", ["audit", "export", "--installation", "--format", "csv"]],
		["tocsin user list", ["user", "list", "--json"]],
		["tocsin org list", ["org", "list", "--json"]],
		["tocsin config", ["config"]],
		["tocsin backup", ["backup", join(dir, "backup")]],
	];
	for (const [name, args] of commands) {
		const ran = await tocsin([...args, ...server.stateFlags()]);
		expect([name, ran.code, ran.stderr]).toEqual([name, 0, ran.stderr]);
		out.set(name, ran.stdout + ran.stderr);
	}
	const file = join(dir, "events.ndjson");
	expect((await tocsin(["export", "--out", file, "--url", server.url], { env: { TOCSIN_KEY: key.key! } })).code).toBe(0);
	out.set("tocsin export", readFileSync(file, "utf8"));
	for (const name of readdirSync(join(dir, "backup"), { recursive: true, withFileTypes: true })) {
		if (name.isFile()) out.set(`backup ${name.name}`, readFileSync(join(name.parentPath, name.name)).toString("latin1"));
	}
	const flags = server.stateFlags();
	const database = flags.indexOf("--database-url");
	if (database >= 0) out.set("the database", await everyRow(flags[database + 1]!));
	out.set("the list of processes", execFileSync("ps", ["axww", "-o", "args"], { maxBuffer: 1 << 26 }).toString());
	return out;
}

it.each(stores)("on %s: nothing that was secret is found again", { timeout: 120_000 }, async (store) => {
	const dir = mkdtempSync(join(tmpdir(), "tocsin-canary-"));
	const args = ["--signup", "open", "--rate-auth", "0", "--log-level", "debug"];
	const server = await Server.start({ store, args });
	try {
		const w = new Walk(server);
		const ana = await people(w);
		const key = await machines(w, ana);
		await server.restart("SIGKILL");
		const out = await takenOut(w, ana, key, dir);
		expect(w.secrets.size).toBeGreaterThan(40);
		// What is looked into is what it should be.
		expect(out.get("tocsin export")).toContain("canary.a");
		expect(out.get("tocsin audit export")).toContain("key.create");
		expect(out.get("the database") ?? ana.login.user.email).toContain(ana.login.user.email);
		expect([...out.keys()].filter((what) => what.startsWith("backup ")).length).toBeGreaterThan(2);
		for (const [what, text] of out) {
			lookInto(what, text, w.secrets);
			if (what !== "the database" && !what.startsWith("backup")) lookInto(what, text, [w.hook]);
		}
		for (const text of w.told) lookInto("a refusal", text, w.secrets);
		lookInto("the log", server.tail(server.log.length), [...w.secrets, w.hook]);
	} finally {
		await server.stop();
		rmSync(dir, { recursive: true });
	}
});
