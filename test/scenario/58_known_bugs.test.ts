// What the earlier systems are known to have got wrong, one by one, and the test that would fail if it
// were so here. What waits for a feature that is not there yet says for which.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api } from "../harness/api.ts";
import { Socket, Sse } from "../harness/live.ts";
import { Server } from "../harness/server.ts";

const root = join(import.meta.dirname, "../..");

/** What was wrong; the file of the test, which may be several; words of each test's name, or what it waits for. */
type Row = [bug: string, file: string, ...names: string[]];
const LATER = "later";

const BUGS: Record<string, Row[]> = {
	SignalDesk: [
		["a short window destroys what a longer one needs", "30_rules", "a short window takes nothing from a long one on the same type"],
		["a failure after the cooldown was set loses the alert; ten at once fire twice", "30_rules", "100 events at once over a threshold are one alert per cooldown"],
		["the client's clock decides what a window counts", "54_pulseboard", "stores an event that rules count, however late its own clock is"],
		["count_eq is jumped over", "30_rules", "count_eq fires when the count becomes the number"],
		["a crash between row and queue: never evaluated", "60_kill_storm", "fired what its rules say about the log, each firing once"],
		["what was delivered is sent again when its success was not noted", "60_kill_storm", "sends nothing again whose success was recorded"],
		["live events reach the receiving instance's clients alone", "58_known_bugs", "by whatever door an event comes, every stream shows it"],
		["a ticket is a token, and good again and again", "48_once_only", "none is good for anything else"],
		["scopes are not looked at where no role is", "44_walls", "takes the scope that it says, and no other"],
		["overage is billed again and again", "49_billing", "bills what was used, once, and has the plan that is paid for", "tells what was used in full thousands"],
		["retention gives quota back", "34_usage", "keeps what was used when it is deleted"],
		["402 for what is invalid; months of the server's clock", "34_usage", "checks before it counts, and lets repetitions pass", "begins anew with the month"],
		["webhooks reach private addresses", "40_delivery", "is refused when it is sent to, by its address and by a name for it"],
		["texts are not escaped or cut to what a provider takes", LATER, "channels"],
		["invites in plain, an expired one blocks the next, removal comes late", "36_members", "sends again, changes, takes back and lets expire", "removes at once: calls, streams and what is lower", "keeps roles over kill -9, and no token anywhere"],
		["refresh tokens may be used again; old reset links live on; no limit of guesses", "35_login", "changes refresh tokens, and ends the session when an old one comes back"],
		["limits of a plan are never read again", "34_usage", "sells plans once they are switched on"],
		["no cursors, no batch, no search", "21_list", "show each event once, also while others come in"],
		["each call writes the last use; /health tells of others", "53_signaldesk", "says ok to anybody, and nothing about anybody"],
		["no backpressure, walls of one brick", "61_overload", "is refused with no more memory, and all that was taken is decided on when it ends"],
	],
	SignalOps: [
		["a job is queued before its row is there", "60_kill_storm", "has every acknowledged event once, under the id that was answered"],
		["dead letters twice, without their payload, and no way back", "40_delivery", "are listed, newest first, with their reason", "are sent again one by one, under their id"],
		["a quarter of a second of bcrypt for each event", "src/engine/keyring_test.c", "a_key_is_found_by_its_secret_only"],
		["a retry repeats all actions", "34_usage", "counts what was sent, each once, and nothing twice"],
		["what can never work is tried to the end", "src/engine/courier_test.c", "each_answer_has_its_meaning"],
		["another body under a key is the old event; two at once are 500", "20_ingest", "with another body is a conflict", "sent 50 times at once is stored once"],
		["who is suspended goes on", "44_walls", "is not for who is suspended"],
		["a worker reads whatever id it is told; a secret that everybody knows", "src/api/signer_test.c", "any_other_text_is_forged"],
		["the documents say other words than the code", "52_documented", "is there"],
	],
	PulseBoard: [
		["no test at all", "54_pulseboard", "stores an event, and the query lists the newest 20, with a warning"],
		["the streams answer nobody", "54_pulseboard", "says that it is connected, then shows each stored event as it is"],
		["one viewer ends another's stream; any page may read", "54_pulseboard", "as a stream shows the same, to as many as watch, and goes on behind an id"],
		["after one failure a project never alerts again", "63_clock", "nothing is lost, fired twice or held back"],
		["a start throws away what waits", "31_restart", "loses no count and no cooldown"],
		["keys in addresses, logs and the database", "49_canary", "nothing that was secret is found again"],
		["a project shows no events", "54_pulseboard", "counts its events"],
		["pages cannot PATCH", "29_origins", "makes every call, by all methods, and listens"],
		["the end of a session takes a crash back", "54_pulseboard", "stores beginning and end, and the end does not take back a crash"],
		["no limits of rates, sizes, lengths; no pages", "22_bad_input", "headers that are too many, too long or not for us"],
		["a time that is none is 500", "54_pulseboard", "%s %o is %i"],
	],
	SignalCraft: [
		["routing sends everything to one channel", LATER, "routing rules"],
		["every event of a group notifies", LATER, "alert groups"],
		["what is snoozed comes back as new", LATER, "alert groups"],
		["fingerprints with the event's id in them", LATER, "alert groups"],
		["two groups for one key; a duplicate counts", LATER, "alert groups"],
		["times of a group go backwards", "63_clock", "nothing is lost, fired twice or held back"],
		["timers in memory are lost", "32_resolve", "remembers what fires over a kill, and resolves what was due meanwhile as of then"],
		["MEDIUM is no severity", "src/model/severity_test.c", "outside_words_are_understood"],
		["signatures over bytes that nobody can read afterwards", LATER, "incoming webhooks"],
		["an action takes any group's id", LATER, "Slack"],
		["numbers kept by address are another tenant's", "45_two_runs", "B sees the same with A and without"],
		["preferences of all tenants in one object; members change settings", "37_orgs", "are named by owners and set by admins, over the version that was meant"],
		["one path, two handlers, two units", "src/api/api_test.c", "every_route_is_one_row_with_one_handler"],
		["the health of one integration is another's", "56_signalcraft", "says when a message was sent or given up last, of this project alone"],
		["one secret lets anybody post anywhere", LATER, "incoming webhooks"],
		["a pattern keeps the server busy for ever", LATER, "conditions of rules"],
		["no /ready, no /metrics, no drain", "80_operate", "is known before it happens, and takes what is under way to its end"],
	],
};
/** As they are counted in the lists of what was found there. */
const COUNTS: Record<string, number> = { SignalDesk: 20, SignalOps: 9, PulseBoard: 11, SignalCraft: 17 };

