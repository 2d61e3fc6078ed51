/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chains of entries. The row of a chain's head is locked from the append to the commit, so that two
 * who write at once follow each other. Statements are there twice: the chain of the installation
 * belongs to no org, which they have to say.
 */
#include "store/audit.h"

#include <stdlib.h>

#include "base/hex.h"
#include "base/rand.h"
#include "store/columns.h"
#include "store/global.h"
#include "store/queries.h"
#include "store/row.h"

enum {
	RESERVE,
	INSERT,
	SEAL,
	HEAD,
	LIST,
	LIST_ACTOR,
	LIST_ACTION,
	LIST_TARGET,
	WALK,
	DROP_HEAD,
	DROP,
	FORGET_ACTOR,
	FORGET_TARGET,
	OF_CHAIN, /* so many have two forms */
	KEY_NAME = 2 * OF_CHAIN,
	USER_NAME,
	FORGET_NAME,
	CHAINS
};

#define FILTER_ARGS "iittttt"
#define SELECT "select " AUDIT_COLS " from audit_entries where org_id = $1 and "
#define TIMES "created_at >= $2 and created_at < $3"
/* The plus keeps the index by time out of it, where another one is better. */
#define TIMES_BESIDE "+created_at >= $2 and +created_at < $3"
#define IS_ANY(column, n) " and (" column " = $" n " or $" n " = '')"
#define IS(column, n) " and " column " = $" n
#define FILTER(of_actor, of_action, of_target) \
	IS_ANY("actor", "4") \
	of_actor("actor_id", "5") of_action("action", "6") IS_ANY("target", "7") \
		of_target("target_id", "8")
#define PAGE \
	" and (created_at, number) < ($9, $10)" \
	" order by created_at desc, number desc limit $11 offset $12"

#define INSTALLATION "the installation has a chain that belongs to no org"
#define BOTH(id, name_, args_, cols_, sql_) \
	[id] = { .name = (name_), .args = (args_), .cols = (cols_), .sql = sql_ }, \
	[OF_CHAIN + (id)] = { .name = name_ "_installation", \
			      .args = (args_), \
			      .cols = (cols_), \
			      .sql = sql_, \
			      .global = INSTALLATION }
#define LIST_BY(id, name_, times, of_actor, of_action, of_target) \
	BOTH(id, name_, "i" FILTER_ARGS "iiii", AUDIT_LETTERS, \
	     SELECT times FILTER(of_actor, of_action, of_target) PAGE)

