/* SPDX-License-Identifier: Apache-2.0 */
/* Only what was changed is told, and of that only what may be seen. */
#include "model/audit.h"

#include <stdio.h>

#include "test/t.h"

static struct arena req;
static struct slice before, after;

static void diff(struct slice old, struct slice new, const char *const *shown)
{
	struct err err = { 0 };

	T_OK(audit_diff(old, new, shown, &req, &before, &after, &err));
}

TEST(only_what_differs_is_told)
{
	arena_init(&req, 0);
	diff(S("{\"a\":1,\"b\":\"x\",\"c\":[1,2]}"), S("{\"a\":1,\"b\":\"y\",\"c\":[1,2]}"), NULL);
	T_SLICE(before, "{\"b\":\"x\"}");
	T_SLICE(after, "{\"b\":\"y\"}");
	diff(S("{\"a\":1}"), S("{\"a\":1}"), NULL);
	T_INT(before.n + after.n, 0);
	diff(S("{\"a\":1}"), S("{\"a\":1,\"n\":null}"), NULL);
	T_INT(before.n, 0);
	T_SLICE(after, "{\"n\":null}");
	arena_release(&req);
}

TEST(what_is_made_has_no_before_and_what_is_gone_no_after)
{
	arena_init(&req, 0);
	diff(S(""), S("{\"a\":1}"), NULL);
	T_INT(before.n, 0);
	T_SLICE(after, "{\"a\":1}");
	diff(S("{\"a\":1}"), S(""), NULL);
	T_SLICE(before, "{\"a\":1}");
	T_INT(after.n, 0);
	arena_release(&req);
}

TEST(what_is_not_listed_is_not_seen)
{
	static const char *const shown[] = { "name", NULL };

	arena_init(&req, 0);
	diff(S("{\"name\":\"a\",\"secret\":\"1\"}"), S("{\"name\":\"b\",\"secret\":\"2\"}"), shown);
	T_SLICE(before, "{\"name\":\"a\"}");
	T_SLICE(after, "{\"name\":\"b\"}");
	diff(S("{\"name\":\"a\",\"secret\":\"1\"}"), S("{\"name\":\"a\",\"secret\":\"2\"}"), shown);
	T_INT(before.n + after.n, 0);
	arena_release(&req);
}

static struct slice object_of(size_t members, size_t bytes)
{
	struct slice text;
	struct buf out;

	buf_init(&out, (size_t)1 << 20);
	buf_putc(&out, '{');
	for (size_t i = 0; i < members; i++) {
		buf_printf(&out, "%s\"member%zu\":\"", i == 0 ? "" : ",", i);
		for (size_t j = 0; j < bytes; j++) {
			buf_putc(&out, 'x');
		}
		buf_putc(&out, '"');
	}
	buf_putc(&out, '}');
	text = arena_dup(&req, buf_slice(&out));
	buf_release(&out);
	return text;
}

TEST(what_is_long_is_told_by_its_hash)
{
	struct slice one;

	arena_init(&req, 0);
	one = object_of(1, AUDIT_VALUE_BYTES_MAX);
	diff(S(""), one, NULL);
	T_TRUE(after.n < 200 &&
	       slice_starts(after, S("{\"member0\":{\"bytes\":4098,\"sha256\":\"")));
	diff(S(""), object_of(40, 4000), NULL);
	T_TRUE(after.n <= AUDIT_FIELDS_BYTES_MAX);
	diff(S(""), object_of(1000, 900), NULL);
	T_TRUE(slice_starts(after, S("{\"bytes\":")));
	arena_release(&req);
}

TEST(what_is_no_object_is_refused)
{
	struct err err = { 0 };

	arena_init(&req, 0);
	T_FAIL(audit_diff(S("[]"), S("{}"), NULL, &req, &before, &after, &err), ERR_MALFORMED);
	T_FAIL(audit_diff(S("{}"), S("{"), NULL, &req, &before, &after, &err), ERR_MALFORMED);
	arena_release(&req);
}

T_MAIN(T(only_what_differs_is_told), T(what_is_made_has_no_before_and_what_is_gone_no_after),
       T(what_is_not_listed_is_not_seen), T(what_is_long_is_told_by_its_hash),
       T(what_is_no_object_is_refused))
