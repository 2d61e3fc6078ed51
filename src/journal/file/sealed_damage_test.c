/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any one damaged place in a sealed file loses nothing and is reported; two in one group lose what
 * was in them, by number; and no crash or failed call leaves half a file under its name.
 */
#include "journal/file/sealed.h"

#include <errno.h>

#include "journal/file/format.h"
#include "journal/file/sealed_bed_test.h"
#include "journal/file/sealed_format.h"
#include "test/t.h"

#define NAME "0000000000000009.sealed"
#define RECORDS_MAX 2000

static struct sealed *open_now(const struct pile *pile)
{
	struct err err = { 0 };
	struct sealed *sealed = sealed_open(&pile->options, &err);

	if (sealed == NULL) {
		fail_msg("%s", err.text);
	}
	return sealed;
}

/* Walk over all: what is given is right. seen, by place in the pile; returns the reports. */
static size_t walk(const struct pile *pile, struct sealed *sealed, bool reverse, bool *seen)
{
	struct sealed_filter filter = { .hashes = true };
	struct err err = { 0 };
	struct sealed_cursor *cursor = sealed_cursor_new(sealed, &filter, reverse, &err);
	struct record record;
	size_t reports = 0;
	enum found found;

	memset(seen, 0, pile->n);
	if (cursor == NULL) {
		T_INT(err.kind, ERR_CORRUPT);
		return 1;
	}
	while ((found = sealed_cursor_next(cursor, &record, &err)) != NOT_FOUND) {
		if (found == FAILED) {
			T_INT(err.kind, ERR_CORRUPT);
			T_TRUE(strstr(err.text, NAME) != NULL);
			reports++;
			continue;
		}
		for (size_t i = 0; i < pile->n; i++) {
			if (pile->records[i].seq == record.seq) {
				T_TRUE(record_same(&record, &pile->records[i]));
				T_FALSE(seen[i]);
				seen[i] = true;
			}
		}
	}
	sealed_cursor_free(&cursor);
	return reports;
}

static size_t count(const bool *seen, size_t n)
{
	size_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		sum += seen[i];
	}
	return sum;
}

static void check_whole(const struct pile *pile, struct sealed *sealed, bool reverse)
{
	static bool seen[RECORDS_MAX];

	T_INT(walk(pile, sealed, reverse, seen), 0);
	T_INT(count(seen, pile->n), pile->n);
}

static void check_some_keys(const struct pile *pile, struct sealed *sealed, size_t step)
{
	struct err err = { 0 };
	uint64_t seqs[2];
	size_t n;

	for (size_t i = step % 5; i < pile->n; i += step) {
		const struct record *r = &pile->records[i];

		if (r->idempotency_key.n > 0) {
			T_OK(sealed_find_key(sealed,
					     record_key_hash(&pile_key, r->org, r->idempotency_key),
					     seqs, 2, &n, &err));
			T_INT(n, 1);
		}
	}
}

/* Sealed, then the bytes of it. */
static struct sim_file *seal(struct pile *pile, const struct pile_plan *plan)
{
	struct err err = { 0 };

	pile_make(pile, plan);
	T_OK(pile_seal(pile, NULL, &err));
	return sim_find(pile->sim, NAME);
}

static void check_repair(const struct pile *pile, struct sealed *sealed, const char *good, size_t n)
{
	struct err err = { 0 };
	const struct sim_file *file;

	T_OK(sealed_repair(sealed, NULL, &err));
	file = sim_find(pile->sim, NAME);
	T_INT(file->size, n);
	assert_memory_equal(file->cache, good, n);
}

static char *copy_of(const struct sim_file *file)
{
	char *p = mem_resize(NULL, file->size, 1);

	memcpy(p, file->cache, file->size);
	return p;
}

TEST(any_flipped_bit_loses_nothing_and_is_reported)
{
	struct pile_plan plan = { .seed = 51, .n = 120, .projects = 6 };
	struct pile pile;
	struct sim_file *file = seal(&pile, &plan);
	size_t size = file->size;
	char *good = copy_of(file);

	for (int i = 0; i < 10000; i++) {
		size_t bit = (size_t)sim_below(pile.sim, size * 8);
		struct sealed_report report;
		struct sealed *sealed;
		struct err err = { 0 };

		file = sim_find(pile.sim, NAME);
		file->cache[bit / 8] ^= (char)(1 << bit % 8);
		sealed = open_now(&pile);
		check_whole(&pile, sealed, i % 2 == 0);
		check_some_keys(&pile, sealed, 9);
		T_OK(sealed_verify(sealed, i % 2 == 0, NULL, NULL, &report, &err));
		T_INT(report.damaged, 1);
		T_INT(report.unmended, 0);
		T_TRUE(report.bytes_read >= size);
		if (i % 50 == 0) {
			check_repair(&pile, sealed, good, size);
		} else {
			file->cache[bit / 8] ^= (char)(1 << bit % 8);
		}
		sealed_close(&sealed);
	}
	free(good);
	pile_release(&pile);
}

