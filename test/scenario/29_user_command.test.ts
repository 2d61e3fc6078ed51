// tocsin user: what stands in for mail and for a page of administration, with a server and without.
import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Api, type Problem } from "../harness/api.ts";
import { tocsin } from "../harness/command.ts";
import { PASSWORD, Person, tryLogin } from "../harness/person.ts";
import { binary, Server } from "../harness/server.ts";
import { stores } from "../harness/store.ts";

const mail = () => `${randomUUID()}@example.com`;

interface Shown {
	id: string;
	email: string;
	name: string;
	status: string;
	emailVerified: boolean;
	hasPassword: boolean;
	twoFactor: boolean;
	sessions: number;
	orgs: { slug: string; role: string }[];
	link?: string;
}

describe.each(stores)("on %s", (store) => {
	const user = (server: Server, words: string[], input?: string) =>
		tocsin(["user", ...words, ...server.stateFlags()], { input });
	async function shown(server: Server, words: string[], input?: string): Promise<Shown> {
		const ran = await user(server, [...words, "--json"], input);
		if (ran.code !== 0) throw new Error(ran.stderr);
		return JSON.parse(ran.stdout) as Shown;
	}
	const tokenOf = (one: Shown) => one.link!.split("=")[1]!;
	const reset = (server: Server, token: string) =>
		new Api(server.url).post<Problem>("/api/v1/auth/reset-password", { token, password: PASSWORD });

	it("makes the first owner, where new accounts are by invitation, before there is a server", async () => {
		const server = await Server.prepare({ store, args: ["--signup", "invite"] });
		const email = mail();
		const made = await shown(server, ["add", email, "--owner", "--name", "Ana"]);
		expect(made).toMatchObject({ email, name: "Ana", status: "active", hasPassword: false, emailVerified: false });
		expect(made.orgs).toMatchObject([{ slug: "default", role: "owner" }]);
		expect(made.link).toMatch(/^\/account#reset=rst_[0-9a-f]{64}$/);
		await server.launch();
		const early = await tryLogin(server.url, email, PASSWORD);
		expect(early.status).toBe(401);
		expect((await reset(server, tokenOf(made))).status).toBe(204);
		const ana = await Person.logIn(server.url, email);
		expect(ana.login.org).toMatchObject({ slug: "default", role: "owner" });
		expect((await ana.api.post("/api/v1/events", { type: "mine" })).status).toBe(201);
		// There is an owner: nobody becomes another one by being on this machine.
		expect((await new Api(server.url).post("/api-keys", { name: "x" })).status).toBe(401);
		await server.stop();
	});

	it("makes accounts while a server runs, and it knows them at once", async () => {
		const server = await Server.start({ store, args: ["--rate-auth", "0"] });
		const email = mail();
		const made = await shown(server, ["add", email, "--org", "default", "--with-password"], `${PASSWORD}\n`);
		expect(made).toMatchObject({ hasPassword: true, orgs: [{ slug: "default", role: "member" }] });
		expect(made.link).toBeUndefined();
		const person = await Person.logIn(server.url, email);
		expect(person.login.org).toMatchObject({ role: "member" });
		const makeKey = async (name: string) => (await person.api.post("/api/v1/keys", { name })).status;
		expect(await makeKey("as a member")).toBe(403);
		// Words of a role count from the next call on.
		expect((await shown(server, ["role", email, "--role", "OWNER"])).orgs).toMatchObject([{ role: "owner" }]);
		expect(await makeKey("as an owner")).toBe(201);
		const alone = await user(server, ["role", email, "--role", "none"]);
		expect([alone.code, alone.stderr]).toEqual([1, expect.stringContaining("last owner")]);
		// The first account of all was this one: signing up is over.
		const late = await new Api(server.url).post("/api/v1/auth/signup", { email: mail(), password: PASSWORD });
		expect(late.status).toBe(403);
		await server.stop();
	});

	it("ends all that a disabled user has, at once", async () => {
		const server = await Server.start({ store, args: ["--signup", "open", "--rate-auth", "0"] });
		const email = mail();
		const people = [await Person.signUp(server.url, email), await Person.logIn(server.url, email)];
		const stream = await fetch(`${server.url}/api/v1/stream`, {
			headers: { authorization: `Bearer ${people[0]!.login.accessToken}` },
		});
		expect(stream.status).toBe(200);
		// Whoever logs in or refreshes meanwhile is kept out as well.
		const busy = { over: false };
		const tries = Promise.all(
			[1, 2].map(async () => {
				const tokens: string[] = [];
				while (!busy.over) {
					const reply = await tryLogin(server.url, email, PASSWORD);
					if (reply.status === 200) tokens.push(reply.body.accessToken);
				}
				return tokens;
			}),
		);
		expect(await shown(server, ["disable", email])).toMatchObject({ status: "disabled", sessions: 0 });
		await stream.text(); // it ends
		busy.over = true;
		const tokens = [...(await tries).flat(), ...people.map((p) => p.login.accessToken)];
		for (const token of tokens) expect((await new Api(server.url, token).get("/api/v1/auth/me")).status).toBe(401);
		for (const { login } of people) {
			const reply = await new Api(server.url).post("/api/v1/auth/refresh", { refreshToken: login.refreshToken });
			expect(reply.status).toBe(401);
		}
		const refused = await tryLogin(server.url, email, PASSWORD);
		expect([refused.status, refused.body.error]).toEqual([403, "this account is disabled"]);
		// Only who knows the password learns of it.
		expect((await tryLogin(server.url, email, "not the password")).status).toBe(401);
		await server.restart();
		expect((await tryLogin(server.url, email, PASSWORD)).status).toBe(403);
		expect(await shown(server, ["enable", email])).toMatchObject({ status: "active" });
		expect((await tryLogin(server.url, email, PASSWORD)).status).toBe(200);
		await server.stop();
	});

	it("lists and shows, logs out, confirms, and sets passwords", async () => {
		const server = await Server.start({ store, args: ["--signup", "open", "--rate-auth", "0"] });
		const people = [];
		for (let i = 0; i < 3; i++) people.push(await Person.signUp(server.url, mail()));
		const { id, email } = people[0]!.login.user;
		const list = await user(server, ["list", "--json"]);
		const rows = list.stdout.trim().split("\n").map((line) => JSON.parse(line) as Shown);
		expect(rows.map((row) => row.id)).toEqual(people.map((p) => p.login.user.id).reverse());
		const table = (await user(server, ["list"])).stdout;
		expect(table.split("\n")[0]).toMatch(/^email +status/);
		for (const p of people) expect(table).toContain(p.login.user.email);
		expect(await shown(server, ["show", id])).toMatchObject({ email, sessions: 1 });
		expect(await shown(server, ["verify", email.toUpperCase()])).toMatchObject({ id, emailVerified: true });
		expect(await shown(server, ["logout", email])).toMatchObject({ sessions: 0 });
		expect((await people[0]!.api.get("/api/v1/auth/me")).status).toBe(401);
		expect((await people[1]!.api.get("/api/v1/auth/me")).status).toBe(200);
		expect((await user(server, ["password", email], "a new long password\n")).code).toBe(0);
		expect((await tryLogin(server.url, email, "a new long password")).status).toBe(200);
		const gone = await user(server, ["show", mail()]);
		expect([gone.code, gone.stderr]).toEqual([1, expect.stringContaining("there is no user")]);
		await server.stop();
		// The same words without a server.
		const left = mkdtempSync(join(tmpdir(), "tocsin-user-"));
		try {
			const flags = ["--data", left];
			for (const [words, input] of [
				[["add", "ana@example.com", "--with-password"], PASSWORD],
				[["disable", "ana@example.com"], ""],
				[["enable", "ana@example.com"], ""],
				[["list"], ""],
			] as const) {
				const ran = await tocsin(["user", ...words, ...flags], { input });
				expect([words[0], ran.code, ran.stderr]).toEqual([words[0], 0, ""]);
				expect(ran.stdout).toContain("ana@example.com");
			}
		} finally {
			rmSync(left, { recursive: true });
		}
	});

	it("looks whether the plan has a seat", async () => {
		const server = await Server.start({ store });
		const plan = (...words: string[]) => tocsin(["plan", ...words, ...server.stateFlags()]);
		expect((await plan("put", "--plan", "one", "--name", "One", "--seats", "1")).code).toBe(0);
		expect((await plan("on", "--plan", "one")).code).toBe(0);
		expect((await user(server, ["add", mail(), "--owner"])).code).toBe(0);
		const late = mail();
		const refused = await user(server, ["add", late, "--org", "default"]);
		expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("no more than 1 members")]);
		expect((await user(server, ["show", late])).code).toBe(1);
		expect((await user(server, ["add", late])).code).toBe(0);
		const role = await user(server, ["role", late, "--role", "viewer"]);
		expect([role.code, role.stderr]).toEqual([1, expect.stringContaining("no more than 1 members")]);
		await server.stop();
	});

	it("refuses what makes no sense", async () => {
		const server = await Server.start({ store });
		const email = mail();
		expect((await user(server, ["add", email])).code).toBe(0);
		for (const [words, code, text, input] of [
			[["add", email], 1, "there is a user with this address"],
			[["add", "nobody"], 1, '"email" must be a mail address'],
			[["add", mail(), "--org", "nowhere"], 1, 'there is no organization "nowhere"'],
			[["add", mail(), "--with-password"], 1, "there is no password", ""],
			[["add", mail(), "--with-password"], 1, '"password" must have 8 to', "short\n"],
			[["add", mail(), "--owner", "--role", "viewer"], 2, "both given"],
			[["add", mail(), "--role", "king"], 2, '"--role" must be'],
			[["add", mail(), "--password", "x"], 2, "there is no flag"],
			[["add"], 2, "say whose"],
			[["role", email], 2, '"--role" is needed'],
			[["role", email, "--role", "none"], 1, "no member there"],
			[["show", "usr_0000000000000"], 1, "there is no user"],
			[["show", "x".repeat(301)], 2, "no id and no address"],
			[["shwo", email], 2, 'there is no "shwo"'],
			[[], 2, "tocsin help user"],
		] as [string[], number, string, string?][]) {
			const ran = await user(server, words, input);
			expect([words.slice(0, 1), ran.code, ran.stderr]).toEqual([words.slice(0, 1), code, expect.stringContaining(text)]);
		}
		// What was refused left nothing behind.
		expect((await user(server, ["list", "--json"])).stdout.trim().split("\n").length).toBe(1);
		// And none of it is reachable from the network.
		expect((await fetch(`${server.url}/admin/users`)).status).toBe(404);
		await server.stop();
	});
});

it("asks for passwords unseen on a terminal", () => {
	const data = mkdtempSync(join(tmpdir(), "tocsin-user-"));
	// A terminal of its own, and somebody who types.
	const typist = `
import os, pty, re, sys, time
def talk(answers):
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(sys.argv[1], [sys.argv[1], "user", "add", "ana@example.com", "--with-password", "--data", sys.argv[2]])
    seen, answers = b"", list(answers)
    while True:
        try:
            part = os.read(fd, 4096)
        except OSError:
            break
        if not part:
            break
        seen += part
        if answers and seen.endswith(b": "):
            os.write(fd, answers.pop(0) + b"\\n")
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen.decode()
for answers in ([b"correct horse battery", b"correct horse bettary"], [b"correct horse battery"] * 2):
    code, seen = talk(answers)
    print(code, "horse" in seen, "not the same" in seen, "ana@example.com" in seen)
`;
	try {
		const out = execFileSync("python3", ["-c", typist, binary, data], { encoding: "utf8", timeout: 60_000 });
		expect(out.trim().split("\n")).toEqual(["1 False True False", "0 False False True"]);
	} finally {
		rmSync(data, { recursive: true });
	}
});
