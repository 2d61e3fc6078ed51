/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deliveries, called notifications on the older routes: what was sent to whom, every attempt, and
 * the dead letters with replay and purge.
 */
#include "api/deliveries.h"

#include "api/api.h"
#include "api/audit.h"
#include "api/once.h"
#include "api/page.h"
#include "api/route.h"
#include "api/shapes.h"
#include "api/show.h"
#include "base/json_put.h"
#include "engine/notice_json.h"

#define REPLAY_LIMIT 10000 /* dead letters in one call; call again for more */

static void write_delivery(struct call *c, const struct delivery_row *row, struct json_w *w)
{
	show_log_id(c, w, "id", ID_DELIVERY, row->number.v, row->created_us);
	show_log_id(c, w, "alertId", ID_ALERT, row->alert.v, row->alert_us);
	show_id(w, "ruleId", ID_RULE, row->rule.v);
	json_put_str(w, "ruleName", row->rule_name);
	show_log_id(c, w, "eventId", ID_EVENT, row->event_seq, row->event_us);
	json_put_str(w, "eventType", row->event_type);
	json_put_str(w, "channel", row->channel);
	json_put_str_or_null(w, "destination", row->destination);
	json_put_str(w, "status", slice_of(delivery_status_name(row->status)));
	json_put_int(w, "attempts", row->attempts_total);
	json_put_time(w, "createdAt", row->created_us);
	json_put_time_or_null(w, "dueAt", row->due_us);
	json_put_time_or_null(w, "doneAt", row->done_us);
	json_put_str_or_null(w, "error", row->last_error);
	json_put_int_or_null(w, "httpStatus", row->last_status);
}

static bool read_status(struct call *c, struct delivery_set *set, struct err *err)
{
	enum delivery_status status;
	struct slice text;

	if (!call_query(c, "status", &text)) {
		return true;
	}
	if (!delivery_status_parse(text, &status)) {
		return err_field(
			err, ERR_INVALID, "status",
			"\"status\" must be pending, sending, retrying, sent, dead, superseded "
			"or purged");
	}
	set->statuses = DELIVERY_BIT(status);
	return true;
}

static bool read_filter(struct call *c, struct delivery_filter *f, struct err *err)
{
	struct slice text;

	*f = (struct delivery_filter) { .project = c->caller.project };
	if (!read_status(c, &f->set, err)) {
		return false;
	}
	if (call_query(c, "ruleId", &text) && !id_parse(ID_RULE, text, &f->rule.v)) {
		return err_field(err, ERR_INVALID, "ruleId", "\"ruleId\" is not the id of a rule");
	}
	if (!call_query(c, "channel", &f->channel)) {
		f->channel = (struct slice) { 0 };
	}
	return true;
}

static bool list_deliveries(struct call *c, struct err *err)
{
	struct delivery_filter filter;
	struct delivery_list list;
	struct page page;
	struct json_w w;

	if (!read_filter(c, &filter, err) || !page_read(c, ID_DELIVERY, &page, err) ||
	    !store_delivery_list(c->caller.org, c->db, &filter, &page, c->req, &list, err)) {
		return false;
	}
	w = page_begin(c);
	for (size_t i = 0; i < list.n; i++) {
		json_w_object(&w);
		write_delivery(c, &list.rows[i], &w);
		json_w_end(&w);
	}
	page_end(c, ID_DELIVERY, list.next, &w);
	return true;
}

bool deliveries_find(struct call *c, struct delivery_row *row, struct err *err)
{
	enum found found = NOT_FOUND;
	struct delivery_id id;

	if (show_parse_log_id(c, ID_DELIVERY, c->params[0], &id.v)) {
		found = store_delivery_get(c->caller.org, c->db, c->caller.project, id, c->req, row,
					   err);
	}
	if (found == NOT_FOUND) {
		return err_set(err, ERR_NOT_FOUND, "there is no such delivery");
	}
	return found == FOUND;
}

static void write_attempts(const struct attempt_list *list, struct json_w *w)
{
	json_w_key(w, "attemptList");
	json_w_array(w);
	for (size_t i = 0; i < list->n; i++) {
		const struct attempt_row *a = &list->rows[i];

		json_w_object(w);
		json_put_int(w, "n", a->n);
		json_put_time(w, "startedAt", a->started_us);
		json_put_int(w, "durationMs", a->duration_us / 1000);
		json_put_str(w, "outcome", a->outcome);
		json_put_int_or_null(w, "httpStatus", a->http_status);
		json_put_str_or_null(w, "error", a->error);
		json_w_end(w);
	}
	json_w_end(w);
}

