/* SPDX-License-Identifier: Apache-2.0 */
/* Users who leave: no org is left without an owner, and nothing of them is left behind. */
#include <pthread.h>
#include <stdio.h>

#include "store/fixture_contract.h"

#define DAY_US (INT64_C(86400) * 1000000)
#define AFTER (AT + 7 * DAY_US)
#define ANA ((struct user_id) { 1 })
#define BEN ((struct user_id) { 2 })
#define ROUNDS 8

static void put_member(struct fixture *f, struct org_id org, struct user_id user, enum role role)
{
	struct member_row row = { .org = org, .user = user, .role = role, .created_us = AT };
	struct err err = { 0 };

	T_OK(store_member_insert(org, f->db, &row, &err));
}

/* Ana owns A, Ben is an admin there and owns B. */
static void put_people(struct fixture *f)
{
	put_user(f, 1, "ana@example.com");
	put_user(f, 2, "ben@example.com");
	put_member(f, ORG_A, ANA, ROLE_OWNER);
	put_member(f, ORG_A, BEN, ROLE_ADMIN);
	put_member(f, ORG_B, BEN, ROLE_OWNER);
}

/* How many orgs are in the way. */
static size_t leave(struct fixture *f, struct db *db, struct user_id user)
{
	struct arena req;
	struct org_list sole;
	struct err err = { 0 };

	arena_init(&req, 0);
	T_OK(db_begin(db, &err));
	T_OK(store_user_leave(db, user, AFTER, &req, &sole, &err));
	T_OK(db_commit(db, &err));
	arena_release(&req);
	(void)f;
	return sole.n;
}

static bool set_role(struct db *db, struct user_id user, enum role to, struct err *err)
{
	struct member_ask ask = { .user = user, .to = to };
	bool ok = db_begin(db, err) && store_member_change(ORG_A, db, &ask, err) &&
		  db_commit(db, err);

	db_rollback(db);
	return ok;
}

static int64_t delete_after(struct fixture *f, struct user_id user)
{
	struct user_row row;
	struct err err = { 0 };

	T_INT(store_user_get(f->db, user, &f->arena, &row, &err), FOUND);
	return row.delete_after_us;
}

CONTRACT(the_only_owner_of_an_org_stays)
{
	struct org_list sole;
	struct err err = { 0 };

	put_people(f);
	T_OK(db_begin(f->db, &err));
	T_OK(store_user_leave(f->db, ANA, AFTER, &f->arena, &sole, &err));
	T_INT(sole.n, 1);
	T_INT(sole.rows[0].id.v, ORG_A.v);
	T_OK(db_commit(f->db, &err));
	T_INT(delete_after(f, ANA), 0);
	T_OK(set_role(f->db, BEN, ROLE_OWNER, &err));
	T_INT(leave(f, f->db, ANA), 0);
	T_INT(delete_after(f, ANA), AFTER);
	T_INT(leave(f, f->db, BEN), 2);
}

CONTRACT(an_org_that_leaves_keeps_nobody)
{
	struct err err = { 0 };

	put_people(f);
	T_INT(store_org_set_delete(ORG_A, f->db, AFTER, &err), FOUND);
	T_INT(leave(f, f->db, ANA), 0);
}

CONTRACT(who_leaves_counts_as_no_owner)
{
	struct err err = { 0 };

	put_people(f);
	T_OK(set_role(f->db, BEN, ROLE_OWNER, &err));
	T_INT(leave(f, f->db, ANA), 0);
	T_FAIL(set_role(f->db, BEN, ROLE_ADMIN, &err), ERR_CONFLICT);
	T_OK(set_role(f->db, ANA, ROLE_MEMBER, &err));
	T_FAIL(set_role(f->db, ANA, ROLE_OWNER, &err), ERR_CONFLICT);
	T_OK(db_begin(f->db, &err));
	T_FAIL(store_member_transfer(ORG_A, f->db, BEN, ANA, &err), ERR_CONFLICT);
	db_rollback(f->db);
	T_INT(store_user_stay(f->db, ANA, AT, &err), FOUND);
	T_OK(set_role(f->db, ANA, ROLE_OWNER, &err));
	T_OK(set_role(f->db, BEN, ROLE_ADMIN, &err));
}

