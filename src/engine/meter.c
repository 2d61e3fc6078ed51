/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A map of accounts under a lock, asked for nearly every request of the loop: the account of the
 * last one is tried first, and its limits are worked out when they change, not when they are asked.
 */
#include "engine/meter.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/map.h"
#include "engine/usage.h"
#include "store/store.h"

/* A plan that is kept; its texts are in here. */
struct entry {
	struct plan plan;
	char name[PLAN_NAME_CHARS_MAX];
	char display_name[PLAN_DISPLAY_NAME_CHARS_MAX * 4]; /* characters, in UTF-8 */
	char price_ref[PLAN_REF_CHARS_MAX];
	char overage_price_ref[PLAN_REF_CHARS_MAX];
};

struct account {
	struct org_id org;
	char plan[PLAN_NAME_CHARS_MAX];
	size_t plan_n; /* 0: the default */
	struct plan_override own;
	struct plan limits; /* its texts are those of an entry, or constant */
	int64_t month_us, end_us;
	uint64_t used;
	bool told_soft, told_hard; /* this month, in the log of the program */
	int64_t limit;		   /* plan_events_limit of limits */
	int percent;		   /* the level that was come to, of that limit in this month */
	struct meter_level level;  /* the newest that nobody has taken */
	bool waits;		   /* in the queue, because of it */
	struct account *next;
};

struct meter {
	pthread_mutex_t lock;
	struct map accounts;
	struct account *last;
	struct entry *plans[PLANS_MAX];
	size_t plans_n;
	char normal[PLAN_NAME_CHARS_MAX];
	size_t normal_n; /* 0: the table is switched off; atomic, as it is read without the lock */
	struct account *first_waits, *last_waits;
};

struct meter *meter_new(void)
{
	struct meter *m = mem_alloc(1, sizeof(*m));

	pthread_mutex_init(&m->lock, NULL);
	map_init(&m->accounts);
	return m;
}

void meter_free(struct meter **mp)
{
	struct meter *m = *mp;
	struct account *a;
	size_t at = 0;

	*mp = NULL;
	if (m == NULL) {
		return;
	}
	while ((a = map_next(&m->accounts, &at)) != NULL) {
		free(a);
	}
	map_release(&m->accounts);
	for (size_t i = 0; i < m->plans_n; i++) {
		free(m->plans[i]);
	}
	pthread_mutex_destroy(&m->lock);
	free(m);
}

/* All that follow: under the lock. */

static const struct plan *find_plan(const struct meter *m, struct slice name)
{
	for (size_t i = 0; i < m->plans_n; i++) {
		if (slice_eq(m->plans[i]->plan.name, name)) {
			return &m->plans[i]->plan;
		}
	}
	return slice_eq(name, plan_unlimited.name) ? &plan_unlimited : NULL;
}

static int percent_of(uint64_t used, int64_t limit)
{
	if (limit == 0 || used * 100 < (uint64_t)limit * 80) {
		return 0;
	}
	return used < (uint64_t)limit ? 80 : 100;
}

static void note_level(struct meter *m, struct account *a)
{
	int percent = percent_of(a->used, a->limit);

	if (percent <= a->percent) {
		return;
	}
	a->percent = percent;
	a->level = (struct meter_level) { .org = a->org,
					  .month_us = a->month_us,
					  .limit = a->limit,
					  .used = a->used,
					  .percent = percent };
	if (a->waits) {
		return;
	}
	a->waits = true;
	a->next = NULL;
	*(m->first_waits == NULL ? &m->first_waits : &m->last_waits->next) = a;
	m->last_waits = a;
}

