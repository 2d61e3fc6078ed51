// The API's description as a page: every call with what it takes and answers, and a way to make it.
// Everything comes from /api/v1/openapi.json; the credential stays in the input it was typed into.

const METHODS = ["get", "post", "put", "patch", "delete"];
const SHOWN_BYTES_MAX = 200_000;
const DEPTH_MAX = 6;

const byId = (id) => document.getElementById(id);

/** An element with attributes and children; text is never read as HTML. */
function el(name, attributes = {}, ...children) {
	const node = document.createElement(name);
	for (const [key, value] of Object.entries(attributes)) {
		if (value === true) node.setAttribute(key, "");
		else if (value !== false && value !== undefined) node.setAttribute(key, value);
	}
	node.append(...children.filter((child) => child !== undefined && child !== ""));
	return node;
}

/** Text in which what stands between backticks is code. */
function prose(text, name = "p") {
	const parts = text.split("`").map((part, i) => (i % 2 === 1 ? el("code", {}, part) : part));
	return el(name, {}, ...parts);
}

function resolve(doc, ref) {
	let at = doc;
	for (const part of ref.slice(2).split("/")) {
		at = at[decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~")];
	}
	return at;
}

const follow = (doc, thing) => (thing.$ref === undefined ? thing : resolve(doc, thing.$ref));

// Schemas.

function typeWords(schema) {
	if (schema.$ref !== undefined) return schema.$ref.split("/").at(-1);
	if (schema.const !== undefined) return JSON.stringify(schema.const);
	if (schema.anyOf !== undefined) return schema.anyOf.map(typeWords).join(" or ");
	const types = [schema.type ?? "any"].flat().map((type) => {
		if (type === "array") return `list of ${typeWords(schema.items ?? {})}`;
		if (type === "object" && typeof schema.additionalProperties === "object") {
			return `map of ${typeWords(schema.additionalProperties)}`;
		}
		return schema.format === "date-time" && type === "string" ? "time" : type;
	});
	return types.join(" or ");
}

function boundWords(schema) {
	const words = [];
	if (schema.enum !== undefined)
		words.push(schema.enum.filter((word) => word !== null).join(", "));
	if (schema.minimum !== undefined && schema.maximum !== undefined) {
		words.push(`${schema.minimum} to ${schema.maximum}`);
	}
	if (schema.maxLength !== undefined) words.push(`up to ${schema.maxLength} characters`);
	if (schema.maxItems !== undefined) words.push(`up to ${schema.maxItems}`);
	if (schema.default !== undefined) words.push(`else ${JSON.stringify(schema.default)}`);
	return words.join("; ");
}

/** The object behind a schema, if there is one to look into. */
function inside(doc, schema) {
	const whole = follow(doc, schema);
	if (whole.items !== undefined) return inside(doc, whole.items);
	if (typeof whole.additionalProperties === "object")
		return inside(doc, whole.additionalProperties);
	return whole.properties !== undefined || whole.anyOf !== undefined ? whole : undefined;
}

function member(doc, name, schema, needed, depth) {
	const line = [
		el("code", { class: needed ? "needed" : undefined }, name),
		" ",
		el("span", { class: "muted" }, typeWords(schema)),
		" ",
		el("span", { class: "faint" }, boundWords(follow(doc, schema))),
	];
	if (schema.description !== undefined) line.push(" ", prose(schema.description, "span"));
	const more = depth < DEPTH_MAX ? inside(doc, schema) : undefined;
	if (more === undefined) return el("li", {}, ...line);
	const details = el("details", {}, el("summary", {}, ...line));
	details.addEventListener("toggle", () => details.append(members(doc, more, depth + 1)), {
		once: true,
	});
	return el("li", {}, details);
}

/** A member that can have but one value tells forms apart. */
function formName(form, i) {
	const fixed = Object.values(form.properties ?? {}).find((one) => one.const !== undefined);
	return fixed?.const ?? `form ${i + 1}`;
}

function members(doc, schema, depth) {
	if (schema.anyOf !== undefined) {
		const forms = schema.anyOf.filter((form) => form.type !== "null");
		return el(
			"ul",
			{},
			...forms.map((form, i) => member(doc, formName(form, i), form, false, depth)),
		);
	}
	const needed = new Set(schema.required ?? []);
	const rows = Object.entries(schema.properties ?? {});
	return el(
		"ul",
		{},
		...rows.map(([name, one]) => member(doc, name, one, needed.has(name), depth)),
	);
}

function schemaView(doc, schema) {
	const whole = inside(doc, schema);
	return el(
		"div",
		{ class: "schema" },
		whole === undefined
			? el("span", { class: "muted" }, typeWords(schema))
			: members(doc, whole, 0),
	);
}

// Making a call.

function inputOf(param, id) {
	const schema = param.schema ?? {};
	if (schema.enum !== undefined && param.in === "query") {
		return el(
			"select",
			{ id },
			el("option", { value: "" }, ""),
			...schema.enum.map((word) => el("option", {}, word)),
		);
	}
	return el("input", {
		id,
		type: "text",
		autocomplete: "off",
		spellcheck: "false",
		value: param.in === "path" ? param.example : undefined,
		placeholder: param.in === "path" ? undefined : (param.example ?? schema.default),
	});
}

function paramsView(doc, call) {
	const inputs = [];
	const rows = call.operation.parameters.map((given, i) => {
		const param = follow(doc, given);
		const id = `${call.operation.operationId}-${i}`;
		const input = inputOf(param, id);
		inputs.push({ param, input });
		return el(
			"tr",
			{},
			el(
				"td",
				{ class: "name" },
				el(
					"label",
					{ for: id },
					el(
						"code",
						{ class: param.required ? "needed" : undefined },
						param.name,
					),
				),
				" ",
				el("span", { class: "faint" }, param.in),
			),
			el(
				"td",
				{},
				prose(param.description ?? "", "span"),
				" ",
				el("span", { class: "faint" }, boundWords(param.schema ?? {})),
			),
			el("td", {}, input),
		);
	});
	const head = el(
		"tr",
		{},
		el("th", {}, "Parameter"),
		el("th", {}, "Meaning"),
		el("th", {}, "Value"),
	);
	return {
		inputs,
		view:
			rows.length === 0
				? undefined
				: el("table", { class: "params" }, head, ...rows),
	};
}

function requestOf(call, inputs, body) {
	const query = new URLSearchParams();
	const headers = {};
	let path = call.path;
	for (const { param, input } of inputs) {
		if (param.in === "path")
			path = path.replace(`{${param.name}}`, encodeURIComponent(input.value));
		else if (input.value !== "" && param.in === "query")
			query.set(param.name, input.value);
		else if (input.value !== "") headers[param.name] = input.value;
	}
	const credential = byId("credential").value.trim();
	if (credential !== "" && call.operation.security.length > 0)
		headers.authorization = `Bearer ${credential}`;
	if (body !== undefined && body.value !== "") headers["content-type"] = body.dataset.type;
	const text = query.toString();
	return {
		url: text === "" ? path : `${path}?${text}`,
		method: call.method.toUpperCase(),
		headers,
		body: body === undefined || body.value === "" ? undefined : body.value,
	};
}

const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

function curlLine(request) {
	const parts = ["curl", "-X", request.method, quoted(location.origin + request.url)];
	for (const [name, value] of Object.entries(request.headers)) {
		parts.push(
			"-H",
			name === "authorization"
				? `"Authorization: Bearer $KEY"`
				: quoted(`${name}: ${value}`),
		);
	}
	if (request.body !== undefined) parts.push("-d", quoted(request.body));
	return parts.join(" ");
}

function pretty(text, type) {
	if (!/[/+]json/.test(type)) return text;
	try {
		return JSON.stringify(JSON.parse(text), null, 2);
	} catch {
		return text;
	}
}

/** Shown while it arrives, because a stream has no end. */
async function show(reply, out) {
	const type = reply.headers.get("content-type") ?? "";
	const reader = reply.body?.pipeThrough(new TextDecoderStream()).getReader();
	let text = "";
	for (;;) {
		const { done, value } = (await reader?.read()) ?? { done: true };
		if (done) break;
		text += value;
		out.textContent = text.slice(0, SHOWN_BYTES_MAX);
		if (text.length > SHOWN_BYTES_MAX) {
			await reader.cancel();
			break;
		}
	}
	out.textContent = pretty(text.slice(0, SHOWN_BYTES_MAX), type);
}

async function send(request, view) {
	const stop = new AbortController();
	const began = performance.now();
	const after = () => `${Math.round(performance.now() - began)} ms`;
	view.stop.onclick = () => stop.abort();
	view.send.disabled = true;
	view.stop.hidden = false;
	view.out.hidden = false;
	view.out.textContent = "";
	view.status.className = "status muted";
	view.status.textContent = "Waiting for the answer.";
	try {
		const reply = await fetch(request.url, {
			...request,
			signal: stop.signal,
			credentials: "same-origin",
		});
		view.status.className = `status ${reply.ok ? "good" : "bad"}`;
		view.status.textContent = `${reply.ok ? "✓" : "✕"} ${reply.status} ${reply.statusText} after ${after()}, request ${reply.headers.get("x-request-id") ?? ""}`;
		await show(reply, view.out);
	} catch (error) {
		const stopped = stop.signal.aborted;
		view.status.className = stopped ? "status muted" : "status bad";
		view.status.textContent = stopped
			? `Stopped after ${after()}.`
			: `No answer: ${error.message}.`;
	}
	view.send.disabled = false;
	view.stop.hidden = true;
}

function bodyView(call) {
	const content = call.operation.requestBody?.content;
	if (content === undefined) return {};
	const [type, media] = Object.entries(content)[0];
	const id = `${call.operation.operationId}-body`;
	const text = call.operation.requestBody.required
		? JSON.stringify(media.example, null, 2)
		: "";
	const area = el("textarea", {
		id,
		spellcheck: "false",
		rows: String(Math.min(20, text.split("\n").length + 1)),
		"data-type": type,
	});
	area.value = text;
	return {
		area,
		media,
		label: el("label", { for: id }, `Body, ${Object.keys(content).join(" or ")}`),
	};
}

function runView(call, inputs, body) {
	const view = {
		send: el("button", { class: "primary", type: "button" }, "Send"),
		stop: el("button", { type: "button", hidden: true }, "Stop"),
		copy: el("button", { type: "button" }, "Copy as curl"),
		status: el("span", { class: "status muted", role: "status" }),
		out: el("pre", { hidden: true, tabindex: "0", "aria-label": "Answer" }),
	};
	const go = () => send(requestOf(call, inputs, body), view);
	view.send.addEventListener("click", go);
	view.copy.addEventListener("click", async () => {
		await navigator.clipboard?.writeText(curlLine(requestOf(call, inputs, body)));
		view.status.textContent = "Copied; KEY stands for your key.";
	});
	return {
		go,
		nodes: [
			el("div", { class: "run" }, view.send, view.stop, view.copy, view.status),
			view.out,
		],
	};
}

// The page.

function facts(operation) {
	const put = (word, value) =>
		value === undefined ? undefined : el("span", {}, `${word} `, el("code", {}, value));
	return el(
		"div",
		{ class: "facts" },
		operation.security.length === 0
			? el("span", {}, "no credential needed")
			: undefined,
		put("key with", operation["x-scope"]),
		put("role from", operation["x-role"]),
		put("budget", operation["x-limit"]),
		put("as in", operation["x-older"]),
		operation.deprecated === true ? el("span", {}, "deprecated") : undefined,
	);
}

function repliesView(doc, operation) {
	const rows = Object.entries(operation.responses).map(([status, given]) => {
		const response = follow(doc, given);
		const media = Object.entries(response.content ?? {});
		const good = status[0] === "2" && media.length > 0;
		return el(
			"tr",
			{},
			el(
				"td",
				{ class: "name" },
				el("code", {}, status === "default" ? "others" : status),
			),
			el(
				"td",
				{},
				prose(response.description, "span"),
				good ? schemaView(doc, media[0][1].schema) : "",
			),
		);
	});
	return el(
		"table",
		{ class: "answers" },
		el("tr", {}, el("th", {}, "Status"), el("th", {}, "Answer")),
		...rows,
	);
}

function fill(doc, call, about) {
	const { operation } = call;
	const { inputs, view } = paramsView(doc, call);
	const { area, media, label } = bodyView(call);
	const run = runView(call, inputs, area);
	if (operation.description !== undefined) about.append(prose(operation.description));
	about.append(facts(operation));
	if (view !== undefined) about.append(el("h3", {}, "Parameters"), view);
	if (area !== undefined) {
		about.append(
			el("h3", {}, label),
			area,
			el("h3", {}, "Members"),
			schemaView(doc, media.schema),
		);
	}
	about.append(...run.nodes, el("h3", {}, "Answers"), repliesView(doc, operation));
	about.addEventListener("keydown", (event) => {
		if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) run.go();
	});
}

