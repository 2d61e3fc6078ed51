/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Billing: rows that two write to. Whoever takes a message adds to hints, failed_at and paid_at,
 * the biller sets the rest, each by statements that leave the other's columns alone.
 */
#include "store/billing.h"

#include "store/columns.h"
#include "store/queries.h"
#include "store/row.h"

#define ALL_ASKED "the biller asks the provider for all orgs"

enum {
	GET,
	CUSTOMER,
	CHECKOUT,
	APPLY,
	ASKED,
	EVENT_ADD,
	HINT,
	LEAVE,
	RETURN,
	LEFT,
	MAY_GO,
	PURGE_REPORTS,
	PURGE_MONTHS,
	PURGE_EVENTS,
	PURGE,
	MONTH_LAST,
	MONTHS_OPEN,
	MONTH_PUT,
	REPORT_ADD,
	REPORT_OPEN,
	REPORT_SET,
	TOLD,
	ARRIVED,
	REPORTS,
	BY_CUSTOMER,
	DUE,
	COUNTED,
	PAST_DUE,
	SWEEP
};
static const struct query queries[] = {
	[GET] = {
		.name = "billing_get", .args = "i", .cols = BILLING_LETTERS,
		.sql = "select " BILLING_COLS " from billing where org_id = $1",
	},
	[CUSTOMER] = {
		.name = "billing_customer", .args = "iti", .cols = "",
		.sql = "insert into billing (" BILLING_COLS ") values ($1, $2, 0, '', '', '', '',"
		       " '', 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, $3) on conflict (org_id) do update set"
		       " customer = coalesce(billing.customer, excluded.customer)",
	},
	[CHECKOUT] = {
		.name = "billing_checkout", .args = "itii", .cols = "",
		.sql = "update billing set checkout = $2, checkouts = checkouts + $3,"
		       " updated_at = $4 where org_id = $1",
	},
	[APPLY] = {
		.name = "billing_apply", .args = "ittttiiiiiii", .cols = "",
		.sql = "update billing set subscription = $2, status = $3, price = $4, plan = $5,"
		       " period_start = $6, period_end = $7, ends = $8, heeded = $9,"
		       " asked_at = $10, behind_at = $11, updated_at = $12 where org_id = $1",
	},
	[ASKED] = {
		.name = "billing_asked_set", .args = "iii", .cols = "",
		.sql = "update billing set heeded = $2, asked_at = $3 where org_id = $1",
	},
	[EVENT_ADD] = {
		.name = "billing_event_add", .args = "ittii", .cols = "",
		.sql = "insert into billing_events (org_id, id, kind, created_at, received_at)"
		       " values ($1, $2, $3, $4, $5) on conflict (org_id, id) do nothing",
	},
	[HINT] = {
		.name = "billing_hint", .args = "iiii", .cols = "",
		.sql = "update billing set hints = hints + 1,"
		       " failed_at = case when failed_at < $2 then $2 else failed_at end,"
		       " paid_at = case when paid_at < $3 then $3 else paid_at end,"
		       " updated_at = $4 where org_id = $1",
	},
	[LEAVE] = {
		.name = "billing_leave", .args = "ii", .cols = "",
		.sql = "update billing set leaving = case leaving when 3 then 2 else 1 end,"
		       " updated_at = $2 where org_id = $1 and leaving in (0, 3)",
	},
	[RETURN] = {
		.name = "billing_return", .args = "ii", .cols = "",
		.sql = "update billing set leaving = case leaving when 1 then 0 else 3 end,"
		       " updated_at = $2 where org_id = $1 and leaving in (1, 2)",
	},
	[LEFT] = {
		.name = "billing_left", .args = "iii", .cols = "",
		.sql = "update billing set leaving = case leaving when 1 then 2 else 0 end,"
		       " updated_at = $3 where org_id = $1 and leaving = $2",
	},
	[MAY_GO] = {
		.name = "billing_may_go", .args = "i", .cols = "i",
		.sql = "select count(*) from billing where org_id = $1 and customer is not null"
		       " and leaving <> 2 and status not in ('', 'canceled')",
	},
	[PURGE_REPORTS] = {
		.name = "billing_purge_reports", .args = "i", .cols = "",
		.sql = "delete from billing_reports where org_id = $1",
	},
	[PURGE_MONTHS] = {
		.name = "billing_purge_months", .args = "i", .cols = "",
		.sql = "delete from billing_months where org_id = $1",
	},
	[PURGE_EVENTS] = {
		.name = "billing_purge_events", .args = "i", .cols = "",
		.sql = "delete from billing_events where org_id = $1",
	},
	[PURGE] = {
		.name = "billing_purge", .args = "i", .cols = "",
		.sql = "delete from billing where org_id = $1",
	},
	[MONTH_LAST] = {
		.name = "billing_month_last", .args = "ii", .cols = BILLING_MONTH_LETTERS,
		.sql = "select " BILLING_MONTH_COLS " from billing_months where org_id = $1"
		       " and month <= $2 order by month desc limit 1",
	},
	[MONTHS_OPEN] = {
		.name = "billing_months_open", .args = "i", .cols = BILLING_MONTH_LETTERS,
		.sql = "select " BILLING_MONTH_COLS " from billing_months where org_id = $1"
		       " and settled = 0 order by month",
	},
	[MONTH_PUT] = {
		.name = "billing_month_put", .args = BILLING_MONTH_LETTERS, .cols = "",
		.sql = "insert into billing_months (" BILLING_MONTH_COLS ") values ($1, $2, $3,"
		       " $4, $5, $6) on conflict (org_id, month) do update set"
		       " soft = excluded.soft, seen = excluded.seen, accrued = excluded.accrued,"
		       " settled = excluded.settled",
	},
	[REPORT_ADD] = {
		.name = "billing_report_add", .args = BILLING_REPORT_LETTERS, .cols = "",
		.sql = "insert into billing_reports (" BILLING_REPORT_COLS ") values ($1, $2, $3,"
		       " $4, $5, $6, $7, $8, $9)",
	},
	[REPORT_OPEN] = {
		.name = "billing_report_open", .args = "i", .cols = BILLING_REPORT_LETTERS,
		.sql = "select " BILLING_REPORT_COLS " from billing_reports where org_id = $1"
		       " and done_at = 0",
	},
	[REPORT_SET] = {
		.name = "billing_report_set", .args = "iiiiii", .cols = "",
		.sql = "update billing_reports set tried_at = $4, done_at = $5, lost = $6"
		       " where org_id = $1 and month = $2 and number = $3 and done_at = 0",
	},
	[TOLD] = {
		.name = "billing_told", .args = "ii", .cols = "ii",
		.sql = "select count(*), cast(coalesce(sum(case lost when 0 then thousands else 0"
		       " end), 0) as bigint) from billing_reports where org_id = $1 and month = $2",
	},
	[ARRIVED] = {
		.name = "billing_arrived", .args = "iii", .cols = "i",
		.sql = "select cast(coalesce(sum(thousands), 0) as bigint) from billing_reports"
		       " where org_id = $1 and told_at >= $2 and told_at < $3 and done_at > 0"
		       " and lost = 0",
	},
	[REPORTS] = {
		.name = "billing_reports", .args = "ii", .cols = BILLING_REPORT_LETTERS,
		.sql = "select " BILLING_REPORT_COLS " from billing_reports where org_id = $1"
		       " and month = $2 order by number",
	},
	[BY_CUSTOMER] = {
		.name = "billing_by_customer", .args = "t", .cols = BILLING_LETTERS,
		.sql = "select " BILLING_COLS " from billing where customer = $1",
		.global = "the provider knows customers, not orgs",
	},
	[DUE] = {
		.name = "billing_due", .args = "iii", .cols = BILLING_LETTERS,
		.sql = "select " BILLING_COLS " from billing where customer is not null and"
		       " (((hints > heeded or leaving in (1, 3)) and asked_at < $1)"
		       " or asked_at < $2)"
		       " order by case when hints > heeded or leaving in (1, 3) then 0 else 1 end,"
		       " asked_at, org_id limit $3",
		.global = ALL_ASKED,
	},
	[COUNTED] = {
		.name = "billing_counted", .args = "ii", .cols = BILLING_LETTERS,
		.sql = "select " BILLING_COLS " from billing where customer is not null"
		       " and org_id > $1 order by org_id limit $2",
		.global = "the biller counts for all orgs",
	},
	[PAST_DUE] = {
		.name = "billing_past_due", .args = "ii", .cols = "ii",
		.sql = "select org_id, behind_at from billing where behind_at > 0 and org_id > $1"
		       " order by org_id limit $2",
		.global = "whoever tells owners looks at all orgs",
	},
	[SWEEP] = {
		.name = "billing_events_sweep", .args = "ii", .cols = "",
		.sql = "delete from billing_events where (org_id, id) in (select org_id, id"
		       " from billing_events where received_at < $1 order by received_at limit $2)",
		.global = "the keeper sweeps for all orgs",
	},
};
const struct query_set billing_queries = { .queries = queries, .n = ARRAY_LEN(queries) };

