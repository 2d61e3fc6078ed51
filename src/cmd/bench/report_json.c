/* SPDX-License-Identifier: Apache-2.0 */
/* The same as one JSON object: times in microseconds, null for never, samples of each second. */
#include "base/json_put.h"
#include "cmd/bench/report.h"

static void put_count(struct json_w *w, const char *name, uint64_t value)
{
	json_put_int(w, name, (int64_t)value);
}

static void put_double(struct json_w *w, const char *name, double value)
{
	json_w_key(w, name);
	json_w_double(w, value);
}

static void put_setting(const struct run *r, struct json_w *w)
{
	static const char *const modes[] = { "events", "webhooks", "notifications" };
	static const char *const profiles[] = { "simple", "mixed" };
	bool open = r->o.rate > 0;
	char seed[24];
	int n;

	json_put_str(w, "mode", slice_of(modes[r->o.mode]));
	json_put_str(w, "loop", open ? S("open") : S("closed"));
	json_put_str(w, "to", r->o.url);
	if (open) {
		put_double(w, "plannedPerSecond", r->o.rate);
		json_put_bool(w, "poisson", r->o.poisson);
	}
	if (r->o.mode == RUN_EVENTS) {
		json_put_str(w, "profile", slice_of(profiles[r->o.profile]));
	}
	/* As text: not every reader of JSON has 64 bits. */
	n = snprintf(seed, sizeof(seed), "%llu", (unsigned long long)r->o.seed);
	json_put_str(w, "seed", (struct slice) { seed, (size_t)n });
	put_count(w, "connections", r->o.connections);
	put_count(w, "keys", r->o.keys);
	put_count(w, "batch", r->o.batch);
	put_double(w, "seconds", (double)(r->stop_us - r->start_us) / 1e6);
	json_put_bool(w, "interrupted", r->interrupts > 0);
	json_put_bool(w, "clean", report_is_clean(r));
}

static void put_requests(const struct run *r, struct json_w *w)
{
	json_w_key(w, "requests");
	json_w_object(w);
	if (r->o.rate > 0) {
		put_count(w, "planned", r->plan.planned);
		put_count(w, "backlogFull", r->plan.dropped);
		put_count(w, "leftAtEnd", r->plan.waiting);
		put_count(w, "waitedAtMost", r->plan.waiting_most);
	}
	put_count(w, "sent", r->sent);
	put_count(w, "answered", r->answered);
	put_count(w, "unanswered", r->unanswered);
	json_w_end(w);
}

static void put_events(const struct run *r, struct json_w *w)
{
	double s = (double)(r->stop_us - r->start_us) / 1e6;

	json_w_key(w, "events");
	json_w_object(w);
	put_count(w, "sent", r->events_sent);
	put_count(w, "accepted", r->events_acked);
	put_count(w, "duplicate", r->events_duplicate);
	put_count(w, "rejected", r->events_rejected);
	put_double(w, "sentPerSecond", (double)r->events_sent / s);
	put_double(w, "acceptedPerSecond", (double)r->events_acked / s);
	json_w_end(w);
}

static void put_statuses(const struct run *r, struct json_w *w)
{
	json_w_key(w, "statuses");
	json_w_object(w);
	for (unsigned i = 0; i < RUN_STATUS_MAX; i++) {
		char name[4] = { (char)('0' + i / 100), (char)('0' + i / 10 % 10),
				 (char)('0' + i % 10), '\0' };

		if (r->status[i] > 0) {
			put_count(w, name, r->status[i]);
		}
	}
	json_w_end(w);
}

static void put_row(const struct report_row *row, struct json_w *w)
{
	json_w_key(w, row->name);
	json_w_object(w);
	put_count(w, "count", row->h->n);
	put_count(w, "never", row->never);
	for (size_t i = 0; i < REPORT_POINTS; i++) {
		int64_t us = report_at(row, i);

		if (us < 0) {
			json_w_key(w, report_points[i]);
			json_w_null(w);
		} else {
			json_put_int(w, report_points[i], us);
		}
	}
	put_double(w, "mean", hist_mean(row->h));
	json_w_end(w);
}

static void put_latencies(const struct run *r, struct json_w *w)
{
	json_w_key(w, "latencyUs");
	json_w_object(w);
	for (enum report_latency l = 0; l < REPORT_LATENCIES; l++) {
		struct report_row row = report_row(r, l);

		if (row.h != NULL) {
			put_row(&row, w);
		}
	}
	json_w_end(w);
}

static void put_receipts(const struct run *r, struct json_w *w)
{
	if (r->o.mode == RUN_EVENTS) {
		return;
	}
	json_w_key(w, "receipts");
	json_w_object(w);
	put_count(w, "expected", r->events_acked);
	put_count(w, "received", r->track.received);
	put_count(w, "repeated", r->track.repeated);
	put_count(w, "unknown", r->track.unknown);
	if (r->streams != NULL) {
		put_count(w, "streamsBroken", streams_broken(r->streams));
		put_count(w, "resyncs", streams_resyncs(r->streams));
	}
	json_w_end(w);
}

