/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any text as a sealed one, as a browser may send it in a cookie, and as keys: nothing opens that
 * we have not sealed, and what we have sealed opens in its place alone, with no bit of it changed.
 */
#include "base/seal.h"

#include "test/fuzz/fuzz.h"

static void try_ours(const struct seal *seal, struct slice in, struct arena *req)
{
	struct slice text = seal_wrap(seal, S("here"), in, req);
	struct slice changed = arena_dup(req, text);
	struct secret out = { 0 };
	struct err err;

	ensure(seal_unwrap(seal, S("here"), text, &out, &err));
	ensure(slice_eq(secret_reveal(&out), in));
	secret_release(&out);
	out = (struct secret) { 0 };
	ensure(!seal_unwrap(seal, S("there"), text, &out, &err));
	if (in.n > 0) {
		((char *)(uintptr_t)changed.p)[in.n * 31 % changed.n] ^= 1;
		ensure(!seal_unwrap(seal, S("here"), changed, &out, &err));
	}
	secret_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const unsigned char key[SEAL_KEY_BYTES] = { 7 };
	struct slice in = { (const char *)p, n };
	struct seal *seal = seal_new(), *other = seal_new();
	struct secret out = { 0 };
	struct arena req;
	struct err err;

	arena_init(&req, 0);
	ensure(seal_add(seal, key));
	ensure(!seal_unwrap(seal, S("here"), in, &out, &err) && err.kind == ERR_CORRUPT);
	secret_release(&out);
	ensure(!seal_knows(seal, in) || seal_key_of(in).n == SEAL_KEY_ID_CHARS);
	if (n <= SEAL_BYTES_MAX) {
		try_ours(seal, in, &req);
	}
	if (seal_add_text(other, in, &err)) {
		ensure(seal_keys(other) <= SEAL_KEYS_MAX);
	}
	arena_release(&req);
	seal_free(&seal);
	seal_free(&other);
	return 0;
}
