/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_SENTRY_H
#define ENGINE_SENTRY_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

/*
 * Our own errors in the form that a Sentry project takes: a DSN to an address, a line of the log to
 * an envelope with one event (develop.sentry.dev/sdk/data-model/envelopes). Pure; any thread.
 */
#define SENTRY_DSN_BYTES_MAX 2000
#define SENTRY_ENVELOPE_BYTES_MAX ((size_t)64 << 10) /* a report is at most a few KiB */

struct sentry_dsn {
	struct slice url;  /* where envelopes go */
	struct slice auth; /* the value of X-Sentry-Auth */
};

/*
 * SCHEME://KEY[:OLD SECRET]@HOST[:PORT][/PATH]/PROJECT. ERR_INVALID says what is wrong without the
 * text itself, which is a secret.
 */
NODISCARD bool sentry_dsn_parse(struct slice text, struct arena *boot, struct sentry_dsn *out,
				struct err *err);
/* The same as a check of a row of settings: a complaint, or NULL. */
const char *sentry_dsn_check(struct slice text);

struct sentry_event {
	int64_t at_us;
	unsigned char id[16];
	const char *name;    /* of the log line */
	struct slice fields; /* a JSON object */
	uint64_t dropped;    /* lines before this one that were not reported */
};
/* Append the envelope. */
void sentry_envelope(const struct sentry_event *event, struct buf *out);

#endif
