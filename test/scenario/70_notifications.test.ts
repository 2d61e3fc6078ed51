// One notification, looked at: in SignalDesk's words and in ours, never in those of the store.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api, eventually } from "../harness/api.ts";
import { deliveriesOf, makeRule, sendEvent, settled } from "../harness/model.ts";
import { Server } from "../harness/server.ts";

describe("a notification", () => {
	let server: Server;
	let api: Api;
	let id: string;

	beforeAll(async () => {
		server = await Server.start({ args: ["--log-level", "debug"] });
		const key = await new Api(server.url).post("/api-keys", { name: "first" });
		api = new Api(server.url, String(key.body.key));
		const rule = await makeRule(api, { eventType: "signup", threshold: 1 });
		await sendEvent(api, "signup", { payload: { user: 7 } });
		await settled(api);
		id = (await deliveriesOf(api, rule))[0]!.id;
	});
	afterAll(async () => {
		await server.stop();
	});

	const notice = {
		eventType: "signup",
		eventMetadata: { user: 7 },
		threshold: 1,
		count: 1,
		triggeredAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) as string,
	};

	it("shows SignalDesk's clients the event and the notice", async () => {
		const got = await api.get(`/notifications/${id}`);
		expect(got.status).toBe(200);
		expect(got.body).toMatchObject({ id, eventMetadata: { user: 7 }, payload: notice });
	});

	it("goes by one id from the request to the delivery", async () => {
		const sent = await api.post("/api/v1/events", { type: "signup", payload: { user: 9 } });
		expect(sent.headers.get("x-request-id")).toBe(sent.body.id);
		const line = await eventually(
			async () => server.log.find((l) => l.event === "request" && l.cid === sent.body.id),
			(found) => found !== undefined,
		);
		expect(line).toMatchObject({ path: "/api/v1/events", status: 201 });
	});

	it("is found in the log from the id of its request", async () => {
		const body = { type: "signup", payload: { user: 8 } };
		const sent = await api.post("/api/v1/events", body, { "x-request-id": "trace-8" });
		expect(sent.headers.get("x-request-id")).toBe("trace-8");
		const line = await eventually(
			async () => server.log.find((l) => l.event === "event_stored" && l.cid === "trace-8"),
			(found) => found !== undefined,
		);
		expect(line).toMatchObject({ eventId: sent.body.id, replayed: false });
	});

	it("shows the same notice with its delivery", async () => {
		const got = await api.get(`/api/v1/deliveries/${id}`);
		expect(got.status).toBe(200);
		expect(got.body).toMatchObject({ id, notice });
	});
});
