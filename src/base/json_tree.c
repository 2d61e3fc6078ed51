/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trees, made by the scanner so that both accept the same texts, and the look-ups in text that the
 * scanner has already accepted: those trust the grammar and only watch the end.
 */
#include "base/json_impl.h"

#include "base/utf8.h"

/* One parse: the scan and where the nodes go. */
struct parse {
	struct json_scan scan;
	struct arena *arena;
};

static bool parse_value(struct parse *p, struct json *v, struct err *err);

static struct json *append(struct parse *p, struct json *parent, struct json **last)
{
	struct json *child = arena_new(p->arena, struct json);

	if (*last == NULL) {
		parent->child = child;
	} else {
		(*last)->next = child;
	}
	*last = child;
	parent->count++;
	return child;
}

static bool parse_array(struct parse *p, struct json *v, struct err *err)
{
	struct json *last = NULL;
	enum found more;

	if (!json_begin_array(&p->scan, err)) {
		return false;
	}
	while ((more = json_next_item(&p->scan, err)) == FOUND) {
		if (!parse_value(p, append(p, v, &last), err)) {
			return false;
		}
	}
	return more == NOT_FOUND;
}

static bool parse_object(struct parse *p, struct json *v, struct err *err)
{
	struct json *last = NULL;
	enum found more;
	struct slice key;

	if (!json_begin_object(&p->scan, err)) {
		return false;
	}
	while ((more = json_next_key(&p->scan, &key, err)) == FOUND) {
		struct json *child = append(p, v, &last);

		child->key = key;
		if (!parse_value(p, child, err)) {
			return false;
		}
	}
	return more == NOT_FOUND;
}

static bool parse_text(struct parse *p, struct json *v, struct err *err)
{
	switch (v->type) {
	case JSON_NULL:
		return json_null(&p->scan, err);
	case JSON_BOOL:
		return json_bool(&p->scan, &v->truth, err);
	case JSON_NUMBER:
		return json_number(&p->scan, &v->text, err);
	case JSON_NONE: /* json_string says what is wrong */
	case JSON_STRING:
		return json_string(&p->scan, &v->text, err);
	case JSON_ARRAY:
		return parse_array(p, v, err);
	case JSON_OBJECT:
		return parse_object(p, v, err);
	}
	never("no such json type");
}

/* Recursion ends at the depth of the scan. */
static bool parse_value(struct parse *p, struct json *v, struct err *err)
{
	v->type = json_peek(&p->scan);
	v->raw.p = p->scan.cur;
	if (!parse_text(p, v, err)) {
		return false;
	}
	v->raw.n = (size_t)(p->scan.cur - v->raw.p);
	return true;
}

bool json_parse(struct arena *arena, struct slice text, unsigned depth_max, const struct json **out,
		struct err *err)
{
	struct parse p = { .arena = arena };
	struct json *root;

	if (text.n > JSON_TREE_BYTES_MAX) {
		return err_set(err, ERR_TOO_LARGE, "the value has more than %zu bytes",
			       JSON_TREE_BYTES_MAX);
	}
	root = arena_new(arena, struct json);
	json_scan_init(&p.scan, text, depth_max, arena);
	if (!parse_value(&p, root, err) || !json_end(&p.scan, err)) {
		return false;
	}
	*out = root;
	return true;
}

const struct json *json_get_slice(const struct json *obj, struct slice key)
{
	if (obj == NULL || obj->type != JSON_OBJECT) {
		return NULL;
	}
	json_each(child, obj)
	{
		if (slice_eq(child->key, key)) {
			return child;
		}
	}
	return NULL;
}

const struct json *json_get(const struct json *obj, const char *key)
{
	return json_get_slice(obj, slice_of(key));
}

/* Walking valid text. Each function takes the rest of the text and returns what is behind. */

static struct slice skip_blanks(struct slice s)
{
	while (s.n > 0 && (*s.p == ' ' || *s.p == '\n' || *s.p == '\r' || *s.p == '\t')) {
		s.p++;
		s.n--;
	}
	return s;
}

/* s starts behind the opening quote; *raw ends in front of the closing one. */
static struct slice skip_string(struct slice s, struct slice *raw)
{
	size_t i = 0;

	while (i < s.n && s.p[i] != '"') {
		i += s.p[i] == '\\' ? 2 : 1;
	}
	ensure(i < s.n);
	*raw = (struct slice) { .p = s.p, .n = i };
	return slice_from(s, i + 1);
}

