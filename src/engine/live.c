/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hub: rooms by project, feeds by org. Frames of one slice gather in a room's buffer per form
 * and leave as one shared chunk, so that 200 subscribers cost 200 pointers, not 200 encodings.
 */
#include "engine/live.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/room.h"
#include "engine/live_impl.h"

#define SLICE_US US_PER_MS
#define ROOM_BYTES_MAX ((size_t)2 << 20) /* frames gathered, and one more of any size */
/* Frames of a slice, and of one chunk: with the largest one below what a stream may queue. */
#define SLICE_BYTES ((size_t)256 << 10)
#define TICK_BYTES_KEPT ((size_t)1 << 20)
#define WS_GOING_AWAY 1001
#define WS_UNAUTHORIZED 4401 /* SignalDesk's: get a new credential, then come back */

static void on_ping(void *arg);
static void on_expiry(void *arg);

struct live *live_new(const struct live_options *options)
{
	struct live *live = mem_alloc(1, sizeof(*live));

	live->o = *options;
	if (live->o.clients_max == 0) {
		live->o.clients_max = LIVE_CLIENTS_MAX;
	}
	map_init(&live->rooms);
	map_init(&live->feeds);
	arena_init(&live->tick, 0);
	buf_init(&live->scratch, EVENT_BYTES_MAX * 3);
	loop_timer_init(&live->ping, options->loop, on_ping, live);
	loop_timer_init(&live->expiry, options->loop, on_expiry, live);
	loop_timer_start(&live->ping, loop_now_us(options->loop) + LIVE_PING_US);
	return live;
}

static void each_client(struct live *live, void (*fn)(struct live_client *, void *), void *arg)
{
	struct room *room;
	size_t at = 0;

	while ((room = map_next(&live->rooms, &at)) != NULL) {
		struct live_client *next;

		for (struct live_client *c = room->clients; c != NULL; c = next) {
			next = c->next;
			fn(c, arg);
		}
	}
}

/* The timer fires for the first one; the pings see to it when somebody moves the wall clock. */
static void watch_expiry(struct live *live, int64_t expires_at_us, int64_t now_us)
{
	int64_t left_us = expires_at_us - now_us;

	if (expires_at_us == 0 ||
	    (live->expires_at_us != 0 && live->expires_at_us <= expires_at_us)) {
		return;
	}
	live->expires_at_us = expires_at_us;
	loop_timer_start(&live->expiry, loop_now_us(live->o.loop) + (left_us > 0 ? left_us : 0));
}

static bool end_if_expired(struct live_client *client, int64_t now_us)
{
	if (client->expires_at_us == 0 || client->expires_at_us > now_us) {
		return false;
	}
	client_end(client, WS_UNAUTHORIZED,
		   client->key.v != 0 ? S("this API key has expired")
				      : S("this session has expired"));
	return true;
}

static void expire_one(struct live_client *client, void *arg)
{
	const int64_t *now_us = arg;

	if (!end_if_expired(client, *now_us)) {
		watch_expiry(client->live, client->expires_at_us, *now_us);
	}
}

static void on_expiry(void *arg)
{
	struct live *live = arg;
	int64_t now_us = clock_wall_us();

	live->expires_at_us = 0;
	each_client(live, expire_one, &now_us);
}

static void ping_one(struct live_client *client, void *arg)
{
	const int64_t *now_us = arg;

	if (!end_if_expired(client, *now_us)) {
		client_ping(client);
	}
}

static void on_ping(void *arg)
{
	struct live *live = arg;
	int64_t now_us = clock_wall_us();

	each_client(live, ping_one, &now_us);
	loop_timer_start(&live->ping, loop_now_us(live->o.loop) + LIVE_PING_US);
}

static void end_one(struct live_client *client, void *arg UNUSED)
{
	client_end(client, WS_GOING_AWAY, S("the server is stopping"));
}

void live_end_all(struct live *live)
{
	live->ending = true;
	each_client(live, end_one, NULL);
}

static void end_if_key(struct live_client *client, void *arg)
{
	const struct key_id *key = arg;

	if (client->key.v == key->v) {
		client_end(client, WS_UNAUTHORIZED, S("this API key was revoked"));
	}
}

void live_drop_key(struct live *live, struct key_id key)
{
	each_client(live, end_if_key, &key);
}

struct key_end {
	struct key_id key;
	int64_t at_us, now_us;
};

static void set_expiry(struct live_client *client, void *arg)
{
	const struct key_end *end = arg;

	if (client->key.v == end->key.v) {
		client->expires_at_us = end->at_us;
		watch_expiry(client->live, end->at_us, end->now_us);
	}
}

