/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three lists of flows: fresh ones, which have not asked for a while, before those that take turns;
 * and apart from both, held ones, which have as much under way as they may. A flow that has nothing
 * more to do stays for the rest of its turn, or one that asks bit by bit would always be fresh.
 */
#include "base/fair_queue.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/map.h"

struct list;

struct flow {
	uint64_t id;
	struct list *in; /* NULL: in none */
	struct flow *before, *after;
	struct fair_item *first, *last;
	size_t n; /* items that wait */
	size_t busy;
	int64_t credit_us;
};

struct list {
	struct flow *first, *last;
};

struct fair_queue {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct map flows; /* all below under the lock */
	struct list fresh, turns, held;
	size_t bound, busy_max, n;
	int64_t turn_us;
	bool closed;
};

struct fair_queue *fair_queue_new(size_t bound, size_t busy_max, int64_t turn_us)
{
	struct fair_queue *q = mem_alloc(1, sizeof(*q));

	ensure(bound > 0 && busy_max > 0 && turn_us > 0);
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->changed, NULL);
	map_init(&q->flows);
	q->bound = bound;
	q->busy_max = busy_max;
	q->turn_us = turn_us;
	return q;
}

void fair_queue_free(struct fair_queue **qp)
{
	struct fair_queue *q = *qp;
	struct flow *f;
	size_t at = 0;

	if (q == NULL) {
		return;
	}
	while ((f = map_next(&q->flows, &at)) != NULL) {
		free(f);
	}
	map_release(&q->flows);
	pthread_cond_destroy(&q->changed);
	pthread_mutex_destroy(&q->lock);
	free(q);
	*qp = NULL;
}

static void leave(struct flow *f)
{
	struct list *list = f->in;

	if (list == NULL) {
		return;
	}
	*(f->before == NULL ? &list->first : &f->before->after) = f->after;
	*(f->after == NULL ? &list->last : &f->after->before) = f->before;
	f->before = f->after = NULL;
	f->in = NULL;
}

/* At the end of a list. */
static void move(struct flow *f, struct list *list)
{
	leave(f);
	f->in = list;
	f->before = list->last;
	*(list->last == NULL ? &list->first : &list->last->after) = f;
	list->last = f;
}

static void forget(struct fair_queue *q, struct flow *f)
{
	leave(f);
	map_del(&q->flows, MAP_KEY(f->id));
	free(f);
}

static struct flow *flow_of(struct fair_queue *q, uint64_t id)
{
	struct flow *f = map_get(&q->flows, MAP_KEY(id));

	if (f == NULL) {
		f = mem_alloc(1, sizeof(*f));
		f->id = id;
		f->credit_us = q->turn_us;
		map_put(&q->flows, MAP_KEY(f->id), f);
	}
	return f;
}

static bool has_room(const struct fair_queue *q, uint64_t flow)
{
	const struct flow *f = map_get(&q->flows, MAP_KEY(flow));

	return q->n < q->bound && (f == NULL || f->n < FAIR_SHARE * (q->bound - q->n));
}

static void append(struct fair_queue *q, struct flow *f, struct fair_item *item)
{
	item->next = NULL;
	*(f->last == NULL ? &f->first : &f->last->next) = item;
	f->last = item;
	f->n++;
	q->n++;
	if (f->in == NULL) {
		move(f, f->busy < q->busy_max ? &q->fresh : &q->held);
	}
}

bool fair_queue_has_room(struct fair_queue *q, uint64_t flow)
{
	bool room;

	pthread_mutex_lock(&q->lock);
	room = has_room(q, flow);
	pthread_mutex_unlock(&q->lock);
	return room;
}

bool fair_queue_put(struct fair_queue *q, struct fair_item *item)
{
	bool ok;

	pthread_mutex_lock(&q->lock);
	ok = !q->closed && has_room(q, item->flow);
	if (ok) {
		append(q, flow_of(q, item->flow), item);
		pthread_cond_signal(&q->changed);
	}
	pthread_mutex_unlock(&q->lock);
	return ok;
}

static struct fair_item *pop(struct fair_queue *q, struct flow *f)
{
	struct fair_item *item = f->first;

	f->first = item->next;
	f->last = f->first == NULL ? NULL : f->last;
	f->n--;
	q->n--;
	f->busy++;
	if (f->busy >= q->busy_max) {
		move(f, &q->held);
	}
	return item;
}

/*
 * Whose turn is over goes to the end with credit for the next one, who has nothing to do is out.
 * Ends because each round gives credit, and debts are bounded.
 */
static struct fair_item *next(struct fair_queue *q)
{
	struct flow *f;

	while ((f = q->fresh.first != NULL ? q->fresh.first : q->turns.first) != NULL) {
		if (f->credit_us <= 0) {
			f->credit_us += q->turn_us;
			move(f, &q->turns);
		} else if (f->n > 0) {
			return pop(q, f);
		} else if (f->in == &q->fresh && q->turns.first != NULL) {
			move(f, &q->turns);
		} else if (f->busy > 0) {
			leave(f);
		} else {
			forget(q, f);
		}
	}
	return NULL;
}

struct fair_item *fair_queue_take(struct fair_queue *q, bool wait)
{
	struct fair_item *item;

	pthread_mutex_lock(&q->lock);
	while ((item = next(q)) == NULL && wait && !(q->closed && q->n == 0)) {
		pthread_cond_wait(&q->changed, &q->lock);
	}
	pthread_mutex_unlock(&q->lock);
	return item;
}

void fair_queue_done(struct fair_queue *q, uint64_t flow, int64_t took_us)
{
	struct flow *f;

	pthread_mutex_lock(&q->lock);
	f = map_get(&q->flows, MAP_KEY(flow));
	ensure(f != NULL && f->busy > 0);
	f->busy--;
	f->credit_us -= took_us;
	f->credit_us = f->credit_us < -FAIR_DEBT_US ? -FAIR_DEBT_US : f->credit_us;
	if (f->in == &q->held || (f->in == NULL && f->credit_us <= 0)) {
		move(f, &q->turns);
	}
	if (f->in == NULL && f->busy == 0) {
		forget(q, f);
	}
	/* All of them: at the end the last item done is what the others wait for. */
	pthread_cond_broadcast(&q->changed);
	pthread_mutex_unlock(&q->lock);
}

void fair_queue_close(struct fair_queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->closed = true;
	pthread_cond_broadcast(&q->changed);
	pthread_mutex_unlock(&q->lock);
}

size_t fair_queue_len(struct fair_queue *q)
{
	size_t n;

	pthread_mutex_lock(&q->lock);
	n = q->n;
	pthread_mutex_unlock(&q->lock);
	return n;
}
