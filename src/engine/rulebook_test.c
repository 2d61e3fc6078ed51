/* SPDX-License-Identifier: Apache-2.0 */
/* The book of rules: what is in it, how many a project has, and that it saves to equal bytes. */
#include "engine/rulebook.h"

#include "engine/control.h"
#include "model/rule_json.h"
#include "test/t.h"

static struct rule_def rule(struct arena *arena, uint64_t id, uint64_t project, const char *name)
{
	struct rule_json_in in = { 0 };
	const struct json *body;
	struct rule_def def;
	struct slice text;
	struct err err;

	text = arena_printf(arena,
			    "{\"name\":\"%s\",\"eventType\":\"a.*\",\"condition\":\"count_gt\","
			    "\"threshold\":3,\"windowSeconds\":10,\"groupBy\":[\"payload.x\"],"
			    "\"actions\":[{\"channel\":\"in_app\",\"config\":{}}]}",
			    name);
	T_OK(json_parse(arena, text, JSON_DEPTH_MAX, &body, &err));
	T_OK(rule_def_parse(body, &in, arena, &def, &err));
	def.id.v = id;
	def.org.v = 1;
	def.project.v = project;
	def.version = 4;
	return def;
}

TEST(rules_are_found_replaced_and_counted)
{
	struct rulebook *book = rulebook_new();
	struct rule_def a, b;
	struct rule_id *ids;
	struct arena arena;

	arena_init(&arena, 0);
	a = rule(&arena, 1, 10, "a");
	b = rule(&arena, 2, 10, "b");
	rulebook_put(book, &a);
	rulebook_put(book, &b);
	T_INT(rulebook_count(book, (struct project_id) { 10 }), 2);
	T_INT(rulebook_count(book, (struct project_id) { 11 }), 0);
	T_INT(rulebook_count_org(book, a.org), 2);
	T_INT(rulebook_count_org(book, (struct org_id) { a.org.v + 1 }), 0);
	b.name = S("again");
	rulebook_put(book, &b);
	T_INT(rulebook_count(book, (struct project_id) { 10 }), 2);
	T_SLICE(rulebook_get(book, b.id)->name, "again");
	/* The one that is there may be put once more. */
	rulebook_put(book, rulebook_get(book, b.id));
	T_INT(rulebook_of_org(book, a.org, &arena, &ids), 2);
	T_INT(ids[0].v, a.id.v);
	T_INT(ids[1].v, b.id.v);
	T_INT(rulebook_of_org(book, (struct org_id) { a.org.v + 1 }, &arena, &ids), 0);
	T_SLICE(rulebook_get(book, b.id)->name, "again");
	rulebook_del(book, a.id);
	rulebook_del(book, a.id);
	T_TRUE(rulebook_get(book, a.id) == NULL);
	T_INT(rulebook_count(book, (struct project_id) { 10 }), 1);
	T_INT(rulebook_count_org(book, b.org), 1);
	rulebook_free(&book);
	rulebook_free(&book);
	arena_release(&arena);
}

TEST(equal_books_have_equal_bytes)
{
	struct rulebook *a = rulebook_new(), *b = rulebook_new(), *c = rulebook_new();
	struct buf x, y, z;
	struct arena arena;
	struct err err;

	arena_init(&arena, 0);
	buf_init(&x, 1 << 20);
	buf_init(&y, 1 << 20);
	buf_init(&z, 1 << 20);
	for (uint64_t id = 1; id <= 50; id++) {
		struct rule_def one = rule(&arena, id, 1 + id % 3, "\\u00e4 \\\"b\\\"");
		struct rule_def other = rule(&arena, 51 - id, 1 + (51 - id) % 3,
					     "\\u00e4 \\\"b\\\"");

		rulebook_put(a, &one);
		rulebook_put(b, &other);
	}
	rulebook_save(a, &x);
	rulebook_save(b, &y);
	T_TRUE(slice_eq(buf_slice(&x), buf_slice(&y)));
	T_OK(rulebook_load(c, buf_slice(&x), &err));
	rulebook_save(c, &z);
	T_TRUE(slice_eq(buf_slice(&x), buf_slice(&z)));
	T_INT(rulebook_get(c, (struct rule_id) { 7 })->version, 4);
	T_INT(rulebook_count(c, (struct project_id) { 1 }), 16);
	rulebook_free(&a);
	rulebook_free(&b);
	rulebook_free(&c);
	buf_release(&x);
	buf_release(&y);
	buf_release(&z);
	arena_release(&arena);
}

