/* SPDX-License-Identifier: Apache-2.0 */
/* A user whose days of grace are over is forgotten, in any number of steps, and nobody else is. */
#include "engine/leavers.h"

#include <stdio.h>

#include "engine/stage_test.h"
#include "model/month.h"

#define STEPS_MAX 200

struct scene {
	struct stage stage;
	struct home home;
	struct loop *loop;
	struct people *people;
	struct leavers *leavers;
};

/* Ana leaves when the clock says 1000; Ben stays. Both are in org 1. */
static const char rows[] =
	"insert into orgs (id, slug, name, status, created_at) values (1, 'a', 'A', 'active', 1);"
	"insert into users (id, mail, name, password, status, totp, totp_step, created_at,"
	" delete_after) values (5, 'ana@example.com', 'Ana Example', '$argon2id$', 'active', 'sealed',"
	" 3, 1, 1000), (6, 'ben@example.com', 'Ben', null, 'active', null, 0, 1, null);"
	"insert into memberships (org_id, user_id, role, created_at) values (1, 5, 'member', 1),"
	" (1, 6, 'owner', 1);"
	"insert into invites (id, org_id, mail, role, token_hash, created_at, expires_at, sent_count)"
	" values (8, 1, 'ana@example.com', 'member', 'h', 1, 9, 0),"
	" (9, 1, 'cy@example.com', 'member', 'i', 1, 9, 0);"
	"insert into sessions (id, user_id, refresh_hash, created_at, refreshed_at, expires_at,"
	" address, agent) values (3, 5, 'r', 1, 1, 9, '192.0.2.77', 'curl');";

static void open_leavers(struct scene *s)
{
	struct leavers_options options = { .store = s->home.store,
					   .loop = s->loop,
					   .people = s->people };
	struct err err;

	T_OK(leavers_open(&s->leavers, &options, &err));
}

static void scene_init(struct scene *s)
{
	struct err err;

	*s = (struct scene) { 0 };
	stage_init(&s->stage);
	home_init(&s->home, &s->stage);
	home_run(&s->home);
	home_sql(&s->home, rows);
	s->loop = loop_new(10);
	s->people = people_new();
	T_OK(store_open(slice_of(home_path(&s->home, "state.db")), &s->home.store, &err));
	open_leavers(s);
}

static void scene_release(struct scene *s)
{
	leavers_close(&s->leavers);
	store_close(&s->home.store);
	people_free(&s->people);
	loop_free(&s->loop);
	home_release(&s->home);
	stage_release(&s->stage);
}

/* As many steps as it takes; with a new connection for each, as after a crash, where asked. */
static int run(struct scene *s, int64_t now_us, bool anew)
{
	enum found found;
	struct err err = { 0 };
	int n = 0;

	while ((found = leavers_step(s->leavers, now_us, &err)) == FOUND && n < STEPS_MAX) {
		n++;
		if (anew) {
			loop_run_posted(s->loop);
			leavers_close(&s->leavers);
			open_leavers(s);
		}
	}
	T_INT(found, NOT_FOUND);
	return n;
}

static void put_entries(struct scene *s)
{
	struct audit_entry rows_[] = {
		{ .actor = S("user"),
		  .actor_id = slice_of(id_format(ID_USER, 5).p),
		  .action = S("rule.create"),
		  .target = S("rule"),
		  .target_id = S("rul_0000000000009"),
		  .target_name = S("Too many"),
		  .address = S("192.0.2.77"),
		  .agent = S("curl") },
		{ .actor = S("operator"),
		  .action = S("invite.create"),
		  .target = S("invite"),
		  .target_id = slice_of(id_format(ID_INVITE, 8).p),
		  .target_name = S("ana@example.com") },
		{ .actor = S("anyone"),
		  .action = S("login.failed"),
		  .target = S("user"),
		  .target_name = S("ana@example.com") },
	};
	struct db *db = NULL;
	struct arena req;
	struct err err;

	arena_init(&req, 0);
	T_OK(store_connect(s->home.store, STORE_KEEPER, &db, &err));
	for (size_t i = 0; i < ARRAY_LEN(rows_); i++) {
		rows_[i].at_us = 500;
		T_OK(db_begin(db, &err));
		T_OK(store_audit_append((struct org_id) { i < 2 ? 1 : 0 }, db, &rows_[i], &req,
					&err));
		T_OK(db_commit(db, &err));
	}
	db_close(&db);
	arena_release(&req);
}

