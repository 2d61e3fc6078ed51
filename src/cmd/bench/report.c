/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table. Percentiles of an open load are those of all that was planned: what was never answered
 * counts as slower than anything, and a percentile that falls there is "never".
 */
#include "cmd/bench/report.h"

#include <inttypes.h>

#include "base/clock.h"

#define MIB (1024.0 * 1024.0)

const char *const report_points[REPORT_POINTS] = { "p50", "p90", "p99", "p99.9", "max" };
static const double shares[REPORT_POINTS] = { 0.5, 0.9, 0.99, 0.999, 1.0 };

struct report_row report_row(const struct run *r, enum report_latency which)
{
	bool open = r->o.rate > 0, receipts = r->o.mode != RUN_EVENTS;
	uint64_t missing = r->events_acked > r->track.received ? r->events_acked - r->track.received
							       : 0;

	switch (which) {
	case REPORT_OPEN:
		return (struct report_row) { "planned to answered", "plannedToAnswered",
					     open ? &r->open_us : NULL, run_never(r) };
	case REPORT_WAITED:
		return (struct report_row) { "planned to sent", "plannedToSent",
					     open ? &r->waited_us : NULL,
					     run_never(r) - r->unanswered };
	case REPORT_OWN:
		return (struct report_row) { "client's own delay", "clientDelay",
					     open ? &r->own_us : NULL, 0 };
	case REPORT_SERVICE:
		return (struct report_row) { "sent to answered", "sentToAnswered", &r->service_us,
					     0 };
	case REPORT_REFUSED:
		return (struct report_row) { "sent to refused", "sentToRefused",
					     r->refused_us.n > 0 ? &r->refused_us : NULL, 0 };
	case REPORT_RECEIPT:
		return (struct report_row) { "planned to received", "plannedToReceived",
					     open && receipts ? &r->track.from_due_us : NULL,
					     missing + run_never(r) * r->o.batch };
	case REPORT_SENT_RECEIPT:
		return (struct report_row) { "sent to received", "sentToReceived",
					     receipts ? &r->track.from_sent_us : NULL, missing };
	case REPORT_LATENCIES:
		break;
	}
	never("a latency that is none");
}

int64_t report_at(const struct report_row *row, size_t point)
{
	double all = (double)(row->h->n + row->never);
	double part = row->h->n == 0 ? 2 : shares[point] * all / (double)row->h->n;

	return part > 1 + 1e-12 ? -1 : (int64_t)hist_at(row->h, part);
}

bool report_is_clean(const struct run *r)
{
	bool received = r->o.mode == RUN_EVENTS ||
			(r->track.received == r->events_acked && r->track.repeated == 0);

	return r->good > 0 && r->good == r->answered && run_never(r) == 0 &&
	       r->events_rejected == 0 && received;
}

static double load_s(const struct run *r)
{
	return (double)(r->stop_us - r->start_us) / 1e6;
}

static void put_head(const struct run *r, FILE *out)
{
	static const char *const modes[] = { "events", "webhooks", "notifications" };
	static const char *const profiles[] = { "simple", "mixed" };

	fprintf(out, "tocsin bench %s, ", modes[r->o.mode]);
	if (r->o.rate > 0) {
		fprintf(out, "open loop: %g events/s planned, %s, for %.1f s\n", r->o.rate,
			r->o.poisson ? "as a Poisson process" : "evenly", load_s(r));
	} else {
		fprintf(out,
			"CLOSED LOOP: each connection sends when it has its answer, for %.1f s.\n"
			"This finds the most that the server takes; how long anybody waits at a given "
			"rate it cannot say.\n",
			load_s(r));
	}
	fprintf(out, "%.*s, %zu connections, %zu key%s, batch %zu", SARG(r->o.url),
		r->o.connections, r->o.keys, r->o.keys == 1 ? "" : "s", r->o.batch);
	if (r->o.mode == RUN_EVENTS) {
		fprintf(out, ", profile %s", profiles[r->o.profile]);
	}
	fprintf(out, ", seed %" PRIu64 "%s\n\n", r->o.seed,
		r->interrupts > 0 ? "; INTERRUPTED" : "");
}

