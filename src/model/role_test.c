/* SPDX-License-Identifier: Apache-2.0 */
/* Nobody reaches above themselves, and no org loses its last owner. */
#include "model/role.h"

#include "test/t.h"

TEST(every_role_round_trips)
{
	for (enum role role = ROLE_VIEWER; role < ROLES; role++) {
		T_INT(role_parse(role_name(role)), role);
	}
	T_INT(role_parse(S("OWNER")), ROLE_OWNER);
	T_INT(role_parse(S("")), ROLE_NONE);
	T_INT(role_parse(S("owner ")), ROLE_NONE);
	T_INT(role_name(ROLE_NONE).n, 0);
}

TEST(every_permission_needs_a_role_and_reading_needs_least)
{
	for (enum noun noun = NOUN_EVENTS; noun < NOUNS; noun++) {
		for (enum verb verb = VERB_READ; verb < VERBS; verb++) {
			T_TRUE(role_least(noun, verb) > ROLE_NONE);
			T_TRUE(role_least(noun, verb) >= role_least(noun, VERB_READ));
			T_FALSE(role_may(ROLE_NONE, noun, verb));
			T_TRUE(role_may(ROLE_OWNER, noun, verb));
			T_TRUE(verb == VERB_READ || !role_may(ROLE_VIEWER, noun, verb));
		}
		T_TRUE(strlen(noun_name(noun)) > 0);
	}
}

/* The matrix that people were promised: a letter per role, v m a o, who may not is a dot. */
TEST(the_matrix_is_as_promised)
{
	static const struct {
		enum noun noun;
		const char *read, *write, *delete;
	} rows[] = {
		{ NOUN_EVENTS, "vmao", ".mao", "..ao" },
		{ NOUN_RULES, "vmao", "..ao", "..ao" },
		{ NOUN_ALERTS, "vmao", ".mao", "..ao" },
		{ NOUN_CHANNELS, ".mao", "..ao", "..ao" },
		{ NOUN_KEYS, ".mao", "..ao", "..ao" },
		{ NOUN_MEMBERS, ".mao", "..ao", "...o" },
		{ NOUN_SETTINGS, "vmao", "..ao", "..ao" },
		{ NOUN_AUDIT, "..ao", "...o", "...o" },
		{ NOUN_SSO, "..ao", "...o", "...o" },
		{ NOUN_BILLING, "...o", "...o", "...o" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (enum role role = ROLE_VIEWER; role < ROLES; role++) {
			size_t at = (size_t)role - 1;

			T_INT(role_may(role, rows[i].noun, VERB_READ), rows[i].read[at] != '.');
			T_INT(role_may(role, rows[i].noun, VERB_WRITE), rows[i].write[at] != '.');
			T_INT(role_may(role, rows[i].noun, VERB_DELETE), rows[i].delete[at] != '.');
		}
	}
}

static enum member_verdict change(enum role actor, enum role from, enum role to)
{
	return member_change(
		&(struct member_change) { .actor = actor, .from = from, .to = to, .owners = 2 });
}

TEST(nobody_reaches_above_themselves)
{
	T_INT(change(ROLE_ADMIN, ROLE_NONE, ROLE_MEMBER), MEMBER_ALLOWED);
	T_INT(change(ROLE_ADMIN, ROLE_NONE, ROLE_ADMIN), MEMBER_ALLOWED);
	T_INT(change(ROLE_ADMIN, ROLE_MEMBER, ROLE_ADMIN), MEMBER_ALLOWED);
	T_INT(change(ROLE_ADMIN, ROLE_NONE, ROLE_OWNER), MEMBER_FORBIDDEN);
	T_INT(change(ROLE_ADMIN, ROLE_MEMBER, ROLE_OWNER), MEMBER_FORBIDDEN);
	T_INT(change(ROLE_ADMIN, ROLE_ADMIN, ROLE_MEMBER), MEMBER_FORBIDDEN);
	T_INT(change(ROLE_ADMIN, ROLE_OWNER, ROLE_MEMBER), MEMBER_FORBIDDEN);
	T_INT(change(ROLE_ADMIN, ROLE_MEMBER, ROLE_NONE), MEMBER_FORBIDDEN);
	T_INT(change(ROLE_MEMBER, ROLE_NONE, ROLE_VIEWER), MEMBER_FORBIDDEN);
	T_INT(change(ROLE_VIEWER, ROLE_MEMBER, ROLE_NONE), MEMBER_FORBIDDEN);
	T_INT(change(ROLE_NONE, ROLE_NONE, ROLE_VIEWER), MEMBER_FORBIDDEN);
	T_INT(change(ROLE_OWNER, ROLE_NONE, ROLE_OWNER), MEMBER_ALLOWED);
	T_INT(change(ROLE_OWNER, ROLE_OWNER, ROLE_NONE), MEMBER_ALLOWED);
	T_INT(change(ROLE_OWNER, ROLE_ADMIN, ROLE_NONE), MEMBER_ALLOWED);
}

TEST(everybody_may_leave_but_not_rise)
{
	for (enum role role = ROLE_VIEWER; role < ROLES; role++) {
		struct member_change c = {
			.actor = role, .from = role, .to = ROLE_NONE, .self = true, .owners = 2
		};

		T_INT(member_change(&c), MEMBER_ALLOWED);
		c.to = ROLE_OWNER;
		T_INT(member_change(&c), role == ROLE_OWNER ? MEMBER_ALLOWED : MEMBER_FORBIDDEN);
	}
}

/* Every actor and every end of every owner: one is left. */
TEST(the_last_owner_stays)
{
	for (enum role actor = ROLE_NONE; actor < ROLES; actor++) {
		for (enum role to = ROLE_NONE; to < ROLE_OWNER; to++) {
			struct member_change c = {
				.actor = actor, .from = ROLE_OWNER, .to = to, .owners = 1
			};

			T_TRUE(member_change(&c) != MEMBER_ALLOWED);
			c.self = actor == ROLE_OWNER;
			T_INT(member_change(&c), c.self ? MEMBER_LAST_OWNER : MEMBER_FORBIDDEN);
			c.owners = 0;
			T_TRUE(member_change(&c) != MEMBER_ALLOWED);
		}
	}
}

TEST(only_an_owner_gives_the_org_away_to_another_member)
{
	T_TRUE(transfer_allowed(ROLE_OWNER, ROLE_VIEWER, false));
	T_FALSE(transfer_allowed(ROLE_OWNER, ROLE_OWNER, true));
	T_FALSE(transfer_allowed(ROLE_OWNER, ROLE_NONE, false));
	T_FALSE(transfer_allowed(ROLE_ADMIN, ROLE_MEMBER, false));
}

T_MAIN(T(every_role_round_trips), T(every_permission_needs_a_role_and_reading_needs_least),
       T(the_matrix_is_as_promised), T(nobody_reaches_above_themselves),
       T(everybody_may_leave_but_not_rise), T(the_last_owner_stays),
       T(only_an_owner_gives_the_org_away_to_another_member))
