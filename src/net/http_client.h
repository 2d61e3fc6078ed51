/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_HTTP_CLIENT_H
#define NET_HTTP_CLIENT_H

#include "net/http_call.h"
#include "net/ip.h"

/*
 * Many outgoing HTTP/1.1 calls on one thread, to targets that strangers chose.
 *
 * Where a call may go is decided on the socket address that is about to be connected, by the
 * callback that makes the socket: what is checked is what is connected, so a name that resolves to
 * something else a moment later (rebinding) gains nothing. The peer of every connection, new or
 * kept alive, is checked once more before a request is written to it. Redirects are not followed;
 * proxies, cookies, netrc, HTTP/2, compression and other protocols are off, whatever the
 * environment says. Resolved names are not remembered.
 *
 * One thread owns the client; only http_client_wake may be called from others. SIGPIPE must be
 * ignored in the process. A request on a kept-alive connection that turns out dead before anything
 * came back may be written again on a new one, as RFC 9110 section 9.2.2 allows for retries that
 * the message itself makes safe: receivers see the same id twice.
 */
struct http_client;

struct http_client_options {
	struct ip_policy policy; /* zeroed: public addresses only */
	size_t concurrency;	 /* calls at once, 1..4096; also the connections kept alive */
	const char *user_agent;	 /* NULL: "Tocsin/<version>" */
	const char *ca_file;	 /* NULL: the system's certificates */
};

/* Called once per accepted call, inside http_client_run_once or http_client_free. r is borrowed. */
typedef void http_done(void *ctx, const struct http_result *r);

/* Never NULL; options are copied, but the strings are borrowed for the life of the client. */
struct http_client *http_client_new(const struct http_client_options *options);
/* Calls under way end with CANCELLED. */
void http_client_free(struct http_client **client);

/* How many more calls it takes now. */
size_t http_client_room(const struct http_client *client);
/*
 * Start a call; everything is copied. False when there is no room, and then done is never called.
 * A call that cannot be made (bad URL, header, blocked target) is accepted and ends with INVALID or
 * BLOCKED, so that there is one place for results. May be called from done.
 */
NODISCARD bool http_client_send(struct http_client *client, const struct http_call *call,
				http_done *done, void *ctx);
/*
 * Wait up to wait_us for the network, a timeout of a call or a wake, move all calls on, and call
 * done for those that ended. Returns how many ended. Does not wait when one has ended already.
 */
size_t http_client_run_once(struct http_client *client, int64_t wait_us);
/* End the current or next wait at once. Any thread. */
void http_client_wake(struct http_client *client);

#endif
