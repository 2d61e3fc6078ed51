// Projects: what a key sees of its own, what can be changed of one, and that another's is none.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api, type Problem, type Reply } from "../harness/api.ts";
import { tenant } from "../harness/command.ts";
import { listAll } from "../harness/model.ts";
import { Server } from "../harness/server.ts";

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

beforeAll(async () => {
	server = await Server.start({ clock: true });
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
