/* SPDX-License-Identifier: Apache-2.0 */
/* Who may come from elsewhere, as what, and where a browser may be sent. */
#include "model/sso.h"

#include "test/t.h"

TEST(a_domain_is_all_that_is_behind_the_at)
{
	static const struct slice two[] = { { "example.com", 11 }, { "Acme.Example", 12 } };
	static const struct field_list domains = { two, 2 }, none = { 0 };

	T_TRUE(sso_mail_may_come(S("ana@example.com"), &domains));
	T_TRUE(sso_mail_may_come(S("ana@acme.example"), &domains));
	T_FALSE(sso_mail_may_come(S("ana@sub.example.com"), &domains));
	T_FALSE(sso_mail_may_come(S("ana@notexample.com"), &domains));
	T_FALSE(sso_mail_may_come(S("example.com"), &domains));
	T_TRUE(sso_mail_may_come(S("ana@elsewhere.test"), &none));
	T_TRUE(sso_domain_check(S("example.com")) == NULL);
	T_TRUE(sso_domain_check(S("@example.com")) != NULL);
	T_TRUE(sso_domain_check(S("example")) != NULL);
}

static enum role role(const char *words, bool everybody)
{
	static const struct field_pair pairs[] = { { { "ops", 3 }, { "Admin", 5 } },
						   { { "dev", 3 }, { "member", 6 } },
						   { { "*", 1 }, { "viewer", 6 } } };
	const struct field_map map = { pairs, everybody ? 3 : 2 };
	const struct json *v = NULL;
	struct arena req;
	struct err err;
	enum role got;

	arena_init(&req, 0);
	if (words != NULL) {
		T_OK(json_parse(&req, slice_of(words), 4, &v, &err));
	}
	got = sso_role(&map, v);
	arena_release(&req);
	return got;
}

TEST(the_highest_role_counts)
{
	T_INT(role("[\"dev\",\"ops\",\"else\"]", false), ROLE_ADMIN);
	T_INT(role("\"dev\"", false), ROLE_MEMBER);
	T_INT(role("[]", false), ROLE_NONE);
	T_INT(role(NULL, false), ROLE_NONE);
	T_INT(role("[\"Dev\"]", false), ROLE_NONE);
	T_INT(role("[7,{\"ops\":1},[\"ops\"]]", false), ROLE_NONE);
	T_INT(role("{\"ops\":\"ops\"}", false), ROLE_NONE);
	T_INT(role(NULL, true), ROLE_VIEWER);
	T_INT(role("[\"dev\"]", true), ROLE_MEMBER);
	/* Nobody becomes everybody by a group of that name. */
	T_INT(role("[\"*\"]", false), ROLE_NONE);
	T_TRUE(sso_role_check(S("owner")) == NULL);
	T_TRUE(sso_role_check(S("boss")) != NULL);
}

TEST(a_redirect_stays_here)
{
	static const char *const good[] = { "/", "/alerts?x=1#y", "/a//b", "/%2f%2fevil.example",
					    "/.//evil.example" };
	static const char *const bad[] = {
		"",
		"evil.example",
		"//evil.example",
		"https://evil.example",
		"/\\evil.example",
		"\\\\evil.example",
		"/\t/evil.example",
		"/\n/evil.example",
		" //evil.example",
		"/a b",
		"javascript:alert(1)",
		"/\xc3\xa9",
		"///evil.example",
	};
	char longest[SSO_REDIRECT_BYTES_MAX + 2];

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		T_TRUE(sso_path_is_local(slice_of(good[i])));
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		T_FALSE(sso_path_is_local(slice_of(bad[i])));
	}
	memset(longest, '/', sizeof(longest));
	longest[1] = 'a';
	T_TRUE(sso_path_is_local((struct slice) { longest, SSO_REDIRECT_BYTES_MAX }));
	T_FALSE(sso_path_is_local((struct slice) { longest, SSO_REDIRECT_BYTES_MAX + 1 }));
}

T_MAIN(T(a_domain_is_all_that_is_behind_the_at), T(the_highest_role_counts),
       T(a_redirect_stays_here))
