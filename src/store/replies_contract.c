/* SPDX-License-Identifier: Apache-2.0 */
/* A reply is there exactly when its change is, once, for its org alone, until it expires. */
#include "store/fixture_contract.h"

#define KEY S("aa00000000000000000000000000000000000000000000000000000000000000")
#define OTHER_KEY S("bb00000000000000000000000000000000000000000000000000000000000000")
#define UNTIL (AT + REPLY_KEPT_US)

static struct reply_row sample(struct org_id org, struct slice key, int64_t at_us)
{
	return (struct reply_row) {
		.org = org,
		.key = key,
		.request = S("cc"),
		.status = 201,
		.whole = true,
		.etag = S("\"1\""),
		.location = S("/api/v1/rules/rul_1"),
		.object = S("rul_1"),
		.body = S("{\"id\":\"rul_1\"}"),
		.created_us = at_us,
		.expires_us = at_us + REPLY_KEPT_US,
	};
}

static enum err_kind insert(struct db *db, struct reply_row row)
{
	struct err err = { 0 };

	if (db_begin(db, &err) && store_reply_insert(row.org, db, &row, &err) &&
	    db_commit(db, &err)) {
		return ERR_NONE;
	}
	db_rollback(db);
	return err.kind;
}

static enum found get(struct fixture *f, struct org_id org, int64_t now_us, struct reply_row *out)
{
	struct err err = { 0 };

	return store_reply_get(org, f->db, KEY, now_us, &f->arena, out, &err);
}

static uint64_t count(struct fixture *f, struct org_id org, int64_t now_us)
{
	struct err err = { 0 };
	uint64_t n = 0;

	T_OK(store_reply_count(org, f->db, now_us, &n, &err));
	return n;
}

CONTRACT(a_reply_comes_back_as_it_was_kept)
{
	struct reply_row row;

	T_INT(get(f, ORG_A, AT, &row), NOT_FOUND);
	T_INT(insert(f->db, sample(ORG_A, KEY, AT)), ERR_NONE);
	T_INT(get(f, ORG_A, AT, &row), FOUND);
	T_TRUE(row.org.v == ORG_A.v && row.status == 201 && row.whole);
	T_SLICE(row.request, "cc");
	T_SLICE(row.etag, "\"1\"");
	T_SLICE(row.location, "/api/v1/rules/rul_1");
	T_SLICE(row.object, "rul_1");
	T_SLICE(row.body, "{\"id\":\"rul_1\"}");
	T_INT(row.created_us, AT);
	T_INT(row.expires_us, UNTIL);
}

CONTRACT(a_key_is_used_once_in_an_org)
{
	struct reply_row second = sample(ORG_A, KEY, AT + 1), row;

	second.object = S("rul_2");
	T_INT(insert(f->db, sample(ORG_A, KEY, AT)), ERR_NONE);
	T_INT(insert(f->db, second), ERR_CONFLICT);
	T_INT(insert(f->db, sample(ORG_A, OTHER_KEY, AT)), ERR_NONE);
	T_INT(insert(f->db, sample(ORG_B, KEY, AT)), ERR_NONE);
	T_INT(get(f, ORG_A, AT, &row), FOUND);
	T_SLICE(row.object, "rul_1");
}

/* What the transaction changed goes with the key that it did not get. */
CONTRACT(who_comes_second_changes_nothing)
{
	struct key_row key = sample_key(ORG_A, PROJECT_A, 7);
	struct reply_row reply = sample(ORG_A, KEY, AT);
	struct err err = { 0 };

	T_INT(insert(f->db, reply), ERR_NONE);
	T_OK(db_begin(f->db, &err));
	T_OK(store_key_insert(ORG_A, f->db, &key, &err));
	T_TRUE(!store_reply_insert(ORG_A, f->db, &reply, &err));
	T_INT(err.kind, ERR_CONFLICT);
	db_rollback(f->db);
	T_INT(store_key_get(ORG_A, f->db, PROJECT_A, key.id, &f->arena, &key, &err), NOT_FOUND);
}

CONTRACT(a_change_that_is_not_committed_leaves_no_reply)
{
	struct reply_row row = sample(ORG_A, KEY, AT);
	struct err err = { 0 };

	T_OK(db_begin(f->db, &err));
	T_OK(store_reply_insert(ORG_A, f->db, &row, &err));
	db_rollback(f->db);
	T_INT(get(f, ORG_A, AT, &row), NOT_FOUND);
	T_INT(insert(f->db, sample(ORG_A, KEY, AT)), ERR_NONE);
}

