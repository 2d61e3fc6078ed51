/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens open for fifteen minutes and no longer, over restarts and new keys. */
#include "api/signer.h"

#include <stdio.h>
#include <unistd.h>

#include "store/store.h"
#include "test/t.h"

#define ANA ((struct user_id) { 17 })
#define HERE ((struct session_id) { 23 })
#define NOW_US (INT64_C(1770000000) * 1000000)

struct scene {
	char path[64];
	struct store *store;
	struct db *db;
	struct seal *seal;
	struct signer *signer;
	struct arena req;
};
static struct err err;

static void open_scene(struct scene *s)
{
	static const unsigned char key[SEAL_KEY_BYTES] = { 1, 2, 3 };

	*s = (struct scene) { .seal = seal_new() };
	arena_init(&s->req, 0);
	T_TRUE(seal_add(s->seal, key));
	snprintf(s->path, sizeof(s->path), "/tmp/signer-test-%d.db", (int)getpid());
	unlink(s->path);
	T_OK(store_open(slice_of(s->path), &s->store, &err));
	T_OK(store_migrate(s->store, store_schema_newest(), 1, NULL, &err));
	T_OK(store_connect(s->store, STORE_API, &s->db, &err));
	s->signer = signer_new(s->seal);
	T_OK(signer_load(s->signer, s->db, NOW_US, &err));
}

static void close_scene(struct scene *s)
{
	signer_free(&s->signer);
	db_close(&s->db);
	store_close(&s->store);
	unlink(s->path);
	seal_free(&s->seal);
	arena_release(&s->req);
}

static struct slice issue(struct scene *s, int64_t now_us)
{
	struct slice token = { 0 };

	T_OK(signer_issue(s->signer, s->db, ANA, HERE, now_us, &s->req, &token, &err));
	return token;
}

static enum signer_verdict check(struct scene *s, struct slice token, int64_t now_us)
{
	struct session_id session = { 0 };
	struct user_id user = { 0 };
	enum signer_verdict v = signer_check(s->signer, token, now_us, &s->req, &user, &session,
					     &err);

	T_TRUE(v != SIGNER_GOOD || (user.v == ANA.v && session.v == HERE.v));
	return v;
}

TEST(a_token_is_good_for_its_time)
{
	struct scene s;
	struct slice token;

	open_scene(&s);
	token = issue(&s, NOW_US);
	for (int i = 0; i < 3; i++) {
		T_INT(check(&s, token, NOW_US + i), SIGNER_GOOD);
	}
	T_INT(check(&s, token, NOW_US + SIGNER_LIFE_US - 1), SIGNER_GOOD);
	/* Not even what is remembered is good for longer. */
	T_INT(check(&s, token, NOW_US + SIGNER_LIFE_US), SIGNER_OVER);
	T_INT(err.kind, ERR_UNAUTHORIZED);
	close_scene(&s);
}

TEST(any_other_text_is_forged)
{
	struct scene s;
	struct slice token;
	char *bent;

	open_scene(&s);
	token = issue(&s, NOW_US);
	T_INT(check(&s, token, NOW_US), SIGNER_GOOD);
	for (size_t i = 0; i < token.n; i++) {
		bent = (char *)arena_cstr(&s.req, token);
		bent[i] = bent[i] == 'A' ? 'B' : 'A';
		T_INT(check(&s, slice_of(bent), NOW_US), SIGNER_FORGED);
	}
	T_INT(check(&s, S("eyJ"), NOW_US), SIGNER_FORGED);
	T_INT(check(&s, S(""), NOW_US), SIGNER_FORGED);
	close_scene(&s);
}

TEST(the_keys_are_there_after_a_restart)
{
	struct scene s;
	struct slice token;

	open_scene(&s);
	token = issue(&s, NOW_US);
	signer_free(&s.signer);
	s.signer = signer_new(s.seal);
	T_OK(signer_load(s.signer, s.db, NOW_US + 1, &err));
	T_INT(check(&s, token, NOW_US + 1), SIGNER_GOOD);
	close_scene(&s);
}

TEST(keys_change_and_tokens_of_the_older_one_live_out)
{
	struct scene s;
	struct slice older, newer;
	int64_t late_us = NOW_US + SIGNER_KEY_US - 1;

	open_scene(&s);
	older = issue(&s, late_us);
	newer = issue(&s, late_us + 2);
	T_INT(check(&s, older, late_us + 2), SIGNER_GOOD);
	T_INT(check(&s, newer, late_us + 2), SIGNER_GOOD);
	T_TRUE(memcmp(older.p, newer.p, 100) != 0); /* the key's name is in the header */
	close_scene(&s);
}

TEST(servers_on_one_state_sign_with_one_key)
{
	struct scene s;
	struct signer *other;
	struct slice token = { 0 };
	int64_t later_us = NOW_US + SIGNER_KEY_US;

	open_scene(&s);
	other = signer_new(s.seal);
	T_OK(signer_load(other, s.db, NOW_US, &err));
	token = issue(&s, later_us);
	T_OK(signer_issue(other, s.db, ANA, HERE, later_us, &s.req, &token, &err));
	T_INT(check(&s, token, later_us), SIGNER_GOOD);
	signer_free(&other);
	close_scene(&s);
}

TEST(without_the_seals_key_nothing_is_signed)
{
	static const unsigned char key[SEAL_KEY_BYTES] = { 9 };
	struct scene s;
	struct seal *other = seal_new();
	struct signer *signer;

	open_scene(&s);
	T_TRUE(seal_add(other, key));
	signer = signer_new(other);
	T_FALSE(signer_load(signer, s.db, NOW_US, &err));
	T_INT(err.kind, ERR_CORRUPT);
	signer_free(&signer);
	seal_free(&other);
	close_scene(&s);
}

T_MAIN(T(a_token_is_good_for_its_time), T(any_other_text_is_forged),
       T(the_keys_are_there_after_a_restart), T(keys_change_and_tokens_of_the_older_one_live_out),
       T(servers_on_one_state_sign_with_one_key), T(without_the_seals_key_nothing_is_signed))
