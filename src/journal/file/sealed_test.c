/* SPDX-License-Identifier: Apache-2.0 */
/* What went into a sealed file comes out of it, by every way, filtered or not. */
#include "journal/file/sealed.h"

#include "journal/file/format.h"
#include "journal/file/sealed_bed_test.h"
#include "test/t.h"

static bool wanted(const struct sealed_filter *f, const struct record *r)
{
	struct slice type = f->type;

	if (f->one_project && (r->org.v != f->org.v || r->project.v != f->project.v)) {
		return false;
	}
	if (r->seq < f->first_seq || (f->last_seq != 0 && r->seq > f->last_seq) ||
	    r->received_at_us < f->from_us || (f->to_us != 0 && r->received_at_us >= f->to_us)) {
		return false;
	}
	if ((f->severities != 0 && (f->severities & 1U << r->severity) == 0) ||
	    (f->kinds != 0 && (f->kinds & 1U << r->kind) == 0)) {
		return false;
	}
	if (type.n > 2 && type.p[type.n - 1] == '*') {
		return slice_starts(r->type, (struct slice) { .p = type.p, .n = type.n - 1 });
	}
	return type.n == 0 || slice_eq(type, r->type);
}

/* Step i of n, from the front or from the back. */
static const struct record *nth(const struct pile *pile, size_t i, bool reverse)
{
	return &pile->records[reverse ? pile->n - 1 - i : i];
}

static size_t check_walk(const struct pile *pile, struct sealed *sealed,
			 const struct sealed_filter *filter, bool reverse)
{
	struct err err = { 0 };
	struct sealed_cursor *cursor = sealed_cursor_new(sealed, filter, reverse, &err);
	struct record record;
	size_t given = 0;

	assert_non_null(cursor);
	for (size_t i = 0; i < pile->n; i++) {
		struct record want = *nth(pile, i, reverse);

		if (!wanted(filter, &want)) {
			continue;
		}
		T_INT(sealed_cursor_next(cursor, &record, &err), FOUND);
		if (!filter->hashes) {
			want.hash = (struct hash128) { 0 };
		}
		T_TRUE(record_same(&record, &want));
		T_INT(sealed_cursor_at(cursor), reverse ? want.seq - 1 : want.seq + 1);
		given++;
	}
	T_FALSE(sealed_cursor_done(cursor));
	T_INT(sealed_cursor_next(cursor, &record, &err), NOT_FOUND);
	T_TRUE(sealed_cursor_done(cursor));
	T_INT(sealed_cursor_next(cursor, &record, &err), NOT_FOUND);
	sealed_cursor_free(&cursor);
	return given;
}

static void check_reads(const struct pile *pile, struct sealed *sealed, size_t step)
{
	struct arena req;
	struct err err = { 0 };
	struct record record;

	arena_init(&req, 0);
	for (size_t i = 0; i < pile->n; i += step) {
		const struct record *want = &pile->records[i];
		uint64_t behind = i + 1 < pile->n ? want[1].seq : want->seq + 2;

		T_INT(sealed_read(sealed, want->seq, &req, &record, &err), FOUND);
		T_TRUE(record_same(&record, want));
		T_TRUE(sealed_may_have(sealed, want->org, want->project));
		if (want->seq + 1 < behind) {
			T_INT(sealed_read(sealed, want->seq + 1, &req, &record, &err), NOT_FOUND);
		}
		arena_clear(&req);
	}
	T_INT(sealed_read(sealed, 0, &req, &record, &err), NOT_FOUND);
	arena_release(&req);
}

