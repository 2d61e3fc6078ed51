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

/* Columns of a page whose bytes the disk does not give. */
#define COLUMN_BYTES 512
struct gaps {
	uint64_t offset; /* of the page in the file */
	bool any;
	bool bad[SEALED_PAGE_BYTES / COLUMN_BYTES];
};

static void note_gap(void *arg, uint64_t offset, char *p UNUSED, size_t n)
{
	struct gaps *gaps = arg;
	size_t from = (size_t)(offset - gaps->offset);

	gaps->any = true;
	for (size_t i = from / COLUMN_BYTES; i <= (from + n - 1) / COLUMN_BYTES; i++) {
		gaps->bad[i] = true;
	}
}

/* Zeros where there are gaps. */
static bool read_around(const struct sealed_pages *pages, uint64_t page, char *out,
			struct gaps *gaps, struct err *err)
{
	struct sealed_place place = sealed_page(&pages->layout, page);
	size_t n = (size_t)place.bytes;

	gaps->offset = place.offset;
	return files_read(&pages->files, pages->fd, out, n, place.offset, pages->name, err) ||
	       files_read_around(&pages->files, pages->fd, out, n, place.offset, pages->name,
				 note_gap, gaps, err);
}

/* The sum of the others of the group, and where one of them has a gap. */
static bool add_others(const struct sealed_pages *pages, const uint32_t *sums, uint64_t page,
		       char *sum, struct gaps *gaps, struct err *err)
{
	const struct sealed_layout *layout = &pages->layout;
	char *other = mem_resize(NULL, layout->page_bytes, 1);
	size_t own = (size_t)sealed_page(layout, page).bytes;
	bool ok = true;

	for (uint64_t q = page % layout->groups; ok && q < layout->pages + layout->groups;
	     q += layout->groups) {
		size_t n = (size_t)sealed_page(layout, q).bytes;
		bool before = gaps->any;

		if (q == page) {
			continue;
		}
		gaps->any = false;
		ok = read_around(pages, q, other, gaps, err);
		if (ok && !gaps->any && crc32c(0, other, n) != sums[q]) {
			ok = err_set(err, ERR_CORRUPT, "\"%s\": the page at %llu is damaged",
				     pages->name,
				     (unsigned long long)sealed_page(layout, q).offset);
		}
		gaps->any = gaps->any || before;
		sealed_xor(sum, other, n < own ? n : own);
	}
	free(other);
	return ok || err_wrap(err, "another page of the group of %llu is damaged too",
			      (unsigned long long)sealed_page(layout, page).offset);
}

/*
 * Column by column: where the others are read the sum has what was here, elsewhere what is here
 * still counts. So bad sectors of several pages of a group lose nothing unless they are at the same
 * place of their pages; the checksum has the last word.
 */
bool sealed_pages_mend(const struct sealed_pages *pages, const uint32_t *sums, uint64_t page,
		       char *out, struct err *err)
{
	struct sealed_place place = sealed_page(&pages->layout, page);
	char *sum = mem_alloc(pages->layout.page_bytes, 1);
	struct gaps own = { 0 }, others = { 0 };
	struct err why = { 0 };
	bool ok;

	if (!read_around(pages, page, out, &own, &why)) {
		memset(own.bad, 1, sizeof(own.bad));
	}
	ok = add_others(pages, sums, page, sum, &others, err);
	for (size_t at = 0; ok && at < place.bytes; at += COLUMN_BYTES) {
		size_t left = (size_t)place.bytes - at;
		size_t i = at / COLUMN_BYTES;

		if (!others.bad[i]) {
			memcpy(out + at, sum + at, left < COLUMN_BYTES ? left : COLUMN_BYTES);
		} else if (own.bad[i]) {
			ok = err_set(err, ERR_CORRUPT,
				     "\"%s\": another page of the group of %llu is damaged too: "
				     "neither can be read",
				     pages->name, (unsigned long long)place.offset);
		}
	}
	free(sum);
	if (ok && crc32c(0, out, (size_t)place.bytes) != sums[page]) {
		return err_set(err, ERR_CORRUPT, "\"%s\": parity does not give the page at %llu",
			       pages->name, (unsigned long long)place.offset);
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
