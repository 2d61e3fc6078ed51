/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One transaction: whose account, roles, session, entries of the audit log. Refusals end it and are
 * no errors: the page of login says them.
 */
#include "api/sso/join.h"

#include "api/account/invites.h"
#include "api/account/members.h"
#include "api/api.h"
#include "api/audit.h"
#include "api/caller.h"
#include "api/setup.h"
#include "base/clock.h"
#include "model/mail.h"
#include "model/sso.h"

#define NOTES_MAX 6
#define CHANGES_MAX 4 /* an org and a place in it by the issuer's word, and one by an invite */
#define INVITES_LOOKED_AT 50
#define TRIES_MAX 3 /* two logins of one new person may be under way at once */
#define CLOCKS_US (60 * INT64_C(1000000))

struct join {
	struct call *c;
	const struct sso_ask *ask;
	const struct sso_state *state;
	struct sso_joining *out;
	struct slice mail; /* verified there, in its one form; or empty */
	bool maps;	   /* the issuer decides on a role: */
	enum role role;
	struct org_row org; /* in this org; id 0: it is not there */
	struct audit_note notes[NOTES_MAX];
	size_t notes_n;
	struct people_change changes[CHANGES_MAX];
	size_t changes_n;
};

static const char *const refusal_words[] = { [SSO_WELCOME] = "",
#define X(kind, word, help) [SSO_##kind] = (word),
					     SSO_REFUSALS(X)
#undef X
};

const char *sso_refusal_word(enum sso_refusal refusal)
{
	ensure(refusal < SSO_REFUSAL_KINDS);
	return refusal_words[refusal];
}

/* Ends the transaction without an error. */
static bool refuse(struct join *j, enum sso_refusal why)
{
	j->out->refusal = why;
	return false;
}

static void note(struct join *j, struct audit_note n)
{
	ensure(j->notes_n < NOTES_MAX);
	n.user = j->out->login.user.id;
	j->notes[j->notes_n++] = n;
}

static void note_of_user(struct join *j, enum audit_action action, struct slice after)
{
	const struct user_row *user = &j->out->login.user;

	note(j, (struct audit_note) { .action = action,
				      AUDIT_OF(j->c, USER, user->id.v, user->mail),
				      .after = after });
}

/* What was noted of the user is told where he acts; and several in the order of orgs. */
static bool put_notes(struct join *j, struct err *err)
{
	struct org_id home = j->out->login.org.id;

	for (size_t i = 0; i < j->notes_n; i++) {
		j->notes[i].org = j->notes[i].org.v == 0 ? home : j->notes[i].org;
	}
	for (size_t i = 1; i < j->notes_n; i++) {
		for (size_t k = i; k > 0 && j->notes[k].org.v < j->notes[k - 1].org.v; k--) {
			struct audit_note swap = j->notes[k];

			j->notes[k] = j->notes[k - 1];
			j->notes[k - 1] = swap;
		}
	}
	for (size_t i = 0; i < j->notes_n; i++) {
		if (!audit_put(j->c, &j->notes[i], err)) {
			return false;
		}
	}
	return true;
}

/* Who comes. */

static bool is_clean(struct slice text)
{
	for (size_t i = 0; i < text.n; i++) {
		if ((unsigned char)text.p[i] < ' ' || text.p[i] == 0x7f) {
			return false;
		}
	}
	return true;
}

static void read_mail(struct join *j)
{
	const struct oidc_person *p = &j->ask->person;
	struct err err;

	j->mail = (struct slice) { 0 };
	if (p->mail_verified && !mail_read("email", p->mail, j->c->req, &j->mail, &err)) {
		j->mail = (struct slice) { 0 };
	}
}

static bool may_come(struct join *j)
{
	const struct oidc_person *p = &j->ask->person;
	const struct field_list *domains = &sso_options(j->c->api->sso)->domains;

	if (p->subject.n == 0 || p->subject.n > OIDC_SUBJECT_BYTES_MAX || !is_clean(p->subject)) {
		return refuse(j, SSO_REFUSED);
	}
	/* Asked to log in anew, an issuer says when that was. */
	if (j->state->fresh && p->auth_s * US_PER_S < j->state->made_us - CLOCKS_US) {
		return refuse(j, SSO_REFUSED);
	}
	read_mail(j);
	if (domains->n > 0 && j->mail.n == 0) {
		return refuse(j, SSO_MAIL);
	}
	return sso_mail_may_come(j->mail, domains) || refuse(j, SSO_DOMAIN);
}

