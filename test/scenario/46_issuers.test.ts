// Issuers that are wrong, broken, slow or hostile; GitHub; and who may come by which of them.
import { createHmac, generateKeyPairSync, randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api } from "../harness/api.ts";
import { tocsin } from "../harness/command.ts";
import { CLIENT, ScriptedIssuer } from "../harness/issuer.ts";
import { PASSWORD, Person, tryLogin } from "../harness/person.ts";
import { Server } from "../harness/server.ts";
import { atPage, errorOf, logInBy, oidcFlags, prepareSso, startOf, whoIs } from "../harness/sso.ts";
import { Visitor } from "../harness/visitor.ts";

const mail = () => `${randomUUID()}@example.com`;
const base64url = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** Log in with an issuer whose page sends everybody straight back. */
async function come(server: Server, issuer: ScriptedIssuer, code = randomUUID()) {
	const visitor = new Visitor();
	const way = (await visitor.ask(startOf(server))).headers.get("location")!;
	// Turned away at once when too many are on their way.
	const next = way.startsWith(server.url) ? way : issuer.back(way, code);
	const page = await visitor.visit(next, atPage(server));
	return { visitor, page, error: errorOf(page), me: await whoIs(server, visitor) };
}

describe("an issuer that is not right", () => {
	let server: Server;
	let issuer: ScriptedIssuer;

	beforeAll(async () => {
		issuer = await ScriptedIssuer.start();
		server = await prepareSso(["--signup", "open", ...oidcFlags(issuer.url)], { clock: true });
		await server.launch();
		await Person.signUp(server.url, mail());
	});
	afterAll(async () => {
		await server.stop();
		await issuer.stop();
	});

	it("is believed when it is", async () => {
		issuer.person = { sub: "ana", email: "ana@example.com", email_verified: true };
		expect((await come(server, issuer)).me!.user.email).toBe("ana@example.com");
		const [token] = issuer.asked.filter((one) => one.path === "/token");
		expect(token!.form.get("code_verifier")).toMatch(/^[\w-]{43}$/);
		const [, basic] = token!.headers.authorization!.split(" ");
		const [id, secret] = Buffer.from(basic!, "base64").toString().split(":");
		expect([decodeURIComponent(id!), decodeURIComponent(secret!)]).toEqual([CLIENT.id, CLIENT.secret]);
		expect(token!.form.has("client_secret")).toBe(false);
		// What it says of itself and its keys is kept.
		await come(server, issuer);
		expect([issuer.count("/.well-known/openid-configuration"), issuer.count("/keys")]).toEqual([1, 1]);
	});

	const forgeries: Record<string, (claims: Record<string, unknown>) => string | Promise<string>> = {
		"has another nonce": (claims) => issuer.sign({ ...claims, nonce: "other" }),
		"has no nonce": ({ nonce: _, ...claims }) => issuer.sign(claims),
		"is of another issuer": (claims) => issuer.sign({ ...claims, iss: "https://evil.example" }),
		"is for another client": (claims) => issuer.sign({ ...claims, aud: "another" }),
		"is for two, asked for by the other": (claims) => issuer.sign({ ...claims, aud: [CLIENT.id, "another"], azp: "another" }),
		"is over": (claims) => issuer.sign({ ...claims, iat: 1, exp: 2 }),
		"is of nobody": ({ sub: _, ...claims }) => issuer.sign(claims),
		"names a key that nobody has": (claims) => issuer.sign(claims, "another-key"),
		"is not signed": (claims) => `${base64url({ alg: "none" })}.${base64url(claims)}.`,
		"is signed with what is public": (claims) => {
			const input = `${base64url({ alg: "HS256", kid: issuer.jwk.kid })}.${base64url(claims)}`;
			return `${input}.${createHmac("sha256", JSON.stringify(issuer.jwk)).update(input).digest("base64url")}`;
		},
		"is signed with our secret": (claims) => {
			const input = `${base64url({ alg: "HS256" })}.${base64url(claims)}`;
			return `${input}.${createHmac("sha256", CLIENT.secret).update(input).digest("base64url")}`;
		},
		"brings its own key": (claims) => {
			const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
			return `${base64url({ alg: "ES256", jwk: publicKey.export({ format: "jwk" }) })}.${base64url(claims)}.${"A".repeat(86)}`;
		},
		"has a signature that was changed": async (claims) => (await issuer.sign(claims)).replace(/.{8}$/, "AAAAAAAA"),
		"is no token": () => "canary",
	};
	it.each(Object.keys(forgeries))("is refused when its token %s", async (name) => {
		issuer.forge = forgeries[name];
		const { error, me } = await come(server, issuer);
		issuer.forge = undefined;
		expect([error, me]).toEqual(["refused", undefined]);
	});

	it("may turn its keys, and cannot make us ask for them all the time", async () => {
		server.advance(31_000);
		await come(server, issuer);
		const before = issuer.count("/keys");
		await issuer.turnKey("key-2");
		server.advance(31_000);
		const all = await Promise.all([1, 2, 3, 4].map(() => come(server, issuer)));
		for (const one of all) expect(one.me!.user.email).toBe("ana@example.com");
		expect(issuer.count("/keys")).toBe(before + 1);
		issuer.forge = (claims) => issuer.sign(claims, randomUUID());
		for (let i = 0; i < 3; i++) expect((await come(server, issuer)).error).toBe("refused");
		issuer.forge = undefined;
		expect(issuer.count("/keys")).toBe(before + 1);
	});

	it("takes each code once", async () => {
		issuer.script.set("/token", () => ({ status: 400, json: { error: "invalid_grant", error_description: "canary used" } }));
		const { error, me } = await come(server, issuer);
		issuer.script.delete("/token");
		expect([error, me]).toEqual(["unavailable", undefined]);
		const line = await server.waitLog((one) => one.event === "sso_failed" && String(one.error).includes("invalid_grant"));
		expect(JSON.stringify(line)).not.toContain("canary");
	});

	it.each([
		["answers nonsense", { text: "<html>" }],
		["answers another shape", { json: [] }],
		["is down", { status: 503, text: "canary" }],
		["answers too much", { text: "x".repeat(100_000) }],
		["sends us elsewhere", { status: 302, text: "" }],
	])("is one word on the page when it %s", async (_, said) => {
		issuer.script.set("/token", () => said);
		const { error, me, page } = await come(server, issuer);
		issuer.script.delete("/token");
		expect([error, me, page.url]).toEqual(["unavailable", undefined, `${server.url}/login?error=unavailable`]);
	});

	it("harms nobody when it does not answer", async () => {
		const email = mail();
		await Person.signUp(server.url, email);
		issuer.script.set("/token", () => ({ hang: true }));
		const before = issuer.count("/token");
		const began = Date.now();
		// More than are asked at once: who comes too much hears it now.
		const waiting = Array.from({ length: 40 }, () => come(server, issuer));
		const first = await Promise.race(waiting);
		expect(first.error).toBe("unavailable");
		expect(Date.now() - began).toBeLessThan(8000);
		expect(issuer.count("/token") - before).toBeLessThanOrEqual(32);
		expect((await tryLogin(server.url, email, PASSWORD)).status).toBe(200);
		expect((await new Api(server.url).get("/api/v1/auth/providers")).status).toBe(200);
		for (const one of await Promise.all(waiting)) expect(one.error).toBe("unavailable");
		issuer.script.delete("/token");
		expect((await come(server, issuer)).me!.user.email).toBe("ana@example.com");
	});

	it("does not hold the server when it stops", async () => {
		issuer.script.set("/token", () => ({ hang: true }));
		const before = issuer.count("/token");
		const waiting = come(server, issuer).catch(() => undefined);
		while (issuer.count("/token") === before) await new Promise((resolve) => setImmediate(resolve));
		await server.restart();
		await waiting;
		issuer.script.delete("/token");
		expect((await come(server, issuer)).me!.user.email).toBe("ana@example.com");
	});

	it("says nothing secret to the log", () => {
		const text = server.tail(10_000);
		for (const secret of [CLIENT.secret, "canary", "eyJ", "code_verifier"]) expect(text).not.toContain(secret);
	});
});

