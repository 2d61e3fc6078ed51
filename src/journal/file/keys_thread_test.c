/* SPDX-License-Identifier: Apache-2.0 */
/* Keys are found while another thread seals, merges their tables and makes the sieve. */
#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "journal/bed_test.h"
#include "journal/care.h"
#include "journal/file/key_file.h"

#define KEYS 3000
#define GROUP 200

static struct request request;
static char names[GROUP][16];

/* Keys from first on, each with its own body or with another one. */
static void put_group(struct bed *bed, uint32_t first, bool other)
{
	struct err err = { 0 };

	request_clear(&request);
	for (uint32_t i = 0; i < GROUP; i++) {
		snprintf(names[i], sizeof(names[i]), "k%u", first + i);
		request_add(&request, 1, names[i], S("{\"type\":\"t\",\"payload\":{\"n\":1}}"))
			->hash.lo = first + i + other;
	}
	T_OK(bed_append(bed, &request, &err));
	bed_turn(bed, &request);
	T_TRUE(request.ok);
}

static void check_group(enum journal_verdict want, uint32_t first)
{
	for (uint32_t i = 0; i < GROUP; i++) {
		T_INT(request.results[i].verdict, want);
		T_INT(request.results[i].seq, first + i);
	}
}

struct sealer {
	struct journal *journal;
	_Atomic bool stop;
	bool ok;
};

static void *seal_on(void *arg)
{
	struct sealer *sealer = arg;
	struct err err;

	sealer->ok = true;
	while (!sealer->stop) {
		sealer->ok = sealer->ok && journal_seal(sealer->journal, &err) != FAILED;
	}
	return NULL;
}

static void remove_merged(const struct bed *bed)
{
	DIR *d = opendir(bed->dir);
	const struct dirent *entry;
	char path[512];

	while (d != NULL && (entry = readdir(d)) != NULL) {
		if (key_file_is(entry->d_name)) {
			snprintf(path, sizeof(path), "%s/%s", bed->dir, entry->d_name);
			T_INT(unlink(path), 0);
		}
	}
	closedir(d);
}

TEST(keys_are_found_while_tables_are_merged)
{
	struct bed bed;
	struct sealer sealer = { 0 };
	struct journal_stats stats;
	pthread_t thread;

	bed_init(&bed, JOURNAL_FLUSH_INLINE);
	bed.options.segment_bytes = (size_t)64 << 10;
	bed_open(&bed);
	for (uint32_t first = 1; first < KEYS; first += GROUP) {
		put_group(&bed, first, false);
	}
	bed_seal(&bed);
	journal_close(&bed.journal);
	remove_merged(&bed);
	bed_open(&bed);
	sealer.journal = bed.journal;
	pthread_create(&thread, NULL, seal_on, &sealer);
	for (uint32_t round = 0; round < 2; round++) {
		for (uint32_t first = 1; first < KEYS; first += GROUP) {
			put_group(&bed, first, round % 2 == 1);
			check_group(round % 2 == 1 ? JOURNAL_CONFLICT : JOURNAL_DUPLICATE, first);
		}
		put_group(&bed, KEYS + 1 + round * GROUP, false);
		check_group(JOURNAL_STORED, KEYS + 1 + round * GROUP);
	}
	sealer.stop = true;
	pthread_join(thread, NULL);
	T_TRUE(sealer.ok);
	bed_seal(&bed);
	journal_stats(bed.journal, &stats);
	T_TRUE(stats.idempotency_tables < stats.sealed_files);
	bed_release(&bed);
}

T_MAIN(T(keys_are_found_while_tables_are_merged))
