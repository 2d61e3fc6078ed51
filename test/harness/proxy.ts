// The proxies that people put in front, running the files of deploy/ as they are but for names and ports.
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "./api.ts";

const DEPLOY = join(import.meta.dirname, "../../deploy");

export type ProxyKind = "nginx" | "caddy";

export function hasProxy(kind: ProxyKind): boolean {
	return spawnSync(kind, [kind === "nginx" ? "-v" : "version"]).error === undefined;
}

/** A port nobody listens on at this moment. */
export async function freePort(): Promise<number> {
	const server = createServer().listen(0, "127.0.0.1");
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;
	server.close();
	await once(server, "close");
	return port;
}

/** Every one of the pairs must be there to be replaced, or the file is not what is tested. */
function adapted(text: string, changes: [string, string][]): string {
	for (const [from, to] of changes) {
		if (!text.includes(from)) throw new Error(`"${from}" is not in the file of the proxy`);
		text = text.replace(from, to);
	}
	return text;
}

export class Proxy {
	port = 0;
	tlsPort = 0;
	private output = "";
	private child: ChildProcess | undefined;
	private readonly dir = mkdtempSync(join(tmpdir(), "tocsin-proxy-"));

	private constructor(readonly kind: ProxyKind) {
		// Workers of a proxy that was started by root are somebody else.
		chmodSync(this.dir, 0o755);
	}

	/** A proxy in front of the server at this port of 127.0.0.1. */
	static async start(kind: ProxyKind, serverPort: number): Promise<Proxy> {
		const proxy = new Proxy(kind);
		proxy.port = await freePort();
		proxy.tlsPort = kind === "nginx" ? await freePort() : 0;
		const args = kind === "nginx" ? proxy.nginx(serverPort) : proxy.caddy(serverPort);
		const env = { ...process.env, HOME: proxy.dir, XDG_DATA_HOME: proxy.dir, XDG_CONFIG_HOME: proxy.dir };
		const child = spawn(kind, args, { env, stdio: ["ignore", "pipe", "pipe"] });
		for (const stream of [child.stdout, child.stderr]) {
			stream.on("data", (part: Buffer) => (proxy.output += part.toString()));
		}
		proxy.child = child;
		await eventually(
			() => proxy.answers(),
			(yes) => yes,
		);
		return proxy;
	}

	get url(): string {
		return `http://127.0.0.1:${this.port}`;
	}

	private nginx(serverPort: number): string[] {
		const [cert, key] = [join(this.dir, "cert.pem"), join(this.dir, "key.pem")];
		const subject = ["-subj", "/CN=tocsin.example.org", "-days", "2", "-nodes"];
		const files = ["-keyout", key, "-out", cert];
		execFileSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", ...subject, ...files], {
			stdio: "pipe",
		});
		const site = adapted(readFileSync(join(DEPLOY, "nginx/tocsin.conf"), "utf8"), [
			["server 127.0.0.1:3000;", `server 127.0.0.1:${serverPort};`],
			[
				"listen 443 ssl http2;",
				`listen 127.0.0.1:${this.tlsPort} ssl http2; listen 127.0.0.1:${this.port};`,
			],
			["/etc/ssl/certs/tocsin.pem", cert],
			["/etc/ssl/private/tocsin.key", key],
		]);
		writeFileSync(join(this.dir, "site.conf"), site);
		const user = process.getuid?.() === 0 ? "user root;" : "";
		const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
			.map((name) => `${name}_temp_path ${this.dir}/${name};`)
			.join("\n");
		const main = `${user} daemon off; worker_processes 1; pid ${this.dir}/pid; error_log stderr;
			events {} http { access_log off; ${temporary} include ${this.dir}/site.conf; }`;
		writeFileSync(join(this.dir, "nginx.conf"), main);
		return ["-p", this.dir, "-c", join(this.dir, "nginx.conf")];
	}

	private caddy(serverPort: number): string[] {
		const site = adapted(readFileSync(join(DEPLOY, "caddy/Caddyfile"), "utf8"), [
			["\ntocsin.example.org {", `\nhttp://127.0.0.1:${this.port} {\n\tbind 127.0.0.1`],
			["reverse_proxy 127.0.0.1:3000 {", `reverse_proxy 127.0.0.1:${serverPort} {`],
		]);
		const config = join(this.dir, "Caddyfile");
		writeFileSync(config, `{\n\tadmin off\n}\n${site}`);
		return ["run", "--adapter", "caddyfile", "--config", config];
	}

	private async answers(): Promise<boolean> {
		if (this.child?.exitCode !== null) throw new Error(`the proxy left: ${this.output}`);
		const socket = connect(this.port, "127.0.0.1");
		try {
			await once(socket, "connect");
			return true;
		} catch {
			return false;
		} finally {
			socket.destroy();
		}
	}

	/** Politely: workers outlive a master that is killed. */
	async stop(): Promise<void> {
		if (this.child !== undefined && this.child.exitCode === null) {
			this.child.kill("SIGTERM");
			await once(this.child, "close");
		}
		rmSync(this.dir, { recursive: true, force: true });
	}
}
