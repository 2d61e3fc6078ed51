/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_QUERIES_H
#define STORE_QUERIES_H

#include "store/db.h"

/*
 * Every statement of the program, by the file that owns it. queries_test.c walks them: each must
 * prepare on the migrated schema, and each must stay inside one organization or say why not.
 * Internal to store/.
 */
extern const struct query_set audit_queries;
extern const struct query_set billing_queries;
extern const struct query_set meta_queries;
extern const struct query_set migrate_queries;
extern const struct query_set org_queries;
extern const struct query_set org_purge_queries;
extern const struct query_set key_queries;
extern const struct query_set user_queries;
extern const struct query_set session_queries;
extern const struct query_set token_queries;
extern const struct query_set sign_key_queries;
extern const struct query_set leaving_queries;
extern const struct query_set member_queries;
extern const struct query_set invite_queries;
extern const struct query_set directory_queries;
extern const struct query_set rule_queries;
extern const struct query_set alert_queries;
extern const struct query_set delivery_queries;
extern const struct query_set change_queries;
extern const struct query_set courier_queries;
extern const struct query_set outcome_queries;
extern const struct query_set plan_queries;
extern const struct query_set guess_queries;
extern const struct query_set reply_queries;
extern const struct query_set retention_queries;
extern const struct query_set rollup_queries;
extern const struct query_set global_queries;
extern const struct query_set save_queries;
extern const struct query_set usage_queries;
extern const struct query_set saying_queries;

#define QUERY_SETS \
	{ \
		&meta_queries, &migrate_queries, &audit_queries, &org_queries, &org_purge_queries, \
			&key_queries, &rule_queries, &alert_queries, &delivery_queries, \
			&change_queries, &courier_queries, &outcome_queries, &plan_queries, \
			&retention_queries, &rollup_queries, &global_queries, &guess_queries, \
			&save_queries, &usage_queries, &user_queries, &session_queries, \
			&token_queries, &sign_key_queries, &leaving_queries, &member_queries, \
			&invite_queries, &directory_queries, &reply_queries, &billing_queries, \
			&saying_queries \
	}

#endif
