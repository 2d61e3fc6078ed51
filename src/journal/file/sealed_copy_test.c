/* SPDX-License-Identifier: Apache-2.0 */
/* A copy has exactly the records that were not purged, in blocks that mostly were not touched. */
#include "journal/file/sealed.h"

#include <errno.h>

#include "journal/file/format.h"
#include "journal/file/sealed_bed_test.h"
#include "test/t.h"

#define NAME "0000000000000009.sealed"

static bool purged(const struct sealed_rewrite *rewrite, const struct record *r)
{
	for (size_t i = 0; i < rewrite->purges_n; i++) {
		const struct sealed_purge *p = &rewrite->purges[i];

		if (r->seq < p->floor_seq &&
		    (p->before_us == 0 || r->received_at_us < p->before_us) &&
		    (p->kinds == 0 || (p->kinds >> r->kind & 1) != 0) &&
		    (p->org.v == 0 || (p->org.v == r->org.v && p->project.v == r->project.v))) {
			return true;
		}
	}
	return false;
}

static struct sealed *open_now(const struct pile *pile)
{
	struct err err = { 0 };
	struct sealed *sealed = sealed_open(&pile->options, &err);

	if (sealed == NULL) {
		fail_msg("%s", err.text);
	}
	return sealed;
}

static void check_walk(const struct pile *pile, struct sealed *sealed,
		       const struct sealed_rewrite *rewrite, bool reverse)
{
	struct sealed_filter filter = { .hashes = true };
	struct err err = { 0 };
	struct sealed_cursor *cursor = sealed_cursor_new(sealed, &filter, reverse, &err);
	struct record record;

	assert_non_null(cursor);
	for (size_t i = 0; i < pile->n; i++) {
		const struct record *want = &pile->records[reverse ? pile->n - 1 - i : i];

		if (!purged(rewrite, want)) {
			T_INT(sealed_cursor_next(cursor, &record, &err), FOUND);
			T_TRUE(record_same(&record, want));
		}
	}
	T_INT(sealed_cursor_next(cursor, &record, &err), NOT_FOUND);
	sealed_cursor_free(&cursor);
}

static void check_each(const struct pile *pile, struct sealed *sealed,
		       const struct sealed_rewrite *rewrite)
{
	struct arena req;
	struct err err = { 0 };
	struct record record;
	uint64_t seqs[2];
	size_t n;

	arena_init(&req, 0);
	for (size_t i = 0; i < pile->n; i += 3) {
		const struct record *want = &pile->records[i];
		bool gone = purged(rewrite, want);

		T_INT(sealed_read(sealed, want->seq, &req, &record, &err),
		      gone ? NOT_FOUND : FOUND);
		if (want->idempotency_key.n > 0) {
			T_OK(sealed_find_key(
				sealed,
				record_key_hash(&pile_key, want->org, want->idempotency_key), seqs,
				2, &n, &err));
			T_INT(n, gone ? 0 : 1);
		}
		arena_clear(&req);
	}
	arena_release(&req);
}

static void check_copy(const struct pile *pile, const struct sealed_rewrite *rewrite)
{
	struct sealed *sealed = open_now(pile);
	struct sealed_report report;
	struct err err = { 0 };
	size_t kept = 0;

	for (size_t i = 0; i < pile->n; i++) {
		kept += !purged(rewrite, &pile->records[i]);
	}
	T_INT(sealed_info(sealed)->records, kept);
	T_INT(sealed_info(sealed)->first_seq, pile->records[0].seq);
	T_INT(sealed_info(sealed)->last_seq, pile->records[pile->n - 1].seq);
	check_walk(pile, sealed, rewrite, false);
	check_walk(pile, sealed, rewrite, true);
	check_each(pile, sealed, rewrite);
	T_OK(sealed_verify(sealed, true, NULL, NULL, &report, &err));
	T_INT(report.damaged, 0);
	sealed_close(&sealed);
}

