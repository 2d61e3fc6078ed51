/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_DELIVERIES_H
#define STORE_DELIVERIES_H

#include "model/id.h"
#include "store/db.h"
#include "store/page.h"

/*
 * Deliveries: one message to one destination, and its attempts. The engine inserts them, the
 * courier claims and records (both in global.h); here is what people do: look, replay, purge.
 *
 *   pending -> sending -> sent
 *                      -> retrying -> sending ...
 *                      -> dead -> pending (replay) or purged
 *   pending, retrying -> superseded
 *
 * due_us is set exactly while something must still happen: when to send next, or, while sending,
 * when the claim lapses and the delivery may be claimed again.
 */
enum delivery_status {
	DELIVERY_PENDING,
	DELIVERY_SENDING,
	DELIVERY_RETRYING,
	DELIVERY_SENT,
	DELIVERY_DEAD,
	DELIVERY_SUPERSEDED,
	DELIVERY_PURGED,
	DELIVERY_STATUSES
};
/* "pending" and so on: the word in the database, the API and metrics. */
const char *delivery_status_name(enum delivery_status status);
extern const char *const delivery_status_names[]; /* ended by NULL */
NODISCARD bool delivery_status_parse(struct slice text, enum delivery_status *out);

struct delivery_row {
	struct delivery_id number; /* dense, from the engine's cursor */
	struct org_id org;
	struct project_id project;
	struct alert_id alert;
	int64_t alert_us; /* with alert: its public id */
	struct rule_id rule;
	struct slice rule_name;
	uint32_t action_index; /* which action of the rule */
	uint64_t event_seq;
	int64_t event_us; /* with event_seq: the event's public id */
	struct slice event_type;
	struct slice channel;
	struct slice destination; /* for display; no secrets */
	struct slice config;	  /* JSON; "" once purged */
	struct slice payload;	  /* JSON of the notice; "" once purged */
	struct slice cid;	  /* correlation id */
	enum delivery_status status;
	uint32_t attempts; /* in this round; a replay starts a new one */
	uint32_t attempts_total;
	int64_t created_us;
	int64_t due_us;	 /* 0: nothing more to do */
	int64_t done_us; /* sent, dead, superseded or purged at; 0: not yet */
	struct slice last_error;
	uint32_t last_status; /* HTTP status of the last attempt; 0: none */
	uint64_t claim;	      /* who is sending; 0: nobody */
};
struct delivery_list {
	struct delivery_row *rows;
	size_t n;
	struct page_at next; /* by (created_us, number) */
};

/*
 * A set of statuses, bit by bit. What is being sent can be told apart by whether it was tried
 * before: older clients know two words for that.
 */
#define DELIVERY_BIT(status) (1u << (status))
#define DELIVERY_BITS_FAILED \
	(DELIVERY_BIT(DELIVERY_DEAD) | DELIVERY_BIT(DELIVERY_SUPERSEDED) | \
	 DELIVERY_BIT(DELIVERY_PURGED))
struct delivery_set {
	unsigned statuses; /* 0: any */
	enum { SENDING_ANY, SENDING_FIRST, SENDING_AGAIN } sending;
};
/* Whether the row is in the set; a list filtered by the set has exactly these rows. */
bool delivery_in(const struct delivery_set *set, const struct delivery_row *row);

struct delivery_filter {
	struct project_id project; /* required */
	struct delivery_set set;
	struct slice channel; /* empty: any */
	struct rule_id rule;  /* 0: any */
};

struct attempt_row {
	struct delivery_id delivery;
	uint32_t n; /* from 1, over all rounds */
	int64_t started_us;
	int64_t ended_us;
	int64_t duration_us;  /* by the monotonic clock */
	struct slice outcome; /* "delivered", "retry", "rejected" ...: the courier's words */
	uint32_t http_status; /* 0: no response */
	struct slice error;
};
#define ATTEMPTS_LISTED_MAX 200 /* the newest ones of a delivery; a round has about ten */
struct attempt_list {
	struct attempt_row *rows;
	size_t n;
};

/* project 0: of any project of the org. */
NODISCARD enum found store_delivery_get(struct org_id org, struct db *db, struct project_id project,
					struct delivery_id number, struct arena *req,
					struct delivery_row *out, struct err *err);
/* The newest ATTEMPTS_LISTED_MAX attempts, oldest first. Empty for a delivery of another org. */
NODISCARD bool store_attempt_list(struct org_id org, struct db *db, struct delivery_id number,
				  struct arena *req, struct attempt_list *out, struct err *err);
/* Rows without config and payload: a page must not grow with what was told. */
NODISCARD bool store_delivery_list(struct org_id org, struct db *db,
				   const struct delivery_filter *filter, const struct page *page,
				   struct arena *req, struct delivery_list *out, struct err *err);

/*
 * Dead deliveries become pending and due now, with their id, content and past attempts. number 0:
 * the oldest `limit` dead ones of the project. *replayed counts them; 0 when none was dead.
 */
NODISCARD bool store_delivery_replay(struct org_id org, struct db *db, struct project_id project,
				     struct delivery_id number, int64_t now_us, size_t limit,
				     uint64_t *replayed, struct err *err);
/* The same for good: dead deliveries lose config and payload and become purged. */
NODISCARD bool store_delivery_purge(struct org_id org, struct db *db, struct project_id project,
				    struct delivery_id number, int64_t now_us, size_t limit,
				    uint64_t *purged, struct err *err);

#endif
