/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_SAYINGS_H
#define STORE_SAYINGS_H

#include "model/id.h"
#include "store/db.h"

/*
 * What the server itself has to tell an org: a row in the transaction of whoever noticed it, then
 * an event of the org's default project (engine/watchman.h), then, in the commit that applies the
 * event, a row that is said. So nothing is lost and nothing is told twice, whatever ends the
 * process in between: the name of a row is what it tells, and there is one row of a name.
 */
#define SAYING_NAME_BYTES_MAX 200
#define SAYING_MESSAGE_BYTES_MAX 500
#define SAYING_PAYLOAD_BYTES_MAX ((size_t)8 << 10)

struct saying_row {
	struct org_id org;
	struct slice name; /* "usage:2026-11:10000:80"; also the event's fingerprint */
	struct slice type; /* of the event, one of model/builtin.h */
	struct slice message;
	struct slice payload; /* a JSON object without white space */
	int64_t created_us;
	uint64_t said_seq;	   /* the event; 0: not said yet */
	struct project_id project; /* the org's default one: filled by store_sayings_unsaid alone */
};

/*
 * FOUND: it is new, and will be said. NOT_FOUND: it was told before, or will be. In the transaction
 * that is open, or one of its own.
 */
NODISCARD enum found store_saying_add(struct org_id org, struct db *db,
				      const struct saying_row *row, struct err *err);
/* The same, but only when there is a row of the other name: what ends something that was told. */
NODISCARD enum found store_saying_follow(struct org_id org, struct db *db, struct slice other,
					 const struct saying_row *row, struct err *err);

/*
 * One watchman speaks to all orgs. What is not said yet, oldest first, with the project it goes to;
 * to those that are to be deleted nothing is said.
 */
struct saying_list {
	struct saying_row *rows;
	size_t n;
};
NODISCARD bool store_sayings_unsaid(struct db *db, size_t limit, struct arena *tick,
				    struct saying_list *out, struct err *err);
/*
 * One engine batch serves many orgs: of rows with org, name and said_seq, those that are there are
 * said. In a transaction.
 */
NODISCARD bool store_sayings_said(struct db *db, const struct saying_row *rows, size_t n,
				  struct err *err);
/* The keeper prunes for all orgs: what was told before before_us; as row_prune. */
NODISCARD bool store_sayings_prune(struct db *db, int64_t before_us, size_t times, struct err *err);

/* A built-in rule that an org has changed: its newest version. */
struct builtin_row {
	struct org_id org;
	struct slice name; /* a word of model/builtin.h */
	uint64_t version;
	struct slice definition; /* canonical JSON of the whole rule */
	int64_t updated_us;
	uint64_t seq; /* the control record that brought this version */
};
struct builtin_list {
	struct builtin_row *rows;
	size_t n;
};
/* The engine's, in the transaction of its batch: insert, or replace the version that is there. */
NODISCARD bool store_builtin_put(struct org_id org, struct db *db, const struct builtin_row *row,
				 struct err *err);
NODISCARD bool store_builtin_list(struct org_id org, struct db *db, struct arena *req,
				  struct builtin_list *out, struct err *err);

#endif
