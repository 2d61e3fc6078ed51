// Accounts that are deleted: for seven days they can be had back, and then nothing of the person is left,
// not in any table, not in a file, and the audit log still checks.
import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api, eventually, type Problem } from "../harness/api.ts";
import { tocsin } from "../harness/command.ts";
import { Sse } from "../harness/live.ts";
import { memberOf, PASSWORD, Person, tryLogin } from "../harness/person.ts";
import { Server, slower } from "../harness/server.ts";
import { stores } from "../harness/store.ts";

const DAY = 24 * 3600 * 1000;
const GRACE = 7 * DAY;

interface Me {
	user: { id: string; email: string; deleteAfter: string | null };
	org: { role: string } | null;
}
interface Export {
	account: { email: string; hasPassword: boolean; deleteAfter: string | null };
	memberships: { slug: string; role: string }[];
	sessions: { current: boolean; address: string }[];
	identities: unknown[];
	invites: { role: string; status: string }[];
	audit: { action: string; actorId: string }[];
}
interface Entry {
	action: string;
	actorId: string | null;
	actorName: string | null;
	targetId: string | null;
	targetName: string | null;
	address: string | null;
}

/** Every file below a directory. */
function files(dir: string): string[] {
	return readdirSync(dir).flatMap((name) => {
		const path = join(dir, name);
		const stat = statSync(path);
		return stat.isDirectory() ? files(path) : stat.isFile() ? [path] : [];
	});
}
const filesWith = (dir: string, text: string) => files(dir).filter((path) => readFileSync(path).includes(text));

