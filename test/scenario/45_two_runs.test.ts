// What a tenant sees does not depend on what another one does: the same calls on two servers, one of
// which somebody else keeps busy, have the same replies but for ids and times.
import { randomUUID } from "node:crypto";
import { expect, it } from "vitest";
import { Api, eventually, type Reply } from "../harness/api.ts";
import { tenant } from "../harness/command.ts";
import { Sse } from "../harness/live.ts";
import { makeRule, type Page, ruleOf } from "../harness/model.ts";
import { Person } from "../harness/person.ts";
import { Server, slower } from "../harness/server.ts";
import { settledUsage } from "../harness/usage.ts";
import { stores, type Store } from "../harness/store.ts";

const MASKS: [RegExp, string][] = [
	[/\b(org|prj|key|rul|usr|ses|inv|aud)_[0-9A-Z]{13}/g, "$1_ID"],
	[/\b(evt|alr|dlv)_[0-9A-Z]{26}/g, "$1_ID"],
	[/"requestId":"[^"]*"/g, '"requestId":""'],
	[/"(hash|previousHash|streamId|actorSalt|actorMark|targetSalt|targetMark)":"[^"]*"/g, '"$1":""'],
	[/\d{4}-\d\d-\d\dT\d\d:\d\d:[\d.]+Z/g, "TIME"],
	[/\bsk_[0-9a-f]+/g, "sk_KEY"],
	[/eyJ[\w-]+\.[\w-]+\.[\w-]+/g, "TOKEN"],
	[/"nextCursor":"[^"]*"/g, '"nextCursor":"CURSOR"'],
	[/\btkt_[0-9A-Z]+/g, "TICKET"],
	[/\binv_[0-9a-f]{64}/g, "INVITE"],
	[/"(durationMs|us)":\d+/g, '"$1":0'],
	[/"step":\d+,"buckets":\[[^\]]*\]/g, '"buckets":[]'],
	// Of a search that takes longer than it should, by the clock; and counts whose minute may just end.
	[/\{"progress":[^\n]*\n/g, ""],
	[/"data":\[\{"start":[^\]]*\]/g, '"data":[]'],
	// B's own keys, saved every half a minute: a slow run sees that they were used, a quick one does not.
	[/"lastUsedAt":(null|"TIME")/g, '"lastUsedAt":"MAYBE"'],
	[/"lastUsedFrom":(null|"127\.0\.0\.1")/g, '"lastUsedFrom":"MAYBE"'],
	[/\b\d{4}-\d\d-\d\d\b/g, "DAY"],
];
const mask = (text: string) => MASKS.reduce((all, [what, by]) => all.replace(what, by), text);
/** Those that do not count down, or differ by themselves. */
const HEADERS = ["content-type", "retry-after", "x-usage-warning", "etag", "x-ratelimit-limit"];

/** What somebody else does meanwhile. */
type Between = () => Promise<void>;

type Note = <T>(reply: Promise<Reply<T>>) => Promise<Reply<T>>;

/** What people of B do, and see of themselves. */
async function people(server: Server, note: Note, between: Between): Promise<void> {
	const owner = await Person.signUp(server.url, "owner@b.example", { orgName: "B" });
	const { api } = owner;
	await note(api.post("/api/v1/invites", { email: "ben@b.example", role: "admin" }));
	const made = await api.post<{ inviteUrl: string }>("/api/v1/invites", { email: "cy@b.example" });
	const inviteToken = made.body.inviteUrl.split("#token=")[1]!;
	const member = await Person.signUp(server.url, "cy@b.example", { inviteToken });
	const listener = await Sse.open(server.url, "/api/v1/stream", { authorization: `Bearer ${member.api.key!}` });
	await listener.until((frames) => frames.length > 0);
	await note(api.post("/api/v1/projects", { name: "shop" }));
	await note(api.post("/api/v1/rules", ruleOf({ eventType: "shop.*" })));
	await note(api.post("/api/v1/events", { type: "shop.a" }));
	const shown = () => ["event", "alert", "notification"].every((kind) => listener.of(kind).length > 0);
	await listener.until(shown);
	await between();
	const frames = listener.frames.map(({ event, data }) => `${event} ${JSON.stringify(data)}`);
	await note(Promise.resolve({ status: 200, headers: new Headers(), body: {}, text: mask(frames.sort().join("\n")) }));
	listener.close();
	await note(api.patch(`/api/v1/members/${member.login.user.id}`, { role: "viewer" }));
	await note(member.api.post("/api/v1/rules", ruleOf({ eventType: "x" })));
	for (const path of ["auth/me", "auth/sessions", "members", "invites", "orgs", "orgs/current", "orgs/current/export", "projects", "keys", "audit", "audit/export", "alerts", "deliveries", "rules"]) {
		await note(api.get(`/api/v1/${path}`));
	}
	await note(new Api(server.url).post("/api/v1/auth/login", { email: "owner@b.example", password: "not the password" }));
	await note(new Api(server.url).post("/api/v1/auth/signup", { email: "owner@b.example", password: "some password of mine", orgName: "B" }));
}

