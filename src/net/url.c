/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Check the bytes, then cut: scheme, authority, host, port, target. Every step knows the exact set
 * of bytes that it takes, so nothing is left over for a later reader to understand differently.
 */
#include "net/url.h"

#include <stdio.h>

#define HOST_BYTES_MAX 253 /* RFC 1035 section 3.1, as text without the root */
#define LABEL_BYTES_MAX 63 /* the same */

/* The list of the Fetch standard, and two stores that take commands from any line they can read. */
static const uint16_t blocked_ports[] = {
	1,    7,    9,	  11,	13,   15,   17,	  19,	20,   21,   22,	  23,	25,    37,
	42,   43,   53,	  69,	77,   79,   87,	  95,	101,  102,  103,  104,	109,   110,
	111,  113,  115,  117,	119,  123,  135,  137,	139,  143,  161,  179,	389,   427,
	465,  512,  513,  514,	515,  526,  530,  531,	532,  540,  548,  554,	556,   563,
	587,  601,  636,  989,	990,  993,  995,  1719, 1720, 1723, 2049, 3659, 4045,  4190,
	5060, 5061, 6000, 6379, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080, 11211,
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool bytes_ok(struct slice text, struct err *err)
{
	static const struct slice never_raw = S("\\\"<>^`{|}");

	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		if (c <= ' ' || c == 0x7f) {
			return err_set(err, ERR_INVALID, "blank or control byte at offset %zu", i);
		}
		if (c > 0x7f) {
			return err_set(err, ERR_INVALID,
				       "byte at offset %zu is not ASCII: write host names in "
				       "punycode and escape the rest",
				       i);
		}
		if (slice_find(never_raw, (char)c) != never_raw.n) {
			return err_set(err, ERR_INVALID, "'%c' must be percent-encoded", c);
		}
		if (c == '#') {
			return err_set(err, ERR_INVALID, "a fragment is never sent: remove it");
		}
	}
	return true;
}

static bool escapes_ok(struct slice target, struct err *err)
{
	for (size_t i = 0; i < target.n; i++) {
		if (target.p[i] == '%' &&
		    (target.n - i < 3 || !is_hex(target.p[i + 1]) || !is_hex(target.p[i + 2]))) {
			return err_set(err, ERR_INVALID, "'%%' is not followed by two digits");
		}
	}
	return true;
}

static bool take_scheme(struct slice *rest, bool *tls, struct err *err)
{
	struct slice head = { .p = rest->p, .n = slice_find(*rest, '/') + 2 };

	if (head.n <= rest->n && slice_eq_nocase(head, S("https://"))) {
		*tls = true;
	} else if (head.n <= rest->n && slice_eq_nocase(head, S("http://"))) {
		*tls = false;
	} else {
		return err_set(err, ERR_INVALID, "does not start with http:// or https://");
	}
	*rest = slice_from(*rest, head.n);
	return true;
}

/* Cut up to the first '/' or '?', which starts the target. */
static struct slice take_authority(struct slice *rest)
{
	size_t slash = slice_find(*rest, '/');
	size_t query = slice_find(*rest, '?');
	struct slice authority = { .p = rest->p, .n = slash < query ? slash : query };

	*rest = slice_from(*rest, authority.n);
	return authority;
}

/* Cut the host off; what is left is empty or starts with ':'. */
static bool take_host(struct slice *rest, struct slice *host, bool *literal, struct err *err)
{
	size_t end;

	*literal = rest->n > 0 && rest->p[0] == '[';
	end = slice_find(*rest, *literal ? ']' : ':');
	if (*literal && end == rest->n) {
		return err_set(err, ERR_INVALID, "'[' without ']' around the host");
	}
	*host = *literal ? (struct slice) { .p = rest->p + 1, .n = end - 1 }
			 : (struct slice) { .p = rest->p, .n = end };
	*rest = slice_from(*rest, *literal ? end + 1 : end);
	if (host->n == 0) {
		return err_set(err, ERR_INVALID, "has no host");
	}
	if (rest->n > 0 && rest->p[0] != ':') {
		return err_set(err, ERR_INVALID, "has bytes between host and port");
	}
	return true;
}

/* rest is what follows the host. */
static bool parse_port(struct slice rest, struct url *out, struct err *err)
{
	uint64_t port;

	out->port = out->tls ? 443 : 80;
	if (rest.n == 0) {
		return true;
	}
	rest = slice_from(rest, 1);
	if (rest.n == 0 || rest.n > 5 || rest.p[0] == '0' || !slice_u64(rest, &port) ||
	    port > UINT16_MAX) {
		return err_set(err, ERR_INVALID, "port must be a number from 1 to 65535");
	}
	out->port = (uint16_t)port;
	return true;
}

static bool label_ok(struct slice label, struct err *err)
{
	if (label.n == 0 || label.n > LABEL_BYTES_MAX) {
		return err_set(err, ERR_INVALID,
			       "host has an empty part between dots or one over %d bytes",
			       LABEL_BYTES_MAX);
	}
	for (size_t i = 0; i < label.n; i++) {
		char c = label.p[i];
		if (!is_digit(c) && !(c >= 'a' && c <= 'z') && c != '-' && c != '_') {
			return err_set(err, ERR_INVALID, "host has the byte '%c'", c);
		}
	}
	if (label.p[0] == '-' || label.p[label.n - 1] == '-') {
		return err_set(err, ERR_INVALID, "host has a part that starts or ends with '-'");
	}
	return true;
}

