/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows to values. There is one way in: a JSON value is checked against its row and stored; text
 * from flags and files is first turned into the JSON value it stands for (field_text.c), so that a
 * bound holds the same wherever a value comes from.
 */
#include "base/field.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/field_impl.h"
#include "base/time.h"
#include "base/utf8.h"

static const struct field_kind_info infos[FIELD_KINDS] = {
	[FIELD_KIND_STR] = { "string", NULL, "characters", JSON_STRING, FIELD_CHARS, 0,
			     FIELD_STR_MAX },
	[FIELD_KIND_TEXT] = { "text", NULL, "characters", JSON_STRING, FIELD_CHARS, 0,
			      FIELD_TEXT_MAX },
	[FIELD_KIND_URL] = { "url", "uri", "bytes", JSON_STRING, FIELD_BYTES, 0, FIELD_URL_MAX },
	[FIELD_KIND_TIME] = { "time", "date-time", NULL, JSON_STRING, FIELD_UNBOUNDED },
	[FIELD_KIND_ENUM] = { "choice", NULL, NULL, JSON_STRING, FIELD_UNBOUNDED },
	[FIELD_KIND_BOOL] = { "switch", NULL, NULL, JSON_BOOL, FIELD_UNBOUNDED },
	[FIELD_KIND_INT] = { "integer", "int64", NULL, JSON_NUMBER, FIELD_VALUE, INT64_MIN,
			     INT64_MAX },
	[FIELD_KIND_NUMBER] = { "number", "double", NULL, JSON_NUMBER, FIELD_VALUE, INT64_MIN,
				INT64_MAX },
	[FIELD_KIND_SECONDS] = { "duration", "int64", "seconds", JSON_NUMBER, FIELD_VALUE, 0,
				 FIELD_SECONDS_MAX },
	[FIELD_KIND_SIZE] = { "size", "int64", "bytes", JSON_NUMBER, FIELD_VALUE, 0,
			      INT64_C(1) << 50 },
	[FIELD_KIND_LIST] = { "list", NULL, "items", JSON_ARRAY, FIELD_ITEMS, 0, FIELD_ITEMS_MAX },
	[FIELD_KIND_CIDRS] = { "networks", NULL, "items", JSON_ARRAY, FIELD_ITEMS, 0,
			       FIELD_ITEMS_MAX },
	[FIELD_KIND_MAP] = { "map", NULL, "entries", JSON_OBJECT, FIELD_ITEMS, 0, FIELD_ITEMS_MAX },
	[FIELD_KIND_OBJECT] = { "object", NULL, "bytes", JSON_OBJECT, FIELD_BYTES, 0,
				FIELD_JSON_MAX },
	[FIELD_KIND_JSON] = { "json", NULL, "bytes", JSON_NONE, FIELD_BYTES, 0, FIELD_JSON_MAX },
};

const struct field_kind_info *field_kind_info(enum field_kind kind)
{
	ensure((size_t)kind < FIELD_KINDS);
	return &infos[kind];
}

void field_bounds(const struct field *row, int64_t *min, int64_t *max)
{
	const struct field_kind_info *info = field_kind_info(row->kind);
	bool none = row->min == 0 && row->max == 0;

	*min = none ? info->min : row->min;
	*max = none || row->max < row->min ? info->max : row->max;
}

void field_bounds_text(const struct field *row, char *out, size_t size)
{
	const struct field_kind_info *info = field_kind_info(row->kind);
	const char *unit = row->unit != NULL ? row->unit : info->unit;
	const char *space = unit == NULL ? "" : " ";
	int64_t min, max;

	unit = unit == NULL ? "" : unit;
	field_bounds(row, &min, &max);
	if (info->measure == FIELD_UNBOUNDED || (min == INT64_MIN && max == INT64_MAX)) {
		out[0] = '\0';
	} else if (min == max) {
		snprintf(out, size, "exactly %lld%s%s", (long long)min, space, unit);
	} else if (max == INT64_MAX) {
		snprintf(out, size, "at least %lld%s%s", (long long)min, space, unit);
	} else if (info->measure == FIELD_VALUE) {
		snprintf(out, size, "between %lld and %lld%s%s", (long long)min, (long long)max,
			 space, unit);
	} else if (min == 0) {
		snprintf(out, size, "at most %lld%s%s", (long long)max, space, unit);
	} else {
		snprintf(out, size, "%lld to %lld%s%s", (long long)min, (long long)max, space,
			 unit);
	}
}

/* Errors. */

static void path_of(const struct place *at, const char *suffix, char path[FIELD_PATH_MAX])
{
	bool inside = at->path != NULL && at->path[0] != '\0';

	snprintf(path, FIELD_PATH_MAX, "%s%s%s%s", inside ? at->path : "", inside ? "." : "",
		 at->name, suffix);
}

