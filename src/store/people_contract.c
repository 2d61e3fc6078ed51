/* SPDX-License-Identifier: Apache-2.0 */
/* Users, sessions, one-time tokens, signing keys: what may happen once happens once. */
#include <pthread.h>
#include <stdio.h>

#include "store/fixture_contract.h"

#define DAY_US (INT64_C(86400) * 1000000)
#define ANA ((struct user_id) { 1 })
#define BEN ((struct user_id) { 2 })
#define RACERS 4

struct user_row sample_user(uint64_t id, const char *mail)
{
	return (struct user_row) {
		.id = { id },
		.mail = slice_of(mail),
		.name = S("Ana"),
		.password = S("$argon2id$x"),
		.password_us = AT,
		.created_us = AT + (int64_t)id,
	};
}

void put_user(struct fixture *f, uint64_t id, const char *mail)
{
	struct user_row row = sample_user(id, mail);
	struct err err = { 0 };

	T_OK(store_user_insert(f->db, &row, &err));
}

static struct session_row sample_session(uint64_t id, struct user_id user, const char *hash)
{
	return (struct session_row) {
		.id = { id },
		.user = user,
		.org = ORG_A,
		.refresh_hash = slice_of(hash),
		.created_us = AT + (int64_t)id,
		.refreshed_us = AT,
		.expires_us = AT + 30 * DAY_US,
		.address = S("192.0.2.1"),
		.agent = S("curl"),
	};
}

static void put_session(struct fixture *f, uint64_t id, struct user_id user, const char *hash)
{
	struct session_row row = sample_session(id, user, hash);
	struct err err = { 0 };

	T_OK(store_session_insert(f->db, &row, &err));
}

CONTRACT(users_are_found_and_changed)
{
	struct user_row row;
	struct user_list list;
	struct err err = { 0 };
	uint64_t n;

	put_user(f, 1, "ana@example.com");
	put_user(f, 2, "ben@example.com");
	T_INT(store_user_by_mail(f->db, S("ana@example.com"), &f->arena, &row, &err), FOUND);
	T_INT(row.id.v, 1);
	T_SLICE(row.password, "$argon2id$x");
	T_INT(row.totp.n, 0);
	T_INT(store_user_by_mail(f->db, S("cy@example.com"), &f->arena, &row, &err), NOT_FOUND);
	T_INT(store_user_set_name(f->db, ANA, S("Ana B"), &err), FOUND);
	T_INT(store_user_set_password(f->db, ANA, S(""), AT + 5, &err), FOUND);
	T_INT(store_user_set_mail(f->db, ANA, S("a@b.example"), AT + 6, &err), FOUND);
	T_INT(store_user_logged_in(f->db, ANA, AT + 7, &err), FOUND);
	T_INT(store_user_get(f->db, ANA, &f->arena, &row, &err), FOUND);
	T_SLICE(row.name, "Ana B");
	T_SLICE(row.mail, "a@b.example");
	T_INT(row.password.n, 0);
	T_INT(row.password_us, AT + 5);
	T_INT(row.mail_verified_us, AT + 6);
	T_INT(row.login_us, AT + 7);
	T_INT(store_user_set_name(f->db, (struct user_id) { 9 }, S("x"), &err), NOT_FOUND);
	T_OK(store_user_list(f->db, PAGE_OF(1), &f->arena, &list, &err));
	T_INT(list.rows[0].id.v, 2);
	T_INT(list.next.id, 2);
	T_OK(store_user_count(f->db, &n, &err));
	T_INT(n, 2);
}

CONTRACT(a_mail_is_one_users)
{
	struct user_row row = sample_user(2, "ana@example.com");
	struct err err = { 0 };

	put_user(f, 1, "ana@example.com");
	T_FAIL(store_user_insert(f->db, &row, &err), ERR_CONFLICT);
	put_user(f, 2, "ben@example.com");
	T_INT(store_user_set_mail(f->db, BEN, S("ana@example.com"), 0, &err), FAILED);
	T_INT(err.kind, ERR_CONFLICT);
}

