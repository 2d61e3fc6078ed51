/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_NOTICE_JSON_H
#define ENGINE_NOTICE_JSON_H

#include "base/json.h"
#include "channel/notice.h"

/*
 * A notice as streams and the API show it, with the member names that SignalDesk's clients read.
 * Members only: the caller opens and ends the object, and may add its own. Pure; any thread.
 */
void notice_json_write(const struct notice *notice, struct json_w *w);

#endif
