/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_EVENT_JSON_H
#define ENGINE_EVENT_JSON_H

#include "base/json.h"
#include "journal/journal.h"
#include "model/event.h"

/* A stored event as people see it: what was sent and what the server added. Pure; any thread. */

struct event_view {
	const struct record *record;
	const struct event *event;
	struct slice id; /* public */
};

/* The public id of an event record. */
struct id_text event_public_id(const struct journal_meta *meta, const struct record *record);

/* {id, type, kind, severity, ..., receivedAt, projectId, keyId}; keyId is null for our own */
void event_json_write(const struct event_view *view, struct json_w *w);
/* The form of SignalDesk: {id, type, metadata, timestamp}; with processed when a list wants it. */
void event_json_write_signaldesk(const struct event_view *view, const bool *processed,
				 struct json_w *w);
/* The form of PulseBoard: {id, projectId, type, name, payload, timestamp, receivedAt}. */
void event_json_write_pulseboard(const struct event_view *view, struct json_w *w);

#endif