CONTRACT(a_code_is_taken_once)
{
	struct user_row row;
	struct err err = { 0 };

	put_user(f, 1, "ana@example.com");
	T_INT(store_user_set_totp(f->db, ANA, S("sealed"), AT, &err), FOUND);
	T_INT(store_user_take_totp(f->db, ANA, 100, &err), FOUND);
	T_INT(store_user_take_totp(f->db, ANA, 100, &err), NOT_FOUND);
	T_INT(store_user_take_totp(f->db, ANA, 99, &err), NOT_FOUND);
	T_INT(store_user_take_totp(f->db, ANA, 101, &err), FOUND);
	T_INT(store_user_get(f->db, ANA, &f->arena, &row, &err), FOUND);
	T_SLICE(row.totp, "sealed");
	T_INT(row.totp_us, AT);
	T_INT(row.totp_step, 101);
}

CONTRACT(who_is_disabled_is_logged_out)
{
	struct token_row token = { .hash = S("t"), .user = ANA, .expires_us = AT + 9 };
	struct session_row row;
	struct user_row user;
	struct err err = { 0 };

	put_user(f, 1, "ana@example.com");
	put_user(f, 2, "ben@example.com");
	put_session(f, 1, ANA, "a");
	put_session(f, 2, BEN, "b");
	T_OK(store_token_put(f->db, &token, &err));
	T_OK(db_begin(f->db, &err));
	T_INT(store_user_set_status(f->db, ANA, USER_DISABLED, &err), FOUND);
	T_OK(db_commit(f->db, &err));
	T_INT(store_user_get(f->db, ANA, &f->arena, &user, &err), FOUND);
	T_INT(user.status, USER_DISABLED);
	T_INT(store_session_get(f->db, (struct session_id) { 1 }, &f->arena, &row, &err),
	      NOT_FOUND);
	T_INT(store_session_get(f->db, (struct session_id) { 2 }, &f->arena, &row, &err), FOUND);
	T_INT(store_token_take(f->db, TOKEN_RESET, S("t"), AT, &f->arena, &token, &err), NOT_FOUND);
}

CONTRACT(who_is_disabled_cannot_log_in)
{
	struct user_row user;
	struct err err = { 0 };

	put_user(f, 1, "ana@example.com");
	T_OK(db_begin(f->db, &err));
	T_INT(store_user_lock(f->db, ANA, &f->arena, &user, &err), FOUND);
	T_INT(user.status, USER_ACTIVE);
	T_INT(store_user_lock(f->db, BEN, &f->arena, &user, &err), NOT_FOUND);
	T_INT(store_user_set_status(f->db, BEN, USER_DISABLED, &err), NOT_FOUND);
	T_INT(store_user_set_status(f->db, ANA, USER_DISABLED, &err), FOUND);
	T_INT(store_user_logged_in(f->db, ANA, AT + 1, &err), NOT_FOUND);
	T_INT(store_user_set_status(f->db, ANA, USER_ACTIVE, &err), FOUND);
	T_INT(store_user_logged_in(f->db, ANA, AT + 2, &err), FOUND);
	T_OK(db_commit(f->db, &err));
}

CONTRACT(an_open_token_is_known_by_its_user)
{
	struct token_row token = { .hash = S("t"),
				   .user = ANA,
				   .purpose = TOKEN_MAIL_CHANGE,
				   .data = S("new@example.com"),
				   .expires_us = AT + 9 };
	struct token_row got;
	struct err err = { 0 };

	put_user(f, 1, "ana@example.com");
	T_OK(store_token_put(f->db, &token, &err));
	T_INT(store_token_of(f->db, ANA, TOKEN_MAIL_CHANGE, AT, &f->arena, &got, &err), FOUND);
	T_SLICE(got.data, "new@example.com");
	T_INT(store_token_of(f->db, ANA, TOKEN_MAIL_CHANGE, AT + 9, &f->arena, &got, &err),
	      NOT_FOUND);
	T_INT(store_token_of(f->db, ANA, TOKEN_RESET, AT, &f->arena, &got, &err), NOT_FOUND);
	T_INT(store_token_of(f->db, BEN, TOKEN_MAIL_CHANGE, AT, &f->arena, &got, &err), NOT_FOUND);
}

