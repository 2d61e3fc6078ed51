/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_REPLIES_H
#define STORE_REPLIES_H

#include "model/id.h"
#include "store/db.h"

/*
 * Replies to requests with an Idempotency-Key. A row is written in the transaction of the change
 * that it is the reply to, and its key is unique: so it is there exactly when the change was made,
 * and of two transactions under one key only one commits. Keys of events are not here: those are
 * the journal's. Org 0 has the replies to persons about themselves, whichever org they act in.
 */
#define REPLY_KEPT_US (INT64_C(86400) * 1000000) /* what clients are promised */
/* Larger ones are told by the id of what they made; a rule of the usual size takes 1 KiB. */
#define REPLY_BODY_BYTES_MAX ((size_t)64 << 10)
/*
 * Of one org within REPLY_KEPT_US: 14 changes a minute all day. Beyond, requests with a key wait:
 * to forget one early would be to do it twice.
 */
#define REPLIES_PER_ORG_MAX 20000

struct reply_row {
	struct org_id org;
	struct slice key;      /* 64 hex digits: of the key, and of whose it is */
	struct slice request;  /* 64 hex digits: of method, path, query and body */
	uint32_t status;       /* of HTTP */
	bool whole;	       /* false: the body is not kept, only the object */
	struct slice etag;     /* without it: empty */
	struct slice location; /* likewise */
	struct slice object; /* the public id of what was made; empty: nothing was, or many were */
	struct slice body;   /* JSON; empty: the reply had none */
	int64_t created_us;
	int64_t expires_us;
};

/* Those that have expired by now_us are not found. */
NODISCARD enum found store_reply_get(struct org_id org, struct db *db, struct slice key,
				     int64_t now_us, struct arena *req, struct reply_row *out,
				     struct err *err);
/* How many there are that have not expired, REPLIES_PER_ORG_MAX at most. */
NODISCARD bool store_reply_count(struct org_id org, struct db *db, int64_t now_us, uint64_t *out,
				 struct err *err);
/*
 * In the transaction of the change. ERR_CONFLICT when the key is in use: the change must not be
 * committed then. One that had expired by row->created_us is replaced.
 */
NODISCARD bool store_reply_insert(struct org_id org, struct db *db, const struct reply_row *row,
				  struct err *err);

/*
 * One engine batch answers for many orgs. A key that is in use is passed over. In a transaction.
 */
NODISCARD bool store_replies_add(struct db *db, const struct reply_row *rows, size_t n,
				 struct err *err);
/*
 * The keeper sweeps for all orgs: up to limit of those that have expired by now_us, so many times.
 * Not in a transaction; each time is one of its own.
 */
NODISCARD bool store_replies_sweep(struct db *db, int64_t now_us, size_t limit, size_t times,
				   struct err *err);

#endif
