// What is taken away is gone at once: the next call is refused, and every stream of that credential
// ends within a second. Each row of the table takes something from somebody, in its own way.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api, type Problem } from "../harness/api.ts";
import { tenant, tocsin } from "../harness/command.ts";
import { begin, readOn } from "../harness/lines.ts";
import { Socket, Sse } from "../harness/live.ts";
import { ruleOf } from "../harness/model.ts";
import { memberOf, PASSWORD, Person } from "../harness/person.ts";
import { Raw } from "../harness/raw.ts";
import { Server, slower } from "../harness/server.ts";
import { stores } from "../harness/store.ts";

const SECOND = 1000;
/** Events enough that an export of them does not fit into what lies between two programs. */
const BATCHES = 30;

interface Scene {
	server: Server;
	owner: Person;
	/** Somebody else of the organization, and a key of it. */
	other: Person;
	key: { id: string; secret: string };
	run: (...args: string[]) => Promise<void>;
}
interface Row {
	name: string;
	/** Whose streams end: the other person's, the key's, or both. */
	whose: ("person" | "key")[];
	/** What the next call answers, and its code. */
	next: [number, string];
	act: (scene: Scene) => Promise<unknown>;
}

const good = async (reply: Promise<{ status: number; text: string }>) => {
	const got = await reply;
	if (got.status >= 300) throw new Error(`not done: ${got.status} ${got.text}`);
};
const member = ({ other }: Scene) => `/api/v1/members/${other.login.user.id}`;

const rows: Row[] = [
	{ name: "a key is revoked", whose: ["key"], next: [401, "unauthorized"], act: (s) => good(s.owner.api.delete(`/api/v1/keys/${s.key.id}`)) },
	{
		name: "a key is followed by another without an overlap",
		whose: ["key"],
		next: [401, "unauthorized"],
		act: (s) => good(s.owner.api.post(`/api/v1/keys/${s.key.id}/rotate`, { overlapSeconds: 0 })),
	},
	{ name: "a key is revoked as SignalDesk did", whose: ["key"], next: [401, "unauthorized"], act: (s) => good(s.owner.api.delete(`/api-keys/${s.key.id}`)) },
	{ name: "a member is removed", whose: ["person"], next: [403, "forbidden"], act: (s) => good(s.owner.api.delete(member(s))) },
	{ name: "a member leaves", whose: ["person"], next: [403, "forbidden"], act: (s) => good(s.other.api.post("/api/v1/members/leave")) },
	{ name: "a session logs out", whose: ["person"], next: [401, "unauthorized"], act: (s) => good(s.other.api.post("/api/v1/auth/logout")) },
	{
		name: "a session is ended from another one",
		whose: ["person"],
		next: [401, "unauthorized"],
		act: async (s) => {
			const here = await Person.logIn(s.server.url, s.other.login.user.email);
			await good(here.api.delete("/api/v1/auth/sessions"));
		},
	},
	{
		name: "a password is changed in another session",
		whose: ["person"],
		next: [401, "unauthorized"],
		act: async (s) => {
			const here = await Person.logIn(s.server.url, s.other.login.user.email);
			await good(here.api.post("/api/v1/auth/password", { currentPassword: PASSWORD, password: `${PASSWORD} two` }));
		},
	},
	{ name: "a user is disabled", whose: ["person"], next: [401, "unauthorized"], act: (s) => s.run("user", "disable", s.other.login.user.email) },
	{ name: "somebody asks to be deleted", whose: ["person"], next: [401, "unauthorized"], act: (s) => good(s.other.api.delete("/api/v1/auth/me")) },
	{
		name: "an organization is suspended",
		whose: ["person", "key"],
		next: [403, "org_closed"],
		act: (s) => s.run("org", "suspend", s.owner.login.org!.slug),
	},
	{
		name: "an old refresh token comes back",
		whose: ["person"],
		next: [401, "unauthorized"],
		act: async (s) => {
			const refresh = (refreshToken: string) => new Api(s.server.url).post("/api/v1/auth/refresh", { refreshToken });
			await good(refresh(s.other.login.refreshToken));
			s.server.advance(60 * SECOND);
			expect((await refresh(s.other.login.refreshToken)).status).toBe(401);
		},
	},
];

