/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of sealed files, under the lock of the list of segments, so that a record is always in
 * one of the two: a reader that finds it in neither saw the end of the log.
 */
#include "journal/file/parts.h"

#include <stdlib.h>

#include "journal/file/file_journal.h"

struct sealed_options parts_options(const struct file_journal *j, uint64_t epoch)
{
	return (struct sealed_options) { .files = j->files,
					 .dir = j->dir,
					 .id = j->base.meta.id,
					 .hash = j->base.meta.hash,
					 .epoch = epoch };
}

static struct part *part_new(struct sealed *sealed)
{
	struct part *part = mem_alloc(1, sizeof(*part));

	part->refs = 1;
	part->sealed = sealed;
	part->info = sealed_info(sealed);
	return part;
}

/* Under the lock. */
static void add(struct file_journal *j, struct sealed *sealed)
{
	if (j->parts_n == j->parts_cap) {
		j->parts_cap = j->parts_cap == 0 ? 16 : j->parts_cap * 2;
		j->parts = mem_resize(j->parts, j->parts_cap, sizeof(struct part *));
	}
	j->parts[j->parts_n++] = part_new(sealed);
	j->parts_changes++;
}

void parts_add(struct file_journal *j, struct sealed *sealed)
{
	pthread_mutex_lock(&j->lock);
	add(j, sealed);
	pthread_mutex_unlock(&j->lock);
}

void parts_replace(struct file_journal *j, struct sealed *sealed, size_t n)
{
	struct segment **old = mem_alloc(n, sizeof(struct segment *));

	pthread_mutex_lock(&j->lock);
	ensure(n < j->segments_n);
	add(j, sealed);
	memcpy(old, j->segments, n * sizeof(struct segment *));
	j->segments_n -= n;
	memmove(j->segments, j->segments + n, j->segments_n * sizeof(struct segment *));
	pthread_mutex_unlock(&j->lock);
	for (size_t i = 0; i < n; i++) {
		segment_unref(&old[i]);
	}
	free(old);
}

/* Where it is in the list, or parts_n. Under the lock. */
static size_t place_of(const struct file_journal *j, const struct part *part)
{
	size_t i = 0;

	while (i < j->parts_n && j->parts[i] != part) {
		i++;
	}
	return i;
}

bool parts_have(struct file_journal *j, const struct part *part)
{
	bool have;

	pthread_mutex_lock(&j->lock);
	have = place_of(j, part) < j->parts_n;
	pthread_mutex_unlock(&j->lock);
	return have;
}

bool parts_swap(struct file_journal *j, const struct part *old, struct sealed *sealed)
{
	struct part *part = part_new(sealed);
	struct part *gone = part;
	bool have;
	size_t i;

	ensure(part->info->first_seq == old->info->first_seq &&
	       part->info->last_seq == old->info->last_seq);
	pthread_mutex_lock(&j->lock);
	i = place_of(j, old);
	have = i < j->parts_n;
	if (have) {
		gone = j->parts[i];
		j->parts[i] = part;
		j->parts_changes++;
	}
	pthread_mutex_unlock(&j->lock);
	part_unref(&gone);
	return have;
}

struct part *parts_merge(struct file_journal *j, const struct part *first, size_t n,
			 struct sealed *sealed)
{
	struct part **old = mem_alloc(n, sizeof(struct part *));
	struct part *made = part_new(sealed);
	size_t at;

	pthread_mutex_lock(&j->lock);
	at = place_of(j, first);
	ensure(n > 0 && n <= j->parts_n - at);
	memcpy(old, j->parts + at, n * sizeof(struct part *));
	j->parts[at] = made;
	memmove(j->parts + at + 1, j->parts + at + n,
		(j->parts_n - at - n) * sizeof(struct part *));
	j->parts_n -= n - 1;
	j->parts_changes++;
	pthread_mutex_unlock(&j->lock);
	for (size_t i = 0; i < n; i++) {
		part_unref(&old[i]);
	}
	free(old);
	return made;
}