static bool complain(const struct place *at, const char *suffix, const char *fmt, ...) PRINTF(3, 4);

static bool complain(const struct place *at, const char *suffix, const char *fmt, ...)
{
	char path[FIELD_PATH_MAX], what[sizeof(at->err->text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	path_of(at, suffix, path);
	return err_field(at->err, ERR_INVALID, path, "\"%.100s\" %.150s", path, what);
}

static bool complain_bounds(const struct place *at)
{
	char bounds[96];

	field_bounds_text(at->row, bounds, sizeof(bounds));
	return complain(at, "", "must %s %s",
			field_kind_info(at->row->kind)->measure == FIELD_VALUE ? "be" : "have",
			bounds);
}

static bool in_bounds(const struct place *at, int64_t v)
{
	int64_t min, max;

	field_bounds(at->row, &min, &max);
	return (v >= min && v <= max) || complain_bounds(at);
}

/* Strings. */

/* Line breaks and tabs may be allowed. */
static bool has_control(struct slice s, bool lines)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		bool line = c == '\n' || c == '\t' || c == '\r';

		if ((c < 0x20 && !(lines && line)) || c == 0x7f) {
			return true;
		}
	}
	return false;
}

/* Items of lists and maps are checked like strings, under a longer path. */
static bool check_string(const struct place *at, const char *suffix, struct slice s, bool lines)
{
	const char *complaint;

	if (has_control(s, lines)) {
		return complain(at, suffix, "must not have control characters");
	}
	complaint = at->row->check == NULL ? NULL : at->row->check(s);
	return complaint == NULL || complain(at, suffix, "%s", complaint);
}

static bool set_str(const struct place *at, const struct json *v, void *member)
{
	if (!in_bounds(at, (int64_t)utf8_len(v->text)) ||
	    !check_string(at, "", v->text, at->row->kind == FIELD_KIND_TEXT)) {
		return false;
	}
	*(struct slice *)member = v->text;
	return true;
}

/* Scheme, host and no white space; whoever calls the address parses it in full. */
static bool is_url(struct slice s)
{
	struct slice rest;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] <= ' ' || s.p[i] == 0x7f) {
			return false;
		}
	}
	rest = slice_from(s, slice_find(s, ':') + 1);
	return (slice_eq_nocase((struct slice) { s.p, s.n < 7 ? s.n : 7 }, S("http://")) ||
		slice_eq_nocase((struct slice) { s.p, s.n < 8 ? s.n : 8 }, S("https://"))) &&
	       rest.n > 2 && strchr("/?#:@", rest.p[2]) == NULL;
}

static bool set_url(const struct place *at, const struct json *v, void *member)
{
	if (!in_bounds(at, (int64_t)v->text.n) || !check_string(at, "", v->text, false)) {
		return false;
	}
	if (v->text.n > 0 && !is_url(v->text)) {
		return complain(at, "", "must be an http or https URL");
	}
	*(struct slice *)member = v->text;
	return true;
}

static bool set_time(const struct place *at, const struct json *v, void *member)
{
	return time_parse(v->text, member) ||
	       complain(at, "", "must be a time like 2026-03-01T12:00:00Z");
}

static bool set_enum(const struct place *at, const struct json *v, void *member)
{
	const char *const *words = at->row->words;
	char all[150] = "";
	size_t n = 0;

	for (unsigned i = 0; words[i] != NULL; i++) {
		if (slice_eq(v->text, slice_of(words[i]))) {
			*(unsigned *)member = i;
			return true;
		}
		if (n < sizeof(all)) {
			n += (size_t)snprintf(all + n, sizeof(all) - n, "%s%s", i == 0 ? "" : ", ",
					      words[i]);
		}
	}
	return complain(at, "", "must be one of %s", all);
}

/* Numbers. */

static bool set_bool(const struct place *at UNUSED, const struct json *v, void *member)
{
	*(bool *)member = v->truth;
	return true;
}

static bool set_int(const struct place *at, const struct json *v, void *member)
{
	int64_t i;

	if (!json_number_int(v->text, &i)) {
		return complain(at, "", "must be a whole number");
	}
	if (!in_bounds(at, i)) {
		return false;
	}
	*(int64_t *)member = i;
	return true;
}

static bool set_number(const struct place *at, const struct json *v, void *member)
{
	int64_t min, max;
	double d;

	if (!json_number_double(v->text, &d)) {
		return complain(at, "", "is too large a number");
	}
	field_bounds(at->row, &min, &max);
	if ((min > INT64_MIN && d < (double)min) || (max < INT64_MAX && d > (double)max)) {
		return complain_bounds(at);
	}
	*(double *)member = d;
	return true;
}

/* Lists and maps. */

