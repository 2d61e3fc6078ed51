/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tap copies a line into a small block of JSON and puts it into the queue; everything else
 * happens on the thread. How much goes out is a matter of tokens there: a storm of errors is told
 * by its first lines and by how many followed.
 */
#include "engine/reporter.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json_put.h"
#include "base/queue.h"
#include "base/rand.h"
#include "base/utf8.h"
#include "engine/sentry.h"
#include "net/http_client.h"

#define QUEUE_MAX 64			/* lines that wait; a burst of errors, not a flood */
#define CALLS_MAX 4			/* at once */
#define FIELDS_BYTES_MAX ((size_t)8192) /* of one line; a log line is at most 4 KiB */
#define VALUE_BYTES_MAX ((size_t)1000)	/* of one field */
#define NAME_BYTES_MAX 64
#define SECRET_BYTES_MIN 6 /* what is shorter would mask ordinary words */
#define TOKENS_MAX 20	   /* reports at once */
#define TOKEN_US (6 * US_PER_S)
#define REFUSED_US (60 * US_PER_S) /* the receiver said 429 and not for how long */
#define REFUSED_S_MAX 3600
#define IDLE_US US_PER_S

struct line {
	int64_t at_us;
	char name[NAME_BYTES_MAX];
	size_t n;
	char fields[]; /* JSON */
};

struct reporter {
	struct reporter_options o;
	struct slice secrets[REPORTER_SECRETS_MAX * 3]; /* each, its user name and its password */
	struct sentry_dsn dsn;
	struct arena boot;
	struct http_client *client;
	struct queue *lines;
	pthread_t thread;
	size_t active; /* calls under way; this thread */
	bool beating;
	bool beat_failed;
	int64_t tokens_us;    /* tokens times TOKEN_US */
	int64_t filled_us;    /* monotonic: when tokens were added */
	int64_t refused_us;   /* monotonic: nothing goes out before */
	uint64_t dropped;     /* since the last report; atomic */
	int beat;	      /* atomic */
	int stopping;	      /* atomic */
	int64_t deadline_us;  /* monotonic; when stopping */
	pthread_mutex_t lock; /* of what follows */
	struct metrics *metrics;
};

static void count(struct reporter *r, enum metric id)
{
	pthread_mutex_lock(&r->lock);
	if (r->metrics != NULL) {
		metric_add(r->metrics, id, 1);
	}
	pthread_mutex_unlock(&r->lock);
}

static void drop(struct reporter *r)
{
	__atomic_add_fetch(&r->dropped, 1, __ATOMIC_RELAXED);
	count(r, METRIC_REPORT_DROPPED);
}

/* Where the first secret is in the text; text.n when there is none. *len is how long it is. */
static size_t find_secret(const struct reporter *r, struct slice text, size_t *len)
{
	for (size_t at = 0; at < text.n; at++) {
		for (size_t i = 0; i < ARRAY_LEN(r->secrets); i++) {
			struct slice secret = r->secrets[i];

			if (secret.n >= SECRET_BYTES_MIN &&
			    slice_starts(slice_from(text, at), secret)) {
				*len = secret.n;
				return at;
			}
		}
	}
	*len = 0;
	return text.n;
}

static void put_masked(const struct reporter *r, struct json_w *w, struct slice text)
{
	struct buf out;

	buf_init(&out, VALUE_BYTES_MAX * 4);
	while (text.n > 0) {
		size_t len, at = find_secret(r, text, &len);

		buf_puts(&out, (struct slice) { text.p, at });
		buf_puts(&out, len > 0 ? S("********") : S(""));
		text = slice_from(text, at + len);
	}
	json_w_str(w, utf8_cut(buf_slice(&out), VALUE_BYTES_MAX));
	buf_release(&out);
}

static void put_field(const struct reporter *r, struct json_w *w, const struct log_field *f)
{
	json_w_key(w, f->key);
	switch (f->type) {
	case LOG_STR:
		put_masked(r, w, utf8_cut(f->str, LOG_LINE_BYTES_MAX));
		return;
	case LOG_INT:
		json_w_int(w, f->num);
		return;
	case LOG_BOOL:
		json_w_bool(w, f->num != 0);
		return;
	case LOG_END:
		break;
	}
	never("a log field without a type");
}