CONTRACT(an_identity_of_elsewhere_is_one_users)
{
	struct link_row row = { .issuer = S("https://id.example"),
				.subject = S("42"),
				.user = ANA,
				.mail = S("ana@id.example"),
				.created_us = AT };
	struct link_list list;
	struct link_row got;
	struct err err = { 0 };

	put_user(f, 1, "ana@example.com");
	put_user(f, 2, "ben@example.com");
	T_OK(store_link_insert(f->db, &row, &err));
	row.user = BEN;
	T_FAIL(store_link_insert(f->db, &row, &err), ERR_CONFLICT);
	T_INT(store_link_used(f->db, row.issuer, row.subject, AT + 1, &err), FOUND);
	T_INT(store_link_get(f->db, row.issuer, row.subject, &f->arena, &got, &err), FOUND);
	T_INT(got.user.v, 1);
	T_INT(got.login_us, AT + 1);
	T_INT(store_link_get(f->db, row.issuer, S("43"), &f->arena, &got, &err), NOT_FOUND);
	T_OK(store_link_list(f->db, ANA, &f->arena, &list, &err));
	T_INT(list.n, 1);
	T_INT(store_link_delete(f->db, BEN, row.issuer, &err), NOT_FOUND);
	T_INT(store_link_delete(f->db, ANA, row.issuer, &err), FOUND);
}

static enum session_turn refresh(struct db *db, struct arena *arena, const char *hash,
				 const char *next, int64_t now_us, int64_t race_us)
{
	struct session_refresh in = { .hash = slice_of(hash),
				      .next = slice_of(next),
				      .now_us = now_us,
				      .expires_us = now_us + 30 * DAY_US,
				      .race_us = race_us,
				      .address = S("192.0.2.2"),
				      .agent = S("browser") };
	struct session_row row;
	enum session_turn turn;
	struct err err = { 0 };

	T_OK(db_begin(db, &err));
	T_OK(store_session_refresh(db, &in, arena, &row, &turn, &err));
	T_OK(db_commit(db, &err));
	return turn;
}

CONTRACT(an_old_token_ends_its_session)
{
	struct session_row row;
	struct err err = { 0 };

	put_user(f, 1, "ana@example.com");
	put_session(f, 1, ANA, "one");
	put_session(f, 2, ANA, "other");
	T_INT(refresh(f->db, &f->arena, "nothing", "x", AT + 1, 0), SESSION_UNKNOWN);
	T_INT(refresh(f->db, &f->arena, "one", "two", AT + 1, 0), SESSION_TURNED);
	T_INT(store_session_get(f->db, (struct session_id) { 1 }, &f->arena, &row, &err), FOUND);
	T_SLICE(row.previous_hash, "one");
	T_SLICE(row.address, "192.0.2.2");
	T_INT(row.expires_us, AT + 1 + 30 * DAY_US);
	T_INT(refresh(f->db, &f->arena, "two", "three", AT + 2, 0), SESSION_TURNED);
	T_INT(refresh(f->db, &f->arena, "two", "four", AT + 3, 0), SESSION_REUSED);
	T_INT(refresh(f->db, &f->arena, "three", "five", AT + 4, 0), SESSION_UNKNOWN);
	T_INT(store_session_get(f->db, (struct session_id) { 2 }, &f->arena, &row, &err), FOUND);
}

CONTRACT(two_tabs_at_a_time_are_no_thief)
{
	put_user(f, 1, "ana@example.com");
	put_session(f, 1, ANA, "one");
	T_INT(refresh(f->db, &f->arena, "one", "two", AT + 10, 5), SESSION_TURNED);
	T_INT(refresh(f->db, &f->arena, "one", "bad", AT + 14, 5), SESSION_RACED);
	T_INT(refresh(f->db, &f->arena, "bad", "bad", AT + 14, 5), SESSION_UNKNOWN);
	T_INT(refresh(f->db, &f->arena, "one", "bad", AT + 15, 5), SESSION_REUSED);
}

CONTRACT(a_session_dies_at_its_end)
{
	struct session_list list;
	struct err err = { 0 };
	uint64_t swept;

	put_user(f, 1, "ana@example.com");
	put_session(f, 1, ANA, "one");
	put_session(f, 2, ANA, "two");
	T_INT(refresh(f->db, &f->arena, "two", "three", AT + DAY_US, 0), SESSION_TURNED);
	T_INT(refresh(f->db, &f->arena, "one", "x", AT + 30 * DAY_US, 0), SESSION_UNKNOWN);
	T_OK(store_sessions_all(f->db, (struct session_id) { 0 }, AT + 30 * DAY_US, 10, &f->arena,
				&list, &err));
	T_INT(list.n, 1);
	T_INT(list.rows[0].id.v, 2);
	T_OK(store_sessions_sweep(f->db, AT + 30 * DAY_US, 10, &swept, &err));
	T_INT(swept, 1);
	T_OK(store_session_list(f->db, ANA, PAGE_OF(10), &f->arena, &list, &err));
	T_INT(list.n, 1);
}

