// A bare connection, for bytes that no client library would send, and readers that do not read.
import { connect, type Socket as TcpSocket } from "node:net";
import { slower } from "./server.ts";

export interface WsFrame {
	final: boolean;
	opcode: number;
	payload: Buffer;
}

/** A frame as a client sends it: masked, unless the test says otherwise. */
export function wsFrame(
	opcode: number,
	payload: Uint8Array | string = "",
	more: { final?: boolean; masked?: boolean; bits?: number; length?: number } = {},
): Buffer {
	const body = Buffer.from(payload as string);
	const n = more.length ?? body.length;
	const mask = more.masked === false ? 0 : 0x80;
	const first = ((more.final ?? true) ? 0x80 : 0) | (more.bits ?? 0) | opcode;
	const head =
		n < 126
			? Buffer.from([first, mask | n])
			: n < 65536
				? Buffer.from([first, mask | 126, n >> 8, n & 255])
				: Buffer.from([first, mask | 127, 0, 0, 0, 0, ...[24, 16, 8, 0].map((b) => (n >>> b) & 255)]);
	if (mask === 0) return Buffer.concat([head, body]);
	const key = [0x12, 0x34, 0x56, 0x78];
	return Buffer.concat([head, Buffer.from(key), body.map((b, i) => b ^ key[i % 4]!)]);
}

export class Raw {
	bytes = Buffer.alloc(0);
	closed = false;
	private wake: () => void = () => undefined;

	private constructor(readonly tcp: TcpSocket) {
		tcp.on("data", (part) => {
			this.bytes = Buffer.concat([this.bytes, part]);
			this.wake();
		});
		tcp.on("error", () => undefined);
		tcp.on("close", () => {
			this.closed = true;
			this.wake();
		});
	}

	static async open(port: number): Promise<Raw> {
		const tcp = connect({ port, host: "127.0.0.1", noDelay: true });
		const raw = new Raw(tcp);
		await new Promise<void>((resolve, reject) => {
			tcp.once("connect", resolve);
			tcp.once("error", reject);
		});
		return raw;
	}

	/** A connection that asked for a WebSocket and has its first frame. */
	static async socket(port: number, path: string): Promise<Raw> {
		const raw = await Raw.open(port);
		raw.request("GET", path, {
			upgrade: "websocket",
			connection: "Upgrade",
			"sec-websocket-version": "13",
			"sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
		});
		await raw.until(() => raw.frames().length > 0);
		return raw;
	}

	request(method: string, path: string, headers: Record<string, string>, body = ""): void {
		const all: Record<string, string> = { host: "127.0.0.1", ...headers };
		if (body !== "") all["content-length"] = String(Buffer.byteLength(body));
		const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
		this.tcp.write(`${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n${body}`);
	}

	send(bytes: Uint8Array): void {
		this.tcp.write(bytes);
	}

	get text(): string {
		return this.bytes.toString("utf8");
	}

	/** The whole frames behind the head of the answer. */
	frames(): WsFrame[] {
		const all: WsFrame[] = [];
		let at = this.bytes.indexOf("\r\n\r\n") + 4;
		while (at >= 4 && at + 2 <= this.bytes.length) {
			const first = this.bytes[at]!;
			let n = this.bytes[at + 1]! & 127;
			let head = 2;
			if (n === 126) {
				if (at + 4 > this.bytes.length) break;
				n = this.bytes.readUInt16BE(at + 2);
				head = 4;
			} else if (n === 127) {
				if (at + 10 > this.bytes.length) break;
				n = Number(this.bytes.readBigUInt64BE(at + 2));
				head = 10;
			}
			if (at + head + n > this.bytes.length) break;
			const payload = this.bytes.subarray(at + head, at + head + n);
			all.push({ final: (first & 0x80) !== 0, opcode: first & 15, payload });
			at += head + n;
		}
		return all;
	}

	/** The code of the close frame, or 0. */
	get closeCode(): number {
		const close = this.frames().find((f) => f.opcode === 8);
		return close === undefined || close.payload.length < 2 ? 0 : close.payload.readUInt16BE(0);
	}

	async until(done: () => boolean, timeoutMs = 10_000): Promise<void> {
		const end = Date.now() + timeoutMs * slower;
		while (!done()) {
			const left = end - Date.now();
			if (left <= 0) throw new Error(`not in ${timeoutMs} ms; got ${this.text.slice(-500)}`);
			await new Promise<void>((resolve) => {
				const timer = setTimeout(resolve, left);
				this.wake = () => {
					clearTimeout(timer);
					resolve();
				};
			});
		}
	}

	close(): void {
		this.tcp.destroy();
	}
}
