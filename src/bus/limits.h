/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_LIMITS_H
#define BUS_LIMITS_H

#include "base/hash.h"
#include "model/bucket.h"

/*
 * Token buckets by whose they are: an org, a session, an address, an account at an address. (Those
 * of API keys lie with the keys, engine/keyring.h, because the busiest path asks them.)
 *
 * A bucket that is full again is the same as one that was never there, and is dropped. When more
 * are in use than fit, the one that would be full again first gives way: that forgets the least
 * there is to forget, so a flood of new addresses throws out its own, never one that is limited.
 *
 * One process's view of its own traffic. Servers that share their limits would do so behind these
 * calls, with shares of a bucket that they take from each other beside the requests: a decision
 * never waits for somebody else. Any thread; nothing blocks.
 */
struct limits;

enum limit_of {
	LIMIT_OF_ORG,
	LIMIT_OF_SESSION,
	LIMIT_OF_ADDRESS,
	LIMIT_OF_LOGIN,	  /* an address, for what proves who one is */
	LIMIT_OF_ACCOUNT, /* an account at an address, for the same */
};

/* Whose bucket. One key has one rate at a time. */
struct limit_key {
	struct hash128 who;
	uint64_t of; /* enum limit_of */
};

/* Memory at most: a bucket with its places in table and heap takes about 200 bytes: 13 MB. */
#define LIMITS_MAX 65536

/* max buckets in use; 0: LIMITS_MAX. */
struct limits *limits_new(size_t max);
void limits_free(struct limits **l);

/* Of something with an id. */
struct limit_key limit_key_id(enum limit_of of, uint64_t id);
/*
 * Of an address, 16 bytes in network order: v4 mapped into v6 alone, v6 by its /64, because that is
 * what one household gets.
 */
struct limit_key limit_key_address(enum limit_of of, const uint8_t ip[16]);
/* Of an account (its normalised mail) at such an address. Keyed, so that nobody finds two alike. */
struct limit_key limit_key_account(const struct limits *l, struct slice account,
				   const uint8_t ip[16]);

/* Take one from the bucket of key, as bucket_take does; mono_us is now. */
struct bucket_verdict limits_take(struct limits *l, const struct limit_key *key,
				  const struct rate *rate, int64_t mono_us);
/* Put one back that was taken for something refused elsewhere. */
void limits_undo(struct limits *l, const struct limit_key *key);
/* Buckets in use now. */
size_t limits_len(struct limits *l);
/* How many had to give way that were not full again yet. */
uint64_t limits_evicted(struct limits *l);

#endif
