/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealed files on a disk that does not give some of their bytes: what parity, another footer or
 * another table has is there, and what nothing has is lost alone, wherever it is.
 */
#include "journal/file/sealed.h"

#include "journal/file/sealed_bed_test.h"
#include "journal/file/sealed_format.h"
#include "test/t.h"

#define NAME "0000000000000009.sealed"
#define RECORDS_MAX 2000
#define PAGE 4096

static struct sim_file *seal(struct pile *pile, const struct pile_plan *plan, size_t page_bytes)
{
	struct err err = { 0 };

	pile_make(pile, plan);
	pile->options.page_bytes = page_bytes;
	T_OK(pile_seal(pile, NULL, &err));
	return sim_find(pile->sim, NAME);
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

/* How many records a walk gives; all of them right. */
static size_t walk(const struct pile *pile, struct sealed *sealed, size_t *reports)
{
	struct sealed_filter filter = { .hashes = true };
	struct err err = { 0 };
	struct sealed_cursor *cursor = sealed_cursor_new(sealed, &filter, false, &err);
	struct record record;
	size_t seen = 0, i = 0;
	enum found found;

	*reports = 0;
	if (cursor == NULL) {
		T_INT(err.kind, ERR_CORRUPT);
		++*reports;
		return 0;
	}
	while ((found = sealed_cursor_next(cursor, &record, &err)) != NOT_FOUND) {
		if (found == FAILED) {
			T_INT(err.kind, ERR_CORRUPT);
			++*reports;
			continue;
		}
		while (i < pile->n && pile->records[i].seq < record.seq) {
			i++;
		}
		T_TRUE(i < pile->n && record_same(&record, &pile->records[i]));
		seen++;
	}
	sealed_cursor_free(&cursor);
	return seen;
}

static void layout_of(const struct sim_file *file, struct sealed_layout *layout)
{
	struct sealed_footer footer;

	T_TRUE(sealed_footer_decode(file->cache, &footer));
	sealed_layout_init(layout, footer.content_bytes, footer.page_bytes);
}

TEST(bad_sectors_of_all_pages_of_a_group_lose_nothing_when_side_by_side)
{
	struct pile_plan plan = { .seed = 71, .n = 1500, .projects = 4 };
	struct pile pile;
	struct sim_file *file = seal(&pile, &plan, (size_t)4 * PAGE);
	char *good = mem_resize(NULL, file->size, 1);
	size_t size = file->size, reports;
	struct sealed_report report;
	struct sealed_layout layout;
	struct err err = { 0 };
	struct sealed *sealed;

	memcpy(good, file->cache, size);
	layout_of(file, &layout);
	T_TRUE(layout.groups == 1 && layout.pages > 4);
	for (uint64_t q = 0; q < 4; q++) { /* of four pages another quarter each */
		struct sealed_place place = sealed_page(&layout, q);

		sim_spoil(file, place.offset + q * PAGE, place.offset + (q + 1) * PAGE);
	}
	sealed = open_now(&pile);
	T_INT(walk(&pile, sealed, &reports), pile.n);
	T_INT(reports, 0);
	T_OK(sealed_verify(sealed, true, NULL, NULL, &report, &err));
	T_TRUE(report.damaged == 4 && report.unmended == 0);
	T_OK(sealed_repair(sealed, NULL, &err));
	file = sim_find(pile.sim, NAME);
	T_TRUE(file->bad_n == 0 && file->size == size);
	assert_memory_equal(file->cache, good, size);
	sealed_close(&sealed);
	free(good);
	pile_release(&pile);
}

static void spoil_some(struct pile *pile, struct sim_file *file, int round)
{
	size_t n = 1 + (size_t)sim_below(pile->sim, 6);
	uint64_t pages = file->size / PAGE;

	for (size_t i = 0; i < n; i++) {
		uint64_t page = sim_below(pile->sim, pages);

		sim_spoil(file, page * PAGE, (page + 1 + sim_below(pile->sim, 3)) * PAGE);
	}
	if (round % 3 ==
	    0) { /* all that stands behind the blocks: map, keys, filter, index, tables */
		struct sealed_footer footer;

		T_TRUE(sealed_footer_decode(file->cache, &footer));
		sim_spoil(file, footer.map.offset, file->size - SEALED_FOOTER_BYTES);
	}
	/* One footer is left: without both see the tests of quarantine. */
	for (size_t i = 0; i < file->bad_n; i++) {
		if (file->bad[i].from < SEALED_FOOTER_BYTES) {
			file->bad[i].from = file->bad[i].to < SEALED_FOOTER_BYTES
						    ? file->bad[i].to
						    : SEALED_FOOTER_BYTES;
		}
	}
}

/* What is told to be lost is what a walk misses, and a copy keeps all the rest. */
TEST(any_number_of_bad_places_loses_what_is_named_and_nothing_else)
{
	size_t lost_some = 0, lost_none = 0;

	for (int round = 0; round < 150; round++) {
		struct pile_plan plan = { .seed = 7200 + (uint64_t)round, .n = 500, .projects = 5 };
		struct sealed_rewrite rewrite = { .force = true, .accept_loss = true };
		struct pile pile;
		struct sim_file *file = seal(&pile, &plan, PAGE);
		struct sealed_report report;
		size_t seen, again, reports;
		struct err err = { 0 };
		struct sealed *sealed;

		spoil_some(&pile, file, round);
		pile.sim->strict = round % 2 == 0;
		sealed = open_now(&pile);
		seen = walk(&pile, sealed, &reports);
		T_TRUE(seen == pile.n || reports > 0);
		if (!sealed_verify(sealed, true, NULL, NULL, &report, &err)) { /* nothing is left */
			T_TRUE(err.kind == ERR_CORRUPT && seen == 0);
			T_FAIL(sealed_copy(sealed, &rewrite, NULL, &err), ERR_CORRUPT);
			sealed_close(&sealed);
			pile_release(&pile);
			continue;
		}
		T_INT(report.lost_records, pile.n - seen);
		T_OK(sealed_copy(sealed, &rewrite, NULL, &err));
		sealed_close(&sealed);
		T_INT(sim_find(pile.sim, NAME)->bad_n, 0);
		sealed = open_now(&pile);
		again = walk(&pile, sealed, &reports);
		T_TRUE(again == seen && reports == 0);
		T_OK(sealed_verify(sealed, true, NULL, NULL, &report, &err));
		T_INT(report.damaged, 0);
		sealed_close(&sealed);
		*(seen < pile.n ? &lost_some : &lost_none) += 1;
		pile_release(&pile);
	}
	T_TRUE(lost_some > 30 && lost_none > 5);
}

TEST(a_disk_that_is_away_has_lost_nothing)
{
	struct pile_plan plan = { .seed = 73, .n = 300, .projects = 4 };
	struct sealed_rewrite rewrite = { .force = true, .accept_loss = true };
	struct pile pile;
	struct sealed *sealed, *closed;
	struct sealed_stat stat;
	struct err err = { 0 };
	struct arena arena;
	struct record record;

	arena_init(&arena, 0);
	(void)seal(&pile, &plan, PAGE);
	sealed = open_now(&pile);
	pile.sim->away = true;
	T_INT(sealed_read(sealed, pile.records[7].seq, &arena, &record, &err), FAILED);
	T_INT(err.kind, ERR_IO);
	T_FAIL(sealed_copy(sealed, &rewrite, NULL, &err), ERR_IO);
	closed = sealed_open(&pile.options, &err);
	T_TRUE(closed == NULL && err.kind == ERR_IO);
	pile.sim->away = false;
	sealed_stat(sealed, &stat);
	T_INT(stat.lost, 0);
	T_INT(sealed_read(sealed, pile.records[7].seq, &arena, &record, &err), FOUND);
	sealed_close(&sealed);
	arena_release(&arena);
	pile_release(&pile);
}

/* A block of a project whose events are deleted need not be read for that; one of others must. */
TEST(a_lost_block_goes_with_all_that_it_had)
{
	struct pile_plan plan = { .seed = 74, .n = 400, .projects = 1 };
	struct sealed_purge purge = { 0 };
	struct sealed_rewrite rewrite = { .purges = &purge, .purges_n = 1 };
	struct pile pile;
	struct sim_file *file = seal(&pile, &plan, PAGE);
	struct sealed_layout layout;
	struct sealed_info info;
	struct err err = { 0 };
	struct sealed *sealed;
	size_t reports;

	layout_of(file, &layout);
	for (uint64_t q = 0; q < 2; q++) { /* two of a group */
		struct sealed_place place = sealed_page(&layout, q * layout.groups);

		sim_spoil(file, place.offset, place.offset + place.bytes);
	}
	sealed = open_now(&pile);
	T_TRUE(walk(&pile, sealed, &reports) < pile.n);
	purge.org = pile.records[0].org;
	purge.project = pile.records[0].project;
	purge.floor_seq = pile.records[1].seq; /* the first record, of a block that is lost */
	T_FAIL(sealed_copy(sealed, &rewrite, &info, &err), ERR_CORRUPT);
	purge.floor_seq = pile.records[pile.n - 1].seq;
	T_OK(sealed_copy(sealed, &rewrite, &info, &err));
	T_INT(info.records, 1);
	sealed_close(&sealed);
	sealed = open_now(&pile);
	T_INT(walk(&pile, sealed, &reports), 1);
	T_INT(reports, 0);
	sealed_close(&sealed);
	pile_release(&pile);
}

T_MAIN(T(bad_sectors_of_all_pages_of_a_group_lose_nothing_when_side_by_side),
       T(any_number_of_bad_places_loses_what_is_named_and_nothing_else),
       T(a_disk_that_is_away_has_lost_nothing), T(a_lost_block_goes_with_all_that_it_had))
