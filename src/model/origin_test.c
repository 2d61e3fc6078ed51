/* SPDX-License-Identifier: Apache-2.0 */
/* A list of origins lets in what is on it, however somebody wrote it, and nothing that looks so. */
#include "model/origin.h"

#include "test/t.h"

TEST(what_browsers_never_send_is_refused_when_it_is_written)
{
	static const char *const good[] = { "*",
					    "https://shop.example",
					    "HTTPS://Shop.Example:443",
					    "http://localhost:3000",
					    "http://[::1]:8080",
					    "https://*.shop.example",
					    "capacitor://localhost",
					    "chrome-extension://abcdef" };
	static const char *const bad[] = { "",
					   "null",
					   "shop.example",
					   "https:shop.example",
					   "https://",
					   "https://:80",
					   "https://shop.example/",
					   "https://shop.example/app",
					   "https://shop.example?x",
					   "https://a b.example",
					   "https://user@shop.example",
					   "https://*",
					   "https://*shop.example",
					   "https://a.*.example",
					   "https://shop.example:",
					   "https://shop.example:0",
					   "https://shop.example:65536",
					   "https://shop.example:999999",
					   "https://[::1",
					   "https://[x]",
					   "1https://shop.example",
					   "https://b\xc3\xbc.example",
					   "https://a.example, https://b.example" };

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		if (origin_check(slice_of(good[i])) != NULL) {
			fail_msg("%s: %s", good[i], origin_check(slice_of(good[i])));
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (origin_check(slice_of(bad[i])) == NULL) {
			fail_msg("%s is taken", bad[i]);
		}
	}
}

TEST(an_origin_has_a_longest_length)
{
	char text[ORIGIN_BYTES_MAX + 2];

	memset(text, 'a', sizeof(text));
	memcpy(text, "https://", 8);
	T_TRUE(origin_check((struct slice) { text, ORIGIN_BYTES_MAX }) == NULL);
	T_TRUE(origin_check((struct slice) { text, ORIGIN_BYTES_MAX + 1 }) != NULL);
}

TEST(it_is_stored_as_browsers_write_it)
{
	struct arena req;

	arena_init(&req, 0);
	T_SLICE(origin_plain(S("HTTPS://Shop.Example:443"), &req), "https://shop.example");
	T_SLICE(origin_plain(S("http://Shop.Example:80"), &req), "http://shop.example");
	T_SLICE(origin_plain(S("http://shop.example:443"), &req), "http://shop.example:443");
	T_SLICE(origin_plain(S("http://[::1]:80"), &req), "http://[::1]");
	T_SLICE(origin_plain(S("*"), &req), "*");
	arena_release(&req);
}

TEST(an_item_lets_in_what_it_says)
{
	static const struct {
		const char *item, *origin;
		bool in;
	} cases[] = {
		{ "https://a.example", "https://a.example", true },
		{ "https://a.example", "http://a.example", false },
		{ "https://a.example", "https://a.example:8443", false },
		{ "https://a.example", "https://a.example.evil.example", false },
		{ "https://a.example", "null", false },
		{ "https://a.example", "", false },
		{ "*", "https://a.example", true },
		{ "*", "null", true },
		{ "https://*.a.example", "https://b.a.example", true },
		{ "https://*.a.example", "https://c.b.a.example", true },
		{ "https://*.a.example", "https://a.example", false },
		{ "https://*.a.example", "https://.a.example", false },
		{ "https://*.a.example", "https://evila.example", false },
		{ "https://*.a.example", "http://b.a.example", false },
		{ "https://*.a.example", "https://b.a.example:8443", false },
		{ "https://*.a.example", "https://b.a.example:", false },
		{ "https://*.a.example", "https://evil.example/.a.example", false },
		{ "https://*.a.example:8443", "https://b.a.example:8443", true },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (origin_matches(slice_of(cases[i].item), slice_of(cases[i].origin)) !=
		    cases[i].in) {
			fail_msg("%s and %s", cases[i].item, cases[i].origin);
		}
	}
}

T_MAIN(T(what_browsers_never_send_is_refused_when_it_is_written), T(an_origin_has_a_longest_length),
       T(it_is_stored_as_browsers_write_it), T(an_item_lets_in_what_it_says))