describe("who may come", () => {
	let issuer: ScriptedIssuer;
	let server: Server | undefined;

	beforeAll(async () => {
		issuer = await ScriptedIssuer.start();
	});
	afterAll(() => issuer.stop());

	async function withServer(flags: string[], run: (server: Server) => Promise<void>): Promise<void> {
		server = await prepareSso([...oidcFlags(issuer.url), ...flags]);
		await server.launch();
		await run(server);
		await server.stop();
	}
	async function arrive(email: string, more: object = {}) {
		issuer.person = { sub: randomUUID(), email, email_verified: true, ...more };
		return come(server!, issuer);
	}

	it("nobody new, unless invited", async () => {
		await withServer([], async (server) => {
			const owner = await Person.signUp(server.url, mail());
			expect((await arrive(mail())).error).toBe("no_account");
			const email = mail();
			const invited = await owner.api.post<{ id: string }>("/api/v1/invites", { email, role: "member" });
			expect(invited.status).toBe(201);
			expect((await arrive(email)).me).toMatchObject({ user: { email }, org: { id: owner.login.org!.id, role: "member" } });
			const invites = await owner.api.get<{ data: { email: string; status: string }[] }>("/api/v1/invites");
			expect(invites.body.data.find((i) => i.email === email)!.status).toBe("accepted");
			const told = await owner.api.get("/api/v1/audit?action=invite.accept");
			expect(told.text).toContain(email);
		});
	});

	it("lets the invited choose, where there are several to choose from, or no seat", async () => {
		await withServer(["--signup", "open"], async (server) => {
			const [one, two] = [await Person.signUp(server.url, mail(), { orgName: "One" }), await Person.signUp(server.url, mail(), { orgName: "Two" })];
			const invite = async (owner: Person, email: string) => {
				const invited = await owner.api.post<{ inviteUrl: string }>("/api/v1/invites", { email, role: "admin" });
				expect(invited.status).toBe(201);
				return /inv_[0-9a-f]+/.exec(invited.body.inviteUrl)![0];
			};
			const wanted = mail();
			await invite(one, wanted);
			await invite(two, wanted);
			expect((await arrive(wanted)).me).toMatchObject({ user: { email: wanted }, org: null });
			const late = mail();
			await invite(one, late);
			const plans = (...words: string[]) => tocsin(["plan", ...words, ...server.stateFlags()]);
			expect((await plans("put", "--plan", "lone", "--name", "Lone", "--seats", "1")).code).toBe(0);
			expect((await plans("on", "--plan", "lone")).code).toBe(0);
			expect((await arrive(late)).me).toMatchObject({ user: { email: late }, org: null });
		});
	});

	it("nobody who is disabled, or for whom there is no seat, and tells the audit log", async () => {
		await withServer(["--oidc-org", "default", "--oidc-roles", "staff=member"], async (server) => {
			const owner = await Person.signUp(server.url, mail());
			const staff = { groups: ["staff"] };
			const [known, sub] = [mail(), randomUUID()];
			expect((await arrive(known, { sub, ...staff })).me).toMatchObject({ org: { role: "member" } });
			const run = (...words: string[]) => tocsin([...words, ...server.stateFlags()]);
			expect((await run("user", "disable", known)).code).toBe(0);
			expect((await arrive(known, { sub, ...staff })).error).toBe("disabled");
			expect((await run("plan", "put", "--plan", "two", "--name", "Two", "--seats", "2")).code).toBe(0);
			expect((await run("plan", "on", "--plan", "two")).code).toBe(0);
			const full = mail();
			expect((await arrive(full, staff)).error).toBe("no_seat");
			expect((await run("user", "show", full)).code).toBe(1);
			const unknown = mail();
			expect((await arrive(unknown)).error).toBe("no_account");
			const told = await owner.api.get<{ data: { targetName: string; after: { sso: string } }[] }>("/api/v1/audit?action=login.failed");
			expect(told.body.data.map((e) => [e.targetName, e.after.sso])).toEqual([[known, "disabled"]]);
			const nobodys = (await run("audit", "export", "--installation")).stdout.trim().split("\n").map((l) => JSON.parse(l) as (typeof told.body.data)[0] & { action: string });
			const failed = nobodys.filter((e) => e.action === "login.failed");
			expect(failed.map((e) => [e.targetName, e.after.sso])).toEqual([[full, "no_seat"], [unknown, "no_account"]]);
		});
	});

	it("people of the domains alone, and they get an account", async () => {
		const flags = ["--sso-domains", "example.com", "--oidc-org", "default", "--oidc-roles", "*=viewer"];
		await withServer(flags, async (server) => {
			expect((await arrive("first@example.com")).error).toBe("not_set_up");
			await Person.signUp(server.url, mail());
			expect((await arrive("eve@example.com.evil.example")).error).toBe("domain");
			expect((await arrive("eve@sub.example.com")).error).toBe("domain");
			expect((await arrive("eve@example.com", { email_verified: false })).error).toBe("mail_unverified");
			expect((await arrive("Ana@EXAMPLE.com")).me).toMatchObject({
				user: { email: "ana@example.com" },
				org: { slug: "default", role: "viewer" },
			});
		});
	});

	it("the first owner, if the issuer says so", async () => {
		await withServer(["--oidc-org", "default", "--oidc-roles", "founders=owner"], async () => {
			expect((await arrive(mail(), { groups: ["others"] })).error).toBe("no_account");
			expect((await arrive(mail(), { groups: ["founders"] })).me).toMatchObject({ org: { slug: "default", role: "owner" } });
		});
	});
});

