/* SPDX-License-Identifier: Apache-2.0 */
/* A query finds what it says in whatever spelling of JSON it was stored, and nothing else. */
#include "model/event_query.h"

#include <stdio.h>

#include "base/fold.h"
#include "base/utf8.h"
#include "test/t.h"

#define FRONT \
	"{\"type\":\"shop.sold\",\"kind\":\"error\",\"severity\":\"high\",\"source\":\"web\"," \
	"\"message\":\"Card declined\",\"value\":12.50,\"occurredAt\":1700000000000000," \
	"\"tags\":{\"a.b\":\"c\"},\"payload\":"

static bool ask(const char *q, struct slice body)
{
	struct event event;
	struct event_query query;
	struct arena req;
	struct buf scratch;
	struct err err;
	bool found;

	arena_init(&req, 0);
	buf_init(&scratch, QUERY_SCRATCH_BYTES);
	T_OK(event_query_parse(slice_of(q), &req, &query, &err));
	T_OK(event_decode(body, &req, &event, &err));
	found = event_query_matches(&query, body, &event, &scratch);
	if (found) {
		T_TRUE(event_query_may_match(&query, body));
	}
	buf_release(&scratch);
	arena_release(&req);
	return found;
}

static bool in(const char *payload, const char *q)
{
	char body[2048];

	snprintf(body, sizeof(body), FRONT "%s}", payload);
	return ask(q, slice_of(body));
}

#define HAS(payload, q) T_TRUE(in(payload, q))
#define LACKS(payload, q) T_FALSE(in(payload, q))

TEST(texts_are_found_wherever_they_are)
{
	HAS("{}", "DECLINED");
	HAS("{}", "\"card declined\"");
	HAS("{}", "shop sold web");
	HAS("{}", "12.5");
	HAS("{\"a\":[1,{\"b\":[\"deep\"]}]}", "deep");
	HAS("\"alone\"", "alone");
	HAS("{\"n\":1234567}", "345");
	HAS("{\"n\":-3e5}", "\"-3e5\"");
	LACKS("{}", "\"declined card\"");
	LACKS("{}", "shop bought");
	LACKS("{\"a\":\"one\",\"b\":\"two\"}", "onetwo");
	LACKS("{\"a\":\"one\",\"b\":\"two\"}", "\"one,\"");
}

TEST(names_and_what_has_filters_are_no_texts)
{
	LACKS("{\"timeout\":1}", "timeout");
	LACKS("{}", "high");
	LACKS("{}", "170000");
	LACKS("{}", "payload");
	LACKS("{\"a\":true,\"b\":null}", "true");
	HAS("{\"kind\":\"x9\",\"severity\":\"y9\"}", "x9 y9");
	LACKS("{\"a\":false}", "error");
	HAS("{\"kind\":\"error\"}", "error");
}

TEST(escapes_are_looked_through)
{
	HAS("{\"a\":\"caf\\u00e9\"}", "CAFÉ");
	HAS("{\"a\":\"\\u0074imeout\"}", "timeout");
	HAS("{\"a\":\"a\\/b\"}", "a/b");
	HAS("{\"a\":\"\\ud83d\\ude00\"}", "😀");
	HAS("{\"a\":\"say \\\"hi\\\"\"}", "\"say \\\"hi\\\"\"");
	HAS("{\"a\":\"c:\\\\temp\"}", "c:\\temp");
	HAS("{\"a\":\"line\\nbreak\"}", "line");
	LACKS("{\"a\":\"line\\nbreak\"}", "nbreak");
	LACKS("{\"a\":\"\\u00e9\"}", "u00e9");
	HAS("{\"a\":\"\\\\\",\"b\":\"x\"}", "x");
	HAS("{\"\\u0062\":\"v\"}", "payload.b:v");
	HAS("{\"b\":\"\\u0076\"}", "payload.b:v");
}

