// The description of the API is sound, is what the server does, and can be read and tried.
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api, type Problem } from "../harness/api.ts";
import { description, holdTo } from "../harness/contract.ts";
import { Server } from "../harness/server.ts";

const run = promisify(execFile);
const modules = join(import.meta.dirname, "../node_modules/.bin");

let server: Server;
let api: Api;

beforeAll(async () => {
	server = await Server.start();
	api = await Api.bootstrap(server.url);
});
afterAll(() => server.stop());

interface Lint {
	totals: { errors: number; warnings: number };
	problems: { ruleId: string; message: string }[];
}

describe("the description", () => {
	it("passes a linter without a warning", async () => {
		const dir = mkdtempSync(join(tmpdir(), "tocsin-openapi-"));
		const file = join(dir, "openapi.json");
		writeFileSync(file, (await new Api(server.url).get("/api/v1/openapi.json")).text);
		const env = {
			...process.env,
			REDOCLY_TELEMETRY: "off",
			REDOCLY_SUPPRESS_UPDATE_NOTICE: "true",
		};
		const { stdout } = await run(
			join(modules, "redocly"),
			["lint", "--format=json", file],
			{
				env,
				cwd: dir,
			},
		).catch((error: { stdout: string }) => error);
		const lint = JSON.parse(stdout.slice(stdout.indexOf("{"))) as Lint;
		rmSync(dir, { recursive: true });
		expect(lint.problems.map((p) => `${p.ruleId}: ${p.message}`)).toEqual([]);
		expect(lint.totals).toMatchObject({ errors: 0, warnings: 0 });
	});

	it("has the settings of every channel where a rule names it", () => {
		const { ActionInput } = JSON.parse(description()).components.schemas;
		const settings = new Map<string, string[]>();
		for (const { properties } of ActionInput.anyOf) {
			settings.set(properties.channel.const, Object.keys(properties.config.properties ?? {}));
		}
		expect(settings.get("webhook")).toContain("url");
		expect(settings.get("in_app")).toEqual([]);
	});

	it("is known by its tag, to anybody", async () => {
		const first = await new Api(server.url).get("/api/v1/openapi.json");
		const tag = first.headers.get("etag")!;
		expect(first.status).toBe(200);
		expect(first.headers.get("cache-control")).toBe("no-cache");
		const again = await api.get("/api/v1/openapi.json", {
			"if-none-match": `"x", ${tag}`,
		});
		expect([again.status, again.text]).toEqual([304, ""]);
		expect(
			(await api.get("/api/v1/openapi.json", { "if-none-match": '"x"' })).status,
		).toBe(200);
		expect(JSON.parse(description()).paths["/admin/seed"]).toBeDefined();
		expect(first.text).not.toContain("/admin/seed");
	});

	it("is held against every reply of these scenarios", async () => {
		const { status, text } = await api.get("/api/v1/alerts");
		const seen = {
			method: "GET",
			path: "/api/v1/alerts",
			status,
			type: "application/json",
			text,
		};
		const wrong = (change: Partial<typeof seen>) => () =>
			holdTo({ ...seen, ...change });
		holdTo(seen);
		expect(wrong({ status: 201 })).toThrow("listAlerts does not answer 201");
		expect(wrong({ type: "text/plain" })).toThrow('the type "text/plain"');
		expect(wrong({ text: '{"data":[]}' })).toThrow("nextCursor");
		expect(wrong({ text: '{"data":[],"nextCursor":null,"total":1}' })).toThrow("total");
		expect(wrong({ text: '{"data":[{}],"nextCursor":null}' })).toThrow("id");
		const problem = (
			await api.get<Problem & Record<string, unknown>>("/api/v1/alerts?limit=0")
		).body;
		const refusal = { status: 400, type: "application/problem+json" };
		holdTo({ ...seen, ...refusal, text: JSON.stringify(problem) });
		expect(
			wrong({ ...refusal, text: JSON.stringify({ ...problem, code: "gone" }) }),
		).toThrow("gone");
	});
});

describe("what nobody knows", () => {
	it("is refused in a query, with what may have been meant", async () => {
		const got = await api.get<Problem & Record<string, unknown>>(
			"/api/v1/rules?limt=3",
		);
		expect(got.status).toBe(400);
		expect(got.body).toMatchObject({
			title: "Bad Request",
			code: "invalid",
			field: "limt",
		});
		expect(got.body.error).toContain('did you mean "limit"?');
		expect((await api.post("/api/v1/events?x=1", { type: "a" })).status).toBe(400);
	});

	it("is passed over by the calls of earlier systems", async () => {
		expect((await api.get("/rules?limt=3")).status).toBe(200);
		expect((await api.post("/events?x=1", { type: "a" })).status).toBe(201);
	});
});

describe("the page", () => {
	it("needs nothing from elsewhere and lets nothing in", async () => {
		const page = await new Api(server.url).get("/api/docs");
		expect(page.status).toBe(200);
		expect(page.headers.get("content-type")).toContain("text/html");
		const policy = page.headers.get("content-security-policy")!;
		expect(policy).toContain("default-src 'none'");
		expect(policy).not.toContain("unsafe");
		expect(page.text).not.toMatch(/https?:/);
		for (const name of ["docs.css", "docs.js"]) {
			const file = await new Api(server.url).get(`/api/docs/${name}`);
			expect(file.status).toBe(200);
			expect(file.text).not.toMatch(/https?:/);
		}
	});

	it("finds a call, makes it with a key, and shows the answer, by keyboard alone", async () => {
		const browser = await chromium.launch({
			executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
			// The kernel's sandbox is not for root, which containers and CI run as.
			args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
			timeout: 0, // the test has one
		});
		try {
			const page = await browser.newPage({ viewport: { width: 390, height: 844 } });
			page.setDefaultTimeout(0);
			const complaints: string[] = [];
			page.on("console", (line) => line.type() === "error" && complaints.push(line.text()));
			page.on("pageerror", (error) => complaints.push(error.message));
			await page.goto(`${server.url}/api/docs`);
			await page.waitForSelector("#createRule");
			await page.keyboard.press("/");
			await page.keyboard.type("list rules newest");
			await page.waitForSelector("#createRule", { state: "hidden" });
			expect(await page.textContent("#scope")).toContain("1 of ");
			await page.focus("#credential");
			await page.keyboard.type(api.key!);
			await page.focus("#listRules > summary");
			await page.keyboard.press("Enter");
			await page.focus("#listRules input");
			await page.keyboard.type("7");
			await page.keyboard.press("Control+Enter");
			await page.waitForSelector("#listRules .status.good");
			expect(await page.textContent("#listRules .status")).toContain("200");
			expect(await page.textContent("#listRules pre")).toContain('"nextCursor": null');
			const wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth");
			expect(wide).toBe(0);
			expect(complaints).toEqual([]);
		} finally {
			await browser.close();
		}
	});
});
