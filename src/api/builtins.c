/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules that every org has without making them (model/builtin.h): seen, switched, and set. They
 * belong to the org's default project, and the engine has them; what is not in the store is as the
 * program has it.
 */
#include <stdio.h>

#include "api/action.h"
#include "api/api.h"
#include "api/change.h"
#include "api/match.h"
#include "api/route.h"
#include "api/rules.h"
#include "base/json_put.h"
#include "model/builtin.h"
#include "model/rule_json.h"
#include "store/sayings.h"

#define PATCH_TRIES 5 /* against others who change the same rule */

static const char *const members[] = { "threshold", "windowSeconds", "cooldownSeconds",
				       "severity",  "enabled",	     "actions" };

/* One of them as it is for the caller's org. */
struct own {
	enum builtin which;
	struct rule_def def;
	int64_t updated_us; /* 0: nobody has changed it */
};

/* NOT_FOUND: the caller is in another project, or the org has no default one. */
static enum found in_default(struct call *c, struct err *err)
{
	struct project_row project;
	enum found found = store_project_default(c->caller.org, c->db, c->req, &project, err);

	return found == FOUND && project.id.v != c->caller.project.v ? NOT_FOUND : found;
}

static bool read_own(struct call *c, const struct builtin_list *changed, enum builtin which,
		     struct own *out, struct err *err)
{
	*out = (struct own) { .which = which,
			      .def = builtin_def(&journal_meta(c->api->journal)->hash,
						 c->caller.org, c->caller.project, which) };
	for (size_t i = 0; i < changed->n; i++) {
		const struct builtin_row *row = &changed->rows[i];

		if (slice_eq(row->name, slice_of(builtin_word(which)))) {
			struct rule_id id = out->def.id;

			if (!rule_def_read(row->definition, c->req, &out->def, err)) {
				return false;
			}
			out->def.id = id;
			out->def.version = row->version;
			out->updated_us = row->updated_us;
		}
	}
	return true;
}

static void write_own(struct call *c, const struct own *own, struct json_w *w)
{
	struct id_text id = id_format(ID_RULE, own->def.id.v);
	struct id_text project = id_format(ID_PROJECT, c->caller.project.v);

	json_w_object(w);
	json_put_str(w, "builtin", slice_of(builtin_word(own->which)));
	json_put_str(w, "id", slice_of(id.p));
	json_put_str(w, "projectId", slice_of(project.p));
	rule_def_write(&own->def, action_show, c->req, w);
	json_put_int(w, "version", (int64_t)own->def.version);
	json_put_time_or_null(w, "updatedAt", own->updated_us);
	json_w_end(w);
}

static bool list_builtins(struct call *c, struct err *err)
{
	enum found found = in_default(c, err);
	struct builtin_list changed = { 0 };
	struct json_w w;

	if (found == FAILED || !store_builtin_list(c->caller.org, c->db, c->req, &changed, err)) {
		return false;
	}
	w = call_json(c, 200);
	json_w_object(&w);
	json_w_key(&w, "data");
	json_w_array(&w);
	for (enum builtin i = 0; found == FOUND && i < BUILTINS; i++) {
		struct own own;

		if (!read_own(c, &changed, i, &own, err)) {
			return false;
		}
		write_own(c, &own, &w);
	}
	json_w_end(&w);
	json_w_end(&w);
	return true;
}

static bool find_own(struct call *c, struct own *own, struct err *err)
{
	struct builtin_list changed;
	enum builtin which;

	if (builtin_parse(c->params[0], &which)) {
		switch (in_default(c, err)) {
		case FOUND:
			return store_builtin_list(c->caller.org, c->db, c->req, &changed, err) &&
			       read_own(c, &changed, which, own, err);
		case FAILED:
			return false;
		case NOT_FOUND:
			break;
		}
	}
	return err_set(err, ERR_NOT_FOUND, "there is no such rule");
}

static bool get_builtin(struct call *c, struct err *err)
{
	struct own own;
	struct json_w w;

	if (!find_own(c, &own, err)) {
		return false;
	}
	w = call_json(c, 200);
	match_tell(c, own.def.version);
	write_own(c, &own, &w);
	return true;
}

/* What it is about is the program's; names that no rule has are refused by the table of rules. */
static bool may_change(const struct json *body, struct err *err)
{
	char name[FIELD_PATH_MAX];

	json_each(member, body)
	{
		bool known = false;

		for (size_t i = 0; i < ARRAY_LEN(members); i++) {
			known = known || slice_eq(member->key, slice_of(members[i]));
		}
		if (!known &&
		    fields_find(rule_field_rows, rule_field_rows_n, member->key) != NULL) {
			snprintf(name, sizeof(name), "%.*s", SARG(member->key));
			return err_field(err, ERR_INVALID, name,
					 "\"%s\" of a built-in rule cannot be changed", name);
		}
	}
	return true;
}

static bool try_change(struct call *c, const struct json *body, uint64_t expect, struct err *err)
{
	struct rule_json_in in = { .check = action_check, .arg = &c->api->policy };
	struct control control = { .op = CONTROL_BUILTIN_PUT };
	struct own own;

	if (!find_own(c, &own, err) || !match_check("rule", expect, own.def.version, err) ||
	    !rule_def_patch(&own.def, body, &in, c->req, &control.rule, err)) {
		return false;
	}
	control.builtin = own.which;
	control.rule_id = own.def.id;
	control.expect = own.def.version;
	return rules_tell(c, AUDIT_RULE_UPDATE, &own.def, &control, err) &&
	       change_apply(c, &control, err);
}

