/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys are known exactly as long as the window lasts, wherever they are by then: in memory, in the
 * table of a sealed file, in merged tables, over restarts, purges, damage and full disks. Every
 * case follows from its seed, which failures print.
 */
#include "journal/file/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "journal/care.h"
#include "journal/file/sealed_format.h"
#include "journal/file/sim_test.h"
#include "test/t.h"

#define KEYS 4000
#define ITEMS 24
#define PROJECTS 3
#define WINDOW_US INT64_C(1000000)
#define START_US INT64_C(1790000000000000)

/* What the journal should answer for a key; seq 0: nothing was stored under it. */
struct known {
	uint64_t seq;
	int64_t at_us;
	uint32_t body;
};

struct model {
	struct sim *sim;
	struct journal *journal;
	struct known known[KEYS];
	int64_t wall_us;
	int64_t last_us;
	uint64_t seed;
	size_t bytes_max;     /* of memory for keys */
	size_t segment_bytes; /* 0: 16 KiB */
	uint64_t project_keys;
	uint32_t fresh; /* keys from this one on were never used */
	/* What was seen on the way, so that a test knows that it tested something. */
	uint64_t found[4];
	uint64_t most_tables;
	uint64_t merged;
};

static void must(const struct model *m, bool ok, const struct err *err)
{
	if (!ok) {
		fail_msg("seed %llu: %s", (unsigned long long)m->seed, err->text);
	}
}

static void start(struct model *m)
{
	struct journal_options options = {
		.dir = "d",
		.create = true,
		.segment_bytes = m->segment_bytes == 0 ? 16384 : m->segment_bytes,
		.turn_bytes_max = 16384,
		.idempotency_window_us = WINDOW_US,
		.idempotency_bytes_max = m->bytes_max,
		.idempotency_project_keys = m->project_keys,
		.now_us = START_US,
		.files = &sim_ops,
		.files_arg = m->sim,
	};
	struct err err = { 0 };

	must(m, journal_open(&m->journal, &options, &err), &err);
}

static void restart(struct model *m)
{
	journal_close(&m->journal);
	start(m);
}

static void model_init(struct model *m, uint64_t seed, size_t bytes_max)
{
	*m = (struct model) { .sim = sim_new(seed),
			      .seed = seed,
			      .wall_us = START_US,
			      .bytes_max = bytes_max,
			      .fresh = 1 };
	start(m);
}

static void model_release(struct model *m)
{
	journal_close(&m->journal);
	sim_free(&m->sim);
}

struct turn_of_ours {
	struct journal_batch batch;
	struct record items[ITEMS];
	struct journal_result results[ITEMS];
	uint32_t keys[ITEMS];
	char texts[ITEMS][16];
	bool ok;
};

static void done(struct journal_batch *batch, const struct err *err)
{
	CONTAINER_OF(batch, struct turn_of_ours, batch)->ok = err == NULL;
}

static struct project_id project_of(uint32_t key)
{
	return (struct project_id) { 1 + key % PROJECTS };
}

static void set_item(struct turn_of_ours *t, size_t i, uint32_t key, uint32_t body)
{
	snprintf(t->texts[i], sizeof(t->texts[i]), "k%u", key);
	t->keys[i] = key;
	t->items[i] = (struct record) {
		.kind = RECORD_EVENT,
		.org = { 1 },
		.project = project_of(key),
		.hash = { body, 1 },
		.idempotency_key = slice_of(t->texts[i]),
		.type = S("t"),
		.body = S("{\"type\":\"t\",\"payload\":{\"what\":\"something of some length\"}}"),
	};
}

