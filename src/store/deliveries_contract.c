/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a delivery: claimed by one, tried, sent or dead, replayed or purged. */
#include <pthread.h>

#include "store/fixture_contract.h"

#define LEASE (AT + 1000000)

static struct delivery_list claim(struct fixture *f, uint64_t token, int64_t now_us, size_t limit)
{
	struct delivery_list list;
	struct err err = { 0 };

	T_OK(store_deliveries_claim(f->db, token, now_us, LEASE, limit, &f->arena, &list, &err));
	return list;
}

static void record(struct fixture *f, struct delivery_result *result)
{
	struct err err = { 0 };

	T_OK(db_begin(f->db, &err));
	T_OK(store_deliveries_record(f->db, result, 1, &err));
	T_OK(db_commit(f->db, &err));
}

static struct attempt_row attempt(uint32_t status, struct slice outcome)
{
	return (struct attempt_row) {
		.started_us = AT + 10,
		.ended_us = AT + 25,
		.duration_us = 14,
		.outcome = outcome,
		.http_status = status,
		.error = status == 200 ? S("") : S("it did not answer well"),
	};
}

static struct delivery_row get(struct fixture *f, uint64_t number)
{
	struct delivery_row row;
	struct err err = { 0 };

	T_INT(store_delivery_get(ORG_A, f->db, PROJECT_A, (struct delivery_id) { number },
				 &f->arena, &row, &err),
	      FOUND);
	return row;
}

static struct delivery_queue queue(struct fixture *f, int64_t now_us)
{
	struct delivery_queue q;
	struct err err = { 0 };

	T_OK(store_delivery_queue(f->db, now_us, &q, &err));
	return q;
}

/* Claim number under token 1 and let it end as status. */
static void end_as(struct fixture *f, uint64_t number, enum delivery_status status)
{
	struct attempt_row tried = attempt(status == DELIVERY_SENT ? 200 : 500, S("tried"));
	struct delivery_result result = {
		.number = { number },
		.claim = 1,
		.status = status,
		.done_us = AT + 500,
		.attempt = &tried,
	};

	T_TRUE(claim(f, 1, AT + 1000, PAGE_ROWS_MAX).n >= 1);
	record(f, &result);
	T_FALSE(result.stale);
}

CONTRACT(delivery_comes_back_whole)
{
	struct delivery_row want = sample_delivery(ORG_A, PROJECT_A, 3), got;

	put_delivery(f, want);
	got = get(f, 3);
	T_TRUE(got.org.v == ORG_A.v && got.project.v == PROJECT_A.v && got.alert.v == 3);
	T_TRUE(got.alert_us == AT && got.rule.v == 7 && got.action_index == 1);
	T_TRUE(got.event_seq == 30 && got.event_us == AT && got.created_us == AT + 3);
	T_SLICE(got.rule_name, "Checkout failures");
	T_SLICE(got.event_type, "checkout_failed");
	T_SLICE(got.channel, "webhook");
	T_SLICE(got.destination, "https://example.com/hook");
	T_SLICE(got.config, "{\"url\":\"https://example.com/hook\"}");
	T_SLICE(got.payload, "{\"n\":1}3");
	T_SLICE(got.cid, "req-1");
	T_TRUE(got.status == DELIVERY_PENDING && got.due_us == AT + 3 && got.done_us == 0);
	T_TRUE(got.claim == 0 && got.attempts == 0 && got.last_status == 0);
}

CONTRACT(claims_take_what_is_due_earliest_first)
{
	struct delivery_list list;
	struct delivery_row early = sample_delivery(ORG_B, PROJECT_B, 9);

	for (uint64_t n = 1; n <= 5; n++) {
		put_delivery(f, sample_delivery(ORG_A, PROJECT_A, n));
	}
	early.due_us = AT;
	put_delivery(f, early);
	T_INT(claim(f, 1, AT - 1, 10).n, 0);
	list = claim(f, 1, AT + 4, 3);
	T_INT(list.n, 3);
	T_INT(list.rows[0].number.v, 1);
	T_INT(list.rows[1].number.v, 2);
	T_INT(list.rows[2].number.v, 9);
	T_TRUE(list.rows[0].status == DELIVERY_SENDING && list.rows[0].claim == 1);
	T_TRUE(list.rows[0].due_us == LEASE);
	list = claim(f, 2, AT + 4, 10);
	T_INT(list.n, 2);
	T_INT(list.rows[1].number.v, 4);
	T_INT(claim(f, 3, AT + 4, 10).n, 0);
	T_INT(queue(f, AT + 5).open, 6);
	T_INT(queue(f, AT + 5).due, 1);
	T_TRUE(queue(f, AT + 5).oldest_due_us == AT + 5);
}

