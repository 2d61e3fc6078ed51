/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_FIXTURE_CONTRACT_H
#define STORE_FIXTURE_CONTRACT_H

#include "store/global.h"
#include "store/store.h"
#include "test/t.h"

/*
 * The stage of the contract suite: every test gets a fresh, migrated store with two organizations,
 * on SQLite in a folder of its own and on PostgreSQL in a schema of its own, both gone afterwards.
 */
struct fixture {
	enum store_kind kind;
	bool missing;	/* no PostgreSQL to test against */
	char place[64]; /* folder or schema */
	char url[1024];
	struct store *store;
	struct db *db;
	struct arena arena;
};

#define AT INT64_C(1700000000000000) /* when everything happens */
#define ORG_A ((struct org_id) { 11 })
#define ORG_B ((struct org_id) { 22 })
#define PROJECT_A ((struct project_id) { 110 })
#define PROJECT_B ((struct project_id) { 220 })

/* A test of the contract: runs once per database. f is in scope. */
#define CONTRACT(name) \
	static void name##_on(struct fixture *f); \
	static void name(void **state) \
	{ \
		fixture_need(*state); \
		name##_on(*state); \
	} \
	static void name##_on(struct fixture *f)
struct contract {
	const char *name;
	void (*run)(void **state);
	bool not_on[2]; /* by enum store_kind: what this database has no such thing as */
};
#define C(test) \
	{ \
		.name = #test, .run = test \
	}
#define C_SQLITE(test) \
	{ \
		.name = #test, .run = test, .not_on[STORE_POSTGRES] = true \
	}
#define C_POSTGRES(test) \
	{ \
		.name = #test, .run = test, .not_on[STORE_SQLITE] = true \
	}
struct contract_list {
	const struct contract *tests;
	size_t n;
};
#define CONTRACTS(list, ...) \
	static const struct contract list##_tests[] = { __VA_ARGS__ }; \
	const struct contract_list list = { list##_tests, ARRAY_LEN(list##_tests) };

extern const struct contract_list audit_contract;
extern const struct contract_list billing_contract;
extern const struct contract_list schema_contract;
extern const struct contract_list db_contract;
extern const struct contract_list members_contract;
extern const struct contract_list nouns_contract;
extern const struct contract_list org_purge_contract;
extern const struct contract_list people_contract;
extern const struct contract_list deliveries_contract;
extern const struct contract_list changes_contract;
extern const struct contract_list guesses_contract;
extern const struct contract_list leaving_contract;
extern const struct contract_list replies_contract;
extern const struct contract_list retention_contract;
extern const struct contract_list rollups_contract;
extern const struct contract_list save_contract;
extern const struct contract_list sayings_contract;
extern const struct contract_list usage_contract;
extern const struct contract_list walls_contract;

/* cmocka's setup and teardown; *state is a struct fixture whose kind is set. */
int fixture_set_up(void **state);
int fixture_tear_down(void **state);
/* Skip, with the reason, when the database of this run is not there. */
void fixture_need(struct fixture *f);
/* Run SQL on the server of PostgreSQL, as who owns it. */
void fixture_on_server(const char *sql);
/* The two organizations, in a store that is migrated. */
void fixture_put_orgs(struct fixture *f);
/* One more connection. */
struct db *fixture_connect(struct fixture *f);

/* Rows that are complete and differ by their number. */
struct key_row sample_key(struct org_id org, struct project_id project, uint64_t id);
struct rule_row sample_rule(struct org_id org, struct project_id project, uint64_t id);
struct alert_row sample_alert(struct org_id org, struct project_id project, uint64_t number);
/* Pending, due at AT + number. */
struct delivery_row sample_delivery(struct org_id org, struct project_id project, uint64_t number);
struct user_row sample_user(uint64_t id, const char *mail);
struct change_row sample_change(struct org_id org, struct project_id project, const char *body);

/* In a transaction of their own. */
void put_alert(struct fixture *f, struct alert_row row);
void put_delivery(struct fixture *f, struct delivery_row row);
void put_user(struct fixture *f, uint64_t id, const char *mail);
void put_change(struct fixture *f, struct change_row row);
/* count events of the minute of AT, without a severity. */
void put_rollup(struct fixture *f, struct org_id org, struct project_id project, const char *type,
		uint64_t count);

/* Everything of billing that an org can have, for A, and how much of it an org sees. */
void put_billing(struct fixture *f);
size_t billing_looks(struct fixture *f, struct org_id org);

#define PAGE_OF(n) (&(struct page) { .limit = (n) })

#endif
