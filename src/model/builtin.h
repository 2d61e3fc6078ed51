/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_BUILTIN_H
#define MODEL_BUILTIN_H

#include "model/rule_def.h"

/*
 * The rules that every org has without making them: each takes one kind of the server's own events
 * (doc/system-events.md) and tells the org of it. What they are, until an org changes them, follows
 * from this table, so an org that never heard of one has no row and no memory for it. Pure; any
 * thread.
 *
 * The table decides what a log leads to. So it has a number, and each start of a server writes it
 * into the log: records before that are under an older table, or under none. Whoever changes a row
 * or adds one gives the table the next number, and keeps what it was under the earlier ones.
 */
#define BUILTIN_TABLE 1

enum builtin {
	BUILTIN_USAGE_80,
	BUILTIN_USAGE_100,
	BUILTIN_DEAD_LETTERS,
	BUILTIN_SOURCE_SILENT,
	BUILTIN_SOURCE_BACK,
	BUILTIN_PAYMENT_FAILED,
	BUILTIN_QUARANTINE,
	BUILTINS
};

/* Types of the server's own events. */
#define SYSTEM_USAGE_80 EVENT_SYSTEM_PREFIX "usage.80"
#define SYSTEM_USAGE_100 EVENT_SYSTEM_PREFIX "usage.100"
#define SYSTEM_DEAD_LETTER EVENT_SYSTEM_PREFIX "dead_letter"
#define SYSTEM_SOURCE_SILENT EVENT_SYSTEM_PREFIX "source.silent"
#define SYSTEM_SOURCE_BACK EVENT_SYSTEM_PREFIX "source.back"
#define SYSTEM_PAYMENT_FAILED EVENT_SYSTEM_PREFIX "payment_failed"
#define SYSTEM_QUARANTINED EVENT_SYSTEM_PREFIX "record_quarantined"

/* "usage_80": what it is called in paths, control records and the store. */
const char *builtin_word(enum builtin which);
extern const char *const builtin_words[]; /* ended by NULL */
NODISCARD bool builtin_parse(struct slice word, enum builtin *which);
/* Which of them takes events of this type; false: none does. */
NODISCARD bool builtin_for(struct slice event_type, enum builtin *which);
/* How bad an event of this type is; SEVERITY_NONE: it is none of ours. */
enum severity builtin_severity(struct slice event_type);

/* The id of an org's own instance: always the same, and no other rule's. */
struct rule_id builtin_id(const struct hash_key *key, struct org_id org, enum builtin which);
/* What holds for an org that has changed nothing: version 1. Borrows from constants alone. */
struct rule_def builtin_def(const struct hash_key *key, struct org_id org,
			    struct project_id project, enum builtin which);

#endif
