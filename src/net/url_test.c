/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A URL has one reading or is refused, and no spelling of an inside address gets past the policy.
 */
#include "net/url.h"

#include "test/t.h"

static struct arena arena;
static struct err err;

static bool parse(struct slice text, struct url *out)
{
	return url_parse(&arena, text, out, &err);
}

static int set_up(void **state UNUSED)
{
	arena_init(&arena, 0);
	return 0;
}

static int tear_down(void **state UNUSED)
{
	arena_release(&arena);
	return 0;
}

static const struct {
	const char *in;
	const char *text;
	const char *host;
	const char *target;
	unsigned port;
} good[] = {
	{ "http://example.com", "http://example.com/", "example.com", "/", 80 },
	{ "https://example.com", "https://example.com/", "example.com", "/", 443 },
	{ "HTTPS://EXAMPLE.Com/A?B=c", "https://example.com/A?B=c", "example.com", "/A?B=c", 443 },
	{ "http://example.com?x", "http://example.com/?x", "example.com", "/?x", 80 },
	{ "http://example.com/?", "http://example.com/?", "example.com", "/?", 80 },
	{ "http://example.com:80/", "http://example.com/", "example.com", "/", 80 },
	{ "https://example.com:443/", "https://example.com/", "example.com", "/", 443 },
	{ "https://example.com:80/", "https://example.com:80/", "example.com", "/", 80 },
	{ "http://example.com:65535/x", "http://example.com:65535/x", "example.com", "/x", 65535 },
	{ "http://a_b.c-d.test/", "http://a_b.c-d.test/", "a_b.c-d.test", "/", 80 },
	{ "http://xn--mnchen-3ya.de/", "http://xn--mnchen-3ya.de/", "xn--mnchen-3ya.de", "/", 80 },
	{ "http://receiver:8080/", "http://receiver:8080/", "receiver", "/", 8080 },
	{ "http://1e100.net/", "http://1e100.net/", "1e100.net", "/", 80 },
	{ "http://0x.example/", "http://0x.example/", "0x.example", "/", 80 },
	{ "http://127.0.0.1.example/", "http://127.0.0.1.example/", "127.0.0.1.example", "/", 80 },
	{ "http://8.8.8.8/", "http://8.8.8.8/", "8.8.8.8", "/", 80 },
	{ "http://[2606:4700::1]/", "http://[2606:4700::1]/", "2606:4700::1", "/", 80 },
	{ "http://[2606:4700:0:0::1]:81", "http://[2606:4700::1]:81/", "2606:4700::1", "/", 81 },
	{ "http://[::FFFF:8.8.8.8]/", "http://8.8.8.8/", "8.8.8.8", "/", 80 },
	{ "http://e.com/a/../b//c;d=e,f", "http://e.com/a/../b//c;d=e,f", "e.com",
	  "/a/../b//c;d=e,f", 80 },
	{ "http://e.com/%20%C3%a9?u=http://x@y/", "http://e.com/%20%C3%a9?u=http://x@y/", "e.com",
	  "/%20%C3%a9?u=http://x@y/", 80 },
	{ "http://e.com/a[b]c", "http://e.com/a[b]c", "e.com", "/a[b]c", 80 },
	{ "http://e.com/:@!$&'()*+,;=-._~", "http://e.com/:@!$&'()*+,;=-._~", "e.com",
	  "/:@!$&'()*+,;=-._~", 80 },
};

TEST(good_urls_come_out_canonical)
{
	struct url url;

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		T_OK(parse(slice_of(good[i].in), &url));
		t_slice(url.text, slice_of(good[i].text), good[i].in, __LINE__);
		t_slice(url.host, slice_of(good[i].host), good[i].in, __LINE__);
		t_slice(url.target, slice_of(good[i].target), good[i].in, __LINE__);
		T_INT(url.port, good[i].port);
		T_INT(url.tls, good[i].text[4] == 's');
	}
}

TEST(canonical_urls_stay_as_they_are)
{
	struct url url;
	struct url again;

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		T_OK(parse(slice_of(good[i].in), &url));
		T_OK(parse(url.text, &again));
		T_TRUE(slice_eq(url.text, again.text));
		T_TRUE(slice_eq(url.host, again.host));
	}
}