/* What the setting makes of the issuer's words. An org that is not there gives no roles. */
static bool read_role(struct join *j, struct err *err)
{
	const struct sso_options *o = sso_options(j->c->api->sso);

	j->maps = sso_gives_roles(j->c->api->sso, j->ask->at);
	if (!j->maps) {
		return true;
	}
	j->role = sso_role(&o->roles, j->ask->person.roles);
	switch (store_org_by_slug(j->c->db, o->org, j->c->req, &j->org, err)) {
	case FOUND:
		return true;
	case FAILED:
		return false;
	case NOT_FOUND:
		break;
	}
	j->org = (struct org_row) { 0 };
	if (slice_eq(o->org, S(SETUP_ORG_SLUG))) {
		return true; /* it is made when somebody joins */
	}
	log_warn("sso_org_missing", log_slice("cid", j->c->http->id), log_slice("org", o->org));
	j->maps = false;
	j->role = ROLE_NONE;
	return true;
}

/* Whose account. */

static bool has_link_there(struct join *j, struct user_id user, bool *has, struct err *err)
{
	struct link_list list;

	if (!store_link_list(j->c->db, user, j->c->req, &list, err)) {
		return false;
	}
	*has = false;
	for (size_t i = 0; i < list.n; i++) {
		*has = *has || slice_eq(list.rows[i].issuer, j->ask->at->issuer);
	}
	return true;
}

/* An identity for an account that has none of this issuer: a second one is somebody else's. */
static bool add_link(struct join *j, struct err *err)
{
	struct slice shown = audit_text(j->c, "issuer", j->ask->at->issuer);
	struct link_row row = { .issuer = j->ask->at->issuer,
				.subject = j->ask->person.subject,
				.user = j->out->login.user.id,
				.mail = j->mail,
				.created_us = j->c->now_us };
	bool has;

	if (!has_link_there(j, row.user, &has, err)) {
		return false;
	}
	if (has) {
		return refuse(j, SSO_OTHER_LINK);
	}
	row.login_us = j->state->user.v == 0 ? j->c->now_us : 0;
	note_of_user(j, AUDIT_OIDC_LINK, shown);
	return store_link_insert(j->c->db, &row, err);
}

/* The very first account owns the server: it does not go to whoever comes first by an issuer. */
static bool may_be_first(struct join *j, struct err *err)
{
	uint64_t users;

	if (!store_user_count(j->c->db, &users, err)) {
		return false;
	}
	if (users > 0) {
		return true;
	}
	if (!j->maps || j->role != ROLE_OWNER) {
		return refuse(j, SSO_NOT_SET_UP);
	}
	return store_meta_add(j->c->db, "first_user", S("made"), err);
}

/* Whether an account may be made; *own: with an org of its own. */
static bool may_be_made(struct join *j, bool *own, struct err *err)
{
	enum found invited = store_invite_for_mail(j->c->db, j->mail, j->c->now_us, err);
	bool placed = j->maps && j->role != ROLE_NONE;

	if (invited == FAILED) {
		return false;
	}
	*own = j->c->api->signup == SIGNUP_OPEN && !placed && invited == NOT_FOUND;
	if (!placed && invited == NOT_FOUND && !*own &&
	    sso_options(j->c->api->sso)->domains.n == 0) {
		return refuse(j, SSO_NO_ACCOUNT);
	}
	return may_be_first(j, err);
}

static bool found_org(struct join *j, struct err *err)
{
	struct login *l = &j->out->login;
	struct slice local = { l->user.mail.p, slice_find(l->user.mail, '@') };
	struct slice whose = l->user.name.n > 0 ? l->user.name : local;
	struct org_founding in = { .id = { id_random() },
				   .project = { id_random() },
				   .name = whose,
				   .owner = l->user.id,
				   .now_us = j->c->now_us };

	if (!store_org_found(in.id, j->c->db, &in, j->c->req, &l->org, err)) {
		return false;
	}
	j->changes[j->changes_n++] = (struct people_change) {
		.op = PEOPLE_ORG, .org = { .id = in.id, .project = in.project }
	};
	j->changes[j->changes_n++] = (struct people_change) { .op = PEOPLE_MEMBER,
							      .session = { .user = l->user.id },
							      .org = { .id = in.id },
							      .role = ROLE_OWNER };
	note(j, (struct audit_note) { .action = AUDIT_ORG_CREATE,
				      .org = in.id,
				      AUDIT_OF(j->c, ORG, in.id.v, l->org.name) });
	return true;
}

