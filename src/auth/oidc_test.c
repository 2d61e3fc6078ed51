/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of logins elsewhere: what we ask, and what of the answers is taken. */
#include "auth/oidc.h"

#include "test/t.h"

#define ISSUER "https://id.example"
#define DOC(more) \
	"{\"issuer\":\"" ISSUER "\",\"authorization_endpoint\":\"https://id.example/auth\"," \
	"\"token_endpoint\":\"https://id.example/token\",\"jwks_uri\":\"https://id.example/keys\"" more \
	"}"

static struct arena req;
static struct err err;

static const struct oidc_client client = { .id = { "a b", 3 },
					   .secret = { "s:/", 3 },
					   .redirect_uri = { "https://t/cb", 12 } };

static const struct json *parsed(const char *text)
{
	const struct json *doc;

	T_OK(json_parse(&req, slice_of(text), OIDC_DEPTH_MAX, &doc, &err));
	return doc;
}

/* RFC 7636 appendix B. */
TEST(the_challenge_is_the_hash_of_the_verifier)
{
	T_SLICE(oidc_challenge(S("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"), &req),
		"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
	T_INT(oidc_random(&req).n, OIDC_RANDOM_CHARS);
	T_FALSE(slice_eq(oidc_random(&req), oidc_random(&req)));
}

TEST(a_browser_is_sent_with_all_that_binds_the_login)
{
	struct oidc_way way = { .to = S("https://id/auth"),
				.scope = S("openid email"),
				.state = S("st"),
				.nonce = S("no"),
				.challenge = S("ch") };

	T_SLICE(oidc_way_url(&client, &way, &req),
		"https://id/auth?response_type=code&client_id=a%20b&redirect_uri=https%3A%2F%2Ft%2Fcb"
		"&scope=openid%20email&state=st&nonce=no&code_challenge=ch"
		"&code_challenge_method=S256");
	way = (struct oidc_way) { .to = S("https://id/auth?p=1"), .state = S("st"), .fresh = true };
	T_SLICE(oidc_way_url(&client, &way, &req),
		"https://id/auth?p=1&response_type=code&client_id=a%20b"
		"&redirect_uri=https%3A%2F%2Ft%2Fcb&state=st&code_challenge_method=S256"
		"&prompt=login&max_age=0");
}

TEST(the_secret_goes_where_the_issuer_wants_it)
{
	T_SLICE(oidc_exchange(&client, S("c&d"), S("ver"), false, &req),
		"grant_type=authorization_code&code=c%26d&redirect_uri=https%3A%2F%2Ft%2Fcb"
		"&code_verifier=ver");
	T_SLICE(oidc_exchange(&client, S("c"), S("ver"), true, &req),
		"grant_type=authorization_code&code=c&redirect_uri=https%3A%2F%2Ft%2Fcb"
		"&code_verifier=ver&client_id=a%20b&client_secret=s%3A%2F");
	/* a%20b:s%3A%2F */
	T_SLICE(oidc_basic(&client, &req), "Basic YSUyMGI6cyUzQSUyRg==");
}

static bool metadata(const char *text, const char *issuer, struct oidc_metadata *out)
{
	return oidc_metadata_read(slice_of(text), slice_of(issuer), &req, out, &err);
}

TEST(an_issuer_says_where_what_is)
{
	struct oidc_metadata m;

	T_OK(metadata(DOC(), ISSUER, &m));
	T_SLICE(m.token, "https://id.example/token");
	T_INT(m.userinfo.n, 0);
	T_FALSE(m.secret_in_body);
	T_OK(metadata(DOC(",\"token_endpoint_auth_methods_supported\":[\"client_secret_post\"]"),
		      ISSUER, &m));
	T_TRUE(m.secret_in_body);
	T_OK(metadata(DOC(",\"userinfo_endpoint\":\"https://id.example/me\""), ISSUER, &m));
	T_SLICE(m.userinfo, "https://id.example/me");
	T_SLICE(oidc_metadata_url(S("https://id.example/realms/a/"), &req),
		"https://id.example/realms/a/.well-known/openid-configuration");
}

TEST(an_issuer_is_not_believed_about_others)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{}",
		DOC(",\"userinfo_endpoint\":\"http://id.example/me\""),
		DOC(",\"userinfo_endpoint\":\"javascript:alert(1)\""),
		DOC(",\"userinfo_endpoint\":\"https://id.example/a b\""),
		DOC(",\"userinfo_endpoint\":\"https://id.example/#x\""),
		"{\"issuer\":\"" ISSUER "\"}",
	};
	struct oidc_metadata m;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		T_FAIL(metadata(bad[i], ISSUER, &m), ERR_UPSTREAM);
	}
	T_FAIL(metadata(DOC(), ISSUER "/", &m), ERR_UPSTREAM);
	T_FAIL(metadata(DOC(), "https://evil.example", &m), ERR_UPSTREAM);
}

