/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_SURVEY_H
#define CMD_SURVEY_H

#include "base/json.h"
#include "cmd/peek.h"
#include "journal/care.h"

/*
 * A journal read from its first byte to its last: what is in it and what is damaged. For commands;
 * blocks. Main thread.
 */
#define SURVEY_KINDS (RECORD_START + 1)

/* Numbers that a damage has cost, one after the other. */
struct survey_run {
	uint64_t first_seq;
	uint64_t last_seq;
};
struct survey_damage {
	struct journal_damage d;
	struct survey_run *runs; /* owned; none: what d says is exact, or nobody knows */
	size_t runs_n;
};

struct survey {
	bool served;
	struct journal_id id;
	bool clean; /* the log ended in good order; not said while it is served */
	uint64_t segments;
	uint64_t bytes;
	uint64_t sealed_files;
	uint64_t sealed_bytes;
	uint64_t sealed_bodies; /* JSON of their events */
	uint64_t first_seq;	/* of what is there; last_seq + 1 when nothing is */
	uint64_t last_seq;
	uint64_t records; /* that can be read */
	uint64_t purged;  /* numbers of records that are there no more */
	uint64_t deleted; /* events that are deleted, and not purged yet */
	uint64_t kinds[SURVEY_KINDS];
	int64_t first_us; /* 0: no record */
	int64_t last_us;
	uint64_t keys;	      /* idempotency keys to remember */
	uint64_t keys_sealed; /* of them, in sealed files */
	int64_t keys_from_us;
	struct journal_health sealed;
	struct survey_damage *damage; /* owned */
	size_t damage_n;
	size_t mendable;	 /* of these */
	size_t unknown;		 /* of these, neither mendable nor set aside */
	uint64_t lost;		 /* records, all damage together */
	struct journal *journal; /* open while it is read */
};

/* What to read of it. */
struct survey_options {
	int64_t window_us; /* of the keys; 0: the default */
	bool deep;	   /* unpack every record, else only those of segments; kinds need it */
};

/* *survey is set also when this fails, and released in any case. */
NODISCARD bool survey_read(struct survey *survey, struct peek *peek,
			   const struct survey_options *options, struct err *err);
void survey_release(struct survey *survey);

/* Add what an open told. */
void survey_note(struct survey *survey, const struct journal_damage *damage);
/*
 * Say what is wrong, and which command helps. False when something is: mendable damage, too, since
 * there is a reason for it.
 */
NODISCARD bool survey_judge(const struct survey *survey, struct err *err);
/* What is damaged, a line each. */
void survey_print_damage(const struct survey *survey);
/* Members of the object that is open in w. */
void survey_put_damage(const struct survey *survey, struct json_w *w);
void survey_put_stat(const struct survey *survey, struct json_w *w);
const char *survey_kind(enum record_kind kind);

#endif
