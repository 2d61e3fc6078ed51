/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept of a project: each writer has columns of its own, and nothing comes back. */
#include "store/fixture_contract.h"

struct seen {
	struct retention_row rows[4];
	size_t n;
};

static void see(void *arg, const struct retention_row *row)
{
	struct seen *seen = arg;

	ensure(seen->n < ARRAY_LEN(seen->rows));
	seen->rows[seen->n++] = *row;
}

static struct retention_row get(struct fixture *f, struct org_id org, enum found want)
{
	struct retention_row row;
	struct err err = { 0 };

	T_INT(store_retention_get(org, f->db, PROJECT_A, &f->arena, &row, &err), want);
	return row;
}

static void delete_events(struct fixture *f, uint64_t seq)
{
	struct retention_row row = { .org = ORG_A,
				     .project = PROJECT_A,
				     .days = RETENTION_DEFAULT,
				     .deleted_seq = seq,
				     .deleted_us = AT + (int64_t)seq };
	struct err err = { 0 };

	T_OK(db_begin(f->db, &err));
	T_OK(store_retention_delete(f->db, &row, 1, &err));
	T_OK(db_commit(f->db, &err));
}

static void gone(struct fixture *f, int64_t before_us)
{
	struct retention_row rows[] = {
		{ .org = ORG_A,
		  .project = PROJECT_A,
		  .days = RETENTION_DEFAULT,
		  .gone_us = before_us },
		{ .days = RETENTION_DEFAULT, .gone_us = before_us },
	};
	struct err err = { 0 };

	T_OK(db_begin(f->db, &err));
	T_OK(store_retention_gone(f->db, rows, ARRAY_LEN(rows), &err));
	T_OK(db_commit(f->db, &err));
}

CONTRACT(a_project_without_a_row_keeps_to_the_default)
{
	struct retention_row row = get(f, ORG_A, NOT_FOUND);

	T_INT(row.days, RETENTION_DEFAULT);
	T_INT(row.deleted_seq, 0);
}

CONTRACT(days_are_set_and_what_is_gone_stays_gone)
{
	struct err err = { 0 };

	T_OK(store_retention_set(ORG_A, f->db, PROJECT_A, 30, AT, &err));
	T_INT(get(f, ORG_A, FOUND).days, 30);
	T_OK(store_retention_set(ORG_A, f->db, PROJECT_A, 0, AT - 5, &err));
	T_INT(get(f, ORG_A, FOUND).days, 0);
	T_TRUE(get(f, ORG_A, FOUND).gone_us == AT);
	gone(f, AT + 1);
	gone(f, AT - 1);
	T_TRUE(get(f, ORG_A, FOUND).gone_us == AT + 1);
	T_INT(get(f, ORG_A, FOUND).days, 0);
}

CONTRACT(a_deletion_waits_until_all_of_it_is_purged)
{
	struct retention_row row;
	struct err err = { 0 };

	T_OK(store_retention_set(ORG_A, f->db, PROJECT_A, 7, 0, &err));
	delete_events(f, 100);
	delete_events(f, 200);
	row = get(f, ORG_A, FOUND);
	T_INT(row.deleted_seq, 200);
	T_TRUE(row.deleted_us == AT + 200);
	T_INT(row.days, 7);
	T_OK(store_retention_purged(ORG_A, f->db, PROJECT_A, 100, AT + 300, &err));
	T_INT(get(f, ORG_A, FOUND).purged_us, 0);
	T_OK(store_retention_purged(ORG_A, f->db, PROJECT_A, 200, AT + 300, &err));
	T_TRUE(get(f, ORG_A, FOUND).purged_us == AT + 300);
	delete_events(f, 400);
	T_INT(get(f, ORG_A, FOUND).purged_us, 0);
}

CONTRACT(all_rows_are_read_also_that_of_nobody)
{
	struct seen seen = { 0 };
	struct err err = { 0 };

	gone(f, AT);
	T_OK(store_retention_all(f->db, see, &seen, &err));
	T_INT(seen.n, 2);
	T_INT(seen.rows[0].org.v + seen.rows[1].org.v, ORG_A.v);
	T_TRUE(seen.rows[0].gone_us == AT && seen.rows[1].gone_us == AT);
}

CONTRACT(the_counts_of_one_project_are_cleared)
{
	struct rollup_filter filter = { .project = PROJECT_A,
					.step_us = ROLLUP_MINUTE_US,
					.to_us = INT64_MAX };
	struct rollup_list list;
	struct err err = { 0 };

	put_rollup(f, ORG_A, PROJECT_A, "a", 5);
	put_rollup(f, ORG_A, PROJECT_B, "a", 7);
	T_OK(store_rollups_clear(ORG_B, f->db, PROJECT_A, &err));
	T_OK(store_rollup_list(ORG_A, f->db, &filter, 10, &f->arena, &list, &err));
	T_INT(list.n, 1);
	T_OK(store_rollups_clear(ORG_A, f->db, PROJECT_A, &err));
	T_OK(store_rollup_list(ORG_A, f->db, &filter, 10, &f->arena, &list, &err));
	T_INT(list.n, 0);
	filter.project = PROJECT_B;
	T_OK(store_rollup_list(ORG_A, f->db, &filter, 10, &f->arena, &list, &err));
	T_INT(list.n, 1);
}

CONTRACTS(retention_contract, C(a_project_without_a_row_keeps_to_the_default),
	  C(days_are_set_and_what_is_gone_stays_gone),
	  C(a_deletion_waits_until_all_of_it_is_purged), C(all_rows_are_read_also_that_of_nobody),
	  C(the_counts_of_one_project_are_cleared))
