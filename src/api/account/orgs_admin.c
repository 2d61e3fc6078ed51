/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Organizations, for who runs the server: over the socket in the data directory, which is what
 * "tocsin org" asks. To suspend one closes it at once, for keys and people; nothing of it is lost.
 */
#include "api/account/orgs.h"
#include "api/api.h"
#include "api/audit.h"
#include "api/page.h"
#include "api/route.h"
#include "api/show.h"
#include "base/json_put.h"

#define SLUG_CHARS_MAX 120

static bool put_org(struct call *c, const struct org_row *org, struct json_w *w, struct err *err)
{
	uint64_t members = 0;

	if (!store_member_count(org->id, c->db, &members, err)) {
		return false;
	}
	json_w_object(w);
	show_id(w, "id", ID_ORG, org->id.v);
	json_put_str(w, "org", org->slug);
	json_put_str(w, "name", org->name);
	json_put_str(w, "status", slice_of(org_status(org)));
	json_put_int(w, "members", (int64_t)members);
	json_put_time(w, "createdAt", org->created_us);
	json_put_time_or_null(w, "suspendedAt", org->suspended_us);
	json_put_time_or_null(w, "deleteAfter", org->delete_after_us);
	json_w_end(w);
	return true;
}

static bool list_orgs(struct call *c, struct err *err)
{
	struct org_list list;
	struct page page;
	struct json_w w;

	if (!page_read(c, ID_ORG, &page, err) ||
	    !store_org_list(c->db, &page, c->req, &list, err)) {
		return false;
	}
	w = page_begin(c);
	for (size_t i = 0; i < list.n; i++) {
		if (!put_org(c, &list.rows[i], &w, err)) {
			return false;
		}
	}
	page_end(c, ID_ORG, list.next, &w);
	return true;
}

struct org_fields {
	struct slice org;
};

static const struct field org_rows[] = {
	FIELD_STR(struct org_fields, org, "org", .min = 1, .max = SLUG_CHARS_MAX,
		  .flags = FIELD_REQUIRED, .help = "The organization, by its short name."),
};

/* As it is behind its lock, in the transaction that is begun here. */
static bool begin_with(struct call *c, struct slice slug, struct org_row *org, struct err *err)
{
	enum found found;

	if (!db_begin(c->db, err)) {
		return false;
	}
	found = store_org_by_slug(c->db, slug, c->req, org, err);
	if (found == FOUND && store_org_lock(org->id, c->db, err)) {
		found = store_org_get(org->id, c->db, c->req, org, err);
	}
	return found == FOUND ||
	       (found == NOT_FOUND &&
		err_set(err, ERR_NOT_FOUND, "there is no organization \"%.*s\"", SARG(slug)));
}

static bool begin(struct call *c, struct org_row *org, struct err *err)
{
	struct org_fields in = { 0 };

	return account_read(c, org_rows, ARRAY_LEN(org_rows), &in, err) &&
	       begin_with(c, in.org, org, err);
}

static bool suspend(struct call *c, struct org_row *org, int64_t at_us, struct err *err)
{
	struct audit_note note = { .action = at_us != 0 ? AUDIT_ORG_SUSPEND : AUDIT_ORG_RESUME,
				   .org = org->id,
				   AUDIT_OF(c, ORG, org->id.v, org->name) };

	if ((org->suspended_us != 0) == (at_us != 0)) {
		audit_nothing(c);
		db_rollback(c->db);
		return true;
	}
	org->suspended_us = at_us;
	return store_org_suspend(org->id, c->db, at_us, err) == FOUND && audit_put(c, &note, err) &&
	       db_commit(c->db, err) && org_tell(c, org, err);
}

struct leave_fields {
	struct slice org;
	struct slice confirm;
	bool now;
};

static const struct field leave_rows[] = {
	FIELD_STR(struct leave_fields, org, "org", .min = 1, .max = SLUG_CHARS_MAX,
		  .flags = FIELD_REQUIRED, .help = "The organization, by its short name."),
	FIELD_STR(struct leave_fields, confirm, "confirm", .min = 1, .max = SLUG_CHARS_MAX,
		  .flags = FIELD_REQUIRED, .help = "The same again."),
	FIELD_BOOL(struct leave_fields, now, "now",
		   .help = "Without days of grace: it is gone for good."),
};

