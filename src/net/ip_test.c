/* SPDX-License-Identifier: Apache-2.0 */
/* Every address has one value and one class, however it is spelled; only public ones are open. */
#include "net/ip.h"

#include <arpa/inet.h>

#include "test/t.h"

static const struct {
	const char *text;
	enum ip_class class;
} addresses[] = {
	/* public, among them the neighbours of every special range */
	{ "1.1.1.1", IP_PUBLIC },
	{ "8.8.8.8", IP_PUBLIC },
	{ "1.0.0.0", IP_PUBLIC },
	{ "9.255.255.255", IP_PUBLIC },
	{ "11.0.0.0", IP_PUBLIC },
	{ "100.63.255.255", IP_PUBLIC },
	{ "100.128.0.0", IP_PUBLIC },
	{ "126.255.255.255", IP_PUBLIC },
	{ "128.0.0.0", IP_PUBLIC },
	{ "168.63.129.15", IP_PUBLIC },
	{ "169.253.255.255", IP_PUBLIC },
	{ "169.255.0.0", IP_PUBLIC },
	{ "172.15.255.255", IP_PUBLIC },
	{ "172.32.0.0", IP_PUBLIC },
	{ "191.255.255.255", IP_PUBLIC },
	{ "192.0.1.0", IP_PUBLIC },
	{ "192.0.3.0", IP_PUBLIC },
	{ "192.88.98.255", IP_PUBLIC },
	{ "192.88.100.0", IP_PUBLIC },
	{ "192.167.255.255", IP_PUBLIC },
	{ "192.169.0.0", IP_PUBLIC },
	{ "198.17.255.255", IP_PUBLIC },
	{ "198.20.0.0", IP_PUBLIC },
	{ "198.51.99.255", IP_PUBLIC },
	{ "198.51.101.0", IP_PUBLIC },
	{ "203.0.112.255", IP_PUBLIC },
	{ "203.0.114.0", IP_PUBLIC },
	{ "223.255.255.255", IP_PUBLIC },
	{ "2606:4700:4700::1111", IP_PUBLIC },
	{ "2001:4860:4860::8888", IP_PUBLIC },
	{ "2001:200::1", IP_PUBLIC },
	{ "2001:db7:ffff::1", IP_PUBLIC },
	{ "2001:db9::1", IP_PUBLIC },
	{ "2a00:1450:4001:82a::200e", IP_PUBLIC },
	{ "3ffe::1", IP_PUBLIC },
	{ "::ffff:8.8.8.8", IP_PUBLIC },
	{ "::ffff:808:808", IP_PUBLIC },
	{ "64:ff9b::8.8.8.8", IP_PUBLIC },
	{ "2002:808:808::1", IP_PUBLIC },
	/* ourselves */
	{ "0.0.0.0", IP_UNSPECIFIED },
	{ "0.0.0.1", IP_UNSPECIFIED },
	{ "0.255.255.255", IP_UNSPECIFIED },
	{ "::", IP_UNSPECIFIED },
	{ "0:0:0:0:0:0:0:0", IP_UNSPECIFIED },
	{ "::ffff:0.0.0.0", IP_UNSPECIFIED },
	{ "127.0.0.1", IP_LOOPBACK },
	{ "127.0.0.0", IP_LOOPBACK },
	{ "127.1.2.3", IP_LOOPBACK },
	{ "127.255.255.255", IP_LOOPBACK },
	{ "::1", IP_LOOPBACK },
	{ "0:0:0:0:0:0:0:1", IP_LOOPBACK },
	{ "0000:0000:0000:0000:0000:0000:0000:0001", IP_LOOPBACK },
	{ "::0:1", IP_LOOPBACK },
	{ "::ffff:127.0.0.1", IP_LOOPBACK },
	{ "::FFFF:7f00:1", IP_LOOPBACK },
	{ "0:0:0:0:0:ffff:127.0.0.1", IP_LOOPBACK },
	{ "::0.0.0.1", IP_LOOPBACK },
	/* inside */
	{ "10.0.0.0", IP_PRIVATE },
	{ "10.255.255.255", IP_PRIVATE },
	{ "172.16.0.0", IP_PRIVATE },
	{ "172.31.255.255", IP_PRIVATE },
	{ "192.168.0.0", IP_PRIVATE },
	{ "192.168.255.255", IP_PRIVATE },
	{ "::ffff:10.1.2.3", IP_PRIVATE },
	{ "::ffff:c0a8:1", IP_PRIVATE },
	{ "fc00::", IP_PRIVATE },
	{ "fd12:3456:789a::1", IP_PRIVATE },
	{ "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", IP_PRIVATE },
	{ "fd00:ec2::253", IP_PRIVATE },
	{ "fec0::1", IP_PRIVATE },
	{ "feff::1", IP_PRIVATE },
	{ "100.64.0.0", IP_SHARED },
	{ "100.127.255.255", IP_SHARED },
	{ "::ffff:100.64.0.1", IP_SHARED },
	{ "169.254.0.0", IP_LINK_LOCAL },
	{ "169.254.255.255", IP_LINK_LOCAL },
	{ "fe80::1", IP_LINK_LOCAL },
	{ "febf:ffff::1", IP_LINK_LOCAL },
	{ "fe80::a9fe:a9fe", IP_LINK_LOCAL },
	/* credentials to be had */
	{ "169.254.169.254", IP_METADATA },
	{ "::ffff:169.254.169.254", IP_METADATA },
	{ "::ffff:a9fe:a9fe", IP_METADATA },
	{ "169.254.170.2", IP_METADATA },
	{ "169.254.170.23", IP_METADATA },
	{ "100.100.100.200", IP_METADATA },
	{ "168.63.129.16", IP_METADATA },
	{ "192.0.0.192", IP_METADATA },
	{ "fd00:ec2::254", IP_METADATA },
	{ "fd00:ec2::23", IP_METADATA },
	{ "fd20:ce::254", IP_METADATA },
	/* nobody in particular */
	{ "224.0.0.0", IP_MULTICAST },
	{ "224.0.0.251", IP_MULTICAST },
	{ "239.255.255.255", IP_MULTICAST },
	{ "::ffff:224.0.0.1", IP_MULTICAST },
	{ "ff02::1", IP_MULTICAST },
	{ "ff00::", IP_MULTICAST },
	{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", IP_MULTICAST },
	{ "255.255.255.255", IP_BROADCAST },
	{ "::ffff:255.255.255.255", IP_BROADCAST },
	{ "192.0.2.0", IP_DOCUMENTATION },
	{ "192.0.2.255", IP_DOCUMENTATION },
	{ "198.51.100.7", IP_DOCUMENTATION },
	{ "203.0.113.255", IP_DOCUMENTATION },
	{ "2001:db8::1", IP_DOCUMENTATION },
	{ "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", IP_DOCUMENTATION },
	{ "3fff::1", IP_DOCUMENTATION },
	{ "3fff:fff::1", IP_DOCUMENTATION },
	{ "198.18.0.0", IP_BENCHMARK },
	{ "198.19.255.255", IP_BENCHMARK },
	{ "2001:2::1", IP_BENCHMARK },
	{ "240.0.0.0", IP_RESERVED },
	{ "255.255.255.254", IP_RESERVED },
	{ "192.0.0.8", IP_RESERVED },
	{ "192.88.99.1", IP_RESERVED },
	{ "100::1", IP_RESERVED },
	{ "5f00::1", IP_RESERVED },
	{ "2001:20::1", IP_RESERVED },
	{ "2001:10::1", IP_RESERVED },
	{ "4000::1", IP_RESERVED },
	{ "1fff::1", IP_RESERVED },
	{ "fe00::1", IP_RESERVED },
	{ "::8.8.8.8", IP_RESERVED },
	{ "::ffff:0:8.8.8.8", IP_RESERVED },
	{ "64:ff9b:1::8.8.8.8", IP_RESERVED },
	{ "2001:0:808:808::f7f7:f7f7", IP_RESERVED },
	/* a v4 in disguise */
	{ "::127.0.0.1", IP_EMBEDDED },
	{ "::7f00:1", IP_EMBEDDED },
	{ "::10.0.0.1", IP_EMBEDDED },
	{ "::169.254.169.254", IP_EMBEDDED },
	{ "::ffff:0:127.0.0.1", IP_EMBEDDED },
	{ "::ffff:0:169.254.169.254", IP_EMBEDDED },
	{ "64:ff9b::127.0.0.1", IP_EMBEDDED },
	{ "64:ff9b::10.0.0.1", IP_EMBEDDED },
	{ "64:ff9b::a9fe:a9fe", IP_EMBEDDED },
	{ "64:ff9b::0.0.0.0", IP_EMBEDDED },
	{ "64:ff9b::255.255.255.255", IP_EMBEDDED },
	{ "64:ff9b:1::192.168.0.1", IP_EMBEDDED },
	{ "64:ff9b:1:fffe::127.0.0.1", IP_EMBEDDED },
	{ "2002:7f00:1::", IP_EMBEDDED },
	{ "2002:7f00:1::1", IP_EMBEDDED },
	{ "2002:a00:1::1", IP_EMBEDDED },
	{ "2002:a9fe:a9fe::a9fe:a9fe", IP_EMBEDDED },
	{ "2002:c0a8:101::1", IP_EMBEDDED },
	{ "2002:6440:1::1", IP_EMBEDDED },
	{ "2001:0:7f00:1::f7f7:f7f7", IP_EMBEDDED },
	{ "2001:0:808:808::80ff:fffe", IP_EMBEDDED },
	{ "2001:0:808:808::5601:5601", IP_EMBEDDED },
};

static struct ip parse(const char *text)
{
	struct ip ip = { 0 };

	if (!ip_parse(slice_of(text), &ip)) {
		fail_msg("%s does not parse", text);
	}
	return ip;
}

TEST(every_address_has_its_class)
{
	for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
		enum ip_class c = ip_class(parse(addresses[i].text));
		if (c != addresses[i].class) {
			fail_msg("%s is %s, not %s", addresses[i].text, ip_class_name(c),
				 ip_class_name(addresses[i].class));
		}
	}
}

