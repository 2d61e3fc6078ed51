/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every driver of the journal promises, run against each. A driver is a row of the table at
 * the end: how to set up its bed.
 */
#include "journal/journal.h"

#include <stdatomic.h>

#include "base/clock.h"
#include <stdio.h>

#include "journal/bed_test.h"
#include "journal/care.h"

static enum journal_flush mode;

static struct bed *fresh(void)
{
	static struct bed bed;

	bed_init(&bed, mode);
	bed_open(&bed);
	return &bed;
}

static struct request one, two, three;

TEST(records_are_dense_and_readable_both_ways)
{
	struct bed *bed = fresh();

	T_INT(journal_flushed(bed->journal), 0);
	T_INT(journal_first(bed->journal), 1);
	bed_fill(bed, 1, 1200);
	bed_check(bed, 1, 1200);
	bed_check(bed, 601, 1200);
	bed_release(bed);
}

TEST(everything_is_there_after_reopening)
{
	struct bed *bed = fresh();
	struct journal_id id = journal_meta(bed->journal)->id;
	int64_t last_us;

	bed_fill(bed, 1, 500);
	last_us = journal_last_received_at(bed->journal);
	bed_reopen(bed);
	assert_memory_equal(&id, &journal_meta(bed->journal)->id, sizeof(id));
	T_INT(journal_meta(bed->journal)->created_at_us, 1700000000000000);
	T_INT(journal_last_received_at(bed->journal), last_us);
	bed_check(bed, 1, 500);
	bed_fill(bed, 501, 900);
	bed_reopen(bed);
	bed_reopen(bed);
	bed_check(bed, 1, 900);
	bed_release(bed);
}

TEST(every_field_comes_back)
{
	struct bed *bed = fresh();
	struct arena req;
	struct record record;
	struct err err;

	arena_init(&req, 0);
	request_clear(&one);
	one.items[0] = (struct record) {
		.kind = RECORD_CONTROL,
		.seq = 99,
		.org = { UINT64_MAX },
		.project = { 2 },
		.key = { 3 },
		.hash = { 4, 5 },
		.idempotency_key = S("k"),
		.type = S("rule_changed"),
		.severity = 5,
		.body = S("{}"),
	};
	one.items[1] = (struct record) { .kind = RECORD_TICK };
	one.batch.n = 2;
	T_OK(bed_append(bed, &one, &err));
	bed_turn(bed, &one);
	T_INT(journal_read(bed->journal, 1, &req, &record, &err), FOUND);
	T_INT(record.kind, RECORD_CONTROL);
	T_INT(record.seq, 1);
	T_TRUE(record.org.v == UINT64_MAX && record.project.v == 2 && record.key.v == 3);
	T_TRUE(record.hash.lo == 4 && record.hash.hi == 5);
	T_SLICE(record.idempotency_key, "k");
	T_SLICE(record.type, "rule_changed");
	T_INT(record.severity, 5);
	T_SLICE(record.body, "{}");
	T_INT(record.received_at_us, one.results[0].received_at_us);
	T_INT(journal_read(bed->journal, 2, &req, &record, &err), FOUND);
	T_INT(record.kind, RECORD_TICK);
	T_INT(record.body.n, 0);
	T_INT(journal_read(bed->journal, 0, &req, &record, &err), NOT_FOUND);
	arena_release(&req);
	bed_release(bed);
}

TEST(same_key_is_one_record)
{
	struct bed *bed = fresh();
	struct journal_result first = bed_put(bed, 1, "order-1", "{\"a\":1}");
	struct journal_result again = bed_put(bed, 1, "order-1", "{\"a\":1}");
	struct journal_stats stats;

	T_INT(first.verdict, JOURNAL_STORED);
	T_INT(again.verdict, JOURNAL_DUPLICATE);
	T_INT(again.seq, first.seq);
	T_INT(again.received_at_us, first.received_at_us);
	T_INT(bed_put(bed, 1, "order-1", "{\"a\":2}").verdict, JOURNAL_CONFLICT);
	T_INT(bed_put(bed, 2, "order-1", "{\"a\":2}").verdict, JOURNAL_STORED);
	T_INT(bed_put(bed, 1, "order-2", "{\"a\":1}").verdict, JOURNAL_STORED);
	bed_reopen(bed);
	journal_stats(bed->journal, &stats);
	T_INT(stats.idempotency_keys, 3);
	again = bed_put(bed, 1, "order-1", "{\"a\":1}");
	T_INT(again.verdict, JOURNAL_DUPLICATE);
	T_INT(again.seq, first.seq);
	T_INT(bed_put(bed, 2, "order-1", "{\"a\":1}").verdict, JOURNAL_CONFLICT);
	T_INT(journal_flushed(bed->journal), 3);
	journal_stats(bed->journal, &stats);
	T_INT(stats.duplicates, 1);
	T_INT(stats.conflicts, 1);
	T_INT(stats.idempotency_keys, 3);
	bed_release(bed);
}

