/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many events in one request, each with its own verdict. All items are read before the first is
 * stored, so a body that breaks off stores nothing; both happen in slices of a millisecond, so that
 * a body of 10 MiB keeps nobody waiting.
 */
#include "api/ingest.h"

#include <stdio.h>

#include "api/api.h"
#include "base/clock.h"

#define PART_ITEMS 256

struct rejected {
	enum err_kind kind;
	char field[sizeof(((struct err *)0)->field)];
	char text[sizeof(((struct err *)0)->text)];
};

/* What became of one item: rejected when read, or the record with this place in its part. */
struct entry {
	struct rejected *rejected;
	uint32_t record;
};

/* A run of items: what one journal batch stores. */
struct part {
	struct part *next;
	struct many *all;
	struct entry entries[PART_ITEMS];
	size_t n;
	struct record records[PART_ITEMS];
	size_t body_at[PART_ITEMS]; /* bodies move while bytes grows: places first */
	size_t n_records;
	struct buf bytes;
	struct journal_batch batch;
	struct journal_result results[PART_ITEMS];
	struct err failure; /* of storing it */
};

struct many {
	struct call *call;
	struct loop_timer timer; /* the next slice */
	enum ingest_shape shape;
	struct json_scan scan;
	struct slice lines; /* SHAPE_LINES: what is not read yet */
	struct slice header_key;
	bool read;    /* all items are read */
	size_t items; /* read so far */
	struct part *first, *last;
	struct part *store; /* the next part to append */
	size_t flushing;    /* parts appended and not done */
	size_t counts[3];   /* accepted, duplicate, rejected */
	struct json_w w;
};

static void finish(struct many *m);

static void fail_all(struct many *m)
{
	struct call *c = m->call;

	for (struct part *p = m->first; p != NULL; p = p->next) {
		buf_release(&p->bytes);
	}
	ingest_count(c->api, c->err.kind);
	call_problem(c, &c->err);
	call_send(c);
}

static struct part *part_with_room(struct many *m)
{
	struct part *p = m->last;

	if (p != NULL && p->n < PART_ITEMS) {
		return p;
	}
	p = arena_new(m->call->req, struct part);
	p->all = m;
	buf_init(&p->bytes, INGEST_BODY_BYTES_MAX + PART_ITEMS * 64);
	if (m->first == NULL) {
		m->first = p;
	} else {
		m->last->next = p;
	}
	m->last = p;
	return p;
}

static void reject(struct many *m, const struct err *err)
{
	struct part *p = part_with_room(m);
	struct rejected *r = arena_new(m->call->req, struct rejected);

	r->kind = err->kind;
	memcpy(r->field, err->field, sizeof(r->field));
	memcpy(r->text, err->text, sizeof(r->text));
	p->entries[p->n++].rejected = r;
	m->items++;
}

/* An item without a key of its own takes the header's and its place. */
static bool give_key(struct many *m, struct event *event, struct err *err)
{
	if (event->idempotency_key.n > 0 || m->header_key.n == 0) {
		return true;
	}
	event->idempotency_key = arena_printf(m->call->req, "%.*s/%zu", SARG(m->header_key),
					      m->items);
	if (event->idempotency_key.n > EVENT_IDEMPOTENCY_KEY_BYTES_MAX) {
		return err_field(err, ERR_INVALID, "Idempotency-Key",
				 "\"Idempotency-Key\" of a batch must be at most %d bytes",
				 EVENT_IDEMPOTENCY_KEY_BYTES_MAX - 6);
	}
	return true;
}

static bool keep(struct many *m, struct event *event, struct err *err)
{
	struct part *p = part_with_room(m);
	size_t at = p->bytes.n;

	if (!give_key(m, event, err)) {
		return false;
	}
	event_encode(event, &p->bytes);
	ensure(!p->bytes.overflow);
	if (p->bytes.n - at > EVENT_BYTES_MAX) {
		buf_cut(&p->bytes, at);
		return err_set(err, ERR_TOO_LARGE, "the event is over %zu bytes", EVENT_BYTES_MAX);
	}
	p->records[p->n_records] =
		ingest_record(m->call->api, &m->call->caller, event,
			      (struct slice) { p->bytes.p + at, p->bytes.n - at });
	p->records[p->n_records].type = arena_dup(m->call->req, event->type);
	p->body_at[p->n_records] = at;
	p->entries[p->n].record = (uint32_t)p->n_records++;
	p->n++;
	m->items++;
	return true;
}