void live_expire_key(struct live *live, struct key_id key, int64_t expires_at_us)
{
	struct key_end end = { .key = key, .at_us = expires_at_us, .now_us = clock_wall_us() };

	each_client(live, set_expiry, &end);
}

void live_drop_project(struct live *live, struct project_id project)
{
	struct room *room = map_get(&live->rooms, MAP_KEY(project));
	struct live_client *next;

	for (struct live_client *c = room == NULL ? NULL : room->clients; c != NULL; c = next) {
		next = c->next;
		client_end(c, WS_UNAUTHORIZED, S("this project was deleted"));
	}
}

static void end_if_session(struct live_client *client, void *arg)
{
	const struct session_id *session = arg;

	if (client->session.v == session->v) {
		client_end(client, WS_UNAUTHORIZED, S("this session has ended"));
	}
}

void live_drop_session(struct live *live, struct session_id session)
{
	ensure(session.v != 0);
	each_client(live, end_if_session, &session);
}

struct other_sessions {
	struct user_id user;
	struct session_id keep;
};

static void end_if_other(struct live_client *client, void *arg)
{
	const struct other_sessions *of = arg;

	if (client->user.v == of->user.v && client->session.v != of->keep.v) {
		client_end(client, WS_UNAUTHORIZED, S("this session has ended"));
	}
}

void live_drop_user(struct live *live, struct user_id user, struct session_id keep)
{
	struct other_sessions of = { .user = user, .keep = keep };

	ensure(user.v != 0);
	each_client(live, end_if_other, &of);
}

struct membership {
	struct org_id org;
	struct user_id user;
};

static void end_if_member(struct live_client *client, void *arg)
{
	const struct membership *of = arg;

	if (client->room != NULL && client->room->feed->org.v == of->org.v &&
	    (of->user.v == 0 || client->user.v == of->user.v)) {
		client_end(client, WS_UNAUTHORIZED, S("this organization is closed to you"));
	}
}

void live_drop_member(struct live *live, struct org_id org, struct user_id user)
{
	struct membership of = { .org = org, .user = user };

	each_client(live, end_if_member, &of);
}

static struct feed *feed_of(struct live *live, struct org_id org)
{
	struct feed *feed = map_get(&live->feeds, MAP_KEY(org));

	if (feed == NULL) {
		feed = mem_alloc(1, sizeof(*feed));
		feed->org = org;
		map_put(&live->feeds, MAP_KEY(feed->org), feed);
	}
	return feed;
}

static struct room *room_of(struct live *live, struct org_id org, struct project_id project)
{
	struct room *room = map_get(&live->rooms, MAP_KEY(project));

	if (room == NULL) {
		room = mem_alloc(1, sizeof(*room));
		room->project = project;
		room->feed = feed_of(live, org);
		for (size_t i = 0; i < LIVE_FORMS; i++) {
			buf_init(&room->out[i], ROOM_BYTES_MAX);
		}
		map_put(&live->rooms, MAP_KEY(room->project), room);
	}
	return room;
}

static void room_free(struct live *live, struct room *room)
{
	map_del(&live->rooms, MAP_KEY(room->project));
	for (size_t i = 0; i < LIVE_FORMS; i++) {
		buf_release(&room->out[i]);
	}
	free(room);
}

/* A feed without clients forgets where it stands; the next client learns it anew. */
static void leave(struct live_client *client)
{
	struct live *live = client->live;
	struct room *room = client->room;
	struct feed *feed = room->feed;

	if (client->prev != NULL) {
		client->prev->next = client->next;
	} else {
		room->clients = client->next;
	}
	if (client->next != NULL) {
		client->next->prev = client->prev;
	}
	room->forms[client->form]--;
	feed->clients--;
	client->room = NULL;
	live->clients--;
	metric_set(live->o.metrics, METRIC_LIVE_CLIENTS, (int64_t)live->clients);
	if (--room->n == 0) {
		room_free(live, room);
	}
	if (feed->clients == 0 && !feed->busy) {
		map_del(&live->feeds, MAP_KEY(feed->org));
		free(feed);
	} else if (feed->clients == 0) {
		feed->known = false;
	}
}

static void on_close(void *arg, struct http_stream *stream UNUSED)
{
	struct live_client *client = arg;
	bool job_runs = client->state == CLIENT_CATCHING;

	leave(client);
	client->state = CLIENT_GONE;
	if (!job_runs) {
		client_free(client);
	}
}

static void on_data(void *arg, struct http_stream *stream UNUSED, struct slice bytes)
{
	struct live_client *client = arg;

	if (client->ws != NULL) {
		ws_feed(client->ws, bytes);
	}
}

