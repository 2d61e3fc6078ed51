/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tocsin plan: what organizations may use. It asks the server that has the data directory, over its
 * socket; that the one who runs the server may open it is all that allows it.
 */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/json_put.h"
#include "cmd/client.h"
#include "cmd/command.h"
#include "cmd/flags.h"
#include "cmd/settings.h"
#include "model/plan.h"

#define BODY_BYTES_MAX ((size_t)16 << 10)
#define NO_VERB "say list, on, off, put or set; `tocsin help plan` says more"

struct plan_flags {
	struct plan plan;
	struct slice org;
};

static const struct field rows[] = {
	FIELD_STR(struct plan_flags, org, "org", .max = 120,
		  .help = "set: the organization, by its short name."),
	FIELD_STR(struct plan_flags, plan.name, "plan", .max = PLAN_NAME_CHARS_MAX,
		  .help = "The plan's short name. on: that of those that have none (free)."),
	FIELD_STR(struct plan_flags, plan.display_name, "name", .max = PLAN_DISPLAY_NAME_CHARS_MAX,
		  .help = "put: its name."),
	FIELD_INT(struct plan_flags, plan.price_cents, "price-cents", .max = PLAN_LIMIT_MAX,
		  .help = "put: what it costs a month, in cents."),
	FIELD_INT(struct plan_flags, plan.events_soft, "soft-limit", .max = PLAN_LIMIT_MAX,
		  .help = "put, set: events a month that are included. 0: no limit."),
	FIELD_INT(struct plan_flags, plan.events_hard, "hard-limit", .max = PLAN_LIMIT_MAX,
		  .help = "put, set: events a month that are taken at all. 0: no limit."),
	FIELD_INT(struct plan_flags, plan.overage_cents, "overage-cents", .max = PLAN_LIMIT_MAX,
		  .help = "put: what each 1000 events over the soft limit cost."),
	FIELD_INT(struct plan_flags, plan.rules, "rules", .max = PLAN_LIMIT_MAX,
		  .help = "put: rules of all projects. 0: no limit."),
	FIELD_INT(struct plan_flags, plan.projects, "projects", .max = PLAN_LIMIT_MAX,
		  .help = "put: projects. 0: no limit."),
	FIELD_INT(struct plan_flags, plan.seats, "seats", .max = PLAN_LIMIT_MAX,
		  .help = "put: people. 0: no limit."),
	FIELD_INT(struct plan_flags, plan.retention_days, "retention-days", .max = PLAN_LIMIT_MAX,
		  .help = "put: for how long events are kept. 0: no limit."),
	FIELD_INT(struct plan_flags, plan.rate_per_min, "rate-per-minute", .max = PLAN_LIMIT_MAX,
		  .help = "put: requests a minute. 0: no limit."),
	FIELD_STR(struct plan_flags, plan.price_ref, "stripe-price", .max = PLAN_REF_CHARS_MAX,
		  .help = "put: the id of its price at Stripe."),
	FIELD_STR(struct plan_flags, plan.overage_price_ref, "stripe-overage-price",
		  .max = PLAN_REF_CHARS_MAX,
		  .help = "put: the id of the metered price of its overage."),
};

struct asking {
	const struct flags *flags;
	const struct plan_flags *in;
	struct client *client;
	struct client_reply reply;
	struct arena *boot;
};

/* The flags of put by the names that the call has. */
static const struct {
	const char *flag, *member;
	size_t offset;
} numbers[] = {
	{ "price-cents", "priceCents", offsetof(struct plan, price_cents) },
	{ "soft-limit", "softLimit", offsetof(struct plan, events_soft) },
	{ "hard-limit", "hardLimit", offsetof(struct plan, events_hard) },
	{ "overage-cents", "overageCents", offsetof(struct plan, overage_cents) },
	{ "rules", "rules", offsetof(struct plan, rules) },
	{ "projects", "projects", offsetof(struct plan, projects) },
	{ "seats", "seats", offsetof(struct plan, seats) },
	{ "retention-days", "retentionDays", offsetof(struct plan, retention_days) },
	{ "rate-per-minute", "ratePerMinute", offsetof(struct plan, rate_per_min) },
};

static void put_numbers(const struct asking *a, struct json_w *w)
{
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		if (flags_given(a->flags, numbers[i].flag)) {
			int64_t v;

			memcpy(&v, (const char *)&a->in->plan + numbers[i].offset, sizeof(v));
			json_put_int(w, numbers[i].member, v);
		}
	}
}

/* Append the members of the body, and say where it goes. */
typedef const char *body_fn(const struct asking *a, struct json_w *w);

static const char *body_of_on(const struct asking *a, struct json_w *w)
{
	struct slice name = a->in->plan.name;

	json_put_str(w, "default", name.n > 0 ? name : S(PLAN_FREE));
	return "/admin/plans/switch";
}

static const char *body_of_off(const struct asking *a UNUSED, struct json_w *w)
{
	json_put_str(w, "default", S(""));
	return "/admin/plans/switch";
}

static const char *body_of_put(const struct asking *a, struct json_w *w)
{
	json_put_str(w, "name", a->in->plan.name);
	if (a->in->plan.display_name.n > 0) {
		json_put_str(w, "displayName", a->in->plan.display_name);
	}
	if (a->in->plan.price_ref.n > 0) {
		json_put_str(w, "stripePrice", a->in->plan.price_ref);
	}
	if (a->in->plan.overage_price_ref.n > 0) {
		json_put_str(w, "stripeOveragePrice", a->in->plan.overage_price_ref);
	}
	put_numbers(a, w);
	return "/admin/plans";
}