TEST(without_a_policy_only_public_addresses_are_open)
{
	struct ip_policy none = { 0 };
	struct ip_policy all = { .all = true };

	for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
		struct ip ip = parse(addresses[i].text);
		T_INT(ip_policy_allows(&none, ip), addresses[i].class == IP_PUBLIC);
		T_TRUE(ip_policy_allows(&all, ip));
	}
}

TEST(text_goes_in_and_comes_out_in_one_spelling)
{
	static const char *const pairs[][2] = {
		{ "127.0.0.1", "127.0.0.1" },
		{ "::ffff:127.0.0.1", "127.0.0.1" },
		{ "::FFFF:7F00:0001", "127.0.0.1" },
		{ "0:0:0:0:0:0:0:1", "::1" },
		{ "2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1" },
		{ "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1" },
		{ "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304" },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255",
		  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
	};

	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		struct ip_text text = ip_format(parse(pairs[i][0]));
		T_STR(text.p, pairs[i][1]);
		T_TRUE(ip_eq(parse(pairs[i][0]), parse(text.p)));
	}
}

TEST(everything_but_an_address_is_refused)
{
	static const struct slice bad[] = {
		S(""),
		S("1"),
		S("1.2.3"),
		S("1.2.3.4.5"),
		S("1.2.3.4."),
		S(".1.2.3.4"),
		S("1..2.3"),
		S("256.1.1.1"),
		S("01.2.3.4"),
		S("127.0.0.01"),
		S("0177.0.0.1"),
		S("0x7f.0.0.1"),
		S("0x7f000001"),
		S("2130706433"),
		S("127.1"),
		S(" 127.0.0.1"),
		S("127.0.0.1 "),
		S("127.0.0.1\n"),
		S("127.0.0.1\0"),
		S("127.0.0.1/8"),
		S("+1.2.3.4"),
		S("-1.2.3.4"),
		S("1.2.3.4:80"),
		S(":"),
		S(":::"),
		S("1::2::3"),
		S("1:2:3:4:5:6:7"),
		S("1:2:3:4:5:6:7:8:9"),
		S("::12345"),
		S("::g"),
		S("[::1]"),
		S("::1%lo"),
		S("fe80::1%1"),
		S("::1/128"),
		S("::127.1"),
		S("::ffff:0177.0.0.1"),
		S("localhost"),
		S("１.2.3.4"),
		S("::1\0::"),
		S("1:2:3:4:5:6:7:1.2.3.4"),
		S("0000:0000:0000:0000:0000:0000:0000:0000:0000:0001"),
	};
	struct ip ip;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (ip_parse(bad[i], &ip)) {
			fail_msg("%.*s parses", SARG(bad[i]));
		}
	}
}

