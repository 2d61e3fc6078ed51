// Every call that an earlier system documented is there: it works, or says what it waits for.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api, type Problem } from "../harness/api.ts";
import { description } from "../harness/contract.ts";
import { Server } from "../harness/server.ts";

/** As those systems print them; a part with a colon takes an id. */
const documented: Record<string, string> = {
	SignalDesk: `
		GET /health
		GET /ws
		POST /auth/signup
		POST /auth/login
		POST /auth/refresh
		POST /auth/logout
		GET /auth/me
		GET /auth/ws-ticket
		POST /auth/forgot-password
		POST /auth/reset-password
		POST /auth/invite
		POST /auth/accept-invite
		GET /auth/members
		DELETE /auth/members/:id
		POST /events
		GET /events
		GET /events/:id
		POST /rules
		GET /rules
		GET /rules/:id
		PATCH /rules/:id
		DELETE /rules/:id
		GET /notifications
		GET /notifications/:id
		POST /api-keys
		GET /api-keys
		DELETE /api-keys/:id
		GET /usage
		GET /plans
		POST /billing/checkout
		GET /billing/portal
		POST /billing/webhook`,
	SignalOps: `
		POST /api/events
		GET /api/docs`,
	PulseBoard: `
		POST /auth/register
		POST /auth/login
		POST /auth/refresh
		POST /auth/logout
		GET /projects
		POST /projects
		GET /projects/:id
		DELETE /projects/:id
		DELETE /projects/:id/events
		POST /ingest
		GET /events
		GET /realtime/:projectId
		GET /realtime/:projectId/sse
		POST /analytics/crash
		POST /analytics/session
		POST /analytics/screen-view
		POST /analytics/api-call
		GET /projects/:id/analytics
		GET /projects/:id/insights
		PATCH /projects/:id/insights/:iid/read
		POST /projects/:id/insights/trigger
		GET /projects/:id/ai-config
		POST /projects/:id/ai-config
		DELETE /projects/:id/ai-config`,
	SignalCraft: `
		POST /webhooks/sentry
		POST /webhooks/datadog
		POST /webhooks/slack/actions
		POST /api/v1/webhooks/aws-cloudwatch
		POST /api/v1/webhooks/prometheus
		POST /api/v1/webhooks/azure-monitor
		POST /api/v1/webhooks/gcp-monitoring
		POST /api/v1/webhooks/grafana
		POST /api/v1/webhooks/:source
		GET /health
		GET /ready
		GET /metrics
		GET /api/alert-groups
		GET /api/alerts
		GET /api/alert-groups/filter-options
		GET /api/alert-groups/:id
		GET /api/alert-groups/:id/events
		GET /api/alert-groups/:id/breadcrumbs
		GET /api/alert-groups/:id/related
		PATCH /api/alert-groups/:id
		POST /api/alert-groups/:id/acknowledge
		POST /api/alert-groups/:id/ack
		POST /api/alert-groups/:id/snooze
		POST /api/alert-groups/:id/unsnooze
		POST /api/alert-groups/:id/resolve
		GET /api/alert-groups/hygiene/stats
		POST /api/alert-groups/hygiene/auto-close
		POST /api/alert-groups/hygiene/process-expired-snoozes
		GET /api/routing-rules
		POST /api/routing-rules
		GET /api/routing-rules/:id
		PUT /api/routing-rules/:id
		DELETE /api/routing-rules/:id
		POST /api/routing-rules/:id/enable
		POST /api/routing-rules/:id/disable
		POST /api/routing-rules/reorder
		POST /api/routing-rules/test
		GET /api/integrations/slack/connect
		POST /api/integrations/slack/connect
		GET /api/integrations/slack/callback
		GET /api/integrations/slack/status
		GET /api/integrations/slack/channels
		POST /api/integrations/slack/default-channel
		POST /api/integrations/slack/test
		DELETE /api/integrations/slack/disconnect
		POST /api/integrations/slack/disconnect
		POST /api/integrations/sentry/test-webhook
		GET /api/dashboard/overview
		GET /api/dashboard/alerts-trend
		GET /api/dashboard/analytics
		GET /notifications/health
		GET /notifications/logs
		GET /settings/workspace
		PUT /settings/workspace
		GET /settings/users
		GET /settings/notifications
		PUT /settings/notifications
		GET /workspaces/current
		GET /workspaces/members
		PATCH /workspaces/members/:userId
		DELETE /workspaces/members/:userId
		POST /api/invitations
		GET /api/invitations
		GET /api/invitations/:token
		POST /api/invitations/accept
		DELETE /api/invitations/:id
		POST /api/api-keys
		GET /api/api-keys
		DELETE /api/api-keys/:id
		GET /api/audit/logs
		GET /api/audit/logs/export
		GET /api/docs`,
};

