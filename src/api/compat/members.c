/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forgotten passwords, members and invites by SignalDesk's calls. What only a person may do, only a
 * person may do here, too: its keys did whatever the owner may.
 */
#include "api/account/account.h"
#include "api/account/invites.h"
#include "api/api.h"
#include "api/audit.h"
#include "api/caller.h"
#include "api/compat/compat.h"
#include "api/route.h"
#include "api/show.h"
#include "base/json_put.h"
#include "model/mail.h"

static bool answer_message(struct call *c, struct slice text)
{
	struct json_w w = call_json(c, 200);

	json_w_object(&w);
	json_put_str(&w, "message", text);
	json_w_end(&w);
	return true;
}

static bool post_reset(struct call *c, struct err *err)
{
	return account_reset(c, err) && answer_message(c, S("Password updated"));
}

/* Members. */

static void write_member(struct call *c UNUSED, const struct member_row *row, struct json_w *w)
{
	json_w_object(w);
	show_id(w, "id", ID_USER, row->user.v);
	show_id(w, "userId", ID_USER, row->user.v);
	json_put_str(w, "email", row->mail);
	json_put_str(w, "name", row->name);
	json_put_str(w, "role", role_name(row->role));
	json_put_time(w, "createdAt", row->created_us);
	json_w_end(w);
}

static bool list_members(struct call *c, struct err *err)
{
	struct json_w w = call_json(c, 200);
	bool ok;

	json_w_object(&w);
	json_w_key(&w, "members");
	ok = compat_put_members(c, write_member, true, &w, err);
	json_w_end(&w);
	return ok;
}

/* The last owner was a bad request there. */
static bool delete_member(struct call *c, struct err *err)
{
	struct member_row row;

	if (!member_find(c, c->params[0], &row, err)) {
		return false;
	}
	if (!member_change_role(c, &row, ROLE_NONE, err)) {
		if (err->kind == ERR_CONFLICT) {
			err->kind = ERR_INVALID;
		}
		return false;
	}
	call_empty(c, 204);
	return true;
}

/* Invites. */

static const char *const invited_roles[] = { "member", "admin", NULL };

struct invite_fields {
	struct slice mail;
	unsigned role;
};
static const struct field invite_rows[] = {
	FIELD_STR(struct invite_fields, mail, "email", .min = 1, .max = MAIL_BYTES_MAX,
		  .flags = FIELD_REQUIRED, .example = "ana@example.com"),
	FIELD_ENUM(struct invite_fields, role, "role", invited_roles, .fallback = "member"),
};

static bool post_invite(struct call *c, struct err *err)
{
	static const enum role roles[] = { ROLE_MEMBER, ROLE_ADMIN };
	struct invite_fields in = { 0 };
	struct invite_made made;
	struct json_w w;

	if (!account_read(c, invite_rows, ARRAY_LEN(invite_rows), &in, err) ||
	    !invite_make(c, in.mail, roles[in.role], &made, err)) {
		return false;
	}
	w = call_json(c, 201);
	json_w_object(&w);
	show_id(&w, "id", ID_INVITE, made.row.id.v);
	json_put_str(&w, "email", made.row.mail);
	json_put_str(&w, "role", role_name(made.row.role));
	json_put_time(&w, "expiresAt", made.row.expires_us);
	json_w_end(&w);
	return true;
}

static void answer_joined(struct call *c, const struct org_row *org, enum role role)
{
	struct json_w w = call_json(c, 200);

	json_w_object(&w);
	json_put_bool(&w, "needsSignup", false);
	json_w_key(&w, "membership");
	json_w_object(&w);
	show_id(&w, "orgId", ID_ORG, org->id.v);
	json_put_str(&w, "role", role_name(role));
	json_w_end(&w);
	show_org(&w, "org", org, role);
	json_w_end(&w);
}

