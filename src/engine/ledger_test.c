/* SPDX-License-Identifier: Apache-2.0 */
/* What is counted is saved once, whatever fails and whoever counts meanwhile. */
#include "engine/ledger.h"

#include <pthread.h>

#include "engine/stage_test.h"
#include "store/fault_test.h"

#define T0 INT64_C(1700000040000000)
#define ORG ((struct org_id) { 1 })
#define PROJECT ((struct project_id) { 2 })

struct books {
	struct home home; /* for its folder: no engine runs here */
	struct metrics *metrics;
	struct ledger *ledger;
	struct db *db;
};

static void books_open(struct books *b)
{
	struct err err;

	home_init(&b->home, NULL);
	T_OK(store_open(slice_of(home_path(&b->home, "state.db")), &b->home.store, &err));
	T_OK(store_migrate(b->home.store, store_schema_newest(), T0, NULL, &err));
	T_OK(store_connect(b->home.store, STORE_KEEPER, &b->db, &err));
	b->metrics = metrics_new();
	b->ledger = ledger_new(b->metrics);
}

static void books_close(struct books *b)
{
	ledger_free(&b->ledger);
	metrics_free(&b->metrics);
	db_close(&b->db);
	home_release(&b->home);
}

TEST(counts_are_saved_by_minute_and_hour)
{
	struct books b;
	struct err err;

	books_open(&b);
	ledger_add(b.ledger, ORG, PROJECT, T0, OUTCOME_RECEIVED, 3);
	ledger_add(b.ledger, ORG, PROJECT, T0 + 1, OUTCOME_ACCEPTED, 2);
	ledger_add(b.ledger, ORG, PROJECT, T0 + ROLLUP_MINUTE_US, OUTCOME_RECEIVED, 1);
	ledger_add(b.ledger, ORG, (struct project_id) { 3 }, T0, OUTCOME_RECEIVED, 9);
	T_OK(ledger_save(b.ledger, b.db, &err));
	T_OK(ledger_save(b.ledger, b.db, &err));
	ledger_add(b.ledger, ORG, PROJECT, T0 + 2, OUTCOME_INVALID, 1);
	ledger_add(b.ledger, ORG, PROJECT, T0 + 2, OUTCOME_RECEIVED, -1);
	T_OK(ledger_save(b.ledger, b.db, &err));
	T_INT(home_number(&b.home, "select count from outcomes where step = 60000000"
				   " and project_id = 2 and outcome = 'received'"
				   " order by start_at"),
	      2);
	T_INT(home_number(&b.home, "select count from outcomes where step = 3600000000"
				   " and project_id = 2 and outcome = 'received'"),
	      3);
	T_INT(home_number(&b.home, "select sum(count) from outcomes where step = 60000000"), 15);
	T_INT(home_number(&b.home, "select sum(count) from outcomes where step = 3600000000"), 15);
	books_close(&b);
}

TEST(what_cannot_be_saved_is_kept)
{
	struct books b;
	struct err err;

	books_open(&b);
	ledger_add(b.ledger, ORG, PROJECT, T0, OUTCOME_RECEIVED, 3);
	fault_set(FAULT_FULL, 0, 1);
	T_FAIL(ledger_save(b.ledger, b.db, &err), ERR_DISK_FULL);
	fault_set(FAULT_NONE, 0, 0);
	ledger_add(b.ledger, ORG, PROJECT, T0, OUTCOME_RECEIVED, 4);
	T_OK(ledger_save(b.ledger, b.db, &err));
	T_INT(home_number(&b.home, "select sum(count) from outcomes where step = 60000000"), 7);
	books_close(&b);
}

TEST(too_much_to_save_is_dropped_and_counted)
{
	struct books b;

	books_open(&b);
	for (int64_t i = 0; i < LEDGER_CELLS_MAX + 5; i++) {
		ledger_add(b.ledger, ORG, PROJECT, T0 + i * ROLLUP_MINUTE_US, OUTCOME_RECEIVED, 2);
	}
	T_INT(metric_get(b.metrics, METRIC_OUTCOMES_LOST), 10);
	/* What is there already goes on. */
	ledger_add(b.ledger, ORG, PROJECT, T0, OUTCOME_RECEIVED, 2);
	T_INT(metric_get(b.metrics, METRIC_OUTCOMES_LOST), 10);
	books_close(&b);
}

#define ROUNDS 20000

static void *count(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		ledger_add(arg, ORG, (struct project_id) { 2 + (uint64_t)i % 5 },
			   T0 + i * (ROLLUP_MINUTE_US / 1000), OUTCOME_RECEIVED, 1);
	}
	return NULL;
}

TEST(counting_goes_on_while_it_is_saved)
{
	struct books b;
	pthread_t threads[2];
	struct err err;

	books_open(&b);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		T_INT(pthread_create(&threads[i], NULL, count, b.ledger), 0);
	}
	for (int i = 0; i < 20; i++) {
		T_OK(ledger_save(b.ledger, b.db, &err));
	}
	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		T_INT(pthread_join(threads[i], NULL), 0);
	}
	T_OK(ledger_save(b.ledger, b.db, &err));
	T_INT(home_number(&b.home, "select sum(count) from outcomes where step = 3600000000"),
	      2 * ROUNDS);
	books_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(counts_are_saved_by_minute_and_hour),
		T(what_cannot_be_saved_is_kept),
		T(too_much_to_save_is_dropped_and_counted),
		T(counting_goes_on_while_it_is_saved),
	};

	fault_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
