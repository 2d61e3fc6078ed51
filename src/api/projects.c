/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Projects as they are shown and changed, and the deletion of their events. How they come and go is
 * in projects_make.c.
 */
#include "api/projects.h"

#include "api/api.h"
#include "api/match.h"
#include "api/page.h"
#include "api/route.h"
#include "api/show.h"
#include "base/clock.h"
#include "base/json_put.h"
#include "model/event.h"
#include "model/origin.h"
#include "model/slug.h"
#include "store/members.h"
#include "store/retention.h"

#define PROJECT_BODY_BYTES_MAX ((size_t)64 << 10) /* all origins of the longest kind */
#define PURGE_US (INT64_C(86400) * US_PER_S)	  /* in which deleted events leave the disk */
#define LISTS_BYTES_MAX ((size_t)64 << 10)	  /* environments or origins as JSON */

struct project_fields {
	struct slice name;
	struct slice slug;
	struct field_list environments;
	struct field_list origins;
	struct slice owner;
	int64_t days;
};

static const char *check_slug(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

		if (!plain && (c != '-' || i == 0 || i + 1 == s.n)) {
			return "must have only the characters a-z, 0-9 and, inside, -";
		}
	}
	return NULL;
}

static const char *check_environment(struct slice s)
{
	return s.n >= 1 && s.n <= EVENT_ENVIRONMENT_BYTES_MAX ? NULL : "must be 1 to 100 bytes";
}

static const struct field rows_of_body[] = {
	FIELD_STR(struct project_fields, name, "name", .min = 1, .max = PROJECT_NAME_CHARS_MAX,
		  .flags = FIELD_REQUIRED, .example = "Web shop", .help = "What people call it."),
	FIELD_STR(
		struct project_fields, slug, "slug", .min = 1, .max = SLUG_BYTES_MAX,
		.check = check_slug, .example = "web-shop",
		.help = "Its short name, one of its kind in the organization; of a new project it "
			"is made of the name."),
	FIELD_LIST(struct project_fields, environments, "environments",
		   .max = PROJECT_ENVIRONMENTS_MAX, .check = check_environment,
		   .example = "production,staging",
		   .help = "Names to choose from; events may have others."),
	FIELD_LIST(struct project_fields, origins, "origins", .max = PROJECT_ORIGINS_MAX,
		   .check = origin_check, .example = "https://shop.example",
		   .help = "Web pages whose scripts may send events with a key of the project: "
			   "https://shop.example, all below with https://*.shop.example, or * "
			   "for every page."),
	FIELD_STR(struct project_fields, owner, "ownerId",
		  .help = "The member who answers for it, or null."),
	FIELD_INT(struct project_fields, days, "retentionDays", .max = RETENTION_DAYS_MAX,
		  .help = "For how many days events are kept; 0: for ever, null: as the server is "
			  "set."),
};

static bool no_such_project(struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "there is no such project");
}

