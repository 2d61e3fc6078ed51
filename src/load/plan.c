/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Due times are computed from the number of the request (evenly) or summed up (Poisson), never from
 * the time of the last sending: that would let the server slow the plan down.
 */
#include "load/plan.h"

#include <math.h>
#include <stdlib.h>

static void step(struct plan *p)
{
	if (p->poisson) {
		p->next_us -= log(prng_unit(&p->prng)) * p->gap_us;
	} else {
		p->made++;
		p->next_us = (double)p->made * p->gap_us;
	}
}

void plan_init(struct plan *p, double per_second, bool poisson, uint64_t seed, int64_t end_us,
	       size_t backlog_max)
{
	ensure(per_second > 0 && per_second <= PLAN_PER_S_MAX);
	ensure(backlog_max > 0 && backlog_max <= PLAN_BACKLOG_MAX);
	*p = (struct plan) { .gap_us = 1e6 / per_second,
			     .poisson = poisson,
			     .prng = { seed },
			     .end_us = end_us,
			     .backlog_us = mem_alloc(backlog_max, sizeof(int64_t)),
			     .backlog_max = backlog_max };
	if (poisson) {
		step(p);
	}
}

void plan_release(struct plan *p)
{
	free(p->backlog_us);
	*p = (struct plan) { 0 };
}

int64_t plan_next_us(const struct plan *p)
{
	return p->next_us < (double)p->end_us ? (int64_t)p->next_us : INT64_MAX;
}

void plan_advance(struct plan *p, int64_t now_us)
{
	int64_t due_us;

	while ((due_us = plan_next_us(p)) <= now_us && due_us != INT64_MAX) {
		step(p);
		p->planned++;
		if (p->waiting == p->backlog_max) {
			p->dropped++;
			continue;
		}
		p->backlog_us[(p->first + p->waiting) % p->backlog_max] = due_us;
		p->waiting++;
		p->waiting_most = p->waiting > p->waiting_most ? p->waiting : p->waiting_most;
	}
}

bool plan_take(struct plan *p, int64_t *due_us)
{
	if (p->waiting == 0) {
		return false;
	}
	*due_us = p->backlog_us[p->first];
	p->first = (p->first + 1) % p->backlog_max;
	p->waiting--;
	p->taken++;
	return true;
}

int64_t plan_oldest_us(const struct plan *p)
{
	return p->waiting == 0 ? -1 : p->backlog_us[p->first];
}

void plan_stop(struct plan *p, int64_t now_us)
{
	p->end_us = now_us < p->end_us ? now_us : p->end_us;
}
