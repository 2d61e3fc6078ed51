/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Invites. Nobody gives more than he has: what the one who invites is, is read again behind the
 * lock of the org, and an invite above one's own role is not for one to touch. Links are for who
 * invites to pass on, so whoever has one is not proved to own the address.
 */
#include "api/account/invites.h"

#include "api/api.h"
#include "api/audit.h"
#include "api/once.h"
#include "api/page.h"
#include "api/route.h"
#include "api/show.h"
#include "base/json_put.h"
#include "model/mail.h"

/* Roles of role_least (model/role.h), which a table of constants cannot ask. */
#define ROLE_READS ROLE_MEMBER
#define ROLE_WRITES ROLE_ADMIN

enum { OPEN, ACCEPTED, REVOKED, EXPIRED };
const char *const invite_words[] = { "open", "accepted", "revoked", "expired", NULL };

static int status_of(const struct invite_row *row, int64_t now_us)
{
	if (row->accepted_us != 0) {
		return ACCEPTED;
	}
	if (row->revoked_us != 0) {
		return REVOKED;
	}
	return row->expires_us <= now_us ? EXPIRED : OPEN;
}

const char *invite_status(const struct invite_row *row, int64_t now_us)
{
	return invite_words[status_of(row, now_us)];
}

/* In a transaction: what the caller is now, and that he has at least this. */
static bool check_giver(struct call *c, enum role role, struct err *err)
{
	struct member_row me;
	enum found found;

	if (!store_org_lock(c->caller.org, c->db, err)) {
		return false;
	}
	found = store_member_get(c->caller.org, c->db, c->caller.user, c->req, &me, err);
	if (found == FAILED) {
		return false;
	}
	return (found == FOUND && me.role >= ROLE_WRITES && me.role >= role) ||
	       err_set(err, ERR_FORBIDDEN, "nobody gives a role above the own one");
}

static struct audit_note note_of(struct call *c, enum audit_action action,
				 const struct invite_row *row)
{
	return (struct audit_note) { .action = action,
				     .user = c->caller.user,
				     AUDIT_OF(c, INVITE, row->id.v, row->mail) };
}

static bool commit_with(struct call *c, const struct audit_note *note, struct err *err)
{
	return audit_put(c, note, err) && db_commit(c->db, err);
}

/* Where the answer has a link in it. */
static bool commit_made(struct call *c, const struct audit_note *note, struct invite_id id,
			struct err *err)
{
	return audit_put(c, note, err) && once_commit_made(c, ID_INVITE, id.v, err);
}

/* Making them. */

static bool has_room(struct call *c, struct err *err)
{
	uint64_t n = 0;

	if (!store_invite_count(c->caller.org, c->db, c->now_us, &n, err)) {
		return false;
	}
	if (n >= INVITES_OPEN_MAX) {
		return err_set(err, ERR_LIMIT, "there are %d open invites at most",
			       INVITES_OPEN_MAX);
	}
	return member_has_seat(c, c->caller.org, n + 1, err);
}

static bool insert(struct call *c, const struct invite_row *row, struct err *err)
{
	struct audit_note note = note_of(c, AUDIT_INVITE_CREATE, row);

	note.after = audit_text(c, "role", role_name(row->role));
	return db_begin(c->db, err) && check_giver(c, row->role, err) && has_room(c, err) &&
	       store_invite_insert(c->caller.org, c->db, row, err) &&
	       commit_made(c, &note, row->id, err);
}

bool invite_make(struct call *c, struct slice mail, enum role role, struct invite_made *out,
		 struct err *err)
{
	struct slice normal;

	if (!mail_read("email", mail, c->req, &normal, err) || !member_check_proof(c, role, err)) {
		return false;
	}
	out->token = token_make("inv_", c->req);
	out->row = (struct invite_row) {
		.id = { id_random() },
		.org = c->caller.org,
		.mail = normal,
		.role = role,
		.token_hash = token_hash(out->token, c->req),
		.invited_by = c->caller.user,
		.created_us = c->now_us,
		.expires_us = c->now_us + INVITE_LIFE_US,
	};
	return insert(c, &out->row, err);
}

/* Changing them. */

