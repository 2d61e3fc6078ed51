/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Acked means durable, and nothing is invented: the journal on a file system that loses power,
 * fails calls, and flips bits. Every case follows from its seed, which failures print.
 */
#include "journal/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "journal/file/format.h"
#include "journal/file/sim_test.h"
#include "test/t.h"

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
};

struct request {
	struct journal_batch batch;
	struct record items[ITEMS_MAX];
	struct journal_result results[ITEMS_MAX];
	char keys[ITEMS_MAX][16];
	char bodies[ITEMS_MAX][700];
	struct life *life;
	bool done, ok;
};

static void on_cut(void *arg)
{
	struct life *life = arg;

	life->at_cut = life->ledger;
}

static bool life_open(struct life *life, struct err *err)
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
	struct request *request = CONTAINER_OF(batch, struct request, batch);
	struct ledger *ledger = &request->life->ledger;

	request->done = true;
	request->ok = err == NULL;
	for (size_t i = 0; err == NULL && i < batch->n; i++) {
		if (request->results[i].seq > ledger->acked) {
			ledger->acked = request->results[i].seq;
		}
	}
}

static void set_item(struct request *request, size_t i, uint32_t text)
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

static bool append(struct life *life, struct request *request, size_t n, struct err *err)
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

static void check_record(const struct life *life, const struct record *record, uint64_t seq)
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

