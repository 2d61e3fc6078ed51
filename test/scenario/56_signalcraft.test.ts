// SignalCraft's documented calls, as its clients make them: the shapes here are written from its pages.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api, eventually } from "../harness/api.ts";
import { tenant } from "../harness/command.ts";
import { makeRule, sendEvent, settled } from "../harness/model.ts";
import { Receiver } from "../harness/receiver.ts";
import { Server } from "../harness/server.ts";

let server: Server;
let api: Api;

beforeAll(async () => {
	server = await Server.start();
	api = await Api.bootstrap(server.url);
});
afterAll(() => server.stop());

const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as string;
const text = expect.any(String) as string;

describe("GET /notifications/health and GET /notifications/logs", () => {
	it("says when a message was sent or given up last, of this project alone", async () => {
		const none = await api.get("/notifications/health");
		expect([none.status, none.body]).toEqual([200, { lastSuccessAt: null, lastFailureAt: null }]);
		expect((await api.get<unknown>("/notifications/logs")).body).toEqual([]);
		const to = await Receiver.start();
		to.script = ({ path }) => ({ status: path.endsWith("/gone") ? 404 : 200 });
		const webhook = (path: string) => ({ channel: "webhook", config: { url: `${to.url}${path}` } });
		await makeRule(api, {
			name: "Logged",
			eventType: "logged",
			actions: [webhook("/kept"), webhook("/gone")],
		});
		await sendEvent(api, "logged");
		await settled(api);
		const logs = await eventually(
			() => api.get<Record<string, unknown>[]>("/notifications/logs"),
			(got) => got.body.length === 2,
		);
		for (const log of logs.body) {
			expect(log).toEqual({
				id: text,
				workspaceId: expect.stringMatching(/^org_/),
				target: "WEBHOOK",
				targetRef: text,
				alertGroupId: text,
				status: expect.stringMatching(/^(SENT|FAILED)$/),
				errorMessage: log.status === "SENT" ? null : "HTTP 404",
				sentAt: TIME,
			});
		}
		const health = await api.get<Record<string, unknown>>("/notifications/health");
		const at = (status: string) => logs.body.find((log) => log.status === status)!.sentAt;
		expect(health.body).toEqual({ lastSuccessAt: at("SENT"), lastFailureAt: at("FAILED") });
		for (const [query, statuses] of [
			["SENT", ["SENT"]],
			["failed", ["FAILED"]],
			["whatever", ["FAILED", "SENT"]],
		] as const) {
			const some = await api.get<{ status: string }[]>(`/notifications/logs?status=${query}`);
			expect(some.body.map((log) => log.status).sort()).toEqual(statuses);
		}
		const elsewhere = await tenant(server, "elsewhere");
		expect((await elsewhere.get<unknown>("/notifications/logs")).body).toEqual([]);
		expect((await elsewhere.get("/notifications/health")).body.lastSuccessAt).toBe(null);
		await to.stop();
	});

	it("is for who may read notifications", async () => {
		const made = await api.post<{ key: string }>("/api-keys", { name: "w", scopes: ["events:write"] });
		for (const path of ["/notifications/health", "/notifications/logs"]) {
			const refused = await new Api(server.url, made.body.key).get(path);
			expect([refused.status, refused.body]).toEqual([
				403,
				expect.objectContaining({
					statusCode: 403,
					message: text,
					errorCode: "forbidden",
					timestamp: TIME,
					path,
				}),
			]);
			expect((await new Api(server.url).get(path)).status).toBe(401);
		}
	});
});

describe("GET /health, /ready and /metrics", () => {
	it("are there", async () => {
		for (const path of ["/health", "/ready", "/metrics"]) {
			expect([path, (await new Api(server.url).get(path)).status]).toEqual([path, 200]);
		}
	});
});
