/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table, and a heap for what gives way first: by the time of the last failure, and a day later
 * for whoever has no free tries left. What is saved is copied under the lock and written without
 * it, so that nobody waits for a disk.
 */
#include "engine/guesses.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/heap.h"
#include "base/hex.h"
#include "base/map.h"
#include "base/rand.h"

#define SUBJECT_BYTES 16 /* of a SHA-256: nobody finds two alike */
#define RECENT 4	 /* clients with an old key behind one address */

struct key {
	uint64_t of;
	unsigned char subject[SUBJECT_BYTES];
};

struct entry {
	struct heap_node rank; /* due: which gives way first */
	struct key key;
	uint32_t failures;
	int64_t last_us;
	bool changed; /* since it was saved */
	uint64_t recent[RECENT];
	size_t recent_at;
};

struct guesses {
	pthread_mutex_t lock;
	struct map entries; /* all below under the lock */
	struct heap ranks;
	size_t max;
	uint64_t made;
	size_t changed;
	struct hash_key hash;
	size_t suspects;		  /* atomic; addresses without free tries */
	char (*texts)[2 * SUBJECT_BYTES]; /* the saver's */
	struct guess_row *rows;
};

struct guesses *guesses_new(size_t max)
{
	struct guesses *g = mem_alloc(1, sizeof(*g));

	pthread_mutex_init(&g->lock, NULL);
	map_init(&g->entries);
	heap_init(&g->ranks);
	g->max = max != 0 ? max : GUESSES_MAX;
	rand_bytes(&g->hash, sizeof(g->hash));
	return g;
}

void guesses_free(struct guesses **gp)
{
	struct guesses *g = *gp;
	struct entry *e;
	size_t at = 0;

	if (g == NULL) {
		return;
	}
	while ((e = map_next(&g->entries, &at)) != NULL) {
		free(e);
	}
	map_release(&g->entries);
	heap_release(&g->ranks);
	pthread_mutex_destroy(&g->lock);
	free(g->texts);
	free(g->rows);
	free(g);
	*gp = NULL;
}

static struct key key_of(enum guess_of of, struct slice subject)
{
	struct key key = { .of = of };
	unsigned char hash[SHA256_BYTES];

	sha256(subject, hash);
	memcpy(key.subject, hash, SUBJECT_BYTES);
	return key;
}

static const struct guess_policy *policy_of(const struct entry *e)
{
	return &guess_policies[e->key.of];
}

static bool is_suspect(const struct entry *e)
{
	return e->key.of == GUESS_OF_ADDRESS && e->failures >= policy_of(e)->free;
}

static void count_suspect(struct guesses *g, bool was, bool is)
{
	if (was != is) {
		__atomic_add_fetch(&g->suspects, is ? 1 : -1, __ATOMIC_RELAXED);
	}
}

static void mark(struct guesses *g, struct entry *e, bool changed)
{
	g->changed += (size_t)changed;
	g->changed -= (size_t)e->changed;
	e->changed = changed;
}

/* Everything that changes the counter of an entry goes through here. */
static void set(struct guesses *g, struct entry *e, uint32_t failures, int64_t last_us)
{
	bool was = is_suspect(e);

	e->failures = failures;
	e->last_us = last_us;
	count_suspect(g, was, is_suspect(e));
	heap_remove(&g->ranks, &e->rank);
	e->rank.due = last_us + (failures >= policy_of(e)->free ? GUESS_FORGET_US : 0);
	heap_put(&g->ranks, &e->rank);
}

static void drop(struct guesses *g, struct entry *e)
{
	count_suspect(g, is_suspect(e), false);
	mark(g, e, false);
	heap_remove(&g->ranks, &e->rank);
	map_del(&g->entries, MAP_KEY(e->key));
	free(e);
}

static struct entry *add(struct guesses *g, const struct key *key)
{
	struct entry *e;

	if (g->entries.n >= g->max) {
		drop(g, CONTAINER_OF(heap_min(&g->ranks), struct entry, rank));
	}
	e = mem_alloc(1, sizeof(*e));
	e->key = *key;
	e->rank.id = ++g->made;
	map_put(&g->entries, MAP_KEY(e->key), e);
	heap_put(&g->ranks, &e->rank);
	return e;
}

static struct guess_verdict verdict_of(const struct entry *e, int64_t now_us)
{
	return e == NULL ? (struct guess_verdict) { 0 }
			 : guess_verdict(policy_of(e), e->failures, e->last_us, now_us);
}

/* One more, behind those that still count. */
static struct entry *count(struct guesses *g, const struct key *key, int64_t now_us)
{
	struct entry *e = map_get(&g->entries, MAP_KEY(*key));
	uint32_t failures;

	if (e == NULL) {
		e = add(g, key);
	}
	failures = verdict_of(e, now_us).failures;
	set(g, e, failures < UINT32_MAX ? failures + 1 : failures, now_us);
	mark(g, e, true);
	return e;
}

struct guess_verdict guesses_ask(struct guesses *g, enum guess_of of, struct slice subject,
				 int64_t now_us)
{
	struct key key = key_of(of, subject);
	struct guess_verdict v;

	pthread_mutex_lock(&g->lock);
	v = verdict_of(map_get(&g->entries, MAP_KEY(key)), now_us);
	pthread_mutex_unlock(&g->lock);
	return v;
}

