/* SPDX-License-Identifier: Apache-2.0 */
/* Tickets in the order of their making, which is the order of their end. */
#include "api/tickets.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/hex.h"
#include "base/map.h"
#include "base/rand.h"

struct ticket {
	struct ticket *next; /* made after this one */
	unsigned char hash[SHA256_BYTES];
	struct caller caller;
	int64_t until_us;
	bool used;
};

struct tickets {
	struct map by_hash;
	struct ticket *oldest, *newest;
	size_t n;
};

struct tickets *tickets_new(void)
{
	struct tickets *t = mem_alloc(1, sizeof(*t));

	map_init(&t->by_hash);
	return t;
}

static struct slice hash_of(const struct ticket *ticket)
{
	return (struct slice) { (const char *)ticket->hash, SHA256_BYTES };
}

static void drop_oldest(struct tickets *t)
{
	struct ticket *ticket = t->oldest;

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
	free(t);
	*tp = NULL;
}

bool tickets_make(struct tickets *t, const struct caller *caller, int64_t now_us,
		  char out[TICKET_LEN])
{
	struct ticket *ticket;
	unsigned __int128 random[2];

	sweep(t, now_us);
	if (t->n >= TICKETS_MAX) {
		return false;
	}
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
