/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Identities elsewhere by which an account can be entered: seeing them, adding one, taking one off.
 * One is always left: a password, or a link of an issuer that can be used.
 */
#include "api/sso/links.h"

#include "api/account/account.h"
#include "api/api.h"
#include "api/audit.h"
#include "api/caller.h"
#include "api/route.h"
#include "api/sso/login.h"
#include "base/hash.h"
#include "base/json_put.h"
#include "model/sso.h"

#define ID_BYTES 8

/* An account has one link with an issuer: that is what names it. */
static struct slice link_id(struct slice issuer, struct arena *req)
{
	char text[SHA256_HEX_CHARS];

	sha256_hex(issuer, text);
	return arena_printf(req, "lnk_%.*s", 2 * ID_BYTES, text);
}

/* The issuer as it is set up now, or NULL: then nobody gets in by it. */
static const struct sso_issuer_options *issuer_of(const struct call *c, const struct link_row *link)
{
	const struct sso *sso = c->api->sso;

	for (size_t i = 0; sso != NULL && i < sso_options(sso)->n; i++) {
		if (slice_eq(sso_options(sso)->issuers[i].issuer, link->issuer)) {
			return &sso_options(sso)->issuers[i];
		}
	}
	return NULL;
}

void sso_link_write(struct call *c, const struct link_row *link, struct json_w *w)
{
	const struct sso_issuer_options *o = issuer_of(c, link);

	json_w_object(w);
	json_put_str(w, "id", link_id(link->issuer, c->req));
	json_put_str_or_null(w, "provider", o == NULL ? (struct slice) { 0 } : sso_word(o->kind));
	json_put_str(w, "issuer", link->issuer);
	json_put_str_or_null(w, "email", link->mail);
	json_put_time(w, "createdAt", link->created_us);
	json_put_time_or_null(w, "lastUsedAt", link->login_us);
	json_w_end(w);
}

static bool list_links(struct call *c, struct err *err)
{
	struct link_list list;
	struct json_w w;

	if (!store_link_list(c->db, c->caller.user, c->req, &list, err)) {
		return false;
	}
	w = call_json(c, 200);
	json_w_object(&w);
	json_w_key(&w, "data");
	json_w_array(&w);
	for (size_t i = 0; i < list.n; i++) {
		sso_link_write(c, &list.rows[i], &w);
	}
	json_w_end(&w);
	json_w_end(&w);
	return true;
}

/* POST /auth/links */

struct link_fields {
	struct slice provider;
	struct slice redirect;
};
static const struct field link_rows[] = {
	FIELD_STR(struct link_fields, provider, "provider", .min = 1, .max = 20,
		  .flags = FIELD_REQUIRED, .example = "google"),
	FIELD_STR(struct link_fields, redirect, "redirect", .max = SSO_REDIRECT_BYTES_MAX,
		  .help = "A path of this server, where the browser goes then.",
		  .example = "/account"),
};

static void way_known(struct sso_call *in)
{
	struct call *c = in->c;
	struct json_w w;

	if (in->ask.err.kind != ERR_NONE) {
		log_warn("sso_failed", log_slice("cid", c->http->id),
			 log_slice("issuer", in->state.issuer),
			 log_str("code", err_info(in->ask.err.kind)->code),
			 log_str("error", in->ask.err.text));
		err_set(&c->err, in->ask.err.kind, "the issuer cannot be reached, or is not well");
		call_problem(c, &c->err);
	} else {
		w = call_json(c, 200);
		json_w_object(&w);
		json_put_str(&w, "url", in->ask.url);
		json_w_end(&w);
		sso_keep_state(in);
	}
	call_send(c);
}

static bool begin_link(struct call *c, struct err *err)
{
	struct sso_call *in = arena_new(c->req, struct sso_call);
	const struct sso_issuer_options *issuer;
	struct link_fields body = { 0 };

	in->c = c;
	in->then = way_known;
	in->state.user = c->caller.user;
	in->state.session = c->caller.session;
	return account_read(c, link_rows, ARRAY_LEN(link_rows), &body, err) &&
	       sso_read_issuer(c, body.provider, &issuer, err) &&
	       sso_read_redirect(body.redirect, &in->state.redirect, err) &&
	       sso_begin(in, issuer, err);
}

static void post_link(struct call *c)
{
	if (!begin_link(c, &c->err)) {
		call_problem(c, &c->err);
		call_send(c);
	}
}

/* DELETE /auth/links/:id */

static bool find_link(struct call *c, const struct link_list *list, const struct link_row **out,
		      struct err *err)
{
	*out = NULL;
	for (size_t i = 0; i < list->n; i++) {
		if (slice_eq(link_id(list->rows[i].issuer, c->req), c->params[0])) {
			*out = &list->rows[i];
		}
	}
	return *out != NULL || err_set(err, ERR_NOT_FOUND, "there is no such link");
}

