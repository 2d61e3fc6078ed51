/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of an account, and back. What the store decides is told to memory before the answer
 * leaves: from then on the user is nobody in any organization, or is what he was.
 */
#include "api/account/leave.h"

#include "api/api.h"
#include "api/audit.h"
#include "api/route.h"
#include "base/json_put.h"
#include "base/time.h"

#define ORGS_NAMED_MAX 5 /* in an error; more are counted */

/* "Acme" and "Beta"; then how many more. */
static struct slice name_orgs(struct call *c, const struct org_list *orgs)
{
	struct slice text = { 0 };
	size_t n = orgs->n < ORGS_NAMED_MAX ? orgs->n : ORGS_NAMED_MAX;

	for (size_t i = 0; i < n; i++) {
		text = arena_printf(c->req, "%.*s%s\"%.*s\"", SARG(text), i == 0 ? "" : ", ",
				    SARG(orgs->rows[i].name));
	}
	return orgs->n == n ? text
			    : arena_printf(c->req, "%.*s and %zu more", SARG(text), orgs->n - n);
}

static void tell(struct call *c, struct user_id user, bool leaving)
{
	struct people_change change = { .op = PEOPLE_LEAVING,
					.session = { .user = user },
					.leaving = leaving };

	people_tell(c, &change, 1);
}

static bool store_leave(struct call *c, struct user_row *user, int64_t after_us, struct err *err)
{
	struct org_list sole;

	if (!store_user_leave(c->db, user->id, after_us, c->req, &sole, err)) {
		return false;
	}
	user->delete_after_us = after_us;
	return sole.n == 0 ||
	       err_set(err, ERR_CONFLICT,
		       "nobody else owns %.*s: give it to another member, or delete it, first",
		       SARG(name_orgs(c, &sole)));
}

bool leave_begin(struct call *c, struct user_row *user, int64_t after_us, struct audit_note *note,
		 struct err *err)
{
	char text[TIME_TEXT_MAX];
	bool sooner;

	if (!db_begin(c->db, err) || !account_lock(c, user->id, user, err)) {
		return false;
	}
	sooner = user->delete_after_us == 0 || after_us < user->delete_after_us;
	if (!sooner) {
		audit_nothing(c);
		db_rollback(c->db);
		return true;
	}
	if (!store_leave(c, user, after_us, err)) {
		return false;
	}
	note->after = audit_text(c, "deleteAfter", time_format(after_us, TIME_MILLIS, text));
	if (!audit_put(c, note, err) || !db_commit(c->db, err)) {
		return false;
	}
	tell(c, user->id, true);
	return true;
}

bool leave_end(struct call *c, struct user_row *user, struct audit_note *note, struct err *err)
{
	if (!db_begin(c->db, err) || !account_lock(c, user->id, user, err)) {
		return false;
	}
	if (user->delete_after_us == 0) {
		return err_set(err, ERR_CONFLICT, "this account is not to be deleted");
	}
	switch (store_user_stay(c->db, user->id, c->now_us, err)) {
	case FOUND:
		break;
	case NOT_FOUND:
		return err_set(err, ERR_GONE, "the days of grace of this account are over");
	case FAILED:
		return false;
	}
	user->delete_after_us = 0;
	if (!audit_put(c, note, err) || !db_commit(c->db, err)) {
		return false;
	}
	tell(c, user->id, false);
	return true;
}

static struct audit_note note_of(struct call *c, enum audit_action action,
				 const struct user_row *me)
{
	return (struct audit_note) { .action = action, AUDIT_OF(c, USER, me->id.v, me->mail) };
}

static bool answer(struct call *c, const struct user_row *me)
{
	struct json_w w = call_json(c, 200);

	json_w_object(&w);
	show_user(&w, "user", me);
	json_w_end(&w);
	return true;
}

/* DELETE /auth/me */

static bool delete_me(struct call *c, struct err *err)
{
	struct audit_note note;
	struct user_row me;

	if (!account_me(c, &me, err)) {
		return false;
	}
	note = note_of(c, AUDIT_USER_DELETE, &me);
	return account_chain(c, &me, &note.org, err) &&
	       leave_begin(c, &me, c->now_us + LEAVE_GRACE_US, &note, err) && answer(c, &me);
}

/* POST /auth/me/restore */

/* The session was begun by somebody who was nobody anywhere. */
static bool go_home(struct call *c, const struct user_row *me, struct err *err)
{
	struct login l = { .user = *me };
	enum found found;

	if (!session_choose_org(c, &l, err) ||
	    store_session_set_org(c->db, me->id, c->caller.session, l.org.id, err) == FAILED) {
		return false;
	}
	found = store_session_get(c->db, c->caller.session, c->req, &l.session, err);
	if (found == FOUND) {
		session_tell(c, &l.session);
	}
	return found != FAILED;
}

static bool restore_me(struct call *c, struct err *err)
{
	struct audit_note note;
	struct user_row me;

	if (!account_me(c, &me, err)) {
		return false;
	}
	note = note_of(c, AUDIT_USER_RESTORE, &me);
	return account_chain(c, &me, &note.org, err) && leave_end(c, &me, &note, err) &&
	       go_home(c, &me, err) && answer(c, &me);
}

static const struct prop left_props[] = { PROP_SHAPE("user", &shape_user) };
static const struct shape shape_left = { SHAPE_PROPS(left_props) };

static const struct route rows[] = {
	{
		.method = HTTP_DELETE,
		.path = "/api/v1/auth/me",
		.name = "deleteMe",
		.tag = "Auth",
		.summary = "Delete your account, in seven days",
		.who = WHO_USER,
		.proof = true,
		.doc = "All your sessions end now, and you are a member of nothing. For seven days "
		       "you can log in to look, to take your data along, and to restore the "
		       "account; then everything that is known of you is removed. Organizations "
		       "that nobody else owns are in the way: the error names them.",
		.replies = { { .status = 200, .help = "Until when.", .shape = &shape_left } },
		.audits = { AUDIT_USER_DELETE },
		.errors = { ERR_CONFLICT },
		.work = delete_me,
	},
	{
		.method = HTTP_POST,
		.path = "/api/v1/auth/me/restore",
		.name = "restoreMe",
		.tag = "Auth",
		.summary = "Keep your account after all",
		.who = WHO_USER,
		.while_leaving = true,
		.doc = "You are again what you were where you were a member; this session goes on.",
		.replies = { { .status = 200, .help = "It stays.", .shape = &shape_left } },
		.audits = { AUDIT_USER_RESTORE },
		.errors = { ERR_CONFLICT, ERR_GONE },
		.work = restore_me,
	},
};
const struct route_set routes_leave = { rows, ARRAY_LEN(rows) };
