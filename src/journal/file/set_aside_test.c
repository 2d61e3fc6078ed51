/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Setting damage aside while the journal is in use: what waited behind it goes on, and readers hear
 * of the loss before, during and after.
 */
#include <stdio.h>

#include "journal/care.h"
#include "journal/file/file_ops.h"
#include "journal/file/format.h"
#include "journal/file/life_test.h"
#include "journal/file/sealed_format.h"

#define SEGMENT 16384

static uint64_t floor_seq;
static size_t segment_bytes;

static void floor_of(void *arg UNUSED, struct org_id org UNUSED, struct project_id project UNUSED,
		     struct journal_floor *floor)
{
	floor->seq = floor_seq;
	floor->waits = floor_seq > 0;
}

static bool open_life(struct life *life, struct err *err)
{
	struct journal_options options = {
		.dir = "d",
		.create = true,
		.segment_bytes = segment_bytes,
		.turn_bytes_max = SEGMENT,
		.now_us = 1,
		.floor = floor_of,
		.files = &sim_ops,
		.files_arg = life->sim,
	};

	return journal_open(&life->journal, &options, err);
}

static void grow(struct life *life, uint64_t seed, size_t turns)
{
	struct err err = { 0 };

	floor_seq = 0;
	segment_bytes = segment_bytes == 0 ? SEGMENT : segment_bytes;
	*life = (struct life) { .sim = sim_new(seed), .wall_us = 1000, .seed = seed };
	T_OK(open_life(life, &err));
	T_OK(life_work(life, turns, &err));
	T_OK(journal_prepare(life->journal, &err));
}

static enum found seal_all(struct life *life, struct err *err)
{
	enum found found;

	do {
		found = journal_seal(life->journal, err);
	} while (found == FOUND);
	return found;
}

/* How many records a walk does not give; *known of its reports were set aside. */
static uint64_t count_lost(struct life *life, size_t *told, size_t *known)
{
	struct journal_iter *iter = journal_iter_new(life->journal, 0, false);
	struct record record;
	struct err err = { 0 };
	uint64_t seen = 0;
	enum found found;

	*told = *known = 0;
	while ((found = journal_iter_next(iter, &record, &err)) != NOT_FOUND) {
		if (found == FOUND) {
			life_check_record(life, &record, record.seq);
			seen++;
			continue;
		}
		T_INT(err.kind, ERR_CORRUPT);
		++*told;
		*known += journal_iter_set_aside(iter);
	}
	journal_iter_free(&iter);
	return journal_flushed(life->journal) - seen;
}

static void append_some(struct life *life, int turns)
{
	static struct life_request request;
	struct err err = { 0 };

	for (int i = 0; i < turns; i++) {
		T_OK(life_append(life, &request, ITEMS_MAX, &err));
		journal_turn(life->journal);
		T_TRUE(request.ok);
		T_OK(journal_prepare(life->journal, &err));
	}
}

static void count_damage(void *arg, const struct journal_damage *damage)
{
	uint64_t *lost = arg;

	*lost += damage->lost;
}

/* By a flipped bit, and by sectors that cannot be read. */
TEST(sealing_goes_on_when_the_damage_before_it_is_set_aside)
{
	for (int how = 0; how < 2; how++) {
		static struct life life;
		struct journal_stats stats;
		struct sim_file *file;
		struct err err = { 0 };
		uint64_t lost, named = 0, waiting;
		size_t told, known, n;

		grow(&life, 31, 60);
		file = sim_find(life.sim, "0000000000000002.seg");
		assert_non_null(file);
		if (how == 0) {
			file->cache[SEGMENT_HEAD_BYTES + BATCH_HEAD_BYTES + 100] ^= 4;
		} else {
			sim_spoil(file, 8192, 12288);
		}
		lost = count_lost(&life, &told, &known);
		T_TRUE(lost > 0 && told > 0 && known == 0);
		journal_stats(life.journal, &stats);
		T_INT(stats.seal_waiting_bytes, 0);
		T_INT(seal_all(&life, &err), FAILED);
		T_INT(err.kind, ERR_CORRUPT);
		T_TRUE(strstr(err.text, "tocsin journal quarantine") != NULL);
		T_INT(seal_all(&life, &err), NOT_FOUND);
		journal_stats(life.journal, &stats);
		waiting = stats.seal_waiting_bytes;
		T_INT(waiting, stats.seal_waiting_segments * SEGMENT);
		append_some(&life, 10);
		T_INT(seal_all(&life, &err), NOT_FOUND);
		journal_stats(life.journal, &stats);
		T_TRUE(waiting > 0 && stats.seal_waiting_bytes > waiting);

		T_OK(journal_set_aside(life.journal, count_damage, &named, &n, &err));
		T_TRUE(n == 1 && named == lost);
		T_INT(count_lost(&life, &told, &known), lost);
		T_TRUE(told > 0 && known == told);
		T_INT(seal_all(&life, &err), NOT_FOUND);
		journal_stats(life.journal, &stats);
		T_TRUE(stats.seal_waiting_segments == 0 && stats.seal_waiting_bytes == 0);
		T_INT(stats.segments, 1);
		T_INT(count_lost(&life, &told, &known), lost);
		T_TRUE(told > 0 && known == told);
		T_OK(journal_set_aside(life.journal, NULL, NULL, &n, &err));
		T_INT(n, 0);
		append_some(&life, 2);
		journal_close(&life.journal);
		T_OK(open_life(&life, &err));
		T_INT(count_lost(&life, &told, &known), lost);
		T_TRUE(told > 0 && known == told);
		journal_close(&life.journal);
		sim_free(&life.sim);
	}
}

