/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_URL_H
#define NET_URL_H

#include "base/arena.h"
#include "base/err.h"
#include "net/ip.h"

/*
 * The URL of a target that somebody else chose, such as a webhook. What passes here has one reading
 * only: `text` is put together again from the checked parts, and that, never the input, goes to the
 * HTTP client. Forms that readers are known to disagree about are refused. Pure; any thread.
 */
#define URL_BYTES_MAX 2048 /* longer ones do not fit into what proxies and browsers accept */

struct url {
	struct slice text;   /* canonical and whole */
	struct slice host;   /* lower case; an address without brackets */
	struct slice target; /* path and query, at least "/" */
	struct ip ip;	     /* when is_ip */
	uint16_t port;	     /* of the scheme when none is given */
	bool tls;	     /* https */
	bool is_ip;	     /* host is an address, not a name */
};

/*
 * An absolute http or https URL of printable ASCII: no user name, no fragment, a port of 1 to
 * 65535; the host is a name of letters, digits, hyphens and underscores, a plain dotted quad, or an
 * IPv6 address in brackets without a zone. Any other numeric host (octal, hexadecimal, short,
 * decimal) is refused. text is borrowed for the call, out lives in req. Errors are INVALID and say
 * what is wrong without naming a field: wrap them.
 */
NODISCARD bool url_parse(struct arena *req, struct slice text, struct url *out, struct err *err);

/*
 * What can be said about a target before its name is resolved: ports of other protocols, literal
 * addresses and the name localhost are held against the policy. For early answers to people; the
 * HTTP client checks the real address again when it connects. FORBIDDEN when refused.
 */
NODISCARD bool url_allowed(const struct url *url, const struct ip_policy *policy, struct err *err);

/* Ports where something other than HTTP listens and might be made to obey a request's bytes. */
bool url_port_blocked(uint16_t port);

#endif
