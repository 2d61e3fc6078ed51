/* SPDX-License-Identifier: Apache-2.0 */
/* How many events there were, from the counts that the engine keeps: no event is read for it. */
#include "api/api.h"
#include "api/route.h"
#include "api/span.h"
#include "base/json_put.h"
#include "model/event.h"
#include "store/rollups.h"

/* "any", then the words of enum severity. */
static const char *const severity_words[] = { "any",	"debug", "info",     "low",
					      "medium", "high",	 "critical", NULL };

struct stats_query {
	struct span span;
	struct slice type;
	unsigned severity;
};

static const struct field query_rows[] = {
	SPAN_FIELDS(struct stats_query, span),
	FIELD_STR(struct stats_query, type, "type",
		  .help = "Only this type, or with .* at the end all that begin so. Events of the "
			  "server itself are counted for who asks for them: tocsin.*"),
	FIELD_ENUM(struct stats_query, severity, "severity", severity_words, .fallback = "any",
		   .help = "Only this severity."),
};

static void write_severity(struct json_w *w, const struct rollup_bucket *row)
{
	struct slice name = severity_name((enum severity)row->severity);

	json_put_int(w, name.n == 0 ? "none" : name.p, (int64_t)row->count);
}

/* The rows of one bucket, which stand side by side; how many. */
static size_t write_bucket(struct json_w *w, const struct rollup_bucket *rows, size_t n)
{
	uint64_t count = 0, unnamed = 0;
	size_t here = 0;

	while (here < n && rows[here].start_us == rows[0].start_us) {
		count += rows[here].count;
		unnamed += rows[here].unnamed;
		here++;
	}
	json_w_object(w);
	json_put_time(w, "start", rows[0].start_us);
	json_put_int(w, "count", (int64_t)count);
	json_put_int(w, "unnamed", (int64_t)unnamed);
	json_w_key(w, "severities");
	json_w_object(w);
	for (size_t i = 0; i < here; i++) {
		if (rows[i].count > 0) {
			write_severity(w, &rows[i]);
		}
	}
	json_w_end(w);
	json_w_end(w);
	return here;
}

static bool get_stats(struct call *c, struct err *err)
{
	struct stats_query in = { 0 };
	struct rollup_filter filter = { .project = c->caller.project };
	struct rollup_list list;
	struct json_w w;
	uint64_t total = 0;

	if (!call_query_fields(c, query_rows, ARRAY_LEN(query_rows), &in, err) ||
	    !span_check(&in.span, c->now_us, err)) {
		return false;
	}
	filter.step_us = span_step_us(&in.span);
	filter.from_us = in.span.from_us;
	filter.to_us = in.span.to_us;
	filter.type = in.type;
	filter.without = event_type_is_system(in.type) ? S("") : S(EVENT_SYSTEM_PREFIX);
	filter.severity = (enum severity)in.severity;
	if (!store_rollup_list(c->caller.org, c->db, &filter, SPAN_BUCKETS_MAX * SEVERITIES, c->req,
			       &list, err)) {
		return false;
	}
	for (size_t i = 0; i < list.n; i++) {
		total += list.rows[i].count;
	}
	w = call_json(c, 200);
	json_w_object(&w);
	span_write(&w, &in.span);
	json_put_int(&w, "total", (int64_t)total);
	json_w_key(&w, "data");
	json_w_array(&w);
	for (size_t i = 0; i < list.n;) {
		i += write_bucket(&w, &list.rows[i], list.n - i);
	}
	json_w_end(&w);
	json_w_end(&w);
	return true;
}

static const struct prop bucket_props[] = {
	PROP_TIME("start"),
	PROP_INT("count"),
	PROP_INT("unnamed", .help = "Of types beyond those that are told apart.", .example = "0"),
	PROP_INT(
		"severities", .many = PROP_MAP, .example = "{\"high\":1}",
		.help = "By severity, none where it was not said; what has no events is left out."),
};
static const struct shape shape_bucket = { SHAPE_PROPS(bucket_props) };
static const struct prop stats_props[] = {
	PROP_TIME("from"),
	PROP_TIME("to"),
	PROP_WORD("step", span_words),
	PROP_INT("total"),
	PROP_SHAPE("data", &shape_bucket, .many = PROP_LIST, .help = "Buckets with events."),
};
static const struct shape shape_stats = { .name = "EventCounts",
					  .help = "How many events there were, by time.",
					  SHAPE_PROPS(stats_props) };
static const struct field_set stats_query = { query_rows, ARRAY_LEN(query_rows) };

static const struct route rows[] = {
	{
		.method = HTTP_GET,
		.path = "/api/v1/stats/events",
		.name = "countEvents",
		.tag = "Events",
		.summary = "Count events by minute or hour",
		.who = WHO_CALLER,
		.scope = SCOPE_EVENTS_READ,
		.role = ROLE_VIEWER,
		.query = { &stats_query },
		.replies = { { .status = 200, .help = "Counts by time.", .shape = &shape_stats } },
		.work = get_stats,
	},
};
const struct route_set routes_stats = { rows, ARRAY_LEN(rows) };
