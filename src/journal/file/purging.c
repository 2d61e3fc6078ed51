/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealed files are written anew without what nobody may see any more, one per call, in their order.
 * What was deleted goes at once from every file that has some of it. What is over its time goes
 * when it is a tenth of a file, and the last of it a week after the file was written: so no file is
 * written over and over for a few records a day. What stays small then joins its neighbours.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "journal/file/file_journal.h"
#include "journal/file/sealed_file.h"

#define PATH_BYTES 4096
#define WORTH_PART 10
#define PATIENCE_US (7 * 24 * 3600 * US_PER_S)
#define TRY_US (24 * 3600 * US_PER_S) /* what the index promises may turn out to be nothing */
#define LOOKS_MAX 64		      /* files in one call that stay as they are */
#define SMALL_PART 16		      /* a file is small that has less of a full segment */
#define MERGE_MIN 16		      /* small neighbours that are worth it */
#define MERGE_MAX 256

#define OF_PROJECTS (UINT32_C(1) << RECORD_EVENT)
#define OF_NOBODY (UINT32_C(1) << RECORD_TICK | UINT32_C(1) << RECORD_START)

/* What would go from one file. */
struct plan {
	struct sealed_purge *purges;
	size_t n, cap;
	double bytes; /* of it, about */
	bool deleted; /* some of it was, and is still there */
};

static double min_of(double a, double b)
{
	return a < b ? a : b;
}

static double block_share(const struct sealed_purge *purge, const struct sealed_project *p,
			  const struct sealed_block *b)
{
	double bytes = b->raw_bytes;

	if (b->mixed) {
		bytes *= min_of(1, (double)p->count / b->count);
	}
	if (b->last_seq >= purge->floor_seq) {
		bytes *= (double)(purge->floor_seq - b->first_seq) /
			 (double)(b->last_seq - b->first_seq + 1);
	}
	if (purge->before_us != 0 && b->last_us >= purge->before_us) {
		bytes *= (double)(purge->before_us - b->first_us) /
			 (double)(b->last_us - b->first_us + 1);
	}
	return bytes;
}

/* About how many bytes go, judged by the index; 0: nothing, for certain. */
static double weigh(const struct sealed_purge *purge, const struct sealed_index *index,
		    const struct sealed_project *p)
{
	double bytes = 0;

	for (uint32_t i = 0; p->first_seq < purge->floor_seq && i < p->blocks_n; i++) {
		const struct sealed_block *b =
			&index->blocks[index->project_blocks[p->blocks_at + i]];

		if (sealed_purge_may_hit(purge, b)) {
			bytes += block_share(purge, p, b);
		}
	}
	return bytes;
}

static bool plan_add(struct plan *plan, const struct sealed_purge *purge, double bytes)
{
	if (bytes <= 0) {
		return false;
	}
	if (plan->n == plan->cap) {
		plan->cap = plan->cap == 0 ? 16 : plan->cap * 2;
		plan->purges = mem_resize(plan->purges, plan->cap, sizeof(*plan->purges));
	}
	plan->purges[plan->n++] = *purge;
	plan->bytes += bytes;
	return true;
}

/* Whose org is gone leaves no record of any kind. */
static void plan_org(struct plan *plan, const struct part *part, const struct sealed_index *index,
		     const struct sealed_project *p, const struct journal_floor *floor,
		     const struct journal_purge *asked)
{
	struct sealed_purge purge = { .org = p->org, .project = p->project };

	purge.floor_seq = floor->all_seq < asked->below_seq ? floor->all_seq : asked->below_seq;
	if (plan_add(plan, &purge, weigh(&purge, index, p)) && floor->waits &&
	    floor->all_seq > part->purged_seq) {
		plan->deleted = true;
	}
}

static void plan_project(struct plan *plan, const struct file_journal *j, const struct part *part,
			 const struct sealed_index *index, const struct sealed_project *p,
			 const struct journal_purge *asked)
{
	bool nobody = p->org.v == 0 && p->project.v == 0;
	struct sealed_purge purge = { .org = p->org,
				      .project = p->project,
				      .kinds = nobody ? OF_NOBODY : OF_PROJECTS };
	struct journal_floor floor;

	journal_floor_of(&j->base, p->org, p->project, &floor);
	purge.floor_seq = floor.seq < asked->below_seq ? floor.seq : asked->below_seq;
	if (plan_add(plan, &purge, weigh(&purge, index, p)) && floor.waits &&
	    floor.seq > part->purged_seq) {
		plan->deleted = true;
	}
	if (floor.all_seq > 0) {
		plan_org(plan, part, index, p, &floor, asked);
	}
	purge.floor_seq = asked->below_seq;
	purge.before_us = floor.from_us < asked->before_us ? floor.from_us : asked->before_us;
	if (purge.before_us > 0) {
		(void)plan_add(plan, &purge, weigh(&purge, index, p));
	}
}

