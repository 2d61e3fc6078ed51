/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What who runs the server may do without a key, over the socket in the data directory: tenants,
 * projects and keys, made when they are missing. Every call may be repeated; that is why things
 * are looked for by name before they are made.
 */
#include "api/account/session.h"
#include "api/action.h"
#include "api/api.h"
#include "api/audit.h"
#include "api/change.h"
#include "api/keys.h"
#include "api/plans.h"
#include "api/route.h"
#include "api/rules.h"
#include "api/setup.h"
#include "api/show.h"
#include "base/field.h"
#include "base/json_put.h"

#define ADMIN_BODY_BYTES_MAX ((size_t)16 << 10)
#define KEY_CHARS_MIN 16 /* shorter ones can be guessed */
#define KEY_CHARS_MAX 200
#define SLUG_CHARS_MAX 120

struct admin_fields {
	struct slice org;
	struct slice org_name;
	struct slice project;
	struct slice name;
	struct field_list scopes;
	struct slice key;
	bool demo;
	struct plan_limits limits;
	uint32_t scope_set;	 /* what the words of scopes mean */
	const struct json *body; /* all of it */
};

static const char *check_slug(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

		if (!plain && (c != '-' || i == 0)) {
			return "must have only the characters a-z, 0-9 and, inside, -";
		}
	}
	return NULL;
}

static const char *check_key(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] <= ' ' || s.p[i] > '~') {
			return "must have only printable ASCII characters, and no spaces";
		}
	}
	return NULL;
}

static const struct field rows_of_body[] = {
	FIELD_STR(struct admin_fields, org, "org", .min = 1, .max = SLUG_CHARS_MAX,
		  .check = check_slug, .flags = FIELD_REQUIRED,
		  .help = "The organization, by its short name; made when it is missing."),
	FIELD_STR(struct admin_fields, org_name, "orgName", .min = 1, .max = 255,
		  .help = "The name of the organization when it is made."),
	FIELD_STR(struct admin_fields, project, "project", .min = 1, .max = SLUG_CHARS_MAX,
		  .check = check_slug,
		  .help = "The project, by its short name; made when it is missing."),
	FIELD_STR(struct admin_fields, name, "name", .min = 1, .max = 255, .fallback = "seed",
		  .help = "The name of the key."),
	FIELD_LIST(struct admin_fields, scopes, "scopes", .max = SCOPES_COUNT,
		   .help = "What the key may do; empty means everything."),
	FIELD_STR(struct admin_fields, key, "key", .min = KEY_CHARS_MIN, .max = KEY_CHARS_MAX,
		  .check = check_key, .help = "The key itself; otherwise one is made up."),
	FIELD_BOOL(struct admin_fields, demo, "demo", .help = "Add some rules to look at."),
	PLAN_LIMIT_FIELDS(struct admin_fields, limits),
};

static const char *const demo_rules[] = {
	"{\"name\":\"Checkout failures\",\"eventType\":\"checkout_failed\",\"condition\":\"count_gte\","
	"\"threshold\":5,\"windowSeconds\":60,\"cooldownSeconds\":120,\"severity\":\"high\","
	"\"actions\":[{\"channel\":\"in_app\",\"config\":{}}]}",
	"{\"name\":\"Payments in trouble\",\"eventType\":\"payments.*\",\"condition\":\"count_gte\","
	"\"threshold\":3,\"windowSeconds\":300,\"cooldownSeconds\":600,\"severity\":\"critical\","
	"\"groupBy\":[\"payload.provider\"],\"actions\":[{\"channel\":\"in_app\",\"config\":{}}]}",
	"{\"name\":\"Error burst\",\"eventType\":\"error.*\",\"condition\":\"count_gte\","
	"\"threshold\":20,\"windowSeconds\":60,\"cooldownSeconds\":300,\"severity\":\"medium\","
	"\"groupBy\":[\"source\"],\"actions\":[{\"channel\":\"in_app\",\"config\":{}}]}",
};

/* What a call is about, once it is there. */
struct place {
	struct org_row org;
	struct project_row project;
};

static bool read_body(struct call *c, struct admin_fields *in, struct err *err)
{
	return call_body(c, &in->body, err) &&
	       fields_parse(in->body, rows_of_body, ARRAY_LEN(rows_of_body), in, NULL, c->req,
			    err) &&
	       keys_read_scopes(&in->scopes, &in->scope_set, err);
}

