/* SPDX-License-Identifier: Apache-2.0 */
/* tocsin health: what GET /ready says, as an exit code, for containers and scripts. */
#include <stdio.h>

#include "cmd/client.h"
#include "cmd/command.h"
#include "cmd/flags.h"

struct health_flags {
	struct client_flags to;
};

static const struct field rows[] = {
	CLIENT_FLAGS(struct health_flags, to),
};

static int run(const struct flags *flags UNUSED, const void *arg, struct arena *boot UNUSED)
{
	const struct health_flags *in = arg;
	struct client_call call = { .method = "GET", .path = S("/ready") };
	struct client_reply reply = { 0 };
	struct client *client = NULL;
	struct err err;
	bool ok;

	if (!client_open(&client, &in->to, false, &err)) {
		fprintf(stderr, "tocsin health: %s\n", err.text);
		return 2;
	}
	ok = client_call(client, &call, &reply, &err) && client_ok(&reply, &err);
	if (ok) {
		puts("ready");
	} else {
		fprintf(stderr, "tocsin health: %s\n", err.text);
	}
	client_reply_release(&reply);
	client_close(&client);
	return ok ? 0 : 1;
}

int cmd_health(int argc, char **argv)
{
	struct flags flags = {
		.command = "health",
		.about = "Ask a server whether it takes events. The exit code is 0 when it does.",
		.rows = rows,
		.n = ARRAY_LEN(rows),
	};
	struct health_flags in = { 0 };

	return flags_run(&flags, argc, argv, &in, run);
}
