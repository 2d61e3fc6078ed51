/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses are 16 bytes whatever their family, so that every rule is a row "these first bits mean
 * that class" in one table, narrow rows before the wide ones around them.
 */
#include "net/ip.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define V4_BITS 96 /* where a v4 address starts in the 128 bits */

static const uint8_t v4_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

/* Where a transition mechanism keeps the v4 address that a packet really goes to. */
struct embedding {
	struct cidr range;
	uint8_t at;  /* byte of the v4 address */
	bool hidden; /* every bit inverted, as Teredo does */
};

struct class_row {
	struct cidr range;
	enum ip_class class;
};

#define V4(a, b, c, d, n) \
	{ \
		.ip = { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d } }, \
		.bits = V4_BITS + (n) \
	}
/* The first four groups of a v6 prefix. */
#define V6(a, b, c, d, n) \
	{ \
		.ip = { { (a) >> 8, (a)&0xff, (b) >> 8, (b)&0xff, (c) >> 8, (c)&0xff, (d) >> 8, \
			  (d)&0xff } }, \
		.bits = (n) \
	}
/* One v6 address of the form a:b:c::z. */
#define V6_HOST(a, b, c, z) \
	{ \
		.ip = { { (a) >> 8, (a)&0xff, (b) >> 8, (b)&0xff, (c) >> 8, (c)&0xff, 0, 0, 0, 0, \
			  0, 0, 0, 0, (z) >> 8, (z)&0xff } }, \
		.bits = 128 \
	}

/* IANA special-purpose address registries, and the metadata services of the large clouds. */
static const struct class_row classes[] = {
	{ V4(169, 254, 169, 254, 32), IP_METADATA }, /* nearly every cloud */
	{ V4(169, 254, 170, 2, 32), IP_METADATA },   /* AWS containers */
	{ V4(169, 254, 170, 23, 32), IP_METADATA },  /* AWS pods */
	{ V4(100, 100, 100, 200, 32), IP_METADATA }, /* Alibaba */
	{ V4(168, 63, 129, 16, 32), IP_METADATA },   /* Azure */
	{ V4(192, 0, 0, 192, 32), IP_METADATA },     /* Oracle */
	{ V4(0, 0, 0, 0, 8), IP_UNSPECIFIED },
	{ V4(10, 0, 0, 0, 8), IP_PRIVATE },
	{ V4(100, 64, 0, 0, 10), IP_SHARED },
	{ V4(127, 0, 0, 0, 8), IP_LOOPBACK },
	{ V4(169, 254, 0, 0, 16), IP_LINK_LOCAL },
	{ V4(172, 16, 0, 0, 12), IP_PRIVATE },
	{ V4(192, 0, 0, 0, 24), IP_RESERVED },
	{ V4(192, 0, 2, 0, 24), IP_DOCUMENTATION },
	{ V4(192, 88, 99, 0, 24), IP_RESERVED }, /* 6to4 relays, RFC 7526 */
	{ V4(192, 168, 0, 0, 16), IP_PRIVATE },
	{ V4(198, 18, 0, 0, 15), IP_BENCHMARK },
	{ V4(198, 51, 100, 0, 24), IP_DOCUMENTATION },
	{ V4(203, 0, 113, 0, 24), IP_DOCUMENTATION },
	{ V4(224, 0, 0, 0, 4), IP_MULTICAST },
	{ V4(255, 255, 255, 255, 32), IP_BROADCAST },
	{ V4(240, 0, 0, 0, 4), IP_RESERVED },
	{ V4(0, 0, 0, 0, 0), IP_PUBLIC },
	{ V6_HOST(0, 0, 0, 0), IP_UNSPECIFIED },
	{ V6_HOST(0, 0, 0, 1), IP_LOOPBACK },
	{ V6_HOST(0xfd00, 0xec2, 0, 0x254), IP_METADATA }, /* AWS */
	{ V6_HOST(0xfd00, 0xec2, 0, 0x23), IP_METADATA },  /* AWS pods */
	{ V6_HOST(0xfd20, 0xce, 0, 0x254), IP_METADATA },  /* Google */
	{ V6(0xfc00, 0, 0, 0, 7), IP_PRIVATE },
	{ V6(0xfec0, 0, 0, 0, 10), IP_PRIVATE },
	{ V6(0xfe80, 0, 0, 0, 10), IP_LINK_LOCAL },
	{ V6(0xff00, 0, 0, 0, 8), IP_MULTICAST },
	{ V6(0x2001, 0x2, 0, 0, 48), IP_BENCHMARK },
	{ V6(0x2001, 0xdb8, 0, 0, 32), IP_DOCUMENTATION },
	{ V6(0x3fff, 0, 0, 0, 20), IP_DOCUMENTATION },
	{ V6(0x2001, 0, 0, 0, 23), IP_RESERVED }, /* protocol assignments */
	{ V6(0x2000, 0, 0, 0, 3), IP_PUBLIC },
	{ V6(0x64, 0xff9b, 0, 0, 96), IP_PUBLIC }, /* hosts without v4 reach v4 through NAT64 */
	{ V6(0, 0, 0, 0, 0), IP_RESERVED },	   /* never assigned as global unicast */
};

