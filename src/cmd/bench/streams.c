/* SPDX-License-Identifier: Apache-2.0 */
/* The time of a frame is that of the read that brought its end. */
#include "cmd/bench/streams.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/clock.h"
#include "cmd/sse.h"

struct stream {
	struct far_call call;
	struct streams *streams;
	const char *headers[2];
	char resume[SSE_ID_BYTES_MAX + 32]; /* a header line */
	struct sse sse;
	bool connected;
	int64_t at_us; /* of the read under way */
};

struct streams {
	struct streams_options o;
	struct arena boot;
	const char *url;
	struct stream *v;
	size_t connected;
	uint64_t broken;
	uint64_t resyncs;
	char problem[160];
};

static void on_event(void *arg, const struct sse_event *e)
{
	struct stream *t = arg;
	struct streams *s = t->streams;

	if (slice_eq(e->name, S("notification"))) {
		s->o.got(s->o.owner, e->data, t->at_us);
	} else if (slice_eq(e->name, S("resync"))) {
		s->resyncs++;
	} else if (slice_eq(e->name, S("connected")) && !t->connected) {
		t->connected = true;
		s->connected++;
	}
}

static void on_bytes(struct far_call *call, struct slice bytes)
{
	struct stream *t = call->owner;

	if (far_status(call) == 200) {
		t->at_us = clock_mono_us();
		sse_feed(&t->sse, bytes, on_event, t);
	}
}

static void on_done(struct far_call *call, int status, const char *problem)
{
	struct stream *t = call->owner;
	struct streams *s = t->streams;

	s->broken++;
	s->connected -= t->connected ? 1 : 0;
	t->connected = false;
	if (status == 0) {
		snprintf(s->problem, sizeof(s->problem), "%s", problem);
	} else {
		snprintf(s->problem, sizeof(s->problem), "the server ended it with status %d",
			 status);
	}
}

struct streams *streams_new(const struct streams_options *options)
{
	struct streams *s = mem_alloc(1, sizeof(*s));

	s->o = *options;
	arena_init(&s->boot, 0);
	s->url = arena_printf(&s->boot, "%.*s/api/v1/stream", SARG(s->o.url)).p;
	s->v = mem_alloc(s->o.n, sizeof(*s->v));
	for (size_t i = 0; i < s->o.n; i++) {
		struct stream *t = &s->v[i];

		t->streams = s;
		t->headers[0] = arena_cstr(&s->boot, s->o.authorization[i]);
		sse_init(&t->sse);
		t->call.owner = t;
	}
	return s;
}

void streams_free(struct streams **sp)
{
	struct streams *s = *sp;

	if (s == NULL) {
		return;
	}
	for (size_t i = 0; i < s->o.n; i++) {
		far_end(s->o.far, &s->v[i].call);
		sse_release(&s->v[i].sse);
	}
	free(s->v);
	arena_release(&s->boot);
	free(s);
	*sp = NULL;
}

static void begin(struct stream *t)
{
	struct far_call *c = &t->call;

	sse_restart(&t->sse);
	c->headers_n = 1;
	if (t->sse.id.n > 0) {
		snprintf(t->resume, sizeof(t->resume), "Last-Event-ID: %.*s", (int)t->sse.id.n,
			 t->sse.id.p);
		t->headers[1] = t->resume;
		c->headers_n = 2;
	}
	c->method = "GET";
	c->url = t->streams->url;
	c->headers = t->headers;
	c->bytes = on_bytes;
	c->done = on_done;
	far_start(t->streams->o.far, c);
}

void streams_tick(struct streams *s)
{
	for (size_t i = 0; i < s->o.n; i++) {
		if (!s->v[i].call.busy) {
			begin(&s->v[i]);
		}
	}
}

size_t streams_connected(const struct streams *s)
{
	return s->connected;
}

uint64_t streams_broken(const struct streams *s)
{
	return s->broken;
}

uint64_t streams_resyncs(const struct streams *s)
{
	return s->resyncs;
}

const char *streams_problem(const struct streams *s)
{
	return s->problem;
}