function callView(doc, call) {
	const { operation } = call;
	const about = el("div", { class: "about" });
	const view = el(
		"details",
		{ class: "call", id: operation.operationId },
		el(
			"summary",
			{},
			el("span", { class: "method" }, call.method.toUpperCase()),
			el("span", { class: "path" }, call.path),
			el("span", { class: "what muted" }, operation.summary),
		),
		about,
	);
	view.addEventListener("toggle", () => fill(doc, call, about), { once: true });
	return view;
}

function callsOf(doc) {
	return Object.entries(doc.paths).flatMap(([path, methods]) =>
		METHODS.filter((method) => methods[method] !== undefined).map((method) => ({
			path,
			method,
			operation: methods[method],
		})),
	);
}

function render(doc) {
	const calls = callsOf(doc);
	for (const tag of doc.tags) {
		const here = calls.filter((call) => call.operation.tags.includes(tag.name));
		const section = el(
			"section",
			{ class: "tag", "aria-label": tag.name },
			el("h2", {}, tag.name),
			el("p", { class: "muted" }, tag.description),
		);
		const links = here.map((call) =>
			el("a", { href: `#${call.operation.operationId}` }, call.operation.summary),
		);
		here.forEach((call, i) => {
			const view = callView(doc, call);
			const words =
				`${call.method} ${call.path} ${call.operation.summary} ${tag.name}`.toLowerCase();
			section.append(view);
			index.push({ words, nodes: [view, links[i]], section });
		});
		byId("nav").append(el("h2", {}, tag.name), ...links);
		byId("calls").append(section);
	}
	byId("version").textContent = doc.info.version;
	tell(index.length, index.length);
}

