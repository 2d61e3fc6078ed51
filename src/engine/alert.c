/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a firing to rows: one alert, one delivery per action of the rule. All of it is a function
 * of the record, so the same log gives the same numbers, ids and texts again.
 */
#include "base/clock.h"
#include "base/json.h"
#include "base/json_put.h"
#include "channel/channel.h"
#include "engine/engine_impl.h"
#include "engine/notice_json.h"

#define NOTICE_BYTES_MAX (EVENT_BYTES_MAX * 2) /* the event and a few lines about the rule */
#define END_BYTES_MAX ((size_t)1024)	       /* two ids, two times, a word */

struct maker {
	struct engine *e;
	const struct record *record;
	const struct event *event;
	const struct firing *firing;
	struct slice event_text; /* public ids */
	struct slice alert_text;
	uint64_t alert;
	struct notice notice;
};

static struct slice public_id(const struct maker *m, enum id_kind kind, uint64_t number)
{
	struct log_id id = { .at_ms = m->record->received_at_us / US_PER_MS, .number = number };
	struct id_text text = log_id_format(&journal_meta(m->e->o.journal)->cipher, kind, id);

	return arena_dup(&m->e->tick, slice_of(text.p));
}

static struct slice config_id(const struct maker *m, enum id_kind kind, uint64_t v)
{
	struct id_text text = id_format(kind, v);

	return arena_dup(&m->e->tick, slice_of(text.p));
}

static void fill_notice(struct maker *m)
{
	const struct rule_def *rule = m->firing->rule;

	m->notice = (struct notice) {
		.news = NOTICE_FIRED,
		.severity = rule->severity,
		.org = config_id(m, ID_ORG, rule->org.v),
		.project = config_id(m, ID_PROJECT, rule->project.v),
		.rule = config_id(m, ID_RULE, rule->id.v),
		.alert = m->alert_text,
		.event = m->event_text,
		.rule_name = arena_dup(&m->e->tick, rule->name),
		.event_type = arena_dup(&m->e->tick, m->event->type),
		.event_payload = m->event->payload,
		.key = m->firing->group,
		.threshold = rule->threshold,
		.window_s = rule->window_s,
		.count = m->firing->count,
		.count_at_least = m->firing->at_least,
		.occurred_at_us = m->event->has_occurred_at ? m->event->occurred_at_us : 0,
		.received_at_us = m->record->received_at_us,
		.triggered_at_us = m->record->received_at_us,
	};
}

/* What the courier reads back. */
static struct slice encoded(const struct maker *m)
{
	struct slice text;
	struct buf out;

	buf_init(&out, NOTICE_BYTES_MAX);
	notice_encode(&m->notice, &out);
	ensure(!out.overflow);
	text = arena_dup(&m->e->tick, buf_slice(&out));
	buf_release(&out);
	return text;
}

/* What streams show: of an alert, or of one of its deliveries (then with id and channel). */
static struct slice shown(const struct maker *m, struct slice delivery, struct slice channel)
{
	struct slice text;
	struct json_w w;
	struct buf out;

	buf_init(&out, NOTICE_BYTES_MAX);
	json_w_init(&w, &out);
	json_w_object(&w);
	if (delivery.n > 0) {
		json_put_str(&w, "notificationId", delivery);
		json_put_str(&w, "channel", channel);
	}
	notice_json_write(&m->notice, &w);
	json_w_end(&w);
	ensure(!out.overflow);
	text = arena_dup(&m->e->tick, buf_slice(&out));
	buf_release(&out);
	return text;
}

static void add_change(const struct maker *m, struct slice kind, struct slice body)
{
	struct change_row *row = effects_change(&m->e->effects);

	*row = (struct change_row) {
		.org = m->record->org,
		.project = m->record->project,
		.kind = kind,
		.body = body,
		.created_us = m->record->received_at_us,
	};
}

static void add_alert(const struct maker *m)
{
	const struct rule_def *rule = m->firing->rule;
	struct alert_row *row = effects_alert(&m->e->effects);
	struct slice name = arena_dup(&m->e->tick, rule->name);

	*row = (struct alert_row) {
		.number = { m->alert },
		.org = m->record->org,
		.project = m->record->project,
		.rule = rule->id,
		.rule_version = rule->version,
		.rule_name = name,
		.event_seq = m->record->seq,
		.event_us = m->record->received_at_us,
		.event_type = arena_dup(&m->e->tick, m->event->type),
		.key = m->firing->group,
		.severity = severity_name(rule->severity),
		.count = m->firing->count,
		.count_is_least = m->firing->at_least,
		.title = name,
		.cid = m->event_text,
		.created_us = m->record->received_at_us,
	};
	add_change(m, S("alert"), shown(m, (struct slice) { 0 }, (struct slice) { 0 }));
}

