/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Closed segments become one sealed file, oldest first, a little per call, because whoever calls
 * has to zero segments meanwhile. The file is named after the last of its segments: whatever
 * segment has that epoch or a lower one is in it and may go, also after a crash in between.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "journal/file/file_journal.h"

#define PATH_BYTES 4096
#define SLICE_BYTES ((size_t)2 << 20) /* about 20 ms of packing */
#define GROUP_MAX 64		      /* segments in one file, when restarts left many small ones */
#define WALK_CHUNK ((size_t)256 << 10)
#define STUCK_US (3600 * US_PER_S) /* until damage is looked at again, and told again */

struct sealing {
	struct sealed_writer *writer;
	struct walk walk;
	size_t segments;   /* from the front of the list */
	uint64_t last_seq; /* of the last of them */
	uint64_t epoch;	   /* likewise */
	bool damaged;
};

/*
 * As many closed segments as fill one, or what fits with the next one too large. Fewer wait: what
 * restarts cut off is small, and small files pack badly; but not when somebody asked for what is in
 * them. 0: nothing to seal yet.
 */
static size_t choose(const struct file_journal *j)
{
	uint64_t asked_seq = atomic_load(&j->settle_seq);
	size_t bytes = 0;
	size_t n = 0;

	while (n + 1 < j->segments_n) {
		size_t more = j->segments[n]->end;

		if (n == GROUP_MAX || (n > 0 && bytes + more > j->segment_bytes)) {
			return n;
		}
		bytes += more;
		n++;
	}
	return bytes > j->segment_bytes / 2 || (n > 0 && j->segments[0]->first_seq <= asked_seq)
		       ? n
		       : 0;
}

static bool begin(struct file_journal *j, struct err *err)
{
	struct sealing *s = mem_alloc(1, sizeof(*s));
	struct sealed_options options;

	pthread_mutex_lock(&j->lock);
	s->segments = choose(j);
	if (s->segments > 0) {
		s->last_seq = j->segments[s->segments]->first_seq - 1;
		s->epoch = j->segments[s->segments - 1]->epoch;
		options = parts_options(j, s->epoch);
		options.first_seq = j->segments[0]->first_seq;
		options.last_seq = s->last_seq;
		options.created_at_us = clock_wall_us();
	}
	pthread_mutex_unlock(&j->lock);
	if (s->segments > 0) {
		s->writer = sealed_writer_new(&options, err);
		if (s->writer == NULL) {
			free(s);
			return false;
		}
		walk_init(&s->walk, j, WALK_CHUNK);
		walk_seek(&s->walk, options.first_seq);
		j->sealing = s;
	} else {
		free(s);
	}
	return true;
}

void sealing_stop(struct file_journal *j)
{
	struct sealing *s = j->sealing;

	if (s != NULL) {
		walk_release(&s->walk);
		sealed_writer_free(&s->writer);
		free(s);
		j->sealing = NULL;
	}
}

/* Some records more. NOT_FOUND: that was the last. */
static enum found add_some(struct file_journal *j, struct err *err)
{
	struct sealing *s = j->sealing;
	uint64_t stop = s->walk.reader.loaded + SLICE_BYTES;

	while (s->walk.seq <= s->last_seq) {
		struct record record;
		const char *p;
		size_t size;
		uint64_t from = s->walk.seq;
		enum found found = walk_next(&s->walk, true, &p, &size, err);

		if (found == FAILED && err->kind == ERR_CORRUPT &&
		    loss_expected(j, from, s->walk.seq)) {
			s->damaged = true;
			continue;
		}
		if (found != FOUND) {
			return found;
		}
		record_decode(p, &record);
		if (!sealed_writer_add(s->writer, &record, err)) {
			return FAILED;
		}
		if (s->walk.reader.loaded >= stop) {
			return FOUND;
		}
	}
	return NOT_FOUND;
}

