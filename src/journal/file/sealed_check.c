/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checking every byte of a file: footers, tables, pages; then, where a page cannot be mended, or
 * when asked for, the blocks themselves, to say which records are lost.
 */
#include <stdlib.h>

#include "journal/file/sealed_file.h"
#include "journal/file/sealed_map.h"

struct sealed_verifier {
	struct sealed *sealed;
	bool deep;
	sealed_damage_visit *visit;
	void *arg;
	struct sealed_report report;
	uint32_t *sums; /* of the pages; NULL: both tables are lost */
	char *page;
	uint64_t next; /* page */
	bool begun;
	bool lost; /* something cannot be mended: look at every block */
};

static void tell(struct sealed_verifier *v, const struct sealed_damage *damage)
{
	v->report.damaged++;
	v->report.unmended += !damage->mendable;
	if (v->visit != NULL) {
		v->visit(v->arg, damage);
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

static void check_ends(struct sealed_verifier *v)
{
	struct sealed *s = v->sealed;
	uint64_t file_bytes = s->footer.info.file_bytes;
	uint64_t offsets[] = { 0, file_bytes - SEALED_FOOTER_BYTES };
	int64_t size = s->files.ops->size(s->files.arg, s->fd);

	if (size < 0 || (uint64_t)size != file_bytes) {
		tell(v, &(struct sealed_damage) { .part = SEALED_SIZE,
						  .mendable = true,
						  .offset = size < 0 ? 0 : (uint64_t)size });
	}
	for (size_t i = 0; i < ARRAY_LEN(offsets); i++) {
		if (!footer_same(s, offsets[i])) {
			tell(v, &(struct sealed_damage) { .part = SEALED_FOOTER,
							  .mendable = true,
							  .offset = offsets[i],
							  .bytes = SEALED_FOOTER_BYTES });
		}
		v->report.bytes_read += SEALED_FOOTER_BYTES;
	}
}

static void check_tables(struct sealed_verifier *v)
{
	const struct sealed_pages *pages = &v->sealed->pages;
	uint32_t *sums = mem_resize(NULL, (size_t)pages->layout.table_bytes, 1);
	bool intact[2];
	struct err err = { 0 };

	for (int i = 0; i < 2; i++) {
		intact[i] = sealed_pages_table(pages, i, sums, &err);
		v->report.bytes_read += pages->layout.table_bytes;
	}
	free(sums);
	for (int i = 0; i < 2; i++) {
		if (!intact[i]) {
			tell(v, &(struct sealed_damage) { .part = SEALED_TABLE,
							  .mendable = intact[1 - i],
							  .offset = pages->layout.tables[i],
							  .bytes = pages->layout.table_bytes });
		}
	}
	v->sums = sealed_pages_sums(pages, &err);
	v->lost = v->sums == NULL;
}

static void check_page(struct sealed_verifier *v, uint64_t q)
{
	const struct sealed_pages *pages = &v->sealed->pages;
	struct sealed_place place = sealed_page(&pages->layout, q);
	struct sealed_damage damage = { .part = SEALED_PAGE,
					.offset = place.offset,
					.bytes = place.bytes };
	struct err err = { 0 };

	v->report.bytes_read += place.bytes;
	if (sealed_pages_read(pages, v->sums, q, v->page, &err) == FOUND) {
		return;
	}
	damage.mendable = sealed_pages_mend(pages, v->sums, q, v->page, &err);
	v->lost = v->lost || !damage.mendable;
	tell(v, &damage);
}

static bool check_blocks(struct sealed_verifier *v, struct err *err)
{
	struct sealed_index *index = sealed_index_ref(v->sealed, err);
	struct block_room room;
	bool ok = index != NULL;

	block_room_init(&room);
	for (size_t i = 0; ok && i < index->blocks_n; i++) {
		const struct sealed_block *entry = &index->blocks[i];
		struct block block = { 0 };

		if (sealed_block_read(v->sealed, index, i, &room, &block, err)) {
			block_release(&block);
			continue;
		}
		ok = err->kind == ERR_CORRUPT;
		v->report.lost_blocks++;
		v->report.lost_records += entry->count;
		tell(v, &(struct sealed_damage) { .part = SEALED_BLOCK,
						  .offset = entry->offset,
						  .bytes = entry->stored_bytes,
						  .block = i,
						  .records = entry->count,
						  .first_seq = entry->first_seq,
						  .last_seq = entry->last_seq,
						  .org = entry->org,
						  .project = entry->project });
	}
	block_room_release(&room);
	v->report.lost_records += index == NULL ? 0 : index->missing;
	sealed_index_unref(v->sealed, &index);
	return ok;
}

struct sealed_verifier *sealed_verifier_new(struct sealed *sealed, bool deep,
					    sealed_damage_visit *visit, void *arg)
{
	struct sealed_verifier *v = mem_alloc(1, sizeof(*v));

	v->sealed = sealed;
	v->deep = deep;
	v->visit = visit;
	v->arg = arg;
	v->page = mem_resize(NULL, sealed->pages.layout.page_bytes, 1);
	return v;
}

void sealed_verifier_free(struct sealed_verifier **verifier)
{
	struct sealed_verifier *v = *verifier;

	if (v != NULL) {
		free(v->sums);
		free(v->page);
		free(v);
		*verifier = NULL;
	}
}

/* What is checked has to come from the disk, and need not stay in memory afterwards. */
static void forget(const struct sealed *s)
{
	s->files.ops->forget(s->files.arg, s->fd);
}

enum found sealed_verifier_step(struct sealed_verifier *v, uint64_t bytes, struct err *err)
{
	const struct sealed_layout *layout = &v->sealed->pages.layout;
	uint64_t stop = v->report.bytes_read + bytes;
	bool ok;

	if (!v->begun) {
		v->begun = true;
		forget(v->sealed);
		check_ends(v);
		check_tables(v);
	}
	while (v->sums != NULL && v->next < layout->pages + layout->groups) {
		check_page(v, v->next++);
		if (v->report.bytes_read >= stop) {
			return FOUND;
		}
	}
	ok = (!v->deep && !v->lost) || check_blocks(v, err);
	forget(v->sealed);
	return ok ? NOT_FOUND : FAILED;
}

const struct sealed_report *sealed_verifier_report(const struct sealed_verifier *v)
{
	return &v->report;
}

bool sealed_verify(struct sealed *sealed, bool deep, sealed_damage_visit *visit, void *arg,
		   struct sealed_report *report, struct err *err)
{
	struct sealed_verifier *v = sealed_verifier_new(sealed, deep, visit, arg);
	bool ok = sealed_verifier_step(v, UINT64_MAX / 2, err) == NOT_FOUND;

	*report = v->report;
	sealed_verifier_free(&v);
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