static bool read_project(struct call *c, struct place *p, struct slice slug, struct err *err)
{
	switch (slug.n == 0
			? store_project_default(p->org.id, c->db, c->req, &p->project, err)
			: store_project_by_slug(p->org.id, c->db, slug, c->req, &p->project, err)) {
	case FOUND:
		return true;
	case FAILED:
		return false;
	case NOT_FOUND:
		break;
	}
	p->project = (struct project_row) { .id = { id_random() },
					    .org = p->org.id,
					    .slug = slug,
					    .name = slug,
					    .created_us = c->now_us };
	return plans_may_make_project(c, p->org.id, err) &&
	       store_project_insert(p->org.id, c->db, &p->project, err);
}

/* What is new of it is told to memory, on the loop. */
struct news {
	struct api *api;
	struct org_id org;
	struct project_id projects[2];
};

static void tell_projects(void *arg)
{
	const struct news *news = arg;

	for (size_t i = 0; i < ARRAY_LEN(news->projects); i++) {
		project_set_add(news->api->projects, news->org, news->projects[i]);
	}
}

/* What was there before was made at another time. */
static bool tell_place(struct call *c, const struct place *p, struct err *err)
{
	struct audit_note note = { .action = AUDIT_PROJECT_CREATE,
				   .org = p->org.id,
				   AUDIT_OF(c, PROJECT, p->project.id.v, p->project.name),
				   .after = audit_text(c, "slug", p->project.slug) };

	audit_nothing(c);
	return setup_tell_org(c, p->org.id, err) &&
	       (p->project.created_us != c->now_us || audit_put(c, &note, err));
}

/* The org with its default project, and the project that was named, in one transaction. */
static bool make_place(struct call *c, const struct admin_fields *in, struct place *p,
		       struct err *err)
{
	struct slice name = in->org_name.n > 0 ? in->org_name : in->org;
	struct news *news = arena_new(c->req, struct news);

	*news = (struct news) { .api = c->api };
	if (!db_begin(c->db, err) ||
	    !setup_org(c->db, in->org, name, c->now_us, c->req, &p->org.id, &news->projects[0],
		       err) ||
	    store_org_get(p->org.id, c->db, c->req, &p->org, err) != FOUND ||
	    !read_project(c, p, in->project, err) || !tell_place(c, p, err) ||
	    !db_commit(c->db, err)) {
		return false;
	}
	people_tell_org(c, p->org.id, news->projects[0]);
	news->org = p->org.id;
	news->projects[1] = p->project.id;
	api_post(c->api, tell_projects, news);
	return true;
}

/* Keys. */

/* A given key is known by its hash anywhere in the org; a made-up one by name and project. */
static enum found find_key(struct call *c, const struct admin_fields *in, const struct place *p,
			   struct key_row *out, struct err *err)
{
	if (in->key.n > 0) {
		return store_key_by_hash(p->org.id, c->db, token_hash(in->key, c->req), c->req, out,
					 err);
	}
	return store_key_by_name(p->org.id, c->db, p->project.id, in->name, c->req, out, err);
}

struct ring_change {
	struct api *api;
	struct api_key put;
};

static void put_in_ring(void *arg)
{
	struct ring_change *change = arg;

	change->api->set_up = true;
	keyring_put(change->api->keys, &change->put);
}

static bool make_key(struct call *c, const struct admin_fields *in, const struct place *p,
		     struct key_row *row, struct slice *secret, struct err *err)
{
	struct ring_change *change = arena_new(c->req, struct ring_change);
	*secret = in->key.n > 0 ? in->key : setup_new_secret(c->req);
	*row = (struct key_row) { .org = p->org.id,
				  .project = p->project.id,
				  .name = in->name,
				  .created_us = c->now_us };
	if (!setup_insert_key(c, row, *secret, in->scope_set, &change->put, err)) {
		if (err->kind == ERR_CONFLICT) {
			err_field(err, ERR_CONFLICT, "key",
				  "\"key\" belongs to another organization");
		}
		return false;
	}
	change->api = c->api;
	/* Posts keep their order: the key works before the answer leaves. */
	api_post(c->api, put_in_ring, change);
	return true;
}

static bool ensure_key(struct call *c, const struct admin_fields *in, const struct place *p,
		       struct key_row *row, struct slice *secret, struct err *err)
{
	*secret = (struct slice) { 0 };
	switch (find_key(c, in, p, row, err)) {
	case NOT_FOUND:
		return make_key(c, in, p, row, secret, err);
	case FAILED:
		return false;
	case FOUND:
		break;
	}
	return row->revoked_us == 0 ||
	       err_field(err, ERR_CONFLICT, "key", "\"key\" was revoked; choose another one");
}

