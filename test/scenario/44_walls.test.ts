// Every call that is described, made by everybody who may not make it: another organization, another
// project, too small a role, a key without the scope, a key or token that was revoked or has expired,
// an organization that is suspended, somebody who has asked to be deleted, nobody. What is not yours is as if it were not there, to the byte.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api, eventually, type Problem, type Reply } from "../harness/api.ts";
import { tenant, tocsin } from "../harness/command.ts";
import { type Delivery, makeRule, type Page } from "../harness/model.ts";
import { fill, type Operation, operations, type Param } from "../harness/operations.ts";
import { memberOf, Person } from "../harness/person.ts";
import { Server } from "../harness/server.ts";
import { stores } from "../harness/store.ts";

const MINUTE = 60_000;
const ROLES = ["viewer", "member", "admin", "owner"];
/** In everything that organization A has: nobody else may ever read it. */
const MARK = "mark-of-a-7Zq";

/** Calls that are not what this test can ask for, and where they are tested. */
const EXCEPT: Record<string, string> = {
	noop: "is there for the benchmark alone",
	signaldeskOpenSocket: "answers within the socket: 50_live",
	pulseboardOpenSocket: "answers within the socket: 50_live",
};
/** Calls that let go of a caller whom they do not know: they look for a token in the body. */
const LETS_IN_NOBODY = new Set(["logout", "signaldeskLogOut", "signaldeskAcceptInvite"]);

/** Calls whose handler looks at the caller after everything else: no word that nobody knows here. */
const OWN = new Set(["createKey", "openStream"]);
/** Names one of the caller's own by a word, under which others have theirs: 46_oidc, 43_system_events. */
const OF_ONES_OWN = new Set(["deleteLink", "getBuiltinRule", "changeBuiltinRule"]);
/** What who has no organization any more may still do with it: see it, and not have it deleted. */
const WHILE_CLOSED = new Set(["getOrg", "restoreOrg", "getBilling", "openBillingPortal"]);
/** What is left to who has asked to be deleted: to look, and to come back. */
const WHILE_LEAVING = new Set(["getMe", "exportMe", "restoreMe", "prove"]);
/** The organization's own, which the scope settings:read opens to keys of all its projects. */
const OF_THE_ORG = new Set(["listAudit", "exportAudit"]);
/** Streams, which never end by themselves: 50_live. */
const STREAMS = new Set(["openStream", "pulseboardOpenStream"]);

/** Bodies that get as far as to the thing that the path names. */
const BODIES: Record<string, unknown> = {
	signaldeskChangeRule: { name: "theirs" },
	signalcraftChangeMember: { role: "MEMBER" },
	changeRule: { name: "theirs" },
	changeBuiltinRule: { enabled: false },
	changeKey: { name: "theirs" },
	rotateKey: {},
	rotateProjectKey: {},
	changeProject: { name: "theirs" },
	replayDelivery: {},
	changeMember: { role: "viewer" },
	transferOrg: {},
	resendInvite: {},
	changeInvite: { role: "viewer" },
	changeOrg: { name: "theirs" },
};

const ops = operations().filter((op) => !(op.name in EXCEPT) && !op.later);
/** When, and what was asked for: the rest of a refusal has to be the same. */
const masked = (reply: Reply<unknown>) => reply.text.replace(/"(requestId|timestamp|path)":"[^"]*"/g, '"$1":""');

/** A key of the maker's project with these scopes. */
async function keyOf(maker: Api, scopes: string[], more: object = {}): Promise<{ id: string; api: Api }> {
	const reply = await maker.post<{ id: string; key: string }>("/api/v1/keys", { name: "k", scopes, ...more });
	if (reply.status !== 201) throw new Error(`no key: ${reply.text}`);
	return { id: reply.body.id, api: new Api(maker.url, reply.body.key) };
}

/** A thing of each kind, which somebody else may ask for. */
async function belongings(a: Api, owner: Person): Promise<Record<string, string>> {
	const url = "http://127.0.0.1:1025/nobody-listens";
	const rule = await makeRule(a, {
		name: MARK,
		eventType: "walls.*",
		actions: [{ channel: "webhook", config: { url, headers: { "x-mark": MARK } } }],
	});
	const sent = { type: "walls.a", payload: { text: MARK }, message: MARK };
	const { body: event } = await a.post<{ id: string }>("/api/v1/events", sent);
	const key = await keyOf(a, ["events:read"], { name: MARK });
	const deliveries = await eventually(
		() => a.get<Page<Delivery>>("/api/v1/deliveries"),
		(got) => got.body.data.length > 0,
	);
	const alerts = await a.get<Page<{ id: string }>>("/api/v1/alerts");
	const { body: project } = await a.get<{ id: string }>("/api/v1/projects/current");
	const sessions = await owner.api.get<Page<{ id: string }>>("/api/v1/auth/sessions");
	return {
		rul: rule.id,
		evt: event.id,
		key: key.id,
		dlv: deliveries.body.data[0]!.id,
		alr: alerts.body.data[0]!.id,
		prj: project.id,
		ses: sessions.body.data[0]!.id,
		usr: owner.login.user.id,
		org: owner.login.org!.id,
	};
}

