/* SPDX-License-Identifier: Apache-2.0 */
/* A ticket opens one door once, and soon. */
#include "api/tickets.h"

#include "test/t.h"

static const struct caller caller = { .key = { 1 }, .org = { 2 }, .project = { 3 }, .scopes = 4 };

static struct slice text_of(const char ticket[TICKET_LEN])
{
	return (struct slice) { ticket, TICKET_LEN };
}

TEST(a_ticket_is_good_once)
{
	struct tickets *t = tickets_new();
	char a[TICKET_LEN], b[TICKET_LEN];
	struct caller out;

	T_TRUE(tickets_make(t, &caller, 1000, a));
	T_TRUE(tickets_make(t, &caller, 1000, b));
	T_TRUE(memcmp(a, b, TICKET_LEN) != 0);
	T_TRUE(slice_starts(text_of(a), S("tkt_")));
	T_TRUE(tickets_use(t, text_of(b), 2000, &out));
	T_INT(out.key.v, 1);
	T_INT(out.org.v, 2);
	T_INT(out.project.v, 3);
	T_INT(out.scopes, 4);
	T_FALSE(tickets_use(t, text_of(b), 2000, &out));
	T_TRUE(tickets_use(t, text_of(a), 2000, &out));
	T_FALSE(tickets_use(t, text_of(a), 2000, &out));
	tickets_free(&t);
	T_TRUE(t == NULL);
}

TEST(a_ticket_is_good_for_thirty_seconds)
{
	struct tickets *t = tickets_new();
	char a[TICKET_LEN], b[TICKET_LEN];
	struct caller out;

	T_TRUE(tickets_make(t, &caller, 1000, a));
	T_TRUE(tickets_make(t, &caller, 1000, b));
	T_TRUE(tickets_use(t, text_of(a), 1000 + TICKET_US - 1, &out));
	T_FALSE(tickets_use(t, text_of(b), 1000 + TICKET_US, &out));
	tickets_free(&t);
}

TEST(what_was_never_made_is_no_ticket)
{
	struct tickets *t = tickets_new();
	char a[TICKET_LEN];
	struct caller out;

	T_TRUE(tickets_make(t, &caller, 1000, a));
	T_FALSE(tickets_use(t, S(""), 1000, &out));
	T_FALSE(tickets_use(t, S("tkt_"), 1000, &out));
	T_FALSE(tickets_use(t, slice_from(text_of(a), 1), 1000, &out));
	a[10] ^= 1;
	T_FALSE(tickets_use(t, text_of(a), 1000, &out));
	tickets_free(&t);
}

/* How many of one org there can be at that time, beside those that are there. */
static size_t fill(struct tickets *t, uint64_t org, int64_t now_us)
{
	struct caller who = caller;
	char text[TICKET_LEN];
	size_t n = 0;

	who.org.v = org;
	while (tickets_make(t, &who, now_us, text)) {
		n++;
	}
	return n;
}

TEST(their_number_is_bounded_and_comes_back)
{
	struct tickets *t = tickets_new();
	char first[TICKET_LEN], a[TICKET_LEN];
	struct caller out;

	T_TRUE(tickets_make(t, &caller, 1000, first));
	T_INT(fill(t, 71, 2000) + fill(t, 72, 2000) + fill(t, 73, 2000), TICKETS_MAX - 1);
	T_FALSE(tickets_make(t, &caller, 2000, a));
	/* Use and age both make room. */
	T_TRUE(tickets_use(t, text_of(first), 2000, &out));
	T_TRUE(tickets_make(t, &caller, 2000, a));
	T_FALSE(tickets_make(t, &caller, 2000, a));
	T_TRUE(tickets_make(t, &caller, 2000 + TICKET_US, a));
	T_TRUE(tickets_use(t, text_of(a), 2001 + TICKET_US, &out));
	tickets_free(&t);
}

TEST(no_org_takes_all_of_them)
{
	struct tickets *t = tickets_new();

	T_INT(fill(t, 71, 1000), TICKETS_MAX / 4 * 3);
	T_TRUE(fill(t, 72, 1000) > TICKETS_MAX / 8);
	T_TRUE(fill(t, 73, 1000) > 0);
	/* What has expired is forgotten, and whose it was. */
	T_INT(fill(t, 71, 1000 + TICKET_US), TICKETS_MAX / 4 * 3);
	tickets_free(&t);
}

T_MAIN(T(a_ticket_is_good_once), T(a_ticket_is_good_for_thirty_seconds),
       T(what_was_never_made_is_no_ticket), T(their_number_is_bounded_and_comes_back),
       T(no_org_takes_all_of_them))