TEST(an_error_of_the_issuer_is_told_by_its_name_alone)
{
	struct oidc_tokens t;

	T_OK(oidc_tokens_read(S("{\"access_token\":\"at\",\"id_token\":\"it\"}"), &req, &t, &err));
	T_SLICE(t.access, "at");
	T_SLICE(t.id, "it");
	T_FAIL(oidc_tokens_read(S("{\"error\":\"invalid_grant\",\"error_description\":\"secret\"}"),
				&req, &t, &err),
	       ERR_UPSTREAM);
	T_STR(err.text, "the issuer refused the code: invalid_grant");
	T_FAIL(oidc_tokens_read(S("{\"error\":\"sk_live token\"}"), &req, &t, &err), ERR_UPSTREAM);
	T_STR(err.text, "the issuer refused the code: ?");
	T_FAIL(oidc_tokens_read(S("{\"access_token\":\"a\\r\\nb\"}"), &req, &t, &err),
	       ERR_UPSTREAM);
	T_FAIL(oidc_tokens_read(S("{}"), &req, &t, &err), ERR_UPSTREAM);
}

TEST(a_mail_counts_as_the_issuer_says)
{
	static const struct {
		const char *text;
		bool verified;
	} rows[] = {
		{ "{\"email\":\"a@b.c\",\"email_verified\":true}", true },
		{ "{\"email\":\"a@b.c\",\"email_verified\":\"true\"}", true },
		{ "{\"email\":\"a@b.c\",\"email_verified\":\"false\"}", false },
		{ "{\"email\":\"a@b.c\",\"email_verified\":false}", false },
		{ "{\"email\":\"a@b.c\",\"email_verified\":1}", false },
		{ "{\"email\":\"a@b.c\"}", false },
	};
	struct oidc_person p;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		oidc_person_read(parsed(rows[i].text), (struct slice) { 0 }, &p);
		T_SLICE(p.mail, "a@b.c");
		T_TRUE(p.mail_verified == rows[i].verified);
	}
}

TEST(roles_are_found_by_name_or_path)
{
	const struct json *claims = parsed(
		"{\"https://a.b/r\":\"x\",\"realm_access\":{\"roles\":[\"y\"]},"
		"\"auth_time\":7}");
	struct oidc_person p;

	oidc_person_read(claims, S("https://a.b/r"), &p);
	T_SLICE(p.roles->text, "x");
	oidc_person_read(claims, S("realm_access.roles"), &p);
	T_SLICE(p.roles->child->text, "y");
	T_INT(p.auth_s, 7);
	oidc_person_read(claims, S("realm_access.nothing"), &p);
	T_TRUE(p.roles == NULL);
}

TEST(userinfo_is_of_the_same_person)
{
	struct oidc_person p = { .subject = S("1") };

	T_FAIL(oidc_userinfo_read(S("{\"sub\":\"2\",\"email\":\"a@b.c\"}"), S(""), &req, &p, &err),
	       ERR_UPSTREAM);
	T_FAIL(oidc_userinfo_read(S("{\"email\":\"a@b.c\"}"), S(""), &req, &p, &err), ERR_UPSTREAM);
	T_OK(oidc_userinfo_read(S("{\"sub\":\"1\",\"email\":\"a@b.c\",\"email_verified\":true}"),
				S(""), &req, &p, &err));
	T_SLICE(p.mail, "a@b.c");
	T_TRUE(p.mail_verified);
	/* What the token said stays. */
	T_OK(oidc_userinfo_read(S("{\"sub\":\"1\",\"email\":\"z@b.c\"}"), S(""), &req, &p, &err));
	T_SLICE(p.mail, "a@b.c");
	T_TRUE(p.mail_verified);
}

TEST(github_has_shapes_of_its_own)
{
	struct oidc_person p;

	T_OK(github_user_read(S("{\"id\":583231,\"login\":\"octo\",\"name\":null}"), &req, &p,
			      &err));
	T_SLICE(p.subject, "583231");
	T_SLICE(p.name, "octo");
	T_OK(github_mails_read(S("[{\"email\":\"x@b.c\",\"primary\":false,\"verified\":true},"
				 "{\"email\":\"a@b.c\",\"primary\":true,\"verified\":true}]"),
			       &req, &p, &err));
	T_SLICE(p.mail, "a@b.c");
	T_TRUE(p.mail_verified);
	T_FAIL(github_user_read(S("{\"login\":\"octo\"}"), &req, &p, &err), ERR_UPSTREAM);
	T_FAIL(github_user_read(S("{\"id\":\"1\"}"), &req, &p, &err), ERR_UPSTREAM);
	T_FAIL(github_mails_read(S("{}"), &req, &p, &err), ERR_UPSTREAM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_challenge_is_the_hash_of_the_verifier),
		T(a_browser_is_sent_with_all_that_binds_the_login),
		T(the_secret_goes_where_the_issuer_wants_it),
		T(an_issuer_says_where_what_is),
		T(an_issuer_is_not_believed_about_others),
		T(an_error_of_the_issuer_is_told_by_its_name_alone),
		T(a_mail_counts_as_the_issuer_says),
		T(roles_are_found_by_name_or_path),
		T(userinfo_is_of_the_same_person),
		T(github_has_shapes_of_its_own),
	};
	int failed;

	arena_init(&req, 0);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_release(&req);
	return failed;
}
