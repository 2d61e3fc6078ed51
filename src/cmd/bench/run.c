/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One loop for everything that happens at once: the plan, the connections, receipts, metrics and
 * signals. Nothing in it blocks, so that the time it takes itself is all that it adds.
 */
#include "cmd/bench/run.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmd/bench/progress.h"

#define BODY_BYTES_MAX ((size_t)64 << 20)
#define TICK_US US_PER_S
#define REST_US (100 * US_PER_MS) /* before a connection that had no answer is tried again */
#define CONNECTED_US (10 * US_PER_S)
#define INTERRUPTED_US US_PER_S	   /* for what is under way */
#define MISSES_MAX 20		   /* a server that is gone will not catch up */
#define SETTLE_US (50 * US_PER_MS) /* between two looks at a server that works off its queues */

static int64_t cpu_us(void)
{
	struct rusage u;

	ensure(getrusage(RUSAGE_SELF, &u) == 0);
	return (int64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * US_PER_S + u.ru_utime.tv_usec +
	       u.ru_stime.tv_usec;
}

static bool is_open(const struct run *r)
{
	return r->o.rate > 0;
}

static void on_signal(struct watch *w, uint32_t events UNUSED)
{
	struct run *r = CONTAINER_OF(w, struct run, signals);
	struct signalfd_siginfo info;

	if (read(w->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		r->interrupts++;
		r->interrupted_us = clock_mono_us();
	}
}

/* The mask stays: a child of ours there is none, and the process ends after the report. */
static bool catch_signals(struct run *r, struct err *err)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0) {
		return err_errno(err, errno, "watch signals");
	}
	r->signals = (struct watch) { .fd = fd, .ready = on_signal };
	poller_add(&r->poller, &r->signals, EPOLLIN);
	return true;
}

/* As many descriptors as there may be: each connection is one. */
static void raise_limit(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0) {
		l.rlim_cur = l.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &l);
	}
}

struct slice run_event_type(const struct run *r)
{
	struct slice mark = slice_of(r->track.mark);

	return (struct slice) { mark.p, mark.n - 1 };
}

struct slice run_hook_url(struct run *r)
{
	return arena_printf(&r->boot, "http://%s:%u/", r->o.receive_at, r->receiver.port);
}

uint64_t run_never(const struct run *r)
{
	return r->unanswered + (is_open(r) ? r->plan.dropped + r->plan.waiting : 0);
}

static void put_tracked(struct run *r, int64_t due_us, int64_t now_us)
{
	struct slice type = run_event_type(r);

	buf_printf(&r->body,
		   "{\"type\":\"%.*s\",\"severity\":\"info\",\"source\":\"bench\","
		   "\"payload\":{\"mark\":\"",
		   SARG(type));
	track_add(&r->track, due_us, now_us, &r->body);
	buf_puts(&r->body, S("\"}}"));
}

/* The body of the next request; returns whose key it takes. */
static size_t fill(struct run *r, int64_t due_us, int64_t now_us)
{
	bool mixed = r->o.mode == RUN_EVENTS;
	unsigned project = mixed ? profile_project(r->profile) : 0;
	size_t key = (mixed && r->o.keys > 1 ? project : r->turn_of_key++) % r->o.keys;

	buf_cut(&r->body, 0);
	for (size_t i = 0; i < r->o.batch; i++) {
		if (r->o.batch > 1) {
			buf_putc(&r->body, i == 0 ? '[' : ',');
		}
		if (mixed) {
			profile_event(r->profile, project, &r->body);
		} else {
			put_tracked(r, due_us, now_us);
		}
	}
	if (r->o.batch > 1) {
		buf_putc(&r->body, ']');
	}
	ensure(!r->body.overflow);
	return key;
}

static void send_one(struct run *r, int64_t due_us, int64_t now_us)
{
	size_t lane = r->idle[--r->idle_n];
	size_t key = fill(r, due_us, now_us);

	r->due_us[lane] = due_us;
	r->sent++;
	r->events_sent += r->o.batch;
	r->event_bytes += r->body.n;
	hist_add(&r->waited_us, now_us > due_us ? (uint64_t)(now_us - due_us) : 0);
	due_us = due_us > r->free_us ? due_us : r->free_us;
	hist_add(&r->own_us, now_us > due_us ? (uint64_t)(now_us - due_us) : 0);
	lanes_send(r->lanes, lane, key, buf_slice(&r->body), now_us);
}

static bool may_track(const struct run *r)
{
	return r->o.mode == RUN_EVENTS || r->track.n + r->o.batch < TRACK_EVENTS_MAX;
}

