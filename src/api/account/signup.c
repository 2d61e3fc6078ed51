/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signing up, as the setting "signup" allows. The very first user takes over the default
 * organization, which the first key may have made before; that there is one first user, and not
 * two, is decided by a row that can be added once.
 */
#include "api/account/invites.h"
#include "api/api.h"
#include "api/audit.h"
#include "api/caller.h"
#include "api/compat/compat.h"
#include "api/first.h"
#include "api/guess.h"
#include "api/route.h"
#include "api/setup.h"
#include "model/mail.h"

#define NAME_MAX_CHARS 100
#define BY_INVITE "new accounts are by invitation: ask an owner for an invite"

struct signup_fields {
	struct slice mail;
	struct slice password;
	struct slice name;
	struct slice org_name;
	struct slice invite;
	bool cookie;
};

static const struct field signup_rows[] = {
	FIELD_STR(struct signup_fields, mail, "email", .min = 1, .max = MAIL_BYTES_MAX,
		  .flags = FIELD_REQUIRED, .example = "ana@example.com"),
	FIELD_STR(struct signup_fields, password, "password", .min = PASSWORD_BYTES_MIN,
		  .max = PASSWORD_BYTES_MAX, .flags = FIELD_REQUIRED,
		  .example = "correct horse battery"),
	FIELD_STR(struct signup_fields, name, "name", .min = 1, .max = NAME_MAX_CHARS),
	FIELD_STR(struct signup_fields, org_name, "orgName", .min = 1, .max = NAME_MAX_CHARS,
		  .help = "Of the organization that is made; not with an invite."),
	FIELD_STR(struct signup_fields, invite, "inviteToken", .min = 1, .max = 200,
		  .help = "From the link of an invite."),
	FIELD_BOOL(struct signup_fields, cookie, "cookie",
		   .help = "Keep the tokens in cookies: for pages of this server."),
};

/* What a sign-up comes to, beside the login. */
struct joining {
	struct signup_fields in;
	bool first; /* whoever calls may become the first user */
	struct login login;
	struct project_id project; /* of the org; 0: the org was there */
};

/* In a transaction: whether this is the first user, which happens once. */
static bool settle_first(struct call *c, struct joining *s, struct err *err)
{
	uint64_t users = 0;

	if (!s->first || s->in.invite.n > 0) {
		s->first = false;
		return true;
	}
	if (!store_user_count(c->db, &users, err)) {
		return false;
	}
	s->first = users == 0;
	return !s->first || store_meta_add(c->db, "first_user", S("made"), err) ||
	       (err->kind == ERR_CONFLICT && err_set(err, ERR_FORBIDDEN, BY_INVITE));
}

/* The default org with all that is in it; its first owner may name it. */
static bool take_over_default(struct call *c, struct joining *s, struct err *err)
{
	struct login *l = &s->login;
	struct org_id org;

	return setup_org(c->db, S(SETUP_ORG_SLUG), S("Default"), c->now_us, c->req, &org,
			 &s->project, err) &&
	       (s->in.org_name.n == 0 ||
		store_org_rename(org, c->db, s->in.org_name, err) == FOUND) &&
	       store_org_get(org, c->db, c->req, &l->org, err) == FOUND &&
	       store_member_insert(org, c->db,
				   &(struct member_row) { .org = org,
							  .user = l->user.id,
							  .role = ROLE_OWNER,
							  .created_us = c->now_us },
				   err);
}

static bool found_org(struct call *c, struct joining *s, struct err *err)
{
	struct login *l = &s->login;
	struct org_founding in = { .id = { id_random() },
				   .project = { id_random() },
				   .name = s->in.org_name,
				   .owner = l->user.id,
				   .now_us = c->now_us };

	if (in.name.n == 0) {
		return err_field(err, ERR_INVALID, "orgName",
				 "\"orgName\" is missing: the organization needs a name");
	}
	s->project = in.project;
	return store_org_found(in.id, c->db, &in, c->req, &l->org, err);
}

static bool join_by_invite(struct call *c, struct joining *s, struct err *err)
{
	struct login *l = &s->login;
	struct invite_row invite;

	switch (store_invite_accept(c->db, token_hash(s->in.invite, c->req), l->user.id,
				    l->user.mail, c->now_us, c->req, &invite, err)) {
	case FOUND:
		break;
	case NOT_FOUND:
		return err_field(err, ERR_INVALID, "inviteToken",
				 "\"inviteToken\" is of no open invite for this address");
	case FAILED:
		return false;
	}
	l->role = invite.role;
	/* Who has a link that was sent by mail alone reads that mail. */
	if (invite.sent_us != 0 &&
	    store_user_set_mail(c->db, l->user.id, l->user.mail, c->now_us, err) != FOUND) {
		return false;
	}
	return store_org_lock(invite.org, c->db, err) && member_has_seat(c, invite.org, 0, err) &&
	       invite_find_org(c, invite.org, &l->org, err);
}

static bool find_place(struct call *c, struct joining *s, struct err *err)
{
	if (s->in.invite.n > 0) {
		return join_by_invite(c, s, err);
	}
	s->login.role = ROLE_OWNER;
	if (s->first) {
		return take_over_default(c, s, err);
	}
	return c->api->signup == SIGNUP_OPEN ? found_org(c, s, err)
					     : err_set(err, ERR_FORBIDDEN, BY_INVITE);
}

