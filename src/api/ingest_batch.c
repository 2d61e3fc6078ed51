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
#include "base/json_put.h"

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
	size_t outcomes[OUTCOMES];
	bool over_soft;
	struct slice over_text; /* why items were over; made once */
	struct json_w w;
};

static void finish(struct many *m);

/* Of a body that is refused as a whole counts what was read of it, but at least as one. */
static void fail_all(struct many *m)
{
	size_t items = m->items > 0 ? m->items : 1;
	struct call *c = m->call;

	for (struct part *p = m->first; p != NULL; p = p->next) {
		buf_release(&p->bytes);
	}
	ingest_received(c, items);
	ingest_outcome(c, outcome_of(c->err.kind), items);
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

/* The decimal digits of n, at most 20; returns how many. */
static size_t put_digits(char *out, size_t n)
{
	char digits[20];
	size_t k = sizeof(digits);

	do {
		digits[--k] = (char)('0' + n % 10);
		n /= 10;
	} while (n > 0);
	memcpy(out, digits + k, sizeof(digits) - k);
	return sizeof(digits) - k;
}

/* "events[3].", by hand: it is made for every item and hardly ever read. */
static void put_path(char out[32], struct slice start, size_t n)
{
	size_t at = start.n;

	memcpy(out, start.p, start.n);
	at += put_digits(out + at, n);
	memcpy(out + at, "].", 3);
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
		put_path(at, m->shape == SHAPE_WRAPPER ? S("events[") : S("["), m->items);
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

/* Nearly every item of nearly every batch: one piece of JSON, put together without a writer. */
static void write_stored(struct many *m, const struct journal_result *res, size_t index)
{
	static const struct slice words[] = { { "accepted", 8 }, { "duplicate", 9 } };
	bool known = res->verdict == JOURNAL_DUPLICATE;
	struct id_text id = ingest_event_id(m->call->api, res->seq, res->received_at_us);
	struct slice parts[] = { S(",\"status\":\""), words[known], S("\",\"id\":\""),
				 slice_of(id.p), S("\"}") };
	char text[128] = "{\"index\":";
	size_t n = 9;

	n += put_digits(text + n, index);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		memcpy(text + n, parts[i].p, parts[i].n);
		n += parts[i].n;
	}
	ensure(n <= sizeof(text));
	m->counts[known]++;
	if (known || ingest_same_minute(m->call, res->received_at_us)) {
		m->outcomes[known ? OUTCOME_DUPLICATE : OUTCOME_ACCEPTED]++;
	} else {
		ingest_accepted(m->call, res->received_at_us, 1);
	}
	json_w_raw(&m->w, (struct slice) { text, n });
}

static void write_rejected(struct many *m, enum err_kind kind, struct slice text, const char *field,
			   size_t index)
{
	m->counts[2]++;
	m->outcomes[outcome_of(kind)]++;
	json_w_object(&m->w);
	json_put_int(&m->w, "index", (int64_t)index);
	json_put_str(&m->w, "status", S("rejected"));
	json_put_str(&m->w, "error", text);
	json_put_str(&m->w, "code", slice_of(err_info(kind)->code));
	if (field[0] != '\0') {
		json_put_str(&m->w, "field", slice_of(field));
	}
	json_w_end(&m->w);
}

static struct slice over_text(struct many *m)
{
	if (m->over_text.n == 0) {
		ingest_quota_refuse(m->call, ERR_LIMIT, &m->call->err);
		m->over_text = arena_dup(m->call->req, slice_of(m->call->err.text));
	}
	return m->over_text;
}

static void write_item(struct many *m, const struct part *p, size_t i, size_t index)
{
	const struct rejected *r = p->entries[i].rejected;
	const struct journal_result *res = &p->results[p->entries[i].record];

	if (r != NULL) {
		write_rejected(m, r->kind, slice_of(r->text), r->field, index);
	} else if (p->failure.kind != ERR_NONE) {
		write_rejected(m, p->failure.kind, slice_of(p->failure.text), "", index);
	} else if (res->verdict == JOURNAL_CONFLICT) {
		write_rejected(m, ERR_IDEMPOTENCY,
			       S("this idempotency key was used with another body"), "", index);
	} else if (res->verdict == JOURNAL_UNREADABLE) {
		write_rejected(m, ERR_CORRUPT, S("the record of this idempotency key is damaged"),
			       "", index);
	} else if (res->verdict == JOURNAL_OVER) {
		write_rejected(m, ERR_LIMIT, over_text(m), "", index);
	} else {
		write_stored(m, res, index);
	}
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
		bool over_soft = ingest_quota_ask(c, &p->batch);

		if (journal_append(c->api->journal, &p->batch, c->now_us, loop_now_us(c->api->loop),
				   &p->failure)) {
			p->failure.kind = ERR_NONE;
			ingest_quota_count(c, &p->batch);
			m->over_soft = m->over_soft || over_soft;
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
	if (m->over_soft && m->counts[0] > 0) {
		ingest_quota_warn(c);
	}
	ingest_accepted(c, c->now_us, m->outcomes[OUTCOME_ACCEPTED]);
	for (enum event_outcome i = OUTCOME_DUPLICATE; i < OUTCOMES; i++) {
		if (m->outcomes[i] > 0) {
			ingest_outcome(c, i, m->outcomes[i]);
		}
	}
	call_send(c);
}

static void run(void *arg);

/* In the next turn, or when it is the turn of this organization. */
static void go_on(struct many *m)
{
	if (!ingest_later(m->call, run, m)) {
		loop_timer_start(&m->timer, loop_now_us(m->call->api->loop));
	}
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
			ingest_received(m->call, m->items);
			m->store = m->first;
		}
	}
	while (m->read && m->store != NULL && clock_mono_us() < until_us) {
		struct part *p = m->store;

		m->store = p->next;
		store_part(m, p);
	}
	if (!m->read || m->store != NULL) {
		go_on(m);
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
