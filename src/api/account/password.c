/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passwords: another one, and what to do without one. Whoever changes a password may do so because
 * somebody else knows it, so every other session and every open link ends with it.
 */
#include "api/account/account.h"
#include "api/api.h"
#include "api/audit.h"
#include "api/guess.h"
#include "api/route.h"
#include "base/json_put.h"
#include "model/mail.h"

void account_tell_end(struct call *c, struct user_id user, struct session_id keep)
{
	struct people_change change = { .op = PEOPLE_END_OTHERS,
					.session = { .id = keep, .user = user } };

	people_tell(c, &change, 1);
}

bool account_set_password(struct call *c, struct user_id user, struct slice hash,
			  struct session_id keep, struct err *err)
{
	return account_found(store_user_set_password(c->db, user, hash, c->now_us, err), err) &&
	       store_session_end_others(c->db, user, keep, NULL, err) &&
	       store_token_end_all(c->db, user, err);
}

/* POST /auth/password */

struct password_fields {
	struct slice current;
	struct slice password;
};

static const struct field password_rows[] = {
	FIELD_STR(struct password_fields, current, "currentPassword", .min = 1,
		  .max = PASSWORD_BYTES_MAX,
		  .help = "Not for an account without one, which needs a fresh login."),
	FIELD_STR(struct password_fields, password, "password", .min = PASSWORD_BYTES_MIN,
		  .max = PASSWORD_BYTES_MAX, .flags = FIELD_REQUIRED,
		  .example = "correct horse battery", .help = "The new one."),
};

/* Who never had a password proves himself by his login. */
static bool check_current(struct call *c, const struct password_fields *in,
			  const struct user_row *me, struct err *err)
{
	if (me->password.n == 0) {
		return c->caller.proved ||
		       err_set(err, ERR_PROOF, "log in again, then set a password");
	}
	if (in->current.n == 0) {
		return err_field(err, ERR_INVALID, "currentPassword",
				 "\"currentPassword\" is missing");
	}
	if (slice_eq(in->current, in->password)) {
		return err_field(err, ERR_INVALID, "password",
				 "\"password\" must be another one than before");
	}
	return account_check_password(c, me, in->current, err);
}

static bool store_change(struct call *c, const struct user_row *proved, struct slice hash,
			 struct err *err)
{
	struct audit_note note = { .action = AUDIT_PASSWORD_SET,
				   .user = proved->id,
				   AUDIT_OF(c, USER, proved->id.v, proved->mail) };
	struct user_row me;

	if (!db_begin(c->db, err) || !account_lock(c, proved->id, &me, err)) {
		return false;
	}
	if (!slice_eq(me.password, proved->password)) {
		return err_set(err, ERR_CONFLICT, "the password was changed meanwhile");
	}
	return account_set_password(c, me.id, hash, c->caller.session, err) &&
	       audit_put(c, &note, err) && db_commit(c->db, err);
}

static bool change(struct call *c, struct err *err)
{
	struct password_fields in = { 0 };
	struct user_row me;
	struct slice hash;

	if (!account_read(c, password_rows, ARRAY_LEN(password_rows), &in, err) ||
	    !account_me(c, &me, err) || !check_current(c, &in, &me, err) ||
	    !account_hash(c, in.password, me.mail, &hash, err) ||
	    !store_change(c, &me, hash, err)) {
		return false;
	}
	account_tell_end(c, me.id, c->caller.session);
	call_empty(c, 204);
	return true;
}

/* POST /auth/forgot-password */

struct forgot_fields {
	struct slice mail;
};

static const struct field forgot_rows[] = {
	FIELD_STR(struct forgot_fields, mail, "email", .min = 1, .max = MAIL_BYTES_MAX,
		  .flags = FIELD_REQUIRED, .example = "ana@example.com"),
};

/*
 * Both kinds of caller cost one look and one entry of the log. No token is made while nothing can
 * carry it: it would end the one that an operator has just handed out.
 */
