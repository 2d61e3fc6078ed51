/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_ASK_H
#define CMD_ASK_H

#include "base/json.h"
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

/* A call whose reply is printed: one thing, or a list of them, which is asked for page by page. */
struct ask_rows {
	struct client_call call; /* of a list with a query, but without "cursor" */
	bool lists;
	bool json;	  /* print what came, of a list a line each */
	const char *head; /* a line above the first thing, or NULL */
	void (*print)(const struct json *thing);
	struct arena *boot;
	struct slice cursor; /* behind the page before; empty at first */
	bool headed;	     /* the head is printed; false at first */
};
NODISCARD bool ask_rows(const struct settings *settings, struct ask_rows *rows, struct err *err);
/* A member as it is printed: "-" when there is none. */
struct slice ask_text(const struct json *thing, const char *name);

/*
 * A command of several words has a table of them, each row beginning with its word. NULL: there is
 * no such row.
 */
const void *ask_word(const char *word, const void *rows, size_t n, size_t row_bytes);
#define ASK_WORD(word, rows) ask_word(word, rows, ARRAY_LEN(rows), sizeof((rows)[0]))

#endif
