/* SPDX-License-Identifier: Apache-2.0 */
/* Chains of the audit log: nobody's entry is lost between two writers, and none is changed. */
#include <pthread.h>
#include <stdio.h>

#include "store/audit.h"
#include "store/fixture_contract.h"

#define NOBODY ((struct org_id) { 0 })

static struct audit_entry entry_of(const char *action, int64_t at_us)
{
	return (struct audit_entry) { .at_us = at_us,
				      .actor = S("operator"),
				      .action = slice_of(action),
				      .target = S("rule"),
				      .target_id = S("rul_0000000000009"),
				      .after = S("{\"name\":\"a\"}") };
}

static struct audit_entry put(struct fixture *f, struct org_id org, struct audit_entry e)
{
	struct err err = { 0 };

	T_OK(db_begin(f->db, &err));
	T_OK(store_audit_append(org, f->db, &e, &f->arena, &err));
	T_OK(db_commit(f->db, &err));
	return e;
}

static void on_fault(void *arg UNUSED, const struct audit_fault *fault)
{
	fail_msg("chain fault %d from %llu", (int)fault->kind, (unsigned long long)fault->from);
}

/* The chain is whole; returns how many entries it has. */
static uint64_t check(struct fixture *f, struct org_id org)
{
	struct audit_check c = { .org = org, .fault = on_fault };
	struct audit_list page;
	struct err err = { 0 };
	bool more = true;
	uint64_t n;

	T_OK(store_audit_head(org, f->db, &f->arena, &c.head, &err));
	audit_check_init(&c);
	while (more) {
		T_OK(store_audit_walk(org, f->db, NULL, c.last, INT64_MAX, 3, &f->arena, &page,
				      &more, &err));
		for (size_t i = 0; i < page.n; i++) {
			audit_check_entry(&c, &page.rows[i]);
		}
	}
	T_TRUE(audit_check_end(&c));
	n = c.n;
	audit_check_release(&c);
	return n;
}

CONTRACT(entries_follow_each_other_by_org)
{
	struct audit_entry one = put(f, ORG_A, entry_of("rule.create", AT));
	struct audit_entry two = put(f, ORG_A, entry_of("rule.update", AT + 1));
	struct audit_entry other = put(f, ORG_B, entry_of("rule.create", AT + 2));
	struct audit_entry ours = put(f, NOBODY, entry_of("plan.put", AT + 3));

	T_TRUE(one.number == 1 && two.number == 2 && other.number == 1 && ours.number == 1);
	T_INT(one.previous.n, 0);
	T_TRUE(slice_eq(two.previous, one.hash));
	T_INT(other.previous.n, 0);
	T_TRUE(one.id.v != 0 && one.id.v != two.id.v);
	T_INT(check(f, ORG_A), 2);
	T_INT(check(f, ORG_B), 1);
	T_INT(check(f, NOBODY), 1);
}

CONTRACT(an_entry_goes_with_the_transaction_it_is_in)
{
	struct audit_entry e = entry_of("rule.create", AT);
	struct err err = { 0 };

	put(f, ORG_A, e);
	T_OK(db_begin(f->db, &err));
	T_OK(store_audit_append(ORG_A, f->db, &e, &f->arena, &err));
	db_rollback(f->db);
	T_INT(check(f, ORG_A), 1);
	T_INT(put(f, ORG_A, entry_of("rule.update", AT)).number, 2);
	T_INT(check(f, ORG_A), 2);
}