CONTRACT(lapsed_claims_are_due_again_and_stale)
{
	struct attempt_row tried = attempt(200, S("delivered"));
	struct delivery_result late = {
		.number = { 1 },
		.claim = 1,
		.status = DELIVERY_SENT,
		.done_us = AT + 50,
		.attempt = &tried,
	};
	struct attempt_list attempts;
	struct err err = { 0 };

	put_delivery(f, sample_delivery(ORG_A, PROJECT_A, 1));
	T_INT(claim(f, 1, AT + 10, 1).n, 1);
	T_INT(claim(f, 2, LEASE - 1, 1).n, 0);
	T_OK(store_deliveries_claim(f->db, 2, LEASE, LEASE + 100, 1, &f->arena,
				    &(struct delivery_list) { 0 }, &err));
	record(f, &late);
	T_TRUE(late.stale);
	T_INT(get(f, 1).status, DELIVERY_SENDING);
	T_OK(store_attempt_list(ORG_A, f->db, late.number, &f->arena, &attempts, &err));
	T_INT(attempts.n, 0);
	late.claim = 2;
	record(f, &late);
	T_FALSE(late.stale);
	T_INT(get(f, 1).status, DELIVERY_SENT);
}

CONTRACT(the_newest_attempts_are_listed)
{
	struct attempt_row tried = attempt(503, S("retry"));
	struct delivery_result again = {
		.number = { 1 },
		.status = DELIVERY_RETRYING,
		.due_us = AT + 1,
		.attempt = &tried,
	};
	struct attempt_list list;
	struct err err = { 0 };

	put_delivery(f, sample_delivery(ORG_A, PROJECT_A, 1));
	for (again.claim = 1; again.claim <= ATTEMPTS_LISTED_MAX + 1; again.claim++) {
		T_INT(claim(f, again.claim, AT + 10, 1).n, 1);
		record(f, &again);
		T_FALSE(again.stale);
	}
	T_OK(store_attempt_list(ORG_A, f->db, again.number, &f->arena, &list, &err));
	T_INT(list.n, ATTEMPTS_LISTED_MAX);
	T_INT(list.rows[0].n, 2);
	T_INT(list.rows[ATTEMPTS_LISTED_MAX - 1].n, ATTEMPTS_LISTED_MAX + 1);
}

CONTRACT(attempts_lead_to_sent)
{
	struct attempt_row first = attempt(503, S("retry")), second = attempt(200, S("delivered"));
	struct delivery_result result = {
		.number = { 1 },
		.claim = 1,
		.status = DELIVERY_RETRYING,
		.due_us = AT + 100,
		.attempt = &first,
	};
	struct attempt_list list;
	struct delivery_row row;
	struct err err = { 0 };

	put_delivery(f, sample_delivery(ORG_A, PROJECT_A, 1));
	T_INT(claim(f, 1, AT + 10, 1).n, 1);
	record(f, &result);
	T_INT(first.n, 1);
	row = get(f, 1);
	T_TRUE(row.status == DELIVERY_RETRYING && row.attempts == 1 && row.due_us == AT + 100);
	T_TRUE(row.last_status == 503 && row.claim == 0);
	T_SLICE(row.last_error, "it did not answer well");
	T_INT(claim(f, 2, AT + 99, 1).n, 0);
	T_INT(claim(f, 2, AT + 100, 1).n, 1);
	result = (struct delivery_result) {
		.number = { 1 },
		.claim = 2,
		.status = DELIVERY_SENT,
		.done_us = AT + 120,
		.attempt = &second,
	};
	record(f, &result);
	row = get(f, 1);
	T_TRUE(row.status == DELIVERY_SENT && row.attempts == 2 && row.due_us == 0);
	T_TRUE(row.done_us == AT + 120 && row.last_status == 200);
	T_SLICE(row.last_error, "");
	T_OK(store_attempt_list(ORG_A, f->db, row.number, &f->arena, &list, &err));
	T_INT(list.n, 2);
	T_TRUE(list.rows[0].n == 1 && list.rows[0].http_status == 503);
	T_TRUE(list.rows[1].n == 2 && list.rows[1].duration_us == 14);
	T_TRUE(list.rows[1].started_us == AT + 10 && list.rows[1].ended_us == AT + 25);
	T_SLICE(list.rows[0].outcome, "retry");
	T_INT(claim(f, 3, AT + 999, 1).n, 0);
}

