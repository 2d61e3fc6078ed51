/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_COURIER_H
#define ENGINE_COURIER_H

#include "engine/metrics.h"
#include "engine/live.h"
#include "net/ip.h"
#include "store/store.h"

/*
 * The one thread that delivers. It claims what is due, lets the channel render it, sends many at
 * once, judges the answers and records them in grouped commits. At least once: an attempt whose
 * success is recorded is never repeated; one whose outcome is unknown is, under the same id.
 */
struct courier;

struct courier_options {
	struct store *store;
	struct metrics *metrics;
	struct live *live;		/* told of changes; not NULL */
	struct hash_key cipher;		/* for public ids */
	const struct ip_policy *policy; /* where deliveries may go; copied */
	size_t concurrency;
	struct slice public_url; /* borrowed */
	int64_t log_us;		 /* the time of the newest record */
};

/* Connects and gives lapsed claims back. Blocks. */
NODISCARD bool courier_open(struct courier **courier, const struct courier_options *options,
			    struct err *err);
/* Start the thread. */
void courier_start(struct courier *courier);
/* The log has come to this time: what was born until then is due. The engine's thread. */
void courier_reach(struct courier *courier, int64_t log_us);
/* Something became due. Any thread. */
void courier_wake(struct courier *courier);
/* Let calls under way end, for at most wait_us; record, join, free. NULL ok. */
void courier_close(struct courier **courier, int64_t wait_us);

#endif
