/* SPDX-License-Identifier: Apache-2.0 */
/* Two spellings of one mailbox are one user, and what is no address is refused. */
#include "model/mail.h"

#include "test/t.h"

static struct arena req;

static bool read_mail(struct slice text, struct slice *out, struct err *err)
{
	return mail_read("email", text, &req, out, err);
}

TEST(spellings_become_one)
{
	static const char *const texts[] = { "ana@example.com", "Ana@Example.COM",
					     " \tANA@EXAMPLE.COM  " };
	struct err err = { 0 };
	struct slice out;

	arena_init(&req, 0);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		T_OK(read_mail(slice_of(texts[i]), &out, &err));
		T_SLICE(out, "ana@example.com");
		T_TRUE(mail_is_normal(out));
	}
	T_FALSE(mail_is_normal(S("Ana@example.com")));
	T_FALSE(mail_is_normal(S("ana@example.com ")));
	T_FALSE(mail_is_normal(S("ana")));
	arena_release(&req);
}

TEST(plain_addresses_are_taken)
{
	static const char *const good[] = {
		"a@b",
		"root@localhost",
		"a.b+tag@x-y.example",
		"o'neil@mail.org",
		"!#$%&'*+-/=?^_`{|}~@x",
		"1@xn--mnchen-3ya.example",
	};
	struct err err = { 0 };
	struct slice out;

	arena_init(&req, 0);
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		T_OK(read_mail(slice_of(good[i]), &out, &err));
		T_TRUE(slice_eq(out, slice_of(good[i])));
	}
	arena_release(&req);
}

TEST(what_is_no_address_is_refused)
{
	static const char *const bad[] = {
		"",
		"@",
		"a@",
		"@b",
		"a",
		"a@b@c",
		".a@b",
		"a.@b",
		"a..b@c",
		"a b@c",
		"a@b c",
		"a@-b",
		"a@b-",
		"a@b..c",
		"a@.b",
		"a@b.",
		"\"a\"@b",
		"a@[1.2.3.4]",
		"a@b_c",
		"<a@b>",
		"a@b\nBcc: x@y",
		"a\t@b",
		"a,b@c",
		"\xc3\xa4@b.de",
		"a@\xc3\xa4.de",
	};
	struct err err = { 0 };
	struct slice out;

	arena_init(&req, 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (read_mail(slice_of(bad[i]), &out, &err)) {
			fail_msg("taken: %s", bad[i]);
		}
		T_INT(err.kind, ERR_INVALID);
		T_STR(err.field, "email");
	}
	T_FALSE(read_mail((struct slice) { .p = "a\0b@c", .n = 5 }, &out, &err));
	arena_release(&req);
}

TEST(lengths_hold_at_their_edges)
{
	char text[300];
	struct err err = { 0 };
	struct slice out, s = { .p = text, .n = 64 + 1 + 63 + 1 + 63 + 1 + 61 };

	arena_init(&req, 0);
	memset(text, 'a', sizeof(text));
	text[64] = '@';
	text[128] = text[192] = '.';
	T_INT(s.n, MAIL_BYTES_MAX);
	T_OK(read_mail(s, &out, &err));
	s.n++;
	T_FALSE(read_mail(s, &out, &err));
	s.n = 100;
	T_OK(read_mail(s, &out, &err));
	text[64] = 'a';
	text[65] = '@';
	T_FALSE(read_mail(s, &out, &err));
	text[65] = 'a';
	text[1] = '@';
	T_FALSE(read_mail(s, &out, &err)); /* a label of 98 */
	arena_release(&req);
}

T_MAIN(T(spellings_become_one), T(plain_addresses_are_taken), T(what_is_no_address_is_refused),
       T(lengths_hold_at_their_edges))
