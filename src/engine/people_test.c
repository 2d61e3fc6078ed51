/* SPDX-License-Identifier: Apache-2.0 */
/* What somebody may is what is so now: not when the session began, and never in another org. */
#include "engine/people.h"

#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

#include "store/store.h"
#include "test/t.h"

#define ORG ((struct org_id) { 7 })
#define OTHER ((struct org_id) { 8 })
#define ANA ((struct user_id) { 1 })
#define BEN ((struct user_id) { 2 })

static void put_session(struct people *p, uint64_t id, struct user_id user, struct org_id org)
{
	people_put_session(p, &(struct people_session) { .id = { id },
							 .user = user,
							 .org = org,
							 .expires_us = 100 + (int64_t)id });
}

static struct people *scene(void)
{
	struct people *p = people_new();

	people_put_org(p, &(struct people_org) { .id = ORG, .project = { 70 } });
	people_put_org(p, &(struct people_org) { .id = OTHER, .project = { 80 } });
	people_put_member(p, ORG, ANA, ROLE_ADMIN);
	people_put_member(p, OTHER, ANA, ROLE_OWNER);
	people_put_member(p, ORG, BEN, ROLE_VIEWER);
	put_session(p, 1, ANA, ORG);
	put_session(p, 2, ANA, OTHER);
	put_session(p, 3, BEN, ORG);
	return p;
}

static struct person who(struct people *p, uint64_t session, struct user_id user)
{
	struct person out;

	T_TRUE(people_caller(p, (struct session_id) { session }, user, 50, &out));
	return out;
}

TEST(a_session_acts_in_its_org_with_the_role_there)
{
	struct people *p = scene();
	struct person ana = who(p, 1, ANA);

	T_INT(ana.org.v, ORG.v);
	T_INT(ana.role, ROLE_ADMIN);
	T_INT(ana.project.v, 70);
	T_FALSE(ana.suspended);
	ana = who(p, 2, ANA);
	T_INT(ana.role, ROLE_OWNER);
	T_INT(ana.project.v, 80);
	T_INT(people_role(p, OTHER, BEN), ROLE_NONE);
	people_free(&p);
}

TEST(a_session_is_one_users_and_ends)
{
	struct people *p = scene();
	struct person out;

	T_FALSE(people_caller(p, (struct session_id) { 1 }, BEN, 50, &out));
	T_FALSE(people_caller(p, (struct session_id) { 9 }, ANA, 50, &out));
	T_TRUE(people_caller(p, (struct session_id) { 1 }, ANA, 100, &out));
	T_FALSE(people_caller(p, (struct session_id) { 1 }, ANA, 101, &out));
	people_del_session(p, (struct session_id) { 2 });
	T_FALSE(people_caller(p, (struct session_id) { 2 }, ANA, 50, &out));
	people_free(&p);
}

TEST(who_is_removed_or_lowered_is_so_at_once)
{
	struct people *p = scene();
	struct person ana;

	people_put_member(p, ORG, ANA, ROLE_VIEWER);
	T_INT(who(p, 1, ANA).role, ROLE_VIEWER);
	people_put_member(p, ORG, ANA, ROLE_NONE);
	ana = who(p, 1, ANA);
	T_INT(ana.org.v, 0);
	T_INT(ana.role, ROLE_NONE);
	T_INT(ana.project.v, 0);
	T_INT(who(p, 2, ANA).role, ROLE_OWNER);
	people_put_member(p, ORG, ANA, ROLE_NONE);
	people_free(&p);
}

TEST(an_org_that_is_suspended_or_gone_shows)
{
	struct people *p = scene();

	people_put_org(p, &(struct people_org) { .id = ORG, .project = { 71 }, .suspended = true });
	T_TRUE(who(p, 1, ANA).suspended);
	T_INT(who(p, 1, ANA).project.v, 71);
	people_del_org(p, ORG);
	T_INT(who(p, 1, ANA).role, ROLE_NONE);
	T_INT(people_role(p, ORG, BEN), ROLE_NONE);
	T_INT(people_role(p, OTHER, ANA), ROLE_OWNER);
	T_TRUE(people_org(p, ORG) == NULL);
	people_free(&p);
}

TEST(a_session_changes_its_org_and_is_proved)
{
	struct people *p = scene();
	struct person ana;

	people_put_session(p, &(struct people_session) { .id = { 1 },
							 .user = ANA,
							 .org = OTHER,
							 .expires_us = 500,
							 .proved_us = 42 });
	ana = who(p, 1, ANA);
	T_INT(ana.org.v, OTHER.v);
	T_INT(ana.proved_us, 42);
	T_INT(ana.expires_us, 500);
	T_INT(people_sessions_of(p, ANA), 2);
	T_INT(people_oldest_of(p, ANA).v, 2);
	people_free(&p);
}

