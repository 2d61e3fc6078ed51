/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_PAGE_H
#define API_PAGE_H

#include "api/call.h"
#include "store/page.h"

/*
 * Pages of lists from the store: ?limit= (default 50, at most 1000) and ?cursor=. A cursor seals
 * the place of the last row under the kind of the list, so that one list's cursor is no other's.
 */
extern const struct field_set page_query;	/* for the rows of such routes */
extern const struct field_set older_page_query; /* of lists with limit and offset */
NODISCARD bool page_read(struct call *c, enum id_kind kind, struct page *page, struct err *err);
/* The answer of a list, up to its first row: {"data":[ */
struct json_w page_begin(struct call *c);
/* And behind its last one: ],"nextCursor":...} with the place behind this page, or null. */
void page_end(struct call *c, enum id_kind kind, struct page_at next, struct json_w *w);

#endif
