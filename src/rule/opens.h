/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULE_OPENS_H
#define RULE_OPENS_H

#include "rule/rule_set.h"

/*
 * Alerts that hold. A firing opens the alert of its rule and key; it is over when the window does
 * not meet the condition any more, when the next firing takes its place, or when the rule or its
 * key goes. A rule and key have at most one.
 *
 * Windows run empty without any record, so each open alert has a timer: a moment up to which the
 * condition holds whatever comes. Records do not move timers. One that fires asks the window until
 * when the condition holds by now, and ends the alert or goes back into the queue; hence an event
 * of a key with an open alert costs nothing more. All of it is part of the set and its snapshot.
 *
 * Whoever applies a record calls, with the time of the record:
 *   rule_set_advance, then rule_apply and the like, rule_set_opened per alert, rule_set_ends.
 * Engine thread; nothing blocks.
 */

/* All may end before one record, and that is one transaction with a row or two for each. */
#define RULE_OPENS_MAX 250000

enum rule_end_reason {
	RULE_END_CLEARED,    /* the window does not meet the condition any more */
	RULE_END_SUPERSEDED, /* the rule fired again for this key */
	RULE_END_CHANGED,    /* the rule was edited: it started anew, or asks for something else */
	RULE_END_DISABLED,
	RULE_END_DELETED,
	RULE_END_EVICTED, /* a limit: of the rule's keys, or of open alerts */
	RULE_END_REASONS
};
/* "cleared" ... */
struct slice rule_end_reason_name(enum rule_end_reason reason);

struct rule_end {
	struct alert_id alert;
	struct rule_id rule;
	struct org_id org;
	struct project_id project;
	int64_t opened_us; /* of the firing */
	int64_t at_us;	   /* a timer's due time, or the time of the record that ended it */
	enum rule_end_reason reason;
};
struct rule_ends {
	const struct rule_end *items;
	size_t n;
};

/*
 * Log time goes on: fire what is due at or before now_us, in the order of (due, alert). Calls at
 * moments in between change nothing but how early ends are known.
 */
void rule_set_advance(struct rule_set *set, int64_t now_us);
/*
 * A firing of the last rule_apply became an alert, which is open from now on. Numbers rise from
 * call to call. Beyond RULE_OPENS_MAX the alert whose timer is due first ends as evicted.
 */
void rule_set_opened(struct rule_set *set, const struct firing *firing, struct alert_id alert);
/* The rebuild after RULE_REBUILD is done: end what the new version does not say any more. */
void rule_set_rebuilt(struct rule_set *set, struct rule_id id);

/* What ended since the last call, in that order. Borrowed until the set changes. */
struct rule_ends rule_set_ends(struct rule_set *set);

/* The earliest timer, INT64_MAX without any. */
int64_t rule_set_due(const struct rule_set *set);
/* How many alerts are open. */
size_t rule_set_opens(const struct rule_set *set);

#endif