const calls = Object.entries(documented).flatMap(([system, text]) =>
	text
		.trim()
		.split(/\s*\n\s*/)
		.map((line) => ({ system, line, method: line.split(" ")[0]!, path: line.split(" ")[1]! })),
);

interface Described {
	operationId: string;
	"x-later"?: string;
	"x-older"?: string;
}
const doc = JSON.parse(description()) as { paths: Record<string, Record<string, Described>> };
const operations = Object.values(doc.paths).flatMap((path) => Object.values(path));

let server: Server;
let api: Api;

beforeAll(async () => {
	server = await Server.start();
	api = await Api.bootstrap(server.url);
});
afterAll(() => server.stop());

describe.each(Object.keys(documented))("%s", (system) => {
	const own = calls.filter((call) => call.system === system);

	it.each(own.map((call) => [call.line, call] as const))("%s is there", async (_, call) => {
		const path = call.path.replace(/:\w+/g, "evt_01M7Y79SCVW4MZ4MQ3DHCWS0H0");
		const body = call.method === "GET" || call.method === "DELETE" ? undefined : {};
		const got = await api.call<Problem>(call.method, path, body);
		expect([404, 405].includes(got.status) && /this path/.test(got.body.error)).toBe(false);
		if (got.status !== 501) return;
		const link = /^<\/api\/docs#(\w+)>; rel="help"$/.exec(got.headers.get("link") ?? "");
		const operation = operations.find((one) => one.operationId === link?.[1]);
		expect(operation?.["x-later"]).toBeDefined();
		expect(got.body.error).toContain(`waits for ${operation!["x-later"]}`);
		expect(got.body.code).toBe("not_implemented");
	});

	it("has each of them in the list of deviations, with its state", () => {
		const page = readFileSync(join(import.meta.dirname, "../../doc/compat.md"), "utf8");
		const rows = page.split(`\n## ${system}\n`)[1]!.split("\n## ")[0]!;
		for (const { method, path } of own) {
			const parts = path.replace(/v1\/webhooks\/[a-z].*/, "v1/webhooks/:source").replace(/:\w+/g, "{[a-zA-Z]+}");
			expect(rows).toMatch(new RegExp(`^\\| \`${method} ${parts}\` \\| .+ \\| (works|differs: |501, waits for )`, "m"));
		}
	});
});

it("nothing waits that nobody documented", () => {
	for (const { operationId, ...operation } of operations) {
		if (operation["x-later"] !== undefined) expect([operationId, operation["x-older"]]).not.toContain(undefined);
	}
	expect(operations.filter((one) => one["x-older"] !== undefined).length).toBeLessThanOrEqual(calls.length);
});

it("what waits says so to anybody, whatever comes with the request", async () => {
	const stranger = new Api(server.url);
	const got = await stranger.call<Problem>("POST", "/webhooks/slack/actions", "payload=%7B%7D", {
		"content-type": "application/x-www-form-urlencoded",
	});
	expect(got.status).toBe(501);
	expect(got.body).toMatchObject({
		statusCode: 501,
		errorCode: "not_implemented",
		path: "/webhooks/slack/actions",
		message: got.body.error,
	});
});
