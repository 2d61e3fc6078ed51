/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the sealer does for keys, a little per call: it notices sealed files, merges tables, and
 * reads filters into memory. When not all fit, those of the smaller tables are there, as that
 * leaves the fewest look-ups that read.
 */
#include <stdlib.h>

#include "journal/file/file_journal.h"

#define STEP_ENTRIES 65536 /* some five milliseconds */
#define AGAIN_US INT64_C(10000000)

struct key_merging {
	struct key_run *runs[KEY_MERGE_MAX];
	size_t n;
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
		free(m);
		keys->merging = NULL;
	}
}

void keys_stop(struct file_journal *j)
{
	stop(&j->keys);
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

static bool begin(struct file_journal *j, size_t from, size_t to, struct err *err)
{
	struct keys *keys = &j->keys;
	struct key_merging *m = mem_alloc(1, sizeof(*m));
	struct key_plan plan = { .n = to - from };

	keys->merging = m;
	for (size_t i = from; i < to; i++) {
		m->runs[m->n] = keys->items[i].run;
		atomic_fetch_add(&m->runs[m->n]->refs, 1);
		plan.tables[m->n] = &m->runs[m->n]->table;
		m->n++;
	}
	plan.range = range_of(j, m);
	key_file_name(&plan.range, m->name);
	m->merge = key_merge_new(&j->files, j->dir, &plan, err);
	return m->merge != NULL;
}

/* It is there: from now on it stands for those that it was made of. */
static bool take_place(struct file_journal *j, struct err *err)
{
	struct key_file *file = key_file_open(&j->files, j->dir, j->keys.merging->name,
					      &j->base.meta.id, err);

	if (file == NULL) {
		return false;
	}
	keys_add_file(j, file);
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

static enum found merge_on(struct file_journal *j)
{
	struct keys *keys = &j->keys;
	struct err err = { 0 };
	enum found found = FOUND;
	size_t from, to;

	if (keys->merging == NULL) {
		if (j->files.ops->mono_us(j->files.arg) < keys->again_us ||
		    !keys_choose(keys->items, keys->n, j->idem.window_us, &from, &to)) {
			return NOT_FOUND;
		}
		found = begin(j, from, to, &err) ? FOUND : FAILED;
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

/* Whether its filter is among those that fit, the smaller ones first, the newer ones of a size. */
static bool wanted(const struct keys *keys, size_t i)
{
	uint64_t bytes = key_filter_bytes(&keys->items[i].run->table);
	uint64_t sum = bytes;

	if (keys->items[i].run->damaged) {
		return false;
	}
	for (size_t k = 0; k < keys->n; k++) {
		uint64_t other = key_filter_bytes(&keys->items[k].run->table);

		if (other < bytes || (other == bytes && k > i)) {
			sum += other;
		}
	}
	return sum <= keys->filter_bytes_max;
}

static bool load(struct keys *keys, struct key_item *item)
{
	struct err err = { 0 };

	item->filter = key_filter_load(&item->run->table, &keys->filter_bytes, &err);
	if (item->filter == NULL) {
		log_error("journal_keys_unreadable", log_str("error", err.text));
		item->run->damaged = true;
	}
	return item->filter != NULL;
}

/* One filter in or out. What went out makes room only when the loop has given it back. */
static bool fill_filters(struct keys *keys)
{
	for (size_t i = keys->n; i > 0; i--) {
		struct key_item *item = &keys->items[i - 1];
		bool want = wanted(keys, i - 1);

		if (!want && item->filter != NULL) {
			key_filter_unref(&item->filter);
			return true;
		}
		if (want && item->filter == NULL &&
		    keys->filter_bytes + key_filter_bytes(&item->run->table) <=
			    keys->filter_bytes_max &&
		    load(keys, item)) {
			return true;
		}
	}
	return false;
}

enum found keys_work(struct file_journal *j)
{
	keys_collect(j);
	if (keys_refresh(j)) {
		keys_publish(j);
		return FOUND;
	}
	if (fill_filters(&j->keys)) {
		keys_publish(j);
		return FOUND;
	}
	return merge_on(j);
}
