/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who makes keys holds one lock, and another for as long as it takes to put them in their place, so
 * that the loop never waits for the store. What was checked is in a table of fixed size where a
 * token has one place: whoever shares it is checked again, and nothing has to be thrown out.
 */
#include "api/signer.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

#include "auth/jwt.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/hex.h"
#include "store/sign_keys.h"

#define ISSUER "tocsin"
#define SEEN_MAX 4096 /* tokens in use at a time; 64 bytes each */
#define TRIES_MAX 3   /* of making a key while others do */

struct seen {
	unsigned char hash[SHA256_BYTES]; /* of the token */
	struct user_id user;
	struct session_id session;
	int64_t until_us; /* 0: the place is empty */
};

struct signer {
	const struct seal *seal;
	pthread_mutex_t making; /* of keys: number, sign_until_us, and writing keys */
	pthread_mutex_t lock;	/* of keys */
	struct jwt_keys keys;
	uint64_t number; /* of the first key */
	int64_t sign_until_us;
	struct seen *seen; /* the loop's */
};

struct signer *signer_new(const struct seal *seal)
{
	struct signer *s = mem_alloc(1, sizeof(*s));

	s->seal = seal;
	s->seen = mem_alloc(SEEN_MAX, sizeof(*s->seen));
	ensure(pthread_mutex_init(&s->making, NULL) == 0);
	ensure(pthread_mutex_init(&s->lock, NULL) == 0);
	return s;
}

void signer_free(struct signer **sp)
{
	struct signer *s = *sp;

	if (s == NULL) {
		return;
	}
	jwt_keys_clear(&s->keys);
	pthread_mutex_destroy(&s->making);
	pthread_mutex_destroy(&s->lock);
	free(s->seen);
	free(s);
	*sp = NULL;
}

/* What a sealed seed belongs to. */
static struct slice context_of(uint64_t number, struct arena *req)
{
	return arena_printf(req, "sign_key:%" PRIu64, number);
}

static void set_keys(struct signer *s, const struct jwt_keys *keys)
{
	ensure(pthread_mutex_lock(&s->lock) == 0);
	s->keys = *keys;
	ensure(pthread_mutex_unlock(&s->lock) == 0);
}

static struct jwt_keys copy_keys(struct signer *s)
{
	struct jwt_keys keys;

	ensure(pthread_mutex_lock(&s->lock) == 0);
	keys = s->keys;
	ensure(pthread_mutex_unlock(&s->lock) == 0);
	return keys;
}

static bool open_key(struct signer *s, const struct sign_key_row *row, struct arena *req,
		     struct jwt_keys *keys, struct err *err)
{
	struct secret seed = { 0 };
	struct slice bytes;
	bool ok;

	if (!seal_unwrap(s->seal, context_of(row->number, req), row->private_key, &seed, err)) {
		return err_wrap(err, "the key that access tokens are signed with");
	}
	bytes = secret_reveal(&seed);
	ok = bytes.n == JWT_SEED_BYTES;
	if (ok) {
		jwt_keys_add(keys, (const unsigned char *)bytes.p);
		s->sign_until_us = row->sign_until_us;
	}
	secret_release(&seed);
	return ok || err_set(err, ERR_CORRUPT, "a stored key of access tokens has a wrong length");
}

/* The newest one is added last, so that it signs. */
static bool read_keys(struct signer *s, struct db *db, int64_t now_us, struct arena *req,
		      struct err *err)
{
	struct jwt_keys keys = { 0 };
	struct sign_key_list list;
	bool ok = store_sign_key_list(db, req, &list, err);

	for (size_t i = list.n; ok && i > 0; i--) {
		const struct sign_key_row *row = &list.rows[i - 1];

		s->number = row->number;
		ok = row->check_until_us <= now_us || open_key(s, row, req, &keys, err);
	}
	if (ok) {
		set_keys(s, &keys);
	}
	jwt_keys_clear(&keys);
	return ok;
}

/* The row of a new key, which is in front of keys then. */
static struct sign_key_row new_row(struct signer *s, int64_t now_us, struct jwt_keys *keys,
				   struct arena *req)
{
	unsigned char seed[JWT_SEED_BYTES];
	struct sign_key_row row = { .number = s->number + 1,
				    .created_us = now_us,
				    .sign_until_us = now_us + SIGNER_KEY_US,
				    .check_until_us = now_us + SIGNER_KEY_US + SIGNER_LIFE_US };
	char x[BASE64URL_LEN(JWS_PUBLIC_BYTES)];

	jwt_seed_make(seed);
	jwt_keys_add(keys, seed);
	base64url_encode(keys->v[0].public_key, JWS_PUBLIC_BYTES, x);
	row.public_key = arena_dup(req, (struct slice) { x, sizeof(x) });
	row.kid = arena_dup(req, (struct slice) { keys->v[0].kid, JWT_KID_CHARS });
	row.private_key = seal_wrap(s->seal, context_of(row.number, req),
				    (struct slice) { (const char *)seed, sizeof(seed) }, req);
	secret_wipe(seed, sizeof(seed));
	return row;
}

