/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How projects come and go. One comes with its first key in one transaction. One that goes first
 * stops taking anything, then loses what it has by records in the log, and is marked as gone at the
 * end: so a deletion that broke off is made again from its start.
 */
#include "api/api.h"
#include "api/audit.h"
#include "api/change.h"
#include "api/once.h"
#include "api/plans.h"
#include "api/projects.h"
#include "store/rules.h"

/* What is handed over to the loop, where projects and keys are in memory. */
struct handover {
	struct api *api;
	struct project_row row;
};

static void put_in_set(void *arg)
{
	const struct handover *h = arg;

	project_set_put(h->api->projects, &h->row);
}

static void take_off_set(void *arg)
{
	const struct handover *h = arg;

	keyring_del_project(h->api->keys, h->row.id);
	project_set_del(h->api->projects, h->row.id);
	live_drop_project(h->api->live, h->row.id);
}

void projects_tell(struct call *c, const struct project_row *row)
{
	struct handover *h = arena_new(c->req, struct handover);

	*h = (struct handover) { .api = c->api, .row = *row };
	api_post(c->api, put_in_set, h);
}

static bool has_room(struct call *c, struct org_id org, struct err *err)
{
	uint64_t n = 0;

	return plans_may_make_project(c, org, err) && store_project_count(org, c->db, &n, err) &&
	       (n < PROJECTS_PER_ORG_MAX ||
		err_set(err, ERR_LIMIT, "an organization has at most %d projects",
			PROJECTS_PER_ORG_MAX));
}

static bool insert_project(struct call *c, struct project_row *row, struct err *err)
{
	if (row->slug.n == 0) {
		return store_project_found(row->org, c->db, row, c->req, row, err);
	}
	row->version = 1;
	return store_project_insert(row->org, c->db, row, err) ||
	       (err->kind == ERR_CONFLICT && projects_slug_taken(err));
}

bool projects_slug_taken(struct err *err)
{
	return err_field(err, ERR_CONFLICT, "slug", "\"slug\" is that of another project");
}

static bool make(struct call *c, struct project_made *made, struct err *err)
{
	return has_room(c, made->row.org, err) && db_begin(c->db, err) &&
	       insert_project(c, &made->row, err) &&
	       projects_note(c, AUDIT_PROJECT_CREATE, NULL, &made->row, err) &&
	       keys_insert(c, &made->key, err) &&
	       once_commit_made(c, ID_PROJECT, made->row.id.v, err);
}

bool projects_make(struct call *c, struct project_made *made, struct err *err)
{
	bool ok;

	made->row.id.v = id_random();
	made->row.org = c->caller.org;
	made->row.created_us = c->now_us;
	made->key.row = (struct key_row) { .org = c->caller.org,
					   .project = made->row.id,
					   .name = made->row.name,
					   .created_us = c->now_us,
					   .made_by = c->caller.user };
	ensure(pthread_mutex_lock(&c->api->admin) == 0);
	ok = make(c, made, err);
	if (ok) {
		projects_tell(c, &made->row);
		keys_announce(c, &made->key);
	} else {
		db_rollback(c->db);
	}
	ensure(pthread_mutex_unlock(&c->api->admin) == 0);
	return ok;
}

/* The engine applies changes to the project of the caller. */
static bool change_in(struct call *c, struct project_id id, const struct control *control,
		      struct err *err)
{
	struct project_id own = c->caller.project;
	bool ok;

	c->caller.project = id;
	ok = change_apply(c, control, err);
	c->caller.project = own;
	return ok;
}

bool projects_delete_events(struct call *c, struct project_id id, struct err *err)
{
	struct audit_note note = { .action = AUDIT_EVENTS_DELETE,
				   AUDIT_OF(c, PROJECT, id.v, S("")) };
	struct control control = { .op = CONTROL_EVENTS_DELETE };

	return audit_compose(c, &note, &control.audit, err) && change_in(c, id, &control, err);
}

static bool delete_rule(struct call *c, struct project_id project, const struct rule_row *rule,
			struct err *err)
{
	struct audit_note note = { .action = AUDIT_RULE_DELETE,
				   AUDIT_OF(c, RULE, rule->id.v, rule->name) };
	struct control control = { .op = CONTROL_RULE_DELETE, .rule_id = rule->id };

	return audit_compose(c, &note, &control.audit, err) && change_in(c, project, &control, err);
}

static bool delete_rules(struct call *c, const struct project_row *row, struct err *err)
{
	struct page page = { .limit = PAGE_ROWS_MAX };
	struct rule_list list = { 0 };
	struct arena one;
	bool ok;

	arena_init(&one, 0);
	do {
		arena_clear(&one);
		ok = store_rule_list(row->org, c->db, row->id, &page, &one, &list, err);
		for (size_t i = 0; ok && i < list.n; i++) {
			ok = delete_rule(c, row->id, &list.rows[i], err) ||
			     err->kind == ERR_NOT_FOUND;
		}
		page.after = list.next;
	} while (ok && page.after.id != 0);
	arena_release(&one);
	return ok;
}

/* A key that was made meanwhile goes as well; from here on none can be. */
static bool mark_gone(struct call *c, const struct project_row *row, struct err *err)
{
	switch (store_project_end(row->org, c->db, row->id, c->now_us, err)) {
	case FOUND:
		return store_key_revoke_all(row->org, c->db, row->id, c->now_us, err);
	case NOT_FOUND:
		return err_set(err, ERR_NOT_FOUND, "there is no such project");
	case FAILED:
		break;
	}
	return false;
}

static bool end(struct call *c, const struct project_row *row, struct err *err)
{
	bool ok;

	ensure(pthread_mutex_lock(&c->api->admin) == 0);
	ok = db_begin(c->db, err) && mark_gone(c, row, err) &&
	     projects_note(c, AUDIT_PROJECT_DELETE, row, NULL, err) && db_commit(c->db, err);
	if (!ok) {
		db_rollback(c->db);
	}
	ensure(pthread_mutex_unlock(&c->api->admin) == 0);
	return ok;
}

bool projects_delete(struct call *c, const struct project_row *row, struct err *err)
{
	struct handover *h = arena_new(c->req, struct handover);

	if (row->is_default) {
		return err_set(err, ERR_CONFLICT,
			       "the default project stays as long as its "
			       "organization");
	}
	*h = (struct handover) { .api = c->api, .row = *row };
	if (!store_key_revoke_all(row->org, c->db, row->id, c->now_us, err)) {
		return false;
	}
	api_post(c->api, take_off_set, h);
	if (!delete_rules(c, row, err) || !projects_delete_events(c, row->id, err) ||
	    !end(c, row, err)) {
		return false;
	}
	api_post(c->api, take_off_set, h);
	return true;
}
