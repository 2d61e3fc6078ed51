/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_FUZZ_FUZZ_H
#define TEST_FUZZ_FUZZ_H

/*
 * What a fuzz driver is: one function that hands n bytes to a parser and checks what must hold for
 * any bytes. It may abort (ensure, a sanitizer); it keeps nothing from one call to the next, and
 * frees what it allocates. libFuzzer calls it, and so does test/fuzz/replay_main.c.
 */
#include <stddef.h>
#include <stdint.h>

/* p is borrowed and exactly n bytes long, so that reading one byte too many is seen. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

#endif
