// Plans are paid for at Stripe: who pays has the plan, and nobody pays for more than was used, whatever is lost,
// repeated, reordered or killed in between.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api, eventually, type Problem } from "../harness/api.ts";
import { deliver, Payer, PRICES, startSelling } from "../harness/payer.ts";
import { memberOf, Person } from "../harness/person.ts";
import { Server } from "../harness/server.ts";
import { stores } from "../harness/store.ts";
import { type Accident, FakeStripe, type Message, signature } from "../harness/stripe.ts";

const MINUTE = 60_000;
const DAY = 86_400_000;

/** Numbers that look random and are the same for the same seed (mulberry32). */
function random(seed: number): (bound: number) => number {
	let state = seed;
	return (bound) => {
		state = (state + 0x6d2b79f5) | 0;
		let t = Math.imul(state ^ (state >>> 15), 1 | state);
		t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
		return ((t ^ (t >>> 14)) >>> 0) % bound;
	};
}

it("sells nothing until it is set up", async () => {
	const server = await Server.start({ args: ["--signup", "open"] });
	const owner = await Person.signUp(server.url, "ana@example.com");
	const off = { status: 503, body: { code: "not_configured" } };
	expect(await owner.api.post("/api/v1/billing/checkout", { plan: "pro" })).toMatchObject(off);
	expect(await owner.api.post("/api/v1/billing/portal")).toMatchObject(off);
	expect(await owner.api.post("/billing/checkout", { planId: "pro" })).toMatchObject(off);
	expect(await owner.api.get("/billing/portal")).toMatchObject(off);
	const payload = JSON.stringify({ id: "evt_1", type: "invoice.paid" });
	expect(await deliver(server, payload, signature(payload, Date.now()))).toBe(503);
	expect(await deliver(server, payload, undefined, "/billing/webhook")).toBe(503);
	const state = await owner.api.get("/api/v1/billing");
	expect(state).toMatchObject({ status: 200, body: { configured: false, customer: false, status: null } });
	await server.stop();
});

