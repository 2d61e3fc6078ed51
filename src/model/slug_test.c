/* SPDX-License-Identifier: Apache-2.0 */
/* A slug is made of what every address takes, however odd the name. */
#include "model/slug.h"

#include "test/t.h"

TEST(names_become_slugs)
{
	static const struct {
		const char *name, *slug;
	} rows[] = {
		{ "Acme", "acme" },
		{ "Acme Inc.", "acme-inc" },
		{ "  a -- b  ", "a-b" },
		{ "R&D / 2026", "r-d-2026" },
		{ "", "org" },
		{ "!!!", "org" },
		{ "\xc3\x9c"
		  "ber",
		  "ber" },
		{ "x_y", "x-y" },
	};
	struct arena req;

	arena_init(&req, 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct slice got = slug_of(slice_of(rows[i].name), S("org"), &req);

		T_TRUE(slice_eq(got, slice_of(rows[i].slug)));
	}
	arena_release(&req);
}

TEST(long_names_are_cut_and_end_in_no_dash)
{
	char name[200];
	struct arena req;
	struct slice got;

	arena_init(&req, 0);
	memset(name, 'a', sizeof(name));
	name[SLUG_BYTES_MAX - 1] = ' ';
	got = slug_of((struct slice) { name, sizeof(name) }, S("org"), &req);
	T_TRUE(got.n <= SLUG_BYTES_MAX);
	T_TRUE(got.p[got.n - 1] != '-');
	arena_release(&req);
}

TEST(tries_differ)
{
	struct arena req;

	arena_init(&req, 0);
	T_SLICE(slug_try(S("acme"), 0, 7, &req), "acme");
	T_SLICE(slug_try(S("acme"), 1, 7, &req), "acme-2");
	T_SLICE(slug_try(S("acme"), 8, 7, &req), "acme-9");
	T_SLICE(slug_try(S("acme"), 9, 7, &req), "acme-00000007");
	arena_release(&req);
}

TEST(tries_of_long_names_are_slugs_as_well)
{
	char name[SLUG_BYTES_MAX];
	struct slice slug = { name, sizeof(name) }, got;
	struct arena req;

	arena_init(&req, 0);
	memset(name, 'a', sizeof(name));
	name[SLUG_BYTES_MAX - 3] = '-';
	T_INT(slug_try(slug, 0, 7, &req).n, SLUG_BYTES_MAX);
	got = slug_try(slug, 1, 7, &req);
	T_INT(got.n, SLUG_BYTES_MAX - 1);
	T_TRUE(slice_eq(slice_from(got, got.n - 3), S("a-2")));
	got = slug_try(slug, 9, 7, &req);
	T_INT(got.n, SLUG_BYTES_MAX);
	T_TRUE(slice_eq(slice_from(got, got.n - 10), S("a-00000007")));
	arena_release(&req);
}

T_MAIN(T(names_become_slugs), T(long_names_are_cut_and_end_in_no_dash), T(tries_differ),
       T(tries_of_long_names_are_slugs_as_well))
