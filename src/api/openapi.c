/* SPDX-License-Identifier: Apache-2.0 */
/* One pass over the route table: the calls, and what they are asked with. */
#include "api/openapi_impl.h"

#include <stdlib.h>

#define DESCRIPTION_BYTES_MAX ((size_t)4 << 10) /* of one call: some sentences of ours */

static const struct {
	const char *name, *help;
} tags[] = {
	{ "Events", "What happened: stored for good once it is answered." },
	{ "Rules", "When events are worth telling somebody." },
	{ "Alerts", "What rules said, and whether it still holds." },
	{ "Deliveries", "Who was told, by what, and every attempt." },
	{ "Auth", "Who people are: accounts, logins and sessions." },
	{ "Organizations", "Who works together, and who may what." },
	{ "Keys", "What programs identify themselves with." },
	{ "Projects", "Where events belong, and for how long they are kept." },
	{ "Audit", "Who changed what, in a chain that shows what was done to it." },
	{ "Usage", "What was used of what may be." },
	{ "Live", "Streams of what happens while it happens." },
	{ "Billing", "What an organization pays for, by Stripe." },
	{ "Operation", "Health, metrics, and this description." },
	{ "SignalDesk", "Calls of an earlier system, which go on working." },
	{ "SignalOps", "Calls of an earlier system, which go on working." },
	{ "PulseBoard", "Calls of an earlier system, which go on working." },
	{ "SignalCraft", "Calls of an earlier system, which go on working." },
};

bool openapi_has_tag(const char *tag)
{
	for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
		if (strcmp(tags[i].name, tag) == 0) {
			return true;
		}
	}
	return false;
}

/* Parameters. */

static void begin_param(struct doc *d, struct slice name, const char *in, const char *help)
{
	json_w_object(&d->w);
	json_put_str(&d->w, "name", name);
	json_put_str(&d->w, "in", slice_of(in));
	if (help != NULL) {
		json_put_str(&d->w, "description", slice_of(help));
	}
}

static void write_path_schema(struct doc *d, const struct route_param *param)
{
	json_w_key(&d->w, "schema");
	if (!param->is_id) {
		json_w_raw(&d->w, S("{\"type\":\"string\"}"));
		return;
	}
	if (param->word == NULL) {
		schema_id(&d->schema, param->id);
		return;
	}
	json_w_object(&d->w);
	json_w_key(&d->w, "anyOf");
	json_w_array(&d->w);
	schema_id(&d->schema, param->id);
	json_w_object(&d->w);
	json_put_str(&d->w, "const", slice_of(param->word));
	json_w_end(&d->w);
	json_w_end(&d->w);
	json_w_end(&d->w);
}

static void write_path_params(struct doc *d, const struct route *r)
{
	struct slice rest = slice_from(slice_of(r->path), 1), part;
	const struct route_param *param = r->params;

	while (slice_split(&rest, '/', &part)) {
		if (part.p[0] != ':') {
			continue;
		}
		begin_param(d, slice_from(part, 1), "path", param->help);
		json_put_bool(&d->w, "required", true);
		write_path_schema(d, param);
		if (param->is_id) {
			struct id_text id = schema_id_example(param->id);

			json_put_str(&d->w, "example",
				     slice_of(param->word != NULL ? param->word : id.p));
		}
		json_w_end(&d->w);
		param++;
	}
}

static void write_query_params(struct doc *d, const struct route *r)
{
	for (size_t i = 0; i < ROUTE_QUERIES_MAX && r->query[i] != NULL; i++) {
		for (size_t k = 0; k < r->query[i]->n; k++) {
			const struct field *row = &r->query[i]->rows[k];

			begin_param(d, slice_of(row->name), "query", row->help);
			if ((row->flags & FIELD_REQUIRED) != 0) {
				json_put_bool(&d->w, "required", true);
			}
			if (r->old_query != NULL && strcmp(r->old_query, row->name) == 0) {
				json_put_bool(&d->w, "deprecated", true);
			}
			json_w_key(&d->w, "schema");
			schema_param(&d->schema, row);
			json_w_end(&d->w);
		}
	}
}

