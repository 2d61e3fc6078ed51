/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables and, per user, two lists through them: a request needs one look-up each of session,
 * membership and org, and what ends all sessions of a user walks that user's alone.
 */
#include "engine/people.h"

#include <stdlib.h>

#include "base/map.h"

#define ROWS_PER_READ 500 /* of the store at start: some 100 KiB of an arena */

struct session {
	struct people_session s;
	struct session *next; /* of the user */
	int64_t used_us;
	bool used; /* since the last people_uses */
};
struct member_key {
	struct org_id org;
	struct user_id user;
};
struct member {
	struct member_key key;
	struct member *next; /* of the user */
	enum role role;
};
struct user {
	struct user_id id;
	struct session *sessions;
	struct member *members;
	bool leaving;
};

struct people {
	struct map sessions; /* struct session by id */
	struct map members;  /* struct member by org and user */
	struct map users;    /* struct user by id; those with a session or membership, or leaving */
	struct map orgs;     /* struct people_org by id */
	size_t closed;	     /* orgs that are suspended or leaving: mostly none */
};

struct people *people_new(void)
{
	struct people *p = mem_alloc(1, sizeof(*p));

	map_init(&p->sessions);
	map_init(&p->members);
	map_init(&p->users);
	map_init(&p->orgs);
	return p;
}

static void free_all(struct map *m)
{
	void *it;
	size_t at = 0;

	while ((it = map_next(m, &at)) != NULL) {
		free(it);
	}
	map_release(m);
}

void people_free(struct people **pp)
{
	struct people *p = *pp;

	if (p == NULL) {
		return;
	}
	free_all(&p->sessions);
	free_all(&p->members);
	free_all(&p->users);
	free_all(&p->orgs);
	free(p);
	*pp = NULL;
}

static struct user *user_of(struct people *p, struct user_id id)
{
	struct user *u = map_get(&p->users, MAP_KEY(id));

	if (u == NULL) {
		u = mem_alloc(1, sizeof(*u));
		u->id = id;
		map_put(&p->users, MAP_KEY(u->id), u);
	}
	return u;
}

static void forget_if_idle(struct people *p, struct user *u)
{
	if (u->sessions == NULL && u->members == NULL && !u->leaving) {
		map_del(&p->users, MAP_KEY(u->id));
		free(u);
	}
}

void people_put_session(struct people *p, const struct people_session *in)
{
	struct session *s = map_get(&p->sessions, MAP_KEY(in->id));
	struct user *u;

	if (s != NULL && s->s.user.v == in->user.v) {
		s->s = *in;
		return;
	}
	people_del_session(p, in->id);
	u = user_of(p, in->user);
	s = mem_alloc(1, sizeof(*s));
	*s = (struct session) { .s = *in, .next = u->sessions };
	u->sessions = s;
	map_put(&p->sessions, MAP_KEY(s->s.id), s);
}

void people_del_session(struct people *p, struct session_id id)
{
	struct session *s = map_del(&p->sessions, MAP_KEY(id));
	struct session **at;
	struct user *u;

	if (s == NULL) {
		return;
	}
	u = user_of(p, s->s.user);
	for (at = &u->sessions; *at != s; at = &(*at)->next) {
	}
	*at = s->next;
	free(s);
	forget_if_idle(p, u);
}

void people_end_others(struct people *p, struct user_id user, struct session_id keep)
{
	const struct user *u = map_get(&p->users, MAP_KEY(user));
	struct session *next, *s = u == NULL ? NULL : u->sessions;

	for (; s != NULL; s = next) {
		next = s->next;
		if (s->s.id.v != keep.v) {
			people_del_session(p, s->s.id);
		}
	}
}

void people_put_leaving(struct people *p, struct user_id user, bool leaving)
{
	struct user *u = user_of(p, user);

	u->leaving = leaving;
	forget_if_idle(p, u);
}

size_t people_sessions_of(const struct people *p, struct user_id user)
{
	const struct user *u = map_get(&p->users, MAP_KEY(user));
	size_t n = 0;

	for (const struct session *s = u == NULL ? NULL : u->sessions; s != NULL; s = s->next) {
		n++;
	}
	return n;
}

struct session_id people_oldest_of(const struct people *p, struct user_id user)
{
	const struct user *u = map_get(&p->users, MAP_KEY(user));
	const struct session *oldest = u == NULL ? NULL : u->sessions;

