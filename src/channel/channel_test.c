/* SPDX-License-Identifier: Apache-2.0 */
/* Answers mean the same for all channels, and what the engine noted is what the courier tells. */
#include "channel/channel.h"

#include "test/t.h"

#define NOW_US INT64_C(784111777000000) /* Sun, 06 Nov 1994 08:49:37 GMT */
#define S_US INT64_C(1000000)

TEST(retry_after_is_seconds_or_a_date_within_an_hour)
{
	static const struct {
		const char *value;
		int64_t want_s;
	} rows[] = {
		{ "0", 0 },
		{ "7", 7 },
		{ " 120 ", 120 },
		{ "3600", 3600 },
		{ "86400", 3600 },
		{ "18446744073709551615", 3600 },
		{ "99999999999999999999999", 0 },
		{ "Sun, 06 Nov 1994 08:50:37 GMT", 60 },
		{ "Sun, 06 Nov 1994 08:49:37 GMT", 0 },
		{ "Sun, 06 Nov 1994 08:49:36 GMT", 0 },
		{ "Fri, 31 Dec 9999 23:59:59 GMT", 3600 },
		{ "Sun, 31 Feb 1995 08:49:37 GMT", 0 },
		{ "Sun, 06 Xxx 1995 08:49:37 GMT", 0 },
		{ "Sun, 06 Nov 1995 24:49:37 GMT", 0 },
		{ "Sun, 06 Nov 1995 08:49:37 PST", 0 },
		{ "Sun, 00 Nov 1995 08:49:37 GMT", 0 },
		{ "Sun, 06 Nov 0000 08:49:37 GMT", 0 },
		{ "Sun, 06 Nov 1994 0a:50:37 GMT", 0 },
		{ "Sunday, 06-Nov-94 08:50:37 GMT", 0 },
		{ "-5", 0 },
		{ "1.5", 0 },
		{ "soon", 0 },
		{ "", 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t got_us = channel_retry_after(slice_of(rows[i].value), NOW_US);
		if (got_us != rows[i].want_s * S_US) {
			fail_msg("%s gives %lld", rows[i].value, (long long)got_us);
		}
	}
}

TEST(every_status_has_one_meaning)
{
	for (unsigned status = 200; status < 600; status++) {
		struct http_result r = { .status = status };
		enum channel_outcome got = channel_judge_http(&r, NOW_US).outcome;
		enum channel_outcome want = CHANNEL_REJECTED;
		if (status < 300) {
			want = CHANNEL_DELIVERED;
		} else if (status == 410) {
			want = CHANNEL_GONE;
		} else if (status == 408 || status == 425 || status == 429 || status >= 500) {
			want = CHANNEL_RETRY;
		}
		T_INT(got, want);
	}
}

TEST(only_faults_that_may_pass_are_tried_again)
{
	for (enum http_fail f = HTTP_FAIL_NONE + 1; f < HTTP_FAILS; f++) {
		struct http_result r = { .fail = f, .text = http_fail_name(f) };
		struct channel_verdict v = channel_judge_http(&r, NOW_US);
		bool final = f == HTTP_FAIL_BLOCKED || f == HTTP_FAIL_INVALID;
		T_INT(v.outcome, final ? CHANNEL_REJECTED : CHANNEL_RETRY);
		T_STR(v.text, http_fail_name(f));
	}
}

TEST(a_peer_that_said_yes_is_not_asked_again)
{
	struct http_result r = { .fail = HTTP_FAIL_TIMEOUT, .status = 200 };

	T_INT(channel_judge_http(&r, NOW_US).outcome, CHANNEL_DELIVERED);
	r.fail = HTTP_FAIL_TOO_LARGE;
	T_INT(channel_judge_http(&r, NOW_US).outcome, CHANNEL_DELIVERED);
	r.status = 404;
	T_INT(channel_judge_http(&r, NOW_US).outcome, CHANNEL_REJECTED);
}

TEST(outcomes_have_words)
{
	T_STR(channel_outcome_name(CHANNEL_DELIVERED), "delivered");
	T_STR(channel_outcome_name(CHANNEL_RETRY), "retry");
	T_STR(channel_outcome_name(CHANNEL_REJECTED), "rejected");
	T_STR(channel_outcome_name(CHANNEL_GONE), "gone");
}

TEST(a_notice_comes_back_as_it_was)
{
	struct arena tick;
	struct err err;
	struct buf text;
	struct buf again;
	struct notice n = {
		.news = NOTICE_ESCALATED,
		.severity = SEVERITY_CRITICAL,
		.org = S("org_1"),
		.project = S("prj_1"),
		.rule = S("rul_1"),
		.alert = S("alr_1"),
		.event = S("evt_1"),
		.rule_name = S("a \"rule\"\n\x01"),
		.event_type = S("x.y"),
		.event_payload = S("{\"n\":1.50,\"a\":[1,2]}"),
		.key = S("k"),
		.threshold = 1,
		.window_s = 2,
		.count = INT64_MAX,
		.count_at_least = true,
		.occurred_at_us = 3,
		.received_at_us = 4,
		.triggered_at_us = 5,
	};
	struct notice out;

	arena_init(&tick, 0);
	buf_init(&text, 4096);
	buf_init(&again, 4096);
	notice_encode(&n, &text);
	T_OK(notice_decode(buf_slice(&text), &tick, &out, &err));
	T_INT(out.news, NOTICE_ESCALATED);
	T_INT(out.severity, SEVERITY_CRITICAL);
	T_TRUE(slice_eq(out.rule_name, n.rule_name));
	T_TRUE(slice_eq(out.event_payload, n.event_payload));
	T_INT(out.count, INT64_MAX);
	notice_encode(&out, &again);
	T_TRUE(slice_eq(buf_slice(&text), buf_slice(&again)));
	buf_release(&text);
	buf_release(&again);
	arena_release(&tick);
}

TEST(a_damaged_notice_is_refused)
{
	static const struct slice bad[] = {
		S(""),
		S("[]"),
		S("{\"news\":\"birthday\"}"),
		S("{\"news\":\"test\",\"count\":\"1\"}"),
		S("{\"news\":\"test\"}x"),
		S("{\"news\":\"test\""),
	};
	struct arena tick;
	struct err err;
	struct notice out;

	arena_init(&tick, 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		T_FAIL(notice_decode(bad[i], &tick, &out, &err), ERR_CORRUPT);
	}
	T_OK(notice_decode(S("{\"news\":\"test\",\"later\":[1]}"), &tick, &out, &err));
	T_INT(out.news, NOTICE_TEST);
	arena_release(&tick);
}

T_MAIN(T(retry_after_is_seconds_or_a_date_within_an_hour), T(every_status_has_one_meaning),
       T(only_faults_that_may_pass_are_tried_again), T(a_peer_that_said_yes_is_not_asked_again),
       T(outcomes_have_words), T(a_notice_comes_back_as_it_was), T(a_damaged_notice_is_refused))
