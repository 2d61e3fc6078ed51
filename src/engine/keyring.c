/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys by the SHA-256 of their secret. The last secret seen is remembered with its key: a busy
 * client sends the same one all day, and a comparison costs less than a hash.
 */
#include "engine/keyring.h"

#include <stdlib.h>

#include "base/map.h"

#define SECRET_BYTES_MAX 256 /* no key we ever issue is longer than 128 */
#define RECENT 16	     /* clients whose secrets are remembered; a power of two */

struct entry {
	struct api_key key;
	bool used;    /* since the last keyring_uses */
	struct ip at; /* where it was let in last */
	struct token_bucket budgets[KEY_BUDGETS];
};

struct recent {
	struct entry *entry; /* NULL: free */
	size_t n;
	char secret[SECRET_BYTES_MAX];
};

struct keyring {
	struct map by_hash;
	struct map by_id;
	struct recent recent[RECENT];
	struct entry *last; /* found last; or NULL */
};

struct keyring *keyring_new(void)
{
	struct keyring *k = mem_alloc(1, sizeof(*k));

	map_init(&k->by_hash);
	map_init(&k->by_id);
	return k;
}

void keyring_free(struct keyring **kp)
{
	struct keyring *k = *kp;
	struct entry *e;
	size_t at = 0;

	if (k == NULL) {
		return;
	}
	while ((e = map_next(&k->by_id, &at)) != NULL) {
		free(e);
	}
	map_release(&k->by_hash);
	map_release(&k->by_id);
	explicit_bzero(k->recent, sizeof(k->recent));
	free(k);
	*kp = NULL;
}

static struct slice hash_of(const struct entry *e)
{
	return (struct slice) { .p = (const char *)e->key.hash, .n = SHA256_BYTES };
}

static void forget(struct keyring *k, const struct entry *e)
{
	k->last = k->last == e ? NULL : k->last;
	for (size_t i = 0; i < RECENT; i++) {
		if (k->recent[i].entry == e) {
			explicit_bzero(&k->recent[i], sizeof(k->recent[i]));
		}
	}
}

void keyring_del(struct keyring *k, struct key_id id)
{
	struct entry *e = map_del(&k->by_id, MAP_KEY(id));

	if (e != NULL) {
		forget(k, e);
		map_del(&k->by_hash, hash_of(e));
		free(e);
	}
}

void keyring_del_org(struct keyring *k, struct org_id org)
{
	const struct entry *e;
	size_t at = 0;

	while ((e = map_next(&k->by_id, &at)) != NULL) {
		if (e->key.org.v == org.v) {
			keyring_del(k, e->key.id);
		}
	}
}

void keyring_del_project(struct keyring *k, struct project_id project)
{
	const struct entry *e;
	size_t at = 0;

	while ((e = map_next(&k->by_id, &at)) != NULL) {
		if (e->key.project.v == project.v) {
			keyring_del(k, e->key.id);
		}
	}
}

void keyring_put(struct keyring *k, const struct api_key *key)
{
	struct entry *e = mem_alloc(1, sizeof(*e));
	const struct entry *old = map_get(&k->by_id, MAP_KEY(key->id));

	if (old != NULL) {
		memcpy(e->budgets, old->budgets, sizeof(e->budgets));
		e->at = old->at;
		keyring_del(k, key->id);
	}
	e->key = *key;
	map_put(&k->by_id, MAP_KEY(e->key.id), e);
	ensure(map_put(&k->by_hash, hash_of(e), e) == NULL);
}

size_t keyring_len(const struct keyring *k)
{
	return k->by_id.n;
}

/* A cheap, unkeyed slot: the comparison that follows is what decides. */
static struct recent *recent_slot(struct keyring *k, struct slice secret)
{
	unsigned char a = (unsigned char)secret.p[secret.n - 1];
	unsigned char b = (unsigned char)secret.p[secret.n / 2];

	return &k->recent[(size_t)(a ^ b * 3) & (RECENT - 1)];
}

