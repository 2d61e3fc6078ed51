/* SPDX-License-Identifier: Apache-2.0 */
/* The whole text is read for each sample; at one a second that costs nothing. */
#include "cmd/bench/scrape.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"

#define BODY_BYTES_MAX ((size_t)4 << 20)
#define TIMEOUT_MS 10000

static const char *const names[] = {
#define X(id, series) [SCRAPED_##id] = (series),
#include "cmd/bench/scrape.def"
#undef X
};

static bool number(struct slice text, double *out)
{
	if (slice_eq(text, S("+Inf"))) {
		*out = (double)INFINITY;
		return true;
	}
	return json_number_double(text, out);
}

static void add_flush(struct slice bound, double count, struct scrape_flushes *f)
{
	if (bound.n > 2 && f->n < SCRAPE_BOUNDS_MAX &&
	    number((struct slice) { bound.p, bound.n - 2 }, &f->upto_s[f->n])) {
		f->count[f->n++] = count;
	}
}

static void take_line(struct slice name, double value, struct sample *out)
{
	struct slice bucket = S("tocsin_journal_flush_seconds_bucket{le=\"");

	if (slice_starts(name, bucket)) {
		add_flush(slice_from(name, bucket.n), value, &out->flushes);
		return;
	}
	for (size_t i = 0; i < SCRAPED; i++) {
		if (slice_eq(name, slice_of(names[i]))) {
			out->v[i] = value;
			out->has |= UINT64_C(1) << i;
			return;
		}
	}
}

void scrape_parse(struct slice text, struct sample *out)
{
	struct slice line;

	*out = (struct sample) { 0 };
	while (slice_split(&text, '\n', &line)) {
		size_t space = line.n;
		double value;

		if (line.n == 0 || line.p[0] == '#') {
			continue;
		}
		while (space > 0 && line.p[space - 1] != ' ') {
			space--;
		}
		if (space > 0 && number(slice_from(line, space), &value)) {
			take_line((struct slice) { line.p, space - 1 }, value, out);
		}
	}
}

static void on_bytes(struct far_call *call, struct slice bytes)
{
	struct scrape *s = call->owner;

	buf_puts(&s->body, bytes);
}

static void on_done(struct far_call *call, int status, const char *problem)
{
	struct scrape *s = call->owner;

	if (status != 200 || s->n == SCRAPE_SAMPLES_MAX) {
		s->failed = s->n == 0;
		s->misses++;
		s->status = status;
		snprintf(s->problem, sizeof(s->problem), "%s", problem);
		return;
	}
	if ((s->n & (s->n - 1)) == 0) {
		s->samples = mem_resize(s->samples, s->n == 0 ? 1 : s->n * 2, sizeof(*s->samples));
	}
	scrape_parse(buf_slice(&s->body), &s->samples[s->n]);
	s->samples[s->n].at_us = clock_mono_us();
	s->n++;
	s->misses = 0;
}

void scrape_init(struct scrape *s, struct far *far, const char *url, const char *authorization)
{
	*s = (struct scrape) { .far = far, .url = url, .headers = { authorization } };
	s->headers_n = authorization == NULL ? 0 : 1;
	buf_init(&s->body, BODY_BYTES_MAX);
}

void scrape_release(struct scrape *s)
{
	far_end(s->far, &s->call);
	buf_release(&s->body);
	free(s->samples);
	*s = (struct scrape) { 0 };
}

void scrape_start(struct scrape *s)
{
	if (s->call.busy || s->failed) {
		return;
	}
	buf_cut(&s->body, 0);
	s->call.method = "GET";
	s->call.url = s->url;
	s->call.headers = s->headers;
	s->call.headers_n = s->headers_n;
	s->call.timeout_ms = TIMEOUT_MS;
	s->call.bytes = on_bytes;
	s->call.done = on_done;
	s->call.owner = s;
	far_start(s->far, &s->call);
}

bool scrape_is_idle(const struct scrape *s)
{
	return !s->call.busy;
}

const struct sample *scrape_last(const struct scrape *s)
{
	return s->n == 0 ? NULL : &s->samples[s->n - 1];
}

bool scrape_restarted(const struct scrape *s)
{
	for (size_t i = 1; i < s->n; i++) {
		if (s->samples[i].v[SCRAPED_STARTED] > s->samples[0].v[SCRAPED_STARTED]) {
			return true;
		}
	}
	return false;
}

double scrape_gain(const struct scrape *s, enum scraped what)
{
	return s->n == 0 ? 0 : s->samples[s->n - 1].v[what] - s->samples[0].v[what];
}

double scrape_flush_s(const struct scrape *s, double share)
{
	const struct scrape_flushes *a, *b;
	double all;

	if (s->n == 0 || s->samples[0].flushes.n != s->samples[s->n - 1].flushes.n ||
	    s->samples[0].flushes.n == 0) {
		return -1;
	}
	a = &s->samples[0].flushes;
	b = &s->samples[s->n - 1].flushes;
	all = b->count[b->n - 1] - a->count[a->n - 1];
	for (size_t i = 0; all > 0 && i < b->n; i++) {
		if (b->count[i] - a->count[i] >= all * share) {
			return b->upto_s[i];
		}
	}
	return -1;
}
