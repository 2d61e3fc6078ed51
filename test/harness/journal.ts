// The journal as its format page says, read by somebody else: what the server stored, in its order,
// to the microsecond, which the API rounds away.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const SEGMENT_HEAD = 4096;
const BATCH_HEAD = 64;
const MAGIC = 0xb47c4a01;

export interface JournalEvent {
	seq: number;
	atUs: number;
	type: string;
	key: string;
	payload: Record<string, unknown>;
}

/** The kinds of records, as they are numbered. */
export const KIND = { event: 1, control: 2, tick: 3, start: 4 };

function readRecord(file: Buffer, at: number, want: number): JournalEvent | undefined {
	const kind = file.readUInt16LE(at + 64);
	const [typeLength, keyLength, head] = [66, 68, 70].map((o) => file.readUInt16LE(at + o));
	const type = at + head!;
	const key = type + typeLength!;
	const body = key + keyLength!;
	if (kind !== want) return undefined;
	const text = file.toString("utf8", body, body + file.readUInt32LE(at + 72));
	const json = JSON.parse(text) as { payload?: Record<string, unknown> };
	return {
		seq: Number(file.readBigUInt64LE(at + 8)),
		atUs: Number(file.readBigUInt64LE(at + 16)),
		type: file.toString("utf8", type, key),
		key: file.toString("utf8", key, body),
		payload: want === KIND.event ? (json.payload ?? {}) : json,
	};
}

/** Puts the events of one segment in their places. A later segment knows better: see Opening, 4. */
function readSegment(file: Buffer, want: number, into: Map<number, JournalEvent>): void {
	const epoch = file.readBigUInt64LE(32);
	let at = SEGMENT_HEAD;
	while (at + BATCH_HEAD <= file.length && file.readUInt32LE(at) === MAGIC) {
		if (file.readBigUInt64LE(at + 24) !== epoch) break;
		const end = at + BATCH_HEAD + file.readUInt32LE(at + 52);
		for (at += BATCH_HEAD; at < end; at += file.readUInt32LE(at + 4)) {
			const event = readRecord(file, at, want);
			if (event !== undefined) into.set(event.seq, event);
		}
	}
}

/** All events of the journal in a data directory whose server has stopped, oldest first. */
export function journalEvents(data: string): JournalEvent[] {
	return journalRecords(data, KIND.event);
}

/** The same for records of another kind; their whole body is the payload. */
export function journalRecords(data: string, kind: number): JournalEvent[] {
	const dir = join(data, "journal");
	const events = new Map<number, JournalEvent>();
	const all = readdirSync(dir);
	if (all.some((name) => name.endsWith(".sealed"))) throw new Error("start it with --seal false");
	const names = all.filter((name) => name.endsWith(".seg"));
	for (const name of names.sort()) readSegment(readFileSync(join(dir, name)), kind, events);
	return [...events.values()].sort((a, b) => a.seq - b.seq);
}
