/* SPDX-License-Identifier: Apache-2.0 */
/* The commonest values come first, and nothing that was counted is lost. */
#include "api/facets.h"

#include <stdio.h>

#include "test/t.h"

static const char *shown(const struct facet *f)
{
	static char out[4096];
	struct json_w w;
	struct buf b;

	buf_init(&b, sizeof(out) - 1);
	json_w_init(&w, &b);
	facet_write(f, &w);
	snprintf(out, sizeof(out), "%.*s", SARG(buf_slice(&b)));
	buf_release(&b);
	return out;
}

TEST(the_commonest_come_first)
{
	struct arena keep;
	struct facet f;

	arena_init(&keep, 0);
	facet_init(&f, &keep);
	T_STR(shown(&f), "{\"values\":[],\"other\":0}");
	facet_add(&f, S("b"));
	facet_add(&f, S("a"));
	facet_add(&f, S(""));
	facet_add(&f, S("c"));
	facet_add(&f, S("c"));
	T_STR(shown(&f),
	      "{\"values\":[{\"value\":\"c\",\"count\":2},{\"value\":null,\"count\":1},"
	      "{\"value\":\"a\",\"count\":1},{\"value\":\"b\",\"count\":1}],\"other\":0}");
	facet_release(&f);
	arena_release(&keep);
}

TEST(the_rest_is_counted_together)
{
	struct arena keep;
	struct facet f;
	char text[16];

	arena_init(&keep, 0);
	facet_init(&f, &keep);
	for (int i = 0; i < FACET_VALUES_MAX + 5; i++) {
		snprintf(text, sizeof(text), "v%04d", i);
		facet_add(&f, slice_of(text));
		if (i < FACET_SHOWN) {
			facet_add(&f, slice_of(text));
		}
	}
	T_TRUE(strstr(shown(&f), "{\"value\":\"v0009\",\"count\":2}],\"other\":995}") != NULL);
	facet_release(&f);
	arena_release(&keep);
}

T_MAIN(T(the_commonest_come_first), T(the_rest_is_counted_together))
