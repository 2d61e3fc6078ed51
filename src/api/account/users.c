/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users, for who runs the server: over the socket in the data directory, which is what "tocsin
 * user" asks. It stands in for mail where there is none, and helps who has lost everything else.
 */
#include "api/account/account.h"
#include "api/account/leave.h"
#include "api/account/members.h"
#include "api/api.h"
#include "api/audit.h"
#include "api/guess.h"
#include "api/page.h"
#include "api/route.h"
#include "api/setup.h"
#include "api/show.h"
#include "base/clock.h"
#include "base/json_put.h"
#include "model/mail.h"

#define NAME_MAX_CHARS 100
#define SLUG_CHARS_MAX 120
#define ORGS_SHOWN_MAX 100
#define LINK_MINUTES_MAX (7 * 24 * 60)
#define FIRST_LINK_US (24 * 60 * 60 * US_PER_S) /* of a new account: somebody has to hear of it */

/* By enum role. */
static const char *const role_words[] = { "none", "viewer", "member", "admin", "owner", NULL };
static_assert(ARRAY_LEN(role_words) == ROLES + 1, "every role has a word");

static const char *const status_words[] = { "active", "disabled", NULL };

/* What is shown. */

static void put_user(struct json_w *w, const struct user_row *user)
{
	show_user_members(w, user);
	json_put_str(w, "status", slice_of(user_status_name(user->status)));
	json_put_bool(w, "hasPassword", user->password.n > 0);
	json_put_time_or_null(w, "lastLoginAt", user->login_us);
}

static bool put_orgs(struct call *c, struct user_id user, struct json_w *w, struct err *err)
{
	struct member_list list;

	if (!store_members_of(c->db, user, (struct org_id) { 0 }, ORGS_SHOWN_MAX, c->req, &list,
			      err)) {
		return false;
	}
	json_w_key(w, "orgs");
	json_w_array(w);
	for (size_t i = 0; i < list.n; i++) {
		if (!account_write_org(c, &list.rows[i], w, err)) {
			return false;
		}
	}
	json_w_end(w);
	return true;
}

static bool put_counts(struct call *c, struct user_id user, struct json_w *w, struct err *err)
{
	struct page page = { .limit = SESSIONS_PER_USER_MAX };
	struct session_list sessions;
	uint64_t codes;

	if (!store_session_list(c->db, user, &page, c->req, &sessions, err) ||
	    !store_recovery_left(c->db, user, &codes, err)) {
		return false;
	}
	json_put_int(w, "sessions", (int64_t)sessions.n);
	json_put_int(w, "recoveryCodesLeft", (int64_t)codes);
	return true;
}

/* The user as he is now; link may be NULL. */
static bool answer(struct call *c, int status, struct user_id id, const struct account_link *link,
		   struct err *err)
{
	struct user_row user;
	struct json_w w;

	if (!account_found(store_user_get(c->db, id, c->req, &user, err), err)) {
		return false;
	}
	w = call_json(c, status);
	json_w_object(&w);
	put_user(&w, &user);
	if (!put_orgs(c, id, &w, err) || !put_counts(c, id, &w, err)) {
		return false;
	}
	if (link != NULL) {
		json_put_str(&w, "link", link->text);
		json_put_time(&w, "linkExpiresAt", link->expires_us);
	}
	json_w_end(&w);
	return true;
}

static bool list_users(struct call *c, struct err *err)
{
	struct user_list list;
	struct page page;
	struct json_w w;

	if (!page_read(c, ID_USER, &page, err) ||
	    !store_user_list(c->db, &page, c->req, &list, err)) {
		return false;
	}
	w = page_begin(c);
	for (size_t i = 0; i < list.n; i++) {
		json_w_object(&w);
		put_user(&w, &list.rows[i]);
		json_w_end(&w);
	}
	page_end(c, ID_USER, list.next, &w);
	return true;
}

