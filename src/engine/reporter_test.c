/* SPDX-License-Identifier: Apache-2.0 */
/* Errors and heartbeats against a receiver that answers by script, hangs, or is not there. */
#include "engine/reporter.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "test/peer.h"
#include "test/t.h"

#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define SECRET "swordfish-9000"
#define DATABASE "postgresql://tocsin:hunter2-hunter2@db.example.org/tocsin?x=y"

static const struct peer_answer answers[] = {
	{ .path = "/api/1/envelope/", .bytes = OK_ANSWER },
	{ .path = "/api/2/envelope/",
	  .bytes = "HTTP/1.1 429 Slow\r\nRetry-After: 600\r\nContent-Length: 0\r\n\r\n" },
	{ .path = "/api/3/envelope/", .bytes = "", .end = PEER_HANG },
	{ .path = "/beat", .bytes = OK_ANSWER },
	{ .path = "/bad", .bytes = "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n" },
};

struct scene {
	struct peer *peer;
	struct metrics *metrics;
	struct reporter *reporter;
	char dsn[64], beat[64];
};

/* What tests log goes nowhere but to the reporter. */
static void scene_init(struct scene *s, const char *project, const char *beat)
{
	struct reporter_options options = { .secrets = { S(SECRET), S(DATABASE), S("x") } };
	struct err err;

	*s = (struct scene) { 0 };
	log_setup(LOG_ERROR, LOG_TEXT, -1);
	s->peer = peer_new("127.0.0.1", 0, answers, ARRAY_LEN(answers));
	s->metrics = metrics_new();
	if (project != NULL) {
		snprintf(s->dsn, sizeof(s->dsn), "http://key@127.0.0.1:%u/%s", peer_port(s->peer),
			 project);
		options.sentry_dsn = slice_of(s->dsn);
	}
	if (beat != NULL) {
		snprintf(s->beat, sizeof(s->beat), "http://127.0.0.1:%u%s", peer_port(s->peer),
			 beat);
		options.heartbeat_url = slice_of(s->beat);
	}
	T_OK(reporter_open(&s->reporter, &options, &err));
	reporter_count_in(s->reporter, s->metrics);
}

static void scene_release(struct scene *s, int64_t wait_us)
{
	reporter_close(&s->reporter, wait_us);
	peer_free(&s->peer);
	metrics_free(&s->metrics);
	log_setup(LOG_INFO, LOG_TEXT, STDERR_FILENO);
}

static void until(struct scene *s, enum metric id, int64_t n)
{
	for (int i = 0; i < 5000 && metric_get(s->metrics, id) < n; i++) {
		poll(NULL, 0, 2);
	}
	T_INT(metric_get(s->metrics, id), n);
}

TEST(without_an_address_there_is_nothing)
{
	struct reporter_options options = { .secrets = { S("x") } };
	struct reporter *reporter;
	struct err err;

	T_OK(reporter_open(&reporter, &options, &err));
	T_TRUE(reporter == NULL);
	reporter_beat(reporter);
	reporter_count_in(reporter, NULL);
	reporter_close(&reporter, 0);
	options.sentry_dsn = S("https://example.org/1");
	T_FAIL(reporter_open(&reporter, &options, &err), ERR_INVALID);
}

