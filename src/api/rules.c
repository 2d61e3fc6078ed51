/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules: what people write is checked here, applied by the engine, and read back from the store,
 * where the engine has put it.
 */
#include "api/rules.h"

#include "api/action.h"
#include "api/api.h"
#include "api/audit.h"
#include "api/change.h"
#include "api/match.h"
#include "api/page.h"
#include "api/route.h"
#include "base/json_put.h"
#include "model/rule_json.h"
#include "store/rules.h"

#define PATCH_TRIES 5 /* against others who change the same rule */

static bool read_row(const struct rule_row *row, struct arena *req, struct rule_def *def,
		     struct err *err)
{
	if (!rule_def_read(row->definition, req, def, err)) {
		return false;
	}
	def->id = row->id;
	def->org = row->org;
	def->project = row->project;
	def->version = row->version;
	return true;
}

bool rules_write(const struct rule_row *row, struct arena *req, struct json_w *w, struct err *err)
{
	struct id_text id = id_format(ID_RULE, row->id.v);
	struct id_text project = id_format(ID_PROJECT, row->project.v);
	struct rule_def def;

	if (!read_row(row, req, &def, err)) {
		return false;
	}
	json_w_object(w);
	json_put_str(w, "id", slice_of(id.p));
	json_put_str(w, "projectId", slice_of(project.p));
	rule_def_write(&def, action_show, req, w);
	json_put_int(w, "version", (int64_t)row->version);
	json_put_time(w, "createdAt", row->created_us);
	json_put_time(w, "updatedAt", row->updated_us);
	json_w_end(w);
	return true;
}

static bool find_rule(struct call *c, struct rule_id *id, struct rule_row *row, struct err *err)
{
	if (id_parse(ID_RULE, c->params[0], &id->v)) {
		switch (store_rule_get(c->caller.org, c->db, c->caller.project, *id, c->req, row,
				       err)) {
		case FOUND:
			return true;
		case FAILED:
			return false;
		case NOT_FOUND:
			break;
		}
	}
	return err_set(err, ERR_NOT_FOUND, "there is no such rule");
}

static bool answer_rule(struct call *c, struct rule_id id, int status, struct err *err)
{
	struct rule_row row;
	struct json_w w;

	switch (store_rule_get(c->caller.org, c->db, c->caller.project, id, c->req, &row, err)) {
	case FAILED:
		return false;
	case NOT_FOUND:
		return err_set(err, ERR_NOT_FOUND, "there is no such rule");
	case FOUND:
		break;
	}
	w = call_json(c, status);
	match_tell(c, row.version);
	return rules_write(&row, c->req, &w, err);
}

/* How rules are read: the older routes ignore members that no rule has. */
static struct rule_json_in how(struct call *c)
{
	return (struct rule_json_in) { .check = action_check,
				       .arg = &c->api->policy,
				       .ignore_unknown = !route_is_strict(c->route) };
}

void rules_reply(const struct rule_row *rule, struct arena *tick, struct reply_row *out)
{
	struct id_text id = id_format(ID_RULE, rule->id.v);
	struct json_w w;
	struct err err;
	struct buf body;

	buf_init(&body, REPLY_BODY_BYTES_MAX);
	json_w_init(&w, &body);
	out->status = 201;
	out->object = arena_dup(tick, slice_of(id.p));
	out->whole = rules_write(rule, tick, &w, &err) && !body.overflow;
	if (out->whole) {
		out->body = arena_dup(tick, buf_slice(&body));
		out->etag = match_tag(tick, rule->version);
	}
	buf_release(&body);
}

/* What the audit log shows of a rule; the settings of actions without their secrets. */
static const char *const shown[] = { "name",	      "eventType",	 "condition", "threshold",
				     "windowSeconds", "cooldownSeconds", "groupBy",   "severity",
				     "enabled",	      "actions",	 NULL };

static struct slice rule_as_shown(struct call *c, const struct rule_def *def)
{
	struct slice text;
	struct json_w w;
	struct buf out;

	buf_init(&out, RULE_BODY_BYTES_MAX);
	json_w_init(&w, &out);
	json_w_object(&w);
	rule_def_write(def, action_show, c->req, &w);
	json_w_end(&w);
	ensure(!out.overflow);
	text = arena_dup(c->req, buf_slice(&out));
	buf_release(&out);
	return text;
}

bool rules_tell(struct call *c, enum audit_action action, const struct rule_def *old,
		struct control *control, struct err *err)
{
	const struct rule_def *new = control->op == CONTROL_RULE_DELETE ? NULL : &control->rule;
	struct audit_note note = {
		.action = action,
		AUDIT_OF(c, RULE, control->rule_id.v, new != NULL ? new->name : old->name),
		.shown = shown,
	};

	if (old != NULL) {
		note.before = rule_as_shown(c, old);
	}
	if (new != NULL) {
		note.after = rule_as_shown(c, new);
	}
	return audit_compose(c, &note, &control->audit, err);
}

