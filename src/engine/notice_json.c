/* SPDX-License-Identifier: Apache-2.0 */
/* A notice for people and their programs. */
#include "engine/notice_json.h"

#include "base/time.h"

static void key_str(struct json_w *w, const char *key, struct slice value)
{
	json_w_key(w, key);
	json_w_str(w, value);
}

static void key_int(struct json_w *w, const char *key, int64_t value)
{
	json_w_key(w, key);
	json_w_int(w, value);
}

static void key_raw(struct json_w *w, const char *key, struct slice value)
{
	json_w_key(w, key);
	json_w_raw(w, value.n > 0 ? value : S("{}"));
}

static void key_time(struct json_w *w, const char *key, int64_t us)
{
	char text[TIME_TEXT_MAX];

	key_str(w, key, time_format(us, TIME_MILLIS, text));
}

void notice_json_write(const struct notice *n, struct json_w *w)
{
	key_str(w, "alertId", n->alert);
	key_str(w, "ruleId", n->rule);
	key_str(w, "ruleName", n->rule_name);
	key_str(w, "severity", severity_name(n->severity));
	key_int(w, "threshold", n->threshold);
	key_int(w, "windowSeconds", n->window_s);
	key_int(w, "count", n->count);
	json_w_key(w, "countIsLeast");
	json_w_bool(w, n->count_at_least);
	key_raw(w, "group", n->key);
	key_time(w, "triggeredAt", n->triggered_at_us);
	key_str(w, "eventId", n->event);
	key_str(w, "eventType", n->event_type);
	key_raw(w, "eventMetadata", n->event_payload);
	key_time(w, "receivedAt", n->received_at_us);
	key_time(w, "occurredAt", n->occurred_at_us != 0 ? n->occurred_at_us : n->received_at_us);
}
