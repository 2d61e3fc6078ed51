/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

/*
 * Strict JSON: RFC 8259 with the restrictions of RFC 7493 (I-JSON): valid UTF-8, no lone
 * surrogates, no name twice in one object (compared after unescaping, at every depth). Numbers are
 * never rounded: they stay text. Depth is bounded by a parameter, size by the slice.
 *
 * Four ways in and one out:
 *   json_scan   pulls values out of a slice in one pass, without a tree (hot paths)
 *   json_parse  makes a tree in an arena (cold paths)
 *   json_path   finds one value in text that is known to be valid
 *   json_key    makes equal scalars equal bytes
 *   json_w_*    writes
 *
 * Bad input is ERR_MALFORMED when the text is not JSON (nothing more can be read from it), and
 * ERR_INVALID when it is JSON of the wrong type, range or with a name twice (json_leave goes on
 * behind it). err->field has the path, "events[3].payload.x"; the text has it too, or the offset.
 *
 * One thread at a time per scan, arena and writer.
 */
#define JSON_DEPTH_MAX 32		 /* what we take from outside unless a caller says less */
#define JSON_DEPTH_LIMIT 64		 /* what a scan has room for */
#define JSON_BYTES_MAX ((size_t)1 << 30) /* offsets and counts are 32 bits inside */
#define JSON_NAMES_MAX 65536 /* in all open objects: more than an event of 256 KiB can have */
#define JSON_TREE_BYTES_MAX ((size_t)1 << 20) /* a tree takes up to 60 times its text in memory */

enum json_type {
	JSON_NONE, /* no value starts here */
	JSON_NULL,
	JSON_BOOL,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};
/* "null", "a boolean", "a number", "a string", "an array", "an object", for error texts. */
const char *json_type_name(enum json_type type);

/* A member name that the scan remembers while its object is open. */
struct json_name {
	const char *p;
	uint32_t n;
	uint32_t hash;
	uint32_t next; /* the name before it in the same bucket, plus 1 */
};
struct json_level {
	uint32_t names; /* names of the levels below this one */
	uint32_t count; /* members or items begun */
};
#define JSON_NAMES_INLINE 16

/*
 * A place in a JSON text. All state is in here: a caller may stop between two values and go on
 * later, as long as the text, the arena and the scan itself stay where they are. Private but for
 * depth, which json_leave takes.
 */
struct json_scan {
	const char *start, *cur, *end;
	struct arena *arena;
	struct buf *compact; /* where json_compact copies to, else NULL */
	const char *run;     /* start of the bytes not copied yet */
	uint64_t objects;    /* bit i: level i is an object */
	unsigned depth;	     /* open arrays and objects */
	unsigned depth_max;
	bool due; /* a value comes next, nobody has read it */
	uint32_t names_n, names_cap;
	uint32_t buckets_cap; /* 0 or a power of two */
	uint32_t *buckets;
	struct json_name *names;
	struct json_name names_inline[JSON_NAMES_INLINE];
	struct json_level levels[JSON_DEPTH_LIMIT];
};

/*
 * Start at the value in text. depth_max counts open arrays and objects, at most JSON_DEPTH_LIMIT.
 * The arena takes what has no place in the text: strings with escapes, and the names of objects
 * with many members; at most about twice the text and 10 MiB. Open objects with more than
 * JSON_NAMES_MAX names are ERR_MALFORMED.
 */
void json_scan_init(struct json_scan *s, struct slice text, unsigned depth_max,
		    struct arena *arena);

/* The type of the value that comes next, without reading it. */
enum json_type json_peek(struct json_scan *s);

/*
 * Read the value that comes next. A value of another type is ERR_INVALID and stays unread.
 * Strings without escapes are borrowed from the text, others are in the arena; both may hold 0
 * bytes (written \u0000). json_int takes what is a whole number in [-2^63, 2^63), also 1.0 or 1e3;
 * json_number gives the text.
 */
NODISCARD bool json_null(struct json_scan *s, struct err *err);
NODISCARD bool json_bool(struct json_scan *s, bool *out, struct err *err);
NODISCARD bool json_int(struct json_scan *s, int64_t *out, struct err *err);
NODISCARD bool json_number(struct json_scan *s, struct slice *out, struct err *err);
NODISCARD bool json_string(struct json_scan *s, struct slice *out, struct err *err);

/* Check any value to its last byte and give its bytes as they are. Also the way to skip one. */
NODISCARD bool json_raw(struct json_scan *s, struct slice *out, struct err *err);
/*
 * Check any value and append it to out without white space, otherwise byte for byte. When this
 * fails, out holds a part of the value: remember out->n before and use buf_cut.
 */
NODISCARD bool json_compact(struct json_scan *s, struct buf *out, struct err *err);