TEST(all_sessions_but_one_end)
{
	struct people *p = scene();
	struct person out;

	put_session(p, 4, ANA, ORG);
	people_end_others(p, ANA, (struct session_id) { 2 });
	T_INT(people_sessions_of(p, ANA), 1);
	T_TRUE(people_caller(p, (struct session_id) { 2 }, ANA, 50, &out));
	T_TRUE(people_caller(p, (struct session_id) { 3 }, BEN, 50, &out));
	people_end_others(p, ANA, (struct session_id) { 0 });
	T_INT(people_sessions_of(p, ANA), 0);
	T_INT(people_oldest_of(p, ANA).v, 0);
	people_end_others(p, (struct user_id) { 99 }, (struct session_id) { 0 });
	people_free(&p);
}

TEST(uses_are_reported_once_and_what_expired_is_swept)
{
	struct people *p = scene();
	struct session_use uses[4];

	T_INT(people_uses(p, uses, 4), 0);
	(void)who(p, 3, BEN);
	T_INT(people_uses(p, uses, 4), 1);
	T_INT(uses[0].id.v, 3);
	T_INT(uses[0].at_us, 50);
	T_INT(people_uses(p, uses, 4), 0);
	T_INT(people_sweep(p, 102, 1), 1);
	T_INT(people_sweep(p, 102, 10), 1);
	T_INT(people_counts(p).sessions, 1);
	people_free(&p);
}

TEST(nothing_is_kept_of_users_who_are_gone)
{
	struct people *p = scene();

	people_end_others(p, ANA, (struct session_id) { 0 });
	people_end_others(p, BEN, (struct session_id) { 0 });
	people_del_org(p, ORG);
	people_del_org(p, OTHER);
	T_INT(people_counts(p).users, 0);
	T_INT(people_counts(p).members, 0);
	T_INT(people_counts(p).orgs, 0);
	people_free(&p);
}

#define USERS 20000

