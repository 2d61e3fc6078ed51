/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When all keys are more than the sieve can tell apart, projects that have more than their budget
 * lose the oldest of theirs, and nobody else does. How many keys a project has is counted in the
 * sealed files; tables that hold many keys over budget are written anew without them. Where small
 * projects share a block, theirs are not counted.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "journal/file/file_journal.h"
#include "journal/file/sealed_file.h"
#include "journal/file/sealed_map.h"

#define TELL_US (3600 * US_PER_S)

/* Keys of a project in a sealed file. */
struct key_share {
	struct org_id org;
	struct project_id project;
	uint64_t keys;
};

/* What was counted in a sealed file; only projects that have a 64th of it or more. */
#define SHARES_MAX 64
struct key_count {
	uint64_t epoch;
	uint64_t keys; /* of the file then */
	struct key_share *shares;
	size_t n;
};

/* A project over budget: below this number its keys go. */
struct key_floor {
	struct org_id org;
	struct project_id project;
	uint64_t keys;
	uint64_t seq; /* 0: within budget */
};

struct key_budget {
	struct key_count *counts; /* by epoch */
	size_t counts_n;
	struct key_floor *floors;
	size_t floors_n;
	uint64_t done_version; /* of the list of tables: nothing more is to be had from it */
};

void keys_budget_release(struct keys *keys)
{
	struct key_budget *b = keys->budget;

	if (b != NULL) {
		for (size_t i = 0; i < b->counts_n; i++) {
			free(b->counts[i].shares);
		}
		free(b->counts);
		free(b->floors);
		free(b);
		keys->budget = NULL;
	}
}

typedef void seq_visit(void *arg, uint64_t seq, const struct sealed_index *index, size_t block);

/* Every record of a sealed file with the block it is in, by the map alone. */
static bool each_record(struct sealed *sealed, const struct sealed_index *index, seq_visit *visit,
			void *arg, struct err *err)
{
	uint32_t *chunk = mem_alloc(SEALED_CHUNK_SEQS, sizeof(*chunk));
	bool ok = true;

	for (size_t i = 0; ok && i < index->chunks_n; i++) {
		uint64_t first = index->chunks[i].number * SEALED_CHUNK_SEQS;

		ok = sealed_chunk_read(sealed, index, index->chunks[i].number, chunk, err);
		for (size_t k = 0; ok && k < SEALED_CHUNK_SEQS; k++) {
			if (chunk[k] != 0) {
				visit(arg, first + k, index, chunk[k] - 1);
			}
		}
	}
	free(chunk);
	return ok;
}

struct counting {
	unsigned char *keyed; /* bit i: record first_seq + i has a key */
	uint64_t first_seq;
	uint64_t *blocks; /* keys of each */
};

static void count_key(void *arg, uint64_t seq, const struct sealed_index *index UNUSED,
		      size_t block)
{
	struct counting *c = arg;
	uint64_t i = seq - c->first_seq;

	c->blocks[block] += c->keyed[i / 8] >> i % 8 & 1;
}

static bool note_keys(const struct part *part, unsigned char *keyed, struct err *err)
{
	const struct key_table *table = sealed_keys(part->sealed, err);
	struct key_walk walk;
	struct key_entry entry;
	enum found found = FAILED;

	if (table == NULL) {
		return false;
	}
	key_walk_init(&walk, table);
	while ((found = key_walk_next(&walk, &entry, err)) == FOUND) {
		uint64_t i = entry.seq - part->info->first_seq;

		if (entry.seq >= part->info->first_seq && entry.seq <= part->info->last_seq) {
			keyed[i / 8] |= (unsigned char)(1 << i % 8);
		}
	}
	key_walk_release(&walk);
	return found == NOT_FOUND;
}

static void take_shares(const struct sealed_index *index, const uint64_t *blocks,
			struct key_count *count)
{
	for (size_t i = 0; i < index->projects_n && count->n < SHARES_MAX; i++) {
		const struct sealed_project *p = &index->projects[i];
		struct key_share share = { p->org, p->project, 0 };

		for (uint32_t k = 0; k < p->blocks_n; k++) {
			uint32_t block = index->project_blocks[p->blocks_at + k];

			share.keys += index->blocks[block].mixed ? 0 : blocks[block];
		}
		if (share.keys > 0 && share.keys >= count->keys / SHARES_MAX) {
			count->shares = mem_resize(count->shares, count->n + 1,
						   sizeof(*count->shares));
			count->shares[count->n++] = share;
		}
	}
}

