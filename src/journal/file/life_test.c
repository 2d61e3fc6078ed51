/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the tests of the journal; never part of the program. */
#include "journal/file/life_test.h"

#include <stdio.h>
#include <stdlib.h>

#include "journal/care.h"

bool life_open(struct life *life, struct err *err)
{
	struct journal_options options = {
		.dir = "d",
		.create = true,
		.segment_bytes = 16384,
		.turn_bytes_max = 16384,
		.now_us = 1,
		.files = &sim_ops,
		.files_arg = life->sim,
	};

	return journal_open(&life->journal, &options, err);
}

/* Each text has one body and one key; every third has none. */
static struct slice body_of(uint32_t text, char *out, size_t size)
{
	size_t pad = text * UINT32_C(2654435761) % 600;
	int n = snprintf(out, size, "{\"n\":%u,\"p\":\"", text);

	memset(out + n, 'a' + (int)(text % 26), pad);
	snprintf(out + n + pad, size - (size_t)n - pad, "\"}");
	return slice_of(out);
}

static struct slice key_of(uint32_t text, char *out, size_t size)
{
	snprintf(out, size, "k%u", text);
	return text % 3 == 0 ? (struct slice) { 0 } : slice_of(out);
}

static void done(struct journal_batch *batch, const struct err *err)
{
	struct life_request *request = CONTAINER_OF(batch, struct life_request, batch);
	struct ledger *ledger = &request->life->ledger;

	request->done = true;
	request->ok = err == NULL;
	for (size_t i = 0; err == NULL && i < batch->n; i++) {
		if (request->results[i].seq > ledger->acked) {
			ledger->acked = request->results[i].seq;
		}
	}
}

static void set_item(struct life_request *request, size_t i, uint32_t text)
{
	struct slice body = body_of(text, request->bodies[i], sizeof(request->bodies[i]));

	request->items[i] = (struct record) {
		.kind = RECORD_EVENT,
		.org = { 1 },
		.hash = { text, 7 },
		.idempotency_key = key_of(text, request->keys[i], sizeof(request->keys[i])),
		.body = body,
	};
}

bool life_append(struct life *life, struct life_request *request, size_t n, struct err *err)
{
	struct ledger *ledger = &life->ledger;

	for (size_t i = 0; i < n; i++) {
		set_item(request, i, ledger->texts + (uint32_t)i + 1);
	}
	request->life = life;
	request->done = false;
	request->batch = (struct journal_batch) {
		.items = request->items, .n = n, .results = request->results, .done = done
	};
	life->wall_us += 5;
	if (!journal_append(life->journal, &request->batch, life->wall_us, life->wall_us, err)) {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		T_INT(request->results[i].verdict, JOURNAL_STORED);
		ledger->tried = request->results[i].seq;
		ledger->text[ledger->tried] = ++ledger->texts;
	}
	return true;
}

void life_check_record(const struct life *life, const struct record *record, uint64_t seq)
{
	char body[700], key[16];
	uint32_t text = life->ledger.text[seq];

	if (record->seq != seq || record->hash.lo != text ||
	    !slice_eq(record->body, body_of(text, body, sizeof(body))) ||
	    !slice_eq(record->idempotency_key, key_of(text, key, sizeof(key)))) {
		fail_msg("seed %llu: record %llu is not what was appended",
			 (unsigned long long)life->seed, (unsigned long long)seq);
	}
}

