// When a rule fires, a second time and as plainly as doc/rules.md says it: a list of events goes in,
// the ids of those that fire come out. Times are milliseconds, so tests keep away from edges.
import type { Event } from "./model.ts";

export interface Spec {
	condition: "count_gte" | "count_gt" | "count_eq";
	threshold: number;
	windowSeconds: number;
	cooldownSeconds: number;
	/** Events with another key are counted apart. */
	key?: (event: Event) => string;
}

/** Oldest first. */
export function firings(events: Event[], spec: Spec): string[] {
	const seen = new Map<string, number[]>();
	const fired = new Map<string, number>();
	const out: string[] = [];
	for (const event of events) {
		const key = spec.key?.(event) ?? "";
		const at = Date.parse(event.receivedAt);
		const times = (seen.get(key) ?? []).filter((t) => t > at - spec.windowSeconds * 1000);
		times.push(at);
		seen.set(key, times);
		const holds =
			spec.condition === "count_gte"
				? times.length >= spec.threshold
				: spec.condition === "count_gt"
					? times.length > spec.threshold
					: times.length === spec.threshold;
		const last = fired.get(key);
		const quiet = last !== undefined && at < last + spec.cooldownSeconds * 1000;
		if (holds && !quiet) {
			fired.set(key, at);
			out.push(event.id);
		}
	}
	return out;
}
