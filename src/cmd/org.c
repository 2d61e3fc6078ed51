/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tocsin org: the organizations of this server, for who runs it. Each word is a call over the
 * socket of the data directory.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/json_put.h"
#include "cmd/ask.h"
#include "cmd/command.h"
#include "cmd/flags.h"

#define BODY_BYTES_MAX ((size_t)16 << 10)
#define NO_WORD "say what; `tocsin help org` says what there is"

struct org_flags {
	bool json;
};

static const struct field rows[] = {
	FIELD_BOOL(struct org_flags, json, "json", .help = "Print JSON."),
};

static const struct deed {
	const char *name;
	const char *about;
	bool lists;
} deeds[] = {
	{ "list", "List all organizations, newest first.", true },
	{ "suspend", "Close an organization for now: keys and people are refused, nothing is lost.",
	  false },
	{ "resume", "Open a suspended organization again.", false },
};

struct task {
	const struct deed *deed;
	struct slice org;
	struct arena *boot;
	struct slice cursor; /* list: behind the last page; empty: at the start */
	bool headed;	     /* the headings are printed */
	bool json;
};

static struct slice text_at(const struct json *obj, const char *name)
{
	const struct json *v = json_get(obj, name);

	return v == NULL || v->type == JSON_NULL || v->text.n == 0 ? S("-") : v->text;
}

static void print_org(struct task *t, const struct json *org)
{
	if (t->json) {
		printf("%.*s\n", SARG(org->raw));
		return;
	}
	if (!t->headed) {
		printf("%-32s  %-9s  %7s  %-24s  %s\n", "org", "status", "members", "delete after",
		       "id");
	}
	t->headed = true;
	printf("%-32.*s  %-9.*s  %7.*s  %-24.*s  %.*s\n", SARG(text_at(org, "org")),
	       SARG(text_at(org, "status")), SARG(text_at(org, "members")),
	       SARG(text_at(org, "deleteAfter")), SARG(text_at(org, "id")));
}

static void print_page(struct task *t, const struct json *root)
{
	const struct json *data = json_get(root, "data"), *next = json_get(root, "nextCursor");

	for (const struct json *o = data == NULL ? NULL : data->child; o != NULL; o = o->next) {
		print_org(t, o);
	}
	t->cursor = next == NULL || next->type == JSON_NULL ? (struct slice) { 0 }
							    : arena_dup(t->boot, next->text);
}

static bool print_reply(struct task *t, struct slice body, struct err *err)
{
	const struct json *root;
	struct arena req;
	bool ok;

	arena_init(&req, 0);
	ok = json_parse(&req, body, JSON_DEPTH_MAX, &root, err);
	if (ok && t->deed->lists) {
		print_page(t, root);
	} else if (ok) {
		print_org(t, root);
	}
	arena_release(&req);
	return ok;
}

static struct slice path_of(const struct task *t)
{
	if (!t->deed->lists) {
		return arena_printf(t->boot, "/admin/orgs/%s", t->deed->name);
	}
	return arena_printf(t->boot, "/admin/orgs?limit=1000%s%.*s",
			    t->cursor.n > 0 ? "&cursor=" : "", SARG(t->cursor));
}

static bool ask_once(struct task *t, struct client *client, struct err *err)
{
	struct client_call call = { .method = "GET", .path = path_of(t) };
	struct client_reply reply = { 0 };
	struct json_w w;
	struct buf body;
	bool ok;

	buf_init(&body, BODY_BYTES_MAX);
	if (!t->deed->lists) {
		json_w_init(&w, &body);
		json_w_object(&w);
		json_put_str(&w, "org", t->org);
		json_w_end(&w);
		call.method = "POST";
		call.type = "application/json";
		call.body = buf_slice(&body);
	}
	ok = client_call(client, &call, &reply, err) && client_ok(&reply, err) &&
	     print_reply(t, buf_slice(&reply.body), err);
	client_reply_release(&reply);
	buf_release(&body);
	return ok;
}

static bool ask(void *arg, struct client *client, struct err *err)
{
	struct task *t = arg;
	bool ok;

	do {
		ok = ask_once(t, client, err);
	} while (ok && t->cursor.n > 0);
	return ok;
}

static const struct deed *find(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(deeds); i++) {
		if (strcmp(deeds[i].name, word) == 0) {
			return &deeds[i];
		}
	}
	return NULL;
}

static int run(const struct flags *flags, const void *arg, struct arena *boot)
{
	const struct org_flags *in = arg;
	struct task t = { .deed = find(flags->command + strlen("org ")),
			  .org = slice_of(flags->word),
			  .boot = boot,
			  .json = in->json };
	struct settings settings;
	struct err err;

	if (!flags_settings(flags, boot, &settings)) {
		return 2;
	}
	log_setup(LOG_WARN, settings.log_format, STDERR_FILENO);
	if (!ask_local(&settings, ask, &t, &err)) {
		fprintf(stderr, "tocsin %s: %s\n", flags->command, err.text);
		return 1;
	}
	return 0;
}

static int run_deed(const struct deed *deed, int argc, char **argv)
{
	struct org_flags in = { 0 };
	struct flags flags = {
		.words = deed->lists ? NULL : "ORG",
		.no_word = "say which: the organization, by its short name",
		.about = deed->about,
		.rows = rows,
		.n = ARRAY_LEN(rows),
		.with_settings = true,
	};
	struct arena boot;
	int code;

	arena_init(&boot, 0);
	flags.command = arena_printf(&boot, "org %s", deed->name).p;
	code = flags_run(&flags, argc, argv, &in, run);
	arena_release(&boot);
	return code;
}

/* Without a word that is known, only help or a complaint is left. */
static int run_none(const struct flags *flags, const void *in UNUSED, struct arena *boot UNUSED)
{
	fprintf(stderr, "tocsin org: there is no \"%s\"; `tocsin help org` says what there is\n",
		flags->word);
	return 2;
}

int cmd_org(int argc, char **argv)
{
	const struct deed *deed = argc > 0 ? find(argv[0]) : NULL;
	struct flags flags = {
		.command = "org",
		.words = "WORD [ORG]",
		.no_word = NO_WORD,
		.about =
			"Look after the organizations of this server: an ORG is a short name. A "
			"server may run on the\ndata directory; else the command works on it "
			"itself.\n\n"
			"  list     list all organizations\n"
			"  suspend  close one for now: keys and people are refused, nothing is lost\n"
			"  resume   open it again",
		.with_settings = true,
	};
	struct org_flags in = { 0 };

	return deed != NULL ? run_deed(deed, argc - 1, argv + 1)
			    : flags_run(&flags, argc, argv, &in, run_none);
}
