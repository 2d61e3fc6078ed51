// A log that is looked after: what a disk changes is mended while the server runs; what is lost for
// good is named, refused where it matters, and set aside by whoever says so.
import { cpSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Api, eventually } from "../harness/api.ts";
import { tocsin } from "../harness/command.ts";
import { flipBit, look as lookAt } from "../harness/damage.ts";
import { caughtUp, type Event, listAll, makeRule, metric, type Page, sendEvent } from "../harness/model.ts";
import { Server } from "../harness/server.ts";
import { randomFrom } from "../harness/tools.ts";

const EVENTS = 600;
const FOOTER = 4096;
const seed = Number(process.env.TOCSIN_TEST_SEED ?? 85);
const random = randomFrom(seed);
/** Not to be packed small: a file is to have several pages. */
const filler = () => Array.from({ length: 1800 }, () => String.fromCharCode(97 + Math.floor(random() * 26))).join("");

/** Two pages of the first group, as the format page has them: what is in them is lost. */
function loseGroup(path: string): void {
	const footer = readFileSync(path).subarray(0, FOOTER);
	const content = Number(footer.readBigUInt64LE(136));
	const page = footer.readUInt32LE(144);
	const pages = Math.ceil(content / page);
	const groups = Math.ceil(pages / 32);
	expect(pages).toBeGreaterThan(groups);
	flipBit(path, FOOTER + 300);
	flipBit(path, FOOTER + groups * page + 300);
}

