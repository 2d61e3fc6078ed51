/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What sealing costs and gives, on records much like real ones: how small they become, how fast
 * they are written, and how fast they are found again.
 *
 *   bench_sealed DIR [records]        a file is written into DIR and removed
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/rand.h"
#include "journal/file/sealed.h"

#define RECORDS 170000 /* about a segment of 64 MiB */
#define RECORDS_MAX 2000000
#define PROJECTS 50
#define READS 1000
#define ROUNDS 7
#define T0 (INT64_C(1790000000) * US_PER_S)

static const struct hash_key key = { .v = "sealed benchmark" };

static void must(bool ok, const struct err *err)
{
	if (!ok) {
		fprintf(stderr, "%s\n", err->text);
		exit(1);
	}
}

/* Spread like real ones: a few of everything make most of it. */
static unsigned skewed(unsigned bound)
{
	return (unsigned)(rand_below(rand_below(bound) + 1));
}

struct kind_of_event {
	const char *type;
	const char *severity;
	unsigned level;
};
static const struct kind_of_event kinds[] = {
	{ "checkout_failed", "high", 5 }, { "checkout_completed", "info", 2 },
	{ "user.login", "info", 2 },	  { "user.login_failed", "medium", 4 },
	{ "disk.usage", "low", 3 },	  { "http.error", "high", 5 },
	{ "deploy.finished", "info", 2 }, { "payment.refunded", "low", 3 },
	{ "queue.depth", "debug", 1 },	  { "cert.expiring", "critical", 6 },
};

static struct slice payload(struct arena *boot, unsigned which)
{
	switch (which % 3) {
	case 0:
		return arena_printf(
			boot,
			"{\"cart\":{\"items\":%u,\"total\":%u.%02u,\"currency\":\"EUR\"},\"userId\":"
			"\"user-%u\",\"country\":\"%s\",\"reason\":\"card_declined\",\"attempt\":%u,"
			"\"trace\":\"%08x%08x\"}",
			skewed(9) + 1, skewed(900), skewed(100), skewed(20000),
			skewed(2) == 0 ? "DE" : "FR", skewed(4), (unsigned)rand_below(UINT32_MAX),
			(unsigned)rand_below(UINT32_MAX));
	case 1:
		return arena_printf(
			boot,
			"{\"host\":\"web-%02u.eu-central.example.com\",\"percent\":%u.%u,"
			"\"mount\":\"/var/lib/data\",\"freeBytes\":%u,\"inodes\":%u}",
			skewed(40), skewed(100), skewed(10), (unsigned)rand_below(UINT32_MAX),
			skewed(100000));
	default:
		return arena_printf(
			boot,
			"{\"method\":\"%s\",\"path\":\"/api/v1/orders/%u/items\",\"status\":%u,"
			"\"durationMs\":%u,\"userAgent\":\"Mozilla/5.0 (X11; Linux x86_64) "
			"AppleWebKit/537.36\",\"ip\":\"10.%u.%u.%u\"}",
			skewed(2) == 0 ? "GET" : "POST", (unsigned)rand_below(1000000),
			skewed(2) == 0 ? 500U : 502U, skewed(3000), skewed(200), skewed(250),
			(unsigned)rand_below(250));
	}
}

static struct record make(struct arena *boot, uint64_t seq)
{
	unsigned project = skewed(PROJECTS);
	const struct kind_of_event *kind = &kinds[(project + skewed(8)) % ARRAY_LEN(kinds)];
	struct record record = {
		.kind = RECORD_EVENT,
		.seq = seq,
		.received_at_us = T0 + (int64_t)seq * 700 + (int64_t)rand_below(600),
		.org = { 1 + project / 5 },
		.project = { 100 + project },
		.key = { 7 + project },
		.severity = (uint8_t)kind->level,
		.type = slice_of(kind->type),
	};

	record.body = arena_printf(boot,
				   "{\"type\":\"%s\",\"severity\":\"%s\",\"source\":\"shop-%u\","
				   "\"environment\":\"production\",\"payload\":%.*s}",
				   kind->type, kind->severity, project % 4,
				   SARG(payload(boot, project)));
	record.hash = hash_sip128(&key, record.body);
	if (seq % 4 == 0) {
		record.idempotency_key = arena_printf(boot, "%016llx%016llx",
						      (unsigned long long)rand_u64(),
						      (unsigned long long)rand_u64());
	}
	return record;
}

static double per_s(double amount, int64_t spent_us)
{
	return amount * (double)US_PER_S / (double)(spent_us > 0 ? spent_us : 1);
}

static void run_seal(const struct sealed_options *options, const struct record *records, size_t n)
{
	struct err err = { 0 };
	int64_t start = clock_mono_us(), spent;
	struct sealed_writer *writer = sealed_writer_new(options, &err);
	struct sealed_info info;

	must(writer != NULL, &err);
	for (size_t i = 0; i < n; i++) {
		must(sealed_writer_add(writer, &records[i], &err), &err);
	}
	must(sealed_writer_commit(writer, &info, &err), &err);
	sealed_writer_free(&writer);
	spent = clock_mono_us() - start;
	printf("seal: %llu records, %llu bytes of JSON, %llu as a raw segment, %llu sealed\n",
	       (unsigned long long)info.records, (unsigned long long)info.body_bytes,
	       (unsigned long long)info.raw_bytes, (unsigned long long)info.file_bytes);
	printf("seal: %.3f of the JSON, %.3f of the raw segment, %.0f MB/s of raw bytes\n",
	       (double)info.file_bytes / (double)info.body_bytes,
	       (double)info.file_bytes / (double)info.raw_bytes,
	       per_s((double)info.raw_bytes / 1e6, spent));
}

