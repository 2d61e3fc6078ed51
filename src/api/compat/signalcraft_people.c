/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SignalCraft's workspaces, members, invitations and keys. A workspace is an organization; roles
 * are in capitals, and a body with a member that nobody knows is refused, as it was there.
 */
#include "api/account/invites.h"
#include "api/account/orgs.h"
#include "api/audit.h"
#include "api/compat/compat.h"
#include "api/keys.h"
#include "api/route.h"
#include "api/show.h"
#include "base/json_put.h"
#include "model/mail.h"

static bool answer_success(struct call *c)
{
	struct json_w w = call_json(c, 200);

	json_w_object(&w);
	json_put_bool(&w, "success", true);
	json_w_end(&w);
	return true;
}

static void put_role(struct call *c, struct json_w *w, enum role role)
{
	json_put_str(w, "role", compat_upper(role_name(role), c->req));
}

/* Workspaces. */

static bool find_org(struct call *c, struct org_row *org, struct err *err)
{
	enum found found = store_org_get(c->caller.org, c->db, c->req, org, err);

	return found == FOUND ||
	       (found == NOT_FOUND && err_set(err, ERR_NOT_FOUND, "there is no such workspace"));
}

static bool answer_workspace(struct call *c, const struct org_row *org)
{
	struct json_w w = call_json(c, 200);

	json_w_object(&w);
	show_id(&w, "id", ID_ORG, org->id.v);
	json_put_str(&w, "name", org->name);
	json_put_time(&w, "createdAt", org->created_us);
	json_w_end(&w);
	return true;
}

static bool get_workspace(struct call *c, struct err *err)
{
	struct org_row org;

	return find_org(c, &org, err) && answer_workspace(c, &org);
}

struct workspace_fields {
	struct slice name;
};
static const struct field workspace_rows[] = {
	FIELD_STR(struct workspace_fields, name, "name", .min = 1, .max = ORG_NAME_CHARS_MAX,
		  .flags = FIELD_REQUIRED, .example = "Acme"),
};

static bool put_workspace(struct call *c, struct err *err)
{
	struct audit_note note = { .action = AUDIT_ORG_UPDATE, .user = c->caller.user };
	struct workspace_fields in = { 0 };
	struct org_row org;

	if (!account_read(c, workspace_rows, ARRAY_LEN(workspace_rows), &in, err) ||
	    !db_begin(c->db, err) || !store_org_lock(c->caller.org, c->db, err) ||
	    !find_org(c, &org, err)) {
		return false;
	}
	note.target = AUDIT_ON_ORG;
	note.target_id = audit_id(c, ID_ORG, org.id.v);
	note.target_name = org.name;
	note.before = audit_text(c, "name", org.name);
	note.after = audit_text(c, "name", in.name);
	if (store_org_rename(org.id, c->db, in.name, err) != FOUND || !audit_put(c, &note, err) ||
	    !db_commit(c->db, err)) {
		return false;
	}
	org.name = in.name;
	return answer_workspace(c, &org);
}

/* Members. */

static void write_member(struct call *c, const struct member_row *row, struct json_w *w)
{
	json_w_object(w);
	show_id(w, "id", ID_USER, row->user.v);
	json_put_str(w, "email", row->mail);
	json_put_str(w, "displayName", row->name);
	put_role(c, w, row->role);
	json_put_time(w, "createdAt", row->created_us);
	json_w_end(w);
}

static bool list_members(struct call *c, struct err *err)
{
	struct json_w w = call_json(c, 200);

	return compat_put_members(c, write_member, false, &w, err);
}

static bool patch_member(struct call *c, struct err *err)
{
	struct member_row row;
	struct json_w w;

	if (!member_patch(c, &row, err)) {
		return false;
	}
	w = call_json(c, 200);
	write_member(c, &row, &w);
	return true;
}

static bool delete_member(struct call *c, struct err *err)
{
	struct member_row row;

	return member_find(c, c->params[0], &row, err) &&
	       member_change_role(c, &row, ROLE_NONE, err) && answer_success(c);
}

/* Invitations. */

static struct slice status_of(struct call *c, const struct invite_row *row)
{
	struct slice word = slice_of(invite_status(row, c->now_us));

	return slice_eq(word, S("open")) ? S("PENDING") : compat_upper(word, c->req);
}

