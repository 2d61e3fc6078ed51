/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PulseBoard's projects. Its users owned projects; here organizations do, and whoever is a member
 * sees all of them. The key of a project is shown whole when it is made, then by its first letters.
 */
#include "api/projects.h"

#include "api/api.h"
#include "api/route.h"
#include "api/show.h"
#include "base/json_put.h"
#include "model/month.h"
#include "store/rollups.h"

#define COUNT_US (30 * DAY_US) /* as long as it kept events */
#define COUNT_ROWS_MAX ((size_t)(COUNT_US / ROLLUP_HOUR_US + 2) * SEVERITIES)

struct project_fields {
	struct slice name;
};

static const struct field project_rows[] = {
	FIELD_STR(struct project_fields, name, "name", .min = 1, .max = PROJECT_NAME_CHARS_MAX,
		  .flags = FIELD_REQUIRED, .example = "Web shop"),
};

/* By hour, from the counts that the engine keeps: no event is read for it. */
static bool count_events(struct call *c, const struct project_row *row, uint64_t *out,
			 struct err *err)
{
	int64_t from_us = c->now_us - c->now_us % ROLLUP_HOUR_US - COUNT_US;
	struct rollup_filter filter = { .project = row->id,
					.step_us = ROLLUP_HOUR_US,
					.from_us = from_us,
					.to_us = c->now_us + ROLLUP_HOUR_US };
	struct rollup_list list;

	*out = 0;
	if (!store_rollup_list(row->org, c->db, &filter, COUNT_ROWS_MAX, c->req, &list, err)) {
		return false;
	}
	for (size_t i = 0; i < list.n; i++) {
		*out += list.rows[i].count;
	}
	return true;
}

static void write_row(const struct project_row *row, struct slice key, struct json_w *w)
{
	show_id(w, "id", ID_PROJECT, row->id.v);
	json_put_str(w, "name", row->name);
	json_put_str_or_null(w, "apiKey", key);
	json_w_key(w, "userId");
	if (row->owner.v == 0) {
		json_w_null(w);
	} else {
		json_w_str(w, slice_of(id_format(ID_USER, row->owner.v).p));
	}
	json_put_time(w, "createdAt", row->created_us);
	json_put_time(w, "updatedAt", row->created_us);
}

static bool write_project(struct call *c, const struct project_row *row, struct json_w *w,
			  struct err *err)
{
	struct key_row key = { 0 };
	uint64_t n;

	if (store_key_newest(row->org, c->db, row->id, c->now_us, c->req, &key, err) == FAILED ||
	    !count_events(c, row, &n, err)) {
		return false;
	}
	json_w_object(w);
	write_row(row, key.prefix, w);
	json_w_key(w, "_count");
	json_w_object(w);
	json_put_int(w, "events", (int64_t)n);
	json_w_end(w);
	json_w_end(w);
	return true;
}

/* {"success": true, "data": and then the data. */
static struct json_w begin(struct call *c, int status)
{
	struct json_w w = call_json(c, status);

	json_w_object(&w);
	json_put_bool(&w, "success", true);
	json_w_key(&w, "data");
	return w;
}

static bool write_page(struct call *c, const struct project_list *list, struct json_w *w,
		       struct err *err)
{
	for (size_t i = 0; i < list->n; i++) {
		if (!write_project(c, &list->rows[i], w, err)) {
			return false;
		}
	}
	return true;
}

/* An organization has at most PROJECTS_PER_ORG_MAX, which is a page. */
static bool list_projects(struct call *c, struct err *err)
{
	struct page page = { .limit = PAGE_ROWS_MAX };
	struct project_row own;
	struct project_list list = { .rows = &own, .n = 1 };
	struct json_w w;

	if (c->caller.key.v != 0
		    ? !projects_find(c, S("current"), &own, err)
		    : !store_project_list(c->caller.org, c->db, &page, c->req, &list, err)) {
		return false;
	}
	w = begin(c, 200);
	json_w_array(&w);
	if (!write_page(c, &list, &w, err)) {
		return false;
	}
	json_w_end(&w);
	json_w_end(&w);
	return true;
}

