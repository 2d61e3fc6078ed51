/* SPDX-License-Identifier: Apache-2.0 */
/* Tags are numbers in quotes; people who type them leave the quotes away. */
#include "api/match.h"

#include <inttypes.h>

struct slice match_tag(struct arena *req, uint64_t version)
{
	return arena_printf(req, "\"%" PRIu64 "\"", version);
}

void match_tell(struct call *c, uint64_t version)
{
	call_header(c, S("ETag"), match_tag(c->req, version));
}

bool match_read(struct call *c, const char *noun, uint64_t *version, struct err *err)
{
	struct slice text = http_request_header(c->http, HTTP_H_IF_MATCH);

	*version = 0;
	if (text.n == 0 || slice_eq(text, S("*"))) {
		return true;
	}
	if (text.n > 2 && text.p[0] == '"' && text.p[text.n - 1] == '"') {
		text = (struct slice) { text.p + 1, text.n - 2 };
	}
	return (slice_u64(text, version) && *version != 0) ||
	       err_field(err, ERR_INVALID, "If-Match", "\"If-Match\" must be an ETag of this %s",
			 noun);
}

bool match_check(const char *noun, uint64_t expect, uint64_t version, struct err *err)
{
	return expect == 0 || expect == version ||
	       err_set(err, ERR_PRECONDITION, "the %s is at version %" PRIu64, noun, version);
}
