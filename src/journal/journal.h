/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOURNAL_JOURNAL_H
#define JOURNAL_JOURNAL_H

#include "base/arena.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/json.h"
#include "journal/purge.h"
#include "journal/stats.h"
#include "model/id.h"

/*
 * The event log: what is in it happened, in this order, at these times. Everything else that the
 * program decides is a function of it.
 *
 * Records have dense numbers from 1 and strictly increasing times. A record exists for readers
 * from the moment it is flushed, never before, and never changes. The same idempotency key within
 * one org stores one record for as long as the idempotency window lasts.
 *
 * Threads: append, turn, complete and close belong to one thread, the loop. Everything that reads
 * (flushed, wait, iterators, read, stats) and prepare may run on any thread at the same time; one
 * iterator belongs to one thread at a time.
 *
 * A write or flush that fails is never tried again: the journal is then failed for good, whatever
 * was pending fails, and the process should stop and open it anew. Readers go on.
 */
struct journal;
struct file_ops;

enum record_kind { RECORD_EVENT = 1, RECORD_CONTROL, RECORD_TICK, RECORD_START };

#define RECORD_BODY_BYTES_MAX ((size_t)4 << 20) /* an event is at most 256 KiB; control may list */
#define RECORD_TYPE_BYTES_MAX ((size_t)512)
#define RECORD_KEY_BYTES_MAX ((size_t)512) /* idempotency key; the header is at most 255 */

struct record {
	enum record_kind kind;
	uint64_t seq;		/* given by the journal */
	int64_t received_at_us; /* given by the journal */
	struct org_id org;
	struct project_id project;
	struct key_id key;
	uint8_t severity;	      /* enum severity, so that readers need not parse it */
	struct hash128 hash;	      /* of the canonical body without what the server sets */
	struct slice idempotency_key; /* empty: none */
	struct slice type;	      /* as in the body, so that readers need not parse it */
	struct slice body;	      /* canonical JSON */
};

/* Whether it is an event that the server itself has said (engine/watchman.h). Pure. */
bool record_is_system(const struct record *record);

struct journal_id {
	unsigned char v[16];
};

/* What a journal got at birth, for life. */
struct journal_meta {
	struct journal_id id;
	struct hash_key hash;	/* for record.hash and idempotency */
	struct hash_key cipher; /* for public ids (log_id_format) */
	int64_t created_at_us;
};

/* A stretch of a file that is not what was written and flushed. */
#define JOURNAL_FILE_NAME_BYTES 64
struct journal_damage {
	char file[JOURNAL_FILE_NAME_BYTES];
	uint64_t epoch;	    /* of the segment */
	uint64_t offset;    /* of the first byte that is in doubt */
	uint64_t end;	    /* behind the last one; may be offset, when something is not there */
	uint64_t first_seq; /* the records that are lost with it */
	uint64_t last_seq;  /* less than first_seq: none is */
	uint64_t lost;	    /* how many; in a sealed file there may be others in between */
	uint32_t crc;	    /* CRC-32C of the bytes */
	bool known;	    /* set aside by journal_quarantine, exactly so */
	bool mendable;	    /* of a sealed file: parity gives it back */
	bool open_end;	    /* at the end of the log: it may have cost more than is known */
	struct org_id org;  /* whose the lost records are, when all are of one project */
	struct project_id project;
};
/* How many numbers it spans. Pure. */
uint64_t journal_damage_span(const struct journal_damage *damage);
/* "segment "..." is damaged at offset 1: records 2 to 3 are lost". Pure. */
void journal_damage_text(const struct journal_damage *damage, char *out, size_t size);
/* Where it is, what is lost and whose it was, as members of the object that is open. */
void journal_damage_put(const struct journal_damage *damage, struct json_w *w);
typedef void journal_damage_fn(void *arg, const struct journal_damage *damage);

/* A file of the journal, and how many of its bytes are flushed and stay as they are. */
struct journal_file {
	char name[JOURNAL_FILE_NAME_BYTES];
	uint64_t bytes;
	uint64_t first_seq; /* of the records in it; 0: it has none */
	uint64_t last_seq;
	int64_t made_us; /* of a file that is never changed, but may be replaced: when; else 0 */
};

enum journal_flush { JOURNAL_FLUSH_AUTO, JOURNAL_FLUSH_INLINE, JOURNAL_FLUSH_THREAD };

