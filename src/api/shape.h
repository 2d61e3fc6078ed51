/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_SHAPE_H
#define API_SHAPE_H

#include "base/field.h"
#include "model/id.h"

/*
 * What a body looks like, in tables: one shape per noun, beside the function that writes it. Route
 * rows point at shapes, the API's description is made of them, and every reply of every scenario is
 * held against it, so a member that is written and not described fails a test, and so does one that
 * is described and not written.
 *
 * What is read by a table of struct field is described by that table: a shape points at it, and its
 * own members only say more about some of them, or add to them. All of it is constant.
 */
struct shape;

enum member_kind {
	MEMBER_KIND_STR,
	MEMBER_KIND_ID,	    /* a public id; .id says of what */
	MEMBER_KIND_TIME,   /* RFC 3339 */
	MEMBER_KIND_INT,    /* a whole number, 0 or more unless .min says otherwise */
	MEMBER_KIND_NUMBER, /* any number */
	MEMBER_KIND_BOOL,
	MEMBER_KIND_WORD,   /* one of .words */
	MEMBER_KIND_OBJECT, /* any JSON object */
	MEMBER_KIND_ANY,    /* any JSON value */
	MEMBER_KIND_SHAPE,  /* what .shape says */
	MEMBER_KIND_ABSENT, /* a row of the field table that is neither read nor written here */
};

/* How many of it: the value itself, a list of it, or an object with such values by name. */
enum member_many { MEMBER_ONE, MEMBER_LIST, MEMBER_MAP };

enum member_flag {
	MEMBER_NULL = 1,  /* may be null */
	MEMBER_MAYBE = 2, /* may not be there */
};

struct member {
	const char *name;
	const char *help;
	const char *example;	  /* as JSON; NULL: one is made up */
	const char *const *words; /* WORD: ends with NULL */
	const struct shape *shape;
	int64_t min, max; /* of a number, or of the length of a text or list; max 0: none is told */
	enum member_kind kind;
	enum member_many many;
	enum id_kind id;
	unsigned flags;
};

#define MEMBER_ROW(kind_, name_, ...) \
	{ \
		.kind = MEMBER_KIND_##kind_, .name = (name_), __VA_ARGS__ \
	}
#define MEMBER_STR(name_, ...) MEMBER_ROW(STR, name_, __VA_ARGS__)
#define MEMBER_ID(name_, id_, ...) MEMBER_ROW(ID, name_, .id = (id_), __VA_ARGS__)
#define MEMBER_TIME(name_, ...) MEMBER_ROW(TIME, name_, __VA_ARGS__)
#define MEMBER_INT(name_, ...) MEMBER_ROW(INT, name_, __VA_ARGS__)
#define MEMBER_NUMBER(name_, ...) MEMBER_ROW(NUMBER, name_, __VA_ARGS__)
#define MEMBER_BOOL(name_, ...) MEMBER_ROW(BOOL, name_, __VA_ARGS__)
#define MEMBER_WORD(name_, words_, ...) MEMBER_ROW(WORD, name_, .words = (words_), __VA_ARGS__)
#define MEMBER_OBJECT(name_, ...) MEMBER_ROW(OBJECT, name_, __VA_ARGS__)
#define MEMBER_ANY(name_, ...) MEMBER_ROW(ANY, name_, __VA_ARGS__)
#define MEMBER_SHAPE(name_, shape_, ...) MEMBER_ROW(SHAPE, name_, .shape = (shape_), __VA_ARGS__)
#define MEMBER_ABSENT(name_) MEMBER_ROW(ABSENT, name_, .flags = 0)

struct shape {
	const char *name; /* of the noun, "Rule"; NULL: only part of the place where it stands */
	const char *help;
	const struct shape *also;	/* its members come first */
	const struct field_set *fields; /* then these */
	const struct member *members;	/* then these; the same name takes the place of a field */
	size_t n;
	bool sent;   /* by clients: what has a default may be absent; else all is always there */
	bool open;   /* there may be other members: they are passed over */
	bool one_of; /* the members are no members, but the forms that the value may have */
};

#endif
