/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOURNAL_FILE_FILE_JOURNAL_H
#define JOURNAL_FILE_FILE_JOURNAL_H

#include <pthread.h>

#include "journal/driver.h"
#include "journal/file/damage.h"
#include "journal/file/idem.h"
#include "journal/file/keys.h"
#include "journal/file/parts.h"
#include "journal/file/segment.h"
#include "journal/file/walk.h"

/*
 * The inside of the file driver, shared by its sources: open and recovery, append, flush, readers.
 * Fields are grouped by who may touch them.
 */
#define FLUSH_SAMPLES 128 /* of which AUTO takes the 95th percentile */

/* What one flush takes to the disk: a batch header, records, and who waits for them. */
struct turn {
	char *p; /* turn_bytes_max long; the first BATCH_HEAD_BYTES are the header's */
	size_t n;
	uint64_t first_seq;
	uint32_t *offsets; /* of each record in p */
	size_t count;
	size_t offsets_cap;
	uint32_t chain;
	struct journal_batch *first;
	struct journal_batch **last;
};

/* What journal_stats says of scrubbing. */
struct scrub_stats {
	uint64_t bytes;
	uint64_t mended_pages;
	uint64_t lost_blocks;
	uint64_t lost_records;
};

/* What purging has done since open. */
struct purged {
	uint64_t records;
	uint64_t bytes;
	int64_t at_us;
};

enum flight { FLIGHT_IDLE, FLIGHT_QUEUED, FLIGHT_DONE };

struct file_journal {
	struct journal base;

	/* Set at open, then constant. */
	struct files files;
	char *dir;
	int lock_fd;
	size_t segment_bytes;
	size_t turn_bytes_max;
	enum journal_flush flush;
	void (*wake)(void *);
	void *wake_arg;
	bool accept_damage;
	bool read_only;
	const struct journal_file *only; /* during open */
	size_t n_only;
	journal_damage_fn *on_damage;
	void *on_damage_arg;
	uint64_t *superseded; /* epochs of sealed files whose records are in a later one */
	size_t superseded_n;

	/* Any thread. */
	_Atomic(const struct damages *) known; /* what was set aside; see journal_known */
	_Atomic uint64_t flushed;
	_Atomic bool failed;
	_Atomic unsigned waiters;
	_Atomic uint64_t settle_seq; /* see journal_settle */
	pthread_mutex_t wait_lock;
	pthread_cond_t wait_cond;
	bool interrupted; /* under wait_lock */

	/* Under lock. */
	pthread_mutex_t lock;
	pthread_cond_t prepared;
	struct segment **segments; /* by first_seq; the last is the active one */
	size_t segments_n;
	size_t segments_cap;
	struct part **parts; /* sealed, and before the segments */
	size_t parts_n;
	size_t parts_cap;
	uint64_t parts_changes;
	struct segment *spare; /* the next one */
	bool preparing;
	uint64_t epoch; /* the highest given */
	struct journal_stats stats;
	struct scrub_stats scrubbed;
	struct purged purged;

	/* Loop thread. */
	struct turn turns[2];
	struct turn *gather;
	struct turn *flight;
	struct segment *active;
	uint32_t flight_at; /* where the batch in flight goes */
	uint32_t plan_end;  /* where the next one goes */
	uint64_t next_seq;
	int64_t last_received_at_us;
	int64_t last_mono_us;
	bool mono_known;
	struct idem idem;
	struct keys keys;   /* some of it of others, see there */
	uint64_t lost_told; /* of idem.lost */
	int64_t tell_lost_us;
	uint64_t shortened; /* keys that were forgotten early, as last looked */
	uint64_t idem_base; /* the keys of records before it were never read into idem */
	struct walk lookup;
	struct arena lookup_arena; /* a record out of a sealed file */
	bool completing;
	struct journal_stats counts; /* copied to stats now and then */
	int64_t flush_us[FLUSH_SAMPLES];
	size_t flush_n;
	bool threaded;

	/* Under care: of whoever writes files anew. */
	pthread_mutex_t care;
	struct sealing *sealing;
	/* The next segments are damaged in a way that nobody has set aside. Any thread reads it. */
	_Atomic bool seal_stuck;
	int64_t seal_again_us; /* when to look whether they still are */
	struct scrub *scrub;
	struct damages **lists; /* all that journal_known ever gave */
	size_t lists_n;

	/* The flusher's, under flight_lock. */
	pthread_mutex_t flight_lock;
	pthread_cond_t flight_cond;
	enum flight flight_state;
	bool flight_ok;
	int64_t flight_us;
	struct err flight_err;
	bool thread_started;
	bool thread_stop;
	pthread_t thread;
};

