/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_BENCH_SCRAPE_H
#define CMD_BENCH_SCRAPE_H

#include "cmd/bench/far.h"
#include "base/buf.h"

/*
 * What the server says of itself at /metrics, again and again while a load runs. One thread.
 */
enum scraped {
#define X(id, series) SCRAPED_##id,
#include "cmd/bench/scrape.def"
#undef X
	SCRAPED
};

#define SCRAPE_BOUNDS_MAX 40

/* Time of a flush: how many took at most so long. */
struct scrape_flushes {
	double upto_s[SCRAPE_BOUNDS_MAX];
	double count[SCRAPE_BOUNDS_MAX];
	size_t n;
};

struct sample {
	int64_t at_us;
	double v[SCRAPED];
	uint64_t has; /* bit i: the server has series i */
	struct scrape_flushes flushes;
};

#define SCRAPE_SAMPLES_MAX ((size_t)100000) /* a day of seconds: 60 MB */

struct scrape {
	struct far *far;
	struct far_call call;
	const char *url;
	const char *headers[1];
	size_t headers_n;
	struct buf body;
	struct sample *samples;
	size_t n;
	bool failed;	 /* the first time: not asked again */
	unsigned misses; /* in a row since the last answer; a server under load may miss some */
	int status;	 /* of the last one that failed */
	char problem[160];
};

/* Text exposition format 0.0.4; what it does not know it passes over. */
void scrape_parse(struct slice text, struct sample *out);

/* url and authorization (a header line, or NULL) are borrowed. */
void scrape_init(struct scrape *s, struct far *far, const char *url, const char *authorization);
void scrape_release(struct scrape *s);
/* Ask, unless an answer is still awaited or the server would not say. */
void scrape_start(struct scrape *s);
bool scrape_is_idle(const struct scrape *s);
/* The newest sample, NULL when there is none. */
const struct sample *scrape_last(const struct scrape *s);
/* Whether the server began anew in between, so that its counters did too. */
bool scrape_restarted(const struct scrape *s);
/* What was added to a counter from the first sample to the last. */
double scrape_gain(const struct scrape *s, enum scraped what);
/* The time that this share of the flushes between first and last sample did not exceed, or -1. */
double scrape_flush_s(const struct scrape *s, double share);

#endif