/* All that is due and has a connection. */
static void send_due(struct run *r, int64_t now_us)
{
	int64_t due_us;

	if (r->start_us == 0 || r->over || !may_track(r)) {
		return;
	}
	if (!is_open(r)) {
		while (r->idle_n > 0 && now_us < r->stop_us) {
			send_one(r, now_us, now_us);
		}
		return;
	}
	plan_advance(&r->plan, now_us - r->start_us);
	while (r->idle_n > 0 && r->interrupts == 0 && plan_take(&r->plan, &due_us)) {
		send_one(r, r->start_us + due_us, now_us);
	}
}

static uint64_t counter(struct slice text, const char *name)
{
	const char *at = text.n == 0 ? NULL : memmem(text.p, text.n, name, strlen(name));
	size_t from, n = 0;
	uint64_t value = 0;

	if (at == NULL) {
		return 0;
	}
	from = (size_t)(at - text.p) + strlen(name);
	while (from + n < text.n && text.p[from + n] >= '0' && text.p[from + n] <= '9') {
		n++;
	}
	return slice_u64((struct slice) { text.p + from, n }, &value) ? value : 0;
}

static void count_good(struct run *r, size_t lane, const struct lanes_answer *a)
{
	uint64_t service = (uint64_t)(a->done_us - a->sent_us);
	uint64_t open = (uint64_t)(a->done_us - r->due_us[lane]);

	r->good++;
	hist_add(&r->service_us, service);
	hist_add(&r->open_us, open);
	hist_add(&r->recent_us, is_open(r) ? open : service);
	if (r->o.batch == 1) {
		r->events_acked += a->replayed ? 0 : 1;
		r->events_duplicate += a->replayed ? 1 : 0;
		return;
	}
	r->events_acked += counter(a->tail, "\"accepted\":");
	r->events_duplicate += counter(a->tail, "\"duplicate\":");
	r->events_rejected += counter(a->tail, "\"rejected\":");
}

static void set_free(struct run *r, size_t lane, int64_t now_us)
{
	if (r->idle_n == 0) {
		r->free_us = now_us;
	}
	r->idle[r->idle_n++] = lane;
}

static void rest(struct run *r, size_t lane, int64_t until_us)
{
	size_t i = (r->rests_first + r->rests_n) % r->o.connections;

	r->rests[i] = (struct run_rest) { .lane = lane, .until_us = until_us };
	r->rests_n++;
}

static void on_answer(void *owner, size_t lane, const struct lanes_answer *a)
{
	struct run *r = owner;

	r->bytes_in += a->bytes_in;
	r->end_us = a->done_us;
	if (a->status == 0) {
		r->unanswered++;
		r->problem = a->problem;
		rest(r, lane, a->done_us + REST_US);
		return;
	}
	r->answered++;
	r->status[a->status < RUN_STATUS_MAX ? a->status : 0]++;
	if (a->status >= 200 && a->status < 300) {
		count_good(r, lane, a);
	} else {
		hist_add(&r->refused_us, (uint64_t)(a->done_us - a->sent_us));
	}
	set_free(r, lane, a->done_us);
	send_due(r, a->done_us);
}

static void wake_rested(struct run *r, int64_t now_us)
{
	while (r->rests_n > 0 && r->rests[r->rests_first].until_us <= now_us) {
		set_free(r, r->rests[r->rests_first].lane, now_us);
		r->rests_first = (r->rests_first + 1) % r->o.connections;
		r->rests_n--;
	}
}

static void tick(struct run *r, int64_t now_us)
{
	if (now_us < r->tick_us) {
		return;
	}
	r->tick_us = now_us + TICK_US;
	lanes_expire(r->lanes, now_us - r->o.timeout_us);
	scrape_start(&r->scrape);
	if (r->streams != NULL) {
		streams_tick(r->streams);
	}
	if (r->o.progress && r->start_us != 0) {
		progress_line(r, now_us);
	}
	r->ticked_good = r->good;
	hist_init(&r->recent_us);
}

static int64_t wake_us(const struct run *r, int64_t now_us, int64_t until_us)
{
	int64_t wake = until_us < r->tick_us ? until_us : r->tick_us;
	int64_t far = far_wait_us(r->far, now_us);

	if (lanes_pending(r->lanes)) {
		return now_us;
	}
	if (far < wake - now_us) {
		wake = now_us + far;
	}
	if (r->rests_n > 0 && r->rests[r->rests_first].until_us < wake) {
		wake = r->rests[r->rests_first].until_us;
	}
	if (r->start_us != 0 && is_open(r) && r->idle_n > 0) {
		int64_t next = plan_next_us(&r->plan);

		wake = next < wake - r->start_us ? r->start_us + next : wake;
	}
	return wake;
}

