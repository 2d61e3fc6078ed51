/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tocsin user: the people who log in, for who runs the server. Each word is a call over the socket
 * of the data directory; the table says which, and what it takes. Passwords are asked for, never
 * taken as arguments.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/json_put.h"
#include "cmd/ask.h"
#include "cmd/command.h"
#include "cmd/flags.h"
#include "cmd/prompt.h"
#include "model/role.h"
#include "net/http_query.h"

#define BODY_BYTES_MAX ((size_t)16 << 10)
#define MINUTES_MAX (7 * 24 * 60)
#define WHO_BYTES_MAX 300 /* an id, or an address */

struct user_flags {
	struct slice name;
	struct slice org;
	struct slice role;
	struct slice to;
	bool owner;
	bool now;
	bool with_password;
	int64_t minutes;
	bool json;
};

#define JSON_ROW FIELD_BOOL(struct user_flags, json, "json", .help = "Print JSON.")
#define ORG_ROW \
	FIELD_STR(struct user_flags, org, "org", .max = 120, \
		  .help = "The organization, by its short name. Default: default.")
#define MINUTES_ROW(help_) \
	FIELD_INT(struct user_flags, minutes, "minutes", .max = MINUTES_MAX, .help = (help_))

static const struct field plain_rows[] = { JSON_ROW };
static const struct field add_rows[] = {
	FIELD_STR(struct user_flags, name, "name", .max = 100, .help = "What others see."),
	ORG_ROW,
	FIELD_STR(struct user_flags, role, "role", .max = 20,
		  .help = "What to be there: viewer, member, admin or owner. Default: member, if "
			  "--org is given, else nothing."),
	FIELD_BOOL(struct user_flags, owner, "owner", .help = "The same as --role owner."),
	FIELD_BOOL(struct user_flags, with_password, "with-password",
		   .help = "Ask for a password, or take the first line of standard input."),
	MINUTES_ROW("How long the link is good. Default: a day."),
	JSON_ROW,
};
static const struct field role_rows[] = {
	FIELD_STR(struct user_flags, role, "role", .max = 20, .flags = FIELD_REQUIRED,
		  .help = "viewer, member, admin or owner; none: no member any more."),
	ORG_ROW,
	JSON_ROW,
};
static const struct field link_rows[] = {
	MINUTES_ROW("How long the link is good. Default: 15 minutes."),
	JSON_ROW,
};
static const struct field delete_rows[] = {
	FIELD_BOOL(struct user_flags, now, "now",
		   .help = "At once, without the days in which it can be undone."),
	JSON_ROW,
};
static const struct field mail_link_rows[] = {
	FIELD_STR(struct user_flags, to, "to", .max = 254,
		  .help = "The new address. Default: the one that was asked for, else the one "
			  "there is."),
	MINUTES_ROW("How long the link is good. Default: an hour; a day, if the address stays."),
	JSON_ROW,
};

/* What the members of a body are made of. */
struct input {
	const struct flags *flags;
	const struct user_flags *in;
	struct slice who; /* what stood before the flags */
	struct slice password;
};
typedef void body_fn(const struct input *in, struct json_w *w);

static void put_given(struct json_w *w, const char *name, struct slice value)
{
	if (value.n > 0) {
		json_put_str(w, name, value);
	}
}

static void put_minutes(const struct input *in, struct json_w *w)
{
	if (in->in->minutes > 0) {
		json_put_int(w, "minutes", in->in->minutes);
	}
}

/* In the spelling of the server. */
static struct slice role_of(const struct input *in)
{
	enum role role = in->in->owner ? ROLE_OWNER : role_parse(in->in->role);

	return role == ROLE_NONE ? in->in->role : role_name(role);
}

static void body_of_add(const struct input *in, struct json_w *w)
{
	json_put_str(w, "email", in->who);
	put_given(w, "name", in->in->name);
	put_given(w, "org", in->in->org);
	put_given(w, "role", role_of(in));
	put_given(w, "password", in->password);
	put_minutes(in, w);
}

