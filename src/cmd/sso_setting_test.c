/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of logins elsewhere: what goes together, and what is missed. */
#include "cmd/sso_setting.h"

#include "test/t.h"

static struct arena boot;
static struct err err;

static bool read_words(struct sso_options *out, const char *const *words)
{
	struct settings_sources sources;
	struct settings s;
	int n = 0;

	while (words[n] != NULL) {
		n++;
	}
	T_OK(settings_read(&s, n, (char **)words, &boot, &sources, &err));
	return sso_setting_read(&s, &boot, out, &err);
}
#define WORDS(...) ((const char *[]) { __VA_ARGS__ __VA_OPT__(, ) NULL })
#define URL "--public-url=https://tocsin.example/"

TEST(nothing_is_set_up_by_itself)
{
	struct sso_options o;

	T_OK(read_words(&o, WORDS()));
	T_INT(o.n, 0);
}

TEST(each_issuer_comes_back_to_a_path_of_its_own)
{
	struct sso_options o;

	T_OK(read_words(&o, WORDS(URL, "--oidc-issuer=https://id.example/", "--oidc-client-id=a",
				  "--google-client-id=b", "--google-client-secret=c",
				  "--github-client-id=d", "--github-client-secret=e")));
	T_INT(o.n, 3);
	T_SLICE(o.issuers[0].issuer, "https://id.example/");
	T_SLICE(o.issuers[0].client.redirect_uri,
		"https://tocsin.example/api/v1/auth/oidc/oidc/callback");
	T_SLICE(o.issuers[1].issuer, "https://accounts.google.com");
	T_SLICE(o.issuers[1].client.redirect_uri,
		"https://tocsin.example/api/v1/auth/oidc/google/callback");
	T_SLICE(o.issuers[2].issuer, "https://github.com");
	T_SLICE(o.issuers[2].client.secret, "e");
}

TEST(what_is_missing_is_named)
{
	static const struct {
		const char *words[5];
		const char *text;
	} rows[] = {
		{ { URL, "--oidc-client-id=a" }, "\"oidc-client-id\" needs \"oidc-issuer\", too" },
		{ { URL, "--oidc-issuer=https://a.b" },
		  "\"oidc-issuer\" needs \"oidc-client-id\", too" },
		{ { URL, "--oidc-issuer=http://a.b", "--oidc-client-id=a" },
		  "\"oidc-issuer\" must be an https address" },
		{ { URL, "--oidc-issuer=https://a.b", "--oidc-client-id=a", "--oidc-org=x" },
		  "\"oidc-org\" needs \"oidc-roles\", too" },
		{ { URL, "--oidc-issuer=https://a.b", "--oidc-client-id=a",
		    "--oidc-roles=a=owner" },
		  "\"oidc-roles\" needs \"oidc-org\", too" },
		{ { URL, "--google-client-id=a" },
		  "\"google-client-id\" needs \"google-client-secret\", too" },
		{ { URL, "--google-client-secret=a" },
		  "\"google-client-secret\" needs \"google-client-id\", too" },
		{ { URL, "--github-client-id=a" },
		  "\"github-client-id\" needs \"github-client-secret\", too" },
		{ { "--github-client-id=a", "--github-client-secret=b" },
		  "a login elsewhere needs \"public-url\": that is where it comes back to" },
	};
	struct sso_options o;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		T_FAIL(read_words(&o, rows[i].words), ERR_INVALID);
		T_STR(err.text, rows[i].text);
	}
}

TEST(words_of_roles_are_checked_at_the_start)
{
	struct settings_sources sources;
	struct settings s;

	T_FAIL(settings_read(&s, 1, (char **)WORDS("--oidc-roles=a=boss"), &boot, &sources, &err),
	       ERR_INVALID);
	T_FAIL(settings_read(&s, 1, (char **)WORDS("--sso-domains=@a.b"), &boot, &sources, &err),
	       ERR_INVALID);
}

TEST(on_this_machine_it_may_be_without_tls)
{
	struct sso_options o;

	T_OK(read_words(&o, WORDS(URL, "--oidc-issuer=http://127.0.0.1:1", "--oidc-client-id=a")));
	T_OK(read_words(&o, WORDS(URL, "--oidc-issuer=http://localhost:1", "--oidc-client-id=a")));
	T_INT(o.n, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(nothing_is_set_up_by_itself),
		T(each_issuer_comes_back_to_a_path_of_its_own),
		T(what_is_missing_is_named),
		T(words_of_roles_are_checked_at_the_start),
		T(on_this_machine_it_may_be_without_tls),
	};
	int failed;

	arena_init(&boot, 0);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_release(&boot);
	return failed;
}
