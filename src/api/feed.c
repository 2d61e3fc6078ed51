/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pipe between the thread of the scans and a stream. One parcel is on its way at a time; while
 * it is, the scan goes on until the next one is full.
 */
#include "api/feed.h"

#include <stdlib.h>

#include "api/cors.h"
#include "api/shapes.h"
#include "api/caller.h"
#include "base/clock.h"
#include "base/json_put.h"
#include "journal/purge.h"

/*
 * What may wait on the stream when the next parcel leaves: with the largest parcel, in which one
 * event of 256 KiB has twice its size as CSV, it stays below HTTP_STREAM_BYTES_MAX.
 */
#define LOW_BYTES ((size_t)256 << 10)
#define OUT_BYTES_MAX ((size_t)4 << 20) /* a parcel and an event; never reached */
#define CHUNK_FRAME_BYTES 64		/* size line, line ends, trailer of the last one */

static struct feed *feed_of(struct scan *scan)
{
	return CONTAINER_OF(scan, struct feed, scan);
}

static bool is_away(const struct feed *f)
{
	return __atomic_load_n(&f->away, __ATOMIC_ACQUIRE) != 0;
}

static void go_on(struct feed *f)
{
	__atomic_store_n(&f->away, 0, __ATOMIC_RELEASE);
	scan_resume(&f->scan);
}

static void has_room(void *arg, struct http_stream *st UNUSED)
{
	go_on(arg);
}

static bool may_still(const struct feed *f)
{
	return caller_is_alive(f->api, &f->caller);
}

static void send_parcel(struct feed *f, struct chunk *parcel)
{
	if (!may_still(f) || !http_stream_write(f->stream, parcel)) {
		http_stream_abort(f->stream);
	} else if (f->last) {
		http_stream_end(f->stream);
	} else if (http_stream_queued(f->stream) <= LOW_BYTES) {
		go_on(f);
	} else {
		http_stream_on_room(f->stream, LOW_BYTES, has_room, f);
	}
}

static void deliver(void *arg)
{
	struct feed *f = arg;
	struct chunk *parcel = f->parcel;

	f->parcel = NULL;
	if (f->stream != NULL) {
		send_parcel(f, parcel);
	}
	chunk_unref(&parcel);
}

static void release(struct feed *f)
{
	chunk_unref(&f->parcel);
	buf_release(&f->out);
	buf_release(&f->scratch);
	arena_release(&f->one);
	arena_release(&f->keep);
	f->kind->release(f);
}

static void is_gone(void *arg)
{
	struct feed *f = arg;

	f->is_gone = true;
	if (f->stream == NULL) {
		release(f);
	}
}

static void on_gone(struct scan *scan)
{
	struct feed *f = feed_of(scan);

	api_post(f->api, is_gone, f);
}

static void on_close(void *arg, struct http_stream *st UNUSED)
{
	struct feed *f = arg;

	f->stream = NULL;
	if (f->is_gone) {
		release(f);
	} else {
		scan_cancel(&f->scan);
	}
}

/* The first n bytes of what came together, framed. */
static struct chunk *pack(struct feed *f, size_t n, bool last)
{
	struct chunk *parcel = chunk_new(n + CHUNK_FRAME_BYTES);
	struct buf to = { .p = parcel->p, .cap = parcel->cap, .max = parcel->cap };
	struct slice out = { f->out.p, n };

	if (!f->chunked) {
		buf_puts(&to, out);
	} else if (n > 0) {
		buf_printf(&to, "%zx\r\n", n);
		buf_puts(&to, out);
		buf_puts(&to, S("\r\n"));
	}
	if (last && f->chunked && !f->broken) {
		buf_puts(&to, S("0\r\n\r\n"));
	}
	ensure(!to.overflow && to.p == parcel->p);
	parcel->n = to.n;
	return parcel;
}

static void post(struct feed *f, size_t n, bool last)
{
	f->parcel = pack(f, n, last);
	if (n > 0) {
		memmove(f->out.p, f->out.p + n, f->out.n - n);
		buf_cut(&f->out, f->out.n - n);
		f->said_us = clock_mono_us();
	}
	f->last = last;
	__atomic_store_n(&f->away, 1, __ATOMIC_RELEASE);
	api_post(f->api, deliver, f);
}

/* Long enough silent: a byte less is kept back, or there is filler. */
static void break_silence(struct feed *f)
{
	int64_t silent_us = f->api->feed_silent_us > 0 ? f->api->feed_silent_us : FEED_SILENT_US;

	if (f->kind->filler == NULL || clock_mono_us() - f->said_us < silent_us) {
		return;
	}
	if (f->kept == 0 || f->out.n == 0) {
		buf_puts(&f->out, slice_of(f->kind->filler));
		f->kept = 0;
	} else {
		f->kept = (f->kept < f->out.n ? f->kept : f->out.n) - 1;
	}
}

/* What may leave now. */
static size_t to_send(const struct feed *f, bool over)
{
	return over ? f->out.n : f->out.n > f->kept ? f->out.n - f->kept : 0;
}

static enum scan_step on_pause(struct scan *scan)
{
	struct feed *f = feed_of(scan);
	bool over = scan->over || scan->err.kind != ERR_NONE || f->enough;

