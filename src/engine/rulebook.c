/* SPDX-License-Identifier: Apache-2.0 */
/* All rules by id, each a deep copy in one piece; saved in the order of ids, so that equal books
 * have equal bytes. */
#include "engine/rulebook.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/map.h"
#include "model/rule_json.h"

/* In front of everything else; not there while there is no table. */
#define TABLE_MARK "builtin table "
#define BUILTIN_MARK "builtin "

struct entry {
	struct rule_id id;
	struct rule_def *def;
};

/* Rules of a project, or of an org. */
struct count {
	uint64_t id;
	size_t n;
};

struct rulebook {
	struct map by_id;
	struct map by_project; /* struct count */
	struct map by_org;     /* likewise */
	uint64_t table;	       /* of built-in rules */
};

struct rulebook *rulebook_new(void)
{
	struct rulebook *b = mem_alloc(1, sizeof(*b));

	map_init(&b->by_id);
	map_init(&b->by_project);
	map_init(&b->by_org);
	return b;
}

static void entry_free(struct entry *entry)
{
	rule_def_free(&entry->def);
	free(entry);
}

static void counts_free(struct map *counts)
{
	struct count *count;
	size_t at = 0;

	while ((count = map_next(counts, &at)) != NULL) {
		free(count);
	}
	map_release(counts);
}

void rulebook_free(struct rulebook **bp)
{
	struct rulebook *b = *bp;
	struct entry *entry;
	size_t at = 0;

	if (b == NULL) {
		return;
	}
	while ((entry = map_next(&b->by_id, &at)) != NULL) {
		entry_free(entry);
	}
	counts_free(&b->by_project);
	counts_free(&b->by_org);
	map_release(&b->by_id);
	free(b);
	*bp = NULL;
}

const struct rule_def *rulebook_get(const struct rulebook *b, struct rule_id id)
{
	const struct entry *entry = map_get(&b->by_id, MAP_KEY(id));

	return entry == NULL ? NULL : entry->def;
}

static struct count *count_of(struct map *counts, uint64_t id)
{
	struct count *count = map_get(counts, MAP_KEY(id));

	if (count == NULL) {
		count = mem_alloc(1, sizeof(*count));
		count->id = id;
		map_put(counts, MAP_KEY(count->id), count);
	}
	return count;
}

void rulebook_del(struct rulebook *b, struct rule_id id)
{
	struct entry *entry = map_del(&b->by_id, MAP_KEY(id));

	if (entry == NULL) {
		return;
	}
	if (!entry->def->builtin) {
		count_of(&b->by_project, entry->def->project.v)->n--;
		count_of(&b->by_org, entry->def->org.v)->n--;
	}
	entry_free(entry);
}

void rulebook_put(struct rulebook *b, const struct rule_def *def)
{
	struct entry *entry = mem_alloc(1, sizeof(*entry));

	/* def may be the one that is replaced. */
	entry->def = rule_def_new(def);
	entry->id = entry->def->id;
	rulebook_del(b, entry->id);
	map_put(&b->by_id, MAP_KEY(entry->id), entry);
	if (!entry->def->builtin) {
		count_of(&b->by_project, entry->def->project.v)->n++;
		count_of(&b->by_org, entry->def->org.v)->n++;
	}
}

uint64_t rulebook_table(const struct rulebook *b)
{
	return b->table;
}

void rulebook_set_table(struct rulebook *b, uint64_t table)
{
	b->table = table;
}

size_t rulebook_count(const struct rulebook *b, struct project_id project)
{
	const struct count *count = map_get(&b->by_project, MAP_KEY(project.v));

	return count == NULL ? 0 : count->n;
}

size_t rulebook_count_org(const struct rulebook *b, struct org_id org)
{
	const struct count *count = map_get(&b->by_org, MAP_KEY(org.v));

	return count == NULL ? 0 : count->n;
}

