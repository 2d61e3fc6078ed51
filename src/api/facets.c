/* SPDX-License-Identifier: Apache-2.0 */
/* Counting values, and picking the commonest. */
#include "api/facets.h"

#include <stdlib.h>

#include "base/json_put.h"

struct facet_value {
	struct slice text;
	uint64_t count;
};

void facet_init(struct facet *f, struct arena *keep)
{
	*f = (struct facet) { .keep = keep };
	map_init(&f->values);
}

void facet_release(struct facet *f)
{
	map_release(&f->values);
}

void facet_add(struct facet *f, struct slice text)
{
	struct facet_value *value = map_get(&f->values, text);

	if (value == NULL && f->values.n == FACET_VALUES_MAX) {
		f->other++;
		return;
	}
	if (value == NULL) {
		value = arena_new(f->keep, struct facet_value);
		value->text = arena_dup(f->keep, text);
		map_put(&f->values, value->text, value);
	}
	value->count++;
}

/* By count, then by text, so that equal counts come in one order. */
static int compare(const void *a, const void *b)
{
	const struct facet_value *x = *(const struct facet_value *const *)a;
	const struct facet_value *y = *(const struct facet_value *const *)b;

	if (x->count != y->count) {
		return x->count > y->count ? -1 : 1;
	}
	return slice_cmp(x->text, y->text);
}

void facet_write(const struct facet *f, struct json_w *w)
{
	const struct facet_value *all[FACET_VALUES_MAX];
	const struct facet_value *value;
	uint64_t other = f->other;
	size_t n = 0, at = 0;

	while ((value = map_next(&f->values, &at)) != NULL) {
		all[n++] = value;
	}
	qsort(all, n, sizeof(struct facet_value *), compare);
	json_w_object(w);
	json_w_key(w, "values");
	json_w_array(w);
	for (size_t i = 0; i < n; i++) {
		if (i >= FACET_SHOWN) {
			other += all[i]->count;
			continue;
		}
		json_w_object(w);
		json_put_str_or_null(w, "value", all[i]->text);
		json_put_int(w, "count", (int64_t)all[i]->count);
		json_w_end(w);
	}
	json_w_end(w);
	json_put_int(w, "other", (int64_t)other);
	json_w_end(w);
}
