/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing the file driver, its meta file, and what is answered from memory. */
#include "journal/file/file_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/rand.h"

#define PATH_BYTES 4096
#define DIR_BYTES_MAX 3900 /* leaves room for the names below it */
#define LOOKUP_CHUNK ((size_t)16 << 10)

static void file_close(struct journal *journal)
{
	struct file_journal *j = file_journal(journal);
	struct err err;

	flight_stop(j);
	if (!j->failed && !j->read_only && flight_fits(j, BATCH_HEAD_BYTES) &&
	    !mark_write(j->active, j->plan_end, j->next_seq, &err)) {
		/* Only costs the copy of the last batch at the next open. */
		log_warn("journal_not_marked_clean", log_str("error", err.text));
	}
	file_journal_free(j);
}

static bool file_failed(const struct journal *journal)
{
	return atomic_load(&CONTAINER_OF(journal, const struct file_journal, base)->failed);
}

static bool file_prepare(struct journal *journal, struct err *err)
{
	return spare_make(file_journal(journal), err);
}

static uint64_t file_flushed(const struct journal *journal)
{
	return atomic_load(&CONTAINER_OF(journal, const struct file_journal, base)->flushed);
}

static uint64_t file_first(struct journal *journal)
{
	struct file_journal *j = file_journal(journal);
	uint64_t first;

	pthread_mutex_lock(&j->lock);
	if (j->parts_n > 0) {
		first = j->parts[0]->info->first_seq;
	} else {
		first = j->segments_n == 0 ? 1 : j->segments[0]->first_seq;
	}
	pthread_mutex_unlock(&j->lock);
	return first;
}

static void file_bounds(struct journal *journal, int64_t from_us, int64_t to_us, uint64_t *first,
			uint64_t *last)
{
	*first = file_first(journal);
	*last = journal_flushed(journal);
	parts_bounds(file_journal(journal), from_us, to_us, first, last);
}

static int64_t file_last_received_at(const struct journal *journal)
{
	return CONTAINER_OF(journal, const struct file_journal, base)->last_received_at_us;
}

static uint64_t file_wait(struct journal *journal, uint64_t after_seq, int64_t wait_us)
{
	struct file_journal *j = file_journal(journal);
	struct timespec until;
	int rc = 0;

	if (atomic_load(&j->flushed) > after_seq || wait_us == 0) {
		return atomic_load(&j->flushed);
	}
	until = clock_deadline(wait_us);
	pthread_mutex_lock(&j->wait_lock);
	atomic_fetch_add(&j->waiters, 1);
	while (atomic_load(&j->flushed) <= after_seq && !j->interrupted && rc == 0) {
		rc = wait_us < 0 ? pthread_cond_wait(&j->wait_cond, &j->wait_lock)
				 : pthread_cond_timedwait(&j->wait_cond, &j->wait_lock, &until);
	}
	atomic_fetch_sub(&j->waiters, 1);
	pthread_mutex_unlock(&j->wait_lock);
	return atomic_load(&j->flushed);
}

static void file_interrupt(struct journal *journal)
{
	struct file_journal *j = file_journal(journal);

	pthread_mutex_lock(&j->wait_lock);
	j->interrupted = true;
	pthread_cond_broadcast(&j->wait_cond);
	pthread_mutex_unlock(&j->wait_lock);
}

static void file_stats(struct journal *journal, struct journal_stats *stats)
{
	struct file_journal *j = file_journal(journal);
	int64_t horizon_us;

	pthread_mutex_lock(&j->lock);
	*stats = j->stats;
	horizon_us = stats->idempotency_from_us;
	stats->segments = j->segments_n;
	stats->file_bytes = j->spare == NULL ? 0 : j->spare->bytes;
	for (size_t i = 0; i < j->segments_n; i++) {
		stats->file_bytes += j->segments[i]->bytes;
	}
	stats->sealed_files = j->parts_n;
	stats->sealed_records = stats->sealed_bytes = stats->sealed_bodies = 0;
	stats->idempotency_sealed = 0;
	for (size_t i = 0; i < j->parts_n; i++) {
		stats->sealed_bytes += j->parts[i]->info->file_bytes;
		stats->sealed_records += j->parts[i]->info->records;
		stats->sealed_bodies += j->parts[i]->info->body_bytes;
		stats->idempotency_sealed += j->parts[i]->info->last_us > horizon_us
						     ? j->parts[i]->info->keys
						     : 0;
	}
	stats->scrubbed_bytes = j->scrubbed.bytes;
	stats->mended_pages = j->scrubbed.mended_pages;
	stats->lost_blocks = j->scrubbed.lost_blocks;
	stats->lost_records = j->scrubbed.lost_records;
	stats->purged_records = j->purged.records;
	stats->purged_bytes = j->purged.bytes;
	stats->purged_at_us = j->purged.at_us;
	for (size_t i = 0; i < journal_known(j)->n; i++) {
		stats->set_aside_records += journal_known(j)->v[i].lost;
	}
	for (size_t i = 0; j->seal_stuck && i + 1 < j->segments_n; i++) {
		stats->seal_waiting_segments++;
		stats->seal_waiting_bytes += j->segments[i]->bytes;
	}
	pthread_mutex_unlock(&j->lock);
	stats->idempotency_tables = j->keys.tables;
	stats->idempotency_over_budget = j->keys.over_budget;
	stats->idempotency_bytes += j->keys.sieve_bytes;
}

