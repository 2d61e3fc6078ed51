/* SPDX-License-Identifier: Apache-2.0 */
/* Scans see every record once, take turns between orgs, are bounded, and end when they are told. */
#include "engine/scans.h"

#include <pthread.h>

#include "journal/bed_test.h"

#define RECORDS 40 /* of each org */
#define TURNS_MAX 1000

/* What the scans of a test did, in order. Its lock is never held while one waits for another. */
struct stage {
	struct bed bed;
	struct metrics *metrics;
	struct scans *scans;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool hold;		   /* the first pause of all waits for this to end */
	uint64_t turns[TURNS_MAX]; /* the org of each slice */
	size_t turns_n;
};

struct walk {
	struct scan scan;
	struct stage *stage;
	uint64_t seqs[RECORDS * 4];
	size_t n;
	size_t wait_after; /* records; then SCAN_WAIT, once */
	bool one_by_one;
	bool waited;
	bool gone;
	struct err err;
};

static bool visit(struct scan *scan, const struct record *record)
{
	struct walk *w = CONTAINER_OF(scan, struct walk, scan);

	assert_true(w->n < ARRAY_LEN(w->seqs));
	assert_int_equal(record->org.v, scan->filter.org.v);
	w->seqs[w->n++] = record->seq;
	return !w->one_by_one && w->n != w->wait_after;
}

static enum scan_step pause_walk(struct scan *scan)
{
	struct walk *w = CONTAINER_OF(scan, struct walk, scan);
	struct stage *s = w->stage;
	enum scan_step step = SCAN_ON;

	pthread_mutex_lock(&s->lock);
	assert_true(s->turns_n < TURNS_MAX);
	s->turns[s->turns_n++] = scan->filter.org.v;
	pthread_cond_broadcast(&s->changed);
	while (s->hold) {
		pthread_cond_wait(&s->changed, &s->lock);
	}
	if (w->wait_after > 0 && w->n == w->wait_after && !w->waited) {
		w->waited = true;
		step = SCAN_WAIT;
	} else if (scan->over || scan->err.kind != ERR_NONE) {
		w->err = scan->err;
		step = SCAN_OVER;
	}
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	return step;
}

static void gone(struct scan *scan)
{
	struct walk *w = CONTAINER_OF(scan, struct walk, scan);

	pthread_mutex_lock(&w->stage->lock);
	w->gone = true;
	pthread_cond_broadcast(&w->stage->changed);
	pthread_mutex_unlock(&w->stage->lock);
}

/* Until it is so. */
static void wait_for(struct stage *s, const bool *flag, bool want)
{
	pthread_mutex_lock(&s->lock);
	while (*flag != want) {
		pthread_cond_wait(&s->changed, &s->lock);
	}
	pthread_mutex_unlock(&s->lock);
}

static void wait_turns(struct stage *s, size_t n)
{
	pthread_mutex_lock(&s->lock);
	while (s->turns_n < n) {
		pthread_cond_wait(&s->changed, &s->lock);
	}
	pthread_mutex_unlock(&s->lock);
}

static void set_hold(struct stage *s, bool hold)
{
	pthread_mutex_lock(&s->lock);
	s->hold = hold;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

/* Records of org 1 and org 2 in turn, the older ones sealed. */
static void stage_init(struct stage *s)
{
	*s = (struct stage) { 0 };
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	bed_init(&s->bed, JOURNAL_FLUSH_INLINE);
	s->bed.options.segment_bytes = 16 << 10;
	bed_open(&s->bed);
	for (uint64_t i = 1; i <= RECORDS; i++) {
		bed_put(&s->bed, 1, NULL, bed_body(i));
		bed_put(&s->bed, 2, NULL, bed_body(i));
	}
	T_TRUE(bed_seal(&s->bed) > 0);
	s->metrics = metrics_new();
	s->scans = scans_new(s->bed.journal, s->metrics);
}

static void stage_release(struct stage *s)
{
	scans_free(&s->scans);
	metrics_free(&s->metrics);
	bed_release(&s->bed);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->changed);
}

