/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mail addresses: a new one counts when a link that was sent there came back. Nothing says before
 * that whether somebody else has it.
 */
#include "api/account/account.h"
#include "api/api.h"
#include "api/audit.h"
#include "api/guess.h"
#include "api/route.h"
#include "base/json_put.h"
#include "model/mail.h"

/* What an operator has to know to help; never the token. */
static void tell_not_sent(struct call *c, const char *what, const struct user_row *user)
{
	log_info("mail_link_not_sent", log_slice("cid", c->http->id), log_str("what", what),
		 log_str("reason", "this server sends no mail"),
		 log_slice("user_id", audit_id(c, ID_USER, user->id.v)),
		 log_str("hint", "tocsin user mail-link prints a link"));
}

static void answer_message(struct call *c)
{
	struct json_w w = call_json(c, 202);

	json_w_object(&w);
	json_put_str(&w, "message", S(ACCOUNT_NO_MAIL "\"tocsin user mail-link\""));
	json_w_end(&w);
}

/* POST /auth/email */

struct mail_fields {
	struct slice mail;
};

static const struct field mail_rows[] = {
	FIELD_STR(struct mail_fields, mail, "email", .min = 1, .max = MAIL_BYTES_MAX,
		  .flags = FIELD_REQUIRED, .example = "ana@example.org", .help = "The new one."),
};

/* The wish is kept: it is what a link is made for. */
static bool store_wish(struct call *c, struct slice mail, struct user_row *me, struct err *err)
{
	struct account_link link = { .purpose = TOKEN_MAIL_CHANGE, .data = mail };

	if (!db_begin(c->db, err) || !account_lock(c, c->caller.user, me, err)) {
		return false;
	}
	if (slice_eq(me->mail, mail)) {
		return err_field(err, ERR_INVALID, "email", "\"email\" is your address already");
	}
	return account_link(c, me->id, &link, err) && db_commit(c->db, err);
}

static bool change(struct call *c, struct err *err)
{
	struct mail_fields in = { 0 };
	struct user_row me;
	struct slice mail;

	if (!account_read(c, mail_rows, ARRAY_LEN(mail_rows), &in, err) ||
	    !mail_read("email", in.mail, c->req, &mail, err) || !rate_login(c, mail, err) ||
	    !store_wish(c, mail, &me, err)) {
		return false;
	}
	tell_not_sent(c, "to confirm a new address", &me);
	answer_message(c);
	return true;
}

/* POST /auth/email/verify */

static bool verify(struct call *c, struct err *err)
{
	struct user_row me;

	if (!account_me(c, &me, err)) {
		return false;
	}
	if (me.mail_verified_us != 0) {
		return err_set(err, ERR_CONFLICT, "the address is confirmed already");
	}
	if (!rate_login(c, me.mail, err)) {
		return false;
	}
	tell_not_sent(c, "to confirm an address", &me);
	answer_message(c);
	return true;
}

/* POST /auth/email/confirm */

struct confirm_fields {
	struct slice token;
};

static const struct field confirm_rows[] = {
	FIELD_STR(struct confirm_fields, token, "token", .min = 1, .max = 200,
		  .flags = FIELD_REQUIRED, .help = "From the link."),
};

static bool is_no_link(struct err *err)
{
	return err_field(err, ERR_INVALID, "token",
			 "\"token\" is of no link that is good: it was used, is too old, or there "
			 "is a newer one");
}

static bool take_token(struct call *c, struct slice token, struct token_row *row,
		       struct user_row *user, struct err *err)
{
	enum token_purpose purpose = slice_starts(token, S("vfy_")) ? TOKEN_VERIFY
								    : TOKEN_MAIL_CHANGE;
	enum found found = store_token_take_user(c->db, purpose, token_hash(token, c->req),
						 c->now_us, c->req, row, user, err);

	if (found == FAILED || !guess_secret(c, token, found == FOUND, err)) {
		return false;
	}
	if (found == NOT_FOUND) {
		return is_no_link(err);
	}
	/* A link to an address that is not his any more. */
	return purpose == TOKEN_MAIL_CHANGE || slice_eq(row->data, user->mail) || is_no_link(err);
}

static bool set_mail(struct call *c, const struct user_row *user, struct slice mail,
		     struct err *err)
{
	enum found found = store_user_set_mail(c->db, user->id, mail, c->now_us, err);