bool invite_find(struct call *c, struct slice id, struct invite_row *out, struct err *err)
{
	enum found found = NOT_FOUND;
	struct invite_id invite;

	if (id_parse(ID_INVITE, id, &invite.v)) {
		found = store_invite_get(c->caller.org, c->db, invite, c->req, out, err);
	}
	return found == FOUND ||
	       (found == NOT_FOUND && err_set(err, ERR_NOT_FOUND, "there is no such invite"));
}

/* NOT_FOUND of a change is that somebody was faster. */
static bool changed(enum found found, struct err *err)
{
	return found == FOUND ||
	       (found == NOT_FOUND && err_set(err, ERR_CONFLICT, "this invite is open no longer"));
}

/* Begin a change of an invite as it is behind the lock. */
static bool begin_change(struct call *c, struct invite_row *row, struct err *err)
{
	return db_begin(c->db, err) && store_org_lock(c->caller.org, c->db, err) &&
	       invite_find(c, audit_id(c, ID_INVITE, row->id.v), row, err) &&
	       check_giver(c, row->role, err);
}

bool invite_revoke(struct call *c, const struct invite_row *row, struct err *err)
{
	struct audit_note note = note_of(c, AUDIT_INVITE_REVOKE, row);
	struct invite_row now = *row;

	return begin_change(c, &now, err) &&
	       changed(store_invite_revoke(now.org, c->db, now.id, c->now_us, err), err) &&
	       commit_with(c, &note, err);
}

static bool resend(struct call *c, struct invite_made *made, struct err *err)
{
	struct invite_row *row = &made->row;
	struct audit_note note = note_of(c, AUDIT_INVITE_RESEND, row);

	if (!begin_change(c, row, err)) {
		return false;
	}
	made->token = token_make("inv_", c->req);
	row->expires_us = c->now_us + INVITE_LIFE_US;
	row->sent_us = 0;
	return changed(store_invite_resend(row->org, c->db, row->id,
					   token_hash(made->token, c->req), row->sent_us,
					   row->expires_us, err),
		       err) &&
	       commit_made(c, &note, row->id, err);
}

static bool set_role(struct call *c, struct invite_row *row, enum role to, struct err *err)
{
	struct audit_note note = note_of(c, AUDIT_INVITE_UPDATE, row);

	if (!member_check_proof(c, to, err) || !begin_change(c, row, err) ||
	    !check_giver(c, to, err) ||
	    !changed(store_invite_set_role(row->org, c->db, row->id, to, err), err)) {
		return false;
	}
	note.before = audit_text(c, "role", role_name(row->role));
	note.after = audit_text(c, "role", role_name(to));
	row->role = to;
	return commit_with(c, &note, err);
}

/* Using them. */

bool invite_find_org(struct call *c, struct org_id id, struct org_row *org, struct err *err)
{
	switch (store_org_get(id, c->db, c->req, org, err)) {
	case FOUND:
		break;
	case NOT_FOUND:
		return err_set(err, ERR_NOT_FOUND, "this organization is gone");
	case FAILED:
		return false;
	}
	return (org->suspended_us == 0 && org->delete_after_us == 0) ||
	       err_set(err, ERR_CLOSED, "this organization is suspended, or is to be deleted");
}

bool invite_look(struct call *c, struct slice token, struct invite_row *row, struct org_row *org,
		 struct err *err)
{
	enum found found = store_invite_by_hash(c->db, token_hash(token, c->req), c->req, row, err);

	if (found == NOT_FOUND) {
		return err_set(err, ERR_NOT_FOUND, "there is no such invite");
	}
	if (found == FAILED) {
		return false;
	}
	if (status_of(row, c->now_us) != OPEN) {
		return err_set(err, ERR_GONE,
			       "this invite is no longer open: ask who invited you for another");
	}
	return invite_find_org(c, row->org, org, err);
}