TEST(socket_addresses_are_read_as_they_will_be_used)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(80) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(443) };
	struct sockaddr other = { .sa_family = AF_UNIX };
	uint16_t port;
	struct ip ip;

	T_INT(inet_pton(AF_INET, "10.1.2.3", &in.sin_addr), 1);
	T_INT(inet_pton(AF_INET6, "::ffff:10.1.2.3", &in6.sin6_addr), 1);
	T_TRUE(ip_from_sockaddr((const void *)&in, sizeof(in), &ip, &port));
	T_TRUE(ip_eq(ip, parse("10.1.2.3")));
	T_INT(port, 80);
	T_TRUE(ip_from_sockaddr((const void *)&in6, sizeof(in6), &ip, &port));
	T_TRUE(ip_eq(ip, parse("10.1.2.3")));
	T_INT(port, 443);
	T_FALSE(ip_from_sockaddr((const void *)&in6, sizeof(in), &ip, NULL));
	T_FALSE(ip_from_sockaddr((const void *)&in, sizeof(in) - 1, &ip, NULL));
	T_FALSE(ip_from_sockaddr(&other, sizeof(other), &ip, NULL));
}

static bool has(const char *range, const char *address)
{
	struct err err = { 0 };
	struct cidr c = { 0 };

	T_OK(cidr_parse(slice_of(range), &c, &err));
	return cidr_has(&c, parse(address));
}

