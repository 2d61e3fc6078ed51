/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOURNAL_FILE_SEALED_PARITY_H
#define JOURNAL_FILE_SEALED_PARITY_H

#include "journal/file/sealed_format.h"

/*
 * The pages of a sealed file: which of them are damaged, by the tables of checksums, and what they
 * were, by the others of their group. Any thread; blocks.
 */
struct sealed_pages {
	struct files files;
	int fd;
	const char *name;
	struct sealed_layout layout;
	uint32_t table_sum;
};

/* to ^= from, n bytes. */
void sealed_xor(char *to, const char *from, size_t n);

/* Whether table 0 or 1 is as it was written; it goes into sums, of pages + groups. */
NODISCARD bool sealed_pages_table(const struct sealed_pages *pages, int which, uint32_t *sums,
				  struct err *err);
/* The checksums of all pages, of the caller; NULL when both tables are damaged. */
uint32_t *sealed_pages_sums(const struct sealed_pages *pages, struct err *err);
/* FOUND: the page is intact and in out. NOT_FOUND: damaged, or it cannot be read. */
enum found sealed_pages_read(const struct sealed_pages *pages, const uint32_t *sums, uint64_t page,
			     char *out, struct err *err);
/*
 * What the page was, from the others of its group. Of those that cannot be read some bytes, and
 * only these, are missed. ERR_CORRUPT names the second one that is damaged; ERR_IO when nothing of
 * one can be read.
 */
NODISCARD bool sealed_pages_mend(const struct sealed_pages *pages, const uint32_t *sums,
				 uint64_t page, char *out, struct err *err);
/* n bytes of the content at this offset of the file, mended where that is needed. */
NODISCARD bool sealed_pages_bytes(const struct sealed_pages *pages, const uint32_t *sums,
				  uint64_t offset, void *p, size_t n, struct err *err);

#endif
