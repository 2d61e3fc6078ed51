// What nobody may see any more: hidden at once, gone from the disk soon, and counted nowhere.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api, eventually, type Problem } from "../harness/api.ts";
import { tenant, tocsin } from "../harness/command.ts";
import { Sse } from "../harness/live.ts";
import {
	alertsOf,
	caughtUp,
	type Event,
	listAll,
	makeRule,
	sendEvent,
} from "../harness/model.ts";
import { Server } from "../harness/server.ts";
import { stores } from "../harness/store.ts";
import { randomFrom } from "../harness/tools.ts";

const DAY = 86_400_000;

interface Project {
	id: string;
	retentionDays: number | null;
	effectiveRetentionDays: number;
	deletion: { before: string; deletedAt: string; purgedAt: string | null } | null;
}

async function project(api: Api): Promise<Project> {
	const got = await api.get<Project>("/api/v1/projects/current");
	expect(got.status).toBe(200);
	return got.body;
}

async function deleteAll(api: Api): Promise<void> {
	const { id } = await project(api);
	const got = await api.delete(`/api/v1/events?confirm=${id}`);
	expect([got.status, got.body]).toMatchObject([202, { projectId: id, status: "hidden" }]);
}

const list = (api: Api) => listAll<Event>(api, "/api/v1/events");

async function counted(api: Api, query = ""): Promise<number> {
	const got = await api.get<{ total: number }>(`/api/v1/stats/events?step=hour${query}`);
	expect(got.status).toBe(200);
	return got.body.total;
}

/** Whether any file below a directory has the text in it. */
function onDisk(dir: string, text: string): boolean {
	return readdirSync(dir).some((name) => {
		const path = join(dir, name);
		const stat = statSync(path, { throwIfNoEntry: false });
		if (stat === undefined || stat.isSocket()) return false;
		return stat.isDirectory() ? onDisk(path, text) : readFileSync(path).includes(text);
	});
}

/** Let the server take its snapshot and purge, until it says that the bytes are gone. */
async function purged(server: Server, api: Api): Promise<void> {
	server.advance(61_000);
	await eventually(
		async () => {
			server.advance(1_000);
			return (await project(api)).deletion!.purgedAt;
		},
		(at) => at !== null,
	);
}

interface Stat {
	kinds: { event: number };
	purged: number;
	deletedStillThere: number;
}

async function statLog(server: Server): Promise<Stat> {
	const ran = await tocsin(["journal", "stat", "--json", "--data", server.data]);
	expect([ran.code, ran.stderr]).toEqual([0, ""]);
	return JSON.parse(ran.stdout) as Stat;
}

const three = (type: string) => ({
	name: type,
	eventType: type,
	condition: "count_gte",
	threshold: 3,
	windowSeconds: 3600,
	actions: [{ channel: "in_app", config: {} }],
});