/* A sector that nothing gives back, in the blocks of the second sealed file. */
static struct sim_file *spoil_sealed(struct life *life)
{
	struct sim_file *file = sim_find(life->sim, "0000000000000002.sealed");
	struct sealed_footer footer;
	struct sealed_layout layout;

	assert_non_null(file);
	T_TRUE(sealed_footer_decode(file->cache, &footer));
	sealed_layout_init(&layout, footer.content_bytes, footer.page_bytes);
	T_INT(layout.groups, 1);
	sim_spoil(file, SEALED_FOOTER_BYTES, SEALED_FOOTER_BYTES + 512);
	sim_spoil(file, layout.parity, layout.parity + 512);
	return file;
}

static enum found purge_all(struct life *life, uint64_t *done_seq, struct err *err)
{
	struct journal_purge purge = { .below_seq = journal_flushed(life->journal),
				       .now_us = life->wall_us };
	enum found found, any = NOT_FOUND;

	while ((found = journal_purge(life->journal, &purge, err)) != NOT_FOUND) {
		any = found == FAILED ? FAILED : any;
	}
	*done_seq = purge.done_seq;
	return any;
}

TEST(deleted_events_go_from_a_file_with_a_lost_block_when_it_is_set_aside)
{
	static struct life life;
	struct journal_stats stats;
	struct err err = { 0 };
	uint64_t lost, done, named = 0;
	size_t told, known, n;

	grow(&life, 32, 30);
	T_INT(seal_all(&life, &err), NOT_FOUND);
	(void)spoil_sealed(&life);
	lost = count_lost(&life, &told, &known);
	T_TRUE(lost > 1 && told == 1 && known == 0);
	/* Of the lost block, some are deleted and some are not. */
	floor_seq = journal_flushed(life.journal) / 8;
	for (uint64_t seq = 1;; seq++) {
		struct arena arena;
		struct record record;
		enum found found;

		arena_init(&arena, 0);
		found = journal_read(life.journal, seq, &arena, &record, &err);
		arena_release(&arena);
		if (found == FAILED) {
			floor_seq = seq + 1;
			break;
		}
	}
	T_INT(purge_all(&life, &done, &err), FAILED);
	T_INT(err.kind, ERR_CORRUPT);
	T_TRUE(strstr(err.text, "tocsin journal quarantine") != NULL);
	T_TRUE(done < floor_seq);
	T_OK(journal_set_aside(life.journal, count_damage, &named, &n, &err));
	T_TRUE(n == 1 && named == lost);
	T_INT(purge_all(&life, &done, &err), NOT_FOUND);
	T_TRUE(done >= floor_seq);
	journal_stats(life.journal, &stats);
	T_TRUE(stats.purged_records > 0);
	/* What was lost is told further on, behind what was deleted. */
	floor_seq = 0;
	(void)count_lost(&life, &told, &known);
	T_TRUE(told >= 1 && known == told);
	journal_close(&life.journal);
	T_OK(open_life(&life, &err));
	journal_close(&life.journal);
	sim_free(&life.sim);
}