describe.each(stores)("on %s", (store) => {
	let server: Server;
	let stripe: FakeStripe;

	beforeAll(async () => {
		({ server, stripe } = await startSelling({ store, clock: true }));
	});
	afterAll(async () => {
		await server.stop();
		await stripe.stop();
	});

	it("gives the plan that is paid for", { timeout: 60_000 }, async () => {
		const ana = await Payer.signUp(server, stripe, "ana");
		expect(await ana.billing()).toMatchObject({ configured: true, customer: false, plan: "free", status: null });
		expect((await ana.checkout("free")).body).toMatchObject({ code: "invalid", field: "plan" });
		expect((await ana.checkout("other")).status).toBe(400);
		const sub = await ana.buy("pro");
		expect(await ana.billing()).toMatchObject({ customer: true, plan: "pro", paidPlan: "pro", status: "active" });
		expect([...stripe.customers.values()].at(-1)).toMatchObject({
			email: "ana@example.com",
			"metadata[orgId]": ana.owner.login.org!.id,
		});
		const again = await ana.checkout("max");
		expect([again.status, again.body.code]).toEqual([409, "conflict"]);
		expect((await ana.owner.api.post("/billing/checkout", { planId: "max", more: 1 })).status).toBe(400);
		const portal = await ana.owner.api.post<{ url: string }>("/api/v1/billing/portal");
		expect(portal.body.url).toBe(`https://billing.stripe.test/p/${sub.customer}`);
		expect((await ana.owner.api.get("/billing/portal")).body).toEqual(portal.body);

		stripe.change(sub, { price: PRICES.max });
		expect(await ana.deliver(stripe.messages.at(-1)!, "/billing/webhook")).toBe(200);
		await ana.until((billing) => billing.plan === "max");
		stripe.change(sub, { cancel_at_period_end: true });
		expect(await ana.deliver(stripe.messages.at(-1)!)).toBe(200);
		await ana.until((billing) => billing.endsAtPeriodEnd);
		stripe.end(sub);
		expect(await ana.deliver(stripe.messages.at(-1)!)).toBe(200);
		expect(await ana.until((billing) => billing.status === "canceled")).toMatchObject({ plan: "free", paidPlan: null });
		const { body } = await ana.owner.api.get<{ data: { action: string; after: unknown }[] }>(
			"/api/v1/audit?action=billing.update",
		);
		expect(body.data.map((entry) => entry.after)).toMatchObject([
			{ plan: null, status: "canceled" },
			{ endsAtPeriodEnd: true },
			{ plan: "max" },
			{ plan: "pro", status: "active" },
		]);
		await ana.buy("max");
	});

	it("is for owners alone", async () => {
		const bob = await Payer.signUp(server, stripe, "bob");
		const admin = await memberOf(bob.owner, "admin");
		for (const api of [admin.api, bob.api, new Api(server.url)]) {
			const refused = api.key === undefined ? 401 : 403;
			expect((await api.get("/api/v1/billing")).status).toBe(refused);
			expect((await api.post("/api/v1/billing/checkout", { plan: "pro" })).status).toBe(refused);
			expect((await api.post("/api/v1/billing/portal")).status).toBe(refused);
			expect((await api.post("/billing/checkout", { planId: "pro" })).status).toBe(refused);
			expect((await api.get("/billing/portal")).status).toBe(refused);
		}
		expect((await bob.billing()).customer).toBe(false);
	});

	it("believes only what Stripe signed just now", async () => {
		const { payload } = stripe.tell("product.created", { id: "prod_1" });
		const now = server.now();
		const good = signature(payload, now);
		expect(await deliver(server, payload, good)).toBe(200);
		expect(await deliver(server, payload, `${good},v1=${"0".repeat(64)}`)).toBe(200);
		const bad = [undefined, "", "t=1", signature(payload, now, "whsec_other"), good.replace(/v1=./, "v1=x")];
		bad.push(signature(payload, now - 6 * MINUTE), signature(payload, now + 6 * MINUTE));
		for (const header of bad) expect([header, await deliver(server, payload, header)]).toEqual([header, 400]);
		expect(await deliver(server, `${payload} `, good)).toBe(400);
		expect(await deliver(server, "{", signature("{", now))).toBe(400);
		expect(await deliver(server, "{}", signature("{}", now), "/billing/webhook")).toBe(400);
	});

	it("moves nobody's plan by a message about somebody else", { timeout: 60_000 }, async () => {
		const [cy, dan] = [await Payer.signUp(server, stripe, "cy"), await Payer.signUp(server, stripe, "dan")];
		await cy.buy("pro");
		const metadata = { orgId: dan.owner.login.org!.id, planId: "max" };
		const claims = [
			stripe.tell("checkout.session.completed", { customer: "cus_unknown", metadata }),
			stripe.tell("checkout.session.completed", { customer: cy.customer(), metadata }),
			stripe.tell("customer.subscription.updated", { id: "sub_1", customer: cy.customer(), status: "canceled" }),
		];
		for (const message of claims) expect(await cy.deliver(message)).toBe(200);
		const asked = await cy.billing();
		await cy.until((billing) => billing.askedAt! > asked.askedAt!);
		expect(await cy.billing()).toMatchObject({ plan: "pro", status: "active" });
		expect(await dan.billing()).toMatchObject({ plan: "free", customer: false });
	});

	it("goes by what is, in whatever order it hears of it, and how often", { timeout: 60_000 }, async () => {
		const eva = await Payer.signUp(server, stripe, "eva");
		const sub = await eva.buy("pro");
		const from = stripe.messages.length;
		stripe.change(sub, { price: PRICES.max });
		stripe.change(sub, { status: "past_due" });
		stripe.end(sub);
		const late = stripe.messages.slice(from).reverse();
		for (const message of [...late, ...late, ...stripe.messages.slice(from - 2)]) {
			expect(await eva.deliver(message)).toBe(200);
		}
		await eva.until((billing) => billing.status === "canceled");
		for (const message of late) expect(await eva.deliver(message)).toBe(200);
		expect(await eva.billing()).toMatchObject({ plan: "free", paidPlan: null });
		const metrics = (await new Api(server.url).get("/metrics")).text;
		expect(metrics).toMatch(/tocsin_billing_messages_total\{result="repeated"\} [1-9]/);
	});

	it("says since when a payment is overdue", { timeout: 60_000 }, async () => {
		const fay = await Payer.signUp(server, stripe, "fay");
		const sub = await fay.buy("pro");
		expect((await fay.billing()).pastDueSince).toBe(null);
		sub.status = "past_due";
		const failed = stripe.tell("invoice.payment_failed", { id: "in_1", customer: sub.customer });
		expect(await fay.deliver(failed)).toBe(200);
		const late = await fay.until((billing) => billing.pastDueSince !== null);
		expect(late).toMatchObject({ plan: "pro", status: "past_due" });
		expect(Math.abs(Date.parse(late.pastDueSince!) - server.now())).toBeLessThan(MINUTE);
		// The server looks once a minute, and tells the owner once.
		server.advance(MINUTE);
		const told = () => fay.api.get<{ data: { payload: object }[] }>("/api/v1/events?type=tocsin.payment_failed");
		const alerts = () => fay.api.get<{ data: { ruleName: string }[] }>("/api/v1/alerts");
		await eventually(alerts, ({ body }) => body.data.length > 0);
		server.advance(MINUTE);
		expect((await alerts()).body.data.map((alert) => alert.ruleName)).toEqual(["A payment has failed"]);
		expect((await told()).body.data).toHaveLength(1);
		sub.status = "active";
		expect(await fay.deliver(stripe.tell("invoice.paid", { id: "in_1", customer: sub.customer }))).toBe(200);
		await fay.until((billing) => billing.pastDueSince === null);
	});

	it("makes one customer, and one page that can be paid on, whatever is lost", { timeout: 120_000 }, async () => {
		const gus = await Payer.signUp(server, stripe, "gus");
		const before = stripe.customers.size;
		for (const accident of ["lose", "fail", "refuse", "drop"] as Accident[]) {
			stripe.accident = ({ method }) => (method === "POST" ? accident : "ok");
			const got = await gus.checkout("pro");
			stripe.accident = () => "ok";
			expect([accident, got.status, got.body.code]).toEqual([accident, 502, "upstream"]);
		}
		stripe.accident = ({ path }) => (path === "/v1/customers" ? "hang" : "ok");
		const dead = gus.checkout("pro").catch(() => "gone");
		await eventually(
			async () => stripe.asked.at(-1)!.path,
			(path) => path === "/v1/customers",
		);
		await server.restart("SIGKILL");
		stripe.accident = () => "ok";
		expect(await dead).toBe("gone");
		const first = await gus.checkout("pro");
		const second = await gus.checkout("max");
		expect([first.status, second.status]).toEqual([200, 200]);
		expect(stripe.customers.size).toBe(before + 1);
		expect(() => stripe.pay(first.body.url)).toThrow("expired");
		stripe.pay(second.body.url);
		/* Nobody heard of it; before another page is made, it is asked for. */
		expect((await gus.checkout("pro")).status).toBe(409);
		expect((await gus.billing()).plan).toBe("max");
	});

	it("asks for what it did not hear of", { timeout: 60_000 }, async () => {
		const hal = await Payer.signUp(server, stripe, "hal");
		const sub = await hal.buy("pro");
		await server.kill("SIGKILL");
		stripe.change(sub, { price: PRICES.max });
		await server.launch();
		await hal.until((billing) => billing.plan === "max");
	});

	it("is not renewed for who is to be deleted, unless they stay", { timeout: 60_000 }, async () => {
		const kim = await Payer.signUp(server, stripe, "kim");
		const sub = await kim.buy("pro");
		await kim.use(2500);
		await kim.until((billing) => billing.overage.thousandsTold === 1);
		const ends = (want: boolean) =>
			eventually(
				async () => sub.cancel_at_period_end,
				(now) => now === want,
				30_000,
			);
		const { name } = kim.owner.login.org!;
		const gone = await kim.owner.api.delete(`/api/v1/orgs/current?confirm=${encodeURIComponent(name)}`);
		expect(gone.status).toBe(202);
		await ends(true);
		expect(await kim.until((billing) => billing.endsAtPeriodEnd)).toMatchObject({ status: "active" });
		expect((await kim.checkout("max")).status).toBe(403);
		await server.restart("SIGKILL");
		expect((await kim.owner.api.post("/api/v1/orgs/current/restore")).status).toBe(200);
		await ends(false);
		await kim.use(500);
		await kim.until((billing) => billing.overage.thousandsTold === 2);
		expect(stripe.billed(sub.customer)).toBe(2);
	});

	it("tells what was used in full thousands", { timeout: 60_000 }, async () => {
		const ida = await Payer.signUp(server, stripe, "ida");
		await ida.use(300);
		await ida.buy("pro");
		await ida.use(2699);
		await ida.until((billing) => billing.overage.events === 1999);
		await ida.until((billing) => billing.overage.thousandsTold === 1);
		await ida.use(1);
		await ida.until((billing) => billing.overage.thousandsTold === 2);
		expect((await ida.billing()).overage).toMatchObject({ events: 2000, cents: 200 });
		await eventually(
			async () => stripe.billed(ida.customer()),
			(billed) => billed === 2,
		);
		const usage = await ida.api.get<{ events: { overage: number } }>("/api/v1/usage");
		expect(usage.body.events.overage).toBe(2000);
		expect((await ida.api.post<Problem>("/api/v1/events", { type: "a" })).status).toBe(201);
	});
});