static bool note_wish(struct call *c, struct slice mail, struct err *err)
{
	struct audit_note note = { .action = AUDIT_PASSWORD_FORGOT,
				   .installation = true,
				   .target = AUDIT_ON_USER,
				   .target_name = mail };
	struct user_row user;
	enum found found = store_user_by_mail(c->db, mail, c->req, &user, err);

	if (found == FAILED) {
		return false;
	}
	if (found == FOUND) {
		note.target_id = audit_id(c, ID_USER, user.id.v);
	}
	if (!audit_alone(c, &note, err)) {
		return false;
	}
	log_info("password_link_not_sent", log_slice("cid", c->http->id),
		 log_str("reason", "this server sends no mail"), log_bool("user", found == FOUND),
		 log_slice("user_id", note.target_id),
		 log_str("hint", "tocsin user reset-link prints a link"));
	return true;
}

bool account_forgot(struct call *c, struct err *err)
{
	struct forgot_fields in = { 0 };
	struct slice mail;
	struct json_w w;

	if (!account_read(c, forgot_rows, ARRAY_LEN(forgot_rows), &in, err) ||
	    !mail_read("email", in.mail, c->req, &mail, err) || !rate_login(c, mail, err)) {
		return false;
	}
	if (!rate_link(c, mail)) {
		audit_nothing(c);
		log_info("password_link_again", log_slice("cid", c->http->id));
	} else if (!note_wish(c, mail, err)) {
		return false;
	}
	w = call_json(c, c->route->replies[0].status);
	json_w_object(&w);
	json_put_str(&w, "message", S(ACCOUNT_NO_MAIL "\"tocsin user reset-link\""));
	json_w_end(&w);
	return true;
}

/* POST /auth/reset-password */

struct reset_fields {
	struct slice token;
	struct slice password;
};

static const struct field reset_rows[] = {
	FIELD_STR(struct reset_fields, token, "token", .min = 1, .max = 200,
		  .flags = FIELD_REQUIRED, .help = "From the link."),
	FIELD_STR(struct reset_fields, password, "password", .min = PASSWORD_BYTES_MIN,
		  .max = PASSWORD_BYTES_MAX, .flags = FIELD_REQUIRED,
		  .example = "correct horse battery", .help = "The new one."),
};

/* The token is used up when all of it commits: a password that is refused leaves it. */
static bool take_token(struct call *c, struct slice token, struct user_row *user, struct err *err)
{
	struct token_row row;
	enum found found = store_token_take_user(c->db, TOKEN_RESET, token_hash(token, c->req),
						 c->now_us, c->req, &row, user, err);

	if (found == FAILED || !guess_secret(c, token, found == FOUND, err)) {
		return false;
	}
	if (found == NOT_FOUND) {
		return err_field(err, ERR_INVALID, "token",
				 "\"token\" is of no link that is good: it was used, is too old, "
				 "or there is a newer one");
	}
	return true;
}

static bool store_reset(struct call *c, struct slice token, struct slice password,
			struct slice hash, struct user_row *user, struct err *err)
{
	struct audit_note note = { .action = AUDIT_PASSWORD_RESET, .target = AUDIT_ON_USER };

	if (!db_begin(c->db, err) || !take_token(c, token, user, err) ||
	    !password_check(password, user->mail, err) ||
	    !account_set_password(c, user->id, hash, (struct session_id) { 0 }, err) ||
	    !account_chain(c, user, &note.org, err)) {
		return false;
	}
	note.user = user->id;
	note.target_id = audit_id(c, ID_USER, user->id.v);
	note.target_name = user->mail;
	return audit_put(c, &note, err) && db_commit(c->db, err);
}

