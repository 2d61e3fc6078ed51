/* SPDX-License-Identifier: Apache-2.0 */
/* Who runs the server makes tenants and keys over its socket, once each, however often it asks. */
#include <stdio.h>

#include "api/server_test.h"
#include "store/global.h"
#include "store/store.h"

#define KEY "sk_live_0123456789"

struct stage {
	struct fixture *f;
	struct client c;
};

static void stage_init(struct stage *s)
{
	s->f = server_new(NULL);
	s->c = server_socket(s->f);
}

static void stage_release(struct stage *s)
{
	client_close(&s->c);
	server_free(&s->f);
}

static const char *ask(struct stage *s, const char *path, const char *body, const char *status)
{
	const char *reply = server_ask(&s->c, "POST", path, NULL, body);

	if (strncmp(reply, status, 3) != 0) {
		fail_msg("%s %s: %s, not %s", path, body, reply, status);
	}
	return reply;
}

static size_t count(const char *reply, const char *part)
{
	size_t n = 0;

	for (const char *at = reply; (at = strstr(at, part)) != NULL; at += strlen(part)) {
		n++;
	}
	return n;
}

/* The status of a call with this key, and the body: "200 {...}". */
static const char *with_key(struct stage *s, const char *key, const char *path)
{
	return server_ask(&s->c, "GET", path, key, "");
}

/* The secret of a made key: of the second "key" in the answer, the first one is the object. */
static const char *secret_of(const char *reply)
{
	const char *at = strstr(reply, "\"key\":\"");

	assert_non_null(at);
	return server_member(at, "key");
}

TEST(a_seed_makes_what_is_missing_and_says_so)
{
	struct stage s;
	const char *reply;
	char key[128];

	stage_init(&s);
	reply = ask(&s, "/admin/seed", "{\"org\":\"acme\",\"orgName\":\"Acme\",\"demo\":true}",
		    "200");
	T_INT(count(reply, "\"made\":true"), 4);
	T_TRUE(strstr(reply, "\"slug\":\"acme\",\"name\":\"Acme\"") != NULL);
	T_TRUE(strstr(reply, "\"slug\":\"default\"") != NULL);
	snprintf(key, sizeof(key), "%s", secret_of(reply));
	/* It works before the answer is here, and its rules are in force. */
	reply = with_key(&s, key, "/api/v1/rules");
	T_TRUE(strncmp(reply, "200", 3) == 0);
	T_INT(count(reply, "\"version\":1"), 3);
	reply = ask(&s, "/admin/seed", "{\"org\":\"acme\",\"demo\":true}", "200");
	T_INT(count(reply, "\"made\":true"), 0);
	T_INT(count(reply, "\"made\":false"), 4);
	T_TRUE(strstr(reply, "\"key\":\"") == NULL);
	T_TRUE(strstr(reply, "\"name\":\"Acme\"") != NULL);
	stage_release(&s);
}

TEST(a_project_that_is_named_has_a_key_of_its_own)
{
	struct stage s;
	char first[128], other[128];

	stage_init(&s);
	snprintf(first, sizeof(first), "%s",
		 secret_of(ask(&s, "/admin/seed", "{\"org\":\"acme\"}", "200")));
	snprintf(other, sizeof(other), "%s",
		 secret_of(
			 ask(&s, "/admin/seed", "{\"org\":\"acme\",\"project\":\"shop\"}", "200")));
	T_TRUE(strcmp(first, other) != 0);
	T_TRUE(strstr(ask(&s, "/admin/seed", "{\"org\":\"acme\",\"project\":\"shop\"}", "200"),
		      "\"made\":false") != NULL);
	T_INT(count(with_key(&s, first, "/api/v1/keys"), "\"id\""), 1);
	T_INT(count(with_key(&s, other, "/api/v1/keys"), "\"id\""), 1);
	stage_release(&s);
}

TEST(keys_are_made_each_time_unless_they_are_given)
{
	static const char given[] = "{\"org\":\"acme\",\"key\":\"" KEY "\"}";
	struct stage s;
	char first[128];

	stage_init(&s);
	snprintf(first, sizeof(first), "%s",
		 secret_of(ask(&s, "/admin/keys", "{\"org\":\"acme\"}", "201")));
	T_TRUE(strcmp(secret_of(ask(&s, "/admin/keys", "{\"org\":\"acme\"}", "201")), first) != 0);
	T_STR(secret_of(ask(&s, "/admin/keys", given, "201")), KEY);
	T_TRUE(strstr(ask(&s, "/admin/keys", given, "200"), "\"made\":false") != NULL);
	T_TRUE(strncmp(with_key(&s, KEY, "/api/v1/events"), "200", 3) == 0);
	stage_release(&s);
}

TEST(a_given_key_belongs_to_one_org_for_good)
{
	static const char given[] = "{\"org\":\"acme\",\"key\":\"" KEY "\"}";
	struct stage s;
	const char *reply;
	char path[128];

	stage_init(&s);
	reply = ask(&s, "/admin/seed", given, "200");
	snprintf(path, sizeof(path), "/api/v1/keys/%s",
		 server_member(strstr(reply, "\"key\":{"), "id"));
	reply = ask(&s, "/admin/seed", "{\"org\":\"globex\",\"key\":\"" KEY "\"}", "409");
	T_STR(server_member(reply, "field"), "key");
	T_TRUE(strstr(reply, "belongs to another organization") != NULL);
	T_TRUE(strncmp(server_ask(&s.c, "DELETE", path, KEY, ""), "204", 3) == 0);
	T_TRUE(strstr(ask(&s, "/admin/seed", given, "409"), "was revoked") != NULL);
	T_TRUE(strstr(ask(&s, "/admin/keys", given, "409"), "was revoked") != NULL);
	T_TRUE(strncmp(with_key(&s, KEY, "/api/v1/events"), "401", 3) == 0);
	stage_release(&s);
}