static int by_id(const void *a, const void *b)
{
	uint64_t x = (*(const struct entry *const *)a)->id.v;
	uint64_t y = (*(const struct entry *const *)b)->id.v;

	return (x > y) - (x < y);
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = ((const struct rule_id *)a)->v, y = ((const struct rule_id *)b)->v;

	return (x > y) - (x < y);
}

size_t rulebook_of_org(const struct rulebook *b, struct org_id org, struct arena *tick,
		       struct rule_id **ids)
{
	struct rule_id *out = arena_array(tick, b->by_id.n + 1, sizeof(*out));
	const struct entry *entry;
	size_t at = 0, n = 0;

	while ((entry = map_next(&b->by_id, &at)) != NULL) {
		if (entry->def->org.v == org.v) {
			out[n++] = entry->id;
		}
	}
	qsort(out, n, sizeof(*out), by_number);
	*ids = out;
	return n;
}

/* A line: four numbers, a word for a built-in rule, the JSON without a line break. */
static void save_one(const struct rule_def *def, struct buf *out)
{
	struct arena tick;

	arena_init(&tick, 0);
	buf_printf(out, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " ", def->id.v, def->org.v,
		   def->project.v, def->version);
	buf_puts(out, def->builtin ? S(BUILTIN_MARK) : S(""));
	buf_puts(out, rule_def_text(def, &tick));
	buf_putc(out, '\n');
	arena_release(&tick);
}

void rulebook_save(const struct rulebook *b, struct buf *out)
{
	struct entry **all = mem_alloc(b->by_id.n + 1, sizeof(struct entry *));
	struct entry *entry;
	size_t at = 0, n = 0;

	while ((entry = map_next(&b->by_id, &at)) != NULL) {
		all[n++] = entry;
	}
	qsort(all, n, sizeof(struct entry *), by_id);
	if (b->table > 0) {
		buf_printf(out, TABLE_MARK "%" PRIu64 "\n", b->table);
	}
	for (size_t i = 0; i < n; i++) {
		save_one(all[i]->def, out);
	}
	free(all);
}

static bool load_one(struct slice line, struct arena *tick, struct rule_def *def, struct err *err)
{
	uint64_t numbers[4];
	struct err why;
	bool builtin;

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		struct slice word;

		if (!slice_split(&line, ' ', &word) || !slice_u64(word, &numbers[i])) {
			return err_set(err, ERR_CORRUPT, "a saved rule without its numbers");
		}
	}
	builtin = slice_starts(line, S(BUILTIN_MARK));
	if (!rule_def_read(slice_from(line, builtin ? sizeof(BUILTIN_MARK) - 1 : 0), tick, def,
			   &why)) {
		return err_set(err, ERR_CORRUPT, "a saved rule: %.200s", why.text);
	}
	def->builtin = builtin;
	def->id.v = numbers[0];
	def->org.v = numbers[1];
	def->project.v = numbers[2];
	def->version = numbers[3];
	return true;
}

/* Snapshots from before there were built-in rules begin with a rule. */
static bool load_table(struct rulebook *b, struct slice *saved, struct err *err)
{
	struct slice line;

	if (!slice_starts(*saved, S(TABLE_MARK))) {
		return true;
	}
	ensure(slice_split(saved, '\n', &line));
	return (slice_u64(slice_from(line, sizeof(TABLE_MARK) - 1), &b->table) && b->table > 0) ||
	       err_set(err, ERR_CORRUPT, "a saved table of rules without its number");
}

bool rulebook_load(struct rulebook *b, struct slice saved, struct err *err)
{
	struct arena tick;
	struct slice line;
	bool ok = load_table(b, &saved, err);

	arena_init(&tick, 0);
	while (ok && slice_split(&saved, '\n', &line)) {
		struct rule_def def;

		ok = load_one(line, &tick, &def, err);
		if (ok) {
			rulebook_put(b, &def);
		}
		arena_clear(&tick);
	}
	arena_release(&tick);
	return ok;
}
