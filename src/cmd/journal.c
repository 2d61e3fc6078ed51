/* SPDX-License-Identifier: Apache-2.0 */
/* tocsin journal: what is in the log, whether all of it is right, and what to do when it is not. */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/json_put.h"
#include "base/time.h"
#include "cmd/client.h"
#include "cmd/command.h"
#include "cmd/flags.h"
#include "cmd/settings.h"
#include "cmd/survey.h"
#include "journal/care.h"

#define JSON_OUT_BYTES_MAX ((size_t)16 << 20)

struct journal_flags {
	bool json;
	bool deep;
};

static const struct field rows[] = {
	FIELD_BOOL(struct journal_flags, json, "json", .help = "Print JSON."),
	FIELD_BOOL(struct journal_flags, deep, "deep",
		   .help = "verify: unpack every record of sealed files, too."),
};

struct task {
	const struct settings *settings;
	struct peek peek;
	struct survey survey;
	bool json;
	bool deep;
};

static void print_json(const struct task *t, bool stat)
{
	struct buf out;
	struct json_w w;

	buf_init(&out, JSON_OUT_BYTES_MAX);
	json_w_init(&w, &out);
	json_w_object(&w);
	json_put_bool(&w, "ok", t->survey.unknown + t->survey.mendable == 0);
	if (stat) {
		survey_put_stat(&t->survey, &w);
	} else {
		json_put_int(&w, "records", (int64_t)t->survey.records);
		json_put_int(&w, "firstRecord", (int64_t)t->survey.first_seq);
		json_put_int(&w, "lastRecord", (int64_t)t->survey.last_seq);
	}
	survey_put_damage(&t->survey, &w);
	json_w_end(&w);
	buf_putc(&out, '\n');
	fwrite(out.p, 1, out.n, stdout);
	buf_release(&out);
}

/* What was done to how many, and what was found. */
static void print_done(const struct task *t, const char *what, size_t n)
{
	struct buf out;
	struct json_w w;

	buf_init(&out, JSON_OUT_BYTES_MAX);
	json_w_init(&w, &out);
	json_w_object(&w);
	json_put_int(&w, what, (int64_t)n);
	survey_put_damage(&t->survey, &w);
	json_w_end(&w);
	buf_putc(&out, '\n');
	fwrite(out.p, 1, out.n, stdout);
	buf_release(&out);
}

static void print_sealed(const struct survey *s)
{
	if (s->sealed_files > 0) {
		printf("sealed     %llu, %llu bytes for %llu bytes of JSON\n",
		       (unsigned long long)s->sealed_files, (unsigned long long)s->sealed_bytes,
		       (unsigned long long)s->sealed_bodies);
	}
}

static void print_range(const struct survey *s)
{
	printf("records    %llu", (unsigned long long)s->records);
	if (s->records > 0) {
		printf(", from %llu to %llu", (unsigned long long)s->first_seq,
		       (unsigned long long)s->last_seq);
	}
	printf("\n");
}

static void print_time(const char *name, int64_t us)
{
	char text[TIME_TEXT_MAX];

	if (us != 0) {
		printf("%-10s %s\n", name, time_format(us, TIME_MILLIS, text).p);
	}
}

static bool stat_journal(struct task *t, struct err *err)
{
	const struct survey *s = &t->survey;

	struct survey_options options = { .window_us = t->settings->idempotency_window * US_PER_S,
					  .deep = true };

	if (!survey_read(&t->survey, &t->peek, &options, err)) {
		return false;
	}
	if (t->json) {
		print_json(t, true);
		return true;
	}
	printf("segments   %llu, %llu bytes\n", (unsigned long long)s->segments,
	       (unsigned long long)s->bytes);
	print_sealed(s);
	print_range(s);
	for (enum record_kind kind = RECORD_EVENT; kind < SURVEY_KINDS; kind++) {
		printf("  %-8s %llu\n", survey_kind(kind), (unsigned long long)s->kinds[kind]);
	}
	printf("purged     %llu, and %llu deleted events that are still there\n",
	       (unsigned long long)s->purged, (unsigned long long)s->deleted);
	print_time("first", s->first_us);
	print_time("last", s->last_us);
	printf("keys       %llu, of them %llu in sealed files\n", (unsigned long long)s->keys,
	       (unsigned long long)s->keys_sealed);
	print_time("  from", s->keys_from_us);
	survey_print_damage(s);
	return true;
}

