/* SPDX-License-Identifier: Apache-2.0 */
/* Codes are the published ones, good for their time and once. */
#include "auth/totp.h"

#include "base/clock.h"
#include "base/hex.h"
#include "test/t.h"

#define KEY ((const unsigned char *)"12345678901234567890")

static struct slice code_at(uint64_t counter, char out[TOTP_DIGITS])
{
	totp_code(KEY, TOTP_SECRET_BYTES, counter, out);
	return (struct slice) { out, TOTP_DIGITS };
}

/* RFC 4226 appendix D. */
TEST(codes_of_counters_are_the_published_ones)
{
	static const char *const want[] = { "755224", "287082", "359152", "969429", "338314",
					    "254676", "287922", "162583", "399871", "520489" };
	char out[TOTP_DIGITS + 1] = "";

	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		code_at(i, out);
		T_STR(out, want[i]);
	}
}

/* RFC 6238 appendix B, for SHA-1; it has eight digits, of which these are the last six. */
TEST(codes_of_times_are_the_published_ones)
{
	static const struct {
		int64_t at_s;
		const char *code;
	} rows[] = {
		{ 59, "287082" },	  { 1111111109, "081804" }, { 1111111111, "050471" },
		{ 1234567890, "005924" }, { 2000000000, "279037" }, { 20000000000, "353130" },
	};
	int64_t step;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		T_TRUE(totp_verify(KEY, slice_of(rows[i].code), rows[i].at_s * US_PER_S, 0, &step));
		T_INT(step, rows[i].at_s / TOTP_STEP_S);
	}
}

TEST(a_code_is_good_beside_its_step_and_no_further)
{
	char text[TOTP_DIGITS];
	struct slice code = code_at(1000, text);
	int64_t step = 0;

	for (int64_t at = 995; at <= 1005; at++) {
		bool ok = totp_verify(KEY, code, at * TOTP_STEP_S * US_PER_S, 0, &step);

		T_INT(ok, at >= 999 && at <= 1001);
		T_INT(step, ok ? 1000 : 0);
	}
	T_TRUE(totp_verify(KEY, code, (1002 * TOTP_STEP_S) * US_PER_S - 1, 0, &step));
	T_FALSE(totp_verify(KEY, code, (999 * TOTP_STEP_S) * US_PER_S - 1, 0, &step));
}

TEST(a_code_is_good_once)
{
	int64_t now_us = 1000 * TOTP_STEP_S * US_PER_S, step;
	char text[TOTP_DIGITS];

	T_TRUE(totp_verify(KEY, code_at(1000, text), now_us, 999, &step));
	T_INT(step, 1000);
	T_FALSE(totp_verify(KEY, code_at(1000, text), now_us, step, &step));
	T_INT(step, 0);
	T_FALSE(totp_verify(KEY, code_at(999, text), now_us, 1000, &step));
	T_TRUE(totp_verify(KEY, code_at(1001, text), now_us, 1000, &step));
	T_INT(step, 1001);
}

TEST(only_six_digits_are_a_code)
{
	static const char *const bad[] = { "",	     "75522",  "7552240", "755 224",
					   "75522a", "000000", "-55224",  "75522\xc2" };
	int64_t step;

	T_TRUE(totp_verify(KEY, S("287082"), 59 * US_PER_S, 0, &step));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		T_FALSE(totp_verify(KEY, slice_of(bad[i]), 59 * US_PER_S, 0, &step));
	}
}

/* RFC 4648 section 10 has "fooba" as MZXW6YTB; four of them are as long as a secret. */
TEST(a_secret_can_be_typed)
{
	static const unsigned char zero[TOTP_SECRET_BYTES];
	unsigned char one[TOTP_SECRET_BYTES], two[TOTP_SECRET_BYTES];
	char text[TOTP_SECRET_CHARS];
	struct slice got = { text, sizeof(text) };

	totp_secret_text((const unsigned char *)"foobafoobafoobafooba", text);
	T_SLICE(got, "MZXW6YTBMZXW6YTBMZXW6YTBMZXW6YTB");
	totp_secret_text(KEY, text);
	T_SLICE(got, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
	totp_secret_text(zero, text);
	T_SLICE(got, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
	totp_secret_make(one);
	totp_secret_make(two);
	T_TRUE(memcmp(one, two, sizeof(one)) != 0);
}

TEST(an_app_can_read_the_uri)
{
	struct arena arena;

	arena_init(&arena, 0);
	T_SLICE(totp_uri(KEY, S("Tocsin"), S("anna@example.org"), &arena),
		"otpauth://totp/Tocsin:anna@example.org?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
		"&issuer=Tocsin&algorithm=SHA1&digits=6&period=30");
	T_SLICE(totp_uri(KEY, S("A & B: \xc3\xbc?"), S("x/#%+y"), &arena),
		"otpauth://totp/A%20%26%20B%20%20%C3%BC%3F:x%2F%23%25%2By"
		"?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
		"&issuer=A%20%26%20B%20%20%C3%BC%3F&algorithm=SHA1&digits=6&period=30");
	arena_release(&arena);
}

T_MAIN(T(codes_of_counters_are_the_published_ones), T(codes_of_times_are_the_published_ones),
       T(a_code_is_good_beside_its_step_and_no_further), T(a_code_is_good_once),
       T(only_six_digits_are_a_code), T(a_secret_can_be_typed), T(an_app_can_read_the_uri))