describe.each(stores)("on %s", (store) => {
	let server: Server;
	let owner: Person;

	const user = async (...words: string[]) => tocsin(["user", ...words, ...server.stateFlags()]);
	const purged = async (id: string) =>
		eventually(
			() => user("show", id),
			(ran) => ran.code !== 0 && ran.stderr.includes("there is no user"),
			20_000 * slower,
		);
	const leave = async (person: Person) => {
		const reply = await person.api.delete<{ user: Me["user"] }>("/api/v1/auth/me");
		if (reply.status !== 200) throw new Error(`does not leave: ${reply.text}`);
		return reply.body.user;
	};

	beforeAll(async () => {
		server = await Server.start({ store, clock: true, args: ["--signup", "open", "--rate-auth", "0"] });
		owner = await Person.signUp(server.url, `${randomUUID()}@example.com`, { orgName: "Acme" });
	}, 60_000);
	afterAll(() => server.stop());

	it("ends sessions, streams and rights at once, and lets the person look", async () => {
		const ana = await memberOf(owner, "admin");
		const stream = await Sse.open(server.url, "/api/v1/stream", { authorization: `Bearer ${ana.login.accessToken}` });
		const left = await leave(ana);
		expect(Date.parse(left.deleteAfter!) - server.now()).toBeGreaterThan(GRACE - 60_000);
		await eventually(async () => stream.closed, (closed) => closed);
		expect((await ana.api.get("/api/v1/auth/me")).status).toBe(401);
		const again = await Person.logIn(server.url, left.email);
		expect(again.login.org).toBeNull();
		const me = await again.api.get<Me>("/api/v1/auth/me");
		expect(me.body).toMatchObject({ user: { deleteAfter: left.deleteAfter }, org: null });
		for (const [method, path] of [
			["GET", "/api/v1/orgs"],
			["GET", "/api/v1/members"],
			["GET", "/api/v1/events"],
			["DELETE", "/api/v1/auth/me"],
			["PATCH", "/api/v1/auth/me"],
			["GET", "/api/v1/auth/sessions"],
		] as const) {
			const refused = await again.api.call<Problem>(method, path, method === "PATCH" ? { name: "x" } : undefined);
			expect([path, refused.status, refused.body.code]).toEqual([path, 403, "account_leaving"]);
		}
		const switched = await again.api.post<Problem>("/api/v1/auth/switch", { orgId: owner.login.org!.id });
		expect([switched.status, switched.body.code]).toEqual([403, "account_leaving"]);
		expect((await again.api.get("/api/v1/auth/me/export")).status).toBe(200);
	});

	it("gives all back to who changes his mind", async () => {
		const ana = await memberOf(owner, "admin");
		const { email } = await leave(ana);
		await server.restart("SIGKILL");
		const again = await Person.logIn(server.url, email);
		expect((await again.api.get<Problem>("/api/v1/orgs")).body.code).toBe("account_leaving");
		expect((await again.api.post("/api/v1/auth/me/restore")).status).toBe(200);
		const me = await again.api.get<Me>("/api/v1/auth/me");
		expect(me.body).toMatchObject({ user: { deleteAfter: null }, org: { role: "admin" } });
		expect((await again.api.get("/api/v1/members")).status).toBe(200);
		const twice = await again.api.post<Problem>("/api/v1/auth/me/restore");
		expect([twice.status, twice.body.code]).toEqual([409, "conflict"]);
	});

	it("keeps who is the only owner of an organization, and says of which", async () => {
		const sole = await Person.signUp(server.url, `${randomUUID()}@example.com`, { orgName: "Lonely Ltd" });
		const refused = await sole.api.delete<Problem>("/api/v1/auth/me");
		expect([refused.status, refused.body.code]).toEqual([409, "conflict"]);
		expect(refused.text).toContain("Lonely Ltd");
		const ran = await user("delete", sole.login.user.email);
		expect([ran.code, ran.stderr]).toEqual([1, expect.stringContaining("Lonely Ltd")]);
		const other = await memberOf(sole, "admin");
		expect((await sole.api.post(`/api/v1/members/${other.login.user.id}/transfer`)).status).toBe(200);
		await leave(sole);
		// Whoever owns it with somebody who leaves owns it alone.
		const last = await other.api.delete<Problem>("/api/v1/auth/me");
		expect([last.status, last.text]).toEqual([409, expect.stringContaining("Lonely Ltd")]);
		const gift = await other.api.post<Problem>(`/api/v1/members/${sole.login.user.id}/transfer`);
		expect([gift.status, gift.body.code]).toEqual([409, "conflict"]);
	});

	it("hands out all that is known of a person, and no secret", async () => {
		const ana = await memberOf(owner, "member");
		const second = await Person.logIn(server.url, ana.login.user.email);
		const inviting = await Person.signUp(server.url, `${randomUUID()}@example.com`, { orgName: "Beta" });
		await inviting.api.post("/api/v1/invites", { email: ana.login.user.email, role: "viewer" });
		const reply = await ana.api.get<Export>("/api/v1/auth/me/export");
		expect(reply.status).toBe(200);
		expect(reply.body.account).toMatchObject({ email: ana.login.user.email, hasPassword: true, deleteAfter: null });
		expect(reply.body.memberships).toMatchObject([{ slug: owner.login.org!.slug, role: "member" }]);
		expect(reply.body.sessions).toHaveLength(2);
		expect(reply.body.identities).toEqual([]);
		expect(reply.body.invites.map((i) => [i.role, i.status])).toEqual(
			expect.arrayContaining([["member", "accepted"], ["viewer", "open"]]),
		);
		const actions = reply.body.audit.map((e) => e.action);
		expect(actions).toEqual(expect.arrayContaining(["invite.accept", "login.ok"]));
		expect(new Set(reply.body.audit.map((e) => e.actorId))).toEqual(new Set([ana.login.user.id]));
		for (const secret of [PASSWORD, "argon2id", second.login.refreshToken, "inv_"]) {
			expect(reply.text.replace(/"id":"inv_[^"]*"/g, "")).not.toContain(`"${secret}`);
		}
		expect(reply.text).not.toMatch(/token_?hash|refreshHash|"password"/i);
	});

	it("forgets the person when the days are over, and nobody else", { timeout: 120_000 }, async () => {
		const ana = await memberOf(owner, "admin");
		const { id, email } = ana.login.user;
		await ana.api.patch("/api/v1/auth/me", { name: "Ana of Many Names" });
		await tryLogin(server.url, email, "wrong");
		await leave(ana);
		server.advance(GRACE - DAY);
		expect((await user("show", id)).code).toBe(0);
		server.advance(2 * DAY);
		await purged(id);
		expect((await tryLogin(server.url, email, PASSWORD)).status).toBe(401);
		owner = await Person.logIn(server.url, owner.login.user.email);
		const members = await owner.api.get<{ data: { email: string }[] }>("/api/v1/members?limit=100");
		expect(members.text).not.toContain(email);
		const audit = await owner.api.get<{ data: Entry[] }>(`/api/v1/audit?limit=100&actorId=${id}`);
		expect(audit.body.data.length).toBeGreaterThan(1);
		for (const e of audit.body.data) expect([e.actorName, e.address]).toEqual([null, null]);
		const all = await owner.api.get<{ data: Entry[] }>("/api/v1/audit?limit=100");
		expect(all.text).not.toContain("Ana of Many Names");
		expect(all.body.data.some((e) => e.actorName === owner.login.user.email)).toBe(true);
		const installation = await tocsin(["audit", "list", "--installation", ...server.stateFlags()]);
		expect(installation.stdout).toContain("user.purge");
		const verified = await tocsin(["audit", "verify", ...server.stateFlags()]);
		expect([verified.code, verified.stdout]).toEqual([0, expect.not.stringContaining("WRONG")]);
		// The tries of a moment ago, with an address that nobody has, are new.
		const anew = await Person.signUp(server.url, email, { orgName: "Anew" });
		expect(anew.login.user.id).not.toBe(id);
	});

	it("is done by whoever runs the server, at once where asked, and back", async () => {
		const ana = await memberOf(owner, "viewer");
		const { id, email } = ana.login.user;
		expect((await user("delete", email)).stdout).toContain("deleted after");
		expect((await ana.api.get("/api/v1/auth/me")).status).toBe(401);
		expect((await user("restore", email)).stdout).not.toContain("deleted after");
		expect((await user("restore", email)).stderr).toContain("not to be deleted");
		const back = await Person.logIn(server.url, email);
		expect(back.login.org).toMatchObject({ role: "viewer" });
		expect((await user("delete", id, "--now")).code).toBe(0);
		await purged(id);
	});

	it("comes to the end through any number of kills, with no byte left in the files", { timeout: 180_000 }, async () => {
		const email = `${randomUUID()}@example.com`;
		const invite = async (inviting: Person) => {
			const reply = await inviting.api.post<{ inviteUrl: string }>("/api/v1/invites", { email, role: "admin" });
			return /inv_[0-9a-f]+/.exec(reply.body.inviteUrl)![0];
		};
		const ana = await Person.signUp(server.url, email, { inviteToken: await invite(owner) });
		for (let i = 0; i < 12; i++) {
			const inviting = await Person.signUp(server.url, `${randomUUID()}@example.com`, { orgName: `B${i}` });
			const token = await invite(inviting);
			if (i % 2 === 0) await ana.api.post("/api/v1/invites/accept", { token });
		}
		await Promise.all(Array.from({ length: 20 }, (_, i) => ana.api.patch("/api/v1/auth/me", { name: `Ana the ${i}th of Kills` })));
		if (store === "sqlite") expect(filesWith(server.data, email)).not.toEqual([]);
		expect((await user("delete", email, "--now")).code).toBe(0);
		for (let i = 0; i < 8; i++) {
			await server.restart("SIGKILL");
			// Some way into the steps, another time further than the last.
			for (let j = 0; j < 20 * i; j++) await new Api(server.url).get("/health");
		}
		await purged(ana.login.user.id);
		const verified = await tocsin(["audit", "verify", ...server.stateFlags()]);
		expect([verified.code, verified.stdout]).toEqual([0, expect.not.stringContaining("WRONG")]);
		if (store === "sqlite") {
			expect(filesWith(server.data, email)).toEqual([]);
			expect(filesWith(server.data, "of Kills")).toEqual([]);
		}
		const anybody = await new Api(server.url).post<Problem>("/api/v1/auth/login", { email, password: PASSWORD });
		expect(anybody.status).toBe(401);
	});
});
