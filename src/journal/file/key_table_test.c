/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of keys find what is in them, also merged, and damage in them never hides a key. */
#include "journal/file/key_range.h"

#include <errno.h>

#include "journal/file/sim_test.h"
#include "test/t.h"

#define DIR "d"

static const struct journal_id id = { .v = "key table tests" };

static int compare(const void *a, const void *b)
{
	const struct key_entry *x = a, *y = b;

	if (x->hash != y->hash) {
		return x->hash < y->hash ? -1 : 1;
	}
	return x->seq == y->seq ? 0 : x->seq < y->seq ? -1 : 1;
}

struct list {
	struct key_entry *entries;
	size_t n;
	size_t at;
	struct buf out;
};

static bool rewind_list(void *arg, struct err *err UNUSED)
{
	struct list *list = arg;

	list->at = 0;
	return true;
}

static enum found next_of_list(void *arg, struct key_entry *entry, struct err *err UNUSED)
{
	struct list *list = arg;

	if (list->at == list->n) {
		return NOT_FOUND;
	}
	*entry = list->entries[list->at++];
	return FOUND;
}

static bool put(void *arg, const void *p, size_t n, struct err *err UNUSED)
{
	buf_put(arg, p, n);
	return true;
}

static void make_list(struct sim *sim, struct list *list, size_t n, uint64_t first_seq)
{
	*list = (struct list) { .n = n };
	list->entries = mem_alloc(n, sizeof(*list->entries));
	for (size_t i = 0; i < n; i++) {
		list->entries[i] = (struct key_entry) { sim_random(sim), first_seq + i };
	}
	qsort(list->entries, n, sizeof(*list->entries), compare);
}

static void put_file(struct sim *sim, struct list *list, uint64_t first_seq, const char *name)
{
	struct key_feed feed = { rewind_list, next_of_list, list };
	struct key_sink sink = { put, &list->out };
	uint64_t bytes;
	struct err err = { 0 };

	buf_init(&list->out, SIZE_MAX / 2);
	T_OK(key_table_write(&feed, list->n, first_seq, &sink, &bytes, &err));
	T_INT(bytes, list->out.n);
	key_range_encode(&(struct key_range) { .id = id, .first_seq = 1, .last_seq = UINT64_MAX },
			 buf_room(&list->out, KEY_RANGE_BYTES));
	list->out.n += KEY_RANGE_BYTES;
	sim_put(sim, name, list->out.p, list->out.n);
	buf_release(&list->out);
}

static struct key_file *open_file(struct sim *sim, const char *name)
{
	struct files files = { &sim_ops, sim };
	struct err err = { 0 };
	struct key_file *file = key_file_open(&files, DIR, name, &id, &err);

	if (file == NULL) {
		fail_msg("%s", err.text);
	}
	return file;
}

static void check_finds(const struct key_table *table, const struct list *list)
{
	struct err err = { 0 };
	uint64_t seqs[2];
	size_t n;

	for (size_t i = 0; i < list->n; i++) {
		T_OK(key_table_find(table, list->entries[i].hash, seqs, ARRAY_LEN(seqs), &n, &err));
		T_INT(n, 1);
		T_INT(seqs[0], list->entries[i].seq);
	}
}

TEST(every_key_is_found_and_few_strangers_are_looked_for)
{
	static const size_t sizes[] = { 0, 1, 47, 300, 5000, 100000 };

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct sim *sim = sim_new(i + 1);
		struct list list;
		struct key_file *file;
		struct err err = { 0 };
		uint64_t before, seqs[1];
		size_t n;

		make_list(sim, &list, sizes[i], 7000000);
		put_file(sim, &list, 7000000, "k");
		file = open_file(sim, "k");
		T_INT(file->table.entries, sizes[i]);
		T_TRUE(sizes[i] < 5000 || file->table.bytes < sizes[i] * 9);
		check_finds(&file->table, &list);
		before = sim->calls;
		for (size_t k = 0; k < 10000; k++) {
			T_OK(key_table_find(&file->table, sim_random(sim), seqs, 1, &n, &err));
			T_INT(n, 0);
		}
		/* One read each, two more for those that the filter mistakes. */
		T_TRUE(sim->calls - before < 10600);
		key_file_close(&file);
		free(list.entries);
		sim_free(&sim);
	}
}

