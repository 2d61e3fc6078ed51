/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tocsin backup: a copy of everything, while the server goes on or while there is none. The order
 * makes it whole: snapshots, then the state of one moment, then the log as far as it is flushed by
 * then, so that the log always reaches further than what was decided from it. Only files that the
 * last backup does not have yet are copied; the manifest is written last.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hex.h"
#include "cmd/command.h"
#include "cmd/data_dir.h"
#include "cmd/flags.h"
#include "cmd/manifest.h"
#include "cmd/peek.h"
#include "cmd/secret_key.h"
#include "cmd/settings.h"

#define UNFINISHED "unfinished"
#define LOCK "lock"
#define COPY_BYTES ((size_t)1 << 20)
#define TRIES 5
#define SNAPSHOT_SUFFIX ".snap"

struct backup_flags {
	struct slice key_file;
};

static const struct field rows[] = {
	FIELD_STR(struct backup_flags, key_file, "encrypt-key-file", .max = 4000,
		  .help = "Encrypt with the key in this file (32 bytes or more)."),
};

struct backup {
	const struct settings *settings;
	struct arena *boot;
	struct slice dir;
	struct slice
		temporary; /* where the state is written first: never plain in a sealed backup */
	struct vault_key key;
	struct manifest old;
	bool has_old;
	struct manifest now;
	size_t cap;
	struct peek peek;
	int lock;
	size_t damaged; /* places in the log, as far as it was read */
	uint64_t copied_files;
	uint64_t copied_bytes;
};

static const char *in_backup(struct backup *b, struct slice name)
{
	return arena_printf(b->boot, "%.*s/%.*s", SARG(b->dir), SARG(name)).p;
}

static const char *in_data(struct backup *b, struct slice name)
{
	return arena_printf(b->boot, "%.*s/%.*s", SARG(b->settings->data), SARG(name)).p;
}

static bool make_folder(const char *path, struct err *err)
{
	return mkdir(path, 0700) == 0 || errno == EEXIST ||
	       err_errno(err, errno, "make the folder \"%s\"", path);
}

static bool flush_folder(const char *path, struct err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = fd >= 0 && fsync(fd) == 0;

	if (!ok) {
		err_errno(err, errno, "flush the folder \"%s\"", path);
	}
	if (fd >= 0) {
		close(fd);
	}
	return ok;
}

static struct manifest_file *add_file(struct backup *b)
{
	if (b->now.n == b->cap) {
		struct manifest_file *more;

		b->cap = b->cap == 0 ? 64 : b->cap * 2;
		more = arena_array(b->boot, b->cap, sizeof(*more));
		if (b->now.n > 0) {
			memcpy(more, b->now.files, b->now.n * sizeof(*more));
		}
		b->now.files = more;
	}
	return &b->now.files[b->now.n++];
}

/* Copying. */

static bool copy_bytes(int from, const char *path, uint64_t bytes, struct vault_out *out,
		       struct err *err)
{
	char *piece = mem_alloc(COPY_BYTES, 1);
	bool ok = true;

	while (ok && bytes > 0) {
		ssize_t n = read(from, piece, bytes < COPY_BYTES ? (size_t)bytes : COPY_BYTES);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			ok = n < 0 ? err_errno(err, errno, "read \"%s\"", path)
				   : err_set(err, ERR_IO, "\"%s\" is shorter than it should be",
					     path);
		} else {
			ok = vault_out_put(out, (struct slice) { piece, (size_t)n }, err);
			bytes -= (uint64_t)n;
		}
	}
	free(piece);
	return ok;
}

/*
 * The first sum.bytes of the file at path; sum is what was really copied. ERR_NOT_FOUND also when
 * the file may be replaced by another, and was.
 */
static bool copy_file(struct backup *b, const char *path, bool replaceable,
		      struct manifest_file *file, struct err *err)
{
	const char *to = in_backup(b, file->stored);
	struct vault_out *out = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	bool ok;

	if (fd < 0) {
		return errno == ENOENT ? err_set(err, ERR_NOT_FOUND, "there is no \"%s\"", path)
				       : err_errno(err, errno, "open \"%s\"", path);
	}
	if (replaceable && (fstat(fd, &st) != 0 || (uint64_t)st.st_size != file->sum.bytes)) {
		close(fd);
		return err_set(err, ERR_NOT_FOUND, "\"%s\" was written anew", path);
	}
	ok = vault_out_open(&out, to, file->stored, &b->key, err) &&
	     copy_bytes(fd, path, file->sum.bytes, out, err) && vault_out_end(out, &file->sum, err);
	vault_out_close(&out);
	close(fd);
	b->copied_files++;
	b->copied_bytes += file->sum.bytes;
	return ok;
}

