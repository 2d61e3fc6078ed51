/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timeouts of connections. All times of one kind are equally long, so a list in order of start is
 * in order of end as well: starting and stopping costs a few pointers, and one sweep timer looks
 * at the heads. Rates need a walk over the bodies and blocked writes of the moment.
 */
#include "base/clock.h"
#include "net/http_impl.h"

static_assert(CLOCKS - CLOCK_HEAD == HTTP_TIMEOUTS &&
		      CLOCK_WRITE - CLOCK_HEAD == (int)HTTP_TIMEOUT_WRITE,
	      "kinds of clocks and of timeouts are in one order");

static void unlink_clock(struct conn_clock *k)
{
	if (k->kind != CLOCK_NONE) {
		k->prev->next = k->next;
		k->next->prev = k->prev;
		k->kind = CLOCK_NONE;
	}
}

/* again: start anew even when this kind is running already. */
void clock_set(struct conn *c, size_t side, enum clock_kind kind, bool again)
{
	struct conn_clock *k = &c->clocks[side], *head;
	bool same = k->kind == kind;

	if (same && !again) {
		return;
	}
	unlink_clock(k);
	if (kind == CLOCK_NONE) {
		return;
	}
	head = &c->server->clocks[kind];
	k->conn = c;
	k->kind = kind;
	k->since_us = loop_now_us(c->server->loop);
	if (!same) {
		k->rate_since_us = k->since_us;
		k->rate_bytes = 0;
	}
	k->prev = head->prev;
	k->next = head;
	head->prev->next = k;
	head->prev = k;
}

static void expire(struct conn *c, enum clock_kind kind)
{
	struct err err;

	c->server->stats.timeouts[kind - CLOCK_HEAD]++;
	if ((kind == CLOCK_HEAD || kind == CLOCK_BODY) && c->in != NULL) {
		err_set(&err, ERR_TIMEOUT,
			kind == CLOCK_HEAD ? "the request head did not arrive in time"
					   : "the body did not arrive in time");
		read_refuse(c, c->in, &err, true);
		clock_set(c, 0, CLOCK_NONE, false);
		conn_touch(c);
		return;
	}
	conn_kill(c);
}

static void sweep_late(struct http_server *s, enum clock_kind kind, int64_t now_us)
{
	struct conn_clock *head = &s->clocks[kind];

	while (head->next != head && now_us - head->next->since_us >= s->limits_us[kind]) {
		expire(head->next->conn, kind);
	}
}

/* After the grace of one limit, the average since the start must not be under rate_min. */
static void sweep_slow(struct http_server *s, enum clock_kind kind, int64_t now_us)
{
	struct conn_clock *head = &s->clocks[kind], *k = head->next, *next;

	for (; k != head; k = next) {
		int64_t passed_us = now_us - k->rate_since_us;

		next = k->next;
		if (passed_us >= s->limits_us[kind] && k->conn->streaming == NULL &&
		    k->rate_bytes <
			    (uint64_t)(passed_us / US_PER_MS) * s->options.rate_min / 1000) {
			expire(k->conn, kind);
		}
	}
}

void clocks_sweep(void *server)
{
	struct http_server *s = server;
	int64_t now_us = loop_now_us(s->loop);

	for (enum clock_kind kind = CLOCK_HEAD; kind < CLOCKS; kind++) {
		sweep_late(s, kind, now_us);
	}
	sweep_slow(s, CLOCK_BODY, now_us);
	sweep_slow(s, CLOCK_WRITE, now_us);
	accept_watch(s);
	if (s->conns != NULL || s->accept_after_us > now_us) {
		loop_timer_start(&s->sweep, now_us + s->sweep_us);
	}
}
