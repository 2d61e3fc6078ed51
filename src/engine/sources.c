/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A row of bits, one an hour, and beside it the longest gap that ended in each of those hours, in
 * minutes. Both move on when an hour begins in which something comes, so who is not heard costs
 * nothing.
 */
#include "engine/sources.h"

#include <stdlib.h>

#include "base/map.h"

#define ALL_HOURS ((UINT32_C(1) << SOURCE_HOURS) - 1)
#define MINUTE_US (60 * INT64_C(1000000))
#define GAP_MAX 240    /* minutes: longer ones leave an hour out anyway */
#define GAP_UNKNOWN 60 /* of an hour before the start, and around our own outage */

struct source_key {
	struct org_id org;
	struct project_id project;
};

struct source {
	struct source_key key;
	int64_t hour;		    /* the last one in which it sent anything */
	uint32_t sent;		    /* bit i: in hour - i */
	uint8_t gaps[SOURCE_HOURS]; /* by hour modulo SOURCE_HOURS; minutes */
	bool silent;		    /* and told of, since it sent last */
	bool unsure;		    /* from before the start: it may have been told of */
	int64_t last_us;	    /* wall */
	int64_t mono_us;	    /* of last_us; 0: before the start */
};

struct sources {
	struct map all;
	int64_t born_us;	    /* monotonic */
	int64_t down_hour, up_hour; /* hours from .. to .. - 1 lie in the outage */
	size_t at;		    /* where the next look goes on */
};

struct sources *sources_new(int64_t mono_us)
{
	struct sources *s = mem_alloc(1, sizeof(*s));

	map_init(&s->all);
	s->born_us = mono_us;
	return s;
}

void sources_free(struct sources **sp)
{
	struct sources *s = *sp;
	void *source;
	size_t at = 0;

	if (s == NULL) {
		return;
	}
	while ((source = map_next(&s->all, &at)) != NULL) {
		free(source);
	}
	map_release(&s->all);
	free(s);
	*sp = NULL;
}

size_t sources_count(const struct sources *s)
{
	return s->all.n;
}

void sources_set_outage(struct sources *s, int64_t from_us, int64_t to_us)
{
	s->down_hour = (from_us + SOURCE_HOUR_US - 1) / SOURCE_HOUR_US;
	s->up_hour = to_us / SOURCE_HOUR_US;
}

static struct source *find(const struct sources *s, struct org_id org, struct project_id project)
{
	struct source_key key = { org, project };

	return map_get(&s->all, MAP_KEY(key));
}

static struct source *find_or_add(struct sources *s, struct org_id org, struct project_id project,
				  int64_t hour)
{
	struct source *source = find(s, org, project);

	if (source == NULL) {
		source = mem_alloc(1, sizeof(*source));
		source->key = (struct source_key) { org, project };
		source->hour = hour;
		map_put(&s->all, MAP_KEY(source->key), source);
	}
	return source;
}

static uint8_t *gap_of(struct source *source, int64_t hour)
{
	return &source->gaps[hour % SOURCE_HOURS];
}

static void shift(struct source *source)
{
	source->hour++;
	source->sent = source->sent << 1 & ALL_HOURS;
	*gap_of(source, source->hour) = 0;
}

/* Move on to an hour; those in between were quiet, unless they lie in our own outage. */
static void move_on(const struct sources *s, struct source *source, int64_t hour)
{
	if (hour - source->hour > SOURCE_HOURS_KEPT) {
		source->hour = hour - SOURCE_HOURS_KEPT;
		source->sent = 0;
	}
	while (source->hour < hour) {
		shift(source);
		if (source->hour >= s->down_hour && source->hour < s->up_hour) {
			source->sent |= 1;
			*gap_of(source, source->hour) = GAP_UNKNOWN;
		}
	}
}

/* What is heard together may come in any order. An hour that is too long ago is no hour. */
static void mark(struct source *source, int64_t hour)
{
	if (source->hour - hour < SOURCE_HOURS) {
		source->sent |= UINT32_C(1) << (source->hour - hour);
	}
}

