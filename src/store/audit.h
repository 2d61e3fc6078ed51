/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_AUDIT_H
#define STORE_AUDIT_H

#include "model/audit.h"
#include "store/db.h"
#include "store/page.h"

/*
 * The audit log as it is stored: a chain per org, and one of the installation, whose org is 0. An
 * entry is written in the transaction of the change it tells of, and stays as it is: triggers
 * refuse every change, but that what tells of a person is taken out. model/audit.h says what an
 * entry is.
 */
struct audit_list {
	struct audit_entry *rows;
	size_t n;
	struct page_at next;
};

/* Empty texts and 0 are open. */
struct audit_filter {
	struct slice actor; /* a word of audit_actor_words */
	struct slice actor_id;
	struct slice action;
	struct slice target; /* a kind */
	struct slice target_id;
	int64_t from_us; /* at this time or later */
	int64_t to_us;	 /* before this time */
};

/*
 * Add an entry to the org's chain: number, previous and hash are given here, and id where it is 0.
 * Of a user or key without a name the name is looked up. In a transaction, and best as its last
 * act: other writers of this chain wait from here to the commit. Who writes to several chains does
 * so in the order of orgs. Texts that are set here live in req.
 */
NODISCARD bool store_audit_append(struct org_id org, struct db *db, struct audit_entry *e,
				  struct arena *req, struct err *err);
/*
 * Add entries of any chains, each with its org. Puts them in the order of orgs (stable). Likewise,
 * for the engine alone, whose batches serve many orgs.
 */
NODISCARD bool store_audit_append_all(struct db *db, struct audit_entry *rows, size_t n,
				      struct arena *req, struct err *err);
/* Newest first; next has time and number. */
NODISCARD bool store_audit_list(struct org_id org, struct db *db, const struct audit_filter *filter,
				const struct page *page, struct arena *req, struct audit_list *out,
				struct err *err);
/*
 * In the order of the chain: up to limit (PAGE_ROWS_MAX) entries with a number above after and not
 * above to, fewer when they are large; *more says whether others follow. filter may be NULL.
 */
NODISCARD bool store_audit_walk(struct org_id org, struct db *db, const struct audit_filter *filter,
				uint64_t after, uint64_t to, size_t limit, struct arena *req,
				struct audit_list *out, bool *more, struct err *err);
/* Where the chain ends; zeroed when there is none. */
NODISCARD bool store_audit_head(struct org_id org, struct db *db, struct arena *req,
				struct audit_head *out, struct err *err);
/*
 * The whole chain of an org that is purged. In a transaction; not for connections of the API, which
 * may not delete entries on PostgreSQL.
 */
NODISCARD bool store_audit_purge(struct org_id org, struct db *db, struct err *err);

/*
 * Who has this public id, be it a user or an invite, is forgotten: name, address and client of what
 * he did, and the name, before and after of what was done to him, are taken out, of up to limit
 * entries each. *forgotten counts them; 0: there is none left. Not for connections of the API.
 */
NODISCARD bool store_audit_forget(struct org_id org, struct db *db, struct slice id, size_t limit,
				  uint64_t *forgotten, struct err *err);
/*
 * The same by name, of entries of the installation's chain with this action: of whom it names
 * without an id. Walks all with the action.
 */
NODISCARD bool store_audit_forget_name(struct db *db, struct slice action, struct slice name,
				       size_t limit, uint64_t *forgotten, struct err *err);

/*
 * Whoever checks the audit log checks all chains: in order, up to limit (PAGE_ROWS_MAX) orgs above
 * after that have one; -1: from the first, which is 0, the installation. Not those that are being
 * purged: they are on their way out, head first.
 */
NODISCARD bool store_audit_chains(struct db *db, int64_t after, size_t limit, struct arena *req,
				  struct org_id **orgs, size_t *n, struct err *err);

#endif
