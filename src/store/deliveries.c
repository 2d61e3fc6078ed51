/* SPDX-License-Identifier: Apache-2.0 */
/* Deliveries as people see them; the courier's side is courier.c. */
#include "store/deliveries.h"

#include "store/columns.h"
#include "store/queries.h"
#include "store/row.h"

const char *const delivery_status_names[DELIVERY_STATUSES + 1] = {
	[DELIVERY_PENDING] = "pending",	  [DELIVERY_SENDING] = "sending",
	[DELIVERY_RETRYING] = "retrying", [DELIVERY_SENT] = "sent",
	[DELIVERY_DEAD] = "dead",	  [DELIVERY_SUPERSEDED] = "superseded",
	[DELIVERY_PURGED] = "purged",
};

const char *delivery_status_name(enum delivery_status status)
{
	ensure((unsigned)status < DELIVERY_STATUSES);
	return delivery_status_names[status];
}

bool delivery_status_parse(struct slice text, enum delivery_status *out)
{
	for (unsigned i = 0; i < DELIVERY_STATUSES; i++) {
		if (slice_eq(text, slice_of(delivery_status_names[i]))) {
			*out = (enum delivery_status)i;
			return true;
		}
	}
	return false;
}

bool delivery_in(const struct delivery_set *set, const struct delivery_row *row)
{
	if (set->statuses == 0) {
		return true;
	}
	if ((set->statuses & DELIVERY_BIT(row->status)) == 0) {
		return false;
	}
	return row->status != DELIVERY_SENDING || set->sending == SENDING_ANY ||
	       (set->sending == SENDING_AGAIN) == (row->attempts_total > 0);
}

/* A list of words as the statement wants it: "" for all, or ",dead,purged,". */
static struct slice words_of(const struct delivery_set *set, struct arena *req)
{
	struct slice words = set->statuses == 0 ? S("") : S(",");

	for (unsigned i = 0; i < DELIVERY_STATUSES; i++) {
		const char *name = delivery_status_names[i];

		if ((set->statuses & DELIVERY_BIT(i)) == 0) {
			continue;
		}
		if (i != DELIVERY_SENDING || set->sending != SENDING_AGAIN) {
			words = arena_printf(req, "%.*s%s,", SARG(words), name);
		}
		if (i == DELIVERY_SENDING && set->sending != SENDING_FIRST) {
			words = arena_printf(req, "%.*s%s again,", SARG(words), name);
		}
	}
	return words;
}

#define WORD \
	"status || case when status = 'sending' and attempts_total > 0 then ' again' else '' end"
#define IN_WORDS " and ($5 = '' or $5 like '%,' || " WORD " || ',%')"
#define FILTERED IN_WORDS " and (channel = $6 or $6 = '') and (rule_id = $7 or $7 = 0)"
#define PAGED \
	" and (created_at, number) < ($3, $4)" \
	" order by created_at desc, number desc limit $8 offset $9"
#define DEAD_ONES \
	"select number from deliveries where org_id = $1 and project_id = $2" \
	" and status = 'dead' and (number = $3 or $3 = 0) order by created_at, number limit $5"

enum { GET, ATTEMPTS, LIST, LIST_DEAD, LIST_FAILED, REPLAY, PURGE };
static const struct query queries[] = {
	[GET] = {
		.name = "delivery_get", .args = "iii", .cols = DELIVERY_LETTERS,
		.sql = "select " DELIVERY_COLS " from deliveries"
		       " where org_id = $1 and (project_id = $2 or $2 = 0) and number = $3",
	},
	[ATTEMPTS] = {
		.name = "attempt_list", .args = "iii", .cols = ATTEMPT_LETTERS,
		.sql = "select " ATTEMPT_COLS " from (select " ATTEMPT_COLS " from attempts"
		       " where org_id = $1 and delivery_number = $2 order by n desc limit $3)"
		       " as newest order by n",
	},
	[LIST] = {
		.name = "delivery_list", .args = "iiiittiii", .cols = DELIVERY_LETTERS,
		.sql = "select " DELIVERY_LIST_COLS " from deliveries"
		       " where org_id = $1 and project_id = $2" FILTERED PAGED,
	},
	/* These are few among many; the literals let the planner take their own indexes. */
	[LIST_DEAD] = {
		.name = "delivery_list_dead", .args = "iiiittiii", .cols = DELIVERY_LETTERS,
		.sql = "select " DELIVERY_LIST_COLS " from deliveries"
		       " where org_id = $1 and project_id = $2 and status = 'dead'" FILTERED PAGED,
	},
	[LIST_FAILED] = {
		.name = "delivery_list_failed", .args = "iiiittiii", .cols = DELIVERY_LETTERS,
		.sql = "select " DELIVERY_LIST_COLS " from deliveries"
		       " where org_id = $1 and project_id = $2"
		       " and status in ('dead', 'superseded', 'purged')" FILTERED PAGED,
	},
	[REPLAY] = {
		.name = "delivery_replay", .args = "iiiii", .cols = "",
		.sql = "update deliveries set status = 'pending', attempts = 0, due_at = $4,"
		       " done_at = null where org_id = $1 and status = 'dead'"
		       " and number in (" DEAD_ONES ")",
	},
	[PURGE] = {
		.name = "delivery_purge", .args = "iiiii", .cols = "",
		.sql = "update deliveries set status = 'purged', done_at = $4, config = '',"
		       " payload = '' where org_id = $1 and status = 'dead'"
		       " and number in (" DEAD_ONES ")",
	},
};
const struct query_set delivery_queries = { .queries = queries, .n = ARRAY_LEN(queries) };

