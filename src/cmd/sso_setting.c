/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of logins elsewhere hang together; a part that is missing is found at the start. */
#include "cmd/sso_setting.h"

#include <stdlib.h>

#include "net/url.h"

#define GOOGLE "https://accounts.google.com"
#define CA_VARIABLE "TOCSIN_TEST_CA_FILE" /* an issuer of a test has a certificate of its own */

static struct slice without_slash(struct slice url)
{
	while (slice_ends(url, S("/"))) {
		url.n--;
	}
	return url;
}

static bool needs(bool has, const char *name, const char *with, struct err *err)
{
	return has || err_set(err, ERR_INVALID, "\"%s\" needs \"%s\", too", with, name);
}

/* A secret goes to the issuer, and a word for who somebody is comes back. */
static bool check_url(struct slice text, const char *name, struct arena *boot, struct err *err)
{
	struct url url;

	if (!url_parse(boot, text, &url, err)) {
		return err_wrap(err, "\"%s\"", name);
	}
	return url.tls || slice_eq(url.host, S("localhost")) ||
	       (url.is_ip && ip_class(url.ip) == IP_LOOPBACK) ||
	       err_set(err, ERR_INVALID, "\"%s\" must be an https address", name);
}

static void add(struct sso_options *out, const struct settings *s, enum sso_kind kind,
		struct slice name, struct slice issuer, struct slice id, struct slice secret,
		struct arena *boot)
{
	struct slice base = without_slash(s->public_url), word = sso_word(kind);

	out->issuers[out->n++] = (struct sso_issuer_options) {
		.kind = kind,
		.name = name,
		.issuer = issuer,
		.client = { .id = id,
			    .secret = secret,
			    .redirect_uri = arena_printf(boot, "%.*s%s%.*s/callback", SARG(base),
							 SSO_CALLBACK_PATH, SARG(word)) },
	};
}

static bool read_oidc(const struct settings *s, struct arena *boot, struct sso_options *out,
		      struct err *err)
{
	if (s->oidc_issuer.n == 0) {
		return needs(s->oidc_client_id.n == 0, "oidc-issuer", "oidc-client-id", err) &&
		       needs(s->oidc_org.n == 0, "oidc-issuer", "oidc-org", err);
	}
	if (!check_url(s->oidc_issuer, "oidc-issuer", boot, err) ||
	    !needs(s->oidc_client_id.n > 0, "oidc-client-id", "oidc-issuer", err) ||
	    !needs(s->oidc_roles.n > 0 || s->oidc_org.n == 0, "oidc-roles", "oidc-org", err) ||
	    !needs(s->oidc_org.n > 0 || s->oidc_roles.n == 0, "oidc-org", "oidc-roles", err)) {
		return false;
	}
	add(out, s, SSO_OIDC, s->oidc_name, s->oidc_issuer, s->oidc_client_id,
	    s->oidc_client_secret, boot);
	return true;
}

static bool read_google(const struct settings *s, struct arena *boot, struct sso_options *out,
			struct err *err)
{
	if (s->google_client_id.n == 0) {
		return needs(s->google_client_secret.n == 0, "google-client-id",
			     "google-client-secret", err);
	}
	add(out, s, SSO_GOOGLE, S("Google"), S(GOOGLE), s->google_client_id,
	    s->google_client_secret, boot);
	return needs(s->google_client_secret.n > 0, "google-client-secret", "google-client-id",
		     err);
}

static bool read_github(const struct settings *s, struct arena *boot, struct sso_options *out,
			struct err *err)
{
	if (s->github_client_id.n == 0) {
		return needs(s->github_client_secret.n == 0, "github-client-id",
			     "github-client-secret", err);
	}
	add(out, s, SSO_GITHUB, S("GitHub"), without_slash(s->github_url), s->github_client_id,
	    s->github_client_secret, boot);
	return needs(s->github_client_secret.n > 0, "github-client-secret", "github-client-id",
		     err) &&
	       check_url(s->github_url, "github-url", boot, err);
}

bool sso_setting_read(const struct settings *s, struct arena *boot, struct sso_options *out,
		      struct err *err)
{
	*out = (struct sso_options) { .domains = s->sso_domains,
				      .org = s->oidc_org,
				      .roles = s->oidc_roles,
				      .role_claim = s->oidc_role_claim,
				      .ca_file = getenv(CA_VARIABLE) };
	if (!read_oidc(s, boot, out, err) || !read_google(s, boot, out, err) ||
	    !read_github(s, boot, out, err)) {
		return false;
	}
	return out->n == 0 || s->public_url.n > 0 ||
	       err_set(err, ERR_INVALID,
		       "a login elsewhere needs \"public-url\": that is where it comes back to");
}

bool sso_setting_open(const struct settings *s, struct arena *boot, struct sso **out,
		      struct err *err)
{
	struct sso_options options;

	*out = NULL;
	if (!sso_setting_read(s, boot, &options, err)) {
		return false;
	}
	if (options.n > 0) {
		*out = sso_open(&options);
	}
	return true;
}