/* The user of the path, by id or address. */
static bool find_user(struct call *c, struct user_row *out, struct err *err)
{
	struct slice text = c->params[0], mail;
	enum found found = NOT_FOUND;
	struct user_id id;

	if (id_parse(ID_USER, text, &id.v)) {
		found = store_user_get(c->db, id, c->req, out, err);
	} else if (mail_read("user", text, c->req, &mail, err)) {
		found = store_user_by_mail(c->db, mail, c->req, out, err);
	}
	return found == FOUND ||
	       (found == NOT_FOUND &&
		err_set(err, ERR_NOT_FOUND, "there is no user \"%.*s\"", SARG(text)));
}

/* The same in a transaction that begins here, and nobody else changes him meanwhile. */
static bool begin(struct call *c, struct user_row *out, struct err *err)
{
	return find_user(c, out, err) && db_begin(c->db, err) && account_lock(c, out->id, out, err);
}

static bool show_one(struct call *c, struct err *err)
{
	struct user_row user;

	return find_user(c, &user, err) && answer(c, 200, user.id, NULL, err);
}

static struct audit_note note_of(struct call *c, enum audit_action action,
				 const struct user_row *user)
{
	return (struct audit_note) { .action = action,
				     .installation = true,
				     AUDIT_OF(c, USER, user->id.v, user->mail) };
}

/* Membership. */

static bool find_org(struct call *c, struct slice slug, struct org_id *org,
		     struct project_id *project, struct err *err)
{
	struct org_row row;

	switch (store_org_by_slug(c->db, slug, c->req, &row, err)) {
	case FOUND:
		*org = row.id;
		return true;
	case FAILED:
		return false;
	case NOT_FOUND:
		break;
	}
	/* The one that the first owner takes over may not have been needed yet. */
	if (slice_eq(slug, S(SETUP_ORG_SLUG))) {
		return setup_org(c->db, slug, S("Default"), c->now_us, c->req, org, project, err);
	}
	return err_field(err, ERR_NOT_FOUND, "org", "there is no organization \"%.*s\"",
			 SARG(slug));
}

/* How a membership is to be, and was. */
struct place {
	struct org_id org;
	struct project_id project; /* when the org was made for it */
	enum role from, to;
};

static bool change_member(struct call *c, const struct user_row *user, const struct place *p,
			  struct err *err)
{
	struct member_ask ask = { .user = user->id, .to = p->to };
	struct member_row row = {
		.org = p->org, .user = user->id, .role = p->to, .created_us = c->now_us
	};

	if (p->from != ROLE_NONE) {
		return store_member_change(p->org, c->db, &ask, err);
	}
	if (p->to == ROLE_NONE) {
		return err_set(err, ERR_NOT_FOUND, "the user is no member there");
	}
	return store_org_lock(p->org, c->db, err) && member_has_seat(c, p->org, 1, err) &&
	       store_member_insert(p->org, c->db, &row, err);
}

static bool note_member(struct call *c, const struct user_row *user, const struct place *p,
			struct err *err)
{
	struct audit_note note = note_of(c, AUDIT_MEMBER_ROLE, user);

	note.installation = false;
	note.org = p->org;
	if (p->from == ROLE_NONE) {
		note.action = AUDIT_MEMBER_ADD;
	} else {
		note.before = audit_text(c, "role", role_name(p->from));
	}
	if (p->to == ROLE_NONE) {
		note.action = AUDIT_MEMBER_REMOVE;
	} else {
		note.after = audit_text(c, "role", role_name(p->to));
	}
	return audit_put(c, &note, err);
}

/* In a transaction; tell_member after the commit. */
static bool set_member(struct call *c, const struct user_row *user, struct slice org,
		       struct place *p, struct err *err)
{
	struct member_row member;
	enum found found;

	if (!find_org(c, org, &p->org, &p->project, err)) {
		return false;
	}
	found = store_member_get(p->org, c->db, user->id, c->req, &member, err);
	if (found == FOUND) {
		p->from = member.role;
	}
	return found != FAILED && change_member(c, user, p, err) && note_member(c, user, p, err);
}

