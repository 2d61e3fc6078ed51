/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file anew: without some records, or with all that parity gives back. Blocks are unpacked to
 * see what is in them, which also proves them, but only those that lose a part are packed again.
 */
#include <stdlib.h>

#include "journal/file/sealed_file.h"
#include "journal/file/sealed_write.h"

static bool of_all(const struct sealed_purge *purge)
{
	return purge->org.v == 0 && purge->project.v == 0;
}

static bool is_about(const struct sealed_purge *purge, const struct block *block)
{
	for (size_t i = 0; i < block->projects_n; i++) {
		if (of_all(purge) || (purge->org.v == block->projects[i].org.v &&
				      purge->project.v == block->projects[i].project.v)) {
			return true;
		}
	}
	return false;
}

/* Those that have to do with a block: most are about other projects. */
struct aims {
	const struct sealed_purge **purges;
	size_t n;
};

static void aims_take(struct aims *aims, const struct sealed_rewrite *rewrite,
		      const struct block *block)
{
	aims->n = 0;
	for (size_t i = 0; i < rewrite->purges_n; i++) {
		if (is_about(&rewrite->purges[i], block)) {
			aims->purges[aims->n++] = &rewrite->purges[i];
		}
	}
}

static bool purge_hits(const struct sealed_purge *purge, const struct block_project *project,
		       const struct block_item *item)
{
	return item->seq < purge->floor_seq &&
	       (purge->before_us == 0 || item->received_at_us < purge->before_us) &&
	       (purge->kinds == 0 || (purge->kinds >> item->kind & 1) != 0) &&
	       (of_all(purge) ||
		(purge->org.v == project->org.v && purge->project.v == project->project.v));
}

static bool purged(const struct aims *aims, const struct block *block, size_t i)
{
	const struct block_item *item = &block->items[i];

	for (size_t k = 0; k < aims->n; k++) {
		if (purge_hits(aims->purges[k], &block->projects[item->project], item)) {
			return true;
		}
	}
	return false;
}

bool sealed_purge_may_hit(const struct sealed_purge *purge, const struct sealed_block *block)
{
	return block->first_seq < purge->floor_seq &&
	       (purge->before_us == 0 || block->first_us < purge->before_us) &&
	       (purge->kinds == 0 || (purge->kinds & block->kinds) != 0);
}

/* Judged by the index alone: true may turn out to be nothing. */
static bool may_hit(const struct sealed_purge *purge, const struct sealed_index *index)
{
	const struct sealed_project *p;

	if (of_all(purge)) {
		for (size_t i = 0; i < index->blocks_n; i++) {
			if (sealed_purge_may_hit(purge, &index->blocks[i])) {
				return true;
			}
		}
		return false;
	}
	p = sealed_index_project(index, purge->org, purge->project);
	for (uint32_t i = 0; p != NULL && p->first_seq < purge->floor_seq && i < p->blocks_n; i++) {
		if (sealed_purge_may_hit(purge,
					 &index->blocks[index->project_blocks[p->blocks_at + i]])) {
			return true;
		}
	}
	return false;
}

static bool may_hit_any(const struct sealed_rewrite *rewrite, const struct sealed_index *index)
{
	for (size_t i = 0; i < rewrite->purges_n; i++) {
		if (may_hit(&rewrite->purges[i], index)) {
			return true;
		}
	}
	return false;
}

static bool copy_block(const struct sealed *s, const struct aims *aims,
		       const struct block_room *room, const struct sealed_block *entry,
		       const struct block *block, struct sealed_writer *w, struct err *err)
{
	struct record *records = mem_alloc(block->n, sizeof(*records));
	size_t kept = 0;
	bool ok = true;

	for (size_t i = 0; i < block->n; i++) {
		if (!purged(aims, block, i)) {
			block_record(block, i, &s->hash, &records[kept++]);
		}
	}
	if (kept == block->n) {
		struct slice stored = { .p = room->stored, .n = entry->stored_bytes };

		ok = sealed_writer_put(w, stored, entry->raw_bytes, records, kept, err);
	} else if (kept > 0) {
		ok = sealed_writer_pack(w, records, kept, err);
	}
	free(records);
	return ok;
}

