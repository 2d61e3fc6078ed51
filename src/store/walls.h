/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_WALLS_H
#define STORE_WALLS_H

#include "base/arena.h"
#include "store/db.h"

/*
 * The walls between organizations, inside of PostgreSQL: row level security, forced, on every table
 * with an org. A session says for whom it works in the setting tocsin.org: a number, or * for all;
 * whoever says nothing gets an error from each such table. Raised by store_migrate and store_load.
 * Internal to store/; see doc/adr/0017.
 */
#define WALLS_SCHEMA 7u /* programs of an older schema know nothing of walls */
#define WALLS_ALL 0	/* as an org: all of them */

/* A super-user passes every wall, so connections of the API give that up for this role. */
#define WALLS_ROLE "tocsin_walled"

/* The SQL that raises or lowers the walls around the tables of a schema, terminated. */
const char *walls_sql(unsigned schema, bool raise, struct arena *req);

/*
 * Which parameter of a statement that stays inside one org is the org: the one of the column org_id
 * in an insert, else the first. Pure.
 */
size_t walls_org_arg(const struct query *q);

#endif
