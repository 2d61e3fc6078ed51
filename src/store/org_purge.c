/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One row of a table per table of tenants. Deliveries go with their attempts, and before their
 * alerts, so that at no moment a row belongs to one that is not there. The head of an audit chain
 * goes first: without it, its entries may be removed.
 */
#include "store/org_purge.h"

#include <inttypes.h>

#include "store/billing.h"
#include "store/queries.h"
#include "store/row.h"

/* So many are in one statement; the org stands in both parts, as a check wants it. */
#define SLICE(table, key) \
	{ \
		.name = "purge_" table, .args = "ii", .cols = "", \
		.sql = "delete from " table " where org_id = $1 and (" key ") in (select " key \
		       " from " table " where org_id = $1 limit $2)", \
	}
#define FIRST_DELIVERIES \
	"(select number from deliveries where org_id = $1" \
	" order by project_id, created_at, number limit $2)"

enum { ATTEMPTS, DELIVERIES, SLICES = DELIVERIES, SLICES_N = 19, AFTER_SLICES = SLICES + SLICES_N };
enum { BEGIN = AFTER_SLICES, COUNT, SESSIONS, RETENTION, ORG };

static const struct query queries[] = {
	[ATTEMPTS] = {
		.name = "purge_attempts", .args = "ii", .cols = "",
		.sql = "delete from attempts where org_id = $1 and delivery_number in "
		       FIRST_DELIVERIES,
	},
	[DELIVERIES] = {
		.name = "purge_deliveries", .args = "ii", .cols = "",
		.sql = "delete from deliveries where org_id = $1 and number in "
		       FIRST_DELIVERIES,
	},
	SLICE("alerts", "number"),
	SLICE("change_heads", "org_id"),
	SLICE("changes", "org_id, number"),
	SLICE("rules", "id"),
	SLICE("api_keys", "id"),
	SLICE("memberships", "org_id, user_id"),
	SLICE("invites", "id"),
	SLICE("replies", "org_id, key_hash"),
	SLICE("rollups", "org_id, project_id, step, start_at, type, severity"),
	SLICE("outcomes", "org_id, project_id, step, start_at, outcome"),
	SLICE("usage_events", "org_id, day, project_id, key_id, type"),
	SLICE("usage_sent", "org_id, day, project_id"),
	SLICE("org_plans", "org_id"),
	SLICE("sayings", "org_id, name"),
	SLICE("builtin_rules", "org_id, name"),
	SLICE("audit_heads", "org_id"),
	SLICE("audit_entries", "org_id, number"),
	SLICE("projects", "id"),
	[BEGIN] = {
		.name = "purge_begin", .args = "iit", .cols = "",
		.sql = "update orgs set status = '" ORG_PURGING "', settings = $3"
		       " where id = $1 and delete_after <= $2",
	},
	[COUNT] = {
		.name = "purge_count", .args = "i", .cols = "iiiiiii",
		.sql = "select (select count(*) from projects where org_id = $1),"
		       " (select count(*) from memberships where org_id = $1),"
		       " (select count(*) from api_keys where org_id = $1),"
		       " (select count(*) from rules where org_id = $1),"
		       " (select count(*) from alerts where org_id = $1),"
		       " (select count(*) from deliveries where org_id = $1),"
		       " (select cast(coalesce(sum(count), 0) as bigint) from usage_events"
		       " where org_id = $1)",
	},
	[SESSIONS] = {
		.name = "purge_sessions", .args = "i", .cols = "",
		.sql = "update sessions set current_org = null where current_org = $1",
		.global = "a session is a user's, and decides the org",
	},
	[RETENTION] = {
		.name = "purge_retention", .args = "i", .cols = "",
		.sql = "delete from retention where org_id = $1",
	},
	[ORG] = {
		.name = "purge_org", .args = "i", .cols = "",
		.sql = "delete from orgs where id = $1 and status = '" ORG_PURGING "'",
	},
};
static_assert(ARRAY_LEN(queries) == ORG + 1, "a slice for each table, and no other");
const struct query_set org_purge_queries = { .queries = queries, .n = ARRAY_LEN(queries) };

