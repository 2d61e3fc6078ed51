/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is logged in: the user, where else, and in which organization calls act. What is grave asks
 * for password or code once more (the proof of a row); it is given here.
 */
#include "api/account/account.h"
#include "api/api.h"
#include "api/audit.h"
#include "api/caller.h"
#include "api/page.h"
#include "api/route.h"
#include "api/show.h"
#include "base/json_put.h"

#define NAME_MAX_CHARS 100
#define ORGS_SHOWN_MAX 100

/* GET and PATCH /auth/me */

static bool find_org(struct call *c, struct org_row *org, struct err *err)
{
	*org = (struct org_row) { 0 };
	return c->caller.org.v == 0 ||
	       store_org_get(c->caller.org, c->db, c->req, org, err) != FAILED;
}

static bool show_me(struct call *c, struct err *err)
{
	struct user_row user;
	struct org_row org;
	struct json_w w;

	if (!account_me(c, &user, err) || !find_org(c, &org, err)) {
		return false;
	}
	w = call_json(c, 200);
	json_w_object(&w);
	show_user(&w, "user", &user);
	show_org(&w, "org", &org, c->caller.role);
	show_id(&w, "sessionId", ID_SESSION, c->caller.session.v);
	json_put_time(&w, "sessionExpiresAt", c->caller.expires_at_us);
	json_put_bool(&w, "proved", c->caller.proved);
	json_w_end(&w);
	return true;
}

struct me_fields {
	struct slice name;
};

static const struct field me_rows[] = {
	FIELD_STR(struct me_fields, name, "name", .max = NAME_MAX_CHARS, .flags = FIELD_REQUIRED,
		  .help = "What others see; may be empty."),
};

static bool patch_me(struct call *c, struct err *err)
{
	struct me_fields in = { 0 };
	struct audit_note note = { .action = AUDIT_USER_UPDATE,
				   AUDIT_OF(c, USER, c->caller.user.v, S("")) };

	if (!account_read(c, me_rows, ARRAY_LEN(me_rows), &in, err)) {
		return false;
	}
	note.after = audit_text(c, "name", in.name);
	return db_begin(c->db, err) &&
	       store_user_set_name(c->db, c->caller.user, in.name, err) == FOUND &&
	       audit_put(c, &note, err) && db_commit(c->db, err) && show_me(c, err);
}

/* Sessions. */

void account_write_session(struct call *c, const struct session_row *row, struct json_w *w)
{
	json_w_object(w);
	show_id(w, "id", ID_SESSION, row->id.v);
	json_put_bool(w, "current", row->id.v == c->caller.session.v);
	json_put_str(w, "address", row->address);
	json_put_str(w, "agent", row->agent);
	json_put_time(w, "createdAt", row->created_us);
	json_put_time_or_null(w, "lastUsedAt", row->used_us);
	json_put_time(w, "expiresAt", row->expires_us);
	json_w_end(w);
}

static bool list_sessions(struct call *c, struct err *err)
{
	struct session_list list;
	struct page page;
	struct json_w w;

	if (!page_read(c, ID_SESSION, &page, err) ||
	    !store_session_list(c->db, c->caller.user, &page, c->req, &list, err)) {
		return false;
	}
	w = page_begin(c);
	for (size_t i = 0; i < list.n; i++) {
		account_write_session(c, &list.rows[i], &w);
	}
	page_end(c, ID_SESSION, list.next, &w);
	return true;
}

/* Of one session, or, of id 0, of all others. */
static bool note_end(struct call *c, struct session_id id, struct err *err)
{
	struct audit_note note = { .action = AUDIT_SESSION_REVOKE };

	if (id.v != 0) {
		note.target = AUDIT_ON_SESSION;
		note.target_id = audit_id(c, ID_SESSION, id.v);
	} else {
		note.target = AUDIT_ON_USER;
		note.target_id = audit_id(c, ID_USER, c->caller.user.v);
	}
	return audit_put(c, &note, err) && db_commit(c->db, err);
}

