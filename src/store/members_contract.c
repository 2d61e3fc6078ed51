/* SPDX-License-Identifier: Apache-2.0 */
/* Orgs, their members, invites and projects: an owner is always left, and nobody joins twice. */
#include <pthread.h>
#include <stdio.h>

#include "store/fixture_contract.h"

#define RACERS 4
#define ROUNDS 5 /* of each race: who is first must not matter */

static struct user_id user(uint64_t id)
{
	return (struct user_id) { id };
}

static void put_member(struct fixture *f, struct org_id org, uint64_t id, enum role role)
{
	struct member_row row = {
		.org = org, .user = { id }, .role = role, .created_us = AT + (int64_t)id
	};
	struct err err = { 0 };

	T_OK(store_member_insert(org, f->db, &row, &err));
}

/* Ana owns A, Ben is admin of A, Cy a member of A and owner of B. */
static void put_people(struct fixture *f)
{
	put_user(f, 1, "ana@example.com");
	put_user(f, 2, "ben@example.com");
	put_user(f, 3, "cy@example.com");
	put_member(f, ORG_A, 1, ROLE_OWNER);
	put_member(f, ORG_A, 2, ROLE_ADMIN);
	put_member(f, ORG_A, 3, ROLE_MEMBER);
	put_member(f, ORG_B, 3, ROLE_OWNER);
}

static bool change(struct db *db, uint64_t actor, uint64_t id, enum role to, struct err *err)
{
	struct member_ask ask = { .actor = { actor }, .user = { id }, .to = to };
	bool ok = db_begin(db, err) && store_member_change(ORG_A, db, &ask, err) &&
		  db_commit(db, err);

	db_rollback(db);
	return ok;
}

static enum role role_now(struct fixture *f, struct org_id org, uint64_t id)
{
	struct member_row row;
	struct err err;

	return store_member_get(org, f->db, user(id), &f->arena, &row, &err) == FOUND ? row.role
										      : ROLE_NONE;
}

CONTRACT(members_are_found_with_their_names)
{
	struct member_row row;
	struct member_list list;
	struct err err = { 0 };
	uint64_t n;

	put_people(f);
	T_INT(store_member_by_mail(ORG_A, f->db, S("ben@example.com"), &f->arena, &row, &err),
	      FOUND);
	T_INT(row.user.v, 2);
	T_INT(row.role, ROLE_ADMIN);
	T_SLICE(row.name, "Ana");
	T_INT(store_member_by_mail(ORG_B, f->db, S("ben@example.com"), &f->arena, &row, &err),
	      NOT_FOUND);
	T_OK(store_member_list(ORG_A, f->db, PAGE_OF(2), &f->arena, &list, &err));
	T_INT(list.n, 2);
	T_SLICE(list.rows[0].mail, "cy@example.com");
	T_INT(list.next.id, 2);
	T_OK(store_member_list(ORG_A, f->db, &(struct page) { .limit = 2, .after = list.next },
			       &f->arena, &list, &err));
	T_INT(list.n, 1);
	T_OK(store_member_count(ORG_A, f->db, &n, &err));
	T_INT(n, 3);
	T_OK(store_members_of(f->db, user(3), (struct org_id) { 0 }, 10, &f->arena, &list, &err));
	T_INT(list.n, 2);
	T_INT(list.rows[1].org.v, ORG_B.v);
	T_INT(list.rows[1].role, ROLE_OWNER);
}

CONTRACT(a_user_is_a_member_once)
{
	struct member_row row = { .org = ORG_A, .user = { 1 }, .role = ROLE_VIEWER };
	struct err err = { 0 };

	put_people(f);
	T_FAIL(store_member_insert(ORG_A, f->db, &row, &err), ERR_CONFLICT);
	row.user.v = 99;
	T_FAIL(store_member_insert(ORG_A, f->db, &row, &err), ERR_CONFLICT);
}

