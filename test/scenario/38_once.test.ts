// A change that was asked for under an Idempotency-Key is made once, however often it is asked for and
// whenever the server dies in between: no rule twice, no key twice, and the reply is always the first.
// TOCSIN_TEST_KILLS says how often it dies, TOCSIN_TEST_SEED where the dice begin.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api, type Problem, type Reply } from "../harness/api.ts";
import { listAll, type Rule } from "../harness/model.ts";
import { Server, slower } from "../harness/server.ts";
import { stores } from "../harness/store.ts";
import { randomFrom } from "../harness/tools.ts";

const seed = Number(process.env.TOCSIN_TEST_SEED ?? Date.now() % 1_000_000);
const kills = Number(process.env.TOCSIN_TEST_KILLS ?? 30);
const CLIENTS = 6;
/** Answers between two kills, at most. */
const ANSWERS_MAX = 25;
const HOUR = 3_600_000;

interface Key {
	id: string;
	name: string;
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const rule = (name: string) => ({
	name,
	eventType: "never",
	condition: "count_gte",
	threshold: 1,
	windowSeconds: 60,
	actions: [{ channel: "in_app", config: {} }],
});

/** What one client asked for, and what came of it. */
interface Wish {
	path: "/api/v1/rules" | "/api/v1/keys";
	name: string;
	idempotencyKey: string;
	reply?: Reply;
}

class Storm {
	readonly wishes: Wish[] = [];
	/** Answers that came more than once for one wish. */
	replays = 0;
	lost = 0;
	private over = false;
	private answers = 0;
	private waiting: { answers: number; wake: () => void } | undefined;
	private isUp: () => void = () => undefined;
	private up: Promise<void> = Promise.resolve();

	constructor(
		readonly server: Server,
		readonly api: Api,
	) {}

	private body(wish: Wish): unknown {
		return wish.path === "/api/v1/rules" ? rule(wish.name) : { name: wish.name };
	}

	/** One try: the reply, or nothing where none came or it says to try again. */
	private async ask(wish: Wish): Promise<Reply | undefined> {
		await this.up;
		const reply = await this.api
			.post(wish.path, this.body(wish), { "idempotency-key": wish.idempotencyKey })
			.catch(() => undefined);
		if (reply === undefined) {
			this.lost++;
			await pause(1);
			return undefined;
		}
		const code = (reply.body as unknown as Problem).code;
		if (reply.status >= 500 || code === "in_progress") {
			await pause(2);
			return undefined;
		}
		this.answers++;
		if (this.waiting !== undefined && this.answers >= this.waiting.answers) this.waiting.wake();
		return reply;
	}

	/** Wait for so many more answers. */
	private async more(answers: number): Promise<void> {
		await new Promise<void>((wake) => (this.waiting = { answers: this.answers + answers, wake }));
		this.waiting = undefined;
	}

	private async fulfil(wish: Wish): Promise<Reply> {
		for (;;) {
			const reply = await this.ask(wish);
			if (reply !== undefined) return reply;
		}
	}

	/** Ask until there is an answer, and now and then once more for an older one. */
	private async client(number: number): Promise<void> {
		const random = randomFrom(seed + number);
		for (let n = 0; !this.over; n++) {
			const wish: Wish = {
				path: random() < 0.5 ? "/api/v1/rules" : "/api/v1/keys",
				name: `wish ${number}-${n}`,
				idempotencyKey: randomUUID(),
			};
			this.wishes.push(wish);
			wish.reply = await this.fulfil(wish);
			if (random() < 0.3) {
				const older = this.wishes[Math.floor(random() * this.wishes.length)]!;
				if (older.reply !== undefined) this.same(older, await this.fulfil(older));
			}
			await pause(random() * 4);
		}
	}

	same(wish: Wish, again: Reply): void {
		this.replays++;
		const what = `${wish.path} ${wish.name}`;
		if (wish.path === "/api/v1/rules") {
			expect(again.text, what).toBe(wish.reply!.text);
			expect(again.status, what).toBe(201);
			expect(again.headers.get("etag")).toBe(wish.reply!.headers.get("etag"));
			expect(again.headers.get("idempotent-replayed"), what).toBe("true");
		} else {
			expect(again.status, what).toBe(409);
			expect(again.body.code).toBe("already_created");
			expect(again.body.id).toBe(wish.reply!.body.id);
		}
	}

