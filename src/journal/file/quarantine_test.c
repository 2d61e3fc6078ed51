/* SPDX-License-Identifier: Apache-2.0 */
/* A disk that changes bytes: what is damaged is told, confined, and set aside on request. */
#include "journal/file/life_test.h"

#include <stdio.h>
#include <stdlib.h>

#include "journal/file/format.h"
#include "journal/care.h"

/* A journal of several segments, closed, and the names of its segments. */
static void grow(struct life *life, uint64_t seed, size_t turns)
{
	struct err err = { 0 };

	*life = (struct life) { .sim = sim_new(seed), .wall_us = 1000, .seed = seed };
	T_OK(life_open(life, &err));
	T_OK(life_work(life, turns, &err));
	T_OK(journal_prepare(life->journal, &err));
}

static struct sim_file *some_segment(struct sim *sim, char *name)
{
	struct sim_file *file = NULL;

	while (file == NULL) {
		snprintf(name, SIM_NAME_MAX, "%016llx.seg",
			 (unsigned long long)(1 + sim_below(sim, 16)));
		file = sim_find(sim, name);
	}
	return file;
}

/* Walk in one direction: how many records are lost; the others must be right. */
static uint64_t count_lost(struct life *life, bool reverse, uint64_t *reports)
{
	struct journal_iter *iter = journal_iter_new(life->journal, 0, reverse);
	uint64_t seen = 0;
	struct record record;
	struct err err = { 0 };
	enum found found;

	*reports = 0;
	while ((found = journal_iter_next(iter, &record, &err)) != NOT_FOUND) {
		if (found == FOUND) {
			life_check_record(life, &record, record.seq);
			seen++;
		} else {
			T_INT(err.kind, ERR_CORRUPT);
			++*reports;
		}
	}
	journal_iter_free(&iter);
	return journal_flushed(life->journal) - seen;
}

TEST(a_flipped_bit_costs_one_record_and_is_reported)
{
	static struct life life;
	uint64_t hits = 0;

	grow(&life, 11, 60);
	for (int i = 0; i < 3000; i++) {
		char name[SIM_NAME_MAX];
		struct sim_file *file = some_segment(life.sim, name);
		size_t at = SEGMENT_HEAD_BYTES + sim_below(life.sim, 16384 - SEGMENT_HEAD_BYTES);
		char bit = (char)(1 << sim_below(life.sim, 8));
		uint64_t reports, lost, reports_back;

		file->cache[at] ^= bit;
		lost = count_lost(&life, false, &reports);
		T_TRUE(lost <= 1);
		T_TRUE(reports <= 1);
		T_TRUE(lost <= reports);
		T_INT(count_lost(&life, true, &reports_back), lost);
		T_TRUE(reports_back >= lost);
		hits += reports;
		file->cache[at] ^= bit;
	}
	T_TRUE(hits > 1000);
	journal_close(&life.journal);
	sim_free(&life.sim);
}

/* What an open that only looks tells of damage, and that it changes nothing. */
struct look {
	uint64_t told;
	uint64_t lost;
	struct journal_damage last;
};

static void on_damage(void *arg, const struct journal_damage *damage)
{
	struct look *look = arg;

	look->told += 1;
	look->lost += damage->last_seq + 1 - damage->first_seq;
	look->last = *damage;
}

static struct look look_at(struct life *life)
{
	struct look look = { 0 };
	uint64_t reports, lost;
	struct journal_options options = {
		.dir = "d",
		.read_only = true,
		.segment_bytes = 16384,
		.turn_bytes_max = 16384,
		.files = &sim_ops,
		.files_arg = life->sim,
		.on_damage = on_damage,
		.on_damage_arg = &look,
	};
	struct journal *journal = life->journal;
	struct err err = { 0 };

	T_OK(journal_open(&life->journal, &options, &err));
	lost = count_lost(life, false, &reports);
	T_INT(lost, look.lost);
	journal_close(&life->journal);
	life->journal = journal;
	return look;
}

static bool open_damaged(struct life *life, bool accept, struct err *err)
{
	struct journal_options options = {
		.dir = "d",
		.accept_damage = accept,
		.segment_bytes = 16384,
		.turn_bytes_max = 16384,
		.files = &sim_ops,
		.files_arg = life->sim,
	};

	return journal_open(&life->journal, &options, err);
}