static void body_of_role(const struct input *in, struct json_w *w)
{
	put_given(w, "org", in->in->org);
	put_given(w, "role", role_of(in));
}

static void body_of_password(const struct input *in, struct json_w *w)
{
	json_put_str(w, "password", in->password);
}

static void body_of_delete(const struct input *in, struct json_w *w)
{
	json_put_bool(w, "now", in->in->now);
}

static void body_of_link(const struct input *in, struct json_w *w)
{
	put_given(w, "email", in->in->to);
	put_minutes(in, w);
}

enum kind { KIND_LIST, KIND_SHOW, KIND_ADD, KIND_DO };

static const struct deed {
	const char *name;
	const char *about;
	enum kind kind;
	bool asks; /* for a password, whatever the flags say */
	body_fn *body;
	const struct field *rows;
	size_t n;
} deeds[] = {
	{ "add", "Make an account, and print a link that sets its password.", KIND_ADD, false,
	  body_of_add, add_rows, ARRAY_LEN(add_rows) },
	{ "list", "List all users, newest first.", KIND_LIST, false, NULL, plain_rows,
	  ARRAY_LEN(plain_rows) },
	{ "show", "Show one user.", KIND_SHOW, false, NULL, plain_rows, ARRAY_LEN(plain_rows) },
	{ "role", "Say what a user is in an organization.", KIND_DO, false, body_of_role, role_rows,
	  ARRAY_LEN(role_rows) },
	{ "password", "Set a user's password: asked for, or the first line of standard input.",
	  KIND_DO, true, body_of_password, plain_rows, ARRAY_LEN(plain_rows) },
	{ "reset-link", "Print a link that sets a new password, once.", KIND_DO, false,
	  body_of_link, link_rows, ARRAY_LEN(link_rows) },
	{ "mail-link", "Print a link that confirms a mail address, once.", KIND_DO, false,
	  body_of_link, mail_link_rows, ARRAY_LEN(mail_link_rows) },
	{ "verify", "Say that the mail address is the user's, without a link.", KIND_DO, false,
	  NULL, plain_rows, ARRAY_LEN(plain_rows) },
	{ "totp-off", "Ask for codes no longer, of who has lost the authenticator.", KIND_DO, false,
	  NULL, plain_rows, ARRAY_LEN(plain_rows) },
	{ "logout", "End all sessions of a user.", KIND_DO, false, NULL, plain_rows,
	  ARRAY_LEN(plain_rows) },
	{ "disable", "Keep a user out: all sessions end, no login works.", KIND_DO, false, NULL,
	  plain_rows, ARRAY_LEN(plain_rows) },
	{ "delete", "Delete a user, with all that is known of him, in seven days.", KIND_DO, false,
	  body_of_delete, delete_rows, ARRAY_LEN(delete_rows) },
	{ "restore", "Keep a user who was to be deleted.", KIND_DO, false, NULL, plain_rows,
	  ARRAY_LEN(plain_rows) },
	{ "enable", "Let a user in again.", KIND_DO, false, NULL, plain_rows,
	  ARRAY_LEN(plain_rows) },
};

/* Printing. */

#define HEAD \
	"email                             status    confirmed  codes   last login                id"

static bool is_true(const struct json *obj, const char *name)
{
	const struct json *v = json_get(obj, name);

	return v != NULL && v->type == JSON_BOOL && v->truth;
}

static const char *yes_no(const struct json *obj, const char *name)
{
	return is_true(obj, name) ? "yes" : "no";
}

static void print_row(const struct json *user)
{
	printf("%-32.*s  %-8.*s  %-9s  %-6s  %-24.*s  %.*s\n", SARG(ask_text(user, "email")),
	       SARG(ask_text(user, "status")), yes_no(user, "emailVerified"),
	       yes_no(user, "twoFactor"), SARG(ask_text(user, "lastLoginAt")),
	       SARG(ask_text(user, "id")));
}

