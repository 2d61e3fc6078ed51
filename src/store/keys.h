/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_KEYS_H
#define STORE_KEYS_H

#include "model/id.h"
#include "store/db.h"
#include "store/page.h"

/*
 * API keys. Only the hash of a key is stored, as hex text; the server holds all live keys in
 * memory, so these functions serve start, administration and the lazy notes of last use.
 */
struct key_row {
	struct key_id id;
	struct org_id org;
	struct project_id project;
	struct slice name;
	struct slice hash;   /* 64 hex digits; unique in the installation */
	struct slice prefix; /* the first characters, for people */
	struct slice scopes; /* separated by spaces; empty: all machine scopes */
	int64_t created_us;
	int64_t expires_us;	  /* 0: never */
	int64_t revoked_us;	  /* 0: not */
	int64_t last_used_us;	  /* 0: never */
	struct user_id made_by;	  /* 0: a key, or nobody */
	struct key_id rotated_to; /* the key that takes its place; 0: none */
	struct slice used_from;	  /* the address of its last use; empty: not known */
	uint64_t version;	  /* counts the changes, from 1; inserts set it */
};
struct key_list {
	struct key_row *rows;
	size_t n;
	struct page_at next;
};

/* ERR_CONFLICT when id or hash is taken, or the project is not one of this org. */
NODISCARD bool store_key_insert(struct org_id org, struct db *db, const struct key_row *row,
				struct err *err);
/* Revoked and expired keys are found too. project 0: of any project of the org. */
NODISCARD enum found store_key_get(struct org_id org, struct db *db, struct project_id project,
				   struct key_id id, struct arena *req, struct key_row *out,
				   struct err *err);
/* The key with this hash, revoked or not, if it is one of this org. */
NODISCARD enum found store_key_by_hash(struct org_id org, struct db *db, struct slice hash,
				       struct arena *req, struct key_row *out, struct err *err);
/* The oldest key of this name in the project that is not revoked. */
NODISCARD enum found store_key_by_name(struct org_id org, struct db *db, struct project_id project,
				       struct slice name, struct arena *req, struct key_row *out,
				       struct err *err);
/* Newest first, revoked ones too. project 0: of all projects of the org. */
NODISCARD bool store_key_list(struct org_id org, struct db *db, struct project_id project,
			      const struct page *page, struct arena *req, struct key_list *out,
			      struct err *err);
/* The newest that works, not revoked and not expired. */
NODISCARD enum found store_key_newest(struct org_id org, struct db *db, struct project_id project,
				      int64_t now_us, struct arena *req, struct key_row *out,
				      struct err *err);
/* How many of a project are neither revoked nor expired. */
NODISCARD bool store_key_live(struct org_id org, struct db *db, struct project_id project,
			      int64_t now_us, uint64_t *out, struct err *err);
/*
 * Changes of one key. project 0: of any project of the org. expect is the version that it has to be
 * at; 0: any. NOT_FOUND: there is no such key, it is revoked, or at another version.
 */
NODISCARD enum found store_key_rename(struct org_id org, struct db *db, struct project_id project,
				      struct key_id id, struct slice name, uint64_t expect,
				      struct err *err);
NODISCARD enum found store_key_revoke(struct org_id org, struct db *db, struct project_id project,
				      struct key_id id, uint64_t expect, int64_t now_us,
				      struct err *err);
/* All keys of a project that are not revoked. */
NODISCARD bool store_key_revoke_all(struct org_id org, struct db *db, struct project_id project,
				    int64_t now_us, struct err *err);

/*
 * Likewise: another key takes its place, and the old one expires at expires_us, or earlier if it
 * would anyway. NOT_FOUND also when it was rotated before.
 */
NODISCARD enum found store_key_rotate(struct org_id org, struct db *db, struct project_id project,
				      struct key_id id, struct key_id to, int64_t expires_us,
				      uint64_t expect, struct err *err);

#endif
