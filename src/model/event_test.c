/* SPDX-License-Identifier: Apache-2.0 */
/* An event has one canonical form, which comes back exactly, and limits that name the member. */
#include "model/event.h"

#include "test/t.h"

static const struct event full = {
	.type = { "checkout_failed", 15 },
	.kind = EVENT_ERROR,
	.severity = SEVERITY_HIGH,
	.source = { "shop \"eu\"", 9 },
	.environment = { "production", 10 },
	.message = { "card\nrefused \\ \x01\xc3\xa9", 18 },
	.value = { "1.250e3", 7 },
	.fingerprint = { "f1", 2 },
	.idempotency_key = { "k-1", 3 },
	.tags = { "{\"a\":\"}\\\"\",\"b\":{}}", 18 },
	.payload = { "{\"amount\":12.50,\"x\":[1,{}]}", 27 },
	.has_occurred_at = true,
	.occurred_at_us = INT64_C(1790000000123456),
};

static struct slice encoded(const struct event *event, struct buf *out)
{
	buf_init(out, EVENT_BYTES_MAX);
	event_encode(event, out);
	T_FALSE(out->overflow);
	return buf_slice(out);
}

TEST(the_canonical_form_has_one_order)
{
	struct event small = { .type = S("a") };
	struct buf out;

	T_SLICE(encoded(&small, &out), "{\"type\":\"a\"}");
	buf_release(&out);
	T_SLICE(encoded(&full, &out),
		"{\"type\":\"checkout_failed\",\"kind\":\"error\",\"severity\":\"high\","
		"\"source\":\"shop \\\"eu\\\"\",\"environment\":\"production\","
		"\"message\":\"card\\nrefused \\\\ \\u0001\xc3\xa9\",\"value\":1.250e3,"
		"\"occurredAt\":1790000000123456,\"fingerprint\":\"f1\",\"idempotencyKey\":\"k-1\","
		"\"tags\":{\"a\":\"}\\\"\",\"b\":{}},\"payload\":{\"amount\":12.50,\"x\":[1,{}]}}");
	buf_release(&out);
}

static bool same(const struct event *a, const struct event *b)
{
	return slice_eq(a->type, b->type) && a->kind == b->kind && a->severity == b->severity &&
	       slice_eq(a->source, b->source) && slice_eq(a->environment, b->environment) &&
	       slice_eq(a->message, b->message) && slice_eq(a->value, b->value) &&
	       slice_eq(a->fingerprint, b->fingerprint) &&
	       slice_eq(a->idempotency_key, b->idempotency_key) && slice_eq(a->tags, b->tags) &&
	       slice_eq(a->payload, b->payload) && a->has_occurred_at == b->has_occurred_at &&
	       a->occurred_at_us == b->occurred_at_us;
}

/* Leave out every subset of the optional members. */
TEST(every_mix_of_members_comes_back)
{
	struct arena tick;
	struct err err;

	arena_init(&tick, 0);
	for (unsigned mask = 0; mask < 1U << 11; mask++) {
		struct event event = full, back;
		struct slice *texts[] = { &event.source, &event.environment, &event.message,
					  &event.value,	 &event.fingerprint, &event.idempotency_key,
					  &event.tags,	 &event.payload };
		struct buf out, again;

		for (unsigned i = 0; i < ARRAY_LEN(texts); i++) {
			if ((mask >> i & 1) != 0) {
				*texts[i] = S("");
			}
		}
		event.kind = (mask >> 8 & 1) != 0 ? EVENT_METRIC : EVENT_PLAIN;
		event.severity = (mask >> 9 & 1) != 0 ? SEVERITY_NONE : SEVERITY_LOW;
		if ((mask >> 10 & 1) != 0) {
			event.has_occurred_at = false;
			event.occurred_at_us = 0;
		}
		T_OK(event_decode(encoded(&event, &out), &tick, &back, &err));
		T_TRUE(same(&event, &back));
		T_INT(event_severity(buf_slice(&out)), event.severity);
		T_TRUE(slice_eq(encoded(&back, &again), buf_slice(&out)));
		buf_release(&out);
		buf_release(&again);
		arena_clear(&tick);
	}
	arena_release(&tick);
}

TEST(damaged_forms_are_refused_or_read_within_bounds)
{
	struct arena tick;
	struct event event;
	struct buf out;
	struct slice body = encoded(&full, &out);
	struct err err;

	arena_init(&tick, 0);
	for (size_t n = 0; n < body.n; n++) {
		char *copy = memcpy(mem_alloc(1, n + 1), body.p, n);

		if (n > body.n - full.payload.n && copy[n - 1] == '}') {
			free(copy); /* the payload is not read, so a brace in it may end it */
			continue;
		}
		T_FAIL(event_decode((struct slice) { copy, n }, &tick, &event, &err), ERR_CORRUPT);
		T_TRUE(event_severity((struct slice) { copy, n }) < SEVERITIES);
		free(copy);
	}
	for (size_t i = 0; i < body.n * 8; i++) {
		char *copy = memcpy(mem_alloc(1, body.n), body.p, body.n);

		copy[i / 8] = (char)(copy[i / 8] ^ 1 << i % 8);
		if (!event_decode((struct slice) { copy, body.n }, &tick, &event, &err)) {
			T_INT(err.kind, ERR_CORRUPT);
		}
		T_TRUE(event_severity((struct slice) { copy, body.n }) < SEVERITIES);
		free(copy);
	}
	buf_release(&out);
	arena_release(&tick);
}

