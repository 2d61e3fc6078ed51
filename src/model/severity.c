/* SPDX-License-Identifier: Apache-2.0 */
/* The words of syslog, loggers, pagers and monitoring systems, mapped to six of ours. */
#include "model/severity.h"

const char *const severity_names[] = { "debug", "info", "low", "medium", "high", "critical", NULL };
static_assert(ARRAY_LEN(severity_names) == SEVERITIES, "every severity has a name");

static const struct {
	const char *text;
	enum severity severity;
} spellings[] = {
	{ "debug", SEVERITY_DEBUG },
	{ "fine", SEVERITY_DEBUG },
	{ "trace", SEVERITY_DEBUG },
	{ "verbose", SEVERITY_DEBUG },
	{ "info", SEVERITY_INFO },
	{ "information", SEVERITY_INFO },
	{ "informational", SEVERITY_INFO },
	{ "log", SEVERITY_INFO },
	{ "notice", SEVERITY_INFO },
	{ "ok", SEVERITY_INFO },
	{ "p5", SEVERITY_INFO },
	{ "low", SEVERITY_LOW },
	{ "minor", SEVERITY_LOW },
	{ "p4", SEVERITY_LOW },
	{ "average", SEVERITY_MEDIUM },
	{ "med", SEVERITY_MEDIUM },
	{ "medium", SEVERITY_MEDIUM },
	{ "moderate", SEVERITY_MEDIUM },
	{ "p3", SEVERITY_MEDIUM },
	{ "warn", SEVERITY_MEDIUM },
	{ "warning", SEVERITY_MEDIUM },
	{ "err", SEVERITY_HIGH },
	{ "error", SEVERITY_HIGH },
	{ "high", SEVERITY_HIGH },
	{ "major", SEVERITY_HIGH },
	{ "p2", SEVERITY_HIGH },
	{ "severe", SEVERITY_HIGH },
	{ "alert", SEVERITY_CRITICAL },
	{ "crit", SEVERITY_CRITICAL },
	{ "critical", SEVERITY_CRITICAL },
	{ "disaster", SEVERITY_CRITICAL },
	{ "emerg", SEVERITY_CRITICAL },
	{ "emergency", SEVERITY_CRITICAL },
	{ "fatal", SEVERITY_CRITICAL },
	{ "p1", SEVERITY_CRITICAL },
	{ "panic", SEVERITY_CRITICAL },
};

struct slice severity_name(enum severity severity)
{
	ensure(severity < SEVERITIES);
	return severity == SEVERITY_NONE ? S("") : slice_of(severity_names[severity - 1]);
}

enum severity severity_parse(struct slice text)
{
	for (size_t i = 0; i < ARRAY_LEN(spellings); i++) {
		if (slice_eq_nocase(text, slice_of(spellings[i].text))) {
			return spellings[i].severity;
		}
	}
	return SEVERITY_NONE;
}
