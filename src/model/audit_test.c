/* SPDX-License-Identifier: Apache-2.0 */
/* Words are a closed table, the hash covers everything, and an entry goes through a log record. */
#include "model/audit.h"

#include <ctype.h>

#include "test/t.h"

static struct audit_entry sample(void)
{
	return (struct audit_entry) {
		.org = { 11 },
		.number = 7,
		.id = { 70 },
		.at_us = INT64_C(1700000000123456),
		.actor = S("key"),
		.actor_id = S("key_0000000000005"),
		.actor_name = S("shop"),
		.action = S("rule.update"),
		.target = S("rule"),
		.target_id = S("rul_0000000000009"),
		.target_name = S("Too many"),
		.before = S("{\"enabled\":true}"),
		.after = S("{\"enabled\":false}"),
		.address = S("203.0.113.9"),
		.agent = S("curl/8"),
		.request = S("req-1"),
		.previous = S("00"),
	};
}

TEST(words_are_nouns_with_verbs_and_unique)
{
	for (unsigned i = AUDIT_NONE + 1; i < AUDIT_ACTIONS; i++) {
		struct slice word = slice_of(audit_words[i]);
		size_t dot = slice_find(word, '.');

		T_TRUE(dot < word.n || slice_eq(word, S("logout")));
		for (size_t c = 0; c < word.n; c++) {
			T_TRUE(islower((unsigned char)word.p[c]) || word.p[c] == '.');
		}
		T_INT(audit_parse(word), i);
		T_TRUE(strlen(audit_help((enum audit_action)i)) > 10);
	}
	T_TRUE(audit_words[AUDIT_ACTIONS] == NULL);
	T_INT(audit_parse(S("rule.bend")), AUDIT_NONE);
	T_INT(audit_parse(S("")), AUDIT_NONE);
}

/* By the encoding of doc/audit.md, worked out elsewhere. */
TEST(the_hash_is_that_of_the_documented_bytes)
{
	struct audit_entry e = sample();
	struct audit_hash hash = audit_hash(&e);
	struct buf bytes;

	buf_init(&bytes, 4096);
	audit_encode(&e, &bytes);
	T_SLICE(buf_slice(&bytes),
		"14:tocsin.audit.1,2:00,17:org_000000000000B,1:7,17:aud_0000000000026,"
		"27:2023-11-14T22:13:20.123456Z,3:key,17:key_0000000000005,4:shop,"
		"11:rule.update,4:rule,17:rul_0000000000009,8:Too many,16:{\"enabled\":true},"
		"17:{\"enabled\":false},11:203.0.113.9,6:curl/8,5:req-1,");
	T_SLICE(((struct slice) { hash.p, sizeof(hash.p) }),
		"78ed4a5c4865200e5fb014d15cba159adb32597e6590a130fe9ef8ae96dac097");
	buf_release(&bytes);
}

/* Likewise. */
TEST(marks_stand_for_what_tells_of_a_person)
{
	struct audit_entry e = sample();
	struct arena arena;
	struct buf bytes;

	arena_init(&arena, 0);
	audit_mark(&e, S("0011"), S("2233"), &arena);
	buf_init(&bytes, 4096);
	audit_encode(&e, &bytes);
	T_SLICE(e.actor_mark, "73a275fcf59b8e2f7700065d7cc9e00d6eec29263cc6d7e498b29a7d49769905");
	T_SLICE(e.target_mark, "26ca1a95e5ad370e50074d25ff0f102af2db56406cbb68f95a1ae29add69cc11");
	T_SLICE(buf_slice(&bytes),
		"14:tocsin.audit.2,2:00,17:org_000000000000B,1:7,17:aud_0000000000026,"
		"27:2023-11-14T22:13:20.123456Z,3:key,17:key_0000000000005,"
		"64:73a275fcf59b8e2f7700065d7cc9e00d6eec29263cc6d7e498b29a7d49769905,11:rule.update,"
		"4:rule,17:rul_0000000000009,"
		"64:26ca1a95e5ad370e50074d25ff0f102af2db56406cbb68f95a1ae29add69cc11,5:req-1,");
	buf_release(&bytes);
	arena_release(&arena);
}

static struct audit_entry marked(struct arena *arena)
{
	struct audit_entry e = sample();
	struct audit_hash hash;

	audit_mark(&e, S("0011"), S("2233"), arena);
	hash = audit_hash(&e);
	e.hash = arena_dup(arena, (struct slice) { hash.p, sizeof(hash.p) });
	return e;
}

TEST(an_entry_is_whole_with_and_without_what_tells_of_a_person)
{
	struct audit_entry e, other;
	struct arena arena;
	struct slice *texts[] = { &other.actor_name, &other.address,	&other.agent,
				  &other.actor_salt, &other.actor_mark, &other.target_name,
				  &other.before,     &other.after,	&other.target_salt,
				  &other.target_mark };

	arena_init(&arena, 0);
	e = marked(&arena);
	T_TRUE(audit_is_whole(&e));
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		other = e;
		*texts[i] = S("x");
		T_FALSE(audit_is_whole(&other));
		*texts[i] = S("");
		T_FALSE(audit_is_whole(&other));
	}
	other = e;
	other.actor_name = other.address = other.agent = other.actor_salt = S("");
	T_TRUE(audit_is_whole(&other));
	other.target_name = other.before = other.after = other.target_salt = S("");
	T_TRUE(audit_is_whole(&other));
	other.address = S("192.0.2.1");
	T_FALSE(audit_is_whole(&other));
	arena_release(&arena);
}

