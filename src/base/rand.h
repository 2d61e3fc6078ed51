/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_RAND_H
#define BASE_RAND_H

#include "base/base.h"

/* Unpredictable bytes from the kernel; aborts when it has none. Any thread. */
void rand_bytes(void *p, size_t n);
uint64_t rand_u64(void);
/* Uniform in [0, bound); bound > 0. */
uint64_t rand_below(uint64_t bound);

#endif