TEST(an_error_is_reported_with_its_fields_and_without_secrets)
{
	struct scene s;

	scene_init(&s, "1", NULL);
	log_warn("only_a_warning");
	log_error("engine_failed", log_str("error", "connect with " SECRET " to \"db\" " SECRET),
		  log_int("seq", 42), log_bool("late", true));
	until(&s, METRIC_REPORT_SENT, 1);
	T_INT(peer_requests(s.peer), 1);
	T_TRUE(strstr(peer_last(s.peer), "POST /api/1/envelope/ HTTP/1.1\r\n") != NULL);
	T_TRUE(strstr(peer_last(s.peer), "sentry_key=key\r\n") != NULL);
	T_TRUE(strstr(peer_last(s.peer), "\"message\":\"engine_failed\"") != NULL);
	T_TRUE(strstr(peer_last(s.peer),
		      "\"extra\":{\"error\":\"connect with ******** to \\\"db\\\" ********\","
		      "\"seq\":42,\"late\":true}") != NULL);
	T_TRUE(strstr(peer_last(s.peer), SECRET) == NULL);
	log_error("store_failed", log_str("whole", DATABASE),
		  log_str("user", "tocsin:hunter2-hunter2"),
		  log_str("password", "x hunter2-hunter2 x"), log_str("host", "db.example.org"));
	until(&s, METRIC_REPORT_SENT, 2);
	T_INT(peer_requests(s.peer), 2);
	T_TRUE(strstr(peer_last(s.peer),
		      "\"extra\":{\"whole\":\"********\",\"user\":\"********\","
		      "\"password\":\"x ******** x\",\"host\":\"db.example.org\"}") != NULL);
	scene_release(&s, 0);
}

/* Three hundred errors at once: some are told, the rest is counted, and the next one says so. */
TEST(a_storm_is_told_in_part)
{
	struct scene s;
	int64_t sent, dropped;

	scene_init(&s, "1", NULL);
	for (int i = 0; i < 300; i++) {
		log_error("disk_on_fire", log_int("i", i));
	}
	for (int i = 0; i < 5000; i++) {
		sent = metric_get(s.metrics, METRIC_REPORT_SENT);
		dropped = metric_get(s.metrics, METRIC_REPORT_DROPPED);
		if (sent + dropped == 300) {
			break;
		}
		poll(NULL, 0, 2);
	}
	T_INT(sent + dropped, 300);
	T_TRUE(sent >= 20 && sent <= 60);
	scene_release(&s, 0);
}

TEST(who_says_too_many_hears_no_more)
{
	struct scene s;

	scene_init(&s, "2", NULL);
	log_error("first");
	until(&s, METRIC_REPORT_FAILED, 1);
	log_error("second");
	until(&s, METRIC_REPORT_DROPPED, 1);
	T_INT(peer_requests(s.peer), 1);
	scene_release(&s, 0);
}

/* The last words are sent at the end; a receiver that hangs does not hold it up for ever. */
TEST(the_end_waits_for_reports_but_not_for_long)
{
	int64_t began_us = clock_mono_us();
	struct scene s;

	scene_init(&s, "3", NULL);
	log_error("hanging");
	scene_release(&s, 100 * US_PER_MS);
	T_TRUE(clock_mono_us() - began_us < 10 * US_PER_S);

	scene_init(&s, "1", NULL);
	log_error("start_failed", log_str("error", "why"));
	reporter_close(&s.reporter, 10 * US_PER_S);
	T_INT(peer_requests(s.peer), 1);
	T_INT(metric_get(s.metrics, METRIC_REPORT_SENT), 1);
	scene_release(&s, 0);
}

TEST(a_beat_goes_out_when_told_and_not_otherwise)
{
	struct scene s;

	scene_init(&s, NULL, "/beat");
	log_error("not_for_the_watcher");
	reporter_beat(s.reporter);
	until(&s, METRIC_HEARTBEAT_SENT, 1);
	T_INT(peer_requests(s.peer), 1);
	T_TRUE(strstr(peer_last(s.peer), "GET /beat HTTP/1.1\r\n") != NULL);
	reporter_beat(s.reporter);
	until(&s, METRIC_HEARTBEAT_SENT, 2);
	T_INT(peer_requests(s.peer), 2);
	scene_release(&s, 0);

	scene_init(&s, NULL, "/bad");
	reporter_beat(s.reporter);
	until(&s, METRIC_HEARTBEAT_FAILED, 1);
	scene_release(&s, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(without_an_address_there_is_nothing),
		T(an_error_is_reported_with_its_fields_and_without_secrets),
		T(a_storm_is_told_in_part),
		T(who_says_too_many_hears_no_more),
		T(the_end_waits_for_reports_but_not_for_long),
		T(a_beat_goes_out_when_told_and_not_otherwise),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
