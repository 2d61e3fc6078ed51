// Promise 12: received is what became of it, for every tenant, through stops and crashes; and the
// checker that looks into the books behind every scenario notices when they are wrong.
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Api, eventually } from "../harness/api.ts";
import { tenant, tocsin } from "../harness/command.ts";
import { Server } from "../harness/server.ts";
import { stores, tamper } from "../harness/store.ts";

interface Counts {
	received: number;
	accepted: number;
	duplicate: number;
	refused: Record<string, number>;
	open: number;
}
interface Outcomes {
	data: (Counts & { start: string })[];
	total: Counts;
}
interface Stats {
	total: number;
	data: { start: string; count: number; unnamed: number; severities: Record<string, number> }[];
}

async function outcomes(api: Api, query = "step=hour"): Promise<Outcomes> {
	const got = await api.get<Outcomes>(`/api/v1/outcomes?${query}`);
	expect(got.status).toBe(200);
	return got.body;
}

async function stats(api: Api, query = "step=hour"): Promise<Stats> {
	const got = await api.get<Stats>(`/api/v1/stats/events?${query}`);
	expect(got.status).toBe(200);
	return got.body;
}

function balanced({ received, accepted, duplicate, refused, open }: Counts): boolean {
	const sum = Object.values(refused).reduce((a, b) => a + b, 0);
	return received === accepted + duplicate + sum + open;
}

/** All events of a project, by listing them. */
async function listed(api: Api): Promise<number> {
	let n = 0;
	let cursor = "";
	do {
		const got = await api.get<{ data: unknown[]; nextCursor: string | null }>(
			`/api/v1/events?limit=1000${cursor}`,
		);
		n += got.body.data.length;
		cursor = got.body.nextCursor === null ? "" : `&cursor=${got.body.nextCursor}`;
	} while (cursor !== "");
	return n;
}

/** A bit of everything; what became of it as the answers say. */
async function sendAll(api: Api, tag: string, rounds: number): Promise<Counts> {
	const mine = { accepted: 0, duplicate: 0, conflict: 0, invalid: 0 };
	const path = "/api/v1/events";
	for (let i = 0; i < rounds; i++) {
		const key = `${tag}-${i}`;
		const replies = [
			await api.post(path, { type: "one", idempotencyKey: key }),
			await api.post(path, { type: "one", idempotencyKey: key }),
			await api.post(path, { type: "two", idempotencyKey: key }),
			await api.post(path, { type: "" }),
		];
		expect(replies.map((r) => r.status)).toEqual([201, 201, 409, 400]);
		mine.accepted++;
		mine.duplicate++;
		mine.conflict++;
		mine.invalid++;
		const many = await api.post<{ accepted: number; rejected: number }>(path, [
			{ type: "many", severity: "high" },
			{ type: "many" },
			{ nothing: true },
		]);
		mine.accepted += many.body.accepted;
		mine.invalid += many.body.rejected;
	}
	const { accepted, duplicate, conflict, invalid } = mine;
	const received = accepted + duplicate + conflict + invalid;
	return { received, accepted, duplicate, refused: { conflict, invalid }, open: 0 };
}

