/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What calls answer. Responses of errors are components named after their kinds, since most calls
 * share a handful of them; which kinds a call has is worked out from its row, so that a row says
 * only what does not follow.
 */
#include "api/openapi_impl.h"

/* What can go wrong before a row is found, or while its body arrives: any call may answer it. */
static const enum err_kind transport[] = {
	ERR_MALFORMED,	     ERR_TIMEOUT,     ERR_LENGTH,	 ERR_TOO_LARGE, ERR_URI_LENGTH,
	ERR_UNSUPPORTED,     ERR_EXPECTATION, ERR_RATE,		 ERR_HEADERS,	ERR_INTERNAL,
	ERR_NOT_IMPLEMENTED, ERR_OVERLOADED,  ERR_SHUTTING_DOWN, ERR_VERSION,
};

/* What follows from a row. */

struct kinds {
	enum err_kind *v;
	size_t n;
};

static void may(struct kinds *kinds, bool when, enum err_kind kind)
{
	for (size_t i = 0; i < kinds->n; i++) {
		when = when && kinds->v[i] != kind;
	}
	if (when) {
		kinds->v[kinds->n++] = kind;
	}
}

static void errors_of_caller(const struct route *r, struct kinds *k)
{
	bool anybody = r->who == WHO_PUBLIC || r->who == WHO_SOCKET;

	may(k, !anybody, ERR_UNAUTHORIZED);
	may(k, !anybody, ERR_FORBIDDEN);
	may(k, !anybody, ERR_NOT_FOUND); /* X-Project-Id */
	may(k, !anybody && !r->while_leaving, ERR_LEAVING);
	may(k, !anybody && !r->while_closed && (r->who != WHO_USER || r->role != ROLE_NONE),
	    ERR_CLOSED);
	may(k, r->proof, ERR_PROOF);
	may(k, r->limit != LIMIT_NONE, ERR_RATE);
}

static void errors_of_input(const struct route *r, struct kinds *k)
{
	bool body = r->body_max > 0;
	enum route_once once = route_once(r);

	may(k,
	    body || once != ONCE_NONE || r->match != MATCH_NONE || r->query[0] != NULL ||
		    route_is_strict(r),
	    ERR_INVALID);
	may(k, true, ERR_MALFORMED); /* the head may be */
	may(k, body, ERR_TOO_LARGE);
	may(k, body, ERR_UNSUPPORTED);
	may(k, r->params[0].is_id || r->params[0].help != NULL, ERR_NOT_FOUND);
	may(k, once != ONCE_NONE, ERR_IDEMPOTENCY);
	may(k, once == ONCE_KEPT || once == ONCE_SECRET, ERR_IN_PROGRESS);
	may(k, once == ONCE_KEPT || once == ONCE_SECRET, ERR_ALREADY_CREATED);
	may(k, r->match != MATCH_NONE, ERR_PRECONDITION);
	may(k, r->match == MATCH_MUST, ERR_PRECONDITION_REQUIRED);
}

static void errors_of_work(const struct route *r, struct kinds *k)
{
	bool stores = r->limit == LIMIT_INGEST;

	may(k, r->work != NULL || stores, ERR_INTERNAL);
	may(k, r->work != NULL || stores, ERR_IO);
	may(k, r->work != NULL || stores, ERR_CORRUPT);
	may(k, r->work != NULL || stores, ERR_OVERLOADED);
	may(k, r->work != NULL || stores, ERR_SHUTTING_DOWN);
	may(k, stores, ERR_ENGINE_LAG);
	may(k, stores, ERR_DISK_FULL);
}

size_t openapi_errors(const struct route *r, enum err_kind out[ERR_KINDS])
{
	struct kinds k = { out, 0 };

	for (size_t i = 0; i < ROUTE_ERRORS_MAX; i++) {
		may(&k, r->errors[i] != ERR_NONE, r->errors[i]);
	}
	may(&k, r->later != NULL, ERR_NOT_IMPLEMENTED);
	errors_of_caller(r, &k);
	errors_of_input(r, &k);
	errors_of_work(r, &k);
	return k.n;
}

/* Responses. */

static struct slice response_name(struct doc *d, const enum err_kind *kinds, size_t n)
{
	struct slice name = slice_of(err_info(kinds[0])->code);

	for (size_t i = 1; i < n; i++) {
		name = arena_printf(&d->arena, "%.*s.%s", SARG(name), err_info(kinds[i])->code);
	}
	return name;
}

