/* SPDX-License-Identifier: Apache-2.0 */
/* A project lets in the pages on its list, as long as it is there. */
#include "engine/project_set.h"

#include <stdio.h>

#include "engine/stage_test.h"
#include "store/store.h"
#include "test/t.h"

#define ORIGINS "[\"https://shop.example\",\"https://*.shop.example\"]"

static const struct project_row shop = {
	.id = { 5 },
	.org = { 7 },
	.origins = { ORIGINS, sizeof(ORIGINS) - 1 },
};

static bool lets_in(const struct project_set *set, const char *origin)
{
	return project_set_lets_in(set, shop.id, slice_of(origin));
}

TEST(a_project_lets_in_its_own_pages)
{
	struct project_set *set = project_set_new();
	struct project_row row = shop;

	T_TRUE(!lets_in(set, "https://shop.example"));
	project_set_put(set, &row);
	T_INT(project_set_get(set, row.id)->org.v, 7);
	T_TRUE(lets_in(set, "https://shop.example"));
	T_TRUE(lets_in(set, "https://a.shop.example"));
	T_TRUE(!lets_in(set, "https://other.example"));
	T_TRUE(!lets_in(set, ""));
	project_set_add(set, row.org, row.id);
	T_TRUE(lets_in(set, "https://shop.example"));
	row.origins = S("[]");
	project_set_put(set, &row);
	T_TRUE(!lets_in(set, "https://shop.example"));
	project_set_free(&set);
}

TEST(what_cannot_be_read_lets_nobody_in)
{
	struct project_set *set = project_set_new();
	struct project_row row = shop;

	row.origins = S("[\"https://shop.example\",");
	project_set_put(set, &row);
	T_TRUE(project_set_get(set, row.id) != NULL);
	T_TRUE(!lets_in(set, "https://shop.example"));
	project_set_free(&set);
}

TEST(a_deleted_project_is_not_there)
{
	struct project_set *set = project_set_new();
	struct project_row row = shop;

	project_set_put(set, &row);
	row.delete_after_us = 1;
	project_set_put(set, &row);
	T_TRUE(project_set_get(set, row.id) == NULL);
	project_set_add(set, row.org, row.id);
	T_TRUE(project_set_get(set, row.id) != NULL);
	project_set_del(set, row.id);
	project_set_del(set, row.id);
	T_TRUE(project_set_get(set, row.id) == NULL);
	project_set_add(set, (struct org_id) { 1 }, (struct project_id) { 11 });
	project_set_add(set, (struct org_id) { 1 }, (struct project_id) { 12 });
	project_set_add(set, (struct org_id) { 2 }, (struct project_id) { 21 });
	project_set_del_org(set, (struct org_id) { 1 });
	T_TRUE(project_set_get(set, (struct project_id) { 11 }) == NULL);
	T_TRUE(project_set_get(set, (struct project_id) { 12 }) == NULL);
	T_TRUE(project_set_get(set, (struct project_id) { 21 }) != NULL);
	project_set_free(&set);
}

#define LOADED 1001 /* more than two pages */

TEST(all_that_are_stored_are_loaded)
{
	struct project_set *set = project_set_new();
	struct org_row org = {
		.id = { 7 }, .slug = S("acme"), .name = S("Acme"), .status = S("active")
	};
	struct stage stage;
	struct home home;
	struct db *db = NULL;
	struct err err = { 0 };
	char slug[32];

	stage_init(&stage);
	home_init(&home, &stage);
	T_OK(home_open(&home, &err));
	T_OK(store_connect(home.store, STORE_KEEPER, &db, &err));
	T_OK(db_begin(db, &err));
	T_OK(store_org_insert(org.id, db, &org, &err));
	for (uint64_t i = 1; i <= LOADED; i++) {
		struct project_row row = shop;

		row.id.v = i;
		snprintf(slug, sizeof(slug), "p%llu", (unsigned long long)i);
		row.name = row.slug = slice_of(slug);
		T_OK(store_project_insert(org.id, db, &row, &err));
	}
	T_OK(db_commit(db, &err));
	T_INT(store_project_end(org.id, db, (struct project_id) { 700 }, 9, &err), FOUND);
	T_OK(project_set_load(set, db, &err));
	T_TRUE(lets_in(set, "https://shop.example"));
	T_TRUE(project_set_get(set, (struct project_id) { LOADED }) != NULL);
	T_TRUE(project_set_get(set, (struct project_id) { 700 }) == NULL);
	db_close(&db);
	home_close(&home);
	home_release(&home);
	stage_release(&stage);
	project_set_free(&set);
}

T_MAIN(T(a_project_lets_in_its_own_pages), T(what_cannot_be_read_lets_nobody_in),
       T(a_deleted_project_is_not_there), T(all_that_are_stored_are_loaded))
