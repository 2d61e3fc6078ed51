/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_ACTION_H
#define API_ACTION_H

#include "api/schema.h"
#include "model/rule_json.h"
#include "net/ip.h"

/*
 * Actions of rules against the channels they name: the callbacks that model/rule_json.h asks for,
 * because channels are a layer above the model. arg is the struct ip_policy that targets are held
 * against, so that a forbidden one is refused when the rule is written and not at three in the
 * morning. Pure; any thread.
 */
NODISCARD bool action_check(void *arg, const struct rule_action_in *in, struct arena *req,
			    struct slice *config, struct err *err);
/* arg is the struct arena of the request. */
void action_show(void *arg, const struct rule_action *action, struct json_w *w);
/* A schema for each channel, with its settings: for shapes. */
void action_forms(struct schema *s);

#endif
