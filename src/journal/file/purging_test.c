/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is below the floor of its project goes from the disk, and nothing else, whatever happens
 * meanwhile: other readers, crashes, full disks.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "journal/file/sim_test.h"
#include "journal/care.h"
#include "journal/journal.h"
#include "test/t.h"

#define DAY_US (INT64_C(86400) * 1000000)
#define PROJECTS 4
#define RECORDS_MAX 2000

/* What was appended, and what each project keeps. */
struct scene {
	struct sim *sim;
	struct journal *journal;
	struct journal_floor floors[PROJECTS];
	uint64_t of[RECORDS_MAX + 1]; /* the project of each record; 0: control, tick */
	uint64_t by[RECORDS_MAX + 1]; /* likewise, of control records, too */
	uint64_t n;
	int64_t wall_us;
	int64_t now_us;
	bool ok;
};

static void floor_of(void *arg, struct org_id org, struct project_id project,
		     struct journal_floor *floor)
{
	const struct scene *s = arg;

	T_TRUE((org.v == 0) == (project.v == 0));
	*floor = s->floors[project.v % PROJECTS];
}

static bool scene_open(struct scene *s, struct err *err)
{
	struct journal_options options = {
		.dir = "d",
		.create = true,
		.segment_bytes = 16384,
		.turn_bytes_max = 16384,
		.now_us = 1,
		.floor = floor_of,
		.floor_arg = s,
		.files = &sim_ops,
		.files_arg = s->sim,
	};

	return journal_open(&s->journal, &options, err);
}

static void scene_init(struct scene *s, uint64_t seed)
{
	struct err err = { 0 };

	*s = (struct scene) { .sim = sim_new(seed), .wall_us = 1000 };
	T_OK(scene_open(s, &err));
}

static void scene_release(struct scene *s)
{
	journal_close(&s->journal);
	sim_free(&s->sim);
}

static void done(struct journal_batch *batch, const struct err *err)
{
	*(bool *)batch->arg = err == NULL;
}

/* The text of record seq is nowhere else. */
static const char *text_of(uint64_t seq)
{
	static char text[128];

	snprintf(text, sizeof(text), "{\"type\":\"a\",\"n\":\"%016llx%016llx%016llx\"}",
		 (unsigned long long)(seq * UINT64_C(0x9E3779B97F4A7C15)),
		 (unsigned long long)(seq * UINT64_C(0xC2B2AE3D27D4EB4F)),
		 (unsigned long long)(seq * UINT64_C(0x165667B19E3779F9)));
	return text;
}

static struct journal_result put_as(struct scene *s, enum record_kind kind, uint64_t project,
				    const char *key)
{
	struct record record = { .kind = kind,
				 .org = { project == 0 ? 0 : 1 },
				 .project = { project },
				 .hash = { 7, 7 },
				 .idempotency_key = key == NULL ? S("") : slice_of(key),
				 .type = S("a"),
				 .body = slice_of(text_of(s->n + 1)) };
	struct journal_result result;
	struct journal_batch batch = {
		.items = &record, .n = 1, .results = &result, .done = done, .arg = &s->ok
	};
	struct err err = { 0 };

	s->wall_us++;
	T_OK(journal_append(s->journal, &batch, s->wall_us, s->wall_us, &err));
	journal_turn(s->journal);
	T_TRUE(s->ok);
	if (result.verdict == JOURNAL_STORED) {
		s->n = result.seq;
		s->of[s->n] = kind == RECORD_EVENT ? project : 0;
		s->by[s->n] = project;
	}
	return result;
}

static uint64_t put(struct scene *s, uint64_t project)
{
	return put_as(s, RECORD_EVENT, project, NULL).seq;
}

/* Records of all projects in turn, with a control record now and then. */
static void fill(struct scene *s, uint64_t n)
{
	struct err err = { 0 };

	for (uint64_t i = 0; i < n; i++) {
		if (i % 50 == 25) {
			put_as(s, RECORD_CONTROL, 1 + i % 3, NULL);
		} else if (i % 50 == 35) {
			put_as(s, RECORD_TICK, 0, NULL);
		} else {
			put(s, 1 + i % 3);
		}
		T_OK(journal_prepare(s->journal, &err));
	}
}