/* Zero takes the default everywhere. */
struct journal_options {
	const char *dir;    /* borrowed during open; made when create is set */
	bool create;	    /* make a new journal when there is none */
	bool accept_damage; /* open although acked records are damaged */
	/*
	 * Only to look: nothing is changed or locked, damage is told and passed over, and nothing
	 * but reading may follow. What is not in `only` (n_only of them; none: everything) is not
	 * looked at; while another process writes, that has to be what its journal_files says. When
	 * one of those is gone, ERR_IO: ask again.
	 */
	bool read_only;
	const struct journal_file *only; /* borrowed during open */
	size_t n_only;
	journal_damage_fn *on_damage; /* during open, for each damage; may be NULL */
	void *on_damage_arg;
	size_t segment_bytes;	  /* default 64 MiB; 16 KiB to 1 GiB */
	size_t turn_bytes_max;	  /* gathered bytes before OVERLOADED; default 32 MiB */
	enum journal_flush flush; /* AUTO: on a thread when p95 is over 1 ms, or one was over 5 */
	int64_t idempotency_window_us;	     /* default 7 days */
	size_t idempotency_bytes_max;	     /* memory for keys; default 512 MiB */
	uint64_t idempotency_project_keys;   /* a project's, when memory is short; default 50 M */
	int64_t now_us;			     /* wall clock: the birthday of a new journal */
	const struct journal_id *must_match; /* NULL, or refuse a journal of another id */
	journal_floor_fn *floor;	     /* NULL: everything is kept */
	void *floor_arg;
	void (*wake)(void *); /* any thread: call journal_complete soon. NULL: INLINE only */
	void *wake_arg;
	const struct file_ops *files; /* NULL: the real file system; tests give another */
	void *files_arg;
};

/*
 * Open the journal in dir and recover what a crash left: an unfinished last batch is cut, a whole
 * one is copied into a fresh segment and flushed before anybody reads it. Blocks: reads the log.
 * Fails with ERR_NOT_FOUND (none there, create not set), ERR_CONFLICT (another id, or in use),
 * ERR_CORRUPT (damage to flushed records; the text says where), ERR_IO, ERR_DISK_FULL.
 */
NODISCARD bool journal_open(struct journal **journal, const struct journal_options *options,
			    struct err *err);
/*
 * Flush and complete what is pending, mark the end as clean, free. NULL ok. Iterators must be
 * freed before. Loop thread; blocks.
 */
void journal_close(struct journal **journal);
/* Any thread; lives as long as the journal. */
const struct journal_meta *journal_meta(const struct journal *journal);

enum journal_verdict {
	JOURNAL_STORED,
	JOURNAL_DUPLICATE, /* stored before under the same key with the same hash, and still kept */
	JOURNAL_CONFLICT,  /* something else was stored before under the same key */
	JOURNAL_UNREADABLE, /* the key was used, but its record is damaged: nothing stored */
	JOURNAL_OVER /* it is new, and over the room of its batch: nothing stored, no number */
};
/* seq and time are those of the stored record, be it new or the original; journal_read has it. */
struct journal_result {
	enum journal_verdict verdict;
	uint64_t seq;
	int64_t received_at_us;
};

/* Some records that belong together (one request) and who waits for them. Owned by the caller. */
struct journal_batch;
typedef void journal_done(struct journal_batch *batch, const struct err *err);
struct journal_batch {
	const struct record
		*items; /* needed during journal_append alone; seq and time are ignored */
	size_t n;
	struct journal_result *results; /* n of them; set by journal_append, certain when done */
	/* When limited, the first `room` items that are new are stored; further ones are OVER. */
	bool limited;
	uint64_t room;
	/*
	 * Called once on the loop thread, from turn, complete or close, in the order of appends,
	 * never from append. err is NULL when all is flushed, and readers see it already; else
	 * nothing may be acked. May append again and may free the batch.
	 */
	journal_done *done;
	void *arg;
	struct journal_batch *next; /* the journal's, until done */
};

/*
 * Take the batch into this turn: bytes are copied now, so items and their slices may go; results
 * and the batch itself stay until done. All or nothing: on false the batch was not taken. Times
 * never go back or stand still: max(wall, last + 0.9 * monotonic time since, last + 1).
 * ERR_OVERLOADED (turn full), ERR_DISK_FULL (no room for the next segment), ERR_TOO_LARGE (the
 * batch never fits), ERR_IO (the journal failed). n is at least 1. Loop thread. Does not block, but
 * for zeroing a segment when journal_prepare was not called in time, and for reading the earlier
 * record of a duplicate.
 */
NODISCARD bool journal_append(struct journal *journal, struct journal_batch *batch, int64_t wall_us,
			      int64_t mono_us, struct err *err);
/*
 * At the end of a loop turn: one write and one flush for all that was appended, then all done
 * calls. With a flusher thread only its start; one flush is in flight at a time, later appends
 * gather meanwhile. Loop thread; inline it blocks for the flush.
 */
