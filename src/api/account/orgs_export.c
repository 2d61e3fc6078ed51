/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that an org has set up, in one document: for its owner to keep, before leaving. Events have
 * an export of their own, which is as long as the log. No secret is in it: of keys and invites
 * there are only hashes, which stay here, and those of channels are masked.
 */
#include "api/account/invites.h"
#include "api/account/members.h"
#include "api/account/orgs.h"
#include "api/audit.h"
#include "api/keys.h"
#include "api/route.h"
#include "api/rules.h"
#include "api/show.h"
#include "base/json_put.h"

/*
 * Write one page as elements of the open array, and say where the next one begins. What it takes to
 * do so lives in one.
 */
typedef bool part_fn(struct call *c, const struct page *page, struct arena *one,
		     struct page_at *next, struct json_w *w, struct err *err);

static bool put_members(struct call *c, const struct page *page, struct arena *one,
			struct page_at *next, struct json_w *w, struct err *err)
{
	struct member_list list;

	if (!store_member_list(c->caller.org, c->db, page, one, &list, err)) {
		return false;
	}
	for (size_t i = 0; i < list.n; i++) {
		member_write(&list.rows[i], w);
	}
	*next = list.next;
	return true;
}

static bool put_invites(struct call *c, const struct page *page, struct arena *one,
			struct page_at *next, struct json_w *w, struct err *err)
{
	struct invite_list list;

	if (!store_invite_list(c->caller.org, c->db, false, page, one, &list, err)) {
		return false;
	}
	for (size_t i = 0; i < list.n; i++) {
		invite_write(c, &list.rows[i], w);
	}
	*next = list.next;
	return true;
}

static void put_project(const struct project_row *row, struct json_w *w)
{
	json_w_object(w);
	show_id(w, "id", ID_PROJECT, row->id.v);
	json_put_str(w, "slug", row->slug);
	json_put_str(w, "name", row->name);
	json_put_bool(w, "isDefault", row->is_default);
	json_put_raw(w, "environments", row->environments, "[]");
	json_put_raw(w, "origins", row->origins, "[]");
	json_put_time(w, "createdAt", row->created_us);
	json_w_end(w);
}

static bool put_projects(struct call *c, const struct page *page, struct arena *one,
			 struct page_at *next, struct json_w *w, struct err *err)
{
	struct project_list list;

	if (!store_project_list(c->caller.org, c->db, page, one, &list, err)) {
		return false;
	}
	for (size_t i = 0; i < list.n; i++) {
		put_project(&list.rows[i], w);
	}
	*next = list.next;
	return true;
}

static bool put_keys(struct call *c, const struct page *page, struct arena *one,
		     struct page_at *next, struct json_w *w, struct err *err)
{
	struct key_list list;

	if (!store_key_list(c->caller.org, c->db, (struct project_id) { 0 }, page, one, &list,
			    err)) {
		return false;
	}
	for (size_t i = 0; i < list.n; i++) {
		keys_write(&list.rows[i], w);
	}
	*next = list.next;
	return true;
}

static bool put_rule(const struct rule_row *row, struct arena *one, struct json_w *w,
		     struct err *err)
{
	bool ok;

	json_w_object(w);
	show_id(w, "projectId", ID_PROJECT, row->project.v);
	json_w_key(w, "rule");
	ok = rules_write(row, one, w, err);
	json_w_end(w);
	return ok;
}

static bool put_rules(struct call *c, const struct page *page, struct arena *one,
		      struct page_at *next, struct json_w *w, struct err *err)
{
	struct rule_list list;

	if (!store_rule_list(c->caller.org, c->db, (struct project_id) { 0 }, page, one, &list,
			     err)) {
		return false;
	}
	for (size_t i = 0; i < list.n; i++) {
		if (!put_rule(&list.rows[i], one, w, err)) {
			return false;
		}
	}
	*next = list.next;
	return true;
}

static const struct {
	const char *name;
	part_fn *put;
} parts[] = {
	{ "projects", put_projects }, { "keys", put_keys },	  { "rules", put_rules },
	{ "members", put_members },   { "invites", put_invites },
};

static bool put_part(struct call *c, const char *name, part_fn *put, struct json_w *w,
		     struct err *err)
{
	struct page page = { .limit = PAGE_ROWS_MAX };
	struct arena one;
	bool ok;

	json_w_key(w, name);
	json_w_array(w);
	arena_init(&one, 0);
	do {
		arena_clear(&one);
		ok = put(c, &page, &one, &page.after, w, err);
	} while (ok && page.after.id != 0 && !w->out->overflow);
	arena_release(&one);
	json_w_end(w);
	return ok;
}

static bool get_export(struct call *c, struct err *err)
{
	struct audit_note note = { .action = AUDIT_ORG_EXPORT, .user = c->caller.user };
	struct org_row org;
	struct json_w w;

	if (!org_find_current(c, &org, err)) {
		return false;
	}
	w = call_json(c, 200);
	json_w_object(&w);
	json_put_time(&w, "exportedAt", c->now_us);
	json_w_key(&w, "org");
	org_write(c, &org, &w);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (!put_part(c, parts[i].name, parts[i].put, &w, err)) {
			return false;
		}
	}
	json_w_end(&w);
	note.target = AUDIT_ON_ORG;
	note.target_id = audit_id(c, ID_ORG, org.id.v);
	note.target_name = org.name;
	return audit_alone(c, &note, err);
}

static const struct prop project_props[] = {
	PROP_ID("id", ID_PROJECT),
	PROP_STR("slug"),
	PROP_STR("name"),
	PROP_BOOL("isDefault"),
	PROP_STR("environments", .many = PROP_LIST),
	PROP_STR("origins", .many = PROP_LIST),
	PROP_TIME("createdAt"),
};
static const struct shape shape_project = { SHAPE_PROPS(project_props) };
static const struct prop rule_props[] = {
	PROP_ID("projectId", ID_PROJECT),
	PROP_SHAPE("rule", &shape_rule, .help = "Secrets of channels are masked."),
};
static const struct shape shape_rule_row = { SHAPE_PROPS(rule_props) };
static const struct prop export_props[] = {
	PROP_TIME("exportedAt"),
	PROP_SHAPE("org", &shape_org),
	PROP_SHAPE("projects", &shape_project, .many = PROP_LIST),
	PROP_SHAPE("keys", &shape_key, .many = PROP_LIST, .help = "Without what they are."),
	PROP_SHAPE("rules", &shape_rule_row, .many = PROP_LIST),
	PROP_SHAPE("members", &shape_member, .many = PROP_LIST),
	PROP_SHAPE("invites", &shape_invite, .many = PROP_LIST),
};
static const struct shape shape_export = { .name = "OrgExport",
					   .help = "All that an organization has set up.",
					   SHAPE_PROPS(export_props) };

static const struct route rows[] = {
	{
		.method = HTTP_GET,
		.path = "/api/v1/orgs/:id/export",
		.name = "exportOrg",
		.tag = "Organizations",
		.summary = "All that the organization has set up",
		.who = WHO_USER,
		.role = ROLE_OWNER,
		.proof = true,
		.doc = "Projects, keys (without what they are), rules, members and invites. For "
		       "events there is GET /api/v1/events/export, by project.",
		.params = { ROUTE_ID_OR(ID_ORG, "current") },
		.audits = { AUDIT_ORG_EXPORT },
		.replies = { { .status = 200, .help = "One document.", .shape = &shape_export } },
		.work = get_export,
	},
};
const struct route_set routes_orgs_export = { rows, ARRAY_LEN(rows) };
