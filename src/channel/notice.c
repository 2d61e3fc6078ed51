/* SPDX-License-Identifier: Apache-2.0 */
/* One table of members serves both ways, so that what is written is what is read. */
#include "channel/notice.h"

#include "base/json.h"

enum member_kind { TEXT, RAW, INT, BOOL };

static const struct member {
	const char *key;
	enum member_kind kind;
	size_t offset;
} members[] = {
#define M(kind, key, member) \
	{ \
		key, kind, offsetof(struct notice, member) \
	}
	M(TEXT, "org", org),
	M(TEXT, "project", project),
	M(TEXT, "rule", rule),
	M(TEXT, "alert", alert),
	M(TEXT, "event", event),
	M(TEXT, "ruleName", rule_name),
	M(TEXT, "eventType", event_type),
	M(RAW, "payload", event_payload),
	M(TEXT, "key", key),
	M(INT, "threshold", threshold),
	M(INT, "windowSeconds", window_s),
	M(INT, "count", count),
	M(BOOL, "countAtLeast", count_at_least),
	M(INT, "occurredAt", occurred_at_us),
	M(INT, "receivedAt", received_at_us),
	M(INT, "triggeredAt", triggered_at_us),
#undef M
};

struct slice notice_news_name(enum notice_news news)
{
	switch (news) {
	case NOTICE_FIRED:
		return S("alert.fired");
	case NOTICE_OPENED:
		return S("alert.opened");
	case NOTICE_ESCALATED:
		return S("alert.escalated");
	case NOTICE_RESOLVED:
		return S("alert.resolved");
	case NOTICE_TEST:
		return S("test");
	case NOTICE_NEWS:
		break;
	}
	never("notice_news");
}

static void write_member(struct json_w *w, const struct member *m, const void *at)
{
	const struct slice *text = at;

	if ((m->kind == TEXT || m->kind == RAW) && text->n == 0) {
		return;
	}
	json_w_key(w, m->key);
	switch (m->kind) {
	case TEXT:
		json_w_str(w, *text);
		return;
	case RAW:
		json_w_raw(w, *text);
		return;
	case INT:
		json_w_int(w, *(const int64_t *)at);
		return;
	case BOOL:
		json_w_bool(w, *(const bool *)at);
		return;
	}
	never("member_kind");
}

void notice_encode(const struct notice *notice, struct buf *out)
{
	struct json_w w;

	json_w_init(&w, out);
	json_w_object(&w);
	json_w_key(&w, "news");
	json_w_str(&w, notice_news_name(notice->news));
	json_w_key(&w, "severity");
	json_w_str(&w, severity_name(notice->severity));
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		write_member(&w, &members[i], (const char *)notice + members[i].offset);
	}
	json_w_end(&w);
}

static bool read_member(struct json_scan *s, const struct member *m, void *at, struct err *err)
{
	switch (m->kind) {
	case TEXT:
		return json_string(s, at, err);
	case RAW:
		return json_raw(s, at, err);
	case INT:
		return json_int(s, at, err);
	case BOOL:
		return json_bool(s, at, err);
	}
	never("member_kind");
}

static bool read_news(struct json_scan *s, enum notice_news *out, struct err *err)
{
	struct slice name;

	if (!json_string(s, &name, err)) {
		return false;
	}
	for (*out = 0; *out < NOTICE_NEWS; (*out)++) {
		if (slice_eq(notice_news_name(*out), name)) {
			return true;
		}
	}
	return json_fail(s, err, "is no kind of news");
}

static bool read_key(struct json_scan *s, struct slice key, struct notice *out, struct err *err)
{
	struct slice text;

	if (slice_eq(key, S("news"))) {
		return read_news(s, &out->news, err);
	}
	if (slice_eq(key, S("severity"))) {
		if (!json_string(s, &text, err)) {
			return false;
		}
		out->severity = severity_parse(text);
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		if (slice_eq(key, slice_of(members[i].key))) {
			return read_member(s, &members[i], (char *)out + members[i].offset, err);
		}
	}
	return true;
}

bool notice_decode(struct slice json, struct arena *tick, struct notice *out, struct err *err)
{
	struct json_scan s;
	struct slice key;
	enum found more = FAILED;

	*out = (struct notice) { 0 };
	json_scan_init(&s, json, JSON_DEPTH_LIMIT, tick);
	if (json_begin_object(&s, err)) {
		while ((more = json_next_key(&s, &key, err)) == FOUND) {
			if (!read_key(&s, key, out, err)) {
				more = FAILED;
				break;
			}
		}
	}
	if (more == FAILED || !json_end(&s, err)) {
		err->kind = ERR_CORRUPT;
		return err_wrap(err, "stored notice");
	}
	return true;
}
