/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tocsin restore: a data directory out of a backup. Everything is read and compared with the
 * manifest before anything is written, and what was written is read and compared again. The
 * journal's "meta" comes last: a directory without it is refused by the server, so half of a
 * restore is never taken for an installation.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/time.h"
#include "cmd/command.h"
#include "cmd/data_dir.h"
#include "cmd/flags.h"
#include "cmd/manifest.h"
#include "cmd/settings.h"
#include "cmd/survey.h"

#define META "journal/meta"

struct restore_flags {
	struct slice key_file;
};

static const struct field rows[] = {
	FIELD_STR(struct restore_flags, key_file, "encrypt-key-file", .max = 4000,
		  .help = "The key that the backup was encrypted with."),
};

struct restore {
	const struct settings *settings;
	struct arena *boot;
	struct slice dir;
	struct vault_key key;
	struct manifest manifest;
	struct store *store; /* PostgreSQL alone */
	struct survey survey;
	int lock;
};

static const char *in_backup(struct restore *r, struct slice name)
{
	return arena_printf(r->boot, "%.*s/%.*s", SARG(r->dir), SARG(name)).p;
}

static const char *in_data(struct restore *r, struct slice name)
{
	return arena_printf(r->boot, "%.*s/%.*s", SARG(r->settings->data), SARG(name)).p;
}

static bool same(const struct manifest_file *file, const struct vault_sum *sum, const char *path,
		 struct err *err)
{
	return (sum->bytes == file->sum.bytes &&
		memcmp(sum->hash, file->sum.hash, VAULT_HASH_BYTES) == 0) ||
	       err_set(err, ERR_CORRUPT, "\"%s\" is not what the manifest says", path);
}

static bool read_manifest(struct restore *r, struct err *err)
{
	switch (manifest_read(r->dir, &r->key, r->boot, &r->manifest, err)) {
	case FOUND:
		break;
	case FAILED:
		return false;
	case NOT_FOUND:
		return err_set(
			err, ERR_NOT_FOUND,
			access(in_backup(r, S("unfinished")), F_OK) == 0
				? "the backup in \"%.*s\" was interrupted: there is no manifest"
				: "there is no backup in \"%.*s\"",
			SARG(r->dir));
	}
	return r->manifest.state.schema <= store_schema_newest() ||
	       err_set(err, ERR_CONFLICT,
		       "the backup has schema %u, this program knows up to %u: use tocsin %.*s or "
		       "newer",
		       r->manifest.state.schema, store_schema_newest(), SARG(r->manifest.version));
}

/* Before: a backup that cannot be trusted leaves nothing behind. */
static bool verify_backup(struct restore *r, struct err *err)
{
	for (size_t i = 0; i < r->manifest.n; i++) {
		const struct manifest_file *file = &r->manifest.files[i];
		const char *path = in_backup(r, file->stored);
		struct vault_sum sum;

		if (!vault_read(path, file->stored, &r->key, NULL, NULL, &sum, err) ||
		    !same(file, &sum, path, err)) {
			return false;
		}
	}
	return manifest_find(&r->manifest, S(META)) != NULL ||
	       err_set(err, ERR_CORRUPT, "the backup has no \"" META "\"");
}

/* The target. */

static bool is_empty(const char *path, struct err *err)
{
	DIR *d = opendir(path);
	const struct dirent *entry;
	bool empty = true;

	if (d == NULL) {
		return errno == ENOENT || err_errno(err, errno, "open \"%s\"", path);
	}
	while ((entry = readdir(d)) != NULL) {
		empty = empty &&
			(strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0);
	}
	closedir(d);
	return empty ||
	       err_set(err, ERR_CONFLICT,
		       "\"%s\" is not empty: name a directory that is not there yet", path);
}

