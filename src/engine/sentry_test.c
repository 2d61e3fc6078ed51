/* SPDX-License-Identifier: Apache-2.0 */
/* A DSN in all its forms, and an envelope to the byte. */
#include "engine/sentry.h"

#include "base/json.h"
#include "test/t.h"

TEST(a_dsn_names_where_envelopes_go_and_who_sends_them)
{
	static const struct {
		const char *dsn, *url, *key;
	} cases[] = {
		{ "https://abc123@o4.ingest.example.io/42",
		  "https://o4.ingest.example.io/api/42/envelope/", "abc123" },
		{ "http://k:old@127.0.0.1:9000/7", "http://127.0.0.1:9000/api/7/envelope/", "k" },
		{ "https://k@errors.example.org/under/here/7",
		  "https://errors.example.org/under/here/api/7/envelope/", "k" },
		{ "http://k@[::1]:81/0", "http://[::1]:81/api/0/envelope/", "k" },
	};
	struct sentry_dsn dsn;
	struct arena arena;
	struct err err;

	arena_init(&arena, 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct slice key = slice_of(cases[i].key);

		T_OK(sentry_dsn_parse(slice_of(cases[i].dsn), &arena, &dsn, &err));
		T_TRUE(slice_eq(dsn.url, slice_of(cases[i].url)));
		T_TRUE(slice_starts(dsn.auth, S("Sentry sentry_version=7, sentry_client=tocsin/")));
		T_TRUE(slice_eq(slice_from(dsn.auth, dsn.auth.n - key.n), key));
		T_TRUE(sentry_dsn_check(slice_of(cases[i].dsn)) == NULL);
	}
	arena_release(&arena);
}

TEST(what_is_no_dsn_is_refused_without_being_shown)
{
	static const char *const cases[] = {
		"",
		"hunter2",
		"ftp://hunter2@example.org/1",
		"https://example.org/1",
		"https://@example.org/1",
		"https://hun\"ter2@example.org/1",
		"https://hun, ter2@example.org/1",
		"https://hunter2@example.org",
		"https://hunter2@example.org/",
		"https://hunter2@example.org/1?x=y",
		"https://hunter2@/1",
		"https://hunter2@example.org:x/1",
		"https://hunter2@a@example.org/1",
	};
	struct sentry_dsn dsn;
	struct arena arena;
	struct err err;

	arena_init(&arena, 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		T_FAIL(sentry_dsn_parse(slice_of(cases[i]), &arena, &dsn, &err), ERR_INVALID);
		T_TRUE(strstr(err.text, "hunter") == NULL);
		T_TRUE(sentry_dsn_check(slice_of(cases[i])) != NULL);
	}
	arena_release(&arena);
}

/* Two lines of head, one of event that is as long as it says. */
TEST(an_envelope_holds_one_event)
{
	struct sentry_event event = { .at_us = INT64_C(1795244548123456),
				      .id = { 0xab, 1 },
				      .name = "engine_failed",
				      .fields = S("{\"error\":\"no\"}"),
				      .dropped = 3 };
	struct slice rest, head = { 0 }, item = { 0 }, body = { 0 };
	const struct json *json;
	struct arena arena;
	struct buf out;
	struct err err;
	int64_t length;

	arena_init(&arena, 0);
	buf_init(&out, SENTRY_ENVELOPE_BYTES_MAX);
	sentry_envelope(&event, &out);
	rest = buf_slice(&out);
	T_TRUE(slice_split(&rest, '\n', &head) && slice_split(&rest, '\n', &item) &&
	       slice_split(&rest, '\n', &body));
	T_INT(rest.n, 0);
	T_OK(json_parse(&arena, head, 4, &json, &err));
	T_SLICE(json_get(json, "event_id")->text, "ab010000000000000000000000000000");
	T_SLICE(json_get(json, "sent_at")->text, "2026-11-21T07:02:28.123Z");
	T_OK(json_parse(&arena, item, 4, &json, &err));
	T_SLICE(json_get(json, "type")->text, "event");
	T_TRUE(json_number_int(json_get(json, "length")->text, &length));
	T_INT(length, body.n);
	T_OK(json_parse(&arena, body, 8, &json, &err));
	T_SLICE(json_get(json, "event_id")->text, "ab010000000000000000000000000000");
	T_SLICE(json_get(json, "level")->text, "error");
	T_SLICE(json_get(json, "message")->text, "engine_failed");
	T_SLICE(json_get(json_get(json, "extra"), "error")->text, "no");
	T_SLICE(json_get(json_get(json, "tags"), "event")->text, "engine_failed");
	T_SLICE(json_get(json_get(json_get(json, "contexts"), "reporting"), "dropped")->raw, "3");
	buf_release(&out);
	arena_release(&arena);
}

T_MAIN(T(a_dsn_names_where_envelopes_go_and_who_sends_them),
       T(what_is_no_dsn_is_refused_without_being_shown), T(an_envelope_holds_one_event))
