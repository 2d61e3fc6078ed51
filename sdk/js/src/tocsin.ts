// SPDX-License-Identifier: Apache-2.0
/**
 * Sends what happens in a program to a Tocsin server, from browsers, Node (18 and later) and React
 * Native. One file, no dependencies.
 *
 * Three promises hold for everything that is exported: it never throws into the program that calls
 * it, it keeps a bounded amount of memory, and it says nothing about a person unless told to.
 *
 * Each event is written as JSON once, with an idempotency key of its own, when it happens. Whatever
 * goes wrong later, the same bytes are sent again, and the server stores them once.
 *
 * @packageDocumentation
 */

/** The version of this package, also in `tags.sdk` of every event. */
export const version = "0.1.0";

/** How bad it is, from least to most. */
export type Severity = "debug" | "info" | "low" | "medium" | "high" | "critical";

/** The program that sends. All texts are optional and none is guessed. */
export interface App {
	/** Becomes the event's `source`. */
	name?: string;
	appVersion?: string;
	buildNumber?: string;
	/** Such as `production`; becomes the event's `environment`. */
	environment?: string;
}

/** The person who uses the program, as far as the program chooses to say. */
export interface User {
	userId?: string;
	[trait: string]: unknown;
}

/** Parts of the context that are sent as `tags` of every event. A part that is `undefined` is left out. */
export interface Context {
	device?: Record<string, unknown>;
	network?: Record<string, unknown>;
	[part: string]: unknown;
}

/** What may be said of a single event, whichever call makes it. */
export interface Details {
	/** What happened, in the program's own words: anything that JSON can say, at most 252 KiB. */
	payload?: Record<string, unknown>;
	/** Put over the context in the event's `tags`. */
	tags?: Record<string, unknown>;
	severity?: Severity;
	/** A sentence for people; cut at 8 KiB. */
	message?: string;
	/** Events that are of a kind have the same; cut at 500 bytes. */
	fingerprint?: string;
	/** When it happened: milliseconds, a `Date` or an RFC 3339 text. By default now, by the clock of the host. */
	timestamp?: Date | number | string;
}

/** Of `captureError` and `trackCrash`. */
export interface ErrorDetails extends Details {
	/** The event's type instead of `error` or `crash`. */
	type?: string;
	/** Whether the program went on; by default true for `captureError`. */
	handled?: boolean;
}

/** Of `trackScreen`; times in milliseconds. */
export interface ScreenDetails extends Details {
	loadTime?: number;
	timeSpent?: number;
}

/** Of `trackApiCall`. */
export interface ApiCall extends Details {
	/** A URL or path. What may be private in it, query, fragment and user, is cut off. */
	endpoint: string;
	httpMethod: string;
	/** 0 when no answer came. */
	statusCode: number;
	/** In milliseconds. */
	duration: number;
	/** In bytes. */
	payloadSize?: number;
}

/** An event as it is sent; the members are those of `POST /api/v1/events`. */
export interface SentEvent {
	type: string;
	kind?: "event" | "error" | "metric";
	severity?: Severity;
	source?: string;
	environment?: string;
	message?: string;
	value?: number;
	occurredAt: string;
	fingerprint?: string;
	idempotencyKey: string;
	tags: Record<string, unknown>;
	payload: Record<string, unknown>;
}

/** Something will not be sent, or not any more. */
export interface Trouble {
	/**
	 * - `refused`: the server does not want this event, and never will. It is gone.
	 * - `invalid`: it cannot be sent at all: no type, no number, too large, options without a key. It is gone.
	 * - `stopped`: the server does not know the key (401) or the key may not send (403). Everything that waits is
	 *   gone, and nothing will be sent by this client.
	 * - `internal`: a fault of this package or of a callback given to it. The call had no effect.
	 */
	reason: "refused" | "invalid" | "stopped" | "internal";
	/** What is the matter, in a sentence. */
	message: string;
	/** The HTTP status of the request, where there was one. */
	status?: number;
	/** The server's code, such as `invalid` or `LIMIT_EXCEEDED`. */
	code?: string;
	/** The event, where it is about one. */
	event?: SentEvent;
}

/** What this package hands to `fetch`. */
export interface FetchInit {
	method: string;
	headers: Record<string, string>;
	body: string;
	keepalive: boolean;
	mode: "cors";
	credentials: "omit";
	cache: "no-store";
	redirect: "error";
	referrerPolicy: "no-referrer";
}

/** What this package reads of an answer. */
export interface FetchAnswer {
	status: number;
	headers: { get(name: string): string | null };
	json(): Promise<unknown>;
}

/** The part of the platform's `fetch` that is used; the platform's own fits. */
export type Fetch = (url: string, init: FetchInit) => Promise<FetchAnswer>;

/** What a client is made of. Numbers out of bounds are moved to the nearest bound. */
export interface Options {
	/** A key with the scope `events:write` and no other: whoever has the program has the key. */
	apiKey: string;
	/** Where the server is, such as `https://tocsin.example.org`; a path in it is kept. */
	host: string;
	app?: App;
	/** The first context; see `Client.setContext`. */
	context?: Context;
	/** Send errors that nobody caught. Default true. */
	autoCapture?: boolean;
	/** Tell the console what is done. Default false. */
	debug?: boolean;
	/** Milliseconds that an event waits for others, at most. Default 5,000; 0 to 3,600,000. */
	flushInterval?: number;
	/** Events that wait, at most; the oldest give way. Default 1,000; 1 to 100,000. They hold 4 MiB at most. */
	maxQueueSize?: number;
	/** Events of a request. Default 100; 1 to 5,000. */
	maxBatchSize?: number;
	/** Bytes of a request. Default 524,288; 1,024 to 10,000,000. One event alone may be larger. */
	maxBatchBytes?: number;
	/** Milliseconds after which a request is given up and tried again. Default 15,000; 100 to 600,000. */
	requestTimeout?: number;
	/** Called with what will not be sent. What it throws is ignored. */
	onError?: (trouble: Trouble) => void;
	/** Used instead of the platform's `fetch`. */
	fetch?: Fetch;
}

