// A server made of a function, and a clock that stands still: what is sent when, without a network.
import { vi } from "vitest";
import { Client, type FetchInit, type Options, type SentEvent, type Trouble } from "../src/tocsin.ts";

export interface Call {
	url: string;
	init: FetchInit;
	events: SentEvent[];
	/** Milliseconds since the fake server was made. */
	at: number;
	/** What the client can give the request up with. */
	signal: AbortSignal | undefined;
}

/** What to answer; nothing at all is a connection that breaks. */
export interface Reply {
	status?: number;
	headers?: Record<string, string>;
	body?: unknown;
}

export type Script = (call: Call, n: number) => Reply | "broken" | Promise<Reply | "broken">;

/** All events are stored. */
export function stored(call: Call): Reply {
	return { body: { data: call.events.map((_, index) => ({ index, status: "accepted", id: `evt_${index}` })) } };
}

/** A request as a whole is refused. */
export function problem(status: number, code: string, headers: Record<string, string> = {}): Reply {
	return { status, headers, body: { status, code, error: `it is ${code}` } };
}

/** Verdicts: the code of those that are rejected, by place. */
export function judged(call: Call, rejected: Record<number, string>): Reply {
	return {
		body: {
			data: call.events.map((_, index) => {
				const code = rejected[index];
				return code === undefined ? { index, status: "accepted" } : { index, status: "rejected", code, error: code };
			}),
		},
	};
}

export class Fake {
	readonly calls: Call[] = [];
	readonly troubles: Trouble[] = [];
	readonly clients: Client[] = [];
	script: Script = stored;
	private readonly start = Date.now();

	readonly fetch = async (url: string, init: FetchInit) => {
		const events = JSON.parse(init.body) as SentEvent[];
		const { signal } = init as { signal?: AbortSignal };
		const call: Call = { url, init, events, at: Date.now() - this.start, signal };
		this.calls.push(call);
		const reply = await this.script(call, this.calls.length - 1);
		if (reply === "broken") throw new TypeError("fetch failed");
		const headers = new Headers(reply.headers);
		const json = () =>
			typeof reply.body === "string" ? Promise.reject(new SyntaxError("no JSON")) : Promise.resolve(reply.body);
		return { status: reply.status ?? 200, headers, json };
	};

	client(options: Partial<Options> = {}): Client {
		const client = new Client({
			apiKey: "sk_test",
			host: "https://tocsin.test",
			autoCapture: false,
			fetch: this.fetch,
			onError: (trouble) => this.troubles.push(trouble),
			...options,
		});
		this.clients.push(client);
		return client;
	}

	/** Types of the events of each request. */
	get types(): string[][] {
		return this.calls.map((call) => call.events.map((event) => event.type));
	}

	/** The events of all requests. */
	get events(): SentEvent[] {
		return this.calls.flatMap((call) => call.events);
	}

	/** Idempotency keys of what was accepted under this script: each once, as the server would store it. */
	get keys(): Set<string> {
		return new Set(this.events.map((event) => event.idempotencyKey));
	}

	async end(): Promise<void> {
		this.script = stored;
		const ends = this.clients.map((client) => client.destroy());
		await vi.advanceTimersByTimeAsync(60_000);
		await Promise.all(ends);
		vi.useRealTimers();
		vi.unstubAllGlobals();
		vi.restoreAllMocks();
	}
}

/** Let so much time pass; by default only what is under way comes to its end. */
export async function pass(ms = 0): Promise<void> {
	await vi.advanceTimersByTimeAsync(ms);
}

/** A target of events that the platform would send. */
export class Emitter {
	private readonly listeners = new Map<string, Set<(event: unknown) => void>>();

	readonly addEventListener = (name: string, listener: (event: unknown) => void) => {
		this.listeners.set(name, (this.listeners.get(name) ?? new Set()).add(listener));
	};
	readonly removeEventListener = (name: string, listener: (event: unknown) => void) => {
		this.listeners.get(name)?.delete(listener);
	};

	emit(name: string, event: unknown = {}): void {
		for (const listener of this.listeners.get(name) ?? []) listener(event);
	}

	get count(): number {
		return [...this.listeners.values()].reduce((sum, set) => sum + set.size, 0);
	}
}
