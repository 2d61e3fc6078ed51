// Clocks are set, forward and back, while the server runs and while it does not. What counts is the
// time of the log, which never goes back; nothing waits for an hour to come again.
import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { Api, eventually } from "../harness/api.ts";
import { journalEvents, journalRecords, KIND } from "../harness/journal.ts";
import {
	alertsOf,
	caughtUp,
	deliveriesOf,
	type Event,
	listAll,
	makeRule,
	type Rule,
	sendEvent,
} from "../harness/model.ts";
import { Receiver } from "../harness/receiver.ts";
import { firings } from "../harness/reference.ts";
import { Server } from "../harness/server.ts";

const HOUR = 3_600_000;
const spec = { threshold: 3, windowSeconds: 60, cooldownSeconds: 120 };

let server: Server;
let receiver: Receiver | undefined;

afterEach(async () => {
	await server.stop();
	await receiver?.stop();
	receiver = undefined;
});

/** By how much the clock must be set to say this. */
const until = (time: string) => Date.parse(time) - Date.now();

/** What rules must have said, by the log itself. */
async function agrees(api: Api, rule: Rule): Promise<void> {
	const events = (await listAll<Event>(api, "/api/v1/events?type=tick.tock")).reverse();
	const alerts = (await alertsOf(api, rule)).reverse();
	await server.kill("SIGTERM");
	const log = journalEvents(server.data).filter((event) => event.type === "tick.tock");
	expect(log.map((event) => event.atUs)).toEqual(
		[...log.map((event) => event.atUs)].sort((a, b) => a - b),
	);
	const seen = log.map((event, i) => ({ ...events[i]!, atUs: event.atUs }));
	const said = firings(seen, { condition: "count_gte", ...spec });
	expect(alerts.map((alert) => alert.eventId)).toEqual(said);
	expect(said.length).toBeGreaterThan(1);
}

/** A request whose body is not complete yet. */
async function half(key: string) {
	const body = JSON.stringify({ type: "slow.client" });
	const socket = connect(server.port, "127.0.0.1");
	let got = "";
	socket.on("data", (part) => (got += part.toString()));
	const closed = new Promise((resolve) => socket.on("close", resolve));
	socket.write(
		`POST /api/v1/events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${key}\r\n` +
			`Expect: 100-continue\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n`,
	);
	await eventually(
		async () => got,
		(text) => text.includes("100 Continue"),
	);
	return async () => {
		socket.write(body);
		await closed;
		return got;
	};
}

const jumps: [string, number, string?][] = [
	["an hour back", -HOUR],
	["an hour forward", HOUR],
	["a day forward", 24 * HOUR],
	["to 1970", until("1970-01-01T00:00:10Z")],
	["past 2038", until("2038-01-19T03:14:06Z")],
	["to the end of daylight saving time", until("2027-10-31T00:59:59Z"), "Europe/Berlin"],
	["to a leap day", until("2028-02-28T23:59:59Z")],
];

describe("a clock that is set while the server runs", () => {
	it.each(jumps)("%s: nothing is lost, fired twice or held back", async (_, ms, zone) => {
		const args: string[] = [];
		const env: Record<string, string> = zone === undefined ? {} : { TZ: zone };
		receiver = await Receiver.start();
		server = await Server.start({ clock: true, args, env });
		const api = await Api.bootstrap(server.url);
		// Each delivery is refused once: the second try must come as if nothing had happened.
		const tried = new Set<string>();
		receiver.script = (request) => {
			const id = String(request.headers["webhook-id"]);
			const again = tried.has(id);
			tried.add(id);
			return again ? {} : { status: 503 };
		};
		const actions = [{ channel: "webhook", config: { url: receiver.url } }];
		const rule = await makeRule(api, { eventType: "tick.tock", ...spec, actions });
		const send = async (n: number) => {
			for (let i = 0; i < n; i++) await sendEvent(api, "tick.tock");
		};
		await send(3);
		await caughtUp(api);
		const finish = await half(api.key!);
		server.setWall(ms);
		expect(await finish()).toContain("HTTP/1.1 201");
		await send(3);
		for (const pause of [70_000, 70_000, 200_000]) {
			server.advance(pause);
			await send(3);
		}
		await caughtUp(api);
		// New deliveries are tried at once, failed ones a few seconds later, whatever the wall says.
		await eventually(
			async () => {
				server.advance(2_000);
				return deliveriesOf(api, rule);
			},
			(all) => all.length > 1 && all.every((d) => d.status === "sent" && d.attempts === 2),
		);
		server.advance(70_000);
		await eventually(
			() => alertsOf(api, rule),
			(all) => all.every((alert) => alert.state === "resolved"),
		);
		expect(server.log.filter((line) => line.level === "error")).toEqual([]);
		await agrees(api, rule);

		// Whoever starts on that log later meets it as it is, or is asked to say so.
		if (ms < -HOUR) {
			await expect(server.launch()).rejects.toThrow(/start_failed.*--accept-future-log/s);
			args.push("--accept-future-log", "true");
		}
		await server.launch();
		await send(1);
		await caughtUp(api);
	});
});

