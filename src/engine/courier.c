/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deliveries in flight. Claims are leases longer than any call may take, so a courier that dies
 * loses nothing and one that lives is never overtaken. What a receiver that is down would be sent
 * is held until it is back (engine/receiver.h), so that it takes no places of others.
 */
#include "engine/courier.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json_put.h"
#include "base/rand.h"
#include "channel/channel.h"
#include "engine/receiver.h"
#include "model/retry.h"
#include "net/http_client.h"
#include "model/builtin.h"
#include "net/url.h"
#include "store/global.h"
#include "store/sayings.h"

#define LEASE_US (60 * US_PER_S)  /* four times the longest call */
#define IDLE_US (500 * US_PER_MS) /* between looks for what has become due by itself */
#define GATHER_US (2 * US_PER_MS) /* results wait this long for company before a commit */
#define RESULTS_MAX 256		  /* of one commit */
#define FREED_ROWS 1000 /* at a time, of an org that stays after all: a short transaction */
#define HELD_US (3600 * US_PER_S) /* at most; the longest rest of a receiver is ten minutes */
#define STORE_RETRY_US (200 * US_PER_MS)
#define GAUGES_US US_PER_S

struct flight {
	struct courier *courier;
	struct delivery_row row; /* slices in arena */
	struct arena arena;
	const struct channel_type *type;
	struct receiver *to;
	int64_t started_us; /* wall */
	int64_t began_us;   /* monotonic */
};

/* What became of one claimed delivery, until it is recorded. */
struct outcome {
	struct delivery_result result;
	struct attempt_row attempt;
	struct org_id org;
	struct project_id project;
	struct slice change; /* JSON; empty: none */
	struct saying_row saying;
	struct arena arena;
};

struct courier {
	struct courier_options o;
	struct db *db;
	struct http_client *client;
	struct receivers receivers;
	size_t active;
	uint64_t claim;
	struct outcome outcomes[RESULTS_MAX];
	size_t outcomes_n;
	int64_t outcomes_since_us; /* monotonic, of the oldest */
	int64_t look_at_us;	   /* monotonic: when to look for due deliveries next */
	int64_t gauges_at_us;
	struct org_id *going; /* that something is held for, because they are to be deleted */
	size_t going_n, going_cap;
	bool unrecorded;    /* the last try to record failed */
	bool full;	    /* more was due than there are places */
	int64_t reached_us; /* atomic: the log has come this far */
	int64_t time_us;    /* what time_now said last, and, monotonic, when */
	int64_t time_at_us;
	int woken;    /* atomic */
	int stopping; /* atomic */
	int64_t deadline_us;
	bool started;
	pthread_t thread;
};

void courier_wake(struct courier *c)
{
	__atomic_store_n(&c->woken, 1, __ATOMIC_RELEASE);
	http_client_wake(c->client);
}

void courier_reach(struct courier *c, int64_t log_us)
{
	if (log_us > __atomic_load_n(&c->reached_us, __ATOMIC_RELAXED)) {
		__atomic_store_n(&c->reached_us, log_us, __ATOMIC_RELEASE);
	}
}

/*
 * The clock that deliveries are due by: that of the log, because it is what they were born by. When
 * the wall clock is set back it goes on nearly as before, so that nothing waits for an hour to
 * come again; when the wall clock is set forward, it follows.
 */
static int64_t time_now(struct courier *c)
{
	int64_t mono_us = clock_mono_us(), wall_us = clock_wall_us();
	int64_t log_us = __atomic_load_n(&c->reached_us, __ATOMIC_ACQUIRE);
	int64_t at_us = c->time_us + (mono_us - c->time_at_us) / 10 * 9;

	at_us = wall_us > at_us ? wall_us : at_us;
	c->time_us = log_us > at_us ? log_us : at_us;
	c->time_at_us = mono_us;
	return c->time_us;
}