static bool ends_scalar(char c)
{
	return c == ',' || c == ']' || c == '}' || c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* *value becomes the value that s starts with. */
static struct slice skip_value(struct slice s, struct slice *value)
{
	struct slice rest = s, ignored;
	size_t open = 0;

	ensure(s.n > 0);
	do {
		char c = rest.n > 0 ? *rest.p : '\0';

		ensure(rest.n > 0);
		rest = slice_from(rest, 1);
		if (c == '"') {
			rest = skip_string(rest, &ignored);
		} else if (c == '{' || c == '[') {
			open++;
		} else if (c == '}' || c == ']') {
			open--;
		} else if (open == 0) {
			while (rest.n > 0 && !ends_scalar(*rest.p)) {
				rest = slice_from(rest, 1);
			}
		}
	} while (open > 0);
	*value = (struct slice) { .p = s.p, .n = s.n - rest.n };
	return rest;
}

/* Take part off the front of *s, if it stands there. */
static bool take(struct slice *s, struct slice part)
{
	bool ok = slice_starts(*s, part);

	*s = slice_from(*s, part.n);
	return ok;
}

/* Compare without unescaping into memory: names may be as long as the text. */
static bool name_is(struct slice raw, struct slice want)
{
	while (raw.n > 0) {
		size_t plain = slice_find(raw, '\\');
		char one[4];
		uint32_t c;

		if (!take(&want, (struct slice) { .p = raw.p, .n = plain })) {
			return false;
		}
		raw = slice_from(raw, plain);
		if (raw.n > 0) {
			size_t n = json_unescape_one(raw, &c);

			ensure(n > 0);
			raw = slice_from(raw, n);
			if (!take(&want, (struct slice) { .p = one, .n = utf8_put(c, one) })) {
				return false;
			}
		}
	}
	return want.n == 0;
}

/* Behind the comma, or the empty slice when the array or object ends here. */
static struct slice next_part(struct slice rest)
{
	rest = skip_blanks(rest);
	return rest.n > 0 && *rest.p == ',' ? skip_blanks(slice_from(rest, 1))
					    : (struct slice) { 0 };
}

/* raw is an object without its opening brace. */
static bool find_member(struct slice raw, struct slice want, struct slice *value)
{
	struct slice rest = skip_blanks(raw), name;

	while (rest.n > 0 && *rest.p == '"') {
		rest = skip_blanks(skip_string(slice_from(rest, 1), &name));
		rest = skip_value(skip_blanks(slice_from(rest, 1)), value);
		if (name_is(name, want)) {
			return true;
		}
		rest = next_part(rest);
	}
	return false;
}

/* raw is an array without its opening bracket. */
static bool find_item(struct slice raw, struct slice want, struct slice *value)
{
	struct slice rest = skip_blanks(raw);
	uint64_t index;

	if (!slice_u64(want, &index)) {
		return false;
	}
	for (uint64_t i = 0; rest.n > 0 && *rest.p != ']'; i++) {
		rest = skip_value(rest, value);
		if (i == index) {
			return true;
		}
		rest = next_part(rest);
	}
	return false;
}

bool json_path(struct slice raw, const struct slice *path, size_t n, struct slice *out)
{
	struct slice value;

	raw = skip_blanks(raw);
	for (size_t i = 0; i < n; i++) {
		char c = raw.n > 0 ? *raw.p : '\0';

		if (c != '{' && c != '[') {
			return false;
		}
		raw = slice_from(raw, 1);
		if (!(c == '{' ? find_member : find_item)(raw, path[i], &value)) {
			return false;
		}
		raw = value;
	}
	if (raw.n == 0) {
		return false;
	}
	skip_value(raw, out);
	return true;
}

/* Copy valid text without the white space between its parts. */
static void put_compact(struct slice raw, struct buf *out)
{
	struct slice rest = skip_blanks(raw), text;

	while (rest.n > 0) {
		char c = *rest.p;

		buf_putc(out, c);
		rest = slice_from(rest, 1);
		if (c == '"') {
			rest = skip_string(rest, &text);
			buf_put(out, text.p, text.n + 1);
		}
		rest = skip_blanks(rest);
	}
}

static void put_string_key(struct slice raw, struct buf *out)
{
	struct slice text;
	char *room;

	skip_string(slice_from(raw, 1), &text);
	buf_putc(out, 's');
	room = buf_room(out, text.n);
	if (room != NULL) {
		out->n += json_unescape(text, room);
	}
}

/* The letter in front keeps the types apart. */
void json_key(struct slice raw, struct buf *out)
{
	raw = skip_blanks(raw);
	ensure(raw.n > 0);
	switch (*raw.p) {
	case '"':
		put_string_key(raw, out);
		return;
	case '{':
	case '[':
		buf_putc(out, 'j');
		put_compact(raw, out);
		return;
	case 't':
	case 'f':
	case 'n':
		buf_putc(out, *raw.p == 'n' ? '0' : *raw.p);
		return;
	default:
		skip_value(raw, &raw);
		buf_putc(out, 'n');
		json_number_key(raw, out);
	}
}