void journal_turn(struct journal *journal);
/* After wake: the done calls of the finished flush, and the start of the next. Loop thread. */
void journal_complete(struct journal *journal);
/*
 * What makes up the flushed log now, in the order of the records, behind them the small files that
 * belong to it. To copy the log, copy these bytes of these files. A file may be gone by the time
 * that it is opened, when another one with the same records has taken its place: ask again then.
 * Any thread. The array is in the arena.
 */
size_t journal_files(struct journal *journal, struct arena *req, struct journal_file **files);
/* Blocks until all that was appended is flushed, or has failed, and done. Loop thread. */
void journal_drain(struct journal *journal);
/* True for good after a failed write or flush. Any thread. */
bool journal_failed(const struct journal *journal);
/* Zero the next segment ahead if there is none. The keeper calls this often. Any thread; blocks. */
NODISCARD bool journal_prepare(struct journal *journal, struct err *err);

/* The number of the last flushed record, 0 for none. Any thread, never blocks. */
uint64_t journal_flushed(const struct journal *journal);
/* The first record that is still there, or flushed + 1. Any thread. */
uint64_t journal_first(struct journal *journal);
/*
 * Numbers between which all records are that were received in [from_us, to_us), 0 being no bound;
 * mostly there are others, too. *last < *first: there is none. For showing progress. Any thread.
 */
void journal_bounds(struct journal *journal, int64_t from_us, int64_t to_us, uint64_t *first,
		    uint64_t *last);
/* The time of the last appended record, 0 for none. Loop thread. */
int64_t journal_last_received_at(const struct journal *journal);
/*
 * Wait until records after after_seq are flushed, up to wait_us (negative: for ever), or until
 * journal_interrupt. Returns what is flushed. Any thread but the loop.
 */
uint64_t journal_wait(struct journal *journal, uint64_t after_seq, int64_t wait_us);
/* Let everybody in journal_wait return now, and later calls at once: for the end. Any thread. */
void journal_interrupt(struct journal *journal);

/*
 * One record by number: FOUND with slices in the arena, NOT_FOUND when it is not flushed (or not
 * kept any more), FAILED with ERR_CORRUPT or ERR_IO. Any thread; reads up to 64 KiB and the record.
 */
enum found journal_read(struct journal *journal, uint64_t seq, struct arena *req,
			struct record *record, struct err *err);

/*
 * A walk over flushed records, forward (oldest first, sees what is flushed meanwhile) or reverse.
 * Checks every checksum. From 0 starts at the first record, or in reverse at the last.
 */
struct journal_iter;
struct journal_iter *journal_iter_new(struct journal *journal, uint64_t from_seq, bool reverse);
/* Which records a walk is for. What is zero matches everything. */
struct journal_filter {
	bool one_project; /* these two alone */
	struct org_id org;
	struct project_id project;
	int64_t from_us;     /* received at or after */
	int64_t to_us;	     /* and before */
	uint32_t severities; /* 1 << severity, together; records without one have 0 */
	uint32_t kinds;	     /* 1 << kind, together */
	struct slice type;   /* exactly, or "prefix.*": what begins with "prefix." */
};
/* Whether a record's type is what filter->type asks for; an empty one asks for nothing. Pure. */
bool journal_type_matches(struct slice want, struct slice type);
/*
 * The same, giving only what matches, and no event below the floor of its project, as floors are at
 * this call; what the index of sealed files excludes is not read. Where no record behind can match,
 * the walk is at its end. Records come without their hash. The filter is copied, its slices are
 * borrowed until the iterator is freed.
 */
struct journal_iter *journal_iter_where(struct journal *journal, uint64_t from_seq, bool reverse,
					const struct journal_filter *filter);
void journal_iter_free(struct journal_iter **iter);
/*
 * FOUND: *record, borrowed until the next call. NOT_FOUND: no more for now, or the budget is used
 * up; ask again later. FAILED: ERR_CORRUPT names file, offset and numbers of what is lost, and the
 * next call goes on behind it; ERR_IO stays where it is.
 */
enum found journal_iter_next(struct journal_iter *iter, struct record *record, struct err *err);
/* The number the next call starts at; in reverse 0 when the beginning was passed. */
uint64_t journal_iter_at(const struct journal_iter *iter);
/*
 * Of damage that the last call told: whether it was set aside, so that somebody knows. Else it is
 * new, and a start should not pass over it.
 */
bool journal_iter_set_aside(const struct journal_iter *iter);
/* Read at most about this many bytes more, then say NOT_FOUND. Default: no limit. */
void journal_iter_set_budget(struct journal_iter *iter, size_t bytes);

#endif
