// Clients that write down, for each idempotency key, what they sent and every answer they got. They
// know nothing of the server but its answers; those that got none ask again under the same key.
import { createHash } from "node:crypto";

export interface Sent {
	type: string;
	payload: Record<string, unknown>;
}

export interface Answer {
	id: string;
	replayed: boolean;
}

export interface Entry extends Sent {
	key: string;
	hash: string;
	answers: Answer[];
	/** How often it was sent without hearing anything. */
	unanswered: number;
}

export function hashOf(sent: Sent): string {
	const { type, payload } = sent;
	return createHash("sha256").update(JSON.stringify([type, payload])).digest("hex");
}

/** The server as clients see it: somewhere, sometimes there. */
export interface Target {
	url(): string;
	key: string;
	/** Wait until the server should be there. */
	up(): Promise<void>;
	/** Whether no new events are wanted. */
	over(): boolean;
	/** Called for each answer. */
	answered(): void;
}

interface Verdict {
	index: number;
	status: string;
	id?: string;
}

const TYPES = ["storm.order", "storm.order", "storm.order", "storm.order", "storm.login"];
const USERS = 20;
const BATCH_MAX = 12;

/** One of these loops is one client. */
export class Client {
	readonly entries: Entry[] = [];
	/** Answers that no client should see. */
	readonly wrong: string[] = [];
	refusals = 0;

	constructor(
		private readonly name: string,
		private readonly target: Target,
		private readonly random: () => number,
	) {}

	async run(): Promise<void> {
		while (!this.target.over()) {
			await this.target.up();
			const dice = this.random();
			const old = this.entries[Math.floor(this.random() * this.entries.length)];
			if (dice < 0.03 && old !== undefined) await this.repeat(old);
			else if (dice < 0.05 && old !== undefined) await this.contradict(old);
			else if (dice < 0.3) await this.deliver(this.make(2 + this.pick(BATCH_MAX - 1)));
			else await this.deliver(this.make(1));
		}
	}

	private pick(n: number): number {
		return Math.floor(this.random() * n);
	}

	private make(n: number): Entry[] {
		return Array.from({ length: n }, () => {
			const type = this.random() < 0.03 ? "storm.rare" : TYPES[this.pick(TYPES.length)]!;
			const key = `${this.name}-${this.entries.length}`;
			const sent = { type, payload: { user: `u${this.pick(USERS)}`, key } };
			const entry = { ...sent, key, hash: hashOf(sent), answers: [], unanswered: 0 };
			this.entries.push(entry);
			return entry;
		});
	}

	/** Until there is an answer; now and then a client gives up and never knows. */
	private async deliver(entries: Entry[]): Promise<void> {
		const inHeader = entries.length === 1 && this.random() < 0.5;
		while (!(await (entries.length > 1 ? this.batch(entries) : this.single(entries[0]!, inHeader)))) {
			if (this.random() < 0.1) return;
			// What was sent in one body may come again in several.
			if (entries.length > 1 && this.random() < 0.2) {
				for (const entry of entries) await this.deliver([entry]);
				return;
			}
			await this.target.up();
		}
	}

	/** The status and body, or nothing when there was no answer. */
	private async post(
		body: unknown,
		headers: Record<string, string>,
	): Promise<{ status: number; replayed: boolean; body: Record<string, unknown> } | undefined> {
		try {
			const reply = await fetch(`${this.target.url()}/api/v1/events`, {
				method: "POST",
				headers: {
					authorization: `Bearer ${this.target.key}`,
					"content-type": "application/json",
					...headers,
				},
				body: JSON.stringify(body),
			});
			const json = (await reply.json()) as Record<string, unknown>;
			this.target.answered();
			const replayed = reply.headers.get("idempotent-replayed") === "true";
			return { status: reply.status, replayed, body: json };
		} catch {
			return undefined;
		}
	}

	private unexpected(what: string, reply: { status: number; body: unknown }): void {
		this.wrong.push(`${what}: ${reply.status} ${JSON.stringify(reply.body).slice(0, 300)}`);
	}

	private async single(entry: Entry, inHeader: boolean): Promise<boolean> {
		const sent = { type: entry.type, payload: entry.payload };
		const reply = inHeader
			? await this.post(sent, { "idempotency-key": entry.key })
			: await this.post({ ...sent, idempotencyKey: entry.key }, {});
		if (reply === undefined) {
			entry.unanswered++;
			return false;
		}
		if (reply.status === 503) {
			this.refusals++;
			return false;
		}
		if (reply.status === 201) {
			entry.answers.push({ id: String(reply.body.id), replayed: reply.replayed });
		} else {
			this.unexpected(entry.key, reply);
		}
		return true;
	}

	private async batch(entries: Entry[]): Promise<boolean> {
		const items = entries.map(({ type, payload, key }) => ({ type, payload, idempotencyKey: key }));
		const reply = await this.post(this.random() < 0.5 ? items : { events: items }, {});
		if (reply === undefined) {
			for (const entry of entries) entry.unanswered++;
			return false;
		}
		if (reply.status === 503) {
			this.refusals++;
			return false;
		}
		const verdicts = (reply.body.data ?? []) as Verdict[];
		if (reply.status !== 200 || verdicts.length !== entries.length) {
			this.unexpected(`batch of ${entries[0]!.key}`, reply);
			return true;
		}
		for (const verdict of verdicts) {
			if (verdict.id === undefined) this.unexpected(`batch of ${entries[0]!.key}`, reply);
			const replayed = verdict.status === "duplicate";
			entries[verdict.index]!.answers.push({ id: String(verdict.id), replayed });
		}
		return true;
	}

	/** An answered key once more: the answer must be the same one. */
	private async repeat(entry: Entry): Promise<void> {
		if (entry.answers.length > 0) await this.single(entry, false);
	}

	/** An answered key with another body must be refused. */
	private async contradict(entry: Entry): Promise<void> {
		if (entry.answers.length === 0) return;
		const body = { type: entry.type, payload: { other: true }, idempotencyKey: entry.key };
		const reply = await this.post(body, {});
		if (reply !== undefined && reply.status !== 409 && reply.status !== 503) {
			this.unexpected(`contradiction of ${entry.key}`, reply);
		}
	}
}

/** What is wrong with what is stored, given what was answered; empty when nothing is. */
export function audit(
	entries: Entry[],
	stored: { id: string; type: string; payload: Record<string, unknown>; idempotencyKey: string | null }[],
): { lost: string[]; duplicated: string[]; foreign: string[]; untold: string[] } {
	const byKey = new Map<string, typeof stored>();
	for (const event of stored) {
		const key = event.idempotencyKey ?? "";
		byKey.set(key, [...(byKey.get(key) ?? []), event]);
	}
	const known = new Map(entries.map((entry) => [entry.key, entry]));
	const result = { lost: [] as string[], duplicated: [] as string[], foreign: [] as string[] };
	const untold: string[] = [];
	for (const entry of entries) {
		const [event] = byKey.get(entry.key) ?? [];
		for (const { id } of entry.answers) {
			if (event?.id !== id || hashOf(event) !== entry.hash) result.lost.push(`${entry.key} ${id}`);
		}
		if (entry.answers.length === 0 && event !== undefined) untold.push(entry.key);
	}
	for (const [key, events] of byKey) {
		if (events.length > 1) result.duplicated.push(key);
		const entry = known.get(key);
		// Stored, and nobody was told: only when somebody had asked and heard nothing.
		if (entry === undefined || (entry.answers.length === 0 && entry.unanswered === 0)) {
			result.foreign.push(key);
		}
	}
	return { ...result, untold };
}
