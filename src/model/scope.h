/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_SCOPE_H
#define MODEL_SCOPE_H

#include "base/buf.h"
#include "base/slice.h"

/*
 * What an API key may do: a set of scopes, each "noun:read" or "noun:write". Stored and shown as
 * words separated by spaces, in the order of this table. Pure; any thread.
 */
enum scope {
	SCOPE_EVENTS_READ = 1 << 0,
	SCOPE_EVENTS_WRITE = 1 << 1,
	SCOPE_RULES_READ = 1 << 2,
	SCOPE_RULES_WRITE = 1 << 3,
	SCOPE_ALERTS_READ = 1 << 4,
	SCOPE_ALERTS_WRITE = 1 << 5,
	SCOPE_NOTIFICATIONS_READ = 1 << 6,
	SCOPE_NOTIFICATIONS_WRITE = 1 << 7,
	SCOPE_KEYS_READ = 1 << 8,
	SCOPE_KEYS_WRITE = 1 << 9,
	SCOPE_SETTINGS_READ = 1 << 10,
	SCOPE_SETTINGS_WRITE = 1 << 11,
};
#define SCOPES_ALL ((uint32_t)((1 << 12) - 1))
#define SCOPES_COUNT 12

/* One word, also in an older spelling ("api-keys:read"); 0 when there is no such scope. */
uint32_t scope_parse(struct slice word);
/* All words in the order of the bits, ended by NULL: for field tables and documents. */
extern const char *const scope_names[];
/* The word of a single scope. */
const char *scope_name(enum scope scope);
/* Words separated by spaces; false on an unknown one. An empty text is the empty set. */
NODISCARD bool scopes_parse(struct slice text, uint32_t *set);
/* Append the words of a set, separated by spaces. */
void scopes_write(uint32_t set, struct buf *out);

#endif
