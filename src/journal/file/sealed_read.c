/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a sealed file, and reading its pieces. Nothing is trusted before its checksum; what
 * fails is asked of the parity, and only then given up.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "journal/file/bloom.h"
#include "journal/file/sealed_file.h"
#include "journal/file/sealed_map.h"
#include "journal/file/sealed_scan.h"

#define PATH_BYTES 4096
#define CUT_MAX 4 /* a file cut to less than this part has lost its index for good */
#define FILTER_BYTES_MAX ((uint64_t)64 << 10)

/*
 * What cannot be read and has no other copy is lost as much as what is damaged, and the file goes
 * on without it; but not while the disk gives nothing at all.
 */
static void judge(const struct sealed *s, struct err *why)
{
	if (why->kind == ERR_IO && !files_away(&s->files, s->fd)) {
		why->kind = ERR_CORRUPT;
	}
}

bool sealed_piece(struct sealed *s, uint64_t offset, char *p, size_t n, sealed_piece_check *check,
		  void *arg, const char *what, struct err *err)
{
	struct err why = { 0 };
	uint32_t *sums;
	bool ok;

	if (files_read(&s->files, s->fd, p, n, offset, s->name, err) && check(arg, p, n)) {
		return true;
	}
	sums = sealed_pages_sums(&s->pages, &why);
	ok = sums != NULL && sealed_pages_bytes(&s->pages, sums, offset, p, n, &why);
	free(sums);
	if (ok && check(arg, p, n)) {
		s->mended++;
		return true;
	}
	judge(s, &why);
	if (!ok && why.kind == ERR_IO) {
		*err = why;
		return false;
	}
	s->lost++;
	return err_set(err, ERR_CORRUPT, "\"%s\": %s at %llu is damaged%s%s", s->name, what,
		       (unsigned long long)offset, ok ? "" : ": ", ok ? "" : why.text);
}

static bool read_footer(const struct sealed *s, uint64_t offset, const struct sealed_options *o,
			struct sealed_footer *footer, struct err *err)
{
	char bytes[SEALED_FOOTER_BYTES];

	if (!files_read(&s->files, s->fd, bytes, sizeof(bytes), offset, s->name, err)) {
		return false;
	}
	if (!sealed_footer_decode(bytes, footer)) {
		return err_set(err, ERR_CORRUPT, "\"%s\" has a damaged footer", s->name);
	}
	if (memcmp(footer->info.id.v, o->id.v, sizeof(o->id.v)) != 0 ||
	    footer->info.epoch != o->epoch) {
		return err_set(err, ERR_CORRUPT, "\"%s\" belongs to another journal or place",
			       s->name);
	}
	return true;
}

static bool open_footer(struct sealed *s, const struct sealed_options *o, struct err *err)
{
	int64_t size = s->files.ops->size(s->files.arg, s->fd);

	if (size < 0) {
		return err_errno(err, (int)-size, "read the size of \"%s\"", s->name);
	}
	if (size < SEALED_FOOTER_BYTES) {
		return err_set(err, ERR_CORRUPT, "\"%s\" has an impossible size", s->name);
	}
	if (!read_footer(s, 0, o, &s->footer, err) &&
	    !read_footer(s, (uint64_t)size - SEALED_FOOTER_BYTES, o, &s->footer, err)) {
		judge(s, err);
		return false;
	}
	if (s->footer.info.file_bytes / CUT_MAX > (uint64_t)size) {
		return err_set(err, ERR_CORRUPT, "\"%s\" is cut to %lld bytes of %llu", s->name,
			       (long long)size, (unsigned long long)s->footer.info.file_bytes);
	}
	s->pages = (struct sealed_pages) {
		.files = s->files, .fd = s->fd, .name = s->name, .table_sum = s->footer.table_sum
	};
	sealed_layout_init(&s->pages.layout, s->footer.content_bytes, s->footer.page_bytes);
	return true;
}

static bool filter_intact(void *arg UNUSED, const char *p, size_t n)
{
	bool ok = true;

	for (size_t i = 0; i < n / BLOOM_LINE_BYTES; i++) {
		ok = ok && bloom_intact((const unsigned char *)p + i * BLOOM_LINE_BYTES, i);
	}
	return ok;
}

