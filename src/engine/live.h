/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_LIVE_H
#define ENGINE_LIVE_H

#include "engine/metrics.h"
#include "engine/workers.h"
#include "journal/journal.h"
#include "model/id.h"
#include "net/http_server.h"

/*
 * Live streams: events as they are stored, alerts and notifications as they are committed, to the
 * subscribers of a project. The hub is one more reader of the log, behind the flush, and of the
 * change rows; it encodes a frame once per form and shares the bytes.
 *
 * A stream id says how far a subscriber has come in both. It is sealed: a client can only give it
 * back. Who comes back too late, or with an id that is not ours, gets "resync" and starts anew.
 *
 * Loop thread, but for live_news.
 */
struct live;
struct live_client;

#define LIVE_CLIENTS_MAX 4096		     /* each holds a socket and up to a megabyte of queue */
#define LIVE_CATCH_UP_FRAMES_MAX 10000	     /* more than that is a reload, not a stream */
#define LIVE_PING_US (25 * INT64_C(1000000)) /* below the idle time of common proxies */

enum live_form {
	LIVE_SSE,	     /* event: / id: / data: */
	LIVE_SIGNALDESK,     /* WebSocket: {type, payload} */
	LIVE_PULSEBOARD,     /* WebSocket: an event as it is, no changes */
	LIVE_PULSEBOARD_SSE, /* id: / data: of the same */
	LIVE_FORMS
};
/* Whether frames of this form go over a WebSocket. */
bool live_form_is_socket(enum live_form form);

struct live_options {
	struct loop *loop;
	struct journal *journal;
	struct workers *workers; /* locals are struct db * */
	struct metrics *metrics;
	size_t clients_max; /* 0: LIVE_CLIENTS_MAX */
};
struct live *live_new(const struct live_options *options);
/* Ends all streams. */
void live_free(struct live **live);

struct live_subscription {
	struct org_id org;
	struct project_id project;
	struct key_id key; /* 0: it is a session's */
	struct session_id session;
	struct user_id user;
	int64_t expires_at_us; /* key or session, and the stream with it; 0: never */
	enum live_form form;
	struct slice last_id; /* the id to go on behind; empty: from now on */
};
/*
 * Take over a stream that http_stream_begin gave: for a socket's form after the 101 of the
 * handshake. The client belongs to the hub and goes with its stream. False when there are too many;
 * the stream then still is the caller's.
 */
NODISCARD bool live_join(struct live *live, struct http_stream *stream,
			 const struct live_subscription *sub);

/* Whether there is no place at all. */
bool live_full(const struct live *live);
/* Whether live_join would refuse one more of this org: see base/room.h. */
bool live_is_crowded(const struct live *live, struct org_id org);
/* Read what was flushed and fan it out, a slice of a millisecond at most. At the end of a turn. */
void live_pump(struct live *live);
/* These orgs have new change rows. Any thread. */
void live_news(struct live *live, const struct org_id *orgs, size_t n);
/* A key was revoked: its streams end. */
void live_drop_key(struct live *live, struct key_id key);
/* A key ends at that time now: its streams, too. */
void live_expire_key(struct live *live, struct key_id key, int64_t expires_at_us);
/* A project was deleted: the streams of it end. */
void live_drop_project(struct live *live, struct project_id project);
/* A session has ended: its streams do. */
void live_drop_session(struct live *live, struct session_id session);
/* A user's sessions have ended, all but one (0: all). */
void live_drop_user(struct live *live, struct user_id user, struct session_id keep);
/* A user is no longer in an org (user 0: nobody is): those streams end, keys' among them then. */
void live_drop_member(struct live *live, struct org_id org, struct user_id user);
/* The server is stopping: say so and end all streams. */
void live_end_all(struct live *live);

/* The sealed position of an org's stream. Pure. */
struct live_position {
	uint64_t seq;	 /* events up to this record */
	uint64_t change; /* changes up to this number */
};
struct id_text live_id_format(const struct hash_key *cipher, struct org_id org,
			      struct live_position at);
/* Any text of the right form parses; a forged one gives some position, see live_join. */
NODISCARD bool live_id_parse(const struct hash_key *cipher, struct org_id org, struct slice text,
			     struct live_position *at);

#endif
