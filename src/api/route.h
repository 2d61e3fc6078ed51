/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_ROUTE_H
#define API_ROUTE_H

#include "api/call.h"

/*
 * The route table: one row says all there is to know about a call. A handler cannot be reached
 * without the checks of its row.
 */
enum route_auth {
	AUTH_NONE,   /* public */
	AUTH_KEY,    /* an API key with the scope of the row */
	AUTH_OWN,    /* the handler decides: a key may come another way, or not be needed yet */
	AUTH_SOCKET, /* whoever may open the Unix socket; elsewhere there is no such path */
};

/* Runs on the loop thread and must not block; owes the reply. */
typedef void loop_handler(struct call *c);
/* Runs on a worker, may block; fills the answer, or err and returns false. */
typedef bool work_handler(struct call *c, struct err *err);

struct route {
	enum http_method method;
	const char
		*path; /* "/rules/:id"; a part with a colon matches any text and is a parameter */
	const char *summary;
	enum route_auth auth;
	uint32_t scope;	    /* enum scope; 0: any valid key */
	size_t body_max;    /* bytes, decoded */
	loop_handler *loop; /* one of the two is set */
	work_handler *work;
};

/* What a resource file exports. */
struct route_set {
	const struct route *rows;
	size_t n;
};

/*
 * The row for a request; socket says that it came over the Unix socket. NULL when no row has this
 * path, or, with *path_known, none of those that have it takes the method; *allow then holds the
 * methods for an Allow header.
 */
const struct route *route_find(enum http_method method, struct slice path, bool socket,
			       struct arena *req, struct slice params[ROUTE_PARAMS_MAX],
			       bool *path_known, struct slice *allow);
/* All rows in the order of the table: start with *at = 0; NULL at the end. */
const struct route *route_next(size_t *at);

#endif
