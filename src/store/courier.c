/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The courier's side of deliveries, across organizations. A claim is a row update that moves the
 * due time behind the lease, so whoever comes second no longer finds the row due.
 */
#include <stdlib.h>

#include "store/columns.h"
#include "store/global.h"
#include "store/queries.h"
#include "store/row.h"
#include "store/sayings.h"

#define WHY "one courier serves all orgs"

enum { INSERT, CLAIM, RECORD, ATTEMPT, FREE, RELEASE, QUEUE, DEAD };
static const struct query queries[] = {
	[INSERT] = {
		.name = "delivery_insert", .args = DELIVERY_LETTERS, .cols = "",
		.sql = "insert into deliveries (" DELIVERY_COLS ") values ($1, $2, $3, $4, $5, $6,"
		       " $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21,"
		       " $22, $23, $24, $25)",
		.global = "one engine batch serves many orgs",
	},
	/* Materialized: a limit in a sub-select that is run twice would claim too many. */
	[CLAIM] = {
		.name = "delivery_claim", .args = "iiii", .cols = DELIVERY_LETTERS,
		.sql = "with due as materialized (select number from deliveries"
		       " where due_at <= $2 order by due_at, number limit $4" DB_SKIP_LOCKED ")"
		       " update deliveries set status = 'sending', claim = $1, due_at = $3,"
		       " held_for = null"
		       " where number in (select number from due) and due_at <= $2"
		       " returning " DELIVERY_COLS,
		.global = WHY,
	},
	[RECORD] = {
		.name = "delivery_record", .args = "iitiiitit", .cols = "iii",
		.sql = "update deliveries set status = $3, attempts = attempts + $4,"
		       " attempts_total = attempts_total + $4, due_at = $5, done_at = $6,"
		       " last_error = case when $4 = 1 then $7 else last_error end,"
		       " last_status = case when $4 = 1 then $8 else last_status end,"
		       " claim = null, held_for = $9 where number = $1 and claim = $2 and status = 'sending'"
		       " returning attempts_total, org_id, project_id",
		.global = WHY,
	},
	[ATTEMPT] = {
		.name = "attempt_insert", .args = "iiiiiitit", .cols = "",
		.sql = "insert into attempts (org_id, " ATTEMPT_COLS ")"
		       " values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
	},
	/* Materialized: as in a claim. */
	[FREE] = {
		.name = "delivery_free", .args = "tii", .cols = "",
		.sql = "with freed as materialized (select number from deliveries"
		       " where held_for = $1 order by number limit $3)"
		       " update deliveries set due_at = $2, held_for = null"
		       " where number in (select number from freed) and held_for = $1",
		.global = WHY,
	},
	[RELEASE] = {
		.name = "delivery_release", .args = "i", .cols = "",
		.sql = "update deliveries set due_at = $1, claim = null, held_for = null,"
		       " status = case when attempts > 0 then 'retrying' else 'pending' end"
		       " where due_at is not null and (status = 'sending' or held_for is not null)",
		.global = WHY,
	},
	[QUEUE] = {
		.name = "delivery_queue", .args = "i", .cols = "iii",
		.sql = "select count(*), sum(case when due_at <= $1 then 1 else 0 end), min(due_at)"
		       " from deliveries where due_at is not null",
		.global = "metrics are about the installation",
	},
	[DEAD] = {
		.name = "delivery_dead", .args = "", .cols = "i",
		.sql = "select count(*) from deliveries where status = 'dead'",
		.global = "metrics are about the installation",
	},
};
const struct query_set courier_queries = { .queries = queries, .n = ARRAY_LEN(queries) };

static struct usage_sent_row sent_row(struct org_id org, struct project_id project, int64_t at_us)
{
	return (struct usage_sent_row) {
		.org = org, .day_us = day_start_us(at_us), .project = project, .count = 1
	};
}

/* Channels without a transport are sent from the start. */
bool store_deliveries_insert(struct db *db, const struct delivery_row *rows, size_t n,
			     struct err *err)
{
	struct usage_sent_row *sent = mem_alloc(n + 1, sizeof(*sent));
	size_t sent_n = 0;
	bool ok;

