/* SPDX-License-Identifier: Apache-2.0 */
/* Who a row lets in, for every kind of row and of caller. */
#include "api/route.h"

#include "test/t.h"

static enum err_kind verdict(enum route_who who, uint32_t scope, enum found credential,
			     uint32_t has)
{
	struct route row = { .who = who, .scope = scope };
	struct caller caller = { .key = { credential == FOUND }, .scopes = has };
	struct err err = { 0 };

	return route_admits(&row, credential, &caller, &err) ? ERR_NONE : err.kind;
}

TEST(a_row_lets_in_whom_it_names)
{
	static const struct {
		enum route_who who;
		enum found credential;
		uint32_t scope, has;
		enum err_kind want;
	} rows[] = {
		{ WHO_PUBLIC, NOT_FOUND, 0, 0, ERR_NONE },
		{ WHO_PUBLIC, FAILED, 0, 0, ERR_NONE },
		{ WHO_SOCKET, NOT_FOUND, 0, 0, ERR_NONE },
		{ WHO_OWN, FAILED, SCOPE_KEYS_WRITE, 0, ERR_NONE },
		{ WHO_CALLER, NOT_FOUND, 0, 0, ERR_UNAUTHORIZED },
		{ WHO_CALLER, FAILED, 0, 0, ERR_UNAUTHORIZED },
		{ WHO_CALLER, FOUND, 0, 0, ERR_NONE },
		{ WHO_CALLER, FOUND, SCOPE_RULES_READ, 0, ERR_FORBIDDEN },
		{ WHO_CALLER, FOUND, SCOPE_RULES_READ, SCOPE_RULES_WRITE, ERR_FORBIDDEN },
		{ WHO_CALLER, FOUND, SCOPE_RULES_READ, SCOPES_ALL, ERR_NONE },
		{ WHO_USER, NOT_FOUND, 0, 0, ERR_UNAUTHORIZED },
		{ WHO_USER, FOUND, 0, SCOPES_ALL, ERR_FORBIDDEN },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		T_INT(verdict(rows[i].who, rows[i].scope, rows[i].credential, rows[i].has),
		      rows[i].want);
	}
}

T_MAIN(T(a_row_lets_in_whom_it_names))
