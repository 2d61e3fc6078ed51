/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_BENCH_RULES_H
#define CMD_BENCH_RULES_H

#include "cmd/bench/run.h"

/* The rules of a load that measures up to the receipt: one per key, each event fires it. */
struct rules {
	struct slice *ids; /* in the arena of the run; empty: not made */
	size_t n;
};

/* Make them, for webhooks or for notifications. What was made before an error is in *rules. */
NODISCARD bool rules_add(struct rules *rules, struct run *r, struct err *err);
/* Remove what was made; false with the last error when one of them stayed. */
NODISCARD bool rules_remove(struct rules *rules, struct run *r, struct err *err);

#endif
