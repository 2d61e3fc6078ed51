/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_RULE_DEF_H
#define MODEL_RULE_DEF_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "model/event.h"
#include "model/id.h"

/*
 * What a rule is, as people write it: which events, how many in how long, for whom apart, how
 * quiet afterwards, who is told. doc/rules.md has the meaning of each member. A definition never
 * changes; an edit makes the next version. Pure; any thread.
 */
#define RULE_NAME_CHARS_MAX 255
#define RULE_THRESHOLD_MAX 100000     /* a key keeps this many times of 8 bytes */
#define RULE_WINDOW_SECONDS_MAX 86400 /* bounds what a restart or an edit has to read again */
#define RULE_COOLDOWN_SECONDS_MAX 86400
#define RULE_COOLDOWN_SECONDS_DEFAULT 60
#define RULE_GROUP_BY_MAX 4 /* more would be a key per event */
#define RULE_PATH_BYTES_MAX 200
#define RULE_PATH_SEGMENTS_MAX 8 /* the first one names the part of the event */
#define RULE_ACTIONS_MAX 10
#define RULE_ACTION_CONFIG_BYTES_MAX \
	((size_t)8 << 10)		       /* ten of them stay far below a control record */
#define RULE_DEF_BYTES_MAX ((size_t)128 << 10) /* canonical JSON: all of the above, escaped */

enum rule_condition { RULE_COUNT_GTE, RULE_COUNT_GT, RULE_COUNT_EQ, RULE_CONDITIONS };

/* Where a groupBy path starts. */
enum rule_root {
	RULE_ROOT_TYPE,
	RULE_ROOT_KIND,
	RULE_ROOT_SEVERITY,
	RULE_ROOT_SOURCE,
	RULE_ROOT_ENVIRONMENT,
	RULE_ROOT_FINGERPRINT,
	RULE_ROOT_TAGS,	   /* one name, which may hold dots */
	RULE_ROOT_PAYLOAD, /* names of members, or numbers of items */
	RULE_ROOTS
};
struct rule_path {
	struct slice text; /* "payload.user.id" */
	enum rule_root root;
	uint32_t segments_n; /* behind the root */
	struct slice segments[RULE_PATH_SEGMENTS_MAX - 1];
};

struct rule_action {
	struct slice channel;
	struct slice config; /* raw JSON object, no white space */
};

struct rule_def {
	struct rule_id id;
	struct org_id org;
	struct project_id project;
	uint64_t version; /* from 1 */
	bool builtin;	  /* an org's instance of one of model/builtin.h */
	struct slice name;
	struct slice event_type; /* exact, "prefix.*" or "*" */
	enum rule_condition condition;
	uint32_t threshold;
	uint32_t window_s;
	uint32_t cooldown_s;
	enum severity severity; /* of the alerts */
	bool enabled;
	const struct rule_path *group_by;
	size_t group_by_n;
	const struct rule_action *actions;
	size_t actions_n;
};

/* What the event type of a rule asks for; all of them but the server's own (event.h). */
enum rule_match { RULE_MATCH_EXACT, RULE_MATCH_PREFIX, RULE_MATCH_ALL };
/* *start gets the type itself, the prefix with its last dot, or "". event_type passed the check. */
enum rule_match rule_match_of(struct slice event_type, struct slice *start);
/*
 * A type as event_type_check has it; an asterisk only alone or as the last part behind a dot. NULL,
 * or what is wrong with it ("must be ..."): the check of a field row.
 */
const char *rule_event_type_check(struct slice event_type);

/* Segments are slices of text. path names the value in errors ("groupBy[0]"). */
NODISCARD bool rule_path_parse(struct slice text, const char *path, struct rule_path *out,
			       struct err *err);

/* "count_gte" ... */
struct slice rule_condition_name(enum rule_condition condition);
extern const char *const rule_condition_names[]; /* ended by NULL */

/* A deep copy in one piece of memory. */
struct rule_def *rule_def_new(const struct rule_def *def);
void rule_def_free(struct rule_def **def);

#endif
