/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_ASK_H
#define CMD_ASK_H

#include "cmd/client.h"
#include "cmd/settings.h"

/*
 * Commands that change the state ask the server that has the data directory, over its socket. When
 * nobody has it, the command is that server itself for the moment, with the socket as its only way
 * in: either way the same call does the work. Main thread; blocks.
 */

/*
 * Ask what there is to ask. Runs again when whoever was asked was about to start or to stop
 * (ERR_UPSTREAM, ERR_SHUTTING_DOWN), so it goes on where it was, and may be repeated. On another
 * thread than the one that asked for it, but alone.
 */
typedef bool ask_fn(void *arg, struct client *client, struct err *err);
NODISCARD bool ask_local(const struct settings *settings, ask_fn *fn, void *arg, struct err *err);

#endif
