/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_COMMAND_H
#define CMD_COMMAND_H

/* A word behind "tocsin": one file each. argv are the words behind it. Returns the exit code. */
struct command {
	const char *name;
	const char *help; /* one line */
	int (*run)(int argc, char **argv);
};

int cmd_serve(int argc, char **argv);

#endif
