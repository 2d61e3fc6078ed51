// Usage as a tenant sees it, and as it can be recomputed from events and deliveries.
import { expect } from "vitest";
import { type Api, eventually } from "./api.ts";
import type { Event } from "./model.ts";

export interface Usage {
	month: string;
	periodStart: string;
	periodEnd: string;
	plan: { name: string; displayName: string; priceCents: number };
	events: {
		used: number;
		pending: number;
		softLimit: number | null;
		hardLimit: number | null;
		remaining: number | null;
		overage: number;
		overageCents: number;
	};
	rules: { used: number; limit: number | null };
	notifications: { sent: number };
	projectId: string;
	data: { day: string; keyId: string | null; type: string | null; events: number }[];
	sent: { day: string; notifications: number }[];
}

export async function usageOf(api: Api, month?: string): Promise<Usage> {
	const got = await api.get<Usage>(`/api/v1/usage${month === undefined ? "" : `?month=${month}`}`);
	expect([got.status, got.text]).toEqual([200, expect.any(String)]);
	return got.body;
}

/** The same when the state has counted everything. */
export function settledUsage(api: Api, month?: string): Promise<Usage> {
	return eventually(
		() => usageOf(api, month),
		(usage) => usage.events.pending === 0,
	);
}

/** The server's own events are in the log, are free, and in no list of what was sent. */
export function isOurs(event: { type: string }): boolean {
	return event.type.startsWith("tocsin.");
}

/** "2026-11-21 key_... storm.order" by how many there were. */
export type Ledger = Record<string, number>;

export function ledgerOf(events: Pick<Event, "type" | "keyId" | "receivedAt">[]): Ledger {
	const ledger: Ledger = {};
	for (const { type, keyId, receivedAt } of events) {
		const line = `${receivedAt.slice(0, 10)} ${keyId} ${type}`;
		ledger[line] = (ledger[line] ?? 0) + 1;
	}
	return ledger;
}

/** The daily ledgers of all months in which there were events. */
export async function billedLedger(api: Api, events: { receivedAt: string }[]): Promise<Ledger> {
	const months = new Set(events.map((event) => event.receivedAt.slice(0, 7)));
	const ledger: Ledger = {};
	for (const month of months) {
		for (const row of (await settledUsage(api, month)).data) {
			const line = `${row.day} ${row.keyId} ${row.type}`;
			ledger[line] = (ledger[line] ?? 0) + row.events;
		}
	}
	return ledger;
}

/** How many notifications the ledgers have of all months in which these times are. */
export async function sentIn(api: Api, times: string[]): Promise<number> {
	let sent = 0;
	for (const month of new Set(times.map((time) => time.slice(0, 7)))) {
		for (const day of (await usageOf(api, month)).sent) sent += day.notifications;
	}
	return sent;
}
