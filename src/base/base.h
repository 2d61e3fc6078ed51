/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_BASE_H
#define BASE_BASE_H

/*
 * What every file of the program takes for granted: standard types, attributes, assertions.
 * The one umbrella header. Assertions stay on in production: they state what the programmer
 * promised, never what a peer sent.
 */

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NODISCARD __attribute__((warn_unused_result))
#define NORETURN __attribute__((noreturn))
#define PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#define UNUSED __attribute__((unused))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* The answer of a look-up that can also go wrong. FAILED comes with a filled struct err. */
enum found { NOT_FOUND, FOUND, FAILED };

/* Abort with place and text when a promise of the code itself is broken. Any thread. */
#define ensure(cond) ((cond) ? (void)0 : ensure_failed(#cond, __FILE__, __LINE__))
#define never(what) ensure_failed("never: " what, __FILE__, __LINE__)

NORETURN void ensure_failed(const char *what, const char *file, int line);

/*
 * Zeroed memory that the caller frees with free(). Running out of memory aborts here, so no caller
 * tests for NULL; that is safe because every size that comes from outside is bounded before.
 */
void *mem_alloc(size_t count, size_t size);
/* Resize p (may be NULL) to count * size bytes; new ones are not zeroed. Aborts like mem_alloc. */
void *mem_resize(void *p, size_t count, size_t size);

#endif
