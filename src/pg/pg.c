/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocking libpq. A dead peer is noticed by TCP itself (user timeout, keep-alive), so no call
 * waits for ever; how long a live server may think is the user's setting.
 */
#include "pg/pg.h"

#include <stdlib.h>

#include "base/log.h"

struct pg {
	PGconn *conn;
	char *url;
	const char *application;
	const char *settings;
	bool synced; /* the pipeline has its end, so answers will come */
};

static const struct {
	const char *code; /* five characters, or the two of a class */
	enum err_kind kind;
} kinds[] = {
	{ "23505", ERR_CONFLICT },   /* unique_violation */
	{ "23503", ERR_CONFLICT },   /* foreign_key_violation */
	{ "40001", ERR_OVERLOADED }, /* serialization_failure */
	{ "40P01", ERR_OVERLOADED }, /* deadlock_detected */
	{ "55P03", ERR_OVERLOADED }, /* lock_not_available */
	{ "57014", ERR_OVERLOADED }, /* query_canceled, by a time limit */
	{ "53100", ERR_DISK_FULL },  /* disk_full */
	{ "53", ERR_OVERLOADED },    /* insufficient resources */
	{ "22021", ERR_INVALID },    /* character_not_in_repertoire */
	{ "08", ERR_IO },	     /* connection exception */
	{ "57P", ERR_IO },	     /* the server stops or crashed */
	{ "58", ERR_IO },	     /* system error */
	{ "XX001", ERR_CORRUPT },    /* data_corrupted */
	{ "XX002", ERR_CORRUPT },    /* index_corrupted */
	{ "25006", ERR_IO },	     /* read_only_sql_transaction: a standby */
};

enum err_kind pg_err_kind(const char *sqlstate)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (strncmp(sqlstate, kinds[i].code, strlen(kinds[i].code)) == 0) {
			return kinds[i].kind;
		}
	}
	return ERR_INTERNAL;
}

/* libpq ends its texts with a line feed, and adds lines of detail that may quote values. */
static bool fail(enum err_kind kind, const char *text, struct err *err)
{
	struct slice all = slice_of(text);
	struct slice line = { .p = all.p, .n = slice_find(all, '\n') };

	return err_set(err, kind, "%.*s", SARG(line));
}

static bool fail_conn(const struct pg *pg, struct err *err)
{
	return fail(ERR_IO, PQerrorMessage(pg->conn), err);
}

/* Clears res when it is a failure. */
static bool check(const struct pg *pg, PGresult *res, struct err *err)
{
	ExecStatusType status = PQresultStatus(res);
	const char *state, *text;

	if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK ||
	    status == PGRES_EMPTY_QUERY || status == PGRES_COPY_OUT || status == PGRES_COPY_IN) {
		return true;
	}
	state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
	if (state == NULL || PQstatus(pg->conn) != CONNECTION_OK) {
		(void)fail_conn(pg, err);
	} else {
		(void)fail(pg_err_kind(state), text != NULL ? text : "no reason given", err);
	}
	PQclear(res);
	return false;
}

static void on_notice(void *arg UNUSED, const char *text)
{
	log_debug("postgres_notice", log_str("text", text));
}

static bool set_up(struct pg *pg, struct err *err)
{
	const char *encoding;

	if (PQstatus(pg->conn) != CONNECTION_OK) {
		return fail_conn(pg, err);
	}
	(void)PQsetNoticeProcessor(pg->conn, on_notice, NULL);
	encoding = PQparameterStatus(pg->conn, "server_encoding");
	if (encoding == NULL || strcmp(encoding, "UTF8") != 0) {
		return err_set(err, ERR_INVALID, "the database must have the encoding UTF8");
	}
	return pg_script(pg, pg->settings, err);
}

static bool start(struct pg *pg, struct err *err)
{
	/* The URL comes last, so that it may say otherwise. */
	const char *const keys[] = { "connect_timeout",
				     "tcp_user_timeout",
				     "keepalives_idle",
				     "application_name",
				     "client_encoding",
				     "dbname",
				     NULL };
	const char *const values[] = {
		"10", "30000", "30", pg->application, "UTF8", pg->url, NULL
	};

	pg->conn = PQconnectdbParams(keys, values, 1);
	ensure(pg->conn != NULL);
	return set_up(pg, err) || err_wrap(err, "connect to PostgreSQL");
}

bool pg_open(const char *url, const char *application, const char *settings, struct pg **out,
	     struct err *err)
{
	struct pg *pg = mem_alloc(1, sizeof(*pg));

	pg->url = mem_alloc(strlen(url) + 1, 1);
	memcpy(pg->url, url, strlen(url));
	pg->application = application;
	pg->settings = settings;
	if (!start(pg, err)) {
		pg_close(&pg);
		return false;
	}
	*out = pg;
	return true;
}

void pg_close(struct pg **pg)
{
	if (*pg == NULL) {
		return;
	}
	PQfinish((*pg)->conn);
	free((*pg)->url);
	free(*pg);
	*pg = NULL;
}

bool pg_lost(const struct pg *pg)
{
	return PQstatus(pg->conn) != CONNECTION_OK;
}

bool pg_reopen(struct pg *pg, struct err *err)
{
	PQfinish(pg->conn);
	return start(pg, err);
}

