/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tocsin check: whether everything in a data directory is as it should be, without changing any of
 * it. The state is asked before the log, which only grows: so its cursor has to be in there.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/json_put.h"
#include "cmd/books.h"
#include "cmd/chains.h"
#include "cmd/command.h"
#include "cmd/data_dir.h"
#include "cmd/flags.h"
#include "cmd/secret_key.h"
#include "cmd/settings.h"
#include "cmd/survey.h"
#include "engine/engine.h"
#include "store/save.h"

#define JSON_OUT_BYTES_MAX ((size_t)16 << 20)
#define SEGMENTS_FREE_MIN 2 /* one that is zeroed ahead, and one for what is behind it */

struct check_flags {
	bool json;
};

static const struct field rows[] = {
	FIELD_BOOL(struct check_flags, json, "json", .help = "Print JSON."),
};

struct run {
	const struct settings *settings;
	struct arena *boot;
	struct peek peek;
	struct store *store;
	struct store_saved saved;
	bool saved_known;
	struct survey survey;
	bool survey_known;
	char note[256]; /* what a check has found that is in order */
};

static const char *in_data(struct run *r, const char *name)
{
	return data_dir_path(r->settings->data, name, r->boot).p;
}

/* Each says in note what it saw, or fails. */
typedef bool check_fn(struct run *r, struct err *err);

static bool check_mode(const char *path, const struct stat *st, struct err *err)
{
	return (st->st_mode & 077) == 0 ||
	       err_set(err, ERR_FORBIDDEN, "\"%s\" is open to others (mode %04o): chmod go= %s",
		       path, (unsigned)(st->st_mode & 07777), path);
}

static bool check_modes_in(struct run *r, const char *path, size_t *n, struct err *err)
{
	DIR *d = opendir(path);
	const struct dirent *entry;
	bool ok = d != NULL || err_errno(err, errno, "open \"%s\"", path);

	while (ok && (entry = readdir(d)) != NULL) {
		const char *file;
		struct stat st;

		if (strcmp(entry->d_name, "..") == 0) {
			continue;
		}
		file = arena_printf(r->boot, "%s/%s", path, entry->d_name).p;
		/* What is gone meanwhile is nobody's any more. */
		if (lstat(file, &st) == 0) {
			ok = check_mode(file, &st, err);
			++*n;
		}
	}
	if (d != NULL) {
		closedir(d);
	}
	return ok;
}

static bool check_permissions(struct run *r, struct err *err)
{
	size_t n = 0;

	if (!check_modes_in(r, in_data(r, "."), &n, err) ||
	    !check_modes_in(r, in_data(r, "journal"), &n, err) ||
	    (access(in_data(r, "snapshots"), F_OK) == 0 &&
	     !check_modes_in(r, in_data(r, "snapshots"), &n, err))) {
		return false;
	}
	snprintf(r->note, sizeof(r->note), "%zu files are their owner's alone", n);
	return true;
}

/* What would be sealed with a key that is gone is not looked for. */
static bool check_secrets(struct run *r, struct err *err)
{
	struct seal *seal;
	enum found found = secret_key_find(r->settings, r->boot, &seal, err);

	if (found == FOUND) {
		snprintf(r->note, sizeof(r->note), "keys for stored secrets that can be read: %zu",
			 seal_keys(seal));
		seal_free(&seal);
	} else if (found == NOT_FOUND) {
		snprintf(r->note, sizeof(r->note), "there is none; a start makes one");
	}
	return found != FAILED;
}

static bool check_space(struct run *r, struct err *err)
{
	unsigned long long need = (unsigned long long)r->settings->segment_size * SEGMENTS_FREE_MIN;
	unsigned long long left;
	struct statvfs fs;

	if (statvfs(in_data(r, "journal"), &fs) != 0) {
		return err_errno(err, errno, "ask for free space");
	}
	left = (unsigned long long)fs.f_bavail * fs.f_frsize;
	snprintf(r->note, sizeof(r->note), "%llu MiB are free", left >> 20);
	return left >= need || err_set(err, ERR_DISK_FULL,
				       "%llu MiB are free; under %llu MiB events may be refused",
				       left >> 20, need >> 20);
}

static bool check_schema(struct run *r, struct err *err)
{
	unsigned newest = store_schema_newest();

	if (!store_saved(r->store, &r->saved, err)) {
		return false;
	}
	r->saved_known = true;
	if (r->saved.schema > newest) {
		return err_set(err, ERR_CONFLICT,
			       "the state has schema %u, this program knows up to %u: use a newer "
			       "tocsin",
			       r->saved.schema, newest);
	}
	snprintf(r->note, sizeof(r->note),
		 r->saved.schema == newest ? "schema %u" : "schema %u; a start brings it to %u",
		 r->saved.schema, newest);
	return true;
}

static bool check_state(struct run *r, struct err *err)
{
	snprintf(r->note, sizeof(r->note), "the database is sound");
	return store_integrity(r->store, err);
}

