/* SPDX-License-Identifier: Apache-2.0 */
/* The lines that answers are made of. */
#include "base/json_put.h"

#include "base/time.h"

static void put_null(struct json_w *w, const char *name)
{
	json_w_key(w, name);
	json_w_null(w);
}

void json_put_str(struct json_w *w, const char *name, struct slice value)
{
	json_w_key(w, name);
	json_w_str(w, value);
}

void json_put_str_or_null(struct json_w *w, const char *name, struct slice value)
{
	if (value.n == 0) {
		put_null(w, name);
	} else {
		json_put_str(w, name, value);
	}
}

void json_put_int(struct json_w *w, const char *name, int64_t value)
{
	json_w_key(w, name);
	json_w_int(w, value);
}

void json_put_int_or_null(struct json_w *w, const char *name, int64_t value)
{
	if (value == 0) {
		put_null(w, name);
	} else {
		json_put_int(w, name, value);
	}
}

void json_put_bool(struct json_w *w, const char *name, bool value)
{
	json_w_key(w, name);
	json_w_bool(w, value);
}

void json_put_raw(struct json_w *w, const char *name, struct slice value, const char *absent)
{
	json_w_key(w, name);
	json_w_raw(w, value.n > 0 ? value : slice_of(absent));
}

void json_put_time(struct json_w *w, const char *name, int64_t us)
{
	char text[TIME_TEXT_MAX];

	json_put_str(w, name, time_format(us, TIME_MILLIS, text));
}

void json_put_time_or_null(struct json_w *w, const char *name, int64_t us)
{
	if (us == 0) {
		put_null(w, name);
	} else {
		json_put_time(w, name, us);
	}
}