static void walk_init(struct walk *w, struct stage *s, uint64_t org)
{
	*w = (struct walk) { .stage = s };
	w->scan = (struct scan) {
		.filter = { .one_project = true, .org = { org }, .project = { org + 1 } },
		.at = 1,
		.end = journal_flushed(s->bed.journal),
		.visit = visit,
		.pause = pause_walk,
		.gone = gone,
	};
}

static void start(struct walk *w)
{
	struct err err;

	T_OK(scans_start(w->stage->scans, &w->scan, &err));
}

static void check_all(const struct walk *w, uint64_t org)
{
	T_INT(w->n, RECORDS);
	T_INT(w->err.kind, ERR_NONE);
	for (size_t i = 0; i < RECORDS; i++) {
		size_t k = w->scan.reverse ? RECORDS - 1 - i : i;

		T_INT(w->seqs[i], 2 * k + org);
	}
}

TEST(every_record_is_seen_once_in_both_orders)
{
	struct stage s;
	struct walk w[4];

	stage_init(&s);
	for (size_t i = 0; i < ARRAY_LEN(w); i++) {
		walk_init(&w[i], &s, 1 + i % 2);
		w[i].one_by_one = i < 2;
		w[i].scan.reverse = i % 3 == 0;
		if (w[i].scan.reverse) {
			w[i].scan.at = w[i].scan.end;
			w[i].scan.end = 1;
		}
		start(&w[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(w); i++) {
		wait_for(&s, &w[i].gone, true);
		check_all(&w[i], 1 + i % 2);
	}
	stage_release(&s);
}

TEST(a_part_of_the_log_is_a_part)
{
	struct stage s;
	struct walk a, b, none;

	stage_init(&s);
	walk_init(&a, &s, 1);
	a.scan.at = 3;
	a.scan.end = 9;
	walk_init(&b, &s, 2);
	b.scan.reverse = true;
	b.scan.at = 8;
	b.scan.end = 4;
	walk_init(&none, &s, 2);
	none.scan.end = 0;
	start(&a);
	start(&b);
	start(&none);
	wait_for(&s, &a.gone, true);
	wait_for(&s, &b.gone, true);
	wait_for(&s, &none.gone, true);
	T_INT(a.n, 4);
	T_INT(a.seqs[0], 3);
	T_INT(a.seqs[3], 9);
	T_INT(b.n, 3);
	T_INT(b.seqs[0], 8);
	T_INT(b.seqs[2], 4);
	T_INT(none.n, 0);
	stage_release(&s);
}

/* Three scans of org 1 and one of org 2, all begun before any had its second slice. */
TEST(orgs_take_turns_whatever_they_ask_for)
{
	struct stage s;
	struct walk w[4];
	size_t second = 0;

	stage_init(&s);
	s.hold = true;
	for (size_t i = 0; i < ARRAY_LEN(w); i++) {
		walk_init(&w[i], &s, i < 3 ? 1 : 2);
		w[i].one_by_one = true;
		start(&w[i]);
	}
	set_hold(&s, false);
	for (size_t i = 0; i < ARRAY_LEN(w); i++) {
		wait_for(&s, &w[i].gone, true);
	}
	check_all(&w[3], 2);
	for (size_t i = 0; i < s.turns_n && second < RECORDS; i++) {
		second += s.turns[i] == 2;
		/* As long as org 2 runs it has every other slice, but for the first ones. */
		T_TRUE(i < 4 || second + 3 >= i / 2);
	}
	T_INT(second, RECORDS);
	stage_release(&s);
}

TEST(who_waits_goes_on_when_resumed)
{
	struct stage s;
	struct walk w;

	stage_init(&s);
	walk_init(&w, &s, 1);
	w.wait_after = 7;
	start(&w);
	wait_for(&s, &w.waited, true);
	scan_resume(&w.scan);
	wait_for(&s, &w.gone, true);
	check_all(&w, 1);
	scan_resume(&w.scan);
	scan_cancel(&w.scan);
	stage_release(&s);
}

TEST(too_many_are_refused_by_org_and_in_all)
{
	struct stage s;
	struct walk w[SCANS_MAX + 1], more;
	struct err err;

	stage_init(&s);
	s.hold = true;
	for (size_t i = 0; i < SCANS_MAX; i++) {
		walk_init(&w[i], &s, 10 + i / SCANS_PER_ORG_MAX);
		start(&w[i]);
		if (i == SCANS_PER_ORG_MAX - 1) {
			walk_init(&more, &s, 10);
			T_FAIL(scans_start(s.scans, &more.scan, &err), ERR_SEARCHES);
			T_STR(err.text, "4 searches or exports of your organization are running");
		}
	}
	walk_init(&more, &s, 99);
	T_FAIL(scans_start(s.scans, &more.scan, &err), ERR_SEARCHES);
	T_STR(err.text, "32 searches or exports are running");
	set_hold(&s, false);
	for (size_t i = 0; i < SCANS_MAX; i++) {
		wait_for(&s, &w[i].gone, true);
	}
	start(&more);
	wait_for(&s, &more.gone, true);
	stage_release(&s);
}

TEST(a_cancelled_scan_ends_at_once)
{
	struct stage s;
	struct walk w, waiting;

	stage_init(&s);
	s.hold = true;
	walk_init(&w, &s, 1);
	w.one_by_one = true;
	start(&w);
	wait_turns(&s, 1);
	scan_cancel(&w.scan);
	set_hold(&s, false);
	wait_for(&s, &w.gone, true);
	T_INT(w.n, 1);
	walk_init(&waiting, &s, 1);
	waiting.wait_after = 2;
	start(&waiting);
	wait_for(&s, &waiting.waited, true);
	scan_cancel(&waiting.scan);
	wait_for(&s, &waiting.gone, true);
	T_INT(waiting.n, 2);
	stage_release(&s);
}

TEST(a_stop_is_told_to_who_runs_and_who_waits)
{
	struct stage s;
	struct walk w, waiting, late;
	struct err err;

	stage_init(&s);
	walk_init(&waiting, &s, 2);
	waiting.wait_after = 2;
	start(&waiting);
	wait_for(&s, &waiting.waited, true);
	set_hold(&s, true);
	walk_init(&w, &s, 1);
	w.one_by_one = true;
	start(&w);
	/* The other one had its only turn. */
	wait_turns(&s, 2);
	scans_stop(s.scans);
	walk_init(&late, &s, 3);
	T_FAIL(scans_start(s.scans, &late.scan, &err), ERR_SHUTTING_DOWN);
	set_hold(&s, false);
	wait_for(&s, &w.gone, true);
	wait_for(&s, &waiting.gone, true);
	T_INT(w.err.kind, ERR_SHUTTING_DOWN);
	T_INT(waiting.err.kind, ERR_SHUTTING_DOWN);
	stage_release(&s);
}

TEST(the_end_takes_all_that_run_with_it)
{
	struct stage s;
	struct walk w;

	stage_init(&s);
	walk_init(&w, &s, 1);
	w.wait_after = 1;
	start(&w);
	wait_for(&s, &w.waited, true);
	scans_free(&s.scans);
	T_TRUE(w.gone);
	stage_release(&s);
}

T_MAIN(T(every_record_is_seen_once_in_both_orders), T(a_part_of_the_log_is_a_part),
       T(orgs_take_turns_whatever_they_ask_for), T(who_waits_goes_on_when_resumed),
       T(too_many_are_refused_by_org_and_in_all), T(a_cancelled_scan_ends_at_once),
       T(a_stop_is_told_to_who_runs_and_who_waits), T(the_end_takes_all_that_run_with_it))
