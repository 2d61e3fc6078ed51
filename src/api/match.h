/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_MATCH_H
#define API_MATCH_H

#include "api/call.h"

/*
 * Versions of what can be changed: a reply says which one it shows (ETag), and a change may say
 * which one it is a change of (If-Match), so that nobody takes back what somebody else did
 * meanwhile (RFC 9110 sections 8.8.3 and 13.1.1). The tag is the number of the version.
 */
struct slice match_tag(struct arena *req, uint64_t version);
void match_tell(struct call *c, uint64_t version);
/* If-Match: "7" or 7; 0 when any version will do. ERR_INVALID names the noun: "rule". */
NODISCARD bool match_read(struct call *c, const char *noun, uint64_t *version, struct err *err);
/* ERR_PRECONDITION unless expect is 0 or the version that is there. */
NODISCARD bool match_check(const char *noun, uint64_t expect, uint64_t version, struct err *err);

#endif
