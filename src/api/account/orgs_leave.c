/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How an org goes. Its owner asks for it and has some days to change his mind: from the moment he
 * asks nothing gets in or out, and nothing is lost. Then the purger (engine/org_purge.h) begins,
 * and from there nothing comes back.
 */
#include "api/account/orgs.h"
#include "api/api.h"
#include "api/audit.h"
#include "api/once.h"
#include "api/route.h"
#include "api/show.h"
#include "base/json_put.h"
#include "base/time.h"
#include "store/billing.h"

static struct slice time_text(struct call *c, int64_t at_us)
{
	char text[TIME_TEXT_MAX];

	return arena_dup(c->req, time_format(at_us, TIME_SECONDS, text));
}

bool org_leave(struct call *c, struct org_row *org, int64_t at_us, struct err *err)
{
	struct audit_note note = { .action = AUDIT_ORG_DELETE,
				   .org = org->id,
				   .user = c->caller.user,
				   AUDIT_OF(c, ORG, org->id.v, org->name),
				   .after = audit_text(c, "deleteAfter", time_text(c, at_us)) };

	if (org->delete_after_us != 0 && org->delete_after_us <= at_us) {
		audit_nothing(c);
		return true;
	}
	org->delete_after_us = at_us;
	return store_org_set_delete(org->id, c->db, at_us, err) == FOUND &&
	       store_billing_leave(org->id, c->db, true, c->now_us, err) &&
	       audit_put(c, &note, err);
}

bool org_stay(struct call *c, struct org_row *org, struct err *err)
{
	struct audit_note note = { .action = AUDIT_ORG_RESTORE,
				   .org = org->id,
				   .user = c->caller.user,
				   AUDIT_OF(c, ORG, org->id.v, org->name),
				   .before = audit_text(c, "deleteAfter",
							time_text(c, org->delete_after_us)) };

	if (org->delete_after_us == 0) {
		audit_nothing(c);
		return true;
	}
	if (slice_eq(org->status, S(ORG_PURGING))) {
		return err_set(err, ERR_GONE, "it is too late: the organization is being deleted");
	}
	org->delete_after_us = 0;
	return store_org_set_delete(org->id, c->db, 0, err) == FOUND &&
	       store_billing_leave(org->id, c->db, false, c->now_us, err) &&
	       audit_put(c, &note, err);
}

/* Whoever sends this has to know which org it is about, and type it. */
static bool check_confirm(struct call *c, const struct org_row *org, struct err *err)
{
	struct slice text;

	return (call_query(c, "confirm", &text) &&
		(slice_eq(text, org->slug) || slice_eq(text, org->name))) ||
	       err_field(err, ERR_INVALID, "confirm",
			 "\"confirm\" must be the name or the short name of the organization that "
			 "is to be deleted, as GET /api/v1/orgs/current has them");
}

/* Behind its lock, in the transaction that is begun here. */
static bool begin(struct call *c, struct org_row *org, struct err *err)
{
	return org_find_current(c, org, err) && db_begin(c->db, err) &&
	       store_org_lock(org->id, c->db, err) && org_find_current(c, org, err);
}

static void answer_leaving(struct call *c, const struct org_row *org)
{
	struct id_text id = id_format(ID_ORG, org->id.v);
	struct json_w w = call_json(c, 202);

	json_w_object(&w);
	show_id(&w, "id", ID_ORG, org->id.v);
	json_put_str(&w, "status", slice_of(org_status(org)));
	json_put_time(&w, "deleteAfter", org->delete_after_us);
	json_put_str(&w, "export", arena_printf(c->req, "/api/v1/orgs/%s/export", id.p));
	json_put_str(&w, "exportEvents", S("/api/v1/events/export"));
	json_put_str(&w, "restore", arena_printf(c->req, "/api/v1/orgs/%s/restore", id.p));
	json_w_end(&w);
}

static bool delete_org(struct call *c, struct err *err)
{
	struct org_row org;

	if (!begin(c, &org, err) || !check_confirm(c, &org, err) ||
	    !org_leave(c, &org, c->now_us + ORG_GRACE_US, err) || !db_commit(c->db, err) ||
	    !org_tell(c, &org, err)) {
		return false;
	}
	answer_leaving(c, &org);
	return true;
}

static bool post_restore(struct call *c, struct err *err)
{
	struct org_row org;
	struct json_w w;

	if (!begin(c, &org, err) || !org_stay(c, &org, err)) {
		return false;
	}
	w = call_json(c, 200);
	org_write(c, &org, &w);
	if (!once_commit(c, err) || !org_tell(c, &org, err)) {
		return false;
	}
	courier_wake(c->api->courier);
	return true;
}

struct delete_query {
	struct slice confirm;
};
static const struct field delete_rows[] = {
	FIELD_STR(struct delete_query, confirm, "confirm", .min = 1, .max = ORG_NAME_CHARS_MAX,
		  .flags = FIELD_REQUIRED,
		  .help = "The name or the short name of the organization, so that it is not "
			  "another one's."),
};
static const struct field_set delete_query = { delete_rows, ARRAY_LEN(delete_rows) };
static const struct prop leaving_props[] = {
	PROP_ID("id", ID_ORG),
	PROP_WORD("status", org_words),
	PROP_TIME("deleteAfter", .help = "When all of it will be deleted."),
	PROP_STR("export", .help = "All that it has set up, until then."),
	PROP_STR("exportEvents", .help = "The events of one of its projects, until then."),
	PROP_STR("restore", .help = "POST there, and it stays."),
};
static const struct shape shape_leaving = { .name = "OrgLeaving",
					    .help = "What becomes of an organization that is to be "
						    "deleted.",
					    SHAPE_PROPS(leaving_props) };

static const struct route rows[] = {
	{
		.method = HTTP_DELETE,
		.path = "/api/v1/orgs/:id",
		.name = "deleteOrg",
		.tag = "Organizations",
		.summary = "Delete the organization with all that is in it",
		.who = WHO_USER,
		.role = ROLE_OWNER,
		.proof = true,
		.doc = "In seven days: until then its keys open nothing, streams end, no message "
		       "is sent, and only its owners get in, to read, to export, and to take it "
		       "back. Then all of it leaves the disk.",
		.params = { ROUTE_ID_OR(ID_ORG, "current") },
		.query = { &delete_query },
		.audits = { AUDIT_ORG_DELETE },
		.replies = { { .status = 202,
			       .help = "It is closed, and will be deleted.",
			       .shape = &shape_leaving } },
		.work = delete_org,
	},
	{
		.method = HTTP_POST,
		.path = "/api/v1/orgs/:id/restore",
		.name = "restoreOrg",
		.tag = "Organizations",
		.summary = "Keep the organization after all",
		.who = WHO_USER,
		.role = ROLE_OWNER,
		.while_closed = true,
		.doc = "Before its deletion begins: everything is as it was, and messages that "
		       "waited are sent.",
		.params = { ROUTE_ID_OR(ID_ORG, "current") },
		.audits = { AUDIT_ORG_RESTORE },
		.replies = { { .status = 200, .help = "It stays.", .shape = &shape_org } },
		.errors = { ERR_GONE },
		.work = post_restore,
	},
};
const struct route_set routes_orgs_leave = { rows, ARRAY_LEN(rows) };
