// A real tocsin process with a data directory of its own, started, killed and started again.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

export const binary = process.env.TOCSIN_BIN ?? join(import.meta.dirname, "../../build/tocsin");

export interface ServerOptions {
	args?: string[];
	env?: Record<string, string>;
	/** A fixed data directory; without it each server gets a fresh one, removed at the end. */
	data?: string;
	/** A state database elsewhere, for running the scenarios on PostgreSQL. */
	databaseUrl?: string;
}

export interface LogLine {
	time: string;
	level: string;
	event: string;
	[field: string]: unknown;
}

export class Server {
	readonly data: string;
	readonly log: LogLine[] = [];
	port = 0;
	setupToken = "";
	private child: ChildProcess | undefined;
	private waiters: { match: (line: LogLine) => boolean; done: (line: LogLine) => void }[] = [];
	private exited: Promise<number | null> = Promise.resolve(0);

	private constructor(private readonly options: ServerOptions) {
		this.data = options.data ?? mkdtempSync(join(tmpdir(), "tocsin-"));
	}

	/** Start a server on a free loopback port and wait until it is ready. */
	static async start(options: ServerOptions = {}): Promise<Server> {
		const server = new Server(options);
		await server.launch();
		return server;
	}

	get url(): string {
		return `http://127.0.0.1:${this.port}`;
	}

	get pid(): number {
		const pid = this.child?.pid;
		if (pid === undefined) throw new Error("the server does not run");
		return pid;
	}

	/** Start the process again, on the same data and port. */
	async launch(): Promise<void> {
		const args = ["serve", "--data", this.data, "--listen", `127.0.0.1:${this.port}`];
		args.push("--log-format", "json", "--allow-private-targets", "loopback");
		const url = this.options.databaseUrl ?? process.env.TOCSIN_SCENARIO_DATABASE_URL;
		if (url !== undefined) args.push("--database-url", url);
		args.push(...(this.options.args ?? []));
		const child = spawn(binary, args, {
			env: { ...process.env, ...this.options.env },
			stdio: ["ignore", "ignore", "pipe"],
		});
		this.child = child;
		this.exited = once(child, "exit").then(([code]) => code as number | null);
		createInterface({ input: child.stderr! }).on("line", (line) => this.onLine(line));
		const ready = this.waitLog((line) => line.event === "server_ready", 30_000);
		const early = this.exited.then((code) => {
			throw new Error(`the server exited with ${code} before it was ready:\n${this.tail()}`);
		});
		await Promise.race([ready, early]);
		early.catch(() => undefined);
	}

	private onLine(text: string): void {
		let line: LogLine;
		try {
			line = JSON.parse(text) as LogLine;
		} catch {
			line = { time: "", level: "raw", event: "raw", text };
		}
		this.log.push(line);
		if (line.event === "server_listening" && typeof line.port === "number") this.port = line.port;
		if (line.event === "setup_token") this.setupToken = String(line.token);
		for (const waiter of [...this.waiters]) {
			if (waiter.match(line)) waiter.done(line);
		}
	}

	/** The next (or an already seen) log line that matches. */
	waitLog(match: (line: LogLine) => boolean, timeoutMs = 10_000): Promise<LogLine> {
		return new Promise((resolve, reject) => {
			const timer = setTimeout(() => {
				this.waiters = this.waiters.filter((w) => w !== waiter);
				reject(new Error(`no such log line in ${timeoutMs} ms; last lines:\n${this.tail()}`));
			}, timeoutMs);
			const waiter = {
				match,
				done: (line: LogLine) => {
					clearTimeout(timer);
					this.waiters = this.waiters.filter((w) => w !== waiter);
					resolve(line);
				},
			};
			this.waiters.push(waiter);
		});
	}

	tail(lines = 20): string {
		return this.log
			.slice(-lines)
			.map((line) => JSON.stringify(line))
			.join("\n");
	}

	/** Send a signal and wait for the end; the exit code, or null when killed by the signal. */
	async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<number | null> {
		this.child?.kill(signal);
		return this.exited;
	}

	/** Stop politely and remove the data directory if it was ours. */
	async stop(): Promise<void> {
		const code = await this.kill("SIGTERM");
		if (this.options.data === undefined) rmSync(this.data, { recursive: true, force: true });
		if (code !== 0) throw new Error(`the server left with ${code}:\n${this.tail()}`);
	}
}
