// The power goes, again and again: the file of a mounted file system is copied while the server is in
// the middle of its work, and the copy holds what a disk would: no more than was flushed is sure to be
// in it. What was acknowledged before is.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { Api } from "../harness/api.ts";
import { journalEvents } from "../harness/journal.ts";
import { audit, Client, type Entry } from "../harness/ledger.ts";
import { alertsOf, caughtUp, type Event, listAll, makeRule, type Rule } from "../harness/model.ts";
import { Image, noImage } from "../harness/mount.ts";
import { firings } from "../harness/reference.ts";
import { Server, slower } from "../harness/server.ts";
import { randomFrom } from "../harness/tools.ts";

const seed = Number(process.env.TOCSIN_TEST_SEED ?? Date.now() % 1_000_000);
const CUTS = Number(process.env.TOCSIN_TEST_CUTS ?? 30);
/** Then a new file system begins: one that recovers from a cut needs some of the room. */
const CUTS_PER_DISK = 10;
const USED_MAX = 0.5;
const CLIENTS = 3;
const spec = { threshold: 5, windowSeconds: 3600, cooldownSeconds: 0 };
const args = ["--segment-size", "1MiB", "--seal", "false"];
const why = noImage();

/** What clients had heard when the copy began. */
function remember(clients: Client[]): Entry[] {
	return clients.flatMap((client) =>
		client.entries.map((entry) => ({ ...entry, answers: [...entry.answers] })),
	);
}

describe.skipIf(why !== undefined)(`${CUTS} power cuts (${why ?? `seed ${seed}`})`, () => {
	const root = mkdtempSync(join(tmpdir(), "tocsin-power-"));
	const random = randomFrom(seed);
	const sites = new Set<Site>();
	let lives = 0;

	afterAll(async () => {
		for (const site of sites) await site.stop();
		rmSync(root, { recursive: true });
	});

	/** A server on a file system of its own, and clients that keep it busy. */
	class Site {
		readonly clients: Client[] = [];
		private loops: Promise<unknown> = Promise.resolve();
		private over = false;
		private answers = 0;

		private constructor(
			readonly image: Image,
			readonly server: Server,
			readonly api: Api,
			readonly rule: Rule,
		) {
			sites.add(this);
		}

		static async start(image: Image, from: { key: string; rule: Rule } | undefined): Promise<Site> {
			const server = await Server.prepare({ data: join(image.mount(), "data"), args });
			await server.launch();
			if (from !== undefined) return new Site(image, server, new Api(server.url, from.key), from.rule);
			const api = await Api.bootstrap(server.url);
			return new Site(image, server, api, await makeRule(api, { eventType: "storm.order", ...spec }));
		}

		load(): void {
			const life = ++lives;
			const target = {
				url: () => this.server.url,
				key: this.api.key!,
				up: () => Promise.resolve(),
				over: () => this.over,
				answered: () => void this.answers++,
			};
			for (let i = 0; i < CLIENTS; i++) {
				this.clients.push(new Client(`l${life}-${i}`, target, randomFrom(seed + life * 10 + i)));
			}
			this.loops = Promise.all(this.clients.map((client) => client.run()));
		}

		async more(answers: number): Promise<void> {
			const until = this.answers + answers;
			while (this.answers < until) await new Promise((resolve) => setTimeout(resolve, 1));
		}

		/** What the disk holds at one moment; all but the disk stands still meanwhile. */
		async cut(name: string): Promise<Image> {
			await this.server.freeze();
			const image = await this.image.cut(join(root, name));
			this.server.signal("SIGCONT");
			return image;
		}

		async stop(): Promise<void> {
			this.over = true;
			await this.loops;
			await this.server.discard();
			this.image.unmount();
			sites.delete(this);
		}
	}

	let site: Site;

	/** The events that the cut has, in the order of its log, and what was decided on them. */
	async function audited(cut: Site, entries: Entry[], what: string): Promise<Event[]> {
		await caughtUp(cut.api);
		const events = (await listAll<Event>(cut.api, "/api/v1/events", 1000)).reverse();
		const alerts = (await alertsOf(cut.api, cut.rule)).reverse();
		const { lost, duplicated } = audit(entries, events);
		expect([what, lost, duplicated]).toEqual([what, [], []]);
		await cut.server.kill("SIGTERM");
		const log = journalEvents(cut.server.data);
		expect(log.map((event) => event.key)).toEqual(events.map((event) => event.idempotencyKey));
		const seen = events.map((event, i) => ({ ...event, atUs: log[i]!.atUs }));
		const said = firings(
			seen.filter((event) => event.type === "storm.order"),
			{ condition: "count_gte", ...spec },
		);
		expect([what, alerts.map((alert) => alert.eventId)]).toEqual([what, said]);
		return events;
	}

	/** Start on what the cut left, and cut again: soon after recovery, with new events under way. */
	async function recover(first: Image, entries: Entry[], n: number): Promise<void> {
		const again = await Site.start(first, { key: site.api.key!, rule: site.rule });
		again.load();
		if (random() < 0.7) await again.more(Math.floor(random() * 10));
		const heard = [...entries, ...remember(again.clients)];
		const second = await again.cut("second");
		await again.stop();
		const cut = await Site.start(second, { key: site.api.key!, rule: site.rule });
		await audited(cut, heard, `cut ${n}, second`);
		await cut.stop();
		rmSync(second.path);
	}

	it(
		"lose nothing that was acknowledged, also when the next comes right after recovery",
		async () => {
			console.log(`power cuts: TOCSIN_TEST_SEED=${seed} tries these again`);
			let answered = 0;
			let cuts = 0; // of this disk
			for (let n = 1; n <= CUTS; n++) {
				if (cuts === 0) {
					site = await Site.start(Image.make(join(root, "disk"), 64), undefined);
					site.load();
				}
				await site.more(1 + Math.floor(random() * 40));
				const entries = remember(site.clients);
				const first = await site.cut("first");
				if (n % 3 === 0) {
					await recover(first, entries, n);
				} else {
					const cut = await Site.start(first, { key: site.api.key!, rule: site.rule });
					await audited(cut, entries, `cut ${n}`);
					await cut.stop();
				}
				rmSync(first.path);
				cuts++;
				if (cuts < CUTS_PER_DISK && site.image.used() < USED_MAX && n !== CUTS) continue;
				cuts = 0;
				expect(site.clients.flatMap((client) => client.wrong)).toEqual([]);
				answered += remember(site.clients).filter((entry) => entry.answers.length > 0).length;
				await site.stop();
			}
			console.log(`power cuts: ${CUTS}, ${answered} events acknowledged`);
			expect(answered).toBeGreaterThan(CUTS);
		},
		(30_000 + CUTS * 5_000) * slower,
	);
});
