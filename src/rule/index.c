/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A map of scopes, each with a map of exact types and a trie of prefixes. The trie is a flat map
 * too: the prefix of n parts is there when a rule asks for it or for a longer one, so a walk over
 * the dots of a type ends at the first prefix nobody goes on from.
 */
#include "rule/index.h"

#include <stdlib.h>

#include "rule/rule.h"

struct scope_key {
	uint64_t org, project;
};

/* Rules that ask for the same thing, by id. */
struct bucket {
	struct rule **rules;
	size_t n, cap;
	size_t below; /* longer prefixes that pass through here */
	size_t start_n;
	char start[];
};

struct scope {
	struct scope_key key;
	struct map exact, prefixes; /* of buckets */
	size_t rules;
};

void rule_index_init(struct rule_index *index)
{
	map_init(&index->scopes);
}

static void free_buckets(struct map *map)
{
	struct bucket *bucket;

	for (size_t at = 0; (bucket = map_next(map, &at)) != NULL;) {
		free(bucket->rules);
		free(bucket);
	}
	map_release(map);
}

static void free_scope(struct scope *scope)
{
	free_buckets(&scope->exact);
	free_buckets(&scope->prefixes);
	free(scope);
}

void rule_index_release(struct rule_index *index)
{
	struct scope *scope;

	for (size_t at = 0; (scope = map_next(&index->scopes, &at)) != NULL;) {
		free_scope(scope);
	}
	map_release(&index->scopes);
}

static struct scope *get_scope(struct rule_index *index, const struct rule_def *def)
{
	struct scope_key key = { def->org.v, def->project.v };
	struct scope *scope = map_get(&index->scopes, MAP_KEY(key));

	if (scope == NULL) {
		scope = mem_alloc(1, sizeof(*scope));
		scope->key = key;
		map_init(&scope->exact);
		map_init(&scope->prefixes);
		map_put(&index->scopes, MAP_KEY(scope->key), scope);
	}
	return scope;
}

static struct bucket *get_bucket(struct map *map, struct slice start)
{
	struct bucket *bucket = map_get(map, start);

	if (bucket == NULL) {
		bucket = mem_alloc(1, sizeof(*bucket) + start.n);
		bucket->start_n = start.n;
		if (start.n > 0) {
			memcpy(bucket->start, start.p, start.n);
		}
		map_put(map, (struct slice) { bucket->start, start.n }, bucket);
	}
	return bucket;
}

static void drop_bucket_if_empty(struct map *map, struct bucket *bucket)
{
	if (bucket->n == 0 && bucket->below == 0) {
		map_del(map, (struct slice) { bucket->start, bucket->start_n });
		free(bucket->rules);
		free(bucket);
	}
}

/* Where the rule is or goes in the bucket. */
static size_t place_in(const struct bucket *bucket, const struct rule *rule)
{
	size_t low = 0, high = bucket->n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (bucket->rules[mid]->def->id.v < rule->def->id.v) {
			low = mid + 1;
		} else {
			high = mid;
		}
	}
	return low;
}

static void bucket_add(struct bucket *bucket, struct rule *rule)
{
	size_t at = place_in(bucket, rule);

	if (bucket->n == bucket->cap) {
		bucket->cap = bucket->cap == 0 ? 1 : bucket->cap * 2;
		bucket->rules = mem_resize(bucket->rules, bucket->cap, sizeof(struct rule *));
	}
	memmove(bucket->rules + at + 1, bucket->rules + at,
		(bucket->n - at) * sizeof(struct rule *));
	bucket->rules[at] = rule;
	bucket->n++;
}

static void bucket_remove(struct bucket *bucket, const struct rule *rule)
{
	size_t at = place_in(bucket, rule);

	ensure(at < bucket->n && bucket->rules[at] == rule);
	bucket->n--;
	memmove(bucket->rules + at, bucket->rules + at + 1,
		(bucket->n - at) * sizeof(struct rule *));
}

/*
 * Shorten to the prefix in front: "a.b." to "a.", that to "". False when prefix is "" already. The
 * empty prefix is what "*" asks for and the root of the trie.
 */
static bool shorten(struct slice *prefix)
{
	if (prefix->n == 0) {
		return false;
	}
	prefix->n--;
	while (prefix->n > 0 && prefix->p[prefix->n - 1] != '.') {
		prefix->n--;
	}
	return true;
}