describe("GitHub", () => {
	let server: Server;
	let hub: ScriptedIssuer;
	let emails: object[] = [];

	beforeAll(async () => {
		hub = await ScriptedIssuer.start();
		hub.script.set("/login/oauth/access_token", () => ({ json: { access_token: "canary-gho", token_type: "bearer" } }));
		hub.script.set("/api/v3/user", () => ({ json: { id: 583231, login: "octo", name: null } }));
		hub.script.set("/api/v3/user/emails", () => ({ json: emails }));
		server = await prepareSso([
			...["--signup", "open", "--github-url", hub.url],
			...["--github-client-id", CLIENT.id, "--github-client-secret", CLIENT.secret],
		]);
		await server.launch();
		await Person.signUp(server.url, mail());
	});
	afterAll(async () => {
		await server.stop();
		await hub.stop();
	});

	async function comeBy() {
		const visitor = new Visitor();
		const way = await visitor.ask(startOf(server, "github"));
		const page = await visitor.visit(hub.back(way.headers.get("location")!, "a-code"), atPage(server));
		return { error: errorOf(page), me: await whoIs(server, visitor), way: new URL(way.headers.get("location")!) };
	}

	it("tells by its API who somebody is", async () => {
		emails = [
			{ email: "other@example.com", primary: false, verified: true },
			{ email: "octo@example.com", primary: true, verified: true },
		];
		const { me, way } = await comeBy();
		expect(me!.user).toMatchObject({ email: "octo@example.com", name: "octo", emailVerified: true });
		expect(`${way.origin}${way.pathname}`).toBe(`${hub.url}/login/oauth/authorize`);
		expect(Object.fromEntries(way.searchParams)).toMatchObject({ scope: "read:user user:email", code_challenge_method: "S256" });
		const token = hub.asked.find((one) => one.path === "/login/oauth/access_token")!;
		expect(Object.fromEntries(token.form)).toMatchObject({ client_id: CLIENT.id, client_secret: CLIENT.secret, code: "a-code" });
		expect(token.form.get("code_verifier")).toMatch(/^[\w-]{43}$/);
		expect(hub.asked.at(-1)!.headers.authorization).toBe("Bearer canary-gho");
		// By its number, whatever its address is now.
		emails = [{ email: "new@example.com", primary: true, verified: true }];
		expect((await comeBy()).me!.user.id).toBe(me!.user.id);
	});

	it("counts a verified primary address alone", async () => {
		hub.script.set("/api/v3/user", () => ({ json: { id: 2, login: "two" } }));
		for (const list of [[{ email: "x@example.com", primary: true, verified: false }], [{ email: "x@example.com", verified: true }], []]) {
			emails = list;
			expect((await comeBy()).error).toBe("mail_unverified");
		}
	});

	it("is refused when it says no, or nonsense", async () => {
		for (const [path, json] of [
			["/login/oauth/access_token", { error: "bad_verification_code" }],
			["/api/v3/user", { login: "nobody" }],
			["/api/v3/user/emails", { message: "Not Found" }],
		] as const) {
			const before = hub.script.get(path)!;
			hub.script.set(path, () => ({ json }));
			expect((await comeBy()).error).toBe("unavailable");
			hub.script.set(path, before);
		}
		expect(server.tail(10_000)).not.toContain("canary");
	});

	it("is not there when it is not set up", async () => {
		expect((await logInBy(server, new Visitor(), "oidc")).status).toBe(404);
	});
});
