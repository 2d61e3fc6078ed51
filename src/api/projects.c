/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The project of the caller's key: how long its events are kept, and their deletion. A key opens
 * one project, so every other id is as good as none; "current" stands for its own.
 */
#include "api/api.h"
#include "api/change.h"
#include "api/route.h"
#include "api/show.h"
#include "base/clock.h"
#include "base/json_put.h"
#include "store/orgs.h"
#include "store/retention.h"

#define PROJECT_BODY_BYTES_MAX ((size_t)16 << 10)
#define PURGE_US (INT64_C(86400) * US_PER_S) /* in which deleted events leave the disk */

struct project_fields {
	int64_t days;
};

static const struct field rows_of_body[] = {
	FIELD_INT(struct project_fields, days, "retentionDays", .max = RETENTION_DAYS_MAX,
		  .help = "For how many days events are kept; 0: for ever, null: as the server is "
			  "set."),
};

static bool find_project(struct call *c, struct project_row *row, struct err *err)
{
	struct project_id id = c->caller.project;

	if (slice_eq(c->params[0], S("current")) ||
	    (id_parse(ID_PROJECT, c->params[0], &id.v) && id.v == c->caller.project.v)) {
		switch (store_project_get(c->caller.org, c->db, id, c->req, row, err)) {
		case FOUND:
			return true;
		case FAILED:
			return false;
		case NOT_FOUND:
			break;
		}
	}
	return err_set(err, ERR_NOT_FOUND, "there is no such project");
}

static void write_deletion(struct call *c, const struct retention_row *kept, struct json_w *w)
{
	json_w_key(w, "deletion");
	if (kept->deleted_seq == 0) {
		json_w_null(w);
		return;
	}
	json_w_object(w);
	show_log_id(c, w, "before", ID_EVENT, kept->deleted_seq, kept->deleted_us);
	json_put_time(w, "deletedAt", kept->deleted_us);
	json_put_time_or_null(w, "purgedAt", kept->purged_us);
	json_w_end(w);
}

static bool answer_project(struct call *c, const struct project_row *row, struct err *err)
{
	struct retention_row kept;
	struct json_w w;

	if (store_retention_get(row->org, c->db, row->id, c->req, &kept, err) == FAILED) {
		return false;
	}
	w = call_json(c, 200);
	json_w_object(&w);
	show_id(&w, "id", ID_PROJECT, row->id.v);
	json_put_str(&w, "slug", row->slug);
	json_put_str(&w, "name", row->name);
	json_put_bool(&w, "isDefault", row->is_default);
	json_w_key(&w, "retentionDays");
	if (kept.days == RETENTION_DEFAULT) {
		json_w_null(&w);
	} else {
		json_w_int(&w, kept.days);
	}
	json_put_int(&w, "effectiveRetentionDays", retain_days(c->api->retain, row->org, row->id));
	write_deletion(c, &kept, &w);
	json_put_time(&w, "createdAt", row->created_us);
	json_w_end(&w);
	return true;
}

static bool get_project(struct call *c, struct err *err)
{
	struct project_row row;

	return find_project(c, &row, err) && answer_project(c, &row, err);
}

/* What may have been purged until now stays hidden: a longer time brings nothing back. */
static bool set_days(struct call *c, const struct project_row *row, int64_t days, struct err *err)
{
	struct retain *retain = c->api->retain;
	int64_t gone_us = retain_gone(retain, row->org, row->id, c->now_us);

	if (!store_retention_set(row->org, c->db, row->id, days, gone_us, err)) {
		return false;
	}
	retain_set(retain, row->org, row->id, days, gone_us);
	return true;
}

static bool patch_project(struct call *c, struct err *err)
{
	struct project_fields in = { 0 };
	struct fields_in how = { .partial = true };
	const struct json *body, *days;
	struct project_row row;
	bool ok = true;

	if (!find_project(c, &row, err) || !call_body(c, &body, err) ||
	    !fields_parse(body, rows_of_body, ARRAY_LEN(rows_of_body), &in, &how, c->req, err)) {
		return false;
	}
	days = json_get(body, "retentionDays");
	if (days != NULL) {
		/* One at a time, so that memory and store end with the same. */
		ensure(pthread_mutex_lock(&c->api->admin) == 0);
		ok = set_days(c, &row, days->type == JSON_NULL ? RETENTION_DEFAULT : in.days, err);
		ensure(pthread_mutex_unlock(&c->api->admin) == 0);
	}
	return ok && answer_project(c, &row, err);
}

/* Whoever sends this has to know which project it is about. */
static bool check_confirm(struct call *c, struct err *err)
{
	struct slice text;
	uint64_t id;

	return (call_query(c, "confirm", &text) && id_parse(ID_PROJECT, text, &id) &&
		id == c->caller.project.v) ||
	       err_field(err, ERR_INVALID, "confirm",
			 "\"confirm\" must be the id of the project whose events are to be "
			 "deleted; GET /api/v1/projects/current has it");
}

