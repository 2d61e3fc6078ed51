/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One record: first what is due by its time, then the record itself. An event is counted by the
 * rules it matches, a control record changes the rules. The same function runs in production and in
 * a replay; only the effects are left out there.
 */
#include <stdio.h>

#include "engine/control.h"
#include "engine/engine_impl.h"
#include "model/rule_json.h"

#define RULES_PER_PROJECT_MAX 10000 /* what one event may have to be compared with */

static struct rule_input input_of(const struct record *record)
{
	return (struct rule_input) {
		.seq = record->seq,
		.received_at_us = record->received_at_us,
		.org = record->org,
		.project = record->project,
		.type = record->type,
		.body = record->body,
	};
}

/* Decided or not: it happened. */
static void count_event(struct engine *e, const struct record *record)
{
	rollups_add(e->rollups, record);
	usage_add(e->usage, record);
}

/* The first record received after since_us, found by walking back from a record. */
static uint64_t seq_after(struct engine *e, uint64_t from_seq, int64_t since_us)
{
	struct journal_iter *iter = journal_iter_new(e->o.journal, from_seq, true);
	uint64_t seq = from_seq;
	struct record record;
	struct err err;
	enum found found;

	while ((found = journal_iter_next(iter, &record, &err)) != NOT_FOUND) {
		if (found == FOUND && record.received_at_us <= since_us) {
			break;
		}
		if (found == FOUND) {
			seq = record.seq;
		} else if (err.kind == ERR_IO) {
			break;
		}
	}
	journal_iter_free(&iter);
	return seq;
}

/* Show a rule the records of its window once more; nothing fires. */
static void rebuild(struct engine *e, struct rule_id id, const struct record *until)
{
	uint64_t seq = seq_after(e, until->seq,
				 rule_set_since(e->state.rules, id, until->received_at_us));
	struct journal_iter *iter = journal_iter_new(e->o.journal, seq, false);
	struct arena tick;
	struct record record;
	struct err err;
	enum found found;

	arena_init(&tick, 0);
	while ((found = journal_iter_next(iter, &record, &err)) != NOT_FOUND) {
		struct rule_input input;

		if (found == FOUND && record.seq >= until->seq) {
			break;
		}
		if (found == FAILED && err.kind == ERR_IO) {
			log_error("rebuild_failed", log_str("error", err.text));
			break;
		}
		if (found == FAILED) {
			log_warn("window_incomplete", log_str("error", err.text));
		}
		if (found != FOUND || record.kind != RECORD_EVENT ||
		    poison_has(&e->poison, record.seq)) {
			continue;
		}
		input = input_of(&record);
		if (!rule_apply_silent(e->state.rules, id, &input, &tick, &err)) {
			log_error("record_unreadable", log_int("seq", record.seq),
				  log_str("error", err.text));
		}
		arena_clear(&tick);
	}
	arena_release(&tick);
	journal_iter_free(&iter);
}

/* It is in the log now: whoever wanted to say it need not any more. */
static void mark_said(struct engine *e, const struct record *record)
{
	struct event event;
	struct err err;

	if (record_is_system(record) && event_decode(record->body, &e->tick, &event, &err) &&
	    event.fingerprint.n > 0) {
		*effects_said(&e->effects) =
			(struct saying_row) { .org = record->org,
					      .name = arena_dup(&e->tick, event.fingerprint),
					      .said_seq = record->seq };
	}
}

/* It counts what comes behind record since_seq. given may be what the book has of it now. */
static void put_in_force(struct engine *e, const struct record *record,
			 const struct rule_def *given, uint64_t since_seq)
{
	struct rule_id id = given->id;
	const struct rule_def *def;

	rulebook_put(e->state.rulebook, given);
	def = rulebook_get(e->state.rulebook, id);
	if (rule_set_put(e->state.rules, def, since_seq, record->received_at_us) == RULE_REBUILD) {
		rebuild(e, id, record);
		rule_set_rebuilt(e->state.rules, id);
	}
}

/*
 * Have the built-in rule that takes this event in force: an org's instance is made when its first
 * event comes, and follows the project that those events go to.
 */
