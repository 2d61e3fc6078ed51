// The API as a person with curl sees it: a method, a path, a body; a status, headers, a body.
export interface Reply<T = Record<string, unknown>> {
	status: number;
	headers: Headers;
	body: T;
	text: string;
}

export class Api {
	constructor(
		readonly url: string,
		readonly key?: string,
	) {}

	async call<T = Record<string, unknown>>(
		method: string,
		path: string,
		body?: unknown,
		headers: Record<string, string> = {},
	): Promise<Reply<T>> {
		const all: Record<string, string> = { ...headers };
		if (this.key !== undefined && all.authorization === undefined) {
			all.authorization = `Bearer ${this.key}`;
		}
		if (body !== undefined && all["content-type"] === undefined) {
			all["content-type"] = "application/json";
		}
		const raw = typeof body === "string" || body instanceof Uint8Array;
		const payload = body === undefined ? null : raw ? (body as BodyInit) : JSON.stringify(body);
		const res = await fetch(this.url + path, { method, headers: all, body: payload });
		const text = await res.text();
		let json: unknown = undefined;
		if ((res.headers.get("content-type") ?? "").includes("json") && text !== "") {
			json = JSON.parse(text);
		}
		return { status: res.status, headers: res.headers, body: json as T, text };
	}

	get<T = Record<string, unknown>>(path: string, headers?: Record<string, string>) {
		return this.call<T>("GET", path, undefined, headers);
	}
	post<T = Record<string, unknown>>(path: string, body?: unknown, headers?: Record<string, string>) {
		return this.call<T>("POST", path, body, headers);
	}
	patch<T = Record<string, unknown>>(path: string, body: unknown, headers?: Record<string, string>) {
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
	const end = Date.now() + timeoutMs;
	for (;;) {
		const value = await ask();
		if (good(value)) return value;
		if (Date.now() > end) throw new Error(`still ${JSON.stringify(value)} after ${timeoutMs} ms`);
		await new Promise((resolve) => setImmediate(resolve));
	}
}
