// An alert is over when its window says so, at a moment known exactly, though nothing arrives then.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api, eventually, type Problem } from "../harness/api.ts";
import { Sse } from "../harness/live.ts";
import {
	type Alert,
	type Page,
	type Rule,
	alertsOf,
	makeRule,
	metric,
	sendEvent,
} from "../harness/model.ts";
import { Server } from "../harness/server.ts";
import { stores } from "../harness/store.ts";

const at = (time: string | null) => new Date(time ?? NaN).getTime();

describe.each(stores)("alerts that are over, state in %s", (store) => {
	let server: Server;
	let api: Api;

	beforeAll(async () => {
		server = await Server.start({ store, clock: true });
		api = await Api.bootstrap(server.url);
	});
	afterAll(async () => {
		await server.stop();
	});

	async function theAlert(rule: Rule, state: string): Promise<Alert> {
		const alerts = await eventually(
			() => alertsOf(api, rule),
			(list) => list.length > 0 && list[0]!.state === state,
		);
		return alerts[0]!;
	}

	async function listed(state: string, rule: Rule): Promise<string[]> {
		const page = await api.get<Page<Alert>>(`/api/v1/alerts?state=${state}&ruleId=${rule.id}`);
		return page.body.data.map((alert) => alert.id);
	}

	const ticks = () => metric(api, "tocsin_ticks_total");

	it("resolves an alert without any further event, and says so to live streams", async () => {
		const rule = await makeRule(api, { eventType: "gone_quiet", threshold: 2, windowSeconds: 300 });
		const sse = await Sse.open(server.url, "/api/v1/stream", {
			authorization: `Bearer ${api.key}`,
		});
		await sse.until((frames) => frames.length > 0);
		const first = await sendEvent(api, "gone_quiet");
		await sendEvent(api, "gone_quiet");
		const firing = await theAlert(rule, "firing");
		expect(firing).toMatchObject({ resolvedAt: null, resolution: null });
		expect(await listed("firing", rule)).toEqual([firing.id]);
		expect(await listed("resolved", rule)).toEqual([]);
		const before = await ticks();

		server.advance(301_000);
		const over = await theAlert(rule, "resolved");
		expect(over.resolution).toBe("cleared");
		// When the first of the two leaves the window, not when somebody noticed.
		expect(at(over.resolvedAt)).toBe(at(first.receivedAt) + 300_000);
		expect(await listed("firing", rule)).toEqual([]);
		expect(await listed("resolved", rule)).toEqual([firing.id]);
		await sse.until(() => sse.of("alert.resolved").length > 0);
		expect(sse.of("alert.resolved")[0]!.data).toEqual({
			alertId: firing.id,
			ruleId: rule.id,
			state: "resolved",
			resolution: "cleared",
			triggeredAt: firing.createdAt,
			resolvedAt: over.resolvedAt,
		});
		expect(await ticks()).toBe(before + 1);
		sse.close();
	});

	it("notifies nobody of the end", async () => {
		const page = await api.get<Page<unknown>>("/api/v1/deliveries");
		expect(page.body.data).toHaveLength(1);
	});

	it("lets events keep an alert firing, and takes the older of two firings away", async () => {
		const rule = await makeRule(api, { eventType: "again", windowSeconds: 60 });
		await sendEvent(api, "again");
		server.advance(50_000);
		const last = await sendEvent(api, "again");
		const [newer, older] = await eventually(
			() => alertsOf(api, rule),
			(list) => list.length === 2,
		);
		expect(older).toMatchObject({ state: "resolved", resolution: "superseded" });
		expect(newer).toMatchObject({ state: "firing", eventId: last.id });
		expect(at(older!.resolvedAt)).toBe(at(last.receivedAt));
		server.advance(30_000);
		await makeRule(api, { eventType: "unrelated" });
		expect((await theAlert(rule, "firing")).id).toBe(newer!.id);
		server.advance(30_000);
		expect((await theAlert(rule, "resolved")).id).toBe(newer!.id);
	});

	it("resolves what a disabled rule said", async () => {
		const rule = await makeRule(api, { eventType: "off", windowSeconds: 3600 });
		await sendEvent(api, "off");
		await theAlert(rule, "firing");
		expect((await api.patch(`/api/v1/rules/${rule.id}`, { enabled: false })).status).toBe(200);
		expect((await theAlert(rule, "resolved")).resolution).toBe("rule_disabled");
	});

	it("remembers what fires over a kill, and resolves what was due meanwhile as of then", async () => {
		const rule = await makeRule(api, { eventType: "crash", windowSeconds: 120 });
		const late = await makeRule(api, { eventType: "crash", windowSeconds: 3600 });
		const event = await sendEvent(api, "crash");
		await theAlert(rule, "firing");
		await server.restart("SIGKILL");
		expect((await theAlert(rule, "firing")).resolvedAt).toBeNull();

		await server.kill("SIGKILL");
		server.advance(600_000);
		await server.launch();
		const over = await theAlert(rule, "resolved");
		expect(at(over.resolvedAt)).toBe(at(event.receivedAt) + 120_000);
		expect((await theAlert(late, "firing")).id).not.toBe(over.id);

		server.advance(3_600_000);
		expect(at((await theAlert(late, "resolved")).resolvedAt)).toBe(
			at(event.receivedAt) + 3_600_000,
		);
		expect(await alertsOf(api, rule)).toHaveLength(1);
	});

	it("refuses a state that is none", async () => {
		const reply = await api.get<Problem>("/api/v1/alerts?state=open");
		expect(reply.status).toBe(400);
		expect(reply.body.error).toBe('"state" must be firing or resolved');
	});
});
