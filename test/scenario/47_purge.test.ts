// When the days of grace are over, nothing is left of an organization: no row, no record, no byte. Whoever
// shared the server with it does not notice.
import { createHash, randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api, eventually, type Problem } from "../harness/api.ts";
import { findBytes } from "../harness/bytes.ts";
import { tocsin } from "../harness/command.ts";
import { caughtUp, deliveriesOf, makeRule, sendEvent, settled } from "../harness/model.ts";
import { Person, tryLogin, PASSWORD } from "../harness/person.ts";
import { Receiver } from "../harness/receiver.ts";
import { Server } from "../harness/server.ts";
import { stores } from "../harness/store.ts";
import { randomFrom } from "../harness/tools.ts";

const DAY = 86_400_000;
const mail = () => `${randomUUID()}@example.com`;
/** A text that is nowhere else, long enough not to be cut into pieces by compression. */
const markOf = (word: string) => `${word}-${randomUUID().replaceAll("-", "")}`;

interface Tenant {
	mark: string;
	owner: Person;
	key: Api;
	slug: string;
}

describe.each(stores)("an organization whose days are over, state in %s", (store) => {
	let server: Server;
	let receiver: Receiver;
	let gone: Tenant;
	let stays: Tenant;

	/** Everything that an org can have, with the mark wherever there is room for a text. */
	async function makeTenant(word: string): Promise<Tenant> {
		const mark = markOf(word);
		const owner = await Person.signUp(server.url, mail(), { orgName: mark });
		const { api } = owner;
		const must = async (reply: Promise<{ status: number; text: string }>) => {
			const got = await reply;
			if (got.status >= 300) throw new Error(got.text);
			return got;
		};
		await must(api.patch("/api/v1/orgs/current", { settings: { note: mark } }));
		await must(api.post("/api/v1/invites", { email: `${mark}@example.com`, role: "viewer" }));
		await must(api.post("/api/v1/projects", { name: mark }));
		const made = await api.post<{ key: string }>("/api/v1/keys", { name: mark });
		const key = new Api(server.url, made.body.key);
		const actions = [
			{ channel: "in_app", config: {} },
			{ channel: "webhook", config: { url: `${receiver.url}/${mark}`, headers: { "x-mark": mark } } },
		];
		const rule = await makeRule(api, { name: mark, eventType: `${word}.*`, cooldownSeconds: 0, actions });
		await must(api.patch(`/api/v1/rules/${rule.id}`, { name: `${mark} once more` }));
		const dead = await makeRule(api, { name: `${mark} dead`, eventType: "nothing", actions });
		await must(api.delete(`/api/v1/rules/${dead.id}`));
		return { mark, owner, key, slug: owner.login.org!.slug };
	}

	async function send(t: Tenant, word: string, n: number): Promise<void> {
		for (let i = 0; i < n; i++) {
			await sendEvent(t.key, `${word}.${t.mark}`, {
				message: t.mark,
				payload: { mark: t.mark, i },
				tags: { mark: t.mark },
				idempotencyKey: `${t.mark}-${randomUUID()}`,
			});
		}
	}

	/** All that others see of themselves, but when their key was used, and how far an export looked. */
	async function look(t: Tenant): Promise<string[]> {
		const day = (n: number) => `${new Date(Date.now() + n * DAY).toISOString().slice(0, 10)}T00:00:00Z`;
		const span = `from=${day(-30)}&to=${day(60)}`;
		const paths = ["events?limit=200", "events/export", "rules", "alerts", "deliveries", "keys", "projects/current", `stats/events?step=hour&${span}`];
		const seen: string[] = [];
		for (const path of paths) {
			const got = await t.key.get(`/api/v1/${path}`);
			const text = got.text.replace(/"(lastUsed\w*|after)":("[^"]*"|null)/g, "");
			seen.push(`${path} ${got.status} ${createHash("sha256").update(text).digest("hex")}`);
		}
		return seen;
	}

	const orgs = async () => (await tocsin(["org", "list", "--json", ...server.stateFlags()])).stdout;

	beforeAll(async () => {
		server = await Server.start({ store, clock: true, args: ["--signup", "open", "--rate-auth", "0"] });
		receiver = await Receiver.start();
		await Person.signUp(server.url, mail()); // and has the first one, which is called default
		gone = await makeTenant("gone");
		stays = await makeTenant("stays");
		for (let i = 0; i < 10; i++) {
			await send(gone, "gone", 5);
			await send(stays, "stays", 5);
		}
		await settled(stays.key);
		await settled(gone.key);
		server.advance(120_000);
		for (const { key } of [gone, stays]) {
			await eventually(
				() => key.get<{ data: unknown[] }>("/api/v1/alerts?state=firing"),
				(got) => got.body.data.length === 0,
			);
		}
	});
	afterAll(async () => {
		await server.stop();
		await receiver.stop();
	});

	it("is there whole before, on the disk, too", async () => {
		expect((await gone.key.get<{ data: unknown[] }>("/api/v1/alerts")).body.data.length).toBeGreaterThan(0);
		await server.kill("SIGTERM");
		const found = await findBytes(server.data, [gone.mark, stays.mark]);
		expect(new Set(found.map(([text]) => text)).size).toBe(2);
		await server.launch();
	});

	it("goes with every byte, through kill -9 at any moment, and nobody else notices", async () => {
		const random = randomFrom(47);
		const left = await gone.owner.api.delete(`/api/v1/orgs/current?confirm=${gone.slug}`);
		expect(left.status).toBe(202);
		const before = await look(stays);
		server.advance(7 * DAY + 60_000);
		for (let round = 0; round < 8; round++) {
			server.advance(61_000);
			// The moment of the kill, not a wait for anything.
			await setTimeout(random() * 1200);
			await server.restart("SIGKILL");
			expect(await look(stays)).toEqual(before);
		}
		await eventually(
			async () => {
				server.advance(5_000);
				return orgs();
			},
			(text) => !text.includes(gone.slug),
			60_000,
		);
		if (store === "sqlite") await server.waitLog((line) => line.event === "state_compacted");
		expect(await look(stays)).toEqual(before);
		expect(server.log.filter((line) => line.level === "error")).toEqual([]);
		expect((await gone.key.get<Problem>("/api/v1/events")).status).toBe(401);
		const login = await tryLogin(server.url, gone.owner.login.user.email, PASSWORD);
		expect([login.status, login.body.org]).toEqual([200, null]);

		await server.kill("SIGTERM");
		const found = await findBytes(server.data, [gone.mark, stays.mark]);
		expect(found.filter(([text]) => text === gone.mark)).toEqual([]);
		const files = found.map(([, file]) => file.replace(/\d+/, "N"));
		expect(files).toContain("journal/N.sealed");
		const checked = await tocsin(["check", "--json", ...server.stateFlags()]);
		expect([checked.code, checked.stdout.includes(gone.mark)]).toEqual([0, false]);
		await server.launch();
		expect(await look(stays)).toEqual(before);
	});

	it("says of itself that it was there, and how much it had, and no more", async () => {
		const all = await tocsin(["audit", "export", "--installation", "--format", "ndjson", ...server.stateFlags()]);
		expect(all.code).toBe(0);
		const lines = all.stdout.trim().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>);
		const purge = lines.filter((line) => line.action === "org.purge");
		expect(purge).toHaveLength(1);
		expect(purge[0]).toMatchObject({
			actor: "system",
			before: { projects: 2, members: 1, keys: 2, events: 50 },
		});
		expect(all.stdout).not.toContain(gone.mark);
		expect((await tocsin(["audit", "verify", ...server.stateFlags()])).code).toBe(0);
	});

	it("frees its name, and starts again at nothing", async () => {
		const next = await Person.signUp(server.url, mail(), { orgName: gone.mark });
		expect(next.login.org!.slug).toBe(gone.slug);
		expect(next.login.org!.id).not.toBe(gone.owner.login.org!.id);
		const rule = await makeRule(next.api, { name: "new", eventType: "gone.*", cooldownSeconds: 0 });
		await sendEvent(next.api, "gone.again");
		await caughtUp(next.api);
		expect((await next.api.get<{ data: unknown[] }>("/api/v1/events")).body.data).toHaveLength(1);
		expect(await deliveriesOf(next.api, rule)).toHaveLength(1);
		await stays.key.post("/api/v1/events", { type: "stays.on" });
	});
});
