/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_GUESS_H
#define API_GUESS_H

#include "base/err.h"
#include "base/slice.h"

/*
 * Guessing of secrets: who was wrong too often waits, longer each time (model/guess.h), and hears
 * ERR_RATE with the time to come back. Wrong and right answers are refused alike meanwhile, so that
 * nothing can be learnt; but a key goes on working from the address where it worked last, because
 * whoever guesses does not have it, and its owner shall not suffer for a neighbour.
 */
struct call;

/*
 * A key was sent and looked up: false when its sender has to wait. Counts it as a guess when it is
 * not known. An empty secret is none. Loop thread.
 */
NODISCARD bool guess_key(struct call *c, struct slice secret, bool known, struct err *err);
/* The same for another secret of the installation. Any thread, while the call is its. */
NODISCARD bool guess_secret(struct call *c, struct slice secret, bool right, struct err *err);

/*
 * Somebody is about to prove that account (a normalised mail) is his: false when he has to wait.
 * It counts as a failure of the account and of the address until guess_right, which takes all of
 * the account's failures back, and of the address' this one: who owns an account must not free
 * himself for guessing others. Any thread, while the call is its.
 */
NODISCARD bool guess_login(struct call *c, struct slice account, struct err *err);
void guess_right(struct call *c, struct slice account);
/* The account's owner proved himself another way: what others failed at holds him up no longer. */
void guess_clear(struct call *c, struct slice account);
/* Nothing was learnt by it, right or wrong: this one try does not count. */
void guess_undo(struct call *c, struct slice account);

#endif