static void put_counts(const struct run *r, FILE *out)
{
	fprintf(out, "  sent       %" PRIu64 " events in %" PRIu64 " requests, %.1f events/s\n",
		r->events_sent, r->sent, (double)r->events_sent / load_s(r));
	fprintf(out, "  accepted   %" PRIu64 " events, %.1f/s", r->events_acked,
		(double)r->events_acked / load_s(r));
	if (r->events_duplicate > 0 || r->events_rejected > 0) {
		fprintf(out, "; %" PRIu64 " duplicate, %" PRIu64 " rejected", r->events_duplicate,
			r->events_rejected);
	}
	fprintf(out, "\n  statuses  ");
	for (int i = 0; i < RUN_STATUS_MAX; i++) {
		if (r->status[i] > 0) {
			fprintf(out, " %d: %" PRIu64, i, r->status[i]);
		}
	}
	fprintf(out, "%s\n", r->answered == 0 ? " none" : "");
	if (r->unanswered > 0) {
		fprintf(out, "  no answer  %" PRIu64 " requests; the last: %s\n", r->unanswered,
			r->problem);
	}
	if (r->o.rate > 0) {
		fprintf(out,
			"  never sent %" PRIu64 " requests: %" PRIu64
			" found the backlog of %zu full, %zu were left at the end; at most %zu "
			"waited\n",
			r->plan.dropped + r->plan.waiting, r->plan.dropped, r->o.backlog,
			r->plan.waiting, r->plan.waiting_most);
	}
	if (r->o.mode != RUN_EVENTS) {
		fprintf(out,
			"  received   %" PRIu64 " of %" PRIu64 "; %" PRIu64 " repeated, %" PRIu64
			" unknown\n",
			r->track.received, r->events_acked, r->track.repeated, r->track.unknown);
	}
	if (r->streams != NULL && streams_broken(r->streams) > 0) {
		fprintf(out, "  streams    ended %" PRIu64 " times and went on; the last: %s\n",
			streams_broken(r->streams), streams_problem(r->streams));
	}
	fprintf(out, "  bytes      %.1f MiB of events, %.1f MiB sent, %.1f MiB of answers\n",
		(double)r->event_bytes / MIB, (double)lanes_bytes_out(r->lanes) / MIB,
		(double)r->bytes_in / MIB);
}

static void put_latencies(const struct run *r, FILE *out)
{
	fprintf(out, "\n  %-20s", "latency in ms");
	for (size_t i = 0; i < REPORT_POINTS; i++) {
		fprintf(out, " %11s", report_points[i]);
	}
	fputc('\n', out);
	for (enum report_latency l = 0; l < REPORT_LATENCIES; l++) {
		struct report_row row = report_row(r, l);

		if (row.h == NULL) {
			continue;
		}
		fprintf(out, "  %-20s", row.label);
		for (size_t i = 0; i < REPORT_POINTS; i++) {
			int64_t us = report_at(&row, i);

			if (us < 0) {
				fprintf(out, " %11s", row.never > 0 ? "never" : "-");
			} else {
				fprintf(out, " %11.3f", (double)us / 1e3);
			}
		}
		fputc('\n', out);
	}
}

#define CPU_SHARE_MOST 0.9
#define OWN_SHARE_MOST 0.5 /* of what is quoted, at the 99th percentile */

/* Why the figures may be those of this client, or of a machine with no time for it. */
static const char *doubt(const struct run *r, double share)
{
	uint64_t own_us = hist_at(&r->own_us, 0.99), open_us = hist_at(&r->open_us, 0.99);

	if (share > CPU_SHARE_MOST) {
		return "; the client may be what was measured";
	}
	if (r->o.rate > 0 && (double)own_us > OWN_SHARE_MOST * (double)open_us) {
		return "; much of the latency is the client's own delay: this machine is busy";
	}
	return "";
}

static void put_client(const struct run *r, FILE *out)
{
	double share = r->wall_us == 0 ? 0 : (double)r->cpu_us / (double)r->wall_us;

	fprintf(out, "\n  client     %.0f %% of a CPU, %.1f us a request%s\n", share * 100,
		r->sent == 0 ? 0.0 : (double)r->cpu_us / (double)r->sent, doubt(r, share));
}

static double most(const struct scrape *s, enum scraped what)
{
	double v = 0;

	for (size_t i = 0; i < s->n; i++) {
		v = s->samples[i].v[what] > v ? s->samples[i].v[what] : v;
	}
	return v;
}

static void put_flushes(const struct scrape *s, FILE *out)
{
	double n = scrape_gain(s, SCRAPED_FLUSHES), sum = scrape_gain(s, SCRAPED_FLUSH_SUM);
	double p50 = scrape_flush_s(s, 0.5), p99 = scrape_flush_s(s, 0.99);

	if (n > 0 && p50 >= 0) {
		fprintf(out,
			"    flushes  %.0f, %.1f events each; mean %.3f ms, p50 at most %g ms, p99 "
			"at most %g ms\n",
			n, scrape_gain(s, SCRAPED_STORED) / n, sum / n * 1e3, p50 * 1e3, p99 * 1e3);
	}
}

#define TIMELINE_ROWS 12
#define PEAK_US_MIN (US_PER_S / 2) /* a shorter time makes peaks of its own */

static double rate(const struct sample *from, const struct sample *to, enum scraped what)
{
	return (to->v[what] - from->v[what]) * 1e6 / (double)(to->at_us - from->at_us);
}

