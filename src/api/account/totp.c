/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The second factor: codes of an authenticator. A secret that was shown is pending until a code of
 * it came back, so that nobody locks himself out with an app that did not take it. Recovery codes
 * come with the confirmation, because whoever switches it on will lose a telephone one day.
 */
#include "api/account/account.h"
#include "api/api.h"
#include "api/audit.h"
#include "api/guess.h"
#include "api/route.h"
#include "auth/recovery.h"
#include "auth/totp.h"
#include "base/hex.h"
#include "base/json_put.h"

#define ISSUER "Tocsin"

/* GET /auth/totp */

static bool show_state(struct call *c, struct err *err)
{
	struct user_row me;
	uint64_t left;
	struct json_w w;

	if (!account_me(c, &me, err) || !store_recovery_left(c->db, me.id, &left, err)) {
		return false;
	}
	w = call_json(c, 200);
	json_w_object(&w);
	json_put_bool(&w, "enabled", me.totp_us != 0);
	json_put_bool(&w, "pending", me.totp_us == 0 && me.totp.n > 0);
	json_put_time_or_null(&w, "enabledAt", me.totp_us);
	json_put_int(&w, "recoveryCodesLeft", (int64_t)left);
	json_w_end(&w);
	return true;
}

/* POST /auth/totp */

/* The server's name in the app: people have several. */
static struct slice issuer(const struct call *c)
{
	struct slice host = c->api->public_url;
	size_t at = slice_starts(host, S("https://"))  ? 8
		    : slice_starts(host, S("http://")) ? 7
						       : 0;

	host = slice_from(host, at);
	host.n = slice_find(host, '/');
	if (host.n == 0 || host.n > TOTP_NAME_BYTES_MAX - sizeof(ISSUER)) {
		return S(ISSUER);
	}
	return arena_printf(c->req, ISSUER " %.*s", SARG(host));
}

static void answer_secret(struct call *c, const struct user_row *me,
			  const unsigned char secret[TOTP_SECRET_BYTES])
{
	struct json_w w = call_json(c, 201);
	char text[TOTP_SECRET_CHARS];

	totp_secret_text(secret, text);
	json_w_object(&w);
	json_put_str(&w, "secret", (struct slice) { text, sizeof(text) });
	json_put_str(&w, "uri", totp_uri(secret, issuer(c), me->mail, c->req));
	json_w_end(&w);
	secret_wipe(text, sizeof(text));
}

static bool store_pending(struct call *c, const unsigned char secret[TOTP_SECRET_BYTES],
			  struct user_row *me, struct err *err)
{
	struct slice plain = { (const char *)secret, TOTP_SECRET_BYTES };

	if (!db_begin(c->db, err) || !account_lock(c, c->caller.user, me, err)) {
		return false;
	}
	if (me->totp_us != 0) {
		return err_set(err, ERR_CONFLICT,
			       "codes are asked for already: switch the second factor off first");
	}
	return account_found(
		       store_user_set_totp(c->db, me->id,
					   seal_wrap(c->api->seal, account_totp_context(c, me->id),
						     plain, c->req),
					   0, err),
		       err) &&
	       db_commit(c->db, err);
}

static bool begin(struct call *c, struct err *err)
{
	unsigned char secret[TOTP_SECRET_BYTES];
	struct user_row me;
	bool ok;

	totp_secret_make(secret);
	ok = store_pending(c, secret, &me, err);
	if (ok) {
		answer_secret(c, &me, secret);
	}
	secret_wipe(secret, sizeof(secret));
	return ok;
}

/* Recovery codes. */

struct codes {
	char text[RECOVERY_CODES][RECOVERY_TEXT_CHARS + 1];
	struct slice hashes[RECOVERY_CODES];
};

/* Before the transaction: hashing takes its time. */
static bool make_codes(struct call *c, struct user_id user, struct codes *out, struct err *err)
{
	struct id_text account = id_format(ID_USER, user.v);
	unsigned char hash[RECOVERY_HASH_BYTES];
	char hex[2 * RECOVERY_HASH_BYTES];

	recovery_make(out->text);
	for (size_t i = 0; i < RECOVERY_CODES; i++) {
		if (!recovery_hash(slice_of(out->text[i]), slice_of(account.p), hash)) {
			return err_set(err, ERR_OVERLOADED, "there is no memory for a hash");
		}
		hex_encode(hash, sizeof(hash), hex);
		out->hashes[i] = arena_dup(c->req, (struct slice) { hex, sizeof(hex) });
	}
	return true;
}