static struct line *line_new(const struct reporter *r, const char *name,
			     const struct log_field *fields)
{
	struct slice head = utf8_cut(slice_of(name), NAME_BYTES_MAX - 1);
	struct line *line;
	struct json_w w;
	struct buf out;

	buf_init(&out, FIELDS_BYTES_MAX);
	json_w_init(&w, &out);
	json_w_object(&w);
	for (; fields->type != LOG_END; fields++) {
		put_field(r, &w, fields);
	}
	json_w_end(&w);
	if (out.overflow) {
		buf_cut(&out, 0);
		buf_puts(&out, S("{\"cut\":true}"));
	}
	line = mem_alloc(1, sizeof(*line) + out.n);
	line->at_us = clock_wall_us();
	memcpy(line->name, head.p, head.n);
	line->n = out.n;
	memcpy(line->fields, out.p, out.n);
	buf_release(&out);
	return line;
}

/* On whatever thread has the error. */
static void on_error(void *arg, const char *name, const struct log_field *fields)
{
	struct reporter *r = arg;
	struct line *line = line_new(r, name, fields);

	if (!queue_put(r->lines, line)) {
		drop(r);
		free(line);
	}
}

static void beat_done(void *ctx, const struct http_result *result)
{
	struct reporter *r = ctx;
	bool ok = result->fail == HTTP_FAIL_NONE && result->status / 100 == 2;

	r->active--;
	r->beating = false;
	count(r, ok ? METRIC_HEARTBEAT_SENT : METRIC_HEARTBEAT_FAILED);
	if (!ok && !r->beat_failed) {
		log_warn("heartbeat_failed", log_str("reason", http_fail_name(result->fail)),
			 log_int("status", result->status));
	}
	r->beat_failed = !ok;
}

static void send_beat(struct reporter *r)
{
	struct http_call call = { .method = "GET", .url = r->o.heartbeat_url };

	if (r->beating || __atomic_exchange_n(&r->beat, 0, __ATOMIC_ACQ_REL) == 0) {
		return;
	}
	r->beating = http_client_send(r->client, &call, beat_done, r);
	if (r->beating) {
		r->active++;
	} else {
		__atomic_store_n(&r->beat, 1, __ATOMIC_RELEASE);
	}
}

static int64_t retry_after_us(struct slice text)
{
	uint64_t seconds;

	if (!slice_u64(text, &seconds)) {
		return REFUSED_US;
	}
	return (int64_t)(seconds < REFUSED_S_MAX ? seconds : REFUSED_S_MAX) * US_PER_S;
}

static void report_done(void *ctx, const struct http_result *result)
{
	struct reporter *r = ctx;
	bool ok = result->fail == HTTP_FAIL_NONE && result->status / 100 == 2;

	r->active--;
	count(r, ok ? METRIC_REPORT_SENT : METRIC_REPORT_FAILED);
	if (result->status == 429) {
		r->refused_us = clock_mono_us() + retry_after_us(result->retry_after);
	}
}

/* A token comes every TOKEN_US, up to TOKENS_MAX. */
static bool take_token(struct reporter *r)
{
	int64_t now_us = clock_mono_us();

	r->tokens_us += now_us - r->filled_us;
	r->filled_us = now_us;
	if (r->tokens_us > TOKENS_MAX * TOKEN_US) {
		r->tokens_us = TOKENS_MAX * TOKEN_US;
	}
	if (r->tokens_us < TOKEN_US || now_us < r->refused_us) {
		return false;
	}
	r->tokens_us -= TOKEN_US;
	return true;
}

static bool send_line(struct reporter *r, const struct line *line)
{
	const struct http_call_header headers[] = {
		{ S("Content-Type"), S("application/x-sentry-envelope") },
		{ S("X-Sentry-Auth"), r->dsn.auth },
	};
	struct sentry_event event = { .at_us = line->at_us,
				      .name = line->name,
				      .fields = { line->fields, line->n },
				      .dropped = __atomic_exchange_n(&r->dropped, 0,
								     __ATOMIC_RELAXED) };
	struct http_call call = { .url = r->dsn.url,
				  .headers = headers,
				  .headers_n = ARRAY_LEN(headers) };
	struct buf body;
	bool ok;

	rand_bytes(event.id, sizeof(event.id));
	buf_init(&body, SENTRY_ENVELOPE_BYTES_MAX);
	sentry_envelope(&event, &body);
	call.body = buf_slice(&body);
	ok = http_client_send(r->client, &call, report_done, r);
	r->active += ok;
	buf_release(&body);
	return ok;
}

