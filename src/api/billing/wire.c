/* SPDX-License-Identifier: Apache-2.0 */
/* One call at a time over an HTTP client of its own, so that who calls can be written in a line. */
#include "api/billing/wire.h"

#include <stdlib.h>

#include "base/secret.h"
#include "net/http_client.h"

#define WAIT_US (INT64_C(100) * 1000) /* a look whether the server stops */

struct stripe_http {
	struct http_client *client; /* NULL: it was stopped */
	struct slice url;
	struct slice bearer;
	struct arena boot;
	int stopping; /* atomic */
};

struct waiting {
	struct arena *tick;
	struct stripe_answer *out;
	struct err *err;
	bool over, ok;
};

struct stripe_http *stripe_http_new(struct slice url, struct slice key, const char *ca_file)
{
	struct http_client_options options = { .policy = { .all = true },
					       .concurrency = 1,
					       .ca_file = ca_file };
	struct stripe_http *http = mem_alloc(1, sizeof(*http));

	arena_init(&http->boot, 0);
	http->url = url;
	http->bearer = arena_printf(&http->boot, "Bearer %.*s", SARG(key));
	http->client = http_client_new(&options);
	return http;
}

void stripe_http_free(struct stripe_http **hp)
{
	struct stripe_http *http = *hp;

	*hp = NULL;
	if (http == NULL) {
		return;
	}
	http_client_free(&http->client);
	secret_wipe((char *)http->bearer.p, http->bearer.n);
	arena_release(&http->boot);
	free(http);
}

void stripe_http_stop(struct stripe_http *http)
{
	__atomic_store_n(&http->stopping, 1, __ATOMIC_RELEASE);
}

static bool is_stopping(const struct stripe_http *http)
{
	return __atomic_load_n(&http->stopping, __ATOMIC_ACQUIRE) != 0;
}

static void done(void *ctx, const struct http_result *r)
{
	struct waiting *w = ctx;

	w->over = true;
	w->ok = r->fail == HTTP_FAIL_NONE;
	if (w->ok) {
		w->out->status = r->status;
		w->out->body = arena_dup(w->tick, r->body);
	} else if (r->fail == HTTP_FAIL_CANCELLED) {
		err_set(w->err, ERR_SHUTTING_DOWN, "the server is stopping");
	} else {
		err_set(w->err, ERR_UPSTREAM, "Stripe cannot be reached: %s", r->text);
	}
}

/* Letting go of the client ends the call: there is no other way to. */
static void wait_for(struct stripe_http *http, struct waiting *w)
{
	while (!w->over && !is_stopping(http)) {
		http_client_run_once(http->client, WAIT_US);
	}
	if (!w->over) {
		http_client_free(&http->client);
		ensure(w->over);
	}
}

static bool call(void *arg, const struct stripe_call *what, struct arena *tick,
		 struct stripe_answer *out, struct err *err)
{
	struct stripe_http *http = arg;
	struct waiting w = { .tick = tick, .out = out, .err = err };
	struct http_call_header headers[] = {
		{ S("Authorization"), http->bearer },
		{ S("Stripe-Version"), S(STRIPE_VERSION) },
		{ S("Content-Type"), S("application/x-www-form-urlencoded") },
		{ S("Idempotency-Key"), what->key },
	};
	struct http_call request = {
		.method = what->method,
		.url = arena_printf(tick, "%.*s%.*s", SARG(http->url), SARG(what->path)),
		.headers = headers,
		.headers_n = ARRAY_LEN(headers) - (what->key.n > 0 ? 0 : 1),
		.body = what->form,
		.total_us = STRIPE_TOTAL_US,
		.response_bytes_max = STRIPE_RESPONSE_BYTES_MAX,
	};

	if (is_stopping(http) || http->client == NULL ||
	    !http_client_send(http->client, &request, done, &w)) {
		return err_set(err, ERR_SHUTTING_DOWN, "no call to Stripe can be made now");
	}
	wait_for(http, &w);
	return w.ok;
}

struct stripe_wire stripe_http_wire(struct stripe_http *http)
{
	return (struct stripe_wire) { call, http };
}
