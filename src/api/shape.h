/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_SHAPE_H
#define API_SHAPE_H

#include "base/field.h"
#include "model/id.h"

/*
 * What a body looks like, in tables: one shape per noun, beside the function that writes it. Route
 * rows point at shapes, the API's description is made of them, and every reply of every scenario is
 * held against it, so a member that is written and not described fails a test, and so does one that
 * is described and not written. A prop is one member of an object.
 *
 * What is read by a table of struct field is described by that table: a shape points at it, and its
 * own members only say more about some of them, or add to them. All of it is constant.
 */
struct shape;
struct schema;

enum prop_kind {
	PROP_KIND_STR,
	PROP_KIND_ID,	  /* a public id; .id says of what */
	PROP_KIND_TIME,	  /* RFC 3339 */
	PROP_KIND_INT,	  /* a whole number, 0 or more unless .min says otherwise */
	PROP_KIND_NUMBER, /* any number */
	PROP_KIND_BOOL,
	PROP_KIND_WORD,	  /* one of .words */
	PROP_KIND_OBJECT, /* any JSON object */
	PROP_KIND_ANY,	  /* any JSON value */
	PROP_KIND_SHAPE,  /* what .shape says */
	PROP_KIND_ABSENT, /* a row of the field table that is neither read nor written here */
};

/* How many of it: the value itself, a list of it, or an object with such values by name. */
enum prop_many { PROP_ONE, PROP_LIST, PROP_MAP };

enum prop_flag {
	PROP_NULL = 1,	/* may be null */
	PROP_MAYBE = 2, /* may not be there */
};

struct prop {
	const char *name;
	const char *help;
	const char *example;	  /* as JSON; NULL: one is made up */
	const char *const *words; /* WORD: ends with NULL */
	const struct shape *shape;
	int64_t min, max; /* of a number, or of the length of a text or list; max 0: none is told */
	enum prop_kind kind;
	enum prop_many many;
	enum id_kind id;
	unsigned flags;
};

#define PROP_ROW(kind_, name_, ...) \
	{ \
		.kind = PROP_KIND_##kind_, .name = (name_), __VA_ARGS__ \
	}
#define PROP_STR(name_, ...) PROP_ROW(STR, name_, __VA_ARGS__)
#define PROP_ID(name_, id_, ...) PROP_ROW(ID, name_, .id = (id_), __VA_ARGS__)
#define PROP_TIME(name_, ...) PROP_ROW(TIME, name_, __VA_ARGS__)
#define PROP_INT(name_, ...) PROP_ROW(INT, name_, __VA_ARGS__)
#define PROP_NUMBER(name_, ...) PROP_ROW(NUMBER, name_, __VA_ARGS__)
#define PROP_BOOL(name_, ...) PROP_ROW(BOOL, name_, __VA_ARGS__)
#define PROP_WORD(name_, words_, ...) PROP_ROW(WORD, name_, .words = (words_), __VA_ARGS__)
#define PROP_OBJECT(name_, ...) PROP_ROW(OBJECT, name_, __VA_ARGS__)
#define PROP_ANY(name_, ...) PROP_ROW(ANY, name_, __VA_ARGS__)
#define PROP_SHAPE(name_, shape_, ...) PROP_ROW(SHAPE, name_, .shape = (shape_), __VA_ARGS__)
#define PROP_ABSENT(name_) PROP_ROW(ABSENT, name_, .flags = 0)

struct shape {
	const char *name; /* of the noun, "Rule"; NULL: only part of the place where it stands */
	const char *help;
	const struct shape *also;	/* its members come first */
	const struct field_set *fields; /* then these */
	const struct prop *props;	/* then these; the same name takes the place of a field */
	size_t n;
	bool sent;   /* by clients: what has a default may be absent; else all is always there */
	bool open;   /* there may be other members: they are passed over */
	bool one_of; /* the props are no members, but the forms that the value may have */
	/* Writes the forms of one_of instead, a value each, where no table knows them all. */
	void (*forms)(struct schema *s);
};
#define SHAPE_PROPS(props_) .props = (props_), .n = ARRAY_LEN(props_)

#endif