TEST(built_in_rules_do_not_count)
{
	static const struct hash_key key;
	struct rule_def def = builtin_def(&key, (struct org_id) { 3 }, (struct project_id) { 1 },
					  BUILTIN_USAGE_80);
	struct rulebook *a = rulebook_new(), *b = rulebook_new(), *c = rulebook_new();
	struct buf x, y;
	struct err err;

	buf_init(&x, 1 << 20);
	buf_init(&y, 1 << 20);
	rulebook_put(a, &def);
	rulebook_set_table(a, 4);
	T_INT(rulebook_count(a, def.project), 0);
	T_INT(rulebook_count_org(a, def.org), 0);
	rulebook_save(a, &x);
	T_OK(rulebook_load(b, buf_slice(&x), &err));
	T_INT(rulebook_table(b), 4);
	T_TRUE(rulebook_get(b, def.id)->builtin);
	T_INT(rulebook_count_org(b, def.org), 0);
	rulebook_save(b, &y);
	T_TRUE(slice_eq(buf_slice(&x), buf_slice(&y)));
	rulebook_del(b, def.id);
	T_INT(rulebook_count_org(b, def.org), 0);
	T_OK(rulebook_load(c, S(""), &err));
	T_INT(rulebook_table(c), 0);
	rulebook_free(&a);
	rulebook_free(&b);
	rulebook_free(&c);
	buf_release(&x);
	buf_release(&y);
}

TEST(what_was_not_saved_is_refused)
{
	static const char *const bad[] = { "builtin table x\n",
					   "builtin table 0\n",
					   "1 2 3 4 builtin {}\n",
					   "x",
					   "1 2 3\n",
					   "1 2 3 4 {}\n",
					   "1 2 3 4 {\"name\":1}\n",
					   "1 2 3 99999999999999999999 {}\n" };
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct rulebook *book = rulebook_new();

		T_FAIL(rulebook_load(book, slice_of(bad[i]), &err), ERR_CORRUPT);
		rulebook_free(&book);
	}
}

TEST(a_control_record_comes_back_as_it_was)
{
	struct control in = { .op = CONTROL_RULE_PUT, .expect = 6, .rule_id = { 9 } }, out;
	struct arena arena;
	struct buf text;
	struct err err;

	arena_init(&arena, 0);
	buf_init(&text, 1 << 20);
	in.rule = rule(&arena, 9, 1, "n");
	control_encode(&in, &arena, &text);
	T_OK(control_decode(buf_slice(&text), &arena, &out, &err));
	T_INT(out.op, CONTROL_RULE_PUT);
	T_INT(out.expect, 6);
	T_INT(out.rule_id.v, 9);
	T_INT(out.rule.version, 7);
	T_SLICE(out.rule.name, "n");
	buf_cut(&text, 0);
	in.op = CONTROL_RULE_DELETE;
	control_encode(&in, &arena, &text);
	T_OK(control_decode(buf_slice(&text), &arena, &out, &err));
	T_INT(out.op, CONTROL_RULE_DELETE);
	buf_cut(&text, 0);
	in.op = CONTROL_BUILTIN_PUT;
	in.builtin = BUILTIN_DEAD_LETTERS;
	control_encode(&in, &arena, &text);
	T_OK(control_decode(buf_slice(&text), &arena, &out, &err));
	T_INT(out.op, CONTROL_BUILTIN_PUT);
	T_INT(out.builtin, BUILTIN_DEAD_LETTERS);
	T_INT(out.rule.version, 7);
	T_FAIL(control_decode(S("{\"type\":\"builtin.put\",\"expect\":0,\"builtin\":\"x\"}"),
			      &arena, &out, &err),
	       ERR_CORRUPT);
	T_FAIL(control_decode(S("{\"type\":\"builtin.put\",\"builtin\":\"usage_80\"}"), &arena,
			      &out, &err),
	       ERR_CORRUPT);
	T_FAIL(control_decode(S("{}"), &arena, &out, &err), ERR_CORRUPT);
	T_FAIL(control_decode(S("[]"), &arena, &out, &err), ERR_CORRUPT);
	T_FAIL(control_decode(S("{\"type\":\"rule.put\",\"expect\":0}"), &arena, &out, &err),
	       ERR_CORRUPT);
	T_FAIL(control_decode(S("{\"type\":\"rule.eat\",\"expect\":0,"
				"\"id\":\"rul_0000000000000000000000000A\"}"),
			      &arena, &out, &err),
	       ERR_CORRUPT);
	buf_release(&text);
	arena_release(&arena);
}

T_MAIN(T(rules_are_found_replaced_and_counted), T(equal_books_have_equal_bytes),
       T(built_in_rules_do_not_count), T(what_was_not_saved_is_refused),
       T(a_control_record_comes_back_as_it_was))