/* A file that cannot be counted has no shares: nothing of it goes. */
static void count_part(const struct part *part, struct key_count *count)
{
	const struct sealed_info *info = part->info;
	struct err err = { 0 };
	struct sealed_index *index = sealed_index_ref(part->sealed, &err);
	struct counting c = { .first_seq = info->first_seq };

	*count = (struct key_count) { .epoch = info->epoch, .keys = info->keys };
	if (index != NULL) {
		c.keyed = mem_alloc((size_t)(info->last_seq - info->first_seq) / 8 + 1, 1);
		c.blocks = mem_alloc(index->blocks_n + 1, sizeof(*c.blocks));
		if (note_keys(part, c.keyed, &err) &&
		    each_record(part->sealed, index, count_key, &c, &err)) {
			take_shares(index, c.blocks, count);
		}
	}
	free(c.keyed);
	free(c.blocks);
	sealed_index_unref(part->sealed, &index);
	sealed_trim(part->sealed);
}

static struct key_count *count_of(const struct key_budget *b, uint64_t epoch)
{
	for (size_t i = 0; i < b->counts_n; i++) {
		if (b->counts[i].epoch == epoch) {
			return &b->counts[i];
		}
	}
	return NULL;
}

/* Count one file that was not counted, or is another by now. False: all are. */
static bool count_one(struct key_budget *b, struct part *const *parts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct key_count *count = count_of(b, parts[i]->info->epoch);

		if (count != NULL && count->keys == parts[i]->info->keys) {
			continue;
		}
		if (count == NULL) {
			b->counts = mem_resize(b->counts, b->counts_n + 1, sizeof(*b->counts));
			count = &b->counts[b->counts_n++];
		} else {
			free(count->shares);
		}
		count_part(parts[i], count);
		return true;
	}
	return false;
}

static struct key_floor *floor_of(struct key_budget *b, struct org_id org,
				  struct project_id project, bool make)
{
	for (size_t i = 0; i < b->floors_n; i++) {
		if (b->floors[i].org.v == org.v && b->floors[i].project.v == project.v) {
			return &b->floors[i];
		}
	}
	if (!make) {
		return NULL;
	}
	b->floors = mem_resize(b->floors, b->floors_n + 1, sizeof(*b->floors));
	b->floors[b->floors_n] = (struct key_floor) { .org = org, .project = project };
	return &b->floors[b->floors_n++];
}

/* From the newest file on, until a project has its budget: what is in older ones is over it. */
static void find_floors(struct key_budget *b, struct part *const *parts, size_t n, uint64_t max)
{
	b->floors_n = 0;
	for (size_t i = n; i > 0; i--) {
		const struct key_count *count = count_of(b, parts[i - 1]->info->epoch);

		for (size_t k = 0; count != NULL && k < count->n; k++) {
			const struct key_share *share = &count->shares[k];
			struct key_floor *floor = floor_of(b, share->org, share->project, true);

			floor->keys += share->keys;
			if (floor->seq == 0 && floor->keys >= max) {
				floor->seq = parts[i - 1]->info->first_seq;
			}
		}
	}
}

static bool inside(const struct part *part, const struct key_run *run)
{
	return part->info->first_seq >= run->first_seq && part->info->last_seq <= run->last_seq;
}

/* Keys of a table that are over somebody's budget and still in it; *whose has most of them. */
static uint64_t over(struct key_budget *b, const struct key_run *run, struct part *const *parts,
		     size_t n, const struct key_floor **whose)
{
	uint64_t all = 0, gone = 0, most = 0, left_out;

	for (size_t i = 0; i < n; i++) {
		const struct key_count *count = count_of(b, parts[i]->info->epoch);

		if (!inside(parts[i], run)) {
			continue;
		}
		all += parts[i]->info->keys;
		for (size_t k = 0; count != NULL && k < count->n; k++) {
			const struct key_share *share = &count->shares[k];
			const struct key_floor *floor = floor_of(b, share->org, share->project,
								 false);

			if (floor != NULL && parts[i]->info->last_seq < floor->seq) {
				gone += share->keys;
				*whose = share->keys > most ? floor : *whose;
				most = share->keys > most ? share->keys : most;
			}
		}
	}
	left_out = all > run->table.entries ? all - run->table.entries : 0;
	return gone > left_out ? gone - left_out : 0;
}

