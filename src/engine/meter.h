/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_METER_H
#define ENGINE_METER_H

#include "journal/journal.h"
#include "model/month.h"
#include "store/global.h"

/*
 * Who may use how much, and what is used up this month: plans, limits of organizations, and a
 * counter each, in memory. The counter is usage as the store has it and the records behind it, so
 * it is exact from the start on; the loop adds what it appends, and asks before. The rows are in
 * the store (store/plans.h); who changes those says it here afterwards.
 *
 * Nothing of this is in the log: usage does not depend on plans, and what a plan refuses never gets
 * there (doc/adr/0019). Months are those of the log's time. Any thread; all functions only wait for
 * each other, but for meter_load, which blocks.
 */
struct meter;

struct meter *meter_new(void);
void meter_free(struct meter **meter);
/*
 * Read plans and limits, and count this month: from the store up to its cursor, behind that from
 * the log. Before anything else is appended, on the thread of the journal.
 */
NODISCARD bool meter_load(struct meter *meter, struct db *db, struct journal *journal,
			  struct err *err);

/* How many of n more events an organization may store, at a time of the log. */
struct quota meter_room(struct meter *meter, struct org_id org, int64_t at_us, uint64_t n);
/* How many requests a minute its plan grants an organization; 0: as many as it likes. Cheap. */
int64_t meter_rate(struct meter *meter, struct org_id org);
/* That many were stored, the last at that time. */
void meter_add(struct meter *meter, struct org_id org, int64_t at_us, uint64_t n);

/*
 * That an organization has come to 80 or 100 percent of the month's events (plan_events_limit), or
 * is found there at the start, or under new limits. Each is given once in a process; whether it was
 * told before is not known here.
 */
struct meter_level {
	struct org_id org;
	int64_t month_us;
	int64_t limit;
	uint64_t used;
	int percent; /* 80 or 100, and then 80 as well */
};
/* Take the next one. False when there is none: the usual case, and cheap. */
NODISCARD bool meter_take_level(struct meter *meter, struct meter_level *out);

/* What holds for an organization in the month of a time. Texts are in req. */
struct meter_state {
	struct plan plan; /* with the organization's own limits */
	int64_t month_us;
	uint64_t used;
};
void meter_look(struct meter *meter, struct org_id org, int64_t at_us, struct arena *req,
		struct meter_state *out);

/*
 * The plan of those that have none: empty while the table of plans is switched off; then all are on
 * the unlimited one. PLAN_DEFAULT_META is its name in the store's meta.
 */
#define PLAN_DEFAULT_META "default_plan"
void meter_set_default(struct meter *meter, struct slice name);
struct slice meter_default(struct meter *meter, struct arena *req);
/* Add or replace; beyond PLANS_MAX nothing is added, and false is said. */
NODISCARD bool meter_put_plan(struct meter *meter, const struct plan *plan);
/* The table, cheapest first, without the unlimited one; how many. */
size_t meter_plans(struct meter *meter, struct arena *req, struct plan **plans);
/* False when there is none of this name. */
NODISCARD bool meter_find_plan(struct meter *meter, struct slice name, struct arena *req,
			       struct plan *out);
/* What holds for one organization. A plan that is not there stands for the default one. */
void meter_set_org(struct meter *meter, const struct org_plan_row *row);
/* The organization is gone: nothing is known of it. */
void meter_forget(struct meter *meter, struct org_id org);
/* What was set for it, or what holds without. */
void meter_get_org(struct meter *meter, struct org_id org, struct arena *req,
		   struct org_plan_row *out);

#endif