CONTRACT(roles_change_as_they_may)
{
	struct err err = { 0 };

	put_people(f);
	T_FAIL(change(f->db, 2, 1, ROLE_MEMBER, &err), ERR_FORBIDDEN);
	T_FAIL(change(f->db, 3, 2, ROLE_VIEWER, &err), ERR_FORBIDDEN);
	T_FAIL(change(f->db, 2, 3, ROLE_NONE, &err), ERR_FORBIDDEN);
	T_FAIL(change(f->db, 1, 99, ROLE_MEMBER, &err), ERR_NOT_FOUND);
	T_FAIL(change(f->db, 99, 3, ROLE_VIEWER, &err), ERR_NOT_FOUND);
	T_FAIL(change(f->db, 1, 1, ROLE_ADMIN, &err), ERR_CONFLICT);
	T_FAIL(change(f->db, 0, 1, ROLE_NONE, &err), ERR_CONFLICT);
	T_OK(change(f->db, 2, 3, ROLE_VIEWER, &err));
	T_INT(role_now(f, ORG_A, 3), ROLE_VIEWER);
	T_INT(role_now(f, ORG_B, 3), ROLE_OWNER);
	T_OK(change(f->db, 3, 3, ROLE_NONE, &err));
	T_INT(role_now(f, ORG_A, 3), ROLE_NONE);
	T_OK(change(f->db, 0, 2, ROLE_OWNER, &err));
	T_OK(change(f->db, 1, 1, ROLE_NONE, &err));
	T_INT(role_now(f, ORG_A, 1), ROLE_NONE);
}

CONTRACT(the_org_is_given_to_another_member)
{
	struct err err = { 0 };

	put_people(f);
	T_OK(db_begin(f->db, &err));
	T_FAIL(store_member_transfer(ORG_A, f->db, user(2), user(3), &err), ERR_FORBIDDEN);
	T_FAIL(store_member_transfer(ORG_A, f->db, user(1), user(1), &err), ERR_FORBIDDEN);
	T_FAIL(store_member_transfer(ORG_A, f->db, user(1), user(99), &err), ERR_NOT_FOUND);
	T_OK(store_member_transfer(ORG_A, f->db, user(1), user(3), &err));
	T_OK(db_commit(f->db, &err));
	T_INT(role_now(f, ORG_A, 1), ROLE_ADMIN);
	T_INT(role_now(f, ORG_A, 3), ROLE_OWNER);
}

/* The same thing at the same time, each on a connection of its own. */
struct racer {
	struct fixture *f;
	struct db *db;
	uint64_t who;
	bool won;
	struct err err;
};

static size_t race(struct fixture *f, size_t n, void *(*run)(void *))
{
	struct racer racers[RACERS] = { 0 };
	pthread_t threads[RACERS];
	size_t won = 0;

	for (size_t i = 0; i < n; i++) {
		racers[i].f = f;
		racers[i].db = fixture_connect(f);
		racers[i].who = i + 1;
	}
	for (size_t i = 0; i < n; i++) {
		T_INT(pthread_create(&threads[i], NULL, run, &racers[i]), 0);
	}
	for (size_t i = 0; i < n; i++) {
		pthread_join(threads[i], NULL);
		won += racers[i].won;
		db_close(&racers[i].db);
	}
	return won;
}

static void *leave_thread(void *arg)
{
	struct racer *r = arg;

	r->won = change(r->db, r->who, r->who, ROLE_NONE, &r->err);
	return NULL;
}

CONTRACT(of_two_owners_who_leave_one_stays)
{
	struct err err = { 0 };

	put_people(f);
	T_OK(change(f->db, 1, 2, ROLE_OWNER, &err));
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t stays;

		T_INT(race(f, 2, leave_thread), 1);
		stays = role_now(f, ORG_A, 1) == ROLE_OWNER ? 1 : 2;
		T_INT(role_now(f, ORG_A, stays), ROLE_OWNER);
		T_INT(role_now(f, ORG_A, 3 - stays), ROLE_NONE);
		put_member(f, ORG_A, 3 - stays, ROLE_OWNER);
	}
}

