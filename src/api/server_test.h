/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_SERVER_TEST_H
#define API_SERVER_TEST_H

#include "api/api.h"
#include "net/http_fixture.h"
#include "test/t.h"

/*
 * For tests: the whole server but its command line, in this process, on a folder of its own and a
 * free port of loopback, with the raw client of the network's tests. Called from the test's
 * thread; the server runs on others.
 */
struct server_options {
	struct http_options http;
	const char *cors_origins;
	const char *metrics_token;
	size_t live_clients_max;
	struct rates rates;
	const char *trusted_proxies;
	size_t idempotency_bytes_max; /* 0: the default */
};

/* NULL: the defaults. */
struct fixture *server_new(const struct server_options *options);
void server_free(struct fixture **f);
/* Stop as SIGTERM does, and start again on the same folder, with the same keys. */
void server_restart(struct fixture *f);
/* Hide all events that are there, as deleting them does. Any thread. */
void server_hide_all(struct fixture *f);
struct api *server_api(struct fixture *f);
struct store *server_store(struct fixture *f);

/*
 * A key of the default project of the org with this slug, made when missing. Returns its secret,
 * which lives as long as the server.
 */
const char *server_key(struct fixture *f, const char *slug, uint32_t scopes);
/* A connection over the Unix socket of whoever runs the server. */
struct client server_socket(struct fixture *f);
/* Run fn(arg) on the loop and wait for it. */
void server_on_loop(struct fixture *f, void (*fn)(void *arg), void *arg);

/*
 * One request, without waiting. key may be NULL; more is header lines, each with its line end, or
 * "". With a body it is JSON.
 */
void server_say(struct client *c, const char *method, const char *path, const char *key,
		const char *more, const char *body);
/* The same, and the reply: "STATUS body". */
const char *server_ask(struct client *c, const char *method, const char *path, const char *key,
		       const char *body);
/* The value of a member of the newest reply's object, copied to a static place; "" without one. */
const char *server_member(const char *reply, const char *name);

/* What most of these tests need: a server, a connection, and a key of the org "acme". */
struct visitor {
	struct fixture *f;
	struct client c;
	const char *key; /* with all scopes */
};
/* options as for server_new. */
void visitor_init(struct visitor *s, const struct server_options *options);
void visitor_release(struct visitor *s);

#endif
