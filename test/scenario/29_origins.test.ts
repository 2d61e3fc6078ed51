// Pages of other origins: those on a project's list send events from a real browser, all others do
// not, and the rest of the API is closed to both.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, type TestContext } from "vitest";
import { Api } from "../harness/api.ts";
import { type Browser, type BrowserContext, hasBrowser, launchBrowser, Site } from "../harness/browser.ts";
import { tenant } from "../harness/command.ts";
import { type Event, listAll } from "../harness/model.ts";
import { Server } from "../harness/server.ts";

const page = { "/": { type: "text/html", body: "<!doctype html><title>page</title>" } };

/** What a script on a page got to see. */
interface Seen {
	status: number;
	text: string;
}

let shop: Site;
let admin: Site;
let stranger: Site;
let server: Server;
let api: Api;
let other: Api;
let browser: Browser;
let context: BrowserContext;

beforeAll(async () => {
	if (!hasBrowser()) return;
	[shop, admin, stranger] = [await Site.start(page), await Site.start(page), await Site.start(page)];
	server = await Server.start({ args: ["--cors-origins", admin.origin] });
	api = await Api.bootstrap(server.url);
	other = await tenant(server, "globex");
	const reply = await api.patch("/api/v1/projects/current", { origins: [shop.origin] });
	expect(reply.status).toBe(200);
	browser = await launchBrowser();
});
afterAll(async () => {
	await browser?.close();
	await server?.stop();
	await Promise.all([shop, admin, stranger].map((site) => site?.stop()));
});
beforeEach(async () => {
	if (hasBrowser()) context = await browser.newContext();
});
afterEach(() => context?.close());

function scenario(name: string, run: () => Promise<void>): void {
	it(name, async (ctx: TestContext) => {
		if (!hasBrowser()) ctx.skip("there is no Chromium here");
		await run();
	});
}

interface Ask {
	method?: string;
	path?: string;
	key?: string;
	body?: unknown;
	headers?: Record<string, string>;
}

/** Let a script on a page of the site call the server; null when the browser lets it see nothing. */
async function from(site: Site, ask: Ask): Promise<Seen | null> {
	const tab = await context.newPage();
	await tab.goto(site.origin);
	const { method = "POST", path = "/api/v1/events", key, body, headers = {} } = ask;
	const all: Record<string, string> = { ...headers };
	if (key !== undefined) all.authorization = `Bearer ${key}`;
	if (body !== undefined) all["content-type"] ??= "application/json";
	const seen = await tab.evaluate(
		async ({ url, method, all, body }) => {
			try {
				const reply = await fetch(url, { method, headers: all, ...(body === undefined ? {} : { body }) });
				return { status: reply.status, text: await reply.text() };
			} catch {
				return null;
			}
		},
		{ url: server.url + path, method, all, body: body === undefined ? undefined : JSON.stringify(body) },
	);
	await tab.close();
	return seen;
}

const stored = (type: string, by = api) => listAll<Event>(by, `/api/v1/events?type=${type}`);

describe("a page on the list of a project", () => {
	scenario("sends events, one or many, and reads what became of them", async () => {
		const one = await from(shop, { key: api.key, body: { type: "page.one" }, headers: { "idempotency-key": "once" } });
		expect(one?.status).toBe(201);
		const [event] = await stored("page.one");
		expect(JSON.parse(one!.text).id).toBe(event!.id);
		const many = await from(shop, { key: api.key, body: [{ type: "page.many" }, { type: "page.many" }] });
		expect([many?.status, JSON.parse(many!.text).accepted]).toEqual([200, 2]);
		const bad = await from(shop, { key: api.key, body: { type: "" } });
		expect([bad?.status, JSON.parse(bad!.text).field]).toEqual([400, "type"]);
	});

	scenario("sends them by the calls of earlier systems, too", async () => {
		const body = { apiKey: api.key, type: "event", name: "page.body", payload: {} };
		expect((await from(shop, { path: "/ingest", body }))?.status).toBe(201);
		// No preflight: a form could send this.
		const simple = { path: "/ingest", body, headers: { "content-type": "text/plain" } };
		expect((await from(shop, simple))?.status).toBe(201);
		expect(await stored("page.body")).toHaveLength(2);
		expect((await from(stranger, simple))?.status ?? null).toBeNull();
		expect(await stored("page.body")).toHaveLength(2);
	});

	scenario("may use no key of another project, and make no other call", async () => {
		expect(await from(shop, { key: other.key, body: { type: "page.other" } })).toBeNull();
		expect(await stored("page.other", other)).toEqual([]);
		expect(await from(shop, { key: api.key, method: "GET" })).toBeNull();
		expect(await from(shop, { key: api.key, method: "GET", path: "/api/v1/keys" })).toBeNull();
		const before = (await listAll(api, "/api/v1/keys")).length;
		expect(await from(shop, { key: api.key, path: "/api/v1/keys", body: { name: "taken" } })).toBeNull();
		expect(await listAll(api, "/api/v1/keys")).toHaveLength(before);
	});
});

describe("a page that is on no list", () => {
	scenario("sends nothing", async () => {
		expect(await from(stranger, { key: api.key, body: { type: "page.stranger" } })).toBeNull();
		expect(await stored("page.stranger")).toEqual([]);
	});

	scenario("reads why a key is nobody's, so that it can stop", async () => {
		const seen = await from(stranger, { key: `sk_${"0".repeat(48)}`, body: { type: "page.stranger" } });
		expect(seen?.status).toBe(401);
	});

	scenario("sends from the moment when it is listed, until it is not", async () => {
		const list = (origins: string[]) => api.patch("/api/v1/projects/current", { origins });
		const send = () => from(stranger, { key: api.key, body: { type: "page.listed" } });
		await list([shop.origin, stranger.origin]);
		expect((await send())?.status).toBe(201);
		await server.restart("SIGKILL");
		expect((await send())?.status).toBe(201);
		await list([shop.origin]);
		expect(await send()).toBeNull();
		await list(["*"]);
		expect((await send())?.status).toBe(201);
		await list([shop.origin]);
		expect(await stored("page.listed")).toHaveLength(3);
	});
});

describe("a page in cors-origins", () => {
	scenario("makes every call, by all methods, and listens", async () => {
		const made = await from(admin, { key: api.key, path: "/api/v1/keys", body: { name: "by a page" } });
		expect(made?.status).toBe(201);
		const path = `/api/v1/keys/${JSON.parse(made!.text).id}`;
		const changed = await from(admin, { key: api.key, method: "PATCH", path, body: { name: "x" }, headers: { "if-match": '"1"' } });
		expect(changed?.status).toBe(200);
		expect((await from(admin, { key: api.key, method: "GET", path }))?.status).toBe(200);
		expect((await from(admin, { key: api.key, method: "DELETE", path }))?.status).toBe(204);
		expect((await from(admin, { key: other.key, body: { type: "page.admin" } }))?.status).toBe(201);
		const { ticket } = (await api.post<{ ticket: string }>("/api/v1/stream/tickets")).body;
		const tab = await context.newPage();
		await tab.goto(admin.origin);
		const said = await tab.evaluate(
			(url) =>
				new Promise((resolve) => {
					const source = new EventSource(url);
					source.addEventListener("connected", () => resolve("connected"));
					source.addEventListener("error", () => resolve("refused"));
				}),
			`${server.url}/api/v1/stream?ticket=${ticket}`,
		);
		expect(said).toBe("connected");
	});
});
