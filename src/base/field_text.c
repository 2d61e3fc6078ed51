/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values as text and back, and the names of rows. Text is turned into the JSON value it stands
 * for and then takes the same way as a body.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/field_impl.h"
#include "base/time.h"
#include "base/utf8.h"

/* A suffix and what it multiplies with. */
struct unit {
	const char *name;
	int64_t factor;
};
/* Largest first; the first name of a factor is the one that is written. */
static const struct unit duration_units[] = {
	{ "w", 604800 }, { "d", 86400 }, { "h", 3600 }, { "m", 60 }, { "s", 1 }, { NULL, 0 },
};
static const struct unit size_units[] = {
	{ "GiB", INT64_C(1) << 30 },
	{ "G", INT64_C(1) << 30 },
	{ "MiB", 1 << 20 },
	{ "M", 1 << 20 },
	{ "KiB", 1 << 10 },
	{ "K", 1 << 10 },
	{ "B", 1 },
	{ NULL, 0 },
};

static const struct unit *units_of(enum field_kind kind)
{
	return kind == FIELD_KIND_SECONDS ? duration_units
	       : kind == FIELD_KIND_SIZE  ? size_units
					  : NULL;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Digits, then letters that name a unit, off the front of *s; added to *sum. */
static bool take_amount(struct slice *s, const struct unit *units, int64_t *sum)
{
	size_t digits = 0, letters = 0;
	struct slice name;
	int64_t v;

	while (digits < s->n && is_digit(s->p[digits])) {
		digits++;
	}
	while (digits + letters < s->n && !is_digit(s->p[digits + letters])) {
		letters++;
	}
	if (!slice_i64((struct slice) { s->p, digits }, &v)) {
		return false;
	}
	name = (struct slice) { s->p + digits, letters };
	while (units->name != NULL && !slice_eq_nocase(name, slice_of(units->name))) {
		units++;
	}
	*s = slice_from(*s, digits + letters);
	return units->name != NULL && !__builtin_mul_overflow(v, units->factor, &v) &&
	       !__builtin_add_overflow(*sum, v, sum);
}

/* "5m", "1h30m", "64KiB"; a number without a unit stands alone. */
static bool read_amount(struct slice s, const struct unit *units, int64_t *out)
{
	*out = 0;
	if (slice_i64(s, out)) {
		return true;
	}
	*out = 0;
	while (s.n > 0) {
		if (!take_amount(&s, units, out)) {
			return false;
		}
	}
	return true;
}

static bool fail(const struct place *at, const char *what)
{
	return err_field(at->err, ERR_INVALID, at->name, "\"%s\" must be %s", at->name, what);
}

static bool number_of(const struct place *at, struct slice text, struct json *v)
{
	const struct unit *units = units_of(at->row->kind);
	const struct json *number;
	struct err ignored;
	int64_t sum;

	v->type = JSON_NUMBER;
	if (units != NULL) {
		if (text.n == 0 || !read_amount(text, units, &sum)) {
			return fail(at, at->row->kind == FIELD_KIND_SECONDS
						? "a duration like 90s, 5m or 1h30m"
						: "a size like 4096, 64KiB or 10MiB");
		}
		v->text = arena_printf(at->arena, "%lld", (long long)sum);
		return true;
	}
	if (!json_parse(at->arena, text, 0, &number, &ignored) || number->type != JSON_NUMBER) {
		return fail(at, at->row->kind == FIELD_KIND_INT ? "a whole number" : "a number");
	}
	v->text = number->text;
	return true;
}

static bool bool_of(const struct place *at, struct slice text, struct json *v)
{
	static const char *const words[] = { "false", "true", "no", "yes", "off", "on", "0", "1" };

	v->type = JSON_BOOL;
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (slice_eq_nocase(text, slice_of(words[i]))) {
			v->truth = i % 2 == 1;
			return true;
		}
	}
	return fail(at, "true or false");
}

static struct json *append(const struct place *at, struct json *parent, struct json **last)
{
	struct json *child = arena_new(at->arena, struct json);

	child->type = JSON_STRING;
	*(*last == NULL ? &parent->child : &(*last)->next) = child;
	*last = child;
	parent->count++;
	return child;
}

