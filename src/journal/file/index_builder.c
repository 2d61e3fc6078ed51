/* SPDX-License-Identifier: Apache-2.0 */
/* The index while a file is written: what is noted of each block, and its packed form. */
#include <stdlib.h>

#include "journal/file/pack.h"
#include "journal/file/sealed_index.h"

struct index_type {
	uint32_t number;
	size_t n;
	char p[];
};

struct index_project {
	struct org_id org;
	struct project_id project;
	uint64_t first_seq;
	uint64_t last_seq;
	uint64_t count;
	uint32_t *blocks;
	uint32_t blocks_n;
	uint32_t blocks_cap;
};

static struct slice key_of(const struct index_project *p)
{
	return (struct slice) { .p = (const char *)p,
				.n = sizeof(struct org_id) + sizeof(struct project_id) };
}

void index_builder_init(struct index_builder *b)
{
	*b = (struct index_builder) { 0 };
	map_init(&b->dictionary);
	map_init(&b->projects);
	b->names = mem_alloc(SEALED_TYPES_MAX, sizeof(struct index_type *));
}

void index_builder_release(struct index_builder *b)
{
	struct index_project *project;
	size_t at = 0;

	while ((project = map_next(&b->projects, &at)) != NULL) {
		free(project->blocks);
		free(project);
	}
	for (size_t i = 0; i < b->names_n; i++) {
		free(b->names[i]);
	}
	map_release(&b->projects);
	map_release(&b->dictionary);
	free(b->names);
	free(b->blocks);
	free(b->types);
	*b = (struct index_builder) { 0 };
}

/* The number of a type, or SEALED_TYPES_MAX when the dictionary is full. */
static uint32_t type_number(struct index_builder *b, struct slice type)
{
	struct index_type *entry = map_get(&b->dictionary, type);

	if (entry != NULL || b->names_n == SEALED_TYPES_MAX) {
		return entry == NULL ? SEALED_TYPES_MAX : entry->number;
	}
	entry = mem_alloc(1, sizeof(*entry) + type.n);
	entry->number = (uint32_t)b->names_n;
	entry->n = type.n;
	if (type.n > 0) {
		memcpy(entry->p, type.p, type.n);
	}
	b->names[b->names_n++] = entry;
	map_put(&b->dictionary, (struct slice) { .p = entry->p, .n = entry->n }, entry);
	return entry->number;
}

static void add_type(struct index_builder *b, struct sealed_block *block, uint32_t number)
{
	size_t at = b->types_n;

	/* Sorted and without repeats; a block has few types, so moving them is cheap. */
	while (at > block->types_at && b->types[at - 1] > number) {
		at--;
	}
	if (at > block->types_at && b->types[at - 1] == number) {
		return;
	}
	if (number == SEALED_TYPES_MAX || block->types_n == SEALED_BLOCK_TYPES_MAX) {
		block->any_type = true;
		b->types_n = block->types_at;
		block->types_n = 0;
		return;
	}
	if (b->types_n == b->types_cap) {
		b->types_cap = b->types_cap * 2 + 256;
		b->types = mem_resize(b->types, b->types_cap, sizeof(*b->types));
	}
	memmove(b->types + at + 1, b->types + at, (b->types_n - at) * sizeof(*b->types));
	b->types[at] = number;
	b->types_n++;
	block->types_n++;
}

static void add_to_project(struct index_builder *b, const struct record *record, uint32_t number)
{
	struct index_project probe = { .org = record->org, .project = record->project };
	struct index_project *project = map_get(&b->projects, key_of(&probe));

	if (project == NULL) {
		project = mem_alloc(1, sizeof(*project));
		*project = probe;
		project->first_seq = record->seq;
		project->last_seq = record->seq;
		map_put(&b->projects, key_of(project), project);
	}
	project->count++;
	project->first_seq = record->seq < project->first_seq ? record->seq : project->first_seq;
	project->last_seq = record->seq > project->last_seq ? record->seq : project->last_seq;
	if (project->blocks_n > 0 && project->blocks[project->blocks_n - 1] == number) {
		return;
	}
	if (project->blocks_n == project->blocks_cap) {
		project->blocks_cap = project->blocks_cap * 2 + 1;
		project->blocks = mem_resize(project->blocks, project->blocks_cap,
					     sizeof(*project->blocks));
	}
	project->blocks[project->blocks_n++] = number;
}

static void note_record(struct sealed_block *block, const struct record *record)
{
	unsigned bit = record->severity < 7 ? record->severity : 7;

	block->severities |= (uint8_t)(1U << bit);
	block->kinds |= (uint8_t)(1U << record->kind);
	block->mixed = block->mixed || record->org.v != block->org.v ||
		       record->project.v != block->project.v;
	block->first_us = record->received_at_us < block->first_us ? record->received_at_us
								   : block->first_us;
	block->last_us = record->received_at_us > block->last_us ? record->received_at_us
								 : block->last_us;
}

uint32_t index_builder_add(struct index_builder *b, const struct record *records, size_t n,
			   const struct sealed_place *place, uint32_t raw_bytes)
{
	uint32_t number = (uint32_t)b->blocks_n;
	struct sealed_block *block;
	struct slice last_type = { 0 };

	if (b->blocks_n == b->blocks_cap) {
		b->blocks_cap = b->blocks_cap * 2 + 64;
		b->blocks = mem_resize(b->blocks, b->blocks_cap, sizeof(*b->blocks));
	}
	block = &b->blocks[b->blocks_n++];
	*block = (struct sealed_block) {
		.offset = place->offset,
		.stored_bytes = (uint32_t)place->bytes,
		.raw_bytes = raw_bytes,
		.count = (uint32_t)n,
		.org = records[0].org,
		.project = records[0].project,
		.first_seq = records[0].seq,
		.last_seq = records[n - 1].seq,
		.first_us = records[0].received_at_us,
		.last_us = records[0].received_at_us,
		.types_at = (uint32_t)b->types_n,
	};
	for (size_t i = 0; i < n; i++) {
		note_record(block, &records[i]);
		add_to_project(b, &records[i], number);
		if (!block->any_type && (i == 0 || !slice_eq(records[i].type, last_type))) {
			last_type = records[i].type;
			add_type(b, block, type_number(b, records[i].type));
		}
	}
	return number;
}

