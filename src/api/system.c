/* SPDX-License-Identifier: Apache-2.0 */
/* Health, readiness and metrics: what a load balancer, an operator and Prometheus ask. */
#include "api/api.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "api/ingest.h"
#include "api/route.h"
#include "api/show.h"
#include "base/clock.h"
#include "base/json_put.h"

#define FORGOTTEN_US (3600 * US_PER_S) /* so long it is worth a note that keys were; as the log */

static void get_health(struct call *c)
{
	struct json_w w = call_json(c, 200);

	json_w_object(&w);
	json_put_str(&w, "status", S("ok"));
	json_w_end(&w);
	call_send(c);
}

/* What does not keep events out, but needs somebody to look. */
static void put_note(struct call *c, struct json_w *w)
{
	struct journal_stats stats;

	journal_stats(c->api->journal, &stats);
	if (stats.seal_waiting_segments > 0) {
		json_put_str(
			w, "note",
			arena_printf(
				c->req,
				"the log is damaged, and %llu segments (%llu MiB) wait to be sealed "
				"behind that: the disk fills. `tocsin journal verify` says what is "
				"lost, `tocsin journal quarantine` accepts it, also while the "
				"server runs",
				(unsigned long long)stats.seal_waiting_segments,
				(unsigned long long)(stats.seal_waiting_bytes >> 20)));
	} else if (stats.lost_records > 0) {
		json_put_str(w, "note",
			     S("records of the log are lost; `tocsin journal verify` says which, "
			       "`tocsin journal quarantine` accepts that, also while the server "
			       "runs"));
	} else if (stats.idempotency_shortened_us > 0 &&
		   c->now_us - stats.idempotency_shortened_us < FORGOTTEN_US) {
		json_put_str(w, "note",
			     S("idempotency keys were forgotten before their window was over; "
			       "`idempotency_keys_forgotten` in the log says why"));
	}
}

/* Ready: the log takes events, the rules keep up, nobody asked us to stop. */
static void get_ready(struct call *c)
{
	if (ingest_busy(c, &c->err)) {
		call_problem(c, &c->err);
	} else if (journal_failed(c->api->journal)) {
		err_set(&c->err, ERR_SHUTTING_DOWN, "the log has failed; the server is stopping");
		call_problem(c, &c->err);
	} else {
		struct json_w w = call_json(c, 200);

		json_w_object(&w);
		json_put_str(&w, "status", S("ready"));
		put_note(c, &w);
		json_w_end(&w);
	}
	call_send(c);
}

static const enum metric timeout_metrics[HTTP_TIMEOUTS] = {
	[HTTP_TIMEOUT_HEAD] = METRIC_CUT_HEAD,	 [HTTP_TIMEOUT_BODY] = METRIC_CUT_BODY,
	[HTTP_TIMEOUT_IDLE] = METRIC_CUT_IDLE,	 [HTTP_TIMEOUT_LINGER] = METRIC_CUT_LINGER,
	[HTTP_TIMEOUT_WRITE] = METRIC_CUT_WRITE,
};

static void gather_network(struct metrics *m, const struct http_server_stats *http)
{
	metric_set(m, METRIC_CONNECTIONS, http->open);
	metric_total(m, METRIC_CONNECTIONS_ACCEPTED, http->accepted);
	metric_total(m, METRIC_CONNECTIONS_REFUSED, http->refused);
	metric_total(m, METRIC_CUT_CROWDED, http->crowded);
	for (size_t i = 0; i < HTTP_TIMEOUTS; i++) {
		metric_total(m, timeout_metrics[i], http->timeouts[i]);
	}
}

/* The second number of /proc/self/statm, in pages; 0 when it cannot be read. */
static int64_t resident_bytes(void)
{
	struct slice text, pages;
	uint64_t n = 0;
	char buf[128];
	ssize_t got;
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		return 0;
	}
	got = read(fd, buf, sizeof(buf));
	close(fd);
	text = (struct slice) { buf, got > 0 ? (size_t)got : 0 };
	if (!slice_split(&text, ' ', &pages) || !slice_split(&text, ' ', &pages) ||
	    !slice_u64(pages, &n)) {
		return 0;
	}
	return (int64_t)n * sysconf(_SC_PAGESIZE);
}

