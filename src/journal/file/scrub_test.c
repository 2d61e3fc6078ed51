/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A log that is looked after: what a disk changed is found without anybody asking, put right while
 * others read, and named when it is lost. Every case follows from its seed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "journal/bed_test.h"
#include "journal/care.h"
#include "journal/file/life_test.h"

#define DAY_US (INT64_C(86400) * 1000000)
#define WEEK_US (7 * DAY_US)
#define FAR_US (INT64_C(4000000000) * 1000000) /* later than any file was made */

/* A journal with sealed files, open. */
static void grow_sealed(struct life *life, uint64_t seed, size_t turns)
{
	struct err err = { 0 };
	enum found found;

	*life = (struct life) { .sim = sim_new(seed), .wall_us = 1000, .seed = seed };
	T_OK(life_open(life, &err));
	T_OK(life_work(life, turns, &err));
	do {
		found = journal_seal(life->journal, &err);
	} while (found == FOUND);
	T_INT(found, NOT_FOUND);
}

static struct sim_file *sealed_file(struct sim *sim, uint64_t i)
{
	char name[SIM_NAME_MAX];

	for (uint64_t epoch = 1; epoch < 100; epoch++) {
		snprintf(name, sizeof(name), "%016llx.sealed", (unsigned long long)epoch);
		if (sim_find(sim, name) != NULL && i-- == 0) {
			return sim_find(sim, name);
		}
	}
	return NULL;
}

static enum found scrub_all(struct journal *journal, int64_t now_us, struct err *err)
{
	enum found found;

	do {
		found = journal_scrub(journal, now_us, WEEK_US, err);
	} while (found == FOUND);
	return found;
}

static struct journal_stats stats_of(struct journal *journal)
{
	struct journal_stats stats;

	journal_stats(journal, &stats);
	return stats;
}

TEST(one_flipped_bit_in_each_file_is_mended_while_others_read)
{
	static struct life life;
	struct journal_iter *iter;
	struct record record;
	struct journal_health health;
	struct err err = { 0 };
	struct sim_file *file;
	char *good[24];
	uint64_t files = 0;

	grow_sealed(&life, 3, 24);
	for (; (file = sealed_file(life.sim, files)) != NULL; files++) {
		T_TRUE(files < ARRAY_LEN(good));
		good[files] = mem_alloc(file->size, 1);
		memcpy(good[files], file->cache, file->size);
		file->cache[sim_below(life.sim, file->size)] ^= 4;
	}
	T_TRUE(files > 2);
	iter = journal_iter_new(life.journal, 0, false);
	T_INT(journal_iter_next(iter, &record, &err), FOUND);
	T_OK(journal_verify(life.journal, false, NULL, NULL, &health, &err));
	T_INT(health.files, files);
	T_INT(health.damaged, files);
	T_INT(health.lost_records, 0);

	T_INT(scrub_all(life.journal, FAR_US, &err), NOT_FOUND);
	for (uint64_t i = 0; i < files; i++) {
		file = sealed_file(life.sim, i);
		assert_memory_equal(file->cache, good[i], file->size);
		free(good[i]);
	}
	T_INT(stats_of(life.journal).mended_pages, files);
	T_INT(stats_of(life.journal).lost_records, 0);
	T_INT(stats_of(life.journal).scrubbed_bytes, stats_of(life.journal).sealed_bytes);
	T_OK(journal_verify(life.journal, true, NULL, NULL, &health, &err));
	T_INT(health.damaged, 0);
	for (uint64_t seq = 2; seq <= journal_flushed(life.journal); seq++) {
		T_INT(journal_iter_next(iter, &record, &err), FOUND);
		life_check_record(&life, &record, seq);
	}
	journal_iter_free(&iter);
	life_check_all(&life);
	journal_close(&life.journal);
	sim_free(&life.sim);
}

