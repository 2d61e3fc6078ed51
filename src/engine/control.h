/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_CONTROL_H
#define ENGINE_CONTROL_H

#include "base/buf.h"
#include "model/audit.h"
#include "model/builtin.h"
#include "model/rule_def.h"

/*
 * Control records: changes of what decides, as entries of the same log as the events they are to
 * decide about. The body is JSON whose first member is the type, like an event's.
 *
 *   {"type":"rule.put","expect":2,"id":"rul_...","rule":{...}}  expect 0: the rule must be new
 *   {"type":"rule.put","expect":0,"rulesMax":25,...}             unless the org has so many
 *   {"type":"rule.put",...,"once":{"key":"...","request":"..."}} its reply is kept under this key
 *   {"type":"rule.delete","expect":2,"id":"rul_..."}             expect 0: any version
 *   {"type":"events.delete"}                                     all events before this record
 *   {"type":"builtin.put","expect":1,"builtin":"usage_80","rule":{...}}  see model/builtin.h
 *   {"type":"org.purge"}                                         all of the org before this record
 *   {"type":"record.quarantine","record":17,"exits":3}           see poison.h
 *
 * once is what an Idempotency-Key became (store/replies.h); it decides nothing: that the rule is
 * new does. Org and project are those of the record. rulesMax is what the plan said when the rule
 * was asked for: so the engine holds the limit exactly, and a replay needs to know no plan.
 *
 * Each may carry "audit":{...}, what the audit log is to tell of it: written in the commit of the
 * change, so that there is an entry exactly when there is a change.
 *
 * Pure; any thread.
 */
enum control_op {
	CONTROL_RULE_PUT,
	CONTROL_RULE_DELETE,
	CONTROL_RECORD_QUARANTINE,
	CONTROL_EVENTS_DELETE,
	CONTROL_BUILTIN_PUT,
	CONTROL_ORG_PURGE,
	CONTROL_OPS
};

struct control {
	enum control_op op;
	uint64_t expect; /* the version that the change is based on */
	struct rule_id rule_id;
	/* CONTROL_RULE_PUT: org and project come from the record, the version is expect + 1. */
	struct rule_def rule;
	uint64_t rules_max; /* of a new rule; 0: no limit */
	/* CONTROL_BUILTIN_PUT: the same of a built-in rule; its id is made of the org. */
	enum builtin builtin;
	/* CONTROL_RULE_PUT: see struct reply_row; both empty: the request had no key. */
	struct slice once_key, once_request;
	/* CONTROL_RECORD_QUARANTINE: the record, and how many unclean exits it has cost. */
	uint64_t record;
	uint64_t exits;
	/* As audit_carry has it; without an action: there is nothing to tell. */
	struct audit_entry audit;
};

/* "rule.put", the type of the record. */
struct slice control_type(enum control_op op);
/* Append the body; req is for scratch. */
void control_encode(const struct control *control, struct arena *req, struct buf *out);
/* Read what control_encode wrote. ERR_CORRUPT when body is anything else. */
NODISCARD bool control_decode(struct slice body, struct arena *tick, struct control *out,
			      struct err *err);

#endif