TEST(same_key_in_one_turn_is_one_record)
{
	struct bed *bed = fresh();
	struct err err;

	request_clear(&one);
	request_clear(&two);
	request_clear(&three);
	request_add(&one, 1, "a", S("{\"a\":1}"));
	request_add(&one, 1, "b", S("{\"b\":1}"));
	request_add(&one, 1, "a", S("{\"a\":1}"));
	request_add(&two, 1, "b", S("{\"b\":1}"));
	request_add(&two, 1, "b", S("{\"b\":2}"));
	request_add(&three, 1, "a", S("{\"a\":1}"));
	T_OK(bed_append(bed, &one, &err));
	T_OK(bed_append(bed, &two, &err));
	T_INT(one.done + two.done, 0);
	journal_turn(bed->journal);
	/* With a flusher thread this one joins while the first two are in flight. */
	T_OK(bed_append(bed, &three, &err));
	bed_turn(bed, &three);
	T_INT(one.done, 1);
	T_INT(two.done, 1);
	T_INT(three.done, 1);
	T_INT(one.results[2].verdict, JOURNAL_DUPLICATE);
	T_INT(one.results[2].seq, one.results[0].seq);
	T_INT(two.results[0].verdict, JOURNAL_DUPLICATE);
	T_INT(two.results[0].seq, one.results[1].seq);
	T_INT(two.results[1].verdict, JOURNAL_CONFLICT);
	T_INT(three.results[0].verdict, JOURNAL_DUPLICATE);
	T_INT(three.results[0].seq, one.results[0].seq);
	T_INT(journal_flushed(bed->journal), 2);
	bed_release(bed);
}

/* What is known costs none, and what had none is not there: its key is free. */
TEST(a_batch_stores_as_many_new_records_as_it_has_room_for)
{
	static const char *const keys[] = { "a", "b", "c", "a", "d", NULL };
	static const char *const want[] = { "dssdoo", "dsodoo", "doodoo" };
	struct bed *bed = fresh();
	struct err err;

	for (uint64_t i = 0; i < ARRAY_LEN(want); i++) {
		request_clear(&one);
		for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
			request_add(&one, 1 + i, keys[k], S("{}"));
		}
		bed_put(bed, 1 + i, "a", "{}");
		one.batch.limited = true;
		one.batch.room = 2 - i;
		T_OK(bed_append(bed, &one, &err));
		bed_turn(bed, &one);
		for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
			T_INT("sdcuo"[one.results[k].verdict], want[i][k]);
		}
	}
	T_INT(journal_flushed(bed->journal), 6);
	T_INT(bed_put(bed, 1, "d", "{\"other\":1}").verdict, JOURNAL_STORED);
	bed_release(bed);
}

TEST(keys_are_forgotten_after_the_window)
{
	struct bed *bed = fresh();
	struct journal_result first, later;

	bed->options.idempotency_window_us = 24 * 3600 * US_PER_S;
	bed_reopen(bed);
	first = bed_put(bed, 1, "k", "{\"a\":1}");
	bed->wall_us = first.received_at_us + 24 * 3600 * US_PER_S - 20;
	T_INT(bed_put(bed, 1, "k", "{\"a\":1}").verdict, JOURNAL_DUPLICATE);
	bed->wall_us = first.received_at_us + 24 * 3600 * US_PER_S;
	later = bed_put(bed, 1, "k", "{\"a\":2}");
	T_INT(later.verdict, JOURNAL_STORED);
	bed_reopen(bed);
	T_INT(bed_put(bed, 1, "k", "{\"a\":2}").seq, later.seq);
	T_INT(bed_put(bed, 1, "k", "{\"a\":1}").verdict, JOURNAL_CONFLICT);
	bed_release(bed);
}