const char *const org_purge_tables[] = {
	"attempts",	   "deliveries",
	"alerts",	   "change_heads",
	"changes",	   "rules",
	"api_keys",	   "memberships",
	"invites",	   "replies",
	"rollups",	   "outcomes",
	"usage_events",	   "usage_sent",
	"org_plans",	   "billing",
	"billing_events",  "billing_months",
	"billing_reports", "sayings",
	"builtin_rules",   "audit_heads",
	"audit_entries",   "projects",
	"retention",	   NULL,
};

struct counts {
	int64_t projects, members, keys, rules, alerts, deliveries, events;
};

static bool count(struct org_id org, struct db *db, struct counts *out, struct err *err)
{
	if (!db_run(db, &queries[COUNT], DB_ARGS(db_id(org.v)), err)) {
		return false;
	}
	if (db_next(db, err) != FOUND) {
		return false;
	}
	*out = (struct counts) { db_col_int(db, 0), db_col_int(db, 1), db_col_int(db, 2),
				 db_col_int(db, 3), db_col_int(db, 4), db_col_int(db, 5),
				 db_col_int(db, 6) };
	db_end(db);
	return true;
}

enum found store_org_purge_begin(struct org_id org, struct db *db, int64_t now_us,
				 struct arena *tick, struct err *err)
{
	struct counts n;
	struct slice text;

	ensure(db_in_transaction(db));
	if (!store_org_lock(org, db, err) || !count(org, db, &n, err)) {
		return FAILED;
	}
	text = arena_printf(tick,
			    "{\"projects\":%" PRId64 ",\"members\":%" PRId64 ",\"keys\":%" PRId64
			    ",\"rules\":%" PRId64 ",\"alerts\":%" PRId64 ",\"deliveries\":%" PRId64
			    ",\"events\":%" PRId64 "}",
			    n.projects, n.members, n.keys, n.rules, n.alerts, n.deliveries,
			    n.events);
	return row_touch(db, &queries[BEGIN], DB_ARGS(db_id(org.v), db_int(now_us), db_text(text)),
			 err);
}

static enum found found_of(bool ok, uint64_t changed)
{
	if (!ok) {
		return FAILED;
	}
	return changed > 0 ? FOUND : NOT_FOUND;
}

static bool remove_deliveries(struct db *db, struct db_args args, uint64_t *changed,
			      struct err *err)
{
	return db_exec(db, &queries[ATTEMPTS], args, NULL, err) &&
	       db_exec(db, &queries[DELIVERIES], args, changed, err);
}

/* Both in one transaction: no attempt is left behind. */
static enum found purge_deliveries(struct db *db, struct db_args args, struct err *err)
{
	uint64_t changed = 0;
	bool ours = !db_in_transaction(db);
	bool ok = (!ours || db_begin(db, err)) && remove_deliveries(db, args, &changed, err) &&
		  (!ours || db_commit(db, err));

	if (!ok && ours) {
		db_rollback(db);
	}
	return found_of(ok, changed);
}

enum found store_org_purge_rows(struct org_id org, struct db *db, struct err *err)
{
	struct db_args args = DB_ARGS(db_id(org.v), db_int(ORG_PURGE_ROWS));
	enum found found = purge_deliveries(db, args, err);

	for (size_t i = SLICES + 1; found == NOT_FOUND && i < AFTER_SLICES; i++) {
		uint64_t changed = 0;
		bool ok = db_exec(db, &queries[i], args, &changed, err);

		found = found_of(ok, changed);
	}
	return found;
}

bool store_org_purge_end(struct org_id org, struct db *db, struct err *err)
{
	ensure(db_in_transaction(db));
	return store_billing_purge(org, db, err) &&
	       db_exec(db, &queries[SESSIONS], DB_ARGS(db_id(org.v)), NULL, err) &&
	       db_exec(db, &queries[RETENTION], DB_ARGS(db_id(org.v)), NULL, err) &&
	       db_exec(db, &queries[ORG], DB_ARGS(db_id(org.v)), NULL, err);
}
