/* SPDX-License-Identifier: Apache-2.0 */
/* ASCII only: what other letters would become depends on the language, which nobody told us. */
#include "model/slug.h"

static char letter_of(char c)
{
	if (c >= 'A' && c <= 'Z') {
		return (char)(c - 'A' + 'a');
	}
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? c : '\0';
}

struct slice slug_of(struct slice name, struct slice none, struct arena *req)
{
	char *p = arena_alloc(req, SLUG_BYTES_MAX + 1);
	bool gap = false;
	size_t n = 0;

	for (size_t i = 0; i < name.n && n < SLUG_BYTES_MAX; i++) {
		char c = letter_of(name.p[i]);

		if (c == '\0') {
			gap = n > 0;
			continue;
		}
		if (gap && n + 1 < SLUG_BYTES_MAX) {
			p[n++] = '-';
		}
		gap = false;
		p[n++] = c;
	}
	return n == 0 ? none : (struct slice) { .p = p, .n = n };
}

/* With so many bytes behind it, it is a slug still. */
static struct slice with_room(struct slice slug, size_t n)
{
	if (slug.n + n > SLUG_BYTES_MAX) {
		slug.n = SLUG_BYTES_MAX - n;
	}
	while (slug.n > 0 && slug.p[slug.n - 1] == '-') {
		slug.n--;
	}
	return slug;
}

struct slice slug_try(struct slice slug, unsigned n, uint64_t random, struct arena *req)
{
	static_assert(SLUG_TRIES_NUMBERED <= 9, "the number has one digit");

	if (n == 0) {
		return slug;
	}
	if (n < SLUG_TRIES_NUMBERED) {
		return arena_printf(req, "%.*s-%u", SARG(with_room(slug, 2)), n + 1);
	}
	return arena_printf(req, "%.*s-%08llx", SARG(with_room(slug, 9)),
			    (unsigned long long)(random & UINT32_MAX));
}