static bool check_rows(struct run *r, struct err *err)
{
	snprintf(r->note, sizeof(r->note),
		 "alerts, deliveries, attempts and usage belong together");
	return store_rows_agree(r->store, err) &&
	       (!r->saved_known || r->saved.schema != store_schema_newest() ||
		store_sent_agree(r->store, err));
}

static bool check_journal(struct run *r, struct err *err)
{
	const struct survey *s = &r->survey;
	struct survey_options options = { 0 };

	if (!survey_read(&r->survey, &r->peek, &options, err)) {
		return false;
	}
	r->survey_known = true;
	if (s->unknown > 0) {
		char text[160];

		for (size_t i = 0; i < s->damage_n; i++) {
			const struct journal_damage *d = &s->damage[i].d;

			if (!d->known && !d->mendable) {
				journal_damage_text(d, text, sizeof(text));
				break;
			}
		}
		return err_set(err, ERR_CORRUPT, "%s%s; `tocsin journal verify` says all", text,
			       s->unknown > 1 ? ", and more" : "");
	}
	if (!survey_judge(s, err)) {
		return false;
	}
	snprintf(r->note, sizeof(r->note), "%llu records, from %llu to %llu, are intact%s",
		 (unsigned long long)s->records, (unsigned long long)s->first_seq,
		 (unsigned long long)s->last_seq, s->damage_n > 0 ? "; others were set aside" : "");
	return true;
}

static bool check_cursor(struct run *r, struct err *err)
{
	unsigned long long cursor = r->saved.cursor, last = r->survey.last_seq;

	if (!r->saved_known || !r->survey_known) {
		return err_set(err, ERR_CONFLICT, "state and log could not both be read");
	}
	snprintf(r->note, sizeof(r->note), "the state has seen record %llu of %llu", cursor, last);
	return cursor <= last ||
	       err_set(err, ERR_CORRUPT, "the state has seen record %llu, but the log ends at %llu",
		       cursor, last);
}

static bool is_snapshot(const char *name)
{
	return slice_ends(slice_of(name), S(".snap"));
}

/* A running server replaces them: what is gone by now was not wrong. */
static bool check_snapshot(struct run *r, int dir, const char *name, struct err *err)
{
	uint64_t seq;

	return engine_snapshot_check(dir, name, &r->survey.id, &seq, err) ||
	       faccessat(dir, name, F_OK, 0) != 0 || err_wrap(err, "snapshot \"%s\"", name);
}

static bool check_snapshots(struct run *r, struct err *err)
{
	const struct dirent *entry;
	bool ok = true;
	size_t n = 0;
	DIR *d;

	if (!r->survey_known) {
		return err_set(err, ERR_CONFLICT, "the log could not be read");
	}
	d = opendir(in_data(r, "snapshots"));
	while (ok && d != NULL && (entry = readdir(d)) != NULL) {
		if (is_snapshot(entry->d_name)) {
			ok = check_snapshot(r, dirfd(d), entry->d_name, err);
			n++;
		}
	}
	if (d != NULL) {
		closedir(d);
	}
	snprintf(r->note, sizeof(r->note), "%zu can be read", n);
	return ok;
}

struct audit_tally {
	struct db *db;
	size_t chains;
	uint64_t entries;
	char fault[200]; /* the first; empty: none */
	struct arena *boot;
};

static void on_audit_fault(void *arg, const struct audit_fault *fault)
{
	struct audit_tally *t = arg;

	if (t->fault[0] == '\0') {
		snprintf(t->fault, sizeof(t->fault), "%.*s",
			 SARG(audit_fault_text(fault, t->boot)));
	}
}

static bool check_chain(void *arg, struct org_id org, struct err *err)
{
	struct audit_tally *t = arg;
	struct audit_check c = { .org = org, .fault = on_audit_fault, .arg = t };
	bool ok = chains_check(t->db, &c, err);

	t->chains++;
	t->entries += c.n;
	audit_check_release(&c);
	return ok;
}

static bool check_audit(struct run *r, struct err *err)
{
	struct audit_tally t = { .boot = r->boot };
	bool ok;

	if (!r->saved_known || r->saved.schema != store_schema_newest()) {
		snprintf(r->note, sizeof(r->note),
			 "not looked at: the state is of another version");
		return true;
	}
	ok = store_connect(r->store, STORE_KEEPER, &t.db, err) &&
	     chains_each(t.db, check_chain, &t, err);
	db_close(&t.db);
	snprintf(r->note, sizeof(r->note), "%llu entries of %zu chains are as they were written",
		 (unsigned long long)t.entries, t.chains);
	return ok && (t.fault[0] == '\0' ||
		      err_set(err, ERR_CORRUPT, "%s; `tocsin audit verify` says where", t.fault));
}