static bool end_session(struct call *c, struct err *err)
{
	struct people_change change = { .op = PEOPLE_SESSION_END };
	struct session_id *id = &change.session.id;
	enum found found = NOT_FOUND;

	if (id_parse(ID_SESSION, c->params[0], &id->v)) {
		if (!db_begin(c->db, err)) {
			return false;
		}
		found = store_session_end(c->db, c->caller.user, *id, err);
	}
	if (found == NOT_FOUND) {
		return err_set(err, ERR_NOT_FOUND, "there is no such session");
	}
	if (found == FAILED || !note_end(c, *id, err)) {
		return false;
	}
	people_tell(c, &change, 1);
	call_empty(c, 204);
	return true;
}

static bool end_others(struct call *c, struct err *err)
{
	struct people_change change = {
		.op = PEOPLE_END_OTHERS,
		.session = { .id = c->caller.session, .user = c->caller.user },
	};

	if (!db_begin(c->db, err) ||
	    !store_session_end_others(c->db, c->caller.user, c->caller.session, NULL, err) ||
	    !note_end(c, (struct session_id) { 0 }, err)) {
		return false;
	}
	people_tell(c, &change, 1);
	call_empty(c, 204);
	return true;
}

/* The session as memory should know it, after a change in the store. */
static bool tell_session(struct call *c, struct err *err)
{
	struct session_row row;
	enum found found = store_session_get(c->db, c->caller.session, c->req, &row, err);

	if (found == NOT_FOUND) {
		return err_set(err, ERR_UNAUTHORIZED, "this session has ended: log in again");
	}
	if (found == FOUND) {
		session_tell(c, &row);
	}
	return found == FOUND;
}

/* POST /auth/switch */

struct switch_fields {
	struct slice org;
};

static const struct field switch_rows[] = {
	FIELD_STR(struct switch_fields, org, "orgId", .min = 1, .max = 40, .flags = FIELD_REQUIRED,
		  .help = "Of an organization that you are in."),
};

static bool find_own_org(struct call *c, struct slice text, struct org_row *org, enum role *role,
			 struct err *err)
{
	struct member_row member;
	struct org_id id;
	enum found found = NOT_FOUND;

	if (id_parse(ID_ORG, text, &id.v)) {
		found = store_member_get(id, c->db, c->caller.user, c->req, &member, err);
	}
	if (found == FOUND) {
		*role = member.role;
		found = store_org_get(id, c->db, c->req, org, err);
	}
	return found == FOUND ||
	       (found == NOT_FOUND &&
		err_field(err, ERR_NOT_FOUND, "orgId", "you are in no such organization"));
}

static bool post_switch(struct call *c, struct err *err)
{
	struct switch_fields in = { 0 };
	enum role role = ROLE_NONE;
	struct org_row org;
	struct json_w w;

	if (!account_read(c, switch_rows, ARRAY_LEN(switch_rows), &in, err) ||
	    !find_own_org(c, in.org, &org, &role, err) ||
	    store_session_set_org(c->db, c->caller.user, c->caller.session, org.id, err) ==
		    FAILED ||
	    !tell_session(c, err)) {
		return false;
	}
	w = call_json(c, 200);
	json_w_object(&w);
	show_org(&w, "org", &org, role);
	json_w_end(&w);
	return true;
}

/* GET /orgs */

bool account_write_org(struct call *c, const struct member_row *member, struct json_w *w,
		       struct err *err)
{
	struct org_row org;
	enum found found = store_org_get(member->org, c->db, c->req, &org, err);

	if (found == FOUND) {
		json_w_object(w);
		show_id(w, "id", ID_ORG, org.id.v);
		json_put_str(w, "name", org.name);
		json_put_str(w, "slug", org.slug);
		json_put_str(w, "role", role_name(member->role));
		json_w_end(w);
	}
	return found != FAILED;
}