TEST(members_are_compared)
{
	HAS("{}", "type:shop.sold source:web source:* -env:x");
	LACKS("{}", "env:*");
	HAS("{}", "type:shop.* severity:high kind:error value:12.5 value:>12 value:<=12.5");
	LACKS("{}", "type:shop");
	LACKS("{}", "source:WEB");
	LACKS("{}", "value:12");
	HAS("{}", "severity:>=medium severity:<critical");
	LACKS("{}", "severity:<high");
	HAS("{}", "tags.a.b:c");
	HAS("{}", "message:\"Card declined\"");
	LACKS("{}", "message:Card");
	HAS("{}", "message:Card*");
	LACKS("{}", "fingerprint:*");
}

TEST(paths_lead_to_values)
{
	HAS("{\"u\":{\"id\":42}}", "payload.u.id:42");
	HAS("{\"u\":{\"id\":42.0}}", "payload.u.id:42");
	HAS("{\"u\":{\"id\":42}}", "payload.u.id:4.2e1");
	LACKS("{\"u\":{\"id\":\"42\"}}", "payload.u.id:43");
	HAS("{\"u\":{\"id\":\"42\"}}", "payload.u.id:42");
	HAS("{\"u\":{\"id\":\"42\"}}", "payload.u.id:\"42\"");
	LACKS("{\"u\":{\"id\":42}}", "payload.u.id:\"42\"");
	HAS("{\"a\":true}", "payload.a:true");
	HAS("{\"a\":null}", "payload.a:null");
	LACKS("{\"a\":null}", "payload.a:*");
	HAS("{\"a\":0}", "payload.a:*");
	LACKS("{\"b\":0}", "payload.a:*");
	HAS("{\"a\":[1,\"x\",{\"k\":1}]}", "payload.a:x");
	HAS("{\"a\":[1,\"x\",{\"k\":1}]}", "payload.a:1 payload.a:* payload.a.2.k:1");
	LACKS("{\"a\":[1,\"x\",{\"k\":2}]}", "payload.a:2");
	HAS("{\"a\":[\"]\",[3],5]}", "payload.a:5");
	LACKS("{\"a\":[]}", "payload.a:5");
	HAS("{\"a\":{}}", "payload.a:*");
	LACKS("{\"a\":{}}", "payload.a:x");
	HAS("{\"ms\":503}", "payload.ms:>=503 payload.ms:<504 payload.ms:5*");
	LACKS("{\"ms\":\"503\"}", "payload.ms:>=503");
	HAS("{\"a\":1}", "-payload.a:2 -payload.b:1 -payload.b:*");
	LACKS("{\"a\":1}", "-payload.a:1");
}

TEST(negated_texts_refuse)
{
	LACKS("{\"a\":\"x\"}", "-X");
	HAS("{\"a\":\"x\"}", "declined -y");
	LACKS("{\"a\":\"x\",\"b\":\"y\"}", "y -x");
}

/* A random event against the same by a tree, in which every text is folded and searched slowly. */

static uint64_t seed;

/* The same numbers in every run (Knuth's constants). */
static size_t dice(size_t below)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (size_t)(seed >> 33) % below;
}

static const uint32_t points[] = { 'a', 'B', 'c', '1', ' ',  '/',  '"',	  '\\',
				   '-', ':', 'u', 'e', 0xe9, 0xc9, 0x434, 0x1f600 };

static void put_string(struct buf *out)
{
	buf_putc(out, '"');
	for (size_t n = dice(6); n > 0; n--) {
		uint32_t c = points[dice(ARRAY_LEN(points))];
		char p[4];

		if (c == '/' && dice(2) == 0) {
			buf_puts(out, S("\\/"));
		} else if (c < 0x10000 && dice(8) == 0) {
			buf_printf(out, "\\u%04x", (unsigned)c);
		} else if (c == '"' || c == '\\') {
			buf_printf(out, "\\%c", (char)c);
		} else {
			buf_put(out, p, utf8_put(c, p));
		}
	}
	buf_putc(out, '"');
}

