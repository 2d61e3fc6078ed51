/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which tables stand for the sealed files: a merged one where there is one, else each file's own.
 * The list is made anew whenever sealed files came, went or were replaced, from nothing but what
 * is there, so it cannot drift away from them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "journal/file/file_journal.h"

#define PATH_BYTES 4096

void key_run_unref(struct key_run **run_p)
{
	struct key_run *run = *run_p;

	*run_p = NULL;
	if (run != NULL && atomic_fetch_sub(&run->refs, 1) == 1) {
		key_file_close(&run->file);
		part_unref(&run->part);
		free(run);
	}
}

struct key_run *key_run_ref(struct key_run *run)
{
	atomic_fetch_add(&run->refs, 1);
	return run;
}

static struct key_item item_ref(const struct key_item *item)
{
	return (struct key_item) { key_run_ref(item->run), item->sieved };
}

static void append(struct keys *keys, struct key_item item)
{
	if (keys->n == keys->cap) {
		keys->cap = keys->cap == 0 ? 16 : keys->cap * 2;
		keys->items = mem_resize(keys->items, keys->cap, sizeof(*keys->items));
	}
	keys->items[keys->n++] = item;
}

void keys_add_file(struct file_journal *j, struct key_file *file, bool sieved)
{
	struct key_run *run = mem_alloc(1, sizeof(*run));

	run->refs = 1;
	run->file = file;
	run->table = file->table;
	run->first_seq = file->range.first_seq;
	run->last_seq = file->range.last_seq;
	run->first_us = file->range.first_us;
	run->last_us = file->range.last_us;
	append(&j->keys, (struct key_item) { .run = run, .sieved = sieved });
	j->keys.seen = UINT64_MAX;
}

/* The reference to part is taken. A table that cannot be opened is asked, and then says why. */
static struct key_run *run_of_part(struct part *part)
{
	struct key_run *run = mem_alloc(1, sizeof(*run));
	const struct key_table *table;
	struct err err = { 0 };

	run->refs = 1;
	run->part = part;
	run->first_seq = part->info->first_seq;
	run->last_seq = part->info->last_seq;
	run->first_us = part->info->first_us;
	run->last_us = part->info->last_us;
	table = sealed_keys(part->sealed, &err);
	if (table != NULL) {
		run->table = *table;
	} else {
		log_error("journal_keys_unreadable", log_str("error", err.text));
		run->damaged = true;
	}
	return run;
}

static bool within(const struct key_run *inner, const struct key_run *outer)
{
	return inner->first_seq >= outer->first_seq && inner->last_seq <= outer->last_seq;
}

/* A later table of the list that has all of this one: it was made of it. */
static bool replaced(const struct keys *keys, size_t i)
{
	for (size_t k = 0; k < keys->n; k++) {
		const struct key_run *other = keys->items[k].run;
		bool wider = k != i && other->file != NULL && !other->damaged &&
			     within(keys->items[i].run, other);

		if (wider && (k > i || !within(other, keys->items[i].run))) {
			return true;
		}
	}
	return false;
}

/* Whether the sealed files that the table was made of are those that are here. */
static bool fits(const struct key_run *run, struct part *const *parts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (parts[i]->info->last_seq == run->last_seq) {
			return parts[i]->info->epoch == run->file->range.epoch;
		}
	}
	return false;
}

static void remove_file(const struct file_journal *j, const char *name)
{
	char path[PATH_BYTES];
	int rc;

	snprintf(path, sizeof(path), "%s/%s", j->dir, name);
	rc = j->files.ops->unlink(j->files.arg, path);
	if (rc < 0 && rc != -ENOENT) {
		log_warn("key_file_not_removed", log_str("path", path), log_int("errno", -rc));
	}
}

/* Somebody has this name by now, perhaps the one that took its place. */
static bool name_in_use(const struct keys *keys, size_t i)
{
	for (size_t k = 0; k < keys->n; k++) {
		if (k != i && keys->items[k].run->file != NULL &&
		    strcmp(keys->items[k].run->file->name, keys->items[i].run->file->name) == 0) {
			return true;
		}
	}
	return false;
}

/* The merged table i of the list stays. */
static bool stays(const struct file_journal *j, size_t i, struct part *const *parts, size_t n,
		  int64_t horizon_us)
{
	const struct key_run *run = j->keys.items[i].run;

	return !run->damaged && run->last_us > horizon_us && fits(run, parts, n) &&
	       !replaced(&j->keys, i);
}

/* Drop the merged tables that are of no use, with their files. */
static void drop_files(struct file_journal *j, struct part *const *parts, size_t n,
		       int64_t horizon_us)
{
	struct keys *keys = &j->keys;

	for (size_t i = 0; i < keys->n;) {
		struct key_item item = keys->items[i];

		if (item.run->file == NULL || stays(j, i, parts, n, horizon_us)) {
			i++;
			continue;
		}
		if (!name_in_use(keys, i)) {
			remove_file(j, item.run->file->name);
		}
		memmove(&keys->items[i], &keys->items[i + 1],
			(--keys->n - i) * sizeof(*keys->items));
		key_run_unref(&item.run);
	}
}

