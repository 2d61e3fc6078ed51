/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_USAGE_H
#define STORE_USAGE_H

#include "model/id.h"
#include "model/month.h"
#include "store/db.h"

/*
 * What was used, by UTC day. Events are a function of the log, written by the engine with its
 * cursor (global.h); notifications are counted in the transaction in which their delivery becomes
 * sent. Nothing that is deleted takes usage back.
 */
struct usage_row {
	struct org_id org;
	int64_t day_us; /* its first microsecond */
	struct project_id project;
	struct key_id key; /* 0: keys beyond the limit of the day */
	struct slice type; /* "": types beyond it */
	uint64_t count;
};
struct usage_list {
	struct usage_row *rows; /* by day, key and type */
	size_t n;
};
/* Days that start in [from, to). At most max rows, which follow from the limits of a day. */
NODISCARD bool store_usage_list(struct org_id org, struct db *db, struct project_id project,
				int64_t from_us, int64_t to_us, size_t max, struct arena *req,
				struct usage_list *out, struct err *err);

struct usage_sent_row {
	struct org_id org;
	int64_t day_us;
	struct project_id project;
	uint64_t count;
};
struct usage_sent_list {
	struct usage_sent_row *rows; /* by day */
	size_t n;
};
/* One row a day. */
NODISCARD bool store_usage_sent_list(struct org_id org, struct db *db, struct project_id project,
				     int64_t from_us, int64_t to_us, size_t max, struct arena *req,
				     struct usage_sent_list *out, struct err *err);
/* The events, and below what was sent, of all projects of the org. */
NODISCARD bool store_usage_events_sum(struct org_id org, struct db *db, int64_t from_us,
				      int64_t to_us, uint64_t *out, struct err *err);
NODISCARD bool store_usage_sent_sum(struct org_id org, struct db *db, int64_t from_us,
				    int64_t to_us, uint64_t *out, struct err *err);

#endif
