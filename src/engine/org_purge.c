/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is next for an org is read from three places each time: the status of its row (has it
 * begun), the retention of its project 0 (has the engine applied the record; are its bytes gone),
 * and its rows (are any left). Only the waits are in memory. Its row goes when nobody has written
 * anything for it for a while: a request that began before may still be at it.
 */
#include "engine/org_purge.h"

#include <stdlib.h>

#include "base/clock.h"
#include "engine/control.h"
#include "store/audit.h"
#include "store/billing.h"
#include "store/global.h"
#include "store/org_purge.h"

#define ORGS_MAX 100		     /* at a time; others wait for their turn */
#define ASK_AGAIN_US (30 * US_PER_S) /* for the record, should nothing come of it */
#define QUIET_US (2 * US_PER_S)	     /* twice what a call may go on for that is broken off */
#define COMPACT_META "compact_due"

/* An org that is being purged, as far as this process is concerned. */
struct going {
	struct org_id org;
	bool seen;	  /* in this look */
	int64_t asked_us; /* monotonic: when the loop was asked last; 0: not yet */
	int64_t quiet_us; /* monotonic: since when it has no rows; 0: it has */
};

struct org_purge {
	struct org_purge_options o;
	struct db *db;
	struct arena tick;
	struct going going[ORGS_MAX];
	size_t going_n;
	/* What the loop is asked for, one org at a time. */
	struct org_id asked;
	bool append;			 /* the record, too */
	int posted;			 /* atomic */
	bool compact_known, compact_due; /* read from the store; the state is to be written anew */
	bool compacted;			 /* it is, and its log waits to be cut off */
};

bool org_purge_open(struct org_purge **pp, const struct org_purge_options *options, struct err *err)
{
	struct org_purge *p = mem_alloc(1, sizeof(*p));

	p->o = *options;
	arena_init(&p->tick, 0);
	if (!store_connect(options->store, STORE_KEEPER, &p->db, err)) {
		org_purge_close(&p);
		return false;
	}
	*pp = p;
	return true;
}

void org_purge_close(struct org_purge **pp)
{
	struct org_purge *p = *pp;

	*pp = NULL;
	if (p == NULL) {
		return;
	}
	db_close(&p->db);
	arena_release(&p->tick);
	free(p);
}

/* On its way into the log: the journal may end it after we are closed. */
struct notice {
	struct journal_batch batch;
	struct journal_result result;
	struct record record;
};

static void stored(struct journal_batch *batch, const struct err *failure)
{
	if (failure != NULL) {
		log_error("org_purge_not_stored", log_str("error", failure->text));
	}
	free(batch->arg);
}

static void append(struct org_purge *p)
{
	static const char body[] = "{\"type\":\"org.purge\"}";
	struct notice *n = mem_alloc(1, sizeof(*n));
	struct err err;

	n->record = (struct record) {
		.kind = RECORD_CONTROL,
		.org = p->asked,
		.hash = hash_sip128(&journal_meta(p->o.journal)->hash, slice_of(body)),
		.type = control_type(CONTROL_ORG_PURGE),
		.body = slice_of(body),
	};
	n->batch = (struct journal_batch) {
		.items = &n->record, .n = 1, .results = &n->result, .done = stored, .arg = n
	};
	if (!journal_append(p->o.journal, &n->batch, clock_wall_us(), loop_now_us(p->o.loop),
			    &err)) {
		log_warn("org_purge_not_stored", log_str("error", err.text));
		free(n);
	}
}

/* On the loop: first nobody can add anything, then the log says that it is over. */
static void on_loop(void *arg)
{
	struct org_purge *p = arg;

	if (p->o.forget != NULL) {
		p->o.forget(p->o.arg, p->asked);
	}
	if (p->append) {
		append(p);
	}
	__atomic_store_n(&p->posted, 0, __ATOMIC_RELEASE);
}

static void ask_loop(struct org_purge *p, struct going *g, bool record, int64_t mono_us)
{
	if (__atomic_load_n(&p->posted, __ATOMIC_ACQUIRE) != 0) {
		return;
	}
	p->asked = g->org;
	p->append = record;
	__atomic_store_n(&p->posted, 1, __ATOMIC_RELEASE);
	if (loop_post(p->o.loop, on_loop, p)) {
		g->asked_us = mono_us;
	} else {
		__atomic_store_n(&p->posted, 0, __ATOMIC_RELEASE);
	}
}

static struct slice org_text(struct org_purge *p, struct org_id org)
{
	struct id_text id = id_format(ID_ORG, org.v);

	return arena_dup(&p->tick, slice_of(id.p));
}

/* From here on it cannot stay. A subscription that would go on being paid is ended before. */
static enum found begin(struct org_purge *p, const struct org_row *org, int64_t now_us,
			struct err *err)
{
	enum found found = NOT_FOUND;
	bool may_go = false;

	if (!db_begin(p->db, err) || !store_billing_may_go(org->id, p->db, &may_go, err)) {
		found = FAILED;
	} else if (may_go) {
		found = store_org_purge_begin(org->id, p->db, now_us, &p->tick, err);
	}
	if (found != FOUND) {
		db_rollback(p->db);
		return found;
	}
	if (!db_commit(p->db, err)) {
		return FAILED;
	}
	log_info("org_purge_begins", log_slice("org", org_text(p, org->id)));
	return FOUND;
}