static const struct row_field fields[] = {
	FIELD(struct billing_row, org.v),
	FIELD_OPT_TEXT(struct billing_row, customer),
	FIELD(struct billing_row, checkouts),
	FIELD(struct billing_row, checkout),
	FIELD(struct billing_row, subscription),
	FIELD(struct billing_row, status),
	FIELD(struct billing_row, price),
	FIELD(struct billing_row, plan),
	FIELD(struct billing_row, period_start_us),
	FIELD(struct billing_row, period_end_us),
	FIELD(struct billing_row, ends),
	FIELD(struct billing_row, hints),
	FIELD(struct billing_row, heeded),
	FIELD(struct billing_row, asked_us),
	FIELD(struct billing_row, behind_us),
	FIELD(struct billing_row, failed_us),
	FIELD(struct billing_row, paid_us),
	FIELD(struct billing_row, leaving),
	FIELD(struct billing_row, updated_us),
};
static const struct row_shape shape = SHAPE(struct billing_row, fields);

static const struct row_field month_fields[] = {
	FIELD(struct billing_month, org.v),	      FIELD(struct billing_month, month_us),
	FIELD(struct billing_month, overage.soft),    FIELD(struct billing_month, overage.seen),
	FIELD(struct billing_month, overage.accrued), FIELD(struct billing_month, settled),
};
static const struct row_shape month_shape = SHAPE(struct billing_month, month_fields);

