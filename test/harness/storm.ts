// Load for a server that is killed again and again: clients that keep a ledger of what they sent
// and what they were told, and ask again under the same key until they have an answer.
import { Api, closeIdle } from "./api.ts";
import type { Verdicts } from "./model.ts";

export interface Entry {
	key: string;
	user: number;
	/** The id of the event, once a 2xx said it. */
	id: string | undefined;
	/** How often it was sent. */
	sends: number;
}

/** Something that clients wait for when nobody listens. */
export class Gate {
	private waiters: (() => void)[] = [];
	private isOpen = true;

	close(): void {
		this.isOpen = false;
	}

	open(): void {
		this.isOpen = true;
		for (const waiter of this.waiters.splice(0)) waiter();
	}

	async pass(): Promise<void> {
		while (!this.isOpen) await new Promise<void>((resolve) => this.waiters.push(resolve));
	}
}

export class Client {
	readonly ledger: Entry[] = [];
	/** Answers that must not be: a test expects none. */
	readonly wrong: string[] = [];
	private n = 0;

	constructor(
		private readonly name: string,
		private readonly api: Api,
		private readonly gate: Gate,
		private readonly random: () => number,
		private readonly users: number,
	) {}

	/** Send one event after the other, now and then a batch or an old one again, until told to end. */
	async run(ended: () => boolean): Promise<void> {
		while (!ended()) {
			const dice = this.random();
			if (dice < 0.1) await this.batch(2 + Math.floor(this.random() * 10));
			else if (dice < 0.15 && this.ledger.length > 0) await this.again();
			else await this.settle(this.entry());
		}
	}

	private entry(): Entry {
		const user = Math.floor(this.random() * this.users);
		const entry = { key: `${this.name}-${this.n++}`, user, id: undefined, sends: 0 };
		this.ledger.push(entry);
		return entry;
	}

	private again(): Promise<void> {
		return this.settle(this.ledger[Math.floor(this.random() * this.ledger.length)]!);
	}

	/** Until there is an answer; a lost connection is no answer. */
	private async ask<T>(body: unknown): Promise<T> {
		for (;;) {
			await this.gate.pass();
			try {
				const reply = await this.api.post<T>("/api/v1/events", body);
				if (reply.status < 500) {
					if (reply.status >= 400) this.wrong.push(`${reply.status} ${reply.text}`);
					return reply.body;
				}
			} catch {
				closeIdle(this.api.url);
			}
			await new Promise((resolve) => setImmediate(resolve));
		}
	}

	private event(entry: Entry) {
		return { type: "storm", payload: { user: entry.user }, idempotencyKey: entry.key };
	}

	private told(entry: Entry, id: string | undefined): void {
		if (id === undefined || (entry.id !== undefined && entry.id !== id)) {
			this.wrong.push(`${entry.key} was ${entry.id}, is ${id}`);
		}
		entry.id = id;
	}

	private async settle(entry: Entry): Promise<void> {
		entry.sends++;
		this.told(entry, (await this.ask<{ id?: string }>(this.event(entry))).id);
	}

	private async batch(n: number): Promise<void> {
		const entries = Array.from({ length: n }, () => this.entry());
		for (const entry of entries) entry.sends++;
		const { data } = await this.ask<Verdicts>(entries.map((entry) => this.event(entry)));
		for (const [i, entry] of entries.entries()) this.told(entry, data[i]!.id);
	}
}