void sources_load(struct sources *s, struct org_id org, struct project_id project, int64_t hour_us)
{
	int64_t hour = hour_us / SOURCE_HOUR_US;
	struct source *source = find_or_add(s, org, project, hour);

	if (hour > source->hour) {
		move_on(s, source, hour);
	}
	mark(source, hour);
	if (source->hour - hour < SOURCE_HOURS) {
		*gap_of(source, hour) = GAP_UNKNOWN;
	}
	if (source->mono_us == 0) {
		source->last_us = source->hour * SOURCE_HOUR_US;
		source->unsure = true;
	}
}

static uint8_t gap_minutes(int64_t us)
{
	int64_t minutes = (us + MINUTE_US - 1) / MINUTE_US;

	return (uint8_t)(minutes < GAP_MAX ? minutes : GAP_MAX);
}

static struct silence silence_of(const struct source *source, int64_t quiet_us)
{
	return (struct silence) { .org = source->key.org,
				  .project = source->key.project,
				  .hour = source->hour,
				  .last_us = source->last_us,
				  .quiet_us = quiet_us };
}

/* How long since it was heard, as far as we could have heard it. */
static int64_t quiet_for(const struct sources *s, const struct source *source, int64_t mono_us)
{
	return mono_us - (source->mono_us != 0 ? source->mono_us : s->born_us);
}

bool sources_note(struct sources *s, struct org_id org, struct project_id project, int64_t at_us,
		  int64_t mono_us, struct silence *over)
{
	int64_t hour = at_us / SOURCE_HOUR_US;
	struct source *source = find_or_add(s, org, project, hour);
	int64_t quiet_us = quiet_for(s, source, mono_us);
	uint8_t gap = source->sent == 0 ? 0 : gap_minutes(quiet_us);
	/* Whoever was silent for an hour comes back in another one. */
	bool told = source->silent || (source->unsure && hour > source->hour);

	*over = silence_of(source, quiet_us);
	if (hour > source->hour) {
		move_on(s, source, hour);
	}
	mark(source, hour);
	if (gap > *gap_of(source, source->hour)) {
		*gap_of(source, source->hour) = gap;
	}
	source->silent = source->unsure = false;
	source->last_us = at_us;
	source->mono_us = mono_us;
	return told;
}

/* For how long it may be quiet; INT64_MAX: it was never expected to send anything. */
static int64_t patience(const struct source *source)
{
	int64_t longest = 0;

	if (source->sent != ALL_HOURS) {
		return INT64_MAX;
	}
	for (size_t i = 0; i < SOURCE_HOURS; i++) {
		longest = source->gaps[i] > longest ? source->gaps[i] : longest;
	}
	longest *= 2 * MINUTE_US;
	return longest > SOURCE_QUIET_US ? longest : SOURCE_QUIET_US;
}

static void forget(struct sources *s, struct source *source)
{
	map_del(&s->all, MAP_KEY(source->key));
	free(source);
}

size_t sources_judge(struct sources *s, int64_t wall_us, int64_t mono_us, size_t look,
		     struct silence *out, size_t max)
{
	int64_t oldest = wall_us / SOURCE_HOUR_US - SOURCE_HOURS_KEPT;
	struct source *source;
	size_t n = 0;

	for (size_t i = 0; i < look && n < max; i++) {
		int64_t quiet_us;

		source = map_next(&s->all, &s->at);
		if (source == NULL) {
			s->at = 0;
			return n;
		}
		quiet_us = quiet_for(s, source, mono_us);
		if (!source->silent && quiet_us >= patience(source)) {
			source->silent = true;
			out[n++] = silence_of(source, quiet_us);
		} else if (source->hour < oldest) {
			forget(s, source);
		}
	}
	return n;
}

void sources_judge_again(struct sources *s, const struct silence *silence)
{
	struct source *source = find(s, silence->org, silence->project);

	if (source != NULL && source->hour == silence->hour) {
		source->silent = false;
	}
}
