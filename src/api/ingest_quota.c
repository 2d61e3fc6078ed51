/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The month's quota, around the append: before it the batch learns how much room there is, behind
 * it what was stored is counted. All of that happens on one thread between two other requests, so
 * the limit holds to the event; and what was refused as invalid, or is stored already, never asks.
 */
#include "api/api.h"
#include "api/ingest.h"
#include "base/time.h"

/* When the next record will be received: that decides its month. */
static int64_t record_us(struct call *c)
{
	int64_t last_us = journal_last_received_at(c->api->journal);

	return c->now_us > last_us ? c->now_us : last_us + 1;
}

bool ingest_quota_ask(struct call *c, struct journal_batch *batch)
{
	struct quota q;

	if (c->api->meter == NULL) {
		return false;
	}
	q = meter_room(c->api->meter, c->caller.org, record_us(c), batch->n);
	batch->limited = q.room < batch->n;
	batch->room = q.room;
	return q.over_soft;
}

/* A month may end between two of them. */
static void count_each(struct call *c, const struct journal_batch *batch)
{
	for (size_t i = 0; i < batch->n; i++) {
		if (batch->results[i].verdict == JOURNAL_STORED) {
			meter_add(c->api->meter, c->caller.org, batch->results[i].received_at_us,
				  1);
		}
	}
}

void ingest_quota_count(struct call *c, const struct journal_batch *batch)
{
	int64_t first_us = 0, last_us = 0;
	size_t stored = 0;

	for (size_t i = 0; i < batch->n; i++) {
		if (batch->results[i].verdict == JOURNAL_STORED) {
			last_us = batch->results[i].received_at_us;
			first_us = stored++ == 0 ? last_us : first_us;
		}
	}
	if (c->api->meter == NULL || stored == 0) {
		return;
	}
	if (first_us / DAY_US == last_us / DAY_US) {
		meter_add(c->api->meter, c->caller.org, last_us, stored);
	} else {
		count_each(c, batch);
	}
}

bool ingest_quota_refuse(struct call *c, enum err_kind kind, struct err *err)
{
	struct meter_state state;
	char next[TIME_TEXT_MAX];

	meter_look(c->api->meter, c->caller.org, record_us(c), c->req, &state);
	(void)time_format(month_end_us(state.month_us), TIME_SECONDS, next);
	return err_set(err, kind,
		       "the %lld events of this month are used up; more are taken from %s on",
		       (long long)state.plan.events_hard, next);
}

void ingest_quota_warn(struct call *c)
{
	call_header(c, S("X-Usage-Warning"), S("soft_limit"));
}