static struct slice remember(struct doc *d, int status, const enum err_kind *kinds, size_t n)
{
	struct slice name = response_name(d, kinds, n);
	enum err_kind *kept;

	for (size_t i = 0; i < d->n; i++) {
		if (slice_eq(d->responses[i].name, name)) {
			return d->responses[i].name;
		}
	}
	ensure(d->n < RESPONSES_MAX);
	kept = arena_array(&d->arena, n, sizeof(*kept));
	memcpy(kept, kinds, n * sizeof(*kept));
	d->responses[d->n++] = (struct response) { name, status, kept, n };
	return name;
}

static void put_status(struct json_w *w, int status)
{
	char text[4] = { (char)('0' + status / 100), (char)('0' + status / 10 % 10),
			 (char)('0' + status % 10), '\0' };

	json_w_key(w, text);
}

static void put_ref(struct doc *d, const char *what, struct slice name)
{
	json_put_str(&d->w, "$ref",
		     arena_printf(&d->arena, "#/components/%s/%.*s", what, SARG(name)));
}

static void write_error(struct doc *d, int status, const enum err_kind *kinds, size_t n)
{
	put_status(&d->w, status);
	json_w_object(&d->w);
	put_ref(d, "responses", remember(d, status, kinds, n));
	json_w_end(&d->w);
}

static void write_errors(struct doc *d, const struct route *r)
{
	enum err_kind all[ERR_KINDS], same[ERR_KINDS];
	size_t n = openapi_errors(r, all);

	for (int status = 400; status < 600; status++) {
		size_t m = 0;

		for (enum err_kind kind = ERR_NONE + 1; kind < ERR_KINDS; kind++) {
			for (size_t i = 0; i < n; i++) {
				if (all[i] == kind && err_info(kind)->http_status == status) {
					same[m++] = kind;
				}
			}
		}
		if (m > 0) {
			write_error(d, status, same, m);
		}
	}
	json_w_key(&d->w, "default");
	json_w_raw(&d->w, S("{\"$ref\":\"#/components/responses/transport\"}"));
}

static const struct {
	enum reply_header flag;
	const char *name, *help;
} reply_headers[] = {
	{ REPLY_ETAG, "ETag", "The version, for If-Match and If-None-Match." },
	{ REPLY_REPLAYED, "Idempotent-Replayed",
	  "true when this key was used before, and nothing was done now." },
	{ REPLY_LOCATION, "Location", "Where it is found from now on." },
	{ REPLY_USAGE, "X-Usage-Warning", "soft_limit: the month's soft limit is passed." },
	{ REPLY_DEPRECATION, "Deprecation",
	  "Since when this call, or this way to make it, is deprecated (RFC 9745). It works on." },
	{ REPLY_DEPRECATION, "Link", "Where it is said what takes its place: rel=deprecation." },
};

static void write_header(struct json_w *w, const char *name, const char *help, const char *type)
{
	json_w_key(w, name);
	json_w_object(w);
	json_put_str(w, "description", slice_of(help));
	json_w_key(w, "schema");
	json_w_object(w);
	json_put_str(w, "type", slice_of(type));
	json_w_end(w);
	json_w_end(w);
}

static void write_reply_headers(struct doc *d, unsigned flags)
{
	if (flags == 0) {
		return;
	}
	json_w_key(&d->w, "headers");
	json_w_object(&d->w);
	for (size_t i = 0; i < ARRAY_LEN(reply_headers); i++) {
		if ((flags & reply_headers[i].flag) != 0) {
			write_header(&d->w, reply_headers[i].name, reply_headers[i].help, "string");
		}
	}
	json_w_end(&d->w);
}

/* With those that follow from the row. */
static unsigned headers_of(const struct route *r, const struct route_reply *reply)
{
	unsigned flags = reply->headers;

	if (route_once(r) == ONCE_KEPT) {
		flags |= REPLY_REPLAYED;
	}
	if (r->deprecated || r->old_query != NULL) {
		flags |= REPLY_DEPRECATION;
	}
	return flags;
}

/* The props of a page around the items. */
static void write_page(struct doc *d, const struct shape *item)
{
	const struct prop props[] = {
		PROP_SHAPE("data", item, .many = PROP_LIST, .help = "The items of this page."),
		PROP_STR("nextCursor", .flags = PROP_NULL,
			 .help = "For `cursor`, to get the next page; null at the end."),
		PROP_INT("lost", .flags = PROP_MAYBE,
			 .help = "How many items of the page could not be read."),
	};
	const struct shape page = { .props = props, .n = ARRAY_LEN(props) };

	schema_shape(&d->schema, &page, false);
}