static void seal(struct scene *s)
{
	struct err err = { 0 };
	enum found found;

	while ((found = journal_seal(s->journal, &err)) == FOUND) {
	}
	T_INT(found, NOT_FOUND);
}

/* Everything up to now into sealed files. */
static void settle(struct scene *s)
{
	struct err err = { 0 };

	journal_settle(s->journal, journal_flushed(s->journal));
	T_OK(journal_prepare(s->journal, &err));
	journal_turn(s->journal);
	seal(s);
	T_INT(journal_unsealed(s->journal), journal_flushed(s->journal) + 1);
}

static enum found purge_once(struct scene *s, struct journal_purge *round, struct err *err)
{
	if (round->at == 0) {
		round->below_seq = round->below_seq == 0 ? s->n + 1 : round->below_seq;
		round->before_us = round->before_us == 0 ? INT64_MAX : round->before_us;
		round->now_us = s->now_us == 0 ? s->wall_us : s->now_us;
	}
	return journal_purge(s->journal, round, err);
}

static struct journal_purge purge(struct scene *s, uint64_t below_seq)
{
	struct journal_purge round = { .below_seq = below_seq };
	struct err err = { 0 };
	enum found found;

	while ((found = purge_once(s, &round, &err)) == FOUND) {
	}
	T_INT(found, NOT_FOUND);
	return round;
}

/* Whether the floor of its project keeps a record. */
static bool keeps(const struct scene *s, uint64_t seq)
{
	return (s->of[seq] == 0 || seq >= s->floors[s->of[seq]].seq) &&
	       seq >= s->floors[s->by[seq]].all_seq;
}

/*
 * What is kept is there, in both directions; what is not kept may be. Returns how many are there.
 */
static uint64_t check_kept(struct scene *s)
{
	struct journal_iter *iter = journal_iter_new(s->journal, 0, false);
	struct journal_iter *back = journal_iter_new(s->journal, 0, true);
	static uint64_t there[RECORDS_MAX];
	uint64_t n = 0, next = 1;
	struct record record;
	struct err err = { 0 };
	enum found found;

	while ((found = journal_iter_next(iter, &record, &err)) == FOUND) {
		for (; next < record.seq; next++) {
			T_FALSE(keeps(s, next));
		}
		T_TRUE(slice_eq(record.body, slice_of(text_of(record.seq))));
		there[n++] = record.seq;
		next++;
	}
	T_INT(found, NOT_FOUND);
	for (; next <= s->n; next++) {
		T_FALSE(keeps(s, next));
	}
	for (uint64_t i = n; i > 0; i--) {
		T_INT(journal_iter_next(back, &record, &err), FOUND);
		T_INT(record.seq, there[i - 1]);
	}
	T_INT(journal_iter_next(back, &record, &err), NOT_FOUND);
	journal_iter_free(&iter);
	journal_iter_free(&back);
	return n;
}

static uint64_t count_kept(const struct scene *s)
{
	uint64_t n = 0;

	for (uint64_t seq = 1; seq <= s->n; seq++) {
		n += keeps(s, seq);
	}
	return n;
}

static void forget(struct scene *s, uint64_t project, uint64_t seq)
{
	s->floors[project] = (struct journal_floor) { .seq = seq, .waits = true };
}

TEST(what_was_deleted_goes_and_all_else_stays)
{
	struct scene s;
	struct journal_stats stats;
	struct journal_purge round;
	struct err err = { 0 };

	scene_init(&s, 1);
	fill(&s, 600);
	settle(&s);
	forget(&s, 2, 501);
	round = purge(&s, 0);
	T_INT(round.done_seq, s.n + 1);
	T_INT(check_kept(&s), count_kept(&s));
	T_TRUE(count_kept(&s) < 600 - 150);
	journal_stats(s.journal, &stats);
	T_INT(stats.purged_records, 600 - count_kept(&s));
	T_TRUE(stats.purged_bytes > 0);
	T_INT(stats.purged_at_us, s.wall_us);
	journal_close(&s.journal);
	T_OK(scene_open(&s, &err));
	T_INT(check_kept(&s), count_kept(&s));
	scene_release(&s);
}

