/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tocsin org: the organizations of this server, for who runs it. Each word is a call over the
 * socket of the data directory.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json_put.h"
#include "cmd/ask.h"
#include "cmd/command.h"
#include "cmd/flags.h"

#define BODY_BYTES_MAX ((size_t)16 << 10)
#define HEAD "org                               status     members  delete after              id"
#define NO_WORD "say what; `tocsin help org` says what there is"

struct org_flags {
	bool json;
	bool now;
	struct slice confirm;
};

#define JSON_ROW FIELD_BOOL(struct org_flags, json, "json", .help = "Print JSON.")
static const struct field plain_rows[] = { JSON_ROW };
static const struct field delete_rows[] = {
	FIELD_STR(struct org_flags, confirm, "confirm", .max = 120, .flags = FIELD_REQUIRED,
		  .help = "The short name once more, so that it is not another one's."),
	FIELD_BOOL(struct org_flags, now, "now",
		   .help = "Without days of grace: nothing brings it back."),
	JSON_ROW,
};

static const struct deed {
	const char *name;
	const char *about;
	const struct field *rows;
	size_t n;
	bool lists;
	bool deletes;
} deeds[] = {
	{ "list", "List all organizations, newest first.", plain_rows, ARRAY_LEN(plain_rows),
	  .lists = true },
	{ "suspend", "Close an organization for now: keys and people are refused, nothing is lost.",
	  plain_rows, ARRAY_LEN(plain_rows) },
	{ "resume", "Open a suspended organization again.", plain_rows, ARRAY_LEN(plain_rows) },
	{ "delete",
	  "Close an organization, and delete it with all that it has in seven days. Until then "
	  "its owners\ncan read, export, and take that back, as can `tocsin org restore`.",
	  delete_rows, ARRAY_LEN(delete_rows), .deletes = true },
	{ "restore", "Keep an organization that was to be deleted: it is as it was.", plain_rows,
	  ARRAY_LEN(plain_rows) },
};

static void print_org(const struct json *org)
{
	printf("%-32.*s  %-9.*s  %7.*s  %-24.*s  %.*s\n", SARG(ask_text(org, "org")),
	       SARG(ask_text(org, "status")), SARG(ask_text(org, "members")),
	       SARG(ask_text(org, "deleteAfter")), SARG(ask_text(org, "id")));
}

static bool ask(const struct deed *deed, struct slice org, const struct org_flags *in,
		const struct settings *settings, struct ask_rows *answer, struct err *err)
{
	struct json_w w;
	struct buf body;
	bool ok;

	answer->call = (struct client_call) { .method = "GET",
					      .path = S("/admin/orgs?limit=1000") };
	buf_init(&body, BODY_BYTES_MAX);
	if (!deed->lists) {
		json_w_init(&w, &body);
		json_w_object(&w);
		json_put_str(&w, "org", org);
		if (deed->deletes) {
			json_put_str(&w, "confirm", in->confirm);
			json_put_bool(&w, "now", in->now);
		}
		json_w_end(&w);
		answer->call = (struct client_call) {
			.method = "POST",
			.path = arena_printf(answer->boot, "/admin/orgs/%s", deed->name),
			.type = "application/json",
			.body = buf_slice(&body),
		};
	}
	ok = ask_rows(settings, answer, err);
	buf_release(&body);
	return ok;
}

static int run(const struct flags *flags, const void *arg, struct arena *boot)
{
	const struct org_flags *in = arg;
	const struct deed *deed = ASK_WORD(flags->command + strlen("org "), deeds);
	struct ask_rows answer = { .lists = deed->lists,
				   .json = in->json,
				   .head = HEAD,
				   .print = print_org,
				   .boot = boot };
	struct settings settings;
	struct err err;

	if (!flags_settings(flags, boot, &settings)) {
		return 2;
	}
	log_setup(LOG_WARN, settings.log_format, STDERR_FILENO);
	if (!ask(deed, slice_of(flags->word), in, &settings, &answer, &err)) {
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
		.rows = deed->rows,
		.n = deed->n,
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
	const struct deed *deed = argc > 0 ? ASK_WORD(argv[0], deeds) : NULL;
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
			"  resume   open it again\n"
			"  delete   close it, and delete it with all that it has in seven days\n"
			"  restore  keep it after all",
		.with_settings = true,
	};
	struct org_flags in = { 0 };

	return deed != NULL ? run_deed(deed, argc - 1, argv + 1)
			    : flags_run(&flags, argc, argv, &in, run_none);
}