static void send_lines(struct reporter *r)
{
	struct line *line;

	while (http_client_room(r->client) > 1 && (line = queue_take(r->lines, 0)) != NULL) {
		if (!take_token(r) || !send_line(r, line)) {
			drop(r);
		}
		free(line);
	}
}

static bool go_on(struct reporter *r)
{
	if (__atomic_load_n(&r->stopping, __ATOMIC_ACQUIRE) == 0) {
		return true;
	}
	return (r->active > 0 || queue_len(r->lines) > 0) && clock_mono_us() < r->deadline_us;
}

static void *run(void *arg)
{
	struct reporter *r = arg;

	while (go_on(r)) {
		send_beat(r);
		send_lines(r);
		http_client_run_once(r->client, IDLE_US);
	}
	return NULL;
}

static void wake(void *arg)
{
	http_client_wake(((struct reporter *)arg)->client);
}

/* The operator chose where to: inside addresses are as good as any. */
static void open_client(struct reporter *r)
{
	struct http_client_options options = { .policy = { .all = true },
					       .concurrency = CALLS_MAX };

	r->client = http_client_new(&options);
	r->lines = queue_new(QUEUE_MAX, wake, r);
	r->filled_us = clock_mono_us();
	r->tokens_us = TOKENS_MAX * TOKEN_US;
}

/* Of an address, what stands in front of the last @ is a secret by itself, and so is its end. */
static void keep_secrets(struct reporter *r)
{
	for (size_t i = 0; i < REPORTER_SECRETS_MAX; i++) {
		struct slice whole = r->o.secrets[i], *to = &r->secrets[i * 3], user = whole;
		size_t colon = slice_find(whole, ':');

		to[0] = whole;
		while (user.n > 0 && user.p[user.n - 1] != '@') {
			user.n--;
		}
		if (user.n > colon + 3 && memcmp(whole.p + colon, "://", 3) == 0) {
			user.n--;
			to[1] = slice_from(user, colon + 3);
			colon = slice_find(to[1], ':');
			to[2] = colon < to[1].n ? slice_from(to[1], colon + 1)
						: (struct slice) { 0 };
		}
	}
}

bool reporter_open(struct reporter **rp, const struct reporter_options *options, struct err *err)
{
	struct reporter *r;

	*rp = NULL;
	if (options->heartbeat_url.n == 0 && options->sentry_dsn.n == 0) {
		return true;
	}
	r = mem_alloc(1, sizeof(*r));
	r->o = *options;
	keep_secrets(r);
	arena_init(&r->boot, 0);
	if (options->sentry_dsn.n > 0 &&
	    !sentry_dsn_parse(options->sentry_dsn, &r->boot, &r->dsn, err)) {
		arena_release(&r->boot);
		free(r);
		return false;
	}
	pthread_mutex_init(&r->lock, NULL);
	open_client(r);
	ensure(pthread_create(&r->thread, NULL, run, r) == 0);
	if (options->sentry_dsn.n > 0) {
		log_tap(on_error, r);
	}
	*rp = r;
	return true;
}

void reporter_close(struct reporter **rp, int64_t wait_us)
{
	struct reporter *r = *rp;
	struct line *line;

	if (r == NULL) {
		return;
	}
	log_tap(NULL, NULL);
	r->deadline_us = clock_mono_us() + wait_us;
	__atomic_store_n(&r->stopping, 1, __ATOMIC_RELEASE);
	http_client_wake(r->client);
	pthread_join(r->thread, NULL);
	http_client_free(&r->client);
	while ((line = queue_take(r->lines, 0)) != NULL) {
		free(line);
	}
	queue_free(&r->lines);
	pthread_mutex_destroy(&r->lock);
	arena_release(&r->boot);
	free(r);
	*rp = NULL;
}

void reporter_count_in(struct reporter *r, struct metrics *metrics)
{
	if (r != NULL) {
		pthread_mutex_lock(&r->lock);
		r->metrics = metrics;
		pthread_mutex_unlock(&r->lock);
	}
}

void reporter_beat(struct reporter *r)
{
	if (r != NULL) {
		__atomic_store_n(&r->beat, 1, __ATOMIC_RELEASE);
		http_client_wake(r->client);
	}
}
