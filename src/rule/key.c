/* SPDX-License-Identifier: Apache-2.0 */
/* From groupBy paths and an event to a key. Only the parts that are named are looked at. */
#include "rule/key.h"

#include "base/hash.h"
#include "base/hex.h"
#include "base/json.h"
#include "rule/windows.h"
#include "rule/wire.h"

#define HASHED_BYTES 16
#define GROUP_VALUE_BYTES_MAX 1024 /* what is shown of one value */

/* The value at a path: either a text of the envelope or raw JSON. */
struct value {
	bool found;
	bool is_text;
	struct slice s;
};

static struct value text_value(struct slice text)
{
	return (struct value) { .found = text.n > 0, .is_text = true, .s = text };
}

static struct value raw_value(struct slice raw, const struct rule_path *path)
{
	struct value v = { 0 };

	v.found = raw.n > 0 && json_path(raw, path->segments, path->segments_n, &v.s);
	return v;
}

static struct value value_at(const struct rule_path *path, const struct event *event)
{
	switch (path->root) {
	case RULE_ROOT_TYPE:
		return text_value(event->type);
	case RULE_ROOT_KIND:
		return text_value(event_kind_name(event->kind));
	case RULE_ROOT_SEVERITY:
		return text_value(severity_name(event->severity));
	case RULE_ROOT_SOURCE:
		return text_value(event->source);
	case RULE_ROOT_ENVIRONMENT:
		return text_value(event->environment);
	case RULE_ROOT_FINGERPRINT:
		return text_value(event->fingerprint);
	case RULE_ROOT_TAGS:
		return raw_value(event->tags, path);
	case RULE_ROOT_PAYLOAD:
		return raw_value(event->payload, path);
	case RULE_ROOTS:
		break;
	}
	never("path without a root");
}

static void put_value(const struct value *v, struct buf *out)
{
	if (!v->found) {
		json_key(S("null"), out);
	} else if (v->is_text) {
		buf_putc(out, 's');
		buf_puts(out, v->s);
	} else {
		json_key(v->s, out);
	}
}

/* Behind each part goes its length: read from the end, no two lists of parts look alike. */
static void put_parts(const struct rule_path *paths, size_t n, const struct event *event,
		      struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		struct value v = value_at(&paths[i], event);
		size_t before = out->n;

		put_value(&v, out);
		wire_put(out, out->n - before, 4);
	}
}

static void hash_long(struct buf *key)
{
	unsigned char hash[SHA256_BYTES];
	char hex[2 * HASHED_BYTES];

	sha256(buf_slice(key), hash);
	hex_encode(hash, HASHED_BYTES, hex);
	buf_cut(key, 0);
	buf_putc(key, 'h');
	buf_put(key, hex, sizeof(hex));
}

struct slice rule_key(const struct rule_path *paths, size_t n, const struct event *event,
		      struct buf *scratch)
{
	buf_cut(scratch, 0);
	if (n == 1) {
		struct value v = value_at(paths, event);

		put_value(&v, scratch);
	} else if (n > 1) {
		put_parts(paths, n, event, scratch);
	}
	ensure(!scratch->overflow);
	if (scratch->n > WINDOW_KEY_BYTES_MAX) {
		hash_long(scratch);
	}
	return buf_slice(scratch);
}

struct slice rule_key_group(const struct rule_path *paths, size_t n, const struct event *event,
			    struct arena *tick)
{
	struct slice group;
	struct json_w w;
	struct buf out;

	if (n == 0) {
		return S("");
	}
	buf_init(&out, RULE_GROUP_BY_MAX * 8 * (size_t)GROUP_VALUE_BYTES_MAX);
	json_w_init(&w, &out);
	json_w_object(&w);
	for (size_t i = 0; i < n; i++) {
		struct value v = value_at(&paths[i], event);

		json_w_key_slice(&w, paths[i].text);
		if (!v.found) {
			json_w_null(&w);
		} else if (v.is_text) {
			json_w_str(&w, v.s);
		} else if (v.s.n <= GROUP_VALUE_BYTES_MAX) {
			json_w_raw(&w, v.s);
		} else {
			json_w_str(&w, S("(long value)"));
		}
	}
	json_w_end(&w);
	ensure(!out.overflow);
	group = arena_dup(tick, buf_slice(&out));
	buf_release(&out);
	return group;
}
