/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_EFFECTS_H
#define ENGINE_EFFECTS_H

#include "engine/waiters.h"
#include "store/global.h"
#include "store/sayings.h"

/*
 * What a batch of records changes, as rows: decided in memory first, written in one transaction
 * afterwards, and written again unchanged when that transaction fails. Memory is the tick's.
 */
#define EFFECTS_BATCH_ROWS 1024 /* rows after which a batch ends: a transaction of ~10 ms */
#define EFFECTS_BATCH_BYTES ((size_t)8 << 20)

struct rule_effect {
	struct org_id org;
	struct rule_row put;	/* when put.version > 0 */
	struct rule_id removed; /* else */
	int64_t at_us;
	uint64_t seq;
};
struct verdict_effect {
	uint64_t seq;
	struct verdict verdict;
};

/* Rows of one kind; they grow in the tick. */
#define EFFECT_ROWS(type) \
	struct { \
		type *rows; \
		size_t n, cap; \
	}

struct effects {
	struct arena *tick;
	EFFECT_ROWS(struct rule_effect) rules;
	EFFECT_ROWS(struct alert_row) alerts;
	EFFECT_ROWS(struct alert_end) ends;
	EFFECT_ROWS(struct delivery_row) deliveries;
	EFFECT_ROWS(struct change_row) changes;
	EFFECT_ROWS(struct verdict_effect) verdicts;
	EFFECT_ROWS(struct retention_row) deletions;
	EFFECT_ROWS(struct reply_row) replies;
	EFFECT_ROWS(struct audit_entry) audits;
	EFFECT_ROWS(struct builtin_row) builtins;
	EFFECT_ROWS(struct saying_row) said;
	bool poison;	 /* the list of quarantined records has grown */
	size_t resolved; /* alerts that ended */
	size_t bytes;	 /* of the texts that the rows keep alive, roughly */
};

void effects_init(struct effects *e, struct arena *tick);
/* A new zeroed row, valid until the next one of its kind. */
struct rule_effect *effects_rule(struct effects *e);
struct alert_row *effects_alert(struct effects *e);
/* An alert is over; one of this batch is born so. Texts live as long as the batch. */
void effects_end(struct effects *e, const struct alert_end *end);
struct delivery_row *effects_delivery(struct effects *e);
struct change_row *effects_change(struct effects *e);
struct verdict_effect *effects_verdict(struct effects *e);
struct retention_row *effects_deletion(struct effects *e);
/* The reply to the request of a change: texts live as long as the batch. */
struct reply_row *effects_reply(struct effects *e);
/* What the audit log is to tell: likewise. */
struct audit_entry *effects_audit(struct effects *e);
/* A built-in rule that was changed; and what the server wanted to tell, and has told now. */
struct builtin_row *effects_builtin(struct effects *e);
struct saying_row *effects_said(struct effects *e);
/* Nothing to commit but the cursor. */
bool effects_empty(const struct effects *e);
/* Time to commit. */
bool effects_full(const struct effects *e);
/* Write all rows but changes and audits, inside the caller's transaction. */
NODISCARD bool effects_write(const struct effects *e, struct db *db, struct err *err);

#endif
