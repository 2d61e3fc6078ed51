/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counting what was taken instead of what is left makes zeroed memory a full bucket, and leaves the
 * size out of the state, so that it can change. A wait is divided only once, when it is told.
 */
#include "model/bucket.h"

static int64_t ceil_div(int64_t a, int64_t b)
{
	return a / b + (a % b != 0);
}

static bool number(struct slice text, uint32_t *out)
{
	uint64_t v;

	if (!slice_u64(text, &v) || v > RATE_MAX) {
		return false;
	}
	*out = (uint32_t)v;
	return true;
}

bool rate_parse(struct slice text, struct rate *out)
{
	size_t colon = slice_find(text, ':');

	*out = (struct rate) { 0 };
	if (!number((struct slice) { text.p, colon }, &out->per_minute)) {
		return false;
	}
	return colon == text.n || (number(slice_from(text, colon + 1), &out->burst) &&
				   out->burst > 0 && out->per_minute > 0);
}

const char *rate_check(struct slice text)
{
	struct rate rate;

	return rate_parse(text, &rate)
		       ? NULL
		       : "must be like 600, or 600:50 for 50 at once, or 0 for no limit";
}

static int64_t size_of(const struct rate *rate)
{
	return BUCKET_PARTS * (rate->burst != 0 ? rate->burst : rate->per_minute);
}

static void give_back(struct token_bucket *b, const struct rate *rate, int64_t now_us)
{
	int64_t passed_us = now_us - b->at_us;

	if (passed_us <= 0 && b->taken > 0) {
		return;
	}
	/* Compared before it is multiplied: the time may be years, the product is at most taken. */
	if (passed_us >= ceil_div(b->taken, rate->per_minute)) {
		b->taken = 0;
	} else {
		b->taken -= passed_us * rate->per_minute;
	}
	b->at_us = now_us;
}

struct bucket_verdict bucket_take(struct token_bucket *b, const struct rate *rate, int64_t now_us)
{
	struct bucket_verdict v = { .ok = true };
	int64_t size, left;

	if (rate->per_minute == 0) {
		return v;
	}
	ensure(rate->per_minute <= RATE_MAX && rate->burst <= RATE_MAX);
	size = size_of(rate);
	give_back(b, rate, now_us);
	v.ok = b->taken + BUCKET_PARTS <= size;
	if (v.ok) {
		b->taken += BUCKET_PARTS;
	} else {
		v.retry_us = ceil_div(b->taken + BUCKET_PARTS - size, rate->per_minute);
	}
	left = size > b->taken ? size - b->taken : 0;
	v.limit = (uint32_t)(size / BUCKET_PARTS);
	v.remaining = (uint32_t)(left / BUCKET_PARTS);
	v.reset_us = ceil_div(b->taken, rate->per_minute);
	return v;
}

void bucket_undo(struct token_bucket *b)
{
	b->taken = b->taken > BUCKET_PARTS ? b->taken - BUCKET_PARTS : 0;
}

int64_t bucket_seconds(int64_t us)
{
	return ceil_div(us, 1000000);
}