	if (found == FAILED && err->kind == ERR_CONFLICT) {
		return err_field(err, ERR_CONFLICT, "email",
				 "another account has this address now");
	}
	return account_found(found, err);
}

bool account_set_mail(struct call *c, const struct user_row *user, struct slice mail,
		      struct err *err)
{
	bool same = slice_eq(mail, user->mail);
	struct audit_note note = { .action = same ? AUDIT_USER_VERIFY : AUDIT_USER_MAIL,
				   .installation = c->route->who == WHO_SOCKET,
				   AUDIT_OF(c, USER, user->id.v, mail) };

	if (c->route->who != WHO_SOCKET) {
		note.user = user->id;
	}
	if (!same) {
		note.before = audit_text(c, "email", user->mail);
		note.after = audit_text(c, "email", mail);
	}
	return set_mail(c, user, mail, err) &&
	       (same || store_token_end_all(c->db, user->id, err)) &&
	       account_chain(c, user, &note.org, err) && audit_put(c, &note, err);
}

static bool confirm(struct call *c, struct err *err)
{
	struct confirm_fields in = { 0 };
	struct token_row row;
	struct user_row user;

	if (!account_read(c, confirm_rows, ARRAY_LEN(confirm_rows), &in, err) ||
	    !db_begin(c->db, err) || !take_token(c, in.token, &row, &user, err) ||
	    !account_set_mail(c, &user, row.data, err) || !db_commit(c->db, err)) {
		return false;
	}
	if (!slice_eq(row.data, user.mail)) {
		log_info("mail_notice_not_sent", log_slice("cid", c->http->id),
			 log_str("what", "the old address would hear of the new one"),
			 log_str("reason", "this server sends no mail"),
			 log_slice("user_id", audit_id(c, ID_USER, user.id.v)));
	}
	call_empty(c, 204);
	return true;
}

static const struct field_set mail_fields = { mail_rows, ARRAY_LEN(mail_rows) };
static const struct shape shape_mail_in = {
	.name = "MailInput", .help = "Where to write to.", .fields = &mail_fields, .sent = true
};
static const struct field_set confirm_fields = { confirm_rows, ARRAY_LEN(confirm_rows) };
static const struct shape shape_confirm_in = { .name = "MailConfirmInput",
					       .help = "What came by mail.",
					       .fields = &confirm_fields,
					       .sent = true };

static const struct route rows[] = {
	{
		.method = HTTP_POST,
		.path = "/api/v1/auth/email",
		.name = "changeEmail",
		.tag = "Auth",
		.summary = "Ask for another mail address",
		.who = WHO_USER,
		.proof = true,
		.limit = LIMIT_AUTH,
		.body_max = ACCOUNT_BODY_BYTES_MAX,
		.doc = "It counts when a link that goes to the new address comes back. The "
		       "answer is the same whether somebody has that address or not.",
		.bodies = { { .shape = &shape_mail_in } },
		.replies = { { .status = 202,
			       .help = "What happens now.",
			       .shape = &shape_account_message } },
		.unaudited = "nothing changes until it is confirmed",
		.work = change,
	},
	{
		.method = HTTP_POST,
		.path = "/api/v1/auth/email/verify",
		.name = "verifyEmail",
		.tag = "Auth",
		.summary = "Ask for a link that confirms your address",
		.who = WHO_USER,
		.limit = LIMIT_AUTH,
		.replies = { { .status = 202,
			       .help = "What happens now.",
			       .shape = &shape_account_message } },
		.errors = { ERR_CONFLICT },
		.unaudited = "nothing changes until it is confirmed",
		.work = verify,
	},
	{
		.method = HTTP_POST,
		.path = "/api/v1/auth/email/confirm",
		.name = "confirmEmail",
		.tag = "Auth",
		.summary = "Confirm a mail address with a link",
		.who = WHO_PUBLIC,
		.limit = LIMIT_AUTH,
		.body_max = ACCOUNT_BODY_BYTES_MAX,
		.bodies = { { .shape = &shape_confirm_in } },
		.replies = { { .status = 204, .help = "The address is the user's." } },
		.errors = { ERR_NOT_FOUND, ERR_CONFLICT },
		.audits = { AUDIT_USER_MAIL, AUDIT_USER_VERIFY },
		.work = confirm,
	},
};
const struct route_set routes_mail = { rows, ARRAY_LEN(rows) };