static const struct row_field fields[] = {
	FIELD(struct delivery_row, number.v),
	FIELD(struct delivery_row, org.v),
	FIELD(struct delivery_row, project.v),
	FIELD(struct delivery_row, alert.v),
	FIELD(struct delivery_row, alert_us),
	FIELD(struct delivery_row, rule.v),
	FIELD(struct delivery_row, rule_name),
	FIELD(struct delivery_row, action_index),
	FIELD(struct delivery_row, event_seq),
	FIELD(struct delivery_row, event_us),
	FIELD(struct delivery_row, event_type),
	FIELD(struct delivery_row, channel),
	FIELD(struct delivery_row, destination),
	FIELD(struct delivery_row, config),
	FIELD(struct delivery_row, payload),
	FIELD(struct delivery_row, cid),
	FIELD_ENUM(struct delivery_row, status, delivery_status_names, DELIVERY_STATUSES),
	FIELD(struct delivery_row, attempts),
	FIELD(struct delivery_row, attempts_total),
	FIELD(struct delivery_row, created_us),
	FIELD_OPT(struct delivery_row, due_us),
	FIELD_OPT(struct delivery_row, done_us),
	FIELD(struct delivery_row, last_error),
	FIELD(struct delivery_row, last_status),
	FIELD_OPT_ID(struct delivery_row, claim),
};
const struct row_shape delivery_shape = SHAPE(struct delivery_row, fields);

static const struct row_field attempt_fields[] = {
	FIELD(struct attempt_row, delivery.v),	FIELD(struct attempt_row, n),
	FIELD(struct attempt_row, started_us),	FIELD(struct attempt_row, ended_us),
	FIELD(struct attempt_row, duration_us), FIELD(struct attempt_row, outcome),
	FIELD(struct attempt_row, http_status), FIELD(struct attempt_row, error),
};
static const struct row_shape attempt_shape = SHAPE(struct attempt_row, attempt_fields);

enum found store_delivery_get(struct org_id org, struct db *db, struct project_id project,
			      struct delivery_id number, struct arena *req,
			      struct delivery_row *out, struct err *err)
{
	return row_get(db, &queries[GET], DB_ARGS(db_id(org.v), db_id(project.v), db_id(number.v)),
		       &delivery_shape, req, out, err);
}

bool store_attempt_list(struct org_id org, struct db *db, struct delivery_id number,
			struct arena *req, struct attempt_list *out, struct err *err)
{
	void *rows;

	if (!row_list(db, &queries[ATTEMPTS],
		      DB_ARGS(db_id(org.v), db_id(number.v), db_int(ATTEMPTS_LISTED_MAX)),
		      &attempt_shape, ATTEMPTS_LISTED_MAX, req, &rows, &out->n, err)) {
		return false;
	}
	out->rows = rows;
	return true;
}

static int list_of(unsigned statuses)
{
	if (statuses == DELIVERY_BIT(DELIVERY_DEAD)) {
		return LIST_DEAD;
	}
	return statuses != 0 && (statuses & ~DELIVERY_BITS_FAILED) == 0 ? LIST_FAILED : LIST;
}

bool store_delivery_list(struct org_id org, struct db *db, const struct delivery_filter *filter,
			 const struct page *page, struct arena *req, struct delivery_list *out,
			 struct err *err)
{
	void *rows;
	bool more;

	ensure(filter->project.v != 0);
	if (!row_page(db, &queries[list_of(filter->set.statuses)],
		      DB_ARGS(db_id(org.v), db_id(filter->project.v), page_before_at(page),
			      page_before_id(page), db_text(words_of(&filter->set, req)),
			      db_text(filter->channel), db_id(filter->rule.v), page_limit(page),
			      page_offset(page)),
		      &delivery_shape, page, req, &rows, &out->n, &more, err)) {
		return false;
	}
	out->rows = rows;
	PAGE_NEXT(out, more, number);
	return true;
}

static bool on_dead(struct org_id org, struct db *db, const struct query *q,
		    struct project_id project, struct delivery_id number, int64_t now_us,
		    size_t limit, uint64_t *changed, struct err *err)
{
	ensure(project.v != 0 && limit > 0);
	return db_exec(db, q,
		       DB_ARGS(db_id(org.v), db_id(project.v), db_id(number.v), db_int(now_us),
			       db_id(limit)),
		       changed, err);
}

bool store_delivery_replay(struct org_id org, struct db *db, struct project_id project,
			   struct delivery_id number, int64_t now_us, size_t limit,
			   uint64_t *replayed, struct err *err)
{
	return on_dead(org, db, &queries[REPLAY], project, number, now_us, limit, replayed, err);
}

bool store_delivery_purge(struct org_id org, struct db *db, struct project_id project,
			  struct delivery_id number, int64_t now_us, size_t limit, uint64_t *purged,
			  struct err *err)
{
	return on_dead(org, db, &queries[PURGE], project, number, now_us, limit, purged, err);
}
