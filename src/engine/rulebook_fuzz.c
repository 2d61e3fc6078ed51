/* SPDX-License-Identifier: Apache-2.0 */
/* No bytes make a saved rulebook crash the reader, and what it takes it saves to the same book. */
#include "engine/rulebook.h"
#include "test/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct rulebook *book = rulebook_new(), *again = rulebook_new();
	struct buf first, second;
	struct err err;

	buf_init(&first, (size_t)64 << 20);
	buf_init(&second, (size_t)64 << 20);
	if (rulebook_load(book, (struct slice) { (const char *)p, n }, &err)) {
		rulebook_save(book, &first);
		ensure(rulebook_load(again, buf_slice(&first), &err));
		rulebook_save(again, &second);
		ensure(slice_eq(buf_slice(&first), buf_slice(&second)));
	} else {
		ensure(err.kind == ERR_CORRUPT);
	}
	buf_release(&first);
	buf_release(&second);
	rulebook_free(&book);
	rulebook_free(&again);
	return 0;
}