static void check_keys(const struct pile *pile, struct sealed *sealed)
{
	struct err err = { 0 };
	uint64_t seqs[4];
	size_t n, strangers = 0;

	for (size_t i = 0; i < pile->n; i++) {
		const struct record *r = &pile->records[i];
		if (r->idempotency_key.n > 0) {
			uint64_t hash = record_key_hash(&pile_key, r->org, r->idempotency_key);

			T_OK(sealed_find_key(sealed, hash, seqs, ARRAY_LEN(seqs), &n, &err));
			T_INT(n, 1);
			T_INT(seqs[0], r->seq);
		}
		T_OK(sealed_find_key(sealed, sim_random(pile->sim), seqs, 4, &n, &err));
		strangers += n;
	}
	T_INT(strangers, 0);
}

/* The same by every way. */
static void check_all(struct pile *pile, size_t step)
{
	struct sealed_filter filter = { .hashes = true };
	struct sealed *sealed = pile_open(pile);
	const struct sealed_info *info = sealed_info(sealed);
	size_t given = 0;

	T_INT(info->records, pile->n);
	T_INT(info->file_bytes, sim_find(pile->sim, "0000000000000009.sealed")->size);
	T_INT(check_walk(pile, sealed, &filter, false), pile->n);
	T_INT(check_walk(pile, sealed, &filter, true), pile->n);
	check_reads(pile, sealed, step);
	check_keys(pile, sealed);
	filter.one_project = true;
	for (size_t i = 0; i < pile->n; i += step) {
		filter.org = pile->records[i].org;
		filter.project = pile->records[i].project;
		given += check_walk(pile, sealed, &filter, i % 2 == 0);
	}
	T_TRUE(pile->n == 0 || given > 0);
	filter.project.v = 5;
	T_INT(check_walk(pile, sealed, &filter, false), 0);
	sealed_close(&sealed);
}

TEST(every_record_comes_back_by_every_way)
{
	static const struct pile_plan plans[] = {
		{ .seed = 1, .n = 4000, .projects = 1 },
		{ .seed = 2, .n = 6000, .projects = 50 },
		{ .seed = 3, .n = 10000, .projects = 5000 },
		{ .seed = 4, .n = 3000, .projects = 20, .gap = 5, .first_seq = 1000000 },
		{ .seed = 5, .n = 1, .projects = 1 },
		{ .seed = 6, .n = 2, .projects = 2, .first_seq = 4095 },
		{ .seed = 7, .n = 0, .projects = 1 },
		{ .seed = 8, .n = 3000, .projects = 3, .types = 100000, .body_max = 20 },
		{ .seed = 9, .n = 60, .projects = 4, .body_max = 262144 },
	};

	for (size_t i = 0; i < ARRAY_LEN(plans); i++) {
		struct pile pile;

		pile_make(&pile, &plans[i]);
		check_all(&pile, plans[i].n / 50 + 1);
		pile_release(&pile);
	}
}

TEST(the_usual_sizes_work_and_huge_records_too)
{
	struct pile_plan plan = { .seed = 21, .n = 3000, .projects = 40, .body_max = 1500 };
	struct pile pile;
	char *big;

	pile_make(&pile, &plan);
	big = arena_alloc(&pile.arena, RECORD_BODY_BYTES_MAX);
	for (size_t i = 0; i < RECORD_BODY_BYTES_MAX; i++) {
		big[i] = (char)('0' + sim_below(pile.sim, 10));
	}
	pile.records[1500].body = (struct slice) { .p = big, .n = RECORD_BODY_BYTES_MAX };
	pile.options.block_bytes = 0;
	pile.options.page_bytes = 0;
	pile.options.open_bytes_max = 0;
	check_all(&pile, 150);
	pile_release(&pile);
}

TEST(far_apart_numbers_are_walked_without_counting)
{
	struct pile_plan plan = { .seed = 22, .n = 100, .projects = 3 };
	struct pile pile;

	pile_make(&pile, &plan);
	for (size_t i = 50; i < pile.n; i++) {
		pile.records[i].seq += UINT64_C(1) << 50;
	}
	check_all(&pile, 1);
	pile_release(&pile);
}

