/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks. One project is a list of blocks, one after the other. All projects together follow the
 * map of numbers, and the blocks that it leads to are kept until their last record was given, or
 * until there are too many.
 */
#include <stdlib.h>

#include "journal/file/sealed_file.h"
#include "journal/file/sealed_map.h"

struct held {
	struct block block;
	size_t number;
	size_t next; /* where the last look-up ended */
	uint64_t used;
};

struct sealed_cursor {
	struct sealed *sealed;
	struct sealed_index *index;
	struct sealed_match match;
	bool reverse;
	bool done;
	bool told;	    /* of records that no block has */
	uint64_t first_seq; /* of filter and file together */
	uint64_t last_seq;
	uint64_t at; /* the number to go on from */
	uint64_t loaded;
	uint64_t budget;
	struct block_room room;

	/* One project. */
	const uint32_t *list;
	size_t list_n;
	size_t list_at; /* how many of the list are behind us */
	struct block block;
	bool open;
	size_t items; /* of the open block, still to come */

	/* All. */
	uint32_t *chunk;
	uint64_t chunk_number;
	bool chunk_open;
	unsigned char *skip; /* by block: does not match, or was reported lost */
	struct held **slots; /* by block */
	struct held **held;
	size_t held_n;
	size_t held_bytes;
	uint64_t clock;
};

static void init_one(struct sealed_cursor *c)
{
	const struct sealed_filter *f = &c->match.filter;
	const struct sealed_project *project = sealed_index_project(c->index, f->org, f->project);

	if (project != NULL && project->blocks_n > 0) {
		c->list = c->index->project_blocks + project->blocks_at;
		c->list_n = project->blocks_n;
	}
}

static void init_all(struct sealed_cursor *c)
{
	size_t n = c->index->blocks_n;

	c->chunk = mem_alloc(SEALED_CHUNK_SEQS, sizeof(*c->chunk));
	c->skip = mem_alloc(n, 1);
	c->slots = mem_alloc(n, sizeof(struct held *));
	c->held = mem_alloc(n, sizeof(struct held *));
	for (size_t i = 0; i < n; i++) {
		c->skip[i] = !sealed_match_block(&c->match, c->index, &c->index->blocks[i]);
	}
}

struct sealed_cursor *sealed_cursor_new(struct sealed *sealed, const struct sealed_filter *filter,
					bool reverse, struct err *err)
{
	const struct sealed_info *info = &sealed->footer.info;
	struct sealed_index *index = sealed_index_ref(sealed, err);
	struct sealed_cursor *c;

	if (index == NULL) {
		return NULL;
	}
	c = mem_alloc(1, sizeof(*c));
	c->sealed = sealed;
	c->index = index;
	c->reverse = reverse;
	c->budget = UINT64_MAX;
	sealed_match_init(&c->match, filter, index);
	c->first_seq = filter->first_seq > info->first_seq ? filter->first_seq : info->first_seq;
	c->last_seq = c->match.filter.last_seq < info->last_seq ? c->match.filter.last_seq
								: info->last_seq;
	c->at = reverse ? c->last_seq : c->first_seq;
	block_room_init(&c->room);
	if (filter->one_project) {
		init_one(c);
	} else {
		init_all(c);
	}
	return c;
}

static void let_go(struct sealed_cursor *c, size_t i)
{
	struct held *held = c->held[i];

	c->held_bytes -= block_bytes(&held->block);
	c->slots[held->number] = NULL;
	block_release(&held->block);
	free(held);
	c->held[i] = c->held[--c->held_n];
}

void sealed_cursor_free(struct sealed_cursor **cursor)
{
	struct sealed_cursor *c = *cursor;

	if (c == NULL) {
		return;
	}
	while (c->held_n > 0) {
		let_go(c, c->held_n - 1);
	}
	block_release(&c->block);
	block_room_release(&c->room);
	sealed_match_release(&c->match);
	sealed_index_unref(c->sealed, &c->index);
	free(c->chunk);
	free(c->skip);
	free(c->slots);
	free(c->held);
	free(c);
	*cursor = NULL;
}

static enum found end(struct sealed_cursor *c)
{
	const struct sealed_info *info = &c->sealed->footer.info;

	c->done = true;
	c->at = c->reverse ? info->first_seq - 1 : info->last_seq + 1;
	return NOT_FOUND;
}

static void move_to(struct sealed_cursor *c, uint64_t seq)
{
	if (c->reverse ? seq < c->at : seq > c->at) {
		c->at = seq;
	}
}

static void give(struct sealed_cursor *c, const struct block *block, size_t i,
		 struct record *record)
{
	uint64_t seq = block->items[i].seq;

	block_record(block, i, c->match.filter.hashes ? &c->sealed->hash : NULL, record);
	c->at = c->reverse ? seq - 1 : seq + 1;
}

static bool load(struct sealed_cursor *c, size_t number, struct block *block, struct err *err)
{
	c->loaded += c->index->blocks[number].stored_bytes;
	return sealed_block_read(c->sealed, c->index, number, &c->room, block, err);
}

/* Open the next block of the list that may match. */
static enum found next_block(struct sealed_cursor *c, struct err *err)
{
	while (c->list_at < c->list_n) {
		size_t at = c->reverse ? c->list_n - 1 - c->list_at : c->list_at;
		const struct sealed_block *entry = &c->index->blocks[c->list[at]];

		if (!sealed_match_block(&c->match, c->index, entry)) {
			c->list_at++;
			continue;
		}
		move_to(c, c->reverse ? entry->last_seq : entry->first_seq);
		if (c->loaded >= c->budget) {
			return NOT_FOUND;
		}
		if (!load(c, c->list[at], &c->block, err)) {
			if (err->kind == ERR_CORRUPT) {
				c->list_at++;
			}
			return FAILED;
		}
		c->list_at++;
		c->open = true;
		c->items = c->block.n;
		return FOUND;
	}
	return end(c);
}