#define MANY (2 * DB_BATCH_MAX + 3)

CONTRACT(many_results_are_recorded_together)
{
	struct delivery_row *rows = arena_array(&f->arena, MANY, sizeof(*rows));
	struct delivery_result *results = arena_array(&f->arena, MANY, sizeof(*results));
	struct attempt_row *tried = arena_array(&f->arena, MANY, sizeof(*tried));
	struct err err = { 0 };
	struct attempt_list list;

	for (uint64_t i = 0; i < MANY; i++) {
		rows[i] = sample_delivery(ORG_A, PROJECT_A, i + 1);
		tried[i] = attempt(200, S("delivered"));
		results[i] = (struct delivery_result) {
			.number = { i + 1 },
			.claim = i == 150 ? 2 : 1, /* a claim that is not ours */
			.status = DELIVERY_SENT,
			.done_us = AT + 900,
			.attempt = i == 50 ? NULL : &tried[i],
		};
	}
	T_OK(db_begin(f->db, &err));
	T_OK(store_deliveries_insert(f->db, rows, MANY, &err));
	T_OK(db_commit(f->db, &err));
	T_INT(claim(f, 1, AT + 1000, PAGE_ROWS_MAX).n, MANY);
	T_OK(db_begin(f->db, &err));
	T_OK(store_deliveries_record(f->db, results, MANY, &err));
	T_OK(db_commit(f->db, &err));
	for (uint64_t i = 0; i < MANY; i++) {
		T_INT(results[i].stale, i == 150);
		T_INT(get(f, i + 1).status, i == 150 ? DELIVERY_SENDING : DELIVERY_SENT);
		T_OK(store_attempt_list(ORG_A, f->db, results[i].number, &f->arena, &list, &err));
		T_INT(list.n, i != 50 && i != 150);
	}
}

CONTRACT(given_back_without_an_attempt)
{
	struct delivery_result result = {
		.number = { 1 }, .claim = 1, .status = DELIVERY_PENDING, .due_us = AT + 70
	};
	struct delivery_row row;

	put_delivery(f, sample_delivery(ORG_A, PROJECT_A, 1));
	T_INT(claim(f, 1, AT + 10, 1).n, 1);
	record(f, &result);
	row = get(f, 1);
	T_TRUE(row.status == DELIVERY_PENDING && row.attempts == 0 && row.due_us == AT + 70);
}

CONTRACT(start_releases_what_a_crash_left)
{
	struct attempt_row tried = attempt(503, S("retry"));
	struct delivery_result result = {
		.number = { 1 },
		.claim = 1,
		.status = DELIVERY_RETRYING,
		.due_us = AT + 20,
		.attempt = &tried,
	};
	struct err err = { 0 };
	uint64_t released;

	for (uint64_t n = 1; n <= 3; n++) {
		put_delivery(f, sample_delivery(ORG_A, PROJECT_A, n));
	}
	T_INT(claim(f, 1, AT + 2, 5).n, 2);
	record(f, &result);
	T_INT(claim(f, 1, AT + 20, 1).n, 1);
	T_INT(claim(f, 1, AT + 20, 1).n, 1);
	T_OK(store_deliveries_release_all(f->db, AT + 30, &released, &err));
	T_INT(released, 3);
	T_INT(get(f, 1).status, DELIVERY_RETRYING);
	T_INT(get(f, 2).status, DELIVERY_PENDING);
	T_TRUE(get(f, 2).due_us == AT + 30);
	T_INT(claim(f, 2, AT + 30, 5).n, 3);
}

