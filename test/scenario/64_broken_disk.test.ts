// One call to the disk fails, the first, the second, and so on: whatever the server then does, what it
// acknowledged is there afterwards, once, and decided on as its rules say.
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api } from "../harness/api.ts";
import { Disk, ERRNO, faults, type Kind, kinds, noDisk, places } from "../harness/disk.ts";
import { journalEvents } from "../harness/journal.ts";
import { audit, type Entry, hashOf } from "../harness/ledger.ts";
import { alertsOf, caughtUp, type Event, listAll, makeRule, type Rule } from "../harness/model.ts";
import { firings } from "../harness/reference.ts";
import { Server } from "../harness/server.ts";
import { randomFrom } from "../harness/tools.ts";

const seed = Number(process.env.TOCSIN_TEST_SEED ?? Date.now() % 1_000_000);
/** Faults per kind of call; each costs two starts. More than there are calls: all of them. */
const FAULTS = Number(process.env.TOCSIN_TEST_FAULTS ?? 12);
const EVENTS = 12;
const spec = { threshold: 3, windowSeconds: 3600, cooldownSeconds: 0 };

describe.skipIf(noDisk !== undefined)(`a disk that fails once (${noDisk ?? `seed ${seed}`})`, () => {
	const root = mkdtempSync(join(tmpdir(), "tocsin-broken-"));
	const begin = join(root, "begin");
	const data = join(root, "data");
	const disk = noDisk === undefined ? new Disk(data) : undefined!;
	const random = randomFrom(seed);
	let server: Server;
	let key: string;
	let rule: Rule;
	/** How many calls of a kind a life without faults makes. */
	const calls = new Map<Kind, number>();

	beforeAll(async () => {
		server = await Server.start({ data, args: ["--segment-size", "1MiB", "--seal", "false"] });
		const api = await Api.bootstrap(server.url);
		key = api.key!;
		rule = await makeRule(api, { eventType: "storm.order", ...spec });
		await caughtUp(api);
		await server.kill("SIGTERM");
		cpSync(data, begin, { recursive: true, filter: (path) => !path.endsWith(".sock") });
	});
	afterAll(async () => {
		await server.discard();
		disk.remove();
		rmSync(root, { recursive: true });
	});

	/** A life on this disk, of which nobody knows how far it gets; what its client heard. */
	async function live(): Promise<Entry[]> {
		rmSync(data, { recursive: true });
		cpSync(begin, data, { recursive: true });
		server.env = disk.env;
		const entries: Entry[] = [];
		try {
			await server.launch();
		} catch {
			expect(server.log.findLast((line) => line.event === "start_failed")).toBeDefined();
			return entries;
		}
		const api = new Api(server.url, key);
		for (let i = 0; i < EVENTS; i++) {
			const sent = { type: "storm.order", payload: { n: i, filler: "x".repeat(5000) } };
			const entry: Entry = { ...sent, key: `k${i}`, hash: hashOf(sent), answers: [], unanswered: 0 };
			entries.push(entry);
			try {
				const reply = await api.post("/api/v1/events", { ...sent, idempotencyKey: entry.key });
				if (reply.status === 201) {
					entry.answers.push({ id: String(reply.body.id), replayed: false });
				} else {
					expect([500, 503, 507]).toContain(reply.status);
					entry.unanswered++;
				}
			} catch {
				entry.unanswered++;
			}
		}
		const code = await server.kill("SIGTERM");
		// Whoever has given up by itself may be past listening to signals when ours comes.
		expect([0, 1, "SIGTERM"], server.tail()).toContain(code ?? server.endedBy);
		return entries;
	}

	/** What the next life finds, on a disk that is well. */
	async function check(entries: Entry[], what: string): Promise<void> {
		disk.order([]);
		await server.launch();
		const api = new Api(server.url, key);
		await caughtUp(api);
		const events = (await listAll<Event>(api, "/api/v1/events")).reverse();
		const alerts = (await alertsOf(api, rule)).reverse();
		const { lost, duplicated, foreign } = audit(entries, events);
		expect([what, lost, duplicated, foreign]).toEqual([what, [], [], []]);
		// Whoever heard nothing asks again, and is told of what is there.
		for (const { type, payload, key: idempotencyKey } of entries) {
			const reply = await api.post("/api/v1/events", { type, payload, idempotencyKey });
			const known = events.find((event) => event.idempotencyKey === idempotencyKey);
			expect([what, reply.status]).toEqual([what, 201]);
			if (known !== undefined) expect(reply.body.id).toBe(known.id);
		}
		expect(await server.kill("SIGTERM")).toBe(0);
		const log = journalEvents(data).slice(0, events.length);
		const seen = events.map((event, i) => ({ ...event, atUs: log[i]!.atUs }));
		const said = firings(seen, { condition: "count_gte", ...spec });
		expect([what, alerts.map((alert) => alert.eventId)]).toEqual([what, said]);
	}

	it("or not at all: all is as ever", async () => {
		for (const kind of kinds) {
			disk.order([kind]);
			const entries = await live();
			calls.set(kind, disk.calls);
			expect(entries.filter((entry) => entry.answers.length === 1)).toHaveLength(EVENTS);
			await check(entries, `no ${kind}`);
		}
		console.log(`a life takes ${[...calls].map(([kind, n]) => `${n} ${kind}`).join(", ")}`);
	});

	it.each(faults)("at a call of %s with %s: what was acknowledged is there", async (kind, error) => {
		const n = calls.get(kind)!;
		let hit = 0;
		for (const at of places(n, FAULTS, random)) {
			disk.order([kind], ERRNO[error], at);
			const entries = await live();
			hit += disk.failed;
			await check(entries, `${kind} ${at} ${error}`);
		}
		// Not each life makes as many calls as the first one.
		expect(hit).toBeGreaterThan(n > 3 ? 1 : 0);
	}, 120_000 + FAULTS * 2_000);
});
