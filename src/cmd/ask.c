/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether somebody serves a directory is found out by asking, not by looking: between two looks it
 * may have changed. So a server that cannot begin because somebody else has the directory, and a
 * call that nobody answers, lead to another try.
 */
#include "cmd/ask.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/* Rows. */

struct slice ask_text(const struct json *thing, const char *name)
{
	const struct json *v = json_get(thing, name);

	return v == NULL || v->type == JSON_NULL || v->text.n == 0 ? S("-") : v->text;
}

const void *ask_word(const char *word, const void *rows, size_t n, size_t row_bytes)
{
	for (size_t i = 0; i < n; i++) {
		const char *row = (const char *)rows + i * row_bytes;
		const char *name;

		memcpy(&name, row, sizeof(name));
		if (strcmp(name, word) == 0) {
			return row;
		}
	}
	return NULL;
}

static void print_row(struct ask_rows *r, const struct json *thing)
{
	if (r->json) {
		printf("%.*s\n", SARG(thing->raw));
	} else {
		r->print(thing);
	}
}

static void print_head(struct ask_rows *r)
{
	if (!r->headed && !r->json && r->head != NULL) {
		printf("%s\n", r->head);
	}
	r->headed = true;
}

static void print_page(struct ask_rows *r, const struct json *root)
{
	const struct json *data = json_get(root, "data"), *next = json_get(root, "nextCursor");

	for (const struct json *o = data == NULL ? NULL : data->child; o != NULL; o = o->next) {
		print_row(r, o);
	}
	r->cursor = next == NULL || next->type == JSON_NULL ? (struct slice) { 0 }
							    : arena_dup(r->boot, next->text);
}

static bool print_rows(struct ask_rows *r, struct slice body, struct err *err)
{
	const struct json *root;
	struct arena req;
	bool ok;

	arena_init(&req, 0);
	ok = json_parse(&req, body, JSON_DEPTH_MAX, &root, err);
	if (ok) {
		print_head(r);
	}
	if (ok && r->lists) {
		print_page(r, root);
	} else if (ok) {
		print_row(r, root);
	}
	arena_release(&req);
	return ok;
}

static bool ask_page(struct ask_rows *r, struct client *client, struct err *err)
{
	struct client_reply reply = { 0 };
	struct client_call call = r->call;
	bool ok;

	if (r->cursor.n > 0) {
		call.path = arena_printf(r->boot, "%.*s&cursor=%.*s", SARG(call.path),
					 SARG(r->cursor));
	}
	ok = client_call(client, &call, &reply, err) && client_ok(&reply, err) &&
	     print_rows(r, buf_slice(&reply.body), err);
	client_reply_release(&reply);
	return ok;
}

static bool ask_pages(void *arg, struct client *client, struct err *err)
{
	struct ask_rows *r = arg;
	bool ok;

	do {
		ok = ask_page(r, client, err);
	} while (ok && r->cursor.n > 0);
	return ok;
}

bool ask_rows(const struct settings *settings, struct ask_rows *rows, struct err *err)
{
	return ask_local(settings, ask_pages, rows, err);
}