	if (over && !f->told) {
		f->told = true;
		f->kind->end(f);
	} else if (!over && f->kind->pause != NULL) {
		f->kind->pause(f);
	}
	ensure(!f->out.overflow);
	if (is_away(f)) {
		return over || f->out.n >= FEED_PARCEL_BYTES ? SCAN_WAIT : SCAN_ON;
	}
	if (!over && to_send(f, over) == 0) {
		break_silence(f);
	}
	if (over || to_send(f, over) > 0) {
		post(f, to_send(f, over), over);
	}
	return over ? SCAN_OVER : SCAN_ON;
}

static bool on_visit(struct scan *scan, const struct record *record)
{
	struct feed *f = feed_of(scan);
	struct event event;

	f->looked++;
	f->bytes += record->body.n;
	f->seen_us = record->received_at_us;
	/* What was deleted since the walk began is asked for apart: the walk knows it as it was. */
	if (!event_filter_matches(&f->filter, record, &f->one, &f->scratch, &event) ||
	    !journal_kept(f->api->journal, record)) {
		return true;
	}
	f->matched++;
	f->kept = f->kind->keep;
	f->enough = !f->kind->event(f, record, &event);
	return !f->enough && f->out.n < FEED_PARCEL_BYTES;
}

void feed_init(struct feed *f, struct call *c, const struct feed_kind *kind)
{
	f->api = c->api;
	f->caller = c->caller;
	f->kind = kind;
	f->chunked = c->http->minor > 0;
	arena_init(&f->keep, 0);
	arena_init(&f->one, 0);
	buf_init(&f->out, OUT_BYTES_MAX);
	buf_init(&f->scratch, QUERY_SCRATCH_BYTES);
}

void feed_refuse(struct feed *f, struct call *c)
{
	call_problem(c, &c->err);
	call_send(c);
	release(f);
}

static void begin_stream(struct feed *f, struct call *c)
{
	struct http_header headers[CORS_HEADERS_MAX + ANSWER_HEADERS_MAX + 4];
	size_t n = 0;

	headers[n++] = (struct http_header) { S("Content-Type"), slice_of(f->kind->type) };
	headers[n++] = (struct http_header) { S("Cache-Control"), S("no-store") };
	headers[n++] = (struct http_header) { S("X-Accel-Buffering"), S("no") };
	if (f->chunked) {
		headers[n++] = (struct http_header) { S("Transfer-Encoding"), S("chunked") };
	}
	for (size_t i = 0; i < c->answer.n_headers; i++) {
		headers[n++] = c->answer.headers[i];
	}
	n += cors_headers(c, headers + n);
	f->stream = http_stream_begin(c->x, 200, headers, n);
	http_stream_on_close(f->stream, on_close, f);
}

void feed_start(struct feed *f, struct call *c, uint64_t at, uint64_t end, bool reverse)
{
	f->scan.filter = event_filter_for_journal(&f->filter, &f->caller, &f->keep);
	f->scan.at = f->begin = at;
	f->scan.end = end;
	f->scan.reverse = reverse;
	f->scan.visit = on_visit;
	f->scan.pause = on_pause;
	f->scan.gone = on_gone;
	f->kept = f->kind->keep;
	f->said_us = clock_mono_us();
	if (!scans_start(c->api->scans, &f->scan, &c->err)) {
		feed_refuse(f, c);
		return;
	}
	begin_stream(f, c);
}

bool feed_is_head(struct call *c, const struct feed_kind *kind)
{
	if (c->http->method != HTTP_HEAD) {
		return false;
	}
	call_empty(c, 200);
	c->answer.type = kind->type;
	call_send(c);
	return true;
}

double feed_percent(const struct feed *f)
{
	const struct scan *s = &f->scan;
	uint64_t all = s->reverse ? f->begin - s->end : s->end - f->begin;
	uint64_t done = s->reverse ? f->begin - s->at : s->at - f->begin;

	/* In tenths, which is as much as anybody looks at. */
	return s->over || done > all ? 100 : (double)(done * 1000 / (all + 1)) / 10;
}

void feed_line(struct feed *f)
{
	buf_putc(&f->out, '\n');
}

static const struct prop failed_props[] = {
	PROP_STR("code", .help = "As in problems."),
	PROP_STR("error"),
};
static const struct shape failed = { SHAPE_PROPS(failed_props) };
static const struct prop scan_failed_props[] = { PROP_SHAPE("failed", &failed) };
const struct shape shape_scan_failed = { .name = "ScanFailed",
					 .help = "The last line when it could not go on.",
					 SHAPE_PROPS(scan_failed_props) };

void feed_fail(struct feed *f)
{
	const struct err *err = &f->scan.err;
	const struct err_info *info = err_info(err->kind);
	struct json_w w;

	json_w_init(&w, &f->out);
	json_w_object(&w);
	json_w_key(&w, "failed");
	json_w_object(&w);
	json_put_str(&w, "code", slice_of(info->code));
	json_put_str(&w, "error", slice_of(info->level == LOG_ERROR ? info->doc : err->text));
	json_w_end(&w);
	json_w_end(&w);
	feed_line(f);
	f->broken = true;
	log_warn("scan_failed", log_str("code", info->code), log_str("error", err->text));
}