static void print_link(const struct json *user)
{
	struct slice link = ask_text(user, "link");

	if (json_get(user, "link") == NULL) {
		return;
	}
	printf("\n%.*s\ngood once, until %.*s\n", SARG(link),
	       SARG(ask_text(user, "linkExpiresAt")));
	if (link.p[0] == '/') {
		fprintf(stderr, "the setting \"public-url\" is empty: put the address of the "
				"server in front\n");
	}
}

static void print_user(const struct json *user)
{
	const struct json *orgs = json_get(user, "orgs");

	printf("%.*s\n", SARG(ask_text(user, "email")));
	printf("  id             %.*s\n", SARG(ask_text(user, "id")));
	printf("  name           %.*s\n", SARG(ask_text(user, "name")));
	printf("  status         %.*s\n", SARG(ask_text(user, "status")));
	printf("  confirmed      %s\n", yes_no(user, "emailVerified"));
	printf("  password       %s\n", yes_no(user, "hasPassword"));
	printf("  second factor  %s\n", yes_no(user, "twoFactor"));
	printf("  sessions       %.*s\n", SARG(ask_text(user, "sessions")));
	printf("  last login     %.*s\n", SARG(ask_text(user, "lastLoginAt")));
	if (ask_text(user, "deleteAfter").n > 1) {
		printf("  deleted after  %.*s\n", SARG(ask_text(user, "deleteAfter")));
	}
	for (const struct json *o = orgs == NULL ? NULL : orgs->child; o != NULL; o = o->next) {
		printf("  %-13.*s  %.*s\n", SARG(ask_text(o, "role")), SARG(ask_text(o, "slug")));
	}
	print_link(user);
}

/* Asking. */

struct task {
	const struct deed *deed;
	struct input input;
	struct arena *boot;
	bool json;
};

static struct slice path_of(const struct task *t)
{
	struct slice who = t->deed->kind == KIND_LIST ? S("")
						      : http_query_encode(t->input.who, t->boot);

	switch (t->deed->kind) {
	case KIND_LIST:
		return S("/admin/users?limit=1000");
	case KIND_ADD:
		return S("/admin/users");
	case KIND_SHOW:
		return arena_printf(t->boot, "/admin/users/%.*s", SARG(who));
	case KIND_DO:
		return arena_printf(t->boot, "/admin/users/%.*s/%s", SARG(who), t->deed->name);
	}
	never("enum kind");
}

static bool ask(struct task *t, const struct settings *settings, struct err *err)
{
	bool lists = t->deed->kind == KIND_LIST;
	struct ask_rows rows = {
		.call = { .method = lists || t->deed->kind == KIND_SHOW ? "GET" : "POST",
			  .path = path_of(t) },
		.lists = lists,
		.json = t->json,
		.head = lists ? HEAD : NULL,
		.print = lists ? print_row : print_user,
		.boot = t->boot,
	};
	struct json_w w;
	struct buf body;
	bool ok;

	buf_init(&body, BODY_BYTES_MAX);
	if (t->deed->body != NULL) {
		json_w_init(&w, &body);
		json_w_object(&w);
		t->deed->body(&t->input, &w);
		json_w_end(&w);
		rows.call.type = "application/json";
		rows.call.body = buf_slice(&body);
	}
	ok = ask_rows(settings, &rows, err);
	secret_wipe(body.p, body.n);
	buf_release(&body);
	return ok;
}

/* Calling. */

/* NULL: well called. */
static const char *complaint(const struct input *in)
{
	const struct user_flags *f = in->in;

	if (in->who.n > WHO_BYTES_MAX) {
		return "this is no id and no address";
	}
	if (f->owner && f->role.n > 0) {
		return "\"--owner\" and \"--role\" are both given";
	}
	return f->role.n == 0 || role_parse(f->role) != ROLE_NONE || slice_eq(f->role, S("none"))
		       ? NULL
		       : "\"--role\" must be viewer, member, admin, owner or none";
}

