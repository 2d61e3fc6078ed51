/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The org that a session acts in, and new ones. Its version is a number made of what can be
 * changed: nobody has to count, and who changes it back has the old one again.
 */
#include "api/account/orgs.h"

#include "api/api.h"
#include "api/audit.h"
#include "api/match.h"
#include "api/once.h"
#include "api/route.h"
#include "api/show.h"
#include "base/json_put.h"

/* Roles of role_least (model/role.h), which a table of constants cannot ask. */
#define ROLE_READS ROLE_VIEWER
#define ROLE_SETS ROLE_ADMIN
#define ROLE_RENAMES ROLE_OWNER

const char *const org_words[] = { "active", "suspended", "leaving", NULL };

const char *org_status(const struct org_row *org)
{
	if (org->suspended_us != 0) {
		return "suspended";
	}
	return org->delete_after_us != 0 ? "leaving" : "active";
}

bool org_tell(struct call *c, const struct org_row *org, struct err *err)
{
	struct people_change change = { .op = PEOPLE_ORG,
					.org = { .id = org->id,
						 .suspended = org->suspended_us != 0,
						 .leaving = org->delete_after_us != 0 } };
	struct project_row project = { 0 };

	if (store_project_default(org->id, c->db, c->req, &project, err) == FAILED) {
		return false;
	}
	change.org.project = project.id;
	people_tell(c, &change, 1);
	return true;
}

/* A new one. */

struct new_fields {
	struct slice name;
};

static const struct field new_rows[] = {
	FIELD_STR(struct new_fields, name, "name", .min = 1, .max = ORG_NAME_CHARS_MAX,
		  .flags = FIELD_REQUIRED, .example = "Acme"),
};

/* Whoever owns one may have more; where anybody may sign up, anybody may. */
static bool may_found(struct call *c, struct err *err)
{
	struct member_list list;
	bool owner = c->api->signup == SIGNUP_OPEN;

	if (!store_members_of(c->db, c->caller.user, (struct org_id) { 0 }, ORGS_PER_USER_MAX,
			      c->req, &list, err)) {
		return false;
	}
	for (size_t i = 0; i < list.n; i++) {
		owner = owner || list.rows[i].role == ROLE_OWNER;
	}
	if (list.n >= ORGS_PER_USER_MAX) {
		return err_set(err, ERR_LIMIT, "a user is in no more than %d organizations",
			       ORGS_PER_USER_MAX);
	}
	return owner || err_set(err, ERR_FORBIDDEN,
				"on this server only owners make organizations: ask whoever runs "
				"it, or an owner for an invite");
}

static void answer_new(struct call *c, const struct org_row *org)
{
	struct json_w w = call_json(c, 201);

	json_w_object(&w);
	show_org(&w, "org", org, ROLE_OWNER);
	json_w_end(&w);
}

static bool found_org(struct call *c, const struct org_founding *in, struct org_row *org,
		      struct err *err)
{
	struct audit_note note = { .action = AUDIT_ORG_CREATE,
				   .org = in->id,
				   .user = c->caller.user,
				   AUDIT_OF(c, ORG, in->id.v, in->name) };

	if (!db_begin(c->db, err) || !store_org_found(in->id, c->db, in, c->req, org, err)) {
		return false;
	}
	answer_new(c, org);
	note.after = audit_text(c, "slug", org->slug);
	return audit_put(c, &note, err) && once_commit(c, err);
}

static bool post_org(struct call *c, struct err *err)
{
	struct people_change member = { .op = PEOPLE_MEMBER,
					.session = { .user = c->caller.user },
					.role = ROLE_OWNER };
	struct org_founding in = { .id = { id_random() },
				   .project = { id_random() },
				   .owner = c->caller.user,
				   .now_us = c->now_us };
	struct new_fields fields = { 0 };
	struct org_row org;

	if (!account_read(c, new_rows, ARRAY_LEN(new_rows), &fields, err) || !may_found(c, err)) {
		return false;
	}
	in.name = fields.name;
	if (!found_org(c, &in, &org, err)) {
		return false;
	}
	people_tell_org(c, in.id, in.project);
	member.org.id = in.id;
	people_tell(c, &member, 1);
	return true;
}