size_t index_builder_projects(const struct index_builder *b)
{
	return b->projects.n;
}

static int compare_hashes(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x == y ? 0 : x < y ? -1 : 1;
}

uint64_t sealed_project_hash(const struct hash_key *key, struct org_id org,
			     struct project_id project)
{
	char bytes[16];

	le_put64(bytes, org.v);
	le_put64(bytes + 8, project.v);
	return hash_sip64(key, (struct slice) { .p = bytes, .n = sizeof(bytes) });
}

uint64_t *index_builder_hashes(const struct index_builder *b, const struct hash_key *key)
{
	uint64_t *hashes = mem_alloc(b->projects.n, sizeof(*hashes));
	const struct index_project *project;
	size_t at = 0, n = 0;

	while ((project = map_next(&b->projects, &at)) != NULL) {
		hashes[n++] = sealed_project_hash(key, project->org, project->project);
	}
	qsort(hashes, n, sizeof(*hashes), compare_hashes);
	return hashes;
}

static void pack_dictionary(const struct index_builder *b, struct buf *out)
{
	pack_u64(out, b->names_n);
	for (size_t i = 0; i < b->names_n; i++) {
		pack_u64(out, b->names[i]->n);
		buf_put(out, b->names[i]->p, b->names[i]->n);
	}
}

static void pack_blocks(const struct index_builder *b, struct buf *out)
{
	uint64_t end = SEALED_FOOTER_BYTES, org = 0, project = 0, seq = 0, at_us = 0;

	pack_u64(out, b->blocks_n);
	for (size_t i = 0; i < b->blocks_n; i++) {
		const struct sealed_block *block = &b->blocks[i];
		uint64_t id = 0;

		pack_u64(out, block->offset - end);
		pack_u64(out, block->stored_bytes);
		pack_u64(out, block->raw_bytes);
		pack_u64(out, block->count);
		buf_putc(out, block->mixed ? 1 : 0);
		pack_step(out, org, block->org.v);
		pack_step(out, project, block->project.v);
		pack_step(out, seq, block->first_seq);
		pack_u64(out, block->last_seq - block->first_seq);
		pack_step(out, at_us, (uint64_t)block->first_us);
		pack_u64(out, (uint64_t)(block->last_us - block->first_us));
		buf_putc(out, (char)block->severities);
		buf_putc(out, (char)block->kinds);
		pack_u64(out, block->any_type ? 0 : block->types_n + 1);
		for (uint32_t k = 0; k < block->types_n; k++) {
			pack_u64(out, b->types[block->types_at + k] - id);
			id = b->types[block->types_at + k];
		}
		end = block->offset + block->stored_bytes;
		org = block->org.v;
		project = block->project.v;
		seq = block->first_seq;
		at_us = (uint64_t)block->first_us;
	}
}

static int compare_projects(const void *a, const void *b)
{
	const struct index_project *x = *(struct index_project *const *)a;
	const struct index_project *y = *(struct index_project *const *)b;

	if (x->org.v != y->org.v) {
		return x->org.v < y->org.v ? -1 : 1;
	}
	return x->project.v == y->project.v ? 0 : x->project.v < y->project.v ? -1 : 1;
}

static void pack_project(const struct index_project *p, struct org_id org,
			 struct project_id project, struct buf *out)
{
	uint32_t number = 0;

	pack_u64(out, p->org.v - org.v);
	pack_step(out, project.v, p->project.v);
	pack_u64(out, p->first_seq);
	pack_u64(out, p->last_seq - p->first_seq);
	pack_u64(out, p->count);
	pack_u64(out, p->blocks_n);
	for (uint32_t k = 0; k < p->blocks_n; number = p->blocks[k++]) {
		pack_u64(out, p->blocks[k] - number);
	}
}

static void pack_projects(const struct index_builder *b, struct buf *out)
{
	struct index_project **sorted = mem_alloc(b->projects.n, sizeof(struct index_project *));
	struct index_project *p;
	struct org_id org = { 0 };
	struct project_id project = { 0 };
	size_t at = 0, n = 0;

	while ((p = map_next(&b->projects, &at)) != NULL) {
		sorted[n++] = p;
	}
	qsort(sorted, n, sizeof(struct index_project *), compare_projects);
	pack_u64(out, n);
	for (size_t i = 0; i < n; i++) {
		pack_project(sorted[i], org, project, out);
		org = sorted[i]->org;
		project = sorted[i]->project;
	}
	free(sorted);
}

void index_builder_pack(struct index_builder *b, const struct sealed_chunk *chunks, size_t chunks_n,
			struct buf *out)
{
	uint64_t number = 0;

	pack_dictionary(b, out);
	pack_blocks(b, out);
	pack_projects(b, out);
	pack_u64(out, chunks_n);
	for (size_t i = 0; i < chunks_n; number = chunks[i++].number) {
		pack_u64(out, chunks[i].number - number);
		pack_u64(out, chunks[i].bytes);
	}
}
