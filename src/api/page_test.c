/* SPDX-License-Identifier: Apache-2.0 */
/* Long lists and lists of large things are walked to their end: nothing is lost, nothing twice. */
#include <stdio.h>

#include "api/server_test.h"
#include "store/keys.h"
#include "store/rules.h"
#include "store/store.h"

#define PAD_BYTES ((size_t)200 << 10)
#define LARGE 23 /* of them, between small ones */

struct stage {
	struct fixture *f;
	struct client c;
	const char *key;
	char pad[PAD_BYTES + 1];
};

static void stage_init(struct stage *s)
{
	s->f = server_new(NULL);
	s->c = client_open(s->f);
	s->key = server_key(s->f, "acme", ~0u);
	memset(s->pad, 'x', PAD_BYTES);
	s->pad[PAD_BYTES] = '\0';
}

static void stage_release(struct stage *s)
{
	client_close(&s->c);
	server_free(&s->f);
}

static const char *ask(struct stage *s, const char *method, const char *path, const char *body,
		       const char *status)
{
	const char *reply = server_ask(&s->c, method, path, s->key, body);

	if (strncmp(reply, status, 3) != 0) {
		fail_msg("%s %s: %.200s, not %s", method, path, reply, status);
	}
	return reply;
}

static void post_event(struct stage *s, unsigned n, const char *pad)
{
	char body[PAD_BYTES + 100];

	snprintf(body, sizeof(body), "{\"type\":\"t\",\"payload\":{\"number\":%u,\"pad\":\"%s\"}}",
		 n, pad);
	ask(s, "POST", "/api/v1/events", body, "201");
}

/* The numbers in this page go on downwards from *last. Returns how many there are. */
static size_t count_down(const char *reply, unsigned *last)
{
	static const char name[] = "\"number\":";
	size_t n = 0;

	for (const char *at = reply; (at = strstr(at, name)) != NULL; n++) {
		at += strlen(name);
		T_INT(strtoul(at, NULL, 10), --*last);
	}
	return n;
}

TEST(pages_of_large_events_end_early_and_go_on)
{
	static struct stage s;
	unsigned last = 3 * LARGE + 1;
	char path[256] = "/api/v1/events?limit=1000";
	size_t pages = 0;

	stage_init(&s);
	for (unsigned n = 1; n < last; n++) {
		post_event(&s, n, n % 3 == 0 ? s.pad : "");
	}
	for (;;) {
		const char *reply = ask(&s, "GET", path, "", "200");
		const char *cursor = server_member(reply, "nextCursor");
		size_t bytes = strlen(reply);

		T_TRUE(count_down(reply, &last) > 0);
		T_TRUE(bytes < PAGE_BYTES_MAX + PAD_BYTES + 1000);
		pages++;
		if (strcmp(cursor, "null") == 0) {
			break;
		}
		T_TRUE(bytes >= PAGE_BYTES_MAX);
		snprintf(path, sizeof(path), "/api/v1/events?limit=1000&cursor=%s", cursor);
	}
	T_INT(last, 1);
	T_INT(pages, (LARGE + 5) / 6);
	stage_release(&s);
}

/* One in many matches: pages are short or empty, and their cursors lead to it all the same. */
TEST(a_page_reads_a_bounded_part_of_the_log)
{
	static struct stage s;
	char path[256] = "/api/v1/events?type=rare";
	size_t pages = 0, found = 0;

	stage_init(&s);
	server_api(s.f)->page_read_bytes = PAD_BYTES;
	ask(&s, "POST", "/api/v1/events", "{\"type\":\"rare\"}", "201");
	for (unsigned n = 0; n < 20; n++) {
		post_event(&s, n, s.pad);
	}
	for (;;) {
		const char *reply = ask(&s, "GET", path, "", "200");
		const char *cursor = server_member(reply, "nextCursor");

		found += strstr(reply, "\"type\":\"rare\"") != NULL ? 1 : 0;
		pages++;
		if (strcmp(cursor, "null") == 0) {
			break;
		}
		snprintf(path, sizeof(path), "/api/v1/events?type=rare&cursor=%s", cursor);
	}
	T_INT(found, 1);
	T_TRUE(pages > 5);
	stage_release(&s);
}

/* Older lists have no cursor that could go on, so theirs are whole. */
TEST(older_pages_of_large_events_are_whole)
{
	static struct stage s;
	unsigned last = 11;

	stage_init(&s);
	for (unsigned n = 1; n < last; n++) {
		post_event(&s, n, s.pad);
	}
	T_INT(count_down(ask(&s, "GET", "/events?limit=100", "", "200"), &last), 10);
	stage_release(&s);
}

static struct db *connect_store(struct stage *s)
{
	struct db *db = NULL;
	struct err err;

	T_OK(store_connect(server_store(s->f), STORE_API, &db, &err));
	T_OK(db_begin(db, &err));
	return db;
}

static void leave_store(struct db *db)
{
	struct err err;

	T_OK(db_commit(db, &err));
	db_close(&db);
}

