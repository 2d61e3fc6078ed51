/* SPDX-License-Identifier: Apache-2.0 */
/* The small languages inside a rule (type patterns, groupBy paths) and copies of definitions. */
#include "model/rule_def.h"

#include <stdlib.h>

#include "base/utf8.h"

const char *const rule_condition_names[] = { "count_gte", "count_gt", "count_eq", NULL };
static_assert(ARRAY_LEN(rule_condition_names) == RULE_CONDITIONS + 1, "every condition is named");

static const char *const roots[] = {
	[RULE_ROOT_TYPE] = "type",
	[RULE_ROOT_KIND] = "kind",
	[RULE_ROOT_SEVERITY] = "severity",
	[RULE_ROOT_SOURCE] = "source",
	[RULE_ROOT_ENVIRONMENT] = "environment",
	[RULE_ROOT_FINGERPRINT] = "fingerprint",
	[RULE_ROOT_TAGS] = "tags",
	[RULE_ROOT_PAYLOAD] = "payload",
};
static_assert(ARRAY_LEN(roots) == RULE_ROOTS, "every root is named");

struct slice rule_condition_name(enum rule_condition condition)
{
	ensure(condition < RULE_CONDITIONS);
	return slice_of(rule_condition_names[condition]);
}

enum rule_match rule_match_of(struct slice event_type, struct slice *start)
{
	*start = event_type;
	if (event_type.n == 0 || event_type.p[event_type.n - 1] != '*') {
		return RULE_MATCH_EXACT;
	}
	start->n--;
	return start->n == 0 ? RULE_MATCH_ALL : RULE_MATCH_PREFIX;
}

const char *rule_event_type_check(struct slice event_type)
{
	struct slice start;
	struct err err;

	if (!event_type_check(event_type, "", &err)) {
		return "must be 1 to 255 bytes of UTF-8 without control characters";
	}
	if (slice_find(event_type, '*') < event_type.n - 1 ||
	    (rule_match_of(event_type, &start) == RULE_MATCH_PREFIX &&
	     !slice_ends(start, S(".")))) {
		return "may have \"*\" only alone or behind its last dot";
	}
	return NULL;
}

static bool has_control(struct slice text)
{
	for (size_t i = 0; i < text.n; i++) {
		if ((unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7f) {
			return true;
		}
	}
	return false;
}

static bool find_root(struct slice name, enum rule_root *root)
{
	for (*root = RULE_ROOT_TYPE; *root < RULE_ROOTS; (*root)++) {
		if (slice_eq(name, slice_of(roots[*root]))) {
			return true;
		}
	}
	return false;
}

static bool split_segments(struct slice rest, struct rule_path *out)
{
	struct slice segment;

	while (rest.n > 0) {
		bool last = slice_find(rest, '.') == rest.n;

		if (out->segments_n == ARRAY_LEN(out->segments) ||
		    !slice_split(&rest, '.', &segment) || segment.n == 0 ||
		    (!last && rest.n == 0)) {
			return false;
		}
		out->segments[out->segments_n++] = segment;
	}
	return out->segments_n > 0;
}

bool rule_path_parse(struct slice text, const char *path, struct rule_path *out, struct err *err)
{
	size_t root_n = slice_find(text, '.');
	struct slice rest = slice_from(text, root_n + 1);

	*out = (struct rule_path) { .text = text };
	if (text.n > RULE_PATH_BYTES_MAX || has_control(text) || !utf8_valid(text)) {
		return err_field(
			err, ERR_INVALID, path,
			"\"%s\" must be at most 200 bytes of UTF-8 without control characters",
			path);
	}
	if (!find_root((struct slice) { .p = text.p, .n = root_n }, &out->root)) {
		return err_field(
			err, ERR_INVALID, path,
			"\"%s\" must begin with payload., tags., or be type, kind, severity, "
			"source, environment or fingerprint",
			path);
	}
	if (out->root == RULE_ROOT_TAGS && rest.n > 0) {
		out->segments[out->segments_n++] = rest;
		return true;
	}
	if (out->root == RULE_ROOT_PAYLOAD || out->root == RULE_ROOT_TAGS) {
		return split_segments(rest, out) ||
		       err_field(err, ERR_INVALID, path,
				 "\"%s\" must name a member, with at most 8 parts between dots",
				 path);
	}
	return root_n == text.n ||
	       err_field(err, ERR_INVALID, path, "\"%s\" has nothing behind \"%s\"", path,
			 roots[out->root]);
}

/* Where the next part of a copy goes; with p == NULL only counts. */
struct room {
	char *p;
	size_t n;
};

static void *put(struct room *to, const void *from, size_t n)
{
	char *at = to->p == NULL ? NULL : to->p + to->n;

	if (at != NULL && n > 0) {
		memcpy(at, from, n);
	}
	to->n += (n + 7) & ~(size_t)7;
	return at;
}

static struct slice put_slice(struct room *to, struct slice s)
{
	return (struct slice) { .p = put(to, s.p, s.n), .n = s.n };
}

static void put_group_by(struct room *to, const struct rule_def *def, struct rule_def *copy)
{
	struct rule_path *paths = put(to, def->group_by, def->group_by_n * sizeof(*paths));

	for (size_t i = 0; i < def->group_by_n; i++) {
		struct slice text = put_slice(to, def->group_by[i].text);

		if (paths != NULL) {
			for (size_t k = 0; k < paths[i].segments_n; k++) {
				paths[i].segments[k].p = text.p +
							 (paths[i].segments[k].p - paths[i].text.p);
			}
			paths[i].text = text;
		}
	}
	copy->group_by = paths;
}

static void put_actions(struct room *to, const struct rule_def *def, struct rule_def *copy)
{
	struct rule_action *actions = put(to, def->actions, def->actions_n * sizeof(*actions));

	for (size_t i = 0; i < def->actions_n; i++) {
		struct rule_action action = {
			.channel = put_slice(to, def->actions[i].channel),
			.config = put_slice(to, def->actions[i].config),
		};

		if (actions != NULL) {
			actions[i] = action;
		}
	}
	copy->actions = actions;
}

/* All that a definition points to, behind the definition itself. */
static void put_parts(struct room *to, const struct rule_def *def, struct rule_def *copy)
{
	to->n = sizeof(*copy);
	copy->name = put_slice(to, def->name);
	copy->event_type = put_slice(to, def->event_type);
	put_group_by(to, def, copy);
	put_actions(to, def, copy);
}

struct rule_def *rule_def_new(const struct rule_def *def)
{
	struct rule_def sketch, *copy;
	struct room room = { 0 };

	put_parts(&room, def, &sketch);
	copy = mem_alloc(1, room.n);
	*copy = *def;
	room.p = (char *)copy;
	put_parts(&room, def, copy);
	return copy;
}

void rule_def_free(struct rule_def **def)
{
	free(*def);
	*def = NULL;
}
