/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the hub reads on workers: where an org's changes stand, the next of them, and what a
 * resuming client has missed. Results come back to the loop in the order that keeps a stream
 * without gaps: a feed reads one batch at a time, and a client's own frames go out before those
 * kept back.
 */
#include <stdlib.h>

#include "engine/live_impl.h"

#define CHANGES_PER_READ 200 /* goes to all streams at once: far less than one may queue */
#define RETRY_US (1000 * INT64_C(1000)) /* after the store failed */
#define BUSY_US (10 * INT64_C(1000))
#define CATCH_UP_BYTES_MAX ((size_t)64 << 20) /* of the log, for one client */

struct feed_job {
	struct job job;
	struct live *live;
	struct feed *feed; /* stays while busy */
	struct org_id org;
	bool known;
	uint64_t change;
	bool ok;
	struct err err;
	struct arena tick;
	struct change_list list;
	struct change_bounds bounds;
};

static void submit_in(struct feed_job *j, int64_t wait_us);

static void feed_forget(struct live *live, struct feed *feed)
{
	map_del(&live->feeds, MAP_KEY(feed->org));
	free(feed);
}

/* What was read reaches the feed; false when there is more to read at once. */
static bool feed_take(struct feed_job *j)
{
	struct feed *feed = j->feed;
	bool more = feed->again || (j->known && j->list.n == CHANGES_PER_READ);

	feed->busy = feed->again = false;
	if (!j->known) {
		feed->known = true;
		feed->change = j->bounds.newest;
		feed_known(j->live, feed);
	} else if (feed->known) {
		feed_fan_out(j->live, feed, j->list.rows, j->list.n);
	}
	return !more && feed->known;
}

static void feed_done(void *arg)
{
	struct feed_job *j = arg;
	struct feed *feed = j->feed;

	if (!j->ok && feed->clients > 0 && !j->live->ending) {
		log_warn("live_read_failed", log_str("error", j->err.text));
		submit_in(j, RETRY_US);
		return;
	}
	if (feed->clients == 0) {
		feed_forget(j->live, feed);
	} else if (j->live->ending) {
		feed->busy = false;
	} else if (!feed_take(j)) {
		feed_read(j->live, feed);
	}
	arena_release(&j->tick);
	free(j);
}

static void feed_run(struct job *job, void *local)
{
	struct feed_job *j = CONTAINER_OF(job, struct feed_job, job);

	if (j->known) {
		j->ok = store_changes_after(j->org, local, (struct project_id) { 0 }, j->change,
					    CHANGES_PER_READ, &j->tick, &j->list, &j->err);
	} else {
		j->ok = store_changes_bounds(j->org, local, &j->bounds, &j->err);
	}
	loop_post_wait(j->live->o.loop, feed_done, j);
}

struct retry {
	struct loop_timer timer;
	struct feed_job *job;
};

static void submit_now(void *arg)
{
	struct retry *retry = arg;
	struct feed_job *j = retry->job;

	if (workers_submit(j->live->o.workers, &j->job)) {
		free(retry);
	} else {
		loop_timer_start(&retry->timer, loop_now_us(j->live->o.loop) + BUSY_US);
	}
}

static void submit_in(struct feed_job *j, int64_t wait_us)
{
	struct retry *retry = mem_alloc(1, sizeof(*retry));

	retry->job = j;
	loop_timer_init(&retry->timer, j->live->o.loop, submit_now, retry);
	loop_timer_start(&retry->timer, loop_now_us(j->live->o.loop) + wait_us);
}

/* Workers may be busy with others: a feed waits its turn rather than giving up. */
static void submit(struct feed_job *j)
{
	if (!workers_submit(j->live->o.workers, &j->job)) {
		submit_in(j, BUSY_US);
	}
}

void feed_read(struct live *live, struct feed *feed)
{
	struct feed_job *j = mem_alloc(1, sizeof(*j));

	ensure(!feed->busy);
	feed->busy = true;
	j->job = (struct job) { .run = feed_run, .wait = { .flow = feed->org.v } };
	j->live = live;
	j->feed = feed;
	j->org = feed->org;
	j->known = feed->known;
	j->change = feed->change;
	arena_init(&j->tick, 0);
	submit(j);
}

struct catch_job {
	struct job job;
	struct live_client *client;
	struct live *live;
	struct org_id org;
	struct project_id project;
	enum live_form form;
	struct live_position from, to;
	bool resync;
	size_t frames;
	struct arena tick;
	struct buf scratch;
	struct buf out;
};