TEST(a_file_is_read_once_in_a_round_also_over_restarts)
{
	static struct life life;
	struct err err = { 0 };
	uint64_t bytes;

	grow_sealed(&life, 4, 24);
	T_INT(scrub_all(life.journal, FAR_US, &err), NOT_FOUND);
	bytes = stats_of(life.journal).scrubbed_bytes;
	T_TRUE(bytes > 0);
	T_INT(scrub_all(life.journal, FAR_US + WEEK_US - 1, &err), NOT_FOUND);
	T_INT(stats_of(life.journal).scrubbed_bytes, bytes);
	journal_close(&life.journal);
	T_OK(life_open(&life, &err));
	T_INT(scrub_all(life.journal, FAR_US + WEEK_US - 1, &err), NOT_FOUND);
	T_INT(stats_of(life.journal).scrubbed_bytes, 0);
	T_INT(scrub_all(life.journal, FAR_US + WEEK_US, &err), NOT_FOUND);
	T_TRUE(stats_of(life.journal).scrubbed_bytes >= bytes);
	/* A clock that was ahead costs reading, and nothing else. */
	bytes = stats_of(life.journal).scrubbed_bytes;
	T_INT(scrub_all(life.journal, FAR_US - WEEK_US, &err), NOT_FOUND);
	T_TRUE(stats_of(life.journal).scrubbed_bytes > bytes);
	journal_close(&life.journal);
	sim_free(&life.sim);
}

TEST(a_file_whose_reads_needed_help_is_next)
{
	static struct life life;
	struct err err = { 0 };
	struct sim_file *file;

	grow_sealed(&life, 5, 24);
	T_INT(scrub_all(life.journal, FAR_US, &err), NOT_FOUND);
	file = sealed_file(life.sim, 1);
	file->cache[4096 + 40] ^= 1; /* in the first block */
	T_INT(journal_scrub(life.journal, FAR_US, WEEK_US, &err), NOT_FOUND);
	life_check_all(&life);
	T_INT(scrub_all(life.journal, FAR_US, &err), NOT_FOUND);
	T_INT(stats_of(life.journal).mended_pages, 1);
	T_INT(journal_scrub(life.journal, FAR_US, WEEK_US, &err), NOT_FOUND);
	journal_close(&life.journal);
	sim_free(&life.sim);
}

/* A life with one damaged file, which can be mended. */
static void damage_one(struct life *life, uint64_t seed)
{
	struct sim_file *file;

	grow_sealed(life, seed, 30);
	file = sealed_file(life->sim, 0);
	assert_non_null(file);
	file->cache[sim_below(life->sim, file->size)] ^= 2;
}

TEST(a_call_that_fails_during_a_repair_costs_nothing)
{
	static struct life life;
	const int errors[] = { EIO, ENOSPC };
	uint64_t at = 0;

	for (size_t e = 0; e < ARRAY_LEN(errors); e++) {
		bool failed = true;

		for (at = 1; failed; at++) {
			struct err err = { 0 };
			enum found found;

			damage_one(&life, 40 + at % 7);
			life.sim->fail_at = life.sim->calls + at;
			life.sim->fail_errno = errors[e];
			found = scrub_all(life.journal, FAR_US, &err);
			failed = life.sim->failed;
			T_TRUE(found == NOT_FOUND || failed);
			life.sim->fail_at = 0;
			life_check_all(&life);
			T_INT(scrub_all(life.journal, FAR_US + WEEK_US, &err), NOT_FOUND);
			T_TRUE(stats_of(life.journal).mended_pages >= 1);
			life_check_all(&life);
			journal_close(&life.journal);
			T_OK(life_open(&life, &err));
			life_check_all(&life);
			life_check_keys(&life);
			journal_close(&life.journal);
			sim_free(&life.sim);
		}
		T_TRUE(at > 20);
	}
}

TEST(a_power_cut_during_a_repair_costs_nothing)
{
	static struct life life;
	bool cut = true;
	uint64_t at;

	for (at = 1; cut; at++) {
		struct err err = { 0 };
		struct sim *next;

		damage_one(&life, 60 + at % 7);
		/* What a cut takes of segments and names has its own tests: all that is done. */
		journal_close(&life.journal);
		T_OK(life_open(&life, &err));
		life.sim->cut_at = life.sim->calls + at;
		T_INT(scrub_all(life.journal, FAR_US, &err), NOT_FOUND);
		journal_close(&life.journal);
		cut = life.sim->cut != NULL;
		next = cut ? life.sim->cut : sim_power_cut(life.sim);
		life.sim->cut = NULL;
		sim_free(&life.sim);
		life.sim = next;
		T_OK(life_open(&life, &err));
		life_check_all(&life);
		life_check_keys(&life);
		T_INT(scrub_all(life.journal, FAR_US + WEEK_US, &err), NOT_FOUND);
		life_check_all(&life);
		journal_close(&life.journal);
		sim_free(&life.sim);
	}
	T_TRUE(at > 20);
}

