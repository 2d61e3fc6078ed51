// Answers that come line by line: searches and exports, whole, cut, or read slowly.
import { type IncomingMessage, request } from "node:http";
import type { Api } from "./api.ts";

export interface Lines {
	status: number;
	/** Whole lines. */
	lines: string[];
	/** What stood behind the last of them. */
	rest: string;
	/** The answer ended as a whole one does. */
	whole: boolean;
}

/** Begin a request; what is not read waits at the server. */
export function begin(api: Api, path: string): Promise<IncomingMessage> {
	return new Promise((resolve, reject) => {
		const headers = { authorization: `Bearer ${api.key}` };
		const req = request(api.url + path, { headers, agent: false }, resolve);
		req.on("error", reject);
		req.end();
	});
}

/** Read on to the end, or cut the connection once so many bytes are there. */
export async function readOn(res: IncomingMessage, cutAt = Infinity): Promise<Lines> {
	const parts: Buffer[] = [];
	let n = 0;
	let whole = true;
	try {
		for await (const part of res as AsyncIterable<Buffer>) {
			parts.push(part);
			n += part.length;
			if (n >= cutAt) {
				whole = false;
				res.destroy();
				break;
			}
		}
	} catch {
		whole = false;
	}
	const text = Buffer.concat(parts).subarray(0, cutAt).toString("utf8");
	const lines = text.split("\n");
	const rest = lines.pop()!;
	return { status: res.statusCode!, lines, rest, whole: whole && res.complete };
}

export async function readLines(api: Api, path: string, cutAt?: number): Promise<Lines> {
	return readOn(await begin(api, path), cutAt);
}
