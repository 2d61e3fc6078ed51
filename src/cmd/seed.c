/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tocsin seed: tenants to begin with. It asks the server that has the data directory, over its
 * socket; when nobody has it, it is that server itself for the moment, with the socket as its only
 * way in. Either way the same call does the work.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "cmd/app.h"
#include "cmd/client.h"
#include "cmd/command.h"
#include "cmd/flags.h"
#include "cmd/settings.h"
#include "model/plan.h"

#define BODY_BYTES_MAX ((size_t)16 << 10)
#define TENANTS_MAX 2
#define LIMIT_KEPT (-1)
#define TRIES_MAX 100
#define NAP_MS 100

struct seed_flags {
	struct slice org;
	struct slice name;
	struct slice project;
	struct slice key;
	bool demo;
	int64_t soft_limit; /* LIMIT_KEPT: not given */
	int64_t hard_limit;
};

static const struct field rows[] = {
	FIELD_STR(struct seed_flags, org, "org", .min = 1, .max = 120,
		  .help = "The short name of the organization to make, or to add to."),
	FIELD_STR(struct seed_flags, name, "name", .min = 1, .max = 255,
		  .help = "Its name. Default: the short name."),
	FIELD_STR(struct seed_flags, project, "project", .min = 1, .max = 120,
		  .help = "The short name of a project in it. Default: its default project."),
	FIELD_STR(struct seed_flags, key, "key", .min = 16, .max = 200, .flags = FIELD_SECRET,
		  .help = "An API key to accept as it is. Without it one is made, once."),
	FIELD_BOOL(struct seed_flags, demo, "demo",
		   .help = "With --org: add the rules of the demo tenants as well."),
	FIELD_INT(struct seed_flags, soft_limit, "soft-limit", .min = LIMIT_KEPT,
		  .max = PLAN_LIMIT_MAX, .fallback = "-1",
		  .help = "With --org: warn above so many events a month. 0: never; -1: as it is."),
	FIELD_INT(struct seed_flags, hard_limit, "hard-limit", .min = LIMIT_KEPT,
		  .max = PLAN_LIMIT_MAX, .fallback = "-1",
		  .help = "With --org: refuse events above so many a month. 0: never; -1: as it "
			  "is."),
};

struct seed {
	const struct settings *settings;
	struct seed_flags tenants[TENANTS_MAX];
	size_t n;
	size_t at;	 /* the first one that is not there yet */
	struct app *app; /* our own, or NULL */
	struct err err;
	bool ok;
	bool again; /* what failed may pass */
};

static void member(struct json_w *w, const char *name, struct slice value)
{
	if (value.n > 0) {
		json_w_key(w, name);
		json_w_str(w, value);
	}
}

static void limit_member(struct json_w *w, const char *name, int64_t limit)
{
	if (limit != LIMIT_KEPT) {
		json_w_key(w, name);
		json_w_int(w, limit);
	}
}

static void write_body(const struct seed_flags *t, struct buf *out)
{
	struct json_w w;

	json_w_init(&w, out);
	json_w_object(&w);
	member(&w, "org", t->org);
	member(&w, "orgName", t->name);
	member(&w, "project", t->project);
	member(&w, "key", t->key);
	json_w_key(&w, "demo");
	json_w_bool(&w, t->demo);
	limit_member(&w, "softLimit", t->soft_limit);
	limit_member(&w, "hardLimit", t->hard_limit);
	json_w_end(&w);
}

static struct slice text_at(const struct json *obj, const char *name)
{
	const struct json *v = json_get(obj, name);

	return v == NULL ? (struct slice) { 0 } : v->text;
}

static bool made(const struct json *obj)
{
	const struct json *v = json_get(obj, "made");

	return v != NULL && v->truth;
}

/* A made key is shown here and never again. */
static bool print_reply(const struct seed_flags *t, const struct client_reply *reply,
			struct err *err)
{
	const struct json *body, *key, *rules;
	struct arena req;

	arena_init(&req, 0);
	if (!json_parse(&req, buf_slice(&reply->body), JSON_DEPTH_MAX, &body, err)) {
		arena_release(&req);
		return false;
	}
	key = json_get(body, "key");
	rules = json_get(body, "rules");
	printf("%.*s / %.*s\n", SARG(text_at(json_get(body, "org"), "slug")),
	       SARG(text_at(json_get(body, "project"), "slug")));
	if (made(key) && t->key.n == 0) {
		printf("  key   %.*s (shown only now)\n", SARG(text_at(key, "key")));
	} else {
		printf("  key   %.*s %s\n", SARG(text_at(key, "keyPrefix")),
		       made(key) ? "made" : "is there");
	}
	for (const struct json *r = rules == NULL ? NULL : rules->child; r != NULL; r = r->next) {
		printf("  rule  %.*s %s\n", SARG(text_at(r, "name")),
		       made(r) ? "made" : "is there");
	}
	arena_release(&req);
	return true;
}

