/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of segments and the one zeroed ahead. One lock guards both; it is held for a few
 * instructions, never over a call that blocks.
 */
#include <stdlib.h>

#include "journal/file/file_journal.h"

#include "base/clock.h"

void segments_add(struct file_journal *j, struct segment *segment)
{
	pthread_mutex_lock(&j->lock);
	if (j->segments_n == j->segments_cap) {
		j->segments_cap = j->segments_cap == 0 ? 16 : j->segments_cap * 2;
		j->segments = mem_resize(j->segments, j->segments_cap, sizeof(struct segment *));
	}
	j->segments[j->segments_n++] = segment;
	pthread_mutex_unlock(&j->lock);
}

/* How many segments start at or before seq. Under the lock. */
static size_t upto(const struct file_journal *j, uint64_t seq)
{
	size_t lo = 0;
	size_t hi = j->segments_n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (j->segments[mid]->first_seq <= seq) {
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	return lo;
}

struct segment *segments_find(struct file_journal *j, uint64_t seq)
{
	struct segment *found = NULL;
	size_t n;

	pthread_mutex_lock(&j->lock);
	n = upto(j, seq);
	if (n > 0) {
		found = segment_ref(j->segments[n - 1]);
	}
	pthread_mutex_unlock(&j->lock);
	return found;
}

struct segment *segments_after(struct file_journal *j, uint64_t seq)
{
	struct segment *found = NULL;
	size_t n;

	pthread_mutex_lock(&j->lock);
	n = upto(j, seq);
	if (n < j->segments_n) {
		found = segment_ref(j->segments[n]);
	}
	pthread_mutex_unlock(&j->lock);
	return found;
}

bool spare_make(struct file_journal *j, struct err *err)
{
	struct segment_head head = { .id = j->base.meta.id, .bytes = j->segment_bytes };
	struct segment *made;

	pthread_mutex_lock(&j->lock);
	while (j->preparing) {
		pthread_cond_wait(&j->prepared, &j->lock);
	}
	if (j->spare != NULL) {
		pthread_mutex_unlock(&j->lock);
		return true;
	}
	j->preparing = true;
	head.epoch = ++j->epoch;
	pthread_mutex_unlock(&j->lock);

	head.created_at_us = clock_wall_us();
	made = segment_new(&j->files, j->dir, &head, err);

	pthread_mutex_lock(&j->lock);
	j->spare = made;
	j->preparing = false;
	pthread_cond_broadcast(&j->prepared);
	pthread_mutex_unlock(&j->lock);
	return made != NULL;
}

struct segment *spare_take(struct file_journal *j)
{
	struct segment *spare;

	pthread_mutex_lock(&j->lock);
	spare = j->spare;
	j->spare = NULL;
	pthread_mutex_unlock(&j->lock);
	ensure(spare != NULL);
	return spare;
}