/* Also not when its events went before it. */
TEST(of_a_gone_org_no_kind_of_record_stays)
{
	struct scene s;
	struct journal_purge round;
	uint64_t events_alone;
	struct err err = { 0 };

	scene_init(&s, 1);
	fill(&s, 600);
	settle(&s);
	forget(&s, 2, 501);
	round = purge(&s, 0);
	events_alone = check_kept(&s);
	fill(&s, 100);
	settle(&s);
	s.floors[2].all_seq = s.floors[2].seq = s.n + 1;
	T_TRUE(count_kept(&s) < events_alone + 66);
	round = purge(&s, 0);
	T_INT(round.done_seq, s.n + 1);
	T_INT(check_kept(&s), count_kept(&s));
	journal_close(&s.journal);
	T_OK(scene_open(&s, &err));
	T_INT(check_kept(&s), count_kept(&s));
	scene_release(&s);
}

/* Nor does one that a start may replay go before that start cannot any more. */
TEST(a_gone_org_waits_for_those_who_replay_it)
{
	struct scene s;
	struct record record;
	struct arena req;
	struct err err = { 0 };

	scene_init(&s, 2);
	fill(&s, 300);
	settle(&s);
	s.floors[1] = (struct journal_floor) { .seq = 301, .all_seq = 301, .waits = true };
	T_INT(purge(&s, 100).done_seq, 100);
	arena_init(&req, 0);
	for (uint64_t seq = 1; seq <= s.n; seq++) {
		T_INT(journal_read(s.journal, seq, &req, &record, &err),
		      seq >= 100 || s.by[seq] != 1 ? FOUND : NOT_FOUND);
		arena_clear(&req);
	}
	arena_release(&req);
	T_INT(purge(&s, 0).done_seq, s.n + 1);
	T_INT(check_kept(&s), count_kept(&s));
	scene_release(&s);
}

TEST(nothing_goes_that_may_be_replayed)
{
	struct scene s;
	struct journal_purge round;
	struct record record;
	struct arena req;
	struct err err = { 0 };

	scene_init(&s, 2);
	fill(&s, 300);
	settle(&s);
	forget(&s, 1, 301);
	round = purge(&s, 100);
	T_INT(round.done_seq, 100);
	arena_init(&req, 0);
	for (uint64_t seq = 1; seq <= s.n; seq++) {
		bool there = seq >= 100 || s.of[seq] != 1;

		T_INT(journal_read(s.journal, seq, &req, &record, &err), there ? FOUND : NOT_FOUND);
		arena_clear(&req);
	}
	arena_release(&req);
	round = purge(&s, 0);
	T_INT(check_kept(&s), count_kept(&s));
	scene_release(&s);
}

/* The index only knows blocks: a file whose promise was empty is not tried over and over. */
TEST(a_purge_that_finds_nothing_is_not_repeated)
{
	struct scene s;
	struct journal_purge again = { 0 };
	struct err err = { 0 };

	scene_init(&s, 3);
	fill(&s, 300);
	settle(&s);
	forget(&s, 1, 301);
	(void)purge(&s, 0);
	T_INT(purge_once(&s, &again, &err), NOT_FOUND);
	scene_release(&s);
}

