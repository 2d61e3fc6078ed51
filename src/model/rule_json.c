/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The members of a rule in one table, and what a table cannot say: patterns, paths, actions.
 * Reading a stored rule is creating it again, so that nothing gets in by a second way.
 */
#include "model/rule_json.h"

#include <stdio.h>

#define ACTIONS_BYTES_MAX ((int64_t)96 << 10) /* ten configs of 8 KiB and what is around them */
#define CHANNEL_CHARS_MAX 40

const struct field rule_field_rows[] = {
	FIELD_STR(struct rule_fields, name, "name", .min = 1, .max = RULE_NAME_CHARS_MAX,
		  .flags = FIELD_REQUIRED, .help = "What people see.",
		  .example = "Checkout failures"),
	FIELD_STR(struct rule_fields, event_type, "eventType", .min = 1,
		  .max = EVENT_TYPE_BYTES_MAX, .flags = FIELD_REQUIRED,
		  .check = rule_event_type_check, .example = "checkout_failed",
		  .help = "The type of event to count: exact, \"prefix.*\" or \"*\"."),
	FIELD_ENUM(struct rule_fields, condition, "condition", rule_condition_names,
		   .flags = FIELD_REQUIRED, .example = "count_gte",
		   .help = "How the count compares with the threshold."),
	FIELD_INT(struct rule_fields, threshold, "threshold", .min = 1, .max = RULE_THRESHOLD_MAX,
		  .unit = "events", .flags = FIELD_REQUIRED, .example = "5",
		  .help = "How many events it takes."),
	FIELD_SECONDS(struct rule_fields, window_s, "windowSeconds", .min = 1,
		      .max = RULE_WINDOW_SECONDS_MAX, .flags = FIELD_REQUIRED, .example = "60",
		      .help = "How long an event counts."),
	FIELD_SECONDS(struct rule_fields, cooldown_s, "cooldownSeconds", .min = 0,
		      .max = RULE_COOLDOWN_SECONDS_MAX, .fallback = "60",
		      .help = "How long the rule is quiet about a key after it fired."),
	FIELD_LIST(struct rule_fields, group_by, "groupBy", .max = RULE_GROUP_BY_MAX,
		   .item_max = RULE_PATH_BYTES_MAX,
		   .help = "Paths whose values are counted apart, such as payload.userId."),
	FIELD_ENUM(struct rule_fields, severity, "severity", severity_names, .fallback = "medium",
		   .help = "How bad the alerts are."),
	FIELD_BOOL(struct rule_fields, enabled, "enabled", .fallback = "true",
		   .help = "A disabled rule counts nothing; enabling starts it empty."),
	FIELD_JSON(struct rule_fields, actions, "actions", .max = ACTIONS_BYTES_MAX,
		   .flags = FIELD_REQUIRED,
		   .help = "Who is told: 1 to 10 objects with channel and config."),
	FIELD_JSON(struct rule_fields, filter, "filter",
		   .help = "A condition on single events; comes with a later version."),
};
const size_t rule_field_rows_n = ARRAY_LEN(rule_field_rows);
const struct field_set rule_field_set = { rule_field_rows, ARRAY_LEN(rule_field_rows) };

struct action_fields {
	struct slice channel;
	const struct json *config;
};
static const struct field action_rows[] = {
	FIELD_STR(struct action_fields, channel, "channel", .min = 1, .max = CHANNEL_CHARS_MAX,
		  .flags = FIELD_REQUIRED, .help = "How to tell: webhook, in_app, ..."),
	FIELD_OBJECT(struct action_fields, config, "config",
		     .max = (int64_t)RULE_ACTION_CONFIG_BYTES_MAX, .fallback = "{}",
		     .help = "The settings of the channel."),
};

static bool compact(struct slice raw, struct arena *req, struct slice *out, struct err *err)
{
	struct json_scan scan;
	struct buf text;
	bool ok;

	buf_init(&text, raw.n);
	json_scan_init(&scan, raw, JSON_DEPTH_MAX, req);
	ok = json_compact(&scan, &text, err);
	*out = ok ? arena_dup(req, buf_slice(&text)) : (struct slice) { 0 };
	buf_release(&text);
	return ok;
}