describe.each(stores)("deleting a project's events, state in %s", (store) => {
	let server: Server;
	let api: Api;
	let other: Api;

	beforeAll(async () => {
		server = await Server.start({ store, clock: true });
		api = await Api.bootstrap(server.url);
		other = await tenant(server, "other");
		for (let i = 0; i < 5; i++) await sendEvent(other, "theirs", { payload: { i } });
	});
	afterAll(() => server.stop());

	it("needs to be told which project", async () => {
		const theirs = (await project(other)).id;
		for (const query of ["", "?confirm=", "?confirm=yes", `?confirm=${theirs}`]) {
			const got = await api.delete<Problem>(`/api/v1/events${query}`);
			expect([got.status, got.body.field]).toEqual([400, "confirm"]);
		}
		expect((await api.get<Problem>(`/api/v1/projects/${theirs}`)).status).toBe(404);
	});

	it("is not for a key that only sends", async () => {
		const made = await api.post<{ key: string }>("/api/v1/keys", {
			name: "sender",
			scopes: ["events:read", "events:write"],
		});
		const sender = new Api(server.url, made.body.key);
		const { id } = await project(api);
		expect((await sender.delete(`/api/v1/events?confirm=${id}`)).status).toBe(403);
		expect((await sender.get("/api/v1/projects/current")).status).toBe(403);
	});

	it("hides them everywhere at once, and no window counts them", async () => {
		const rule = await makeRule(api, three("burst"));
		const sse = await Sse.open(server.url, "/api/v1/stream", {
			authorization: `Bearer ${api.key}`,
		});
		await sse.until(() => sse.of("connected").length === 1);
		const first = await sendEvent(api, "burst", { payload: { i: 1 } });
		await sse.until((frames) => frames.some((f) => f.data.id === first.id));
		const since = sse.lastId;
		sse.close();
		const second = await sendEvent(api, "burst", { payload: { i: 2 } });
		await caughtUp(api);
		await deleteAll(api);
		expect(await list(api)).toEqual([]);
		expect(await counted(api)).toBe(0);
		for (const { id } of [first, second]) {
			expect((await api.get<Problem>(`/api/v1/events/${id}`)).status).toBe(404);
			expect((await api.get<Problem>(`/events/${id}`)).status).toBe(404);
		}
		const two = [await sendEvent(api, "burst"), await sendEvent(api, "burst")];
		const resumed = await Sse.open(server.url, "/api/v1/stream", {
			authorization: `Bearer ${api.key}`,
			"last-event-id": since,
		});
		await resumed.until((frames) => frames.some((f) => f.data.id === two[1]!.id));
		expect(resumed.frames.some((f) => f.data.id === second.id)).toBe(false);
		resumed.close();
		await caughtUp(api);
		expect(await alertsOf(api, rule)).toEqual([]);
		await sendEvent(api, "burst");
		await caughtUp(api);
		expect(await alertsOf(api, rule)).toHaveLength(1);
		expect((await list(api)).length).toBe(3);
		expect((await list(other)).length).toBe(5);
	});

	it("keeps alerts, and ends those that count what is gone", async () => {
		const rule = await makeRule(api, three("gone"));
		for (let i = 0; i < 3; i++) await sendEvent(api, "gone");
		await caughtUp(api);
		await deleteAll(api);
		const alerts = await alertsOf(api, rule);
		expect(alerts).toHaveLength(1);
		expect(alerts[0]).toMatchObject({ state: "resolved" });
	});

	it("takes the bytes off the disk, through restarts and kill -9, and nothing else", async () => {
		await deleteAll(api);
		const marks = [1, 2, 3].map((i) => `marked-${store}-${i}-${"x0y1".repeat(10)}`);
		for (const mark of marks) {
			await sendEvent(api, "marked", { payload: { mark }, idempotencyKey: mark });
			expect(onDisk(server.data, mark)).toBe(true);
		}
		await sendEvent(other, "theirs", { payload: { mark: "of-somebody-else" } });
		await caughtUp(api);
		await deleteAll(api);
		const after = await sendEvent(api, "later");
		expect((await statLog(server)).deletedStillThere).toBeGreaterThanOrEqual(3);
		await server.restart("SIGKILL");
		expect((await list(api)).map((e) => e.id)).toEqual([after.id]);
		await purged(server, api);
		for (const mark of marks) expect(onDisk(server.data, mark)).toBe(false);
		expect((await list(api)).map((e) => e.id)).toEqual([after.id]);
		expect((await list(other)).length).toBe(6);
		await server.restart("SIGKILL");
		expect((await list(api)).map((e) => e.id)).toEqual([after.id]);
		expect((await list(other)).length).toBe(6);
		const stat = await statLog(server);
		expect(stat).toMatchObject({ kinds: { event: 7 }, deletedStillThere: 0 });
		expect(stat.purged).toBeGreaterThanOrEqual(3);
		await server.restart();
		await caughtUp(api);
		expect(await counted(api)).toBe(1);
		expect(await counted(other)).toBe(6);
	});

	it("survives kill -9 at any moment of deleting and purging", async () => {
		const random = randomFrom(33);
		for (let round = 0; round < 6; round++) {
			for (let i = 0; i < 20; i++) await sendEvent(api, "storm", { payload: { round, i } });
			await deleteAll(api);
			const kept = await sendEvent(api, "storm", { payload: { round } });
			server.advance(61_000);
			// The moment of the kill, not a wait for anything.
			await setTimeout(random() * 1500);
			await server.restart("SIGKILL");
			expect((await list(api)).map((e) => e.id)).toEqual([kept.id]);
			expect((await list(other)).length).toBe(6);
			await caughtUp(api);
			expect(await counted(api)).toBe(1);
		}
		await purged(server, api);
		expect(await statLog(server)).toMatchObject({ kinds: { event: 7 }, deletedStillThere: 0 });
	});

	it("frees the idempotency keys, before the purge and after it", async () => {
		const send = () =>
			api.post<{ id: string; replayed?: boolean }>("/api/v1/events", {
				type: "keyed",
				idempotencyKey: "again",
			});
		const first = await send();
		expect(first.status).toBe(201);
		expect((await send()).status).toBe(201);
		expect((await send()).body.id).toBe(first.body.id);
		await deleteAll(api);
		const second = await send();
		expect(second.status).toBe(201);
		expect(second.body.id).not.toBe(first.body.id);
		await deleteAll(api);
		await purged(server, api);
		const third = await send();
		expect(third.status).toBe(201);
		expect([first.body.id, second.body.id]).not.toContain(third.body.id);
		expect((await list(api)).map((e) => e.id)).toEqual([third.body.id]);
	});
});