void run_turn(struct run *r, int64_t until_us)
{
	int64_t now_us = clock_mono_us();

	send_due(r, now_us);
	poller_turn(&r->poller, (wake_us(r, now_us, until_us) - now_us) * 1000);
	now_us = clock_mono_us();
	far_turn(r->far, now_us);
	lanes_turn(r->lanes);
	wake_rested(r, now_us);
	tick(r, now_us);
}

/* A sample now, whatever the ticks say. */
static void take_sample(struct run *r)
{
	int64_t until_us = clock_mono_us() + CONNECTED_US;
	size_t before;

	while (!scrape_is_idle(&r->scrape) && clock_mono_us() < until_us) {
		run_turn(r, until_us);
	}
	before = r->scrape.n;
	scrape_start(&r->scrape);
	while (!scrape_is_idle(&r->scrape) && r->scrape.n == before && clock_mono_us() < until_us) {
		run_turn(r, until_us);
	}
}

static bool under_way(const struct run *r)
{
	bool waiting = is_open(r) && r->interrupts == 0 && r->plan.waiting > 0;

	return waiting || r->idle_n + r->rests_n < r->o.connections;
}

static bool receipts_missing(const struct run *r)
{
	return r->o.mode != RUN_EVENTS && r->track.received < r->events_acked;
}

/* The end of waiting: of the drain, a second after the first Ctrl-C, or at once at the second. */
static bool is_out_of_patience(const struct run *r, int64_t until_us)
{
	int64_t now_us = clock_mono_us();

	return now_us >= until_us || r->interrupts > 1 ||
	       (r->interrupts == 1 && now_us >= r->interrupted_us + INTERRUPTED_US);
}

static void send_all(struct run *r)
{
	int64_t until_us;

	r->start_us = clock_mono_us();
	r->stop_us = r->start_us + r->o.duration_us;
	while (clock_mono_us() < r->stop_us && r->interrupts == 0) {
		run_turn(r, r->stop_us);
	}
	if (r->interrupts > 0) {
		r->stop_us = clock_mono_us();
	}
	plan_advance(&r->plan, r->stop_us - r->start_us);
	plan_stop(&r->plan, r->stop_us - r->start_us);
	until_us = clock_mono_us() + r->o.drain_us;
	while (under_way(r) && !is_out_of_patience(r, until_us)) {
		run_turn(r, until_us);
	}
	/* What has no answer by now has none. */
	r->over = true;
	lanes_expire(r->lanes, INT64_MAX);
	lanes_turn(r->lanes);
}

static void wait_for_receipts(struct run *r)
{
	int64_t until_us = clock_mono_us() + r->o.drain_us;

	while (receipts_missing(r) && !is_out_of_patience(r, until_us)) {
		run_turn(r, until_us);
	}
}

/* Something is left, or the server does not say so far. */
static bool is_behind(const struct scrape *s)
{
	const struct sample *last = scrape_last(s);

	return s->misses > 0 || last->v[SCRAPED_LAG] > 0 || last->v[SCRAPED_QUEUE] > 0;
}

/* Until rules and courier have nothing left of what was accepted. */
static void wait_until_caught_up(struct run *r)
{
	int64_t until_us = clock_mono_us() + r->o.drain_us, pause_us;

	take_sample(r);
	if (r->scrape.n == 0) {
		return;
	}
	while (is_behind(&r->scrape) && r->scrape.misses < MISSES_MAX &&
	       !is_out_of_patience(r, until_us)) {
		pause_us = clock_mono_us() + SETTLE_US;
		while (clock_mono_us() < pause_us) {
			run_turn(r, pause_us);
		}
		take_sample(r);
	}
	if (!is_behind(&r->scrape)) {
		r->caught_up_us = scrape_last(&r->scrape)->at_us;
	}
}

void run_load(struct run *r)
{
	int64_t used_us;

	used_us = cpu_us();
	r->tick_us = clock_mono_us() + TICK_US;
	send_all(r);
	r->cpu_us = cpu_us() - used_us;
	r->wall_us = clock_mono_us() - r->start_us;
	wait_for_receipts(r);
	wait_until_caught_up(r);
}

static void on_hook(void *owner, const char *body, size_t n, int64_t at_us)
{
	struct run *r = owner;

	track_receive(&r->track, (struct slice) { body, n }, at_us);
}

static void on_notification(void *owner, struct slice data, int64_t at_us)
{
	struct run *r = owner;

	track_receive(&r->track, data, at_us);
}

