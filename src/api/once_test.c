/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A POST with a key is done once: over repeats, rivals, restarts and refusals, and for its own org.
 */
#include "api/once.h"

#include <poll.h>
#include <stdio.h>

#include "api/rules.h"
#include "api/server_test.h"
#include "base/clock.h"
#include "store/store.h"

#define RULE(name) \
	"{\"name\":\"" name "\",\"eventType\":\"a\",\"condition\":\"count_gte\",\"threshold\":1," \
	"\"windowSeconds\":10,\"actions\":[{\"channel\":\"in_app\",\"config\":{}}]}"
#define KEY "Idempotency-Key: first\r\n"
#define OTHER_KEY "Idempotency-Key: second\r\n"

/* The reply lives until the next one. */
static const char *post(struct visitor *s, const char *path, const char *more, const char *body)
{
	server_say(&s->c, "POST", path, s->key, more, body);
	return client_reply(&s->c);
}

static void expect(const char *reply, const char *status, const char *code)
{
	if (strncmp(reply, status, 3) != 0 || strcmp(server_member(reply, "code"), code) != 0) {
		fail_msg("%s, not %s %s", reply, status, code);
	}
}

static bool replayed(void)
{
	return strstr(client_head(), "Idempotent-Replayed: true\r\n") != NULL;
}

/* What one number of SQL says about the state. */
static int64_t number(struct visitor *s, const char *sql)
{
	/* A connection remembers statements by their place. */
	struct query q = {
		.name = "a_test", .sql = sql, .args = "", .cols = "i", .global = "a test looks"
	};
	struct db *db = NULL;
	struct err err;
	int64_t out;

	T_OK(store_connect(server_store(s->f), STORE_KEEPER, &db, &err));
	T_OK(db_run(db, &q, (struct db_args) { 0 }, &err));
	T_INT(db_next(db, &err), FOUND);
	out = db_col_int(db, 0);
	db_end(db);
	db_close(&db);
	return out;
}

static void change(struct visitor *s, const char *sql)
{
	struct query q = {
		.name = "a_test", .sql = sql, .args = "", .cols = "", .global = "a test changes"
	};
	struct db *db = NULL;
	struct err err;

	T_OK(store_connect(server_store(s->f), STORE_KEEPER, &db, &err));
	T_OK(db_exec(db, &q, (struct db_args) { 0 }, NULL, &err));
	db_close(&db);
}

static const char *copy(const char *reply)
{
	static char copies[4][4096];
	static unsigned turn;
	char *out = copies[turn++ % 4];

	snprintf(out, sizeof(copies[0]), "%s", reply);
	return out;
}

TEST(a_request_that_is_sent_again_gets_the_same_reply)
{
	const char *first, *id;
	char path[128];
	struct visitor s;

	visitor_init(&s, NULL);
	first = copy(post(&s, "/api/v1/rules", KEY, RULE("r")));
	expect(first, "201", "");
	T_TRUE(!replayed());
	T_TRUE(strstr(client_head(), "ETag: \"1\"\r\n") != NULL);
	T_STR(post(&s, "/api/v1/rules", KEY, RULE("r")), first);
	T_TRUE(replayed());
	T_TRUE(strstr(client_head(), "ETag: \"1\"\r\n") != NULL);
	/* Also when what was made has become another. */
	id = server_member(first, "id");
	snprintf(path, sizeof(path), "/api/v1/rules/%s", id);
	expect(server_ask(&s.c, "PATCH", path, s.key, "{\"threshold\":7}"), "200", "");
	T_STR(post(&s, "/api/v1/rules", KEY, RULE("r")), first);
	server_restart(s.f);
	client_close(&s.c);
	s.c = client_open(s.f);
	T_STR(post(&s, "/api/v1/rules", KEY, RULE("r")), first);
	expect(server_ask(&s.c, "DELETE", path, s.key, ""), "204", "");
	T_STR(post(&s, "/api/v1/rules", KEY, RULE("r")), first);
	T_INT(number(&s, "select count(*) from rules"), 1);
	/* Without a key, or under another, it is another rule. */
	expect(post(&s, "/api/v1/rules", "", RULE("r")), "201", "");
	expect(post(&s, "/api/v1/rules", OTHER_KEY, RULE("r")), "201", "");
	T_INT(number(&s, "select count(*) from rules"), 3);
	visitor_release(&s);
}