static const struct row_field report_fields[] = {
	FIELD(struct billing_report, org.v),	 FIELD(struct billing_report, month_us),
	FIELD(struct billing_report, number),	 FIELD(struct billing_report, customer),
	FIELD(struct billing_report, thousands), FIELD(struct billing_report, told_us),
	FIELD(struct billing_report, tried_us),	 FIELD(struct billing_report, done_us),
	FIELD(struct billing_report, lost),
};
static const struct row_shape report_shape = SHAPE(struct billing_report, report_fields);

static const struct row_field past_due_fields[] = {
	FIELD(struct billing_past_due, org.v),
	FIELD(struct billing_past_due, since_us),
};
static const struct row_shape past_due_shape = SHAPE(struct billing_past_due, past_due_fields);

enum found store_billing_get(struct org_id org, struct db *db, struct arena *req,
			     struct billing_row *out, struct err *err)
{
	return row_get(db, &queries[GET], DB_ARGS(db_id(org.v)), &shape, req, out, err);
}

bool store_billing_customer(struct org_id org, struct db *db, struct slice customer, int64_t now_us,
			    struct err *err)
{
	return db_exec(db, &queries[CUSTOMER],
		       DB_ARGS(db_id(org.v), db_text(customer), db_int(now_us)), NULL, err);
}

/* A statement on the org's row, which has to be there. */
static bool change(struct db *db, const struct query *q, struct db_args args, struct err *err)
{
	enum found found = row_touch(db, q, args, err);

	return found == FOUND || (found == NOT_FOUND &&
				  err_set(err, ERR_NOT_FOUND, "the organization has no billing"));
}

bool store_billing_checkout(struct org_id org, struct db *db, struct slice checkout, int64_t now_us,
			    struct err *err)
{
	return change(db, &queries[CHECKOUT],
		      DB_ARGS(db_id(org.v), db_text(checkout), db_int(checkout.n > 0 ? 1 : 0),
			      db_int(now_us)),
		      err);
}

