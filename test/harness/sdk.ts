// The client for JavaScript as users get it: built, and loaded from there.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type * as Tocsin from "../../sdk/js/src/tocsin.ts";

export type { Client, SentEvent, Trouble } from "../../sdk/js/src/tocsin.ts";

const source = join(import.meta.dirname, "../../sdk/js");

export class Sdk {
	private readonly dir = mkdtempSync(join(tmpdir(), "tocsin-sdk-"));

	constructor() {
		const build = [join(source, "build.mjs"), "--out", this.dir, "--no-types"];
		execFileSync(process.execPath, build, { stdio: ["ignore", "ignore", "inherit"] });
	}

	/** The module, as Node imports it. */
	load(): Promise<typeof Tocsin> {
		return import(pathToFileURL(join(this.dir, "dist/tocsin.js")).href) as Promise<typeof Tocsin>;
	}

	/** A file of the package's dist. */
	read(name: "tocsin.js" | "tocsin.min.js"): string {
		return readFileSync(join(this.dir, "dist", name), "utf8");
	}

	remove(): void {
		rmSync(this.dir, { recursive: true, force: true });
	}
}