/* The open invite to the address, when there is but one: between several the user chooses. */
static bool find_invite(struct join *j, struct invite_row *out, bool *one, struct err *err)
{
	struct sent_invite sent[INVITES_LOOKED_AT];
	size_t n, open = 0;

	if (!store_invites_to(j->c->db, j->mail, INVITES_LOOKED_AT, sent, &n, err)) {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		struct invite_row row;

		if (store_invite_get(sent[i].org, j->c->db, sent[i].id, j->c->req, &row, err) ==
		    FAILED) {
			return false;
		}
		if (row.accepted_us == 0 && row.revoked_us == 0 && row.expires_us > j->c->now_us) {
			*out = row;
			open++;
		}
	}
	*one = open == 1;
	return true;
}

/* An org that is closed or full does not keep anybody from having an account. */
static bool has_room(struct join *j, struct org_id org, bool *yes, struct err *err)
{
	struct org_row row;

	if (!store_org_lock(org, j->c->db, err)) {
		return false;
	}
	*yes = invite_find_org(j->c, org, &row, err) && member_has_seat(j->c, org, 1, err);
	if (*yes || (err->kind != ERR_CLOSED && err->kind != ERR_LIMIT)) {
		return *yes;
	}
	log_info("sso_invite_waits", log_slice("cid", j->c->http->id), log_str("why", err->text));
	*err = (struct err) { 0 };
	return true;
}

/*
 * Who was invited and comes by an issuer that vouches for the address has shown what the link of
 * the invite would.
 */
static bool accept_invite(struct join *j, struct err *err)
{
	const struct user_row *user = &j->out->login.user;
	struct invite_row row;
	bool go;

	if (!find_invite(j, &row, &go, err) || (go && !has_room(j, row.org, &go, err))) {
		return false;
	}
	if (!go) {
		return true;
	}
	note(j, (struct audit_note) { .action = AUDIT_INVITE_ACCEPT,
				      .org = row.org,
				      AUDIT_OF(j->c, INVITE, row.id.v, row.mail),
				      .after = audit_text(j->c, "role", role_name(row.role)) });
	j->changes[j->changes_n++] = (struct people_change) { .op = PEOPLE_MEMBER,
							      .session = { .user = user->id },
							      .org = { .id = row.org },
							      .role = row.role };
	return store_invite_accept(j->c->db, row.token_hash, user->id, user->mail, j->c->now_us,
				   j->c->req, &row, err) == FOUND;
}

static bool make_user(struct join *j, struct err *err)
{
	struct user_row *user = &j->out->login.user;
	bool own;

	if (!may_be_made(j, &own, err)) {
		return false;
	}
	*user = (struct user_row) { .id = { id_random() },
				    .mail = j->mail,
				    .name = is_clean(j->ask->person.name) ? j->ask->person.name
									  : (struct slice) { 0 },
				    .mail_verified_us = j->c->now_us,
				    .created_us = j->c->now_us };
	note_of_user(j, AUDIT_USER_CREATE, (struct slice) { 0 });
	return store_user_insert(j->c->db, user, err) && add_link(j, err) &&
	       (own ? found_org(j, err) : accept_invite(j, err));
}

static bool find_by_mail(struct join *j, struct err *err)
{
	struct user_row *user = &j->out->login.user;

	if (j->mail.n == 0) {
		return refuse(j, SSO_MAIL);
	}
	switch (store_user_by_mail(j->c->db, j->mail, j->c->req, user, err)) {
	case FOUND:
		return (user->mail_verified_us != 0 || refuse(j, SSO_UNVERIFIED)) &&
		       add_link(j, err);
	case NOT_FOUND:
		return make_user(j, err);
	case FAILED:
		break;
	}
	return false;
}