static bool stopping(const struct courier *c)
{
	return __atomic_load_n(&c->stopping, __ATOMIC_ACQUIRE) != 0;
}

static struct outcome *new_outcome(struct courier *c, const struct delivery_row *row)
{
	struct outcome *o = &c->outcomes[c->outcomes_n++];

	ensure(c->outcomes_n <= RESULTS_MAX);
	if (c->outcomes_n == 1) {
		c->outcomes_since_us = clock_mono_us();
	}
	*o = (struct outcome) { .org = row->org, .project = row->project };
	arena_init(&o->arena, 0);
	o->result.number = row->number;
	o->result.claim = row->claim;
	return o;
}

static struct outcome *give_back(struct courier *c, const struct delivery_row *row, int64_t due_us)
{
	struct outcome *o = new_outcome(c, row);

	o->result.status = row->attempts > 0 ? DELIVERY_RETRYING : DELIVERY_PENDING;
	o->result.due_us = due_us;
	return o;
}

/* Not now: the receiver has enough to do. The attempt does not count. */
static void put_off(struct courier *c, const struct delivery_row *row, int64_t now_us,
		    int64_t due_us)
{
	int64_t look_at_us = clock_mono_us() + due_us - now_us;

	give_back(c, row, due_us);
	if (look_at_us < c->look_at_us) {
		c->look_at_us = look_at_us;
	}
}

/* Not before the receiver is back. Should nobody free it, it comes back by itself. */
static void hold(struct courier *c, const struct delivery_row *row, const struct receiver *to,
		 int64_t now_us)
{
	struct outcome *o = give_back(c, row, now_us + HELD_US);

	o->result.held_for = arena_dup(&o->arena, slice_of(to->name));
}

static bool is_among(const struct org_id *orgs, size_t n, struct org_id org)
{
	for (size_t i = 0; i < n; i++) {
		if (orgs[i].v == org.v) {
			return true;
		}
	}
	return false;
}

/* Nothing leaves for an org that is to be deleted. */
static void hold_for_org(struct courier *c, const struct delivery_row *row)
{
	struct outcome *o = give_back(c, row, time_now(c) + HELD_US);
	struct id_text name = id_format(ID_ORG, row->org.v);

	o->result.held_for = arena_dup(&o->arena, slice_of(name.p));
	if (is_among(c->going, c->going_n, row->org)) {
		return;
	}
	if (c->going_n == c->going_cap) {
		c->going_cap = c->going_cap == 0 ? 16 : c->going_cap * 2;
		c->going = mem_resize(c->going, c->going_cap, sizeof(*c->going));
	}
	c->going[c->going_n++] = row->org;
}

static void write_change(struct outcome *o, const struct courier *c, const struct delivery_row *row,
			 const char *status)
{
	struct log_id id = { .at_ms = row->created_us / US_PER_MS, .number = row->number.v };
	struct id_text text = log_id_format(&c->o.cipher, ID_DELIVERY, id);
	struct buf out;
	struct json_w w;

	buf_init(&out, 4096);
	json_w_init(&w, &out);
	json_w_object(&w);
	json_put_str(&w, "id", slice_of(text.p));
	json_put_str(&w, "channel", row->channel);
	json_put_str(&w, "ruleName", row->rule_name);
	json_put_str(&w, "status", slice_of(status));
	json_put_int(&w, "attempts", row->attempts_total + 1);
	json_w_end(&w);
	ensure(!out.overflow);
	o->change = arena_dup(&o->arena, buf_slice(&out));
	buf_release(&out);
}

