// Bounds that take time or much log to cross: a change that the rules are too far behind to apply, and
// a stream whose reader was away for more of the log than is read for one.
import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { Api, eventually } from "../harness/api.ts";
import { tenant } from "../harness/command.ts";
import { Sse } from "../harness/live.ts";
import { caughtUp, listAll, makeRule, ruleOf, sendEvent } from "../harness/model.ts";
import { Server } from "../harness/server.ts";

const CHANGE_WAIT_MS = 10_000;
const MIB = 1 << 20;

describe("a change while the rules are held", () => {
	it("is told after ten seconds that it is stored, and applies", { timeout: 60_000 }, async () => {
		const server = await Server.start({ env: { TOCSIN_BENCH_HOLD_ENGINE: "1" } });
		const api = await Api.bootstrap(server.url);
		// With a key nobody waits: what the last life left in the log may hold that key.
		await expect(makeRule(api, { name: "impatient", eventType: "order" })).rejects.toThrow(
			/503 .*still reads what came in last.*"overloaded"/,
		);
		const began = Date.now();
		const reply = await fetch(`${server.url}/api/v1/rules`, {
			method: "POST",
			headers: { authorization: `Bearer ${api.key}`, "content-type": "application/json" },
			body: JSON.stringify(ruleOf({ name: "patient", eventType: "order" })),
		});
		expect(reply.status).toBe(503);
		expect(await reply.text()).toMatch(/the change is stored.*"overloaded"/);
		expect(Date.now() - began).toBeGreaterThanOrEqual(CHANGE_WAIT_MS - 100);
		expect(await listAll(api, "/api/v1/rules")).toEqual([]);
		server.signal("SIGUSR1");
		await eventually(
			() => listAll<{ name: string }>(api, "/api/v1/rules"),
			(rules) => rules.length === 1 && rules[0]!.name === "patient",
		);
		await server.stop();
	});
});

describe("a stream that is taken up again", () => {
	it("goes on over 40 MiB of others' events, and says resync over 80", { timeout: 120_000 }, async () => {
		const server = await Server.start({ args: ["--seal", "false"] });
		const api = await Api.bootstrap(server.url);
		const other = await tenant(server, "loud");
		/** Of another tenant, so that frames are not what ends it; hex, so that their size is known. */
		const flood = async (bytes: number) => {
			for (let sent = 0; sent < bytes; sent += 8 * MIB) {
				const batch = Array.from({ length: 40 }, () => ({
					type: "loud",
					payload: { x: randomBytes((8 * MIB) / 80).toString("hex") },
				}));
				expect((await other.post("/api/v1/events", batch)).status).toBe(200);
			}
		};
		const open = async (headers: Record<string, string> = {}) => {
			const auth = { authorization: `Bearer ${api.key}` };
			const sse = await Sse.open(server.url, "/api/v1/stream", { ...auth, ...headers });
			await sse.until(() => sse.of("connected").length === 1);
			return sse;
		};
		const first = await open();
		await sendEvent(api, "quiet");
		await first.until(() => first.of("event").length === 1);
		first.close();
		await flood(40 * MIB);
		const missed = await sendEvent(api, "quiet");
		await caughtUp(api);
		const near = await open({ "last-event-id": first.lastId });
		await near.until(() => near.of("event").length === 1);
		expect(near.of("event")[0]!.data.id).toBe(missed.id);
		expect(near.of("resync")).toEqual([]);
		near.close();
		await flood(40 * MIB);
		await caughtUp(api);
		const far = await open({ "last-event-id": first.lastId });
		await far.until(() => far.of("resync").length === 1);
		expect(far.of("event")).toEqual([]);
		far.close();
		await server.stop();
	});
});