static void *lower_thread(void *arg)
{
	struct racer *r = arg;

	r->won = change(r->db, r->who, 3 - r->who, ROLE_MEMBER, &r->err);
	return NULL;
}

CONTRACT(two_owners_who_lower_each_other_leave_one)
{
	struct err err = { 0 };

	put_people(f);
	for (int round = 0; round < ROUNDS; round++) {
		T_OK(change(f->db, 0, 1, ROLE_OWNER, &err));
		T_OK(change(f->db, 0, 2, ROLE_OWNER, &err));
		T_INT(race(f, 2, lower_thread), 1);
	}
}

static struct invite_row sample_invite(uint64_t id, const char *mail, const char *hash)
{
	return (struct invite_row) {
		.id = { id },
		.org = ORG_A,
		.mail = slice_of(mail),
		.role = ROLE_VIEWER,
		.token_hash = slice_of(hash),
		.invited_by = { 1 },
		.created_us = AT,
		.expires_us = AT + 100,
	};
}

static bool invite(struct fixture *f, const struct invite_row *row, struct err *err)
{
	bool ok = db_begin(f->db, err) && store_invite_insert(ORG_A, f->db, row, err) &&
		  db_commit(f->db, err);

	db_rollback(f->db);
	return ok;
}

static enum found accept(struct db *db, struct arena *arena, uint64_t who, const char *mail,
			 const char *hash, int64_t now_us)
{
	struct invite_row row;
	struct err err = { 0 };
	enum found found;

	T_OK(db_begin(db, &err));
	found = store_invite_accept(db, slice_of(hash), user(who), slice_of(mail), now_us, arena,
				    &row, &err);
	T_TRUE(found != FAILED);
	T_OK(db_commit(db, &err));
	return found;
}

CONTRACT(one_invite_is_open_per_address)
{
	struct invite_row row = sample_invite(1, "dee@example.com", "h1");
	struct err err = { 0 };

	put_people(f);
	T_OK(invite(f, &row, &err));
	row = sample_invite(2, "dee@example.com", "h2");
	T_FAIL(invite(f, &row, &err), ERR_CONFLICT);
	row.created_us = AT + 100;
	row.expires_us = AT + 200;
	T_OK(invite(f, &row, &err));
	T_INT(store_invite_revoke(ORG_A, f->db, (struct invite_id) { 2 }, AT + 101, &err), FOUND);
	T_INT(store_invite_revoke(ORG_A, f->db, (struct invite_id) { 2 }, AT + 101, &err),
	      NOT_FOUND);
	row = sample_invite(3, "dee@example.com", "h3");
	T_OK(invite(f, &row, &err));
	row = sample_invite(4, "ben@example.com", "h4");
	T_FAIL(invite(f, &row, &err), ERR_CONFLICT);
}

CONTRACT(invites_are_listed_and_sent_again)
{
	struct invite_row row = sample_invite(1, "dee@example.com", "h1");
	struct invite_list list;
	struct err err = { 0 };

	put_people(f);
	T_OK(invite(f, &row, &err));
	row = sample_invite(2, "eve@example.com", "h2");
	row.created_us++;
	T_OK(invite(f, &row, &err));
	T_INT(store_invite_revoke(ORG_A, f->db, (struct invite_id) { 2 }, AT + 1, &err), FOUND);
	T_OK(store_invite_list(ORG_A, f->db, true, PAGE_OF(10), &f->arena, &list, &err));
	T_INT(list.n, 1);
	T_OK(store_invite_list(ORG_A, f->db, false, PAGE_OF(1), &f->arena, &list, &err));
	T_INT(list.rows[0].id.v, 2);
	T_INT(list.next.id, 2);
	T_INT(store_invite_resend(ORG_A, f->db, (struct invite_id) { 2 }, S("h5"), AT, AT, &err),
	      NOT_FOUND);
	T_INT(store_invite_resend(ORG_A, f->db, (struct invite_id) { 1 }, S("h6"), AT + 50,
				  AT + 150, &err),
	      FOUND);
	T_INT(store_invite_by_hash(f->db, S("h1"), &f->arena, &row, &err), NOT_FOUND);
	T_INT(store_invite_by_hash(f->db, S("h6"), &f->arena, &row, &err), FOUND);
	T_INT(row.sent_count, 1);
	T_INT(row.sent_us, AT + 50);
	T_INT(row.expires_us, AT + 150);
	T_INT(row.role, ROLE_VIEWER);
	T_INT(store_invite_resend(ORG_A, f->db, row.id, S("h7"), 0, AT + 150, &err), FOUND);
	T_INT(store_invite_by_hash(f->db, S("h7"), &f->arena, &row, &err), FOUND);
	T_INT(row.sent_us, 0);
}

