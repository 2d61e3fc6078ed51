/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PG_PG_H
#define PG_PG_H

#include <libpq-fe.h>

#include "base/err.h"
#include "base/slice.h"

/*
 * PostgreSQL through libpq, for whoever may block: the state store, later the journal. It adds to
 * libpq what every user needs: time limits on the connection, UTF-8 on both sides, and one mapping
 * of failures to error kinds. One thread at a time per connection; every call may block.
 */
struct pg;

/* SQL types of parameters, fixed by the server (pg_type.dat). */
#define PG_INT8 20u
#define PG_TEXT 25u

/*
 * url is a libpq connection URI. settings is SQL run on each new connection ("set ..."). Password
 * and URL are in no error text. ERR_IO when the server cannot be reached or does not let us in.
 */
NODISCARD bool pg_open(const char *url, const char *application, const char *settings,
		       struct pg **out, struct err *err);
/* Takes NULL. */
void pg_close(struct pg **pg);

/* Whether the connection is broken; everything prepared on it is gone with it. */
bool pg_lost(const struct pg *pg);
/* Connect again. */
NODISCARD bool pg_reopen(struct pg *pg, struct err *err);

/* Statements without parameters, whose rows do not matter. */
NODISCARD bool pg_script(struct pg *pg, const char *sql, struct err *err);
/* types: one OID per parameter. */
NODISCARD bool pg_prepare(struct pg *pg, const char *name, const char *sql, const Oid *types, int n,
			  struct err *err);
/* Values as terminated texts, NULL for null. *out is freed by the caller with PQclear. */
NODISCARD bool pg_run(struct pg *pg, const char *name, const char *const *values, int n,
		      PGresult **out, struct err *err);

/*
 * Many prepared statements for one round trip: pg_pipeline, pg_send for each, pg_sync, pg_take for
 * each in order until one fails, then pg_settle, whatever happened. At most some hundred at a time
 * and with short answers, since we do not read while we send. A failure skips those behind it.
 */
NODISCARD bool pg_pipeline(struct pg *pg, struct err *err);
NODISCARD bool pg_send(struct pg *pg, const char *name, const char *const *values, int n,
		       struct err *err);
NODISCARD bool pg_sync(struct pg *pg, struct err *err);
/* *out is freed by the caller with PQclear. */
NODISCARD bool pg_take(struct pg *pg, PGresult **out, struct err *err);
/*
 * Read up to the sync and leave the pipeline. ok says how it went so far: when false, err is kept
 * and false returned. A pipeline that cannot be left costs the connection.
 */
NODISCARD bool pg_settle(struct pg *pg, bool ok, struct err *err);

/* One integer: the first column of the first row of a statement without parameters. */
NODISCARD bool pg_number(struct pg *pg, const char *sql, int64_t *out, struct err *err);

/* Bytes of a COPY as they come or are wanted; false fills err and ends it. */
typedef bool pg_bytes_fn(void *arg, struct slice bytes, struct err *err);
/* sql is a COPY ... TO STDOUT; fn gets whole rows. */
NODISCARD bool pg_copy_out(struct pg *pg, const char *sql, pg_bytes_fn *fn, void *arg,
			   struct err *err);
/*
 * sql is a COPY ... FROM STDIN: begin, put bytes, end. After pg_copy_begin pg_copy_end has to
 * follow: with ok it completes the rows, without it takes all of them back, keeps err, and returns
 * false.
 */
NODISCARD bool pg_copy_begin(struct pg *pg, const char *sql, struct err *err);
NODISCARD bool pg_copy_put(struct pg *pg, struct slice bytes, struct err *err);
NODISCARD bool pg_copy_end(struct pg *pg, bool ok, struct err *err);

/* What an SQLSTATE (PostgreSQL manual, appendix A) means here. */
enum err_kind pg_err_kind(const char *sqlstate);

#endif