bool store_billing_apply(struct org_id org, struct db *db, const struct billing_row *row,
			 struct err *err)
{
	return change(db, &queries[APPLY],
		      DB_ARGS(db_id(org.v), db_text(row->subscription), db_text(row->status),
			      db_text(row->price), db_text(row->plan), db_int(row->period_start_us),
			      db_int(row->period_end_us), db_int(row->ends ? 1 : 0),
			      db_id(row->heeded), db_int(row->asked_us), db_int(row->behind_us),
			      db_int(row->updated_us)),
		      err);
}

bool store_billing_asked(struct org_id org, struct db *db, uint64_t heeded, int64_t now_us,
			 struct err *err)
{
	return change(db, &queries[ASKED], DB_ARGS(db_id(org.v), db_id(heeded), db_int(now_us)),
		      err);
}

enum found store_billing_event_add(struct org_id org, struct db *db,
				   const struct billing_event *event, struct err *err)
{
	ensure(event->org.v == org.v);
	return row_touch(db, &queries[EVENT_ADD],
			 DB_ARGS(db_id(org.v), db_text(event->id), db_text(event->kind),
				 db_int(event->created_us), db_int(event->received_us)),
			 err);
}

enum found store_billing_hint(struct org_id org, struct db *db, int64_t failed_us, int64_t paid_us,
			      int64_t now_us, struct err *err)
{
	return row_touch(db, &queries[HINT],
			 DB_ARGS(db_id(org.v), db_int(failed_us), db_int(paid_us), db_int(now_us)),
			 err);
}

bool store_billing_leave(struct org_id org, struct db *db, bool leaving, int64_t now_us,
			 struct err *err)
{
	return db_exec(db, &queries[leaving ? LEAVE : RETURN],
		       DB_ARGS(db_id(org.v), db_int(now_us)), NULL, err);
}

bool store_billing_left(struct org_id org, struct db *db, enum billing_leaving from, int64_t now_us,
			struct err *err)
{
	ensure(from == BILLING_LEAVES || from == BILLING_RETURNS);
	return db_exec(db, &queries[LEFT],
		       DB_ARGS(db_id(org.v), db_int((int64_t)from), db_int(now_us)), NULL, err);
}

bool store_billing_may_go(struct org_id org, struct db *db, bool *out, struct err *err)
{
	int64_t n = 0;
	bool ok = row_int(db, &queries[MAY_GO], DB_ARGS(db_id(org.v)), &n, err);

	*out = n == 0;
	return ok;
}

bool store_billing_purge(struct org_id org, struct db *db, struct err *err)
{
	static const int all[] = { PURGE_REPORTS, PURGE_MONTHS, PURGE_EVENTS, PURGE };

	ensure(db_in_transaction(db));
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		if (!db_exec(db, &queries[all[i]], DB_ARGS(db_id(org.v)), NULL, err)) {
			return false;
		}
	}
	return true;
}

enum found store_billing_month_last(struct org_id org, struct db *db, int64_t month_us,
				    struct arena *req, struct billing_month *out, struct err *err)
{
	return row_get(db, &queries[MONTH_LAST], DB_ARGS(db_id(org.v), db_int(month_us)),
		       &month_shape, req, out, err);
}

bool store_billing_months_open(struct org_id org, struct db *db, struct arena *req,
			       struct billing_month_list *out, struct err *err)
{
	void *rows;

	if (!row_list(db, &queries[MONTHS_OPEN], DB_ARGS(db_id(org.v)), &month_shape,
		      BILLING_MONTHS_OPEN_MAX, req, &rows, &out->n, err)) {
		return false;
	}
	out->rows = rows;
	return true;
}

bool store_billing_month_put(struct org_id org, struct db *db, const struct billing_month *row,
			     struct err *err)
{
	ensure(row->org.v == org.v);
	return row_insert(db, &queries[MONTH_PUT], &month_shape, row, NULL, err);
}

bool store_billing_report_add(struct org_id org, struct db *db, const struct billing_report *row,
			      struct err *err)
{
	ensure(row->org.v == org.v);
	return row_insert(db, &queries[REPORT_ADD], &report_shape, row, NULL, err);
}

