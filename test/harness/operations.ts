// Every call that the server describes, as a test needs it to make the call itself.
import { execFileSync } from "node:child_process";
import { binary } from "./server.ts";

export interface Param {
	name: string;
	/** What starts an id of the kind that it takes: "rul"; undefined: some text. */
	prefix?: string;
}

export interface Operation {
	method: string;
	path: string;
	name: string;
	/** The earlier system whose call it is. */
	older?: string;
	scope?: string;
	role?: string;
	proof: boolean;
	/** It takes keys, people, or anybody. */
	keys: boolean;
	people: boolean;
	params: Param[];
	hasBody: boolean;
	/** It has not come yet: 501. */
	later: boolean;
}

interface Described {
	operationId: string;
	security: Record<string, unknown>[];
	parameters?: { name: string; in: string; schema: { pattern?: string; anyOf?: { pattern?: string }[] } }[];
	requestBody?: object;
	responses: Record<string, unknown>;
	"x-scope"?: string;
	"x-role"?: string;
	"x-proof"?: boolean;
	"x-older"?: string;
}

function prefixOf(schema: { pattern?: string; anyOf?: { pattern?: string }[] }): string | undefined {
	const patterns = [schema.pattern, ...(schema.anyOf ?? []).map((one) => one.pattern)];
	for (const pattern of patterns) {
		const found = /^\^([a-z]+)_/.exec(pattern ?? "");
		if (found) return found[1];
	}
	return undefined;
}

/** In the order of the description. */
export function operations(): Operation[] {
	const text = execFileSync(binary, ["openapi"], { encoding: "utf8", maxBuffer: 1 << 26 });
	const doc = JSON.parse(text) as { paths: Record<string, Record<string, Described>> };
	return Object.entries(doc.paths).flatMap(([path, methods]) =>
		Object.entries(methods).map(([method, op]) => {
			const schemes = op.security.flatMap((one) => Object.keys(one));
			return {
				method: method.toUpperCase(),
				path,
				name: op.operationId,
				older: op["x-older"],
				scope: op["x-scope"],
				role: op["x-role"],
				proof: op["x-proof"] === true,
				keys: schemes.includes("key"),
				people: schemes.includes("accessToken"),
				params: (op.parameters ?? [])
					.filter((one) => one.in === "path")
					.map((one) => ({ name: one.name, prefix: prefixOf(one.schema) })),
				hasBody: op.requestBody !== undefined,
				later: Object.keys(op.responses).every((status) => Number(status) >= 400),
			};
		}),
	);
}

/** The path with a value for each of its parameters. */
export function fill(op: Operation, value: (param: Param) => string): string {
	return op.params.reduce(
		(path, param) => path.replace(`{${param.name}}`, encodeURIComponent(value(param))),
		op.path,
	);
}
