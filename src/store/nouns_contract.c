/* SPDX-License-Identifier: Apache-2.0 */
/* Orgs, projects, keys, rules, alerts, cursors: what goes in comes out, page by page. */
#include <stdio.h>

#include "store/fixture_contract.h"

CONTRACT(orgs_and_projects_are_found)
{
	struct org_row org;
	struct project_row project;
	struct project_list list;
	struct org_list orgs;
	struct err err = { 0 };

	T_INT(store_org_by_slug(f->db, S("acme"), &f->arena, &org, &err), FOUND);
	T_INT(org.id.v, ORG_A.v);
	T_SLICE(org.status, "active");
	T_INT(store_org_by_slug(f->db, S("nobody"), &f->arena, &org, &err), NOT_FOUND);
	T_INT(store_org_get(ORG_B, f->db, &f->arena, &org, &err), FOUND);
	T_SLICE(org.slug, "bolt");
	T_INT(store_project_default(ORG_A, f->db, &f->arena, &project, &err), FOUND);
	T_INT(project.id.v, PROJECT_A.v);
	T_TRUE(project.is_default);
	T_INT(store_project_by_slug(ORG_A, f->db, S("default"), &f->arena, &project, &err), FOUND);
	T_INT(store_project_get(ORG_A, f->db, PROJECT_A, &f->arena, &project, &err), FOUND);
	T_SLICE(project.name, "Default");
	T_OK(store_project_list(ORG_A, f->db, PAGE_OF(10), &f->arena, &list, &err));
	T_INT(list.n, 1);
	T_INT(list.next.id, 0);
	T_OK(store_org_list(f->db, PAGE_OF(1), &f->arena, &orgs, &err));
	T_INT(orgs.n, 1);
	T_INT(orgs.rows[0].id.v, ORG_B.v);
	T_OK(store_org_list(f->db, &(struct page) { .limit = 1, .after = orgs.next }, &f->arena,
			    &orgs, &err));
	T_INT(orgs.rows[0].id.v, ORG_A.v);
	T_INT(orgs.next.id, 0);
}

CONTRACT(slugs_and_defaults_are_unique)
{
	struct org_row org = {
		.id = { 33 }, .slug = S("acme"), .name = S("x"), .status = S("active")
	};
	struct project_row project = {
		.id = { 330 }, .org = ORG_A, .slug = S("default"), .name = S("x")
	};
	struct err err = { 0 };

	T_FAIL(store_org_insert(org.id, f->db, &org, &err), ERR_CONFLICT);
	T_FAIL(store_project_insert(ORG_A, f->db, &project, &err), ERR_CONFLICT);
	project.slug = S("second");
	project.is_default = true;
	T_FAIL(store_project_insert(ORG_A, f->db, &project, &err), ERR_CONFLICT);
	project.is_default = false;
	T_OK(store_project_insert(ORG_A, f->db, &project, &err));
	project.id.v = 331;
	project.org.v = 999;
	T_FAIL(store_project_insert(project.org, f->db, &project, &err), ERR_CONFLICT);
}

static void put_key(struct fixture *f, struct org_id org, struct project_id project, uint64_t id)
{
	struct key_row row = sample_key(org, project, id);
	struct err err = { 0 };

	T_OK(store_key_insert(org, f->db, &row, &err));
}

CONTRACT(keys_live_and_are_revoked)
{
	struct key_row row = sample_key(ORG_A, PROJECT_A, 5), got;
	struct key_list all;
	struct err err = { 0 };

	row.expires_us = AT + 99;
	T_OK(store_key_insert(ORG_A, f->db, &row, &err));
	put_key(f, ORG_B, PROJECT_B, 4);
	T_INT(store_key_get(ORG_A, f->db, PROJECT_A, row.id, &f->arena, &got, &err), FOUND);
	T_SLICE(got.name, "key 5");
	T_SLICE(got.hash, "hash5");
	T_SLICE(got.scopes, "events:write rules:read");
	T_TRUE(got.expires_us == AT + 99 && got.revoked_us == 0 && got.last_used_us == 0);
	T_INT(store_key_get(ORG_A, f->db, PROJECT_B, row.id, &f->arena, &got, &err), NOT_FOUND);
	T_OK(store_keys_all(f->db, (struct key_id) { 0 }, 10, &f->arena, &all, &err));
	T_INT(all.n, 2);
	T_INT(all.rows[0].id.v, 4);
	T_INT(store_key_revoke(ORG_A, f->db, PROJECT_A, row.id, 0, AT + 1, &err), FOUND);
	T_INT(store_key_revoke(ORG_A, f->db, PROJECT_A, row.id, 0, AT + 2, &err), NOT_FOUND);
	T_INT(store_key_get(ORG_A, f->db, (struct project_id) { 0 }, row.id, &f->arena, &got, &err),
	      FOUND);
	T_TRUE(got.revoked_us == AT + 1);
	T_OK(store_keys_all(f->db, (struct key_id) { 0 }, 10, &f->arena, &all, &err));
	T_INT(all.n, 1);
	T_OK(store_keys_all(f->db, all.rows[0].id, 10, &f->arena, &all, &err));
	T_INT(all.n, 0);
}

