/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Overage is counted forward, never computed from the month's total: after a change of plan a total
 * would judge old events by the new plan.
 */
#include "model/overage.h"

/* Events from first on, up to n, of which soft are included. */
static uint64_t beyond(uint64_t first, uint64_t n, int64_t soft)
{
	uint64_t from = soft == OVERAGE_OFF || first > (uint64_t)soft ? first : (uint64_t)soft;

	return soft == OVERAGE_OFF || n <= from ? 0 : n - from;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

void overage_advance(struct overage *o, int64_t soft, uint64_t counted, uint64_t used)
{
	uint64_t before = beyond(o->seen, counted, o->soft);
	uint64_t now = beyond(o->seen, counted, soft);

	ensure(soft >= OVERAGE_OFF);
	o->accrued += before < now ? before : now;
	o->seen = larger(o->seen, counted);
	if (soft != o->soft) {
		/* What is taken and not in the ledger yet may be of before the change. */
		o->seen = larger(o->seen, used);
		o->soft = soft;
	}
}

uint64_t overage_to_tell(const struct overage *o, uint64_t told, bool over)
{
	uint64_t thousands = (o->accrued + (over ? OVERAGE_UNIT - 1 : 0)) / OVERAGE_UNIT;

	return thousands > told ? thousands - told : 0;
}
