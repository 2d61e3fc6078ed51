/* SPDX-License-Identifier: Apache-2.0 */
/* A notice for people and their programs. */
#include "engine/notice_json.h"

#include "base/json_put.h"

void notice_json_write(const struct notice *n, struct json_w *w)
{
	json_put_str(w, "alertId", n->alert);
	json_put_str(w, "ruleId", n->rule);
	json_put_str(w, "ruleName", n->rule_name);
	json_put_str(w, "severity", severity_name(n->severity));
	json_put_int(w, "threshold", n->threshold);
	json_put_int(w, "windowSeconds", n->window_s);
	json_put_int(w, "count", n->count);
	json_put_bool(w, "countAtLeast", n->count_at_least);
	json_put_raw(w, "group", n->key, "{}");
	json_put_time(w, "triggeredAt", n->triggered_at_us);
	json_put_str(w, "eventId", n->event);
	json_put_str(w, "eventType", n->event_type);
	json_put_raw(w, "eventMetadata", n->event_payload, "{}");
	json_put_time(w, "receivedAt", n->received_at_us);
	json_put_time(w, "occurredAt",
		      n->occurred_at_us != 0 ? n->occurred_at_us : n->received_at_us);
}
