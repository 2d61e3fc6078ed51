/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_PAGE_H
#define STORE_PAGE_H

#include "base/base.h"

/*
 * One page of a list, newest first, by (created_at, id). Rows that are added while somebody pages
 * come before the first page, so nobody sees a row twice or misses one. A page ends with the row
 * that fills it: by its limit, or by PAGE_BYTES_MAX of texts.
 */
#define PAGE_ROWS_MAX 1000 /* what a reply can hold; loaders at start page by it too */
#define PAGE_BYTES_MAX ((size_t)1 << 20) /* so that lists of large things stay small */

/* The place of a row in its list; all zero: before the newest, or, as an answer, no more. */
struct page_at {
	int64_t at_us;
	uint64_t id;
};

struct page {
	size_t limit;  /* 1..PAGE_ROWS_MAX */
	size_t offset; /* rows to skip behind after, for the older routes; else 0 */
	struct page_at after;
};

#endif
