// Live streams as their clients see them: an SSE reader of our own, and the npm client for sockets.
import { type ClientRequest, request } from "node:http";
import { WebSocket } from "ws";
import { slower } from "./server.ts";

export interface Frame {
	event: string;
	id: string;
	data: Record<string, unknown>;
}

/** Frames that came, and waiting for a condition over them. */
class Inbox<T> {
	readonly frames: T[] = [];
	private waiters: (() => void)[] = [];

	protected wake(): void {
		for (const waiter of this.waiters.splice(0)) waiter();
	}

	protected async waitFor(done: () => boolean, timeoutMs: number): Promise<void> {
		const end = Date.now() + timeoutMs * slower;
		while (!done()) {
			const left = end - Date.now();
			if (left <= 0) {
				const last = JSON.stringify(this.frames.slice(-3));
				throw new Error(`not in ${timeoutMs} ms; ${this.frames.length} frames, last ${last}`);
			}
			await new Promise<void>((resolve) => {
				const timer = setTimeout(resolve, left);
				this.waiters.push(() => {
					clearTimeout(timer);
					resolve();
				});
			});
		}
	}

	/** Wait until the condition over the frames holds. */
	async until(done: (frames: T[]) => boolean, timeoutMs = 10_000): Promise<T[]> {
		await this.waitFor(() => done(this.frames), timeoutMs);
		return this.frames;
	}
}

export class Sse extends Inbox<Frame> {
	status = 0;
	lastId = "";
	closed = false;
	private text = "";

	private constructor(private readonly req: ClientRequest) {
		super();
	}

	static async open(
		url: string,
		path = "/api/v1/stream",
		headers: Record<string, string> = {},
	): Promise<Sse> {
		const req = request(url + path, { headers, agent: false });
		const sse = new Sse(req);
		await new Promise<void>((resolve, reject) => {
			req.on("error", (error) => {
				sse.closed = true;
				sse.wake();
				reject(error);
			});
			req.on("response", (res) => {
				sse.status = res.statusCode!;
				res.setEncoding("utf8");
				res.on("data", (part: string) => sse.feed(part));
				res.on("error", () => undefined);
				res.on("close", () => {
					sse.closed = true;
					sse.wake();
				});
				resolve();
			});
			req.end();
		});
		return sse;
	}

	private feed(part: string): void {
		this.text += part;
		for (;;) {
			const end = this.text.indexOf("\n\n");
			if (end < 0) break;
			const block = this.text.slice(0, end);
			this.text = this.text.slice(end + 2);
			const fields: Record<string, string> = {};
			for (const line of block.split("\n")) {
				const colon = line.indexOf(": ");
				if (colon > 0) fields[line.slice(0, colon)] = line.slice(colon + 2);
			}
			if (fields.id !== undefined) this.lastId = fields.id;
			if (fields.data === undefined) continue;
			this.frames.push({
				event: fields.event ?? "message",
				id: this.lastId,
				data: JSON.parse(fields.data) as Record<string, unknown>,
			});
		}
		this.wake();
	}

	of(event: string): Frame[] {
		return this.frames.filter((frame) => frame.event === event);
	}

	async ended(timeoutMs = 10_000): Promise<void> {
		await this.waitFor(() => this.closed, timeoutMs);
	}

	close(): void {
		this.req.destroy();
	}
}

export interface SocketFrame {
	type: string;
	payload: Record<string, unknown>;
	streamId?: string;
}

export class Socket extends Inbox<SocketFrame> {
	code = 0;
	reason = "";

	private constructor(readonly ws: WebSocket) {
		super();
	}

	static async open(
		url: string,
		path: string,
		headers: Record<string, string> = {},
	): Promise<Socket> {
		const ws = new WebSocket(url.replace("http", "ws") + path, { headers });
		const socket = new Socket(ws);
		ws.on("message", (data: Buffer) => {
			socket.frames.push(JSON.parse(data.toString("utf8")) as SocketFrame);
			socket.wake();
		});
		ws.on("close", (code, reason) => {
			socket.code = code;
			socket.reason = reason.toString("utf8");
			socket.wake();
		});
		await new Promise<void>((resolve, reject) => {
			ws.once("open", resolve);
			ws.once("error", reject);
		});
		ws.on("error", () => undefined);
		return socket;
	}

	of(type: string): SocketFrame[] {
		return this.frames.filter((frame) => frame.type === type);
	}

	/** The close code, once it is there. */
	async ended(timeoutMs = 10_000): Promise<number> {
		await this.waitFor(() => this.code !== 0, timeoutMs);
		return this.code;
	}

	close(): void {
		this.ws.terminate();
	}
}
