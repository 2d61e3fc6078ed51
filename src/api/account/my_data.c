/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that is known of a user, in one document, for him alone. No secret is in it: of passwords,
 * tokens and codes there are only hashes, which stay here. What he did is in the audit log of every
 * organization that he was ever in, so that all are asked, by an index.
 */
#include "api/account/account.h"
#include "api/account/invites.h"
#include "api/audit.h"
#include "api/audits.h"
#include "api/route.h"
#include "api/show.h"
#include "api/sso/links.h"
#include "base/json_put.h"

#define CHAINS_PER_READ 100
#define INVITES_PER_READ 500
#define ENTRIES_MAX 20000 /* the newest of each organization: some 12 MB */

static bool put_memberships(struct call *c, struct json_w *w, struct err *err)
{
	struct org_id after = { 0 };
	struct member_list list;

	do {
		if (!store_members_of(c->db, c->caller.user, after, PAGE_ROWS_MAX, c->req, &list,
				      err)) {
			return false;
		}
		for (size_t i = 0; i < list.n; i++) {
			after = list.rows[i].org;
			if (!account_write_org(c, &list.rows[i], w, err)) {
				return false;
			}
		}
	} while (list.n == PAGE_ROWS_MAX);
	return true;
}

static bool put_sessions(struct call *c, struct json_w *w, struct err *err)
{
	struct page page = { .limit = PAGE_ROWS_MAX };
	struct session_list list;

	if (!store_session_list(c->db, c->caller.user, &page, c->req, &list, err)) {
		return false;
	}
	for (size_t i = 0; i < list.n; i++) {
		account_write_session(c, &list.rows[i], w);
	}
	return true;
}

static bool put_identities(struct call *c, struct json_w *w, struct err *err)
{
	struct link_list list;

	if (!store_link_list(c->db, c->caller.user, c->req, &list, err)) {
		return false;
	}
	for (size_t i = 0; i < list.n; i++) {
		sso_link_write(c, &list.rows[i], w);
	}
	return true;
}

static bool put_invite(struct call *c, const struct sent_invite *sent, struct json_w *w,
		       struct err *err)
{
	struct invite_row row;
	enum found found = store_invite_get(sent->org, c->db, sent->id, c->req, &row, err);

	if (found == FOUND) {
		json_w_object(w);
		show_id(w, "id", ID_INVITE, row.id.v);
		show_id(w, "orgId", ID_ORG, row.org.v);
		json_put_str(w, "role", role_name(row.role));
		json_put_str(w, "status", slice_of(invite_status(&row, c->now_us)));
		json_put_time(w, "createdAt", row.created_us);
		json_put_time(w, "expiresAt", row.expires_us);
		json_w_end(w);
	}
	return found != FAILED;
}

static bool put_invites(struct call *c, struct json_w *w, struct err *err)
{
	struct sent_invite *sent = arena_array(c->req, INVITES_PER_READ, sizeof(*sent));
	struct user_row me;
	size_t n;

	if (!account_me(c, &me, err) ||
	    !store_invites_to(c->db, me.mail, INVITES_PER_READ, sent, &n, err)) {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		if (!put_invite(c, &sent[i], w, err)) {
			return false;
		}
	}
	return true;
}

static bool put_chain(struct call *c, struct org_id org, struct json_w *w, struct err *err)
{
	struct audit_filter filter = { .actor_id = audit_id(c, ID_USER, c->caller.user.v) };
	struct page page = { .limit = PAGE_ROWS_MAX };
	struct audit_list list = { 0 };
	struct arena one;
	bool ok = true;

	arena_init(&one, 0);
	for (size_t n = 0; ok && n < ENTRIES_MAX && !w->out->overflow; n += list.n) {
		arena_clear(&one);
		ok = store_audit_list(org, c->db, &filter, &page, &one, &list, err);
		for (size_t i = 0; ok && i < list.n; i++) {
			audit_write(&list.rows[i], w);
		}
		page.after = list.next;
		if (list.next.id == 0) {
			break;
		}
	}
	arena_release(&one);
	return ok;
}