TEST(time_never_stands_still_or_goes_back)
{
	static const int64_t jumps[] = { 0,
					 -3600 * US_PER_S,
					 3600 * US_PER_S,
					 -INT64_C(1700000000) * US_PER_S, /* 1970 */
					 INT64_C(445000000) * US_PER_S,	  /* 2038 */
					 -86400 * US_PER_S };
	struct bed *bed = fresh();
	int64_t base_us = bed->wall_us;
	int64_t last_us = 0;

	for (size_t i = 0; i < ARRAY_LEN(jumps) * 3; i++) {
		struct journal_result result;

		bed->wall_us = base_us + jumps[i % ARRAY_LEN(jumps)];
		for (int k = 0; k < 3; k++) {
			result = bed_put(bed, 1, NULL, "{}");
			T_TRUE(result.received_at_us > last_us);
			T_TRUE(result.received_at_us >= bed->wall_us);
			last_us = result.received_at_us;
		}
		if (i % 4 == 0) {
			bed_reopen(bed);
		}
	}
	bed_release(bed);
}

TEST(time_goes_on_while_the_clock_is_set_back)
{
	struct bed *bed = fresh();
	struct journal_result first = bed_put(bed, 1, NULL, "{}");
	struct journal_result next;

	bed->wall_us -= 3600 * US_PER_S;
	bed->mono_us += 100 * US_PER_S - 10;
	next = bed_put(bed, 1, NULL, "{}");
	T_INT(next.received_at_us - first.received_at_us, 90 * US_PER_S);
	bed_release(bed);
}

TEST(bounds_are_kept)
{
	static char big[RECORD_BODY_BYTES_MAX + 1];
	struct bed *bed = fresh();
	struct err err;
	int taken = 0;

	request_clear(&one);
	request_add(&one, 1, NULL, (struct slice) { .p = big, .n = sizeof(big) });
	T_FAIL(bed_append(bed, &one, &err), ERR_TOO_LARGE);
	request_clear(&one);
	request_add(&one, 1, NULL, (struct slice) { .p = big, .n = 70000 });
	T_FAIL(bed_append(bed, &one, &err), ERR_TOO_LARGE);
	request_clear(&one);
	request_add(&one, 1, NULL, S("{}"))->idempotency_key.n = RECORD_KEY_BYTES_MAX + 1;
	T_FAIL(bed_append(bed, &one, &err), ERR_TOO_LARGE);
	/* 64 KiB fit into a turn, then it is full; after the turn there is room again. */
	request_clear(&one);
	request_clear(&two);
	request_add(&one, 1, NULL, (struct slice) { .p = big, .n = 40000 });
	request_add(&two, 1, NULL, (struct slice) { .p = big, .n = 40000 });
	T_OK(bed_append(bed, &one, &err));
	T_FAIL(bed_append(bed, &two, &err), ERR_OVERLOADED);
	bed_turn(bed, &one);
	T_OK(bed_append(bed, &two, &err));
	bed_turn(bed, &two);
	taken += one.done + two.done;
	T_INT(taken, 2);
	T_INT(journal_flushed(bed->journal), 2);
	bed_release(bed);
}

TEST(a_budget_bounds_the_work_of_a_walk)
{
	for (int reverse = 0; reverse < 2; reverse++) {
		struct bed *bed = fresh();
		struct journal_iter *iter;
		struct record record;
		struct err err;
		uint64_t seen = 0;
		int rounds = 0;

		bed_fill(bed, 1, 3000);
		iter = journal_iter_new(bed->journal, 0, reverse == 1);
		while (seen < 3000) {
			journal_iter_set_budget(iter, 1);
			while (journal_iter_next(iter, &record, &err) == FOUND) {
				seen++;
				T_INT(record.seq, reverse == 1 ? 3001 - seen : seen);
			}
			T_INT(journal_iter_at(iter), reverse == 1 ? 3000 - seen : seen + 1);
			rounds++;
		}
		T_TRUE(rounds > 5);
		journal_iter_free(&iter);
		bed_release(bed);
	}
}

