/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tocsin send: one event from flags, or one per line from standard input. Every request has an
 * idempotency key, made up when none is given, so that after a broken connection the same request
 * is sent again and nothing is counted twice.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/json.h"
#include "base/rand.h"
#include "base/time.h"
#include "cmd/client.h"
#include "cmd/command.h"
#include "cmd/flags.h"
#include "cmd/lines.h"
#include "model/event.h"

#define READ_BYTES ((size_t)65536)
#define MORE_MS 20 /* lines that come close together go together */
#define TRIES_MAX 8
#define WAIT_MS_MIN 250 /* doubled with every try: half a minute in all */
#define WAIT_MS_MAX 8000
#define RETRY_AFTER_MS_MAX 60000
#define KEY_RANDOM_BYTES 16
#define BODY_BYTES_MAX (EVENT_BYTES_MAX * 2)

struct send_flags {
	struct client_flags to;
	struct slice type;
	const struct json *payload;
	unsigned kind;
	struct slice severity;
	struct slice source;
	struct slice environment;
	struct slice message;
	double value;
	struct field_map tags;
	struct slice fingerprint;
	int64_t occurred_us;
	struct slice idempotency_key;
	bool from_stdin;
	bool quiet;
};

static const char *const kind_words[] = { "event", "error", "metric", NULL };

static const struct field rows[] = {
	FIELD_STR(struct send_flags, type, "type", .min = 1, .max = 255,
		  .help = "What happened, such as checkout_failed."),
	FIELD_OBJECT(struct send_flags, payload, "payload", .max = EVENT_BYTES_MAX,
		     .help = "Details, a JSON object."),
	FIELD_ENUM(struct send_flags, kind, "kind", kind_words, .fallback = "event",
		   .help = "What it is."),
	FIELD_STR(struct send_flags, severity, "severity", .check = flags_severity_check,
		  .help = "How bad it is. One of debug, info, low, medium, high, critical."),
	FIELD_STR(struct send_flags, source, "source",
		  .help = "What it comes from, such as shop-api."),
	FIELD_STR(struct send_flags, environment, "environment",
		  .help = "Where, such as production."),
	FIELD_TEXT(struct send_flags, message, "message", .help = "One sentence for people."),
	FIELD_NUMBER(struct send_flags, value, "value", .help = "The number of a metric."),
	FIELD_MAP(struct send_flags, tags, "tag",
		  .help = "A label; may be repeated, or several with commas. A comma in a value is "
			  "written \\,"),
	FIELD_STR(struct send_flags, fingerprint, "fingerprint",
		  .help = "What makes it the same as others."),
	FIELD_TIME(struct send_flags, occurred_us, "occurred-at",
		   .help = "When it happened, as 2026-01-31T09:30:00Z. Without it: now."),
	FIELD_STR(struct send_flags, idempotency_key, "idempotency-key",
		  .help = "Sent twice under one key it is one event. Without it: a new one."),
	FIELD_BOOL(struct send_flags, from_stdin, "stdin",
		   .help = "Read events from standard input, one JSON object a line."),
	FIELD_BOOL(struct send_flags, quiet, "quiet", .help = "Print no ids."),
	CLIENT_FLAGS(struct send_flags, to),
};

struct sender {
	struct client *client;
	struct client_reply reply;
	const struct flags *flags;
	const struct send_flags *in;
	uint64_t counts[3]; /* by verdict: accepted, duplicate, rejected */
};

static void member(struct json_w *w, const char *name, struct slice value)
{
	if (value.n > 0) {
		json_w_key(w, name);
		json_w_str(w, value);
	}
}

static void write_tags(const struct field_map *tags, struct json_w *w)
{
	json_w_key(w, "tags");
	json_w_object(w);
	for (size_t i = 0; i < tags->n; i++) {
		json_w_key_slice(w, tags->v[i].key);
		json_w_str(w, tags->v[i].value);
	}
	json_w_end(w);
}

