/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_LAG_H
#define API_LAG_H

#include "base/base.h"

/*
 * Whether the rules keep up with the log. Who is too far behind, in records, in the time of the
 * log, or in the time that it takes to make up for it, gets no new events until half of that is
 * done, so that refusing and taking do not alternate with each event. Loop thread.
 */
#define ENGINE_LAG_RECORDS_MAX UINT64_C(5000000) /* some seconds of work: seen in a restart, too */
#define ENGINE_LAG_US_MAX INT64_C(60000000)	 /* later than this an alert is no alarm any more */
#define ENGINE_MAKE_UP_US_MAX INT64_C(20000000) /* too much load is forgotten half a minute later */

#define LAG_STEP_US_MAX INT64_C(1000000) /* between two looks; who slept longer was not busy */
/* Rules that are so far behind had something to do all the time: then their speed can be told. */
#define LAG_BUSY_US INT64_C(1000000)
#define LAG_MEASURE_US_MIN INT64_C(1000000)
#define LAG_MEASURE_US_MAX \
	INT64_C(5000000) /* who looks less often does not know what was between */

/* Zero takes the default. */
struct lag_gate {
	uint64_t records_max;
	int64_t us_max;
	int64_t busy_us; /* how long the rules have had something to do, as far as was seen */
	int64_t seen_us; /* monotonic */
	/*
	 * The speed of the rules: since when and which record it is being measured, and the last.
	 */
	int64_t mark_us; /* 0: it is not */
	uint64_t mark;
	double per_us; /* 0: not known */
	bool closed;
};

/* How far the rules are behind at one moment. */
struct lag {
	uint64_t records;
	uint64_t applied; /* the number of the last that is not among them */
	int64_t since_us; /* when the oldest one was received; INT64_MAX: there is none */
	int64_t last_us;  /* when the newest record of the log was */
};

/*
 * True: take nothing more for now. The time they are behind is at most the time they have been
 * busy: an outage, a machine that slept and a clock that was set are not theirs to make up for.
 * mono_us is now.
 */
bool lag_gate_closed(struct lag_gate *gate, const struct lag *lag, int64_t mono_us);

#endif