TEST(another_request_under_a_key_is_refused)
{
	struct visitor s;

	visitor_init(&s, NULL);
	expect(post(&s, "/api/v1/rules", KEY, RULE("r")), "201", "");
	expect(post(&s, "/api/v1/rules", KEY, RULE("s")), "409", "idempotency_conflict");
	expect(post(&s, "/api/v1/deliveries/replay", KEY, RULE("r")), "409",
	       "idempotency_conflict");
	expect(post(&s, "/api/v1/keys", KEY, RULE("r")), "409", "idempotency_conflict");
	T_INT(number(&s, "select count(*) from rules"), 1);
	visitor_release(&s);
}

TEST(two_orgs_never_meet_under_a_key)
{
	const char *first;
	struct visitor s;

	visitor_init(&s, NULL);
	first = copy(post(&s, "/api/v1/rules", KEY, RULE("r")));
	s.key = server_key(s.f, "acme", SCOPE_RULES_WRITE);
	T_STR(post(&s, "/api/v1/rules", KEY, RULE("r")), first);
	s.key = server_key(s.f, "acme", SCOPE_EVENTS_WRITE);
	expect(post(&s, "/api/v1/rules", KEY, RULE("r")), "403", "forbidden");
	s.key = server_key(s.f, "other", ~0u);
	expect(post(&s, "/api/v1/rules", KEY, RULE("s")), "201", "");
	T_TRUE(!replayed());
	T_INT(number(&s, "select count(distinct org_id) from rules"), 2);
	visitor_release(&s);
}

TEST(what_was_refused_can_be_mended_under_the_same_key)
{
	struct visitor s;

	visitor_init(&s, NULL);
	expect(post(&s, "/api/v1/rules", KEY, "{\"name\":\"r\"}"), "400", "invalid");
	T_INT(number(&s, "select count(*) from replies"), 0);
	expect(post(&s, "/api/v1/rules", KEY, RULE("r")), "201", "");
	T_TRUE(!replayed());
	visitor_release(&s);
}

TEST(a_secret_is_never_kept)
{
	const char *first, *again;
	struct visitor s;

	visitor_init(&s, NULL);
	first = copy(post(&s, "/api/v1/keys", KEY, "{\"name\":\"shop\"}"));
	expect(first, "201", "");
	again = post(&s, "/api/v1/keys", KEY, "{\"name\":\"shop\"}");
	expect(again, "409", "already_created");
	T_STR(server_member(again, "id"), server_member(first, "id"));
	T_TRUE(strstr(again, "sk_") == NULL);
	T_INT(number(&s, "select count(*) from api_keys where name = 'shop'"), 1);
	T_INT(number(&s, "select count(*) from replies where whole = 0 and status = 201"
			 " and body = ''"),
	      1);
	visitor_release(&s);
}

TEST(a_key_is_visible_text_of_bounded_length)
{
	static const char *const bad[] = { "", "a b", "\xc3\xa9", "a\tb" };
	char header[400];
	struct visitor s;

	visitor_init(&s, NULL);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		snprintf(header, sizeof(header), "Idempotency-Key: %s\r\n", bad[i]);
		expect(post(&s, "/api/v1/rules", header, RULE("r")), "400", "invalid");
	}
	for (int n = ONCE_KEY_BYTES_MAX; n <= ONCE_KEY_BYTES_MAX + 1; n++) {
		snprintf(header, sizeof(header), "Idempotency-Key: %0*d\r\n", n, 0);
		expect(post(&s, "/api/v1/rules", header, RULE("r")),
		       n == ONCE_KEY_BYTES_MAX ? "201" : "400",
		       n == ONCE_KEY_BYTES_MAX ? "" : "invalid");
	}
	visitor_release(&s);
}

