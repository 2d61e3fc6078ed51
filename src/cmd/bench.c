/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tocsin bench: load on any server and what it made of it. The command reads flags and prints; what
 * happens in between is cmd/bench/run.c.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rand.h"
#include "cmd/bench/report.h"
#include "cmd/bench/rules.h"
#include "cmd/client.h"
#include "cmd/command.h"
#include "cmd/flags.h"

#define REPORT_BYTES_MAX ((size_t)256 << 20) /* a day of samples */
#define SEED_BELOW (UINT64_C(1) << 48)	     /* short enough to type */
#define BATCH_MAX 10000			     /* as the server takes at most */
#define DURATION_S_MAX 86400

struct bench_flags {
	struct slice to;
	struct field_list keys;
	struct slice rate;
	bool poisson;
	int64_t duration_s;
	int64_t connections;
	int64_t batch;
	unsigned profile;
	int64_t seed;
	int64_t backlog;
	int64_t timeout_s;
	int64_t drain_s;
	struct slice receive_at;
	struct slice metrics_token;
	struct slice ca_file;
	bool json;
	bool progress;
};

static const char *const profile_words[] = { "simple", "mixed", NULL };

static const struct field rows[] = {
	FIELD_URL(struct bench_flags, to, "to",
		  .help = "Where the server is. Default: TOCSIN_URL, else http://127.0.0.1:3000."),
	FIELD_LIST(struct bench_flags, keys, "key", .max = 100, .flags = FIELD_SECRET,
		   .help = "An API key; may be repeated, for several projects. Without it: "
			   "TOCSIN_KEY or TOCSIN_KEY_FILE."),
	FIELD_STR(struct bench_flags, rate, "rate", .fallback = "1000",
		  .help = "Events a second, such as 500 or 500/s; or max: a closed loop that sends "
			  "as fast as answers come."),
	FIELD_BOOL(struct bench_flags, poisson, "poisson",
		   .help = "Plan the requests as independent arrivals instead of evenly."),
	FIELD_SECONDS(struct bench_flags, duration_s, "duration", .min = 1, .max = DURATION_S_MAX,
		      .fallback = "10", .help = "How long to send."),
	FIELD_INT(struct bench_flags, connections, "connections", .min = 1, .max = LANES_MAX,
		  .fallback = "32", .help = "Connections, one request at a time on each."),
	FIELD_INT(struct bench_flags, batch, "batch", .min = 1, .max = BATCH_MAX, .fallback = "1",
		  .help = "Events in one request."),
	FIELD_ENUM(struct bench_flags, profile, "profile", profile_words, .fallback = "simple",
		   .help = "What the events are like."),
	FIELD_INT(
		struct bench_flags, seed, "seed", .min = 0, .max = INT64_MAX,
		.help = "The same seed gives the same events. Without it: another one each time."),
	FIELD_INT(struct bench_flags, backlog, "backlog", .min = 1,
		  .max = (int64_t)PLAN_BACKLOG_MAX, .fallback = "10000",
		  .help = "Requests that may wait for a free connection; more are counted and "
			  "dropped."),
	FIELD_SECONDS(struct bench_flags, timeout_s, "timeout", .min = 1, .max = 3600,
		      .fallback = "30", .help = "When to give up on a request."),
	FIELD_SECONDS(struct bench_flags, drain_s, "drain", .min = 0, .max = 3600, .fallback = "30",
		      .help = "How long to wait at the end for answers and receipts."),
	FIELD_STR(
		struct bench_flags, receive_at, "receive-at", .fallback = "127.0.0.1",
		.help = "With webhooks: the IPv4 address of this machine, as the server sees it."),
	FIELD_STR(struct bench_flags, metrics_token, "metrics-token", .flags = FIELD_SECRET,
		  .help = "What the server's /metrics wants. Not needed on its own machine."),
	FIELD_STR(struct bench_flags, ca_file, "ca-file", .max = 4000,
		  .help = "With https: certificates to trust, instead of the system's."),
	FIELD_BOOL(struct bench_flags, json, "json", .help = "Print the report as JSON."),
	FIELD_BOOL(struct bench_flags, progress, "progress",
		   .help = "A line each second on standard error, also without a terminal."),
};

static const struct {
	const char *name;
	enum run_mode mode;
} modes[] = {
	{ "events", RUN_EVENTS },
	{ "webhooks", RUN_WEBHOOKS },
	{ "notifications", RUN_NOTIFICATIONS },
};

/* "500", "0.5", "500/s" or "max", which is 0. */
static bool read_rate(struct slice text, double *rate, struct err *err)
{
	char *end;
	char number[32];

	*rate = 0;
	if (slice_eq(text, S("max"))) {
		return true;
	}
	if (slice_ends(text, S("/s"))) {
		text.n -= 2;
	}
	if (text.n > 0 && text.n < sizeof(number) && text.p[0] >= '0' && text.p[0] <= '9') {
		memcpy(number, text.p, text.n);
		number[text.n] = '\0';
		*rate = strtod(number, &end);
		if (*end == '\0' && *rate >= 0.001 && *rate <= PLAN_PER_S_MAX) {
			return true;
		}
	}
	return err_set(err, ERR_INVALID,
		       "\"--rate\" must be \"max\" or between 0.001 and 10000000 events a second");
}

static bool read_keys(const struct bench_flags *in, struct arena *boot, struct run_options *o,
		      struct err *err)
{
	struct slice *lines;