CONTRACT(open_invites_are_counted_and_change_their_role)
{
	struct invite_row row = sample_invite(1, "dee@example.com", "h1");
	struct err err = { 0 };
	uint64_t n;

	put_people(f);
	T_OK(invite(f, &row, &err));
	row = sample_invite(2, "eve@example.com", "h2");
	T_OK(invite(f, &row, &err));
	T_OK(store_invite_count(ORG_A, f->db, AT + 99, &n, &err));
	T_INT(n, 2);
	T_OK(store_invite_count(ORG_A, f->db, AT + 100, &n, &err));
	T_INT(n, 0);
	T_OK(store_invite_count(ORG_B, f->db, AT, &n, &err));
	T_INT(n, 0);
	T_INT(store_invite_revoke(ORG_A, f->db, row.id, AT + 1, &err), FOUND);
	T_OK(store_invite_count(ORG_A, f->db, AT + 1, &n, &err));
	T_INT(n, 1);
	T_INT(store_invite_set_role(ORG_A, f->db, row.id, ROLE_ADMIN, &err), NOT_FOUND);
	row.id.v = 1;
	T_INT(store_invite_set_role(ORG_B, f->db, row.id, ROLE_ADMIN, &err), NOT_FOUND);
	T_INT(store_invite_set_role(ORG_A, f->db, row.id, ROLE_ADMIN, &err), FOUND);
	T_INT(store_invite_get(ORG_A, f->db, row.id, &f->arena, &row, &err), FOUND);
	T_INT(row.role, ROLE_ADMIN);
}

CONTRACT(an_invite_lets_in_whom_it_names)
{
	struct invite_row row = sample_invite(1, "dee@example.com", "h1");
	struct err err = { 0 };

	put_people(f);
	put_user(f, 4, "dee@example.com");
	T_OK(invite(f, &row, &err));
	T_INT(accept(f->db, &f->arena, 3, "cy@example.com", "h1", AT + 1), NOT_FOUND);
	T_INT(accept(f->db, &f->arena, 4, "dee@example.com", "h0", AT + 1), NOT_FOUND);
	T_INT(accept(f->db, &f->arena, 4, "dee@example.com", "h1", AT + 100), NOT_FOUND);
	T_INT(role_now(f, ORG_A, 4), ROLE_NONE);
	T_INT(accept(f->db, &f->arena, 4, "dee@example.com", "h1", AT + 99), FOUND);
	T_INT(role_now(f, ORG_A, 4), ROLE_VIEWER);
	T_INT(store_invite_get(ORG_A, f->db, (struct invite_id) { 1 }, &f->arena, &row, &err),
	      FOUND);
	T_INT(row.accepted_us, AT + 99);
	T_INT(row.accepted_by.v, 4);
}

static void *accept_thread(void *arg)
{
	struct racer *r = arg;
	struct arena arena;

	arena_init(&arena, 0);
	r->won = accept(r->db, &arena, 4, "dee@example.com", "h1", AT + 1) == FOUND;
	arena_release(&arena);
	return NULL;
}

