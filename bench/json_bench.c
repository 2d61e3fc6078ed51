/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What JSON costs per event: one event of about 300 bytes read as ingest does it (six fields and
 * the payload compacted), with and without white space, and as a tree. Prints the best of ten
 * rounds.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"

#define ROUNDS 10
#define EVENTS 50000

static const char dense[] =
	"{\"type\":\"payment.failed\",\"severity\":\"high\",\"source\":\"checkout-api\","
	"\"message\":\"Card declined by issuer\",\"idempotencyKey\":\"9f1c2d3e-4b5a-6789-abcd\","
	"\"payload\":{\"orderId\":\"ord_93847561\",\"amount\":129.95,\"currency\":\"EUR\",\"attempt\":3,"
	"\"user\":{\"id\":\"usr_5512\",\"plan\":\"pro\"},\"retryable\":true}}";
static const char airy[] =
	"{\n  \"type\": \"payment.failed\",\n  \"severity\": \"high\",\n  \"source\": \"checkout-api\",\n"
	"  \"message\": \"Card declined by issuer\",\n  \"idempotencyKey\": \"9f1c2d3e-4b5a-6789-abcd\",\n"
	"  \"payload\": { \"orderId\": \"ord_93847561\", \"amount\": 129.95, \"currency\": \"EUR\","
	" \"attempt\": 3, \"user\": { \"id\": \"usr_5512\", \"plan\": \"pro\" }, \"retryable\": true } }\n";

static bool scan(struct slice text, struct arena *arena, struct buf *out, struct err *err)
{
	struct slice key, value;
	struct json_scan s;
	enum found more;
	bool ok = true;

	json_scan_init(&s, text, JSON_DEPTH_MAX, arena);
	if (!json_begin_object(&s, err)) {
		return false;
	}
	while (ok && (more = json_next_key(&s, &key, err)) == FOUND) {
		ok = slice_eq(key, S("payload")) ? json_compact(&s, out, err)
						 : json_string(&s, &value, err);
	}
	return ok && more == NOT_FOUND && json_end(&s, err);
}

static bool parse(struct slice text, struct arena *arena, struct buf *out, struct err *err)
{
	const struct json *tree;

	if (!json_parse(arena, text, JSON_DEPTH_MAX, &tree, err)) {
		return false;
	}
	buf_puts(out, json_get(tree, "payload")->raw);
	return true;
}

static void measure(const char *what, struct slice text,
		    bool (*read)(struct slice, struct arena *, struct buf *, struct err *))
{
	int64_t best_us = INT64_MAX;
	struct arena arena;
	struct buf out;
	struct err err;

	arena_init(&arena, 0);
	buf_init(&out, 1 << 20);
	for (int round = 0; round < ROUNDS; round++) {
		int64_t start_us = clock_mono_us(), took_us;

		for (int i = 0; i < EVENTS; i++) {
			buf_cut(&out, 0);
			if (!read(text, &arena, &out, &err)) {
				printf("%s: %s\n", what, err.text);
				exit(1);
			}
			arena_clear(&arena);
		}
		took_us = clock_mono_us() - start_us;
		best_us = took_us < best_us ? took_us : best_us;
	}
	printf("%-6s %4zu bytes %6lld ns\n", what, text.n, (long long)(best_us * 1000 / EVENTS));
	buf_release(&out);
	arena_release(&arena);
}

int main(void)
{
	measure("dense", slice_of(dense), scan);
	measure("airy", slice_of(airy), scan);
	measure("tree", slice_of(dense), parse);
	return 0;
}
