/* SPDX-License-Identifier: Apache-2.0 */
/* Percent-decoding into an arena; text without escapes is given back as it is. */
#include "net/http_query.h"

#include "net/http_bytes.h"

static struct slice decode(struct slice raw, bool plus, struct arena *req)
{
	char *to;
	size_t n = 0;

	if (slice_find(raw, '%') == raw.n && (!plus || slice_find(raw, '+') == raw.n)) {
		return raw;
	}
	to = arena_alloc(req, raw.n);
	for (size_t i = 0; i < raw.n; i++) {
		if (raw.p[i] == '%' && raw.n - i > 2) {
			to[n++] = (char)(http_hex(raw.p[i + 1]) << 4 | http_hex(raw.p[i + 2]));
			i += 2;
		} else {
			to[n++] = plus && raw.p[i] == '+' ? ' ' : raw.p[i];
		}
	}
	return (struct slice) { .p = to, .n = n };
}

struct slice http_path_decode(struct slice raw, struct arena *req)
{
	return decode(raw, false, req);
}

/* The next pair that is not empty, as sent. */
static bool pair_next(struct slice *rest, struct slice *name, struct slice *value)
{
	struct slice pair;
	size_t eq;

	do {
		if (!slice_split(rest, '&', &pair)) {
			return false;
		}
	} while (pair.n == 0);
	eq = slice_find(pair, '=');
	*name = (struct slice) { pair.p, eq };
	*value = slice_from(pair, eq + 1);
	return true;
}

bool http_query_next(struct slice *rest, struct arena *req, struct slice *name, struct slice *value)
{
	if (!pair_next(rest, name, value)) {
		return false;
	}
	*name = decode(*name, true, req);
	*value = decode(*value, true, req);
	return true;
}

bool http_query_get(struct slice query, const char *name, struct arena *req, struct slice *value)
{
	struct slice want = slice_of(name), raw, raw_value;

	while (pair_next(&query, &raw, &raw_value)) {
		if (slice_eq(decode(raw, true, req), want)) {
			*value = decode(raw_value, true, req);
			return true;
		}
	}
	return false;
}

static bool is_unreserved(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '.' || c == '_' || c == '~';
}

struct slice http_query_encode(struct slice value, struct arena *req)
{
	static const char digits[] = "0123456789ABCDEF";
	char *out = arena_alloc(req, 3 * value.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < value.n; i++) {
		unsigned char c = (unsigned char)value.p[i];

		if (is_unreserved(c)) {
			out[n++] = (char)c;
		} else {
			out[n++] = '%';
			out[n++] = digits[c >> 4];
			out[n++] = digits[c & 15];
		}
	}
	return (struct slice) { out, n };
}
