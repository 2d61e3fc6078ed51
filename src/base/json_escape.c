/* SPDX-License-Identifier: Apache-2.0 */
/* Escapes, read in one place for the scanner, the look-ups and the comparison keys. */
#include "base/json_impl.h"

#include "base/utf8.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The number in "\uXXXX", or -1 when s does not start like that. */
static int32_t hex_escape(struct slice s)
{
	int32_t v = 0;

	if (s.n < 6 || s.p[0] != '\\' || s.p[1] != 'u') {
		return -1;
	}
	for (size_t i = 2; i < 6; i++) {
		int digit = hex_digit(s.p[i]);

		if (digit < 0) {
			return -1;
		}
		v = v << 4 | digit;
	}
	return v;
}

size_t json_unescape_one(struct slice s, uint32_t *out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	int32_t high = hex_escape(s), low;
	const char *hit;

	if (s.n >= 2 && s.p[1] != 'u') {
		hit = memchr(from, s.p[1], sizeof(from) - 1);
		*out = hit == NULL ? 0 : (unsigned char)to[hit - from];
		return hit == NULL ? 0 : 2;
	}
	if (high < 0xd800 || high > 0xdfff) {
		*out = (uint32_t)high;
		return high < 0 ? 0 : 6;
	}
	low = hex_escape(slice_from(s, 6));
	if (high > 0xdbff || low < 0xdc00 || low > 0xdfff) {
		return 0;
	}
	*out = 0x10000 + ((uint32_t)(high - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
	return 12;
}

size_t json_unescape(struct slice raw, char *out)
{
	size_t n = 0;

	while (raw.n > 0) {
		size_t plain = slice_find(raw, '\\');
		uint32_t c;

		memcpy(out + n, raw.p, plain);
		n += plain;
		raw = slice_from(raw, plain);
		if (raw.n > 0) {
			size_t used = json_unescape_one(raw, &c);

			ensure(used > 0);
			n += utf8_put(c, out + n);
			raw = slice_from(raw, used);
		}
	}
	return n;
}
