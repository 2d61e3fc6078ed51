/* SPDX-License-Identifier: Apache-2.0 */
/* Case folding by a table of ranges, which is short because letters come in rows. */
#include "base/fold.h"

#include "base/utf8.h"

struct range {
	uint16_t first, last;
	int16_t add;
	bool pairs; /* every second one from first is a capital */
};

/* By first. From the case folding of Unicode 15, entries of status C and S. */
static const struct range ranges[] = {
	{ 0x00c0, 0x00d6, 32, false },	 { 0x00d8, 0x00de, 32, false },
	{ 0x0100, 0x012e, 1, true },	 { 0x0132, 0x0136, 1, true },
	{ 0x0139, 0x0147, 1, true },	 { 0x014a, 0x0176, 1, true },
	{ 0x0178, 0x0178, -121, false }, { 0x0179, 0x017d, 1, true },
	{ 0x0386, 0x0386, 38, false },	 { 0x0388, 0x038a, 37, false },
	{ 0x038c, 0x038c, 64, false },	 { 0x038e, 0x038f, 63, false },
	{ 0x0391, 0x03a1, 32, false },	 { 0x03a3, 0x03ab, 32, false },
	{ 0x03c2, 0x03c2, 1, false },	 { 0x0400, 0x040f, 80, false },
	{ 0x0410, 0x042f, 32, false },	 { 0x0460, 0x0480, 1, true },
	{ 0x048a, 0x04be, 1, true },	 { 0x04c1, 0x04cd, 1, true },
	{ 0x04d0, 0x052e, 1, true },	 { 0x0531, 0x0556, 48, false },
	{ 0x1e00, 0x1e94, 1, true },	 { 0x1ea0, 0x1efe, 1, true },
};

static uint32_t fold_point(uint32_t c)
{
	for (size_t i = 0; i < ARRAY_LEN(ranges) && c >= ranges[i].first; i++) {
		const struct range *r = &ranges[i];

		if (c <= r->last && (!r->pairs || ((c ^ r->first) & 1) == 0)) {
			return (uint32_t)((int32_t)c + r->add);
		}
	}
	return c;
}

size_t fold_char(struct slice s, char out[4])
{
	unsigned char lead = (unsigned char)s.p[0];
	size_t n;
	uint32_t c;

	if (lead < 0x80) {
		out[0] = lead >= 'A' && lead <= 'Z' ? (char)(lead | 0x20) : (char)lead;
		return 1;
	}
	n = utf8_seq(s);
	if (n == 2) {
		c = (lead & 0x1fu) << 6 | ((unsigned char)s.p[1] & 0x3fu);
		return utf8_put(fold_point(c), out);
	}
	if (n == 3 && lead == 0xe1) {
		c = 0x1000u | ((unsigned char)s.p[1] & 0x3fu) << 6 |
		    ((unsigned char)s.p[2] & 0x3fu);
		return utf8_put(fold_point(c), out);
	}
	n = n == 0 ? 1 : n;
	memcpy(out, s.p, n);
	return n;
}

void fold_text(struct slice s, char *out)
{
	char one[4];

	while (s.n > 0) {
		size_t n = fold_char(s, one);

		memcpy(out, one, n);
		out += n;
		s = slice_from(s, n);
	}
}

bool fold_has_case(struct slice c)
{
	unsigned char lead = (unsigned char)c.p[0];

	if (c.n == 1) {
		return (lead >= 'A' && lead <= 'Z') || (lead >= 'a' && lead <= 'z');
	}
	return c.n == 2 || lead == 0xe1;
}