/* Without its filter a file may have every project. */
static void open_filter(struct sealed *s)
{
	uint64_t n = s->footer.filter.bytes;
	struct err err = { 0 };

	if (n == 0 || n > FILTER_BYTES_MAX || n % BLOOM_LINE_BYTES != 0) {
		return;
	}
	s->filter = mem_alloc((size_t)n, 1);
	s->filter_lines = n / BLOOM_LINE_BYTES;
	if (!sealed_piece(s, s->footer.filter.offset, (char *)s->filter, (size_t)n, filter_intact,
			  NULL, "the filter of projects", &err)) {
		free(s->filter);
		s->filter = NULL;
	}
}

struct sealed *sealed_open(const struct sealed_options *o, struct err *err)
{
	struct sealed *s = mem_alloc(1, sizeof(*s));
	char path[PATH_BYTES];

	s->files = o->files;
	s->hash = o->hash;
	sealed_name(o->epoch, s->name);
	snprintf(path, sizeof(path), "%s/%s", o->dir, s->name);
	pthread_mutex_init(&s->lock, NULL);
	s->dir = strdup(o->dir);
	ensure(s->dir != NULL);
	s->fd = s->files.ops->open(s->files.arg, path, O_RDONLY);
	if (s->fd < 0) {
		err_errno(err, -s->fd, "open \"%s\"", path);
		err->kind = s->fd == -ENOENT ? ERR_NOT_FOUND : err->kind;
		sealed_close(&s);
		return NULL;
	}
	if (!open_footer(s, o, err)) {
		sealed_close(&s);
		return NULL;
	}
	open_filter(s);
	return s;
}

void sealed_close(struct sealed **sealed)
{
	struct sealed *s = *sealed;

	if (s == NULL) {
		return;
	}
	sealed_trim(s);
	if (s->fd >= 0) {
		s->files.ops->close(s->files.arg, s->fd);
	}
	pthread_mutex_destroy(&s->lock);
	free(s->filter);
	free(s->dir);
	free(s);
	*sealed = NULL;
}

const struct sealed_info *sealed_info(const struct sealed *s)
{
	return &s->footer.info;
}

bool sealed_may_have(const struct sealed *s, struct org_id org, struct project_id project)
{
	uint64_t hash = sealed_project_hash(&s->hash, org, project);

	return s->filter == NULL ||
	       bloom_has(s->filter + bloom_line(hash, s->filter_lines) * BLOOM_LINE_BYTES, hash);
}

static bool index_intact(void *arg, const char *p, size_t n)
{
	const struct sealed *s = arg;
	size_t raw_n;

	return sealed_frame_intact(p, n, s->footer.info.epoch, SEALED_INDEX_BYTES_MAX, &raw_n);
}

static struct sealed_index *load_index(struct sealed *s, struct err *err)
{
	size_t n = (size_t)s->footer.index.bytes, raw_n = 0;
	char *packed = mem_resize(NULL, n, 1);
	struct sealed_index *index = NULL;
	char *raw = NULL;

	if (!sealed_piece(s, s->footer.index.offset, packed, n, index_intact, s, "the index",
			  err)) {
		goto out;
	}
	ensure(sealed_frame_intact(packed, n, s->footer.info.epoch, SEALED_INDEX_BYTES_MAX,
				   &raw_n));
	raw = mem_resize(NULL, raw_n, 1);
	if (sealed_frame_unpack(packed, n, raw, raw_n)) {
		index = sealed_index_unpack(raw, raw_n, &s->footer);
		raw = NULL;
	}
	if (index == NULL) {
		err_set(err, ERR_CORRUPT, "\"%s\": the index makes no sense", s->name);
	}
out:
	free(raw);
	free(packed);
	return index;
}

struct sealed_index *sealed_index_ref(struct sealed *s, struct err *err)
{
	struct sealed_index *index;

	pthread_mutex_lock(&s->lock);
	if (s->index == NULL) {
		s->index = load_index(s, err);
	}
	if (s->index == NULL && err->kind == ERR_CORRUPT) {
		s->index = sealed_scan(s, err);
	}
	index = s->index;
	if (index != NULL) {
		index->refs++;
	}
	pthread_mutex_unlock(&s->lock);
	return index;
}

void sealed_index_unref(struct sealed *s, struct sealed_index **index)
{
	bool last;

	if (*index == NULL) {
		return;
	}
	pthread_mutex_lock(&s->lock);
	last = --(*index)->refs == 0;
	pthread_mutex_unlock(&s->lock);
	if (last) {
		sealed_index_free(index);
	}
	*index = NULL;
}

void sealed_trim(struct sealed *s)
{
	struct sealed_index *index;

	pthread_mutex_lock(&s->lock);
	index = s->index;
	s->index = NULL;
	pthread_mutex_unlock(&s->lock);
	sealed_index_unref(s, &index);
}