TEST(ranges_hold_what_they_say)
{
	T_TRUE(has("10.0.0.0/8", "10.255.0.1"));
	T_FALSE(has("10.0.0.0/8", "11.0.0.0"));
	T_TRUE(has("10.0.0.0/8", "::ffff:10.0.0.1"));
	T_TRUE(has("::ffff:10.0.0.0/104", "10.0.0.1"));
	T_TRUE(has("172.16.0.0/12", "172.31.0.1"));
	T_FALSE(has("172.16.0.0/12", "172.32.0.1"));
	T_TRUE(has("192.168.1.7", "192.168.1.7"));
	T_FALSE(has("192.168.1.7", "192.168.1.6"));
	T_TRUE(has("192.168.1.6/31", "192.168.1.7"));
	T_TRUE(has("0.0.0.0/0", "200.1.2.3"));
	T_FALSE(has("0.0.0.0/0", "::1"));
	T_TRUE(has("::/0", "::1"));
	T_FALSE(has("::/0", "127.0.0.1"));
	T_TRUE(has("fd00::/8", "fdab::1"));
	T_FALSE(has("fd00::/8", "fcab::1"));
	T_TRUE(has("2001:db8::/33", "2001:db8:7fff::"));
	T_FALSE(has("2001:db8::/33", "2001:db8:8000::"));
	T_TRUE(has("::1/128", "::1"));
}

TEST(bad_ranges_are_named)
{
	static const char *const bad[] = {
		"",
		"10.0.0.0/",
		"10.0.0.0/33",
		"10.0.0.0/08",
		"10.0.0.1/8",
		"10.0.0.0/-1",
		"10.0.0.0/8 ",
		"10.0.0.0//8",
		"::/129",
		"::1/64",
		"fd00::/1000",
		"10.0.0.0/ 8",
		"10/8",
		"/8",
		"host/8",
		"10.0.0.0/8x",
		"10.0.0.0/0x8",
	};
	struct err err;
	struct cidr c;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		T_FAIL(cidr_parse(slice_of(bad[i]), &c, &err), ERR_INVALID);
		T_TRUE(strstr(err.text, bad[i]) != NULL);
	}
}