void life_check_all(struct life *life)
{
	uint64_t flushed = journal_flushed(life->journal);
	struct journal_iter *iter;
	struct record record;
	struct err err = { 0 };
	int64_t before_us = 0;

	if (flushed < life->ledger.acked || flushed > life->ledger.tried) {
		fail_msg("seed %llu: %llu records, but %llu acked and %llu tried",
			 (unsigned long long)life->seed, (unsigned long long)flushed,
			 (unsigned long long)life->ledger.acked,
			 (unsigned long long)life->ledger.tried);
	}
	iter = journal_iter_new(life->journal, 1, false);
	for (uint64_t seq = 1; seq <= flushed; seq++) {
		enum found found = journal_iter_next(iter, &record, &err);

		if (found != FOUND) {
			fail_msg("seed %llu: record %llu: %s", (unsigned long long)life->seed,
				 (unsigned long long)seq, found == FAILED ? err.text : "none");
		}
		life_check_record(life, &record, seq);
		T_TRUE(record.received_at_us > before_us);
		before_us = record.received_at_us;
	}
	T_INT(journal_iter_next(iter, &record, &err), NOT_FOUND);
	journal_iter_free(&iter);
	/* What was seen once stays, acked or not. */
	life->ledger.acked = flushed;
	life->ledger.tried = flushed;
}

/* Keys of stored records are known, all others are not. */
void life_check_keys(struct life *life)
{
	struct ledger *ledger = &life->ledger;
	static struct life_request request;
	struct err err = { 0 };

	for (int i = 0; i < 4 && ledger->acked > 0; i++) {
		uint64_t seq = 1 + sim_below(life->sim, ledger->acked);

		if (ledger->text[seq] % 3 == 0) {
			continue;
		}
		set_item(&request, 0, ledger->text[seq]);
		request.items[0].hash.hi = i % 2 == 0 ? 7 : 8;
		request.life = life;
		request.batch = (struct journal_batch) {
			.items = request.items, .n = 1, .results = request.results, .done = done
		};
		T_OK(journal_append(life->journal, &request.batch, life->wall_us, life->wall_us,
				    &err));
		journal_turn(life->journal);
		T_INT(request.results[0].verdict,
		      i % 2 == 0 ? JOURNAL_DUPLICATE : JOURNAL_CONFLICT);
		T_INT(request.results[0].seq, seq);
	}
}

/* Some turns of some requests; stops when anything fails. */
/* A part of the way, or all of it. */
static bool seal(struct life *life, struct err *err)
{
	enum found found = FOUND;

	for (uint64_t i = sim_below(life->sim, life->merges ? 60 : 6); i > 0 && found == FOUND;
	     i--) {
		found = journal_seal(life->journal, err);
	}
	return found != FAILED;
}

/* As if weeks went by. */
static bool scrub(struct life *life, struct err *err)
{
	static int64_t now_us = INT64_C(4000000000) * 1000000;
	enum found found = FOUND;

	now_us += 10;
	for (uint64_t i = sim_below(life->sim, 6); i > 0 && found == FOUND; i--) {
		found = journal_scrub(life->journal, now_us, 1, err);
	}
	return found != FAILED;
}

bool life_work(struct life *life, size_t turns, struct err *err)
{
	static struct life_request requests[4];

	for (size_t t = 0; t < turns; t++) {
		size_t n = 1 + sim_below(life->sim, ARRAY_LEN(requests));

		if (life->ledger.tried + n * ITEMS_MAX > RECORDS_MAX) {
			return true;
		}
		for (size_t i = 0; i < n; i++) {
			size_t items = 1 + sim_below(life->sim, i == 0 ? ITEMS_MAX : 2);

			if (!life_append(life, &requests[i], items, err)) {
				n = i;
				break;
			}
		}
		journal_turn(life->journal);
		for (size_t i = 0; i < n; i++) {
			T_TRUE(requests[i].done);
			T_TRUE(requests[i].ok != journal_failed(life->journal));
		}
		if (sim_below(life->sim, 8) == 0 && !journal_prepare(life->journal, err)) {
			return false;
		}
		if (life->seals && (life->merges || sim_below(life->sim, 4) == 0) &&
		    !seal(life, err)) {
			return false;
		}
		if (life->scrubs && sim_below(life->sim, 4) == 0 && !scrub(life, err)) {
			return false;
		}
		if (journal_failed(life->journal)) {
			return err_set(err, ERR_IO, "failed");
		}
	}
	return true;
}
