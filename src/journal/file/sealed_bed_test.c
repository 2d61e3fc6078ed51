/* SPDX-License-Identifier: Apache-2.0 */
/* Records for the tests of sealed segments, much like real ones, all from a seed. */
#include "journal/file/sealed_bed_test.h"

#include "base/hash.h"
#include "test/t.h"

#define T0 INT64_C(1790000000000000)

const struct hash_key pile_key = { { 1, 2, 3, 4, 5, 6, 7, 8 } };

static struct slice make_body(struct pile *pile, const struct pile_plan *plan, struct slice type,
			      bool type_first)
{
	struct sim *sim = pile->sim;
	size_t max = plan->body_max == 0 ? 300 : plan->body_max;
	size_t n = sim_below(sim, max);
	char *pad = arena_alloc(&pile->arena, n + 1);

	for (size_t i = 0; i < n; i++) {
		pad[i] = (char)('a' + sim_below(sim, i % 3 == 0 ? 26 : 3));
	}
	if (type_first) {
		return arena_printf(&pile->arena, "{\"type\":\"%.*s\",\"n\":%u,\"pad\":\"%s\"}",
				    SARG(type), (unsigned)sim_below(sim, 1000), pad);
	}
	return sim_below(sim, 4) == 0 ? (struct slice) { 0 }
				      : arena_printf(&pile->arena, "{\"pad\":\"%s\"}", pad);
}

static struct record make_record(struct pile *pile, const struct pile_plan *plan)
{
	static const char *const groups[] = { "order", "login", "disk", "payment" };
	struct sim *sim = pile->sim;
	uint64_t which = sim_below(sim, 3) == 0 ? sim_below(sim, plan->projects)
						: sim_below(sim, plan->projects / 8 + 1);
	struct record record = {
		.kind = RECORD_EVENT,
		.org = { 1 + which / 7 },
		.project = { 1000 + which },
		.key = { 1 + sim_below(sim, 5) },
		.severity = (uint8_t)sim_below(sim, 7),
	};

	record.type = arena_printf(&pile->arena, "%s.%u", groups[sim_below(sim, 4)],
				   (unsigned)sim_below(sim, plan->types == 0 ? 7 : plan->types));
	if (sim_below(sim, 3) == 0) {
		record.idempotency_key = arena_printf(&pile->arena, "%016llx-%u",
						      (unsigned long long)sim_random(sim), 7U);
	}
	if (sim_below(sim, 20) == 0) {
		record.kind = (enum record_kind)(1 + sim_below(sim, 4));
		record.severity = 0;
		record.type = sim_below(sim, 2) == 0 ? S("start") : (struct slice) { 0 };
	}
	record.body = make_body(pile, plan, record.type, record.kind == RECORD_EVENT);
	record.hash = hash_sip128(&pile_key, record.body);
	if (sim_below(sim, 50) == 0) {
		record.hash.lo ^= 1;
	}
	return record;
}

void pile_make(struct pile *pile, const struct pile_plan *plan)
{
	uint64_t seq = plan->first_seq == 0 ? 1 : plan->first_seq;
	int64_t at_us = T0;

	*pile = (struct pile) { .n = plan->n, .sim = sim_new(plan->seed) };
	arena_init(&pile->arena, (size_t)1 << 30);
	pile->records = arena_array(&pile->arena, plan->n, sizeof(*pile->records));
	for (size_t i = 0; i < plan->n; i++) {
		while (plan->gap != 0 && sim_below(pile->sim, plan->gap) == 0) {
			seq += 1 + sim_below(pile->sim, 3);
		}
		pile->records[i] = make_record(pile, plan);
		pile->records[i].seq = seq++;
		pile->records[i].received_at_us = at_us;
		at_us += 1 + (int64_t)sim_below(pile->sim, 1000);
	}
	pile->options = (struct sealed_options) {
		.files = { &sim_ops, pile->sim },
		.dir = "d",
		.id = { { 7 } },
		.hash = pile_key,
		.epoch = 9,
		.first_seq = plan->n == 0 ? 5 : 0,
		.last_seq = plan->n == 0 ? 4 : 0,
		.block_bytes = 4096,
		.open_bytes_max = (size_t)64 << 10,
		.page_bytes = 512,
	};
}

void pile_release(struct pile *pile)
{
	sim_free(&pile->sim);
	arena_release(&pile->arena);
}

bool pile_seal(struct pile *pile, struct sealed_info *info, struct err *err)
{
	struct sealed_writer *writer = sealed_writer_new(&pile->options, err);
	bool ok = writer != NULL;

	for (size_t i = 0; ok && i < pile->n; i++) {
		ok = sealed_writer_add(writer, &pile->records[i], err);
	}
	ok = ok && sealed_writer_commit(writer, info, err);
	sealed_writer_free(&writer);
	return ok;
}

struct sealed *pile_open(struct pile *pile)
{
	struct err err = { 0 };
	struct sealed *sealed;

	T_OK(pile_seal(pile, NULL, &err));
	sealed = sealed_open(&pile->options, &err);
	if (sealed == NULL) {
		fail_msg("%s", err.text);
	}
	return sealed;
}

bool record_same(const struct record *a, const struct record *b)
{
	return a->kind == b->kind && a->seq == b->seq && a->received_at_us == b->received_at_us &&
	       a->org.v == b->org.v && a->project.v == b->project.v && a->key.v == b->key.v &&
	       a->severity == b->severity && a->hash.lo == b->hash.lo && a->hash.hi == b->hash.hi &&
	       slice_eq(a->idempotency_key, b->idempotency_key) && slice_eq(a->type, b->type) &&
	       slice_eq(a->body, b->body);
}