/* The scrub has told it; afterwards nothing is wrong any more that somebody should look at. */
TEST(what_was_set_aside_is_not_counted_as_lost_any_more)
{
	static struct life life;
	struct journal_stats stats;
	struct err err = { 0 };
	int64_t now_us = INT64_C(4000000000) * 1000000;
	size_t n;

	grow(&life, 33, 20);
	T_INT(seal_all(&life, &err), NOT_FOUND);
	while (journal_scrub(life.journal, now_us, 1000, &err) == FOUND) {
	}
	(void)spoil_sealed(&life);
	now_us += 2000;
	while (journal_scrub(life.journal, now_us, 1000, &err) == FOUND) {
	}
	journal_stats(life.journal, &stats);
	T_TRUE(stats.lost_blocks == 1 && stats.lost_records > 1);
	T_OK(journal_set_aside(life.journal, NULL, NULL, &n, &err));
	T_INT(n, 1);
	while (journal_scrub(life.journal, now_us, 1000, &err) == FOUND) {
	}
	journal_stats(life.journal, &stats);
	T_TRUE(stats.lost_blocks == 0 && stats.lost_records == 0);
	journal_close(&life.journal);
	sim_free(&life.sim);
}

static struct journal_options quarantine_options(struct life *life, uint64_t *lost)
{
	return (struct journal_options) {
		.dir = "d",
		.segment_bytes = segment_bytes,
		.turn_bytes_max = SEGMENT,
		.files = &sim_ops,
		.files_arg = life->sim,
		.on_damage = count_damage,
		.on_damage_arg = lost,
	};
}

/* A sealed file names its numbers in two footers; without both, its blocks still do. */
TEST(a_sealed_file_without_footers_loses_what_nothing_has)
{
	for (int how = 0; how < 2; how++) {
		static struct life life;
		struct journal_options options;
		struct sim_file *file;
		struct err err = { 0 };
		uint64_t named = 0, lost;
		size_t told, known, n;

		segment_bytes = (size_t)16 * SEGMENT; /* several blocks in a file */
		grow(&life, 35, 400);
		T_INT(seal_all(&life, &err), NOT_FOUND);
		journal_close(&life.journal);
		if (how == 1) {
			file = spoil_sealed(&life);
		} else {
			file = sim_find(life.sim, "0000000000000002.sealed");
		}
		sim_spoil(file, 0, SEALED_FOOTER_BYTES);
		sim_spoil(file, file->size - SEALED_FOOTER_BYTES, file->size);
		T_FAIL(open_life(&life, &err), ERR_CORRUPT);
		T_TRUE(strstr(err.text, "tocsin journal quarantine") != NULL);
		options = quarantine_options(&life, &named);
		T_OK(journal_quarantine(&options, &n, &err));
		T_INT(n, how == 0 ? 0 : 1);
		T_OK(open_life(&life, &err));
		lost = count_lost(&life, &told, &known);
		T_TRUE(how == 0 ? lost == 0 && told == 0 : lost > 0 && told > 0 && known == told);
		T_TRUE(named >= lost && (how == 0) == (named == 0));
		T_TRUE(lost < journal_flushed(life.journal) / 4);
		append_some(&life, 2);
		journal_close(&life.journal);
		T_OK(open_life(&life, &err));
		T_INT(count_lost(&life, &told, &known), lost);
		journal_close(&life.journal);
		sim_free(&life.sim);
		segment_bytes = 0;
	}
}

/* A cable that was loose: nothing has to be set aside for what comes back. */
TEST(a_disk_that_comes_back_is_sealed_after_all)
{
	static struct life life;
	struct journal_stats stats;
	struct sim_file *file;
	struct err err = { 0 };
	uint64_t lost;
	size_t told, known, n;

	grow(&life, 34, 60);
	file = sim_find(life.sim, "0000000000000002.seg");
	sim_spoil(file, 8192, 12288);
	T_INT(seal_all(&life, &err), FAILED);
	file->bad_n = 0;
	T_OK(journal_set_aside(life.journal, NULL, NULL, &n, &err));
	T_INT(n, 0);
	T_TRUE(sim_find(life.sim, "quarantine") == NULL);
	T_INT(seal_all(&life, &err), NOT_FOUND);
	journal_stats(life.journal, &stats);
	T_TRUE(stats.seal_waiting_bytes == 0 && stats.sealed_files > 3);
	lost = count_lost(&life, &told, &known);
	T_TRUE(lost == 0 && told == 0);
	journal_close(&life.journal);
	sim_free(&life.sim);
}

T_MAIN(T(sealing_goes_on_when_the_damage_before_it_is_set_aside),
       T(deleted_events_go_from_a_file_with_a_lost_block_when_it_is_set_aside),
       T(what_was_set_aside_is_not_counted_as_lost_any_more),
       T(a_sealed_file_without_footers_loses_what_nothing_has),
       T(a_disk_that_comes_back_is_sealed_after_all))