/* Behind the lock of the org. */
static bool check_joining(struct call *c, const struct invite_row *row, struct err *err)
{
	struct member_row member;
	struct user_row me;

	if (!account_me(c, &me, err)) {
		return false;
	}
	if (!slice_eq(me.mail, row->mail)) {
		return err_set(err, ERR_FORBIDDEN,
			       "this invite is for another address: log in with that one");
	}
	switch (store_member_get(row->org, c->db, me.id, c->req, &member, err)) {
	case FOUND:
		return err_set(err, ERR_CONFLICT, "you are a member already");
	case NOT_FOUND:
		return true;
	case FAILED:
		break;
	}
	return false;
}

static bool join(struct call *c, struct slice token, struct invite_row *row, struct err *err)
{
	struct audit_note note = note_of(c, AUDIT_INVITE_ACCEPT, row);
	enum found found = store_invite_accept(c->db, token_hash(token, c->req), c->caller.user,
					       row->mail, c->now_us, c->req, row, err);

	note.org = row->org;
	note.after = audit_text(c, "role", role_name(row->role));
	return changed(found, err) && member_has_seat(c, row->org, 0, err) &&
	       audit_put(c, &note, err) && once_commit(c, err);
}

/* Whoever acts nowhere acts there from now on. */
static bool act_there(struct call *c, struct org_id org, struct session_row *session,
		      struct err *err)
{
	return c->caller.org.v != 0 ||
	       (store_session_set_org(c->db, c->caller.user, c->caller.session, org, err) !=
			FAILED &&
		store_session_get(c->db, c->caller.session, c->req, session, err) != FAILED);
}

bool invite_accept(struct call *c, struct slice token, invite_answer *answer, struct err *err)
{
	struct session_row session = { 0 };
	struct invite_row row;
	struct org_row org;

	if (!invite_look(c, token, &row, &org, err) || !db_begin(c->db, err) ||
	    !store_org_lock(row.org, c->db, err) || !check_joining(c, &row, err) ||
	    !act_there(c, row.org, &session, err)) {
		return false;
	}
	answer(c, &org, row.role);
	if (!join(c, token, &row, err)) {
		return false;
	}
	if (session.id.v != 0) {
		session_tell(c, &session);
	}
	member_tell(c, row.org, c->caller.user, row.role);
	return true;
}

/* Showing them. */

static void write_fields(struct call *c, const struct invite_row *row, struct json_w *w)
{
	show_id(w, "id", ID_INVITE, row->id.v);
	json_put_str(w, "email", row->mail);
	json_put_str(w, "role", role_name(row->role));
	json_put_str(w, "status", slice_of(invite_status(row, c->now_us)));
	json_w_key(w, "invitedBy");
	if (row->invited_by.v == 0) {
		json_w_null(w);
	} else {
		json_w_str(w, slice_of(id_format(ID_USER, row->invited_by.v).p));
	}
	json_put_time(w, "createdAt", row->created_us);
	json_put_time(w, "expiresAt", row->expires_us);
	json_put_time_or_null(w, "sentAt", row->sent_us);
	json_put_time_or_null(w, "acceptedAt", row->accepted_us);
}

void invite_write(struct call *c, const struct invite_row *row, struct json_w *w)
{
	json_w_object(w);
	write_fields(c, row, w);
	json_w_end(w);
}

static void answer_made(struct call *c, int status, const struct invite_made *made)
{
	struct json_w w = call_json(c, status);
	struct slice base = c->api->public_url;

	while (base.n > 0 && base.p[base.n - 1] == '/') {
		base.n--;
	}
	json_w_object(&w);
	write_fields(c, &made->row, &w);
	json_put_str(
		&w, "inviteUrl",
		arena_printf(c->req, "%.*s" INVITE_PATH "%.*s", SARG(base), SARG(made->token)));
	json_w_end(&w);
}

struct invite_query {
	bool open;
};
static const struct field query_rows[] = {
	FIELD_BOOL(struct invite_query, open, "open",
		   .help = "Only those that were neither accepted nor taken back."),
};
static const struct field_set list_query = { query_rows, ARRAY_LEN(query_rows) };

