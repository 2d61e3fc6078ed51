/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any JSON as a rule, and as a change of one: what is taken is written and read again as the same
 * rule, and stays one within its bounds when it is changed.
 */
#include "model/rule_json.h"

#include "test/fuzz/fuzz.h"

static void check(const struct rule_def *def, struct arena *req)
{
	struct slice text = rule_def_text(def, req);
	struct rule_def again;
	struct err err = { 0 };

	ensure(text.n <= RULE_DEF_BYTES_MAX);
	ensure(rule_def_read(text, req, &again, &err));
	ensure(slice_eq(rule_def_text(&again, req), text));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct slice in = { (const char *)p, n };
	const struct rule_json_in strict = { 0 }, lax = { .ignore_unknown = true };
	struct rule_def def, old;
	const struct json *body;
	struct arena req;
	struct err err = { 0 };

	arena_init(&req, 0);
	if (json_parse(&req, in, JSON_DEPTH_LIMIT, &body, &err)) {
		if (rule_def_parse(body, &strict, &req, &def, &err)) {
			check(&def, &req);
		}
		if (rule_def_parse(body, &lax, &req, &old, &err)) {
			check(&old, &req);
			ensure(rule_def_patch(&old, body, &lax, &req, &def, &err));
			check(&def, &req);
		}
	}
	arena_release(&req);
	return 0;
}
