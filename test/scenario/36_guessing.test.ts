// A hundred thousand guesses: how many of them are looked at at all, whoever sends them.
import { randomUUID } from "node:crypto";
import { connect, type Socket } from "node:net";
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { Api } from "../harness/api.ts";
import { PASSWORD, Person, tryLogin } from "../harness/person.ts";
import { Server, slower } from "../harness/server.ts";

/** Connections, and requests under way on each. */
interface Crowd {
	lanes: number;
	inLine: number;
}
const STORM: Crowd = { lanes: 8, inLine: 50 };
/** As many as are hashed at a time: each guess is looked at that may be. */
const PAIR: Crowd = { lanes: 2, inLine: 1 };
const mail = () => `${randomUUID()}@example.com`;

interface Tally {
	/** By status. */
	[status: string]: number;
}

/** One connection that always has some requests under way, until all of them are answered. */
async function shoot(
	port: number,
	n: number,
	inLine: number,
	request: (i: number) => string,
	tally: Tally,
): Promise<void> {
	const socket: Socket = connect({ port, host: "127.0.0.1", noDelay: true });
	await once(socket, "connect");
	let sent = 0;
	let answered = 0;
	let text = "";
	const more = () => {
		let batch = "";
		for (; sent < n && sent - answered < inLine; sent++) batch += request(sent);
		if (batch !== "") socket.write(batch);
	};
	await new Promise<void>((resolve, reject) => {
		socket.on("error", reject);
		socket.on("close", () => (answered === n ? resolve() : reject(new Error(`closed after ${answered} of ${n}`))));
		socket.on("data", (part: Buffer) => {
			text += part.toString("latin1");
			for (;;) {
				const head = text.indexOf("\r\n\r\n");
				if (head < 0) break;
				const length = Number(/\r\ncontent-length: (\d+)/i.exec(text.slice(0, head))?.[1] ?? 0);
				if (text.length < head + 4 + length) break;
				const status = text.slice(9, 12);
				tally[status] = (tally[status] ?? 0) + 1;
				text = text.slice(head + 4 + length);
				answered++;
			}
			if (answered === n) socket.end();
			else more();
		});
		more();
	});
}

/** n logins over several connections; what they got. */
async function guess(
	server: Server,
	n: number,
	crowd: Crowd,
	login: (i: number) => { email: string; headers?: string },
): Promise<Tally> {
	const tally: Tally = {};
	const each = Math.ceil(n / crowd.lanes);
	const request = (lane: number) => (i: number) => {
		const at = lane * each + i;
		const { email, headers = "" } = login(at);
		const body = JSON.stringify({ email, password: `guess number ${at}` });
		return `POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n${headers}content-length: ${body.length}\r\n\r\n${body}`;
	};
	await Promise.all(Array.from({ length: crowd.lanes }, (_, lane) => shoot(server.port, each, crowd.inLine, request(lane), tally)));
	return tally;
}

const total = (tally: Tally) => Object.values(tally).reduce((a, b) => a + b, 0);
/** An address that is no proxy: another one each time. */
const address = (i: number) => `198.${18 + ((i >> 16) & 1)}.${(i >> 8) & 255}.${i & 255}`;

