// Who is in an organization: roles, invites, and what happens to whoever leaves or is removed.
import { randomUUID } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api, type Problem, type Reply } from "../harness/api.ts";
import { tocsin } from "../harness/command.ts";
import { type Login, PASSWORD, Person } from "../harness/person.ts";
import { Server } from "../harness/server.ts";
import { stores } from "../harness/store.ts";

const DAY = 24 * 3600_000;
const MINUTE = 60_000;
const mail = () => `${randomUUID()}@example.com`;
const roles = ["viewer", "member", "admin", "owner"] as const;
type Role = (typeof roles)[number];

interface Invite {
	id: string;
	email: string;
	role: string;
	status: string;
	inviteUrl?: string;
	expiresAt: string;
}
interface Member {
	id: string;
	email: string;
	role: string;
}

const invite = (who: Person, email: string, role: string = "member") =>
	who.api.post<Invite & Problem>("/api/v1/invites", { email, role });
const tokenOf = (reply: Reply<Invite>) => reply.body.inviteUrl!.split("#token=")[1]!;
const accept = (who: Person, token: string) =>
	who.api.post<{ org: { id: string; role: string } } & Problem>("/api/v1/invites/accept", { token });
const lookup = (url: string, token: string) =>
	new Api(url).post<{ email: string; orgName: string; role: string } & Problem>("/api/v1/invites/lookup", { token });
const role = (who: Person, id: string, to: string) => who.api.patch<Member & Problem>(`/api/v1/members/${id}`, { role: to });
const members = async (who: Person) => (await who.api.get<{ data: Member[] }>("/api/v1/members")).body.data;