/* secret: of a key made now; empty for one that was there. */
static void write_key(const struct key_row *row, struct slice secret, struct json_w *w)
{
	json_w_key(w, "key");
	json_w_object(w);
	show_id(w, "id", ID_KEY, row->id.v);
	json_put_str(w, "name", row->name);
	show_id(w, "projectId", ID_PROJECT, row->project.v);
	json_put_str(w, "keyPrefix", row->prefix);
	json_put_bool(w, "made", secret.n > 0);
	if (secret.n > 0) {
		json_put_str(w, "key", secret);
	}
	json_w_end(w);
}

static void write_place(const struct place *p, struct json_w *w)
{
	json_w_key(w, "org");
	json_w_object(w);
	show_id(w, "id", ID_ORG, p->org.id.v);
	json_put_str(w, "slug", p->org.slug);
	json_put_str(w, "name", p->org.name);
	json_w_end(w);
	json_w_key(w, "project");
	json_w_object(w);
	show_id(w, "id", ID_PROJECT, p->project.id.v);
	json_put_str(w, "slug", p->project.slug);
	json_put_str(w, "name", p->project.name);
	json_w_end(w);
}

/* Rules. */

static bool make_rule(struct call *c, struct control *control, struct err *err)
{
	return rules_tell(c, AUDIT_RULE_CREATE, NULL, control, err) &&
	       change_apply(c, control, err);
}

static bool ensure_rule(struct call *c, const struct place *p, const char *text, struct json_w *w,
			struct err *err)
{
	struct rule_json_in how = { .check = action_check, .arg = &c->api->policy };
	struct control control = { .op = CONTROL_RULE_PUT, .rule_id = { id_random() } };
	const struct json *body;
	struct rule_row row;
	enum found found;

	if (!json_parse(c->req, slice_of(text), JSON_DEPTH_MAX, &body, err) ||
	    !rule_def_parse(body, &how, c->req, &control.rule, err)) {
		return false;
	}
	found = store_rule_by_name(p->org.id, c->db, p->project.id, control.rule.name, c->req, &row,
				   err);
	if (found == FOUND) {
		control.rule_id = row.id;
	}
	if (found == FAILED || (found == NOT_FOUND && !make_rule(c, &control, err))) {
		return false;
	}
	json_w_object(w);
	show_id(w, "id", ID_RULE, control.rule_id.v);
	json_put_str(w, "name", control.rule.name);
	json_put_bool(w, "made", found == NOT_FOUND);
	json_w_end(w);
	return true;
}

/* The engine applies changes in the name of the org. */
static bool write_rules(struct call *c, const struct place *p, bool demo, struct json_w *w,
			struct err *err)
{
	c->caller = (struct caller) { .org = p->org.id, .project = p->project.id };
	json_w_key(w, "rules");
	json_w_array(w);
	for (size_t i = 0; demo && i < ARRAY_LEN(demo_rules); i++) {
		if (!ensure_rule(c, p, demo_rules[i], w, err)) {
			return false;
		}
	}
	json_w_end(w);
	return true;
}

/* What the body does not name stays as it is. */
static bool set_limits(struct call *c, const struct admin_fields *in, const struct place *p,
		       struct err *err)
{
	if (json_get(in->body, "softLimit") == NULL && json_get(in->body, "hardLimit") == NULL) {
		return true;
	}
	return plans_set_limits(c, p->org.id, in->body, &in->limits, err);
}

static bool seed(struct call *c, struct err *err)
{
	struct admin_fields in = { 0 };
	struct slice secret;
	struct key_row row;
	struct place place;
	struct json_w w;

	if (!read_body(c, &in, err) || !make_place(c, &in, &place, err) ||
	    !set_limits(c, &in, &place, err) || !ensure_key(c, &in, &place, &row, &secret, err)) {
		return false;
	}
	w = call_json(c, 200);
	json_w_object(&w);
	write_place(&place, &w);
	write_key(&row, secret, &w);
	if (!write_rules(c, &place, in.demo, &w, err)) {
		return false;
	}
	json_w_end(&w);
	return true;
}

static bool put_key(struct call *c, struct err *err)
{
	struct admin_fields in = { 0 };
	struct slice secret;
	struct key_row row;
	struct place place;
	struct json_w w;

	if (!read_body(c, &in, err) || !make_place(c, &in, &place, err)) {
		return false;
	}
	if (!(in.key.n > 0 ? ensure_key(c, &in, &place, &row, &secret, err)
			   : make_key(c, &in, &place, &row, &secret, err))) {
		return false;
	}
	w = call_json(c, secret.n > 0 ? 201 : 200);
	json_w_object(&w);
	write_place(&place, &w);
	write_key(&row, secret, &w);
	json_w_end(&w);
	return true;
}