/* Of malloc's own pages, and of tables that got pages of their own. */
static size_t bytes_in_use(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

TEST(memory_is_as_stated)
{
	struct people *p = people_new();
	size_t before = bytes_in_use(), bytes;

	for (uint64_t id = 1; id <= USERS; id++) {
		people_put_member(p, ORG, (struct user_id) { id }, ROLE_MEMBER);
		people_put_member(p, OTHER, (struct user_id) { id }, ROLE_MEMBER);
		put_session(p, 2 * id, (struct user_id) { id }, ORG);
		put_session(p, 2 * id + 1, (struct user_id) { id }, ORG);
	}
	bytes = bytes_in_use() - before;
	print_message("# %zu bytes per 1,000 users\n", bytes / (USERS / 1000));
	T_TRUE(bytes / (USERS / 1000) < PEOPLE_BYTES_PER_1000);
	people_free(&p);
}

#define LOADED 1200 /* more than two pages */

static void fill(struct db *db)
{
	struct org_row org;
	struct org_founding in = { .id = ORG, .project = { 70 }, .name = S("Acme"), .now_us = 1 };
	struct arena arena;
	struct err err = { 0 };
	char mail[64], hash[64];

	arena_init(&arena, 0);
	T_OK(db_begin(db, &err));
	T_OK(store_org_found(ORG, db, &in, &arena, &org, &err));
	for (uint64_t id = 1; id <= LOADED; id++) {
		struct user_row user = { .id = { id }, .created_us = 1 };
		struct member_row member = {
			.org = ORG, .user = { id }, .role = ROLE_MEMBER, .created_us = 1
		};
		struct session_row session = {
			.id = { id }, .user = { id }, .org = ORG, .expires_us = 60, .proved_us = 3
		};

		snprintf(mail, sizeof(mail), "u%llu@example.com", (unsigned long long)id);
		snprintf(hash, sizeof(hash), "%llu", (unsigned long long)id);
		user.mail = slice_of(mail);
		session.refresh_hash = slice_of(hash);
		session.expires_us = id == 5 ? 50 : 60;
		T_OK(store_user_insert(db, &user, &err));
		T_OK(store_member_insert(ORG, db, &member, &err));
		T_OK(store_session_insert(db, &session, &err));
	}
	T_OK(db_commit(db, &err));
	T_INT(store_org_suspend(ORG, db, 9, &err), FOUND);
	arena_release(&arena);
}

TEST(all_that_is_stored_is_loaded)
{
	char dir[] = "/tmp/tocsin-people.XXXXXX", path[64], file[80];
	struct people *p = people_new();
	struct store *store = NULL;
	struct db *db = NULL;
	struct person last;
	struct err err = { 0 };

	T_TRUE(mkdtemp(dir) != NULL);
	snprintf(path, sizeof(path), "%s/state.db", dir);
	T_OK(store_open(slice_of(path), &store, &err));
	T_OK(store_migrate(store, store_schema_newest(), 1, NULL, &err));
	T_OK(store_connect(store, STORE_KEEPER, &db, &err));
	fill(db);
	T_OK(people_load(p, db, 50, &err));
	T_INT(people_counts(p).sessions, LOADED - 1);
	T_INT(people_counts(p).members, LOADED);
	T_INT(people_counts(p).orgs, 1);
	last = who(p, LOADED, (struct user_id) { LOADED });
	T_INT(last.role, ROLE_MEMBER);
	T_INT(last.project.v, 70);
	T_INT(last.proved_us, 3);
	T_TRUE(last.suspended);
	db_close(&db);
	store_close(&store);
	people_free(&p);
	for (size_t i = 0; i < 3; i++) {
		static const char *const ends[] = { "", "-wal", "-shm" };

		snprintf(file, sizeof(file), "%s%s", path, ends[i]);
		(void)unlink(file);
	}
	T_INT(rmdir(dir), 0);
}

TEST(an_org_is_closed_while_it_is_suspended_or_leaves)
{
	struct people *p = scene();

	T_FALSE(people_org_is_closed(p, ORG));
	people_put_org(p, &(struct people_org) { .id = ORG, .suspended = true });
	T_TRUE(people_org_is_closed(p, ORG));
	T_FALSE(people_org_is_closed(p, OTHER));
	people_put_org(p, &(struct people_org) { .id = ORG, .suspended = true, .leaving = true });
	people_put_org(p, &(struct people_org) { .id = ORG, .leaving = true });
	T_TRUE(people_org_is_closed(p, ORG));
	people_put_org(p, &(struct people_org) { .id = ORG });
	T_FALSE(people_org_is_closed(p, ORG));
	people_put_org(p, &(struct people_org) { .id = OTHER, .leaving = true });
	people_del_org(p, OTHER);
	T_FALSE(people_org_is_closed(p, OTHER));
	people_free(&p);
}

TEST(who_leaves_is_nobody_in_any_org)
{
	struct people_session session = {
		.id = { 3 }, .user = { 5 }, .org = { 1 }, .expires_us = 100
	};
	struct people_org org = { .id = { 1 } };
	struct people *p = people_new();
	struct person who;

	people_put_org(p, &org);
	people_put_member(p, org.id, session.user, ROLE_OWNER);
	people_put_leaving(p, session.user, true);
	people_put_session(p, &session);
	T_TRUE(people_caller(p, session.id, session.user, 50, &who));
	T_TRUE(who.user_leaving && who.role == ROLE_NONE && who.org.v == 0);
	people_put_leaving(p, session.user, false);
	T_TRUE(people_caller(p, session.id, session.user, 50, &who));
	T_TRUE(!who.user_leaving && who.role == ROLE_OWNER && who.org.v == 1);
	people_free(&p);
}

TEST(a_user_who_is_gone_takes_all_along)
{
	struct people_session session = {
		.id = { 3 }, .user = { 5 }, .org = { 1 }, .expires_us = 100
	};
	struct people *p = people_new();
	struct people_counts counts;
	struct person who;

	people_put_leaving(p, session.user, true);
	T_INT(people_counts(p).users, 1);
	people_put_session(p, &session);
	people_put_member(p, (struct org_id) { 1 }, session.user, ROLE_MEMBER);
	people_put_member(p, (struct org_id) { 2 }, session.user, ROLE_MEMBER);
	people_del_user(p, session.user);
	counts = people_counts(p);
	T_INT(counts.users + counts.sessions + counts.members, 0);
	T_FALSE(people_caller(p, session.id, session.user, 50, &who));
	people_del_user(p, session.user);
	people_free(&p);
}

T_MAIN(T(who_leaves_is_nobody_in_any_org), T(a_user_who_is_gone_takes_all_along),
       T(an_org_is_closed_while_it_is_suspended_or_leaves),
       T(a_session_acts_in_its_org_with_the_role_there), T(a_session_is_one_users_and_ends),
       T(who_is_removed_or_lowered_is_so_at_once), T(an_org_that_is_suspended_or_gone_shows),
       T(a_session_changes_its_org_and_is_proved), T(all_sessions_but_one_end),
       T(uses_are_reported_once_and_what_expired_is_swept),
       T(nothing_is_kept_of_users_who_are_gone), T(memory_is_as_stated),
       T(all_that_is_stored_is_loaded))