static bool read_action(const struct json *item, size_t index, const struct rule_def *old,
			const struct rule_json_in *in, struct arena *req, struct rule_action *out,
			struct err *err)
{
	char path[32], config_path[sizeof(path) + 8];
	struct fields_in how = { .path = path, .ignore_unknown = in->ignore_unknown };
	struct action_fields fields = { 0 };
	struct rule_action_in given;

	snprintf(path, sizeof(path), "actions[%zu]", index);
	snprintf(config_path, sizeof(config_path), "%s.config", path);
	if (!fields_parse(item, action_rows, ARRAY_LEN(action_rows), &fields, &how, req, err)) {
		return false;
	}
	given = (struct rule_action_in) {
		.channel = fields.channel,
		.config = fields.config,
		.path = config_path,
		.old = old,
		.index = index,
	};
	out->channel = fields.channel;
	if (!compact(fields.config->raw, req, &out->config, err) ||
	    (in->check != NULL && !in->check(in->arg, &given, req, &out->config, err))) {
		return false;
	}
	return out->config.n <= RULE_ACTION_CONFIG_BYTES_MAX ||
	       err_field(err, ERR_INVALID, config_path, "\"%s\" must be at most 8192 bytes",
			 config_path);
}

static bool read_actions(const struct json *list, const struct rule_def *old,
			 const struct rule_json_in *in, struct arena *req, struct rule_def *out,
			 struct err *err)
{
	struct rule_action *actions;
	size_t n = 0;

	if (list->type != JSON_ARRAY || list->count < 1 || list->count > RULE_ACTIONS_MAX) {
		return err_field(err, ERR_INVALID, "actions",
				 "\"actions\" must be an array of 1 to %d objects",
				 RULE_ACTIONS_MAX);
	}
	actions = arena_array(req, list->count, sizeof(*actions));
	json_each(item, list)
	{
		if (!read_action(item, n, old, in, req, &actions[n], err)) {
			return false;
		}
		n++;
	}
	out->actions = actions;
	out->actions_n = n;
	return true;
}

static bool read_group_by(const struct field_list *list, struct arena *req, struct rule_def *out,
			  struct err *err)
{
	struct rule_path *paths = arena_array(req, list->n, sizeof(*paths));
	char path[32];

	for (size_t i = 0; i < list->n; i++) {
		snprintf(path, sizeof(path), "groupBy[%zu]", i);
		if (!rule_path_parse(list->v[i], path, &paths[i], err)) {
			return false;
		}
		for (size_t k = 0; k < i; k++) {
			if (slice_eq(paths[k].text, paths[i].text)) {
				return err_field(err, ERR_INVALID, path,
						 "\"%s\" repeats \"groupBy[%zu]\"", path, k);
			}
		}
	}
	out->group_by = paths;
	out->group_by_n = list->n;
	return true;
}

/* From the filled struct to a definition. actions == NULL: they stay as they are. */
static bool take_fields(const struct rule_fields *fields, const struct rule_def *old,
			const struct rule_json_in *in, struct arena *req, struct rule_def *out,
			struct err *err)
{
	if (fields->filter != NULL && fields->filter->type != JSON_NULL) {
		return err_field(err, ERR_NOT_IMPLEMENTED, "filter",
				 "\"filter\" comes with a later version");
	}
	out->name = fields->name;
	out->event_type = fields->event_type;
	out->condition = (enum rule_condition)fields->condition;
	out->threshold = (uint32_t)fields->threshold;
	out->window_s = (uint32_t)fields->window_s;
	out->cooldown_s = (uint32_t)fields->cooldown_s;
	out->severity = (enum severity)(fields->severity + SEVERITY_DEBUG);
	out->enabled = fields->enabled;
	return read_group_by(&fields->group_by, req, out, err) &&
	       (fields->actions == NULL || read_actions(fields->actions, old, in, req, out, err));
}

bool rule_def_parse(const struct json *body, const struct rule_json_in *in, struct arena *req,
		    struct rule_def *out, struct err *err)
{
	struct fields_in how = { .ignore_unknown = in->ignore_unknown };
	struct rule_fields fields = { 0 };