static void work_out(struct meter *m, struct account *a)
{
	const struct plan *plan = NULL;

	if (m->normal_n > 0 && a->plan_n > 0) {
		plan = find_plan(m, (struct slice) { a->plan, a->plan_n });
	}
	if (m->normal_n > 0 && plan == NULL) {
		plan = find_plan(m, (struct slice) { m->normal, m->normal_n });
	}
	a->limits = plan_overridden(plan != NULL ? plan : &plan_unlimited, &a->own);
	a->told_soft = a->told_hard = false;
	if (a->limit != plan_events_limit(&a->limits)) {
		a->limit = plan_events_limit(&a->limits);
		a->percent = 0;
		note_level(m, a);
	}
}

static void work_out_all(struct meter *m)
{
	struct account *a;
	size_t at = 0;

	while ((a = map_next(&m->accounts, &at)) != NULL) {
		work_out(m, a);
	}
}

static struct account *account_of(struct meter *m, struct org_id org)
{
	struct account *a = m->last;

	if (a != NULL && a->org.v == org.v) {
		return a;
	}
	a = map_get(&m->accounts, MAP_KEY(org));
	if (a == NULL) {
		a = mem_alloc(1, sizeof(*a));
		a->org = org;
		a->own = (struct plan_override) { PLAN_KEEP, PLAN_KEEP };
		work_out(m, a);
		map_put(&m->accounts, MAP_KEY(a->org), a);
	}
	m->last = a;
	return a;
}

/* Time goes on only: what is asked about an earlier month is answered for this one. */
static void turn(struct account *a, int64_t at_us)
{
	if (at_us >= a->end_us) {
		a->month_us = month_start_us(at_us);
		a->end_us = month_end_us(at_us);
		a->used = 0;
		a->percent = 0;
		a->told_soft = a->told_hard = false;
	}
}

static void tell(struct account *a, const struct quota *q, uint64_t n)
{
	struct id_text id = id_format(ID_ORG, a->org.v);

	if (q->over_soft && !a->told_soft) {
		log_warn("usage_over_soft_limit", log_str("org", id.p),
			 log_int("limit", a->limits.events_soft));
		a->told_soft = true;
	}
	if (q->room < n && !a->told_hard) {
		log_warn("usage_at_hard_limit", log_str("org", id.p),
			 log_int("limit", a->limits.events_hard));
		a->told_hard = true;
	}
}

struct quota meter_room(struct meter *m, struct org_id org, int64_t at_us, uint64_t n)
{
	struct account *a;
	struct quota q;

	pthread_mutex_lock(&m->lock);
	a = account_of(m, org);
	turn(a, at_us);
	q = quota_verdict(&a->limits, a->used, n);
	if (q.over_soft || q.room < n) {
		tell(a, &q, n);
	}
	pthread_mutex_unlock(&m->lock);
	return q;
}

int64_t meter_rate(struct meter *m, struct org_id org)
{
	int64_t rate;

	if (__atomic_load_n(&m->normal_n, __ATOMIC_ACQUIRE) == 0) {
		return 0;
	}
	pthread_mutex_lock(&m->lock);
	rate = account_of(m, org)->limits.rate_per_min;
	pthread_mutex_unlock(&m->lock);
	return rate;
}

void meter_add(struct meter *m, struct org_id org, int64_t at_us, uint64_t n)
{
	struct account *a;

	pthread_mutex_lock(&m->lock);
	a = account_of(m, org);
	turn(a, at_us);
	a->used += n;
	note_level(m, a);
	pthread_mutex_unlock(&m->lock);
}

bool meter_take_level(struct meter *m, struct meter_level *out)
{
	struct account *a;

	pthread_mutex_lock(&m->lock);
	a = m->first_waits;
	if (a != NULL) {
		m->first_waits = a->next;
		a->waits = false;
		*out = a->level;
	}
	pthread_mutex_unlock(&m->lock);
	return a != NULL;
}

/* The state: counting. */

struct counting {
	struct meter *m;
	int64_t month_us;
};

static void take_usage(void *arg, const struct usage_row *row)
{
	struct counting *c = arg;

	meter_add(c->m, row->org, c->month_us, row->count);
}