static const struct query queries[] = {
	BOTH(RESERVE, "audit_reserve", "i", "it",
	     "insert into audit_heads (org_id, number, hash) values ($1, 1, '')"
	     " on conflict (org_id) do update set number = audit_heads.number + 1"
	     " returning number, hash"),
	BOTH(INSERT, "audit_insert", AUDIT_LETTERS, "",
	     "insert into audit_entries (" AUDIT_COLS ") values ($1, $2, $3, $4, $5, $6, $7, $8,"
	     " $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)"),
	BOTH(SEAL, "audit_seal", "iit", "",
	     "update audit_heads set hash = $3 where org_id = $1 and number = $2"),
	BOTH(HEAD, "audit_head", "i", "it",
	     "select number, hash from audit_heads where org_id = $1"),
	LIST_BY(LIST, "audit_list", TIMES, IS_ANY, IS_ANY, IS_ANY),
	LIST_BY(LIST_ACTOR, "audit_list_actor", TIMES_BESIDE, IS, IS_ANY, IS_ANY),
	LIST_BY(LIST_ACTION, "audit_list_action", TIMES_BESIDE, IS_ANY, IS, IS_ANY),
	LIST_BY(LIST_TARGET, "audit_list_target", TIMES_BESIDE, IS_ANY, IS_ANY, IS),
	BOTH(WALK, "audit_walk", "i" FILTER_ARGS "iii", AUDIT_LETTERS,
	     SELECT TIMES_BESIDE FILTER(IS_ANY, IS_ANY, IS_ANY)
	     " and number > $9 and number <= $10 order by number limit $11"),
	BOTH(DROP_HEAD, "audit_drop_head", "i", "",
	     "delete from audit_heads where org_id = $1"),
	BOTH(DROP, "audit_drop", "i", "", "delete from audit_entries where org_id = $1"),
	BOTH(FORGET_ACTOR, "audit_forget_actor", "iti", "",
	     "update audit_entries set actor_name = '', address = '', agent = '', actor_salt = ''"
	     " where org_id = $1 and number in (select number from audit_entries"
	     " where org_id = $1 and actor_id = $2 and actor_salt <> '' limit $3)"),
	BOTH(FORGET_TARGET, "audit_forget_target", "iti", "",
	     "update audit_entries set target_name = '', old_fields = '', new_fields = '',"
	     " target_salt = '' where org_id = $1 and number in (select number from audit_entries"
	     " where org_id = $1 and target_id = $2 and target_salt <> '' limit $3)"),
	[FORGET_NAME] = {
		.name = "audit_forget_name", .args = "tti", .cols = "",
		.sql = "update audit_entries set target_name = '', old_fields = '',"
		       " new_fields = '', target_salt = '', actor_name = '', address = '',"
		       " agent = '', actor_salt = ''"
		       " where org_id = 0 and number in (select number from audit_entries"
		       " where org_id = 0 and action = $1 and target_name = $2 limit $3)",
		.global = INSTALLATION,
	},
	[KEY_NAME] = {
		.name = "audit_key_name", .args = "ii", .cols = "t",
		.sql = "select name from api_keys where org_id = $1 and id = $2",
	},
	[USER_NAME] = {
		.name = "audit_user_name", .args = "i", .cols = "t",
		.sql = "select mail from users where id = $1",
		.global = "a user may be a member of many orgs",
	},
	[CHAINS] = {
		.name = "audit_chains", .args = "ii", .cols = "i",
		.sql = "select org_id from (select org_id from audit_heads union"
		       " select distinct org_id from audit_entries) t"
		       " where org_id > $1 and org_id not in"
		       " (select id from orgs where status = 'purging')"
		       " order by org_id limit $2",
		.global = "whoever checks the audit log checks all chains",
	},
};
const struct query_set audit_queries = { .queries = queries, .n = ARRAY_LEN(queries) };

static const struct row_field fields[] = {
	FIELD(struct audit_entry, org.v),	FIELD(struct audit_entry, number),
	FIELD(struct audit_entry, id.v),	FIELD(struct audit_entry, at_us),
	FIELD(struct audit_entry, actor),	FIELD(struct audit_entry, actor_id),
	FIELD(struct audit_entry, actor_name),	FIELD(struct audit_entry, action),
	FIELD(struct audit_entry, target),	FIELD(struct audit_entry, target_id),
	FIELD(struct audit_entry, target_name), FIELD(struct audit_entry, before),
	FIELD(struct audit_entry, after),	FIELD(struct audit_entry, address),
	FIELD(struct audit_entry, agent),	FIELD(struct audit_entry, request),
	FIELD(struct audit_entry, previous),	FIELD(struct audit_entry, hash),
	FIELD(struct audit_entry, actor_salt),	FIELD(struct audit_entry, actor_mark),
	FIELD(struct audit_entry, target_salt), FIELD(struct audit_entry, target_mark),
};
static const struct row_shape shape = SHAPE(struct audit_entry, fields);

static const struct query *of(struct org_id org, unsigned statement)
{
	return &queries[org.v == 0 ? OF_CHAIN + statement : statement];
}

/* The name of who is known by id; one that is gone has none. */
static bool read_name(struct db *db, const struct query *q, struct db_args args, struct arena *req,
		      struct slice *name, struct err *err)
{
	enum found found;

	if (!db_run(db, q, args, err)) {
		return false;
	}
	while ((found = db_next(db, err)) == FOUND) {
		*name = arena_dup(req, db_col_text(db, 0));
	}
	return found == NOT_FOUND;
}