describe("of a hundred thousand guesses", () => {
	it("a handful are looked at when they come from everywhere, over restarts, too", { timeout: 180_000 * slower }, async () => {
		// Each guess says that it comes from another address, and the proxy is believed.
		const server = await Server.start({
			clock: true,
			args: ["--signup", "open", "--rate-auth", "0", "--trusted-proxies", "127.0.0.1"],
		});
		const email = mail();
		await Person.signUp(server.url, email);
		const from = (i: number) => ({ email, headers: `x-forwarded-for: 203.0.113.9, ${address(i)}\r\n` });
		const began = Date.now();
		const tally = await guess(server, 100_000, STORM, from);
		const seconds = (Date.now() - began) / 1000;
		// 503: two at a time were being hashed. Nothing was learnt by it, so it does not count.
		const looked = tally["401"] ?? 0;
		expect(total(tally)).toBe(100_000);
		expect(tally["200"] ?? 0).toBe(0);
		expect(tally["429"]! + (tally["503"] ?? 0)).toBe(100_000 - looked);
		// Ten are free, then locks double: after s seconds no more than log2(s) more.
		expect(looked).toBeLessThanOrEqual(10 + 1 + Math.ceil(Math.log2(seconds + 2)));
		console.log(`${looked} of 100000 guesses looked at, in ${seconds.toFixed(1)} s, from as many addresses`);
		// Some more, until the lock is longer than a restart takes.
		for (let failures = looked; failures < 17; ) {
			const reply = await tryLogin(server.url, email, "wrong");
			if (reply.status === 401) failures++;
			else server.advance(Number(reply.headers.get("retry-after")) * 1000);
		}
		// Its owner waits as well, from wherever he comes, and a restart does not free anybody.
		expect((await tryLogin(server.url, email, PASSWORD)).status).toBe(429);
		await server.restart();
		expect((await tryLogin(server.url, email, PASSWORD)).status).toBe(429);
		expect(await guess(server, 1_000, STORM, (i) => from(100_000 + i))).toEqual({ 429: 1_000 });
		// In the same day he is in, at the latest after a quarter of an hour.
		server.advance(15 * 60_000);
		expect((await tryLogin(server.url, email, PASSWORD)).status).toBe(200);
		await server.stop();
	});

	it("a few dozen are looked at when one address tries many accounts, whatever it says it is", async () => {
		const server = await Server.start({ args: ["--signup", "open", "--rate-auth", "0"] });
		const games = [
			(i: number) => `x-forwarded-for: ${address(i)}\r\n`,
			(i: number) => `x-forwarded-for: 127.0.0.1, ${address(i)}, 10.0.0.1\r\nx-real-ip: ${address(i)}\r\n`,
			(i: number) => `forwarded: for=${address(i)}\r\nx-forwarded-for: ${address(i)}\r\nx-forwarded-for: "${i}"\r\n`,
			(i: number) => `x-client-ip: ${address(i)}\r\ntrue-client-ip: ${address(i)}\r\ncf-connecting-ip: ${address(i)}\r\n`,
		];
		const began = Date.now();
		const tally = await guess(server, 10_000, PAIR, (i) => ({ email: `${i}@example.com`, headers: games[i % games.length]!(i) }));
		const seconds = (Date.now() - began) / 1000;
		const looked = tally["401"] ?? 0;
		expect((tally["429"] ?? 0) + (tally["503"] ?? 0)).toBe(10_000 - looked);
		expect(looked).toBeGreaterThanOrEqual(50);
		expect(looked).toBeLessThanOrEqual(50 + 1 + Math.ceil(Math.log2(seconds + 2)));
		await server.stop();
	});

	it("what stands left of the last proxy is not believed", async () => {
		const server = await Server.start({
			args: ["--signup", "open", "--rate-auth", "0", "--trusted-proxies", "127.0.0.1,10.0.0.0/8"],
		});
		// The client chooses what it sends; the proxies add where it really comes from.
		const forged = (i: number) => `x-forwarded-for: ${address(i)}, 192.0.2.66, 10.1.2.3\r\n`;
		const tally = await guess(server, 5_000, PAIR, (i) => ({ email: `${i}@example.com`, headers: forged(i) }));
		expect(tally["401"]).toBeGreaterThanOrEqual(50);
		expect(tally["401"]).toBeLessThanOrEqual(60);
		// A neighbour behind the same proxy is not held up.
		const email = mail();
		const neighbour = { "x-forwarded-for": "192.0.2.67, 10.1.2.3" };
		const joined = await new Api(server.url).post("/api/v1/auth/signup", { email, password: PASSWORD, orgName: "x" }, neighbour);
		expect(joined.status).toBe(201);
		const login = await new Api(server.url).post("/api/v1/auth/login", { email, password: PASSWORD }, neighbour);
		expect(login.status).toBe(200);
		await server.stop();
	});
});