static void gather_process(struct metrics *m)
{
	struct rusage used;

	metric_set(m, METRIC_PROCESS_RSS, resident_bytes());
	metric_set(m, METRIC_UPTIME, clock_wall_us() - metric_get(m, METRIC_START_TIME));
	if (getrusage(RUSAGE_SELF, &used) == 0) {
		metric_set(m, METRIC_PROCESS_CPU,
			   (int64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * US_PER_S +
				   used.ru_utime.tv_usec + used.ru_stime.tv_usec);
	}
}

static void gather(struct api *api)
{
	struct http_server_stats http = http_server_stats(api->http);
	struct metrics *m = api->metrics;
	struct journal_stats stats;

	gather_process(m);
	journal_stats(api->journal, &stats);
	metric_set(m, METRIC_JOURNAL_RECORDS, (int64_t)journal_flushed(api->journal));
	metric_set(m, METRIC_JOURNAL_BYTES, (int64_t)stats.file_bytes);
	metric_set(m, METRIC_JOURNAL_SEALED_BYTES, (int64_t)stats.sealed_bytes);
	metric_set(m, METRIC_JOURNAL_SEALED_RECORDS, (int64_t)stats.sealed_records);
	metric_set(m, METRIC_JOURNAL_SEALED_BODIES, (int64_t)stats.sealed_bodies);
	metric_total(m, METRIC_JOURNAL_SCRUBBED, stats.scrubbed_bytes);
	metric_total(m, METRIC_JOURNAL_MENDED, stats.mended_pages);
	metric_set(m, METRIC_JOURNAL_LOST_BLOCKS, (int64_t)stats.lost_blocks);
	metric_set(m, METRIC_JOURNAL_LOST_RECORDS, (int64_t)stats.lost_records);
	metric_set(m, METRIC_JOURNAL_SEAL_WAITING, (int64_t)stats.seal_waiting_bytes);
	metric_total(m, METRIC_JOURNAL_FLUSHES, stats.flushes);
	metric_load(m, METRIC_JOURNAL_FLUSH, stats.flush_buckets, JOURNAL_FLUSH_BUCKETS,
		    JOURNAL_FLUSH_BELOW_US, (int64_t)stats.flush_us_sum);
	metric_total(m, METRIC_PURGED_RECORDS, stats.purged_records);
	metric_total(m, METRIC_PURGED_BYTES, stats.purged_bytes);
	metric_set(m, METRIC_PURGED_AT, stats.purged_at_us);
	metric_set(m, METRIC_IDEMPOTENCY_KEYS, (int64_t)stats.idempotency_keys);
	metric_set(m, METRIC_IDEMPOTENCY_SEALED, (int64_t)stats.idempotency_sealed);
	metric_set(m, METRIC_IDEMPOTENCY_BYTES, (int64_t)stats.idempotency_bytes);
	metric_set(m, METRIC_IDEMPOTENCY_TABLES, (int64_t)stats.idempotency_tables);
	metric_total(m, METRIC_IDEMPOTENCY_SHORTENED, stats.idempotency_shortened);
	metric_total(m, METRIC_IDEMPOTENCY_OVER_BUDGET, stats.idempotency_over_budget);
	metric_set(m, METRIC_CLOCK_OFFSET, stats.clock_offset_us);
	metric_set(m, METRIC_ENGINE_LAG,
		   (int64_t)(journal_flushed(api->journal) - engine_applied(api->engine)));
	metric_set(m, METRIC_WORKER_QUEUE, (int64_t)workers_waiting(api->workers));
	if (api->limits != NULL) {
		metric_total(m, METRIC_RATE_EVICTED, limits_evicted(api->limits));
	}
	gather_network(m, &http);
}

static bool metrics_allowed(struct call *c)
{
	struct slice token = http_request_header(c->http, HTTP_H_AUTHORIZATION);

	if (c->api->metrics_token.n == 0) {
		return api_is_local(c->http);
	}
	token = slice_starts(token, S("Bearer ")) ? slice_from(token, 7) : token;
	return token.n == c->api->metrics_token.n &&
	       equal_const_time(token.p, c->api->metrics_token.p, token.n);
}

static void get_metrics(struct call *c)
{
	if (!metrics_allowed(c)) {
		err_set(&c->err, ERR_FORBIDDEN,
			"metrics are for this machine only, or for who has the metrics token");
		call_problem(c, &c->err);
		call_send(c);
		return;
	}
	gather(c->api);
	(void)call_json(c, 200);
	c->answer.type = "text/plain; version=0.0.4; charset=utf-8";
	metrics_write(c->api->metrics, &c->answer.body);
	call_send(c);
}

static const char *const ok_words[] = { "ok", NULL };
static const struct prop health_props[] = { PROP_WORD("status", ok_words) };
static const struct shape shape_health = { SHAPE_PROPS(health_props) };
static const char *const ready_words[] = { "ready", NULL };
static const struct prop ready_props[] = {
	PROP_WORD("status", ready_words),
	PROP_STR("note", .flags = PROP_MAYBE, .help = "What somebody should look at."),
};
static const struct shape shape_ready = { SHAPE_PROPS(ready_props) };

static const struct route rows[] = {
	{
		.method = HTTP_GET,
		.path = "/health",
		.name = "getHealth",
		.tag = "Operation",
		.summary = "Whether the process runs",
		.who = WHO_PUBLIC,
		.limit = LIMIT_NONE,
		.replies = { { .status = 200, .help = "It runs.", .shape = &shape_health } },
		.loop = get_health,
	},
	{
		.method = HTTP_GET,
		.path = "/ready",
		.name = "getReady",
		.tag = "Operation",
		.summary = "Whether events are taken",
		.who = WHO_PUBLIC,
		.limit = LIMIT_NONE,
		.replies = { { .status = 200, .help = "They are.", .shape = &shape_ready } },
		.errors = { ERR_ENGINE_LAG, ERR_SHUTTING_DOWN },
		.loop = get_ready,
	},
	{
		.method = HTTP_GET,
		.path = "/metrics",
		.name = "getMetrics",
		.tag = "Operation",
		.summary = "Prometheus metrics",
		.who = WHO_PUBLIC,
		.limit = LIMIT_NONE,
		.doc = "For this machine only, or for who has the metrics token.",
		.replies = { { .status = 200,
			       .help = "The Prometheus text format.",
			       .type = "text/plain" } },
		.errors = { ERR_FORBIDDEN },
		.loop = get_metrics,
	},
};
const struct route_set routes_system = { rows, ARRAY_LEN(rows) };