/* The most within one pause between two samples. */
static double peak(const struct scrape *s, enum scraped what)
{
	const struct sample *from = &s->samples[0];
	double most_per_s = rate(from, &s->samples[s->n - 1], what);

	for (size_t i = 1; i < s->n; i++) {
		const struct sample *to = &s->samples[i];

		if (to->at_us - from->at_us >= PEAK_US_MIN) {
			double per_s = rate(from, to, what);

			most_per_s = per_s > most_per_s ? per_s : most_per_s;
			from = to;
		}
	}
	return most_per_s;
}

static void put_sample(const struct run *r, const struct sample *from, const struct sample *to,
		       FILE *out)
{
	fprintf(out, "    %8.1f %11.0f %10.0f %11.0f %9.0f %6.1f MiB %4.0f %%\n",
		(double)(to->at_us - r->start_us) / 1e6, rate(from, to, SCRAPED_STORED),
		to->v[SCRAPED_LAG], rate(from, to, SCRAPED_DELIVERED), to->v[SCRAPED_QUEUE],
		to->v[SCRAPED_RSS] / MIB, rate(from, to, SCRAPED_CPU) * 100);
}

/* Some of the samples, evenly over time, to see what grows. */
static void put_timeline(const struct run *r, FILE *out)
{
	const struct scrape *s = &r->scrape;
	const struct sample *from = &s->samples[0];
	int64_t all_us = s->samples[s->n - 1].at_us - from->at_us;
	int64_t step_us = all_us / TIMELINE_ROWS > PEAK_US_MIN ? all_us / TIMELINE_ROWS
							       : PEAK_US_MIN;

	fprintf(out, "\n    %8s %11s %10s %11s %9s %10s %6s\n", "second", "stored/s", "lag",
		"delivered/s", "waiting", "memory", "CPU");
	for (size_t i = 1; i < s->n; i++) {
		const struct sample *to = &s->samples[i];

		if (to->at_us <= r->start_us) {
			from = to; /* the last one before the load */
		} else if (to->at_us - from->at_us >= step_us || i + 1 == s->n) {
			put_sample(r, from, to, out);
			from = to;
		}
	}
}

static void put_server(const struct run *r, FILE *out)
{
	const struct scrape *s = &r->scrape;
	const struct sample *last = scrape_last(s);
	double wall_s;

	if (last == NULL || s->n < 2) {
		fprintf(out, "\n  server     its /metrics could not be read: ");
		if (s->status != 0) {
			fprintf(out,
				"status %d; on its own machine it can, or with "
				"--metrics-token\n",
				s->status);
		} else {
			fprintf(out, "%s\n", s->problem[0] != '\0' ? s->problem : "no answer");
		}
		return;
	}
	if (scrape_restarted(s)) {
		fprintf(out,
			"\n  server     it was RESTARTED meanwhile, and counts anew since then\n");
	}
	wall_s = (double)(last->at_us - s->samples[0].at_us) / 1e6;
	fprintf(out, "\n  server, as its /metrics say, within %.1f s\n", wall_s);
	fprintf(out, "    stored   %.0f events, %.0f duplicate\n", scrape_gain(s, SCRAPED_STORED),
		scrape_gain(s, SCRAPED_DUPLICATE));
	fprintf(out, "    rules    %.0f records applied, up to %.0f/s; at most %.0f behind\n",
		scrape_gain(s, SCRAPED_APPLIED), peak(s, SCRAPED_APPLIED), most(s, SCRAPED_LAG));
	fprintf(out,
		"    courier  %.0f delivered, up to %.0f/s, %.0f to be tried again; at most %.0f "
		"waiting\n",
		scrape_gain(s, SCRAPED_DELIVERED), peak(s, SCRAPED_DELIVERED),
		scrape_gain(s, SCRAPED_RETRIED), most(s, SCRAPED_QUEUE));
	put_flushes(s, out);
	fprintf(out, "    memory   %.1f MiB before, %.1f MiB at most, %.1f MiB after\n",
		s->samples[0].v[SCRAPED_RSS] / MIB, most(s, SCRAPED_RSS) / MIB,
		last->v[SCRAPED_RSS] / MIB);
	fprintf(out, "    CPU      %.0f %% of a CPU; up for %.0f s\n",
		scrape_gain(s, SCRAPED_CPU) / wall_s * 100, last->v[SCRAPED_UPTIME]);
	if (r->caught_up_us >= 0) {
		fprintf(out, "    caught up %.3f s after the last answer\n",
			(double)(r->caught_up_us - r->end_us) / 1e6);
	} else {
		fprintf(out, "    STILL BEHIND: %.0f records, %.0f deliveries\n",
			last->v[SCRAPED_LAG], last->v[SCRAPED_QUEUE]);
	}
	put_timeline(r, out);
}

void report_table(const struct run *r, FILE *out)
{
	put_head(r, out);
	put_counts(r, out);
	put_latencies(r, out);
	put_client(r, out);
	put_server(r, out);
}
