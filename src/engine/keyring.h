/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_KEYRING_H
#define ENGINE_KEYRING_H

#include "base/hash.h"
#include "model/bucket.h"
#include "model/id.h"
#include "model/scope.h"
#include "net/ip.h"
#include "store/global.h"

/*
 * All API keys, in memory, by the hash of their secret: one look-up per request and no database.
 * The store has the truth; whoever changes it posts the change here before it answers, so that a
 * revoked key is refused from the next request on. Loop thread only.
 */
struct keyring;

struct api_key {
	struct key_id id;
	struct org_id org;
	struct project_id project;
	uint32_t scopes;
	int64_t expires_at_us; /* 0: never */
	int64_t last_used_us;  /* 0: not since the start */
	unsigned char hash[SHA256_BYTES];
};

struct keyring *keyring_new(void);
void keyring_free(struct keyring **k);

/* Add or replace by id. */
void keyring_put(struct keyring *k, const struct api_key *key);
/* Remove; does nothing when there is no such key. */
void keyring_del(struct keyring *k, struct key_id id);
/* All of a project's; of an org's. */
void keyring_del_project(struct keyring *k, struct project_id project);
void keyring_del_org(struct keyring *k, struct org_id org);
/* It ends at that time, or earlier if it does anyway. Returns when; 0: there is no such key. */
int64_t keyring_expire(struct keyring *k, struct key_id id, int64_t at_us);
size_t keyring_len(const struct keyring *k);

/*
 * The key with this secret, alive at now_us, marked as used; NULL when unknown or expired. secret
 * is hashed first, so the time taken says nothing about stored keys.
 */
const struct api_key *keyring_find(struct keyring *k, struct slice secret, int64_t now_us);
/* The key with this id, or NULL. Does not mark it. */
const struct api_key *keyring_get(const struct keyring *k, struct key_id id);
/* The same if it is alive at now_us. */
const struct api_key *keyring_alive(const struct keyring *k, struct key_id id, int64_t now_us);

/* What a key has a budget for. */
enum key_budget { KEY_BUDGET_API, KEY_BUDGET_INGEST, KEY_BUDGETS };
/*
 * Take one from a budget of this key, as bucket_take does; without limit when there is no such key.
 * The key found last costs no look-up. What was taken outlives keyring_put. mono_us is now.
 */
struct bucket_verdict keyring_take(struct keyring *k, struct key_id id, enum key_budget budget,
				   const struct rate *rate, int64_t mono_us);
/* Put back what was taken for something refused elsewhere. */
void keyring_undo(struct keyring *k, struct key_id id, enum key_budget budget);

/*
 * Whether this is where the key was let in last; and, that it is let in there now. The address of a
 * key that was not used since the start is all zeroes.
 */
bool keyring_was_at(const struct keyring *k, struct key_id id, struct ip ip);
void keyring_set_at(struct keyring *k, struct key_id id, struct ip ip);

/*
 * Take up to max keys used since the last call: their ids, times and, where it is known, addresses,
 * as texts in from. For the lazy last-used update. Returns how many.
 */
size_t keyring_uses(struct keyring *k, struct key_use *uses, struct ip_text *from, size_t max);

#endif
