/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOURNAL_FILE_SEALED_FORMAT_H
#define JOURNAL_FILE_SEALED_FORMAT_H

#include "base/buf.h"
#include "journal/file/sealed.h"

/*
 * Where what stands in a sealed file: footer, content (blocks, map, keys, filter of projects,
 * index), table of pages, parity, table again, footer again. Pure.
 */
#define SEALED_FOOTER_BYTES 4096
#define SEALED_PAGE_BYTES ((size_t)64 << 10)
#define SEALED_PAGE_BYTES_MIN 512
#define SEALED_FRAME_BYTES 16 /* in front of what is packed and is no block */
#define SEALED_INDEX_BYTES_MAX \
	((size_t)512 << 20) /* unpacked; a project per record, 13 M of them */

struct sealed_place {
	uint64_t offset; /* in the file */
	uint64_t bytes;
};

struct sealed_footer {
	struct sealed_info info;
	uint64_t content_bytes; /* from SEALED_FOOTER_BYTES on */
	uint32_t page_bytes;
	uint32_t table_sum; /* checksum of one table */
	struct sealed_place map;
	struct sealed_place keys;
	struct sealed_place filter;
	struct sealed_place index;
};
void sealed_footer_encode(const struct sealed_footer *footer, char out[SEALED_FOOTER_BYTES]);
/* True for an intact one whose places are all inside the file. */
NODISCARD bool sealed_footer_decode(const char *p, struct sealed_footer *footer);

/*
 * What follows from the bytes of the content. Pages [0, pages) are content, then come the groups'.
 */
struct sealed_layout {
	uint64_t content_bytes;
	uint64_t pages;
	uint64_t groups;
	size_t page_bytes;
	size_t parity_bytes; /* of a parity page: less than a page when there is only one */
	uint64_t table_bytes;
	uint64_t tables[2]; /* offsets */
	uint64_t parity;
	uint64_t file_bytes;
};
void sealed_layout_init(struct sealed_layout *layout, uint64_t content_bytes, size_t page_bytes);
/* Where a page is, content or parity, and how long. All pages of a group make zero together. */
struct sealed_place sealed_page(const struct sealed_layout *layout, uint64_t page);

/* Pack raw behind a frame and append it; and back. at says which one it is, in the checksum. */
void sealed_frame_put(struct buf *out, struct slice raw, uint64_t at);
/* True for an intact one that fills the n bytes at p; *raw_n is bounded by raw_max. */
NODISCARD bool sealed_frame_intact(const char *p, size_t n, uint64_t at, size_t raw_max,
				   size_t *raw_n);
/* Unpack an intact one into out, of raw_n bytes. */
NODISCARD bool sealed_frame_unpack(const char *p, size_t n, char *out, size_t raw_n);

#endif
