/* SPDX-License-Identifier: Apache-2.0 */
/* Scopes: one table of words; bit i of a set is row i. */
#include "model/scope.h"

const char *const scope_names[SCOPES_COUNT + 1] = {
	"events:read", "events:write", "rules:read",	     "rules:write",
	"alerts:read", "alerts:write", "notifications:read", "notifications:write",
	"keys:read",   "keys:write",   "settings:read",	     "settings:write",
	NULL
};

static const struct {
	const char *word;
	uint32_t scope;
} older[] = {
	{ "api-keys:read", SCOPE_KEYS_READ },
	{ "api-keys:write", SCOPE_KEYS_WRITE },
};

uint32_t scope_parse(struct slice word)
{
	for (size_t i = 0; i < SCOPES_COUNT; i++) {
		if (slice_eq(word, slice_of(scope_names[i]))) {
			return UINT32_C(1) << i;
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(older); i++) {
		if (slice_eq(word, slice_of(older[i].word))) {
			return older[i].scope;
		}
	}
	return 0;
}

const char *scope_name(enum scope scope)
{
	for (size_t i = 0; i < SCOPES_COUNT; i++) {
		if ((uint32_t)scope == UINT32_C(1) << i) {
			return scope_names[i];
		}
	}
	never("a scope outside the table");
}

bool scopes_parse(struct slice text, uint32_t *set)
{
	struct slice word;

	*set = 0;
	while (slice_split(&text, ' ', &word)) {
		uint32_t scope = scope_parse(word);

		if (scope == 0) {
			return false;
		}
		*set |= scope;
	}
	return true;
}

void scopes_write(uint32_t set, struct buf *out)
{
	bool first = true;

	for (size_t i = 0; i < SCOPES_COUNT; i++) {
		if ((set & UINT32_C(1) << i) != 0) {
			buf_printf(out, "%s%s", first ? "" : " ", scope_names[i]);
			first = false;
		}
	}
}