static bool list_orgs(struct call *c, struct err *err)
{
	struct member_list list;
	struct json_w w;

	if (!store_members_of(c->db, c->caller.user, (struct org_id) { 0 }, ORGS_SHOWN_MAX, c->req,
			      &list, err)) {
		return false;
	}
	w = call_json(c, 200);
	json_w_object(&w);
	json_w_key(&w, "data");
	json_w_array(&w);
	for (size_t i = 0; i < list.n; i++) {
		if (!account_write_org(c, &list.rows[i], &w, err)) {
			return false;
		}
	}
	json_w_end(&w);
	json_w_end(&w);
	return true;
}

/* POST /auth/prove */

struct prove_fields {
	struct slice password;
	struct slice code;
};

static const struct field prove_rows[] = {
	FIELD_STR(struct prove_fields, password, "password", .min = 1, .max = PASSWORD_BYTES_MAX),
	FIELD_STR(struct prove_fields, code, "code", .min = 6, .max = 20,
		  .help = "Of the authenticator, in the place of the password."),
};

static bool check_proof(struct call *c, const struct prove_fields *in, struct err *err)
{
	struct user_row me;

	if (!account_me(c, &me, err)) {
		return false;
	}
	if (in->code.n > 0 && me.totp_us != 0) {
		return account_check_code(c, &me, in->code, err);
	}
	if (in->password.n == 0) {
		return err_field(err, ERR_INVALID, "password", "\"password\" is missing");
	}
	return account_check_password(c, &me, in->password, err);
}

static bool post_prove(struct call *c, struct err *err)
{
	struct prove_fields in = { 0 };

	if (!account_read(c, prove_rows, ARRAY_LEN(prove_rows), &in, err) ||
	    !check_proof(c, &in, err) ||
	    store_session_prove(c->db, c->caller.user, c->caller.session, c->now_us, err) ==
		    FAILED ||
	    !tell_session(c, err)) {
		return false;
	}
	audit_nothing(c);
	call_empty(c, 204);
	return true;
}

static const struct field_set me_fields = { me_rows, ARRAY_LEN(me_rows) };
static const struct field_set switch_fields = { switch_rows, ARRAY_LEN(switch_rows) };
static const struct field_set prove_fields = { prove_rows, ARRAY_LEN(prove_rows) };
static const struct shape shape_me_in = {
	.name = "MeInput", .help = "What can be changed.", .fields = &me_fields, .sent = true
};
static const struct shape shape_switch_in = {
	.name = "SwitchInput", .help = "Where to act.", .fields = &switch_fields, .sent = true
};
static const struct shape shape_prove_in = {
	.name = "ProveInput", .help = "One of the two.", .fields = &prove_fields, .sent = true
};
static const struct prop me_props[] = {
	PROP_SHAPE("user", &shape_user),
	PROP_SHAPE("org", &shape_own_org, .flags = PROP_NULL,
		   .help = "The organization that calls act in."),
	PROP_ID("sessionId", ID_SESSION),
	PROP_TIME("sessionExpiresAt", .help = "Without a refresh until then."),
	PROP_BOOL("proved", .help = "Password or code were given in the last ten minutes."),
};
static const struct shape shape_me = { .name = "Me",
				       .help = "Who is logged in.",
				       SHAPE_PROPS(me_props) };
static const struct prop session_props[] = {
	PROP_ID("id", ID_SESSION),
	PROP_BOOL("current", .help = "It is the one that asks."),
	PROP_STR("address", .example = "\"192.0.2.7\""),
	PROP_STR("agent", .help = "What the client says it is.", .example = "\"curl/8.5\""),
	PROP_TIME("createdAt"),
	PROP_TIME("lastUsedAt", .flags = PROP_NULL, .help = "Within a minute or so."),
	PROP_TIME("expiresAt"),
};
const struct shape shape_session = { .name = "Session",
				     .help = "Where you are logged in.",
				     SHAPE_PROPS(session_props) };
static const struct prop switched_props[] = { PROP_SHAPE("org", &shape_own_org) };
static const struct shape shape_switched = { SHAPE_PROPS(switched_props) };
static const struct prop orgs_props[] = {
	PROP_SHAPE("data", &shape_own_org, .many = PROP_LIST),
};
static const struct shape shape_orgs = { SHAPE_PROPS(orgs_props) };

