/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The texts of a login elsewhere. Errors name what is wrong with an issuer's text and never repeat
 * it: it may hold tokens.
 */
#include "auth/oidc.h"

#include "auth/claims.h"
#include "base/hash.h"
#include "base/hex.h"
#include "base/rand.h"
#include "base/secret.h"
#include "base/utf8.h"

#define RANDOM_BYTES 32
#define REQUEST_BYTES_MAX ((size_t)32 << 10) /* a code, an address and a secret, encoded */
#define ERROR_CHARS_MAX 64

struct slice oidc_random(struct arena *req)
{
	unsigned char random[RANDOM_BYTES];
	char text[OIDC_RANDOM_CHARS];

	static_assert(BASE64URL_LEN(RANDOM_BYTES) == OIDC_RANDOM_CHARS, "no padding");
	rand_bytes(random, sizeof(random));
	base64url_encode(random, sizeof(random), text);
	return arena_dup(req, (struct slice) { text, sizeof(text) });
}

struct slice oidc_challenge(struct slice verifier, struct arena *req)
{
	unsigned char sum[SHA256_BYTES];
	char text[BASE64URL_LEN(SHA256_BYTES)];

	sha256(verifier, sum);
	base64url_encode(sum, sizeof(sum), text);
	return arena_dup(req, (struct slice) { text, sizeof(text) });
}

/* Forms. */

/* As application/x-www-form-urlencoded has it, but for the space, which %20 is for everywhere. */
static void put_encoded(struct buf *out, struct slice text)
{
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';

		if (plain) {
			buf_putc(out, (char)c);
		} else {
			buf_printf(out, "%%%02X", c);
		}
	}
}

/* Nothing when there is no value. */
static void put_pair(struct buf *out, const char *name, struct slice value)
{
	char last = out->n == 0 ? '&' : out->p[out->n - 1];

	if (value.n == 0) {
		return;
	}
	if (last != '&' && last != '?') {
		buf_putc(out, '&');
	}
	buf_printf(out, "%s=", name);
	put_encoded(out, value);
}

static struct slice kept(struct buf *out, struct arena *req)
{
	struct slice text;

	ensure(!out->overflow);
	text = arena_dup(req, buf_slice(out));
	secret_wipe(out->p, out->n);
	buf_release(out);
	return text;
}

struct slice oidc_way_url(const struct oidc_client *client, const struct oidc_way *way,
			  struct arena *req)
{
	struct buf out;

	buf_init(&out, REQUEST_BYTES_MAX);
	buf_puts(&out, way->to);
	if (slice_find(way->to, '?') == way->to.n) {
		buf_putc(&out, '?');
	}
	put_pair(&out, "response_type", S("code"));
	put_pair(&out, "client_id", client->id);
	put_pair(&out, "redirect_uri", client->redirect_uri);
	put_pair(&out, "scope", way->scope);
	put_pair(&out, "state", way->state);
	put_pair(&out, "nonce", way->nonce);
	put_pair(&out, "code_challenge", way->challenge);
	put_pair(&out, "code_challenge_method", S("S256"));
	if (way->fresh) {
		put_pair(&out, "prompt", S("login"));
		put_pair(&out, "max_age", S("0"));
	}
	return kept(&out, req);
}

struct slice oidc_exchange(const struct oidc_client *client, struct slice code,
			   struct slice verifier, bool secret_in_body, struct arena *req)
{
	struct buf out;

	buf_init(&out, REQUEST_BYTES_MAX);
	put_pair(&out, "grant_type", S("authorization_code"));
	put_pair(&out, "code", code);
	put_pair(&out, "redirect_uri", client->redirect_uri);
	put_pair(&out, "code_verifier", verifier);
	if (secret_in_body || client->secret.n == 0) {
		put_pair(&out, "client_id", client->id);
		put_pair(&out, "client_secret", client->secret);
	}
	return kept(&out, req);
}

struct slice oidc_basic(const struct oidc_client *client, struct arena *req)
{
	struct buf plain, out;
	char *room;

