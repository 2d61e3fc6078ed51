// Logging in by SignalDesk's and PulseBoard's calls, which have the same paths: the shapes here are
// written from their pages.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api, type Problem, type Reply } from "../harness/api.ts";
import { tocsin } from "../harness/command.ts";
import { Socket } from "../harness/live.ts";
import { cookiesOf, PASSWORD } from "../harness/person.ts";
import { Server } from "../harness/server.ts";

const text = expect.any(String) as string;
const TOKEN = expect.stringMatching(/^eyJ/) as string;
const REFRESH = expect.stringMatching(/^rt_[0-9a-f]{64}$/) as string;
/** As fetch of a page of this server may say it. */
const AT_HOME = { "x-requested-with": "fetch" };
const mail = () => `${randomUUID()}@example.com`;

interface Login {
	accessToken: string;
	refreshToken: string;
	user: { id: string; email: string; name: string };
	org: { id: string; name: string; slug: string; role: string } | null;
	success: boolean;
	data: { accessToken: string; user: { id: string } };
}

let server: Server;
let bare: Api;

beforeAll(async () => {
	server = await Server.start({ clock: true, args: ["--signup", "open", "--rate-auth", "0"] });
	bare = new Api(server.url);
});
afterAll(() => server.stop());

const post = (path: string, body?: unknown, headers?: Record<string, string>) =>
	bare.post<Login & Problem & Record<string, unknown>>(path, body, headers);

async function signUp(email = mail(), more: Record<string, unknown> = {}): Promise<Reply<Login>> {
	return post("/auth/signup", { email, password: PASSWORD, name: "Ana", orgName: "Acme", ...more });
}
const failed = (status: number) =>
	expect.objectContaining({ status, error: text, message: text, code: text }) as unknown;

describe("POST /auth/signup", () => {
	it("answers 201 with tokens, who it is, and the organization, and sets cookies", async () => {
		const email = mail();
		const got = await signUp(email, { orgName: "Shop & Sons", extra: "ignored" });
		expect(got.status).toBe(201);
		const user = { id: text, email, name: "Ana" };
		expect(got.body).toEqual({
			accessToken: TOKEN,
			refreshToken: REFRESH,
			user,
			org: { id: text, name: "Shop & Sons", slug: text, role: "owner" },
			success: true,
			data: { accessToken: got.body.accessToken, user },
		});
		const lines = got.headers.getSetCookie();
		expect(lines.find((line) => line.startsWith("access_token="))).toMatch(/; Path=\/; .*HttpOnly/);
		for (const name of ["refresh_token", "refreshToken"]) {
			const line = lines.find((one) => one.startsWith(`${name}=`));
			expect(line).toContain(`${name}=${got.body.refreshToken}; Path=/auth; `);
			expect(line).toMatch(/HttpOnly; SameSite=Strict/);
		}
	});

	it.each([
		[{ email: "nobody" }, 400],
		[{ email: undefined }, 400],
		[{ password: "1234567" }, 400],
		[{ orgName: undefined }, 400],
		[{ orgName: "x".repeat(101) }, 400],
		[{ name: "x".repeat(101) }, 400],
		[{ inviteToken: "wrong" }, 400],
	])("%j is %i", async (change, status) => {
		const got = await signUp(mail(), change);
		expect([got.status, got.body]).toEqual([status, failed(status)]);
	});

	it("is 409 for an address that is taken", async () => {
		const email = mail();
		await signUp(email);
		const again = await signUp(email.toUpperCase());
		expect([again.status, again.body]).toEqual([409, failed(409)]);
	});
});

describe("POST /auth/register", () => {
	it("answers 201 in PulseBoard's envelope, in an organization of the person's name", async () => {
		const email = mail();
		const got = await post("/auth/register", { name: "Bea", email, password: PASSWORD });
		expect(got.status).toBe(201);
		expect(got.body).toMatchObject({
			success: true,
			data: { accessToken: TOKEN, user: { id: text, name: "Bea", email } },
			org: { name: "Bea", role: "owner" },
		});
		expect(cookiesOf(got).refreshToken).toMatch(/^rt_/);
		const taken = await post("/auth/register", { name: "Bea", email, password: PASSWORD });
		expect([taken.status, taken.body.success]).toEqual([409, false]);
		for (const change of [{ name: "B" }, { name: undefined }, { email: "x" }, { password: "short" }]) {
			const sent = { name: "Bea", email: mail(), password: PASSWORD, ...change };
			const bad = await post("/auth/register", sent);
			expect([change, bad.status, bad.body.success]).toEqual([change, 400, false]);
		}
	});
});