describe.each(stores)("on %s", (store) => {
	let server: Server;

	beforeAll(async () => {
		server = await Server.start({
			store,
			clock: true,
			args: ["--signup", "open", "--rate-auth", "0", "--public-url", "https://tocsin.example/"],
		});
	});
	afterAll(() => server.stop());

	/** Somebody in the organization of another. */
	async function join(owner: Person, as: Role): Promise<Person> {
		const email = mail();
		const made = await invite(owner, email, as);
		if (made.status !== 201) throw new Error(`no invite: ${made.text}`);
		return Person.signUp(server.url, email, { inviteToken: tokenOf(made) });
	}
	const founder = () => Person.signUp(server.url, mail());
	const idOf = (who: Person) => who.login.user.id;

	it("lets everybody do what the role allows, and no more", async () => {
		const owner = await founder();
		const people = { owner } as Record<Role, Person>;
		for (const as of ["viewer", "member", "admin"] as const) people[as] = await join(owner, as);
		const other = await join(owner, "viewer");
		const open = await invite(owner, mail());
		const calls: [string, Role, (who: Person) => Promise<Reply<unknown>>][] = [
			["list members", "member", (who) => who.api.get("/api/v1/members")],
			["get a member", "member", (who) => who.api.get(`/api/v1/members/${idOf(other)}`)],
			["list invites", "member", (who) => who.api.get("/api/v1/invites?open=true")],
			["get an invite", "member", (who) => who.api.get(`/api/v1/invites/${open.body.id}`)],
			["change a role", "admin", (who) => role(who, idOf(other), "viewer")],
			["invite", "admin", (who) => invite(who, mail(), "viewer")],
			["invite an admin", "admin", (who) => invite(who, mail(), "admin")],
			["invite an owner", "owner", (who) => invite(who, mail(), "owner")],
			["change an invite", "admin", (who) => who.api.patch(`/api/v1/invites/${open.body.id}`, { role: "viewer" })],
			["resend", "admin", (who) => who.api.post(`/api/v1/invites/${open.body.id}/resend`)],
			["make an owner", "owner", (who) => role(who, idOf(other), "owner")],
			["lower an owner", "owner", (who) => role(who, idOf(other), "viewer")],
			["remove", "owner", (who) => who.api.delete(`/api/v1/members/${idOf(other)}`)],
		];
		for (const [name, least, call] of calls) {
			for (const as of roles) {
				const may = roles.indexOf(as) >= roles.indexOf(least);
				const { status } = await call(people[as]);
				expect([name, as, status < 300 ? "ok" : status]).toEqual([name, as, may ? "ok" : 403]);
			}
		}
		expect((await members(owner)).map((m) => m.role).sort()).toEqual(["admin", "member", "owner", "viewer"]);
	});

	it("keeps keys out, and shows nothing of another organization", async () => {
		const [ana, ben] = [await founder(), await founder()];
		const made = await ana.api.post<{ key: string }>("/api/v1/keys", { name: "all" });
		const key = new Api(server.url, made.body.key);
		const ofBen = await invite(ben, mail());
		for (const call of [
			() => key.get("/api/v1/members"),
			() => key.post("/api/v1/invites", { email: mail() }),
			() => key.delete(`/api/v1/members/${idOf(ana)}`),
			() => key.post("/api/v1/members/leave"),
		]) {
			expect((await call()).status).toBe(403);
		}
		const masked = (reply: Reply<unknown>) => [reply.status, reply.text.replace(/"requestId":"[^"]*"/, "")];
		for (const [theirs, none] of [
			[`/api/v1/members/${idOf(ben)}`, "/api/v1/members/usr_0000000000001"],
			[`/api/v1/invites/${ofBen.body.id}`, "/api/v1/invites/inv_0000000000001"],
		]) {
			expect(masked(await ana.api.get(theirs!))).toEqual(masked(await ana.api.get(none!)));
			expect(masked(await ana.api.delete(theirs!))).toEqual(masked(await ana.api.delete(none!)));
			expect((await ana.api.get(theirs!)).status).toBe(404);
		}
		expect((await members(ana)).map((m) => m.id)).toEqual([idOf(ana)]);
	});

	it("always keeps an owner", async () => {
		const ana = await founder();
		const last = [
			await ana.api.post<Problem>("/api/v1/members/leave"),
			await ana.api.delete<Problem>(`/api/v1/members/${idOf(ana)}`),
			await role(ana, idOf(ana), "admin"),
		];
		for (const reply of last) expect([reply.status, reply.body.code]).toEqual([409, "conflict"]);
		const ben = await join(ana, "owner");
		// Both leave at once: one may, the other is the last.
		const both = await Promise.all([ana, ben].map((who) => who.api.post("/api/v1/members/leave")));
		expect(both.map((reply) => reply.status).sort()).toEqual([204, 409]);
		const stays = both[0]!.status === 409 ? ana : ben;
		expect(await members(stays)).toMatchObject([{ id: idOf(stays), role: "owner" }]);
		// And so do two who lower each other.
		const cy = await join(stays, "owner");
		const lower = await Promise.all([role(stays, idOf(cy), "viewer"), role(cy, idOf(stays), "viewer")]);
		expect(lower.filter((reply) => reply.status === 200).length).toBe(1);
	});

	it("is given away to a member, with a proof", async () => {
		const ana = await founder();
		const ben = await join(ana, "viewer");
		server.advance(11 * MINUTE);
		const give = () => ana.api.post<Member & Problem>(`/api/v1/members/${idOf(ben)}/transfer`);
		expect((await give()).body).toMatchObject({ status: 403, code: "proof_required" });
		expect((await role(ana, idOf(ben), "owner")).body.code).toBe("proof_required");
		expect((await invite(ana, mail(), "owner")).body.code).toBe("proof_required");
		await ana.api.post("/api/v1/auth/prove", { password: PASSWORD });
		expect((await give()).body).toMatchObject({ id: idOf(ben), role: "owner" });
		expect((await give()).status).toBe(403);
		expect(Object.fromEntries((await members(ben)).map((m) => [m.id, m.role]))).toEqual({
			[idOf(ana)]: "admin",
			[idOf(ben)]: "owner",
		});
	});

	it("removes at once: calls, streams and what is lower", async () => {
		const ana = await founder();
		const ben = await join(ana, "admin");
		const stream = await fetch(`${server.url}/api/v1/stream`, {
			headers: { authorization: `Bearer ${ben.login.accessToken}` },
		});
		expect(stream.status).toBe(200);
		const ended = stream.text();
		expect((await role(ana, idOf(ben), "viewer")).status).toBe(200);
		expect((await ben.api.get("/api/v1/members")).status).toBe(403);
		const at = Date.now();
		expect((await ana.api.delete(`/api/v1/members/${idOf(ben)}`)).status).toBe(204);
		expect((await ben.api.get("/api/v1/events")).status).toBe(403);
		await ended;
		expect(Date.now() - at).toBeLessThan(10_000);
		expect((await ben.api.get<{ org: null }>("/api/v1/auth/me")).body.org).toBeNull();
		expect((await ana.api.delete(`/api/v1/members/${idOf(ben)}`)).status).toBe(404);
	});

	it("invites, once, whom it names", async () => {
		const ana = await founder();
		const email = mail();
		const made = await invite(ana, email.toUpperCase(), "Admin");
		expect(made.body).toMatchObject({ email, role: "admin", status: "open" });
		expect(made.body.inviteUrl).toMatch(/^https:\/\/tocsin\.example\/invite\/accept#token=inv_[0-9a-f]{64}$/);
		expect((await invite(ana, email)).status).toBe(409);
		const token = tokenOf(made);
		expect((await lookup(server.url, token)).body).toEqual({
			email,
			orgName: ana.login.org!.name,
			role: "admin",
			expiresAt: made.body.expiresAt,
		});
		const eve = await founder();
		expect((await accept(eve, token)).status).toBe(403);
		const stranger = await new Api(server.url).post<Problem>("/api/v1/auth/signup", {
			email: mail(),
			password: PASSWORD,
			inviteToken: token,
		});
		expect([stranger.status, stranger.body.field]).toEqual([400, "inviteToken"]);
		// In any case of letters, and with an account of before.
		const ben = await Person.signUp(server.url, email.toUpperCase());
		const both = await Promise.all([accept(ben, token), accept(ben, token)]);
		expect(both.map((reply) => reply.status).sort()[0]).toBe(200);
		expect(both.filter((reply) => reply.status === 200).length).toBe(1);
		expect((await accept(ben, token)).status).toBe(410);
		expect((await lookup(server.url, token)).status).toBe(410);
		// He acts where he did, until he says otherwise.
		expect((await members(ben)).length).toBe(1);
		await ben.actIn(ana.login.org!.id);
		expect((await members(ben)).length).toBe(2);
		expect((await invite(ana, email)).status).toBe(409);
		const info = await ana.api.get<Invite>(`/api/v1/invites/${made.body.id}`);
		expect([info.body.status, info.text.includes("inv_" + token.slice(4))]).toEqual(["accepted", false]);
	});

	it("makes an invite once per key, and keeps no link for a repeat", async () => {
		const ana = await founder();
		const email = mail();
		const headers = { "idempotency-key": randomUUID() };
		const make = () => ana.api.post<Invite & Problem>("/api/v1/invites", { email }, headers);
		const made = await make();
		expect(made.status).toBe(201);
		const again = await make();
		expect([again.status, again.body.code]).toEqual([409, "already_created"]);
		expect(again.text).toContain(made.body.id);
		expect(again.text).not.toContain(tokenOf(made));
	});

	it("does not take a link for a proof of the address", async () => {
		const ana = await founder();
		const ben = await join(ana, "member");
		const me = await ben.api.get<{ user: { emailVerified: boolean } }>("/api/v1/auth/me");
		expect(me.body.user.emailVerified).toBe(false);
	});

	it("sends again, changes, takes back and lets expire", async () => {
		const ana = await founder();
		const email = mail();
		const first = await invite(ana, email, "viewer");
		const path = `/api/v1/invites/${first.body.id}`;
		const second = await ana.api.post<Invite>(`${path}/resend`);
		expect((await lookup(server.url, tokenOf(first))).status).toBe(404);
		expect((await ana.api.patch<Invite>(path, { role: "admin" })).body.role).toBe("admin");
		expect((await lookup(server.url, tokenOf(second))).body.role).toBe("admin");
		server.advance(7 * DAY);
		await ana.api.post("/api/v1/auth/refresh", { refreshToken: ana.login.refreshToken });
		expect((await lookup(server.url, tokenOf(second))).status).toBe(410);
		const again = await Person.logIn(server.url, ana.login.user.email);
		expect((await again.api.get<Invite>(path)).body.status).toBe("expired");
		const third = await invite(again, email);
		expect(third.status).toBe(201);
		expect((await again.api.delete(`/api/v1/invites/${third.body.id}`)).status).toBe(204);
		expect((await again.api.delete(`/api/v1/invites/${third.body.id}`)).status).toBe(409);
		expect((await lookup(server.url, tokenOf(third))).status).toBe(410);
		const all = await again.api.get<{ data: Invite[] }>("/api/v1/invites");
		expect(all.body.data.map((i) => i.status)).toEqual(["revoked", "revoked"]);
		expect((await again.api.get<{ data: Invite[] }>("/api/v1/invites?open=true")).body.data).toEqual([]);
	});

	it("has no more members than the plan has seats, however many come at once", async () => {
		const ana = await founder();
		const invited = await Promise.all(
			Array.from({ length: 4 }, async () => {
				const email = mail();
				return { email, token: tokenOf(await invite(ana, email)) };
			}),
		);
		const run = (args: string[]) => tocsin(["plan", ...args, ...server.stateFlags()]);
		await run(["put", "--plan", "three", "--seats", "3"]);
		await run(["put", "--plan", "roomy"]);
		await run(["on", "--plan", "roomy"]);
		expect((await run(["set", "--org", ana.login.org!.slug, "--plan", "three"])).code).toBe(0);
		const joined = await Promise.all(
			invited.map(({ email, token }) =>
				new Api(server.url).post<Login & Problem>("/api/v1/auth/signup", {
					email,
					password: PASSWORD,
					inviteToken: token,
				}),
			),
		);
		// Hashing may be busy; nobody is let in for that.
		const left = invited.filter((_, i) => joined[i]!.status === 503);
		const later = [];
		for (const { email, token } of left) {
			later.push(
				await new Api(server.url).post<Problem>("/api/v1/auth/signup", { email, password: PASSWORD, inviteToken: token }),
			);
		}
		const statuses = [...joined, ...later].map((reply) => reply.status).filter((status) => status !== 503);
		expect(statuses.sort()).toEqual([201, 201, 402, 402]);
		expect((await members(ana)).length).toBe(3);
		expect((await invite(ana, mail())).body.code).toBe("LIMIT_EXCEEDED");
	});

	it("keeps roles over kill -9, and no token anywhere", async () => {
		const ana = await founder();
		const ben = await join(ana, "admin");
		const made = await invite(ana, mail());
		expect((await role(ana, idOf(ben), "viewer")).status).toBe(200);
		await server.restart("SIGKILL");
		expect((await new Api(server.url, ben.login.accessToken).get("/api/v1/members")).status).toBe(403);
		expect((await lookup(server.url, tokenOf(made))).status).toBe(200);
		const token = tokenOf(made).slice(4);
		expect(filesWith(server.data, token)).toEqual([]);
		expect(JSON.stringify(server.log)).not.toContain(token);
	});
});

function filesWith(dir: string, text: string): string[] {
	return readdirSync(dir, { recursive: true, encoding: "utf8" }).filter((name) => {
		const path = join(dir, name);
		// Files come and go while the server runs.
		return existsSync(path) && statSync(path).isFile() && readFileSync(path).includes(text);
	});
}
