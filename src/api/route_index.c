/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows hang at the head of their path: what comes before its first parameter, which is all of it
 * for most. A request asks for its own path, and for each part of it that ends in a slash: a few
 * looks, where a walk over the table took as long as the rest of a small request.
 */
#include "api/route_index.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "net/http_query.h"

struct hung {
	const struct route *row;
	size_t at; /* in the table */
	struct hung *next;
};

struct head {
	struct slice text;
	struct hung *rows; /* the last of the table first */
};

struct route_index {
	struct arena boot;
	struct map heads; /* of struct head */
	size_t longest;	  /* head: a path of slashes is not asked for beyond it */
};

static struct slice head_of(const struct route *r)
{
	const char *param = strchr(r->path, ':');

	return (struct slice) { .p = r->path,
				.n = param == NULL ? strlen(r->path) : (size_t)(param - r->path) };
}

static void hang(struct route_index *index, const struct route *r, size_t at)
{
	struct slice text = head_of(r);
	struct head *head = map_get(&index->heads, text);
	struct hung *hung = arena_new(&index->boot, struct hung);

	if (head == NULL) {
		head = arena_new(&index->boot, struct head);
		head->text = text;
		map_put(&index->heads, head->text, head);
	}
	*hung = (struct hung) { .row = r, .at = at, .next = head->rows };
	head->rows = hung;
	index->longest = text.n > index->longest ? text.n : index->longest;
}

struct route_index *route_index_new(void)
{
	struct route_index *index = mem_alloc(1, sizeof(*index));
	const struct route *r;
	size_t at = 0;

	arena_init(&index->boot, 0);
	map_init(&index->heads);
	while ((r = route_next(&at)) != NULL) {
		hang(index, r, at);
	}
	return index;
}

void route_index_free(struct route_index **index)
{
	if (*index == NULL) {
		return;
	}
	map_release(&(*index)->heads);
	arena_release(&(*index)->boot);
	free(*index);
	*index = NULL;
}

/* Raw parts may be longer than decoded ones, never the other way round. */
static bool match(const char *pattern, struct slice path)
{
	struct slice want = slice_from(slice_of(pattern), 1), have = slice_from(path, 1);
	struct slice want_part, have_part;

	while (slice_split(&want, '/', &want_part)) {
		if (!slice_split(&have, '/', &have_part)) {
			return false;
		}
		if (want_part.p[0] == ':' ? have_part.n == 0 : !slice_eq(want_part, have_part)) {
			return false;
		}
	}
	return have.n == 0 && path.p[path.n - 1] != '/';
}

static bool fits(const struct route *r, struct slice path)
{
	return strchr(r->path, ':') == NULL ? slice_eq(slice_of(r->path), path)
					    : match(r->path, path);
}

static void read_params(const char *pattern, struct slice path, struct arena *req,
			struct slice params[ROUTE_PARAMS_MAX])
{
	struct slice want = slice_from(slice_of(pattern), 1), have = slice_from(path, 1);
	struct slice want_part, have_part;
	size_t n = 0;

	while (slice_split(&want, '/', &want_part) && slice_split(&have, '/', &have_part)) {
		if (want_part.p[0] == ':') {
			params[n++] = http_path_decode(have_part, req);
		}
	}
}

struct question {
	struct slice path;
	unsigned methods; /* of the rows with this path, as bits */
	enum http_method wanted;
	bool socket;
	const struct hung *found;
};

static void ask_head(struct question *q, const struct route_index *index, struct slice text)
{
	const struct head *head = map_get(&index->heads, text);

	for (const struct hung *h = head == NULL ? NULL : head->rows; h != NULL; h = h->next) {
		if ((h->row->who == WHO_SOCKET && !q->socket) || !fits(h->row, q->path)) {
			continue;
		}
		q->methods |= 1U << h->row->method;
		if (h->row->method == q->wanted && (q->found == NULL || h->at < q->found->at)) {
			q->found = h;
		}
	}
}

static struct slice methods_text(unsigned methods, struct arena *req)
{
	char text[64];
	size_t n = 0;

	for (enum http_method m = 0; m < HTTP_METHODS; m++) {
		if ((methods & (1U << m)) != 0) {
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", n > 0 ? ", " : "",
					      route_method_name(m));
			ensure(n < sizeof(text));
		}
	}
	return arena_dup(req, (struct slice) { .p = text, .n = n });
}

const struct route *route_find(const struct route_index *index, enum http_method method,
			       struct slice path, bool socket, struct arena *req,
			       struct slice params[ROUTE_PARAMS_MAX], bool *path_known,
			       struct slice *allow)
{
	struct question q = { .path = path,
			      .wanted = method == HTTP_HEAD ? HTTP_GET : method,
			      .socket = socket };

	ask_head(&q, index, path);
	for (size_t i = 0; i + 1 < path.n && i < index->longest; i++) {
		if (path.p[i] == '/') {
			ask_head(&q, index, (struct slice) { .p = path.p, .n = i + 1 });
		}
	}
	*path_known = q.methods != 0;
	*allow = (struct slice) { 0 };
	if (q.found != NULL) {
		read_params(q.found->row->path, path, req, params);
		return q.found->row;
	}
	*allow = methods_text(q.methods, req);
	return NULL;
}