/* What was told; a purged delivery has forgotten it, and leaves *notice zeroed. */
bool deliveries_notice(struct call *c, const struct delivery_row *row, struct notice *notice,
		       struct err *err)
{
	*notice = (struct notice) { 0 };
	return row->payload.n == 0 || notice_decode(row->payload, c->req, notice, err);
}

/* As streams show it; what the store holds is our own affair. */
void deliveries_write_notice(const struct delivery_row *row, const struct notice *notice,
			     const char *name, const char *absent, struct json_w *w)
{
	if (row->payload.n == 0) {
		json_put_raw(w, name, row->payload, absent);
		return;
	}
	json_w_key(w, name);
	json_w_object(w);
	notice_json_write(notice, w);
	json_w_end(w);
}

static bool get_delivery(struct call *c, struct err *err)
{
	struct attempt_list attempts;
	struct delivery_row row;
	struct notice notice;
	struct json_w w;

	if (!deliveries_find(c, &row, err) || !deliveries_notice(c, &row, &notice, err) ||
	    !store_attempt_list(c->caller.org, c->db, row.number, c->req, &attempts, err)) {
		return false;
	}
	w = call_json(c, 200);
	json_w_object(&w);
	write_delivery(c, &row, &w);
	deliveries_write_notice(&row, &notice, "notice", "null", &w);
	write_attempts(&attempts, &w);
	json_w_end(&w);
	return true;
}

static bool answer_count(struct call *c, const char *name, uint64_t n)
{
	struct json_w w = call_json(c, 200);

	json_w_object(&w);
	json_put_int(&w, name, (int64_t)n);
	json_w_end(&w);
	return true;
}

static bool only_dead(const struct delivery_row *row, struct err *err)
{
	return row->status == DELIVERY_DEAD ||
	       err_set(err, ERR_CONFLICT, "this delivery is %s, not dead",
		       delivery_status_name(row->status));
}

/* Replay or purge: the delivery in the path, which must be dead, or the oldest of the project. */
typedef bool (*on_dead_fn)(struct org_id org, struct db *db, struct project_id project,
			   struct delivery_id number, int64_t now_us, size_t limit,
			   uint64_t *changed, struct err *err);

static bool on_one(struct call *c, on_dead_fn fn, uint64_t *n, struct err *err)
{
	struct delivery_row row;

	return deliveries_find(c, &row, err) && only_dead(&row, err) &&
	       fn(c->caller.org, c->db, c->caller.project, row.number, c->now_us, 1, n, err);
}

static bool on_all(struct call *c, on_dead_fn fn, uint64_t *n, struct err *err)
{
	return fn(c->caller.org, c->db, c->caller.project, (struct delivery_id) { 0 }, c->now_us,
		  REPLAY_LIMIT, n, err);
}

/* The delivery in the path, or the project whose dead letters they were. */
static bool note(struct call *c, enum audit_action action, uint64_t n, struct err *err)
{
	struct audit_note note = { .action = action,
				   AUDIT_OF(c, PROJECT, c->caller.project.v, S("")),
				   .after = audit_number(c, "deliveries", (int64_t)n) };

	if (c->params[0].n > 0) {
		note.target = AUDIT_ON_DELIVERY;
		note.target_id = c->params[0];
	}
	audit_nothing(c);
	return n == 0 || audit_put(c, &note, err);
}

static bool replay(struct call *c,
		   bool (*on)(struct call *c, on_dead_fn fn, uint64_t *n, struct err *err),
		   struct err *err)
{
	uint64_t n;

	if (!db_begin(c->db, err) || !on(c, store_delivery_replay, &n, err) ||
	    !note(c, AUDIT_DELIVERY_REPLAY, n, err) || !answer_count(c, "replayed", n) ||
	    !once_commit(c, err)) {
		return false;
	}
	courier_wake(c->api->courier);
	return true;
}

static bool replay_one(struct call *c, struct err *err)
{
	return replay(c, on_one, err);
}

static bool replay_all(struct call *c, struct err *err)
{
	return replay(c, on_all, err);
}

