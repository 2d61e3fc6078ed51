/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_OPENAPI_H
#define API_OPENAPI_H

#include "api/route.h"

/*
 * The API's description (OpenAPI 3.1), made of the route table alone: what is not in a row is not
 * in it. Beside the standard's members an operation carries what the standard has no place for:
 *
 *   x-scope     the scope that a key needs
 *   x-role      the least role of a user
 *   x-limit     the budget it is taken from: api, ingest, auth, none
 *   x-body-max  bytes of the body at most
 *   x-older     the earlier system whose call it is
 *   x-socket    only over the Unix socket (and only shown when asked for)
 *
 * and every response of errors x-codes, the words that its "code" may have.
 */
#define OPENAPI_BYTES_MAX ((size_t)4 << 20)

struct openapi_in {
	struct slice server; /* the base of all paths; empty: where the description came from */
	bool socket;	     /* the calls over the Unix socket, too */
};

/* Append the whole document. Any thread. */
void openapi_write(const struct openapi_in *in, struct buf *out);

/* The kinds of errors that a call may answer, each once; at most ERR_KINDS. Returns how many. */
size_t openapi_errors(const struct route *r, enum err_kind out[ERR_KINDS]);
/* Whether there is a description of this tag. */
bool openapi_has_tag(const char *tag);

#endif