static bool is_worth_it(const struct plan *plan, const struct part *part,
			const struct sealed_index *index, int64_t now_us)
{
	double all = 0;

	if (plan->deleted || plan->n == 0) {
		return plan->deleted;
	}
	for (size_t i = 0; i < index->blocks_n; i++) {
		all += index->blocks[i].raw_bytes;
	}
	return now_us - part->tried_us >= TRY_US &&
	       (plan->bytes * WORTH_PART >= all ||
		now_us - part->info->created_at_us >= PATIENCE_US);
}

static struct sealed *open_anew(const struct file_journal *j, uint64_t epoch, struct err *err)
{
	struct sealed_options options = parts_options(j, epoch);

	return sealed_open(&options, err);
}

static void count(struct file_journal *j, const struct sealed_info *before,
		  const struct sealed_info *after, int64_t now_us)
{
	pthread_mutex_lock(&j->lock);
	j->purged.records += before->records - after->records;
	if (after->file_bytes < before->file_bytes) {
		j->purged.bytes += before->file_bytes - after->file_bytes;
	}
	j->purged.at_us = now_us;
	pthread_mutex_unlock(&j->lock);
}

static enum found rewrite(struct file_journal *j, struct part *part, const struct plan *plan,
			  const struct journal_purge *asked, struct err *err)
{
	struct sealed_rewrite how = { .purges = plan->purges,
				      .purges_n = plan->n,
				      .created_at_us = asked->now_us };
	struct sealed_info before = *part->info, after;
	struct part *made = part;

	if (!sealed_copy(part->sealed, &how, &after, err)) {
		struct err why = *err;

		if (why.kind == ERR_CORRUPT) {
			err_set(err, ERR_CORRUPT,
				"%.150s; what was deleted stays in that file until `tocsin journal "
				"quarantine` sets the rest aside",
				why.text);
		}
		return FAILED;
	}
	if (after.records < before.records) {
		struct sealed *sealed = open_anew(j, before.epoch, err);

		if (sealed == NULL) {
			return FAILED;
		}
		made = parts_merge(j, part, 1, sealed);
		if (sealed_trouble(part->sealed) > 0) {
			scrub_soon(j, before.epoch); /* it may be well now */
		}
		count(j, &before, &after, asked->now_us);
	}
	made->purged_seq = asked->below_seq;
	made->tried_us = asked->now_us;
	return FOUND;
}

/* NOT_FOUND: the file stays as it is. */
static enum found purge_part(struct file_journal *j, struct part *part,
			     const struct journal_purge *asked, struct err *err)
{
	struct plan plan = { 0 };
	struct sealed_index *index;
	enum found found = NOT_FOUND;
	struct sealed_stat stat;

	if (part->info->records == 0) {
		return NOT_FOUND;
	}
	sealed_stat(part->sealed, &stat);
	index = sealed_index_ref(part->sealed, err);
	if (index == NULL) {
		return FAILED;
	}
	for (size_t i = 0; i < index->projects_n; i++) {
		plan_project(&plan, j, part, index, &index->projects[i], asked);
	}
	if (is_worth_it(&plan, part, index, asked->now_us)) {
		found = rewrite(j, part, &plan, asked, err);
	}
	sealed_index_unref(part->sealed, &index);
	if (stat.index_bytes == 0) {
		sealed_trim(part->sealed); /* nobody else needed it */
	}
	free(plan.purges);
	return found;
}

/* Parts that follow each other without a hole, all small, together a segment at most. */
struct run {
	struct part *parts[MERGE_MAX];
	size_t n;
	uint64_t bytes;
};

static bool joins(const struct file_journal *j, const struct run *run, const struct part *part)
{
	const struct part *last = run->n == 0 ? NULL : run->parts[run->n - 1];

	return run->n < MERGE_MAX && part->info->raw_bytes < j->segment_bytes / SMALL_PART &&
	       run->bytes + part->info->raw_bytes <= j->segment_bytes &&
	       (last == NULL || last->info->last_seq + 1 == part->info->first_seq);
}

/* The first run that is worth merging; its parts are referenced. */
static bool find_run(struct file_journal *j, struct run *run)
{
	*run = (struct run) { 0 };
	pthread_mutex_lock(&j->lock);
	for (size_t i = 0; i < j->parts_n; i++) {
		if (!joins(j, run, j->parts[i])) {
			if (run->n >= MERGE_MIN) {
				break;
			}
			run->n = 0;
			run->bytes = 0;
		}
		if (joins(j, run, j->parts[i])) {
			run->parts[run->n++] = j->parts[i];
			run->bytes += j->parts[i]->info->raw_bytes;
		}
	}
	run->n = run->n >= MERGE_MIN ? run->n : 0;
	for (size_t i = 0; i < run->n; i++) {
		(void)part_ref(run->parts[i]);
	}
	pthread_mutex_unlock(&j->lock);
	return run->n > 0;
}