void rule_index_add(struct rule_index *index, struct rule *rule)
{
	struct scope *scope = get_scope(index, rule->def);
	struct slice start;

	scope->rules++;
	if (rule_match_of(rule->def->event_type, &start) == RULE_MATCH_EXACT) {
		bucket_add(get_bucket(&scope->exact, start), rule);
		return;
	}
	bucket_add(get_bucket(&scope->prefixes, start), rule);
	while (shorten(&start)) {
		get_bucket(&scope->prefixes, start)->below++;
	}
}

static void remove_prefix(struct map *prefixes, struct slice start, const struct rule *rule)
{
	struct bucket *bucket = map_get(prefixes, start);

	bucket_remove(bucket, rule);
	drop_bucket_if_empty(prefixes, bucket);
	while (shorten(&start)) {
		bucket = map_get(prefixes, start);
		bucket->below--;
		drop_bucket_if_empty(prefixes, bucket);
	}
}

void rule_index_remove(struct rule_index *index, struct rule *rule)
{
	struct scope *scope = get_scope(index, rule->def);
	struct slice start;

	if (rule_match_of(rule->def->event_type, &start) == RULE_MATCH_EXACT) {
		struct bucket *bucket = map_get(&scope->exact, start);

		bucket_remove(bucket, rule);
		drop_bucket_if_empty(&scope->exact, bucket);
	} else {
		remove_prefix(&scope->prefixes, start, rule);
	}
	scope->rules--;
	if (scope->rules == 0) {
		map_del(&index->scopes, MAP_KEY(scope->key));
		free_scope(scope);
	}
}

/*
 * The buckets of all prefixes of type, "" first. At most one for each byte. "*" is about what is
 * sent: what the server says is taken by who names it.
 */
static size_t find_prefixes(const struct scope *scope, struct slice type,
			    const struct bucket *hits[EVENT_TYPE_BYTES_MAX + 1])
{
	struct slice prefix = { .p = type.p };
	size_t n = 0;

	for (;;) {
		const struct bucket *bucket = map_get(&scope->prefixes, prefix);

		if (bucket == NULL) {
			return n;
		}
		if (bucket->n > 0 && (prefix.n > 0 || !event_type_is_system(type))) {
			hits[n++] = bucket;
		}
		prefix.n += slice_find(slice_from(type, prefix.n), '.') + 1;
		if (prefix.n > type.n) {
			return n;
		}
	}
}

static int by_id(const void *a, const void *b)
{
	uint64_t x = (*(struct rule *const *)a)->def->id.v,
		 y = (*(struct rule *const *)b)->def->id.v;

	return (x > y) - (x < y);
}

static struct rule_matches merge(const struct bucket *const *hits, size_t hits_n,
				 struct arena *tick)
{
	struct rule **all;
	size_t n = 0;

	for (size_t i = 0; i < hits_n; i++) {
		n += hits[i]->n;
	}
	all = arena_array(tick, n, sizeof(struct rule *));
	n = 0;
	for (size_t i = 0; i < hits_n; i++) {
		memcpy(all + n, hits[i]->rules, hits[i]->n * sizeof(struct rule *));
		n += hits[i]->n;
	}
	qsort(all, n, sizeof(struct rule *), by_id);
	return (struct rule_matches) { .rules = all, .n = n };
}

static struct rule_matches rules_of(const struct bucket *bucket)
{
	return (struct rule_matches) { .rules = bucket->rules, .n = bucket->n };
}

/* Apart from the common case, because the list of hits is a large thing to have on the stack. */
__attribute__((noinline)) static struct rule_matches find_all(const struct scope *scope,
							      struct slice type, struct arena *tick)
{
	const struct bucket *hits[EVENT_TYPE_BYTES_MAX + 2];
	const struct bucket *exact = map_get(&scope->exact, type);
	size_t n = find_prefixes(scope, type, hits);

	if (exact != NULL) {
		hits[n++] = exact;
	}
	if (n == 0) {
		return (struct rule_matches) { 0 };
	}
	return n == 1 ? rules_of(hits[0]) : merge(hits, n, tick);
}

struct rule_matches rule_index_find(const struct rule_index *index, struct org_id org,
				    struct project_id project, struct slice type,
				    struct arena *tick)
{
	struct scope_key key = { org.v, project.v };
	const struct scope *scope = map_get(&index->scopes, MAP_KEY(key));
	const struct bucket *exact;

	if (scope == NULL || type.n > EVENT_TYPE_BYTES_MAX) {
		return (struct rule_matches) { 0 };
	}
	if (scope->prefixes.n > 0) {
		return find_all(scope, type, tick);
	}
	exact = map_get(&scope->exact, type);
	return exact == NULL ? (struct rule_matches) { 0 } : rules_of(exact);
}