static bool insert_user(struct call *c, struct joining *s, struct err *err)
{
	struct login *l = &s->login;

	if (store_user_insert(c->db, &l->user, err)) {
		return true;
	}
	return err->kind == ERR_CONFLICT
		       ? err_field(err, ERR_CONFLICT, "email", "\"email\" is taken: log in")
		       : false;
}

static bool note_signup(struct call *c, const struct joining *s, struct err *err)
{
	const struct login *l = &s->login;
	struct audit_note note = { .action = s->in.invite.n > 0 ? AUDIT_INVITE_ACCEPT
								: AUDIT_USER_CREATE,
				   .org = l->org.id,
				   .user = l->user.id,
				   AUDIT_OF(c, USER, l->user.id.v, l->user.mail),
				   .after = audit_text(c, "role", role_name(l->role)) };

	return setup_tell_org(c, l->org.id, err) && audit_put(c, &note, err);
}

static bool store_all(struct call *c, struct joining *s, struct err *err)
{
	return db_begin(c->db, err) && settle_first(c, s, err) && insert_user(c, s, err) &&
	       find_place(c, s, err) && session_insert(c, &s->login, true, err) &&
	       note_signup(c, s, err) && db_commit(c->db, err);
}

static void tell_all(struct call *c, const struct joining *s)
{
	const struct login *l = &s->login;
	struct people_change member = { .op = PEOPLE_MEMBER,
					.session = { .user = l->user.id },
					.org = { .id = l->org.id },
					.role = l->role };

	if (s->project.v != 0) {
		people_tell_org(c, l->org.id, s->project);
	}
	people_tell(c, &member, 1);
	session_tell_login(c, l);
}

/* What is refused anyway costs no hash. */
static bool is_open(struct call *c, const struct joining *s, struct err *err)
{
	if (s->in.invite.n > 0 || s->first || c->api->signup == SIGNUP_OPEN) {
		return true;
	}
	return err_set(err, ERR_FORBIDDEN, "%s",
		       c->api->signup == SIGNUP_FIRST && !c->api->set_up
			       ? "the first owner signs up from the server's own machine "
				 "(http://127.0.0.1, JSON body, no proxy), or with the setup token "
				 "that the server printed at its start, as the header X-Setup-Token"
			       : BY_INVITE);
}

static bool signup(struct call *c, bool first, struct err *err)
{
	struct joining s = { .first = first };
	struct slice mail, hash;

	if (!account_read(c, signup_rows, ARRAY_LEN(signup_rows), &s.in, err) ||
	    !compat_signup(c, s.in.name, &s.in.org_name, err) || !is_open(c, &s, err) ||
	    !account_cookie_is_right(c, s.in.cookie, err) ||
	    !mail_read("email", s.in.mail, c->req, &mail, err) || !rate_login(c, mail, err) ||
	    !account_hash(c, s.in.password, mail, &hash, err)) {
		return false;
	}
	s.login.cookie = s.in.cookie;
	s.login.user = (struct user_row) { .id = { id_random() },
					   .mail = mail,
					   .name = s.in.name,
					   .password = hash,
					   .password_us = c->now_us,
					   .created_us = c->now_us };
	if (!store_all(c, &s, err)) {
		return false;
	}
	tell_all(c, &s);
	return session_answer(c, 201, &s.login, err);
}

static bool signup_first(struct call *c, struct err *err)
{
	return signup(c, true, err);
}

static bool signup_later(struct call *c, struct err *err)
{
	return signup(c, false, err);
}

void account_signup(struct call *c)
{
	/* Whether somebody was first already is for the transaction to say. */
	bool first = c->api->signup != SIGNUP_INVITE && first_is_allowed(c, &c->err);

	if (c->err.kind != ERR_NONE) {
		call_problem(c, &c->err);
		call_send(c);
		return;
	}
	c->work = first ? signup_first : signup_later;
	api_submit(c);
}

static const struct field_set signup_fields = { signup_rows, ARRAY_LEN(signup_rows) };
static const struct shape shape_signup_in = {
	.name = "SignupInput", .help = "Who joins.", .fields = &signup_fields, .sent = true
};

static const struct route rows[] = {
	{
		.method = HTTP_POST,
		.path = "/api/v1/auth/signup",
		.name = "signup",
		.tag = "Auth",
		.summary = "Make an account",
		.who = WHO_PUBLIC,
		.limit = LIMIT_AUTH,
		.body_max = ACCOUNT_BODY_BYTES_MAX,
		.doc = "With an invite always; without one as the setting `signup` says. The "
		       "very first account is made from the server's own machine, or with the "
		       "setup token as X-Setup-Token, and owns the default organization.",
		.bodies = { { .shape = &shape_signup_in } },
		.replies = { { .status = 201,
			       .help = "The account, logged in.",
			       .shape = &shape_login } },
		.errors = { ERR_FORBIDDEN, ERR_CONFLICT, ERR_CLOSED, ERR_LIMIT, ERR_OVERLOADED },
		.audits = { AUDIT_ORG_CREATE, AUDIT_USER_CREATE, AUDIT_INVITE_ACCEPT },
		.loop = account_signup,
	},
};
const struct route_set routes_signup = { rows, ARRAY_LEN(rows) };
