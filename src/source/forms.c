/* SPDX-License-Identifier: Apache-2.0 */
/* The forms of events, side by side: what differs between them is all there is to see. */
#include "source/source.h"

#define FORM(name_, members_, ignore_unknown_) \
	{ \
		.name = (name_), .members = (members_), .n = ARRAY_LEN(members_), \
		.ignore_unknown = (ignore_unknown_) \
	}

static const struct source_member native[] = {
	{ "type", SLOT_TYPE, true, 0 },
	{ "payload", SLOT_PAYLOAD, false, 0 },
	{ "idempotencyKey", SLOT_IDEMPOTENCY_KEY, false, 0 },
	{ "severity", SLOT_SEVERITY, false, 0 },
	{ "source", SLOT_SOURCE, false, 0 },
	{ "environment", SLOT_ENVIRONMENT, false, 0 },
	{ "message", SLOT_MESSAGE, false, 0 },
	{ "value", SLOT_VALUE, false, 0 },
	{ "tags", SLOT_TAGS, false, 0 },
	{ "kind", SLOT_KIND, false, 0 },
	{ "occurredAt", SLOT_OCCURRED_AT, false, 0 },
	{ "fingerprint", SLOT_FINGERPRINT, false, 0 },
	{ "metadata", SLOT_PAYLOAD, false, 0 },
};
const struct source_form source_native = FORM("native", native, false);

static const struct source_member signaldesk[] = {
	{ "type", SLOT_TYPE, true, 255 },
	{ "metadata", SLOT_PAYLOAD, false, 0 },
	{ "timestamp", SLOT_OCCURRED_AT, false, 0 },
	{ "idempotencyKey", SLOT_IDEMPOTENCY_KEY, false, 0 },
};
const struct source_form source_signaldesk = FORM("signaldesk", signaldesk, true);

static const struct source_member signalops[] = {
	{ "type", SLOT_TYPE, true, 120 },
	{ "payload", SLOT_PAYLOAD, true, 0 },
	{ "source", SLOT_SOURCE, false, 255 },
	{ "occurredAt", SLOT_OCCURRED_AT, false, 0 },
};
const struct source_form source_signalops = FORM("signalops", signalops, true);

static const struct source_member pulseboard[] = {
	{ "apiKey", SLOT_API_KEY, true, 256 },
	{ "type", SLOT_KIND, true, 0 },
	{ "name", SLOT_TYPE, true, 0 },
	{ "payload", SLOT_PAYLOAD, true, 0 },
	{ "timestamp", SLOT_OCCURRED_AT, false, 0 },
	{ "context", SLOT_TAGS, false, 0 },
};
const struct source_form source_pulseboard = FORM("pulseboard", pulseboard, true);
