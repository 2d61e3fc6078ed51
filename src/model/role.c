/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The permission table: one row per noun, one column per verb. It follows what earlier systems let
 * their members, admins and owners do; a viewer reads what a member works with, but neither keys
 * nor people.
 */
#include "model/role.h"

const char *const role_names[] = { "viewer", "member", "admin", "owner", NULL };
static_assert(ARRAY_LEN(role_names) == ROLES, "every role has a name");

struct permission {
	const char *name;
	enum role least[VERBS]; /* read, write, delete, manage */
};

static const struct permission permissions[NOUNS] = {
	[NOUN_EVENTS] = { "events", { ROLE_VIEWER, ROLE_MEMBER, ROLE_ADMIN, ROLE_ADMIN } },
	[NOUN_RULES] = { "rules", { ROLE_VIEWER, ROLE_ADMIN, ROLE_ADMIN, ROLE_ADMIN } },
	[NOUN_ALERTS] = { "alerts", { ROLE_VIEWER, ROLE_MEMBER, ROLE_ADMIN, ROLE_ADMIN } },
	[NOUN_NOTIFICATIONS] = { "notifications",
				 { ROLE_VIEWER, ROLE_ADMIN, ROLE_ADMIN, ROLE_ADMIN } },
	[NOUN_CHANNELS] = { "channels", { ROLE_MEMBER, ROLE_ADMIN, ROLE_ADMIN, ROLE_ADMIN } },
	[NOUN_KEYS] = { "keys", { ROLE_MEMBER, ROLE_ADMIN, ROLE_ADMIN, ROLE_ADMIN } },
	[NOUN_PROJECTS] = { "projects", { ROLE_VIEWER, ROLE_ADMIN, ROLE_ADMIN, ROLE_ADMIN } },
	[NOUN_SETTINGS] = { "settings", { ROLE_VIEWER, ROLE_ADMIN, ROLE_ADMIN, ROLE_ADMIN } },
	[NOUN_MEMBERS] = { "members", { ROLE_MEMBER, ROLE_ADMIN, ROLE_OWNER, ROLE_ADMIN } },
	[NOUN_USAGE] = { "usage", { ROLE_VIEWER, ROLE_OWNER, ROLE_OWNER, ROLE_OWNER } },
	[NOUN_BILLING] = { "billing", { ROLE_OWNER, ROLE_OWNER, ROLE_OWNER, ROLE_OWNER } },
	[NOUN_AUDIT] = { "audit", { ROLE_ADMIN, ROLE_OWNER, ROLE_OWNER, ROLE_OWNER } },
	[NOUN_SSO] = { "sso", { ROLE_ADMIN, ROLE_OWNER, ROLE_OWNER, ROLE_OWNER } },
	[NOUN_ORG] = { "org", { ROLE_VIEWER, ROLE_OWNER, ROLE_OWNER, ROLE_OWNER } },
};

static const char *const verb_names[VERBS] = { "read", "write", "delete", "manage" };

struct slice role_name(enum role role)
{
	ensure(role < ROLES);
	return role == ROLE_NONE ? S("") : slice_of(role_names[role - 1]);
}

enum role role_parse(struct slice word)
{
	for (unsigned i = 0; role_names[i] != NULL; i++) {
		if (slice_eq_nocase(word, slice_of(role_names[i]))) {
			return (enum role)(i + 1);
		}
	}
	return ROLE_NONE;
}

const char *noun_name(enum noun noun)
{
	ensure(noun < NOUNS);
	return permissions[noun].name;
}

const char *verb_name(enum verb verb)
{
	ensure(verb < VERBS);
	return verb_names[verb];
}

enum role role_least(enum noun noun, enum verb verb)
{
	ensure(noun < NOUNS && verb < VERBS);
	return permissions[noun].least[verb];
}

static bool may_change(const struct member_change *c)
{
	if (c->self && c->from != ROLE_NONE && c->to <= c->from) {
		return true;
	}
	if (!role_may(c->actor, NOUN_MEMBERS, c->to == ROLE_NONE ? VERB_DELETE : VERB_WRITE)) {
		return false;
	}
	return c->actor == ROLE_OWNER || (c->from < c->actor && c->to <= c->actor);
}

enum member_verdict member_change(const struct member_change *c)
{
	if (!may_change(c)) {
		return MEMBER_FORBIDDEN;
	}
	if (c->from == ROLE_OWNER && c->to != ROLE_OWNER && c->owners <= 1) {
		return MEMBER_LAST_OWNER;
	}
	return MEMBER_ALLOWED;
}

bool transfer_allowed(enum role actor, enum role target, bool self)
{
	return actor == ROLE_OWNER && target != ROLE_NONE && !self;
}