/** One row per call: what it can be found by, and what is shown of it. */
const index = [];

function tell(shown, all) {
	const which = shown === all ? `${all} calls` : `${shown} of ${all} calls`;
	byId("scope").textContent = `${which}. The description itself is /api/v1/openapi.json.`;
}

function filter() {
	const words = byId("filter")
		.value.toLowerCase()
		.split(/\s+/)
		.filter((word) => word !== "");
	const shown = new Set();
	let n = 0;
	for (const row of index) {
		const fits = words.every((word) => row.words.includes(word));
		for (const node of row.nodes) node.hidden = !fits;
		if (fits) shown.add(row.section);
		n += fits ? 1 : 0;
	}
	for (const section of new Set(index.map((row) => row.section)))
		section.hidden = !shown.has(section);
	tell(n, index.length);
}

function openNamed() {
	const call = document.getElementById(location.hash.slice(1));
	if (call instanceof HTMLDetailsElement) {
		call.open = true;
		call.scrollIntoView();
		call.querySelector("summary").focus({ preventScroll: true });
	}
}

async function start() {
	for (const form of ["who", "find"])
		byId(form).addEventListener("submit", (event) => event.preventDefault());
	byId("filter").addEventListener("input", filter);
	document.addEventListener("keydown", (event) => {
		if (
			event.key === "/" &&
			!/^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement?.tagName ?? "")
		) {
			event.preventDefault();
			byId("filter").focus();
		}
	});
	window.addEventListener("hashchange", openNamed);
	try {
		const reply = await fetch("v1/openapi.json");
		if (!reply.ok) throw new Error(`the server answered ${reply.status}`);
		render(await reply.json());
		openNamed();
	} catch (error) {
		byId("scope").textContent =
			`The description could not be read: ${error.message}. Reload to try again.`;
	}
}

await start();