struct guess_verdict guesses_try(struct guesses *g, enum guess_of of, struct slice subject,
				 int64_t now_us)
{
	struct key key = key_of(of, subject);
	struct guess_verdict v;

	pthread_mutex_lock(&g->lock);
	v = verdict_of(map_get(&g->entries, MAP_KEY(key)), now_us);
	if (!v.locked) {
		(void)count(g, &key, now_us);
	}
	pthread_mutex_unlock(&g->lock);
	return v;
}

/* Whether it is new; then it is remembered. */
static bool note(struct entry *e, uint64_t what)
{
	for (size_t i = 0; i < RECENT; i++) {
		if (e->recent[i] == what) {
			return false;
		}
	}
	e->recent[e->recent_at++ % RECENT] = what;
	return true;
}

void guesses_fail(struct guesses *g, enum guess_of of, struct slice subject, struct slice what,
		  int64_t now_us)
{
	struct key key = key_of(of, subject);
	uint64_t hash = hash_sip64(&g->hash, what);
	struct entry *e;

	pthread_mutex_lock(&g->lock);
	e = map_get(&g->entries, MAP_KEY(key));
	if (e == NULL || note(e, hash)) {
		e = count(g, &key, now_us);
		(void)note(e, hash);
	}
	pthread_mutex_unlock(&g->lock);
}

void guesses_forgive(struct guesses *g, enum guess_of of, struct slice subject, bool all)
{
	struct key key = key_of(of, subject);
	struct entry *e;

	pthread_mutex_lock(&g->lock);
	e = map_get(&g->entries, MAP_KEY(key));
	if (e != NULL && e->failures > 0) {
		set(g, e, all ? 0 : e->failures - 1, e->last_us);
		mark(g, e, true);
	}
	pthread_mutex_unlock(&g->lock);
}

bool guesses_any_address(const struct guesses *g)
{
	return __atomic_load_n(&g->suspects, __ATOMIC_RELAXED) > 0;
}

size_t guesses_len(struct guesses *g)
{
	size_t n;

	pthread_mutex_lock(&g->lock);
	n = g->entries.n;
	pthread_mutex_unlock(&g->lock);
	return n;
}

struct loading {
	struct guesses *g;
	int64_t now_us;
};

static void load_one(void *arg, const struct guess_row *row)
{
	const struct loading *l = arg;
	struct key key = { .of = (uint64_t)row->kind };
	struct entry *e;

	if (row->kind < 0 || row->kind >= GUESS_KINDS || row->failures <= 0 ||
	    row->last_us <= l->now_us - GUESS_FORGET_US ||
	    !hex_decode(row->subject, key.subject, SUBJECT_BYTES) ||
	    map_get(&l->g->entries, MAP_KEY(key)) != NULL) {
		return;
	}
	e = add(l->g, &key);
	set(l->g, e, row->failures < UINT32_MAX ? (uint32_t)row->failures : UINT32_MAX,
	    row->last_us);
}

bool guesses_load(struct guesses *g, struct db *db, int64_t now_us, struct err *err)
{
	struct loading l = { g, now_us };
	bool ok;

	pthread_mutex_lock(&g->lock);
	ok = store_guesses_load(db, g->max, load_one, &l, err);
	pthread_mutex_unlock(&g->lock);
	return ok;
}

static void forget(struct guesses *g, int64_t now_us)
{
	struct heap_node *node;

	while ((node = heap_min(&g->ranks)) != NULL && node->due <= now_us - GUESS_FORGET_US) {
		drop(g, CONTAINER_OF(node, struct entry, rank));
	}
}

/* What changed, as rows. */
static size_t collect(struct guesses *g)
{
	struct entry *e;
	size_t at = 0, n = 0;

	if (g->changed == 0) {
		return 0;
	}
	g->rows = mem_resize(g->rows, g->changed, sizeof(*g->rows));
	g->texts = mem_resize(g->texts, g->changed, sizeof(*g->texts));
	while ((e = map_next(&g->entries, &at)) != NULL) {
		if (!e->changed) {
			continue;
		}
		hex_encode(e->key.subject, SUBJECT_BYTES, g->texts[n]);
		g->rows[n] = (struct guess_row) {
			.kind = (int64_t)e->key.of,
			.subject = { g->texts[n], sizeof(g->texts[n]) },
			.failures = e->failures,
			.last_us = e->last_us,
		};
		n++;
		mark(g, e, false);
	}
	return n;
}

static void put_back(struct guesses *g, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct key key = { .of = (uint64_t)g->rows[i].kind };
		struct entry *e;

		ensure(hex_decode(g->rows[i].subject, key.subject, SUBJECT_BYTES));
		e = map_get(&g->entries, MAP_KEY(key));
		if (e != NULL) {
			mark(g, e, true);
		}
	}
}

bool guesses_save(struct guesses *g, struct db *db, int64_t now_us, struct err *err)
{
	size_t n;

	pthread_mutex_lock(&g->lock);
	n = collect(g);
	forget(g, now_us);
	pthread_mutex_unlock(&g->lock);
	if (n == 0 ||
	    (db_begin(db, err) && store_guesses_put(db, g->rows, n, err) && db_commit(db, err))) {
		return true;
	}
	db_rollback(db);
	pthread_mutex_lock(&g->lock);
	put_back(g, n);
	pthread_mutex_unlock(&g->lock);
	return false;
}