CONTRACT(keys_and_rules_are_found_by_what_they_are_called)
{
	struct key_row key;
	struct rule_row rule = sample_rule(ORG_A, PROJECT_A, 7), found;
	struct err err = { 0 };

	put_key(f, ORG_A, PROJECT_A, 5);
	T_INT(store_key_by_hash(ORG_A, f->db, S("hash5"), &f->arena, &key, &err), FOUND);
	T_INT(key.id.v, 5);
	T_INT(store_key_by_hash(ORG_A, f->db, S("hash6"), &f->arena, &key, &err), NOT_FOUND);
	T_INT(store_key_by_name(ORG_A, f->db, PROJECT_A, S("key 5"), &f->arena, &key, &err), FOUND);
	T_INT(store_key_by_name(ORG_A, f->db, PROJECT_B, S("key 5"), &f->arena, &key, &err),
	      NOT_FOUND);
	T_INT(store_key_revoke(ORG_A, f->db, PROJECT_A, key.id, 0, AT + 1, &err), FOUND);
	T_INT(store_key_by_hash(ORG_A, f->db, S("hash5"), &f->arena, &key, &err), FOUND);
	T_INT(store_key_by_name(ORG_A, f->db, PROJECT_A, S("key 5"), &f->arena, &key, &err),
	      NOT_FOUND);
	T_OK(store_rule_put(ORG_A, f->db, &rule, &err));
	rule.id.v = 8;
	rule.created_us++;
	T_OK(store_rule_put(ORG_A, f->db, &rule, &err));
	T_INT(store_rule_by_name(ORG_A, f->db, PROJECT_A, rule.name, &f->arena, &found, &err),
	      FOUND);
	T_INT(found.id.v, 7);
	T_INT(store_rule_delete(ORG_A, f->db, found.id, AT, 9, &err), FOUND);
	T_INT(store_rule_by_name(ORG_A, f->db, PROJECT_A, rule.name, &f->arena, &found, &err),
	      FOUND);
	T_INT(found.id.v, 8);
	T_INT(store_rule_by_name(ORG_A, f->db, PROJECT_A, S("x"), &f->arena, &found, &err),
	      NOT_FOUND);
}

CONTRACT(key_of_a_foreign_project_is_refused)
{
	struct key_row row = sample_key(ORG_A, PROJECT_B, 1);
	struct err err = { 0 };

	T_FAIL(store_key_insert(ORG_A, f->db, &row, &err), ERR_CONFLICT);
}

CONTRACT(last_use_only_goes_forward)
{
	struct key_use uses[] = { { { 1 }, AT + 5 }, { { 2 }, AT + 7 }, { { 1 }, AT + 3 } };
	struct key_row got;
	struct err err = { 0 };

	put_key(f, ORG_A, PROJECT_A, 1);
	put_key(f, ORG_B, PROJECT_B, 2);
	T_OK(db_begin(f->db, &err));
	T_OK(store_keys_touch(f->db, uses, ARRAY_LEN(uses), &err));
	T_OK(db_commit(f->db, &err));
	T_INT(store_key_get(ORG_A, f->db, PROJECT_A, uses[0].id, &f->arena, &got, &err), FOUND);
	T_TRUE(got.last_used_us == AT + 5);
	T_INT(store_key_get(ORG_B, f->db, PROJECT_B, uses[1].id, &f->arena, &got, &err), FOUND);
	T_TRUE(got.last_used_us == AT + 7);
}

CONTRACT(pages_are_stable_while_rows_come_in)
{
	struct page page = { .limit = 3 };
	struct key_list list;
	struct err err = { 0 };
	uint64_t want = 10, seen = 0;

	for (uint64_t id = 1; id <= 10; id++) {
		put_key(f, ORG_A, PROJECT_A, id);
	}
	do {
		T_OK(store_key_list(ORG_A, f->db, PROJECT_A, &page, &f->arena, &list, &err));
		for (size_t i = 0; i < list.n; i++) {
			T_INT(list.rows[i].id.v, want--);
		}
		seen += list.n;
		page.after = list.next;
		put_key(f, ORG_A, PROJECT_A, 100 + seen);
	} while (page.after.id != 0);
	T_INT(seen, 10);
}

