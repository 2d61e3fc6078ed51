/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_BENCH_RUN_H
#define CMD_BENCH_RUN_H

#include "base/arena.h"
#include "cmd/bench/lanes.h"
#include "cmd/bench/scrape.h"
#include "cmd/bench/streams.h"
#include "cmd/bench/track.h"
#include "load/plan.h"
#include "load/profile.h"
#include "load/receiver.h"

/*
 * One load from the first request to the last receipt. An open load sends by a plan, and counts
 * from the planned time; a closed one (rate 0) sends whenever a connection is free, which finds the
 * most that a server does and says nothing about how long anybody waits. One thread.
 */
enum run_mode { RUN_EVENTS, RUN_WEBHOOKS, RUN_NOTIFICATIONS, RUN_MODES };

#define RUN_STATUS_MAX 600

struct run_options {
	enum run_mode mode;
	struct slice url;		   /* without a slash at its end */
	const struct slice *authorization; /* header lines, one per key */
	size_t keys;
	const char *metrics_authorization; /* a header line, or NULL */
	const char *ca_file;		   /* or NULL */
	const char *receive_at;		   /* IPv4 address of the receiver */
	double rate;			   /* events a second; 0: closed */
	bool poisson;
	int64_t duration_us;
	int64_t drain_us;   /* how long to wait for what is under way at the end */
	int64_t timeout_us; /* of one request */
	size_t connections;
	size_t batch;
	size_t backlog;
	enum profile_kind profile;
	uint64_t seed;
	bool progress;
};

struct run {
	struct run_options o;
	struct arena boot;
	struct poller poller;
	struct watch signals;
	struct far *far;
	struct lanes *lanes;
	struct plan plan;
	struct profile *profile;
	struct track track;
	struct receiver receiver;
	bool receiving;
	struct streams *streams;
	struct scrape scrape;

	struct buf body;
	int64_t *due_us; /* of the request on each lane */
	int64_t free_us; /* since when a connection is free, if one is */
	size_t *idle;
	size_t idle_n;
	struct run_rest {
		size_t lane;
		int64_t until_us;
	} * rests; /* lanes that had no answer, a ring in order of time */
	size_t rests_first;
	size_t rests_n;
	uint64_t turn_of_key;
	int interrupts;
	int64_t interrupted_us; /* the last time */
	bool over;		/* nothing is sent any more */

	/* what came of it; times of clock_mono_us */
	int64_t start_us;
	int64_t stop_us;      /* nothing is planned from here on */
	int64_t end_us;	      /* the last answer or the end of patience */
	int64_t caught_up_us; /* -1: not seen */
	int64_t cpu_us;
	int64_t wall_us;
	uint64_t sent;
	uint64_t answered; /* with any status */
	uint64_t unanswered;
	uint64_t good; /* 2xx */
	uint64_t events_sent;
	uint64_t events_acked;
	uint64_t events_duplicate;
	uint64_t events_rejected;
	uint64_t event_bytes;
	uint64_t bytes_in;
	uint64_t status[RUN_STATUS_MAX];
	const char *problem;	/* of the last request without an answer */
	struct hist service_us; /* of good ones: sent to answered */
	struct hist open_us;	/* of good ones: planned to answered */
	struct hist waited_us;	/* of all sent: planned to sent */
	struct hist own_us;	/* the part of it that no connection was waited for */
	struct hist refused_us; /* of answers that are not good: sent to answered */
	struct hist recent_us;	/* as open_us (service_us when closed), since the last tick */
	uint64_t ticked_good;
	int64_t tick_us;
};

/* Connect, and make ready what listens. The options are borrowed. False leaves nothing open. */
NODISCARD bool run_open(struct run *r, const struct run_options *options, struct err *err);
/* Load, drain, and wait for receipts. Returns when all is counted or patience ended. */
void run_load(struct run *r);
void run_close(struct run *r);
/* One round of everything, which ends at until_us of clock_mono_us at the latest. */
void run_turn(struct run *r, int64_t until_us);

/* The type of the events of this run in the modes that make a rule. */
struct slice run_event_type(const struct run *r);
/* Where webhooks go. */
struct slice run_hook_url(struct run *r);
/* Requests that were never sent, or never answered: slower than any percentile can say. */
uint64_t run_never(const struct run *r);

#endif
