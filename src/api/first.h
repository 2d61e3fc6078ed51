/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_FIRST_H
#define API_FIRST_H

#include "api/call.h"

/*
 * Whoever may do what is done once in the life of an installation, before there is anybody to ask:
 * make its first key, become its first owner. That is who sits at this machine (loopback address
 * and name, no proxy, no browser page, a JSON body), or who holds the setup token, in X-Setup-Token
 * or as a Bearer token. Counts wrong tokens as guesses; err then may be ERR_RATE, else it is left
 * alone. Loop thread.
 */
NODISCARD bool first_is_allowed(struct call *c, struct err *err);

#endif