static struct id_text position_id(const struct catch_job *j, uint64_t seq, uint64_t change)
{
	struct live_position at = { .seq = seq, .change = change };

	return live_id_format(&journal_meta(j->live->o.journal)->cipher, j->org, at);
}

/* False: too much, or not there any more. */
static bool read_events(struct catch_job *j)
{
	struct journal_iter *iter = journal_iter_new(j->live->o.journal, j->from.seq + 1, false);
	struct record record;
	struct event event;
	struct err err;
	bool ok = j->from.seq + 1 >= journal_first(j->live->o.journal);
	enum found found = FOUND;

	journal_iter_set_budget(iter, CATCH_UP_BYTES_MAX);
	while (ok && journal_iter_at(iter) <= j->to.seq) {
		struct event_view view = { .record = &record, .event = &event };
		struct id_text id, at;

		found = journal_iter_next(iter, &record, &err);
		if (found != FOUND) {
			ok = false;
			break;
		}
		if (record.kind != RECORD_EVENT || record_is_system(&record) ||
		    record.project.v != j->project.v ||
		    !journal_kept(j->live->o.journal, &record) ||
		    !event_decode(record.body, &j->tick, &event, &err)) {
			continue;
		}
		id = event_public_id(journal_meta(j->live->o.journal), &record);
		at = position_id(j, record.seq, j->from.change);
		view.id = slice_of(id.p);
		live_frame_event(j->form, &view, slice_of(at.p), &j->scratch, &j->out);
		ok = ++j->frames <= LIVE_CATCH_UP_FRAMES_MAX && !j->out.overflow;
	}
	journal_iter_free(&iter);
	return ok;
}

static bool read_changes(struct catch_job *j, struct db *db)
{
	struct change_bounds bounds;
	struct change_list list;
	uint64_t after = j->from.change;
	struct err err;

	if (!store_changes_bounds(j->org, db, &bounds, &err) ||
	    (after < bounds.newest && after + 1 < bounds.oldest)) {
		return false;
	}
	do {
		if (!store_changes_after(j->org, db, j->project, after, CHANGES_PER_READ, &j->tick,
					 &list, &err)) {
			return false;
		}
		for (size_t i = 0; i < list.n && list.rows[i].number <= j->to.change; i++) {
			struct id_text at = position_id(j, j->to.seq, list.rows[i].number);

			live_frame_change(j->form, &list.rows[i], slice_of(at.p), &j->scratch,
					  &j->out);
			j->frames++;
		}
		after = list.n == 0 ? j->to.change : list.rows[list.n - 1].number;
	} while (list.n == CHANGES_PER_READ && after < j->to.change);
	return j->frames <= LIVE_CATCH_UP_FRAMES_MAX && !j->out.overflow;
}

static void catch_done(void *arg)
{
	struct catch_job *j = arg;
	struct live_client *client = j->client;

	if (client->state == CLIENT_GONE) {
		client_free(client);
	} else {
		if (j->resync) {
			client_notice(client, "resync", &j->to);
		} else if (j->out.n > 0) {
			struct chunk *c = chunk_copy(buf_slice(&j->out));

			if (!http_stream_write(client->stream, c)) {
				http_stream_abort(client->stream);
			}
			chunk_unref(&c);
		}
		client_go_live(client);
	}
	arena_release(&j->tick);
	buf_release(&j->scratch);
	buf_release(&j->out);
	free(j);
}

static void catch_run(struct job *job, void *local)
{
	struct catch_job *j = CONTAINER_OF(job, struct catch_job, job);

	j->resync = j->from.seq > j->to.seq || j->from.change > j->to.change || !read_events(j) ||
		    !read_changes(j, local);
	loop_post_wait(j->live->o.loop, catch_done, j);
}

void client_catch_up(struct live_client *client)
{
	struct live *live = client->live;
	struct catch_job *j = mem_alloc(1, sizeof(*j));

	j->client = client;
	j->live = live;
	j->org = client->room->feed->org;
	j->job = (struct job) { .run = catch_run, .wait = { .flow = j->org.v } };
	j->project = client->room->project;
	j->form = client->form;
	j->from = client->from;
	j->to = (struct live_position) { .seq = client->joined_seq,
					 .change = client->room->feed->change };
	arena_init(&j->tick, 0);
	buf_init(&j->scratch, EVENT_BYTES_MAX * 3);
	/* One chunk on the stream: below its limit. */
	buf_init(&j->out, (size_t)900 << 10);
	if (!workers_submit(live->o.workers, &j->job)) {
		j->resync = true;
		catch_done(j);
	}
}