static bool make_key(struct signer *s, struct db *db, int64_t now_us, struct arena *req,
		     struct err *err)
{
	struct jwt_keys keys = copy_keys(s);
	struct sign_key_row row = new_row(s, now_us, &keys, req);
	bool ok = store_sign_key_insert(db, &row, err);

	if (ok) {
		set_keys(s, &keys);
		s->number = row.number;
		s->sign_until_us = row.sign_until_us;
	}
	jwt_keys_clear(&keys);
	return ok;
}

/* Another server on the same state may be faster: then its key is ours. */
static bool renew(struct signer *s, struct db *db, int64_t now_us, struct arena *req,
		  struct err *err)
{
	for (int i = 0; i < TRIES_MAX; i++) {
		if (make_key(s, db, now_us, req, err)) {
			return store_sign_key_prune(db, now_us, err);
		}
		if (err->kind != ERR_CONFLICT || !read_keys(s, db, now_us, req, err)) {
			return false;
		}
		if (s->keys.n > 0 && now_us < s->sign_until_us) {
			return true;
		}
	}
	return false;
}

static bool has_key(struct signer *s, struct db *db, int64_t now_us, struct arena *req,
		    struct err *err)
{
	return (s->keys.n > 0 && now_us < s->sign_until_us) || renew(s, db, now_us, req, err);
}

bool signer_load(struct signer *s, struct db *db, int64_t now_us, struct err *err)
{
	struct arena boot;
	bool ok;

	arena_init(&boot, 0);
	ensure(pthread_mutex_lock(&s->making) == 0);
	ok = read_keys(s, db, now_us, &boot, err) && has_key(s, db, now_us, &boot, err);
	ensure(pthread_mutex_unlock(&s->making) == 0);
	arena_release(&boot);
	return ok;
}

bool signer_issue(struct signer *s, struct db *db, struct user_id user, struct session_id session,
		  int64_t now_us, struct arena *req, struct slice *token, struct err *err)
{
	struct id_text sub = id_format(ID_USER, user.v), sid = id_format(ID_SESSION, session.v);
	struct jwt_claims claims = { .iss = S(ISSUER),
				     .sub = slice_of(sub.p),
				     .sid = slice_of(sid.p),
				     .iat_s = now_us / US_PER_S,
				     .exp_s = (now_us + SIGNER_LIFE_US) / US_PER_S };
	struct jwt_keys keys;
	bool ok;

	ensure(pthread_mutex_lock(&s->making) == 0);
	ok = has_key(s, db, now_us, req, err);
	ensure(pthread_mutex_unlock(&s->making) == 0);
	if (ok) {
		keys = copy_keys(s);
		*token = jwt_issue(&keys, &claims, req);
		jwt_keys_clear(&keys);
	}
	return ok;
}

static struct seen *place_of(struct signer *s, struct slice token, unsigned char hash[SHA256_BYTES])
{
	size_t at;

	sha256(token, hash);
	memcpy(&at, hash, sizeof(at));
	return &s->seen[at % SEEN_MAX];
}

static bool verify(struct signer *s, struct slice token, int64_t now_us, struct arena *req,
		   struct jwt_claims *claims, struct err *err)
{
	struct jwt_want want = { .iss = S(ISSUER), .now_us = now_us };
	struct jwt_keys keys = copy_keys(s);
	bool ok = jwt_verify(&keys, token, &want, req, claims, err);

	jwt_keys_clear(&keys);
	return ok;
}

enum signer_verdict signer_check(struct signer *s, struct slice token, int64_t now_us,
				 struct arena *req, struct user_id *user,
				 struct session_id *session, struct err *err)
{
	unsigned char hash[SHA256_BYTES];
	struct seen *seen = place_of(s, token, hash);
	struct jwt_claims claims = { 0 };

	if (now_us < seen->until_us && memcmp(seen->hash, hash, sizeof(hash)) == 0) {
		*user = seen->user;
		*session = seen->session;
		return SIGNER_GOOD;
	}
	if (!verify(s, token, now_us, req, &claims, err)) {
		return claims.sid.n > 0 ? SIGNER_OVER : SIGNER_FORGED;
	}
	if (!id_parse(ID_USER, claims.sub, &user->v) ||
	    !id_parse(ID_SESSION, claims.sid, &session->v)) {
		err_set(err, ERR_UNAUTHORIZED, "the token names no user or session");
		return SIGNER_FORGED;
	}
	*seen = (struct seen) { .user = *user,
				.session = *session,
				.until_us = claims.exp_s * US_PER_S };
	memcpy(seen->hash, hash, sizeof(hash));
	return SIGNER_GOOD;
}