	for (const struct session *s = oldest; s != NULL; s = s->next) {
		if (s->s.expires_us < oldest->s.expires_us) {
			oldest = s;
		}
	}
	return oldest == NULL ? (struct session_id) { 0 } : oldest->s.id;
}

static void del_member(struct people *p, const struct member_key *key)
{
	struct member *m = map_del(&p->members, MAP_KEY(*key));
	struct member **at;
	struct user *u;

	if (m == NULL) {
		return;
	}
	u = user_of(p, m->key.user);
	for (at = &u->members; *at != m; at = &(*at)->next) {
	}
	*at = m->next;
	free(m);
	forget_if_idle(p, u);
}

void people_put_member(struct people *p, struct org_id org, struct user_id user, enum role role)
{
	struct member_key key = { .org = org, .user = user };
	struct member *m = map_get(&p->members, MAP_KEY(key));
	struct user *u;

	if (role == ROLE_NONE) {
		del_member(p, &key);
		return;
	}
	if (m == NULL) {
		u = user_of(p, user);
		m = mem_alloc(1, sizeof(*m));
		*m = (struct member) { .key = key, .next = u->members };
		u->members = m;
		map_put(&p->members, MAP_KEY(m->key), m);
	}
	m->role = role;
}

void people_del_user(struct people *p, struct user_id user)
{
	const struct member *m, *next;

	people_put_leaving(p, user, true); /* so that it stays until all is off it */
	people_end_others(p, user, (struct session_id) { 0 });
	for (m = user_of(p, user)->members; m != NULL; m = next) {
		struct member_key key = m->key;

		next = m->next;
		del_member(p, &key);
	}
	people_put_leaving(p, user, false);
}

static bool is_closed(const struct people_org *org)
{
	return org->suspended || org->leaving;
}

void people_put_org(struct people *p, const struct people_org *in)
{
	struct people_org *org = map_get(&p->orgs, MAP_KEY(in->id));

	if (org == NULL) {
		org = mem_alloc(1, sizeof(*org));
		org->id = in->id;
		map_put(&p->orgs, MAP_KEY(org->id), org);
	}
	p->closed += (size_t)is_closed(in) - (size_t)is_closed(org);
	*org = *in;
}

static void del_members_of(struct people *p, struct org_id org)
{
	struct member *m;
	size_t at = 0;

	while ((m = map_next(&p->members, &at)) != NULL) {
		if (m->key.org.v == org.v) {
			struct member_key key = m->key;

			del_member(p, &key);
		}
	}
}

void people_del_org(struct people *p, struct org_id id)
{
	struct people_org *org = map_del(&p->orgs, MAP_KEY(id));

	del_members_of(p, id);
	if (org != NULL) {
		p->closed -= (size_t)is_closed(org);
		free(org);
	}
}

bool people_org_is_closed(const struct people *p, struct org_id id)
{
	const struct people_org *org;

	if (p->closed == 0) {
		return false;
	}
	org = people_org(p, id);
	return org != NULL && is_closed(org);
}

const struct people_org *people_org(const struct people *p, struct org_id org)
{
	return map_get(&p->orgs, MAP_KEY(org));
}

enum role people_role(const struct people *p, struct org_id org, struct user_id user)
{
	struct member_key key = { .org = org, .user = user };
	const struct member *m = map_get(&p->members, MAP_KEY(key));

	return m == NULL ? ROLE_NONE : m->role;
}

bool people_caller(struct people *p, struct session_id session, struct user_id user, int64_t now_us,
		   struct person *out)
{
	struct session *s = map_get(&p->sessions, MAP_KEY(session));
	const struct people_org *org;

	if (s == NULL || s->s.user.v != user.v || s->s.expires_us <= now_us) {
		return false;
	}
	s->used = true;
	s->used_us = now_us;
	*out = (struct person) { .user = user,
				 .session = session,
				 .expires_us = s->s.expires_us,
				 .proved_us = s->s.proved_us };
	out->user_leaving = user_of(p, user)->leaving;
	org = out->user_leaving ? NULL : people_org(p, s->s.org);
	out->role = org == NULL ? ROLE_NONE : people_role(p, org->id, user);
	if (out->role != ROLE_NONE) {
		out->org = org->id;
		out->project = org->project;
		out->suspended = org->suspended;
		out->leaving = org->leaving;
	}
	return true;
}