/* What has to come out for item i, and note what becomes of it. */
static void check_item(struct model *m, const struct turn_of_ours *t, size_t i)
{
	const struct journal_result *result = &t->results[i];
	struct known *known = &m->known[t->keys[i]];
	uint32_t body = (uint32_t)t->items[i].hash.lo;
	int64_t now_us = m->wall_us > m->last_us ? m->wall_us : m->last_us + 1;
	enum journal_verdict want = JOURNAL_STORED;

	if (known->seq != 0 && known->at_us > now_us - WINDOW_US) {
		want = known->body == body ? JOURNAL_DUPLICATE : JOURNAL_CONFLICT;
	}
	if (result->verdict != want ||
	    (want != JOURNAL_STORED &&
	     (result->seq != known->seq || result->received_at_us != known->at_us))) {
		fail_msg("seed %llu: key %u of record %llu: verdict %d of record %llu, not %d",
			 (unsigned long long)m->seed, t->keys[i], (unsigned long long)known->seq,
			 (int)result->verdict, (unsigned long long)result->seq, (int)want);
	}
	m->found[want]++;
	if (want == JOURNAL_STORED) {
		*known = (struct known) { result->seq, result->received_at_us, body };
		m->last_us = result->received_at_us;
	}
}

static void flush(struct model *m, struct turn_of_ours *t, size_t n)
{
	struct err err = { 0 };

	t->batch = (struct journal_batch) {
		.items = t->items, .n = n, .results = t->results, .done = done
	};
	m->wall_us += 10;
	must(m, journal_append(m->journal, &t->batch, m->wall_us, 1, &err), &err);
	for (size_t i = 0; i < n; i++) {
		check_item(m, t, i);
	}
	journal_turn(m->journal);
	T_TRUE(t->ok);
}

/* New keys, repeated ones, and some with another body; never twice the same in a turn. */
static void some_events(struct model *m)
{
	static struct turn_of_ours t;
	size_t n = 1 + sim_below(m->sim, ITEMS);
	bool used[KEYS] = { false };
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		bool old = m->fresh > 1 && (m->fresh == KEYS || sim_below(m->sim, 3) == 0);
		uint32_t key = old ? (uint32_t)(1 + sim_below(m->sim, m->fresh - 1)) : m->fresh++;

		if (!used[key]) {
			set_item(&t, at++, key, key * 7 + (sim_below(m->sim, 4) == 0));
			used[key] = true;
		}
	}
	flush(m, &t, at);
}

/* All that was ever stored. */
static void check_all(struct model *m)
{
	static struct turn_of_ours t;
	struct known before[ITEMS];

	for (uint32_t key = 1; key < m->fresh;) {
		size_t n = 0;

		for (; key < m->fresh && n < ITEMS; key++) {
			before[n] = m->known[key];
			if (before[n].seq != 0 && before[n].at_us > m->wall_us + 100 - WINDOW_US) {
				set_item(&t, n++, key, m->known[key].body);
			}
		}
		if (n > 0) {
			flush(m, &t, n);
		}
	}
}

static void note(struct model *m)
{
	struct journal_stats stats;

	journal_stats(m->journal, &stats);
	T_INT(stats.idempotency_shortened, 0);
	m->merged += stats.idempotency_tables < stats.sealed_files;
	m->most_tables = stats.idempotency_tables > m->most_tables ? stats.idempotency_tables
								   : m->most_tables;
	T_TRUE(stats.idempotency_bytes <= m->bytes_max || m->bytes_max == 0 ||
	       stats.idempotency_bytes < 1 << 20);
}

static enum found seal(struct model *m, uint64_t calls)
{
	struct err err = { 0 };
	enum found found = FOUND;

	for (uint64_t i = 0; i < calls && found == FOUND; i++) {
		found = journal_seal(m->journal, &err);
		must(m, found != FAILED, &err);
	}
	note(m);
	return found;
}

static void seal_all(struct model *m)
{
	while (seal(m, 100) == FOUND) {
	}
}

/* Names of the files of a kind. */
struct names {
	const char *end;
	char name[64][SIM_NAME_MAX];
	size_t n;
};

static void add_name(void *to, const char *name)
{
	struct names *names = to;
	size_t n = strlen(name), end = strlen(names->end);

	if (n > end && strcmp(name + n - end, names->end) == 0 && names->n < 64) {
		snprintf(names->name[names->n++], SIM_NAME_MAX, "%s", name);
	}
}

static const char *any_file(struct model *m, const char *end, struct names *names)
{
	*names = (struct names) { .end = end };
	sim_ops.list(m->sim, "d", add_name, names);
	return names->n == 0 ? NULL : names->name[sim_below(m->sim, names->n)];
}

