// Stripe as far as it is asked here: customers, pages, subscriptions and a meter, kept in memory, with the accidents
// that a test wants. It knows keys and identifiers for a day, as the real one does; its own library signs.
import { createServer, type IncomingMessage, type Server as HttpServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import Stripe from "stripe";

export const SECRET_KEY = "sk_test_canary_of_the_account";
export const WEBHOOK_SECRET = "whsec_canary_of_the_endpoint";

/**
 * `ok`; `hang`: done, and no answer ever; `lose`: done, and the connection breaks; `drop`: not done, and it breaks;
 * `fail`: done, and 500; `refuse`: not done, and 503.
 */
export type Accident = "ok" | "hang" | "lose" | "drop" | "fail" | "refuse";

export interface Asked {
	method: string;
	path: string;
	form: Record<string, string>;
	key: string | undefined;
}
export interface Subscription {
	id: string;
	customer: string;
	status: string;
	price: string;
	created: number;
	cancel_at_period_end: boolean;
}
export interface Message {
	id: string;
	payload: string;
}
interface Session {
	id: string;
	customer: string;
	prices: string[];
	status: "open" | "complete" | "expired";
}
interface Kept {
	atMs: number;
	status: number;
	body: unknown;
}

const DAY = 86_400_000;
const signer = new Stripe("sk_test_nobody");

/** The header with which Stripe's own library signs a payload. */
export function signature(payload: string, atMs: number, secret = WEBHOOK_SECRET): string {
	const timestamp = Math.floor(atMs / 1000);
	return signer.webhooks.generateTestHeaderString({ payload, secret, timestamp });
}

class Refusal extends Error {
	constructor(
		readonly status: number,
		readonly code: string,
		message: string,
	) {
		super(message);
	}
}

export class FakeStripe {
	url = "";
	readonly asked: Asked[] = [];
	readonly customers = new Map<string, Record<string, string>>();
	readonly sessions = new Map<string, Session>();
	readonly subscriptions = new Map<string, Subscription>();
	/** What the meter has counted. */
	readonly metered: { identifier: string; customer: string; value: number; timestamp: number; atMs: number }[] = [];
	/** Messages in the order in which they came to be; a test delivers them, or does not. */
	readonly messages: Message[] = [];
	/** What becomes of a call. */
	accident: (asked: Asked, n: number) => Accident = () => "ok";
	/** What the time is. */
	now: () => number = Date.now;
	private readonly kept = new Map<string, Kept>();
	private numbers = 0;

	private constructor(private readonly server: HttpServer) {}

	static async start(): Promise<FakeStripe> {
		const server = createServer((req, res) => void stripe.serve(req, res));
		const stripe = new FakeStripe(server);
		server.listen(0, "127.0.0.1");
		await new Promise((resolve) => server.once("listening", resolve));
		stripe.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
		return stripe;
	}

	async stop(): Promise<void> {
		this.server.closeAllConnections();
		await new Promise((resolve) => this.server.close(resolve));
	}

	private id(kind: string): string {
		this.numbers += 1;
		return `${kind}_${String(this.numbers).padStart(8, "0")}`;
	}

	private seconds(): number {
		return Math.floor(this.now() / 1000);
	}

	/** Thousands that a customer is billed. */
	billed(customer: string): number {
		return this.metered.filter((e) => e.customer === customer).reduce((sum, e) => sum + e.value, 0);
	}

	// What happens at Stripe, without us.

	/** Somebody pays on a page: it is complete, and there is a subscription. */
	pay(url: string): Subscription {
		const session = this.sessions.get(url.split("/").at(-1)!)!;
		if (session.status !== "open") throw new Error(`the page is ${session.status}`);
		session.status = "complete";
		const sub = this.subscribe(session.customer, session.prices[0]!);
		this.tell("checkout.session.completed", { id: session.id, customer: session.customer, subscription: sub.id });
		return sub;
	}

	subscribe(customer: string, price: string): Subscription {
		const id = this.id("sub");
		const sub: Subscription = {
			id,
			customer,
			status: "active",
			price,
			created: this.seconds(),
			cancel_at_period_end: false,
		};
		this.subscriptions.set(id, sub);
		this.tell("customer.subscription.created", this.show(sub));
		return sub;
	}

	change(sub: Subscription, to: Partial<Subscription>): void {
		Object.assign(sub, to);
		this.tell("customer.subscription.updated", this.show(sub));
	}

	end(sub: Subscription): void {
		sub.status = "canceled";
		this.tell("customer.subscription.deleted", this.show(sub));
	}

	/** A message about something; it is not delivered by itself. */
	tell(type: string, object: Record<string, unknown>): Message {
		const id = this.id("evt");
		const created = this.seconds();
		const payload = JSON.stringify({ id, object: "event", type, created, data: { object } }, null, 2);
		const message = { id, payload };
		this.messages.push(message);
		return message;
	}

	show(sub: Subscription): Record<string, unknown> {
		return {
			object: "subscription",
			...sub,
			current_period_start: sub.created,
			current_period_end: sub.created + 30 * 86400,
			items: { object: "list", data: [{ id: `si_${sub.id}`, price: { id: sub.price } }] },
		};
	}

	// What we ask of it.

	private async serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
		const parts: Buffer[] = [];
		for await (const part of req) parts.push(part as Buffer);
		const form = Object.fromEntries(new URLSearchParams(Buffer.concat(parts).toString()));
		const key = req.headers["idempotency-key"] as string | undefined;
		const asked = { method: req.method!, path: req.url!, form, key };
		this.asked.push(asked);
		const accident = this.accident(asked, this.asked.length);
		if (accident === "drop") return void req.socket.destroy();
		if (accident === "refuse") return this.answer(res, 503, { error: { type: "api_error" } });
		const done = this.once(asked, req.headers.authorization);
		if (accident === "hang") return;
		if (accident === "lose") return void req.socket.destroy();
		if (accident === "fail") return this.answer(res, 500, { error: { type: "api_error" } });
		this.answer(res, done.status, done.body);
	}

	private answer(res: ServerResponse, status: number, body: unknown): void {
		res.writeHead(status, { "content-type": "application/json" });
		res.end(JSON.stringify(body));
	}

	/** A key is answered for a day as it was the first time. */
	private once(asked: Asked, authorization: string | undefined): Kept {
		const was = asked.key === undefined ? undefined : this.kept.get(asked.key);
		if (was !== undefined && this.now() - was.atMs < DAY) return was;
		const done = { atMs: this.now(), ...this.try(asked, authorization) };
		if (asked.key !== undefined) this.kept.set(asked.key, done);
		return done;
	}

	private try(asked: Asked, authorization: string | undefined): { status: number; body: unknown } {
		try {
			if (authorization !== `Bearer ${SECRET_KEY}`) throw new Refusal(401, "", "Invalid API Key");
			return { status: 200, body: this.act(asked) };
		} catch (error) {
			if (!(error instanceof Refusal)) throw error;
			const { status, code, message } = error;
			return { status, body: { error: { type: "invalid_request_error", code, message } } };
		}
	}

	private act({ method, path, form }: Asked): unknown {
		const url = new URL(path, this.url);
		const [, , noun, id, verb, more] = url.pathname.split("/");
		switch (`${method} ${[noun, id === undefined ? "" : "*", verb ?? "", more ?? ""].join("/")}`) {
			case "POST customers///":
				return this.makeCustomer(form);
			case "GET subscriptions///":
				return this.listSubscriptions(url.searchParams.get("customer")!);
			case "POST subscriptions/*//":
				return this.setEnd(id!, form);
			case "POST checkout/*//":
				return this.makeSession(form);
			case "POST checkout/*/" + verb + "/expire":
				return this.expire(verb!);
			case "POST billing_portal/*//":
				return { id: this.id("bps"), url: `https://billing.stripe.test/p/${form.customer}` };
			case "POST billing/*//":
				return this.meter(form);
			case "GET billing/*//":
				return { object: "list", data: [{ id: "mtr_1", event_name: "overage_events" }], has_more: false };
			case "GET billing/*/" + verb + "/event_summaries":
				return this.sums(url.searchParams);
			default:
				throw new Refusal(404, "", `there is no ${method} ${path}`);
		}
	}

	private makeCustomer(form: Record<string, string>): unknown {
		const id = this.id("cus");
		this.customers.set(id, form);
		return { id, object: "customer" };
	}

	private need(customer: string): void {
		if (!this.customers.has(customer)) throw new Refusal(400, "resource_missing", "No such customer");
	}

	private listSubscriptions(customer: string): unknown {
		this.need(customer);
		const all = [...this.subscriptions.values()].reverse();
		const data = all.filter((sub) => sub.customer === customer && sub.status !== "canceled");
		return { object: "list", data: data.map((sub) => this.show(sub)), has_more: false };
	}

	private setEnd(id: string, form: Record<string, string>): unknown {
		const sub = this.subscriptions.get(id);
		if (sub === undefined || sub.status === "canceled") {
			throw new Refusal(404, "resource_missing", "No such subscription");
		}
		this.change(sub, { cancel_at_period_end: form.cancel_at_period_end === "true" });
		return this.show(sub);
	}

	private makeSession(form: Record<string, string>): unknown {
		this.need(form.customer!);
		const prices = [form["line_items[0][price]"]!];
		if (form["line_items[1][price]"] !== undefined) prices.push(form["line_items[1][price]"]);
		const session: Session = { id: this.id("cs"), customer: form.customer!, prices, status: "open" };
		this.sessions.set(session.id, session);
		return { id: session.id, object: "checkout.session", url: `https://checkout.stripe.test/c/pay/${session.id}` };
	}

	private expire(id: string): unknown {
		const session = this.sessions.get(id);
		if (session?.status !== "open") throw new Refusal(400, "", "Only Checkout Sessions that are open can be expired");
		session.status = "expired";
		return { id, status: "expired" };
	}

	private meter(form: Record<string, string>): unknown {
		const event = {
			identifier: form.identifier!,
			customer: form["payload[stripe_customer_id]"]!,
			value: Number(form["payload[value]"]),
			timestamp: Number(form.timestamp),
			atMs: this.now(),
		};
		this.need(event.customer);
		if (!Number.isInteger(event.value) || event.value <= 0) throw new Refusal(400, "", "Invalid value");
		const age = this.seconds() - event.timestamp;
		if (age < -300 || age > 35 * 86400) throw new Refusal(400, "timestamp_too_far_in_past", "Bad timestamp");
		if (this.metered.some((e) => e.identifier === event.identifier && this.now() - e.atMs < DAY)) {
			throw new Refusal(400, "", `An event already exists with identifier ${event.identifier}.`);
		}
		this.metered.push(event);
		return { object: "billing.meter_event", identifier: event.identifier };
	}

	private sums(query: URLSearchParams): unknown {
		const [from, to] = [Number(query.get("start_time")), Number(query.get("end_time"))];
		if (from % 60 !== 0 || to % 60 !== 0) throw new Refusal(400, "", "Not aligned with minute boundaries");
		const inside = this.metered.filter(
			(e) => e.customer === query.get("customer") && e.timestamp >= from && e.timestamp < to,
		);
		const aggregated_value = inside.reduce((sum, e) => sum + e.value, 0);
		const data = inside.length === 0 ? [] : [{ aggregated_value, start_time: from, end_time: to }];
		return { object: "list", data, has_more: false };
	}
}
