/* SPDX-License-Identifier: Apache-2.0 */
/* The lines that answers are made of. */
#include "api/show.h"

#include "api/api.h"
#include "base/clock.h"
#include "base/time.h"

void show_str(struct json_w *w, const char *name, struct slice value)
{
	json_w_key(w, name);
	json_w_str(w, value);
}

void show_str_or_null(struct json_w *w, const char *name, struct slice value)
{
	json_w_key(w, name);
	if (value.n == 0) {
		json_w_null(w);
	} else {
		json_w_str(w, value);
	}
}

void show_int_or_null(struct json_w *w, const char *name, int64_t value)
{
	json_w_key(w, name);
	if (value == 0) {
		json_w_null(w);
	} else {
		json_w_int(w, value);
	}
}

void show_time(struct json_w *w, const char *name, int64_t us)
{
	char text[TIME_TEXT_MAX];

	show_str(w, name, time_format(us, TIME_MILLIS, text));
}

void show_time_or_null(struct json_w *w, const char *name, int64_t us)
{
	if (us != 0) {
		show_time(w, name, us);
		return;
	}
	json_w_key(w, name);
	json_w_null(w);
}

void show_json(struct json_w *w, const char *name, struct slice value, const char *absent)
{
	json_w_key(w, name);
	json_w_raw(w, value.n > 0 ? value : slice_of(absent));
}

void show_id(struct json_w *w, const char *name, enum id_kind kind, uint64_t v)
{
	struct id_text text = id_format(kind, v);

	show_str(w, name, slice_of(text.p));
}

void show_log_id(struct call *c, struct json_w *w, const char *name, enum id_kind kind,
		 uint64_t number, int64_t at_us)
{
	struct log_id id = { .at_ms = at_us / US_PER_MS, .number = number };
	struct id_text text = log_id_format(&journal_meta(c->api->journal)->cipher, kind, id);

	show_str(w, name, slice_of(text.p));
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
