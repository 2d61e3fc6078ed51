/* SPDX-License-Identifier: Apache-2.0 */
/* Tickets in the order of their making, which is the order of their end. */
#include "api/tickets.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/hex.h"
#include "base/map.h"
#include "base/rand.h"
#include "base/room.h"

struct ticket {
	struct ticket *next; /* made after this one */
	unsigned char hash[SHA256_BYTES];
	struct caller caller;
	int64_t until_us;
	bool used;
};

/* Of one org. */
struct holder {
	struct org_id org;
	size_t n;
};

struct tickets {
	struct map by_hash;
	struct map holders; /* by org; those that have some */
	struct ticket *oldest, *newest;
	size_t n;
};

struct tickets *tickets_new(void)
{
	struct tickets *t = mem_alloc(1, sizeof(*t));

	map_init(&t->by_hash);
	map_init(&t->holders);
	return t;
}

static struct slice hash_of(const struct ticket *ticket)
{
	return (struct slice) { (const char *)ticket->hash, SHA256_BYTES };
}

static struct holder *holder_of(struct tickets *t, struct org_id org)
{
	struct holder *h = map_get(&t->holders, MAP_KEY(org));

	if (h == NULL) {
		h = mem_alloc(1, sizeof(*h));
		h->org = org;
		map_put(&t->holders, MAP_KEY(h->org), h);
	}
	return h;
}

static void let_go(struct tickets *t, struct holder *h)
{
	if (h->n == 0) {
		map_del(&t->holders, MAP_KEY(h->org));
		free(h);
	}
}

static void drop_oldest(struct tickets *t)
{
	struct ticket *ticket = t->oldest;
	struct holder *h = holder_of(t, ticket->caller.org);

	h->n--;
	let_go(t, h);

	if (!ticket->used) {
		map_del(&t->by_hash, hash_of(ticket));
	}
	t->oldest = ticket->next;
	t->n--;
	free(ticket);
}

/* Expired ones, and used ones that have become the oldest. */
static void sweep(struct tickets *t, int64_t now_us)
{
	while (t->oldest != NULL && (t->oldest->used || t->oldest->until_us <= now_us)) {
		drop_oldest(t);
	}
}

void tickets_free(struct tickets **tp)
{
	struct tickets *t = *tp;

	if (t == NULL) {
		return;
	}
	while (t->oldest != NULL) {
		drop_oldest(t);
	}
	map_release(&t->by_hash);
	map_release(&t->holders);
	free(t);
	*tp = NULL;
}

bool tickets_make(struct tickets *t, const struct caller *caller, int64_t now_us,
		  char out[TICKET_LEN])
{
	struct ticket *ticket;
	struct holder *h;
	unsigned __int128 random[2];

	sweep(t, now_us);
	h = holder_of(t, caller->org);
	if (!room_for_one(t->n, h->n, TICKETS_MAX)) {
		let_go(t, h);
		return false;
	}
	h->n++;
	rand_bytes(random, sizeof(random));
	memcpy(out, "tkt_", 4);
	base32_encode(random[0], 16, out + 4);
	base32_encode(random[1], 16, out + 20);
	ticket = mem_alloc(1, sizeof(*ticket));
	ticket->caller = *caller;
	ticket->until_us = now_us + TICKET_US;
	sha256((struct slice) { out, TICKET_LEN }, ticket->hash);
	map_put(&t->by_hash, hash_of(ticket), ticket);
	if (t->oldest == NULL) {
		t->oldest = ticket;
	} else {
		t->newest->next = ticket;
	}
	t->newest = ticket;
	t->n++;
	return true;
}

bool tickets_use(struct tickets *t, struct slice text, int64_t now_us, struct caller *out)
{
	unsigned char hash[SHA256_BYTES];
	struct ticket *ticket;

	sweep(t, now_us);
	if (text.n != TICKET_LEN) {
		return false;
	}
	sha256(text, hash);
	ticket = map_del(&t->by_hash, (struct slice) { (const char *)hash, sizeof(hash) });
	if (ticket == NULL) {
		return false;
	}
	ticket->used = true;
	*out = ticket->caller;
	return ticket->until_us > now_us;
}
