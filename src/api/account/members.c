/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Members. What may be changed is decided by the store, behind the lock of the org: the role that
 * the row of a call asks for is what memory knows, and that may be a moment old.
 */
#include "api/account/members.h"

#include "api/api.h"
#include "api/audit.h"
#include "api/once.h"
#include "api/page.h"
#include "api/route.h"
#include "api/show.h"
#include "base/json_put.h"

/* Roles of role_least (model/role.h), which a table of constants cannot ask. */
#define ROLE_READS ROLE_MEMBER
#define ROLE_WRITES ROLE_ADMIN
#define ROLE_DELETES ROLE_OWNER
#define ROLE_GIVES ROLE_OWNER

bool member_read_role(struct slice word, enum role *out, struct err *err)
{
	*out = role_parse(word);
	return *out != ROLE_NONE ||
	       err_field(err, ERR_INVALID, "role",
			 "\"role\" must be one of viewer, member, admin and owner");
}

bool member_check_proof(const struct call *c, enum role to, struct err *err)
{
	return to != ROLE_OWNER || c->caller.proved ||
	       err_set(err, ERR_PROOF,
		       "to make somebody an owner needs your password or a code, entered in the "
		       "last ten minutes: POST /api/v1/auth/prove");
}

bool member_find(struct call *c, struct slice id, struct member_row *out, struct err *err)
{
	enum found found = NOT_FOUND;
	struct user_id user;

	if (id_parse(ID_USER, id, &user.v)) {
		found = store_member_get(c->caller.org, c->db, user, c->req, out, err);
	}
	return found == FOUND ||
	       (found == NOT_FOUND && err_set(err, ERR_NOT_FOUND, "there is no such member"));
}

void member_tell(struct call *c, struct org_id org, struct user_id user, enum role role)
{
	struct people_change change = {
		.op = PEOPLE_MEMBER, .session = { .user = user }, .org = { .id = org }, .role = role
	};

	people_tell(c, &change, 1);
}

bool member_has_seat(struct call *c, struct org_id org, uint64_t more, struct err *err)
{
	struct meter_state state;
	uint64_t n = 0;

	if (c->api->meter == NULL) {
		return true;
	}
	meter_look(c->api->meter, org, c->now_us, c->req, &state);
	if (state.plan.seats == 0) {
		return true;
	}
	return store_member_count(org, c->db, &n, err) &&
	       (n + more <= (uint64_t)state.plan.seats ||
		err_set(err, ERR_LIMIT, "the plan allows no more than %lld members",
			(long long)state.plan.seats));
}

/* What the audit log says of a change. */
static struct audit_note note_of(struct call *c, const struct member_row *row, enum role to)
{
	struct audit_note note = { .action = to == ROLE_NONE ? AUDIT_MEMBER_REMOVE
							     : AUDIT_MEMBER_ROLE,
				   .user = c->caller.user,
				   AUDIT_OF(c, USER, row->user.v, row->mail),
				   .before = audit_text(c, "role", role_name(row->role)) };

	if (to != ROLE_NONE) {
		note.after = audit_text(c, "role", role_name(to));
	}
	return note;
}

/* The role as it is behind the lock, which is what the change is a change of. */
static bool look_again(struct call *c, struct member_row *row, struct err *err)
{
	enum found found;

	if (!store_org_lock(row->org, c->db, err)) {
		return false;
	}
	found = store_member_get(row->org, c->db, row->user, c->req, row, err);
	return found == FOUND ||
	       (found == NOT_FOUND && err_set(err, ERR_NOT_FOUND, "there is no such member"));
}

bool member_change_role(struct call *c, const struct member_row *row, enum role to, struct err *err)
{
	struct member_ask ask = { .actor = c->caller.user, .user = row->user, .to = to };
	struct member_row now = *row;
	struct audit_note note;

	if (!member_check_proof(c, to, err) || !db_begin(c->db, err) || !look_again(c, &now, err) ||
	    !store_member_change(row->org, c->db, &ask, err)) {
		return false;
	}
	note = note_of(c, &now, to);
	if (!audit_put(c, &note, err) || !once_commit(c, err)) {
		return false;
	}
	member_tell(c, row->org, row->user, to);
	return true;
}

