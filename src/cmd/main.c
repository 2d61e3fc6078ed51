/* SPDX-License-Identifier: Apache-2.0 */
/* The commands, one row each. */
#include <malloc.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "cmd/command.h"

static const struct command commands[] = {
	{ "serve", "run the server", cmd_serve },
	{ "config", "print the settings and where they come from", cmd_config },
	{ "health", "ask whether a server takes events", cmd_health },
	{ "migrate", "bring the state store to another schema", cmd_migrate },
	{ "send", "send events", cmd_send },
	{ "tail", "follow what happens, live", cmd_tail },
	{ "export", "write events to a file", cmd_export },
	{ "seed", "make organizations, projects and keys to begin with", cmd_seed },
	{ "user", "make and help the people who log in", cmd_user },
	{ "org", "look after the organizations of this server", cmd_org },
	{ "plan", "say what organizations may use", cmd_plan },
	{ "backup", "copy everything, while the server runs", cmd_backup },
	{ "restore", "make a data directory out of a backup", cmd_restore },
	{ "openapi", "print the description of the API", cmd_openapi },
	{ "check", "whether a data directory is in order", cmd_check },
	{ "audit", "see who changed what, and that nobody tampered with it", cmd_audit },
	{ "journal", "look at the log, and set damage aside", cmd_journal },
	{ "books", "check that all that was sent is accounted for", cmd_books },
	{ "bench", "put load on a server and report what it made of it", cmd_bench },
	{ "version", "print the version", cmd_version },
};

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (strcmp(name, commands[i].name) == 0) {
			return &commands[i];
		}
	}
	return NULL;
}

static int usage(FILE *to, int code)
{
	fprintf(to,
		"tocsin: hear about it once, and never too late\n\nusage: tocsin COMMAND [flags]\n\n");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].help);
	}
	fprintf(to, "\n`tocsin help COMMAND` lists its flags.\n");
	return code;
}

static int unknown(const char *name)
{
	fprintf(stderr, "tocsin: there is no command \"%s\"\n\n", name);
	return usage(stderr, 2);
}

/* "help", or "help send", which is "send --help". */
static int help(int argc, char **argv)
{
	const struct command *c;
	char word[] = "--help";
	char *args[] = { word, NULL };

	if (argc < 3) {
		return usage(stdout, 0);
	}
	c = find(argv[2]);
	return c == NULL ? unknown(argv[2]) : c->run(1, args);
}

#define MMAP_BYTES_MIN (1 << 20)

int main(int argc, char **argv)
{
	const struct command *c;

#ifdef M_MMAP_THRESHOLD
	/*
	 * Large bodies go back to the kernel when they are freed; by itself glibc keeps such
	 * blocks.
	 */
	mallopt(M_MMAP_THRESHOLD, MMAP_BYTES_MIN);
#endif
	if (sodium_init() < 0) {
		fprintf(stderr, "tocsin: the kernel gives no randomness\n");
		return 1;
	}
	if (argc < 2) {
		return usage(stderr, 2);
	}
	if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 ||
	    strcmp(argv[1], "-h") == 0) {
		return help(argc, argv);
	}
	c = find(strcmp(argv[1], "--version") == 0 ? "version" : argv[1]);
	return c == NULL ? unknown(argv[1]) : c->run(argc - 2, argv + 2);
}