/* What must not parse, and a word of the reason. */
static const struct {
	struct slice in;
	const char *why;
} bad[] = {
	{ S(""), "empty" },
	{ S("example.com"), "http" },
	{ S("//example.com/"), "http" },
	{ S("/hook"), "http" },
	{ S("http:/example.com/"), "http" },
	{ S("http:///example.com/"), "no host" },
	{ S("http:example.com"), "http" },
	{ S("http://"), "no host" },
	{ S("https:///"), "no host" },
	{ S("http://?x"), "no host" },
	{ S("http://:80/"), "no host" },
	{ S("ftp://example.com/"), "http" },
	{ S("file:///etc/passwd"), "http" },
	{ S("gopher://example.com:6379/_INFO"), "http" },
	{ S("dict://example.com:11211/"), "http" },
	{ S("ldap://example.com/"), "http" },
	{ S("tftp://example.com/"), "http" },
	{ S("jar:http://example.com/"), "http" },
	{ S("javascript:alert(1)"), "http" },
	{ S("httpx://example.com/"), "http" },
	{ S("https//example.com/"), "http" },
	{ S("ws://example.com/"), "http" },
	{ S("unix:///run/x.sock"), "http" },
	{ S(" http://example.com/"), "blank" },
	{ S("http://example.com/ "), "blank" },
	{ S("http://exa mple.com/"), "blank" },
	{ S("http://example.com/\r\nX-A: b"), "blank or control" },
	{ S("http://example.com/\n"), "blank or control" },
	{ S("http://example.com/\0"), "blank or control" },
	{ S("http://example.com\0.evil.test/"), "blank or control" },
	{ S("http://example.com/\t"), "blank or control" },
	{ S("ht\ntp://example.com/"), "blank or control" },
	{ S("http://example.com/\x7f"), "blank or control" },
	{ S("http://example.com\\@127.0.0.1/"), "percent" },
	{ S("http:\\\\127.0.0.1\\"), "percent" },
	{ S("http://example.com/<x>"), "percent" },
	{ S("http://example.com/\"x"), "percent" },
	{ S("http://example.com/{x}"), "percent" },
	{ S("http://example.com/a|b"), "percent" },
	{ S("http://example.com/^"), "percent" },
	{ S("http://example.com/`"), "percent" },
	{ S("http://example.com/%"), "two digits" },
	{ S("http://example.com/%2"), "two digits" },
	{ S("http://example.com/%zz"), "two digits" },
	{ S("http://example.com/?a=%0"), "two digits" },
	{ S("http://example.com/#x"), "fragment" },
	{ S("http://127.0.0.1#@example.com/"), "fragment" },
	{ S("http://example.com#@127.0.0.1/"), "fragment" },
	{ S("http://user@example.com/"), "user name" },
	{ S("http://user:pw@example.com/"), "user name" },
	{ S("http://@example.com/"), "user name" },
	{ S("http://:@example.com/"), "user name" },
	{ S("http://example.com@127.0.0.1/"), "user name" },
	{ S("http://example.com:80@127.0.0.1:22/"), "user name" },
	{ S("http://a@b@127.0.0.1/"), "user name" },
	{ S("http://[::1]@example.com/"), "user name" },
	{ S("http://example.com:/"), "port" },
	{ S("http://example.com:0/"), "port" },
	{ S("http://example.com:00080/"), "port" },
	{ S("http://example.com:080/"), "port" },
	{ S("http://example.com:65536/"), "port" },
	{ S("http://example.com:99999999999/"), "port" },
	{ S("http://example.com:-1/"), "port" },
	{ S("http://example.com:+80/"), "port" },
	{ S("http://example.com:80a/"), "port" },
	{ S("http://example.com:0x50/"), "port" },
	{ S("http://example.com:80:80/"), "port" },
	{ S("http://::1/"), "no host" },
	{ S("http://fe80::1/"), "port" },
	{ S("http://[::1/"), "']'" },
	{ S("http://[]/"), "no host" },
	{ S("http://[::1]x/"), "between" },
	{ S("http://[::1]:/"), "port" },
	{ S("http://[fe80::1%eth0]/"), "IPv6" },
	{ S("http://[fe80::1%25eth0]/"), "IPv6" },
	{ S("http://[127.0.0.1]/"), "IPv6" },
	{ S("http://[::ffff:0x7f.0.0.1]/"), "IPv6" },
	{ S("http://[::ffff:0177.0.0.1]/"), "IPv6" },
	{ S("http://[::ffff:2130706433]/"), "IPv6" },
	{ S("http://[v1.x]/"), "IPv6" },
	{ S("http://[::1]]/"), "between" },
	{ S("http://[[::1]]/"), "between" },
	{ S("http://[1:2:3:4:5:6:7]/"), "IPv6" },
	{ S("http://[::1:::]/"), "IPv6" },
	{ S("http://[example.com]/"), "IPv6" },
	{ S("http://0/"), "numeric" },
	{ S("http://1/"), "numeric" },
	{ S("http://2130706433/"), "numeric" },
	{ S("http://02130706433/"), "numeric" },
	{ S("http://017700000001/"), "numeric" },
	{ S("http://0x7f000001/"), "numeric" },
	{ S("http://0X7F000001/"), "numeric" },
	{ S("http://0x7f.1/"), "numeric" },
	{ S("http://0x7f.0x0.0x0.0x1/"), "numeric" },
	{ S("http://0x/"), "numeric" },
	{ S("http://127.0x/"), "numeric" },
	{ S("http://127.1/"), "numeric" },
	{ S("http://127.0.1/"), "numeric" },
	{ S("http://127.0.0.1.1/"), "numeric" },
	{ S("http://0177.0.0.1/"), "numeric" },
	{ S("http://0177.0.0.01/"), "numeric" },
	{ S("http://0177.0x0.0.1/"), "numeric" },
	{ S("http://127.0.0.01/"), "numeric" },
	{ S("http://127.0.0.256/"), "numeric" },
	{ S("http://127.0.0.4294967297/"), "numeric" },
	{ S("http://10.1/"), "numeric" },
	{ S("http://169.254.43518/"), "numeric" },
	{ S("http://2852039166/"), "numeric" },
	{ S("http://0xa9fea9fe/"), "numeric" },
	{ S("http://0251.0376.0251.0376/"), "numeric" },
	{ S("http://0xA9.0xFE.0xA9.0xFE/"), "numeric" },
	{ S("http://425.510.425.510/"), "numeric" },
	{ S("http://7147006462/"), "numeric" },
	{ S("http://000000000000000000169.254.169.254/"), "numeric" },
	{ S("http://foo.1/"), "numeric" },
	{ S("http://foo.0x1/"), "numeric" },
	{ S("http://127.0.0.1./"), "dot" },
	{ S("http://localhost./"), "dot" },
	{ S("http://example.com../"), "dot" },
	{ S("http://./"), "dot" },
	{ S("http://.example.com/"), "dots" },
	{ S("http://example..com/"), "dots" },
	{ S("http://127..0.1/"), "dots" },
	{ S("http://%31%32%37.0.0.1/"), "'%'" },
	{ S("http://127%2e0%2e0%2e1/"), "'%'" },
	{ S("http://example%2ecom/"), "'%'" },
	{ S("http://localhost%00.example/"), "'%'" },
	{ S("http://exa!mple.com/"), "'!'" },
	{ S("http://a,b/"), "','" },
	{ S("http://$(id)/"), "'$'" },
	{ S("http://a;b/"), "';'" },
	{ S("http://*.example.com/"), "'*'" },
	{ S("http://-a.example/"), "'-'" },
	{ S("http://a-.example/"), "'-'" },
	{ S("http://münchen.de/"), "punycode" },
	{ S("http://ⓔⓧⓐⓜⓟⓛⓔ.com/"), "punycode" },
	{ S("http://①②⑦.⓪.⓪.①/"), "punycode" },
	{ S("http://127。0。0。1/"), "punycode" },
	{ S("http://１２７.0.0.1/"), "punycode" },
	{ S("http://local\xc2\xadhost/"), "punycode" },
	{ S("http://e.com/\xff"), "ASCII" },
	{ S("http://1234567890123456789012345678901234567890123456789012345678901234.test/"),
	  "63 bytes" },
};

