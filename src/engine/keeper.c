/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What has to be done now and then. Segments are looked after often, because a segment that is
 * not ready when it is needed is zeroed on the loop; the rest is a matter of seconds or minutes.
 * What reads and writes whole files of the log has a thread of its own, the sealer, as it takes
 * whole seconds of a core and must not be in the way. One thread for all of it, since only one may
 * write sealed files at a time.
 */
#include "engine/keeper.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/queue.h"
#include "engine/leavers.h"
#include "engine/org_purge.h"
#include "engine/purger.h"
#include "journal/care.h"
#include "store/global.h"
#include "store/sayings.h"

#define PREPARE_US (20 * US_PER_MS)    /* a segment lasts at least ten times that at full speed */
#define SEAL_US (200 * US_PER_MS)      /* a look whether a segment was closed */
#define SEAL_AGAIN_US (10 * US_PER_S)  /* after a failure, of a full disk most likely */
#define PURGE_REST_US (50 * US_PER_MS) /* between two files */
#define PURGE_US US_PER_S	       /* a look whether something was deleted */
#define PURGE_AGAIN_US (60 * US_PER_S)
#define FORGET_REST_US (20 * US_PER_MS)
#define FORGET_US US_PER_S /* a look whether somebody's days of grace are over */
#define FORGET_AGAIN_US (10 * US_PER_S)
#define SCRUB_US (125 * US_PER_MS) /* between JOURNAL_SCRUB_BYTES: four megabytes a second */
#define SCRUB_IDLE_US US_PER_S	   /* a look whether a read had trouble */
#define SCRUB_AGAIN_US (60 * US_PER_S)
#define SEALER_NICE 10 /* packing can wait for everything else */
/* A checkpoint flushes three times, and whoever commits meanwhile waits: seldom, so large ones. */
#define CHECKPOINT_US US_PER_S		     /* a look whether it is time */
#define CHECKPOINT_BYTES ((uint64_t)8 << 20) /* for a busy server, every few seconds */
#define CHECKPOINT_AGE_US (30 * US_PER_S)    /* for a quiet one; a start reads what is left */
#define LOG_ROOM_US (200 * US_PER_MS)
#define BOOKS_US US_PER_S /* what a crash may take of the books */
#define USES_US (30 * US_PER_S)
#define PRUNE_US (60 * US_PER_S)
#define CHANGES_KEPT_US (24 * 3600 * US_PER_S)
#define PRUNE_BUCKETS 100 /* per round; a minute brings one */
#define PRUNE_ROWS 5000	  /* per org and round: short transactions */
#define REPLY_ROWS 1000	  /* at a time; up to 64 KiB each */
#define REPLY_SLICES 20
#define SAYINGS_KEPT_US \
	(62 * 24 * 3600 * US_PER_S) /* what is told once a month is not told again */
#define SAYING_SLICES 20	    /* of a thousand */
#define USES_MAX 4096
#define SWEEP_MAX 1000 /* per round: a short transaction, a short turn of the loop */

/*
 * What the sealer does: each is called when its time has come, and says whether there was something
 * to do. It never takes long, so that all get their turn.
 */
struct chore {
	enum found (*run)(struct keeper *k, struct err *err);
	const char *failed; /* the log line of its first failure in a row */
	int64_t more_us;    /* until the next call when there may be more to do, */
	int64_t idle_us;    /* when there is not, */
	int64_t failed_us;  /* and after a failure */
};
#define CHORES_MAX 8

struct uses {
	struct key_use keys[USES_MAX];
	struct ip_text from[USES_MAX];
	size_t keys_n;
	struct session_use sessions[USES_MAX];
	size_t sessions_n;
};

struct keeper {
	struct keeper_options o;
	struct db *db;
	struct queue *inbox; /* of struct uses; also what ends the thread when closed */
	pthread_t thread;
	pthread_t sealer;
	struct queue *seal_pause;	 /* of nothing; closed it ends the sealer */
	int64_t chore_at_us[CHORES_MAX]; /* the sealer's, as the next one */
	bool chore_failed[CHORES_MAX];
	struct purger *purger;	/* likewise; NULL: nothing is purged */
	struct org_purge *orgs; /* likewise */
	struct leavers *leavers;
	struct uses uses; /* the loop's while asked, else ours */
	bool asked;
	int64_t checkpointed_us;
	int64_t checkpoint_at_us, log_room_at_us, books_at_us, uses_at_us, prune_at_us;
	bool prepare_failed;
};