/* The payload of the event that tells of a dead letter. */
static struct slice describe_dead(struct outcome *o, const struct courier *c,
				  const struct delivery_row *row)
{
	struct log_id id = { .at_ms = row->created_us / US_PER_MS, .number = row->number.v };
	struct id_text delivery = log_id_format(&c->o.cipher, ID_DELIVERY, id);
	struct id_text rule = id_format(ID_RULE, row->rule.v);
	struct id_text project = id_format(ID_PROJECT, row->project.v);
	struct slice text;
	struct json_w w;
	struct buf out;

	buf_init(&out, SAYING_PAYLOAD_BYTES_MAX);
	json_w_init(&w, &out);
	json_w_object(&w);
	json_put_str(&w, "deliveryId", slice_of(delivery.p));
	json_put_str(&w, "projectId", slice_of(project.p));
	json_put_str(&w, "ruleId", slice_of(rule.p));
	json_put_str(&w, "channel", row->channel);
	json_put_str(&w, "error", o->attempt.error);
	json_put_int(&w, "attempts", row->attempts_total + 1);
	json_w_end(&w);
	ensure(!out.overflow);
	text = arena_dup(&o->arena, buf_slice(&out));
	buf_release(&out);
	return text;
}

/*
 * The org is told, but for letters that were about the server's own events: one that tells of dead
 * letters and dies would be told of, and so on for ever.
 */
static void tell_dead(struct outcome *o, const struct courier *c, const struct delivery_row *row)
{
	if (event_type_is_system(row->event_type)) {
		return;
	}
	o->saying = (struct saying_row) {
		.org = row->org,
		.name = arena_printf(&o->arena, "dead:%llu:%u", (unsigned long long)row->number.v,
				     row->attempts_total + 1),
		.type = S(SYSTEM_DEAD_LETTER),
		.message = S("a delivery has failed for good"),
		.payload = describe_dead(o, c, row),
		.created_us = o->result.done_us,
	};
	o->result.saying = &o->saying;
}

static void decide_retry(struct courier *c, struct outcome *o, const struct delivery_row *row,
			 const struct channel_verdict *verdict, int64_t now_us)
{
	/* A replay begins a new round, and with it a new age. */
	int64_t first_us = row->attempts_total == row->attempts ? row->created_us : now_us;
	struct retry_step step = retry_next(&retry_default, row->attempts + 1, now_us, first_us,
					    verdict->after_us, rand_u64());

	if (step.give_up) {
		o->result.status = DELIVERY_DEAD;
		o->result.done_us = now_us;
		metric_add(c->o.metrics, METRIC_DELIVERY_DEAD, 1);
		log_warn("delivery_dead", log_slice("cid", row->cid),
			 log_str("reason", verdict->text));
	} else {
		o->result.status = DELIVERY_RETRYING;
		o->result.due_us = step.at_us;
	}
}

static void decide(struct courier *c, struct outcome *o, const struct delivery_row *row,
		   const struct channel_verdict *verdict, int64_t now_us)
{
	switch (verdict->outcome) {
	case CHANNEL_DELIVERED:
		o->result.status = DELIVERY_SENT;
		o->result.done_us = now_us;
		metric_add(c->o.metrics, METRIC_DELIVERED, 1);
		return;
	case CHANNEL_RETRY:
		metric_add(c->o.metrics, METRIC_DELIVERY_RETRY, 1);
		decide_retry(c, o, row, verdict, now_us);
		return;
	case CHANNEL_REJECTED:
	case CHANNEL_GONE:
		o->result.status = DELIVERY_DEAD;
		o->result.done_us = now_us;
		metric_add(c->o.metrics, METRIC_DELIVERY_REJECTED, 1);
		metric_add(c->o.metrics, METRIC_DELIVERY_DEAD, 1);
		log_warn("delivery_rejected", log_slice("cid", row->cid),
			 log_str("reason", verdict->text));
		return;
	case CHANNEL_OUTCOMES:
		break;
	}
	never("a verdict without an outcome");
}

