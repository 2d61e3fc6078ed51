/* SPDX-License-Identifier: Apache-2.0 */
/* Deliveries against a receiver that answers by script, also badly, and a state that fails. */
#include "engine/courier.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/live.h"
#include "engine/stage_test.h"
#include "store/deliveries.h"
#include "store/fault_test.h"
#include "store/global.h"
#include "test/peer.h"

#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define SAY(status, more) "HTTP/1.1 " status "\r\n" more "Content-Length: 0\r\n\r\n"

static const struct peer_answer answers[] = {
	{ .path = "/ok", .bytes = OK_ANSWER },
	{ .path = "/no", .bytes = SAY("400 Bad Request", "") },
	{ .path = "/gone", .bytes = SAY("410 Gone", "") },
	{ .path = "/busy", .bytes = SAY("503 Service Unavailable", "Retry-After: 120\r\n") },
	{ .path = "/error", .bytes = SAY("500 Oops", "") },
	{ .path = "/reset", .bytes = "", .end = PEER_RESET },
	{ .path = "/hang", .bytes = "", .end = PEER_HANG },
};

static int64_t *shift;

struct scene {
	struct stage stage;
	struct home home; /* the engine is closed, the store open */
	struct peer *peer;
	struct loop *loop;
	struct workers *workers;
	struct live *live;
	struct courier *courier;
	struct ip_policy policy;
	struct db *db;
	struct arena arena;
	uint64_t rule; /* the last one */
};

static void *no_local(void *arg, struct err *err UNUSED)
{
	return arg;
}

static void no_close(void *local UNUSED)
{
}

static void scene_init(struct scene *s)
{
	struct worker_local local = { no_local, no_close, s };
	struct err err;

	*s = (struct scene) { 0 };
	*shift = 0;
	stage_init(&s->stage);
	/* The age of a delivery counts from the log's time. */
	s->stage.bed.wall_us = clock_wall_us() - US_PER_S;
	home_init(&s->home, &s->stage);
	s->peer = peer_new("127.0.0.1", 0, answers, ARRAY_LEN(answers));
	s->loop = loop_new(100000);
	T_OK(workers_open(&s->workers, 1, 10, &local, &err));
	s->live = live_new(&(struct live_options) { .loop = s->loop,
						    .journal = s->stage.bed.journal,
						    .workers = s->workers,
						    .metrics = s->stage.metrics });
	T_OK(ip_policy_parse(S("127.0.0.0/8"), &s->policy, &err));
	arena_init(&s->arena, 0);
}

/* n deliveries because of events of a type. */
static void due_because(struct scene *s, const char *type, const char *url, size_t n)
{
	char json[512];

	snprintf(json, sizeof(json),
		 "{\"name\":\"r\",\"eventType\":\"%s\",\"condition\":\"count_gte\","
		 "\"threshold\":1,\"windowSeconds\":10,\"cooldownSeconds\":0,\"actions\":["
		 "{\"channel\":\"webhook\",\"config\":{\"url\":\"%s\"}}]}",
		 type, url);
	stage_rule(&s->stage, ++s->rule, 0, json);
	stage_events(&s->stage, type, n, 1);
}

/* n deliveries to a path of the peer, or to a whole URL. */
static void due_to(struct scene *s, const char *url, size_t n)
{
	char type[32], full[128];

	if (url[0] == '/') {
		snprintf(full, sizeof(full), "http://127.0.0.1:%u%s", peer_port(s->peer), url);
	} else {
		snprintf(full, sizeof(full), "%s", url);
	}
	snprintf(type, sizeof(type), "t%llu", (unsigned long long)s->rule + 1);
	due_because(s, type, full, n);
}

/* Let the engine decide, then start a courier on what it decided. */
static void start(struct scene *s)
{
	struct courier_options options;
	struct err err;

	home_run(&s->home);
	T_OK(store_open(slice_of(home_path(&s->home, "state.db")), &s->home.store, &err));
	T_OK(store_connect(s->home.store, STORE_API, &s->db, &err));
	options = (struct courier_options) {
		.store = s->home.store,
		.metrics = s->stage.metrics,
		.live = s->live,
		.cipher = journal_meta(s->stage.bed.journal)->cipher,
		.policy = &s->policy,
		.concurrency = 40,
	};
	T_OK(courier_open(&s->courier, &options, &err));
	courier_start(s->courier);
}

