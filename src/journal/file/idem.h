/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOURNAL_FILE_IDEM_H
#define JOURNAL_FILE_IDEM_H

#include "base/base.h"

/*
 * The memory of idempotency keys: which record number may hold a key. It keeps 36 bits of a key's
 * hash (12 of them by place) and 40 of the number in eight bytes, so it proposes candidates, and
 * whoever asks compares with the record itself. Oldest keys go first: when they are in tables, when
 * they are outside the window, or when there are too many. One thread.
 */
#define IDEM_TABLES 4096 /* each grows alone, so that no single insert stalls for long */
#define IDEM_KEY_BYTES_MAX \
	15		     /* that a key takes at most, room to grow and the forgotten included */
#define IDEM_GENERATIONS 160 /* steps in which keys are forgotten, and some to spare */

struct idem_table {
	uint64_t *slots; /* number << 24 | tag; 0 is empty */
	size_t cap;
	size_t used;
};

/* A run of numbers whose keys are forgotten together. */
struct idem_generation {
	uint64_t first_seq;
	size_t keys;
	int64_t from_us;
	int64_t to_us;
};

struct idem {
	struct idem_table tables[IDEM_TABLES];
	struct idem_generation generations[IDEM_GENERATIONS]; /* a ring */
	size_t head;
	size_t generations_n;
	size_t keys;
	size_t keys_max;
	size_t slots;
	int64_t window_us;
	uint64_t newest_seq;
	uint64_t from_seq;  /* keys of records before it were forgotten */
	uint64_t kept_seq;  /* of records before it somebody else knows the keys */
	uint64_t lost;	    /* keys that went inside the window, and nobody knows them */
	int64_t lost_to_us; /* when the newest of them was received */
};

void idem_init(struct idem *idem, size_t keys_max, int64_t window_us);
void idem_release(struct idem *idem);

/* Bring the place of hash near, for an idem_next soon. Changes nothing. */
void idem_prefetch(const struct idem *idem, uint64_t hash);
/*
 * Walk the numbers that may hold the key of this hash, no idem_put in between; start with *at = 0.
 * 0 at the end.
 */
uint64_t idem_next(const struct idem *idem, uint64_t hash, size_t *at);
/* Remember that record seq, received then, holds the key. Numbers and times only grow. */
void idem_put(struct idem *idem, uint64_t hash, uint64_t seq, int64_t received_at_us);
/* Forget what is outside the window at this time. Cheap; call per batch. */
void idem_expire(struct idem *idem, int64_t now_us);
/*
 * Records before kept_seq have their keys with somebody else, who answers as fast: forget them
 * here. Some of the newest may stay. Cheap; call per batch.
 */
void idem_hand_over(struct idem *idem, uint64_t kept_seq);

#endif