static bool find_user(struct join *j, struct err *err)
{
	struct slice issuer = j->ask->at->issuer, subject = j->ask->person.subject;
	struct user_row *user = &j->out->login.user;
	struct link_row link;
	enum found found = store_link_get(j->c->db, issuer, subject, j->c->req, &link, err);

	if (found == NOT_FOUND) {
		return find_by_mail(j, err);
	}
	return found == FOUND &&
	       store_user_get(j->c->db, link.user, j->c->req, user, err) == FOUND &&
	       store_link_used(j->c->db, issuer, subject, j->c->now_us, err) == FOUND;
}

/* Roles. */

static void tell_member(struct join *j, enum audit_action action, enum role from)
{
	const struct user_row *user = &j->out->login.user;
	struct slice before = from == ROLE_NONE ? (struct slice) { 0 }
						: audit_text(j->c, "role", role_name(from));
	struct slice after = j->role == ROLE_NONE ? (struct slice) { 0 }
						  : audit_text(j->c, "role", role_name(j->role));

	note(j, (struct audit_note) { .action = action,
				      .org = j->org.id,
				      AUDIT_OF(j->c, USER, user->id.v, user->mail),
				      .before = before,
				      .after = after });
	j->changes[j->changes_n++] = (struct people_change) { .op = PEOPLE_MEMBER,
							      .session = { .user = user->id },
							      .org = { .id = j->org.id },
							      .role = j->role };
}

static bool make_default_org(struct join *j, struct err *err)
{
	struct project_id project;
	struct org_id org;

	if (!setup_org(j->c->db, S(SETUP_ORG_SLUG), S("Default"), j->c->now_us, j->c->req, &org,
		       &project, err) ||
	    store_org_get(org, j->c->db, j->c->req, &j->org, err) != FOUND) {
		return false;
	}
	j->changes[j->changes_n++] = (struct people_change) {
		.op = PEOPLE_ORG, .org = { .id = org, .project = project }
	};
	return true;
}

static bool join_org(struct join *j, struct err *err)
{
	struct member_row row = { .user = j->out->login.user.id,
				  .role = j->role,
				  .created_us = j->c->now_us };

	if (j->org.id.v == 0 && !make_default_org(j, err)) {
		return false;
	}
	row.org = j->org.id;
	if (!store_org_lock(row.org, j->c->db, err)) {
		return false;
	}
	if (!member_has_seat(j->c, row.org, 1, err)) {
		return err->kind == ERR_LIMIT && refuse(j, SSO_FULL);
	}
	tell_member(j, AUDIT_MEMBER_ADD, ROLE_NONE);
	return store_member_insert(row.org, j->c->db, &row, err);
}

/* As the operator would: but the last owner stays what he is. */
static bool change_member(struct join *j, enum role from, struct err *err)
{
	struct member_ask ask = { .user = j->out->login.user.id, .to = j->role };

	if (store_member_change(j->org.id, j->c->db, &ask, err)) {
		tell_member(j, j->role == ROLE_NONE ? AUDIT_MEMBER_REMOVE : AUDIT_MEMBER_ROLE,
			    from);
		return true;
	}
	if (err->kind != ERR_CONFLICT) {
		return false;
	}
	*err = (struct err) { 0 };
	log_warn("sso_last_owner", log_slice("cid", j->c->http->id), log_slice("org", j->org.slug),
		 log_slice("role", role_name(j->role)));
	return true;
}

static bool apply_role(struct join *j, struct err *err)
{
	struct member_row member = { 0 };
	enum found found = NOT_FOUND;

	if (!j->maps || j->out->login.user.delete_after_us != 0) {
		return true;
	}
	if (j->org.id.v != 0) {
		found = store_member_get(j->org.id, j->c->db, j->out->login.user.id, j->c->req,
					 &member, err);
	}
	if (found == NOT_FOUND) {
		return j->role == ROLE_NONE || join_org(j, err);
	}
	return found == FOUND && (member.role == j->role || change_member(j, member.role, err));
}

/* Beginning. */

/* Who has neither password nor code has nothing else to prove it by. */
static bool is_proved(const struct join *j)
{
	const struct user_row *user = &j->out->login.user;
	int64_t age_us = j->c->now_us - j->ask->person.auth_s * US_PER_S;

	return (j->ask->person.auth_s != 0 && age_us <= CALLER_PROOF_US) || user->password.n == 0;
}

