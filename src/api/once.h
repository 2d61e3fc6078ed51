/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_ONCE_H
#define API_ONCE_H

#include "api/route.h"
#include "base/hash.h"
#include "store/replies.h"

/*
 * A POST with an Idempotency-Key is done once: whoever sends it again within a day gets the reply
 * that the first one got, marked Idempotent-Replayed. The reply is a row that is committed with the
 * change (store/replies.h), so no crash can leave one without the other; doc/adr/0023.
 *
 * What a handler has to do: make its answer first, then commit with once_commit in the place of
 * db_commit, and tell the loop afterwards. Everything else is the frame's (api.c). A refusal is not
 * kept: the caller may mend the request and send it under the same key, or try again.
 *
 * Keys belong to the org and, within it, to the project of the caller, and to the user if it is
 * one; those of calls about the user himself (WHO_USER without a role) to him alone. Nobody meets
 * another's. Keys of events are not here; the journal knows them.
 */
#define ONCE_KEY_BYTES_MAX 255 /* visible ASCII; draft-ietf-httpapi-idempotency-key-header */

struct once {
	struct org_id org;		/* 0: the reply is the user's, whichever org he acts in */
	char key[2 * SHA256_BYTES + 1]; /* see struct reply_row */
	char request[2 * SHA256_BYTES + 1]; /* likewise */
	bool kept; /* the reply is committed with the change, or with the record that asks for it */
	bool unsure;	     /* the change is in the log, and it is not known what became of it */
	struct slice object; /* of ERR_ALREADY_CREATED: the id of what there is */
};

/*
 * Run a handler on a worker: run itself when the request has no key that its row takes, else only
 * when the key was not used. ERR_IDEMPOTENCY: it was used with another request; ERR_IN_PROGRESS:
 * somebody is at it; ERR_ALREADY_CREATED: it was done, and the reply is not kept.
 */
NODISCARD bool once_do(struct call *c, work_handler *run, struct err *err);

/*
 * Commit the transaction of the connection, with the answer as it is now. ERR_CONFLICT when another
 * request under the key was faster; the handler just returns false. Not for rows with .secret.
 */
NODISCARD bool once_commit(struct call *c, struct err *err);
/* The same where the answer holds a secret: only the id of what was made is kept. */
NODISCARD bool once_commit_made(struct call *c, enum id_kind kind, uint64_t id, struct err *err);

/*
 * For what goes through the log: what the control record says of the request's key (c->once is
 * there); that the engine has committed the reply; that nobody knows what became of the record.
 */
struct control;
void once_ask(const struct call *c, struct control *control);
void once_kept(struct call *c);
void once_unsure(struct call *c);

/* The keys that are being worked on. Any thread may call any of these. */
struct onces;
/* found_seq: the last record that was there at the start. */
struct onces *onces_new(uint64_t found_seq);
void onces_free(struct onces **o);
/*
 * Of all who enter with a key, one is in. applied is how far the engine is: who left unsure keeps
 * others out until the record is applied, because only then there is a reply to be found.
 */
NODISCARD bool onces_enter(struct onces *o, struct slice key, uint64_t applied);
void onces_leave(struct onces *o, struct slice key, bool unsure);
/* The record of who is in, or was, has this number; 0: it was not stored, and never will be. */
void onces_stored(struct onces *o, struct slice key, uint64_t seq);
/* How many are in, or were and are unsure. */
size_t onces_n(struct onces *o);

#endif
