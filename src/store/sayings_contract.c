/* SPDX-License-Identifier: Apache-2.0 */
/* What the server has to tell: once per name, until it is said, and never to another org. */
#include "model/builtin.h"
#include "store/fixture_contract.h"
#include "store/sayings.h"

static struct saying_row sample(struct org_id org, const char *name, int64_t at_us)
{
	return (struct saying_row) { .org = org,
				     .name = slice_of(name),
				     .type = S(SYSTEM_USAGE_80),
				     .message = S("80 % are used"),
				     .payload = S("{\"percent\":80}"),
				     .created_us = at_us };
}

static enum found add(struct fixture *f, struct saying_row row)
{
	struct err err = { 0 };
	enum found found = store_saying_add(row.org, f->db, &row, &err);

	T_TRUE(found != FAILED);
	return found;
}

static struct saying_list unsaid(struct fixture *f, size_t limit)
{
	struct saying_list list;
	struct err err = { 0 };

	T_OK(store_sayings_unsaid(f->db, limit, &f->arena, &list, &err));
	return list;
}

static void said(struct fixture *f, struct org_id org, const char *name, uint64_t seq)
{
	struct saying_row row = { .org = org, .name = slice_of(name), .said_seq = seq };
	struct err err = { 0 };

	T_OK(db_begin(f->db, &err));
	T_OK(store_sayings_said(f->db, &row, 1, &err));
	T_OK(db_commit(f->db, &err));
}

CONTRACT(a_name_is_told_once)
{
	struct saying_list list;

	T_INT(add(f, sample(ORG_A, "usage:1", AT)), FOUND);
	T_INT(add(f, sample(ORG_A, "usage:1", AT + 1)), NOT_FOUND);
	T_INT(add(f, sample(ORG_B, "usage:1", AT + 2)), FOUND);
	list = unsaid(f, 10);
	T_INT(list.n, 2);
	T_TRUE(list.rows[0].org.v == ORG_A.v && list.rows[0].project.v == PROJECT_A.v);
	T_TRUE(list.rows[1].org.v == ORG_B.v && list.rows[1].project.v == PROJECT_B.v);
	T_INT(list.rows[0].created_us, AT);
	T_SLICE(list.rows[0].name, "usage:1");
	T_SLICE(list.rows[0].type, "tocsin.usage.80");
	T_SLICE(list.rows[0].message, "80 % are used");
	T_SLICE(list.rows[0].payload, "{\"percent\":80}");
	said(f, ORG_A, "usage:1", 5);
	list = unsaid(f, 10);
	T_INT(list.n, 1);
	T_INT(list.rows[0].org.v, ORG_B.v);
	T_INT(add(f, sample(ORG_A, "usage:1", AT + 3)), NOT_FOUND);
}

CONTRACT(the_oldest_is_said_first)
{
	struct saying_list list;

	add(f, sample(ORG_A, "late", AT + 9));
	add(f, sample(ORG_B, "early", AT));
	add(f, sample(ORG_A, "between", AT + 1));
	list = unsaid(f, 2);
	T_INT(list.n, 2);
	T_SLICE(list.rows[0].name, "early");
	T_SLICE(list.rows[1].name, "between");
}

CONTRACT(what_nobody_waits_for_is_passed_over)
{
	said(f, ORG_A, "never heard of", 5);
	T_INT(unsaid(f, 10).n, 0);
}

CONTRACT(an_end_follows_what_was_told)
{
	struct saying_row back = sample(ORG_A, "back", AT);
	struct err err = { 0 };

	T_INT(store_saying_follow(ORG_A, f->db, S("silent"), &back, &err), NOT_FOUND);
	add(f, sample(ORG_B, "silent", AT));
	T_INT(store_saying_follow(ORG_A, f->db, S("silent"), &back, &err), NOT_FOUND);
	add(f, sample(ORG_A, "silent", AT));
	T_INT(store_saying_follow(ORG_A, f->db, S("silent"), &back, &err), FOUND);
	T_INT(store_saying_follow(ORG_A, f->db, S("silent"), &back, &err), NOT_FOUND);
	T_INT(unsaid(f, 10).n, 3);
}

