/* SPDX-License-Identifier: Apache-2.0 */
/* What a terminal shows of the live stream, byte by byte. */
#include "cmd/tail_line.h"

#include <stdio.h>

#include "base/time.h"
#include "test/t.h"

#define AT "2026-03-01T12:00:00.250Z"
#define EVENT(more) \
	"{\"id\":\"evt_1\",\"type\":\"payments.failed\",\"kind\":\"event\",\"severity\":\"high\"," \
	"\"source\":\"shop\",\"environment\":\"production\",\"receivedAt\":\"" AT "\"" more "}"
#define ALERT \
	"{\"ruleName\":\"Checkout failures\",\"severity\":\"critical\",\"windowSeconds\":60," \
	"\"count\":5,\"countAtLeast\":true,\"group\":{\"payload.id\":7},\"eventType\":\"payments.failed\"," \
	"\"triggeredAt\":\"" AT "\"}"

static struct arena req;
static struct err err;

static const struct json *parse(const char *text)
{
	const struct json *body;

	T_OK(json_parse(&req, slice_of(text), JSON_DEPTH_MAX, &body, &err));
	return body;
}

static const char *line(const struct tail_look *look, const char *name, const char *body)
{
	const char *text;
	struct buf out;

	buf_init(&out, 1 << 16);
	tail_write(look, slice_of(name), parse(body), &out);
	text = arena_cstr(&req, buf_slice(&out));
	buf_release(&out);
	return text;
}

/* Seconds after AT. */
static struct tail_look look_after(int64_t s)
{
	struct tail_look look = { 0 };

	T_TRUE(time_parse(S(AT), &look.now_us));
	look.now_us += s * 1000000;
	return look;
}

TEST(an_event_is_one_line)
{
	struct tail_look look = look_after(0);

	T_STR(line(&look, "event", EVENT("")),
	      "now       high      payments.failed           shop / production\n");
}

TEST(details_follow)
{
	struct tail_look look = look_after(0);

	T_STR(line(&look, "event",
		   EVENT(",\"value\":1.50,\"message\":\"card\\ndeclined\","
			 "\"payload\":{\"a\":[1]}")),
	      "now       high      payments.failed           shop / production  value 1.50  "
	      "card declined  {\"a\":[1]}\n");
	T_STR(line(&look, "event",
		   "{\"type\":\"a\",\"kind\":\"error\",\"severity\":null,\"receivedAt\":\"" AT
		   "\",\"payload\":{}}"),
	      "now       -         a                         error\n");
	T_STR(line(&look, "event", "{}"), "          -\n");
}

TEST(times_are_ages_or_absolute)
{
	static const struct {
		int64_t after_s;
		const char *want;
	} cases[] = {
		{ -5, "now       " },	 { 1, "1s ago    " },		{ 59, "59s ago   " },
		{ 60, "1m ago    " },	 { 3599, "59m ago   " },	{ 3600, "1h ago    " },
		{ 86399, "23h ago   " }, { 86400 * 400, "400d ago  " },
	};
	struct tail_look look;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		look = look_after(cases[i].after_s);
		T_INT(strncmp(line(&look, "event", EVENT("")), cases[i].want, 10), 0);
	}
	look.utc = true;
	T_STR(line(&look, "event", EVENT("")),
	      AT "  high      payments.failed           shop / production\n");
}

TEST(alerts_and_notifications_say_what_they_are)
{
	struct tail_look look = look_after(0);

	T_STR(line(&look, "alert", ALERT),
	      "now       critical  alert: Checkout failures  at least 5 in 60 s  payments.failed  "
	      "{\"payload.id\":7}\n");
	T_STR(line(&look, "alert",
		   "{\"ruleName\":\"R\",\"severity\":\"low\",\"resolvedAt\":\"" AT "\"}"),
	      "now       low       resolved: R\n");
	T_STR(line(&look, "notification",
		   "{\"channel\":\"in_app\",\"ruleName\":\"R\",\"severity\":\"low\",\"triggeredAt\":\"" AT
		   "\"}"),
	      "now       low       in_app sent: R\n");
	T_STR(line(&look, "delivery",
		   "{\"channel\":\"webhook\",\"ruleName\":\"R\",\"status\":\"dead\",\"attempts\":2}"),
	      "          -         webhook dead: R  2 attempts\n");
	T_STR(line(&look, "news", "{\"a\":1}"), "news  {\"a\":1}\n");
}

TEST(colour_comes_with_shape_and_word)
{
	struct tail_look look = look_after(0);

	look.colour = true;
	T_STR(line(&look, "event",
		   "{\"type\":\"a\",\"severity\":\"high\",\"receivedAt\":\"" AT "\"}"),
	      "\033[38;5;245mnow\033[0m\033[38;5;215m       ▲ high\033[0m      a\033[0m\n");
}