static const struct embedding embeddings[] = {
	{ V6(0, 0, 0, 0, 96), 12, false },	   /* v4-compatible, RFC 4291 */
	{ V6(0x64, 0xff9b, 0, 0, 96), 12, false }, /* NAT64, RFC 6052 */
	{ V6(0x64, 0xff9b, 1, 0, 48), 12, false }, /* local NAT64, RFC 8215, as a /96 */
	{ V6(0x2002, 0, 0, 0, 16), 2, false },	   /* 6to4, RFC 3056 */
	{ V6(0x2001, 0, 0, 0, 32), 12, true },	   /* Teredo client, RFC 4380 */
	{ V6(0x2001, 0, 0, 0, 32), 4, false },	   /* Teredo server */
	{ { .ip = { { [8] = 0xff, [9] = 0xff } }, .bits = 96 }, 12, false }, /* RFC 2765 */
};

static struct ip from_v4(const uint8_t v4[4])
{
	struct ip ip;

	memcpy(ip.v, v4_prefix, sizeof(v4_prefix));
	memcpy(ip.v + sizeof(v4_prefix), v4, 4);
	return ip;
}

bool ip_parse(struct slice text, struct ip *out)
{
	char buf[IP_TEXT_BYTES];
	struct in_addr v4;

	if (text.n == 0 || text.n >= sizeof(buf) || slice_find(text, '\0') != text.n) {
		return false;
	}
	memcpy(buf, text.p, text.n);
	buf[text.n] = '\0';
	if (slice_find(text, ':') != text.n) {
		return inet_pton(AF_INET6, buf, out->v) == 1;
	}
	if (inet_pton(AF_INET, buf, &v4) != 1) {
		return false;
	}
	*out = from_v4((const uint8_t *)&v4);
	return true;
}

struct ip_text ip_format(struct ip ip)
{
	struct ip_text text = { 0 };
	bool v4 = ip_is_v4(ip);
	const void *bytes = v4 ? ip.v + sizeof(v4_prefix) : ip.v;

	ensure(inet_ntop(v4 ? AF_INET : AF_INET6, bytes, text.p, sizeof(text.p)) != NULL);
	return text;
}

bool ip_from_sockaddr(const struct sockaddr *sa, size_t n, struct ip *out, uint16_t *port)
{
	uint16_t p;

	if (n >= sizeof(struct sockaddr_in) && sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)sa;
		*out = from_v4((const uint8_t *)&in->sin_addr);
		p = ntohs(in->sin_port);
	} else if (n >= sizeof(struct sockaddr_in6) && sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)sa;
		memcpy(out->v, &in6->sin6_addr, sizeof(out->v));
		p = ntohs(in6->sin6_port);
	} else {
		return false;
	}
	if (port != NULL) {
		*port = p;
	}
	return true;
}

bool ip_is_v4(struct ip ip)
{
	return memcmp(ip.v, v4_prefix, sizeof(v4_prefix)) == 0;
}

bool ip_eq(struct ip a, struct ip b)
{
	return memcmp(a.v, b.v, sizeof(a.v)) == 0;
}

static enum ip_class class_of(struct ip ip)
{
	for (size_t i = 0; i < ARRAY_LEN(classes); i++) {
		if (cidr_has(&classes[i].range, ip)) {
			return classes[i].class;
		}
	}
	never("the last rows match everything");
}

static struct ip embedded_v4(const struct embedding *e, struct ip ip)
{
	uint8_t v4[4];

	for (size_t i = 0; i < sizeof(v4); i++) {
		v4[i] = e->hidden ? (uint8_t)~ip.v[e->at + i] : ip.v[e->at + i];
	}
	return from_v4(v4);
}

enum ip_class ip_class(struct ip ip)
{
	enum ip_class c = class_of(ip);

	if (c != IP_PUBLIC && c != IP_RESERVED) {
		return c;
	}
	for (size_t i = 0; i < ARRAY_LEN(embeddings); i++) {
		if (cidr_has(&embeddings[i].range, ip) &&
		    class_of(embedded_v4(&embeddings[i], ip)) != IP_PUBLIC) {
			return IP_EMBEDDED;
		}
	}
	return c;
}

const char *ip_class_name(enum ip_class c)
{
	static const char *const names[] = {
		[IP_PUBLIC] = "public",
		[IP_UNSPECIFIED] = "unspecified",
		[IP_LOOPBACK] = "loopback",
		[IP_PRIVATE] = "private",
		[IP_SHARED] = "shared (carrier-grade NAT)",
		[IP_LINK_LOCAL] = "link-local",
		[IP_METADATA] = "cloud metadata",
		[IP_MULTICAST] = "multicast",
		[IP_BROADCAST] = "broadcast",
		[IP_DOCUMENTATION] = "documentation",
		[IP_BENCHMARK] = "benchmark",
		[IP_EMBEDDED] = "tunnel to a non-public v4",
		[IP_RESERVED] = "reserved",
	};
	static_assert(ARRAY_LEN(names) == IP_CLASSES, "one name per class");

	return names[c];
}

