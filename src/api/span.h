/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_SPAN_H
#define API_SPAN_H

#include "base/err.h"
#include "base/field.h"

/*
 * A stretch of time in buckets, as queries of counts give it: from, to and step. Pure.
 */
#define SPAN_BUCKETS_MAX \
	3000 /* two days of minutes, four months of hours: more than a screen has */

enum span_step { SPAN_MINUTE, SPAN_HOUR };

struct span {
	int64_t from_us, to_us;
	unsigned step; /* enum span_step */
};
extern const char *const span_words[]; /* ended by NULL */

/* Rows for a struct S whose member m is the span. */
#define SPAN_FIELDS(S, m) \
	FIELD_TIME(S, m.from_us, "from", \
		   .help = "The first bucket is the one that this time is in."), \
		FIELD_TIME(S, m.to_us, "to", .help = "The last bucket begins before it."), \
		FIELD_ENUM(S, m.step, "step", span_words, .fallback = "minute", \
			   .help = "How long a bucket is.")

/*
 * Complete and check what a query said: to is now when it is not there, from an hour (of minutes)
 * or a day (of hours) before to. Both are moved out to the bounds of buckets.
 */
NODISCARD bool span_check(struct span *span, int64_t now_us, struct err *err);
int64_t span_step_us(const struct span *span);
/* Members from, to and step of the open object. */
void span_write(struct json_w *w, const struct span *span);

#endif