CONTRACT(days_of_grace_come_to_an_end)
{
	struct user_list list;
	struct err err = { 0 };

	put_people(f);
	put_user(f, 3, "cy@example.com");
	T_INT(store_user_stay(f->db, (struct user_id) { 3 }, AT, &err), NOT_FOUND);
	T_INT(leave(f, f->db, (struct user_id) { 3 }), 0);
	T_OK(store_users_leaving(f->db, (struct user_id) { 0 }, 10, &f->arena, &list, &err));
	T_TRUE(list.n == 1 && list.rows[0].id.v == 3);
	T_OK(store_users_leaving(f->db, (struct user_id) { 3 }, 10, &f->arena, &list, &err));
	T_INT(list.n, 0);
	T_OK(store_users_left(f->db, AFTER - 1, 10, &f->arena, &list, &err));
	T_INT(list.n, 0);
	T_OK(store_users_left(f->db, AFTER, 10, &f->arena, &list, &err));
	T_TRUE(list.n == 1 && list.rows[0].id.v == 3);
	T_INT(store_user_stay(f->db, (struct user_id) { 3 }, AFTER, &err), NOT_FOUND);
	T_INT(store_user_stay(f->db, (struct user_id) { 3 }, AFTER - 1, &err), FOUND);
	T_INT(delete_after(f, (struct user_id) { 3 }), 0);
}

struct racer {
	struct fixture *f;
	struct db *db;
	struct user_id who;
	bool left;
};

static void *leave_thread(void *arg)
{
	struct racer *r = arg;

	r->left = leave(r->f, r->db, r->who) == 0;
	return NULL;
}

/* Ana steps down, as the other who owns A leaves. */
static void *step_down_thread(void *arg)
{
	struct racer *r = arg;
	struct err err;

	r->left = set_role(r->db, r->who, ROLE_ADMIN, &err);
	return NULL;
}

typedef void *thread_fn(void *arg);

static size_t race(struct fixture *f, thread_fn *first, thread_fn *second)
{
	struct racer racers[] = { { .f = f, .who = ANA }, { .f = f, .who = BEN } };
	thread_fn *runs[] = { first, second };
	pthread_t threads[2];

	for (size_t i = 0; i < 2; i++) {
		racers[i].db = fixture_connect(f);
		T_INT(pthread_create(&threads[i], NULL, runs[i], &racers[i]), 0);
	}
	for (size_t i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		db_close(&racers[i].db);
	}
	return (size_t)racers[0].left + (size_t)racers[1].left;
}

CONTRACT(of_the_owners_who_leave_at_once_one_stays)
{
	struct err err = { 0 };

	put_user(f, 1, "ana@example.com");
	put_user(f, 2, "ben@example.com");
	put_member(f, ORG_A, ANA, ROLE_OWNER);
	put_member(f, ORG_A, BEN, ROLE_OWNER);
	for (int round = 0; round < ROUNDS; round++) {
		thread_fn *first = round % 2 == 0 ? leave_thread : step_down_thread;

		T_INT(race(f, first, leave_thread), 1);
		(void)!store_user_stay(f->db, ANA, AT, &err);
		(void)!store_user_stay(f->db, BEN, AT, &err);
		T_OK(set_role(f->db, ANA, ROLE_OWNER, &err));
	}
}

static const struct query left_over = {
	.name = "test_left_over",
	.args = "i",
	.cols = "i",
	.sql = "select (select count(*) from memberships where user_id = $1)"
	       " + (select count(*) from sessions where user_id = $1)"
	       " + (select count(*) from one_time_tokens where user_id = $1)"
	       " + (select count(*) from recovery_codes where user_id = $1)"
	       " + (select count(*) from oidc_links where user_id = $1)"
	       " + (select count(*) from users where id = $1)",
	.global = "a test looks everywhere",
};

static int64_t rows_left(struct fixture *f, struct user_id user)
{
	struct err err = { 0 };
	int64_t n = -1;

	T_OK(db_run(f->db, &left_over, DB_ARGS(db_id(user.v)), &err));
	T_INT(db_next(f->db, &err), FOUND);
	n = db_col_int(f->db, 0);
	db_end(f->db);
	return n;
}

static void hang_on(struct fixture *f, struct user_id user)
{
	struct session_row session = { .id = { 7 },
				       .user = user,
				       .refresh_hash = S("r"),
				       .created_us = AT,
				       .refreshed_us = AT,
				       .expires_us = AT + DAY_US,
				       .address = S("192.0.2.1"),
				       .agent = S("curl") };
	struct token_row token = { .hash = S("t"),
				   .user = user,
				   .purpose = TOKEN_RESET,
				   .data = S(""),
				   .created_us = AT,
				   .expires_us = AT + DAY_US };
	struct link_row link = { .issuer = S("https://i.example"),
				 .subject = S("s"),
				 .user = user,
				 .mail = S("ana@example.com"),
				 .created_us = AT };
	struct slice code = S("c");
	struct err err = { 0 };

	T_OK(store_session_insert(f->db, &session, &err));
	T_OK(store_token_put(f->db, &token, &err));
	T_OK(store_link_insert(f->db, &link, &err));
	T_OK(db_begin(f->db, &err));
	T_OK(store_recovery_put(f->db, user, &code, 1, &err));
	T_OK(db_commit(f->db, &err));
}

