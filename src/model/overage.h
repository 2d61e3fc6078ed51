/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_OVERAGE_H
#define MODEL_OVERAGE_H

#include "base/base.h"

/*
 * How many events of a month are billed beyond the price, followed through changes of the plan. An
 * event is judged by the plan that held when it was taken; where that is not known exactly, by the
 * one that bills less. What has been billed is never taken back, and nothing is billed twice. Pure;
 * any thread.
 */
#define OVERAGE_OFF (-1) /* in the place of a limit: nothing is billed */
#define OVERAGE_UNIT 1000

struct overage {
	int64_t soft;	  /* events that are included from here on; or OVERAGE_OFF */
	uint64_t seen;	  /* events of the month that are judged already */
	uint64_t accrued; /* those of them that are billed */
};

/*
 * A look at the month: counted events of it are in the ledger, of which at most used were taken by
 * now, and soft is what holds now. A change of soft is one since the last look.
 */
void overage_advance(struct overage *o, int64_t soft, uint64_t counted, uint64_t used);
/*
 * Thousands to tell beyond those told already. While the month goes on those that are full; when it
 * is over the last one that was begun, too: it is rounded up once.
 */
uint64_t overage_to_tell(const struct overage *o, uint64_t told, bool over);

#endif