void sealed_stat(struct sealed *s, struct sealed_stat *stat)
{
	*stat = (struct sealed_stat) { .blocks_read = s->blocks_read,
				       .mended = s->mended,
				       .lost = s->lost };
	pthread_mutex_lock(&s->lock);
	stat->index_bytes = s->index == NULL ? 0 : s->index->bytes;
	pthread_mutex_unlock(&s->lock);
}

uint64_t sealed_trouble(const struct sealed *s)
{
	return s->mended + s->lost;
}

void block_room_init(struct block_room *room)
{
	*room = (struct block_room) { .zstd = block_unpacker_new() };
}

void block_room_release(struct block_room *room)
{
	block_unpacker_free(&room->zstd);
	free(room->stored);
	room->stored = NULL;
}

static bool block_check(void *arg, const char *p, size_t n)
{
	const struct sealed_block *block = arg;
	struct block_head head;

	return block_head_decode(p, &head) && head.stored_bytes == n - BLOCK_HEAD_BYTES &&
	       head.first_seq == block->first_seq && head.count == block->count &&
	       block_intact(p, &head);
}

bool sealed_block_read(struct sealed *s, const struct sealed_index *index, size_t number,
		       struct block_room *room, struct block *block, struct err *err)
{
	struct sealed_block *entry = &index->blocks[number];
	struct block_head head;

	if (room->cap < entry->stored_bytes) {
		room->cap = entry->stored_bytes;
		room->stored = mem_resize(room->stored, room->cap, 1);
	}
	s->blocks_read++;
	if (!sealed_piece(s, entry->offset, room->stored, entry->stored_bytes, block_check, entry,
			  "a block", err)) {
		return err_wrap(err, "%u records from %llu to %llu", entry->count,
				(unsigned long long)entry->first_seq,
				(unsigned long long)entry->last_seq);
	}
	ensure(block_head_decode(room->stored, &head));
	if (!block_unpack(room->zstd, room->stored, &head, block)) {
		s->lost++;
		return err_set(err, ERR_CORRUPT, "\"%s\": block %zu makes no sense", s->name,
			       number);
	}
	if (block->items[block->n - 1].seq != entry->last_seq) {
		block_release(block);
		return err_set(err, ERR_CORRUPT, "\"%s\": block %zu is not the one of the index",
			       s->name, number);
	}
	return true;
}

struct chunk_check {
	uint64_t number;
	size_t blocks_n;
	uint32_t *out;
};

static bool chunk_check(void *arg, const char *p, size_t n)
{
	struct chunk_check *c = arg;

	return sealed_chunk_get(p, n, c->number, c->blocks_n, c->out);
}

bool sealed_missing(const struct sealed *s, const struct sealed_index *index, struct err *err)
{
	return err_set(err, ERR_CORRUPT,
		       "\"%s\": the index is lost, and with it %llu records between %llu and %llu",
		       s->name, (unsigned long long)index->missing,
		       (unsigned long long)s->footer.info.first_seq,
		       (unsigned long long)s->footer.info.last_seq);
}

/* Only the first and last number of a lost block are known; those between may be its own. */
static void claim_numbers(const struct sealed_index *index, const bool *lost, uint64_t first,
			  uint32_t *out)
{
	uint64_t end = first + SEALED_CHUNK_SEQS;

	for (int sure = 0; sure < 2; sure++) {
		for (size_t b = 0; b < index->blocks_n; b++) {
			const struct sealed_block *entry = &index->blocks[b];
			uint64_t from = entry->first_seq > first ? entry->first_seq : first;

			for (uint64_t seq = from; lost[b] && seq <= entry->last_seq && seq < end;
			     seq++) {
				bool own = seq == entry->first_seq || seq == entry->last_seq;

				if (sure == 1 ? own : out[seq - first] == 0) {
					out[seq - first] = (uint32_t)b + 1;
				}
			}
		}
	}
}

