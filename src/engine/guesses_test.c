/* SPDX-License-Identifier: Apache-2.0 */
/* Failures are counted once, kept over restarts, and no crowd makes anybody's be forgotten. */
#include "engine/guesses.h"

#include <pthread.h>
#include <stdio.h>

#include "engine/stage_test.h"
#include "store/fault_test.h"

#define NOW INT64_C(1767225600000000)
#define S_US INT64_C(1000000)
#define ANN S("ann@example.com")

struct stand {
	struct home home; /* for its folder: no engine runs here */
	struct db *db;
	struct guesses *g;
};

static void stand_open(struct stand *s)
{
	struct err err;

	home_init(&s->home, NULL);
	T_OK(store_open(slice_of(home_path(&s->home, "state.db")), &s->home.store, &err));
	T_OK(store_migrate(s->home.store, store_schema_newest(), NOW, NULL, &err));
	T_OK(store_connect(s->home.store, STORE_KEEPER, &s->db, &err));
	s->g = guesses_new(0);
}

static void stand_close(struct stand *s)
{
	guesses_free(&s->g);
	db_close(&s->db);
	home_release(&s->home);
}

static void save(struct stand *s, int64_t now_us)
{
	struct err err;

	T_OK(guesses_save(s->g, s->db, now_us, &err));
}

/* As after a crash: what was not saved is gone. */
static void restart(struct stand *s, int64_t now_us)
{
	struct err err;

	guesses_free(&s->g);
	s->g = guesses_new(0);
	T_OK(guesses_load(s->g, s->db, now_us, &err));
}

static uint32_t failures(struct stand *s, enum guess_of of, struct slice subject)
{
	return guesses_ask(s->g, of, subject, NOW).failures;
}

static void fail_often(struct guesses *g, enum guess_of of, struct slice subject, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		char what[16];

		snprintf(what, sizeof(what), "%u", i);
		guesses_fail(g, of, subject, slice_of(what), NOW);
	}
}

TEST(a_try_counts_until_it_was_none)
{
	struct stand s;

	stand_open(&s);
	for (uint32_t i = 0; i < 10; i++) {
		T_INT(guesses_try(s.g, GUESS_OF_ACCOUNT, ANN, NOW).failures, i);
	}
	T_TRUE(guesses_try(s.g, GUESS_OF_ACCOUNT, ANN, NOW).locked);
	T_INT(failures(&s, GUESS_OF_ACCOUNT, ANN), 10);
	T_INT(failures(&s, GUESS_OF_ADDRESS, ANN), 0);
	guesses_forgive(s.g, GUESS_OF_ACCOUNT, ANN, false);
	T_INT(failures(&s, GUESS_OF_ACCOUNT, ANN), 9);
	T_FALSE(guesses_ask(s.g, GUESS_OF_ACCOUNT, ANN, NOW).locked);
	guesses_forgive(s.g, GUESS_OF_ACCOUNT, ANN, true);
	T_INT(failures(&s, GUESS_OF_ACCOUNT, ANN), 0);
	guesses_forgive(s.g, GUESS_OF_ACCOUNT, ANN, false);
	T_INT(failures(&s, GUESS_OF_ACCOUNT, ANN), 0);
	stand_close(&s);
}

TEST(the_same_wrong_key_again_is_no_guess)
{
	static const char *const keys[] = { "sk_a", "sk_b", "sk_c", "sk_d" };
	struct stand s;

	stand_open(&s);
	for (size_t i = 0; i < 1000; i++) {
		guesses_fail(s.g, GUESS_OF_ADDRESS, S("1"), slice_of(keys[i % 4]), NOW);
	}
	T_INT(failures(&s, GUESS_OF_ADDRESS, S("1")), 4);
	T_FALSE(guesses_any_address(s.g));
	fail_often(s.g, GUESS_OF_ADDRESS, S("1"), 46);
	T_TRUE(guesses_any_address(s.g));
	T_TRUE(guesses_ask(s.g, GUESS_OF_ADDRESS, S("1"), NOW).locked);
	stand_close(&s);
}

TEST(a_restart_forgets_nothing_that_was_saved)
{
	struct stand s;

	stand_open(&s);
	fail_often(s.g, GUESS_OF_ADDRESS, S("1"), 60);
	fail_often(s.g, GUESS_OF_ACCOUNT, ANN, 3);
	fail_often(s.g, GUESS_OF_ACCOUNT, S("bob"), 3);
	save(&s, NOW);
	restart(&s, NOW);
	T_INT(failures(&s, GUESS_OF_ADDRESS, S("1")), 60);
	T_INT(failures(&s, GUESS_OF_ACCOUNT, ANN), 3);
	T_TRUE(guesses_any_address(s.g));
	guesses_forgive(s.g, GUESS_OF_ACCOUNT, ANN, true);
	fail_often(s.g, GUESS_OF_ACCOUNT, S("bob"), 1);
	save(&s, NOW);
	restart(&s, NOW);
	T_INT(failures(&s, GUESS_OF_ACCOUNT, ANN), 0);
	T_INT(failures(&s, GUESS_OF_ACCOUNT, S("bob")), 4);
	T_INT(home_number(&s.home, "select count(*) from guesses where subject like '%ann%'"), 0);
	stand_close(&s);
}