CONTRACT(sessions_are_listed_changed_and_ended)
{
	struct session_use use = { .id = { 1 }, .at_us = AT + 8 };
	struct session_list list;
	struct session_row row;
	struct err err = { 0 };
	uint64_t n;

	put_user(f, 1, "ana@example.com");
	put_user(f, 2, "ben@example.com");
	put_session(f, 1, ANA, "one");
	put_session(f, 2, ANA, "two");
	put_session(f, 3, ANA, "three");
	put_session(f, 4, BEN, "four");
	T_OK(store_session_list(f->db, ANA, PAGE_OF(2), &f->arena, &list, &err));
	T_INT(list.n, 2);
	T_INT(list.rows[0].id.v, 3);
	T_INT(list.next.id, 2);
	T_INT(store_session_set_org(f->db, ANA, (struct session_id) { 1 }, ORG_B, &err), FOUND);
	T_INT(store_session_set_org(f->db, BEN, (struct session_id) { 1 }, ORG_B, &err), NOT_FOUND);
	T_INT(store_session_prove(f->db, ANA, (struct session_id) { 1 }, AT + 9, &err), FOUND);
	T_OK(db_begin(f->db, &err));
	T_OK(store_sessions_touch(f->db, &use, 1, &err));
	T_OK(db_commit(f->db, &err));
	T_INT(store_session_get(f->db, (struct session_id) { 1 }, &f->arena, &row, &err), FOUND);
	T_INT(row.org.v, ORG_B.v);
	T_INT(row.proved_us, AT + 9);
	T_INT(row.used_us, AT + 8);
	T_INT(store_session_end(f->db, BEN, (struct session_id) { 1 }, &err), NOT_FOUND);
	T_INT(store_session_end(f->db, ANA, (struct session_id) { 1 }, &err), FOUND);
	T_INT(store_session_end(f->db, ANA, (struct session_id) { 1 }, &err), NOT_FOUND);
	T_OK(store_session_end_others(f->db, ANA, (struct session_id) { 2 }, &n, &err));
	T_INT(n, 1);
	T_INT(store_session_get(f->db, (struct session_id) { 2 }, &f->arena, &row, &err), FOUND);
	T_INT(store_session_get(f->db, (struct session_id) { 4 }, &f->arena, &row, &err), FOUND);
}

/* The same thing at the same time, each on a connection of its own. */
struct racer {
	struct fixture *f;
	size_t i;
	bool won;
};

static void race(struct fixture *f, void *(*run)(void *), size_t *won)
{
	struct racer racers[RACERS];
	pthread_t threads[RACERS];

	*won = 0;
	for (size_t i = 0; i < RACERS; i++) {
		racers[i] = (struct racer) { .f = f, .i = i };
		T_INT(pthread_create(&threads[i], NULL, run, &racers[i]), 0);
	}
	for (size_t i = 0; i < RACERS; i++) {
		pthread_join(threads[i], NULL);
		*won += racers[i].won;
	}
}

static void *refresh_thread(void *arg)
{
	struct racer *r = arg;
	struct db *db = fixture_connect(r->f);
	struct arena arena;
	char next[16];

	snprintf(next, sizeof(next), "next%zu", r->i);
	arena_init(&arena, 0);
	r->won = refresh(db, &arena, "one", next, AT + 1, DAY_US) == SESSION_TURNED;
	arena_release(&arena);
	db_close(&db);
	return NULL;
}

CONTRACT(of_many_refreshes_one_turns)
{
	size_t won;

	put_user(f, 1, "ana@example.com");
	put_session(f, 1, ANA, "one");
	race(f, refresh_thread, &won);
	T_INT(won, 1);
}

static void *take_thread(void *arg)
{
	struct racer *r = arg;
	struct db *db = fixture_connect(r->f);
	struct token_row row;
	struct arena arena;
	struct err err;

	arena_init(&arena, 0);
	r->won = store_token_take(db, TOKEN_RESET, S("t1"), AT, &arena, &row, &err) == FOUND;
	arena_release(&arena);
	db_close(&db);
	return NULL;
}