bool pg_script(struct pg *pg, const char *sql, struct err *err)
{
	PGresult *res = PQexec(pg->conn, sql);

	if (!check(pg, res, err)) {
		return false;
	}
	PQclear(res);
	return true;
}

bool pg_prepare(struct pg *pg, const char *name, const char *sql, const Oid *types, int n,
		struct err *err)
{
	PGresult *res = PQprepare(pg->conn, name, sql, n, types);

	if (!check(pg, res, err)) {
		return false;
	}
	PQclear(res);
	return true;
}

bool pg_run(struct pg *pg, const char *name, const char *const *values, int n, PGresult **out,
	    struct err *err)
{
	PGresult *res = PQexecPrepared(pg->conn, name, n, values, NULL, NULL, 0);

	if (!check(pg, res, err)) {
		return false;
	}
	*out = res;
	return true;
}

bool pg_pipeline(struct pg *pg, struct err *err)
{
	pg->synced = false;
	return PQenterPipelineMode(pg->conn) == 1 || fail_conn(pg, err);
}

bool pg_send(struct pg *pg, const char *name, const char *const *values, int n, struct err *err)
{
	return PQsendQueryPrepared(pg->conn, name, n, values, NULL, NULL, 0) == 1 ||
	       fail_conn(pg, err);
}

bool pg_sync(struct pg *pg, struct err *err)
{
	pg->synced = PQpipelineSync(pg->conn) == 1;
	return pg->synced || fail_conn(pg, err);
}

bool pg_take(struct pg *pg, PGresult **out, struct err *err)
{
	PGresult *res = PQgetResult(pg->conn);
	PGresult *end;

	if (res == NULL) {
		return fail_conn(pg, err);
	}
	if (!check(pg, res, err)) {
		return false;
	}
	/* A NULL closes the answer of one statement. */
	end = PQgetResult(pg->conn);
	if (end != NULL) {
		PQclear(end);
		PQclear(res);
		return err_set(err, ERR_INTERNAL, "a statement gave two answers");
	}
	*out = res;
	return true;
}

/* Drop answers until the sync; false when the connection ends before. */
static bool read_to_sync(struct pg *pg)
{
	int empty = 0;

	if (!pg->synced && PQpipelineSync(pg->conn) != 1) {
		return false;
	}
	while (empty < 2 && !pg_lost(pg)) {
		PGresult *res = PQgetResult(pg->conn);
		bool sync = res != NULL && PQresultStatus(res) == PGRES_PIPELINE_SYNC;

		empty = res == NULL ? empty + 1 : 0;
		PQclear(res);
		if (sync) {
			return true;
		}
	}
	return false;
}

bool pg_settle(struct pg *pg, bool ok, struct err *err)
{
	if (!read_to_sync(pg) || PQexitPipelineMode(pg->conn) != 1) {
		if (ok) {
			(void)err_set(err, ERR_IO, "the pipeline did not end");
		}
		/* Its state is unknown: close it, so that it counts as lost and is opened again. */
		PQfinish(pg->conn);
		pg->conn = NULL;
		return false;
	}
	return ok;
}

bool pg_number(struct pg *pg, const char *sql, int64_t *out, struct err *err)
{
	PGresult *res = PQexec(pg->conn, sql);
	bool ok;

	if (!check(pg, res, err)) {
		return false;
	}
	ok = PQntuples(res) > 0 && slice_i64(slice_of(PQgetvalue(res, 0, 0)), out);
	PQclear(res);
	return ok || err_set(err, ERR_INTERNAL, "a statement gave no number");
}

/* The answers behind a copy, the first of which says how it went. */
static bool drain(struct pg *pg, struct err *err)
{
	PGresult *res;
	bool ok = true;

	while ((res = PQgetResult(pg->conn)) != NULL) {
		if (!ok) {
			PQclear(res);
		} else if (check(pg, res, err)) {
			PQclear(res);
		} else {
			ok = false;
		}
	}
	return ok;
}

bool pg_copy_out(struct pg *pg, const char *sql, pg_bytes_fn *fn, void *arg, struct err *err)
{
	bool ok = pg_script(pg, sql, err);
	struct err ignored;
	char *row;
	int n;

	if (!ok) {
		return false;
	}
	/* Rows are read to their end in any case: only then is the connection of use again. */
	while ((n = PQgetCopyData(pg->conn, &row, 0)) > 0) {
		ok = ok && fn(arg, (struct slice) { row, (size_t)n }, err);
		PQfreemem(row);
	}
	return drain(pg, ok ? err : &ignored) && ok;
}

bool pg_copy_begin(struct pg *pg, const char *sql, struct err *err)
{
	return pg_script(pg, sql, err);
}

bool pg_copy_put(struct pg *pg, struct slice bytes, struct err *err)
{
	return PQputCopyData(pg->conn, bytes.p, (int)bytes.n) == 1 || fail_conn(pg, err);
}

bool pg_copy_end(struct pg *pg, bool ok, struct err *err)
{
	struct err ignored;

	if (PQputCopyEnd(pg->conn, ok ? NULL : "given up") != 1 && ok) {
		return fail_conn(pg, err);
	}
	return drain(pg, ok ? err : &ignored) && ok;
}
