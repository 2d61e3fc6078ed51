/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_LIVE_IMPL_H
#define ENGINE_LIVE_IMPL_H

#include "base/map.h"
#include "engine/live.h"
#include "engine/live_frame.h"
#include "net/ws.h"

/* The inside of the hub, shared by live.c, live_client.c and live_jobs.c. Loop thread. */

#define LIVE_PENDING_MAX 1024 /* chunks that wait while a client catches up */

/* How far an org's changes have been fanned out. */
struct feed {
	struct org_id org;
	size_t clients;
	bool known; /* change is set */
	uint64_t change;
	bool busy;  /* a job is reading for this feed */
	bool again; /* there were news meanwhile */
};

struct room {
	struct project_id project;
	struct feed *feed;
	struct live_client *clients;
	size_t n;
	size_t forms[LIVE_FORMS];   /* clients of each form */
	struct buf out[LIVE_FORMS]; /* frames of this slice */
};

enum client_state {
	CLIENT_WAITING,	 /* until the feed is known; told nothing yet */
	CLIENT_CATCHING, /* a job reads what was missed; new frames are kept back */
	CLIENT_LIVE,
	CLIENT_GONE, /* the stream is closed; a job still knows the client */
};

struct live_client {
	struct live *live;
	struct room *room; /* NULL when gone */
	struct live_client *prev, *next;
	enum client_state state;
	enum live_form form;
	struct key_id key;
	struct session_id session;
	struct user_id user;
	int64_t expires_at_us;
	struct http_stream *stream;
	struct ws *ws;
	bool resume;		   /* from is set */
	struct live_position from; /* what the client has seen */
	uint64_t joined_seq;	   /* records up to this one are the job's affair */
	struct chunk *pending[LIVE_PENDING_MAX];
	size_t pending_n;
	size_t pending_bytes;
};

struct live {
	struct live_options o;
	struct map rooms; /* by project */
	struct map feeds; /* by org */
	bool ending;	  /* nothing new is read any more */
	size_t clients;
	uint64_t seq; /* fanned out up to here */
	struct journal_iter *iter;
	struct arena tick;
	struct buf scratch;
	size_t slice_bytes; /* of frames made in this slice */
	struct loop_timer ping;
	struct loop_timer expiry;
	int64_t expires_at_us; /* the first client's whose time is up; 0: nobody's is */
};

/* live_client.c */
/* Send c now, or keep it back while the client catches up. A slow reader is dropped. */
void live_client_send(struct live_client *client, struct chunk *c);
/* A frame of the hub's own to one client; at is where it stands then, NULL: where it stood. */
void client_notice(struct live_client *client, const char *name, const struct live_position *at);
/* What was missed is sent: send what was kept back, then go on live. */
void client_go_live(struct live_client *client);
void client_ping(struct live_client *client);
/* End the stream politely: WebSocket gets the code. */
void client_end(struct live_client *client, uint16_t code, struct slice reason);
void client_free(struct live_client *client);

/* live_jobs.c: reading the store and the log on workers. */
/* Learn where an unknown feed stands, or read the next changes of a known one. */
void feed_read(struct live *live, struct feed *feed);
/* Read what a resuming client has missed. */
void client_catch_up(struct live_client *client);

/* live.c */
/* The feed stands at change now: clients that waited for it go on. */
void feed_known(struct live *live, struct feed *feed);
/* Fan out changes that were read, in order. */
void feed_fan_out(struct live *live, struct feed *feed, const struct change_row *rows, size_t n);

#endif