static void check_all(struct life *life)
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
		check_record(life, &record, seq);
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
static void check_keys(struct life *life)
{
	struct ledger *ledger = &life->ledger;
	static struct request request;
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
static bool work(struct life *life, size_t turns, struct err *err)
{
	static struct request requests[4];

	for (size_t t = 0; t < turns; t++) {
		size_t n = 1 + sim_below(life->sim, ARRAY_LEN(requests));

		if (life->ledger.tried + n * ITEMS_MAX > RECORDS_MAX) {
			return true;
		}
		for (size_t i = 0; i < n; i++) {
			size_t items = 1 + sim_below(life->sim, i == 0 ? ITEMS_MAX : 2);

			if (!append(life, &requests[i], items, err)) {
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
		if (journal_failed(life->journal)) {
			return err_set(err, ERR_IO, "failed");
		}
	}
	return true;
}

/* One life: power on, recover, check, work, and somewhere in between the power is cut. */
static void live(struct life *life)
{
	struct sim *next;
	struct err err = { 0 };

	life->sim->cut_at = 1 + sim_below(life->sim, 1 + sim_below(life->sim, 400));
	life->sim->on_cut = on_cut;
	life->sim->on_cut_arg = life;
	life->sim->shorten = sim_below(life->sim, 2) == 0;
	if (!life_open(life, &err)) {
		fail_msg("seed %llu: %s", (unsigned long long)life->seed, err.text);
	}
	check_all(life);
	check_keys(life);
	T_OK(work(life, sim_below(life->sim, 30), &err));
	if (sim_below(life->sim, 4) == 0) {
		journal_close(&life->journal);
		T_OK(life_open(life, &err));
		check_all(life);
		T_OK(work(life, sim_below(life->sim, 10), &err));
	}
	journal_close(&life->journal);
	if (life->sim->cut == NULL) {
		life->at_cut = life->ledger;
		life->sim->cut = sim_power_cut(life->sim);
	}
	next = life->sim->cut;
	life->sim->cut = NULL;
	sim_free(&life->sim);
	life->sim = next;
	/* Numbers that were tried after the cut did not happen; texts are never used twice. */
	life->at_cut.texts = life->ledger.texts;
	life->ledger = life->at_cut;
}

TEST(power_cuts_lose_nothing_acked_and_invent_nothing)
{
	static struct life life;
	struct err err = { 0 };

	for (uint64_t seed = 1; seed <= 1200; seed++) {
		life = (struct life) { .sim = sim_new(seed), .wall_us = 1000, .seed = seed };
		for (int i = 0; i < 5; i++) {
			live(&life);
		}
		T_OK(life_open(&life, &err));
		check_all(&life);
		journal_close(&life.journal);
		sim_free(&life.sim);
	}
}

/* After a process died the page cache is still there, flushed or not; then the power goes. */
static void check_after_failure(struct life *life, bool power)
{
	struct err err = { 0 };
	struct sim *next;

	life->sim->fail_at = 0;
	if (!power) {
		T_OK(life_open(life, &err));
		check_all(life);
		T_OK(work(life, 2, &err));
		journal_close(&life->journal);
	}
	next = sim_power_cut(life->sim);
	sim_free(&life->sim);
	life->sim = next;
	T_OK(life_open(life, &err));
	check_all(life);
	check_keys(life);
	journal_close(&life->journal);
}

static void story(struct life *life, uint64_t fail_at, int errnum)
{
	struct err err = { 0 };

	for (int i = 0; i < 3; i++) {
		if (i == 1) {
			life->sim->fail_at = life->sim->calls + fail_at;
			life->sim->fail_errno = errnum;
		}
		if (!life_open(life, &err)) {
			T_TRUE(life->sim->failed);
			return;
		}
		if (!work(life, 12, &err)) {
			T_TRUE(life->sim->failed);
			journal_close(&life->journal);
			return;
		}
		journal_close(&life->journal);
	}
}

static void fail_each_call(int errnum, bool power)
{
	static struct life life;
	bool failed = true;
	uint64_t at = 0;

	while (failed) {
		at++;
		life = (struct life) { .sim = sim_new(at * 3 + power),
				       .wall_us = 1000,
				       .seed = at };
		story(&life, at, errnum);
		failed = life.sim->failed;
		check_after_failure(&life, power);
		sim_free(&life.sim);
	}
	T_TRUE(at > 50);
}

TEST(failing_any_call_loses_nothing_acked)
{
	fail_each_call(EIO, true);
	fail_each_call(EIO, false);
	fail_each_call(ENOSPC, true);
	fail_each_call(ENOSPC, false);
}

TEST(failing_any_call_of_the_first_open_leaves_a_journal_or_none)
{
	static struct life life;
	struct err err = { 0 };
	bool failed = true;

	for (uint64_t at = 1; failed; at++) {
		life = (struct life) { .sim = sim_new(at), .wall_us = 1000, .seed = at };
		life.sim->fail_at = at;
		life.sim->fail_errno = EIO;
		if (life_open(&life, &err)) {
			journal_close(&life.journal);
		}
		failed = life.sim->failed;
		check_after_failure(&life, at % 2 == 0);
		sim_free(&life.sim);
	}
}

TEST(a_full_disk_is_refused_before_writing_and_ends)
{
	static struct life life;
	static struct request request;
	struct err err = { 0 };
	bool refused = false;

	life = (struct life) { .sim = sim_new(5), .wall_us = 1000 };
	T_OK(life_open(&life, &err));
	life.sim->room = 5 * 16384;
	for (int i = 0; i < 200 && !refused; i++) {
		refused = !append(&life, &request, 8, &err);
		journal_turn(life.journal);
	}
	T_TRUE(refused);
	T_INT(err.kind, ERR_DISK_FULL);
	T_FALSE(journal_failed(life.journal));
	check_all(&life);
	life.sim->room = 0;
	T_OK(append(&life, &request, 8, &err));
	journal_turn(life.journal);
	T_TRUE(request.ok);
	check_all(&life);
	journal_close(&life.journal);
	sim_free(&life.sim);
}

/* A journal of several segments, closed, and the names of its segments. */
static void grow(struct life *life, uint64_t seed, size_t turns)
{
	struct err err = { 0 };

	*life = (struct life) { .sim = sim_new(seed), .wall_us = 1000, .seed = seed };
	T_OK(life_open(life, &err));
	T_OK(work(life, turns, &err));
	T_OK(journal_prepare(life->journal, &err));
}

static struct sim_file *some_segment(struct sim *sim, char *name)
{
	struct sim_file *file = NULL;

	while (file == NULL) {
		snprintf(name, SIM_NAME_MAX, "%016llx.seg",
			 (unsigned long long)(1 + sim_below(sim, 16)));
		file = sim_find(sim, name);
	}
	return file;
}

/* Walk in one direction: how many records are lost; the others must be right. */
static uint64_t count_lost(struct life *life, bool reverse, uint64_t *reports)
{
	struct journal_iter *iter = journal_iter_new(life->journal, 0, reverse);
	uint64_t seen = 0;
	struct record record;
	struct err err = { 0 };
	enum found found;

	*reports = 0;
	while ((found = journal_iter_next(iter, &record, &err)) != NOT_FOUND) {
		if (found == FOUND) {
			check_record(life, &record, record.seq);
			seen++;
		} else {
			T_INT(err.kind, ERR_CORRUPT);
			++*reports;
		}
	}
	journal_iter_free(&iter);
	return journal_flushed(life->journal) - seen;
}

TEST(a_flipped_bit_costs_one_record_and_is_reported)
{
	static struct life life;
	uint64_t hits = 0;

	grow(&life, 11, 60);
	for (int i = 0; i < 3000; i++) {
		char name[SIM_NAME_MAX];
		struct sim_file *file = some_segment(life.sim, name);
		size_t at = SEGMENT_HEAD_BYTES + sim_below(life.sim, 16384 - SEGMENT_HEAD_BYTES);
		char bit = (char)(1 << sim_below(life.sim, 8));
		uint64_t reports, lost, reports_back;

		file->cache[at] ^= bit;
		lost = count_lost(&life, false, &reports);
		T_TRUE(lost <= 1);
		T_TRUE(reports <= 1);
		T_TRUE(lost <= reports);
		T_INT(count_lost(&life, true, &reports_back), lost);
		T_TRUE(reports_back >= lost);
		hits += reports;
		file->cache[at] ^= bit;
	}
	T_TRUE(hits > 1000);
	journal_close(&life.journal);
	sim_free(&life.sim);
}

/* What an open that only looks tells of damage, and that it changes nothing. */
struct look {
	uint64_t told;
	uint64_t lost;
	struct journal_damage last;
};

static void on_damage(void *arg, const struct journal_damage *damage)
{
	struct look *look = arg;

	look->told += 1;
	look->lost += damage->last_seq + 1 - damage->first_seq;
	look->last = *damage;
}

static struct look look_at(struct life *life)
{
	struct look look = { 0 };
	uint64_t reports, lost;
	struct journal_options options = {
		.dir = "d",
		.read_only = true,
		.segment_bytes = 16384,
		.turn_bytes_max = 16384,
		.files = &sim_ops,
		.files_arg = life->sim,
		.on_damage = on_damage,
		.on_damage_arg = &look,
	};
	struct journal *journal = life->journal;
	struct err err = { 0 };

	T_OK(journal_open(&life->journal, &options, &err));
	lost = count_lost(life, false, &reports);
	T_INT(lost, look.lost);
	journal_close(&life->journal);
	life->journal = journal;
	return look;
}

static bool open_damaged(struct life *life, bool accept, struct err *err)
{
	struct journal_options options = {
		.dir = "d",
		.accept_damage = accept,
		.segment_bytes = 16384,
		.turn_bytes_max = 16384,
		.files = &sim_ops,
		.files_arg = life->sim,
	};

	return journal_open(&life->journal, &options, err);
}

TEST(damage_to_acked_records_is_refused_at_open_or_accepted_on_request)
{
	static struct life life, damaged;
	uint64_t refused = 0;
	uint64_t lost_records = 0;

	grow(&life, 12, 40);
	journal_close(&life.journal);
	for (int i = 0; i < 2000; i++) {
		char name[SIM_NAME_MAX];
		struct err err = { 0 };
		struct sim_file *file;
		struct look look;
		uint64_t reports, lost;
		size_t at;

		damaged = life;
		damaged.sim = sim_power_cut(life.sim);
		file = some_segment(damaged.sim, name);
		at = sim_below(life.sim, file->size);
		file->cache[at] ^= (char)(1 << sim_below(life.sim, 8));
		look = look_at(&damaged);
		if (!open_damaged(&damaged, false, &err)) {
			refused++;
			T_INT(err.kind, ERR_CORRUPT);
			T_TRUE(strstr(err.text, name) != NULL);
			T_TRUE(strstr(err.text, "tocsin journal quarantine") != NULL);
			T_STR(look.last.file, name);
			T_TRUE(look.told == 1 && look.last.offset <= at && at < look.last.end);
			T_OK(open_damaged(&damaged, true, &err));
			lost = count_lost(&damaged, false, &reports);
			T_TRUE(lost <= 1 && lost == look.lost);
			T_TRUE(at < SEGMENT_HEAD_BYTES ? lost + reports == 0 : reports >= 1);
			lost_records += lost;
		} else {
			T_INT(look.told, 0);
			check_all(&damaged);
		}
		journal_close(&damaged.journal);
		sim_free(&damaged.sim);
	}
	T_TRUE(refused > 500);
	T_TRUE(lost_records > 300);
	sim_free(&life.sim);
}

/* Every record but those of the numbers first to last is there and right. */
static void check_but(struct life *life, uint64_t first, uint64_t last)
{
	struct journal_iter *iter = journal_iter_new(life->journal, 0, false);
	struct record record;
	struct err err = { 0 };
	uint64_t want = 1;
	enum found found;

	while ((found = journal_iter_next(iter, &record, &err)) != NOT_FOUND) {
		if (found == FAILED) {
			T_INT(err.kind, ERR_CORRUPT);
			continue;
		}
		if (want == first) {
			want = last + 1;
		}
		T_INT(record.seq, want++);
		check_record(life, &record, record.seq);
	}
	if (want == first) {
		want = last + 1;
	}
	T_INT(want, journal_flushed(life->journal) + 1);
	journal_iter_free(&iter);
}

static void flip(struct sim_file *file, size_t at, uint64_t bit)
{
	file->cache[at] ^= (char)(1 << bit);
}

/* Opens, takes more, and opens again, with all but what is set aside. */
static void go_on(struct life *life, const struct look *look)
{
	static struct request request;
	struct err err = { 0 };

	T_OK(open_damaged(life, false, &err));
	check_but(life, look->last.first_seq, look->last.last_seq);
	T_OK(append(life, &request, 3, &err));
	journal_turn(life->journal);
	T_TRUE(request.ok);
	journal_close(&life->journal);
	T_OK(open_damaged(life, false, &err));
	check_but(life, look->last.first_seq, look->last.last_seq);
	journal_close(&life->journal);
}

static struct journal_options quarantine_options(struct life *life, struct look *look)
{
	return (struct journal_options) {
		.dir = "d",
		.segment_bytes = 16384,
		.turn_bytes_max = 16384,
		.files = &sim_ops,
		.files_arg = life->sim,
		.on_damage = on_damage,
		.on_damage_arg = look,
	};
}

/* How many positions make test tries; make soak tries all that its issue asks for. */
static int flips_wanted(void)
{
	const char *text = getenv("TOCSIN_TEST_FLIPS");
	uint64_t n = 0;

	return text != NULL && slice_u64(slice_of(text), &n) && n <= 1000000 ? (int)n : 1000;
}

TEST(exactly_what_is_damaged_is_set_aside)
{
	static struct life life, damaged;
	uint64_t aside = 0;
	int wanted = flips_wanted();

	grow(&life, 15, 40);
	journal_close(&life.journal);
	for (int i = 0; i < wanted; i++) {
		char name[SIM_NAME_MAX];
		struct err err = { 0 };
		struct look look = { 0 };
		struct journal_options options;
		struct sim_file *file;
		size_t at, n;

		damaged = life;
		damaged.sim = sim_power_cut(life.sim);
		file = i % 50 == 0 ? sim_find(damaged.sim, "meta")
				   : some_segment(damaged.sim, name);
		at = sim_below(life.sim, file->size);
		flip(file, at, sim_below(life.sim, 8));
		if (!open_damaged(&damaged, false, &err)) {
			options = quarantine_options(&damaged, &look);
			if (err.kind == ERR_CONFLICT) { /* the version in meta */
				T_TRUE(strstr(err.text, "use a newer tocsin") != NULL);
				T_FAIL(journal_quarantine(&options, &n, &err), ERR_CONFLICT);
			} else {
				T_TRUE(strstr(err.text, "`tocsin journal quarantine`") != NULL);
				T_OK(journal_quarantine(&options, &n, &err));
				T_TRUE(n == 1 && look.told == 1 && look.lost <= 1);
				go_on(&damaged, &look);
				aside++;
			}
		} else {
			check_all(&damaged);
			journal_close(&damaged.journal);
		}
		sim_free(&damaged.sim);
	}
	T_TRUE(aside > (uint64_t)wanted / 4);
	sim_free(&life.sim);
}

TEST(setting_aside_covers_no_other_damage)
{
	static struct life life;
	struct err err = { 0 };
	struct look look = { 0 };
	struct journal_options options;
	struct sim_file *file;
	char name[SIM_NAME_MAX];
	size_t n;

	grow(&life, 16, 40);
	options = quarantine_options(&life, &look);
	T_FAIL(journal_quarantine(&options, &n, &err), ERR_CONFLICT);
	journal_close(&life.journal);
	T_OK(journal_quarantine(&options, &n, &err));
	T_INT(n, 0);
	T_TRUE(sim_find(life.sim, "quarantine") == NULL);
	file = sim_find(life.sim, "0000000000000002.seg");
	flip(file, SEGMENT_HEAD_BYTES + BATCH_HEAD_BYTES + 200, 3);
	T_FAIL(open_damaged(&life, false, &err), ERR_CORRUPT);
	T_OK(journal_quarantine(&options, &n, &err));
	T_INT(n, 1);
	snprintf(name, sizeof(name), "0000000000000002-%08llx.damaged",
		 (unsigned long long)look.last.offset);
	assert_non_null(sim_find(life.sim, name));
	T_OK(open_damaged(&life, false, &err));
	journal_close(&life.journal);
	/* The same record, another byte of it. */
	flip(file, SEGMENT_HEAD_BYTES + BATCH_HEAD_BYTES + 201, 3);
	T_FAIL(open_damaged(&life, false, &err), ERR_CORRUPT);
	flip(file, SEGMENT_HEAD_BYTES + BATCH_HEAD_BYTES + 201, 3);
	T_OK(open_damaged(&life, false, &err));
	journal_close(&life.journal);
	/* Another record. */
	file = sim_find(life.sim, "0000000000000003.seg");
	flip(file, SEGMENT_HEAD_BYTES + BATCH_HEAD_BYTES + 200, 3);
	T_FAIL(open_damaged(&life, false, &err), ERR_CORRUPT);
	T_TRUE(strstr(err.text, "0000000000000003.seg") != NULL);
	look = (struct look) { 0 };
	T_OK(journal_quarantine(&options, &n, &err));
	T_TRUE(n == 1 && look.told == 2);
	T_OK(open_damaged(&life, false, &err));
	journal_close(&life.journal);
	/* Without the list it is as before. */
	T_INT(sim_ops.unlink(life.sim, "d/quarantine"), 0);
	T_FAIL(open_damaged(&life, false, &err), ERR_CORRUPT);
	sim_free(&life.sim);
}

/* A file that is gone, cut to nothing, or of another journal: all of its records are set aside. */
TEST(a_lost_segment_can_be_set_aside)
{
	for (int how = 0; how < 3; how++) {
		static struct life life;
		struct err err = { 0 };
		struct look look = { 0 };
		struct journal_options options;
		struct sim_file *file;
		size_t n;

		grow(&life, 17, 40);
		options = quarantine_options(&life, &look);
		journal_close(&life.journal);
		file = sim_find(life.sim, "0000000000000003.seg");
		if (how == 0) {
			T_INT(sim_ops.unlink(life.sim, "d/0000000000000003.seg"), 0);
		} else if (how == 1) {
			file->size = 100;
		} else {
			struct segment_head other = { .epoch = 3, .bytes = 16384 };

			segment_head_encode(&other, (unsigned char *)file->cache);
		}
		T_FAIL(open_damaged(&life, false, &err), ERR_CORRUPT);
		T_OK(journal_quarantine(&options, &n, &err));
		T_TRUE(n >= 1 && look.lost > 3 && look.last.last_seq > look.last.first_seq);
		go_on(&life, &look);
		sim_free(&life.sim);
	}
}

TEST(a_missing_segment_is_refused)
{
	static struct life life;
	struct err err = { 0 };
	struct sim_file *file;

	grow(&life, 13, 40);
	journal_close(&life.journal);
	file = sim_find(life.sim, "0000000000000003.seg");
	assert_non_null(file);
	T_INT(sim_ops.unlink(life.sim, "d/0000000000000003.seg"), 0);
	T_FAIL(open_damaged(&life, false, &err), ERR_CORRUPT);
	T_INT(look_at(&life).told, 1);
	T_INT(sim_ops.unlink(life.sim, "d/meta"), 0);
	T_FAIL(life_open(&life, &err), ERR_CORRUPT);
	sim_free(&life.sim);
}

/* Thousands of failures are meant to happen here; their log lines would hide a real one. */
static int quiet(void **state UNUSED)
{
	log_setup(LOG_ERROR, LOG_TEXT, open("/dev/null", O_WRONLY | O_CLOEXEC));
	return 0;
}

T_MAIN(cmocka_unit_test_setup(power_cuts_lose_nothing_acked_and_invent_nothing, quiet),
       T(failing_any_call_loses_nothing_acked),
       T(failing_any_call_of_the_first_open_leaves_a_journal_or_none),
       T(a_full_disk_is_refused_before_writing_and_ends),
       T(a_flipped_bit_costs_one_record_and_is_reported),
       T(damage_to_acked_records_is_refused_at_open_or_accepted_on_request),
       T(exactly_what_is_damaged_is_set_aside), T(setting_aside_covers_no_other_damage),
       T(a_lost_segment_can_be_set_aside), T(a_missing_segment_is_refused))
