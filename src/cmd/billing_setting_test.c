/* SPDX-License-Identifier: Apache-2.0 */
/* Billing is off, or whole. */
#include "cmd/billing_setting.h"

#include "test/t.h"

static struct arena boot;
static struct err err;

static bool read_with(struct settings s, bool *on)
{
	struct biller_options out;

	s.stripe_meter_event = S("overage_events");
	if (s.stripe_api_url.n == 0) {
		s.stripe_api_url = S("https://api.stripe.com/");
	}
	s.billing_every = 300;
	if (!billing_setting_read(&s, &boot, &out, on, &err)) {
		return false;
	}
	T_TRUE(!slice_ends(out.url, S("/")) && !slice_ends(out.public_url, S("/")));
	T_TRUE(out.every_us == INT64_C(300000000));
	return true;
}

TEST(billing_is_off_or_whole)
{
	struct settings whole = { .stripe_secret_key = S("sk_1"),
				  .stripe_webhook_secret = S("whsec_1, whsec_2"),
				  .public_url = S("https://tocsin.example/") };
	struct settings s = { 0 };
	bool on;

	T_OK(read_with(s, &on));
	T_TRUE(!on);
	T_OK(read_with(whole, &on));
	T_TRUE(on);
	s.stripe_webhook_secret = S("whsec_1");
	T_FAIL(read_with(s, &on), ERR_INVALID);
	s = whole;
	s.stripe_webhook_secret = S("");
	T_FAIL(read_with(s, &on), ERR_INVALID);
	s.stripe_webhook_secret = S("a,,b");
	T_FAIL(read_with(s, &on), ERR_INVALID);
	s = whole;
	s.public_url = S("");
	T_FAIL(read_with(s, &on), ERR_INVALID);
}

TEST(the_key_goes_over_tls_or_stays_on_this_machine)
{
	static const struct {
		const char *url;
		bool good;
	} rows[] = {
		{ "https://api.stripe.com", true }, { "http://127.0.0.1:4000", true },
		{ "http://localhost:4000/", true }, { "http://[::1]:4000", true },
		{ "http://api.stripe.com", false }, { "http://10.0.0.1", false },
		{ "ftp://api.stripe.com", false },  { "nonsense", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct settings s = { .stripe_secret_key = S("sk_1"),
				      .stripe_webhook_secret = S("whsec_1"),
				      .public_url = S("https://tocsin.example"),
				      .stripe_api_url = slice_of(rows[i].url) };
		bool on;

		T_TRUE(read_with(s, &on) == rows[i].good);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(billing_is_off_or_whole),
		T(the_key_goes_over_tls_or_stays_on_this_machine),
	};
	int failed;

	arena_init(&boot, 0);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_release(&boot);
	return failed;
}
