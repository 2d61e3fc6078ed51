// The client for JavaScript in a real browser, on a page of another origin than the server's.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, type TestContext } from "vitest";
import { Api, eventually } from "../harness/api.ts";
import { type Browser, type BrowserContext, hasBrowser, launchBrowser, type Page, Site } from "../harness/browser.ts";
import { Gate } from "../harness/gate.ts";
import { type Event, listAll } from "../harness/model.ts";
import { type Client, Sdk } from "../harness/sdk.ts";
import { Server } from "../harness/server.ts";

/** What the script makes of a page. */
declare const tocsin: { init(options: unknown): Client };
declare global {
	interface Window {
		module: typeof tocsin;
		client: Client;
		failures: string[];
	}
}

let site: Site;
let stranger: Site;
let server: Server;
let api: Api;
let browser: Browser;
let context: BrowserContext;
let gate: Gate;

beforeAll(async () => {
	if (!hasBrowser()) return;
	const sdk = new Sdk();
	const files = {
		"/": { type: "text/html", body: `<!doctype html><title>page</title><script src="/tocsin.min.js"></script>` },
		"/module": {
			type: "text/html",
			body: `<!doctype html><script type="module">import * as t from "/tocsin.js"; window.module = t;</script>`,
		},
		"/empty": { type: "text/html", body: "<!doctype html><title>empty</title>" },
		"/tocsin.min.js": { type: "text/javascript", body: sdk.read("tocsin.min.js") },
		"/tocsin.js": { type: "text/javascript", body: sdk.read("tocsin.js") },
	};
	sdk.remove();
	[site, stranger] = [await Site.start(files), await Site.start(files)];
	server = await Server.start({ args: ["--cors-origins", site.origin] });
	api = await Api.bootstrap(server.url);
	browser = await launchBrowser();
});
afterAll(async () => {
	await browser?.close();
	await server?.stop();
	await Promise.all([site?.stop(), stranger?.stop()]);
});
beforeEach(async () => {
	if (!hasBrowser()) return;
	gate = await Gate.start(() => server.url);
	context = await browser.newContext();
});
afterEach(async () => {
	await context?.close();
	await gate?.stop();
});

function scenario(name: string, run: () => Promise<void>): void {
	it(name, async (ctx: TestContext) => {
		if (!hasBrowser()) ctx.skip("there is no Chromium here");
		await run();
	});
}

/** A page with a client that goes through the gate; what it throws is in failures. */
async function open(options: Record<string, unknown> = {}, origin = site.origin): Promise<Page> {
	const page = await context.newPage();
	await page.goto(origin);
	await page.evaluate(
		(all) => {
			window.failures = [];
			window.addEventListener("error", (event) => window.failures.push(event.message));
			window.addEventListener("unhandledrejection", (event) => window.failures.push(String(event.reason)));
			window.client = tocsin.init(all);
		},
		{ apiKey: api.key, host: gate.url, flushInterval: 10, ...options },
	);
	return page;
}

async function stored(type: string): Promise<Event[]> {
	return (await listAll<Event>(api, `/api/v1/events?type=${type}`)).reverse();
}

/** The numbers of the events of a type, once there are so many. */
async function numbers(type: string, count: number): Promise<number[]> {
	const all = await eventually(
		() => stored(type),
		(events) => events.length >= count,
		30_000,
	);
	return all.map((event) => event.payload.n as number);
}

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i);

/** Close the tab as a person does: the page hears of it, and nobody waits for it. */
async function close(page: Page): Promise<void> {
	const closed = new Promise((resolve) => page.once("close", resolve));
	await page.close({ runBeforeUnload: true });
	await closed;
}

const track = (page: Page, type: string, count: number, text = "") =>
	page.evaluate(
		({ type, count, text }) => {
			for (let n = 0; n < count; n++) window.client.track(type, { payload: { n, text } });
		},
		{ type, count, text },
	);

describe("a page on another origin", () => {
	scenario("sends events, and errors that nobody caught", async () => {
		const page = await open({ app: { name: "page" } });
		await page.evaluate(() => {
			window.client.track("web.ready", { payload: { n: 1 } });
			setTimeout(() => {
				throw new TypeError("nobody caught this");
			});
			void Promise.reject(new RangeError("nor this"));
		});
		const [event] = await eventually(
			() => stored("web.ready"),
			(all) => all.length === 1,
		);
		const errors = await eventually(
			() => stored("error"),
			(all) => all.length === 2,
		);
		expect(event).toMatchObject({ source: "page", tags: { device: { platform: "browser" } } });
		expect(errors.map((error) => error.message).sort()).toEqual([
			"RangeError: nor this",
			"TypeError: nobody caught this",
		]);
		expect(gate.passed[0]).toMatchObject({ method: "OPTIONS", headers: { origin: site.origin } });
		expect(gate.passed.every(({ headers }) => headers.cookie === undefined && headers.referer === undefined)).toBe(true);
	});

	scenario("imports it as a module", async () => {
		const page = await context.newPage();
		await page.goto(`${site.origin}/module`);
		await page.evaluate(
			async ([apiKey, host]) => {
				const client = window.module.init({ apiKey, host });
				client.track("web.module", { payload: { n: 0 } });
				await client.flush();
			},
			[api.key, gate.url],
		);
		expect(await numbers("web.module", 1)).toEqual([0]);
	});

	scenario("that the server does not know sends nothing, and does not notice", async () => {
		const page = await open({}, stranger.origin);
		await track(page, "web.stranger", 3);
		const left = await page.evaluate(async () => {
			await window.client.flush();
			return [window.client.pending, window.failures.length];
		});
		expect(left).toEqual([3, 0]);
		expect(await stored("web.stranger")).toEqual([]);
	});
});