struct marking {
	struct key_budget *budget;
	struct key_rewrite *rewrite;
	const struct part *part;
};

static void mark_gone(void *arg, uint64_t seq, const struct sealed_index *index, size_t block)
{
	struct marking *m = arg;
	const struct sealed_block *entry = &index->blocks[block];
	const struct key_floor *floor = floor_of(m->budget, entry->org, entry->project, false);
	uint64_t i = seq - m->rewrite->first_seq;

	if (!entry->mixed && floor != NULL && m->part->info->last_seq < floor->seq) {
		m->rewrite->gone[i / 8] |= (unsigned char)(1 << i % 8);
	}
}

/* The bits of all records of the table that are over budget. */
static bool mark(struct key_budget *b, const struct key_run *run, struct part *const *parts,
		 size_t n, struct key_rewrite *rewrite)
{
	struct err err = { 0 };
	bool ok = true;

	rewrite->first_seq = run->first_seq;
	rewrite->n = run->last_seq - run->first_seq + 1;
	rewrite->gone = mem_alloc((size_t)rewrite->n / 8 + 1, 1);
	for (size_t i = 0; ok && i < n; i++) {
		struct marking marking = { b, rewrite, parts[i] };
		struct sealed_index *index;

		if (!inside(parts[i], run)) {
			continue;
		}
		index = sealed_index_ref(parts[i]->sealed, &err);
		ok = index != NULL &&
		     each_record(parts[i]->sealed, index, mark_gone, &marking, &err);
		sealed_index_unref(parts[i]->sealed, &index);
		sealed_trim(parts[i]->sealed);
	}
	if (!ok) {
		free(rewrite->gone);
		rewrite->gone = NULL;
		log_warn("keys_not_counted", log_str("error", err.text));
	}
	return ok;
}

static void tell(struct keys *to, const struct key_floor *floor, uint64_t keys, int64_t now_us)
{
	struct id_text org = id_format(ID_ORG, floor->org.v);
	struct id_text project = id_format(ID_PROJECT, floor->project.v);

	if (now_us >= to->tell_us) {
		to->tell_us = now_us + TELL_US;
		log_warn("idempotency_keys_forgotten", log_str("reason", "project"),
			 log_str("org", org.p), log_str("project", project.p),
			 log_int("keys", keys));
	}
}

/* The oldest table of which a quarter or more is over budget. */
static bool choose(struct file_journal *j, struct part *const *parts, size_t n,
		   struct key_rewrite *rewrite)
{
	struct keys *keys = &j->keys;
	struct key_budget *b = keys->budget;

	for (size_t i = 0; i < keys->n; i++) {
		const struct key_run *run = keys->items[i].run;
		const struct key_floor *whose = NULL;
		uint64_t gone = run->damaged ? 0 : over(b, run, parts, n, &whose);

		if (gone > 0 && gone >= run->table.entries / 4 && mark(b, run, parts, n, rewrite)) {
			rewrite->item = i;
			rewrite->keys = gone;
			tell(keys, whose, gone, j->files.ops->mono_us(j->files.arg));
			return true;
		}
	}
	return false;
}

enum found keys_budget(struct file_journal *j, struct key_rewrite *rewrite)
{
	struct keys *keys = &j->keys;
	struct part **parts;
	uint64_t changes;
	enum found found = NOT_FOUND;
	size_t n;

	if (!keys_too_many(keys)) {
		keys_budget_release(keys);
		return NOT_FOUND;
	}
	if (keys->budget == NULL) {
		keys->budget = mem_alloc(1, sizeof(*keys->budget));
	}
	if (keys->budget->done_version == keys->version || keys->stuck == keys->seen) {
		return NOT_FOUND;
	}
	parts = parts_all(j, &n, &changes);
	if (count_one(keys->budget, parts, n)) {
		found = FOUND;
	} else {
		find_floors(keys->budget, parts, n, keys->project_keys_max);
		keys->budget->done_version = keys->version;
		found = choose(j, parts, n, rewrite) ? FOUND : NOT_FOUND;
	}
	for (size_t i = 0; i < n; i++) {
		part_unref(&parts[i]);
	}
	free(parts);
	return found;
}