interface Storm {
	payer: Payer;
	next: (bound: number) => number;
	used: number;
	heard: number;
}

/** Most messages arrive, some twice, some late, some never. */
async function spread(storm: Storm): Promise<void> {
	const { payer, next } = storm;
	const all = payer.stripe.messages;
	const some: Message[] = all.slice(storm.heard).filter(() => next(4) > 0);
	storm.heard = all.length;
	if (all.length > 0) for (let i = next(3); i > 0; i--) some.push(all[next(all.length)]!);
	some.sort(() => next(3) - 1);
	for (const message of some) expect(await payer.deliver(message)).toBe(200);
}

async function upset(storm: Storm): Promise<void> {
	const { payer, next } = storm;
	const { server, stripe } = payer;
	const accidents: Accident[] = ["ok", "ok", "ok", "lose", "drop", "fail", "refuse", "hang"];
	stripe.accident = () => accidents[next(accidents.length)]!;
	const n = next(1200);
	await payer.use(n);
	storm.used += n;
	await spread(storm);
	/* One that arrives, so that Stripe is asked, whatever becomes of that. */
	const asked = stripe.asked.length;
	const [sub] = stripe.subscriptions.values();
	expect(await payer.deliver(stripe.tell("customer.subscription.updated", stripe.show(sub!)))).toBe(200);
	await eventually(
		async () => stripe.asked.length,
		(now) => now > asked,
		60_000,
	);
	if (next(3) > 0) await server.restart("SIGKILL");
}