TEST(opening_says_what_is_wrong)
{
	struct bed *bed = fresh();
	struct journal_id other = { { 1 } };
	struct journal *second = NULL;
	struct err err;

	T_FAIL(journal_open(&second, &bed->options, &err), ERR_CONFLICT);
	T_TRUE(second == NULL);
	journal_close(&bed->journal);
	bed->options.must_match = &other;
	T_FAIL(journal_open(&bed->journal, &bed->options, &err), ERR_CONFLICT);
	bed->options.must_match = NULL;
	bed_open(bed);
	bed_release(bed);

	bed_init(bed, mode);
	bed->options.create = false;
	T_FAIL(journal_open(&bed->journal, &bed->options, &err), ERR_NOT_FOUND);
	bed->options.create = true;
	bed->options.segment_bytes = 5000;
	T_FAIL(journal_open(&bed->journal, &bed->options, &err), ERR_INVALID);
	bed_release(bed);
}

struct follower {
	struct bed *bed;
	uint64_t last;
	_Atomic uint64_t seen;
	bool ok;
};

static void *follow(void *arg)
{
	struct follower *f = arg;
	struct journal_iter *iter = journal_iter_new(f->bed->journal, 1, false);
	struct record record;
	struct err err;

	f->ok = true;
	while (f->seen < f->last && f->ok) {
		enum found found;

		journal_wait(f->bed->journal, f->seen, -1);
		while ((found = journal_iter_next(iter, &record, &err)) == FOUND) {
			f->ok = f->ok && record.seq == f->seen + 1;
			f->seen++;
		}
		f->ok = f->ok && found == NOT_FOUND;
	}
	journal_iter_free(&iter);
	return NULL;
}

static void *scan_back(void *arg)
{
	struct follower *f = arg;
	struct record record;
	struct err err;

	f->ok = true;
	while (journal_flushed(f->bed->journal) < f->last) {
		struct journal_iter *iter = journal_iter_new(f->bed->journal, 0, true);
		uint64_t expect = journal_iter_at(iter);

		for (int i = 0; i < 100 && journal_iter_next(iter, &record, &err) == FOUND; i++) {
			f->ok = f->ok && record.seq == expect--;
		}
		journal_iter_free(&iter);
	}
	return NULL;
}

TEST(readers_follow_while_records_come)
{
	struct bed *bed = fresh();
	struct follower forward = { .bed = bed, .last = 2000 };
	struct follower back = { .bed = bed, .last = 2000 };
	pthread_t threads[2];

	pthread_create(&threads[0], NULL, follow, &forward);
	pthread_create(&threads[1], NULL, scan_back, &back);
	bed_fill(bed, 1, 2000);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	T_TRUE(forward.ok);
	T_INT(forward.seen, 2000);
	T_TRUE(back.ok);
	bed_release(bed);
}

TEST(sealed_records_read_as_before)
{
	struct bed *bed = fresh();
	struct journal_stats stats;

	bed_fill(bed, 1, 900);
	T_TRUE(bed_seal(bed) > 0);
	journal_stats(bed->journal, &stats);
	T_TRUE(stats.sealed_files >= 2);
	T_TRUE(stats.sealed_records > 0 && stats.sealed_records < 900);
	T_TRUE(stats.sealed_bytes > 0 && stats.sealed_bodies > stats.sealed_bytes);
	T_INT(journal_first(bed->journal), 1);
	bed_check(bed, 1, 900);
	bed_check(bed, 3, 900);
	bed_fill(bed, 901, 1300);
	bed_check(bed, 1, 1300);
	bed_reopen(bed);
	bed_check(bed, 1, 1300);
	bed_seal(bed);
	bed_check(bed, 1, 1300);
	bed_fill(bed, 1301, 1400);
	bed_reopen(bed);
	bed_reopen(bed);
	T_INT(journal_first(bed->journal), 1);
	bed_check(bed, 1, 1400);
	T_INT(bed_seal(bed), 0);
	bed_release(bed);
}

/* Half of the walk on segments, the other half when they are sealed. */
static void seal_under(struct bed *bed, bool reverse, uint64_t at, uint64_t last)
{
	struct journal_iter *iter = journal_iter_new(bed->journal, 0, reverse);
	struct record record;
	struct err err;

	for (uint64_t i = 1; i <= last; i++) {
		if (i == at) {
			bed_seal(bed);
		}
		T_INT(journal_iter_at(iter), reverse ? last + 1 - i : i);
		T_INT(journal_iter_next(iter, &record, &err), FOUND);
		T_INT(record.seq, reverse ? last + 1 - i : i);
	}
	T_INT(journal_iter_next(iter, &record, &err), NOT_FOUND);
	journal_iter_free(&iter);
}

