/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a chain is whole. An entry whose hash is not its content's is kept until the end: when
 * two of them fit the places of each other, they were swapped.
 */
#include "model/audit.h"

#include <inttypes.h>

static void tell(struct audit_check *c, enum audit_fault_kind kind, uint64_t from, uint64_t to)
{
	struct audit_fault fault = { .kind = kind, .from = from, .to = to };

	c->faults++;
	c->fault(c->arg, &fault);
}

static struct audit_hash hash_of_text(struct slice text)
{
	struct audit_hash hash = { { 0 } };

	memcpy(hash.p, text.p, text.n < sizeof(hash.p) ? text.n : sizeof(hash.p));
	return hash;
}

/* Whether a stored text is this hash; of the one before the first entry: empty. */
static bool is_hash(struct slice text, const struct audit_hash *hash)
{
	if (hash->p[0] == '\0') {
		return text.n == 0;
	}
	return slice_eq(text, (struct slice) { hash->p, sizeof(hash->p) });
}

void audit_check_init(struct audit_check *c)
{
	arena_init(&c->keep, 0);
}

void audit_check_release(struct audit_check *c)
{
	arena_release(&c->keep);
}

static bool is_changed(const struct audit_entry *e)
{
	return !audit_is_whole(e);
}

static void note_changed(struct audit_check *c, const struct audit_entry *e)
{
	if (c->odd_n == AUDIT_ODD_MAX) {
		tell(c, AUDIT_CHANGED, e->number, e->number);
		return;
	}
	c->odd[c->odd_n++] = audit_copy(e, &c->keep);
}

void audit_check_entry(struct audit_check *c, const struct audit_entry *e)
{
	bool odd = is_changed(e);

	c->n++;
	if (e->number > c->last + 1) {
		tell(c, AUDIT_MISSING, c->last + 1, e->number - 1);
	}
	if (odd) {
		note_changed(c, e);
	} else if (!c->last_odd && e->number == c->last + 1 &&
		   !is_hash(e->previous, &c->last_hash)) {
		tell(c, AUDIT_UNLINKED, e->number, e->number);
	}
	if (e->number == c->expect && !slice_eq(e->hash, c->expect_hash)) {
		tell(c, AUDIT_UNLIKE, e->number, e->number);
	}
	c->last = e->number;
	c->last_hash = hash_of_text(e->hash);
	c->last_odd = odd;
}

static bool fits(const struct audit_entry *e, uint64_t number)
{
	struct audit_entry moved = *e;

	moved.number = number;
	return !is_changed(&moved);
}

static void tell_odd(struct audit_check *c)
{
	for (size_t i = 0; i < c->odd_n; i++) {
		const struct audit_entry *e = &c->odd[i];
		size_t j = i + 1;

		while (j < c->odd_n &&
		       !(fits(e, c->odd[j].number) && fits(&c->odd[j], e->number))) {
			j++;
		}
		if (j == c->odd_n) {
			tell(c, AUDIT_CHANGED, e->number, e->number);
			continue;
		}
		tell(c, AUDIT_SWAPPED, e->number, c->odd[j].number);
		c->odd[j] = c->odd[--c->odd_n];
	}
}

static void check_head(struct audit_check *c)
{
	if (c->last < c->head.number) {
		tell(c, AUDIT_CUT, c->last + 1, c->head.number);
	} else if (c->last > c->head.number) {
		tell(c, AUDIT_BEYOND, c->head.number + 1, c->last);
	} else if (!c->last_odd && !is_hash(c->head.hash, &c->last_hash)) {
		tell(c, AUDIT_REPLACED, c->last, c->last);
	}
	if (c->expect > c->last && c->expect > c->head.number) {
		tell(c, AUDIT_CUT, c->last + 1, c->expect);
	}
}

bool audit_check_end(struct audit_check *c)
{
	tell_odd(c);
	check_head(c);
	return c->faults == 0;
}

static struct slice range(const struct audit_fault *f, struct arena *tick)
{
	return f->from == f->to ? arena_printf(tick, "entry %" PRIu64 " is", f->from)
				: arena_printf(tick, "entries %" PRIu64 " to %" PRIu64 " are",
					       f->from, f->to);
}

struct slice audit_fault_text(const struct audit_fault *f, struct arena *tick)
{
	switch (f->kind) {
	case AUDIT_CHANGED:
		return arena_printf(tick, "entry %" PRIu64 " was changed", f->from);
	case AUDIT_SWAPPED:
		return arena_printf(tick, "entries %" PRIu64 " and %" PRIu64 " were swapped",
				    f->from, f->to);
	case AUDIT_MISSING:
		return arena_printf(tick, "%.*s missing", SARG(range(f, tick)));
	case AUDIT_UNLINKED:
		return arena_printf(tick,
				    "entry %" PRIu64 " does not follow entry %" PRIu64
				    ": one of the two was replaced",
				    f->from, f->from - 1);
	case AUDIT_CUT:
		return arena_printf(tick, "%.*s missing at the end", SARG(range(f, tick)));
	case AUDIT_BEYOND:
		return arena_printf(tick, "%.*s behind the end that was noted",
				    SARG(range(f, tick)));
	case AUDIT_REPLACED:
		return arena_printf(tick, "entry %" PRIu64 " is not the end that was noted",
				    f->from);
	case AUDIT_EMPTIED:
		return arena_printf(
			tick, "entry %" PRIu64 " lacks names of somebody who is not gone", f->from);
	case AUDIT_UNLIKE:
		return arena_printf(tick, "entry %" PRIu64 " does not have the hash expected",
				    f->from);
	}
	never("audit fault");
}
