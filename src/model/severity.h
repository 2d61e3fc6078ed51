/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_SEVERITY_H
#define MODEL_SEVERITY_H

#include "base/slice.h"

/*
 * How bad it is, least first, so that severities compare as numbers. Others spell them in many
 * ways; one table holds every spelling. Pure; any thread. The numbers are stored: they stay.
 */
enum severity {
	SEVERITY_NONE, /* not said */
	SEVERITY_DEBUG,
	SEVERITY_INFO,
	SEVERITY_LOW,
	SEVERITY_MEDIUM,
	SEVERITY_HIGH,
	SEVERITY_CRITICAL,
	SEVERITIES
};

/* Our own word, "" for SEVERITY_NONE. */
struct slice severity_name(enum severity severity);
/* Our own words in order, ended by NULL: for field tables and documents. */
extern const char *const severity_names[];
/* Any known spelling, in any case; SEVERITY_NONE when there is none like it. */
enum severity severity_parse(struct slice text);

#endif