/* Whether a and b agree in their first bits. */
static bool same_prefix(struct ip a, struct ip b, size_t bits)
{
	size_t whole = bits / 8;
	size_t rest = bits % 8;

	if (memcmp(a.v, b.v, whole) != 0) {
		return false;
	}
	return rest == 0 || ((a.v[whole] ^ b.v[whole]) >> (8 - rest)) == 0;
}

static bool cidr_is_v4(const struct cidr *c)
{
	return c->bits >= V4_BITS && ip_is_v4(c->ip);
}

bool cidr_has(const struct cidr *c, struct ip ip)
{
	return cidr_is_v4(c) == ip_is_v4(ip) && same_prefix(c->ip, ip, c->bits);
}

static bool is_clean(const struct cidr *c)
{
	for (size_t bit = c->bits; bit < 128; bit++) {
		if (((c->ip.v[bit / 8] >> (7 - bit % 8)) & 1) != 0) {
			return false;
		}
	}
	return true;
}

bool cidr_parse(struct slice text, struct cidr *out, struct err *err)
{
	size_t at = slice_find(text, '/');
	struct slice bits = slice_from(text, at + 1);
	uint64_t n;
	uint64_t most;

	if (!ip_parse((struct slice) { .p = text.p, .n = at }, &out->ip)) {
		return err_set(err, ERR_INVALID, "\"%.*s\" is not an IP address or range",
			       SARG(text));
	}
	most = slice_find(text, ':') == text.n ? 128 - V4_BITS : 128;
	if (at == text.n) {
		n = most;
	} else if (bits.n > 3 || (bits.n > 1 && bits.p[0] == '0') || !slice_u64(bits, &n) ||
		   n > most) {
		return err_set(err, ERR_INVALID, "\"%.*s\" needs a prefix of 0 to %u bits",
			       SARG(text), (unsigned)most);
	}
	out->bits = (uint8_t)(n + 128 - most);
	if (!is_clean(out)) {
		return err_set(err, ERR_INVALID, "\"%.*s\" has bits set behind its prefix",
			       SARG(text));
	}
	return true;
}

/* The next word of a list with commas or blanks between; false at its end. */
static bool next_word(struct slice *rest, struct slice *word)
{
	size_t n = 0;

	while (rest->n > 0 && (rest->p[0] == ',' || rest->p[0] == ' ' || rest->p[0] == '\t')) {
		*rest = slice_from(*rest, 1);
	}
	while (n < rest->n && rest->p[n] != ',' && rest->p[n] != ' ' && rest->p[n] != '\t') {
		n++;
	}
	*word = (struct slice) { .p = rest->p, .n = n };
	*rest = slice_from(*rest, n);
	return n > 0;
}

static bool set_add(struct ip_set *set, struct slice word, struct err *err)
{
	if (set->n == IP_SET_MAX) {
		return err_set(err, ERR_INVALID, "more than %d ranges", IP_SET_MAX);
	}
	if (!cidr_parse(word, &set->items[set->n], err)) {
		return false;
	}
	set->n++;
	return true;
}

bool ip_set_parse(struct slice text, struct ip_set *out, struct err *err)
{
	struct slice word;

	*out = (struct ip_set) { 0 };
	while (next_word(&text, &word)) {
		if (!set_add(out, word, err)) {
			return false;
		}
	}
	return true;
}

bool ip_set_has(const struct ip_set *set, struct ip ip)
{
	for (size_t i = 0; i < set->n; i++) {
		if (cidr_has(&set->items[i], ip)) {
			return true;
		}
	}
	return false;
}

/* What a word of the setting stands for; a word that is none is a range itself. */
static struct slice policy_word(struct slice word)
{
	if (slice_eq(word, S("loopback"))) {
		return S("127.0.0.0/8,::1");
	}
	if (slice_eq(word, S("private"))) {
		return S("10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7,100.64.0.0/10");
	}
	return word;
}

bool ip_policy_parse(struct slice text, struct ip_policy *out, struct err *err)
{
	struct slice word;
	struct slice ranges;
	struct slice range;

	*out = (struct ip_policy) { 0 };
	text = slice_trim(text);
	if (slice_eq(text, S("none"))) {
		return true;
	}
	if (slice_eq(text, S("all"))) {
		out->all = true;
		return true;
	}
	while (next_word(&text, &word)) {
		ranges = policy_word(word);
		while (next_word(&ranges, &range)) {
			if (!set_add(&out->allowed, range, err)) {
				return err_wrap(err, "none, all, loopback, private or ranges");
			}
		}
	}
	return true;
}

bool ip_policy_allows(const struct ip_policy *policy, struct ip ip)
{
	enum ip_class c = ip_class(ip);

	if (c == IP_PUBLIC || policy->all) {
		return true;
	}
	for (size_t i = 0; i < policy->allowed.n; i++) {
		const struct cidr *range = &policy->allowed.items[i];
		if (cidr_has(range, ip) && (c != IP_METADATA || range->bits == 128)) {
			return true;
		}
	}
	return false;
}
