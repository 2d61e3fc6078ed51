/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every channel promises, asked of each in the registry. Rendered requests are compared with
 * test/golden/channel/<name>/<news>.http; TOCSIN_GOLDEN=write writes them anew, to be read before
 * they are committed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/json.h"
#include "channel/channel.h"
#include "test/t.h"

#define NOW_US INT64_C(1767225600000000) /* 2026-01-01 */
#define GOLDEN_BYTES_MAX 65536

static struct arena tick;
static struct err err;

static int set_up(void **state UNUSED)
{
	arena_init(&tick, 0);
	return 0;
}

static int tear_down(void **state UNUSED)
{
	arena_release(&tick);
	return 0;
}

#define EACH(type) \
	for (const struct channel_type *const *at = channel_types, *type = *at; type != NULL; \
	     type = *++at)

static struct notice make_notice(enum notice_news news)
{
	return (struct notice) {
		.news = news,
		.severity = SEVERITY_HIGH,
		.org = S("org_0000000000001"),
		.project = S("prj_0000000000002"),
		.rule = S("rul_0000000000003"),
		.alert = S("alr_00000000000000000000000004"),
		.event = S("evt_00000000000000000000000005"),
		.rule_name = S("Too many failed payments"),
		.event_type = S("payment.failed"),
		.event_payload = S("{\"amount\":12.50,\"user\":{\"id\":\"u1\"}}"),
		.key = S("{\"payload.user.id\":\"u1\"}"),
		.threshold = 5,
		.window_s = 60,
		.count = 7,
		.occurred_at_us = NOW_US - 2500000,
		.received_at_us = NOW_US - 2000000,
		.triggered_at_us = NOW_US - 1000000,
		.delivery = S("dlv_00000000000000000000000006"),
		.cid = S("req-7f3a"),
		.public_url = S("https://tocsin.example"),
	};
}

/* The request of a notice, signed. */
static struct http_call render(const struct channel_type *type, const struct notice *n)
{
	struct http_call call = { 0 };
	const void *conf;

	T_OK(channel_conf_read(type, slice_of(type->sample), &tick, &conf, &err));
	T_OK(type->render(conf, n, &tick, &call, &err));
	if (type->sign != NULL) {
		T_OK(type->sign(conf, n, NOW_US, &tick, &call, &err));
	}
	return call;
}

static bool has(struct slice text, struct slice part)
{
	return memmem(text.p, text.n, part.p, part.n) != NULL;
}

static bool is_word(const char *s)
{
	return s[0] != '\0' && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(s);
}

TEST(names_are_sorted_words_with_a_label_and_help)
{
	const char *last = "";

	EACH(type)
	{
		T_TRUE(is_word(type->name));
		T_TRUE(strcmp(last, type->name) < 0);
		last = type->name;
		T_TRUE(channel_find(slice_of(type->name)) == type);
		T_TRUE(type->label != NULL && type->label[0] != '\0');
		T_TRUE(slice_ends(slice_of(type->help), S(".")));
	}
	T_TRUE(last[0] != '\0');
	T_TRUE(channel_find(S("pigeon")) == NULL);
	T_TRUE(channel_find(S("")) == NULL);
}

TEST(an_http_channel_renders_and_judges_and_another_does_not)
{
	EACH(type)
	{
		bool http = type->transport == CHANNEL_HTTP;
		T_INT(type->render != NULL, http);
		T_INT(type->judge != NULL, http);
		T_TRUE(http || type->sign == NULL);
	}
}

TEST(settings_are_a_sound_table_with_help)
{
	EACH(type)
	{
		fields_ensure(type->fields, type->fields_n);
		for (size_t i = 0; i < type->fields_n; i++) {
			const struct field *f = &type->fields[i];
			T_TRUE(f->label != NULL && f->help != NULL);
			/* What is called a secret is one. */
			T_TRUE(strstr(f->name, "ecret") == NULL || (f->flags & FIELD_SECRET) != 0);
		}
	}
}

TEST(the_sample_is_valid_and_comes_back_masked)
{
	EACH(type)
	{
		struct channel_conf_in in = { .path = "config" };
		struct slice stored;
		struct json_w w;
		struct buf shown;
		T_OK(json_parse(&tick, slice_of(type->sample), JSON_DEPTH_MAX, &in.config, &err));
		T_OK(channel_conf_check(type, &in, &tick, &stored, &err));
		T_TRUE(slice_eq(stored, slice_of(type->sample)));
		buf_init(&shown, GOLDEN_BYTES_MAX);
		json_w_init(&w, &shown);
		channel_conf_show(type, stored, &tick, &w);
		T_FALSE(has(buf_slice(&shown), S("canary")));
		T_FALSE(has(buf_slice(&shown), S("Y2FuYXJ5")));
		buf_release(&shown);
	}
}