static void forget(struct model *m, uint64_t project, uint64_t first, uint64_t last)
{
	for (uint32_t key = 0; key < KEYS; key++) {
		struct known *known = &m->known[key];

		if (project_of(key).v == project && known->seq >= first && known->seq <= last) {
			*known = (struct known) { 0 };
		}
	}
}

/* A project's records go from one sealed file, while the journal is closed. */
static void purge(struct model *m)
{
	struct journal_meta meta = *journal_meta(m->journal);
	struct sealed_purge what = { .org = { 1 } };
	struct sealed_rewrite rewrite = { .purges = &what, .purges_n = 1, .created_at_us = 1 };
	struct sealed_options options = {
		.files = { &sim_ops, m->sim }, .dir = "d", .id = meta.id, .hash = meta.hash
	};
	struct names names;
	const char *name = any_file(m, ".sealed", &names);
	struct err err = { 0 };
	struct sealed *sealed;
	uint64_t first, last;

	if (name == NULL) {
		return;
	}
	journal_close(&m->journal);
	ensure(sealed_epoch(name, &options.epoch));
	sealed = sealed_open(&options, &err);
	must(m, sealed != NULL, &err);
	first = sealed_info(sealed)->first_seq;
	last = sealed_info(sealed)->last_seq;
	what.project.v = 1 + sim_below(m->sim, PROJECTS);
	what.floor_seq = first + sim_below(m->sim, last - first + 2);
	must(m, sealed_copy(sealed, &rewrite, NULL, &err), &err);
	sealed_close(&sealed);
	forget(m, what.project.v, first, what.floor_seq - 1);
	start(m);
}

/* A byte, a cut or all of it: of a file that can be made again. */
static void harm(struct model *m)
{
	struct names names;
	const char *name = any_file(m, ".keys", &names);
	struct sim_file *file = name == NULL ? NULL : sim_find(m->sim, name);
	size_t at;

	if (file == NULL || file->size == 0) {
		return;
	}
	at = sim_below(m->sim, file->size);
	switch (sim_below(m->sim, 4)) {
	case 0:
		sim_ops.unlink(m->sim, name);
		sim_ops.sync_dir(m->sim, "d");
		break;
	case 1:
		memset(file->cache + at, 0, file->size - at);
		file->size = at;
		break;
	default:
		file->cache[at] ^= (char)(1 << sim_below(m->sim, 8));
		break;
	}
}

/* No room for what sealing and merging want to write. */
static void fill_disk(struct model *m)
{
	struct err err = { 0 };

	m->sim->room = 1;
	for (int i = 0; i < 20 && journal_seal(m->journal, &err) == FOUND; i++) {
	}
	m->sim->room = 0;
	m->sim->now_us += 20000000;
}

static void step(struct model *m, bool purges)
{
	switch (sim_below(m->sim, 24)) {
	case 0:
		restart(m);
		break;
	case 1:
		m->wall_us += (int64_t)sim_below(m->sim, WINDOW_US / 3);
		break;
	case 2:
		if (purges) {
			purge(m);
		}
		break;
	case 3:
		harm(m);
		break;
	case 4:
		fill_disk(m);
		break;
	default:
		some_events(m);
		break;
	}
	seal(m, m->bytes_max > 0 ? 1000 : sim_below(m->sim, 12));
}

static void story(struct model *m, int steps)
{
	for (int i = 0; i < steps; i++) {
		step(m, true);
	}
	seal_all(m);
	check_all(m);
	restart(m);
	check_all(m);
}

/* As files of so many keys come, for three windows; most tables there were at once. */
struct growth {
	struct key_run runs[4096];
	struct key_item items[4096];
	size_t n;
	size_t most;
	uint64_t written; /* keys, counted whenever they are */
	uint64_t come;
};

static void merge_items(struct growth *g, size_t from, size_t to)
{
	struct key_run *run = &g->runs[from];

	for (size_t i = from + 1; i < to; i++) {
		run->table.entries += g->runs[i].table.entries;
	}
	run->last_us = g->runs[to - 1].last_us;
	T_TRUE(run->last_us - run->first_us <= WINDOW_US / 4);
	g->written += run->table.entries;
	memmove(&g->runs[from + 1], &g->runs[to], (g->n - to) * sizeof(*g->runs));
	g->n -= to - from - 1;
}

