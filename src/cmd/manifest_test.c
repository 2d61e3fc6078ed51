/* SPDX-License-Identifier: Apache-2.0 */
/* A manifest says what was written, or nothing. */
#include "cmd/manifest.h"

#include "base/buf.h"
#include "test/t.h"

static struct manifest_file files[] = {
	{ .name = { "journal/meta", 12 },
	  .stored = { "journal/meta.256", 16 },
	  .sum = { 256, { 1 } } },
	{ .name = { "state.db", 8 },
	  .stored = { "state/state.db.17", 17 },
	  .sum = { UINT64_C(1) << 40, { 0xfe } },
	  .first_seq = 1,
	  .last_seq = 99 },
};

static struct manifest sample(void)
{
	return (struct manifest) { .version = S("1.2.3"),
				   .taken_us = INT64_C(1700000000123000),
				   .journal = S("00ff"),
				   .state = { 3, 90, 4, 5 },
				   .first_seq = 1,
				   .last_seq = 99,
				   .files = files,
				   .n = ARRAY_LEN(files) };
}

static struct vault_key key_of(char c)
{
	struct vault_key key = { .set = c != '\0' };

	memset(key.v, c, sizeof(key.v));
	return key;
}

static void encode(const struct manifest *m, const struct vault_key *key, struct buf *out)
{
	buf_init(out, 1 << 16);
	manifest_encode(m, key, out);
}

TEST(a_manifest_reads_back_as_it_was)
{
	struct manifest m = sample(), got;
	struct vault_key key = key_of('\0');
	struct err err = { 0 };
	struct arena boot;
	struct buf text;

	arena_init(&boot, 0);
	encode(&m, &key, &text);
	T_OK(manifest_decode(buf_slice(&text), &key, &boot, &got, &err));
	T_SLICE(got.version, "1.2.3");
	T_INT(got.taken_us, m.taken_us);
	T_INT(got.state.cursor, 90);
	T_INT(got.last_seq, 99);
	T_INT(got.n, 2);
	T_SLICE(got.files[1].stored, "state/state.db.17");
	T_INT(got.files[1].sum.bytes, UINT64_C(1) << 40);
	T_INT(got.files[1].sum.hash[0], 0xfe);
	T_TRUE(manifest_find(&got, S("journal/meta")) == &got.files[0]);
	T_TRUE(manifest_find(&got, S("journal/met")) == NULL);
	buf_release(&text);
	arena_release(&boot);
}

TEST(a_changed_or_cut_manifest_is_none)
{
	struct manifest m = sample(), got;
	struct vault_key key = key_of('\0');
	struct err err = { 0 };
	struct arena boot;
	struct buf text;

	arena_init(&boot, 0);
	encode(&m, &key, &text);
	for (size_t i = 0; i < text.n; i++) {
		text.p[i] ^= 1;
		T_FALSE(manifest_decode(buf_slice(&text), &key, &boot, &got, &err));
		text.p[i] ^= 1;
		T_FALSE(manifest_decode((struct slice) { text.p, i }, &key, &boot, &got, &err));
	}
	buf_release(&text);
	arena_release(&boot);
}

TEST(the_right_key_is_needed)
{
	struct manifest m = sample(), got;
	struct vault_key none = key_of('\0'), key = key_of('k'), other = key_of('l');
	struct err err = { 0 };
	struct arena boot;
	struct buf text;

	arena_init(&boot, 0);
	m.encrypted = true;
	encode(&m, &key, &text);
	T_OK(manifest_decode(buf_slice(&text), &key, &boot, &got, &err));
	T_TRUE(got.encrypted);
	T_FAIL(manifest_decode(buf_slice(&text), &other, &boot, &got, &err), ERR_CORRUPT);
	T_FAIL(manifest_decode(buf_slice(&text), &none, &boot, &got, &err), ERR_INVALID);
	T_TRUE(strstr(err.text, "encrypt-key-file") != NULL);
	buf_release(&text);
	m.encrypted = false;
	encode(&m, &none, &text);
	T_FAIL(manifest_decode(buf_slice(&text), &key, &boot, &got, &err), ERR_INVALID);
	buf_release(&text);
	arena_release(&boot);
}

TEST(files_stay_inside_the_folder)
{
	static const char *const bad[] = { "../x", "/x", "a/../b", "a//b", "a/", ".x", "a b", "" };
	struct vault_key key = key_of('\0');
	struct arena boot;

	arena_init(&boot, 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct manifest m = sample(), got;
		struct manifest_file one = files[0];
		struct err err = { 0 };
		struct buf text;

		one.stored = slice_of(bad[i]);
		m.files = &one;
		m.n = 1;
		encode(&m, &key, &text);
		T_FAIL(manifest_decode(buf_slice(&text), &key, &boot, &got, &err), ERR_INVALID);
		buf_release(&text);
	}
	arena_release(&boot);
}

TEST(one_of_a_newer_program_is_refused_by_name)
{
	struct manifest got;
	struct vault_key key = key_of('\0');
	struct err err = { 0 };
	struct slice text = S(
		"{\"format\":2,\"tocsin\":\"9.0.0\",\"new\":1}\n{\"check\":\"0000000000000000"
		"000000000000000000000000000000000000000000000000\"}\n");
	struct arena boot;

	arena_init(&boot, 0);
	T_FAIL(manifest_decode(text, &key, &boot, &got, &err), ERR_CONFLICT);
	T_TRUE(strstr(err.text, "9.0.0") != NULL);
	arena_release(&boot);
}

T_MAIN(T(a_manifest_reads_back_as_it_was), T(a_changed_or_cut_manifest_is_none),
       T(the_right_key_is_needed), T(files_stay_inside_the_folder),
       T(one_of_a_newer_program_is_refused_by_name))