static bool find_name(struct org_id org, struct db *db, struct audit_entry *e, struct arena *req,
		      struct err *err)
{
	uint64_t id;

	if (e->actor_name.n > 0) {
		return true;
	}
	if (org.v != 0 && id_parse(ID_KEY, e->actor_id, &id)) {
		return read_name(db, &queries[KEY_NAME], DB_ARGS(db_id(org.v), db_id(id)), req,
				 &e->actor_name, err);
	}
	return !id_parse(ID_USER, e->actor_id, &id) ||
	       read_name(db, &queries[USER_NAME], DB_ARGS(db_id(id)), req, &e->actor_name, err);
}

/* From here on nobody else adds to this chain. */
static bool reserve(struct org_id org, struct db *db, struct audit_entry *e, struct arena *req,
		    struct err *err)
{
	enum found found;

	if (!db_run(db, of(org, RESERVE), DB_ARGS(db_id(org.v)), err)) {
		return false;
	}
	while ((found = db_next(db, err)) == FOUND) {
		e->number = (uint64_t)db_col_int(db, 0);
		e->previous = arena_dup(req, db_col_text(db, 1));
	}
	return found == NOT_FOUND;
}

static struct slice salt(struct arena *req)
{
	unsigned char random[AUDIT_SALT_CHARS / 2];
	char hex[AUDIT_SALT_CHARS];

	rand_bytes(random, sizeof(random));
	hex_encode(random, sizeof(random), hex);
	return arena_dup(req, (struct slice) { hex, sizeof(hex) });
}

bool store_audit_append(struct org_id org, struct db *db, struct audit_entry *e, struct arena *req,
			struct err *err)
{
	struct audit_hash hash;

	ensure(db_in_transaction(db) && e->actor.n > 0 && e->action.n > 0);
	e->org = org;
	if (e->id.v == 0) {
		e->id.v = id_random();
	}
	if (!find_name(org, db, e, req, err) || !reserve(org, db, e, req, err)) {
		return false;
	}
	audit_mark(e, salt(req), salt(req), req);
	hash = audit_hash(e);
	e->hash = arena_dup(req, (struct slice) { hash.p, sizeof(hash.p) });
	return row_insert(db, of(org, INSERT), &shape, e, NULL, err) &&
	       db_exec(db, of(org, SEAL), DB_ARGS(db_id(org.v), db_id(e->number), db_text(e->hash)),
		       NULL, err);
}

/* By org; among the entries of one org by their first place, which number holds meanwhile. */
static int by_org(const void *left, const void *right)
{
	const struct audit_entry *a = left, *b = right;

	if (a->org.v != b->org.v) {
		return a->org.v < b->org.v ? -1 : 1;
	}
	return a->number < b->number ? -1 : a->number > b->number;
}

bool store_audit_append_all(struct db *db, struct audit_entry *rows, size_t n, struct arena *req,
			    struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		rows[i].number = i;
	}
	if (n > 1) {
		qsort(rows, n, sizeof(*rows), by_org);
	}
	for (size_t i = 0; i < n; i++) {
		if (!store_audit_append(rows[i].org, db, &rows[i], req, err)) {
			return false;
		}
	}
	return true;
}

/* By what is most likely the rarest. */
static unsigned list_by(const struct audit_filter *f)
{
	if (f->target_id.n > 0) {
		return LIST_TARGET;
	}
	if (f->actor_id.n > 0) {
		return LIST_ACTOR;
	}
	return f->action.n > 0 ? LIST_ACTION : LIST;
}

#define FILTER_VALUES(f) \
	db_int((f)->from_us), db_int((f)->to_us == 0 ? INT64_MAX : (f)->to_us), \
		db_text((f)->actor), db_text((f)->actor_id), db_text((f)->action), \
		db_text((f)->target), db_text((f)->target_id)