/* Files with these names never change once they have this many bytes. */
static bool have_already(struct backup *b, struct manifest_file *file)
{
	const struct manifest_file *old = b->has_old ? manifest_find(&b->old, file->name) : NULL;
	struct stat st;

	if (old == NULL || old->sum.bytes != file->sum.bytes ||
	    !slice_eq(old->stored, file->stored) || stat(in_backup(b, old->stored), &st) != 0 ||
	    st.st_size < (off_t)old->sum.bytes) {
		return false;
	}
	file->sum = old->sum;
	return true;
}

static bool take_file(struct backup *b, struct slice name, const struct journal_file *from,
		      struct err *err)
{
	struct manifest_file file = { .name = arena_dup(b->boot, name),
				      .sum.bytes = from->bytes,
				      .first_seq = from->first_seq,
				      .last_seq = from->last_seq };
	bool replaceable = from->made_us != 0;
	uint64_t mark = from->bytes;

	/* Without records it may change and keep its size; so may one that is replaced. */
	if (from->last_seq == 0 && slice_starts(name, S("journal/"))) {
		mark = (uint64_t)b->now.taken_us;
	}
	file.stored = arena_printf(b->boot, "%.*s.%llu", SARG(name), (unsigned long long)mark);
	if (replaceable) {
		file.stored = arena_printf(b->boot, "%.*s.%lld", SARG(file.stored),
					   (long long)from->made_us);
	}
	if (!have_already(b, &file) && !copy_file(b, in_data(b, name), replaceable, &file, err)) {
		return false;
	}
	*add_file(b) = file;
	return true;
}

/* Snapshots: the newest one. Without it a restored server replays more, no more than that. */

static struct slice newest_snapshot(struct backup *b)
{
	DIR *d = opendir(in_data(b, S("snapshots")));
	struct slice newest = { 0 };
	const struct dirent *entry;

	while (d != NULL && (entry = readdir(d)) != NULL) {
		struct slice name = slice_of(entry->d_name);

		if (slice_ends(name, S(SNAPSHOT_SUFFIX)) && slice_cmp(name, newest) > 0) {
			newest = arena_dup(b->boot, name);
		}
	}
	if (d != NULL) {
		closedir(d);
	}
	return newest;
}

static bool take_snapshot(struct backup *b, struct err *err)
{
	struct slice name = newest_snapshot(b);
	struct journal_file file = { 0 };
	struct stat st;

	if (name.n == 0) {
		return true;
	}
	name = arena_printf(b->boot, "snapshots/%.*s", SARG(name));
	if (stat(in_data(b, name), &st) != 0) {
		return true; /* a newer one has replaced it */
	}
	file.bytes = (uint64_t)st.st_size;
	return take_file(b, name, &file, err) || err->kind == ERR_NOT_FOUND;
}

/* The state. */

static bool copy_state(struct backup *b, struct slice name, struct err *err)
{
	struct manifest_file file = { .name = name };
	struct stat st;

	if (stat(b->temporary.p, &st) != 0) {
		return err_errno(err, errno, "open \"%s\"", b->temporary.p);
	}
	file.sum.bytes = (uint64_t)st.st_size;
	file.stored = arena_printf(b->boot, "state/%.*s.%lld", SARG(name),
				   (long long)b->now.taken_us);
	if (!copy_file(b, b->temporary.p, false, &file, err)) {
		return false;
	}
	*add_file(b) = file;
	return true;
}

static bool take_state(struct backup *b, struct err *err)
{
	struct slice url = b->settings->database_url;
	struct store *store = NULL;
	bool ok;

	if (url.n == 0) {
		url = data_dir_path(b->settings->data, "state.db", b->boot);
	}
	if (!store_open(url, &store, err)) {
		return false;
	}
	b->now.postgres = store_kind(store) == STORE_POSTGRES;
	if (!b->now.postgres && access(url.p, F_OK) != 0 && b->settings->database_url.n == 0) {
		store_close(&store);
		return err_errno(err, errno, "open \"%s\"", url.p);
	}
	ok = store_save(store, b->temporary.p, &b->now.state, err) &&
	     copy_state(b, b->now.postgres ? S(MANIFEST_STATE_POSTGRES) : S(MANIFEST_STATE_SQLITE),
			err);
	(void)unlink(b->temporary.p);
	store_close(&store);
	return ok;
}

/*
 * What secrets in the state are sealed with, after the state: a key is added before it is used.
 * There is no file where the setting secret-key has one.
 */