/* One item that comes next in scan. False: the text is no JSON and the whole body is refused. */
static bool read_item(struct many *m, struct json_scan *scan, const char *at)
{
	unsigned depth = scan->depth;
	struct source_extra extra;
	struct call *c = m->call;
	struct event event;

	buf_cut(&c->api->raw, 0);
	if (!source_read(&source_native, scan, c->req, &c->api->raw, at, &event, &extra, &c->err)) {
		if (c->err.kind == ERR_MALFORMED) {
			return false;
		}
		reject(m, &c->err);
		return json_leave(scan, depth, &c->err);
	}
	if (!keep(m, &event, &c->err)) {
		reject(m, &c->err);
	}
	return true;
}

/* Lines stand alone: one that is no JSON is that line's affair, and paths begin in it. */
static void read_line(struct many *m, struct slice line)
{
	struct source_extra extra;
	struct call *c = m->call;
	struct json_scan scan;
	struct event event;

	buf_cut(&c->api->raw, 0);
	json_scan_init(&scan, line, JSON_DEPTH_MAX, c->req);
	if (!source_read(&source_native, &scan, c->req, &c->api->raw, "", &event, &extra,
			 &c->err) ||
	    !json_end(&scan, &c->err) || !keep(m, &event, &c->err)) {
		reject(m, &c->err);
	}
}

/* NOT_FOUND: the list is over. */
static enum found read_next_line(struct many *m)
{
	struct slice line;

	while (slice_split(&m->lines, '\n', &line)) {
		line = slice_trim(line);
		if (line.n > 0 && line.p[line.n - 1] == '\r') {
			line.n--;
		}
		if (line.n > 0) {
			read_line(m, line);
			return FOUND;
		}
	}
	return NOT_FOUND;
}

/* Behind the list: the end of the wrapper and of the body. */
static bool read_end(struct many *m)
{
	struct err *err = &m->call->err;
	struct slice key;

	if (m->shape == SHAPE_WRAPPER) {
		switch (json_next_key(&m->scan, &key, err)) {
		case FOUND:
			return err_field(err, ERR_INVALID, "events",
					 "\"events\" must be the only member beside the list");
		case FAILED:
			return false;
		case NOT_FOUND:
			break;
		}
	}
	return json_end(&m->scan, err);
}

static enum found read_next(struct many *m)
{
	enum found more;
	char at[32];

	if (m->items == INGEST_ITEMS_MAX + 1) {
		err_set(&m->call->err, ERR_TOO_LARGE, "a batch has at most %d items",
			INGEST_ITEMS_MAX);
		return FAILED;
	}
	if (m->shape == SHAPE_LINES) {
		return read_next_line(m);
	}
	more = json_next_item(&m->scan, &m->call->err);
	if (more == FOUND) {
		snprintf(at, sizeof(at), m->shape == SHAPE_WRAPPER ? "events[%zu]." : "[%zu].",
			 m->items);
		return read_item(m, &m->scan, at) ? FOUND : FAILED;
	}
	return more == NOT_FOUND && read_end(m) ? NOT_FOUND : FAILED;
}

static bool begin(struct many *m)
{
	struct err *err = &m->call->err;
	struct slice key;

	if (!ingest_header_key(m->call, &m->header_key, err)) {
		return false;
	}
	if (m->shape == SHAPE_LINES) {
		m->lines = m->call->http->body;
		return true;
	}
	json_scan_init(&m->scan, m->call->http->body, JSON_DEPTH_MAX, m->call->req);
	if (m->shape == SHAPE_WRAPPER &&
	    (!json_begin_object(&m->scan, err) || json_next_key(&m->scan, &key, err) != FOUND)) {
		return false;
	}
	return json_begin_array(&m->scan, err);
}

