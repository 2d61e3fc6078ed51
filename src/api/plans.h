/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_PLANS_H
#define API_PLANS_H

#include "api/call.h"
#include "model/plan.h"

/* What handlers do with plans (engine/meter.h has them). All on a worker, and block. */

/* Limits of an organization's own, as a body has them beside other members. */
struct plan_limits {
	struct slice plan;
	int64_t soft, hard;
};
#define PLAN_LIMIT_FIELDS(S, m) \
	FIELD_INT(S, m.soft, "softLimit", .max = PLAN_LIMIT_MAX, \
		  .help = "Its own number of events a month above which it is warned; 0: none, " \
			  "null: the plan's."), \
		FIELD_INT(S, m.hard, "hardLimit", .max = PLAN_LIMIT_MAX, \
			  .help = "Its own number of events a month above which none is taken; " \
				  "0: none, null: the plan's.")

/*
 * Set plan and limits as far as the body names them; what it does not name stays. ERR_INVALID when
 * the limits contradict each other. Under the lock api->admin.
 */
NODISCARD bool plans_set_limits(struct call *c, struct org_id org, const struct json *body,
				const struct plan_limits *in, struct err *err);
/* ERR_LIMIT when the plan allows no further project. Under the lock api->admin till it is made. */
NODISCARD bool plans_may_make_project(struct call *c, struct org_id org, struct err *err);

#endif