static size_t visible(struct scene *s, uint64_t project, bool reverse)
{
	struct journal_filter filter = { .one_project = true,
					 .org = { 1 },
					 .project = { project },
					 .kinds = 1U << RECORD_EVENT };
	struct journal_iter *iter;
	struct record record;
	struct err err = { 0 };
	enum found found;
	size_t n = 0;

	if (project == 0) {
		filter = (struct journal_filter) { .kinds = 1U << RECORD_EVENT };
	}
	iter = journal_iter_where(s->journal, 0, reverse, &filter);
	while ((found = journal_iter_next(iter, &record, &err)) == FOUND) {
		n++;
	}
	T_INT(found, NOT_FOUND);
	if (reverse) {
		T_INT(journal_iter_at(iter), 0);
	}
	journal_iter_free(&iter);
	return n;
}

/* In segments and in sealed files, before anything is purged, and after. */
TEST(what_is_below_the_floor_is_hidden_at_once)
{
	struct scene s;
	size_t all, before;

	scene_init(&s, 4);
	fill(&s, 300);
	for (int i = 0; i < 3; i++) {
		all = visible(&s, 0, false);
		before = visible(&s, 1, false);
		T_TRUE(before > 0);
		forget(&s, 1, s.n - 20);
		T_TRUE(visible(&s, 1, false) < 10);
		T_INT(visible(&s, 1, true), visible(&s, 1, false));
		T_INT(visible(&s, 0, false), all - before + visible(&s, 1, false));
		T_INT(visible(&s, 0, true), visible(&s, 0, false));
		if (i == 2) {
			(void)purge(&s, 0);
			T_TRUE(visible(&s, 1, false) < 10);
			break;
		}
		settle(&s);
		s.floors[1] = (struct journal_floor) { 0 };
		T_INT(visible(&s, 1, false), before);
		s.floors[1].from_us = s.wall_us - 20;
		T_TRUE(visible(&s, 1, false) < 10);
		T_INT(visible(&s, 1, true), visible(&s, 1, false));
		s.floors[1] = (struct journal_floor) { 0 };
		fill(&s, 100);
	}
	scene_release(&s);
}

/* Hidden is as good as gone: the same key stores a new event, at once and when it is purged. */
TEST(the_key_of_what_was_deleted_is_free_again)
{
	struct scene s;
	struct journal_result first, other;

	scene_init(&s, 5);
	first = put_as(&s, RECORD_EVENT, 1, "k");
	other = put_as(&s, RECORD_EVENT, 2, "other");
	T_INT(put_as(&s, RECORD_EVENT, 1, "k").verdict, JOURNAL_DUPLICATE);
	for (int i = 0; i < 3; i++) {
		struct journal_result next;

		forget(&s, 1, s.n + 1);
		if (i > 0) {
			settle(&s);
		}
		if (i > 1) {
			(void)purge(&s, 0);
		}
		next = put_as(&s, RECORD_EVENT, 1, "k");
		T_INT(next.verdict, JOURNAL_STORED);
		T_TRUE(next.seq > first.seq);
		T_INT(put_as(&s, RECORD_EVENT, 1, "k").verdict, JOURNAL_DUPLICATE);
		T_INT(put_as(&s, RECORD_EVENT, 1, "k").seq, next.seq);
		T_INT(put_as(&s, RECORD_EVENT, 2, "other").seq, other.seq);
	}
	scene_release(&s);
}

static uint64_t purged_records(struct scene *s)
{
	struct journal_stats stats;

	journal_stats(s->journal, &stats);
	return stats.purged_records;
}

/* A few records of one project: not at once, but a week after the file was written. */
TEST(a_little_that_is_over_its_time_waits_for_a_week)
{
	struct scene s;

	scene_init(&s, 6);
	fill(&s, 100);
	settle(&s);
	s.floors[1].from_us = 1010;
	s.now_us = clock_wall_us() + DAY_US;
	(void)purge(&s, 0);
	T_INT(purged_records(&s), 0);
	s.now_us += 7 * DAY_US;
	(void)purge(&s, 0);
	T_INT(purged_records(&s), 3);
	scene_release(&s);
}

