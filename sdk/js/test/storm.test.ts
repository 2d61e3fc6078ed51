// Everything that can go wrong, by dice, again and again: what was said is stored once or counted as lost.
// TOCSIN_TEST_SEED says where the dice begin.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Call, Emitter, Fake, pass, problem, type Reply } from "./fake.ts";

const seed = Number(process.env.TOCSIN_TEST_SEED ?? Date.now() % 1_000_000);
const STEPS = 400;
const QUEUE_MAX = 60;
const BATCH_MAX = 12;

/** mulberry32. */
function randomFrom(start: number): () => number {
	let a = start >>> 0;
	return () => {
		a = (a + 0x6d2b79f5) >>> 0;
		let t = a;
		t = Math.imul(t ^ (t >>> 15), t | 1);
		t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
		return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
	};
}

let fake: Fake;
let page: Emitter;
let doc: Emitter & { visibilityState: string };
let navigator: { onLine: boolean };

beforeEach(() => {
	vi.useFakeTimers();
	page = new Emitter();
	doc = Object.assign(new Emitter(), { visibilityState: "hidden" });
	navigator = { onLine: true };
	vi.stubGlobal("addEventListener", page.addEventListener);
	vi.stubGlobal("removeEventListener", page.removeEventListener);
	vi.stubGlobal("document", doc);
	vi.stubGlobal("navigator", navigator);
	fake = new Fake();
});
afterEach(() => fake.end());

/** The server's memory, and a way to it that fails as the dice say. */
class World {
	readonly texts = new Map<string, string>();
	underWay = 0;
	isCalm = false;

	constructor(
		readonly random: () => number,
		/** Whether answers get lost: then nobody can know whether what gave way had been stored. */
		readonly isForgetful: boolean,
	) {}

	readonly script = async (call: Call): Promise<Reply | "broken"> => {
		// Only a page that goes away sends beside what is under way.
		expect(this.underWay === 0 || call.init.keepalive).toBe(true);
		this.underWay++;
		call.signal?.addEventListener("abort", () => this.underWay--);
		await new Promise((resolve) => setTimeout(resolve, Math.floor(this.random() * 300)));
		if (call.signal?.aborted) return "broken";
		this.underWay--;
		return this.isCalm ? this.store(call) : this.roll(call);
	};

	private roll(call: Call): Reply | "broken" {
		const dice = this.random();
		if (dice < 0.3) return this.store(call);
		if (dice < 0.4) return "broken";
		if (dice < 0.5) return problem(503, "overloaded", { "Retry-After": `${Math.ceil(this.random() * 4)}` });
		if (dice < 0.55) return problem(429, "rate_limited");
		if (dice < 0.6) return { status: 200, body: "<html>" };
		if (dice < 0.7) return problem(413, "too_large");
		if (dice < 0.75) return problem(400, "malformed");
		if (dice < 0.95 || !this.isForgetful) return this.store(call, this.random);
		this.store(call);
		return "broken";
	}

	/** Store by key, as the server does; of some it may say no, for now or for ever. */
	private store(call: Call, no?: () => number): Reply {
		const data = call.events.map((event, index) => {
			const dice = no?.() ?? 1;
			if (dice < 0.1) return { index, status: "rejected", code: "disk_full" };
			if (dice < 0.15) return { index, status: "rejected", code: "invalid" };
			const text = JSON.stringify(event);
			const known = this.texts.get(event.idempotencyKey);
			if (known !== undefined) expect(text).toBe(known);
			this.texts.set(event.idempotencyKey, text);
			return { index, status: known === undefined ? "accepted" : "duplicate" };
		});
		return { body: { data } };
	}

	stored(type: string): { value?: number; payload: { n: number } }[] {
		const all = [...this.texts.values()].map((text) => JSON.parse(text) as { type: string });
		return all.filter((event) => event.type === type) as never;
	}
}

describe.each([false, true])("a storm", (isForgetful) => {
	it(`loses nothing uncounted and keys nothing twice (answers get lost: ${isForgetful}, seed ${seed})`, async () => {
		const random = randomFrom(seed + Number(isForgetful));
		vi.spyOn(Math, "random").mockImplementation(random);
		const world = new World(random, isForgetful);
		fake.script = world.script;
		const client = fake.client({ maxQueueSize: QUEUE_MAX, maxBatchSize: BATCH_MAX, flushInterval: 500 });
		let said = 0;
		const moves: (() => unknown)[] = [
			() => client.track("said", { payload: { n: said++ } }),
			() => client.captureError(new Error("x"), { type: "said", payload: { n: said++ } }),
			() => client.flush(),
			() => doc.emit("visibilitychange"),
			() => page.emit("pagehide"),
			() => (navigator.onLine = false),
			() => {
				navigator.onLine = true;
				page.emit("online");
			},
			() => {
				for (let i = 0; i < 40; i++) client.track("said", { payload: { n: said++ } });
			},
		];
		for (let step = 0; step < STEPS; step++) {
			void moves[Math.floor(random() * moves.length)]!();
			expect(client.pending).toBeLessThanOrEqual(QUEUE_MAX + 2 * (BATCH_MAX + 1));
			await pass(Math.floor(random() * 400));
		}
		world.isCalm = true;
		navigator.onLine = true;
		await pass(3_700_000);
		// With these the last of the losses is told.
		for (let i = 0; i < BATCH_MAX; i++) {
			client.track("last");
			void client.flush();
			await pass(1_000);
		}
		expect(client.pending).toBe(0);
		const kept = new Set(world.stored("said").map((event) => event.payload.n));
		const told = world.stored("sdk.dropped").reduce((sum, event) => sum + event.value!, 0);
		expect(kept.size).toBe(world.stored("said").length);
		expect(kept.size).toBeGreaterThan(100);
		const missing = said - kept.size;
		expect(missing).toBeGreaterThan(0);
		if (isForgetful) expect(told).toBeGreaterThanOrEqual(missing);
		else expect(told).toBe(missing);
		expect(fake.troubles.filter((trouble) => trouble.reason !== "refused")).toEqual([]);
	});
});