static const char *body_of_set(const struct asking *a, struct json_w *w)
{
	json_put_str(w, "org", a->in->org);
	if (flags_given(a->flags, "plan")) {
		json_put_str(w, "plan", a->in->plan.name);
	}
	put_numbers(a, w);
	return "/admin/plans/org";
}

static const struct verb {
	const char *name;
	body_fn *body; /* NULL: it only looks */
	bool needs_plan, needs_org;
} verbs[] = {
	{ .name = "list" },
	{ .name = "on", .body = body_of_on },
	{ .name = "off", .body = body_of_off },
	{ .name = "put", .body = body_of_put, .needs_plan = true },
	{ .name = "set", .body = body_of_set, .needs_org = true },
};

static bool ask(struct asking *a, const struct verb *verb, struct err *err)
{
	struct client_call call = { .method = "GET", .path = S("/admin/plans") };
	struct json_w w;
	struct buf body;
	bool ok;

	buf_init(&body, BODY_BYTES_MAX);
	if (verb->body != NULL) {
		json_w_init(&w, &body);
		json_w_object(&w);
		call.path = slice_of(verb->body(a, &w));
		json_w_end(&w);
		call.method = "POST";
		call.type = "application/json";
		call.body = buf_slice(&body);
	}
	ok = client_call(a->client, &call, &a->reply, err) && client_ok(&a->reply, err);
	buf_release(&body);
	return ok;
}

static const char *text_at(const struct json *obj, const char *name, struct arena *boot)
{
	const struct json *v = json_get(obj, name);

	return v == NULL || v->text.n == 0 ? "-" : arena_cstr(boot, v->text);
}

static void print_plan(const struct json *p, struct arena *boot)
{
	printf("%-16s %10s %14s %14s %10s %8s %8s %8s %8s %8s\n", text_at(p, "name", boot),
	       text_at(p, "priceCents", boot), text_at(p, "softLimit", boot),
	       text_at(p, "hardLimit", boot), text_at(p, "overageCents", boot),
	       text_at(p, "rules", boot), text_at(p, "projects", boot), text_at(p, "seats", boot),
	       text_at(p, "retentionDays", boot), text_at(p, "ratePerMinute", boot));
}

static bool print_reply(struct asking *a, struct err *err)
{
	const struct json *root, *plans, *normal;

	if (!json_parse(a->boot, buf_slice(&a->reply.body), JSON_DEPTH_MAX, &root, err)) {
		return false;
	}
	plans = json_get(root, "plans");
	if (plans == NULL) {
		printf("%s: plan %s, soft limit %s, hard limit %s, used %s\n",
		       text_at(root, "org", a->boot), text_at(root, "plan", a->boot),
		       text_at(root, "softLimit", a->boot), text_at(root, "hardLimit", a->boot),
		       text_at(root, "used", a->boot));
		return true;
	}
	normal = json_get(root, "default");
	if (normal == NULL || normal->type == JSON_NULL) {
		printf("plans are off: everybody is on the plan " PLAN_UNLIMITED "\n");
	} else {
		printf("plans are on; whoever has none is on %s\n",
		       text_at(root, "default", a->boot));
	}
	printf("%-16s %10s %14s %14s %10s %8s %8s %8s %8s %8s\n", "plan", "cents", "soft", "hard",
	       "per 1000", "rules", "projects", "seats", "days", "rate");
	for (const struct json *p = plans->child; p != NULL; p = p->next) {
		print_plan(p, a->boot);
	}
	return true;
}

static const struct verb *find(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		if (strcmp(verbs[i].name, word) == 0) {
			return &verbs[i];
		}
	}
	return NULL;
}

/* NULL: well called. */
static const char *complaint(const struct verb *verb, const struct plan_flags *in)
{
	if (verb == NULL) {
		return NO_VERB;
	}
	if (verb->needs_plan && in->plan.name.n == 0) {
		return "\"--plan\" is needed";
	}
	return verb->needs_org && in->org.n == 0 ? "\"--org\" is needed" : NULL;
}

static int run(const struct flags *flags, const void *arg, struct arena *boot)
{
	const struct verb *verb = find(flags->word);
	struct asking a = { .flags = flags, .in = arg, .boot = boot };
	const char *wrong = complaint(verb, arg);
	struct client_flags where = { 0 };
	struct settings settings;
	struct err err;
	bool ok;

	if (wrong != NULL) {
		fprintf(stderr, "tocsin plan: %s\n", wrong);
		return 2;
	}
	if (!flags_settings(flags, boot, &settings)) {
		return 2;
	}
	where.data = settings.data;
	ok = client_open(&a.client, &where, false, &err) && ask(&a, verb, &err) &&
	     print_reply(&a, &err);
	client_reply_release(&a.reply);
	client_close(&a.client);
	if (!ok) {
		fprintf(stderr, "tocsin plan %s: %s\n", verb->name, err.text);
	}
	return ok ? 0 : 1;
}

int cmd_plan(int argc, char **argv)
{
	struct flags flags = {
		.command = "plan",
		.words = "list|on|off|put|set",
		.no_word = NO_VERB,
		.about = "Say what organizations may use. A server has to run on the data "
			 "directory.\n\n"
			 "  list   the plans there are\n"
			 "  on     switch plans on: whoever has none is on --plan from now on; the "
			 "first time, plans to\n"
			 "         begin with are made\n"
			 "  off    switch them off: everybody is on the plan " PLAN_UNLIMITED
			 "; limits of one's own stay\n"
			 "  put    add the plan --plan, or replace it\n"
			 "  set    set the plan of --org, or limits of its own",
		.rows = rows,
		.n = ARRAY_LEN(rows),
		.with_settings = true,
	};
	struct plan_flags in = { 0 };

	return flags_run(&flags, argc, argv, &in, run);
}