static bool put_audit(struct call *c, struct json_w *w, struct err *err)
{
	struct org_id *orgs;
	int64_t after = -1;
	size_t n;

	do {
		if (!store_audit_chains(c->db, after, CHAINS_PER_READ, c->req, &orgs, &n, err)) {
			return false;
		}
		for (size_t i = 0; i < n; i++) {
			after = (int64_t)orgs[i].v;
			if (!put_chain(c, orgs[i], w, err)) {
				return false;
			}
		}
	} while (n == CHAINS_PER_READ);
	return true;
}

static const struct {
	const char *name;
	bool (*put)(struct call *c, struct json_w *w, struct err *err);
} parts[] = {
	{ "memberships", put_memberships },
	{ "sessions", put_sessions },
	{ "identities", put_identities },
	{ "invites", put_invites },
	{ "audit", put_audit },
};

static void put_account(const struct user_row *me, struct json_w *w)
{
	json_w_key(w, "account");
	json_w_object(w);
	show_user_members(w, me);
	json_put_bool(w, "hasPassword", me->password.n > 0);
	json_put_time_or_null(w, "passwordSetAt", me->password_us);
	json_put_time_or_null(w, "emailVerifiedAt", me->mail_verified_us);
	json_put_time_or_null(w, "twoFactorSince", me->totp_us);
	json_put_time_or_null(w, "lastLoginAt", me->login_us);
	json_w_end(w);
}

static bool get_export(struct call *c, struct err *err)
{
	struct audit_note note = { .action = AUDIT_USER_EXPORT };
	struct user_row me;
	struct json_w w;

	if (!account_me(c, &me, err)) {
		return false;
	}
	w = call_json(c, 200);
	json_w_object(&w);
	json_put_time(&w, "exportedAt", c->now_us);
	put_account(&me, &w);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		json_w_key(&w, parts[i].name);
		json_w_array(&w);
		if (!parts[i].put(c, &w, err)) {
			return false;
		}
		json_w_end(&w);
	}
	json_w_end(&w);
	note.target = AUDIT_ON_USER;
	note.target_id = audit_id(c, ID_USER, me.id.v);
	note.target_name = me.mail;
	return account_chain(c, &me, &note.org, err) && audit_alone(c, &note, err);
}

static const struct prop account_props[] = {
	PROP_BOOL("hasPassword"),
	PROP_TIME("passwordSetAt", .flags = PROP_NULL),
	PROP_TIME("emailVerifiedAt", .flags = PROP_NULL),
	PROP_TIME("twoFactorSince", .flags = PROP_NULL),
	PROP_TIME("lastLoginAt", .flags = PROP_NULL),
};
static const struct shape shape_account = { .also = &shape_user, SHAPE_PROPS(account_props) };
static const struct prop invite_props[] = {
	PROP_ID("id", ID_INVITE),	   PROP_ID("orgId", ID_ORG), PROP_WORD("role", role_names),
	PROP_WORD("status", invite_words), PROP_TIME("createdAt"),   PROP_TIME("expiresAt"),
};
static const struct shape shape_sent = { SHAPE_PROPS(invite_props) };
static const struct prop export_props[] = {
	PROP_TIME("exportedAt"),
	PROP_SHAPE("account", &shape_account),
	PROP_SHAPE("memberships", &shape_own_org, .many = PROP_LIST),
	PROP_SHAPE("sessions", &shape_session, .many = PROP_LIST),
	PROP_SHAPE("identities", &shape_sso_link, .many = PROP_LIST,
		   .help = "Who you are at issuers that you log in by."),
	PROP_SHAPE("invites", &shape_sent, .many = PROP_LIST, .help = "Sent to your address."),
	PROP_SHAPE("audit", &shape_audit, .many = PROP_LIST,
		   .help = "What you did, by organization, newest first, up to 20,000 of each."),
};
static const struct shape shape_export = { .name = "UserExport",
					   .help = "All that is known of a user.",
					   SHAPE_PROPS(export_props) };

static const struct route rows[] = {
	{
		.method = HTTP_GET,
		.path = "/api/v1/auth/me/export",
		.name = "exportMe",
		.tag = "Auth",
		.summary = "All that is known of you",
		.who = WHO_USER,
		.proof = true,
		.while_leaving = true,
		.doc = "No secrets: of passwords, tokens and codes only hashes are kept.",
		.audits = { AUDIT_USER_EXPORT },
		.replies = { { .status = 200, .help = "One document.", .shape = &shape_export } },
		.work = get_export,
	},
};
const struct route_set routes_my_data = { rows, ARRAY_LEN(rows) };