/* The one that the session acts in. */

bool org_find_current(struct call *c, struct org_row *org, struct err *err)
{
	struct org_id id = c->caller.org;
	enum found found = NOT_FOUND;

	if (slice_eq(c->params[0], S("current")) ||
	    (id_parse(ID_ORG, c->params[0], &id.v) && id.v == c->caller.org.v)) {
		found = store_org_get(c->caller.org, c->db, c->req, org, err);
	}
	return found == FOUND ||
	       (found == NOT_FOUND && err_set(err, ERR_NOT_FOUND, "there is no such organization"));
}

static uint64_t version_of(struct call *c, const struct org_row *org)
{
	unsigned char sum[SHA256_BYTES];
	uint64_t version = 0;

	sha256(arena_printf(c->req, "%.*s\n%.*s", SARG(org->name), SARG(org->settings)), sum);
	/* Fewer than 2^53, which JSON numbers hold, and never 0, which is any. */
	for (size_t i = 0; i < 6; i++) {
		version = version << 8 | sum[i];
	}
	return version + 1;
}

void org_write(struct call *c, const struct org_row *org, struct json_w *w)
{
	json_w_object(w);
	show_id(w, "id", ID_ORG, org->id.v);
	json_put_str(w, "name", org->name);
	json_put_str(w, "slug", org->slug);
	json_put_str(w, "role", role_name(c->caller.role));
	json_put_str(w, "status", slice_of(org_status(org)));
	json_put_raw(w, "settings", org->settings, "{}");
	json_put_time(w, "createdAt", org->created_us);
	json_put_time_or_null(w, "suspendedAt", org->suspended_us);
	json_put_time_or_null(w, "deleteAfter", org->delete_after_us);
	json_w_end(w);
}

static bool answer_current(struct call *c, const struct org_row *org)
{
	struct json_w w = call_json(c, 200);

	match_tell(c, version_of(c, org));
	org_write(c, org, &w);
	return true;
}

static bool get_org(struct call *c, struct err *err)
{
	struct org_row org;

	return org_find_current(c, &org, err) && answer_current(c, &org);
}

struct org_fields {
	struct slice name;
	const struct json *settings;
};

static const struct field org_rows[] = {
	FIELD_STR(struct org_fields, name, "name", .min = 1, .max = ORG_NAME_CHARS_MAX,
		  .help = "Only an owner changes it."),
	FIELD_OBJECT(struct org_fields, settings, "settings", .max = ORG_SETTINGS_BYTES_MAX,
		     .help = "An object of your own, in the place of the one before."),
};

static bool read_change(struct call *c, const struct org_row *org, struct org_fields *in,
			struct err *err)
{
	struct fields_in how = { .partial = true };
	const struct json *body;

	return call_body(c, &body, err) &&
	       fields_parse(body, org_rows, ARRAY_LEN(org_rows), in, &how, c->req, err) &&
	       (in->name.n == 0 || slice_eq(in->name, org->name) ||
		c->caller.role >= ROLE_RENAMES ||
		err_set(err, ERR_FORBIDDEN, "only an owner gives the organization another name"));
}

static bool store_change(struct call *c, const struct org_row *now, const struct org_row *next,
			 struct err *err)
{
	struct audit_note note = {
		.action = AUDIT_ORG_UPDATE,
		.user = c->caller.user,
		AUDIT_OF(c, ORG, now->id.v, now->name),
		.before = arena_printf(c->req, "{\"settings\":%.*s}", SARG(now->settings)),
		.after = arena_printf(c->req, "{\"settings\":%.*s}", SARG(next->settings))
	};

	if (!slice_eq(now->name, next->name)) {
		note.before = audit_text(c, "name", now->name);
		note.after = audit_text(c, "name", next->name);
	}
	return store_org_rename(now->id, c->db, next->name, err) == FOUND &&
	       store_org_set_settings(now->id, c->db, next->settings, err) == FOUND &&
	       audit_put(c, &note, err) && db_commit(c->db, err);
}

