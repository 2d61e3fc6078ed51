// A real tocsin process with a data directory of its own, started, killed and started again.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
	closeSync,
	mkdtempSync,
	openSync,
	readdirSync,
	readFileSync,
	rmSync,
	writeFileSync,
	writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { closeIdle } from "./api.ts";
import { checkBooks } from "./books.ts";
import { lookEverywhere } from "./canary.ts";
import { everyRow, type Store, makeDatabase } from "./store.ts";

/** Sanitizers make everything slower; waits grow with it. */
export const slower = Number(process.env.TOCSIN_TEST_SLOWER ?? 1);

export const binary = process.env.TOCSIN_BIN ?? join(import.meta.dirname, "../../build/tocsin");

export interface ServerOptions {
	args?: string[];
	env?: Record<string, string>;
	/** A fixed data directory; without it each server gets a fresh one, removed at the end. */
	data?: string;
	/** What it starts with comes from a backup, whose books may lack a second of its log. */
	restored?: boolean;
	/** Where the state is: a file in the data directory, or a database made for this server. */
	store?: Store;
	/** Let the clock be moved by Server.advance. */
	clock?: boolean;
	/** What webhooks may reach; by default loopback, where the receivers are. */
	privateTargets?: string;
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
	/** Variables of the next launch. */
	env: Record<string, string>;
	private child: ChildProcess | undefined;
	private waiters: { match: (line: LogLine) => boolean; done: (line: LogLine) => void }[] = [];
	private exited: Promise<number | null> = Promise.resolve(0);
	/** The signal that ended the last process, if one did. */
	endedBy: string | null = null;
	private crashed = false;
	private readonly root: string;
	private readonly clockFile: string;
	private shiftUs = 0n;
	private wallUs = 0n;
	private database: { url: string; drop: () => Promise<void> } | undefined;

	private constructor(private readonly options: ServerOptions) {
		this.root = mkdtempSync(join(tmpdir(), "tocsin-"));
		this.data = options.data ?? join(this.root, "data");
		this.clockFile = join(this.root, "clock");
		this.env = options.env ?? {};
		if (options.clock === true) writeFileSync(this.clockFile, new Uint8Array(16));
	}

	/** Start a server on a free loopback port and wait until it is ready. */
	static async start(options: ServerOptions = {}): Promise<Server> {
		const server = await Server.prepare(options);
		await server.launch();
		return server;
	}

	/** A server that was not started yet: with a directory, and a database if it needs one. */
	static async prepare(options: ServerOptions = {}): Promise<Server> {
		const server = new Server(options);
		if (options.store === "postgres") server.database = await makeDatabase();
		return server;
	}

	/** Move both clocks of the server, running or not, ahead; idle connections are closed first. */
	advance(ms: number): void {
		if (this.options.clock !== true) throw new Error("this server has no test clock");
		closeIdle(this.url);
		this.shiftUs += BigInt(Math.round(ms * 1000));
		this.moveClocks();
	}

	/** Set the wall clock of the server, running or not, by so much from what it is. */
	setWall(ms: number): void {
		this.wallUs += BigInt(Math.round(ms * 1000));
		this.moveClocks();
	}

	private moveClocks(): void {
		if (this.options.clock !== true) throw new Error("this server has no test clock");
		const fd = openSync(this.clockFile, "r+");
		// In place: the server has the file mapped.
		const shifts = new BigInt64Array([this.shiftUs, this.wallUs]);
		writeSync(fd, new Uint8Array(shifts.buffer), 0, 16, 0);
		closeSync(fd);
	}

	/** What the server's clock says, in milliseconds. */
	now(): number {
		return Date.now() + Number((this.shiftUs + this.wallUs) / 1000n);
	}