bool projects_find(struct call *c, struct slice name, struct project_row *row, struct err *err)
{
	struct project_id id = c->caller.project;

	if (!slice_eq(name, S("current")) &&
	    (!id_parse(ID_PROJECT, name, &id.v) ||
	     (c->caller.key.v != 0 && id.v != c->caller.project.v))) {
		return no_such_project(err);
	}
	switch (store_project_get(c->caller.org, c->db, id, c->req, row, err)) {
	case FOUND:
		return true;
	case NOT_FOUND:
		return no_such_project(err);
	case FAILED:
		break;
	}
	return false;
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

static void write_retention(struct call *c, const struct project_row *row,
			    const struct retention_row *kept, struct json_w *w)
{
	json_w_key(w, "retentionDays");
	if (kept->days == RETENTION_DEFAULT) {
		json_w_null(w);
	} else {
		json_w_int(w, kept->days);
	}
	json_put_int(w, "effectiveRetentionDays", retain_days(c->api->retain, row->org, row->id));
	write_deletion(c, kept, w);
}

static void write_row(const struct project_row *row, struct json_w *w)
{
	show_id(w, "id", ID_PROJECT, row->id.v);
	json_put_str(w, "slug", row->slug);
	json_put_str(w, "name", row->name);
	json_put_bool(w, "isDefault", row->is_default);
	json_put_raw(w, "environments", row->environments, "[]");
	json_put_raw(w, "origins", row->origins, "[]");
	json_w_key(w, "ownerId");
	if (row->owner.v == 0) {
		json_w_null(w);
	} else {
		json_w_str(w, slice_of(id_format(ID_USER, row->owner.v).p));
	}
}

static bool write_newest_key(struct call *c, const struct project_row *row, struct json_w *w,
			     struct err *err)
{
	struct key_row key;

	json_w_key(w, "key");
	switch (store_key_newest(row->org, c->db, row->id, c->now_us, c->req, &key, err)) {
	case FOUND:
		json_w_object(w);
		show_id(w, "id", ID_KEY, key.id.v);
		json_put_str(w, "name", key.name);
		json_put_str(w, "keyPrefix", key.prefix);
		json_put_time_or_null(w, "expiresAt", key.expires_us);
		json_put_time(w, "createdAt", key.created_us);
		json_w_end(w);
		return true;
	case NOT_FOUND:
		json_w_null(w);
		return true;
	case FAILED:
		break;
	}
	return false;
}

/* made: the key that was made with it; NULL: the newest that works. */
static bool write_project(struct call *c, const struct project_row *row,
			  const struct key_made *made, struct json_w *w, struct err *err)
{
	struct retention_row kept;

	if (store_retention_get(row->org, c->db, row->id, c->req, &kept, err) == FAILED) {
		return false;
	}
	json_w_object(w);
	write_row(row, w);
	write_retention(c, row, &kept, w);
	if (made != NULL) {
		json_w_key(w, "key");
		keys_write_made(made, w);
	} else if (!write_newest_key(c, row, w, err)) {
		return false;
	}
	json_put_int(w, "version", (int64_t)row->version);
	json_put_time(w, "createdAt", row->created_us);
	json_w_end(w);
	return true;
}

static bool answer_project(struct call *c, const struct project_row *row, struct err *err)
{
	struct json_w w = call_json(c, 200);

	match_tell(c, row->version);
	return write_project(c, row, NULL, &w, err);
}

static bool get_project(struct call *c, struct err *err)
{
	struct project_row row;

	return projects_find(c, c->params[0], &row, err) && answer_project(c, &row, err);
}

/* A key sees its own, which is a list, too. */
static bool read_list(struct call *c, const struct page *page, struct project_list *list,
		      struct err *err)
{
	struct project_row *row;

	if (c->caller.key.v == 0) {
		return store_project_list(c->caller.org, c->db, page, c->req, list, err);
	}
	row = arena_new(c->req, struct project_row);
	*list = (struct project_list) { .rows = row, .n = page->after.id == 0 ? 1 : 0 };
	return projects_find(c, S("current"), row, err);
}

static bool list_projects(struct call *c, struct err *err)
{
	struct project_list list;
	struct page page;
	struct json_w w;

	if (!page_read(c, ID_PROJECT, &page, err) || !read_list(c, &page, &list, err)) {
		return false;
	}
	w = page_begin(c);
	for (size_t i = 0; i < list.n; i++) {
		if (!write_project(c, &list.rows[i], NULL, &w, err)) {
			return false;
		}
	}
	page_end(c, ID_PROJECT, list.next, &w);
	return true;
}

/* Items as a JSON array without repetitions. */
static struct slice list_json(const struct field_list *list, struct arena *req)
{
	struct slice out;
	struct json_w w;
	struct buf buf;

	buf_init(&buf, LISTS_BYTES_MAX);
	json_w_init(&w, &buf);
	json_w_array(&w);
	for (size_t i = 0; i < list->n; i++) {
		size_t first = 0;

		while (!slice_eq(list->v[first], list->v[i])) {
			first++;
		}
		if (first == i) {
			json_w_str(&w, list->v[i]);
		}
	}
	json_w_end(&w);
	ensure(!buf.overflow);
	out = arena_dup(req, buf_slice(&buf));
	buf_release(&buf);
	return out;
}

static struct slice origins_json(const struct field_list *list, struct arena *req)
{
	struct slice *plain = arena_array(req, list->n, sizeof(*plain));
	struct field_list all = { .v = plain, .n = list->n };

	for (size_t i = 0; i < list->n; i++) {
		plain[i] = origin_plain(list->v[i], req);
	}
	return list_json(&all, req);
}

static bool read_owner(struct call *c, struct slice text, struct user_id *out, struct err *err)
{
	struct member_row member;

	out->v = 0;
	if (text.p == NULL) {
		return true;
	}
	if (id_parse(ID_USER, text, &out->v)) {
		switch (store_member_get(c->caller.org, c->db, *out, c->req, &member, err)) {
		case FOUND:
			return true;
		case FAILED:
			return false;
		case NOT_FOUND:
			break;
		}
	}
	return err_field(err, ERR_INVALID, "ownerId",
			 "\"ownerId\" must be the id of a member of the organization");
}

/* What of the body is in the row. What is absent, or null, is as it was, or empty. */
static bool fill_row(struct call *c, const struct json *body, const struct project_fields *in,
		     struct project_row *row, struct err *err)
{
	const struct json *slug = json_get(body, "slug");

	if (in->name.p != NULL) {
		row->name = in->name;
	}
	if (slug != NULL && slug->type != JSON_NULL) {
		row->slug = in->slug;
	}
	if (json_get(body, "environments") != NULL) {
		row->environments = list_json(&in->environments, c->req);
	}
	if (json_get(body, "origins") != NULL) {
		row->origins = origins_json(&in->origins, c->req);
	}
	return json_get(body, "ownerId") == NULL || read_owner(c, in->owner, &row->owner, err);
}

static struct slice as_shown(struct call *c, const struct project_row *row)
{
	struct slice text;
	struct json_w w;
	struct buf out;

	if (row == NULL) {
		return (struct slice) { 0 };
	}
	buf_init(&out, 2 * PROJECT_BODY_BYTES_MAX);
	json_w_init(&w, &out);
	json_w_object(&w);
	json_put_str(&w, "name", row->name);
	json_put_str(&w, "slug", row->slug);
	json_put_raw(&w, "environments", row->environments, "[]");
	json_put_raw(&w, "origins", row->origins, "[]");
	if (row->owner.v != 0) {
		show_id(&w, "ownerId", ID_USER, row->owner.v);
	}
	json_w_end(&w);
	ensure(!out.overflow);
	text = arena_dup(c->req, buf_slice(&out));
	buf_release(&out);
	return text;
}

bool projects_note(struct call *c, enum audit_action action, const struct project_row *old,
		   const struct project_row *row, struct err *err)
{
	const struct project_row *any = row != NULL ? row : old;
	struct audit_note note = { .action = action,
				   .org = any->org,
				   AUDIT_OF(c, PROJECT, any->id.v, any->name),
				   .before = as_shown(c, old),
				   .after = as_shown(c, row) };

	return audit_put(c, &note, err);
}

static bool note_days(struct call *c, const struct project_row *row, int64_t old, int64_t days,
		      struct err *err)
{
	struct audit_note note = { .action = AUDIT_PROJECT_UPDATE,
				   .org = row->org,
				   AUDIT_OF(c, PROJECT, row->id.v, row->name),
				   .before = audit_number(c, "retentionDays", old),
				   .after = audit_number(c, "retentionDays", days) };

	return old == days || audit_put(c, &note, err);
}

/* What may have been purged until now stays hidden: a longer time brings nothing back. */
static bool set_days(struct call *c, const struct project_row *row, int64_t days, struct err *err)
{
	struct retain *retain = c->api->retain;
	int64_t gone_us = retain_gone(retain, row->org, row->id, c->now_us);
	struct retention_row kept;

	if (!db_begin(c->db, err) ||
	    store_retention_get(row->org, c->db, row->id, c->req, &kept, err) == FAILED ||
	    !store_retention_set(row->org, c->db, row->id, days, gone_us, err) ||
	    !note_days(c, row, kept.days, days, err) || !db_commit(c->db, err)) {
		db_rollback(c->db);
		return false;
	}
	retain_set(retain, row->org, row->id, days, gone_us);
	return true;
}

static bool read_days(struct call *c, const struct json *body, const struct project_fields *in,
		      const struct project_row *row, struct err *err)
{
	const struct json *days = json_get(body, "retentionDays");

	return days == NULL ||
	       set_days(c, row, days->type == JSON_NULL ? RETENTION_DEFAULT : in->days, err);
}

static bool set_row(struct call *c, const struct project_row *old, const struct project_row *row,
		    struct err *err)
{
	if (!db_begin(c->db, err)) {
		return false;
	}
	switch (store_project_set(row->org, c->db, row, err)) {
	case FOUND:
		return projects_note(c, AUDIT_PROJECT_UPDATE, old, row, err) &&
		       db_commit(c->db, err);
	case NOT_FOUND:
		return no_such_project(err);
	case FAILED:
		break;
	}
	return err->kind == ERR_CONFLICT && projects_slug_taken(err);
}

/*
 * Under the lock, so that memory and store end with the same, and nobody is between look and
 * change.
 */
static bool change(struct call *c, const struct json *body, const struct project_fields *in,
		   struct project_row *row, struct err *err)
{
	struct project_row old;
	uint64_t expect;

	if (!match_read(c, "project", &expect, err) || !projects_find(c, c->params[0], row, err) ||
	    !match_check("project", expect, row->version, err)) {
		return false;
	}
	old = *row;
	if (!fill_row(c, body, in, row, err) || !set_row(c, &old, row, err) ||
	    !read_days(c, body, in, row, err) || !projects_find(c, c->params[0], row, err)) {
		return false;
	}
	projects_tell(c, row);
	return true;
}

static bool patch_project(struct call *c, struct err *err)
{
	struct project_fields in = { 0 };
	struct fields_in how = { .partial = true };
	const struct json *body;
	struct project_row row;
	bool ok;

	if (!call_body(c, &body, err) ||
	    !fields_parse(body, rows_of_body, ARRAY_LEN(rows_of_body), &in, &how, c->req, err)) {
		return false;
	}
	if (how.present == 0) {
		audit_nothing(c);
		return get_project(c, err);
	}
	ensure(pthread_mutex_lock(&c->api->admin) == 0);
	ok = change(c, body, &in, &row, err);
	db_rollback(c->db);
	ensure(pthread_mutex_unlock(&c->api->admin) == 0);
	return ok && answer_project(c, &row, err);
}

static bool create_project(struct call *c, struct err *err)
{
	struct project_made made = { .key.scopes = SCOPE_EVENTS_READ | SCOPE_EVENTS_WRITE };
	struct project_fields in = { 0 };
	const struct json *body;
	struct json_w w;

	if (!call_body(c, &body, err) ||
	    !fields_parse(body, rows_of_body, ARRAY_LEN(rows_of_body), &in, NULL, c->req, err) ||
	    !fill_row(c, body, &in, &made.row, err) || !projects_make(c, &made, err) ||
	    !read_days(c, body, &in, &made.row, err)) {
		return false;
	}
	w = call_json(c, 201);
	match_tell(c, made.row.version);
	return write_project(c, &made.row, &made.key, &w, err);
}

/* Whoever sends this has to know which project it is about. */
static bool check_confirm(struct call *c, struct project_id project, struct err *err)
{
	struct slice text;
	uint64_t id;

	return (call_query(c, "confirm", &text) && id_parse(ID_PROJECT, text, &id) &&
		id == project.v) ||
	       err_field(err, ERR_INVALID, "confirm",
			 "\"confirm\" must be the id of the project that is to be emptied or "
			 "deleted; GET /api/v1/projects has it");
}

static bool delete_project(struct call *c, struct err *err)
{
	struct project_row row;
	uint64_t expect;

	if (!match_read(c, "project", &expect, err) || !projects_find(c, c->params[0], &row, err) ||
	    !check_confirm(c, row.id, err) || !match_check("project", expect, row.version, err) ||
	    !projects_delete(c, &row, err)) {
		return false;
	}
	call_empty(c, 204);
	return true;
}

static bool rotate_project_key(struct call *c, struct err *err)
{
	struct project_row row;
	struct key_row key;

	if (!projects_find(c, c->params[0], &row, err)) {
		return false;
	}
	switch (store_key_newest(row.org, c->db, row.id, c->now_us, c->req, &key, err)) {
	case FOUND:
		return keys_rotate(c, &key, 0, err);
	case NOT_FOUND:
		return err_set(err, ERR_CONFLICT,
			       "the project has no API key that works: make one with POST "
			       "/api/v1/keys");
	case FAILED:
		break;
	}
	return false;
}

static bool delete_events(struct call *c, struct err *err)
{
	struct retention_row kept;
	struct json_w w;

	if (!check_confirm(c, c->caller.project, err) ||
	    !projects_delete_events(c, c->caller.project, err) ||
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
static const struct shape shape_project_in = { .name = "ProjectInput",
					       .help = "A project to be made, or what is to be "
						       "changed of one.",
					       .fields = &project_fields,
					       .sent = true };
static const struct prop deletion_props[] = {
	PROP_ID("before", ID_EVENT, .help = "Older events are deleted."),
	PROP_TIME("deletedAt"),
	PROP_TIME("purgedAt", .flags = PROP_NULL, .help = "When they had left the disk."),
};
static const struct shape shape_deletion = { SHAPE_PROPS(deletion_props) };
#define PROJECT_START \
	PROP_ID("id", ID_PROJECT), PROP_STR("slug", .example = "\"default\""), \
		PROP_STR("name", .example = "\"Default\""), PROP_BOOL("isDefault"), \
		PROP_STR("environments", .many = PROP_LIST, \
			 .example = "[\"production\",\"staging\"]"), \
		PROP_STR("origins", .many = PROP_LIST, .example = "[\"https://shop.example\"]"), \
		PROP_ID("ownerId", ID_USER, .flags = PROP_NULL), \
		PROP_INT("retentionDays", .flags = PROP_NULL, .example = "null", \
			 .help = "null: as the server is set; 0: for ever."), \
		PROP_INT("effectiveRetentionDays", .example = "0", \
			 .help = "What holds; 0: for ever."), \
		PROP_SHAPE("deletion", &shape_deletion, .flags = PROP_NULL, .example = "null", \
			   .help = "The last deletion of all events.")
#define PROJECT_END \
	PROP_INT("version", .min = 1, .help = "Counts the changes."), PROP_TIME("createdAt")

static const struct prop newest_props[] = {
	PROP_ID("id", ID_KEY),
	PROP_STR("name", .example = "\"shop\""),
	PROP_STR("keyPrefix", .example = "\"sk_4f1d0b27c...\""),
	PROP_TIME("expiresAt", .flags = PROP_NULL),
	PROP_TIME("createdAt"),
};
static const struct shape shape_newest = { SHAPE_PROPS(newest_props) };
static const struct prop project_props[] = {
	PROJECT_START,
	PROP_SHAPE("key", &shape_newest, .flags = PROP_NULL,
		   .help = "The newest key that works; rotate-key puts another in its place."),
	PROJECT_END,
};
static const struct shape shape_project = { .name = "Project",
					    .help = "Where events belong.",
					    SHAPE_PROPS(project_props) };
static const struct prop made_props[] = {
	PROJECT_START,
	PROP_SHAPE("key", &shape_key_made, .help = "Its first key, to send and read events."),
	PROJECT_END,
};
static const struct shape shape_project_made = { .name = "ProjectMade",
						 .help = "A new project, with its first key.",
						 SHAPE_PROPS(made_props) };

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
		.path = "/api/v1/projects",
		.name = "listProjects",
		.tag = "Projects",
		.summary = "List projects, newest first",
		.who = WHO_CALLER,
		.scope = SCOPE_SETTINGS_READ,
		.role = ROLE_VIEWER,
		.doc = "A key sees its own project, a person all of the organization.",
		.query = { &page_query },
		.replies = { { .status = 200,
			       .help = "A page of projects.",
			       .shape = &shape_project,
			       .page = true } },
		.work = list_projects,
	},
	{
		.method = HTTP_POST,
		.path = "/api/v1/projects",
		.name = "createProject",
		.tag = "Projects",
		.summary = "Make a project and its first API key",
		.who = WHO_USER,
		.role = ROLE_ADMIN,
		.secret = true,
		.body_max = PROJECT_BODY_BYTES_MAX,
		.doc = "The reply has the key, with the scopes events:read and events:write; it is "
		       "shown this once.",
		.bodies = { { .shape = &shape_project_in } },
		.replies = { { .status = 201,
			       .help = "The project.",
			       .shape = &shape_project_made,
			       .headers = REPLY_ETAG } },
		.errors = { ERR_LIMIT, ERR_CONFLICT },
		.audits = { AUDIT_PROJECT_CREATE, AUDIT_KEY_CREATE, AUDIT_PROJECT_UPDATE },
		.work = create_project,
	},
	{
		.method = HTTP_GET,
		.path = "/api/v1/projects/:id",
		.name = "getProject",
		.tag = "Projects",
		.summary = "Get one project",
		.who = WHO_CALLER,
		.scope = SCOPE_SETTINGS_READ,
		.role = ROLE_VIEWER,
		.params = { ROUTE_ID_OR(ID_PROJECT, "current") },
		.replies = { { .status = 200,
			       .help = "The project.",
			       .shape = &shape_project,
			       .headers = REPLY_ETAG } },
		.work = get_project,
	},
	{
		.method = HTTP_PATCH,
		.path = "/api/v1/projects/:id",
		.name = "changeProject",
		.tag = "Projects",
		.summary = "Change a project",
		.who = WHO_CALLER,
		.scope = SCOPE_SETTINGS_WRITE,
		.role = ROLE_ADMIN,
		.body_max = PROJECT_BODY_BYTES_MAX,
		.params = { ROUTE_ID_OR(ID_PROJECT, "current") },
		.doc = "Members that are absent stay as they are.",
		.match = MATCH_MAY,
		.bodies = { { .shape = &shape_project_in } },
		.replies = { { .status = 200,
			       .help = "The project as it is now.",
			       .shape = &shape_project,
			       .headers = REPLY_ETAG } },
		.errors = { ERR_CONFLICT },
		.audits = { AUDIT_PROJECT_UPDATE },
		.work = patch_project,
	},
	{
		.method = HTTP_DELETE,
		.path = "/api/v1/projects/:id",
		.name = "deleteProject",
		.tag = "Projects",
		.summary = "Delete a project with all that is in it",
		.who = WHO_USER,
		.role = ROLE_ADMIN,
		.proof = true,
		.params = { ROUTE_ID_OR(ID_PROJECT, "current") },
		.doc = "Its keys open nothing from now on, its live streams end, its rules are "
		       "gone, its events hidden at once and off the disk within a day. The default "
		       "project stays as long as its organization.",
		.query = { &delete_query },
		.match = MATCH_MAY,
		.replies = { { .status = 204, .help = "It is gone." } },
		.errors = { ERR_CONFLICT, ERR_DISK_FULL },
		.audits = { AUDIT_RULE_DELETE, AUDIT_EVENTS_DELETE, AUDIT_PROJECT_DELETE },
		.work = delete_project,
	},
	{
		.method = HTTP_POST,
		.path = "/api/v1/projects/:id/rotate-key",
		.name = "rotateProjectKey",
		.tag = "Projects",
		.summary = "Put a new API key in the place of the newest",
		.who = WHO_CALLER,
		.scope = SCOPE_KEYS_WRITE,
		.role = ROLE_ADMIN,
		.secret = true,
		.body_max = KEY_BODY_BYTES_MAX,
		.params = { ROUTE_ID_OR(ID_PROJECT, "current") },
		.doc = "The key that `key` of the project shows; see rotateKey.",
		.bodies = { { .shape = &shape_rotation_in, .maybe = true } },
		.replies = { { .status = 201,
			       .help = "The new key.",
			       .shape = &shape_key_rotated,
			       .headers = REPLY_ETAG } },
		.errors = { ERR_LIMIT, ERR_CONFLICT },
		.audits = { AUDIT_KEY_ROTATE, AUDIT_KEY_CREATE },
		.work = rotate_project_key,
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
		.audits = { AUDIT_EVENTS_DELETE },
		.work = delete_events,
	},
};
const struct route_set routes_projects = { rows, ARRAY_LEN(rows) };
