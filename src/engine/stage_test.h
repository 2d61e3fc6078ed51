/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_STAGE_TEST_H
#define ENGINE_STAGE_TEST_H

#include "base/queue.h"
#include "engine/engine.h"
#include "model/builtin.h"
#include "journal/bed_test.h"

/*
 * For tests: one real log, and any number of homes beside it. A home is what an engine keeps: a
 * SQLite file and a folder of snapshots. Engines of several homes read the same log, so what they
 * decide can be compared to the last byte. The log belongs to the test's thread.
 */
struct stage {
	struct bed bed;
	struct metrics *metrics;
	struct waiters *waiters;
	struct arena arena;
	uint64_t rules_max; /* what control records that put a rule say of the plan */
	const char *once;   /* the key of their requests, 64 hex digits; NULL: they had none */
	const char *audit;  /* the action they tell the audit log of; NULL: of none */
};

struct home {
	struct stage *stage;
	char dir[64];
	char snapshots[96]; /* dir/snapshots */
	struct store *store;
	struct engine *engine;
	struct engine_options options; /* what a test may set before home_open */
	void (*on_news)(struct home *home);
	void *arg;
	int failed; /* atomic: enum err_kind of the failure */
};

#define STAGE_ORG ((struct org_id) { 1 })
#define STAGE_PROJECT ((struct project_id) { 2 })

/*
 * By how many microseconds both clocks of this process are ahead, to be moved at will; once per
 * process.
 */
int64_t *stage_clock(void);
/* The same for a test with one thread: this much further. */
void stage_move_clock(int64_t us);

void stage_init(struct stage *stage);
void stage_release(struct stage *stage);
/* Store one event of the type; payload is a JSON object. Returns its number. */
uint64_t stage_event(struct stage *stage, const char *type, const char *payload);
/* n events of the type in few flushes, with users u0, u1 ... in turn. Returns the last one. */
uint64_t stage_events(struct stage *stage, const char *type, size_t n, size_t users);
/* Store a control record that puts a rule; json is the rule as people write it. */
uint64_t stage_rule(struct stage *stage, uint64_t id, uint64_t expect, const char *json);
uint64_t stage_rule_of(struct stage *stage, struct org_id org, uint64_t id, uint64_t expect,
		       const char *json);
uint64_t stage_rule_delete(struct stage *stage, struct org_id org, uint64_t id, uint64_t expect);
/* Store the deletion of all events of the org's project so far. */
uint64_t stage_delete_events(struct stage *stage, struct org_id org);
/* Store that the org is gone. */
uint64_t stage_purge_org(struct stage *stage, struct org_id org);
/* Store a tick or a start; returns its number. */
uint64_t stage_mark(struct stage *stage, enum record_kind kind);
/* The start of a server with this table of built-in rules. */
uint64_t stage_start(struct stage *stage, uint64_t table);
/* An event of the server itself, which tells what is named name. */
uint64_t stage_system(struct stage *stage, struct org_id org, const char *type, const char *name,
		      const char *payload);
/* Change a built-in rule of STAGE_ORG; json is all of it. */
uint64_t stage_builtin(struct stage *stage, enum builtin which, uint64_t expect, const char *json);
/* Let the log's time pass. */
void stage_pass(struct stage *stage, int64_t us);

/* A home of its own, or one that is a copy of another as it is on disk at this moment. */
void home_init(struct home *home, struct stage *stage);
void home_copy(struct home *home, const struct home *from);
void home_release(struct home *home);
/* Open store and engine; false as engine_open says. */
NODISCARD bool home_open(struct home *home, struct err *err);
/* Wait until the engine has applied everything; false when it failed instead. */
bool home_drain(struct home *home);
void home_close(struct home *home);
/* Open, drain, close: must all go well. */
void home_run(struct home *home);
/* What a kill -9 right after each of the first commits, up to max, would leave of a home. */
#define IMAGES_MAX 40
struct images {
	struct home homes[IMAGES_MAX];
	size_t n;
	size_t max; /* at most IMAGES_MAX */
};
/* A log and one home for it. */
void scene_begin(struct stage *stage, struct home *home);
void scene_end(struct stage *stage, struct home *home);
/* Open the home, start its engine, and take images of it from then on; they outlive it. */
void images_begin(struct images *images, size_t max, struct home *home);
/* Run each image to the end of the log: it must come to the same as whole. Releases it. */
void images_same(struct images *images, struct home *whole);
/* All that the engine has decided, as text; the home is closed. */
void home_dump(struct home *home, struct buf *out);
/* Both homes hold the same. */
void home_same(struct home *a, struct home *b);
/* What one number of SQL says about a closed or open home. */
int64_t home_number(struct home *home, const char *sql);
/* Change the state behind the engine's back. */
void home_sql(struct home *home, const char *sql);
/* The path of a file in the home, in a static buffer. */
const char *home_path(const struct home *home, const char *name);
/* Names of its snapshots, newest first; how many. */
size_t home_snapshots(const struct home *home, char names[][32], size_t max);

#endif
