// SPDX-License-Identifier: Apache-2.0
// Make the package's dist/: for bundlers and Node as modules of both kinds with types, and small for
// a <script>. node build.mjs [--out DIR] [--no-types] writes DIR/dist and DIR/LICENSE; by default
// beside this file.
import { build } from "esbuild";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const given = process.argv.indexOf("--out");
const out = given < 0 ? here : resolve(process.argv[given + 1]);
const dist = join(out, "dist");

// ES2018 is what old Hermes and the oldest Safari that still gets about understand.
const common = {
	entryPoints: [join(here, "src/tocsin.ts")],
	bundle: true,
	target: "es2018",
	charset: "ascii",
	logLevel: "warning",
	legalComments: "none",
	banner: { js: "/* SPDX-License-Identifier: Apache-2.0 */" },
};

rmSync(dist, { recursive: true, force: true });
mkdirSync(dist, { recursive: true });
await Promise.all([
	build({ ...common, format: "esm", outfile: join(dist, "tocsin.js") }),
	build({ ...common, format: "cjs", outfile: join(dist, "tocsin.cjs") }),
	build({
		...common,
		format: "iife",
		globalName: "tocsin",
		minify: true,
		mangleProps: /^_[a-z]/,
		outfile: join(dist, "tocsin.min.js"),
	}),
]);

if (!process.argv.includes("--no-types")) {
	const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
	const types = ["--noEmit", "false", "--emitDeclarationOnly", "--outDir", dist];
	execFileSync(process.execPath, [tsc, "-p", join(here, "tsconfig.json"), ...types], { stdio: "inherit" });
	// To CommonJS the same types are another file: its extension says what it speaks of.
	copyFileSync(join(dist, "tocsin.d.ts"), join(dist, "tocsin.d.cts"));
}
copyFileSync(join(here, "../../LICENSE"), join(out, "LICENSE"));