	ensure(db_in_transaction(db));
	for (size_t i = 0; i < n; i++) {
		if (rows[i].status == DELIVERY_SENT) {
			sent[sent_n++] = sent_row(rows[i].org, rows[i].project, rows[i].done_us);
		}
	}
	ok = row_insert_all(db, &queries[INSERT], &delivery_shape, rows, n, err) &&
	     store_usage_sent_add(db, sent, sent_n, err);
	free(sent);
	return ok;
}

static int by_number(const void *left, const void *right)
{
	const struct delivery_row *a = left, *b = right;

	return a->number.v < b->number.v ? -1 : a->number.v > b->number.v;
}

bool store_deliveries_claim(struct db *db, uint64_t claim, int64_t now_us, int64_t lease_us,
			    size_t limit, struct arena *tick, struct delivery_list *out,
			    struct err *err)
{
	struct err ignored;
	void *rows;
	bool ok;

	ensure(claim != 0 && lease_us > now_us && limit >= 1 && limit <= PAGE_ROWS_MAX);
	/* A claim that a power cut takes back is a delivery nobody was sending: no flush for it. */
	ok = db_relax(db, true, err) &&
	     row_list(db, &queries[CLAIM],
		      DB_ARGS(db_id(claim), db_int(now_us), db_int(lease_us), db_id(limit)),
		      &delivery_shape, limit, tick, &rows, &out->n, err);
	if (!db_relax(db, false, ok ? err : &ignored) || !ok) {
		return false;
	}
	out->rows = rows;
	out->next = (struct page_at) { 0 };
	if (out->n > 1) {
		qsort(out->rows, out->n, sizeof(*out->rows), by_number);
	}
	return true;
}

static bool result_is_sound(const struct delivery_result *r)
{
	switch (r->status) {
	case DELIVERY_PENDING:
	case DELIVERY_RETRYING:
		return r->due_us != 0 && r->done_us == 0;
	case DELIVERY_SENT:
	case DELIVERY_DEAD:
		return r->due_us == 0 && r->done_us != 0 && r->held_for.n == 0;
	case DELIVERY_SENDING:
	case DELIVERY_SUPERSEDED:
	case DELIVERY_PURGED:
	case DELIVERY_STATUSES:
		return false;
	}
	never("delivery status");
}

#define RECORD_ARGS 9
#define ATTEMPT_ARGS 9

/* Parameters of RECORD. */
static void put_result(const struct delivery_result *r, struct db_value v[RECORD_ARGS])
{
	const struct attempt_row *a = r->attempt;

	ensure(result_is_sound(r));
	v[0] = db_id(r->number.v);
	v[1] = db_id(r->claim);
	v[2] = db_text(slice_of(delivery_status_name(r->status)));
	v[3] = db_int(a != NULL ? 1 : 0);
	v[4] = db_opt(r->due_us);
	v[5] = db_opt(r->done_us);
	v[6] = a != NULL ? db_text(a->error) : db_null();
	v[7] = a != NULL ? db_int(a->http_status) : db_null();
	v[8] = r->held_for.n > 0 ? db_text(r->held_for) : db_null();
}

/* Parameters of ATTEMPT. */
static void put_attempt(uint64_t org, const struct attempt_row *a, struct db_value v[ATTEMPT_ARGS])
{
	v[0] = db_id(org);
	v[1] = db_id(a->delivery.v);
	v[2] = db_int(a->n);
	v[3] = db_int(a->started_us);
	v[4] = db_int(a->ended_us);
	v[5] = db_int(a->duration_us);
	v[6] = db_text(a->outcome);
	v[7] = db_int(a->http_status);
	v[8] = db_text(a->error);
}

/* What the updates of one batch say about their rows. */
struct recorded {
	struct delivery_result *results;
	uint64_t orgs[DB_BATCH_MAX];
	struct usage_sent_row *sent; /* of all batches */
	size_t sent_n;
};

