/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sums are over the plain bytes, so that they say the same of a file in the backup and of the one
 * that is restored from it.
 */
#include "cmd/vault.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PIECE_BYTES ((size_t)64 << 10)
#define PIECE_ADDED crypto_secretstream_xchacha20poly1305_ABYTES
#define HEADER_BYTES crypto_secretstream_xchacha20poly1305_HEADERBYTES
#define MAGIC "tocsin\nE" /* eight bytes, then the header of the stream */
#define KEY_FILE_MIN 32
#define KEY_FILE_MAX 4096

struct vault_out {
	int fd;
	const char *path;
	bool sealed;
	crypto_secretstream_xchacha20poly1305_state stream;
	crypto_generichash_state hash;
	uint64_t bytes;
	size_t n; /* waiting in piece */
	unsigned char piece[PIECE_BYTES];
	unsigned char box[PIECE_BYTES + PIECE_ADDED];
};

static bool is_space(char c)
{
	return c == '\n' || c == '\r' || c == ' ' || c == '\t';
}

bool vault_key_read(struct slice path, struct vault_key *key, struct err *err)
{
	char text[KEY_FILE_MAX + 1], name[KEY_FILE_MAX];
	FILE *f;
	size_t n;

	*key = (struct vault_key) { 0 };
	if (path.n == 0) {
		return true;
	}
	snprintf(name, sizeof(name), "%.*s", SARG(path));
	f = fopen(name, "re");
	if (f == NULL) {
		return err_errno(err, errno, "open the key file \"%s\"", name);
	}
	n = fread(text, 1, sizeof(text), f);
	fclose(f);
	while (n > 0 && n <= KEY_FILE_MAX && is_space(text[n - 1])) {
		n--;
	}
	if (n >= KEY_FILE_MIN && n <= KEY_FILE_MAX) {
		vault_hash((struct slice) { text, n }, NULL, key->v);
		key->set = true;
	}
	sodium_memzero(text, sizeof(text));
	return key->set ||
	       err_set(err, ERR_INVALID, "the key file \"%s\" must hold between %d and %d bytes",
		       name, KEY_FILE_MIN, KEY_FILE_MAX);
}

void vault_key_wipe(struct vault_key *key)
{
	sodium_memzero(key, sizeof(*key));
}

void vault_hash(struct slice bytes, const struct vault_key *key,
		unsigned char out[VAULT_HASH_BYTES])
{
	bool keyed = key != NULL && key->set;

	ensure(crypto_generichash(out, VAULT_HASH_BYTES, (const unsigned char *)bytes.p, bytes.n,
				  keyed ? key->v : NULL, keyed ? VAULT_KEY_BYTES : 0) == 0);
}

/* Writing. */

static bool write_all(const struct vault_out *out, const void *p, size_t n, struct err *err)
{
	const char *from = p;

	while (n > 0) {
		ssize_t done = write(out->fd, from, n);

		if (done < 0 && errno != EINTR) {
			return err_errno(err, errno, "write \"%s\"", out->path);
		}
		from += done > 0 ? done : 0;
		n -= done > 0 ? (size_t)done : 0;
	}
	return true;
}

static bool write_piece(struct vault_out *out, bool last, struct err *err)
{
	unsigned char tag = last ? crypto_secretstream_xchacha20poly1305_TAG_FINAL : 0;
	size_t n = out->n;

	out->n = 0;
	if (!out->sealed) {
		return write_all(out, out->piece, n, err);
	}
	ensure(crypto_secretstream_xchacha20poly1305_push(&out->stream, out->box, NULL, out->piece,
							  n, NULL, 0, tag) == 0);
	return write_all(out, out->box, n + PIECE_ADDED, err);
}

/* Every file has a key of its own, which knows the file's name. */
static void key_of(const struct vault_key *key, struct slice name,
		   unsigned char out[VAULT_KEY_BYTES])
{
	vault_hash(name, key, out);
}

static bool begin_sealed(struct vault_out *out, struct slice name, const struct vault_key *key,
			 struct err *err)
{
	unsigned char head[sizeof(MAGIC) - 1 + HEADER_BYTES];
	unsigned char own[VAULT_KEY_BYTES];

	out->sealed = true;
	key_of(key, name, own);
	memcpy(head, MAGIC, sizeof(MAGIC) - 1);
	ensure(crypto_secretstream_xchacha20poly1305_init_push(&out->stream,
							       head + sizeof(MAGIC) - 1, own) == 0);
	sodium_memzero(own, sizeof(own));
	return write_all(out, head, sizeof(head), err);
}

bool vault_out_open(struct vault_out **out_p, const char *path, struct slice name,
		    const struct vault_key *key, struct err *err)
{
	struct vault_out *out;
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	*out_p = NULL;
	if (fd < 0) {
		return err_errno(err, errno, "create \"%s\"", path);
	}
	out = mem_alloc(1, sizeof(*out));
	out->fd = fd;
	out->path = path;
	crypto_generichash_init(&out->hash, NULL, 0, VAULT_HASH_BYTES);
	*out_p = out;
	return !key->set || begin_sealed(out, name, key, err);
}