static void stop(struct scene *s, int64_t wait_us)
{
	courier_close(&s->courier, wait_us);
	db_close(&s->db);
	store_close(&s->home.store);
}

static void halt(void *arg)
{
	loop_stop(arg);
}

static void scene_release(struct scene *s)
{
	stop(s, 5 * US_PER_S);
	/* What the courier told the hub goes nowhere, but is taken. */
	T_TRUE(loop_post(s->loop, halt, s->loop));
	loop_run(s->loop);
	workers_close(&s->workers);
	live_free(&s->live);
	loop_free(&s->loop);
	peer_free(&s->peer);
	home_release(&s->home);
	stage_release(&s->stage);
	arena_release(&s->arena);
}

static size_t count(struct scene *s, enum delivery_status status)
{
	struct delivery_filter filter = { .project = STAGE_PROJECT,
					  .set.statuses = DELIVERY_BIT(status) };
	struct page page = { .limit = PAGE_ROWS_MAX };
	struct delivery_list list;
	struct err err;

	arena_clear(&s->arena);
	T_OK(store_delivery_list(STAGE_ORG, s->db, &filter, &page, &s->arena, &list, &err));
	return list.n;
}

/* Wait until n deliveries have this status. */
static void until(struct scene *s, enum delivery_status status, size_t n)
{
	for (int i = 0; i < 5000; i++) {
		if (count(s, status) == n) {
			return;
		}
		poll(NULL, 0, 2);
	}
	fail_msg("%zu deliveries are %s, not %zu", count(s, status), delivery_status_name(status),
		 n);
}

static struct delivery_row get(struct scene *s, uint64_t number)
{
	struct delivery_row row;
	struct err err;

	T_INT(store_delivery_get(STAGE_ORG, s->db, STAGE_PROJECT, (struct delivery_id) { number },
				 &s->arena, &row, &err),
	      FOUND);
	return row;
}

static struct attempt_list attempts(struct scene *s, uint64_t number)
{
	struct attempt_list list;
	struct err err;

	T_OK(store_attempt_list(STAGE_ORG, s->db, (struct delivery_id) { number }, &s->arena, &list,
				&err));
	return list;
}

/* Time passes for everybody. */
static void pass(struct scene *s, int64_t us)
{
	__atomic_add_fetch(shift, us, __ATOMIC_SEQ_CST);
	courier_wake(s->courier);
}

TEST(each_answer_has_its_meaning)
{
	struct scene s;

	scene_init(&s);
	due_to(&s, "/ok", 1);
	due_to(&s, "/no", 1);
	due_to(&s, "/gone", 1);
	due_to(&s, "/error", 1);
	due_to(&s, "http://10.1.2.3/", 1);
	start(&s);
	until(&s, DELIVERY_SENT, 1);
	until(&s, DELIVERY_DEAD, 3);
	until(&s, DELIVERY_RETRYING, 1);
	T_INT(get(&s, 1).status, DELIVERY_SENT);
	T_INT(get(&s, 1).last_status, 200);
	T_TRUE(get(&s, 1).done_us > 0);
	T_INT(get(&s, 2).status, DELIVERY_DEAD);
	T_INT(get(&s, 2).last_status, 400);
	T_INT(get(&s, 3).status, DELIVERY_DEAD);
	T_INT(get(&s, 4).status, DELIVERY_RETRYING);
	T_INT(get(&s, 5).status, DELIVERY_DEAD);
	T_TRUE(get(&s, 5).last_error.n > 0);
	T_INT(attempts(&s, 4).n, 1);
	T_SLICE(attempts(&s, 4).rows[0].outcome, "retry");
	T_INT(attempts(&s, 4).rows[0].http_status, 500);
	T_SLICE(attempts(&s, 1).rows[0].outcome, "delivered");
	T_INT(metric_get(s.stage.metrics, METRIC_DELIVERED), 1);
	T_INT(metric_get(s.stage.metrics, METRIC_DELIVERY_RETRY), 1);
	T_INT(metric_get(s.stage.metrics, METRIC_DELIVERY_REJECTED), 3);
	T_INT(metric_get(s.stage.metrics, METRIC_DELIVERY_DEAD), 3);
	scene_release(&s);
}

