/* SPDX-License-Identifier: Apache-2.0 */
/* The forms of a stored event, side by side. */
#include "engine/event_json.h"

#include "base/clock.h"
#include "base/json_put.h"

struct id_text event_public_id(const struct journal_meta *meta, const struct record *record)
{
	struct log_id id = { .at_ms = record->received_at_us / US_PER_MS, .number = record->seq };

	return log_id_format(&meta->cipher, ID_EVENT, id);
}

static int64_t occurred_us(const struct event_view *view)
{
	return view->event->has_occurred_at ? view->event->occurred_at_us
					    : view->record->received_at_us;
}

void event_json_write(const struct event_view *view, struct json_w *w)
{
	const struct event *e = view->event;
	struct id_text project = id_format(ID_PROJECT, view->record->project.v);
	struct id_text key = id_format(ID_KEY, view->record->key.v);

	json_w_object(w);
	json_put_str(w, "id", view->id);
	json_put_str(w, "type", e->type);
	json_put_str(w, "kind", event_kind_name(e->kind));
	json_put_str_or_null(w, "severity", severity_name(e->severity));
	json_put_str_or_null(w, "source", e->source);
	json_put_str_or_null(w, "environment", e->environment);
	json_put_str_or_null(w, "message", e->message);
	json_put_raw(w, "value", e->value, "null");
	json_put_raw(w, "payload", e->payload, "{}");
	json_put_raw(w, "tags", e->tags, "{}");
	json_put_str_or_null(w, "fingerprint", e->fingerprint);
	json_put_str_or_null(w, "idempotencyKey", e->idempotency_key);
	json_put_time(w, "occurredAt", occurred_us(view));
	json_put_time(w, "receivedAt", view->record->received_at_us);
	json_put_str(w, "projectId", slice_of(project.p));
	json_put_str_or_null(w, "keyId",
			     view->record->key.v <= KEY_OF_PEOPLE.v ? S("") : slice_of(key.p));
	json_w_end(w);
}

void event_json_write_signaldesk(const struct event_view *view, const bool *processed,
				 struct json_w *w)
{
	json_w_object(w);
	json_put_str(w, "id", view->id);
	json_put_str(w, "type", view->event->type);
	json_put_raw(w, "metadata", view->event->payload, "{}");
	json_put_time(w, "timestamp", occurred_us(view));
	if (processed != NULL) {
		json_put_bool(w, "processed", *processed);
	}
	json_w_end(w);
}

void event_json_write_pulseboard(const struct event_view *view, struct json_w *w)
{
	struct id_text project = id_format(ID_PROJECT, view->record->project.v);

	json_w_object(w);
	json_put_str(w, "id", view->id);
	json_put_str(w, "projectId", slice_of(project.p));
	json_put_str(w, "type", event_kind_name(view->event->kind));
	json_put_str(w, "name", view->event->type);
	json_put_raw(w, "payload", view->event->payload, "{}");
	json_put_time(w, "timestamp", occurred_us(view));
	json_put_time(w, "receivedAt", view->record->received_at_us);
	json_w_end(w);
}