TEST(bad_urls_say_why)
{
	struct url url;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (parse(bad[i].in, &url)) {
			fail_msg("%.*s parses", SARG(bad[i].in));
		}
		T_INT(err.kind, ERR_INVALID);
		if (strstr(err.text, bad[i].why) == NULL) {
			fail_msg("%.*s: \"%s\" has no \"%s\"", SARG(bad[i].in), err.text,
				 bad[i].why);
		}
	}
}

TEST(lengths_have_bounds)
{
	char text[URL_BYTES_MAX + 1];
	struct url url;

	memset(text, 'a', sizeof(text));
	memcpy(text, "http://h/", 9);
	T_OK(parse((struct slice) { text, URL_BYTES_MAX }, &url));
	T_FAIL(parse((struct slice) { text, sizeof(text) }, &url), ERR_INVALID);
	for (size_t i = 7; i < 300; i++) {
		text[i] = i % 50 == 49 ? '.' : 'a';
	}
	T_OK(parse((struct slice) { text, 7 + 253 }, &url));
	T_FAIL(parse((struct slice) { text, 7 + 254 }, &url), ERR_INVALID);
}

/* Every URL that parses and points inside, in spellings that have got past other filters. */
static const char *const inside[] = {
	"http://127.0.0.1/",
	"http://127.0.0.1:8080/",
	"https://127.0.0.1/",
	"http://127.127.127.127/",
	"http://localhost/",
	"http://LOCALHOST:8080/",
	"http://a.b.localhost/",
	"http://0.0.0.0/",
	"http://0.0.0.0:3000/",
	"http://10.0.0.1/",
	"http://172.16.0.1/",
	"http://172.31.255.254/",
	"http://192.168.1.1/",
	"http://100.64.0.1/",
	"http://169.254.169.254/latest/meta-data/",
	"http://169.254.170.2/v2/credentials",
	"http://100.100.100.200/latest/meta-data/",
	"http://168.63.129.16/",
	"http://192.0.0.192/",
	"http://224.0.0.1/",
	"http://255.255.255.255/",
	"http://198.18.0.1/",
	"http://240.0.0.1/",
	"http://[::]/",
	"http://[::1]/",
	"http://[0000::1]:80/",
	"http://[0:0:0:0:0:0:0:1]/",
	"http://[::ffff:127.0.0.1]/",
	"http://[::ffff:7f00:1]/",
	"http://[0:0:0:0:0:ffff:7f00:0001]/",
	"http://[::127.0.0.1]/",
	"http://[::ffff:169.254.169.254]/",
	"http://[::ffff:a9fe:a9fe]/",
	"http://[::ffff:0:127.0.0.1]/",
	"http://[64:ff9b::127.0.0.1]/",
	"http://[64:ff9b::a9fe:a9fe]/",
	"http://[2002:7f00:1::]/",
	"http://[2002:a9fe:a9fe::1]/",
	"http://[2001:0:808:808::80ff:fffe]/",
	"http://[fd00:ec2::254]/",
	"http://[fd12::1]/",
	"http://[fe80::1]/",
	"http://[fec0::1]/",
	"http://[ff02::1]/",
};

