/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_SIGN_KEYS_H
#define STORE_SIGN_KEYS_H

#include "model/id.h"
#include "store/db.h"

/*
 * The keys that access tokens are signed with. They are the installation's (store/global.h lists
 * them among the exceptions): few, read at start and when one is added. The private half is sealed.
 */
struct sign_key_row {
	uint64_t number; /* from 1, dense: two processes that add one get one */
	struct slice kid;
	struct slice public_key;
	struct slice private_key; /* sealed */
	int64_t created_us;
	int64_t sign_until_us;
	int64_t check_until_us; /* until its last token has expired */
};
struct sign_key_list {
	struct sign_key_row *rows;
	size_t n;
};
#define SIGN_KEYS_MAX 64 /* two are in use; the others wait for their prune */

/* ERR_CONFLICT when number or kid is taken: read the list again, somebody was faster. */
NODISCARD bool store_sign_key_insert(struct db *db, const struct sign_key_row *row,
				     struct err *err);
/* Newest first. */
NODISCARD bool store_sign_key_list(struct db *db, struct arena *req, struct sign_key_list *out,
				   struct err *err);
/* Remove those that check nothing any more, but for the newest. */
NODISCARD bool store_sign_key_prune(struct db *db, int64_t now_us, struct err *err);

#endif