/* Showing them. */

void member_write(const struct member_row *row, struct json_w *w)
{
	json_w_object(w);
	show_id(w, "id", ID_USER, row->user.v);
	json_put_str(w, "email", row->mail);
	json_put_str(w, "name", row->name);
	json_put_str(w, "role", role_name(row->role));
	json_put_time(w, "createdAt", row->created_us);
	json_w_end(w);
}

static bool list_members(struct call *c, struct err *err)
{
	struct member_list list;
	struct page page;
	struct json_w w;

	if (!page_read(c, ID_USER, &page, err) ||
	    !store_member_list(c->caller.org, c->db, &page, c->req, &list, err)) {
		return false;
	}
	w = page_begin(c);
	for (size_t i = 0; i < list.n; i++) {
		member_write(&list.rows[i], &w);
	}
	page_end(c, ID_USER, list.next, &w);
	return true;
}

static void answer_member(struct call *c, const struct member_row *row)
{
	struct json_w w = call_json(c, 200);

	member_write(row, &w);
}

static bool get_member(struct call *c, struct err *err)
{
	struct member_row row;

	if (!member_find(c, c->params[0], &row, err)) {
		return false;
	}
	answer_member(c, &row);
	return true;
}

/* Changing them. */

struct role_fields {
	struct slice role;
};

static const struct field role_rows[] = {
	MEMBER_ROLE_FIELD(struct role_fields, role, .flags = FIELD_REQUIRED),
};

const struct field_set member_role_fields = { role_rows, ARRAY_LEN(role_rows) };

bool member_patch(struct call *c, struct member_row *row, struct err *err)
{
	struct role_fields in = { 0 };
	enum role to;

	if (!account_read(c, role_rows, ARRAY_LEN(role_rows), &in, err) ||
	    !member_read_role(in.role, &to, err) || !member_find(c, c->params[0], row, err) ||
	    !member_change_role(c, row, to, err)) {
		return false;
	}
	row->role = to;
	return true;
}

static bool patch_member(struct call *c, struct err *err)
{
	struct member_row row;

	if (!member_patch(c, &row, err)) {
		return false;
	}
	answer_member(c, &row);
	return true;
}

static bool delete_member(struct call *c, struct err *err)
{
	struct member_row row;

	if (!member_find(c, c->params[0], &row, err) ||
	    !member_change_role(c, &row, ROLE_NONE, err)) {
		return false;
	}
	call_empty(c, 204);
	return true;
}

static bool post_leave(struct call *c, struct err *err)
{
	struct member_row row;

	call_empty(c, 204);
	return member_find(c, audit_id(c, ID_USER, c->caller.user.v), &row, err) &&
	       member_change_role(c, &row, ROLE_NONE, err);
}

/* Giving the org away. */

static bool transfer(struct call *c, struct member_row *taker, struct err *err)
{
	struct org_id org = c->caller.org;
	struct audit_note note = { .action = AUDIT_ORG_TRANSFER,
				   .user = c->caller.user,
				   AUDIT_OF(c, USER, taker->user.v, taker->mail),
				   .before = audit_text(c, "role", role_name(taker->role)),
				   .after = audit_text(c, "role", role_name(ROLE_OWNER)) };

	taker->role = ROLE_OWNER;
	answer_member(c, taker);
	return db_begin(c->db, err) &&
	       store_member_transfer(org, c->db, c->caller.user, taker->user, err) &&
	       audit_put(c, &note, err) && once_commit(c, err);
}

static bool post_transfer(struct call *c, struct err *err)
{
	struct member_row taker;

	if (!member_find(c, c->params[0], &taker, err) || !transfer(c, &taker, err)) {
		return false;
	}
	member_tell(c, taker.org, taker.user, ROLE_OWNER);
	member_tell(c, taker.org, c->caller.user, ROLE_ADMIN);
	return true;
}

static const struct prop role_props[] = { PROP_WORD("role", role_names) };
static const struct shape shape_role_in = { .name = "MemberInput",
					    .help = "What a member is to be.",
					    .fields = &member_role_fields,
					    SHAPE_PROPS(role_props),
					    .sent = true };