describe.each([1, 2, 3])("in storm %i", (seed) => {
	it("bills what was used, once, and has the plan that is paid for", { timeout: 300_000 }, async () => {
		const { server, stripe } = await startSelling({ clock: true });
		/* The month does not end before it is to. */
		const noon = Math.floor(server.now() / DAY) * DAY + DAY / 2;
		server.advance(noon > server.now() ? noon - server.now() : noon + DAY - server.now());
		const payer = await Payer.signUp(server, stripe, "storm");
		const sub = await payer.buy("pro");
		const storm: Storm = { payer, next: random(seed), used: 0, heard: stripe.messages.length };
		for (let i = 0; i < 6; i++) {
			await upset(storm);
			const over = Math.max(0, storm.used - 1000);
			expect(stripe.billed(sub.customer)).toBeLessThanOrEqual(Math.floor(over / 1000));
		}
		stripe.accident = () => "ok";
		await server.restart("SIGKILL");
		const over = Math.max(0, storm.used - 1000);
		await eventually(
			async () => stripe.billed(sub.customer),
			(billed) => billed === Math.floor(over / 1000),
			120_000,
		);

		const now = new Date(server.now());
		const end = Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 1);
		server.advance(end - server.now() + 10 * MINUTE);
		await server.restart("SIGKILL");
		await eventually(
			async () => stripe.billed(sub.customer),
			(billed) => billed === Math.ceil(over / 1000),
			60_000,
		);
		stripe.end(sub);
		payer.owner = await Person.logIn(server.url, "storm@example.com");
		for (const message of stripe.messages) expect(await payer.deliver(message)).toBe(200);
		expect(await payer.until((billing) => billing.status === "canceled")).toMatchObject({ plan: "free" });
		await server.restart("SIGKILL");
		expect(stripe.billed(sub.customer)).toBe(Math.ceil(over / 1000));
		await server.stop();
		await stripe.stop();
	});
});
