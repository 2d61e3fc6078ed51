// A gate on the way to a server: it lets requests through, answers in the server's place, or breaks
// connections before or after the server has heard of it. What goes through is not changed.
import { createServer, type IncomingHttpHeaders, request, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface Passing {
	/** By performance.now(), in milliseconds. */
	at: number;
	method: string;
	headers: IncomingHttpHeaders;
	body: string;
}

/**
 * `pass`: through. `cut`: through, but the connection breaks in place of an answer. `swallow`: through, and no answer ever.
 * `break`: not even through. Otherwise what is answered in the server's place.
 */
export type Fate = "pass" | "cut" | "swallow" | "break" | { status: number; headers?: Record<string, string>; body?: string };

export class Gate {
	readonly passed: Passing[] = [];
	/** What becomes of a request; by default it passes. */
	fate: (passing: Passing, n: number) => Fate = () => "pass";

	private constructor(private readonly server: HttpServer) {}

	/** A gate before the server whose address this gives each time. */
	static async start(target: () => string): Promise<Gate> {
		const server = createServer();
		const gate = new Gate(server);
		server.on("request", (req, res) => {
			const parts: Buffer[] = [];
			req.on("error", () => undefined);
			req.on("data", (part: Buffer) => parts.push(part));
			req.on("end", () => {
				const body = Buffer.concat(parts);
				const passing = {
					at: performance.now(),
					method: req.method!,
					headers: req.headers,
					body: body.toString("utf8"),
				};
				const fate = gate.fate(passing, gate.passed.length);
				gate.passed.push(passing);
				if (fate === "break") req.socket.resetAndDestroy();
				else if (typeof fate === "object") res.writeHead(fate.status, fate.headers).end(fate.body ?? "");
				else {
					const options = { method: req.method!, headers: req.headers, agent: false as const };
					const out = request(target() + req.url!, options, (answer) => {
						if (fate !== "pass") {
							answer.resume().on("end", () => fate === "cut" && req.socket.resetAndDestroy());
							return;
						}
						res.writeHead(answer.statusCode!, answer.headers);
						answer.pipe(res);
					});
					out.on("error", () => req.socket.resetAndDestroy());
					out.end(body);
				}
			});
		});
		server.listen(0, "127.0.0.1");
		await new Promise((resolve) => server.once("listening", resolve));
		return gate;
	}

	get url(): string {
		return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
	}

	async stop(): Promise<void> {
		this.server.closeAllConnections();
		await new Promise((resolve) => this.server.close(resolve));
	}
}