static void hold_for(struct fixture *f, uint64_t number, struct slice name)
{
	struct delivery_result result = { .number = { number },
					  .claim = 1,
					  .status = DELIVERY_PENDING,
					  .due_us = AT + 5000,
					  .held_for = name };

	put_delivery(f, sample_delivery(ORG_A, PROJECT_A, number));
	T_INT(claim(f, 1, AT + 100, 1).n, 1);
	record(f, &result);
	T_FALSE(result.stale);
}

CONTRACT(held_ones_wait_until_they_are_freed)
{
	struct err err = { 0 };
	uint64_t n;

	for (uint64_t number = 1; number <= 4; number++) {
		hold_for(f, number, number == 4 ? S("http://b:80") : S("http://a:80"));
	}
	T_INT(claim(f, 1, AT + 4999, 10).n, 0);
	T_OK(store_deliveries_free(f->db, S("http://a:80"), AT + 200, 2, &n, &err));
	T_INT(n, 2);
	T_TRUE(get(f, 2).due_us == AT + 200 && get(f, 3).due_us == AT + 5000);
	T_OK(store_deliveries_free(f->db, S("http://a:80"), AT + 300, 2, &n, &err));
	T_INT(n, 1);
	T_OK(store_deliveries_free(f->db, S("http://a:80"), AT + 300, 2, &n, &err));
	T_INT(n, 0);
	T_INT(claim(f, 1, AT + 300, 10).n, 3);
	/* Whoever is claimed because its time came is held by nobody. */
	T_INT(claim(f, 1, AT + 5000, 10).n, 1);
	T_OK(store_deliveries_free(f->db, S("http://b:80"), AT + 300, 2, &n, &err));
	T_INT(n, 0);
}

CONTRACT(start_releases_what_was_held)
{
	struct err err = { 0 };
	uint64_t n;

	hold_for(f, 1, S("http://a:80"));
	T_OK(store_deliveries_release_all(f->db, AT + 30, &n, &err));
	T_INT(n, 1);
	T_TRUE(get(f, 1).due_us == AT + 30 && get(f, 1).status == DELIVERY_PENDING);
	T_OK(store_deliveries_free(f->db, S("http://a:80"), AT + 300, 2, &n, &err));
	T_INT(n, 0);
}

CONTRACT(dead_ones_are_replayed_under_their_id)
{
	struct err err = { 0 };
	struct attempt_list list;
	struct delivery_row row;
	uint64_t n;

	put_delivery(f, sample_delivery(ORG_A, PROJECT_A, 1));
	end_as(f, 1, DELIVERY_DEAD);
	row = get(f, 1);
	T_TRUE(row.status == DELIVERY_DEAD && row.attempts == 1 && row.due_us == 0);
	T_INT(queue(f, AT).dead, 1);
	T_INT(queue(f, AT).open, 0);
	T_OK(store_delivery_replay(ORG_A, f->db, PROJECT_A, row.number, AT + 600, 1, &n, &err));
	T_INT(n, 1);
	T_OK(store_delivery_replay(ORG_A, f->db, PROJECT_A, row.number, AT + 600, 1, &n, &err));
	T_INT(n, 0);
	row = get(f, 1);
	T_TRUE(row.status == DELIVERY_PENDING && row.attempts == 0 && row.attempts_total == 1);
	T_TRUE(row.due_us == AT + 600 && row.done_us == 0);
	end_as(f, 1, DELIVERY_SENT);
	T_OK(store_attempt_list(ORG_A, f->db, row.number, &f->arena, &list, &err));
	T_INT(list.n, 2);
	T_INT(list.rows[1].n, 2);
}

