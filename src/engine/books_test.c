/* SPDX-License-Identifier: Apache-2.0 */
/* The checker of the books says yes to what is right, and notices each way to be wrong. */
#include "engine/books.h"

#include <stdio.h>

#include "engine/keeper.h"
#include "engine/ledger.h"
#include "engine/stage_test.h"

struct desk {
	struct stage stage;
	struct home home;
	struct ledger *ledger;
	struct books books;
	struct arena arena;
};

static void book(struct desk *d, enum event_outcome outcome, int64_t n)
{
	int64_t at_us = journal_last_received_at(d->stage.bed.journal);

	ledger_add(d->ledger, STAGE_ORG, STAGE_PROJECT, at_us, OUTCOME_RECEIVED, n);
	ledger_add(d->ledger, STAGE_ORG, STAGE_PROJECT, at_us, outcome, n);
}

static void save(struct desk *d)
{
	struct store *store = NULL;
	struct db *db = NULL;
	struct err err;

	T_OK(store_open(slice_of(home_path(&d->home, "state.db")), &store, &err));
	T_OK(store_connect(store, STORE_KEEPER, &db, &err));
	T_OK(ledger_save(d->ledger, db, &err));
	db_close(&db);
	store_close(&store);
}

/* 120 events over three hours, all of them counted and booked; 7 refusals. */
static void desk_init(struct desk *d)
{
	*d = (struct desk) { 0 };
	stage_init(&d->stage);
	home_init(&d->home, &d->stage);
	d->ledger = ledger_new(d->stage.metrics);
	arena_init(&d->arena, 0);
	for (int i = 0; i < 12; i++) {
		stage_events(&d->stage, "a", 10, 3);
		book(d, OUTCOME_ACCEPTED, 10);
		stage_pass(&d->stage, ROLLUP_HOUR_US / 4);
	}
	book(d, OUTCOME_INVALID, 7);
	home_run(&d->home);
	save(d);
}

static void desk_release(struct desk *d)
{
	arena_release(&d->arena);
	ledger_free(&d->ledger);
	home_release(&d->home);
	stage_release(&d->stage);
}

static const struct books_line *look(struct desk *d)
{
	struct store *store = NULL;
	struct db *db = NULL;
	struct err err;

	T_OK(store_open(slice_of(home_path(&d->home, "state.db")), &store, &err));
	T_OK(store_connect(store, STORE_KEEPER, &db, &err));
	T_OK(books_read(&d->books, d->stage.bed.journal, db, 0, &d->arena, &err));
	db_close(&db);
	store_close(&store);
	T_INT(d->books.n, 1);
	return d->books.lines[0];
}

/* What one statement does to the state is noticed, whether the server crashed or not. */
static void notices(struct desk *d, const char *sql, const char *want)
{
	const char *fault;

	T_TRUE(home_number(&d->home, sql) >= 0);
	fault = books_fault(look(d), 0, false);
	if (fault == NULL || strstr(fault, want) == NULL) {
		fail_msg("%s: %s", sql, fault == NULL ? "not noticed" : fault);
	}
}

TEST(right_books_balance)
{
	struct desk d;
	const struct books_line *line;

	desk_init(&d);
	line = look(&d);
	T_INT(line->sent, 120);
	T_INT(line->events, 120);
	T_INT(line->hours, 120);
	T_INT(line->minutes, 120);
	T_INT(line->metered, 120);
	T_INT(line->used, 120);
	T_INT(line->pending, 0);
	T_INT(line->outcomes[OUTCOME_RECEIVED], 127);
	T_INT(line->outcomes[OUTCOME_INVALID], 7);
	T_INT(books_open(line), 0);
	T_TRUE(books_fault(line, 0, true) == NULL);
	desk_release(&d);
}

TEST(wrong_counts_are_noticed)
{
	struct desk d;

	desk_init(&d);
	notices(&d, "update rollups set count = count - 1 where step = 3600000000 returning 0",
		"not counted");
	notices(&d, "update rollups set count = count + 2 where step = 3600000000 returning 0",
		"more was counted");
	T_INT(home_number(&d.home, "update rollups set count = count - 1 where step = 3600000000"
				   " returning 0"),
	      0);
	T_TRUE(books_fault(look(&d), 0, true) == NULL);
	notices(&d,
		"delete from rollups where step = 60000000 and start_at ="
		" (select max(start_at) from rollups where step = 60000000) returning 0",
		"not counted");
	desk_release(&d);
}