static bool check_item(const struct place *at, const char *suffix, const struct json *item)
{
	uint32_t max = at->row->item_max == 0 ? FIELD_ITEM_MAX : at->row->item_max;

	if (item->type != JSON_STRING) {
		return complain(at, suffix, "must be a string");
	}
	if (utf8_len(item->text) > max) {
		return complain(at, suffix, "must have at most %u characters", (unsigned)max);
	}
	return check_string(at, suffix, item->text, false);
}

/* An address, or a network: an address and the number of its leading bits. */
static bool is_cidr(struct slice s)
{
	size_t slash = slice_find(s, '/');
	unsigned char addr[16];
	char text[INET6_ADDRSTRLEN];
	uint64_t bits = 0;
	bool v6 = slice_find(s, ':') < slash;

	if (slash >= sizeof(text)) {
		return false;
	}
	snprintf(text, sizeof(text), "%.*s", (int)slash, s.p);
	if (slash < s.n &&
	    (!slice_u64(slice_from(s, slash + 1), &bits) || bits > (v6 ? 128U : 32U))) {
		return false;
	}
	return inet_pton(v6 ? AF_INET6 : AF_INET, text, addr) == 1;
}

static bool set_list(const struct place *at, const struct json *v, void *member)
{
	struct slice *items;
	size_t n = 0;

	if (!in_bounds(at, v->count)) {
		return false;
	}
	items = arena_array(at->arena, v->count, sizeof(*items));
	json_each(item, v)
	{
		char suffix[24];

		snprintf(suffix, sizeof(suffix), "[%zu]", n);
		if (!check_item(at, suffix, item)) {
			return false;
		}
		if (item->text.n == 0) {
			return complain(at, suffix, "must not be empty");
		}
		if (at->row->kind == FIELD_KIND_CIDRS && !is_cidr(item->text)) {
			return complain(at, suffix,
					"must be an address or a network like 10.0.0.0/8");
		}
		items[n++] = item->text;
	}
	*(struct field_list *)member = (struct field_list) { .v = items, .n = n };
	return true;
}

static bool set_map(const struct place *at, const struct json *v, void *member)
{
	struct field_pair *pairs;
	size_t n = 0;

	if (!in_bounds(at, v->count)) {
		return false;
	}
	pairs = arena_array(at->arena, v->count, sizeof(*pairs));
	json_each(item, v)
	{
		char suffix[64];
		size_t key_len = utf8_len(item->key);

		snprintf(suffix, sizeof(suffix), ".%.*s", SARG(utf8_cut(item->key, 60)));
		if (key_len == 0 || key_len > FIELD_KEY_MAX || has_control(item->key, false)) {
			return complain(at, suffix, "must have a name of 1 to %d characters",
					FIELD_KEY_MAX);
		}
		if (!check_item(at, suffix, item)) {
			return false;
		}
		pairs[n++] = (struct field_pair) { .key = item->key, .value = item->text };
	}
	*(struct field_map *)member = (struct field_map) { .v = pairs, .n = n };
	return true;
}

static bool set_json(const struct place *at, const struct json *v, void *member)
{
	if (!in_bounds(at, (int64_t)v->raw.n)) {
		return false;
	}
	*(const struct json **)member = v;
	return true;
}

static bool (*const setters[FIELD_KINDS])(const struct place *, const struct json *, void *) = {
	[FIELD_KIND_STR] = set_str,	[FIELD_KIND_TEXT] = set_str,
	[FIELD_KIND_URL] = set_url,	[FIELD_KIND_TIME] = set_time,
	[FIELD_KIND_ENUM] = set_enum,	[FIELD_KIND_BOOL] = set_bool,
	[FIELD_KIND_INT] = set_int,	[FIELD_KIND_NUMBER] = set_number,
	[FIELD_KIND_SECONDS] = set_int, [FIELD_KIND_SIZE] = set_int,
	[FIELD_KIND_LIST] = set_list,	[FIELD_KIND_CIDRS] = set_list,
	[FIELD_KIND_MAP] = set_map,	[FIELD_KIND_OBJECT] = set_json,
	[FIELD_KIND_JSON] = set_json,
};

bool field_set(const struct place *at, const struct json *v, void *out)
{
	const struct field_kind_info *info = field_kind_info(at->row->kind);

	if (info->type != JSON_NONE && v->type != info->type) {
		return complain(at, "", "must be %s", json_type_name(info->type));
	}
	return setters[at->row->kind](at, v, (char *)out + at->row->offset);
}

/* Objects. */

