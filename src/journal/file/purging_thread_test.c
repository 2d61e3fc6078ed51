/* SPDX-License-Identifier: Apache-2.0 */
/* Other threads read the log while files of it are written anew, and merged. */
#include <pthread.h>

#include "journal/bed_test.h"
#include "journal/care.h"

/* Of org 2 all before a number is deleted; org 1 keeps everything. */
static void floor_of(void *arg, struct org_id org, struct project_id project UNUSED,
		     struct journal_floor *floor)
{
	uint64_t seq = __atomic_load_n((uint64_t *)arg, __ATOMIC_ACQUIRE);

	*floor = (struct journal_floor) { .seq = org.v == 2 ? seq : 0, .waits = true };
}

struct scanner {
	struct bed *bed;
	bool reverse;
	int *stop; /* atomic */
	bool ok;
};

/* Whatever is purged meanwhile: all of org 1 is there in each scan, in its order. */
static void *scan_all(void *arg)
{
	struct scanner *s = arg;

	s->ok = true;
	while (__atomic_load_n(s->stop, __ATOMIC_ACQUIRE) == 0) {
		struct journal_iter *iter = journal_iter_new(s->bed->journal, 0, s->reverse);
		uint64_t last = s->reverse ? UINT64_MAX : 0;
		struct record record;
		struct err err;
		int n = 0;

		while (journal_iter_next(iter, &record, &err) == FOUND) {
			s->ok = s->ok && (s->reverse ? record.seq < last : record.seq > last);
			last = record.seq;
			n += record.org.v == 1;
		}
		s->ok = s->ok && n == 300;
		journal_iter_free(&iter);
	}
	return NULL;
}

static void settle(struct bed *bed)
{
	struct err err = { 0 };

	journal_settle(bed->journal, journal_flushed(bed->journal));
	T_OK(journal_prepare(bed->journal, &err));
	journal_turn(bed->journal);
	bed_seal(bed);
}

static void purge_up_to(struct bed *bed, uint64_t *floor, uint64_t seq)
{
	struct journal_purge round = { .below_seq = seq, .before_us = 1, .now_us = 1 };
	struct err err = { 0 };
	enum found found;

	__atomic_store_n(floor, seq, __ATOMIC_RELEASE);
	while ((found = journal_purge(bed->journal, &round, &err)) == FOUND) {
	}
	T_INT(found, NOT_FOUND);
}

TEST(readers_go_on_while_the_log_is_purged)
{
	static uint64_t floor;
	int stop = 0;
	static struct bed one;
	struct bed *bed = &one;
	struct scanner scanners[2] = { { .bed = bed, .stop = &stop },
				       { .bed = bed, .stop = &stop, .reverse = true } };
	pthread_t threads[2];

	bed_init(bed, JOURNAL_FLUSH_THREAD);
	bed->options.floor = floor_of;
	bed->options.floor_arg = &floor;
	bed_open(bed);
	for (int i = 0; i < 600; i++) {
		(void)bed_put(bed, 1 + (uint64_t)i % 2, NULL, bed_body((uint64_t)i));
		if (i % 30 == 29) {
			settle(bed);
		}
	}
	for (size_t i = 0; i < 2; i++) {
		pthread_create(&threads[i], NULL, scan_all, &scanners[i]);
	}
	for (uint64_t seq = 100; seq <= 600; seq += 100) {
		purge_up_to(bed, &floor, seq);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	for (size_t i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		T_TRUE(scanners[i].ok);
	}
	bed_release(bed);
}

T_MAIN(T(readers_go_on_while_the_log_is_purged))