/** An id of that kind which nobody has. */
function nobodys(id: string): string {
	return id.slice(0, 5) + id.slice(5).replace(/./g, (c) => (c === "0" ? "1" : "0")).replace(/^./, "0");
}

describe.each(stores)("on %s", (store) => {
	let server: Server;
	let a: Api;
	let ana: Person;
	let b: Api;
	let ben: Person;
	let sibling: Api;
	let things: Record<string, string>;
	let over: [string, Api][];
	let closed: Api[];
	let leaving: Person;

	/** Credentials of A whose time is over. */
	async function expire(): Promise<[string, Api][]> {
		const email = `${randomUUID()}@a.example`;
		ana = await Person.signUp(server.url, email, { orgName: "A" });
		const at = new Date(server.now() + 60 * MINUTE).toISOString();
		const key = await keyOf(ana.api, [], { expiresAt: at });
		server.advance(61 * MINUTE);
		const { api } = ana;
		ana = await Person.logIn(server.url, email);
		return [["an expired token", api], ["an expired key", key.api]];
	}

	/** Key and owner of an organization that was suspended. */
	async function suspend(): Promise<Api[]> {
		const cem = await Person.signUp(server.url, `${randomUUID()}@c.example`, { orgName: "Closed" });
		const { api } = await keyOf(cem.api, []);
		const args = ["org", "suspend", cem.login.org!.slug, ...server.stateFlags()];
		expect((await tocsin(args)).code).toBe(0);
		return [api, cem.api];
	}

	/** Somebody who will be gone in a week, and logged in to see what there is. */
	async function leave(): Promise<Person> {
		const dan = await memberOf(ana, "admin");
		expect((await dan.api.delete("/api/v1/auth/me")).status).toBe(200);
		return Person.logIn(server.url, dan.login.user.email);
	}

	beforeAll(async () => {
		const args = ["--signup", "open", "--rate-auth", "0", "--trusted-proxies", "127.0.0.1"];
		server = await Server.start({ store, clock: true, args });
		over = await expire();
		closed = await suspend();
		leaving = await leave();
		ben = await Person.signUp(server.url, `${randomUUID()}@b.example`, { orgName: "B" });
		a = (await keyOf(ana.api, [])).api;
		b = (await keyOf(ben.api, [])).api;
		sibling = await tenant(server, ana.login.org!.slug, "sibling");
		things = await belongings(a, ana);
		const invite = await ana.api.post<{ id: string }>("/api/v1/invites", {
			email: `${randomUUID()}@c.example`,
			role: "viewer",
		});
		things.inv = invite.body.id;
	});
	afterAll(() => server.stop());

	const idOf = (param: Param) => {
		const id = things[param.prefix ?? ""];
		if (id === undefined) throw new Error(`nothing to ask for: ${param.name} ${param.prefix}`);
		return id;
	};
	const body = (op: Operation) => {
		if (!op.hasBody) return undefined;
		if (!(op.name in BODIES)) throw new Error(`no body for ${op.name}: add one to BODIES`);
		return BODIES[op.name];
	};
	/** A call that ends behind the gate, whatever it is: nobody knows what it asks for. */
	const knock = (api: Api, op: Operation, query = op.older === undefined && !OWN.has(op.name) ? "?knockKnock=1" : "") => {
		const path = fill(op, (param) => (param.prefix === undefined ? "nothing" : nobodys(idOf(param))));
		return api.call<Problem>(op.method, path + query, op.hasBody ? "{not json" : undefined, {
			"if-match": "*",
			// Each from elsewhere: who guesses too often is not answered any more.
			"x-forwarded-for": `198.51.${(knocks >> 8) & 255}.${knocks++ & 255}`,
		});
	};
	let knocks = 0;

	it.each(ops.filter((op) => op.keys || op.people).map((op) => [op.name, op] as const))(
		"%s asks who it is",
		async (_, op) => {
			const nobody = new Api(server.url);
			if (!LETS_IN_NOBODY.has(op.name)) expect((await knock(nobody, op, "")).status).toBe(401);
			const revoked = await keyOf(a, []);
			expect((await a.delete(`/api/v1/keys/${revoked.id}`)).status).toBe(204);
			const wrong: [string, Api][] = [
				["a revoked key", revoked.api],
				["a key that nobody has", new Api(server.url, `sk_${"0".repeat(48)}`)],
				["a token that was changed", new Api(server.url, `${ana.login.accessToken}x`)],
				...over,
			];
			for (const [who, api] of wrong) {
				const reply = await knock(api, op, "");
				if (!LETS_IN_NOBODY.has(op.name)) expect([who, reply.status]).toEqual([who, 401]);
			}
		},
	);

	it.each(ops.filter((op) => op.keys && op.scope !== undefined).map((op) => [op.name, op] as const))(
		"%s takes the scope that it says, and no other",
		async (_, op) => {
			const all = ["events", "rules", "alerts", "notifications", "keys", "settings"].flatMap((noun) => [
				`${noun}:read`,
				`${noun}:write`,
			]);
			const lacking = await keyOf(a, all.filter((scope) => scope !== op.scope));
			const refused = await knock(lacking.api, op);
			expect([refused.status, refused.body.code]).toEqual([403, "forbidden"]);
			expect(refused.body.error).toContain(op.scope);
			if (STREAMS.has(op.name)) return;
			const having = await knock((await keyOf(a, [op.scope!])).api, op);
			expect([401, 403]).not.toContain(having.status);
		},
	);

	it.each(ops.filter((op) => (op.keys || op.role !== undefined) && !LETS_IN_NOBODY.has(op.name)).map((op) => [op.name, op] as const))(
		"%s is not for who is suspended",
		async (_, op) => {
			const [key, owner] = closed as [Api, Api];
			for (const api of [...(op.keys ? [key] : []), ...(op.people ? [owner] : [])]) {
				const reply = await knock(api, op, "");
				const want = WHILE_CLOSED.has(op.name) ? [false, false] : [true, true];
				expect([reply.status === 403, reply.body.code === "org_closed"]).toEqual(want);
			}
		},
	);

	it.each(ops.filter((op) => op.people && !LETS_IN_NOBODY.has(op.name)).map((op) => [op.name, op] as const))(
		"%s is not for who is leaving",
		async (_, op) => {
			const reply = await knock(leaving.api, op);
			expect([reply.status === 403, reply.body.code === "account_leaving"]).toEqual(
				WHILE_LEAVING.has(op.name) ? [false, false] : [true, true],
			);
		},
	);

	it.each(ops.filter((op) => !op.keys && op.people).map((op) => [op.name, op] as const))(
		"%s is for people, not for keys",
		async (_, op) => {
			expect((await knock(a, op)).status).toBe(403);
		},
	);

	it("asks for the role that each call says", async () => {
		const people: Person[] = [];
		for (const role of ROLES) people.push(role === "owner" ? ana : await memberOf(ana, role));
		const asked = ops.filter((one) => one.people && one.role !== undefined);
		for (const op of asked.filter((one) => !LETS_IN_NOBODY.has(one.name))) {
			for (const [i, role] of ROLES.entries()) {
				const may = i >= ROLES.indexOf(op.role!);
				if (may && STREAMS.has(op.name)) continue;
				const reply = await knock(people[i]!.api, op);
				expect([op.name, role, [401, 403].includes(reply.status)]).toEqual([op.name, role, !may]);
			}
		}
	});

	it.each(ops.filter((op) => op.params.length > 0 && (op.keys || op.people) && !OF_ONES_OWN.has(op.name)).map((op) => [op.name, op] as const))(
		"%s hides what is not yours",
		async (_, op) => {
			const mine = op.params.some((param) => param.prefix === "ses" || param.prefix === "usr" || param.prefix === "inv");
			const others: [string, Api][] = [["their owner", ben.api]];
			if (op.keys) others.push(["their key", b]);
			if (op.keys && !mine) others.push(["a key of another project", sibling]);
			for (const [who, other] of others) {
				const headers = { "if-match": "*" };
				const theirs = await other.call(op.method, fill(op, idOf), body(op), headers);
				const none = await other.call(op.method, fill(op, (p) => nobodys(idOf(p))), body(op), headers);
				expect([who, theirs.status, masked(theirs)]).toEqual([who, 404, masked(none)]);
			}
		},
	);

	it("shows nothing of A in any list or count of B", async () => {
		for (const op of ops.filter((one) => one.method === "GET" && one.params.length === 0)) {
			if (STREAMS.has(op.name)) continue;
			for (const api of [...(op.keys ? [b] : []), ...(op.people ? [ben.api] : [])]) {
				const reply = await api.call(op.method, op.path);
				for (const secret of [MARK, ...Object.values(things), ana.login.org!.id]) {
					expect([op.name, reply.text.includes(secret)]).toEqual([op.name, false]);
				}
			}
		}
	});

	it("shows nothing of a project in any list of another one", async () => {
		const { prj, rul, evt, alr, dlv, key } = things;
		for (const op of ops.filter((one) => one.method === "GET" && one.params.length === 0 && one.keys)) {
			if (STREAMS.has(op.name) || OF_THE_ORG.has(op.name)) continue;
			const reply = await sibling.call(op.method, op.path);
			for (const secret of [MARK, prj!, rul!, evt!, alr!, dlv!, key!]) {
				expect([op.name, reply.text.includes(secret)]).toEqual([op.name, false]);
			}
		}
	});

	it("left everything as it was", async () => {
		const rule = await a.get<{ name: string; version: number }>(`/api/v1/rules/${things.rul}`);
		expect(rule.body).toMatchObject({ name: MARK, version: 1 });
		expect((await a.get(`/api/v1/events/${things.evt}`)).status).toBe(200);
		const key = await a.get<{ name: string; revokedAt: unknown }>(`/api/v1/keys/${things.key}`);
		expect(key.body).toMatchObject({ name: MARK, revokedAt: null });
		expect((await ana.api.get("/api/v1/auth/me")).status).toBe(200);
	});
});