static bool copy_records(struct part *part, struct sealed_writer *writer, struct err *err)
{
	struct sealed_filter filter = { .hashes = true };
	struct sealed_cursor *cursor = sealed_cursor_new(part->sealed, &filter, false, err);
	struct record record;
	enum found found = FAILED;

	while (cursor != NULL && (found = sealed_cursor_next(cursor, &record, err)) == FOUND) {
		if (!sealed_writer_add(writer, &record, err)) {
			found = FAILED;
			break;
		}
	}
	sealed_cursor_free(&cursor);
	return found == NOT_FOUND;
}

/* The new file has the name of the last one, so that names still say which segments are sealed. */
static bool write_run(struct file_journal *j, const struct run *run, int64_t now_us,
		      struct err *err)
{
	const struct sealed_info *last = run->parts[run->n - 1]->info;
	struct sealed_options options = parts_options(j, last->epoch);
	struct sealed_writer *writer;
	bool ok;

	options.first_seq = run->parts[0]->info->first_seq;
	options.last_seq = last->last_seq;
	options.created_at_us = now_us;
	writer = sealed_writer_new(&options, err);
	ok = writer != NULL;
	for (size_t i = 0; ok && i < run->n; i++) {
		ok = copy_records(run->parts[i], writer, err);
	}
	ok = ok && sealed_writer_commit(writer, NULL, err);
	sealed_writer_free(&writer);
	return ok;
}

static void remove_merged(struct file_journal *j, const struct run *run)
{
	for (size_t i = 0; i + 1 < run->n; i++) {
		char name[SEALED_NAME_BYTES];
		char path[PATH_BYTES];
		int rc;

		sealed_name(run->parts[i]->info->epoch, name);
		snprintf(path, sizeof(path), "%s/%s", j->dir, name);
		rc = j->files.ops->unlink(j->files.arg, path);
		if (rc < 0 && rc != -ENOENT) {
			log_warn("sealed_not_removed", log_str("path", path),
				 log_int("errno", -rc));
		}
	}
}

static bool merge_run(struct file_journal *j, const struct run *run, int64_t now_us,
		      struct err *err)
{
	const struct part *last = run->parts[run->n - 1];
	struct sealed *sealed = NULL;
	struct part *made;

	if (write_run(j, run, now_us, err)) {
		sealed = open_anew(j, last->info->epoch, err);
	}
	if (sealed == NULL) {
		return false;
	}
	made = parts_merge(j, run->parts[0], run->n, sealed);
	made->tried_us = now_us;
	remove_merged(j, run);
	return true;
}

static enum found merge(struct file_journal *j, int64_t now_us, struct err *err)
{
	struct run run;
	bool ok;

	if (!find_run(j, &run)) {
		return NOT_FOUND;
	}
	ok = merge_run(j, &run, now_us, err);
	for (size_t i = 0; i < run.n; i++) {
		part_unref(&run.parts[i]);
	}
	return ok ? FOUND : FAILED;
}

/* Some files on. NOT_FOUND: all that may be purged were looked at. */
static enum found purge_some(struct file_journal *j, struct journal_purge *asked, struct err *err)
{
	for (int i = 0; i < LOOKS_MAX; i++) {
		struct part *part;
		uint64_t first_seq;
		enum found found;

		if (parts_from(j, asked->at, &part, 1) == 0) {
			return NOT_FOUND;
		}
		first_seq = part->info->first_seq;
		if (first_seq >= asked->below_seq) {
			part_unref(&part);
			return NOT_FOUND;
		}
		asked->at = part->info->last_seq + 1;
		found = purge_part(j, part, asked, err);
		part_unref(&part);
		if (found == FAILED && first_seq < asked->done_seq) {
			asked->done_seq = first_seq;
		}
		if (found != NOT_FOUND) {
			return found;
		}
	}
	return FOUND;
}

static enum found purge_on(struct file_journal *j, struct journal_purge *purge, struct err *err)
{
	enum found found;

	if (purge->at == UINT64_MAX) {
		return NOT_FOUND;
	}
	if (purge->at == 0) {
		uint64_t end = file_unsealed(&j->base);

		purge->at = 1;
		purge->done_seq = purge->below_seq < end ? purge->below_seq : end;
	}
	found = purge_some(j, purge, err);
	if (found == NOT_FOUND) {
		found = merge(j, purge->now_us, err);
		purge->at = found == FOUND ? purge->at : UINT64_MAX;
	}
	return found;
}

enum found file_purge(struct journal *journal, struct journal_purge *purge, struct err *err)
{
	struct file_journal *j = file_journal(journal);
	enum found found;

	pthread_mutex_lock(&j->care);
	found = purge_on(j, purge, err);
	pthread_mutex_unlock(&j->care);
	return found;
}

uint64_t file_unsealed(struct journal *journal)
{
	uint64_t end = parts_end(file_journal(journal));

	return end != 0 ? end : journal_first(journal);
}

void file_settle(struct journal *journal, uint64_t seq)
{
	struct file_journal *j = file_journal(journal);
	uint64_t was = atomic_load(&j->settle_seq);

	while (was < seq && !atomic_compare_exchange_weak(&j->settle_seq, &was, seq)) {
	}
	if (j->wake != NULL) { /* a turn closes the segment */
		j->wake(j->wake_arg);
	}
}
