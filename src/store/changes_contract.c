/* SPDX-License-Identifier: Apache-2.0 */
/* Change rows: dense numbers per org in the order of commits, read on from any place. */
#include <pthread.h>
#include <stdatomic.h>

#include "store/fixture_contract.h"

static struct change_list after(struct fixture *f, struct org_id org, struct project_id project,
				uint64_t number)
{
	struct change_list list;
	struct err err = { 0 };

	T_OK(store_changes_after(org, f->db, project, number, 100, &f->arena, &list, &err));
	return list;
}

CONTRACT(changes_are_numbered_per_org)
{
	struct change_row rows[] = {
		sample_change(ORG_B, PROJECT_B, "b1"), sample_change(ORG_A, PROJECT_A, "a1"),
		sample_change(ORG_B, PROJECT_B, "b2"), sample_change(ORG_A, PROJECT_A, "a2"),
		sample_change(ORG_A, PROJECT_A, "a3"),
	};
	struct change_list list;
	struct err err = { 0 };

	T_OK(db_begin(f->db, &err));
	T_OK(store_changes_insert(f->db, rows, ARRAY_LEN(rows), &err));
	T_OK(db_commit(f->db, &err));
	put_change(f, sample_change(ORG_A, PROJECT_A, "a4"));
	list = after(f, ORG_A, PROJECT_A, 0);
	T_INT(list.n, 4);
	for (size_t i = 0; i < list.n; i++) {
		T_INT(list.rows[i].number, i + 1);
	}
	T_SLICE(list.rows[0].body, "a1");
	T_SLICE(list.rows[2].body, "a3");
	T_SLICE(list.rows[3].body, "a4");
	T_SLICE(list.rows[0].kind, "alert");
	list = after(f, ORG_B, PROJECT_B, 1);
	T_INT(list.n, 1);
	T_SLICE(list.rows[0].body, "b2");
	T_INT(after(f, ORG_A, PROJECT_A, 4).n, 0);
}

CONTRACT(project_hears_itself_and_its_org)
{
	struct project_id none = { 0 }, other = { 111 };

	put_change(f, sample_change(ORG_A, PROJECT_A, "mine"));
	put_change(f, sample_change(ORG_A, none, "everybody"));
	put_change(f, sample_change(ORG_A, other, "other"));
	T_INT(after(f, ORG_A, PROJECT_A, 0).n, 2);
	T_INT(after(f, ORG_A, none, 0).n, 3);
	T_INT(after(f, ORG_A, other, 2).n, 1);
}

CONTRACT(rolled_back_changes_leave_no_gap)
{
	struct change_row row = sample_change(ORG_A, PROJECT_A, "never");
	struct err err = { 0 };

	put_change(f, sample_change(ORG_A, PROJECT_A, "one"));
	T_OK(db_begin(f->db, &err));
	T_OK(store_changes_insert(f->db, &row, 1, &err));
	T_INT(row.number, 2);
	db_rollback(f->db);
	put_change(f, sample_change(ORG_A, PROJECT_A, "two"));
	T_INT(after(f, ORG_A, PROJECT_A, 0).n, 2);
	T_INT(after(f, ORG_A, PROJECT_A, 1).rows[0].number, 2);
}

CONTRACT(old_changes_are_pruned_and_bounds_tell)
{
	struct change_bounds bounds;
	struct err err = { 0 };
	uint64_t n;

	T_OK(store_changes_bounds(ORG_A, f->db, &bounds, &err));
	T_TRUE(bounds.oldest == 0 && bounds.newest == 0);
	for (int64_t i = 0; i < 6; i++) {
		struct change_row row = sample_change(ORG_A, PROJECT_A, "x");

		row.created_us = AT + i;
		put_change(f, row);
	}
	put_change(f, sample_change(ORG_B, PROJECT_B, "y"));
	T_OK(store_changes_prune(f->db, AT + 4, 3, &n, &err));
	T_INT(n, 4);
	T_OK(store_changes_bounds(ORG_A, f->db, &bounds, &err));
	T_TRUE(bounds.oldest == 4 && bounds.newest == 6);
	T_OK(store_changes_prune(f->db, AT + 4, 3, &n, &err));
	T_INT(n, 1);
	T_OK(store_changes_prune(f->db, AT + 100, 100, &n, &err));
	T_INT(n, 2);
	T_OK(store_changes_bounds(ORG_A, f->db, &bounds, &err));
	T_TRUE(bounds.oldest == 7 && bounds.newest == 6);
	put_change(f, sample_change(ORG_A, PROJECT_A, "z"));
	T_INT(after(f, ORG_A, PROJECT_A, 0).rows[0].number, 7);
}

#define TELLERS 3
#define TOLD 25

struct teller {
	struct fixture *f;
	atomic_int *done; /* how many have told all */
	bool ok;
	struct err err;
};

static bool tell(struct db *db, struct err *err)
{
	/* In the wrong order on purpose: the insert sorts, so that nobody waits in a circle. */
	struct change_row rows[] = { sample_change(ORG_B, PROJECT_B, "b"),
				     sample_change(ORG_A, PROJECT_A, "a") };

	if (!db_begin(db, err)) {
		return false;
	}
	if (!store_changes_insert(db, rows, ARRAY_LEN(rows), err)) {
		db_rollback(db);
		return false;
	}
	return db_commit(db, err);
}

static void *tell_many(void *arg)
{
	struct teller *t = arg;
	struct db *db = NULL;

	t->ok = store_connect(t->f->store, STORE_ENGINE, &db, &t->err);
	for (int i = 0; t->ok && i < TOLD; i++) {
		t->ok = tell(db, &t->err);
	}
	db_close(&db);
	atomic_fetch_add(t->done, 1);
	return NULL;
}

/* Read what is new since seen, each number the next one. Returns the last number read. */
static uint64_t read_on(struct fixture *f, uint64_t seen)
{
	struct change_list list = after(f, ORG_A, PROJECT_A, seen);

	for (size_t i = 0; i < list.n; i++) {
		T_INT(list.rows[i].number, ++seen);
	}
	arena_clear(&f->arena);
	return seen;
}

/* Read like a live stream does while others write: a number seen is never followed by a lower. */
CONTRACT(reader_misses_nothing_while_many_write)
{
	struct teller tellers[TELLERS] = { 0 };
	pthread_t threads[TELLERS];
	atomic_int done = 0;
	uint64_t seen = 0;

	for (size_t i = 0; i < TELLERS; i++) {
		tellers[i] = (struct teller) { .f = f, .done = &done };
		T_INT(pthread_create(&threads[i], NULL, tell_many, &tellers[i]), 0);
	}
	while (atomic_load(&done) < TELLERS) {
		seen = read_on(f, seen);
	}
	for (size_t i = 0; i < TELLERS; i++) {
		struct err err;

		pthread_join(threads[i], NULL);
		err = tellers[i].err;
		T_OK(tellers[i].ok);
	}
	T_INT(read_on(f, seen), TELLERS * TOLD);
}

CONTRACTS(changes_contract, C(changes_are_numbered_per_org), C(project_hears_itself_and_its_org),
	  C(rolled_back_changes_leave_no_gap), C(old_changes_are_pruned_and_bounds_tell),
	  C(reader_misses_nothing_while_many_write))
