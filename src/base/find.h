/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_FIND_H
#define BASE_FIND_H

#include "base/arena.h"

/*
 * Looking for a piece of text in very many others, case folded as base/fold.h does it. A finder is
 * made once and then only read: any number of threads may use it.
 */
struct finder {
	struct slice folded; /* what is looked for; not empty */
	size_t rare;	     /* its byte to jump to; folded.n: none */
	struct slice anchor; /* the part of it that JSON holds as it is */
	size_t anchor_rare;
};

/* text is not empty; it is copied into the arena, which outlives the finder. */
void finder_init(struct finder *f, struct slice text, struct arena *arena);
/* Whether it is somewhere in text. */
bool finder_in(const struct finder *f, struct slice text);
/*
 * False: it is in no string and no number of this JSON, certainly. Looks at the bytes alone, at
 * some gigabytes a second. Escapes are thought of: RFC 8259 section 7 lets any character be \u....
 */
bool finder_may_be_in(const struct finder *f, struct slice json);

#endif