CONTRACT(all_of_an_entry_comes_back)
{
	struct audit_entry e = entry_of("rule.update", AT), *got;
	struct audit_list list;
	struct err err = { 0 };
	struct audit_hash hash;

	e.actor = S("user");
	e.actor_id = S("usr_0000000000001");
	e.actor_name = S("ana@example.com");
	e.target_name = S("R\xc3\xa9gle");
	e.before = S("{\"name\":\"b\"}");
	e.address = S("::1");
	e.agent = S("curl");
	e.request = S("req");
	e = put(f, ORG_A, e);
	T_OK(store_audit_list(ORG_A, f->db, &(struct audit_filter) { 0 }, PAGE_OF(10), &f->arena,
			      &list, &err));
	T_INT(list.n, 1);
	got = &list.rows[0];
	hash = audit_hash(got);
	T_TRUE(slice_eq(got->hash, (struct slice) { hash.p, sizeof(hash.p) }));
	T_TRUE(slice_eq(got->hash, e.hash) && got->id.v == e.id.v && got->org.v == ORG_A.v);
	T_SLICE(got->target_name, "R\xc3\xa9gle");
	T_SLICE(got->request, "req");
}

CONTRACT(names_are_looked_up)
{
	struct key_row key = sample_key(ORG_A, PROJECT_A, 5);
	struct audit_entry e = entry_of("rule.update", AT), got;
	struct id_text key_id = id_format(ID_KEY, 5), user_id = id_format(ID_USER, 1);
	struct err err = { 0 };

	T_OK(store_key_insert(ORG_A, f->db, &key, &err));
	put_user(f, 1, "ana@example.com");
	e.actor = S("key");
	e.actor_id = slice_of(key_id.p);
	got = put(f, ORG_A, e);
	T_SLICE(got.actor_name, "key 5");
	got = put(f, ORG_B, e);
	T_SLICE(got.actor_name, "");
	e.actor = S("user");
	e.actor_id = slice_of(user_id.p);
	got = put(f, NOBODY, e);
	T_SLICE(got.actor_name, "ana@example.com");
	T_INT(check(f, ORG_A), 1);
}

static void fill(struct fixture *f)
{
	struct audit_entry e;

	for (int i = 0; i < 6; i++) {
		e = entry_of(i % 2 == 0 ? "rule.create" : "rule.update", AT + i);
		e.actor = i < 3 ? S("user") : S("key");
		e.actor_id = i < 3 ? S("usr_0000000000001") : S("key_0000000000002");
		e.target_id = i == 4 ? S("rul_0000000000004") : e.target_id;
		e.target = i == 5 ? S("key") : e.target;
		put(f, ORG_A, e);
		put(f, NOBODY, e);
	}
}

/* The numbers of what is listed, as digits. */
static const char *list(struct fixture *f, struct org_id org, struct audit_filter filter)
{
	static char text[64];
	struct page page = { .limit = 2 };
	struct audit_list got;
	struct err err = { 0 };
	size_t n = 0;

	do {
		T_OK(store_audit_list(org, f->db, &filter, &page, &f->arena, &got, &err));
		for (size_t i = 0; i < got.n; i++) {
			text[n++] = (char)('0' + got.rows[i].number);
		}
		page.after = got.next;
	} while (got.next.id != 0);
	text[n] = '\0';
	return text;
}

CONTRACT(lists_are_newest_first_and_filtered)
{
	static const struct org_id orgs[] = { { 11 }, { 0 } };

	fill(f);
	for (size_t i = 0; i < ARRAY_LEN(orgs); i++) {
		struct org_id org = orgs[i];

		T_STR(list(f, org, (struct audit_filter) { 0 }), "654321");
		T_STR(list(f, org, (struct audit_filter) { .actor = S("user") }), "321");
		T_STR(list(f, org, (struct audit_filter) { .actor_id = S("key_0000000000002") }),
		      "654");
		T_STR(list(f, org, (struct audit_filter) { .action = S("rule.update") }), "642");
		T_STR(list(f, org, (struct audit_filter) { .target = S("key") }), "6");
		T_STR(list(f, org,
			   (struct audit_filter) { .target_id = S("rul_0000000000004"),
						   .action = S("rule.create") }),
		      "5");
		T_STR(list(f, org, (struct audit_filter) { .from_us = AT + 1, .to_us = AT + 4 }),
		      "432");
		T_STR(list(f, org, (struct audit_filter) { .actor = S("user"), .to_us = AT + 1 }),
		      "1");
	}
	T_STR(list(f, ORG_B, (struct audit_filter) { 0 }), "");
}