static bool delete_events(struct call *c, struct err *err)
{
	struct control control = { .op = CONTROL_EVENTS_DELETE };
	struct retention_row kept;
	struct json_w w;

	if (!check_confirm(c, err) || !change_apply(c, &control, err) ||
	    store_retention_get(c->caller.org, c->db, c->caller.project, c->req, &kept, err) ==
		    FAILED) {
		return false;
	}
	w = call_json(c, 202);
	json_w_object(&w);
	show_id(&w, "projectId", ID_PROJECT, c->caller.project.v);
	show_log_id(c, &w, "before", ID_EVENT, kept.deleted_seq, kept.deleted_us);
	json_put_time(&w, "deletedAt", kept.deleted_us);
	json_put_str(&w, "status", S("hidden"));
	json_put_time(&w, "purgedBy", kept.deleted_us + PURGE_US);
	json_w_end(&w);
	return true;
}

static const struct field_set project_fields = { rows_of_body, ARRAY_LEN(rows_of_body) };
static const struct shape shape_project_in = { .name = "Project",
					       .help = "What can be changed of a project.",
					       .fields = &project_fields,
					       .sent = true };
static const struct prop deletion_props[] = {
	PROP_ID("before", ID_EVENT, .help = "Older events are deleted."),
	PROP_TIME("deletedAt"),
	PROP_TIME("purgedAt", .flags = PROP_NULL, .help = "When they had left the disk."),
};
static const struct shape shape_deletion = { SHAPE_PROPS(deletion_props) };
static const struct prop project_props[] = {
	PROP_ID("id", ID_PROJECT),
	PROP_STR("slug", .example = "\"default\""),
	PROP_STR("name", .example = "\"Default\""),
	PROP_BOOL("isDefault"),
	PROP_INT("retentionDays", .flags = PROP_NULL, .example = "null",
		 .help = "null: as the server is set; 0: for ever."),
	PROP_INT("effectiveRetentionDays", .example = "0", .help = "What holds; 0: for ever."),
	PROP_SHAPE("deletion", &shape_deletion, .flags = PROP_NULL, .example = "null",
		   .help = "The last deletion of all events."),
	PROP_TIME("createdAt"),
};
static const struct shape shape_project = { .name = "Project",
					    .help = "Where events belong.",
					    SHAPE_PROPS(project_props) };

static const char *const hidden_words[] = { "hidden", NULL };
static const struct prop deleted_props[] = {
	PROP_ID("projectId", ID_PROJECT),
	PROP_ID("before", ID_EVENT, .help = "Older events are deleted."),
	PROP_TIME("deletedAt"),
	PROP_WORD("status", hidden_words),
	PROP_TIME("purgedBy", .help = "By then they have left the disk."),
};
static const struct shape shape_deleted = { .name = "EventsDeleted",
					    .help = "Nobody sees them from now on.",
					    SHAPE_PROPS(deleted_props) };

struct delete_query {
	struct slice confirm;
};
static const struct field delete_rows[] = {
	FIELD_STR(struct delete_query, confirm, "confirm", .flags = FIELD_REQUIRED,
		  .help = "The id of the project, to show that you know which one it is."),
};
static const struct field_set delete_query = { delete_rows, ARRAY_LEN(delete_rows) };

static const struct route rows[] = {
	{
		.method = HTTP_GET,
		.path = "/api/v1/projects/:id",
		.name = "getProject",
		.tag = "Projects",
		.summary = "Get the key's project",
		.who = WHO_CALLER,
		.scope = SCOPE_SETTINGS_READ,
		.role = ROLE_VIEWER,
		.params = { ROUTE_ID_OR(ID_PROJECT, "current") },
		.replies = { { .status = 200, .help = "The project.", .shape = &shape_project } },
		.work = get_project,
	},
	{
		.method = HTTP_PATCH,
		.path = "/api/v1/projects/:id",
		.name = "changeProject",
		.tag = "Projects",
		.summary = "Change for how long events are kept",
		.who = WHO_CALLER,
		.scope = SCOPE_SETTINGS_WRITE,
		.role = ROLE_ADMIN,
		.body_max = PROJECT_BODY_BYTES_MAX,
		.params = { ROUTE_ID_OR(ID_PROJECT, "current") },
		.bodies = { { .shape = &shape_project_in } },
		.replies = { { .status = 200,
			       .help = "The project as it is now.",
			       .shape = &shape_project } },
		.work = patch_project,
	},
	{
		.method = HTTP_DELETE,
		.path = "/api/v1/events",
		.name = "deleteEvents",
		.tag = "Projects",
		.summary = "Delete all events of the key's project",
		.who = WHO_CALLER,
		.scope = SCOPE_SETTINGS_WRITE,
		.role = ROLE_ADMIN,
		.doc = "All events so far: hidden at once, off the disk within a day.",
		.query = { &delete_query },
		.replies = { { .status = 202,
			       .help = "They are hidden.",
			       .shape = &shape_deleted } },
		.errors = { ERR_DISK_FULL },
		.work = delete_events,
	},
};
const struct route_set routes_projects = { rows, ARRAY_LEN(rows) };