static bool list_invites(struct call *c, struct err *err)
{
	struct invite_query in = { 0 };
	struct invite_list list;
	struct page page;
	struct json_w w;

	if (!page_read(c, ID_INVITE, &page, err) ||
	    !call_query_fields(c, query_rows, ARRAY_LEN(query_rows), &in, err) ||
	    !store_invite_list(c->caller.org, c->db, in.open, &page, c->req, &list, err)) {
		return false;
	}
	w = page_begin(c);
	for (size_t i = 0; i < list.n; i++) {
		invite_write(c, &list.rows[i], &w);
	}
	page_end(c, ID_INVITE, list.next, &w);
	return true;
}

static bool answer_invite(struct call *c, const struct invite_row *row)
{
	struct json_w w = call_json(c, 200);

	invite_write(c, row, &w);
	return true;
}

static bool get_invite(struct call *c, struct err *err)
{
	struct invite_row row;

	return invite_find(c, c->params[0], &row, err) && answer_invite(c, &row);
}

struct invite_fields {
	struct slice mail;
	struct slice role;
};

static const struct field invite_rows[] = {
	FIELD_STR(struct invite_fields, mail, "email", .min = 1, .max = MAIL_BYTES_MAX,
		  .flags = FIELD_REQUIRED, .example = "ana@example.com"),
	MEMBER_ROLE_FIELD(struct invite_fields, role, .fallback = "member"),
};
static const struct field change_rows[] = {
	MEMBER_ROLE_FIELD(struct invite_fields, role, .flags = FIELD_REQUIRED),
};

static bool post_invite(struct call *c, struct err *err)
{
	struct invite_fields in = { 0 };
	struct invite_made made;
	enum role role;

	if (!account_read(c, invite_rows, ARRAY_LEN(invite_rows), &in, err) ||
	    !member_read_role(in.role, &role, err) || !invite_make(c, in.mail, role, &made, err)) {
		return false;
	}
	answer_made(c, 201, &made);
	return true;
}

static bool patch_invite(struct call *c, struct err *err)
{
	struct invite_fields in = { 0 };
	struct invite_row row;
	enum role role;

	return account_read(c, change_rows, ARRAY_LEN(change_rows), &in, err) &&
	       member_read_role(in.role, &role, err) && invite_find(c, c->params[0], &row, err) &&
	       set_role(c, &row, role, err) && answer_invite(c, &row);
}

static bool post_resend(struct call *c, struct err *err)
{
	struct invite_made made;

	if (!invite_find(c, c->params[0], &made.row, err) || !resend(c, &made, err)) {
		return false;
	}
	answer_made(c, 200, &made);
	return true;
}

static bool delete_invite(struct call *c, struct err *err)
{
	struct invite_row row;

	if (!invite_find(c, c->params[0], &row, err) || !invite_revoke(c, &row, err)) {
		return false;
	}
	call_empty(c, 204);
	return true;
}

struct token_fields {
	struct slice token;
};

static const struct field token_rows[] = {
	FIELD_STR(struct token_fields, token, "token", .min = 1, .max = INVITE_TOKEN_CHARS_MAX,
		  .flags = FIELD_REQUIRED, .help = "What stands behind #token= in the link."),
};
const struct field_set invite_token_fields = { token_rows, ARRAY_LEN(token_rows) };

bool invite_token(struct call *c, struct slice *out, struct err *err)
{
	struct token_fields in = { 0 };
	bool ok = account_read(c, token_rows, ARRAY_LEN(token_rows), &in, err);

	*out = in.token;
	return ok;
}

static bool post_lookup(struct call *c, struct err *err)
{
	struct slice token;
	struct invite_row row;
	struct org_row org;
	struct json_w w;

	if (!invite_token(c, &token, err) || !invite_look(c, token, &row, &org, err)) {
		return false;
	}
	w = call_json(c, 200);
	json_w_object(&w);
	json_put_str(&w, "email", row.mail);
	json_put_str(&w, "orgName", org.name);
	json_put_str(&w, "role", role_name(row.role));
	json_put_time(&w, "expiresAt", row.expires_us);
	json_w_end(&w);
	return true;
}

static void answer_joined(struct call *c, const struct org_row *org, enum role role)
{
	struct json_w w = call_json(c, 200);

	json_w_object(&w);
	show_org(&w, "org", org, role);
	json_w_end(&w);
}

static bool post_accept(struct call *c, struct err *err)
{
	struct slice token;

	return invite_token(c, &token, err) && invite_accept(c, token, answer_joined, err);
}

