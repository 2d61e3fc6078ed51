/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a window full of idempotency keys costs: memory, and time per event taken in.
 *
 *   bench_key DIR [keys [MiB]]        default: 100000000 keys, 512 MiB of memory for them
 *
 * DIR must not hold anything of value; what is made there (10 bytes a key, and 1 GB) is removed.
 * The keys are not sent: tables of them are written as merging would have left them after a week,
 * and a journal is opened on them. Then the same events go into three journals in turns, through
 * the same steps as those of a request (JSON, checks, canonical form, hash, append, flush): without
 * keys, the same bytes in another member; with keys, and none stored before; with keys and the full
 * window.
 *
 * Prints lines of "name value". Those to look at: memory_bytes against memory_limit_bytes;
 * ratio_single and ratio_batch, an event with its key in the full window against one without a
 * key, when each event is appended alone (64 to a flush) or in batches of 100 (10 to a flush);
 * ratio_window_single and ratio_window_batch, the same against keys in an empty window. Times are
 * nanoseconds, the medians of the rounds; those of "cpu" leave out what waits for the disk.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rand.h"
#include "journal/file/file_journal.h"
#include "journal/file/key_range.h"
#include "source/source.h"

#define KEYS_DEFAULT 100000000
#define KEYS_MAX 1000000000
#define MIB_DEFAULT 512
#define FILE_KEYS 200000 /* of a sealed file: a segment of 64 MiB */
#define WINDOW_US (7 * 86400 * US_PER_S)
#define TABLES_MAX 256
#define ROUNDS 9
#define ROUND_EVENTS 51200
#define SAMPLES 20000
#define PATH_BYTES 4096

static void must(bool ok, const struct err *err)
{
	if (!ok) {
		fprintf(stderr, "%s\n", err->text);
		exit(1);
	}
}

static void say(const char *name, double value)
{
	printf("%s %.*f\n", name, value < 100 ? 3 : 0, value);
	fflush(stdout);
}