TEST(keys_of_events_are_others)
{
	struct visitor s;

	visitor_init(&s, NULL);
	expect(post(&s, "/api/v1/events", KEY, "{\"type\":\"a\"}"), "201", "");
	expect(post(&s, "/api/v1/rules", KEY, RULE("r")), "201", "");
	expect(post(&s, "/api/v1/stream/tickets", KEY, ""), "201", "");
	expect(post(&s, "/api/v1/stream/tickets", KEY, ""), "201", "");
	T_INT(number(&s, "select count(*) from replies"), 1);
	visitor_release(&s);
}

TEST(a_key_is_free_again_when_its_time_is_over)
{
	struct visitor s;

	visitor_init(&s, NULL);
	expect(post(&s, "/api/v1/rules", KEY, RULE("r")), "201", "");
	T_INT(number(&s, "select expires_at - created_at from replies"), REPLY_KEPT_US);
	change(&s, "update replies set expires_at = 1");
	expect(post(&s, "/api/v1/rules", KEY, RULE("s")), "201", "");
	T_TRUE(!replayed());
	expect(post(&s, "/api/v1/keys", OTHER_KEY, "{\"name\":\"k\"}"), "201", "");
	change(&s, "update replies set expires_at = 1");
	expect(post(&s, "/api/v1/keys", OTHER_KEY, "{\"name\":\"k\"}"), "201", "");
	T_INT(number(&s, "select count(*) from rules"), 2);
	T_INT(number(&s, "select count(*) from api_keys where name = 'k'"), 2);
	visitor_release(&s);
}

TEST(an_org_has_a_bounded_number_of_replies)
{
	struct visitor s;
	char sql[512];

	visitor_init(&s, NULL);
	expect(post(&s, "/api/v1/keys", KEY, "{\"name\":\"k\"}"), "201", "");
	snprintf(sql, sizeof(sql),
		 "insert into replies with recursive n (i) as (select 1 union all select i + 1"
		 " from n where i < %d) select r.org_id, 'k' || n.i, '', 201, 0, '', '', '', '',"
		 " r.created_at, r.expires_at from n, replies as r",
		 REPLIES_PER_ORG_MAX - 1);
	change(&s, sql);
	expect(post(&s, "/api/v1/rules", OTHER_KEY, RULE("r")), "429", "rate_limited");
	expect(post(&s, "/api/v1/rules", "", RULE("r")), "201", "");
	expect(post(&s, "/api/v1/keys", KEY, "{\"name\":\"k\"}"), "409", "already_created");
	change(&s, "update replies set expires_at = 1 where key_hash = 'k1'");
	expect(post(&s, "/api/v1/rules", OTHER_KEY, RULE("r")), "201", "");
	visitor_release(&s);
}

/* Rivals on connections of their own: one of them does it, the others hear of that or wait. */
#define RIVALS 8

static void race(struct visitor *s, const char *path, const char *key, const char *body,
		 const char *again)
{
	struct client rivals[RIVALS];
	size_t made = 0;

	for (size_t i = 0; i < RIVALS; i++) {
		rivals[i] = client_open(s->f);
	}
	for (size_t i = 0; i < RIVALS; i++) {
		server_say(&rivals[i], "POST", path, s->key, key, body);
	}
	for (size_t i = 0; i < RIVALS; i++) {
		const char *reply = client_reply(&rivals[i]);
		const char *code = server_member(reply, "code");

		if (strcmp(code, "in_progress") == 0) {
			T_TRUE(strstr(client_head(), "Retry-After: 1\r\n") != NULL);
		} else if (strncmp(reply, "201", 3) != 0 || replayed()) {
			T_STR(code, again);
		} else {
			made++;
		}
		client_close(&rivals[i]);
	}
	T_INT(made, 1);
}

