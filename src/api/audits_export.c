/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole audit log as a file, with bounded memory: a worker reads some entries and makes one
 * parcel of them, the loop sends it, and only when the client has taken most of it, the next one is
 * asked for. The answer is in chunks (RFC 9112 section 7.1), so that a part is never taken for the
 * whole.
 */
#include <stdlib.h>

#include "api/api.h"
#include "api/audits.h"
#include "api/caller.h"
#include "api/cors.h"
#include "api/route.h"
#include "base/json_put.h"

#define ROWS_PER_READ 200 /* some hundred KiB, as entries are */
#define PARCEL_BYTES ((size_t)64 << 10)
#define OUT_BYTES_MAX ((size_t)1 << 20) /* a parcel and one more entry, twice its size as CSV */
#define LOW_BYTES ((size_t)128 << 10)	/* what may still wait when the next parcel is made */
#define FRAME_BYTES 64			/* size line, line ends, the last chunk */

enum format { FORMAT_UNSAID, FORMAT_NDJSON, FORMAT_CSV };
struct export_in {
	unsigned format;
};
static const char *const format_words[] = { "", "ndjson", "csv", NULL };
static const struct field export_rows[] = {
	FIELD_ENUM(struct export_in, format, "format", format_words,
		   .help = "ndjson or csv; else as Accept says."),
};
const struct field_set audits_export_query = { export_rows, ARRAY_LEN(export_rows) };

/* Belongs to the loop, and to a worker while busy is set. */
struct trail {
	struct job job;
	struct api *api;
	struct caller caller;
	struct audit_filter filter;
	struct arena keep; /* as long as the trail: texts of the filter, the head */
	struct audit_head head;
	bool csv, chunked;
	bool begun, over;
	struct err err;
	uint64_t after; /* the number of the last entry that is in a parcel */
	uint64_t n;
	struct buf out;
	struct http_stream *stream; /* of the loop alone; NULL: the client is gone */
	bool busy;		    /* likewise */
};

static void trail_free(struct trail *t)
{
	buf_release(&t->out);
	arena_release(&t->keep);
	free(t);
}

/* The last line, which an answer that was cut off does not have. */
static void put_end(struct trail *t)
{
	struct json_w w;

	json_w_init(&w, &t->out);
	json_w_object(&w);
	json_w_key(&w, "end");
	json_w_object(&w);
	json_put_int(&w, "entries", (int64_t)t->n);
	json_put_int(&w, "number", (int64_t)t->head.number);
	json_put_str_or_null(&w, "hash", t->head.hash);
	json_w_end(&w);
	json_w_end(&w);
	buf_putc(&t->out, '\n');
}

static void put_entry(struct trail *t, const struct audit_entry *e)
{
	struct json_w w;

	if (t->csv) {
		audit_csv(e, &t->out);
	} else {
		json_w_init(&w, &t->out);
		audit_write(e, &w);
		buf_putc(&t->out, '\n');
	}
	t->n++;
	t->after = e->number;
}

/* Entries until the parcel is full. What was read and is not in it is read again. */
static bool fill(struct trail *t, struct db *db, struct arena *tick, struct err *err)
{
	struct audit_list list;
	bool more = true;
	size_t i = 0;

	if (!t->begun) {
		t->begun = true;
		if (!store_audit_head(t->caller.org, db, &t->keep, &t->head, err)) {
			return false;
		}
		if (t->csv) {
			audit_csv_head(&t->out);
		}
	}
	if (!store_audit_walk(t->caller.org, db, &t->filter, t->after, t->head.number,
			      ROWS_PER_READ, tick, &list, &more, err)) {
		return false;
	}
	while (i < list.n && t->out.n < PARCEL_BYTES) {
		put_entry(t, &list.rows[i++]);
	}
	t->over = i == list.n && !more;
	if (t->over && !t->csv) {
		put_end(t);
	}
	return true;
}

static void deliver(void *arg);

static void work(struct job *job, void *local)
{
	struct trail *t = CONTAINER_OF(job, struct trail, job);
	struct arena tick;

	arena_init(&tick, 0);
	if (!fill(t, local, &tick, &t->err)) {
		log_warn("export_failed", log_str("error", t->err.text));
	}
	arena_release(&tick);
	api_post(t->api, deliver, t);
}

static void go_on(struct trail *t)
{
	t->job = (struct job) { .run = work, .wait = { .flow = t->caller.org.v } };
	t->busy = workers_submit(t->api->workers, &t->job);
	if (!t->busy) {
		http_stream_abort(t->stream);
	}
}

static void has_room(void *arg, struct http_stream *st UNUSED)
{
	go_on(arg);
}

static struct chunk *pack(struct trail *t)
{
	struct chunk *parcel = chunk_new(t->out.n + FRAME_BYTES);
	struct buf to = { .p = parcel->p, .cap = parcel->cap, .max = parcel->cap };

