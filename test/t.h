/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_T_H
#define TEST_T_H

/*
 * The vocabulary of the unit and contract tests, over cmocka. A test file is: tests named after
 * the promise they hold, one table, T_MAIN.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/slice.h"

#define TEST(name) static void name(void **state UNUSED)
#define T_MAIN(...) \
	int main(void) \
	{ \
		const struct CMUnitTest tests[] = { __VA_ARGS__ }; \
		return cmocka_run_group_tests(tests, NULL, NULL); \
	}
#define T(name) cmocka_unit_test(name)

#define T_TRUE(x) assert_true(x)
#define T_FALSE(x) assert_false(x)
#define T_INT(a, b) assert_int_equal((intmax_t)(a), (intmax_t)(b))
#define T_STR(a, b) assert_string_equal((a), (b))
/* A slice against a string literal. */
#define T_SLICE(s, lit) t_slice((s), S(lit), __FILE__, __LINE__)
/* A call that must succeed; the error text is shown when it does not. err is in scope. */
#define T_OK(call) \
	do { \
		struct err *t_err = &err; \
		if (!(call)) { \
			fail_msg("%s: %s", #call, t_err->text); \
		} \
	} while (0)
/* A call that must fail with this kind. err is in scope. */
#define T_FAIL(call, want) \
	do { \
		struct err *t_err = &err; \
		if (call) { \
			fail_msg("%s succeeded", #call); \
		} \
		assert_int_equal(t_err->kind, (want)); \
	} while (0)
/* Leave this test undone and say why; `make test` shows the reason. */
#define T_SKIP(why) \
	do { \
		print_message("# skip: " why "\n"); \
		skip(); \
	} while (0)

static inline void t_slice(struct slice got, struct slice want, const char *file, int line)
{
	if (!slice_eq(got, want)) {
		print_error("got \"%.*s\", want \"%.*s\"\n", SARG(got), SARG(want));
		_fail(file, line);
	}
}

#endif
