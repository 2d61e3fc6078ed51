/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_ROLE_H
#define MODEL_ROLE_H

#include "base/slice.h"

/*
 * What a member of an org may do. Roles are ordered: whoever may something, every higher role may,
 * too, so that a permission is one word, the least role, and roles compare with >=. The words are
 * stored: they stay. Keys are no members; what they may is their scopes (model/scope.h). Pure; any
 * thread.
 */
enum role { ROLE_NONE, ROLE_VIEWER, ROLE_MEMBER, ROLE_ADMIN, ROLE_OWNER, ROLES };

/* Lower case, "" for ROLE_NONE. */
struct slice role_name(enum role role);
/* In any case; ROLE_NONE when there is no such role. */
enum role role_parse(struct slice word);
/* The words from viewer to owner, ended by NULL: for field tables and documents. */
extern const char *const role_names[];

enum noun {
	NOUN_EVENTS,
	NOUN_RULES,	    /* and routes, silences, policies */
	NOUN_ALERTS,	    /* and their groups */
	NOUN_NOTIFICATIONS, /* deliveries: seeing and replaying them */
	NOUN_CHANNELS,	    /* destinations and sources with their credentials */
	NOUN_KEYS,
	NOUN_PROJECTS,
	NOUN_SETTINGS, /* of the org */
	NOUN_MEMBERS,  /* and invites */
	NOUN_USAGE,
	NOUN_BILLING,
	NOUN_AUDIT,
	NOUN_SSO,
	NOUN_ORG, /* the org itself: its name, its owners, its end */
	NOUNS
};
/* manage: what is neither reading nor changing one thing; of alerts to act on all at once. */
enum verb { VERB_READ, VERB_WRITE, VERB_DELETE, VERB_MANAGE, VERBS };

const char *noun_name(enum noun noun);
const char *verb_name(enum verb verb);
/* The least role that may. Never ROLE_NONE. */
enum role role_least(enum noun noun, enum verb verb);
static inline bool role_may(enum role role, enum noun noun, enum verb verb)
{
	return role >= role_least(noun, verb);
}

/* Somebody changes who is in the org. */
struct member_change {
	enum role actor; /* of who asks */
	enum role from;	 /* of the member as it is; ROLE_NONE: joins */
	enum role to;	 /* as it will be; ROLE_NONE: leaves or is removed */
	bool self;	 /* the actor is the member */
	uint64_t owners; /* of the org now, the member among them */
};
enum member_verdict { MEMBER_ALLOWED, MEMBER_FORBIDDEN, MEMBER_LAST_OWNER };
/*
 * An org always keeps an owner. Everybody may leave or take less. Owners may change everybody,
 * admins those below them, giving no more than they have; only owners remove. Ask again inside of
 * the transaction that changes it: owners may be fewer by then.
 */
enum member_verdict member_change(const struct member_change *change);
/* Giving the org away: only an owner, to another who is a member. The giver becomes admin. */
bool transfer_allowed(enum role actor, enum role target, bool self);

#endif
