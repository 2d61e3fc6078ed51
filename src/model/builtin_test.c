/* SPDX-License-Identifier: Apache-2.0 */
#include "model/builtin.h"

#include "model/rule_json.h"
#include "test/t.h"

#define ORG ((struct org_id) { 7 })
#define PROJECT ((struct project_id) { 8 })

static const struct hash_key key = { { 1, 2, 3 } };

TEST(words_and_types_lead_back)
{
	enum builtin which;

	for (enum builtin i = 0; i < BUILTINS; i++) {
		struct rule_def def = builtin_def(&key, ORG, PROJECT, i);

		T_TRUE(builtin_parse(slice_of(builtin_word(i)), &which));
		T_INT(which, i);
		T_TRUE(event_type_is_system(def.event_type));
		T_TRUE(builtin_for(def.event_type, &which));
		T_INT(which, i);
		T_INT(builtin_severity(def.event_type), def.severity);
	}
	T_FALSE(builtin_parse(S("usage"), &which));
	T_FALSE(builtin_parse(S(""), &which));
	T_FALSE(builtin_for(S("tocsin.usage"), &which));
	T_INT(builtin_severity(S("checkout_failed")), SEVERITY_NONE);
}

TEST(ids_are_an_orgs_own)
{
	static const struct hash_key other = { { 1, 2, 4 } };
	struct rule_id seen[BUILTINS];

	for (enum builtin i = 0; i < BUILTINS; i++) {
		seen[i] = builtin_id(&key, ORG, i);
		T_TRUE(seen[i].v != 0 && seen[i].v <= INT64_MAX);
		T_TRUE(seen[i].v == builtin_id(&key, ORG, i).v);
		T_TRUE(seen[i].v != builtin_id(&key, (struct org_id) { 9 }, i).v);
		T_TRUE(seen[i].v != builtin_id(&other, ORG, i).v);
		for (enum builtin k = 0; k < i; k++) {
			T_TRUE(seen[i].v != seen[k].v);
		}
	}
}

/* They go where other rules go: into copies, control records and snapshots. */
TEST(each_is_a_rule_like_any_other)
{
	struct arena arena;
	struct err err;

	arena_init(&arena, 0);
	for (enum builtin i = 0; i < BUILTINS; i++) {
		struct rule_def def = builtin_def(&key, ORG, PROJECT, i), back;
		struct rule_def *copy = rule_def_new(&def);
		struct slice text = rule_def_text(&def, &arena);

		T_TRUE(copy->builtin && copy->enabled);
		T_TRUE(slice_eq(rule_def_text(copy, &arena), text));
		T_OK(rule_def_read(text, &arena, &back, &err));
		T_TRUE(slice_eq(rule_def_text(&back, &arena), text));
		T_INT(back.group_by_n, def.group_by_n);
		rule_def_free(&copy);
	}
	arena_release(&arena);
}

T_MAIN(T(words_and_types_lead_back), T(ids_are_an_orgs_own), T(each_is_a_rule_like_any_other))