/* Who has no account is told with what to make one. */
static bool answer_needs_signup(struct call *c, struct slice token, struct err *err)
{
	struct invite_row row;
	struct org_row org;
	struct json_w w;

	if (!invite_look(c, token, &row, &org, err)) {
		return false;
	}
	w = call_json(c, 200);
	json_w_object(&w);
	json_put_bool(&w, "needsSignup", true);
	json_put_str(&w, "email", row.mail);
	json_put_str(&w, "orgName", org.name);
	json_put_str(&w, "inviteToken", token);
	json_w_end(&w);
	audit_nothing(c);
	return true;
}

static bool accept(struct call *c, struct err *err)
{
	struct slice token;
	bool ok;

	if (!invite_token(c, &token, err)) {
		return false;
	}
	ok = c->caller.user.v != 0 ? invite_accept(c, token, answer_joined, err)
				   : answer_needs_signup(c, token, err);
	/* An invite that is none, or no longer, was a bad request there. */
	if (!ok && (err->kind == ERR_NOT_FOUND || err->kind == ERR_GONE)) {
		err->kind = ERR_INVALID;
	}
	return ok;
}

static void post_accept(struct call *c)
{
	c->work = accept;
	api_submit(c);
}

static const struct field_set invite_fields = { invite_rows, ARRAY_LEN(invite_rows) };
static const struct shape shape_forgot_in = { .fields = &account_forgot_fields,
					      .sent = true,
					      .open = true };
static const struct shape shape_reset_in = { .fields = &account_reset_fields,
					     .sent = true,
					     .open = true };
static const struct shape shape_invite_in = { .fields = &invite_fields,
					      .sent = true,
					      .open = true };
static const struct shape shape_token_in = { .fields = &invite_token_fields,
					     .sent = true,
					     .open = true };

static const struct prop member_props[] = {
	PROP_ID("id", ID_USER),
	PROP_ID("userId", ID_USER),
	PROP_STR("email", .example = "\"ana@example.com\""),
	PROP_STR("name", .example = "\"Ana\""),
	PROP_WORD("role", role_names),
	PROP_TIME("createdAt"),
};
static const struct shape shape_member_row = { SHAPE_PROPS(member_props) };
static const struct prop members_props[] = {
	PROP_SHAPE("members", &shape_member_row, .many = PROP_LIST, .help = "Oldest first."),
};
static const struct shape shape_members = { SHAPE_PROPS(members_props) };
static const struct prop invited_props[] = {
	PROP_ID("id", ID_INVITE),
	PROP_STR("email", .example = "\"ana@example.com\""),
	PROP_WORD("role", role_names),
	PROP_TIME("expiresAt"),
};
static const struct shape shape_invited = { SHAPE_PROPS(invited_props) };
static const struct prop membership_props[] = {
	PROP_ID("orgId", ID_ORG),
	PROP_WORD("role", role_names),
};
static const struct shape shape_membership = { SHAPE_PROPS(membership_props) };
static const struct prop joined_props[] = {
	PROP_BOOL("needsSignup", .example = "false"),
	PROP_SHAPE("membership", &shape_membership),
	PROP_SHAPE("org", &shape_own_org),
};
static const struct shape shape_joined = { SHAPE_PROPS(joined_props) };
static const struct prop needs_props[] = {
	PROP_BOOL("needsSignup", .example = "true"),
	PROP_STR("email", .example = "\"ana@example.com\""),
	PROP_STR("orgName", .example = "\"Acme\""),
	PROP_STR("inviteToken"),
};
static const struct shape shape_needs = { SHAPE_PROPS(needs_props) };
static const struct prop accepted_props[] = {
	PROP_SHAPE(NULL, &shape_joined),
	PROP_SHAPE(NULL, &shape_needs),
};
static const struct shape shape_accepted = { .one_of = true, SHAPE_PROPS(accepted_props) };

