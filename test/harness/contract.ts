// Every reply that a scenario gets is held against the description of the API: its status is one of
// those that the call may answer, its type and its members are those that are written there.
import { execFileSync } from "node:child_process";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import formats from "ajv-formats";
import { binary } from "./server.ts";

interface Media {
	schema: object;
}
interface Response {
	$ref?: string;
	description?: string;
	content?: Record<string, Media>;
	"x-codes"?: string[];
}
interface Operation {
	operationId: string;
	responses: Record<string, Response>;
}
interface Description {
	paths: Record<string, Record<string, Operation>>;
	components: { responses: Record<string, Response> };
}

export interface Seen {
	method: string;
	/** With its query. */
	path: string;
	status: number;
	type: string;
	text: string;
}

const ROOT = "tocsin:openapi";

class Contract {
	private readonly ajv = new Ajv2020({
		strict: false,
		allErrors: false,
		validateFormats: true,
	});
	private readonly compiled = new Map<string, ValidateFunction>();
	private readonly paths: {
		parts: string[];
		pointer: string;
		methods: Record<string, Operation>;
	}[];

	constructor(private readonly doc: Description) {
		formats.default(this.ajv);
		this.ajv.addSchema(doc, ROOT);
		this.paths = Object.entries(doc.paths).map(([path, methods]) => ({
			parts: path.split("/"),
			pointer: `/paths/${escape(path)}`,
			methods,
		}));
		// Words before what takes any word in their place.
		this.paths.sort((a, b) => places(a.parts) - places(b.parts));
	}

	/** What is wrong with this reply; undefined when all is well. */
	complaint(seen: Seen): string | undefined {
		const path = seen.path.split("?")[0]!.split("/");
		const found = this.paths.find((p) => fits(p.parts, path));
		const method = seen.method === "HEAD" ? "get" : seen.method.toLowerCase();
		const operation = found?.methods[method];
		if (found === undefined || operation === undefined) {
			return this.problem(seen, "no call");
		}
		const name = `${operation.operationId} ${seen.status}`;
		const pointer = `${found.pointer}/${method}/responses/${seen.status}`;
		const response = operation.responses[seen.status];
		if (response === undefined) {
			return this.other(operation, seen);
		}
		const [resolved, at] = this.resolve(response, pointer);
		return this.body(name, resolved, at, seen);
	}

	/** The network's own refusals, which any call may answer. */
	private other(operation: Operation, seen: Seen): string | undefined {
		const [transport, at] = this.resolve(operation.responses.default!, "");
		const wrong = this.body(operation.operationId, transport, at, seen);
		return wrong === undefined
			? undefined
			: `${operation.operationId} does not answer ${seen.status}: ${wrong}`;
	}

	/** A path or method that nobody knows. */
	private problem(seen: Seen, what: string): string | undefined {
		if (seen.method === "HEAD" || seen.method === "OPTIONS" || seen.text === "")
			return undefined;
		return this.validate(
			`${what} ${seen.status}`,
			"/components/schemas/Problem",
			seen.text,
		);
	}

	private resolve(response: Response, pointer: string): [Response, string] {
		if (response.$ref === undefined) return [response, pointer];
		const name = response.$ref.split("/").at(-1)!;
		return [this.doc.components.responses[name]!, `/components/responses/${name}`];
	}

	private body(name: string, response: Response, at: string, seen: Seen): string | undefined {
		const type = seen.type.split(";")[0]!.trim();
		if (seen.method === "HEAD") return undefined;
		if (response.content === undefined) {
			return seen.text === ""
				? undefined
				: `${name} has a body, which it should not`;
		}
		if (response.content[type] === undefined) {
			return `${name} has the type "${type}"`;
		}
		const schema = `${at}/content/${escape(type)}/schema`;
		if (type === "application/x-ndjson") return this.lines(name, schema, seen.text);
		if (!/[/+]json$/.test(type)) return undefined;
		return this.validate(name, schema, seen.text) ?? codes(name, response, seen.text);
	}

	/** A connection that was cut leaves half a line behind. */
	private lines(name: string, schema: string, text: string): string | undefined {
		const lines = text.split("\n").slice(0, -1);
		for (const line of lines.filter((one) => one !== "")) {
			const wrong = this.validate(name, schema, line);
			if (wrong !== undefined) return wrong;
		}
		return undefined;
	}

	private validate(name: string, pointer: string, text: string): string | undefined {
		let check = this.compiled.get(pointer);
		if (check === undefined) {
			check = this.ajv.compile({ $ref: `${ROOT}#${pointer}` });
			this.compiled.set(pointer, check);
		}
		if (check(JSON.parse(text))) return undefined;
		const error = check.errors![0]!;
		const extra = JSON.stringify(error.params);
		return `${name}${error.instancePath} ${error.message} ${extra}: ${text.slice(0, 500)}`;
	}
}

function codes(name: string, response: Response, text: string): string | undefined {
	const known = response["x-codes"];
	const { code } = JSON.parse(text) as { code?: string };
	return known === undefined || known.includes(code!)
		? undefined
		: `${name} does not have the code "${code}"`;
}

function escape(part: string): string {
	return encodeURIComponent(part.replaceAll("~", "~0").replaceAll("/", "~1"));
}

function places(parts: string[]): number {
	return parts.filter((part) => part.startsWith("{")).length;
}

function fits(parts: string[], path: string[]): boolean {
	return (
		parts.length === path.length &&
		parts.every((part, i) => (part.startsWith("{") ? path[i] !== "" : part === path[i]))
	);
}

let contract: Contract | undefined;

/** The description of the program under test. */
export function description(): string {
	return execFileSync(binary, ["openapi", "--socket"], { maxBuffer: 1 << 26 }).toString();
}

/** Throws when a reply is not one that the description promises. */
export function holdTo(seen: Seen): void {
	contract ??= new Contract(JSON.parse(description()) as Description);
	const wrong = contract.complaint(seen);
	if (wrong !== undefined)
		throw new Error(`not as described: ${seen.method} ${seen.path}: ${wrong}`);
}