static bool verify(struct task *t, struct err *err)
{
	struct survey_options options = { .deep = t->deep };
	const struct survey *s = &t->survey;

	if (!survey_read(&t->survey, &t->peek, &options, err)) {
		return false;
	}
	if (t->json) {
		print_json(t, false);
	} else {
		print_sealed(s);
		print_range(s);
		survey_print_damage(s);
	}
	if (!survey_judge(s, err)) {
		return false;
	}
	if (!t->json) {
		printf(s->damage_n == 0 ? "every record is intact\n"
					: "what is not set aside is intact\n");
	}
	return true;
}

static void note_damage(void *arg, const struct journal_damage *damage)
{
	survey_note(arg, damage);
}

/* What is written here is for a server that may run as somebody else than who types commands. */
static bool check_owner(const struct task *t, struct err *err)
{
	struct stat st;

	if (stat(t->peek.dir, &st) != 0) {
		return err_errno(err, errno, "look at \"%s\"", t->peek.dir);
	}
	return st.st_uid == geteuid() ||
	       err_set(err, ERR_FORBIDDEN,
		       "run this as the user with the number %u, who owns \"%s\": the server could "
		       "not read what it writes",
		       (unsigned)st.st_uid, t->peek.dir);
}

static bool may_change(const struct task *t, struct err *err)
{
	if (t->peek.served) {
		return err_set(err, ERR_CONFLICT,
			       "a server runs on this data directory: stop it first");
	}
	return check_owner(t, err);
}

/* What parity gives back; for what is lost somebody has to say that it may go. */
static bool repair(struct task *t, struct err *err)
{
	struct journal_options options = { .dir = t->peek.dir,
					   .on_damage = note_damage,
					   .on_damage_arg = &t->survey };
	size_t n;

	if (!may_change(t, err) || !journal_repair(&options, &n, err)) {
		return false;
	}
	if (t->json) {
		print_done(t, "mended", n);
	} else {
		survey_print_damage(&t->survey);
		printf(n == 0 ? "nothing to mend\n" : "mended: %zu sealed files\n", n);
	}
	return t->survey.unknown == 0 ||
	       err_set(err, ERR_CORRUPT,
		       "more is damaged than can be mended (places: %zu); `tocsin journal "
		       "quarantine` sets that aside",
		       t->survey.unknown);
}

static struct slice text_of(const struct json *object, const char *name)
{
	const struct json *v = json_get(object, name);

	return v == NULL ? (struct slice) { 0 } : v->text;
}

/* What the server says that it did. */
static bool print_reply(const struct task *t, struct slice reply, struct err *err)
{
	const struct json *body, *damage, *n;
	struct arena arena;
	bool ok;

	if (t->json) {
		printf("%.*s\n", SARG(reply));
		return true;
	}
	arena_init(&arena, 0);
	ok = json_parse(&arena, reply, JSON_DEPTH_MAX, &body, err);
	damage = ok ? json_get(body, "damage") : NULL;
	for (const struct json *d = damage == NULL ? NULL : damage->child; d != NULL; d = d->next) {
		struct slice org = text_of(d, "orgId"), project = text_of(d, "projectId");

		printf("%.*s%s%.*s %.*s\n", SARG(text_of(d, "text")), org.n > 0 ? " of " : "",
		       SARG(org), SARG(project));
	}
	n = ok ? json_get(body, "setAside") : NULL;
	if (n != NULL && !slice_eq(n->text, S("0"))) {
		printf("set aside by the server: %.*s; the damaged bytes are in %s/*.damaged\n",
		       SARG(n->text), t->peek.dir);
	} else if (ok) {
		printf("nothing to set aside that the server knows of; `tocsin journal verify` "
		       "reads everything\n");
	}
	arena_release(&arena);
	return ok;
}

