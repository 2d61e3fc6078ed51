// One rule with one webhook, fired once, and moving its delivery through its schedule.
import { Webhook } from "standardwebhooks";
import { vi } from "vitest";
import { type Api, eventually } from "./api.ts";
import { type Delivery, deliveriesOf, getDelivery, makeRule, type Rule, sendEvent } from "./model.ts";
import { type Received } from "./receiver.ts";
import { type Server } from "./server.ts";

export interface Fired {
	rule: Rule;
	event: { id: string };
	delivery: Delivery;
}

let fired = 0;

/** A rule of its own with this webhook, and one event that makes it fire. */
export async function fire(
	api: Api,
	config: Record<string, unknown>,
	payload: Record<string, unknown> = {},
): Promise<Fired> {
	const eventType = `fired.${++fired}`;
	const rule = await makeRule(api, { eventType, actions: [{ channel: "webhook", config }] });
	const event = await sendEvent(api, eventType, { payload });
	const list = await eventually(
		() => deliveriesOf(api, rule),
		(all) => all.length > 0,
	);
	return { rule, event, delivery: list[0]! };
}

/** Wait until so many attempts are recorded. */
export function attempted(api: Api, id: string, attempts: number): Promise<Delivery> {
	return eventually(
		() => getDelivery(api, id),
		(d) => d.attempts >= attempts && d.status !== "sending",
		25_000,
	);
}

export function reached(api: Api, id: string, status: string): Promise<Delivery> {
	return eventually(
		() => getDelivery(api, id),
		(d) => d.status === status,
		25_000,
	);
}

/** Move the server's clock to when the next attempt is due. */
export function passTo(server: Server, delivery: Delivery): void {
	if (delivery.dueAt === null) throw new Error(`nothing is due: ${JSON.stringify(delivery)}`);
	server.advance(Math.max(0, Date.parse(delivery.dueAt) - server.now()) + 2);
}

/** Until its end, through all attempts. */
export async function passToEnd(server: Server, api: Api, id: string): Promise<Delivery> {
	for (let n = 1; ; n++) {
		const delivery = await attempted(api, id, n);
		if (delivery.status !== "retrying") return delivery;
		passTo(server, delivery);
	}
}

/** What the library of receivers says, asked at that time; it throws when anything is wrong. */
export function judge(secret: string, got: Received, atMs = Date.now()): unknown {
	vi.useFakeTimers({ toFake: ["Date"], now: atMs });
	try {
		return new Webhook(secret).verify(got.body, got.headers as Record<string, string>);
	} finally {
		vi.useRealTimers();
	}
}

export function secretOf(text: string): string {
	return `whsec_${Buffer.from(text.padEnd(32, ".")).toString("base64")}`;
}
