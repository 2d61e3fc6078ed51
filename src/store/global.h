/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_GLOBAL_H
#define STORE_GLOBAL_H

#include "store/alerts.h"
#include "store/audit.h"
#include "store/billing.h"
#include "store/changes.h"
#include "store/deliveries.h"
#include "store/directory.h"
#include "store/invites.h"
#include "store/keys.h"
#include "store/leaving.h"
#include "store/members.h"
#include "store/orgs.h"
#include "store/outcomes.h"
#include "store/plans.h"
#include "store/replies.h"
#include "store/retention.h"
#include "store/rollups.h"
#include "store/rules.h"
#include "store/sessions.h"
#include "store/sign_keys.h"
#include "store/tokens.h"
#include "store/usage.h"

/*
 * The exceptions: functions that cross organizations or run before one is known. No handler of a
 * tenant's request calls them. Each says why it may; their statements carry the same reason, and
 * a test refuses a statement over tenant data that has neither an org nor a reason.
 *
 * Those of people stand in headers of their own, since no org comes into them at all:
 *   users.h, leaving.h: a user may be in many orgs, and is found by mail before any is known
 *   sessions.h, tokens.h: a session decides the org of a request, a one-time token who asks
 *   directory.h  whose call it is, is answered from memory, for all orgs
 *   sign_keys.h  access tokens are signed for the installation
 *   replies.h    besides those of one org, what engine and keeper do for all; sayings.h likewise
 *   audit.h      with an org of 0: the chain of the installation itself
 *   billing.h    the payment provider knows customers, and the biller asks it for all orgs
 *
 * "In a transaction" means that the caller has called db_begin and will commit.
 */

/* An org is named by its slug before its id is known: seed, sign-up, command line. */
NODISCARD enum found store_org_by_slug(struct db *db, struct slice slug, struct arena *req,
				       struct org_row *out, struct err *err);
/* Operators list all tenants. Newest first. */
NODISCARD bool store_org_list(struct db *db, const struct page *page, struct arena *req,
			      struct org_list *out, struct err *err);

/*
 * A request's key decides its org, so all keys that are not revoked are loaded into memory at
 * start. In order of id, up to limit (PAGE_ROWS_MAX) with an id above after; less: the end.
 */
NODISCARD bool store_keys_all(struct db *db, struct key_id after, size_t limit, struct arena *boot,
			      struct key_list *out, struct err *err);
/* The first key of an installation is special. Counts revoked ones too. */
NODISCARD bool store_key_count(struct db *db, uint64_t *out, struct err *err);
/* Notes of last use are collected in memory for all orgs and written together. In a transaction. */
struct key_use {
	struct key_id id;
	int64_t at_us;
	struct slice from; /* the address; empty: as it was */
};
NODISCARD bool store_keys_touch(struct db *db, const struct key_use *uses, size_t n,
				struct err *err);

/* The token of an invite names its org. Whatever has become of it. */
NODISCARD enum found store_invite_by_hash(struct db *db, struct slice hash, struct arena *req,
					  struct invite_row *out, struct err *err);
/* Whether an org has an open invite for this mail: then an account may be made for it. */
NODISCARD enum found store_invite_for_mail(struct db *db, struct slice mail, int64_t now_us,
					   struct err *err);
/*
 * The user whose mail was invited joins: FOUND for exactly one caller. A user who is a member
 * already keeps the role. NOT_FOUND: no such invite, of another mail, or no longer open. In a
 * transaction.
 */
NODISCARD enum found store_invite_accept(struct db *db, struct slice hash, struct user_id user,
					 struct slice mail, int64_t now_us, struct arena *req,
					 struct invite_row *out, struct err *err);

/* The engine holds all rules in memory. Without deleted ones; pages like store_keys_all. */
NODISCARD bool store_rules_all(struct db *db, struct rule_id after, size_t limit,
			       struct arena *boot, struct rule_list *out, struct err *err);

/* One engine batch serves many orgs. In a transaction. ERR_CONFLICT when a number was used. */
NODISCARD bool store_alerts_insert(struct db *db, const struct alert_row *rows, size_t n,
				   struct err *err);
/* Likewise: alerts that are over. A number that is not there is passed over. In a transaction. */
struct alert_end {
	struct alert_id number;
	int64_t resolved_us;
	struct slice resolution;
};
NODISCARD bool store_alerts_resolve(struct db *db, const struct alert_end *ends, size_t n,
				    struct err *err);
/* Likewise. Status, due_us and the rest are taken from the row; claim is 0. */
NODISCARD bool store_deliveries_insert(struct db *db, const struct delivery_row *rows, size_t n,
				       struct err *err);
