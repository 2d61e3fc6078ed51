/* SPDX-License-Identifier: Apache-2.0 */
/* A fresh store per test; see the header. */
#include "store/fixture_contract.h"

#include <ftw.h>
#include <stdio.h>
#include <unistd.h>

#include "base/rand.h"
#include "pg/pg.h"

static const char *pg_url(void)
{
	return getenv("TOCSIN_TEST_PG");
}

void fixture_on_server(const char *sql)
{
	struct err err = { 0 };
	struct pg *pg = NULL;

	T_OK(pg_open(pg_url(), "contract", "", &pg, &err));
	T_OK(pg_script(pg, sql, &err));
	pg_close(&pg);
}

static void make_schema(struct fixture *f)
{
	char sql[128];

	snprintf(f->place, sizeof(f->place), "tocsin_test_%llx", (unsigned long long)rand_u64());
	snprintf(sql, sizeof(sql), "create schema %s", f->place);
	fixture_on_server(sql);
	snprintf(f->url, sizeof(f->url), "%s%coptions=-csearch_path%%3D%s", pg_url(),
		 strchr(pg_url(), '?') == NULL ? '?' : '&', f->place);
}

static void make_folder(struct fixture *f)
{
	snprintf(f->place, sizeof(f->place), "/tmp/tocsin-store.XXXXXX");
	T_TRUE(mkdtemp(f->place) != NULL);
	snprintf(f->url, sizeof(f->url), "sqlite:%s/state.db", f->place);
}

static int remove_entry(const char *path, const struct stat *st UNUSED, int flag UNUSED,
			struct FTW *ftw UNUSED)
{
	return remove(path);
}