static const struct prop role_props[] = { PROP_WORD("role", role_names) };
static const struct prop maybe_role_props[] = {
	PROP_WORD("role", role_names, .flags = PROP_MAYBE, .help = "Default: member."),
};
static const struct field_set invite_fields = { invite_rows, ARRAY_LEN(invite_rows) };
static const struct shape shape_invite_in = { .name = "InviteInput",
					      .help = "Who is to join, and as what.",
					      .fields = &invite_fields,
					      SHAPE_PROPS(maybe_role_props),
					      .sent = true };
static const struct field_set change_fields = { change_rows, ARRAY_LEN(change_rows) };
static const struct shape shape_change_in = { .name = "InviteChange",
					      .help = "As what somebody is to join.",
					      .fields = &change_fields,
					      SHAPE_PROPS(role_props),
					      .sent = true };
static const struct shape shape_token_in = { .name = "InviteToken",
					     .help = "What an invite's link holds.",
					     .fields = &invite_token_fields,
					     .sent = true };
static const struct prop invite_props[] = {
	PROP_ID("id", ID_INVITE),
	PROP_STR("email", .example = "\"ana@example.com\""),
	PROP_WORD("role", role_names),
	PROP_WORD("status", invite_words),
	PROP_ID("invitedBy", ID_USER, .flags = PROP_NULL, .help = "null: whoever runs the server."),
	PROP_TIME("createdAt"),
	PROP_TIME("expiresAt"),
	PROP_TIME("sentAt", .flags = PROP_NULL, .help = "null: not by mail; pass the link on."),
	PROP_TIME("acceptedAt", .flags = PROP_NULL),
};
const struct shape shape_invite = { .name = "Invite",
				    .help = "Somebody who was asked to join.",
				    SHAPE_PROPS(invite_props) };
static const struct prop made_props[] = {
	PROP_STR("inviteUrl", .help = "The link to pass on. It is shown this once.",
		 .example = "\"https://tocsin.example/invite/accept#token=inv_2c26b46b68ffc68f\""),
};
static const struct shape shape_made = { .name = "InviteMade",
					 .help = "An invite with its link.",
					 .also = &shape_invite,
					 SHAPE_PROPS(made_props) };
static const struct prop look_props[] = {
	PROP_STR("email", .example = "\"ana@example.com\"", .help = "Sign up with this address."),
	PROP_STR("orgName", .example = "\"Acme\""),
	PROP_WORD("role", role_names),
	PROP_TIME("expiresAt"),
};
static const struct shape shape_look = { .name = "InviteInfo",
					 .help = "What an invite is for.",
					 SHAPE_PROPS(look_props) };
static const struct prop joined_props[] = { PROP_SHAPE("org", &shape_own_org) };
static const struct shape shape_joined = { SHAPE_PROPS(joined_props) };