static void tell_member(struct call *c, struct user_id user, const struct place *p)
{
	struct people_change member = { .op = PEOPLE_MEMBER,
					.session = { .user = user },
					.org = { .id = p->org },
					.role = p->to };

	if (p->project.v != 0) {
		people_tell_org(c, p->org, p->project);
	}
	people_tell(c, &member, 1);
}

/* POST /admin/users */

struct add_fields {
	struct slice mail;
	struct slice name;
	struct slice password;
	struct slice org;
	enum role role;
	int64_t minutes;
};

static const struct field add_rows[] = {
	FIELD_STR(struct add_fields, mail, "email", .min = 1, .max = MAIL_BYTES_MAX,
		  .flags = FIELD_REQUIRED, .example = "ana@example.com"),
	FIELD_STR(struct add_fields, name, "name", .max = NAME_MAX_CHARS),
	FIELD_STR(struct add_fields, password, "password", .min = PASSWORD_BYTES_MIN,
		  .max = PASSWORD_BYTES_MAX,
		  .help = "Without one there is a link in the reply that sets it."),
	FIELD_STR(struct add_fields, org, "org", .max = SLUG_CHARS_MAX,
		  .help = "The organization to be a member of, by its short name."),
	FIELD_ENUM(struct add_fields, role, "role", role_words,
		   .help = "What to be there. Default: a member, if an organization is named."),
	FIELD_INT(struct add_fields, minutes, "minutes", .max = LINK_MINUTES_MAX,
		  .help = "How long the link is good. 0: a day."),
};

static bool insert_user(struct call *c, const struct user_row *user, struct err *err)
{
	struct audit_note note = note_of(c, AUDIT_USER_CREATE, user);

	if (!store_user_insert(c->db, user, err)) {
		return err->kind == ERR_CONFLICT ? err_field(err, ERR_CONFLICT, "email",
							     "there is a user with this address")
						 : false;
	}
	return audit_put(c, &note, err);
}

static bool store_new(struct call *c, const struct user_row *user, struct slice org,
		      struct place *p, struct account_link *link, struct err *err)
{
	return db_begin(c->db, err) && insert_user(c, user, err) &&
	       (p->to == ROLE_NONE || set_member(c, user, org, p, err)) &&
	       (user->password.n > 0 || account_link(c, user->id, link, err)) &&
	       db_commit(c->db, err);
}

static bool read_new(struct call *c, struct add_fields *in, struct user_row *user, struct err *err)
{
	if (!account_read(c, add_rows, ARRAY_LEN(add_rows), in, err) ||
	    !mail_read("email", in->mail, c->req, &user->mail, err)) {
		return false;
	}
	if (in->org.n > 0 && in->role == ROLE_NONE) {
		in->role = ROLE_MEMBER;
	} else if (in->org.n == 0 && in->role != ROLE_NONE) {
		in->org = S(SETUP_ORG_SLUG);
	}
	user->id.v = id_random();
	user->name = in->name;
	user->created_us = c->now_us;
	if (in->password.n == 0) {
		return true;
	}
	user->password_us = c->now_us;
	return account_hash(c, in->password, user->mail, &user->password, err);
}

static bool add_user(struct call *c, struct err *err)
{
	struct account_link link = { .purpose = TOKEN_RESET, .life_us = FIRST_LINK_US };
	struct user_row user = { 0 };
	struct add_fields in = { 0 };
	struct place place = { 0 };

	if (!read_new(c, &in, &user, err)) {
		return false;
	}
	place.to = in.role;
	if (in.minutes > 0) {
		link.life_us = in.minutes * 60 * US_PER_S;
	}
	if (!store_new(c, &user, in.org, &place, &link, err)) {
		return false;
	}
	if (place.to != ROLE_NONE) {
		tell_member(c, user.id, &place);
	}
	return answer(c, 201, user.id, link.text.n > 0 ? &link : NULL, err);
}

/* POST /admin/users/:user/role */

struct role_fields {
	struct slice org;
	enum role role;
};

