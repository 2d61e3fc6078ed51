// What a user gets: the file that npm packs, taken apart, measured, and used the way users use it.
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { transformSync } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { version } from "../src/tocsin.ts";

const here = join(import.meta.dirname, "..");
const root = join(here, "../..");
/** A visitor of a page pays for every byte. */
const GZIP_BYTES_MAX = 8 * 1024;

const names = [
	"Client",
	"captureError",
	"clearUser",
	"destroy",
	"endSession",
	"flush",
	"identify",
	"init",
	"metric",
	"setContext",
	"startSession",
	"track",
	"trackApiCall",
	"trackCrash",
	"trackScreen",
	"version",
];

let dir: string;
let unpacked: string;

interface Ended {
	code: number;
	stdout: string;
	stderr: string;
}

/** Run a command to its end, whatever that is, without keeping the test runner from its own affairs. */
async function run(command: string, ...args: string[]): Promise<Ended> {
	try {
		return { code: 0, ...(await promisify(execFile)(command, args, { cwd: dir, encoding: "utf8" })) };
	} catch (error) {
		return error as Ended;
	}
}

async function node(name: string, text: string): Promise<Ended> {
	writeFileSync(join(dir, name), text);
	return run(process.execPath, name);
}

/** What the compiler says of these files, line by line. */
async function tsc(files: Record<string, string>, ...options: string[]): Promise<string[]> {
	for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
	const compiler = join(here, "node_modules/typescript/bin/tsc");
	const strict = ["--noEmit", "--strict", "--exactOptionalPropertyTypes", "--target", "es2022"];
	const { stdout } = await run(process.execPath, compiler, ...strict, ...options, ...Object.keys(files));
	return stdout.split("\n").filter((line) => line.includes("error TS"));
}

beforeAll(async () => {
	dir = mkdtempSync(join(tmpdir(), "tocsin-sdk-"));
	const packed = await run(join(root, "tools/sdk"), dir);
	expect(packed.stderr).toBe("");
	unpacked = join(dir, "node_modules/@tocsin/js");
	mkdirSync(unpacked, { recursive: true });
	await run("tar", "xzf", packed.stdout.trim(), "-C", unpacked, "--strip-components=1");
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const read = (name: string) => readFileSync(join(unpacked, name), "utf8");

describe("the package", () => {
	it("holds what is used, and no more", () => {
		expect(readdirSync(unpacked).sort()).toEqual(["LICENSE", "README.md", "dist", "package.json"]);
		expect(readdirSync(join(unpacked, "dist")).sort()).toEqual([
			"tocsin.cjs",
			"tocsin.d.cts",
			"tocsin.d.ts",
			"tocsin.js",
			"tocsin.min.js",
		]);
		const manifest = JSON.parse(read("package.json")) as Record<string, unknown>;
		expect(manifest.sideEffects).toBe(false);
		expect(manifest.dependencies).toBeUndefined();
		expect(manifest.version).toBe(version);
	});

	it("has the version of the program", () => {
		expect(readFileSync(join(root, "meson.build"), "utf8")).toContain(`version: '${version}'`);
	});

	it("is small", () => {
		const minified = transformSync(read("dist/tocsin.js"), { minify: true }).code;
		expect(gzipSync(minified, { level: 9 }).length).toBeLessThanOrEqual(GZIP_BYTES_MAX);
		expect(gzipSync(read("dist/tocsin.min.js"), { level: 9 }).length).toBeLessThanOrEqual(GZIP_BYTES_MAX);
	});
});

describe("a program", () => {
	it("imports it, requires it, or takes it as a script", async () => {
		const show = "console.log(Object.keys(t).filter((k) => k !== '__esModule').sort().join())";
		const ways = {
			"a.mjs": `import * as t from "@tocsin/js"; ${show}`,
			"a.cjs": `const t = require("@tocsin/js"); ${show}`,
			"a.js": `${read("dist/tocsin.min.js")}; { const t = tocsin; ${show} }`,
		};
		for (const [name, text] of Object.entries(ways)) {
			expect((await node(name, text)).stdout.trim()).toBe(names.join());
		}
	});

	it("is checked against its types, with and without a DOM, as a module of either kind", async () => {
		const use = `import * as tocsin from "@tocsin/js";
			const client: tocsin.Client = tocsin.init({ apiKey: "k", host: "https://x", onError: (t) => t.reason });
			const done: Promise<void> = client.flush();
			tocsin.track("a", { severity: "high", payload: { a: 1 }, timestamp: new Date() });
			const id: string = tocsin.startSession();
			export { done, id };`;
		const wrong = `import * as tocsin from "@tocsin/js";
			tocsin.init({ apiKey: "k" });
			tocsin.metric("m", "1");
			tocsin.track("a", { severity: "awful" });
			tocsin.track("a", { paylod: {} });`;
		const plain = ["--module", "nodenext", "--lib", "es2022"];
		const said = await tsc({ "good.mts": use, "good.cts": use, "wrong.mts": wrong }, ...plain);
		expect(said.map((line) => line.replace(/,.*/, ""))).toEqual([2, 3, 4, 5].map((n) => `wrong.mts(${n}`));
		const page = `${use}; new tocsin.Client({ apiKey: "k", host: "h", fetch });`;
		const bundler = ["--module", "esnext", "--moduleResolution", "bundler", "--lib", "es2022,dom"];
		expect(await tsc({ "page.ts": page }, ...bundler)).toEqual([]);
	});

	it.each([
		["there", "data.length"],
		["not there", "data.missing.length"],
	])("that is through sends what waits, once: the server is %s", async (_, last) => {
		const { code, stdout } = await node(
			"through.mjs",
			`import { init, track } from "@tocsin/js";
			let n = 0;
			const fetch = async (_, { body }) => {
				n++;
				const data = JSON.parse(body).map((_, index) => ({ index, status: "accepted" }));
				return ${last} && { status: 200, headers: new Headers(), json: async () => ({ data }) };
			};
			init({ apiKey: "k", host: "https://x", fetch });
			track("last");
			process.on("exit", () => console.log(n));`,
		);
		expect([code, stdout.trim()]).toEqual([0, "1"]);
	});

	it.each(["throw new Error('the end')", "Promise.reject(new Error('the end'))"])(
		"that dies of an exception tells of it, and dies: %s",
		async (death) => {
			const { code, stdout, stderr } = await node(
				"dies.mjs",
				`import { init } from "@tocsin/js";
				const fetch = async (_, { body }) => {
					await new Promise((resolve) => setTimeout(resolve, 1));
					const [event] = JSON.parse(body);
					console.log(event.type, event.message);
					const data = [{ index: 0, status: "accepted" }];
					return { status: 200, headers: new Headers(), json: async () => ({ data }) };
				};
				init({ apiKey: "k", host: "https://x", fetch });
				setTimeout(() => console.log("not reached"), 60_000);
				${death};`,
			);
			expect([code, stdout.trim()]).toEqual([1, "crash Error: the end"]);
			expect(stderr).toContain("Error: the end");
		},
	);
});