static bool get_project(struct call *c, struct err *err)
{
	struct project_row row;
	struct json_w w;

	if (!projects_find(c, c->params[0], &row, err)) {
		return false;
	}
	w = begin(c, 200);
	if (!write_project(c, &row, &w, err)) {
		return false;
	}
	json_w_end(&w);
	return true;
}

static bool post_project(struct call *c, struct err *err)
{
	struct project_made made = { .key.scopes = SCOPE_EVENTS_READ | SCOPE_EVENTS_WRITE };
	struct fields_in how = { .ignore_unknown = true };
	struct project_fields in = { 0 };
	const struct json *body;
	struct json_w w;

	if (!call_body(c, &body, err) ||
	    !fields_parse(body, project_rows, ARRAY_LEN(project_rows), &in, &how, c->req, err)) {
		return false;
	}
	made.row.name = in.name;
	made.row.owner = c->caller.user;
	if (!projects_make(c, &made, err)) {
		return false;
	}
	w = begin(c, 201);
	json_w_object(&w);
	write_row(&made.row, made.key.secret, &w);
	json_w_end(&w);
	json_w_end(&w);
	return true;
}

static bool delete_project(struct call *c, struct err *err)
{
	struct project_row row;
	struct json_w w;

	if (!projects_find(c, c->params[0], &row, err) || !projects_delete(c, &row, err)) {
		return false;
	}
	w = call_json(c, 200);
	json_w_object(&w);
	json_put_bool(&w, "success", true);
	json_put_str(&w, "message", S("Project deleted"));
	json_w_end(&w);
	return true;
}

static bool delete_events(struct call *c, struct err *err)
{
	struct project_row row;
	struct json_w w;
	uint64_t n;

	if (!projects_find(c, c->params[0], &row, err) || !count_events(c, &row, &n, err) ||
	    !projects_delete_events(c, row.id, err)) {
		return false;
	}
	w = begin(c, 200);
	json_w_object(&w);
	json_put_int(&w, "deletedCount", (int64_t)n);
	json_w_end(&w);
	json_w_end(&w);
	return true;
}

static const struct field_set project_fields = { project_rows, ARRAY_LEN(project_rows) };
static const struct shape shape_project_in = { .fields = &project_fields,
					       .sent = true,
					       .open = true };

static const struct prop made_props[] = {
	PROP_ID("id", ID_PROJECT),
	PROP_STR("name", .example = "\"Web shop\""),
	PROP_STR("apiKey", .flags = PROP_NULL,
		 .help = "The whole key when the project is made, later its first letters.",
		 .example = "\"sk_4f1d0b27c...\""),
	PROP_ID("userId", ID_USER, .flags = PROP_NULL, .help = "Who answers for it."),
	PROP_TIME("createdAt"),
	PROP_TIME("updatedAt"),
};
static const struct shape shape_made = { .name = "PulseBoardProject",
					 .help = "A project in PulseBoard's form.",
					 SHAPE_PROPS(made_props) };
static const struct prop count_props[] = { PROP_INT("events", .help = "Of the last 30 days.") };
static const struct shape shape_count = { SHAPE_PROPS(count_props) };
static const struct prop project_props[] = { PROP_SHAPE("_count", &shape_count) };
static const struct shape shape_project = { .also = &shape_made, SHAPE_PROPS(project_props) };

static const struct prop list_reply_props[] = {
	PROP_BOOL("success"),
	PROP_SHAPE("data", &shape_project, .many = PROP_LIST),
};
static const struct shape shape_list_reply = { SHAPE_PROPS(list_reply_props) };
static const struct prop reply_props[] = { PROP_BOOL("success"),
					   PROP_SHAPE("data", &shape_project) };
static const struct shape shape_reply = { SHAPE_PROPS(reply_props) };
static const struct prop made_reply_props[] = { PROP_BOOL("success"),
						PROP_SHAPE("data", &shape_made) };