static struct slice header(const char *request, const char *name)
{
	const char *at = strcasestr(request, name);
	struct slice rest, line;

	assert_non_null(at);
	rest = slice_of(at + strlen(name));
	T_TRUE(slice_split(&rest, '\r', &line));
	return slice_trim(line);
}

TEST(a_retry_comes_when_it_is_due_under_the_same_id)
{
	struct scene s;
	char first[64];
	int64_t due_us;

	scene_init(&s);
	due_to(&s, "/error", 1);
	start(&s);
	until(&s, DELIVERY_RETRYING, 1);
	T_INT(peer_requests(s.peer), 1);
	snprintf(first, sizeof(first), "%.*s", SARG(header(peer_last(s.peer), "webhook-id:")));
	due_us = get(&s, 1).due_us - clock_wall_us();
	T_TRUE(due_us > 3 * US_PER_S && due_us < 7 * US_PER_S);
	pass(&s, 7 * US_PER_S);
	while (peer_requests(s.peer) < 2) {
		poll(NULL, 0, 1);
	}
	t_slice(header(peer_last(s.peer), "webhook-id:"), slice_of(first), __FILE__, __LINE__);
	/* Attempt after attempt until it is given up, visibly. */
	for (unsigned n = 2; get(&s, 1).status != DELIVERY_DEAD; n++) {
		while (attempts(&s, 1).n < n) {
			poll(NULL, 0, 1);
		}
		pass(&s, 2 * 3600 * US_PER_S);
		assert_true(n < 20);
	}
	T_INT(attempts(&s, 1).n, 8);
	T_INT(metric_get(s.stage.metrics, METRIC_DELIVERY_DEAD), 1);
	scene_release(&s);
}

TEST(a_receiver_may_ask_for_more_time)
{
	struct scene s;
	int64_t wait_us;

	scene_init(&s);
	due_to(&s, "/busy", 1);
	start(&s);
	until(&s, DELIVERY_RETRYING, 1);
	wait_us = get(&s, 1).due_us - clock_wall_us();
	/* Never earlier; the jitter makes it up to a fifth later. */
	T_TRUE(wait_us > 118 * US_PER_S && wait_us < 146 * US_PER_S);
	scene_release(&s);
}

TEST(a_reset_is_tried_again)
{
	struct scene s;

	scene_init(&s);
	due_to(&s, "/reset", 1);
	start(&s);
	until(&s, DELIVERY_RETRYING, 1);
	T_INT(get(&s, 1).last_status, 0);
	T_TRUE(get(&s, 1).last_error.n > 0);
	scene_release(&s);
}

TEST(a_dead_receiver_rests_and_is_probed)
{
	struct scene s;
	unsigned seen;

	scene_init(&s);
	due_to(&s, "/error", 30);
	start(&s);
	/* Those under way together may all fail; then nobody calls any more. */
	while (metric_get(s.stage.metrics, METRIC_DELIVERY_RETRY) < 5) {
		poll(NULL, 0, 1);
	}
	while (count(&s, DELIVERY_PENDING) + count(&s, DELIVERY_RETRYING) < 30) {
		poll(NULL, 0, 1);
	}
	seen = peer_requests(s.peer);
	T_TRUE(seen >= 5 && seen <= 25);
	/* When it may be asked again, one goes ahead of all others. */
	pass(&s, 31 * US_PER_S);
	while (peer_requests(s.peer) == seen) {
		poll(NULL, 0, 1);
	}
	while (count(&s, DELIVERY_SENDING) > 0) {
		poll(NULL, 0, 1);
	}
	T_INT(peer_requests(s.peer), seen + 1);
	/* Those that never went out have no attempt against them. */
	for (uint64_t i = 1; i <= 30; i++) {
		struct delivery_row row = get(&s, i);

		T_INT(row.attempts, attempts(&s, i).n);
	}
	scene_release(&s);
}

