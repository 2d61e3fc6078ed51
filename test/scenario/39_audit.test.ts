// The audit log: what is told, that others can check it, and that whatever is done to it behind its back shows.
import { createHash } from "node:crypto";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api } from "../harness/api.ts";
import { tocsin } from "../harness/command.ts";
import { makeRule } from "../harness/model.ts";
import { Server } from "../harness/server.ts";
import { stores, tamper } from "../harness/store.ts";

type Entry = Record<string, string | number | Record<string, unknown> | null> & {
	number: number;
	action: string;
	hash: string;
	previousHash: string | null;
};
interface Page {
	data: Entry[];
	nextCursor: string | null;
}

/** By doc/audit.md alone. */
function hash(e: Entry, start: string, names: string): string {
	const texts = names.split(" ").map((name) => {
		const v = e[name] ?? "";
		return typeof v === "object" ? JSON.stringify(v) : String(v);
	});
	const bytes = [start, ...texts].map((t) => `${Buffer.byteLength(t)}:${t},`).join("");
	return createHash("sha256").update(bytes).digest("hex");
}
const hashOf = (e: Entry): string =>
	hash(
		e,
		"tocsin.audit.2",
		"previousHash orgId number id createdAt actor actorId actorMark action target targetId targetMark requestId",
	);
const marksOf = (e: Entry): string[] => [
	hash(e, "tocsin.audit.mark.1", "actorSalt actorName address userAgent"),
	hash(e, "tocsin.audit.mark.1", "targetSalt targetName before after"),
];

