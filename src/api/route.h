/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_ROUTE_H
#define API_ROUTE_H

#include "api/call.h"
#include "api/shape.h"
#include "model/audit.h"
#include "model/role.h"
#include "model/scope.h"

/*
 * The route table: one row says all there is to know about a call. A handler cannot be reached
 * without the checks of its row, and the API's description, with all that is made of it, has
 * nothing else to go by.
 */
enum route_who {
	WHO_UNSAID, /* no row may leave it so */
	WHO_PUBLIC, /* anybody */
	WHO_CALLER, /* a key with .scope (0: any key), or a user whose role is .role at least */
	WHO_USER,   /* a user whose role is .role at least (ROLE_NONE: any); never a key */
	WHO_OWN,    /* the handler decides: a key may come another way, or not be needed yet */
	WHO_SOCKET, /* whoever may open the Unix socket; elsewhere there is no such path */
};

/* Which budget a call is taken from. */
enum route_limit { LIMIT_API, LIMIT_INGEST, LIMIT_AUTH, LIMIT_NONE };

/* Whether a change must say which version it is a change of (RFC 9110 section 13.1.1). */
enum route_match { MATCH_NONE, MATCH_MAY, MATCH_MUST };

/* A part of the path with a colon. */
struct route_param {
	const char *help; /* NULL: the id of what the kind says */
	const char *word; /* taken in the place of an id: "current"; or NULL */
	enum id_kind id;
	bool is_id;
};
#define ROUTE_ID(kind_) \
	{ \
		.id = (kind_), .is_id = true \
	}
#define ROUTE_ID_OR(kind_, word_) \
	{ \
		.id = (kind_), .is_id = true, .word = (word_) \
	}
#define ROUTE_TEXT(help_) \
	{ \
		.help = (help_) \
	}

/* A body that is taken. */
struct route_body {
	const char *type; /* NULL: application/json */
	const struct shape *shape;
	bool maybe; /* it may be empty */
};

enum reply_header {
	REPLY_ETAG = 1,
	REPLY_REPLAYED = 2,
	REPLY_LOCATION = 4,
	REPLY_USAGE = 8,
	REPLY_DEPRECATION = 16, /* follows from .deprecated and .old_query */
};

/* A good reply. Several of one status differ by their type. */
struct route_reply {
	int status;
	const char *help;
	const char *type;	   /* NULL: application/json when there is a shape, else no body */
	const struct shape *shape; /* NULL with a type: text. Of NDJSON: one line */
	bool page;		   /* {"data": [shape...], "nextCursor": ...} */
	bool list;		   /* [shape...], of an older call */
	unsigned headers;	   /* enum reply_header */
};

#define ROUTE_QUERIES_MAX 3
#define ROUTE_BODIES_MAX 2
#define ROUTE_REPLIES_MAX 3
#define ROUTE_ERRORS_MAX 8
#define ROUTE_AUDITS_MAX 10

/* Runs on the loop thread and must not block; owes the reply. */
typedef void loop_handler(struct call *c);
/* Runs on a worker, may block; fills the answer, or err and returns false. */
typedef bool work_handler(struct call *c, struct err *err);

struct route {
	enum http_method method;
	const char *path;    /* "/rules/:id"; a part with a colon takes any text: see params */
	const char *name;    /* of the operation: camelCase, unique, for ever */
	const char *tag;     /* the noun it is about; of an older call NULL */
	const char *older;   /* the earlier system whose call it is; of ours NULL */
	const char *summary; /* up to 60 characters, no full stop */
	const char *doc;     /* what else a caller has to know, or NULL */
	const char *differs; /* in what an older call is not as documented, and why; or NULL */
	const char *later;   /* what it waits for: until then it is 501 for anybody; or NULL */

	enum route_who who;
	uint32_t scope; /* enum scope */
	enum role role;
	bool proof; /* of a user: password or code were given a short time ago */
	/*
	 * Also when the org is suspended or is to be deleted. What an owner reads, streams but
	 * excepted, is open to him until the deletion, without a word here.
	 */
	bool while_closed;
	bool while_leaving; /* also of a user who is to be deleted */
	enum route_limit limit;
	size_t body_max; /* bytes, decoded */
	struct route_param params[ROUTE_PARAMS_MAX];
	const struct field_set *query[ROUTE_QUERIES_MAX];
	bool query_open; /* parameters that nobody here knows are passed over: others send them */
	enum route_match match;
	bool takes_key;	       /* Idempotency-Key of an event: the journal knows it */
	bool secret;	       /* the reply holds a secret: it is never kept, see once.h */
	const char *no_key;    /* why this POST of ours takes no Idempotency-Key */
	bool deprecated;       /* replies say so (RFC 9745) */
	const char *old_query; /* the parameter with which they do; or NULL */
	/* What it may tell the audit log, or why it tells nothing; see api/audit.h. */
	enum audit_action audits[ROUTE_AUDITS_MAX];
	const char *unaudited;

	struct route_body bodies[ROUTE_BODIES_MAX];
	struct route_reply replies[ROUTE_REPLIES_MAX];
	enum err_kind errors[ROUTE_ERRORS_MAX]; /* beyond those that follow from the row */

	loop_handler *loop; /* one of the two is set, unless it comes later */
	work_handler *work;
};

/* What a resource file exports. */
struct route_set {
	const struct route *rows;
	size_t n;
};

/* All rows in the order of the table: start with *at = 0; NULL at the end. */
const struct route *route_next(size_t *at);
/*
 * Whether the row lets this caller in: ERR_UNAUTHORIZED when it needs one, ERR_FORBIDDEN,
 * ERR_CLOSED, ERR_LEAVING, ERR_PROOF. Rows whose handler decides let everybody in. Pure.
 */
NODISCARD bool route_admits(const struct route *r, const struct caller *caller, struct err *err);
/*
 * The same without that exception: what a handler of WHO_OWN asks once it knows the caller. What a
 * row does not say, scope 0 and ROLE_NONE, everybody has.
 */
NODISCARD bool route_allows(const struct route *r, const struct caller *caller, struct err *err);
/*
 * Whether the row takes a request with this query and, where it asks for one, an If-Match:
 * ERR_INVALID names a parameter that nobody knows (and the one that may have been meant), or an
 * Idempotency-Key that is none; ERR_PRECONDITION_REQUIRED. Pure but for req.
 */
NODISCARD bool route_takes(const struct route *r, const struct http_request *http,
			   struct arena *req, struct err *err);
/* Whether its calls are about one project: of the key, or as a person says. */
bool route_is_about_project(const struct route *r);
/* What nobody knows is refused: members of bodies, and parameters. The older calls ignored it. */
bool route_is_strict(const struct route *r);
/* What an Idempotency-Key does to a call. */
enum route_once {
	ONCE_NONE,   /* nothing: it is not read */
	ONCE_EVENTS, /* the journal stores an event of it once */
	ONCE_KEPT,   /* the reply is kept with the change (once.h): every POST of ours, unless */
	ONCE_SECRET, /* it holds a secret: then the id of what was made is kept */
};
enum route_once route_once(const struct route *r);
/*
 * A call by which somebody proves who he is (/api/v1/auth/): it takes no Idempotency-Key, because
 * its replies are secrets, and nobody is known yet whose key it would be.
 */
bool route_is_about_who(const struct route *r);
/* "GET"; "" for HTTP_OTHER. */
const char *route_method_name(enum http_method method);

#endif