TEST(the_newest_of_many_numbers_are_given)
{
	struct sim *sim = sim_new(1);
	struct list list = { .n = 1000 };
	struct key_file *file;
	struct err err = { 0 };
	uint64_t seqs[3];
	size_t n;

	list.entries = mem_alloc(list.n, sizeof(*list.entries));
	for (size_t i = 0; i < list.n; i++) {
		list.entries[i] = (struct key_entry) { UINT64_C(77) << 40, 10 + i };
	}
	put_file(sim, &list, 1, "k");
	file = open_file(sim, "k");
	T_OK(key_table_find(&file->table, UINT64_C(77) << 40, seqs, 3, &n, &err));
	T_INT(n, 3);
	T_TRUE(seqs[0] == 1007 && seqs[1] == 1008 && seqs[2] == 1009);
	key_file_close(&file);
	free(list.entries);
	sim_free(&sim);
}

static const struct key_range all = { .id = { .v = "key table tests" },
				      .first_seq = 1,
				      .last_seq = 99999,
				      .epoch = 7,
				      .last_us = 5 };
#define ALL_NAME "0000000000000001-000000000001869f.keys"

static enum found merge_all(struct files *files, const struct key_plan *plan, struct err *err)
{
	struct key_merge *merge = key_merge_new(files, DIR, plan, err);
	enum found found = merge == NULL ? FAILED : FOUND;

	while (found == FOUND) {
		found = key_merge_step(merge, 777, err);
	}
	key_merge_free(&merge);
	return found;
}

static struct key_file *merge_three(struct sim *sim, struct list *lists, struct key_plan *plan)
{
	struct files files = { &sim_ops, sim };
	struct key_file *inputs[3];
	struct err err = { 0 };

	plan->n = 3;
	plan->range = all;
	for (size_t i = 0; i < 3; i++) {
		char input[8] = { 'k', (char)('0' + i), '\0' };

		make_list(sim, &lists[i], 1000 * (i + 1), 1 + 10000 * i);
		put_file(sim, &lists[i], 1 + 10000 * i, input);
		inputs[i] = open_file(sim, input);
		plan->tables[i] = &inputs[i]->table;
	}
	T_INT(merge_all(&files, plan, &err), NOT_FOUND);
	for (size_t i = 0; i < 3; i++) {
		key_file_close(&inputs[i]);
	}
	return open_file(sim, ALL_NAME);
}

static void check_order(const struct key_table *table, size_t want)
{
	struct key_walk walk;
	struct key_entry entry, last = { 0 };
	struct err err = { 0 };
	size_t walked = 0;

	key_walk_init(&walk, table);
	while (key_walk_next(&walk, &entry, &err) == FOUND) {
		T_TRUE(compare(&last, &entry) < 0);
		last = entry;
		walked++;
	}
	T_INT(walked, want);
	key_walk_release(&walk);
}

TEST(a_merged_table_has_all_that_is_not_left_out)
{
	unsigned char gone[63] = { 0 };
	struct key_plan plan = { .gone = gone, .gone_first = 1, .gone_n = 500 };
	struct sim *sim = sim_new(3);
	struct list lists[3];
	struct key_file *file;
	struct err err = { 0 };
	uint64_t seqs[2];
	size_t n;

	memset(gone, 0xff, sizeof(gone));
	file = merge_three(sim, lists, &plan);
	T_INT(file->table.entries, 5500);
	T_INT(file->table.last_seq, 23000);
	T_INT(file->range.epoch, 7);
	T_INT(file->range.last_seq, 99999);
	T_INT(file->range.last_us, 5);
	check_finds(&file->table, &lists[1]);
	check_finds(&file->table, &lists[2]);
	for (size_t i = 0; i < lists[0].n; i++) {
		T_OK(key_table_find(&file->table, lists[0].entries[i].hash, seqs, 2, &n, &err));
		T_INT(n, lists[0].entries[i].seq >= 501);
	}
	check_order(&file->table, 5500);
	key_file_close(&file);
	for (size_t i = 0; i < 3; i++) {
		free(lists[i].entries);
	}
	sim_free(&sim);
}

TEST(names_are_told_from_others)
{
	static const char *const others[] = { "",
					      "0000000000000001.sealed",
					      "0000000000000001-0000000000000002.key",
					      "0000000000000001-000000000000000g.keys",
					      "0000000000000001-0000000000000002.keys.old",
					      "000000000000000100000000000000002.keys" };
	char name[KEY_FILE_NAME_BYTES];

	key_file_name(&all, name);
	T_STR(name, ALL_NAME);
	T_TRUE(key_file_is(name));
	T_FALSE(key_file_is_unfinished(name));
	T_TRUE(key_file_is_unfinished(ALL_NAME ".tmp"));
	T_FALSE(key_file_is(ALL_NAME ".tmp"));
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		T_FALSE(key_file_is(others[i]) || key_file_is_unfinished(others[i]));
	}
}

