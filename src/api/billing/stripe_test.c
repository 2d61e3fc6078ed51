/* SPDX-License-Identifier: Apache-2.0 */
/* Messages are Stripe's own, of now, or nobody's; answers are read whole or not at all. */
#include "api/billing/stripe.h"

#include "base/clock.h"
#include "test/t.h"

#define AT_S INT64_C(1700000000)
#define AT_US (AT_S * 1000000)
/* Both made by generateTestHeaderString of Stripe's library for Node. */
#define BODY "{\"id\":\"evt_1\"}"
#define SECRET "whsec_test_secret"
#define V1 "248a374f50f943a28b0f6ab50faf9a7e7e29b710fa26df9fb1618b9bf8ea9c9a"
#define HEADER "t=1700000000,v1=" V1
#define OTHER_BODY \
	"{\n  \"id\": \"evt_2\",\n  \"name\": \"Gr\xc3\xbc\xc3\x9f" \
	"e\"\n}"
#define OTHER_SECRET "whsec_other"
#define OTHER_HEADER \
	"t=1700000000,v1=37f1bd6c7710de741e7a000e69f3a07c90b424fb98714f146dcd213f4bd29309"
#define NO_V1 "v1=0000000000000000000000000000000000000000000000000000000000000000"

static bool is_signed(const char *header, const char *body, const char *secret, int64_t now_us)
{
	struct stripe_secrets secrets;
	struct arena req;
	bool ok;

	arena_init(&req, 0);
	T_TRUE(stripe_secrets_read(slice_of(secret), &secrets));
	ok = stripe_is_signed(slice_of(header), slice_of(body), &secrets, now_us, &req);
	arena_release(&req);
	return ok;
}

TEST(what_stripes_library_signs_is_believed)
{
	T_TRUE(is_signed(HEADER, BODY, SECRET, AT_US));
	T_TRUE(is_signed(OTHER_HEADER, OTHER_BODY, OTHER_SECRET, AT_US));
}

TEST(what_was_changed_is_not_believed)
{
	static const char *const headers[] = {
		"",
		"t=1700000000",
		"v1=" V1,
		"t=1700000001,v1=" V1,
		"t=1700000000,v0=" V1,
		"t=1700000000," NO_V1,
		"t=1700000000,v1=" V1 "00",
		"t=1700000000,v1=248a",
		"t=,v1=" V1,
		"t=-1,v1=" V1,
		"t=99999999999999999999,v1=" V1,
		"t=1700000000;v1=" V1,
	};

	for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
		T_FALSE(is_signed(headers[i], BODY, SECRET, AT_US));
	}
	T_FALSE(is_signed(HEADER, BODY " ", SECRET, AT_US));
	T_FALSE(is_signed(HEADER, "", SECRET, AT_US));
	T_FALSE(is_signed(HEADER, BODY, OTHER_SECRET, AT_US));
}

TEST(a_message_is_good_for_five_minutes_either_way)
{
	T_TRUE(is_signed(HEADER, BODY, SECRET, AT_US + 300 * US_PER_S));
	T_TRUE(is_signed(HEADER, BODY, SECRET, AT_US - 300 * US_PER_S));
	T_FALSE(is_signed(HEADER, BODY, SECRET, AT_US + 301 * US_PER_S));
	T_FALSE(is_signed(HEADER, BODY, SECRET, AT_US - 301 * US_PER_S));
}

TEST(while_a_secret_changes_both_are_believed)
{
	T_TRUE(is_signed(HEADER, BODY, OTHER_SECRET "," SECRET, AT_US));
	T_TRUE(is_signed(HEADER, BODY, SECRET ", " OTHER_SECRET, AT_US));
	T_TRUE(is_signed("t=1700000000," NO_V1 ",v1=" V1, BODY, SECRET, AT_US));
	T_TRUE(is_signed("v0=x, t=1700000000 , v1=" V1 "," NO_V1, BODY, SECRET, AT_US));
}