static void answer_codes(struct call *c, struct codes *codes)
{
	struct json_w w = call_json(c, 200);

	json_w_object(&w);
	json_w_key(&w, "recoveryCodes");
	json_w_array(&w);
	for (size_t i = 0; i < RECOVERY_CODES; i++) {
		json_w_str(&w, slice_of(codes->text[i]));
	}
	json_w_end(&w);
	json_w_end(&w);
}

/* POST /auth/totp/confirm */

struct confirm_fields {
	struct slice code;
};

static const struct field confirm_rows[] = {
	FIELD_STR(struct confirm_fields, code, "code", .min = TOTP_DIGITS, .max = TOTP_DIGITS,
		  .flags = FIELD_REQUIRED, .example = "492039",
		  .help = "What the authenticator shows now."),
};

static bool is_pending(const struct user_row *me, struct err *err)
{
	if (me->totp_us != 0) {
		return err_set(err, ERR_CONFLICT, "the second factor is on already");
	}
	return me->totp.n > 0 ||
	       err_set(err, ERR_CONFLICT, "there is no secret to confirm: begin with one");
}

/* That secret whose code was right: it may have been begun anew since. */
static bool store_confirmed(struct call *c, const struct user_row *proved,
			    const struct codes *codes, struct err *err)
{
	struct audit_note note = { .action = AUDIT_TOTP_ENABLE,
				   .user = proved->id,
				   AUDIT_OF(c, USER, proved->id.v, proved->mail) };
	struct user_row me;

	if (!db_begin(c->db, err) || !account_lock(c, proved->id, &me, err)) {
		return false;
	}
	if (me.totp_us != 0 || !slice_eq(me.totp, proved->totp)) {
		return err_set(err, ERR_CONFLICT, "it was begun anew meanwhile");
	}
	return account_found(store_user_set_totp(c->db, me.id, me.totp, c->now_us, err), err) &&
	       store_recovery_put(c->db, me.id, codes->hashes, RECOVERY_CODES, err) &&
	       audit_put(c, &note, err) && db_commit(c->db, err);
}

static bool confirm(struct call *c, struct err *err)
{
	struct confirm_fields in = { 0 };
	struct codes codes;
	struct user_row me;
	bool ok;

	if (!account_read(c, confirm_rows, ARRAY_LEN(confirm_rows), &in, err) ||
	    !account_me(c, &me, err) || !is_pending(&me, err) ||
	    !account_check_code(c, &me, in.code, err)) {
		return false;
	}
	ok = make_codes(c, me.id, &codes, err) && store_confirmed(c, &me, &codes, err);
	if (ok) {
		answer_codes(c, &codes);
	}
	secret_wipe(codes.text, sizeof(codes.text));
	return ok;
}

/* POST /auth/totp/recovery-codes */

static bool store_codes(struct call *c, const struct codes *codes, struct err *err)
{
	struct audit_note note = { .action = AUDIT_RECOVERY_CREATE };
	struct user_row me;

	if (!db_begin(c->db, err) || !account_lock(c, c->caller.user, &me, err)) {
		return false;
	}
	if (me.totp_us == 0) {
		return err_set(err, ERR_CONFLICT, "there is no second factor to recover from");
	}
	note.user = me.id;
	note.target = AUDIT_ON_USER;
	note.target_id = audit_id(c, ID_USER, me.id.v);
	note.target_name = me.mail;
	return store_recovery_put(c->db, me.id, codes->hashes, RECOVERY_CODES, err) &&
	       audit_put(c, &note, err) && db_commit(c->db, err);
}

static bool renew_codes(struct call *c, struct err *err)
{
	struct codes codes;
	bool ok = make_codes(c, c->caller.user, &codes, err) && store_codes(c, &codes, err);

	if (ok) {
		answer_codes(c, &codes);
	}
	secret_wipe(codes.text, sizeof(codes.text));
	return ok;
}

/* DELETE /auth/totp */

bool account_totp_off(struct call *c, const struct user_row *user, struct err *err)
{
	struct audit_note note = { .action = AUDIT_TOTP_DISABLE,
				   .user = c->caller.user,
				   .installation = c->caller.user.v == 0,
				   AUDIT_OF(c, USER, user->id.v, user->mail) };

	return account_found(store_user_set_totp(c->db, user->id, (struct slice) { 0 }, 0, err),
			     err) &&
	       store_recovery_put(c->db, user->id, NULL, 0, err) && audit_put(c, &note, err);
}

static bool switch_off(struct call *c, struct err *err)
{
	struct user_row me;

	if (!db_begin(c->db, err) || !account_lock(c, c->caller.user, &me, err)) {
		return false;
	}
	if (me.totp.n > 0 && !account_totp_off(c, &me, err)) {
		return false;
	}
	if (me.totp.n == 0) {
		audit_nothing(c);
	}
	call_empty(c, 204);
	return db_commit(c->db, err);
}