static bool change_builtin(struct call *c, struct err *err)
{
	const struct json *body;
	uint64_t expect;
	bool ok = false;

	if (!call_body(c, &body, err) || !match_read(c, "rule", &expect, err)) {
		return false;
	}
	if (body->type == JSON_OBJECT && !may_change(body, err)) {
		return false;
	}
	for (int i = 0; i < PATCH_TRIES && !ok; i++) {
		ok = try_change(c, body, expect, err);
		if (!ok && (err->kind != ERR_PRECONDITION || expect != 0)) {
			return false;
		}
	}
	return ok && get_builtin(c, err);
}

static const struct prop head_props[] = {
	PROP_WORD("builtin", builtin_words, .help = "Which of them it is."),
	PROP_ID("id", ID_RULE, .help = "As its alerts name it."),
	PROP_ID("projectId", ID_PROJECT, .help = "The org's default project."),
};
static const struct shape shape_head = { SHAPE_PROPS(head_props) };
static const struct prop builtin_props[] = {
	PROP_SHAPE("actions", &shape_action, .many = PROP_LIST, .help = "Who is told, and how."),
	PROP_ABSENT("filter"),
	PROP_INT("version", .min = 1, .help = "Counts the changes; 1: as it always was."),
	PROP_TIME("updatedAt", .flags = PROP_NULL, .help = "null: nobody has changed it."),
};
static const struct shape shape_builtin = { .name = "BuiltinRule",
					    .help = "A rule that every organization has.",
					    .also = &shape_head,
					    .fields = &rule_field_set,
					    SHAPE_PROPS(builtin_props) };
static const struct prop list_props[] = {
	PROP_SHAPE("data", &shape_builtin, .many = PROP_LIST, .help = "All of them."),
};
static const struct shape shape_list = { .name = "BuiltinRules",
					 .help = "The rules that every organization has.",
					 SHAPE_PROPS(list_props) };
static const struct prop in_props[] = {
	PROP_SHAPE("actions", &shape_action_in, .many = PROP_LIST, .min = 1,
		   .max = RULE_ACTIONS_MAX, .help = "Who is told, and how.",
		   .example = "[{\"channel\":\"in_app\",\"config\":{}}]"),
	PROP_ABSENT("name"),
	PROP_ABSENT("eventType"),
	PROP_ABSENT("condition"),
	PROP_ABSENT("groupBy"),
	PROP_ABSENT("filter"),
};
static const struct shape shape_in = { .name = "BuiltinRuleInput",
				       .help = "What of a built-in rule can be set.",
				       .fields = &rule_field_set,
				       .sent = true,
				       SHAPE_PROPS(in_props) };

#define WHICH \
	ROUTE_TEXT("Which rule: usage_80, usage_100, dead_letters, source_silent, " \
		   "source_back, payment_failed or quarantine.")

static const struct route rows[] = {
	{
		.method = HTTP_GET,
		.path = "/api/v1/builtin-rules",
		.name = "listBuiltinRules",
		.tag = "Rules",
		.summary = "List the rules that every organization has",
		.doc = "They are not in the list of rules and count for no limit. They are those "
		       "of the organization's default project: callers in another one see none.",
		.who = WHO_CALLER,
		.scope = SCOPE_RULES_READ,
		.role = ROLE_VIEWER,
		.replies = { { .status = 200, .help = "All of them.", .shape = &shape_list } },
		.work = list_builtins,
	},
	{
		.method = HTTP_GET,
		.path = "/api/v1/builtin-rules/:builtin",
		.name = "getBuiltinRule",
		.tag = "Rules",
		.summary = "Get one of the rules that every organization has",
		.who = WHO_CALLER,
		.scope = SCOPE_RULES_READ,
		.role = ROLE_VIEWER,
		.params = { WHICH },
		.replies = { { .status = 200,
			       .help = "The rule.",
			       .shape = &shape_builtin,
			       .headers = REPLY_ETAG } },
		.errors = { ERR_NOT_FOUND },
		.work = get_builtin,
	},
	{
		.method = HTTP_PATCH,
		.path = "/api/v1/builtin-rules/:builtin",
		.name = "changeBuiltinRule",
		.tag = "Rules",
		.summary = "Switch or set one of the rules that all have",
		.doc = "Members that are absent stay as they are. With If-Match only from that "
		       "version; without, on top of whatever there is.",
		.who = WHO_CALLER,
		.scope = SCOPE_RULES_WRITE,
		.role = ROLE_ADMIN,
		.body_max = RULE_BODY_BYTES_MAX,
		.params = { WHICH },
		.match = MATCH_MAY,
		.bodies = { { .shape = &shape_in } },
		.replies = { { .status = 200,
			       .help = "The rule as it is now.",
			       .shape = &shape_builtin,
			       .headers = REPLY_ETAG } },
		.errors = { ERR_NOT_FOUND, ERR_DISK_FULL },
		.audits = { AUDIT_RULE_UPDATE },
		.work = change_builtin,
	},
};
const struct route_set routes_builtins = { rows, ARRAY_LEN(rows) };
