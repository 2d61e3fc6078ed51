// Searches and exports over sealed files: what is found, in turns, to the end, whatever breaks.
import { spawn } from "node:child_process";
import {
	closeSync,
	existsSync,
	mkdtempSync,
	openSync,
	readFileSync,
	rmSync,
	statSync,
	writeFileSync,
	writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api, eventually, type Problem } from "../harness/api.ts";
import { tenant, tocsin } from "../harness/command.ts";
import { begin, type Lines, readLines, readOn } from "../harness/lines.ts";
import { type Event, listAll, metric, type Page, sendEvent } from "../harness/model.ts";
import { binary, Server } from "../harness/server.ts";
import { randomFrom } from "../harness/tools.ts";

interface Facet {
	values: { value: string | null; count: number }[];
	other: number;
}
interface Line {
	search?: { query: unknown[] };
	event?: Event;
	page?: { nextCursor: string | null };
	progress?: { percent: number; matched: number };
	counts?: {
		matched: number;
		histogram: { step: number; buckets: { start: string; count: number }[] };
		facets: Record<string, Facet>;
	};
	done?: { percent: number; matched: number; looked: number; lost: number };
	failed?: { code: string };
	end?: { complete: boolean; events: number; lost: number; after: string };
}

const BATCHES = 16;
const BATCH = 500;
const words = ["declined", "Timeout", "café CRÈME", "ошибка", "漢字", 'say "hi"', "c:\\temp\\x"];
const pad = "lorem ipsum dolor sit amet ".repeat(40);

let server: Server;
let api: Api;
let second: Api;
let other: Api;
let folder: string;
const ids: string[] = [];

/** Some thousands of events of three projects, one after the other in the log. */
async function fill(): Promise<void> {
	for (let b = 0; b < BATCHES; b++) {
		const batch = Array.from({ length: BATCH }, (_, i) => {
			const n = b * BATCH + i;
			return {
				type: n % 4 === 0 ? "shop.sold" : "shop.seen",
				severity: n % 10 === 0 ? "high" : "low",
				source: `web-${n % 12}`,
				message: n % 100 === 7 ? `x ${words[(n / 100) % words.length | 0]} y` : "all well",
				payload: { n, pad, nested: { list: [n, `item ${n}`] } },
			};
		});
		const reply = await api.post<{ data: { id: string }[] }>("/api/v1/events", batch);
		expect(reply.status).toBe(200);
		ids.push(...reply.body.data.map((d) => d.id));
		for (const [who, text] of [[second, "second"], [other, "other"]] as const) {
			const few = Array.from({ length: 20 }, () => ({ type: text, message: "Timeout declined" }));
			expect((await who.post("/api/v1/events", few)).status).toBe(200);
		}
	}
}

beforeAll(async () => {
	folder = mkdtempSync(join(tmpdir(), "tocsin-export-"));
	server = await Server.start({ args: ["--segment-size", "1MiB"] });
	api = await Api.bootstrap(server.url);
	second = await tenant(server, "acme", "second");
	other = await tenant(server, "other");
	await fill();
	await eventually(
		() => metric(api, "tocsin_journal_sealed_event_bytes"),
		(n) => n > 5_000_000,
	);
});
afterAll(async () => {
	rmSync(folder, { recursive: true, force: true });
	await server.stop();
});

const q = encodeURIComponent;
const parse = (got: Lines): Line[] => got.lines.map((line) => JSON.parse(line) as Line);

async function search(who: Api, query: string): Promise<Line[]> {
	const got = await readLines(who, `/api/v1/events/search?${query}`);
	expect([got.status, got.whole, got.rest]).toEqual([200, true, ""]);
	return parse(got);
}
const last = <K extends keyof Line>(lines: Line[], key: K) =>
	lines.filter((line) => line[key] !== undefined).at(-1)?.[key];
const numbers = (lines: Line[]) =>
	lines.flatMap((line) => (line.event === undefined ? [] : [Number(line.event.payload.n)]));

/** Our events that have something to say, newest first. */
const sevens = () =>
	Array.from({ length: BATCHES * BATCH }, (_, n) => n)
		.filter((n) => n % 100 === 7)
		.reverse();
