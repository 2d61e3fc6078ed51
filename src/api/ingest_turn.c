/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose turn it is when several organizations send events at a time. Requests are put in line when
 * they are complete, so a line holds what was read anyway, and no connection is read on before its
 * request is answered.
 */
#include "api/api.h"
#include "api/ingest.h"
#include "api/route.h"

static bool put(struct call *c, loop_fn fn, void *arg)
{
	c->later = (struct share_item) { .fn = fn, .arg = arg, .bytes = c->http->body.n };
	return share_put(c->api->share, c->caller.org, &c->later);
}

static void handle(void *arg)
{
	struct call *c = arg;

	c->route->loop(c);
}

bool ingest_later(struct call *c, loop_fn fn, void *arg)
{
	struct share *share = c->api->share;

	return share != NULL && share_needed(share, c->caller.org) && put(c, fn, arg);
}

bool ingest_has_turn(struct call *c, struct err *err)
{
	const struct share *share = c->api->share;

	if (c->route->limit != LIMIT_INGEST || share == NULL ||
	    share_has_room(share, c->caller.org, 0)) {
		return true;
	}
	return err_set(err, ERR_OVERLOADED,
		       "too many requests of this organization wait for their turn");
}

void ingest_in_turn(struct call *c)
{
	if (c->api->share == NULL || !share_needed(c->api->share, c->caller.org)) {
		c->route->loop(c);
		return;
	}
	if (!put(c, handle, c)) {
		err_set(&c->err, ERR_OVERLOADED,
			"too many requests of this organization wait for their turn");
		ingest_turned_away(c, ERR_OVERLOADED);
		call_problem(c, &c->err);
		call_send(c);
	}
}
