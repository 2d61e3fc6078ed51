// Organizations: made, changed, suspended and opened again, by whom it behoves.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api, type Problem } from "../harness/api.ts";
import { tenant, tocsin } from "../harness/command.ts";
import { makeRule } from "../harness/model.ts";
import { type Org, PASSWORD, Person } from "../harness/person.ts";
import { Server } from "../harness/server.ts";
import { stores } from "../harness/store.ts";

const mail = () => `${randomUUID()}@example.com`;

interface OrgNow extends Org {
	status: string;
	settings: Record<string, unknown>;
}

describe.each(stores)("on %s", (store) => {
	let server: Server;

	beforeAll(async () => {
		server = await Server.start({ store, args: ["--signup", "open", "--rate-auth", "0"] });
	});
	afterAll(() => server.stop());

	const founder = () => Person.signUp(server.url, mail());
	const current = (who: Person) => who.api.get<OrgNow & Problem>("/api/v1/orgs/current");
	const run = async (...args: string[]) => {
		const ran = await tocsin(["org", ...args, "--json", ...server.stateFlags()]);
		if (ran.code !== 0) throw new Error(ran.stderr);
		return ran.stdout;
	};
	async function join(owner: Person, role: string): Promise<Person> {
		const email = mail();
		const made = await owner.api.post<{ inviteUrl: string }>("/api/v1/invites", { email, role });
		return Person.signUp(server.url, email, { inviteToken: made.body.inviteUrl.split("#token=")[1] });
	}

	it("are made by users, who own them", async () => {
		const ana = await founder();
		const headers = { "idempotency-key": randomUUID() };
		const make = () => ana.api.post<{ org: Org }>("/api/v1/orgs", { name: "Acme & Söhne" }, headers);
		const made = await make();
		expect(made.body.org).toMatchObject({ name: "Acme & Söhne", role: "owner" });
		expect((await make()).body).toEqual(made.body);
		const mine = await ana.api.get<{ data: Org[] }>("/api/v1/orgs");
		expect(mine.body.data.map((o) => o.id).sort()).toEqual([ana.login.org!.id, made.body.org.id].sort());
		await ana.actIn(made.body.org.id);
		expect((await ana.api.post("/api/v1/events", { type: "here" })).status).toBe(201);
		await ana.actIn(ana.login.org!.id);
		expect((await ana.api.get<{ data: unknown[] }>("/api/v1/events")).body.data).toEqual([]);
	});

	it("are named by owners and set by admins, over the version that was meant", async () => {
		const ana = await founder();
		const ben = await join(ana, "admin");
		const cy = await join(ana, "viewer");
		const change = (who: Person, body: object, headers = {}) =>
			who.api.patch<OrgNow & Problem>("/api/v1/orgs/current", body, headers);
		const first = await current(cy);
		expect(first.body).toMatchObject({ id: ana.login.org!.id, role: "viewer", status: "active", settings: {} });
		expect((await change(cy, { settings: { a: 1 } })).status).toBe(403);
		expect((await change(ben, { name: "Ben's" })).status).toBe(403);
		const tag = { "if-match": first.headers.get("etag")! };
		const set = await change(ben, { settings: { week: ["mon"], deep: { a: null } } }, tag);
		expect(set.body.settings).toEqual({ week: ["mon"], deep: { a: null } });
		expect((await change(ana, { name: "New" }, tag)).status).toBe(412);
		const named = await change(ana, { name: "New" }, { "if-match": set.headers.get("etag")! });
		expect(named.body).toMatchObject({ name: "New", settings: { week: ["mon"] } });
		expect((await change(ana, { settings: { big: "x".repeat(17_000) } })).status).toBe(400);
		expect((await change(ana, { colour: "red" })).status).toBe(400);
		const other = await founder();
		expect((await other.api.get(`/api/v1/orgs/${ana.login.org!.id}`)).status).toBe(404);
		expect((await other.api.patch(`/api/v1/orgs/${ana.login.org!.id}`, { name: "Mine" })).status).toBe(404);
	});

	it("give their owner all that they have set up, and no secret", async () => {
		const ana = await founder();
		const ben = await join(ana, "admin");
		const made = await ana.api.post<{ id: string; key: string }>("/api/v1/keys", { name: "exported" });
		const config = { url: "https://hooks.example/x", headers: { authorization: "hook-secret-1" } };
		const actions = [{ channel: "webhook", config }];
		await makeRule(ana.api, { name: "exported rule", eventType: "a", actions });
		const path = "/api/v1/orgs/current/export";
		expect((await ben.api.get(path)).status).toBe(403);
		const all = await ana.api.get<Record<string, { id: string; name?: string }[]>>(path);
		expect(all.status).toBe(200);
		expect(all.body.org).toMatchObject({ id: ana.login.org!.id });
		expect(all.body.projects).toMatchObject([{ slug: "default", isDefault: true }]);
		expect(all.body.keys).toMatchObject([{ id: made.body.id, name: "exported" }]);
		expect(all.body.rules).toMatchObject([{ rule: { name: "exported rule" } }]);
		expect(all.body.members!.map((m) => m.id)).toEqual([ben.login.user.id, ana.login.user.id]);
		expect(all.body.invites).toMatchObject([{ status: "accepted" }]);
		for (const secret of [made.body.key, ana.login.accessToken, "hook-secret-1", "hash"]) expect(all.text).not.toContain(secret);
	});

	it("are closed by whoever runs the server, at once and for all, and lose nothing", async () => {
		const ana = await founder();
		const slug = ana.login.org!.slug;
		const other = await founder();
		const made = await ana.api.post<{ key: string }>("/api/v1/keys", { name: "k" });
		const key = new Api(server.url, made.body.key);
		expect((await key.post("/api/v1/events", { type: "before" })).status).toBe(201);
		const ticket = await key.post<{ ticket: string }>("/api/v1/stream/tickets");
		const streams = await Promise.all(
			[made.body.key, ana.login.accessToken].map((secret) =>
				fetch(`${server.url}/api/v1/stream`, { headers: { authorization: `Bearer ${secret}` } }),
			),
		);
		expect(streams.map((s) => s.status)).toEqual([200, 200]);
		expect(JSON.parse(await run("suspend", slug))).toMatchObject({ org: slug, status: "suspended", members: 1 });
		const refused = [
			await key.post<Problem>("/api/v1/events", { type: "after" }),
			await key.get<Problem>("/api/v1/events"),
			await new Api(server.url).post<Problem>("/ingest", { apiKey: made.body.key, type: "event", name: "after", payload: {} }),
			await ana.api.get<Problem>("/api/v1/events"),
			await ana.api.post<Problem>("/api/v1/invites", { email: mail() }),
			await new Api(server.url).get<Problem>(`/api/v1/stream?ticket=${ticket.body.ticket}`),
		];
		for (const reply of refused) expect([reply.status, reply.body.code ?? "org_closed"]).toEqual([403, "org_closed"]);
		await Promise.all(streams.map((s) => s.text())); // they end
		expect((await current(ana)).body.status).toBe("suspended");
		expect((await ana.api.get("/api/v1/auth/me")).status).toBe(200);
		expect((await other.api.post("/api/v1/events", { type: "on" })).status).toBe(201);
		await server.restart("SIGKILL");
		expect((await new Api(server.url, made.body.key).get<Problem>("/api/v1/events")).body.code).toBe("org_closed");
		expect(await run("list")).toContain(`"org":"${slug}"`);
		expect(JSON.parse(await run("resume", slug))).toMatchObject({ status: "active", suspendedAt: null });
		const events = await new Api(server.url, made.body.key).get<{ data: { type: string }[] }>("/api/v1/events");
		expect(events.body.data.map((e) => e.type)).toEqual(["before"]);
		await expect(run("suspend", "nobody-at-all")).rejects.toThrow('no organization "nobody-at-all"');
	});

	it("let nobody join while they are closed", async () => {
		const ana = await founder();
		const email = mail();
		const made = await ana.api.post<{ inviteUrl: string }>("/api/v1/invites", { email });
		const token = made.body.inviteUrl.split("#token=")[1]!;
		const api = new Api(server.url);
		const signUp = () => api.post<Problem>("/api/v1/auth/signup", { email, password: PASSWORD, inviteToken: token });
		await run("suspend", ana.login.org!.slug);
		expect((await signUp()).body.code).toBe("org_closed");
		expect((await api.post<Problem>("/api/v1/invites/lookup", { token })).body.code).toBe("org_closed");
		await run("resume", ana.login.org!.slug);
		expect((await signUp()).status).toBe(201);
	});

	it("are known at once, whoever made them", async () => {
		await tenant(server, "seeded");
		const email = mail();
		const flags = server.stateFlags();
		const args = ["user", "add", email, "--org", "seeded", "--owner", "--with-password", ...flags];
		expect((await tocsin(args, { input: `${PASSWORD}\n` })).code).toBe(0);
		const dee = await Person.logIn(server.url, email);
		expect((await dee.api.post("/api/v1/events", { type: "mine" })).status).toBe(201);
		// Seeding again opens nothing.
		await run("suspend", "seeded");
		await tenant(server, "seeded", "more");
		expect((await dee.api.get<Problem>("/api/v1/events")).body.code).toBe("org_closed");
		await run("resume", "seeded");
		expect((await dee.api.get("/api/v1/events")).status).toBe(200);
	});
});

it("are made by owners alone where nobody signs up freely", async () => {
	const server = await Server.start();
	const first = await Person.signUp(server.url, mail());
	const email = mail();
	const made = await first.api.post<{ inviteUrl: string }>("/api/v1/invites", { email, role: "admin" });
	const second = await Person.signUp(server.url, email, { inviteToken: made.body.inviteUrl.split("#token=")[1] });
	expect((await second.api.post("/api/v1/orgs", { name: "Mine" })).status).toBe(403);
	expect((await first.api.post("/api/v1/orgs", { name: "Mine" })).status).toBe(201);
	await server.stop();
});
