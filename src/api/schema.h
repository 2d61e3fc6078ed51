/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_SCHEMA_H
#define API_SCHEMA_H

#include "api/shape.h"

/*
 * Tables as JSON Schema 2020-12, the dialect of OpenAPI 3.1. Shapes with a name become references;
 * what was referred to is written at the end, once each. One thread; everything that is made up on
 * the way is in the arena.
 */
#define SCHEMA_NAMED_MAX 300 /* nouns of the whole API, and their changes */

struct schema_named {
	const struct shape *shape;
	bool partial;
};

struct schema {
	struct json_w *w;
	struct arena *arena;
	struct schema_named named[SCHEMA_NAMED_MAX];
	size_t n;
};

/* Each writes one value. partial: a change, in which every member may be absent. */
void schema_shape(struct schema *s, const struct shape *shape, bool partial);
void schema_prop(struct schema *s, const struct prop *prop);
/* Of a parameter: never null. */
void schema_param(struct schema *s, const struct field *row);
/* The form of public ids of a kind. */
void schema_id(struct schema *s, enum id_kind kind);
/* Members of the open object, one for each shape that was referred to. */
void schema_components(struct schema *s);

/* An example of it; one value that its schema takes. */
void schema_example(struct schema *s, const struct shape *shape, bool partial);
/* A public id that could be one of this kind. */
struct id_text schema_id_example(enum id_kind kind);

#endif