static void write_header_param(struct doc *d, const char *name, const char *help,
			       const char *example, bool needed)
{
	begin_param(d, slice_of(name), "header", help);
	if (needed) {
		json_put_bool(&d->w, "required", true);
	}
	json_put_raw(&d->w, "schema", S("{\"type\":\"string\"}"), "{}");
	json_put_str(&d->w, "example", slice_of(example));
	json_w_end(&d->w);
}

static void write_key_param(struct doc *d, const struct route *r)
{
	static const char *const helps[] = {
		[ONCE_NONE] = NULL,
		[ONCE_EVENTS] = "The same key and body again: the same reply, and nothing is done "
				"twice. Another body under a key is 409.",
		[ONCE_KEPT] =
			"1 to 255 visible characters of ASCII. The same request with the same "
			"key again within 24 hours: the same reply, and nothing is done "
			"twice. Another request under a key is 409, and so is one before the "
			"first is done.",
		[ONCE_SECRET] = "1 to 255 visible characters of ASCII. The same request with the "
				"same key again within 24 hours does nothing, and is answered 409 "
				"`already_created` with the `id` of what was made: secrets are not "
				"kept.",
	};
	enum route_once how = route_once(r);

	if (helps[how] != NULL) {
		write_header_param(d, "Idempotency-Key", helps[how],
				   how == ONCE_EVENTS ? "order-4711-failed" : "5f0c2a1e-77b3",
				   false);
	}
}

static void write_params(struct doc *d, const struct route *r)
{
	json_w_key(&d->w, "parameters");
	json_w_array(&d->w);
	write_path_params(d, r);
	write_query_params(d, r);
	write_key_param(d, r);
	if (route_is_about_project(r)) {
		write_header_param(d, "X-Project-Id",
				   "With an access token: the project that the call is about. By "
				   "default the organization's default project.",
				   "prj_7C60DG71NXPEA", false);
	}
	if (r->match != MATCH_NONE) {
		write_header_param(
			d, "If-Match",
			"The ETag of what is to be changed: if it was changed meanwhile, "
			"the answer is 412.",
			"\"3\"", r->match == MATCH_MUST);
	}
	json_w_end(&d->w);
}

static void write_body(struct doc *d, const struct route *r)
{
	bool partial = r->method == HTTP_PATCH;

	if (r->bodies[0].shape == NULL) {
		return;
	}
	json_w_key(&d->w, "requestBody");
	json_w_object(&d->w);
	json_put_bool(&d->w, "required", !r->bodies[0].maybe);
	json_w_key(&d->w, "content");
	json_w_object(&d->w);
	for (size_t i = 0; i < ROUTE_BODIES_MAX && r->bodies[i].shape != NULL; i++) {
		const struct route_body *body = &r->bodies[i];

		json_w_key(&d->w, body->type != NULL ? body->type : "application/json");
		json_w_object(&d->w);
		json_w_key(&d->w, "schema");
		schema_shape(&d->schema, body->shape, partial);
		json_w_key(&d->w, "example");
		schema_example(&d->schema, body->shape, partial);
		json_w_end(&d->w);
	}
	json_w_end(&d->w);
	json_w_end(&d->w);
}

/* Operations. */

static void put_security(struct json_w *w, const char *scheme)
{
	json_w_object(w);
	json_w_key(w, scheme);
	json_w_array(w);
	json_w_end(w);
	json_w_end(w);
}

static void write_security(struct doc *d, const struct route *r)
{
	json_w_key(&d->w, "security");
	json_w_array(&d->w);
	if (r->who == WHO_CALLER || r->who == WHO_OWN) {
		put_security(&d->w, "key");
		put_security(&d->w, "keyHeader");
	}
	if (r->who == WHO_USER || r->who == WHO_CALLER || r->who == WHO_OWN) {
		put_security(&d->w, "accessToken");
		put_security(&d->w, "cookie");
	}
	json_w_end(&d->w);
}

