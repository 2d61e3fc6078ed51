/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of the steps is what makes them safe to repeat. First goes what only the address leads
 * to; then the user is stripped, from when on nobody writes the address anew; then the audit log is
 * cleaned chain by chain; then the files; and last the row, which is the note of all this.
 */
#include "engine/leavers.h"

#include <stdlib.h>

#include "base/log.h"
#include "store/global.h"

#define ROWS_PER_STEP 200 /* a few milliseconds of the one write lock */
#define INVITES_PER_STEP 50
#define CHAINS_PER_READ 100
#define REPLIES_PER_STEP 50 /* up to 64 KiB each */

struct leavers {
	struct leavers_options o;
	struct db *db;
	struct arena tick;
	struct news *told; /* all of them: the loop may end before it hears of the last */
};

/* Memory hears that users are gone: on the loop. */
struct news {
	struct news *next;
	struct people *people;
	struct user_id user;
};

bool leavers_open(struct leavers **lp, const struct leavers_options *options, struct err *err)
{
	struct leavers *l = mem_alloc(1, sizeof(*l));

	l->o = *options;
	arena_init(&l->tick, 0);
	if (!store_connect(options->store, STORE_KEEPER, &l->db, err) ||
	    !store_wipe_begin(l->db, err)) {
		leavers_close(&l);
		return false;
	}
	*lp = l;
	return true;
}

void leavers_close(struct leavers **lp)
{
	struct leavers *l = *lp;

	*lp = NULL;
	if (l == NULL) {
		return;
	}
	while (l->told != NULL) {
		struct news *news = l->told;

		l->told = news->next;
		free(news);
	}
	db_close(&l->db);
	arena_release(&l->tick);
	free(l);
}

/*
 * Each step: FOUND when it did something and there may be more, NOT_FOUND when nothing of its kind
 * is left.
 */

static bool is_stripped(const struct user_row *user)
{
	struct id_text text = id_format(ID_USER, user->id.v);

	return slice_eq(user->mail, slice_of(text.p));
}

static bool forget_invite(struct leavers *l, const struct sent_invite *invite, struct err *err)
{
	struct id_text id = id_format(ID_INVITE, invite->id.v);
	uint64_t n;

	return db_begin(l->db, err) &&
	       store_audit_forget(invite->org, l->db, slice_of(id.p), ROWS_PER_STEP, &n, err) &&
	       store_invite_forget(l->db, invite, err) && db_commit(l->db, err);
}

static enum found forget_invites(struct leavers *l, const struct user_row *user, struct err *err)
{
	struct sent_invite invites[INVITES_PER_STEP];
	size_t n;

	if (!store_invites_to(l->db, user->mail, INVITES_PER_STEP, invites, &n, err)) {
		return FAILED;
	}
	for (size_t i = 0; i < n; i++) {
		if (!forget_invite(l, &invites[i], err)) {
			return FAILED;
		}
	}
	return n > 0 ? FOUND : NOT_FOUND;
}

static enum found forget_replies(struct leavers *l, const struct user_row *user, struct err *err)
{
	uint64_t n;

	if (!store_replies_forget(l->db, user->mail, REPLIES_PER_STEP, &n, err)) {
		return FAILED;
	}
	return n > 0 ? FOUND : NOT_FOUND;
}

/* Logins and wishes for links before there was an account, or under an address of before. */
static enum found forget_names(struct leavers *l, const struct user_row *user, struct err *err)
{
	static const enum audit_action actions[] = { AUDIT_LOGIN_FAILED, AUDIT_PASSWORD_FORGOT };
	uint64_t n, all = 0;

	for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
		if (!store_audit_forget_name(l->db, slice_of(audit_word(actions[i])), user->mail,
					     ROWS_PER_STEP, &n, err)) {
			return FAILED;
		}
		all += n;
	}
	return all > 0 ? FOUND : NOT_FOUND;
}

static void hear(void *arg)
{
	const struct news *news = arg;

	people_del_user(news->people, news->user);
}

