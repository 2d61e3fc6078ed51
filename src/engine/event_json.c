/* SPDX-License-Identifier: Apache-2.0 */
/* The forms of a stored event, side by side. */
#include "engine/event_json.h"

#include "base/clock.h"
#include "base/time.h"

struct id_text event_public_id(const struct journal_meta *meta, const struct record *record)
{
	struct log_id id = { .at_ms = record->received_at_us / US_PER_MS, .number = record->seq };

	return log_id_format(&meta->cipher, ID_EVENT, id);
}

static void key_str(struct json_w *w, const char *key, struct slice value)
{
	json_w_key(w, key);
	json_w_str(w, value);
}

static void key_str_or_null(struct json_w *w, const char *key, struct slice value)
{
	json_w_key(w, key);
	if (value.n == 0) {
		json_w_null(w);
	} else {
		json_w_str(w, value);
	}
}

static void key_raw(struct json_w *w, const char *key, struct slice value, struct slice absent)
{
	json_w_key(w, key);
	json_w_raw(w, value.n == 0 ? absent : value);
}

static void key_time(struct json_w *w, const char *key, int64_t us)
{
	char text[TIME_TEXT_MAX];

	key_str(w, key, time_format(us, TIME_MILLIS, text));
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

	json_w_object(w);
	key_str(w, "id", view->id);
	key_str(w, "type", e->type);
	key_str(w, "kind", event_kind_name(e->kind));
	key_str_or_null(w, "severity", severity_name(e->severity));
	key_str_or_null(w, "source", e->source);
	key_str_or_null(w, "environment", e->environment);
	key_str_or_null(w, "message", e->message);
	key_raw(w, "value", e->value, S("null"));
	key_raw(w, "payload", e->payload, S("{}"));
	key_raw(w, "tags", e->tags, S("{}"));
	key_str_or_null(w, "fingerprint", e->fingerprint);
	key_str_or_null(w, "idempotencyKey", e->idempotency_key);
	key_time(w, "occurredAt", occurred_us(view));
	key_time(w, "receivedAt", view->record->received_at_us);
	key_str(w, "projectId", slice_of(project.p));
	json_w_end(w);
}

void event_json_write_signaldesk(const struct event_view *view, const bool *processed,
				 struct json_w *w)
{
	json_w_object(w);
	key_str(w, "id", view->id);
	key_str(w, "type", view->event->type);
	key_raw(w, "metadata", view->event->payload, S("{}"));
	key_time(w, "timestamp", occurred_us(view));
	if (processed != NULL) {
		json_w_key(w, "processed");
		json_w_bool(w, *processed);
	}
	json_w_end(w);
}

void event_json_write_pulseboard(const struct event_view *view, struct json_w *w)
{
	struct id_text project = id_format(ID_PROJECT, view->record->project.v);

	json_w_object(w);
	key_str(w, "id", view->id);
	key_str(w, "projectId", slice_of(project.p));
	key_str(w, "type", event_kind_name(view->event->kind));
	key_str(w, "name", view->event->type);
	key_raw(w, "payload", view->event->payload, S("{}"));
	key_time(w, "timestamp", occurred_us(view));
	key_time(w, "receivedAt", view->record->received_at_us);
	json_w_end(w);
}
