// People log in, and out: what a session may is what is so now, and what has ended opens nothing.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api, type Problem } from "../harness/api.ts";
import { tenant } from "../harness/command.ts";
import { cookiesOf, type Login, PASSWORD, Person, tryLogin } from "../harness/person.ts";
import { Server } from "../harness/server.ts";
import { stores } from "../harness/store.ts";

const MINUTE = 60_000;
const mail = () => `${randomUUID()}@example.com`;
const refresh = (url: string, refreshToken: string) =>
	new Api(url).post<Login & Problem>("/api/v1/auth/refresh", { refreshToken });
const me = (api: Api, headers?: Record<string, string>) =>
	api.get<{ user: { email: string }; org: { id: string; role: string } | null; proved: boolean } & Problem>(
		"/api/v1/auth/me",
		headers,
	);

describe.each(stores)("on %s", (store) => {
	let server: Server;

	beforeAll(async () => {
		server = await Server.start({
			store,
			clock: true,
			args: ["--signup", "open", "--rate-auth", "0"],
		});
	});
	afterAll(() => server.stop());

	it("lets the first one in as owner, and others as they sign up", async () => {
		const first = await Person.signUp(server.url, mail(), { orgName: "First" });
		expect(first.login.org).toMatchObject({ name: "First", slug: "default", role: "owner" });
		const second = await Person.signUp(server.url, mail(), { orgName: "Second GmbH" });
		expect(second.login.org).toMatchObject({ slug: "second-gmbh", role: "owner" });
		expect((await me(second.api)).body).toMatchObject({ org: { id: second.login.org!.id }, proved: true });
	});

	it("knows an address in any case, once", async () => {
		const email = mail();
		await Person.signUp(server.url, email);
		const again = await new Api(server.url).post<Problem>("/api/v1/auth/signup", {
			email: email.toUpperCase(),
			password: PASSWORD,
			orgName: "x",
		});
		expect([again.status, again.body.field]).toEqual([409, "email"]);
		expect((await tryLogin(server.url, ` ${email.toUpperCase()} `.trim(), PASSWORD)).status).toBe(200);
	});

	it("names the field that is wrong", async () => {
		const signUp = (body: object) => new Api(server.url).post<Problem>("/api/v1/auth/signup", body);
		const good = { email: mail(), password: PASSWORD, orgName: "x" };
		for (const [field, value] of [
			["email", "nobody"],
			["email", "a b@example.com"],
			["password", "short"],
			["password", "password1"],
			["password", "x".repeat(1025)],
			["name", "x".repeat(101)],
			["orgName", ""],
			["inviteToken", "inv_nothing"],
		] as const) {
			const reply = await signUp({ ...good, [field]: value });
			expect([field, reply.status, reply.body.field]).toEqual([field, 400, field]);
			expect(reply.text).not.toContain(PASSWORD);
		}
		const bare = await signUp({ email: mail(), password: PASSWORD });
		expect([bare.status, bare.body.field]).toEqual([400, "orgName"]);
	});

	it("says the same of a wrong password and of nobody", async () => {
		const email = mail();
		await Person.signUp(server.url, email);
		const wrong = await tryLogin(server.url, email, "not the password");
		const nobody = await tryLogin(server.url, mail(), "not the password");
		expect([wrong.status, nobody.status]).toEqual([401, 401]);
		const masked = (text: string) => text.replace(/"requestId":"[^"]*"/, "");
		expect(masked(wrong.text)).toBe(masked(nobody.text));
	});

	it("changes refresh tokens, and ends the session when an old one comes back", async () => {
		const person = await Person.logIn(server.url, await newUser());
		const first = person.login.refreshToken;
		const second = await refresh(server.url, first);
		expect(second.status).toBe(200);
		// Two pages of one browser: the later one is told, and nothing ends.
		expect((await refresh(server.url, first)).status).toBe(409);
		expect((await me(new Api(server.url, second.body.accessToken))).status).toBe(200);
		server.advance(MINUTE);
		expect((await refresh(server.url, first)).status).toBe(401);
		expect((await refresh(server.url, second.body.refreshToken)).status).toBe(401);
		expect((await me(new Api(server.url, second.body.accessToken))).status).toBe(401);
		expect((await me(person.api)).status).toBe(401);
	});

	it("ends access tokens after fifteen minutes, sessions after thirty days", async () => {
		const person = await Person.logIn(server.url, await newUser());
		server.advance(14 * MINUTE);
		expect((await me(person.api)).status).toBe(200);
		server.advance(MINUTE);
		expect((await me(person.api)).body).toMatchObject({ status: 401, error: "the token has expired" });
		const next = await refresh(server.url, person.login.refreshToken);
		expect(next.status).toBe(200);
		server.advance(30 * 24 * 60 * MINUTE);
		expect((await refresh(server.url, next.body.refreshToken)).status).toBe(401);
	});

	it("ends what is logged out, here and elsewhere, with its streams", async () => {
		const email = await newUser();
		const here = await Person.logIn(server.url, email);
		const there = await Person.logIn(server.url, email);
		const stream = await fetch(`${server.url}/api/v1/stream`, {
			headers: { authorization: `Bearer ${there.login.accessToken}` },
		});
		expect(stream.status).toBe(200);
		const list = await here.api.get<{ data: { id: string; current: boolean }[] }>("/api/v1/auth/sessions");
		expect(list.body.data.length).toBe(3);
		const own = list.body.data.filter((s) => s.current);
		expect(own.length).toBe(1);
		for (const s of list.body.data.filter((one) => !one.current)) {
			expect((await here.api.delete(`/api/v1/auth/sessions/${s.id}`)).status).toBe(204);
			expect((await here.api.delete(`/api/v1/auth/sessions/${s.id}`)).status).toBe(404);
		}
		expect((await me(there.api)).status).toBe(401);
		await stream.text(); // it ends
		expect((await here.api.post("/api/v1/auth/logout")).status).toBe(204);
		expect((await me(here.api)).status).toBe(401);
		expect((await refresh(server.url, here.login.refreshToken)).status).toBe(401);
	});

	it("never shows or ends somebody else's sessions", async () => {
		const one = await Person.logIn(server.url, await newUser());
		const other = await Person.logIn(server.url, await newUser());
		const { body } = await other.api.get<{ data: { id: string }[] }>("/api/v1/auth/sessions");
		expect((await one.api.delete(`/api/v1/auth/sessions/${body.data[0]!.id}`)).status).toBe(404);
		expect((await one.api.delete("/api/v1/auth/sessions")).status).toBe(204);
		expect((await me(other.api)).status).toBe(200);
	});

	it("keeps tokens in cookies for its own pages alone", async () => {
		const email = await newUser();
		const body = { email, password: PASSWORD, cookie: true };
		const login = (headers: Record<string, string>) =>
			new Api(server.url).post<Login>("/api/v1/auth/login", body, headers);
		const own = { origin: server.url };
		expect((await login({ origin: "https://evil.example" })).status).toBe(403);
		expect((await login({ "sec-fetch-site": "cross-site" })).status).toBe(403);
		const reply = await login(own);
		expect(reply.body).toMatchObject({ accessToken: null, refreshToken: null });
		for (const line of reply.headers.getSetCookie()) expect(line).toMatch(/; HttpOnly; SameSite=(Lax|Strict)/);
		const cookies = cookiesOf(reply);
		const cookie = `other=1; access_token=${cookies.access_token}`;
		const api = new Api(server.url);
		expect((await me(api, { cookie })).status).toBe(200);
		const change = (headers: Record<string, string>) => api.patch("/api/v1/auth/me", { name: "Eve" }, { cookie, ...headers });
		for (const headers of [{}, { origin: "https://evil.example" }, { origin: "null" }, { "sec-fetch-site": "same-site" }]) {
			expect((await change(headers as Record<string, string>)).status).toBe(403);
		}
		for (const headers of [own, { "sec-fetch-site": "same-origin" }, { "x-requested-with": "fetch" }]) {
			expect((await change(headers as Record<string, string>)).status).toBe(200);
		}
		const again = { cookie: `refresh_token=${cookies.refresh_token}` };
		expect((await api.post("/api/v1/auth/refresh", undefined, { ...again, origin: "https://evil.example" })).status).toBe(403);
		const next = await api.post("/api/v1/auth/refresh", undefined, { ...again, ...own });
		expect(next.status).toBe(200);
		expect(cookiesOf(next).refresh_token).not.toBe(cookies.refresh_token);
		const out = await api.post("/api/v1/auth/logout", undefined, { cookie: `access_token=${cookiesOf(next).access_token}`, ...own });
		expect([out.status, cookiesOf(out).access_token]).toEqual([204, ""]);
	});

	it("knows its own page by the scheme of the public URL, too", async () => {
		const behind = await Server.start({
			args: ["--signup", "open", "--rate-auth", "0", "--public-url", "https://tocsin.example/"],
		});
		const email = mail();
		await Person.signUp(behind.url, email);
		const login = (origin: string) =>
			new Api(behind.url).post("/api/v1/auth/login", { email, password: PASSWORD, cookie: true }, { origin });
		expect((await login("https://tocsin.example")).status).toBe(200);
		expect((await login(behind.url)).status).toBe(200);
		for (const origin of ["http://tocsin.example", "https://tocsin.example.evil", "https://tocsin", "tocsin.example"]) {
			expect((await login(origin)).status, origin).toBe(403);
		}
		await behind.stop();
	});

	it("acts in one organization at a time, and in no project of another", async () => {
		const ana = await Person.signUp(server.url, mail());
		const ben = await Person.signUp(server.url, mail());
		expect((await ana.api.post("/api/v1/auth/switch", { orgId: ben.login.org!.id })).status).toBe(404);
		const acme = await tenant(server, "acme");
		const { body: project } = await acme.get<{ id: string }>("/api/v1/projects/current");
		const elsewhere = await ana.api.get<Problem>("/api/v1/events", { "x-project-id": project.id });
		const nowhere = await ana.api.get<Problem>("/api/v1/events", { "x-project-id": "prj_0000000000000" });
		expect([elsewhere.status, nowhere.status]).toEqual([404, 404]);
		expect(elsewhere.body.error).toBe(nowhere.body.error);
		expect((await ana.api.post("/api/v1/events", { type: "mine" })).status).toBe(201);
		expect((await ben.api.get<{ data: unknown[] }>("/api/v1/events")).body.data).toEqual([]);
		expect((await acme.get<Problem>("/api/v1/auth/me")).body).toMatchObject({ status: 403, code: "forbidden" });
	});

	it("asks for the password again, and counts wrong ones", async () => {
		const person = await Person.logIn(server.url, await newUser());
		expect((await me(person.api)).body.proved).toBe(true);
		server.advance(11 * MINUTE);
		expect((await me(person.api)).body.proved).toBe(false);
		const prove = (password: string) => person.api.post<Problem>("/api/v1/auth/prove", { password });
		expect((await prove("not the password")).status).toBe(401);
		expect((await prove(PASSWORD)).status).toBe(204);
		expect((await me(person.api)).body.proved).toBe(true);
	});

	it("knows sessions after kill -9", async () => {
		const person = await Person.logIn(server.url, await newUser());
		await server.restart("SIGKILL");
		const api = new Api(server.url, person.login.accessToken);
		expect((await me(api)).status).toBe(200);
		expect((await refresh(server.url, person.login.refreshToken)).status).toBe(200);
	});

	async function newUser(): Promise<string> {
		const email = mail();
		await Person.signUp(server.url, email);
		return email;
	}
});

