/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A map under a lock. The log asks it for every page of events and for each repeated idempotency
 * key, which is seldom beside everything else that those cost.
 */
#include "engine/retain.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/map.h"
#include "model/month.h"

#define KEY_BYTES 16

struct kept {
	char key[KEY_BYTES]; /* org and project */
	struct retention_row row;
	bool waits;   /* the deletion is not purged yet, */
	bool counted; /* nor its counts cleared, as far as this process knows */
};

struct retain {
	pthread_mutex_t lock;
	struct map projects;
	size_t orgs; /* rows of whole orgs: mostly none */
	int64_t default_days;
	int64_t gone_us; /* of projects without days of their own */
	uint64_t deleted_seq;
	uint64_t replayed_seq;
};

struct retain *retain_new(int64_t default_days)
{
	struct retain *r = mem_alloc(1, sizeof(*r));

	pthread_mutex_init(&r->lock, NULL);
	map_init(&r->projects);
	r->default_days = default_days;
	return r;
}

void retain_free(struct retain **rp)
{
	struct retain *r = *rp;
	struct kept *kept;
	size_t at = 0;

	*rp = NULL;
	if (r == NULL) {
		return;
	}
	while ((kept = map_next(&r->projects, &at)) != NULL) {
		free(kept);
	}
	map_release(&r->projects);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static void key_of(struct org_id org, struct project_id project, char key[KEY_BYTES])
{
	memcpy(key, &org.v, 8);
	memcpy(key + 8, &project.v, 8);
}

/* Under the lock; NULL: nothing is known. */
static struct kept *find(const struct retain *r, struct org_id org, struct project_id project)
{
	char key[KEY_BYTES];

	key_of(org, project, key);
	return map_get(&r->projects, (struct slice) { key, KEY_BYTES });
}

static bool is_of_org(const struct kept *kept)
{
	return kept->row.project.v == 0;
}

/* Under the lock. */
static struct kept *need(struct retain *r, struct org_id org, struct project_id project)
{
	struct kept *kept = find(r, org, project);

	if (kept == NULL) {
		kept = mem_alloc(1, sizeof(*kept));
		key_of(org, project, kept->key);
		kept->row = (struct retention_row) { .org = org,
						     .project = project,
						     .days = RETENTION_DEFAULT };
		r->orgs += is_of_org(kept);
		map_put(&r->projects, (struct slice) { kept->key, KEY_BYTES }, kept);
	}
	return kept;
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static void take_row(void *arg, const struct retention_row *row)
{
	struct retain *r = arg;
	struct kept *kept;

	if (row->org.v == 0 && row->project.v == 0) {
		r->gone_us = later(r->gone_us, row->gone_us);
		return;
	}
	kept = need(r, row->org, row->project);
	kept->row = *row;
	kept->waits = kept->counted = row->deleted_seq > 0 && row->purged_us == 0;
	if (row->deleted_seq > r->deleted_seq) {
		r->deleted_seq = row->deleted_seq;
	}
}

bool retain_load(struct retain *r, struct db *db, struct err *err)
{
	bool ok;

	pthread_mutex_lock(&r->lock);
	ok = store_retention_all(db, take_row, r, err);
	pthread_mutex_unlock(&r->lock);
	return ok;
}

/* Under the lock. */
static int64_t days_of(const struct retain *r, const struct kept *kept)
{
	return kept == NULL || kept->row.days == RETENTION_DEFAULT ? r->default_days
								   : kept->row.days;
}

static int64_t over_us(int64_t days, int64_t now_us)
{
	return days == 0 ? 0 : now_us - days * DAY_US;
}

/* Under the lock: events received before are not to be seen any more. */
static int64_t from_us(const struct retain *r, const struct kept *kept, int64_t now_us)
{
	int64_t us = over_us(days_of(r, kept), now_us);

	if (kept != NULL) {
		us = later(us, kept->row.gone_us);
	}
	if (kept == NULL || kept->row.days == RETENTION_DEFAULT) {
		us = later(us, r->gone_us);
	}
	return later(us, 0);
}

void retain_floor(void *arg, struct org_id org, struct project_id project,
		  struct journal_floor *floor)
{
	struct retain *r = arg;
	const struct kept *kept;

	pthread_mutex_lock(&r->lock);
	kept = find(r, org, project);
	*floor = (struct journal_floor) { .from_us = from_us(r, kept, clock_wall_us()) };
	if (kept != NULL) {
		floor->seq = kept->row.deleted_seq;
		floor->waits = kept->waits;
	}
	kept = r->orgs == 0 ? NULL : find(r, org, (struct project_id) { 0 });
	if (kept != NULL && kept->row.deleted_seq > 0) {
		floor->all_seq = kept->row.deleted_seq;
		floor->seq = floor->seq > floor->all_seq ? floor->seq : floor->all_seq;
		floor->waits |= kept->waits;
	}
	pthread_mutex_unlock(&r->lock);
}

int64_t retain_days(struct retain *r, struct org_id org, struct project_id project)
{
	int64_t days;

	pthread_mutex_lock(&r->lock);
	days = days_of(r, find(r, org, project));
	pthread_mutex_unlock(&r->lock);
	return days;
}

int64_t retain_gone(struct retain *r, struct org_id org, struct project_id project, int64_t now_us)
{
	int64_t us;

	pthread_mutex_lock(&r->lock);
	us = from_us(r, find(r, org, project), now_us);
	pthread_mutex_unlock(&r->lock);
	return us;
}

void retain_set(struct retain *r, struct org_id org, struct project_id project, int64_t days,
		int64_t gone_us)
{
	struct kept *kept;

	pthread_mutex_lock(&r->lock);
	kept = need(r, org, project);
	kept->row.days = days;
	kept->row.gone_us = later(kept->row.gone_us, gone_us);
	pthread_mutex_unlock(&r->lock);
}

void retain_delete(struct retain *r, struct org_id org, struct project_id project, uint64_t seq,
		   int64_t at_us)
{
	struct kept *kept;

	pthread_mutex_lock(&r->lock);
	kept = need(r, org, project);
	kept->row.deleted_seq = seq;
	kept->row.deleted_us = at_us;
	kept->waits = kept->counted = true;
	r->deleted_seq = seq > r->deleted_seq ? seq : r->deleted_seq;
	pthread_mutex_unlock(&r->lock);
}

uint64_t retain_org(struct retain *r, struct org_id org, bool *purged)
{
	const struct kept *kept;
	uint64_t seq = 0;

	*purged = false;
	pthread_mutex_lock(&r->lock);
	kept = find(r, org, (struct project_id) { 0 });
	if (kept != NULL) {
		seq = kept->row.deleted_seq;
		*purged = seq > 0 && !kept->waits;
	}
	pthread_mutex_unlock(&r->lock);
	return seq;
}

void retain_forget(struct retain *r, struct org_id org)
{
	struct kept *kept;
	size_t at = 0;

	pthread_mutex_lock(&r->lock);
	while ((kept = map_next(&r->projects, &at)) != NULL) {
		if (kept->row.org.v == org.v) {
			r->orgs -= is_of_org(kept);
			map_del(&r->projects, (struct slice) { kept->key, KEY_BYTES });
			free(kept);
		}
	}
	pthread_mutex_unlock(&r->lock);
}

uint64_t retain_deleted(struct retain *r)
{
	uint64_t seq;

	pthread_mutex_lock(&r->lock);
	seq = r->deleted_seq;
	pthread_mutex_unlock(&r->lock);
	return seq;
}

void retain_replayed(struct retain *r, uint64_t seq)
{
	pthread_mutex_lock(&r->lock);
	r->replayed_seq = seq;
	pthread_mutex_unlock(&r->lock);
}

uint64_t retain_replayed_seq(struct retain *r)
{
	uint64_t seq;

	pthread_mutex_lock(&r->lock);
	seq = r->replayed_seq;
	pthread_mutex_unlock(&r->lock);
	return seq;
}

int64_t retain_shortest(struct retain *r)
{
	const struct kept *kept;
	int64_t days;
	size_t at = 0;

	pthread_mutex_lock(&r->lock);
	days = r->default_days;
	while ((kept = map_next(&r->projects, &at)) != NULL) {
		if (kept->row.days > 0 && (days == 0 || kept->row.days < days)) {
			days = kept->row.days;
		}
	}
	pthread_mutex_unlock(&r->lock);
	return days;
}

size_t retain_over(struct retain *r, int64_t now_us, struct arena *tick,
		   struct retention_row **rows)
{
	struct retention_row *out;
	const struct kept *kept;
	size_t n = 0, at = 0;

	pthread_mutex_lock(&r->lock);
	out = arena_array(tick, r->projects.n + 1, sizeof(*out));
	if (r->default_days > 0) {
		out[n++] = (struct retention_row) { .days = RETENTION_DEFAULT,
						    .gone_us = over_us(r->default_days, now_us) };
	}
	while ((kept = map_next(&r->projects, &at)) != NULL) {
		if (kept->row.days > 0) {
			out[n] = kept->row;
			out[n++].gone_us = over_us(kept->row.days, now_us);
		}
	}
	pthread_mutex_unlock(&r->lock);
	*rows = out;
	return n;
}

void retain_note_gone(struct retain *r, const struct retention_row *rows, size_t n)
{
	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < n; i++) {
		if (rows[i].org.v == 0 && rows[i].project.v == 0) {
			r->gone_us = later(r->gone_us, rows[i].gone_us);
		} else {
			struct kept *kept = need(r, rows[i].org, rows[i].project);

			kept->row.gone_us = later(kept->row.gone_us, rows[i].gone_us);
		}
	}
	pthread_mutex_unlock(&r->lock);
}

size_t retain_waiting(struct retain *r, struct arena *tick, struct retain_deletion **list)
{
	struct retain_deletion *out;
	const struct kept *kept;
	size_t n = 0, at = 0;

	pthread_mutex_lock(&r->lock);
	out = arena_array(tick, r->projects.n + 1, sizeof(*out));
	while ((kept = map_next(&r->projects, &at)) != NULL) {
		if (kept->waits) {
			out[n++] = (struct retain_deletion) { .org = kept->row.org,
							      .project = kept->row.project,
							      .seq = kept->row.deleted_seq,
							      .at_us = kept->row.deleted_us,
							      .counted = kept->counted };
		}
	}
	pthread_mutex_unlock(&r->lock);
	*list = out;
	return n;
}

/* Under the lock; NULL: there is a later deletion. */
static struct kept *find_deletion(const struct retain *r, const struct retain_deletion *deletion)
{
	struct kept *kept = find(r, deletion->org, deletion->project);

	return kept != NULL && kept->row.deleted_seq == deletion->seq ? kept : NULL;
}

void retain_cleared(struct retain *r, const struct retain_deletion *deletion)
{
	struct kept *kept;

	pthread_mutex_lock(&r->lock);
	kept = find_deletion(r, deletion);
	if (kept != NULL) {
		kept->counted = false;
	}
	pthread_mutex_unlock(&r->lock);
}

void retain_purged(struct retain *r, const struct retain_deletion *deletion)
{
	struct kept *kept;

	pthread_mutex_lock(&r->lock);
	kept = find_deletion(r, deletion);
	if (kept != NULL) {
		kept->waits = false;
	}
	pthread_mutex_unlock(&r->lock);
}
