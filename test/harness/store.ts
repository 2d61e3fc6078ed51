// Where a server keeps its state. Scenarios that depend on it run once for each kind there is.
import { execFile } from "node:child_process";
import { promisify } from "node:util";

export type Store = "sqlite" | "postgres";

const admin = process.env.TOCSIN_TEST_PG;

/** The stores of this run: describe.each(stores). */
export const stores: Store[] = admin === undefined ? ["sqlite"] : ["sqlite", "postgres"];

let made = 0;

async function sql(url: string, text: string): Promise<string> {
	const { stdout } = await promisify(execFile)("psql", ["-qAtX", "-d", url, "-c", text]);
	return stdout.trim();
}

/** A PostgreSQL database of its own for one server. */
export async function makeDatabase(): Promise<{ url: string; drop: () => Promise<void> }> {
	if (admin === undefined) throw new Error("TOCSIN_TEST_PG is not set");
	const name = `tocsin_${process.pid}_${Date.now().toString(36)}_${++made}`;
	await sql(admin, `create database ${name}`);
	return {
		url: admin.replace(/^(postgres(?:ql)?:\/\/[^/?]*\/)[^?]*/, `$1${name}`),
		drop: async () => {
			await sql(admin, `drop database ${name} with (force)`);
		},
	};
}

/** All that is in a database, a line for each row; bytes are in hexadecimal digits. */
export async function everyRow(url: string): Promise<string> {
	const own = "table_schema not in ('pg_catalog', 'information_schema') and table_type = 'BASE TABLE'";
	const names = await sql(url, `select format('%I.%I', table_schema, table_name) from information_schema.tables where ${own}`);
	const asks = names.split("\n").flatMap((name) => ["-c", `select '${name}' as of, t::text from ${name} t`]);
	const { stdout } = await promisify(execFile)("psql", ["-qAtX", "-d", url, ...asks], { maxBuffer: 1 << 29 });
	return stdout;
}

const EDIT = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit()";

/** Change the state behind the back of the program, which does not run. */
export async function tamper(state: { file?: string; url?: string }, text: string): Promise<void> {
	if (state.url !== undefined) await sql(state.url, text);
	else await promisify(execFile)("python3", ["-c", EDIT, state.file!, text]);
}