/* A file of its own has no parity, so damage must at least be seen. */
TEST(a_flipped_bit_is_seen_and_hides_no_key)
{
	struct sim *sim = sim_new(4);
	struct files files = { &sim_ops, sim };
	struct list list;
	struct sim_file *bytes;
	size_t seen = 0;

	make_list(sim, &list, 200, 1);
	put_file(sim, &list, 1, "k");
	bytes = sim_find(sim, "k");
	for (size_t bit = 0; bit < bytes->size * 8; bit++) {
		struct key_file *file;
		struct err err = { 0 };
		uint64_t seqs[2];
		size_t n;

		bytes->cache[bit / 8] ^= (char)(1 << bit % 8);
		file = key_file_open(&files, DIR, "k", &id, &err);
		seen += file == NULL;
		for (size_t i = bit % 7; file != NULL && i < list.n; i += 7) {
			if (!key_table_find(&file->table, list.entries[i].hash, seqs, 2, &n,
					    &err)) {
				T_INT(err.kind, ERR_CORRUPT);
				seen++;
				break;
			}
			T_INT(n, 1);
			T_INT(seqs[0], list.entries[i].seq);
		}
		key_file_close(&file);
		bytes->cache[bit / 8] ^= (char)(1 << bit % 8);
	}
	T_TRUE(seen > bytes->size * 2);
	free(list.entries);
	sim_free(&sim);
}

TEST(a_merge_that_fails_leaves_no_table)
{
	struct files files = { .ops = &sim_ops };
	bool failed = true;
	uint64_t at;

	for (at = 1; failed; at++) {
		struct sim *sim = sim_new(at);
		struct key_plan plan = { .n = 1, .range = all };
		struct list list;
		struct key_file *input, *file;
		struct err err = { 0 };
		enum found found;

		files.arg = sim;
		make_list(sim, &list, 3000, 1);
		put_file(sim, &list, 1, "k");
		input = open_file(sim, "k");
		plan.tables[0] = &input->table;
		sim->fail_at = sim->calls + at;
		sim->fail_errno = ENOSPC;
		found = merge_all(&files, &plan, &err);
		failed = sim->failed;
		T_TRUE(found == NOT_FOUND || failed); /* a failed read is tried once more */
		sim->fail_at = 0;
		if (sim_find(sim, ALL_NAME) != NULL) {
			file = open_file(sim, ALL_NAME);
			check_finds(&file->table, &list);
			key_file_close(&file);
		} else {
			T_INT(found, FAILED);
		}
		key_file_close(&input);
		free(list.entries);
		sim_free(&sim);
	}
	T_TRUE(at > 10);
}

/* The range is as much needed as the table: any bit of it. */
TEST(a_range_that_is_damaged_or_of_another_journal_is_refused)
{
	struct journal_id other = { .v = "another" };
	char bytes[KEY_RANGE_BYTES];
	struct key_range back;
	struct sim *sim = sim_new(1);
	struct files files = { &sim_ops, sim };
	struct list list;
	struct err err = { 0 };

	key_range_encode(&all, bytes);
	for (size_t bit = 0; bit < sizeof(bytes) * 8; bit++) {
		bytes[bit / 8] ^= (char)(1 << bit % 8);
		T_FALSE(key_range_decode(bytes, &back));
		bytes[bit / 8] ^= (char)(1 << bit % 8);
	}
	T_TRUE(key_range_decode(bytes, &back));
	make_list(sim, &list, 10, 1);
	put_file(sim, &list, 1, "k");
	assert_null(key_file_open(&files, DIR, "k", &other, &err));
	T_INT(err.kind, ERR_CORRUPT);
	assert_null(key_file_open(&files, DIR, "none", &id, &err));
	T_INT(err.kind, ERR_NOT_FOUND);
	free(list.entries);
	sim_free(&sim);
}

T_MAIN(T(every_key_is_found_and_few_strangers_are_looked_for),
       T(the_newest_of_many_numbers_are_given), T(a_merged_table_has_all_that_is_not_left_out),
       T(names_are_told_from_others), T(a_flipped_bit_is_seen_and_hides_no_key),
       T(a_merge_that_fails_leaves_no_table),
       T(a_range_that_is_damaged_or_of_another_journal_is_refused))
