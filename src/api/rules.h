/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_RULES_H
#define API_RULES_H

#include "api/audit.h"
#include "api/call.h"
#include "api/shape.h"
#include "engine/control.h"
#include "model/rule_def.h"
#include "store/replies.h"
#include "store/rules.h"

/*
 * The calls of rules, which several rows share. Whether a member that no rule has is refused or
 * passed over is the row's (route_is_strict). On a worker; each may wait for a commit.
 */
#define RULE_BODY_BYTES_MAX (RULE_DEF_BYTES_MAX * 2) /* with white space and escapes */

NODISCARD bool rules_post(struct call *c, struct err *err);
NODISCARD bool rules_get(struct call *c, struct err *err);
NODISCARD bool rules_change(struct call *c, struct err *err);
NODISCARD bool rules_delete(struct call *c, struct err *err);
/*
 * Have the control record tell the audit log what becomes of the rule; old is NULL for a new one.
 */
NODISCARD bool rules_tell(struct call *c, enum audit_action action, const struct rule_def *old,
			  struct control *control, struct err *err);
/* A rule as replies show it, secrets masked: an object. ERR_CORRUPT. */
NODISCARD bool rules_write(const struct rule_row *row, struct arena *req, struct json_w *w,
			   struct err *err);
/* All rules of the caller's project as elements of the open array. */
NODISCARD bool rules_write_all(struct call *c, struct json_w *w, struct err *err);

/*
 * What a new rule is answered, for the engine to keep: see engine_options.reply. The same bytes as
 * rules_post answers.
 */
void rules_reply(const struct rule_row *rule, struct arena *tick, struct reply_row *out);

extern const struct shape shape_rule, shape_action, shape_action_in;
extern const struct shape shape_open_rule_in; /* a rule as it is sent, and whatever else */

#endif
