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

static uint64_t shown(struct fixture *f, struct project_id project, int64_t step_us)
{
	struct rollup_filter filter = { .project = project,
					.step_us = step_us,
					.to_us = INT64_MAX };
	struct rollup_list list;
	struct err err = { 0 };
	uint64_t n = 0;

	T_OK(store_rollup_list(ORG_A, f->db, &filter, 100000, &f->arena, &list, &err));
	for (size_t i = 0; i < list.n; i++) {
		n += list.rows[i].count;
	}
	return n;
}

/* An event in each of n minutes, counted by minute and by hour. */
static void count_minutes(struct fixture *f, struct project_id project, int64_t from_us, size_t n)
{
	struct rollup_row *rows = arena_array(&f->arena, 2 * n, sizeof(*rows));
	struct err err = { 0 };

	for (size_t i = 0; i < 2 * n; i++) {
		int64_t at_us = from_us + (int64_t)(i / 2) * ROLLUP_MINUTE_US;

		rows[i] = (struct rollup_row) {
			.org = ORG_A,
			.project = project,
			.step_us = i % 2 == 0 ? ROLLUP_MINUTE_US : ROLLUP_HOUR_US,
			.type = S("a"),
			.count = 1,
		};
		rows[i].start_us = at_us - at_us % rows[i].step_us;
	}
	T_OK(db_begin(f->db, &err));
	T_OK(store_rollups_add(f->db, rows, 2 * n, &err));
	T_OK(db_commit(f->db, &err));
}

static void clear_now(struct fixture *f, int64_t at_us)
{
	struct err err = { 0 };

	T_OK(db_begin(f->db, &err));
	T_OK(store_rollups_clear(ORG_A, f->db, PROJECT_A, at_us, &err));
	T_OK(db_commit(f->db, &err));
}

#define MINUTES 5000

CONTRACT(counts_from_before_a_deletion_are_hidden_and_go_in_slices)
{
	int64_t after_us = (int64_t)(MINUTES - 10) * ROLLUP_MINUTE_US, at_us = AT + after_us;
	struct err err = { 0 };
	enum found found;
	int slices = 0;

	count_minutes(f, PROJECT_A, AT, MINUTES);
	count_minutes(f, PROJECT_B, AT, MINUTES);
	T_INT(shown(f, PROJECT_A, ROLLUP_MINUTE_US), MINUTES);
	delete_events(f, (uint64_t)after_us);
	clear_now(f, at_us);
	T_INT(shown(f, PROJECT_A, ROLLUP_MINUTE_US), 0);
	T_INT(shown(f, PROJECT_A, ROLLUP_HOUR_US), 0);
	count_minutes(f, PROJECT_A, at_us, 1);
	T_INT(store_rollups_clear_older(ORG_B, f->db, PROJECT_A, at_us, &err), NOT_FOUND);
	while ((found = store_rollups_clear_older(ORG_A, f->db, PROJECT_A, at_us, &err)) == FOUND) {
		slices++;
		T_INT(shown(f, PROJECT_A, ROLLUP_MINUTE_US), 1);
		T_INT(shown(f, PROJECT_A, ROLLUP_HOUR_US), 1);
	}
	T_INT(found, NOT_FOUND);
	T_INT(slices, 3); /* 3,000 minutes, the rest of them, the hours */
	/* They are gone, not hidden, and nobody else's are. */
	delete_events(f, 0);
	T_INT(shown(f, PROJECT_A, ROLLUP_MINUTE_US), 1);
	T_INT(shown(f, PROJECT_A, ROLLUP_HOUR_US), 1);
	T_INT(shown(f, PROJECT_B, ROLLUP_MINUTE_US), MINUTES);
	T_INT(shown(f, PROJECT_B, ROLLUP_HOUR_US), MINUTES);
}

CONTRACTS(retention_contract, C(a_project_without_a_row_keeps_to_the_default),
	  C(days_are_set_and_what_is_gone_stays_gone),
	  C(a_deletion_waits_until_all_of_it_is_purged), C(all_rows_are_read_also_that_of_nobody),
	  C(counts_from_before_a_deletion_are_hidden_and_go_in_slices))