static void hold_builtin(struct engine *e, const struct record *record)
{
	const struct hash_key *key = &journal_meta(e->o.journal)->hash;
	const struct rule_def *old;
	struct rule_def def;
	enum builtin which;

	if (rulebook_table(e->state.rulebook) == 0 || !record_is_system(record) ||
	    !builtin_for(record->type, &which)) {
		return;
	}
	old = rulebook_get(e->state.rulebook, builtin_id(key, record->org, which));
	if (old != NULL && old->project.v == record->project.v) {
		return;
	}
	def = old != NULL ? *old : builtin_def(key, record->org, record->project, which);
	def.project = record->project;
	put_in_force(e, record, &def, record->seq - 1);
}

static bool apply_event(struct engine *e, const struct record *record, struct err *err)
{
	struct rule_input input = input_of(record);
	struct firings firings;
	struct event event;

	if (e->with_effects) {
		count_event(e, record);
		mark_said(e, record);
	}
	hold_builtin(e, record);
	if (!rule_apply(e->state.rules, &input, &e->tick, &firings, err)) {
		return false;
	}
	if (firings.n == 0) {
		return true;
	}
	if (!event_decode(record->body, &e->tick, &event, err)) {
		return false;
	}
	if (e->with_effects) {
		/* The record is borrowed from the iterator; the rows outlive it. */
		event.payload = arena_dup(&e->tick, event.payload);
	}
	for (size_t i = 0; i < firings.n; i++) {
		engine_alert(e, record, &event, &firings.items[i]);
	}
	return true;
}

static void say(struct engine *e, const struct record *record, struct verdict verdict)
{
	if (e->with_effects) {
		*effects_verdict(&e->effects) = (struct verdict_effect) { record->seq, verdict };
	}
}

static struct verdict refusal(enum err_kind kind, const char *text)
{
	struct verdict v = { .ok = false };

	err_set(&v.err, kind, "%s", text);
	return v;
}

/* NULL when the change may go on; else why not. */
static bool check(struct engine *e, const struct record *record, struct rule_id id, uint64_t expect,
		  bool must_exist)
{
	const struct rule_def *old = rulebook_get(e->state.rulebook, id);

	if (old == NULL || old->org.v != record->org.v) {
		if (must_exist || old != NULL) {
			say(e, record, refusal(ERR_NOT_FOUND, "there is no such rule"));
			return false;
		}
		return true;
	}
	if (expect != old->version && (expect != 0 || !must_exist)) {
		say(e, record, refusal(ERR_PRECONDITION, "the rule was changed meanwhile"));
		return false;
	}
	return true;
}

/* The row is in the batch, and stays where it is until the next one of its kind. */
static const struct rule_row *effect_put(struct engine *e, const struct record *record,
					 const struct rule_def *def)
{
	struct rule_effect *effect = effects_rule(&e->effects);
	struct slice json = rule_def_text(def, &e->tick);

	*effect = (struct rule_effect) {
		.org = def->org,
		.at_us = record->received_at_us,
		.seq = record->seq,
		.put = { .id = def->id,
			 .org = def->org,
			 .project = def->project,
			 .name = arena_dup(&e->tick, def->name),
			 .version = def->version,
			 .definition = json,
			 .event_type = arena_dup(&e->tick, def->event_type),
			 .enabled = def->enabled,
			 .created_us = record->received_at_us,
			 .updated_us = record->received_at_us,
			 .seq = record->seq },
	};
	e->effects.bytes += json.n;
	return &effect->put;
}

/* In the commit of the rule: there is a reply exactly when there is a rule. */
static void keep_reply(struct engine *e, const struct control *control, const struct rule_row *rule)
{
	struct reply_row *row;

	if (control->once_key.n == 0 || e->o.reply == NULL) {
		return;
	}
	row = effects_reply(&e->effects);
	*row = (struct reply_row) { .org = rule->org,
				    .key = arena_dup(&e->tick, control->once_key),
				    .request = arena_dup(&e->tick, control->once_request),
				    .created_us = rule->created_us,
				    .expires_us = rule->created_us + REPLY_KEPT_US };
	e->o.reply(rule, &e->tick, row);
	e->effects.bytes += row->body.n;
}

