/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers stay in their range, reach all of it, and differ. */
#include "base/rand.h"

#include "test/t.h"

TEST(every_value_below_the_bound_is_reached)
{
	/* A value of 37 missing in 10,000 tries: once in 10^117 runs. */
	for (uint64_t bound = 1; bound <= 37; bound++) {
		bool seen[37] = { false };

		for (int i = 0; i < 10000; i++) {
			uint64_t v = rand_below(bound);

			T_TRUE(v < bound);
			seen[v] = true;
		}
		for (uint64_t v = 0; v < bound; v++) {
			T_TRUE(seen[v]);
		}
	}
	for (int i = 0; i < 1000; i++) {
		T_TRUE(rand_below(UINT64_MAX) < UINT64_MAX);
		T_TRUE(rand_below((UINT64_C(1) << 63) + 1) <= UINT64_C(1) << 63);
	}
}

TEST(bytes_differ)
{
	unsigned char a[32], b[32];

	rand_bytes(a, sizeof(a));
	rand_bytes(b, sizeof(b));
	T_TRUE(memcmp(a, b, sizeof(a)) != 0);
	T_TRUE(rand_u64() != rand_u64());
}

T_MAIN(T(every_value_below_the_bound_is_reached), T(bytes_differ))
