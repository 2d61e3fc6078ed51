/* SPDX-License-Identifier: Apache-2.0 */
/* A key opens the door exactly while it is known, unexpired and not revoked. */
#include "engine/keyring.h"

#include "test/t.h"

static struct api_key key_of(uint64_t id, struct slice secret)
{
	struct api_key key = { .id = { id }, .org = { 7 }, .project = { 8 }, .scopes = SCOPES_ALL };

	sha256(secret, key.hash);
	return key;
}

TEST(a_key_is_found_by_its_secret_only)
{
	struct keyring *k = keyring_new();
	struct api_key key = key_of(1, S("sk_secret"));

	keyring_put(k, &key);
	T_TRUE(keyring_find(k, S("sk_secret"), 5) != NULL);
	T_TRUE(keyring_find(k, S("sk_secreT"), 5) == NULL);
	T_TRUE(keyring_find(k, S("sk_secret "), 5) == NULL);
	T_TRUE(keyring_find(k, S(""), 5) == NULL);
	keyring_free(&k);
}

TEST(a_removed_key_is_refused_at_once_even_when_remembered)
{
	struct keyring *k = keyring_new();
	struct api_key key = key_of(1, S("sk_secret"));

	keyring_put(k, &key);
	T_TRUE(keyring_find(k, S("sk_secret"), 5) != NULL);
	keyring_del(k, key.id);
	T_TRUE(keyring_find(k, S("sk_secret"), 5) == NULL);
	T_INT(keyring_len(k), 0);
	keyring_free(&k);
}

TEST(a_key_dies_at_its_expiry)
{
	struct keyring *k = keyring_new();
	struct api_key key = key_of(1, S("sk_secret"));

	key.expires_at_us = 100;
	keyring_put(k, &key);
	T_TRUE(keyring_find(k, S("sk_secret"), 99) != NULL);
	T_TRUE(keyring_find(k, S("sk_secret"), 100) == NULL);
	keyring_free(&k);
}

TEST(uses_are_reported_once)
{
	struct keyring *k = keyring_new();
	struct api_key a = key_of(1, S("a")), b = key_of(2, S("b"));
	struct key_use uses[4];
	struct ip_text from[4];
	struct ip ip;

	keyring_put(k, &a);
	keyring_put(k, &b);
	T_INT(keyring_uses(k, uses, from, 4), 0);
	T_TRUE(keyring_find(k, S("b"), 42) != NULL);
	T_INT(keyring_uses(k, uses, from, 4), 1);
	T_INT(uses[0].id.v, 2);
	T_INT(uses[0].at_us, 42);
	T_SLICE(uses[0].from, "");
	T_INT(keyring_uses(k, uses, from, 4), 0);
	T_TRUE(ip_parse(S("192.0.2.7"), &ip));
	T_TRUE(keyring_find(k, S("a"), 43) != NULL);
	keyring_set_at(k, a.id, ip);
	T_INT(keyring_uses(k, uses, from, 4), 1);
	T_SLICE(uses[0].from, "192.0.2.7");
	keyring_free(&k);
}

TEST(an_end_comes_earlier_and_never_later)
{
	struct keyring *k = keyring_new();
	struct api_key key = key_of(1, S("a"));

	keyring_put(k, &key);
	T_INT(keyring_expire(k, key.id, 100), 100);
	T_INT(keyring_expire(k, key.id, 200), 100);
	T_INT(keyring_expire(k, key.id, 50), 50);
	T_INT(keyring_expire(k, (struct key_id) { 2 }, 50), 0);
	T_TRUE(keyring_alive(k, key.id, 49) != NULL);
	T_TRUE(keyring_alive(k, key.id, 50) == NULL);
	T_TRUE(keyring_find(k, S("a"), 50) == NULL);
	keyring_free(&k);
}

TEST(the_keys_of_a_project_end_together)
{
	struct keyring *k = keyring_new();
	struct api_key a = key_of(1, S("a")), b = key_of(2, S("b")), c = key_of(3, S("c"));

	c.project.v = 9;
	keyring_put(k, &a);
	keyring_put(k, &b);
	keyring_put(k, &c);
	keyring_del_project(k, a.project);
	T_INT(keyring_len(k), 1);
	T_TRUE(keyring_find(k, S("a"), 5) == NULL && keyring_find(k, S("c"), 5) != NULL);
	keyring_free(&k);
}

TEST(the_keys_of_an_org_end_together)
{
	struct keyring *k = keyring_new();
	struct api_key a = key_of(1, S("a")), b = key_of(2, S("b")), c = key_of(3, S("c"));

	b.project.v = 8;
	c.org.v = 9;
	keyring_put(k, &a);
	keyring_put(k, &b);
	keyring_put(k, &c);
	keyring_del_org(k, a.org);
	T_INT(keyring_len(k), 1);
	T_TRUE(keyring_find(k, S("b"), 5) == NULL && keyring_find(k, S("c"), 5) != NULL);
	keyring_free(&k);
}

TEST(what_a_key_has_taken_outlives_its_change)
{
	struct rate rate = { .per_minute = 1, .burst = 2 };
	struct keyring *k = keyring_new();
	struct api_key a = key_of(1, S("a")), b = key_of(2, S("b"));

	keyring_put(k, &a);
	keyring_put(k, &b);
	T_TRUE(keyring_find(k, S("a"), 5) != NULL);
	T_TRUE(keyring_take(k, a.id, KEY_BUDGET_API, &rate, 5).ok);
	T_TRUE(keyring_take(k, a.id, KEY_BUDGET_API, &rate, 5).ok);
	keyring_put(k, &a);
	T_FALSE(keyring_take(k, a.id, KEY_BUDGET_API, &rate, 5).ok);
	T_TRUE(keyring_take(k, a.id, KEY_BUDGET_INGEST, &rate, 5).ok);
	T_TRUE(keyring_take(k, b.id, KEY_BUDGET_API, &rate, 5).ok);
	keyring_undo(k, a.id, KEY_BUDGET_API);
	T_TRUE(keyring_take(k, a.id, KEY_BUDGET_API, &rate, 5).ok);
	keyring_del(k, a.id);
	T_TRUE(keyring_take(k, a.id, KEY_BUDGET_API, &rate, 5).ok);
	T_INT(keyring_take(k, a.id, KEY_BUDGET_API, &rate, 5).limit, 0);
	keyring_undo(k, a.id, KEY_BUDGET_API);
	keyring_free(&k);
}

T_MAIN(T(a_key_is_found_by_its_secret_only), T(what_a_key_has_taken_outlives_its_change),
       T(a_removed_key_is_refused_at_once_even_when_remembered), T(a_key_dies_at_its_expiry),
       T(uses_are_reported_once), T(an_end_comes_earlier_and_never_later),
       T(the_keys_of_a_project_end_together), T(the_keys_of_an_org_end_together))
