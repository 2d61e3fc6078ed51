// kill -9 at random moments under load: nothing that was acknowledged is lost, nothing is there
// twice, every rule fires exactly as the log says, and every alert reaches its receiver.
import { describe, expect, it } from "vitest";
import { Api, eventually } from "../harness/api.ts";
import {
	alertsOf,
	caughtUp,
	deliveriesOf,
	type Delivery,
	type Event,
	getDelivery,
	listAll,
	makeRule,
	type Page,
} from "../harness/model.ts";
import { Receiver } from "../harness/receiver.ts";
import { firings, type Spec } from "../harness/reference.ts";
import { Server, slower } from "../harness/server.ts";
import { stores } from "../harness/store.ts";
import { Client, Gate } from "../harness/storm.ts";
import { randomFrom } from "../harness/tools.ts";

const KILLS = process.env.SOAK === undefined ? 50 : 1000;
const CLIENTS = 4;
const USERS = 6;
const seed = Number(process.env.TOCSIN_TEST_SEED ?? Date.now() % 1_000_000_000);

const key = (event: Event) => String(event.payload.user);
const specs: Record<string, Spec & { groupBy?: string[] }> = {
	// One firing per user and round: the clock moves on by half a minute between two rounds.
	burst: { condition: "count_gte", threshold: 3, windowSeconds: 10, cooldownSeconds: 15, key },
	// Every seventh of a user in the whole storm: a long memory.
	seventh: { condition: "count_eq", threshold: 7, windowSeconds: 86_400, cooldownSeconds: 0, key },
	// Over all users, quiet for ten minutes.
	crowd: { condition: "count_gt", threshold: 20, windowSeconds: 600, cooldownSeconds: 600 },
};

interface Kill {
	at: number;
	up: number;
}

/** Between two receipts of one message of which the first was answered 2xx there must be a kill. */
function repeatedWithoutKill(receiver: Receiver, kills: Kill[]): string[] {
	const answered = new Map<string, number>();
	const bad: string[] = [];
	for (const got of receiver.got) {
		const id = String(got.headers["webhook-id"]);
		const before = answered.get(id);
		if (before !== undefined && !kills.some((k) => k.up >= before && k.at <= got.at)) {
			bad.push(id);
		}
		if (got.status === 200) answered.set(id, got.at);
	}
	return bad;
}

/**
 * Move the clock until no delivery is open. In small steps, and only while none is under way: a
 * claim is a lease of a minute, and must not run out during a call that takes a millisecond.
 */
async function drained(server: Server, api: Api): Promise<void> {
	const open = async (status: string) =>
		(await api.get<Page<Delivery>>(`/api/v1/deliveries?status=${status}&limit=1`)).body.data.length;
	for (;;) {
		for (const status of ["pending", "sending"]) {
			await eventually(
				() => open(status),
				(n) => n === 0,
				30_000,
			);
		}
		if ((await open("retrying")) === 0 && (await open("sending")) === 0) return;
		server.advance(25_000);
	}
}

describe.each(stores)("a storm of kills, state in %s", (store) => {
	it(
		`${KILLS} times`,
		async () => {
			console.log(`TOCSIN_TEST_SEED=${seed} repeats this storm`);
			const random = randomFrom(seed);
			const receiver = await Receiver.start();
			receiver.script = () => {
				const dice = random();
				return dice < 0.05 ? { status: 500 } : dice < 0.08 ? { reset: true } : {};
			};
			const server = await Server.start({ store, clock: true, args: ["--segment-size", "1MiB"] });
			const api = await Api.bootstrap(server.url);
			const actions = [{ channel: "webhook", config: { url: receiver.url } }];
			const rules: Record<string, { id: string }> = {};
			for (const [name, { key: _, ...spec }] of Object.entries(specs)) {
				const groupBy = specs[name]!.key === undefined ? [] : ["payload.user"];
				rules[name] = await makeRule(api, {
					...spec,
					name,
					eventType: "storm",
					groupBy,
					actions,
				});
			}

			const gate = new Gate();
			let over = false;
			const clients = Array.from(
				{ length: CLIENTS },
				(_, i) => new Client(`c${i}`, api, gate, randomFrom(seed + i + 1), USERS),
			);
			const load = Promise.all(clients.map((client) => client.run(() => over)));
			const kills: Kill[] = [];
			for (let i = 0; i < KILLS; i++) {
				await new Promise((resolve) => setTimeout(resolve, 5 + random() * 150 * slower));
				const at = Date.now();
				gate.close();
				await server.kill("SIGKILL");
				server.advance(30_000);
				await server.launch();
				kills.push({ at, up: Date.now() });
				gate.open();
			}
			over = true;
			await load;

			// Nothing lost, nothing twice.
			expect(clients.flatMap((client) => client.wrong)).toEqual([]);
			const ledger = clients.flatMap((client) => client.ledger);
			const events = (await listAll<Event>(api, "/api/v1/events?type=storm", 1000)).reverse();
			const keys = events.map((event) => event.idempotencyKey);
			expect(new Set(keys).size).toBe(keys.length);
			expect(new Set(keys)).toEqual(new Set(ledger.map((entry) => entry.key)));
			const byKey = new Map(events.map((event) => [event.idempotencyKey, event]));
			for (const entry of ledger) {
				const event = byKey.get(entry.key)!;
				expect([entry.key, event.id, event.payload.user]).toEqual([
					entry.key,
					entry.id,
					entry.user,
				]);
			}

			// Every firing exactly once.
			await caughtUp(api);
			const alertIds = new Set<string>();
			for (const [name, spec] of Object.entries(specs)) {
				const alerts = (await alertsOf(api, rules[name]!)).reverse();
				for (const alert of alerts) alertIds.add(alert.id);
				expect([name, alerts.map((a) => a.eventId)]).toEqual([name, firings(events, spec)]);
			}
			expect(alertIds.size).toBeGreaterThan(KILLS / 2);

			// Every alert told, under one id, and not again after a 2xx that nobody interrupted.
			await drained(server, api);
			const idOf = new Map<string, string>();
			for (const got of receiver.got) {
				const id = String(got.headers["webhook-id"]);
				expect(idOf.get(String(got.json.alertId)) ?? id).toBe(id);
				idOf.set(String(got.json.alertId), id);
			}
			expect(new Set(idOf.keys())).toEqual(alertIds);
			const done = new Set(
				receiver.got.filter((got) => got.status === 200).map((got) => got.headers["webhook-id"]),
			);
			for (const rule of Object.values(rules)) {
				for (const delivery of await deliveriesOf(api, rule)) {
					expect([delivery.id, delivery.status]).toEqual([delivery.id, "sent"]);
					expect(done).toContain(delivery.id);
				}
			}
			expect(repeatedWithoutKill(receiver, kills)).toEqual([]);
			const [last] = await deliveriesOf(api, rules.burst!);
			expect((await getDelivery(api, last!.id)).attemptList.at(-1)!.outcome).toBe("delivered");
			console.log(
				`${KILLS} kills: ${events.length} events, ${alertIds.size} alerts, ` +
					`${receiver.got.length} webhooks, ${ledger.filter((e) => e.sends > 1).length} sent again`,
			);
			await server.stop();
			await receiver.stop();
		},
		(60 + KILLS * 2) * 1000 * slower,
	);
});