/* What a failed append or flush means for the items of the part. */
static void write_item(struct many *m, const struct part *p, size_t i, size_t index)
{
	static const char *const words[] = { "accepted", "duplicate", "rejected" };
	const struct rejected *r = p->entries[i].rejected;
	const struct journal_result *res = &p->results[p->entries[i].record];
	struct rejected late = { .kind = p->failure.kind };
	size_t word = 2;

	if (r == NULL && p->failure.kind != ERR_NONE) {
		snprintf(late.text, sizeof(late.text), "%s", p->failure.text);
		r = &late;
	} else if (r == NULL && res->verdict == JOURNAL_CONFLICT) {
		late = (struct rejected) {
			.kind = ERR_IDEMPOTENCY,
			.text = "this idempotency key was used with another body"
		};
		r = &late;
	} else if (r == NULL && res->verdict == JOURNAL_UNREADABLE) {
		late = (struct rejected) {
			.kind = ERR_CORRUPT, .text = "the record of this idempotency key is damaged"
		};
		r = &late;
	} else if (r == NULL) {
		word = res->verdict == JOURNAL_DUPLICATE;
	}
	m->counts[word]++;
	json_w_object(&m->w);
	json_w_key(&m->w, "index");
	json_w_int(&m->w, (int64_t)index);
	json_w_key(&m->w, "status");
	json_w_str(&m->w, slice_of(words[word]));
	if (r == NULL) {
		struct id_text id = ingest_event_id(m->call->api, res->seq, res->received_at_us);

		json_w_key(&m->w, "id");
		json_w_str(&m->w, slice_of(id.p));
	} else {
		ingest_count(m->call->api, r->kind);
		json_w_key(&m->w, "error");
		json_w_str(&m->w, slice_of(r->text));
		json_w_key(&m->w, "code");
		json_w_str(&m->w, slice_of(err_info(r->kind)->code));
		if (r->field[0] != '\0') {
			json_w_key(&m->w, "field");
			json_w_str(&m->w, slice_of(r->field));
		}
	}
	json_w_end(&m->w);
}

static void part_done(struct journal_batch *batch, const struct err *failure)
{
	struct part *p = batch->arg;

	if (failure != NULL) {
		p->failure = *failure;
	}
	p->all->flushing--;
	if (p->all->store == NULL && p->all->flushing == 0) {
		finish(p->all);
	}
}

static void store_part(struct many *m, struct part *p)
{
	struct call *c = m->call;

	for (size_t i = 0; i < p->n_records; i++) {
		p->records[i].body.p = p->bytes.p + p->body_at[i];
	}
	p->batch = (struct journal_batch) { .items = p->records,
					    .n = p->n_records,
					    .results = p->results,
					    .done = part_done,
					    .arg = p };
	if (p->n_records > 0) {
		if (journal_append(c->api->journal, &p->batch, c->now_us, loop_now_us(c->api->loop),
				   &p->failure)) {
			p->failure.kind = ERR_NONE;
			m->flushing++;
		}
	}
	buf_release(&p->bytes);
}

static void finish(struct many *m)
{
	struct call *c = m->call;
	size_t index = 0;

	m->w = call_json(c, 200);
	json_w_object(&m->w);
	json_w_key(&m->w, "data");
	json_w_array(&m->w);
	for (struct part *p = m->first; p != NULL; p = p->next) {
		for (size_t i = 0; i < p->n; i++) {
			write_item(m, p, i, index++);
		}
	}
	json_w_end(&m->w);
	json_w_key(&m->w, "accepted");
	json_w_int(&m->w, (int64_t)m->counts[0]);
	json_w_key(&m->w, "duplicate");
	json_w_int(&m->w, (int64_t)m->counts[1]);
	json_w_key(&m->w, "rejected");
	json_w_int(&m->w, (int64_t)m->counts[2]);
	json_w_end(&m->w);
	metric_add(c->api->metrics, METRIC_INGEST_STORED, m->counts[0]);
	metric_add(c->api->metrics, METRIC_INGEST_DUPLICATE, m->counts[1]);
	call_send(c);
}

/* A slice: read, then store, until the time is up. */
static void run(void *arg)
{
	struct many *m = arg;
	int64_t until_us = clock_mono_us() + INGEST_SLICE_US;

	while (!m->read && clock_mono_us() < until_us) {
		enum found more = read_next(m);

		if (more == FAILED) {
			fail_all(m);
			return;
		}
		if (more == NOT_FOUND) {
			m->read = true;
			m->store = m->first;
		}
	}
	while (m->read && m->store != NULL && clock_mono_us() < until_us) {
		struct part *p = m->store;

		m->store = p->next;
		store_part(m, p);
	}
	if (!m->read || m->store != NULL) {
		loop_timer_start(&m->timer, loop_now_us(m->call->api->loop));
	} else if (m->flushing == 0) {
		finish(m);
	}
}

void ingest_batch(struct call *c, enum ingest_shape shape)
{
	struct many *m = arena_new(c->req, struct many);

	m->call = c;
	m->shape = shape;
	loop_timer_init(&m->timer, c->api->loop, run, m);
	if (ingest_busy(c, &c->err) || !begin(m)) {
		fail_all(m);
		return;
	}
	run(m);
}