/* What stays: that it was there, when it went, and how much it had. */
static bool note(struct org_purge *p, const struct org_row *org, int64_t now_us, struct err *err)
{
	struct audit_entry entry = {
		.at_us = now_us,
		.actor = slice_of(audit_actor_words[AUDIT_BY_SYSTEM]),
		.action = slice_of(audit_word(AUDIT_ORG_PURGE)),
		.target = slice_of(audit_target_words[AUDIT_ON_ORG]),
		.target_id = org_text(p, org->id),
		.before = org->settings,
	};

	return store_audit_append((struct org_id) { 0 }, p->db, &entry, &p->tick, err);
}

static bool end(struct org_purge *p, const struct org_row *org, int64_t now_us, struct err *err)
{
	if (!db_begin(p->db, err) || !store_org_purge_end(org->id, p->db, err) ||
	    !store_meta_put(p->db, COMPACT_META, S("yes"), err) || !note(p, org, now_us, err) ||
	    !db_commit(p->db, err)) {
		db_rollback(p->db);
		return false;
	}
	p->compact_known = p->compact_due = true;
	p->compacted = false;
	retain_forget(p->o.retain, org->id);
	log_info("org_purged", log_slice("org", org_text(p, org->id)),
		 log_slice("had", org->settings));
	return true;
}

/* One step for one org. NOT_FOUND: it waits for somebody else, or for time to pass. */
static enum found advance(struct org_purge *p, const struct org_row *org, struct going *g,
			  int64_t now_us, int64_t mono_us, struct err *err)
{
	enum found found;
	bool purged;

	if (!slice_eq(org->status, S(ORG_PURGING))) {
		return begin(p, org, now_us, err);
	}
	if (retain_org(p->o.retain, org->id, &purged) == 0) {
		if (g->asked_us == 0 || mono_us - g->asked_us >= ASK_AGAIN_US) {
			ask_loop(p, g, true, mono_us);
		}
		return NOT_FOUND;
	}
	if (g->asked_us == 0) { /* the record is of an earlier life, what is in memory is not */
		ask_loop(p, g, false, mono_us);
	}
	found = store_org_purge_rows(org->id, p->db, err);
	if (found != NOT_FOUND) {
		g->quiet_us = 0;
		return found;
	}
	g->quiet_us = g->quiet_us == 0 ? mono_us : g->quiet_us;
	if (!purged || g->asked_us == 0 || mono_us - g->quiet_us < QUIET_US) {
		return NOT_FOUND;
	}
	return end(p, org, now_us, err) ? FOUND : FAILED;
}

static struct going *going_of(struct org_purge *p, struct org_id org)
{
	for (size_t i = 0; i < p->going_n; i++) {
		if (p->going[i].org.v == org.v) {
			return &p->going[i];
		}
	}
	if (p->going_n == ORGS_MAX) {
		return NULL;
	}
	p->going[p->going_n] = (struct going) { .org = org };
	return &p->going[p->going_n++];
}

static void drop_unseen(struct org_purge *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->going_n; i++) {
		if (p->going[i].seen) {
			p->going[n++] = p->going[i];
		}
	}
	p->going_n = n;
}

/* When all that was due is gone: one rewrite for all of them. */
static enum found compact(struct org_purge *p, struct err *err)
{
	struct slice due = { 0 };
	int64_t began_us = clock_mono_us();
	enum found found;

	if (!p->compact_known) {
		if (store_meta_get(p->db, COMPACT_META, &p->tick, &due, err) == FAILED) {
			return FAILED;
		}
		p->compact_known = true;
		p->compact_due = slice_eq(due, S("yes"));
	}
	if (!p->compact_due) {
		return NOT_FOUND;
	}
	p->compacted = p->compacted || store_compact(p->db, err);
	if (!p->compacted) {
		return FAILED;
	}
	found = store_wipe(p->db, err);
	if (found != FOUND) {
		return found;
	}
	if (!store_meta_put(p->db, COMPACT_META, S("no"), err)) {
		return FAILED;
	}
	p->compacted = p->compact_due = false;
	log_info("state_compacted", log_int("us", clock_mono_us() - began_us));
	return FOUND;
}

static enum found advance_all(struct org_purge *p, const struct org_list *list, int64_t now_us,
			      int64_t mono_us, struct err *err)
{
	enum found all = NOT_FOUND;

	for (size_t i = 0; i < p->going_n; i++) {
		p->going[i].seen = false;
	}
	for (size_t i = 0; i < list->n && all != FAILED; i++) {
		struct going *g = going_of(p, list->rows[i].id);
		enum found one;

		if (g == NULL) {
			break;
		}
		g->seen = true;
		one = advance(p, &list->rows[i], g, now_us, mono_us, err);
		all = one == NOT_FOUND ? all : one;
	}
	if (all != FAILED) {
		drop_unseen(p);
	}
	return all;
}

enum found org_purge_step(struct org_purge *p, int64_t now_us, int64_t mono_us, struct err *err)
{
	struct org_list list;
	enum found found;

	arena_clear(&p->tick);
	if (!store_orgs_leaving(p->db, now_us, ORGS_MAX, &p->tick, &list, err)) {
		return FAILED;
	}
	found = advance_all(p, &list, now_us, mono_us, err);
	return found == NOT_FOUND ? compact(p, err) : found;
}