/* The issuer's word stands for the password alone. */
static bool ask_for_code(struct join *j, struct err *err)
{
	struct token_row row = { .user = j->out->login.user.id,
				 .purpose = TOKEN_SECOND,
				 .created_us = j->c->now_us,
				 .expires_us = j->c->now_us + SSO_CODE_LIFE_US };

	j->out->code = token_make("scd_", j->c->req);
	row.hash = token_hash(j->out->code, j->c->req);
	return store_token_put(j->c->db, &row, err);
}

static bool begin_session(struct join *j, struct err *err)
{
	struct login *l = &j->out->login;

	if (l->user.totp_us != 0) {
		return ask_for_code(j, err);
	}
	note_of_user(j, AUDIT_LOGIN_OK, audit_text(j->c, "issuer", j->ask->at->issuer));
	l->cookie = true;
	return session_insert(j->c, l, is_proved(j), err);
}

static bool join_in(struct join *j, struct err *err)
{
	struct login *l = &j->out->login;

	return may_come(j) && read_role(j, err) && find_user(j, err) &&
	       (l->user.status == USER_ACTIVE || refuse(j, SSO_DISABLED)) && apply_role(j, err) &&
	       session_choose_org(j->c, l, err) && begin_session(j, err) && put_notes(j, err);
}

static void tell(const struct join *j)
{
	people_tell(j->c, j->changes, j->changes_n);
	if (j->out->code.n == 0 && j->out->login.session.id.v != 0) {
		session_tell_login(j->c, &j->out->login);
	}
}

static bool run(struct join *j, bool (*fn)(struct join *j, struct err *err), struct err *err)
{
	if (!db_begin(j->c->db, err) || !fn(j, err) || !db_commit(j->c->db, err)) {
		db_rollback(j->c->db);
		return j->out->refusal != SSO_WELCOME;
	}
	tell(j);
	return true;
}

static bool run_again(struct call *c, const struct sso_ask *ask, const struct sso_state *state,
		      bool (*fn)(struct join *j, struct err *err), struct sso_joining *out,
		      struct err *err)
{
	for (int try = 1;; try++) {
		struct join j = { .c = c, .ask = ask, .state = state, .out = out };

		*out = (struct sso_joining) { 0 };
		*err = (struct err) { 0 };
		if (run(&j, fn, err)) {
			return true;
		}
		if (err->kind != ERR_CONFLICT || try == TRIES_MAX) {
			return false;
		}
	}
}

bool sso_join(struct call *c, const struct sso_ask *ask, const struct sso_state *state,
	      struct sso_joining *out, struct err *err)
{
	return run_again(c, ask, state, join_in, out, err);
}

/* Linking. */

/* The issuer may be what verifies an address; another identity waits until that is done. */
static bool is_verified(struct join *j, struct err *err)
{
	struct user_row *user = &j->out->login.user;

	if (user->mail_verified_us != 0) {
		return true;
	}
	if (!slice_eq(user->mail, j->mail)) {
		return refuse(j, SSO_UNVERIFIED);
	}
	note_of_user(j, AUDIT_USER_VERIFY, (struct slice) { 0 });
	return store_user_set_mail(j->c->db, user->id, user->mail, j->c->now_us, err) == FOUND;
}

static bool link_up(struct join *j, struct err *err)
{
	struct user_row *user = &j->out->login.user;
	struct link_row link;
	enum found found;

	if (!may_come(j) ||
	    store_user_lock(j->c->db, j->state->user, j->c->req, user, err) != FOUND ||
	    (user->status != USER_ACTIVE && !refuse(j, SSO_DISABLED))) {
		return false;
	}
	j->out->login.org.id = j->c->caller.org;
	found = store_link_get(j->c->db, j->ask->at->issuer, j->ask->person.subject, j->c->req,
			       &link, err);
	if (found == FOUND) {
		return link.user.v == user->id.v || refuse(j, SSO_OTHER_LINK);
	}
	return found == NOT_FOUND && is_verified(j, err) && add_link(j, err) && put_notes(j, err);
}

bool sso_link(struct call *c, const struct sso_ask *ask, const struct sso_state *state,
	      struct sso_joining *out, struct err *err)
{
	return run_again(c, ask, state, link_up, out, err);
}