CONTRACT(an_invite_is_accepted_once)
{
	struct invite_row row = sample_invite(1, "dee@example.com", "h1");
	struct err err = { 0 };

	put_people(f);
	put_user(f, 4, "dee@example.com");
	T_OK(invite(f, &row, &err));
	T_INT(race(f, RACERS, accept_thread), 1);
	T_INT(role_now(f, ORG_A, 4), ROLE_VIEWER);
}

static bool found_org(struct db *db, struct arena *arena, uint64_t id, const char *name,
		      uint64_t owner, struct org_row *out, struct err *err)
{
	struct org_founding in = { .id = { id },
				   .project = { id * 10 },
				   .name = slice_of(name),
				   .owner = { owner },
				   .now_us = AT };
	bool ok = db_begin(db, err) && store_org_found(in.id, db, &in, arena, out, err) &&
		  db_commit(db, err);

	db_rollback(db);
	return ok;
}

CONTRACT(orgs_are_founded_whole_under_a_name_of_their_own)
{
	struct project_row project;
	struct org_row org;
	struct err err = { 0 };

	put_user(f, 1, "ana@example.com");
	T_OK(found_org(f->db, &f->arena, 31, "Acme", 1, &org, &err));
	T_SLICE(org.slug, "acme-2");
	T_INT(role_now(f, org.id, 1), ROLE_OWNER);
	T_INT(store_project_default(org.id, f->db, &f->arena, &project, &err), FOUND);
	T_INT(project.id.v, 310);
	T_OK(found_org(f->db, &f->arena, 32, "ACME!", 0, &org, &err));
	T_SLICE(org.slug, "acme-3");
	T_FAIL(found_org(f->db, &f->arena, 33, "Other", 99, &org, &err), ERR_CONFLICT);
	T_INT(store_org_get((struct org_id) { 33 }, f->db, &f->arena, &org, &err), NOT_FOUND);
	for (uint64_t id = 40; id < 52; id++) {
		T_OK(found_org(f->db, &f->arena, id, "Acme", 0, &org, &err));
	}
	T_TRUE(org.slug.n > strlen("acme-9"));
}

static void *found_thread(void *arg)
{
	struct racer *r = arg;
	struct org_row org;
	struct arena arena;

	arena_init(&arena, 0);
	r->won = found_org(r->db, &arena, 50 + r->who, "Same", 0, &org, &r->err);
	arena_release(&arena);
	return NULL;
}

CONTRACT(orgs_of_one_name_are_founded_at_a_time)
{
	struct org_row org;
	struct err err = { 0 };

	T_INT(race(f, RACERS, found_thread), RACERS);
	T_INT(store_org_by_slug(f->db, S("same-4"), &f->arena, &org, &err), FOUND);
}

CONTRACT(orgs_are_renamed_suspended_and_leave)
{
	struct org_list list;
	struct org_row org;
	struct err err = { 0 };

	T_INT(store_org_rename(ORG_A, f->db, S("New"), &err), FOUND);
	T_INT(store_org_set_settings(ORG_A, f->db, S("{\"a\":1}"), &err), FOUND);
	T_INT(store_org_suspend(ORG_A, f->db, AT + 1, &err), FOUND);
	T_INT(store_org_set_delete(ORG_A, f->db, AT + 2, &err), FOUND);
	T_INT(store_org_get(ORG_A, f->db, &f->arena, &org, &err), FOUND);
	T_SLICE(org.name, "New");
	T_SLICE(org.slug, "acme");
	T_SLICE(org.settings, "{\"a\":1}");
	T_SLICE(org.status, "suspended");
	T_INT(org.suspended_us, AT + 1);
	T_OK(store_orgs_leaving(f->db, AT + 1, 10, &f->arena, &list, &err));
	T_INT(list.n, 0);
	T_OK(store_orgs_leaving(f->db, AT + 2, 10, &f->arena, &list, &err));
	T_INT(list.n, 1);
	T_INT(store_org_suspend(ORG_A, f->db, 0, &err), FOUND);
	T_INT(store_org_set_delete(ORG_A, f->db, 0, &err), FOUND);
	T_INT(store_org_get(ORG_A, f->db, &f->arena, &org, &err), FOUND);
	T_SLICE(org.status, "active");
	T_INT(org.delete_after_us, 0);
	T_INT(store_org_get(ORG_B, f->db, &f->arena, &org, &err), FOUND);
	T_SLICE(org.name, "bolt");
	T_SLICE(org.settings, "{}");
}

