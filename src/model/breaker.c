/* SPDX-License-Identifier: Apache-2.0 */
/* The state machine of the header, with no more state than a row could hold. */
#include "model/breaker.h"

const struct breaker_policy breaker_default = {
	.failures = 5,
	.cool_us_min = INT64_C(30) * 1000 * 1000,
	.cool_us_max = INT64_C(600) * 1000 * 1000,
};

const char *breaker_state_name(enum breaker_state state)
{
	switch (state) {
	case BREAKER_CLOSED:
		return "closed";
	case BREAKER_OPEN:
		return "open";
	case BREAKER_HALF_OPEN:
		return "half_open";
	}
	never("breaker_state");
}

bool breaker_enter(struct breaker *b, int64_t now_us, int64_t *again_us)
{
	if (b->state == BREAKER_CLOSED) {
		return true;
	}
	if (now_us < b->until_us) {
		*again_us = b->until_us;
		return false;
	}
	b->state = BREAKER_HALF_OPEN;
	b->until_us = now_us + b->cool_us;
	return true;
}

static void open(struct breaker *b, int64_t cool_us, int64_t now_us)
{
	b->state = BREAKER_OPEN;
	b->cool_us = cool_us;
	b->until_us = now_us + cool_us;
}

void breaker_report(struct breaker *b, const struct breaker_policy *policy, bool failed,
		    int64_t now_us)
{
	int64_t doubled = b->cool_us * 2;

	if (!failed) {
		*b = (struct breaker) { 0 };
		return;
	}
	switch (b->state) {
	case BREAKER_CLOSED:
		b->failures++;
		if (b->failures >= policy->failures) {
			open(b, policy->cool_us_min, now_us);
		}
		return;
	case BREAKER_HALF_OPEN:
		open(b, doubled < policy->cool_us_max ? doubled : policy->cool_us_max, now_us);
		return;
	case BREAKER_OPEN:
		return;
	}
	never("breaker_state");
}