/* Deliveries like the first one, due now: to another path of the same receiver. */
static void put_more(struct scene *s, uint64_t number, size_t n, const char *path)
{
	struct delivery_row row = get(s, 1);
	struct err err;

	row.status = DELIVERY_PENDING;
	row.attempts = row.attempts_total = 0;
	row.claim = 0;
	row.due_us = row.created_us = clock_wall_us();
	row.config = arena_printf(&s->arena, "{\"url\":\"http://127.0.0.1:%u%s\"}",
				  peer_port(s->peer), path);
	T_OK(db_begin(s->db, &err));
	for (size_t i = 0; i < n; i++) {
		row.number.v = number + i;
		T_OK(store_deliveries_insert(s->db, &row, 1, &err));
	}
	T_OK(db_commit(s->db, &err));
	courier_wake(s->courier);
}

static size_t count_held(struct scene *s)
{
	int64_t soon_us = clock_wall_us() + 1800 * US_PER_S;
	size_t n = 0;

	for (uint64_t i = 1000; i < 1300; i++) {
		n += get(s, i).due_us > soon_us ? 1 : 0;
	}
	arena_clear(&s->arena);
	return n;
}

/* The one that failed last stays out of the way. */
static void take_away(struct scene *s, size_t n)
{
	int64_t now_us = clock_wall_us() + 10 * US_PER_S;
	struct delivery_list list;
	struct err err;

	T_OK(store_deliveries_claim(s->db, 99, now_us, now_us + 3600 * US_PER_S, 10, &s->arena,
				    &list, &err));
	T_INT(list.n, n);
}

TEST(what_waits_for_a_dead_receiver_is_written_once)
{
	int64_t due_us[300];
	struct scene s;

	scene_init(&s);
	due_to(&s, "/error", 5);
	start(&s);
	until(&s, DELIVERY_RETRYING, 5);
	take_away(&s, 5);
	put_more(&s, 999, 1, "/error");
	put_more(&s, 1000, 300, "/ok");
	while (count_held(&s) < 300) {
		poll(NULL, 0, 1);
	}
	for (uint64_t i = 0; i < 300; i++) {
		due_us[i] = get(&s, 1000 + i).due_us;
	}
	/* A probe goes and fails: nobody else moves, not even to ask what became of it. */
	pass(&s, 31 * US_PER_S);
	while (attempts(&s, 999).n == 0) {
		poll(NULL, 0, 1);
	}
	take_away(&s, 1);
	for (uint64_t i = 0; i < 300; i++) {
		T_TRUE(get(&s, 1000 + i).due_us == due_us[i]);
	}
	T_INT(peer_requests(s.peer), 6);
	/* It is back: the next probe opens the door for all. */
	pass(&s, 61 * US_PER_S);
	while (count(&s, DELIVERY_SENT) < 300) {
		pass(&s, US_PER_S / 10);
		poll(NULL, 0, 1);
	}
	T_INT(peer_requests(s.peer), 306);
	scene_release(&s);
}

static void set_going(struct scene *s, int64_t after_us)
{
	struct org_row org = {
		.id = STAGE_ORG, .slug = S("stage"), .name = S("Stage"), .status = S("active")
	};
	struct err err;

	if (store_org_get(STAGE_ORG, s->db, &s->arena, &org, &err) == NOT_FOUND) {
		T_OK(store_org_insert(STAGE_ORG, s->db, &org, &err));
	}
	T_INT(store_org_set_delete(STAGE_ORG, s->db, after_us, &err), FOUND);
}

/* More than one commit holds, and some of it born while nothing leaves. */
TEST(nothing_leaves_for_an_org_that_is_to_be_deleted)
{
	struct scene s;

	scene_init(&s);
	due_to(&s, "/error", 1);
	start(&s);
	until(&s, DELIVERY_RETRYING, 1);
	set_going(&s, clock_wall_us() + 7 * 86400 * US_PER_S);
	put_more(&s, 1000, 300, "/ok");
	while (count_held(&s) < 300) {
		courier_wake(s.courier);
		poll(NULL, 0, 1);
	}
	pass(&s, 3700 * US_PER_S);
	while (count_held(&s) < 300) {
		pass(&s, US_PER_S);
		poll(NULL, 0, 1);
	}
	T_INT(peer_requests(s.peer), 1);
	set_going(&s, 0);
	courier_wake(s.courier);
	until(&s, DELIVERY_SENT, 300);
	T_INT(count_held(&s), 0);
	scene_release(&s);
}

