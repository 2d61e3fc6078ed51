/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOURNAL_FILE_SEALED_INDEX_H
#define JOURNAL_FILE_SEALED_INDEX_H

#include "base/map.h"
#include "journal/file/block.h"
#include "journal/file/sealed_format.h"

/*
 * What a file knows of its blocks, so that most of them need not be read: whose they are, which
 * numbers, times, severities, kinds and types they hold. Made block by block by the writer, then
 * packed; unpacked by readers, who only look. Types are numbered in a dictionary; when there are
 * too many, blocks are open: they may hold any.
 */
#define SEALED_TYPES_MAX 4096	  /* in the dictionary */
#define SEALED_BLOCK_TYPES_MAX 64 /* listed for one block */

struct sealed_block {
	uint64_t offset;
	uint32_t stored_bytes; /* head and all */
	uint32_t raw_bytes;
	uint32_t count;
	bool any_type;
	bool mixed;	    /* of several projects */
	uint8_t severities; /* 1 << severity; the top bit for all beyond */
	uint8_t kinds;	    /* 1 << kind */
	uint32_t types_at;  /* in types of the index */
	uint32_t types_n;
	struct org_id org; /* not for mixed ones */
	struct project_id project;
	uint64_t first_seq;
	uint64_t last_seq;
	int64_t first_us;
	int64_t last_us;
};

struct sealed_project {
	struct org_id org;
	struct project_id project;
	uint64_t first_seq;
	uint64_t last_seq;
	uint64_t count;
	uint32_t blocks_at; /* in project_blocks: numbers of blocks, ascending */
	uint32_t blocks_n;
};

/* A piece of the map of numbers. */
struct sealed_chunk {
	uint64_t number; /* of SEALED_CHUNK_SEQS numbers each */
	uint64_t offset;
	uint32_t bytes;
};

struct sealed_index {
	unsigned refs;	  /* under the lock of the file */
	size_t bytes;	  /* in memory, about */
	uint64_t missing; /* records of the file that are in no block of this index */
	char *raw;	  /* what the dictionary points into */
	struct slice *dictionary;
	size_t dictionary_n;
	struct sealed_block *blocks;
	size_t blocks_n;
	uint32_t *types;
	size_t types_n;
	struct sealed_project *projects; /* sorted by org and project */
	size_t projects_n;
	uint32_t *project_blocks;
	size_t project_blocks_n;
	struct sealed_chunk *chunks; /* sorted */
	size_t chunks_n;
};

/* raw is taken. map is where the chunks are. NULL when it is not what a writer packs. */
struct sealed_index *sealed_index_unpack(char *raw, size_t n, const struct sealed_footer *footer);
void sealed_index_free(struct sealed_index **index);
/* NULL when it has no record here. */
const struct sealed_project *sealed_index_project(const struct sealed_index *index,
						  struct org_id org, struct project_id project);
/* NULL when no number of it is here. */
const struct sealed_chunk *sealed_index_chunk(const struct sealed_index *index, uint64_t number);

/* A filter made ready for an index. */
struct sealed_match {
	struct sealed_filter filter;
	unsigned char *types; /* by number in the dictionary; NULL: all */
};
void sealed_match_init(struct sealed_match *match, const struct sealed_filter *filter,
		       const struct sealed_index *index);
void sealed_match_release(struct sealed_match *match);
/* False: no record of this block matches. Looks at the project only when the block has just one. */
bool sealed_match_block(const struct sealed_match *match, const struct sealed_index *index,
			const struct sealed_block *block);
/* Whether record i of the block matches. */
bool sealed_match_item(const struct sealed_match *match, const struct block *block, size_t i);

/* The index as a writer gathers it. */
struct index_project;
struct index_builder {
	struct sealed_block *blocks;
	size_t blocks_n;
	size_t blocks_cap;
	uint32_t *types;
	size_t types_n;
	size_t types_cap;
	struct map dictionary; /* type to its number */
	struct index_type **names;
	size_t names_n;
	struct map projects;
};
void index_builder_init(struct index_builder *b);
void index_builder_release(struct index_builder *b);
/* Note a block of these records at this place. Returns its number. */
uint32_t index_builder_add(struct index_builder *b, const struct record *records, size_t n,
			   const struct sealed_place *place, uint32_t raw_bytes);
size_t index_builder_projects(const struct index_builder *b);
/* The hashes of all projects, sorted; of the caller. */
uint64_t *index_builder_hashes(const struct index_builder *b, const struct hash_key *key);
/* What sealed_index_unpack takes. */
void index_builder_pack(struct index_builder *b, const struct sealed_chunk *chunks, size_t chunks_n,
			struct buf *out);
/* What stands for a project in the filter of projects. */
uint64_t sealed_project_hash(const struct hash_key *key, struct org_id org,
			     struct project_id project);

#endif