/** The server's limits (doc/limits.md), a little less where our count of bytes may differ from its own. */
const EVENT_BYTES_MAX = 252 << 10;
const TYPE_BYTES_MAX = 255;
const ENVIRONMENT_BYTES_MAX = 100;
const MESSAGE_BYTES_MAX = 8 << 10;
const FINGERPRINT_BYTES_MAX = 500;
/** What waits must not become the memory problem of the program it watches. */
const QUEUE_BYTES_MAX = 4 << 20;
/** Browsers let a page that goes away send 64 KiB in all; other scripts of the page need some of it. */
const KEEPALIVE_BYTES_MAX = 60 << 10;
const STACK_CHARS_MAX = 16 << 10;
/** The server takes 32 levels, four of which are around the value. */
const DEPTH_MAX = 20;
/** A whole application state in a payload must not stop the page. */
const NODES_MAX = 10_000;
const BACKOFF_MS = 1_000;
const BACKOFF_MS_MAX = 60_000;
/** A wrong header must not silence a client for good. */
const RETRY_AFTER_MS_MAX = 3_600_000;
/** An error in a loop must not become a request each. */
const URGENT_MS = 1_000;
const EXIT_MS_MAX = 2_000;

/** Refusals of single events that are the server's trouble and pass; all others are for good. */
const PASSING = /^(timeout|rate_limited|internal|io|upstream|overloaded|engine_lag|shutting_down|upstream_timeout|disk_full)$/;

/** An event that waits: its JSON, and how often others were lost, if it tells of that. */
interface Entry {
	_text: string;
	_bytes: number;
	_tells: Record<string, number> | undefined;
}

interface Flight {
	_entries: Entry[];
	_bytes: number;
	_keepalive: boolean;
	_signal: unknown;
	_abort: () => void;
}

interface Verdict {
	index?: number;
	status?: string;
	code?: string;
	error?: string;
}

/** What came of a request. Status 0: no answer, or one that is not Tocsin's. */
interface Outcome {
	_status: number;
	_retryAfter: number;
	_verdicts: Verdict[] | undefined;
	_code: string | undefined;
	_error: string;
}

type Listener = (event: HostEvent) => void;

interface HostEvent {
	error?: unknown;
	reason?: unknown;
	message?: string;
}

interface EventSource {
	addEventListener?(name: string, listener: Listener): void;
	removeEventListener?(name: string, listener: Listener): void;
}

interface ErrorUtils {
	getGlobalHandler(): ((error: unknown, isFatal?: boolean) => void) | undefined;
	setGlobalHandler(handler: (error: unknown, isFatal?: boolean) => void): void;
}

interface NodeProcess {
	versions?: { node?: string };
	platform?: string;
	on(name: string, listener: (error: unknown) => void): void;
	removeListener(name: string, listener: (error: unknown) => void): void;
	listenerCount(name: string): number;
	exit(code: number): void;
}

/** The platform, as far as it is there: nothing in it is taken for granted. */
interface Host extends EventSource {
	fetch?: Fetch;
	setTimeout?(run: () => void, ms: number): unknown;
	clearTimeout?(timer: unknown): void;
	AbortController?: new () => { signal: unknown; abort(): void };
	crypto?: { getRandomValues?(bytes: Uint8Array): Uint8Array };
	document?: EventSource & { visibilityState?: string };
	navigator?: {
		onLine?: boolean;
		product?: string;
		userAgentData?: { platform?: string };
		connection?: { effectiveType?: string };
	};
	process?: NodeProcess;
	ErrorUtils?: ErrorUtils;
	console?: { debug?(...args: unknown[]): void; error?(...args: unknown[]): void };
}

const host = globalThis as unknown as Host;

function bounded(value: number | undefined, normal: number, min: number, max: number): number {
	return typeof value === "number" && value === value ? Math.min(max, Math.max(min, value)) : normal;
}

/** Bytes of this UTF-16 unit in UTF-8; half a pair counts two, so that a pair has its four. */
function unitBytes(unit: number): number {
	return unit < 0x80 ? 1 : unit < 0x800 || (unit >= 0xd800 && unit < 0xe000) ? 2 : 3;
}

function bytesOf(text: string): number {
	let n = 0;
	for (let i = 0; i < text.length; i++) n += unitBytes(text.charCodeAt(i));
	return n;
}

/** Halves of pairs are no Unicode, and the server refuses a whole body for one. */
function wellFormed(text: string): string {
	return /[\ud800-\udfff]/.test(text)
		? text.replace(/[\ud800-\udbff][\udc00-\udfff]|[\ud800-\udfff]/g, (unit) => (unit.length > 1 ? unit : "\ufffd"))
		: text;
}

/** A text as the server takes it: without control characters, but for line breaks in a message, and not too long. */
function textOf(value: unknown, bytesMax: number, isMessage?: boolean): string | undefined {
	if (value === undefined || value === null) return undefined;
	const control = isMessage ? /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/g : /[\0-\x1f\x7f]/g;
	const text = wellFormed(String(value).slice(0, bytesMax)).replace(control, " ");
	let end = 0;
	for (let n = 0; end < text.length; end++) {
		n += unitBytes(text.charCodeAt(end));
		if (n > bytesMax) break;
	}
	// Not in the middle of a pair.
	if (end < text.length && /[\ud800-\udbff]/.test(text.charAt(end - 1))) end--;
	return text.slice(0, end);
}