static void put_value(struct buf *out, unsigned depth)
{
	size_t kind = dice(depth > 3 ? 4 : 6);
	size_t n = dice(4);

	switch (kind) {
	case 0:
	case 1:
		put_string(out);
		return;
	case 2:
		buf_printf(out, "%s%zu%s", dice(3) == 0 ? "-" : "", dice(200),
			   dice(3) == 0 ? ".25" : "");
		return;
	case 3:
		buf_puts(out, slice_of((const char *[]) { "true", "false", "null" }[dice(3)]));
		return;
	default:
		buf_putc(out, kind == 4 ? '[' : '{');
		for (size_t i = 0; i < n; i++) {
			if (i > 0) {
				buf_putc(out, ',');
			}
			if (kind == 5) {
				buf_printf(out, "\"k%zu\":", i);
			}
			put_value(out, depth + 1);
		}
		buf_putc(out, kind == 4 ? ']' : '}');
		return;
	}
}

static bool holds(struct slice text, struct slice want)
{
	char a[256], b[256];

	fold_text(text, a);
	fold_text(want, b);
	return memmem(a, text.n, b, want.n) != NULL;
}

static bool tree_holds(const struct json *v, struct slice want, bool top)
{
	if (v->type == JSON_STRING || v->type == JSON_NUMBER) {
		return holds(v->text, want);
	}
	json_each(child, v)
	{
		if (top &&
		    (slice_eq(child->key, S("kind")) || slice_eq(child->key, S("severity")) ||
		     slice_eq(child->key, S("occurredAt")))) {
			continue;
		}
		if (tree_holds(child, want, false)) {
			return true;
		}
	}
	return false;
}

static size_t make_word(char *out)
{
	size_t n = 0;

	for (size_t i = 1 + dice(3); i > 0; i--) {
		n += utf8_put(points[dice(ARRAY_LEN(points))], out + n);
	}
	return n;
}

/* The word as a term in quotes. */
static void quote(struct buf *q, struct slice word)
{
	buf_putc(q, '"');
	for (size_t i = 0; i < word.n; i++) {
		if (word.p[i] == '"' || word.p[i] == '\\') {
			buf_putc(q, '\\');
		}
		buf_putc(q, word.p[i]);
	}
	buf_putc(q, '"');
}

TEST(it_agrees_with_reading_the_tree)
{
	struct buf body, scratch, q;
	size_t matched = 0;
	struct arena req;
	struct err err;

	seed = 11;
	arena_init(&req, 0);
	buf_init(&body, 1 << 20);
	buf_init(&q, 4096);
	buf_init(&scratch, QUERY_SCRATCH_BYTES);
	for (int i = 0; i < 30000; i++) {
		const struct json *tree;
		struct event_query query;
		struct event event;
		bool want = true, got, may;

		arena_clear(&req);
		buf_cut(&body, 0);
		buf_cut(&q, 0);
		buf_puts(&body, S(FRONT));
		put_value(&body, 0);
		buf_putc(&body, '}');
		T_OK(json_parse(&req, buf_slice(&body), JSON_DEPTH_MAX, &tree, &err));
		for (size_t n = 1 + dice(3); n > 0; n--) {
			char text[16];
			struct slice word = { text, make_word(text) };
			bool negated = dice(5) == 0;

			want = want && tree_holds(tree, word, true) != negated;
			buf_puts(&q, negated ? S(" -") : S(" "));
			quote(&q, word);
		}
		T_OK(event_query_parse(buf_slice(&q), &req, &query, &err));
		T_OK(event_decode(buf_slice(&body), &req, &event, &err));
		may = event_query_may_match(&query, buf_slice(&body));
		got = event_query_matches(&query, buf_slice(&body), &event, &scratch);
		if (got != want || (got && !may)) {
			fail_msg("%.*s in %.*s: %d, not %d", SARG(buf_slice(&q)),
				 SARG(buf_slice(&body)), got, want);
		}
		matched += got;
	}
	T_TRUE(matched > 1000);
	buf_release(&scratch);
	buf_release(&body);
	buf_release(&q);
	arena_release(&req);
}

T_MAIN(T(texts_are_found_wherever_they_are), T(names_and_what_has_filters_are_no_texts),
       T(escapes_are_looked_through), T(members_are_compared), T(paths_lead_to_values),
       T(negated_texts_refuse), T(it_agrees_with_reading_the_tree))
