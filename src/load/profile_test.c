/* SPDX-License-Identifier: Apache-2.0 */
#include "load/profile.h"

#include "base/hash.h"
#include "base/json.h"
#include "test/t.h"

#define EVENTS 20000
#define MIXED_CRC UINT32_C(0x8315351c)
#define BYTES_MAX ((size_t)64 << 20)

static void make(enum profile_kind kind, unsigned projects, uint64_t seed, size_t n,
		 struct buf *out)
{
	struct profile *p = profile_new(kind, projects, seed);

	buf_init(out, BYTES_MAX);
	for (size_t i = 0; i < n; i++) {
		profile_event(p, profile_project(p), out);
		buf_putc(out, '\n');
	}
	profile_free(&p);
	T_FALSE(out->overflow);
}

TEST(the_same_seed_gives_the_same_bytes_and_another_seed_gives_others)
{
	for (enum profile_kind kind = 0; kind < PROFILE_KINDS; kind++) {
		struct buf a, b, c;

		make(kind, 50, 7, 2000, &a);
		make(kind, 50, 7, 2000, &b);
		make(kind, 50, 8, 2000, &c);
		T_TRUE(slice_eq(buf_slice(&a), buf_slice(&b)));
		T_FALSE(slice_eq(buf_slice(&a), buf_slice(&c)));
		buf_release(&a);
		buf_release(&b);
		buf_release(&c);
	}
}

/* Results that were measured with a profile are compared over years: a change of it shows here. */
TEST(the_bytes_are_those_of_every_machine)
{
	struct buf a;

	make(PROFILE_MIXED, 50, 1, EVENTS, &a);
	T_INT(crc32c(0, a.p, a.n), MIXED_CRC);
	buf_release(&a);
}

struct seen {
	struct slice types[64];
	size_t counts[64];
	size_t types_n;
	size_t bytes_min, bytes_max, keys;
};

static size_t index_of(struct seen *s, struct slice type)
{
	size_t i = 0;

	while (i < s->types_n && !slice_eq(s->types[i], type)) {
		i++;
	}
	if (i == s->types_n) {
		T_TRUE(i < ARRAY_LEN(s->types));
		s->types[s->types_n++] = type;
	}
	return i;
}

static void look(struct seen *s, struct slice line)
{
	const struct json *e, *type;
	struct arena req;
	struct err err;

	arena_init(&req, 0);
	T_OK(json_parse(&req, line, JSON_DEPTH_MAX, &e, &err));
	type = json_get(e, "type");
	T_TRUE(type != NULL);
	/* The text of the tree is borrowed from the line, which lives on. */
	s->counts[index_of(s, type->text)]++;
	s->keys += json_get(e, "idempotencyKey") != NULL;
	s->bytes_min = line.n < s->bytes_min ? line.n : s->bytes_min;
	s->bytes_max = line.n > s->bytes_max ? line.n : s->bytes_max;
	arena_release(&req);
}

TEST(mixed_events_are_many_kinds_of_many_sizes)
{
	struct seen s = { .bytes_min = SIZE_MAX };
	struct slice rest, line;
	size_t most = 0, least = SIZE_MAX;
	struct buf a;

	make(PROFILE_MIXED, 50, 3, EVENTS, &a);
	rest = buf_slice(&a);
	while (slice_split(&rest, '\n', &line)) {
		look(&s, line);
	}
	T_INT(s.types_n, 28);
	for (size_t i = 0; i < s.types_n; i++) {
		most = s.counts[i] > most ? s.counts[i] : most;
		least = s.counts[i] < least ? s.counts[i] : least;
	}
	/* Zipf: the first of 28 has a quarter of all, the last a 28th of the first. */
	T_TRUE(most > EVENTS / 5 && most < EVENTS / 3);
	T_TRUE(least > most / 45 && least < most / 18);
	T_TRUE(s.bytes_min >= 150);
	T_TRUE(s.bytes_max > 1500 && s.bytes_max <= PROFILE_EVENT_BYTES_MAX);
	T_TRUE(a.n / EVENTS > 300 && a.n / EVENTS < 700);
	T_TRUE(s.keys > EVENTS / 50 && s.keys < EVENTS / 5);
	print_message("# %zu bytes on average, %zu to %zu\n", a.n / EVENTS, s.bytes_min,
		      s.bytes_max);
	buf_release(&a);
}

TEST(projects_are_unequal_and_all_there)
{
	struct profile *p = profile_new(PROFILE_MIXED, 50, 9);
	size_t counts[50] = { 0 };

	for (size_t i = 0; i < EVENTS; i++) {
		counts[profile_project(p)]++;
	}
	for (size_t i = 0; i < 50; i++) {
		T_TRUE(counts[i] > 0);
	}
	T_TRUE(counts[0] > 20 * counts[49]);
	profile_free(&p);
}

T_MAIN(T(the_same_seed_gives_the_same_bytes_and_another_seed_gives_others),
       T(the_bytes_are_those_of_every_machine), T(mixed_events_are_many_kinds_of_many_sizes),
       T(projects_are_unequal_and_all_there))