static void prepare(struct keeper *k)
{
	struct err err;
	bool failed = !journal_prepare(k->o.journal, &err);

	if (failed && !k->prepare_failed) {
		log_error("segment_not_ready", log_str("error", err.text));
	} else if (!failed && k->prepare_failed) {
		log_info("segment_ready_again");
	}
	k->prepare_failed = failed;
}

static void checkpoint(struct keeper *k)
{
	struct err err;

	if (!store_checkpoint(k->db, &err)) {
		log_warn("checkpoint_failed", log_str("error", err.text));
	}
}

static void checkpoint_if_due(struct keeper *k, int64_t now_us)
{
	if (store_log_bytes(k->o.store) >= CHECKPOINT_BYTES ||
	    now_us - k->checkpointed_us >= CHECKPOINT_AGE_US) {
		checkpoint(k);
		k->checkpointed_us = now_us;
	}
}

static void make_log_room(struct keeper *k)
{
	struct err err;

	if (!store_make_log_room(k->db, &err)) {
		log_debug("no_log_room", log_str("error", err.text));
	}
}

static void save_books(struct keeper *k)
{
	struct err err;

	if (k->o.ledger != NULL && !ledger_save(k->o.ledger, k->db, &err)) {
		log_warn("books_not_saved", log_str("error", err.text));
	}
}

static void save_guesses(struct keeper *k)
{
	struct err err;

	if (k->o.guesses != NULL && !guesses_save(k->o.guesses, k->db, clock_wall_us(), &err)) {
		log_warn("guesses_not_saved", log_str("error", err.text));
	}
}

static void prune_counts(struct keeper *k, int64_t now_us)
{
	static const struct {
		int64_t step_us, kept_us;
	} steps[] = { { ROLLUP_MINUTE_US, KEEPER_MINUTES_KEPT_US },
		      { ROLLUP_HOUR_US, KEEPER_HOURS_KEPT_US } };
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		int64_t before_us = now_us - steps[i].kept_us;

		if (!store_rollups_prune(k->db, steps[i].step_us, before_us, PRUNE_BUCKETS, &err) ||
		    !store_outcomes_prune(k->db, steps[i].step_us, before_us, PRUNE_BUCKETS,
					  &err)) {
			log_warn("prune_failed", log_str("error", err.text));
		}
	}
}

static void prune(struct keeper *k)
{
	int64_t now_us = clock_wall_us();
	uint64_t pruned;
	struct err err;

	if (!store_changes_prune(k->db, now_us - CHANGES_KEPT_US, PRUNE_ROWS, &pruned, &err)) {
		log_warn("prune_failed", log_str("error", err.text));
	}
	if (!store_guesses_prune(k->db, now_us - GUESS_FORGET_US, &err)) {
		log_warn("prune_failed", log_str("error", err.text));
	}
	if (!store_replies_sweep(k->db, now_us, REPLY_ROWS, REPLY_SLICES, &err)) {
		log_warn("prune_failed", log_str("error", err.text));
	}
	if (!store_billing_events_sweep(k->db, now_us - BILLING_EVENT_KEPT_US, SWEEP_MAX, 1,
					&err)) {
		log_warn("prune_failed", log_str("error", err.text));
	}
	if (!store_sessions_sweep(k->db, now_us, SWEEP_MAX, NULL, &err) ||
	    !store_tokens_sweep(k->db, now_us, SWEEP_MAX, NULL, &err)) {
		log_warn("prune_failed", log_str("error", err.text));
	}
	if (!store_sayings_prune(k->db, now_us - SAYINGS_KEPT_US, SAYING_SLICES, &err)) {
		log_warn("prune_failed", log_str("error", err.text));
	}
	prune_counts(k, now_us);
}