describe.each(Object.entries(BUGS))("of %s", (system, rows) => {
	it("each known bug has a test that is there, or a feature that it waits for", () => {
		expect(rows.length).toBe(COUNTS[system]);
		for (const [bug, file, ...names] of rows.filter((row) => row[1] !== LATER)) {
			const path = file.startsWith("src/") ? file : `test/scenario/${file}.test.ts`;
			const text = readFileSync(join(root, path), "utf8");
			expect(names.length).toBeGreaterThan(0);
			for (const name of names) {
				const made = text.split("\n").filter((line) => /^\s*(it|scenario|TEST)\b|^\s*"%s|^\s*\)\(/.test(line));
				expect([bug, made.some((line) => line.includes(name))]).toEqual([bug, true]);
			}
		}
	});
});

describe("by whatever door", () => {
	let server: Server;
	let api: Api;
	beforeAll(async () => {
		server = await Server.start();
		api = await Api.bootstrap(server.url);
	});
	afterAll(() => server.stop());

	it("by whatever door an event comes, every stream shows it", async () => {
		const { id } = (await api.get<{ id: string }>("/api/v1/projects/current")).body;
		const auth = { authorization: `Bearer ${api.key!}` };
		const ours = await Sse.open(server.url, "/api/v1/stream", auth);
		const desk = await Socket.open(server.url, "/ws", auth);
		const board = await Sse.open(server.url, `/realtime/${id}/sse`, auth);
		await Promise.all([ours.until((f) => f.length > 0), desk.until((f) => f.length > 0), board.until((f) => f.length > 0)]);
		const bare = new Api(server.url);
		const doors: ((type: string) => Promise<{ status: number }>)[] = [
			(type) => api.post("/api/v1/events", { type }),
			(type) => api.post("/api/v1/events", [{ type }]),
			(type) => api.post("/events", { type }),
			(type) => api.post("/api/events", { type, payload: {} }),
			(type) => bare.post("/ingest", { apiKey: api.key, type: "event", name: type, payload: {} }),
		];
		for (const [i, door] of doors.entries()) {
			const type = `door.${i}`;
			expect([200, 201]).toContain((await door(type)).status);
			await ours.until(() => ours.of("event").some((f) => f.data.type === type));
			await desk.until(() => desk.of("event:new").some((f) => f.payload.type === type));
			await board.until((frames) => frames.some((f) => f.data.name === type));
		}
		for (const stream of [ours, desk, board]) stream.close();
	});
});
