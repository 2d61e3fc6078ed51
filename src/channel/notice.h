/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHANNEL_NOTICE_H
#define CHANNEL_NOTICE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "model/severity.h"

/*
 * Everything there is to tell about a change worth telling. What the engine knows when it decides
 * is stored with the delivery as JSON; the courier adds what belongs to the delivery and hands the
 * whole to a channel. All texts are borrowed, may come from strangers, and may be empty. Pure; any
 * thread.
 */
enum notice_news {
	NOTICE_FIRED,
	NOTICE_OPENED,
	NOTICE_ESCALATED,
	NOTICE_RESOLVED,
	NOTICE_TEST, /* somebody pressed "send a test" */
	NOTICE_NEWS
};
/* "alert.fired" ... "test": the type of outgoing webhooks. */
struct slice notice_news_name(enum notice_news news);

struct notice {
	enum notice_news news;
	enum severity severity;
	struct slice org; /* public ids from here ... */
	struct slice project;
	struct slice rule;
	struct slice alert;
	struct slice event; /* ... to here: the event that tipped the scale */
	struct slice rule_name;
	struct slice event_type;
	struct slice event_payload; /* raw JSON; empty: none */
	struct slice key;	    /* what the rule groups by, a JSON object; empty: it does not */
	int64_t threshold;
	int64_t window_s;
	int64_t count;
	bool count_at_least;	/* there may have been more: the window no longer holds all */
	int64_t occurred_at_us; /* 0: the sender did not say */
	int64_t received_at_us;
	int64_t triggered_at_us;

	/* Of the delivery; notice_encode leaves these out. */
	struct slice delivery;	 /* public id, the same for every attempt */
	struct slice cid;	 /* correlation id */
	struct slice public_url; /* of this server, without a slash at the end; empty: not set */
};

/* Append one JSON object. */
void notice_encode(const struct notice *notice, struct buf *out);
/* What notice_encode wrote; members of later versions are passed over. ERR_CORRUPT. */
NODISCARD bool notice_decode(struct slice json, struct arena *tick, struct notice *out,
			     struct err *err);

#endif
