/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers and splits read any bytes without leaving them. */
#include "base/slice.h"

#include "test/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct slice rest = { (const char *)p, n }, part;
	size_t seen = 0;
	int64_t i;

	while (slice_split(&rest, ',', &part)) {
		seen += part.n + 1;
		if (slice_i64(part, &i) && part.n > 0 && part.p[0] != '-') {
			ensure(i >= 0);
		}
	}
	ensure(seen <= n + 1);
	return 0;
}
