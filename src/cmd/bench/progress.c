/* SPDX-License-Identifier: Apache-2.0 */
/* A line a second, short enough for a terminal, and as useful in a file. */
#include "cmd/bench/progress.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"

static void put_server(const struct run *r)
{
	const struct sample *s = scrape_last(&r->scrape);

	if (s != NULL && !r->scrape.failed) {
		fprintf(stderr, "  | server: lag %.0f, queue %.0f, %.0f MiB", s->v[SCRAPED_LAG],
			s->v[SCRAPED_QUEUE], s->v[SCRAPED_RSS] / (1 << 20));
	}
}

void progress_line(const struct run *r, int64_t now_us)
{
	double p99_ms = (double)hist_at(&r->recent_us, 0.99) / 1e3;

	fprintf(stderr, "%4.0f s  %" PRIu64 " sent, %" PRIu64 "/s answered well, p99 %.3f ms",
		(double)(now_us - r->start_us) / 1e6, r->sent, r->good - r->ticked_good, p99_ms);
	if (r->o.rate > 0) {
		fprintf(stderr, ", %zu waiting, %" PRIu64 " dropped", r->plan.waiting,
			r->plan.dropped);
	}
	if (r->answered > r->good || r->unanswered > 0) {
		fprintf(stderr, ", %" PRIu64 " refused, %" PRIu64 " without an answer",
			r->answered - r->good, r->unanswered);
	}
	if (r->o.mode != RUN_EVENTS) {
		fprintf(stderr, ", %" PRIu64 " received", r->track.received);
	}
	put_server(r);
	fputc('\n', stderr);
}