TEST(wrong_usage_is_noticed)
{
	struct desk d;

	desk_init(&d);
	notices(&d, "update usage_events set count = count - 1 returning 0", "not in the usage");
	notices(&d, "update usage_events set count = count + 2 returning 0", "usage has more");
	T_INT(home_number(&d.home, "update usage_events set count = count - 1 returning 0"), 0);
	T_TRUE(books_fault(look(&d), 0, true) == NULL);
	desk_release(&d);
}

TEST(wrong_outcomes_are_noticed)
{
	struct desk d;

	desk_init(&d);
	notices(&d, "update outcomes set count = count + 1 where outcome = 'invalid' returning 0",
		"more has an outcome");
	notices(&d,
		"update outcomes set count = count + 50 where outcome = 'received' or"
		" outcome = 'accepted' returning 0",
		"more was accepted");
	desk_release(&d);
}

TEST(what_a_crash_may_take_is_a_fault_only_without_one)
{
	struct desk d;

	desk_init(&d);
	T_INT(home_number(&d.home, "update outcomes set count = count - 1 where"
				   " outcome = 'accepted' returning 0"),
	      0);
	T_TRUE(books_fault(look(&d), 0, false) == NULL);
	T_TRUE(strstr(books_fault(look(&d), 0, true), "not booked") != NULL);
	T_INT(home_number(&d.home, "update outcomes set count = count + 1 where"
				   " outcome = 'accepted' returning 0"),
	      0);
	T_TRUE(books_fault(look(&d), 0, true) == NULL);
	T_INT(home_number(&d.home, "update outcomes set count = count + 1 where"
				   " outcome = 'received' returning 0"),
	      0);
	T_TRUE(books_fault(look(&d), 0, false) == NULL);
	T_TRUE(strstr(books_fault(look(&d), 0, true), "no outcome") != NULL);
	desk_release(&d);
}

/* An engine that is behind is no fault: what it has not counted yet is left out. */
TEST(a_server_that_was_killed_is_compared_as_far_as_it_came)
{
	struct desk d;
	const struct books_line *line;

	desk_init(&d);
	stage_events(&d.stage, "b", 30, 3);
	line = look(&d);
	T_INT(line->sent, 150);
	T_INT(line->events, 120);
	T_INT(line->used, 120);
	T_INT(line->pending, 30);
	T_TRUE(d.books.rollup_seq < d.books.last_seq);
	T_TRUE(books_fault(line, 0, false) == NULL);
	desk_release(&d);
}

/* Damage takes records, and no more than those. */
TEST(lost_records_explain_as_many_counts)
{
	struct books_line line = { .events = 10, .recent = 10, .hours = 12, .minutes = 12 };

	T_TRUE(books_fault(&line, 2, true) == NULL);
	T_TRUE(books_fault(&line, 1, true) != NULL);
}

/* Counts that may have been pruned are not asked for; those of the last two days are. */
TEST(only_what_is_kept_is_compared)
{
	struct desk d;
	const struct books_line *line;

	desk_init(&d);
	stage_pass(&d.stage, KEEPER_MINUTES_KEPT_US);
	stage_events(&d.stage, "b", 5, 3);
	book(&d, OUTCOME_ACCEPTED, 5);
	home_run(&d.home);
	save(&d);
	T_INT(home_number(&d.home, "delete from rollups where step = 60000000 and type = 'a'"
				   " returning 0"),
	      0);
	line = look(&d);
	T_INT(line->recent, 5);
	T_INT(line->minutes, 5);
	T_INT(line->hours, 125);
	T_TRUE(books_fault(line, 0, true) == NULL);
	stage_pass(&d.stage, KEEPER_HOURS_KEPT_US);
	stage_mark(&d.stage, RECORD_TICK);
	home_run(&d.home);
	line = look(&d);
	T_INT(line->events, 0);
	T_INT(line->hours, 0);
	desk_release(&d);
}

T_MAIN(T(right_books_balance), T(wrong_counts_are_noticed), T(wrong_usage_is_noticed),
       T(wrong_outcomes_are_noticed), T(what_a_crash_may_take_is_a_fault_only_without_one),
       T(a_server_that_was_killed_is_compared_as_far_as_it_came),
       T(lost_records_explain_as_many_counts), T(only_what_is_kept_is_compared))
