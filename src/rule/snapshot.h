/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULE_SNAPSHOT_H
#define RULE_SNAPSHOT_H

#include "rule/rule_set.h"

/*
 * A rule set as bytes, so that a start need not read a day of the log: every rule in force with its
 * definition, its start, its open alerts and its windows. A set that was loaded answers every later
 * record as the saved one would have. Which record was the last one applied is the caller's to keep
 * beside it.
 *
 * All numbers are little-endian. A header of magic, version, number of rules and time with its
 * CRC-32C, then a section a rule, by id: CRC-32C of the rest, length, content. Nothing follows.
 * Engine thread; never blocks but in write.
 */
#define RULE_SNAPSHOT_VERSION 2

/* Takes the next part. False ends the saving with its err. */
typedef bool rule_snapshot_write(void *arg, struct slice part, struct err *err);

/* Parts are one header and one section a rule. Memory: the largest section. */
NODISCARD bool rule_set_save(const struct rule_set *set, rule_snapshot_write *write, void *arg,
			     struct err *err);
/*
 * NULL with ERR_CORRUPT when saved is not exactly what rule_set_save wrote, with ERR_VERSION when
 * another version of the program wrote it: then replay from further back. seed and limits as in
 * rule_set_new; the seed may differ from the one before, the limits should not be less.
 */
struct rule_set *rule_set_load(const struct hash_key *seed, struct window_limits limits,
			       struct slice saved, struct err *err);

#endif