/* Names are looked for and then made: by one call at a time, or two would make the same. */
static bool one_at_a_time(struct call *c, bool (*fn)(struct call *c, struct err *err),
			  struct err *err)
{
	bool ok;

	ensure(pthread_mutex_lock(&c->api->admin) == 0);
	ok = fn(c, err);
	ensure(pthread_mutex_unlock(&c->api->admin) == 0);
	return ok;
}

static bool post_seed(struct call *c, struct err *err)
{
	return one_at_a_time(c, seed, err);
}

static bool post_key(struct call *c, struct err *err)
{
	return one_at_a_time(c, put_key, err);
}

static const struct field_set admin_fields = { rows_of_body, ARRAY_LEN(rows_of_body) };
static const struct shape shape_admin_in = { .fields = &admin_fields, .sent = true };

static const struct prop org_props[] = { PROP_ID("id", ID_ORG), PROP_STR("slug"),
					 PROP_STR("name") };
static const struct shape shape_org = { SHAPE_PROPS(org_props) };
static const struct prop project_props[] = { PROP_ID("id", ID_PROJECT), PROP_STR("slug"),
					     PROP_STR("name") };
static const struct shape shape_project = { SHAPE_PROPS(project_props) };
static const struct prop key_props[] = {
	PROP_ID("id", ID_KEY),
	PROP_STR("name"),
	PROP_ID("projectId", ID_PROJECT),
	PROP_STR("keyPrefix"),
	PROP_BOOL("made", .help = "It was not there before."),
	PROP_STR("key", .flags = PROP_MAYBE, .help = "Of a key made now."),
};
static const struct shape shape_seeded_key = { SHAPE_PROPS(key_props) };
static const struct prop made_rule_props[] = { PROP_ID("id", ID_RULE), PROP_STR("name"),
					       PROP_BOOL("made") };
static const struct shape shape_made_rule = { SHAPE_PROPS(made_rule_props) };
static const struct prop place_props[] = {
	PROP_SHAPE("org", &shape_org),
	PROP_SHAPE("project", &shape_project),
	PROP_SHAPE("key", &shape_seeded_key),
};
static const struct shape shape_place = { .name = "Place",
					  .help = "A tenant with a project and a key.",
					  SHAPE_PROPS(place_props) };
static const struct prop seed_props[] = {
	PROP_SHAPE("rules", &shape_made_rule, .many = PROP_LIST),
};
static const struct shape shape_seed = { .also = &shape_place, SHAPE_PROPS(seed_props) };

static const struct route rows[] = {
	{
		.method = HTTP_POST,
		.path = "/admin/seed",
		.name = "adminSeed",
		.tag = "Operation",
		.summary = "Make a tenant with a key, and rules to look at",
		.who = WHO_SOCKET,
		.limit = LIMIT_NONE,
		.body_max = ADMIN_BODY_BYTES_MAX,
		.bodies = { { .shape = &shape_admin_in } },
		.replies = { { .status = 200,
			       .help = "What there is now.",
			       .shape = &shape_seed } },
		.errors = { ERR_CONFLICT, ERR_LIMIT, ERR_DISK_FULL },
		.audits = { AUDIT_ORG_CREATE, AUDIT_PROJECT_CREATE, AUDIT_PLAN_SET,
			    AUDIT_KEY_CREATE, AUDIT_RULE_CREATE },
		.work = post_seed,
	},
	{
		.method = HTTP_POST,
		.path = "/admin/keys",
		.name = "adminPutKey",
		.tag = "Operation",
		.summary = "Make a key in any project",
		.who = WHO_SOCKET,
		.limit = LIMIT_NONE,
		.body_max = ADMIN_BODY_BYTES_MAX,
		.bodies = { { .shape = &shape_admin_in } },
		.replies = { { .status = 201, .help = "It was made.", .shape = &shape_place },
			     { .status = 200, .help = "It was there.", .shape = &shape_place } },
		.errors = { ERR_CONFLICT },
		.audits = { AUDIT_ORG_CREATE, AUDIT_PROJECT_CREATE, AUDIT_KEY_CREATE },
		.work = post_key,
	},
};
const struct route_set routes_admin = { rows, ARRAY_LEN(rows) };