describe("the setting signup", () => {
	it("first: from this machine or with the token, once", async () => {
		const server = await Server.start({});
		const api = new Api(server.url);
		const body = { email: mail(), password: PASSWORD };
		const far = { "x-forwarded-for": "192.0.2.1" };
		const closed = await api.post<Problem>("/api/v1/auth/signup", body, far);
		expect([closed.status, closed.body.error]).toEqual([403, expect.stringContaining("X-Setup-Token")]);
		const token = { ...far, "x-setup-token": server.setupToken };
		const both = await Promise.all([
			api.post<Login>("/api/v1/auth/signup", body, token),
			api.post<Login>("/api/v1/auth/signup", { ...body, email: mail() }, token),
		]);
		expect(both.map((r) => r.status).sort()).toEqual([201, 403]);
		expect(both.find((r) => r.status === 201)!.body.org).toMatchObject({ slug: "default", role: "owner" });
		expect((await api.post("/api/v1/auth/signup", { ...body, email: mail() })).status).toBe(403);
		// There is somebody to ask now: no key without one.
		expect((await api.post("/api-keys", { name: "x" })).status).toBe(401);
		await server.stop();
	});

	it("invite: nobody without one", async () => {
		const server = await Server.start({ args: ["--signup", "invite"] });
		const token = { "x-setup-token": server.setupToken };
		const body = { email: mail(), password: PASSWORD, orgName: "x" };
		expect((await new Api(server.url).post("/api/v1/auth/signup", body, token)).status).toBe(403);
		await server.stop();
	});
});
