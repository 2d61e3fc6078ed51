/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_HTTP_QUERY_H
#define NET_HTTP_QUERY_H

#include "base/arena.h"

/*
 * Percent-encoding of paths and queries. The head parser has made sure that every '%' is followed
 * by two hex digits that are not 00, so decoding cannot fail. Pure; any thread.
 *
 * Paths are matched as sent: split the raw path at '/', then decode each part. An encoded slash
 * (%2f) therefore is data inside one part and never a separator; dot segments have no meaning.
 */

/* One part of a path, %xx decoded; '+' stays. raw itself when there is nothing to decode. */
struct slice http_path_decode(struct slice raw, struct arena *req);

/* The value of a parameter: all but letters, digits, '-', '.', '_' and '~' as %XX. */
struct slice http_query_encode(struct slice value, struct arena *req);

/*
 * Walk "a=1&b=2": the next name and value, decoded ('+' is a space); empty pairs are skipped, and
 * a pair without '=' has an empty value. False at the end. *rest starts as the whole query.
 */
bool http_query_next(struct slice *rest, struct arena *req, struct slice *name,
		     struct slice *value);
/* The first value under name. False when there is none. */
bool http_query_get(struct slice query, const char *name, struct arena *req, struct slice *value);

#endif