/** Those with this word. */
const having = (word: string) =>
	sevens().filter((n) => words[(n / 100) % words.length | 0] === word);

describe("search", () => {
	const rows: [string, string][] = [
		["DECLINED", "declined"],
		["time", "Timeout"],
		['"Café crème"', "café CRÈME"],
		["ОШИБКА", "ошибка"],
		["漢", "漢字"],
		['"say \\"HI\\""', 'say "hi"'],
		["C:\\TEMP\\", "c:\\temp\\x"],
	];
	it.each(rows)("%s is found where it is, newest first", async (text, word) => {
		const lines = await search(api, `q=${q(text)}&limit=1000`);
		expect(numbers(lines)).toEqual(having(word));
		expect(last(lines, "done")).toMatchObject({ percent: 100, lost: 0, looked: ids.length });
		const oldest = await search(api, `q=${q(text)}&limit=1000&order=asc`);
		expect(numbers(oldest)).toEqual(having(word).reverse());
	});

	it("what is not there is not found", async () => {
		for (const text of ["declinedx", '"well all"', "nested", "payload.n:99999999", "-all -x"]) {
			const lines = await search(api, `q=${q(text)}`);
			expect([text, last(lines, "done")?.matched]).toEqual([text, 0]);
		}
	});

	it("paths, comparisons and filters narrow it", async () => {
		const matched = async (query: string) => last(await search(api, query), "done")?.matched;
		expect(await matched(`q=${q("payload.n:4321")}`)).toBe(1);
		expect(await matched(`q=${q("payload.n>=7990 payload.n<7995")}`)).toBe(5);
		expect(await matched(`q=${q('payload.nested.list:"item 77"')}`)).toBe(1);
		expect(await matched(`q=${q("type:shop.so* severity:high")}`)).toBe(400);
		expect(await matched("type=shop.sold&severity=high")).toBe(400);
		expect(await matched(`q=${q("severity:>low")}`)).toBe(800);
		expect(await matched(`q=${q("source:web-3 -type:shop.sold")}`)).toBe(667);
		expect(await matched("source=web-3&type=shop.sold")).toBe(0);
	});

	it("counts all that matches, over time and by value", async () => {
		const lines = await search(api, "limit=3&buckets=20");
		const counts = last(lines, "counts")!;
		expect(numbers(lines)).toHaveLength(3);
		expect(counts.matched).toBe(ids.length);
		const { buckets } = counts.histogram;
		expect(buckets.length).toBeLessThanOrEqual(20);
		expect(buckets.reduce((sum, b) => sum + b.count, 0)).toBe(ids.length);
		expect(counts.facets.type!.values).toEqual([
			{ value: "shop.seen", count: 6000 },
			{ value: "shop.sold", count: 2000 },
		]);
		expect(counts.facets.source!.values).toHaveLength(10);
		const sum = counts.facets.source!.values.reduce((n, v) => n + v.count, 0);
		expect(sum + counts.facets.source!.other).toBe(ids.length);
	});

	it("tells how far it is, and never goes back", async () => {
		const lines = await search(api, `q=${q("-nowhere")}&limit=0`);
		const percents = lines.flatMap((line) => line.progress?.percent ?? line.done?.percent ?? []);
		expect(percents.at(-1)).toBe(100);
		expect([...percents].sort((a, b) => a - b)).toEqual(percents);
	});

	it("pages follow each other without loss", async () => {
		const seen: number[] = [];
		let cursor: string | null = "";
		while (cursor !== null) {
			const at = cursor === "" ? "" : `&cursor=${cursor}`;
			const lines: Line[] = await search(api, `q=x&counts=false&limit=17${at}`);
			seen.push(...numbers(lines));
			cursor = last(lines, "page")!.nextCursor;
		}
		expect(seen).toEqual(sevens());
	});

	it("a time range is kept to", async () => {
		const middle = (await api.get<Event>(`/api/v1/events/${ids[4000]}`)).body.receivedAt;
		const before = last(await search(api, `to=${q(middle)}&limit=0`), "done")!.matched;
		const after = last(await search(api, `from=${q(middle)}&limit=0`), "done")!.matched;
		expect(before + after).toBe(ids.length);
		expect(before).toBeLessThanOrEqual(4000);
		expect(after).toBeGreaterThan(0);
	});

	it("finds nothing of other projects and organizations", async () => {
		for (const [who, type] of [[second, "second"], [other, "other"]] as const) {
			const lines = await search(who, "q=timeout&limit=1000");
			const events = lines.flatMap((line) => line.event ?? []);
			expect(events).toHaveLength(20 * BATCHES);
			expect(new Set(events.map((e) => e.type))).toEqual(new Set([type]));
		}
	});

	it("the list finds the same, page by page", async () => {
		const found = await listAll<Event>(api, `/api/v1/events?q=${q("ОШИБКА")}`);
		expect(found.map((e) => e.payload.n)).toEqual(having("ошибка"));
	});

	it("a mistake in the words is told with its place", async () => {
		for (const path of ["events", "events/search", "events/export"]) {
			const reply = await api.get<Problem>(`/api/v1/${path}?q=${q('well "open')}`);
			expect([reply.status, reply.body.field]).toEqual([400, "q"]);
			expect(reply.body.error).toContain("character 6");
		}
	});
});

