// Several organizations on one server: how much one sends is hardly felt by another one.
import { afterEach, describe, expect, it } from "vitest";
import { Api } from "../harness/api.ts";
import { tenant, tocsin } from "../harness/command.ts";
import { sendEvent } from "../harness/model.ts";
import { Server, slower } from "../harness/server.ts";
import { quantile, times } from "../harness/tools.ts";

let server: Server;

afterEach(() => server.stop());

interface Report {
	statuses: Record<string, number>;
	latencyUs: Record<string, { p50: number | null; p99: number | null }>;
}

const QUIET = ["--rate", "200", "--connections", "8"];
const SECONDS = "3";
const ROUNDS = 3;

async function load(api: Api, args: string[], seconds = SECONDS): Promise<Report> {
	const key = ["--to", server.url, "--key", api.key!];
	// Refusals make it leave with 1: they are what some of this is about.
	const ran = await tocsin(["bench", "events", ...key, ...args, "--duration", `${seconds}s`, "--json"]);
	expect(ran.stdout, ran.stderr).not.toBe("");
	return JSON.parse(ran.stdout) as Report;
}

/** The 99th percentile of the quiet one's waits beside each load in turn, in milliseconds. */
async function beside(loads: string[][], quiet: Api, noisy: Api) {
	const waits = loads.map((): number[] => []);
	const noise = loads.map((): Record<string, number>[] => []);
	for (let round = 0; round < ROUNDS; round++) {
		for (const [i, args] of loads.entries()) {
			const [mine, other] = await Promise.all([load(quiet, QUIET), load(noisy, args)]);
			expect(Object.keys(mine.statuses)).toEqual(["201"]);
			waits[i]!.push(mine.latencyUs.sentToAnswered!.p99! / 1000);
			noise[i]!.push(other.statuses);
		}
	}
	return { p99: waits.map((all) => quantile(all, 0.5)), noise };
}

async function two(args: string[]): Promise<{ quiet: Api; noisy: Api }> {
	server = await Server.start({ args });
	return { quiet: await tenant(server, "quiet"), noisy: await tenant(server, "noisy") };
}

// A load generator for each and the server have two cores between them: what is measured holds
// their waiting for each other as well, so the bounds are far above what a quiet machine shows.
describe("events", () => {
	it("of a tenant at ten times its rate are refused, and the other one hardly waits", async () => {
		const { quiet, noisy } = await two(["--rate-ingest", "30000:500"]);
		const within = ["--rate", "450", "--connections", "32"];
		const over = ["--rate", "5000", "--connections", "32"];
		const { p99, noise } = await beside([within, over], quiet, noisy);
		console.log(`p99 beside 450/s ${p99[0]!.toFixed(2)} ms, beside 5000/s ${p99[1]!.toFixed(2)} ms`);
		for (const statuses of noise[0]!) expect(Object.keys(statuses)).toEqual(["201"]);
		for (const statuses of noise[1]!) {
			// At once, and then as fast as they come back.
			const may = 500 + 500 * Number(SECONDS);
			expect(statuses["429"]).toBeGreaterThan(0);
			expect(statuses["201"]).toBeGreaterThan(may * 0.5);
			expect(statuses["201"]).toBeLessThan(may * 1.5);
		}
		expect(p99[1]).toBeLessThan(p99[0]! * 4 + 25 * slower);
	}, 120_000);
});

describe("calls that wait for a worker", () => {
	it("of a tenant that asks for much are behind those of another one", async () => {
		const { quiet, noisy } = await two(["--workers", "2"]);
		// Each of these reads all of them, and finds nothing.
		const some = Array.from({ length: 1000 }, (_, i) => ({ type: `filler-${i}` }));
		for (let i = 0; i < 20; i++) {
			expect((await noisy.post("/api/v1/events", some)).status).toBe(200);
		}
		await sendEvent(quiet, "mine");
		let over = false;
		const heavy: number[] = [];
		const crowd = Array.from({ length: 40 }, async () => {
			while (!over) {
				heavy.push(...(await times(1, () => noisy.get("/api/v1/events?q=nowhere&limit=1000"))));
			}
		});
		const light = await times(100, () => quiet.get("/api/v1/rules"));
		over = true;
		await Promise.all(crowd);
		const [mine, others] = [quantile(light, 0.5), quantile(heavy, 0.5)];
		console.log(`a light call takes ${mine.toFixed(1)} ms beside a crowd whose calls take ${others.toFixed(1)} ms`);
		expect(mine).toBeLessThan(others / 3);
	}, 120_000);
});

describe("limits that nobody has set", () => {
	it("let a dashboard load with sixty calls at once, again and again", async () => {
		server = await Server.start();
		const api = await Api.bootstrap(server.url);
		for (let load = 0; load < 10; load++) {
			const replies = await Promise.all(
				Array.from({ length: 60 }, () => api.get("/api/v1/rules")),
			);
			expect(new Set(replies.map((reply) => reply.status))).toEqual(new Set([200]));
		}
	}, 60_000);
});
