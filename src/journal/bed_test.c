/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the tests of the journal; never part of the program. */
#include "journal/bed_test.h"

#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

#include "journal/care.h"

static void wake(void *arg)
{
	struct bed *bed = arg;

	pthread_mutex_lock(&bed->lock);
	bed->wake = true;
	pthread_cond_signal(&bed->woken);
	pthread_mutex_unlock(&bed->lock);
}

void bed_init(struct bed *bed, enum journal_flush flush)
{
	const char *tmp = getenv("TMPDIR");

	*bed = (struct bed) { .wall_us = INT64_C(1700000000000000), .mono_us = 1000000 };
	pthread_mutex_init(&bed->lock, NULL);
	pthread_cond_init(&bed->woken, NULL);
	snprintf(bed->dir, sizeof(bed->dir), "%s/journal-XXXXXX", tmp == NULL ? "/tmp" : tmp);
	assert_non_null(mkdtemp(bed->dir));
	bed->options = (struct journal_options) {
		.dir = bed->dir,
		.create = true,
		.segment_bytes = (size_t)128 << 10,
		.turn_bytes_max = (size_t)64 << 10,
		.flush = flush,
		.now_us = bed->wall_us,
		.wake = wake,
		.wake_arg = bed,
	};
}

static void remove_dir(const char *dir)
{
	DIR *d = opendir(dir);
	const struct dirent *entry;
	char path[512];

	while (d != NULL && (entry = readdir(d)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		unlink(path);
	}
	if (d != NULL) {
		closedir(d);
	}
	rmdir(dir);
}

void bed_release(struct bed *bed)
{
	journal_close(&bed->journal);
	remove_dir(bed->dir);
	pthread_cond_destroy(&bed->woken);
	pthread_mutex_destroy(&bed->lock);
}

void bed_open(struct bed *bed)
{
	struct err err = { 0 };

	T_OK(journal_open(&bed->journal, &bed->options, &err));
}

void bed_reopen(struct bed *bed)
{
	journal_close(&bed->journal);
	bed_open(bed);
}

static void done(struct journal_batch *batch, const struct err *err)
{
	struct request *request = CONTAINER_OF(batch, struct request, batch);

	request->done++;
	request->ok = err == NULL;
	if (err != NULL) {
		request->err = *err;
	}
}

struct record *request_add(struct request *request, uint64_t org, const char *key,
			   struct slice body)
{
	struct record *item = &request->items[request->batch.n++];
	static const struct hash_key zero;

	assert_true(request->batch.n <= REQUEST_ITEMS_MAX);
	*item = (struct record) {
		.kind = RECORD_EVENT,
		.org = { org },
		.project = { org + 1 },
		.key = { org + 2 },
		.hash = hash_sip128(&zero, body),
		.idempotency_key = slice_of(key),
		.type = S("order_failed"),
		.body = body,
	};
	return item;
}

void request_clear(struct request *request)
{
	request->batch = (struct journal_batch) { 0 };
	request->done = 0;
}

bool bed_append(struct bed *bed, struct request *request, struct err *err)
{
	request->batch.items = request->items;
	request->batch.results = request->results;
	request->batch.done = done;
	request->done = 0;
	bed->wall_us += 10;
	bed->mono_us += 10;
	return journal_append(bed->journal, &request->batch, bed->wall_us, bed->mono_us, err);
}

void bed_turn(struct bed *bed, struct request *request)
{
	journal_turn(bed->journal);
	while (request->done == 0) {
		pthread_mutex_lock(&bed->lock);
		while (!bed->wake) {
			pthread_cond_wait(&bed->woken, &bed->lock);
		}
		bed->wake = false;
		pthread_mutex_unlock(&bed->lock);
		journal_complete(bed->journal);
	}
}

struct journal_result bed_put(struct bed *bed, uint64_t org, const char *key, const char *body)
{
	static struct request request;
	struct err err = { 0 };

	request_clear(&request);
	request_add(&request, org, key, slice_of(body));
	T_OK(bed_append(bed, &request, &err));
	bed_turn(bed, &request);
	T_INT(request.done, 1);
	T_TRUE(request.ok);
	return request.results[0];
}

const char *bed_body(uint64_t seq)
{
	static char body[1024];
	size_t pad = seq * 37 % 600;
	int n = snprintf(body, sizeof(body), "{\"type\":\"order_failed\",\"n\":%llu,\"pad\":\"",
			 (unsigned long long)seq);

	memset(body + n, 'x', pad);
	snprintf(body + n + pad, sizeof(body) - (size_t)n - pad, "\"}");
	return body;
}

void bed_fill(struct bed *bed, uint64_t first, uint64_t last)
{
	for (uint64_t seq = first; seq <= last; seq++) {
		struct journal_result result = bed_put(bed, 1, NULL, bed_body(seq));

		T_INT(result.verdict, JOURNAL_STORED);
		T_INT(result.seq, seq);
	}
}

int bed_seal(struct bed *bed)
{
	struct err err = { 0 };
	enum found found;
	int calls = 0;

	while ((found = journal_seal(bed->journal, &err)) == FOUND) {
		calls++;
	}
	if (found == FAILED) {
		fail_msg("seal: %s", err.text);
	}
	return calls;
}

static void check_record(const struct record *record, uint64_t seq)
{
	struct slice body = slice_of(bed_body(seq));

	T_INT(record->seq, seq);
	T_TRUE(slice_eq(record->body, body));
	T_SLICE(record->type, "order_failed");
	T_INT(record->kind, RECORD_EVENT);
}

static void check_walk(struct bed *bed, uint64_t first, uint64_t last, bool reverse)
{
	struct journal_iter *iter = journal_iter_new(bed->journal, reverse ? last : first, reverse);
	struct record record;
	struct err err = { 0 };
	int64_t before_us = reverse ? INT64_MAX : INT64_MIN;

	for (uint64_t i = first; i <= last; i++) {
		enum found found = journal_iter_next(iter, &record, &err);

		if (found != FOUND) {
			fail_msg("record %llu: %s", (unsigned long long)i,
				 found == FAILED ? err.text : "not found");
		}
		check_record(&record, reverse ? first + last - i : i);
		T_TRUE(reverse ? record.received_at_us < before_us
			       : record.received_at_us > before_us);
		before_us = record.received_at_us;
	}
	if (!reverse || first == journal_first(bed->journal)) {
		T_INT(journal_iter_next(iter, &record, &err), NOT_FOUND);
	}
	journal_iter_free(&iter);
}

void bed_check(struct bed *bed, uint64_t first, uint64_t last)
{
	struct arena req;
	struct record record;
	struct err err = { 0 };

	T_INT(journal_flushed(bed->journal), last);
	check_walk(bed, first, last, false);
	check_walk(bed, first, last, true);
	arena_init(&req, 0);
	for (uint64_t seq = first; seq <= last; seq += 1 + (last - first) / 50) {
		T_INT(journal_read(bed->journal, seq, &req, &record, &err), FOUND);
		check_record(&record, seq);
	}
	T_INT(journal_read(bed->journal, last + 1, &req, &record, &err), NOT_FOUND);
	arena_release(&req);
}
