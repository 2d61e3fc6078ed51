/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the state store costs: commits as the engine makes them (10 alerts, 10 deliveries, 10
 * changes, the cursor), and the courier's claim and record of 100 deliveries at a time.
 *
 *   bench_store URL [commits]        on an empty store; it is filled
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/global.h"
#include "store/store.h"

#define ROWS 10
#define CLAIM 100
#define COMMITS_MAX 100000

static const struct org_id org = { 1 };
static const struct project_id project = { 1 };

static void need(bool ok, const struct err *err)
{
	if (!ok) {
		fprintf(stderr, "%s\n", err->text);
		exit(1);
	}
}

static struct alert_row alert(uint64_t number, int64_t now_us)
{
	return (struct alert_row) {
		.number = { number },
		.org = org,
		.project = project,
		.rule = { 7 },
		.rule_version = 1,
		.rule_name = S("Checkout failures"),
		.event_seq = number * 3,
		.event_us = now_us,
		.event_type = S("checkout_failed"),
		.key = S("[\"user-1\"]"),
		.severity = S("high"),
		.count = 5,
		.title = S("Checkout failures: 5 in 60 s"),
		.cid = S("0123456789abcdef"),
		.created_us = now_us,
	};
}

static struct delivery_row delivery(uint64_t number, int64_t now_us)
{
	return (struct delivery_row) {
		.number = { number },
		.org = org,
		.project = project,
		.alert = { number },
		.alert_us = now_us,
		.rule = { 7 },
		.rule_name = S("Checkout failures"),
		.event_seq = number * 3,
		.event_us = now_us,
		.event_type = S("checkout_failed"),
		.channel = S("webhook"),
		.destination = S("https://example.com/hook"),
		.config = S("{\"url\":\"https://example.com/hook\"}"),
		.payload = S("{\"type\":\"alert.fired\",\"data\":{\"rule\":\"Checkout failures\","
			     "\"severity\":\"high\",\"count\":5,\"windowSeconds\":60,\"event\":"
			     "{\"type\":\"checkout_failed\",\"payload\":{\"amount\":12.5}}}}"),
		.cid = S("0123456789abcdef"),
		.created_us = now_us,
		.due_us = now_us,
	};
}

static bool engine_commit(struct db *db, struct engine_cursor *cursor, int64_t now_us,
			  struct err *err)
{
	struct alert_row alerts[ROWS];
	struct delivery_row deliveries[ROWS];
	struct change_row changes[ROWS];

	for (size_t i = 0; i < ROWS; i++) {
		alerts[i] = alert(++cursor->alerts, now_us);
		deliveries[i] = delivery(++cursor->deliveries, now_us);
		changes[i] = (struct change_row) {
			.org = org,
			.project = project,
			.kind = S("alert"),
			.body = deliveries[i].payload,
			.created_us = now_us,
		};
	}
	cursor->seq += 100;
	cursor->updated_us = now_us;
	return db_begin(db, err) && store_alerts_insert(db, alerts, ROWS, err) &&
	       store_deliveries_insert(db, deliveries, ROWS, err) &&
	       store_cursor_set(db, cursor, err) && store_changes_insert(db, changes, ROWS, err) &&
	       db_commit(db, err);
}

static void run_engine(struct db *db, uint64_t commits)
{
	struct engine_cursor cursor;
	struct arena boot;
	struct err err = { 0 };
	int64_t start, spent, longest = 0;

	arena_init(&boot, 0);
	need(store_cursor_take(db, 0, S("bench"), clock_wall_us(), &boot, &cursor, &err), &err);
	start = clock_mono_us();
	for (uint64_t i = 0; i < commits; i++) {
		int64_t began = clock_mono_us(), took;

		need(engine_commit(db, &cursor, clock_wall_us(), &err), &err);
		if (i % 1000 == 999) {
			need(store_checkpoint(db, &err), &err);
		}
		took = clock_mono_us() - began;
		longest = took > longest ? took : longest;
	}
	spent = clock_mono_us() - start;
	printf("engine: %llu commits, %lld us each, %lld commits/s, longest %lld us\n",
	       (unsigned long long)commits, (long long)(spent / (int64_t)commits),
	       (long long)((int64_t)commits * US_PER_S / spent), (long long)longest);
	arena_release(&boot);
}

static bool record_all(struct db *db, const struct delivery_list *list, struct err *err)
{
	struct delivery_result results[CLAIM];
	struct attempt_row attempts[CLAIM];
	int64_t now_us = clock_wall_us();

	for (size_t i = 0; i < list->n; i++) {
		attempts[i] = (struct attempt_row) {
			.started_us = now_us,
			.ended_us = now_us,
			.duration_us = 900,
			.outcome = S("delivered"),
			.http_status = 200,
		};
		results[i] = (struct delivery_result) {
			.number = list->rows[i].number,
			.claim = 1,
			.status = DELIVERY_SENT,
			.done_us = now_us,
			.attempt = &attempts[i],
		};
	}
	return db_begin(db, err) && store_deliveries_record(db, results, list->n, err) &&
	       db_commit(db, err);
}

static void run_courier(struct db *db)
{
	struct delivery_list list;
	struct arena tick;
	struct err err = { 0 };
	int64_t claiming = 0, recording = 0, rounds = 0;

	arena_init(&tick, 0);
	for (;;) {
		int64_t a = clock_mono_us(), b;
		int64_t now_us = clock_wall_us();

		need(store_deliveries_claim(db, 1, now_us, now_us + 60 * US_PER_S, CLAIM, &tick,
					    &list, &err),
		     &err);
		b = clock_mono_us();
		if (list.n < CLAIM) {
			break;
		}
		need(record_all(db, &list, &err), &err);
		claiming += b - a;
		recording += clock_mono_us() - b;
		rounds++;
		arena_clear(&tick);
	}
	arena_release(&tick);
	if (rounds > 0) {
		printf("courier: %lld rounds of %d: claim %lld us, record %lld us, %lld/s\n",
		       (long long)rounds, CLAIM, (long long)(claiming / rounds),
		       (long long)(recording / rounds),
		       (long long)(rounds * CLAIM * US_PER_S / (claiming + recording)));
	}
}

int main(int argc, char **argv)
{
	struct store *store = NULL;
	struct db *db = NULL;
	struct err err = { 0 };
	uint64_t commits = 2000;

	if (argc < 2 || argc > 3 || (argc == 3 && !slice_u64(slice_of(argv[2]), &commits)) ||
	    commits == 0 || commits > COMMITS_MAX) {
		fprintf(stderr, "usage: bench_store URL [commits]\n");
		return 2;
	}
	log_setup(LOG_WARN, LOG_TEXT, 2);
	need(store_open(slice_of(argv[1]), &store, &err), &err);
	need(store_migrate(store, store_schema_newest(), clock_wall_us(), NULL, &err), &err);
	need(store_connect(store, STORE_ENGINE, &db, &err), &err);
	run_engine(db, commits);
	run_courier(db);
	db_close(&db);
	store_close(&store);
	return 0;
}