CONTRACT(dead_ones_are_replayed_and_purged_together)
{
	struct delivery_id all = { 0 };
	struct err err = { 0 };
	uint64_t n;

	for (uint64_t i = 1; i <= 5; i++) {
		put_delivery(f, sample_delivery(ORG_A, PROJECT_A, i));
		end_as(f, i, i == 5 ? DELIVERY_SENT : DELIVERY_DEAD);
	}
	T_OK(store_delivery_replay(ORG_A, f->db, PROJECT_A, all, AT + 600, 2, &n, &err));
	T_INT(n, 2);
	T_INT(get(f, 2).status, DELIVERY_PENDING);
	T_INT(get(f, 3).status, DELIVERY_DEAD);
	T_OK(store_delivery_purge(ORG_A, f->db, PROJECT_A, all, AT + 700, 100, &n, &err));
	T_INT(n, 2);
	T_INT(get(f, 3).status, DELIVERY_PURGED);
	T_TRUE(get(f, 3).done_us == AT + 700);
	T_SLICE(get(f, 3).payload, "");
	T_SLICE(get(f, 3).config, "");
	T_INT(get(f, 1).status, DELIVERY_PENDING);
	T_INT(get(f, 5).status, DELIVERY_SENT);
	T_SLICE(get(f, 5).payload, "{\"n\":1}5");
}

static size_t listed(struct fixture *f, struct delivery_filter filter)
{
	struct delivery_list list;
	struct err err = { 0 };

	filter.project = PROJECT_A;
	T_OK(store_delivery_list(ORG_A, f->db, &filter, PAGE_OF(100), &f->arena, &list, &err));
	for (size_t i = 0; i < list.n; i++) {
		T_TRUE(delivery_in(&filter.set, &list.rows[i]));
	}
	return list.n;
}

CONTRACT(deliveries_are_filtered_and_paged)
{
	struct delivery_filter any = { .project = PROJECT_A };
	struct page page = { .limit = 2 };
	struct delivery_list list;
	struct err err = { 0 };
	uint64_t want = 6;

	for (uint64_t n = 1; n <= 6; n++) {
		struct delivery_row row = sample_delivery(ORG_A, PROJECT_A, n);

		row.rule.v = n <= 2 ? 8 : 7;
		row.channel = n == 6 ? S("in_app") : S("webhook");
		put_delivery(f, row);
		if (n <= 3) {
			end_as(f, n, n == 3 ? DELIVERY_SENT : DELIVERY_DEAD);
		}
	}
	do {
		T_OK(store_delivery_list(ORG_A, f->db, &any, &page, &f->arena, &list, &err));
		for (size_t i = 0; i < list.n; i++) {
			T_INT(list.rows[i].number.v, want--);
			T_INT(list.rows[i].config.n + list.rows[i].payload.n, 0);
			T_SLICE(list.rows[i].rule_name, "Checkout failures");
			T_TRUE(list.rows[i].created_us >= AT);
		}
		page.after = list.next;
	} while (page.after.id != 0);
	T_INT(want, 0);
	T_OK(store_delivery_list(ORG_A, f->db, &any, &(struct page) { .limit = 2, .offset = 3 },
				 &f->arena, &list, &err));
	T_INT(list.rows[0].number.v, 3);
	T_INT(listed(f, (struct delivery_filter) { .channel = S("in_app") }), 1);
	any.set.statuses = DELIVERY_BIT(DELIVERY_DEAD);
	any.rule.v = 8;
	T_INT(listed(f, any), 2);
	any.rule.v = 7;
	T_INT(listed(f, any), 0);
}

/* Any status there can be, tried before or not. */
static void put_in_state(struct fixture *f, uint64_t number, enum delivery_status status,
			 uint32_t attempts)
{
	struct delivery_row row = sample_delivery(ORG_A, PROJECT_A, number);

	row.status = status;
	row.attempts_total = attempts;
	row.claim = status == DELIVERY_SENDING ? 1 : 0;
	if (status != DELIVERY_PENDING && status != DELIVERY_SENDING &&
	    status != DELIVERY_RETRYING) {
		row.due_us = 0;
		row.done_us = AT;
	}
	put_delivery(f, row);
}