/* The merged table that has this part, or keys->n. */
static size_t covering(const struct keys *keys, const struct part *part)
{
	for (size_t i = 0; i < keys->n; i++) {
		const struct key_run *run = keys->items[i].run;

		if (run->file != NULL && part->info->first_seq >= run->first_seq &&
		    part->info->last_seq <= run->last_seq) {
			return i;
		}
	}
	return keys->n;
}

static size_t own_table(const struct keys *keys, const struct part *part)
{
	for (size_t i = 0; i < keys->n; i++) {
		if (keys->items[i].run->part == part) {
			return i;
		}
	}
	return keys->n;
}

/* The list for these parts, oldest first. */
static void arrange(const struct keys *old, struct part *const *parts, size_t n, int64_t horizon_us,
		    struct keys *made)
{
	size_t last = SIZE_MAX;

	for (size_t i = 0; i < n; i++) {
		struct part *part = parts[i];
		size_t at = covering(old, part);

		if (at < old->n) {
			if (at != last) {
				append(made, item_ref(&old->items[at]));
			}
			last = at;
			continue;
		}
		if (part->info->keys == 0 || part->info->last_us <= horizon_us) {
			continue;
		}
		at = own_table(old, part);
		append(made, at < old->n
				     ? item_ref(&old->items[at])
				     : (struct key_item) { .run = run_of_part(part_ref(part)) });
	}
}

static bool same(const struct keys *a, const struct keys *b)
{
	for (size_t i = 0; a->n == b->n && i < a->n; i++) {
		if (a->items[i].run != b->items[i].run) {
			return false;
		}
	}
	return a->n == b->n;
}

static void release_items(struct keys *keys)
{
	for (size_t i = 0; i < keys->n; i++) {
		key_run_unref(&keys->items[i].run);
	}
	free(keys->items);
	keys->items = NULL;
	keys->n = keys->cap = 0;
}

static bool any_damaged(const struct keys *keys)
{
	for (size_t i = 0; i < keys->n; i++) {
		if (keys->items[i].run->file != NULL && keys->items[i].run->damaged) {
			return true;
		}
	}
	return false;
}

bool keys_refresh(struct file_journal *j)
{
	struct keys *keys = &j->keys;
	struct keys made = { 0 };
	struct part **parts;
	uint64_t seen;
	size_t n;
	int64_t horizon_us;
	bool changed;

	if (!any_damaged(keys) && parts_changes(j) == keys->seen) {
		return false;
	}
	parts = parts_all(j, &n, &seen);
	horizon_us = n == 0 ? INT64_MIN : parts[n - 1]->info->last_us - j->idem.window_us;
	drop_files(j, parts, n, horizon_us);
	arrange(keys, parts, n, horizon_us, &made);
	changed = !same(keys, &made) || keys->seen != seen;
	keys->version += changed;
	release_items(keys);
	keys->items = made.items;
	keys->n = made.n;
	keys->cap = made.cap;
	keys->seen = seen;
	keys->end_seq = n == 0 ? 0 : parts[n - 1]->info->last_seq + 1;
	for (size_t i = 0; i < n; i++) {
		part_unref(&parts[i]);
	}
	free(parts);
	return changed;
}

static void set_free(struct key_set *set)
{
	for (size_t i = 0; set != NULL && i < set->n; i++) {
		key_run_unref(&set->items[i].run);
	}
	if (set != NULL) {
		key_sieve_clear(&set->sieve);
		free(set->items);
		free(set);
	}
}

void keys_collect(struct file_journal *j)
{
	set_free(atomic_exchange(&j->keys.old, NULL));
}

/*
 * First what was not taken yet goes back, and then the loop takes nothing, so that the place of the
 * old set is free when it takes this one.
 */
void keys_publish(struct file_journal *j)
{
	struct keys *keys = &j->keys;
	struct key_set *set = mem_alloc(1, sizeof(*set));

	set->items = mem_alloc(keys->n, sizeof(*set->items));
	set->sieved = true;
	set->end_seq = keys->end_seq;
	for (size_t i = keys->n; i > 0; i--) {
		set->items[set->n++] = item_ref(&keys->items[i - 1]);
		set->sieved = set->sieved && keys->items[i - 1].sieved;
	}
	keys->tables = keys->n;
	key_sieve_copy(&keys->sieve, &set->sieve);
	set->sharp = set->sieved && key_sieve_complete(&set->sieve);
	set_free(atomic_exchange(&keys->fresh, NULL));
	keys_collect(j);
	atomic_store(&keys->fresh, set);
}

void keys_adopt(struct file_journal *j)
{
	struct keys *keys = &j->keys;
	struct key_set *set;

	if (atomic_load_explicit(&keys->fresh, memory_order_relaxed) == NULL) {
		return;
	}
	set = atomic_exchange(&keys->fresh, NULL);
	if (set != NULL) {
		atomic_store(&keys->old, keys->set);
		keys->set = set;
	}
}

void keys_close(struct file_journal *j)
{
	struct keys *keys = &j->keys;

	set_free(keys->set);
	set_free(atomic_exchange(&keys->fresh, NULL));
	set_free(atomic_exchange(&keys->old, NULL));
	key_sieve_clear(&keys->sieve);
	release_items(keys);
}