/* How many parts begin before seq. Under the lock. */
static size_t begun(const struct file_journal *j, uint64_t seq)
{
	size_t lo = 0;
	size_t hi = j->parts_n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (j->parts[mid]->info->first_seq < seq) {
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	return lo;
}

struct part *parts_before(struct file_journal *j, uint64_t seq, size_t i)
{
	struct part *found = NULL;
	size_t n;

	pthread_mutex_lock(&j->lock);
	n = begun(j, seq);
	if (i < n) {
		found = j->parts[n - 1 - i];
		atomic_fetch_add(&found->refs, 1);
	}
	pthread_mutex_unlock(&j->lock);
	return found;
}

struct part *parts_find(struct file_journal *j, uint64_t seq)
{
	struct part *found = parts_before(j, seq + 1, 0);

	if (found != NULL && found->info->last_seq < seq) {
		part_unref(&found);
	}
	return found;
}

struct part **parts_all(struct file_journal *j, size_t *n, uint64_t *changes)
{
	struct part **all;

	pthread_mutex_lock(&j->lock);
	*n = j->parts_n;
	*changes = j->parts_changes;
	all = mem_alloc(j->parts_n, sizeof(struct part *));
	for (size_t i = 0; i < j->parts_n; i++) {
		all[i] = part_ref(j->parts[i]);
	}
	pthread_mutex_unlock(&j->lock);
	return all;
}

uint64_t parts_changes(struct file_journal *j)
{
	uint64_t changes;

	pthread_mutex_lock(&j->lock);
	changes = j->parts_changes;
	pthread_mutex_unlock(&j->lock);
	return changes;
}

struct part *part_ref(struct part *part)
{
	atomic_fetch_add(&part->refs, 1);
	return part;
}

size_t parts_from(struct file_journal *j, uint64_t seq, struct part **parts, size_t max)
{
	size_t n = 0;

	pthread_mutex_lock(&j->lock);
	for (size_t at = begun(j, seq + 1); n < max; n++, at++) {
		/* The last that begins at or before seq may end before it. */
		if (n == 0 && at > 0 && j->parts[at - 1]->info->last_seq >= seq) {
			at--;
		}
		if (at == j->parts_n) {
			break;
		}
		parts[n] = part_ref(j->parts[at]);
	}
	pthread_mutex_unlock(&j->lock);
	return n;
}

void part_unref(struct part **part_p)
{
	struct part *part = *part_p;

	*part_p = NULL;
	if (part == NULL || atomic_fetch_sub(&part->refs, 1) > 1) {
		return;
	}
	sealed_close(&part->sealed);
	free(part);
}

uint64_t parts_end(struct file_journal *j)
{
	uint64_t end = 0;

	pthread_mutex_lock(&j->lock);
	if (j->parts_n > 0) {
		end = j->parts[j->parts_n - 1]->info->last_seq + 1;
	}
	pthread_mutex_unlock(&j->lock);
	return end;
}

void parts_bounds(struct file_journal *j, int64_t from_us, int64_t to_us, uint64_t *first,
		  uint64_t *last)
{
	pthread_mutex_lock(&j->lock);
	for (size_t i = 0; i < j->parts_n && j->parts[i]->info->last_us < from_us; i++) {
		*first = j->parts[i]->info->last_seq + 1;
	}
	for (size_t i = j->parts_n; to_us != 0 && i > 0; i--) {
		const struct sealed_info *info = j->parts[i - 1]->info;

		if (info->records > 0 && info->first_us < to_us) {
			break;
		}
		*last = info->first_seq - 1;
	}
	pthread_mutex_unlock(&j->lock);
}

void parts_around(struct file_journal *j, uint64_t seq, uint64_t *before, uint64_t *after)
{
	size_t n;

	pthread_mutex_lock(&j->lock);
	n = begun(j, seq);
	*before = n > 0 ? j->parts[n - 1]->info->last_seq + 1 : 0;
	*after = n < j->parts_n ? j->parts[n]->info->first_seq : 0;
	pthread_mutex_unlock(&j->lock);
}
