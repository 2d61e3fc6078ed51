/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys and the first of them. That there is one first key, and not two, is decided by a row that
 * can be added once, not by counting.
 */
#include "api/setup.h"

#include "api/keys.h"
#include "base/hex.h"
#include "base/rand.h"
#include "store/store.h"

#define SECRET_BYTES 24
#define PREFIX_LEN \
	12 /* "sk_" and nine digits: enough to tell keys apart, useless to guess the rest */

struct slice setup_new_secret(struct arena *req)
{
	unsigned char random[SECRET_BYTES];
	char hex[2 * SECRET_BYTES];

	rand_bytes(random, sizeof(random));
	hex_encode(random, sizeof(random), hex);
	return arena_printf(req, "sk_%.*s", (int)sizeof(hex), hex);
}

static bool make_project(struct db *db, struct org_id org, int64_t now_us, struct project_id *out,
			 struct err *err)
{
	struct project_row row = { .id = { id_random() },
				   .org = org,
				   .slug = S(SETUP_PROJECT_SLUG),
				   .name = S("Default"),
				   .is_default = true,
				   .created_us = now_us };

	*out = row.id;
	return store_project_insert(org, db, &row, err);
}

static bool find_project(struct db *db, struct org_id org, int64_t now_us, struct arena *req,
			 struct project_id *out, struct err *err)
{
	struct project_row row;

	switch (store_project_default(org, db, req, &row, err)) {
	case FOUND:
		*out = row.id;
		return true;
	case NOT_FOUND:
		return make_project(db, org, now_us, out, err);
	case FAILED:
		break;
	}
	return false;
}

bool setup_org(struct db *db, struct slice slug, struct slice name, int64_t now_us,
	       struct arena *req, struct org_id *org, struct project_id *project, struct err *err)
{
	struct org_row row;

	switch (store_org_by_slug(db, slug, req, &row, err)) {
	case FOUND:
		break;
	case FAILED:
		return false;
	case NOT_FOUND:
		row = (struct org_row) { .id = { id_random() },
					 .slug = slug,
					 .name = name,
					 .status = S("active"),
					 .created_us = now_us };
		if (!store_org_insert(row.id, db, &row, err)) {
			return false;
		}
		break;
	}
	*org = row.id;
	return find_project(db, row.id, now_us, req, project, err);
}

/* Inside a transaction. */
static bool become_first(struct call *c, struct key_row *row, struct err *err)
{
	uint64_t keys;

	if (!store_key_count(c->db, &keys, err)) {
		return false;
	}
	if (keys > 0 || !store_meta_add(c->db, "first_key", S("made"), err)) {
		if (keys > 0 || err->kind == ERR_CONFLICT) {
			err_set(err, ERR_UNAUTHORIZED, SETUP_DONE);
		}
		return false;
	}
	return setup_org(c->db, S(SETUP_ORG_SLUG), S("Default"), c->now_us, c->req, &row->org,
			 &row->project, err);
}

/* A given key may be short: at most half of it is shown. */
static int prefix_len(struct slice secret)
{
	return secret.n / 2 < PREFIX_LEN ? (int)(secret.n / 2) : PREFIX_LEN;
}

void setup_fill_key(struct key_row *row, struct slice secret, uint32_t scopes, struct arena *req,
		    struct api_key *out)
{
	char hex[SHA256_HEX_CHARS];
	struct buf words;

	sha256(secret, out->hash);
	sha256_hex(secret, hex);
	buf_init(&words, 1024);
	scopes_write(scopes, &words);
	row->id.v = row->id.v == 0 ? id_random() : row->id.v;
	row->hash = arena_dup(req, (struct slice) { hex, sizeof(hex) });
	row->version = 1;
	row->prefix = arena_printf(req, "%.*s...", prefix_len(secret), secret.p);
	row->scopes = arena_dup(req, buf_slice(&words));
	buf_release(&words);
	out->id = row->id;
	out->org = row->org;
	out->project = row->project;
	out->scopes = scopes;
	out->expires_at_us = row->expires_us;
}

bool setup_tell_org(struct call *c, struct org_id id, struct err *err)
{
	struct audit_note note = { .action = AUDIT_ORG_CREATE, .org = id };
	struct org_row org;

	if (store_org_get(id, c->db, c->req, &org, err) != FOUND) {
		return false;
	}
	note.target = AUDIT_ON_ORG;
	note.target_id = audit_id(c, ID_ORG, id.v);
	note.target_name = org.name;
	note.after = audit_text(c, "slug", org.slug);
	/* One that was there before was made at another time. */
	return org.created_us != c->now_us || audit_put(c, &note, err);
}

bool setup_insert_key(struct call *c, struct key_row *row, struct slice secret, uint32_t scopes,
		      struct api_key *out, struct err *err)
{
	bool first = row->org.v == 0;

	setup_fill_key(row, secret, scopes, c->req, out);
	if (!db_begin(c->db, err) ||
	    (first && (!become_first(c, row, err) || !setup_tell_org(c, row->org, err))) ||
	    !store_key_insert(row->org, c->db, row, err) ||
	    !keys_tell(c, AUDIT_KEY_CREATE, NULL, row, err) || !db_commit(c->db, err)) {
		return false;
	}
	out->org = row->org;
	out->project = row->project;
	return true;
}
