/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading closed files again before somebody needs them. When each was read last stands in a small
 * file, so that a server that starts every day gets through all of them nevertheless; a file that
 * has lost something is not noted in it, and so is looked at first after a start. That file is a
 * hint: whatever is wrong with it only costs reading.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "journal/file/file_journal.h"
#include "journal/file/mend.h"

#define NAME "scrubbed"
#define PATH_BYTES 4096
#define LINE_BYTES_MAX 48
#define NOTE_BYTES_MAX ((size_t)64 << 20) /* a million files */
#define WALK_CHUNK ((size_t)256 << 10)

/* What is known of a sealed file or closed segment. */
struct scrubbed {
	uint64_t epoch;
	int64_t at_us;	  /* read whole; 0: to be read next */
	uint64_t trouble; /* reads that had any, as far as they were looked into */
	uint64_t lost_blocks;
	uint64_t lost_records;
};

struct scrub {
	struct scrubbed *v; /* by epoch */
	size_t n;
	size_t cap;

	/* The file under way. */
	uint64_t epoch;		    /* 0: none */
	struct part_check *check;   /* a sealed file's */
	struct journal_damage lost; /* of it, one damage and */
	uint64_t bytes;		    /* read of it */
	struct segment *segment;    /* referenced */
	struct walk walk;	    /* through the segment */
	uint64_t lost_records;	    /* of it, that nobody knows of */
};

static int by_epoch(const void *key, const void *entry)
{
	uint64_t x = *(const uint64_t *)key, y = ((const struct scrubbed *)entry)->epoch;

	return (x > y) - (x < y);
}

static struct scrubbed *find(const struct scrub *s, uint64_t epoch)
{
	return s->n == 0 ? NULL : bsearch(&epoch, s->v, s->n, sizeof(*s->v), by_epoch);
}

static struct scrubbed *add(struct scrub *s, uint64_t epoch, int64_t at_us)
{
	if (s->n == s->cap) {
		s->cap = s->cap * 2 + 16;
		s->v = mem_resize(s->v, s->cap, sizeof(*s->v));
	}
	s->v[s->n] = (struct scrubbed) { .epoch = epoch, .at_us = at_us };
	return &s->v[s->n++];
}

static void path_of(const struct file_journal *j, const char *suffix, char path[PATH_BYTES])
{
	snprintf(path, PATH_BYTES, "%s/" NAME "%s", j->dir, suffix);
}

static void take_note(struct scrub *s, struct slice text)
{
	struct slice line, part;
	uint64_t epoch;
	int64_t at_us;

	while (slice_split(&text, '\n', &line)) {
		if (slice_split(&line, ' ', &part) && slice_u64(part, &epoch) &&
		    slice_i64(line, &at_us) && (s->n == 0 || epoch > s->v[s->n - 1].epoch)) {
			add(s, epoch, at_us);
		}
	}
}

static void read_note(struct file_journal *j, struct scrub *s)
{
	char path[PATH_BYTES];
	struct err err = { 0 };
	int64_t size;
	char *text;
	int fd;

	path_of(j, "", path);
	fd = j->files.ops->open(j->files.arg, path, O_RDONLY);
	if (fd < 0) {
		return;
	}
	size = j->files.ops->size(j->files.arg, fd);
	if (size > 0 && size <= (int64_t)NOTE_BYTES_MAX) {
		text = mem_alloc((size_t)size, 1);
		if (files_read(&j->files, fd, text, (size_t)size, 0, NAME, &err)) {
			take_note(s, (struct slice) { text, (size_t)size });
		}
		free(text);
	}
	j->files.ops->close(j->files.arg, fd);
}

/* Not flushed, and not told when it fails: the note saves reading, and nothing else. */
static void write_note(struct file_journal *j, const struct scrub *s)
{
	char path[PATH_BYTES], temporary[PATH_BYTES];
	struct err err = { 0 };
	struct buf text;
	bool ok;
	int fd;

	path_of(j, "", path);
	path_of(j, ".tmp", temporary);
	fd = j->files.ops->open(j->files.arg, temporary, O_RDWR | O_CREAT | O_TRUNC);
	if (fd < 0) {
		return;
	}
	buf_init(&text, NOTE_BYTES_MAX);
	for (size_t i = 0; i < s->n; i++) {
		if (s->v[i].lost_records == 0 && s->v[i].at_us != 0) {
			buf_printf(&text, "%" PRIu64 " %" PRId64 "\n", s->v[i].epoch,
				   s->v[i].at_us);
		}
	}
	ok = files_write(&j->files, fd, text.p, text.n, 0, NAME, &err);
	j->files.ops->close(j->files.arg, fd);
	buf_release(&text);
	if (ok) {
		(void)j->files.ops->rename(j->files.arg, temporary, path);
	}
}

static struct scrub *scrub_of(struct file_journal *j)
{
	if (j->scrub == NULL) {
		j->scrub = mem_alloc(1, sizeof(*j->scrub));
		read_note(j, j->scrub);
	}
	return j->scrub;
}

