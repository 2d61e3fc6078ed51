// Killed again and again under load, the server loses nothing that was acknowledged, stores nothing
// twice, and fires and delivers what the log says. TOCSIN_TEST_KILLS says how often, TOCSIN_TEST_SEED
// where the dice begin.
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api, eventually } from "../harness/api.ts";
import { type JournalEvent, journalEvents } from "../harness/journal.ts";
import { audit, Client, type Entry } from "../harness/ledger.ts";
import { type Alert, alertsOf, caughtUp, type Delivery, deliveriesOf, type Event } from "../harness/model.ts";
import { getDelivery, listAll, makeRule, type Page, type Rule } from "../harness/model.ts";
import { type Answer, Receiver } from "../harness/receiver.ts";
import { firings, type Seen, type Spec } from "../harness/reference.ts";
import { Server, slower } from "../harness/server.ts";
import { type Store, stores } from "../harness/store.ts";
import { randomFrom } from "../harness/tools.ts";
import { billedLedger, isOurs, ledgerOf, sentIn } from "../harness/usage.ts";

const seed = Number(process.env.TOCSIN_TEST_SEED ?? Date.now() % 1_000_000);
const kills = Number(process.env.TOCSIN_TEST_KILLS ?? 50);
const CLIENTS = 4;
/** Answers between two kills, at most. */
const ANSWERS_MAX = 150;

/** What the receiver saw of one try, and which life of the server made it. */
interface Receipt {
	life: number;
	status: number;
	alertId: unknown;
	body: string;
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

class Storm {
	readonly random = randomFrom(seed);
	readonly receipts = new Map<string, Receipt[]>();
	readonly clients: Client[];
	life = 0;
	startsKilled = 0;
	private ready: Promise<void>;
	private isUp: () => void = () => undefined;
	private answers = 0;
	private waiting: { answers: number; wake: () => void } | undefined;
	private release: () => void = () => undefined;
	/** Hung receivers wake up when this is over. */
	private readonly healed = new Promise<void>((resolve) => (this.release = resolve));
	private isHealed = false;
	private isOver = false;

	constructor(
		readonly server: Server,
		readonly receiver: Receiver,
		readonly api: Api,
		readonly signal: "SIGKILL" | "SIGTERM",
	) {
		this.ready = Promise.resolve();
		const target = {
			url: () => server.url,
			key: api.key!,
			up: () => this.ready,
			over: () => this.isOver,
			answered: () => this.onAnswer(),
		};
		this.clients = Array.from(
			{ length: CLIENTS },
			(_, i) => new Client(`${signal}-${i}`, target, randomFrom(seed + 1 + i)),
		);
		const answerOf = this.receiverOf(randomFrom(seed + 100));
		receiver.script = (request) => {
			const id = String(request.headers["webhook-id"]);
			const answer = answerOf(id);
			const status = answer.reset === true ? 0 : (answer.status ?? 200);
			const receipt = { life: this.life, status };
			const all = this.receipts.get(id) ?? [];
			this.receipts.set(id, all);
			all.push({ ...receipt, alertId: request.json.alertId, body: request.body });
			return answer;
		};
	}

	get entries(): Entry[] {
		return this.clients.flatMap((client) => client.entries);
	}

	/** Mostly 200; some fail for now, some for good, some hang, and some take their time. */
	private receiverOf(random: () => number): (id: string) => Answer {
		const rejected = (id: string) => id.endsWith("0") || id.endsWith("G");
		return (id) => {
			const dice = random();
			if (rejected(id)) return { status: 400 };
			if (this.isHealed) return {};
			if (dice < 0.05) return { status: 500 };
			// What hangs or breaks off has an unknown outcome: a polite stop must not repeat any other.
			if (dice < 0.06 && this.signal === "SIGKILL") return { status: 503, after: this.healed };
			if (dice < 0.07 && this.signal === "SIGKILL") return { reset: true };
			return dice < 0.2 ? { after: pause(random() * 30) } : {};
		};
	}

	private onAnswer(): void {
		this.answers++;
		if (this.waiting !== undefined && this.answers >= this.waiting.answers) this.waiting.wake();
	}

	/** Wait for so many more answers. */
	private async more(answers: number): Promise<void> {
		await new Promise<void>((wake) => (this.waiting = { answers: this.answers + answers, wake }));
		this.waiting = undefined;
	}