describe("nothing is lost and nothing is stored twice", () => {
	scenario("when the browser goes offline and comes back", async () => {
		const page = await open();
		await track(page, "web.offline", 5);
		await numbers("web.offline", 5);
		await context.setOffline(true);
		await page.evaluate(() => {
			for (let n = 5; n < 150; n++) window.client.track("web.offline", { payload: { n } });
			return window.client.flush();
		});
		const requests = gate.passed.length;
		expect(await page.evaluate(() => window.client.pending)).toBe(145);
		await context.setOffline(false);
		expect(await numbers("web.offline", 150)).toEqual(upTo(150));
		expect(gate.passed.length).toBeGreaterThan(requests);
		expect(await page.evaluate(() => window.failures)).toEqual([]);
	});

	scenario("when the server is killed in the middle", async () => {
		const page = await open({ maxBatchSize: 10 });
		await track(page, "web.killed", 100);
		await eventually(
			() => page.evaluate(() => window.client.pending),
			(pending) => pending < 100,
		);
		await server.restart("SIGKILL");
		await eventually(
			() =>
				page.evaluate(async () => {
					await window.client.flush();
					return window.client.pending;
				}),
			(pending) => pending === 0,
			60_000,
		);
		expect((await numbers("web.killed", 100)).sort((a, b) => a - b)).toEqual(upTo(100));
	});

	scenario("when it is told to wait by a server of another origin", async () => {
		const page = await open();
		const headers = {
			"retry-after": "2",
			"access-control-allow-origin": site.origin,
			"access-control-expose-headers": "Retry-After",
		};
		let refused = 0;
		gate.fate = ({ method }) => (method === "POST" && refused++ === 0 ? { status: 429, headers } : "pass");
		await track(page, "web.quiet", 3);
		expect(await numbers("web.quiet", 3)).toEqual(upTo(3));
		const [first, second] = gate.passed.filter(({ method }) => method === "POST");
		expect(second!.at - first!.at).toBeGreaterThanOrEqual(1_990);
	});
});

describe("a page that goes away", () => {
	scenario("by its tab being closed has sent what was said", async () => {
		const page = await open({ flushInterval: 3_600_000 });
		await track(page, "web.closed", 20);
		await close(page);
		expect(await numbers("web.closed", 20)).toEqual(upTo(20));
	});

	scenario("by a link has sent what was said, also while it was leaving", async () => {
		const page = await open({ flushInterval: 3_600_000 });
		await page.evaluate(() => {
			window.addEventListener("pagehide", () => window.client.track("web.left", { payload: { n: 2 } }), true);
			for (let n = 0; n < 2; n++) window.client.track("web.left", { payload: { n } });
		});
		await page.goto(`${site.origin}/empty`);
		expect((await numbers("web.left", 3)).sort()).toEqual(upTo(3));
	});

	scenario("while a request is under way sends it again, and it is stored once", async () => {
		const page = await open({ flushInterval: 3_600_000 });
		let first = true;
		let heard: () => void = () => undefined;
		const under = new Promise<void>((resolve) => (heard = resolve));
		// The server has stored it, but the page will never hear of that.
		gate.fate = ({ method }) => {
			if (method !== "POST" || !first) return "pass";
			first = false;
			heard();
			return "swallow";
		};
		await page.evaluate(() => {
			window.client.track("web.twice", { payload: { n: 0 } });
			void window.client.flush();
		});
		await under;
		await track(page, "web.after", 1);
		await close(page);
		expect(await numbers("web.after", 1)).toEqual([0]);
		const bodies = gate.passed.filter(({ method }) => method === "POST").map(({ body }) => body);
		expect(bodies).toHaveLength(2);
		expect(bodies[1]).toContain("web.twice");
		expect(await numbers("web.twice", 1)).toEqual([0]);
	});

	scenario("sends as much as browsers let it, the oldest first", async () => {
		const page = await open({ flushInterval: 3_600_000 });
		await track(page, "web.much", 80, "x".repeat(2_000));
		await close(page);
		const got = await numbers("web.much", 20);
		expect(got).toEqual(upTo(got.length));
		expect(got.length).toBeLessThan(30);
	});
});