static void drop_old(struct growth *g, int64_t now_us)
{
	while (g->n > 0 && g->runs[0].last_us <= now_us - WINDOW_US) {
		memmove(&g->runs[0], &g->runs[1], --g->n * sizeof(*g->runs));
	}
}

static void grow(struct growth *g, struct sim *sim, unsigned files_per_window, uint64_t keys)
{
	int64_t each_us = WINDOW_US / files_per_window;
	size_t from, to;

	*g = (struct growth) { 0 };
	for (size_t i = 0; i < ARRAY_LEN(g->items); i++) {
		g->items[i].run = &g->runs[i];
	}
	for (int64_t at_us = 0; at_us < 3 * WINDOW_US; at_us += each_us) {
		uint64_t n = 1 + keys / 2 + sim_below(sim, keys);

		ensure(g->n < ARRAY_LEN(g->runs));
		g->runs[g->n++] = (struct key_run) { .table = { .entries = n },
						     .first_us = at_us,
						     .last_us = at_us + each_us - 1 };
		g->come += n;
		drop_old(g, at_us);
		while (keys_choose(g->items, g->n, WINDOW_US, &from, &to)) {
			merge_items(g, from, to);
		}
		g->most = g->n > g->most ? g->n : g->most;
	}
}

TEST(tables_stay_few_and_keys_are_seldom_written_again)
{
	static const struct {
		unsigned files;
		uint64_t keys;
	} rows[] = { { 3, 1000 },      { 20, 200000 }, { 500, 200000 },
		     { 3000, 200000 }, { 1000, 5000 }, { 100, 3000000 } };
	static struct growth g;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sim *sim = sim_new(i + 1);

		grow(&g, sim, rows[i].files, rows[i].keys);
		if (g.most > 28 || g.written > g.come * 7) {
			fail_msg("row %zu: %zu tables, written %.1f times", i, g.most,
				 (double)g.written / (double)g.come);
		}
		sim_free(&sim);
	}
}

static struct journal_result put(struct model *m, uint32_t key, int64_t at_us)
{
	static struct turn_of_ours t;
	struct err err = { 0 };

	set_item(&t, 0, key, key);
	t.batch = (struct journal_batch) {
		.items = t.items, .n = 1, .results = t.results, .done = done
	};
	must(m, journal_append(m->journal, &t.batch, at_us, 1, &err), &err);
	journal_turn(m->journal);
	return t.results[0];
}

/* So many keys that are new, a microsecond apart. */
static int64_t put_many(struct model *m, uint32_t first, uint32_t n, int64_t at_us)
{
	for (uint32_t i = 0; i < n; i++) {
		T_INT(put(m, first + i, ++at_us).verdict, JOURNAL_STORED);
	}
	return at_us;
}

/* Times are those of the log; at exactly the length of the window a key is new. */
static void check_edge(bool restarts)
{
	static struct model m;
	struct journal_result first, again;
	struct journal_stats stats;
	int64_t at_us;

	model_init(&m, 1, 0);
	first = put(&m, 1, START_US);
	at_us = put_many(&m, 2, 1000, START_US);
	seal_all(&m);
	if (restarts) {
		restart(&m);
	}
	journal_stats(m.journal, &stats);
	T_INT(stats.idempotency_tables, 1); /* several files are one table by now */
	T_TRUE(stats.sealed_files > 4);
	T_TRUE(stats.idempotency_sealed > 800);
	again = put(&m, 1, START_US + WINDOW_US - 1);
	T_INT(again.verdict, JOURNAL_DUPLICATE);
	T_INT(again.seq, first.seq);
	T_INT(again.received_at_us, first.received_at_us);
	T_INT(put(&m, 1, START_US + WINDOW_US).verdict, JOURNAL_STORED);
	T_INT(put(&m, 2, START_US + WINDOW_US + 1).verdict, JOURNAL_STORED);
	T_INT(put(&m, 1001, at_us + WINDOW_US - 1).verdict, JOURNAL_DUPLICATE);
	T_INT(put(&m, 1001, at_us + WINDOW_US).verdict, JOURNAL_STORED);
	model_release(&m);
}

