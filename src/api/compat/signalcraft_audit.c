/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SignalCraft's audit log: ours under its names. Its resource is our target, its user our actor;
 * a word that no action or target has matches nothing, as it did there.
 */
#include "api/compat/compat.h"

#include "api/api.h"
#include "api/audits.h"
#include "api/page.h"
#include "api/route.h"
#include "api/show.h"
#include "base/json_put.h"

struct logs_in {
	struct slice user, action, resource;
	int64_t from_us, to_us;
};

static const struct field logs_rows[] = {
	FIELD_STR(struct logs_in, user, "userId", .help = "Only what this user or key did."),
	FIELD_STR(struct logs_in, action, "action",
		  .help = "Only this action, such as key.create."),
	FIELD_STR(struct logs_in, resource, "resourceType", .help = "Only what was done to such."),
	FIELD_TIME(struct logs_in, from_us, "startDate", .help = "At this time or later."),
	FIELD_TIME(struct logs_in, to_us, "endDate", .help = "Before this time."),
};
static const struct field_set logs_query = { logs_rows, ARRAY_LEN(logs_rows) };

static bool read_filter(struct call *c, struct audit_filter *out, struct err *err)
{
	struct logs_in in = { 0 };

	if (!call_query_fields(c, logs_rows, ARRAY_LEN(logs_rows), &in, err)) {
		return false;
	}
	*out = (struct audit_filter) { .actor_id = in.user,
				       .action = in.action,
				       .target = in.resource,
				       .from_us = in.from_us,
				       .to_us = in.to_us };
	return true;
}

static void write_log(const struct audit_entry *e, struct json_w *w)
{
	json_w_object(w);
	show_id(w, "id", ID_AUDIT, e->id.v);
	show_id(w, "workspaceId", ID_ORG, e->org.v);
	json_put_str_or_null(w, "userId", e->actor_id);
	json_put_str_or_null(w, "userName", e->actor_name);
	json_put_str(w, "action", e->action);
	json_put_str_or_null(w, "resourceType", e->target);
	json_put_str_or_null(w, "resourceId", e->target_id);
	json_w_key(w, "changes");
	json_w_object(w);
	json_put_raw(w, "before", e->before, "null");
	json_put_raw(w, "after", e->after, "null");
	json_w_end(w);
	json_put_str_or_null(w, "ipAddress", e->address);
	json_put_str_or_null(w, "userAgent", e->agent);
	json_put_time(w, "createdAt", e->at_us);
	json_w_end(w);
}

static bool list_logs(struct call *c, struct err *err)
{
	struct audit_filter filter;
	struct page page = { 0 };
	struct audit_list list;
	struct json_w w;

	if (!read_filter(c, &filter, err) || !call_query_limit(c, 50, 100, &page.limit, err) ||
	    !call_query_offset(c, &page.offset, err) ||
	    !store_audit_list(c->caller.org, c->db, &filter, &page, c->req, &list, err)) {
		return false;
	}
	w = call_json(c, 200);
	json_w_object(&w);
	json_w_key(&w, "logs");
	json_w_array(&w);
	for (size_t i = 0; i < list.n; i++) {
		write_log(&list.rows[i], &w);
	}
	json_w_end(&w);
	json_put_int(&w, "limit", (int64_t)page.limit);
	json_put_int(&w, "offset", (int64_t)page.offset);
	json_put_bool(&w, "hasMore", list.next.id != 0);
	json_w_end(&w);
	return true;
}

static void export_logs(struct call *c)
{
	struct audit_filter filter;

	if (!read_filter(c, &filter, &c->err)) {
		call_problem(c, &c->err);
		call_send(c);
		return;
	}
	audits_send(c, &filter, true);
}

static const struct prop changes_props[] = {
	PROP_OBJECT("before", .flags = PROP_NULL),
	PROP_OBJECT("after", .flags = PROP_NULL),
};
static const struct shape shape_changes = { SHAPE_PROPS(changes_props) };
static const struct prop log_props[] = {
	PROP_ID("id", ID_AUDIT),
	PROP_ID("workspaceId", ID_ORG),
	PROP_STR("userId", .flags = PROP_NULL, .help = "The user or key.",
		 .example = "\"usr_7XVFGFTEDR1CR\""),
	PROP_STR("userName", .flags = PROP_NULL, .example = "\"Mia\""),
	PROP_WORD("action", audit_words + 1),
	PROP_WORD("resourceType", audit_target_words + 1, .flags = PROP_NULL),
	PROP_STR("resourceId", .flags = PROP_NULL, .example = "\"rul_7XVFGFTEDR1CR\""),
	PROP_SHAPE("changes", &shape_changes),
	PROP_STR("ipAddress", .flags = PROP_NULL, .example = "\"192.0.2.7\""),
	PROP_STR("userAgent", .flags = PROP_NULL, .example = "\"curl/8.5.0\""),
	PROP_TIME("createdAt"),
};
static const struct shape shape_log = { .name = "SignalCraftAuditLog", SHAPE_PROPS(log_props) };
static const struct prop logs_props[] = {
	PROP_SHAPE("logs", &shape_log, .many = PROP_LIST),
	PROP_INT("limit", .min = 1),
	PROP_INT("offset"),
	PROP_BOOL("hasMore", .help = "Whether older ones follow."),
};
static const struct shape shape_logs = { .name = "SignalCraftAuditLogs", SHAPE_PROPS(logs_props) };

static const struct route rows[] = {
	{
		.method = HTTP_GET,
		.path = "/api/audit/logs",
		.name = "signalcraftListAudit",
		.older = "SignalCraft",
		.summary = "List what was changed",
		.differs = "actions and resources have our words; offset ends at 100,000, cursors "
			   "of GET /api/v1/audit go deeper",
		.who = WHO_USER,
		.role = ROLE_ADMIN,
		.query = { &logs_query, &older_page_query },
		.replies = { { .status = 200, .help = "Newest first.", .shape = &shape_logs } },
		.work = list_logs,
	},
	{
		.method = HTTP_GET,
		.path = "/api/audit/logs/export",
		.name = "signalcraftExportAudit",
		.older = "SignalCraft",
		.summary = "What was changed, as CSV",
		.differs = "the columns are those of GET /api/v1/audit/export, oldest first",
		.who = WHO_USER,
		.role = ROLE_ADMIN,
		.query = { &logs_query },
		.replies = { { .status = 200, .help = "A table.", .type = "text/csv" } },
		.errors = { ERR_OVERLOADED },
		.loop = export_logs,
	},
};
const struct route_set routes_signalcraft_audit = { rows, ARRAY_LEN(rows) };