bool rules_post(struct call *c, struct err *err)
{
	struct rule_json_in in = how(c);
	struct control control = { .op = CONTROL_RULE_PUT, .rule_id = { id_random() } };
	const struct json *body;

	if (!call_body(c, &body, err) || !rule_def_parse(body, &in, c->req, &control.rule, err)) {
		return false;
	}
	return rules_tell(c, AUDIT_RULE_CREATE, NULL, &control, err) &&
	       change_apply(c, &control, err) && answer_rule(c, control.rule_id, 201, err);
}

/* Without If-Match a change that lost a race is made again on top of the other's. */
bool rules_change(struct call *c, struct err *err)
{
	struct rule_json_in in = how(c);
	struct control control = { .op = CONTROL_RULE_PUT };
	const struct json *body;
	uint64_t expect;

	if (!call_body(c, &body, err) || !match_read(c, "rule", &expect, err)) {
		return false;
	}
	for (int i = 0; i < PATCH_TRIES; i++) {
		struct rule_row row;
		struct rule_def old;

		if (!find_rule(c, &control.rule_id, &row, err) ||
		    !read_row(&row, c->req, &old, err)) {
			return false;
		}
		if (!match_check("rule", expect, row.version, err)) {
			return false;
		}
		if (!rule_def_patch(&old, body, &in, c->req, &control.rule, err) ||
		    !rules_tell(c, AUDIT_RULE_UPDATE, &old, &control, err)) {
			return false;
		}
		control.expect = row.version;
		if (change_apply(c, &control, err)) {
			return answer_rule(c, control.rule_id, 200, err);
		}
		if (err->kind != ERR_PRECONDITION || expect != 0) {
			return false;
		}
	}
	return false;
}

bool rules_get(struct call *c, struct err *err)
{
	struct rule_id id;
	struct rule_row row;

	return find_rule(c, &id, &row, err) && answer_rule(c, id, 200, err);
}

/* Of the version that was read, so that the audit log tells what was deleted. */
static bool try_delete(struct call *c, uint64_t expect, struct err *err)
{
	struct control control = { .op = CONTROL_RULE_DELETE };
	struct rule_row row;
	struct rule_def old;

	if (!find_rule(c, &control.rule_id, &row, err) || !read_row(&row, c->req, &old, err)) {
		return false;
	}
	control.expect = expect != 0 ? expect : row.version;
	return rules_tell(c, AUDIT_RULE_DELETE, &old, &control, err) &&
	       change_apply(c, &control, err);
}

bool rules_delete(struct call *c, struct err *err)
{
	uint64_t expect;
	bool ok = false;

	if (!match_read(c, "rule", &expect, err)) {
		return false;
	}
	for (int i = 0; i < PATCH_TRIES && !ok; i++) {
		ok = try_delete(c, expect, err);
		if (!ok && (err->kind != ERR_PRECONDITION || expect != 0)) {
			return false;
		}
	}
	if (ok) {
		call_empty(c, 204);
	}
	return ok;
}

static bool write_rules(const struct rule_list *list, struct arena *req, struct json_w *w,
			struct err *err)
{
	for (size_t i = 0; i < list->n; i++) {
		if (!rules_write(&list->rows[i], req, w, err)) {
			return false;
		}
	}
	return true;
}

static bool list_rules(struct call *c, struct err *err)
{
	struct rule_list list;
	struct page page;
	struct json_w w;

	if (!page_read(c, ID_RULE, &page, err) ||
	    !store_rule_list(c->caller.org, c->db, c->caller.project, &page, c->req, &list, err)) {
		return false;
	}
	w = page_begin(c);
	if (!write_rules(&list, c->req, &w, err)) {
		return false;
	}
	page_end(c, ID_RULE, list.next, &w);
	return true;
}

/* Page by page, so that only the answer grows with the rules. */
bool rules_write_all(struct call *c, struct json_w *w, struct err *err)
{
	struct page page = { .limit = PAGE_ROWS_MAX };
	struct rule_list list;
	struct arena one;
	bool ok;

	arena_init(&one, 0);
	do {
		arena_clear(&one);
		ok = store_rule_list(c->caller.org, c->db, c->caller.project, &page, &one, &list,
				     err) &&
		     write_rules(&list, &one, w, err);
		page.after = ok ? list.next : (struct page_at) { 0 };
	} while (page.after.id != 0 && !w->out->overflow);
	arena_release(&one);
	return ok;
}

static const struct prop action_props[] = {
	PROP_STR("channel", .help = "How to tell: webhook, in_app.", .example = "\"in_app\""),
	PROP_OBJECT("config", .help = "The settings of the channel; secrets are masked."),
};
const struct shape shape_action = { .name = "Action",
				    .help = "One way in which somebody is told.",
				    SHAPE_PROPS(action_props) };
const struct shape shape_action_in = { .name = "ActionInput",
				       .help = "One way in which somebody is to be told; a "
					       "masked secret keeps its value.",
				       .sent = true,
				       .one_of = true,
				       .forms = action_forms };