static const struct prop state_props[] = {
	PROP_BOOL("enabled", .help = "A code is asked for at each login."),
	PROP_BOOL("pending", .help = "A secret was given out and waits for its first code."),
	PROP_TIME("enabledAt", .flags = PROP_NULL),
	PROP_INT("recoveryCodesLeft"),
};
static const struct shape shape_state = { .name = "SecondFactor",
					  .help = "Whether codes are asked for.",
					  SHAPE_PROPS(state_props) };
static const struct prop secret_props[] = {
	PROP_STR("secret", .help = "For those who type it, in base 32.",
		 .example = "\"JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP\""),
	PROP_STR("uri", .help = "The same for a picture that an app reads.",
		 .example = "\"otpauth://totp/Tocsin:ana%40example.com?secret=JBSWY3DP\""),
};
static const struct shape shape_secret = { .name = "SecondFactorSecret",
					   .help = "What the authenticator needs; shown once.",
					   SHAPE_PROPS(secret_props) };
static const struct prop codes_props[] = {
	PROP_STR("recoveryCodes", .many = PROP_LIST,
		 .help = "Each opens the account once in the place of a code; shown once.",
		 .example = "[\"7ZK4M-9QWX2\"]"),
};
static const struct shape shape_codes = { .name = "RecoveryCodes",
					  .help = "For the day the authenticator is lost.",
					  SHAPE_PROPS(codes_props) };
static const struct field_set confirm_fields = { confirm_rows, ARRAY_LEN(confirm_rows) };
static const struct shape shape_confirm_in = {
	.name = "ConfirmInput", .help = "The first code.", .fields = &confirm_fields, .sent = true
};

static const struct route rows[] = {
	{
		.method = HTTP_GET,
		.path = "/api/v1/auth/totp",
		.name = "getSecondFactor",
		.tag = "Auth",
		.summary = "Whether codes are asked for",
		.who = WHO_USER,
		.replies = { { .status = 200, .help = "How it is.", .shape = &shape_state } },
		.work = show_state,
	},
	{
		.method = HTTP_POST,
		.path = "/api/v1/auth/totp",
		.name = "beginSecondFactor",
		.tag = "Auth",
		.summary = "Get a secret for an authenticator",
		.who = WHO_USER,
		.proof = true,
		.limit = LIMIT_AUTH,
		.doc = "Nothing is asked for until a code of it was confirmed. A secret that was "
		       "not confirmed is replaced.",
		.replies = { { .status = 201, .help = "The secret.", .shape = &shape_secret } },
		.errors = { ERR_CONFLICT },
		.unaudited = "nothing is asked for until it is confirmed",
		.work = begin,
	},
	{
		.method = HTTP_POST,
		.path = "/api/v1/auth/totp/confirm",
		.name = "confirmSecondFactor",
		.tag = "Auth",
		.summary = "Switch codes on with the first one",
		.who = WHO_USER,
		.limit = LIMIT_AUTH,
		.body_max = ACCOUNT_BODY_BYTES_MAX,
		.doc = "From now on each login asks for a code. That code is used up by this "
		       "call.",
		.bodies = { { .shape = &shape_confirm_in } },
		.replies = { { .status = 200, .help = "It is on.", .shape = &shape_codes } },
		.errors = { ERR_UNAUTHORIZED, ERR_CONFLICT },
		.audits = { AUDIT_TOTP_ENABLE },
		.work = confirm,
	},
	{
		.method = HTTP_POST,
		.path = "/api/v1/auth/totp/recovery-codes",
		.name = "renewRecoveryCodes",
		.tag = "Auth",
		.summary = "Get other recovery codes",
		.who = WHO_USER,
		.proof = true,
		.limit = LIMIT_AUTH,
		.replies = { { .status = 200,
			       .help = "The new ones; those before are worth nothing.",
			       .shape = &shape_codes } },
		.errors = { ERR_CONFLICT },
		.audits = { AUDIT_RECOVERY_CREATE },
		.work = renew_codes,
	},
	{
		.method = HTTP_DELETE,
		.path = "/api/v1/auth/totp",
		.name = "endSecondFactor",
		.tag = "Auth",
		.summary = "Ask for codes no longer",
		.who = WHO_USER,
		.proof = true,
		.limit = LIMIT_AUTH,
		.replies = { { .status = 204, .help = "It is off." } },
		.audits = { AUDIT_TOTP_DISABLE },
		.work = switch_off,
	},
};
const struct route_set routes_totp = { rows, ARRAY_LEN(rows) };
