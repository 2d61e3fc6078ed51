/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_BENCH_PROGRESS_H
#define CMD_BENCH_PROGRESS_H

#include "cmd/bench/run.h"

/* One line on standard error: how far the load is. */
void progress_line(const struct run *r, int64_t now_us);

#endif