/* "a, b"; empty text is the empty list. */
static bool list_of(const struct place *at, struct slice text, struct json *v)
{
	struct slice rest = text, part;
	struct json *last = NULL;

	v->type = JSON_ARRAY;
	while (slice_split(&rest, ',', &part)) {
		append(at, v, &last)->text = slice_trim(part);
	}
	return true;
}

/* "\\," is a comma that separates nothing, "\\\\" a backslash; any other backslash is itself. */
static bool is_escape(struct slice s, size_t i)
{
	return s.p[i] == '\\' && i + 1 < s.n && (s.p[i + 1] == ',' || s.p[i + 1] == '\\');
}

/* As slice_split, at a comma that is no text. */
static bool split_entry(struct slice *rest, struct slice *part)
{
	size_t at = 0;

	if (rest->n == 0) {
		return false;
	}
	while (at < rest->n && rest->p[at] != ',') {
		at += is_escape(*rest, at) ? 2 : 1;
	}
	*part = (struct slice) { .p = rest->p, .n = at };
	*rest = slice_from(*rest, at + 1);
	return true;
}

static struct slice without_escapes(struct slice s, struct arena *arena)
{
	char *out = arena_alloc(arena, s.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		i += is_escape(s, i) ? 1 : 0;
		out[n++] = s.p[i];
	}
	return (struct slice) { .p = out, .n = n };
}

static bool map_of(const struct place *at, struct slice text, struct json *v)
{
	struct slice rest = text, part;
	struct json *last = NULL;

	v->type = JSON_OBJECT;
	while (split_entry(&rest, &part)) {
		size_t eq = slice_find(part, '=');
		struct slice key = without_escapes(slice_trim((struct slice) { part.p, eq }),
						   at->arena);
		struct json *child;

		if (eq == part.n) {
			return fail(at, "a list like name=value,other=value");
		}
		if (json_get_slice(v, key) != NULL) {
			return fail(at, "a list that has no name twice");
		}
		child = append(at, v, &last);
		child->key = key;
		child->text = without_escapes(slice_trim(slice_from(part, eq + 1)), at->arena);
	}
	return true;
}

static bool json_of(const struct place *at, struct slice text, const struct json **v)
{
	struct err why;

	if (!json_parse(at->arena, text, JSON_DEPTH_MAX, v, &why)) {
		return err_field(at->err, ERR_INVALID, at->name, "\"%s\" is %s", at->name,
				 why.text);
	}
	return true;
}

/* The JSON value that text stands for in this row. */
static bool value_of(const struct place *at, struct slice text, const struct json **out)
{
	struct json *v = arena_new(at->arena, struct json);

	*out = v;
	switch (at->row->kind) {
	case FIELD_KIND_STR:
	case FIELD_KIND_TEXT:
	case FIELD_KIND_URL:
	case FIELD_KIND_TIME:
	case FIELD_KIND_ENUM:
		*v = (struct json) { .type = JSON_STRING, .text = text };
		return true;
	case FIELD_KIND_BOOL:
		return bool_of(at, text, v);
	case FIELD_KIND_INT:
	case FIELD_KIND_NUMBER:
	case FIELD_KIND_SECONDS:
	case FIELD_KIND_SIZE:
		return number_of(at, text, v);
	case FIELD_KIND_LIST:
	case FIELD_KIND_CIDRS:
		return list_of(at, text, v);
	case FIELD_KIND_MAP:
		return map_of(at, text, v);
	case FIELD_KIND_OBJECT:
	case FIELD_KIND_JSON:
		return json_of(at, text, out);
	case FIELD_KINDS:
		break;
	}
	never("no such kind of field");
}

bool field_parse_text(const struct field *row, struct slice text, void *out, struct arena *boot,
		      struct err *err)
{
	struct place at = { .row = row, .name = row->name, .arena = boot, .err = err };
	const struct json *v;

	if (!utf8_valid(text)) {
		return fail(&at, "valid UTF-8");
	}
	return value_of(&at, arena_dup(boot, text), &v) && field_set(&at, v, out);
}

/* Writing. */

static void put_amount(int64_t v, const struct unit *units, struct buf *out)
{
	while (units->name != NULL && (v == 0 || v % units->factor != 0)) {
		units++;
	}
	if (units->name == NULL || units->factor == 1) {
		buf_printf(out, "%lld", (long long)v);
	} else {
		buf_printf(out, "%lld%s", (long long)(v / units->factor), units->name);
	}
}

