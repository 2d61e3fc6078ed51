/* SPDX-License-Identifier: Apache-2.0 */
/* One timer: it begins rounds, and within one it looks whether the engine has come by. */
#include "engine/heartbeat.h"

#include <stdlib.h>

#include "base/clock.h"

#define LOOK_US (50 * US_PER_MS) /* an idle engine commits in a few milliseconds */

struct heartbeat {
	struct heartbeat_options o;
	struct loop_timer timer;
	struct journal_batch batch;
	struct journal_result result;
	struct record record;
	int64_t round_us;      /* monotonic: when this round began */
	uint64_t applied_then; /* at that time */
	uint64_t seq;	       /* of the tick when it is stored, else 0 */
	bool in_round;
	bool pending;  /* the tick is not flushed yet */
	bool withheld; /* the last round ended without a beat */
};

static void flushed(struct journal_batch *batch, const struct err *failure)
{
	struct heartbeat *h = batch->arg;

	h->pending = false;
	if (failure == NULL) {
		h->seq = h->result.seq;
	}
}

static void withhold(struct heartbeat *h, const char *why)
{
	metric_add(h->o.metrics, METRIC_HEARTBEAT_WITHHELD, 1);
	if (!h->withheld) {
		log_warn("heartbeat_withheld", log_str("reason", why));
	}
	h->withheld = true;
	h->in_round = false;
}

static void beat(struct heartbeat *h)
{
	h->in_round = h->withheld = false;
	h->o.beat(h->o.arg);
}

static void begin(struct heartbeat *h)
{
	struct err err;

	h->round_us = loop_now_us(h->o.loop);
	h->applied_then = h->o.applied(h->o.arg);
	if (h->pending) {
		withhold(h, "a flush of the log does not end");
		return;
	}
	h->seq = 0;
	if (!journal_append(h->o.journal, &h->batch, clock_wall_us(), h->round_us, &err)) {
		withhold(h, err.text);
		return;
	}
	h->pending = h->in_round = true;
}

static void judge(struct heartbeat *h)
{
	uint64_t applied = h->o.applied(h->o.arg);
	bool over = loop_now_us(h->o.loop) >= h->round_us + h->o.every_us;

	if (h->seq > 0 && applied >= h->seq) {
		beat(h);
	} else if (over && h->seq > 0 && applied > h->applied_then) {
		beat(h);
	} else if (over) {
		withhold(h, h->seq > 0 ? "the rules do not advance" : "the log does not advance");
	}
}

static void look(void *arg)
{
	struct heartbeat *h = arg;

	if (h->in_round) {
		judge(h);
	}
	if (!h->in_round && loop_now_us(h->o.loop) >= h->round_us + h->o.every_us) {
		begin(h);
	}
	loop_timer_start(&h->timer, h->in_round ? loop_now_us(h->o.loop) + LOOK_US
						: h->round_us + h->o.every_us);
}

struct heartbeat *heartbeat_new(const struct heartbeat_options *options)
{
	struct heartbeat *h = mem_alloc(1, sizeof(*h));

	h->o = *options;
	h->record = (struct record) { .kind = RECORD_TICK,
				      .type = S("tick"),
				      .body = S("{\"type\":\"tick\"}") };
	h->batch = (struct journal_batch) {
		.items = &h->record, .n = 1, .results = &h->result, .done = flushed, .arg = h
	};
	h->round_us = loop_now_us(h->o.loop) - h->o.every_us;
	loop_timer_init(&h->timer, h->o.loop, look, h);
	loop_timer_start(&h->timer, 0);
	return h;
}

void heartbeat_free(struct heartbeat **hp)
{
	struct heartbeat *h = *hp;

	if (h != NULL) {
		loop_timer_stop(&h->timer);
		ensure(!h->pending);
		free(h);
		*hp = NULL;
	}
}