static const struct prop rule_in_props[] = {
	PROP_SHAPE("actions", &shape_action_in, .many = PROP_LIST, .min = 1,
		   .max = RULE_ACTIONS_MAX, .help = "Who is told, and how.",
		   .example = "[{\"channel\":\"in_app\",\"config\":{}}]"),
	PROP_ABSENT("filter"), /* the seat of the expression language */
};
static const struct shape shape_rule_in = { .name = "RuleInput",
					    .help = "When is what told to whom.",
					    .fields = &rule_field_set,
					    .sent = true,
					    SHAPE_PROPS(rule_in_props) };
const struct shape shape_open_rule_in = {
	.fields = &rule_field_set, .sent = true, .open = true, SHAPE_PROPS(rule_in_props)
};

static const struct prop rule_id_props[] = { PROP_ID("id", ID_RULE),
					     PROP_ID("projectId", ID_PROJECT) };
static const struct shape shape_rule_id = { SHAPE_PROPS(rule_id_props) };
static const struct prop rule_props[] = {
	PROP_SHAPE("actions", &shape_action, .many = PROP_LIST, .help = "Who is told, and how."),
	PROP_ABSENT("filter"),
	PROP_INT("version", .min = 1, .help = "Counts the changes."),
	PROP_TIME("createdAt"),
	PROP_TIME("updatedAt"),
};
const struct shape shape_rule = { .name = "Rule",
				  .help = "When is what told to whom.",
				  .also = &shape_rule_id,
				  .fields = &rule_field_set,
				  SHAPE_PROPS(rule_props) };
static const struct route rows[] = {
	{
		.method = HTTP_POST,
		.path = "/api/v1/rules",
		.name = "createRule",
		.tag = "Rules",
		.summary = "Create a rule",
		.who = WHO_CALLER,
		.scope = SCOPE_RULES_WRITE,
		.role = ROLE_ADMIN,
		.body_max = RULE_BODY_BYTES_MAX,
		.bodies = { { .shape = &shape_rule_in } },
		.replies = { { .status = 201,
			       .help = "The rule, which counts from now on.",
			       .shape = &shape_rule,
			       .headers = REPLY_ETAG } },
		.errors = { ERR_LIMIT, ERR_NOT_IMPLEMENTED, ERR_DISK_FULL },
		.audits = { AUDIT_RULE_CREATE },
		.work = rules_post,
	},
	{
		.method = HTTP_GET,
		.path = "/api/v1/rules",
		.name = "listRules",
		.tag = "Rules",
		.summary = "List rules, newest first",
		.who = WHO_CALLER,
		.scope = SCOPE_RULES_READ,
		.role = ROLE_VIEWER,
		.query = { &page_query },
		.replies = { { .status = 200,
			       .help = "A page of rules.",
			       .shape = &shape_rule,
			       .page = true } },
		.work = list_rules,
	},
	{
		.method = HTTP_GET,
		.path = "/api/v1/rules/:id",
		.name = "getRule",
		.tag = "Rules",
		.summary = "Get one rule",
		.who = WHO_CALLER,
		.scope = SCOPE_RULES_READ,
		.role = ROLE_VIEWER,
		.params = { ROUTE_ID(ID_RULE) },
		.replies = { { .status = 200,
			       .help = "The rule.",
			       .shape = &shape_rule,
			       .headers = REPLY_ETAG } },
		.work = rules_get,
	},
	{
		.method = HTTP_PATCH,
		.path = "/api/v1/rules/:id",
		.name = "changeRule",
		.tag = "Rules",
		.summary = "Change a rule",
		.who = WHO_CALLER,
		.scope = SCOPE_RULES_WRITE,
		.role = ROLE_ADMIN,
		.body_max = RULE_BODY_BYTES_MAX,
		.params = { ROUTE_ID(ID_RULE) },
		.doc = "Members that are absent stay as they are. With If-Match only from that "
		       "version; without, on top of whatever there is.",
		.match = MATCH_MAY,
		.bodies = { { .shape = &shape_rule_in } },
		.replies = { { .status = 200,
			       .help = "The rule as it is now.",
			       .shape = &shape_rule,
			       .headers = REPLY_ETAG } },
		.errors = { ERR_NOT_IMPLEMENTED, ERR_DISK_FULL },
		.audits = { AUDIT_RULE_UPDATE },
		.work = rules_change,
	},
	{
		.method = HTTP_DELETE,
		.path = "/api/v1/rules/:id",
		.name = "deleteRule",
		.tag = "Rules",
		.summary = "Delete a rule",
		.who = WHO_CALLER,
		.scope = SCOPE_RULES_WRITE,
		.role = ROLE_ADMIN,
		.params = { ROUTE_ID(ID_RULE) },
		.match = MATCH_MAY,
		.replies = { { .status = 204, .help = "It is gone." } },
		.errors = { ERR_DISK_FULL },
		.audits = { AUDIT_RULE_DELETE },
		.work = rules_delete,
	},
};
const struct route_set routes_rules = { rows, ARRAY_LEN(rows) };
