// Passwords and mail addresses: another one, a forgotten one, and the links that stand in for mail.
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api, eventually, type Problem } from "../harness/api.ts";
import { hasBrowser, launchBrowser } from "../harness/browser.ts";
import { tocsin } from "../harness/command.ts";
import { PASSWORD, Person, tryLogin } from "../harness/person.ts";
import { Server } from "../harness/server.ts";
import { stores, tamper } from "../harness/store.ts";

const MINUTE = 60_000;
const OTHER = "another horse battery";
const mail = () => `${randomUUID()}@example.com`;

interface Entry {
	action: string;
	actor: string;
	actorId: string | null;
	before: object | null;
	after: object | null;
}

describe.each(stores)("on %s", (store) => {
	let server: Server;
	const base = "https://tocsin.example.com";

	beforeAll(async () => {
		server = await Server.start({
			store,
			clock: true,
			args: ["--signup", "open", "--rate-auth", "0", "--public-url", base],
		});
	});
	afterAll(() => server.stop());

	const nobody = () => new Api(server.url);
	const isIn = async (api: Api) => (await api.get("/api/v1/auth/me")).status === 200;
	const change = (person: Person, body: object) => person.api.post<Problem>("/api/v1/auth/password", body);
	const reset = (token: string, password = OTHER) =>
		nobody().post<Problem>("/api/v1/auth/reset-password", { token, password });
	const confirm = (token: string) => nobody().post<Problem>("/api/v1/auth/email/confirm", { token });
	const refresh = (person: Person) =>
		nobody().post("/api/v1/auth/refresh", { refreshToken: person.login.refreshToken });

	/** The token of the link that `tocsin user WORD` prints. */
	async function link(word: string, who: string, ...more: string[]): Promise<string> {
		const ran = await tocsin(["user", word, who, ...more, "--json", ...server.stateFlags()]);
		if (ran.code !== 0) throw new Error(ran.stderr);
		const { link } = JSON.parse(ran.stdout) as { link: string };
		const [page, token] = link.split("=");
		expect(page).toBe(`${base}/account#${word === "reset-link" ? "reset" : "confirm"}`);
		return token!;
	}

	it("changes a password, and ends all other sessions with their streams", async () => {
		const email = mail();
		const here = await Person.signUp(server.url, email);
		const there = await Person.logIn(server.url, email);
		const stream = await fetch(`${server.url}/api/v1/stream`, {
			headers: { authorization: `Bearer ${there.login.accessToken}` },
		});
		const token = await link("reset-link", email);
		expect((await change(here, { currentPassword: PASSWORD, password: OTHER })).status).toBe(204);
		await stream.text(); // it ends
		expect(await isIn(here.api)).toBe(true);
		expect(await isIn(there.api)).toBe(false);
		expect((await refresh(there)).status).toBe(401);
		expect((await refresh(here)).status).toBe(200);
		expect((await tryLogin(server.url, email, PASSWORD)).status).toBe(401);
		expect((await tryLogin(server.url, email, OTHER)).status).toBe(200);
		// A link that somebody holds is worth nothing now.
		expect((await reset(token)).status).toBe(400);
	});

	it("asks for the password as it is, and counts wrong ones", async () => {
		const person = await Person.signUp(server.url, mail());
		expect((await change(person, { password: OTHER })).body.field).toBe("currentPassword");
		expect((await change(person, { currentPassword: PASSWORD, password: PASSWORD })).body.field).toBe("password");
		expect((await change(person, { currentPassword: PASSWORD, password: "short" })).body.field).toBe("password");
		expect((await change(person, { currentPassword: PASSWORD, password: person.login.user.email })).status).toBe(400);
		for (let i = 0; i < 10; i++) {
			expect((await change(person, { currentPassword: `wrong ${i}`, password: OTHER })).status).toBe(401);
		}
		await change(person, { currentPassword: "wrong again", password: OTHER });
		await change(person, { currentPassword: "and again", password: OTHER });
		const locked = await tryLogin(server.url, person.login.user.email, PASSWORD);
		expect(locked.status).toBe(429);
		// A link is the way out, and takes back what others failed at.
		expect((await reset(await link("reset-link", person.login.user.email))).status).toBe(204);
		expect((await tryLogin(server.url, person.login.user.email, OTHER)).status).toBe(200);
	});

	it("lets one of two changes at a time win", async () => {
		const person = await Person.signUp(server.url, mail());
		const two = await Promise.all(
			[1, 2].map((i) => change(person, { currentPassword: PASSWORD, password: `${OTHER} ${i}` })),
		);
		const won = two.filter((r) => r.status === 204).length;
		expect(won).toBeGreaterThanOrEqual(1);
		const works = await Promise.all(
			[1, 2].map(async (i) => (await tryLogin(server.url, person.login.user.email, `${OTHER} ${i}`)).status === 200),
		);
		expect(works.filter((w) => w).length).toBe(1);
	});

	it("lets who has none, because he logs in elsewhere, set one after a fresh login", async () => {
		const own = await Server.start({ store: "sqlite", clock: true, args: ["--signup", "open", "--rate-auth", "0"] });
		const email = mail();
		const person = await Person.signUp(own.url, email);
		const forget = async () => {
			await own.kill("SIGTERM");
			await tamper({ file: join(own.data, "state.db") }, "update users set password = null");
			await own.launch();
		};
		await forget();
		expect((await tryLogin(own.url, email, PASSWORD)).status).toBe(401);
		expect((await change(person, { password: OTHER })).status).toBe(204);
		expect((await tryLogin(own.url, email, OTHER)).status).toBe(200);
		// Now there is one to be given.
		expect((await change(person, { password: PASSWORD })).body.field).toBe("currentPassword");
		await forget();
		own.advance(11 * MINUTE);
		expect((await change(person, { password: OTHER })).body.code).toBe("proof_required");
		await own.stop();
	});

	it("says one thing about a forgotten password, whoever asks", async () => {
		const person = await Person.signUp(server.url, mail());
		const forgot = (email: string) => nobody().post<Problem>("/api/v1/auth/forgot-password", { email });
		const known = await forgot(person.login.user.email.toUpperCase());
		const unknown = await forgot(mail());
		expect([known.status, unknown.status]).toEqual([202, 202]);
		expect(known.text).toBe(unknown.text);
		expect((await forgot("nobody")).body.field).toBe("email");
		const told = await server.waitLog((l) => l.event === "password_link_not_sent" && l.user_id === person.login.user.id);
		expect(told).toMatchObject({ level: "info", user: true, hint: expect.stringContaining("tocsin user reset-link") });
		expect(JSON.stringify(told)).not.toMatch(/rst_|@/);
		// It makes no link, so it ends none that was handed out.
		const token = await link("reset-link", person.login.user.email);
		await forgot(person.login.user.email);
		expect((await reset(token)).status).toBe(204);
	});

	it("lets nobody flood an account with links, and says nothing of it", async () => {
		const limited = await Server.start({ store, args: ["--signup", "open", "--trusted-proxies", "127.0.0.1"] });
		const person = await Person.signUp(limited.url, mail());
		for (const email of [person.login.user.email, mail()]) {
			const replies = [];
			for (let i = 0; i < 5; i++) {
				const from = { "x-forwarded-for": `198.51.100.${i + 1}` };
				replies.push(await new Api(limited.url).post("/api/v1/auth/forgot-password", { email }, from));
			}
			expect(new Set(replies.map((r) => `${r.status} ${r.text}`)).size).toBe(1);
		}
		await limited.stop();
		expect(limited.log.filter((l) => l.event === "password_link_not_sent")).toHaveLength(6);
		expect(limited.log.filter((l) => l.event === "password_link_again")).toHaveLength(4);
	});

	it("takes as long for somebody as for nobody", async () => {
		const person = await Person.signUp(server.url, mail());
		const took = async (email: string) => {
			const start = performance.now();
			await nobody().post("/api/v1/auth/forgot-password", { email });
			return performance.now() - start;
		};
		const known: number[] = [];
		const unknown: number[] = [];
		for (let i = 0; i < 60; i++) {
			known.push(await took(person.login.user.email));
			unknown.push(await took(mail()));
		}
		const median = (all: number[]) => all.sort((a, b) => a - b)[all.length / 2]!;
		// Both look once and write once: a factor of two would be another deed.
		expect(median(known) / median(unknown)).toBeGreaterThan(0.5);
		expect(median(known) / median(unknown)).toBeLessThan(2);
	});

	it("sets a password by a link, once, and logs out everywhere", async () => {
		const email = mail();
		const person = await Person.signUp(server.url, email);
		const token = await link("reset-link", email);
		expect((await reset(token, "short")).body.field).toBe("password");
		expect((await reset(token, email)).body.field).toBe("password");
		const two = await Promise.all([reset(token), reset(token)]);
		expect(two.map((r) => r.status).filter((s) => s === 204).length).toBe(1);
		const again = await reset(token);
		expect([again.status, again.body.field]).toEqual([400, "token"]);
		expect(await isIn(person.api)).toBe(false);
		expect((await refresh(person)).status).toBe(401);
		expect((await tryLogin(server.url, email, PASSWORD)).status).toBe(401);
		expect((await tryLogin(server.url, email, OTHER)).status).toBe(200);
	});

	it("lets a newer link end the older, and time end both", async () => {
		const email = mail();
		await Person.signUp(server.url, email);
		const older = await link("reset-link", email);
		const newer = await link("reset-link", email);
		expect((await reset(older)).status).toBe(400);
		server.advance(14 * MINUTE);
		expect((await reset(newer)).status).toBe(204);
		const late = await link("reset-link", email);
		server.advance(15 * MINUTE);
		expect((await reset(late)).status).toBe(400);
		const long = await link("reset-link", email, "--minutes", "60");
		server.advance(59 * MINUTE);
		expect((await reset(long)).status).toBe(204);
		// What a link is for, it says itself: others are not taken.
		expect((await confirm(await link("reset-link", email))).status).toBe(400);
		expect((await reset(await link("mail-link", email))).status).toBe(400);
	});

	it("takes no link of who is disabled, before or after", async () => {
		const email = mail();
		await Person.signUp(server.url, email);
		const token = await link("reset-link", email);
		const run = (word: string) => tocsin(["user", word, email, ...server.stateFlags()]);
		expect((await run("disable")).code).toBe(0);
		expect((await reset(token)).status).toBe(400);
		expect((await run("reset-link")).stderr).toContain("this account is disabled");
		expect((await run("enable")).code).toBe(0);
		expect((await reset(token)).status).toBe(400);
	});

	it("changes an address when the new one answers", async () => {
		const before = mail();
		const after = mail();
		const person = await Person.signUp(server.url, before);
		const taken = (await Person.signUp(server.url, mail())).login.user.email;
		const ask = (email: string) => person.api.post<Problem>("/api/v1/auth/email", { email });
		const free = await ask(after.toUpperCase());
		const notFree = await ask(taken);
		expect([free.status, notFree.status]).toEqual([202, 202]);
		expect(free.text).toBe(notFree.text);
		expect((await ask(before)).body.field).toBe("email");
		// The link is for what was asked for last.
		const wrong = await confirm(await link("mail-link", before));
		expect([wrong.status, wrong.body.field]).toEqual([409, "email"]);
		await ask(after);
		const token = await link("mail-link", before);
		expect((await tryLogin(server.url, after, PASSWORD)).status).toBe(401);
		expect((await confirm(token)).status).toBe(204);
		expect((await confirm(token)).status).toBe(400);
		expect((await tryLogin(server.url, before, PASSWORD)).status).toBe(401);
		expect((await tryLogin(server.url, after, PASSWORD)).body.user).toMatchObject({ email: after, emailVerified: true });
		expect(await isIn(person.api)).toBe(true);
		server.advance(11 * MINUTE);
		expect((await ask(mail())).body.code).toBe("proof_required");
	});

	it("gives one address to one of two", async () => {
		const wanted = mail();
		const people = [mail(), mail()];
		for (const email of people) await Person.signUp(server.url, email);
		const tokens = [await link("mail-link", people[0]!, "--to", wanted), await link("mail-link", people[1]!, "--to", wanted)];
		const two = await Promise.all(tokens.map((token) => confirm(token)));
		expect(two.map((r) => r.status).sort()).toEqual([204, 409]);
	});

	it("confirms the address there is", async () => {
		const person = await Person.signUp(server.url, mail());
		expect((await person.api.post("/api/v1/auth/email/verify")).status).toBe(202);
		const token = await link("mail-link", person.login.user.email);
		// Of an address that is not his any more.
		const other = await link("mail-link", person.login.user.email, "--to", mail());
		expect((await confirm(token)).status).toBe(204);
		expect((await person.api.post<Problem>("/api/v1/auth/email/verify")).status).toBe(409);
		expect((await confirm(other)).status).toBe(204);
		expect((await confirm(token)).status).toBe(400);
	});

	it("counts tokens that are guessed", async () => {
		const own = await Server.start({ store, args: ["--signup", "open", "--rate-auth", "0"] });
		try {
			let refused = 0;
			for (let i = 0; i < 60; i++) {
				const reply = await new Api(own.url).post("/api/v1/auth/email/confirm", { token: `mlc_${randomUUID()}` });
				if (reply.status === 429) refused++;
			}
			expect(refused).toBeGreaterThan(0);
		} finally {
			await own.stop();
		}
	});

	it("shows no token and no password in the log", async () => {
		const email = mail();
		await Person.signUp(server.url, email);
		const tokens = [await link("reset-link", email), await link("mail-link", email)];
		await reset(tokens[0]!, "a password to be sought");
		await eventually(async () => (await tryLogin(server.url, email, "a password to be sought")).status, (s) => s === 200);
		const log = JSON.stringify(server.log);
		for (const secret of [...tokens, "a password to be sought", PASSWORD, OTHER]) expect(log).not.toContain(secret);
	});

	it("tells the audit log who did what, and no secret", async () => {
		const before = mail();
		const after = mail();
		const person = await Person.signUp(server.url, before);
		expect((await change(person, { currentPassword: PASSWORD, password: OTHER })).status).toBe(204);
		expect((await reset(await link("reset-link", before), PASSWORD)).status).toBe(204);
		expect((await confirm(await link("mail-link", before))).status).toBe(204);
		expect((await confirm(await link("mail-link", before, "--to", after))).status).toBe(204);
		const { id } = person.login.user;
		const list = async (...where: string[]) => {
			const ran = await tocsin(["audit", "list", "--json", "--target", id, ...where, ...server.stateFlags()]);
			expect([ran.code, ran.stderr]).toEqual([0, ""]);
			return ran.stdout.trim().split("\n").map((line) => JSON.parse(line) as Entry);
		};
		const own = await list("--org", person.login.org!.slug);
		const acts = ["password.set", "password.reset", "user.verify", "user.mail"];
		expect(own.map((e) => e.action).filter((a) => acts.includes(a))).toEqual(acts);
		for (const e of own) expect(e).toMatchObject({ actor: "user", actorId: id });
		expect(own.at(-1)).toMatchObject({ before: { email: before }, after: { email: after } });
		const operators = await list("--installation");
		expect(operators.at(-1)).toMatchObject({ action: "password.forgot", actor: "operator" });
	});

	it.runIf(hasBrowser())("opens links with a page that keeps the token to itself", async () => {
		const email = mail();
		await Person.signUp(server.url, email);
		const browser = await launchBrowser();
		try {
			const page = await browser.newPage({ viewport: { width: 390, height: 844 } });
			const seen: string[] = [];
			const complaints: string[] = [];
			page.on("request", (request) => seen.push(`${request.url()} ${request.headers().referer ?? ""}`));
			page.on("console", (line) => line.type() === "error" && complaints.push(line.text()));
			page.on("pageerror", (error) => complaints.push(error.message));
			const token = await link("reset-link", email);
			await page.goto(`${server.url}/account#reset=${token}`);
			await page.fill("#password", OTHER);
			await page.keyboard.press("Enter");
			await page.waitForSelector("#said.good");
			expect(page.url()).toBe(`${server.url}/account`);
			expect((await tryLogin(server.url, email, OTHER)).status).toBe(200);
			await page.goto("about:blank");
			await page.goto(`${server.url}/account#confirm=${await link("mail-link", email)}`);
			await page.click("#confirm button");
			await page.waitForSelector("#said.good");
			expect(complaints).toEqual([]);
			await page.goto("about:blank");
			await page.goto(`${server.url}/account#reset=${token}`);
			await page.fill("#password", OTHER);
			await page.keyboard.press("Enter");
			await page.waitForSelector("#said.wrong");
			expect(await page.textContent("#said")).toContain("Ask for another");
			expect(seen.join("\n")).not.toContain(token);
			expect(await page.evaluate("document.documentElement.scrollWidth - innerWidth")).toBe(0);
		} finally {
			await browser.close();
		}
	});
});