describe("export", () => {
	const idsIn = (lines: string[]) =>
		lines.flatMap((line) => /^\{"id":"([^"]+)"/.exec(line)?.[1] ?? []);

	it("has every event once, oldest first, in the form of the API", async () => {
		const got = await readLines(api, "/api/v1/events/export");
		expect(got.whole).toBe(true);
		expect(idsIn(got.lines)).toEqual(ids);
		const one = await api.get(`/api/v1/events/${ids[1234]}`);
		expect(got.lines[1234]).toBe(one.text);
		expect((JSON.parse(got.lines.at(-1)!) as Line).end).toMatchObject({
			complete: true,
			events: ids.length,
			lost: 0,
		});
	});

	it("cut anywhere and taken up has every event once", async () => {
		const random = randomFrom(5);
		const seen: string[] = [];
		let end: Line["end"];
		let cuts = 0;
		while (end === undefined) {
			const after = seen.length === 0 ? "" : `?after=${seen.at(-1)}`;
			const cut = 20_000 + random() * 2_000_000;
			const got = await readLines(api, `/api/v1/events/export${after}`, cut);
			seen.push(...idsIn(got.lines));
			if (got.whole) end = (JSON.parse(got.lines.at(-1)!) as Line).end;
			else cuts++;
		}
		expect(cuts).toBeGreaterThan(3);
		expect(seen).toEqual(ids);
		expect(end.complete).toBe(true);
		// What the end says is where later events begin.
		const more = await readLines(api, `/api/v1/events/export?after=${end.after}`);
		expect(idsIn(more.lines)).toEqual([]);
	});

	it("a slow reader gets everything, and holds nobody up", async () => {
		const slow = await begin(api, "/api/v1/events/export");
		slow.pause();
		for (let i = 0; i < 20; i++) {
			ids.push((await sendEvent(api, "meanwhile", { payload: { n: ids.length } })).id);
		}
		expect(last(await search(api, "q=type:meanwhile"), "done")?.matched).toBe(20);
		const got = await readOn(slow);
		expect(got.whole).toBe(true);
		expect(idsIn(got.lines)).toEqual(ids.slice(0, BATCHES * BATCH));
	});

	it("as a table it is the same events, and no formulas", async () => {
		const evil = { source: "=1+1", message: '@SUM("a,b")\nsecond line' };
		ids.push((await sendEvent(api, "-evil", evil)).id);
		const reply = await api.call("GET", "/api/v1/events/export", undefined, {
			accept: "text/csv",
		});
		const rows = reply.text.split("\r\n");
		expect(rows[0]).toContain("id,receivedAt,occurredAt,type");
		expect(rows).toHaveLength(ids.length + 2);
		expect(rows.slice(1, -1).map((row) => row.slice(0, 30))).toEqual(ids);
		expect(rows.at(-2)).toContain(",'-evil,event,,'=1+1,,\"'@SUM(\"\"a,b\"\")\nsecond line\",");
	});
});

