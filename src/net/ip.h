/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_IP_H
#define NET_IP_H

#include "base/err.h"
#include "base/slice.h"

/*
 * IP addresses, ranges of them, and the question "may we connect there?". A v4 address and its
 * v4-mapped v6 form (::ffff:a.b.c.d) are one value, so no check can be passed by spelling an
 * address the other way. Pure; any thread; nothing allocates.
 */
struct sockaddr;
struct ip {
	uint8_t v[16]; /* network order; v4 as ::ffff:a.b.c.d */
};

/* Longest text with its terminator: 8 groups, or 6 groups and a dotted quad. */
#define IP_TEXT_BYTES 46
struct ip_text {
	char p[IP_TEXT_BYTES];
};

/*
 * A dotted quad without leading zeros, or RFC 4291 section 2.2 text. No brackets, no zone, no
 * port, no blanks, no shortened or octal or hexadecimal v4 forms.
 */
NODISCARD bool ip_parse(struct slice text, struct ip *out);
/* RFC 5952; v4 as a dotted quad. */
struct ip_text ip_format(struct ip ip);
/* False for another family or a length that is too short. port may be NULL; scope is dropped. */
NODISCARD bool ip_from_sockaddr(const struct sockaddr *sa, size_t n, struct ip *out,
				uint16_t *port);
bool ip_is_v4(struct ip ip);
bool ip_eq(struct ip a, struct ip b);

/* What the registries say about an address (RFC 6890 and what changed it since). */
enum ip_class {
	IP_PUBLIC,
	IP_UNSPECIFIED,	  /* 0/8, ::; connecting there reaches ourselves */
	IP_LOOPBACK,	  /* 127/8, ::1 */
	IP_PRIVATE,	  /* RFC 1918, RFC 4193 fc00::/7, old site-local fec0::/10 */
	IP_SHARED,	  /* RFC 6598 100.64/10 */
	IP_LINK_LOCAL,	  /* 169.254/16, fe80::/10 */
	IP_METADATA,	  /* single addresses where clouds hand out credentials */
	IP_MULTICAST,	  /* 224/4, ff00::/8 */
	IP_BROADCAST,	  /* 255.255.255.255 */
	IP_DOCUMENTATION, /* RFC 5737, RFC 3849, RFC 9637 */
	IP_BENCHMARK,	  /* RFC 2544, RFC 5180 */
	IP_EMBEDDED,	  /* 6to4, NAT64, Teredo and the like around a v4 that is not public */
	IP_RESERVED,	  /* everything else that is not for the open internet */
	IP_CLASSES
};
enum ip_class ip_class(struct ip ip);
/* "public", "loopback", "link-local" ...: for error texts and metrics. */
const char *ip_class_name(enum ip_class c);

/* All addresses of one family that share the first bits of ip. */
struct cidr {
	struct ip ip;
	uint8_t bits; /* of 128; a v4 /n is 96 + n */
};

/* "10.0.0.0/8", "fd00::/8", or one address. Bits behind the prefix must be 0: they hide typos. */
NODISCARD bool cidr_parse(struct slice text, struct cidr *out, struct err *err);
/* v4 and v6 never match each other: ::/0 is all of v6. */
bool cidr_has(const struct cidr *c, struct ip ip);

#define IP_SET_MAX 64 /* ranges in one setting; a linear walk must stay cheap per connection */
struct ip_set {
	struct cidr items[IP_SET_MAX];
	size_t n;
};

/* Ranges separated by commas or blanks; empty text is the empty set. */
NODISCARD bool ip_set_parse(struct slice text, struct ip_set *out, struct err *err);
bool ip_set_has(const struct ip_set *set, struct ip ip);

/* Which addresses that are not public may be connected to all the same. Zeroed: none. */
struct ip_policy {
	struct ip_set allowed;
	bool all;
};

/*
 * The setting "allow-private-targets": "none", "all", or a list of ranges and of the words
 * "loopback" (127/8, ::1) and "private" (RFC 1918, fc00::/7, 100.64/10). Link-local needs a range.
 */
NODISCARD bool ip_policy_parse(struct slice text, struct ip_policy *out, struct err *err);
/*
 * Public addresses are allowed, others only by the policy. A metadata address is allowed only by
 * "all" or by a range of that one address, since wide ranges are written without thinking of it.
 */
bool ip_policy_allows(const struct ip_policy *policy, struct ip ip);

#endif
