/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_SIGNER_H
#define API_SIGNER_H

#include "base/arena.h"
#include "base/seal.h"
#include "model/id.h"
#include "store/db.h"

/*
 * Access tokens: JWTs that say which user and which session, for SIGNER_LIFE_US. What that session
 * may do is not in them (engine/people.h). The keys are in the store, the private halves sealed;
 * one signs for SIGNER_KEY_US, and checks until its last token has expired.
 *
 * Any thread, but for signer_check, which is the loop's: it remembers what it has checked, because
 * a signature costs 80 us and a session sends the same token a hundred times.
 */
struct signer;

#define SIGNER_LIFE_US (15 * INT64_C(60) * 1000000)
#define SIGNER_KEY_US (30 * INT64_C(86400) * 1000000)

/* seal is borrowed. */
struct signer *signer_new(const struct seal *seal);
/* Wipes the keys. */
void signer_free(struct signer **s);
/* The keys that are in the store; makes the first. Before signer_issue. Blocks. */
NODISCARD bool signer_load(struct signer *s, struct db *db, int64_t now_us, struct err *err);
/*
 * A token, in req. Makes a new key when it is time: not in a transaction. Blocks.
 */
NODISCARD bool signer_issue(struct signer *s, struct db *db, struct user_id user,
			    struct session_id session, int64_t now_us, struct arena *req,
			    struct slice *token, struct err *err);

enum signer_verdict {
	SIGNER_GOOD,
	SIGNER_OVER,   /* it was ours, and is no longer in its time */
	SIGNER_FORGED, /* it is none of ours */
};
/* Whose token it is; err, ERR_UNAUTHORIZED, says why it is not SIGNER_GOOD. Loop thread. */
enum signer_verdict signer_check(struct signer *s, struct slice token, int64_t now_us,
				 struct arena *req, struct user_id *user,
				 struct session_id *session, struct err *err);

#endif