TEST(reads_that_needed_parity_are_counted)
{
	struct pile_plan plan = { .seed = 52, .n = 300, .projects = 3 };
	struct pile pile;
	struct sim_file *file = seal(&pile, &plan);
	struct sealed_stat stat;
	struct sealed *sealed;

	file->cache[SEALED_FOOTER_BYTES + 100] ^= 1;
	sealed = open_now(&pile);
	check_whole(&pile, sealed, false);
	sealed_stat(sealed, &stat);
	T_INT(stat.mended, 1);
	T_INT(stat.lost, 0);
	sealed_close(&sealed);
	pile_release(&pile);
}

static void layout_of(const struct sealed *sealed, const struct sim_file *file,
		      struct sealed_layout *layout)
{
	struct sealed_footer footer;

	T_TRUE(sealed_footer_decode(file->cache, &footer));
	T_INT(footer.info.file_bytes, sealed_info(sealed)->file_bytes);
	sealed_layout_init(layout, footer.content_bytes, footer.page_bytes);
	T_INT(layout->file_bytes, file->size);
}

TEST(a_burst_over_one_page_of_each_group_loses_nothing)
{
	struct pile_plan plan = { .seed = 53, .n = 1500, .projects = 9 };
	struct pile pile;
	struct sim_file *file = seal(&pile, &plan);
	struct sealed *sealed = open_now(&pile);
	char *good = copy_of(file);
	size_t size = file->size;
	struct sealed_layout layout;

	layout_of(sealed, file, &layout);
	sealed_close(&sealed);
	T_TRUE(layout.groups > 4);
	for (int i = 0; i < 300; i++) {
		size_t n = (size_t)(layout.groups - 1) * layout.page_bytes;
		size_t at = (size_t)sim_below(pile.sim, size - n);
		struct sealed_report report;
		struct err err = { 0 };

		memset(file->cache + at, i, n);
		sealed = open_now(&pile);
		check_whole(&pile, sealed, i % 2 == 0);
		T_OK(sealed_verify(sealed, false, NULL, NULL, &report, &err));
		T_TRUE(report.damaged > 0);
		T_INT(report.unmended, 0);
		if (i % 20 == 0) {
			check_repair(&pile, sealed, good, size);
			file = sim_find(pile.sim, NAME);
		}
		sealed_close(&sealed);
		memcpy(file->cache, good, size);
	}
	free(good);
	pile_release(&pile);
}

TEST(a_file_cut_a_little_loses_nothing)
{
	struct pile_plan plan = { .seed = 54, .n = 1500, .projects = 9 };
	struct pile pile;
	struct sim_file *file = seal(&pile, &plan);
	char *good = copy_of(file);
	size_t size = file->size;

	for (size_t cut = 1; cut < 8000; cut += 317) {
		struct sealed_report report;
		struct sealed *sealed;
		struct err err = { 0 };

		file->size = size - cut;
		sealed = open_now(&pile);
		check_whole(&pile, sealed, false);
		T_OK(sealed_verify(sealed, false, NULL, NULL, &report, &err));
		T_TRUE(report.damaged > 1);
		check_repair(&pile, sealed, good, size);
		sealed_close(&sealed);
		file = sim_find(pile.sim, NAME);
	}
	free(good);
	pile_release(&pile);
}

struct named {
	const struct pile *pile;
	struct sealed *sealed;
	bool lost[RECORDS_MAX];
	size_t blocks;
};

static void name_run(void *arg, uint64_t first_seq, uint64_t last_seq)
{
	struct named *named = arg;

	for (size_t i = 0; i < named->pile->n; i++) {
		uint64_t seq = named->pile->records[i].seq;

		if (seq >= first_seq && seq <= last_seq) {
			T_FALSE(named->lost[i]);
			named->lost[i] = true;
		}
	}
}

static void name_damage(void *arg, const struct sealed_damage *damage)
{
	struct named *named = arg;
	struct err err = { 0 };

	if (damage->part == SEALED_BLOCK) {
		named->blocks++;
		T_OK(sealed_block_numbers(named->sealed, damage->block, name_run, named, &err));
	}
}

