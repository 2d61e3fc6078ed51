/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pull scanner. Reading, skipping and compacting share one walk over one stack of levels, so
 * that every value is checked the same way whoever wants it, and errors can name their path.
 *
 * Names of the open objects lie on a stack. Objects with few of them are searched linearly; over
 * NAMES_LINEAR they are also chained in buckets under a keyed hash, so that no choice of names can
 * make the cost quadratic. Chains grow and shrink at the head only, as the stack does.
 */
#include "base/json.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/hash.h"
#include "base/json_impl.h"
#include "base/rand.h"
#include "base/utf8.h"

#define NAMES_LINEAR 12

static struct hash_key seed;
static pthread_once_t seed_once = PTHREAD_ONCE_INIT;

static void make_seed(void)
{
	rand_bytes(&seed, sizeof(seed));
}

void json_scan_init(struct json_scan *s, struct slice text, unsigned depth_max, struct arena *arena)
{
	ensure(depth_max <= JSON_DEPTH_LIMIT);
	ensure(text.n <= JSON_BYTES_MAX);
	/* Field by field: the arrays at the end need no zeroes, and this runs once per event. */
	s->start = s->cur = text.n == 0 ? "" : text.p;
	s->end = s->start + text.n;
	s->arena = arena;
	s->compact = NULL;
	s->run = NULL;
	s->objects = 0;
	s->depth = 0;
	s->depth_max = depth_max;
	s->due = true;
	s->names = s->names_inline;
	s->names_n = 0;
	s->names_cap = JSON_NAMES_INLINE;
	s->buckets = NULL;
	s->buckets_cap = 0;
}

const char *json_type_name(enum json_type type)
{
	static const char *const names[] = {
		[JSON_NONE] = "nothing",     [JSON_NULL] = "null",	 [JSON_BOOL] = "a boolean",
		[JSON_NUMBER] = "a number",  [JSON_STRING] = "a string", [JSON_ARRAY] = "an array",
		[JSON_OBJECT] = "an object",
	};

	ensure((size_t)type < ARRAY_LEN(names));
	return names[type];
}

size_t json_offset(const struct json_scan *s)
{
	return (size_t)(s->cur - s->start);
}

/* Errors. */

static bool is_object(const struct json_scan *s, unsigned level)
{
	return (s->objects >> level & 1) != 0;
}

/* The names of the members and items that are being read, outermost first. */
static void path_of(const struct json_scan *s, char *out, size_t size)
{
	char buf[sizeof(((struct err *)0)->field)] = "";
	size_t n = 0;

	for (unsigned i = 0; i < s->depth && n < sizeof(buf) - 1; i++) {
		uint32_t top = i + 1 < s->depth ? s->levels[i + 1].names : s->names_n;

		if (s->levels[i].count == 0) {
			break;
		}
		if (is_object(s, i)) {
			const struct json_name *name = &s->names[top - 1];

			n += (size_t)snprintf(buf + n, sizeof(buf) - n, "%s%.*s", n == 0 ? "" : ".",
					      (int)(name->n < sizeof(buf) ? name->n : sizeof(buf)),
					      name->p);
		} else {
			n += (size_t)snprintf(buf + n, sizeof(buf) - n, "[%u]",
					      s->levels[i].count - 1);
		}
	}
	if (n >= sizeof(buf) - 1) {
		/* A full buffer may end in half a code point. */
		n = utf8_cut((struct slice) { .p = buf, .n = sizeof(buf) - 1 }, sizeof(buf) - 2).n;
	}
	snprintf(out, size, "%.*s", (int)n, buf);
}

static bool malformed(struct json_scan *s, struct err *err, const char *what)
{
	char path[sizeof(err->field)];

	path_of(s, path, sizeof(path));
	err_field(err, ERR_MALFORMED, path, "not valid JSON: %s at byte %zu", what, json_offset(s));
	/* Nothing can be read any more, and whoever tries gets an error again. */
	s->cur = s->end;
	s->due = true;
	return false;
}

bool json_fail(const struct json_scan *s, struct err *err, const char *fmt, ...)
{
	char path[sizeof(err->field)];
	char what[sizeof(err->text)];
	va_list ap;

	path_of(s, path, sizeof(path));
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	if (path[0] == '\0') {
		return err_field(err, ERR_INVALID, path, "the value %.200s", what);
	}
	return err_field(err, ERR_INVALID, path, "\"%s\" %.120s", path, what);
}