/* Only of what nobody changes meanwhile. */
static bool check_books(struct run *r, struct err *err)
{
	struct db *db = NULL;
	struct books books;
	size_t wrong = 0;
	uint64_t lost;
	bool ok;

	if (r->peek.served || !r->saved_known || r->saved.schema != store_schema_newest()) {
		snprintf(r->note, sizeof(r->note), "not looked at: %s",
			 r->peek.served ? "a server runs" : "the state is of another version");
		return true;
	}
	ok = store_connect(r->store, STORE_KEEPER, &db, err) &&
	     books_look(&r->peek, db, &books, &lost, r->boot, err);
	for (size_t i = 0; ok && i < books.n; i++) {
		wrong += books_fault(books.lines[i], lost, false) != NULL;
	}
	db_close(&db);
	if (!ok) {
		return false;
	}
	snprintf(r->note, sizeof(r->note),
		 "what was accepted of %zu projects is in the log and was counted", books.n);
	return wrong == 0 ||
	       err_set(err, ERR_CORRUPT,
		       "the books of %zu projects do not balance; `tocsin books` says which",
		       wrong);
}

static const struct {
	const char *name;
	check_fn *run;
} checks[] = {
	{ "permissions", check_permissions },
	{ "secrets", check_secrets },
	{ "space", check_space },
	{ "schema", check_schema },
	{ "state", check_state },
	{ "rows", check_rows },
	{ "audit", check_audit },
	{ "journal", check_journal },
	{ "cursor", check_cursor },
	{ "snapshots", check_snapshots },
	{ "books", check_books },
};

static bool open_store(struct run *r, struct err *err)
{
	struct slice url = r->settings->database_url;

	if (url.n == 0) {
		url = slice_of(in_data(r, "state.db"));
	}
	if (!store_open(url, &r->store, err)) {
		return false;
	}
	store_only_look(r->store);
	return true;
}

static void tell(struct json_w *w, const char *name, const char *note, const struct err *err)
{
	if (w == NULL) {
		printf("%-5s %-12s %s\n", err == NULL ? "ok" : "WRONG", name,
		       err == NULL ? note : err->text);
		return;
	}
	json_w_object(w);
	json_put_str(w, "name", slice_of(name));
	json_put_bool(w, "ok", err == NULL);
	json_put_str(w, "text", slice_of(err == NULL ? note : err->text));
	json_w_end(w);
}

static size_t check_all(struct run *r, struct json_w *w)
{
	size_t wrong = 0;

	for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
		struct err err = { 0 };
		bool ok = checks[i].run(r, &err);

		tell(w, checks[i].name, r->note, ok ? NULL : &err);
		wrong += !ok;
	}
	return wrong;
}

static size_t check_json(struct run *r)
{
	struct buf out;
	struct json_w w;
	size_t wrong;

	buf_init(&out, JSON_OUT_BYTES_MAX);
	json_w_init(&w, &out);
	json_w_object(&w);
	json_put_bool(&w, "served", r->peek.served);
	json_w_key(&w, "checks");
	json_w_array(&w);
	wrong = check_all(r, &w);
	json_w_end(&w);
	json_put_bool(&w, "ok", wrong == 0);
	json_w_end(&w);
	buf_putc(&out, '\n');
	fwrite(out.p, 1, out.n, stdout);
	buf_release(&out);
	return wrong;
}

static int run(const struct flags *flags, const void *arg, struct arena *boot)
{
	const struct check_flags *in = arg;
	struct settings settings;
	struct run r = { .settings = &settings, .boot = boot, .peek.lock = -1 };
	struct err err;
	int code = 1;

	if (!flags_settings(flags, boot, &settings)) {
		return 2;
	}
	log_setup(LOG_ERROR, settings.log_format, STDERR_FILENO);
	if (!peek_open(&r.peek, settings.data, boot, &err) || !open_store(&r, &err)) {
		fprintf(stderr, "tocsin check: %s\n", err.text);
	} else {
		code = (in->json ? check_json(&r) : check_all(&r, NULL)) > 0;
	}
	store_close(&r.store);
	survey_release(&r.survey);
	peek_close(&r.peek);
	return code;
}

int cmd_check(int argc, char **argv)
{
	struct flags flags = {
		.command = "check",
		.about =
			"Say whether a data directory is in order, and change nothing in it; a "
			"server may run on it.\nReads the whole log and the whole state:\n\n"
			"  permissions  what is stored is its owner's alone\n"
			"  secrets      what stored secrets are sealed with can be read\n"
			"  space        there is room for the next files of the log\n"
			"  schema       the state is of this version or an older one\n"
			"  state        the database finds itself sound\n"
			"  rows         alerts, deliveries and attempts belong together\n"
			"  audit        nobody tampered with the audit log\n"
			"  journal      every byte of the log is as it was written\n"
			"  cursor       the state has not seen more than the log has\n"
			"  snapshots    they can be read\n"
			"  books        what was accepted is in the log and was counted; without a "
			"server only\n\n"
			"The exit code is 0 when all is well, 1 when something is wrong or cannot be "
			"read.",
		.rows = rows,
		.n = ARRAY_LEN(rows),
		.with_settings = true,
	};
	struct check_flags in = { 0 };

	return flags_run(&flags, argc, argv, &in, run);
}
