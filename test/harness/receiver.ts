// A webhook receiver that remembers what came, and answers as its script says.
import { createServer, type IncomingHttpHeaders, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { promisify } from "node:util";
import { eventually } from "./api.ts";

export interface Received {
	at: number;
	path: string;
	headers: IncomingHttpHeaders;
	body: string;
	json: Record<string, unknown>;
	/** What was answered; 0 when nothing was. */
	status: number;
}

export interface Answer {
	status?: number;
	headers?: Record<string, string>;
	body?: string;
	/** Break the connection without an answer. */
	reset?: boolean;
	/** Never answer; the connection stays open until the receiver stops. */
	hang?: boolean;
	/** Answer only when this is over. */
	after?: Promise<unknown>;
}

export class Receiver {
	readonly got: Received[] = [];
	/** What to answer; by default 200. */
	script: (request: Omit<Received, "status">, n: number) => Answer = () => ({});
	private waiters: (() => void)[] = [];

	private constructor(private readonly server: HttpServer) {}

	static async start(): Promise<Receiver> {
		const server = createServer({ keepAliveTimeout: 60_000 });
		const receiver = new Receiver(server);
		server.on("request", (req, res) => {
			let body = "";
			req.setEncoding("utf8");
			req.on("data", (part: string) => (body += part));
			req.on("end", () => {
				const isJson = (req.headers["content-type"] ?? "").includes("/json");
				const json = (isJson ? JSON.parse(body) : {}) as Record<string, unknown>;
				const request = { at: Date.now(), path: req.url ?? "", headers: req.headers, body, json };
				const answer = receiver.script(request, receiver.got.length);
				const silent = answer.reset === true || answer.hang === true;
				receiver.got.push({ ...request, status: silent ? 0 : (answer.status ?? 200) });
				const reply = () => res.writeHead(answer.status ?? 200, answer.headers).end(answer.body ?? "");
				if (answer.reset) req.socket.resetAndDestroy();
				else if (answer.after !== undefined) void answer.after.then(reply);
				else if (!answer.hang) reply();
				for (const wake of receiver.waiters.splice(0)) wake();
			});
		});
		server.listen(0, "127.0.0.1");
		await new Promise((resolve) => server.once("listening", resolve));
		return receiver;
	}

	get port(): number {
		return (this.server.address() as AddressInfo).port;
	}

	get url(): string {
		return `http://127.0.0.1:${this.port}/hook`;
	}

	/** Wait until the condition over what came holds. */
	async until(done: (got: Received[]) => boolean, timeoutMs = 15_000): Promise<Received[]> {
		const end = Date.now() + timeoutMs * Number(process.env.TOCSIN_TEST_SLOWER ?? 1);
		while (!done(this.got)) {
			const left = end - Date.now();
			if (left <= 0) throw new Error(`only ${this.got.length} deliveries in ${timeoutMs} ms`);
			await new Promise<void>((resolve) => {
				const timer = setTimeout(resolve, left);
				this.waiters.push(() => {
					clearTimeout(timer);
					resolve();
				});
			});
		}
		return this.got;
	}

	/** Wait until no connection is open: what a sender that is gone had sent was all received. */
	async disconnected(): Promise<void> {
		await eventually(
			() => promisify(this.server.getConnections.bind(this.server))(),
			(n) => n === 0,
		);
	}

	async stop(): Promise<void> {
		this.server.closeAllConnections();
		await new Promise((resolve) => this.server.close(resolve));
	}
}
