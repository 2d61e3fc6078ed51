/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as each of the documents that an issuer answers with: what is taken is short enough for
 * where it goes, has no byte that would end a header or a line, and leads nowhere but to addresses.
 */
#include "auth/oidc.h"

#include "test/fuzz/fuzz.h"

static void check_text(struct slice s, size_t max)
{
	ensure(s.n <= max && slice_find(s, '\n') == s.n && slice_find(s, '\r') == s.n);
	ensure(slice_find(s, '\0') == s.n);
}

static void check_address(struct slice s)
{
	check_text(s, OIDC_URL_BYTES_MAX);
	ensure(slice_starts(s, S("https://")) || slice_starts(s, S("http://")));
}

static void try_metadata(struct slice in, struct slice issuer, struct arena *req)
{
	struct oidc_metadata meta;
	struct err err = { 0 };

	if (!oidc_metadata_read(in, issuer, req, &meta, &err)) {
		ensure(err.kind == ERR_UPSTREAM);
		return;
	}
	check_address(meta.authorize);
	check_address(meta.token);
	check_address(meta.keys);
	if (meta.userinfo.n > 0) {
		check_address(meta.userinfo);
	}
	if (slice_starts(issuer, S("https://"))) {
		ensure(slice_starts(meta.token, S("https://")));
		ensure(slice_starts(meta.keys, S("https://")));
	}
}

static void try_tokens(struct slice in, struct arena *req)
{
	struct oidc_tokens tokens;
	struct err err = { 0 };

	if (oidc_tokens_read(in, req, &tokens, &err)) {
		ensure(tokens.access.n > 0);
		check_text(tokens.access, OIDC_TOKEN_BYTES_MAX);
	} else {
		ensure(err.kind == ERR_UPSTREAM && err.text[0] != '\0');
	}
}

static void check_person(const struct oidc_person *p)
{
	ensure(p->name.n <= OIDC_NAME_BYTES_MAX);
}

static void try_people(struct slice in, struct arena *req)
{
	struct oidc_person known = { .subject = S("7") }, user = { 0 };
	struct err err = { 0 };

	if (oidc_userinfo_read(in, S("a.b"), req, &known, &err)) {
		ensure(slice_eq(known.subject, S("7")));
		check_person(&known);
	} else {
		ensure(err.kind == ERR_UPSTREAM);
	}
	if (github_user_read(in, req, &user, &err)) {
		ensure(user.subject.n > 0 && user.subject.n <= OIDC_SUBJECT_BYTES_MAX);
		check_person(&user);
	}
	if (!github_mails_read(in, req, &user, &err)) {
		ensure(err.kind == ERR_UPSTREAM);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct slice in = { (const char *)p, n };
	struct arena req;

	arena_init(&req, 0);
	try_metadata(in, S("https://id.example"), &req);
	try_metadata(in, S("http://127.0.0.1:1"), &req);
	try_tokens(in, &req);
	try_people(in, &req);
	arena_release(&req);
	return 0;
}