static bool answer(struct call *c, const struct org_row *org, struct err *err)
{
	struct json_w w = call_json(c, 200);

	return put_org(c, org, &w, err);
}

static bool post_suspend(struct call *c, struct err *err)
{
	struct org_row org;

	return begin(c, &org, err) && suspend(c, &org, c->now_us, err) && answer(c, &org, err);
}

static bool post_resume(struct call *c, struct err *err)
{
	struct org_row org;

	return begin(c, &org, err) && suspend(c, &org, 0, err) && answer(c, &org, err);
}

static bool post_delete(struct call *c, struct err *err)
{
	struct leave_fields in = { 0 };
	struct org_row org;

	if (!account_read(c, leave_rows, ARRAY_LEN(leave_rows), &in, err)) {
		return false;
	}
	if (!slice_eq(in.org, in.confirm)) {
		return err_field(err, ERR_INVALID, "confirm",
				 "\"confirm\" must be the short name of the organization that is "
				 "to be deleted, once more");
	}
	return begin_with(c, in.org, &org, err) &&
	       org_leave(c, &org, c->now_us + (in.now ? 0 : ORG_GRACE_US), err) &&
	       db_commit(c->db, err) && org_tell(c, &org, err) && answer(c, &org, err);
}

static bool post_restore(struct call *c, struct err *err)
{
	struct org_row org;

	if (!begin(c, &org, err) || !org_stay(c, &org, err) || !db_commit(c->db, err) ||
	    !org_tell(c, &org, err) || !answer(c, &org, err)) {
		return false;
	}
	courier_wake(c->api->courier);
	return true;
}

static const struct field_set org_fields = { org_rows, ARRAY_LEN(org_rows) };
static const struct shape shape_in = { .fields = &org_fields, .sent = true };
static const struct field_set leave_fields = { leave_rows, ARRAY_LEN(leave_rows) };
static const struct shape shape_leave_in = { .fields = &leave_fields, .sent = true };
static const struct prop org_props[] = {
	PROP_ID("id", ID_ORG),
	PROP_STR("org", .help = "The short name."),
	PROP_STR("name"),
	PROP_WORD("status", org_words),
	PROP_INT("members"),
	PROP_TIME("createdAt"),
	PROP_TIME("suspendedAt", .flags = PROP_NULL),
	PROP_TIME("deleteAfter", .flags = PROP_NULL),
};
static const struct shape shape_out = { SHAPE_PROPS(org_props) };

#define ORG_ROW(word_, name_, summary_, in_, ...) \
	{ \
		.method = HTTP_POST, .path = "/admin/orgs/" word_, .name = (name_), \
		.tag = "Operation", .summary = (summary_), .who = WHO_SOCKET, .limit = LIMIT_NONE, \
		.body_max = ACCOUNT_BODY_BYTES_MAX, .bodies = { { .shape = &(in_) } }, \
		.replies = { { .status = 200, .help = "It now.", .shape = &shape_out } }, \
		.errors = { ERR_NOT_FOUND, ERR_CONFLICT, ERR_GONE }, __VA_ARGS__ \
	}

static const struct route rows[] = {
	{
		.method = HTTP_GET,
		.path = "/admin/orgs",
		.name = "adminListOrgs",
		.tag = "Operation",
		.summary = "List all organizations",
		.who = WHO_SOCKET,
		.limit = LIMIT_NONE,
		.query = { &page_query },
		.replies = { { .status = 200,
			       .help = "A page of organizations, newest first.",
			       .shape = &shape_out,
			       .page = true } },
		.work = list_orgs,
	},
	ORG_ROW("suspend", "adminSuspendOrg", "Close an organization for now", shape_in,
		.audits = { AUDIT_ORG_SUSPEND }, .work = post_suspend),
	ORG_ROW("resume", "adminResumeOrg", "Open a suspended organization again", shape_in,
		.audits = { AUDIT_ORG_RESUME }, .work = post_resume),
	ORG_ROW("delete", "adminDeleteOrg", "Delete an organization after days of grace",
		shape_leave_in, .audits = { AUDIT_ORG_DELETE }, .work = post_delete),
	ORG_ROW("restore", "adminRestoreOrg", "Keep an organization after all", shape_in,
		.audits = { AUDIT_ORG_RESTORE }, .work = post_restore),
};
const struct route_set routes_orgs_admin = { rows, ARRAY_LEN(rows) };