static void add_file(struct journal_file *file, const char *name, uint64_t bytes)
{
	*file = (struct journal_file) { .bytes = bytes };
	snprintf(file->name, sizeof(file->name), "%s", name);
}

static bool small_file(struct file_journal *j, const char *name, struct journal_file *file)
{
	char path[PATH_BYTES];
	int64_t size;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", j->dir, name);
	fd = j->files.ops->open(j->files.arg, path, O_RDONLY);
	if (fd < 0) {
		return false;
	}
	size = j->files.ops->size(j->files.arg, fd);
	j->files.ops->close(j->files.arg, fd);
	add_file(file, name, size < 0 ? 0 : (uint64_t)size);
	return size > 0;
}

/* The last segment is being written; what is before it stays as it is, to its last zero. */
static size_t file_files(struct journal *journal, struct arena *req, struct journal_file **out)
{
	struct file_journal *j = file_journal(journal);
	struct journal_file *files;
	size_t n = 0;

	pthread_mutex_lock(&j->lock);
	files = arena_array(req, j->parts_n + j->segments_n + 2, sizeof(*files));
	for (size_t i = 0; i < j->parts_n; i++, n++) {
		const struct sealed_info *info = j->parts[i]->info;
		char name[SEALED_NAME_BYTES];

		sealed_name(info->epoch, name);
		add_file(&files[n], name, info->file_bytes);
		files[n].first_seq = info->first_seq;
		files[n].last_seq = info->last_seq;
		files[n].made_us = info->created_at_us;
	}
	for (size_t i = 0; i < j->segments_n; i++, n++) {
		const struct segment *s = j->segments[i];
		uint64_t end = atomic_load_explicit(&s->end, memory_order_acquire);

		add_file(&files[n], s->name, i + 1 < j->segments_n ? s->bytes : end);
		files[n].first_seq = s->first_seq;
		files[n].last_seq = atomic_load_explicit(&s->last_seq, memory_order_acquire);
	}
	pthread_mutex_unlock(&j->lock);
	n += small_file(j, DAMAGES_NAME, &files[n]);
	n += small_file(j, "meta", &files[n]);
	*out = files;
	return n;
}

static const struct journal_driver driver = {
	.close = file_close,
	.append = file_append,
	.turn = file_turn,
	.complete = file_complete,
	.drain = file_drain,
	.failed = file_failed,
	.prepare = file_prepare,
	.seal = file_seal,
	.scrub = file_scrub,
	.verify = file_verify,
	.lost_numbers = file_lost_numbers,
	.set_aside = file_set_aside,
	.purge = file_purge,
	.unsealed = file_unsealed,
	.settle = file_settle,
	.flushed = file_flushed,
	.first = file_first,
	.bounds = file_bounds,
	.last_received_at = file_last_received_at,
	.wait = file_wait,
	.interrupt = file_interrupt,
	.read = file_read,
	.iter_new = file_iter_new,
	.files = file_files,
	.stats = file_stats,
};

static struct file_journal *make(const struct journal_options *options)
{
	struct file_journal *j = mem_alloc(1, sizeof(*j));
	pthread_condattr_t attr;