/* Megabytes of the bodies of a walk, at most limit records, and the time it took. */
static double run_scan(struct sealed *sealed, const struct sealed_filter *filter, bool reverse,
		       size_t limit, int64_t *spent)
{
	struct err err = { 0 };
	struct record record;
	size_t bytes = 0, n = 0;
	int64_t start = clock_mono_us();
	struct sealed_cursor *cursor = sealed_cursor_new(sealed, filter, reverse, &err);

	must(cursor != NULL, &err);
	while (n < limit && sealed_cursor_next(cursor, &record, &err) == FOUND) {
		bytes += record.body.n;
		n++;
	}
	sealed_cursor_free(&cursor);
	*spent = clock_mono_us() - start;
	return (double)bytes / 1e6;
}

/* The best of some rounds: other work on the machine only ever slows one down. */
static double best_scan(struct sealed *sealed, const struct sealed_filter *filter, double *mb)
{
	double best = 0;

	for (int i = 0; i < ROUNDS; i++) {
		int64_t spent;
		double speed;

		*mb = run_scan(sealed, filter, false, SIZE_MAX, &spent);
		speed = per_s(*mb, spent);
		best = speed > best ? speed : best;
	}
	return best;
}

/* All bodies in order, in pieces of 128 KiB as zstd alone would have them. */
static double run_plain(const struct record *records, size_t n)
{
	static char raw[(size_t)512 << 10], packed[(size_t)1 << 20];
	ZSTD_DCtx *zstd = ZSTD_createDCtx();
	double bytes = 0;
	int64_t spent = 0;
	size_t fill = 0;

	ensure(zstd != NULL);
	for (size_t i = 0; i < n; i++) {
		memcpy(raw + fill, records[i].body.p, records[i].body.n);
		fill += records[i].body.n;
		if (fill >= (size_t)128 << 10 || i + 1 == n) {
			size_t size = ZSTD_compress(packed, sizeof(packed), raw, fill, 4);
			int64_t start = clock_mono_us();

			ensure(ZSTD_decompressDCtx(zstd, raw, sizeof(raw), packed, size) == fill);
			spent += clock_mono_us() - start;
			bytes += (double)fill / 1e6;
			fill = 0;
		}
	}
	ZSTD_freeDCtx(zstd);
	return per_s(bytes, spent);
}

static void run_scans(struct sealed *sealed, const struct record *records, size_t n)
{
	struct sealed_filter all = { 0 }, one = { .one_project = true };
	int64_t spent, sum = 0;
	double mb, best;

	best = best_scan(sealed, &all, &mb);
	printf("scan of all: %.0f MB/s of JSON\n", best);
	one.org = records[n / 2].org;
	one.project = records[n / 2].project;
	best = best_scan(sealed, &one, &mb);
	printf("scan of a project of %.1f MB: %.0f MB/s of JSON\n", mb, best);
	best = 0;
	for (int i = 0; i < ROUNDS; i++) {
		double speed = run_plain(records, n);

		best = speed > best ? speed : best;
	}
	printf("zstd alone: %.0f MB/s\n", best);
	for (size_t i = 0; i < READS; i++) {
		const struct record *r = &records[rand_below(n)];

		one.org = r->org;
		one.project = r->project;
		run_scan(sealed, &one, true, 100, &spent);
		sum += spent;
	}
	printf("last 100 of a project: %lld us\n", (long long)(sum / READS));
	sealed_trim(sealed);
	run_scan(sealed, &one, true, 100, &spent);
	printf("last 100 of a project, index not loaded: %lld us\n", (long long)spent);
}

static void run_reads(struct sealed *sealed, const struct record *records, size_t n)
{
	struct err err = { 0 };
	struct record record;
	struct arena req;
	uint64_t seqs[4];
	int64_t start = clock_mono_us();
	size_t found;

	arena_init(&req, 0);
	for (size_t i = 0; i < READS; i++) {
		const struct record *want = &records[rand_below(n)];

		must(sealed_read(sealed, want->seq, &req, &record, &err) == FOUND, &err);
		ensure(slice_eq(record.body, want->body));
		arena_clear(&req);
	}
	printf("read by number: %lld us\n", (long long)((clock_mono_us() - start) / READS));
	start = clock_mono_us();
	for (size_t i = 0; i < READS; i++) {
		must(sealed_find_key(sealed, rand_u64(), seqs, 4, &found, &err), &err);
	}
	printf("key that is not there: %.1f us\n",
	       (double)(clock_mono_us() - start) / (double)READS);
	arena_release(&req);
}

int main(int argc, char **argv)
{
	struct sealed_options options = {
		.files = { &file_ops_real, NULL }, .id = { { 1 } }, .hash = key, .epoch = 1
	};
	uint64_t n = RECORDS;
	struct record *records;
	struct arena boot;
	struct sealed *sealed;
	struct err err = { 0 };
	char path[4096];

	if (argc < 2 || argc > 3 || (argc == 3 && !slice_u64(slice_of(argv[2]), &n)) || n == 0 ||
	    n > RECORDS_MAX) {
		fprintf(stderr, "usage: bench_sealed DIR [records]\n");
		return 2;
	}
	options.dir = argv[1];
	arena_init(&boot, (size_t)4 << 30);
	records = arena_array(&boot, (size_t)n, sizeof(*records));
	for (uint64_t i = 0; i < n; i++) {
		records[i] = make(&boot, i + 1);
	}
	run_seal(&options, records, (size_t)n);
	sealed = sealed_open(&options, &err);
	must(sealed != NULL, &err);
	run_scans(sealed, records, (size_t)n);
	run_reads(sealed, records, (size_t)n);
	sealed_close(&sealed);
	snprintf(path, sizeof(path), "%s/0000000000000001.sealed", argv[1]);
	unlink(path);
	arena_release(&boot);
	return 0;
}
