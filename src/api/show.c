/* SPDX-License-Identifier: Apache-2.0 */
/* Public ids, written and read. */
#include "api/show.h"

#include "api/api.h"
#include "base/clock.h"
#include "base/json_put.h"

void show_id(struct json_w *w, const char *name, enum id_kind kind, uint64_t v)
{
	struct id_text text = id_format(kind, v);

	json_put_str(w, name, slice_of(text.p));
}

void show_log_id(struct call *c, struct json_w *w, const char *name, enum id_kind kind,
		 uint64_t number, int64_t at_us)
{
	struct log_id id = { .at_ms = at_us / US_PER_MS, .number = number };
	struct id_text text = log_id_format(&journal_meta(c->api->journal)->cipher, kind, id);

	json_put_str(w, name, slice_of(text.p));
}

bool show_parse_log_id(struct call *c, enum id_kind kind, struct slice text, uint64_t *number)
{
	struct log_id id;

	if (!log_id_parse(&journal_meta(c->api->journal)->cipher, kind, text, &id) ||
	    id.number > INT64_MAX) {
		return false;
	}
	*number = id.number;
	return true;
}
