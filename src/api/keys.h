/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_KEYS_H
#define API_KEYS_H

#include "api/audit.h"
#include "api/call.h"
#include "api/shape.h"
#include "engine/keyring.h"
#include "store/keys.h"

/*
 * API keys. A key is of one project, and does what its scopes say there. What a key makes is never
 * more than it is itself: no more scopes, no other project, no longer life. People make keys of any
 * project of their org. The secret is shown once and only its hash is kept.
 *
 * The keyring has what is here in memory; each change is posted to the loop before the answer, so
 * that it holds from the next request on, and for open streams.
 */
#define KEY_BODY_BYTES_MAX ((size_t)16 << 10)
#define KEYS_PER_PROJECT_MAX 1000 /* that work: all are in memory, and nobody overlooks more */
#define KEY_NAME_CHARS_MAX 255
#define KEY_OVERLAP_SECONDS_MAX (30 * 86400) /* for who rotates by hand, once a month */
#define KEYS_FIRST \
	"The first key of an installation is made without one: from the machine itself, or with the " \
	"setup token as X-Setup-Token. A key can give no scope that it does not have, and none a " \
	"longer life than its own."

/* Make a key; the first one without a key. Loop thread; owes the reply. */
void keys_post(struct call *c);
/* Revoke the key that the path names. On a worker; may block. */
NODISCARD bool keys_revoke(struct call *c, struct err *err);
/* The keys of the caller's project that work, as elements of the open array. On a worker. */
NODISCARD bool keys_write_live(struct call *c, struct json_w *w, struct err *err);

/*
 * The project in which a call looks for a key by its id: a key's own; for people 0, any of the org.
 */
struct project_id keys_reach(const struct call *c);

/* A key as it is made. */
struct key_made {
	struct key_row row;
	struct slice secret;
	uint32_t scopes;
	struct api_key key; /* for the keyring */
};
/*
 * Insert made->row (org, project, name, times and made_by are filled) with a new secret, in the
 * transaction that is open; its scopes are set. ERR_LIMIT when the project has too many. Under the
 * lock api->admin, until it is committed. On a worker; blocks.
 */
NODISCARD bool keys_insert(struct call *c, struct key_made *made, struct err *err);
/* After the commit: from now on the key opens what it opens. On a worker. */
void keys_announce(struct call *c, const struct key_made *made);
/* As a reply shows it, an object with or without the secret. */
void keys_write(const struct key_row *row, struct json_w *w);
void keys_write_made(const struct key_made *made, struct json_w *w);

/*
 * Tell the audit log what became of a key, in the open transaction. old is NULL for a new one. On a
 * worker; blocks.
 */
NODISCARD bool keys_tell(struct call *c, enum audit_action action, const struct key_row *old,
			 const struct key_row *row, struct err *err);

/*
 * Put a new key in the place of this one, as the body of the call says, and answer it. expect: the
 * version that the old one has to be at, 0: any. On a worker; blocks.
 */
NODISCARD bool keys_rotate(struct call *c, const struct key_row *old, uint64_t expect,
			   struct err *err);

/* The scopes that words name, all of them for no words at all: ERR_INVALID names a wrong one. */
NODISCARD bool keys_read_scopes(const struct field_list *words, uint32_t *set, struct err *err);

extern const struct shape shape_key;
extern const struct shape shape_key_made;
extern const struct shape shape_key_rotated;
extern const struct shape shape_key_in;
extern const struct shape shape_open_key_in; /* a key to be made, and whatever else */
extern const struct shape shape_rotation_in;

#endif