static void put_list(const struct field_list *list, struct buf *out)
{
	for (size_t i = 0; i < list->n; i++) {
		buf_puts(out, i == 0 ? S("") : S(","));
		buf_puts(out, list->v[i]);
	}
}

static void put_escaped(struct slice s, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == ',' || s.p[i] == '\\') {
			buf_putc(out, '\\');
		}
		buf_putc(out, s.p[i]);
	}
}

static void put_map(const struct field_map *map, struct buf *out)
{
	for (size_t i = 0; i < map->n; i++) {
		buf_puts(out, i == 0 ? S("") : S(","));
		put_escaped(map->v[i].key, out);
		buf_putc(out, '=');
		put_escaped(map->v[i].value, out);
	}
}

static void put_time(int64_t us, struct buf *out)
{
	char text[TIME_TEXT_MAX];

	if (us != 0) {
		buf_puts(out, time_format(us, TIME_MICROS, text));
	}
}

void field_put_text(const struct field *row, const void *in, struct buf *out)
{
	const void *member = (const char *)in + row->offset;
	const struct json *tree;
	struct json_w w;

	switch (row->kind) {
	case FIELD_KIND_STR:
	case FIELD_KIND_TEXT:
	case FIELD_KIND_URL:
		buf_puts(out, *(const struct slice *)member);
		return;
	case FIELD_KIND_TIME:
		put_time(*(const int64_t *)member, out);
		return;
	case FIELD_KIND_ENUM:
		buf_puts(out, slice_of(row->words[*(const unsigned *)member]));
		return;
	case FIELD_KIND_BOOL:
		buf_puts(out, *(const bool *)member ? S("true") : S("false"));
		return;
	case FIELD_KIND_INT:
		buf_printf(out, "%lld", (long long)*(const int64_t *)member);
		return;
	case FIELD_KIND_NUMBER:
		json_w_init(&w, out);
		json_w_double(&w, *(const double *)member);
		return;
	case FIELD_KIND_SECONDS:
	case FIELD_KIND_SIZE:
		put_amount(*(const int64_t *)member, units_of(row->kind), out);
		return;
	case FIELD_KIND_LIST:
	case FIELD_KIND_CIDRS:
		put_list(member, out);
		return;
	case FIELD_KIND_MAP:
		put_map(member, out);
		return;
	case FIELD_KIND_OBJECT:
	case FIELD_KIND_JSON:
		tree = *(const struct json *const *)member;
		buf_puts(out, tree == NULL ? S("") : tree->raw);
		return;
	case FIELD_KINDS:
		break;
	}
	never("no such kind of field");
}

void field_write_text(const struct field *row, const void *in, struct buf *out)
{
	size_t before = out->n;

	field_put_text(row, in, out);
	if ((row->flags & FIELD_SECRET) != 0 && out->n > before) {
		buf_cut(out, before);
		buf_puts(out, S(FIELD_MASK));
	}
}

static void write_slice(struct json_w *w, struct slice s)
{
	if (s.p == NULL) {
		json_w_null(w);
	} else {
		json_w_str(w, s);
	}
}

static void write_list(struct json_w *w, const struct field_list *list)
{
	json_w_array(w);
	for (size_t i = 0; i < list->n; i++) {
		json_w_str(w, list->v[i]);
	}
	json_w_end(w);
}

static void write_map(struct json_w *w, const struct field_map *map)
{
	json_w_object(w);
	for (size_t i = 0; i < map->n; i++) {
		json_w_key_slice(w, map->v[i].key);
		json_w_str(w, map->v[i].value);
	}
	json_w_end(w);
}

static void write_time(struct json_w *w, int64_t us)
{
	char text[TIME_TEXT_MAX];

	write_slice(w, us == 0 ? (struct slice) { 0 } : time_format(us, TIME_MILLIS, text));
}

