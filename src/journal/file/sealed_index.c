/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading and asking an index. Everything in it is bounded by its own bytes before it is believed.
 */
#include "journal/file/sealed_index.h"

#include <stdlib.h>

#include "journal/file/pack.h"
#include "journal/file/sealed_map.h"

#define BLOCK_BYTES_MIN 12 /* packed: a byte for each of its numbers */

static void unpack_dictionary(struct unpack *u, struct sealed_index *index)
{
	index->dictionary_n = (size_t)unpack_max(u, SEALED_TYPES_MAX);
	index->dictionary = mem_alloc(index->dictionary_n, sizeof(*index->dictionary));
	for (size_t i = 0; i < index->dictionary_n; i++) {
		size_t n = (size_t)unpack_max(u, RECORD_TYPE_BYTES_MAX);

		index->dictionary[i].p = (const char *)unpack_bytes(u, n);
		index->dictionary[i].n = u->bad ? 0 : n;
	}
}

static void unpack_types(struct unpack *u, struct sealed_index *index, struct sealed_block *block,
			 size_t *cap)
{
	uint64_t n = unpack_max(u, SEALED_BLOCK_TYPES_MAX + 1);
	uint64_t id = 0;

	block->any_type = n == 0;
	block->types_at = (uint32_t)index->types_n;
	for (; n > 1 && !u->bad; n--) {
		if (index->types_n == *cap) {
			*cap = *cap * 2 + 64;
			index->types = mem_resize(index->types, *cap, sizeof(*index->types));
		}
		id += unpack_u64(u);
		u->bad = u->bad || id >= index->dictionary_n;
		index->types[index->types_n++] = (uint32_t)id;
		block->types_n++;
	}
}

static bool block_sound(const struct sealed_block *block, const struct sealed_footer *footer)
{
	uint64_t end = SEALED_FOOTER_BYTES + footer->content_bytes;

	return block->offset >= SEALED_FOOTER_BYTES && block->offset <= end &&
	       block->stored_bytes <= end - block->offset &&
	       block->stored_bytes >= BLOCK_HEAD_BYTES && block->first_seq > 0 &&
	       block->first_seq <= block->last_seq && block->last_seq >> 62 == 0 &&
	       block->count > 0 && block->count <= block->last_seq - block->first_seq + 1;
}

static void unpack_blocks(struct unpack *u, struct sealed_index *index,
			  const struct sealed_footer *footer)
{
	uint64_t end = SEALED_FOOTER_BYTES, org = 0, project = 0, seq = 0, at_us = 0;
	size_t cap = 0;

	index->blocks_n = (size_t)unpack_max(u, u->n / BLOCK_BYTES_MIN);
	index->blocks = mem_alloc(index->blocks_n, sizeof(*index->blocks));
	for (size_t i = 0; i < index->blocks_n && !u->bad; i++) {
		struct sealed_block *block = &index->blocks[i];

		block->offset = end + unpack_u64(u);
		block->stored_bytes = (uint32_t)unpack_max(u,
							   BLOCK_RAW_BYTES_MAX + BLOCK_HEAD_BYTES);
		block->raw_bytes = (uint32_t)unpack_max(u, BLOCK_RAW_BYTES_MAX);
		block->count = (uint32_t)unpack_max(u, BLOCK_RAW_BYTES_MAX);
		block->mixed = unpack_byte(u) != 0;
		block->org.v = org = unpack_step(u, org);
		block->project.v = project = unpack_step(u, project);
		block->first_seq = seq = unpack_step(u, seq);
		block->last_seq = seq + unpack_u64(u);
		at_us = unpack_step(u, at_us);
		block->first_us = (int64_t)at_us;
		block->last_us = (int64_t)(at_us + unpack_u64(u));
		block->severities = unpack_byte(u);
		block->kinds = unpack_byte(u);
		unpack_types(u, index, block, &cap);
		u->bad = u->bad || !block_sound(block, footer);
		end = block->offset + block->stored_bytes;
	}
}