static bool differs(const struct audit_entry *a, const struct audit_entry *b)
{
	struct audit_hash x = audit_hash(a), y = audit_hash(b);

	return memcmp(x.p, y.p, sizeof(x.p)) != 0;
}

TEST(each_member_is_covered)
{
	struct audit_entry e = sample(), other;
	struct slice *texts[] = { &other.actor,	      &other.actor_id, &other.actor_name,
				  &other.action,      &other.target,   &other.target_id,
				  &other.target_name, &other.before,   &other.after,
				  &other.address,     &other.agent,    &other.request,
				  &other.previous };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		other = e;
		*texts[i] = S("x");
		T_TRUE(differs(&e, &other));
	}
	other = e;
	other.org.v = 0;
	T_TRUE(differs(&e, &other));
	other = e;
	other.number++;
	T_TRUE(differs(&e, &other));
	other = e;
	other.id.v++;
	T_TRUE(differs(&e, &other));
	other = e;
	other.at_us++;
	T_TRUE(differs(&e, &other));
	other = e;
	other.hash = S("whatever");
	T_FALSE(differs(&e, &other));
}

TEST(what_moves_from_one_member_to_the_next_is_seen)
{
	struct audit_entry a = sample(), b = sample();

	a.address = S("ab");
	a.agent = S("c");
	b.address = S("a");
	b.agent = S("bc");
	T_TRUE(differs(&a, &b));
}

TEST(a_stored_time_that_is_none_is_no_end_of_the_world)
{
	struct audit_entry e = sample();
	struct json_w w;
	struct buf out;

	e.at_us = INT64_MAX;
	e.id.v = UINT64_MAX;
	buf_init(&out, 4096);
	json_w_init(&w, &out);
	audit_write(&e, &w);
	T_TRUE(!out.overflow && memmem(out.p, out.n, "\"createdAt\":\"\"", 14) != NULL);
	(void)audit_hash(&e);
	buf_release(&out);
}

TEST(a_cell_that_a_spreadsheet_would_run_is_shielded)
{
	struct audit_entry e = sample();
	struct buf out;

	buf_init(&out, 4096);
	audit_csv_head(&out);
	e.agent = S("=cmd|' /C calc'!A0");
	e.target_name = S("+1");
	e.actor_name = S("@sum");
	e.request = S("-2");
	audit_csv(&e, &out);
	T_TRUE(memmem(out.p, out.n, ",'=cmd|' /C calc'!A0,", 21) != NULL);
	T_TRUE(memmem(out.p, out.n, ",'+1,", 5) != NULL);
	T_TRUE(memmem(out.p, out.n, ",'@sum,", 7) != NULL);
	T_TRUE(memmem(out.p, out.n, ",'-2,", 5) != NULL);
	buf_release(&out);
}

static bool carry(const struct audit_entry *e, struct arena *req, struct audit_entry *out,
		  struct err *err)
{
	const struct json *obj;
	struct json_w w;
	struct buf text;
	bool ok;

	buf_init(&text, 4096);
	json_w_init(&w, &text);
	audit_carry(e, &w);
	ok = json_parse(req, arena_dup(req, buf_slice(&text)), JSON_DEPTH_MAX, &obj, err) &&
	     audit_read(obj, out, err);
	buf_release(&text);
	return ok;
}

TEST(an_entry_goes_through_a_control_record)
{
	struct audit_entry e = sample(), got;
	struct err err = { 0 };
	struct arena req;

	arena_init(&req, 0);
	e.agent = S("a \"quoted\" agent");
	T_OK(carry(&e, &req, &got, &err));
	got.org = e.org;
	got.number = e.number;
	got.id = e.id;
	got.at_us = e.at_us;
	got.previous = e.previous;
	T_FALSE(differs(&e, &got));
	T_FAIL(carry(&(struct audit_entry) { .actor = S("key") }, &req, &got, &err), ERR_CORRUPT);
	arena_release(&req);
}

TEST(a_record_of_other_types_is_refused)
{
	static const char *const bad[] = {
		"{\"actor\":1,\"action\":\"a\"}",
		"{\"actor\":\"key\",\"action\":\"a\",\"before\":\"text\"}",
		"{\"actor\":\"key\",\"action\":\"a\",\"after\":[]}",
		"{\"action\":\"a\"}",
	};
	const struct json *obj;
	struct audit_entry e;
	struct err err = { 0 };
	struct arena req;

	arena_init(&req, 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		T_OK(json_parse(&req, slice_of(bad[i]), 8, &obj, &err));
		T_FAIL(audit_read(obj, &e, &err), ERR_CORRUPT);
	}
	arena_release(&req);
}

T_MAIN(T(words_are_nouns_with_verbs_and_unique), T(the_hash_is_that_of_the_documented_bytes),
       T(each_member_is_covered), T(marks_stand_for_what_tells_of_a_person),
       T(an_entry_is_whole_with_and_without_what_tells_of_a_person),
       T(what_moves_from_one_member_to_the_next_is_seen),
       T(a_stored_time_that_is_none_is_no_end_of_the_world),
       T(a_cell_that_a_spreadsheet_would_run_is_shielded),
       T(an_entry_goes_through_a_control_record), T(a_record_of_other_types_is_refused))
