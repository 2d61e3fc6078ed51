/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Acked means durable, and nothing is invented: the journal on a file system that loses power and
 * fails calls. Every case follows from its seed, which failures print.
 */
#include "journal/file/life_test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "journal/file/key_file.h"

static void on_cut(void *arg)
{
	struct life *life = arg;

	life->at_cut = life->ledger;
}

/* One life: power on, recover, check, work, and somewhere in between the power is cut. */
static void live(struct life *life)
{
	struct sim *next;
	struct err err = { 0 };
	uint64_t calls = life->merges ? 3000 : 400;

	life->sim->cut_at = 1 + sim_below(life->sim, 1 + sim_below(life->sim, calls));
	life->sim->on_cut = on_cut;
	life->sim->on_cut_arg = life;
	life->sim->shorten = sim_below(life->sim, 2) == 0;
	if (!life_open(life, &err)) {
		fail_msg("seed %llu: %s", (unsigned long long)life->seed, err.text);
	}
	life_check_all(life);
	life_check_keys(life);
	T_OK(life_work(life, sim_below(life->sim, 30), &err));
	if (sim_below(life->sim, 4) == 0) {
		journal_close(&life->journal);
		T_OK(life_open(life, &err));
		life_check_all(life);
		T_OK(life_work(life, sim_below(life->sim, 10), &err));
	}
	journal_close(&life->journal);
	if (life->sim->cut == NULL) {
		life->at_cut = life->ledger;
		life->sim->cut = sim_power_cut(life->sim);
	}
	next = life->sim->cut;
	life->sim->cut = NULL;
	sim_free(&life->sim);
	life->sim = next;
	/* Numbers that were tried after the cut did not happen; texts are never used twice. */
	life->at_cut.texts = life->ledger.texts;
	life->ledger = life->at_cut;
}

static void note_key_file(void *to, const char *name)
{
	*(bool *)to = *(bool *)to || key_file_is(name);
}

static bool has_key_file(struct life *life)
{
	bool has = false;

	T_INT(sim_ops.list(life->sim, "d", note_key_file, &has), 0);
	return has;
}

/* So many stories of five lives; how many of them had merged tables at the end. */
static size_t live_on(uint64_t seeds, bool merges)
{
	static struct life life;
	struct err err = { 0 };
	size_t merged = 0;

	for (uint64_t seed = 1; seed <= seeds; seed++) {
		life = (struct life) { .sim = sim_new(seed),
				       .wall_us = 1000,
				       .seed = seed,
				       .seals = true,
				       .scrubs = true,
				       .merges = merges };
		for (int i = 0; i < 5; i++) {
			live(&life);
		}
		T_OK(life_open(&life, &err));
		life_check_all(&life);
		merged += has_key_file(&life);
		journal_close(&life.journal);
		sim_free(&life.sim);
	}
	return merged;
}

TEST(power_cuts_lose_nothing_acked_and_invent_nothing)
{
	live_on(1200, false);
}

TEST(power_cuts_while_tables_are_merged_lose_no_key)
{
	T_TRUE(live_on(150, true) > 50);
}

/* After a process died the page cache is still there, flushed or not; then the power goes. */
static void check_after_failure(struct life *life, bool power)
{
	struct err err = { 0 };
	struct sim *next;

	life->sim->fail_at = 0;
	if (!power) {
		T_OK(life_open(life, &err));
		life_check_all(life);
		T_OK(life_work(life, 2, &err));
		journal_close(&life->journal);
	}
	next = sim_power_cut(life->sim);
	sim_free(&life->sim);
	life->sim = next;
	T_OK(life_open(life, &err));
	life_check_all(life);
	life_check_keys(life);
	journal_close(&life->journal);
}

static void story(struct life *life, uint64_t fail_at, int errnum)
{
	struct err err = { 0 };

	for (int i = 0; i < 3; i++) {
		if (i == 1) {
			life->sim->fail_at = life->sim->calls + fail_at;
			life->sim->fail_errno = errnum;
		}
		if (!life_open(life, &err)) {
			T_TRUE(life->sim->failed);
			return;
		}
		if (!life_work(life, 12, &err)) {
			T_TRUE(life->sim->failed);
			journal_close(&life->journal);
			return;
		}
		journal_close(&life->journal);
	}
}