TEST(a_key_is_known_until_exactly_the_end_of_the_window)
{
	check_edge(false);
	check_edge(true);
}

TEST(tables_outside_the_window_go)
{
	static struct model m;
	struct journal_stats stats;
	struct names names;
	int64_t at_us;

	model_init(&m, 1, 0);
	at_us = put_many(&m, 1, 1000, START_US);
	seal_all(&m);
	T_TRUE(any_file(&m, ".keys", &names) != NULL);
	put_many(&m, 1001, 200, at_us + WINDOW_US * 2);
	seal_all(&m);
	journal_stats(m.journal, &stats);
	T_TRUE(stats.idempotency_tables > 0 && stats.idempotency_tables < 6);
	T_TRUE(stats.idempotency_sealed < 400);
	T_TRUE(any_file(&m, ".keys", &names) == NULL);
	model_release(&m);
}

/* Nobody seals, so what memory cannot hold is lost, counted, and known again once sealed. */
TEST(only_what_nobody_knows_is_counted_as_forgotten)
{
	static struct model m;
	struct journal_stats stats;
	int64_t at_us;

	model_init(&m, 1, 9000); /* 300 keys */
	at_us = put_many(&m, 1, 1000, START_US);
	journal_stats(m.journal, &stats);
	T_TRUE(stats.idempotency_shortened >= 700 && stats.idempotency_shortened < 720);
	T_TRUE(stats.idempotency_shortened_us > at_us - 20);
	T_TRUE(stats.idempotency_from_us >= START_US + 690);
	T_INT(put(&m, 1000, at_us + 1).verdict, JOURNAL_DUPLICATE);
	T_INT(put(&m, 1, at_us + 2).verdict, JOURNAL_STORED);
	while (journal_seal(m.journal, &(struct err) { 0 }) == FOUND) {
	}
	T_INT(put(&m, 2, at_us + 3).verdict, JOURNAL_DUPLICATE);
	put_many(&m, 1001, 100, at_us + 3);
	journal_stats(m.journal, &stats);
	T_TRUE(stats.idempotency_shortened < 720);
	T_TRUE(stats.idempotency_shortened_us < at_us + 3);
	model_release(&m);
}

/* Keys of one project in nine of ten records, with memory for fewer than there are. */
#define FLOOD 8000
#define FLOOD_KEY(i) (3 * (i) + 1)
#define QUIET_KEY(i) (3 * (i))
#define BUDGET 2000

static int64_t flood(struct model *m, int64_t at_us)
{
	for (uint32_t i = 1; i <= FLOOD; i++) {
		T_INT(put(m, FLOOD_KEY(i), ++at_us).verdict, JOURNAL_STORED);
		if (i % 10 == 0) {
			T_INT(put(m, QUIET_KEY(i), ++at_us).verdict, JOURNAL_STORED);
		}
		if (i % 100 == 0) {
			seal_all(m);
		}
	}
	return at_us;
}

TEST(a_project_over_its_budget_loses_its_own_oldest_keys_alone)
{
	static struct model m;
	struct journal_stats stats;
	int64_t at_us;

	m = (struct model) { .sim = sim_new(1),
			     .bytes_max = 20000,
			     .segment_bytes = 65536,
			     .project_keys = BUDGET };
	start(&m);
	at_us = flood(&m, START_US);
	journal_stats(m.journal, &stats);
	T_INT(stats.idempotency_shortened, 0);
	T_TRUE(stats.idempotency_shortened_us > START_US);
	T_TRUE(stats.idempotency_over_budget > 0);
	T_TRUE(stats.idempotency_over_budget <= FLOOD - BUDGET);
	restart(&m);
	for (uint32_t i = 10; i <= FLOOD; i += 10) {
		T_INT(put(&m, QUIET_KEY(i), ++at_us).verdict, JOURNAL_DUPLICATE);
	}
	for (uint32_t i = FLOOD - BUDGET + 1; i <= FLOOD; i++) {
		T_INT(put(&m, FLOOD_KEY(i), ++at_us).verdict, JOURNAL_DUPLICATE);
	}
	T_INT(put(&m, FLOOD_KEY(1), ++at_us).verdict, JOURNAL_STORED);
	model_release(&m);
}