static void write_extras(struct doc *d, const struct route *r)
{
	static const char *const limits[] = { [LIMIT_API] = "api",
					      [LIMIT_INGEST] = "ingest",
					      [LIMIT_AUTH] = "auth",
					      [LIMIT_NONE] = "none" };

	if (r->scope != 0) {
		json_put_str(&d->w, "x-scope", slice_of(scope_name((enum scope)r->scope)));
	}
	if (r->role != ROLE_NONE) {
		json_put_str(&d->w, "x-role", role_name(r->role));
	}
	if (r->proof) {
		json_put_bool(&d->w, "x-proof", true);
	}
	json_put_str(&d->w, "x-limit", slice_of(limits[r->limit]));
	if (r->body_max > 0) {
		json_put_int(&d->w, "x-body-max", (int64_t)r->body_max);
	}
	if (r->older != NULL) {
		json_put_str(&d->w, "x-older", slice_of(r->older));
	}
	if (r->differs != NULL) {
		json_put_str(&d->w, "x-differs", slice_of(r->differs));
	}
	if (r->later != NULL) {
		json_put_str(&d->w, "x-later", slice_of(r->later));
	}
	if (r->who == WHO_SOCKET) {
		json_put_bool(&d->w, "x-socket", true);
	}
}

/* What a caller has to know, and what a client of the earlier system may not expect. */
static void write_description(struct doc *d, const struct route *r)
{
	struct buf out;

	buf_init(&out, DESCRIPTION_BYTES_MAX);
	if (r->later != NULL) {
		buf_printf(&out, "Answers 501 until there is what it waits for: %s.", r->later);
	}
	if (r->doc != NULL) {
		buf_printf(&out, "%s%s", out.n > 0 ? "\n\n" : "", r->doc);
	}
	if (r->differs != NULL) {
		buf_printf(&out, "%sNot as %s had it: %s.", out.n > 0 ? "\n\n" : "", r->older,
			   r->differs);
	}
	ensure(!out.overflow);
	if (out.n > 0) {
		json_put_str(&d->w, "description", buf_slice(&out));
	}
	buf_release(&out);
}

static void write_operation(struct doc *d, const struct route *r)
{
	static const char *const words[HTTP_METHODS] = {
		[HTTP_GET] = "get",	[HTTP_POST] = "post",	  [HTTP_PUT] = "put",
		[HTTP_PATCH] = "patch", [HTTP_DELETE] = "delete",
	};

	json_w_key(&d->w, words[r->method]);
	json_w_object(&d->w);
	json_put_str(&d->w, "operationId", slice_of(r->name));
	json_put_str(&d->w, "summary", slice_of(r->summary));
	write_description(d, r);
	json_w_key(&d->w, "tags");
	json_w_array(&d->w);
	json_w_str(&d->w, slice_of(r->older != NULL ? r->older : r->tag));
	json_w_end(&d->w);
	if (r->deprecated) {
		json_put_bool(&d->w, "deprecated", true);
	}
	write_security(d, r);
	write_params(d, r);
	write_body(d, r);
	openapi_responses(d, r);
	write_extras(d, r);
	json_w_end(&d->w);
}

static bool is_shown(const struct doc *d, const struct route *r)
{
	return r->who != WHO_SOCKET || d->in->socket;
}

/* A part with a colon becomes one in braces. */
static void put_path_key(struct doc *d, const char *path)
{
	struct slice rest = slice_from(slice_of(path), 1), part, key = { 0 };

	while (slice_split(&rest, '/', &part)) {
		bool param = part.p[0] == ':';
		struct slice name = param ? slice_from(part, 1) : part;

		key = arena_printf(&d->arena, param ? "%.*s/{%.*s}" : "%.*s/%.*s", SARG(key),
				   SARG(name));
	}
	json_w_key_slice(&d->w, key);
}

static bool is_first_of_path(const struct route *r)
{
	const struct route *other;
	size_t at = 0;

	while ((other = route_next(&at)) != r) {
		if (strcmp(other->path, r->path) == 0) {
			return false;
		}
	}
	return true;
}

/* Rows of one path need not stand together in the table, but they do here. */
static void write_paths(struct doc *d)
{
	const struct route *r, *other;
	size_t at = 0, from;

	json_w_key(&d->w, "paths");
	json_w_object(&d->w);
	while ((r = route_next(&at)) != NULL) {
		if (!is_shown(d, r) || !is_first_of_path(r)) {
			continue;
		}
		put_path_key(d, r->path);
		json_w_object(&d->w);
		from = 0;
		while ((other = route_next(&from)) != NULL) {
			if (strcmp(other->path, r->path) == 0) {
				write_operation(d, other);
			}
		}
		json_w_end(&d->w);
	}
	json_w_end(&d->w);
}

/* The rest. */

