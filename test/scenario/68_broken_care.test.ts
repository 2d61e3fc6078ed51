// One call to the disk fails while the server seals one file and mends another: nothing is lost, and the
// next life finishes what this one could not.
import { cpSync, mkdtempSync, openSync, readdirSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api, eventually } from "../harness/api.ts";
import { tocsin } from "../harness/command.ts";
import { Disk, ERRNO, faults, type Kind, kinds, noDisk, places } from "../harness/disk.ts";
import { caughtUp, type Event, listAll, metric } from "../harness/model.ts";
import { Server } from "../harness/server.ts";
import { randomFrom } from "../harness/tools.ts";

const seed = Number(process.env.TOCSIN_TEST_SEED ?? Date.now() % 1_000_000);
/** Faults per kind of call; each costs two starts and some seconds. */
const FAULTS = Math.ceil(Number(process.env.TOCSIN_TEST_FAULTS ?? 12) / 6);
const EVENTS = 600;
const PATIENCE_MS = 4_000;

describe.skipIf(noDisk !== undefined)(`care on a disk that fails once (${noDisk ?? `seed ${seed}`})`, () => {
	const root = mkdtempSync(join(tmpdir(), "tocsin-care-"));
	const begin = join(root, "begin");
	const data = join(root, "data");
	const disk = noDisk === undefined ? new Disk(data) : undefined!;
	const random = randomFrom(seed);
	const calls = new Map<Kind, number>();
	let server: Server;
	let api: Api;
	let key: string;

	const sealed = () => readdirSync(join(data, "journal")).filter((name) => name.endsWith(".sealed"));
	const filler = () =>
		Array.from({ length: 1800 }, () => String.fromCharCode(97 + Math.floor(random() * 26))).join("");

	async function fill(from: number): Promise<void> {
		for (let i = from; i < from + EVENTS; i += 50) {
			const batch = Array.from({ length: 50 }, (_, k) => ({
				type: "kept",
				idempotencyKey: `k${i + k}`,
				payload: { filler: filler() },
			}));
			expect((await api.post("/api/v1/events", batch)).status).toBe(200);
		}
		await caughtUp(api);
	}

	/** One sealed file with a wrong bit, and behind it a closed segment that is not sealed. */
	beforeAll(async () => {
		const args = ["--segment-size", "1MiB"];
		server = await Server.start({ data, args });
		api = await Api.bootstrap(server.url);
		key = api.key!;
		await fill(0);
		await eventually(
			() => metric(api, "tocsin_journal_sealed_bytes"),
			(bytes) => bytes > 0,
		);
		await server.kill("SIGTERM");
		args.push("--seal", "false");
		await server.launch();
		await fill(EVENTS);
		await server.kill("SIGTERM");
		args.splice(-2);
		const fd = openSync(join(data, "journal", sealed()[0]!), "r+");
		const byte = new Uint8Array(1);
		readSync(fd, byte, 0, 1, 5000);
		byte[0]! ^= 4;
		writeSync(fd, byte, 0, 1, 5000);
		cpSync(data, begin, { recursive: true, filter: (path) => !path.endsWith(".sock") });
	}, 60_000);
	afterAll(async () => {
		await server.discard();
		disk.remove();
		rmSync(root, { recursive: true });
	});

	const keysOf = async () =>
		(await listAll<Event>(api, "/api/v1/events")).map((event) => event.idempotencyKey!).sort();
	const all = Array.from({ length: 2 * EVENTS }, (_, i) => `k${i}`).sort();

	/** Both are done, or this life does not get that far. */
	async function cared(): Promise<boolean> {
		const end = Date.now() + PATIENCE_MS;
		while (Date.now() < end) {
			const mended = await metric(api, "tocsin_journal_mended_pages_total").catch(() => undefined);
			if (mended === undefined) return false;
			if (mended > 0 && sealed().length > 1) return true;
			await new Promise((resolve) => setTimeout(resolve, 50));
		}
		return false;
	}

	async function live(): Promise<boolean> {
		rmSync(data, { recursive: true });
		cpSync(begin, data, { recursive: true });
		server.env = disk.env;
		try {
			await server.launch();
		} catch {
			expect(server.log.findLast((line) => line.event === "start_failed")).toBeDefined();
			return false;
		}
		api = new Api(server.url, key);
		// What is read is right also now, and has the damaged file looked at.
		const keys = await keysOf().catch(() => undefined);
		if (keys !== undefined) expect(keys).toEqual(all);
		const done = await cared();
		const code = await server.kill("SIGTERM");
		expect([0, 1, "SIGTERM"], server.tail()).toContain(code ?? server.endedBy);
		return done;
	}

	/** On a disk that is well: all is there, and what was left undone is done now. */
	async function check(what: string): Promise<void> {
		disk.order([]);
		await server.launch();
		api = new Api(server.url, key);
		expect([what, await keysOf()]).toEqual([what, all]);
		const verify = async () => (await tocsin(["journal", "verify", "--data", data])).code;
		await expect.poll(verify, { message: what, timeout: 15_000, interval: 200 }).toBe(0);
		expect(await server.kill("SIGTERM")).toBe(0);
	}

	it("or not at all: both are done in one life", async () => {
		for (const kind of kinds) {
			disk.order([kind]);
			expect(await live()).toBe(true);
			calls.set(kind, disk.calls);
		}
		await check("no fault");
		console.log(`a life takes ${[...calls].map(([kind, n]) => `${n} ${kind}`).join(", ")}`);
	}, 60_000);

	it.each(faults)("at a call of %s with %s: nothing is lost", async (kind, error) => {
		const n = calls.get(kind)!;
		for (const at of places(n, FAULTS, random)) {
			disk.order([kind], ERRNO[error], at);
			await live();
			await check(`${kind} ${at} ${error}`);
		}
	}, 60_000 + FAULTS * 20_000);
});