bool account_reset(struct call *c, struct err *err)
{
	struct reset_fields in = { 0 };
	struct user_row user;
	struct slice hash;

	/* The hash first: nothing waits for it in a transaction. */
	if (!account_read(c, reset_rows, ARRAY_LEN(reset_rows), &in, err) ||
	    !account_hash(c, in.password, (struct slice) { 0 }, &hash, err) ||
	    !store_reset(c, in.token, in.password, hash, &user, err)) {
		return false;
	}
	account_tell_end(c, user.id, (struct session_id) { 0 });
	guess_clear(c, user.mail);
	return true;
}

static bool reset(struct call *c, struct err *err)
{
	if (!account_reset(c, err)) {
		return false;
	}
	call_empty(c, 204);
	return true;
}

static const struct field_set password_fields = { password_rows, ARRAY_LEN(password_rows) };
static const struct shape shape_password_in = { .name = "PasswordInput",
						.help = "The password as it is, and a new one.",
						.fields = &password_fields,
						.sent = true };
const struct field_set account_forgot_fields = { forgot_rows, ARRAY_LEN(forgot_rows) };
static const struct shape shape_forgot_in = { .name = "ForgotInput",
					      .help = "Whose it is.",
					      .fields = &account_forgot_fields,
					      .sent = true };
const struct field_set account_reset_fields = { reset_rows, ARRAY_LEN(reset_rows) };
static const struct shape shape_reset_in = { .name = "ResetInput",
					     .help = "A token, and the password that it sets.",
					     .fields = &account_reset_fields,
					     .sent = true };
static const struct prop message_props[] = {
	PROP_STR("message", .help = "The same for everybody."),
};
const struct shape shape_account_message = { .name = "Message",
					     .help = "What happens now, for people.",
					     SHAPE_PROPS(message_props) };

static const struct route rows[] = {
	{
		.method = HTTP_POST,
		.path = "/api/v1/auth/password",
		.name = "setPassword",
		.tag = "Auth",
		.summary = "Set another password",
		.who = WHO_USER,
		.limit = LIMIT_AUTH,
		.body_max = ACCOUNT_BODY_BYTES_MAX,
		.doc = "All other sessions end, with their streams, and so does every link that "
		       "was sent.",
		.bodies = { { .shape = &shape_password_in } },
		.replies = { { .status = 204, .help = "It is set." } },
		.errors = { ERR_UNAUTHORIZED, ERR_PROOF, ERR_CONFLICT, ERR_OVERLOADED },
		.audits = { AUDIT_PASSWORD_SET },
		.work = change,
	},
	{
		.method = HTTP_POST,
		.path = "/api/v1/auth/forgot-password",
		.name = "forgotPassword",
		.tag = "Auth",
		.summary = "Ask for a link to set another password",
		.who = WHO_PUBLIC,
		.limit = LIMIT_AUTH,
		.body_max = ACCOUNT_BODY_BYTES_MAX,
		.doc = "The answer is the same whether there is such an account or not.",
		.bodies = { { .shape = &shape_forgot_in } },
		.replies = { { .status = 202,
			       .help = "What happens now.",
			       .shape = &shape_account_message } },
		.audits = { AUDIT_PASSWORD_FORGOT },
		.work = account_forgot,
	},
	{
		.method = HTTP_POST,
		.path = "/api/v1/auth/reset-password",
		.name = "resetPassword",
		.tag = "Auth",
		.summary = "Set another password with a link",
		.who = WHO_PUBLIC,
		.limit = LIMIT_AUTH,
		.body_max = ACCOUNT_BODY_BYTES_MAX,
		.doc = "The token is good once, for fifteen minutes, and until a newer one is "
		       "made. All sessions end; a second factor stays on.",
		.bodies = { { .shape = &shape_reset_in } },
		.replies = { { .status = 204, .help = "It is set." } },
		.errors = { ERR_OVERLOADED },
		.audits = { AUDIT_PASSWORD_RESET },
		.work = reset,
	},
};
const struct route_set routes_password = { rows, ARRAY_LEN(rows) };
