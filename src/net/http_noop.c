/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server that does nothing but answer, for measuring what HTTP itself costs:
 *   http_noop PORT [hook]
 * With "hook" the replies are made in a turn end hook, as those of durable ingest are.
 */
#include <signal.h>
#include <stdio.h>

#include "net/http_server.h"

#define BATCH_MAX 8192

struct noop {
	struct loop *loop;
	struct http_server *server;
	bool hook;
	struct http_exchange *batch[BATCH_MAX];
	size_t n;
};

static size_t on_head(void *ctx UNUSED, struct http_exchange *x UNUSED)
{
	return 1 << 20;
}

static void answer(struct http_exchange *x)
{
	http_reply_json(x, 202,
			S("{\"id\":\"evt_01J9ZZZZZZZZZZZZZZZZZZZZZZ\",\"status\":\"accepted\"}\n"));
}

static void on_request(void *ctx, struct http_exchange *x)
{
	struct noop *noop = ctx;

	if (!noop->hook || noop->n == BATCH_MAX) {
		answer(x);
	} else {
		noop->batch[noop->n++] = x;
	}
}

static void on_turn_end(void *arg)
{
	struct noop *noop = arg;

	for (size_t i = 0; i < noop->n; i++) {
		answer(noop->batch[i]);
	}
	noop->n = 0;
}

static void on_drained(void *arg)
{
	struct noop *noop = arg;

	loop_stop(noop->loop);
}

static void on_term(void *arg)
{
	struct noop *noop = arg;

	http_server_drain(noop->server, 1000000, on_drained, noop);
}

int main(int argc, char **argv)
{
	static struct noop noop;
	struct http_handlers handlers = { .on_head = on_head,
					  .on_request = on_request,
					  .ctx = &noop };
	struct err err;
	uint64_t port = 0;

	if (argc < 2 || !slice_u64(slice_of(argv[1]), &port) || port > 65535) {
		fprintf(stderr, "usage: http_noop PORT [hook]\n");
		return 2;
	}
	noop.loop = loop_new(64);
	noop.hook = argc > 2;
	noop.server = http_server_new(noop.loop, NULL, &handlers);
	loop_turn_end(noop.loop, on_turn_end, &noop);
	loop_on_signal(noop.loop, SIGTERM, on_term, &noop);
	loop_on_signal(noop.loop, SIGINT, on_term, &noop);
	if (!http_server_listen(noop.server, "127.0.0.1", (uint16_t)port, &err)) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	printf("%u\n", http_server_port(noop.server));
	fflush(stdout);
	loop_run(noop.loop);
	http_server_free(&noop.server);
	loop_free(&noop.loop);
	return 0;
}
