// An organization that is deleted: closed at once, its owner's to read and to take back for seven
// days, and as it was when it is taken back.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api, eventually, type Problem } from "../harness/api.ts";
import { tocsin } from "../harness/command.ts";
import { Sse } from "../harness/live.ts";
import { caughtUp, deliveriesOf, makeRule, sendEvent } from "../harness/model.ts";
import { memberOf, PASSWORD, Person } from "../harness/person.ts";
import { Receiver } from "../harness/receiver.ts";
import { Server } from "../harness/server.ts";
import { stores } from "../harness/store.ts";

const DAY = 86_400_000;
const mail = () => `${randomUUID()}@example.com`;

interface Leaving {
	status: string;
	deleteAfter: string;
	export: string;
	exportEvents: string;
	restore: string;
}

describe.each(stores)("an organization that is to be deleted, state in %s", (store) => {
	let server: Server;
	let receiver: Receiver;

	beforeAll(async () => {
		server = await Server.start({ store, clock: true, args: ["--signup", "open", "--rate-auth", "0"] });
		receiver = await Receiver.start();
	});
	afterAll(async () => {
		await server.stop();
		await receiver.stop();
	});

	const leave = (who: Person, confirm: string) =>
		who.api.delete<Leaving & Problem>(`/api/v1/orgs/current?confirm=${encodeURIComponent(confirm)}`);
	const current = (who: Person) => who.api.get<{ status: string; deleteAfter: string | null }>("/api/v1/orgs/current");
	const actions = async () => {
		const got = await tocsin(["org", "list", "--json", ...server.stateFlags()]);
		return got.stdout;
	};

	it("is asked for by an owner who has just proved who he is, and types its name", async () => {
		const ana = await Person.signUp(server.url, mail(), { orgName: "Acme & Söhne" });
		const ben = await memberOf(ana, "admin");
		const slug = ana.login.org!.slug;
		expect((await leave(ben, slug)).status).toBe(403);
		expect((await ana.api.delete<Problem>("/api/v1/orgs/current")).status).toBe(400);
		for (const wrong of ["", "yes", ana.login.org!.id, slug.toUpperCase()]) {
			const got = await leave(ana, wrong);
			expect([got.status, got.body.field]).toEqual([400, "confirm"]);
		}
		server.advance(11 * 60_000);
		expect((await leave(ana, slug)).body.code).toBe("proof_required");
		expect((await ana.api.post("/api/v1/auth/prove", { password: PASSWORD })).status).toBe(204);
		expect((await current(ana)).body).toMatchObject({ status: "active", deleteAfter: null });
		const got = await leave(ana, "Acme & Söhne");
		expect(got.status).toBe(202);
		const left = Date.parse(got.body.deleteAfter) - server.now();
		expect(Math.abs(left - 7 * DAY)).toBeLessThan(60_000);
		expect((await ana.api.get(got.body.export)).status).toBe(200);
		expect((await ana.api.get(got.body.exportEvents)).status).toBe(200);
		const other = await Person.signUp(server.url, mail());
		expect((await other.api.post(got.body.restore)).status).toBe(404);
		expect((await ana.api.post(got.body.restore)).status).toBe(200);
		const audit = await ana.api.get<{ data: { action: string }[] }>("/api/v1/audit?limit=5");
		const told = audit.body.data.map((e) => e.action);
		expect(told.slice(0, 3)).toEqual(["org.restore", "org.export", "org.delete"]);
	});

	it("takes nothing in, sends nothing, and shows itself to owners alone; then all is as it was", async () => {
		const ana = await Person.signUp(server.url, mail());
		const ben = await memberOf(ana, "admin");
		const other = await Person.signUp(server.url, mail());
		const { id, slug } = ana.login.org!;
		const made = await ana.api.post<{ key: string }>("/api/v1/keys", { name: "k" });
		const key = new Api(server.url, made.body.key);
		receiver.script = (request) => ({ status: request.json.eventType === "down" ? 503 : 200 });
		const rule = await makeRule(ana.api, {
			eventType: "down",
			threshold: 1,
			cooldownSeconds: 0,
			actions: [{ channel: "webhook", config: { url: receiver.url } }],
		});
		await sendEvent(key, "down");
		await caughtUp(key);
		await eventually(
			() => deliveriesOf(ana.api, rule),
			(all) => all.some((d) => d.status === "retrying"),
		);
		const ticket = await key.post<{ ticket: string }>("/api/v1/stream/tickets");
		const streams = await Promise.all(
			[made.body.key, ana.login.accessToken, ben.login.accessToken].map((secret) =>
				Sse.open(server.url, "/api/v1/stream", { authorization: `Bearer ${secret}` }),
			),
		);
		expect((await leave(ana, slug)).status).toBe(202);
		await Promise.all(streams.map((s) => eventually(async () => s.closed, Boolean, 1_000)));
		const closed = [
			await key.post<Problem>("/api/v1/events", { type: "after" }),
			await key.get<Problem>("/api/v1/events"),
			await new Api(server.url).post<Problem>("/ingest", { apiKey: made.body.key, type: "event", name: "x", payload: {} }),
			await new Api(server.url).get<Problem>(`/api/v1/stream?ticket=${ticket.body.ticket}`),
			await ben.api.get<Problem>("/api/v1/events"),
			await ben.api.post<Problem>("/api/v1/orgs/current/restore"),
			await ana.api.post<Problem>("/api/v1/events", { type: "after" }),
			await ana.api.post<Problem>("/api/v1/keys", { name: "late" }),
			await ana.api.get<Problem>("/api/v1/stream"),
			await leave(ana, slug),
		];
		const codes = closed.map((reply) => [reply.status, reply.body.code ?? "org_closed"]);
		expect(codes.filter(([status, code]) => status !== 403 || !["org_closed", "forbidden"].includes(String(code)))).toEqual([]);
		expect(closed[4]!.body.error).toMatch(/to be deleted.*owner/);
		// What is read, whole, by its owner.
		for (const path of ["events", "rules", "alerts", "members", "keys", "audit", "usage", "events/export", "orgs/current/export"]) {
			expect([path, (await ana.api.get(`/api/v1/${path}`)).status]).toEqual([path, 200]);
		}
		const sent = receiver.got.length;
		server.advance(3_600_000 * 3);
		await sendEvent(other.api, "elsewhere").catch(() => undefined);
		await server.restart("SIGKILL");
		server.advance(60_000);
		const back = await Person.logIn(server.url, ana.login.user.email);
		await back.actIn(id);
		expect((await current(back)).body.status).toBe("leaving");
		expect(receiver.got.length).toBe(sent);
		expect(await actions()).toContain(`"status":"leaving"`);
		const headers = { "idempotency-key": randomUUID() };
		receiver.script = () => ({});
		const restored = await back.api.post("/api/v1/orgs/current/restore", undefined, headers);
		expect(restored.body).toMatchObject({ id, status: "active", deleteAfter: null });
		expect((await back.api.post("/api/v1/orgs/current/restore", undefined, headers)).body).toEqual(restored.body);
		await eventually(
			() => deliveriesOf(back.api, rule),
			(all) => all.length === 1 && all[0]!.status === "sent",
		);
		const events = await key.get<{ data: { type: string }[] }>("/api/v1/events");
		expect(events.body.data.map((e) => e.type)).toEqual(["down"]);
		await sendEvent(key, "down");
		await eventually(
			() => deliveriesOf(back.api, rule),
			(all) => all.length === 2 && all.every((d) => d.status === "sent"),
		);
	});

	it("is deleted and kept by whoever runs the server, who types its name twice", async () => {
		const ana = await Person.signUp(server.url, mail());
		const slug = ana.login.org!.slug;
		const run = (...args: string[]) => tocsin(["org", ...args, "--json", ...server.stateFlags()]);
		expect((await run("delete", slug)).code).not.toBe(0);
		const wrong = await run("delete", slug, "--confirm", "another");
		expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining('"confirm"')]);
		expect((await current(ana)).body.status).toBe("active");
		const done = await run("delete", slug, "--confirm", slug);
		expect([done.code, JSON.parse(done.stdout)]).toMatchObject([0, { org: slug, status: "leaving" }]);
		expect((await current(ana)).body.status).toBe("leaving");
		const kept = await run("restore", slug);
		expect([kept.code, JSON.parse(kept.stdout)]).toMatchObject([0, { status: "active", deleteAfter: null }]);
		expect((await ana.api.post("/api/v1/events", { type: "on" })).status).toBe(201);
	});
});