	/** End the process at whatever it is doing; time goes on meanwhile. */
	private async end(): Promise<void> {
		const code = await this.server.kill(this.signal);
		if (this.signal === "SIGTERM") expect(code, this.server.tail()).toBe(0);
		await this.receiver.disconnected();
		this.life++;
		this.server.advance(this.random() * 1500);
	}

	/** A start that is killed before it is ready, most of the time. */
	private async stillborn(): Promise<void> {
		const launch = this.server.launch().catch(() => undefined);
		await pause(this.random() * 60);
		await this.end();
		await launch;
		this.startsKilled++;
	}

	private async strike(): Promise<void> {
		await this.more(Math.floor(this.random() * ANSWERS_MAX));
		await pause(this.random() * 5);
		this.ready = new Promise((resolve) => (this.isUp = resolve));
		await this.end();
		if (this.signal === "SIGKILL" && this.random() < 0.1) await this.stillborn();
		await this.server.launch();
		this.isUp();
	}

	async rage(times: number): Promise<void> {
		const loops = this.clients.map((client) => client.run());
		const all = Promise.all(loops);
		for (let i = 0; i < times; i++) await Promise.race([this.strike(), all]);
		await this.more(ANSWERS_MAX);
		this.isOver = true;
		await all;
		await this.calm();
	}

