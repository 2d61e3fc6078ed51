/* SPDX-License-Identifier: Apache-2.0 */
/* Each form reads what its system documents, names what is wrong by its own words, and no more. */
#include "source/source.h"

#include "test/t.h"

struct fixture {
	struct arena req;
	struct buf raw;
	struct event event;
	struct source_extra extra;
	struct err err;
};

static bool read_as(struct fixture *f, const struct source_form *form, const char *text)
{
	struct json_scan scan;

	memset(f, 0, sizeof(*f));
	arena_init(&f->req, 0);
	buf_init(&f->raw, 1 << 20);
	json_scan_init(&scan, slice_of(text), JSON_DEPTH_MAX, &f->req);
	return source_read(form, &scan, &f->req, &f->raw, "", &f->event, &f->extra, &f->err) &&
	       json_end(&scan, &f->err);
}

static void release(struct fixture *f)
{
	arena_release(&f->req);
	buf_release(&f->raw);
}

TEST(the_native_form_reads_every_member)
{
	struct fixture f;

	T_TRUE(read_as(
		&f, &source_native,
		"{\"type\":\"checkout_failed\",\"kind\":\"metric\",\"severity\":\"warn\","
		"\"source\":\"shop\",\"environment\":\"production\",\"message\":\"no \\u20ac\","
		"\"value\":1.50,\"tags\":{ \"a\" : \"b\" },\"payload\":{ \"n\": [1, 2] },"
		"\"occurredAt\":\"2026-01-31T09:30:00Z\",\"fingerprint\":\"f\","
		"\"idempotencyKey\":\"k\"}"));
	T_SLICE(f.event.type, "checkout_failed");
	T_INT(f.event.kind, EVENT_METRIC);
	T_INT(f.event.severity, SEVERITY_MEDIUM);
	T_SLICE(f.event.source, "shop");
	T_SLICE(f.event.message, "no \xe2\x82\xac");
	T_SLICE(f.event.value, "1.50");
	T_SLICE(f.event.tags, "{\"a\":\"b\"}");
	T_SLICE(f.event.payload, "{\"n\":[1,2]}");
	T_TRUE(f.event.has_occurred_at);
	T_SLICE(f.event.fingerprint, "f");
	T_SLICE(f.event.idempotency_key, "k");
	release(&f);
}

TEST(older_forms_map_their_own_words)
{
	struct fixture f;

	T_TRUE(read_as(
		&f, &source_signaldesk,
		"{\"type\":\"t\",\"metadata\":{\"a\":1},\"timestamp\":\"2026-01-31T09:30:00Z\","
		"\"more\":[1]}"));
	T_SLICE(f.event.payload, "{\"a\":1}");
	release(&f);
	T_TRUE(read_as(&f, &source_signalops,
		       "{\"type\":\"t\",\"payload\":{},\"source\":\"s\",\"else\":null}"));
	T_SLICE(f.event.source, "s");
	release(&f);
	T_TRUE(read_as(
		&f, &source_pulseboard,
		"{\"apiKey\":\"sk_x\",\"type\":\"error\",\"name\":\"crash\",\"payload\":{\"x\":1},"
		"\"context\":{\"app\":{\"v\":1}}}"));
	T_INT(f.event.kind, EVENT_ERROR);
	T_SLICE(f.event.type, "crash");
	T_SLICE(f.event.tags, "{\"app\":{\"v\":1}}");
	T_SLICE(f.extra.api_key, "sk_x");
	release(&f);
}

TEST(what_is_wrong_is_named)
{
	static const struct {
		const struct source_form *form;
		const char *text;
		enum err_kind kind;
		const char *field;
	} rows[] = {
		{ &source_native, "{}", ERR_INVALID, "type" },
		{ &source_native, "{\"type\":7}", ERR_INVALID, "type" },
		{ &source_native, "{\"type\":null}", ERR_INVALID, "type" },
		{ &source_native, "{\"type\":\"\"}", ERR_INVALID, "type" },
		{ &source_native, "{\"type\":\"t\",\"payload\":[]}", ERR_INVALID, "payload" },
		{ &source_native, "{\"type\":\"t\",\"severity\":\"loud\"}", ERR_INVALID,
		  "severity" },
		{ &source_native, "{\"type\":\"t\",\"occurredAt\":\"2026-02-30T00:00:00Z\"}",
		  ERR_INVALID, "occurredAt" },
		{ &source_native, "{\"type\":\"t\",\"occurredAt\":12}", ERR_INVALID, "occurredAt" },
		{ &source_native, "{\"type\":\"t\",\"valeu\":1}", ERR_INVALID, "valeu" },
		{ &source_native, "{\"type\":\"t\",\"payload\":{},\"metadata\":{}}", ERR_INVALID,
		  "metadata" },
		{ &source_native, "{\"type\":\"t\",\"idempotencyKey\":\"\"}", ERR_INVALID,
		  "idempotencyKey" },
		{ &source_native, "{\"type\":\"t\",\"payload\":{\"a\":1,\"a\":2}}", ERR_INVALID,
		  "payload.a" },
		{ &source_native, "{\"type\":\"t\"", ERR_MALFORMED, "type" },
		{ &source_native, "[]", ERR_INVALID, "" },
		{ &source_signalops, "{\"type\":\"t\"}", ERR_INVALID, "payload" },
		{ &source_pulseboard, "{\"apiKey\":\"k\",\"type\":\"error\",\"payload\":{}}",
		  ERR_INVALID, "name" },
		{ &source_pulseboard,
		  "{\"apiKey\":\"k\",\"type\":\"error\",\"name\":\"a\\nb\",\"payload\":{}}",
		  ERR_INVALID, "name" },
		{ &source_pulseboard,
		  "{\"apiKey\":\"k\",\"type\":\"crash\",\"name\":\"x\",\"payload\":{}}",
		  ERR_INVALID, "type" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fixture f;

		if (read_as(&f, rows[i].form, rows[i].text)) {
			fail_msg("row %zu was taken: %s", i, rows[i].text);
		}
		if (f.err.kind != rows[i].kind || strcmp(f.err.field, rows[i].field) != 0) {
			fail_msg("row %zu: %s at \"%s\": %s", i, err_info(f.err.kind)->code,
				 f.err.field, f.err.text);
		}
		if (rows[i].kind == ERR_INVALID && strstr(f.err.text, rows[i].field) == NULL) {
			fail_msg("row %zu does not name \"%s\": %s", i, rows[i].field, f.err.text);
		}
		release(&f);
	}
}

T_MAIN(T(the_native_form_reads_every_member), T(older_forms_map_their_own_words),
       T(what_is_wrong_is_named))
