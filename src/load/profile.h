/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOAD_PROFILE_H
#define LOAD_PROFILE_H

#include "base/buf.h"

/*
 * Made-up events to measure with. The same kind, number of projects and seed give the same bytes in
 * the same order, on every machine.
 *
 * simple: one type, about 150 bytes, as a load test that looks for the peak would send.
 *
 * mixed: what a year of a company's telemetry may look like: 28 types whose frequencies follow
 * Zipf's law, from requests, page views and metrics down to crashes with their stacks; severities,
 * environments, tags, users who come back, ids that nobody can guess; 200 bytes to 4 KiB, some 400
 * on average. Each project has services, users, hosts and releases of its own, and projects are as
 * unequal as types. Orders and payments carry an idempotency key, because such senders do.
 *
 * One thread per profile.
 */
enum profile_kind { PROFILE_SIMPLE, PROFILE_MIXED, PROFILE_KINDS };

#define PROFILE_PROJECTS_MAX 1000
#define PROFILE_EVENT_BYTES_MAX ((size_t)4 << 10)

struct profile;

/* projects is 1 to PROFILE_PROJECTS_MAX. */
struct profile *profile_new(enum profile_kind kind, unsigned projects, uint64_t seed);
void profile_free(struct profile **profile);

/* The project whose turn it is, by the share that each has of all events. */
unsigned profile_project(struct profile *profile);
/* Append the next event of that project to out: one JSON object as POST /api/v1/events takes it. */
void profile_event(struct profile *profile, unsigned project, struct buf *out);

#endif
