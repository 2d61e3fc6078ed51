/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk that does not give some bytes of a segment any more: what is in them is told and set
 * aside, what is around them is there, and nothing is cut without a word.
 */
#include "journal/file/unread.h"

#include <stdio.h>

#include "journal/care.h"
#include "journal/file/file_ops.h"
#include "journal/file/format.h"
#include "journal/file/life_test.h"

#define SEGMENT 16384

static void grow(struct life *life, uint64_t seed, size_t turns)
{
	struct err err = { 0 };

	*life = (struct life) { .sim = sim_new(seed), .wall_us = 1000, .seed = seed };
	T_OK(life_open(life, &err));
	T_OK(life_work(life, turns, &err));
	T_OK(journal_prepare(life->journal, &err));
}

struct look {
	uint64_t told, lost, known;
	struct journal_damage last;
};

static void on_damage(void *arg, const struct journal_damage *damage)
{
	struct look *look = arg;

	look->told++;
	look->known += damage->known;
	look->lost += damage->lost;
	look->last = *damage;
}

static struct journal_options options_of(struct life *life, struct look *look)
{
	return (struct journal_options) {
		.dir = "d",
		.segment_bytes = SEGMENT,
		.turn_bytes_max = SEGMENT,
		.files = &sim_ops,
		.files_arg = life->sim,
		.on_damage = look == NULL ? NULL : on_damage,
		.on_damage_arg = look,
	};
}

static bool open_again(struct life *life, struct err *err)
{
	struct journal_options options = options_of(life, NULL);

	return journal_open(&life->journal, &options, err);
}

/* How many records a walk does not give; what it gives must be right, and each loss told. */
static uint64_t count_lost(struct life *life, bool reverse)
{
	struct journal_iter *iter = journal_iter_new(life->journal, 0, reverse);
	uint64_t seen = 0, told = 0;
	struct record record;
	struct err err = { 0 };
	enum found found;

	while ((found = journal_iter_next(iter, &record, &err)) != NOT_FOUND) {
		if (found == FOUND) {
			life_check_record(life, &record, record.seq);
			seen++;
		} else {
			T_INT(err.kind, ERR_CORRUPT);
			told++;
		}
	}
	journal_iter_free(&iter);
	/* Walks begin at the first record that is there. */
	T_TRUE(seen + journal_first(life->journal) == journal_flushed(life->journal) + 1 ||
	       told > 0);
	return journal_flushed(life->journal) - seen;
}

static char *segment_name_of(unsigned epoch, char out[SIM_NAME_MAX])
{
	snprintf(out, SIM_NAME_MAX, "%016x.seg", epoch);
	return out;
}

static struct sim_file *segment_of(struct life *life, unsigned epoch)
{
	char name[SIM_NAME_MAX];
	struct sim_file *file = sim_find(life->sim, segment_name_of(epoch, name));

	assert_non_null(file);
	return file;
}

TEST(a_mark_is_of_its_place_and_never_zero)
{
	struct unread_place place = { .epoch = 7 }, other;
	char p[2000], q[2000];
	uint64_t word;

	memset(&place.id, 5, sizeof(place.id));
	other = place;
	unread_fill(&place, 4096 + 100, p, sizeof(p));
	unread_fill(&place, 4096 + 300, q, 900);
	T_TRUE(memcmp(p + 200, q, 900) == 0);
	for (size_t i = 412; i + 8 <= sizeof(p); i += 8) {
		memcpy(&word, p + i, 8);
		T_TRUE(word != 0);
	}
	memcpy(&word, p + 412, 8);
	T_TRUE(unread_may_be(word) && unread_is(&place, 4608, p + 412));
	T_FALSE(unread_is(&place, 5120, p + 412));
	other.epoch = 8;
	T_FALSE(unread_is(&other, 4608, p + 412));
	other = place;
	other.id.v[0] = 9;
	T_FALSE(unread_is(&other, 4608, p + 412));
	T_FALSE(unread_is(&place, 4608, p + 420));
}

struct holes {
	size_t n;
	uint64_t bytes;
};

static void count_hole(void *arg, uint64_t offset UNUSED, char *p, size_t n)
{
	struct holes *holes = arg;

	holes->n++;
	holes->bytes += n;
	memset(p, 'x', n);
}