static const struct field role_rows[] = {
	FIELD_STR(struct role_fields, org, "org", .min = 1, .max = SLUG_CHARS_MAX,
		  .fallback = SETUP_ORG_SLUG, .help = "The organization, by its short name."),
	FIELD_ENUM(struct role_fields, role, "role", role_words, .flags = FIELD_REQUIRED,
		   .help = "What the user is there from now on; none: no member."),
};

static bool set_role(struct call *c, struct err *err)
{
	struct role_fields in = { 0 };
	struct place place = { 0 };
	struct user_row user;

	if (!account_read(c, role_rows, ARRAY_LEN(role_rows), &in, err)) {
		return false;
	}
	place.to = in.role;
	if (!begin(c, &user, err) || !set_member(c, &user, in.org, &place, err) ||
	    !db_commit(c->db, err)) {
		return false;
	}
	tell_member(c, user.id, &place);
	return answer(c, 200, user.id, NULL, err);
}

/* Switching. */

static bool set_status(struct call *c, enum user_status status, enum audit_action action,
		       struct err *err)
{
	struct audit_note note;
	struct user_row user;

	if (!begin(c, &user, err)) {
		return false;
	}
	note = note_of(c, action, &user);
	if (user.status == status) {
		audit_nothing(c);
	} else if (!account_found(store_user_set_status(c->db, user.id, status, err), err) ||
		   !audit_put(c, &note, err)) {
		return false;
	}
	if (!db_commit(c->db, err)) {
		return false;
	}
	if (status == USER_DISABLED) {
		account_tell_end(c, user.id, (struct session_id) { 0 });
	}
	return answer(c, 200, user.id, NULL, err);
}

static bool disable(struct call *c, struct err *err)
{
	return set_status(c, USER_DISABLED, AUDIT_USER_DISABLE, err);
}

static bool enable(struct call *c, struct err *err)
{
	return set_status(c, USER_ACTIVE, AUDIT_USER_ENABLE, err);
}

/* POST /admin/users/:user/delete, restore */

struct delete_fields {
	bool now;
};

static const struct field delete_rows[] = {
	FIELD_BOOL(struct delete_fields, now, "now", .help = "Without days of grace."),
};

static bool delete_user(struct call *c, struct err *err)
{
	struct delete_fields in = { 0 };
	struct audit_note note;
	struct user_row user;

	if ((c->http->body.n > 0 &&
	     !account_read(c, delete_rows, ARRAY_LEN(delete_rows), &in, err)) ||
	    !find_user(c, &user, err)) {
		return false;
	}
	note = note_of(c, AUDIT_USER_DELETE, &user);
	return leave_begin(c, &user, c->now_us + (in.now ? 0 : LEAVE_GRACE_US), &note, err) &&
	       answer(c, 200, user.id, NULL, err);
}

static bool restore_user(struct call *c, struct err *err)
{
	struct audit_note note;
	struct user_row user;

	if (!find_user(c, &user, err)) {
		return false;
	}
	note = note_of(c, AUDIT_USER_RESTORE, &user);
	return leave_end(c, &user, &note, err) && answer(c, 200, user.id, NULL, err);
}

static bool verify(struct call *c, struct err *err)
{
	struct user_row user;

	return begin(c, &user, err) && account_set_mail(c, &user, user.mail, err) &&
	       db_commit(c->db, err) && answer(c, 200, user.id, NULL, err);
}

static bool log_out(struct call *c, struct err *err)
{
	struct audit_note note;
	struct user_row user;

	if (!begin(c, &user, err)) {
		return false;
	}
	note = note_of(c, AUDIT_SESSION_REVOKE, &user);
	if (!store_session_end_others(c->db, user.id, (struct session_id) { 0 }, NULL, err) ||
	    !audit_put(c, &note, err) || !db_commit(c->db, err)) {
		return false;
	}
	account_tell_end(c, user.id, (struct session_id) { 0 });
	return answer(c, 200, user.id, NULL, err);
}

