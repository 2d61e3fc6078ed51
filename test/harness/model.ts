// The nouns of the API as tests see them, and the few calls that most scenarios make.
import { type Api, eventually, type Reply } from "./api.ts";

export interface Event {
	id: string;
	type: string;
	kind: string;
	severity: string | null;
	source: string | null;
	environment: string | null;
	message: string | null;
	value: number | null;
	payload: Record<string, unknown>;
	tags: Record<string, unknown>;
	fingerprint: string | null;
	idempotencyKey: string | null;
	occurredAt: string;
	receivedAt: string;
	projectId: string;
	keyId: string | null;
}

export interface Action {
	channel: string;
	config: Record<string, unknown>;
}

export interface Rule {
	id: string;
	name: string;
	eventType: string;
	condition: string;
	threshold: number;
	windowSeconds: number;
	cooldownSeconds: number;
	groupBy: string[];
	severity: string;
	enabled: boolean;
	actions: Action[];
	version: number;
	createdAt: string;
	updatedAt: string;
}

export interface Alert {
	id: string;
	ruleId: string;
	ruleName: string;
	severity: string;
	count: number;
	countAtLeast: boolean;
	group: unknown;
	eventId: string;
	eventType: string;
	createdAt: string;
	state: "firing" | "resolved";
	resolvedAt: string | null;
	resolution: string | null;
}

export interface Attempt {
	n: number;
	startedAt: string;
	durationMs: number;
	outcome: string;
	httpStatus: number | null;
	error: string | null;
}

export interface Delivery {
	id: string;
	alertId: string;
	ruleId: string;
	eventId: string;
	channel: string;
	destination: string | null;
	status: string;
	attempts: number;
	createdAt: string;
	dueAt: string | null;
	doneAt: string | null;
	error: string | null;
	httpStatus: number | null;
	attemptList: Attempt[];
}

export interface Page<T> {
	data: T[];
	nextCursor: string | null;
}

export interface Verdicts {
	accepted: number;
	duplicate: number;
	rejected: number;
	data: {
		index: number;
		status: string;
		id?: string;
		error?: string;
		code?: string;
		field?: string;
	}[];
}

const defaults = {
	condition: "count_gte",
	threshold: 1,
	windowSeconds: 60,
	cooldownSeconds: 0,
	actions: [{ channel: "in_app", config: {} }],
};

/** What is sent for a rule of which only so much matters. */
export function ruleOf(rule: Partial<Rule> & { eventType: string }) {
	return { name: `on ${rule.eventType}`, ...defaults, ...rule };
}

export async function makeRule(
	api: Api,
	rule: Partial<Rule> & { eventType: string },
): Promise<Rule> {
	const reply = await api.post<Rule>("/api/v1/rules", ruleOf(rule));
	if (reply.status !== 201) throw new Error(`no rule: ${reply.status} ${reply.text}`);
	return reply.body;
}

export async function sendEvent(
	api: Api,
	type: string,
	more: Record<string, unknown> = {},
): Promise<{ id: string; receivedAt: string }> {
	const reply = await api.post<{ id: string; receivedAt: string }>("/api/v1/events", {
		type,
		...more,
	});
	if (reply.status !== 201) throw new Error(`no event: ${reply.status} ${reply.text}`);
	return reply.body;
}

/** All pages of a list, in the order of the server: newest first. */
export async function listAll<T>(api: Api, path: string, limit = 200): Promise<T[]> {
	const all: T[] = [];
	let cursor: string | null = null;
	do {
		const join = path.includes("?") ? "&" : "?";
		const at: string = cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`;
		const reply: Reply<Page<T>> = await api.get<Page<T>>(`${path}${join}limit=${limit}${at}`);
		if (reply.status !== 200) throw new Error(`no list: ${reply.status} ${reply.text}`);
		all.push(...reply.body.data);
		cursor = reply.body.nextCursor;
	} while (cursor !== null);
	return all;
}

export function alertsOf(api: Api, rule: { id: string }): Promise<Alert[]> {
	return listAll<Alert>(api, `/api/v1/alerts?ruleId=${rule.id}`);
}

export function deliveriesOf(api: Api, rule: { id: string }): Promise<Delivery[]> {
	return listAll<Delivery>(api, `/api/v1/deliveries?ruleId=${rule.id}`);
}

export async function getDelivery(api: Api, id: string): Promise<Delivery> {
	return (await api.get<Delivery>(`/api/v1/deliveries/${id}`)).body;
}

/** The value of one series of /metrics. */
export async function metric(api: Api, series: string): Promise<number> {
	const { text } = await api.get("/metrics");
	const line = text.split("\n").find((l) => l.startsWith(`${series} `));
	if (line === undefined) throw new Error(`there is no series ${series}`);
	return Number(line.slice(series.length + 1));
}

/** Wait until the rules have seen all that is stored. */
export async function caughtUp(api: Api): Promise<void> {
	await eventually(
		() => metric(api, "tocsin_engine_lag_records"),
		(lag) => lag === 0,
	);
}

/** Wait until the rules have seen everything, and no delivery waits or is under way. */
export async function settled(api: Api): Promise<void> {
	await caughtUp(api);
	for (const status of ["pending", "sending", "retrying"]) {
		await eventually(
			() => api.get<Page<Delivery>>(`/api/v1/deliveries?status=${status}&limit=1`),
			(reply) => reply.body.data.length === 0,
		);
	}
}
