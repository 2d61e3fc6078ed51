/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The books as the tenant sees them. What was accepted is what the log holds: after a crash the
 * saved count may lack a second of it, and the log does not.
 */
#include "api/api.h"
#include "api/route.h"
#include "api/span.h"
#include "base/json_put.h"
#include "model/event.h"

struct outcomes_query {
	struct span span;
};

static const struct field query_rows[] = { SPAN_FIELDS(struct outcomes_query, span) };

struct bucket {
	int64_t start_us;
	int64_t counts[OUTCOMES]; /* as saved, then as shown */
	int64_t logged;		  /* events of the log */
	int64_t open;		  /* received, and neither answered nor found in the log */
};

struct sheet {
	struct outcome_list saved;
	struct rollup_list logged;
	size_t at_saved, at_logged;
};

static bool read_sheet(struct call *c, const struct span *span, struct sheet *out, struct err *err)
{
	struct outcome_filter saved = { .project = c->caller.project,
					.step_us = span_step_us(span),
					.from_us = span->from_us,
					.to_us = span->to_us };
	/* What the server itself has said nobody sent. */
	struct rollup_filter logged = { .project = c->caller.project,
					.without = S(EVENT_SYSTEM_PREFIX),
					.step_us = span_step_us(span),
					.from_us = span->from_us,
					.to_us = span->to_us };

	*out = (struct sheet) { 0 };
	return store_outcome_list(c->caller.org, c->db, &saved, SPAN_BUCKETS_MAX * OUTCOMES, c->req,
				  &out->saved, err) &&
	       store_rollup_list(c->caller.org, c->db, &logged, SPAN_BUCKETS_MAX * SEVERITIES,
				 c->req, &out->logged, err);
}

static int64_t next_start(const struct sheet *s)
{
	int64_t saved = s->at_saved < s->saved.n ? s->saved.rows[s->at_saved].start_us : INT64_MAX;
	int64_t logged = s->at_logged < s->logged.n ? s->logged.rows[s->at_logged].start_us
						    : INT64_MAX;

	return saved < logged ? saved : logged;
}

static void settle(struct bucket *b)
{
	int64_t sum = 0;

	if (b->logged > b->counts[OUTCOME_ACCEPTED]) {
		b->counts[OUTCOME_ACCEPTED] = b->logged;
	}
	for (size_t i = OUTCOME_ACCEPTED; i < OUTCOMES; i++) {
		sum += b->counts[i];
	}
	if (sum > b->counts[OUTCOME_RECEIVED]) {
		b->counts[OUTCOME_RECEIVED] = sum;
	}
	b->open = b->counts[OUTCOME_RECEIVED] - sum;
}

static bool next_bucket(struct sheet *s, struct bucket *b)
{
	*b = (struct bucket) { .start_us = next_start(s) };
	if (b->start_us == INT64_MAX) {
		return false;
	}
	for (; s->at_saved < s->saved.n && s->saved.rows[s->at_saved].start_us == b->start_us;
	     s->at_saved++) {
		const struct outcome_row *row = &s->saved.rows[s->at_saved];

		b->counts[row->outcome] += row->count;
	}
	for (; s->at_logged < s->logged.n && s->logged.rows[s->at_logged].start_us == b->start_us;
	     s->at_logged++) {
		b->logged += (int64_t)s->logged.rows[s->at_logged].count;
	}
	settle(b);
	return true;
}

static void write_counts(struct json_w *w, const struct bucket *b)
{
	json_put_int(w, "received", b->counts[OUTCOME_RECEIVED]);
	json_put_int(w, "accepted", b->counts[OUTCOME_ACCEPTED]);
	json_put_int(w, "duplicate", b->counts[OUTCOME_DUPLICATE]);
	json_w_key(w, "refused");
	json_w_object(w);
	for (size_t i = OUTCOME_CONFLICT; i < OUTCOMES; i++) {
		if (b->counts[i] != 0) {
			json_put_int(w, outcome_names[i], b->counts[i]);
		}
	}
	json_w_end(w);
	json_put_int(w, "open", b->open);
}

static void add_to(struct bucket *total, const struct bucket *b)
{
	for (size_t i = 0; i < OUTCOMES; i++) {
		total->counts[i] += b->counts[i];
	}
	total->open += b->open;
}

static bool get_outcomes(struct call *c, struct err *err)
{
	struct outcomes_query in = { 0 };
	struct bucket bucket, total = { 0 };
	struct sheet sheet;
	struct json_w w;

	if (!call_query_fields(c, query_rows, ARRAY_LEN(query_rows), &in, err) ||
	    !span_check(&in.span, c->now_us, err) || !read_sheet(c, &in.span, &sheet, err)) {
		return false;
	}
	w = call_json(c, 200);
	json_w_object(&w);
	span_write(&w, &in.span);
	json_w_key(&w, "data");
	json_w_array(&w);
	while (next_bucket(&sheet, &bucket)) {
		add_to(&total, &bucket);
		json_w_object(&w);
		json_put_time(&w, "start", bucket.start_us);
		write_counts(&w, &bucket);
		json_w_end(&w);
	}
	json_w_end(&w);
	json_w_key(&w, "total");
	json_w_object(&w);
	write_counts(&w, &total);
	json_w_end(&w);
	json_w_end(&w);
	return true;
}

static const struct prop count_props[] = {
	PROP_INT("received"),
	PROP_INT("accepted", .help = "Stored."),
	PROP_INT("duplicate", .help = "Stored before under the same idempotency key."),
	PROP_INT("refused", .many = PROP_MAP, .example = "{\"invalid\":1}",
		 .help = "By reason; reasons without any are left out."),
	PROP_INT("open", .help = "Received, and neither answered nor found in the log.",
		 .example = "0"),
};
static const struct shape shape_counts = { .name = "OutcomeCounts",
					   .help = "What became of what was sent.",
					   SHAPE_PROPS(count_props) };
static const struct prop bucket_props[] = { PROP_TIME("start") };
static const struct shape shape_bucket = { .also = &shape_counts, SHAPE_PROPS(bucket_props) };
static const struct prop outcomes_props[] = {
	PROP_TIME("from"),
	PROP_TIME("to"),
	PROP_WORD("step", span_words),
	PROP_SHAPE("data", &shape_bucket, .many = PROP_LIST,
		   .help = "Buckets in which something happened."),
	PROP_SHAPE("total", &shape_counts),
};
static const struct shape shape_outcomes = { .name = "Outcomes",
					     .help = "The books: received is the sum of the rest.",
					     SHAPE_PROPS(outcomes_props) };
static const struct field_set outcomes_query = { query_rows, ARRAY_LEN(query_rows) };

static const struct route rows[] = {
	{
		.method = HTTP_GET,
		.path = "/api/v1/outcomes",
		.name = "getOutcomes",
		.tag = "Events",
		.summary = "What became of what was sent",
		.who = WHO_CALLER,
		.scope = SCOPE_EVENTS_READ,
		.role = ROLE_VIEWER,
		.query = { &outcomes_query },
		.replies = { { .status = 200,
			       .help = "Counts by time.",
			       .shape = &shape_outcomes } },
		.work = get_outcomes,
	},
};
const struct route_set routes_outcomes = { rows, ARRAY_LEN(rows) };