TEST(of_many_at_once_one_does_it)
{
	struct visitor s;
	char key[64];

	visitor_init(&s, NULL);
	for (int i = 0; i < 10; i++) {
		snprintf(key, sizeof(key), "Idempotency-Key: rule-%d\r\n", i);
		race(&s, "/api/v1/rules", key, RULE("r"), "");
		snprintf(key, sizeof(key), "Idempotency-Key: key-%d\r\n", i);
		race(&s, "/api/v1/keys", key, "{\"name\":\"k\"}", "already_created");
	}
	T_INT(number(&s, "select count(*) from rules"), 10);
	T_INT(number(&s, "select count(*) from api_keys where name = 'k'"), 10);
	T_INT(onces_n(server_api(s.f)->onces), 0);
	visitor_release(&s);
}

/* The frame around handlers of this test, on its thread. */
struct bench {
	struct visitor s;
	struct db *db;
	struct arena req;
	struct http_head head;
	struct http_request http;
	struct call call;
};

static const struct route bench_route = { .method = HTTP_POST, .path = "/api/v1/things" };

static void bench_init(struct bench *b)
{
	static const char header[] = "Idempotency-Key: first";
	struct err err;

	*b = (struct bench) { 0 };
	visitor_init(&b->s, NULL);
	arena_init(&b->req, 0);
	T_OK(store_connect(server_store(b->s.f), STORE_API, &b->db, &err));
	b->head.fields[0].value = (struct http_span) { 17, 5 };
	b->head.fields_n = 1;
	b->head.known[HTTP_H_IDEMPOTENCY_KEY] = 1;
	b->http = (struct http_request) { .method = HTTP_POST,
					  .target = S("/api/v1/things"),
					  .id = S("a-request"),
					  .head = &b->head,
					  .head_bytes = header };
}

static void bench_release(struct bench *b)
{
	buf_release(&b->call.answer.body);
	db_close(&b->db);
	arena_release(&b->req);
	visitor_release(&b->s);
}

/* ERR_NONE: it was answered well. */
static enum err_kind bench_do(struct bench *b, work_handler *handler)
{
	struct err err = { 0 };
	bool ok;

	buf_release(&b->call.answer.body);
	b->call = (struct call) { .api = server_api(b->s.f),
				  .http = &b->http,
				  .route = &bench_route,
				  .caller = { .org = { 1 }, .project = { 2 } },
				  .req = &b->req,
				  .db = b->db,
				  .now_us = clock_wall_us() };
	ok = once_do(&b->call, handler, &err);
	T_TRUE(!db_in_transaction(b->db));
	return ok ? ERR_NONE : err.kind;
}

static size_t runs;

static bool answer_of(struct call *c, size_t filler, struct err *err)
{
	struct json_w w = call_json(c, 201);

	runs++;
	json_w_object(&w);
	json_w_key(&w, "id");
	json_w_str(&w, S("thing_1"));
	json_w_key(&w, "filler");
	json_w_str(&w, (struct slice) { memset(arena_alloc(c->req, filler), 'x', filler), filler });
	json_w_end(&w);
	call_header(c, S("Location"), S("/api/v1/things/thing_1"));
	return db_begin(c->db, err) && once_commit(c, err);
}

/* {"id":"thing_1","filler":""} are 28 bytes. */
static bool largest(struct call *c, struct err *err)
{
	return answer_of(c, REPLY_BODY_BYTES_MAX - 28, err);
}

static bool too_large(struct call *c, struct err *err)
{
	return answer_of(c, REPLY_BODY_BYTES_MAX - 27, err);
}

TEST(a_reply_that_is_too_large_is_known_by_what_it_made)
{
	struct bench b;

	bench_init(&b);
	runs = 0;
	T_INT(bench_do(&b, too_large), ERR_NONE);
	T_INT(bench_do(&b, too_large), ERR_ALREADY_CREATED);
	T_SLICE(b.call.once->object, "thing_1");
	change(&b.s, "delete from replies");
	T_INT(bench_do(&b, largest), ERR_NONE);
	T_INT(bench_do(&b, largest), ERR_NONE);
	T_INT(b.call.answer.status, 201);
	T_INT(b.call.answer.body.n, REPLY_BODY_BYTES_MAX);
	T_SLICE(b.call.answer.headers[0].value, "/api/v1/things/thing_1");
	T_INT(runs, 2);
	bench_release(&b);
}

