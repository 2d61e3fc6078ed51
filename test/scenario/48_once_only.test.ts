// What is good once: of many who come with it at a time one gets in, a crash does not make it good
// again, and none of it is good for anything else.
//
// Where the rest of it is tested: tickets, twice and expired, 50_live and 51_live_wire; refresh tokens
// of two pages, and the end of a session whose old token comes back, 35_login; links, twice, expired,
// and ended by newer ones, 28_passwords; invites, 36_members; codes of an app and for recovery, in and
// beside their step, 24_second_factor; state, nonce and code of an issuer, 46_oidc and 46_issuers.
import { randomUUID } from "node:crypto";
import { type TOTP, URI } from "otpauth";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api, type Reply } from "../harness/api.ts";
import { tocsin } from "../harness/command.ts";
import { PASSWORD, Person, tryLogin } from "../harness/person.ts";
import { Server } from "../harness/server.ts";
import { stores } from "../harness/store.ts";

const RUSH = 8;
const STEP = 30_000;
const mail = () => `${randomUUID()}@example.com`;

/** Something that is good once: how to use it, when it was just made. */
interface Once {
	use: () => Promise<Reply<unknown>>;
	secret: string;
}

describe.each(stores)("on %s", (store) => {
	let server: Server;

	beforeAll(async () => {
		server = await Server.start({ store, clock: true, args: ["--signup", "open", "--rate-auth", "0"] });
	});
	afterAll(() => server.stop());

	const post = (path: string, body: object) => new Api(server.url).post(path, body);
	async function link(word: string, email: string): Promise<string> {
		const ran = await tocsin(["user", word, email, "--json", ...server.stateFlags()]);
		if (ran.code !== 0) throw new Error(ran.stderr);
		return (JSON.parse(ran.stdout) as { link: string }).link.split("=")[1]!;
	}
	async function twoFactors() {
		const person = await Person.signUp(server.url, mail());
		const { body } = await person.api.post<{ uri: string }>("/api/v1/auth/totp");
		const app = URI.parse(body.uri) as TOTP;
		const code = () => app.generate({ timestamp: server.now() });
		const done = await person.api.post<{ recoveryCodes: string[] }>("/api/v1/auth/totp/confirm", { code: code() });
		server.advance(STEP);
		return { email: person.login.user.email, code, codes: done.body.recoveryCodes };
	}

	const kinds: Record<string, () => Promise<Once>> = {
		"a ticket": async () => {
			const { api } = await Person.signUp(server.url, mail());
			const { ticket } = (await api.post<{ ticket: string }>("/api/v1/stream/tickets")).body;
			// A stream that opens does not end: its head is enough.
			const use = async () => {
				const reply = await fetch(`${server.url}/api/v1/stream?ticket=${ticket}`);
				void reply.body?.cancel();
				return { status: reply.status, headers: reply.headers, body: {}, text: "" };
			};
			return { secret: ticket, use };
		},
		"a refresh token": async () => {
			const { login } = await Person.signUp(server.url, mail());
			const { refreshToken } = login;
			return { secret: refreshToken, use: () => post("/api/v1/auth/refresh", { refreshToken }) };
		},
		"a link for a new password": async () => {
			const { login } = await Person.signUp(server.url, mail());
			const token = await link("reset-link", login.user.email);
			return { secret: token, use: () => post("/api/v1/auth/reset-password", { token, password: `${PASSWORD} two` }) };
		},
		"a link that confirms an address": async () => {
			const { login } = await Person.signUp(server.url, mail());
			const token = await link("mail-link", login.user.email);
			return { secret: token, use: () => post("/api/v1/auth/email/confirm", { token }) };
		},
		"an invite to sign up with": async () => {
			const owner = await Person.signUp(server.url, mail());
			const email = mail();
			const made = await owner.api.post<{ inviteUrl: string }>("/api/v1/invites", { email });
			const inviteToken = made.body.inviteUrl.split("#token=")[1]!;
			return { secret: inviteToken, use: () => post("/api/v1/auth/signup", { email, password: PASSWORD, inviteToken }) };
		},
		"a code of an app": async () => {
			const { email, code } = await twoFactors();
			const now = code();
			return { secret: now, use: () => tryLogin(server.url, email, PASSWORD, { code: now }) };
		},
		"a recovery code": async () => {
			const { email, codes } = await twoFactors();
			return { secret: codes[0]!, use: () => tryLogin(server.url, email, PASSWORD, { code: codes[0] }) };
		},
	};

	/** 503: two passwords are hashed at a time; nothing was looked at. */
	async function looked(once: Once): Promise<number> {
		for (;;) {
			const { status } = await once.use();
			if (status !== 503) return status;
		}
	}

	it.each(Object.keys(kinds))("%s is good for one of many who come at a time, and for nobody after a crash", async (name) => {
		const once = await kinds[name]!();
		const statuses = await Promise.all(Array.from({ length: RUSH }, () => looked(once)));
		expect(statuses.filter((status) => status < 300).length).toBe(1);
		for (const status of statuses.filter((one) => one >= 300)) expect([400, 401, 409, 410, 429]).toContain(status);
		await server.restart("SIGKILL");
		expect(await looked(once)).toBeGreaterThanOrEqual(400);
	});

	it("none is good for anything else", async () => {
		const { login } = await Person.signUp(server.url, mail());
		const secrets = new Map<string, string>([["an access token", login.accessToken]]);
		for (const [name, make] of Object.entries(kinds)) secrets.set(name, (await make()).secret);
		const places: Record<string, [string, (secret: string) => Promise<{ status: number }>]> = {
			"in Authorization": ["an access token", (s) => new Api(server.url).get("/api/v1/auth/me", { authorization: `Bearer ${s}` })],
			"as a key": ["an access token", (s) => new Api(server.url).get("/api/v1/rules", { "x-api-key": s })],
			"as a cookie": ["an access token", (s) => new Api(server.url).get("/api/v1/auth/me", { cookie: `access_token=${s}` })],
			"as a cookie that refreshes": ["a refresh token", (s) => new Api(server.url).post("/api/v1/auth/refresh", undefined, { cookie: `refresh_token=${s}`, origin: server.url })],
			"as a refresh token": ["a refresh token", (s) => post("/api/v1/auth/refresh", { refreshToken: s })],
			"as SignalDesk's": ["a refresh token", (s) => post("/auth/refresh", { refreshToken: s })],
			"as a ticket": ["a ticket", (s) => new Api(server.url).get(`/api/v1/stream?ticket=${encodeURIComponent(s)}`)],
			"for a new password": ["a link for a new password", (s) => post("/api/v1/auth/reset-password", { token: s, password: `${PASSWORD} 3` })],
			"for an address": ["a link that confirms an address", (s) => post("/api/v1/auth/email/confirm", { token: s })],
			"as an invite": ["an invite to sign up with", (s) => post("/api/v1/invites/lookup", { token: s })],
		};
		for (const [place, [own, use]] of Object.entries(places)) {
			for (const [name, secret] of [...secrets].filter(([one]) => one !== own)) {
				const { status } = await use(secret);
				expect([place, name, status]).toEqual([place, name, expect.toSatisfy((s: number) => [400, 401, 404, 410].includes(s))]);
			}
		}
	});
});