static bool totp_off(struct call *c, struct err *err)
{
	struct user_row user;

	return begin(c, &user, err) && account_totp_off(c, &user, err) && db_commit(c->db, err) &&
	       answer(c, 200, user.id, NULL, err);
}

/* POST /admin/users/:user/password */

struct password_fields {
	struct slice password;
};

static const struct field password_rows[] = {
	FIELD_STR(struct password_fields, password, "password", .min = PASSWORD_BYTES_MIN,
		  .max = PASSWORD_BYTES_MAX, .flags = FIELD_REQUIRED),
};

static bool set_password(struct call *c, struct err *err)
{
	struct password_fields in = { 0 };
	struct audit_note note;
	struct user_row user;
	struct slice hash;

	if (!account_read(c, password_rows, ARRAY_LEN(password_rows), &in, err) ||
	    !find_user(c, &user, err) || !account_hash(c, in.password, user.mail, &hash, err)) {
		return false;
	}
	note = note_of(c, AUDIT_PASSWORD_SET, &user);
	if (!begin(c, &user, err) ||
	    !account_set_password(c, user.id, hash, (struct session_id) { 0 }, err) ||
	    !audit_put(c, &note, err) || !db_commit(c->db, err)) {
		return false;
	}
	account_tell_end(c, user.id, (struct session_id) { 0 });
	guess_clear(c, user.mail);
	return answer(c, 200, user.id, NULL, err);
}

/* Links. */

struct link_fields {
	struct slice mail;
	int64_t minutes;
};

static const struct field link_rows[] = {
	FIELD_INT(struct link_fields, minutes, "minutes", .max = LINK_MINUTES_MAX,
		  .help = "How long it is good. 0: as long as one that is sent by mail."),
};
static const struct field mail_link_rows[] = {
	FIELD_STR(struct link_fields, mail, "email", .max = MAIL_BYTES_MAX,
		  .help = "The new address. Default: the one that the user asked for, else the one "
			  "he has."),
	FIELD_INT(struct link_fields, minutes, "minutes", .max = LINK_MINUTES_MAX,
		  .help = "How long it is good. 0: as long as one that is sent by mail."),
};

static bool is_active(const struct user_row *user, struct err *err)
{
	return user->status == USER_ACTIVE ||
	       err_set(err, ERR_CONFLICT, "this account is disabled: enable it first");
}

static bool make_link(struct call *c, const struct user_row *user, const struct link_fields *in,
		      struct account_link *link, struct err *err)
{
	struct audit_note note = note_of(c, AUDIT_PASSWORD_FORGOT, user);

	link->life_us = in->minutes * 60 * US_PER_S;
	if (!is_active(user, err) || !account_link(c, user->id, link, err)) {
		return false;
	}
	if (link->purpose != TOKEN_RESET) {
		audit_nothing(c);
	} else if (!audit_put(c, &note, err)) {
		return false;
	}
	return db_commit(c->db, err) && answer(c, 200, user->id, link, err);
}

static bool reset_link(struct call *c, struct err *err)
{
	struct account_link link = { .purpose = TOKEN_RESET };
	struct link_fields in = { 0 };
	struct user_row user;

	return account_read(c, link_rows, ARRAY_LEN(link_rows), &in, err) && begin(c, &user, err) &&
	       make_link(c, &user, &in, &link, err);
}

/* What the link is to confirm. */
static bool choose_mail(struct call *c, const struct user_row *user, struct slice asked,
			struct account_link *link, struct err *err)
{
	struct token_row wish;
	enum found found;

	if (asked.n > 0) {
		return mail_read("email", asked, c->req, &link->data, err);
	}
	found = store_token_of(c->db, user->id, TOKEN_MAIL_CHANGE, c->now_us, c->req, &wish, err);
	link->data = found == FOUND ? wish.data : user->mail;
	return found != FAILED;
}

