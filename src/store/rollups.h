/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_ROLLUPS_H
#define STORE_ROLLUPS_H

#include "model/id.h"
#include "model/severity.h"
#include "store/db.h"

/*
 * Events counted by minute and hour, type and severity: a function of the log. Written by the
 * engine (global.h), with its cursor, so that each event is in there exactly once.
 */
#define ROLLUP_MINUTE_US (INT64_C(60) * 1000000)
#define ROLLUP_HOUR_US (INT64_C(3600) * 1000000)

struct rollup_row {
	struct org_id org;
	struct project_id project;
	int64_t step_us;   /* one of the two above */
	int64_t start_us;  /* of the bucket; a multiple of step_us */
	struct slice type; /* "": types beyond the limit of the bucket */
	uint32_t severity; /* enum severity */
	uint64_t count;
};

struct rollup_filter {
	struct project_id project;
	int64_t step_us;
	int64_t from_us, to_us; /* buckets that start in [from, to) */
	struct slice type;	/* exact, or a prefix that ends in ".*"; "": all */
	enum severity severity; /* SEVERITY_NONE: all */
	struct slice without;	/* types that begin so are left out; "": none are */
};
/* The events of one bucket and severity. */
struct rollup_bucket {
	int64_t start_us;
	uint32_t severity;
	uint64_t count;	  /* those that match */
	uint64_t unnamed; /* those whose type the bucket does not name; in count without a filter */
};
struct rollup_list {
	struct rollup_bucket *rows; /* by start_us, then severity; without empty ones */
	size_t n;
};
/*
 * At most max rows, which the caller knows from its bounds on the time. Buckets that were over when
 * the project's events were last deleted are not shown, whether they are still there or not.
 */
NODISCARD bool store_rollup_list(struct org_id org, struct db *db,
				 const struct rollup_filter *filter, size_t max, struct arena *req,
				 struct rollup_list *out, struct err *err);
/*
 * The events of the project were deleted at this time of the log: the counts of the minute and the
 * hour that it is in begin anew. In the caller's transaction, with the row that says so
 * (retention.h), which hides the older ones.
 */
NODISCARD bool store_rollups_clear(struct org_id org, struct db *db, struct project_id project,
				   int64_t at_us, struct err *err);
/*
 * Remove a slice of those older ones, some thousand rows and some milliseconds, in a transaction of
 * its own. FOUND: there may be more. NOT_FOUND: none is left.
 */
NODISCARD enum found store_rollups_clear_older(struct org_id org, struct db *db,
					       struct project_id project, int64_t at_us,
					       struct err *err);

#endif