TEST(reading_goes_around_what_cannot_be_read)
{
	for (int strict = 0; strict < 2; strict++) {
		struct sim *sim = sim_new(3);
		struct files files = { &sim_ops, sim };
		static char bytes[40000], got[40000];
		struct holes holes = { 0 };
		struct err err = { 0 };
		int fd;

		memset(bytes, 'a', sizeof(bytes));
		sim_put(sim, "f", bytes, sizeof(bytes));
		sim_spoil(sim_find(sim, "f"), 8192, 12288);
		sim_spoil(sim_find(sim, "f"), 20480, 28672);
		sim->strict = strict == 1;
		fd = sim_ops.open(sim, "d/f", 0);
		T_FAIL(files_read(&files, fd, got, sizeof(got), 0, "f", &err), ERR_IO);
		T_OK(files_read_around(&files, fd, got, sizeof(got), 0, "f", count_hole, &holes,
				       &err));
		T_TRUE(holes.n == 3 && holes.bytes == 3 * 4096);
		memset(bytes + 8192, 'x', 4096);
		memset(bytes + 20480, 'x', 8192);
		T_TRUE(memcmp(bytes, got, sizeof(got)) == 0);
		/* Nothing of what is asked for can be read, but elsewhere the disk is there. */
		T_OK(files_read_around(&files, fd, got, 100, 8200, "f", NULL, NULL, &err));
		T_TRUE(got[0] == 0 && got[99] == 0);
		T_FAIL(files_read_around(&files, fd, got, 100, sizeof(bytes) - 50, "f", NULL, NULL,
					 &err),
		       ERR_IO);
		sim->away = true;
		/* That some of it is in memory does not mean that the rest is lost. */
		sim->remembered = 10000;
		T_OK(files_read(&files, fd, got, 8192, 0, "f", &err));
		T_FAIL(files_read_around(&files, fd, got, sizeof(got), 0, "f", NULL, NULL, &err),
		       ERR_IO);
		T_TRUE(files_away(&files, fd));
		T_FAIL(files_read_around(&files, fd, got, 100, 0, "f", NULL, NULL, &err), ERR_IO);
		sim_ops.close(sim, fd);
		sim_free(&sim);
	}
}

TEST(a_walk_goes_on_behind_a_bad_sector)
{
	static struct life life;
	struct sim_file *file;
	uint64_t lost;

	grow(&life, 21, 60);
	file = segment_of(&life, 2);
	sim_spoil(file, 8192, 12288);
	lost = count_lost(&life, false);
	T_TRUE(lost > 1 && lost < 40);
	T_INT(count_lost(&life, true), lost);
	life.sim->strict = true;
	T_INT(count_lost(&life, false), lost);
	file->bad_n = 0;
	T_INT(count_lost(&life, false), 0);
	journal_close(&life.journal);
	sim_free(&life.sim);
}

/* That is no damage: nobody is to set aside what a cable gives back. */
TEST(a_disk_that_is_away_loses_nothing)
{
	static struct life life;
	struct journal_options options;
	struct journal_iter *iter;
	struct record record;
	struct look look = { 0 };
	struct err err = { 0 };
	size_t n;

	grow(&life, 22, 60);
	iter = journal_iter_new(life.journal, 1, false);
	T_INT(journal_iter_next(iter, &record, &err), FOUND);
	journal_iter_free(&iter);
	life.sim->away = true;
	iter = journal_iter_new(life.journal, 1, false);
	T_INT(journal_iter_next(iter, &record, &err), FAILED);
	T_INT(err.kind, ERR_IO);
	T_INT(journal_iter_at(iter), 1);
	life.sim->away = false;
	T_INT(journal_iter_next(iter, &record, &err), FOUND);
	T_INT(record.seq, 1);
	journal_iter_free(&iter);
	journal_close(&life.journal);
	life.sim->away = true;
	T_FAIL(open_again(&life, &err), ERR_IO);
	options = options_of(&life, &look);
	T_FAIL(journal_quarantine(&options, &n, &err), ERR_IO);
	T_INT(look.told, 0);
	life.sim->away = false;
	T_OK(open_again(&life, &err));
	life_check_all(&life);
	journal_close(&life.journal);
	sim_free(&life.sim);
}

/* Starts, takes more, and starts again: all but `lost` records are there. */
static void go_on(struct life *life, uint64_t lost)
{
	static struct life_request request;
	struct err err = { 0 };

	for (int i = 0; i < 3; i++) {
		T_OK(open_again(life, &err));
		T_INT(count_lost(life, false), lost);
		T_INT(count_lost(life, true), lost);
		life->ledger.tried = journal_flushed(life->journal);
		T_OK(life_append(life, &request, 3, &err));
		journal_turn(life->journal);
		T_TRUE(request.ok);
		journal_close(&life->journal);
	}
}

static bool has_bad_bytes(const struct life *life)
{
	for (size_t i = 0; i < SIM_FILES_MAX; i++) {
		if (life->sim->names[i].file >= 0 &&
		    life->sim->files[life->sim->names[i].file].bad_n > 0) {
			return true;
		}
	}
	return false;
}

static void spoil_some(struct life *life)
{
	unsigned epoch = 1 + (unsigned)sim_below(life->sim, 6);
	uint64_t pages = SEGMENT / FILES_PAGE_BYTES;
	char name[SIM_NAME_MAX];
	struct sim_file *file = sim_find(life->sim, segment_name_of(epoch, name));
	uint64_t from = sim_below(life->sim, pages);

	if (file != NULL) {
		sim_spoil(file, from * FILES_PAGE_BYTES,
			  (from + 1 + sim_below(life->sim, 2)) * FILES_PAGE_BYTES);
	}
}