static void conclude(struct courier *c, const struct delivery_row *row,
		     const struct channel_verdict *verdict, unsigned status, int64_t started_us,
		     int64_t duration_us)
{
	struct outcome *o = new_outcome(c, row);
	int64_t now_us = time_now(c);

	o->attempt = (struct attempt_row) {
		.started_us = started_us,
		.ended_us = now_us,
		.duration_us = duration_us,
		.outcome = slice_of(channel_outcome_name(verdict->outcome)),
		.http_status = status,
		.error = arena_dup(&o->arena, slice_of(verdict->text)),
	};
	o->result.attempt = &o->attempt;
	decide(c, o, row, verdict, now_us);
	if (o->result.status == DELIVERY_DEAD) {
		tell_dead(o, c, row);
	}
	write_change(o, c, row, delivery_status_name(o->result.status));
}

static void on_done(void *ctx, const struct http_result *r)
{
	struct flight *f = ctx;
	struct courier *c = f->courier;
	int64_t now_us = time_now(c), took_us = clock_mono_us() - f->began_us;
	struct channel_verdict verdict = f->type->judge(r, now_us);

	receiver_done(&c->receivers, f->to, verdict.outcome == CHANNEL_RETRY, took_us, now_us);
	c->active--;
	conclude(c, &f->row, &verdict, r->status, f->started_us, took_us);
	arena_release(&f->arena);
	free(f);
}

/* A delivery that cannot even be made into a request is dead, and says why. */
static void reject(struct courier *c, const struct delivery_row *row, const struct err *err)
{
	struct channel_verdict verdict = { .outcome = CHANNEL_REJECTED };
	int64_t now_us = time_now(c);

	snprintf(verdict.text, sizeof(verdict.text), "%.150s", err->text);
	conclude(c, row, &verdict, 0, now_us, 0);
}

static struct slice origin_of(struct slice text, struct arena *tick)
{
	struct url url;
	struct err err;

	if (!url_parse(tick, text, &url, &err)) {
		return S("?");
	}
	return arena_printf(tick, "%s://%.*s:%u", url.tls ? "https" : "http", SARG(url.host),
			    (unsigned)url.port);
}

static bool render(struct courier *c, struct flight *f, struct http_call *call, struct err *err)
{
	struct log_id id = { .at_ms = f->row.created_us / US_PER_MS, .number = f->row.number.v };
	struct id_text text = log_id_format(&c->o.cipher, ID_DELIVERY, id);
	struct notice notice;
	const void *conf;

	f->type = channel_find(f->row.channel);
	if (f->type == NULL || f->type->render == NULL) {
		return err_set(err, ERR_INVALID, "there is no channel \"%.*s\"",
			       SARG(f->row.channel));
	}
	if (!notice_decode(f->row.payload, &f->arena, &notice, err)) {
		return false;
	}
	notice.delivery = arena_dup(&f->arena, slice_of(text.p));
	notice.cid = f->row.cid;
	notice.public_url = c->o.public_url;
	return channel_conf_read(f->type, f->row.config, &f->arena, &conf, err) &&
	       f->type->render(conf, &notice, &f->arena, call, err) &&
	       (f->type->sign == NULL ||
		f->type->sign(conf, &notice, clock_wall_us(), &f->arena, call, err));
}

static void flight_free(struct flight *f)
{
	arena_release(&f->arena);
	free(f);
}

/* The row's texts are in the claim's arena, which goes before the call ends. */
static void keep_row(struct flight *f, const struct delivery_row *row)
{
	f->row = *row;
	f->row.channel = arena_dup(&f->arena, row->channel);
	f->row.config = arena_dup(&f->arena, row->config);
	f->row.payload = arena_dup(&f->arena, row->payload);
	f->row.cid = arena_dup(&f->arena, row->cid);
	f->row.rule_name = arena_dup(&f->arena, row->rule_name);
	f->row.event_type = arena_dup(&f->arena, row->event_type);
}

