/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_AUDIT_H
#define MODEL_AUDIT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/json.h"
#include "model/id.h"

/*
 * The audit log: who changed what, when, and from where. Each org has a chain of its own, and the
 * installation has one for what belongs to no org. Entries of a chain are numbered from 1 without
 * gaps, and the hash of each covers the hash before it, so that a chain in which something was
 * changed, removed, swapped or cut off does not check any more. See doc/audit.md for the encoding,
 * which others can compute, too. Pure; any thread.
 *
 * What tells of a person can be taken out again, and the chain still checks: the hash does not
 * cover those texts but their marks. A mark is the hash of the texts behind a random salt, which
 * goes with them, so that nobody finds out by guessing what stood there.
 */
enum audit_action {
	AUDIT_NONE, /* no action: nothing to tell */
#define X(id, word, doc) AUDIT_##id,
#include "model/audit.def"
#undef X
	AUDIT_ACTIONS
};
extern const char *const audit_words[]; /* by action, from 1; ended by NULL, "" for AUDIT_NONE */
const char *audit_word(enum audit_action action);
const char *audit_help(enum audit_action action);
/* AUDIT_NONE when there is no such word. */
enum audit_action audit_parse(struct slice word);

/* Who did it. */
enum audit_actor {
	AUDIT_BY_SYSTEM,   /* the server itself */
	AUDIT_BY_OPERATOR, /* who runs the server: a command, or the socket in the data directory */
	AUDIT_BY_USER,
	AUDIT_BY_KEY,
	AUDIT_BY_ANYONE, /* nobody who is known: a failed login, the first key */
	AUDIT_ACTORS
};
extern const char *const audit_actor_words[]; /* by actor, ended by NULL */

/* What it was done to. */
#define AUDIT_TARGETS_ALL(X) \
	X(ORG, "org") \
	X(PROJECT, "project") \
	X(KEY, "key") \
	X(RULE, "rule") \
	X(EVENT, "event") \
	X(DELIVERY, "delivery") \
	X(USER, "user") \
	X(SESSION, "session") \
	X(INVITE, "invite") \
	X(CHANNEL, "channel") \
	X(PLAN, "plan") \
	X(SUBSCRIPTION, "subscription") \
	X(JOURNAL, "journal") \
	X(STATE, "state") \
	X(AUDIT, "audit")
enum audit_target {
	AUDIT_ON_NOTHING,
#define AUDIT_ROW(id, word) AUDIT_ON_##id,
	AUDIT_TARGETS_ALL(AUDIT_ROW)
#undef AUDIT_ROW
		AUDIT_TARGETS
};
extern const char *const audit_target_words[]; /* by target, "" for nothing; ended by NULL */

#define AUDIT_HASH_CHARS ((size_t)2 * SHA256_BYTES)
#define AUDIT_NAME_BYTES_MAX ((size_t)1024) /* a name of 255 characters */
#define AUDIT_AGENT_BYTES_MAX ((size_t)256) /* what tells clients apart stands in front */
#define AUDIT_REQUEST_BYTES_MAX ((size_t)128)
#define AUDIT_VALUE_BYTES_MAX \
	((size_t)4 << 10) /* of one member; a longer one is told by its hash */
#define AUDIT_FIELDS_BYTES_MAX ((size_t)32 << 10) /* of before, and of after */

/*
 * One entry. Words are texts here, so that an entry of a newer program can be read and checked,
 * too. Texts may be empty where there is nothing to say.
 */
struct audit_entry {
	struct org_id org;  /* 0: the installation */
	uint64_t number;    /* in its chain */
	struct audit_id id; /* as people know it */
	int64_t at_us;
	struct slice actor;    /* a word of audit_actor_words */
	struct slice actor_id; /* the public id of a user or key */
	struct slice actor_name;
	struct slice action; /* a word of audit_words */
	struct slice target; /* a word of audit_target_words */
	struct slice target_id;
	struct slice target_name;
	struct slice before; /* a JSON object with what was changed: as it was, and as it is now */
	struct slice after;
	struct slice address;  /* of the client */
	struct slice agent;    /* User-Agent */
	struct slice request;  /* X-Request-Id */
	struct slice previous; /* hash of the entry before it, 64 hex digits; of the first: empty */
	struct slice hash;
	/* Without a salt the texts were taken out; without a mark the hash covers them itself. */
	struct slice actor_salt, actor_mark;   /* of actor_name, address, agent */
	struct slice target_salt, target_mark; /* of target_name, before, after */
};

