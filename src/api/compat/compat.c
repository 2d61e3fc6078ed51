/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What errors of earlier systems looked like: a table of members by system. They come on top of the
 * problem that every call answers, so that one reader of ours reads them all.
 */
#include "api/compat/compat.h"

#include "api/route.h"
#include "base/json_put.h"

enum member {
	MEMBER_SUCCESS = 1, /* "success": false */
	MEMBER_MESSAGE = 2,
	MEMBER_STATUS_CODE = 4,
	MEMBER_ERROR_CODE = 8,
	MEMBER_TIMESTAMP = 16,
	MEMBER_PATH = 32,
};

static const struct {
	const char *system;
	unsigned members;
} systems[] = {
	{ "SignalDesk", MEMBER_MESSAGE },
	{ "SignalOps", MEMBER_MESSAGE | MEMBER_STATUS_CODE },
	{ "PulseBoard", MEMBER_SUCCESS | MEMBER_MESSAGE },
	{ "SignalCraft", MEMBER_MESSAGE | MEMBER_STATUS_CODE | MEMBER_ERROR_CODE |
				 MEMBER_TIMESTAMP | MEMBER_PATH },
};

static unsigned members_of(const struct call *c)
{
	for (size_t i = 0; i < ARRAY_LEN(systems); i++) {
		if (c->route != NULL && c->route->older != NULL &&
		    strcmp(c->route->older, systems[i].system) == 0) {
			return systems[i].members;
		}
	}
	return 0;
}

void compat_problem(const struct call *c, const struct err_info *info, struct slice text,
		    struct json_w *w)
{
	unsigned members = members_of(c);

	if ((members & MEMBER_SUCCESS) != 0) {
		json_put_bool(w, "success", false);
	}
	if ((members & MEMBER_MESSAGE) != 0) {
		json_put_str(w, "message", text);
	}
	if ((members & MEMBER_STATUS_CODE) != 0) {
		json_put_int(w, "statusCode", info->http_status);
	}
	if ((members & MEMBER_ERROR_CODE) != 0) {
		json_put_str(w, "errorCode", slice_of(info->code));
	}
	if ((members & MEMBER_TIMESTAMP) != 0) {
		json_put_time(w, "timestamp", c->now_us);
	}
	if ((members & MEMBER_PATH) != 0) {
		json_put_str(w, "path", c->http->path);
	}
}

struct slice compat_upper(struct slice word, struct arena *req)
{
	char *out = arena_alloc(req, word.n);

	for (size_t i = 0; i < word.n; i++) {
		bool lower = word.p[i] >= 'a' && word.p[i] <= 'z';

		out[i] = lower ? (char)(word.p[i] - 'a' + 'A') : word.p[i];
	}
	return (struct slice) { out, word.n };
}

bool compat_put_members(struct call *c,
			void (*write)(struct call *c, const struct member_row *row,
				      struct json_w *w),
			bool oldest_first, struct json_w *w, struct err *err)
{
	struct page page = { .limit = PAGE_ROWS_MAX };
	struct member_list list;

	if (!store_member_list(c->caller.org, c->db, &page, c->req, &list, err)) {
		return false;
	}
	json_w_array(w);
	for (size_t i = 0; i < list.n; i++) {
		write(c, &list.rows[oldest_first ? list.n - 1 - i : i], w);
	}
	json_w_end(w);
	return true;
}