static void take_uses(struct keeper *k)
{
	k->uses.keys_n = keyring_uses(k->o.keys, k->uses.keys, k->uses.from, USES_MAX);
	if (k->o.people != NULL) {
		k->uses.sessions_n = people_uses(k->o.people, k->uses.sessions, USES_MAX);
		(void)people_sweep(k->o.people, clock_wall_us(), SWEEP_MAX);
	}
}

/* On the loop: keyring and people are its. */
static void collect_uses(void *arg)
{
	struct keeper *k = arg;

	take_uses(k);
	/* A closed inbox is the end of the thread, and keeper_close asks once more. */
	(void)!queue_put(k->inbox, &k->uses);
}

static void ask_uses(struct keeper *k)
{
	k->asked = k->asked || loop_post(k->o.loop, collect_uses, k);
}

static bool touch_all(struct keeper *k, struct err *err)
{
	const struct uses *uses = &k->uses;

	return db_begin(k->db, err) &&
	       (uses->keys_n == 0 || store_keys_touch(k->db, uses->keys, uses->keys_n, err)) &&
	       (uses->sessions_n == 0 ||
		store_sessions_touch(k->db, uses->sessions, uses->sessions_n, err)) &&
	       db_commit(k->db, err);
}

static void write_uses(struct keeper *k)
{
	struct err err;

	k->asked = false;
	if (k->uses.keys_n + k->uses.sessions_n > 0 && !touch_all(k, &err)) {
		db_rollback(k->db);
		log_warn("uses_not_saved", log_str("error", err.text));
	}
}

static bool due(int64_t *at_us, int64_t every_us, int64_t now_us)
{
	if (now_us < *at_us) {
		return false;
	}
	*at_us = now_us + every_us;
	return true;
}

static void *run(void *arg)
{
	struct keeper *k = arg;

	while (!queue_closed(k->inbox)) {
		int64_t now_us = clock_mono_us();
		prepare(k);
		if (due(&k->checkpoint_at_us, CHECKPOINT_US, now_us)) {
			checkpoint_if_due(k, now_us);
		}
		if (due(&k->log_room_at_us, LOG_ROOM_US, now_us)) {
			make_log_room(k);
		}
		if (due(&k->books_at_us, BOOKS_US, now_us)) {
			save_books(k);
			save_guesses(k);
		}
		if (due(&k->uses_at_us, USES_US, now_us)) {
			ask_uses(k);
		}
		if (due(&k->prune_at_us, PRUNE_US, now_us)) {
			prune(k);
		}
		if (k->o.watchman != NULL) {
			watchman_step(k->o.watchman, k->db, clock_wall_us(), now_us);
		}
		if (queue_take(k->inbox, PREPARE_US) != NULL) {
			write_uses(k);
		}
	}
	return NULL;
}

static enum found seal(struct keeper *k, struct err *err)
{
	return k->o.seal ? journal_seal(k->o.journal, err) : NOT_FOUND;
}

static enum found purge(struct keeper *k, struct err *err)
{
	return k->purger == NULL ? NOT_FOUND
				 : purger_step(k->purger, clock_wall_us(), clock_mono_us(), err);
}

static enum found forget(struct keeper *k, struct err *err)
{
	int64_t wall_us = clock_wall_us();

	return leavers_step(k->leavers,
			    k->purger == NULL ? wall_us
					      : purger_now_us(k->purger, wall_us, clock_mono_us()),
			    err);
}

static enum found purge_orgs(struct keeper *k, struct err *err)
{
	int64_t mono_us = clock_mono_us();

	return k->orgs == NULL
		       ? NOT_FOUND
		       : org_purge_step(k->orgs, purger_now_us(k->purger, clock_wall_us(), mono_us),
					mono_us, err);
}

static enum found scrub(struct keeper *k, struct err *err)
{
	return k->o.scrub_us > 0 ? journal_scrub(k->o.journal, clock_wall_us(), k->o.scrub_us, err)
				 : NOT_FOUND;
}

static const struct chore chores[] = {
	{ purge, "purge_failed", PURGE_REST_US, PURGE_US, PURGE_AGAIN_US },
	{ forget, "forget_failed", FORGET_REST_US, FORGET_US, FORGET_AGAIN_US },
	{ purge_orgs, "org_purge_failed", PURGE_REST_US, PURGE_US, PURGE_AGAIN_US },
	{ seal, "seal_failed", 0, SEAL_US, SEAL_AGAIN_US },
	{ scrub, "scrub_failed", SCRUB_US, SCRUB_IDLE_US, SCRUB_AGAIN_US },
};
static_assert(ARRAY_LEN(chores) <= CHORES_MAX, "room for each in the keeper");