CONTRACT(a_token_is_taken_once)
{
	struct token_row row = { .hash = S("t1"),
				 .user = ANA,
				 .data = S("{}"),
				 .created_us = AT,
				 .expires_us = AT + 1 };
	struct err err = { 0 };
	size_t won;

	put_user(f, 1, "ana@example.com");
	T_OK(store_token_put(f->db, &row, &err));
	T_INT(store_token_take(f->db, TOKEN_VERIFY, S("t1"), AT, &f->arena, &row, &err), NOT_FOUND);
	T_INT(store_token_take(f->db, TOKEN_RESET, S("t1"), AT + 1, &f->arena, &row, &err),
	      NOT_FOUND);
	race(f, take_thread, &won);
	T_INT(won, 1);
}

CONTRACT(a_new_token_ends_the_older)
{
	struct token_row row = { .hash = S("old"),
				 .user = ANA,
				 .purpose = TOKEN_MAIL_CHANGE,
				 .data = S("new@example.com"),
				 .created_us = AT,
				 .expires_us = AT + 9 };
	struct token_row got;
	struct err err = { 0 };
	uint64_t swept;

	put_user(f, 1, "ana@example.com");
	T_OK(store_token_put(f->db, &row, &err));
	row.hash = S("new");
	T_OK(store_token_put(f->db, &row, &err));
	row.hash = S("reset");
	row.purpose = TOKEN_RESET;
	T_OK(store_token_put(f->db, &row, &err));
	T_INT(store_token_take(f->db, TOKEN_MAIL_CHANGE, S("old"), AT, &f->arena, &got, &err),
	      NOT_FOUND);
	T_INT(store_token_take(f->db, TOKEN_MAIL_CHANGE, S("new"), AT, &f->arena, &got, &err),
	      FOUND);
	T_SLICE(got.data, "new@example.com");
	T_INT(got.user.v, 1);
	T_OK(store_tokens_sweep(f->db, AT + 8, 10, &swept, &err));
	T_INT(swept, 0);
	T_OK(store_tokens_sweep(f->db, AT + 9, 10, &swept, &err));
	T_INT(swept, 1);
}

CONTRACT(a_recovery_code_is_good_once)
{
	const struct slice first[] = { S("a"), S("b") }, second[] = { S("c") };
	struct err err = { 0 };
	uint64_t left;

	put_user(f, 1, "ana@example.com");
	T_OK(db_begin(f->db, &err));
	T_OK(store_recovery_put(f->db, ANA, first, 2, &err));
	T_OK(db_commit(f->db, &err));
	T_INT(store_recovery_take(f->db, ANA, S("a"), AT, &err), FOUND);
	T_INT(store_recovery_take(f->db, ANA, S("a"), AT, &err), NOT_FOUND);
	T_OK(store_recovery_left(f->db, ANA, &left, &err));
	T_INT(left, 1);
	T_OK(db_begin(f->db, &err));
	T_OK(store_recovery_put(f->db, ANA, second, 1, &err));
	T_OK(db_commit(f->db, &err));
	T_INT(store_recovery_take(f->db, ANA, S("b"), AT, &err), NOT_FOUND);
	T_INT(store_recovery_take(f->db, ANA, S("c"), AT, &err), FOUND);
}

CONTRACT(signing_keys_have_one_number_each)
{
	struct sign_key_row row = { .number = 1,
				    .kid = S("k1"),
				    .public_key = S("pub"),
				    .private_key = S("sealed"),
				    .created_us = AT,
				    .sign_until_us = AT + 10,
				    .check_until_us = AT + 20 };
	struct sign_key_list list;
	struct err err = { 0 };

	T_OK(store_sign_key_insert(f->db, &row, &err));
	row.kid = S("k2");
	T_FAIL(store_sign_key_insert(f->db, &row, &err), ERR_CONFLICT);
	row.number = 2;
	T_OK(store_sign_key_insert(f->db, &row, &err));
	T_OK(store_sign_key_list(f->db, &f->arena, &list, &err));
	T_INT(list.n, 2);
	T_SLICE(list.rows[0].kid, "k2");
	T_SLICE(list.rows[1].private_key, "sealed");
	T_OK(store_sign_key_prune(f->db, AT + 19, &err));
	T_OK(store_sign_key_list(f->db, &f->arena, &list, &err));
	T_INT(list.n, 2);
	T_OK(store_sign_key_prune(f->db, AT + 20, &err));
	T_OK(store_sign_key_list(f->db, &f->arena, &list, &err));
	T_INT(list.n, 1);
	T_INT(list.rows[0].number, 2);
}