/* What a walk does not give is what the check names, and the rest can be kept. */
static size_t check_loss(struct pile *pile)
{
	static struct named named;
	static bool seen[RECORDS_MAX];
	struct sealed_rewrite rewrite = { .force = true };
	struct sealed_report report;
	struct sealed *sealed = open_now(pile);
	struct err err = { 0 };
	size_t reports = walk(pile, sealed, pile->sim->seed % 2 == 0, seen);
	size_t lost = pile->n - count(seen, pile->n);

	named = (struct named) { .pile = pile, .sealed = sealed };
	T_OK(sealed_verify(sealed, true, name_damage, &named, &report, &err));
	T_TRUE(report.unmended > 0);
	T_INT(lost, report.lost_records);
	T_INT(named.blocks, report.lost_blocks);
	if (lost > 0 &&
	    report.lost_blocks == 0) { /* the index is lost too: nobody has its numbers */
		T_INT(reports, 1);
	} else {
		T_INT(reports, report.lost_blocks);
		for (size_t i = 0; i < pile->n; i++) {
			T_TRUE(seen[i] || named.lost[i]);
		}
	}
	T_FAIL(sealed_repair(sealed, NULL, &err), ERR_CORRUPT);
	if (lost > 0) {
		T_FAIL(sealed_copy(sealed, &rewrite, NULL, &err), ERR_CORRUPT);
	}
	rewrite.accept_loss = true;
	T_OK(sealed_copy(sealed, &rewrite, NULL, &err));
	sealed_close(&sealed);
	sealed = open_now(pile);
	T_INT(walk(pile, sealed, false, seen), 0);
	T_INT(pile->n - count(seen, pile->n), lost);
	sealed_close(&sealed);
	return lost;
}

TEST(two_damaged_pages_of_a_group_lose_what_is_named)
{
	struct pile_plan plan = { .seed = 55, .n = 1000, .projects = 9 };
	struct pile pile;
	struct sim_file *file = seal(&pile, &plan);
	struct sealed *sealed = open_now(&pile);
	char *good = copy_of(file);
	size_t size = file->size, lost = 0, nothing = 0;
	struct sealed_layout layout;

	layout_of(sealed, file, &layout);
	sealed_close(&sealed);
	for (int i = 0; i < 250; i++) {
		/* Every third time where map, keys and index are. */
		uint64_t a = i % 3 == 0 ? layout.pages - 1 - sim_below(pile.sim, 5)
					: sim_below(pile.sim, layout.pages);
		uint64_t b = (a + layout.groups * (1 + sim_below(pile.sim, 3))) %
			     (layout.pages + layout.groups);
		size_t n;

		if (a % layout.groups != b % layout.groups) {
			continue;
		}
		file->cache[sealed_page(&layout, a).offset + 7] ^= 4;
		file->cache[sealed_page(&layout, b).offset + 9] ^= 8;
		n = check_loss(&pile);
		lost += n;
		nothing += n == 0;
		T_TRUE(n < pile.n / 3);
		file = sim_find(pile.sim, NAME);
		ensure(file->cap >= size);
		file->size = size;
		memcpy(file->cache, good, size);
	}
	T_TRUE(lost > 500);
	T_TRUE(nothing > 5);
	free(good);
	pile_release(&pile);
}

TEST(without_index_and_tables_the_blocks_still_speak)
{
	struct pile_plan plan = { .seed = 56, .n = 1500, .projects = 30, .gap = 30 };
	struct pile pile;
	struct sim_file *file = seal(&pile, &plan);
	struct sealed_footer footer;
	struct sealed_layout layout;
	struct sealed *sealed;
	struct arena req;
	struct err err = { 0 };
	struct record record;

	T_TRUE(sealed_footer_decode(file->cache, &footer));
	sealed_layout_init(&layout, footer.content_bytes, footer.page_bytes);
	memset(file->cache + footer.map.offset, 0x55, file->size - footer.map.offset);
	sealed = open_now(&pile);
	check_whole(&pile, sealed, false);
	check_whole(&pile, sealed, true);
	arena_init(&req, 0);
	T_INT(sealed_read(sealed, pile.records[700].seq, &req, &record, &err), FOUND);
	T_TRUE(record_same(&record, &pile.records[700]));
	arena_release(&req);
	T_OK(sealed_copy(sealed, &(struct sealed_rewrite) { .force = true }, NULL, &err));
	sealed_close(&sealed);
	sealed = open_now(&pile);
	check_some_keys(&pile, sealed, 1);
	sealed_close(&sealed);
	pile_release(&pile);
}