CONTRACT(projects_are_made_changed_and_leave)
{
	struct project_row row = {
		.id = { 113 }, .org = ORG_A, .name = S("Web Shop"), .created_us = AT
	};
	struct project_row got;
	struct err err = { 0 };

	T_OK(db_begin(f->db, &err));
	T_OK(store_project_found(ORG_A, f->db, &row, &f->arena, &got, &err));
	T_SLICE(got.slug, "web-shop");
	row.id.v = 114;
	T_OK(store_project_found(ORG_A, f->db, &row, &f->arena, &got, &err));
	T_SLICE(got.slug, "web-shop-2");
	T_OK(db_commit(f->db, &err));
	got.name = S("Shop");
	got.owner.v = 5;
	got.environments = S("[\"production\"]");
	got.origins = S("[\"https://shop.example\"]");
	T_INT(got.version, 1);
	T_INT(store_project_set(ORG_A, f->db, &got, &err), FOUND);
	T_INT(store_project_set(ORG_A, f->db, &got, &err), NOT_FOUND);
	T_INT(store_project_get(ORG_A, f->db, got.id, &f->arena, &row, &err), FOUND);
	T_SLICE(row.name, "Shop");
	T_SLICE(row.slug, "web-shop-2");
	T_SLICE(row.environments, "[\"production\"]");
	T_SLICE(row.origins, "[\"https://shop.example\"]");
	T_INT(row.owner.v, 5);
	T_INT(row.version, 2);
	row.version = 0;
	T_INT(store_project_set(ORG_A, f->db, &row, &err), FOUND);
	row.slug = S("web-shop");
	T_INT(store_project_set(ORG_A, f->db, &row, &err), FAILED);
	T_INT(err.kind, ERR_CONFLICT);
	row.id.v = 999;
	row.slug = S("other");
	T_INT(store_project_set(ORG_A, f->db, &row, &err), NOT_FOUND);
	T_INT(store_project_get(ORG_A, f->db, PROJECT_A, &f->arena, &row, &err), FOUND);
	T_SLICE(row.environments, "[]");
}

CONTRACT(a_deleted_project_is_found_nowhere)
{
	struct project_row row = {
		.id = { 113 }, .org = ORG_A, .name = S("Shop"), .slug = S("shop")
	};
	struct project_list list;
	struct store_counts counts;
	struct project_row got;
	struct err err = { 0 };
	uint64_t n;

	T_OK(store_project_insert(ORG_A, f->db, &row, &err));
	T_INT(store_project_end(ORG_B, f->db, row.id, AT, &err), NOT_FOUND);
	T_INT(store_project_end(ORG_A, f->db, PROJECT_A, AT, &err), NOT_FOUND);
	T_INT(store_project_end(ORG_A, f->db, row.id, AT, &err), FOUND);
	T_INT(store_project_end(ORG_A, f->db, row.id, AT, &err), NOT_FOUND);
	T_INT(store_project_get(ORG_A, f->db, row.id, &f->arena, &got, &err), NOT_FOUND);
	T_INT(store_project_by_slug(ORG_A, f->db, row.slug, &f->arena, &got, &err), NOT_FOUND);
	T_INT(store_project_set(ORG_A, f->db, &row, &err), NOT_FOUND);
	T_OK(store_project_list(ORG_A, f->db, PAGE_OF(10), &f->arena, &list, &err));
	T_INT(list.n, 1);
	T_OK(store_project_count(ORG_A, f->db, &n, &err));
	T_INT(n, 1);
	T_OK(store_counts(f->db, &counts, &err));
	T_INT(counts.projects, 2);
	T_OK(store_projects_all(f->db, (struct project_id) { 112 }, 1, &f->arena, &list, &err));
	T_INT(list.n, 1);
	T_INT(list.rows[0].delete_after_us, AT);
	row.id.v++;
	T_OK(store_project_insert(ORG_A, f->db, &row, &err));
	T_INT(store_project_end(ORG_A, f->db, row.id, AT, &err), FOUND);
}