CONTRACT(a_walk_goes_by_number_up_to_where_it_is_told)
{
	struct audit_filter filter = { .action = S("rule.create") };
	struct audit_list got;
	struct err err = { 0 };
	bool more;

	fill(f);
	T_OK(store_audit_walk(ORG_A, f->db, NULL, 1, 5, 3, &f->arena, &got, &more, &err));
	T_TRUE(got.n == 3 && got.rows[0].number == 2 && got.rows[2].number == 4 && more);
	T_OK(store_audit_walk(ORG_A, f->db, NULL, 4, 5, 3, &f->arena, &got, &more, &err));
	T_TRUE(got.n == 1 && got.rows[0].number == 5 && !more);
	T_OK(store_audit_walk(ORG_A, f->db, &filter, 0, 99, 9, &f->arena, &got, &more, &err));
	T_TRUE(got.n == 3 && got.rows[1].number == 3 && !more);
}

CONTRACT(all_chains_are_found)
{
	struct org_id *orgs;
	struct err err = { 0 };
	size_t n;

	fill(f);
	put(f, ORG_B, entry_of("rule.create", AT));
	T_OK(store_audit_chains(f->db, -1, 2, &f->arena, &orgs, &n, &err));
	T_TRUE(n == 2 && orgs[0].v == 0 && orgs[1].v == ORG_A.v);
	T_OK(store_audit_chains(f->db, (int64_t)ORG_A.v, 2, &f->arena, &orgs, &n, &err));
	T_TRUE(n == 1 && orgs[0].v == ORG_B.v);
}

#define WRITERS 4
#define WRITES 12

struct writing {
	struct fixture *f;
	bool failed;
	struct err err;
};

static bool write_some(struct db *db, struct arena *req, struct err *err)
{
	for (int i = 0; i < WRITES; i++) {
		struct audit_entry e = entry_of("rule.update", AT + i);

		if (!db_begin(db, err) ||
		    (i % 3 == 0 && !store_audit_append(NOBODY, db, &e, req, err))) {
			return false;
		}
		e.id.v = 0;
		if (!store_audit_append(ORG_A, db, &e, req, err) || !db_commit(db, err)) {
			return false;
		}
	}
	return true;
}

static void *writer(void *arg)
{
	struct writing *w = arg;
	struct db *db = NULL;
	struct arena req;

	arena_init(&req, 0);
	w->failed = !store_connect(w->f->store, STORE_API, &db, &w->err) ||
		    !write_some(db, &req, &w->err);
	db_close(&db);
	arena_release(&req);
	return NULL;
}

CONTRACT(writers_at_the_same_time_make_one_chain)
{
	struct writing w[WRITERS];
	pthread_t threads[WRITERS];

	for (size_t i = 0; i < WRITERS; i++) {
		w[i] = (struct writing) { .f = f };
		T_INT(pthread_create(&threads[i], NULL, writer, &w[i]), 0);
	}
	for (size_t i = 0; i < WRITERS; i++) {
		pthread_join(threads[i], NULL);
		if (w[i].failed) {
			fail_msg("%s", w[i].err.text);
		}
	}
	T_INT(check(f, ORG_A), WRITERS * WRITES);
	T_INT(check(f, NOBODY), WRITERS * WRITES / 3);
}

