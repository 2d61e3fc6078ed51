/* SPDX-License-Identifier: Apache-2.0 */
/* Rows that wait for their transaction. The bounds make one batch one short transaction. */
#include "engine/effects.h"

void effects_init(struct effects *e, struct arena *tick)
{
	*e = (struct effects) { .tick = tick };
}

static void *grow(struct arena *tick, void *rows, size_t n, size_t *cap, size_t size)
{
	void *more;

	if (n < *cap) {
		return rows;
	}
	*cap = *cap == 0 ? 16 : *cap * 2;
	more = arena_array(tick, *cap, size);
	if (n > 0) {
		memcpy(more, rows, n * size);
	}
	return more;
}

#define PUSH(e, kind) \
	((e)->kind.rows = grow((e)->tick, (e)->kind.rows, (e)->kind.n, &(e)->kind.cap, \
			       sizeof(*(e)->kind.rows)), \
	 &(e)->kind.rows[(e)->kind.n++])

struct rule_effect *effects_rule(struct effects *e)
{
	return PUSH(e, rules);
}

struct alert_row *effects_alert(struct effects *e)
{
	return PUSH(e, alerts);
}

/* Alerts have dense numbers, so that one of this batch is found by its own. */
void effects_end(struct effects *e, const struct alert_end *end)
{
	uint64_t first = e->alerts.n == 0 ? UINT64_MAX : e->alerts.rows[0].number.v;
	struct alert_row *row;

	e->resolved++;
	if (end->number.v < first) {
		*PUSH(e, ends) = *end;
		return;
	}
	row = &e->alerts.rows[end->number.v - first];
	ensure(end->number.v - first < e->alerts.n && row->number.v == end->number.v);
	row->resolved_us = end->resolved_us;
	row->resolution = end->resolution;
}

struct delivery_row *effects_delivery(struct effects *e)
{
	return PUSH(e, deliveries);
}

struct change_row *effects_change(struct effects *e)
{
	return PUSH(e, changes);
}

struct verdict_effect *effects_verdict(struct effects *e)
{
	return PUSH(e, verdicts);
}

struct retention_row *effects_deletion(struct effects *e)
{
	return PUSH(e, deletions);
}

struct reply_row *effects_reply(struct effects *e)
{
	return PUSH(e, replies);
}

struct audit_entry *effects_audit(struct effects *e)
{
	return PUSH(e, audits);
}

struct builtin_row *effects_builtin(struct effects *e)
{
	return PUSH(e, builtins);
}

struct saying_row *effects_said(struct effects *e)
{
	return PUSH(e, said);
}

#undef PUSH

bool effects_empty(const struct effects *e)
{
	return e->rules.n + e->alerts.n + e->ends.n + e->deliveries.n + e->changes.n +
			       e->verdicts.n + e->deletions.n + e->replies.n + e->audits.n +
			       e->builtins.n + e->said.n ==
		       0 &&
	       !e->poison;
}

bool effects_full(const struct effects *e)
{
	return e->rules.n + e->alerts.n + e->ends.n + e->deliveries.n + e->said.n >=
		       EFFECTS_BATCH_ROWS ||
	       e->bytes >= EFFECTS_BATCH_BYTES;
}

static bool write_rules(const struct effects *e, struct db *db, struct err *err)
{
	for (size_t i = 0; i < e->rules.n; i++) {
		const struct rule_effect *r = &e->rules.rows[i];

		if (r->put.version > 0) {
			if (!store_rule_put(r->org, db, &r->put, err)) {
				return false;
			}
		} else if (store_rule_delete(r->org, db, r->removed, r->at_us, r->seq, err) ==
			   FAILED) {
			return false;
		}
	}
	return true;
}

static bool write_builtins(const struct effects *e, struct db *db, struct err *err)
{
	for (size_t i = 0; i < e->builtins.n; i++) {
		if (!store_builtin_put(e->builtins.rows[i].org, db, &e->builtins.rows[i], err)) {
			return false;
		}
	}
	return true;
}

bool effects_write(const struct effects *e, struct db *db, struct err *err)
{
	return write_rules(e, db, err) && write_builtins(e, db, err) &&
	       store_sayings_said(db, e->said.rows, e->said.n, err) &&
	       store_replies_add(db, e->replies.rows, e->replies.n, err) &&
	       store_retention_delete(db, e->deletions.rows, e->deletions.n, err) &&
	       store_alerts_insert(db, e->alerts.rows, e->alerts.n, err) &&
	       store_alerts_resolve(db, e->ends.rows, e->ends.n, err) &&
	       store_deliveries_insert(db, e->deliveries.rows, e->deliveries.n, err);
}