CONTRACT(keys_change_over_the_version_that_was_meant)
{
	struct key_row row = sample_key(ORG_A, PROJECT_A, 1);
	struct err err = { 0 };

	T_OK(store_key_insert(ORG_A, f->db, &row, &err));
	T_INT(store_key_rename(ORG_A, f->db, PROJECT_A, row.id, S("new"), 2, &err), NOT_FOUND);
	T_INT(store_key_rename(ORG_B, f->db, PROJECT_B, row.id, S("new"), 0, &err), NOT_FOUND);
	T_INT(store_key_rename(ORG_A, f->db, PROJECT_A, row.id, S("new"), 1, &err), FOUND);
	T_INT(store_key_get(ORG_A, f->db, PROJECT_A, row.id, &f->arena, &row, &err), FOUND);
	T_SLICE(row.name, "new");
	T_INT(row.version, 2);
	T_INT(store_key_rotate(ORG_A, f->db, PROJECT_A, row.id, (struct key_id) { 2 }, AT + 9, 1,
			       &err),
	      NOT_FOUND);
	T_INT(store_key_rotate(ORG_A, f->db, PROJECT_A, row.id, (struct key_id) { 2 }, AT + 9, 2,
			       &err),
	      FOUND);
	T_INT(store_key_revoke(ORG_A, f->db, PROJECT_A, row.id, 2, AT, &err), NOT_FOUND);
	T_INT(store_key_revoke(ORG_A, f->db, PROJECT_A, row.id, 3, AT, &err), FOUND);
	T_INT(store_key_rename(ORG_A, f->db, PROJECT_A, row.id, S("x"), 0, &err), NOT_FOUND);
	T_INT(store_key_get(ORG_A, f->db, PROJECT_A, row.id, &f->arena, &row, &err), FOUND);
	T_INT(row.version, 4);
}

CONTRACT(keys_that_work_are_counted_and_end_together)
{
	struct key_row old = sample_key(ORG_A, PROJECT_A, 1),
		       timed = sample_key(ORG_A, PROJECT_A, 2);
	struct key_row other = sample_key(ORG_B, PROJECT_B, 3), got;
	struct err err = { 0 };
	uint64_t n;

	timed.expires_us = AT + 9;
	T_OK(store_key_insert(ORG_A, f->db, &old, &err));
	T_OK(store_key_insert(ORG_A, f->db, &timed, &err));
	T_OK(store_key_insert(ORG_B, f->db, &other, &err));
	T_OK(store_key_live(ORG_A, f->db, PROJECT_A, AT + 8, &n, &err));
	T_INT(n, 2);
	T_INT(store_key_newest(ORG_A, f->db, PROJECT_A, AT + 8, &f->arena, &got, &err), FOUND);
	T_INT(got.id.v, 2);
	T_OK(store_key_live(ORG_A, f->db, PROJECT_A, AT + 9, &n, &err));
	T_INT(n, 1);
	T_INT(store_key_newest(ORG_A, f->db, PROJECT_A, AT + 9, &f->arena, &got, &err), FOUND);
	T_INT(got.id.v, 1);
	T_OK(store_key_revoke_all(ORG_A, f->db, PROJECT_A, AT + 3, &err));
	T_INT(store_key_newest(ORG_A, f->db, PROJECT_A, AT, &f->arena, &got, &err), NOT_FOUND);
	T_INT(store_key_get(ORG_A, f->db, PROJECT_A, old.id, &f->arena, &got, &err), FOUND);
	T_INT(got.revoked_us, AT + 3);
	T_OK(store_key_live(ORG_B, f->db, PROJECT_B, AT, &n, &err));
	T_INT(n, 1);
}

