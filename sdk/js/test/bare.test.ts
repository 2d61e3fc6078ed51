// React Native is ECMAScript with a fetch and timers, without a DOM and without Node: the module as it is
// built runs in a context that has nothing else, and even in one without timers.
import { createContext, Script } from "node:vm";
import { buildSync } from "esbuild";
import { describe, expect, it } from "vitest";

const built = buildSync({
	entryPoints: [new URL("../src/tocsin.ts", import.meta.url).pathname],
	bundle: true,
	write: false,
	format: "cjs",
	target: "es2018",
}).outputFiles[0]!.text;

interface Sent {
	bodies: string[];
	/** Runs text in the context, with `tocsin` and what is given here. */
	run: (text: string) => unknown;
}

/** A context with these globals; requests are answered with this status. */
function bare(globals: Record<string, unknown>, status = () => 200): Sent {
	const bodies: string[] = [];
	const fetch = (_: string, init: { body: string }) => {
		bodies.push(init.body);
		const data = (JSON.parse(init.body) as unknown[]).map((_, index) => ({ index, status: "accepted" }));
		const headers = { get: () => null };
		return Promise.resolve({ status: status(), headers, json: () => Promise.resolve({ data }) });
	};
	const context = createContext({ fetch, ...globals });
	new Script(`var module = { exports: {} }; (function () { ${built} })(); var tocsin = module.exports;`).runInContext(
		context,
	);
	const setUp = `tocsin.init({ apiKey: "sk_x", host: "http://10.0.2.2:3000", flushInterval: 20 })`;
	const run = (text: string) => new Script(text).runInContext(context) as unknown;
	run(setUp);
	return { bodies, run };
}

const types = (sent: Sent) => sent.bodies.map((body) => (JSON.parse(body) as { type: string }[]).map((e) => e.type));

describe("in a bare context", () => {
	it("everything works with fetch and timers", async () => {
		const sent = bare({ setTimeout, clearTimeout, navigator: { product: "ReactNative" } });
		expect(sent.run("typeof process + typeof document + typeof URL + typeof TextEncoder + typeof crypto")).toBe(
			"undefined".repeat(5),
		);
		sent.run(`
			tocsin.startSession();
			tocsin.track("a", { payload: { text: "ü🔔", at: new Date(0) } });
			tocsin.trackScreen("Home");
			tocsin.endSession();
		`);
		await sent.run("tocsin.flush()");
		sent.run("tocsin.captureError(new Error('x'))");
		await sent.run("tocsin.destroy()");
		expect(types(sent)).toEqual([["session.start", "a", "screen.view", "session.end"], ["error"]]);
		const [first] = JSON.parse(sent.bodies[0]!) as { tags: unknown; idempotencyKey: string }[];
		expect(first!.tags).toMatchObject({ device: { platform: "react-native" } });
		expect(first!.idempotencyKey).toMatch(/^[0-9a-f]{32}-1$/);
	});

	it("without timers events go when they are asked to, and a failure is not followed by another at once", async () => {
		let status = 503;
		const sent = bare({}, () => status);
		sent.run(`for (var i = 0; i < 150; i++) tocsin.track("e" + i)`);
		await sent.run("tocsin.flush()");
		expect(sent.bodies).toHaveLength(1);
		status = 200;
		await sent.run("tocsin.flush()");
		expect(types(sent).slice(1).flat()).toEqual(Array.from({ length: 150 }, (_, i) => `e${i}`));
	});

	it("ids differ between programs that have no crypto", () => {
		const session = () => bare({}).run("tocsin.startSession()") as string;
		const ids = new Set(Array.from({ length: 20 }, session));
		expect(ids.size).toBe(20);
		for (const id of ids) expect(id).toMatch(/^[0-9a-f]{32}$/);
	});
});