static bool remove_named(struct life *life, const char *text)
{
	for (unsigned epoch = 1; epoch < 16; epoch++) {
		char name[SIM_NAME_MAX];

		if (strstr(text, segment_name_of(epoch, name)) != NULL) {
			return sim_ops.unlink(life->sim, name) == 0;
		}
	}
	return false;
}

/* Wherever the bad sectors are: refused, or nothing lost; set aside, and all the rest is there. */
TEST(bad_sectors_of_segments_are_set_aside)
{
	static struct life life, damaged;
	uint64_t aside = 0, lost_records = 0;

	grow(&life, 23, 60);
	journal_close(&life.journal);
	for (int i = 0; i < 300; i++) {
		struct err err = { 0 };
		struct look before = { 0 }, look = { 0 };
		struct journal_options options;
		size_t n;

		damaged = life;
		damaged.sim = sim_power_cut(life.sim);
		damaged.sim->strict = i % 2 == 0;
		for (uint64_t k = 1 + sim_below(life.sim, 3); k > 0; k--) {
			spoil_some(&damaged);
		}
		options = options_of(&damaged, &before);
		options.read_only = true;
		if (!journal_open(&damaged.journal, &options, &err)) {
			/*
			 * Nothing of it is given: whoever is sure that the disk is there removes
			 * it.
			 */
			T_TRUE(err.kind == ERR_IO && remove_named(&damaged, err.text));
			before = (struct look) { 0 };
			T_OK(journal_open(&damaged.journal, &options, &err));
		}
		T_INT(count_lost(&damaged, false), before.lost);
		journal_close(&damaged.journal);
		if (open_again(&damaged, &err)) {
			T_INT(before.told, 0);
			life_check_all(&damaged);
			journal_close(&damaged.journal);
			sim_free(&damaged.sim);
			continue;
		}
		T_INT(err.kind, ERR_CORRUPT);
		T_TRUE(strstr(err.text, "tocsin journal quarantine") != NULL);
		options = options_of(&damaged, &look);
		T_OK(journal_quarantine(&options, &n, &err));
		T_TRUE(n == before.told && look.told == before.told && look.lost == before.lost);
		T_FALSE(has_bad_bytes(&damaged));
		go_on(&damaged, look.lost);
		aside++;
		lost_records += look.lost;
		sim_free(&damaged.sim);
	}
	T_TRUE(aside > 150 && lost_records > aside);
	sim_free(&life.sim);
}

/*
 * The last batch was answered, and its sector is gone: a start must not take that for a torn one.
 */
TEST(an_end_that_cannot_be_read_is_not_cut)
{
	for (int how = 0; how < 3; how++) {
		static struct life life;
		static struct life_request request;
		struct err err = { 0 };
		struct look look = { 0 };
		struct journal_options options;
		struct sim_file *file;
		struct sim *cut;
		uint64_t acked;
		size_t n;

		grow(&life, 24, 1);
		T_OK(life_append(&life, &request, 12, &err));
		journal_turn(life.journal);
		acked = journal_flushed(life.journal);
		cut = sim_power_cut(life.sim); /* all of it was flushed */
		journal_close(&life.journal);
		sim_free(&life.sim);
		life.sim = cut;
		file = segment_of(&life, 1);
		for (n = SEGMENT; n > 0 && file->cache[n - 1] == 0; n--) {
		}
		n = n / FILES_PAGE_BYTES * FILES_PAGE_BYTES; /* the page in which the log ends */
		if (how == 0) {
			sim_spoil(file, n, n + FILES_PAGE_BYTES);
		} else if (how == 1) {
			sim_spoil(file, FILES_PAGE_BYTES, SEGMENT);
		} else { /* nothing was ever written there */
			sim_spoil(file, n + FILES_PAGE_BYTES, SEGMENT);
			T_OK(open_again(&life, &err));
			T_INT(journal_flushed(life.journal), acked);
			life_check_all(&life);
			journal_close(&life.journal);
			sim_free(&life.sim);
			continue;
		}
		T_FAIL(open_again(&life, &err), ERR_CORRUPT);
		T_TRUE(strstr(err.text, "tocsin journal quarantine") != NULL);
		T_TRUE((strstr(err.text, "the last records of the log may be lost") != NULL) ==
		       (how == 1));
		options = options_of(&life, &look);
		T_OK(journal_quarantine(&options, &n, &err));
		T_TRUE(n == 1 && look.told == 1);
		if (how == 0) { /* the head of the batch says how many there were */
			T_TRUE(look.lost > 0 && look.last.last_seq == acked);
			T_FALSE(look.last.open_end);
			go_on(&life, look.lost);
		} else {
			T_TRUE(look.lost == 0 && look.last.open_end);
			life.ledger = (struct ledger) { 0 };
			go_on(&life, 0);
		}
		sim_free(&life.sim);
	}
}

T_MAIN(T(a_mark_is_of_its_place_and_never_zero), T(reading_goes_around_what_cannot_be_read),
       T(a_walk_goes_on_behind_a_bad_sector), T(a_disk_that_is_away_loses_nothing),
       T(bad_sectors_of_segments_are_set_aside), T(an_end_that_cannot_be_read_is_not_cut))