enum found store_billing_report_open(struct org_id org, struct db *db, struct arena *req,
				     struct billing_report *out, struct err *err)
{
	return row_get(db, &queries[REPORT_OPEN], DB_ARGS(db_id(org.v)), &report_shape, req, out,
		       err);
}

bool store_billing_report_set(struct org_id org, struct db *db, const struct billing_report *row,
			      struct err *err)
{
	return change(db, &queries[REPORT_SET],
		      DB_ARGS(db_id(org.v), db_int(row->month_us), db_id(row->number),
			      db_int(row->tried_us), db_int(row->done_us),
			      db_int(row->lost ? 1 : 0)),
		      err);
}

bool store_billing_told(struct org_id org, struct db *db, int64_t month_us,
			struct billing_told *out, struct err *err)
{
	static const struct row_field told_fields[] = {
		FIELD(struct billing_told, reports),
		FIELD(struct billing_told, thousands),
	};
	static const struct row_shape told_shape = SHAPE(struct billing_told, told_fields);
	struct arena tick;
	enum found found;

	arena_init(&tick, 0);
	found = row_get(db, &queries[TOLD], DB_ARGS(db_id(org.v), db_int(month_us)), &told_shape,
			&tick, out, err);
	arena_release(&tick);
	ensure(found != NOT_FOUND);
	return found == FOUND;
}

bool store_billing_arrived(struct org_id org, struct db *db, int64_t from_us, int64_t to_us,
			   uint64_t *thousands, struct err *err)
{
	int64_t n = 0;
	bool ok = row_int(db, &queries[ARRIVED],
			  DB_ARGS(db_id(org.v), db_int(from_us), db_int(to_us)), &n, err);

	*thousands = (uint64_t)n;
	return ok;
}

bool store_billing_report_list(struct org_id org, struct db *db, int64_t month_us, size_t max,
			       struct arena *req, struct billing_report_list *out, struct err *err)
{
	void *rows;

	if (!row_list(db, &queries[REPORTS], DB_ARGS(db_id(org.v), db_int(month_us)), &report_shape,
		      max, req, &rows, &out->n, err)) {
		return false;
	}
	out->rows = rows;
	return true;
}

enum found store_billing_by_customer(struct db *db, struct slice customer, struct arena *req,
				     struct billing_row *out, struct err *err)
{
	return row_get(db, &queries[BY_CUSTOMER], DB_ARGS(db_text(customer)), &shape, req, out,
		       err);
}

static bool list(struct db *db, const struct query *q, struct db_args args, size_t max,
		 struct arena *req, struct billing_list *out, struct err *err)
{
	void *rows;

	if (!row_list(db, q, args, &shape, max, req, &rows, &out->n, err)) {
		return false;
	}
	out->rows = rows;
	return true;
}

bool store_billing_due(struct db *db, int64_t hinted_us, int64_t before_us, size_t limit,
		       struct arena *req, struct billing_list *out, struct err *err)
{
	return list(db, &queries[DUE], DB_ARGS(db_int(hinted_us), db_int(before_us), db_id(limit)),
		    limit, req, out, err);
}

bool store_billing_counted(struct db *db, struct org_id after, size_t limit, struct arena *req,
			   struct billing_list *out, struct err *err)
{
	return list(db, &queries[COUNTED], DB_ARGS(db_id(after.v), db_id(limit)), limit, req, out,
		    err);
}

bool store_billing_past_due(struct db *db, struct org_id after, size_t limit, struct arena *req,
			    struct billing_past_due_list *out, struct err *err)
{
	void *rows;

	if (!row_list(db, &queries[PAST_DUE], DB_ARGS(db_id(after.v), db_id(limit)),
		      &past_due_shape, limit, req, &rows, &out->n, err)) {
		return false;
	}
	out->rows = rows;
	return true;
}

bool store_billing_events_sweep(struct db *db, int64_t before_us, size_t limit, size_t times,
				struct err *err)
{
	return row_prune(db, &queries[SWEEP], DB_ARGS(db_int(before_us), db_id(limit)), times, err);
}