static bool open_streams(struct run *r, struct err *err)
{
	struct streams_options o = { .far = r->far,
				     .url = r->o.url,
				     .authorization = r->o.authorization,
				     .n = r->o.keys,
				     .got = on_notification,
				     .owner = r };
	int64_t until_us = clock_mono_us() + CONNECTED_US;

	r->streams = streams_new(&o);
	while (streams_connected(r->streams) < r->o.keys && clock_mono_us() < until_us &&
	       streams_broken(r->streams) == 0 && r->interrupts == 0) {
		run_turn(r, until_us);
	}
	return streams_connected(r->streams) == r->o.keys ||
	       err_set(err, ERR_UPSTREAM, "open the live stream: %s",
		       streams_broken(r->streams) > 0 ? streams_problem(r->streams) : "no answer");
}

static bool open_listener(struct run *r, struct err *err)
{
	switch (r->o.mode) {
	case RUN_EVENTS:
		return true;
	case RUN_WEBHOOKS:
		r->receiver.got = on_hook;
		r->receiver.owner = r;
		r->receiving = receiver_open(&r->receiver, &r->poller, r->o.receive_at, 0, err);
		return r->receiving;
	case RUN_NOTIFICATIONS:
		return open_streams(r, err);
	case RUN_MODES:
		break;
	}
	never("a mode that is none");
}

/* The first sample also shows whether there is a server at all, and one to be trusted. */
static bool reach(struct run *r, struct err *err)
{
	take_sample(r);
	return !r->scrape.failed || r->scrape.status != 0 ||
	       err_set(err, ERR_UPSTREAM, "connect to \"%.*s\": %s", SARG(r->o.url),
		       r->scrape.problem);
}

static bool begin(struct run *r, struct err *err)
{
	const struct run_options *o = &r->o;
	struct lanes_options lanes = { .poller = &r->poller,
				       .far = r->far,
				       .url = o->url,
				       .path = S("/api/v1/events"),
				       .authorization = o->authorization,
				       .keys = o->keys,
				       .n = o->connections,
				       .done = on_answer,
				       .owner = r };

	return catch_signals(r, err) && lanes_open(&r->lanes, &lanes, err) && reach(r, err) &&
	       open_listener(r, err);
}

bool run_open(struct run *r, const struct run_options *o, struct err *err)
{
	*r = (struct run) { .o = *o, .caught_up_us = -1, .problem = "", .signals.fd = -1 };
	prctl(PR_SET_TIMERSLACK, 1UL);
	raise_limit();
	arena_init(&r->boot, 0);
	poller_init(&r->poller);
	r->far = far_new(&r->poller, o->ca_file);
	scrape_init(&r->scrape, r->far, arena_printf(&r->boot, "%.*s/metrics", SARG(o->url)).p,
		    o->metrics_authorization);
	track_init(&r->track, prng_mix(o->seed ^ (uint64_t)clock_wall_us()));
	r->profile = profile_new(o->profile, o->keys > 1 ? 50 : 1, o->seed);
	if (o->rate > 0) {
		plan_init(&r->plan, o->rate / (double)o->batch, o->poisson, o->seed, o->duration_us,
			  o->backlog);
	}
	buf_init(&r->body, BODY_BYTES_MAX);
	r->due_us = mem_alloc(o->connections, sizeof(*r->due_us));
	r->idle = mem_alloc(o->connections, sizeof(*r->idle));
	r->rests = mem_alloc(o->connections, sizeof(*r->rests));
	for (size_t i = 0; i < o->connections; i++) {
		r->idle[r->idle_n++] = o->connections - 1 - i;
	}
	hist_init(&r->service_us);
	hist_init(&r->open_us);
	hist_init(&r->waited_us);
	hist_init(&r->own_us);
	hist_init(&r->refused_us);
	hist_init(&r->recent_us);
	if (begin(r, err)) {
		return true;
	}
	run_close(r);
	return false;
}

void run_close(struct run *r)
{
	streams_free(&r->streams);
	if (r->receiving) {
		receiver_close(&r->receiver);
	}
	lanes_close(&r->lanes);
	scrape_release(&r->scrape);
	far_free(&r->far);
	if (r->signals.fd >= 0) {
		poller_drop(&r->poller, &r->signals);
		close(r->signals.fd);
	}
	poller_release(&r->poller);
	plan_release(&r->plan);
	profile_free(&r->profile);
	track_release(&r->track);
	buf_release(&r->body);
	free(r->due_us);
	free(r->idle);
	free(r->rests);
	arena_release(&r->boot);
}
