/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_PASSWORD_H
#define AUTH_PASSWORD_H

#include "base/err.h"

/*
 * Passwords: what may be one, and their hashes. New hashes are argon2id as PHC text (RFC 9106;
 * 19 MiB and 2 passes, as OWASP's cheat sheet asks). bcrypt hashes of earlier systems ($2a$, $2b$,
 * $2y$) verify as well and want to be replaced at the next login.
 *
 * A password is bytes: it is not normalised, so the same letters must be entered the same way. All
 * keyboards of one system do so, and what a hash has once been made of can never be guessed later.
 *
 * Hashing takes some 30 ms of a processor and 19 MiB: any thread but the loop, and through a gate.
 */
#define PASSWORD_BYTES_MIN 8
#define PASSWORD_BYTES_MAX 1024 /* far over any phrase; what is hashed first is read whole */
#define PASSWORD_HASH_BYTES_MAX 128
#define PASSWORD_AT_ONCE_MAX 2 /* 38 MiB, and as many cores as a small machine has */

/*
 * Counts who is hashing. One for the process, because memory and cores are; zeroed is open. Any
 * thread.
 */
struct password_gate {
	int inside; /* atomic */
};

struct password_hash {
	char text[PASSWORD_HASH_BYTES_MAX]; /* terminated */
};

/*
 * Whether somebody with this mail may choose this password: ERR_INVALID says what is wrong with its
 * length, or that it is one of those that everybody tries first: the mail or its name, one
 * character again and again, a run like 12345678, a word from a short list with or without digits
 * behind it. mail may be empty. Never a part of the password in err.
 */
NODISCARD bool password_check(struct slice password, struct slice mail, struct err *err);
/*
 * A new hash with a new salt; of a password of at most PASSWORD_BYTES_MAX bytes. ERR_OVERLOADED:
 * PASSWORD_AT_ONCE_MAX others are hashing, or there is no memory.
 */
NODISCARD bool password_hash(struct password_gate *gate, struct slice password,
			     struct password_hash *out, struct err *err);
/*
 * FOUND: the password is the one of hash. NOT_FOUND: it is not. FAILED: ERR_OVERLOADED as above, or
 * ERR_CORRUPT for a hash of another kind or of a cost that nobody would wait for.
 *
 * An empty hash is the one of somebody who has none, or who does not exist: it takes as long as a
 * hash that password_hash made, and is always NOT_FOUND. (One of bcrypt takes the time of its own
 * cost, so an imported user who has not logged in yet can be told from nobody.)
 */
NODISCARD enum found password_verify(struct password_gate *gate, struct slice password,
				     struct slice hash, struct err *err);
/* Whether a password that was right should be hashed anew: by older costs, or by bcrypt. */
bool password_is_old(struct slice hash);
/* Whether hash is one that password_verify can use, by its form; for those that are imported. */
bool password_hash_is_known(struct slice hash);

#endif
