/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_SOURCES_H
#define ENGINE_SOURCES_H

#include "model/id.h"

/*
 * Who sends regularly, and who has stopped. A source is a project: whatever its keys send. One that
 * sent something in each of 24 hours is expected to go on; it is silent when nothing came for an
 * hour, or for twice its own longest gap in those hours, whichever is longer. So what reports once
 * an hour, a minute late today, is not silent, and what stops every evening is never expected.
 *
 * What was refused was sent, too: a full disk here is no silence there. Silence is counted by the
 * monotonic clock of this process, from its start at the earliest: our downtime, a machine that
 * slept and a clock that was set are nobody's silence. After a start the gaps of earlier hours are
 * not known and taken for an hour.
 *
 * Decides, and does nothing. About 100 bytes a project. One thread at a time.
 */
#define SOURCE_HOURS 24
#define SOURCE_HOURS_KEPT 72 /* what is quiet for longer is expected no more */
#define SOURCE_QUIET_US (3600 * INT64_C(1000000))
#define SOURCE_HOUR_US (3600 * INT64_C(1000000))

struct sources;

/* A source and the last hour in which it sent anything: that names its silence. */
struct silence {
	struct org_id org;
	struct project_id project;
	int64_t hour;	 /* hours since 1970 */
	int64_t last_us; /* wall; to a minute, or, from before the start, an hour */
	int64_t quiet_us;
};

struct sources *sources_new(int64_t mono_us);
void sources_free(struct sources **s);
/* Nobody could send anything from from_us to to_us: hours that lie in there count as sent in. */
void sources_set_outage(struct sources *s, int64_t from_us, int64_t to_us);
/* From before the start: it sent something in the hour that begins at hour_us. Any order. */
void sources_load(struct sources *s, struct org_id org, struct project_id project, int64_t hour_us);
/*
 * It sent something at at_us (wall), which is now, or was a second ago. True when it may have been
 * told of as silent: *over is what has ended.
 */
NODISCARD bool sources_note(struct sources *s, struct org_id org, struct project_id project,
			    int64_t at_us, int64_t mono_us, struct silence *over);
/*
 * Look at the next so many sources: those that are silent since the last look at them, at most max.
 * What has not sent anything for days is forgotten.
 */
size_t sources_judge(struct sources *s, int64_t wall_us, int64_t mono_us, size_t look,
		     struct silence *out, size_t max);
/* It could not be told: find it again. */
void sources_judge_again(struct sources *s, const struct silence *silence);
size_t sources_count(const struct sources *s);

#endif