TEST(walks_go_on_while_the_log_is_sealed)
{
	for (uint64_t at = 1; at < 600; at += 149) {
		struct bed *bed = fresh();

		bed_fill(bed, 1, 600);
		seal_under(bed, at % 2 == 0, at, 600);
		bed_release(bed);
	}
}

TEST(a_budget_ends_a_walk_through_sealed_records_too)
{
	struct bed *bed = fresh();

	bed_fill(bed, 1, 900);
	bed_seal(bed);
	for (int reverse = 0; reverse <= 1; reverse++) {
		struct journal_iter *iter = journal_iter_new(bed->journal, 0, reverse != 0);
		struct record record;
		struct err err;
		int pauses = 0;

		for (int i = 0; i < 900;) {
			enum found found;

			journal_iter_set_budget(iter, 4096);
			while ((found = journal_iter_next(iter, &record, &err)) == FOUND) {
				i++;
				T_INT(record.seq, reverse ? 901 - i : i);
			}
			T_INT(found, NOT_FOUND);
			pauses++;
		}
		T_TRUE(pauses > 2);
		journal_iter_free(&iter);
	}
	bed_release(bed);
}

TEST(numbers_are_bounded_by_time)
{
	struct bed *bed = fresh();
	struct record record;
	uint64_t first, last;
	struct arena req;
	struct err err;

	arena_init(&req, 0);
	bed_fill(bed, 1, 900);
	journal_bounds(bed->journal, 0, 0, &first, &last);
	T_INT(first, 1);
	T_INT(last, 900);
	bed_seal(bed);
	for (uint64_t seq = 1; seq <= 900; seq += 29) {
		T_INT(journal_read(bed->journal, seq, &req, &record, &err), FOUND);
		journal_bounds(bed->journal, record.received_at_us, record.received_at_us + 1,
			       &first, &last);
		T_TRUE(first >= 1 && first <= seq && last >= seq && last <= 900);
		T_TRUE(last - first < 600);
	}
	journal_bounds(bed->journal, 0, 1, &first, &last);
	T_TRUE(last < first);
	arena_release(&req);
	bed_release(bed);
}

TEST(keys_outlive_sealing)
{
	struct bed *bed = fresh();
	struct journal_result first = bed_put(bed, 1, "order-1", "{\"a\":1}");
	struct journal_result other = bed_put(bed, 2, "order-1", "{\"a\":2}");
	struct journal_result again;
	struct journal_stats stats;

	bed_fill(bed, 3, 900);
	bed_seal(bed);
	for (int i = 0; i < 2; i++) {
		again = bed_put(bed, 1, "order-1", "{\"a\":1}");
		T_INT(again.verdict, JOURNAL_DUPLICATE);
		T_INT(again.seq, first.seq);
		T_INT(again.received_at_us, first.received_at_us);
		again = bed_put(bed, 2, "order-1", "{\"a\":1}");
		T_INT(again.verdict, JOURNAL_CONFLICT);
		T_INT(again.seq, other.seq);
		bed_reopen(bed);
	}
	journal_stats(bed->journal, &stats);
	T_INT(stats.idempotency_keys, 0); /* they are read from the file */
	bed->wall_us += 8 * 24 * 3600 * US_PER_S;
	T_INT(bed_put(bed, 1, "order-1", "{\"a\":3}").verdict, JOURNAL_STORED);
	T_INT(bed_put(bed, 1, "order-1", "{\"a\":3}").verdict, JOURNAL_DUPLICATE);
	bed_release(bed);
}

static void *seal_on(void *arg)
{
	struct follower *f = arg;
	struct err err;

	f->ok = true;
	while (journal_flushed(f->bed->journal) < f->last) {
		enum found found = journal_seal(f->bed->journal, &err);

		f->ok = f->ok && found != FAILED;
		if (found == NOT_FOUND) {
			journal_wait(f->bed->journal, journal_flushed(f->bed->journal), 1000);
		}
	}
	return NULL;
}

