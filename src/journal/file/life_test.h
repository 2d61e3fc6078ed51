/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOURNAL_FILE_LIFE_TEST_H
#define JOURNAL_FILE_LIFE_TEST_H

#include "journal/file/sim_test.h"
#include "journal/journal.h"
#include "test/t.h"

/*
 * A journal on a file system in memory, and a ledger of what was asked of it and what it promised:
 * for tests of crashes and damage. Everything follows from the seed. One thread.
 */
#define RECORDS_MAX 4096
#define ITEMS_MAX 12

/* What was ever asked for and what was promised. record i of the log has body number text[i]. */
struct ledger {
	uint64_t acked; /* records up to here must stay for ever */
	uint64_t tried; /* and none behind this may appear */
	uint32_t text[RECORDS_MAX + 1];
	uint32_t texts;
};

struct life {
	struct sim *sim;
	struct ledger ledger;
	struct ledger at_cut;
	struct journal *journal;
	int64_t wall_us;
	uint64_t seed;
	bool seals;  /* life_work seals now and then */
	bool scrubs; /* and reads what is closed again */
	bool merges; /* and much more often, so that there are many sealed files */
};

struct life_request {
	struct journal_batch batch;
	struct record items[ITEMS_MAX];
	struct journal_result results[ITEMS_MAX];
	char keys[ITEMS_MAX][16];
	char bodies[ITEMS_MAX][700];
	struct life *life;
	bool done, ok;
};

NODISCARD bool life_open(struct life *life, struct err *err);
/* n items of new texts in one request. */
NODISCARD bool life_append(struct life *life, struct life_request *request, size_t n,
			   struct err *err);
/* So many turns of requests of all kinds; checks on the way. */
NODISCARD bool life_work(struct life *life, size_t turns, struct err *err);
void life_check_record(const struct life *life, const struct record *record, uint64_t seq);
/* Everything acked is there, nothing else is, and both directions agree. */
void life_check_all(struct life *life);
void life_check_keys(struct life *life);

#endif