	j->base.driver = &driver;
	j->base.floor = options->floor;
	j->base.floor_arg = options->floor_arg;
	j->files.ops = options->files == NULL ? &file_ops_real : options->files;
	j->files.arg = options->files_arg;
	j->dir = mem_alloc(strlen(options->dir) + 1, 1);
	memcpy(j->dir, options->dir, strlen(options->dir));
	j->lock_fd = -1;
	j->segment_bytes = options->segment_bytes;
	j->turn_bytes_max = options->turn_bytes_max;
	j->flush = options->flush;
	j->wake = options->wake;
	j->wake_arg = options->wake_arg;
	j->accept_damage = options->accept_damage;
	j->read_only = options->read_only;
	j->only = options->only;
	j->n_only = options->n_only;
	j->on_damage = options->on_damage;
	j->on_damage_arg = options->on_damage_arg;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&j->wait_lock, NULL);
	pthread_cond_init(&j->wait_cond, &attr);
	pthread_mutex_init(&j->lock, NULL);
	pthread_cond_init(&j->prepared, &attr);
	pthread_mutex_init(&j->flight_lock, NULL);
	pthread_mutex_init(&j->care, NULL);
	pthread_cond_init(&j->flight_cond, &attr);
	pthread_condattr_destroy(&attr);
	turn_init(&j->turns[0], j->turn_bytes_max);
	turn_init(&j->turns[1], j->turn_bytes_max);
	j->gather = &j->turns[0];
	j->flight = &j->turns[1];
	idem_init(&j->idem, options->idempotency_bytes_max / 2 / IDEM_KEY_BYTES_MAX,
		  options->idempotency_window_us);
	j->keys.sieve_bytes_max = options->idempotency_bytes_max / 2;
	j->keys.project_keys_max = options->idempotency_project_keys;
	walk_init(&j->lookup, j, LOOKUP_CHUNK);
	arena_init(&j->lookup_arena, 0);
	return j;
}

void known_replace(struct file_journal *j, struct damages *list)
{
	struct damages *kept = mem_alloc(1, sizeof(*kept));

	*kept = *list;
	*list = (struct damages) { 0 };
	j->lists = mem_resize(j->lists, j->lists_n + 1, sizeof(struct damages *));
	j->lists[j->lists_n++] = kept;
	atomic_store_explicit(&j->known, kept, memory_order_release);
}

static void known_release(struct file_journal *j)
{
	for (size_t i = 0; i < j->lists_n; i++) {
		damages_release(j->lists[i]);
		free(j->lists[i]);
	}
	free(j->lists);
}

void file_journal_free(struct file_journal *j)
{
	sealing_stop(j);
	keys_stop(j);
	keys_close(j);
	scrub_stop(j);
	for (size_t i = 0; i < j->segments_n; i++) {
		segment_unref(&j->segments[i]);
	}
	free(j->segments);
	known_release(j);
	for (size_t i = 0; i < j->parts_n; i++) {
		part_unref(&j->parts[i]);
	}
	free(j->parts);
	free(j->superseded);
	segment_unref(&j->spare);
	if (j->lock_fd >= 0) {
		j->files.ops->close(j->files.arg, j->lock_fd);
	}
	walk_release(&j->lookup);
	arena_release(&j->lookup_arena);
	idem_release(&j->idem);
	turn_release(&j->turns[0]);
	turn_release(&j->turns[1]);
	pthread_cond_destroy(&j->flight_cond);
	pthread_mutex_destroy(&j->flight_lock);
	pthread_mutex_destroy(&j->care);
	pthread_cond_destroy(&j->prepared);
	pthread_mutex_destroy(&j->lock);
	pthread_cond_destroy(&j->wait_cond);
	pthread_mutex_destroy(&j->wait_lock);
	free(j->dir);
	free(j);
}

static void look_for_segment(void *to, const char *name)
{
	uint64_t epoch;
	bool *any = to;

	*any = *any || segment_epoch(name, &epoch);
}

static bool write_meta(struct file_journal *j, const char *temporary, struct err *err)
{
	unsigned char bytes[META_BYTES];
	int fd = j->files.ops->open(j->files.arg, temporary, O_RDWR | O_CREAT | O_TRUNC);
	bool ok;

	if (fd < 0) {
		return err_errno(err, -fd, "create \"%s\"", temporary);
	}
	meta_encode(&j->base.meta, bytes);
	ok = files_write(&j->files, fd, bytes, sizeof(bytes), 0, "meta", err) &&
	     files_flush(&j->files, fd, "meta", err);
	j->files.ops->close(j->files.arg, fd);
	return ok;
}

static bool create_meta(struct file_journal *j, const char *path, int64_t now_us, struct err *err)
{
	char temporary[PATH_BYTES];
	bool segments = false;
	int rc = j->files.ops->list(j->files.arg, j->dir, look_for_segment, &segments);

	if (rc < 0) {
		return err_errno(err, -rc, "list \"%s\"", j->dir);
	}
	if (segments) {
		return err_set(err, ERR_CORRUPT,
			       "\"%s\" has segments of a journal, but no \"meta\"", j->dir);
	}
	rand_bytes(&j->base.meta.id, sizeof(j->base.meta.id));
	rand_bytes(&j->base.meta.hash, sizeof(j->base.meta.hash));
	rand_bytes(&j->base.meta.cipher, sizeof(j->base.meta.cipher));
	j->base.meta.created_at_us = now_us;
	snprintf(temporary, sizeof(temporary), "%s/meta.tmp", j->dir);
	if (!write_meta(j, temporary, err)) {
		return false;
	}
	rc = j->files.ops->rename(j->files.arg, temporary, path);
	if (rc == 0) {
		rc = j->files.ops->sync_dir(j->files.arg, j->dir);
	}
	return rc < 0 ? err_errno(err, -rc, "rename \"%s\"", path) : true;
}