TEST(readers_follow_while_the_log_is_sealed)
{
	struct bed *bed = fresh();
	struct follower forward = { .bed = bed, .last = 1500 };
	struct follower back = { .bed = bed, .last = 1500 };
	struct follower sealer = { .bed = bed, .last = 1500 };
	pthread_t threads[3];

	pthread_create(&threads[0], NULL, follow, &forward);
	pthread_create(&threads[1], NULL, scan_back, &back);
	pthread_create(&threads[2], NULL, seal_on, &sealer);
	bed_fill(bed, 1, 1500);
	for (int i = 0; i < 3; i++) {
		pthread_join(threads[i], NULL);
	}
	T_TRUE(forward.ok && back.ok && sealer.ok);
	T_INT(forward.seen, 1500);
	bed_check(bed, 1, 1500);
	bed_release(bed);
}

static void *wait_for_more(void *arg)
{
	struct follower *f = arg;

	f->seen = journal_wait(f->bed->journal, 1, -1);
	return NULL;
}

TEST(waiting_ends_by_time_or_interrupt)
{
	struct bed *bed = fresh();
	struct follower f = { .bed = bed };
	pthread_t thread;

	bed_put(bed, 1, NULL, "{}");
	T_INT(journal_wait(bed->journal, 0, -1), 1);
	T_INT(journal_wait(bed->journal, 1, 0), 1);
	T_INT(journal_wait(bed->journal, 1, 1000), 1);
	pthread_create(&thread, NULL, wait_for_more, &f);
	journal_interrupt(bed->journal);
	pthread_join(thread, NULL);
	T_INT(f.seen, 1);
	T_INT(journal_wait(bed->journal, 1, -1), 1);
	bed_release(bed);
}

static void copy_file(const struct bed *from, const struct bed *to, const struct journal_file *file)
{
	char path[512];
	char *bytes = mem_alloc(file->bytes, 1);
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", from->dir, file->name);
	f = fopen(path, "rbe");
	assert_non_null(f);
	T_INT(fread(bytes, 1, file->bytes, f), file->bytes);
	fclose(f);
	snprintf(path, sizeof(path), "%s/%s", to->dir, file->name);
	f = fopen(path, "wbe");
	assert_non_null(f);
	T_INT(fwrite(bytes, 1, file->bytes, f), file->bytes);
	T_INT(fclose(f), 0);
	free(bytes);
}

static void copy_all(const struct bed *from, const struct bed *to, struct arena *req)
{
	struct journal_file *files;
	size_t n = journal_files(from->journal, req, &files);

	for (size_t i = 0; i < n; i++) {
		copy_file(from, to, &files[i]);
	}
}

/* While the journal goes on, its files up to what they said are the log up to then. */
TEST(a_copy_of_its_files_is_the_journal_as_it_was)
{
	struct bed *bed = fresh();
	struct bed copy;
	struct journal_file *files;
	struct arena req;
	size_t n;

	arena_init(&req, 0);
	bed_fill(bed, 1, 700);
	n = journal_files(bed->journal, &req, &files);
	T_TRUE(n > 3);
	T_STR(files[n - 1].name, "meta");
	T_INT(files[0].first_seq, 1);
	T_INT(files[n - 2].last_seq, 700);
	bed_fill(bed, 701, 1000);
	bed_init(&copy, mode);
	for (size_t i = 0; i < n; i++) {
		copy_file(bed, &copy, &files[i]);
	}
	bed_open(&copy);
	bed_check(&copy, 1, 700);
	bed_fill(&copy, 701, 720);
	bed_reopen(&copy);
	bed_check(&copy, 1, 720);
	bed_release(&copy);
	bed_check(bed, 1, 1000);
	bed_release(bed);
	arena_release(&req);
}

/*
 * A journal that was not closed is recovered, which cuts a file: its files are as long as they say.
 */
TEST(a_recovered_journal_can_be_copied_too)
{
	struct bed *bed = fresh();
	struct bed once, twice;
	struct arena req;

	arena_init(&req, 0);
	bed_fill(bed, 1, 700);
	bed_init(&once, mode);
	copy_all(bed, &once, &req);
	bed_open(&once);
	bed_init(&twice, mode);
	copy_all(&once, &twice, &req);
	bed_open(&twice);
	bed_check(&twice, 1, 700);
	bed_release(&twice);
	bed_release(&once);
	bed_release(bed);
	arena_release(&req);
}

