/* SPDX-License-Identifier: Apache-2.0 */
/* tocsin version. */
#include <stdio.h>

#include "cmd/command.h"
#include "cmd/flags.h"

int cmd_version(int argc, char **argv)
{
	struct flags flags = { .command = "version", .about = "Print the version." };
	struct arena boot;
	int code;

	arena_init(&boot, 0);
	code = flags_begin(&flags, argc, argv, NULL, &boot);
	if (code == FLAGS_GO_ON) {
		printf("tocsin %s\n", TOCSIN_VERSION);
		code = 0;
	}
	arena_release(&boot);
	return code;
}
