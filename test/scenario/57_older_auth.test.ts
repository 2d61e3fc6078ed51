// Logging in by SignalDesk's and PulseBoard's calls, which have the same paths: the shapes here are
// written from their pages.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api, type Problem, type Reply } from "../harness/api.ts";
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
