/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes have a text in each form that gives them back; and text that is taken is the one text
 * of its bytes, so that nobody can write a token, a key or a hash in two ways.
 */
#include "base/hex.h"

#include <stdlib.h>

#include "test/fuzz/fuzz.h"

typedef void encode_fn(const void *p, size_t n, char *out);
typedef bool decode_fn(struct slice text, void *out, size_t *n);

static void there_and_back(encode_fn *encode, decode_fn *decode, struct slice bytes, size_t text_n)
{
	char *text = mem_alloc(text_n, 1), *back = mem_alloc(bytes.n, 1);
	size_t n = bytes.n;

	encode(bytes.p, bytes.n, text);
	ensure(decode((struct slice) { text, text_n }, back, &n));
	ensure(slice_eq((struct slice) { back, n }, bytes));
	free(text);
	free(back);
}

static void back_and_there(encode_fn *encode, decode_fn *decode, struct slice text)
{
	char *bytes = mem_alloc(text.n, 1), *again = mem_alloc(text.n + 3, 1);
	size_t n = text.n;

	if (decode(text, bytes, &n)) {
		encode(bytes, n, again);
		ensure(slice_eq((struct slice) { again, text.n }, text));
	}
	free(bytes);
	free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct slice in = { (const char *)p, n };

	there_and_back(base64_encode, base64_decode, in, BASE64_LEN(n));
	there_and_back(base64url_encode, base64url_decode, in, BASE64URL_LEN(n));
	back_and_there(base64_encode, base64_decode, in);
	back_and_there(base64url_encode, base64url_decode, in);
	return 0;
}
