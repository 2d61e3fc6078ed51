// A browser without scripts: it follows redirects and keeps cookies, per origin.
import { request } from "node:http";

export interface Page {
	url: string;
	status: number;
	text: string;
	headers: Headers;
}

interface Sent {
	method?: string;
	headers?: Record<string, string>;
	body?: string;
}

/** On a connection of its own: clocks jump, and idle ones are closed then. */
function send(url: string, sent: Sent): Promise<Page> {
	return new Promise((resolve, reject) => {
		const req = request(url, { method: sent.method ?? "GET", headers: sent.headers, agent: false }, (res) => {
			let text = "";
			res.setEncoding("utf8");
			res.on("error", reject);
			res.on("data", (part: string) => (text += part));
			res.on("end", () => {
				const headers = new Headers();
				for (let i = 0; i < res.rawHeaders.length; i += 2) headers.append(res.rawHeaders[i]!, res.rawHeaders[i + 1]!);
				resolve({ url, status: res.statusCode!, text, headers });
			});
		});
		req.on("error", reject);
		req.end(sent.body);
	});
}

export class Visitor {
	private readonly jars = new Map<string, Map<string, string>>();
	/** Every address that it was sent to, the first one included. */
	trail: string[] = [];

	cookie(url: string, name: string): string | undefined {
		return this.jars.get(new URL(url).origin)?.get(name);
	}

	setCookie(url: string, name: string, value: string): void {
		this.jar(url).set(name, value);
	}

	private jar(url: string): Map<string, string> {
		const { origin } = new URL(url);
		const jar = this.jars.get(origin) ?? new Map<string, string>();
		this.jars.set(origin, jar);
		return jar;
	}

	cookies(url: string): Record<string, string> {
		const jar = this.jar(url);
		return jar.size === 0 ? {} : { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join("; ") };
	}

	/** One request, no redirect followed. */
	async ask(url: string, init: Sent = {}): Promise<Page> {
		const reply = await send(url, { ...init, headers: { ...this.cookies(url), ...init.headers } });
		for (const line of reply.headers.getSetCookie()) {
			const [pair, ...more] = line.split(";");
			const at = pair!.indexOf("=");
			const gone = more.some((one) => /^\s*(max-age=0|expires=thu, 01 jan 1970.*)$/i.test(one));
			if (gone) this.jar(url).delete(pair!.slice(0, at));
			else this.jar(url).set(pair!.slice(0, at), pair!.slice(at + 1));
		}
		return reply;
	}

	/** Go to an address and where it leads, until stop says that it is not to be gone to. */
	async visit(url: string, stop: (url: string) => boolean = () => false): Promise<Page> {
		this.trail = [];
		for (let hops = 0; hops < 20; hops++) {
			this.trail.push(url);
			if (stop(url)) return { url, status: 0, text: "", headers: new Headers() };
			const page = await this.ask(url);
			const next = page.headers.get("location");
			if (page.status < 300 || page.status >= 400 || next === null) return page;
			url = new URL(next, url).href;
		}
		throw new Error(`no end of redirects: ${this.trail.join(" ")}`);
	}
}
