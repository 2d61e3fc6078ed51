/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_SHOW_H
#define API_SHOW_H

#include "api/call.h"

/* Public ids in answers and paths: what every resource file would write again. Pure. */

/* A configuration object's public id. */
void show_id(struct json_w *w, const char *name, enum id_kind kind, uint64_t v);
/* The public id of something born from the log. */
void show_log_id(struct call *c, struct json_w *w, const char *name, enum id_kind kind,
		 uint64_t number, int64_t at_us);
/* The other way round. False when text is no id of this kind. */
NODISCARD bool show_parse_log_id(struct call *c, enum id_kind kind, struct slice text,
				 uint64_t *number);

#endif
