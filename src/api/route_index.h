/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_ROUTE_INDEX_H
#define API_ROUTE_INDEX_H

#include "api/route.h"

/*
 * Finds the row of a request in a time that does not grow with the table. Made once, never changed;
 * any thread.
 */
struct route_index;

/* Of the whole table. */
struct route_index *route_index_new(void);
/* NULL ok. */
void route_index_free(struct route_index **index);

/*
 * The row for a request, the first one of the table where several fit; socket says that it came
 * over the Unix socket. params are those of its path, decoded. NULL when no row has this path, or,
 * with *path_known, none of those that have it takes the method; *allow then holds the methods for
 * an Allow header (RFC 9110, 15.5.6).
 */
const struct route *route_find(const struct route_index *index, enum http_method method,
			       struct slice path, bool socket, struct arena *req,
			       struct slice params[ROUTE_PARAMS_MAX], bool *path_known,
			       struct slice *allow);

#endif
