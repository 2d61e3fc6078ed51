/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any text as a mail address and as a name that becomes a slug: there is one form of each, which is
 * its own form, and nothing is in it that a header or a URL would trip over.
 */
#include "model/mail.h"

#include "model/slug.h"
#include "test/fuzz/fuzz.h"

static void check_mail(struct slice in, struct arena *req)
{
	struct slice once, again;
	struct err err = { 0 };

	if (!mail_read("email", in, req, &once, &err)) {
		ensure(err.kind == ERR_INVALID && !mail_is_normal(in));
		return;
	}
	ensure(once.n > 2 && once.n <= MAIL_BYTES_MAX && mail_is_normal(once));
	ensure(mail_read("email", once, req, &again, &err) && slice_eq(once, again));
	ensure(slice_find(once, '@') + 1 < once.n);
	for (size_t i = 0; i < once.n; i++) {
		char c = once.p[i];

		ensure(c > ' ' && c < 127 && !(c >= 'A' && c <= 'Z') && c != '<' && c != '>');
		ensure(c != '"' && c != ',' && c != ';' && c != '\\' && c != '(' && c != ')');
	}
}

static void check_slug(struct slice slug)
{
	ensure(slug.n > 0 && slug.n <= SLUG_BYTES_MAX);
	for (size_t i = 0; i < slug.n; i++) {
		char c = slug.p[i];

		ensure((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-');
		ensure(c != '-' || (i > 0 && i + 1 < slug.n && slug.p[i - 1] != '-'));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct slice in = { (const char *)p, n }, slug;
	struct arena req;

	arena_init(&req, 0);
	check_mail(in, &req);
	slug = slug_of(in, S("none"), &req);
	check_slug(slug);
	ensure(slice_eq(slug_of(slug, S("none"), &req), slug));
	for (unsigned i = 0; i < SLUG_TRIES_NUMBERED + 2; i++) {
		check_slug(slug_try(slug, i, n * UINT64_C(0x9e3779b97f4a7c15), &req));
	}
	arena_release(&req);
	return 0;
}