static void unpack_lists(struct unpack *u, struct sealed_index *index,
			 struct sealed_project *project, size_t *cap)
{
	uint64_t number = 0;
	size_t n = (size_t)unpack_max(u, index->blocks_n);

	project->blocks_at = (uint32_t)index->project_blocks_n;
	project->blocks_n = (uint32_t)n;
	for (size_t i = 0; i < n && !u->bad; i++) {
		uint64_t step = unpack_u64(u);

		if (index->project_blocks_n == *cap) {
			*cap = *cap * 2 + 64;
			index->project_blocks = mem_resize(index->project_blocks, *cap,
							   sizeof(*index->project_blocks));
		}
		number += step;
		u->bad = u->bad || number >= index->blocks_n || (i > 0 && step == 0);
		index->project_blocks[index->project_blocks_n++] = (uint32_t)number;
	}
}

static int compare_projects(struct org_id org_a, struct project_id a, struct org_id org_b,
			    struct project_id b)
{
	if (org_a.v != org_b.v) {
		return org_a.v < org_b.v ? -1 : 1;
	}
	return a.v == b.v ? 0 : a.v < b.v ? -1 : 1;
}

static void unpack_projects(struct unpack *u, struct sealed_index *index)
{
	size_t cap = 0;

	index->projects_n = (size_t)unpack_max(u, u->n / 6);
	index->projects = mem_alloc(index->projects_n, sizeof(*index->projects));
	for (size_t i = 0; i < index->projects_n && !u->bad; i++) {
		struct sealed_project *p = &index->projects[i];
		const struct sealed_project *last = &index->projects[i == 0 ? 0 : i - 1];

		p->org.v = last->org.v + unpack_u64(u);
		p->project.v = unpack_step(u, last->project.v);
		p->first_seq = unpack_u64(u);
		p->last_seq = p->first_seq + unpack_u64(u);
		p->count = unpack_u64(u);
		unpack_lists(u, index, p, &cap);
		u->bad = u->bad || (i > 0 && compare_projects(last->org, last->project, p->org,
							      p->project) >= 0);
	}
}

static void unpack_chunks(struct unpack *u, struct sealed_index *index,
			  const struct sealed_place *map)
{
	uint64_t number = 0, at = 0;

	index->chunks_n = (size_t)unpack_max(u, u->n / 2);
	index->chunks = mem_alloc(index->chunks_n, sizeof(*index->chunks));
	for (size_t i = 0; i < index->chunks_n && !u->bad; i++) {
		uint64_t step = unpack_u64(u);
		uint64_t bytes = unpack_max(u, SEALED_CHUNK_BYTES_MAX);

		number += step;
		index->chunks[i] = (struct sealed_chunk) { number, map->offset + at,
							   (uint32_t)bytes };
		at += bytes;
		u->bad = u->bad || at > map->bytes || (i > 0 && step == 0) || number >> 50 != 0;
	}
}

struct sealed_index *sealed_index_unpack(char *raw, size_t n, const struct sealed_footer *footer)
{
	struct sealed_index *index = mem_alloc(1, sizeof(*index));
	struct unpack u = { .p = (const unsigned char *)raw, .n = n };

	index->raw = raw;
	index->refs = 1;
	unpack_dictionary(&u, index);
	unpack_blocks(&u, index, footer);
	unpack_projects(&u, index);
	unpack_chunks(&u, index, &footer->map);
	index->bytes = sizeof(*index) + n + index->blocks_n * sizeof(*index->blocks) +
		       index->dictionary_n * sizeof(*index->dictionary) +
		       index->projects_n * sizeof(*index->projects) +
		       index->chunks_n * sizeof(*index->chunks) +
		       (index->types_n + index->project_blocks_n) * sizeof(uint32_t);
	if (u.bad || u.n != 0) {
		sealed_index_free(&index);
	}
	return index;
}