TEST(damage_to_acked_records_is_refused_at_open_or_accepted_on_request)
{
	static struct life life, damaged;
	uint64_t refused = 0;
	uint64_t lost_records = 0;

	grow(&life, 12, 40);
	journal_close(&life.journal);
	for (int i = 0; i < 2000; i++) {
		char name[SIM_NAME_MAX];
		struct err err = { 0 };
		struct sim_file *file;
		struct look look;
		uint64_t reports, lost;
		size_t at;

		damaged = life;
		damaged.sim = sim_power_cut(life.sim);
		file = some_segment(damaged.sim, name);
		at = sim_below(life.sim, file->size);
		file->cache[at] ^= (char)(1 << sim_below(life.sim, 8));
		look = look_at(&damaged);
		if (!open_damaged(&damaged, false, &err)) {
			refused++;
			T_INT(err.kind, ERR_CORRUPT);
			T_TRUE(strstr(err.text, name) != NULL);
			T_TRUE(strstr(err.text, "tocsin journal quarantine") != NULL);
			T_STR(look.last.file, name);
			T_TRUE(look.told == 1 && look.last.offset <= at && at < look.last.end);
			T_OK(open_damaged(&damaged, true, &err));
			lost = count_lost(&damaged, false, &reports);
			T_TRUE(lost <= 1 && lost == look.lost);
			T_TRUE(at < SEGMENT_HEAD_BYTES ? lost + reports == 0 : reports >= 1);
			lost_records += lost;
		} else {
			T_INT(look.told, 0);
			life_check_all(&damaged);
		}
		journal_close(&damaged.journal);
		sim_free(&damaged.sim);
	}
	T_TRUE(refused > 500);
	T_TRUE(lost_records > 300);
	sim_free(&life.sim);
}

/* Every record but those of the numbers first to last is there and right. */
static void check_but(struct life *life, uint64_t first, uint64_t last)
{
	struct journal_iter *iter = journal_iter_new(life->journal, 0, false);
	struct record record;
	struct err err = { 0 };
	uint64_t want = 1;
	enum found found;

	while ((found = journal_iter_next(iter, &record, &err)) != NOT_FOUND) {
		if (found == FAILED) {
			T_INT(err.kind, ERR_CORRUPT);
			continue;
		}
		if (want == first) {
			want = last + 1;
		}
		T_INT(record.seq, want++);
		life_check_record(life, &record, record.seq);
	}
	if (want == first) {
		want = last + 1;
	}
	T_INT(want, journal_flushed(life->journal) + 1);
	journal_iter_free(&iter);
}

static void flip(struct sim_file *file, size_t at, uint64_t bit)
{
	file->cache[at] ^= (char)(1 << bit);
}

/* Opens, takes more, and opens again, with all but what is set aside. */
static void go_on(struct life *life, const struct look *look)
{
	static struct life_request request;
	struct err err = { 0 };

	T_OK(open_damaged(life, false, &err));
	check_but(life, look->last.first_seq, look->last.last_seq);
	T_OK(life_append(life, &request, 3, &err));
	journal_turn(life->journal);
	T_TRUE(request.ok);
	journal_close(&life->journal);
	T_OK(open_damaged(life, false, &err));
	check_but(life, look->last.first_seq, look->last.last_seq);
	journal_close(&life->journal);
}

static struct journal_options quarantine_options(struct life *life, struct look *look)
{
	return (struct journal_options) {
		.dir = "d",
		.segment_bytes = 16384,
		.turn_bytes_max = 16384,
		.files = &sim_ops,
		.files_arg = life->sim,
		.on_damage = on_damage,
		.on_damage_arg = look,
	};
}

/* How many positions make test tries; make soak tries all that its issue asks for. */
static int flips_wanted(void)
{
	const char *text = getenv("TOCSIN_TEST_FLIPS");
	uint64_t n = 0;

	return text != NULL && slice_u64(slice_of(text), &n) && n <= 1000000 ? (int)n : 1000;
}