static bool patch_org(struct call *c, struct err *err)
{
	struct org_fields in = { 0 };
	struct org_row now, next;
	uint64_t expect;

	if (!match_read(c, "organization", &expect, err) || !db_begin(c->db, err) ||
	    !store_org_lock(c->caller.org, c->db, err) || !org_find_current(c, &now, err) ||
	    !read_change(c, &now, &in, err) ||
	    !match_check("organization", expect, version_of(c, &now), err)) {
		return false;
	}
	next = now;
	next.name = in.name.n > 0 ? in.name : now.name;
	next.settings = in.settings != NULL ? in.settings->raw : now.settings;
	return store_change(c, &now, &next, err) && answer_current(c, &next);
}

static const struct field_set new_fields = { new_rows, ARRAY_LEN(new_rows) };
static const struct shape shape_new_in = { .name = "OrgInput",
					   .help = "An organization to be made.",
					   .fields = &new_fields,
					   .sent = true };
static const struct prop new_props[] = { PROP_SHAPE("org", &shape_own_org) };
static const struct shape shape_new = { SHAPE_PROPS(new_props) };
static const struct field_set org_fields = { org_rows, ARRAY_LEN(org_rows) };
static const struct shape shape_org_in = { .name = "OrgChange",
					   .help = "What can be changed of an organization.",
					   .fields = &org_fields,
					   .sent = true };
static const struct prop org_props[] = {
	PROP_WORD("status", org_words),
	PROP_OBJECT("settings", .help = "An object of your own."),
	PROP_TIME("createdAt"),
	PROP_TIME("suspendedAt", .flags = PROP_NULL, .help = "By whoever runs the server."),
	PROP_TIME("deleteAfter", .flags = PROP_NULL, .help = "When all of it will be deleted."),
};
const struct shape shape_org = { .name = "Org",
				 .help = "The organization that calls act in.",
				 .also = &shape_own_org,
				 SHAPE_PROPS(org_props) };

static const struct route rows[] = {
	{
		.method = HTTP_POST,
		.path = "/api/v1/orgs",
		.name = "createOrg",
		.tag = "Organizations",
		.summary = "Make another organization",
		.who = WHO_USER,
		.doc = "Where anybody may sign up, anybody may; elsewhere whoever owns one. Go "
		       "there with POST /api/v1/auth/switch.",
		.body_max = ACCOUNT_BODY_BYTES_MAX,
		.audits = { AUDIT_ORG_CREATE },
		.bodies = { { .shape = &shape_new_in } },
		.replies = { { .status = 201,
			       .help = "You own it; it has a default project.",
			       .shape = &shape_new } },
		.errors = { ERR_LIMIT, ERR_CONFLICT },
		.work = post_org,
	},
	{
		.method = HTTP_GET,
		.path = "/api/v1/orgs/:id",
		.name = "getOrg",
		.tag = "Organizations",
		.summary = "Get the organization that you act in",
		.who = WHO_USER,
		.role = ROLE_READS,
		.while_closed = true,
		.params = { ROUTE_ID_OR(ID_ORG, "current") },
		.replies = { { .status = 200,
			       .help = "The organization.",
			       .shape = &shape_org,
			       .headers = REPLY_ETAG } },
		.work = get_org,
	},
	{
		.method = HTTP_PATCH,
		.path = "/api/v1/orgs/:id",
		.name = "changeOrg",
		.tag = "Organizations",
		.summary = "Change the organization's name or settings",
		.who = WHO_USER,
		.role = ROLE_SETS,
		.match = MATCH_MAY,
		.body_max = (size_t)32 << 10, /* settings, and room around them */
		.params = { ROUTE_ID_OR(ID_ORG, "current") },
		.audits = { AUDIT_ORG_UPDATE },
		.bodies = { { .shape = &shape_org_in } },
		.replies = { { .status = 200,
			       .help = "The organization as it is now.",
			       .shape = &shape_org,
			       .headers = REPLY_ETAG } },
		.work = patch_org,
	},
};
const struct route_set routes_orgs = { rows, ARRAY_LEN(rows) };
