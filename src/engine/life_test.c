/* SPDX-License-Identifier: Apache-2.0 */
/* Which record is to blame: lives are played through here without a process that dies. */
#include "engine/life.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "test/t.h"

/* A life that watches and dies while at is applied. */
static uint64_t die_at(struct life *life, uint64_t cursor, uint64_t at)
{
	uint64_t culprit = life_begin(life, cursor);

	life->at = life->exits > 0 ? at : 0;
	life->committing = 0;
	return culprit;
}

/* The same in the commit of a batch that ends with last. */
static uint64_t die_in_commit(struct life *life, uint64_t cursor, uint64_t last)
{
	uint64_t culprit = life_begin(life, cursor);

	life->at = life->exits > 0 ? last : 0;
	life->committing = 1;
	return culprit;
}

TEST(the_third_crash_at_one_record_blames_it)
{
	struct life life = { .clean = 1 };

	T_INT(die_at(&life, 10, 15), 0);
	T_INT(die_at(&life, 10, 15), 0);
	T_INT(die_at(&life, 10, 15), 0);
	T_INT(life_begin(&life, 10), 15);
	/* Whoever does not get to say so in this life says it in the next. */
	T_INT(life_begin(&life, 10), 15);
	/* And past the record there is nothing to say any more. */
	T_INT(life_begin(&life, 15), 0);
	T_INT(life.last_at, 0);
}

TEST(commits_before_the_record_do_not_hide_it)
{
	struct life life = { .clean = 1 };

	T_INT(die_at(&life, 10, 15), 0);
	T_INT(die_at(&life, 12, 15), 0);
	T_INT(die_at(&life, 14, 15), 0);
	T_INT(life_begin(&life, 14), 15);
}

TEST(a_second_record_needs_three_of_its_own)
{
	struct life life = { .clean = 1 };

	for (int i = 0; i < 3; i++) {
		T_INT(die_at(&life, 10, 15), 0);
	}
	T_INT(die_at(&life, 10, 20), 15);
	T_INT(die_at(&life, 10, 20), 0);
	T_INT(die_at(&life, 10, 20), 0);
	T_INT(life_begin(&life, 10), 20);
}

TEST(crashes_at_different_records_blame_none)
{
	struct life life = { .clean = 1 };

	for (uint64_t at = 11; at < 60; at++) {
		T_INT(die_at(&life, 10, at), 0);
	}
}

TEST(a_clean_end_forgives)
{
	struct life life = { .clean = 1 };

	T_INT(die_at(&life, 10, 15), 0);
	T_INT(die_at(&life, 10, 15), 0);
	T_INT(life_begin(&life, 10), 0);
	life.clean = 1;
	T_INT(die_at(&life, 10, 15), 0);
	T_INT(life.exits, 0);
	T_INT(die_at(&life, 10, 15), 0);
	T_INT(life.exits, 1);
}

TEST(what_ends_without_work_blames_none)
{
	struct life life = { .clean = 1 };

	for (int i = 0; i < 20; i++) {
		T_INT(life_begin(&life, 10), 0);
		T_INT(life.careful, 0);
	}
	T_INT(life.exits, 19);
}

TEST(a_commit_that_crashes_is_taken_apart)
{
	struct life life = { .clean = 1 };

	T_INT(die_in_commit(&life, 10, 30), 0);
	T_INT(die_in_commit(&life, 10, 28), 0);
	T_INT(die_in_commit(&life, 10, 29), 0);
	T_INT(life.careful, 0);
	/*
	 * Now one by one: 11 to 16 go well, 17 does not. That is bad luck twice, but not three
	 * times.
	 */
	T_INT(die_in_commit(&life, 10, 17), 0);
	T_INT(life.careful, 29);
	T_INT(die_in_commit(&life, 16, 17), 0);
	T_INT(die_in_commit(&life, 16, 17), 0);
	T_INT(life_begin(&life, 16), 17);
}

/* Who gives up says so, which no kill does. */
TEST(a_commit_that_is_refused_alone_is_blamed_at_once)
{
	struct life life = { .clean = 1 };

	for (int i = 0; i < 3; i++) {
		T_INT(die_in_commit(&life, 10, 30), 0);
		life.refused = 1;
	}
	T_INT(die_in_commit(&life, 10, 17), 0);
	life.refused = 1;
	T_INT(life_begin(&life, 16), 17);
}

/* A machine so slow that every kill comes in the same commit is not a record's fault. */
TEST(kills_that_come_too_often_blame_none)
{
	struct life life = { .clean = 1 };

	for (uint64_t at = 11; at < 200; at++) {
		T_INT(die_in_commit(&life, 10, at < 14 ? 200 : at), 0);
	}
}

TEST(careful_is_over_behind_the_batch)
{
	struct life life = { .clean = 1 };

	for (int i = 0; i < 3; i++) {
		T_INT(die_in_commit(&life, 10, 30), 0);
	}
	T_INT(life_begin(&life, 10), 0);
	T_INT(life.careful, 30);
	T_INT(life_begin(&life, 30), 0);
	T_INT(life.careful, 0);
}

TEST(a_mark_is_read_as_it_was_written_or_not_at_all)
{
	struct journal_id id = { .v = "journal" }, other = { .v = "another" };
	struct life life = { .cursor = 7, .at = 9, .exits = 2 }, got;
	char path[] = "/tmp/life-XXXXXX";
	int tmp = mkstemp(path), fd = life_open(path);
	char byte;

	T_TRUE(tmp >= 0 && fd >= 0);
	T_INT(life_read(path, &id, &got), NOT_FOUND);
	T_INT(got.clean, 1);
	T_TRUE(life_write(fd, &id, &life));
	T_INT(life_read(path, &id, &got), FOUND);
	T_TRUE(memcmp(&got, &life, sizeof(got)) == 0);
	T_INT(life_read(path, &other, &got), NOT_FOUND);
	T_INT(pread(tmp, &byte, 1, 30), 1);
	byte ^= 1;
	T_INT(pwrite(tmp, &byte, 1, 30), 1);
	T_INT(life_read(path, &id, &got), NOT_FOUND);
	T_INT(got.clean, 1);
	unlink(path);
	T_INT(life_read(path, &id, &got), NOT_FOUND);
	T_FALSE(life_write(-1, &id, &life));
	close(fd);
	close(tmp);
}

T_MAIN(T(the_third_crash_at_one_record_blames_it), T(commits_before_the_record_do_not_hide_it),
       T(a_second_record_needs_three_of_its_own), T(crashes_at_different_records_blame_none),
       T(a_clean_end_forgives), T(what_ends_without_work_blames_none),
       T(a_commit_that_crashes_is_taken_apart), T(careful_is_over_behind_the_batch),
       T(a_commit_that_is_refused_alone_is_blamed_at_once), T(kills_that_come_too_often_blame_none),
       T(a_mark_is_read_as_it_was_written_or_not_at_all))