TEST(exactly_what_is_damaged_is_set_aside)
{
	static struct life life, damaged;
	uint64_t aside = 0;
	int wanted = flips_wanted();

	grow(&life, 15, 40);
	journal_close(&life.journal);
	for (int i = 0; i < wanted; i++) {
		char name[SIM_NAME_MAX];
		struct err err = { 0 };
		struct look look = { 0 };
		struct journal_options options;
		struct sim_file *file;
		size_t at, n;

		damaged = life;
		damaged.sim = sim_power_cut(life.sim);
		file = i % 50 == 0 ? sim_find(damaged.sim, "meta")
				   : some_segment(damaged.sim, name);
		at = sim_below(life.sim, file->size);
		flip(file, at, sim_below(life.sim, 8));
		if (!open_damaged(&damaged, false, &err)) {
			options = quarantine_options(&damaged, &look);
			if (err.kind == ERR_CONFLICT) { /* the version in meta */
				T_TRUE(strstr(err.text, "use a newer tocsin") != NULL);
				T_FAIL(journal_quarantine(&options, &n, &err), ERR_CONFLICT);
			} else {
				T_TRUE(strstr(err.text, "`tocsin journal quarantine`") != NULL);
				T_OK(journal_quarantine(&options, &n, &err));
				T_TRUE(n == 1 && look.told == 1 && look.lost <= 1);
				go_on(&damaged, &look);
				aside++;
			}
		} else {
			life_check_all(&damaged);
			journal_close(&damaged.journal);
		}
		sim_free(&damaged.sim);
	}
	T_TRUE(aside > (uint64_t)wanted / 4);
	sim_free(&life.sim);
}

TEST(setting_aside_covers_no_other_damage)
{
	static struct life life;
	struct err err = { 0 };
	struct look look = { 0 };
	struct journal_options options;
	struct sim_file *file;
	char name[SIM_NAME_MAX];
	size_t n;

	grow(&life, 16, 40);
	options = quarantine_options(&life, &look);
	T_FAIL(journal_quarantine(&options, &n, &err), ERR_CONFLICT);
	journal_close(&life.journal);
	T_OK(journal_quarantine(&options, &n, &err));
	T_INT(n, 0);
	T_TRUE(sim_find(life.sim, "quarantine") == NULL);
	file = sim_find(life.sim, "0000000000000002.seg");
	flip(file, SEGMENT_HEAD_BYTES + BATCH_HEAD_BYTES + 200, 3);
	T_FAIL(open_damaged(&life, false, &err), ERR_CORRUPT);
	T_OK(journal_quarantine(&options, &n, &err));
	T_INT(n, 1);
	snprintf(name, sizeof(name), "0000000000000002-%08llx.damaged",
		 (unsigned long long)look.last.offset);
	assert_non_null(sim_find(life.sim, name));
	T_OK(open_damaged(&life, false, &err));
	journal_close(&life.journal);
	/* The same record, another byte of it. */
	flip(file, SEGMENT_HEAD_BYTES + BATCH_HEAD_BYTES + 201, 3);
	T_FAIL(open_damaged(&life, false, &err), ERR_CORRUPT);
	flip(file, SEGMENT_HEAD_BYTES + BATCH_HEAD_BYTES + 201, 3);
	T_OK(open_damaged(&life, false, &err));
	journal_close(&life.journal);
	/* Another record. */
	file = sim_find(life.sim, "0000000000000003.seg");
	flip(file, SEGMENT_HEAD_BYTES + BATCH_HEAD_BYTES + 200, 3);
	T_FAIL(open_damaged(&life, false, &err), ERR_CORRUPT);
	T_TRUE(strstr(err.text, "0000000000000003.seg") != NULL);
	look = (struct look) { 0 };
	T_OK(journal_quarantine(&options, &n, &err));
	T_TRUE(n == 1 && look.told == 2);
	T_OK(open_damaged(&life, false, &err));
	journal_close(&life.journal);
	/* Without the list it is as before. */
	T_INT(sim_ops.unlink(life.sim, "d/quarantine"), 0);
	T_FAIL(open_damaged(&life, false, &err), ERR_CORRUPT);
	sim_free(&life.sim);
}