bool store_audit_list(struct org_id org, struct db *db, const struct audit_filter *filter,
		      const struct page *page, struct arena *req, struct audit_list *out,
		      struct err *err)
{
	void *rows;
	bool more;

	if (!row_page(db, of(org, list_by(filter)),
		      DB_ARGS(db_id(org.v), FILTER_VALUES(filter), page_before_at(page),
			      page_before_id(page), page_limit(page), page_offset(page)),
		      &shape, page, req, &rows, &out->n, &more, err)) {
		return false;
	}
	out->rows = rows;
	out->next = (struct page_at) { 0 };
	if (more) {
		const struct audit_entry *last = &out->rows[out->n - 1];

		out->next = (struct page_at) { .at_us = last->at_us, .id = last->number };
	}
	return true;
}

bool store_audit_walk(struct org_id org, struct db *db, const struct audit_filter *filter,
		      uint64_t after, uint64_t to, size_t limit, struct arena *req,
		      struct audit_list *out, bool *more, struct err *err)
{
	static const struct audit_filter open = { .from_us = INT64_MIN };
	const struct audit_filter *f = filter == NULL ? &open : filter;
	struct page page = { .limit = limit };
	void *rows;

	*out = (struct audit_list) { 0 };
	if (!row_page(db, of(org, WALK),
		      DB_ARGS(db_id(org.v), FILTER_VALUES(f), db_id(after), db_id(to),
			      page_limit(&page)),
		      &shape, &page, req, &rows, &out->n, more, err)) {
		return false;
	}
	out->rows = rows;
	return true;
}

bool store_audit_head(struct org_id org, struct db *db, struct arena *req, struct audit_head *out,
		      struct err *err)
{
	enum found found;

	*out = (struct audit_head) { 0 };
	if (!db_run(db, of(org, HEAD), DB_ARGS(db_id(org.v)), err)) {
		return false;
	}
	while ((found = db_next(db, err)) == FOUND) {
		out->number = (uint64_t)db_col_int(db, 0);
		out->hash = arena_dup(req, db_col_text(db, 1));
	}
	return found == NOT_FOUND;
}

bool store_audit_purge(struct org_id org, struct db *db, struct err *err)
{
	ensure(db_in_transaction(db) && org.v != 0);
	return db_exec(db, of(org, DROP_HEAD), DB_ARGS(db_id(org.v)), NULL, err) &&
	       db_exec(db, of(org, DROP), DB_ARGS(db_id(org.v)), NULL, err);
}

bool store_audit_forget(struct org_id org, struct db *db, struct slice id, size_t limit,
			uint64_t *forgotten, struct err *err)
{
	struct db_args args = DB_ARGS(db_id(org.v), db_text(id), db_id(limit));
	uint64_t by, about;

	ensure(id.n > 0);
	if (!db_exec(db, of(org, FORGET_ACTOR), args, &by, err) ||
	    !db_exec(db, of(org, FORGET_TARGET), args, &about, err)) {
		return false;
	}
	*forgotten = by + about;
	return true;
}

bool store_audit_forget_name(struct db *db, struct slice action, struct slice name, size_t limit,
			     uint64_t *forgotten, struct err *err)
{
	ensure(name.n > 0);
	return db_exec(db, &queries[FORGET_NAME],
		       DB_ARGS(db_text(action), db_text(name), db_id(limit)), forgotten, err);
}

bool store_audit_chains(struct db *db, int64_t after, size_t limit, struct arena *req,
			struct org_id **orgs, size_t *n, struct err *err)
{
	enum found found;

	ensure(limit >= 1 && limit <= PAGE_ROWS_MAX);
	*orgs = arena_array(req, limit, sizeof(**orgs));
	*n = 0;
	if (!db_run(db, &queries[CHAINS], DB_ARGS(db_int(after), db_int((int64_t)limit)), err)) {
		return false;
	}
	while ((found = db_next(db, err)) == FOUND) {
		(*orgs)[(*n)++].v = (uint64_t)db_col_int(db, 0);
	}
	return found == NOT_FOUND;
}
