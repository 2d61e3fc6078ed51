/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever a server says at /metrics is read, within bounds. */
#include "cmd/bench/scrape.h"

#include "test/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct sample samples[2];
	struct scrape s = { .samples = samples, .n = 2 };

	scrape_parse((struct slice) { (const char *)p, n }, &samples[0]);
	scrape_parse((struct slice) { (const char *)p, n / 2 }, &samples[1]);
	ensure(samples[0].flushes.n <= SCRAPE_BOUNDS_MAX);
	ensure(SCRAPED == 64 || samples[0].has >> SCRAPED == 0);
	for (int i = 0; i <= 10; i++) {
		(void)scrape_flush_s(&s, (double)i / 10);
	}
	return 0;
}