static bool allows(const char *setting, const char *address)
{
	struct err err = { 0 };
	struct ip_policy policy;

	T_OK(ip_policy_parse(slice_of(setting), &policy, &err));
	return ip_policy_allows(&policy, parse(address));
}

TEST(policy_words_open_what_they_name_and_no_more)
{
	T_FALSE(allows("none", "127.0.0.1"));
	T_FALSE(allows("", "127.0.0.1"));
	T_TRUE(allows("none", "8.8.8.8"));
	T_TRUE(allows("loopback", "127.8.9.10"));
	T_TRUE(allows("loopback", "::1"));
	T_FALSE(allows("loopback", "0.0.0.0"));
	T_FALSE(allows("loopback", "::"));
	T_FALSE(allows("loopback", "10.0.0.1"));
	T_FALSE(allows("loopback", "::127.0.0.1"));
	T_TRUE(allows("private", "192.168.3.4"));
	T_TRUE(allows("private", "fd00::1"));
	T_TRUE(allows("private", "100.64.1.1"));
	T_FALSE(allows("private", "127.0.0.1"));
	T_FALSE(allows("private", "169.254.1.1"));
	T_FALSE(allows("private", "2002:a00:1::1"));
	T_TRUE(allows("loopback, private", "127.0.0.1"));
	T_TRUE(allows("loopback private", "10.0.0.1"));
	T_TRUE(allows("10.1.0.0/16,fd00:1::/32", "10.1.2.3"));
	T_TRUE(allows("10.1.0.0/16,fd00:1::/32", "fd00:1::9"));
	T_FALSE(allows("10.1.0.0/16,fd00:1::/32", "10.2.0.1"));
	T_TRUE(allows("0.0.0.0/0", "127.0.0.1"));
	T_FALSE(allows("0.0.0.0/0", "::1"));
}

TEST(metadata_is_never_allowed_by_a_wide_range)
{
	T_FALSE(allows("private", "100.100.100.200"));
	T_FALSE(allows("private", "fd00:ec2::254"));
	T_FALSE(allows("169.254.0.0/16", "169.254.169.254"));
	T_TRUE(allows("169.254.0.0/16", "169.254.169.253"));
	T_FALSE(allows("0.0.0.0/0,::/0", "169.254.169.254"));
	T_TRUE(allows("169.254.169.254", "169.254.169.254"));
	T_TRUE(allows("all", "169.254.169.254"));
}

TEST(policy_errors_name_the_word)
{
	struct ip_policy policy;
	struct ip_set set;
	struct err err;
	char many[IP_SET_MAX * 8 + 16] = "";

	T_FAIL(ip_policy_parse(S("loopback,privat"), &policy, &err), ERR_INVALID);
	T_TRUE(strstr(err.text, "\"privat\"") != NULL);
	T_FAIL(ip_policy_parse(S("loopback,all"), &policy, &err), ERR_INVALID);
	for (size_t i = 0; i < IP_SET_MAX + 1; i++) {
		memcpy(many + i * 8, "1.1.1.1,", 8);
	}
	T_OK(ip_set_parse((struct slice) { .p = many, .n = (size_t)IP_SET_MAX * 8 }, &set, &err));
	T_INT(set.n, IP_SET_MAX);
	T_TRUE(ip_set_has(&set, parse("1.1.1.1")));
	T_FALSE(ip_set_has(&set, parse("1.1.1.2")));
	T_FAIL(ip_set_parse(slice_of(many), &set, &err), ERR_INVALID);
}

T_MAIN(T(every_address_has_its_class), T(without_a_policy_only_public_addresses_are_open),
       T(text_goes_in_and_comes_out_in_one_spelling), T(everything_but_an_address_is_refused),
       T(socket_addresses_are_read_as_they_will_be_used), T(ranges_hold_what_they_say),
       T(bad_ranges_are_named), T(policy_words_open_what_they_name_and_no_more),
       T(metadata_is_never_allowed_by_a_wide_range), T(policy_errors_name_the_word))