static bool purge_one(struct call *c, struct err *err)
{
	uint64_t n;

	if (!db_begin(c->db, err) || !on_one(c, store_delivery_purge, &n, err) ||
	    !note(c, AUDIT_DELIVERY_PURGE, n, err) || !db_commit(c->db, err)) {
		return false;
	}
	call_empty(c, 204);
	return true;
}

static bool purge_all(struct call *c, struct err *err)
{
	uint64_t n;

	return db_begin(c->db, err) && on_all(c, store_delivery_purge, &n, err) &&
	       note(c, AUDIT_DELIVERY_PURGE, n, err) && db_commit(c->db, err) &&
	       answer_count(c, "purged", n);
}

static const struct prop delivery_props[] = {
	PROP_ID("id", ID_DELIVERY),
	PROP_ID("alertId", ID_ALERT),
	PROP_ID("ruleId", ID_RULE),
	PROP_STR("ruleName"),
	PROP_ID("eventId", ID_EVENT),
	PROP_STR("eventType", .example = "\"checkout_failed\""),
	PROP_STR("channel", .example = "\"webhook\""),
	PROP_STR("destination", .flags = PROP_NULL, .help = "Where it goes, without secrets.",
		 .example = "\"https://hooks.example.com\""),
	PROP_WORD("status", delivery_status_names),
	PROP_INT("attempts", .help = "How often it was tried."),
	PROP_TIME("createdAt"),
	PROP_TIME("dueAt", .flags = PROP_NULL, .help = "When something happens next."),
	PROP_TIME("doneAt", .flags = PROP_NULL),
	PROP_STR("error", .flags = PROP_NULL, .help = "What went wrong last.", .example = "null"),
	PROP_INT("httpStatus", .flags = PROP_NULL, .help = "What the receiver answered last.",
		 .example = "204"),
};
static const struct shape shape_delivery = { .name = "Delivery",
					     .help = "One message to one destination.",
					     SHAPE_PROPS(delivery_props) };

static const struct prop attempt_props[] = {
	PROP_INT("n", .min = 1, .help = "The first is 1."),
	PROP_TIME("startedAt"),
	PROP_INT("durationMs", .example = "84"),
	PROP_STR("outcome", .example = "\"delivered\""),
	PROP_INT("httpStatus", .flags = PROP_NULL, .example = "204"),
	PROP_STR("error", .flags = PROP_NULL, .example = "null"),
};
static const struct shape shape_attempt = { .name = "Attempt",
					    .help = "One try to deliver.",
					    SHAPE_PROPS(attempt_props) };

/* As engine/notice_json.h writes it. */
static const struct prop notice_props[] = {
	PROP_ID("alertId", ID_ALERT),
	PROP_ID("ruleId", ID_RULE),
	PROP_STR("ruleName"),
	PROP_WORD("severity", severity_names),
	PROP_INT("threshold", .min = 1),
	PROP_INT("windowSeconds", .min = 1, .example = "60"),
	PROP_INT("count"),
	PROP_BOOL("countAtLeast"),
	PROP_OBJECT("group"),
	PROP_TIME("triggeredAt"),
	PROP_ID("eventId", ID_EVENT),
	PROP_STR("eventType", .example = "\"checkout_failed\""),
	PROP_OBJECT("eventMetadata"),
	PROP_TIME("receivedAt"),
	PROP_TIME("occurredAt"),
};
const struct shape shape_notice = { .name = "Notice",
				    .help = "What is told.",
				    SHAPE_PROPS(notice_props) };
static const struct prop whole_props[] = {
	PROP_SHAPE("notice", &shape_notice, .flags = PROP_NULL),
	PROP_SHAPE("attemptList", &shape_attempt, .many = PROP_LIST, .help = "The newest ones."),
};
static const struct shape shape_whole = { .name = "DeliveryWithAttempts",
					  .help = "A delivery, what it tells, and every attempt.",
					  .also = &shape_delivery,
					  SHAPE_PROPS(whole_props) };

static const struct prop replayed_props[] = { PROP_INT("replayed") };
static const struct shape shape_replayed = { SHAPE_PROPS(replayed_props) };
static const struct prop purged_props[] = { PROP_INT("purged") };
static const struct shape shape_purged = { SHAPE_PROPS(purged_props) };

