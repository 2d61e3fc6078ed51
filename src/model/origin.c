/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Origins are compared as texts, which browsers write in one way only; so what people write is
 * brought into that way once, when it is stored.
 */
#include "model/origin.h"

#define COMPLAINT "must be like https://shop.example or https://shop.example:8443, or *"
#define ANY_BELOW "*."

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_scheme(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!is_letter(c) &&
		    (i == 0 || !(is_digit(c) || c == '+' || c == '-' || c == '.'))) {
			return false;
		}
	}
	return s.n > 0;
}

static bool is_name(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!is_letter(c) && !is_digit(c) && c != '-' && c != '_' && c != '.') {
			return false;
		}
	}
	return s.n > 0;
}

/* "[::1]": what is between the brackets is for browsers to know. */
static bool is_literal(struct slice s)
{
	for (size_t i = 1; i + 1 < s.n; i++) {
		char c = s.p[i];

		if (!is_digit(c) && c != ':' && c != '.' && !(is_letter(c) && (c | 32) <= 'f')) {
			return false;
		}
	}
	return s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']';
}

static bool is_port(struct slice s)
{
	uint64_t v;

	return s.n > 0 && s.n <= 5 && s.p[0] != '0' && slice_u64(s, &v) && v <= UINT16_MAX;
}

/* Of what has the look of an origin. */
struct parts {
	struct slice scheme, host, port; /* without its colon */
	bool has_port;
};

static bool split(struct slice item, struct parts *out)
{
	size_t at = slice_find(item, ':');
	struct slice rest;
	size_t colon;

	*out = (struct parts) { .scheme = { item.p, at } };
	if (!slice_starts(slice_from(item, at), S("://"))) {
		return false;
	}
	rest = slice_from(item, at + 3);
	colon = rest.n;
	while (colon > 0 && is_digit(rest.p[colon - 1])) {
		colon--;
	}
	out->host = rest;
	if (colon > 0 && rest.p[colon - 1] == ':') {
		out->host.n = colon - 1;
		out->port = slice_from(rest, colon);
		out->has_port = true;
	}
	return true;
}

const char *origin_check(struct slice item)
{
	struct parts parts;

	if (slice_eq(item, S("*"))) {
		return NULL;
	}
	if (item.n > ORIGIN_BYTES_MAX) {
		return "must be at most 255 bytes";
	}
	if (!split(item, &parts) || !is_scheme(parts.scheme)) {
		return COMPLAINT;
	}
	if (slice_starts(parts.host, S(ANY_BELOW))) {
		parts.host = slice_from(parts.host, strlen(ANY_BELOW));
	}
	if (slice_find(parts.host, '/') < parts.host.n) {
		return "must end behind the host or port, without a path or a slash";
	}
	if (!is_name(parts.host) && !is_literal(parts.host)) {
		return COMPLAINT;
	}
	return !parts.has_port || is_port(parts.port) ? NULL : COMPLAINT;
}

static bool is_own_port(const struct parts *parts)
{
	return (slice_eq_nocase(parts->scheme, S("http")) && slice_eq(parts->port, S("80"))) ||
	       (slice_eq_nocase(parts->scheme, S("https")) && slice_eq(parts->port, S("443")));
}

struct slice origin_plain(struct slice item, struct arena *req)
{
	struct parts parts;
	char *p;

	if (!split(item, &parts)) {
		return item;
	}
	if (is_own_port(&parts)) {
		item.n -= parts.port.n + 1;
	}
	p = arena_alloc(req, item.n);
	for (size_t i = 0; i < item.n; i++) {
		p[i] = is_letter(item.p[i]) ? (char)(item.p[i] | 32) : item.p[i];
	}
	return (struct slice) { p, item.n };
}

static bool is_below(const struct parts *item, const struct parts *origin)
{
	struct slice tail = slice_from(item->host, strlen(ANY_BELOW) - 1); /* with its dot */
	size_t head;

	if (origin->host.n <= tail.n) {
		return false;
	}
	head = origin->host.n - tail.n;
	return slice_eq_nocase(slice_from(origin->host, head), tail) &&
	       is_name((struct slice) { origin->host.p, head }) &&
	       slice_eq_nocase(item->scheme, origin->scheme) &&
	       item->has_port == origin->has_port && slice_eq(item->port, origin->port);
}

bool origin_matches(struct slice item, struct slice origin)
{
	struct parts allowed, asks;

	if (slice_eq(item, S("*")) || slice_eq_nocase(item, origin)) {
		return true;
	}
	return split(item, &allowed) && slice_starts(allowed.host, S(ANY_BELOW)) &&
	       split(origin, &asks) && is_below(&allowed, &asks);
}