static bool mail_link(struct call *c, struct err *err)
{
	struct account_link link = { .purpose = TOKEN_MAIL_CHANGE };
	struct link_fields in = { 0 };
	struct user_row user;

	if (!account_read(c, mail_link_rows, ARRAY_LEN(mail_link_rows), &in, err) ||
	    !begin(c, &user, err) || !choose_mail(c, &user, in.mail, &link, err)) {
		return false;
	}
	if (slice_eq(link.data, user.mail)) {
		link.purpose = TOKEN_VERIFY;
	}
	return make_link(c, &user, &in, &link, err);
}

static const struct prop more_props[] = {
	PROP_WORD("status", status_words, .help = "Who is disabled cannot log in."),
	PROP_BOOL("hasPassword"),
	PROP_TIME("lastLoginAt", .flags = PROP_NULL),
};
static const struct shape shape_listed = { .name = "AdminUser",
					   .help = "A user, as who runs the server sees him.",
					   .also = &shape_user,
					   SHAPE_PROPS(more_props) };
static const struct prop one_props[] = {
	PROP_SHAPE("orgs", &shape_own_org, .many = PROP_LIST),
	PROP_INT("sessions", .help = "Up to fifty."),
	PROP_INT("recoveryCodesLeft"),
	PROP_STR("link", .flags = PROP_MAYBE,
		 .help = "Where one was made. Without the setting public-url it has no host.",
		 .example = "\"https://tocsin.example.com/account#reset=rst_2c26b46b68ffc68f\""),
	PROP_TIME("linkExpiresAt", .flags = PROP_MAYBE),
};
static const struct shape shape_one = { .name = "AdminUserDetail",
					.help = "The same with all there is to know.",
					.also = &shape_listed,
					SHAPE_PROPS(one_props) };
static const struct field_set add_fields = { add_rows, ARRAY_LEN(add_rows) };
static const struct shape shape_add_in = { .fields = &add_fields, .sent = true };
static const struct field_set delete_fields = { delete_rows, ARRAY_LEN(delete_rows) };
static const struct shape shape_delete_in = { .fields = &delete_fields, .sent = true };
static const struct field_set role_fields = { role_rows, ARRAY_LEN(role_rows) };
static const struct shape shape_role_in = { .fields = &role_fields, .sent = true };
static const struct field_set password_fields = { password_rows, ARRAY_LEN(password_rows) };
static const struct shape shape_password_in = { .fields = &password_fields, .sent = true };
static const struct field_set link_fields = { link_rows, ARRAY_LEN(link_rows) };
static const struct shape shape_link_in = { .fields = &link_fields, .sent = true };
static const struct field_set mail_link_fields = { mail_link_rows, ARRAY_LEN(mail_link_rows) };
static const struct shape shape_mail_link_in = { .fields = &mail_link_fields, .sent = true };

#define A_USER ROUTE_TEXT("A user, by id or mail address.")
#define ADMIN_ROW(method_, path_, name_, summary_) \
	.method = HTTP_##method_, .path = (path_), .name = (name_), .tag = "Operation", \
	.summary = (summary_), .who = WHO_SOCKET, .limit = LIMIT_NONE
/* What is done to one user. */
#define USER_ROW(word_, name_, summary_, ...) \
	{ \
		ADMIN_ROW(POST, "/admin/users/:user/" word_, name_, summary_), \
			.params = { A_USER }, \
			.replies = { { .status = 200, \
				       .help = "The user now.", \
				       .shape = &shape_one } }, \
			__VA_ARGS__ \
	}

