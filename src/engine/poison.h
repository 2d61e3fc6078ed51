/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_POISON_H
#define ENGINE_POISON_H

#include "base/buf.h"
#include "journal/journal.h"
#include "store/store.h"

/*
 * Records that are not applied, because applying them has crashed the engine. Which ones they are
 * is said by control records of the same log ("record.quarantine"), so that every replay leaves out
 * the same; the state keeps a list of them, so that a replay knows before it gets there.
 *
 * The records themselves stay in the log, and are shown with it. Owned by the engine.
 */
#define POISON_MAX 1000 /* so many are no accident: a person has to look */
#define POISON_META "quarantined_records"

struct poison_entry {
	uint64_t seq; /* the record that is left out */
	uint64_t by;  /* the record that says so */
};
struct poison {
	struct poison_entry items[POISON_MAX]; /* by seq */
	size_t n;
};

/* Whether the record is left out. */
bool poison_has(const struct poison *p, uint64_t seq);
/* Leave it out from now on; false when there are too many. Again is no harm. */
bool poison_add(struct poison *p, uint64_t seq, uint64_t by);
/* "17:90,18:95", as the state keeps it; at most 64 KiB. */
void poison_write(const struct poison *p, struct buf *out);
NODISCARD bool poison_read(struct slice text, struct poison *p, struct err *err);
/* What the state has; nothing when there was never any. Blocks. */
NODISCARD bool poison_load(struct db *db, struct arena *tick, struct poison *p, struct err *err);
/*
 * Find what the log says behind the record after_seq, where the state has not come yet. Blocks.
 */
NODISCARD bool poison_scan(struct journal *journal, uint64_t after_seq, struct poison *p,
			   struct err *err);
/*
 * Put it into the log that the record is left out, with an event for its project that tells of it;
 * both are flushed or none is. Gives the number of the control record. The thread of the journal.
 */
NODISCARD bool poison_append(struct journal *journal, uint64_t seq, uint32_t exits, int64_t wall_us,
			     int64_t mono_us, uint64_t *by, struct err *err);

#endif