TEST(a_full_disk_puts_a_repair_off)
{
	static struct life life;
	struct journal_health health;
	struct err err = { 0 };

	damage_one(&life, 71);
	life.sim->room = 1;
	T_INT(scrub_all(life.journal, FAR_US, &err), FAILED);
	T_INT(err.kind, ERR_DISK_FULL);
	life_check_all(&life);
	T_OK(journal_verify(life.journal, false, NULL, NULL, &health, &err));
	T_INT(health.damaged, 1);
	life.sim->room = 0;
	T_INT(scrub_all(life.journal, FAR_US, &err), NOT_FOUND);
	T_OK(journal_verify(life.journal, false, NULL, NULL, &health, &err));
	T_INT(health.damaged, 0);
	life_check_all(&life);
	journal_close(&life.journal);
	sim_free(&life.sim);
}

/* From here on: real files, two projects whose records take turns, so a block has every other. */
struct told {
	struct journal *journal; /* to be asked for numbers, or NULL */
	uint64_t damages;
	uint64_t lost;
	uint64_t known;
	uint64_t mendable;
	uint64_t listed; /* numbers */
	struct journal_damage last;
};

static void on_run(void *arg, uint64_t first_seq, uint64_t last_seq)
{
	struct told *told = arg;

	for (uint64_t seq = first_seq; seq <= last_seq; seq++) {
		T_INT(seq % 2, told->last.org.v % 2);
		told->listed++;
	}
}

static void on_damage(void *arg, const struct journal_damage *damage)
{
	struct told *told = arg;
	struct err err = { 0 };

	told->damages++;
	told->lost += damage->lost;
	told->known += damage->known;
	told->mendable += damage->mendable;
	told->last = *damage;
	if (told->journal != NULL && damage->lost > 0 && !damage->known) {
		T_OK(journal_lost_numbers(told->journal, damage, on_run, told, &err));
	}
}

#define RECORDS 700

static void fill(struct bed *bed, uint64_t first, uint64_t last)
{
	for (uint64_t seq = first; seq <= last; seq++) {
		T_INT(bed_put(bed, seq % 2 == 0 ? 2 : 1, NULL, bed_body(seq)).seq, seq);
	}
}

static void seal_bed(struct bed *bed)
{
	bed_init(bed, JOURNAL_FLUSH_INLINE);
	bed_open(bed);
	fill(bed, 1, RECORDS);
	T_TRUE(bed_seal(bed) > 2);
	T_TRUE(stats_of(bed->journal).sealed_files > 1);
}

static int open_in(const struct bed *bed, const char *name)
{
	char path[200];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", bed->dir, name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	T_TRUE(fd >= 0);
	return fd;
}