static int work(struct task *t, const struct settings *settings)
{
	const struct deed *deed = t->deed;
	struct secret password = { 0 };
	struct err err;
	bool ok = true;

	if (deed->asks || t->input.in->with_password) {
		ok = prompt_secret("password", &password, &err);
		t->input.password = secret_reveal(&password);
	}
	ok = ok && ask(t, settings, &err);
	secret_release(&password);
	if (!ok) {
		fprintf(stderr, "tocsin user %s: %s\n", deed->name, err.text);
	}
	return ok ? 0 : 1;
}

static int run(const struct flags *flags, const void *arg, struct arena *boot)
{
	const struct user_flags *in = arg;
	struct task t = {
		.deed = ASK_WORD(flags->command + strlen("user "), deeds),
		.input = { .flags = flags, .in = in, .who = slice_of(flags->word) },
		.boot = boot,
		.json = in->json,
	};
	const char *wrong = complaint(&t.input);
	struct settings settings;

	if (wrong != NULL) {
		fprintf(stderr, "tocsin %s: %s\n", flags->command, wrong);
		return 2;
	}
	if (!flags_settings(flags, boot, &settings)) {
		return 2;
	}
	log_setup(LOG_WARN, settings.log_format, STDERR_FILENO);
	return work(&t, &settings);
}

static int run_deed(const struct deed *deed, int argc, char **argv)
{
	struct user_flags in = { 0 };
	struct flags flags = {
		.words = deed->kind == KIND_LIST  ? NULL
			 : deed->kind == KIND_ADD ? "EMAIL"
						  : "USER",
		.no_word = deed->kind == KIND_ADD ? "say whose: the mail address"
						  : "say who: an id, or the mail address",
		.about = deed->about,
		.rows = deed->rows,
		.n = deed->n,
		.with_settings = true,
	};
	struct arena boot;
	int code;

	arena_init(&boot, 0);
	flags.command = arena_printf(&boot, "user %s", deed->name).p;
	code = flags_run(&flags, argc, argv, &in, run);
	arena_release(&boot);
	return code;
}

static int unknown(const char *word)
{
	fprintf(stderr, "tocsin user: there is no \"%s\"; `tocsin help user` says what there is\n",
		word);
	return 2;
}

/* Without a word, only help or a complaint is left. */
static int run_none(const struct flags *flags, const void *in UNUSED, struct arena *boot UNUSED)
{
	return unknown(flags->word);
}

int cmd_user(int argc, char **argv)
{
	const struct deed *deed = argc > 0 ? ASK_WORD(argv[0], deeds) : NULL;
	struct flags flags = {
		.command = "user",
		.words = "WORD [USER]",
		.no_word = "say what; `tocsin help user` says what there is",
		.about = "Make and help the people who log in: a USER is an id or a mail address. "
			 "A server may run on\nthe data directory; else the command works on it "
			 "itself. `tocsin user WORD --help` says more.\n\n"
			 "  add         make an account, and print a link that sets its password; "
			 "--owner for the first\n"
			 "  list        list all users\n"
			 "  show        show one\n"
			 "  role        say what a user is in an organization\n"
			 "  password    set a password: asked for, or from standard input\n"
			 "  reset-link  print a link that sets a new password\n"
			 "  mail-link   print a link that confirms an address\n"
			 "  verify      take an address for confirmed\n"
			 "  totp-off    ask for codes no longer\n"
			 "  logout      end all sessions\n"
			 "  disable     keep a user out\n"
			 "  enable      let a user in again\n"
			 "  delete      delete a user, in seven days; --now: at once\n"
			 "  restore     keep a user who was to be deleted",
		.with_settings = true,
	};
	struct user_flags in = { 0 };

	if (deed != NULL) {
		return run_deed(deed, argc - 1, argv + 1);
	}
	return argc > 0 && argv[0][0] != '-' ? unknown(argv[0])
					     : flags_run(&flags, argc, argv, &in, run_none);
}