TEST(all_that_is_over_its_time_goes)
{
	struct scene s;

	scene_init(&s, 7);
	fill(&s, 300);
	settle(&s);
	s.now_us = clock_wall_us();
	for (size_t i = 0; i < PROJECTS; i++) {
		s.floors[i].from_us = s.wall_us + 1;
	}
	(void)purge(&s, s.n);
	T_INT(purged_records(&s), 300 - 6 - 1); /* control records stay, and the last one */
	T_INT(visible(&s, 1, false), 0);
	scene_release(&s);
}

TEST(what_may_be_counted_again_is_not_over_its_time)
{
	struct scene s;
	struct journal_purge round = { .before_us = 1100 }; /* the hundredth record */
	struct err err = { 0 };
	enum found found;

	scene_init(&s, 8);
	fill(&s, 300);
	settle(&s);
	s.now_us = clock_wall_us();
	for (size_t i = 0; i < PROJECTS; i++) {
		s.floors[i].from_us = s.wall_us + 1;
	}
	while ((found = purge_once(&s, &round, &err)) == FOUND) {
	}
	T_INT(found, NOT_FOUND);
	T_TRUE(purged_records(&s) > 80 && purged_records(&s) < 100);
	scene_release(&s);
}

/* Half of the walk on the old files, half when they were written anew. */
TEST(readers_go_on_while_files_are_purged)
{
	for (uint64_t at = 1; at < 300; at += 73) {
		struct scene s;
		struct journal_iter *iter;
		struct record record;
		struct err err = { 0 };
		uint64_t before = 0;

		scene_init(&s, 9 + at);
		fill(&s, 300);
		settle(&s);
		iter = journal_iter_new(s.journal, 0, false);
		forget(&s, 1, 301);
		for (uint64_t i = 1; journal_iter_next(iter, &record, &err) == FOUND; i++) {
			T_TRUE(record.seq > before);
			for (before++; before < record.seq; before++) {
				T_FALSE(keeps(&s, before));
			}
			if (i == at) {
				(void)purge(&s, 0);
			}
		}
		T_INT(before, 300);
		journal_iter_free(&iter);
		scene_release(&s);
	}
}

static uint64_t sealed_files(struct scene *s)
{
	struct journal_stats stats;

	journal_stats(s->journal, &stats);
	return stats.sealed_files;
}

/* A year of retention does not leave thousands of files. */
TEST(empty_neighbours_become_one_file)
{
	struct scene s;
	struct err err = { 0 };
	uint64_t files;

	scene_init(&s, 20);
	for (int i = 0; i < 30; i++) {
		fill(&s, 20);
		settle(&s);
	}
	files = sealed_files(&s);
	T_TRUE(files >= 30);
	for (size_t i = 1; i < PROJECTS; i++) {
		forget(&s, i, s.n + 1);
	}
	(void)purge(&s, 0);
	T_TRUE(sealed_files(&s) < 16);
	T_INT(check_kept(&s), count_kept(&s));
	journal_close(&s.journal);
	T_OK(scene_open(&s, &err));
	T_TRUE(sealed_files(&s) < 16);
	T_INT(check_kept(&s), count_kept(&s));
	fill(&s, 50);
	T_INT(check_kept(&s), count_kept(&s));
	scene_release(&s);
}

/* A log with many small files, and projects of which some is deleted. */
static void story(struct scene *s, uint64_t seed)
{
	*s = (struct scene) { .sim = sim_new(seed), .wall_us = 1000 };
	struct err err = { 0 };

	T_OK(scene_open(s, &err));
	for (int i = 0; i < 18; i++) {
		fill(s, 3 + seed % 5);
		settle(s);
	}
	forget(s, 1, s->n / 2);
	forget(s, 2, s->n + 1);
}