TEST(other_orders_and_white_space_are_not_canonical)
{
	static const char *const bodies[] = {
		"",
		"{}",
		"{\"type\":\"\"}",
		"{\"type\":1}",
		"{ \"type\":\"a\"}",
		"{\"type\":\"a\",\"source\":\"\"}",
		"{\"type\":\"a\",\"kind\":\"event\"}",
		"{\"type\":\"a\",\"severity\":\"HIGH\"}",
		"{\"type\":\"a\",\"source\":\"s\",\"severity\":\"low\"}",
		"{\"type\":\"a\",\"source\":\"s\",\"source\":\"t\"}",
		"{\"type\":\"a\",\"occurredAt\":-1}",
		"{\"type\":\"a\",\"occurredAt\":1.5}",
		"{\"type\":\"a\",\"value\":}",
		"{\"type\":\"a\",\"tags\":[]}",
		"{\"type\":\"a\",\"tags\":{}",
		"{\"type\":\"a\",\"payload\":}",
		"{\"type\":\"a\",\"more\":1}",
		"{\"type\":\"a\\x\"}",
		"{\"type\":\"a\"}}",
	};
	struct arena tick;
	struct event event;
	struct err err;

	arena_init(&tick, 0);
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		T_FAIL(event_decode(slice_of(bodies[i]), &tick, &event, &err), ERR_CORRUPT);
	}
	arena_release(&tick);
}

TEST(limits_name_the_member)
{
	static char big[EVENT_BYTES_MAX];
	struct {
		size_t at, max;
		const char *field;
	} rows[] = {
		{ offsetof(struct event, type), 255, "events[3].type" },
		{ offsetof(struct event, source), 255, "events[3].source" },
		{ offsetof(struct event, environment), 100, "events[3].environment" },
		{ offsetof(struct event, message), 8192, "events[3].message" },
		{ offsetof(struct event, value), 64, "events[3].value" },
		{ offsetof(struct event, fingerprint), 500, "events[3].fingerprint" },
		{ offsetof(struct event, idempotency_key), 255, "events[3].idempotencyKey" },
	};
	struct err err;

	memset(big, 'x', sizeof(big));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct event event = { .type = S("a") };
		struct slice *text = (void *)((char *)&event + rows[i].at);

		*text = (struct slice) { big, rows[i].max };
		T_OK(event_check(&event, "events[3].", &err));
		text->n++;
		T_FAIL(event_check(&event, "events[3].", &err), ERR_INVALID);
		T_STR(err.field, rows[i].field);
		*text = S("a\x02");
		T_FAIL(event_check(&event, "events[3].", &err), ERR_INVALID);
		*text = S("\xff");
		T_FAIL(event_check(&event, "events[3].", &err), ERR_INVALID);
	}
}

TEST(an_event_fits_or_is_too_large)
{
	static char big[EVENT_BYTES_MAX];
	struct event event = { .type = S("a"), .payload = { big, EVENT_BYTES_MAX - 23 } };
	struct err err;
	struct buf out;

	memset(big, '1', sizeof(big));
	T_OK(event_check(&event, "", &err));
	T_INT(encoded(&event, &out).n, EVENT_BYTES_MAX);
	buf_release(&out);
	event.payload.n++;
	T_FAIL(event_check(&event, "", &err), ERR_TOO_LARGE);
	T_STR(err.field, "payload");
	event.payload.n = 0;
	event.type = S("");
	T_FAIL(event_check(&event, "", &err), ERR_INVALID);
	T_STR(err.text, "\"type\" must be 1 to 255 bytes long");
	event.type = S("a");
	event.has_occurred_at = true;
	event.occurred_at_us = -1;
	T_FAIL(event_check(&event, "", &err), ERR_INVALID);
	T_STR(err.field, "occurredAt");
}

TEST(nobody_else_sends_events_of_the_server)
{
	struct event event = { .type = S("tocsin.usage.100") };
	struct err err;

	T_FAIL(event_check(&event, "[3].", &err), ERR_INVALID);
	T_STR(err.field, "[3].type");
	T_STR(err.text, "\"[3].type\" must not begin with \"tocsin.\": such events come from the "
			"server alone");
	event.type = S("tocsin.");
	T_FAIL(event_check(&event, "", &err), ERR_INVALID);
	event.type = S("tocsin");
	T_OK(event_check(&event, "", &err));
	event.type = S("tocsins.usage");
	T_OK(event_check(&event, "", &err));
	T_OK(event_type_check(S("tocsin.usage.100"), "", &err));
}

TEST(kinds_come_back)
{
	enum event_kind kind;

	for (enum event_kind k = EVENT_PLAIN; k < EVENT_KINDS; k++) {
		T_TRUE(event_kind_parse(event_kind_name(k), &kind));
		T_INT(kind, k);
	}
	T_TRUE(event_kind_parse(S("Metric"), &kind));
	T_FALSE(event_kind_parse(S("log"), &kind));
}

T_MAIN(T(the_canonical_form_has_one_order), T(every_mix_of_members_comes_back),
       T(damaged_forms_are_refused_or_read_within_bounds),
       T(other_orders_and_white_space_are_not_canonical), T(limits_name_the_member),
       T(an_event_fits_or_is_too_large), T(nobody_else_sends_events_of_the_server),
       T(kinds_come_back))
