// A disk that is full again and again: refused before writing, read all the while, taken up by itself.
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api, eventually, type Problem, type Reply } from "../harness/api.ts";
import { journalEvents } from "../harness/journal.ts";
import { audit, type Entry, hashOf } from "../harness/ledger.ts";
import { alertsOf, caughtUp, type Event, listAll, makeRule, metric, type Rule } from "../harness/model.ts";
import { mountTmpfs, noMount, unmount } from "../harness/mount.ts";
import { firings } from "../harness/reference.ts";
import { Server } from "../harness/server.ts";

const CYCLES = Number(process.env.TOCSIN_TEST_FILLS ?? 50);
const FILLER = "x".repeat(150_000);
/** One alert in so many events: what they say is in the state as well, and takes room there. */
const GROUP = 8;
const spec = { condition: "count_eq", threshold: 3, windowSeconds: 3600, cooldownSeconds: 0 } as const;
const why = noMount();

describe.skipIf(why !== undefined)(`a disk that is full ${CYCLES} times (${why ?? "tmpfs"})`, () => {
	const entries: Entry[] = [];
	let root: string;
	let server: Server;
	let api: Api;
	let rule: Rule;

	beforeAll(async () => {
		root = mountTmpfs(100 + CYCLES * 3);
		const args = ["--segment-size", "1MiB", "--seal", "false"];
		server = await Server.start({ data: join(root, "data"), args });
		api = await Api.bootstrap(server.url);
		rule = await makeRule(api, { eventType: "storm.order", ...spec, groupBy: ["payload.group"] });
	});
	afterAll(async () => {
		await server.discard();
		unmount(root);
	});

	const filler = () => join(root, "filler");

	/** Take all the room there is. */
	function fill(): void {
		const fd = openSync(filler(), "a");
		for (const size of [1 << 20, 4096]) {
			for (const bytes = Buffer.alloc(size); wrote(fd, bytes); );
		}
		closeSync(fd);
	}

	function wrote(fd: number, bytes: Buffer): boolean {
		try {
			return writeSync(fd, bytes) === bytes.length;
		} catch {
			return false;
		}
	}

	async function send(entry: Entry): Promise<Reply> {
		const body = { type: entry.type, payload: entry.payload, idempotencyKey: entry.key };
		const reply = await api.post("/api/v1/events", body);
		if (reply.status === 201) entry.answers.push({ id: String(reply.body.id), replayed: false });
		else entry.unanswered++;
		return reply;
	}

	function next(): Entry {
		const sent = { type: "storm.order", payload: { group: Math.floor(entries.length / GROUP), FILLER } };
		const entry = { ...sent, key: `k${entries.length}`, hash: hashOf(sent), answers: [], unanswered: 0 };
		entries.push(entry);
		return entry;
	}

	it(
		"says 507 to events, goes on being read, and takes them again when there is room",
		async () => {
			for (let cycle = 0; cycle < CYCLES; cycle++) {
				fill();
				let entry = next();
				let reply = await send(entry);
				for (let i = 0; i < 100 && reply.status === 201; i++) {
					entry = next();
					reply = await send(entry);
				}
				expect([cycle, reply.status, (reply.body as unknown as Problem).code]).toEqual([
					cycle,
					507,
					"disk_full",
				]);
				expect(Number(reply.headers.get("retry-after"))).toBeGreaterThan(0);
				const last = entries.findLast(({ answers }) => answers.length > 0)!;
				const read = await api.get<Event>(`/api/v1/events/${last.answers[0]!.id}`);
				expect([cycle, read.status, read.body.idempotencyKey]).toEqual([cycle, 200, last.key]);
				expect((await new Api(server.url).get("/health")).status).toBe(200);
				rmSync(filler());
				await eventually(
					() => send(entry),
					({ status }) => status === 201,
				);
			}
			await caughtUp(api);
			expect(await metric(api, 'tocsin_ingest_events_total{outcome="io_error"}')).toBeGreaterThanOrEqual(
				CYCLES,
			);
		},
		CYCLES * 5_000,
	);

	it("has lost nothing, stored nothing twice, and decided as if there had been room", async () => {
		const events = (await listAll<Event>(api, "/api/v1/events", 100)).reverse();
		const alerts = (await alertsOf(api, rule)).reverse();
		const { lost, duplicated, foreign, untold } = audit(entries, events);
		expect({ lost, duplicated, foreign, untold }).toEqual({
			lost: [],
			duplicated: [],
			foreign: [],
			untold: [],
		});
		expect(events).toHaveLength(entries.length);
		expect(await server.kill("SIGTERM")).toBe(0);
		const log = journalEvents(server.data);
		const seen = events.map((event, i) => ({ ...event, atUs: log[i]!.atUs }));
		const said = firings(seen, { ...spec, key: (event) => String(event.payload.group) });
		expect(alerts.map((alert) => alert.eventId)).toEqual(said);
		expect(said.length).toBeGreaterThan(CYCLES / 2);
	});
});