/* In the commit of the change. The record is borrowed; the entry outlives it. */
static void keep_audit(struct engine *e, const struct record *record, const struct control *control)
{
	if (e->with_effects && control->audit.action.n > 0) {
		struct audit_entry *entry = effects_audit(&e->effects);

		*entry = audit_copy(&control->audit, &e->tick);
		entry->org = record->org;
		entry->at_us = record->received_at_us;
	}
}

static void put_rule(struct engine *e, const struct record *record, struct control *control)
{
	struct rule_def *def = &control->rule;

	def->org = record->org;
	def->project = record->project;
	if (!check(e, record, def->id, control->expect, control->expect > 0)) {
		return;
	}
	if (control->expect == 0 && control->rules_max > 0 &&
	    rulebook_count_org(e->state.rulebook, def->org) >= control->rules_max) {
		say(e, record, refusal(ERR_LIMIT, "the plan allows no more rules"));
		return;
	}
	if (control->expect == 0 &&
	    rulebook_count(e->state.rulebook, def->project) >= RULES_PER_PROJECT_MAX) {
		say(e, record, refusal(ERR_LIMIT, "a project has at most 10000 rules"));
		return;
	}
	put_in_force(e, record, def, record->seq);
	if (e->with_effects) {
		const struct rule_row *row = effect_put(e, record, def);

		keep_reply(e, control, row);
	}
	keep_audit(e, record, control);
	say(e, record, (struct verdict) { .ok = true, .version = def->version });
}

static void delete_rule(struct engine *e, const struct record *record,
			const struct control *control)
{
	if (!check(e, record, control->rule_id, control->expect, true)) {
		return;
	}
	rulebook_del(e->state.rulebook, control->rule_id);
	rule_set_remove(e->state.rules, control->rule_id);
	if (e->with_effects) {
		*effects_rule(&e->effects) = (struct rule_effect) { .org = record->org,
								    .removed = control->rule_id,
								    .at_us = record->received_at_us,
								    .seq = record->seq };
	}
	keep_audit(e, record, control);
	say(e, record, (struct verdict) { .ok = true });
}

static void keep_builtin(struct engine *e, const struct record *record, enum builtin which,
			 const struct rule_def *def)
{
	struct slice json = rule_def_text(def, &e->tick);

	if (e->with_effects) {
		*effects_builtin(&e->effects) =
			(struct builtin_row) { .org = def->org,
					       .name = slice_of(builtin_word(which)),
					       .version = def->version,
					       .definition = json,
					       .updated_us = record->received_at_us,
					       .seq = record->seq };
		e->effects.bytes += json.n;
	}
}

/* What nobody has changed yet is at version 1, whether an instance of it was made or not. */
static void put_builtin(struct engine *e, const struct record *record, struct control *control)
{
	struct rule_id id = builtin_id(&journal_meta(e->o.journal)->hash, record->org,
				       control->builtin);
	const struct rule_def *old = rulebook_get(e->state.rulebook, id);
	struct rule_def *def = &control->rule;

	if (control->expect != (old != NULL ? old->version : 1)) {
		say(e, record, refusal(ERR_PRECONDITION, "the rule was changed meanwhile"));
		return;
	}
	def->id = id;
	def->org = record->org;
	def->project = record->project;
	def->builtin = true;
	put_in_force(e, record, def, record->seq);
	keep_builtin(e, record, control->builtin, def);
	keep_audit(e, record, control);
	say(e, record, (struct verdict) { .ok = true, .version = def->version });
}

/* Known since the start at the latest: the state now keeps it. */
static void leave_out(struct engine *e, const struct record *record, const struct control *control)
{
	if (!poison_add(&e->poison, control->record, record->seq)) {
		log_error("quarantine_full", log_int("seq", control->record));
	}
	keep_audit(e, record, control);
	e->effects.poison = e->effects.poison || e->with_effects;
	metric_set(e->o.metrics, METRIC_QUARANTINED, (int64_t)e->poison.n);
}

/*
 * What it takes away counts for nothing from here on: not in windows, not in the counts. It was
 * used all the same.
 */