static enum found next_one(struct sealed_cursor *c, struct record *record, struct err *err)
{
	for (;;) {
		enum found found;

		while (c->open && c->items > 0) {
			size_t i = c->reverse ? c->items - 1 : c->block.n - c->items;

			c->items--;
			if (sealed_match_item(&c->match, &c->block, i)) {
				give(c, &c->block, i, record);
				return FOUND;
			}
		}
		block_release(&c->block);
		c->open = false;
		found = next_block(c, err);
		if (found != FOUND) {
			return found;
		}
	}
}

/* Blocks that are behind us go; when the rest is too much, those not used for longest. */
static void make_room(struct sealed_cursor *c)
{
	for (size_t i = c->held_n; i-- > 0;) {
		const struct sealed_block *entry = &c->index->blocks[c->held[i]->number];

		if (c->reverse ? entry->first_seq > c->at : entry->last_seq < c->at) {
			let_go(c, i);
		}
	}
	while (c->held_n > 1 && c->held_bytes > SEALED_CURSOR_BYTES_MAX) {
		size_t oldest = 0;

		for (size_t i = 1; i < c->held_n; i++) {
			if (c->held[i]->used < c->held[oldest]->used) {
				oldest = i;
			}
		}
		let_go(c, oldest);
	}
}

static enum found hold(struct sealed_cursor *c, size_t number, struct err *err)
{
	struct held *held = c->slots[number];

	if (held == NULL) {
		if (c->loaded >= c->budget) {
			return NOT_FOUND;
		}
		make_room(c);
		held = mem_alloc(1, sizeof(*held));
		held->number = number;
		if (!load(c, number, &held->block, err)) {
			free(held);
			if (err->kind == ERR_CORRUPT) {
				c->skip[number] = 1;
			}
			return FAILED;
		}
		c->slots[number] = held;
		c->held[c->held_n++] = held;
		c->held_bytes += block_bytes(&held->block);
	}
	held->used = ++c->clock;
	return FOUND;
}

/* Where seq is in a block that is walked through: nearly always next to the last one. */
static bool locate(const struct sealed_cursor *c, struct held *held, uint64_t seq, size_t *i)
{
	const struct block *block = &held->block;
	size_t next = c->reverse ? held->next - 2 : held->next;

	if (next >= block->n || block->items[next].seq != seq) {
		next = block_find(block, seq);
	}
	held->next = next + 1;
	*i = next;
	return next < block->n && block->items[next].seq == seq;
}

static void pass(struct sealed_cursor *c)
{
	c->at = c->reverse ? c->at - 1 : c->at + 1;
}

/* Go to the nearest number ahead that is in a chunk which the index has. */
static void pass_chunks(struct sealed_cursor *c)
{
	uint64_t number = c->at / SEALED_CHUNK_SEQS;

	for (size_t i = 0; i < c->index->chunks_n; i++) {
		size_t k = c->reverse ? c->index->chunks_n - 1 - i : i;
		uint64_t other = c->index->chunks[k].number;

		if (c->reverse ? other < number : other > number) {
			c->at = c->reverse ? (other + 1) * SEALED_CHUNK_SEQS - 1
					   : other * SEALED_CHUNK_SEQS;
			return;
		}
	}
	c->at = c->reverse ? 0 : UINT64_MAX;
}

/* FOUND: the chunk of c->at is read. NOT_FOUND: there was none, c->at went on. */
static enum found open_chunk(struct sealed_cursor *c, struct err *err)
{
	uint64_t number = c->at / SEALED_CHUNK_SEQS;

	if (c->chunk_open && c->chunk_number == number) {
		return FOUND;
	}
	if (sealed_index_chunk(c->index, number) == NULL) {
		pass_chunks(c);
		return NOT_FOUND;
	}
	c->chunk_open = sealed_chunk_read(c->sealed, c->index, number, c->chunk, err);
	c->chunk_number = number;
	return c->chunk_open ? FOUND : FAILED;
}

static enum found next_all(struct sealed_cursor *c, struct record *record, struct err *err)
{
	while (c->at >= c->first_seq && c->at <= c->last_seq) {
		uint32_t which;
		enum found found;
		size_t i;

		found = open_chunk(c, err);
		if (found == FAILED) {
			return FAILED;
		}
		if (found == NOT_FOUND) {
			continue;
		}
		which = c->chunk[c->at % SEALED_CHUNK_SEQS];
		if (which == 0 || c->skip[which - 1] != 0) {
			pass(c);
			continue;
		}
		found = hold(c, which - 1, err);
		if (found != FOUND) {
			return found;
		}
		if (locate(c, c->slots[which - 1], c->at, &i) &&
		    sealed_match_item(&c->match, &c->slots[which - 1]->block, i)) {
			give(c, &c->slots[which - 1]->block, i, record);
			return FOUND;
		}
		pass(c);
	}
	return end(c);
}

enum found sealed_cursor_next(struct sealed_cursor *c, struct record *record, struct err *err)
{
	if (c->done) {
		return NOT_FOUND;
	}
	if (!c->told && c->index->missing > 0) {
		c->told = true;
		sealed_missing(c->sealed, c->index, err);
		return FAILED;
	}
	return c->match.filter.one_project ? next_one(c, record, err) : next_all(c, record, err);
}

void sealed_cursor_set_budget(struct sealed_cursor *c, size_t bytes)
{
	c->budget = c->loaded + bytes;
}

bool sealed_cursor_done(const struct sealed_cursor *c)
{
	return c->done;
}

uint64_t sealed_cursor_at(const struct sealed_cursor *c)
{
	return c->at;
}
