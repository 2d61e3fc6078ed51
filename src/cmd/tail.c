/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tocsin tail: the live stream in a terminal. After a broken connection it goes on behind the last
 * frame that was shown; what the server could not keep for it, it says.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rand.h"
#include "cmd/client.h"
#include "cmd/command.h"
#include "cmd/flags.h"
#include "cmd/sse.h"
#include "cmd/tail_line.h"

#define WAIT_MS_MIN 500
#define WAIT_MS_MAX 30000
#define LINE_BYTES_MAX (SSE_LINE_BYTES_MAX * 2)
#define DEPTH_MAX (JSON_DEPTH_MAX + 8) /* an event of full depth inside of a frame */

struct tail_flags {
	struct client_flags from;
	struct slice type;
	unsigned kind;
	struct slice severity;
	struct slice source;
	struct slice environment;
	unsigned only;
	bool json;
	bool utc;
	int64_t count;
	struct slice after;
};

static const char *const kind_words[] = { "", "event", "error", "metric", NULL };
static const char *const only_words[] = { "", "events", "alerts", "notifications", NULL };

static const struct field rows[] = {
	FIELD_STR(struct tail_flags, type, "type",
		  .help = "Only this type: exact, or payments.* for all that begin so."),
	FIELD_ENUM(struct tail_flags, kind, "kind", kind_words,
		   .help = "Only events of this kind."),
	FIELD_STR(struct tail_flags, severity, "severity", .check = flags_severity_check,
		  .help = "Only this bad or worse: debug, info, low, medium, high or critical."),
	FIELD_STR(struct tail_flags, source, "source", .help = "Only from this source."),
	FIELD_STR(struct tail_flags, environment, "environment",
		  .help = "Only from this environment."),
	FIELD_ENUM(struct tail_flags, only, "only", only_words,
		   .help = "Only frames of this sort."),
	FIELD_BOOL(struct tail_flags, json, "json", .help = "One JSON object a line, as it came."),
	FIELD_BOOL(struct tail_flags, utc, "utc", .help = "Absolute times in UTC, not ages."),
	FIELD_INT(struct tail_flags, count, "count", .min = 1, .max = INT64_C(1000000000),
		  .help = "End after so many lines."),
	FIELD_STR(struct tail_flags, after, "after",
		  .help = "Go on behind this id, as --json prints it."),
	CLIENT_FLAGS(struct tail_flags, from),
};

struct tail {
	const struct tail_flags *in;
	struct tail_filter filter;
	struct client *client;
	struct sse sse;
	struct buf line;
	bool colour;
	bool told; /* that the connection is lost */
	int64_t shown;
	int failures; /* in a row */
};

static bool is_done(const struct tail *t)
{
	return t->in->count > 0 && t->shown >= t->in->count;
}

/* Of the terminal as it is now; 0 when there is none. */
static size_t columns(void)
{
	struct winsize w;

	return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 ? w.ws_col : 0;
}

static void show(struct tail *t, const struct sse_event *e, const struct json *body)
{
	struct tail_look look = { .colour = t->colour,
				  .utc = t->in->utc,
				  .width = columns(),
				  .now_us = clock_wall_us() };

	buf_cut(&t->line, 0);
	if (t->in->json) {
		tail_write_json(e->name, e->id, body->raw, &t->line);
	} else {
		tail_write(&look, e->name, body, &t->line);
	}
	fwrite(t->line.p, 1, t->line.n, stdout);
	fflush(stdout);
	t->shown++;
}

static bool is_notice(struct tail *t, struct slice name)
{
	if (slice_eq(name, S("resync"))) {
		fprintf(stderr,
			"tocsin tail: resync: some of what happened meanwhile is not shown\n");
		return true;
	}
	if (slice_eq(name, S("connected")) && t->told) {
		fprintf(stderr, "tocsin tail: connected again\n");
		t->told = false;
	}
	return slice_eq(name, S("connected")) || slice_eq(name, S("closing"));
}

static void on_event(void *arg, const struct sse_event *e)
{
	struct tail *t = arg;
	const struct json *body;
	struct arena req;
	struct err ignored;

	if (is_done(t) || is_notice(t, e->name)) {
		return;
	}
	arena_init(&req, 0);
	if (json_parse(&req, e->data, DEPTH_MAX, &body, &ignored) && body->type == JSON_OBJECT &&
	    tail_wants(&t->filter, e->name, body)) {
		show(t, e, body);
	}
	arena_release(&req);
}

