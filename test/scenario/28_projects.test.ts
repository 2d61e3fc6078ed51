// Projects: what a key sees of its own, what can be changed of one, and that another's is none.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api, eventually, type Problem, type Reply } from "../harness/api.ts";
import { tenant } from "../harness/command.ts";
import { Sse } from "../harness/live.ts";
import { type Event, listAll, makeRule, type Rule, sendEvent } from "../harness/model.ts";
import { Person } from "../harness/person.ts";
import { Server } from "../harness/server.ts";
import { stores } from "../harness/store.ts";

interface Project {
	id: string;
	slug: string;
	name: string;
	isDefault: boolean;
	environments: string[];
	origins: string[];
	ownerId: string | null;
	retentionDays: number | null;
	key: { id: string; name: string; keyPrefix: string } | null;
	version: number;
}

let server: Server;
let api: Api;
let shop: Api;

describe.each(stores)("on %s", (store) => {
	beforeAll(async () => {
		const args = ["--signup", "open", "--rate-auth", "0", "--public-url", "https://tocsin.example/"];
		server = await Server.start({ store, clock: true, args });
		api = await Api.bootstrap(server.url);
		shop = await tenant(server, "default", "shop");
	});
	afterAll(() => server.stop());

	const CURRENT = "/api/v1/projects/current";
	const get = async (by: Api) => (await by.get<Project>(CURRENT)).body;
	const patch = (by: Api, body: unknown, headers = {}) => by.patch<Project & Problem>(CURRENT, body, headers);
	const said = ({ status, body }: Reply<Problem>) => [status, body.code, body.field];
	const masked = ({ status, text }: Reply) => [status, text.replace(/"requestId":"[^"]*"/, "")];

	describe("a key's project", () => {
		it("is the only one that the key sees", async () => {
			const [first, second] = [await get(api), await get(shop)];
			expect([first.slug, first.isDefault, second.slug, second.isDefault]).toEqual(["default", true, "shop", false]);
			expect(await listAll<Project>(api, "/api/v1/projects", 1)).toEqual([first]);
			expect(await listAll<Project>(shop, "/api/v1/projects")).toEqual([second]);
			expect((await api.get(`/api/v1/projects/${first.id}`)).status).toBe(200);
			const foreign = await get(await tenant(server, "globex"));
			for (const id of [second.id, foreign.id]) {
				const missing = "/api/v1/projects/prj_0W5C2N9XPWDAX";
				const path = `/api/v1/projects/${id}`;
				expect(masked(await api.get(path))).toEqual(masked(await api.get(missing)));
				expect(masked(await api.patch(path, { name: "x" }))).toEqual(masked(await api.patch(missing, { name: "x" })));
				expect(masked(await api.post(`${path}/rotate-key`))).toEqual(masked(await api.post(`${missing}/rotate-key`)));
				expect((await api.get(path)).status).toBe(404);
			}
			expect((await get(shop)).name).toBe("shop");
		});

		it("is not made and not deleted by a key", async () => {
			expect(said(await api.post<Problem>("/api/v1/projects", { name: "x" }))).toEqual([403, "forbidden", undefined]);
			const { id } = await get(shop);
			expect(said(await shop.delete<Problem>(`/api/v1/projects/${id}?confirm=${id}`))).toEqual([403, "forbidden", undefined]);
		});

		it("is changed from the version that was meant, also over a restart", async () => {
			const { version } = await get(shop);
			const change = {
				name: "Web shop",
				slug: "web-shop",
				environments: ["production", "staging", "production"],
				origins: ["HTTPS://Shop.Example:443", "https://shop.example", "https://*.shop.example"],
			};
			const changed = await patch(shop, change, { "if-match": `"${version}"` });
			expect([changed.status, changed.headers.get("etag")]).toEqual([200, `"${version + 1}"`]);
			expect(changed.body).toMatchObject({
				...change,
				environments: ["production", "staging"],
				origins: ["https://shop.example", "https://*.shop.example"],
				version: version + 1,
			});
			expect(said(await patch(shop, { name: "late" }, { "if-match": `"${version}"` }))).toEqual([412, "precondition_failed", undefined]);
			expect((await patch(shop, {})).body.version).toBe(version + 1);
			await server.restart();
			expect(await get(shop)).toEqual(changed.body);
			const emptied = await patch(shop, { environments: [], origins: null, retentionDays: 30 });
			expect(emptied.body).toMatchObject({ name: "Web shop", environments: [], origins: [], retentionDays: 30 });
			expect((await patch(shop, { retentionDays: null })).body.retentionDays).toBeNull();
		});

		it("has bounds for each of its members", async () => {
			const origin = `https://${"a".repeat(243)}.de`;
			const many = (n: number, make: (i: number) => string) => Array.from({ length: n }, (_, i) => make(i));
			const good = {
				name: "n".repeat(255),
				slug: "s".repeat(48),
				environments: many(20, (i) => `e${i}`),
				origins: [origin, ...many(49, (i) => `http://o${i}`)],
			};
			expect(origin).toHaveLength(254);
			expect((await patch(shop, good)).status).toBe(200);
			expect((await patch(shop, { environments: ["e".repeat(100)], origins: [`${origin}e`] })).status).toBe(200);
			const bad: [string, unknown][] = [
				["name", ""],
				["name", null],
				["name", "n".repeat(256)],
				["slug", "s".repeat(49)],
				["slug", "Shop"],
				["slug", "-shop"],
				["slug", "shop-"],
				["environments", many(21, (i) => `e${i}`)],
				["environments[0]", ["e".repeat(101)]],
				["environments[1]", ["a", ""]],
				["origins", many(51, (i) => `http://o${i}`)],
				["origins[0]", [`${origin}ef`]],
				["origins[0]", ["https://shop.example/"]],
				["origins[0]", ["null"]],
				["ownerId", "usr_0W5C2N9XPWDAX"],
				["ownerId", "me"],
				["retentionDays", -1],
				["retentionDays", 36_501],
				["colour", "red"],
			];
			for (const [field, value] of bad) {
				const name = field.replace(/\[.*/, "");
				expect([...said(await patch(shop, { [name]: value })), value]).toEqual([400, "invalid", field, value]);
			}
		});

		it("has a short name of its own in the organization", async () => {
			expect(said(await patch(shop, { slug: "default" }))).toEqual([409, "conflict", "slug"]);
			expect((await patch(await tenant(server, "globex"), { slug: "shop" })).status).toBe(200);
		});

		it("shows its newest key that works, and puts another in its place", async () => {
			const make = async () =>
				(await shop.post<{ id: string; key: string }>("/api/v1/keys", { name: "page", scopes: ["events:write"] })).body;
			const [, second] = [await make(), await make()];
			expect((await get(shop)).key).toMatchObject({ id: second.id, name: "page", keyPrefix: `${second.key.slice(0, 12)}...` });
			const path = `${CURRENT}/rotate-key`;
			const reply = await shop.post<{ key: { id: string; key: string }; previous: { id: string } }>(path, { overlapSeconds: 0 });
			expect([reply.status, reply.body.previous.id]).toEqual([201, second.id]);
			const shown = await shop.get<Project>(CURRENT);
			expect(shown.body.key?.id).toBe(reply.body.key.id);
			expect(shown.text).not.toContain(reply.body.key.key);
			const weak = new Api(server.url, second.key);
			expect((await weak.post(path)).status).toBe(401);
			expect((await new Api(server.url, reply.body.key.key).post(path)).status).toBe(403);
		});
	});

	type Made = Omit<Project, "key"> & { key: { id: string; key: string; projectId: string; scopes: string[]; madeBy: string | null } };

	const mail = () => `${randomUUID()}@example.com`;
	const founder = () => Person.signUp(server.url, mail());
	const make = (who: Person, body: object = {}) => who.api.post<Made & Problem>("/api/v1/projects", { name: "Web Shop", ...body });
	const drop = (who: Person, id: string, more = "") => who.api.delete<Problem>(`/api/v1/projects/${id}?confirm=${id}${more}`);
	/** Calls of a person are about this project. */
	const of = (project: { id: string }) => ({ "x-project-id": project.id });

	async function join(owner: Person, role: string): Promise<Person> {
		const email = mail();
		const reply = await owner.api.post<{ inviteUrl: string }>("/api/v1/invites", { email, role });
		if (reply.status !== 201) throw new Error(`no invite: ${reply.text}`);
		return Person.signUp(server.url, email, { inviteToken: reply.body.inviteUrl.split("#token=")[1]! });
	}

	describe("people", () => {
		it("make projects, with a key that is shown once", async () => {
			const ana = await founder();
			const { status, body, headers } = await make(ana, { origins: ["https://shop.example"], ownerId: ana.login.user.id });
			expect([status, headers.get("etag")]).toEqual([201, '"1"']);
			expect(body).toMatchObject({ name: "Web Shop", slug: "web-shop", isDefault: false, ownerId: ana.login.user.id });
			expect(body.key).toMatchObject({ projectId: body.id, scopes: ["events:read", "events:write"], madeBy: ana.login.user.id });
			const key = new Api(server.url, body.key.key);
			await sendEvent(key, "first.event");
			expect(await listAll<Event>(ana.api, "/api/v1/events")).toEqual([]);
			const seen = await ana.api.get<{ data: Event[] }>("/api/v1/events", of(body));
			expect(seen.body.data.map(({ projectId }) => projectId)).toEqual([body.id]);
			expect((await make(ana)).body.slug).toBe("web-shop-2");
			expect(said(await make(ana, { slug: "web-shop" }))).toEqual([409, "conflict", "slug"]);
			expect((await make(ana, { slug: "shop" })).body.slug).toBe("shop");
			expect(said(await make(ana, { name: undefined }))).toEqual([400, "invalid", "name"]);
			const all = await ana.api.get(`/api/v1/projects`);
			expect((all.body as { data: Project[] }).data.map(({ slug }) => slug).slice(0, 3)).toEqual(["shop", "web-shop-2", "web-shop"]);
			expect(all.text).not.toContain(body.key.key);
			await server.restart("SIGKILL");
			await sendEvent(key, "after.restart");
		});

		it("see the projects of their organization, and no other", async () => {
			const [ana, ben] = [await founder(), await founder()];
			const { body: project } = await make(ana);
			expect((await ana.api.get(`/api/v1/projects/${project.id}`)).status).toBe(200);
			const missing = "/api/v1/projects/prj_0W5C2N9XPWDAX";
			expect(masked(await ben.api.get(`/api/v1/projects/${project.id}`))).toEqual(masked(await ben.api.get(missing)));
			expect((await ben.api.get("/api/v1/events", of(project))).status).toBe(404);
			expect((await drop(ben, project.id)).status).toBe(404);
			const other = await make(ben, { ownerId: ana.login.user.id });
			expect(said(other)).toEqual([400, "invalid", "ownerId"]);
		});

		it("do with projects and keys what their role allows", async () => {
			const owner = await founder();
			const { body: project } = await make(owner);
			const path = `/api/v1/projects/${project.id}`;
			const keyOf = async () => (await owner.api.post<{ id: string }>("/api/v1/keys", { name: "x", projectId: project.id })).body.id;
			const calls: [string, number, (who: Person) => Promise<Reply<unknown>>][] = [
				["viewer", 200, (who) => who.api.get(path)],
				["viewer", 200, (who) => who.api.get("/api/v1/projects")],
				["member", 200, (who) => who.api.get("/api/v1/keys")],
				["member", 200, async (who) => who.api.get(`/api/v1/keys/${await keyOf()}`)],
				["admin", 201, (who) => make(who)],
				["admin", 200, (who) => who.api.patch(path, { name: "x" })],
				["admin", 201, (who) => who.api.post(`${path}/rotate-key`)],
				["admin", 201, (who) => who.api.post("/api/v1/keys", { name: "x", projectId: project.id })],
				["admin", 200, async (who) => who.api.patch(`/api/v1/keys/${await keyOf()}`, { name: "x" })],
				["admin", 201, async (who) => who.api.post(`/api/v1/keys/${await keyOf()}/rotate`)],
				["admin", 204, async (who) => who.api.delete(`/api/v1/keys/${await keyOf()}`)],
				["admin", 204, async (who) => drop(who, (await make(owner)).body.id)],
			];
			const roles = ["viewer", "member", "admin"];
			for (const role of roles) {
				const who = await join(owner, role);
				for (const [least, status, call] of calls) {
					const want = roles.indexOf(role) >= roles.indexOf(least) ? status : 403;
					expect([role, calls.findIndex((c) => c[2] === call), (await call(who)).status]).toEqual([role, calls.findIndex((c) => c[2] === call), want]);
				}
			}
		});

		it("have up to a thousand projects, also when many are made at a time", async () => {
			const ana = await founder();
			const statuses: number[] = [];
			await Promise.all(
				Array.from({ length: 8 }, async (_, who) => {
					while (!statuses.includes(402)) statuses.push((await make(ana, { slug: `p${who}-${statuses.length}` })).status);
				}),
			);
			expect(statuses.filter((status) => status === 201)).toHaveLength(999);
			expect(statuses.filter((status) => status !== 201 && status !== 402 && status !== 409)).toEqual([]);
			expect(await listAll<Project>(ana.api, "/api/v1/projects", 1000)).toHaveLength(1000);
		});

		it("prove who they are before they delete one", async () => {
			const ana = await founder();
			const { body: project } = await make(ana);
			server.advance(10 * 60_000);
			expect((await drop(ana, project.id)).body.code).toBe("proof_required");
			expect((await ana.api.get(`/api/v1/projects/${project.id}`)).status).toBe(200);
		});
	});

	describe("a deleted project", () => {
		it("is gone with its keys, streams, rules and events", async () => {
			const ana = await founder();
			const { body: project } = await make(ana);
			const { body: kept } = await make(ana, { name: "Kept" });
			const key = new Api(server.url, project.key.key);
			const person = (path: string) => ana.api.get<{ data: unknown[] }>(path, of(project));
			const { body: full } = await ana.api.post<{ key: string }>("/api/v1/keys", { name: "all", projectId: project.id });
			const all = new Api(server.url, full.key);
			await makeRule(all, { eventType: "gone.*" });
			await makeRule(all, { eventType: "gone.*", name: "second" });
			const { id } = await sendEvent(key, "gone.one");
			const stream = async (more: Record<string, string>) => {
				const sse = await Sse.open(server.url, "/api/v1/stream", more);
				await sse.until(() => sse.of("connected").length === 1);
				return sse;
			};
			const byKey = await stream({ authorization: `Bearer ${project.key.key}` });
			const byPerson = await stream({ authorization: `Bearer ${ana.login.accessToken}`, ...of(project) });
			expect((await person("/api/v1/rules")).body.data).toHaveLength(2);

			expect(said(await ana.api.delete(`/api/v1/projects/${project.id}`))).toEqual([400, "invalid", "confirm"]);
			expect(said(await ana.api.delete(`/api/v1/projects/${project.id}?confirm=${kept.id}`))).toEqual([400, "invalid", "confirm"]);
			expect((await ana.api.delete(`/api/v1/projects/${project.id}?confirm=${project.id}`, { "if-match": '"9"' })).status).toBe(412);
			expect((await drop(ana, project.id)).status).toBe(204);
			await Promise.all([byKey.ended(), byPerson.ended()]);
			expect((await key.get("/api/v1/events")).status).toBe(401);
			expect((await person("/api/v1/events")).status).toBe(404);
			expect((await drop(ana, project.id)).status).toBe(404);
			const path = `/api/v1/projects/${project.id}`;
			expect((await ana.api.patch(path, { name: "x" })).status).toBe(404);
			expect(said(await ana.api.post("/api/v1/keys", { name: "x", projectId: project.id }))).toEqual([404, "not_found", "projectId"]);
			const gone = await ana.api.get<{ revokedAt: string }>(`/api/v1/keys/${project.key.id}`);
			expect(gone.body.revokedAt).not.toBeNull();
			expect((await listAll<Project>(ana.api, "/api/v1/projects")).map(({ slug }) => slug)).toEqual(["kept", "default"]);
			expect((await make(ana)).body.slug).toBe("web-shop");

			await server.restart("SIGKILL");
			expect((await key.get("/api/v1/events")).status).toBe(401);
			expect((await person("/api/v1/events")).status).toBe(404);
			await sendEvent(new Api(server.url, kept.key.key), "gone.one");
			expect((await ana.api.get(`/api/v1/events/${id}`, of(kept))).status).toBe(404);
			expect((await ana.api.get<{ data: Rule[] }>("/api/v1/rules", of(kept))).body.data).toEqual([]);
			await eventually(
				() => ana.api.get<{ data: Event[] }>("/api/v1/events", of(kept)),
				({ body }) => body.data.length === 1,
			);
		});

		it("is never the default one", async () => {
			const ana = await founder();
			const { id } = (await ana.api.get<Project>(CURRENT)).body;
			expect(said(await drop(ana, id))).toEqual([409, "conflict", undefined]);
			expect((await ana.api.get(CURRENT)).status).toBe(200);
		});
	});
});