static const struct route rows[] = {
	{
		.method = HTTP_POST,
		.path = "/auth/forgot-password",
		.name = "signaldeskForgotPassword",
		.older = "SignalDesk",
		.summary = "Ask for a new password",
		.differs = "as long as the server sends no mail, tocsin user reset-link prints "
			   "the link",
		.who = WHO_PUBLIC,
		.limit = LIMIT_AUTH,
		.body_max = ACCOUNT_BODY_BYTES_MAX,
		.audits = { AUDIT_PASSWORD_FORGOT },
		.bodies = { { .shape = &shape_forgot_in } },
		.replies = { { .status = 200,
			       .help = "The same whether there is such an account or not.",
			       .shape = &shape_account_message } },
		.work = account_forgot,
	},
	{
		.method = HTTP_POST,
		.path = "/auth/reset-password",
		.name = "signaldeskResetPassword",
		.older = "SignalDesk",
		.summary = "Set a new password",
		.who = WHO_PUBLIC,
		.limit = LIMIT_AUTH,
		.body_max = ACCOUNT_BODY_BYTES_MAX,
		.audits = { AUDIT_PASSWORD_RESET },
		.bodies = { { .shape = &shape_reset_in } },
		.replies = { { .status = 200,
			       .help = "It is set, and all sessions have ended.",
			       .shape = &shape_account_message } },
		.work = post_reset,
	},
	{
		.method = HTTP_GET,
		.path = "/auth/members",
		.name = "signaldeskListMembers",
		.older = "SignalDesk",
		.summary = "List members",
		.differs = "keys do not see members; the id of a member is that of the user; the "
			   "newest 1,000",
		.who = WHO_USER,
		.role = ROLE_MEMBER,
		.replies = { { .status = 200, .help = "Oldest first.", .shape = &shape_members } },
		.work = list_members,
	},
	{
		.method = HTTP_DELETE,
		.path = "/auth/members/:id",
		.name = "signaldeskRemoveMember",
		.older = "SignalDesk",
		.summary = "Remove a member",
		.differs = "keys cannot: whoever holds one of a machine would decide who is in; "
			   "it holds at once, with the streams that are open",
		.who = WHO_USER,
		.role = ROLE_OWNER,
		.params = { ROUTE_ID(ID_USER) },
		.audits = { AUDIT_MEMBER_REMOVE },
		.replies = { { .status = 204, .help = "It is a member no longer." } },
		.errors = { ERR_INVALID },
		.work = delete_member,
	},
	{
		.method = HTTP_POST,
		.path = "/auth/invite",
		.name = "signaldeskInvite",
		.older = "SignalDesk",
		.summary = "Invite a member",
		.differs = "keys cannot; the link is for who invites, at POST /api/v1/invites, as "
			   "long as the server sends no mail",
		.who = WHO_USER,
		.role = ROLE_OWNER,
		.body_max = ACCOUNT_BODY_BYTES_MAX,
		.audits = { AUDIT_INVITE_CREATE },
		.bodies = { { .shape = &shape_invite_in } },
		.replies = { { .status = 201, .help = "The invite.", .shape = &shape_invited } },
		.errors = { ERR_CONFLICT, ERR_LIMIT },
		.work = post_invite,
	},
	{
		.method = HTTP_POST,
		.path = "/auth/accept-invite",
		.name = "signaldeskAcceptInvite",
		.older = "SignalDesk",
		.summary = "Accept an invite",
		.doc = "Who is not logged in is told with what to sign up.",
		.who = WHO_OWN,
		.role = ROLE_VIEWER,
		.limit = LIMIT_AUTH,
		.body_max = ACCOUNT_BODY_BYTES_MAX,
		.audits = { AUDIT_INVITE_ACCEPT },
		.bodies = { { .shape = &shape_token_in } },
		.replies = { { .status = 200,
			       .help = "The membership, or what is needed first.",
			       .shape = &shape_accepted } },
		.errors = { ERR_FORBIDDEN, ERR_CONFLICT, ERR_CLOSED, ERR_LIMIT, ERR_OVERLOADED },
		.loop = post_accept,
	},
};
const struct route_set routes_older_members = { rows, ARRAY_LEN(rows) };
