// A real browser, and pages on an origin of their own.
import { existsSync } from "node:fs";
import { createServer, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";

const EXECUTABLE = process.env.TOCSIN_TEST_CHROMIUM ?? "/usr/bin/chromium";

export function hasBrowser(): boolean {
	return existsSync(EXECUTABLE);
}

/** As root it cannot have a sandbox, and it must not call home. */
export function launchBrowser(): Promise<Browser> {
	return chromium.launch({
		executablePath: EXECUTABLE,
		args: [
			"--no-sandbox",
			"--disable-gpu",
			"--disable-quic",
			"--no-first-run",
			"--disable-background-networking",
			"--disable-component-update",
			"--disable-sync",
		],
	});
}

export type { Browser, BrowserContext, Page };

/** Serves these files, by path. */
export class Site {
	private constructor(private readonly server: HttpServer) {}

	static async start(files: Record<string, { type: string; body: string }>): Promise<Site> {
		const server = createServer((req, res) => {
			const file = files[new URL(req.url!, "http://x").pathname];
			if (file === undefined) res.writeHead(404).end();
			else res.writeHead(200, { "content-type": file.type }).end(file.body);
		});
		server.listen(0, "127.0.0.1");
		await new Promise((resolve) => server.once("listening", resolve));
		return new Site(server);
	}

	get origin(): string {
		return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
	}

	async stop(): Promise<void> {
		this.server.closeAllConnections();
		await new Promise((resolve) => this.server.close(resolve));
	}
}