/** 128 bits that nobody else has. Without a crypto API they are as good as Math.random is. */
function randomId(): string {
	let bytes = new Uint8Array(16);
	if (host.crypto?.getRandomValues) bytes = host.crypto.getRandomValues(bytes) as typeof bytes;
	else for (let i = 0; i < 16; i++) bytes[i] = Math.random() * 256;
	let text = "";
	bytes.forEach((byte) => (text += (byte + 256).toString(16).slice(1)));
	return text;
}

/** How much of a value is looked at. What is over EVENT_BYTES_MAX is refused anyway, so it need not be copied. */
interface Budget {
	nodes: number;
	chars: number;
}

function plainText(text: string, budget: Budget): string {
	const cut = wellFormed(text.slice(0, Math.max(0, budget.chars)));
	budget.chars -= text.length;
	return cut;
}

/** A copy that JSON can say and that shares nothing with the original, whatever the original is. */
function plain(value: unknown, path: unknown[], budget: Budget): unknown {
	if (typeof value === "string") return plainText(value, budget);
	if (typeof value === "number") return isFinite(value) ? value : String(value);
	if (typeof value === "bigint") return String(value);
	if (typeof value === "boolean" || value === null) return value;
	if (typeof value !== "object") return undefined;
	if (path.indexOf(value) >= 0) return "(circular)";
	if (path.length >= DEPTH_MAX || budget.nodes <= 0) return "(cut)";
	const deeper = [...path, value];
	const inside = (read: () => unknown): unknown => {
		budget.nodes--;
		try {
			return plain(read(), deeper, budget);
		} catch {
			return "(unreadable)";
		}
	};
	if (Array.isArray(value)) {
		return value.slice(0, Math.max(0, budget.nodes)).map((item: unknown) => inside(() => item) ?? null);
	}
	const object = value as Record<string, unknown>;
	if (value instanceof Error) return { name: inside(() => value.name), message: inside(() => value.message) };
	if (inside(() => typeof object.toJSON) === "function") {
		return inside(() => (object.toJSON as () => unknown)());
	}
	const copy = Object.create(null) as Record<string, unknown>;
	for (const key of Object.keys(object)) {
		if (budget.nodes <= 0) break;
		const one = inside(() => object[key]);
		if (one !== undefined) copy[plainText(key, budget)] = one;
	}
	return copy;
}

function plainObject(value: unknown): Record<string, unknown> {
	const copy = plain(value, [], { nodes: NODES_MAX, chars: EVENT_BYTES_MAX });
	return typeof copy === "object" && copy !== null && !Array.isArray(copy) ? (copy as Record<string, unknown>) : {};
}