static void example_page(struct doc *d, const struct shape *item)
{
	json_w_object(&d->w);
	json_w_key(&d->w, "data");
	json_w_array(&d->w);
	schema_example(&d->schema, item, false);
	json_w_end(&d->w);
	json_put_str_or_null(&d->w, "nextCursor", (struct slice) { 0 });
	json_w_end(&d->w);
}

static void write_example(struct doc *d, const struct route_reply *reply)
{
	if (reply->page) {
		example_page(d, reply->shape);
	} else if (reply->list) {
		json_w_array(&d->w);
		schema_example(&d->schema, reply->shape, false);
		json_w_end(&d->w);
	} else {
		schema_example(&d->schema, reply->shape, false);
	}
}

static void write_media(struct doc *d, const struct route_reply *reply)
{
	json_w_key(&d->w, reply->type != NULL ? reply->type : "application/json");
	json_w_object(&d->w);
	json_w_key(&d->w, "schema");
	if (reply->shape == NULL) {
		json_w_raw(&d->w, S("{\"type\":\"string\"}"));
	} else if (reply->page) {
		write_page(d, reply->shape);
	} else if (reply->list) {
		schema_prop(&d->schema,
			    &(const struct prop)PROP_SHAPE(NULL, reply->shape, .many = PROP_LIST));
	} else {
		schema_shape(&d->schema, reply->shape, false);
	}
	if (reply->shape != NULL) {
		json_w_key(&d->w, "example");
		write_example(d, reply);
	}
	json_w_end(&d->w);
}

/* All replies of one status, which differ by their type. */
static void write_reply(struct doc *d, const struct route *r, size_t first)
{
	const struct route_reply *reply = &r->replies[first];

	put_status(&d->w, reply->status);
	json_w_object(&d->w);
	json_put_str(&d->w, "description", slice_of(reply->help));
	write_reply_headers(d, headers_of(r, reply));
	if (reply->shape != NULL || reply->type != NULL) {
		json_w_key(&d->w, "content");
		json_w_object(&d->w);
		for (size_t i = first; i < ROUTE_REPLIES_MAX; i++) {
			if (r->replies[i].status == reply->status) {
				write_media(d, &r->replies[i]);
			}
		}
		json_w_end(&d->w);
	}
	json_w_end(&d->w);
}

void openapi_responses(struct doc *d, const struct route *r)
{
	json_w_key(&d->w, "responses");
	json_w_object(&d->w);
	for (size_t i = 0; i < ROUTE_REPLIES_MAX && r->replies[i].status != 0; i++) {
		bool seen = false;

		for (size_t k = 0; k < i; k++) {
			seen = seen || r->replies[k].status == r->replies[i].status;
		}
		if (!seen) {
			write_reply(d, r, i);
		}
	}
	write_errors(d, r);
	json_w_end(&d->w);
}

/* Components. */

static void write_codes(struct doc *d, const enum err_kind *kinds, size_t n)
{
	json_w_key(&d->w, "x-codes");
	json_w_array(&d->w);
	for (size_t i = 0; i < n; i++) {
		json_w_str(&d->w, slice_of(err_info(kinds[i])->code));
	}
	json_w_end(&d->w);
}

static void write_error_headers(struct doc *d, const struct response *response)
{
	bool retry = false;

	for (size_t i = 0; i < response->n; i++) {
		retry = retry || err_info(response->kinds[i])->retry_s > 0;
	}
	if (!retry && response->status != 401) {
		return;
	}
	json_w_key(&d->w, "headers");
	json_w_object(&d->w);
	if (retry) {
		write_header(&d->w, "Retry-After",
			     "After how many seconds the same request may succeed.", "integer");
	}
	if (response->status == 401) {
		write_header(&d->w, "WWW-Authenticate", "Bearer: how to say who you are.",
			     "string");
	}
	json_w_end(&d->w);
}