	*out = (struct rule_def) { 0 };
	return fields_parse(body, rule_field_rows, rule_field_rows_n, &fields, &how, req, err) &&
	       take_fields(&fields, NULL, in, req, out, err);
}

static struct field_list group_by_list(const struct rule_def *def, struct arena *req)
{
	struct slice *texts = arena_array(req, def->group_by_n, sizeof(*texts));

	for (size_t i = 0; i < def->group_by_n; i++) {
		texts[i] = def->group_by[i].text;
	}
	return (struct field_list) { .v = texts, .n = def->group_by_n };
}

static struct rule_fields fields_of(const struct rule_def *def, struct arena *req)
{
	return (struct rule_fields) {
		.name = def->name,
		.event_type = def->event_type,
		.condition = def->condition,
		.threshold = def->threshold,
		.window_s = def->window_s,
		.cooldown_s = def->cooldown_s,
		.group_by = group_by_list(def, req),
		.severity = def->severity - SEVERITY_DEBUG,
		.enabled = def->enabled,
	};
}

bool rule_def_patch(const struct rule_def *old, const struct json *body,
		    const struct rule_json_in *in, struct arena *req, struct rule_def *out,
		    struct err *err)
{
	struct fields_in how = { .partial = true, .ignore_unknown = in->ignore_unknown };
	struct rule_fields fields = fields_of(old, req);

	*out = *old;
	return fields_parse(body, rule_field_rows, rule_field_rows_n, &fields, &how, req, err) &&
	       take_fields(&fields, old, in, req, out, err);
}

static void write_actions(const struct rule_def *def, rule_action_show *show, void *arg,
			  struct json_w *w)
{
	json_w_key(w, "actions");
	json_w_array(w);
	for (size_t i = 0; i < def->actions_n; i++) {
		json_w_object(w);
		json_w_key(w, "channel");
		json_w_str(w, def->actions[i].channel);
		json_w_key(w, "config");
		if (show != NULL) {
			show(arg, &def->actions[i], w);
		} else {
			json_w_raw(w, def->actions[i].config);
		}
		json_w_end(w);
	}
	json_w_end(w);
}

void rule_def_write(const struct rule_def *def, rule_action_show *show, void *arg, struct json_w *w)
{
	json_w_key(w, "name");
	json_w_str(w, def->name);
	json_w_key(w, "eventType");
	json_w_str(w, def->event_type);
	json_w_key(w, "condition");
	json_w_str(w, rule_condition_name(def->condition));
	json_w_key(w, "threshold");
	json_w_int(w, def->threshold);
	json_w_key(w, "windowSeconds");
	json_w_int(w, def->window_s);
	json_w_key(w, "cooldownSeconds");
	json_w_int(w, def->cooldown_s);
	json_w_key(w, "groupBy");
	json_w_array(w);
	for (size_t i = 0; i < def->group_by_n; i++) {
		json_w_str(w, def->group_by[i].text);
	}
	json_w_end(w);
	json_w_key(w, "severity");
	json_w_str(w, severity_name(def->severity));
	json_w_key(w, "enabled");
	json_w_bool(w, def->enabled);
	write_actions(def, show, arg, w);
}

struct slice rule_def_text(const struct rule_def *def, struct arena *arena)
{
	struct slice text;
	struct json_w w;
	struct buf out;

	buf_init(&out, RULE_DEF_BYTES_MAX);
	json_w_init(&w, &out);
	json_w_object(&w);
	rule_def_write(def, NULL, NULL, &w);
	json_w_end(&w);
	ensure(!out.overflow);
	text = arena_dup(arena, buf_slice(&out));
	buf_release(&out);
	return text;
}

bool rule_def_read(struct slice text, struct arena *arena, struct rule_def *out, struct err *err)
{
	const struct rule_json_in in = { 0 };
	const struct json *body;

	return json_parse(arena, text, JSON_DEPTH_MAX, &body, err) &&
	       rule_def_parse(body, &in, arena, out, err);
}
