// A second process that sends the same body again and again and says how long each took: what it
// costs to make and send a large body must not disturb what a test measures.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const program = `
const { readFileSync } = require("node:fs");
const { request } = require("node:http");
const [url, key, file, count] = process.argv.slice(1);
const body = readFileSync(file);
const send = () => new Promise((resolve, reject) => {
	const start = performance.now();
	const req = request(url + "/api/v1/events", {
		method: "POST",
		headers: { authorization: "Bearer " + key, "content-type": "application/json",
			"content-length": body.length },
	}, (res) => {
		res.resume();
		res.on("end", () => res.statusCode === 200 ? resolve(performance.now() - start)
			: reject(new Error("status " + res.statusCode)));
	});
	req.on("error", reject);
	req.end(body);
});
(async () => {
	const times = [];
	for (let i = 0; i < Number(count); i++) times.push(await send());
	console.log(JSON.stringify(times));
})();
`;

export class Sender {
	private readonly dir = mkdtempSync(join(tmpdir(), "tocsin-body-"));
	private child: ChildProcess | undefined;

	constructor(
		private readonly url: string,
		private readonly key: string,
		body: Buffer,
	) {
		writeFileSync(join(this.dir, "body"), body);
	}

	/** Send the body count times, one after the other; how long each took, in milliseconds. */
	async send(count: number): Promise<number[]> {
		const args = ["-e", program, this.url, this.key, join(this.dir, "body"), String(count)];
		const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
		this.child = child;
		let out = "";
		child.stdout.on("data", (part: Buffer) => (out += part.toString()));
		const [code] = (await once(child, "close")) as [number | null];
		if (code !== 0) throw new Error(`the sender left with ${code}`);
		return JSON.parse(out) as number[];
	}

	close(): void {
		this.child?.kill();
		rmSync(this.dir, { recursive: true, force: true });
	}
}
