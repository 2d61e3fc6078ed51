/* SPDX-License-Identifier: Apache-2.0 */
/* tocsin seed: tenants to begin with, made by whoever serves the data directory (cmd/ask.h). */
#include <stdio.h>
#include <unistd.h>

#include "base/json.h"
#include "cmd/ask.h"
#include "cmd/command.h"
#include "cmd/flags.h"
#include "cmd/settings.h"
#include "model/plan.h"

#define BODY_BYTES_MAX ((size_t)16 << 10)
#define TENANTS_MAX 2
#define LIMIT_KEPT (-1)

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
	struct seed_flags tenants[TENANTS_MAX];
	size_t n;
	size_t at; /* the first one that is not there yet */
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

static bool seed_all(void *arg, struct client *client, struct err *err)
{
	struct seed *s = arg;
	bool ok = true;

	while (ok && s->at < s->n) {
		ok = seed_one(client, &s->tenants[s->at], err);
		s->at += ok ? 1 : 0;
	}
	return ok;
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
	struct seed s = { 0 };
	struct err err;
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
	ok = ask_local(&settings, seed_all, &s, &err);
	if (!ok) {
		fprintf(stderr, "tocsin seed: %s\n", err.text);
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