static void do_chore(struct keeper *k, size_t i)
{
	const struct chore *chore = &chores[i];
	struct err err;
	enum found found = chore->run(k, &err);

	if (found == FAILED && !k->chore_failed[i]) {
		log_error(chore->failed, log_str("error", err.text));
	}
	k->chore_failed[i] = found == FAILED;
	k->chore_at_us[i] = clock_mono_us() + (found == FOUND	 ? chore->more_us
					       : found == FAILED ? chore->failed_us
								 : chore->idle_us);
}

static void *run_sealer(void *arg)
{
	struct keeper *k = arg;

	(void)setpriority(PRIO_PROCESS, 0, SEALER_NICE); /* of this thread alone, on Linux */
	while (!queue_closed(k->seal_pause)) {
		int64_t now_us = clock_mono_us();
		int64_t next_us = INT64_MAX;

		for (size_t i = 0; i < ARRAY_LEN(chores) && !queue_closed(k->seal_pause); i++) {
			if (k->chore_at_us[i] <= now_us) {
				do_chore(k, i);
			}
			next_us = k->chore_at_us[i] < next_us ? k->chore_at_us[i] : next_us;
		}
		now_us = clock_mono_us();
		(void)queue_take(k->seal_pause, next_us > now_us ? next_us - now_us : 0);
	}
	return NULL;
}

static bool open_purger(struct keeper *k, struct err *err)
{
	struct purger_options options = { .journal = k->o.journal,
					  .store = k->o.store,
					  .retain = k->o.retain,
					  .metrics = k->o.metrics };

	struct org_purge_options orgs = { .loop = k->o.loop,
					  .journal = k->o.journal,
					  .store = k->o.store,
					  .retain = k->o.retain,
					  .forget = k->o.forget,
					  .arg = k->o.arg };

	return purger_open(&k->purger, &options, err) && org_purge_open(&k->orgs, &orgs, err);
}

static bool open_leavers(struct keeper *k, struct err *err)
{
	struct leavers_options options = { .store = k->o.store,
					   .loop = k->o.loop,
					   .people = k->o.people };

	return leavers_open(&k->leavers, &options, err);
}

bool keeper_open(struct keeper **kp, const struct keeper_options *options, struct err *err)
{
	struct keeper *k = mem_alloc(1, sizeof(*k));
	int64_t now_us = clock_mono_us();

	k->o = *options;
	k->uses_at_us = now_us + USES_US;
	if (!store_connect(options->store, STORE_KEEPER, &k->db, err)) {
		free(k);
		return false;
	}
	if ((k->o.seal && k->o.retain != NULL && !open_purger(k, err)) || !open_leavers(k, err)) {
		org_purge_close(&k->orgs);
		purger_close(&k->purger);
		db_close(&k->db);
		free(k);
		return false;
	}
	k->inbox = queue_new(4, NULL, NULL);
	k->seal_pause = queue_new(1, NULL, NULL);
	ensure(pthread_create(&k->thread, NULL, run, k) == 0);
	ensure(pthread_create(&k->sealer, NULL, run_sealer, k) == 0);
	*kp = k;
	return true;
}

void keeper_close(struct keeper **kp)
{
	struct keeper *k = *kp;

	if (k == NULL) {
		return;
	}
	queue_close(k->inbox);
	queue_close(k->seal_pause);
	pthread_join(k->thread, NULL);
	pthread_join(k->sealer, NULL);
	if (queue_take(k->inbox, 0) != NULL) {
		write_uses(k);
	}
	take_uses(k);
	write_uses(k);
	save_books(k);
	save_guesses(k);
	checkpoint(k);
	queue_free(&k->inbox);
	queue_free(&k->seal_pause);
	org_purge_close(&k->orgs);
	purger_close(&k->purger);
	leavers_close(&k->leavers);
	db_close(&k->db);
	free(k);
	*kp = NULL;
}