static void delete_events(struct engine *e, const struct record *record,
			  const struct control *control)
{
	rule_set_forget(e->state.rules, record->org, record->project, record->seq,
			record->received_at_us);
	if (e->with_effects) {
		rollups_forget(e->rollups, record->org, record->project, record->received_at_us);
		*effects_deletion(&e->effects) =
			(struct retention_row) { .org = record->org,
						 .project = record->project,
						 .days = RETENTION_DEFAULT,
						 .deleted_seq = record->seq,
						 .deleted_us = record->received_at_us };
	}
	keep_audit(e, record, control);
	say(e, record, (struct verdict) { .ok = true });
}

/*
 * Its days of grace are over: nothing of it decides any more. The rows of its rules go with all
 * others of it, later and not by the engine.
 */
static void purge_org(struct engine *e, const struct record *record)
{
	struct rule_id *ids;
	size_t n = rulebook_of_org(e->state.rulebook, record->org, &e->tick, &ids);

	for (size_t i = 0; i < n; i++) {
		rulebook_del(e->state.rulebook, ids[i]);
		rule_set_remove(e->state.rules, ids[i]);
	}
	if (e->with_effects) {
		*effects_deletion(&e->effects) =
			(struct retention_row) { .org = record->org,
						 .days = RETENTION_DEFAULT,
						 .deleted_seq = record->seq,
						 .deleted_us = record->received_at_us };
	}
	say(e, record, (struct verdict) { .ok = true });
}

static bool apply_control(struct engine *e, const struct record *record, struct err *err)
{
	struct control control;

	if (!control_decode(record->body, &e->tick, &control, err)) {
		return false;
	}
	switch (control.op) {
	case CONTROL_RULE_PUT:
		put_rule(e, record, &control);
		return true;
	case CONTROL_RULE_DELETE:
		delete_rule(e, record, &control);
		return true;
	case CONTROL_RECORD_QUARANTINE:
		leave_out(e, record, &control);
		return true;
	case CONTROL_EVENTS_DELETE:
		delete_events(e, record, &control);
		return true;
	case CONTROL_BUILTIN_PUT:
		put_builtin(e, record, &control);
		return true;
	case CONTROL_ORG_PURGE:
		purge_org(e, record);
		return true;
	case CONTROL_OPS:
		break;
	}
	never("a control record without an operation");
}

/* Which built-in rules the program has that begins to write here. */
static void learn_table(struct engine *e, const struct record *record)
{
	const struct json *root, *table = NULL;
	uint64_t number;
	struct err err;

	if (json_parse(&e->tick, record->body, JSON_DEPTH_MAX, &root, &err)) {
		table = json_get(root, "builtins");
	}
	if (table != NULL && table->type == JSON_NUMBER && slice_u64(table->text, &number) &&
	    number > rulebook_table(e->state.rulebook)) {
		rulebook_set_table(e->state.rulebook, number);
	}
}

/* It decides nothing; that it happened is still counted. */
static void pass_over(struct engine *e, const struct record *record)
{
	if (e->with_effects && record->kind == RECORD_EVENT) {
		count_event(e, record);
		mark_said(e, record);
	}
	e->state.seq = record->seq;
}

bool engine_apply(struct engine *e, const struct record *record, struct err *err)
{
	struct rule_ends ends;
	bool ok = true;

	if (poison_has(&e->poison, record->seq)) {
		pass_over(e, record);
		return true;
	}
	if (e->o.applying != NULL) {
		e->o.applying(e->o.arg, record);
	}
	rule_set_advance(e->state.rules, record->received_at_us);
	switch (record->kind) {
	case RECORD_EVENT:
		ok = apply_event(e, record, err);
		break;
	case RECORD_CONTROL:
		ok = apply_control(e, record, err);
		break;
	case RECORD_START:
		learn_table(e, record);
		break;
	case RECORD_TICK:
		/* Its time is all it brings, and every record brings that. */
		break;
	}
	ends = rule_set_ends(e->state.rules);
	for (size_t i = 0; i < ends.n; i++) {
		engine_alert_end(e, record, &ends.items[i]);
	}
	e->state.seq = record->seq;
	return ok;
}