TEST(a_project_keeps_all_keys_while_there_is_memory)
{
	static struct model m;
	struct journal_stats stats;
	int64_t at_us;

	m = (struct model) { .sim = sim_new(1), .segment_bytes = 65536, .project_keys = BUDGET };
	start(&m);
	at_us = flood(&m, START_US);
	journal_stats(m.journal, &stats);
	T_INT(stats.idempotency_over_budget, 0);
	T_INT(stats.idempotency_shortened_us, 0);
	T_INT(put(&m, FLOOD_KEY(1), ++at_us).verdict, JOURNAL_DUPLICATE);
	model_release(&m);
}

/* The table in a sealed file is the last to know: when it is lost, no answer is given. */
TEST(keys_in_tables_leave_memory)
{
	static struct model m;
	struct journal_stats stats;
	int64_t at_us = START_US;

	model_init(&m, 1, 300000); /* 10,000 keys */
	for (uint32_t key = 1; key < 1500; key += 100) {
		at_us = put_many(&m, key, 100, at_us);
		seal_all(&m);
	}
	at_us = put_many(&m, 3000, 1, at_us);
	journal_stats(m.journal, &stats);
	T_TRUE(stats.idempotency_keys > 0 && stats.idempotency_keys < 700);
	T_INT(stats.idempotency_shortened, 0);
	for (uint32_t key = 1; key < 1500; key += 7) {
		T_INT(put(&m, key, ++at_us).verdict, JOURNAL_DUPLICATE);
	}
	model_release(&m);
}

TEST(a_key_that_may_be_in_a_lost_table_is_not_stored_again)
{
	static struct model m;
	struct names names;
	struct sim_file *file;

	model_init(&m, 1, 0);
	put_many(&m, 1, 150, START_US);
	seal_all(&m);
	journal_close(&m.journal);
	file = sim_find(m.sim, any_file(&m, ".sealed", &names));
	/* All of the content: parity cannot help. The footer at the front stays. */
	memset(file->cache + SEALED_FOOTER_BYTES, 0x5a, file->size - 2 * SEALED_FOOTER_BYTES);
	start(&m);
	T_INT(put(&m, 3999, START_US + 300).verdict, JOURNAL_UNREADABLE);
	model_release(&m);
}

static int quiet(void **state UNUSED)
{
	log_setup(LOG_ERROR, LOG_TEXT, open("/dev/null", O_WRONLY | O_CLOEXEC));
	return 0;
}

/* With memory for all keys, and with so little that most are looked for in files. */
TEST(answers_are_those_of_an_exact_map)
{
	static struct model m;
	uint64_t found[4] = { 0 }, merged = 0;

	for (uint64_t seed = 1; seed <= 60; seed++) {
		model_init(&m, seed, seed % 3 == 0 ? 0 : 18000);
		story(&m, 150);
		for (size_t i = 0; i < ARRAY_LEN(found); i++) {
			found[i] += m.found[i];
		}
		merged += m.merged;
		model_release(&m);
	}
	T_TRUE(found[JOURNAL_STORED] > 10000 && found[JOURNAL_DUPLICATE] > 5000);
	T_TRUE(found[JOURNAL_CONFLICT] > 1000 && merged > 1000);
}

T_MAIN(cmocka_unit_test_setup(answers_are_those_of_an_exact_map, quiet),
       T(tables_stay_few_and_keys_are_seldom_written_again),
       T(a_key_is_known_until_exactly_the_end_of_the_window), T(tables_outside_the_window_go),
       T(a_project_over_its_budget_loses_its_own_oldest_keys_alone),
       T(a_project_keeps_all_keys_while_there_is_memory),
       T(only_what_nobody_knows_is_counted_as_forgotten), T(keys_in_tables_leave_memory),
       T(a_key_that_may_be_in_a_lost_table_is_not_stored_again))