describe.each(stores)("on %s", (store) => {
	let server: Server;

	beforeAll(async () => {
		server = await Server.start({ store, clock: true, args: ["--signup", "open", "--rate-auth", "0"] });
	});
	afterAll(() => server.stop());

	async function scene(): Promise<Scene> {
		const owner = await Person.signUp(server.url, `${randomUUID()}@example.com`);
		const other = await memberOf(owner, "admin");
		const made = await owner.api.post<{ id: string; key: string }>("/api/v1/keys", { name: "k" });
		const run = async (...args: string[]) => {
			const ran = await tocsin([...args, ...server.stateFlags()]);
			if (ran.code !== 0) throw new Error(`not done: ${ran.stderr}`);
		};
		return { server, owner, other, key: { id: made.body.id, secret: made.body.key }, run };
	}

	it.each(rows.map((row) => [row.name, row] as const))("when %s, all is over within a second", async (_, row) => {
		const all = await scene();
		const by = { person: all.other.api.key!, key: all.key.secret };
		const bystander = await Sse.open(server.url, "/api/v1/stream", { authorization: `Bearer ${all.owner.api.key!}` });
		const streams: { ended: (ms: number) => Promise<unknown> }[] = [];
		for (const who of row.whose) {
			const headers = { authorization: `Bearer ${by[who]}` };
			const sse = await Sse.open(server.url, "/api/v1/stream", headers);
			const ticket = await new Api(server.url, by[who]).post<{ ticket: string }>("/api/v1/stream/tickets");
			const socket = await Socket.open(server.url, `/ws?ticket=${ticket.body.ticket}`);
			const plain = await Socket.open(server.url, "/ws", headers);
			await Promise.all([sse.until((f) => f.length > 0), socket.until((f) => f.length > 0), plain.until((f) => f.length > 0)]);
			streams.push(sse, socket, plain);
		}
		await row.act(all);
		const began = performance.now();
		for (const who of row.whose) {
			const next = await new Api(server.url, by[who]).get<Problem>("/api/v1/events");
			expect([next.status, next.body.code]).toEqual(row.next);
		}
		await Promise.all(streams.map((stream) => stream.ended(SECOND)));
		expect(performance.now() - began).toBeLessThan(SECOND * slower);
		// Nobody else's end with them, but when it is all of the organization's.
		if (row.next[1] === "org_closed") await bystander.ended(SECOND);
		else expect(bystander.closed).toBe(false);
		bystander.close();
	});

	it("a lowered role counts from the next call on, and its streams show what it still may see", async () => {
		const { owner, other } = await scene();
		const stream = await Sse.open(server.url, "/api/v1/stream", { authorization: `Bearer ${other.api.key!}` });
		await stream.until((frames) => frames.length > 0);
		expect((await other.api.post("/api/v1/keys", { name: "mine" })).status).toBe(201);
		expect((await owner.api.patch(`/api/v1/members/${other.login.user.id}`, { role: "viewer" })).status).toBe(200);
		expect((await other.api.post("/api/v1/keys", { name: "more" })).status).toBe(403);
		await owner.api.post("/api/v1/events", { type: "seen" });
		await stream.until(() => stream.of("event").length === 1);
		stream.close();
	});

	it("a project that is deleted takes its keys and their streams with it", async () => {
		const { owner } = await scene();
		const key = await tenant(server, owner.login.org!.slug, "side");
		const project = await key.get<{ id: string }>("/api/v1/projects/current");
		const stream = await Sse.open(server.url, "/api/v1/stream", { authorization: `Bearer ${key.key!}` });
		await stream.until((frames) => frames.length > 0);
		await good(owner.api.delete(`/api/v1/projects/${project.body.id}?confirm=${project.body.id}`, { "if-match": "*" }));
		expect((await key.get("/api/v1/events")).status).toBe(401);
		await stream.ended(SECOND);
	});

	describe("a body that comes late", () => {
		const cases: [string, (s: Scene) => Promise<unknown>, "person" | "key"][] = [
			["the key was revoked", (s) => good(s.owner.api.delete(`/api/v1/keys/${s.key.id}`)), "key"],
			["the organization was suspended", (s) => s.run("org", "suspend", s.owner.login.org!.slug), "key"],
			["the member was removed", (s) => good(s.owner.api.delete(member(s))), "person"],
			["the role was lowered", (s) => good(s.owner.api.patch(member(s), { role: "viewer" })), "person"],
			["the session was ended", (s) => good(s.other.api.post("/api/v1/auth/logout")), "person"],
			["nothing happened", async () => undefined, "key"],
			["nothing happened to the person", async () => undefined, "person"],
		];

		it.each(cases)("does nothing when %s before it", async (what, act, who) => {
			const all = await scene();
			const secret = who === "key" ? all.key.secret : all.other.api.key!;
			const calls: [string, string][] = [
				["/api/v1/events", '{"type":"late"}'],
				["/api/v1/keys", '{"name":"late"}'],
				["/rules", JSON.stringify(ruleOf({ eventType: "late" }))],
			];
			const open: [Raw, string][] = [];
			for (const [path, body] of calls) {
				const raw = await Raw.open(server.port);
				const lines = [`POST ${path} HTTP/1.1`, "Host: x", `Authorization: Bearer ${secret}`, "Expect: 100-continue", `Content-Length: ${body.length}`];
				raw.send(Buffer.from(`${lines.join("\r\n")}\r\n\r\n`));
				// The head was good: the server asks for the body.
				await raw.until(() => raw.text.includes("100 Continue"));
				open.push([raw, body]);
			}
			await act(all);
			// More than a moment, and less than a body may take.
			server.advance(SECOND);
			const statuses: string[] = [];
			for (const [raw, body] of open) {
				raw.send(Buffer.from(body));
				await raw.until(() => /HTTP\/1\.1 [2-5]\d\d/.test(raw.text));
				statuses.push(/HTTP\/1\.1 ([2-5]\d\d)/.exec(raw.text)![1]!);
				raw.close();
			}
			expect(statuses).toEqual(what.startsWith("nothing") ? ["201", "201", "201"] : ["401", "401", "401"]);
		});
	});

	describe("an answer that takes its time", () => {
		const cases: [string, (s: Scene) => Promise<unknown>, "person" | "key"][] = [
			["the key is revoked", (s) => good(s.owner.api.delete(`/api/v1/keys/${s.key.id}`)), "key"],
			["the organization of a key is suspended", (s) => s.run("org", "suspend", s.owner.login.org!.slug), "key"],
			["the organization of a person is suspended", (s) => s.run("org", "suspend", s.owner.login.org!.slug), "person"],
			["the member is removed", (s) => good(s.owner.api.delete(member(s))), "person"],
			["the role is lowered", (s) => good(s.owner.api.patch(member(s), { role: "viewer" })), "person"],
		];

		it.each(cases)("breaks off when %s", async (_, act, who) => {
			const all = await scene();
			const fill = new Api(server.url, all.key.secret);
			const events = Array.from({ length: 1000 }, () => ({ type: "x", payload: { text: "x".repeat(1000) } }));
			for (let i = 0; i < BATCHES; i++) expect((await fill.post("/api/v1/events", events)).status).toBe(200);
			const reader = new Api(server.url, who === "key" ? all.key.secret : all.other.api.key!);
			const slow = await begin(reader, "/api/v1/events/export");
			slow.pause();
			expect(slow.statusCode).toBe(200);
			await act(all);
			const began = performance.now();
			const got = await readOn(slow);
			expect([got.whole, got.lines.length < BATCHES * 1000]).toEqual([false, true]);
			expect(performance.now() - began).toBeLessThan(SECOND * slower);
		});
	});
});