describe.each(stores)("the books, state in %s", (store) => {
	it("say of every tenant what its answers said, also after a stop", async () => {
		const server = await Server.start({ store });
		const ours = await tenant(server, "ours");
		const theirs = await tenant(server, "theirs");
		const [a, b] = await Promise.all([sendAll(ours, "a", 5), sendAll(theirs, "b", 3)]);
		expect((await new Api(server.url, "sk_nobody").post("/api/v1/events", {})).status).toBe(401);
		for (const [api, want] of [[ours, a], [theirs, b]] as const) {
			const got = await eventually(
				() => outcomes(api),
				({ total }) => total.received === want.received && total.open === 0,
			);
			expect(got.total).toEqual(want);
			expect(got.data.every(balanced)).toBe(true);
			await eventually(() => stats(api), ({ total }) => total === want.accepted);
		}
		await server.restart();
		expect((await outcomes(ours)).total).toEqual(a);
		expect((await outcomes(ours, "step=minute")).total).toEqual(a);
		expect((await stats(theirs, "step=minute&type=many&severity=high")).total).toBe(3);
		await server.stop();
	});

	it("lose no accepted event to kill -9, and of refusals a second at most", async () => {
		const server = await Server.start({ store });
		const api = await tenant(server, "ours");
		const first = await sendAll(api, "first", 3);
		// What was saved before the crash is there after it: what came in, and what became of it.
		await eventually(
			() => outcomes(api),
			({ total }) => total.received === first.received && total.open === 0,
		);
		for (let i = 0; i < 4; i++) {
			const sent = Promise.allSettled(
				Array.from({ length: 40 }, (_, n) =>
					api.post("/api/v1/events", n % 4 === 0 ? { type: "" } : { type: `kill-${n % 3}` }),
				),
			);
			if (i % 2 === 0) await sent;
			await server.restart("SIGKILL");
			await sent;
		}
		const stored = await listed(api);
		expect(stored).toBeGreaterThanOrEqual(first.accepted + 2 * 30);
		const { total } = await eventually(
			() => outcomes(api),
			(got) => got.total.accepted === stored,
		);
		expect((await stats(api)).total).toBe(stored);
		expect(balanced(total)).toBe(true);
		expect(total.duplicate).toBe(first.duplicate);
		expect(total.refused.conflict).toBe(first.refused.conflict);
		expect(total.refused.invalid).toBeGreaterThanOrEqual(first.refused.invalid!);
		expect(total.refused.invalid).toBeLessThanOrEqual(first.refused.invalid! + 4 * 10);
		await server.stop();
	});
});

describe("the checker behind every scenario", () => {
	const wrongs = [
		["an event counted twice", "update rollups set count = count + 1", "more was counted"],
		["events not counted", "delete from rollups", "not counted"],
		[
			"accepted out of nothing",
			"update outcomes set count = count + 5 where outcome in ('received', 'accepted')",
			"more was accepted",
		],
		[
			"a refusal that nobody received",
			"update outcomes set count = count + 1 where outcome = 'invalid'",
			"more has an outcome than was received",
		],
		[
			"an event without an outcome",
			"update outcomes set count = count - 1 where outcome = 'invalid'",
			"has no outcome",
		],
		[
			"an accepted event that was not booked",
			"update outcomes set count = count - 1 where outcome in ('received', 'accepted')",
			"were not booked",
		],
	];
	it.each(wrongs)("notices %s", async (_what, sql, says) => {
		const server = await Server.start();
		await sendAll(await Api.bootstrap(server.url), "x", 2);
		expect(await server.kill("SIGTERM")).toBe(0);
		await tamper({ file: join(server.data, "state.db") }, sql!);
		await expect(server.stop()).rejects.toThrow(says);
	});

	it("tells wrong books from what cannot be read, and waits for no server", async () => {
		const server = await Server.start();
		await sendAll(await Api.bootstrap(server.url), "x", 2);
		const served = await tocsin(["books", ...server.stateFlags()]);
		expect(served.code).toBe(1);
		expect(served.stderr).toContain("a server runs on");
		expect(await server.kill("SIGTERM")).toBe(0);
		const ran = await tocsin(["books", "--exact", ...server.stateFlags()]);
		expect(ran.stdout).toMatch(/received=14 accepted=6 .* open=0 sent=6 events=6 hours=6/);
		expect(ran.stdout).toMatch(/: the books balance\n$/);
		expect(ran.code).toBe(0);
		const nothing = await tocsin(["books", "--data", join(server.data, "nothing")]);
		expect(nothing.code).toBe(1);
		await server.stop();
	});
});

it("minutes are kept for two days, hours for longer", async () => {
	const server = await Server.start({ clock: true });
	const api = await Api.bootstrap(server.url);
	const from = new Date(server.now()).toISOString();
	const to = new Date(server.now() + 3600_000).toISOString();
	await sendAll(api, "x", 1);
	const span = `from=${from}&to=${to}`;
	await eventually(() => stats(api, `step=minute&${span}`), ({ total }) => total === 3);
	server.advance(51 * 3600_000);
	await eventually(() => stats(api, `step=minute&${span}`), ({ total }) => total === 0);
	expect((await stats(api, `step=hour&${span}`)).total).toBe(3);
	expect((await outcomes(api, `step=hour&${span}`)).total.received).toBe(7);
	await server.stop();
});