	async run(): Promise<void> {
		const random = randomFrom(seed + 1000);
		const clients = Array.from({ length: CLIENTS }, (_, i) => this.client(i));
		for (let i = 0; i < kills; i++) {
			await this.more(1 + Math.floor(random() * ANSWERS_MAX));
			await pause(random() * 5);
			this.up = new Promise<void>((resolve) => (this.isUp = resolve));
			await this.server.kill("SIGKILL");
			await this.server.launch();
			this.isUp();
		}
		this.over = true;
		await Promise.all(clients);
	}
}

describe.each(stores)("under an idempotency key, state in %s", (store) => {
	let server: Server;
	let api: Api;

	beforeAll(async () => {
		server = await Server.start({ store, clock: true });
		api = await Api.bootstrap(server.url);
	});
	afterAll(() => server.stop());

	it(`a change is made once over ${kills} kills (seed ${seed})`, async () => {
		const storm = new Storm(server, api);
		await storm.run();
		const rules = await listAll<Rule>(api, "/api/v1/rules");
		const keys = (await listAll<Key>(api, "/api/v1/keys")).filter((key) => key.name !== "first");
		const made = new Map<string, string[]>();
		for (const thing of [...rules, ...keys]) {
			made.set(thing.name, [...(made.get(thing.name) ?? []), thing.id]);
		}
		for (const wish of storm.wishes) {
			expect(made.get(wish.name), `${wish.name}, seed ${seed}`).toEqual([wish.reply!.body.id]);
		}
		expect(made.size).toBe(storm.wishes.length);
		expect(rules.length).toBeGreaterThan(kills / 3);
		expect(keys.length).toBeGreaterThan(kills / 3);
		// The dice must have hit something, or the storm was none.
		expect(storm.lost).toBeGreaterThan(0);
		expect(storm.replays).toBeGreaterThan(0);
	}, 600_000 * slower);

	it("the reply is the same for a day, and the key is free afterwards", async () => {
		const headers = { "idempotency-key": "once-a-day" };
		const first = await api.post<Rule>("/api/v1/rules", rule("daily"), headers);
		expect(first.status).toBe(201);
		expect(first.headers.get("idempotent-replayed")).toBeNull();
		await api.patch(`/api/v1/rules/${first.body.id}`, { threshold: 9 });
		server.advance(24 * HOUR - 60_000);
		const second = await api.post("/api/v1/rules", rule("daily"), headers);
		expect(second.text).toBe(first.text);
		expect(second.headers.get("idempotent-replayed")).toBe("true");
		expect(second.headers.get("etag")).toBe('"1"');
		server.advance(120_000);
		const third = await api.post<Rule>("/api/v1/rules", rule("daily"), headers);
		expect(third.status).toBe(201);
		expect(third.headers.get("idempotent-replayed")).toBeNull();
		expect(third.body.id).not.toBe(first.body.id);
	});

	it("another request under the key is told apart", async () => {
		const headers = { "idempotency-key": "one-of-many" };
		expect((await api.post("/api/v1/rules", rule("mine"), headers)).status).toBe(201);
		for (const path of ["/api/v1/rules", "/api/v1/keys", "/api/v1/deliveries/replay"]) {
			const other = await api.post<Problem>(path, rule("other"), headers);
			expect([other.status, other.body.code]).toEqual([409, "idempotency_conflict"]);
		}
		for (const bad of ["", "two words", "x".repeat(256)]) {
			const refused = await api.post<Problem>("/api/v1/rules", rule("bad"), {
				"idempotency-key": bad,
			});
			expect([refused.status, refused.body.field]).toEqual([400, "Idempotency-Key"]);
		}
	});

	it("what was refused can be mended", async () => {
		const headers = { "idempotency-key": "second-try" };
		const refused = await api.post("/api/v1/rules", { ...rule("mend"), threshold: 0 }, headers);
		expect(refused.status).toBe(400);
		const mended = await api.post("/api/v1/rules", rule("mend"), headers);
		expect(mended.status).toBe(201);
		expect(mended.headers.get("idempotent-replayed")).toBeNull();
	});
});