static void fail_each_call(int errnum, bool power, bool care, bool merges)
{
	static struct life life;
	bool failed = true;
	uint64_t at = 0;

	while (failed) {
		at += merges ? 19 : 1;
		life = (struct life) { .sim = sim_new(at * 3 + power),
				       .wall_us = 1000,
				       .seed = at,
				       .seals = care || merges,
				       .scrubs = care,
				       .merges = merges };
		story(&life, at, errnum);
		failed = life.sim->failed;
		check_after_failure(&life, power);
		sim_free(&life.sim);
	}
	T_TRUE(at > 50);
}

TEST(failing_any_call_loses_nothing_acked)
{
	fail_each_call(EIO, true, false, false);
	fail_each_call(EIO, false, false, false);
	fail_each_call(ENOSPC, true, false, false);
	fail_each_call(ENOSPC, false, false, false);
}

TEST(failing_any_call_while_files_are_sealed_and_scrubbed_loses_nothing)
{
	fail_each_call(EIO, true, true, false);
	fail_each_call(EIO, false, true, false);
	fail_each_call(ENOSPC, true, true, false);
	fail_each_call(ENOSPC, false, true, false);
}

TEST(failing_calls_while_tables_are_merged_lose_nothing_acked)
{
	fail_each_call(EIO, true, false, true);
	fail_each_call(ENOSPC, false, false, true);
}

TEST(failing_any_call_of_the_first_open_leaves_a_journal_or_none)
{
	static struct life life;
	struct err err = { 0 };
	bool failed = true;

	for (uint64_t at = 1; failed; at++) {
		life = (struct life) { .sim = sim_new(at), .wall_us = 1000, .seed = at };
		life.sim->fail_at = at;
		life.sim->fail_errno = EIO;
		if (life_open(&life, &err)) {
			journal_close(&life.journal);
		}
		failed = life.sim->failed;
		check_after_failure(&life, at % 2 == 0);
		sim_free(&life.sim);
	}
}

TEST(a_full_disk_is_refused_before_writing_and_ends)
{
	static struct life life;
	static struct life_request request;
	struct err err = { 0 };
	bool refused = false;

	life = (struct life) { .sim = sim_new(5), .wall_us = 1000 };
	T_OK(life_open(&life, &err));
	life.sim->room = 5 * 16384;
	for (int i = 0; i < 200 && !refused; i++) {
		refused = !life_append(&life, &request, 8, &err);
		journal_turn(life.journal);
	}
	T_TRUE(refused);
	T_INT(err.kind, ERR_DISK_FULL);
	T_FALSE(journal_failed(life.journal));
	life_check_all(&life);
	life.sim->room = 0;
	T_OK(life_append(&life, &request, 8, &err));
	journal_turn(life.journal);
	T_TRUE(request.ok);
	life_check_all(&life);
	journal_close(&life.journal);
	sim_free(&life.sim);
}

/* Thousands of failures are meant to happen here; their log lines would hide a real one. */
static int quiet(void **state UNUSED)
{
	log_setup(LOG_ERROR, LOG_TEXT, open("/dev/null", O_WRONLY | O_CLOEXEC));
	return 0;
}

T_MAIN(cmocka_unit_test_setup(power_cuts_lose_nothing_acked_and_invent_nothing, quiet),
       T(power_cuts_while_tables_are_merged_lose_no_key), T(failing_any_call_loses_nothing_acked),
       T(failing_any_call_while_files_are_sealed_and_scrubbed_loses_nothing),
       T(failing_calls_while_tables_are_merged_lose_nothing_acked),
       T(failing_any_call_of_the_first_open_leaves_a_journal_or_none),
       T(a_full_disk_is_refused_before_writing_and_ends))
