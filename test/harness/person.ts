// A person with a browser, or a program of theirs, as the API sees them: an account and its tokens.
import { Api, type Problem, type Reply } from "./api.ts";

export interface Org {
	id: string;
	name: string;
	slug: string;
	role: string;
}
export interface Login {
	accessToken: string;
	expiresAt: string;
	refreshToken: string;
	user: { id: string; email: string; name: string };
	org: Org | null;
}

export const PASSWORD = "correct horse battery";

export class Person {
	private constructor(
		readonly api: Api,
		public login: Login,
	) {}

	/** Make an account; by default in an organization of its own. */
	static async signUp(url: string, email: string, more: Record<string, unknown> = {}): Promise<Person> {
		const name = email.split("@")[0];
		const org = more.inviteToken === undefined ? { orgName: `${name}'s` } : {};
		const body = { email, password: PASSWORD, name, ...org, ...more };
		const reply = await new Api(url).post<Login>("/api/v1/auth/signup", body);
		if (reply.status !== 201) throw new Error(`no account: ${reply.text}`);
		return new Person(new Api(url, reply.body.accessToken), reply.body);
	}

	static async logIn(url: string, email: string, password = PASSWORD): Promise<Person> {
		const reply = await tryLogin(url, email, password);
		if (reply.status !== 200) throw new Error(`no login: ${reply.text}`);
		return new Person(new Api(url, reply.body.accessToken), reply.body as Login);
	}

	/** The same account in another organization. */
	async actIn(orgId: string): Promise<void> {
		const reply = await this.api.post("/api/v1/auth/switch", { orgId });
		if (reply.status !== 200) throw new Error(`no switch: ${reply.text}`);
	}
}

export function tryLogin(url: string, email: string, password: string, more: Record<string, unknown> = {}) {
	return new Api(url).post<Login & Problem>("/api/v1/auth/login", { email, password, ...more });
}

/** The cookies that a reply sets, as a browser would send them back. */
export function cookiesOf(reply: Reply<unknown>): Record<string, string> {
	const cookies: Record<string, string> = {};
	for (const line of reply.headers.getSetCookie()) {
		const [pair] = line.split(";");
		const at = pair!.indexOf("=");
		cookies[pair!.slice(0, at)] = pair!.slice(at + 1);
	}
	return cookies;
}

/** Somebody who was invited into the owner's organization, and came. */
export async function memberOf(owner: Person, role: string): Promise<Person> {
	const email = `${role}-${Date.now()}-${Math.random().toString(36).slice(2)}@example.com`;
	const invite = await owner.api.post<{ inviteUrl: string }>("/api/v1/invites", { email, role });
	if (invite.status !== 201) throw new Error(`no invite: ${invite.text}`);
	const inviteToken = /inv_[0-9a-f]+/.exec(invite.body.inviteUrl)![0];
	return Person.signUp(owner.api.url, email, { inviteToken });
}
