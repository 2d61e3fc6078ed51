/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_ALERTS_H
#define STORE_ALERTS_H

#include "model/id.h"
#include "store/db.h"
#include "store/page.h"

/*
 * Alerts: what rules said, once per firing, and when it was over. Written by the engine (global.h);
 * nothing but the end is ever added.
 */

struct alert_row {
	struct alert_id number; /* dense, from the engine's cursor */
	struct org_id org;
	struct project_id project;
	struct rule_id rule;
	uint64_t rule_version;
	struct slice rule_name;
	uint64_t event_seq; /* the event that made it fire */
	int64_t event_us;
	struct slice event_type;
	struct slice key; /* JSON of the groupBy values; "" without groupBy */
	struct slice severity;
	uint64_t count;
	bool count_is_least; /* the window held at least count */
	struct slice title;
	struct slice cid; /* correlation id */
	int64_t created_us;
	int64_t resolved_us;	 /* 0: firing */
	struct slice resolution; /* why it is over, "" while it fires */
};
struct alert_list {
	struct alert_row *rows;
	size_t n;
	struct page_at next; /* by (created_us, number) */
};

enum alert_state { ALERT_ANY, ALERT_FIRING, ALERT_RESOLVED };

struct alert_filter {
	struct project_id project; /* required */
	struct rule_id rule;	   /* 0: any */
	enum alert_state state;
	int64_t from_us; /* created at or after; 0: any */
	int64_t to_us;	 /* created before; 0: any */
};

/* project 0: of any project of the org. */
NODISCARD enum found store_alert_get(struct org_id org, struct db *db, struct project_id project,
				     struct alert_id number, struct arena *req,
				     struct alert_row *out, struct err *err);
NODISCARD bool store_alert_list(struct org_id org, struct db *db, const struct alert_filter *filter,
				const struct page *page, struct arena *req, struct alert_list *out,
				struct err *err);

#endif