/* False: given back. */
static bool may_go(struct courier *c, const struct flight *f, int64_t now_us)
{
	int64_t again_us;

	switch (receiver_enter(&c->receivers, f->to, now_us, &again_us)) {
	case RECEIVER_GO:
		return true;
	case RECEIVER_WAIT:
		put_off(c, &f->row, now_us, again_us);
		return false;
	case RECEIVER_HOLD:
		hold(c, &f->row, f->to, now_us);
		return false;
	}
	never("receiver_word");
}

static void dispatch(struct courier *c, const struct delivery_row *row)
{
	struct flight *f = mem_alloc(1, sizeof(*f));
	int64_t now_us = time_now(c);
	struct http_call call = { 0 };
	struct err err;

	f->courier = c;
	arena_init(&f->arena, 0);
	keep_row(f, row);
	if (!render(c, f, &call, &err)) {
		reject(c, row, &err);
		flight_free(f);
		return;
	}
	f->to = receivers_get(&c->receivers, origin_of(call.url, &f->arena));
	if (!may_go(c, f, now_us)) {
		flight_free(f);
		return;
	}
	f->started_us = now_us;
	f->began_us = clock_mono_us();
	c->active++;
	ensure(http_client_send(c->client, &call, on_done, f));
}

static size_t room(const struct courier *c)
{
	size_t results = RESULTS_MAX - c->outcomes_n - c->active;
	size_t calls = http_client_room(c->client);

	return calls < results ? calls : results;
}

static size_t gather_changes(struct courier *c, struct change_row *rows)
{
	size_t n = 0;

	for (size_t i = 0; i < c->outcomes_n; i++) {
		const struct outcome *o = &c->outcomes[i];

		if (o->change.n > 0 && !o->result.stale) {
			rows[n++] = (struct change_row) { .org = o->org,
							  .project = o->project,
							  .kind = S("delivery"),
							  .body = o->change,
							  .created_us = time_now(c) };
		}
	}
	return n;
}

static bool record(struct courier *c, struct change_row *changes, size_t *changes_n,
		   struct err *err)
{
	struct delivery_result results[RESULTS_MAX];

	for (size_t i = 0; i < c->outcomes_n; i++) {
		results[i] = c->outcomes[i].result;
	}
	if (!db_begin(c->db, err) || !store_deliveries_record(c->db, results, c->outcomes_n, err)) {
		return false;
	}
	for (size_t i = 0; i < c->outcomes_n; i++) {
		c->outcomes[i].result.stale = results[i].stale;
	}
	*changes_n = gather_changes(c, changes);
	return (*changes_n == 0 || store_changes_insert(c->db, changes, *changes_n, err)) &&
	       db_commit(c->db, err);
}

static void tell_live(struct courier *c, const struct change_row *changes, size_t n)
{
	struct org_id orgs[RESULTS_MAX];
	size_t orgs_n = 0;

	for (size_t i = 0; i < n; i++) {
		if (orgs_n == 0 || orgs[orgs_n - 1].v != changes[i].org.v) {
			orgs[orgs_n++] = changes[i].org;
		}
	}
	if (orgs_n > 0) {
		live_news(c->o.live, orgs, orgs_n);
	}
}

/* Record what is known. On failure all of it waits and is recorded later, unchanged. */
static bool flush(struct courier *c)
{
	struct change_row changes[RESULTS_MAX];
	size_t changes_n = 0;
	struct err err;

	if (c->outcomes_n == 0) {
		return true;
	}
	c->unrecorded = !record(c, changes, &changes_n, &err);
	if (c->unrecorded) {
		db_rollback(c->db);
		log_warn("courier_record_failed", log_str("error", err.text));
		c->outcomes_since_us = clock_mono_us() + STORE_RETRY_US;
		return false;
	}
	tell_live(c, changes, changes_n);
	for (size_t i = 0; i < c->outcomes_n; i++) {
		arena_release(&c->outcomes[i].arena);
	}
	c->outcomes_n = 0;
	return true;
}

/*
 * What was held for receivers that are to be probed, or are back. What is held but not recorded yet
 * is recorded first, or it would be held with nobody to free it.
 */