/* Thousands are due for one that answers nothing; the others do not notice. */
TEST(a_hanging_receiver_takes_no_places_of_others)
{
	struct peer *other = peer_new("127.0.0.1", 0, answers, ARRAY_LEN(answers));
	struct scene s;
	char url[64];

	scene_init(&s);
	due_to(&s, "/hang", 2000);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/ok", peer_port(other));
	due_to(&s, url, 200);
	start(&s);
	until(&s, DELIVERY_SENT, 200);
	T_TRUE(peer_connections(s.peer) <= 16);
	stop(&s, 0);
	T_INT(peer_requests(other), 200);
	scene_release(&s);
	peer_free(&other);
}

TEST(a_burst_for_one_receiver_flows)
{
	struct scene s;
	int64_t began_us;

	scene_init(&s);
	due_to(&s, "/ok", 900);
	start(&s);
	began_us = clock_mono_us();
	until(&s, DELIVERY_SENT, 900);
	/* Sixteen each half second would be half a minute. A sanitized build may take as long. */
	T_TRUE(clock_mono_us() - began_us < 8 * US_PER_S || getenv("TOCSIN_TEST_SLOWER") != NULL);
	T_INT(peer_requests(s.peer), 900);
	scene_release(&s);
}

TEST(a_crash_during_a_call_repeats_it_under_its_id)
{
	struct scene s;
	struct home crashed;
	char first[64];

	scene_init(&s);
	due_to(&s, "/hang", 1);
	due_to(&s, "/ok", 1);
	start(&s);
	until(&s, DELIVERY_SENT, 1);
	while (peer_requests(s.peer) < 2) {
		poll(NULL, 0, 1);
	}
	snprintf(first, sizeof(first), "%.*s", SARG(header(peer_last(s.peer), "webhook-id:")));
	home_copy(&crashed, &s.home);
	stop(&s, 0);
	home_release(&s.home);
	s.home = crashed;
	start(&s);
	while (peer_requests(s.peer) < 3) {
		poll(NULL, 0, 1);
	}
	/* Only the one with the unknown outcome; whose 2xx is recorded is never sent again. */
	T_TRUE(slice_starts(slice_of(peer_last(s.peer)), S("POST /hang")));
	T_INT(get(&s, 2).attempts_total, 1);
	stop(&s, 0);
	T_INT(peer_requests(s.peer), 3);
	scene_release(&s);
}

/* Sends the one dead delivery again; the disk is full after so many writes. */
static void replay_on_full_disk(struct scene *s, int writes)
{
	uint64_t n;
	struct err err;

	T_OK(store_delivery_replay(STAGE_ORG, s->db, STAGE_PROJECT, (struct delivery_id) { 1 },
				   clock_wall_us(), 1, &n, &err));
	fault_set(FAULT_FULL, writes, -1);
	courier_wake(s->courier);
	while (fault_count() == 0 && get(s, 1).status != DELIVERY_DEAD) {
		poll(NULL, 0, 1);
	}
}

/* The outcome is known, only not written down yet: it waits, and nobody is called twice. */
TEST(a_state_that_fails_for_a_while_repeats_no_call)
{
	struct scene s;
	unsigned calls = 1, late = 0;

	scene_init(&s);
	due_to(&s, "/no", 1);
	start(&s);
	until(&s, DELIVERY_DEAD, 1);
	for (int writes = 0; writes < 15; writes += 2) {
		replay_on_full_disk(&s, writes);
		if (peer_requests(s.peer) > calls && fault_count() > 0) {
			int failed = fault_count();

			/* Until long after the lease has lapsed. */
			pass(&s, 200 * US_PER_S);
			while (fault_count() < failed + 2) {
				poll(NULL, 0, 1);
			}
			late++;
		}
		fault_set(FAULT_NONE, 0, 0);
		courier_wake(s.courier);
		until(&s, DELIVERY_DEAD, 1);
		calls++;
		T_INT(peer_requests(s.peer), calls);
		T_INT(get(&s, 1).attempts_total, calls);
	}
	T_TRUE(late > 0);
	scene_release(&s);
}