static inline struct file_journal *file_journal(struct journal *journal)
{
	return CONTAINER_OF(journal, struct file_journal, base);
}

/*
 * What was set aside. Any thread; the list never changes and lives as long as the journal, but
 * there may be a newer one.
 */
static inline const struct damages *journal_known(const struct file_journal *j)
{
	return atomic_load_explicit(&j->known, memory_order_acquire);
}
/* Another list from now on, which is taken. Under care, or nobody else knows the journal yet. */
void known_replace(struct file_journal *j, struct damages *list);

/* recover.c: tell of damage, and say whether to go on; sets damage->known. */
NODISCARD bool damage_met(struct file_journal *j, struct journal_damage *damage, struct err *err);
/* Whether somebody knows of the loss of records first_seq to the one before to_seq. */
bool loss_expected(const struct file_journal *j, uint64_t first_seq, uint64_t to_seq);
/* Whether the options let this file be looked at. */
bool file_wanted(const struct file_journal *j, const char *name);
/* recover.c: read the segments, leave an active one to append to. */
NODISCARD bool recover(struct file_journal *j, struct err *err);

/* segments.c: the list, and the segment zeroed ahead. Any thread. */
void segments_add(struct file_journal *j, struct segment *segment);
/* The last segment that starts at or before seq, or NULL. The reference is the caller's. */
struct segment *segments_find(struct file_journal *j, uint64_t seq);
/* The first segment that starts behind seq, or NULL. The reference is the caller's. */
struct segment *segments_after(struct file_journal *j, uint64_t seq);
/* Have a spare. Blocks for zeroing unless there is one. */
NODISCARD bool spare_make(struct file_journal *j, struct err *err);
/* The spare, which is then the caller's; there is one. */
struct segment *spare_take(struct file_journal *j);

/* flush.c */
/* The key's place in the memory of idempotency keys. */
uint64_t key_hash(const struct file_journal *j, struct org_id org, struct slice key);
void turn_init(struct turn *turn, size_t bytes_max);
void turn_release(struct turn *turn);
/* Whether a batch of this length still fits the active segment. */
bool flight_fits(const struct file_journal *j, size_t n);
/* Show the counts to journal_stats. */
void flush_stats(struct file_journal *j);
/* Wait for the flight under way, if any, and end the flusher thread. */
void flight_stop(struct file_journal *j);
/* Write one framed batch and flush it. */
NODISCARD bool batch_write(const struct segment *segment, uint32_t offset, uint64_t first_seq,
			   uint64_t flushed_seq, struct turn *turn, struct err *err);
/* A batch without records that says all before next_seq is flushed. */
NODISCARD bool mark_write(const struct segment *segment, uint32_t offset, uint64_t next_seq,
			  struct err *err);

/* sealing.c: give up what is half done, its file too. */
void sealing_stop(struct file_journal *j);

/* scrub.c: give up what is half done. */
void scrub_stop(struct file_journal *j);
/* What was lost so far was set aside: count anew, and read those files next. */
void scrub_settle(struct file_journal *j);
/* Read this segment or sealed file next. */
void scrub_soon(struct file_journal *j, uint64_t epoch);

/* quarantine.c: nobody has the journal open now. */
NODISCARD bool file_journal_alone(const struct journal_options *options, struct err *err);

/* Give everything back as it is; the flusher thread has ended. */
void file_journal_free(struct file_journal *j);

/* The driver's operations. */
bool file_append(struct journal *journal, struct journal_batch *batch, int64_t wall_us,
		 int64_t mono_us, struct err *err);
void file_turn(struct journal *journal);
void file_complete(struct journal *journal);
struct journal_iter *file_iter_new(struct journal *journal, uint64_t from_seq, bool reverse,
				   const struct journal_filter *filter);
enum found file_seal(struct journal *journal, struct err *err);
enum found file_scrub(struct journal *journal, int64_t now_us, int64_t every_us, struct err *err);
bool file_verify(struct journal *journal, bool deep, journal_damage_fn *on_damage, void *arg,
		 struct journal_health *health, struct err *err);
bool file_set_aside(struct journal *journal, journal_damage_fn *on_damage, void *arg, size_t *n,
		    struct err *err);
bool file_lost_numbers(struct journal *journal, const struct journal_damage *damage,
		       journal_run_fn *visit, void *arg, struct err *err);
enum found file_purge(struct journal *journal, struct journal_purge *purge, struct err *err);
uint64_t file_unsealed(struct journal *journal);
void file_settle(struct journal *journal, uint64_t seq);
void file_drain(struct journal *journal);
enum found file_read(struct journal *journal, uint64_t seq, struct arena *req,
		     struct record *record, struct err *err);

#endif
