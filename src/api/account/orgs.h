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
/* Memory hears how the org is now; after the commit. */
NODISCARD bool org_tell(struct call *c, const struct org_row *org, struct err *err);

#endif