/* From the blocks themselves. */
static bool remake_chunk(struct sealed *s, const struct sealed_index *index, uint64_t number,
			 uint32_t *out, struct err *err)
{
	uint64_t first = number * SEALED_CHUNK_SEQS;
	bool *lost = mem_alloc(index->blocks_n, sizeof(*lost));
	struct block_room room;
	bool ok = true;

	memset(out, 0, SEALED_CHUNK_SEQS * sizeof(*out));
	block_room_init(&room);
	for (size_t b = 0; ok && b < index->blocks_n; b++) {
		const struct sealed_block *entry = &index->blocks[b];
		struct block block = { 0 };

		if (entry->last_seq < first || entry->first_seq >= first + SEALED_CHUNK_SEQS) {
			continue;
		}
		if (!sealed_block_read(s, index, b, &room, &block, err)) {
			ok = err->kind == ERR_CORRUPT;
			lost[b] = true;
			continue;
		}
		for (size_t i = block_find(&block, first);
		     i < block.n && block.items[i].seq < first + SEALED_CHUNK_SEQS; i++) {
			out[block.items[i].seq - first] = (uint32_t)b + 1;
		}
		block_release(&block);
	}
	claim_numbers(index, lost, first, out);
	block_room_release(&room);
	free(lost);
	return ok;
}

bool sealed_chunk_read(struct sealed *s, const struct sealed_index *index, uint64_t number,
		       uint32_t *out, struct err *err)
{
	const struct sealed_chunk *chunk = sealed_index_chunk(index, number);
	struct chunk_check check = { number, index->blocks_n, out };
	char *p;
	bool ok;

	if (chunk == NULL) {
		memset(out, 0, SEALED_CHUNK_SEQS * sizeof(*out));
		return true;
	}
	p = mem_resize(NULL, chunk->bytes, 1);
	ok = sealed_piece(s, chunk->offset, p, chunk->bytes, chunk_check, &check,
			  "a piece of the map", err);
	free(p);
	return ok || remake_chunk(s, index, number, out, err);
}

enum found sealed_read(struct sealed *s, uint64_t seq, struct arena *req, struct record *record,
		       struct err *err)
{
	struct sealed_index *index;
	struct block block = { 0 };
	struct block_room room;
	uint32_t *chunk;
	uint32_t which = 0;
	enum found found = FAILED;
	size_t i = 0;

	if (seq < s->footer.info.first_seq || seq > s->footer.info.last_seq) {
		return NOT_FOUND;
	}
	index = sealed_index_ref(s, err);
	if (index == NULL) {
		return FAILED;
	}
	block_room_init(&room);
	chunk = mem_alloc(SEALED_CHUNK_SEQS, sizeof(*chunk));
	if (sealed_chunk_read(s, index, seq / SEALED_CHUNK_SEQS, chunk, err)) {
		which = chunk[seq % SEALED_CHUNK_SEQS];
		found = which == 0 ? NOT_FOUND : FAILED;
	}
	if (which > 0 && sealed_block_read(s, index, which - 1, &room, &block, err)) {
		i = block_find(&block, seq);
		found = i < block.n && block.items[i].seq == seq ? FOUND : NOT_FOUND;
	}
	if (found == FOUND) {
		block_record(&block, i, &s->hash, record);
		record->idempotency_key = arena_dup(req, record->idempotency_key);
		record->type = arena_dup(req, record->type);
		record->body = arena_dup(req, record->body);
	}
	if (found == NOT_FOUND && index->missing > 0) {
		sealed_missing(s, index, err);
		found = FAILED;
	}
	free(chunk);
	block_release(&block);
	block_room_release(&room);
	sealed_index_unref(s, &index);
	return found;
}

/* The table's own checksums decide when to mend. */
static bool keys_read(void *arg, uint64_t offset, void *p, size_t n, bool mend, struct err *err)
{
	struct sealed *s = arg;
	uint64_t at = s->footer.keys.offset + offset;
	uint32_t *sums;
	bool ok;

	if (!mend) {
		return files_read(&s->files, s->fd, p, n, at, s->name, err);
	}
	sums = sealed_pages_sums(&s->pages, err);
	ok = sums != NULL && sealed_pages_bytes(&s->pages, sums, at, p, n, err);
	free(sums);
	if (!ok) {
		judge(s, err);
	}
	*(ok ? &s->mended : &s->lost) += 1;
	return ok;
}

bool sealed_find_key(struct sealed *s, uint64_t hash, uint64_t *seqs, size_t seqs_max, size_t *n,
		     struct err *err)
{
	const struct key_table *keys = sealed_keys(s, err);

	return keys != NULL && key_table_find(keys, hash, seqs, seqs_max, n, err);
}

const struct key_table *sealed_keys(struct sealed *s, struct err *err)
{
	struct key_source source = { keys_read, s, s->name };
	bool open;

	pthread_mutex_lock(&s->lock);
	if (!s->keys_open) {
		s->keys_open = key_table_open(&source, s->footer.keys.bytes, &s->keys, err);
	}
	open = s->keys_open;
	pthread_mutex_unlock(&s->lock);
	return open ? &s->keys : NULL;
}
