/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The search jumps with memchr from one place of the rarest byte to the next, in both its cases,
 * and compares there. In JSON it looks for less, the longest part without what may be escaped, so
 * that nothing has to be parsed to say no.
 */
#include "base/find.h"

#include "base/fold.h"
#include "base/utf8.h"

/* Bytes of JSON texts, the commonest first; what is not here is rarer still. */
static const char common[] = "\"e,:ta0oinsr1lcd2pmu-_hg.3 f45b6789/yvwkx{}TZjqz[]ACDEIMPRS";

static size_t rank(char c)
{
	const char *at = c == '\0' ? NULL : strchr(common, c);

	return at == NULL ? sizeof(common) : (size_t)(at - common);
}

/* The character at at; a byte that begins none is one, too. */
static struct slice character(struct slice s, size_t at)
{
	size_t n = utf8_seq(slice_from(s, at));

	return (struct slice) { .p = s.p + at, .n = n == 0 ? 1 : n };
}

/*
 * The place of the rarest byte that stands for its character in each spelling, but for the case of
 * ASCII; s.n when there is none.
 */
static size_t rarest(struct slice s)
{
	size_t best = s.n;

	for (size_t at = 0; at < s.n;) {
		struct slice c = character(s, at);

		at += c.n;
		/* Of other scripts the last byte tells more: the first ones are in all words. */
		if ((c.n == 1 || !fold_has_case(c)) &&
		    (best == s.n || rank(s.p[at - 1]) >= rank(s.p[best]))) {
			best = at - 1;
		}
	}
	return best;
}

/*
 * Whether a character stands in JSON as itself, but for \u escapes. Quotes, backslashes and control
 * characters are escaped, a slash may be.
 */
static bool is_plain(struct slice c)
{
	return c.n > 1 ||
	       ((unsigned char)c.p[0] >= 0x20 && c.p[0] != '"' && c.p[0] != '\\' && c.p[0] != '/');
}

static struct slice longest_plain(struct slice s)
{
	struct slice best = { .p = s.p }, run = { .p = s.p };

	for (size_t at = 0; at < s.n;) {
		struct slice c = character(s, at);

		at += c.n;
		if (is_plain(c)) {
			run.n += c.n;
		} else {
			run = (struct slice) { .p = s.p + at };
		}
		best = run.n > best.n ? run : best;
	}
	return best;
}

void finder_init(struct finder *f, struct slice text, struct arena *arena)
{
	char *folded = arena_alloc(arena, text.n);

	ensure(text.n > 0);
	fold_text(text, folded);
	*f = (struct finder) { .folded = { folded, text.n } };
	f->rare = rarest(f->folded);
	f->anchor = longest_plain(f->folded);
	f->anchor_rare = rarest(f->anchor);
}

static char small_letter(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* Whether the bytes at p fold to want. There are want.n of them, and end is where the text ends. */
static bool same(struct slice want, const char *p, const char *end)
{
	for (size_t i = 0; i < want.n;) {
		char c[4];
		size_t n;

		/*
		 * Nearly every place that is looked at ends here, for which a call would be much.
		 */
		if ((unsigned char)p[i] < 0x80) {
			if (small_letter(p[i]) != want.p[i]) {
				return false;
			}
			i++;
			continue;
		}
		n = fold_char((struct slice) { p + i, (size_t)(end - p) - i }, c);
		if (n > want.n - i || memcmp(c, want.p + i, n) != 0) {
			return false;
		}
		i += n;
	}
	return true;
}

static const char *next(const char *from, const char *last, char c)
{
	return from > last ? NULL : memchr(from, c, (size_t)(last - from) + 1);
}

static bool search_by(struct slice want, size_t rare, struct slice text)
{
	const char *first = text.p + rare, *last = text.p + text.n - want.n + rare;
	char c = want.p[rare], capital = c >= 'a' && c <= 'z' ? (char)(c & ~0x20) : c;
	const char *small = next(first, last, c);
	const char *large = capital != c ? next(first, last, capital) : NULL;

	while (small != NULL || large != NULL) {
		bool is_small = large == NULL || (small != NULL && small < large);
		const char *at = is_small ? small : large;

		if (same(want, at - rare, text.p + text.n)) {
			return true;
		}
		if (is_small) {
			small = next(at + 1, last, c);
		} else {
			large = next(at + 1, last, capital);
		}
	}
	return false;
}

/* The first byte from p on that is not ASCII, or end. */
static const char *pass_ascii(const char *p, const char *end)
{
	uint64_t eight;

	while (end - p >= 8) {
		memcpy(&eight, p, 8);
		if ((eight & UINT64_C(0x8080808080808080)) != 0) {
			break;
		}
		p += 8;
	}
	while (p < end && (unsigned char)*p < 0x80) {
		p++;
	}
	return p;
}

/* Without a byte to jump to, all of it letters of other scripts: every place that is not ASCII. */
static bool search_all(struct slice want, struct slice text)
{
	const char *end = text.p + text.n - want.n + 1;

	for (const char *p = pass_ascii(text.p, end); p < end; p = pass_ascii(p + 1, end)) {
		if (same(want, p, text.p + text.n)) {
			return true;
		}
	}
	return false;
}

static bool search(struct slice want, size_t rare, struct slice text)
{
	if (text.n < want.n) {
		return false;
	}
	return rare == want.n ? search_all(want, text) : search_by(want, rare, text);
}

bool finder_in(const struct finder *f, struct slice text)
{
	return search(f->folded, f->rare, text);
}

static bool has_escaped_character(struct slice json)
{
	size_t at = 0;

	while (at < json.n) {
		const char *found = memchr(json.p + at, '\\', json.n - at);

		if (found == NULL) {
			return false;
		}
		at = (size_t)(found - json.p) + 2;
		if (at <= json.n && found[1] == 'u') {
			return true;
		}
	}
	return false;
}

bool finder_may_be_in(const struct finder *f, struct slice json)
{
	return f->anchor.n == 0 || search(f->anchor, f->anchor_rare, json) ||
	       has_escaped_character(json);
}