/* How many alerts of all orgs fire: as many as the engine must know after a start. */
NODISCARD bool store_alerts_firing(struct db *db, uint64_t *out, struct err *err);
/*
 * Number and insert changes of any orgs; sets rows[i].number. Puts its rows in the order of orgs
 * (stable), so that writers never wait in a circle. In a transaction, and best as its last act: on
 * PostgreSQL the orgs' counters stay locked until the commit.
 */
NODISCARD bool store_changes_insert(struct db *db, struct change_row *rows, size_t n,
				    struct err *err);
/*
 * The keeper prunes for all orgs: per org at most `limit` of the oldest changes that are older than
 * before_us. *pruned (may be NULL) counts them. Not in a transaction; one per org.
 */
NODISCARD bool store_changes_prune(struct db *db, int64_t before_us, size_t limit, uint64_t *pruned,
				   struct err *err);

/*
 * The courier takes what is due for all orgs: up to limit deliveries with due_us <= now_us,
 * earliest first, become sending under `claim` (not 0) until lease_us. Two claims never get one
 * delivery at the same time. The rows come back as they are after the claim, in the order of their
 * numbers.
 */
NODISCARD bool store_deliveries_claim(struct db *db, uint64_t claim, int64_t now_us,
				      int64_t lease_us, size_t limit, struct arena *tick,
				      struct delivery_list *out, struct err *err);

/* What the courier found out about one claimed delivery. */
struct delivery_result {
	struct delivery_id number;
	uint64_t claim;
	enum delivery_status status; /* retrying, sent, dead; pending to give it back */
	int64_t due_us;		     /* for pending and retrying: when next; else 0 */
	int64_t done_us;	     /* for sent and dead: when; else 0 */
	struct slice held_for;	     /* given back until store_deliveries_free; or empty */
	/* The attempt that was made; delivery and n are filled by the call. NULL: none was. */
	struct attempt_row *attempt;
	const struct saying_row *saying; /* to be told of it in the same commit; or NULL */
	bool stale; /* set by the call: the claim had lapsed, nothing was recorded */
};
/* Results of many orgs go into one commit. In a transaction. */
NODISCARD bool store_deliveries_record(struct db *db, struct delivery_result *results, size_t n,
				       struct err *err);
/*
 * Of what was given back held for somebody, up to limit, those with the lowest numbers, are due at
 * due_us and no longer held. *freed counts them. Not in a transaction.
 */
NODISCARD bool store_deliveries_free(struct db *db, struct slice held_for, int64_t due_us,
				     size_t limit, uint64_t *freed, struct err *err);
/*
 * At start nobody is sending, and nobody is known to be down: claims left by a crash, and what was
 * held, are due at once. Only for the process that holds the engine lease. *released (may be NULL)
 * counts them.
 */
NODISCARD bool store_deliveries_release_all(struct db *db, int64_t now_us, uint64_t *released,
					    struct err *err);

/* Metrics are about the installation. oldest_due_us is 0 when nothing is open. */
struct delivery_queue {
	uint64_t open; /* pending, sending, retrying */
	uint64_t due;  /* of these, due by now */
	int64_t oldest_due_us;
	uint64_t dead;
};
NODISCARD bool store_delivery_queue(struct db *db, int64_t now_us, struct delivery_queue *out,
				    struct err *err);
struct store_counts {
	uint64_t orgs;
	uint64_t projects;
	uint64_t keys;	/* not revoked */
	uint64_t rules; /* not deleted */
};
NODISCARD bool store_counts(struct db *db, struct store_counts *out, struct err *err);

/* One engine batch counts for many orgs; counts are added to those that are there. In a
 * transaction. */
NODISCARD bool store_rollups_add(struct db *db, const struct rollup_row *rows, size_t n,
				 struct err *err);
/*
 * At start the engine must know which types the newest bucket of a step names: calls each with its
 * rows, in no order; they are borrowed during the call. The connection must not be used meanwhile.
 */
NODISCARD bool store_rollups_newest(struct db *db, int64_t step_us,
				    void (*each)(void *arg, const struct rollup_row *row),
				    void *arg, struct err *err);
/*
 * The keeper prunes for all orgs: the oldest buckets of a step that start before before_us, at most
 * so many. Not in a transaction; one per bucket.
 */
NODISCARD bool store_rollups_prune(struct db *db, int64_t step_us, int64_t before_us,
				   size_t buckets, struct err *err);

/*
 * What is hidden is kept in memory for all orgs: calls each with every row, also that of org 0 and
 * project 0.
 */
NODISCARD bool store_retention_all(struct db *db,
				   void (*each)(void *arg, const struct retention_row *row),
				   void *arg, struct err *err);
