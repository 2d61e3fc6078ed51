// An organization that pays, its owner, and the Stripe that its server talks to.
import { expect } from "vitest";
import { Api, eventually, type Problem } from "./api.ts";
import { tocsin } from "./command.ts";
import { Person } from "./person.ts";
import { Server, type ServerOptions } from "./server.ts";
import { FakeStripe, type Message, SECRET_KEY, signature, type Subscription, WEBHOOK_SECRET } from "./stripe.ts";
import { settledUsage } from "./usage.ts";

export interface Billing {
	configured: boolean;
	customer: boolean;
	plan: string;
	paidPlan: string | null;
	status: string | null;
	endsAtPeriodEnd: boolean;
	pastDueSince: string | null;
	askedAt: string | null;
	overage: { month: string; events: number; cents: number; thousandsTold: number };
}

export const PRICES = { pro: "price_pro", max: "price_max" };
const PLANS = {
	free: ["--soft-limit", "500", "--hard-limit", "500"],
	pro: ["--soft-limit", "1000", "--overage-cents", "100", "--stripe-price", PRICES.pro],
	max: ["--soft-limit", "5000", "--overage-cents", "50", "--stripe-price", PRICES.max],
};

async function run(server: Server, ...args: string[]): Promise<void> {
	const ran = await tocsin([...args, ...server.stateFlags()]);
	expect([ran.code, ran.stderr]).toEqual([0, ""]);
}

/** A server that sells plans at a Stripe of its own. */
export async function startSelling(options: ServerOptions = {}): Promise<{ server: Server; stripe: FakeStripe }> {
	const stripe = await FakeStripe.start();
	const args = [
		...["--signup", "open", "--public-url", "https://tocsin.example", "--rate-auth", "10000"],
		...["--stripe-api-url", stripe.url, "--billing-every", "1"],
	];
	const env = { STRIPE_SECRET_KEY: SECRET_KEY, STRIPE_WEBHOOK_SECRET: WEBHOOK_SECRET };
	const server = await Server.start({ ...options, args: [...args, ...(options.args ?? [])], env });
	stripe.now = () => server.now();
	await run(server, "plan", "on");
	for (const [plan, flags] of Object.entries(PLANS)) await run(server, "plan", "put", "--plan", plan, ...flags);
	return { server, stripe };
}

export class Payer {
	private constructor(
		readonly server: Server,
		readonly stripe: FakeStripe,
		public owner: Person,
		/** A key of the organization's. */
		readonly api: Api,
	) {}

	static async signUp(server: Server, stripe: FakeStripe, name: string): Promise<Payer> {
		const owner = await Person.signUp(server.url, `${name}@example.com`);
		const made = await owner.api.post<{ key: string }>("/api/v1/keys", { name: "all" });
		expect(made.status).toBe(201);
		return new Payer(server, stripe, owner, new Api(server.url, made.body.key));
	}

	async billing(): Promise<Billing> {
		const got = await this.owner.api.get<Billing>("/api/v1/billing");
		expect([got.status, got.text]).toEqual([200, expect.any(String)]);
		return got.body;
	}

	/** Once it satisfies. */
	until(good: (billing: Billing) => boolean): Promise<Billing> {
		return eventually(() => this.billing(), good, 30_000);
	}

	checkout(plan: string) {
		return this.owner.api.post<{ url: string } & Problem>("/api/v1/billing/checkout", { plan });
	}

	/** Buy a plan, and have Stripe say so. */
	async buy(plan: string): Promise<Subscription> {
		const page = await this.checkout(plan);
		expect([page.status, page.text]).toEqual([200, expect.any(String)]);
		const sub = this.stripe.pay(page.body.url);
		for (const message of this.stripe.messages.slice(-2)) expect(await this.deliver(message)).toBe(200);
		await this.until((billing) => billing.paidPlan === plan);
		return sub;
	}

	/** Have Stripe deliver a message; the status. */
	async deliver(message: Message, path = "/api/v1/billing/webhook"): Promise<number> {
		return deliver(this.server, message.payload, signature(message.payload, this.server.now()), path);
	}

	/** Use up events, and wait until the ledger has them. */
	async use(n: number): Promise<void> {
		for (let left = n; left > 0; left -= 1000) {
			const events = Array.from({ length: Math.min(left, 1000) }, (_, i) => ({ type: "used", payload: { i } }));
			const got = await this.api.post<{ accepted: number }>("/api/v1/events", events);
			expect([got.status, got.body.accepted]).toEqual([200, events.length]);
		}
		await settledUsage(this.api);
	}

	customer(): string {
		const customers = [...this.stripe.customers].filter(
			([, form]) => form["metadata[orgId]"] === this.owner.login.org!.id,
		);
		return customers.at(-1)![0];
	}
}

export async function deliver(
	server: Server,
	payload: string,
	header: string | undefined,
	path = "/api/v1/billing/webhook",
): Promise<number> {
	const headers: Record<string, string> = { "content-type": "application/json; charset=utf-8" };
	if (header !== undefined) headers["stripe-signature"] = header;
	return (await new Api(server.url).post(path, payload, headers)).status;
}