TEST(the_destination_shows_no_secret)
{
	EACH(type)
	{
		const void *conf;
		if (type->destination == NULL) {
			continue;
		}
		T_OK(channel_conf_read(type, slice_of(type->sample), &tick, &conf, &err));
		struct slice shown = type->destination(conf, &tick);
		T_TRUE(shown.n > 0);
		T_FALSE(has(shown, S("?")) || has(shown, S("canary")));
	}
}

/* The request as text. */
static struct slice to_text(const struct http_call *call)
{
	struct buf out;
	struct slice text;

	buf_init(&out, GOLDEN_BYTES_MAX);
	buf_printf(&out, "%s %.*s\n", call->method, SARG(call->url));
	for (size_t i = 0; i < call->headers_n; i++) {
		buf_printf(&out, "%.*s: %.*s\n", SARG(call->headers[i].name),
			   SARG(call->headers[i].value));
	}
	buf_printf(&out, "\n%.*s\n", SARG(call->body));
	text = arena_dup(&tick, buf_slice(&out));
	buf_release(&out);
	return text;
}

static struct slice read_golden(const char *path)
{
	char *text = arena_alloc(&tick, GOLDEN_BYTES_MAX);
	FILE *f = fopen(path, "r");
	size_t n;

	if (f == NULL) {
		fail_msg("%s is missing: run with TOCSIN_GOLDEN=write and read it", path);
	}
	n = fread(text, 1, GOLDEN_BYTES_MAX, f);
	fclose(f);
	return (struct slice) { .p = text, .n = n };
}

static void compare(const char *folder, enum notice_news news, struct slice text)
{
	struct slice name = notice_news_name(news);
	struct slice path = arena_printf(&tick, "%s/%.*s.http", folder, SARG(name));
	struct slice want;

	if (getenv("TOCSIN_GOLDEN") != NULL) {
		mkdir(folder, 0755);
		FILE *f = fopen(path.p, "w");
		assert_non_null(f);
		T_INT(fwrite(text.p, 1, text.n, f), text.n);
		fclose(f);
	}
	want = read_golden(path.p);
	if (!slice_eq(want, text)) {
		fail_msg("%s differs from:\n%.*s", path.p, SARG(text));
	}
}

TEST(every_kind_of_news_renders_as_its_golden_file)
{
	EACH(type)
	{
		if (type->render == NULL) {
			continue;
		}
		struct slice folder = arena_printf(&tick, "%s/%s", GOLDEN_DIR, type->name);
		for (enum notice_news news = 0; news < NOTICE_NEWS; news++) {
			struct notice n = make_notice(news);
			struct http_call call = render(type, &n);
			T_OK(http_call_check(&call, &err));
			compare(folder.p, news, to_text(&call));
		}
	}
}

/* JSON bodies must be JSON, whoever named the rule. */
static void check_safe(const struct http_call *call)
{
	const struct json *body;

	T_OK(http_call_check(call, &err));
	for (size_t i = 0; i < call->headers_n; i++) {
		if (slice_eq_nocase(call->headers[i].name, S("content-type")) &&
		    slice_starts(call->headers[i].value, S("application/json"))) {
			T_OK(json_parse(&tick, call->body, JSON_DEPTH_LIMIT, &body, &err));
		}
	}
}

TEST(hostile_texts_stay_texts)
{
	static const struct slice hostile[] = {
		S("\"},{\"x\":\""),
		S("a\r\nX-Evil: 1\r\n\r\n"),
		S("</script><script>"),
		S("\xff\xfe bad utf-8 \xc0\x80"),
		S("nul\0nul"),
		S("\\u0000\\"),
		S("%s%n%d{{7*7}}${x}"),
		S("\xe2\x80\xa8\xe2\x80\xae"),
		S("<!channel> @everyone *"),
		S("\x1b[31m"),
	};

	EACH(type)
	{
		for (size_t i = 0; type->render != NULL && i < ARRAY_LEN(hostile); i++) {
			struct notice n = make_notice(NOTICE_FIRED);
			n.rule_name = n.event_type = n.cid = hostile[i];
			struct http_call call = render(type, &n);
			check_safe(&call);
			T_FALSE(has(call.body, S("\r\nX-Evil")));
		}
	}
}