static void write_response(struct doc *d, const struct response *response)
{
	struct slice help = { 0 };

	for (size_t i = 0; i < response->n; i++) {
		help = arena_printf(&d->arena, "%.*s%s`%s`: %s.", SARG(help), i == 0 ? "" : " ",
				    err_info(response->kinds[i])->code,
				    err_info(response->kinds[i])->doc);
	}
	json_w_key_slice(&d->w, response->name);
	json_w_object(&d->w);
	json_put_str(&d->w, "description", help);
	write_error_headers(d, response);
	json_put_raw(&d->w, "content",
		     S("{\"application/problem+json\":"
		       "{\"schema\":{\"$ref\":\"#/components/schemas/Problem\"}}}"),
		     "{}");
	write_codes(d, response->kinds, response->n);
	json_w_end(&d->w);
}

void openapi_response_components(struct doc *d)
{
	const struct response any = { .name = S("transport"),
				      .kinds = transport,
				      .n = ARRAY_LEN(transport) };

	json_w_key(&d->w, "responses");
	json_w_object(&d->w);
	for (size_t i = 0; i < d->n; i++) {
		write_response(d, &d->responses[i]);
	}
	write_response(d, &any);
	json_w_end(&d->w);
}

/* Every kind with its status and meaning, where the words of "code" are listed. */
static void write_kinds(struct doc *d)
{
	json_w_key(&d->w, "code");
	json_w_object(&d->w);
	json_put_str(&d->w, "type", S("string"));
	json_put_str(&d->w, "description", S("What went wrong, for programs."));
	json_w_key(&d->w, "enum");
	json_w_array(&d->w);
	for (enum err_kind kind = ERR_NONE + 1; kind < ERR_KINDS; kind++) {
		json_w_str(&d->w, slice_of(err_info(kind)->code));
	}
	json_w_end(&d->w);
	json_w_key(&d->w, "x-enumDescriptions");
	json_w_object(&d->w);
	for (enum err_kind kind = ERR_NONE + 1; kind < ERR_KINDS; kind++) {
		json_put_str(&d->w, err_info(kind)->code, slice_of(err_info(kind)->doc));
	}
	json_w_end(&d->w);
	json_w_end(&d->w);
}

void openapi_problem(struct doc *d)
{
	static const struct prop props[] = {
		PROP_STR("type", .help = "Always about:blank: the code says which kind it is.",
			 .example = "\"about:blank\""),
		PROP_STR("title", .help = "The phrase of the status."),
		PROP_INT("status", .help = "The status of the reply."),
		PROP_STR("error", .help = "What went wrong, for people."),
		PROP_STR("field", .flags = PROP_MAYBE, .help = "The path of the value at fault."),
		PROP_STR("details", .flags = PROP_MAYBE, .many = PROP_MAP,
			 .help = "What is wrong with each value at fault, by its path."),
		PROP_INT("retryAfter", .flags = PROP_MAYBE,
			 .help = "Of 429: the seconds of Retry-After."),
		PROP_STR("id", .flags = PROP_MAYBE,
			 .help = "Of already_created: the id of what the first request made."),
		PROP_STR("requestId", .help = "What the log of the server has about it."),
		PROP_BOOL("success", .flags = PROP_MAYBE, .help = "false, to PulseBoard's calls."),
		PROP_STR("message", .flags = PROP_MAYBE,
			 .help = "As error, to calls of earlier systems."),
		PROP_INT("statusCode", .flags = PROP_MAYBE,
			 .help = "As status, to SignalOps' and SignalCraft's calls."),
		PROP_STR("errorCode", .flags = PROP_MAYBE,
			 .help = "As code, to SignalCraft's calls; as are these two:"),
		PROP_TIME("timestamp", .flags = PROP_MAYBE, .help = "When it went wrong."),
		PROP_STR("path", .flags = PROP_MAYBE, .help = "The path of the request."),
	};

	json_w_key(&d->w, "Problem");
	json_w_object(&d->w);
	json_put_str(&d->w, "description", S("An error (RFC 9457)."));
	json_put_str(&d->w, "type", S("object"));
	json_w_key(&d->w, "properties");
	json_w_object(&d->w);
	for (size_t i = 0; i < ARRAY_LEN(props); i++) {
		json_w_key(&d->w, props[i].name);
		schema_prop(&d->schema, &props[i]);
	}
	write_kinds(d);
	json_w_end(&d->w);
	json_put_raw(&d->w, "required",
		     S("[\"type\",\"title\",\"status\",\"error\",\"code\",\"requestId\"]"), "[]");
	json_put_bool(&d->w, "additionalProperties", false);
	json_w_end(&d->w);
}