	o->keys = in->keys.n == 0 ? 1 : in->keys.n;
	lines = arena_array(boot, o->keys, sizeof(*lines));
	for (size_t i = 0; i < o->keys; i++) {
		struct slice key;

		if (!client_find_key(in->keys.n == 0 ? (struct slice) { 0 } : in->keys.v[i], boot,
				     &key, err)) {
			return false;
		}
		if (key.n == 0) {
			return err_set(err, ERR_INVALID,
				       "an API key is needed: --key, TOCSIN_KEY, or "
				       "TOCSIN_KEY_FILE with the name of a file");
		}
		lines[i] = arena_printf(boot, "Authorization: Bearer %.*s", SARG(key));
	}
	o->authorization = lines;
	return true;
}

static bool check_plan(const struct run_options *o, struct err *err)
{
	return o->rate > 0 || !o->poisson ||
	       err_set(err, ERR_INVALID, "\"--poisson\" needs a rate: a closed loop has no plan");
}

/* What is kept in memory per event has an end. */
static bool check_size(const struct run_options *o, struct err *err)
{
	double events = o->rate * (double)o->duration_us / 1e6;

	if (o->mode != RUN_EVENTS && events > (double)(TRACK_EVENTS_MAX / 2)) {
		return err_set(err, ERR_INVALID,
			       "at most %llu events can be followed to their receipt",
			       (unsigned long long)(TRACK_EVENTS_MAX / 2));
	}
	return true;
}

static bool read_options(const struct flags *flags, const struct bench_flags *in,
			 struct arena *boot, struct run_options *o, struct err *err)
{
	o->url = client_find_url(in->to);
	o->poisson = in->poisson;
	o->duration_us = in->duration_s * US_PER_S;
	o->drain_us = in->drain_s * US_PER_S;
	o->timeout_us = in->timeout_s * US_PER_S;
	o->connections = (size_t)in->connections;
	o->batch = (size_t)in->batch;
	o->backlog = (size_t)in->backlog;
	o->profile = (enum profile_kind)in->profile;
	o->seed = flags_given(flags, "seed") ? (uint64_t)in->seed : rand_below(SEED_BELOW);
	o->receive_at = arena_cstr(boot, in->receive_at);
	o->ca_file = in->ca_file.n > 0 ? arena_cstr(boot, in->ca_file) : NULL;
	o->progress = in->progress || isatty(STDERR_FILENO);
	if (in->metrics_token.n > 0) {
		o->metrics_authorization =
			arena_printf(boot, "Authorization: Bearer %.*s", SARG(in->metrics_token)).p;
	}
	if (o->mode != RUN_EVENTS && flags_given(flags, "profile")) {
		return err_set(err, ERR_INVALID, "\"--profile\" is for events alone");
	}
	return read_rate(in->rate, &o->rate, err) && check_plan(o, err) &&
	       read_keys(in, boot, o, err) && check_size(o, err);
}

static void print(const struct run *r, bool json)
{
	struct buf out;

	if (!json) {
		report_table(r, stdout);
		return;
	}
	buf_init(&out, REPORT_BYTES_MAX);
	report_json(r, &out);
	fwrite(out.p, 1, out.n, stdout);
	buf_release(&out);
}

static bool measure(struct run *r, const struct run_options *o, bool json, struct err *err)
{
	struct rules rules = { 0 };
	struct err later;
	bool ok;

	if (!run_open(r, o, err)) {
		return false;
	}
	ok = o->mode == RUN_EVENTS || rules_add(&rules, r, err);
	if (ok) {
		run_load(r);
		print(r, json);
		ok = report_is_clean(r) ||
		     err_set(err, ERR_UPSTREAM, "not everything went as planned; see the report");
	}
	if (!rules_remove(&rules, r, &later)) {
		fprintf(stderr, "tocsin bench: a rule of this load is still there: %s\n",
			later.text);
	}
	run_close(r);
	return ok;
}

#define NO_MODE "\"events\", \"webhooks\" or \"notifications\" comes first"

static bool find_mode(const char *word, enum run_mode *mode, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		if (strcmp(word, modes[i].name) == 0) {
			*mode = modes[i].mode;
			return true;
		}
	}
	return err_set(err, ERR_INVALID, NO_MODE);
}

static int run(const struct flags *flags, const void *arg, struct arena *boot)
{
	const struct bench_flags *in = arg;
	struct run_options o = { 0 };
	struct run *r;
	struct err err;
	bool ok;

	if (!find_mode(flags->word, &o.mode, &err) || !read_options(flags, in, boot, &o, &err)) {
		fprintf(stderr, "tocsin bench: %s\n", err.text);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	r = mem_alloc(1, sizeof(*r));
	ok = measure(r, &o, in->json, &err);
	free(r);
	if (!ok) {
		fprintf(stderr, "tocsin bench: %s\n", err.text);
	}
	return ok ? 0 : 1;
}

/* The word that says what to measure comes first; without it there is only help. */
int cmd_bench(int argc, char **argv)
{
	struct flags flags = {
		.command = "bench",
		.words = "events|webhooks|notifications",
		.no_word = NO_MODE,
		.about =
			"Put load on a server and report what it made of it. The first word says "
			"what is measured:\n"
			"  events         until the answer, which says that the event is on the disk\n"
			"  webhooks       until the webhook of a rule comes in here\n"
			"  notifications  until the notification of a rule comes on the live stream\n"
			"Requests are sent by a plan that the server cannot slow down, and latency "
			"counts from\nthe planned time. Ctrl-C ends early, with the report so far.",
		.rows = rows,
		.n = ARRAY_LEN(rows),
	};
	struct bench_flags in = { 0 };

	return flags_run(&flags, argc, argv, &in, run);
}