static bool forgets(struct call *c, struct err *err UNUSED)
{
	struct json_w w = call_json(c, 200);

	runs++;
	json_w_object(&w);
	json_w_end(&w);
	return true;
}

TEST(a_handler_that_forgets_its_reply_is_still_run_once)
{
	struct bench b;

	bench_init(&b);
	runs = 0;
	T_INT(bench_do(&b, forgets), ERR_NONE);
	T_INT(bench_do(&b, forgets), ERR_NONE);
	T_INT(runs, 1);
	bench_release(&b);
}

static bool fails(struct call *c, struct err *err)
{
	runs++;
	return db_begin(c->db, err) && err_set(err, ERR_IO, "a disk is gone");
}

TEST(a_failure_is_tried_again)
{
	struct bench b;

	bench_init(&b);
	runs = 0;
	T_INT(bench_do(&b, fails), ERR_IO);
	T_INT(bench_do(&b, fails), ERR_IO);
	T_INT(bench_do(&b, forgets), ERR_NONE);
	T_INT(runs, 3);
	bench_release(&b);
}

/* As a server beside this one on the same database would, between our look and our commit. */
static bool loses(struct call *c, struct err *err)
{
	struct reply_row row = { .org = c->caller.org,
				 .key = slice_of(c->once->key),
				 .request = slice_of(c->once->request),
				 .status = 201,
				 .whole = true,
				 .body = S("{\"id\":\"theirs\"}"),
				 .created_us = c->now_us,
				 .expires_us = c->now_us + 1000000 };

	T_TRUE(db_begin(c->db, err) && store_reply_insert(row.org, c->db, &row, err));
	T_TRUE(db_commit(c->db, err));
	return largest(c, err);
}

TEST(who_was_slower_answers_as_the_other_did)
{
	struct bench b;

	bench_init(&b);
	T_INT(bench_do(&b, loses), ERR_NONE);
	T_SLICE(buf_slice(&b.call.answer.body), "{\"id\":\"theirs\"}");
	T_INT(number(&b.s, "select count(*) from replies"), 1);
	bench_release(&b);
}

static const struct route personal_route = { .method = HTTP_POST,
					     .path = "/api/v1/things/mine",
					     .who = WHO_USER };

static enum err_kind bench_person(struct bench *b, uint64_t user, uint64_t org)
{
	struct err err = { 0 };
	bool ok;

	buf_release(&b->call.answer.body);
	b->call = (struct call) { .api = server_api(b->s.f),
				  .http = &b->http,
				  .route = &personal_route,
				  .caller = { .user = { user }, .org = { org } },
				  .req = &b->req,
				  .db = b->db,
				  .now_us = clock_wall_us() };
	ok = once_do(&b->call, largest, &err);
	return ok ? ERR_NONE : err.kind;
}

/* Who accepts an invite acts in another org when he asks again. */
TEST(what_a_person_does_to_himself_is_his_wherever_he_is)
{
	struct bench b;

	bench_init(&b);
	runs = 0;
	T_INT(bench_person(&b, 5, 0), ERR_NONE);
	T_INT(bench_person(&b, 5, 77), ERR_NONE);
	T_INT(runs, 1);
	T_INT(bench_person(&b, 6, 77), ERR_NONE);
	T_INT(runs, 2);
	T_INT(bench_person(&b, 0, 0), ERR_NONE); /* nobody: as if without a key */
	T_INT(bench_person(&b, 0, 0), ERR_NONE);
	T_INT(runs, 4);
	T_INT(number(&b.s, "select count(*) from replies where org_id = 0"), 2);
	bench_release(&b);
}