static void set_default(const struct field *row, void *out, struct arena *arena)
{
	static const size_t sizes[FIELD_KINDS] = {
		[FIELD_KIND_STR] = sizeof(struct slice),
		[FIELD_KIND_TEXT] = sizeof(struct slice),
		[FIELD_KIND_URL] = sizeof(struct slice),
		[FIELD_KIND_TIME] = sizeof(int64_t),
		[FIELD_KIND_ENUM] = sizeof(unsigned),
		[FIELD_KIND_BOOL] = sizeof(bool),
		[FIELD_KIND_INT] = sizeof(int64_t),
		[FIELD_KIND_NUMBER] = sizeof(double),
		[FIELD_KIND_SECONDS] = sizeof(int64_t),
		[FIELD_KIND_SIZE] = sizeof(int64_t),
		[FIELD_KIND_LIST] = sizeof(struct field_list),
		[FIELD_KIND_CIDRS] = sizeof(struct field_list),
		[FIELD_KIND_MAP] = sizeof(struct field_map),
		[FIELD_KIND_OBJECT] = sizeof(const struct json *),
		[FIELD_KIND_JSON] = sizeof(const struct json *),
	};
	struct err err;

	memset((char *)out + row->offset, 0, sizes[row->kind]);
	if (row->fallback != NULL &&
	    !field_parse_text(row, slice_of(row->fallback), out, arena, &err)) {
		never("a default is out of its own bounds");
	}
}

void fields_defaults(const struct field *rows, size_t n, void *out, struct arena *arena)
{
	for (size_t i = 0; i < n; i++) {
		set_default(&rows[i], out, arena);
	}
}

static bool check_known(const struct json *obj, const struct field *rows, size_t n,
			const struct fields_in *in, struct err *err)
{
	json_each(child, obj)
	{
		const struct field *near;
		struct place at = { .path = in->path, .err = err };
		char name[64];

		if (fields_find(rows, n, child->key) != NULL) {
			continue;
		}
		snprintf(name, sizeof(name), "%.*s", SARG(utf8_cut(child->key, sizeof(name) - 1)));
		at.name = name;
		near = fields_closest(rows, n, child->key);
		return near == NULL ? complain(&at, "", "is not known")
				    : complain(&at, "", "is not known; did you mean \"%s\"?",
					       near->name);
	}
	return true;
}

/* A change must not alter an immutable value: compared as text, before and after. */
static bool set_same(const struct place *at, const struct json *v, void *out)
{
	struct buf before, after;
	bool ok, same;

	buf_init(&before, JSON_BYTES_MAX);
	buf_init(&after, JSON_BYTES_MAX);
	field_put_text(at->row, out, &before);
	ok = field_set(at, v, out);
	field_put_text(at->row, out, &after);
	same = slice_eq(buf_slice(&before), buf_slice(&after));
	buf_release(&before);
	buf_release(&after);
	return ok && (same || complain(at, "", "cannot be changed"));
}

static bool is_mask(const struct field *row, const struct json *v)
{
	return (row->flags & FIELD_SECRET) != 0 && v->type == JSON_STRING &&
	       slice_eq(v->text, S(FIELD_MASK));
}

/* v is NULL when the member is absent. *present says whether it was taken. */
static bool parse_row(const struct place *at, const struct json *v, void *out, bool partial,
		      bool *present)
{
	const struct field *row = at->row;
	bool is_null = v != NULL && v->type == JSON_NULL && row->kind != FIELD_KIND_JSON;

	*present = v != NULL && (row->flags & FIELD_READ_ONLY) == 0 &&
		   !(partial && is_mask(row, v));
	if (partial && !*present) {
		return true;
	}
	if (!*present || (is_null && (row->flags & FIELD_REQUIRED) == 0)) {
		if ((row->flags & FIELD_REQUIRED) != 0 && (row->flags & FIELD_READ_ONLY) == 0) {
			return complain(at, "", "is required");
		}
		set_default(row, out, at->arena);
		return true;
	}
	if (is_mask(row, v)) {
		return complain(at, "", "must be the secret itself, not its mask");
	}
	if (partial && (row->flags & FIELD_IMMUTABLE) != 0) {
		return set_same(at, v, out);
	}
	return field_set(at, v, out);
}

bool fields_parse(const struct json *obj, const struct field *rows, size_t n, void *out,
		  struct fields_in *in, struct arena *req, struct err *err)
{
	struct fields_in none = { 0 };

	in = in == NULL ? &none : in;
	in->present = 0;
	if (obj->type != JSON_OBJECT) {
		return in->path == NULL
			       ? err_field(err, ERR_INVALID, "", "the value must be an object")
			       : err_field(err, ERR_INVALID, in->path, "\"%s\" must be an object",
					   in->path);
	}
	if (!in->ignore_unknown && !check_known(obj, rows, n, in, err)) {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		struct place at = { &rows[i], rows[i].name, in->path, req, err };
		bool present;

		if (!parse_row(&at, json_get(obj, rows[i].name), out, in->partial, &present)) {
			return false;
		}
		in->present |= i < FIELD_ROWS_MAX ? (uint64_t)present << i : 0;
	}
	return true;
}
