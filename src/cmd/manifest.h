/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_MANIFEST_H
#define CMD_MANIFEST_H

#include "base/arena.h"
#include "base/buf.h"
#include "cmd/vault.h"
#include "store/save.h"

/*
 * What a backup consists of: the file "manifest" in its folder, written last. Lines of JSON: one
 * about the whole, one per file, one with the hash of the lines before it, which is keyed when the
 * backup is encrypted. Main thread.
 */
#define MANIFEST_NAME "manifest"
#define MANIFEST_STATE_SQLITE "state.db"
#define MANIFEST_STATE_POSTGRES "state.rows"

struct manifest_file {
	struct slice name;   /* in the data directory, "journal/meta" */
	struct slice stored; /* in the folder of the backup */
	struct vault_sum sum;
	uint64_t first_seq; /* of the records in it; 0: none */
	uint64_t last_seq;
};

struct manifest {
	struct slice version; /* of the program */
	int64_t taken_us;
	bool encrypted;
	bool postgres;	      /* where the state came from */
	struct slice journal; /* id, in hex */
	struct store_saved state;
	uint64_t first_seq; /* of the journal */
	uint64_t last_seq;
	struct manifest_file *files;
	size_t n;
};

/*
 * NOT_FOUND: there is none, so the folder holds no finished backup. FAILED: ERR_CORRUPT,
 * ERR_CONFLICT for one of a newer program, ERR_INVALID when a key is missing or not wanted. Names
 * stay inside the folder. All is in boot.
 */
NODISCARD enum found manifest_read(struct slice dir, const struct vault_key *key,
				   struct arena *boot, struct manifest *out, struct err *err);
/* Put it in the place of the old one, flushed, with everything that the folder names. */
NODISCARD bool manifest_write(struct slice dir, const struct vault_key *key,
			      const struct manifest *manifest, struct err *err);
/* The file of that name, or NULL. Linear. */
const struct manifest_file *manifest_find(const struct manifest *manifest, struct slice name);

/* From text, and to it; for the one who keeps it elsewhere, and for tests. Hostile bytes. */
void manifest_encode(const struct manifest *manifest, const struct vault_key *key, struct buf *out);
NODISCARD bool manifest_decode(struct slice text, const struct vault_key *key, struct arena *boot,
			       struct manifest *out, struct err *err);

#endif
