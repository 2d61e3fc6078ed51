/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links with a token. It stands behind the #, which a browser keeps to itself: it is in no request,
 * so in no log of a proxy and in no Referer. The page that it opens is here, too; it sends the
 * token in a body.
 */
#include "api/account/account.h"
#include "api/api.h"
#include "api/file.h"
#include "api/route.h"
#include "base/clock.h"

#define MINUTE_US (60 * US_PER_S)

static const struct kind {
	const char *prefix; /* of the token */
	const char *word;   /* behind the # */
	int64_t life_us;
} kinds[TOKEN_PURPOSES] = {
	[TOKEN_RESET] = { "rst_", "reset", 15 * MINUTE_US },
	[TOKEN_MAIL_CHANGE] = { "mlc_", "confirm", 60 * MINUTE_US },
	[TOKEN_VERIFY] = { "vfy_", "confirm", 24 * 60 * MINUTE_US },
};

bool account_link(struct call *c, struct user_id user, struct account_link *link, struct err *err)
{
	const struct kind *kind = &kinds[link->purpose];
	struct slice token;
	struct token_row row;

	ensure(kind->prefix != NULL);
	token = token_make(kind->prefix, c->req);
	link->expires_us = c->now_us + (link->life_us != 0 ? link->life_us : kind->life_us);
	link->text = arena_printf(c->req, "%.*s/account#%s=%.*s", SARG(c->api->public_url),
				  kind->word, SARG(token));
	row = (struct token_row) { .hash = token_hash(token, c->req),
				   .user = user,
				   .purpose = link->purpose,
				   .data = link->data,
				   .created_us = c->now_us,
				   .expires_us = link->expires_us };
	return store_token_put(c->db, &row, err);
}

static void get_page(struct call *c)
{
	file_send(c, "account.html");
}

static void get_style(struct call *c)
{
	file_send(c, "account.css");
}

static void get_script(struct call *c)
{
	file_send(c, "account.js");
}

#define PAGE_ROW(path_, name_, summary_, type_, help_, loop_) \
	{ \
		.method = HTTP_GET, .path = (path_), .name = (name_), .tag = "Auth", \
		.summary = (summary_), .who = WHO_PUBLIC, .limit = LIMIT_NONE, \
		.replies = { { .status = 200, \
			       .help = (help_), \
			       .type = (type_), \
			       .headers = REPLY_ETAG }, \
			     { .status = 304, .help = "It is what you have." } }, \
		.loop = (loop_) \
	}
static const struct route rows[] = {
	PAGE_ROW("/account", "getAccountPage", "The page that links to people open", "text/html",
		 "The page.", get_page),
	PAGE_ROW("/account/account.css", "getAccountStyle", "The style of that page", "text/css",
		 "The style sheet.", get_style),
	PAGE_ROW("/account/account.js", "getAccountScript", "The program of that page",
		 "text/javascript", "The script.", get_script),
};
const struct route_set routes_link = { rows, ARRAY_LEN(rows) };