describe("POST /auth/login", () => {
	it("answers 200 with the same, and 401 without saying what was wrong", async () => {
		const email = mail();
		const account = await signUp(email);
		const got = await post("/auth/login", { email, password: PASSWORD });
		expect([got.status, got.body]).toEqual([
			200,
			{ ...account.body, accessToken: TOKEN, refreshToken: REFRESH, data: { ...account.body.data, accessToken: TOKEN } },
		]);
		const wrong = await post("/auth/login", { email, password: "not that one" });
		const nobody = await post("/auth/login", { email: mail(), password: "not that one" });
		for (const refused of [wrong, nobody]) {
			expect([refused.status, refused.body]).toEqual([401, failed(401)]);
			expect(refused.headers.getSetCookie()).toEqual([]);
		}
		expect(wrong.body.error).toBe(nobody.body.error);
		expect((await post("/auth/login", { email })).status).toBe(400);
	});

	it("gives cookies to pages of this server alone", async () => {
		const email = mail();
		await signUp(email);
		const elsewhere = await post("/auth/login", { email, password: PASSWORD }, { origin: "https://evil.example" });
		expect(elsewhere.status).toBe(200);
		expect(elsewhere.headers.getSetCookie()).toEqual([]);
		const home = await post("/auth/login", { email, password: PASSWORD }, { origin: server.url });
		expect(Object.keys(cookiesOf(home)).sort()).toEqual(["access_token", "refreshToken", "refresh_token"]);
		// A cookie that another page makes the browser send does nothing.
		const cookie = `refresh_token=${home.body.refreshToken}`;
		for (const path of ["/auth/refresh", "/auth/logout"]) {
			const forged = await post(path, undefined, { cookie, origin: "https://evil.example" });
			expect([path, forged.status]).toEqual([path, 403]);
		}
		expect((await post("/auth/refresh", { refreshToken: home.body.refreshToken })).status).toBe(200);
	});
});

describe("POST /auth/refresh", () => {
	it("turns the token of the body, or of either cookie, and ends the session of one that comes back", async () => {
		const { body: first } = await signUp();
		const second = await post("/auth/refresh", { refreshToken: first.refreshToken });
		expect([second.status, second.body]).toMatchObject([
			200,
			{ accessToken: TOKEN, refreshToken: REFRESH, success: true, data: { accessToken: TOKEN } },
		]);
		expect(second.body.refreshToken).not.toBe(first.refreshToken);
		const third = await post("/auth/refresh", undefined, {
			...AT_HOME,
			cookie: `refresh_token=${second.body.refreshToken}`,
		});
		const fourth = await post("/auth/refresh", undefined, {
			...AT_HOME,
			cookie: `refreshToken=${third.body.refreshToken}`,
		});
		expect([third.status, fourth.status]).toEqual([200, 200]);
		server.advance(60_000);
		const stolen = await post("/auth/refresh", { refreshToken: third.body.refreshToken });
		expect([stolen.status, stolen.body]).toEqual([401, failed(401)]);
		// All of the family: the newest token, and the access token, at once.
		expect((await post("/auth/refresh", { refreshToken: fourth.body.refreshToken })).status).toBe(401);
		expect((await new Api(server.url, fourth.body.accessToken).get("/auth/me")).status).toBe(401);
	});

	it("is 400 without a token, and 401 with one that nobody knows", async () => {
		expect((await post("/auth/refresh")).status).toBe(400);
		expect((await post("/auth/refresh", {})).status).toBe(400);
		expect((await post("/auth/refresh", { refreshToken: `rt_${"0".repeat(64)}` })).status).toBe(401);
	});
});