TEST(long_lines_are_cut_to_the_terminal)
{
	struct tail_look look = look_after(0);

	look.width = 30;
	T_STR(line(&look, "event", EVENT("")), "now       high      payments.…\n");
	look.width = 36;
	T_STR(line(&look, "event", EVENT("")), "now       high      payments.failed…\n");
}

TEST(tenants_cannot_steer_the_terminal)
{
	struct tail_look look = look_after(0);

	T_STR(line(&look, "event",
		   "{\"type\":\"a\\u001b[31m\\u0007\\u0085\\u202eb\\u2066\\u0000\",\"receivedAt\":\"" AT
		   "\"}"),
	      "now       -         a�[31m���b��\n");
}

TEST(json_lines_keep_the_value_but_not_its_control_characters)
{
	struct buf out;

	buf_init(&out, 4096);
	tail_write_json(S("event"), S("ID"), S("{\"a\":\"x\x7f\xc2\x9by\xc3\xa9\"}"), &out);
	T_SLICE(buf_slice(&out),
		"{\"event\":\"event\",\"id\":\"ID\",\"data\":{\"a\":\"x\\u007f\\u009by\xc3\xa9\"}}\n");
	buf_cut(&out, 0);
	tail_write_json(S("alert"), S(""), S("{}"), &out);
	T_SLICE(buf_slice(&out), "{\"event\":\"alert\",\"data\":{}}\n");
	buf_release(&out);
}

static bool wants(struct tail_filter f, const char *name, const char *body)
{
	return tail_wants(&f, slice_of(name), parse(body));
}

TEST(filters_hold_what_they_say)
{
	T_TRUE(wants((struct tail_filter) { 0 }, "event", EVENT("")));
	T_TRUE(wants((struct tail_filter) { .type = S("payments.*") }, "event", EVENT("")));
	T_TRUE(wants((struct tail_filter) { .type = S("*") }, "event", EVENT("")));
	T_TRUE(wants((struct tail_filter) { .type = S("payments.failed") }, "alert", ALERT));
	T_FALSE(wants((struct tail_filter) { .type = S("payments") }, "event", EVENT("")));
	T_FALSE(wants((struct tail_filter) { .type = S("pay.*") }, "event", EVENT("")));
	T_TRUE(wants((struct tail_filter) { .severity = SEVERITY_HIGH }, "event", EVENT("")));
	T_FALSE(wants((struct tail_filter) { .severity = SEVERITY_CRITICAL }, "event", EVENT("")));
	T_TRUE(wants((struct tail_filter) { .severity = SEVERITY_CRITICAL }, "alert", ALERT));
	T_TRUE(wants((struct tail_filter) { .kind = S("event") }, "event", EVENT("")));
	T_FALSE(wants((struct tail_filter) { .kind = S("metric") }, "event", EVENT("")));
	T_TRUE(wants((struct tail_filter) { .source = S("shop") }, "event", EVENT("")));
	T_FALSE(wants((struct tail_filter) { .source = S("sho") }, "event", EVENT("")));
	T_FALSE(wants((struct tail_filter) { .environment = S("test") }, "event", EVENT("")));
}

TEST(a_frame_without_what_is_asked_for_is_not_wanted)
{
	T_FALSE(wants((struct tail_filter) { .source = S("shop") }, "alert", ALERT));
	T_FALSE(wants((struct tail_filter) { .kind = S("event") }, "alert", ALERT));
	T_FALSE(wants((struct tail_filter) { .type = S("*") }, "delivery", "{\"channel\":\"a\"}"));
	T_FALSE(wants((struct tail_filter) { .severity = SEVERITY_LOW }, "event",
		      "{\"type\":\"a\"}"));
}

TEST(sorts_of_frames_can_be_chosen)
{
	static const char *const names[] = { "event", "alert", "notification", "delivery" };
	static const char want[][5] = { "yyyy", "ynnn", "nynn", "nnyy" };

	for (enum tail_only only = TAIL_ALL; only <= TAIL_NOTIFICATIONS; only++) {
		for (size_t i = 0; i < ARRAY_LEN(names); i++) {
			T_INT(wants((struct tail_filter) { .only = only }, names[i], "{}"),
			      want[only][i] == 'y');
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_event_is_one_line),
		T(details_follow),
		T(times_are_ages_or_absolute),
		T(alerts_and_notifications_say_what_they_are),
		T(colour_comes_with_shape_and_word),
		T(long_lines_are_cut_to_the_terminal),
		T(tenants_cannot_steer_the_terminal),
		T(json_lines_keep_the_value_but_not_its_control_characters),
		T(filters_hold_what_they_say),
		T(a_frame_without_what_is_asked_for_is_not_wanted),
		T(sorts_of_frames_can_be_chosen),
	};
	int failed;

	arena_init(&req, 0);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_release(&req);
	return failed;
}