static void tell(struct leavers *l, struct user_id user)
{
	struct news *news;

	if (l->o.people == NULL) {
		return;
	}
	news = mem_alloc(1, sizeof(*news));
	*news = (struct news) { l->told, l->o.people, user };
	l->told = news;
	/* A loop that has ended takes memory with it. */
	(void)!loop_post(l->o.loop, hear, news);
}

static enum found strip(struct leavers *l, const struct user_row *user, struct err *err)
{
	if (is_stripped(user)) {
		return NOT_FOUND;
	}
	if (!db_begin(l->db, err) || !store_user_strip(l->db, user->id, err) ||
	    !db_commit(l->db, err)) {
		return FAILED;
	}
	tell(l, user->id);
	return FOUND;
}

static bool clean_chain(struct leavers *l, struct org_id org, struct slice id, struct err *err)
{
	uint64_t n;

	do {
		if (!store_audit_forget(org, l->db, id, ROWS_PER_STEP, &n, err)) {
			return false;
		}
	} while (n > 0);
	return true;
}

static enum found clean_chains(struct leavers *l, const struct user_row *user, struct err *err)
{
	struct id_text id = id_format(ID_USER, user->id.v);
	struct org_id *orgs;
	int64_t after = -1;
	size_t n;

	do {
		if (!store_audit_chains(l->db, after, CHAINS_PER_READ, &l->tick, &orgs, &n, err)) {
			return FAILED;
		}
		for (size_t i = 0; i < n; i++) {
			after = (int64_t)orgs[i].v;
			if (!clean_chain(l, orgs[i], slice_of(id.p), err)) {
				return FAILED;
			}
		}
	} while (n == CHAINS_PER_READ);
	return NOT_FOUND;
}

/* What the files hold of it: a reader may be in the way, and is not for long. */
static enum found wipe(struct leavers *l, const struct user_row *user UNUSED, struct err *err)
{
	switch (store_wipe(l->db, err)) {
	case FOUND:
		return NOT_FOUND;
	case NOT_FOUND:
		return FOUND;
	case FAILED:
		break;
	}
	return FAILED;
}

static enum found finish(struct leavers *l, const struct user_row *user, int64_t now_us,
			 struct err *err)
{
	struct id_text id = id_format(ID_USER, user->id.v);
	struct audit_entry e = { .at_us = now_us,
				 .actor = slice_of(audit_actor_words[AUDIT_BY_SYSTEM]),
				 .action = slice_of(audit_word(AUDIT_USER_PURGE)),
				 .target = slice_of(audit_target_words[AUDIT_ON_USER]),
				 .target_id = slice_of(id.p) };

	if (!db_begin(l->db, err) || store_user_remove(l->db, user->id, err) == FAILED ||
	    !store_audit_append((struct org_id) { 0 }, l->db, &e, &l->tick, err) ||
	    !db_commit(l->db, err)) {
		return FAILED;
	}
	log_info("user_purged", log_slice("user", slice_of(id.p)));
	return FOUND;
}

static enum found forget(struct leavers *l, const struct user_row *user, int64_t now_us,
			 struct err *err)
{
	static enum found (*const steps[])(struct leavers *, const struct user_row *,
					   struct err *) = {
		forget_invites, forget_replies, forget_names, strip, clean_chains, wipe,
	};

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		enum found found = steps[i](l, user, err);

		if (found != NOT_FOUND) {
			return found;
		}
	}
	return finish(l, user, now_us, err);
}

enum found leavers_step(struct leavers *l, int64_t now_us, struct err *err)
{
	struct user_list list;
	enum found found;

	arena_clear(&l->tick);
	if (!store_users_left(l->db, now_us, 1, &l->tick, &list, err)) {
		return FAILED;
	}
	if (list.n == 0) {
		return NOT_FOUND;
	}
	found = forget(l, &list.rows[0], now_us, err);
	if (found == FAILED) {
		db_rollback(l->db);
	}
	return found;
}