/*
 * Walk an object or array: begin, then next until it is NOT_FOUND, which also leaves it. After
 * FOUND a value comes next; if nobody reads it, the next call checks and skips it. The key is
 * borrowed like a string.
 *
 *	if (!json_begin_object(&s, err)) {
 *		return false;
 *	}
 *	while ((more = json_next_key(&s, &key, err)) == FOUND) {
 *		...
 *	}
 *	return more == NOT_FOUND;
 */
NODISCARD bool json_begin_object(struct json_scan *s, struct err *err);
NODISCARD enum found json_next_key(struct json_scan *s, struct slice *key, struct err *err);
NODISCARD bool json_begin_array(struct json_scan *s, struct err *err);
NODISCARD enum found json_next_item(struct json_scan *s, struct err *err);

/*
 * Check and skip the rest of what was opened since s->depth was depth, for example after an
 * ERR_INVALID in one item of a list. Names that appear twice in there are passed over; only
 * ERR_MALFORMED fails.
 */
NODISCARD bool json_leave(struct json_scan *s, unsigned depth, struct err *err);
/* The value is read and nothing but white space follows. */
NODISCARD bool json_end(struct json_scan *s, struct err *err);
/* Bytes of the text in front of the current place. */
size_t json_offset(const struct json_scan *s);
/* An ERR_INVALID about the value read last: `"path" <text>`. Returns false. */
bool json_fail(const struct json_scan *s, struct err *err, const char *fmt, ...) PRINTF(3, 4);

/* A value of a tree. Everything is in the arena or the text that json_parse was given. */
struct json {
	enum json_type type;
	bool truth;	    /* JSON_BOOL */
	uint32_t count;	    /* children of arrays and objects */
	struct slice key;   /* when the parent is an object */
	struct slice text;  /* the string unescaped, the number as it is written, "" otherwise */
	struct slice raw;   /* the bytes of the value in the text */
	struct json *child; /* the first one */
	struct json *next;  /* the next one of the same parent */
};

/*
 * The whole text is one value. Texts over JSON_TREE_BYTES_MAX are ERR_TOO_LARGE: what may be large
 * is scanned.
 */
NODISCARD bool json_parse(struct arena *arena, struct slice text, unsigned depth_max,
			  const struct json **out, struct err *err);
/* The member of that name, or NULL; also NULL when obj is NULL or no object. Linear. */
const struct json *json_get(const struct json *obj, const char *key);
const struct json *json_get_slice(const struct json *obj, struct slice key);
#define json_each(child_, parent) \
	for (const struct json *child_ = (parent)->child; child_ != NULL; child_ = child_->next)

/*
 * Follow a path through valid text: names of members, decimal numbers for items. False when there
 * is no such value. *out is raw text. Time is linear in the text; no memory.
 */
bool json_path(struct slice raw, const struct slice *path, size_t n, struct slice *out);

/* Whether the number text (valid) is whole and fits; *out is exact. */
bool json_number_int(struct slice number, int64_t *out);
/* The nearest double; false when the number is beyond its range. */
bool json_number_double(struct slice number, double *out);
/*
 * Append sign, digits and power of ten, one text per value: 1, 1.0 and 10e-1 give "1e0", zeroes
 * "0". Exact for any number, however long its exponent; at most number.n + 24 bytes.
 */
void json_number_key(struct slice number, struct buf *out);
/*
 * The raw text (valid) between the quotes of a string, unescaped into out of at least raw.n bytes.
 */
size_t json_unescape(struct slice raw, char *out);
/*
 * Append bytes that are equal for equal scalars: 1, 1.0 and 10e-1 agree, "1" is another, strings
 * compare unescaped, arrays and objects by their compact text. raw is valid text. Exact for any
 * number; at most raw.n + 32 bytes.
 */
void json_key(struct slice raw, struct buf *out);

/*
 * Write into a buf: commas by themselves, minimal escapes, always valid JSON as long as every
 * object gets key, value, key, value and all ends are written. Overflow shows in the buf.
 */
struct json_w {
	struct buf *out;
	uint64_t objects; /* bit i: level i is an object */
	unsigned depth;	  /* at most JSON_DEPTH_LIMIT */
	bool comma;	  /* something stands in front of the next value */
};
void json_w_init(struct json_w *w, struct buf *out);
void json_w_object(struct json_w *w);
void json_w_array(struct json_w *w);
/* Ends the innermost object or array. */
void json_w_end(struct json_w *w);
void json_w_key(struct json_w *w, const char *key);
void json_w_key_slice(struct json_w *w, struct slice key);
/* Bytes that are no valid UTF-8 become U+FFFD. */
void json_w_str(struct json_w *w, struct slice s);
void json_w_int(struct json_w *w, int64_t v);
/* The shortest digits that read back as v; null when v is not finite. */
void json_w_double(struct json_w *w, double v);
void json_w_bool(struct json_w *w, bool v);
void json_w_null(struct json_w *w);
/* raw is valid JSON and goes out as it is. */
void json_w_raw(struct json_w *w, struct slice raw);
/* A string with quotes and escapes, outside of any writer. */
void json_quote(struct buf *out, struct slice s);

#endif
