// The API as a person with curl sees it: a method, a path, a body; a status, headers, a body.
import { randomUUID } from "node:crypto";
import { Agent, request } from "node:http";
import { watch } from "./canary.ts";
import { holdTo } from "./contract.ts";

export interface Reply<T = Record<string, unknown>> {
	status: number;
	headers: Headers;
	body: T;
	text: string;
}

export interface Problem {
	title: string;
	status: number;
	error: string;
	code: string;
	field?: string;
	details?: Record<string, string>;
	requestId: string;
}

/** Not fetch: a test sends any header, and decides when connections end. */
const agents = new Map<string, Agent>();

function agentOf(url: string): Agent {
	let agent = agents.get(url);
	if (agent === undefined) {
		agent = new Agent({ keepAlive: true, maxSockets: 64 });
		agents.set(url, agent);
	}
	return agent;
}

/** Close the connections to a server that nobody uses now. */
export function closeIdle(url: string): void {
	agents.get(url)?.destroy();
	agents.delete(url);
}

function once(
	url: string,
	method: string,
	path: string,
	headers: Record<string, string>,
	body: string | Uint8Array | undefined,
): Promise<Reply & { raw: Buffer }> {
	return new Promise((resolve, reject) => {
		const payload = body === undefined ? undefined : Buffer.from(body as string);
		const all = { ...headers };
		if (payload !== undefined) all["content-length"] ??= String(payload.length);
		const req = request(url + path, { method, headers: all, agent: agentOf(url) }, (res) => {
			const parts: Buffer[] = [];
			res.on("data", (part: Buffer) => parts.push(part));
			res.on("error", reject);
			res.on("end", () => {
				const raw = Buffer.concat(parts);
				const got = new Headers();
				for (let i = 0; i < res.rawHeaders.length; i += 2) {
					got.append(res.rawHeaders[i]!, res.rawHeaders[i + 1]!);
				}
				const text = raw.toString("utf8");
				resolve({ status: res.statusCode!, headers: got, body: {}, text, raw });
			});
		});
		req.on("error", (error: NodeJS.ErrnoException) => {
			// A connection kept from before may have been closed by the other side meanwhile.
			if (req.reusedSocket && error.code === "ECONNRESET") {
				once(url, method, path, headers, body).then(resolve, reject);
			} else {
				reject(error);
			}
		});
		req.end(payload);
	});
}

/** Calls of ours that are done once under a key; all scenarios send one, so that each is. */
const takesKey = /^\/api\/v1\/(?!events\b|auth\/|stream\/)/;

export class Api {
	constructor(
		readonly url: string,
		readonly key?: string,
		/** Whether a proxy may answer in the server's place: its replies have no request id. */
		private readonly proxied = false,
	) {}

	async call<T = Record<string, unknown>>(
		method: string,
		path: string,
		body?: unknown,
		headers: Record<string, string> = {},
	): Promise<Reply<T>> {
		const all: Record<string, string> = { ...headers };
		if (method === "POST" && takesKey.test(path)) all["idempotency-key"] ??= randomUUID();
		if (this.key !== undefined && all.authorization === undefined) {
			all.authorization = `Bearer ${this.key}`;
		}
		if (body !== undefined && all["content-type"] === undefined) {
			all["content-type"] = "application/json";
		}
		const raw = body === undefined || typeof body === "string" || body instanceof Uint8Array;
		const payload = raw ? (body as string | Uint8Array | undefined) : JSON.stringify(body);
		const reply = await once(this.url, method, path, all, payload);
		if (!this.proxied || reply.headers.has("x-request-id")) {
			holdTo({
				method,
				path,
				status: reply.status,
				type: reply.headers.get("content-type") ?? "",
				text: reply.text,
			});
		}
		const sent = typeof payload === "string" ? payload : "";
		watch(this.url, { headers: all, body: sent, status: reply.status, text: reply.text });
		let json: unknown = {};
		if (/[/+]json/.test(reply.headers.get("content-type") ?? "") && reply.text !== "") {
			json = JSON.parse(reply.text);
		}
		return { ...reply, body: json as T };
	}

	get<T = Record<string, unknown>>(path: string, headers?: Record<string, string>) {
		return this.call<T>("GET", path, undefined, headers);
	}
	post<T = Record<string, unknown>>(
		path: string,
		body?: unknown,
		headers?: Record<string, string>,
	) {
		return this.call<T>("POST", path, body, headers);
	}
	patch<T = Record<string, unknown>>(
		path: string,
		body: unknown,
		headers?: Record<string, string>,
	) {
		return this.call<T>("PATCH", path, body, headers);
	}
	delete<T = Record<string, unknown>>(path: string, headers?: Record<string, string>) {
		return this.call<T>("DELETE", path, undefined, headers);
	}

	/** The first key of a fresh server, and a client that uses it. */
	static async bootstrap(url: string): Promise<Api> {
		const reply = await new Api(url).post<{ key: string }>("/api-keys", { name: "first" });
		if (reply.status !== 201) throw new Error(`no first key: ${reply.status} ${reply.text}`);
		return new Api(url, reply.body.key);
	}
}

/** Ask again until the answer satisfies, without guessing how long it takes. */
export async function eventually<T>(
	ask: () => Promise<T>,
	good: (value: T) => boolean,
	timeoutMs = 15_000,
): Promise<T> {
	const end = Date.now() + timeoutMs * Number(process.env.TOCSIN_TEST_SLOWER ?? 1);
	for (;;) {
		const value = await ask();
		if (good(value)) return value;
		if (Date.now() > end) {
			const shown = JSON.stringify(value).slice(0, 2000);
			throw new Error(`still ${shown} after ${timeoutMs} ms`);
		}
		await new Promise((resolve) => setTimeout(resolve, 5));
	}
}