/*
 * One engine batch serves many orgs: events before deleted_seq are deleted, and wait to be purged.
 * In a transaction.
 */
NODISCARD bool store_retention_delete(struct db *db, const struct retention_row *rows, size_t n,
				      struct err *err);
/* The keeper purges for all orgs: from now on events before gone_us may not be there. Likewise. */
NODISCARD bool store_retention_gone(struct db *db, const struct retention_row *rows, size_t n,
				    struct err *err);

/*
 * The checker of the books adds up all orgs: calls each with org, project, bucket and the sum of
 * counts in it.
 */
NODISCARD bool store_rollups_sum(struct db *db, int64_t step_us, int64_t from_us,
				 void (*each)(void *arg, const struct rollup_row *row), void *arg,
				 struct err *err);
/* Likewise, with the outcome. */
NODISCARD bool store_outcomes_sum(struct db *db, int64_t step_us, int64_t from_us,
				  void (*each)(void *arg, const struct outcome_row *row), void *arg,
				  struct err *err);

/* The books of all orgs are saved together; counts are added to those that are there. In a
 * transaction. */
NODISCARD bool store_outcomes_add(struct db *db, const struct outcome_row *rows, size_t n,
				  struct err *err);
/* As store_rollups_prune. */
NODISCARD bool store_outcomes_prune(struct db *db, int64_t step_us, int64_t before_us,
				    size_t buckets, struct err *err);

/* Plans are the installation's. Cheapest first. */
struct plan_list {
	struct plan *rows;
	size_t n;
};
NODISCARD bool store_plan_list(struct db *db, struct arena *req, struct plan_list *out,
			       struct err *err);
/* Add or replace by name. */
NODISCARD bool store_plan_put(struct db *db, const struct plan *plan, struct err *err);
/* The limits of all orgs are kept in memory: calls each with every row. */
NODISCARD bool store_org_plans_all(struct db *db,
				   void (*each)(void *arg, const struct org_plan_row *row),
				   void *arg, struct err *err);

/*
 * One engine batch counts for many orgs; counts are added to those that are there. Puts the rows in
 * the order of their keys. In a transaction.
 */
NODISCARD bool store_usage_add(struct db *db, struct usage_row *rows, size_t n, struct err *err);
/*
 * At start the engine must know what a day names, and those after it: calls each with their rows,
 * in no order; they are borrowed during the call. The connection must not be used meanwhile.
 */
NODISCARD bool store_usage_newest(struct db *db, int64_t day_us,
				  void (*each)(void *arg, const struct usage_row *row), void *arg,
				  struct err *err);
/* The loop's counters are of all orgs: each gets one row per org, its events from a day on. */
NODISCARD bool store_usage_by_org(struct db *db, int64_t from_us,
				  void (*each)(void *arg, const struct usage_row *row), void *arg,
				  struct err *err);
/* The checker of the books adds up all orgs: a row per org, project and day. */
NODISCARD bool store_usage_sum(struct db *db, void (*each)(void *arg, const struct usage_row *row),
			       void *arg, struct err *err);
/*
 * Whoever makes deliveries sent counts them for all orgs, in that transaction. Sorts and merges the
 * rows.
 */
NODISCARD bool store_usage_sent_add(struct db *db, struct usage_sent_row *rows, size_t n,
				    struct err *err);

/*
 * How far the engine has come in one partition of the journal. Committed with what it decided,
 * which is what applies each record exactly once.
 */
struct engine_cursor {
	uint32_t partition;
	struct slice journal; /* id of the journal, at most 64 characters */
	uint64_t seq;	      /* the last record applied; 0: none */
	uint64_t alerts;      /* numbers given so far */
	uint64_t deliveries;
	int64_t updated_us;
	uint64_t fence;
	uint64_t rollup_seq; /* the last record counted in the rollups; at most seq */
	uint64_t usage_seq;  /* the same for usage */
};
NODISCARD enum found store_cursor_get(struct db *db, uint32_t partition, struct arena *boot,
				      struct engine_cursor *out, struct err *err);
/*
 * Become the engine of a partition: the cursor comes back with a new fence, and whoever held the
 * old one can commit nothing more. Starts at 0 when there is none. ERR_CONFLICT when the cursor is
 * of another journal. Not in a transaction.
 */
NODISCARD bool store_cursor_take(struct db *db, uint32_t partition, struct slice journal,
				 int64_t now_us, struct arena *boot, struct engine_cursor *out,
				 struct err *err);
/*
 * In a transaction. ERR_CONFLICT when another engine took over, or a number would go back.
 */
NODISCARD bool store_cursor_set(struct db *db, const struct engine_cursor *cursor, struct err *err);

#endif