CONTRACT(pages_of_large_rows_end_early)
{
	struct page page = { .limit = 10 };
	char *text = arena_alloc(&f->arena, PAGE_BYTES_MAX / 3);
	struct rule_list list;
	struct err err = { 0 };
	uint64_t want = 20;

	memset(text, 'x', PAGE_BYTES_MAX / 3);
	for (uint64_t id = 1; id <= 20; id++) {
		struct rule_row row = sample_rule(ORG_A, PROJECT_A, id);

		row.definition = (struct slice) { text, id <= 14 ? PAGE_BYTES_MAX / 3 : 10 };
		T_OK(store_rule_put(ORG_A, f->db, &row, &err));
	}
	do {
		T_OK(store_rule_list(ORG_A, f->db, PROJECT_A, &page, &f->arena, &list, &err));
		T_INT(list.n, want == 20 ? 9 : want >= 3 ? 3 : 2);
		for (size_t i = 0; i < list.n; i++) {
			T_INT(list.rows[i].id.v, want--);
		}
		page.after = list.next;
	} while (page.after.id != 0);
	T_INT(want, 0);
}

CONTRACT(rows_of_one_time_keep_an_order)
{
	struct page page = { .limit = 2 };
	struct key_list list;
	struct err err = { 0 };
	uint64_t want = 5;

	for (uint64_t id = 1; id <= 5; id++) {
		struct key_row row = sample_key(ORG_A, PROJECT_A, id);

		row.created_us = AT;
		T_OK(store_key_insert(ORG_A, f->db, &row, &err));
	}
	do {
		T_OK(store_key_list(ORG_A, f->db, PROJECT_A, &page, &f->arena, &list, &err));
		for (size_t i = 0; i < list.n; i++) {
			T_INT(list.rows[i].id.v, want--);
		}
		page.after = list.next;
	} while (page.after.id != 0);
	T_INT(want, 0);
	page = (struct page) { .limit = 2, .offset = 3 };
	T_OK(store_key_list(ORG_A, f->db, PROJECT_A, &page, &f->arena, &list, &err));
	T_INT(list.n, 2);
	T_INT(list.rows[0].id.v, 2);
	T_INT(list.next.id, 0);
}

CONTRACT(rules_are_replaced_and_deleted)
{
	struct rule_row row = sample_rule(ORG_A, PROJECT_A, 9), got;
	struct rule_list list;
	struct err err = { 0 };

	T_OK(store_rule_put(ORG_A, f->db, &row, &err));
	row.version = 2;
	row.name = S("renamed");
	row.enabled = false;
	row.created_us = AT + 999;
	row.updated_us = AT + 50;
	row.seq = 77;
	T_OK(store_rule_put(ORG_A, f->db, &row, &err));
	T_INT(store_rule_get(ORG_A, f->db, PROJECT_A, row.id, &f->arena, &got, &err), FOUND);
	T_SLICE(got.name, "renamed");
	T_SLICE(got.definition, "{\"threshold\":5}");
	T_TRUE(got.version == 2 && !got.enabled && got.seq == 77);
	T_TRUE(got.created_us == AT + 9 && got.updated_us == AT + 50);
	T_OK(store_rule_list(ORG_A, f->db, PROJECT_A, PAGE_OF(5), &f->arena, &list, &err));
	T_INT(list.n, 1);
	T_OK(store_rules_all(f->db, (struct rule_id) { 0 }, 5, &f->arena, &list, &err));
	T_INT(list.n, 1);
	T_INT(store_rule_delete(ORG_A, f->db, row.id, AT + 60, 78, &err), FOUND);
	T_INT(store_rule_delete(ORG_A, f->db, row.id, AT + 61, 79, &err), NOT_FOUND);
	T_INT(store_rule_get(ORG_A, f->db, PROJECT_A, row.id, &f->arena, &got, &err), NOT_FOUND);
	T_OK(store_rule_list(ORG_A, f->db, PROJECT_A, PAGE_OF(5), &f->arena, &list, &err));
	T_INT(list.n, 0);
	T_OK(store_rules_all(f->db, (struct rule_id) { 0 }, 5, &f->arena, &list, &err));
	T_INT(list.n, 0);
}

