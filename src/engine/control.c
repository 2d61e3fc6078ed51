/* SPDX-License-Identifier: Apache-2.0 */
/* Control records as JSON: readable in an export, and checked to the last byte when read. */
#include "engine/control.h"

#include "base/hash.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/json_put.h"
#include "model/rule_json.h"

static const char *const types[CONTROL_OPS] = {
	[CONTROL_RULE_PUT] = "rule.put",
	[CONTROL_RULE_DELETE] = "rule.delete",
	[CONTROL_RECORD_QUARANTINE] = "record.quarantine",
	[CONTROL_EVENTS_DELETE] = "events.delete",
	[CONTROL_BUILTIN_PUT] = "builtin.put",
	[CONTROL_ORG_PURGE] = "org.purge",
};

struct slice control_type(enum control_op op)
{
	ensure((size_t)op < CONTROL_OPS);
	return slice_of(types[op]);
}

static void put_once(struct json_w *w, const struct control *control)
{
	if (control->once_key.n == 0) {
		return;
	}
	json_w_key(w, "once");
	json_w_object(w);
	json_put_str(w, "key", control->once_key);
	json_put_str(w, "request", control->once_request);
	json_w_end(w);
}

static void put_rule(struct json_w *w, const struct control *control, struct arena *req)
{
	struct id_text id = id_format(ID_RULE, control->rule_id.v);

	json_put_int(w, "expect", (int64_t)control->expect);
	if (control->rules_max > 0) {
		json_put_int(w, "rulesMax", (int64_t)control->rules_max);
	}
	json_put_str(w, "id", slice_of(id.p));
	if (control->op == CONTROL_RULE_PUT) {
		put_once(w, control);
		json_w_key(w, "rule");
		json_w_raw(w, rule_def_text(&control->rule, req));
	}
}

static void put_builtin(struct json_w *w, const struct control *control, struct arena *req)
{
	json_put_int(w, "expect", (int64_t)control->expect);
	json_put_str(w, "builtin", slice_of(builtin_word(control->builtin)));
	json_w_key(w, "rule");
	json_w_raw(w, rule_def_text(&control->rule, req));
}

void control_encode(const struct control *control, struct arena *req, struct buf *out)
{
	struct json_w w;

	json_w_init(&w, out);
	json_w_object(&w);
	json_put_str(&w, "type", control_type(control->op));
	switch (control->op) {
	case CONTROL_RULE_PUT:
	case CONTROL_RULE_DELETE:
		put_rule(&w, control, req);
		break;
	case CONTROL_BUILTIN_PUT:
		put_builtin(&w, control, req);
		break;
	case CONTROL_RECORD_QUARANTINE:
		json_put_int(&w, "record", (int64_t)control->record);
		json_put_int(&w, "exits", (int64_t)control->exits);
		break;
	case CONTROL_EVENTS_DELETE:
	case CONTROL_ORG_PURGE:
	case CONTROL_OPS:
		break;
	}
	if (control->audit.action.n > 0) {
		json_w_key(&w, "audit");
		audit_carry(&control->audit, &w);
	}
	json_w_end(&w);
}

static bool bad(struct err *err, const char *what)
{
	return err_set(err, ERR_CORRUPT, "a control record without a valid \"%s\"", what);
}

static bool decode_op(const struct json *type, enum control_op *op)
{
	for (size_t i = 0; type != NULL && i < CONTROL_OPS; i++) {
		if (slice_eq(type->text, slice_of(types[i]))) {
			*op = (enum control_op)i;
			return true;
		}
	}
	return false;
}

static bool number(const struct json *root, const char *name, uint64_t *out)
{
	const struct json *member = json_get(root, name);

	return member != NULL && member->type == JSON_NUMBER && slice_u64(member->text, out) &&
	       *out < INT64_MAX;
}

static bool hash_text(const struct json *root, const char *name, struct slice *out)
{
	const struct json *member = json_get(root, name);
	unsigned char hash[SHA256_BYTES];

	if (member == NULL || member->type != JSON_STRING || member->text.n != 2 * SHA256_BYTES ||
	    !hex_decode(member->text, hash, sizeof(hash))) {
		return false;
	}
	*out = member->text;
	return true;
}

static bool read_once(const struct json *root, struct control *out, struct err *err)
{
	const struct json *once = json_get(root, "once");

	return once == NULL ||
	       (hash_text(once, "key", &out->once_key) &&
		hash_text(once, "request", &out->once_request)) ||
	       bad(err, "once");
}

static bool read_def(const struct json *root, struct arena *tick, struct control *out,
		     struct err *err)
{
	const struct json *rule = json_get(root, "rule");

	if (rule == NULL || !rule_def_read(rule->raw, tick, &out->rule, err)) {
		return bad(err, "rule");
	}
	out->rule.id = out->rule_id;
	out->rule.version = out->expect + 1;
	return true;
}

static bool read_builtin(const struct json *root, struct arena *tick, struct control *out,
			 struct err *err)
{
	const struct json *which = json_get(root, "builtin");

	if (!number(root, "expect", &out->expect)) {
		return bad(err, "expect");
	}
	if (which == NULL || !builtin_parse(which->text, &out->builtin)) {
		return bad(err, "builtin");
	}
	return read_def(root, tick, out, err);
}

static bool read_rule(const struct json *root, struct arena *tick, struct control *out,
		      struct err *err)
{
	if (json_get(root, "rulesMax") != NULL && !number(root, "rulesMax", &out->rules_max)) {
		return bad(err, "rulesMax");
	}
	return read_once(root, out, err) && read_def(root, tick, out, err);
}

static bool read_body(const struct json *root, struct arena *tick, struct control *out,
		      struct err *err)
{
	const struct json *id = json_get(root, "id");

	switch (out->op) {
	case CONTROL_RECORD_QUARANTINE:
		return (number(root, "record", &out->record) && out->record > 0 &&
			number(root, "exits", &out->exits)) ||
		       bad(err, "record");
	case CONTROL_EVENTS_DELETE:
	case CONTROL_ORG_PURGE:
		return true;
	case CONTROL_BUILTIN_PUT:
		return read_builtin(root, tick, out, err);
	case CONTROL_RULE_PUT:
	case CONTROL_RULE_DELETE:
	case CONTROL_OPS:
		break;
	}
	if (!number(root, "expect", &out->expect)) {
		return bad(err, "expect");
	}
	if (id == NULL || !id_parse(ID_RULE, id->text, &out->rule_id.v)) {
		return bad(err, "id");
	}
	return out->op != CONTROL_RULE_PUT || read_rule(root, tick, out, err);
}

bool control_decode(struct slice body, struct arena *tick, struct control *out, struct err *err)
{
	const struct json *root, *audit;

	*out = (struct control) { 0 };
	if (!json_parse(tick, body, JSON_DEPTH_LIMIT, &root, err)) {
		return bad(err, "body");
	}
	if (!decode_op(json_get(root, "type"), &out->op)) {
		return bad(err, "type");
	}
	audit = json_get(root, "audit");
	return read_body(root, tick, out, err) &&
	       (audit == NULL || audit_read(audit, &out->audit, err) || bad(err, "audit"));
}