static bool is_last_way(const struct call *c, const struct user_row *me,
			const struct link_list *list, const struct link_row *link)
{
	if (me->password.n > 0) {
		return false;
	}
	for (size_t i = 0; i < list->n; i++) {
		if (&list->rows[i] != link && issuer_of(c, &list->rows[i]) != NULL) {
			return false;
		}
	}
	return true;
}

static bool unlink_it(struct call *c, struct err *err)
{
	const struct link_row *link;
	struct audit_note note;
	struct link_list list;
	struct user_row me;

	/* Two at a time would each see the other's link. */
	if (!account_lock(c, c->caller.user, &me, err) ||
	    !store_link_list(c->db, me.id, c->req, &list, err) ||
	    !find_link(c, &list, &link, err)) {
		return false;
	}
	if (is_last_way(c, &me, &list, link)) {
		return err_set(err, ERR_CONFLICT,
			       "this is the only way into the account: set a password first");
	}
	note = (struct audit_note) { .action = AUDIT_OIDC_UNLINK,
				     .user = me.id,
				     AUDIT_OF(c, USER, me.id.v, me.mail),
				     .before = audit_text(c, "issuer", link->issuer) };
	return store_link_delete(c->db, me.id, link->issuer, err) == FOUND &&
	       audit_put(c, &note, err);
}

static bool delete_link(struct call *c, struct err *err)
{
	if (!db_begin(c->db, err) || !unlink_it(c, err) || !db_commit(c->db, err)) {
		return false;
	}
	call_empty(c, 204);
	return true;
}

static const struct field_set link_fields = { link_rows, ARRAY_LEN(link_rows) };
static const struct shape shape_link_in = {
	.name = "LinkInput", .help = "What to link.", .fields = &link_fields, .sent = true
};
static const struct prop way_props[] = {
	PROP_STR("url", .help = "Send this browser there.",
		 .example = "\"https://accounts.google.com/o/oauth2/v2/auth?...\""),
};
static const struct shape shape_way = { SHAPE_PROPS(way_props) };
static const struct prop link_props[] = {
	PROP_STR("id", .example = "\"lnk_0123456789abcdef\""),
	PROP_STR("provider", .flags = PROP_NULL, .help = "null: it is not set up any more.",
		 .example = "\"google\""),
	PROP_STR("issuer", .example = "\"https://accounts.google.com\""),
	PROP_STR("email", .flags = PROP_NULL, .help = "There, when it was linked.",
		 .example = "\"ana@example.com\""),
	PROP_TIME("createdAt"),
	PROP_TIME("lastUsedAt", .flags = PROP_NULL),
};
const struct shape shape_sso_link = { .name = "Link",
				      .help = "Who you are elsewhere.",
				      SHAPE_PROPS(link_props) };
static const struct prop links_props[] = {
	PROP_SHAPE("data", &shape_sso_link, .many = PROP_LIST),
};
static const struct shape shape_links = { SHAPE_PROPS(links_props) };

static const struct route rows[] = {
	{
		.method = HTTP_GET,
		.path = "/api/v1/auth/links",
		.name = "listLinks",
		.tag = "Auth",
		.summary = "Your accounts elsewhere",
		.who = WHO_USER,
		.replies = { { .status = 200,
			       .help = "All that this account is linked with.",
			       .shape = &shape_links } },
		.work = list_links,
	},
	{
		.method = HTTP_POST,
		.path = "/api/v1/auth/links",
		.name = "beginLink",
		.tag = "Auth",
		.summary = "Begin to link an account elsewhere",
		.who = WHO_USER,
		.proof = true,
		.limit = LIMIT_AUTH,
		.body_max = ACCOUNT_BODY_BYTES_MAX,
		.doc = "For a page that keeps its tokens in cookies: send the browser to `url`. It "
		       "comes back to `redirect`, or to `/account?error=` with a word.",
		.unaudited = "nothing is linked yet: the callback tells of it",
		.bodies = { { .shape = &shape_link_in } },
		.replies = { { .status = 200, .help = "Where to go.", .shape = &shape_way } },
		.errors = { ERR_NOT_FOUND, ERR_UNAUTHORIZED, ERR_UPSTREAM, ERR_UPSTREAM_TIMEOUT,
			    ERR_OVERLOADED, ERR_SHUTTING_DOWN },
		.loop = post_link,
	},
	{
		.method = HTTP_DELETE,
		.path = "/api/v1/auth/links/:id",
		.name = "deleteLink",
		.tag = "Auth",
		.summary = "Take a link off your account",
		.who = WHO_USER,
		.proof = true,
		.params = { ROUTE_TEXT("The id of the link.") },
		.audits = { AUDIT_OIDC_UNLINK },
		.replies = { { .status = 204, .help = "It opens nothing any more." } },
		.errors = { ERR_NOT_FOUND, ERR_CONFLICT },
		.work = delete_link,
	},
};
const struct route_set routes_sso_links = { rows, ARRAY_LEN(rows) };