CONTRACT(what_has_expired_is_as_good_as_none)
{
	struct reply_row row;

	T_INT(insert(f->db, sample(ORG_A, KEY, AT)), ERR_NONE);
	T_INT(get(f, ORG_A, UNTIL - 1, &row), FOUND);
	T_INT(get(f, ORG_A, UNTIL, &row), NOT_FOUND);
	T_INT(insert(f->db, sample(ORG_A, KEY, UNTIL - 1)), ERR_CONFLICT);
	T_INT(insert(f->db, sample(ORG_A, KEY, UNTIL)), ERR_NONE);
	T_INT(get(f, ORG_A, UNTIL, &row), FOUND);
	T_INT(row.created_us, UNTIL);
}

/* The engine's batch must not fail for a key: what it decided is decided. */
CONTRACT(a_batch_passes_over_keys_in_use)
{
	struct reply_row rows[] = { sample(ORG_B, KEY, AT), sample(ORG_A, KEY, AT),
				    sample(ORG_A, OTHER_KEY, AT) };
	struct reply_row row;
	struct err err = { 0 };

	rows[1].object = S("rul_2");
	T_INT(insert(f->db, sample(ORG_A, KEY, AT)), ERR_NONE);
	T_OK(db_begin(f->db, &err));
	T_OK(store_replies_add(f->db, rows, ARRAY_LEN(rows), &err));
	T_OK(db_commit(f->db, &err));
	T_INT(get(f, ORG_A, AT, &row), FOUND);
	T_SLICE(row.object, "rul_1");
	T_INT(count(f, ORG_A, AT), 2);
	T_INT(count(f, ORG_B, AT), 1);
}

CONTRACT(replies_are_counted_until_they_expire)
{
	struct reply_row rows[50];
	struct err err = { 0 };
	uint64_t left = REPLIES_PER_ORG_MAX + ARRAY_LEN(rows);
	uint64_t number = 0;

	T_OK(db_begin(f->db, &err));
	for (; left > 0; left -= ARRAY_LEN(rows)) {
		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			struct slice key = arena_printf(&f->arena, "%064llx",
							(unsigned long long)number++);

			rows[i] = sample(ORG_A, key, AT);
		}
		T_OK(store_replies_add(f->db, rows, ARRAY_LEN(rows), &err));
	}
	T_OK(db_commit(f->db, &err));
	T_INT(count(f, ORG_A, AT), REPLIES_PER_ORG_MAX);
	T_INT(count(f, ORG_A, UNTIL), 0);
	T_INT(count(f, ORG_B, AT), 0);
}

CONTRACT(the_expired_are_swept_in_slices)
{
	struct err err = { 0 };

	T_INT(insert(f->db, sample(ORG_A, KEY, AT)), ERR_NONE);
	T_INT(insert(f->db, sample(ORG_A, OTHER_KEY, AT + 1)), ERR_NONE);
	T_INT(insert(f->db, sample(ORG_B, KEY, AT + 2)), ERR_NONE);
	T_OK(store_replies_sweep(f->db, UNTIL + 1, 1, 1, &err));
	T_INT(count(f, ORG_A, AT), 1);
	T_OK(store_replies_sweep(f->db, UNTIL + 1, 1, 9, &err));
	T_INT(count(f, ORG_A, AT), 0);
	T_INT(count(f, ORG_B, AT), 1);
}

/* Two requests at once, of two servers on one database: one of them does it. */
CONTRACT(of_two_at_once_one_commits)
{
	struct reply_row row = sample(ORG_A, KEY, AT);
	struct db *other = fixture_connect(f);
	struct err err = { 0 };

	T_OK(db_begin(f->db, &err));
	T_OK(store_reply_insert(ORG_A, f->db, &row, &err));
	T_OK(db_commit(f->db, &err));
	T_INT(insert(other, row), ERR_CONFLICT);
	db_close(&other);
}

CONTRACT(a_person_has_replies_of_no_org)
{
	const struct org_id none = { 0 };
	struct reply_row row;

	T_INT(insert(f->db, sample(none, KEY, AT)), ERR_NONE);
	T_INT(insert(f->db, sample(none, KEY, AT)), ERR_CONFLICT);
	T_INT(get(f, none, AT, &row), FOUND);
	T_INT(get(f, ORG_A, AT, &row), NOT_FOUND);
}

CONTRACTS(replies_contract, C(a_reply_comes_back_as_it_was_kept), C(a_key_is_used_once_in_an_org),
	  C(who_comes_second_changes_nothing), C(a_change_that_is_not_committed_leaves_no_reply),
	  C(what_has_expired_is_as_good_as_none), C(a_batch_passes_over_keys_in_use),
	  C(replies_are_counted_until_they_expire), C(the_expired_are_swept_in_slices),
	  C(of_two_at_once_one_commits), C(a_person_has_replies_of_no_org))