/* Channels without a transport are delivered by being recorded. */
static bool needs_courier(struct slice channel)
{
	const struct channel_type *type = channel_find(channel);

	return type == NULL || type->transport != CHANNEL_NONE;
}

static struct slice destination(const struct maker *m, const struct rule_action *action)
{
	const struct channel_type *type = channel_find(action->channel);
	const void *conf;
	struct err err;

	if (type == NULL || type->destination == NULL ||
	    !channel_conf_read(type, action->config, &m->e->tick, &conf, &err)) {
		return (struct slice) { 0 };
	}
	return arena_dup(&m->e->tick, type->destination(conf, &m->e->tick));
}

static void add_delivery(const struct maker *m, size_t action_index, uint64_t number,
			 struct slice notice)
{
	const struct rule_action *action = &m->firing->rule->actions[action_index];
	struct delivery_row *row = effects_delivery(&m->e->effects);
	struct slice channel = arena_dup(&m->e->tick, action->channel);
	bool waits = needs_courier(channel);
	int64_t at_us = m->record->received_at_us;

	*row = (struct delivery_row) {
		.number = { number },
		.org = m->record->org,
		.project = m->record->project,
		.alert = { m->alert },
		.alert_us = at_us,
		.rule = m->firing->rule->id,
		.rule_name = arena_dup(&m->e->tick, m->firing->rule->name),
		.action_index = (uint32_t)action_index,
		.event_seq = m->record->seq,
		.event_us = at_us,
		.event_type = arena_dup(&m->e->tick, m->event->type),
		.channel = channel,
		.destination = destination(m, action),
		.config = arena_dup(&m->e->tick, action->config),
		.payload = notice,
		.cid = m->event_text,
		.status = waits ? DELIVERY_PENDING : DELIVERY_SENT,
		.created_us = at_us,
		.due_us = waits ? at_us : 0,
		.done_us = waits ? 0 : at_us,
	};
	if (!waits) {
		add_change(m, S("notification"),
			   shown(m, public_id(m, ID_DELIVERY, number), channel));
	}
}

/* Streams know the alert by its id; what it was about they were told when it fired. */
static struct slice shown_end(struct engine *e, const struct rule_end *end)
{
	struct log_id id = { .at_ms = end->opened_us / US_PER_MS, .number = end->alert.v };
	struct id_text alert = log_id_format(&journal_meta(e->o.journal)->cipher, ID_ALERT, id);
	struct id_text rule = id_format(ID_RULE, end->rule.v);
	struct slice text;
	struct json_w w;
	struct buf out;

	buf_init(&out, END_BYTES_MAX);
	json_w_init(&w, &out);
	json_w_object(&w);
	json_put_str(&w, "alertId", slice_of(alert.p));
	json_put_str(&w, "ruleId", slice_of(rule.p));
	json_put_str(&w, "state", S("resolved"));
	json_put_str(&w, "resolution", rule_end_reason_name(end->reason));
	json_put_time(&w, "triggeredAt", end->opened_us);
	json_put_time(&w, "resolvedAt", end->at_us);
	json_w_end(&w);
	ensure(!out.overflow);
	text = arena_dup(&e->tick, buf_slice(&out));
	buf_release(&out);
	return text;
}

void engine_alert_end(struct engine *e, const struct record *record, const struct rule_end *end)
{
	struct alert_end row = { .number = end->alert,
				 .resolved_us = end->at_us,
				 .resolution = rule_end_reason_name(end->reason) };
	struct change_row *change;

	if (!e->with_effects) {
		return;
	}
	effects_end(&e->effects, &row);
	change = effects_change(&e->effects);
	*change = (struct change_row) {
		.org = end->org,
		.project = end->project,
		.kind = S("alert.resolved"),
		.body = shown_end(e, end),
		.created_us = record->received_at_us,
	};
	e->effects.bytes += change->body.n;
}

void engine_alert(struct engine *e, const struct record *record, const struct event *event,
		  const struct firing *firing)
{
	struct maker m = { .e = e,
			   .record = record,
			   .event = event,
			   .firing = firing,
			   .alert = ++e->state.alerts };
	uint64_t first = e->state.deliveries + 1;
	struct slice notice;

	e->state.deliveries += firing->rule->actions_n;
	rule_set_opened(e->state.rules, firing, (struct alert_id) { m.alert });
	if (!e->with_effects) {
		return;
	}
	m.event_text = public_id(&m, ID_EVENT, record->seq);
	m.alert_text = public_id(&m, ID_ALERT, m.alert);
	fill_notice(&m);
	notice = encoded(&m);
	e->effects.bytes += notice.n * 2;
	add_alert(&m);
	for (size_t i = 0; i < firing->rule->actions_n; i++) {
		add_delivery(&m, i, first + i, notice);
	}
}