static int64_t count(struct scene *s, const char *what)
{
	char sql[200];

	snprintf(sql, sizeof(sql), "select count(*) from %s", what);
	return home_number(&s->home, sql);
}

TEST(nobody_goes_before_his_time)
{
	struct scene s;

	scene_init(&s);
	T_INT(run(&s, 999, false), 0);
	T_INT(count(&s, "users"), 2);
	scene_release(&s);
}

static void forgotten(bool anew)
{
	struct people_session session = {
		.id = { 3 }, .user = { 5 }, .org = { 1 }, .expires_us = DAY_US
	};
	struct scene s;

	scene_init(&s);
	put_entries(&s);
	people_put_leaving(s.people, session.user, true);
	people_put_member(s.people, session.org, session.user, ROLE_MEMBER);
	people_put_session(s.people, &session);
	T_TRUE(run(&s, 1000, anew) > 0);
	T_INT(count(&s, "users where id = 5 or mail like '%ana%'"), 0);
	T_INT(count(&s, "users where id = 6 and mail = 'ben@example.com'"), 1);
	T_INT(count(&s, "memberships where user_id = 5"), 0);
	T_INT(count(&s, "memberships where user_id = 6"), 1);
	T_INT(count(&s, "invites where mail = 'ana@example.com'"), 0);
	T_INT(count(&s, "invites"), 1);
	T_INT(count(&s, "audit_entries where actor_name || target_name || address"
			" like '%ana@example.com%' or address = '192.0.2.77'"),
	      0);
	T_INT(count(&s, "audit_entries where target_name = 'Too many'"), 1);
	T_INT(count(&s, "audit_entries where action = 'user.purge'"), 1);
	loop_run_posted(s.loop);
	T_INT(people_counts(s.people).users, 0);
	scene_release(&s);
}

TEST(all_of_a_user_is_forgotten_and_of_nobody_else)
{
	forgotten(false);
}

TEST(a_crash_between_any_two_steps_costs_nothing)
{
	forgotten(true);
}

/* Not in the database, and not in its log. */
static bool files_hold(struct scene *s, const char *text)
{
	static const char *const names[] = { "state.db", "state.db-wal" };
	bool found = false;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		FILE *file = fopen(home_path(&s->home, names[i]), "r");
		char *bytes = mem_alloc(1, (size_t)8 << 20);
		size_t n = file == NULL ? 0 : fread(bytes, 1, (size_t)8 << 20, file);

		found |= n > 0 && memmem(bytes, n, text, strlen(text)) != NULL;
		if (file != NULL) {
			fclose(file);
		}
		free(bytes);
	}
	return found;
}

TEST(no_byte_of_a_user_is_left_in_the_files)
{
	static const char *const secrets[] = { "ana@example.com", "Ana Example", "192.0.2.77",
					       "$argon2id$" };
	struct scene s;

	scene_init(&s);
	put_entries(&s);
	for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
		T_TRUE(files_hold(&s, secrets[i]));
	}
	T_TRUE(run(&s, 1000, false) > 0);
	for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
		T_FALSE(files_hold(&s, secrets[i]));
	}
	T_TRUE(files_hold(&s, "ben@example.com"));
	scene_release(&s);
}

T_MAIN(T(nobody_goes_before_his_time), T(all_of_a_user_is_forgotten_and_of_nobody_else),
       T(a_crash_between_any_two_steps_costs_nothing), T(no_byte_of_a_user_is_left_in_the_files))
