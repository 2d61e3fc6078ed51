/* SPDX-License-Identifier: Apache-2.0 */
/* Rules are read with every bound named, changed in part, and come back from their own text. */
#include "model/rule_json.h"

#include "test/t.h"

#define WHOLE \
	"{\"name\":\"n\",\"eventType\":\"a.*\",\"condition\":\"count_gt\",\"threshold\":5," \
	"\"windowSeconds\":60,\"actions\":[{\"channel\":\"in_app\",\"config\":{}}]}"
#define WITH(member) \
	"{\"name\":\"n\",\"eventType\":\"a\",\"condition\":\"count_gte\",\"threshold\":5," \
	"\"windowSeconds\":60,\"actions\":[{\"channel\":\"in_app\"}]," member "}"

static const struct rule_json_in plain;

static bool create(struct arena *req, const char *body, struct rule_def *out, struct err *err)
{
	const struct json *json;

	return json_parse(req, slice_of(body), JSON_DEPTH_MAX, &json, err) &&
	       rule_def_parse(json, &plain, req, out, err);
}

static bool patch(struct arena *req, const struct rule_def *old, const char *body,
		  struct rule_def *out, struct err *err)
{
	const struct json *json;

	return json_parse(req, slice_of(body), JSON_DEPTH_MAX, &json, err) &&
	       rule_def_patch(old, json, &plain, req, out, err);
}

TEST(a_rule_gets_its_defaults)
{
	struct rule_def def;
	struct arena req;
	struct err err;

	arena_init(&req, 0);
	T_OK(create(&req, WHOLE, &def, &err));
	T_SLICE(def.name, "n");
	T_SLICE(def.event_type, "a.*");
	T_INT(def.condition, RULE_COUNT_GT);
	T_INT(def.threshold, 5);
	T_INT(def.window_s, 60);
	T_INT(def.cooldown_s, 60);
	T_INT(def.severity, SEVERITY_MEDIUM);
	T_TRUE(def.enabled);
	T_INT(def.group_by_n, 0);
	T_INT(def.actions_n, 1);
	T_SLICE(def.actions[0].channel, "in_app");
	T_SLICE(def.actions[0].config, "{}");
	T_SLICE(rule_def_text(&def, &req),
		"{\"name\":\"n\",\"eventType\":\"a.*\",\"condition\":\"count_gt\",\"threshold\":5,"
		"\"windowSeconds\":60,\"cooldownSeconds\":60,\"groupBy\":[],"
		"\"severity\":\"medium\",\"enabled\":true,"
		"\"actions\":[{\"channel\":\"in_app\",\"config\":{}}]}");
	arena_release(&req);
}

TEST(bad_members_are_named)
{
	static const struct {
		const char *body, *field;
		enum err_kind kind;
	} rows[] = {
		{ "[]", "", ERR_INVALID },
		{ "{}", "name", ERR_INVALID },
		{ WITH("\"name2\":1"), "name2", ERR_INVALID },
		{ WITH("\"severity\":\"loud\""), "severity", ERR_INVALID },
		{ WITH("\"cooldownSeconds\":86401"), "cooldownSeconds", ERR_INVALID },
		{ WITH("\"cooldownSeconds\":-1"), "cooldownSeconds", ERR_INVALID },
		{ WITH("\"enabled\":1"), "enabled", ERR_INVALID },
		{ WITH("\"groupBy\":\"payload.a\""), "groupBy", ERR_INVALID },
		{ WITH("\"groupBy\":[\"a\",\"b\",\"c\",\"d\",\"e\"]"), "groupBy", ERR_INVALID },
		{ WITH("\"groupBy\":[\"type\",\"amount\"]"), "groupBy[1]", ERR_INVALID },
		{ WITH("\"groupBy\":[\"payload\"]"), "groupBy[0]", ERR_INVALID },
		{ WITH("\"groupBy\":[\"payload.\"]"), "groupBy[0]", ERR_INVALID },
		{ WITH("\"groupBy\":[\"payload.a..b\"]"), "groupBy[0]", ERR_INVALID },
		{ WITH("\"groupBy\":[\"payload.a.\"]"), "groupBy[0]", ERR_INVALID },
		{ WITH("\"groupBy\":[\"payload.1.2.3.4.5.6.7.8\"]"), "groupBy[0]", ERR_INVALID },
		{ WITH("\"groupBy\":[\"type.x\"]"), "groupBy[0]", ERR_INVALID },
		{ WITH("\"groupBy\":[\"tags\"]"), "groupBy[0]", ERR_INVALID },
		{ WITH("\"groupBy\":[\"type\",\"type\"]"), "groupBy[1]", ERR_INVALID },
		{ WITH("\"filter\":\"payload.a > 1\""), "filter", ERR_NOT_IMPLEMENTED },
		{ WITH("\"filter\":{}"), "filter", ERR_NOT_IMPLEMENTED },
	};
	struct rule_def def;
	struct arena req;
	struct err err;

	arena_init(&req, 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		T_FAIL(create(&req, rows[i].body, &def, &err), rows[i].kind);
		T_STR(err.field, rows[i].field);
	}
	T_OK(create(&req, WITH("\"groupBy\":[\"payload.1.2.3.4.5.6.7\",\"tags.a.b\",\"type\"]"),
		    &def, &err));
	T_OK(create(&req, WITH("\"filter\":null"), &def, &err));
	arena_release(&req);
}

