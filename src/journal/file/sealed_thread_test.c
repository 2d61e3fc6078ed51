/* SPDX-License-Identifier: Apache-2.0 */
/* Many threads read one open file, also while its index is let go of and the file written anew. */
#include "journal/file/sealed.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "journal/file/format.h"
#include "journal/file/sealed_bed_test.h"
#include "test/t.h"

#define THREADS 4
#define ROUNDS 12

struct shared {
	struct pile pile;
	struct sealed *sealed;
};

struct worker {
	pthread_t thread;
	struct shared *shared;
	unsigned number;
	uint64_t wrong;
};

static uint64_t walk(const struct pile *pile, struct sealed *sealed, bool reverse)
{
	struct sealed_filter filter = { .hashes = true };
	struct err err = { 0 };
	struct sealed_cursor *cursor = sealed_cursor_new(sealed, &filter, reverse, &err);
	struct record record;
	uint64_t wrong = 0;

	for (size_t i = 0; i < pile->n; i++) {
		const struct record *want = &pile->records[reverse ? pile->n - 1 - i : i];

		wrong += sealed_cursor_next(cursor, &record, &err) != FOUND ||
			 !record_same(&record, want);
	}
	sealed_cursor_free(&cursor);
	return wrong;
}

static uint64_t look_up(const struct pile *pile, struct sealed *sealed, size_t i, struct arena *req)
{
	const struct record *want = &pile->records[i % pile->n];
	uint64_t hash = record_key_hash(&pile_key, want->org, want->idempotency_key);
	struct err err = { 0 };
	struct record record;
	uint64_t seqs[2];
	size_t n;

	return (sealed_read(sealed, want->seq, req, &record, &err) != FOUND ||
		!record_same(&record, want)) +
	       (uint64_t)(!sealed_find_key(sealed, hash, seqs, 2, &n, &err) ||
			  n != (want->idempotency_key.n > 0));
}

static void *work(void *arg)
{
	struct worker *worker = arg;
	const struct pile *pile = &worker->shared->pile;
	struct sealed *sealed = worker->shared->sealed;
	struct sealed_stat stat;
	struct arena req;

	arena_init(&req, 0);
	for (unsigned round = 0; round < ROUNDS; round++) {
		worker->wrong += walk(pile, sealed, (round + worker->number) % 2 == 0);
		for (size_t i = 0; i < 20; i++) {
			worker->wrong += look_up(pile, sealed,
						 i * 31 + (size_t)round * 7 + worker->number, &req);
			arena_clear(&req);
		}
		if ((round + worker->number) % 3 == 0) {
			sealed_trim(sealed);
		}
		sealed_stat(sealed, &stat);
		worker->wrong += stat.lost;
	}
	arena_release(&req);
	return NULL;
}

TEST(threads_share_an_open_file)
{
	static struct shared shared;
	struct pile_plan plan = { .seed = 71, .n = 800, .projects = 6 };
	struct sealed_rewrite rewrite = { .force = true };
	struct worker workers[THREADS];
	const char *tmp = getenv("TMPDIR");
	char dir[256], path[512];
	struct err err = { 0 };

	snprintf(dir, sizeof(dir), "%s/sealed-XXXXXX", tmp == NULL ? "/tmp" : tmp);
	assert_non_null(mkdtemp(dir));
	pile_make(&shared.pile, &plan);
	for (size_t i = 0; i < shared.pile.n; i++) { /* so that every record has a key or "" */
		if (shared.pile.records[i].idempotency_key.p == NULL) {
			shared.pile.records[i].idempotency_key = S("");
		}
	}
	shared.pile.options.files = (struct files) { &file_ops_real, NULL };
	shared.pile.options.dir = dir;
	shared.sealed = pile_open(&shared.pile);
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i] = (struct worker) { .shared = &shared, .number = i };
		T_INT(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (int i = 0; i < 5; i++) {
		T_OK(sealed_copy(shared.sealed, &rewrite, NULL, &err));
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		T_INT(workers[i].wrong, 0);
	}
	sealed_close(&shared.sealed);
	snprintf(path, sizeof(path), "%s/0000000000000009.sealed", dir);
	T_INT(unlink(path), 0);
	T_INT(rmdir(dir), 0); /* nothing else was left there */
	pile_release(&shared.pile);
}

T_MAIN(T(threads_share_an_open_file))