/* For descriptions and the check of names: the read_filter functions read them. */
struct delivery_query {
	unsigned status;
	struct slice rule, channel;
};
static const struct field query_rows[] = {
	FIELD_ENUM(struct delivery_query, status, "status", delivery_status_names,
		   .help = "Only this status."),
	FIELD_STR(struct delivery_query, rule, "ruleId", .help = "Only of this rule."),
	FIELD_STR(struct delivery_query, channel, "channel", .help = "Only by this channel."),
};
static const struct field_set delivery_query = { query_rows, ARRAY_LEN(query_rows) };
static const struct route rows[] = {
	{
		.method = HTTP_GET,
		.path = "/api/v1/deliveries",
		.name = "listDeliveries",
		.tag = "Deliveries",
		.summary = "List deliveries, newest first",
		.who = WHO_CALLER,
		.scope = SCOPE_NOTIFICATIONS_READ,
		.role = ROLE_VIEWER,
		.query = { &delivery_query, &page_query },
		.replies = { { .status = 200,
			       .help = "A page of deliveries.",
			       .shape = &shape_delivery,
			       .page = true } },
		.work = list_deliveries,
	},
	{
		.method = HTTP_POST,
		.path = "/api/v1/deliveries/replay",
		.name = "replayDeliveries",
		.tag = "Deliveries",
		.summary = "Send dead deliveries again",
		.who = WHO_CALLER,
		.scope = SCOPE_NOTIFICATIONS_WRITE,
		.role = ROLE_MEMBER,
		.body_max = 1024,
		.doc = "The oldest ones first, as many as one call may; call again until it "
		       "replays none.",
		.bodies = { { .shape = &shape_ignored, .maybe = true } },
		.replies = { { .status = 200,
			       .help = "How many are on their way again.",
			       .shape = &shape_replayed } },
		.audits = { AUDIT_DELIVERY_REPLAY },
		.work = replay_all,
	},
	{
		.method = HTTP_DELETE,
		.path = "/api/v1/deliveries/dead",
		.name = "purgeDeliveries",
		.tag = "Deliveries",
		.summary = "Purge dead deliveries",
		.who = WHO_CALLER,
		.scope = SCOPE_NOTIFICATIONS_WRITE,
		.role = ROLE_ADMIN,
		.doc = "The oldest ones first, as many as one call may; call again until it "
		       "purges none.",
		.replies = { { .status = 200,
			       .help = "How many were purged.",
			       .shape = &shape_purged } },
		.audits = { AUDIT_DELIVERY_PURGE },
		.work = purge_all,
	},
	{
		.method = HTTP_GET,
		.path = "/api/v1/deliveries/:id",
		.name = "getDelivery",
		.tag = "Deliveries",
		.summary = "Get one delivery with its attempts",
		.who = WHO_CALLER,
		.scope = SCOPE_NOTIFICATIONS_READ,
		.role = ROLE_VIEWER,
		.params = { ROUTE_ID(ID_DELIVERY) },
		.replies = { { .status = 200, .help = "The delivery.", .shape = &shape_whole } },
		.work = get_delivery,
	},
	{
		.method = HTTP_POST,
		.path = "/api/v1/deliveries/:id/replay",
		.name = "replayDelivery",
		.tag = "Deliveries",
		.summary = "Send a dead delivery again",
		.who = WHO_CALLER,
		.scope = SCOPE_NOTIFICATIONS_WRITE,
		.role = ROLE_MEMBER,
		.body_max = 1024,
		.params = { ROUTE_ID(ID_DELIVERY) },
		.bodies = { { .shape = &shape_ignored, .maybe = true } },
		.replies = { { .status = 200,
			       .help = "It is on its way again.",
			       .shape = &shape_replayed } },
		.errors = { ERR_CONFLICT },
		.audits = { AUDIT_DELIVERY_REPLAY },
		.work = replay_one,
	},
	{
		.method = HTTP_DELETE,
		.path = "/api/v1/deliveries/:id",
		.name = "purgeDelivery",
		.tag = "Deliveries",
		.summary = "Purge a dead delivery",
		.who = WHO_CALLER,
		.scope = SCOPE_NOTIFICATIONS_WRITE,
		.role = ROLE_ADMIN,
		.params = { ROUTE_ID(ID_DELIVERY) },
		.replies = { { .status = 204, .help = "It is purged." } },
		.errors = { ERR_CONFLICT },
		.audits = { AUDIT_DELIVERY_PURGE },
		.work = purge_one,
	},
};
const struct route_set routes_deliveries = { rows, ARRAY_LEN(rows) };