static void leave(struct scrub *s)
{
	part_check_free(&s->check);
	if (s->segment != NULL) {
		walk_release(&s->walk);
		segment_unref(&s->segment);
	}
	s->epoch = 0;
	s->bytes = 0;
	s->lost = (struct journal_damage) { 0 };
	s->lost_records = 0;
}

void scrub_stop(struct file_journal *j)
{
	struct scrub *s = j->scrub;

	if (s != NULL) {
		leave(s);
		free(s->v);
		free(s);
		j->scrub = NULL;
	}
}

static void count(struct file_journal *j, const struct scrub_stats *more)
{
	pthread_mutex_lock(&j->lock);
	j->scrubbed.bytes += more->bytes;
	j->scrubbed.mended_pages += more->mended_pages;
	j->scrubbed.lost_blocks = j->scrubbed.lost_records = 0;
	for (size_t i = 0; i < j->scrub->n; i++) {
		j->scrubbed.lost_blocks += j->scrub->v[i].lost_blocks;
		j->scrubbed.lost_records += j->scrub->v[i].lost_records;
	}
	pthread_mutex_unlock(&j->lock);
}

void scrub_settle(struct file_journal *j)
{
	struct scrub *s = j->scrub;

	if (s == NULL) {
		return;
	}
	leave(s);
	for (size_t i = 0; i < s->n; i++) {
		if (s->v[i].lost_records > 0) {
			s->v[i] = (struct scrubbed) { .epoch = s->v[i].epoch };
		}
	}
	count(j, &(struct scrub_stats) { 0 });
}

void scrub_soon(struct file_journal *j, uint64_t epoch)
{
	struct scrubbed *entry = j->scrub == NULL ? NULL : find(j->scrub, epoch);

	if (entry != NULL) {
		entry->at_us = 0;
	}
}

/* Whether it was not known before; then it counts as read when it was written, or now. */
static bool take_over(struct scrub *fresh, const struct scrub *old, uint64_t epoch, int64_t made_us,
		      int64_t now_us)
{
	const struct scrubbed *was = find(old, epoch);
	struct scrubbed *entry = add(fresh, epoch, now_us);

	if (was == NULL) {
		entry->at_us = made_us > 0 && made_us < now_us ? made_us : now_us;
		return true;
	}
	*entry = *was;
	entry->at_us = was->at_us > now_us ? 0 : was->at_us;
	return false;
}

/* Make the entries those of the files that there are now, parts first. Under the lock. */
static bool sync(const struct file_journal *j, struct scrub *s, int64_t now_us)
{
	struct scrub fresh = { 0 };
	bool news = false;

	for (size_t i = 0; i < j->parts_n; i++) {
		const struct sealed_info *info = j->parts[i]->info;

		news = take_over(&fresh, s, info->epoch, info->created_at_us, now_us) || news;
	}
	for (size_t i = 0; i + 1 < j->segments_n; i++) {
		news = take_over(&fresh, s, j->segments[i]->epoch, 0, now_us) || news;
	}
	free(s->v);
	s->v = fresh.v;
	s->n = fresh.n;
	s->cap = fresh.cap;
	return news;
}

/* One whose reads had trouble, else the one that is due for longest, else n. Under the lock. */
static size_t choose(const struct file_journal *j, const struct scrub *s, int64_t before_us)
{
	size_t best = s->n;

	for (size_t i = 0; i < s->n; i++) {
		const struct scrubbed *entry = &s->v[i];

		if (i < j->parts_n && entry->lost_records == 0 &&
		    sealed_trouble(j->parts[i]->sealed) > entry->trouble) {
			return i;
		}
		if ((entry->at_us == 0 || entry->at_us <= before_us) &&
		    (best == s->n || entry->at_us < s->v[best].at_us)) {
			best = i;
		}
	}
	return best;
}

/* Of damage that is lost, the last one stands for all in the log line. */
static void note_damage(void *arg, const struct journal_damage *damage)
{
	struct scrub *s = arg;

	if (damage->lost > 0) {
		s->lost = *damage;
	}
}

static bool begin(struct file_journal *j, struct scrub *s, int64_t before_us, int64_t now_us)
{
	struct part *part = NULL;
	size_t i;
	bool news;

	pthread_mutex_lock(&j->lock);
	news = sync(j, s, now_us);
	i = choose(j, s, before_us);
	if (i < s->n) {
		s->epoch = s->v[i].epoch;
	}
	if (i < s->n && i < j->parts_n) {
		part = part_ref(j->parts[i]);
	} else if (i < s->n) {
		s->segment = segment_ref(j->segments[i - j->parts_n]);
	}
	pthread_mutex_unlock(&j->lock);
	if (news) {
		write_note(j, s);
	}
	if (part != NULL) {
		s->check = part_check_new(j, part, false, note_damage, s);
	} else if (s->segment != NULL) {
		j->files.ops->forget(j->files.arg, s->segment->fd);
		walk_init(&s->walk, j, WALK_CHUNK);
		walk_seek(&s->walk, s->segment->first_seq);
	}
	return s->epoch != 0;
}

