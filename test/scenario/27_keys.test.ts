// API keys: what one is, what it may make of itself, how another takes its place, and when it ends.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api, type Problem, type Reply } from "../harness/api.ts";
import { tenant } from "../harness/command.ts";
import { Sse } from "../harness/live.ts";
import { listAll, sendEvent } from "../harness/model.ts";
import { Server } from "../harness/server.ts";
import { stores } from "../harness/store.ts";

interface Key {
	id: string;
	projectId: string;
	name: string;
	keyPrefix: string;
	scopes: string[];
	expiresAt: string | null;
	madeBy: string | null;
	version: number;
	lastUsedAt: string | null;
	lastUsedFrom: string | null;
	rotatedTo: string | null;
	revokedAt: string | null;
}
type Made = Omit<Key, "lastUsedAt" | "lastUsedFrom" | "rotatedTo" | "revokedAt"> & { key: string };
interface Rotated {
	key: Made;
	previous: { id: string; expiresAt: string };
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

let server: Server;
let api: Api;

describe.each(stores)("on %s", (store) => {
	beforeAll(async () => {
		server = await Server.start({ store, clock: true });
		api = await Api.bootstrap(server.url);
	});
	afterAll(() => server.stop());

	async function make(body: Record<string, unknown> = {}, by = api): Promise<Made> {
		const reply = await by.post<Made>("/api/v1/keys", { name: "a key", ...body });
		if (reply.status !== 201) throw new Error(`no key: ${reply.status} ${reply.text}`);
		return reply.body;
	}

	const get = async (id: string, by = api) => (await by.get<Key>(`/api/v1/keys/${id}`)).body;
	const rotate = (id: string, body?: Record<string, unknown>, by = api) =>
		by.post<Rotated & Problem>(`/api/v1/keys/${id}/rotate`, body);
	const as = (key: { key: string }) => new Api(server.url, key.key);
	const opens = async (key: { key: string }) => (await as(key).get("/api/v1/rules")).status === 200;
	const said = ({ status, body }: Reply<Problem>) => [status, body.code, body.field];
	/** The time of the server, which a test may have moved. */
	const now = async () => Date.parse((await sendEvent(api, "what.time.is.it")).receivedAt);
	const at = async (ms: number) => new Date((await now()) + ms).toISOString();

	async function stream(key: { key: string }): Promise<Sse> {
		const sse = await Sse.open(server.url, "/api/v1/stream", { authorization: `Bearer ${key.key}` });
		await sse.until(() => sse.of("connected").length === 1);
		return sse;
	}

	describe("one key", () => {
		it("is shown without its secret, and renamed", async () => {
			const made = await make({ name: "shop", scopes: ["events:write", "rules:read"] });
			const reply = await api.get<Key>(`/api/v1/keys/${made.id}`);
			expect(reply.body).toMatchObject({
				name: "shop",
				scopes: ["events:write", "rules:read"],
				keyPrefix: `${made.key.slice(0, 12)}...`,
				version: 1,
				expiresAt: null,
				madeBy: null,
				rotatedTo: null,
				revokedAt: null,
			});
			expect(reply.text).not.toContain(made.key);
			expect(reply.headers.get("etag")).toBe('"1"');
			const path = `/api/v1/keys/${made.id}`;
			const renamed = await api.patch<Key>(path, { name: "till" }, { "if-match": '"1"' });
			expect([renamed.status, renamed.body.name, renamed.headers.get("etag")]).toEqual([200, "till", '"2"']);
			const late = await api.patch<Problem>(path, { name: "no" }, { "if-match": '"1"' });
			expect(said(late)).toEqual([412, "precondition_failed", undefined]);
			expect(said(await api.patch<Problem>(path, { name: "no" }, { "if-match": "x" }))).toEqual([400, "invalid", "If-Match"]);
			expect((await api.patch(path, {})).body).toMatchObject({ name: "till", version: 2 });
			expect((await api.patch(path, { name: "any" }, { "if-match": "*" })).status).toBe(200);
			expect(await opens(made)).toBe(true);
			expect((await listAll<Key>(api, "/api/v1/keys")).find(({ id }) => id === made.id)?.name).toBe("any");
		});

		it("has a name of 1 to 255 characters, and no other member changes", async () => {
			const path = `/api/v1/keys/${(await make()).id}`;
			expect((await api.patch(path, { name: "n".repeat(255) })).status).toBe(200);
			for (const name of ["", "n".repeat(256), null, 7]) {
				expect(said(await api.patch<Problem>(path, { name }))).toEqual([400, "invalid", "name"]);
			}
			expect(said(await api.patch<Problem>(path, { scopes: [] }))).toEqual([400, "invalid", "scopes"]);
			expect(said(await api.post<Problem>("/api/v1/keys", { name: "n".repeat(256) }))).toEqual([400, "invalid", "name"]);
		});

		it("of another organization or project looks like none", async () => {
			const path = `/api/v1/keys/${(await make()).id}`;
			const missing = "/api/v1/keys/key_0W5C2N9XPWDAX";
			for (const by of [await tenant(server, "globex"), await tenant(server, "default", "second")]) {
				const strip = ({ status, text }: Reply) => [status, text.replace(/"requestId":"[^"]*"/, "")];
				const nobody = strip(await by.get(missing));
				expect(nobody[0]).toBe(404);
				expect(strip(await by.get(path))).toEqual(nobody);
				expect(strip(await by.patch(path, { name: "x" }))).toEqual(strip(await by.patch(missing, { name: "x" })));
				expect(strip(await by.post(`${path}/rotate`))).toEqual(nobody);
				expect(strip(await by.delete(path))).toEqual(nobody);
			}
			expect((await api.get(path)).status).toBe(200);
		});

		it("is revoked once, from the version that was meant, and changes no more", async () => {
			const made = await make();
			const path = `/api/v1/keys/${made.id}`;
			expect((await api.delete(path, { "if-match": '"2"' })).status).toBe(412);
			expect(await opens(made)).toBe(true);
			expect((await api.delete(path, { "if-match": '"1"' })).status).toBe(204);
			expect(await opens(made)).toBe(false);
			expect((await api.delete(path)).status).toBe(404);
			expect((await api.patch(path, { name: "late" })).status).toBe(409);
			expect((await rotate(made.id)).status).toBe(409);
			expect((await get(made.id)).revokedAt).not.toBeNull();
		});

		it("says when it was used last, and from where, also over a restart", async () => {
			const made = await make();
			expect(await get(made.id)).toMatchObject({ lastUsedAt: null, lastUsedFrom: null });
			const before = await now();
			expect(await opens(made)).toBe(true);
			await server.restart();
			const { lastUsedAt, lastUsedFrom } = await get(made.id);
			expect(Date.parse(lastUsedAt!)).toBeGreaterThanOrEqual(before);
			expect(lastUsedFrom).toBe("127.0.0.1");
		});
	});

	describe("the end of a key", () => {
		it("is any time in the future", async () => {
			const expiresAt = await at(5 * 60_000);
			const made = await make({ expiresAt });
			expect(Date.parse(made.expiresAt!)).toBe(Date.parse(expiresAt));
			expect(await opens(made)).toBe(true);
			server.advance(5 * 60_000);
			expect(await opens(made)).toBe(false);
			const post = async (body: object) => said(await api.post<Problem>("/api/v1/keys", { name: "x", ...body }));
			expect(await post({ expiresAt: await at(-1000) })).toEqual([400, "invalid", "expiresAt"]);
			expect(await post({ expiresAt: "soon" })).toEqual([400, "invalid", "expiresAt"]);
			expect(await post({ expiresAt: await at(DAY), expiresIn: "30d" })).toEqual([400, "invalid", "expiresAt"]);
			expect(await post({ expiresIn: "2d" })).toEqual([400, "invalid", "expiresIn"]);
		});

		it("ends its streams at that moment, and nobody else's", async () => {
			const short = await make({ expiresAt: await at(10_000) });
			const long = await make({ expiresAt: await at(DAY) });
			const [ending, staying] = [await stream(short), await stream(long)];
			server.advance(9_000);
			await sendEvent(api, "before.the.end");
			await ending.until(() => ending.of("event").length === 1);
			server.advance(1_500);
			await ending.ended();
			await sendEvent(api, "after.the.end");
			await staying.until(() => staying.of("event").length === 2);
			expect(ending.of("event")).toHaveLength(1);
			staying.close();
		});
	});

	describe("a key that makes keys", () => {
		it("gives no scope that it does not have", async () => {
			const maker = as(await make({ scopes: ["keys:write", "events:write"] }));
			const refused = await maker.post<Problem>("/api/v1/keys", { name: "x", scopes: ["rules:write"] });
			expect(said(refused)).toEqual([403, "forbidden", "scopes"]);
			expect((await make({}, maker)).scopes).toEqual(["events:write", "keys:write"]);
			expect((await make({ scopes: ["events:write"] }, maker)).scopes).toEqual(["events:write"]);
		});

		it("gives no life longer than its own", async () => {
			const end = await at(HOUR);
			const maker = as(await make({ expiresAt: end }));
			const post = (body: object) => maker.post<Problem>("/api/v1/keys", { name: "x", ...body });
			expect(said(await post({ expiresIn: "never" }))).toEqual([403, "forbidden", "expiresAt"]);
			expect(said(await post({ expiresIn: "30d" }))).toEqual([403, "forbidden", "expiresAt"]);
			expect(said(await post({ expiresAt: await at(2 * HOUR) }))).toEqual([403, "forbidden", "expiresAt"]);
			expect(Date.parse((await make({}, maker)).expiresAt!)).toBe(Date.parse(end));
			const sooner = await at(HOUR / 2);
			expect(Date.parse((await make({ expiresAt: sooner }, maker)).expiresAt!)).toBe(Date.parse(sooner));
		});

		it("names no project but its own", async () => {
			const own = await make();
			const second = await make({}, await tenant(server, "default", "second"));
			const other = await make({}, await tenant(server, "globex"));
			expect((await make({ projectId: own.projectId })).projectId).toBe(own.projectId);
			for (const projectId of [second.projectId, other.projectId, "prj_0W5C2N9XPWDAX", "prj_", "x"]) {
				const refused = await api.post<Problem>("/api/v1/keys", { name: "x", projectId });
				expect([...said(refused), refused.body.error]).toEqual([404, "not_found", "projectId", "there is no such project"]);
			}
		});
	});

	describe("a rotation", () => {
		it("lets both keys work for a day", async () => {
			const old = await make({ name: "shop", scopes: ["rules:read"] });
			const { status, body, headers } = await rotate(old.id);
			expect([status, headers.get("etag")]).toEqual([201, '"1"']);
			expect(body.key).toMatchObject({ name: "shop", scopes: ["rules:read"], projectId: old.projectId, expiresAt: null });
			expect(body.previous.id).toBe(old.id);
			expect(body.key.key).not.toBe(old.key);
			expect(Math.abs(Date.parse(body.previous.expiresAt) - (await now()) - DAY)).toBeLessThan(HOUR);
			expect(await get(old.id)).toMatchObject({ rotatedTo: body.key.id, expiresAt: body.previous.expiresAt, version: 2 });
			expect([await opens(old), await opens(body.key)]).toEqual([true, true]);
			server.advance(DAY - HOUR);
			expect([await opens(old), await opens(body.key)]).toEqual([true, true]);
			server.advance(HOUR);
			expect([await opens(old), await opens(body.key)]).toEqual([false, true]);
			await server.restart("SIGKILL");
			expect([await opens(old), await opens(body.key)]).toEqual([false, true]);
			expect(JSON.stringify(await listAll(api, "/api/v1/keys"))).not.toContain(body.key.key);
		});

		it("ends the old key and its streams at once without an overlap", async () => {
			const old = await make();
			const sse = await stream(old);
			const { body } = await rotate(old.id, { overlapSeconds: 0 }, as(old));
			await sse.ended();
			expect([await opens(old), await opens(body.key)]).toEqual([false, true]);
		});

		it("ends streams when the overlap does", async () => {
			const old = await make();
			const sse = await stream(old);
			const ticket = (await as(old).post<{ ticket: string }>("/api/v1/stream/tickets")).body.ticket;
			const { body } = await rotate(old.id, { overlapSeconds: 10 });
			const staying = await stream(body.key);
			await sendEvent(api, "meanwhile");
			await sse.until(() => sse.of("event").length === 1);
			server.advance(10_500);
			await sse.ended();
			expect((await Sse.open(server.url, `/api/v1/stream?ticket=${ticket}`)).status).toBe(401);
			await sendEvent(api, "afterwards");
			await staying.until(() => staying.of("event").length === 2);
			staying.close();
		});

		it("has an overlap of up to thirty days", async () => {
			const { id } = await make();
			for (const overlapSeconds of [-1, 30 * 86_400 + 1, "x", 1.5]) {
				expect(said(await rotate(id, { overlapSeconds }))).toEqual([400, "invalid", "overlapSeconds"]);
			}
			expect(said(await rotate(id, { overlap: 7 }))).toEqual([400, "invalid", "overlap"]);
			expect((await rotate(id, { overlapSeconds: 30 * 86_400 })).status).toBe(201);
		});

		it("happens once to a key, and not to one that has ended", async () => {
			const old = await make();
			const first = await rotate(old.id);
			const second = await rotate(old.id);
			expect(said(second)).toEqual([409, "conflict", undefined]);
			expect(second.body.error).toContain(first.body.key.id);
			expect((await rotate(first.body.key.id)).status).toBe(201);
			const short = await make({ expiresAt: await at(1_000) });
			server.advance(1_000);
			expect((await rotate(short.id)).status).toBe(409);
			const racing = await make();
			const all = await Promise.all(Array.from({ length: 8 }, () => rotate(racing.id)));
			expect(all.map(({ status }) => status).sort()).toEqual([201, ...Array(7).fill(409)]);
		});

		it("is of the version that was meant", async () => {
			const { id } = await make();
			const path = `/api/v1/keys/${id}/rotate`;
			expect((await api.post(path, undefined, { "if-match": '"2"' })).status).toBe(412);
			expect((await api.post(path, undefined, { "if-match": '"1"' })).status).toBe(201);
		});

		it("keeps the end that a key had, or takes another, but never moves the old one's", async () => {
			const end = await at(2 * HOUR);
			const kept = await rotate((await make({ expiresAt: end })).id);
			expect(Date.parse(kept.body.key.expiresAt!)).toBe(Date.parse(end));
			expect(Date.parse(kept.body.previous.expiresAt)).toBe(Date.parse(end));
			const later = await at(DAY);
			const moved = await rotate((await make({ expiresAt: end })).id, { expiresAt: later });
			expect(Date.parse(moved.body.key.expiresAt!)).toBe(Date.parse(later));
			expect(Date.parse(moved.body.previous.expiresAt)).toBe(Date.parse(end));
			expect((await rotate((await make({ expiresAt: end })).id, { expiresIn: "never" })).body.key.expiresAt).toBeNull();
		});

		it("is no way to a stronger key", async () => {
			const strong = await make();
			const weak = as(await make({ scopes: ["keys:write", "keys:read"] }));
			expect(said(await rotate(strong.id, {}, weak))).toEqual([403, "forbidden", "scopes"]);
			const short = as(await make({ expiresAt: await at(HOUR) }));
			expect(said(await rotate(strong.id, {}, short))).toEqual([403, "forbidden", "expiresAt"]);
			expect((await rotate(strong.id, { expiresAt: await at(HOUR / 2) }, short)).status).toBe(201);
			const own = await make({ expiresAt: await at(HOUR) });
			expect(said(await rotate(own.id, { expiresIn: "never" }, as(own)))).toEqual([403, "forbidden", "expiresAt"]);
			expect((await rotate(own.id, {}, as(own))).status).toBe(201);
		});
	});

	describe("the keys of a project", () => {
		it("are a thousand that work, also when many are made at a time", async () => {
			const crowd = await tenant(server, "crowd");
			const post = () => crowd.post<Made & Problem>("/api/v1/keys", { name: "one of many" });
			const statuses: number[] = [];
			const made: string[] = [];
			await Promise.all(
				Array.from({ length: 8 }, async () => {
					while (!statuses.includes(402)) {
						const { status, body } = await post();
						statuses.push(status);
						if (status === 201) made.push(body.id);
					}
				}),
			);
			expect(made).toHaveLength(999);
			expect(new Set(statuses)).toEqual(new Set([201, 402]));
			expect(said(await post())).toEqual([402, "LIMIT_EXCEEDED", undefined]);
			expect((await rotate(made[0]!, { overlapSeconds: 60 }, crowd)).status).toBe(402);
			expect((await rotate(made[0]!, { overlapSeconds: 0 }, crowd)).status).toBe(201);
			expect((await crowd.delete(`/api/v1/keys/${made[1]}`)).status).toBe(204);
			expect((await post()).status).toBe(201);
			expect((await post()).status).toBe(402);
		});
	});
});
