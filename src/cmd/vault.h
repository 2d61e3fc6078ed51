/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_VAULT_H
#define CMD_VAULT_H

#include "base/err.h"

/*
 * Files of a backup: written once from front to back, plain or encrypted, and read back whole.
 * Encrypted is libsodium's secretstream (XChaCha20-Poly1305) in pieces of 64 KiB, bound to the name
 * that the file has in the backup, so that files cannot be swapped, cut or changed unseen. One
 * thread; blocks on the disk.
 */
#define VAULT_KEY_BYTES 32
#define VAULT_HASH_BYTES 32

struct vault_key {
	bool set; /* false: nothing is encrypted */
	unsigned char v[VAULT_KEY_BYTES];
};

/*
 * The key is the BLAKE2b of what is in the file, which must be between 32 and 4096 bytes, without
 * white space at its end. An empty path gives no key. Wipe it after use.
 */
NODISCARD bool vault_key_read(struct slice path, struct vault_key *key, struct err *err);
void vault_key_wipe(struct vault_key *key);

/* What went through: of the bytes before they were encrypted. */
struct vault_sum {
	uint64_t bytes;
	unsigned char hash[VAULT_HASH_BYTES]; /* BLAKE2b */
};

struct vault_out;
/* Create or replace the file, readable by its owner only. name and key are needed here alone. */
NODISCARD bool vault_out_open(struct vault_out **out, const char *path, struct slice name,
			      const struct vault_key *key, struct err *err);
NODISCARD bool vault_out_put(struct vault_out *out, struct slice bytes, struct err *err);
/* The end of the file, flushed. *sum may be NULL. */
NODISCARD bool vault_out_end(struct vault_out *out, struct vault_sum *sum, struct err *err);
/* Takes NULL. Without vault_out_end before, the file is of no use. */
void vault_out_close(struct vault_out **out);

typedef bool vault_fn(void *arg, struct slice bytes, struct err *err);
/*
 * All of a file, in pieces, to fn (may be NULL). ERR_CORRUPT when it is not what was written under
 * this name and key.
 */
NODISCARD bool vault_read(const char *path, struct slice name, const struct vault_key *key,
			  vault_fn *fn, void *arg, struct vault_sum *sum, struct err *err);

/* BLAKE2b of bytes that are in memory; with a key nobody else can make it. */
void vault_hash(struct slice bytes, const struct vault_key *key,
		unsigned char out[VAULT_HASH_BYTES]);

#endif