/* A copy whose texts are in the arena. */
struct audit_entry audit_copy(const struct audit_entry *e, struct arena *arena);
/* Mark its texts, with salts that nobody knows. The marks are in the arena, the salts borrowed. */
#define AUDIT_SALT_CHARS 32
void audit_mark(struct audit_entry *e, struct slice actor_salt, struct slice target_salt,
		struct arena *arena);
/* Whether hash and marks are those of its content. */
bool audit_is_whole(const struct audit_entry *e);
/* The hash of an entry from all its members but hash. */
struct audit_hash {
	char p[AUDIT_HASH_CHARS];
};
struct audit_hash audit_hash(const struct audit_entry *e);
/* The bytes it is made of: netstrings in the order of doc/audit.md. */
void audit_encode(const struct audit_entry *e, struct buf *out);

/* The whole entry as JSON: what the API shows, and the line of an export. */
void audit_write(const struct audit_entry *e, struct json_w *w);
/* A line of a table with the same columns, and the line of their names. */
void audit_csv(const struct audit_entry *e, struct buf *out);
void audit_csv_head(struct buf *out);
/*
 * What a control record carries of an entry to come, as JSON: who, what, target, before, after and
 * from where; what is empty is left out.
 */
void audit_carry(const struct audit_entry *e, struct json_w *w);
/* Read what audit_carry wrote. ERR_CORRUPT for anything else. Borrows from obj. */
NODISCARD bool audit_read(const struct json *obj, struct audit_entry *out, struct err *err);

/*
 * What two JSON objects of one thing differ in: before and after with the differing members alone.
 * shown (ended by NULL; NULL: all) says which members may be seen at all: a secret is in no such
 * list. One of the two may be empty: what was made has no before. Values over
 * AUDIT_VALUE_BYTES_MAX become {"bytes":n,"sha256":"..."}. ERR_MALFORMED when one is no object.
 */
NODISCARD bool audit_diff(struct slice old, struct slice new, const char *const *shown,
			  struct arena *req, struct slice *before, struct slice *after,
			  struct err *err);

/* Where a chain ends. */
struct audit_head {
	uint64_t number;   /* of the newest entry; 0: there was none yet */
	struct slice hash; /* its hash */
};

/* What is wrong with a chain. from and to are numbers of entries. */
enum audit_fault_kind {
	AUDIT_CHANGED,	/* from: its hash is not that of its content */
	AUDIT_SWAPPED,	/* from and to have changed places */
	AUDIT_MISSING,	/* from..to are not there */
	AUDIT_UNLINKED, /* from: it does not follow the one before it: one of them was replaced */
	AUDIT_CUT,	/* from..to are not there, and nothing behind them */
	AUDIT_BEYOND,	/* from..to are behind the end that was noted */
	AUDIT_REPLACED, /* from: it is the end, but not the one that was noted */
	AUDIT_UNLIKE,	/* from: it does not have the hash that was expected of it */
	AUDIT_EMPTIED,	/* from: somebody was taken out who is not gone; said by who can look */
};
struct audit_fault {
	enum audit_fault_kind kind;
	uint64_t from, to;
};
/* "entry 17 was changed" */
struct slice audit_fault_text(const struct audit_fault *fault, struct arena *tick);
typedef void audit_fault_fn(void *arg, const struct audit_fault *fault);

/*
 * A walk along a chain: each entry in the order of numbers, then the end. Tells every fault once,
 * though those of changed entries only at the end.
 */
#define AUDIT_ODD_MAX 16 /* changed entries that are kept to find out who swapped with whom */
struct audit_check {
	struct org_id org;
	struct audit_head head;
	uint64_t expect;	  /* the number of an entry that somebody knows; 0: of none */
	struct slice expect_hash; /* its hash */
	audit_fault_fn *fault;
	void *arg;
	uint64_t n;	 /* entries seen */
	uint64_t faults; /* told */
	uint64_t last;	 /* the number of the entry before */
	struct audit_hash last_hash;
	bool last_odd;
	struct arena keep;
	struct audit_entry odd[AUDIT_ODD_MAX];
	size_t odd_n;
};
/* Zeroed but for head, expect and fault; head's texts live as long. */
void audit_check_init(struct audit_check *c);
void audit_check_entry(struct audit_check *c, const struct audit_entry *e);
/* True when there was no fault. */
bool audit_check_end(struct audit_check *c);
void audit_check_release(struct audit_check *c);

#endif