	/** Flags that every command on this server's state needs. */
	stateFlags(): string[] {
		const flags = ["--data", this.data];
		if (this.database !== undefined) flags.push("--database-url", this.database.url);
		return flags;
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
		const args = ["serve", ...this.stateFlags(), "--listen", `127.0.0.1:${this.port}`];
		args.push("--log-format", "json");
		args.push("--allow-private-targets", this.options.privateTargets ?? "loopback");
		args.push(...(this.options.args ?? []));
		const env: NodeJS.ProcessEnv = { ...process.env, ...this.env };
		if (this.options.clock === true) env.TOCSIN_TEST_CLOCK = this.clockFile;
		const child = spawn(binary, args, { env, stdio: ["ignore", "ignore", "pipe"] });
		this.child = child;
		// "close" comes after the last log line, "exit" may come before it.
		this.exited = once(child, "close").then(([code, signal]) => {
			this.endedBy = signal as string | null;
			this.crashed ||= code !== 0;
			return code as number | null;
		});
		createInterface({ input: child.stderr }).on("line", (line) => this.onLine(line));
		const ready = this.nextLog((line) => line.event === "server_ready", 30_000);
		const early = this.exited.then((code) => {
			const how = code ?? this.endedBy;
			throw new Error(`the server exited with ${how} before it was ready:\n${this.tail()}`);
		});
		early.catch(() => undefined);
		ready.catch(() => undefined);
		await Promise.race([ready, early]);
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

	/** An already seen log line that matches, or the next one. */
	async waitLog(match: (line: LogLine) => boolean, timeoutMs = 10_000): Promise<LogLine> {
		return this.log.find(match) ?? this.nextLog(match, timeoutMs);
	}

	/** The next log line that matches. */
	private nextLog(match: (line: LogLine) => boolean, timeoutMs: number): Promise<LogLine> {
		return new Promise((resolve, reject) => {
			const timer = setTimeout(() => {
				this.waiters = this.waiters.filter((w) => w !== waiter);
				reject(new Error(`no such log line in ${timeoutMs} ms; last lines:\n${this.tail()}`));
			}, timeoutMs * slower);
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

	/** Send a signal without waiting for what it does. */
	signal(signal: NodeJS.Signals): void {
		this.child?.kill(signal);
	}

	/** Let no thread take another step until SIGCONT. */
	async freeze(): Promise<void> {
		const tasks = `/proc/${this.pid}/task`;
		const state = (task: string) => /\) (\S)/.exec(readFileSync(`${tasks}/${task}/stat`, "utf8"))?.[1];
		this.signal("SIGSTOP");
		while (!readdirSync(tasks).every((task) => state(task) === "T")) {
			await new Promise((resolve) => setTimeout(resolve, 1));
		}
	}

	/** Wait for the end; the exit code, or null when killed by a signal. */
	end(): Promise<number | null> {
		return this.exited;
	}

	/** Send a signal and wait for the end; the exit code, or null when killed by the signal. */
	async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<number | null> {
		this.signal(signal);
		const code = await this.exited;
		closeIdle(this.url);
		return code;
	}

	/** Kill, or stop politely, and start again on the same data and port. */
	async restart(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
		const code = await this.kill(signal);
		if (signal === "SIGTERM" && code !== 0) {
			throw new Error(`the server left with ${code}:\n${this.tail()}`);
		}
		await this.launch();
	}

	/** Throws when what was sent to the server, which has ended, is not all accounted for. */
	private async audit(readable: boolean): Promise<void> {
		const env: Record<string, string> = { ...this.env };
		if (this.options.clock === true) env.TOCSIN_TEST_CLOCK = this.clockFile;
		// Of what comes from elsewhere nobody knows whether its server has crashed.
		const elsewhere = this.options.data !== undefined || this.options.restored === true;
		const exact = !this.crashed && !elsewhere;
		await checkBooks({ flags: this.stateFlags(), env, exact, readable });
	}

	private async remove(): Promise<void> {
		rmSync(this.root, { recursive: true, force: true });
		await this.database?.drop();
	}

	/** Stop politely, look into the books, and remove what was made for this server. */
	async stop(): Promise<void> {
		const code = await this.kill("SIGTERM");
		try {
			if (code !== 0) throw new Error(`the server left with ${code}:\n${this.tail()}`);
			const late = this.log.find((line) => line.event === "reply_kept_late");
			if (late !== undefined) throw new Error(`not once_commit: ${JSON.stringify(late)}`);
			const untold = this.log.find((line) => line.event === "audit_missing");
			if (untold !== undefined) {
				throw new Error(`the audit log was not told: ${JSON.stringify(untold)}`);
			}
			await this.audit(true);
			const rows = this.database === undefined ? "" : await everyRow(this.database.url);
			lookEverywhere(this.url, this.tail(this.log.length), this.data, rows);
		} finally {
			await this.remove();
		}
	}

	/** Remove what was made for a server whose data a test has harmed: nobody looks into its books. */
	async drop(): Promise<void> {
		await this.kill("SIGKILL");
		await this.remove();
	}

	/** Remove what was made for a server that does not run, or may not be well. */
	async discard(): Promise<void> {
		await this.kill("SIGKILL");
		try {
			await this.audit(false);
		} finally {
			await this.remove();
		}
	}
}
