// Small things that several scenarios count and build.

/** The value below which the given share of the samples lies. */
export function quantile(samples: number[], share: number): number {
	const sorted = [...samples].sort((a, b) => a - b);
	return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** How long each of n calls takes, one after the other, in milliseconds. */
export async function times(n: number, call: () => Promise<unknown>): Promise<number[]> {
	const all: number[] = [];
	for (let i = 0; i < n; i++) {
		const start = performance.now();
		await call();
		all.push(performance.now() - start);
	}
	return all;
}

/** JSON of an object with one member that nests arrays until the whole is this deep. */
export function nested(type: string, depth: number): string {
	const inner = depth - 2;
	return `{"type":"${type}","payload":{"a":${"[".repeat(inner)}${"]".repeat(inner)}}}`;
}

/** A native event whose canonical form has exactly this many bytes. */
export function eventOfSize(type: string, bytes: number): string {
	const empty = `{"type":"${type}","payload":{"a":""}}`;
	return empty.replace('""', `"${"x".repeat(bytes - empty.length)}"`);
}

/** Pseudo-random numbers in [0, 1) from a seed: mulberry32. */
export function randomFrom(seed: number): () => number {
	let a = seed >>> 0;
	return () => {
		a = (a + 0x6d2b79f5) >>> 0;
		let t = a;
		t = Math.imul(t ^ (t >>> 15), t | 1);
		t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
		return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
	};
}
