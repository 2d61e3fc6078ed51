/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Page q belongs to group q modulo the number of groups, parity pages counted on behind the
 * content, so that a burst over as many pages as there are groups hits each group once. All pages
 * of a group make zero; a missing one is what the others make.
 */
#include "journal/file/sealed_parity.h"

#include <stdlib.h>

#include "journal/file/pack.h"

void sealed_xor(char *to, const char *from, size_t n)
{
	size_t i = 0;

	for (; i + 8 <= n; i += 8) {
		uint64_t a, b;

		memcpy(&a, to + i, 8);
		memcpy(&b, from + i, 8);
		a ^= b;
		memcpy(to + i, &a, 8);
	}
	for (; i < n; i++) {
		to[i] = (char)(to[i] ^ from[i]);
	}
}

bool sealed_pages_table(const struct sealed_pages *pages, int which, uint32_t *sums,
			struct err *err)
{
	size_t n = (size_t)pages->layout.table_bytes;

	if (!files_read(&pages->files, pages->fd, sums, n, pages->layout.tables[which], pages->name,
			err)) {
		return false;
	}
	if (crc32c(0, sums, n) != pages->table_sum) {
		return err_set(err, ERR_CORRUPT, "\"%s\": the table of pages at %llu is damaged",
			       pages->name, (unsigned long long)pages->layout.tables[which]);
	}
	for (size_t i = 0; i < n / sizeof(*sums); i++) {
		sums[i] = le_get32(&sums[i]);
	}
	return true;
}

uint32_t *sealed_pages_sums(const struct sealed_pages *pages, struct err *err)
{
	uint32_t *sums = mem_resize(NULL, (size_t)pages->layout.table_bytes, 1);

	for (int i = 0; i < 2; i++) {
		if (sealed_pages_table(pages, i, sums, err)) {
			return sums;
		}
	}
	free(sums);
	return NULL;
}

enum found sealed_pages_read(const struct sealed_pages *pages, const uint32_t *sums, uint64_t page,
			     char *out, struct err *err)
{
	struct sealed_place place = sealed_page(&pages->layout, page);

	if (!files_read(&pages->files, pages->fd, out, (size_t)place.bytes, place.offset,
			pages->name, err)) {
		return NOT_FOUND;
	}
	if (crc32c(0, out, (size_t)place.bytes) != sums[page]) {
		err_set(err, ERR_CORRUPT, "\"%s\": the page at %llu is damaged", pages->name,
			(unsigned long long)place.offset);
		return NOT_FOUND;
	}
	return FOUND;
}

bool sealed_pages_mend(const struct sealed_pages *pages, const uint32_t *sums, uint64_t page,
		       char *out, struct err *err)
{
	const struct sealed_layout *layout = &pages->layout;
	char *other = mem_resize(NULL, layout->page_bytes, 1);
	bool ok = true;

	memset(out, 0, (size_t)sealed_page(layout, page).bytes);
	for (uint64_t q = page % layout->groups; ok && q < layout->pages + layout->groups;
	     q += layout->groups) {
		size_t n = (size_t)sealed_page(layout, q).bytes;
		size_t own = (size_t)sealed_page(layout, page).bytes;

		if (q == page) {
			continue;
		}
		ok = sealed_pages_read(pages, sums, q, other, err) == FOUND;
		if (ok) {
			sealed_xor(out, other, n < own ? n : own);
		} else {
			err_wrap(err, "another page of the group of %llu is damaged too",
				 (unsigned long long)sealed_page(layout, page).offset);
		}
	}
	free(other);
	if (ok && crc32c(0, out, (size_t)sealed_page(layout, page).bytes) != sums[page]) {
		return err_set(err, ERR_CORRUPT, "\"%s\": parity does not give the page at %llu",
			       pages->name, (unsigned long long)sealed_page(layout, page).offset);
	}
	return ok;
}

bool sealed_pages_bytes(const struct sealed_pages *pages, const uint32_t *sums, uint64_t offset,
			void *to, size_t n, struct err *err)
{
	size_t page_bytes = pages->layout.page_bytes;
	char *page = mem_resize(NULL, page_bytes, 1);
	uint64_t at = offset - SEALED_FOOTER_BYTES;
	char *p = to;
	bool ok = true;

	while (ok && n > 0) {
		size_t skip = (size_t)(at % page_bytes);
		size_t part = page_bytes - skip < n ? page_bytes - skip : n;

		ok = sealed_pages_read(pages, sums, at / page_bytes, page, err) == FOUND ||
		     sealed_pages_mend(pages, sums, at / page_bytes, page, err);
		if (ok) {
			memcpy(p, page + skip, part);
		}
		p += part;
		at += part;
		n -= part;
	}
	free(page);
	return ok;
}