	if (t->chunked && t->out.n > 0) {
		buf_printf(&to, "%zx\r\n", t->out.n);
	}
	buf_puts(&to, buf_slice(&t->out));
	if (t->chunked && t->out.n > 0) {
		buf_puts(&to, S("\r\n"));
	}
	if (t->chunked && t->over) {
		buf_puts(&to, S("0\r\n\r\n"));
	}
	ensure(!to.overflow && to.p == parcel->p);
	parcel->n = to.n;
	buf_cut(&t->out, 0);
	return parcel;
}

static void send_parcel(struct trail *t)
{
	struct chunk *parcel = pack(t);
	bool sent = caller_is_alive(t->api, &t->caller) && http_stream_write(t->stream, parcel);

	chunk_unref(&parcel);
	if (!sent) {
		http_stream_abort(t->stream);
	} else if (t->over) {
		http_stream_end(t->stream);
	} else if (http_stream_queued(t->stream) <= LOW_BYTES) {
		go_on(t);
	} else {
		http_stream_on_room(t->stream, LOW_BYTES, has_room, t);
	}
}

static void deliver(void *arg)
{
	struct trail *t = arg;

	t->busy = false;
	if (t->stream == NULL) {
		trail_free(t);
	} else if (t->err.kind != ERR_NONE || t->out.overflow || t->api->stopping) {
		http_stream_abort(t->stream);
	} else {
		send_parcel(t);
	}
}

static void on_close(void *arg, struct http_stream *st UNUSED)
{
	struct trail *t = arg;

	t->stream = NULL;
	if (!t->busy) {
		trail_free(t);
	}
}

static const char *type_of(bool csv)
{
	return csv ? "text/csv; charset=utf-8; header=present" : "application/x-ndjson";
}

static void begin_stream(struct trail *t, struct call *c)
{
	struct http_header headers[CORS_HEADERS_MAX + 8];
	size_t n = 0;

	headers[n++] = (struct http_header) { S("Content-Type"), slice_of(type_of(t->csv)) };
	headers[n++] = (struct http_header) { S("Cache-Control"), S("no-store") };
	headers[n++] = (struct http_header) { S("X-Accel-Buffering"), S("no") };
	headers[n++] = (struct http_header) { S("Content-Disposition"),
					      t->csv ? S("attachment; filename=\"audit.csv\"")
						     : S("attachment; filename=\"audit.ndjson\"") };
	if (t->chunked) {
		headers[n++] = (struct http_header) { S("Transfer-Encoding"), S("chunked") };
	}
	n += cors_headers(c, headers + n);
	t->stream = http_stream_begin(c->x, 200, headers, n);
	http_stream_on_close(t->stream, on_close, t);
}

static struct trail *trail_new(struct call *c, const struct audit_filter *filter, bool csv)
{
	struct trail *t = mem_alloc(1, sizeof(*t));
	struct slice *texts[] = { &t->filter.actor, &t->filter.actor_id, &t->filter.action,
				  &t->filter.target, &t->filter.target_id };

	t->api = c->api;
	t->caller = c->caller;
	t->filter = *filter;
	t->csv = csv;
	t->chunked = c->http->minor > 0;
	arena_init(&t->keep, 0);
	buf_init(&t->out, OUT_BYTES_MAX);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		*texts[i] = arena_dup(&t->keep, *texts[i]);
	}
	return t;
}

static bool wants_csv(struct call *c, const struct export_in *in)
{
	struct slice accept = http_request_header(c->http, HTTP_H_ACCEPT);

	if (in->format == FORMAT_UNSAID) {
		return accept.n > 0 && memmem(accept.p, accept.n, "text/csv", 8) != NULL;
	}
	return in->format == FORMAT_CSV;
}

void audits_send(struct call *c, const struct audit_filter *filter, bool csv)
{
	struct trail *t;

	if (c->http->method == HTTP_HEAD) {
		call_empty(c, 200);
		c->answer.type = type_of(csv);
		call_send(c);
		return;
	}
	t = trail_new(c, filter, csv);
	begin_stream(t, c);
	go_on(t);
}

void audits_export(struct call *c)
{
	struct audit_filter filter;
	struct export_in in = { 0 };

	if (!call_query_fields(c, export_rows, ARRAY_LEN(export_rows), &in, &c->err) ||
	    !audits_filter(c, &filter, &c->err)) {
		call_problem(c, &c->err);
		call_send(c);
		return;
	}
	audits_send(c, &filter, wants_csv(c, &in));
}

static const struct prop end_props[] = {
	PROP_INT("entries", .help = "How many are in this file."),
	PROP_INT("number", .help = "Of the newest entry there was."),
	PROP_STR("hash", .flags = PROP_NULL, .help = "Its hash: keep it to check the log later."),
};
static const struct shape shape_end = { SHAPE_PROPS(end_props) };
static const struct prop end_line_props[] = { PROP_SHAPE("end", &shape_end) };
static const struct shape shape_end_line = { .name = "AuditEnd",
					     .help = "The last line; a cut connection has none.",
					     SHAPE_PROPS(end_line_props) };
static const struct prop line_props[] = {
	PROP_SHAPE(NULL, &shape_audit),
	PROP_SHAPE(NULL, &shape_end_line),
};
const struct shape shape_audits_line = { .one_of = true, SHAPE_PROPS(line_props) };