/* A file that is gone, cut to nothing, or of another journal: all of its records are set aside. */
TEST(a_lost_segment_can_be_set_aside)
{
	for (int how = 0; how < 3; how++) {
		static struct life life;
		struct err err = { 0 };
		struct look look = { 0 };
		struct journal_options options;
		struct sim_file *file;
		size_t n;

		grow(&life, 17, 40);
		options = quarantine_options(&life, &look);
		journal_close(&life.journal);
		file = sim_find(life.sim, "0000000000000003.seg");
		if (how == 0) {
			T_INT(sim_ops.unlink(life.sim, "d/0000000000000003.seg"), 0);
		} else if (how == 1) {
			file->size = 100;
		} else {
			struct segment_head other = { .epoch = 3, .bytes = 16384 };

			segment_head_encode(&other, (unsigned char *)file->cache);
		}
		T_FAIL(open_damaged(&life, false, &err), ERR_CORRUPT);
		T_OK(journal_quarantine(&options, &n, &err));
		T_TRUE(n >= 1 && look.lost > 3 && look.last.last_seq > look.last.first_seq);
		go_on(&life, &look);
		sim_free(&life.sim);
	}
}

TEST(a_missing_segment_is_refused)
{
	static struct life life;
	struct err err = { 0 };
	struct sim_file *file;

	grow(&life, 13, 40);
	journal_close(&life.journal);
	file = sim_find(life.sim, "0000000000000003.seg");
	assert_non_null(file);
	T_INT(sim_ops.unlink(life.sim, "d/0000000000000003.seg"), 0);
	T_FAIL(open_damaged(&life, false, &err), ERR_CORRUPT);
	T_INT(look_at(&life).told, 1);
	T_INT(sim_ops.unlink(life.sim, "d/meta"), 0);
	T_FAIL(life_open(&life, &err), ERR_CORRUPT);
	sim_free(&life.sim);
}

/* A journal with sealed files, closed. */
static void grow_sealed(struct life *life, uint64_t seed)
{
	struct err err = { 0 };
	enum found found;

	grow(life, seed, 60);
	do {
		found = journal_seal(life->journal, &err);
	} while (found == FOUND);
	if (found == FAILED) {
		fail_msg("seal: %s", err.text);
	}
	life_check_all(life);
	journal_close(&life->journal);
}

TEST(a_flipped_bit_of_a_sealed_file_costs_nothing)
{
	static struct life life, damaged;

	grow_sealed(&life, 14);
	for (int i = 0; i < 600; i++) {
		struct err err = { 0 };
		struct sim_file *file;

		damaged = life;
		damaged.sim = sim_power_cut(life.sim);
		file = sim_find(damaged.sim, "0000000000000002.sealed");
		file->cache[sim_below(life.sim, file->size)] ^= (char)(1 << sim_below(life.sim, 8));
		T_OK(open_damaged(&damaged, false, &err));
		life_check_all(&damaged);
		life_check_keys(&damaged);
		journal_close(&damaged.journal);
		sim_free(&damaged.sim);
	}
	sim_free(&life.sim);
}

TEST(a_missing_sealed_file_is_refused_or_set_aside)
{
	static struct life life;
	struct look look = { 0 };
	struct journal_options options;
	struct err err = { 0 };
	size_t n;

	grow_sealed(&life, 15);
	options = quarantine_options(&life, &look);
	T_INT(sim_ops.unlink(life.sim, "d/0000000000000002.sealed"), 0);
	T_FAIL(open_damaged(&life, false, &err), ERR_CORRUPT);
	T_TRUE(strstr(err.text, "tocsin journal quarantine") != NULL);
	T_OK(journal_quarantine(&options, &n, &err));
	T_TRUE(n == 1 && look.lost > 3);
	go_on(&life, &look);
	sim_free(&life.sim);
}

T_MAIN(T(a_flipped_bit_costs_one_record_and_is_reported),
       T(damage_to_acked_records_is_refused_at_open_or_accepted_on_request),
       T(exactly_what_is_damaged_is_set_aside), T(setting_aside_covers_no_other_damage),
       T(a_lost_segment_can_be_set_aside), T(a_missing_segment_is_refused),
       T(a_flipped_bit_of_a_sealed_file_costs_nothing),
       T(a_missing_sealed_file_is_refused_or_set_aside))