describe("tenants", () => {
	it("ten exports of one leave room for another, and end with their connections", async () => {
		const ten = await Promise.all(
			Array.from({ length: 10 }, () => begin(api, "/api/v1/events/export")),
		);
		for (const res of ten) res.pause();
		const running = ten.filter((res) => res.statusCode === 200);
		const refused = ten.filter((res) => res.statusCode === 429);
		// Who is fast may be through before the next one comes.
		expect(running.length + refused.length).toBe(10);
		expect(running.length).toBeGreaterThanOrEqual(4);
		expect(last(await search(other, "q=timeout"), "done")?.matched).toBe(20 * BATCHES);
		for (const res of refused) {
			expect(res.headers["retry-after"]).toBe("5");
			const problem = JSON.parse((await readOn(res)).rest) as Problem;
			expect(problem.code).toBe("too_many_searches");
		}
		for (const res of running) res.destroy();
		await eventually(
			() => metric(api, "tocsin_scans"),
			(n) => n === 0,
		);
	});
});

describe("tocsin export", () => {
	const idsOf = (path: string) =>
		readFileSync(path, "utf8")
			.split("\n")
			.slice(0, -1)
			.map((line) => (JSON.parse(line) as Event).id);
	const flags = (out: string, ...more: string[]) => ["export", "--url", server.url, "--out", out, ...more];
	const env = () => ({ TOCSIN_KEY: api.key! });

	/** Start it, and do something to it once its part has some bytes. */
	async function meddle(out: string, args: string[], act: (kill: () => void) => Promise<void>) {
		const child = spawn(binary, flags(out, ...args), {
			env: { ...process.env, ...env() },
			stdio: "ignore",
		});
		const exit = new Promise<number | null>((done) => child.once("close", done));
		const size = () => (existsSync(`${out}.part`) ? statSync(`${out}.part`).size : 0);
		while (size() < 100_000 && child.exitCode === null) {
			await new Promise((resolve) => setImmediate(resolve));
		}
		await act(() => child.kill("SIGKILL"));
		return exit;
	}

	it("writes a file that has its name only when it is whole", async () => {
		const out = join(folder, "all.ndjson");
		const ran = await tocsin(flags(out), { env: env() });
		expect([ran.code, ran.stderr]).toEqual([0, `${ids.length} events in ${out}\n`]);
		expect(idsOf(out)).toEqual(ids);
		expect(existsSync(`${out}.part`)).toBe(false);
		const again = await tocsin(flags(out), { env: env() });
		expect(again.code).toBe(1);
		expect(again.stderr).toContain("is there already");
	});

	it("goes on by itself when the server is killed and comes back", async () => {
		const out = join(folder, "killed-server.ndjson");
		const code = await meddle(out, [], () => server.restart("SIGKILL"));
		expect(code).toBe(0);
		expect(idsOf(out)).toEqual(ids);
	});

	it.each(["ndjson", "csv"])("killed itself, goes on where it stopped: %s", async (format) => {
		const out = join(folder, `killed.${format}`);
		const whole = join(folder, `whole.${format}`);
		for (let i = 0; i < 3; i++) {
			await meddle(out, ["--format", format], async (kill) => kill());
		}
		for (const path of [out, whole]) {
			if (existsSync(path)) continue;
			const ran = await tocsin(flags(path, "--format", format), { env: env() });
			expect(ran.code).toBe(0);
		}
		expect(readFileSync(out, "utf8")).toBe(readFileSync(whole, "utf8"));
	});

	it("does not go on with other filters than it began with", async () => {
		const out = join(folder, "other.ndjson");
		const whole = readFileSync(join(folder, "all.ndjson"), "utf8").split("\n");
		const sold = whole.filter((line) => line.includes('"type":"shop.sold"'));
		const part = sold.slice(0, 10).join("\n") + "\n";
		const begun = { format: "ndjson", type: "shop.sold" };
		const run = (...more: string[]) => tocsin(flags(out, ...more), { env: env() });
		writeFileSync(`${out}.part`, part);
		expect((await run("--type", "shop.sold")).stderr).toContain("nobody knows with which filters");
		writeFileSync(`${out}.part.filters`, JSON.stringify(begun));
		for (const [flag, more] of [
			["type", ["--type", "shop.seen"]],
			["type", []],
			["severity", ["--type", "shop.sold", "--severity", "high"]],
			["format", ["--type", "shop.sold", "--format", "csv"]],
		] as const) {
			const ran = await run(...more);
			expect([ran.code, ran.stderr]).toEqual([1, expect.stringContaining(`"--${flag}" is not what`)]);
			expect(readFileSync(`${out}.part`, "utf8")).toBe(part);
		}
		expect((await run("--type", "shop.sold")).code).toBe(0);
		expect(idsOf(out)).toHaveLength(sold.length);
		expect(existsSync(`${out}.part.filters`)).toBe(false);
	});

	it("takes the filters of the API", async () => {
		const out = join(folder, "some.ndjson");
		const ran = await tocsin(flags(out, "--query", "ошибка", "--type", "shop.*"), { env: env() });
		expect(ran.code).toBe(0);
		expect(idsOf(out)).toEqual(having("ошибка").reverse().map((n) => ids[n]));
		const wrong = await tocsin(flags(join(folder, "x"), "--query", '"'), { env: env() });
		expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining("not closed")]);
	});

	it("after a restart everything is found as before", async () => {
		await server.restart();
		expect(numbers(await search(api, `q=${q("漢字")}&limit=1000`))).toEqual(having("漢字"));
		const page = await api.get<Page<Event>>(`/api/v1/events?q=${q("漢字")}&limit=1`);
		expect(page.body.data[0]!.payload.n).toBe(having("漢字")[0]);
	});
});