/* White space and the type of what follows. */

static void skip_blanks(struct json_scan *s)
{
	const char *p = s->cur;

	if (s->compact != NULL) {
		buf_put(s->compact, s->run, (size_t)(p - s->run));
	}
	while (p < s->end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) {
		p++;
	}
	s->cur = s->run = p;
}

static inline void blanks(struct json_scan *s)
{
	if (s->cur < s->end && *s->cur <= ' ') {
		skip_blanks(s);
	}
}

static inline char peek(const struct json_scan *s)
{
	return s->cur < s->end ? *s->cur : '\0';
}

enum json_type json_peek(struct json_scan *s)
{
	static const unsigned char types[256] = {
		['n'] = JSON_NULL,   ['t'] = JSON_BOOL,	  ['f'] = JSON_BOOL,   ['-'] = JSON_NUMBER,
		['0'] = JSON_NUMBER, ['1'] = JSON_NUMBER, ['2'] = JSON_NUMBER, ['3'] = JSON_NUMBER,
		['4'] = JSON_NUMBER, ['5'] = JSON_NUMBER, ['6'] = JSON_NUMBER, ['7'] = JSON_NUMBER,
		['8'] = JSON_NUMBER, ['9'] = JSON_NUMBER, ['"'] = JSON_STRING, ['['] = JSON_ARRAY,
		['{'] = JSON_OBJECT,
	};

	if (!s->due) {
		return JSON_NONE;
	}
	blanks(s);
	return (enum json_type)types[(unsigned char)peek(s)];
}

static bool expect(struct json_scan *s, enum json_type want, struct err *err)
{
	enum json_type got;

	ensure(s->due);
	got = json_peek(s);
	if (got == want) {
		return true;
	}
	if (got == JSON_NONE) {
		return malformed(s, err, "expected a value");
	}
	return json_fail(s, err, "must be %s", json_type_name(want));
}

/* Literals and numbers: the cursor is at their first byte and ends behind the last. */

static bool scan_word(struct json_scan *s, struct slice word, struct err *err)
{
	struct slice rest = { .p = s->cur, .n = (size_t)(s->end - s->cur) };

	if (!slice_starts(rest, word)) {
		return malformed(s, err, "unknown word");
	}
	s->cur += word.n;
	return true;
}

static inline bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool scan_digits(struct json_scan *s, struct err *err)
{
	const char *p = s->cur;

	while (p < s->end && is_digit(*p)) {
		p++;
	}
	if (p == s->cur) {
		return malformed(s, err, "expected a digit");
	}
	s->cur = p;
	return true;
}

static bool scan_number(struct json_scan *s, struct err *err)
{
	s->cur += peek(s) == '-';
	if (peek(s) == '0') {
		s->cur++;
	} else if (!scan_digits(s, err)) {
		return false;
	}
	if (peek(s) == '.') {
		s->cur++;
		if (!scan_digits(s, err)) {
			return false;
		}
	}
	if (peek(s) == 'e' || peek(s) == 'E') {
		s->cur++;
		s->cur += peek(s) == '+' || peek(s) == '-';
		return scan_digits(s, err);
	}
	return true;
}

/* Strings. */

