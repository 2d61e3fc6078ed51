/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_FACETS_H
#define API_FACETS_H

#include "base/arena.h"
#include "base/json.h"
#include "base/map.h"

/*
 * How often each value of one member occurs, of which the commonest are shown. Only so many values
 * are told apart; those that come later are counted together. One thread.
 */
#define FACET_VALUES_MAX 1000
#define FACET_SHOWN 10

struct facet {
	struct map values; /* struct facet_value by text */
	struct arena *keep;
	uint64_t other;
};

/* keep outlives the facet. */
void facet_init(struct facet *f, struct arena *keep);
void facet_release(struct facet *f);
/* An empty text: the member is not there. */
void facet_add(struct facet *f, struct slice text);
/* {"values": [{"value": text or null, "count":..}], "other": n}, the commonest first. */
void facet_write(const struct facet *f, struct json_w *w);

#endif