TEST(dead_letters_can_be_sent_again_or_dropped)
{
	struct scene s;
	uint64_t n;
	struct err err;

	scene_init(&s);
	due_to(&s, "/no", 3);
	start(&s);
	until(&s, DELIVERY_DEAD, 3);
	T_OK(store_delivery_purge(STAGE_ORG, s.db, STAGE_PROJECT, (struct delivery_id) { 3 },
				  clock_wall_us(), 10, &n, &err));
	T_INT(n, 1);
	T_OK(store_delivery_replay(STAGE_ORG, s.db, STAGE_PROJECT, (struct delivery_id) { 0 },
				   clock_wall_us(), 10, &n, &err));
	T_INT(n, 2);
	courier_wake(s.courier);
	while (peer_requests(s.peer) < 5) {
		poll(NULL, 0, 1);
	}
	until(&s, DELIVERY_DEAD, 2);
	until(&s, DELIVERY_PURGED, 1);
	T_INT(get(&s, 1).attempts_total, 2);
	T_INT(get(&s, 1).attempts, 1);
	T_INT(get(&s, 3).config.n, 0);
	scene_release(&s);
}

/* What tells of dead letters and dies itself would be told of, and so on. */
TEST(a_dead_letter_is_told_unless_it_was_about_the_server)
{
	char url[64];
	struct scene s;
	uint64_t n;
	struct err err;

	scene_init(&s);
	due_to(&s, "/no", 100);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/no", peer_port(s.peer));
	due_because(&s, SYSTEM_DEAD_LETTER, url, 100);
	start(&s);
	until(&s, DELIVERY_DEAD, 200);
	T_INT(home_number(&s.home, "select count(*) from sayings where type = 'tocsin.dead_letter'"
				   " and name like 'dead:%:1' and org_id = 1"),
	      100);
	T_OK(store_delivery_replay(STAGE_ORG, s.db, STAGE_PROJECT, (struct delivery_id) { 7 },
				   clock_wall_us(), 10, &n, &err));
	courier_wake(s.courier);
	while (peer_requests(s.peer) < 201) {
		poll(NULL, 0, 1);
	}
	until(&s, DELIVERY_DEAD, 200);
	T_INT(home_number(&s.home, "select count(*) from sayings where name = 'dead:7:2'"), 1);
	T_INT(home_number(&s.home, "select count(*) from sayings"), 101);
	scene_release(&s);
}

TEST(a_stop_waits_a_little_for_calls_under_way)
{
	struct scene s;
	int64_t began_us;

	scene_init(&s);
	due_to(&s, "/hang", 3);
	start(&s);
	while (peer_requests(s.peer) < 3) {
		poll(NULL, 0, 1);
	}
	began_us = clock_mono_us();
	stop(&s, 50 * US_PER_MS);
	T_TRUE(clock_mono_us() - began_us < 3 * US_PER_S);
	T_INT(home_number(&s.home, "select count(*) from deliveries where status in ('pending', "
				   "'retrying') and due_at is not null"),
	      3);
	scene_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_answer_has_its_meaning),
		T(a_retry_comes_when_it_is_due_under_the_same_id),
		T(a_receiver_may_ask_for_more_time),
		T(a_reset_is_tried_again),
		T(a_dead_receiver_rests_and_is_probed),
		T(what_waits_for_a_dead_receiver_is_written_once),
		T(nothing_leaves_for_an_org_that_is_to_be_deleted),
		T(a_hanging_receiver_takes_no_places_of_others),
		T(a_burst_for_one_receiver_flows),
		T(a_crash_during_a_call_repeats_it_under_its_id),
		T(a_state_that_fails_for_a_while_repeats_no_call),
		T(dead_letters_can_be_sent_again_or_dropped),
		T(a_dead_letter_is_told_unless_it_was_about_the_server),
		T(a_stop_waits_a_little_for_calls_under_way),
	};

	shift = stage_clock();
	signal(SIGPIPE, SIG_IGN);
	fault_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