TEST(secrets_are_one_to_four)
{
	struct stripe_secrets out;

	T_TRUE(stripe_secrets_read(S("a"), &out) && out.n == 1);
	T_TRUE(stripe_secrets_read(S(" a , b,c,d"), &out) && out.n == 4);
	T_SLICE(out.v[0], "a");
	T_SLICE(out.v[1], "b");
	T_FALSE(stripe_secrets_read(S(""), &out));
	T_FALSE(stripe_secrets_read(S("a,,b"), &out));
	T_FALSE(stripe_secrets_read(S("a,b,c,d,e"), &out));
}

static struct arena req;
static struct err err;

static bool read_message(const char *body, struct stripe_message *out)
{
	arena_clear(&req);
	return stripe_message_read(slice_of(body), &req, out, &err);
}

TEST(a_message_says_whom_it_is_about)
{
	struct stripe_message m;

	T_OK(read_message("{\"id\":\"evt_1\",\"type\":\"invoice.paid\",\"created\":1700000000,"
			  "\"data\":{\"object\":{\"customer\":\"cus_1\"}}}",
			  &m));
	T_SLICE(m.id, "evt_1");
	T_SLICE(m.customer, "cus_1");
	T_TRUE(m.created_us == AT_US && stripe_matter_of(m.type) == STRIPE_PAID);
	T_OK(read_message("{\"id\":\"evt_1\",\"type\":\"a\",\"data\":{\"object\":"
			  "{\"customer\":{\"id\":\"cus_2\"}}}}",
			  &m));
	T_SLICE(m.customer, "cus_2");
	T_TRUE(m.created_us == 0 && stripe_matter_of(m.type) == STRIPE_NOTHING);
	T_OK(read_message("{\"id\":\"evt_1\",\"type\":\"a\",\"data\":{\"object\":"
			  "{\"customer\":null}}}",
			  &m));
	T_INT(m.customer.n, 0);
	T_TRUE(!read_message("{\"id\":\"evt_1\"}", &m));
	T_TRUE(!read_message("{\"type\":\"a\"}", &m));
	T_TRUE(!read_message("[]", &m));
	T_TRUE(!read_message("{\"id\":\"evt 1\",\"type\":\"a\"}", &m));
	T_FAIL(read_message("{", &m), ERR_MALFORMED);
}

static bool answers(unsigned status, const char *body, struct stripe_answer *out)
{
	const struct json *root;

	arena_clear(&req);
	*out = (struct stripe_answer) { .status = status, .body = slice_of(body) };
	err = (struct err) { 0 };
	return stripe_answer_read(out, &req, &root, &err);
}

TEST(answers_are_told_apart_by_whether_to_ask_again)
{
	static const unsigned again[] = { 401, 403, 408, 409, 429, 500, 502, 503, 302, 204 };
	static const unsigned never_again[] = { 400, 402, 404 };
	struct stripe_answer a;

	T_OK(answers(200, "{}", &a));
	T_FAIL(answers(200, "{", &a), ERR_UPSTREAM);
	T_FAIL(answers(200, "", &a), ERR_UPSTREAM);
	for (size_t i = 0; i < ARRAY_LEN(again); i++) {
		T_FAIL(answers(again[i], "{\"error\":{}}", &a), ERR_UPSTREAM);
	}
	for (size_t i = 0; i < ARRAY_LEN(never_again); i++) {
		T_FAIL(answers(never_again[i], "{\"error\":{}}", &a), ERR_INVALID);
	}
	T_FAIL(answers(404, "{\"error\":{\"code\":\"resource_missing\",\"message\":\"sk_x\"}}", &a),
	       ERR_INVALID);
	T_SLICE(a.code, "resource_missing");
	T_TRUE(!a.repeated && strstr(err.text, "sk_x") == NULL);
	T_FAIL(answers(400,
		       "{\"error\":{\"message\":\"An event already exists with identifier x.\"}}",
		       &a),
	       ERR_INVALID);
	T_TRUE(a.repeated);
}

#define SUB(id, status, created) \
	"{\"id\":\"" id "\",\"customer\":\"cus_1\",\"status\":\"" status "\",\"created\":" created \
	",\"cancel_at_period_end\":true,\"items\":{\"data\":[{" \
	"\"price\":{\"id\":\"price_1\"},\"current_period_start\":5,\"current_period_end\":6}," \
	"{\"price\":\"price_2\"}]}}"