/* Copies of the one rule that there is, under other ids, made one microsecond after the other. */
static void copy_rule(struct stage *s, const char *id, size_t copies)
{
	struct db *db = connect_store(s);
	struct caller who;
	struct rule_row row;
	struct arena req;
	struct err err;

	arena_init(&req, 0);
	T_TRUE(api_caller_of(server_api(s->f), slice_of(s->key), &who));
	T_TRUE(id_parse(ID_RULE, slice_of(id), &row.id.v));
	T_INT(store_rule_get(who.org, db, who.project, row.id, &req, &row, &err), FOUND);
	for (size_t i = 0; i < copies; i++) {
		row.id.v++;
		row.created_us++;
		T_OK(store_rule_put(who.org, db, &row, &err));
	}
	arena_release(&req);
	leave_store(db);
}

static size_t count(const char *reply, const char *part)
{
	size_t n = 0;

	for (const char *at = reply; (at = strstr(at, part)) != NULL; at += strlen(part)) {
		n++;
	}
	return n;
}

/* Newest first: each rule was made before the one in front of it, and none is there twice. */
static void expect_rules(const char *reply, size_t want)
{
	static const char mark[] = "{\"id\":\"";
	char ids[2][64] = { "", "" };
	size_t n = 0;

	for (const char *at = reply; (at = strstr(at, mark)) != NULL; n++) {
		at += strlen(mark);
		snprintf(ids[n % 2], sizeof(ids[0]), "%.*s", (int)strcspn(at, "\""), at);
		T_TRUE(n == 0 || strcmp(ids[n % 2], ids[(n + 1) % 2]) < 0);
	}
	T_INT(n, want);
}

#define RULE_WITH(name) \
	"{\"name\":\"" name "\",\"eventType\":\"t\",\"condition\":\"count_gte\"," \
	"\"threshold\":1,\"windowSeconds\":10,\"actions\":[{\"channel\":\"in_app\"," \
	"\"config\":{}}]}"

TEST(older_list_of_rules_is_whole)
{
	static struct stage s;
	const char *reply;

	stage_init(&s);
	copy_rule(&s,
		  server_member(ask(&s, "POST", "/api/v1/rules", RULE_WITH("one"), "201"), "id"),
		  1499);
	reply = ask(&s, "GET", "/rules", "", "200");
	T_INT(strncmp(reply, "200 {\"rules\":[", 14), 0);
	expect_rules(reply, 1500);
	expect_rules(ask(&s, "GET", "/api/v1/rules?limit=1000", "", "200"), 1000);
	stage_release(&s);
}

/* 3,400 rules of 20 KiB. */
TEST(an_older_list_that_no_answer_holds_is_refused)
{
	static struct stage s;
	struct buf body;

	stage_init(&s);
	buf_init(&body, 100000);
	buf_puts(&body, S("{\"name\":\"r\",\"eventType\":\"t\",\"condition\":\"count_gte\","
			  "\"threshold\":1,\"windowSeconds\":10,\"actions\":["));
	for (int i = 0; i < 10; i++) {
		buf_printf(&body,
			   "%s{\"channel\":\"webhook\",\"config\":{"
			   "\"url\":\"http://127.0.0.1/%02020d\"}}",
			   i == 0 ? "" : ",", i);
	}
	buf_puts(&body, S("]}"));
	buf_putc(&body, '\0');
	copy_rule(&s, server_member(ask(&s, "POST", "/api/v1/rules", body.p, "201"), "id"), 3399);
	T_STR(server_member(ask(&s, "GET", "/rules", "", "413"), "code"), "too_large");
	T_TRUE(count(ask(&s, "GET", "/api/v1/rules?limit=1000", "", "200"), "\"projectId\"") < 60);
	buf_release(&body);
	stage_release(&s);
}

TEST(older_list_of_keys_is_whole_and_alive)
{
	static struct stage s;
	const char *reply;
	struct caller who;
	struct err err;
	struct db *db;

	stage_init(&s);
	T_TRUE(api_caller_of(server_api(s.f), slice_of(s.key), &who));
	db = connect_store(&s);
	for (uint64_t i = 1; i <= 1400; i++) {
		char hash[32];
		struct key_row row = { .id = { i },
				       .org = who.org,
				       .project = who.project,
				       .name = S("copy"),
				       .prefix = S("tcn_"),
				       .scopes = S("rules:read"),
				       .created_us = (int64_t)i,
				       .revoked_us = i % 2 == 0 ? 5 : 0 };

		snprintf(hash, sizeof(hash), "hash %u", (unsigned)i);
		row.hash = slice_of(hash);
		T_OK(store_key_insert(who.org, db, &row, &err));
	}
	leave_store(db);
	reply = ask(&s, "GET", "/api-keys", "", "200");
	T_INT(count(reply, "\"copy\""), 700);
	stage_release(&s);
}

T_MAIN(T(pages_of_large_events_end_early_and_go_on), T(a_page_reads_a_bounded_part_of_the_log),
       T(older_pages_of_large_events_are_whole), T(older_list_of_rules_is_whole),
       T(an_older_list_that_no_answer_holds_is_refused), T(older_list_of_keys_is_whole_and_alive))
