/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_FIELD_H
#define BASE_FIELD_H

#include "base/json.h"

/*
 * The one way to describe what a person or a program can fill in: the body of a request, the
 * settings of a channel or a source, the configuration of the program. One row per value; from it
 * come parsing, bounds, defaults, error texts, and later the API schema, the form and the docs.
 *
 *	struct rule_input {
 *		struct slice name;
 *		int64_t window_s;
 *		enum severity severity;
 *	};
 *	static const struct field rule_fields[] = {
 *		FIELD_STR(struct rule_input, name, "name", .min = 1, .max = 200,
 *			  .flags = FIELD_REQUIRED, .help = "What people will see."),
 *		FIELD_SECONDS(struct rule_input, window_s, "windowSeconds", .min = 1, .max = 86400,
 *			      .fallback = "300"),
 *		FIELD_ENUM(struct rule_input, severity, "severity", severity_words,
 *			   .fallback = "medium"),
 *	};
 *
 *	struct rule_input in = { 0 };
 *	if (!fields_parse(body, rule_fields, ARRAY_LEN(rule_fields), &in, NULL, req, err)) { ...
 *
 * Naming a member of another type than the macro wants does not compile.
 */
enum field_kind {
	FIELD_KIND_STR,	    /* one line of text: no control characters */
	FIELD_KIND_TEXT,    /* text with line breaks and tabs */
	FIELD_KIND_URL,	    /* absolute http or https URL; only the shape is checked here */
	FIELD_KIND_TIME,    /* RFC 3339 */
	FIELD_KIND_ENUM,    /* one of the words */
	FIELD_KIND_BOOL,    /* true or false */
	FIELD_KIND_INT,	    /* a whole number */
	FIELD_KIND_NUMBER,  /* any number */
	FIELD_KIND_SECONDS, /* a whole number of seconds; as text also 90s, 5m, 1h30m, 7d */
	FIELD_KIND_SIZE,    /* a whole number of bytes; as text also 64KiB, 10MiB, 1GiB */
	FIELD_KIND_LIST,    /* strings; as text a,b,c */
	FIELD_KIND_CIDRS,   /* addresses and networks: 10.0.0.0/8, ::1; as text with commas */
	FIELD_KIND_MAP,	    /* strings by name; as text a=1,b=2; \, is a comma in one */
	FIELD_KIND_OBJECT,  /* any JSON object */
	FIELD_KIND_JSON,    /* any JSON value */
	FIELD_KINDS
};

enum field_flag {
	FIELD_REQUIRED = 1,  /* must be there and not null */
	FIELD_SECRET = 2,    /* written as FIELD_MASK; FIELD_MASK in a change keeps it */
	FIELD_IMMUTABLE = 4, /* a change may repeat it but not change it */
	FIELD_READ_ONLY = 8, /* written, passed over when read: id, createdAt */
};
#define FIELD_MASK "********"

struct field {
	const char *name;     /* as it stands in JSON or on the command line */
	const char *label;    /* for forms; NULL: the name */
	const char *help;     /* one sentence, for docs and forms */
	const char *fallback; /* default as text (see field_parse_text); NULL: zero, empty, unset */
	const char *example;  /* as text, for docs and forms; NULL: none worth showing */
	const char *unit; /* of the value or of min and max, "attempts"; NULL: that of the kind */
	const char *const *words;		  /* ENUM: word i is value i; ends with NULL */
	const char *(*check)(struct slice value); /* strings and items: a complaint, or NULL */
	/*
	 * Of the value, or of its length in code points, bytes or items. No max: that of the kind.
	 */
	int64_t min, max;
	uint32_t item_max; /* code points in an item of a list or map; 0: FIELD_ITEM_MAX */
	enum field_kind kind;
	unsigned flags;
	size_t offset;
};

/* The rows of one object, as others point at them. */
struct field_set {
	const struct field *rows;
	size_t n;
};

#define FIELD_STR_MAX 255    /* code points: fits a line on a screen and a column in a table */
#define FIELD_TEXT_MAX 10000 /* code points: some pages */
#define FIELD_URL_MAX 2048   /* bytes: what browsers and proxies pass on */
#define FIELD_ITEM_MAX 255   /* code points */
#define FIELD_ITEMS_MAX 100  /* items of a list, entries of a map */
#define FIELD_KEY_MAX 128    /* code points in a name of a map */
#define FIELD_JSON_MAX 65536 /* bytes of an object or any value */
#define FIELD_PATH_MAX 128   /* bytes, as err->field */
#define FIELD_ROWS_MAX 64    /* where a bit per row is asked for */
#define FIELD_SECONDS_MAX INT64_C(315360000) /* ten years */

/* LIST and CIDRS. */
struct field_list {
	const struct slice *v;
	size_t n;
};
/* MAP. */
struct field_pair {
	struct slice key, value;
};
struct field_map {
	const struct field_pair *v;
	size_t n;
};

/* The offset of member m of type S; an error of the compiler unless the member is a T. */
#define FIELD_AT(S, m, T) (offsetof(S, m) + _Generic(&((S *)NULL)->m, T * : 0))
#define FIELD_ROW(kind_, S, m, T, name_, ...) \
	{ \
		.kind = FIELD_KIND_##kind_, .name = (name_), .offset = FIELD_AT(S, m, T), \
		__VA_ARGS__ \
	}

