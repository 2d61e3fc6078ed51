// A second factor: codes of an authenticator that is not ours, each good once, and what opens an
// account when it is lost.
import { randomUUID } from "node:crypto";
import { TOTP, URI } from "otpauth";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Problem } from "../harness/api.ts";
import { tocsin } from "../harness/command.ts";
import { PASSWORD, Person, tryLogin } from "../harness/person.ts";
import { Server } from "../harness/server.ts";
import { stores } from "../harness/store.ts";

const STEP = 30_000;
const MINUTE = 60_000;
const mail = () => `${randomUUID()}@example.com`;

interface Secret {
	secret: string;
	uri: string;
}
interface State {
	enabled: boolean;
	pending: boolean;
	enabledAt: string | null;
	recoveryCodesLeft: number;
}

describe.each(stores)("on %s", (store) => {
	let server: Server;

	beforeAll(async () => {
		server = await Server.start({
			store,
			clock: true,
			args: ["--signup", "open", "--rate-auth", "0", "--public-url", "https://tocsin.example.com:8443"],
		});
	});
	afterAll(() => server.stop());

	const begin = (person: Person) => person.api.post<Secret & Problem>("/api/v1/auth/totp");
	const state = async (person: Person) => (await person.api.get<State>("/api/v1/auth/totp")).body;
	const confirm = (person: Person, code: string) =>
		person.api.post<{ recoveryCodes: string[] } & Problem>("/api/v1/auth/totp/confirm", { code });
	/** What the app shows, by the clock of the server. */
	const shown = (app: TOTP, steps = 0) => app.generate({ timestamp: server.now() + steps * STEP });
	const appOf = (uri: string) => {
		const app = URI.parse(uri);
		if (!(app instanceof TOTP)) throw new Error("not of this kind");
		return app;
	};
	const logIn = (person: Person, more: Record<string, unknown> = {}) =>
		tryLogin(server.url, person.login.user.email, PASSWORD, more);

	/** Somebody with an authenticator, which shows a code that was not used. */
	async function careful() {
		const person = await Person.signUp(server.url, mail());
		const app = appOf((await begin(person)).body.uri);
		const done = await confirm(person, shown(app));
		expect(done.status).toBe(200);
		server.advance(STEP);
		return { person, app, codes: done.body.recoveryCodes };
	}

	it("is read by an app as it is meant", async () => {
		const person = await Person.signUp(server.url, mail());
		const got = await begin(person);
		expect(got.status).toBe(201);
		const app = appOf(got.body.uri);
		expect(app.label).toBe(person.login.user.email);
		expect(app.issuer).toBe("Tocsin tocsin.example.com 8443");
		expect([app.secret.base32, app.digits, app.period, app.algorithm]).toEqual([got.body.secret, 6, 30, "SHA1"]);
	});

	it("asks for nothing until a code came back", async () => {
		const person = await Person.signUp(server.url, mail());
		expect(await state(person)).toEqual({ enabled: false, pending: false, enabledAt: null, recoveryCodesLeft: 0 });
		expect((await confirm(person, "123456")).status).toBe(409);
		const first = await begin(person);
		const second = await begin(person);
		expect(second.body.secret).not.toBe(first.body.secret);
		expect(await state(person)).toMatchObject({ enabled: false, pending: true });
		expect((await logIn(person)).status).toBe(200);
		// The older secret was replaced.
		expect((await confirm(person, shown(appOf(first.body.uri)))).status).toBe(401);
		for (const code of ["12345", "1234567", ""]) expect((await confirm(person, code)).status).toBe(400);
		const done = await confirm(person, shown(appOf(second.body.uri)));
		expect(done.status).toBe(200);
		expect(new Set(done.body.recoveryCodes).size).toBe(10);
		for (const code of done.body.recoveryCodes) expect(code).toMatch(/^[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}$/);
		expect(await state(person)).toMatchObject({ enabled: true, pending: false, recoveryCodesLeft: 10 });
		expect((await begin(person)).status).toBe(409);
		expect((await confirm(person, shown(appOf(second.body.uri), 1))).status).toBe(409);
	});

	it("asks for a code at each login", async () => {
		const { person, app } = await careful();
		const asked = await logIn(person);
		expect([asked.status, asked.body.code]).toEqual([401, "code_required"]);
		// The password first: who does not have it learns nothing of a second factor.
		const wrong = await tryLogin(server.url, person.login.user.email, "not the password");
		expect([wrong.status, wrong.body.code]).toEqual([401, "unauthorized"]);
		const both = await tryLogin(server.url, person.login.user.email, "not the password", { code: shown(app) });
		expect([both.status, both.body.code]).toEqual([401, "unauthorized"]);
		expect((await logIn(person, { code: "000000" })).body).toMatchObject({ status: 401, field: "code" });
		const right = await logIn(person, { code: shown(app) });
		expect(right.status).toBe(200);
		expect(right.body.user).toMatchObject({ twoFactor: true });
	});

	it("takes each code once, and those beside it", async () => {
		const { person, app } = await careful();
		expect((await logIn(person, { code: shown(app, -2) })).status).toBe(401);
		expect((await logIn(person, { code: shown(app, 2) })).status).toBe(401);
		const code = shown(app);
		const two = await Promise.all([logIn(person, { code }), logIn(person, { code })]);
		expect(two.map((r) => r.status).sort()).toEqual([200, 401]);
		// One that is older than one that was used is worth nothing, too.
		expect((await logIn(person, { code: shown(app, -1) })).status).toBe(401);
		const next = shown(app, 1);
		expect((await logIn(person, { code: next })).status).toBe(200);
		server.advance(STEP);
		expect((await logIn(person, { code: next })).status).toBe(401);
		server.advance(STEP);
		expect((await logIn(person, { code: shown(app) })).status).toBe(200);
	});

	it("has used up the code that switched it on", async () => {
		const person = await Person.signUp(server.url, mail());
		const app = appOf((await begin(person)).body.uri);
		const code = shown(app);
		expect((await confirm(person, code)).status).toBe(200);
		expect((await logIn(person, { code })).status).toBe(401);
	});

	it("opens with each recovery code once, however it is typed", async () => {
		const { person, codes } = await careful();
		const typed = [codes[0]!, codes[1]!.toLowerCase().replace("-", ""), codes[2]!.replace("-", " ")];
		for (const code of typed) {
			expect((await logIn(person, { code })).status).toBe(200);
			expect((await logIn(person, { code })).status).toBe(401);
		}
		expect((await state(person)).recoveryCodesLeft).toBe(7);
		const two = await Promise.all([logIn(person, { code: codes[3] }), logIn(person, { code: codes[3] })]);
		expect(two.map((r) => r.status).sort()).toEqual([200, 401]);
		// Somebody else's codes are nobody's here.
		const other = await careful();
		expect((await logIn(person, { code: other.codes[0] })).status).toBe(401);
		const fresh = await person.api.post<{ recoveryCodes: string[] }>("/api/v1/auth/totp/recovery-codes");
		expect(fresh.status).toBe(200);
		expect((await state(person)).recoveryCodesLeft).toBe(10);
		expect((await logIn(person, { code: codes[5] })).status).toBe(401);
		expect((await logIn(person, { code: fresh.body.recoveryCodes[5] })).status).toBe(200);
	});

	it("counts wrong codes like wrong passwords", async () => {
		const { person, app, codes } = await careful();
		let told = 0;
		// Ten are free; each one behind them locks for twice as long.
		for (let i = 0; i < 14; i++) {
			const tried = await logIn(person, { code: String(100_000 + i) });
			expect([401, 429]).toContain(tried.status);
			if (tried.status === 401) told++;
			else server.advance(Number(tried.headers.get("retry-after")) * 1000);
		}
		expect(told).toBeGreaterThanOrEqual(10);
		expect(told).toBeLessThan(14);
		// Neither the right code nor one for recovery helps meanwhile.
		await logIn(person, { code: "000000" });
		expect((await logIn(person, { code: shown(app) })).status).toBe(429);
		expect((await logIn(person, { code: codes[0] })).status).toBe(429);
		server.advance(MINUTE);
		expect((await logIn(person, { code: shown(app) })).status).toBe(200);
	});

	it("does not count being asked for a code", async () => {
		const { person, app } = await careful();
		for (let i = 0; i < 30; i++) expect((await logIn(person)).body.code).toBe("code_required");
		expect((await logIn(person, { code: shown(app) })).status).toBe(200);
	});

	it("is changed by who has just proved himself alone", async () => {
		const { person, app } = await careful();
		server.advance(11 * MINUTE);
		const acts: [string, string][] = [
			["POST", "/api/v1/auth/totp"],
			["POST", "/api/v1/auth/totp/recovery-codes"],
			["DELETE", "/api/v1/auth/totp"],
		];
		for (const [method, path] of acts) {
			expect((await person.api.call<Problem>(method, path)).body).toMatchObject({ status: 403, code: "proof_required" });
		}
		const prove = (body: object) => person.api.post<Problem>("/api/v1/auth/prove", body);
		expect((await prove({ code: "000000" })).status).toBe(401);
		const code = shown(app);
		expect((await prove({ code })).status).toBe(204);
		expect((await prove({ code })).status).toBe(401);
		expect((await person.api.delete("/api/v1/auth/totp")).status).toBe(204);
		expect((await person.api.delete("/api/v1/auth/totp")).status).toBe(204);
		expect(await state(person)).toEqual({ enabled: false, pending: false, enabledAt: null, recoveryCodesLeft: 0 });
		expect((await logIn(person)).status).toBe(200);
		expect((await person.api.post("/api/v1/auth/totp/recovery-codes")).status).toBe(409);
	});

	it("is not switched off behind the back of who switches it on", async () => {
		const person = await Person.signUp(server.url, mail());
		const app = appOf((await begin(person)).body.uri);
		const [done] = await Promise.all([confirm(person, shown(app)), begin(person), begin(person), begin(person)]);
		// Either it was on first, and nothing begins anew; or another secret was there first.
		const now = await state(person);
		expect(now.enabled).toBe(done.status === 200);
		expect(now.pending).toBe(done.status !== 200);
	});

	it("can be switched off by who runs the server, for who has lost all", async () => {
		const { person } = await careful();
		const ran = await tocsin(["user", "totp-off", person.login.user.email, ...server.stateFlags()]);
		expect([ran.stderr, ran.code]).toEqual(["", 0]);
		expect(ran.stdout).toMatch(/second factor +no/);
		expect((await logIn(person)).status).toBe(200);
	});

	it("is known after kill -9, with what was used", async () => {
		const { person, app, codes } = await careful();
		const code = shown(app);
		expect((await logIn(person, { code })).status).toBe(200);
		expect((await logIn(person, { code: codes[0] })).status).toBe(200);
		await server.restart("SIGKILL");
		expect((await logIn(person)).body.code).toBe("code_required");
		expect((await logIn(person, { code })).status).toBe(401);
		expect((await logIn(person, { code: codes[0] })).status).toBe(401);
		expect((await logIn(person, { code: codes[1] })).status).toBe(200);
	});

	it("says no secret in the log", async () => {
		const { person, app, codes } = await careful();
		await logIn(person, { code: codes[0] });
		const log = JSON.stringify(server.log);
		for (const secret of [app.secret.base32, ...codes]) expect(log).not.toContain(secret);
	});
});