static struct sealed_purge random_purge(const struct pile *pile)
{
	const struct record *r = &pile->records[sim_below(pile->sim, pile->n)];
	const struct record *floor = &pile->records[sim_below(pile->sim, pile->n)];
	struct sealed_purge purge = { .floor_seq = floor->seq };

	if (sim_below(pile->sim, 3) == 0) {
		purge.kinds = 1U << RECORD_EVENT;
	}
	if (sim_below(pile->sim, 4) == 0) {
		purge.floor_seq = UINT64_MAX;
		purge.before_us = floor->received_at_us;
	}
	if (sim_below(pile->sim, 4) != 0) {
		purge.org = r->org;
		purge.project = r->project;
		purge.floor_seq = sim_below(pile->sim, 3) == 0 ? UINT64_MAX : floor->seq;
	}
	return purge;
}

TEST(a_purge_takes_what_is_below_its_floor_and_nothing_else)
{
	static const struct pile_plan plans[] = {
		{ .seed = 61, .n = 1500, .projects = 8, .gap = 20 },
		{ .seed = 62, .n = 1500, .projects = 700 },
		{ .seed = 63, .n = 20, .projects = 2 },
	};

	for (size_t i = 0; i < 60; i++) {
		struct sealed_purge purges[3];
		struct sealed_rewrite rewrite = { .purges = purges, .purges_n = 1 + i % 3 };
		struct pile pile;
		struct sealed *sealed;
		struct sealed_info info;
		struct err err = { 0 };

		pile_make(&pile, &plans[i % ARRAY_LEN(plans)]);
		pile.sim->seed += i;
		for (size_t k = 0; k < rewrite.purges_n; k++) {
			purges[k] = random_purge(&pile);
		}
		sealed = pile_open(&pile);
		T_OK(sealed_copy(sealed, &rewrite, &info, &err));
		sealed_close(&sealed);
		check_copy(&pile, &rewrite);
		pile_release(&pile);
	}
}

/* Bytes of a run of old blocks that are in the new file as they were. */
static bool has_bytes(const struct sim_file *file, const char *p, size_t n)
{
	return memmem(file->cache, file->size, p, n) != NULL;
}

TEST(whole_blocks_are_copied_as_they_are)
{
	struct pile_plan plan = { .seed = 64, .n = 2000, .projects = 10 };
	struct sealed_purge purge;
	struct sealed_rewrite rewrite = { .purges = &purge, .purges_n = 1 };
	struct pile pile;
	struct sealed *sealed;
	struct sealed_info before, after;
	struct err err = { 0 };
	char *old;

	pile_make(&pile, &plan);
	sealed = pile_open(&pile);
	before = *sealed_info(sealed);
	purge = (struct sealed_purge) { .org = pile.records[0].org,
					.project = pile.records[0].project,
					.floor_seq = UINT64_MAX };
	old = mem_resize(NULL, 4096, 1);
	memcpy(old, sim_find(pile.sim, NAME)->cache + before.file_bytes / 2, 4096);
	T_OK(sealed_copy(sealed, &rewrite, &after, &err));
	T_TRUE(after.blocks < before.blocks);
	T_TRUE(after.file_bytes < before.file_bytes);
	T_FALSE(sealed_may_have(sealed, (struct org_id) { 999 }, (struct project_id) { 999 }));
	T_TRUE(has_bytes(sim_find(pile.sim, NAME), old + 1024, 600));
	/* Who has the old one open still reads it. */
	check_walk(&pile, sealed, &(struct sealed_rewrite) { 0 }, false);
	sealed_close(&sealed);
	check_copy(&pile, &rewrite);
	free(old);
	pile_release(&pile);
}

