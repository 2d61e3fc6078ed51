/* SPDX-License-Identifier: Apache-2.0 */
/* Names of outcomes, and which one a refusal is. */
#include "model/outcome.h"

const char *const outcome_names[] = {
#define X(id, name, doc) [OUTCOME_##id] = (name),
#include "model/outcome.def"
#undef X
	[OUTCOMES] = NULL
};

enum event_outcome outcome_of(enum err_kind kind)
{
	static const enum event_outcome by_kind[ERR_KINDS] = {
		[ERR_IDEMPOTENCY] = OUTCOME_CONFLICT,
		[ERR_TOO_LARGE] = OUTCOME_TOO_LARGE,
		[ERR_UNAUTHORIZED] = OUTCOME_UNAUTHORIZED,
		[ERR_FORBIDDEN] = OUTCOME_UNAUTHORIZED,
		[ERR_RATE] = OUTCOME_RATE_LIMITED,
		[ERR_LIMIT] = OUTCOME_QUOTA,
		[ERR_QUOTA] = OUTCOME_QUOTA,
		[ERR_OVERLOADED] = OUTCOME_OVERLOADED,
		[ERR_ENGINE_LAG] = OUTCOME_ENGINE_LAG,
		[ERR_SHUTTING_DOWN] = OUTCOME_SHUTTING_DOWN,
		[ERR_DISK_FULL] = OUTCOME_DISK_FULL,
		[ERR_IO] = OUTCOME_IO_ERROR,
		[ERR_CORRUPT] = OUTCOME_IO_ERROR,
		[ERR_INTERNAL] = OUTCOME_IO_ERROR,
	};

	return by_kind[kind] == OUTCOME_RECEIVED ? OUTCOME_INVALID : by_kind[kind];
}
