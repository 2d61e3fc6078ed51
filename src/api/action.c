/* SPDX-License-Identifier: Apache-2.0 */
/* The glue between rules and channels. */
#include "api/action.h"

#include <stdio.h>

#include "base/json_put.h"
#include "channel/channel.h"

static void list_channels(char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; channel_types[i] != NULL && n < size; i++) {
		n += (size_t)snprintf(out + n, size - n, "%s%s", i == 0 ? "" : ", ",
				      channel_types[i]->name);
	}
}

/*
 * Channels that earlier systems had and that are not here yet: not there is another answer than
 * never heard of. One that is built leaves this list; the test of it says so.
 */
static const char *const later[] = { "discord", "email", "slack", "telegram", "whatsapp" };

static bool comes_later(struct slice channel)
{
	for (size_t i = 0; i < ARRAY_LEN(later); i++) {
		if (slice_eq(channel, slice_of(later[i]))) {
			return true;
		}
	}
	return false;
}

static bool no_such_channel(const struct rule_action_in *in, struct err *err)
{
	char path[128], known[160];

	snprintf(path, sizeof(path), "actions[%zu].channel", in->index);
	list_channels(known, sizeof(known));
	if (comes_later(in->channel)) {
		return err_field(err, ERR_NOT_IMPLEMENTED, path,
				 "\"%s\": the channel \"%.*s\" comes with a later version; until "
				 "then there are %s",
				 path, SARG(in->channel), known);
	}
	return err_field(err, ERR_INVALID, path, "\"%s\" must be one of %s", path, known);
}

bool action_check(void *arg, const struct rule_action_in *in, struct arena *req,
		  struct slice *config, struct err *err)
{
	const struct channel_type *type = channel_find(in->channel);
	struct channel_conf_in conf = { .config = in->config, .path = in->path, .policy = arg };

	if (type == NULL) {
		return no_such_channel(in, err);
	}
	if (in->old != NULL && in->index < in->old->actions_n &&
	    slice_eq(in->old->actions[in->index].channel, in->channel)) {
		conf.old = in->old->actions[in->index].config;
	}
	return channel_conf_check(type, &conf, req, config, err);
}

void action_show(void *arg, const struct rule_action *action, struct json_w *w)
{
	const struct channel_type *type = channel_find(action->channel);

	if (type == NULL) {
		json_w_raw(w, S("{}"));
	} else {
		channel_conf_show(type, action->config, arg, w);
	}
}

static void write_config(struct schema *s, const struct channel_type *type)
{
	const struct field_set fields = { type->fields, type->fields_n };
	const struct shape config = { .fields = &fields, .sent = true };

	json_w_key(s->w, "config");
	if (type->fields == NULL) {
		json_w_raw(s->w, S("{\"type\":\"object\"}"));
	} else {
		schema_shape(s, &config, false);
	}
}

/* Without settings that are needed there need not be any. */
static bool needs_config(const struct channel_type *type)
{
	for (size_t i = 0; i < type->fields_n; i++) {
		if ((type->fields[i].flags & FIELD_REQUIRED) != 0) {
			return true;
		}
	}
	return false;
}

void action_forms(struct schema *s)
{
	for (size_t i = 0; channel_types[i] != NULL; i++) {
		const struct channel_type *type = channel_types[i];

		json_w_object(s->w);
		json_put_str(s->w, "description", slice_of(type->help));
		json_put_str(s->w, "type", S("object"));
		json_w_key(s->w, "properties");
		json_w_object(s->w);
		json_w_key(s->w, "channel");
		json_w_object(s->w);
		json_put_str(s->w, "const", slice_of(type->name));
		json_w_end(s->w);
		write_config(s, type);
		json_w_end(s->w);
		json_put_raw(s->w, "required",
			     needs_config(type) ? S("[\"channel\",\"config\"]")
						: S("[\"channel\"]"),
			     "[]");
		json_put_bool(s->w, "additionalProperties", false);
		json_w_end(s->w);
	}
}
