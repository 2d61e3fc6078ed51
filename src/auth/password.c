/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hashing and verifying go through libsodium, and through crypt(3) for what earlier systems made.
 * The costs in a stored hash decide how long it takes, so they are looked at before it is used.
 */
#include "auth/password.h"

#include <crypt.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/secret.h"

#define PASSES 2
#define MEMORY_BYTES ((size_t)19 << 20)
#define PASSES_MAX 10	     /* of a stored hash: half a second, in which nobody else logs in */
#define MEMORY_KIB_MAX 65536 /* likewise: what two at once may take */
#define BCRYPT_COST_MIN 4    /* of the format */
#define BCRYPT_COST_MAX 14   /* about a second */
#define BCRYPT_HASH_BYTES 60
#define ARGON2 "$argon2id$v=19$m="

static_assert(PASSWORD_HASH_BYTES_MAX >= crypto_pwhash_STRBYTES, "a hash fits");

/* Of no password: nobody knows bytes that give this. The costs are the ones above. */
static const char nobody[] = "$argon2id$v=19$m=19456,t=2,p=1$dG9jc2luLW5vYm9keS4uLg$"
			     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

static bool enter(struct password_gate *gate, struct err *err)
{
	if (__atomic_add_fetch(&gate->inside, 1, __ATOMIC_ACQ_REL) <= PASSWORD_AT_ONCE_MAX) {
		return true;
	}
	__atomic_sub_fetch(&gate->inside, 1, __ATOMIC_ACQ_REL);
	return err_set(err, ERR_OVERLOADED, "too many passwords are being checked; try again");
}

static void leave(struct password_gate *gate)
{
	__atomic_sub_fetch(&gate->inside, 1, __ATOMIC_ACQ_REL);
}

static bool no_memory(struct err *err)
{
	return err_set(err, ERR_OVERLOADED, "there is no memory to hash a password; try again");
}

bool password_hash(struct password_gate *gate, struct slice password, struct password_hash *out,
		   struct err *err)
{
	bool ok;

	ensure(password.n <= PASSWORD_BYTES_MAX);
	if (!enter(gate, err)) {
		return false;
	}
	ok = crypto_pwhash_str_alg(out->text, password.n == 0 ? "" : password.p, password.n, PASSES,
				   MEMORY_BYTES, crypto_pwhash_ALG_ARGON2ID13) == 0;
	leave(gate);
	return ok || no_memory(err);
}

/* What a stored hash is. */

static bool is_bcrypt(struct slice hash)
{
	return hash.n == BCRYPT_HASH_BYTES &&
	       (slice_starts(hash, S("$2a$")) || slice_starts(hash, S("$2b$")) ||
		slice_starts(hash, S("$2y$"))) &&
	       hash.p[6] == '$';
}

static bool bcrypt_is_known(struct slice hash)
{
	uint64_t cost;

	return slice_u64((struct slice) { hash.p + 4, 2 }, &cost) && cost >= BCRYPT_COST_MIN &&
	       cost <= BCRYPT_COST_MAX;
}

/* "name=digits" from the front of *rest, and the separator behind it. */
static bool take_number(struct slice *rest, struct slice name, char end, uint64_t *out)
{
	struct slice part;

	if (!slice_starts(*rest, name)) {
		return false;
	}
	*rest = slice_from(*rest, name.n);
	return slice_split(rest, end, &part) && slice_u64(part, out);
}

static bool argon2_is_known(struct slice hash)
{
	struct slice rest = hash;
	uint64_t memory_kib, passes, lanes;

	return hash.n < PASSWORD_HASH_BYTES_MAX &&
	       take_number(&rest, S(ARGON2), ',', &memory_kib) && memory_kib <= MEMORY_KIB_MAX &&
	       take_number(&rest, S("t="), ',', &passes) && passes >= 1 && passes <= PASSES_MAX &&
	       take_number(&rest, S("p="), '$', &lanes) && lanes == 1;
}

bool password_hash_is_known(struct slice hash)
{
	return is_bcrypt(hash) ? bcrypt_is_known(hash) : argon2_is_known(hash);
}

static void terminated(struct slice hash, char out[PASSWORD_HASH_BYTES_MAX])
{
	ensure(hash.n < PASSWORD_HASH_BYTES_MAX);
	memcpy(out, hash.p, hash.n);
	out[hash.n] = '\0';
}

bool password_is_old(struct slice hash)
{
	char text[PASSWORD_HASH_BYTES_MAX];

	if (is_bcrypt(hash) || !argon2_is_known(hash)) {
		return true;
	}
	terminated(hash, text);
	return crypto_pwhash_str_needs_rehash(text, PASSES, MEMORY_BYTES) != 0;
}

/* Verifying. */

static enum found corrupt(struct err *err)
{
	err_set(err, ERR_CORRUPT, "the stored hash of the password is of no known form");
	return FAILED;
}

/* libsodium says in errno why it failed: EINVAL is "another password". */
static enum found verify_argon2(struct slice password, const char *hash, struct err *err)
{
	errno = 0;
	if (crypto_pwhash_str_verify(hash, password.n == 0 ? "" : password.p, password.n) == 0) {
		return FOUND;
	}
	if (errno == EINVAL) {
		return NOT_FOUND;
	}
	if (errno == ENOMEM) {
		no_memory(err);
		return FAILED;
	}
	return corrupt(err);
}

/*
 * bcrypt reads 72 bytes, here as in the systems that made these hashes. It ends at a 0 byte, too,
 * which would make a password of what is only the start of one.
 */
static enum found verify_bcrypt(struct slice password, const char *hash, struct err *err)
{
	struct crypt_data *data = mem_alloc(1, sizeof(*data));
	char phrase[PASSWORD_BYTES_MAX + 1] = "";
	enum found found = NOT_FOUND;
	const char *got;

	memcpy(phrase, password.n == 0 ? "" : password.p, password.n);
	got = crypt_rn(phrase, hash, data, sizeof(*data));
	if (got == NULL || strlen(got) != BCRYPT_HASH_BYTES) {
		found = corrupt(err);
	} else if (equal_const_time(got, hash, BCRYPT_HASH_BYTES) &&
		   slice_find(password, '\0') == password.n) {
		found = FOUND;
	}
	secret_wipe(phrase, sizeof(phrase));
	secret_wipe(data, sizeof(*data));
	free(data);
	return found;
}

static enum found verify(struct slice password, struct slice hash, struct err *err)
{
	char text[PASSWORD_HASH_BYTES_MAX];

	if (hash.n == 0) {
		enum found found = verify_argon2(password, nobody, err);

		return found == FAILED ? FAILED : NOT_FOUND;
	}
	if (!password_hash_is_known(hash)) {
		return corrupt(err);
	}
	terminated(hash, text);
	return is_bcrypt(hash) ? verify_bcrypt(password, text, err)
			       : verify_argon2(password, text, err);
}

enum found password_verify(struct password_gate *gate, struct slice password, struct slice hash,
			   struct err *err)
{
	enum found found;

	if (password.n > PASSWORD_BYTES_MAX) {
		return NOT_FOUND;
	}
	if (!enter(gate, err)) {
		return FAILED;
	}
	found = verify(password, hash, err);
	leave(gate);
	return found;
}
