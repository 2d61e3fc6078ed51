/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_SETUP_H
#define API_SETUP_H

#include "api/call.h"
#include "engine/keyring.h"
#include "store/global.h"

/* Making keys, the first one included. Worker thread; blocks on the store. */

#define SETUP_ORG_SLUG "default"
#define SETUP_PROJECT_SLUG "default"
/* What a second caller without a key is told. */
#define SETUP_DONE \
	"an API key is needed: the first key of this server was made already; send it as " \
	"\"Authorization: Bearer sk_...\", or have its holder make another"

/* Tell the audit log of an org that was made by this call, in its transaction. */
NODISCARD bool setup_tell_org(struct call *c, struct org_id id, struct err *err);
/* A fresh secret: "sk_" and 48 hex digits. */
struct slice setup_new_secret(struct arena *req);

/*
 * Fill what follows from the secret and the scopes: in row hash, prefix, scopes and, unless there
 * is one, the id; all of out, from row's org, project and end, too.
 */
void setup_fill_key(struct key_row *row, struct slice secret, uint32_t scopes, struct arena *req,
		    struct api_key *out);

/*
 * Insert a key with this secret. row has name, times, and org and project unless org is 0: then it
 * is the installation's first key, and the default org and project are made with it in one
 * transaction; ERR_UNAUTHORIZED when somebody else was first. Fills row and *out.
 */
NODISCARD bool setup_insert_key(struct call *c, struct key_row *row, struct slice secret,
				uint32_t scopes, struct api_key *out, struct err *err);

/* The org with this slug and its default project, made when missing. In a transaction. */
NODISCARD bool setup_org(struct db *db, struct slice slug, struct slice name, int64_t now_us,
			 struct arena *req, struct org_id *org, struct project_id *project,
			 struct err *err);

#endif