	/** The receiver is well again; move time on until no delivery waits. */
	private async calm(): Promise<void> {
		this.isHealed = true;
		this.release();
		await caughtUp(this.api);
		const open = async () => {
			let n = 0;
			for (const status of ["pending", "sending", "retrying"]) {
				const page = await this.api.get<Page<Delivery>>(`/api/v1/deliveries?status=${status}&limit=1`);
				n += page.body.data.length;
				if (status === "retrying" && page.body.data.length > 0) this.server.advance(40_000);
			}
			return n;
		};
		await eventually(open, (n) => n === 0, 60_000);
	}
}

/** What the log knows of an event, with the id that the API gives it. */
type Logged = Seen & Pick<JournalEvent, "type" | "payload">;

/** The groupBy paths of these rules lead to the type and to members of the payload. */
function keyOf(rule: Rule, event: Logged): string {
	const values = rule.groupBy.map((path) =>
		path === "type" ? event.type : event.payload[path.replace("payload.", "")],
	);
	return JSON.stringify(values.map((value) => value ?? null));
}

/** The events at which a rule fires that was there before all of them. */
function saidOf(rule: Rule, log: Logged[]): string[] {
	const { eventType, threshold, windowSeconds, cooldownSeconds } = rule;
	const all = eventType.endsWith(".*")
		? log.filter((event) => event.type.startsWith(eventType.slice(0, -1)))
		: log.filter((event) => event.type === eventType);
	const condition = rule.condition as Spec["condition"];
	const key = (event: Logged) => keyOf(rule, event);
	return firings(all, { condition, threshold, windowSeconds, cooldownSeconds, key });
}

function rulesOf(url: string): (Partial<Rule> & { eventType: string })[] {
	const actions = [
		{ channel: "webhook", config: { url } },
		{ channel: "in_app", config: {} },
	];
	const order = { eventType: "storm.order", actions };
	return [
		{ ...order, threshold: 5, windowSeconds: 2, cooldownSeconds: 1 },
		{ ...order, threshold: 50, windowSeconds: 3600, cooldownSeconds: 3 },
		{
			...order,
			condition: "count_gt",
			threshold: 3,
			windowSeconds: 5,
			cooldownSeconds: 2,
			groupBy: ["payload.user"],
		},
		{ eventType: "storm.rare", threshold: 2, windowSeconds: 1, cooldownSeconds: 0, actions },
		{
			eventType: "storm.*",
			condition: "count_eq",
			threshold: 7,
			windowSeconds: 1,
			cooldownSeconds: 0,
			groupBy: ["type", "payload.user"],
			actions,
		},
	];
}

/** Whatever came after an answer of 200, in lives that could have known of that answer. */
function repeatsOf(receipts: Receipt[]): { sameLife: number; otherLife: number } {
	const repeats = { sameLife: 0, otherLife: 0 };
	const first = receipts.findIndex((receipt) => receipt.status === 200);
	if (first < 0) return repeats;
	let known = receipts[first]!.life;
	for (const receipt of receipts.slice(first + 1)) {
		if (receipt.life === known) repeats.sameLife++;
		else repeats.otherLife++;
		if (receipt.status === 200) known = receipt.life;
	}
	return repeats;
}

const variants: [string, Store, "SIGKILL" | "SIGTERM", number, boolean][] = [
	[`${kills} kills`, "sqlite", "SIGKILL", kills, false],
	["25 kills while the log is sealed", "sqlite", "SIGKILL", 25, true],
	["15 polite stops", "sqlite", "SIGTERM", 15, false],
];
if (stores.includes("postgres")) {
	variants.push(["10 kills, state in postgres", "postgres", "SIGKILL", 10, false]);
}

describe.each(variants)("%s", (_, store, signal, times, seal) => {
	let server: Server;
	let receiver: Receiver;
	let api: Api;
	let storm: Storm;
	let rules: Rule[];
	let events: Event[];
	let log: JournalEvent[];
	let alerts: Alert[];
	let deliveries: Delivery[];

	beforeAll(async () => {
		// Small segments: many of them begin and end, and some do so under a kill.
		const flush = times % 2 === 0 ? "auto" : "thread";
		const args = ["--segment-size", "1MiB", "--flush", flush, "--seal", String(seal)];
		receiver = await Receiver.start();
		server = await Server.start({ store, clock: true, args });
		api = await Api.bootstrap(server.url);
		rules = [];
		for (const rule of rulesOf(receiver.url)) rules.push(await makeRule(api, rule));
		storm = new Storm(server, receiver, api, signal);
	});
	afterAll(async () => {
		await server.stop();
		await receiver.stop();
	});

	it("goes over a busy server", { timeout: (60_000 + times * 3_000) * slower }, async () => {
		console.log(`kill storm: TOCSIN_TEST_SEED=${seed} tries this again`);
		await storm.rage(times);
		events = (await listAll<Event>(api, "/api/v1/events", 1000)).reverse();
		alerts = (await Promise.all(rules.map((rule) => alertsOf(api, rule)))).flat();
		deliveries = (await Promise.all(rules.map((rule) => deliveriesOf(api, rule)))).flat();
		await server.kill("SIGTERM");
		log = seal ? [] : journalEvents(server.data).filter((event) => !isOurs(event));
		await server.launch();
		const unanswered = storm.entries.filter((entry) => entry.unanswered > 0).length;
		console.log(
			`kill storm: ${times} ${signal}, ${storm.startsKilled} of starts, ${events.length} events, ` +
				`${unanswered} sent without an answer, ${alerts.length} alerts, ` +
				`${receiver.got.length} webhooks for ${deliveries.length} deliveries`,
		);
		expect(storm.life).toBeGreaterThanOrEqual(times);
		expect(storm.clients.flatMap((client) => client.wrong)).toEqual([]);
	});

	it("has every acknowledged event once, under the id that was answered", () => {
		const { lost, duplicated, foreign, untold } = audit(storm.entries, events);
		expect({ lost, duplicated, foreign }).toEqual({ lost: [], duplicated: [], foreign: [] });
		const replays = storm.entries.filter((entry) => entry.answers[0]?.replayed === true);
		// An event that was there before its sender heard of it: only a kill explains that.
		expect(replays.filter((entry) => entry.unanswered === 0)).toEqual([]);
		if (signal === "SIGTERM") expect([...replays, ...untold]).toEqual([]);
		else expect(storm.entries.some((entry) => entry.unanswered > 0)).toBe(true);
	});

	// The reader of this ring knows segments alone.
	if (seal) {
		it("has sealed some of its log", async () => {
			const names = async () => readdirSync(join(server.data, "journal"));
			await eventually(names, (all) => all.some((name) => name.endsWith(".sealed")));
		});
	} else {
		it("lists the events in the order of its log", () => {
			expect(events.map((event) => event.idempotencyKey)).toEqual(log.map((event) => event.key));
			expect(events.map((event) => Date.parse(event.receivedAt))).toEqual(
				log.map((event) => Math.floor(event.atUs / 1000)),
			);
		});

		it("fired what its rules say about the log, each firing once", () => {
			const logged = log.map((event, place) => ({ ...events[place]!, atUs: event.atUs }));
			for (const rule of rules) {
				const said = saidOf(rule, logged);
				const fired = alerts.filter((alert) => alert.ruleId === rule.id).reverse();
				expect(fired.map((alert) => alert.eventId)).toEqual(said);
				expect(said.length).toBeGreaterThan(0);
			}
			expect(alerts.length).toBeGreaterThan(times * 2);
			expect(new Set(alerts.map((alert) => alert.id)).size).toBe(alerts.length);
		});
	}

	it("made one delivery per alert and action, and ended each", () => {
		const actions = (all: Delivery[]) => all.map((d) => `${d.alertId} ${d.channel}`).sort();
		const due = alerts.flatMap(({ id }) => [`${id} in_app`, `${id} webhook`]).sort();
		expect(actions(deliveries)).toEqual(due);
		expect(deliveries.filter((d) => d.status !== "sent" && d.status !== "dead")).toEqual([]);
	});

	it("told the receiver of each alert under one id, or says that it could not", () => {
		const webhooks = deliveries.filter((delivery) => delivery.channel === "webhook");
		const known = new Set(webhooks.map((delivery) => delivery.id));
		expect([...storm.receipts.keys()].filter((id) => !known.has(id))).toEqual([]);
		for (const { id, alertId, status } of webhooks) {
			const receipts = storm.receipts.get(id) ?? [];
			const took = receipts.some((receipt) => receipt.status === 200);
			expect([id, took, status]).toEqual([id, status === "sent", took ? "sent" : "dead"]);
			expect(receipts.map((receipt) => receipt.alertId)).toEqual(receipts.map(() => alertId));
			// Each try says the same.
			expect(new Set(receipts.map((receipt) => receipt.body)).size).toBe(1);
		}
	});

	it("sends nothing again whose success was recorded", async () => {
		let unrecorded = 0;
		for (const [id, receipts] of storm.receipts) {
			const { sameLife, otherLife } = repeatsOf(receipts);
			expect([id, sameLife]).toEqual([id, 0]);
			unrecorded += otherLife;
			if (receipts.length === 1) continue;
			const { attemptList } = await getDelivery(api, id);
			const done = attemptList.findIndex((attempt) => attempt.outcome === "delivered");
			if (done >= 0) expect(done).toBe(attemptList.length - 1);
			expect(attemptList.length).toBeLessThanOrEqual(receipts.length);
			if (signal === "SIGTERM") expect(attemptList.length).toBe(receipts.length);
		}
		console.log(`kill storm: ${unrecorded} webhooks again whose answer a kill kept from the record`);
		// At most what was under way to the one receiver, or waited for the next commit.
		expect(unrecorded).toBeLessThanOrEqual(signal === "SIGTERM" ? 0 : storm.life * 32);
	});

	it("has used what its log holds, and counted each message that was delivered", async () => {
		expect(await billedLedger(api, events)).toEqual(ledgerOf(events));
		const all = await listAll<Delivery>(api, "/api/v1/deliveries", 1000);
		const done = all.filter((delivery) => delivery.status === "sent");
		const times = done.map((delivery) => delivery.doneAt!);
		expect(await sentIn(api, times)).toBe(done.length);
	});

	it("tells of each dead letter once", async () => {
		const dead = deliveries.filter((delivery) => delivery.status === "dead");
		const told = await eventually(
			() => listAll<Event>(api, "/api/v1/events?type=tocsin.dead_letter", 1000),
			(all) => all.length >= dead.length,
		);
		const ids = told.map((event) => String(event.payload["deliveryId"]));
		expect(ids.sort()).toEqual(dead.map((delivery) => delivery.id).sort());
	});

	it("comes to the same from the log alone, without a snapshot", async () => {
		await server.kill("SIGTERM");
		rmSync(join(server.data, "snapshots"), { recursive: true });
		const before = receiver.got.length;
		await server.launch();
		await caughtUp(api);
		const again = (await Promise.all(rules.map((rule) => alertsOf(api, rule)))).flat();
		expect(again.map((alert) => alert.id)).toEqual(alerts.map((alert) => alert.id));
		expect(receiver.got.length).toBe(before);
		server.advance(3_601_000);
		await eventually(
			() => api.get<Page<Alert>>("/api/v1/alerts?state=firing&limit=1"),
			(reply) => reply.body.data.length === 0,
		);
	});
});