TEST(scopes_are_what_was_asked_for)
{
	struct stage s;

	stage_init(&s);
	ask(&s, "/admin/keys", "{\"org\":\"acme\",\"scopes\":[\"rules:read\"],\"key\":\"" KEY "\"}",
	    "201");
	T_TRUE(strncmp(with_key(&s, KEY, "/api/v1/rules"), "200", 3) == 0);
	T_TRUE(strncmp(with_key(&s, KEY, "/api/v1/events"), "403", 3) == 0);
	stage_release(&s);
}

static uint64_t count_orgs(struct stage *s)
{
	struct store_counts counts;
	struct db *db = NULL;
	struct err err;

	T_OK(store_connect(server_store(s->f), STORE_API, &db, &err));
	T_OK(store_counts(db, &counts, &err));
	db_close(&db);
	return counts.orgs;
}

TEST(what_is_wrong_is_named_and_makes_nothing)
{
	static const struct {
		const char *body, *field;
	} rows[] = {
		{ "{}", "org" },
		{ "{\"org\":\"\"}", "org" },
		{ "{\"org\":\"Acme\"}", "org" },
		{ "{\"org\":\"-acme\"}", "org" },
		{ "{\"org\":\"a\",\"project\":\"a b\"}", "project" },
		{ "{\"org\":\"a\",\"key\":\"fifteen_letters\"}", "key" },
		{ "{\"org\":\"a\",\"key\":\"with a space in it\"}", "key" },
		{ "{\"org\":\"a\",\"scopes\":[\"all\"]}", "scopes" },
		{ "{\"org\":\"a\",\"orgs\":1}", "orgs" },
		{ "{\"org\":\"a\",\"demo\":\"yes\"}", "demo" },
	};
	struct stage s;
	char body[400];

	stage_init(&s);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		T_STR(server_member(ask(&s, "/admin/seed", rows[i].body, "400"), "field"),
		      rows[i].field);
		T_STR(server_member(ask(&s, "/admin/keys", rows[i].body, "400"), "field"),
		      rows[i].field);
	}
	T_INT(count_orgs(&s), 0);
	snprintf(body, sizeof(body), "{\"org\":\"%0121d\"}", 0);
	T_STR(server_member(ask(&s, "/admin/seed", body, "400"), "field"), "org");
	snprintf(body, sizeof(body), "{\"org\":\"%0120d\"}", 0);
	ask(&s, "/admin/seed", body, "200");
	snprintf(body, sizeof(body), "{\"org\":\"b\",\"key\":\"%0201d\"}", 0);
	T_STR(server_member(ask(&s, "/admin/seed", body, "400"), "field"), "key");
	snprintf(body, sizeof(body), "{\"org\":\"b\",\"key\":\"%0200d\"}", 0);
	ask(&s, "/admin/seed", body, "200");
	ask(&s, "/admin/seed", "{", "400");
	ask(&s, "/admin/seed", "", "400");
	T_INT(count_orgs(&s), 2);
	stage_release(&s);
}

TEST(nobody_asks_over_the_network)
{
	struct client tcp;
	struct stage s;

	stage_init(&s);
	tcp = client_open(s.f);
	T_TRUE(strncmp(server_ask(&tcp, "POST", "/admin/seed", NULL, "{\"org\":\"a\"}"), "404",
		       3) == 0);
	T_TRUE(strncmp(server_ask(&tcp, "POST", "/admin/keys", server_key(s.f, "acme", ~0u),
				  "{\"org\":\"a\"}"),
		       "404", 3) == 0);
	client_close(&tcp);
	stage_release(&s);
}

TEST(calls_at_a_time_make_nothing_twice)
{
	struct client c[8];
	size_t made = 0, known = 0;
	struct stage s;

	stage_init(&s);
	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		c[i] = server_socket(s.f);
		server_say(&c[i], "POST", "/admin/seed", NULL, "",
			   "{\"org\":\"acme\",\"project\":\"shop\",\"demo\":true}");
	}
	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		const char *reply = client_reply(&c[i]);

		T_TRUE(strncmp(reply, "200", 3) == 0);
		made += count(reply, "\"made\":true");
		known += count(reply, "\"made\":false");
		client_close(&c[i]);
	}
	T_INT(made, 4);
	T_INT(known, 4 * (ARRAY_LEN(c) - 1));
	stage_release(&s);
}

T_MAIN(T(a_seed_makes_what_is_missing_and_says_so), T(a_project_that_is_named_has_a_key_of_its_own),
       T(keys_are_made_each_time_unless_they_are_given), T(a_given_key_belongs_to_one_org_for_good),
       T(scopes_are_what_was_asked_for), T(what_is_wrong_is_named_and_makes_nothing),
       T(nobody_asks_over_the_network), T(calls_at_a_time_make_nothing_twice))