/* Processor time of this thread. */
static int64_t cpu_us(void)
{
	struct rusage used;

	ensure(getrusage(RUSAGE_THREAD, &used) == 0);
	return (int64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * US_PER_S +
	       used.ru_utime.tv_usec + used.ru_stime.tv_usec;
}

/* Sorted hashes of any number of keys, without sorting: a Poisson process over all hashes. */
struct stream {
	uint64_t seed;
	uint64_t n;
	uint64_t at;
	double mean;
	uint64_t hash;
	uint64_t first_seq;
	uint64_t random;
};

static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static bool rewind_stream(void *arg, struct err *err UNUSED)
{
	struct stream *s = arg;

	s->at = s->hash = 0;
	s->random = s->seed;
	return true;
}

static enum found next_of_stream(void *arg, struct key_entry *entry, struct err *err UNUSED)
{
	struct stream *s = arg;
	uint64_t r = next_random(&s->random);
	double u = ((double)(r >> 11) + 1) * 0x1p-53;
	double gap = -log(u) * s->mean;

	if (s->at == s->n || gap >= (double)(UINT64_MAX - s->hash)) {
		return NOT_FOUND;
	}
	s->hash += (uint64_t)gap;
	*entry = (struct key_entry) { s->hash, s->first_seq + r % s->n };
	s->at++;
	return FOUND;
}

struct sink {
	int fd;
	struct buf buf;
};

static bool put(void *arg, const void *p, size_t n, struct err *err)
{
	struct sink *sink = arg;

	buf_put(&sink->buf, p, n);
	if (sink->buf.n < (size_t)1 << 20) {
		return true;
	}
	if (write(sink->fd, sink->buf.p, sink->buf.n) != (ssize_t)sink->buf.n) {
		return err_errno(err, errno, "write a table");
	}
	buf_cut(&sink->buf, 0);
	return true;
}

/* A table as merging leaves it, and how it was made. */
struct layout {
	struct key_range range;
	uint64_t keys;
	uint64_t seed;
};

static uint64_t write_table(const char *dir, const struct layout *layout)
{
	struct stream stream = { .seed = layout->seed,
				 .n = layout->keys,
				 .mean = 0x1p64 / (double)layout->keys,
				 .first_seq = layout->range.first_seq };
	struct key_feed feed = { rewind_stream, next_of_stream, &stream };
	struct sink sink = { .fd = -1 };
	struct key_sink to = { put, &sink };
	char name[KEY_FILE_NAME_BYTES], path[PATH_BYTES], range[KEY_RANGE_BYTES];
	struct err err = { 0 };
	uint64_t bytes;

	key_file_name(&layout->range, name);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	sink.fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	buf_init(&sink.buf, SIZE_MAX / 2);
	must(sink.fd >= 0 || err_errno(&err, errno, "create \"%s\"", path), &err);
	must(key_table_write(&feed, layout->keys, layout->range.first_seq, &to, &bytes, &err),
	     &err);
	key_range_encode(&layout->range, range);
	buf_put(&sink.buf, range, sizeof(range));
	must((write(sink.fd, sink.buf.p, sink.buf.n) == (ssize_t)sink.buf.n &&
	      fdatasync(sink.fd) == 0) ||
		     err_errno(&err, errno, "write \"%s\"", path),
	     &err);
	close(sink.fd);
	buf_release(&sink.buf);
	return bytes + sizeof(range);
}

/* Two records stand for all of a sealed file: look-ups read no more of it than its table. */
static void write_sealed(const char *dir, const struct journal_meta *meta,
			 const struct layout *layout)
{
	struct sealed_options options = {
		.files = { &file_ops_real, NULL },
		.dir = dir,
		.id = meta->id,
		.hash = meta->hash,
		.epoch = layout->range.epoch,
		.first_seq = layout->range.first_seq,
		.last_seq = layout->range.last_seq,
		.created_at_us = layout->range.last_us,
	};
	struct record record = { .kind = RECORD_EVENT,
				 .seq = layout->range.first_seq,
				 .received_at_us = layout->range.first_us,
				 .org = { 1 },
				 .project = { 1 },
				 .idempotency_key = S("first"),
				 .type = S("t"),
				 .body = S("{\"type\":\"t\"}") };
	struct err err = { 0 };
	struct sealed_writer *writer = sealed_writer_new(&options, &err);

	must(writer != NULL && sealed_writer_add(writer, &record, &err), &err);
	record.seq = layout->range.last_seq;
	record.received_at_us = layout->range.last_us;
	must(sealed_writer_add(writer, &record, &err) && sealed_writer_commit(writer, NULL, &err),
	     &err);
	sealed_writer_free(&writer);
}

/* The tables that a week of sealed files becomes, by the same choice as the journal's. */
struct plan {
	struct key_run runs[TABLES_MAX];
	struct key_item items[TABLES_MAX];
	size_t n;
	uint64_t written; /* keys, counted each time that they are written */
};

static void merge(struct plan *plan, size_t from, size_t to)
{
	struct key_run *run = &plan->runs[from];

	for (size_t i = from + 1; i < to; i++) {
		run->table.entries += plan->runs[i].table.entries;
	}
	run->last_us = plan->runs[to - 1].last_us;
	plan->written += run->table.entries;
	memmove(&plan->runs[from + 1], &plan->runs[to], (plan->n - to) * sizeof(*plan->runs));
	plan->n -= to - from - 1;
}

static void make_plan(struct plan *plan, uint64_t keys, int64_t now_us)
{
	int64_t each_us = (int64_t)((double)WINDOW_US / ((double)keys / FILE_KEYS + 1));
	int64_t at_us = now_us - WINDOW_US + US_PER_S * 3600;
	size_t from, to;

	*plan = (struct plan) { 0 };
	for (size_t i = 0; i < TABLES_MAX; i++) {
		plan->items[i].run = &plan->runs[i];
	}
	for (uint64_t left = keys; left > 0;) {
		uint64_t n = left < FILE_KEYS ? left : FILE_KEYS;

		ensure(plan->n < TABLES_MAX);
		plan->runs[plan->n++] = (struct key_run) { .table = { .entries = n },
							   .first_us = at_us,
							   .last_us = at_us + each_us - 1 };
		at_us += each_us * 99 / 100;
		left -= n;
		while (keys_choose(plan->items, plan->n, WINDOW_US, &from, &to)) {
			merge(plan, from, to);
		}
	}
}

static struct journal *open_journal(const char *dir, size_t memory)
{
	struct journal_options options = { .dir = dir,
					   .create = true,
					   .flush = JOURNAL_FLUSH_INLINE,
					   .idempotency_bytes_max = memory,
					   .now_us = clock_wall_us() };
	struct journal *journal;
	struct err err = { 0 };

	must(journal_open(&journal, &options, &err), &err);
	return journal;
}

static size_t make_tables(const char *dir, uint64_t keys, size_t memory, struct layout *layouts)
{
	static struct plan plan;
	struct journal *journal = open_journal(dir, memory);
	struct journal_meta meta = *journal_meta(journal);
	int64_t start_us = clock_mono_us();
	uint64_t seq = 1, bytes = 0;

	journal_close(&journal);
	make_plan(&plan, keys, clock_wall_us());
	for (size_t i = 0; i < plan.n; i++) {
		const struct key_run *run = &plan.runs[i];

		layouts[i] = (struct layout) {
			.range = { .id = meta.id,
				   .first_seq = seq,
				   .last_seq = seq + run->table.entries - 1,
				   .epoch = 1000 + i,
				   .first_us = run->first_us,
				   .last_us = run->last_us },
			.keys = run->table.entries,
			.seed = rand_u64(),
		};
		write_sealed(dir, &meta, &layouts[i]);
		bytes += write_table(dir, &layouts[i]);
		seq += run->table.entries;
	}
	say("keys", (double)keys);
	say("tables", (double)plan.n);
	say("table_bytes_per_key", (double)bytes / (double)keys);
	say("times_written", (double)plan.written / (double)keys + 1);
	say("seconds_to_write_once", (double)(clock_mono_us() - start_us) / 1e6);
	return plan.n;
}

/* The sieve, as the sealer makes it, and the newest keys as if they had come just now. */
static void warm_up(struct journal *journal, bool full)
{
	struct file_journal *j = file_journal(journal);
	int64_t start_us = clock_mono_us();
	uint64_t next = j->next_seq, random = rand_u64();
	struct err err = { 0 };
	enum found found;

	while ((found = journal_seal(journal, &err)) == FOUND) {
	}
	must(found == NOT_FOUND, &err);
	if (!full) {
		return;
	}
	say("seconds_to_make_sieve", (double)(clock_mono_us() - start_us) / 1e6);
	for (uint64_t i = j->idem.keys_max; i > 0; i--) {
		idem_put(&j->idem, next_random(&random), next > i ? next - i : 1,
			 j->last_received_at_us);
	}
}

/* One event, as a client sends it: the same bytes, its number as a key or as nothing special. */
static struct slice event_json(char *out, size_t size, bool key, uint64_t n)
{
	int written = snprintf(out, size,
			       "{\"type\":\"checkout_failed\",\"severity\":\"high\",\"%s\":"
			       "\"order-%016llx\",\"payload\":{\"cart\":{\"items\":3,\"total\":"
			       "129.95,\"currency\":\"EUR\"},\"userId\":\"user-%llu\",\"reason\":"
			       "\"card_declined\"}}",
			       key ? "idempotencyKey" : "fingerprint", (unsigned long long)n,
			       (unsigned long long)n % 20000);

	return (struct slice) { .p = out, .n = (size_t)written };
}

static void done(struct journal_batch *batch UNUSED, const struct err *err)
{
	must(err == NULL, err);
}

#define GROUP_MAX 100

/* Where events go: one of the three journals. */
struct side {
	struct journal *journal;
	bool key;
	uint64_t sent;
	struct arena req;
	struct buf raw;
	struct buf encoded;
	double single[ROUNDS]; /* nanoseconds per event */
	double batch[ROUNDS];
	double single_cpu[ROUNDS]; /* of them, on the processor */
	double batch_cpu[ROUNDS];
};

static void read_record(struct side *s, struct record *record)
{
	char json[512];
	struct slice text = event_json(json, sizeof(json), s->key, s->sent++);
	struct slice copy = arena_dup(&s->req, text);
	struct json_scan scan;
	struct event event;
	struct source_extra extra;
	struct err err = { 0 };

	buf_cut(&s->raw, 0);
	buf_cut(&s->encoded, 0);
	json_scan_init(&scan, copy, JSON_DEPTH_MAX, &s->req);
	must(source_read(&source_native, &scan, &s->req, &s->raw, "", &event, &extra, &err), &err);
	event_encode(&event, &s->encoded);
	*record = (struct record) {
		.kind = RECORD_EVENT,
		.org = { 1 },
		.project = { 1 },
		.key = { 1 },
		.severity = (uint8_t)event.severity,
		.hash = hash_sip128(&journal_meta(s->journal)->hash, buf_slice(&s->encoded)),
		.idempotency_key = event.idempotency_key,
		.type = event.type,
		.body = arena_dup(&s->req, buf_slice(&s->encoded)),
	};
}

/* Nanoseconds per event of so many, group by group, some groups to a flush. */
static double run(struct side *s, size_t group, size_t groups, double *cpu)
{
	static struct journal_batch batches[64];
	static struct journal_result results[64][GROUP_MAX];
	struct err err = { 0 };
	int64_t start_us, start_cpu_us;

	must(journal_prepare(s->journal, &err), &err);
	start_us = clock_mono_us();
	start_cpu_us = cpu_us();
	for (size_t sent = 0; sent < ROUND_EVENTS;) {
		for (size_t g = 0; g < groups; g++, sent += group) {
			struct record *records = arena_array(&s->req, group, sizeof(*records));

			for (size_t i = 0; i < group; i++) {
				read_record(s, &records[i]);
			}
			batches[g] = (struct journal_batch) {
				.items = records, .n = group, .results = results[g], .done = done
			};
			must(journal_append(s->journal, &batches[g], clock_wall_us(),
					    clock_mono_us(), &err),
			     &err);
			ensure(results[g][0].verdict == JOURNAL_STORED);
		}
		journal_turn(s->journal);
		arena_clear(&s->req);
	}
	*cpu = (double)(cpu_us() - start_cpu_us) * 1e3 / ROUND_EVENTS;
	return (double)(clock_mono_us() - start_us) * 1e3 / ROUND_EVENTS;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values)
{
	qsort(values, ROUNDS, sizeof(*values), by_value);
	return values[ROUNDS / 2];
}

/* The median of each side, and the ratios of the full window to the other two. */
static void report(struct side *sides, size_t offset, const char *what)
{
	static const char *const names[] = { "none", "empty_window", "full_window" };
	double value[3];
	char name[64];

	for (size_t i = 0; i < 3; i++) {
		value[i] = median((double *)(void *)((char *)&sides[i] + offset));
		snprintf(name, sizeof(name), "%s_%s_ns", what, names[i]);
		say(name, value[i]);
	}
	snprintf(name, sizeof(name), "ratio_%s", what);
	say(name, value[2] / value[0]);
	snprintf(name, sizeof(name), "ratio_window_%s", what);
	say(name, value[2] / value[1]);
}

static void measure_ingest(struct side *sides)
{
	for (size_t r = 0; r < ROUNDS; r++) {
		for (size_t i = 0; i < 3; i++) {
			sides[i].single[r] = run(&sides[i], 1, 64, &sides[i].single_cpu[r]);
		}
		for (size_t i = 0; i < 3; i++) {
			sides[i].batch[r] = run(&sides[i], GROUP_MAX, 10, &sides[i].batch_cpu[r]);
		}
	}
	report(sides, offsetof(struct side, single), "single");
	report(sides, offsetof(struct side, batch), "batch");
	report(sides, offsetof(struct side, single_cpu), "single_cpu");
	report(sides, offsetof(struct side, batch_cpu), "batch_cpu");
}

/* Which of the sampled keys the tables have, and what asking for one takes. */
static uint64_t ask(const struct key_set *set, const uint64_t *hashes, bool sieve, const char *name)
{
	int64_t start_us = cpu_us();
	struct err err = { 0 };
	uint64_t seqs[16], hits = 0;
	size_t n;

	for (size_t i = 0; i < SAMPLES; i++) {
		if (sieve && !key_sieve_has(&set->sieve, key_kept(hashes[i]))) {
			continue;
		}
		for (size_t k = 0; k < set->n; k++) {
			must(key_table_find(&set->items[k].run->table, hashes[i], seqs, 16, &n,
					    &err),
			     &err);
			hits += n > 0;
		}
	}
	say(name, (double)(cpu_us() - start_us) * 1e3 / SAMPLES);
	return hits;
}

/* Look-ups alone: of keys that are nowhere, and of some that are. */
static void measure_lookups(const struct key_set *set, const struct layout *layouts)
{
	static uint64_t absent[SAMPLES], present[SAMPLES];
	uint64_t random = rand_u64(), through = 0;
	struct err err = { 0 };

	for (size_t i = 0; i < SAMPLES; i++) {
		const struct layout *layout = &layouts[i % set->n];
		struct stream stream = { .seed = layout->seed,
					 .n = layout->keys,
					 .mean = 0x1p64 / (double)layout->keys,
					 .first_seq = layout->range.first_seq };
		struct key_entry entry = { 0 };

		rewind_stream(&stream, &err);
		for (size_t k = 0; k <= i / set->n % 64; k++) {
			ensure(next_of_stream(&stream, &entry, &err) == FOUND);
		}
		present[i] = entry.hash;
		absent[i] = next_random(&random);
		through += key_sieve_has(&set->sieve, key_kept(absent[i]));
	}
	say("strangers_through_sieve", (double)through / SAMPLES);
	(void)ask(set, absent, true, "absent_ns");
	(void)ask(set, absent, false, "absent_without_sieve_ns");
	ensure(ask(set, present, true, "present_ns") >= SAMPLES);
}

static void remove_dir(const char *dir)
{
	DIR *d = opendir(dir);
	const struct dirent *entry;
	char path[PATH_BYTES];

	while (d != NULL && (entry = readdir(d)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		(void)unlink(path);
	}
	if (d != NULL) {
		closedir(d);
	}
	(void)rmdir(dir);
}

static void measure(const char *dirs[3], uint64_t keys, size_t memory)
{
	static struct layout layouts[TABLES_MAX];
	static struct side sides[3];
	struct journal_stats stats;

	(void)make_tables(dirs[2], keys, memory, layouts);
	for (size_t i = 0; i < 3; i++) {
		sides[i] = (struct side) { .journal = open_journal(dirs[i], memory), .key = i > 0 };
		arena_init(&sides[i].req, (size_t)64 << 20);
		buf_init(&sides[i].raw, (size_t)1 << 20);
		buf_init(&sides[i].encoded, (size_t)1 << 20);
		warm_up(sides[i].journal, i == 2);
	}
	(void)run(&sides[2], 1, 64, &sides[2].single_cpu[0]);
	journal_stats(sides[2].journal, &stats);
	say("memory_bytes", (double)stats.idempotency_bytes);
	say("memory_limit_bytes", (double)memory);
	say("keys_in_memory", (double)stats.idempotency_keys);
	say("keys_lost", (double)stats.idempotency_shortened);
	measure_lookups(file_journal(sides[2].journal)->keys.set, layouts);
	measure_ingest(sides);
	for (size_t i = 0; i < 3; i++) {
		journal_close(&sides[i].journal);
		arena_release(&sides[i].req);
		buf_release(&sides[i].raw);
		buf_release(&sides[i].encoded);
	}
}

int main(int argc, char **argv)
{
	static char names[3][PATH_BYTES];
	const char *dirs[3];
	uint64_t keys = KEYS_DEFAULT, mib = MIB_DEFAULT;

	if (argc < 2 || argc > 4 || (argc > 2 && !slice_u64(slice_of(argv[2]), &keys)) ||
	    (argc > 3 && !slice_u64(slice_of(argv[3]), &mib)) || keys == 0 || keys > KEYS_MAX ||
	    mib == 0 || mib > 1 << 20) {
		fprintf(stderr, "usage: bench_key DIR [keys [MiB]]\n");
		return 2;
	}
	(void)mkdir(argv[1], 0700);
	for (size_t i = 0; i < 3; i++) {
		snprintf(names[i], sizeof(names[i]), "%s/keys-%zu", argv[1], i);
		dirs[i] = names[i];
		remove_dir(dirs[i]);
	}
	measure(dirs, keys, (size_t)mib << 20);
	for (size_t i = 0; i < 3; i++) {
		remove_dir(dirs[i]);
	}
	return 0;
}