/* Absent strings have p == NULL; text is borrowed from the body or lies in the arena. */
#define FIELD_STR(S, m, name_, ...) FIELD_ROW(STR, S, m, struct slice, name_, __VA_ARGS__)
#define FIELD_TEXT(S, m, name_, ...) FIELD_ROW(TEXT, S, m, struct slice, name_, __VA_ARGS__)
#define FIELD_URL(S, m, name_, ...) FIELD_ROW(URL, S, m, struct slice, name_, __VA_ARGS__)
/* Microseconds since the epoch; 0 is unset. */
#define FIELD_TIME(S, m, name_, ...) FIELD_ROW(TIME, S, m, int64_t, name_, __VA_ARGS__)
/* Any enum whose values are all >= 0. */
#define FIELD_ENUM(S, m, name_, words_, ...) \
	FIELD_ROW(ENUM, S, m, unsigned, name_, .words = (words_), __VA_ARGS__)
#define FIELD_BOOL(S, m, name_, ...) FIELD_ROW(BOOL, S, m, bool, name_, __VA_ARGS__)
#define FIELD_INT(S, m, name_, ...) FIELD_ROW(INT, S, m, int64_t, name_, __VA_ARGS__)
#define FIELD_NUMBER(S, m, name_, ...) FIELD_ROW(NUMBER, S, m, double, name_, __VA_ARGS__)
#define FIELD_SECONDS(S, m, name_, ...) FIELD_ROW(SECONDS, S, m, int64_t, name_, __VA_ARGS__)
#define FIELD_SIZE(S, m, name_, ...) FIELD_ROW(SIZE, S, m, int64_t, name_, __VA_ARGS__)
#define FIELD_LIST(S, m, name_, ...) FIELD_ROW(LIST, S, m, struct field_list, name_, __VA_ARGS__)
#define FIELD_CIDRS(S, m, name_, ...) FIELD_ROW(CIDRS, S, m, struct field_list, name_, __VA_ARGS__)
#define FIELD_MAP(S, m, name_, ...) FIELD_ROW(MAP, S, m, struct field_map, name_, __VA_ARGS__)
/* The tree of the value, with its bytes in ->raw; NULL when absent. */
#define FIELD_OBJECT(S, m, name_, ...) \
	FIELD_ROW(OBJECT, S, m, const struct json *, name_, __VA_ARGS__)
#define FIELD_JSON(S, m, name_, ...) FIELD_ROW(JSON, S, m, const struct json *, name_, __VA_ARGS__)

/* How fields_parse is to read, and what it saw. */
struct fields_in {
	const char *path;    /* of the object itself, "actions[2]"; NULL at the top */
	bool partial;	     /* a change: what is absent keeps its value, null sets the default */
	bool ignore_unknown; /* for calls of earlier systems that did so */
	uint64_t present;    /* out: bit i is set when row i was there (and taken) */
};

/*
 * Fill *out, which the rows describe, from obj. Without in->partial all absent members get their
 * defaults; with it *out holds the current values before. in may be NULL (all off). ERR_INVALID
 * names the path and the bound; an unknown name gets the closest known one. On failure *out is
 * partly filled. What is not copied lives in req or in the text that obj was made from.
 */
NODISCARD bool fields_parse(const struct json *obj, const struct field *rows, size_t n, void *out,
			    struct fields_in *in, struct arena *req, struct err *err);
/* Set the defaults of all rows. */
void fields_defaults(const struct field *rows, size_t n, void *out, struct arena *arena);
/*
 * Set one value of *out from text: a flag, a variable of the environment, a line of a file. The
 * result does not borrow from text.
 */
NODISCARD bool field_parse_text(const struct field *row, struct slice text, void *out,
				struct arena *boot, struct err *err);
/* The value in the spelling that field_parse_text reads; a secret as FIELD_MASK. */
void field_write_text(const struct field *row, const void *in, struct buf *out);
/*
 * Write one member per row into the object that is open in w: secrets as FIELD_MASK (null when
 * empty), absent strings, times and JSON as null.
 */
void fields_write(struct json_w *w, const struct field *rows, size_t n, const void *in);

/* What the length or value of a kind is counted in. */
enum field_measure { FIELD_UNBOUNDED, FIELD_VALUE, FIELD_CHARS, FIELD_BYTES, FIELD_ITEMS };
struct field_kind_info {
	const char *name;    /* "string", "url": the word in docs and the widget in forms */
	const char *format;  /* the format of the API schema, or NULL */
	const char *unit;    /* "characters"; or NULL */
	enum json_type type; /* JSON_NONE: any */
	enum field_measure measure;
	int64_t min, max; /* where a row has none */
};
const struct field_kind_info *field_kind_info(enum field_kind kind);
/* The bounds that hold for a row, its own or those of the kind. */
void field_bounds(const struct field *row, int64_t *min, int64_t *max);
/*
 * The bounds as text, "between 1 and 86400 seconds", "1 to 200 characters"; "" when there are none.
 */
void field_bounds_text(const struct field *row, char *out, size_t size);

/* The row of that name, or NULL. */
const struct field *fields_find(const struct field *rows, size_t n, struct slice name);
/* The row whose name somebody may have meant, or NULL when none is near. */
const struct field *fields_closest(const struct field *rows, size_t n, struct slice name);
/* Abort unless a table is sound: names once, words, bounds and defaults fit. For tests. */
void fields_ensure(const struct field *rows, size_t n);

#endif