static struct sealed_filter random_filter(const struct pile *pile)
{
	static const char *const types[] = { "order.1",	  "login.*", "disk.3", "pay", "payment.*",
					     "nothing.*", "*",	     "start",  ".*" };
	struct sim *sim = pile->sim;
	const struct record *a = &pile->records[sim_below(sim, pile->n)];
	const struct record *b = &pile->records[sim_below(sim, pile->n)];
	struct sealed_filter f = { .hashes = sim_below(sim, 2) == 0 };

	if (sim_below(sim, 2) == 0) {
		f.one_project = true;
		f.org = a->org;
		f.project = b->org.v == a->org.v ? b->project : a->project;
	}
	if (sim_below(sim, 3) == 0) {
		f.first_seq = a->seq;
	}
	if (sim_below(sim, 3) == 0) {
		f.last_seq = b->seq;
	}
	if (sim_below(sim, 3) == 0) {
		f.from_us = b->received_at_us;
	}
	if (sim_below(sim, 3) == 0) {
		f.to_us = a->received_at_us;
	}
	if (sim_below(sim, 3) == 0) {
		f.severities = 1U << sim_below(sim, 7) | 1U << sim_below(sim, 7);
	}
	if (sim_below(sim, 4) == 0) {
		f.kinds = 1U << (1 + sim_below(sim, 4));
	}
	if (sim_below(sim, 2) == 0) {
		f.type = slice_of(types[sim_below(sim, ARRAY_LEN(types))]);
	}
	return f;
}

TEST(filters_give_what_reading_all_would_give)
{
	static const struct pile_plan plans[] = {
		{ .seed = 31, .n = 1500, .projects = 12, .gap = 9 },
		{ .seed = 32, .n = 1500, .projects = 900, .types = 60 },
		{ .seed = 33, .n = 700, .projects = 2, .types = 3, .body_max = 2000 },
	};

	for (size_t i = 0; i < ARRAY_LEN(plans); i++) {
		struct pile pile;
		struct sealed *sealed;
		size_t given = 0;

		pile_make(&pile, &plans[i]);
		sealed = pile_open(&pile);
		for (int k = 0; k < 2000; k++) {
			struct sealed_filter filter = random_filter(&pile);

			given += check_walk(&pile, sealed, &filter, k % 2 == 0);
			if (k % 100 == 0) {
				sealed_trim(sealed);
			}
		}
		T_TRUE(given > 1000);
		sealed_close(&sealed);
		pile_release(&pile);
	}
}

TEST(blocks_that_cannot_match_are_not_read)
{
	struct pile_plan plan = { .seed = 41, .n = 5000, .projects = 10 };
	struct sealed_filter filter = { .one_project = true };
	struct sealed_stat before, after;
	struct pile pile;
	struct sealed *sealed;

	pile_make(&pile, &plan);
	sealed = pile_open(&pile);
	filter.org = pile.records[0].org;
	filter.project = pile.records[0].project;
	filter.first_seq = filter.last_seq = pile.records[2500].seq;
	sealed_stat(sealed, &before);
	check_walk(&pile, sealed, &filter, false);
	sealed_stat(sealed, &after);
	T_TRUE(after.blocks_read - before.blocks_read <= 1);
	T_TRUE(sealed_info(sealed)->blocks > 50);
	filter = (struct sealed_filter) { .type = S("nothing.*") };
	check_walk(&pile, sealed, &filter, true);
	sealed_stat(sealed, &before);
	T_INT(before.blocks_read, after.blocks_read);
	T_TRUE(before.index_bytes > 0);
	sealed_trim(sealed);
	sealed_stat(sealed, &after);
	T_INT(after.index_bytes, 0);
	sealed_close(&sealed);
	pile_release(&pile);
}

/* A walk in small pieces, each by a new cursor, gives the same. */
static void walk_in_pieces(const struct pile *pile, struct sealed *sealed,
			   struct sealed_filter filter, bool reverse)
{
	struct record record;
	struct err err = { 0 };
	size_t i = 0, pieces = 0;
	bool done = false;