CONTRACT(what_is_taken_back_was_never_told)
{
	struct saying_row row = sample(ORG_A, "dead:1", AT);
	struct err err = { 0 };

	T_OK(db_begin(f->db, &err));
	T_INT(store_saying_add(ORG_A, f->db, &row, &err), FOUND);
	db_rollback(f->db);
	T_INT(unsaid(f, 10).n, 0);
	T_INT(add(f, row), FOUND);
}

CONTRACT(old_sayings_are_pruned)
{
	struct err err = { 0 };
	struct saying_list list;

	add(f, sample(ORG_A, "old", AT - 1));
	add(f, sample(ORG_A, "older", AT - 2));
	said(f, ORG_A, "older", 7);
	add(f, sample(ORG_A, "new", AT));
	T_OK(store_sayings_prune(f->db, AT, 3, &err));
	list = unsaid(f, 10);
	T_INT(list.n, 1);
	T_SLICE(list.rows[0].name, "new");
	T_INT(add(f, sample(ORG_A, "older", AT + 1)), FOUND);
}

static void put(struct fixture *f, struct org_id org, uint64_t version)
{
	struct builtin_row row = { .org = org,
				   .name = S("usage_80"),
				   .version = version,
				   .definition = S("{}"),
				   .updated_us = AT + (int64_t)version,
				   .seq = version + 1 };
	struct err err = { 0 };

	T_OK(store_builtin_put(org, f->db, &row, &err));
}

CONTRACT(a_changed_rule_is_an_orgs_own)
{
	struct builtin_list list;
	struct err err = { 0 };

	put(f, ORG_A, 2);
	put(f, ORG_A, 3);
	put(f, ORG_B, 9);
	T_OK(store_builtin_list(ORG_A, f->db, &f->arena, &list, &err));
	T_INT(list.n, 1);
	T_SLICE(list.rows[0].name, "usage_80");
	T_INT(list.rows[0].version, 3);
	T_INT(list.rows[0].updated_us, AT + 3);
	T_INT(list.rows[0].seq, 4);
}

struct senders {
	uint64_t sum;
	size_t n;
};

static void count(void *arg, struct org_id org, struct project_id project)
{
	struct senders *s = arg;

	s->sum += org.v + project.v;
	s->n++;
}

CONTRACT(senders_of_an_hour_are_known)
{
	int64_t hour = AT - AT % ROLLUP_HOUR_US;
	const struct outcome_row rows[] = {
		{ ORG_A, PROJECT_A, ROLLUP_HOUR_US, hour, OUTCOME_RECEIVED, 3 },
		{ ORG_A, PROJECT_A, ROLLUP_HOUR_US, hour, OUTCOME_ACCEPTED, 3 },
		{ ORG_A, PROJECT_A, ROLLUP_MINUTE_US, hour, OUTCOME_RECEIVED, 3 },
		{ ORG_B, PROJECT_B, ROLLUP_HOUR_US, hour, OUTCOME_RECEIVED, 0 },
		{ ORG_B, PROJECT_B, ROLLUP_HOUR_US, hour + ROLLUP_HOUR_US, OUTCOME_RECEIVED, 1 },
	};
	struct senders senders = { 0 };
	struct err err = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		T_OK(db_begin(f->db, &err));
		T_OK(store_outcomes_add(f->db, &rows[i], 1, &err));
		T_OK(db_commit(f->db, &err));
	}
	T_OK(store_outcomes_senders(f->db, hour, count, &senders, &err));
	T_INT(senders.n, 1);
	T_INT(senders.sum, ORG_A.v + PROJECT_A.v);
}

CONTRACTS(sayings_contract, C(a_name_is_told_once), C(the_oldest_is_said_first),
	  C(what_nobody_waits_for_is_passed_over), C(an_end_follows_what_was_told),
	  C(what_is_taken_back_was_never_told), C(old_sayings_are_pruned),
	  C(a_changed_rule_is_an_orgs_own), C(senders_of_an_hour_are_known))