TEST(a_day_later_memory_is_free_again)
{
	struct stand s;

	stand_open(&s);
	fail_often(s.g, GUESS_OF_ADDRESS, S("1"), 60);
	fail_often(s.g, GUESS_OF_ACCOUNT, ANN, 3);
	save(&s, NOW + DAY_US);
	T_INT(guesses_len(s.g), 1);
	save(&s, NOW + 2 * DAY_US);
	T_INT(guesses_len(s.g), 0);
	T_FALSE(guesses_any_address(s.g));
	restart(&s, NOW + DAY_US);
	T_INT(guesses_len(s.g), 0);
	stand_close(&s);
}

TEST(what_cannot_be_saved_is_saved_the_next_time)
{
	struct stand s;
	struct err err;

	stand_open(&s);
	fail_often(s.g, GUESS_OF_ACCOUNT, ANN, 3);
	fault_set(FAULT_FULL, 0, 1);
	T_FAIL(guesses_save(s.g, s.db, NOW, &err), ERR_DISK_FULL);
	fault_set(FAULT_NONE, 0, 0);
	save(&s, NOW);
	restart(&s, NOW);
	T_INT(failures(&s, GUESS_OF_ACCOUNT, ANN), 3);
	stand_close(&s);
}

TEST(a_flood_of_new_addresses_frees_none_that_is_locked)
{
	struct guesses *g = guesses_new(100);
	char subject[16];

	fail_often(g, GUESS_OF_ADDRESS, S("bad"), 60);
	fail_often(g, GUESS_OF_ACCOUNT, ANN, 12);
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(subject, sizeof(subject), "%u", i);
		guesses_fail(g, GUESS_OF_ADDRESS, slice_of(subject), S("x"), NOW + i);
	}
	T_INT(guesses_len(g), 100);
	T_TRUE(guesses_ask(g, GUESS_OF_ADDRESS, S("bad"), NOW).locked);
	T_TRUE(guesses_ask(g, GUESS_OF_ACCOUNT, ANN, NOW).locked);
	guesses_free(&g);
}

/*
 * Somebody who tries at each moment that he may, through restarts: ten thousand here, with the
 * time moved along; a hundred thousand without a database are in model/guess.
 */
TEST(ten_thousand_guesses_through_restarts_take_months)
{
	int64_t now_us = NOW;
	struct stand s;

	stand_open(&s);
	for (int i = 0; i < 10000; i++) {
		struct guess_verdict v = guesses_try(s.g, GUESS_OF_ACCOUNT, ANN, now_us);

		if (v.locked) {
			now_us = v.until_us;
			v = guesses_try(s.g, GUESS_OF_ACCOUNT, ANN, now_us);
		}
		T_FALSE(v.locked);
		if (i % 100 == 0) {
			save(&s, now_us);
			restart(&s, now_us);
		}
	}
	T_TRUE(now_us - NOW > 100 * DAY_US);
	stand_close(&s);
}

static void *try_often(void *arg)
{
	uintptr_t went = 0;

	for (int i = 0; i < 1000; i++) {
		went += !guesses_try(arg, GUESS_OF_ACCOUNT, ANN, NOW).locked;
	}
	return (void *)went;
}

TEST(tries_side_by_side_are_no_more_than_one_after_the_other)
{
	struct guesses *g = guesses_new(0);
	pthread_t threads[4];
	uintptr_t sum = 0;
	void *went;

	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		T_INT(pthread_create(&threads[i], NULL, try_often, g), 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		pthread_join(threads[i], &went);
		sum += (uintptr_t)went;
	}
	T_INT(sum, 10);
	guesses_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_try_counts_until_it_was_none),
		T(the_same_wrong_key_again_is_no_guess),
		T(a_restart_forgets_nothing_that_was_saved),
		T(a_day_later_memory_is_free_again),
		T(what_cannot_be_saved_is_saved_the_next_time),
		T(a_flood_of_new_addresses_frees_none_that_is_locked),
		T(ten_thousand_guesses_through_restarts_take_months),
		T(tries_side_by_side_are_no_more_than_one_after_the_other),
	};

	fault_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