CONTRACT(rule_of_another_org_is_not_replaced)
{
	struct rule_row mine = sample_rule(ORG_A, PROJECT_A, 9), got;
	struct rule_row theirs = sample_rule(ORG_B, PROJECT_B, 9);
	struct db *engine = NULL;
	struct err err = { 0 };

	T_OK(store_connect(f->store, STORE_ENGINE, &engine, &err));
	T_OK(store_rule_put(ORG_A, engine, &mine, &err));
	theirs.name = S("stolen");
	T_FAIL(store_rule_put(ORG_B, engine, &theirs, &err), ERR_CONFLICT);
	db_close(&engine);
	T_INT(store_rule_get(ORG_A, f->db, PROJECT_A, mine.id, &f->arena, &got, &err), FOUND);
	T_SLICE(got.name, "rule 9");
}

CONTRACT(alerts_are_listed_by_rule_and_time)
{
	struct alert_filter filter = { .project = PROJECT_A };
	struct alert_list list;
	struct alert_row got;
	struct err err = { 0 };

	for (uint64_t n = 1; n <= 6; n++) {
		struct alert_row row = sample_alert(ORG_A, PROJECT_A, n);

		row.rule.v = n % 2 == 0 ? 7 : 8;
		put_alert(f, row);
	}
	T_INT(store_alert_get(ORG_A, f->db, PROJECT_A, (struct alert_id) { 4 }, &f->arena, &got,
			      &err),
	      FOUND);
	T_SLICE(got.title, "alert 4");
	T_SLICE(got.key, "[\"user-1\"]");
	T_SLICE(got.severity, "high");
	T_SLICE(got.cid, "req-1");
	T_TRUE(got.count == 5 && got.count_is_least && got.rule_version == 3);
	T_TRUE(got.event_seq == 40 && got.event_us == AT + 4);
	T_OK(store_alert_list(ORG_A, f->db, &filter, PAGE_OF(4), &f->arena, &list, &err));
	T_INT(list.n, 4);
	T_INT(list.rows[0].number.v, 6);
	T_OK(store_alert_list(ORG_A, f->db, &filter,
			      &(struct page) { .limit = 4, .after = list.next }, &f->arena, &list,
			      &err));
	T_INT(list.n, 2);
	T_INT(list.next.id, 0);
	filter.rule.v = 8;
	T_OK(store_alert_list(ORG_A, f->db, &filter, PAGE_OF(9), &f->arena, &list, &err));
	T_INT(list.n, 3);
	T_INT(list.rows[2].number.v, 1);
	filter = (struct alert_filter) { .project = PROJECT_A, .from_us = AT + 2, .to_us = AT + 4 };
	T_OK(store_alert_list(ORG_A, f->db, &filter, PAGE_OF(9), &f->arena, &list, &err));
	T_INT(list.n, 2);
	T_INT(list.rows[0].number.v, 3);
}

static size_t alerts_in(struct fixture *f, enum alert_state state, uint64_t *newest)
{
	struct alert_filter filter = { .project = PROJECT_A, .state = state };
	struct alert_list list;
	struct err err = { 0 };

	T_OK(store_alert_list(ORG_A, f->db, &filter, PAGE_OF(9), &f->arena, &list, &err));
	*newest = list.n == 0 ? 0 : list.rows[0].number.v;
	return list.n;
}

CONTRACT(alerts_fire_until_they_are_resolved)
{
	struct alert_end ends[] = {
		{ { 2 }, AT + 20, S("cleared") },
		{ { 99 }, AT + 21, S("cleared") },
		{ { 3 }, AT + 22, S("superseded") },
	};
	struct alert_row got, over = sample_alert(ORG_A, PROJECT_A, 5);
	struct err err = { 0 };
	uint64_t newest, firing;

	for (uint64_t n = 1; n <= 4; n++) {
		put_alert(f, sample_alert(ORG_A, PROJECT_A, n));
	}
	over.resolved_us = AT + 5;
	over.resolution = S("evicted");
	put_alert(f, over);
	T_OK(db_begin(f->db, &err));
	T_OK(store_alerts_resolve(f->db, ends, ARRAY_LEN(ends), &err));
	T_OK(db_commit(f->db, &err));
	T_INT(store_alert_get(ORG_A, f->db, PROJECT_A, ends[0].number, &f->arena, &got, &err),
	      FOUND);
	T_TRUE(got.resolved_us == AT + 20);
	T_SLICE(got.resolution, "cleared");
	T_INT(store_alert_get(ORG_A, f->db, PROJECT_A, (struct alert_id) { 4 }, &f->arena, &got,
			      &err),
	      FOUND);
	T_TRUE(got.resolved_us == 0 && got.resolution.n == 0);
	T_OK(store_alerts_firing(f->db, &firing, &err));
	T_INT(firing, 2);
	T_INT(alerts_in(f, ALERT_ANY, &newest), 5);
	T_INT(alerts_in(f, ALERT_FIRING, &newest), 2);
	T_INT(newest, 4);
	T_INT(alerts_in(f, ALERT_RESOLVED, &newest), 3);
	T_INT(newest, 5);
}