static void free_held(struct courier *c)
{
	int64_t now_us = time_now(c);
	struct receiver *r;
	size_t at = 0, n;

	if (now_us < c->receivers.free_us || stopping(c) || !flush(c)) {
		return;
	}
	while ((r = receivers_to_free(&c->receivers, &at, now_us, &n)) != NULL) {
		uint64_t freed = n;
		struct err err;

		if (!store_deliveries_free(c->db, slice_of(r->name), now_us, n, &freed, &err)) {
			log_warn("courier_free_failed", log_str("error", err.text));
		}
		receiver_freed(r, n, freed, now_us);
		c->look_at_us = 0;
	}
	receivers_walked(&c->receivers);
}

/* True when nothing is held for it any more. */
static bool free_org(struct courier *c, struct org_id org)
{
	struct id_text name = id_format(ID_ORG, org.v);
	uint64_t freed = 0;
	struct err err;

	if (!store_deliveries_free(c->db, slice_of(name.p), time_now(c), FREED_ROWS, &freed,
				   &err)) {
		log_warn("courier_free_failed", log_str("error", err.text));
		return false;
	}
	return freed < FREED_ROWS;
}

/* What was held for an org that stays after all; as in free_held, it is recorded first. */
static void free_orgs(struct courier *c, const struct org_id *going, size_t n)
{
	for (size_t i = 0; i < c->going_n;) {
		if (is_among(going, n, c->going[i]) || !flush(c) || !free_org(c, c->going[i])) {
			i++;
		} else {
			c->going[i] = c->going[--c->going_n];
		}
	}
}

/* What is due, and which orgs nothing leaves for. */
static bool claim(struct courier *c, int64_t now_us, size_t limit, struct arena *tick,
		  struct delivery_list *list, struct org_id **going, size_t *going_n,
		  struct err *err)
{
	if (!store_orgs_going(c->db, tick, going, going_n, err)) {
		return false;
	}
	free_orgs(c, *going, *going_n);
	return store_deliveries_claim(c->db, c->claim, now_us, now_us + LEASE_US, limit, tick, list,
				      err);
}

/* Claim what is due and start it. Full batches look again at once. */
static void look(struct courier *c)
{
	int64_t now_us = time_now(c);
	struct delivery_list list;
	size_t limit = room(c), going_n = 0;
	struct org_id *going = NULL;
	struct arena tick;
	struct err err;

	c->look_at_us = clock_mono_us() + IDLE_US;
	c->full = limit == 0;
	if (c->full) {
		return;
	}
	arena_init(&tick, 0);
	if (!claim(c, now_us, limit, &tick, &list, &going, &going_n, &err)) {
		db_rollback(c->db);
		log_warn("courier_claim_failed", log_str("error", err.text));
		c->look_at_us = clock_mono_us() + STORE_RETRY_US;
		list.n = 0;
	}
	for (size_t i = 0; i < list.n; i++) {
		if (is_among(going, going_n, list.rows[i].org)) {
			hold_for_org(c, &list.rows[i]);
		} else {
			dispatch(c, &list.rows[i]);
		}
	}
	if (list.n == limit) {
		c->look_at_us = 0;
	}
	arena_release(&tick);
}

static void gauges(struct courier *c)
{
	int64_t now_us = time_now(c);
	struct delivery_queue queue;
	struct err err;

	if (clock_mono_us() < c->gauges_at_us ||
	    !store_delivery_queue(c->db, now_us, &queue, &err)) {
		return;
	}
	metric_set(c->o.metrics, METRIC_DELIVERY_QUEUE, (int64_t)queue.open);
	metric_set(c->o.metrics, METRIC_DELIVERY_OLDEST,
		   queue.oldest_due_us != 0 && queue.oldest_due_us < now_us
			   ? now_us - queue.oldest_due_us
			   : 0);
	c->gauges_at_us = clock_mono_us() + GAUGES_US;
}