CONTRACT(leaving_logs_out_and_stripping_takes_the_rest)
{
	struct user_row row;
	struct err err = { 0 };

	put_people(f);
	T_OK(set_role(f->db, BEN, ROLE_OWNER, &err));
	hang_on(f, ANA);
	T_INT(rows_left(f, ANA), 6);
	T_INT(leave(f, f->db, ANA), 0);
	T_INT(rows_left(f, ANA), 4); /* no session, no token */
	for (int again = 0; again < 2; again++) {
		T_OK(db_begin(f->db, &err));
		T_OK(store_user_strip(f->db, ANA, &err));
		T_OK(db_commit(f->db, &err));
	}
	T_INT(rows_left(f, ANA), 1);
	T_INT(store_user_get(f->db, ANA, &f->arena, &row, &err), FOUND);
	T_TRUE(slice_eq(row.mail, slice_of(id_format(ID_USER, 1).p)));
	T_TRUE(row.name.n == 0 && row.password.n == 0 && row.totp.n == 0);
	T_INT(row.delete_after_us, AFTER);
	T_INT(store_user_remove(f->db, ANA, &err), FOUND);
	T_INT(store_user_remove(f->db, ANA, &err), NOT_FOUND);
	T_INT(rows_left(f, ANA), 0);
	T_INT(rows_left(f, BEN), 3);
}

CONTRACT(invites_to_an_address_are_forgotten_whoever_sent_them)
{
	struct invite_row row = { .role = ROLE_MEMBER,
				  .created_us = AT,
				  .expires_us = AT + DAY_US };
	static const char *const hashes[] = { "a", "b", "c" };
	struct sent_invite sent[4];
	struct err err = { 0 };
	size_t n;

	T_OK(db_begin(f->db, &err));
	for (uint64_t i = 0; i < 3; i++) {
		row.id.v = 30 + i;
		row.org = i == 1 ? ORG_B : ORG_A;
		row.mail = i == 2 ? S("ben@example.com") : S("ana@example.com");
		row.token_hash = slice_of(hashes[i]);
		T_OK(store_invite_insert(row.org, f->db, &row, &err));
	}
	T_OK(db_commit(f->db, &err));
	T_OK(store_invites_to(f->db, S("ana@example.com"), 4, sent, &n, &err));
	T_TRUE(n == 2 && sent[0].org.v == ORG_A.v && sent[1].org.v == ORG_B.v);
	T_OK(store_invite_forget(f->db, &sent[0], &err));
	T_OK(store_invite_forget(f->db, &sent[1], &err));
	T_OK(store_invites_to(f->db, S("ana@example.com"), 4, sent, &n, &err));
	T_INT(n, 0);
	T_OK(store_invites_to(f->db, S("ben@example.com"), 4, sent, &n, &err));
	T_INT(n, 1);
}

CONTRACT(a_reply_that_names_an_address_keeps_what_it_made)
{
	static const char *const bodies[] = { "{\"email\":\"a_n@x.example\"}",
					      "{\"email\":\"abn@x.example\"}" };
	static const char *const keys[] = { "k0", "k1" };
	struct reply_row row = { .org = ORG_A,
				 .request = S("q"),
				 .status = 201,
				 .whole = true,
				 .object = S("inv_1"),
				 .created_us = AT,
				 .expires_us = AT + DAY_US };
	struct err err = { 0 };
	uint64_t n;

	for (size_t i = 0; i < 2; i++) {
		row.key = slice_of(keys[i]);
		row.body = slice_of(bodies[i]);
		T_OK(db_begin(f->db, &err));
		T_OK(store_reply_insert(ORG_A, f->db, &row, &err));
		T_OK(db_commit(f->db, &err));
	}
	T_OK(store_replies_forget(f->db, S("a_n@x.example"), 10, &n, &err));
	T_INT(n, 1);
	T_OK(store_replies_forget(f->db, S("a_n@x.example"), 10, &n, &err));
	T_INT(n, 0);
	T_INT(store_reply_get(ORG_A, f->db, S("k0"), AT, &f->arena, &row, &err), FOUND);
	T_TRUE(!row.whole && row.body.n == 0);
	T_SLICE(row.object, "inv_1");
	T_INT(store_reply_get(ORG_A, f->db, S("k1"), AT, &f->arena, &row, &err), FOUND);
	T_TRUE(slice_eq(row.body, slice_of(bodies[1])));
}

CONTRACTS(leaving_contract, C(the_only_owner_of_an_org_stays), C(an_org_that_leaves_keeps_nobody),
	  C(who_leaves_counts_as_no_owner), C(days_of_grace_come_to_an_end),
	  C(of_the_owners_who_leave_at_once_one_stays),
	  C(leaving_logs_out_and_stripping_takes_the_rest),
	  C(invites_to_an_address_are_forgotten_whoever_sent_them),
	  C(a_reply_that_names_an_address_keeps_what_it_made))
