/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No bytes make a manifest crash the reader, leave the folder by a name, or read back as another
 * one. The line that vouches for the others is put right before, as no input would get past it.
 */
#include "cmd/manifest.h"
#include "test/fuzz/fuzz.h"

static void vouch(struct buf *text)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char sum[VAULT_HASH_BYTES];

	vault_hash(buf_slice(text), NULL, sum);
	buf_puts(text, S("{\"check\":\""));
	for (size_t i = 0; i < sizeof(sum); i++) {
		buf_putc(text, digits[sum[i] >> 4]);
		buf_putc(text, digits[sum[i] & 15]);
	}
	buf_puts(text, S("\"}\n"));
}

static void check_inside(struct slice name)
{
	ensure(name.n > 0 && name.p[0] != '/' && name.p[0] != '.');
	for (size_t i = 0; i + 1 < name.n; i++) {
		ensure(name.p[i] != '/' || name.p[i + 1] != '.');
	}
}

static void check_again(const struct manifest *m, struct arena *boot)
{
	struct vault_key none = { 0 };
	struct manifest again;
	struct buf first, second;
	struct err err;

	buf_init(&first, (size_t)64 << 20);
	buf_init(&second, (size_t)64 << 20);
	manifest_encode(m, &none, &first);
	ensure(manifest_decode(buf_slice(&first), &none, boot, &again, &err));
	manifest_encode(&again, &none, &second);
	ensure(slice_eq(buf_slice(&first), buf_slice(&second)));
	buf_release(&first);
	buf_release(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct vault_key none = { 0 };
	struct manifest m;
	struct arena boot;
	struct buf text;
	struct err err;

	arena_init(&boot, 0);
	buf_init(&text, (size_t)64 << 20);
	buf_put(&text, p, n);
	(void)!manifest_decode(buf_slice(&text), &none, &boot, &m, &err);
	vouch(&text);
	if (manifest_decode(buf_slice(&text), &none, &boot, &m, &err)) {
		for (size_t i = 0; i < m.n; i++) {
			check_inside(m.files[i].name);
			check_inside(m.files[i].stored);
		}
		check_again(&m, &boot);
	}
	buf_release(&text);
	arena_release(&boot);
	return 0;
}
