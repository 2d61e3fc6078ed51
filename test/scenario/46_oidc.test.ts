// People log in with an account that they have elsewhere. A real provider says how it should go; a
// scripted one, how it should not.
import { randomUUID } from "node:crypto";
import { TOTP } from "otpauth";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Api, type Problem } from "../harness/api.ts";
import { CLIENT, type Identity, RealIssuer } from "../harness/issuer.ts";
import { PASSWORD, Person, tryLogin } from "../harness/person.ts";
import type { Server } from "../harness/server.ts";
import { atPage, call, errorOf, logInBy, type Me, oidcFlags, prepareSso, startOf, whoIs } from "../harness/sso.ts";
import { stores } from "../harness/store.ts";
import { type Page, Visitor } from "../harness/visitor.ts";

const MINUTE = 60_000;
const mail = () => `${randomUUID()}@example.com`;
const CALLBACK = "/api/v1/auth/oidc/oidc/callback";

interface List<T> {
	data: T[];
}

describe.each(stores)("a real provider, on %s", (store) => {
	let server: Server;
	let issuer: RealIssuer;

	beforeAll(async () => {
		const args = ["--signup", "open"];
		server = await prepareSso(args, { store, clock: true });
		issuer = await RealIssuer.start(server.url + CALLBACK);
		args.push(...oidcFlags(issuer.url), "--oidc-name", "Acme ID", "--oidc-org", "default");
		args.push("--oidc-roles", "staff=member,bosses=admin,founders=owner");
		await server.launch();
		await Person.signUp(server.url, mail(), { orgName: "First" });
	});
	afterAll(async () => {
		await server.stop();
		await issuer.stop();
	});
	afterEach(() => {
		issuer.answer = "login";
	});

	/** Log somebody in there, in a browser that nobody has used. */
	async function come(person: Partial<Identity> = {}, query = ""): Promise<{ page: Page; visitor: Visitor; me: Me | undefined }> {
		issuer.person = { sub: randomUUID(), email: mail(), email_verified: true, name: "Ana", ...person };
		const visitor = new Visitor();
		const page = await logInBy(server, visitor, "oidc", query);
		return { page, visitor, me: await whoIs(server, visitor) };
	}

	it("is offered by its name", async () => {
		const { body } = await new Api(server.url).get("/api/v1/auth/providers");
		expect(body).toEqual({
			data: [{ provider: "oidc", name: "Acme ID", startPath: "/api/v1/auth/oidc/oidc/start" }],
		});
	});

	it("counts as proof of who it is, when the issuer asked a moment ago", async () => {
		const { visitor, me: first } = await come({}, "?fresh=true");
		expect(first!.proved).toBe(true);
		server.advance(11 * MINUTE);
		expect((await whoIs(server, visitor))!.proved).toBe(false);
	});

	it("makes an account at the first login, and knows it at the second", async () => {
		const who = { sub: randomUUID(), email: mail() };
		const first = await come(who, "?redirect=/alerts%3Fx%3D1");
		expect(first.page.url).toBe(`${server.url}/alerts?x=1`);
		expect(first.me).toMatchObject({ user: { email: who.email, name: "Ana", emailVerified: true }, org: { role: "owner" } });
		const again = await come({ ...who, email: mail() }, "");
		expect(again.page.url).toBe(`${server.url}/`);
		expect(again.me!.user).toEqual(first.me!.user);
	});

	it("sends what binds code and browser, and keeps nothing where scripts could read it", async () => {
		const visitor = new Visitor();
		const page = await visitor.ask(startOf(server));
		const way = new URL(page.headers.get("location")!);
		const query = Object.fromEntries(way.searchParams);
		expect(query).toMatchObject({ response_type: "code", client_id: CLIENT.id, code_challenge_method: "S256" });
		expect(query.redirect_uri).toBe(server.url + CALLBACK);
		for (const name of ["state", "nonce", "code_challenge"]) expect(query[name]).toMatch(/^[\w-]{43}$/);
		const [cookie] = page.headers.getSetCookie();
		expect(cookie).toMatch(/^sso=s1\.[\w.-]+; Path=\/; Max-Age=600; HttpOnly; SameSite=Lax$/);
		expect(cookie).not.toContain(query.state);
		const other = new URL((await visitor.ask(page.url)).headers.get("location")!);
		expect(other.searchParams.get("state")).not.toBe(query.state);
	});

	it("lets nobody finish what another browser began", async () => {
		issuer.person = { sub: randomUUID(), email: mail(), email_verified: true };
		const mine = new Visitor();
		const atCallback = (url: string) => url.startsWith(server.url + CALLBACK);
		await mine.ask(startOf(server));
		const { url } = await mine.visit(startOf(server), atCallback);
		const other = new Visitor();
		expect(errorOf(await other.visit(url, atPage(server)))).toBe("expired");
		await other.ask(startOf(server));
		expect(errorOf(await other.visit(url, atPage(server)))).toBe("expired");
		expect(await whoIs(server, other)).toBeUndefined();
		// Where it began it works, once.
		const cookie = mine.cookie(server.url, "sso")!;
		expect((await mine.visit(url, atPage(server))).url).toBe(`${server.url}/`);
		expect(mine.cookie(server.url, "sso")).toBeUndefined();
		for (const value of [undefined, cookie]) {
			const again = new Visitor();
			if (value !== undefined) again.setCookie(server.url, "sso", value);
			expect(errorOf(await again.visit(url, atPage(server)))).toBe("expired");
			expect(await whoIs(server, again)).toBeUndefined();
		}
	});

	it("ends a login that took too long, or has a state that was changed", async () => {
		issuer.person = { sub: randomUUID(), email: mail(), email_verified: true };
		const atCallback = (url: string) => url.startsWith(server.url + CALLBACK);
		const begin = async () => {
			const visitor = new Visitor();
			const { url } = await visitor.visit(startOf(server), atCallback);
			return { visitor, url: new URL(url) };
		};
		for (const change of [
			(url: URL) => url.searchParams.set("state", "x".repeat(43)),
			(url: URL) => url.searchParams.delete("state"),
			() => server.advance(11 * MINUTE),
		]) {
			const { visitor, url } = await begin();
			change(url);
			expect(errorOf(await visitor.visit(url.href, atPage(server)))).toBe("expired");
		}
		const { visitor, url } = await begin();
		url.searchParams.set("iss", "https://evil.example");
		expect(errorOf(await visitor.visit(url.href, atPage(server)))).toBe("refused");
		const cut = await begin();
		cut.url.searchParams.set("code", "not-a-code");
		expect(errorOf(await cut.visitor.visit(cut.url.href, atPage(server)))).toBe("unavailable");
	});

	it("hears a no", async () => {
		issuer.answer = "abort";
		const { page, me: nobody } = await come();
		expect([errorOf(page), nobody]).toEqual(["denied", undefined]);
	});

	it("stays on this server afterwards", async () => {
		const start = `${server.url}/api/v1/auth/oidc/oidc/start?redirect=`;
		for (const evil of ["//evil.example", "https://evil.example", "/\\evil.example", "\\/evil", "evil", "/\t/evil.example", " /", "/a\nb"]) {
			const page = await new Visitor().ask(start + encodeURIComponent(evil));
			expect([evil, page.status]).toEqual([evil, 400]);
			expect(page.headers.get("location")).toBeNull();
		}
		const { page } = await come({}, `?redirect=${encodeURIComponent("/.//evil.example/%2f")}`);
		expect(new URL(page.url).origin).toBe(server.url);
		expect((await new Visitor().ask(`${server.url}/api/v1/auth/oidc/nobody/start`)).status).toBe(404);
		expect((await new Visitor().ask(`${server.url}/api/v1/auth/oidc/google/callback?code=1`)).status).toBe(404);
	});

	it("counts an address only when the issuer vouches for it", async () => {
		for (const person of [{ email_verified: false }, { email: undefined }, { email: "not an address" }]) {
			const { page, me: nobody } = await come(person);
			expect([errorOf(page), nobody]).toEqual(["mail_unverified", undefined]);
		}
	});

	it("links an account by mail only when both sides know whose it is", async () => {
		const email = mail();
		const squatter = await Person.signUp(server.url, email);
		const refused = await come({ email });
		expect([errorOf(refused.page), refused.me]).toEqual(["account_unverified", undefined]);
		expect((await tryLogin(server.url, email, PASSWORD)).status).toBe(200);
		const links = await squatter.api.get<{ data: unknown[] }>("/api/v1/auth/links");
		expect(links.body.data).toEqual([]);
		// An address that an issuer has verified is; another identity with it is somebody else.
		const known = mail();
		expect((await come({ email: known })).me!.user.email).toBe(known);
		const recycled = await come({ email: known });
		expect([errorOf(recycled.page), recycled.me]).toEqual(["other_link", undefined]);
	});

	it("gives roles at each login, up and down", async () => {
		const who = { sub: randomUUID(), email: mail() };
		const role = async (groups?: string[]) => {
			const { visitor } = await come({ ...who, groups });
			return (await orgOf(visitor))?.role;
		};
		expect(await role(["staff", "others"])).toBe("member");
		expect(await role(["staff", "bosses"])).toBe("admin");
		expect(await role(["staff"])).toBe("member");
		expect(await role([])).toBeUndefined();
		expect(await role(["staff"])).toBe("member");
		expect(await role()).toBeUndefined();
		expect(await role(["founders"])).toBe("owner");
	});

	it("keeps the last owner of the org, and says so", async () => {
		const { visitor, me: owner } = await come({ groups: ["founders"] });
		const orgId = (await orgOf(visitor))!.id;
		expect((await call(server, visitor, "POST", "/api/v1/auth/switch", { orgId })).status).toBe(200);
		const { body } = await call<List<{ id: string; role: string }>>(server, visitor, "GET", "/api/v1/members");
		for (const one of body.data.filter((m) => m.role === "owner" && m.id !== owner!.user.id)) {
			expect((await call(server, visitor, "PATCH", `/api/v1/members/${one.id}`, { role: "viewer" })).status).toBe(200);
		}
		issuer.person = { ...issuer.person, groups: ["staff"] };
		const again = new Visitor();
		await logInBy(server, again);
		expect((await orgOf(again))!.role).toBe("owner");
		expect(await server.waitLog((line) => line.event === "sso_last_owner")).toMatchObject({ role: "member" });
	});

	it("links and unlinks for somebody who has proved who it is", async () => {
		const email = mail();
		const visitor = new Visitor();
		await Person.signUp(server.url, email);
		const login = await call(server, visitor, "POST", "/api/v1/auth/login", { email, password: PASSWORD, cookie: true });
		expect(login.status).toBe(200);
		// Another address waits until the account's own is known to be its owner's.
		issuer.person = { sub: randomUUID(), email: mail(), email_verified: true };
		expect(await link(visitor)).toBe("/account?error=account_unverified");
		issuer.person = { sub: randomUUID(), email, email_verified: true };
		expect(await link(await sameSession(visitor))).toBe("/settings");
		expect((await whoIs(server, visitor))!.user.emailVerified).toBe(true);
		const links = async () => (await call<List<{ id: string }>>(server, visitor, "GET", "/api/v1/auth/links")).body.data;
		const [made] = await links();
		expect(made).toMatchObject({ provider: "oidc", email, issuer: issuer.url });
		const entered = new Visitor();
		await logInBy(server, entered);
		// The issuer does not say when it asked, and the account has a password.
		expect(await whoIs(server, entered)).toMatchObject({ user: { email }, proved: false });
		server.advance(11 * MINUTE);
		const remove = () => call<Problem>(server, visitor, "DELETE", `/api/v1/auth/links/${made!.id}`);
		expect(await remove()).toMatchObject({ status: 403, body: { code: "proof_required" } });
		expect(await call(server, visitor, "POST", "/api/v1/auth/links", { provider: "oidc" })).toMatchObject({ status: 403 });
		expect((await call(server, visitor, "POST", "/api/v1/auth/prove", { password: PASSWORD })).status).toBe(204);
		expect((await remove()).status).toBe(204);
		expect((await remove()).status).toBe(404);
		expect(await links()).toEqual([]);
	});

	it("never takes the last way in", async () => {
		const { visitor } = await come();
		const { body } = await call<List<{ id: string }>>(server, visitor, "GET", "/api/v1/auth/links");
		const gone = await call<Problem>(server, visitor, "DELETE", `/api/v1/auth/links/${body.data[0]!.id}`);
		expect([gone.status, gone.body.code]).toEqual([409, "conflict"]);
		// Nor anybody else's.
		const other = await Person.signUp(server.url, mail());
		expect((await other.api.delete(`/api/v1/auth/links/${body.data[0]!.id}`)).status).toBe(404);
		const left = await call<List<unknown>>(server, visitor, "GET", "/api/v1/auth/links");
		expect(left.body.data.length).toBe(1);
	});

	it("takes no identity that is another's, and links only for who began to", async () => {
		const theirs = await come();
		const { person } = issuer;
		const mine = await come();
		issuer.person = { ...issuer.person, sub: person.sub };
		expect(await link(await sameSession(mine.visitor))).toBe("/account?error=other_link");
		// The cookie of what somebody else began, put into this browser.
		const begun = await call<{ url: string }>(server, mine.visitor, "POST", "/api/v1/auth/links", { provider: "oidc" });
		theirs.visitor.setCookie(server.url, "sso", mine.visitor.cookie(server.url, "sso")!);
		expect(errorOf(await theirs.visitor.visit(begun.body.url, atPage(server)))).toBe("expired");
		for (const redirect of ["//evil.example", "https://evil.example"]) {
			const bad = await call<Problem>(server, mine.visitor, "POST", "/api/v1/auth/links", { provider: "oidc", redirect });
			expect([bad.status, bad.body.field]).toEqual([400, "redirect"]);
		}
	});

	it("asks for the account's own second factor all the same", async () => {
		const { visitor, me: first } = await come();
		const { body: begun } = await call<{ secret: string }>(server, visitor, "POST", "/api/v1/auth/totp");
		const totp = new TOTP({ secret: begun.secret });
		const code = () => totp.generate({ timestamp: server.now() });
		expect((await call(server, visitor, "POST", "/api/v1/auth/totp/confirm", { code: code() })).status).toBe(200);
		server.advance(MINUTE);
		const again = new Visitor();
		const waits = await logInBy(server, again, "oidc", `?redirect=${encodeURIComponent("/alerts?x=1&y=%2F")}`);
		expect(waits.url).toBe(`${server.url}/login?code=required&redirect=%2Falerts%3Fx%3D1%26y%3D%252F`);
		expect(new URL(waits.url).searchParams.get("redirect")).toBe("/alerts?x=1&y=%2F");
		expect(await whoIs(server, again)).toBeUndefined();
		const give = (text: string) => call(server, again, "POST", "/api/v1/auth/oidc/code", { code: text });
		expect((await give(code() === "000000" ? "111111" : "000000")).status).toBe(401);
		const token = again.cookie(server.url, "sso_code")!;
		expect((await give(code())).status).toBe(200);
		expect((await whoIs(server, again))!.user.id).toBe(first!.user.id);
		expect(again.cookie(server.url, "sso_code")).toBeUndefined();
		// Once.
		server.advance(MINUTE);
		again.setCookie(server.url, "sso_code", token);
		expect((await give(code())).status).toBe(401);
		// And from a page of this server alone.
		const elsewhere = await new Api(server.url).post("/api/v1/auth/oidc/code", { code: code() }, { origin: "https://evil.example" });
		expect(elsewhere.status).toBe(403);
		const told = await call<List<{ after: { sso: string } | null }>>(server, again, "GET", "/api/v1/audit?action=login.failed");
		expect(told.body.data.map((e) => e.after?.sso)).toEqual(["code"]);
	});

	it("tells the audit log", async () => {
		const { visitor } = await come();
		const { body } = await call<List<{ action: string }>>(server, visitor, "GET", "/api/v1/audit");
		const actions = body.data.map((one) => one.action);
		for (const action of ["user.create", "oidc.link", "org.create", "login.ok"]) expect(actions).toContain(action);
	});

	it("says nothing secret to the log", () => {
		const text = server.tail(10_000);
		for (const secret of [CLIENT.secret, encodeURIComponent(CLIENT.secret), "code=", "eyJ", "s1."]) {
			expect(text).not.toContain(secret);
		}
	});

	async function orgOf(visitor: Visitor): Promise<{ id: string; role: string } | undefined> {
		const { body } = await call<List<{ id: string; slug: string; role: string }>>(server, visitor, "GET", "/api/v1/orgs");
		return body.data.find((org) => org.slug === "default");
	}

	/** A browser in the same session, which the issuer does not know yet. */
	async function sameSession(of: Visitor): Promise<Visitor> {
		const visitor = new Visitor();
		visitor.setCookie(server.url, "access_token", of.cookie(server.url, "access_token")!);
		return visitor;
	}

	/** Where it ends. */
	async function link(visitor: Visitor): Promise<string> {
		const body = { provider: "oidc", redirect: "/settings" };
		const begun = await call<{ url: string }>(server, visitor, "POST", "/api/v1/auth/links", body);
		expect(begun.status).toBe(200);
		const { url } = await visitor.visit(begun.body.url, atPage(server));
		return url.slice(server.url.length);
	}
});