/** Queries and fragments of URLs often hold what is nobody's business. */
function withoutQueries(text: string): string {
	return text
		.replace(/([a-z][a-z+.-]*:\/\/[^\s?#()]*)[?#][^\s():]*/gi, "$1")
		.replace(/(:\/\/)[^\s/@]*@/g, "$1");
}

/** The name of a place: of a URL or path what comes before query and fragment. */
function placeOf(text: string): string {
	const place = withoutQueries(text);
	return /^(\/|[a-z][a-z+.-]*:\/\/)/i.test(place) ? place.replace(/[?#][^]*/, "") : place;
}

interface Told {
	name: string;
	message: string;
	stack: string;
}

/** Anything can be thrown, so nothing of it is taken for granted. */
function toldBy(error: unknown): Told {
	const told: Told = { name: "Error", message: "", stack: "" };
	if (typeof error !== "object" || error === null) {
		told.message = withoutQueries(String(error));
		return told;
	}
	for (const member of ["name", "message", "stack"] as const) {
		try {
			const value = (error as Partial<Told>)[member];
			if (typeof value === "string") told[member] = withoutQueries(value.slice(0, STACK_CHARS_MAX));
		} catch {
			// A getter that throws tells nothing.
		}
	}
	return told;
}

/** The name and where it came from, without line numbers, so that it outlives small changes of the program. */
function fingerprintOf(told: Told): string {
	const frames = told.stack.split("\n").filter((line) => /^\s*at |@/.test(line));
	const places = frames.slice(0, 3).map((line) => line.trim().replace(/(:\d+)+(?=\)?$)/, ""));
	return [told.name, ...(places.length > 0 ? places : [told.message])].join(" | ");
}

/** RFC 9110 section 10.2.3: seconds or a date. 0 for neither. */
function retryAfterMs(header: string | null): number {
	if (header === null || header === "") return 0;
	const ms = /^\d+$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - Date.now();
	return bounded(ms, 0, 0, RETRY_AFTER_MS_MAX);
}

function timeOf(value: Details["timestamp"]): string {
	const date = value === undefined ? new Date() : new Date(value);
	const ms = date.getTime();
	return (ms >= 0 && ms < 253402300800000 ? date : new Date()).toISOString();
}

function platformContext(): Context {
	const { navigator, process, document } = host;
	const device: Record<string, unknown> = { platform: "unknown" };
	const network: Record<string, unknown> = {};
	if (navigator?.product === "ReactNative") device.platform = "react-native";
	else if (document !== undefined) device.platform = "browser";
	else if (process?.versions?.node !== undefined) device.platform = "node";
	const os = process?.platform ?? navigator?.userAgentData?.platform;
	if (os !== undefined) device.os = os;
	const type = navigator?.connection?.effectiveType;
	if (type !== undefined) network.type = type;
	return { device, network };
}

/**
 * A connection to one project of one server. Most programs have one and use the functions of this module, which
 * speak to the client that `init` made last; make clients yourself to have several.
 *
 * No method throws or rejects. Methods may be taken off the object only with `bind`.
 */
export class Client {
	private readonly _options: Options;
	private readonly _url: string;
	private readonly _interval: number;
	private readonly _queueMax: number;
	private readonly _batchMax: number;
	private readonly _timeout: number;
	private readonly _prefix = randomId();
	private _counter = 0;
	private _context: Context;
	private _user: User | undefined;
	private _session: { id: string; startedAt: number; crashed: boolean } | undefined;
	/** Oldest first. */
	private _queue: Entry[] = [];
	private _queueBytes = 0;
	private _flights: Flight[] = [];
	/** What was lost and not told yet, by reason. */
	private _lost: Record<string, number> = {};
	private _seen = new WeakSet<object>();
	/** How much goes into the next request; less after a refusal of a whole one. */
	private _countMax: number;
	private _bytesMax: number;
	private _failures = 0;
	private _flushTimer: unknown;
	private _urgentTimer: unknown;
	/** While it runs nothing is sent. */
	private _pauseTimer: unknown;
	private _paused = false;
	/** The server said how long. */
	private _pausedByServer = false;
	/** How many of the queue, from its front, are to be sent without waiting for others. */
	private _due = 0;
	private _stopped = false;
	private _closed = false;
	private _waiters: (() => void)[] = [];
	private _undo: (() => void)[] = [];
	private _leftInVain = false;

	/** Starts at once. With options that cannot work, `onError` is told and nothing is ever sent. */
	constructor(options: Options) {
		this._options = options ?? ({} as Options);
		const o = this._options;
		this._url = `${String(o.host).replace(/\/+$/, "")}/api/v1/events`;
		this._interval = bounded(o.flushInterval, 5_000, 0, 3_600_000);
		this._queueMax = bounded(o.maxQueueSize, 1_000, 1, 100_000);
		this._batchMax = this._countMax = bounded(o.maxBatchSize, 100, 1, 5_000);
		this._bytesMax = bounded(o.maxBatchBytes, 512 << 10, 1 << 10, 10_000_000);
		this._timeout = bounded(o.requestTimeout, 15_000, 100, 600_000);
		this._context = {};
		this._guard(() => {
			if (typeof o.apiKey !== "string" || !/^[!-~]+$/.test(o.apiKey) || !/^https?:\/\/[^/]/i.test(String(o.host)) || !(o.fetch ?? host.fetch)) {
				this._stopped = this._closed = true;
				this._trouble("invalid", "apiKey, host (http or https) and a platform with fetch are needed; nothing will be sent");
				return;
			}
			this._context = { ...platformContext(), ...plainObject(o.context) };
			this._listen();
		});
	}

	/** Say who uses the program from now on: an id, or an object that has it as `userId`. Sent as `tags.user`. */
	identify(user: string | User): void {
		this._guard(() => (this._user = typeof user === "object" ? plainObject(user) : { userId: String(user) }));
	}

	/** Say nothing about the user any more. */
	clearUser(): void {
		this._user = undefined;
	}

	/** Replace parts of the context, such as `{ network: { type: "wifi" } }`. */
	setContext(context: Context): void {
		this._guard(() => {
			const parts: Context = { ...this._context, ...plainObject(context) };
			for (const key of Object.keys(context)) if (context[key] === undefined) delete parts[key];
			this._context = parts;
		});
	}

	/** Something happened. `type` is what rules match: 1 to 255 bytes, longer ones are cut. */
	track(type: string, details: Details = {}): void {
		this._guard(() => this._add(type, details, {}));
	}

	/** Something was measured: an event of kind `metric`. A value that is not a finite number is not sent. */
	metric(type: string, value: number, details: Details = {}): void {
		this._guard(() => {
			if (typeof value === "number" && isFinite(value)) this._add(type, details, { kind: "metric", value });
			else this._invalid(`the value of metric "${String(type)}" is no finite number`);
		});
	}

	/**
	 * Something went wrong: an event of type `error`, severity high, sent at once. `error` is whatever was thrown. What is
	 * captured here and thrown on, and caught by nobody, is not sent again.
	 */
	captureError(error: unknown, details: ErrorDetails = {}): void {
		this._guard(() => this._addError(error, "error", "high", details));
	}

	/**
	 * The program cannot go on: an event of type `crash`, severity critical, sent at once. The session that runs counts
	 * as crashed.
	 */
	trackCrash(error: unknown, details: ErrorDetails & { isFatal?: boolean } = {}): void {
		this._guard(() => {
			if (this._session !== undefined) this._session.crashed = true;
			const isFatal = details.isFatal ?? true;
			const payload = { isFatal, ...details.payload };
			this._addError(error, "crash", "critical", { handled: !isFatal, ...details, payload });
		});
	}

	/** Begin a session and return its id; one that runs ends. Events carry it as `tags.session` until it ends. */
	startSession(): string {
		const id = this._guard(() => {
			this.endSession();
			this._session = { id: randomId(), startedAt: Date.now(), crashed: false };
			this._add("session.start", {}, {});
			return this._session.id;
		});
		return id ?? "";
	}

	/** End the session, if one runs: an event with its length in milliseconds as `value`. */
	endSession(): void {
		this._guard(() => {
			const session = this._session;
			if (session === undefined) return;
			const duration = Math.max(0, Date.now() - session.startedAt);
			this._add("session.end", { payload: { duration, crashed: session.crashed } }, { value: duration });
			this._session = undefined;
		});
	}

	/** A screen or page was shown: `screen.view`, with `loadTime` as `value`. */
	trackScreen(screenName: string, details: ScreenDetails = {}): void {
		this._guard(() => {
			const { loadTime, timeSpent } = details;
			const payload = { screenName: placeOf(String(screenName)), loadTime, timeSpent, ...details.payload };
			this._add("screen.view", { ...details, payload }, { value: loadTime });
		});
	}

	/** The program called an API: `api.call`, of kind `metric`, with `duration` as `value`. */
	trackApiCall(call: ApiCall): void {
		this._guard(() => {
			const { httpMethod, statusCode, duration, payloadSize } = call;
			const endpoint = placeOf(String(call.endpoint));
			const payload = { endpoint, httpMethod, statusCode, duration, payloadSize, ...call.payload };
			this._add("api.call", { ...call, payload }, { kind: "metric", value: duration });
		});
	}

	/**
	 * Send what waits, now. Resolves when the server has answered for all of it, or when it cannot be reached or wants to
	 * be left alone for a while: then it goes on by itself. A time that the server asked for is always waited for.
	 */
	flush(): Promise<void> {
		const done = this._guard(
			() =>
				new Promise<void>((resolve) => {
					this._waiters.push(resolve);
					if (!this._pausedByServer) this._resume();
					this._hurry();
				}),
		);
		return done ?? Promise.resolve();
	}

	/**
	 * Take no more events, send what waits in one last try, and let go of timers and global handlers. What cannot be sent
	 * then is lost. Resolves afterwards.
	 */
	async destroy(): Promise<void> {
		this._guard(() => {
			this._closed = true;
			for (const undo of this._undo.splice(0)) undo();
		});
		await this.flush();
		this._halt();
	}

	/** How many events wait or are under way. */
	get pending(): number {
		return this._flights.reduce((sum, flight) => sum + flight._entries.length, this._queue.length);
	}

	/** Run our code inside the program's: nothing gets out of it. */
	private _guard<T>(run: () => T): T | undefined {
		try {
			return run();
		} catch (error) {
			this._trouble("internal", String((error as Error | undefined)?.message ?? "unknown"));
			return undefined;
		}
	}

	private _trouble(reason: Trouble["reason"], message: string, more: Partial<Trouble> = {}): void {
		try {
			this._debug(reason, message);
			this._options.onError?.({ reason, message, ...more });
		} catch {
			// The hook is the program's own affair.
		}
	}

	private _debug(...args: unknown[]): void {
		if (this._options.debug) host.console?.debug?.("tocsin:", ...args);
	}

	private _addError(error: unknown, type: string, severity: Severity, details: ErrorDetails): void {
		if (typeof error === "object" && error !== null) this._seen.add(error);
		const told = toldBy(error);
		const { handled = true } = details;
		const payload = { name: told.name, message: told.message, stack: told.stack, handled, ...details.payload };
		const message = `${told.name}: ${told.message}`;
		const all = { severity, message, fingerprint: fingerprintOf(told), ...details, payload };
		this._add(details.type ?? type, all, { kind: "error" });
		this._urgent();
	}

	private _add(type: string, details: Details, more: Pick<SentEvent, "kind"> & { value?: number | undefined }): void {
		if (this._closed) return;
		const entry = this._entry(type, details, more);
		if (entry === undefined) return;
		this._queue.push(entry);
		this._queueBytes += entry._bytes;
		this._trim();
		if (this._queue.length >= this._batchMax || this._queueBytes >= this._bytesMax) this._kick();
		this._arm();
	}

	/** The event as JSON; undefined, and told, when the server could not take it. */
	private _entry(
		type: unknown,
		details: Details,
		more: Pick<SentEvent, "kind"> & { value?: number | undefined },
		tells?: Record<string, number>,
	): Entry | undefined {
		const { app } = this._options;
		const event = {
			type: textOf(type, TYPE_BYTES_MAX),
			kind: more.kind,
			severity: details.severity,
			source: textOf(app?.name, TYPE_BYTES_MAX),
			environment: textOf(app?.environment, ENVIRONMENT_BYTES_MAX),
			message: textOf(details.message, MESSAGE_BYTES_MAX, true),
			value: typeof more.value === "number" && isFinite(more.value) ? more.value : undefined,
			occurredAt: timeOf(details.timestamp),
			fingerprint: textOf(details.fingerprint, FINGERPRINT_BYTES_MAX),
			idempotencyKey: `${this._prefix}-${++this._counter}`,
			tags: { ...this._tags(app), ...plainObject(details.tags) },
			payload: plainObject(details.payload),
		};
		const text = JSON.stringify(event);
		const bytes = bytesOf(text) + 1;
		if (typeof type === "string" && event.type && bytes <= EVENT_BYTES_MAX) {
			return { _text: text, _bytes: bytes, _tells: tells };
		}
		this._invalid(event.type ? `event "${event.type}" is too large` : "an event has no type");
		return undefined;
	}

	private _invalid(message: string): void {
		if (this._closed) return;
		this._lose("invalid", 1);
		this._trouble("invalid", message);
	}

	private _tags(app: App | undefined): Record<string, unknown> {
		const session = this._session;
		return {
			sdk: { name: "tocsin-js", version },
			app: app && plainObject(app),
			...this._context,
			session: session && { id: session.id, startedAt: new Date(session.startedAt).toISOString() },
			user: this._user,
		};
	}

	private _lose(reason: string, n: number): void {
		this._lost[reason] = (this._lost[reason] ?? 0) + n;
	}

	/** An entry goes for good. If it told of others that are lost, they have to be told again. */
	private _drop(entry: Entry, reason: string): void {
		const tells = entry._tells;
		if (tells === undefined) this._lose(reason, 1);
		else for (const why of Object.keys(tells)) this._lose(why, tells[why]!);
	}

	private _trim(): void {
		while (this._queue.length > this._queueMax || this._queueBytes > QUEUE_BYTES_MAX) {
			const oldest = this._queue.shift()!;
			this._queueBytes -= oldest._bytes;
			this._due--;
			this._drop(oldest, "overflow");
		}
	}

	/** Entries of a request that came to nothing wait again, before all others. */
	private _putBack(entries: Entry[]): void {
		this._queue = [...entries, ...this._queue];
		for (const entry of entries) this._queueBytes += entry._bytes;
		this._due = Math.max(0, this._due) + entries.length;
		this._trim();
	}

	/** The oldest entries that fit, and what was lost until now. */
	private _take(bytesMax: number, onlyWhatFits: boolean): Entry[] {
		const taken: Entry[] = [];
		const rest: Entry[] = [];
		let bytes = 2;
		for (const entry of this._queue) {
			const isFirst = taken.length === 0 && !onlyWhatFits;
			const fits = taken.length < this._countMax && bytes + entry._bytes <= bytesMax;
			// Order is kept, but for a page that goes away: then what is too large must not keep the rest.
			if ((fits || isFirst) && (rest.length === 0 || onlyWhatFits)) {
				taken.push(entry);
				bytes += entry._bytes;
			} else {
				rest.push(entry);
			}
		}
		this._queue = rest;
		this._queueBytes -= bytes - 2;
		this._due -= taken.length;
		return taken;
	}

	/** What was lost is told beside events that are sent anyway, but not while it is sought what the server refuses. */
	private _tell(taken: Entry[], room: number): void {
		if (this._countMax < this._batchMax) return;
		const lost = this._lost;
		const value = Object.keys(lost).reduce((sum, why) => sum + lost[why]!, 0);
		if (value === 0) return;
		const entry = this._entry("sdk.dropped", { payload: lost }, { kind: "metric", value }, lost);
		if (entry === undefined || entry._bytes > room) return;
		this._lost = {};
		taken.unshift(entry);
	}

	/** Timers may be missing, and must not keep a Node process alive. */
	private _after(ms: number, run: () => void): unknown {
		const timer = host.setTimeout?.(() => this._guard(run), ms);
		(timer as { unref?(): void } | undefined)?.unref?.();
		return timer;
	}

	private _clear(timer: unknown): undefined {
		if (timer !== undefined) host.clearTimeout?.(timer);
		return undefined;
	}

	/** What waits will be sent in a while. */
	private _arm(): void {
		if (this._flushTimer !== undefined || this._queue.length === 0 || this._paused || this._stopped) return;
		this._flushTimer = this._after(this._interval, () => {
			this._flushTimer = undefined;
			this._hurry();
		});
	}

	/** What waits is sent now, but not more often than once in a while. */
	private _urgent(): void {
		if (this._urgentTimer !== undefined) return;
		this._hurry();
		this._urgentTimer = this._after(URGENT_MS, () => {
			this._urgentTimer = undefined;
			this._hurry();
		});
	}

	/** All that waits now is to be sent. */
	private _hurry(): void {
		this._due = this._queue.length;
		this._kick();
	}

	/** Send, if there is something to send and nothing speaks against it. */
	private _kick(): void {
		const isIdle = this._queue.length === 0 && this._flights.length === 0;
		if (isIdle || this._paused || this._stopped || host.navigator?.onLine === false) {
			this._settle();
			this._arm();
		} else if (this._flights.length === 0) {
			this._flushTimer = this._clear(this._flushTimer);
			this._send(this._bytesMax, false);
		}
	}

	/** Whoever waits for a flush waits no longer. */
	private _settle(): void {
		for (const resolve of this._waiters.splice(0)) resolve();
	}

	private _send(bytesMax: number, keepalive: boolean): void {
		const entries = this._take(bytesMax, keepalive);
		if (entries.length === 0) return;
		const size = () => entries.reduce((sum, entry) => sum + entry._bytes, 2);
		this._tell(entries, Math.max(bytesMax - size(), keepalive ? 0 : 1 << 10));
		const flight: Flight = {
			_entries: entries,
			_bytes: size(),
			_keepalive: keepalive,
			_signal: undefined,
			_abort: () => undefined,
		};
		this._flights.push(flight);
		this._debug("sending", entries.length);
		void this._post(flight).then((outcome) => this._guard(() => this._landed(flight, outcome)));
	}

	/** One request. Never rejects. */
	private async _post(flight: Flight): Promise<Outcome> {
		let timer: unknown;
		try {
			const given = new Promise<never>((_, reject) => {
				const controller = host.AbortController && new host.AbortController();
				flight._abort = () => {
					controller?.abort();
					reject(new Error("given up"));
				};
				flight._signal = controller?.signal;
				timer = host.setTimeout?.(() => flight._abort(), this._timeout);
			});
			return await Promise.race([this._exchange(flight), given]);
		} catch (error) {
			return { _status: 0, _retryAfter: 0, _verdicts: undefined, _code: undefined, _error: String(error) };
		} finally {
			this._clear(timer);
		}
	}

	private async _exchange(flight: Flight): Promise<Outcome> {
		const init: FetchInit = {
			method: "POST",
			headers: { "Content-Type": "application/json", Authorization: `Bearer ${this._options.apiKey}` },
			body: `[${flight._entries.map((entry) => entry._text).join(",")}]`,
			keepalive: flight._keepalive,
			mode: "cors",
			credentials: "omit",
			cache: "no-store",
			redirect: "error",
			referrerPolicy: "no-referrer",
		};
		const signal = flight._signal;
		// Some implementations of fetch insist on being called without an object.
		const call = this._options.fetch ?? host.fetch!;
		const answer = await call(this._url, signal === undefined ? init : ({ ...init, signal } as FetchInit));
		const body = (await answer.json().catch(() => undefined)) as
			| { data?: Verdict[]; code?: string; error?: string }
			| undefined;
		const good = answer.status >= 200 && answer.status < 300;
		const verdicts = good && Array.isArray(body?.data) ? body.data : undefined;
		return {
			// A gateway's cheerful page is no receipt.
			_status: good && verdicts === undefined ? 0 : answer.status,
			_retryAfter: retryAfterMs(answer.headers.get("Retry-After")),
			_verdicts: verdicts,
			_code: body?.code,
			_error: String(body?.error ?? `status ${answer.status}`),
		};
	}

	private _landed(flight: Flight, outcome: Outcome): void {
		const at = this._flights.indexOf(flight);
		// One that was given up when the page went away; its entries are on another.
		if (at < 0) return;
		this._flights.splice(at, 1);
		const status = outcome._status;
		const entries = flight._entries;
		this._debug("answer", status, outcome._code, outcome._error);
		if (outcome._verdicts !== undefined) this._judged(entries, outcome, outcome._verdicts);
		else if (status === 401 || status === 403) this._stop(entries, outcome);
		else if (status === 400 || status === 413 || status === 422) this._divide(flight, outcome);
		else if (status >= 400 && status < 500 && !/^40[4578]|425|429$/.test(String(status))) {
			for (const entry of entries) this._refuse(entry, outcome);
			this._pause(outcome._retryAfter);
		} else {
			this._putBack(entries);
			this._pause(outcome._retryAfter);
		}
		this._next();
	}

	/** The server took the request and said of each event what became of it. */
	private _judged(entries: Entry[], outcome: Outcome, verdicts: Verdict[]): void {
		const open = new Map(entries.map((entry, i) => [i, entry]));
		for (const verdict of verdicts) {
			const entry = open.get(verdict.index ?? -1);
			if (entry === undefined) continue;
			const rejected = verdict.status === "rejected";
			if (rejected && PASSING.test(String(verdict.code))) continue;
			open.delete(verdict.index!);
			if (rejected) {
				const { code, error = "refused" } = verdict;
				this._refuse(entry, { ...outcome, _code: code, _error: error });
			}
		}
		this._countMax = Math.min(this._batchMax, this._countMax * 2);
		if (open.size === 0) {
			this._failures = 0;
		} else {
			this._putBack([...open.values()]);
			this._pause(outcome._retryAfter);
		}
	}

	/** A request was refused as a whole: find out by smaller ones for what. */
	private _divide(flight: Flight, outcome: Outcome): void {
		const entries = flight._entries;
		if (entries.length === 1) {
			this._countMax = this._batchMax;
			this._refuse(entries[0]!, outcome);
			this._pause(outcome._retryAfter);
			return;
		}
		this._putBack(entries);
		if (outcome._status === 413) this._bytesMax = Math.max(1 << 10, flight._bytes >> 1);
		this._countMax = (entries.length + 1) >> 1;
	}

	private _refuse(entry: Entry, outcome: Outcome): void {
		this._drop(entry, "refused");
		const more: Partial<Trouble> = { status: outcome._status, event: JSON.parse(entry._text) as SentEvent };
		if (outcome._code !== undefined) more.code = outcome._code;
		this._trouble("refused", outcome._error, more);
	}

	private _stop(entries: Entry[], outcome: Outcome): void {
		const n = entries.length + this._queue.length;
		this._stopped = this._closed = true;
		for (const undo of this._undo.splice(0)) undo();
		this._halt();
		const more: Partial<Trouble> = { status: outcome._status };
		if (outcome._code !== undefined) more.code = outcome._code;
		this._trouble("stopped", `${outcome._error}; ${n} events are lost, no more will be sent`, more);
	}

	private _halt(): void {
		this._resume();
		this._flushTimer = this._clear(this._flushTimer);
		this._urgentTimer = this._clear(this._urgentTimer);
		this._stopped = true;
		this._flights = [];
		this._queue = [];
		this._queueBytes = 0;
		this._settle();
	}

	/** Send nothing for a while: longer each time, by chance so that clients do not come all at once, and never less than the server said. */
	private _pause(retryAfter: number): void {
		const backoff = Math.min(BACKOFF_MS_MAX, BACKOFF_MS * 2 ** Math.min(this._failures++, 10));
		const ms = Math.max(backoff * (0.5 + Math.random() / 2), retryAfter * (1 + Math.random() / 10));
		this._resume();
		this._flushTimer = this._clear(this._flushTimer);
		this._pauseTimer = this._after(ms, () => {
			this._resume();
			this._hurry();
		});
		// Without timers nothing would end the pause.
		this._paused = this._pauseTimer !== undefined;
		this._pausedByServer = this._paused && retryAfter > 0;
	}

	private _resume(): void {
		this._pauseTimer = this._clear(this._pauseTimer);
		this._paused = this._pausedByServer = false;
	}

	/** Behind a request. */
	private _next(): void {
		const full = this._queue.length >= this._batchMax || this._queueBytes >= this._bytesMax;
		// Without timers a failure must not be followed by the next one at once.
		const isVain = this._failures > 0 && host.setTimeout === undefined;
		if (this._paused || isVain) {
			this._settle();
		} else if (this._due > 0 || full) {
			this._kick();
		} else {
			if (this._flights.length === 0) this._settle();
			this._arm();
		}
	}

	/**
	 * The page may be gone in a moment. Requests under way would be cut, so what they carry goes again with what waits, as
	 * far as browsers let it: that it may arrive twice is what the keys are for.
	 */
	private _leave(): void {
		if (this._stopped || this._pausedByServer || host.navigator?.onLine === false) return;
		let room = KEEPALIVE_BYTES_MAX;
		for (const flight of this._flights.slice().reverse()) {
			if (flight._keepalive) {
				room -= flight._bytes;
				continue;
			}
			this._flights.splice(this._flights.indexOf(flight), 1);
			this._putBack(flight._entries);
			flight._abort();
		}
		this._flushTimer = this._clear(this._flushTimer);
		this._send(room, true);
		this._arm();
	}

	private _on(source: EventSource | undefined, name: string, run: Listener): void {
		const listener: Listener = (event) => this._guard(() => run(event));
		if (!source?.addEventListener) return;
		source.addEventListener(name, listener);
		this._undo.push(() => source.removeEventListener?.(name, listener));
	}

	private _listen(): void {
		const { document, process } = host;
		const isNode = process?.versions?.node !== undefined && document === undefined;
		this._on(host, "online", () => {
			if (!this._pausedByServer) this._resume();
			this._hurry();
		});
		this._on(host, "pagehide", () => this._leave());
		this._on(document, "visibilitychange", () => {
			if (document?.visibilityState === "hidden") this._leave();
		});
		if (isNode) this._onProcess(process, "beforeExit", () => this._beforeExit());
		if (this._options.autoCapture === false) return;
		this._on(host, "error", (event) => this._uncaught(event.error ?? event.message));
		this._on(host, "unhandledrejection", (event) => this._uncaught(event.reason));
		if (host.ErrorUtils !== undefined) this._wrapErrorUtils(host.ErrorUtils);
		if (isNode) this._onProcess(process, "uncaughtException", (error) => this._dying(process, error));
	}

	/** Came to a global handler. */
	private _uncaught(error: unknown, isFatal?: boolean): void {
		if (this._seen.has(error as object)) return;
		if (isFatal) this.trackCrash(error);
		else this.captureError(error, { handled: false });
	}

	private _onProcess(process: NodeProcess, name: string, run: (error: unknown) => void): void {
		const listener = (error: unknown) => this._guard(() => run(error));
		process.on(name, listener);
		this._undo.push(() => process.removeListener(name, listener));
	}

	/** A script that is through sends what waits. Node comes by again afterwards, so a failure is the end of it. */
	private _beforeExit(): void {
		if (this._queue.length === 0 || this._leftInVain) return;
		void this.flush().then(() => (this._leftInVain = this._failures > 0));
	}

	/** Node would say it and leave with 1; so do we, after a moment to send it. Other handlers decide for themselves. */
	private _dying(process: NodeProcess, error: unknown): void {
		if (process.listenerCount("uncaughtException") > 1) {
			this._uncaught(error);
			return;
		}
		this._uncaught(error, true);
		host.console?.error?.(error);
		const leave = () => process.exit(1);
		host.setTimeout?.(leave, EXIT_MS_MAX);
		void this.flush().then(leave);
	}

	private _wrapErrorUtils(utils: ErrorUtils): void {
		const before = utils.getGlobalHandler();
		let isOn = true;
		utils.setGlobalHandler((error, isFatal) => {
			if (isOn) this._uncaught(error, isFatal);
			before?.(error, isFatal);
		});
		this._undo.push(() => (isOn = false));
	}
}

let current: Client | undefined;

/**
 * Make the client that the functions below speak to. One from an earlier call is destroyed, so that nothing is sent
 * twice. Until this is called they do nothing.
 */
export function init(options: Options): Client {
	void current?.destroy();
	return (current = new Client(options));
}

/** See {@link Client.identify}. */
export function identify(user: string | User): void {
	current?.identify(user);
}

/** See {@link Client.clearUser}. */
export function clearUser(): void {
	current?.clearUser();
}

/** See {@link Client.setContext}. */
export function setContext(context: Context): void {
	current?.setContext(context);
}

/** See {@link Client.track}. */
export function track(type: string, details?: Details): void {
	current?.track(type, details);
}

/** See {@link Client.metric}. */
export function metric(type: string, value: number, details?: Details): void {
	current?.metric(type, value, details);
}

/** See {@link Client.captureError}. */
export function captureError(error: unknown, details?: ErrorDetails): void {
	current?.captureError(error, details);
}

/** See {@link Client.trackCrash}. */
export function trackCrash(error: unknown, details?: ErrorDetails & { isFatal?: boolean }): void {
	current?.trackCrash(error, details);
}

/** See {@link Client.startSession}. Empty without a client. */
export function startSession(): string {
	return current?.startSession() ?? "";
}

/** See {@link Client.endSession}. */
export function endSession(): void {
	current?.endSession();
}

/** See {@link Client.trackScreen}. */
export function trackScreen(screenName: string, details?: ScreenDetails): void {
	current?.trackScreen(screenName, details);
}

/** See {@link Client.trackApiCall}. */
export function trackApiCall(call: ApiCall): void {
	current?.trackApiCall(call);
}

/** See {@link Client.flush}. */
export function flush(): Promise<void> {
	return current?.flush() ?? Promise.resolve();
}

/** See {@link Client.destroy}. Afterwards the functions do nothing until the next `init`. */
export function destroy(): Promise<void> {
	const last = current;
	current = undefined;
	return last?.destroy() ?? Promise.resolve();
}
