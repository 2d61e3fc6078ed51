/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_BUCKET_H
#define MODEL_BUCKET_H

#include "base/slice.h"

/*
 * A token bucket: so many at once, and so many more each minute. It keeps what was taken and not
 * made up for, as a whole number of parts of which each microsecond gives back the same number: so
 * nothing is rounded, and a bucket that is used for a year has given out exactly what it may.
 *
 * Zeroed is full. The rate is an argument and may change between two calls, as the plan of a tenant
 * does: what was taken stays taken. The time is monotonic; one that goes back gives nothing back.
 * The caller serialises.
 */
#define RATE_MAX 1000000000 /* a minute, and at once: their product stays within 63 bits */

struct rate {
	uint32_t per_minute; /* 0: no limit */
	uint32_t burst;	     /* at once; 0: as many as a minute brings */
};

/*
 * "600" (a minute, and as many at once), "600:50" (50 at once), or "0" (no limit). False when it is
 * none of these.
 */
NODISCARD bool rate_parse(struct slice text, struct rate *out);
/* The same as a check of a row of settings: a complaint, or NULL. */
const char *rate_check(struct slice text);

struct token_bucket {
	int64_t taken; /* in parts: BUCKET_PARTS each */
	int64_t at_us; /* as of this time */
};
#define BUCKET_PARTS INT64_C(60000000) /* of one: a microsecond gives back per_minute of them */

struct bucket_verdict {
	bool ok;	    /* one was there, and is taken */
	uint32_t limit;	    /* at once; 0: there is no limit, and the rest means nothing */
	uint32_t remaining; /* that could be taken now */
	int64_t reset_us;   /* until all are there again */
	int64_t retry_us;   /* until one is there again; 0: now */
};

/* Take one. A refusal takes nothing. */
struct bucket_verdict bucket_take(struct token_bucket *b, const struct rate *rate, int64_t now_us);
/* Put back what was taken for something that then was refused elsewhere. */
void bucket_undo(struct token_bucket *b);
/* Microseconds as seconds for a header: rounded up, so that whoever waits so long is not early. */
int64_t bucket_seconds(int64_t us);

#endif
