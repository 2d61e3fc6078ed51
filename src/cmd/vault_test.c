/* SPDX-License-Identifier: Apache-2.0 */
/* What comes back out is what was put in, or an error. */
#include "cmd/vault.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "test/t.h"

#define NAME S("journal/1.seg")

static char path[128];
static struct buf all;

static void set_path(const char *word)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(path, sizeof(path), "%s/tocsin-vault-%d-%s", tmp == NULL ? "/tmp" : tmp,
		 (int)getpid(), word);
}

static struct vault_key key_of(char c)
{
	struct vault_key key = { .set = c != '\0' };

	memset(key.v, c, sizeof(key.v));
	return key;
}

static bool gather(void *arg UNUSED, struct slice bytes, struct err *err UNUSED)
{
	buf_puts(&all, bytes);
	return true;
}

static void make(size_t n, const struct vault_key *key, struct vault_sum *sum)
{
	struct vault_out *out;
	struct err err = { 0 };
	char bytes[1000];

	T_OK(vault_out_open(&out, path, NAME, key, &err));
	for (size_t at = 0; at < n; at += sizeof(bytes)) {
		size_t part = n - at < sizeof(bytes) ? n - at : sizeof(bytes);

		for (size_t i = 0; i < part; i++) {
			bytes[i] = (char)((at + i) * 7 % 251);
		}
		T_OK(vault_out_put(out, (struct slice) { bytes, part }, &err));
	}
	T_OK(vault_out_end(out, sum, &err));
	vault_out_close(&out);
}

static bool take(struct slice name, const struct vault_key *key, struct vault_sum *sum,
		 struct err *err)
{
	buf_clear(&all);
	buf_init(&all, 1 << 20);
	return vault_read(path, name, key, gather, NULL, sum, err);
}

TEST(what_was_written_is_read_plain_and_encrypted)
{
	static const size_t sizes[] = { 0, 1, 65535, 65536, 65537, 200000 };

	set_path("round");
	for (size_t i = 0; i < ARRAY_LEN(sizes) * 2; i++) {
		struct vault_key key = key_of(i % 2 == 0 ? '\0' : 'k');
		struct vault_sum in, out;
		struct err err = { 0 };
		struct stat st;

		make(sizes[i / 2], &key, &in);
		T_OK(take(NAME, &key, &out, &err));
		T_INT(in.bytes, sizes[i / 2]);
		T_INT(out.bytes, in.bytes);
		T_TRUE(memcmp(in.hash, out.hash, sizeof(in.hash)) == 0);
		T_INT(all.n, sizes[i / 2]);
		for (size_t at = 0; at < all.n; at++) {
			T_INT(all.p[at], (char)(at * 7 % 251));
		}
		T_INT(stat(path, &st), 0);
		T_INT(st.st_mode & 0777, 0600);
		T_TRUE(key.set ? (size_t)st.st_size > all.n : (size_t)st.st_size == all.n);
	}
	buf_release(&all);
	unlink(path);
}

TEST(another_key_or_name_or_a_changed_byte_is_refused)
{
	struct vault_key key = key_of('k'), other = key_of('l');
	struct vault_sum sum;
	struct err err = { 0 };
	struct stat st;
	int fd;

	set_path("hostile");
	make(70000, &key, &sum);
	T_FAIL(take(NAME, &other, &sum, &err), ERR_CORRUPT);
	T_FAIL(take(S("journal/2.seg"), &key, &sum, &err), ERR_CORRUPT);
	T_INT(stat(path, &st), 0);
	fd = open(path, O_RDWR | O_CLOEXEC);
	for (off_t at = 0; at < st.st_size; at += at < 200 ? 1 : 991) {
		char c;

		T_INT(pread(fd, &c, 1, at), 1);
		c ^= 1;
		T_INT(pwrite(fd, &c, 1, at), 1);
		T_FAIL(take(NAME, &key, &sum, &err), ERR_CORRUPT);
		c ^= 1;
		T_INT(pwrite(fd, &c, 1, at), 1);
	}
	T_OK(take(NAME, &key, &sum, &err));
	/* Cut at the end of a piece, and with something behind. */
	T_INT(ftruncate(fd, 8 + 24 + 65536 + 17), 0);
	T_FAIL(take(NAME, &key, &sum, &err), ERR_CORRUPT);
	make(70000, &key, &sum);
	T_INT(pwrite(fd, "x", 1, st.st_size), 1);
	T_FAIL(take(NAME, &key, &sum, &err), ERR_CORRUPT);
	close(fd);
	buf_release(&all);
	unlink(path);
}

TEST(a_key_file_is_long_enough_and_ends_anyhow)
{
	struct vault_key a, b;
	struct err err = { 0 };
	FILE *f;

	set_path("key");
	f = fopen(path, "we");
	assert_non_null(f);
	fputs("0123456789012345678901234567890123456789", f);
	fclose(f);
	T_OK(vault_key_read(slice_of(path), &a, &err));
	T_TRUE(a.set);
	f = fopen(path, "ae");
	assert_non_null(f);
	fputs("\n", f);
	fclose(f);
	T_OK(vault_key_read(slice_of(path), &b, &err));
	T_TRUE(memcmp(a.v, b.v, sizeof(a.v)) == 0);
	f = fopen(path, "we");
	assert_non_null(f);
	fputs("too short\n", f);
	fclose(f);
	T_FAIL(vault_key_read(slice_of(path), &b, &err), ERR_INVALID);
	T_FALSE(b.set);
	unlink(path);
	T_FAIL(vault_key_read(slice_of(path), &b, &err), ERR_IO);
	T_OK(vault_key_read((struct slice) { 0 }, &b, &err));
	T_FALSE(b.set);
}

T_MAIN(T(what_was_written_is_read_plain_and_encrypted),
       T(another_key_or_name_or_a_changed_byte_is_refused),
       T(a_key_file_is_long_enough_and_ends_anyhow))
