/* SPDX-License-Identifier: Apache-2.0 */
/* The record with which a life of the server begins. */
#include "cmd/start.h"

#include "base/clock.h"
#include "base/log.h"
#include "model/builtin.h"

static void stored(struct journal_batch *batch UNUSED, const struct err *failure)
{
	if (failure != NULL) {
		log_error("start_record_failed", log_str("error", failure->text));
	}
}

bool start_append(struct journal *journal, struct arena *boot, struct err *err)
{
	int64_t last_us = journal_last_received_at(journal), now_us = clock_wall_us();
	int64_t outage_us = last_us == 0 || last_us > now_us ? 0 : now_us - last_us;
	struct record record = { .kind = RECORD_START, .type = S("start") };
	struct journal_batch *batch = arena_new(boot, struct journal_batch);

	record.body = arena_printf(boot, "{\"type\":\"start\",\"outageUs\":%lld,\"builtins\":%d}",
				   (long long)outage_us, BUILTIN_TABLE);
	*batch = (struct journal_batch) { .items = &record,
					  .n = 1,
					  .results = arena_new(boot, struct journal_result),
					  .done = stored };
	if (!journal_append(journal, batch, now_us, clock_mono_us(), err)) {
		return false;
	}
	journal_turn(journal);
	return true;
}
