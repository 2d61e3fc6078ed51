/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any text as an address, a range, a set and a policy: an address has one spelling that is read
 * again, and a range holds the address it is written by.
 */
#include "net/ip.h"

#include "test/fuzz/fuzz.h"

static void check_address(struct slice in)
{
	struct ip ip, again;
	struct ip_text text;

	if (!ip_parse(in, &ip)) {
		return;
	}
	text = ip_format(ip);
	ensure(ip_parse(slice_of(text.p), &again) && ip_eq(ip, again));
	ensure(ip_class(ip) < IP_CLASSES && ip_class_name(ip_class(ip))[0] != '\0');
	ensure(ip_is_v4(ip) == (strchr(text.p, ':') == NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct slice in = { (const char *)p, n };
	struct ip_policy policy = { 0 };
	struct ip_set set = { 0 };
	struct err err = { 0 };
	struct cidr range;

	check_address(in);
	if (cidr_parse(in, &range, &err)) {
		ensure(range.bits <= 128 && cidr_has(&range, range.ip));
	} else {
		ensure(err.kind != ERR_NONE);
	}
	if (ip_set_parse(in, &set, &err)) {
		ensure(set.n <= IP_SET_MAX);
		for (size_t i = 0; i < set.n; i++) {
			ensure(ip_set_has(&set, set.items[i].ip));
		}
	}
	if (ip_policy_parse(in, &policy, &err)) {
		ensure(policy.allowed.n <= IP_SET_MAX);
	}
	return 0;
}
