/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Draws numbers and chooses words; what the events of each type look like is profile_mixed.c. All
 * frequencies are whole numbers, so that no machine rounds them in another way.
 */
#include "load/profile.h"

#include <stdlib.h>

#include "load/profile_impl.h"

#define ZIPF_ONE 720720 /* divides by 1 to 14 without a rest */

void zipf_init(struct zipf *z, unsigned n)
{
	*z = (struct zipf) { .upto = mem_alloc(n, sizeof(uint64_t)), .n = n };
	for (unsigned i = 0; i < n; i++) {
		z->upto[i] = (i == 0 ? 0 : z->upto[i - 1]) + ZIPF_ONE / (i + 1);
	}
}

void zipf_release(struct zipf *z)
{
	free(z->upto);
	*z = (struct zipf) { 0 };
}

unsigned zipf_draw(const struct zipf *z, struct prng *r)
{
	uint64_t v = prng_below(r, z->upto[z->n - 1]);
	unsigned i = 0;

	while (z->upto[i] <= v) {
		i++;
	}
	return i;
}

struct profile *profile_new(enum profile_kind kind, unsigned projects, uint64_t seed)
{
	struct profile *p = mem_alloc(1, sizeof(*p));

	ensure(projects >= 1 && projects <= PROFILE_PROJECTS_MAX);
	p->kind = kind;
	p->r.state = prng_mix(seed + 1);
	p->seed = p->r.state;
	zipf_init(&p->projects, projects);
	zipf_init(&p->types, MIXED_TYPES);
	return p;
}

void profile_free(struct profile **pp)
{
	if (*pp == NULL) {
		return;
	}
	zipf_release(&(*pp)->projects);
	zipf_release(&(*pp)->types);
	free(*pp);
	*pp = NULL;
}

unsigned profile_project(struct profile *p)
{
	return p->projects.n == 1 ? 0 : zipf_draw(&p->projects, &p->r);
}

static void write_simple(struct profile *p, unsigned project, struct buf *out)
{
	uint64_t v = prng_u64(&p->r);

	buf_printf(
		out,
		"{\"type\":\"bench.simple\",\"severity\":\"info\",\"source\":\"bench-%u\","
		"\"payload\":{\"n\":%llu,\"userId\":\"u%03u\",\"amount\":%u,\"currency\":\"EUR\","
		"\"plan\":\"standard\"}}",
		project, (unsigned long long)p->made, (unsigned)(v % 1000),
		(unsigned)(100 + (v >> 32) % 900));
}

void profile_event(struct profile *p, unsigned project, struct buf *out)
{
	ensure(project < p->projects.n);
	if (p->kind == PROFILE_SIMPLE) {
		write_simple(p, project, out);
	} else {
		mixed_write(p, project, out);
	}
	p->made++;
}
