/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_INGEST_H
#define API_INGEST_H

#include "api/call.h"
#include "journal/journal.h"
#include "model/outcome.h"
#include "source/source.h"

/*
 * Taking events in, on the loop thread from the first byte to the reply: read, check, append to
 * the journal's turn, and answer when the turn is flushed. Nothing here blocks, and nothing takes
 * longer than a slice of a millisecond before others get their turn.
 */
#define INGEST_BODY_BYTES_MAX ((size_t)10 << 20)
#define INGEST_ITEMS_MAX 10000
/* Of one event: white space and names around it. */
#define INGEST_SINGLE_BYTES_MAX (EVENT_BYTES_MAX + 4096)
#define INGEST_SLICE_US 1000

/* What is said of one stored (or known) event. */
struct ingest_receipt {
	const struct event *event;
	struct slice id; /* public */
	uint64_t seq;
	int64_t received_at_us;
	bool replayed; /* it was stored before, under the same idempotency key */
};

/* How one of the single-event routes speaks. */
struct ingest_form {
	const struct source_form *source;
	/* In its place: fills the event, checked, and the key of the body, until the reply. */
	bool (*read)(struct call *c, struct event *event, struct slice *key, struct err *err);
	bool header_key;    /* takes Idempotency-Key */
	bool body_key;	    /* the credential is in the body */
	bool shows_payload; /* the reply has it again */
	enum err_kind over; /* what is said when the month's quota is used up */
	void (*reply)(struct call *c, const struct ingest_receipt *receipt, struct json_w *w);
};

/* When it happened, as the sender said; else when it came. */
int64_t ingest_said_time(const struct ingest_receipt *receipt);
/* One event in the body; ends in a reply. */
void ingest_single(struct call *c, const struct ingest_form *form);
/* How a body holds many: [...], {"events": [...]}, or one object a line (NDJSON). */
enum ingest_shape { SHAPE_ARRAY, SHAPE_WRAPPER, SHAPE_LINES };
/* Every item has its own verdict; good ones are kept. Ends in a reply. */
void ingest_batch(struct call *c, enum ingest_shape shape);

/* The public id of the event with this number. */
struct id_text ingest_event_id(struct api *api, uint64_t seq, int64_t received_at_us);
/* The Idempotency-Key header, checked; empty when there is none. */
NODISCARD bool ingest_header_key(struct call *c, struct slice *key, struct err *err);
/*
 * Count what came in and what became of it, by metrics and in the books of the caller's project, as
 * far as it is known by then. Each event that was received owes one outcome. Loop thread.
 */
void ingest_received(struct call *c, size_t n);
/* Anything but accepted. */
void ingest_outcome(struct call *c, enum event_outcome outcome, size_t n);
/* Stored in the log at this time. */
void ingest_accepted(struct call *c, int64_t received_at_us, size_t n);
/* Whether the log's time is in the minute of the request. */
bool ingest_same_minute(const struct call *c, int64_t received_at_us);
/* Refused before its body was there: counted as one. Does nothing for routes without events. */
void ingest_turned_away(struct call *c, enum err_kind kind);
/* The same, when the network refused the body with this status. */
void ingest_broken_off(struct call *c, int status);
/*
 * The month's quota, around an append of the caller's events. Loop thread.
 *
 * Give the batch the room that is left; true when what is stored is over the soft limit, which its
 * answer says by ingest_quota_warn.
 */
bool ingest_quota_ask(struct call *c, struct journal_batch *batch);
/* Of a batch that was taken: count what was stored. */
void ingest_quota_count(struct call *c, const struct journal_batch *batch);
void ingest_quota_warn(struct call *c);
/* Why an item was over, as ERR_LIMIT or what an older route says for it. Always false. */
bool ingest_quota_refuse(struct call *c, enum err_kind kind, struct err *err);
/*
 * Go on with fn(arg) when it is the turn of the caller's organization: false when nobody else is
 * there to share with, and it may go on at once, or when there is no room, and it has to.
 */
NODISCARD bool ingest_later(struct call *c, loop_fn fn, void *arg);
/* False with ERR_OVERLOADED when the organization lets too many wait already. */
NODISCARD bool ingest_has_turn(struct call *c, struct err *err);
/* Call the row's handler now, or when it is its turn, or refuse it. Ends in a reply. */
void ingest_in_turn(struct call *c);
/* Refuse because of overload or shutdown before reading anything. False when all is well. */
bool ingest_busy(struct call *c, struct err *err);
/* A record of this event; its slices are those of event and body. */
struct record ingest_record(struct api *api, const struct caller *caller, const struct event *event,
			    struct slice body);

#endif