static bool open_store(struct restore *r, struct err *err)
{
	struct slice url = r->settings->database_url;

	if (!r->manifest.postgres) {
		return url.n == 0 ||
		       err_set(err, ERR_INVALID,
			       "the state of this backup is SQLite: leave out \"--database-url\"");
	}
	if (url.n == 0 || !store_open(url, &r->store, err)) {
		return url.n > 0 ? false
				 : err_set(err, ERR_INVALID,
					   "the state of this backup is PostgreSQL's: give "
					   "\"--database-url\" of an empty database");
	}
	return store_kind(r->store) == STORE_POSTGRES ||
	       err_set(err, ERR_INVALID, "\"--database-url\" must name an empty PostgreSQL");
}

static bool make_folder(const char *path, struct err *err)
{
	return mkdir(path, 0700) == 0 || err_errno(err, errno, "make \"%s\"", path);
}

static bool open_target(struct restore *r, struct err *err)
{
	struct slice data = r->settings->data;

	if (!is_empty(arena_cstr(r->boot, data), err)) {
		return false;
	}
	r->lock = data_dir_lock(data, err);
	return r->lock >= 0 && make_folder(in_data(r, S("journal")), err) &&
	       make_folder(in_data(r, S("snapshots")), err);
}

static bool put_into(void *arg, struct slice bytes, struct err *err)
{
	return vault_out_put(arg, bytes, err);
}

/* Decrypted on the way, under the name it had. */
static bool copy_to(struct restore *r, const struct manifest_file *file, const char *to,
		    struct err *err)
{
	static const struct vault_key plain;
	const char *from = in_backup(r, file->stored);
	struct vault_out *out = NULL;
	struct vault_sum sum;
	bool ok = vault_out_open(&out, to, file->name, &plain, err) &&
		  vault_read(from, file->stored, &r->key, put_into, out, &sum, err) &&
		  vault_out_end(out, NULL, err);

	vault_out_close(&out);
	return ok && vault_read(to, file->name, &plain, NULL, NULL, &sum, err) &&
	       same(file, &sum, to, err);
}

static bool load_rows(struct restore *r, const struct manifest_file *file, struct err *err)
{
	const char *path = in_data(r, S(MANIFEST_STATE_POSTGRES));
	bool ok = copy_to(r, file, path, err) &&
		  store_load(r->store, path, r->manifest.state.schema, clock_wall_us(), err);

	(void)unlink(path);
	return ok;
}

static bool flush_folder(const char *path, struct err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = fd >= 0 && fsync(fd) == 0;

	if (!ok) {
		err_errno(err, errno, "flush \"%s\"", path);
	}
	if (fd >= 0) {
		close(fd);
	}
	return ok;
}

static bool place(struct restore *r, const struct manifest_file *file, struct err *err)
{
	if (slice_eq(file->name, S(MANIFEST_STATE_POSTGRES))) {
		return load_rows(r, file, err);
	}
	return copy_to(r, file, in_data(r, file->name), err);
}

static bool place_all(struct restore *r, struct err *err)
{
	const struct manifest *m = &r->manifest;

	for (size_t i = 0; i < m->n; i++) {
		if (!slice_eq(m->files[i].name, S(META)) && !place(r, &m->files[i], err)) {
			return false;
		}
	}
	return flush_folder(in_data(r, S("journal")), err) &&
	       flush_folder(in_data(r, S("snapshots")), err) &&
	       place(r, manifest_find(m, S(META)), err) &&
	       flush_folder(in_data(r, S("journal")), err) &&
	       flush_folder(arena_cstr(r->boot, r->settings->data), err);
}

/* After: what a server would find. */

static bool verify_journal(struct restore *r, struct err *err)
{
	struct peek peek = { .data = r->settings->data,
			     .dir = in_data(r, S("journal")),
			     .lock = -1 };
	const struct survey *s = &r->survey;
	struct survey_options options = { 0 };

	if (!survey_read(&r->survey, &peek, &options, err)) {
		return false;
	}
	return s->last_seq == r->manifest.last_seq ||
	       err_set(err, ERR_CORRUPT, "the log ends at record %llu, the manifest says %llu",
		       (unsigned long long)s->last_seq, (unsigned long long)r->manifest.last_seq);
}

