/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plain heap memory, wiped at the end. Guarded and locked pages would cost three pages a secret,
 * and there is one per channel; core dumps are the concern of whoever runs the process.
 */
#include "base/secret.h"

#include <sodium.h>
#include <stdlib.h>

#include "base/hash.h"

void secret_init(struct secret *s, struct slice bytes)
{
	*s = (struct secret) { 0 };
	if (bytes.n > 0) {
		s->bytes = mem_alloc(bytes.n, 1);
		s->n = bytes.n;
		memcpy(s->bytes, bytes.p, bytes.n);
	}
}

void secret_release(struct secret *s)
{
	if (s->bytes != NULL) {
		secret_wipe(s->bytes, s->n);
		free(s->bytes);
	}
	*s = (struct secret) { 0 };
}

struct slice secret_reveal(const struct secret *s)
{
	return (struct slice) { .p = s->bytes, .n = s->n };
}

bool secret_equal(const struct secret *s, struct slice bytes)
{
	return s->n == bytes.n && (s->n == 0 || equal_const_time(s->bytes, bytes.p, s->n));
}

void secret_wipe(void *p, size_t n)
{
	sodium_memzero(p, n);
}
