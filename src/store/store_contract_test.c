/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract of the state store: one suite, run on SQLite and, where TOCSIN_TEST_PG names a
 * server, on PostgreSQL. Each part of the suite is a file of its own.
 */
#include <stdio.h>

#include "store/fixture_contract.h"

static const struct contract_list *const parts[] = {
	&schema_contract,  &db_contract,      &nouns_contract,	   &deliveries_contract,
	&changes_contract, &rollups_contract, &retention_contract, &walls_contract,
	&usage_contract,   &save_contract,    &people_contract,	   &members_contract,
	&guesses_contract, &leaving_contract, &replies_contract,   &audit_contract,
	&billing_contract, &sayings_contract, &org_purge_contract
};

/* The two databases as cmocka wants them: a test and a state per run. */
static struct fixture fixtures[] = { { .kind = STORE_SQLITE }, { .kind = STORE_POSTGRES } };
static const char *const kind_names[] = { "sqlite", "postgres" };

static void add(struct CMUnitTest *test, const struct contract *c, size_t kind)
{
	char *name = mem_alloc(128, 1);

	snprintf(name, 128, "%s: %s", kind_names[kind], c->name);
	*test = (struct CMUnitTest) {
		.name = name,
		.test_func = c->run,
		.setup_func = fixture_set_up,
		.teardown_func = fixture_tear_down,
		.initial_state = &fixtures[kind],
	};
}

int main(void)
{
	struct CMUnitTest tests[512];
	size_t n = 0;
	int failed;

	for (size_t kind = 0; kind < ARRAY_LEN(fixtures); kind++) {
		for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
			for (size_t j = 0; j < parts[i]->n; j++) {
				if (parts[i]->tests[j].not_on[kind]) {
					continue;
				}
				ensure(n < ARRAY_LEN(tests));
				add(&tests[n++], &parts[i]->tests[j], kind);
			}
		}
	}
	failed = _cmocka_run_group_tests("store", tests, n, NULL, NULL);
	for (size_t i = 0; i < n; i++) {
		free((char *)(uintptr_t)tests[i].name);
	}
	return failed;
}