static void write_event(const struct flags *flags, const struct send_flags *in, struct buf *out)
{
	char text[TIME_TEXT_MAX];
	struct json_w w;

	json_w_init(&w, out);
	json_w_object(&w);
	member(&w, "type", in->type);
	member(&w, "kind", slice_of(kind_words[in->kind]));
	member(&w, "severity", in->severity);
	member(&w, "source", in->source);
	member(&w, "environment", in->environment);
	member(&w, "message", in->message);
	member(&w, "fingerprint", in->fingerprint);
	if (flags_given(flags, "occurred-at")) {
		member(&w, "occurredAt", time_format(in->occurred_us, TIME_MICROS, text));
	}
	if (flags_given(flags, "value")) {
		json_w_key(&w, "value");
		json_w_double(&w, in->value);
	}
	if (in->tags.n > 0) {
		write_tags(&in->tags, &w);
	}
	if (in->payload != NULL) {
		json_w_key(&w, "payload");
		json_w_raw(&w, in->payload->raw);
	}
	json_w_end(&w);
}

static struct slice new_key(char out[2 * KEY_RANDOM_BYTES])
{
	unsigned char random[KEY_RANDOM_BYTES];

	rand_bytes(random, sizeof(random));
	hex_encode(random, sizeof(random), out);
	return (struct slice) { out, 2 * KEY_RANDOM_BYTES };
}

/* Before try n, from 1: what the server said, else longer each time, and never all at once. */
static void wait_before(int n, int64_t retry_after_ms)
{
	int64_t ms = (int64_t)WAIT_MS_MIN << (n - 1);

	ms = ms > WAIT_MS_MAX ? WAIT_MS_MAX : ms;
	ms = ms / 2 + (int64_t)rand_below((uint64_t)ms / 2 + 1);
	if (retry_after_ms > ms) {
		ms = retry_after_ms > RETRY_AFTER_MS_MAX ? RETRY_AFTER_MS_MAX : retry_after_ms;
	}
	poll(NULL, 0, (int)ms);
}

static bool post(struct sender *s, const struct client_call *call, struct err *err)
{
	for (int n = 1;; n++) {
		bool answered = client_call(s->client, call, &s->reply, err);

		if (answered && client_ok(&s->reply, err)) {
			return true;
		}
		if (n == TRIES_MAX || (answered && !client_retryable(&s->reply))) {
			return false;
		}
		if (n == 2) {
			fprintf(stderr, "tocsin send: %s; trying again\n", err->text);
		}
		wait_before(n, s->reply.retry_after_ms);
	}
}

static bool print_id(const struct sender *s, const struct json *item)
{
	const struct json *id = json_get(item, "id");

	if (id == NULL || id->type != JSON_STRING) {
		return false;
	}
	if (!s->in->quiet) {
		printf("%.*s\n", SARG(id->text));
	}
	return true;
}

static bool parse_reply(struct sender *s, struct arena *req, const struct json **body,
			struct err *err)
{
	return json_parse(req, buf_slice(&s->reply.body), JSON_DEPTH_MAX, body, err) ||
	       err_wrap(err, "the server's answer");
}

static bool send_one(struct sender *s, struct arena *req, struct err *err)
{
	char made[2 * KEY_RANDOM_BYTES];
	const struct json *body;
	struct buf event;
	struct client_call call = { .method = "POST",
				    .path = S("/api/v1/events"),
				    .type = "application/json",
				    .idempotency_key = s->in->idempotency_key.n > 0
							       ? s->in->idempotency_key
							       : new_key(made) };
	bool ok;

	buf_init(&event, BODY_BYTES_MAX);
	write_event(s->flags, s->in, &event);
	call.body = buf_slice(&event);
	ok = post(s, &call, err) && parse_reply(s, req, &body, err) &&
	     (print_id(s, body) || err_set(err, ERR_UPSTREAM, "the server's answer has no id"));
	buf_release(&event);
	return ok;
}

/* The verdict on one line. */
static void tell(struct sender *s, const struct json *item, const struct lines_batch *batch)
{
	const struct json *status = json_get(item, "status"), *why = json_get(item, "error");
	const struct json *index = json_get(item, "index");
	int64_t i = -1;

	if (status != NULL && print_id(s, item)) {
		s->counts[slice_eq(status->text, S("duplicate"))]++;
		return;
	}
	s->counts[2]++;
	if (index != NULL && json_number_int(index->text, &i) && i >= 0 && (size_t)i < batch->n) {
		fprintf(stderr, "line %llu: %.*s\n", (unsigned long long)batch->numbers[i],
			why == NULL ? 0 : (int)why->text.n, why == NULL ? "" : why->text.p);
	}
}