TEST(inside_targets_are_refused_early)
{
	struct ip_policy none = { 0 };
	struct ip_policy all = { .all = true };
	struct url url;

	for (size_t i = 0; i < ARRAY_LEN(inside); i++) {
		T_OK(parse(slice_of(inside[i]), &url));
		if (url_allowed(&url, &none, &err)) {
			fail_msg("%s is allowed", inside[i]);
		}
		T_INT(err.kind, ERR_FORBIDDEN);
		T_TRUE(strstr(err.text, "allow-private-targets") != NULL);
		T_OK(url_allowed(&url, &all, &err));
	}
}

TEST(outside_targets_are_allowed_but_not_on_ports_of_others)
{
	struct ip_policy none = { 0 };
	struct ip_policy all = { .all = true };
	struct url url;

	T_OK(parse(S("https://example.com/"), &url));
	T_OK(url_allowed(&url, &none, &err));
	T_OK(parse(S("http://8.8.8.8:8080/"), &url));
	T_OK(url_allowed(&url, &none, &err));
	T_OK(parse(S("http://notlocalhost/"), &url));
	T_OK(url_allowed(&url, &none, &err));
	T_OK(parse(S("http://mail.example.com:25/"), &url));
	T_FAIL(url_allowed(&url, &all, &err), ERR_FORBIDDEN);
	T_TRUE(strstr(err.text, "port 25") != NULL);
	T_TRUE(url_port_blocked(22));
	T_TRUE(url_port_blocked(6379));
	T_FALSE(url_port_blocked(80));
	T_FALSE(url_port_blocked(3000));
}

#define T_ARENA(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

T_MAIN(T_ARENA(good_urls_come_out_canonical), T_ARENA(canonical_urls_stay_as_they_are),
       T_ARENA(bad_urls_say_why), T_ARENA(lengths_have_bounds),
       T_ARENA(inside_targets_are_refused_early),
       T_ARENA(outside_targets_are_allowed_but_not_on_ports_of_others))