/* Damaged segments are kept under another name: what was lost may still be read by eye. */
static void put_away(struct file_journal *j, const char *name, bool damaged)
{
	char path[PATH_BYTES];
	char kept[PATH_BYTES];
	int rc;

	snprintf(path, sizeof(path), "%s/%s", j->dir, name);
	snprintf(kept, sizeof(kept), "%s/%s.damaged", j->dir, name);
	rc = damaged ? j->files.ops->rename(j->files.arg, path, kept)
		     : j->files.ops->unlink(j->files.arg, path);
	if (rc < 0 && rc != -ENOENT) {
		log_warn("segment_not_removed", log_str("path", path), log_int("errno", -rc));
	}
}

static bool take_place(struct file_journal *j, struct err *err)
{
	struct sealing *s = j->sealing;
	struct sealed_options options = parts_options(j, s->epoch);
	char names[GROUP_MAX][SEGMENT_NAME_BYTES];
	struct sealed *sealed;

	if (!sealed_writer_commit(s->writer, NULL, err)) {
		return false;
	}
	sealed = sealed_open(&options, err);
	if (sealed == NULL) {
		return false;
	}
	pthread_mutex_lock(&j->lock);
	for (size_t i = 0; i < s->segments; i++) {
		memcpy(names[i], j->segments[i]->name, SEGMENT_NAME_BYTES);
	}
	pthread_mutex_unlock(&j->lock);
	parts_replace(j, sealed, s->segments);
	for (size_t i = 0; i < s->segments; i++) {
		put_away(j, names[i], s->damaged);
	}
	return true;
}

/*
 * In a sealed file the lost records would be a gap like any other, and the next open could not
 * refuse. So the segments stay as they are until somebody has looked at them, or the disk has
 * thought better of it.
 */
static void get_stuck(struct file_journal *j, struct err *err)
{
	const struct segment *segment = j->sealing->walk.reader.segment;
	struct journal_stats stats;
	struct err why = *err;

	j->seal_stuck = true;
	j->seal_again_us = clock_mono_us() + STUCK_US;
	if (segment != NULL) {
		scrub_soon(j, segment->epoch);
	}
	journal_stats(&j->base, &stats);
	log_error("seal_waits", log_int("segments", stats.seal_waiting_segments),
		  log_int("bytes", stats.seal_waiting_bytes), log_str("damage", why.text),
		  log_str("help", "`tocsin journal quarantine` sets it aside, and the server goes "
				  "on"));
	err_set(err, ERR_CORRUPT, "%.190s; `tocsin journal quarantine` sets that aside", why.text);
}

/* Some of the records, or the end of the file. NOT_FOUND: there is nothing to seal. */
static enum found seal_on(struct file_journal *j, struct err *err)
{
	enum found found;

	if (j->seal_stuck && clock_mono_us() < j->seal_again_us) {
		return NOT_FOUND;
	}
	if (j->sealing == NULL) {
		if (!begin(j, err)) {
			return FAILED;
		}
		return j->sealing == NULL ? NOT_FOUND : FOUND;
	}
	found = add_some(j, err);
	if (found == NOT_FOUND) {
		j->seal_stuck = false;
		found = take_place(j, err) ? FOUND : FAILED;
		sealing_stop(j);
	} else if (found == FAILED) {
		if (err->kind == ERR_CORRUPT) {
			get_stuck(j, err);
		}
		sealing_stop(j);
	}
	return found;
}

/* Keys have their share also while there is much to seal, or look-ups would get slow. */
enum found file_seal(struct journal *journal, struct err *err)
{
	struct file_journal *j = file_journal(journal);
	enum found sealed;

	pthread_mutex_lock(&j->care);
	sealed = seal_on(j, err);
	if (keys_work(j) == FOUND && sealed == NOT_FOUND) {
		sealed = FOUND;
	}
	pthread_mutex_unlock(&j->care);
	return sealed;
}