static const struct prop member_props[] = {
	PROP_ID("id", ID_USER),
	PROP_STR("email", .example = "\"ana@example.com\""),
	PROP_STR("name", .example = "\"Ana\""),
	PROP_WORD("role", role_names),
	PROP_TIME("createdAt", .help = "Since when."),
};
const struct shape shape_member = { .name = "Member",
				    .help = "Somebody in the organization.",
				    SHAPE_PROPS(member_props) };

static const struct route rows[] = {
	{
		.method = HTTP_GET,
		.path = "/api/v1/members",
		.name = "listMembers",
		.tag = "Organizations",
		.summary = "List members",
		.who = WHO_USER,
		.role = ROLE_READS,
		.query = { &page_query },
		.replies = { { .status = 200,
			       .help = "A page of members, newest first.",
			       .shape = &shape_member,
			       .page = true } },
		.work = list_members,
	},
	{
		.method = HTTP_GET,
		.path = "/api/v1/members/:id",
		.name = "getMember",
		.tag = "Organizations",
		.summary = "Get a member",
		.who = WHO_USER,
		.role = ROLE_READS,
		.params = { ROUTE_ID(ID_USER) },
		.replies = { { .status = 200, .help = "The member.", .shape = &shape_member } },
		.work = get_member,
	},
	{
		.method = HTTP_PATCH,
		.path = "/api/v1/members/:id",
		.name = "changeMember",
		.tag = "Organizations",
		.summary = "Change a member's role",
		.who = WHO_USER,
		.role = ROLE_WRITES,
		.doc = "Owners may change everybody; admins those below them, up to admin. To make "
		       "somebody an owner takes a proof of who you are. The last owner stays one.",
		.body_max = ACCOUNT_BODY_BYTES_MAX,
		.params = { ROUTE_ID(ID_USER) },
		.audits = { AUDIT_MEMBER_ROLE },
		.bodies = { { .shape = &shape_role_in } },
		.replies = { { .status = 200,
			       .help = "The member as it is now.",
			       .shape = &shape_member } },
		.errors = { ERR_CONFLICT, ERR_PROOF },
		.work = patch_member,
	},
	{
		.method = HTTP_DELETE,
		.path = "/api/v1/members/:id",
		.name = "removeMember",
		.tag = "Organizations",
		.summary = "Remove a member",
		.who = WHO_USER,
		.role = ROLE_DELETES,
		.doc = "At once, with the streams that are open. The last owner stays.",
		.params = { ROUTE_ID(ID_USER) },
		.audits = { AUDIT_MEMBER_REMOVE },
		.replies = { { .status = 204, .help = "It is a member no longer." } },
		.errors = { ERR_CONFLICT },
		.work = delete_member,
	},
	{
		.method = HTTP_POST,
		.path = "/api/v1/members/leave",
		.name = "leaveOrg",
		.tag = "Organizations",
		.summary = "Leave the organization",
		.who = WHO_USER,
		.role = ROLE_VIEWER,
		.doc = "The last owner stays: give the organization to another member first, or "
		       "delete it.",
		.audits = { AUDIT_MEMBER_REMOVE },
		.replies = { { .status = 204, .help = "You have left." } },
		.errors = { ERR_CONFLICT },
		.work = post_leave,
	},
	{
		.method = HTTP_POST,
		.path = "/api/v1/members/:id/transfer",
		.name = "transferOrg",
		.tag = "Organizations",
		.summary = "Give the organization to another member",
		.who = WHO_USER,
		.role = ROLE_GIVES,
		.proof = true,
		.doc = "That member becomes an owner, you an admin.",
		.params = { ROUTE_ID(ID_USER) },
		.audits = { AUDIT_ORG_TRANSFER },
		.replies = { { .status = 200, .help = "The new owner.", .shape = &shape_member } },
		.errors = { ERR_CONFLICT },
		.work = post_transfer,
	},
};
const struct route_set routes_members = { rows, ARRAY_LEN(rows) };