static const char key_scheme[] =
	"{\"type\":\"http\",\"scheme\":\"bearer\",\"description\":\"An API key: sk_...\"}";
static const char header_scheme[] =
	"{\"type\":\"apiKey\",\"in\":\"header\",\"name\":\"X-API-Key\",\"description\":\"An API key, "
	"where Authorization is taken.\"}";
static const char token_scheme[] =
	"{\"type\":\"http\",\"scheme\":\"bearer\",\"bearerFormat\":\"JWT\",\"description\":\"The "
	"access token of somebody who has logged in.\"}";

static const char cookie_scheme[] =
	"{\"type\":\"apiKey\",\"in\":\"cookie\",\"name\":\"access_token\",\"description\":\"The "
	"same in a cookie, for pages of this server.\"}";

static void write_components(struct doc *d)
{
	json_w_key(&d->w, "components");
	json_w_object(&d->w);
	json_w_key(&d->w, "securitySchemes");
	json_w_object(&d->w);
	json_put_raw(&d->w, "key", slice_of(key_scheme), "{}");
	json_put_raw(&d->w, "keyHeader", slice_of(header_scheme), "{}");
	json_put_raw(&d->w, "accessToken", slice_of(token_scheme), "{}");
	json_put_raw(&d->w, "cookie", slice_of(cookie_scheme), "{}");
	json_w_end(&d->w);
	openapi_response_components(d);
	json_w_key(&d->w, "schemas");
	json_w_object(&d->w);
	openapi_problem(d);
	schema_components(&d->schema);
	json_w_end(&d->w);
	json_w_end(&d->w);
}

static const char about[] =
	"Events go in, rules look at them over sliding windows, and who has to know is told, once.\n\n"
	"Bodies are JSON in camelCase, times are RFC 3339 in UTC. Lists come in pages: `nextCursor` of "
	"one is `cursor` of the next. Every error is `application/problem+json` and carries a `code`. "
	"What is left of a budget is said by the `RateLimit-*` headers. "
	"Under `/api/v1/` a member or parameter that is not known is refused; the calls of earlier "
	"systems pass it over, as those did.";

static void write_head(struct doc *d)
{
	struct slice server = d->in->server.n > 0 ? d->in->server : S("/");

	json_put_str(&d->w, "openapi", S("3.1.0"));
	json_w_key(&d->w, "info");
	json_w_object(&d->w);
	json_put_str(&d->w, "title", S("Tocsin"));
	json_put_str(&d->w, "version", slice_of(TOCSIN_VERSION));
	json_put_str(&d->w, "description", slice_of(about));
	json_put_raw(&d->w, "license", S("{\"name\":\"Apache-2.0\",\"identifier\":\"Apache-2.0\"}"),
		     "{}");
	json_w_end(&d->w);
	json_w_key(&d->w, "servers");
	json_w_array(&d->w);
	json_w_object(&d->w);
	json_put_str(&d->w, "url", server);
	json_put_str(&d->w, "description", S("This server"));
	json_w_end(&d->w);
	json_w_end(&d->w);
}

static bool is_used(const struct doc *d, const char *tag)
{
	const struct route *r;
	size_t at = 0;

	while ((r = route_next(&at)) != NULL) {
		if (is_shown(d, r) && strcmp(r->older != NULL ? r->older : r->tag, tag) == 0) {
			return true;
		}
	}
	return false;
}

static void write_tags(struct doc *d)
{
	json_w_key(&d->w, "tags");
	json_w_array(&d->w);
	for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
		if (!is_used(d, tags[i].name)) {
			continue;
		}
		json_w_object(&d->w);
		json_put_str(&d->w, "name", slice_of(tags[i].name));
		json_put_str(&d->w, "description", slice_of(tags[i].help));
		json_w_end(&d->w);
	}
	json_w_end(&d->w);
}

void openapi_write(const struct openapi_in *in, struct buf *out)
{
	struct doc *d = mem_alloc(1, sizeof(*d));

	d->in = in;
	arena_init(&d->arena, 0);
	json_w_init(&d->w, out);
	d->schema = (struct schema) { .w = &d->w, .arena = &d->arena };
	json_w_object(&d->w);
	write_head(d);
	write_tags(d);
	write_paths(d);
	write_components(d);
	json_w_end(&d->w);
	arena_release(&d->arena);
	free(d);
}
