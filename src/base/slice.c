/* SPDX-License-Identifier: Apache-2.0 */
/* Borrowed bytes. Nothing here allocates or looks at a locale. */
#include "base/slice.h"

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

struct slice slice_of(const char *cstr)
{
	return (struct slice) { .p = cstr, .n = cstr == NULL ? 0 : strlen(cstr) };
}

bool slice_eq_nocase(struct slice a, struct slice b)
{
	if (a.n != b.n) {
		return false;
	}
	for (size_t i = 0; i < a.n; i++) {
		if (lower(a.p[i]) != lower(b.p[i])) {
			return false;
		}
	}
	return true;
}

int slice_cmp(struct slice a, struct slice b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int d = n == 0 ? 0 : memcmp(a.p, b.p, n);

	if (d != 0) {
		return d;
	}
	return (a.n > b.n) - (a.n < b.n);
}

bool slice_starts(struct slice s, struct slice prefix)
{
	return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

bool slice_ends(struct slice s, struct slice suffix)
{
	return s.n >= suffix.n &&
	       (suffix.n == 0 || memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0);
}

size_t slice_find(struct slice s, char c)
{
	const char *hit = s.n == 0 ? NULL : memchr(s.p, c, s.n);

	return hit == NULL ? s.n : (size_t)(hit - s.p);
}

struct slice slice_from(struct slice s, size_t n)
{
	if (n >= s.n) {
		return (struct slice) { 0 };
	}
	return (struct slice) { .p = s.p + n, .n = s.n - n };
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct slice slice_trim(struct slice s)
{
	while (s.n > 0 && is_blank(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && is_blank(s.p[s.n - 1])) {
		s.n--;
	}
	return s;
}

bool slice_split(struct slice *rest, char sep, struct slice *part)
{
	size_t at;

	if (rest->n == 0) {
		return false;
	}
	at = slice_find(*rest, sep);
	*part = (struct slice) { .p = rest->p, .n = at };
	*rest = slice_from(*rest, at + 1);
	return true;
}

bool slice_u64(struct slice s, uint64_t *out)
{
	uint64_t v = 0;

	if (s.n == 0 || s.n > 20) {
		return false;
	}
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9') {
			return false;
		}
		if (__builtin_mul_overflow(v, 10U, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v)) {
			return false;
		}
	}
	*out = v;
	return true;
}

bool slice_i64(struct slice s, int64_t *out)
{
	bool negative = s.n > 0 && s.p[0] == '-';
	uint64_t v;

	if (!slice_u64(negative ? slice_from(s, 1) : s, &v) || v > (uint64_t)INT64_MAX + negative) {
		return false;
	}
	*out = negative ? (int64_t)(~v + 1) : (int64_t)v;
	return true;
}