static void write_member(struct json_w *w, const struct field *row, const void *member)
{
	const struct json *tree;

	switch (row->kind) {
	case FIELD_KIND_STR:
	case FIELD_KIND_TEXT:
	case FIELD_KIND_URL:
		write_slice(w, *(const struct slice *)member);
		return;
	case FIELD_KIND_TIME:
		write_time(w, *(const int64_t *)member);
		return;
	case FIELD_KIND_ENUM:
		json_w_str(w, slice_of(row->words[*(const unsigned *)member]));
		return;
	case FIELD_KIND_BOOL:
		json_w_bool(w, *(const bool *)member);
		return;
	case FIELD_KIND_INT:
	case FIELD_KIND_SECONDS:
	case FIELD_KIND_SIZE:
		json_w_int(w, *(const int64_t *)member);
		return;
	case FIELD_KIND_NUMBER:
		json_w_double(w, *(const double *)member);
		return;
	case FIELD_KIND_LIST:
	case FIELD_KIND_CIDRS:
		write_list(w, member);
		return;
	case FIELD_KIND_MAP:
		write_map(w, member);
		return;
	case FIELD_KIND_OBJECT:
	case FIELD_KIND_JSON:
		tree = *(const struct json *const *)member;
		json_w_raw(w, tree == NULL ? S("null") : tree->raw);
		return;
	case FIELD_KINDS:
		break;
	}
	never("no such kind of field");
}

/* Any secret that is not empty; its length stays secret as well. */
static void write_secret(struct json_w *w, const struct field *row, const void *in)
{
	struct buf text;

	buf_init(&text, JSON_BYTES_MAX);
	field_write_text(row, in, &text);
	write_slice(w, text.n == 0 ? (struct slice) { 0 } : S(FIELD_MASK));
	buf_release(&text);
}

void fields_write(struct json_w *w, const struct field *rows, size_t n, const void *in)
{
	for (size_t i = 0; i < n; i++) {
		json_w_key(w, rows[i].name);
		if ((rows[i].flags & FIELD_SECRET) != 0) {
			write_secret(w, &rows[i], in);
		} else {
			write_member(w, &rows[i], (const char *)in + rows[i].offset);
		}
	}
}

/* Names. */

const struct field *fields_find(const struct field *rows, size_t n, struct slice name)
{
	for (size_t i = 0; i < n; i++) {
		if (slice_eq(slice_of(rows[i].name), name)) {
			return &rows[i];
		}
	}
	return NULL;
}

#define NAME_MAX_GUESSED 40 /* bytes; nobody mistypes longer names into another one */

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

/* Edits between two names, letters without case. Both are at most NAME_MAX_GUESSED long. */
static size_t distance(struct slice a, struct slice b)
{
	size_t row[NAME_MAX_GUESSED + 1];

	for (size_t j = 0; j <= b.n; j++) {
		row[j] = j;
	}
	for (size_t i = 1; i <= a.n; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			bool same = slice_eq_nocase((struct slice) { a.p + i - 1, 1 },
						    (struct slice) { b.p + j - 1, 1 });
			size_t best = min3(row[j] + 1, row[j - 1] + 1, diagonal + !same);

			diagonal = row[j];
			row[j] = best;
		}
	}
	return row[b.n];
}

const struct field *fields_closest(const struct field *rows, size_t n, struct slice name)
{
	const struct field *best = NULL;
	/* One edit in three letters is a slip, more is another word. */
	size_t limit = (name.n + 2) / 3;

	for (size_t i = 0; i < n && name.n <= NAME_MAX_GUESSED; i++) {
		struct slice known = slice_of(rows[i].name);
		size_t d;

		if (known.n > NAME_MAX_GUESSED) {
			continue;
		}
		d = distance(known, name);
		if (d <= limit) {
			best = &rows[i];
			limit = d == 0 ? 0 : d - 1;
		}
	}
	return best;
}

void fields_ensure(const struct field *rows, size_t n)
{
	struct arena arena;
	size_t size = 0;
	void *out;

	arena_init(&arena, 0);
	for (size_t i = 0; i < n; i++) {
		int64_t min, max;

		ensure(rows[i].name != NULL && rows[i].name[0] != '\0');
		ensure(fields_find(rows, n, slice_of(rows[i].name)) == &rows[i]);
		ensure((rows[i].kind == FIELD_KIND_ENUM) == (rows[i].words != NULL));
		field_bounds(&rows[i], &min, &max);
		ensure(min <= max);
		size = rows[i].offset > size ? rows[i].offset : size;
	}
	out = arena_alloc(&arena, size + sizeof(struct field_map));
	fields_defaults(rows, n, out, &arena);
	arena_release(&arena);
}
