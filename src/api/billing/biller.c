/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread: asks of people first, then what is due. After a failure everything but those asks
 * waits, longer each time, so that a Stripe that is down is not called by all customers in turn.
 */
#include "api/billing/biller_impl.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"

#define SOON_US (1100 * US_PER_MS) /* a customer is not asked for twice within a second */
#define WAIT_MIN_US US_PER_S
#define WAIT_MAX_US (60 * US_PER_S)

static bool is_stopping(const struct biller *b)
{
	return __atomic_load_n(&b->stopping, __ATOMIC_ACQUIRE) != 0;
}

struct slice biller_org_id(struct org_id org, struct arena *tick)
{
	struct id_text text = id_format(ID_ORG, org.v);

	return arena_dup(tick, slice_of(text.p));
}

bool biller_call(struct biller *b, const struct stripe_call *call, struct arena *tick,
		 struct stripe_answer *out, const struct json **body, struct err *err)
{
	struct stripe_answer local;
	bool ok;

	out = out == NULL ? &local : out;
	*out = (struct stripe_answer) { 0 };
	ok = b->o.wire.call(b->o.wire.arg, call, tick, out, err) &&
	     stripe_answer_read(out, tick, body, err);
	metric_add(b->o.metrics, ok ? METRIC_BILLING_CALLED : METRIC_BILLING_FAILED, 1);
	return ok;
}

bool biller_is_cut_off(const struct err *err)
{
	return err->kind == ERR_UPSTREAM || err->kind == ERR_SHUTTING_DOWN;
}

static void shut_down(struct biller_ask *ask)
{
	err_set(&ask->err, ERR_SHUTTING_DOWN, "the server is stopping");
	ask->done(ask);
}

static void take(struct biller *b, struct biller_ask *ask)
{
	if (ask == &b->nudge) {
		return;
	}
	if (is_stopping(b)) {
		shut_down(ask);
	} else {
		biller_answer(b, ask, clock_wall_us());
	}
}

bool biller_goes_on(struct biller *b)
{
	struct biller_ask *ask;

	while (b->started && (ask = queue_take(b->asks, 0)) != NULL) {
		take(b, ask);
	}
	return !is_stopping(b);
}

static void failed(struct biller *b, const struct err *err)
{
	if (err->kind == ERR_SHUTTING_DOWN) {
		return;
	}
	if (b->wait_us == 0) {
		log_warn("billing_failed", log_str("code", err_info(err->kind)->code),
			 log_str("error", err->text));
	}
	b->wait_us = b->wait_us == 0 ? WAIT_MIN_US : b->wait_us * 2;
	b->wait_us = b->wait_us > WAIT_MAX_US ? WAIT_MAX_US : b->wait_us;
}

/* Do what is due; how long until the next look. */
static int64_t look(struct biller *b, int64_t *tell_at_us)
{
	bool nudged = __atomic_exchange_n(&b->nudged, 0, __ATOMIC_ACQ_REL) != 0;
	int64_t mono_us = clock_mono_us();
	struct err err = { 0 };
	bool ok = biller_ask_due(b, clock_wall_us(), &err);

	if (ok && mono_us >= *tell_at_us) {
		ok = biller_tell_all(b, clock_wall_us(), &err);
		*tell_at_us = mono_us + b->o.every_us;
	}
	if (!ok) {
		failed(b, &err);
		return b->wait_us;
	}
	if (b->wait_us != 0) {
		log_info("billing_recovered");
		b->wait_us = 0;
	}
	if (nudged) {
		return SOON_US;
	}
	return b->o.every_us < WAIT_MAX_US ? b->o.every_us : WAIT_MAX_US;
}

static void *run(void *arg)
{
	struct biller *b = arg;
	int64_t tell_at_us = 0, look_at_us = 0;

	while (!is_stopping(b)) {
		struct biller_ask *ask;
		int64_t left_us;

		if (clock_mono_us() >= look_at_us) {
			look_at_us = look(b, &tell_at_us);
			look_at_us += clock_mono_us();
		}
		left_us = look_at_us - clock_mono_us();
		ask = queue_take(b->asks, left_us > 0 ? left_us : 0);
		if (ask == &b->nudge && b->wait_us == 0) {
			look_at_us = 0;
		}
		if (ask != NULL) {
			take(b, ask);
		}
	}
	return NULL;
}

bool biller_open(struct biller **bp, const struct biller_options *options, struct err *err)
{
	struct biller *b = mem_alloc(1, sizeof(*b));

	*bp = b;
	b->o = *options;
	b->asks = queue_new(BILLER_ASKS_MAX + 1, NULL, NULL);
	if (b->o.wire.call == NULL) {
		b->http = stripe_http_new(options->url, options->key, options->ca_file);
		b->o.wire = stripe_http_wire(b->http);
	}
	if (store_connect(options->store, STORE_API, &b->db, err)) {
		return true;
	}
	biller_close(bp);
	return false;
}

void biller_start(struct biller *b)
{
	if (b == NULL) {
		return;
	}
	b->started = true;
	ensure(pthread_create(&b->thread, NULL, run, b) == 0);
}

void biller_close(struct biller **bp)
{
	struct biller *b = *bp;
	struct biller_ask *ask;

	*bp = NULL;
	if (b == NULL) {
		return;
	}
	__atomic_store_n(&b->stopping, 1, __ATOMIC_RELEASE);
	if (b->http != NULL) {
		stripe_http_stop(b->http);
	}
	queue_close(b->asks);
	if (b->started) {
		pthread_join(b->thread, NULL);
	}
	while ((ask = queue_take(b->asks, 0)) != NULL) {
		take(b, ask);
	}
	queue_free(&b->asks);
	db_close(&b->db);
	stripe_http_free(&b->http);
	free(b);
}

void biller_nudge(struct biller *b)
{
	/* One in the queue is enough. When it is full, somebody looks soon anyway. */
	if (__atomic_exchange_n(&b->nudged, 1, __ATOMIC_ACQ_REL) == 0 &&
	    !queue_put(b->asks, &b->nudge)) {
		__atomic_store_n(&b->nudged, 0, __ATOMIC_RELEASE);
	}
}

bool biller_submit(struct biller *b, struct biller_ask *ask, struct err *err)
{
	ask->err = (struct err) { 0 };
	return queue_put(b->asks, ask) || err_set(err, ERR_OVERLOADED, "too many wait for Stripe");
}
