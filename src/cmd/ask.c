/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether somebody serves a directory is found out by asking, not by looking: between two looks it
 * may have changed. So a server that cannot begin because somebody else has the directory, and a
 * call that nobody answers, lead to another try.
 */
#include "cmd/ask.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "cmd/app.h"

#define TRIES_MAX 100
#define NAP_MS 100

struct asking {
	const struct settings *settings;
	ask_fn *fn;
	void *arg;
	struct app *app; /* our own, or NULL */
	struct err err;
	bool ok;
	bool again; /* what failed may pass */
};

static bool ask(struct asking *a)
{
	struct client_flags where = { .data = a->settings->data };
	struct client *client = NULL;
	bool ok = client_open(&client, &where, false, &a->err) && a->fn(a->arg, client, &a->err);

	client_close(&client);
	/* Whom we asked may have been about to stop. */
	a->again = !ok && (a->err.kind == ERR_UPSTREAM || a->err.kind == ERR_SHUTTING_DOWN);
	return ok;
}

/* Somebody serves the directory when its socket answers. */
static bool is_served(const struct settings *settings)
{
	struct client_flags where = { .data = settings->data };
	struct client_call call = { .method = "GET", .path = S("/health") };
	struct client_reply reply = { 0 };
	struct client *client = NULL;
	struct err ignored;
	bool yes = client_open(&client, &where, false, &ignored) &&
		   client_call(client, &call, &reply, &ignored);

	client_reply_release(&reply);
	client_close(&client);
	return yes;
}

static void *ask_and_stop(void *arg)
{
	struct asking *a = arg;

	a->ok = ask(a);
	app_stop(a->app);
	return NULL;
}

static bool ask_own_server(struct asking *a)
{
	pthread_t thread;
	bool ran;

	/* A service manager waits for the real one. */
	unsetenv("NOTIFY_SOCKET");
	if (!app_open(&a->app, a->settings, NULL, &a->err)) {
		/* Whoever has the directory has no socket yet, or no more. */
		a->again = a->err.kind == ERR_CONFLICT;
		return false;
	}
	if (!app_listen_socket(a->app, &a->err)) {
		app_close(&a->app);
		return false;
	}
	ensure(pthread_create(&thread, NULL, ask_and_stop, a) == 0);
	ran = app_run(a->app);
	pthread_join(thread, NULL);
	app_close(&a->app);
	return a->ok && (ran || err_set(&a->err, ERR_INTERNAL, "the log or the rules failed"));
}

/* Another one may serve the directory for a moment, to do the same. */
bool ask_local(const struct settings *settings, ask_fn *fn, void *arg, struct err *err)
{
	struct timespec nap = { .tv_nsec = NAP_MS * 1000 * 1000L };
	struct asking a = { .settings = settings, .fn = fn, .arg = arg };
	bool ok = false;

	for (int i = 0; i < TRIES_MAX; i++) {
		a.again = false;
		ok = is_served(settings) ? ask(&a) : ask_own_server(&a);
		if (ok || !a.again) {
			break;
		}
		nanosleep(&nap, NULL);
	}
	*err = a.err;
	return ok;
}