void sealed_index_free(struct sealed_index **index_p)
{
	struct sealed_index *index = *index_p;

	if (index == NULL) {
		return;
	}
	free(index->raw);
	free(index->dictionary);
	free(index->blocks);
	free(index->types);
	free(index->projects);
	free(index->project_blocks);
	free(index->chunks);
	free(index);
	*index_p = NULL;
}

const struct sealed_project *sealed_index_project(const struct sealed_index *index,
						  struct org_id org, struct project_id project)
{
	size_t lo = 0;
	size_t hi = index->projects_n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct sealed_project *p = &index->projects[mid];
		int order = compare_projects(p->org, p->project, org, project);

		if (order == 0) {
			return p;
		}
		if (order < 0) {
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	return NULL;
}

const struct sealed_chunk *sealed_index_chunk(const struct sealed_index *index, uint64_t number)
{
	size_t lo = 0;
	size_t hi = index->chunks_n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (index->chunks[mid].number < number) {
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	return lo < index->chunks_n && index->chunks[lo].number == number ? &index->chunks[lo]
									  : NULL;
}

void sealed_match_init(struct sealed_match *match, const struct sealed_filter *filter,
		       const struct sealed_index *index)
{
	*match = (struct sealed_match) { .filter = *filter };
	if (match->filter.last_seq == 0) {
		match->filter.last_seq = UINT64_MAX;
	}
	if (match->filter.to_us == 0) {
		match->filter.to_us = INT64_MAX;
	}
	if (filter->type.n == 0) {
		return;
	}
	match->types = mem_alloc(index->dictionary_n, 1);
	for (size_t i = 0; i < index->dictionary_n; i++) {
		match->types[i] = journal_type_matches(filter->type, index->dictionary[i]);
	}
}

void sealed_match_release(struct sealed_match *match)
{
	free(match->types);
	match->types = NULL;
}

static bool match_types(const struct sealed_match *match, const struct sealed_index *index,
			const struct sealed_block *block)
{
	if (match->types == NULL || block->any_type) {
		return true;
	}
	for (uint32_t i = 0; i < block->types_n; i++) {
		if (match->types[index->types[block->types_at + i]] != 0) {
			return true;
		}
	}
	return false;
}

/* Severities beyond the seventh share a bit, in blocks and in what is asked of them. */
static uint8_t fold(uint32_t severities)
{
	return (uint8_t)((severities & 0x7f) | (severities >> 7 != 0 ? 0x80 : 0));
}

bool sealed_match_block(const struct sealed_match *match, const struct sealed_index *index,
			const struct sealed_block *block)
{
	const struct sealed_filter *f = &match->filter;

	if (f->one_project && !block->mixed &&
	    (block->org.v != f->org.v || block->project.v != f->project.v)) {
		return false;
	}
	return block->last_seq >= f->first_seq && block->first_seq <= f->last_seq &&
	       block->last_us >= f->from_us && block->first_us < f->to_us &&
	       (f->severities == 0 || (block->severities & fold(f->severities)) != 0) &&
	       (f->kinds == 0 || (block->kinds & f->kinds) != 0) &&
	       match_types(match, index, block);
}

bool sealed_match_item(const struct sealed_match *match, const struct block *block, size_t i)
{
	const struct sealed_filter *f = &match->filter;
	const struct block_item *item = &block->items[i];
	const struct block_project *project = &block->projects[item->project];

	if (f->one_project && (project->org.v != f->org.v || project->project.v != f->project.v)) {
		return false;
	}
	if (item->seq < f->first_seq || item->seq > f->last_seq ||
	    item->received_at_us < f->from_us || item->received_at_us >= f->to_us) {
		return false;
	}
	if ((f->severities != 0 &&
	     (item->severity > 31 || (f->severities >> item->severity & 1) == 0)) ||
	    (f->kinds != 0 && (f->kinds >> item->kind & 1) == 0)) {
		return false;
	}
	return f->type.n == 0 ||
	       journal_type_matches(f->type, (struct slice) { .p = block->raw + item->type_at,
							      .n = item->type_n });
}