static bool seed_one(struct client *client, const struct seed_flags *t, struct err *err)
{
	struct client_reply reply = { 0 };
	struct client_call call = { .method = "POST",
				    .path = S("/admin/seed"),
				    .type = "application/json" };
	struct buf body;
	bool ok;

	buf_init(&body, BODY_BYTES_MAX);
	write_body(t, &body);
	call.body = buf_slice(&body);
	ok = client_call(client, &call, &reply, err) && client_ok(&reply, err) &&
	     print_reply(t, &reply, err);
	client_reply_release(&reply);
	buf_release(&body);
	return ok || err_wrap(err, "%.*s", SARG(t->org));
}

static bool seed_all(struct seed *s)
{
	struct client_flags where = { .data = s->settings->data };
	struct client *client = NULL;
	bool ok = client_open(&client, &where, false, &s->err);

	while (ok && s->at < s->n) {
		ok = seed_one(client, &s->tenants[s->at], &s->err);
		s->at += ok ? 1 : 0;
	}
	client_close(&client);
	/* Whom we asked may have been about to stop. */
	s->again = !ok && (s->err.kind == ERR_UPSTREAM || s->err.kind == ERR_SHUTTING_DOWN);
	return ok;
}

/* Somebody serves the directory when its socket answers. */
static bool is_served(const struct settings *settings)
{
	struct client_flags where = { .data = settings->data };
	struct client_call call = { .method = "GET", .path = S("/health") };
	struct client_reply reply = { 0 };
	struct client *client = NULL;
	struct err ignored;
	bool yes = client_open(&client, &where, false, &ignored) &&
		   client_call(client, &call, &reply, &ignored);

	client_reply_release(&reply);
	client_close(&client);
	return yes;
}

static void *seed_and_stop(void *arg)
{
	struct seed *s = arg;

	s->ok = seed_all(s);
	app_stop(s->app);
	return NULL;
}

static bool seed_with_own_server(struct seed *s)
{
	pthread_t thread;
	bool ran;

	/* A service manager waits for the real one. */
	unsetenv("NOTIFY_SOCKET");
	if (!app_open(&s->app, s->settings, NULL, &s->err)) {
		/* Whoever has the directory has no socket yet, or no more. */
		s->again = s->err.kind == ERR_CONFLICT;
		return false;
	}
	if (!app_listen_socket(s->app, &s->err)) {
		app_close(&s->app);
		return false;
	}
	ensure(pthread_create(&thread, NULL, seed_and_stop, s) == 0);
	ran = app_run(s->app);
	pthread_join(thread, NULL);
	app_close(&s->app);
	return s->ok && (ran || err_set(&s->err, ERR_INTERNAL, "the log or the rules failed"));
}

/* Another one may serve the directory for a moment, to do the same. */
static bool seed_somehow(struct seed *s)
{
	struct timespec nap = { .tv_nsec = NAP_MS * 1000 * 1000L };

	for (int i = 0; i < TRIES_MAX; i++) {
		s->again = false;
		if (is_served(s->settings) ? seed_all(s) : seed_with_own_server(s)) {
			return true;
		}
		if (!s->again) {
			return false;
		}
		nanosleep(&nap, NULL);
	}
	return false;
}

/* Without --org: two tenants, so that the wall between them can be seen. */
static void choose_tenants(const struct seed_flags *in, struct seed *s)
{
	static const struct seed_flags demo[] = {
		{ .org = { "acme", 4 },
		  .name = { "Acme", 4 },
		  .demo = true,
		  .soft_limit = LIMIT_KEPT,
		  .hard_limit = LIMIT_KEPT },
		{ .org = { "globex", 6 },
		  .name = { "Globex", 6 },
		  .demo = true,
		  .soft_limit = LIMIT_KEPT,
		  .hard_limit = LIMIT_KEPT },
	};

	if (in->org.n > 0) {
		s->tenants[s->n++] = *in;
		return;
	}
	memcpy(s->tenants, demo, sizeof(demo));
	s->n = ARRAY_LEN(demo);
}

static int run(const struct flags *flags, const void *arg, struct arena *boot)
{
	const struct seed_flags *in = arg;
	struct settings settings;
	struct seed s = { .settings = &settings };
	bool ok;

	if (!flags_settings(flags, boot, &settings)) {
		return 2;
	}
	if (in->org.n == 0 && (in->key.n > 0 || in->name.n > 0 || in->project.n > 0 ||
			       in->soft_limit != LIMIT_KEPT || in->hard_limit != LIMIT_KEPT)) {
		fprintf(stderr, "tocsin seed: \"--key\", \"--name\", \"--project\" and limits need "
				"\"--org\"\n");
		return 2;
	}
	log_setup(LOG_WARN, settings.log_format, STDERR_FILENO);
	choose_tenants(in, &s);
	ok = seed_somehow(&s);
	if (!ok) {
		fprintf(stderr, "tocsin seed: %s\n", s.err.text);
	}
	return ok ? 0 : 1;
}

int cmd_seed(int argc, char **argv)
{
	struct flags flags = {
		.command = "seed",
		.about =
			"Make an organization with a project and an API key, or keep what is there; "
			"it may be\nrepeated. Without --org: the demo tenants acme and globex, "
			"with a few rules each.",
		.rows = rows,
		.n = ARRAY_LEN(rows),
		.with_settings = true,
	};
	struct seed_flags in = { 0 };

	return flags_run(&flags, argc, argv, &in, run);
}