/* Each of these replaces one member of a rule that is otherwise good. */
TEST(bounds_hold_on_both_sides)
{
	static const struct {
		const char *member, *field; /* field "": good */
	} rows[] = {
		{ "\"threshold\":1", "" },
		{ "\"threshold\":100000", "" },
		{ "\"threshold\":0", "threshold" },
		{ "\"threshold\":100001", "threshold" },
		{ "\"threshold\":1.5", "threshold" },
		{ "\"threshold\":\"5\"", "threshold" },
		{ "\"threshold\":null", "threshold" },
		{ "\"windowSeconds\":1", "" },
		{ "\"windowSeconds\":86400", "" },
		{ "\"windowSeconds\":0", "windowSeconds" },
		{ "\"windowSeconds\":86401", "windowSeconds" },
		{ "\"cooldownSeconds\":0", "" },
		{ "\"condition\":\"count_eq\"", "" },
		{ "\"condition\":\"count_lt\"", "condition" },
		{ "\"name\":\"\"", "name" },
		{ "\"eventType\":\"*\"", "" },
		{ "\"eventType\":\"a.b.*\"", "" },
		{ "\"eventType\":\"\"", "eventType" },
		{ "\"eventType\":\"a*\"", "eventType" },
		{ "\"eventType\":\"*.a\"", "eventType" },
		{ "\"eventType\":\"a.*.b\"", "eventType" },
		{ "\"eventType\":\"**\"", "eventType" },
		{ "\"actions\":[]", "actions" },
		{ "\"actions\":{}", "actions" },
		{ "\"actions\":null", "actions" },
		{ "\"actions\":[{},{},{},{},{},{},{},{},{},{},{}]", "actions" },
		{ "\"actions\":[{\"channel\":\"in_app\"},{}]", "actions[1].channel" },
		{ "\"actions\":[{\"channel\":\"in_app\",\"config\":[]}]", "actions[0].config" },
	};
	struct rule_def def, out;
	struct arena req;
	struct err err;

	arena_init(&req, 0);
	T_OK(create(&req, WHOLE, &def, &err));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct slice body = arena_printf(&req, "{%s}", rows[i].member);

		if (rows[i].field[0] == '\0') {
			T_OK(patch(&req, &def, body.p, &out, &err));
		} else {
			T_FAIL(patch(&req, &def, body.p, &out, &err), ERR_INVALID);
			T_STR(err.field, rows[i].field);
		}
	}
	arena_release(&req);
}

TEST(a_patch_changes_only_what_it_names)
{
	struct rule_def def, out;
	struct arena req;
	struct err err;

	arena_init(&req, 0);
	T_OK(create(&req,
		    WITH("\"groupBy\":[\"payload.u\"],\"severity\":\"low\",\"cooldownSeconds\":9"),
		    &def, &err));
	def.id.v = 7;
	def.version = 3;
	T_OK(patch(&req, &def, "{\"name\":\"m\",\"cooldownSeconds\":null}", &out, &err));
	T_SLICE(out.name, "m");
	T_INT(out.cooldown_s, 60);
	T_INT(out.id.v, 7);
	T_INT(out.version, 3);
	T_INT(out.severity, SEVERITY_LOW);
	T_SLICE(out.group_by[0].text, "payload.u");
	T_SLICE(out.group_by[0].segments[0], "u");
	T_SLICE(out.actions[0].channel, "in_app");
	T_OK(patch(&req, &def, "{\"groupBy\":[],\"enabled\":false}", &out, &err));
	T_INT(out.group_by_n, 0);
	T_FALSE(out.enabled);
	T_SLICE(out.name, "n");
	T_OK(patch(&req, &def, "{}", &out, &err));
	T_TRUE(slice_eq(rule_def_text(&out, &req), rule_def_text(&def, &req)));
	arena_release(&req);
}

