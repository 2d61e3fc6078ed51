/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_LEDGER_H
#define ENGINE_LEDGER_H

#include "engine/metrics.h"
#include "store/global.h"

/*
 * What became of what was sent, counted by project and minute in memory and saved every second by
 * the keeper. "received" is counted when something comes in, its outcome when it is answered, both
 * in one minute: so what a tenant's minute received is the sum of its outcomes and what is still
 * open.
 *
 * Any thread; nothing blocks but ledger_save. What a crash leaves out is at most the newest second;
 * what was accepted in it is in the log.
 */
struct ledger;

#define LEDGER_CELLS_MAX 100000 /* projects times minutes that wait to be saved: about 20 MB */

struct ledger *ledger_new(struct metrics *metrics);
void ledger_free(struct ledger **ledger);

/*
 * Called by ledger_save for each project and minute in which something was received since, whether
 * that can be saved or not. Before anybody counts.
 */
typedef void ledger_heard(void *arg, struct org_id org, struct project_id project,
			  int64_t minute_us);
void ledger_on_heard(struct ledger *ledger, ledger_heard *fn, void *arg);

/* n more (or, moved to another minute, less) at the time at_us. */
void ledger_add(struct ledger *ledger, struct org_id org, struct project_id project, int64_t at_us,
		enum event_outcome outcome, int64_t n);
/*
 * Write what came together since the last time, in a transaction of its own. On failure it is kept
 * for the next time; only when the commit may have gone well it is not, because books that lack a
 * second are better than such that count it twice. One thread at a time; blocks.
 */
NODISCARD bool ledger_save(struct ledger *ledger, struct db *db, struct err *err);

#endif