static bool make_dir(struct file_journal *j, struct err *err)
{
	char parent[PATH_BYTES];
	int rc = j->files.ops->make_dir(j->files.arg, j->dir);

	if (rc < 0) {
		return err_errno(err, -rc, "create directory \"%s\"", j->dir);
	}
	snprintf(parent, sizeof(parent), "%s/..", j->dir);
	rc = j->files.ops->sync_dir(j->files.arg, parent);
	return rc < 0 ? err_errno(err, -rc, "flush directory \"%s\"", parent) : true;
}

/* The lock is the descriptor: it goes with the process. */
static bool open_meta(struct file_journal *j, const char *path, struct err *err)
{
	unsigned char bytes[META_BYTES];
	int rc;

	rc = j->files.ops->open(j->files.arg, path, j->read_only ? O_RDONLY : O_RDWR);
	if (rc < 0) {
		return err_errno(err, -rc, "open \"%s\"", path);
	}
	j->lock_fd = rc;
	rc = j->read_only ? 0 : j->files.ops->lock(j->files.arg, j->lock_fd);
	if (rc == -EWOULDBLOCK) {
		return err_set(err, ERR_CONFLICT, "the journal in \"%s\" is in use", j->dir);
	}
	if (rc < 0) {
		return err_errno(err, -rc, "lock \"%s\"", path);
	}
	if (!files_read(&j->files, j->lock_fd, bytes, sizeof(bytes), 0, "meta", err)) {
		return false;
	}
	if (meta_decode(bytes, &j->base.meta, err)) {
		return true;
	}
	return err->kind == ERR_CORRUPT
		       ? err_set(err, ERR_CORRUPT,
				 "\"%s\" is damaged; `tocsin journal quarantine` puts right one wrong "
				 "byte",
				 path)
		       : false;
}

static bool have_meta(struct file_journal *j, const struct journal_options *options,
		      struct err *err)
{
	char path[PATH_BYTES];
	int fd;

	if (options->create && !make_dir(j, err)) {
		return false;
	}
	snprintf(path, sizeof(path), "%s/meta", j->dir);
	fd = j->files.ops->open(j->files.arg, path, O_RDONLY);
	if (fd >= 0) {
		j->files.ops->close(j->files.arg, fd);
	} else if (fd != -ENOENT) {
		return err_errno(err, -fd, "open \"%s\"", path);
	} else if (!options->create) {
		return err_set(err, ERR_NOT_FOUND, "there is no journal in \"%s\"", j->dir);
	} else if (!create_meta(j, path, options->now_us, err)) {
		return false;
	}
	if (!open_meta(j, path, err)) {
		return false;
	}
	if (options->must_match != NULL &&
	    memcmp(options->must_match, &j->base.meta.id, sizeof(struct journal_id)) != 0) {
		return err_set(err, ERR_CONFLICT, "the journal in \"%s\" is another one", j->dir);
	}
	return true;
}

static bool check_options(const struct journal_options *options, struct err *err)
{
	if (options->segment_bytes < SEGMENT_BYTES_MIN ||
	    options->segment_bytes > SEGMENT_BYTES_MAX || options->segment_bytes % 4096 != 0) {
		return err_set(err, ERR_INVALID,
			       "\"segment_bytes\" must be a multiple of 4096 between %zu and %zu",
			       SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX);
	}
	if (options->turn_bytes_max < SEGMENT_BYTES_MIN ||
	    options->turn_bytes_max > SEGMENT_BYTES_MAX) {
		return err_set(err, ERR_INVALID, "\"turn_bytes_max\" must be between %zu and %zu",
			       SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX);
	}
	if (strlen(options->dir) > DIR_BYTES_MAX) {
		return err_set(err, ERR_INVALID, "the path of the journal is too long");
	}
	return true;
}

static bool read_known(struct file_journal *j, struct err *err)
{
	struct damages list = { 0 };
	bool ok = damages_read(&j->files, j->dir, &list, err);

	known_replace(j, &list);
	return ok;
}

bool file_journal_open(struct journal **journal, const struct journal_options *options,
		       struct err *err)
{
	struct file_journal *j;

	if (!check_options(options, err)) {
		return false;
	}
	j = make(options);
	if (!have_meta(j, options, err) || !read_known(j, err) || !recover(j, err) ||
	    !keys_open(j, err)) {
		file_journal_free(j);
		return err_wrap(err, "open the journal");
	}
	flush_stats(j);
	*journal = &j->base;
	return true;
}