static const struct shape shape_made_reply = { SHAPE_PROPS(made_reply_props) };
static const struct prop message_props[] = { PROP_BOOL("success"), PROP_STR("message") };
static const struct shape shape_message = { SHAPE_PROPS(message_props) };
static const struct prop deleted_props[] = { PROP_INT("deletedCount") };
static const struct shape shape_deleted = { SHAPE_PROPS(deleted_props) };
static const struct prop deleted_reply_props[] = { PROP_BOOL("success"),
						   PROP_SHAPE("data", &shape_deleted) };
static const struct shape shape_deleted_reply = { SHAPE_PROPS(deleted_reply_props) };

#define SHOWN \
	"projects are the organization's; apiKey is shown whole once, then its first letters; " \
	"updatedAt is createdAt; _count is of the last 30 days"

static const struct route rows[] = {
	{
		.method = HTTP_GET,
		.path = "/projects",
		.name = "pulseboardListProjects",
		.older = "PulseBoard",
		.summary = "List projects, newest first",
		.differs = SHOWN,
		.who = WHO_CALLER,
		.scope = SCOPE_SETTINGS_READ,
		.role = ROLE_VIEWER,
		.replies = { { .status = 200, .help = "All.", .shape = &shape_list_reply } },
		.work = list_projects,
	},
	{
		.method = HTTP_POST,
		.path = "/projects",
		.name = "pulseboardCreateProject",
		.older = "PulseBoard",
		.summary = "Create a project",
		.differs = "it takes the role of an admin; apiKey is shown this once; updatedAt is "
			   "createdAt",
		.who = WHO_USER,
		.role = ROLE_ADMIN,
		.body_max = KEY_BODY_BYTES_MAX,
		.bodies = { { .shape = &shape_project_in } },
		.replies = { { .status = 201,
			       .help = "The project, with its key.",
			       .shape = &shape_made_reply } },
		.errors = { ERR_LIMIT, ERR_CONFLICT },
		.audits = { AUDIT_PROJECT_CREATE, AUDIT_KEY_CREATE, AUDIT_PROJECT_UPDATE },
		.work = post_project,
	},
	{
		.method = HTTP_GET,
		.path = "/projects/:id",
		.name = "pulseboardGetProject",
		.older = "PulseBoard",
		.summary = "Get one project",
		.differs = SHOWN,
		.who = WHO_CALLER,
		.scope = SCOPE_SETTINGS_READ,
		.role = ROLE_VIEWER,
		.params = { ROUTE_ID(ID_PROJECT) },
		.replies = { { .status = 200, .help = "The project.", .shape = &shape_reply } },
		.work = get_project,
	},
	{
		.method = HTTP_DELETE,
		.path = "/projects/:id",
		.name = "pulseboardDeleteProject",
		.older = "PulseBoard",
		.summary = "Delete a project with all that is in it",
		.differs = "it takes the role of an admin who gave his password a short time ago; "
			   "the default project is 409",
		.who = WHO_USER,
		.role = ROLE_ADMIN,
		.proof = true,
		.params = { ROUTE_ID(ID_PROJECT) },
		.replies = { { .status = 200, .help = "It is gone.", .shape = &shape_message } },
		.errors = { ERR_CONFLICT, ERR_DISK_FULL },
		.audits = { AUDIT_RULE_DELETE, AUDIT_EVENTS_DELETE, AUDIT_PROJECT_DELETE },
		.work = delete_project,
	},
	{
		.method = HTTP_DELETE,
		.path = "/projects/:id/events",
		.name = "pulseboardDeleteEvents",
		.older = "PulseBoard",
		.summary = "Delete a project's events",
		.differs = "they are hidden at once and off the disk within a day; deletedCount "
			   "is of the last 30 days",
		.who = WHO_CALLER,
		.scope = SCOPE_SETTINGS_WRITE,
		.role = ROLE_ADMIN,
		.params = { ROUTE_ID(ID_PROJECT) },
		.replies = { { .status = 200,
			       .help = "They are hidden.",
			       .shape = &shape_deleted_reply } },
		.errors = { ERR_DISK_FULL },
		.audits = { AUDIT_EVENTS_DELETE },
		.work = delete_events,
	},
};
const struct route_set routes_pulseboard_projects = { rows, ARRAY_LEN(rows) };