CONTRACT(a_batch_of_many_orgs_keeps_the_order_of_each)
{
	struct audit_entry rows[] = { entry_of("rule.create", AT), entry_of("plan.put", AT),
				      entry_of("rule.update", AT), entry_of("rule.delete", AT) };
	struct audit_list got;
	struct err err = { 0 };

	rows[0].org = rows[2].org = ORG_B;
	rows[3].org = ORG_A;
	T_OK(db_begin(f->db, &err));
	T_OK(store_audit_append_all(f->db, rows, ARRAY_LEN(rows), &f->arena, &err));
	T_OK(db_commit(f->db, &err));
	T_TRUE(check(f, NOBODY) == 1 && check(f, ORG_A) == 1 && check(f, ORG_B) == 2);
	T_OK(store_audit_list(ORG_B, f->db, &(struct audit_filter) { 0 }, PAGE_OF(10), &f->arena,
			      &got, &err));
	T_SLICE(got.rows[0].action, "rule.update");
}

static const struct query forge = {
	.name = "test_audit_forge",
	.args = "i",
	.cols = "",
	.sql = "update audit_entries set actor = 'system' where org_id = $1",
};
static const struct query erase = {
	.name = "test_audit_erase",
	.args = "i",
	.cols = "",
	.sql = "delete from audit_entries where org_id = $1",
};

/* As the API, and as who may more. */
CONTRACT(entries_are_neither_changed_nor_removed)
{
	static const enum store_role roles[] = { STORE_API, STORE_KEEPER };
	struct err err = { 0 };

	put(f, ORG_A, entry_of("rule.create", AT));
	for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
		struct db *db = NULL;

		T_OK(store_connect(f->store, roles[i], &db, &err));
		T_FAIL(db_exec(db, &forge, DB_ARGS(db_id(ORG_A.v)), NULL, &err), ERR_INTERNAL);
		T_FAIL(db_exec(db, &erase, DB_ARGS(db_id(ORG_A.v)), NULL, &err), ERR_INTERNAL);
		db_close(&db);
	}
	T_INT(check(f, ORG_A), 1);
}

/* What the API may not do, the keeper may. */
static struct db *keeper(struct fixture *f)
{
	struct db *db = NULL;
	struct err err = { 0 };

	T_OK(store_connect(f->store, STORE_KEEPER, &db, &err));
	return db;
}

/* The entry with this number. */
static struct audit_entry at(struct fixture *f, struct org_id org, uint64_t number)
{
	struct audit_list got;
	struct err err = { 0 };
	bool more;

	T_OK(store_audit_walk(org, f->db, NULL, number - 1, number, 1, &f->arena, &got, &more,
			      &err));
	T_INT(got.n, 1);
	return got.rows[0];
}

static struct audit_entry entry_between(const char *actor, const char *target)
{
	struct audit_entry e = entry_of("member.role", AT);

	e.actor = S("user");
	e.actor_id = slice_of(actor);
	e.actor_name = S("who@example.com");
	e.target = S("user");
	e.target_id = slice_of(target);
	e.target_name = S("whom@example.com");
	e.address = S("192.0.2.1");
	e.agent = S("curl");
	return e;
}

CONTRACT(who_is_forgotten_is_taken_out_and_the_chain_holds)
{
	static const struct org_id orgs[] = { { 11 }, { 0 } };
	struct audit_entry e;
	struct err err = { 0 };
	struct db *db = keeper(f);
	uint64_t n;

	for (size_t i = 0; i < ARRAY_LEN(orgs); i++) {
		put(f, orgs[i], entry_between("usr_0000000000001", "usr_0000000000002"));
		put(f, orgs[i], entry_between("usr_0000000000002", "usr_0000000000001"));
		put(f, orgs[i], entry_between("usr_0000000000001", "usr_0000000000001"));
		T_OK(store_audit_forget(orgs[i], db, S("usr_0000000000001"), 1, &n, &err));
		T_INT(n, 2);
		T_OK(store_audit_forget(orgs[i], db, S("usr_0000000000001"), 9, &n, &err));
		T_INT(n, 2);
		T_OK(store_audit_forget(orgs[i], db, S("usr_0000000000001"), 9, &n, &err));
		T_INT(n, 0);
		T_INT(check(f, orgs[i]), 3);
		e = at(f, orgs[i], 1);
		T_TRUE(e.actor_name.n + e.address.n + e.agent.n + e.actor_salt.n == 0);
		T_SLICE(e.target_name, "whom@example.com");
		T_SLICE(e.actor_id, "usr_0000000000001");
		e = at(f, orgs[i], 2);
		T_SLICE(e.actor_name, "who@example.com");
		T_TRUE(e.target_name.n + e.after.n + e.target_salt.n == 0);
	}
	db_close(&db);
}