/*
 * Whether readers that follow the URL standard take the host for a v4 address: they do when its
 * last part is a decimal or hexadecimal number.
 */
static bool is_number(struct slice label)
{
	size_t i = 0;

	if (slice_starts(label, S("0x"))) {
		for (i = 2; i < label.n && is_hex(label.p[i]); i++) {
		}
		return i == label.n;
	}
	while (i < label.n && is_digit(label.p[i])) {
		i++;
	}
	return i == label.n;
}

static bool name_ok(struct slice host, struct err *err)
{
	struct slice rest = host;
	struct slice label = { 0 };

	if (host.n > HOST_BYTES_MAX) {
		return err_set(err, ERR_INVALID, "host is over %d bytes", HOST_BYTES_MAX);
	}
	if (host.p[host.n - 1] == '.') {
		return err_set(err, ERR_INVALID, "host ends with a dot");
	}
	while (slice_split(&rest, '.', &label)) {
		if (!label_ok(label, err)) {
			return false;
		}
	}
	if (is_number(label)) {
		return err_set(err, ERR_INVALID,
			       "host is numeric but not an address of the form 192.0.2.1");
	}
	return true;
}

static struct slice lower(struct arena *req, struct slice s)
{
	char *p = arena_cstr(req, s);

	for (size_t i = 0; i < s.n; i++) {
		p[i] = p[i] >= 'A' && p[i] <= 'Z' ? (char)(p[i] + 32) : p[i];
	}
	return (struct slice) { .p = p, .n = s.n };
}

/* host is the part between the brackets, if it is a literal. */
static bool parse_host(struct arena *req, struct slice host, bool literal, struct url *out,
		       struct err *err)
{
	bool has_colon = slice_find(host, ':') != host.n;

	out->is_ip = (literal == has_colon) && ip_parse(host, &out->ip);
	if (out->is_ip) {
		out->host = arena_dup(req, slice_of(ip_format(out->ip).p));
		return true;
	}
	if (literal) {
		return err_set(err, ERR_INVALID,
			       "brackets must hold an IPv6 address without a zone");
	}
	out->host = lower(req, host);
	return name_ok(out->host, err);
}

static void compose(struct arena *req, struct slice target, struct url *out)
{
	bool v6 = out->is_ip && !ip_is_v4(out->ip);
	bool common = out->port == (out->tls ? 443 : 80);
	const char *slash = target.n > 0 && target.p[0] == '/' ? "" : "/";
	char port[8] = "";
	size_t head;

	if (!common) {
		snprintf(port, sizeof(port), ":%u", out->port);
	}
	out->text = arena_printf(req, "%s://%s%.*s%s%s%s%.*s", out->tls ? "https" : "http",
				 v6 ? "[" : "", SARG(out->host), v6 ? "]" : "", port, slash,
				 SARG(target));
	head = out->text.n - target.n - strlen(slash);
	out->target = slice_from(out->text, head);
}

bool url_parse(struct arena *req, struct slice text, struct url *out, struct err *err)
{
	struct slice rest = text;
	struct slice authority;
	struct slice host = { 0 };
	bool literal = false;

	*out = (struct url) { 0 };
	if (text.n == 0) {
		return err_set(err, ERR_INVALID, "is empty");
	}
	if (text.n > URL_BYTES_MAX) {
		return err_set(err, ERR_INVALID, "is over %d bytes", URL_BYTES_MAX);
	}
	if (!bytes_ok(text, err) || !take_scheme(&rest, &out->tls, err)) {
		return false;
	}
	authority = take_authority(&rest);
	if (slice_find(authority, '@') != authority.n) {
		return err_set(err, ERR_INVALID, "must not hold a user name or password");
	}
	if (!take_host(&authority, &host, &literal, err) ||
	    !parse_host(req, host, literal, out, err) || !parse_port(authority, out, err) ||
	    !escapes_ok(rest, err)) {
		return false;
	}
	compose(req, rest, out);
	return true;
}

bool url_port_blocked(uint16_t port)
{
	for (size_t i = 0; i < ARRAY_LEN(blocked_ports); i++) {
		if (blocked_ports[i] == port) {
			return true;
		}
	}
	return false;
}

bool url_allowed(const struct url *url, const struct ip_policy *policy, struct err *err)
{
	struct ip ip = url->ip;

	if (url_port_blocked(url->port)) {
		return err_set(err, ERR_FORBIDDEN, "port %u belongs to another protocol",
			       url->port);
	}
	if (!url->is_ip) {
		/* RFC 6761 section 6.3: these names mean this machine, whatever a server says. */
		if (!slice_eq(url->host, S("localhost")) &&
		    !slice_ends(url->host, S(".localhost"))) {
			return true;
		}
		ensure(ip_parse(S("127.0.0.1"), &ip));
	}
	if (!ip_policy_allows(policy, ip)) {
		return err_set(err, ERR_FORBIDDEN,
			       "\"%.*s\" is a %s address, which \"allow-private-targets\" does "
			       "not open",
			       SARG(url->host), ip_class_name(ip_class(ip)));
	}
	return true;
}