/* All that it had would go in any case, by what the index says. */
static bool goes_whole(const struct sealed_rewrite *rewrite, const struct sealed_block *block)
{
	for (size_t i = 0; i < rewrite->purges_n; i++) {
		const struct sealed_purge *p = &rewrite->purges[i];

		if (block->last_seq < p->floor_seq &&
		    (p->before_us == 0 || block->last_us < p->before_us) &&
		    (p->kinds == 0 || (block->kinds & ~p->kinds) == 0) &&
		    (of_all(p) || (!block->mixed && block->org.v == p->org.v &&
				   block->project.v == p->project.v))) {
			return true;
		}
	}
	return false;
}

static bool copy_blocks(struct sealed *s, const struct sealed_rewrite *rewrite,
			const struct sealed_index *index, struct sealed_writer *w, struct err *err)
{
	struct block_room room;
	struct aims aims = { .purges = mem_alloc(rewrite->purges_n + 1, sizeof(*aims.purges)) };
	bool ok = true;

	block_room_init(&room);
	for (size_t i = 0; ok && i < index->blocks_n; i++) {
		struct block block = { 0 };

		if (sealed_block_read(s, index, i, &room, &block, err)) {
			aims_take(&aims, rewrite, &block);
			ok = copy_block(s, &aims, &room, &index->blocks[i], &block, w, err);
			block_release(&block);
		} else {
			ok = err->kind == ERR_CORRUPT &&
			     (rewrite->accept_loss || goes_whole(rewrite, &index->blocks[i]));
		}
	}
	block_room_release(&room);
	free(aims.purges);
	return ok;
}

static void options_of(const struct sealed *s, struct sealed_options *o)
{
	const struct sealed_info *info = &s->footer.info;

	*o = (struct sealed_options) {
		.files = s->files,
		.dir = s->dir,
		.id = info->id,
		.hash = s->hash,
		.epoch = info->epoch,
		.first_seq = info->first_seq,
		.last_seq = info->last_seq,
		.page_bytes = s->footer.page_bytes,
	};
}

static void keep_file(const struct sealed *s, struct sealed_info *info)
{
	if (info != NULL) {
		*info = s->footer.info;
	}
}

bool sealed_copy(struct sealed *s, const struct sealed_rewrite *rewrite, struct sealed_info *info,
		 struct err *err)
{
	struct sealed_index *index = sealed_index_ref(s, err);
	struct sealed_writer *w = NULL;
	struct sealed_options o;
	bool ok = index != NULL;

	if (ok && !rewrite->force && !may_hit_any(rewrite, index)) {
		keep_file(s, info);
		goto out;
	}
	if (ok && index->missing > 0 && !rewrite->accept_loss) {
		ok = sealed_missing(s, index, err);
		goto out;
	}
	options_of(s, &o);
	o.created_at_us = rewrite->created_at_us;
	o.level = rewrite->level;
	w = ok ? sealed_writer_new(&o, err) : NULL;
	ok = w != NULL && copy_blocks(s, rewrite, index, w, err);
	if (ok && !rewrite->force && w->footer.info.records == s->footer.info.records) {
		keep_file(s, info); /* the index promised too much: what was written goes again */
	} else {
		ok = ok && sealed_writer_end(w, info, err);
	}
out:
	sealed_writer_free(&w);
	sealed_index_unref(s, &index);
	return ok;
}

/* The content page by page; tables, parity and footers are made from it again. */
static bool repair_pages(const struct sealed *s, const uint32_t *sums, struct sealed_out *out,
			 struct err *err)
{
	const struct sealed_layout *layout = &s->pages.layout;
	char *page = mem_resize(NULL, layout->page_bytes, 1);
	bool ok = true;

	for (uint64_t q = 0; ok && q < layout->pages; q++) {
		ok = (sealed_pages_read(&s->pages, sums, q, page, err) == FOUND ||
		      sealed_pages_mend(&s->pages, sums, q, page, err)) &&
		     sealed_out_put(out, page, (size_t)sealed_page(layout, q).bytes, err);
	}
	free(page);
	return ok;
}

bool sealed_repair(struct sealed *s, struct sealed_info *info, struct err *err)
{
	struct sealed_footer footer = s->footer;
	struct sealed_out out = { .fd = -1 };
	uint32_t *sums = sealed_pages_sums(&s->pages, err);
	bool ok = sums != NULL &&
		  sealed_out_init(&out, &s->files, s->dir, footer.info.epoch, footer.page_bytes,
				  err) &&
		  repair_pages(s, sums, &out, err) && sealed_out_commit(&out, &footer, err);

	sealed_out_release(&out);
	free(sums);
	if (ok && info != NULL) {
		*info = footer.info;
	}
	return ok;
}