	while (!done) {
		struct sealed_cursor *cursor = sealed_cursor_new(sealed, &filter, reverse, &err);

		assert_non_null(cursor);
		sealed_cursor_set_budget(cursor, 1 + sim_below(pile->sim, 2000));
		while (sealed_cursor_next(cursor, &record, &err) == FOUND) {
			while (!wanted(&filter, nth(pile, i, reverse))) {
				i++;
			}
			T_INT(record.seq, nth(pile, i, reverse)->seq);
			i++;
		}
		done = sealed_cursor_done(cursor);
		if (reverse) {
			filter.last_seq = sealed_cursor_at(cursor);
			done = done || filter.last_seq == 0;
		} else {
			filter.first_seq = sealed_cursor_at(cursor);
		}
		sealed_cursor_free(&cursor);
		pieces++;
	}
	for (; i < pile->n; i++) {
		T_FALSE(wanted(&filter, nth(pile, i, reverse)));
	}
	T_TRUE(pieces > 3);
}

TEST(a_walk_goes_on_where_its_budget_ended)
{
	struct pile_plan plan = { .seed = 42, .n = 2000, .projects = 5, .gap = 20 };
	struct sealed_filter one = { .one_project = true };
	struct sealed_filter all = { .severities = 1 << 3 | 1 << 4 };
	struct pile pile;
	struct sealed *sealed;

	pile_make(&pile, &plan);
	sealed = pile_open(&pile);
	one.org = pile.records[1].org;
	one.project = pile.records[1].project;
	walk_in_pieces(&pile, sealed, one, false);
	walk_in_pieces(&pile, sealed, one, true);
	walk_in_pieces(&pile, sealed, all, false);
	walk_in_pieces(&pile, sealed, all, true);
	sealed_close(&sealed);
	pile_release(&pile);
}

TEST(a_file_stands_for_more_numbers_than_it_has)
{
	struct pile_plan plan = { .seed = 43, .n = 10, .projects = 2, .first_seq = 100 };
	struct pile pile;
	struct sealed *sealed;
	struct err err = { 0 };

	pile_make(&pile, &plan);
	pile.options.first_seq = 90;
	pile.options.last_seq = 200;
	sealed = pile_open(&pile);
	T_INT(sealed_info(sealed)->first_seq, 90);
	T_INT(sealed_info(sealed)->last_seq, 200);
	sealed_close(&sealed);
	check_all(&pile, 1);
	pile.options.id.v[0]++;
	assert_null(sealed_open(&pile.options, &err));
	T_INT(err.kind, ERR_CORRUPT);
	pile.options.id.v[0]--;
	pile.options.epoch = 10;
	assert_null(sealed_open(&pile.options, &err));
	T_INT(err.kind, ERR_NOT_FOUND);
	pile_release(&pile);
}

TEST(names_say_their_epoch)
{
	char name[SEALED_NAME_BYTES];
	uint64_t epoch;

	sealed_name(0x1234, name);
	T_STR(name, "0000000000001234.sealed");
	T_TRUE(sealed_epoch(name, &epoch));
	T_INT(epoch, 0x1234);
	sealed_tmp_name(0x1234, name);
	T_STR(name, "0000000000001234.tmp");
	T_FALSE(sealed_epoch(name, &epoch));
	T_FALSE(sealed_epoch("000000000000123x.sealed", &epoch));
}

T_MAIN(T(every_record_comes_back_by_every_way), T(the_usual_sizes_work_and_huge_records_too),
       T(far_apart_numbers_are_walked_without_counting),
       T(filters_give_what_reading_all_would_give), T(blocks_that_cannot_match_are_not_read),
       T(a_walk_goes_on_where_its_budget_ended), T(a_file_stands_for_more_numbers_than_it_has),
       T(names_say_their_epoch))