static void remove_place(struct fixture *f)
{
	char sql[128];

	if (f->kind == STORE_SQLITE) {
		T_INT(nftw(f->place, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
		return;
	}
	snprintf(sql, sizeof(sql), "drop schema %s cascade", f->place);
	fixture_on_server(sql);
}

static void put_org(struct fixture *f, struct org_id org, struct project_id project,
		    struct slice slug)
{
	struct org_row o = {
		.id = org, .slug = slug, .name = slug, .status = S("active"), .created_us = AT
	};
	struct project_row p = {
		.id = project,
		.org = org,
		.slug = S("default"),
		.name = S("Default"),
		.is_default = true,
		.created_us = AT,
	};
	struct err err = { 0 };

	T_OK(store_org_insert(org, f->db, &o, &err));
	T_OK(store_project_insert(org, f->db, &p, &err));
}

void fixture_put_orgs(struct fixture *f)
{
	put_org(f, ORG_A, PROJECT_A, S("acme"));
	put_org(f, ORG_B, PROJECT_B, S("bolt"));
}

int fixture_set_up(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };

	f->missing = f->kind == STORE_POSTGRES && pg_url() == NULL;
	arena_init(&f->arena, 0);
	if (f->missing) {
		return 0;
	}
	if (f->kind == STORE_SQLITE) {
		make_folder(f);
	} else {
		make_schema(f);
	}
	log_setup(LOG_WARN, LOG_TEXT, STDERR_FILENO);
	T_OK(store_open(slice_of(f->url), &f->store, &err));
	T_OK(store_migrate(f->store, store_schema_newest(), AT, NULL, &err));
	f->db = fixture_connect(f);
	fixture_put_orgs(f);
	return 0;
}

int fixture_tear_down(void **state)
{
	struct fixture *f = *state;

	arena_release(&f->arena);
	if (!f->missing) {
		db_close(&f->db);
		store_close(&f->store);
		remove_place(f);
	}
	return 0;
}

void fixture_need(struct fixture *f)
{
	if (f->missing) {
		print_message("# skipped: TOCSIN_TEST_PG names no PostgreSQL server\n");
		skip();
	}
}

struct db *fixture_connect(struct fixture *f)
{
	struct err err = { 0 };
	struct db *db = NULL;

	T_OK(store_connect(f->store, STORE_API, &db, &err));
	return db;
}

/* Terminated texts that live until the next call for the same number of digits. */
static struct slice numbered(const char *prefix, uint64_t n)
{
	static _Thread_local char texts[64][96];
	static _Thread_local size_t at;
	char *text = texts[at++ % ARRAY_LEN(texts)];

	snprintf(text, sizeof(texts[0]), "%s%llu", prefix, (unsigned long long)n);
	return slice_of(text);
}

struct key_row sample_key(struct org_id org, struct project_id project, uint64_t id)
{
	return (struct key_row) {
		.id = { id },
		.org = org,
		.project = project,
		.name = numbered("key ", id),
		.hash = numbered("hash", id),
		.prefix = S("sk_12345"),
		.scopes = S("events:write rules:read"),
		.created_us = AT + (int64_t)id,
	};
}

struct rule_row sample_rule(struct org_id org, struct project_id project, uint64_t id)
{
	return (struct rule_row) {
		.id = { id },
		.org = org,
		.project = project,
		.name = numbered("rule ", id),
		.version = 1,
		.definition = S("{\"threshold\":5}"),
		.event_type = S("checkout_failed"),
		.enabled = true,
		.created_us = AT + (int64_t)id,
		.updated_us = AT + (int64_t)id,
		.seq = id,
	};
}

struct alert_row sample_alert(struct org_id org, struct project_id project, uint64_t number)
{
	return (struct alert_row) {
		.number = { number },
		.org = org,
		.project = project,
		.rule = { 7 },
		.rule_version = 3,
		.rule_name = S("Checkout failures"),
		.event_seq = number * 10,
		.event_us = AT + (int64_t)number,
		.event_type = S("checkout_failed"),
		.key = S("[\"user-1\"]"),
		.severity = S("high"),
		.count = 5,
		.count_is_least = true,
		.title = numbered("alert ", number),
		.cid = S("req-1"),
		.created_us = AT + (int64_t)number,
	};
}

struct delivery_row sample_delivery(struct org_id org, struct project_id project, uint64_t number)
{
	return (struct delivery_row) {
		.number = { number },
		.org = org,
		.project = project,
		.alert = { number },
		.alert_us = AT,
		.rule = { 7 },
		.rule_name = S("Checkout failures"),
		.action_index = 1,
		.event_seq = number * 10,
		.event_us = AT,
		.event_type = S("checkout_failed"),
		.channel = S("webhook"),
		.destination = S("https://example.com/hook"),
		.config = S("{\"url\":\"https://example.com/hook\"}"),
		.payload = numbered("{\"n\":1}", number),
		.cid = S("req-1"),
		.status = DELIVERY_PENDING,
		.created_us = AT + (int64_t)number,
		.due_us = AT + (int64_t)number,
	};
}

struct change_row sample_change(struct org_id org, struct project_id project, const char *body)
{
	return (struct change_row) {
		.org = org,
		.project = project,
		.kind = S("alert"),
		.body = slice_of(body),
		.created_us = AT,
	};
}

void put_alert(struct fixture *f, struct alert_row row)
{
	struct err err = { 0 };

	T_OK(db_begin(f->db, &err));
	T_OK(store_alerts_insert(f->db, &row, 1, &err));
	T_OK(db_commit(f->db, &err));
}

void put_delivery(struct fixture *f, struct delivery_row row)
{
	struct err err = { 0 };

	T_OK(db_begin(f->db, &err));
	T_OK(store_deliveries_insert(f->db, &row, 1, &err));
	T_OK(db_commit(f->db, &err));
}

void put_change(struct fixture *f, struct change_row row)
{
	struct err err = { 0 };

	T_OK(db_begin(f->db, &err));
	T_OK(store_changes_insert(f->db, &row, 1, &err));
	T_OK(db_commit(f->db, &err));
}

void put_rollup(struct fixture *f, struct org_id org, struct project_id project, const char *type,
		uint64_t count)
{
	struct rollup_row row = { .org = org,
				  .project = project,
				  .step_us = ROLLUP_MINUTE_US,
				  .start_us = AT - AT % ROLLUP_MINUTE_US,
				  .type = slice_of(type),
				  .count = count };
	struct err err = { 0 };

	T_OK(db_begin(f->db, &err));
	T_OK(store_rollups_add(f->db, &row, 1, &err));
	T_OK(db_commit(f->db, &err));
}