CONTRACT(a_name_without_an_id_is_taken_out_by_name)
{
	struct audit_entry e = entry_of("login.failed", AT);
	struct err err = { 0 };
	struct db *db = keeper(f);
	uint64_t n;

	e.target_name = S("ana@example.com");
	put(f, NOBODY, e);
	e.target_name = S("ben@example.com");
	put(f, NOBODY, e);
	T_OK(store_audit_forget_name(db, S("login.failed"), S("ana@example.com"), 9, &n, &err));
	T_INT(n, 1);
	T_INT(at(f, NOBODY, 1).target_name.n, 0);
	T_SLICE(at(f, NOBODY, 2).target_name, "ben@example.com");
	T_INT(check(f, NOBODY), 2);
	db_close(&db);
}

static const struct query half = {
	.name = "test_audit_half",
	.args = "i",
	.cols = "",
	.sql = "update audit_entries set actor_name = '' where org_id = $1",
};
static const struct query back = {
	.name = "test_audit_back",
	.args = "i",
	.cols = "",
	.sql = "update audit_entries set actor_name = 'eve', actor_salt = 's' where org_id = $1",
};

CONTRACT(what_is_taken_out_goes_whole_and_stays_out)
{
	struct err err = { 0 };
	struct db *db = keeper(f);
	uint64_t n;

	put(f, ORG_A, entry_between("usr_0000000000001", "usr_0000000000002"));
	T_FAIL(db_exec(db, &half, DB_ARGS(db_id(ORG_A.v)), NULL, &err), ERR_INTERNAL);
	T_FAIL(db_exec(db, &back, DB_ARGS(db_id(ORG_A.v)), NULL, &err), ERR_INTERNAL);
	T_OK(store_audit_forget(ORG_A, db, S("usr_0000000000001"), 9, &n, &err));
	T_FAIL(db_exec(db, &back, DB_ARGS(db_id(ORG_A.v)), NULL, &err), ERR_INTERNAL);
	db_close(&db);
}

CONTRACT(a_purged_org_takes_its_chain_along)
{
	struct err err = { 0 };
	struct db *db = NULL;

	fill(f);
	put(f, ORG_B, entry_of("rule.create", AT));
	T_OK(store_connect(f->store, STORE_KEEPER, &db, &err));
	T_OK(db_begin(db, &err));
	T_OK(store_audit_purge(ORG_A, db, &err));
	T_OK(db_commit(db, &err));
	db_close(&db);
	T_INT(check(f, ORG_A), 0);
	T_INT(check(f, ORG_B), 1);
	T_INT(check(f, NOBODY), 6);
}

CONTRACTS(audit_contract, C(entries_follow_each_other_by_org),
	  C(an_entry_goes_with_the_transaction_it_is_in), C(all_of_an_entry_comes_back),
	  C(names_are_looked_up), C(lists_are_newest_first_and_filtered),
	  C(a_walk_goes_by_number_up_to_where_it_is_told), C(all_chains_are_found),
	  C(writers_at_the_same_time_make_one_chain),
	  C(a_batch_of_many_orgs_keeps_the_order_of_each),
	  C(entries_are_neither_changed_nor_removed),
	  C(who_is_forgotten_is_taken_out_and_the_chain_holds),
	  C(a_name_without_an_id_is_taken_out_by_name),
	  C(what_is_taken_out_goes_whole_and_stays_out), C(a_purged_org_takes_its_chain_along))