static bool verify_state(struct restore *r, struct err *err)
{
	const struct store_saved *want = &r->manifest.state;
	struct store *store = NULL;
	struct store_saved got;
	bool ok;

	if (r->store == NULL &&
	    !store_open(slice_of(in_data(r, S(MANIFEST_STATE_SQLITE))), &store, err)) {
		return false;
	}
	ok = store_integrity(r->store != NULL ? r->store : store, err) &&
	     store_saved(r->store != NULL ? r->store : store, &got, err);
	if (ok && (got.schema != want->schema || got.cursor != want->cursor)) {
		ok = err_set(err, ERR_CORRUPT,
			     "the state has seen record %llu under schema %u, the manifest says "
			     "%llu under %u",
			     (unsigned long long)got.cursor, got.schema,
			     (unsigned long long)want->cursor, want->schema);
	}
	store_close(&store);
	return ok;
}

static bool restore(struct restore *r, struct err *err)
{
	return read_manifest(r, err) && open_store(r, err) && verify_backup(r, err) &&
	       open_target(r, err) && place_all(r, err) && verify_journal(r, err) &&
	       verify_state(r, err);
}

static void print(const struct restore *r)
{
	const struct manifest *m = &r->manifest;
	char text[TIME_TEXT_MAX];

	printf("restored to %.*s, from %s\n", SARG(r->settings->data),
	       time_format(m->taken_us, TIME_SECONDS, text).p);
	printf("  records  %llu, from %llu to %llu\n", (unsigned long long)r->survey.records,
	       (unsigned long long)m->first_seq, (unsigned long long)m->last_seq);
	printf("  state    schema %u, has seen record %llu; %llu alerts, %llu deliveries\n",
	       m->state.schema, (unsigned long long)m->state.cursor,
	       (unsigned long long)m->state.alerts, (unsigned long long)m->state.deliveries);
	survey_print_damage(&r->survey);
	if (access(arena_printf(r->boot, "%.*s/unfinished", SARG(r->dir)).p, F_OK) == 0) {
		printf("  a later backup was interrupted; this is the one before\n");
	}
	printf("`tocsin serve --data %.*s` goes on from there\n", SARG(r->settings->data));
}

static int run(const struct flags *flags, const void *arg, struct arena *boot)
{
	const struct restore_flags *in = arg;
	struct settings settings;
	struct restore r = { .settings = &settings, .boot = boot, .lock = -1 };
	struct err err;
	bool ok;

	if (!flags_settings(flags, boot, &settings)) {
		return 2;
	}
	log_setup(LOG_ERROR, settings.log_format, STDERR_FILENO);
	r.dir = slice_of(flags->word);
	ok = vault_key_read(in->key_file, &r.key, &err) && restore(&r, &err);
	if (ok) {
		print(&r);
	} else {
		fprintf(stderr, "tocsin restore: %s\n", err.text);
	}
	store_close(&r.store);
	survey_release(&r.survey);
	vault_key_wipe(&r.key);
	if (r.lock >= 0) {
		close(r.lock);
	}
	return ok ? 0 : 1;
}

int cmd_restore(int argc, char **argv)
{
	struct flags flags = {
		.command = "restore",
		.words = "DIR",
		.no_word = "say which backup: tocsin restore DIR --data NEW",
		.about =
			"Make the data directory that --data names, which must not be there yet or "
			"be empty, out of\nthe backup in DIR. Everything is compared with the "
			"manifest, before and after.",
		.rows = rows,
		.n = ARRAY_LEN(rows),
		.with_settings = true,
	};
	struct restore_flags in = { 0 };

	return flags_run(&flags, argc, argv, &in, run);
}