static bool take_secret_key(struct backup *b, struct err *err)
{
	struct manifest_file file = { .name = S(SECRET_KEY_NAME) };
	const char *path = in_data(b, file.name);
	struct stat st;

	if (stat(path, &st) != 0) {
		return errno == ENOENT || err_errno(err, errno, "open \"%s\"", path);
	}
	file.sum.bytes = (uint64_t)st.st_size;
	file.stored = arena_printf(b->boot, "state/" SECRET_KEY_NAME ".%lld",
				   (long long)b->now.taken_us);
	if (!copy_file(b, path, true, &file, err)) {
		return false;
	}
	*add_file(b) = file;
	return true;
}

/* The log. */

static void count_damage(void *arg, const struct journal_damage *damage)
{
	((struct backup *)arg)->damaged += !damage->known;
}

/* What nobody serves is read to see how far it goes; damage is copied as it is, and told. */
static bool list_unserved(struct backup *b, struct journal_file **files, size_t *n, struct err *err)
{
	struct journal_options options = { .on_damage = count_damage, .on_damage_arg = b };
	struct journal *journal = NULL;

	b->damaged = 0;
	if (!peek_journal(&b->peek, &options, &journal, err)) {
		return false;
	}
	*n = journal_files(journal, b->boot, files);
	journal_close(&journal);
	return true;
}

static bool take_list(struct backup *b, const struct journal_file *files, size_t n, struct err *err)
{
	b->now.first_seq = b->now.last_seq = 0;
	for (size_t i = 0; i < n; i++) {
		struct slice name = arena_printf(b->boot, "journal/%s", files[i].name);

		if (!take_file(b, name, &files[i], err)) {
			return false;
		}
		if (files[i].first_seq != 0 && b->now.first_seq == 0) {
			b->now.first_seq = files[i].first_seq;
		}
		if (files[i].last_seq > b->now.last_seq) {
			b->now.last_seq = files[i].last_seq;
		}
	}
	return true;
}

/* A file that is gone was replaced by another with the same records: look again. */
static bool take_journal(struct backup *b, struct err *err)
{
	size_t before = b->now.n;
	bool ok = false;

	for (int i = 0; i < TRIES && !ok; i++) {
		struct journal_file *files;
		size_t n;

		b->now.n = before;
		ok = b->peek.served ? peek_files(&b->peek, b->boot, &files, &n, err)
				    : list_unserved(b, &files, &n, err);
		if (!ok) {
			return false;
		}
		ok = take_list(b, files, n, err);
		if (!ok && err->kind != ERR_NOT_FOUND) {
			return false;
		}
	}
	return ok && (b->now.state.cursor <= b->now.last_seq ||
		      err_set(err, ERR_CONFLICT,
			      "the state has seen record %llu, but the log ends at %llu",
			      (unsigned long long)b->now.state.cursor,
			      (unsigned long long)b->now.last_seq));
}

/* The folder. */

static bool lock_folder(struct backup *b, struct err *err)
{
	const char *path = in_backup(b, S(LOCK));

	b->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (b->lock < 0) {
		return err_errno(err, errno, "open \"%s\"", path);
	}
	return flock(b->lock, LOCK_EX | LOCK_NB) == 0 ||
	       err_set(err, ERR_CONFLICT, "another backup is being written to \"%.*s\"",
		       SARG(b->dir));
}

static bool mark_unfinished(struct backup *b, struct err *err)
{
	const char *path = in_backup(b, S(UNFINISHED));
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0) {
		return err_errno(err, errno, "create \"%s\"", path);
	}
	close(fd);
	return flush_folder(b->dir.p, err);
}

static bool read_old(struct backup *b, struct err *err)
{
	enum found found = manifest_read(b->dir, &b->key, b->boot, &b->old, err);

	b->has_old = found == FOUND;
	return found != FAILED;
}

static bool journal_id_of(struct backup *b, struct slice *id, struct err *err)
{
	struct journal_id v;
	char hex[2 * sizeof(v.v)];
	unsigned char head[32];
	const char *path = in_data(b, S("journal/meta"));
	FILE *f = fopen(path, "re");
	bool ok = f != NULL && fread(head, 1, sizeof(head), f) == sizeof(head);

	if (f != NULL) {
		fclose(f);
	}
	if (!ok) {
		return err_errno(err, errno, "read \"%s\"", path);
	}
	memcpy(v.v, head + 16, sizeof(v.v));
	hex_encode(v.v, sizeof(v.v), hex);
	*id = arena_dup(b->boot, (struct slice) { hex, sizeof(hex) });
	return true;
}

static bool open_folder(struct backup *b, struct err *err)
{
	if (!make_folder(b->dir.p, err) || !make_folder(in_backup(b, S("journal")), err) ||
	    !make_folder(in_backup(b, S("snapshots")), err) ||
	    !make_folder(in_backup(b, S("state")), err) || !lock_folder(b, err) ||
	    !read_old(b, err) || !journal_id_of(b, &b->now.journal, err)) {
		return false;
	}
	if (b->has_old && !slice_eq(b->old.journal, b->now.journal)) {
		return err_set(err, ERR_CONFLICT,
			       "\"%.*s\" holds the backup of another installation", SARG(b->dir));
	}
	return mark_unfinished(b, err);
}