TEST(a_stored_rule_comes_back)
{
	struct rule_def def, back, *copy;
	struct slice text;
	struct arena req, other;
	struct err err;

	arena_init(&req, 0);
	arena_init(&other, 0);
	T_OK(create(
		&req,
		"{\"name\":\"caf\\u00e9 \\\"x\\\"\",\"eventType\":\"*\",\"condition\":\"count_eq\","
		"\"threshold\":100000,\"windowSeconds\":86400,\"cooldownSeconds\":0,"
		"\"groupBy\":[\"payload.a.b\",\"tags.x.y\",\"type\",\"severity\"],"
		"\"severity\":\"critical\",\"enabled\":false,\"actions\":["
		"{\"channel\":\"webhook\",\"config\":{ \"url\" : \"https://e.x/\" , \"n\": [1, 2] }},"
		"{\"channel\":\"in_app\"}]}",
		&def, &err));
	T_SLICE(def.actions[0].config, "{\"url\":\"https://e.x/\",\"n\":[1,2]}");
	text = rule_def_text(&def, &other);
	T_OK(rule_def_read(text, &other, &back, &err));
	T_TRUE(slice_eq(rule_def_text(&back, &other), text));
	copy = rule_def_new(&def);
	arena_release(&req);
	T_TRUE(slice_eq(rule_def_text(copy, &other), text));
	T_SLICE(copy->group_by[0].segments[1], "b");
	T_SLICE(copy->group_by[1].segments[0], "x.y");
	rule_def_free(&copy);
	rule_def_free(&copy);
	arena_release(&other);
}

/* Takes webhook alone, and replaces its settings; sees the rule before. */
static bool only_webhook(void *arg, const struct rule_action_in *in, struct arena *req UNUSED,
			 struct slice *config, struct err *err)
{
	size_t *seen = arg;

	*seen += in->old != NULL && in->index < in->old->actions_n ? 10 : 1;
	if (!slice_eq(in->channel, S("webhook"))) {
		return err_field(err, ERR_INVALID, in->path, "no such channel");
	}
	*config = S("{\"sealed\":1}");
	return true;
}

static void mask(void *arg UNUSED, const struct rule_action *action UNUSED, struct json_w *w)
{
	json_w_str(w, S(FIELD_MASK));
}

TEST(channels_judge_their_settings)
{
	size_t seen = 0;
	struct rule_json_in in = { .check = only_webhook, .arg = &seen };
	struct rule_def def, out;
	const struct json *body;
	struct json_w w;
	struct arena req;
	struct buf text;
	struct err err;

	arena_init(&req, 0);
	T_OK(json_parse(&req, S(WHOLE), JSON_DEPTH_MAX, &body, &err));
	T_FAIL(rule_def_parse(body, &in, &req, &def, &err), ERR_INVALID);
	T_STR(err.field, "actions[0].config");
	T_OK(create(&req, WHOLE, &def, &err));
	T_OK(json_parse(&req, S("{\"actions\":[{\"channel\":\"webhook\"}]}"), JSON_DEPTH_MAX, &body,
			&err));
	T_OK(rule_def_patch(&def, body, &in, &req, &out, &err));
	T_INT(seen, 11);
	T_SLICE(out.actions[0].config, "{\"sealed\":1}");
	buf_init(&text, RULE_DEF_BYTES_MAX);
	json_w_init(&w, &text);
	json_w_object(&w);
	rule_def_write(&out, mask, NULL, &w);
	json_w_end(&w);
	T_TRUE(slice_ends(buf_slice(&text), S("\"config\":\"" FIELD_MASK "\"}]}")));
	buf_release(&text);
	arena_release(&req);
}

TEST(the_largest_rule_fits_its_text)
{
	struct rule_action actions[RULE_ACTIONS_MAX];
	struct rule_path paths[RULE_GROUP_BY_MAX];
	struct slice text, name, path;
	struct rule_def def, back;
	struct arena req;
	struct err err;

	arena_init(&req, 0);
	T_OK(create(&req, WHOLE, &def, &err));
	text = arena_printf(&req, "{\"x\":\"%08184d\"}", 0);
	T_INT(text.n, RULE_ACTION_CONFIG_BYTES_MAX);
	name = arena_printf(&req, "%0255d", 0);
	memset((char *)name.p, '"', name.n);
	for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
		actions[i] = (struct rule_action) { .channel = S("webhook"), .config = text };
	}
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		path = arena_printf(&req, "payload.%zu%0191d", i, 0);
		T_INT(path.n, RULE_PATH_BYTES_MAX);
		T_OK(rule_path_parse(path, "groupBy", &paths[i], &err));
	}
	def.name = name;
	def.actions = actions;
	def.actions_n = ARRAY_LEN(actions);
	def.group_by = paths;
	def.group_by_n = ARRAY_LEN(paths);
	T_OK(rule_def_read(rule_def_text(&def, &req), &req, &back, &err));
	T_INT(back.actions_n, RULE_ACTIONS_MAX);
	arena_release(&req);
}

TEST(the_table_is_sound)
{
	fields_ensure(rule_field_rows, rule_field_rows_n);
}

T_MAIN(T(a_rule_gets_its_defaults), T(bad_members_are_named), T(bounds_hold_on_both_sides),
       T(a_patch_changes_only_what_it_names), T(a_stored_rule_comes_back),
       T(channels_judge_their_settings), T(the_largest_rule_fits_its_text), T(the_table_is_sound))
