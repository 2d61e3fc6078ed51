/* SPDX-License-Identifier: Apache-2.0 */
/* Counts of events: what is added adds up, bucket by bucket, and old buckets go. */
#include "store/fixture_contract.h"

#define MINUTE (AT - AT % ROLLUP_MINUTE_US)
#define HOUR (AT - AT % ROLLUP_HOUR_US)

static struct rollup_row row_of(const char *type, enum severity severity, int64_t start_us,
				uint64_t count)
{
	return (struct rollup_row) { .org = ORG_A,
				     .project = PROJECT_A,
				     .step_us = ROLLUP_MINUTE_US,
				     .start_us = start_us,
				     .type = slice_of(type),
				     .severity = severity,
				     .count = count };
}

static void add(struct fixture *f, const struct rollup_row *rows, size_t n)
{
	struct err err = { 0 };

	T_OK(db_begin(f->db, &err));
	T_OK(store_rollups_add(f->db, rows, n, &err));
	T_OK(db_commit(f->db, &err));
}

static struct rollup_list list(struct fixture *f, struct rollup_filter filter)
{
	struct rollup_list out;
	struct err err = { 0 };

	filter.project = PROJECT_A;
	filter.step_us = filter.step_us == 0 ? ROLLUP_MINUTE_US : filter.step_us;
	filter.to_us = filter.to_us == 0 ? INT64_MAX : filter.to_us;
	T_OK(store_rollup_list(ORG_A, f->db, &filter, 100, &f->arena, &out, &err));
	return out;
}

static void fill(struct fixture *f)
{
	struct rollup_row rows[] = {
		row_of("pay.failed", SEVERITY_HIGH, MINUTE, 3),
		row_of("pay.failed", SEVERITY_LOW, MINUTE, 1),
		row_of("pay.ok", SEVERITY_HIGH, MINUTE, 10),
		row_of("payment", SEVERITY_HIGH, MINUTE, 100),
		row_of("", SEVERITY_HIGH, MINUTE, 1000),
		row_of("pay.failed", SEVERITY_HIGH, MINUTE + ROLLUP_MINUTE_US, 5),
		row_of("pay.failed", SEVERITY_HIGH, MINUTE + 2 * ROLLUP_MINUTE_US, 7),
	};
	struct rollup_row hour = row_of("pay.failed", SEVERITY_HIGH, HOUR, 16);

	hour.step_us = ROLLUP_HOUR_US;
	add(f, rows, ARRAY_LEN(rows));
	add(f, &hour, 1);
}

CONTRACT(counts_add_up)
{
	struct rollup_list got;

	fill(f);
	fill(f);
	got = list(f, (struct rollup_filter) { 0 });
	T_INT(got.n, 4);
	T_TRUE(got.rows[0].start_us == MINUTE && got.rows[1].start_us == MINUTE);
	T_INT(got.rows[0].severity, SEVERITY_LOW);
	T_INT(got.rows[0].count, 2);
	T_INT(got.rows[1].severity, SEVERITY_HIGH);
	T_INT(got.rows[1].count, 2 * 1113);
	T_INT(got.rows[1].unnamed, 2000);
	T_INT(got.rows[3].count, 14);
	got = list(f, (struct rollup_filter) { .step_us = ROLLUP_HOUR_US });
	T_INT(got.n, 1);
	T_INT(got.rows[0].count, 32);
	T_TRUE(got.rows[0].start_us == HOUR);
}

CONTRACT(counts_are_found_by_type_severity_and_time)
{
	struct rollup_list got;

	fill(f);
	got = list(f, (struct rollup_filter) { .type = S("pay.failed") });
	T_INT(got.n, 4);
	T_INT(got.rows[1].count, 3);
	/* Some of those that the minute does not name may be of this type: that is said. */
	T_INT(got.rows[1].unnamed, 1000);
	got = list(f, (struct rollup_filter) { .type = S("pay.*"), .severity = SEVERITY_HIGH });
	T_INT(got.n, 3);
	T_INT(got.rows[0].count, 13);
	got = list(f, (struct rollup_filter) { .without = S("pay.") });
	T_INT(got.n, 1);
	T_INT(got.rows[0].count, 1100);
	got = list(f, (struct rollup_filter) { .type = S("pay%*") });
	T_INT(got.n, 1);
	T_INT(got.rows[0].count, 0);
	got = list(f, (struct rollup_filter) { .from_us = MINUTE + ROLLUP_MINUTE_US,
					       .to_us = MINUTE + 2 * ROLLUP_MINUTE_US });
	T_INT(got.n, 1);
	T_INT(got.rows[0].count, 5);
}

