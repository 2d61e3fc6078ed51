/* SPDX-License-Identifier: Apache-2.0 */
/* Arena memory is zeroed, aligned, apart from its neighbours, and reused clean. */
#include "base/arena.h"

#include "test/t.h"

/* Fill size bytes after checking that they are fresh; overlaps would be seen by the next check. */
static unsigned char *take(struct arena *a, size_t size)
{
	unsigned char *p = arena_alloc(a, size);

	T_INT((uintptr_t)p % 16, 0);
	for (size_t i = 0; i < size; i++) {
		T_INT(p[i], 0);
		p[i] = (unsigned char)(size * 31 + i);
	}
	return p;
}

TEST(memory_is_zeroed_aligned_and_apart)
{
	static const size_t sizes[] = { 0, 1, 15, 16, 17, 4000, 4096, 5000, 100000, 2000000, 3 };
	struct arena a;

	arena_init(&a, 0);
	for (int round = 0; round < 3; round++) {
		unsigned char *p[ARRAY_LEN(sizes) * 20];

		for (size_t i = 0; i < ARRAY_LEN(p); i++) {
			p[i] = take(&a, sizes[i % ARRAY_LEN(sizes)]);
		}
		for (size_t i = 0; i < ARRAY_LEN(p); i++) {
			size_t size = sizes[i % ARRAY_LEN(sizes)];

			T_TRUE(size == 0 || p[i][size - 1] == (unsigned char)(size * 32 - 1));
		}
		arena_clear(&a);
		T_TRUE(a.total <= 1 << 20);
	}
	arena_release(&a);
	T_INT(a.total, 0);
}

TEST(clear_keeps_a_chunk_for_the_next_round)
{
	struct arena a;
	void *first;

	arena_init(&a, 0);
	arena_clear(&a);
	first = take(&a, 100);
	take(&a, 100000);
	arena_clear(&a);
	T_TRUE(a.total > 0);
	T_TRUE(take(&a, 100) == first);
	arena_release(&a);
}

TEST(copies_are_terminated)
{
	struct arena a;
	struct slice s;

	arena_init(&a, 0);
	s = arena_dup(&a, S("ab\0c"));
	T_SLICE(s, "ab\0c");
	T_INT(s.p[s.n], 0);
	T_INT(arena_dup(&a, (struct slice) { 0 }).n, 0);
	T_STR(arena_cstr(&a, S("abc")), "abc");
	s = arena_printf(&a, "%s-%d", "x", 12);
	T_SLICE(s, "x-12");
	T_INT(s.p[s.n], 0);
	T_TRUE(((uint64_t *)arena_array(&a, 10, sizeof(uint64_t)))[9] == 0);
	arena_release(&a);
}

T_MAIN(T(memory_is_zeroed_aligned_and_apart), T(clear_keeps_a_chunk_for_the_next_round),
       T(copies_are_terminated))