static const struct query waiting = {
	.name = "test_waiting",
	.args = "",
	.cols = "i",
	.sql = "select count(*) from pg_locks where not granted",
	.global = "a test looks at the server",
};

struct resetting {
	struct fixture *f;
	enum found found;
	struct err err;
};

static void *reset_thread(void *arg)
{
	struct resetting *r = arg;
	struct db *db = fixture_connect(r->f);
	struct token_row token;
	struct user_row user;
	struct arena req;

	arena_init(&req, 0);
	r->found = FAILED;
	if (db_begin(db, &r->err)) {
		r->found = store_token_take_user(db, TOKEN_RESET, S("h1"), AT, &req, &token, &user,
						 &r->err);
	}
	db_rollback(db);
	db_close(&db);
	arena_release(&req);
	return NULL;
}

static void wait_for_waiting(struct fixture *f)
{
	struct db *db = fixture_connect(f);
	struct err err = { 0 };
	int64_t n = 0;

	while (n == 0) {
		T_OK(db_run(db, &waiting, (struct db_args) { 0 }, &err));
		T_INT(db_next(db, &err), FOUND);
		n = db_col_int(db, 0);
		db_end(db);
	}
	db_close(&db);
}

/* Whoever has the user may end the tokens, whoever comes with one meanwhile. */
CONTRACT(a_link_that_is_used_as_it_ends_waits_in_line)
{
	struct token_row token = { .hash = S("h1"),
				   .user = ANA,
				   .purpose = TOKEN_RESET,
				   .data = S(""),
				   .created_us = AT,
				   .expires_us = AT + DAY_US };
	struct resetting r = { .f = f };
	struct user_row row;
	struct err err = { 0 };
	pthread_t thread;

	put_user(f, 1, "ana@example.com");
	T_OK(store_token_put(f->db, &token, &err));
	T_OK(db_begin(f->db, &err));
	T_INT(store_user_lock(f->db, ANA, &f->arena, &row, &err), FOUND);
	T_INT(pthread_create(&thread, NULL, reset_thread, &r), 0);
	if (f->kind == STORE_POSTGRES) {
		wait_for_waiting(f);
	}
	T_OK(store_token_end_all(f->db, ANA, &err));
	T_OK(db_commit(f->db, &err));
	pthread_join(thread, NULL);
	T_INT(r.found, NOT_FOUND);
}

CONTRACT(a_token_is_taken_with_its_user)
{
	struct token_row token = { .hash = S("h1"),
				   .user = ANA,
				   .purpose = TOKEN_RESET,
				   .data = S(""),
				   .created_us = AT,
				   .expires_us = AT + DAY_US };
	struct user_row row;
	struct err err = { 0 };

	put_user(f, 1, "ana@example.com");
	T_OK(store_token_put(f->db, &token, &err));
	T_OK(db_begin(f->db, &err));
	T_INT(store_token_take_user(f->db, TOKEN_VERIFY, S("h1"), AT, &f->arena, &token, &row,
				    &err),
	      NOT_FOUND);
	T_INT(store_token_take_user(f->db, TOKEN_RESET, S("h1"), AT, &f->arena, &token, &row, &err),
	      FOUND);
	T_SLICE(row.mail, "ana@example.com");
	T_INT(store_token_take_user(f->db, TOKEN_RESET, S("h1"), AT, &f->arena, &token, &row, &err),
	      NOT_FOUND);
	db_rollback(f->db);
}

CONTRACTS(people_contract, C(a_link_that_is_used_as_it_ends_waits_in_line),
	  C(a_token_is_taken_with_its_user), C(users_are_found_and_changed), C(a_mail_is_one_users),
	  C(a_code_is_taken_once), C(who_is_disabled_is_logged_out),
	  C(who_is_disabled_cannot_log_in), C(an_open_token_is_known_by_its_user),
	  C(an_identity_of_elsewhere_is_one_users), C(an_old_token_ends_its_session),
	  C(two_tabs_at_a_time_are_no_thief), C(a_session_dies_at_its_end),
	  C(sessions_are_listed_changed_and_ended), C(of_many_refreshes_one_turns),
	  C(a_token_is_taken_once), C(a_new_token_ends_the_older), C(a_recovery_code_is_good_once),
	  C(signing_keys_have_one_number_each))
