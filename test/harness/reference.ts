// When a rule fires, a second time and as plainly as doc/rules.md says it: a list of events goes in,
// the ids of those that fire come out. The API's times are milliseconds, so tests that have no better
// ones from the log itself keep away from edges.
import type { Event } from "./model.ts";

export interface Seen {
	id: string;
	receivedAt: string;
	/** The same in microseconds, where it is known. */
	atUs?: number;
}

export interface Spec<E extends Seen = Event> {
	condition: "count_gte" | "count_gt" | "count_eq";
	threshold: number;
	windowSeconds: number;
	cooldownSeconds: number;
	/** Events with another key are counted apart. */
	key?: (event: E) => string;
}

/** Oldest first. */
export function firings<E extends Seen>(events: E[], spec: Spec<E>): string[] {
	const seen = new Map<string, number[]>();
	const fired = new Map<string, number>();
	const out: string[] = [];
	for (const event of events) {
		const key = spec.key?.(event) ?? "";
		const at = event.atUs ?? Date.parse(event.receivedAt) * 1000;
		const times = seen.get(key) ?? [];
		seen.set(key, times);
		times.push(at);
		while (times[0]! <= at - spec.windowSeconds * 1e6) times.shift();
		const holds =
			spec.condition === "count_gte"
				? times.length >= spec.threshold
				: spec.condition === "count_gt"
					? times.length > spec.threshold
					: times.length === spec.threshold;
		const last = fired.get(key);
		const quiet = last !== undefined && at < last + spec.cooldownSeconds * 1e6;
		if (holds && !quiet) {
			fired.set(key, at);
			out.push(event.id);
		}
	}
	return out;
}