CONTRACT(sets_of_statuses_list_what_is_in_them)
{
	struct delivery_filter filter = { 0 };
	struct delivery_row rows[2 * DELIVERY_STATUSES];

	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		put_in_state(f, i + 1, (enum delivery_status)(i / 2), i % 2);
		rows[i] = get(f, i + 1);
	}
	for (unsigned set = 0; set < DELIVERY_BIT(DELIVERY_STATUSES); set++) {
		for (unsigned sending = SENDING_ANY; sending <= SENDING_AGAIN; sending++) {
			size_t want = 0;

			filter.set.statuses = set;
			filter.set.sending = sending;
			for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
				want += delivery_in(&filter.set, &rows[i]) ? 1 : 0;
			}
			T_INT(listed(f, filter), want);
		}
	}
}

CONTRACT(status_words_are_read_back)
{
	enum delivery_status got;

	for (unsigned i = 0; i < DELIVERY_STATUSES; i++) {
		struct slice name = slice_of(delivery_status_name((enum delivery_status)i));

		T_TRUE(delivery_status_parse(name, &got));
		T_INT(got, i);
	}
	T_FALSE(delivery_status_parse(S("delivered"), &got));
	T_TRUE(f->db != NULL);
}

#define CLAIMERS 3
#define CLAIMED 120

struct claimer {
	struct fixture *f;
	uint64_t token;
	uint64_t sum; /* of the numbers claimed */
	size_t n;
	bool ok;
	struct err err;
};

static void *claim_all(void *arg)
{
	struct claimer *c = arg;
	struct delivery_list list = { 0 };
	struct arena tick;
	struct db *db = NULL;

	arena_init(&tick, 0);
	c->ok = store_connect(c->f->store, STORE_COURIER, &db, &c->err);
	do {
		c->ok = c->ok && store_deliveries_claim(db, c->token, AT + 1000, LEASE, 7, &tick,
							&list, &c->err);
		for (size_t i = 0; c->ok && i < list.n; i++) {
			c->sum += list.rows[i].number.v;
		}
		c->n += c->ok ? list.n : 0;
	} while (c->ok && list.n > 0);
	db_close(&db);
	arena_release(&tick);
	return NULL;
}

CONTRACT(no_delivery_is_claimed_twice)
{
	struct claimer claimers[CLAIMERS] = { 0 };
	pthread_t threads[CLAIMERS];
	uint64_t sum = 0;
	size_t n = 0;

	for (uint64_t i = 1; i <= CLAIMED; i++) {
		put_delivery(f, sample_delivery(ORG_A, PROJECT_A, i));
	}
	for (size_t i = 0; i < CLAIMERS; i++) {
		claimers[i] = (struct claimer) { .f = f, .token = i + 1 };
		T_INT(pthread_create(&threads[i], NULL, claim_all, &claimers[i]), 0);
	}
	for (size_t i = 0; i < CLAIMERS; i++) {
		struct err err;

		pthread_join(threads[i], NULL);
		err = claimers[i].err;
		T_OK(claimers[i].ok);
		n += claimers[i].n;
		sum += claimers[i].sum;
	}
	T_INT(n, CLAIMED);
	T_INT(sum, CLAIMED * (CLAIMED + 1) / 2);
}

CONTRACTS(deliveries_contract, C(delivery_comes_back_whole),
	  C(claims_take_what_is_due_earliest_first), C(lapsed_claims_are_due_again_and_stale),
	  C(the_newest_attempts_are_listed), C(attempts_lead_to_sent),
	  C(given_back_without_an_attempt), C(many_results_are_recorded_together),
	  C(start_releases_what_a_crash_left), C(held_ones_wait_until_they_are_freed),
	  C(start_releases_what_was_held), C(dead_ones_are_replayed_under_their_id),
	  C(dead_ones_are_replayed_and_purged_together), C(deliveries_are_filtered_and_paged),
	  C(sets_of_statuses_list_what_is_in_them), C(status_words_are_read_back),
	  C(no_delivery_is_claimed_twice))
