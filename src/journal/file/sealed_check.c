/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checking every byte of a file: footers, tables, pages; then, where a page cannot be mended, or
 * when asked for, the blocks themselves, to say which records are lost.
 */
#include <stdlib.h>

#include "journal/file/sealed_file.h"
#include "journal/file/sealed_map.h"

struct check {
	struct sealed *sealed;
	sealed_damage_visit *visit;
	void *arg;
	struct sealed_report *report;
	uint32_t *sums;
	bool lost; /* something cannot be mended: look at every block */
};

static void tell(struct check *c, const struct sealed_damage *damage)
{
	c->report->damaged++;
	c->report->unmended += !damage->mendable;
	if (c->visit != NULL) {
		c->visit(c->arg, damage);
	}
}

static bool footer_same(const struct sealed *s, uint64_t offset)
{
	char want[SEALED_FOOTER_BYTES], bytes[SEALED_FOOTER_BYTES];
	struct err err = { 0 };

	sealed_footer_encode(&s->footer, want);
	return files_read(&s->files, s->fd, bytes, sizeof(bytes), offset, s->name, &err) &&
	       memcmp(bytes, want, sizeof(want)) == 0;
}

static void check_ends(struct check *c)
{
	struct sealed *s = c->sealed;
	uint64_t file_bytes = s->footer.info.file_bytes;
	uint64_t offsets[] = { 0, file_bytes - SEALED_FOOTER_BYTES };
	int64_t size = s->files.ops->size(s->files.arg, s->fd);

	if (size < 0 || (uint64_t)size != file_bytes) {
		tell(c, &(struct sealed_damage) { .part = SEALED_SIZE,
						  .mendable = true,
						  .offset = size < 0 ? 0 : (uint64_t)size });
	}
	for (size_t i = 0; i < ARRAY_LEN(offsets); i++) {
		if (!footer_same(s, offsets[i])) {
			tell(c, &(struct sealed_damage) { .part = SEALED_FOOTER,
							  .mendable = true,
							  .offset = offsets[i],
							  .bytes = SEALED_FOOTER_BYTES });
		}
		c->report->bytes_read += SEALED_FOOTER_BYTES;
	}
}

static void check_tables(struct check *c)
{
	const struct sealed_pages *pages = &c->sealed->pages;
	uint32_t *sums = mem_resize(NULL, (size_t)pages->layout.table_bytes, 1);
	bool intact[2];
	struct err err = { 0 };

	for (int i = 0; i < 2; i++) {
		intact[i] = sealed_pages_table(pages, i, sums, &err);
		c->report->bytes_read += pages->layout.table_bytes;
	}
	free(sums);
	for (int i = 0; i < 2; i++) {
		if (!intact[i]) {
			tell(c, &(struct sealed_damage) { .part = SEALED_TABLE,
							  .mendable = intact[1 - i],
							  .offset = pages->layout.tables[i],
							  .bytes = pages->layout.table_bytes });
		}
	}
	c->sums = sealed_pages_sums(pages, &err);
	c->lost = c->sums == NULL;
}

static void check_pages(struct check *c)
{
	const struct sealed_pages *pages = &c->sealed->pages;
	const struct sealed_layout *layout = &pages->layout;
	char *page = mem_resize(NULL, layout->page_bytes, 1);
	struct err err = { 0 };

	for (uint64_t q = 0; c->sums != NULL && q < layout->pages + layout->groups; q++) {
		struct sealed_place place = sealed_page(layout, q);
		struct sealed_damage damage = { .part = SEALED_PAGE,
						.offset = place.offset,
						.bytes = place.bytes };

		c->report->bytes_read += place.bytes;
		if (sealed_pages_read(pages, c->sums, q, page, &err) == FOUND) {
			continue;
		}
		damage.mendable = sealed_pages_mend(pages, c->sums, q, page, &err);
		c->lost = c->lost || !damage.mendable;
		tell(c, &damage);
	}
	free(page);
}

static bool check_blocks(struct check *c, struct err *err)
{
	struct sealed_index *index = sealed_index_ref(c->sealed, err);
	struct block_room room;
	bool ok = index != NULL;

	block_room_init(&room);
	for (size_t i = 0; ok && i < index->blocks_n; i++) {
		const struct sealed_block *entry = &index->blocks[i];
		struct block block = { 0 };

		if (sealed_block_read(c->sealed, index, i, &room, &block, err)) {
			block_release(&block);
			continue;
		}
		ok = err->kind == ERR_CORRUPT;
		c->report->lost_blocks++;
		c->report->lost_records += entry->count;
		tell(c, &(struct sealed_damage) { .part = SEALED_BLOCK,
						  .offset = entry->offset,
						  .bytes = entry->stored_bytes,
						  .block = i,
						  .records = entry->count,
						  .first_seq = entry->first_seq,
						  .last_seq = entry->last_seq });
	}
	block_room_release(&room);
	c->report->lost_records += index == NULL ? 0 : index->missing;
	sealed_index_unref(c->sealed, &index);
	return ok;
}

bool sealed_verify(struct sealed *sealed, bool deep, sealed_damage_visit *visit, void *arg,
		   struct sealed_report *report, struct err *err)
{
	struct check c = { .sealed = sealed, .visit = visit, .arg = arg, .report = report };
	bool ok;

	*report = (struct sealed_report) { 0 };
	check_ends(&c);
	check_tables(&c);
	check_pages(&c);
	ok = (!deep && !c.lost) || check_blocks(&c, err);
	free(c.sums);
	return ok;
}

struct runs {
	sealed_run_visit *visit;
	void *arg;
	uint64_t first;
	uint64_t last; /* 0: no run under way */
};

static void end_run(struct runs *runs)
{
	if (runs->last != 0) {
		runs->visit(runs->arg, runs->first, runs->last);
	}
	runs->last = 0;
}

static void add_run(struct runs *runs, uint64_t seq)
{
	if (runs->last == 0 || seq != runs->last + 1) {
		end_run(runs);
		runs->first = seq;
	}
	runs->last = seq;
}

bool sealed_block_numbers(struct sealed *sealed, uint64_t block, sealed_run_visit *visit, void *arg,
			  struct err *err)
{
	struct sealed_index *index = sealed_index_ref(sealed, err);
	uint32_t *chunk = mem_alloc(SEALED_CHUNK_SEQS, sizeof(*chunk));
	struct runs runs = { .visit = visit, .arg = arg };
	bool ok = index != NULL;

	ensure(!ok || block < index->blocks_n);
	for (size_t i = 0; ok && i < index->chunks_n; i++) {
		uint64_t first = index->chunks[i].number * SEALED_CHUNK_SEQS;
		const struct sealed_block *entry = &index->blocks[block];

		if (first > entry->last_seq || first + SEALED_CHUNK_SEQS <= entry->first_seq) {
			continue;
		}
		ok = sealed_chunk_read(sealed, index, index->chunks[i].number, chunk, err);
		for (size_t k = 0; ok && k < SEALED_CHUNK_SEQS; k++) {
			if (chunk[k] == block + 1) {
				add_run(&runs, first + k);
			}
		}
	}
	if (ok) {
		end_run(&runs);
	}
	free(chunk);
	sealed_index_unref(sealed, &index);
	return ok;
}