static bool on_bytes(void *arg, struct slice bytes)
{
	struct tail *t = arg;

	t->failures = 0;
	sse_feed(&t->sse, bytes, on_event, t);
	return !is_done(t);
}

/* Longer each time, as the server may ask, and not all clients at once. */
static void wait_to_connect(const struct tail *t, int64_t retry_after_ms)
{
	int64_t ms = WAIT_MS_MIN;

	for (int i = 1; i < t->failures && ms < WAIT_MS_MAX; i++) {
		ms *= 2;
	}
	ms = ms > t->sse.retry_ms ? ms : t->sse.retry_ms;
	ms = ms > retry_after_ms ? ms : retry_after_ms;
	ms = ms > WAIT_MS_MAX ? WAIT_MS_MAX : ms;
	poll(NULL, 0, (int)(ms / 2 + (int64_t)rand_below((uint64_t)ms / 2 + 1)));
}

/* One connection. False when there is no use in another one. */
static bool follow(struct tail *t, struct client_reply *reply, struct err *err)
{
	struct client_call call = { .method = "GET",
				    .path = S("/api/v1/stream"),
				    .last_event_id = { t->sse.id.p, t->sse.id.n } };
	bool answered;

	sse_restart(&t->sse);
	answered = client_stream(t->client, &call, on_bytes, t, reply, err);
	if (is_done(t)) {
		return false;
	}
	if (answered && !client_ok(reply, err) && !client_retryable(reply)) {
		return false;
	}
	if (answered && reply->status == 200) {
		err_set(err, ERR_UPSTREAM, "the server ended the stream");
	}
	return true;
}

static bool follow_for_ever(struct tail *t, struct err *err)
{
	struct client_reply reply = { 0 };

	while (follow(t, &reply, err)) {
		t->failures++;
		if (!t->told) {
			fprintf(stderr, "tocsin tail: %s; connecting again\n", err->text);
			t->told = true;
		}
		wait_to_connect(t, reply.retry_after_ms);
	}
	client_reply_release(&reply);
	return is_done(t);
}

static bool wants_colour(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && (no == NULL || no[0] == '\0') && term != NULL &&
	       strcmp(term, "dumb") != 0;
}

static void set_up(struct tail *t)
{
	const struct tail_flags *in = t->in;

	t->filter = (struct tail_filter) { .only = (enum tail_only)in->only,
					   .type = in->type,
					   .kind = slice_of(kind_words[in->kind]),
					   .severity = severity_parse(in->severity),
					   .source = in->source,
					   .environment = in->environment };
	t->colour = wants_colour();
	buf_init(&t->line, LINE_BYTES_MAX);
	sse_init(&t->sse);
	if (in->after.n > 0 && in->after.n <= sizeof(t->sse.id.p)) {
		memcpy(t->sse.id.p, in->after.p, in->after.n);
		t->sse.id.n = in->after.n;
	}
}

static int run(const struct flags *flags UNUSED, const void *arg, struct arena *boot UNUSED)
{
	const struct tail_flags *in = arg;
	struct tail t = { .in = in };
	struct err err;
	bool ok;

	if (!client_open(&t.client, &in->from, true, &err)) {
		fprintf(stderr, "tocsin tail: %s\n", err.text);
		return 2;
	}
	set_up(&t);
	ok = follow_for_ever(&t, &err);
	if (!ok) {
		fprintf(stderr, "tocsin tail: %s\n", err.text);
	}
	sse_release(&t.sse);
	buf_release(&t.line);
	client_close(&t.client);
	return ok ? 0 : 1;
}

int cmd_tail(int argc, char **argv)
{
	struct flags flags = {
		.command = "tail",
		.about = "Follow events, alerts and notifications as they happen, until you press "
			 "Ctrl-C.\nIn colour on a terminal, unless NO_COLOR is set.",
		.rows = rows,
		.n = ARRAY_LEN(rows),
	};
	struct tail_flags in = { 0 };

	return flags_run(&flags, argc, argv, &in, run);
}