describe("a clock that is set while nobody runs", () => {
	it("more than an hour back stops the start, which names both times and the way out", async () => {
		const args: string[] = [];
		server = await Server.start({ clock: true, args });
		const api = await Api.bootstrap(server.url);
		await sendEvent(api, "before");
		await server.kill("SIGTERM");
		server.setWall(-HOUR - 120_000);
		await expect(server.launch()).rejects.toThrow("exited with 1");
		const failed = server.log.findLast((line) => line.event === "start_failed")!;
		expect(failed.error).toMatch(
			/the log ends at \d{4}-\S+Z, and the clock says \d{4}-\S+Z: .*--accept-future-log true/,
		);
		// It was only looked at: with the clock put right all is as before.
		server.setWall(120_000);
		await server.launch();
		await server.kill("SIGTERM");
		server.setWall(-24 * HOUR);
		args.push("--accept-future-log", "true");
		await server.launch();
		await sendEvent(api, "after");
		await caughtUp(api);
		const [after, before] = await listAll<Event>(api, "/api/v1/events");
		expect(Date.parse(after!.receivedAt)).toBeGreaterThan(Date.parse(before!.receivedAt));
		expect(server.log.some((line) => line.event === "log_from_the_future")).toBe(true);
	});

	it.each(["1970-01-02T00:00:00Z", "2038-01-19T03:14:00Z", "2100-02-28T23:59:50Z"])(
		"to %s is where a new server begins",
		async (time) => {
			server = await Server.prepare({ clock: true });
			server.setWall(until(time));
			await server.launch();
			const api = await Api.bootstrap(server.url);
			const rule = await makeRule(api, { eventType: "tick.tock", ...spec });
			for (let i = 0; i < 3; i++) await sendEvent(api, "tick.tock");
			server.advance(30_000);
			await server.restart("SIGKILL");
			server.advance(100_000);
			for (let i = 0; i < 3; i++) await sendEvent(api, "tick.tock");
			await caughtUp(api);
			expect((await alertsOf(api, rule)).length).toBe(2);
			const events = await listAll<Event>(api, "/api/v1/events");
			for (const { receivedAt } of events) {
				expect(Date.parse(receivedAt) - Date.parse(time)).toBeLessThan(200_000);
				expect(Date.parse(receivedAt)).toBeGreaterThanOrEqual(Date.parse(time));
			}
		},
	);

	it("or not: every start puts into the log how long nobody was there", async () => {
		server = await Server.start({ clock: true });
		const api = await Api.bootstrap(server.url);
		for (const [signal, away] of [["SIGTERM", 100_000], ["SIGKILL", 50_000], ["SIGKILL", 0]] as const) {
			await sendEvent(api, "last.word");
			await server.kill(signal);
			server.advance(away);
			await server.launch();
		}
		await server.kill("SIGTERM");
		const words = journalEvents(server.data);
		const starts = journalRecords(server.data, KIND.start);
		expect(starts.map((start) => start.payload.outageUs).slice(0, 1)).toEqual([0]);
		for (const [i, away] of [100_000, 50_000, 0].entries()) {
			const outage = Number(starts[i + 1]!.payload.outageUs);
			expect(outage).toBeGreaterThanOrEqual(away * 1000);
			expect(outage).toBeLessThanOrEqual(starts[i + 1]!.atUs - words[i]!.atUs);
		}
		await server.launch();
	});
});