static bool send_batch(struct sender *s, const struct lines_batch *batch, struct err *err)
{
	char made[2 * KEY_RANDOM_BYTES];
	struct client_call call = { .method = "POST",
				    .path = S("/api/v1/events"),
				    .type = "application/x-ndjson",
				    .body = batch->body,
				    .idempotency_key = new_key(made) };
	const struct json *body, *data;
	struct arena req;
	bool ok;

	arena_init(&req, 0);
	ok = post(s, &call, err) && parse_reply(s, &req, &body, err);
	if (ok) {
		data = json_get(body, "data");
		for (const struct json *v = data == NULL ? NULL : data->child; v != NULL;
		     v = v->next) {
			tell(s, v, batch);
		}
		fflush(stdout);
	}
	arena_release(&req);
	return ok || err_wrap(err, "lines %llu to %llu", (unsigned long long)batch->numbers[0],
			      (unsigned long long)batch->numbers[batch->n - 1]);
}

/* One read; at the end of the input *end is set. */
static bool read_more(struct lines *l, bool *end, struct err *err)
{
	char *to = lines_room(l, READ_BYTES);
	ssize_t n;

	if (to == NULL) {
		return err_set(err, ERR_TOO_LARGE, "line %llu is longer than a batch can be",
			       (unsigned long long)l->number + 1);
	}
	do {
		n = read(STDIN_FILENO, to, READ_BYTES);
	} while (n < 0 && errno == EINTR);
	if (n < 0) {
		return err_errno(err, errno, "read standard input");
	}
	lines_add(l, (size_t)n);
	*end = n == 0;
	return true;
}

static bool more_is_near(void)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };

	return poll(&p, 1, MORE_MS) > 0;
}

static bool send_lines(struct sender *s, struct lines *l, struct err *err)
{
	struct lines_batch *batch = mem_alloc(1, sizeof(*batch));
	bool end = false, ok = true;

	while (ok && !end) {
		ok = read_more(l, &end, err);
		if (!ok || (!end && !lines_full(l) && more_is_near())) {
			continue;
		}
		while (ok && lines_take(l, end, batch)) {
			ok = send_batch(s, batch, err);
		}
	}
	free(batch);
	return ok;
}

static bool send_stdin(struct sender *s, struct err *err)
{
	struct lines l;
	bool ok;

	lines_init(&l);
	ok = send_lines(s, &l, err);
	lines_release(&l);
	if (!s->in->quiet) {
		fprintf(stderr, "%llu accepted, %llu duplicate, %llu rejected\n",
			(unsigned long long)s->counts[0], (unsigned long long)s->counts[1],
			(unsigned long long)s->counts[2]);
	}
	return ok;
}

/* Either an event from flags or many from standard input. */
static bool check(const struct flags *flags, const struct send_flags *in, struct err *err)
{
	if (!in->from_stdin) {
		return in->type.n > 0 ||
		       err_set(err, ERR_INVALID, "\"--type\" is needed, or --stdin");
	}
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		bool of_event = rows[i].offset >= offsetof(struct send_flags, type) &&
				rows[i].offset < offsetof(struct send_flags, from_stdin);

		if (of_event && flags_given(flags, rows[i].name)) {
			return err_set(err, ERR_INVALID,
				       "\"--%s\" and --stdin do not go together: lines are whole "
				       "events",
				       rows[i].name);
		}
	}
	return true;
}

static int run(const struct flags *flags, const void *arg, struct arena *boot)
{
	const struct send_flags *in = arg;
	struct sender s = { .flags = flags, .in = in };
	struct err err;
	bool ok;

	if (!check(flags, in, &err) || !client_open(&s.client, &in->to, true, &err)) {
		fprintf(stderr, "tocsin send: %s\n", err.text);
		return 2;
	}
	ok = in->from_stdin ? send_stdin(&s, &err) : send_one(&s, boot, &err);
	client_reply_release(&s.reply);
	client_close(&s.client);
	if (!ok) {
		fprintf(stderr, "tocsin send: %s\n", err.text);
	}
	return ok && s.counts[2] == 0 ? 0 : 1;
}

int cmd_send(int argc, char **argv)
{
	struct flags flags = {
		.command = "send",
		.about =
			"Send one event from flags, or one per line from standard input, and print "
			"the ids. The exit\ncode is 0 when all were taken.",
		.rows = rows,
		.n = ARRAY_LEN(rows),
	};
	struct send_flags in = { 0 };

	return flags_run(&flags, argc, argv, &in, run);
}
