/* SPDX-License-Identifier: Apache-2.0 */
/* Places in line, breakers, and what they hold back: all of it in memory, gone with the process. */
#include "engine/receiver.h"

#include <stdlib.h>

#include "base/clock.h"

#define FULL_US (5 * US_PER_MS)		/* a receiver with enough to do is asked again after this */
#define FULL_US_MAX (30 * US_PER_S)	/* and at the latest after this: it may have become fast */
#define CALL_US_FIRST (100 * US_PER_MS) /* how long a call takes, before one was measured */
#define FREE_US US_PER_S		/* between two lots of what was held */

void receivers_init(struct receivers *rs)
{
	map_init(&rs->map);
	rs->free_us = INT64_MAX;
}

void receivers_release(struct receivers *rs)
{
	struct receiver *r;
	size_t at = 0;

	while ((r = map_next(&rs->map, &at)) != NULL) {
		free(r);
	}
	map_release(&rs->map);
}

struct receiver *receivers_get(struct receivers *rs, struct slice name)
{
	struct receiver *r = map_get(&rs->map, name);

	if (r == NULL) {
		r = mem_alloc(1, sizeof(*r) + name.n + 1);
		memcpy(r->name, name.p, name.n);
		r->call_us = CALL_US_FIRST;
		map_put(&rs->map, (struct slice) { r->name, name.n }, r);
	}
	return r;
}

void receivers_trim(struct receivers *rs)
{
	struct receiver *r;
	size_t at = 0;

	while (rs->map.n > RECEIVERS_KEPT_MAX && (r = map_next(&rs->map, &at)) != NULL) {
		if (r->active == 0 && !r->holds && r->breaker.state == BREAKER_CLOSED) {
			map_del(&rs->map, slice_of(r->name));
			free(r);
		}
	}
}

/*
 * When a receiver with all places taken is likely to have one for the next in line. Each gets a
 * time of its own, so that thousands that wait for one receiver are not claimed over and over.
 */
static int64_t place_in_line(struct receiver *r, int64_t now_us)
{
	if (r->next_us < now_us + FULL_US) {
		r->next_us = now_us + FULL_US;
	}
	r->next_us += r->call_us / RECEIVER_CALLS_MAX;
	if (r->next_us > now_us + FULL_US_MAX) {
		r->next_us = now_us + FULL_US_MAX;
	}
	return r->next_us;
}

static void think_at(struct receivers *rs, struct receiver *r, int64_t at_us)
{
	r->free_us = at_us;
	if (at_us < rs->free_us) {
		rs->free_us = at_us;
	}
}

enum receiver_word receiver_enter(struct receivers *rs, struct receiver *r, int64_t now_us,
				  int64_t *again_us)
{
	int64_t open_until_us;

	if (r->active >= RECEIVER_CALLS_MAX) {
		*again_us = place_in_line(r, now_us);
		return RECEIVER_WAIT;
	}
	if (!breaker_enter(&r->breaker, now_us, &open_until_us)) {
		r->holds = true;
		think_at(rs, r, open_until_us);
		return RECEIVER_HOLD;
	}
	r->active++;
	return RECEIVER_GO;
}

void receiver_done(struct receivers *rs, struct receiver *r, bool failed, int64_t took_us,
		   int64_t now_us)
{
	enum breaker_state before = r->breaker.state;

	breaker_report(&r->breaker, &breaker_default, failed, now_us);
	r->active--;
	r->call_us += (took_us - r->call_us) / 8;
	if (r->holds && r->breaker.state != before) {
		think_at(rs, r, r->breaker.state == BREAKER_CLOSED ? now_us : r->breaker.until_us);
	}
}

/* One that may probe, or what can be called in the time until we think again. */
static size_t how_many(const struct receiver *r)
{
	int64_t calls = RECEIVER_CALLS_MAX * FREE_US / (r->call_us < 1 ? 1 : r->call_us);

	if (r->breaker.state != BREAKER_CLOSED) {
		return 1;
	}
	if (calls < RECEIVER_CALLS_MAX) {
		return RECEIVER_CALLS_MAX;
	}
	return calls > RECEIVER_FREED_MAX ? RECEIVER_FREED_MAX : (size_t)calls;
}

struct receiver *receivers_to_free(struct receivers *rs, size_t *at, int64_t now_us, size_t *n)
{
	struct receiver *r;

	while ((r = map_next(&rs->map, at)) != NULL) {
		if (r->holds && r->free_us <= now_us) {
			*n = how_many(r);
			return r;
		}
	}
	return NULL;
}

void receiver_freed(struct receiver *r, size_t asked, size_t freed, int64_t now_us)
{
	if (freed < asked) {
		r->holds = false;
	}
	/* A probe that finds no place at once is not joined by another one right away. */
	r->free_us = now_us + (r->breaker.state == BREAKER_CLOSED ? FREE_US : r->breaker.cool_us);
}

void receivers_walked(struct receivers *rs)
{
	struct receiver *r;
	size_t at = 0;

	rs->free_us = INT64_MAX;
	while ((r = map_next(&rs->map, &at)) != NULL) {
		if (r->holds && r->free_us < rs->free_us) {
			rs->free_us = r->free_us;
		}
	}
}