static bool count_tail(struct meter *m, struct journal *journal, uint64_t after_seq,
		       int64_t month_us, struct err *err)
{
	struct journal_iter *iter = journal_iter_new(journal, after_seq + 1, false);
	struct record record;
	enum found found;

	while ((found = journal_iter_next(iter, &record, err)) != NOT_FOUND) {
		if (found == FAILED && err->kind != ERR_CORRUPT) {
			break;
		}
		if (found == FOUND && usage_counts(&record) && record.received_at_us >= month_us) {
			meter_add(m, record.org, record.received_at_us, 1);
		}
	}
	journal_iter_free(&iter);
	return found == NOT_FOUND;
}

static bool load_plans(struct meter *m, struct db *db, struct arena *tick, struct err *err)
{
	struct slice normal = S("");
	struct plan_list list;

	if (!store_plan_list(db, tick, &list, err) ||
	    store_meta_get(db, PLAN_DEFAULT_META, tick, &normal, err) == FAILED) {
		return false;
	}
	for (size_t i = 0; i < list.n; i++) {
		if (!meter_put_plan(m, &list.rows[i])) {
			return err_set(err, ERR_CORRUPT, "there are more than %d plans", PLANS_MAX);
		}
	}
	meter_set_default(m, normal);
	return true;
}

static void take_org(void *arg, const struct org_plan_row *row)
{
	meter_set_org(arg, row);
}

bool meter_load(struct meter *m, struct db *db, struct journal *journal, struct err *err)
{
	int64_t last_us = journal_last_received_at(journal);
	struct counting counting = { m, month_start_us(last_us) };
	struct engine_cursor cursor = { 0 };
	struct arena tick;
	bool ok;

	arena_init(&tick, 0);
	ok = load_plans(m, db, &tick, err) && store_org_plans_all(db, take_org, m, err) &&
	     store_cursor_get(db, 0, &tick, &cursor, err) != FAILED &&
	     store_usage_by_org(db, counting.month_us, take_usage, &counting, err) &&
	     count_tail(m, journal, cursor.usage_seq, counting.month_us, err);
	arena_release(&tick);
	return ok;
}

/* Plans. */

static struct plan plan_dup(const struct plan *plan, struct arena *req)
{
	struct plan out = *plan;

	out.name = arena_dup(req, plan->name);
	out.display_name = arena_dup(req, plan->display_name);
	out.price_ref = arena_dup(req, plan->price_ref);
	out.overage_price_ref = arena_dup(req, plan->overage_price_ref);
	return out;
}

void meter_look(struct meter *m, struct org_id org, int64_t at_us, struct arena *req,
		struct meter_state *out)
{
	struct account *a;

	pthread_mutex_lock(&m->lock);
	a = account_of(m, org);
	*out = (struct meter_state) { .plan = plan_dup(&a->limits, req),
				      .month_us = a->month_us,
				      .used = a->used };
	if (at_us >= a->end_us) {
		out->month_us = month_start_us(at_us);
		out->used = 0;
	}
	pthread_mutex_unlock(&m->lock);
}

void meter_set_default(struct meter *m, struct slice name)
{
	ensure(name.n <= sizeof(m->normal));
	pthread_mutex_lock(&m->lock);
	if (name.n > 0) {
		memcpy(m->normal, name.p, name.n);
	}
	__atomic_store_n(&m->normal_n, name.n, __ATOMIC_RELEASE);
	work_out_all(m);
	pthread_mutex_unlock(&m->lock);
}

struct slice meter_default(struct meter *m, struct arena *req)
{
	struct slice name;

	pthread_mutex_lock(&m->lock);
	name = arena_dup(req, (struct slice) { m->normal, m->normal_n });
	pthread_mutex_unlock(&m->lock);
	return name;
}

static struct entry *entry_for(struct meter *m, struct slice name)
{
	for (size_t i = 0; i < m->plans_n; i++) {
		if (slice_eq(m->plans[i]->plan.name, name)) {
			return m->plans[i];
		}
	}
	if (m->plans_n == PLANS_MAX) {
		return NULL;
	}
	m->plans[m->plans_n] = mem_alloc(1, sizeof(struct entry));
	return m->plans[m->plans_n++];
}

