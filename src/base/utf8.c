/* SPDX-License-Identifier: Apache-2.0 */
/* The table of well-formed sequences of RFC 3629 section 4, as bounds on the second byte. */
#include "base/utf8.h"

static bool in(char c, unsigned lo, unsigned hi)
{
	unsigned char u = (unsigned char)c;

	return u >= lo && u <= hi;
}

static bool is_tail(char c)
{
	return in(c, 0x80, 0xbf);
}

static size_t seq3(struct slice s)
{
	unsigned char first = (unsigned char)s.p[0];
	unsigned lo = first == 0xe0 ? 0xa0 : 0x80; /* below is overlong */
	unsigned hi = first == 0xed ? 0x9f : 0xbf; /* above are surrogates */

	return s.n >= 3 && in(s.p[1], lo, hi) && is_tail(s.p[2]) ? 3 : 0;
}

static size_t seq4(struct slice s)
{
	unsigned char first = (unsigned char)s.p[0];
	unsigned lo = first == 0xf0 ? 0x90 : 0x80; /* below is overlong */
	unsigned hi = first == 0xf4 ? 0x8f : 0xbf; /* above is past U+10FFFF */

	return s.n >= 4 && in(s.p[1], lo, hi) && is_tail(s.p[2]) && is_tail(s.p[3]) ? 4 : 0;
}

size_t utf8_seq(struct slice s)
{
	unsigned char first = s.n == 0 ? 0xff : (unsigned char)s.p[0];

	if (first < 0x80) {
		return 1;
	}
	if (first >= 0xc2 && first <= 0xdf) {
		return s.n >= 2 && is_tail(s.p[1]) ? 2 : 0;
	}
	if ((first & 0xf0) == 0xe0) {
		return seq3(s);
	}
	return first >= 0xf0 && first <= 0xf4 ? seq4(s) : 0;
}

bool utf8_valid(struct slice s)
{
	while (s.n > 0) {
		size_t n = utf8_seq(s);

		if (n == 0) {
			return false;
		}
		s = slice_from(s, n);
	}
	return true;
}

static size_t step(struct slice s)
{
	size_t n = utf8_seq(s);

	return n == 0 ? 1 : n;
}

size_t utf8_len(struct slice s)
{
	size_t len = 0;

	while (s.n > 0) {
		s = slice_from(s, step(s));
		len++;
	}
	return len;
}

struct slice utf8_cut(struct slice s, size_t bytes_max)
{
	size_t n = bytes_max;

	if (s.n <= bytes_max) {
		return s;
	}
	/* At most three tail bytes lie between the limit and the start of their code point. */
	while (n > 0 && bytes_max - n < 3 && is_tail(s.p[n])) {
		n--;
	}
	return (struct slice) { .p = s.p, .n = n };
}

struct slice utf8_head(struct slice s, size_t len_max)
{
	struct slice rest = s;

	for (size_t i = 0; i < len_max && rest.n > 0; i++) {
		rest = slice_from(rest, step(rest));
	}
	return (struct slice) { .p = s.p, .n = s.n - rest.n };
}

size_t utf8_put(uint32_t c, char out[4])
{
	ensure(c <= 0x10ffff && (c < 0xd800 || c > 0xdfff));
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}