static bool comes_back(struct call *c, struct err *err UNUSED)
{
	T_TRUE(!onces_enter(c->api->onces, slice_of(c->once->key), 0));
	return true;
}

TEST(a_key_is_held_while_its_request_is_worked_on)
{
	struct bench b;

	bench_init(&b);
	T_INT(bench_do(&b, comes_back), ERR_NONE);
	T_INT(onces_n(server_api(b.s.f)->onces), 0);
	T_TRUE(onces_enter(server_api(b.s.f)->onces, slice_of(b.call.once->key), 0));
	T_INT(bench_do(&b, forgets), ERR_IN_PROGRESS);
	onces_leave(server_api(b.s.f)->onces, slice_of(b.call.once->key), false);
	T_INT(bench_do(&b, forgets), ERR_NONE);
	bench_release(&b);
}

/* A worker waits for the engine so long and no longer; the record is in the log all the same. */
TEST(a_key_is_held_until_its_record_is_applied)
{
	static const char key[] =
		"c0ffee00000000000000000000000000000000000000000000000000c0ffee00";
	struct onces *o = onces_new(0);
	struct slice k = slice_of(key);

	T_TRUE(onces_enter(o, k, 10));
	onces_leave(o, k, true);
	T_TRUE(!onces_enter(o, k, 10)); /* it is not even known where it will be */
	onces_stored(o, k, 12);
	T_TRUE(!onces_enter(o, k, 11));
	T_TRUE(onces_enter(o, k, 12));
	onces_leave(o, k, true);
	onces_stored(o, k, 0);
	T_TRUE(onces_enter(o, k, 12)); /* it was refused: there will be none */
	onces_leave(o, k, false);
	onces_stored(o, k, 13); /* of a record that nobody waits for */
	T_INT(onces_n(o), 0);
	T_TRUE(onces_enter(o, k, 12));
	onces_free(&o);
	T_TRUE(o == NULL);
	onces_free(&o);
}

TEST(the_engine_keeps_what_the_worker_answers)
{
	struct visitor s;
	struct arena tick;
	struct rule_row rule = { .id = { 7 },
				 .org = { 1 },
				 .project = { 2 },
				 .version = 1,
				 .definition = S("not a rule"),
				 .created_us = 1000000,
				 .updated_us = 1000000 };
	struct reply_row row = { 0 };
	const char *first;

	/* The bytes are compared by a replay, of the reply that the engine has worded. */
	visitor_init(&s, NULL);
	first = copy(post(&s, "/api/v1/rules", KEY, RULE("r")));
	T_INT(number(&s, "select count(*) from replies where length(body) > 100"), 1);
	T_STR(post(&s, "/api/v1/rules", KEY, RULE("r")), first);
	/* A rule that cannot be shown is known by its id. */
	arena_init(&tick, 0);
	rules_reply(&rule, &tick, &row);
	T_TRUE(!row.whole && row.body.n == 0 && row.status == 201);
	T_TRUE(slice_starts(row.object, S("rul_")));
	arena_release(&tick);
	visitor_release(&s);
}

T_MAIN(T(a_request_that_is_sent_again_gets_the_same_reply),
       T(another_request_under_a_key_is_refused), T(two_orgs_never_meet_under_a_key),
       T(what_was_refused_can_be_mended_under_the_same_key), T(a_secret_is_never_kept),
       T(a_key_is_visible_text_of_bounded_length), T(keys_of_events_are_others),
       T(a_key_is_free_again_when_its_time_is_over), T(an_org_has_a_bounded_number_of_replies),
       T(of_many_at_once_one_does_it), T(a_reply_that_is_too_large_is_known_by_what_it_made),
       T(a_handler_that_forgets_its_reply_is_still_run_once), T(a_failure_is_tried_again),
       T(who_was_slower_answers_as_the_other_did),
       T(what_a_person_does_to_himself_is_his_wherever_he_is),
       T(a_key_is_held_while_its_request_is_worked_on),
       T(a_key_is_held_until_its_record_is_applied), T(the_engine_keeps_what_the_worker_answers))