static int cheapest_first(const void *left, const void *right)
{
	const struct plan *a = &(*(struct entry *const *)left)->plan;
	const struct plan *b = &(*(struct entry *const *)right)->plan;

	if (a->price_cents != b->price_cents) {
		return a->price_cents < b->price_cents ? -1 : 1;
	}
	return slice_cmp(a->name, b->name);
}

static struct slice keep(char *to, size_t size, struct slice text)
{
	ensure(text.n <= size);
	if (text.n > 0) {
		memcpy(to, text.p, text.n);
	}
	return (struct slice) { to, text.n };
}

static void entry_set(struct entry *e, const struct plan *plan)
{
	e->plan = *plan;
	e->plan.name = keep(e->name, sizeof(e->name), plan->name);
	e->plan.display_name = keep(e->display_name, sizeof(e->display_name), plan->display_name);
	e->plan.price_ref = keep(e->price_ref, sizeof(e->price_ref), plan->price_ref);
	e->plan.overage_price_ref = keep(e->overage_price_ref, sizeof(e->overage_price_ref),
					 plan->overage_price_ref);
}

bool meter_put_plan(struct meter *m, const struct plan *plan)
{
	struct entry *e;

	pthread_mutex_lock(&m->lock);
	e = entry_for(m, plan->name);
	if (e != NULL) {
		entry_set(e, plan);
		qsort(m->plans, m->plans_n, sizeof(struct entry *), cheapest_first);
		work_out_all(m);
	}
	pthread_mutex_unlock(&m->lock);
	return e != NULL;
}

size_t meter_plans(struct meter *m, struct arena *req, struct plan **plans)
{
	size_t n;

	pthread_mutex_lock(&m->lock);
	n = m->plans_n;
	*plans = arena_array(req, n + 1, sizeof(**plans));
	for (size_t i = 0; i < n; i++) {
		(*plans)[i] = plan_dup(&m->plans[i]->plan, req);
	}
	pthread_mutex_unlock(&m->lock);
	return n;
}

bool meter_find_plan(struct meter *m, struct slice name, struct arena *req, struct plan *out)
{
	const struct plan *plan;

	pthread_mutex_lock(&m->lock);
	plan = find_plan(m, name);
	if (plan != NULL) {
		*out = plan_dup(plan, req);
	}
	pthread_mutex_unlock(&m->lock);
	return plan != NULL;
}

void meter_set_org(struct meter *m, const struct org_plan_row *row)
{
	struct account *a;

	ensure(row->plan.n <= sizeof(a->plan));
	pthread_mutex_lock(&m->lock);
	a = account_of(m, row->org);
	if (row->plan.n > 0) {
		memcpy(a->plan, row->plan.p, row->plan.n);
	}
	a->plan_n = row->plan.n;
	a->own = (struct plan_override) { row->events_soft, row->events_hard };
	work_out(m, a);
	pthread_mutex_unlock(&m->lock);
}

void meter_get_org(struct meter *m, struct org_id org, struct arena *req, struct org_plan_row *out)
{
	const struct account *a;

	pthread_mutex_lock(&m->lock);
	a = account_of(m, org);
	*out = (struct org_plan_row) { .org = org,
				       .plan = arena_dup(req,
							 (struct slice) { a->plan, a->plan_n }),
				       .events_soft = a->own.events_soft,
				       .events_hard = a->own.events_hard };
	pthread_mutex_unlock(&m->lock);
}

void meter_forget(struct meter *m, struct org_id org)
{
	struct account *a;

	pthread_mutex_lock(&m->lock);
	m->last = NULL;
	a = map_del(&m->accounts, MAP_KEY(org));
	pthread_mutex_unlock(&m->lock);
	free(a);
}
