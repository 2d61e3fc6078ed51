/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_RETENTION_H
#define STORE_RETENTION_H

#include "model/id.h"
#include "store/db.h"

/*
 * What is kept of a project's events: for how long, and what was deleted. A project without a row
 * keeps to the server's default and was never emptied. The row of org 0 and project 0 stands for
 * all of those. Written by the engine (deletions), by workers (days) and by the keeper (global.h).
 */
#define RETENTION_DEFAULT (-1) /* days: as the server is set */
#define RETENTION_DAYS_MAX 36500

struct retention_row {
	struct org_id org;
	struct project_id project;
	int64_t days;	      /* 0: for ever */
	int64_t gone_us;      /* events received before may be purged */
	uint64_t deleted_seq; /* events before this record were deleted; 0: none was */
	int64_t deleted_us;
	int64_t purged_us; /* 0: their bytes may still be there */
};

/* NOT_FOUND: *out says what holds without a row. */
NODISCARD enum found store_retention_get(struct org_id org, struct db *db,
					 struct project_id project, struct arena *req,
					 struct retention_row *out, struct err *err);
/* Set the days. gone_us: of what may be purged by the time that held until now. */
NODISCARD bool store_retention_set(struct org_id org, struct db *db, struct project_id project,
				   int64_t days, int64_t gone_us, struct err *err);
/* What was deleted before record seq is gone from the disk; unless more was deleted since. */
NODISCARD bool store_retention_purged(struct org_id org, struct db *db, struct project_id project,
				      uint64_t seq, int64_t at_us, struct err *err);

#endif
