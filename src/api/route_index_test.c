/* SPDX-License-Identifier: Apache-2.0 */
/* The index says what a walk over the table would: for every row, and for paths near them. */
#include "api/route_index.h"
#include "base/rand.h"

#include "test/t.h"

/* What the pattern's parameters are in the paths of this test. */
static struct slice filled(const char *pattern, const char *value, struct arena *req)
{
	struct slice rest = slice_from(slice_of(pattern), 1), part, out = { 0 };

	while (slice_split(&rest, '/', &part)) {
		out = part.p[0] == ':' ? arena_printf(req, "%.*s/%s", SARG(out), value)
				       : arena_printf(req, "%.*s/%.*s", SARG(out), SARG(part));
	}
	return out;
}

/* Part by part, as the table reads. */
static bool same(const char *pattern, struct slice path)
{
	struct slice want = slice_of(pattern), part, have;

	while (slice_split(&want, '/', &part)) {
		if (!slice_split(&path, '/', &have)) {
			return false;
		}
		if (part.n > 0 && part.p[0] == ':' ? have.n == 0 : !slice_eq(part, have)) {
			return false;
		}
	}
	return path.p == NULL || path.n == 0;
}

static const struct route *walk(enum http_method method, struct slice path, bool socket,
				bool *known)
{
	const struct route *r;
	size_t at = 0;

	*known = false;
	if (path.n > 1 && path.p[path.n - 1] == '/') {
		return NULL;
	}
	while ((r = route_next(&at)) != NULL) {
		if ((r->who == WHO_SOCKET && !socket) || !same(r->path, path)) {
			continue;
		}
		*known = true;
		if (r->method == method) {
			return r;
		}
	}
	return NULL;
}

static void compare(const struct route_index *index, struct slice path, struct arena *req)
{
	for (enum http_method m = HTTP_GET; m < HTTP_METHODS; m++) {
		for (int socket = 0; socket < 2; socket++) {
			struct slice params[ROUTE_PARAMS_MAX], allow;
			bool known, is_known;
			const struct route *want = walk(m == HTTP_HEAD ? HTTP_GET : m, path,
							socket != 0, &known);
			const struct route *got = route_find(index, m, path, socket != 0, req,
							     params, &is_known, &allow);

			if (got != want || is_known != known) {
				fail_msg("%s %.*s: %s, not %s", route_method_name(m), SARG(path),
					 got == NULL ? "none" : got->name,
					 want == NULL ? "none" : want->name);
			}
			T_TRUE((allow.n > 0) == (got == NULL && known));
		}
	}
}

TEST(every_row_is_found_where_a_walk_finds_it)
{
	struct route_index *index = route_index_new();
	const struct route *r;
	size_t at = 0;
	struct arena req;

	while ((r = route_next(&at)) != NULL) {
		arena_init(&req, 0);
		compare(index, filled(r->path, "x1", &req), &req);
		compare(index, filled(r->path, "events", &req), &req);
		compare(index, filled(r->path, "", &req), &req);
		arena_release(&req);
	}
	route_index_free(&index);
}

/* One byte changed, one left out, one more: mostly no path at all, sometimes another one. */
TEST(paths_near_a_row_are_no_way_around_it)
{
	static const char bytes[] = "/:.%?aE0-_ \t";
	struct route_index *index = route_index_new();
	struct arena req;

	for (int round = 0; round < 5000; round++) {
		const struct route *r = NULL;
		size_t at = 0;

		arena_init(&req, 0);
		for (uint64_t skip = rand_below(200); skip-- > 0 || r == NULL;) {
			const struct route *next = route_next(&at);

			if (next == NULL) {
				break;
			}
			r = next;
		}
		struct slice path = filled(r->path, "id", &req);
		size_t cut = rand_below(path.n);
		char byte = bytes[rand_below(sizeof(bytes) - 1)];
		struct slice after = slice_from(path, cut + rand_below(2));

		compare(index,
			arena_printf(&req, "/%.*s%c%.*s", (int)(cut > 0 ? cut - 1 : 0), path.p + 1,
				     byte, SARG(after)),
			&req);
		arena_release(&req);
	}
	route_index_free(&index);
}

TEST(parameters_come_decoded_and_in_order)
{
	struct route_index *index = route_index_new();
	struct slice params[ROUTE_PARAMS_MAX], allow;
	const struct route *r;
	struct arena req;
	bool known;

	arena_init(&req, 0);
	r = route_find(index, HTTP_PATCH, S("/projects/a%20b/insights/c%2Fd/read"), false, &req,
		       params, &known, &allow);
	T_TRUE(r != NULL);
	T_STR(r->name, "pulseboardReadInsight");
	T_TRUE(slice_eq(params[0], S("a b")));
	T_TRUE(slice_eq(params[1], S("c/d")));
	r = route_find(index, HTTP_PUT, S("/api/v1/events"), false, &req, params, &known, &allow);
	T_TRUE(r == NULL && known);
	T_TRUE(slice_eq(allow, S("GET, POST, DELETE")));
	arena_release(&req);
	route_index_free(&index);
}

TEST(a_path_of_slashes_is_no_work)
{
	struct route_index *index = route_index_new();
	static char path[8192];
	struct slice params[ROUTE_PARAMS_MAX], allow;
	struct arena req;
	bool known;

	memset(path, '/', sizeof(path));
	arena_init(&req, 0);
	T_TRUE(route_find(index, HTTP_GET, (struct slice) { path, sizeof(path) }, false, &req,
			  params, &known, &allow) == NULL);
	T_TRUE(!known);
	arena_release(&req);
	route_index_free(&index);
}

T_MAIN(T(every_row_is_found_where_a_walk_finds_it), T(paths_near_a_row_are_no_way_around_it),
       T(parameters_come_decoded_and_in_order), T(a_path_of_slashes_is_no_work))
