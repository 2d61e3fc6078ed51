// A disk that does not give some sectors any more, under a server and without one: the rest is there, what is
// lost is named, and an operator who accepts that does not have to stop anything.
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Api, eventually } from "../harness/api.ts";
import { tocsin } from "../harness/command.ts";
import { Disk, noDisk } from "../harness/disk.ts";
import { caughtUp, type Event, listAll, makeRule, metric, type Page, sendEvent } from "../harness/model.ts";
import { Server } from "../harness/server.ts";
import { randomFrom } from "../harness/tools.ts";

interface Damage {
	file: string;
	recordsLost: number;
	firstRecord?: number;
	lastRecord?: number;
	projectId?: string;
	setAside: boolean;
}

interface Look {
	ok: boolean;
	recordsLost: number;
	setAside: number;
	damage: Damage[];
}

const random = randomFrom(87);
/** Not to be packed small: a file is to have several pages. */
const filler = () => Array.from({ length: 4000 }, () => String.fromCharCode(97 + Math.floor(random() * 26))).join("");
const PAGE = 4096;
const FOOTER = 4096;

describe.skipIf(noDisk !== undefined)(`bad sectors (${noDisk ?? "of a disk made for this"})`, () => {
	let server: Server;
	let api: Api;
	let disk: Disk;
	let journal: string;
	let sent = 0;

	beforeEach(async () => {
		server = await Server.start({ args: ["--segment-size", "1MiB"] });
		await server.kill("SIGTERM");
		disk = new Disk(server.data);
		server.env = { ...server.env, ...disk.env };
		await server.launch();
		journal = join(server.data, "journal");
		api = await Api.bootstrap(server.url);
		sent = 0;
	});
	afterEach(async () => {
		await server.discard();
		disk.remove();
	});

	async function send(n: number): Promise<void> {
		for (; n > 0; n -= 20) {
			const batch = Array.from({ length: 20 }, (_, i) => ({
				type: "kept",
				idempotencyKey: `k${sent + i}`,
				payload: { filler: filler() },
			}));
			expect((await api.post("/api/v1/events", batch)).status).toBe(200);
			sent += 20;
		}
		await caughtUp(api);
	}

	async function look(verb: string, code = 0): Promise<Look> {
		const ran = await tocsin(["journal", verb, "--json", "--data", server.data], { env: disk.env });
		expect([verb, ran.code, code === 0 ? ran.stderr : ""]).toEqual([verb, code, ""]);
		return JSON.parse(ran.stdout) as Look;
	}

	/** What all pages of the list have, and how often one says that something of it is lost. */
	async function listed(): Promise<{ keys: Set<string>; holes: number }> {
		const keys = new Set<string>();
		let holes = 0;
		for (let cursor: string | null = ""; cursor !== null; ) {
			const path: string = `/api/v1/events?limit=100${cursor === "" ? "" : `&cursor=${cursor}`}`;
			const page: Page<Event> & { lost?: number } = (await api.get(path)).body as never;
			for (const event of page.data) keys.add(event.idempotencyKey!);
			holes += page.lost ?? 0;
			cursor = page.nextCursor;
		}
		return { keys, holes };
	}

	const first = (suffix: string) =>
		readdirSync(journal)
			.filter((name) => name.endsWith(suffix))
			.sort()[0]!;

	it("keep sealing waiting, say so, and are set aside while the server runs", async () => {
		await send(60);
		const active = first(".seg");
		disk.spoil(join(journal, active), 10 * PAGE, 12 * PAGE);
		await send(600);
		await eventually(
			() => metric(api, "tocsin_journal_seal_waiting_bytes"),
			(bytes) => bytes > 1_000_000,
		);
		const waits = await server.waitLog((line) => line.event === "seal_waits");
		expect(String(waits.help)).toContain("tocsin journal quarantine");
		const ready = await api.get<{ status: string; note: string }>("/ready");
		expect(ready.body).toMatchObject({ status: "ready", note: expect.stringContaining("wait to be sealed") });
		const before = await listed();
		expect(before.holes).toBeGreaterThan(0);

		const found = await look("verify", 1);
		expect(found.recordsLost).toBe(sent - before.keys.size);
		expect(found.recordsLost).toBeGreaterThan(0);
		const said = await tocsin(["journal", "quarantine", "--data", server.data], { env: disk.env });
		expect([said.code, said.stderr]).toEqual([0, ""]);
		const { firstRecord, lastRecord } = found.damage[0]!;
		const which = firstRecord === lastRecord ? `record ${firstRecord} is` : `records ${firstRecord} to ${lastRecord} are`;
		expect(said.stdout).toContain(`${which} lost`);
		expect(said.stdout).toContain("set aside by the server: 1");
		await eventually(
			() => metric(api, "tocsin_journal_seal_waiting_bytes"),
			(bytes) => bytes === 0,
		);
		await eventually(
			() => metric(api, "tocsin_journal_sealed_bytes"),
			(bytes) => bytes > 0,
		);
		const after = await listed();
		expect(after.keys).toEqual(before.keys);
		expect(after.holes).toBeGreaterThan(0);
		expect((await api.get<{ note?: string }>("/ready")).body.note).toBeUndefined();
		expect(await look("verify")).toMatchObject({ ok: true, recordsLost: found.recordsLost });
		expect(await look("quarantine")).toMatchObject({ setAside: 0 });
		await send(20);
		await server.restart("SIGKILL");
		expect((await listed()).keys.size).toBe(before.keys.size + 20);
		await server.kill("SIGTERM");
		const books = await tocsin(["books", "--data", server.data], { env: disk.env });
		expect([books.code, books.stdout]).toEqual([0, expect.stringContaining(`${found.recordsLost} lost to damage`)]);
	});

	it("refuse a start until somebody accepts the loss, and read as one file afterwards", async () => {
		await makeRule(api, { eventType: "kept", threshold: 5 });
		await send(60);
		await server.kill("SIGKILL");
		rmSync(join(server.data, "snapshots"), { recursive: true, force: true });
		const active = first(".seg");
		disk.spoil(join(journal, active), 20 * PAGE, 21 * PAGE);
		await expect(server.launch()).rejects.toThrow("`tocsin journal quarantine`");
		const found = await look("verify", 1);
		expect(found.damage).toHaveLength(1);
		expect(found.recordsLost).toBeGreaterThan(0);
		expect(await look("quarantine")).toMatchObject({ setAside: 1, recordsLost: found.recordsLost });
		// The copy has no bad sector in it: whatever copies files can copy it.
		expect(readFileSync(join(journal, active)).includes("unread")).toBe(true);
		await server.launch();
		expect((await listed()).keys.size).toBe(sent - found.recordsLost);
		await sendEvent(api, "kept", { idempotencyKey: "after" });
		await caughtUp(api);
		await server.restart("SIGTERM");
		expect(await listAll<Event>(api, "/api/v1/events")).toHaveLength(sent - found.recordsLost + 1);
	});

	it("cost a sealed file what no other sector has, and nothing else", async () => {
		await send(600);
		await eventually(
			() => metric(api, "tocsin_journal_sealed_bytes"),
			(bytes) => bytes > 0,
		);
		const name = first(".sealed");
		const bytes = readFileSync(join(journal, name));
		const content = Number(bytes.readBigUInt64LE(136));
		const page = bytes.readUInt32LE(144);
		const pages = Math.ceil(content / page);
		const groups = Math.ceil(pages / 32);
		const tables = 4 * (pages + groups);
		const parity = FOOTER + content + tables;
		disk.spoil(join(journal, name), 0, FOOTER); // the first footer
		disk.spoil(join(journal, name), FOOTER, FOOTER + PAGE);
		disk.spoil(join(journal, name), parity, parity + PAGE); // what would give that back
		const before = await listed();
		expect(before.keys.size).toBeLessThan(sent);
		expect(before.holes).toBeGreaterThan(0);
		const line = await server.waitLog((l) => l.event === "journal_lost");
		expect(line.file).toBe(name);
		const found = await look("verify", 1);
		// Not every record is an event: a start and a key are among the first.
		expect(found.recordsLost).toBeGreaterThanOrEqual(sent - before.keys.size);
		expect(found.recordsLost).toBeLessThan(sent - before.keys.size + 10);
		const lost = found.damage.filter((d) => d.recordsLost > 0);
		expect(lost.every((d) => d.file === name)).toBe(true);
		expect(lost.some((d) => d.projectId?.startsWith("prj_"))).toBe(true);
		expect(await look("quarantine")).toMatchObject({ setAside: lost.length, recordsLost: found.recordsLost });
		expect((await listed()).keys).toEqual(before.keys);
		expect(await look("verify")).toMatchObject({ ok: true, recordsLost: found.recordsLost });
		await eventually(
			() => metric(api, "tocsin_journal_lost_records"),
			(n) => n === 0,
		);
		await server.restart("SIGKILL");
		expect((await listed()).keys).toEqual(before.keys);
	});
});