size_t people_uses(struct people *p, struct session_use *uses, size_t max)
{
	struct session *s;
	size_t at = 0, n = 0;

	while (n < max && (s = map_next(&p->sessions, &at)) != NULL) {
		if (s->used) {
			uses[n++] = (struct session_use) { .id = s->s.id, .at_us = s->used_us };
			s->used = false;
		}
	}
	return n;
}

size_t people_sweep(struct people *p, int64_t now_us, size_t max)
{
	const struct session *s;
	size_t at = 0, n = 0;

	while (n < max && (s = map_next(&p->sessions, &at)) != NULL) {
		if (s->s.expires_us <= now_us) {
			people_del_session(p, s->s.id);
			n++;
		}
	}
	return n;
}

struct people_counts people_counts(const struct people *p)
{
	return (struct people_counts) { .users = p->users.n,
					.sessions = p->sessions.n,
					.members = p->members.n,
					.orgs = p->orgs.n };
}

static bool load_orgs(struct people *p, struct db *db, struct arena *tick, struct err *err)
{
	struct org_list list = { 0 };
	struct org_id after = { 0 };

	do {
		arena_clear(tick);
		if (!store_orgs_all(db, after, ROWS_PER_READ, tick, &list, err)) {
			return false;
		}
		for (size_t i = 0; i < list.n; i++) {
			const struct org_row *row = &list.rows[i];

			after = row->id;
			people_put_org(
				p, &(struct people_org) { .id = row->id,
							  .suspended = row->suspended_us != 0,
							  .leaving = row->delete_after_us != 0 });
		}
	} while (list.n == ROWS_PER_READ);
	return true;
}

static bool load_projects(struct people *p, struct db *db, struct arena *tick, struct err *err)
{
	struct project_list list = { 0 };
	struct project_id after = { 0 };

	do {
		arena_clear(tick);
		if (!store_projects_all(db, after, ROWS_PER_READ, tick, &list, err)) {
			return false;
		}
		for (size_t i = 0; i < list.n; i++) {
			struct people_org *org = map_get(&p->orgs, MAP_KEY(list.rows[i].org));

			after = list.rows[i].id;
			if (org != NULL && list.rows[i].is_default) {
				org->project = after;
			}
		}
	} while (list.n == ROWS_PER_READ);
	return true;
}

static bool load_members(struct people *p, struct db *db, struct arena *tick, struct err *err)
{
	struct member_row last = { 0 };
	struct member_list list = { 0 };

	do {
		arena_clear(tick);
		if (!store_members_all(db, last.user, last.org, ROWS_PER_READ, tick, &list, err)) {
			return false;
		}
		for (size_t i = 0; i < list.n; i++) {
			last = list.rows[i];
			people_put_member(p, last.org, last.user, last.role);
		}
	} while (list.n == ROWS_PER_READ);
	return true;
}

static bool load_sessions(struct people *p, struct db *db, int64_t now_us, struct arena *tick,
			  struct err *err)
{
	struct session_list list = { 0 };
	struct session_id after = { 0 };

	do {
		arena_clear(tick);
		if (!store_sessions_all(db, after, now_us, ROWS_PER_READ, tick, &list, err)) {
			return false;
		}
		for (size_t i = 0; i < list.n; i++) {
			const struct session_row *row = &list.rows[i];

			after = row->id;
			people_put_session(
				p, &(struct people_session) { .id = row->id,
							      .user = row->user,
							      .org = row->org,
							      .expires_us = row->expires_us,
							      .proved_us = row->proved_us });
		}
	} while (list.n == ROWS_PER_READ);
	return true;
}

static bool load_leaving(struct people *p, struct db *db, struct arena *tick, struct err *err)
{
	struct user_list list = { 0 };
	struct user_id after = { 0 };

	do {
		arena_clear(tick);
		if (!store_users_leaving(db, after, ROWS_PER_READ, tick, &list, err)) {
			return false;
		}
		for (size_t i = 0; i < list.n; i++) {
			after = list.rows[i].id;
			people_put_leaving(p, after, true);
		}
	} while (list.n == ROWS_PER_READ);
	return true;
}

bool people_load(struct people *p, struct db *db, int64_t now_us, struct err *err)
{
	struct arena tick;
	bool ok;

	arena_init(&tick, 0);
	ok = load_orgs(p, db, &tick, err) && load_projects(p, db, &tick, err) &&
	     load_members(p, db, &tick, err) && load_sessions(p, db, now_us, &tick, err) &&
	     load_leaving(p, db, &tick, err);
	arena_release(&tick);
	return ok || err_wrap(err, "load who is logged in");
}
