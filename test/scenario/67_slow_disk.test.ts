// A disk whose flushes take their time: whoever only reads does not wait for them, nor do streams.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api } from "../harness/api.ts";
import { Disk, noDisk } from "../harness/disk.ts";
import { Sse } from "../harness/live.ts";
import { makeRule, metric, sendEvent } from "../harness/model.ts";
import { Server } from "../harness/server.ts";
import { quantile, times } from "../harness/tools.ts";

const DELAY_MS = Number(process.env.TOCSIN_TEST_FLUSH_MS ?? 300);
const LONG_MS = 3 * DELAY_MS + 1000;
const WRITERS = 4;
const PATHS = ["/health", "/api/v1/alerts?limit=5", "/api/v1/rules", "/api/v1/events?limit=5"];

describe.skipIf(noDisk !== undefined)(`flushes of ${DELAY_MS} ms (${noDisk ?? "by a shim"})`, () => {
	const root = mkdtempSync(join(tmpdir(), "tocsin-slow-"));
	const disk = noDisk === undefined ? new Disk(join(root, "data")) : undefined!;
	let server: Server;
	let api: Api;

	beforeAll(async () => {
		const args = ["--drain", "0s"];
		server = await Server.start({ data: join(root, "data"), env: disk.env, args });
		api = await Api.bootstrap(server.url);
		await makeRule(api, { eventType: "busy", threshold: 3, cooldownSeconds: 3600 });
		await server.kill("SIGTERM");
	});
	afterAll(async () => {
		disk.slow(0);
		await server.stop();
		disk.remove();
		rmSync(root, { recursive: true });
	});

	type Samples = Map<string, number[]>;
	const nothing = (): Samples => new Map([...PATHS, "stream"].map((path) => [path, []]));

	/** What others wait for while writers keep the disk busy, in milliseconds, added to the samples. */
	async function measure(forMs: number, samples = nothing()): Promise<Samples> {
		const stream = await Sse.open(server.url, `/api/v1/stream?token=${api.key}`);
		// Nothing is missed from here on.
		await stream.until(() => stream.of("connected").length > 0);
		let over = false;
		const writers = Array.from({ length: WRITERS }, async () => {
			while (!over) {
				const { id } = await sendEvent(api, "busy");
				const acked = performance.now();
				await stream.until((frames) => frames.some((frame) => frame.data.id === id));
				samples.get("stream")!.push(performance.now() - acked);
			}
		});
		const end = performance.now() + forMs;
		while (performance.now() < end) {
			for (const path of PATHS) {
				samples.get(path)!.push(...(await times(1, () => api.get(path))));
				await new Promise((resolve) => setTimeout(resolve, 5));
			}
		}
		over = true;
		await Promise.all(writers);
		stream.close();
		return samples;
	}

	async function relaunch(delayMs: number): Promise<void> {
		await server.kill("SIGTERM");
		disk.slow(delayMs);
		await server.launch();
	}

	const shown = (samples: Samples) =>
		[...samples]
			.map(([what, all]) => `${what} ${[0.5, 0.99].map((q) => quantile(all, q).toFixed(1)).join(" / ")}`)
			.join(", ");

	it("hold up whoever writes, and nobody else, from the first request on", async () => {
		await server.launch();
		console.log(`p50 / p99 ms without a delay: ${shown(await measure(LONG_MS))}`);
		await relaunch(DELAY_MS);
		const samples = await measure(LONG_MS);
		console.log(`p50 / p99 ms with ${DELAY_MS} ms a flush: ${shown(samples)}`);
		for (const [what, all] of samples) {
			expect([what, all.length > 5]).toEqual([what, true]);
			// Most would wait for most of a flush if they waited for it at all.
			expect([what, quantile(all, 0.5) < DELAY_MS / 3]).toEqual([what, true]);
		}
		expect(await metric(api, "tocsin_engine_lag_records")).toBeLessThan(100);
	});

	/** Whose percentile is 20 ms or more worse with the delay, and by how much. */
	function late(plain: Samples, slow: Samples, share: number): [string, number][] {
		return [...slow]
			.map(([what, all]): [string, number] => [
				what,
				quantile(all, share) - quantile(plain.get(what)!, share),
			])
			.filter(([, ms]) => ms >= 20);
	}

	it("of 50 ms cost nobody else more than 20 ms, at the 99th percentile", async () => {
		// Times with and without in turns, so that what else the machine does falls on both; and again
		// when even those without a delay show that it is too busy to tell.
		for (let tries = 0; tries < 5; tries++) {
			const plain = nothing();
			const slow = nothing();
			for (let round = 0; round < 3; round++) {
				await relaunch(0);
				await measure(1000, plain);
				await relaunch(50);
				await measure(1000, slow);
			}
			console.log(`p50 / p99 ms without a delay: ${shown(plain)}`);
			console.log(`p50 / p99 ms with 50 ms a flush: ${shown(slow)}`);
			expect(late(plain, slow, 0.5)).toEqual([]);
			if (late(plain, slow, 0.99).length === 0) return;
			const noise = Math.max(...[...plain.values()].map((all) => quantile(all, 0.99)));
			if (noise < 20) expect(late(plain, slow, 0.99)).toEqual([]);
		}
		console.log("the machine is too busy to tell more than the medians");
	});

	it("are waited for by a stop that waits for nobody else", async () => {
		disk.slow(60);
		for (let round = 0; round < 3; round++) {
			const answers = Promise.allSettled(Array.from({ length: 8 }, () => sendEvent(api, "busy")));
			// An answer to somebody else: the events are in the log's hands by now.
			await api.get("/health");
			expect(await server.kill("SIGTERM"), server.endedBy ?? "").toBe(0);
			await answers;
			await server.launch();
		}
	});
});