/* The purge fails at one call after the other: what is kept stays, and the next round ends it. */
TEST(a_purge_that_fails_loses_nothing_and_goes_on_later)
{
	static const int errors[] = { EIO, ENOSPC };
	bool failed = true;

	for (uint64_t at = 1; failed; at += 3) {
		struct scene s;
		struct journal_purge round = { 0 };
		struct err err = { 0 };
		enum found found = FOUND;

		story(&s, 100 + at);
		s.sim->fail_at = s.sim->calls + at;
		s.sim->fail_errno = errors[at % 2];
		for (int i = 0; i < 1000 && found != NOT_FOUND; i++) {
			found = purge_once(&s, &round, &err);
		}
		T_INT(found, NOT_FOUND);
		failed = s.sim->failed;
		s.sim->fail_at = 0;
		(void)check_kept(&s);
		(void)purge(&s, 0);
		T_INT(check_kept(&s), count_kept(&s));
		journal_close(&s.journal);
		T_OK(scene_open(&s, &err));
		T_INT(check_kept(&s), count_kept(&s));
		scene_release(&s);
	}
}

/* The power goes at any call of a purge, merges included. */
TEST(power_cuts_while_purging_lose_nothing)
{
	bool cut = true;

	for (uint64_t at = 1; cut; at += 2) {
		struct scene s;
		struct sim *next;
		struct err err = { 0 };

		story(&s, 500 + at);
		s.sim->cut_at = s.sim->calls + at;
		(void)purge(&s, 0);
		cut = s.sim->cut != NULL;
		next = cut ? s.sim->cut : sim_power_cut(s.sim);
		s.sim->cut = NULL;
		journal_close(&s.journal);
		sim_free(&s.sim);
		s.sim = next;
		T_OK(scene_open(&s, &err));
		(void)check_kept(&s);
		settle(&s);
		(void)purge(&s, 0);
		T_INT(check_kept(&s), count_kept(&s));
		journal_close(&s.journal);
		T_OK(scene_open(&s, &err));
		T_INT(check_kept(&s), count_kept(&s));
		scene_release(&s);
	}
}

static bool on_disk(const struct sim *sim, const char *text)
{
	for (size_t i = 0; i < SIM_FILES_MAX; i++) {
		const struct sim_name *name = &sim->names[i];
		const struct sim_file *file;

		if (name->name[0] == '\0' || name->file < 0) {
			continue;
		}
		file = &sim->files[name->file];
		if (file->size > 0 && memmem(file->cache, file->size, text, strlen(text)) != NULL) {
			return true;
		}
	}
	return false;
}

/* Also what was never sealed, in a log that nobody writes to any more. */
TEST(the_bytes_of_what_was_deleted_are_in_no_file)
{
	struct scene s;
	char text[128];

	scene_init(&s, 30);
	fill(&s, 10);
	snprintf(text, sizeof(text), "%s", text_of(s.n + 1));
	put(&s, 1);
	T_TRUE(on_disk(s.sim, text));
	forget(&s, 1, s.n + 1);
	settle(&s);
	(void)purge(&s, 0);
	T_FALSE(on_disk(s.sim, text));
	T_INT(check_kept(&s), count_kept(&s));
	scene_release(&s);
}

/* Many failures are meant to happen here; their log lines would hide a real one. */
static int quiet(void **state UNUSED)
{
	log_setup(LOG_ERROR, LOG_TEXT, open("/dev/null", O_WRONLY | O_CLOEXEC));
	return 0;
}

T_MAIN(T(what_was_deleted_goes_and_all_else_stays), T(nothing_goes_that_may_be_replayed),
       T(of_a_gone_org_no_kind_of_record_stays), T(a_gone_org_waits_for_those_who_replay_it),
       T(a_purge_that_finds_nothing_is_not_repeated), T(what_is_below_the_floor_is_hidden_at_once),
       T(the_key_of_what_was_deleted_is_free_again),
       T(a_little_that_is_over_its_time_waits_for_a_week), T(all_that_is_over_its_time_goes),
       T(what_may_be_counted_again_is_not_over_its_time), T(readers_go_on_while_files_are_purged),
       T(empty_neighbours_become_one_file), T(the_bytes_of_what_was_deleted_are_in_no_file),
       cmocka_unit_test_setup(a_purge_that_fails_loses_nothing_and_goes_on_later, quiet),
       T(power_cuts_while_purging_lose_nothing))
