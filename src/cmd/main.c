/* SPDX-License-Identifier: Apache-2.0 */
/* The commands, one row each. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "cmd/command.h"

static const struct command commands[] = {
	{ "serve", "run the server", cmd_serve },
};

static int usage(FILE *to, int code)
{
	fprintf(to,
		"tocsin: hear about it once, and never too late\n\nusage: tocsin COMMAND [flags]\n\n");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].help);
	}
	return code;
}

int main(int argc, char **argv)
{
	if (sodium_init() < 0) {
		fprintf(stderr, "tocsin: the kernel gives no randomness\n");
		return 1;
	}
	if (argc < 2) {
		return usage(stderr, 2);
	}
	if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0) {
		return usage(stdout, 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (strcmp(argv[1], commands[i].name) == 0) {
			return commands[i].run(argc - 2, argv + 2);
		}
	}
	fprintf(stderr, "tocsin: there is no command \"%s\"\n\n", argv[1]);
	return usage(stderr, 2);
}
