/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_COLUMNS_H
#define STORE_COLUMNS_H

/*
 * The columns of each table in the order of its shape, and a letter per column as struct query
 * wants them. Here because tenant and global statements read the same rows. Internal to store/.
 */
#define ORG_COLS "id, slug, name, status, created_at, suspended_at, delete_after, settings"
#define ORG_LETTERS \
	"ittt" \
	"iiit"

#define PROJECT_COLS \
	"id, org_id, slug, name, is_default, created_at, owner_id, environments, origins," \
	" delete_after, version"
#define PROJECT_LETTERS "iittiiittii"

#define KEY_COLS \
	"id, org_id, project_id, name, key_hash, key_prefix, scopes, created_at, expires_at," \
	" revoked_at, last_used_at, made_by, rotated_to, last_used_address, version"
#define KEY_LETTERS "iiittttiiiiiiti"

#define RULE_COLS \
	"id, org_id, project_id, name, version, definition, event_type, enabled, created_at," \
	" updated_at, deleted_at, seq"
#define RULE_LETTERS \
	"iiititt" \
	"iiiii"

#define ALERT_COLS \
	"number, org_id, project_id, rule_id, rule_version, rule_name, event_seq, event_at," \
	" event_type, key, severity, count, count_is_least, title, cid, created_at, resolved_at," \
	" resolution"
#define ALERT_LETTERS \
	"iiiiitiitttiitti" \
	"it"

#define DELIVERY_COLS \
	"number, org_id, project_id, alert_number, alert_at, rule_id, rule_name, action_index," \
	" event_seq, event_at, event_type, channel, destination, config, payload, cid, status," \
	" attempts, attempts_total, created_at, due_at, done_at, last_error, last_status, claim"
/* For lists: without what each one was told, which may be an event of 256 KiB. */
#define DELIVERY_LIST_COLS \
	"number, org_id, project_id, alert_number, alert_at, rule_id, rule_name, action_index," \
	" event_seq, event_at, event_type, channel, destination, '' as config, '' as payload," \
	" cid, status, attempts, attempts_total, created_at, due_at, done_at, last_error," \
	" last_status, claim"
#define DELIVERY_LETTERS \
	"iiiiiitiiitttttt" \
	"tiiiiitii"

#define ATTEMPT_COLS \
	"delivery_number, n, started_at, ended_at, duration, outcome, http_status, error"
#define ATTEMPT_LETTERS "iiiiitit"

#define AUDIT_COLS \
	"org_id, number, id, created_at, actor, actor_id, actor_name, action, target, target_id," \
	" target_name, old_fields, new_fields, address, agent, request, previous_hash, hash," \
	" actor_salt, actor_mark, target_salt, target_mark"
#define AUDIT_LETTERS \
	"iiiitttttt" \
	"tttttttttttt"

#define ROLLUP_COLS "org_id, project_id, step, start_at, type, severity, count"
#define ROLLUP_LETTERS "iiiitii"

#define OUTCOME_COLS "org_id, project_id, step, start_at, outcome, count"
#define OUTCOME_LETTERS "iiiiti"

#define RETENTION_COLS "org_id, project_id, days, gone_before, deleted_seq, deleted_at, purged_at"
#define RETENTION_LETTERS "iiiiiii"

#define PLAN_COLS \
	"name, display_name, price, events_soft, events_hard, rules, retention_days, rate, seats," \
	" projects, overage, price_ref, overage_price_ref"
#define PLAN_LETTERS "ttiiiiiiiiitt"

#define ORG_PLAN_COLS "org_id, plan, events_soft, events_hard, updated_at"
#define ORG_PLAN_LETTERS "itiii"

#define USAGE_COLS "org_id, day, project_id, key_id, type, count"
#define USAGE_LETTERS "iiiiti"

#define USAGE_SENT_COLS "org_id, day, project_id, count"
#define USAGE_SENT_LETTERS "iiii"

#define USER_COLS \
	"id, mail, name, password, password_at, status, mail_verified_at, totp, totp_at," \
	" totp_step, created_at, last_login_at, delete_after"
#define USER_LETTERS "itttititiiiii"

#define SESSION_COLS \
	"id, user_id, current_org, refresh_hash, previous_hash, created_at, refreshed_at," \
	" expires_at, proved_at, last_used_at, address, agent"
#define SESSION_LETTERS "iiittiiiiitt"

#define INVITE_COLS \
	"id, org_id, mail, role, token_hash, invited_by, created_at, expires_at, sent_at," \
	" sent_count, accepted_at, accepted_by, revoked_at"
#define INVITE_LETTERS "iitttiiiiiiii"

#define BILLING_COLS \
	"org_id, customer, checkouts, checkout, subscription, status, price, plan, period_start," \
	" period_end, ends, hints, heeded, asked_at, behind_at, failed_at, paid_at, leaving," \
	" updated_at"
#define BILLING_LETTERS "ititttttiiiiiiiiiii"

#define BILLING_MONTH_COLS "org_id, month, soft, seen, accrued, settled"
#define BILLING_MONTH_LETTERS "iiiiii"

#define BILLING_REPORT_COLS \
	"org_id, month, number, customer, thousands, told_at, tried_at, done_at, lost"
#define BILLING_REPORT_LETTERS "iiitiiiii"

#define CHANGE_COLS "org_id, project_id, number, kind, body, created_at"
#define CHANGE_LETTERS "iiitti"

#endif
