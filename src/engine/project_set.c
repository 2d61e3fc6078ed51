/* SPDX-License-Identifier: Apache-2.0 */
/* Projects by id. Origins are kept as one text, because hardly any request asks for them. */
#include "engine/project_set.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/log.h"
#include "base/map.h"
#include "model/origin.h"
#include "store/directory.h"

#define ROWS_PER_READ 500	     /* of the store at start: some 100 KiB of an arena */
#define ORIGINS_BYTES_MAX (32 << 10) /* more than a project may have */

struct entry {
	struct project_info info;
	struct buf origins;
};

struct project_set {
	struct map by_id;
};

struct project_set *project_set_new(void)
{
	struct project_set *set = mem_alloc(1, sizeof(*set));

	map_init(&set->by_id);
	return set;
}

static void entry_free(struct entry *e)
{
	buf_release(&e->origins);
	free(e);
}

void project_set_free(struct project_set **sp)
{
	struct project_set *set = *sp;
	struct entry *e;
	size_t at = 0;

	if (set == NULL) {
		return;
	}
	while ((e = map_next(&set->by_id, &at)) != NULL) {
		entry_free(e);
	}
	map_release(&set->by_id);
	free(set);
	*sp = NULL;
}

void project_set_del(struct project_set *set, struct project_id id)
{
	struct entry *e = map_del(&set->by_id, MAP_KEY(id));

	if (e != NULL) {
		entry_free(e);
	}
}

void project_set_del_org(struct project_set *set, struct org_id org)
{
	const struct entry *e;
	size_t at = 0;

	while ((e = map_next(&set->by_id, &at)) != NULL) {
		if (e->info.org.v == org.v) {
			project_set_del(set, e->info.id);
		}
	}
}

static struct entry *add(struct project_set *set, struct org_id org, struct project_id id)
{
	struct entry *e = mem_alloc(1, sizeof(*e));

	e->info = (struct project_info) { .id = id, .org = org };
	buf_init(&e->origins, ORIGINS_BYTES_MAX);
	map_put(&set->by_id, MAP_KEY(e->info.id), e);
	return e;
}

void project_set_add(struct project_set *set, struct org_id org, struct project_id id)
{
	if (map_get(&set->by_id, MAP_KEY(id)) == NULL) {
		add(set, org, id);
	}
}

static bool read_origins(struct slice text, struct arena *tick, struct buf *out, struct err *err)
{
	const struct json *list;

	if (!json_parse(tick, text, JSON_DEPTH_MAX, &list, err)) {
		return false;
	}
	json_each(item, list)
	{
		if (item->type == JSON_STRING) {
			buf_puts(out, item->text);
			buf_putc(out, ' ');
		}
	}
	return true;
}

void project_set_put(struct project_set *set, const struct project_row *row)
{
	struct arena tick;
	struct entry *e;
	struct err err;

	project_set_del(set, row->id);
	if (row->delete_after_us != 0) {
		return;
	}
	e = add(set, row->org, row->id);
	arena_init(&tick, 0);
	if (row->origins.n > 0 && !read_origins(row->origins, &tick, &e->origins, &err)) {
		log_warn("origins_not_read", log_str("error", err.text));
	}
	e->info.origins = buf_slice(&e->origins);
	arena_release(&tick);
}

const struct project_info *project_set_get(const struct project_set *set, struct project_id id)
{
	const struct entry *e = map_get(&set->by_id, MAP_KEY(id));

	return e == NULL ? NULL : &e->info;
}

bool project_set_lets_in(const struct project_set *set, struct project_id id, struct slice origin)
{
	const struct project_info *info = project_set_get(set, id);
	struct slice rest = info == NULL ? (struct slice) { 0 } : info->origins, item;

	while (slice_split(&rest, ' ', &item)) {
		if (item.n > 0 && origin_matches(item, origin)) {
			return true;
		}
	}
	return false;
}

bool project_set_load(struct project_set *set, struct db *db, struct err *err)
{
	struct project_list list = { 0 };
	struct project_id after = { 0 };
	struct arena tick;
	bool ok;

	arena_init(&tick, 0);
	do {
		arena_clear(&tick);
		ok = store_projects_all(db, after, ROWS_PER_READ, &tick, &list, err);
		for (size_t i = 0; ok && i < list.n; i++) {
			after = list.rows[i].id;
			project_set_put(set, &list.rows[i]);
		}
	} while (ok && list.n == ROWS_PER_READ);
	arena_release(&tick);
	return ok || err_wrap(err, "load the projects");
}
