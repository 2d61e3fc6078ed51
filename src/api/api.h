/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_API_H
#define API_API_H

#include <pthread.h>

#include "api/call.h"
#include "api/lag.h"
#include "api/rate.h"
#include "api/signer.h"
#include "api/tickets.h"
#include "auth/password.h"
#include "base/seal.h"
#include "engine/courier.h"
#include "engine/engine.h"
#include "engine/guesses.h"
#include "engine/keyring.h"
#include "engine/ledger.h"
#include "engine/live.h"
#include "engine/meter.h"
#include "engine/metrics.h"
#include "engine/project_set.h"
#include "engine/people.h"
#include "engine/retain.h"
#include "engine/scans.h"
#include "engine/share.h"
#include "engine/workers.h"
#include "journal/journal.h"
#include "model/signup.h"
#include "net/ip.h"

/*
 * The HTTP face of the program: from a request to the row of its route, through the checks of that
 * row, to its handler on the loop or on a worker. Everything in here is made and owned by cmd;
 * the struct only says who is whom.
 */
struct api {
	struct loop *loop;
	struct journal *journal;
	struct engine *engine;
	struct keyring *keys;
	struct project_set *projects;
	struct people *people;	     /* who is logged in; NULL: nobody can */
	struct sso *sso;	     /* logins by other issuers; NULL: there are none */
	struct biller *biller;	     /* who talks to Stripe; NULL: nothing is sold here */
	struct slice stripe_secrets; /* that its messages are signed with */
	struct signer *signer;	     /* of access tokens; NULL: likewise */
	struct password_gate *gate;  /* of those who hash passwords */
	struct ledger *ledger;	     /* NULL: nobody keeps books */
	struct retain *retain;	     /* what is kept of events */
	struct seal *seal;	     /* of secrets that are read again; any thread */
	struct meter *meter;	     /* what may be used; NULL: nothing is limited */
	struct live *live;
	struct courier *courier;
	struct scans *scans;
	struct tickets *tickets;
	struct http_server *http;
	struct metrics *metrics;
	struct waiters *waiters;
	struct workers *workers;
	struct slice cors_origins; /* separated by commas */
	struct slice public_url;
	struct slice metrics_token;		/* empty: /metrics answers loopback only */
	struct ip_policy policy;		/* where deliveries may go */
	struct ip_set trusted_proxies;		/* whose X-Forwarded-For is believed */
	unsigned char setup_hash[SHA256_BYTES]; /* of the setup token */
	struct lag_gate lag;			/* whether the rules keep up */
	struct rates rates;			/* how often who may call */
	struct share *share;	    /* of the loop's time; NULL: everything is done at once */
	struct guesses *guesses;    /* NULL: nobody counts them */
	struct limits *limits;	    /* the budgets of all but keys; NULL: there are none */
	struct route_index *routes; /* api_handlers makes it */
	struct onces *onces;	    /* keys of requests in progress; api_handlers makes it */
	struct buf openapi;	    /* the description of the API; api_handlers makes it */
	struct buf raw;		    /* scratch of one event: payload and tags without white space */
	struct buf encoded;	    /* scratch of one event: its canonical form */
	size_t unsent; /* atomic; bytes of answers that workers made and the loop has not sent */
	pthread_mutex_t admin; /* of calls that make what is missing; api_handlers makes it */
	enum signup signup;
	bool noop;		/* serve POST /api/v1/noop, for the benchmark's yardstick */
	int64_t feed_silent_us; /* a feed does not stay silent for longer; 0: FEED_SILENT_US */
	size_t page_read_bytes; /* of the log, for a page of events; 0: PAGE_READ_BYTES_MAX */
	bool stopping;		/* readiness is off */
	int ended;		/* atomic; set by api_end */
	bool set_up;		/* the first key was made */
};

/* The handlers for http_server_new; ctx is the api. Owes an api_release. */
struct http_handlers api_handlers(struct api *api);
/* Let go of what api_handlers made. Zeroed is good, too. */
void api_release(struct api *api);

/* Whose key this is. False when it is unknown, expired or revoked. Loop thread. */
bool api_caller_of(struct api *api, struct slice secret, struct caller *out);
/*
 * The address of the client: the peer's, or, behind trusted proxies, the last one in
 * X-Forwarded-For that is not such a proxy itself. Text that is no address ends the search:
 * then it is the peer's.
 */
struct slice api_client(const struct api *api, const struct http_request *r);
/* The same as an address. False when it came over the Unix socket, from whoever runs the server. */
bool api_client_ip(const struct api *api, const struct http_request *r, struct ip *out);
/*
 * The request came from this machine, by address and by name, through no proxy and no browser page.
 */
bool api_is_local(const struct http_request *r);
/* Hand the call to a worker; answers 503 when too many wait. Loop thread. */
void api_submit(struct call *c);
/*
 * The loop does not run any more, so nobody waits for an answer: the calls that wait for a worker
 * are refused instead of made. Before workers_close; any thread.
 */
void api_end(struct api *api);
/* Run fn(arg) on the loop, from a worker; never lost. */
void api_post(struct api *api, loop_fn fn, void *arg);

#endif
