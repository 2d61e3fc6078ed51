/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_JSON_PUT_H
#define BASE_JSON_PUT_H

#include "base/json.h"

/* Whole members of the object that is open in a writer, a line each. Pure; any thread. */

void json_put_str(struct json_w *w, const char *name, struct slice value);
/* null when empty. */
void json_put_str_or_null(struct json_w *w, const char *name, struct slice value);
void json_put_int(struct json_w *w, const char *name, int64_t value);
/* null when 0. */
void json_put_int_or_null(struct json_w *w, const char *name, int64_t value);
void json_put_bool(struct json_w *w, const char *name, bool value);
/* value is JSON; absent, JSON too, stands in for an empty one. */
void json_put_raw(struct json_w *w, const char *name, struct slice value, const char *absent);
/* RFC 3339 with milliseconds; us as in base/time.h. */
void json_put_time(struct json_w *w, const char *name, int64_t us);
/* null when 0. */
void json_put_time_or_null(struct json_w *w, const char *name, int64_t us);

#endif