/* It has the log; what waits behind the damage goes on when it is set aside. */
static bool ask_server(const struct task *t, struct err *err)
{
	struct client_flags where = { .data = t->peek.data };
	struct client_call call = { .method = "POST", .path = S("/admin/journal/quarantine") };
	struct client_reply reply = { 0 };
	struct client *client = NULL;
	bool ok = client_open(&client, &where, false, err) &&
		  client_call(client, &call, &reply, err) && client_ok(&reply, err) &&
		  print_reply(t, buf_slice(&reply.body), err);

	client_reply_release(&reply);
	client_close(&client);
	return ok || err_wrap(err, "the server was asked to set it aside");
}

/* With the lock, so that no server is in the way; or by the server. */
static bool quarantine(struct task *t, struct err *err)
{
	struct journal_options options = { .dir = t->peek.dir,
					   .on_damage = note_damage,
					   .on_damage_arg = &t->survey };
	size_t n;

	if (t->peek.served) {
		return ask_server(t, err);
	}
	if (!may_change(t, err) || !journal_quarantine(&options, &n, err)) {
		return false;
	}
	if (t->json) {
		print_done(t, "setAside", n);
		return true;
	}
	survey_print_damage(&t->survey);
	if (n == 0) {
		printf("nothing to set aside\n");
	} else {
		printf("set aside: %zu; the damaged bytes are in %s/*.damaged\n", n, t->peek.dir);
	}
	return true;
}

static const struct verb {
	const char *name;
	bool (*run)(struct task *t, struct err *err);
} verbs[] = {
	{ "verify", verify },
	{ "repair", repair },
	{ "quarantine", quarantine },
	{ "stat", stat_journal },
};

#define NO_VERB "say verify, repair, quarantine or stat; `tocsin help journal` says more"

static const struct verb *find(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		if (strcmp(verbs[i].name, word) == 0) {
			return &verbs[i];
		}
	}
	return NULL;
}

static int run(const struct flags *flags, const void *arg, struct arena *boot)
{
	const struct verb *verb = find(flags->word);
	const struct journal_flags *in = arg;
	struct settings settings;
	struct task task = {
		.settings = &settings, .json = in->json, .deep = in->deep, .peek.lock = -1
	};
	struct err err;
	bool ok;

	if (verb == NULL) {
		fprintf(stderr, "tocsin journal: " NO_VERB "\n");
		return 2;
	}
	if (!flags_settings(flags, boot, &settings)) {
		return 2;
	}
	log_setup(LOG_ERROR, settings.log_format, STDERR_FILENO);
	ok = peek_open(&task.peek, settings.data, boot, &err) && verb->run(&task, &err);
	survey_release(&task.survey);
	peek_close(&task.peek);
	if (!ok) {
		fprintf(stderr, "tocsin journal %s: %s\n", verb->name, err.text);
	}
	return ok ? 0 : 1;
}

int cmd_journal(int argc, char **argv)
{
	struct flags flags = {
		.command = "journal",
		.words = "verify|repair|quarantine|stat",
		.no_word = NO_VERB,
		.about =
			"Look at the log of a data directory. For all but repair a server may run on "
			"it.\n\n"
			"  verify       read every byte, say which records are damaged; the exit code "
			"is 1 then\n"
			"  repair       write sealed files anew with what their parity gives back; a "
			"server does it by\n"
			"               itself\n"
			"  quarantine   set aside exactly what is damaged, so that the server starts "
			"without it;\n"
			"               copies of the damaged bytes stay beside the log; a server "
			"that runs does it\n"
			"               itself and goes on\n"
			"  stat         what is in it",
		.rows = rows,
		.n = ARRAY_LEN(rows),
		.with_settings = true,
	};
	struct journal_flags in = { 0 };

	return flags_run(&flags, argc, argv, &in, run);
}