static void put_client(const struct run *r, struct json_w *w)
{
	json_w_key(w, "bytes");
	json_w_object(w);
	put_count(w, "events", r->event_bytes);
	put_count(w, "sent", lanes_bytes_out(r->lanes));
	put_count(w, "answers", r->bytes_in);
	json_w_end(w);
	json_w_key(w, "client");
	json_w_object(w);
	put_double(w, "cpuShare", r->wall_us == 0 ? 0 : (double)r->cpu_us / (double)r->wall_us);
	put_double(w, "cpuUsPerRequest", r->sent == 0 ? 0 : (double)r->cpu_us / (double)r->sent);
	json_w_end(w);
}

/* Names of series that are worth a line per second. */
static const struct {
	const char *name;
	enum scraped what;
} series[] = {
	{ "stored", SCRAPED_STORED },
	{ "duplicate", SCRAPED_DUPLICATE },
	{ "refusedForOverload", SCRAPED_OVERLOADED },
	{ "engineLag", SCRAPED_LAG },
	{ "engineApplied", SCRAPED_APPLIED },
	{ "engineCpuSeconds", SCRAPED_ENGINE_CPU },
	{ "alerts", SCRAPED_ALERTS },
	{ "deliveriesWaiting", SCRAPED_QUEUE },
	{ "delivered", SCRAPED_DELIVERED },
	{ "deliveriesRetried", SCRAPED_RETRIED },
	{ "deliveriesRejected", SCRAPED_REJECTED },
	{ "deliveriesDead", SCRAPED_DEAD },
	{ "workerQueue", SCRAPED_WORKER_QUEUE },
	{ "liveFrames", SCRAPED_FRAMES },
	{ "liveDropped", SCRAPED_STREAMS_DROPPED },
	{ "journalBytes", SCRAPED_JOURNAL_BYTES },
	{ "flushes", SCRAPED_FLUSHES },
	{ "memoryBytes", SCRAPED_RSS },
	{ "cpuSeconds", SCRAPED_CPU },
	{ "uptimeSeconds", SCRAPED_UPTIME },
};

static void put_samples(const struct run *r, struct json_w *w)
{
	json_w_key(w, "samples");
	json_w_array(w);
	for (size_t i = 0; i < r->scrape.n; i++) {
		const struct sample *s = &r->scrape.samples[i];

		json_w_object(w);
		json_put_int(w, "atUs", s->at_us - r->start_us);
		for (size_t k = 0; k < ARRAY_LEN(series); k++) {
			if ((s->has >> series[k].what & 1) != 0) {
				put_double(w, series[k].name, s->v[series[k].what]);
			}
		}
		json_w_end(w);
	}
	json_w_end(w);
}

static void put_server(const struct run *r, struct json_w *w)
{
	const struct scrape *s = &r->scrape;

	json_w_key(w, "server");
	if (s->n < 2) {
		json_w_null(w);
		json_put_str(w, "serverProblem", slice_of(s->problem));
		put_count(w, "serverStatus", (uint64_t)s->status);
		return;
	}
	json_w_object(w);
	json_put_bool(w, "restarted", scrape_restarted(s));
	put_double(w, "stored", scrape_gain(s, SCRAPED_STORED));
	put_double(w, "duplicate", scrape_gain(s, SCRAPED_DUPLICATE));
	put_double(w, "engineApplied", scrape_gain(s, SCRAPED_APPLIED));
	put_double(w, "alerts", scrape_gain(s, SCRAPED_ALERTS));
	put_double(w, "delivered", scrape_gain(s, SCRAPED_DELIVERED));
	put_double(w, "flushes", scrape_gain(s, SCRAPED_FLUSHES));
	put_double(w, "flushSeconds", scrape_gain(s, SCRAPED_FLUSH_SUM));
	put_double(w, "flushP50Seconds", scrape_flush_s(s, 0.5));
	put_double(w, "flushP99Seconds", scrape_flush_s(s, 0.99));
	put_double(w, "cpuSeconds", scrape_gain(s, SCRAPED_CPU));
	if (r->caught_up_us >= 0) {
		json_put_int(w, "caughtUpAfterUs", r->caught_up_us - r->end_us);
	}
	put_samples(r, w);
	json_w_end(w);
}

void report_json(const struct run *r, struct buf *out)
{
	struct json_w w;

	json_w_init(&w, out);
	json_w_object(&w);
	put_setting(r, &w);
	put_requests(r, &w);
	put_events(r, &w);
	put_statuses(r, &w);
	put_latencies(r, &w);
	put_receipts(r, &w);
	put_client(r, &w);
	put_server(r, &w);
	json_w_end(&w);
	buf_putc(out, '\n');
}