static void flip_at(const struct bed *bed, const char *name, off_t at)
{
	int fd = open_in(bed, name);
	char byte;

	T_INT(pread(fd, &byte, 1, at), 1);
	byte ^= 8;
	T_INT(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

/* Content of less than a page has one parity page, behind the first table of one page's sums. */
static void lose_block(const struct bed *bed, const char *name)
{
	int fd = open_in(bed, name);
	off_t content = 0;
	uint32_t page;

	T_INT(pread(fd, &content, 8, 136), 8);
	T_INT(pread(fd, &page, 4, 144), 4);
	T_TRUE(content <= (off_t)page);
	close(fd);
	flip_at(bed, name, 4096 + 200);
	flip_at(bed, name, 4096 + content + 8 + 200);
}

static char first_sealed[] = "0000000000000001.sealed";

/* Every record is there and right, but those of the first project up to last_lost. */
static uint64_t check_rest(struct bed *bed, bool reverse, uint64_t *reports, bool aside)
{
	struct journal_iter *iter = journal_iter_new(bed->journal, 0, reverse);
	uint64_t seen = 0, before = 0;
	struct record record;
	struct err err = { 0 };
	enum found found;

	*reports = 0;
	while ((found = journal_iter_next(iter, &record, &err)) != NOT_FOUND) {
		if (found == FAILED) {
			T_INT(err.kind, ERR_CORRUPT);
			T_INT(journal_iter_set_aside(iter), aside);
			++*reports;
			continue;
		}
		T_TRUE(slice_eq(record.body, slice_of(bed_body(record.seq))));
		T_TRUE(before == 0 || (reverse ? record.seq < before : record.seq > before));
		before = record.seq;
		seen++;
	}
	journal_iter_free(&iter);
	return seen;
}

static void check_both_ways(struct bed *bed, uint64_t lost, bool aside)
{
	uint64_t reports;

	T_INT(check_rest(bed, false, &reports, aside), RECORDS - lost);
	T_INT(reports, 1);
	T_INT(check_rest(bed, true, &reports, aside), RECORDS - lost);
	T_INT(reports, 1);
}

static struct journal_options offline(const struct bed *bed, struct told *told)
{
	struct journal_options options = bed->options;

	options.create = false;
	options.on_damage = on_damage;
	options.on_damage_arg = told;
	return options;
}

static void verify(struct bed *bed, struct told *told)
{
	struct journal_health health;
	struct err err = { 0 };

	*told = (struct told) { .journal = bed->journal };
	T_OK(journal_verify(bed->journal, false, on_damage, told, &health, &err));
	T_INT(health.lost_records, told->lost);
}

/* Opens to look; what the open tells of. */
static struct told look(struct bed *bed)
{
	struct told told = { 0 };
	struct journal_options options = offline(bed, &told);
	struct journal *journal;
	struct err err = { 0 };

	options.read_only = true;
	T_OK(journal_open(&journal, &options, &err));
	journal_close(&journal);
	return told;
}

TEST(a_lost_block_is_named_and_set_aside_and_the_rest_stays)
{
	static struct bed bed;
	struct told told = { 0 };
	struct journal_options options;
	struct record record;
	struct arena arena;
	struct err err = { 0 };
	uint64_t lost;
	size_t n;

	seal_bed(&bed);
	lose_block(&bed, first_sealed);
	verify(&bed, &told);
	lost = told.lost;
	T_TRUE(told.damages == 1 && lost > 50 && lost < RECORDS / 3);
	T_INT(told.listed, lost);
	T_INT(told.last.project.v, told.last.org.v + 1);
	T_INT(journal_damage_span(&told.last), 2 * lost - 1);
	check_both_ways(&bed, lost, false);

	/* The running server finds it, says so, and does not look for it again and again. */
	T_INT(scrub_all(bed.journal, FAR_US, &err), NOT_FOUND);
	T_INT(stats_of(bed.journal).lost_records, lost);
	T_INT(stats_of(bed.journal).lost_blocks, 1);
	T_INT(stats_of(bed.journal).mended_pages, 0);
	check_both_ways(&bed, lost, false);
	T_INT(journal_scrub(bed.journal, FAR_US, WEEK_US, &err), NOT_FOUND);

	/* After a start it is looked at first. */
	bed_reopen(&bed);
	T_INT(stats_of(bed.journal).lost_records, 0);
	T_INT(scrub_all(bed.journal, FAR_US, &err), NOT_FOUND);
	T_INT(stats_of(bed.journal).lost_records, lost);

	/* Repair does not throw anything away; quarantine does, once. */
	told = (struct told) { 0 };
	options = offline(&bed, &told);
	T_FAIL(journal_repair(&options, &n, &err), ERR_CONFLICT);
	T_FAIL(journal_quarantine(&options, &n, &err), ERR_CONFLICT);
	journal_close(&bed.journal);
	T_OK(journal_repair(&options, &n, &err));
	T_TRUE(n == 0 && told.lost == lost);
	told = (struct told) { 0 };
	T_OK(journal_quarantine(&options, &n, &err));
	T_TRUE(n == 1 && told.lost == lost && told.known == 0);
	told = (struct told) { 0 };
	T_OK(journal_quarantine(&options, &n, &err));
	T_TRUE(n == 0 && told.lost == lost && told.known == 1);
	told = look(&bed);
	T_TRUE(told.damages == 1 && told.lost == lost && told.known == 1);

	bed_open(&bed);
	verify(&bed, &told);
	T_INT(told.damages, 0);
	check_both_ways(&bed, lost, true);
	arena_init(&arena, 0);
	T_INT(journal_read(bed.journal, look(&bed).last.first_seq, &arena, &record, &err), FAILED);
	T_INT(err.kind, ERR_CORRUPT);
	T_INT(journal_read(bed.journal, look(&bed).last.first_seq + 1, &arena, &record, &err),
	      FOUND);
	arena_release(&arena);
	T_INT(scrub_all(bed.journal, FAR_US + WEEK_US, &err), NOT_FOUND);
	T_INT(stats_of(bed.journal).lost_records, 0);
	bed_release(&bed);
}

TEST(what_can_be_mended_is_mended_offline_too)
{
	static struct bed bed;
	struct told told = { 0 };
	struct journal_options options;
	struct err err = { 0 };
	size_t n;

	seal_bed(&bed);
	journal_close(&bed.journal);
	flip_at(&bed, first_sealed, 5000);
	options = offline(&bed, &told);
	T_OK(journal_repair(&options, &n, &err));
	T_TRUE(n == 1 && told.damages == 1 && told.mendable == 1 && told.lost == 0);
	bed_open(&bed);
	verify(&bed, &told);
	T_INT(told.damages, 0);
	T_INT(look(&bed).damages, 0);
	bed_release(&bed);
}

static char first_segment[] = "0000000000000001.seg";

/* Changes a byte in the body of a record of the first segment. */
static void flip_record(const struct bed *bed)
{
	flip_at(bed, first_segment, 20000);
}

TEST(new_damage_is_not_sealed_away_but_told_and_refused)
{
	static struct bed bed;
	struct told told = { 0 };
	struct journal_options options;
	struct err err = { 0 };
	uint64_t reports;
	size_t n;
	enum found found;

	bed_init(&bed, JOURNAL_FLUSH_INLINE);
	bed_open(&bed);
	fill(&bed, 1, RECORDS);
	T_INT(scrub_all(bed.journal, 1, &err), NOT_FOUND); /* the segments get to be known */
	flip_record(&bed);
	do {
		found = journal_seal(bed.journal, &err);
	} while (found == FOUND);
	T_INT(found, FAILED);
	T_INT(err.kind, ERR_CORRUPT);
	T_TRUE(strstr(err.text, "record") != NULL);
	T_TRUE(strstr(err.text, "`tocsin journal quarantine`") != NULL);
	T_INT(journal_seal(bed.journal, &err), NOT_FOUND);
	T_INT(stats_of(bed.journal).sealed_files, 0);
	T_INT(scrub_all(bed.journal, 1, &err), NOT_FOUND);
	T_INT(stats_of(bed.journal).lost_records, 1);
	T_INT(check_rest(&bed, false, &reports, false), RECORDS - 1);
	T_INT(reports, 1);
	journal_close(&bed.journal);
	T_FAIL(journal_open(&bed.journal, &bed.options, &err), ERR_CORRUPT);

	/* Set aside, it may be sealed, and stays known for what it is. */
	options = offline(&bed, &told);
	T_OK(journal_quarantine(&options, &n, &err));
	T_INT(n, 1);
	bed_open(&bed);
	T_TRUE(bed_seal(&bed) > 2);
	check_both_ways(&bed, 1, true);
	bed_reopen(&bed);
	check_both_ways(&bed, 1, true);

	/* Also when other damage is set aside later. */
	lose_block(&bed, "0000000000000002.sealed");
	journal_close(&bed.journal);
	told = (struct told) { 0 };
	T_OK(journal_quarantine(&options, &n, &err));
	T_TRUE(n == 1 && told.damages == 2 && told.known == 1);
	told = look(&bed);
	T_TRUE(told.damages == 2 && told.known == 2);
	bed_release(&bed);
}

/* Thousands of failures are meant to happen here; their log lines would hide a real one. */
static int quiet(void **state UNUSED)
{
	log_setup(LOG_ERROR, LOG_TEXT, open("/dev/null", O_WRONLY | O_CLOEXEC));
	return 0;
}

T_MAIN(cmocka_unit_test_setup(one_flipped_bit_in_each_file_is_mended_while_others_read, quiet),
       T(a_file_is_read_once_in_a_round_also_over_restarts),
       T(a_file_whose_reads_needed_help_is_next),
       T(a_call_that_fails_during_a_repair_costs_nothing),
       T(a_power_cut_during_a_repair_costs_nothing), T(a_full_disk_puts_a_repair_off),
       T(a_lost_block_is_named_and_set_aside_and_the_rest_stays),
       T(what_can_be_mended_is_mended_offline_too),
       T(new_damage_is_not_sealed_away_but_told_and_refused))
