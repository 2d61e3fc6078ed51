/* SPDX-License-Identifier: Apache-2.0 */
/* What the sealer does for keys, a little per call: the list of tables, the sieve, merges. */
#include <stdlib.h>

#include "journal/file/file_journal.h"

#define STEP_ENTRIES 65536 /* some five milliseconds */
#define AGAIN_US INT64_C(10000000)

struct key_merging {
	struct key_run *runs[KEY_MERGE_MAX];
	size_t n;
	bool sieved;
	unsigned char *gone;
	uint64_t entries; /* of all runs */
	uint64_t wanted;  /* of them, should go */
	struct key_merge *merge;
	char name[KEY_FILE_NAME_BYTES];
};

static void stop(struct keys *keys)
{
	struct key_merging *m = keys->merging;

	if (m != NULL) {
		key_merge_free(&m->merge);
		for (size_t i = 0; i < m->n; i++) {
			key_run_unref(&m->runs[i]);
		}
		free(m->gone);
		free(m);
		keys->merging = NULL;
	}
}

void keys_stop(struct file_journal *j)
{
	stop(&j->keys);
	keys_sift_stop(&j->keys);
	keys_budget_release(&j->keys);
}

static struct key_range range_of(const struct file_journal *j, const struct key_merging *m)
{
	const struct key_run *first = m->runs[0], *last = m->runs[m->n - 1];

	return (struct key_range) {
		.id = j->base.meta.id,
		.first_seq = first->first_seq,
		.last_seq = last->last_seq,
		.epoch = last->file != NULL ? last->file->range.epoch : last->part->info->epoch,
		.first_us = first->first_us,
		.last_us = last->last_us,
	};
}

/* rewrite may be NULL; its bits are taken. */
static bool begin(struct file_journal *j, size_t from, size_t to, const struct key_rewrite *rewrite,
		  struct err *err)
{
	struct keys *keys = &j->keys;
	struct key_merging *m = mem_alloc(1, sizeof(*m));
	struct key_plan plan = { .n = to - from };

	keys->merging = m;
	m->sieved = true;
	for (size_t i = from; i < to; i++) {
		m->runs[m->n] = key_run_ref(keys->items[i].run);
		m->sieved = m->sieved && keys->items[i].sieved;
		plan.tables[m->n] = &m->runs[m->n]->table;
		m->entries += m->runs[m->n]->table.entries;
		m->n++;
	}
	if (rewrite != NULL) {
		m->gone = rewrite->gone;
		m->wanted = rewrite->keys;
		plan.gone = rewrite->gone;
		plan.gone_first = rewrite->first_seq;
		plan.gone_n = rewrite->n;
		plan.entries_max = m->entries > rewrite->keys ? m->entries - rewrite->keys : 1;
	}
	plan.range = range_of(j, m);
	key_file_name(&plan.range, m->name);
	m->merge = key_merge_new(&j->files, j->dir, &plan, err);
	return m->merge != NULL;
}

/* When much less went than was counted, trying again would not help. */
static void note_gone(struct file_journal *j, const struct key_merging *m, uint64_t left)
{
	uint64_t gone = m->entries > left ? m->entries - left : 0;

	j->keys.over_budget += gone;
	if (gone < m->wanted / 2) {
		j->keys.stuck = j->keys.seen;
	}
}

/* It is there: from now on it stands for those that it was made of. */
static bool take_place(struct file_journal *j, struct err *err)
{
	struct key_file *file = key_file_open(&j->files, j->dir, j->keys.merging->name,
					      &j->base.meta.id, err);

	if (file == NULL) {
		return false;
	}
	if (j->keys.merging->gone != NULL) {
		note_gone(j, j->keys.merging, file->table.entries);
	}
	keys_add_file(j, file, j->keys.merging->sieved);
	if (keys_refresh(j)) {
		keys_publish(j);
	}
	return true;
}

/* Nothing is lost by it, but it should not be tried all the time. */
static void put_off(struct file_journal *j, const struct err *err)
{
	struct key_merging *m = j->keys.merging;
	size_t culprit = m->merge == NULL ? m->n : key_merge_culprit(m->merge);

	log_error("keys_not_merged", log_str("error", err->text));
	if (culprit < m->n && (m->runs[culprit]->file != NULL || err->kind == ERR_CORRUPT)) {
		m->runs[culprit]->damaged = true;
	}
	j->keys.again_us = j->files.ops->mono_us(j->files.arg) + AGAIN_US;
}

/* NOT_FOUND: there is nothing to merge. */
static enum found begin_some(struct file_journal *j, struct err *err)
{
	struct keys *keys = &j->keys;
	struct key_rewrite rewrite = { 0 };
	enum found found;
	size_t from, to;

	if (j->files.ops->mono_us(j->files.arg) < keys->again_us) {
		return NOT_FOUND;
	}
	if (keys_choose(keys->items, keys->n, j->idem.window_us, &from, &to)) {
		return begin(j, from, to, NULL, err) ? FOUND : FAILED;
	}
	found = keys_budget(j, &rewrite);
	if (found == FOUND && rewrite.gone != NULL) {
		return begin(j, rewrite.item, rewrite.item + 1, &rewrite, err) ? FOUND : FAILED;
	}
	return found;
}

static enum found merge_on(struct file_journal *j)
{
	struct keys *keys = &j->keys;
	struct err err = { 0 };
	enum found found = FOUND;

	if (keys->merging == NULL) {
		found = begin_some(j, &err);
		if (found == NOT_FOUND) {
			return NOT_FOUND;
		}
	} else {
		found = key_merge_step(keys->merging->merge, STEP_ENTRIES, &err);
		if (found == NOT_FOUND) {
			found = take_place(j, &err) ? NOT_FOUND : FAILED;
		}
	}
	if (found == FAILED) {
		put_off(j, &err);
	}
	if (found != FOUND) {
		stop(keys);
	}
	return FOUND;
}

enum found keys_work(struct file_journal *j)
{
	keys_collect(j);
	if (keys_refresh(j)) {
		keys_publish(j);
		return FOUND;
	}
	return keys_sift(j) ? FOUND : merge_on(j);
}