static int64_t wait_of(const struct courier *c, int64_t now_us)
{
	int64_t wait_us = c->unrecorded ? IDLE_US : c->look_at_us - now_us;

	if (c->outcomes_n > 0 && c->outcomes_since_us + GATHER_US - now_us < wait_us) {
		wait_us = c->outcomes_since_us + GATHER_US - now_us;
	}
	if (c->receivers.free_us != INT64_MAX && c->receivers.free_us - c->time_us < wait_us) {
		wait_us = c->receivers.free_us - c->time_us;
	}
	return wait_us < 0 ? 0 : wait_us;
}

/* Alone, a result is recorded at once; with others under way it waits a moment for them. */
static bool time_to_flush(const struct courier *c, int64_t now_us)
{
	return c->outcomes_n > 0 && now_us >= c->outcomes_since_us &&
	       (c->active == 0 || c->outcomes_n + c->active >= RESULTS_MAX ||
		now_us >= c->outcomes_since_us + GATHER_US);
}

/*
 * What is done but not recorded must not be claimed again when its lease ends. A claim is a
 * commit, so a courier that is full waits until a few places are free.
 */
static bool time_to_look(const struct courier *c, int64_t now_us)
{
	return !stopping(c) && !c->unrecorded &&
	       (now_us >= c->look_at_us || (c->full && room(c) * 4 >= c->o.concurrency));
}

static void *run(void *arg)
{
	struct courier *c = arg;

	while (!stopping(c) ||
	       ((c->active > 0 || c->outcomes_n > 0) && clock_mono_us() < c->deadline_us)) {
		int64_t now_us = clock_mono_us();

		if (time_to_flush(c, now_us)) {
			flush(c);
		}
		if (__atomic_exchange_n(&c->woken, 0, __ATOMIC_ACQ_REL) != 0) {
			c->look_at_us = 0;
		}
		free_held(c);
		if (time_to_look(c, now_us)) {
			look(c);
			receivers_trim(&c->receivers);
		}
		gauges(c);
		http_client_run_once(c->client, wait_of(c, clock_mono_us()));
	}
	return NULL;
}

bool courier_open(struct courier **cp, const struct courier_options *options, struct err *err)
{
	struct courier *c = mem_alloc(1, sizeof(*c));
	struct http_client_options client = { .concurrency = options->concurrency };
	uint64_t released = 0;

	client.policy = *options->policy;
	c->o = *options;
	c->reached_us = options->log_us;
	c->time_at_us = clock_mono_us();
	c->claim = id_random();
	receivers_init(&c->receivers);
	c->client = http_client_new(&client);
	*cp = c;
	if (!store_connect(options->store, STORE_COURIER, &c->db, err) ||
	    !store_deliveries_release_all(c->db, time_now(c), &released, err)) {
		courier_close(cp, 0);
		return false;
	}
	if (released > 0) {
		log_info("deliveries_resumed", log_int("n", released));
	}
	return true;
}

void courier_start(struct courier *c)
{
	ensure(pthread_create(&c->thread, NULL, run, c) == 0);
	c->started = true;
}

void courier_close(struct courier **cp, int64_t wait_us)
{
	struct courier *c = *cp;

	if (c == NULL) {
		return;
	}
	c->deadline_us = clock_mono_us() + wait_us;
	__atomic_store_n(&c->stopping, 1, __ATOMIC_RELEASE);
	courier_wake(c);
	if (c->started) {
		pthread_join(c->thread, NULL);
	}
	/*
	 * Calls still under way end as cancelled: an unknown outcome, tried again at the next
	 * start.
	 */
	http_client_free(&c->client);
	if (c->db != NULL && !flush(c)) {
		log_warn("courier_unrecorded", log_int("n", c->outcomes_n));
	}
	receivers_release(&c->receivers);
	db_close(&c->db);
	free(c->going);
	free(c);
	*cp = NULL;
}