static const struct route rows[] = {
	{
		.method = HTTP_GET,
		.path = "/api/v1/auth/me",
		.name = "getMe",
		.tag = "Auth",
		.summary = "Who is logged in",
		.who = WHO_USER,
		.while_leaving = true,
		.replies = { { .status = 200, .help = "Who you are.", .shape = &shape_me } },
		.work = show_me,
	},
	{
		.method = HTTP_PATCH,
		.path = "/api/v1/auth/me",
		.name = "changeMe",
		.tag = "Auth",
		.summary = "Change your name",
		.who = WHO_USER,
		.body_max = ACCOUNT_BODY_BYTES_MAX,
		.bodies = { { .shape = &shape_me_in } },
		.replies = { { .status = 200, .help = "Who you are.", .shape = &shape_me } },
		.audits = { AUDIT_USER_UPDATE },
		.work = patch_me,
	},
	{
		.method = HTTP_GET,
		.path = "/api/v1/auth/sessions",
		.name = "listSessions",
		.tag = "Auth",
		.summary = "Where you are logged in",
		.who = WHO_USER,
		.query = { &page_query },
		.replies = { { .status = 200,
			       .help = "A page of sessions, newest first.",
			       .shape = &shape_session,
			       .page = true } },
		.work = list_sessions,
	},
	{
		.method = HTTP_DELETE,
		.path = "/api/v1/auth/sessions",
		.name = "endOtherSessions",
		.tag = "Auth",
		.summary = "End all sessions but this one",
		.who = WHO_USER,
		.replies = { { .status = 204, .help = "They have ended." } },
		.audits = { AUDIT_SESSION_REVOKE },
		.work = end_others,
	},
	{
		.method = HTTP_DELETE,
		.path = "/api/v1/auth/sessions/:id",
		.name = "endSession",
		.tag = "Auth",
		.summary = "End one session",
		.who = WHO_USER,
		.params = { ROUTE_ID(ID_SESSION) },
		.replies = { { .status = 204, .help = "It has ended." } },
		.audits = { AUDIT_SESSION_REVOKE },
		.work = end_session,
	},
	{
		.method = HTTP_POST,
		.path = "/api/v1/auth/switch",
		.name = "switchOrg",
		.tag = "Auth",
		.summary = "Act in another of your organizations",
		.who = WHO_USER,
		.body_max = ACCOUNT_BODY_BYTES_MAX,
		.bodies = { { .shape = &shape_switch_in } },
		.replies = { { .status = 200,
			       .help = "This session acts there from now on.",
			       .shape = &shape_switched } },
		.errors = { ERR_NOT_FOUND },
		.unaudited = "it chooses what is shown, and is no change of it",
		.work = post_switch,
	},
	{
		.method = HTTP_POST,
		.path = "/api/v1/auth/prove",
		.name = "prove",
		.tag = "Auth",
		.summary = "Give your password or a code again",
		.who = WHO_USER,
		.while_leaving = true,
		.limit = LIMIT_AUTH,
		.body_max = ACCOUNT_BODY_BYTES_MAX,
		.doc = "Calls that answer `proof_required` then work for ten minutes.",
		.bodies = { { .shape = &shape_prove_in } },
		.replies = { { .status = 204, .help = "It is right." } },
		.audits = { AUDIT_RECOVERY_USE },
		.errors = { ERR_UNAUTHORIZED, ERR_OVERLOADED },
		.work = post_prove,
	},
	{
		.method = HTTP_GET,
		.path = "/api/v1/orgs",
		.name = "listOrgs",
		.tag = "Organizations",
		.summary = "Your organizations",
		.who = WHO_USER,
		.replies = { { .status = 200,
			       .help = "All that you are in.",
			       .shape = &shape_orgs } },
		.work = list_orgs,
	},
};
const struct route_set routes_me = { rows, ARRAY_LEN(rows) };