static const struct route rows[] = {
	{
		.method = HTTP_POST,
		.path = "/api/v1/invites",
		.name = "createInvite",
		.tag = "Organizations",
		.summary = "Invite somebody",
		.who = WHO_USER,
		.role = ROLE_WRITES,
		.doc = "With a role up to one's own; to invite an owner takes a proof of who you "
		       "are. The link works for seven days, once, for the address that was "
		       "invited.",
		.body_max = ACCOUNT_BODY_BYTES_MAX,
		.secret = true,
		.audits = { AUDIT_INVITE_CREATE },
		.bodies = { { .shape = &shape_invite_in } },
		.replies = { { .status = 201,
			       .help = "The invite, with its link.",
			       .shape = &shape_made } },
		.errors = { ERR_CONFLICT, ERR_LIMIT, ERR_PROOF },
		.work = post_invite,
	},
	{
		.method = HTTP_GET,
		.path = "/api/v1/invites",
		.name = "listInvites",
		.tag = "Organizations",
		.summary = "List invites",
		.who = WHO_USER,
		.role = ROLE_READS,
		.query = { &page_query, &list_query },
		.replies = { { .status = 200,
			       .help = "A page of invites, newest first.",
			       .shape = &shape_invite,
			       .page = true } },
		.work = list_invites,
	},
	{
		.method = HTTP_GET,
		.path = "/api/v1/invites/:id",
		.name = "getInvite",
		.tag = "Organizations",
		.summary = "Get an invite",
		.who = WHO_USER,
		.role = ROLE_READS,
		.params = { ROUTE_ID(ID_INVITE) },
		.replies = { { .status = 200, .help = "The invite.", .shape = &shape_invite } },
		.work = get_invite,
	},
	{
		.method = HTTP_PATCH,
		.path = "/api/v1/invites/:id",
		.name = "changeInvite",
		.tag = "Organizations",
		.summary = "Change the role of an open invite",
		.who = WHO_USER,
		.role = ROLE_WRITES,
		.body_max = ACCOUNT_BODY_BYTES_MAX,
		.params = { ROUTE_ID(ID_INVITE) },
		.audits = { AUDIT_INVITE_UPDATE },
		.bodies = { { .shape = &shape_change_in } },
		.replies = { { .status = 200,
			       .help = "The invite as it is now.",
			       .shape = &shape_invite } },
		.errors = { ERR_CONFLICT, ERR_PROOF },
		.work = patch_invite,
	},
	{
		.method = HTTP_DELETE,
		.path = "/api/v1/invites/:id",
		.name = "revokeInvite",
		.tag = "Organizations",
		.summary = "Take an invite back",
		.who = WHO_USER,
		.role = ROLE_WRITES,
		.params = { ROUTE_ID(ID_INVITE) },
		.audits = { AUDIT_INVITE_REVOKE },
		.replies = { { .status = 204, .help = "Its link is worth nothing now." } },
		.errors = { ERR_CONFLICT },
		.work = delete_invite,
	},
	{
		.method = HTTP_POST,
		.path = "/api/v1/invites/:id/resend",
		.name = "resendInvite",
		.tag = "Organizations",
		.summary = "Give an open invite a new link",
		.who = WHO_USER,
		.role = ROLE_WRITES,
		.doc = "For seven days from now; the older link is worth nothing then.",
		.params = { ROUTE_ID(ID_INVITE) },
		.secret = true,
		.audits = { AUDIT_INVITE_RESEND },
		.replies = { { .status = 200,
			       .help = "The invite, with its new link.",
			       .shape = &shape_made } },
		.errors = { ERR_CONFLICT },
		.work = post_resend,
	},
	{
		.method = HTTP_POST,
		.path = "/api/v1/invites/lookup",
		.name = "lookUpInvite",
		.tag = "Organizations",
		.summary = "What an invite is for, by its token",
		.who = WHO_PUBLIC,
		.limit = LIMIT_AUTH,
		.body_max = ACCOUNT_BODY_BYTES_MAX,
		.doc = "Whoever has no account signs up with the token, the others accept it.",
		.no_key = "it changes nothing: ask as often as you like",
		.unaudited = "it changes nothing",
		.bodies = { { .shape = &shape_token_in } },
		.replies = { { .status = 200,
			       .help = "Who is invited to what.",
			       .shape = &shape_look } },
		.errors = { ERR_NOT_FOUND, ERR_GONE, ERR_CLOSED },
		.work = post_lookup,
	},
	{
		.method = HTTP_POST,
		.path = "/api/v1/invites/accept",
		.name = "acceptInvite",
		.tag = "Organizations",
		.summary = "Accept an invite",
		.who = WHO_USER,
		.limit = LIMIT_AUTH,
		.body_max = ACCOUNT_BODY_BYTES_MAX,
		.doc = "The address of your account has to be the one that was invited. A session "
		       "that acts in no organization acts in this one from now on.",
		.audits = { AUDIT_INVITE_ACCEPT },
		.bodies = { { .shape = &shape_token_in } },
		.replies = { { .status = 200,
			       .help = "The organization that you are in now.",
			       .shape = &shape_joined } },
		.errors = { ERR_NOT_FOUND, ERR_CONFLICT, ERR_GONE, ERR_CLOSED, ERR_LIMIT },
		.work = post_accept,
	},
};
const struct route_set routes_invites = { rows, ARRAY_LEN(rows) };