/* A file under the final name is whole, or there is none. */
static bool check_name(struct pile *pile)
{
	struct sealed *sealed;
	struct sealed_report report;
	struct err err = { 0 };

	if (sim_find(pile->sim, NAME) == NULL) {
		return false;
	}
	sealed = open_now(pile);
	check_whole(pile, sealed, false);
	T_OK(sealed_verify(sealed, true, NULL, NULL, &report, &err));
	T_INT(report.damaged, 0);
	sealed_close(&sealed);
	return true;
}

static void fail_each_call(int errnum, bool shorten)
{
	struct pile_plan plan = { .seed = 57, .n = 60, .projects = 3 };
	bool failed = true;
	uint64_t at;

	for (at = 1; failed; at++) {
		struct pile pile;
		struct err err = { 0 };
		bool ok;

		pile_make(&pile, &plan);
		pile.sim->fail_at = at;
		pile.sim->fail_errno = errnum;
		pile.sim->shorten = shorten;
		ok = pile_seal(&pile, NULL, &err);
		failed = pile.sim->failed;
		T_INT(ok, !failed);
		T_TRUE(ok || err.kind == (errnum == ENOSPC ? ERR_DISK_FULL : ERR_IO));
		pile.sim->fail_at = 0;
		T_TRUE(check_name(&pile) || !ok);
		T_TRUE(sim_find(pile.sim, "0000000000000009.tmp") == NULL);
		pile_release(&pile);
	}
	T_TRUE(at > 40);
}

TEST(failing_any_call_of_a_writer_leaves_a_whole_file_or_none)
{
	fail_each_call(EIO, false);
	fail_each_call(ENOSPC, true);
}

TEST(failing_any_call_of_a_reader_is_an_error_or_is_mended)
{
	struct pile_plan plan = { .seed = 58, .n = 100, .projects = 3 };
	struct pile pile;
	struct arena req;
	bool failed = true;
	size_t errors = 0;

	seal(&pile, &plan);
	arena_init(&req, 0);
	for (uint64_t at = 1; failed; at++) {
		struct err err = { 0 };
		struct record record;
		struct sealed *sealed;
		enum found found = FAILED;

		pile.sim->failed = false;
		pile.sim->fail_at = pile.sim->calls + at;
		pile.sim->fail_errno = EIO;
		sealed = sealed_open(&pile.options, &err);
		if (sealed != NULL) {
			found = sealed_read(sealed, pile.records[50].seq, &req, &record, &err);
		}
		failed = pile.sim->failed;
		if (found == FOUND) {
			T_TRUE(record_same(&record, &pile.records[50]));
		} else {
			T_INT(err.kind, ERR_IO);
			errors++;
		}
		pile.sim->fail_at = 0;
		sealed_close(&sealed);
		arena_clear(&req);
	}
	T_TRUE(errors > 1);
	arena_release(&req);
	pile_release(&pile);
}

TEST(a_power_cut_at_any_point_leaves_a_whole_file_or_none)
{
	struct pile_plan plan = { .seed = 59, .n = 60, .projects = 3 };
	bool cut = true;
	size_t with = 0, without = 0;

	for (uint64_t at = 1; cut; at++) {
		for (uint64_t round = 0; round < 8; round++) {
			struct pile pile;
			struct sim *sim;
			struct err err = { 0 };

			pile_make(&pile, &plan);
			sim = pile.sim;
			sim->seed += round;
			sim->cut_at = at;
			T_OK(pile_seal(&pile, NULL, &err));
			cut = sim->cut != NULL;
			if (cut) {
				pile.sim = sim->cut;
				pile.options.files.arg = pile.sim;
				*(check_name(&pile) ? &with : &without) += 1;
			}
			pile.sim = sim;
			pile_release(&pile);
		}
	}
	T_TRUE(without > 100);
	T_TRUE(with > 0);
}

T_MAIN(T(any_flipped_bit_loses_nothing_and_is_reported), T(reads_that_needed_parity_are_counted),
       T(a_burst_over_one_page_of_each_group_loses_nothing), T(a_file_cut_a_little_loses_nothing),
       T(two_damaged_pages_of_a_group_lose_what_is_named),
       T(without_index_and_tables_the_blocks_still_speak),
       T(failing_any_call_of_a_writer_leaves_a_whole_file_or_none),
       T(failing_any_call_of_a_reader_is_an_error_or_is_mended),
       T(a_power_cut_at_any_point_leaves_a_whole_file_or_none))