describe("POST /auth/logout", () => {
	it("ends the session of body, cookie or header, clears cookies, and takes nobody amiss", async () => {
		const ways: ((login: Login) => [unknown, Record<string, string>])[] = [
			(login) => [{ refreshToken: login.refreshToken }, {}],
			(login) => [undefined, { ...AT_HOME, cookie: `refresh_token=${login.refreshToken}` }],
			(login) => [undefined, { ...AT_HOME, cookie: `refreshToken=${login.refreshToken}` }],
			(login) => [{}, { authorization: `Bearer ${login.accessToken}` }],
		];
		for (const way of ways) {
			const { body: login } = await signUp();
			const got = await post("/auth/logout", ...way(login));
			expect([got.status, got.body]).toEqual([200, { success: true, message: text }]);
			expect(cookiesOf(got)).toMatchObject({ access_token: "" });
			expect((await new Api(server.url, login.accessToken).get("/auth/me")).status).toBe(401);
			expect((await post("/auth/refresh", { refreshToken: login.refreshToken })).status).toBe(401);
		}
		expect((await post("/auth/logout")).status).toBe(200);
		expect((await post("/auth/logout", { refreshToken: "rt_unknown" })).status).toBe(200);
	});
});

describe("GET /auth/me", () => {
	it("answers {user, org}, by header or cookie", async () => {
		const { body: login } = await signUp();
		const want = { user: login.user, org: login.org };
		for (const [name, value] of [
			["authorization", `Bearer ${login.accessToken}`],
			["cookie", `access_token=${login.accessToken}`],
		] as const) {
			const got = await bare.get("/auth/me", { [name]: value });
			expect([got.status, got.body]).toEqual([200, want]);
		}
		const nobody = await bare.get("/auth/me");
		expect([nobody.status, nobody.body]).toEqual([401, failed(401)]);
	});
});

describe("a person", () => {
	it("reads, and as owner writes, by the calls that keys use", async () => {
		const { body: login } = await signUp();
		const person = new Api(server.url, login.accessToken);
		expect((await person.post("/events", { type: "by.hand" })).status).toBe(201);
		expect((await person.get("/events")).body).toMatchObject({ events: [{ type: "by.hand" }] });
		for (const path of ["/rules", "/notifications", "/api-keys", "/usage"]) {
			expect([path, (await person.get(path)).status]).toEqual([path, 200]);
		}
		const key = await person.post<{ key: string }>("/api-keys", { name: "made by hand" });
		expect(key.status).toBe(201);
		const { ticket } = (await person.get<{ ticket: string }>("/auth/ws-ticket")).body;
		const socket = await Socket.open(server.url, `/ws?token=${ticket}`);
		await socket.until((frames) => frames.length > 0);
		expect(socket.frames[0]!.type).toBe("connected");
		// The stream is the session's, and ends with it.
		await post("/auth/logout", { refreshToken: login.refreshToken });
		await socket.ended();
	});

	it("is no key, and a key is no person", async () => {
		const { body: login } = await signUp();
		const person = new Api(server.url, login.accessToken);
		const { key } = (await person.post<{ key: string }>("/api-keys", { name: "machine" })).body;
		const refused = await new Api(server.url, key).get("/auth/me");
		expect([refused.status, refused.body]).toEqual([403, failed(403)]);
	});
});

