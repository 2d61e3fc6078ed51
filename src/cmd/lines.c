/* SPDX-License-Identifier: Apache-2.0 */
/* A batch is a run of the input as it came: nothing is copied. */
#include "cmd/lines.h"

void lines_init(struct lines *l)
{
	*l = (struct lines) { 0 };
	buf_init(&l->in, LINES_BYTES_MAX);
}

void lines_release(struct lines *l)
{
	buf_release(&l->in);
}

char *lines_room(struct lines *l, size_t n)
{
	if (l->at > 0) {
		buf_shift(&l->in, l->at);
		l->at = 0;
	}
	return buf_room(&l->in, n);
}

void lines_add(struct lines *l, size_t n)
{
	l->in.n += n;
}

static struct slice rest_of(const struct lines *l)
{
	return slice_from(buf_slice(&l->in), l->at);
}

bool lines_full(const struct lines *l)
{
	struct slice rest = rest_of(l);
	size_t n = 0, at = 0;

	if (rest.n >= LINES_BATCH_BYTES_MAX) {
		return true;
	}
	while (at < rest.n && n < LINES_PER_BATCH) {
		at += slice_find(slice_from(rest, at), '\n') + 1;
		n += at <= rest.n;
	}
	return n == LINES_PER_BATCH;
}

/* As the server sees it. */
static bool is_empty(struct slice line)
{
	line = slice_trim(line);
	return line.n == 0 || (line.n == 1 && line.p[0] == '\r');
}

bool lines_take(struct lines *l, bool end, struct lines_batch *out)
{
	struct slice rest = rest_of(l);
	size_t taken = 0;

	out->n = 0;
	while (out->n < LINES_PER_BATCH && taken < rest.n) {
		struct slice line = slice_from(rest, taken);
		size_t len = slice_find(line, '\n');

		if ((len == line.n && !end) ||
		    (out->n > 0 && taken + len > LINES_BATCH_BYTES_MAX)) {
			break;
		}
		l->number++;
		line.n = len;
		if (!is_empty(line)) {
			out->numbers[out->n++] = l->number;
		}
		taken += len < rest.n - taken ? len + 1 : len;
	}
	out->body = (struct slice) { rest.p, taken };
	l->at += taken;
	return out->n > 0;
}
