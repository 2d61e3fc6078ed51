/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a file that has lost both footers. What they said follows from the rest: the size of the
 * file tells how long the content is, since nothing else is between; a table of pages is right when
 * pages have the checksums that it says; and blocks name themselves.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "journal/file/sealed_file.h"

#define PATH_BYTES 4096

/* The content for which a file has this size. */
static bool find_content(uint64_t size, size_t page_bytes, uint64_t *content)
{
	struct sealed_layout layout;
	uint64_t lo = 1, hi = size;

	while (lo < hi) {
		uint64_t mid = lo + (hi - lo) / 2;

		sealed_layout_init(&layout, mid, page_bytes);
		if (layout.file_bytes < size) {
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	sealed_layout_init(&layout, lo, page_bytes);
	*content = lo;
	return layout.file_bytes == size;
}

/*
 * How many pages have the checksum that this table says, and 1 for a table that can be read; sum is
 * then its own.
 */
static uint64_t count_pages(struct sealed_pages *pages, int which, uint32_t *sum)
{
	size_t n = (size_t)pages->layout.table_bytes;
	uint32_t *sums = mem_resize(NULL, n, 1);
	char *page = mem_resize(NULL, pages->layout.page_bytes, 1);
	uint64_t right = 0;
	struct err err = { 0 };
	bool ok = files_read(&pages->files, pages->fd, sums, n, pages->layout.tables[which],
			     pages->name, &err);

	*sum = pages->table_sum = crc32c(0, sums, ok ? n : 0);
	ok = ok && sealed_pages_table(pages, which, sums, &err); /* as integers */
	right = ok;
	for (uint64_t q = 0; ok && q < pages->layout.pages; q++) {
		right += sealed_pages_read(pages, sums, q, page, &err) == FOUND;
	}
	free(page);
	free(sums);
	return right;
}

/* Try this size of a page. */
static bool try_layout(struct sealed *s, uint64_t size, size_t page_bytes)
{
	struct sealed_pages *pages = &s->pages;
	uint32_t sums[2] = { 0 };
	uint64_t content, right[2];

	if (!find_content(size, page_bytes, &content)) {
		return false;
	}
	*pages = (struct sealed_pages) { .files = s->files, .fd = s->fd, .name = s->name };
	sealed_layout_init(&pages->layout, content, page_bytes);
	for (int i = 0; i < 2; i++) {
		right[i] = count_pages(pages, i, &sums[i]);
	}
	pages->table_sum = right[0] >= right[1] ? sums[0] : sums[1];
	s->footer.content_bytes = content;
	s->footer.page_bytes = (uint32_t)page_bytes;
	s->footer.table_sum = pages->table_sum;
	/* A page that is as it says, or another one that says the same. */
	return right[0] > 1 || right[1] > 1 || (right[0] + right[1] == 2 && sums[0] == sums[1]);
}

static bool find_layout(struct sealed *s, uint64_t size, struct err *err)
{
	for (size_t page = SEALED_PAGE_BYTES; page >= SEALED_PAGE_BYTES_MIN; page /= 2) {
		if (try_layout(s, size, page)) {
			s->footer.info.file_bytes = size;
			return true;
		}
	}
	return err_set(err, ERR_CORRUPT, "\"%s\" has lost both footers and its tables", s->name);
}

/* A footer that can be read is believed, also when it says that the file is of another journal. */
static bool has_footer(const struct sealed *s, uint64_t size)
{
	uint64_t offsets[] = { 0, size - SEALED_FOOTER_BYTES };
	char bytes[SEALED_FOOTER_BYTES];
	struct sealed_footer footer;
	struct err err = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(offsets); i++) {
		if (files_read(&s->files, s->fd, bytes, sizeof(bytes), offsets[i], s->name, &err) &&
		    sealed_footer_decode(bytes, &footer)) {
			return true;
		}
	}
	return false;
}

/* What the blocks say of the file; options may say that it stands for more numbers. */
static bool fill_info(struct sealed *s, const struct sealed_options *o, struct err *err)
{
	struct sealed_info *info = &s->footer.info;
	struct sealed_index *index = sealed_index_ref(s, err);

	if (index == NULL) {
		return false;
	}
	for (size_t i = 0; i < index->blocks_n; i++) {
		const struct sealed_block *b = &index->blocks[i];

		info->records += b->count;
		info->first_seq = i == 0 || b->first_seq < info->first_seq ? b->first_seq
									   : info->first_seq;
		info->last_seq = b->last_seq > info->last_seq ? b->last_seq : info->last_seq;
	}
	sealed_index_unref(s, &index);
	if (o->first_seq != 0 && o->first_seq <= info->first_seq) {
		info->first_seq = o->first_seq;
	}
	info->last_seq = o->last_seq > info->last_seq ? o->last_seq : info->last_seq;
	return true;
}

struct sealed *sealed_open_blind(const struct sealed_options *o, struct err *err)
{
	struct sealed *s = mem_alloc(1, sizeof(*s));
	char path[PATH_BYTES];
	int64_t size;

	s->files = o->files;
	s->hash = o->hash;
	s->footer.info.id = o->id;
	s->footer.info.epoch = o->epoch;
	sealed_name(o->epoch, s->name);
	snprintf(path, sizeof(path), "%s/%s", o->dir, s->name);
	pthread_mutex_init(&s->lock, NULL);
	s->dir = strdup(o->dir);
	ensure(s->dir != NULL);
	s->fd = s->files.ops->open(s->files.arg, path, O_RDONLY);
	size = s->fd < 0 ? s->fd : s->files.ops->size(s->files.arg, s->fd);
	if (size < 0) {
		err_errno(err, (int)-size, "open \"%s\"", path);
		sealed_close(&s);
	} else if (size <= 2 * SEALED_FOOTER_BYTES || has_footer(s, (uint64_t)size) ||
		   !find_layout(s, (uint64_t)size, err) || !fill_info(s, o, err)) {
		err_set(err, ERR_CORRUPT, "\"%s\" cannot be read without a footer", s->name);
		sealed_close(&s);
	}
	return s;
}