describe(`a log with sealed files (seed ${seed})`, () => {
	let server: Server;
	let api: Api;
	let journal: string;

	beforeEach(async () => {
		server = await Server.start({ args: ["--segment-size", "1MiB"] });
		journal = join(server.data, "journal");
		api = await Api.bootstrap(server.url);
		for (let i = 0; i < EVENTS; i += 50) {
			const batch = Array.from({ length: 50 }, (_, k) => ({
				type: "kept",
				idempotencyKey: `k${i + k}`,
				payload: { n: i + k, filler: filler() },
			}));
			expect((await api.post("/api/v1/events", batch)).status).toBe(200);
		}
		await caughtUp(api);
		await eventually(
			() => metric(api, "tocsin_journal_sealed_bytes"),
			(bytes) => bytes > 0,
		);
	});
	afterEach(() => server.discard());

	const sealed = () => readdirSync(journal).filter((name) => name.endsWith(".sealed"));
	const keysOf = (events: Event[]) => events.map((event) => event.idempotencyKey!);
	const all = Array.from({ length: EVENTS }, (_, i) => `k${i}`).sort();

	const look = (verb: string, code = 0) => lookAt(server.data, verb, code);

	it("is mended while the server reads on", async () => {
		const path = join(journal, sealed()[0]!);
		const good = readFileSync(path);
		flipBit(path, FOOTER + 500);
		const found = await look("verify", 1);
		expect(found).toMatchObject({ ok: false, recordsLost: 0 });
		expect(found.damage).toEqual([expect.objectContaining({ mendable: true, recordsLost: 0 })]);
		expect(keysOf(await listAll<Event>(api, "/api/v1/events")).sort()).toEqual(all);
		// A read needed parity, so the file is looked at now, and not in a week.
		await eventually(
			() => metric(api, "tocsin_journal_mended_pages_total"),
			(pages) => pages === 1,
		);
		expect(readFileSync(path).equals(good)).toBe(true);
		expect(await look("verify")).toMatchObject({ ok: true, damage: [] });
		expect(keysOf(await listAll<Event>(api, "/api/v1/events")).sort()).toEqual(all);
		const deep = await tocsin(["journal", "verify", "--deep", "--data", server.data]);
		expect([deep.code, deep.stdout]).toEqual([0, expect.stringContaining("every record is intact")]);
	});

	it("names what is lost for good, refuses to decide over it, and sets it aside", async () => {
		await makeRule(api, { eventType: "kept", threshold: 5 });
		loseGroup(join(journal, sealed()[0]!));
		const before = await listAll<Event>(api, "/api/v1/events");
		const line = await server.waitLog((l) => l.event === "journal_lost");
		expect(line.level).toBe("error");
		const found = await look("verify", 1);
		const lost = found.recordsLost;
		expect(lost).toBeGreaterThan(0);
		expect(lost).toBeLessThan(EVENTS);
		expect(before).toHaveLength(EVENTS - lost);
		expect(await metric(api, "tocsin_journal_lost_records")).toBe(lost);
		let holes = 0;
		for (let cursor: string | null = ""; cursor !== null; ) {
			const path: string = `/api/v1/events?limit=1000${cursor === "" ? "" : `&cursor=${cursor}`}`;
			const page: Page<Event> & { lost?: number } = (await api.get(path)).body as never;
			holes += page.lost ?? 0;
			cursor = page.nextCursor;
		}
		expect(holes).toBeGreaterThan(0);
		const ready = await api.get<{ status: string; note?: string }>("/ready");
		expect(ready.body).toMatchObject({ status: "ready", note: expect.stringContaining("lost") });
		const said = await tocsin(["journal", "verify", "--data", server.data]);
		expect(said.stderr).toContain("`tocsin journal quarantine`");
		const refused = await tocsin(["journal", "repair", "--data", server.data]);
		expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("stop it first")]);

		// Who starts with a snapshot does not need those records; who has none is asked first.
		await server.restart("SIGTERM");
		expect(await listAll<Event>(api, "/api/v1/events")).toHaveLength(EVENTS - lost);
		await server.kill("SIGKILL");
		rmSync(join(server.data, "snapshots"), { recursive: true });
		await expect(server.launch()).rejects.toThrow("`tocsin journal quarantine`");

		const repaired = await tocsin(["journal", "repair", "--data", server.data]);
		expect([repaired.code, repaired.stdout]).toEqual([1, expect.stringContaining("nothing to mend")]);
		expect(await look("quarantine")).toMatchObject({ recordsLost: lost });
		expect(readdirSync(journal).filter((n) => n.endsWith(".damaged")).length).toBeGreaterThan(0);
		const after = await look("verify");
		expect(after).toMatchObject({ ok: true, recordsLost: lost });
		expect(after.damage.every((d) => d.setAside)).toBe(true);
		expect(await look("quarantine")).toMatchObject({ setAside: 0 });
		await server.launch();
		expect(keysOf(await listAll<Event>(api, "/api/v1/events"))).toEqual(keysOf(before));
		expect(await metric(api, "tocsin_journal_lost_records")).toBe(0);
		await sendEvent(api, "kept", { idempotencyKey: "after" });
		await caughtUp(api);
		await server.kill("SIGTERM");
		const books = await tocsin(["books", "--data", server.data]);
		expect([books.code, books.stdout]).toEqual([0, expect.stringContaining(`${lost} lost to damage`)]);
	});

	it("loses nothing to any one wrong bit of a sealed file", { timeout: 600_000 }, async () => {
		await server.kill("SIGTERM");
		const kept = `${server.data}.kept`;
		renameSync(server.data, kept);
		const wanted = Number(process.env.TOCSIN_TEST_FLIPS ?? 1000) / 100;
		for (let i = 0; i < wanted; i++) {
			cpSync(kept, server.data, { recursive: true });
			const names = sealed();
			const path = join(journal, names[Math.floor(random() * names.length)]!);
			const good = readFileSync(path);
			const at = Math.floor(random() * good.length);
			const bad = Buffer.from(good);
			bad[at]! ^= 1 << Math.floor(random() * 8);
			writeFileSync(path, bad);
			if (random() < 0.5) rmSync(join(server.data, "snapshots"), { recursive: true });
			const what = `bit at ${at} of ${path}, seed ${seed}`;
			expect(await look("verify", 1), what).toMatchObject({ ok: false, recordsLost: 0 });
			if (random() < 0.5) {
				expect(await look("repair"), what).toMatchObject({ mended: 1, recordsLost: 0 });
				expect(readFileSync(path).equals(good), what).toBe(true);
			}
			await server.launch();
			expect(keysOf(await listAll<Event>(api, "/api/v1/events")).sort(), what).toEqual(all);
			await sendEvent(api, "one.more");
			await caughtUp(api);
			expect(await server.kill("SIGTERM"), what).toBe(0);
			rmSync(server.data, { recursive: true });
		}
		renameSync(kept, server.data);
	});
});
