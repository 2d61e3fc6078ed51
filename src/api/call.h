/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_CALL_H
#define API_CALL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/field.h"
#include "base/json.h"
#include "engine/share.h"
#include "engine/workers.h"
#include "model/bucket.h"
#include "model/id.h"
#include "model/role.h"
#include "net/http_server.h"
#include "store/db.h"

/*
 * One request on its way through the API: who asks, which route, what will be answered. It lives
 * in the arena of its exchange. Until it is submitted to a worker it belongs to the loop thread,
 * then to that worker, and after the worker has posted it back to the loop again.
 */
struct api;
struct once;
struct route;

/* Whose credential came with the request: a key's, or a user's. */
struct caller {
	struct key_id key;   /* 0: no key */
	struct user_id user; /* 0: no user; then session and role are none, too */
	struct session_id session;
	enum role role; /* in org */
	struct org_id org;
	struct project_id project;
	uint32_t scopes;
	int64_t expires_at_us; /* of key or session; 0: never */
	bool proved;	       /* the user gave password or code a short time ago */
	bool closed;	       /* the org is suspended, or is to be deleted */
	bool leaving;	       /* the user is to be deleted, and has no org meanwhile */
	bool org_leaving;      /* closed, but only because it is to be deleted */
};

#define ROUTE_PARAMS_MAX 2
#define OFFSET_MAX 100000 /* of the older lists: skipping costs reading; cursors go deeper */
#define ANSWER_HEADERS_MAX 8
#define ANSWER_BYTES_MAX ((size_t)64 << 20) /* 100 events of 256 KiB, 10,000 rules of 6 KiB */

struct answer {
	int status;
	const char *type;  /* content type; NULL: no body */
	const char *cache; /* Cache-Control; NULL: no-store */
	struct http_header headers[ANSWER_HEADERS_MAX];
	size_t n_headers;
	struct buf body;
	struct chunk *packed; /* what body was, since call_pack; or NULL */
};

struct call {
	struct job job;
	struct api *api;
	struct http_exchange *x;
	const struct http_request *http;
	const struct route *route;
	struct caller caller;
	struct slice params[ROUTE_PARAMS_MAX]; /* decoded */
	struct arena *req;
	bool (*work)(struct call *c,
		     struct err *err); /* what a worker runs; the route's by default */
	bool awaited;		       /* events are to come: the body is not complete yet */
	bool audited;		       /* the audit log knows what the call did: see api/audit.h */
	bool by_query;		       /* the credential came in the row's old_query: deprecated */
	struct share_item later;       /* while it waits for its turn on the loop */
	void *aside;		       /* what a handler on the loop leaves for its work */
	struct db *db;		       /* on a worker: its connection */
	struct once *once;	       /* likewise: the request has an Idempotency-Key; or NULL */
	int64_t now_us;		       /* wall clock when the request was complete */
	struct bucket_verdict rate;    /* what rate_headers says; limit 0: nothing */
	uint32_t rate_per_minute;
	struct answer answer;
	struct err err;
};

/* Begin a JSON answer: status is set, the writer appends to the body. */
struct json_w call_json(struct call *c, int status);
/* An answer without a body. */
void call_empty(struct call *c, int status);
/* Add a header; name is a literal, value must live in the call's arena or longer. */
void call_header(struct call *c, struct slice name, struct slice value);
/*
 * Replace the answer by what err says: problem+json (RFC 9457) that also carries "error" and
 * "code", as the older systems' clients expect, and "details" when a field is at fault. The rows
 * of those systems add what else theirs read (compat_problem).
 */
void call_problem(struct call *c, const struct err *err);
/* The same bytes for a request that has no call. retry_s: when to try again; 0: not said. */
void problem_write(struct buf *out, const struct err *err, struct slice request_id,
		   int64_t retry_s);
/*
 * Make of a large body what is sent without copying it once more on the loop. The answer is
 * complete. On the worker that made it.
 */
void call_pack(struct call *c);
/* Bytes of the body. */
size_t call_bytes(const struct call *c);
/* Send the answer. The call is gone afterwards. Loop thread. */
void call_send(struct call *c);

/*
 * A query parameter, decoded; false when it is not there. Parameters of lists: limit within
 * 1..max, def when absent; times as RFC 3339. Errors name the parameter.
 */
bool call_query(struct call *c, const char *name, struct slice *value);
NODISCARD bool call_query_limit(struct call *c, size_t def, size_t max, size_t *out,
				struct err *err);
NODISCARD bool call_query_offset(struct call *c, size_t *out, struct err *err);
NODISCARD bool call_query_time(struct call *c, const char *name, int64_t *out_us, struct err *err);
/*
 * All of the query that a table describes, defaults for what is not there. Other parameters are
 * passed over.
 */
NODISCARD bool call_query_fields(struct call *c, const struct field *rows, size_t n, void *out,
				 struct err *err);
/* The body as a JSON tree in the arena; an empty body is ERR_MALFORMED. */
NODISCARD bool call_body(struct call *c, const struct json **out, struct err *err);

#endif
