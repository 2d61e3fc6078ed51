// What rules have counted survives the end of the process, however it came; and a log and a state
// that do not belong together are refused rather than muddled through.
import { cpSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Api } from "../harness/api.ts";
import { alertsOf, caughtUp, type Event, listAll, makeRule, sendEvent } from "../harness/model.ts";
import { firings } from "../harness/reference.ts";
import { Server } from "../harness/server.ts";
import { stores } from "../harness/store.ts";

/** What happens to the snapshots while nobody runs. */
const snapshots: [string, (dir: string) => void][] = [
	["kept", () => undefined],
	["deleted", (dir) => rmSync(dir, { recursive: true, force: true })],
	[
		"damaged",
		(dir) => {
			for (const name of readdirSync(dir)) {
				const bytes = readFileSync(join(dir, name));
				for (let i = 100; i < bytes.length; i += 97) bytes[i]! ^= 0x20;
				writeFileSync(join(dir, name), bytes);
			}
		},
	],
	[
		"cut short",
		(dir) => {
			for (const name of readdirSync(dir)) {
				const bytes = readFileSync(join(dir, name));
				writeFileSync(join(dir, name), bytes.subarray(0, bytes.length / 2));
			}
		},
	],
];

describe.each(stores)("a restart, state in %s", (store) => {
	it.each(["SIGTERM", "SIGKILL"] as const)("by %s loses no count and no cooldown", async (signal) => {
		const server = await Server.start({ store, clock: true });
		const api = await Api.bootstrap(server.url);
		const rule = await makeRule(api, {
			eventType: "restarted",
			threshold: 3,
			windowSeconds: 3600,
			cooldownSeconds: 600,
		});
		const count = async () => {
			await caughtUp(api);
			return (await alertsOf(api, rule)).length;
		};
		for (const _ of [1, 2]) await sendEvent(api, "restarted");
		await server.restart(signal);
		expect(await count()).toBe(0);
		await sendEvent(api, "restarted");
		expect(await count()).toBe(1);
		await server.restart(signal);
		await sendEvent(api, "restarted");
		expect(await count()).toBe(1);
		await server.restart(signal);
		server.advance(601_000);
		await sendEvent(api, "restarted");
		expect(await count()).toBe(2);
		expect((await api.get(`/api/v1/rules/${rule.id}`)).body).toEqual(rule);
		await server.stop();
	});

	it.each(snapshots)("with snapshots %s gives the same alerts", async (_, spoil) => {
		const server = await Server.start({ store, clock: true });
		const api = await Api.bootstrap(server.url);
		const spec = { windowSeconds: 3600, cooldownSeconds: 60, groupBy: ["payload.user"] };
		const gte = { ...spec, condition: "count_gte", threshold: 4 } as const;
		const eq = { ...spec, condition: "count_eq", threshold: 6, cooldownSeconds: 0 } as const;
		const rules = [];
		for (const one of [gte, eq]) rules.push(await makeRule(api, { eventType: "log", ...one }));
		for (let round = 0; round < 4; round++) {
			for (let i = 0; i < 10; i++) {
				await sendEvent(api, "log", { payload: { user: (i * 7 + round) % 3 } });
			}
			if (round === 1) await api.patch(`/api/v1/rules/${rules[0]!.id}`, { name: "renamed" });
			await caughtUp(api);
			// A polite end writes a snapshot; the one that follows it replays from there.
			await server.restart(round % 2 === 0 ? "SIGTERM" : "SIGKILL");
			server.advance(100_000);
			await server.kill(round % 2 === 0 ? "SIGKILL" : "SIGTERM");
			spoil(join(server.data, "snapshots"));
			await server.launch();
		}
		await caughtUp(api);
		const events = (await listAll<Event>(api, "/api/v1/events?type=log")).reverse();
		expect(events).toHaveLength(40);
		const key = (event: Event) => String(event.payload.user);
		for (const [i, one] of [gte, eq].entries()) {
			const alerts = (await alertsOf(api, rules[i]!)).reverse();
			const want = firings(events, { ...one, key });
			expect(want.length).toBeGreaterThan(0);
			expect(alerts.map((a) => a.eventId)).toEqual(want);
		}
		await server.stop();
	});

	it("on a log that is older than the state, cut or another's is refused", async () => {
		const server = await Server.start({ store });
		const api = await Api.bootstrap(server.url);
		await makeRule(api, { eventType: "lost" });
		for (let i = 0; i < 5; i++) await sendEvent(api, "lost");
		await caughtUp(api);
		await server.kill("SIGTERM");
		const journal = join(server.data, "journal");
		cpSync(journal, `${journal}.kept`, { recursive: true });

		rmSync(journal, { recursive: true });
		await expect(server.launch()).rejects.toThrow(/start_failed.*(older|another|belong)/s);
		rmSync(journal, { recursive: true, force: true });

		const other = await Server.start();
		const otherApi = await Api.bootstrap(other.url);
		for (let i = 0; i < 50; i++) await sendEvent(otherApi, "other");
		await other.kill("SIGTERM");
		cpSync(join(other.data, "journal"), journal, { recursive: true });
		await other.discard();
		await expect(server.launch()).rejects.toThrow(/start_failed.*(older|another|belong)/s);

		rmSync(journal, { recursive: true });
		renameSync(`${journal}.kept`, journal);
		await server.launch();
		expect(await listAll(api, "/api/v1/events")).toHaveLength(5);
		expect(await listAll(api, "/api/v1/alerts")).toHaveLength(5);
		await server.stop();
	});
});

describe("one data directory", () => {
	it("is served by one process: a second one is refused, and the first goes on", async () => {
		const server = await Server.start();
		const api = await Api.bootstrap(server.url);
		const second = await Server.prepare({ data: server.data });
		await expect(second.launch()).rejects.toThrow(/exited with 1.*in use by another process/s);
		await second.discard();
		await sendEvent(api, "still.here");
		await server.restart("SIGKILL");
		expect(await listAll(api, "/api/v1/events")).toHaveLength(1);
		await server.stop();
	});
});