describe("what was deleted", () => {
	it("is neither found nor counted nor exported, and what others have is", async () => {
		const { id } = (await second.get<{ id: string }>("/api/v1/projects/current")).body;
		expect((await second.delete(`/api/v1/events?confirm=${id}`)).status).toBe(202);
		const lines = await search(second, "q=timeout");
		expect(last(lines, "done")).toMatchObject({ matched: 0, lost: 0 });
		expect(last(lines, "counts")?.histogram.buckets).toEqual([]);
		const kept = await sendEvent(second, "kept", { message: "timeout" });
		const got = await readLines(second, "/api/v1/events/export");
		expect(got.lines.map((line) => (JSON.parse(line) as Event).id)).toEqual([kept.id, undefined]);
		expect(last(await search(second, "q=timeout"), "done")?.matched).toBe(1);
		expect(last(await search(other, "q=timeout"), "done")?.matched).toBe(20 * BATCHES);
	});
});

describe("a damaged log", () => {
	it("gives what can be read, and does not call it everything", async () => {
		const damaged = await Server.start({ args: ["--seal", "false"] });
		const who = await Api.bootstrap(damaged.url);
		for (let i = 0; i < 10; i++) await sendEvent(who, "kept", { message: `number ${i}` });
		const path = join(damaged.data, "journal", "0000000000000001.seg");
		const at = readFileSync(path).indexOf("number 4");
		const fd = openSync(path, "r+");
		writeSync(fd, "damage", at);
		closeSync(fd);

		const got = await readLines(who, "/api/v1/events/export");
		expect(got.lines).toHaveLength(10);
		expect((JSON.parse(got.lines.at(-1)!) as Line).end).toMatchObject({
			complete: false,
			events: 9,
			lost: 1,
		});
		expect(last(await search(who, "q=number"), "done")).toMatchObject({ matched: 9, lost: 1 });
		const table = await readLines(who, "/api/v1/events/export?format=csv");
		expect([table.lines.length, table.whole]).toEqual([10, false]);
		const out = join(folder, "damaged.ndjson");
		const ran = await tocsin(["export", "--url", damaged.url, "--out", out], {
			env: { TOCSIN_KEY: who.key! },
		});
		expect([ran.code, ran.stderr]).toEqual([1, expect.stringContaining("damaged (places: 1)")]);
		expect(readFileSync(out, "utf8").split("\n")).toHaveLength(10);
		await damaged.drop();
	});
});
