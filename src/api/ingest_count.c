/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The books of what comes in: what was received is counted when it is there, what became of it when
 * it is answered. Both stand in the minute of the request, but what was stored stands in the minute
 * of the log, so that a minute's books agree with its events.
 */
#include "api/api.h"
#include "api/ingest.h"
#include "api/route.h"
#include "base/clock.h"

static const enum metric metrics[OUTCOMES] = {
	[OUTCOME_ACCEPTED] = METRIC_INGEST_STORED,
	[OUTCOME_DUPLICATE] = METRIC_INGEST_DUPLICATE,
	[OUTCOME_CONFLICT] = METRIC_INGEST_CONFLICT,
	[OUTCOME_INVALID] = METRIC_INGEST_INVALID,
	[OUTCOME_TOO_LARGE] = METRIC_INGEST_TOO_LARGE,
	[OUTCOME_UNAUTHORIZED] = METRIC_INGEST_UNAUTHORIZED,
	[OUTCOME_RATE_LIMITED] = METRIC_INGEST_RATE_LIMITED,
	[OUTCOME_QUOTA] = METRIC_INGEST_QUOTA,
	[OUTCOME_OVERLOADED] = METRIC_INGEST_OVERLOADED,
	[OUTCOME_ENGINE_LAG] = METRIC_INGEST_OVERLOADED,
	[OUTCOME_SHUTTING_DOWN] = METRIC_INGEST_OVERLOADED,
	[OUTCOME_DISK_FULL] = METRIC_INGEST_IO,
	[OUTCOME_IO_ERROR] = METRIC_INGEST_IO,
};

/* Whose key it is nobody knows: then it is the installation's affair alone, in the metrics. */
static void book(struct call *c, int64_t at_us, enum event_outcome outcome, int64_t n)
{
	if (c->caller.org.v != 0 && c->api->ledger != NULL) {
		ledger_add(c->api->ledger, c->caller.org, c->caller.project, at_us, outcome, n);
	}
}

void ingest_received(struct call *c, size_t n)
{
	book(c, c->now_us, OUTCOME_RECEIVED, (int64_t)n);
}

void ingest_outcome(struct call *c, enum event_outcome outcome, size_t n)
{
	ensure(outcome > OUTCOME_ACCEPTED && outcome < OUTCOMES);
	metric_add(c->api->metrics, metrics[outcome], n);
	book(c, c->now_us, outcome, (int64_t)n);
}

bool ingest_same_minute(const struct call *c, int64_t received_at_us)
{
	return received_at_us / ROLLUP_MINUTE_US == c->now_us / ROLLUP_MINUTE_US;
}

void ingest_accepted(struct call *c, int64_t received_at_us, size_t n)
{
	metric_add(c->api->metrics, METRIC_INGEST_STORED, n);
	if (!ingest_same_minute(c, received_at_us)) {
		book(c, c->now_us, OUTCOME_RECEIVED, -(int64_t)n);
		book(c, received_at_us, OUTCOME_RECEIVED, (int64_t)n);
	}
	book(c, received_at_us, OUTCOME_ACCEPTED, (int64_t)n);
}

static bool takes_events(const struct call *c)
{
	return c->route != NULL && c->route->scope == SCOPE_EVENTS_WRITE;
}

void ingest_turned_away(struct call *c, enum err_kind kind)
{
	if (!takes_events(c)) {
		return;
	}
	c->now_us = c->now_us == 0 ? clock_wall_us() : c->now_us;
	ingest_received(c, 1);
	ingest_outcome(c, outcome_of(kind), 1);
}

void ingest_broken_off(struct call *c, int status)
{
	ingest_turned_away(c, status == 413 ? ERR_TOO_LARGE : ERR_MALFORMED);
}