static void no_damage(void *arg UNUSED, const struct journal_damage *damage)
{
	fail_msg("%s has damage at %llu", damage->file, (unsigned long long)damage->offset);
}

TEST(who_only_looks_sees_what_the_owner_says_and_changes_nothing)
{
	struct bed *bed = fresh();
	struct journal *owner = bed->journal;
	struct journal_options options = bed->options;
	struct journal_file *files;
	struct arena req;

	arena_init(&req, 0);
	bed_fill(bed, 1, 700);
	options.create = false;
	options.read_only = true;
	options.on_damage = no_damage;
	options.n_only = journal_files(owner, &req, &files);
	options.only = files;
	bed_fill(bed, 701, 1000);
	for (int i = 0; i < 2; i++) {
		struct err err = { 0 };

		T_OK(journal_open(&bed->journal, &options, &err));
		bed_check(bed, 1, i == 0 ? 700 : 1000);
		journal_close(&bed->journal);
		options.n_only = 0;
	}
	bed->journal = owner;
	bed_check(bed, 1, 1000);
	bed_fill(bed, 1001, 1010);
	bed_reopen(bed);
	bed_check(bed, 1, 1010);
	bed_release(bed);
	arena_release(&req);
}

TEST(what_was_replaced_meanwhile_is_not_taken_for_damage)
{
	struct bed *bed = fresh();
	struct journal *owner = bed->journal;
	struct journal_options options = bed->options;
	struct journal_file *files;
	struct arena req;
	struct err err = { 0 };

	arena_init(&req, 0);
	bed_fill(bed, 1, 700);
	options.create = false;
	options.read_only = true;
	options.on_damage = no_damage;
	options.n_only = journal_files(owner, &req, &files);
	options.only = files;
	T_TRUE(bed_seal(bed) > 0);
	T_FAIL(journal_open(&bed->journal, &options, &err), ERR_IO);
	options.n_only = journal_files(owner, &req, &files);
	options.only = files;
	T_OK(journal_open(&bed->journal, &options, &err));
	bed_check(bed, 1, 700);
	journal_close(&bed->journal);
	bed->journal = owner;
	bed_release(bed);
	arena_release(&req);
}

static int use_inline(void **state UNUSED)
{
	mode = JOURNAL_FLUSH_INLINE;
	return 0;
}

static int use_thread(void **state UNUSED)
{
	mode = JOURNAL_FLUSH_THREAD;
	return 0;
}

#define ON(test, setup, driver) \
	{ \
		.name = #test "/" driver, .test_func = (test), .setup_func = (setup) \
	}
#define ON_ALL(test) ON(test, use_inline, "file"), ON(test, use_thread, "file threaded")

T_MAIN(ON_ALL(sealed_records_read_as_before), ON_ALL(walks_go_on_while_the_log_is_sealed),
       ON_ALL(a_budget_ends_a_walk_through_sealed_records_too), ON_ALL(keys_outlive_sealing),
       ON_ALL(numbers_are_bounded_by_time), ON_ALL(readers_follow_while_the_log_is_sealed),
       ON_ALL(records_are_dense_and_readable_both_ways),
       ON_ALL(everything_is_there_after_reopening), ON_ALL(every_field_comes_back),
       ON_ALL(same_key_is_one_record), ON_ALL(same_key_in_one_turn_is_one_record),
       ON_ALL(a_batch_stores_as_many_new_records_as_it_has_room_for),
       ON_ALL(keys_are_forgotten_after_the_window), ON_ALL(time_never_stands_still_or_goes_back),
       ON_ALL(time_goes_on_while_the_clock_is_set_back), ON_ALL(bounds_are_kept),
       ON_ALL(a_budget_bounds_the_work_of_a_walk), ON_ALL(opening_says_what_is_wrong),
       ON_ALL(readers_follow_while_records_come), ON_ALL(waiting_ends_by_time_or_interrupt),
       ON_ALL(a_copy_of_its_files_is_the_journal_as_it_was),
       ON_ALL(a_recovered_journal_can_be_copied_too),
       ON_ALL(who_only_looks_sees_what_the_owner_says_and_changes_nothing),
       ON_ALL(what_was_replaced_meanwhile_is_not_taken_for_damage))
