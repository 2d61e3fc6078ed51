/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <time.h>

#include "base/base.h"

/*
 * The only place that reads clocks. Everything that decides takes the time as an argument, so the
 * callers are few: the loop, the courier, the log. Any thread, never blocks.
 */
#define US_PER_S INT64_C(1000000)
#define US_PER_MS INT64_C(1000)

/* Microseconds since 1970-01-01 UTC, plus the test shift if one is set. May jump. */
int64_t clock_wall_us(void);
/* Microseconds since some start. Never goes back, does not see clock changes. */
int64_t clock_mono_us(void);
/*
 * The instant wait_us from now (now if negative) for pthread_cond_timedwait with CLOCK_MONOTONIC.
 * It ignores the test shift: waiting is done in real time.
 */
struct timespec clock_deadline(int64_t wait_us);

/*
 * Let tests move the clocks of a running server: path names a file of one or two int64 in host
 * order, mapped and read at each call: microseconds that both clocks are ahead, as if time had
 * passed, and how much more the wall clock is, as if it had been set. False when it cannot be
 * mapped.
 */
NODISCARD bool clock_shift_from(const char *path);

#endif