static bool is_needed(const struct backup *b, const char *folder, const char *name)
{
	for (size_t i = 0; i < b->now.n; i++) {
		struct slice stored = b->now.files[i].stored;

		if (slice_starts(stored, slice_of(folder)) &&
		    slice_eq(slice_from(stored, strlen(folder) + 1), slice_of(name))) {
			return true;
		}
	}
	return false;
}

/* What only the last backup had. A failure costs room, nothing else. */
static void remove_old(struct backup *b)
{
	static const char *const folders[] = { "journal", "snapshots", "state" };

	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		DIR *d = opendir(in_backup(b, slice_of(folders[i])));
		const struct dirent *entry;

		while (d != NULL && (entry = readdir(d)) != NULL) {
			if (entry->d_name[0] != '.' && !is_needed(b, folders[i], entry->d_name)) {
				(void)unlinkat(dirfd(d), entry->d_name, 0);
			}
		}
		if (d != NULL) {
			closedir(d);
		}
	}
}

static bool finish(struct backup *b, struct err *err)
{
	b->now.version = S(TOCSIN_VERSION);
	b->now.encrypted = b->key.set;
	if (!flush_folder(in_backup(b, S("journal")), err) ||
	    !flush_folder(in_backup(b, S("snapshots")), err) ||
	    !flush_folder(in_backup(b, S("state")), err) ||
	    !manifest_write(b->dir, &b->key, &b->now, err) || !flush_folder(b->dir.p, err)) {
		return false;
	}
	remove_old(b);
	(void)unlink(in_backup(b, S(UNFINISHED)));
	return flush_folder(b->dir.p, err);
}

static bool back_up(struct backup *b, struct err *err)
{
	b->now.taken_us = clock_wall_us();
	b->temporary = b->key.set ? data_dir_path(b->settings->data, "state.backup.tmp", b->boot)
				  : arena_printf(b->boot, "%.*s/state.tmp", SARG(b->dir));
	return peek_open(&b->peek, b->settings->data, b->boot, err) && open_folder(b, err) &&
	       take_snapshot(b, err) && take_state(b, err) && take_secret_key(b, err) &&
	       take_journal(b, err) && finish(b, err);
}

static void print(const struct backup *b)
{
	printf("backup in %.*s\n", SARG(b->dir));
	printf("  records  %llu to %llu, of which the state has seen %llu\n",
	       (unsigned long long)b->now.first_seq, (unsigned long long)b->now.last_seq,
	       (unsigned long long)b->now.state.cursor);
	printf("  files    %zu, of which %llu with %llu bytes are new\n", b->now.n,
	       (unsigned long long)b->copied_files, (unsigned long long)b->copied_bytes);
	if (b->damaged > 0) {
		printf("  the log is damaged (places: %zu) and was copied as it is: see `tocsin "
		       "journal verify`\n",
		       b->damaged);
	}
	if (b->settings->secret_key.n > 0) {
		printf("  stored secrets need the setting secret-key, which is not in it\n");
	}
	if (b->key.set) {
		printf("  encrypted; without the key file it cannot be read\n");
	}
}

static int run(const struct flags *flags, const void *arg, struct arena *boot)
{
	const struct backup_flags *in = arg;
	struct settings settings;
	struct backup b = { .settings = &settings, .boot = boot, .peek.lock = -1, .lock = -1 };
	struct err err;
	bool ok;

	if (!flags_settings(flags, boot, &settings)) {
		return 2;
	}
	log_setup(LOG_WARN, settings.log_format, STDERR_FILENO);
	b.dir = slice_of(flags->word);
	ok = vault_key_read(in->key_file, &b.key, &err) && back_up(&b, &err);
	peek_close(&b.peek);
	if (b.lock >= 0) {
		close(b.lock);
	}
	if (ok) {
		print(&b);
	} else {
		fprintf(stderr, "tocsin backup: %s\n", err.text);
	}
	vault_key_wipe(&b.key);
	return ok ? 0 : 1;
}

int cmd_backup(int argc, char **argv)
{
	struct flags flags = {
		.command = "backup",
		.words = "DIR",
		.no_word = "say into which folder: tocsin backup DIR",
		.about = "Copy everything into the folder DIR, while the server runs or while it "
			 "does not. Once more\ninto the same DIR copies only what is new. `tocsin "
			 "restore` makes a data directory of it.",
		.rows = rows,
		.n = ARRAY_LEN(rows),
		.with_settings = true,
	};
	struct backup_flags in = { 0 };

	return flags_run(&flags, argc, argv, &in, run);
}