CONTRACT(keys_are_rotated_once_and_end_later)
{
	struct key_row row = sample_key(ORG_A, PROJECT_A, 1);
	struct key_use use = { .id = { 1 }, .at_us = AT + 5, .from = S("192.0.2.7") };
	struct err err = { 0 };

	row.made_by.v = 8;
	T_OK(store_key_insert(ORG_A, f->db, &row, &err));
	T_INT(store_key_rotate(ORG_B, f->db, PROJECT_B, row.id, (struct key_id) { 2 }, AT + 9, 0,
			       &err),
	      NOT_FOUND);
	T_INT(store_key_rotate(ORG_A, f->db, PROJECT_A, row.id, (struct key_id) { 2 }, AT + 9, 0,
			       &err),
	      FOUND);
	T_INT(store_key_rotate(ORG_A, f->db, PROJECT_A, row.id, (struct key_id) { 3 }, AT + 9, 0,
			       &err),
	      NOT_FOUND);
	T_OK(db_begin(f->db, &err));
	T_OK(store_keys_touch(f->db, &use, 1, &err));
	use.at_us++;
	use.from = S("");
	T_OK(store_keys_touch(f->db, &use, 1, &err));
	T_OK(db_commit(f->db, &err));
	T_INT(store_key_get(ORG_A, f->db, PROJECT_A, row.id, &f->arena, &row, &err), FOUND);
	T_INT(row.made_by.v, 8);
	T_INT(row.rotated_to.v, 2);
	T_INT(row.expires_us, AT + 9);
	T_INT(row.last_used_us, AT + 6);
	T_SLICE(row.used_from, "192.0.2.7");
}

CONTRACT(who_is_who_is_loaded_in_pages)
{
	struct project_list projects;
	struct member_list members;
	struct org_list orgs;
	struct err err = { 0 };

	put_people(f);
	T_OK(store_orgs_all(f->db, (struct org_id) { 0 }, 1, &f->arena, &orgs, &err));
	T_INT(orgs.rows[0].id.v, ORG_A.v);
	T_OK(store_orgs_all(f->db, ORG_A, 10, &f->arena, &orgs, &err));
	T_INT(orgs.n, 1);
	T_OK(store_projects_all(f->db, PROJECT_A, 10, &f->arena, &projects, &err));
	T_INT(projects.n, 1);
	T_INT(projects.rows[0].org.v, ORG_B.v);
	T_OK(store_members_all(f->db, user(0), (struct org_id) { 0 }, 3, &f->arena, &members,
			       &err));
	T_INT(members.n, 3);
	T_INT(members.rows[2].user.v, 3);
	T_INT(members.rows[2].org.v, ORG_A.v);
	T_OK(store_members_all(f->db, user(3), ORG_A, 3, &f->arena, &members, &err));
	T_INT(members.n, 1);
	T_INT(members.rows[0].role, ROLE_OWNER);
}

CONTRACTS(members_contract, C(members_are_found_with_their_names), C(a_user_is_a_member_once),
	  C(roles_change_as_they_may), C(the_org_is_given_to_another_member),
	  C(of_two_owners_who_leave_one_stays), C(two_owners_who_lower_each_other_leave_one),
	  C(one_invite_is_open_per_address), C(invites_are_listed_and_sent_again),
	  C(open_invites_are_counted_and_change_their_role), C(an_invite_lets_in_whom_it_names),
	  C(an_invite_is_accepted_once), C(orgs_are_founded_whole_under_a_name_of_their_own),
	  C(orgs_of_one_name_are_founded_at_a_time), C(orgs_are_renamed_suspended_and_leave),
	  C(projects_are_made_changed_and_leave), C(a_deleted_project_is_found_nowhere),
	  C(keys_change_over_the_version_that_was_meant),
	  C(keys_that_work_are_counted_and_end_together), C(keys_are_rotated_once_and_end_later),
	  C(who_is_who_is_loaded_in_pages))
