/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_OUTCOMES_H
#define STORE_OUTCOMES_H

#include "model/id.h"
#include "model/outcome.h"
#include "store/db.h"

/*
 * What became of what a project sent, by minute and by hour (steps as of rollups.h). Counted by
 * whoever answers, saved every second (global.h): of a crash the newest second may be missing.
 */
struct outcome_row {
	struct org_id org;
	struct project_id project;
	int64_t step_us;
	int64_t start_us; /* of the bucket */
	uint32_t outcome; /* enum event_outcome */
	int64_t count;	  /* when added also negative: moved to another bucket */
};

struct outcome_filter {
	struct project_id project;
	int64_t step_us;
	int64_t from_us, to_us; /* buckets that start in [from, to) */
};
struct outcome_list {
	struct outcome_row *rows; /* by start_us */
	size_t n;
};
/* At most max rows, which the caller knows from its bounds on the time. */
NODISCARD bool store_outcome_list(struct org_id org, struct db *db,
				  const struct outcome_filter *filter, size_t max,
				  struct arena *req, struct outcome_list *out, struct err *err);

/*
 * Who sent anything in one hour, of all orgs: calls each in no order, walking the rows; the
 * connection must not be used meanwhile.
 */
NODISCARD bool store_outcomes_senders(struct db *db, int64_t hour_us,
				      void (*each)(void *arg, struct org_id org,
						   struct project_id project),
				      void *arg, struct err *err);

#endif
