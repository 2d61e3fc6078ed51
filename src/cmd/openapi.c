/* SPDX-License-Identifier: Apache-2.0 */
/* tocsin openapi: the description of the API, for programs that are made of it. */
#include <stdio.h>

#include "api/openapi.h"
#include "cmd/command.h"
#include "cmd/flags.h"

struct openapi_flags {
	bool socket;
};

static const struct field rows[] = {
	FIELD_BOOL(struct openapi_flags, socket, "socket",
		   .help = "The calls over the Unix socket, too."),
};

static int run(const struct flags *flags UNUSED, const void *arg, struct arena *boot UNUSED)
{
	const struct openapi_flags *in = arg;
	const struct openapi_in how = { .socket = in->socket };
	struct buf out;

	buf_init(&out, OPENAPI_BYTES_MAX);
	openapi_write(&how, &out);
	buf_puts(&out, S("\n"));
	fwrite(out.p, 1, out.n, stdout);
	buf_release(&out);
	return ferror(stdout) == 0 ? 0 : 1;
}

int cmd_openapi(int argc, char **argv)
{
	struct flags flags = {
		.command = "openapi",
		.about = "Print the description of the API (OpenAPI 3.1, JSON), as "
			 "`GET /api/v1/openapi.json` answers it.",
		.rows = rows,
		.n = ARRAY_LEN(rows),
	};
	struct openapi_flags in = { 0 };

	return flags_run(&flags, argc, argv, &in, run);
}
