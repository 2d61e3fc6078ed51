/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULE_KEY_H
#define RULE_KEY_H

#include "base/arena.h"
#include "base/buf.h"
#include "model/rule_def.h"

/*
 * The group that an event belongs to, as bytes: equal for equal values, different for different
 * ones. A single path gives base/json.h's key of its value, several give each one's length and key.
 * What has no value is null. A key over WINDOW_KEY_BYTES_MAX is replaced by "h" and 128 bits of its
 * SHA-256 in hex. Pure.
 */
#define RULE_KEY_SCRATCH_BYTES_MAX \
	((size_t)2 << 20) /* four paths that all name the whole payload */

/* The key is in scratch, which is cut before. No paths: the empty key. */
struct slice rule_key(const struct rule_path *paths, size_t n, const struct event *event,
		      struct buf *scratch);
/* For people: {"payload.user":"u1","severity":null}, values as they are in this event. */
struct slice rule_key_group(const struct rule_path *paths, size_t n, const struct event *event,
			    struct arena *tick);

#endif
