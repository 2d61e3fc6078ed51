/* SPDX-License-Identifier: Apache-2.0 */
/* One row a rule. All of them tell in the app; who wants more of one sets its actions. */
#include "model/builtin.h"

#define TEXT(s) \
	{ \
		.p = (s), .n = sizeof(s) - 1 \
	}
#define AT_ONCE .threshold = 1, .window_s = 3600, .cooldown_s = 0

struct row {
	struct slice name;
	struct slice event_type;
	uint32_t threshold, window_s, cooldown_s;
	enum severity severity;
	bool by_project; /* projects are counted apart */
};

const char *const builtin_words[] = {
	[BUILTIN_USAGE_80] = "usage_80",	 [BUILTIN_USAGE_100] = "usage_100",
	[BUILTIN_DEAD_LETTERS] = "dead_letters", [BUILTIN_SOURCE_SILENT] = "source_silent",
	[BUILTIN_SOURCE_BACK] = "source_back",	 [BUILTIN_PAYMENT_FAILED] = "payment_failed",
	[BUILTIN_QUARANTINE] = "quarantine",	 [BUILTINS] = NULL,
};

static const struct row rows[BUILTINS] = {
	[BUILTIN_USAGE_80] = {
		.name = TEXT("80 % of the month's events are used"),
		.event_type = TEXT(SYSTEM_USAGE_80),
		AT_ONCE, .severity = SEVERITY_MEDIUM,
	},
	[BUILTIN_USAGE_100] = {
		.name = TEXT("The month's events are used up"),
		.event_type = TEXT(SYSTEM_USAGE_100),
		AT_ONCE, .severity = SEVERITY_HIGH,
	},
	/*
	 * One may be a typing error in an address; five in an hour are a trend, told once an hour.
	 */
	[BUILTIN_DEAD_LETTERS] = {
		.name = TEXT("Dead letters are growing"),
		.event_type = TEXT(SYSTEM_DEAD_LETTER),
		.threshold = 5, .window_s = 3600, .cooldown_s = 3600,
		.severity = SEVERITY_HIGH,
	},
	[BUILTIN_SOURCE_SILENT] = {
		.name = TEXT("A source has gone silent"),
		.event_type = TEXT(SYSTEM_SOURCE_SILENT),
		AT_ONCE, .severity = SEVERITY_HIGH, .by_project = true,
	},
	[BUILTIN_SOURCE_BACK] = {
		.name = TEXT("A silent source is back"),
		.event_type = TEXT(SYSTEM_SOURCE_BACK),
		AT_ONCE, .severity = SEVERITY_INFO, .by_project = true,
	},
	[BUILTIN_PAYMENT_FAILED] = {
		.name = TEXT("A payment has failed"),
		.event_type = TEXT(SYSTEM_PAYMENT_FAILED),
		AT_ONCE, .severity = SEVERITY_CRITICAL,
	},
	[BUILTIN_QUARANTINE] = {
		.name = TEXT("A record was quarantined"),
		.event_type = TEXT(SYSTEM_QUARANTINED),
		AT_ONCE, .severity = SEVERITY_CRITICAL,
	},
};

static const struct rule_action in_app[] = { { .channel = TEXT("in_app"), .config = TEXT("{}") } };
/* Segments are parts of the text. */
static const char project_path[] = "payload.projectId";
#define ROOT_BYTES (sizeof("payload.") - 1)
static const struct rule_path by_project[] = {
	{ .text = { project_path, sizeof(project_path) - 1 },
	  .root = RULE_ROOT_PAYLOAD,
	  .segments_n = 1,
	  .segments = { { project_path + ROOT_BYTES, sizeof(project_path) - 1 - ROOT_BYTES } } }
};

const char *builtin_word(enum builtin which)
{
	ensure((size_t)which < BUILTINS);
	return builtin_words[which];
}

bool builtin_parse(struct slice word, enum builtin *which)
{
	for (size_t i = 0; i < BUILTINS; i++) {
		if (slice_eq(word, slice_of(builtin_words[i]))) {
			*which = (enum builtin)i;
			return true;
		}
	}
	return false;
}

bool builtin_for(struct slice event_type, enum builtin *which)
{
	for (size_t i = 0; i < BUILTINS; i++) {
		if (slice_eq(event_type, rows[i].event_type)) {
			*which = (enum builtin)i;
			return true;
		}
	}
	return false;
}

enum severity builtin_severity(struct slice event_type)
{
	enum builtin which;

	return builtin_for(event_type, &which) ? rows[which].severity : SEVERITY_NONE;
}

struct rule_id builtin_id(const struct hash_key *key, struct org_id org, enum builtin which)
{
	struct {
		uint64_t org;
		char word[24]; /* not the number of a row: rows may move */
	} what = { .org = org.v };
	struct slice word = slice_of(builtin_word(which));
	uint64_t v;

	ensure(word.n < sizeof(what.word));
	memcpy(what.word, word.p, word.n);
	v = hash_sip64(key, (struct slice) { (const char *)&what, sizeof(what) }) & INT64_MAX;
	return (struct rule_id) { v != 0 ? v : 1 };
}

struct rule_def builtin_def(const struct hash_key *key, struct org_id org,
			    struct project_id project, enum builtin which)
{
	const struct row *row = &rows[which];

	ensure((size_t)which < BUILTINS);
	return (struct rule_def) {
		.id = builtin_id(key, org, which),
		.org = org,
		.project = project,
		.version = 1,
		.builtin = true,
		.name = row->name,
		.event_type = row->event_type,
		.condition = RULE_COUNT_GTE,
		.threshold = row->threshold,
		.window_s = row->window_s,
		.cooldown_s = row->cooldown_s,
		.severity = row->severity,
		.enabled = true,
		.group_by = row->by_project ? by_project : NULL,
		.group_by_n = row->by_project ? ARRAY_LEN(by_project) : 0,
		.actions = in_app,
		.actions_n = ARRAY_LEN(in_app),
	};
}
