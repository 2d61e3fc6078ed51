/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_LIVE_FRAME_H
#define ENGINE_LIVE_FRAME_H

#include "base/buf.h"
#include "engine/event_json.h"
#include "engine/live.h"
#include "store/changes.h"

/* The bytes of frames in each form. Pure; any thread. */

/* Append one event. scratch is cut and used. */
void live_frame_event(enum live_form form, const struct event_view *view, struct slice id,
		      struct buf *scratch, struct buf *out);
/* Append one change; nothing in the forms that have none. */
void live_frame_change(enum live_form form, const struct change_row *row, struct slice id,
		       struct buf *scratch, struct buf *out);
/* Append a frame of the hub's own: "connected", "resync". id may be empty. */
void live_frame_notice(enum live_form form, const char *name, struct project_id project,
		       struct slice id, struct buf *scratch, struct buf *out);

#endif