static void write_invite(struct call *c, const struct invite_row *row, struct json_w *w)
{
	json_w_object(w);
	show_id(w, "id", ID_INVITE, row->id.v);
	json_put_str(w, "email", row->mail);
	put_role(c, w, row->role);
	json_put_str(w, "status", status_of(c, row));
	json_put_time(w, "createdAt", row->created_us);
	json_put_time(w, "expiresAt", row->expires_us);
	json_w_end(w);
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

static bool post_invite(struct call *c, struct err *err)
{
	struct invite_fields in = { 0 };
	struct invite_made made;
	enum role role;
	struct json_w w;

	if (!account_read(c, invite_rows, ARRAY_LEN(invite_rows), &in, err) ||
	    !member_read_role(in.role, &role, err) || !invite_make(c, in.mail, role, &made, err)) {
		return false;
	}
	w = call_json(c, 201);
	write_invite(c, &made.row, &w);
	return true;
}

static bool list_invites(struct call *c, struct err *err)
{
	struct page page = { .limit = PAGE_ROWS_MAX };
	struct invite_list list;
	struct json_w w;

	if (!store_invite_list(c->caller.org, c->db, false, &page, c->req, &list, err)) {
		return false;
	}
	w = call_json(c, 200);
	json_w_array(&w);
	for (size_t i = 0; i < list.n; i++) {
		write_invite(c, &list.rows[i], &w);
	}
	json_w_end(&w);
	return true;
}

static bool delete_invite(struct call *c, struct err *err)
{
	struct invite_row row;

	return invite_find(c, c->params[0], &row, err) && invite_revoke(c, &row, err) &&
	       answer_success(c);
}

static void answer_joined(struct call *c, const struct org_row *org, enum role role)
{
	struct json_w w = call_json(c, 200);

	json_w_object(&w);
	json_put_bool(&w, "success", true);
	show_id(&w, "workspaceId", ID_ORG, org->id.v);
	put_role(c, &w, role);
	json_w_end(&w);
}

static bool post_accept(struct call *c, struct err *err)
{
	struct slice token;

	return invite_token(c, &token, err) && invite_accept(c, token, answer_joined, err);
}

/* Keys. */

static bool list_keys(struct call *c, struct err *err)
{
	struct json_w w = call_json(c, 200);

	json_w_array(&w);
	if (!keys_write_live(c, &w, err)) {
		return false;
	}
	json_w_end(&w);
	return true;
}

static bool delete_key(struct call *c, struct err *err)
{
	return keys_revoke(c, err) && answer_success(c);
}

static const struct field_set workspace_fields = { workspace_rows, ARRAY_LEN(workspace_rows) };
static const struct field_set invite_fields = { invite_rows, ARRAY_LEN(invite_rows) };
static const struct shape shape_workspace_in = { .fields = &workspace_fields, .sent = true };
static const struct shape shape_role_in = { .fields = &member_role_fields, .sent = true };
static const struct shape shape_invite_in = { .fields = &invite_fields, .sent = true };
static const struct shape shape_token_in = { .fields = &invite_token_fields, .sent = true };

static const char *const role_words[] = { "VIEWER", "MEMBER", "ADMIN", "OWNER", NULL };
static const char *const status_words[] = { "PENDING", "ACCEPTED", "REVOKED", "EXPIRED", NULL };
static const struct prop workspace_props[] = {
	PROP_ID("id", ID_ORG),
	PROP_STR("name", .example = "\"Acme\""),
	PROP_TIME("createdAt"),
};
static const struct shape shape_workspace = { .name = "SignalCraftWorkspace",
					      .help = "An organization.",
					      SHAPE_PROPS(workspace_props) };
static const struct prop member_props[] = {
	PROP_ID("id", ID_USER),
	PROP_STR("email", .example = "\"ana@example.com\""),
	PROP_STR("displayName", .example = "\"Ana\""),
	PROP_WORD("role", role_words),
	PROP_TIME("createdAt"),
};
static const struct shape shape_craft_member = { .name = "SignalCraftMember",
						 .help = "Who is in a workspace.",
						 SHAPE_PROPS(member_props) };
static const struct prop invite_props[] = {
	PROP_ID("id", ID_INVITE),      PROP_STR("email", .example = "\"ana@example.com\""),
	PROP_WORD("role", role_words), PROP_WORD("status", status_words),
	PROP_TIME("createdAt"),	       PROP_TIME("expiresAt"),
};
static const struct shape shape_invitation = { .name = "SignalCraftInvitation",
					       .help = "Somebody who may join.",
					       SHAPE_PROPS(invite_props) };
static const struct prop success_props[] = { PROP_BOOL("success") };
static const struct shape shape_success = { SHAPE_PROPS(success_props) };
static const struct prop joined_props[] = {
	PROP_BOOL("success"),
	PROP_ID("workspaceId", ID_ORG),
	PROP_WORD("role", role_words),
};
static const struct shape shape_joined = { SHAPE_PROPS(joined_props) };

#define WORKSPACE(path_, name_, summary_) \
	{ \
		.method = HTTP_GET, .path = (path_), .name = (name_), .older = "SignalCraft", \
		.summary = (summary_), .who = WHO_USER, .role = ROLE_VIEWER, \
		.differs = "thresholds of impact come with alert groups", \
		.replies = { { .status = 200, \
			       .help = "The workspace.", \
			       .shape = &shape_workspace } }, \
		.errors = { ERR_NOT_FOUND }, .work = get_workspace \
	}
#define MEMBERS(path_, name_, summary_) \
	{ \
		.method = HTTP_GET, .path = (path_), .name = (name_), .older = "SignalCraft", \
		.summary = (summary_), .who = WHO_USER, .role = ROLE_MEMBER, \
		.differs = "the newest 1,000", \
		.replies = { { .status = 200, \
			       .help = "Newest first.", \
			       .shape = &shape_craft_member, \
			       .list = true } }, \
		.work = list_members \
	}

static const struct route rows[] = {
	WORKSPACE("/workspaces/current", "signalcraftGetWorkspace", "Get the workspace"),
	WORKSPACE("/settings/workspace", "signalcraftGetSettings", "Get the workspace's settings"),
	{
		.method = HTTP_PUT,
		.path = "/settings/workspace",
		.name = "signalcraftSetSettings",
		.older = "SignalCraft",
		.summary = "Give the workspace another name",
		.differs = "only owners may: members could",
		.who = WHO_USER,
		.role = ROLE_OWNER,
		.body_max = ACCOUNT_BODY_BYTES_MAX,
		.audits = { AUDIT_ORG_UPDATE },
		.bodies = { { .shape = &shape_workspace_in } },
		.replies = { { .status = 200,
			       .help = "The workspace as it is now.",
			       .shape = &shape_workspace } },
		.errors = { ERR_NOT_FOUND },
		.work = put_workspace,
	},
	MEMBERS("/settings/users", "signalcraftListUsers", "List the workspace's users"),
	MEMBERS("/workspaces/members", "signalcraftListMembers", "List members"),
	{
		.method = HTTP_PATCH,
		.path = "/workspaces/members/:userId",
		.name = "signalcraftChangeMember",
		.older = "SignalCraft",
		.summary = "Change a member's role",
		.differs = "keys cannot; to make an owner takes a password given a short time ago",
		.who = WHO_USER,
		.role = ROLE_ADMIN,
		.body_max = ACCOUNT_BODY_BYTES_MAX,
		.params = { ROUTE_ID(ID_USER) },
		.audits = { AUDIT_MEMBER_ROLE },
		.bodies = { { .shape = &shape_role_in } },
		.replies = { { .status = 200,
			       .help = "The member as it is now.",
			       .shape = &shape_craft_member } },
		.errors = { ERR_CONFLICT, ERR_PROOF },
		.work = patch_member,
	},
	{
		.method = HTTP_DELETE,
		.path = "/workspaces/members/:userId",
		.name = "signalcraftRemoveMember",
		.older = "SignalCraft",
		.summary = "Remove a member",
		.differs = "only owners may, and keys cannot; the last owner stays: 409",
		.who = WHO_USER,
		.role = ROLE_OWNER,
		.params = { ROUTE_ID(ID_USER) },
		.audits = { AUDIT_MEMBER_REMOVE },
		.replies = { { .status = 200, .help = "Done.", .shape = &shape_success } },
		.errors = { ERR_CONFLICT },
		.work = delete_member,
	},
	{
		.method = HTTP_POST,
		.path = "/api/invitations",
		.name = "signalcraftInvite",
		.older = "SignalCraft",
		.summary = "Invite a member",
		.differs = "the link is for who invites, at POST /api/v1/invites, as long as the "
			   "server sends no mail",
		.who = WHO_USER,
		.role = ROLE_ADMIN,
		.body_max = ACCOUNT_BODY_BYTES_MAX,
		.audits = { AUDIT_INVITE_CREATE },
		.bodies = { { .shape = &shape_invite_in } },
		.replies = { { .status = 201,
			       .help = "The invitation.",
			       .shape = &shape_invitation } },
		.errors = { ERR_CONFLICT, ERR_LIMIT, ERR_PROOF },
		.work = post_invite,
	},
	{
		.method = HTTP_GET,
		.path = "/api/invitations",
		.name = "signalcraftListInvites",
		.older = "SignalCraft",
		.summary = "List invitations",
		.who = WHO_USER,
		.role = ROLE_MEMBER,
		.replies = { { .status = 200,
			       .help = "Newest first.",
			       .shape = &shape_invitation,
			       .list = true } },
		.work = list_invites,
	},
	{
		.method = HTTP_POST,
		.path = "/api/invitations/accept",
		.name = "signalcraftAcceptInvite",
		.older = "SignalCraft",
		.summary = "Accept an invitation",
		.who = WHO_USER,
		.limit = LIMIT_AUTH,
		.body_max = ACCOUNT_BODY_BYTES_MAX,
		.audits = { AUDIT_INVITE_ACCEPT },
		.bodies = { { .shape = &shape_token_in } },
		.replies = { { .status = 200,
			       .help = "You are in the workspace.",
			       .shape = &shape_joined } },
		.errors = { ERR_NOT_FOUND, ERR_CONFLICT, ERR_GONE, ERR_CLOSED, ERR_LIMIT },
		.work = post_accept,
	},
	{
		.method = HTTP_DELETE,
		.path = "/api/invitations/:id",
		.name = "signalcraftRevokeInvite",
		.older = "SignalCraft",
		.summary = "Revoke an invitation",
		.who = WHO_USER,
		.role = ROLE_ADMIN,
		.params = { ROUTE_ID(ID_INVITE) },
		.audits = { AUDIT_INVITE_REVOKE },
		.replies = { { .status = 200, .help = "Done.", .shape = &shape_success } },
		.errors = { ERR_CONFLICT },
		.work = delete_invite,
	},
	{
		.method = HTTP_POST,
		.path = "/api/api-keys",
		.name = "signalcraftCreateKey",
		.older = "SignalCraft",
		.summary = "Make an API key",
		.differs = "keys begin with sk_; scopes that are not there or empty give all "
			   "scopes of a machine; unknown members are passed over",
		.doc = KEYS_FIRST,
		.who = WHO_OWN,
		.scope = SCOPE_KEYS_WRITE,
		.role = ROLE_ADMIN,
		.body_max = KEY_BODY_BYTES_MAX,
		.bodies = { { .shape = &shape_open_key_in } },
		.replies = { { .status = 201, .help = "The key.", .shape = &shape_key_made } },
		.errors = { ERR_IO, ERR_CORRUPT, ERR_INTERNAL, ERR_OVERLOADED, ERR_SHUTTING_DOWN,
			    ERR_LIMIT },
		.audits = { AUDIT_KEY_CREATE },
		.loop = keys_post,
	},
	{
		.method = HTTP_GET,
		.path = "/api/api-keys",
		.name = "signalcraftListKeys",
		.older = "SignalCraft",
		.summary = "List API keys",
		.who = WHO_CALLER,
		.scope = SCOPE_KEYS_READ,
		.role = ROLE_VIEWER,
		.replies = { { .status = 200,
			       .help = "All keys that work.",
			       .shape = &shape_key,
			       .list = true } },
		.errors = { ERR_TOO_LARGE },
		.work = list_keys,
	},
	{
		.method = HTTP_DELETE,
		.path = "/api/api-keys/:id",
		.name = "signalcraftRevokeKey",
		.older = "SignalCraft",
		.summary = "Revoke an API key",
		.who = WHO_CALLER,
		.scope = SCOPE_KEYS_WRITE,
		.role = ROLE_ADMIN,
		.params = { ROUTE_ID(ID_KEY) },
		.replies = { { .status = 200, .help = "Done.", .shape = &shape_success } },
		.audits = { AUDIT_KEY_REVOKE },
		.work = delete_key,
	},
};
const struct route_set routes_signalcraft_people = { rows, ARRAY_LEN(rows) };
