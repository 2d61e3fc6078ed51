/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_CORS_H
#define API_CORS_H

#include "net/http_server.h"

/*
 * Cross-origin requests (Fetch standard): origins in the setting cors-origins may call the API
 * with a key; there are no cookies to protect. Everybody else gets no header, which makes a browser
 * refuse. Loop thread.
 */
struct api;
struct call;

#define CORS_HEADERS_MAX 3

/* The headers that a reply to this request gets; returns how many. */
size_t cors_headers(struct api *api, const struct http_request *r,
		    struct http_header out[CORS_HEADERS_MAX]);
/* Whether this is a preflight, to be answered by cors_preflight and nothing else. */
bool cors_is_preflight(const struct http_request *r);
void cors_preflight(struct api *api, struct http_exchange *x);

#endif