async function script(server: Server, between: Between): Promise<string[]> {
	const seen: string[] = [];
	const note: Note = async <T>(reply: Promise<Reply<T>>): Promise<Reply<T>> => {
		const got = await reply;
		const headers = HEADERS.map((name) => `${name}: ${got.headers.get(name) ?? ""}`);
		seen.push([String(got.status), ...headers, mask(got.text)].join("\n"));
		await between();
		return got;
	};
	const b = await tenant(server, "b");
	await between();
	await people(server, note, between);
	const rule = await makeRule(b, { eventType: "shop.*", name: "shop", threshold: 2, windowSeconds: 3600 });
	await note(b.get("/api/v1/rules"));
	for (let i = 0; i < 6; i++) {
		await note(b.post("/api/v1/events", { type: "shop.a", payload: { i } }, { "idempotency-key": `k${i % 5}` }));
	}
	await note(b.post("/api/v1/events", [{ type: "shop.b" }, { type: "" }, { nothing: 1 }]));
	const alerts = () => b.get<Page<{ id: string }>>("/api/v1/alerts");
	await eventually(alerts, (got) => got.body.data.length === 5);
	const sent = () => b.get<Page<{ id: string }>>("/api/v1/deliveries?status=sent");
	await eventually(sent, (got) => got.body.data.length === 5);
	await settledUsage(b);
	// What was sent is booked once a second.
	const outcomes = () => b.get<{ total: { received: number } }>("/api/v1/outcomes");
	await eventually(outcomes, (got) => got.body.total.received === 9);
	for (const path of [
		"/api/v1/events",
		"/api/v1/events?limit=2",
		"/api/v1/events?q=type:shop.*",
		"/api/v1/events/search?q=shop",
		"/api/v1/events/export?format=csv",
		"/api/v1/alerts",
		"/api/v1/deliveries",
		"/api/v1/keys",
		"/api/v1/usage",
		"/api/v1/outcomes",
		"/api/v1/stats/events",
		"/api/v1/projects/current",
		"/events",
		"/usage",
		"/api-keys",
		"/notifications",
		"/api/v1/system/quarantine",
	]) {
		await note(b.get(path));
	}
	await note(b.patch(`/api/v1/rules/${rule.id}`, { threshold: 3 }, { "if-match": "*" }));
	await note(b.get("/api/v1/rules/rul_0000000000000"));
	await note(b.post("/api/v1/keys", { name: "second", scopes: ["events:read"] }));
	await note(b.post("/api/v1/deliveries/replay", {}));
	await note(b.delete(`/api/v1/rules/${rule.id}`, { "if-match": "*" }));
	return seen;
}

async function busy(server: Server): Promise<Between> {
	const a = await tenant(server, "a");
	const person = await Person.signUp(server.url, `${randomUUID()}@a.example`, { orgName: "Of A" });
	let n = 0;
	return async () => {
		await person.api.post("/api/v1/invites", { email: `${randomUUID()}@b.example` });
		await person.api.post("/api/v1/projects", { name: "shop" });
		const made = await makeRule(a, { eventType: "shop.*", name: `a${n}`, threshold: 1 });
		const events = Array.from({ length: 50 }, (_, i) => ({ type: "shop.a", idempotencyKey: `k${i % 5}` }));
		await a.post("/api/v1/events", events);
		await a.post("/api/v1/keys", { name: `k${n++}` });
		await a.get("/api/v1/events/search?q=shop");
		await person.api.post("/api/v1/events", { type: "shop.a" });
		if (n % 2 === 0) await a.delete(`/api/v1/rules/${made.id}`, { "if-match": "*" });
	};
}

async function run(store: Store, withA: boolean): Promise<string[]> {
	const server = await Server.start({ store, args: ["--signup", "open", "--rate-auth", "0"] });
	// The first of all gets the organization that is there; B is never the first.
	await Person.signUp(server.url, "first@example.com");
	const between = withA ? await busy(server) : () => Promise.resolve();
	const seen = await script(server, between);
	await server.stop();
	return seen;
}

it.each(stores)("on %s: B sees the same with A and without", { timeout: 120_000 * slower }, async (store) => {
	const alone = await run(store, false);
	const beside = await run(store, true);
	expect(alone.length).toBeGreaterThan(45);
	expect(beside).toEqual(alone);
});