describe("members and invites", () => {
	/** As the mail would carry it. */
	async function link(owner: Api, email: string): Promise<string> {
		const made = await owner.post<{ inviteUrl: string }>("/api/v1/invites", { email });
		return made.body.inviteUrl.split("#token=")[1]!;
	}

	it("POST /auth/invite answers 201, 409 when one is open or the member is there, and 403 to keys and members", async () => {
		const { body: login } = await signUp();
		const owner = new Api(server.url, login.accessToken);
		const email = mail();
		const made = await owner.post("/auth/invite", { email, extra: "ignored" });
		expect([made.status, made.body]).toEqual([
			201,
			{ id: expect.stringMatching(/^inv_/), email, role: "member", expiresAt: text },
		]);
		expect(made.text).not.toContain("token");
		expect((await owner.post("/auth/invite", { email })).status).toBe(409);
		expect((await owner.post("/auth/invite", { email: login.user.email })).status).toBe(409);
		for (const bad of [{}, { email: "x" }, { email: mail(), role: "owner" }, { email: mail(), role: "viewer" }]) {
			expect([bad, (await owner.post("/auth/invite", bad)).status]).toEqual([bad, 400]);
		}
		const key = (await owner.post<{ key: string }>("/api-keys", { name: "machine" })).body.key;
		const guest = mail();
		const more = { inviteToken: await link(owner, guest), orgName: undefined };
		const { body: member } = await signUp(guest, more);
		for (const token of [key, member.accessToken]) {
			const refused = await new Api(server.url, token).post("/auth/invite", { email: mail() });
			expect([refused.status, refused.body]).toEqual([403, failed(403)]);
		}
	});

	it("POST /auth/accept-invite tells who is not logged in what to do, and lets in who is, once", async () => {
		const { body: login } = await signUp();
		const owner = new Api(server.url, login.accessToken);
		const email = mail();
		const token = await link(owner, email);
		const stranger = await post("/auth/accept-invite", { token });
		expect([stranger.status, stranger.body]).toEqual([
			200,
			{ needsSignup: true, email, orgName: "Acme", inviteToken: token },
		]);
		const { body: other } = await signUp();
		const wrong = await new Api(server.url, other.accessToken).post("/auth/accept-invite", { token });
		expect([wrong.status, wrong.body]).toEqual([403, failed(403)]);
		const { body: guest } = await signUp(email);
		const joined = await new Api(server.url, guest.accessToken).post("/auth/accept-invite", { token });
		expect([joined.status, joined.body]).toEqual([
			200,
			{
				needsSignup: false,
				membership: { orgId: login.org!.id, role: "member" },
				org: { ...login.org, role: "member" },
			},
		]);
		for (const bad of [{ token }, { token: "inv_unknown" }, {}]) {
			const again = await post("/auth/accept-invite", bad);
			expect([bad, again.status]).toEqual([bad, 400]);
		}
	});

	it("GET /auth/members lists the oldest first; DELETE takes one out at once, but never the last owner", async () => {
		const { body: login } = await signUp();
		const owner = new Api(server.url, login.accessToken);
		const email = mail();
		const { body: guest } = await signUp(email, { inviteToken: await link(owner, email), orgName: undefined });
		const list = await owner.get<{ members: Record<string, unknown>[] }>("/auth/members");
		const row = (who: Login, role: string) => ({
			id: text,
			userId: who.user.id,
			email: who.user.email,
			name: "Ana",
			role,
			createdAt: text,
		});
		expect([list.status, list.body]).toEqual([200, { members: [row(login, "owner"), row(guest, "member")] }]);
		const member = new Api(server.url, guest.accessToken);
		expect((await member.get("/auth/members")).status).toBe(200);
		expect((await member.delete(`/auth/members/${login.user.id}`)).status).toBe(403);
		const key = (await owner.post<{ key: string }>("/api-keys", { name: "machine" })).body.key;
		expect((await new Api(server.url, key).delete(`/auth/members/${guest.user.id}`)).status).toBe(403);
		const gone = await owner.delete(`/auth/members/${String(list.body.members[1]!.id)}`);
		expect([gone.status, gone.text]).toEqual([204, ""]);
		expect((await member.get("/events")).status).toBe(403);
		expect((await owner.delete(`/auth/members/${guest.user.id}`)).status).toBe(404);
		const last = await owner.delete(`/auth/members/${login.user.id}`);
		expect([last.status, last.body]).toEqual([400, failed(400)]);
	});
});

describe("a forgotten password", () => {
	it("is answered the same for everybody; a link sets a new one, once, and ends all sessions", async () => {
		const email = mail();
		const { body: login } = await signUp(email);
		const known = await post("/auth/forgot-password", { email });
		const unknown = await post("/auth/forgot-password", { email: mail() });
		expect([known.status, known.body]).toEqual([200, { message: text }]);
		expect([unknown.status, unknown.text]).toEqual([known.status, known.text]);
		expect((await post("/auth/forgot-password", { email: "x" })).status).toBe(400);
		const made = await tocsin(["user", "reset-link", email, "--json", ...server.stateFlags()]);
		expect(made.code).toBe(0);
		const token = (JSON.parse(made.stdout) as { link: string }).link.split("=")[1]!;
		const password = "another correct horse";
		expect((await post("/auth/reset-password", { token, password: "short" })).status).toBe(400);
		const reset = await post("/auth/reset-password", { token, password });
		expect([reset.status, reset.body]).toEqual([200, { message: text }]);
		expect((await post("/auth/reset-password", { token, password })).status).toBe(400);
		expect((await new Api(server.url, login.accessToken).get("/auth/me")).status).toBe(401);
		expect((await post("/auth/refresh", { refreshToken: login.refreshToken })).status).toBe(401);
		expect((await post("/auth/login", { email, password: PASSWORD })).status).toBe(401);
		expect((await post("/auth/login", { email, password })).status).toBe(200);
	});
});
