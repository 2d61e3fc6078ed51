/* SPDX-License-Identifier: Apache-2.0 */
/* Webhooks are signed as receivers check them, and settings that would not work are refused. */
#include "base/json.h"
#include "channel/channel.h"
#include "channel/sign.h"
#include "test/t.h"

#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define A16 "AAAAAAAAAAAAAAAA"
#define OTHER "whsec_Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5"

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

/*
 * The example of the specification's libraries. Computed apart from this program with
 *   printf '%s' 'msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}' |
 *     openssl dgst -sha256 -mac HMAC -macopt hexkey:<the key in hex> -binary | base64
 */
TEST(signatures_are_those_of_the_specification)
{
	struct sign_keys keys;

	T_OK(sign_keys_parse(S(SECRET), &keys, &err));
	T_INT(keys.n, 1);
	T_INT(keys.keys[0].n, 24);
	T_SLICE(sign_message(&keys, S("msg_p5jXN8AQM9LWM0D4loKWxJek"), 1614265330,
			     S("{\"test\": 2432232314}"), &tick),
		"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

TEST(during_rotation_there_is_a_signature_for_each_key)
{
	struct sign_keys both;
	struct slice text;

	T_OK(sign_keys_parse(S(OTHER " " SECRET), &both, &err));
	T_INT(both.n, 2);
	text = sign_message(&both, S("msg_p5jXN8AQM9LWM0D4loKWxJek"), 1614265330,
			    S("{\"test\": 2432232314}"), &tick);
	T_TRUE(slice_starts(text, S("v1,")));
	T_TRUE(slice_ends(text, S("= v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")));
	T_INT(text.n, 2 * 47 + 1);
}

TEST(bad_secrets_are_refused_without_being_repeated)
{
	static const struct slice bad[] = {
		S(""),
		S(" "),
		S("canary"),
		S("whsec_"),
		S("whsec_canary"),
		S("WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
		S("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa=="),
		S("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS!"),
		S(SECRET "  " SECRET),
		S(" " SECRET),
		S(SECRET "," SECRET),
		S(SECRET " " SECRET " " SECRET " " SECRET " " SECRET),
		S("whsec_" A16 A16 A16 A16 A16 "AAAAAAA="), /* 65 bytes */
	};
	struct sign_keys keys;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (sign_keys_parse(bad[i], &keys, &err)) {
			fail_msg("%.*s is taken", SARG(bad[i]));
		}
		T_INT(err.kind, ERR_INVALID);
		T_TRUE(strstr(err.text, "canary") == NULL && strstr(err.text, "MfKQ") == NULL);
	}
}

/* Check settings under a policy that allows nothing inside. */
static bool check(const char *config, struct slice *out)
{
	struct ip_policy policy = { 0 };
	struct channel_conf_in in = { .path = "actions[0].config", .policy = &policy };

	T_OK(json_parse(&tick, slice_of(config), JSON_DEPTH_MAX, &in.config, &err));
	return channel_conf_check(channel_find(S("webhook")), &in, &tick, out, &err);
}

TEST(good_settings_are_stored_in_one_form)
{
	struct slice out;

	T_OK(check("{ \"secret\" : \"" SECRET "\", \"headers\": {\"X-A\": \"b c\"},\n"
		   "\"url\": \"https://example.com/x\" }",
		   &out));
	T_SLICE(out, "{\"url\":\"https://example.com/x\",\"headers\":{\"X-A\":\"b c\"},"
		     "\"secret\":\"" SECRET "\"}");
	T_OK(check("{\"url\":\"https://example.com/x\",\"headers\":null}", &out));
	T_SLICE(out, "{\"url\":\"https://example.com/x\"}");
}

TEST(bad_settings_name_the_member)
{
	static const struct {
		const char *config;
		const char *field;
		const char *why;
	} rows[] = {
		{ "{}", "actions[0].config.url", "url" },
		{ "{\"url\":\"ftp://example.com/\"}", "actions[0].config.url", "http" },
		{ "{\"url\":\"http://u:p@example.com/\"}", "actions[0].config.url", "user name" },
		{ "{\"url\":\"http://0x7f.1/\"}", "actions[0].config.url", "numeric" },
		{ "{\"url\":\"http://127.0.0.1/\"}", "actions[0].config.url", "loopback" },
		{ "{\"url\":\"http://localhost:3000/\"}", "actions[0].config.url", "loopback" },
		{ "{\"url\":\"http://example.com:25/\"}", "actions[0].config.url", "port 25" },
		{ "{\"url\":7}", "actions[0].config.url", "url" },
		{ "{\"url\":\"https://e.com/\",\"secret\":\"x\"}", "actions[0].config.secret",
		  "whsec_" },
		{ "{\"url\":\"https://e.com/\",\"headers\":{\"Host\":\"x\"}}",
		  "actions[0].config.headers", "set by the sender" },
		{ "{\"url\":\"https://e.com/\",\"headers\":{\"content-LENGTH\":\"1\"}}",
		  "actions[0].config.headers", "set by the sender" },
		{ "{\"url\":\"https://e.com/\",\"headers\":{\"Transfer-Encoding\":\"x\"}}",
		  "actions[0].config.headers", "set by the sender" },
		{ "{\"url\":\"https://e.com/\",\"headers\":{\"Webhook-Id\":\"x\"}}",
		  "actions[0].config.headers", "set by us" },
		{ "{\"url\":\"https://e.com/\",\"headers\":{\"X-Tocsin-Any\":\"x\"}}",
		  "actions[0].config.headers", "set by us" },
		{ "{\"url\":\"https://e.com/\",\"headers\":{\"Content-Type\":\"x\"}}",
		  "actions[0].config.headers", "set by us" },
		{ "{\"url\":\"https://e.com/\",\"headers\":{\"a b\":\"x\"}}",
		  "actions[0].config.headers", "token" },
		{ "{\"url\":\"https://e.com/\",\"headers\":{\"X-A\":\"1\",\"x-a\":\"2\"}}",
		  "actions[0].config.headers", "twice" },
		{ "{\"url\":\"https://e.com/\",\"headres\":{}}", "actions[0].config.headres",
		  "headers" },
	};
	struct slice out;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (check(rows[i].config, &out)) {
			fail_msg("%s is taken", rows[i].config);
		}
		T_INT(err.kind, ERR_INVALID);
		T_STR(err.field, rows[i].field);
		if (strstr(err.text, rows[i].why) == NULL) {
			fail_msg("%s: %s", rows[i].config, err.text);
		}
	}
}

TEST(header_values_cannot_break_out)
{
	struct slice out;

	T_FAIL(check("{\"url\":\"https://e.com/\",\"headers\":{\"X\":\"a\\r\\nY: b\"}}", &out),
	       ERR_INVALID);
	T_FAIL(check("{\"url\":\"https://e.com/\",\"headers\":{\"X\":\"a\\u0000\"}}", &out),
	       ERR_INVALID);
	T_FAIL(check("{\"url\":\"https://e.com/\",\"headers\":{\"X\\r\\nY\":\"a\"}}", &out),
	       ERR_INVALID);
}

TEST(there_are_at_most_twenty_headers)
{
	struct buf text;
	struct slice out;

	buf_init(&text, 4096);
	buf_printf(&text, "{\"url\":\"https://e.com/\",\"headers\":{");
	for (int i = 0; i < 20; i++) {
		buf_printf(&text, "\"X-%d\":\"1\",", i);
	}
	size_t n = text.n;
	buf_printf(&text, "\"X-20\":\"1\"}}");
	buf_putc(&text, '\0');
	T_FAIL(check(text.p, &out), ERR_INVALID);
	T_STR(err.field, "actions[0].config.headers");
	buf_cut(&text, n - 1);
	buf_puts(&text, S("}}\0"));
	T_OK(check(text.p, &out));
	buf_release(&text);
}

TEST(a_masked_secret_keeps_its_value)
{
	struct channel_conf_in in = {
		.old = S(
			"{\"url\":\"https://a.com/\",\"headers\":{\"A\":\"b\"},\"secret\":\"" SECRET
			"\"}"),
	};
	const struct channel_type *type = channel_find(S("webhook"));
	struct slice out;

	T_OK(json_parse(&tick,
			S("{\"url\":\"https://b.com/\",\"headers\":\"" FIELD_MASK
			  "\",\"secret\":\"" FIELD_MASK "\"}"),
			JSON_DEPTH_MAX, &in.config, &err));
	T_OK(channel_conf_check(type, &in, &tick, &out, &err));
	T_SLICE(out,
		"{\"url\":\"https://b.com/\",\"headers\":{\"A\":\"b\"},\"secret\":\"" SECRET "\"}");
	T_OK(json_parse(&tick, S("{\"url\":\"https://b.com/\"}"), JSON_DEPTH_MAX, &in.config,
			&err));
	T_OK(channel_conf_check(type, &in, &tick, &out, &err));
	T_SLICE(out, "{\"url\":\"https://b.com/\"}");
	in.config = NULL;
	T_FAIL(channel_conf_check(type, &in, &tick, &out, &err), ERR_INVALID);
	T_OK(json_parse(&tick, S("{\"secret\":\"" FIELD_MASK "\"}"), JSON_DEPTH_MAX, &in.config,
			&err));
	T_FAIL(channel_conf_check(type, &in, &tick, &out, &err), ERR_INVALID);
	T_STR(err.field, "url");
}

#define T_TICK(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

T_MAIN(T_TICK(signatures_are_those_of_the_specification),
       T_TICK(during_rotation_there_is_a_signature_for_each_key),
       T_TICK(bad_secrets_are_refused_without_being_repeated),
       T_TICK(good_settings_are_stored_in_one_form), T_TICK(bad_settings_name_the_member),
       T_TICK(header_values_cannot_break_out), T_TICK(there_are_at_most_twenty_headers),
       T_TICK(a_masked_secret_keeps_its_value))
