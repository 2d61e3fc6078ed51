// SignalCraft's documented calls, as its clients make them: the shapes here are written from its pages.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api, eventually } from "../harness/api.ts";
import { tenant } from "../harness/command.ts";
import { makeRule, sendEvent, settled } from "../harness/model.ts";
import { Person } from "../harness/person.ts";
import { Receiver } from "../harness/receiver.ts";
import { Server } from "../harness/server.ts";

let server: Server;
let api: Api;

beforeAll(async () => {
	server = await Server.start({ args: ["--signup", "open", "--rate-auth", "0"] });
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

const refused = (status: number) =>
	expect.objectContaining({ statusCode: status, message: text, errorCode: text, timestamp: TIME, path: text }) as unknown;

describe("workspaces, members and invitations", () => {
	it("show the workspace and who is in it, and let owners rename it", async () => {
		const owner = await Person.signUp(server.url, "owner@example.com", { orgName: "Craft" });
		const workspace = { id: owner.login.org!.id, name: "Craft", createdAt: TIME };
		for (const path of ["/workspaces/current", "/settings/workspace"]) {
			const got = await owner.api.get(path);
			expect([got.status, got.body]).toEqual([200, workspace]);
		}
		const renamed = await owner.api.call("PUT", "/settings/workspace", { name: "Craft & Co" });
		expect([renamed.status, renamed.body]).toEqual([200, { ...workspace, name: "Craft & Co" }]);
		const unknown = await owner.api.call("PUT", "/settings/workspace", { name: "x", extra: 1 });
		expect([unknown.status, unknown.body]).toEqual([400, refused(400)]);

		const made = await owner.api.post<{ inviteUrl: string }>("/api/v1/invites", { email: "guest@example.com" });
		const token = made.body.inviteUrl.split("#token=")[1]!;
		const guest = await Person.signUp(server.url, "guest@example.com", { inviteToken: token });
		const row = (who: Person, role: string) => ({
			id: who.login.user.id,
			email: who.login.user.email,
			displayName: text,
			role,
			createdAt: TIME,
		});
		for (const path of ["/workspaces/members", "/settings/users"]) {
			const got = await guest.api.get<unknown>(path);
			expect([got.status, got.body]).toEqual([200, [row(guest, "MEMBER"), row(owner, "OWNER")]]);
		}
		const member = `/workspaces/members/${guest.login.user.id}`;
		for (const [method, path, body] of [
			["PUT", "/settings/workspace", { name: "mine" }],
			["PATCH", member, { role: "ADMIN" }],
			["DELETE", member, undefined],
			["POST", "/api/invitations", { email: "more@example.com" }],
		] as const) {
			const got = await guest.api.call(method, path, body);
			expect([path, got.status, got.body]).toEqual([path, 403, refused(403)]);
		}
		const raised = await owner.api.patch(member, { role: "Admin" });
		expect([raised.status, raised.body]).toEqual([200, row(guest, "ADMIN")]);
		expect((await owner.api.patch(member, { role: "king" })).status).toBe(400);
		const gone = await owner.api.delete(member);
		expect([gone.status, gone.body]).toEqual([200, { success: true }]);
		expect((await owner.api.delete(member)).status).toBe(404);
		expect((await owner.api.delete(`/workspaces/members/${owner.login.user.id}`)).status).toBe(409);
	});

	it("invite, list, revoke, and let in whose address it is", async () => {
		const owner = await Person.signUp(server.url, "inviter@example.com", { orgName: "Inviters" });
		const made = await owner.api.post("/api/invitations", { email: "Later@Example.com", role: "ADMIN" });
		const shown = {
			id: expect.stringMatching(/^inv_/),
			email: "later@example.com",
			role: "ADMIN",
			status: "PENDING",
			createdAt: TIME,
			expiresAt: TIME,
		};
		expect([made.status, made.body]).toEqual([201, shown]);
		expect((await owner.api.post("/api/invitations", { email: "later@example.com" })).status).toBe(409);
		expect((await owner.api.get<unknown>("/api/invitations")).body).toEqual([made.body]);
		const revoked = await owner.api.delete(`/api/invitations/${String(made.body.id)}`);
		expect([revoked.status, revoked.body]).toEqual([200, { success: true }]);
		expect((await owner.api.get<unknown>("/api/invitations")).body).toEqual([{ ...shown, status: "REVOKED" }]);

		const other = await Person.signUp(server.url, "other@example.com", { orgName: "Others" });
		const link = await owner.api.post<{ inviteUrl: string }>("/api/v1/invites", { email: "other@example.com" });
		const token = link.body.inviteUrl.split("#token=")[1]!;
		expect((await owner.api.post("/api/invitations/accept", { token })).status).toBe(403);
		const joined = await other.api.post("/api/invitations/accept", { token });
		expect([joined.status, joined.body]).toEqual([
			200,
			{ success: true, workspaceId: owner.login.org!.id, role: "MEMBER" },
		]);
		expect((await other.api.post("/api/invitations/accept", { token })).status).toBe(410);
		const key = (await owner.api.post<{ key: string }>("/api-keys", { name: "machine" })).body.key;
		const machine = await new Api(server.url, key).post("/api/invitations", { email: "x@example.com" });
		expect([machine.status, machine.body]).toEqual([403, refused(403)]);
	});
});

describe("POST, GET and DELETE /api/api-keys", () => {
	it("show a key once, list what works, and revoke", async () => {
		const made = await api.post<{ id: string; key: string }>("/api/api-keys", { name: "craft" });
		expect(made.status).toBe(201);
		expect(made.body.key).toMatch(/^sk_/);
		const list = await api.get<{ id: string; name: string }[]>("/api/api-keys");
		expect(list.body.find((key) => key.id === made.body.id)).toMatchObject({ name: "craft", createdAt: TIME });
		expect(list.text).not.toContain(made.body.key);
		const gone = await api.delete(`/api/api-keys/${made.body.id}`);
		expect([gone.status, gone.body]).toEqual([200, { success: true }]);
		expect((await new Api(server.url, made.body.key).get("/api/api-keys")).status).toBe(401);
		const again = await api.delete(`/api/api-keys/${made.body.id}`);
		expect([again.status, again.body]).toEqual([404, refused(404)]);
	});
});

describe("GET /api/audit/logs and GET /api/audit/logs/export", () => {
	it("say who changed what, for those who rule", async () => {
		const owner = await Person.signUp(server.url, "auditor@example.com", { orgName: "Audited" });
		const made = await owner.api.post<{ id: string }>("/api-keys", { name: "seen" });
		await owner.api.post("/api/invitations", { email: "viewer@example.com", role: "VIEWER" });
		interface Logs {
			logs: Record<string, unknown>[];
			limit: number;
			offset: number;
			hasMore: boolean;
		}
		const logs = (query: string) => owner.api.get<Logs>(`/api/audit/logs?${query}`);
		const keys = await logs("resourceType=key&action=key.create");
		expect([keys.status, keys.body]).toEqual([
			200,
			{
				logs: [
					{
						id: expect.stringMatching(/^aud_/),
						workspaceId: owner.login.org!.id,
						userId: owner.login.user.id,
						userName: text,
						action: "key.create",
						resourceType: "key",
						resourceId: made.body.id,
						changes: { before: null, after: expect.objectContaining({ name: "seen" }) },
						ipAddress: "127.0.0.1",
						userAgent: null,
						createdAt: TIME,
					},
				],
				limit: 50,
				offset: 0,
				hasMore: false,
			},
		]);
		const all = (await logs("")).body.logs;
		expect(all.length).toBeGreaterThan(2);
		const second = await logs("limit=1&offset=1");
		expect(second.body).toEqual({ logs: [all[1]], limit: 1, offset: 1, hasMore: true });
		expect((await logs(`userId=${owner.login.user.id}`)).body.logs.length).toBeGreaterThan(0);
		expect((await logs("action=no.such")).body.logs).toEqual([]);
		expect((await logs("endDate=2001-01-01T00:00:00Z")).body.logs).toEqual([]);
		const wrong = await logs("startDate=yesterday");
		expect([wrong.status, wrong.body]).toEqual([400, refused(400)]);
		const file = await owner.api.get<string>("/api/audit/logs/export?resourceType=key");
		expect(file.status).toBe(200);
		const lines = file.text.trim().split("\r\n");
		expect(lines.length).toBe(2);
		expect(lines[1]).toContain(made.body.id);
		const machine = await api.get("/api/audit/logs");
		expect([machine.status, machine.body]).toEqual([403, refused(403)]);
	});
});