bool vault_out_put(struct vault_out *out, struct slice bytes, struct err *err)
{
	crypto_generichash_update(&out->hash, (const unsigned char *)bytes.p, bytes.n);
	out->bytes += bytes.n;
	while (bytes.n > 0) {
		size_t n = PIECE_BYTES - out->n < bytes.n ? PIECE_BYTES - out->n : bytes.n;

		memcpy(out->piece + out->n, bytes.p, n);
		out->n += n;
		bytes = slice_from(bytes, n);
		if (out->n == PIECE_BYTES && !write_piece(out, false, err)) {
			return false;
		}
	}
	return true;
}

bool vault_out_end(struct vault_out *out, struct vault_sum *sum, struct err *err)
{
	if (!write_piece(out, true, err)) {
		return false;
	}
	if (sum != NULL) {
		sum->bytes = out->bytes;
		crypto_generichash_final(&out->hash, sum->hash, VAULT_HASH_BYTES);
	}
	return fdatasync(out->fd) == 0 || err_errno(err, errno, "flush \"%s\"", out->path);
}

void vault_out_close(struct vault_out **out_p)
{
	struct vault_out *out = *out_p;

	if (out != NULL) {
		close(out->fd);
		sodium_memzero(out, sizeof(*out));
		free(out);
		*out_p = NULL;
	}
}

/* Reading. */

struct reading {
	FILE *f;
	const char *path;
	vault_fn *fn;
	void *arg;
	crypto_generichash_state hash;
	uint64_t bytes;
};

static bool give(struct reading *r, const void *p, size_t n, struct err *err)
{
	crypto_generichash_update(&r->hash, p, n);
	r->bytes += n;
	return r->fn == NULL || r->fn(r->arg, (struct slice) { p, n }, err);
}

static bool read_failed(const struct reading *r, struct err *err)
{
	return err_errno(err, errno, "read \"%s\"", r->path);
}

static bool read_plain(struct reading *r, struct err *err)
{
	char *piece = mem_alloc(PIECE_BYTES, 1);
	bool ok = true;
	size_t n;

	while (ok && (n = fread(piece, 1, PIECE_BYTES, r->f)) > 0) {
		ok = give(r, piece, n, err);
	}
	free(piece);
	return ok && (ferror(r->f) == 0 || read_failed(r, err));
}

static bool wrong(const struct reading *r, struct err *err)
{
	return err_set(err, ERR_CORRUPT, "\"%s\" is damaged, or encrypted with another key",
		       r->path);
}

static bool read_pieces(struct reading *r, crypto_secretstream_xchacha20poly1305_state *stream,
			unsigned char *box, unsigned char *piece, struct err *err)
{
	unsigned char tag = 0;

	while (tag != crypto_secretstream_xchacha20poly1305_TAG_FINAL) {
		size_t n = fread(box, 1, PIECE_BYTES + PIECE_ADDED, r->f);

		if (ferror(r->f) != 0) {
			return read_failed(r, err);
		}
		if (n < PIECE_ADDED || crypto_secretstream_xchacha20poly1305_pull(
					       stream, piece, NULL, &tag, box, n, NULL, 0) != 0) {
			return wrong(r, err);
		}
		if (!give(r, piece, n - PIECE_ADDED, err)) {
			return false;
		}
	}
	return fgetc(r->f) == EOF || wrong(r, err);
}

static bool read_sealed(struct reading *r, struct slice name, const struct vault_key *key,
			struct err *err)
{
	unsigned char head[sizeof(MAGIC) - 1 + HEADER_BYTES];
	unsigned char own[VAULT_KEY_BYTES];
	unsigned char *box, *piece;
	crypto_secretstream_xchacha20poly1305_state stream;
	bool ok;

	if (fread(head, 1, sizeof(head), r->f) != sizeof(head) ||
	    memcmp(head, MAGIC, sizeof(MAGIC) - 1) != 0) {
		return wrong(r, err);
	}
	key_of(key, name, own);
	ok = crypto_secretstream_xchacha20poly1305_init_pull(&stream, head + sizeof(MAGIC) - 1,
							     own) == 0;
	sodium_memzero(own, sizeof(own));
	if (!ok) {
		return wrong(r, err);
	}
	box = mem_alloc(PIECE_BYTES + PIECE_ADDED, 1);
	piece = mem_alloc(PIECE_BYTES, 1);
	ok = read_pieces(r, &stream, box, piece, err);
	sodium_memzero(&stream, sizeof(stream));
	sodium_memzero(piece, PIECE_BYTES);
	free(box);
	free(piece);
	return ok;
}

bool vault_read(const char *path, struct slice name, const struct vault_key *key, vault_fn *fn,
		void *arg, struct vault_sum *sum, struct err *err)
{
	struct reading r = { .f = fopen(path, "re"), .path = path, .fn = fn, .arg = arg };
	bool ok;

	if (r.f == NULL) {
		return err_errno(err, errno, "open \"%s\"", path);
	}
	crypto_generichash_init(&r.hash, NULL, 0, VAULT_HASH_BYTES);
	ok = key->set ? read_sealed(&r, name, key, err) : read_plain(&r, err);
	fclose(r.f);
	sum->bytes = r.bytes;
	crypto_generichash_final(&r.hash, sum->hash, VAULT_HASH_BYTES);
	return ok;
}