static void ws_send(void *arg, struct slice bytes)
{
	struct live_client *client = arg;
	struct chunk *c = chunk_copy(bytes);

	if (!http_stream_write(client->stream, c)) {
		http_stream_abort(client->stream);
	}
	chunk_unref(&c);
}

static void ws_closed(void *arg, uint16_t code UNUSED)
{
	struct live_client *client = arg;

	http_stream_end(client->stream);
}

static void enter(struct live *live, struct live_client *client, struct room *room)
{
	client->room = room;
	client->next = room->clients;
	if (room->clients != NULL) {
		room->clients->prev = client;
	}
	room->clients = client;
	room->n++;
	room->forms[client->form]++;
	room->feed->clients++;
	live->clients++;
	metric_set(live->o.metrics, METRIC_LIVE_CLIENTS, (int64_t)live->clients);
}

/*
 * From here on nothing is missed, so this is when the client may hear that it is connected, with an
 * id to go on behind should it be cut before anything came. One that resumes keeps the id it has
 * until it was given what it missed.
 */
static void proceed(struct live_client *client)
{
	struct live_position at = { .seq = client->live->seq,
				    .change = client->room->feed->change };

	client_notice(client, "connected", client->resume ? NULL : &at);
	client->joined_seq = at.seq;
	if (client->resume) {
		client->state = CLIENT_CATCHING;
		client_catch_up(client);
	} else {
		client_go_live(client);
	}
}

bool live_full(const struct live *live)
{
	return live->clients >= live->o.clients_max;
}

bool live_is_crowded(const struct live *live, struct org_id org)
{
	const struct feed *feed = map_get(&live->feeds, MAP_KEY(org));

	return !room_for_one(live->clients, feed == NULL ? 0 : feed->clients, live->o.clients_max);
}

bool live_join(struct live *live, struct http_stream *stream, const struct live_subscription *sub)
{
	static const struct ws_handlers handlers = { ws_send, NULL, ws_closed };
	struct live_client *client;

	if (live_is_crowded(live, sub->org)) {
		return false;
	}
	if (live->clients == 0) {
		live->seq = journal_flushed(live->o.journal);
		live->iter = journal_iter_new(live->o.journal, live->seq + 1, false);
	}
	client = mem_alloc(1, sizeof(*client));
	client->live = live;
	client->form = sub->form;
	client->key = sub->key;
	client->session = sub->session;
	client->user = sub->user;
	client->expires_at_us = sub->expires_at_us;
	client->stream = stream;
	if (live_form_is_socket(sub->form)) {
		client->ws = ws_new(&handlers, client);
	}
	enter(live, client, room_of(live, sub->org, sub->project));
	watch_expiry(live, sub->expires_at_us, clock_wall_us());
	http_stream_on_close(stream, on_close, client);
	http_stream_on_data(stream, on_data, client);
	if (sub->last_id.n > 0) {
		client->resume = true;
		if (!live_id_parse(&journal_meta(live->o.journal)->cipher, sub->org, sub->last_id,
				   &client->from)) {
			client->from = (struct live_position) { UINT64_MAX, UINT64_MAX };
		}
	}
	if (client->room->feed->known) {
		proceed(client);
	} else if (!client->room->feed->busy) {
		feed_read(live, client->room->feed);
	}
	return true;
}

static void proceed_if_of(struct live_client *client, void *arg)
{
	if (client->room->feed == arg && client->state == CLIENT_WAITING) {
		proceed(client);
	}
}

void feed_known(struct live *live, struct feed *feed)
{
	each_client(live, proceed_if_of, feed);
}

static struct id_text stream_id(struct live *live, const struct feed *feed)
{
	struct live_position at = { .seq = live->seq, .change = feed->change };

	return live_id_format(&journal_meta(live->o.journal)->cipher, feed->org, at);
}

/* Send what gathered in a room: one chunk per form for all of its clients. */
static void room_flush(struct room *room)
{
	for (enum live_form form = 0; form < LIVE_FORMS; form++) {
		struct live_client *next;
		struct chunk *c;

		if (room->out[form].n == 0) {
			continue;
		}
		c = chunk_copy(buf_slice(&room->out[form]));
		buf_cut(&room->out[form], 0);
		for (struct live_client *client = room->clients; client != NULL; client = next) {
			next = client->next;
			if (client->form == form) {
				live_client_send(client, c);
			}
		}
		chunk_unref(&c);
	}
}

static void flush_rooms(struct live *live)
{
	struct room *room;
	size_t at = 0;

	while ((room = map_next(&live->rooms, &at)) != NULL) {
		room_flush(room);
	}
}