/* The first byte from p on that is a quote, a backslash, a control character or not ASCII. */
static inline const char *plain_end(const char *p, const char *end)
{
#ifdef __SSE2__
	for (; end - p >= 16; p += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
		/*
		 * Bytes from 0x80 on are negative, so one comparison finds them and the controls.
		 */
		__m128i hit = _mm_cmplt_epi8(v, _mm_set1_epi8(0x20));
		int mask;

		hit = _mm_or_si128(hit, _mm_cmpeq_epi8(v, _mm_set1_epi8('"')));
		hit = _mm_or_si128(hit, _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
		mask = _mm_movemask_epi8(hit);
		if (mask != 0) {
			return p + __builtin_ctz((unsigned)mask);
		}
	}
#endif
	while (p < end && (signed char)*p >= 0x20 && *p != '"' && *p != '\\') {
		p++;
	}
	return p;
}

/* One escape or code point behind ASCII. *p moves behind it. */
static bool scan_special(struct json_scan *s, const char **p, struct err *err)
{
	struct slice rest = { .p = *p, .n = (size_t)(s->end - *p) };
	uint32_t c;
	size_t n;

	s->cur = *p;
	if ((unsigned char)**p < 0x20) {
		return malformed(s, err, "control character in a string");
	}
	if (**p == '\\') {
		n = json_unescape_one(rest, &c);
		if (n == 0) {
			return malformed(s, err, "bad escape");
		}
	} else {
		n = utf8_seq(rest);
		if (n == 0) {
			return malformed(s, err, "bad UTF-8");
		}
	}
	*p += n;
	return true;
}

/* *raw is what stands between the quotes. */
static bool scan_string(struct json_scan *s, struct slice *raw, bool *escaped, struct err *err)
{
	const char *first = s->cur + 1;
	const char *p = plain_end(first, s->end);

	*escaped = false;
	while (p < s->end && *p != '"') {
		*escaped |= *p == '\\';
		if (!scan_special(s, &p, err)) {
			return false;
		}
		p = plain_end(p, s->end);
	}
	s->cur = p;
	if (p == s->end) {
		return malformed(s, err, "string without an end");
	}
	*raw = (struct slice) { .p = first, .n = (size_t)(p - first) };
	s->cur++;
	return true;
}

static struct slice unescaped(struct json_scan *s, struct slice raw)
{
	char *p = arena_alloc(s->arena, raw.n);

	return (struct slice) { .p = p, .n = json_unescape(raw, p) };
}

/* Names. */

static void bucket_put(struct json_scan *s, uint32_t i)
{
	uint32_t *head = &s->buckets[s->names[i].hash & (s->buckets_cap - 1)];

	s->names[i].next = *head;
	*head = i + 1;
}

static void bucket_drop(struct json_scan *s, uint32_t i)
{
	s->buckets[s->names[i].hash & (s->buckets_cap - 1)] = s->names[i].next;
}

/* Whether the names of this level are in the buckets. */
static bool is_hashed(const struct json_level *level)
{
	return level->count > NAMES_LINEAR;
}

/* Put the names of all hashed levels into new buckets, in the order of the stack. */
static void rehash(struct json_scan *s, uint32_t cap)
{
	s->buckets = arena_array(s->arena, cap, sizeof(*s->buckets));
	s->buckets_cap = cap;
	for (unsigned i = 0; i < s->depth; i++) {
		uint32_t top = i + 1 < s->depth ? s->levels[i + 1].names : s->names_n;

		if (is_object(s, i) && is_hashed(&s->levels[i])) {
			for (uint32_t k = s->levels[i].names; k < top; k++) {
				bucket_put(s, k);
			}
		}
	}
}

static void grow_names(struct json_scan *s)
{
	uint32_t cap = s->names_cap * 2;
	struct json_name *names = arena_array(s->arena, cap, sizeof(*names));

	memcpy(names, s->names, s->names_n * sizeof(*names));
	s->names = names;
	s->names_cap = cap;
	rehash(s, cap);
}

static bool same_name(const struct json_name *a, const struct json_name *b)
{
	return a->n == b->n && memcmp(a->p, b->p, a->n) == 0;
}

static void hash_name(struct json_name *name)
{
	name->hash = (uint32_t)hash_sip64(&seed, (struct slice) { .p = name->p, .n = name->n });
}

/* The level just went over NAMES_LINEAR: hash what it has but for the newest name. */
static void start_hashing(struct json_scan *s, const struct json_level *level)
{
	pthread_once(&seed_once, make_seed);
	if (s->buckets_cap == 0) {
		s->buckets = arena_array(s->arena, s->names_cap, sizeof(*s->buckets));
		s->buckets_cap = s->names_cap;
	}
	for (uint32_t i = level->names; i + 1 < s->names_n; i++) {
		hash_name(&s->names[i]);
		bucket_put(s, i);
	}
}

static bool is_twice_hashed(struct json_scan *s, const struct json_level *level)
{
	uint32_t top = s->names_n - 1;
	bool twice = false;

	if (level->count == NAMES_LINEAR + 1) {
		start_hashing(s, level);
	}
	hash_name(&s->names[top]);
	/* Names of the open objects around lie further down in the stack and in the chain. */
	for (uint32_t i = s->buckets[s->names[top].hash & (s->buckets_cap - 1)];
	     i > level->names && !twice; i = s->names[i - 1].next) {
		twice = same_name(&s->names[i - 1], &s->names[top]);
	}
	bucket_put(s, top);
	return twice;
}

/* Whether the newest name stands in its object already. */
static bool is_twice(struct json_scan *s)
{
	const struct json_level *level = &s->levels[s->depth - 1];
	const struct json_name *top = &s->names[s->names_n - 1];

	if (is_hashed(level)) {
		return is_twice_hashed(s, level);
	}
	for (const struct json_name *name = &s->names[level->names]; name < top; name++) {
		if (same_name(name, top)) {
			return true;
		}
	}
	return false;
}

static bool push_name(struct json_scan *s, struct slice name, struct err *err)
{
	struct json_level *level = &s->levels[s->depth - 1];

	if (s->names_n == JSON_NAMES_MAX) {
		return malformed(s, err, "too many names");
	}
	if (s->names_n == s->names_cap) {
		grow_names(s);
	}
	s->names[s->names_n++] = (struct json_name) { .p = name.p, .n = (uint32_t)name.n };
	level->count++;
	return true;
}

static void drop_names(struct json_scan *s, const struct json_level *level)
{
	if (is_object(s, s->depth - 1) && is_hashed(level)) {
		while (s->names_n > level->names) {
			bucket_drop(s, --s->names_n);
		}
	}
	s->names_n = level->names;
}

/* Arrays and objects. */

static bool push_level(struct json_scan *s, struct err *err)
{
	char what[48];
	uint64_t bit;

	if (s->depth == s->depth_max) {
		snprintf(what, sizeof(what), "nested deeper than %u levels", s->depth_max);
		return malformed(s, err, what);
	}
	bit = UINT64_C(1) << s->depth;
	s->objects = *s->cur == '{' ? s->objects | bit : s->objects & ~bit;
	s->levels[s->depth++] = (struct json_level) { .names = s->names_n };
	s->cur++;
	s->due = false;
	return true;
}

static void pop_level(struct json_scan *s)
{
	drop_names(s, &s->levels[s->depth - 1]);
	s->depth--;
	s->cur++;
}

/* Move in front of the next member or item; NOT_FOUND closes the level. */
static inline enum found next_part(struct json_scan *s, char close, struct err *err)
{
	blanks(s);
	if (peek(s) == close) {
		pop_level(s);
		return NOT_FOUND;
	}
	if (s->levels[s->depth - 1].count > 0) {
		if (peek(s) != ',') {
			malformed(s, err,
				  close == '}' ? "expected \",\" or \"}\""
					       : "expected \",\" or \"]\"");
			return FAILED;
		}
		s->cur++;
		blanks(s);
	}
	return FOUND;
}

static enum found next_item(struct json_scan *s, struct err *err)
{
	enum found more = next_part(s, ']', err);

	if (more == FOUND) {
		s->levels[s->depth - 1].count++;
		s->due = true;
	}
	return more;
}

static enum found next_key(struct json_scan *s, struct slice *key, struct err *err)
{
	enum found more = next_part(s, '}', err);
	bool escaped;

	if (more != FOUND) {
		return more;
	}
	if (peek(s) != '"') {
		malformed(s, err, "expected a name in quotes");
		return FAILED;
	}
	if (!scan_string(s, key, &escaped, err)) {
		return FAILED;
	}
	if (escaped) {
		*key = unescaped(s, *key);
	}
	if (!push_name(s, *key, err)) {
		return FAILED;
	}
	blanks(s);
	if (peek(s) != ':') {
		malformed(s, err, "expected \":\"");
		return FAILED;
	}
	s->cur++;
	s->due = true;
	if (is_twice(s)) {
		json_fail(s, err, "stands twice in its object");
		return FAILED;
	}
	return FOUND;
}

/* Any value, without its children: opens arrays and objects, reads all else. */
static bool scan_shallow(struct json_scan *s, struct err *err)
{
	struct slice raw;
	bool escaped, ok = false;

	switch (json_peek(s)) {
	case JSON_NONE:
		return malformed(s, err, "expected a value");
	case JSON_NULL:
		ok = scan_word(s, S("null"), err);
		break;
	case JSON_BOOL:
		ok = scan_word(s, peek(s) == 't' ? S("true") : S("false"), err);
		break;
	case JSON_NUMBER:
		ok = scan_number(s, err);
		break;
	case JSON_STRING:
		ok = scan_string(s, &raw, &escaped, err);
		break;
	case JSON_ARRAY:
	case JSON_OBJECT:
		return push_level(s, err);
	}
	s->due = !ok;
	return ok;
}

/* Read until no more is open than at depth. */
static bool scan_to_depth(struct json_scan *s, unsigned depth, struct err *err)
{
	enum found more;
	struct slice key;

	if (s->due && !scan_shallow(s, err)) {
		return false;
	}
	while (s->depth > depth) {
		more = is_object(s, s->depth - 1) ? next_key(s, &key, err) : next_item(s, err);
		if (more == FAILED || (more == FOUND && !scan_shallow(s, err))) {
			return false;
		}
	}
	return true;
}

/* Reading, for callers. */

bool json_null(struct json_scan *s, struct err *err)
{
	if (!expect(s, JSON_NULL, err) || !scan_word(s, S("null"), err)) {
		return false;
	}
	s->due = false;
	return true;
}

bool json_bool(struct json_scan *s, bool *out, struct err *err)
{
	if (!expect(s, JSON_BOOL, err)) {
		return false;
	}
	*out = peek(s) == 't';
	if (!scan_word(s, *out ? S("true") : S("false"), err)) {
		return false;
	}
	s->due = false;
	return true;
}

bool json_number(struct json_scan *s, struct slice *out, struct err *err)
{
	const char *first;

	if (!expect(s, JSON_NUMBER, err)) {
		return false;
	}
	first = s->cur;
	if (!scan_number(s, err)) {
		return false;
	}
	*out = (struct slice) { .p = first, .n = (size_t)(s->cur - first) };
	s->due = false;
	return true;
}

bool json_int(struct json_scan *s, int64_t *out, struct err *err)
{
	struct slice text;

	if (!json_number(s, &text, err)) {
		return false;
	}
	if (!json_number_int(text, out)) {
		return json_fail(s, err, "must be a whole number of at most 63 bits");
	}
	return true;
}

bool json_string(struct json_scan *s, struct slice *out, struct err *err)
{
	bool escaped;

	if (!expect(s, JSON_STRING, err) || !scan_string(s, out, &escaped, err)) {
		return false;
	}
	if (escaped) {
		*out = unescaped(s, *out);
	}
	s->due = false;
	return true;
}

bool json_raw(struct json_scan *s, struct slice *out, struct err *err)
{
	const char *first;

	ensure(s->due);
	blanks(s);
	first = s->cur;
	if (!scan_to_depth(s, s->depth, err)) {
		return false;
	}
	*out = (struct slice) { .p = first, .n = (size_t)(s->cur - first) };
	return true;
}

bool json_compact(struct json_scan *s, struct buf *out, struct err *err)
{
	bool ok;

	ensure(s->due);
	blanks(s);
	s->compact = out;
	s->run = s->cur;
	ok = scan_to_depth(s, s->depth, err);
	s->compact = NULL;
	if (ok) {
		buf_put(out, s->run, (size_t)(s->cur - s->run));
	}
	return ok;
}

bool json_begin_object(struct json_scan *s, struct err *err)
{
	return expect(s, JSON_OBJECT, err) && push_level(s, err);
}

bool json_begin_array(struct json_scan *s, struct err *err)
{
	return expect(s, JSON_ARRAY, err) && push_level(s, err);
}

enum found json_next_key(struct json_scan *s, struct slice *key, struct err *err)
{
	ensure(s->depth > 0 && is_object(s, s->depth - 1));
	if (s->due && !scan_to_depth(s, s->depth, err)) {
		return FAILED;
	}
	return next_key(s, key, err);
}

enum found json_next_item(struct json_scan *s, struct err *err)
{
	ensure(s->depth > 0 && !is_object(s, s->depth - 1));
	if (s->due && !scan_to_depth(s, s->depth, err)) {
		return FAILED;
	}
	return next_item(s, err);
}

bool json_leave(struct json_scan *s, unsigned depth, struct err *err)
{
	ensure(depth <= s->depth);
	while (!scan_to_depth(s, depth, err)) {
		if (err->kind == ERR_MALFORMED) {
			return false;
		}
	}
	return true;
}

bool json_end(struct json_scan *s, struct err *err)
{
	ensure(s->depth == 0 && !s->due);
	blanks(s);
	return s->cur == s->end || malformed(s, err, "more bytes behind the end of the value");
}
