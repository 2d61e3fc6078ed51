/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_ACCOUNT_ORGS_H
#define API_ACCOUNT_ORGS_H

#include "api/account/account.h"

/*
 * Organizations: made by users, changed by their owners, suspended by who runs the server. A
 * suspended org keeps all it has, and nobody gets in: what changes is told to memory before the
 * answer leaves, and streams end. Worker threads; everything may block on the store.
 */
#define ORG_NAME_CHARS_MAX 100
#define ORG_SETTINGS_BYTES_MAX ((size_t)16 << 10) /* of one's own; read with each look */
#define ORGS_PER_USER_MAX 100			  /* what the list of one's orgs shows */

/* What has become of it, a word of org_words. */
extern const char *const org_words[];
const char *org_status(const struct org_row *org);
/* The org of the caller, when the path names it or says "current": ERR_NOT_FOUND. */
NODISCARD bool org_find_current(struct call *c, struct org_row *org, struct err *err);
/* As replies show it to the caller, an object. */
void org_write(struct call *c, const struct org_row *org, struct json_w *w);
extern const struct shape shape_org;
/*
 * It is to be deleted at this time, and from now on closed; or it stays after all: ERR_GONE when
 * the purge has begun. Behind its lock; what was so before is left so. The caller commits, then
 * org_tell; where it stays, courier_wake.
 */
#define ORG_GRACE_US (7 * INT64_C(86400) * 1000000)
NODISCARD bool org_leave(struct call *c, struct org_row *org, int64_t at_us, struct err *err);
NODISCARD bool org_stay(struct call *c, struct org_row *org, struct err *err);
/* Memory hears how the org is now; after the commit. */
NODISCARD bool org_tell(struct call *c, const struct org_row *org, struct err *err);

#endif