describe.each(stores)("the audit log on %s", (store) => {
	let server: Server;
	let api: Api;
	let all: Entry[];

	const list = async (query = ""): Promise<Entry[]> =>
		(await api.get<Page>(`/api/v1/audit?limit=100${query}`)).body.data;

	beforeAll(async () => {
		server = await Server.start({ store });
		api = await Api.bootstrap(server.url);
		const rule = await makeRule(api, { name: "=1+1", eventType: "a", threshold: 2 });
		await api.patch(`/api/v1/rules/${rule.id}`, { enabled: false });
		await api.delete(`/api/v1/rules/${rule.id}`);
		await makeRule(api, { name: "stays", eventType: "b", threshold: 2 });
	}, 60_000);

	afterAll(async () => {
		await server.drop();
	});

	it("tells who did what to what, and how it was before", async () => {
		all = await list();
		expect(all.map((e) => e.action)).toEqual([
			"rule.create",
			"rule.delete",
			"rule.update",
			"rule.create",
			"key.create",
			"org.create",
		]);
		expect(all[2]).toMatchObject({
			actor: "key",
			target: "rule",
			targetName: "=1+1",
			before: { enabled: true },
			after: { enabled: false },
			address: "127.0.0.1",
		});
		expect(all.map((e) => e.number)).toEqual([6, 5, 4, 3, 2, 1]);
		expect(all[4]).toMatchObject({ actor: "anyone", target: "key" });
	});

	it("finds by who, what and to what, page by page", async () => {
		expect((await list("&action=rule.create")).map((e) => e.number)).toEqual([6, 3]);
		expect((await list("&actor=anyone")).map((e) => e.number)).toEqual([2, 1]);
		expect((await list(`&targetId=${all[5]!.targetId as string}`)).length).toBe(1);
		expect((await list(`&to=${all[3]!.createdAt as string}`)).map((e) => e.number)).toEqual([2, 1]);
		const first = (await api.get<Page>("/api/v1/audit?limit=4")).body;
		const rest = (await api.get<Page>(`/api/v1/audit?limit=4&cursor=${first.nextCursor}`)).body;
		expect([...first.data, ...rest.data]).toEqual(all);
		expect((await api.get("/api/v1/audit?action=rule.bend")).status).toBe(400);
	});

	it("exports what others can check, and no formula", async () => {
		const ndjson = await fetch(`${server.url}/api/v1/audit/export`, {
			headers: { authorization: `Bearer ${api.key}` },
		});
		const lines = (await ndjson.text()).trim().split("\n").map((l) => JSON.parse(l) as Entry);
		expect(lines.pop()).toEqual({ end: { entries: 6, number: 6, hash: all[0]!.hash } });
		let previous: string | null = null;
		for (const e of lines) {
			expect([e.previousHash, e.hash]).toEqual([previous, hashOf(e)]);
			expect([e.actorMark, e.targetMark]).toEqual(marksOf(e));
			previous = e.hash;
		}
		const csv = await fetch(`${server.url}/api/v1/audit/export?format=csv`, {
			headers: { authorization: `Bearer ${api.key}` },
		});
		const rows = (await csv.text()).trim().split("\r\n");
		expect(rows.length).toBe(7);
		expect(rows[3]).toContain(",'=1+1,");
	});

	const verify = async (...more: string[]): Promise<string[]> => {
		const ran = await tocsin(["audit", "verify", ...more, ...server.stateFlags()]);
		const lines = ran.stdout.trim().split("\n");
		expect(ran.code).toBe(lines.some((l) => l.startsWith("WRONG")) ? 1 : 0);
		return lines.map((l) => l.replace(/^(WRONG|ok) +/, ""));
	};

	it("says which entry somebody has changed, removed, swapped or cut off", { timeout: 60_000 }, async () => {
		expect((await verify())[0]).toBe(`default: 6 entries, the last is 6:${all[0]!.hash}`);
		await server.kill("SIGTERM");
		expect(await verify("--org", "default", "--expect", `3:${all[3]!.hash}`)).toHaveLength(1);
		const url = server.stateFlags()[3];
		const sql = (text: string): Promise<void> =>
			tamper(url === undefined ? { file: join(server.data, "state.db") } : { url }, text);

		await expect(sql("update audit_entries set actor = 'user' where number = 4")).rejects.toThrow();
		await expect(sql("delete from audit_entries where number = 6")).rejects.toThrow();
		await expect(sql("update audit_entries set address = '' where number = 4")).rejects.toThrow();
		if (store === "sqlite") {
			await sql("drop trigger audit_entries_unchanged");
			await sql("drop trigger audit_entries_kept");
		} else {
			await sql("drop trigger audit_entries_stay on audit_entries");
		}
		// The one change that is let through is for people who are gone.
		const out = "actor_name, address, agent, actor_salt";
		await sql(`create table kept as select ${out} from audit_entries where number = 4`);
		await sql("update audit_entries set actor_name = '', address = '', agent = '', actor_salt = '' where number = 4");
		expect(await verify()).toEqual(["default: entry 4 lacks names of somebody who is not gone"]);
		await sql(`update audit_entries set (${out}) = (select ${out} from kept) where number = 4`);
		await sql("drop table kept");
		expect((await verify())[0]).toContain("6 entries");
		await sql("update audit_entries set actor = 'user' where number = 4");
		expect(await verify()).toEqual(["default: entry 4 was changed"]);
		await sql("update audit_entries set actor = 'key' where number = 4");
		for (const [from, to] of [[2, 99], [5, 2], [99, 5]]) {
			await sql(`update audit_entries set number = ${to} where number = ${from}`);
		}
		expect(await verify()).toEqual(["default: entries 2 and 5 were swapped"]);
		for (const [from, to] of [[2, 99], [5, 2], [99, 5]]) {
			await sql(`update audit_entries set number = ${to} where number = ${from}`);
		}
		expect((await verify())[0]).toContain("6 entries");
		await sql("delete from audit_entries where number = 6");
		expect(await verify()).toEqual(["default: entry 6 is missing at the end"]);
		await sql("delete from audit_entries where number = 3");
		expect(await verify()).toEqual([
			"default: entry 3 is missing",
			"default: entry 6 is missing at the end",
		]);
		const checked = await tocsin(["check", ...server.stateFlags()]);
		expect([checked.code, checked.stdout]).toEqual([1, expect.stringContaining("WRONG audit")]);
		const known = await tocsin([
			"audit", "verify", "--org", "default", "--expect", `2:${"0".repeat(64)}`, ...server.stateFlags(),
		]);
		expect(known.stdout).toContain("entry 2 does not have the hash expected");
	});
});
