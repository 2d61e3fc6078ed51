/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_OUTCOME_H
#define MODEL_OUTCOME_H

#include "base/err.h"

/*
 * What becomes of an event that was sent: the columns of the books. The table is outcome.def; its
 * names are stored and shown, so they stay. Pure; any thread.
 */
enum event_outcome {
#define X(id, name, doc) OUTCOME_##id,
#include "model/outcome.def"
#undef X
	OUTCOMES
};
extern const char *const outcome_names[]; /* ended by NULL */

/* What a refusal is counted as; whatever has no word of its own is the sender's fault: invalid. */
enum event_outcome outcome_of(enum err_kind kind);

#endif