static bool read_list(const char *text, struct stripe_subscriptions *out)
{
	const struct json *root;

	arena_clear(&req);
	T_OK(json_parse(&req, slice_of(text), JSON_DEPTH_MAX, &root, &err));
	return stripe_subscriptions_read(root, S("cus_1"), out, &err);
}

TEST(a_list_of_subscriptions_is_read_whole_or_not_at_all)
{
	struct stripe_subscriptions all;

	T_OK(read_list("{\"data\":[]}", &all));
	T_INT(all.n, 0);
	T_OK(read_list("{\"data\":[" SUB("sub_1", "active", "7") "],\"has_more\":false}", &all));
	T_TRUE(all.n == 1 && all.rows[0].prices_n == 2 && all.rows[0].ends);
	T_SLICE(all.rows[0].prices[1], "price_2");
	T_TRUE(all.rows[0].period_start_us == 5 * US_PER_S &&
	       all.rows[0].period_end_us == 6 * US_PER_S);
	T_FAIL(read_list("{}", &all), ERR_UPSTREAM);
	T_FAIL(read_list("{\"data\":{}}", &all), ERR_UPSTREAM);
	T_FAIL(read_list("{\"data\":[],\"has_more\":true}", &all), ERR_UPSTREAM);
	T_FAIL(read_list("{\"data\":[{\"id\":\"sub_1\",\"customer\":\"cus_1\"}]}", &all),
	       ERR_UPSTREAM);
	T_FAIL(read_list("{\"data\":[{\"id\":\"sub_1\",\"customer\":\"cus_2\",\"status\":"
			 "\"active\"}]}",
			 &all),
	       ERR_UPSTREAM);
}

static const char *chosen(const char *list, const char *known)
{
	struct stripe_subscriptions all;
	const struct stripe_subscription *sub;

	T_OK(read_list(list, &all));
	sub = stripe_choose(&all, slice_of(known));
	return sub == NULL ? "" : arena_cstr(&req, sub->id);
}

TEST(the_subscription_that_counts_is_live_known_or_new)
{
	static const char list[] = "{\"data\":[" SUB("a", "incomplete", "9") "," SUB(
		"b", "active", "1") "," SUB("c", "past_due", "2") "," SUB("d", "active", "2") "]}";

	T_STR(chosen(list, ""), "c");
	T_STR(chosen(list, "b"), "b");
	T_STR(chosen(list, "a"), "c");
	T_STR(chosen("{\"data\":[" SUB("a", "incomplete", "9") "," SUB("b", "unpaid", "1") "]}",
		     "b"),
	      "b");
	T_STR(chosen("{\"data\":[]}", "b"), "");
	T_TRUE(stripe_is_live(S("trialing")) && stripe_is_live(S("past_due")));
	T_TRUE(!stripe_is_live(S("unpaid")) && !stripe_is_live(S("canceled")));
	T_TRUE(stripe_is_behind(S("unpaid")) && !stripe_is_behind(S("active")));
}

TEST(forms_hold_any_text)
{
	struct buf form;

	buf_init(&form, 1000);
	stripe_put(&form, "a[b]", S("x y&z=1"));
	stripe_put(&form, "c", S("Gr\xc3\xbc\xc3\x9f-_.~"));
	stripe_put(&form, "d", S(""));
	T_SLICE(buf_slice(&form), "a[b]=x%20y%26z%3D1&c=Gr%C3%BC%C3%9F-_.~&d=");
	buf_release(&form);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_stripes_library_signs_is_believed),
		T(what_was_changed_is_not_believed),
		T(a_message_is_good_for_five_minutes_either_way),
		T(while_a_secret_changes_both_are_believed),
		T(secrets_are_one_to_four),
		T(a_message_says_whom_it_is_about),
		T(answers_are_told_apart_by_whether_to_ask_again),
		T(a_list_of_subscriptions_is_read_whole_or_not_at_all),
		T(the_subscription_that_counts_is_live_known_or_new),
		T(forms_hold_any_text),
	};
	int failed;

	arena_init(&req, 0);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_release(&req);
	return failed;
}