	buf_init(&plain, REQUEST_BYTES_MAX);
	put_encoded(&plain, client->id);
	buf_putc(&plain, ':');
	put_encoded(&plain, client->secret);
	ensure(!plain.overflow);
	buf_init(&out, 2 * REQUEST_BYTES_MAX);
	buf_puts(&out, S("Basic "));
	room = buf_room(&out, BASE64_LEN(plain.n));
	ensure(room != NULL);
	base64_encode(plain.p, plain.n, room);
	out.n += BASE64_LEN(plain.n);
	secret_wipe(plain.p, plain.n);
	buf_release(&plain);
	return kept(&out, req);
}

/* What issuers answer. */

static bool refuse(struct err *err, const char *what)
{
	return err_set(err, ERR_UPSTREAM, "the issuer's %s", what);
}

static bool read_object(struct slice text, enum json_type type, const char *what,
			struct arena *arena, const struct json **out, struct err *err)
{
	struct err why = { 0 };

	if (json_parse(arena, text, OIDC_DEPTH_MAX, out, &why) && (*out)->type == type) {
		return true;
	}
	return err_set(err, ERR_UPSTREAM, "the issuer's %s is not the JSON that it should be",
		       what);
}

/* "" when it is not there, or no string. */
static struct slice text_of(const struct json *object, const char *name)
{
	const struct json *v = json_get(object, name);

	return v != NULL && v->type == JSON_STRING ? v->text : (struct slice) { 0 };
}

static bool is_visible(struct slice text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] <= ' ' || text.p[i] > '~') {
			return false;
		}
	}
	return true;
}

struct slice oidc_metadata_url(struct slice issuer, struct arena *req)
{
	while (slice_ends(issuer, S("/"))) {
		issuer.n--;
	}
	return arena_printf(req, "%.*s/.well-known/openid-configuration", SARG(issuer));
}

/* An issuer with TLS does not send anybody where there is none. */
static bool read_url(const struct json *doc, const char *name, struct slice issuer, bool must,
		     struct slice *out, struct err *err)
{
	bool plain = slice_starts(issuer, S("http://"));

	*out = text_of(doc, name);
	if (out->n == 0 && !must) {
		return true;
	}
	if (out->n == 0 || out->n > OIDC_URL_BYTES_MAX || !is_visible(*out) ||
	    slice_find(*out, '#') < out->n ||
	    !(slice_starts(*out, S("https://")) || (plain && slice_starts(*out, S("http://"))))) {
		return err_set(err, ERR_UPSTREAM,
			       "the issuer's \"%s\" is missing, or no https address", name);
	}
	return true;
}

static bool has_item(const struct json *list, struct slice want)
{
	if (list == NULL || list->type != JSON_ARRAY) {
		return false;
	}
	json_each(item, list)
	{
		if (item->type == JSON_STRING && slice_eq(item->text, want)) {
			return true;
		}
	}
	return false;
}

bool oidc_metadata_read(struct slice text, struct slice issuer, struct arena *arena,
			struct oidc_metadata *out, struct err *err)
{
	const struct json *doc, *methods;

	*out = (struct oidc_metadata) { 0 };
	if (!read_object(text, JSON_OBJECT, "configuration", arena, &doc, err)) {
		return false;
	}
	if (!slice_eq(text_of(doc, "issuer"), issuer)) {
		return refuse(err, "configuration is of another issuer: it must be written as in "
				   "its \"issuer\", to the last slash");
	}
	methods = json_get(doc, "token_endpoint_auth_methods_supported");
	out->secret_in_body = !has_item(methods, S("client_secret_basic")) &&
			      has_item(methods, S("client_secret_post"));
	return read_url(doc, "authorization_endpoint", issuer, true, &out->authorize, err) &&
	       read_url(doc, "token_endpoint", issuer, true, &out->token, err) &&
	       read_url(doc, "jwks_uri", issuer, true, &out->keys, err) &&
	       read_url(doc, "userinfo_endpoint", issuer, false, &out->userinfo, err);
}

/* The names of errors are words: RFC 6749 section 5.2. Anything else is not repeated. */
static bool is_word(struct slice text)
{
	for (size_t i = 0; i < text.n; i++) {
		if ((text.p[i] < 'a' || text.p[i] > 'z') && text.p[i] != '_') {
			return false;
		}
	}
	return text.n > 0 && text.n <= ERROR_CHARS_MAX;
}

bool oidc_tokens_read(struct slice text, struct arena *req, struct oidc_tokens *out,
		      struct err *err)
{
	const struct json *doc;
	struct slice error;

