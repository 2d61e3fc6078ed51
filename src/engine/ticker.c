/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One timer of the loop, set to the due time as far as the clocks can tell, and a second look when
 * it fires: whatever arrived meanwhile has let time pass better than a tick would.
 */
#include "engine/ticker.h"

#include <stdlib.h>

#include "base/clock.h"

#define RETRY_US US_PER_S /* after the log refused a tick: it is full or overloaded */

struct ticker {
	struct ticker_options o;
	struct loop_timer timer;
	struct journal_batch batch;
	struct journal_result result;
	struct record record;
	int64_t not_before_us; /* monotonic */
	bool pending;	       /* a tick is not flushed yet */
	bool refused;	       /* the last one was */
	/* The newest record's time and, monotonic, when it was first seen to be the newest. */
	int64_t last_us, seen_us;
};

static void flushed(struct journal_batch *batch, const struct err *failure)
{
	struct ticker *t = batch->arg;

	t->pending = false;
	if (failure != NULL) {
		log_error("tick_failed", log_str("error", failure->text));
	}
}

static void append(struct ticker *t, int64_t wall_us)
{
	int64_t now_us = loop_now_us(t->o.loop);
	struct err err;

	t->not_before_us = now_us + TICK_US_MIN;
	if (journal_append(t->o.journal, &t->batch, wall_us, now_us, &err)) {
		t->pending = true;
		t->refused = false;
		metric_add(t->o.metrics, METRIC_TICKS, 1);
		return;
	}
	t->not_before_us = now_us + RETRY_US;
	if (!t->refused) {
		log_warn("tick_refused", log_str("error", err.text));
	}
	t->refused = true;
}

/*
 * The time that a record would get now, or less. A wall clock that was set back lags behind the
 * log, which then goes on at nine tenths of the monotonic clock.
 */
static int64_t log_now(struct ticker *t, int64_t wall_us)
{
	int64_t last_us = journal_last_received_at(t->o.journal);
	int64_t now_us = loop_now_us(t->o.loop), by_mono_us;

	if (last_us != t->last_us) {
		t->last_us = last_us;
		t->seen_us = now_us;
	}
	by_mono_us = last_us + (now_us - t->seen_us) / 10 * 9;
	return wall_us > by_mono_us ? wall_us : by_mono_us;
}

static void look(void *arg)
{
	struct ticker *t = arg;
	int64_t due_us = t->o.due(t->o.arg), wall_us = clock_wall_us();
	int64_t wait_us = due_us - log_now(t, wall_us);
	int64_t at_us = loop_now_us(t->o.loop);

	if (due_us == INT64_MAX) {
		loop_timer_stop(&t->timer);
		return;
	}
	if (t->last_us >= due_us || t->pending) {
		/* The record is there, the engine is not: look again. */
		wait_us = TICK_US_MIN;
	} else if (wait_us <= 0 && at_us >= t->not_before_us) {
		append(t, wall_us);
		wait_us = 0;
	}
	at_us += wait_us > 0 ? wait_us : 0;
	loop_timer_start(&t->timer, at_us > t->not_before_us ? at_us : t->not_before_us);
}

struct ticker *ticker_new(const struct ticker_options *options)
{
	struct ticker *t = mem_alloc(1, sizeof(*t));

	t->o = *options;
	t->record = (struct record) { .kind = RECORD_TICK,
				      .type = S("tick"),
				      .body = S("{\"type\":\"tick\"}") };
	t->batch = (struct journal_batch) {
		.items = &t->record, .n = 1, .results = &t->result, .done = flushed, .arg = t
	};
	loop_timer_init(&t->timer, t->o.loop, look, t);
	loop_timer_start(&t->timer, 0);
	return t;
}

void ticker_free(struct ticker **tp)
{
	struct ticker *t = *tp;

	if (t != NULL) {
		loop_timer_stop(&t->timer);
		ensure(!t->pending);
		free(t);
		*tp = NULL;
	}
}

void ticker_wake(struct ticker *t)
{
	/* When the queue of posts is full, the engine's next idle moment wakes again. */
	(void)!loop_post(t->o.loop, look, t);
}