TEST(a_purge_of_nothing_writes_nothing)
{
	struct pile_plan plan = { .seed = 65, .n = 100, .projects = 2, .first_seq = 50 };
	struct sealed_purge purges[] = {
		{ .org = { 1 }, .project = { 5 }, .floor_seq = UINT64_MAX },
		{ .floor_seq = 50 },
		{ .floor_seq = UINT64_MAX, .kinds = 1U << 9 },
	};
	struct sealed_rewrite rewrite = { .purges = purges, .purges_n = ARRAY_LEN(purges) };
	struct pile pile;
	struct sealed *sealed;
	struct sealed_info info;
	struct err err = { 0 };
	uint64_t calls;

	pile_make(&pile, &plan);
	sealed = pile_open(&pile);
	T_OK(sealed_copy(sealed, &rewrite, &info, &err));
	calls = pile.sim->calls;
	T_OK(sealed_copy(sealed, &rewrite, &info, &err));
	T_INT(pile.sim->calls, calls);
	T_INT(info.records, 100);
	purges[1].floor_seq = UINT64_MAX;
	T_OK(sealed_copy(sealed, &rewrite, &info, &err));
	T_INT(info.records, 0);
	T_INT(info.blocks, 0);
	sealed_close(&sealed);
	check_copy(&pile, &rewrite);
	pile_release(&pile);
}

TEST(a_purge_that_turns_out_to_be_of_nothing_changes_nothing)
{
	struct pile_plan plan = { .seed = 67, .n = 40, .projects = 1 };
	struct sealed_purge purge = { .kinds = 1U << RECORD_EVENT };
	struct sealed_rewrite rewrite = { .purges = &purge, .purges_n = 1, .created_at_us = 77 };
	struct pile pile;
	struct sealed *sealed;
	struct sealed_info info;
	struct err err = { 0 };

	pile_make(&pile, &plan);
	for (size_t i = 0; i < pile.n; i++) {
		pile.records[i].kind = i < 5 ? RECORD_CONTROL : RECORD_EVENT;
	}
	purge.floor_seq = pile.records[5].seq; /* in a block that also has events */
	sealed = pile_open(&pile);
	T_OK(sealed_copy(sealed, &rewrite, &info, &err));
	T_INT(info.created_at_us, 0);
	T_TRUE(sim_find(pile.sim, "0000000000000009.tmp") == NULL);
	purge.floor_seq++;
	T_OK(sealed_copy(sealed, &rewrite, &info, &err));
	T_INT(info.created_at_us, 77);
	T_INT(info.records, 39);
	sealed_close(&sealed);
	check_copy(&pile, &rewrite);
	pile_release(&pile);
}

TEST(a_purge_that_fails_leaves_the_old_file_or_the_new_one)
{
	struct pile_plan plan = { .seed = 66, .n = 80, .projects = 3 };
	bool failed = true;
	size_t refused = 0;

	for (uint64_t at = 1; failed; at++) {
		struct pile pile;
		struct sealed_purge purge = { .floor_seq = 40 };
		struct sealed_rewrite none = { 0 };
		struct sealed_rewrite rewrite = { .purges = &purge, .purges_n = 1 };
		struct sealed *sealed;
		struct err err = { 0 };
		bool ok;

		pile_make(&pile, &plan);
		sealed = pile_open(&pile);
		pile.sim->fail_at = pile.sim->calls + at;
		pile.sim->fail_errno = EIO;
		ok = sealed_copy(sealed, &rewrite, NULL, &err);
		failed = pile.sim->failed;
		pile.sim->fail_at = 0;
		sealed_close(&sealed);
		sealed = open_now(&pile);
		T_TRUE(!ok || sealed_info(sealed)->records == 41);
		rewrite = sealed_info(sealed)->records == 41 ? rewrite : none;
		sealed_close(&sealed);
		check_copy(&pile, &rewrite);
		T_TRUE(sim_find(pile.sim, "0000000000000009.tmp") == NULL);
		refused += !ok;
		pile_release(&pile);
	}
	T_TRUE(refused > 20);
}

T_MAIN(T(a_purge_takes_what_is_below_its_floor_and_nothing_else),
       T(a_purge_that_turns_out_to_be_of_nothing_changes_nothing),
       T(whole_blocks_are_copied_as_they_are), T(a_purge_of_nothing_writes_nothing),
       T(a_purge_that_fails_leaves_the_old_file_or_the_new_one))