describe("a project's own time", () => {
	let server: Server;
	let api: Api;
	let other: Api;

	beforeAll(async () => {
		server = await Server.start({ clock: true, args: ["--retention", "30"] });
		api = await Api.bootstrap(server.url);
		other = await tenant(server, "other");
	});
	afterAll(() => server.stop());

	it("is the server's, or set for the project", async () => {
		expect(await project(api)).toMatchObject({
			retentionDays: null,
			effectiveRetentionDays: 30,
			deletion: null,
		});
		const { id } = await project(api);
		for (const [days, effective] of [
			[7, 7],
			[0, 0],
			[null, 30],
			[2, 2],
		]) {
			const set = await api.patch<Project>(`/api/v1/projects/${id}`, { retentionDays: days });
			expect([set.status, set.body]).toMatchObject([
				200,
				{ retentionDays: days, effectiveRetentionDays: effective },
			]);
		}
		const bad = await api.patch<Problem>(`/api/v1/projects/${id}`, { retentionDays: -1 });
		expect([bad.status, bad.body.field]).toEqual([400, "retentionDays"]);
		expect((await project(other)).effectiveRetentionDays).toBe(30);
		await server.restart();
		expect((await project(api)).retentionDays).toBe(2);
	});

	it("hides what is older, then takes it off the disk; counts stay", async () => {
		const mark = `old-${"q7r9".repeat(12)}`;
		for (let i = 0; i < 20; i++) {
			await sendEvent(api, "old", { payload: { mark, i }, idempotencyKey: `old-${i}` });
			await sendEvent(other, "old", { payload: { i } });
		}
		await caughtUp(api);
		server.advance(DAY);
		const young = await sendEvent(api, "young");
		expect((await list(api)).length).toBe(21);
		server.advance(DAY + 60_000);
		expect((await list(api)).map((e) => e.id)).toEqual([young.id]);
		expect((await list(other)).length).toBe(20);
		// The same key again: what it stood for is not there any more.
		const again = await sendEvent(api, "old", { idempotencyKey: "old-0" });
		expect((await list(api)).map((e) => e.id)).toEqual([again.id, young.id]);
		// Another day, so that rules cannot need it any more, and snapshots that are younger.
		for (let i = 0; i < 3; i++) {
			server.advance(DAY + 60_000);
			await sendEvent(other, "tomorrow");
			await caughtUp(other);
			server.advance(61_000);
		}
		await eventually(
			async () => {
				server.advance(3_600_000);
				await sendEvent(other, "next");
				return onDisk(server.data, mark);
			},
			(there) => !there,
		);
		const span = [-20, 1].map((days) => new Date(server.now() + days * DAY).toISOString());
		expect(await counted(api, `&from=${span[0]}&to=${span[1]}`)).toBe(22);
		expect((await list(other)).filter((e) => e.type === "old")).toHaveLength(20);
		const raised = await api.patch("/api/v1/projects/current", { retentionDays: 0 });
		expect(raised.status).toBe(200);
		expect((await list(api)).some((e) => e.type === "old" && e.id !== again.id)).toBe(false);
		await server.restart("SIGKILL");
		expect((await list(other)).filter((e) => e.type === "old")).toHaveLength(20);
	});
});