static void frame_event(struct live *live, struct room *room, const struct record *record)
{
	struct id_text id = event_public_id(journal_meta(live->o.journal), record);
	struct event_view view = { .record = record, .id = slice_of(id.p) };
	struct id_text at = stream_id(live, room->feed);
	struct event event;
	struct err err;

	view.event = &event;
	if (!event_decode(record->body, &live->tick, &event, &err)) {
		return;
	}
	for (enum live_form form = 0; form < LIVE_FORMS; form++) {
		size_t had = room->out[form].n;

		if (room->forms[form] > 0) {
			live_frame_event(form, &view, slice_of(at.p), &live->scratch,
					 &room->out[form]);
			live->slice_bytes += room->out[form].n - had;
			metric_add(live->o.metrics, METRIC_LIVE_FRAMES, room->forms[form]);
		}
	}
	if (live->tick.total > TICK_BYTES_KEPT) {
		arena_clear(&live->tick);
	}
}

/* What the server says itself reaches people as the alerts that rules make of it. */
static bool is_sent(const struct record *record)
{
	return record->kind == RECORD_EVENT && !record_is_system(record);
}

static bool pump_one(struct live *live)
{
	struct record record;
	struct room *room;
	struct err err;

	switch (journal_iter_next(live->iter, &record, &err)) {
	case NOT_FOUND:
		return false;
	case FAILED:
		log_warn("live_unreadable", log_str("error", err.text));
		return err.kind != ERR_IO;
	case FOUND:
		break;
	}
	live->seq = record.seq;
	room = is_sent(&record) ? map_get(&live->rooms, MAP_KEY(record.project)) : NULL;
	/* Where a feed stands is part of a frame's id; nobody is told anything before that. */
	if (room != NULL && room->feed->known) {
		frame_event(live, room, &record);
	}
	return true;
}

void live_pump(struct live *live)
{
	int64_t until_us;

	if (live->clients == 0) {
		journal_iter_free(&live->iter);
		return;
	}
	if (live->seq >= journal_flushed(live->o.journal)) {
		return;
	}
	until_us = clock_mono_us() + SLICE_US;
	live->slice_bytes = 0;
	while (pump_one(live)) {
		if (live->slice_bytes >= SLICE_BYTES || clock_mono_us() >= until_us) {
			loop_touch(live->o.loop);
			break;
		}
	}
	flush_rooms(live);
	arena_clear(&live->tick);
}

static void frame_change(struct live *live, struct room *room, const struct change_row *row)
{
	struct id_text at = stream_id(live, room->feed);

	for (enum live_form form = 0; form < LIVE_FORMS; form++) {
		if (room->forms[form] > 0) {
			live_frame_change(form, row, slice_of(at.p), &live->scratch,
					  &room->out[form]);
			metric_add(live->o.metrics, METRIC_LIVE_FRAMES, room->forms[form]);
		}
		if (room->out[form].n >= SLICE_BYTES) {
			room_flush(room);
		}
	}
}

void feed_fan_out(struct live *live, struct feed *feed, const struct change_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct room *room;
		size_t at = 0;

		feed->change = rows[i].number;
		while ((room = map_next(&live->rooms, &at)) != NULL) {
			if (room->feed == feed &&
			    (rows[i].project.v == 0 || rows[i].project.v == room->project.v)) {
				frame_change(live, room, &rows[i]);
			}
		}
	}
	flush_rooms(live);
}

struct news {
	struct live *live;
	size_t n;
	struct org_id orgs[];
};

static void on_news(void *arg)
{
	struct news *news = arg;

	for (size_t i = 0; i < news->n && !news->live->ending; i++) {
		struct feed *feed = map_get(&news->live->feeds, MAP_KEY(news->orgs[i]));

		if (feed != NULL && feed->busy) {
			feed->again = true;
		} else if (feed != NULL) {
			feed_read(news->live, feed);
		}
	}
	free(news);
}

/* News that find the loop's queue full are not lost: the next ones read the same rows. */
void live_news(struct live *live, const struct org_id *orgs, size_t n)
{
	struct news *news = mem_alloc(1, sizeof(*news) + n * sizeof(*orgs));

	news->live = live;
	news->n = n;
	memcpy(news->orgs, orgs, n * sizeof(*orgs));
	if (!loop_post(live->o.loop, on_news, news)) {
		free(news);
	}
}

void live_free(struct live **lp)
{
	struct live *live = *lp;

	if (live == NULL) {
		return;
	}
	ensure(live->clients == 0);
	loop_timer_stop(&live->ping);
	loop_timer_stop(&live->expiry);
	journal_iter_free(&live->iter);
	map_release(&live->rooms);
	map_release(&live->feeds);
	arena_release(&live->tick);
	buf_release(&live->scratch);
	free(live);
	*lp = NULL;
}
