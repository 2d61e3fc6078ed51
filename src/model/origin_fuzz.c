/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any two texts, with a line feed between, as an item of a list and as the header Origin; and the
 * first as scopes and as a path to come back to. An item lets in what its words say, and no more.
 */
#include "model/origin.h"

#include "model/scope.h"
#include "model/sso.h"
#include "test/fuzz/fuzz.h"

static void check_origin(struct slice item, struct slice origin, struct arena *req)
{
	struct slice plain, end;
	size_t scheme, star;

	if (origin_check(item) != NULL) {
		return;
	}
	plain = origin_plain(item, req);
	ensure(origin_check(plain) == NULL && slice_eq(origin_plain(plain, req), plain));
	if (slice_eq(plain, S("*")) || !origin_matches(plain, origin)) {
		return;
	}
	/* Whatever it is, it has the scheme of the item, and its end. */
	scheme = slice_find(plain, ':');
	ensure(slice_eq_nocase((struct slice) { plain.p, scheme },
			       (struct slice) { origin.p, slice_find(origin, ':') }));
	star = slice_find(plain, '*');
	if (star < plain.n) {
		end = slice_from(plain, star + 1);
		ensure(end.n < origin.n &&
		       slice_eq_nocase(end, slice_from(origin, origin.n - end.n)));
	} else {
		ensure(slice_eq_nocase(plain, origin));
	}
}

static void check_scopes(struct slice text)
{
	uint32_t set = 0, again = 0;
	struct buf out;

	if (!scopes_parse(text, &set)) {
		return;
	}
	buf_init(&out, 1024);
	scopes_write(set, &out);
	ensure(!out.overflow && scopes_parse(buf_slice(&out), &again) && set == again);
	buf_release(&out);
}

static void check_path(struct slice path)
{
	if (!sso_path_is_local(path)) {
		return;
	}
	ensure(path.n > 0 && path.n <= SSO_REDIRECT_BYTES_MAX && path.p[0] == '/');
	ensure(path.n == 1 || (path.p[1] != '/' && path.p[1] != '\\'));
	for (size_t i = 0; i < path.n; i++) {
		ensure((unsigned char)path.p[i] > ' ' && path.p[i] != 127);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct slice in = { (const char *)p, n };
	struct slice first = { in.p, slice_find(in, '\n') };
	struct arena req;

	arena_init(&req, 0);
	check_origin(first, slice_from(in, first.n + 1), &req);
	check_scopes(first);
	check_path(first);
	arena_release(&req);
	return 0;
}
