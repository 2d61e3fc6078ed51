/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_START_H
#define CMD_START_H

#include "journal/journal.h"

/*
 * Each start of a server is in the log: how long nobody was there, so that our own downtime never
 * reads as somebody's silence, and which built-in rules the program has (model/builtin.h), so that
 * a replay has them from here on. The thread of the journal; blocks for the flush.
 */
NODISCARD bool start_append(struct journal *journal, struct arena *boot, struct err *err);

#endif