static void on_recorded(struct db *db, size_t i, void *arg)
{
	struct recorded *done = arg;
	struct delivery_result *r = &done->results[i];

	r->stale = false;
	done->orgs[i] = (uint64_t)db_col_int(db, 1);
	if (r->attempt != NULL) {
		r->attempt->delivery = r->number;
		r->attempt->n = (uint32_t)db_col_int(db, 0);
	}
	if (r->status == DELIVERY_SENT) {
		struct project_id project = { (uint64_t)db_col_int(db, 2) };

		done->sent[done->sent_n++] = sent_row((struct org_id) { done->orgs[i] }, project,
						      r->done_us);
	}
}

static bool add_sayings(struct db *db, const struct delivery_result *results, size_t n,
			struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		const struct saying_row *saying = results[i].saying;

		if (saying != NULL && !results[i].stale &&
		    store_saying_add(saying->org, db, saying, err) == FAILED) {
			return false;
		}
	}
	return true;
}

static bool record_batch(struct db *db, struct recorded *done, struct delivery_result *results,
			 size_t n, struct err *err)
{
	struct db_value v[DB_BATCH_MAX * ATTEMPT_ARGS];
	size_t tried = 0;

	done->results = results;
	for (size_t i = 0; i < n; i++) {
		results[i].stale = true;
		put_result(&results[i], &v[i * RECORD_ARGS]);
	}
	if (!db_exec_many(db, &queries[RECORD], v, n, on_recorded, done, err)) {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		if (!results[i].stale && results[i].attempt != NULL) {
			put_attempt(done->orgs[i], results[i].attempt, &v[tried++ * ATTEMPT_ARGS]);
		}
	}
	return db_exec_many(db, &queries[ATTEMPT], v, tried, NULL, NULL, err) &&
	       add_sayings(db, results, n, err);
}

bool store_deliveries_record(struct db *db, struct delivery_result *results, size_t n,
			     struct err *err)
{
	struct recorded done = { .sent = mem_alloc(n + 1, sizeof(*done.sent)) };
	bool ok = true;

	ensure(db_in_transaction(db));
	for (size_t at = 0; ok && at < n; at += DB_BATCH_MAX) {
		size_t some = n - at < DB_BATCH_MAX ? n - at : DB_BATCH_MAX;

		ok = record_batch(db, &done, results + at, some, err);
	}
	ok = ok && store_usage_sent_add(db, done.sent, done.sent_n, err);
	free(done.sent);
	return ok;
}

bool store_deliveries_free(struct db *db, struct slice held_for, int64_t due_us, size_t limit,
			   uint64_t *freed, struct err *err)
{
	struct err ignored;
	bool ok;

	ensure(held_for.n > 0 && limit >= 1);
	/* As with a claim: a power cut leaves it held, and the next start frees it. */
	ok = db_relax(db, true, err) &&
	     db_exec(db, &queries[FREE], DB_ARGS(db_text(held_for), db_int(due_us), db_id(limit)),
		     freed, err);
	return db_relax(db, false, ok ? err : &ignored) && ok;
}

bool store_deliveries_release_all(struct db *db, int64_t now_us, uint64_t *released,
				  struct err *err)
{
	return db_exec(db, &queries[RELEASE], DB_ARGS(db_int(now_us)), released, err);
}

bool store_delivery_queue(struct db *db, int64_t now_us, struct delivery_queue *out,
			  struct err *err)
{
	int64_t dead;

	if (!row_int(db, &queries[DEAD], (struct db_args) { 0 }, &dead, err) ||
	    !db_run(db, &queries[QUEUE], DB_ARGS(db_int(now_us)), err)) {
		return false;
	}
	if (db_next(db, err) != FOUND) {
		return false;
	}
	*out = (struct delivery_queue) {
		.open = (uint64_t)db_col_int(db, 0),
		.due = (uint64_t)db_col_int(db, 1),
		.oldest_due_us = db_col_int(db, 2),
		.dead = (uint64_t)dead,
	};
	db_end(db);
	return true;
}
