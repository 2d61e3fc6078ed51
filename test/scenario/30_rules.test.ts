// Rules: made, changed and removed on both families of routes, and firing exactly when they should.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api, type Problem } from "../harness/api.ts";
import { alertsOf, caughtUp, makeRule, type Page, type Rule, sendEvent } from "../harness/model.ts";
import { Server } from "../harness/server.ts";
import { stores } from "../harness/store.ts";

const good = {
	name: "Checkout failures",
	eventType: "checkout_failed",
	condition: "count_gte",
	threshold: 5,
	windowSeconds: 60,
	actions: [{ channel: "in_app", config: {} }],
};

describe.each(stores)("rules, state in %s", (store) => {
	let server: Server;
	let api: Api;

	beforeAll(async () => {
		server = await Server.start({ store, clock: true });
		api = await Api.bootstrap(server.url);
	});
	afterAll(() => server.stop());

	async function count(rule: Rule): Promise<number> {
		await caughtUp(api);
		return (await alertsOf(api, rule)).length;
	}

	describe.each(["/api/v1/rules", "/rules"])("%s", (path) => {
		it("makes, shows, changes and removes", async () => {
			const made = await api.post<Rule>(path, good);
			expect(made.status).toBe(201);
			expect(made.body).toMatchObject({
				...good,
				cooldownSeconds: 60,
				groupBy: [],
				severity: "medium",
				enabled: true,
				version: 1,
			});
			const one = `${path}/${made.body.id}`;
			expect((await api.get(one)).body).toEqual(made.body);
			const list = await api.get<{ data?: Rule[]; rules?: Rule[] }>(path);
			expect((list.body.data ?? list.body.rules)![0]).toEqual(made.body);
			const changed = await api.patch<Rule>(one, { threshold: 9, name: "More" });
			expect(changed.status).toBe(200);
			expect(changed.body).toMatchObject({ threshold: 9, name: "More", version: 2 });
			expect(changed.body.createdAt).toBe(made.body.createdAt);
			expect((await api.get(one)).body).toEqual(changed.body);
			expect((await api.delete(one)).status).toBe(204);
			for (const reply of [
				await api.get<Problem>(one),
				await api.patch<Problem>(one, { threshold: 1 }),
				await api.delete<Problem>(one),
			]) {
				expect([reply.status, reply.body.code]).toEqual([404, "not_found"]);
			}
		});
	});

	it("only the older routes ignore members that no rule has", async () => {
		const strict = await api.post<Problem>("/api/v1/rules", { ...good, color: "red" });
		expect([strict.status, strict.body.field]).toEqual([400, "color"]);
		const lenient = await api.post("/rules", { ...good, color: "red" });
		expect(lenient.status).toBe(201);
		await api.delete(`/rules/${String(lenient.body.id)}`);
	});

	it("a change of what somebody else changed meanwhile is refused with If-Match", async () => {
		const made = await api.post<Rule>("/api/v1/rules", good);
		const one = `/api/v1/rules/${made.body.id}`;
		const tag = made.headers.get("etag")!;
		expect(tag).toMatch(/^"\d+"$/);
		const first = await api.patch(one, { threshold: 6 }, { "if-match": tag });
		expect(first.status).toBe(200);
		expect(first.headers.get("etag")).not.toBe(tag);
		const late = await api.patch<Problem>(one, { threshold: 7 }, { "if-match": tag });
		expect([late.status, late.body.code]).toEqual([412, "precondition_failed"]);
		const removed = await api.delete<Problem>(one, { "if-match": tag });
		expect([removed.status, removed.body.code]).toEqual([412, "precondition_failed"]);
		const silly = await api.patch<Problem>(one, { threshold: 7 }, { "if-match": "W/x" });
		expect([silly.status, silly.body.field]).toEqual([400, "If-Match"]);
		expect((await api.get<Rule>(one)).body.threshold).toBe(6);
		// Without it changes queue up: none is lost.
		await Promise.all(
			Array.from({ length: 4 }, (_, i) =>
				i % 2 === 0
					? api.patch(one, { threshold: 20 + i })
					: api.patch(one, { windowSeconds: 100 + i }),
			),
		);
		const last = (await api.get<Rule>(one)).body;
		expect(last.version).toBe(6);
		expect([20, 22]).toContain(last.threshold);
		expect([101, 103]).toContain(last.windowSeconds);
		const now = `"${last.version}"`;
		expect((await api.delete(one, { "if-match": now })).status).toBe(204);
	});

	const webhook = (config: unknown) => ({ actions: [{ channel: "webhook", config }] });
	const target = { url: "http://127.0.0.1:9000/" };
	const refused: [string, Record<string, unknown>, number, string][] = [
		["no name", { name: undefined }, 400, "name"],
		["an empty name", { name: "" }, 400, "name"],
		["a long name", { name: "n".repeat(256) }, 400, "name"],
		["no type", { eventType: undefined }, 400, "eventType"],
		["a star inside", { eventType: "a*b" }, 400, "eventType"],
		["a star without a dot", { eventType: "ab*" }, 400, "eventType"],
		["an unknown condition", { condition: "count_lt" }, 400, "condition"],
		["threshold 0", { threshold: 0 }, 400, "threshold"],
		["threshold 100,001", { threshold: 100_001 }, 400, "threshold"],
		["half a threshold", { threshold: 1.5 }, 400, "threshold"],
		["a threshold in quotes", { threshold: "5" }, 400, "threshold"],
		["no window", { windowSeconds: undefined }, 400, "windowSeconds"],
		["window 0", { windowSeconds: 0 }, 400, "windowSeconds"],
		["a window over a day", { windowSeconds: 86_401 }, 400, "windowSeconds"],
		["a cooldown before 0", { cooldownSeconds: -1 }, 400, "cooldownSeconds"],
		["a cooldown over a day", { cooldownSeconds: 86_401 }, 400, "cooldownSeconds"],
		["five paths", { groupBy: ["kind", "type", "source", "tags.a", "tags.b"] }, 400, "groupBy"],
		["a path nowhere", { groupBy: ["kind", "user.id"] }, 400, "groupBy[1]"],
		["a path twice", { groupBy: ["tags.a", "tags.a"] }, 400, "groupBy[1]"],
		["an unknown severity", { severity: "awful" }, 400, "severity"],
		["enabled as a text", { enabled: "yes" }, 400, "enabled"],
		["no actions", { actions: undefined }, 400, "actions"],
		["an empty list of actions", { actions: [] }, 400, "actions"],
		["11 actions", { actions: Array(11).fill(good.actions[0]) }, 400, "actions"],
		["an action that is no object", { actions: ["in_app"] }, 400, "actions[0]"],
		["an unknown channel", { actions: [{ channel: "pigeon" }] }, 400, "actions[0].channel"],
		["a channel that comes later", { actions: [{ channel: "slack", config: {} }] }, 501, "actions[0].channel"],
		["a webhook without url", webhook({}), 400, "actions[0].config.url"],
		["a url that is none", webhook({ url: "example.com" }), 400, "actions[0].config.url"],
		["an ftp url", webhook({ url: "ftp://example.com" }), 400, "actions[0].config.url"],
		["a url with a password", webhook({ url: "http://a:b@example.com/" }), 400, "actions[0].config.url"],
		["a private target", webhook({ url: "http://10.0.0.1/" }), 400, "actions[0].config.url"],
		["a metadata service", webhook({ url: "http://169.254.169.254/" }), 400, "actions[0].config.url"],
		["an unknown member", webhook({ ...target, colour: 1 }), 400, "actions[0].config.colour"],
		["a header of ours", webhook({ ...target, headers: { "webhook-id": "1" } }), 400, "actions[0].config.headers"],
		["a header with a line break", webhook({ ...target, headers: { a: "b\r\nc: d" } }), 400, "actions[0].config.headers"],
		["a framing header", webhook({ ...target, headers: { "content-length": "1" } }), 400, "actions[0].config.headers"],
		["a short secret", webhook({ ...target, secret: "whsec_c2hvcnQ=" }), 400, "actions[0].config.secret"],
		["a filter", { filter: "payload.amount > 1" }, 501, "filter"],
		["a member nobody knows", { treshold: 5 }, 400, "treshold"],
	];
	it.each(refused)("refuses %s at its path", async (_, change, status, field) => {
		const reply = await api.post<Problem>("/api/v1/rules", { ...good, ...change });
		expect([reply.status, reply.body.field?.slice(0, field.length)]).toEqual([status, field]);
		expect(reply.body.error).toContain(field.split("[")[0]);
	});

	it("refuses the second of two actions by its number", async () => {
		const actions = [...good.actions, { channel: "webhook", config: { url: "x" } }];
		const reply = await api.post<Problem>("/api/v1/rules", { ...good, actions });
		expect(reply.body.field).toBe("actions[1].config.url");
	});

	it("a short window takes nothing from a long one on the same type", async () => {
		const eventType = "two.windows";
		const short = await makeRule(api, { eventType, threshold: 3, windowSeconds: 10 });
		const long = await makeRule(api, { eventType, threshold: 3, windowSeconds: 3600 });
		for (const _ of [1, 2, 3]) {
			await sendEvent(api, eventType);
			server.advance(20_000);
		}
		expect([await count(short), await count(long)]).toEqual([0, 1]);
		for (const _ of [1, 2, 3]) await sendEvent(api, eventType);
		expect([await count(short), await count(long)]).toEqual([1, 4]);
		server.advance(3_600_000);
		await sendEvent(api, eventType);
		expect([await count(short), await count(long)]).toEqual([1, 4]);
	});

	it("100 events at once over a threshold are one alert per cooldown", async () => {
		const rule = await makeRule(api, {
			eventType: "flood",
			threshold: 10,
			windowSeconds: 3600,
			cooldownSeconds: 600,
		});
		await Promise.all(Array.from({ length: 100 }, () => sendEvent(api, "flood")));
		expect(await count(rule)).toBe(1);
		server.advance(599_000);
		await sendEvent(api, "flood");
		expect(await count(rule)).toBe(1);
		server.advance(2_000);
		await Promise.all(Array.from({ length: 100 }, () => sendEvent(api, "flood")));
		expect(await count(rule)).toBe(2);
		expect((await alertsOf(api, rule))[0]).toMatchObject({ countAtLeast: true });
	});

	it("count_gt needs one more, count_eq fires when the count becomes the number", async () => {
		const eventType = "conditions";
		const rules = await Promise.all(
			["count_gte", "count_gt", "count_eq"].map((condition) =>
				makeRule(api, { eventType, condition, threshold: 3 }),
			),
		);
		const counts = async () => {
			await sendEvent(api, eventType);
			return Promise.all(rules.map(count));
		};
		expect(await counts()).toEqual([0, 0, 0]);
		expect(await counts()).toEqual([0, 0, 0]);
		expect(await counts()).toEqual([1, 0, 1]);
		expect(await counts()).toEqual([2, 1, 1]);
		server.advance(61_000);
		for (const _ of [1, 2]) await counts();
		expect(await counts()).toEqual([3, 1, 2]);
	});

	it("a.* takes what begins with a., * takes everything", async () => {
		const prefix = await makeRule(api, { eventType: "pre.fix.*" });
		const exact = await makeRule(api, { eventType: "pre.fix" });
		const all = await makeRule(api, { eventType: "*" });
		for (const type of ["pre.fix", "pre.fix.a", "pre.fix.a.b", "pre.fixx", "pre"]) {
			await sendEvent(api, type);
		}
		expect([await count(prefix), await count(exact), await count(all)]).toEqual([2, 1, 5]);
		await api.delete(`/api/v1/rules/${all.id}`);
	});

	it("groupBy counts each value apart, and alerts say which", async () => {
		const rule = await makeRule(api, {
			eventType: "grouped",
			threshold: 2,
			cooldownSeconds: 3600,
			groupBy: ["payload.user", "source"],
		});
		const users: unknown[] = [1, "1", null, undefined, 1.0, "1", { a: 1 }, true, 2, true];
		for (const user of users) {
			await sendEvent(api, "grouped", { source: "shop", payload: { user } });
		}
		await sendEvent(api, "grouped", { source: "other", payload: { user: 2 } });
		await caughtUp(api);
		const alerts = await alertsOf(api, rule);
		expect(alerts.map((a) => a.group).reverse()).toEqual([
			{ "payload.user": null, source: "shop" },
			{ "payload.user": 1, source: "shop" },
			{ "payload.user": "1", source: "shop" },
			{ "payload.user": true, source: "shop" },
		]);
	});

	it("disabled counts nothing, enabled starts empty, deleted is gone", async () => {
		const rule = await makeRule(api, { eventType: "switched", threshold: 2 });
		const one = `/api/v1/rules/${rule.id}`;
		await sendEvent(api, "switched");
		await api.patch(one, { enabled: false });
		for (const _ of [1, 2, 3]) await sendEvent(api, "switched");
		expect(await count(rule)).toBe(0);
		await api.patch(one, { enabled: true });
		await sendEvent(api, "switched");
		expect(await count(rule)).toBe(0);
		await sendEvent(api, "switched");
		expect(await count(rule)).toBe(1);
		await api.delete(one);
		await sendEvent(api, "switched");
		expect(await count(rule)).toBe(1);
	});

	it("a rule counts from its beginning; an edit counts again without firing", async () => {
		for (const _ of [1, 2, 3]) await sendEvent(api, "edited");
		const rule = await makeRule(api, { eventType: "edited", threshold: 5, windowSeconds: 60 });
		for (const _ of [1, 2, 3]) await sendEvent(api, "edited");
		server.advance(120_000);
		await sendEvent(api, "edited");
		expect(await count(rule)).toBe(0);
		// Three lie before the window, one is in it; the longer window holds all four.
		const patched = await api.patch(`/api/v1/rules/${rule.id}`, { windowSeconds: 3600 });
		expect(patched.status).toBe(200);
		expect(await count(rule)).toBe(0);
		await sendEvent(api, "edited");
		expect(await count(rule)).toBe(1);
	});

	it("lists newest first, in pages that lose nothing", async () => {
		const made: string[] = [];
		for (let i = 0; i < 7; i++) {
			made.push((await makeRule(api, { eventType: `page.${i}` })).id);
		}
		const seen: string[] = [];
		let cursor: string | null = "";
		while (cursor !== null && seen.length < 7) {
			const at: string = cursor === "" ? "" : `&cursor=${cursor}`;
			const reply: { body: Page<Rule> } = await api.get<Page<Rule>>(`/api/v1/rules?limit=3${at}`);
			seen.push(...reply.body.data.map((r) => r.id));
			cursor = reply.body.nextCursor;
		}
		expect(seen.slice(0, 7)).toEqual(made.reverse());
	});
});