static struct entry *look_up(struct keyring *k, struct slice secret)
{
	struct recent *r = recent_slot(k, secret);
	unsigned char hash[SHA256_BYTES];
	struct entry *e;

	if (r->entry != NULL && r->n == secret.n && equal_const_time(r->secret, secret.p, r->n)) {
		return r->entry;
	}
	sha256(secret, hash);
	e = map_get(&k->by_hash, (struct slice) { .p = (const char *)hash, .n = sizeof(hash) });
	if (e != NULL) {
		r->entry = e;
		r->n = secret.n;
		memcpy(r->secret, secret.p, secret.n);
	}
	return e;
}

static bool is_alive(const struct entry *e, int64_t now_us)
{
	return e->key.expires_at_us == 0 || e->key.expires_at_us > now_us;
}

const struct api_key *keyring_find(struct keyring *k, struct slice secret, int64_t now_us)
{
	struct entry *e;

	if (secret.n == 0 || secret.n > SECRET_BYTES_MAX) {
		return NULL;
	}
	e = look_up(k, secret);
	if (e == NULL || !is_alive(e, now_us)) {
		return NULL;
	}
	e->key.last_used_us = now_us;
	e->used = true;
	k->last = e;
	return &e->key;
}

const struct api_key *keyring_get(const struct keyring *k, struct key_id id)
{
	const struct entry *e = map_get(&k->by_id, MAP_KEY(id));

	return e == NULL ? NULL : &e->key;
}

const struct api_key *keyring_alive(const struct keyring *k, struct key_id id, int64_t now_us)
{
	const struct entry *e = map_get(&k->by_id, MAP_KEY(id));

	return e == NULL || !is_alive(e, now_us) ? NULL : &e->key;
}

int64_t keyring_expire(struct keyring *k, struct key_id id, int64_t at_us)
{
	struct entry *e = map_get(&k->by_id, MAP_KEY(id));

	if (e == NULL) {
		return 0;
	}
	if (is_alive(e, at_us)) {
		e->key.expires_at_us = at_us;
	}
	return e->key.expires_at_us;
}

static struct entry *entry_of(const struct keyring *k, struct key_id id)
{
	return k->last != NULL && k->last->key.id.v == id.v ? k->last
							    : map_get(&k->by_id, MAP_KEY(id));
}

struct bucket_verdict keyring_take(struct keyring *k, struct key_id id, enum key_budget budget,
				   const struct rate *rate, int64_t mono_us)
{
	struct bucket_verdict v = { .ok = true };
	struct entry *e = rate->per_minute == 0 ? NULL : entry_of(k, id);

	return e == NULL ? v : bucket_take(&e->budgets[budget], rate, mono_us);
}

void keyring_undo(struct keyring *k, struct key_id id, enum key_budget budget)
{
	struct entry *e = entry_of(k, id);

	if (e != NULL) {
		bucket_undo(&e->budgets[budget]);
	}
}

bool keyring_was_at(const struct keyring *k, struct key_id id, struct ip ip)
{
	const struct entry *e = entry_of(k, id);

	return e != NULL && ip_eq(e->at, ip);
}

void keyring_set_at(struct keyring *k, struct key_id id, struct ip ip)
{
	struct entry *e = entry_of(k, id);

	if (e != NULL) {
		e->at = ip;
	}
}

/* Zeroes are no address that anybody comes from. */
static struct slice address_of(const struct entry *e, struct ip_text *text)
{
	struct ip none = { 0 };

	if (ip_eq(e->at, none)) {
		return (struct slice) { 0 };
	}
	*text = ip_format(e->at);
	return slice_of(text->p);
}

size_t keyring_uses(struct keyring *k, struct key_use *uses, struct ip_text *from, size_t max)
{
	struct entry *e;
	size_t at = 0, n = 0;

	while (n < max && (e = map_next(&k->by_id, &at)) != NULL) {
		if (e->used) {
			uses[n] = (struct key_use) { .id = e->key.id,
						     .at_us = e->key.last_used_us,
						     .from = address_of(e, &from[n]) };
			e->used = false;
			n++;
		}
	}
	return n;
}
