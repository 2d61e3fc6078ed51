/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_COMMAND_H
#define CMD_COMMAND_H

/*
 * A word behind "tocsin": one file each. argv are the words behind it; every command knows --help.
 * Returns the exit code: 0 done, 1 failed, 2 called wrongly.
 */
struct command {
	const char *name;
	const char *help; /* one line */
	int (*run)(int argc, char **argv);
};

int cmd_audit(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_backup(int argc, char **argv);
int cmd_books(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_config(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_health(int argc, char **argv);
int cmd_journal(int argc, char **argv);
int cmd_migrate(int argc, char **argv);
int cmd_openapi(int argc, char **argv);
int cmd_org(int argc, char **argv);
int cmd_plan(int argc, char **argv);
int cmd_restore(int argc, char **argv);
int cmd_seed(int argc, char **argv);
int cmd_send(int argc, char **argv);
int cmd_serve(int argc, char **argv);
int cmd_tail(int argc, char **argv);
int cmd_user(int argc, char **argv);
int cmd_version(int argc, char **argv);

#endif
