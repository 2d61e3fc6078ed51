/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_ID_H
#define MODEL_ID_H

#include "base/hash.h"
#include "base/slice.h"

/*
 * Identities. Each is a type of its own, so that the compiler tells an org from a project. 0 is
 * "none" everywhere. Configuration objects and people (org, project, key, rule, user, session,
 * invite, audit entry) have random 63-bit numbers; things born from the log (event, alert,
 * delivery) have dense numbers that never leave the process in the clear.
 *
 * Public texts are a prefix and Crockford base 32:
 *   org_ prj_ key_ rul_ usr_ ses_ inv_ aud_
 *                         13 digits of the random number
 *   evt_ alr_ dlv_        26 digits of 128 bits: 48 bits of milliseconds, then 80 bits of partition
 *                         and number enciphered by a small keyed permutation. They sort by time,
 *                         find their record without an index, and tell nobody how many there are.
 */
struct org_id {
	uint64_t v;
};
struct project_id {
	uint64_t v;
};
struct key_id {
	uint64_t v;
};
struct rule_id {
	uint64_t v;
};
struct user_id {
	uint64_t v;
};
struct session_id {
	uint64_t v;
};
struct invite_id {
	uint64_t v;
};
struct audit_id {
	uint64_t v;
};
struct alert_id {
	uint64_t v;
};
struct delivery_id {
	uint64_t v;
};

/*
 * What stands in the place of a key where somebody who was logged in sent an event: it came from
 * outside, and counts. A random number is never this one, as good as.
 */
#define KEY_OF_PEOPLE ((struct key_id) { 1 })

/* The numbers of those of the log are part of their public texts: they stay. */
enum id_kind {
	ID_ORG,
	ID_PROJECT,
	ID_KEY,
	ID_RULE,
	ID_EVENT,
	ID_ALERT,
	ID_DELIVERY,
	ID_USER,
	ID_SESSION,
	ID_INVITE,
	ID_AUDIT,
	ID_KINDS
};
/* Whether things of this kind are born from the log. */
static inline bool id_of_log(enum id_kind kind)
{
	return kind >= ID_EVENT && kind <= ID_DELIVERY;
}

/* A public text, terminated. */
struct id_text {
	char p[32];
};

/* A fresh random number in [1, 2^63). Any thread. */
uint64_t id_random(void);
/* For kinds that are not of the log. */
struct id_text id_format(enum id_kind kind, uint64_t v);
/* Strict but for the case of letters. False when text is not an id of this kind. */
NODISCARD bool id_parse(enum id_kind kind, struct slice text, uint64_t *v);

/* What a public id of the log says: when, which partition, which number. */
struct log_id {
	int64_t at_ms;
	uint16_t partition;
	uint64_t number;
};
/* For kinds of the log. The kind is part of the permutation: not only prefixes differ. */
struct id_text log_id_format(const struct hash_key *cipher, enum id_kind kind, struct log_id id);
/* False when text is not one of this kind; a forged text may parse to any number. */
NODISCARD bool log_id_parse(const struct hash_key *cipher, enum id_kind kind, struct slice text,
			    struct log_id *id);

#endif