CONTRACT(a_transaction_that_fails_counts_nothing)
{
	struct rollup_row row = row_of("a", SEVERITY_NONE, MINUTE, 1);
	struct err err = { 0 };

	T_OK(db_begin(f->db, &err));
	T_OK(store_rollups_add(f->db, &row, 1, &err));
	db_rollback(f->db);
	T_INT(list(f, (struct rollup_filter) { 0 }).n, 0);
}

struct seen {
	size_t n;
	uint64_t count;
	int64_t start_us;
};

static void see(void *arg, const struct rollup_row *row)
{
	struct seen *seen = arg;

	seen->n++;
	seen->count += row->count;
	seen->start_us = row->start_us;
	T_SLICE(row->type, "pay.failed");
	T_INT(row->project.v, PROJECT_A.v);
}

CONTRACT(the_newest_bucket_is_found)
{
	struct seen seen = { 0 };
	struct err err = { 0 };

	T_OK(store_rollups_newest(f->db, ROLLUP_MINUTE_US, see, &seen, &err));
	T_INT(seen.n, 0);
	fill(f);
	T_OK(store_rollups_newest(f->db, ROLLUP_MINUTE_US, see, &seen, &err));
	T_INT(seen.n, 1);
	T_INT(seen.count, 7);
	T_TRUE(seen.start_us == MINUTE + 2 * ROLLUP_MINUTE_US);
}

CONTRACT(old_buckets_are_pruned_oldest_first)
{
	struct err err = { 0 };

	fill(f);
	T_OK(store_rollups_prune(f->db, ROLLUP_MINUTE_US, MINUTE, 10, &err));
	T_INT(list(f, (struct rollup_filter) { 0 }).n, 4);
	T_OK(store_rollups_prune(f->db, ROLLUP_MINUTE_US, INT64_MAX, 1, &err));
	T_INT(list(f, (struct rollup_filter) { 0 }).n, 2);
	T_OK(store_rollups_prune(f->db, ROLLUP_MINUTE_US, MINUTE + 2 * ROLLUP_MINUTE_US, 10, &err));
	T_INT(list(f, (struct rollup_filter) { 0 }).n, 1);
	T_INT(list(f, (struct rollup_filter) { .step_us = ROLLUP_HOUR_US }).n, 1);
}

static struct outcome_list outcomes(struct fixture *f, struct org_id org, int64_t step_us)
{
	struct outcome_filter filter = { .project = PROJECT_A,
					 .step_us = step_us,
					 .from_us = MINUTE,
					 .to_us = MINUTE + ROLLUP_MINUTE_US };
	struct outcome_list out;
	struct err err = { 0 };

	T_OK(store_outcome_list(org, f->db, &filter, 100, &f->arena, &out, &err));
	return out;
}

CONTRACT(outcomes_add_up_and_may_move)
{
	struct outcome_row row = { .org = ORG_A,
				   .project = PROJECT_A,
				   .step_us = ROLLUP_MINUTE_US,
				   .start_us = MINUTE,
				   .outcome = OUTCOME_RECEIVED,
				   .count = 5 };
	struct outcome_row moved = row;
	struct outcome_list got;
	struct err err = { 0 };

	moved.count = -2;
	T_OK(db_begin(f->db, &err));
	T_OK(store_outcomes_add(f->db, &row, 1, &err));
	T_OK(store_outcomes_add(f->db, &moved, 1, &err));
	row.outcome = OUTCOME_TOO_LARGE;
	T_OK(store_outcomes_add(f->db, &row, 1, &err));
	row.start_us += ROLLUP_MINUTE_US;
	T_OK(store_outcomes_add(f->db, &row, 1, &err));
	T_OK(db_commit(f->db, &err));
	got = outcomes(f, ORG_A, ROLLUP_MINUTE_US);
	T_INT(got.n, 2);
	for (size_t i = 0; i < got.n; i++) {
		T_INT(got.rows[i].count, got.rows[i].outcome == OUTCOME_RECEIVED ? 3 : 5);
	}
	T_INT(outcomes(f, ORG_A, ROLLUP_HOUR_US).n, 0);
	T_INT(outcomes(f, ORG_B, ROLLUP_MINUTE_US).n, 0);
	T_OK(store_outcomes_prune(f->db, ROLLUP_MINUTE_US, MINUTE, 10, &err));
	T_INT(outcomes(f, ORG_A, ROLLUP_MINUTE_US).n, 2);
	T_OK(store_outcomes_prune(f->db, ROLLUP_MINUTE_US, MINUTE + 1, 10, &err));
	T_INT(outcomes(f, ORG_A, ROLLUP_MINUTE_US).n, 0);
}

CONTRACTS(rollups_contract, C(counts_add_up), C(counts_are_found_by_type_severity_and_time),
	  C(a_transaction_that_fails_counts_nothing), C(the_newest_bucket_is_found),
	  C(old_buckets_are_pruned_oldest_first), C(outcomes_add_up_and_may_move))