/* The file under way was read whole. */
static void done(struct file_journal *j, struct scrub *s, const struct scrubbed *now,
		 uint64_t mended_pages)
{
	struct scrubbed *entry = find(s, s->epoch);

	if (entry != NULL) {
		*entry = *now;
	}
	leave(s);
	write_note(j, s);
	count(j, &(struct scrub_stats) { .mended_pages = mended_pages });
}

static void tell_lost(const struct journal_damage *damage, uint64_t records)
{
	char text[160];

	journal_damage_text(damage, text, sizeof(text));
	log_error("journal_lost", log_str("file", damage->file), log_int("records", records),
		  log_str("damage", text),
		  log_str("help", "`tocsin journal verify` says all, `tocsin journal quarantine` "
				  "sets it aside"));
}

static enum found end_part(struct file_journal *j, struct scrub *s, int64_t now_us, struct err *err)
{
	const struct sealed_report *report = part_check_report(s->check);
	struct part *part = part_check_part(s->check);
	struct scrubbed now = { .epoch = s->epoch,
				.at_us = now_us,
				.trouble = sealed_trouble(part->sealed),
				.lost_blocks = report->lost_blocks,
				.lost_records = report->lost_records };
	uint64_t pages = report->damaged;
	char name[SEALED_NAME_BYTES];

	if (!parts_have(j, part)) { /* written anew meanwhile, by somebody who read all of it */
		leave(s);
		return FOUND;
	}
	sealed_name(s->epoch, name);
	if (report->lost_records > 0) {
		tell_lost(&s->lost, report->lost_records);
		pages = 0;
	} else if (report->damaged + report->unmended > 0) {
		if (!part_mend(j, part, report, false, err)) {
			leave(s);
			return FAILED;
		}
		now.trouble = 0; /* it is another file that is open now */
		log_warn("journal_mended", log_str("file", name), log_int("pages", pages));
	}
	done(j, s, &now, pages);
	return FOUND;
}

static enum found step_part(struct file_journal *j, struct scrub *s, int64_t now_us,
			    struct err *err)
{
	enum found found = part_check_step(s->check, JOURNAL_SCRUB_BYTES, err);
	uint64_t bytes = part_check_report(s->check)->bytes_read;

	count(j, &(struct scrub_stats) { .bytes = bytes - s->bytes });
	s->bytes = bytes;
	if (found == NOT_FOUND) {
		return end_part(j, s, now_us, err);
	}
	if (found == FAILED) {
		leave(s);
	}
	return found;
}

/* What is damaged here cannot be mended; it is told, once in every round. */
static void meet_damage(struct file_journal *j, struct scrub *s, uint64_t from,
			const struct err *err)
{
	if (loss_expected(j, from, s->walk.seq)) {
		return;
	}
	if (s->lost_records == 0) {
		log_error("journal_lost", log_str("file", s->segment->name),
			  log_str("damage", err->text),
			  log_str("help", "`tocsin journal verify` says all, `tocsin journal "
					  "quarantine` sets it aside"));
	}
	s->lost_records += s->walk.seq - from;
}

static enum found step_segment(struct file_journal *j, struct scrub *s, int64_t now_us,
			       struct err *err)
{
	struct scrubbed now = { .epoch = s->epoch, .at_us = now_us };
	uint64_t before = s->walk.reader.loaded;
	uint64_t last = atomic_load_explicit(&s->segment->last_seq, memory_order_acquire);
	enum found found = FOUND;

	while (found == FOUND && s->walk.seq <= last &&
	       s->walk.reader.loaded - before < JOURNAL_SCRUB_BYTES) {
		uint64_t from = s->walk.seq;
		const char *p;
		size_t size;

		found = walk_next(&s->walk, true, &p, &size, err);
		if (found == FAILED && err->kind == ERR_CORRUPT) {
			meet_damage(j, s, from, err);
			found = FOUND;
		}
	}
	count(j, &(struct scrub_stats) { .bytes = s->walk.reader.loaded - before });
	if (found == FOUND && s->walk.seq <= last) {
		return FOUND;
	}
	now.lost_records = s->lost_records;
	j->files.ops->forget(j->files.arg, s->segment->fd);
	if (found == NOT_FOUND) { /* sealed meanwhile, by somebody who read all of it */
		leave(s);
		return FOUND;
	}
	done(j, s, &now, 0);
	return found;
}

enum found file_scrub(struct journal *journal, int64_t now_us, int64_t every_us, struct err *err)
{
	struct file_journal *j = file_journal(journal);
	enum found found = NOT_FOUND;
	struct scrub *s;

	pthread_mutex_lock(&j->care);
	s = scrub_of(j);
	if (s->epoch != 0 || begin(j, s, now_us - every_us, now_us)) {
		found = s->check != NULL ? step_part(j, s, now_us, err)
					 : step_segment(j, s, now_us, err);
	}
	pthread_mutex_unlock(&j->care);
	return found;
}
