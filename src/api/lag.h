/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_LAG_H
#define API_LAG_H

#include "base/base.h"

/*
 * Whether the rules keep up with the log. Who is too far behind, in records or in the time of the
 * log, gets no new events until half of that is made up for, so that refusing and taking do not
 * alternate with each event. Loop thread.
 */
#define ENGINE_LAG_RECORDS_MAX UINT64_C(5000000) /* some seconds of work: seen in a restart, too */
#define ENGINE_LAG_US_MAX INT64_C(60000000)	 /* later than this an alert is no alarm any more */

/* Zero takes the default. */
struct lag_gate {
	uint64_t records_max;
	int64_t us_max;
	bool closed;
};

/*
 * applied and stored are the numbers of the last records that rules have seen and that the log
 * has; lag_us is how far they are behind in time. True: take nothing more for now.
 */
bool lag_gate_closed(struct lag_gate *gate, uint64_t applied, uint64_t stored, int64_t lag_us);

#endif
