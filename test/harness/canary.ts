// Secrets that a run uses, keys, tokens and passwords, have to be where they belong and nowhere
// else: not in an answer that refuses, not in a log, and not in anything that the server stores.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

const value = String.raw`"\s*:\s*"((?:[^"\\]|\\.)+)"`;
/** Members of bodies that hold one. */
const SENT = new RegExp(
	`"(?:password|currentPassword|newPassword|refreshToken|inviteToken|token|apiKey)${value}`,
	"g",
);
/** Members of replies; a "key" may be anything but when it looks like one. */
const MADE = new RegExp(`"(?:accessToken|refreshToken|inviteUrl|token|apiKey)${value}`, "g");
const KEY = /(\bsk_[0-9a-f]{48}\b)/g;
/** Where a command keeps the key that it was told to keep. */
const KEPT = "key";
/** Their shortest: what is shorter may be anywhere by chance. */
const CHARS_MIN = 12;
/** Of one server: each is looked for in all that it wrote. */
const SECRETS_MAX = 100;
const FILE_BYTES_MAX = 64 << 20;

interface Seen {
	headers: Record<string, string>;
	body: string;
	status: number;
	text: string;
}

const known = new Map<string, Set<string>>();

function secretsOf(url: string): Set<string> {
	let set = known.get(url);
	if (set === undefined) known.set(url, (set = new Set()));
	return set;
}

function* inText(text: string, names: RegExp): Generator<string> {
	for (const [, found] of text.matchAll(names)) yield found!;
}

/** A path or an id is no secret, and neither is what a test sends to be refused for its form. */
function isSecret(text: string): boolean {
	if (/^(evt|rul|prj|org)_/.test(text)) return false;
	// What a receiver checks signatures with is a part of its rule, and is with it in the log.
	if (text.startsWith("whsec_")) return false;
	// The first letters of a key, by which people tell keys apart.
	if (text.endsWith("...")) return false;
	return text.length >= CHARS_MIN && !/[\s\\]/.test(text.trim());
}

function of(headers: Record<string, string>, body: string): string[] {
	const auth = headers.authorization?.replace(/^bearer +/i, "");
	const cookies = (headers.cookie ?? "").split(/; */).map((one) => one.slice(one.indexOf("=") + 1));
	return [auth ?? "", headers["x-api-key"] ?? "", ...cookies, ...inText(body, SENT)];
}

/** A request and its reply: remember what is secret in them, and look whether a refusal repeats it. */
export function watch(url: string, seen: Seen): void {
	const set = secretsOf(url);
	const sent = of(seen.headers, seen.body).filter(isSecret);
	for (const secret of sent) {
		if (seen.status >= 400 && seen.text.includes(secret)) {
			throw new Error(`a reply with ${seen.status} repeats a secret: ${seen.text}`);
		}
		if (seen.status < 400 && set.size < SECRETS_MAX) set.add(secret);
	}
	if (seen.status >= 400) return;
	for (const secret of [...inText(seen.text, MADE), ...inText(seen.text, KEY)]) {
		if (isSecret(secret) && set.size < SECRETS_MAX) set.add(secret);
	}
}

function* filesIn(dir: string): Generator<string> {
	for (const entry of readdirSync(dir, { withFileTypes: true })) {
		const path = join(dir, entry.name);
		if (entry.isDirectory()) yield* filesIn(path);
		else if (entry.isFile() && entry.name !== KEPT && statSync(path).size <= FILE_BYTES_MAX) yield path;
	}
}

/** Throws when a text has one of these, as it is or as the bytes that a database shows. */
export function lookInto(what: string, text: string, secrets: Iterable<string>): void {
	for (const secret of secrets) {
		const found = [secret, Buffer.from(secret).toString("hex")].find((one) => text.includes(one));
		if (found === undefined) continue;
		const at = text.indexOf(found);
		throw new Error(`${what} has a secret, ${found.slice(0, 8)}..., behind: ${text.slice(Math.max(0, at - 120), at)}`);
	}
}

/** At the end of a server: neither its log nor its files nor its database may hold what was secret. */
export function lookEverywhere(url: string, log: string, dir: string, rows: string): void {
	const secrets = [...(known.get(url) ?? [])];
	known.delete(url);
	lookInto("the log", log, secrets);
	lookInto("the database", rows, secrets);
	for (const path of secrets.length > 0 ? filesIn(dir) : []) {
		const bytes = readFileSync(path);
		const found = secrets.find((secret) => bytes.includes(secret));
		if (found === undefined) continue;
		const at = bytes.indexOf(found);
		const before = bytes.subarray(Math.max(0, at - 120), at).toString("latin1");
		throw new Error(`${path} has a secret, ${found.slice(0, 8)}..., behind: ${before}`);
	}
}
