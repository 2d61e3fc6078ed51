/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOURNAL_FILE_SEALED_OUT_H
#define JOURNAL_FILE_SEALED_OUT_H

#include "journal/file/sealed_format.h"

/*
 * A sealed file on its way: content is appended page by page under the temporary name, then come
 * tables, parity and footers, and the name. One thread; blocks.
 */
struct sealed_out {
	struct files files;
	char *dir;
	char tmp[SEALED_NAME_BYTES];
	char name[SEALED_NAME_BYTES];
	int fd; /* -1: none, or it has its name */
	char *page;
	size_t page_bytes;
	size_t page_n;
	uint64_t content; /* bytes so far */
	uint32_t *sums;	  /* of the pages so far */
	size_t sums_n;
	size_t sums_cap;
};

NODISCARD bool sealed_out_init(struct sealed_out *out, const struct files *files, const char *dir,
			       uint64_t epoch, size_t page_bytes, struct err *err);
/* Removes the temporary file unless it got its name. */
void sealed_out_release(struct sealed_out *out);
/* Where the next byte goes in the file. */
uint64_t sealed_out_at(const struct sealed_out *out);
NODISCARD bool sealed_out_put(struct sealed_out *out, const void *p, size_t n, struct err *err);
/*
 * All but the footer is given: file_bytes, content_bytes, page_bytes and table_sum are filled in.
 * Reads the content back once, for the parity, and refuses to go on when it reads differently.
 */
NODISCARD bool sealed_out_commit(struct sealed_out *out, struct sealed_footer *footer,
				 struct err *err);

#endif
