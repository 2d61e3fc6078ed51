/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_RULE_JSON_H
#define MODEL_RULE_JSON_H

#include "base/field.h"
#include "base/json.h"
#include "model/rule_def.h"

/*
 * Rules as JSON: what people send, what replies show, what control records and snapshots hold. One
 * field table describes the members. Ids and the version are not among them: the caller sets them.
 * Pure but for the channel callback; any thread.
 */

/* What a person may set, before it becomes a struct rule_def: the struct the table describes. */
struct rule_fields {
	struct slice name;
	struct slice event_type;
	unsigned condition;
	int64_t threshold;
	int64_t window_s;
	int64_t cooldown_s;
	struct field_list group_by;
	unsigned severity; /* place in severity_names */
	bool enabled;
	const struct json *actions;
	const struct json *filter; /* the seat of the expression language: only null is taken yet */
};
extern const struct field rule_field_rows[];
extern const size_t rule_field_rows_n;
extern const struct field_set rule_field_set; /* the same, for descriptions */

/* One action as it was sent. */
struct rule_action_in {
	struct slice channel;
	const struct json *config;  /* an object */
	const char *path;	    /* of the config, "actions[2].config": for errors */
	const struct rule_def *old; /* the rule before a change, or NULL: to keep masked secrets */
	size_t index;
};
/*
 * Check one action, because channels are a layer above: unknown channels and bad settings fail with
 * ERR_INVALID. *config is the settings as compact JSON; it may be replaced by other text
 * from req, of at most RULE_ACTION_CONFIG_BYTES_MAX.
 */
typedef bool rule_action_check(void *arg, const struct rule_action_in *in, struct arena *req,
			       struct slice *config, struct err *err);
/* Write the settings of one action for people, secrets masked. Writes one value. */
typedef void rule_action_show(void *arg, const struct rule_action *action, struct json_w *w);

struct rule_json_in {
	rule_action_check *check; /* NULL: taken as it is */
	void *arg;
	bool ignore_unknown; /* members that no rule has, for calls that always did */
};

/*
 * A whole rule; id, org, project and version of *out are 0. ERR_INVALID names the path,
 * ERR_NOT_IMPLEMENTED a member that comes later. *out borrows from body and req.
 */
NODISCARD bool rule_def_parse(const struct json *body, const struct rule_json_in *in,
			      struct arena *req, struct rule_def *out, struct err *err);
/* A change: members that are absent stay as in old, as do ids and version. */
NODISCARD bool rule_def_patch(const struct rule_def *old, const struct json *body,
			      const struct rule_json_in *in, struct arena *req,
			      struct rule_def *out, struct err *err);
/* Members in canonical order into the object that is open in w. show may be NULL: as stored. */
void rule_def_write(const struct rule_def *def, rule_action_show *show, void *arg,
		    struct json_w *w);
/* The canonical JSON object of a whole rule, at most RULE_DEF_BYTES_MAX, in the arena. */
struct slice rule_def_text(const struct rule_def *def, struct arena *arena);
/* What rule_def_text wrote. */
NODISCARD bool rule_def_read(struct slice text, struct arena *arena, struct rule_def *out,
			     struct err *err);

#endif
