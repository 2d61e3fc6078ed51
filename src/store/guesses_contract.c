/* SPDX-License-Identifier: Apache-2.0 */
/* Counters of failures: the newest state of each, those that matter most first. */
#include "store/fixture_contract.h"
#include "store/guesses.h"

struct seen {
	int64_t kinds[8], failures[8], last_us[8];
	size_t n;
};

static void see(void *arg, const struct guess_row *row)
{
	struct seen *seen = arg;

	ensure(seen->n < ARRAY_LEN(seen->kinds));
	seen->kinds[seen->n] = row->kind;
	seen->failures[seen->n] = row->failures;
	seen->last_us[seen->n++] = row->last_us;
}

static struct seen load(struct fixture *f, size_t max)
{
	struct seen seen = { 0 };
	struct err err = { 0 };

	T_OK(store_guesses_load(f->db, max, see, &seen, &err));
	return seen;
}

static void put(struct fixture *f, const struct guess_row *rows, size_t n)
{
	struct err err = { 0 };

	T_OK(db_begin(f->db, &err));
	T_OK(store_guesses_put(f->db, rows, n, &err));
	T_OK(db_commit(f->db, &err));
}

CONTRACT(a_counter_is_put_and_replaced)
{
	struct guess_row rows[] = { { 0, S("aa"), 3, AT }, { 1, S("aa"), 5, AT } };
	struct seen seen;

	put(f, rows, ARRAY_LEN(rows));
	rows[0].failures = 9;
	rows[0].last_us = AT + 1;
	put(f, rows, 1);
	seen = load(f, 8);
	T_INT(seen.n, 2);
	T_TRUE(seen.kinds[0] == 0 && seen.failures[0] == 9 && seen.last_us[0] == AT + 1);
	T_TRUE(seen.kinds[1] == 1 && seen.failures[1] == 5 && seen.last_us[1] == AT);
}

CONTRACT(those_with_most_failures_come_first)
{
	const struct guess_row rows[] = { { 0, S("aa"), 3, AT },
					  { 0, S("bb"), 7, AT },
					  { 0, S("cc"), 7, AT + 1 } };
	struct seen seen;

	put(f, rows, ARRAY_LEN(rows));
	seen = load(f, 2);
	T_INT(seen.n, 2);
	T_TRUE(seen.failures[0] == 7 && seen.last_us[0] == AT + 1);
	T_TRUE(seen.failures[1] == 7 && seen.last_us[1] == AT);
}

CONTRACT(what_is_old_or_forgiven_is_pruned)
{
	const struct guess_row rows[] = { { 0, S("aa"), 3, AT - 1 },
					  { 0, S("bb"), 0, AT + 5 },
					  { 0, S("cc"), 7, AT } };
	struct err err = { 0 };
	struct seen seen;

	put(f, rows, ARRAY_LEN(rows));
	T_OK(store_guesses_prune(f->db, AT, &err));
	seen = load(f, 8);
	T_INT(seen.n, 1);
	T_INT(seen.failures[0], 7);
}

CONTRACTS(guesses_contract, C(a_counter_is_put_and_replaced),
	  C(those_with_most_failures_come_first), C(what_is_old_or_forgiven_is_pruned))