TEST(the_largest_and_the_smallest_notice_fit)
{
	size_t payload_n = (size_t)256 << 10;
	char *payload = arena_alloc(&tick, payload_n);
	char *name = arena_alloc(&tick, 10000);

	memset(payload, '1', payload_n);
	memset(name, '\x01', 10000);
	EACH(type)
	{
		if (type->render == NULL) {
			continue;
		}
		struct notice n = make_notice(NOTICE_FIRED);
		n.event_payload = (struct slice) { payload, payload_n };
		n.rule_name = (struct slice) { name, 10000 };
		struct http_call call = render(type, &n);
		T_TRUE(call.body.n > payload_n);
		check_safe(&call);
		n = (struct notice) { .delivery = S("dlv_1") };
		call = render(type, &n);
		check_safe(&call);
	}
}

TEST(no_secret_is_in_what_receivers_log)
{
	EACH(type)
	{
		if (type->render == NULL) {
			continue;
		}
		struct notice n = make_notice(NOTICE_FIRED);
		struct http_call call = render(type, &n);
		T_FALSE(has(call.body, S("canary")));
		T_FALSE(has(call.body, S("Y2FuYXJ5")));
		T_FALSE(has(call.url, S("canary")));
	}
}

TEST(the_same_attempt_renders_the_same_bytes_and_another_one_only_signs_anew)
{
	EACH(type)
	{
		const void *conf;
		if (type->render == NULL) {
			continue;
		}
		struct notice n = make_notice(NOTICE_FIRED);
		struct http_call a = render(type, &n);
		struct http_call b = render(type, &n);
		T_TRUE(slice_eq(to_text(&a), to_text(&b)));
		if (type->sign == NULL) {
			continue;
		}
		T_OK(channel_conf_read(type, slice_of(type->sample), &tick, &conf, &err));
		T_OK(type->render(conf, &n, &tick, &b, &err));
		T_OK(type->sign(conf, &n, NOW_US + 5000000, &tick, &b, &err));
		T_TRUE(slice_eq(a.body, b.body));
		T_FALSE(slice_eq(to_text(&a), to_text(&b)));
	}
}

TEST(answers_are_judged)
{
	static const struct {
		enum http_fail fail;
		unsigned status;
		enum channel_outcome want;
	} rows[] = {
		{ HTTP_FAIL_NONE, 200, CHANNEL_DELIVERED },
		{ HTTP_FAIL_NONE, 302, CHANNEL_REJECTED },
		{ HTTP_FAIL_NONE, 400, CHANNEL_REJECTED },
		{ HTTP_FAIL_NONE, 401, CHANNEL_REJECTED },
		{ HTTP_FAIL_NONE, 404, CHANNEL_REJECTED },
		{ HTTP_FAIL_NONE, 429, CHANNEL_RETRY },
		{ HTTP_FAIL_NONE, 500, CHANNEL_RETRY },
		{ HTTP_FAIL_NONE, 503, CHANNEL_RETRY },
		{ HTTP_FAIL_TIMEOUT, 0, CHANNEL_RETRY },
		{ HTTP_FAIL_DNS, 0, CHANNEL_RETRY },
		{ HTTP_FAIL_BLOCKED, 0, CHANNEL_REJECTED },
	};

	EACH(type)
	{
		for (size_t i = 0; type->judge != NULL && i < ARRAY_LEN(rows); i++) {
			struct http_result r = { .fail = rows[i].fail,
						 .status = rows[i].status,
						 .retry_after = S("7"),
						 .text = "why" };
			struct channel_verdict v = type->judge(&r, NOW_US);
			T_INT(v.outcome, rows[i].want);
			T_INT(v.text[0] == '\0', v.outcome == CHANNEL_DELIVERED);
			T_INT(v.after_us, rows[i].status >= 429 ? 7000000 : 0);
		}
	}
}

#define T_TICK(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

T_MAIN(T_TICK(names_are_sorted_words_with_a_label_and_help),
       T_TICK(an_http_channel_renders_and_judges_and_another_does_not),
       T_TICK(settings_are_a_sound_table_with_help),
       T_TICK(the_sample_is_valid_and_comes_back_masked), T_TICK(the_destination_shows_no_secret),
       T_TICK(every_kind_of_news_renders_as_its_golden_file), T_TICK(hostile_texts_stay_texts),
       T_TICK(the_largest_and_the_smallest_notice_fit), T_TICK(no_secret_is_in_what_receivers_log),
       T_TICK(the_same_attempt_renders_the_same_bytes_and_another_one_only_signs_anew),
       T_TICK(answers_are_judged))