	if (!read_object(text, JSON_OBJECT, "answer to the code", req, &doc, err)) {
		return false;
	}
	error = text_of(doc, "error");
	if (error.n > 0) {
		return err_set(err, ERR_UPSTREAM, "the issuer refused the code: %.*s",
			       SARG(is_word(error) ? error : S("?")));
	}
	*out = (struct oidc_tokens) { .access = text_of(doc, "access_token"),
				      .id = text_of(doc, "id_token") };
	if (out->access.n == 0 || out->access.n > OIDC_TOKEN_BYTES_MAX ||
	    !is_visible(out->access)) {
		return refuse(err, "access token is missing, or fits no header");
	}
	return true;
}

/* People. */

/* A claim by its name, which may have dots in it, or by a path with dots between names. */
static const struct json *find_claim(const struct json *claims, struct slice path)
{
	const struct json *found = json_get_slice(claims, path);
	struct slice name;

	if (found != NULL || path.n == 0) {
		return found;
	}
	found = claims;
	while (found != NULL && slice_split(&path, '.', &name)) {
		found = json_get_slice(found, name);
	}
	return found;
}

/* Some issuers write booleans as strings. */
static bool is_true(const struct json *v)
{
	return v != NULL && ((v->type == JSON_BOOL && v->truth) ||
			     (v->type == JSON_STRING && slice_eq(v->text, S("true"))));
}

void oidc_person_read(const struct json *claims, struct slice role_claim, struct oidc_person *out)
{
	const struct json *auth = json_get(claims, "auth_time");

	*out = (struct oidc_person) {
		.subject = text_of(claims, "sub"),
		.mail = text_of(claims, "email"),
		.mail_verified = is_true(json_get(claims, "email_verified")),
		.name = utf8_cut(text_of(claims, "name"), OIDC_NAME_BYTES_MAX),
		.roles = role_claim.n == 0 ? NULL : find_claim(claims, role_claim),
	};
	if (auth == NULL || auth->type != JSON_NUMBER ||
	    !json_number_int(auth->text, &out->auth_s) || out->auth_s < 0 ||
	    out->auth_s > CLAIM_SECONDS_MAX) {
		out->auth_s = 0;
	}
}

bool oidc_userinfo_read(struct slice text, struct slice role_claim, struct arena *req,
			struct oidc_person *person, struct err *err)
{
	const struct json *doc;
	struct oidc_person more;

	if (!read_object(text, JSON_OBJECT, "userinfo", req, &doc, err)) {
		return false;
	}
	oidc_person_read(doc, role_claim, &more);
	if (more.subject.n == 0 || !slice_eq(more.subject, person->subject)) {
		return refuse(err, "userinfo is of somebody else");
	}
	if (person->mail.n == 0) {
		person->mail = more.mail;
		person->mail_verified = more.mail_verified;
	}
	person->name = person->name.n == 0 ? more.name : person->name;
	person->roles = person->roles == NULL ? more.roles : person->roles;
	return true;
}

bool github_user_read(struct slice text, struct arena *req, struct oidc_person *out,
		      struct err *err)
{
	const struct json *doc, *id;
	int64_t number;

	*out = (struct oidc_person) { 0 };
	if (!read_object(text, JSON_OBJECT, "user", req, &doc, err)) {
		return false;
	}
	id = json_get(doc, "id");
	if (id == NULL || id->type != JSON_NUMBER || !json_number_int(id->text, &number) ||
	    number <= 0) {
		return refuse(err, "user has no id");
	}
	out->subject = arena_printf(req, "%lld", (long long)number);
	out->name = text_of(doc, "name");
	if (out->name.n == 0) {
		out->name = text_of(doc, "login");
	}
	out->name = utf8_cut(out->name, OIDC_NAME_BYTES_MAX);
	return true;
}

bool github_mails_read(struct slice text, struct arena *req, struct oidc_person *out,
		       struct err *err)
{
	const struct json *doc;

	if (!read_object(text, JSON_ARRAY, "list of addresses", req, &doc, err)) {
		return false;
	}
	json_each(one, doc)
	{
		if (is_true(json_get(one, "primary"))) {
			out->mail = text_of(one, "email");
			out->mail_verified = is_true(json_get(one, "verified"));
			return true;
		}
	}
	return true;
}