static const struct route rows[] = {
	{
		ADMIN_ROW(GET, "/admin/users", "adminListUsers", "List all users"),
		.query = { &page_query },
		.replies = { { .status = 200,
			       .help = "A page of users, newest first.",
			       .shape = &shape_listed,
			       .page = true } },
		.work = list_users,
	},
	{
		ADMIN_ROW(POST, "/admin/users", "adminAddUser", "Make an account"),
		.body_max = ACCOUNT_BODY_BYTES_MAX,
		.bodies = { { .shape = &shape_add_in } },
		.replies = { { .status = 201, .help = "It was made.", .shape = &shape_one } },
		.errors = { ERR_NOT_FOUND, ERR_CONFLICT, ERR_LIMIT, ERR_OVERLOADED },
		.audits = { AUDIT_USER_CREATE, AUDIT_MEMBER_ADD },
		.work = add_user,
	},
	{
		ADMIN_ROW(GET, "/admin/users/:user", "adminGetUser", "Get one user"),
		.params = { A_USER },
		.replies = { { .status = 200, .help = "The user.", .shape = &shape_one } },
		.errors = { ERR_NOT_FOUND },
		.work = show_one,
	},
	USER_ROW("disable", "adminDisableUser", "Keep a user out, and end all sessions",
		 .errors = { ERR_NOT_FOUND }, .audits = { AUDIT_USER_DISABLE }, .work = disable),
	USER_ROW("enable", "adminEnableUser", "Let a user in again", .errors = { ERR_NOT_FOUND },
		 .audits = { AUDIT_USER_ENABLE }, .work = enable),
	USER_ROW("delete", "adminDeleteUser", "Delete a user, in seven days",
		 .body_max = ACCOUNT_BODY_BYTES_MAX,
		 .bodies = { { .shape = &shape_delete_in, .maybe = true } },
		 .errors = { ERR_NOT_FOUND, ERR_CONFLICT }, .audits = { AUDIT_USER_DELETE },
		 .work = delete_user),
	USER_ROW("restore", "adminRestoreUser", "Keep a user who was to be deleted",
		 .errors = { ERR_NOT_FOUND, ERR_CONFLICT, ERR_GONE },
		 .audits = { AUDIT_USER_RESTORE }, .work = restore_user),
	USER_ROW("verify", "adminVerifyUser", "Say that a mail address is the user's",
		 .errors = { ERR_NOT_FOUND }, .audits = { AUDIT_USER_VERIFY }, .work = verify),
	USER_ROW("logout", "adminLogOutUser", "End all sessions of a user",
		 .errors = { ERR_NOT_FOUND }, .audits = { AUDIT_SESSION_REVOKE }, .work = log_out),
	USER_ROW("totp-off", "adminEndSecondFactor", "Ask a user for codes no longer",
		 .errors = { ERR_NOT_FOUND }, .audits = { AUDIT_TOTP_DISABLE }, .work = totp_off),
	USER_ROW("role", "adminSetRole", "Say what a user is in an organization",
		 .body_max = ACCOUNT_BODY_BYTES_MAX, .bodies = { { .shape = &shape_role_in } },
		 .errors = { ERR_NOT_FOUND, ERR_CONFLICT, ERR_LIMIT },
		 .audits = { AUDIT_MEMBER_ADD, AUDIT_MEMBER_ROLE, AUDIT_MEMBER_REMOVE },
		 .work = set_role),
	USER_ROW("password", "adminSetPassword", "Set a user's password",
		 .body_max = ACCOUNT_BODY_BYTES_MAX, .bodies = { { .shape = &shape_password_in } },
		 .errors = { ERR_NOT_FOUND, ERR_OVERLOADED }, .audits = { AUDIT_PASSWORD_SET },
		 .work = set_password),
	USER_ROW("reset-link", "adminMakeResetLink", "Make a link that sets a password",
		 .body_max = ACCOUNT_BODY_BYTES_MAX, .bodies = { { .shape = &shape_link_in } },
		 .errors = { ERR_NOT_FOUND, ERR_CONFLICT }, .audits = { AUDIT_PASSWORD_FORGOT },
		 .work = reset_link),
	USER_ROW("mail-link", "adminMakeMailLink", "Make a link that confirms an address",
		 .body_max = ACCOUNT_BODY_BYTES_MAX, .bodies = { { .shape = &shape_mail_link_in } },
		 .errors = { ERR_NOT_FOUND, ERR_CONFLICT },
		 .unaudited = "nothing changes until it is confirmed", .work = mail_link),
};
const struct route_set routes_users = { rows, ARRAY_LEN(rows) };
