/* SPDX-License-Identifier: Apache-2.0 */
/* Proofs of who somebody is, and what their calls have in common. */
#include "api/account/account.h"

#include "api/api.h"
#include "api/audit.h"
#include "api/guess.h"
#include "api/route.h"
#include "auth/recovery.h"
#include "auth/totp.h"
#include "base/hex.h"

/* As the row describes its body. */
static bool is_open(const struct route *r)
{
	return r->bodies[0].shape != NULL && r->bodies[0].shape->open;
}

bool account_read(struct call *c, const struct field *rows, size_t n, void *in, struct err *err)
{
	struct fields_in how = { .ignore_unknown = is_open(c->route) };
	const struct json *body;

	return call_body(c, &body, err) && fields_parse(body, rows, n, in, &how, c->req, err);
}

bool account_me(struct call *c, struct user_row *out, struct err *err)
{
	switch (store_user_get(c->db, c->caller.user, c->req, out, err)) {
	case FOUND:
		return true;
	case NOT_FOUND:
		return err_set(err, ERR_UNAUTHORIZED, "this account is gone");
	case FAILED:
		break;
	}
	return false;
}

bool account_found(enum found found, struct err *err)
{
	return found == FOUND ||
	       (found == NOT_FOUND && err_set(err, ERR_NOT_FOUND, "this account is gone"));
}

bool account_lock(struct call *c, struct user_id id, struct user_row *out, struct err *err)
{
	return account_found(store_user_lock(c->db, id, c->req, out, err), err);
}

bool account_chain(struct call *c, const struct user_row *user, struct org_id *org, struct err *err)
{
	struct login l = { .user = { .id = user->id } };
	bool ok = session_choose_org(c, &l, err);

	*org = l.org.id;
	return ok;
}

bool account_hash(struct call *c, struct slice password, struct slice mail, struct slice *hash,
		  struct err *err)
{
	struct password_hash made;

	if (!password_check(password, mail, err) ||
	    !password_hash(c->api->gate, password, &made, err)) {
		return false;
	}
	*hash = arena_dup(c->req, slice_of(made.text));
	return true;
}

bool account_check_password(struct call *c, const struct user_row *user, struct slice password,
			    struct err *err)
{
	if (!rate_login(c, user->mail, err) || !guess_login(c, user->mail, err)) {
		return false;
	}
	switch (password_verify(c->api->gate, password, user->password, err)) {
	case FOUND:
		guess_right(c, user->mail);
		return true;
	case NOT_FOUND:
		return err_field(err, ERR_UNAUTHORIZED, "password", "the password is wrong");
	case FAILED:
		guess_undo(c, user->mail);
		break;
	}
	return false;
}

struct slice account_totp_context(struct call *c, struct user_id user)
{
	return arena_printf(c->req, "totp:%llu", (unsigned long long)user.v);
}

/* A code of the authenticator: good once, in its half minute and the ones beside it. */
static enum found take_totp(struct call *c, const struct user_row *user, struct slice code,
			    struct err *err)
{
	struct slice context = account_totp_context(c, user->id);
	struct secret secret = { 0 };
	enum found found = NOT_FOUND;
	int64_t step;

	if (!seal_unwrap(c->api->seal, context, user->totp, &secret, err)) {
		return FAILED;
	}
	if (secret.n == TOTP_SECRET_BYTES &&
	    totp_verify((const unsigned char *)secret_reveal(&secret).p, code, c->now_us,
			user->totp_step, &step)) {
		found = store_user_take_totp(c->db, user->id, step, err);
	}
	secret_release(&secret);
	return found;
}

static enum found use_recovery(struct call *c, const struct user_row *user, struct slice hash,
			       struct err *err)
{
	struct audit_note note = { .action = AUDIT_RECOVERY_USE,
				   .user = user->id,
				   AUDIT_OF(c, USER, user->id.v, user->mail) };
	enum found found;

	if (!db_begin(c->db, err) || !account_chain(c, user, &note.org, err)) {
		return FAILED;
	}
	found = store_recovery_take(c->db, user->id, hash, c->now_us, err);
	if (found == NOT_FOUND) {
		db_rollback(c->db);
	}
	if (found == FOUND && (!audit_put(c, &note, err) || !db_commit(c->db, err))) {
		return FAILED;
	}
	return found;
}

static enum found take_recovery(struct call *c, const struct user_row *user, struct slice code,
				struct err *err)
{
	struct id_text account = id_format(ID_USER, user->id.v);
	unsigned char hash[RECOVERY_HASH_BYTES];
	char hex[2 * RECOVERY_HASH_BYTES];

	if (!recovery_hash(code, slice_of(account.p), hash)) {
		return NOT_FOUND;
	}
	hex_encode(hash, sizeof(hash), hex);
	return use_recovery(c, user, (struct slice) { hex, sizeof(hex) }, err);
}

bool account_take_code(struct call *c, const struct user_row *user, struct slice code,
		       struct err *err)
{
	enum found found = code.n == TOTP_DIGITS ? take_totp(c, user, code, err)
						 : take_recovery(c, user, code, err);

	return found == FOUND ||
	       (found == NOT_FOUND &&
		err_field(err, ERR_UNAUTHORIZED, "code", "the code is wrong, or was used before"));
}

bool account_check_code(struct call *c, const struct user_row *user, struct slice code,
			struct err *err)
{
	if (!rate_login(c, user->mail, err) || !guess_login(c, user->mail, err) ||
	    !account_take_code(c, user, code, err)) {
		return false;
	}
	guess_right(c, user->mail);
	return true;
}