CONTRACT(alert_numbers_are_used_once)
{
	struct alert_row rows[] = { sample_alert(ORG_A, PROJECT_A, 1),
				    sample_alert(ORG_B, PROJECT_B, 1) };
	struct err err = { 0 };

	T_OK(db_begin(f->db, &err));
	T_FAIL(store_alerts_insert(f->db, rows, 2, &err), ERR_CONFLICT);
	db_rollback(f->db);
}

static bool set_cursor(struct fixture *f, struct engine_cursor *cursor, struct err *err)
{
	bool ok;

	if (!db_begin(f->db, err)) {
		return false;
	}
	ok = store_cursor_set(f->db, cursor, err) && db_commit(f->db, err);
	db_rollback(f->db);
	return ok;
}

CONTRACT(cursor_has_one_owner_and_goes_forward)
{
	struct engine_cursor first, second, got;
	struct err err = { 0 };

	T_INT(store_cursor_get(f->db, 0, &f->arena, &got, &err), NOT_FOUND);
	T_OK(store_cursor_take(f->db, 0, S("j1"), AT, &f->arena, &first, &err));
	T_TRUE(first.seq == 0 && first.alerts == 0 && first.deliveries == 0);
	first.seq = 100;
	first.alerts = 3;
	first.deliveries = 4;
	first.updated_us = AT + 1;
	T_OK(set_cursor(f, &first, &err));
	T_OK(set_cursor(f, &first, &err));
	T_OK(store_cursor_take(f->db, 0, S("j1"), AT + 2, &f->arena, &second, &err));
	T_TRUE(second.seq == 100 && second.alerts == 3 && second.deliveries == 4);
	T_TRUE(second.fence > first.fence);
	first.seq = 101;
	T_FAIL(set_cursor(f, &first, &err), ERR_CONFLICT);
	second.seq = 99;
	T_FAIL(set_cursor(f, &second, &err), ERR_CONFLICT);
	second.seq = 101;
	T_OK(set_cursor(f, &second, &err));
	T_INT(store_cursor_get(f->db, 0, &f->arena, &got, &err), FOUND);
	T_TRUE(got.seq == 101 && got.fence == second.fence);
	T_SLICE(got.journal, "j1");
	T_FAIL(store_cursor_take(f->db, 0, S("j2"), AT, &f->arena, &got, &err), ERR_CONFLICT);
	T_OK(store_cursor_take(f->db, 1, S("j2"), AT, &f->arena, &got, &err));
}

CONTRACT(counts_are_of_what_lives)
{
	struct rule_row rule = sample_rule(ORG_A, PROJECT_A, 1);
	struct store_counts counts;
	struct err err = { 0 };

	put_key(f, ORG_A, PROJECT_A, 1);
	put_key(f, ORG_A, PROJECT_A, 2);
	T_INT(store_key_revoke(ORG_A, f->db, PROJECT_A, (struct key_id) { 1 }, 0, AT, &err), FOUND);
	T_OK(store_rule_put(ORG_A, f->db, &rule, &err));
	T_OK(store_counts(f->db, &counts, &err));
	T_TRUE(counts.orgs == 2 && counts.projects == 2 && counts.keys == 1 && counts.rules == 1);
}

CONTRACTS(nouns_contract, C(orgs_and_projects_are_found), C(slugs_and_defaults_are_unique),
	  C(keys_live_and_are_revoked), C(keys_and_rules_are_found_by_what_they_are_called),
	  C(key_of_a_foreign_project_is_refused), C(last_use_only_goes_forward),
	  C(pages_are_stable_while_rows_come_in), C(pages_of_large_rows_end_early),
	  C(rows_of_one_time_keep_an_order), C(rules_are_replaced_and_deleted),
	  C(rule_of_another_org_is_not_replaced), C(alerts_are_listed_by_rule_and_time),
	  C(alerts_fire_until_they_are_resolved), C(alert_numbers_are_used_once),
	  C(cursor_has_one_owner_and_goes_forward), C(counts_are_of_what_lives))
